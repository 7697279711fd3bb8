//! Runs: values and how often each is repeated.
//!
//! Head: `c` = number of runs. After it: the length of the stream of values (4 bytes), the stream of values, the
//! stream of lengths (4-byte numbers). Lengths add up to the count. Neither stream is in runs itself.

use crate::column::codec::bitpack::Lane;
use crate::column::codec::bits::Bits;
use crate::column::codec::int::{self, Domain, HEAD, IntCodec, IntStats, Shape, Span, choose, encode_as};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Decoded, ensure};

/// See the module.
pub(super) struct Runs;

/// Values that are written at once when runs are decoded.
const AT_ONCE: usize = 8;

/// How lengths lie at rest.
const LENGTHS: Shape = Shape::of_width(4);

/// What numbers are as runs.
#[derive(Debug, Clone)]
pub(super) struct InRuns<D> {
    values: Vec<D>,
    of_values: IntStats<D>,
    lengths: Vec<i64>,
    of_lengths: IntStats<i64>,
}

impl<D: Domain> InRuns<D> {
    /// Takes the runs, if they may be smaller than the numbers, of which each takes so many bits: a length takes one at least.
    pub(super) fn of(numbers: &[D], runs: usize, bits: usize) -> Option<Self> {
        if runs * (bits + 1) >= numbers.len() * bits {
            return None;
        }
        let mut values = Vec::with_capacity(runs);
        let mut lengths = Vec::with_capacity(runs);
        for run in numbers.chunk_by(|a, b| a == b) {
            values.push(run[0]);
            lengths.push(run.len() as i64);
        }
        let of_values = IntStats::flat(&values).with_steps(&values);
        let of_lengths = IntStats::flat(&lengths).with_steps(&lengths);
        Some(Self { values, of_values, lengths, of_lengths })
    }
}

/// Whether values and lengths may be in this codec.
fn may_nest(codec: Codec) -> bool {
    !matches!(codec, Codec::Runs | Codec::Steps | Codec::Lag)
}

/// Values and lengths of the runs, as many of each, and lengths that add up to `count`.
pub(super) fn parts<O: Lane>(mut stream: Stream<'_>, count: usize) -> Decoded<(Vec<O>, Vec<u32>)> {
    let runs = stream.c;
    ensure(runs <= count, "more runs than values")?;
    let values_len = stream.payload.u32()? as usize;
    let values = stream.nested(values_len)?;
    let lengths = stream.nested_rest()?;
    ensure(values.codec != Codec::Runs && lengths.codec != Codec::Runs, "runs within runs")?;
    let values = int::decode_vec(values, runs)?;
    let lengths = int::decode_vec::<u32>(lengths, runs)?;
    let total: u64 = lengths.iter().map(|n| u64::from(*n)).sum();
    ensure(total == count as u64, "lengths of runs do not add up")?;
    Ok((values, lengths))
}

/// Finds the runs of rows. Rows that come in order are found by going on from the one before.
pub(crate) struct Finder<'a> {
    lengths: &'a [u32],
    run: usize,
    /// Its first row, and the one behind it.
    start: usize,
    end: usize,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(lengths: &'a [u32]) -> Self {
        Self { lengths, run: 0, start: 0, end: lengths.first().map_or(0, |length| *length as usize) }
    }

    /// The run of a row, which must be less than the sum of the lengths, and the place of the row in it.
    #[inline]
    pub(crate) fn find(&mut self, row: usize) -> (usize, usize) {
        if row < self.start {
            *self = Self::new(self.lengths);
        }
        while row >= self.end {
            self.run += 1;
            self.start = self.end;
            self.end += self.lengths[self.run] as usize;
        }
        (self.run, row - self.start)
    }
}

impl IntCodec for Runs {
    const CODEC: Codec = Codec::Runs;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        let runs = stats.in_runs.as_ref()?;
        let (_, values) = choose(&runs.of_values, shape, may_nest)?;
        let (_, lengths) = choose(&runs.of_lengths, LENGTHS, may_nest)?;
        Some(HEAD + 4 + values + lengths)
    }

    fn encode<D: Domain>(_: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        let Some(InRuns { values, of_values, lengths, of_lengths }) = stats.in_runs.as_deref() else {
            return;
        };
        StreamHead::write(Self::CODEC, 0, 0, values.len() as u32, out);
        let mut nested = vec![];
        encode_as(values, of_values, shape, may_nest, &mut nested);
        out.extend_from_slice(&(nested.len() as u32).to_le_bytes());
        out.append(&mut nested);
        encode_as(lengths, of_lengths, LENGTHS, may_nest, out);
    }

    fn decode<O: Lane>(stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        let (values, lengths) = parts::<O>(stream, count)?;
        // Most runs are short: a few values are written whatever the length, and overwritten by the next run.
        let start = out.len();
        out.resize(start + count + AT_ONCE, O::default());
        let mut rest = &mut out[start..];
        for (value, length) in values.into_iter().zip(lengths) {
            let length = length as usize;
            rest[..AT_ONCE].fill(value);
            if length > AT_ONCE {
                rest[AT_ONCE..length].fill(value);
            }
            rest = &mut rest[length..];
        }
        out.truncate(start + count);
        Ok(())
    }

    fn select<O: Lane>(stream: Stream<'_>, count: usize, rows: &[u16], out: &mut Vec<O>) -> Decoded<()> {
        let (values, lengths) = parts::<O>(stream, count)?;
        let mut runs = Finder::new(&lengths);
        out.extend(rows.iter().map(|row| values[runs.find(usize::from(*row)).0]));
        Ok(())
    }

    fn filter<O: Lane>(stream: Stream<'_>, count: usize, span: Span<O>, bits: &mut Bits) -> Decoded<()> {
        let (values, lengths) = parts::<O>(stream, count)?;
        bits.set_runs(&lengths, |run| span.test(values[run]));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::column::codec::int::laws::read_in_all_ways;

    #[test]
    fn regular_runs_are_small_however_short() {
        for length in [2, 3, 8, 100] {
            let values: Vec<i64> = (0..2048).map(|i| i / length * 10_000_000).collect();
            let mut out = vec![];
            let codec = int::encode(&values, &IntStats::of(&values), Shape::of_width(8), None, &mut out);
            assert_eq!(codec, Codec::Runs, "runs of {length}");
            assert!(out.len() < 250, "runs of {length}: {} bytes", out.len());
        }
        // Where every fifth wide number repeats the one before, lengths cost less than these.
        let scattered = |i: i64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64);
        let values: Vec<i64> = (0..2048).map(|i| scattered(i - i64::from(i % 5 == 4))).collect();
        let stats = IntStats::of(&values);
        let mut out = vec![];
        assert_eq!(int::encode(&values, &stats, Shape::of_width(8), None, &mut out), Codec::Runs);
        assert!(out.len() < 2048 * 8 * 9 / 10);
        // Where no number is as the one before, or numbers are small, they are no runs.
        let values: Vec<i64> = (0..2048).map(scattered).collect();
        assert!(IntStats::of(&values).in_runs.is_none());
        let values: Vec<i64> = (0..2048).map(|i| i / 3 % 2 + i % 2).collect();
        assert!(IntStats::of(&values).in_runs.is_none());
    }

    proptest! {
        #[test]
        fn runs_are_read_in_any_way(runs in prop::collection::vec((any::<i64>(), 1_usize..60), 1..20)) {
            let values: Vec<i64> = runs.into_iter().flat_map(|(value, times)| vec![value; times]).collect();
            let mut out = vec![];
            let stats = IntStats::of(&values);
            int::encode(&values, &stats, Shape::of_width(8), Some(Codec::Runs), &mut out);
            read_in_all_ways(&values, &out, &[]);
        }
    }
}
