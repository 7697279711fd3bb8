//! Steps: differences to the number before, as a stream of their own. For numbers that mostly go on as before, or mostly
//! change little, but jump here and there: regular times, and slowly changing values, of several series one after another.
//!
//! After the head: the first number, a stream of the differences of all others to the one before. That stream is not in
//! steps or multiples itself.

use crate::column::codec::bitpack::{Lane, bits_for};
use crate::column::codec::bits::Bits;
use crate::column::codec::int::sequence::passing;
use crate::column::codec::int::{
    self, Domain, HEAD, IntCodec, IntStats, Shape, Span, choose, encode_as, middle, number, runs,
};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Decoded, ensure};

/// See the module.
pub(super) struct Steps;

/// So many times as many numbers as runs of the same difference make it worth a look.
const FEW: usize = 8;
/// So many bits less for most differences than for numbers do too.
const GAIN: usize = 2;

/// What the numbers are as differences to the one before.
#[derive(Debug, Clone)]
pub(super) struct Differences<D> {
    differences: Vec<D>,
    stats: IntStats<D>,
}

impl<D: Domain> Differences<D> {
    /// Takes the differences, if they come in few runs, or if most of them are small and some are not.
    pub(super) fn of(values: &[D], stats: &IntStats<D>) -> Option<Self> {
        let in_runs = stats.delta_runs >= 2 && stats.delta_runs <= values.len() / FEW;
        let are_small = || {
            let (low, high) = middle(values.len().saturating_sub(1), |i| values[i + 1].minus(values[i]))?;
            let bits = bits_for(high.offset(low)?) + GAIN;
            Some(bits <= stats.delta_bits().unwrap_or(64) && bits <= stats.frame_bits().unwrap_or(64))
        };
        if !in_runs && are_small() != Some(true) {
            return None;
        }
        let differences: Vec<D> = values.array_windows().map(|[a, b]| b.minus(*a)).collect();
        let stats = IntStats::flat(&differences).with_runs(&differences);
        Some(Self { differences, stats })
    }
}

/// Whether the differences may be in this codec.
fn may_nest(codec: Codec) -> bool {
    !matches!(codec, Codec::Steps | Codec::Multiples | Codec::Lag)
}

/// The first number, and the stream of differences of the others.
fn parts<'a, O: Lane>(stream: &mut Stream<'a>, count: usize) -> Decoded<(O, Stream<'a>)> {
    let first = number(&mut stream.payload)?;
    let differences = stream.nested_rest()?;
    ensure(may_nest(differences.codec) && count > 0, "steps of what they cannot be")?;
    Ok((first, differences))
}

/// Numbers whose differences come in runs. Where they go on evenly, one is known without those before it.
struct Even<O> {
    /// Of each run the number before it, and the difference.
    runs: Vec<(O, O)>,
    /// And how many numbers it has.
    lengths: Vec<u32>,
}

impl<O: Lane> Even<O> {
    /// Of the stream of differences of `count` numbers; `None` if they do not come in runs.
    fn of(first: O, differences: Stream<'_>, count: usize) -> Decoded<Option<Self>> {
        if differences.codec != Codec::Runs {
            return Ok(None);
        }
        let (steps, lengths) = runs::parts::<O>(differences, count - 1)?;
        let mut before = first;
        let with_number_before = |(step, length): (O, &u32)| {
            let run = (before, step);
            before = before.plus(step.times(O::truncate(u64::from(*length))));
            run
        };
        let runs = steps.into_iter().zip(&lengths).map(with_number_before).collect();
        Ok(Some(Self { runs, lengths }))
    }
}

impl IntCodec for Steps {
    const CODEC: Codec = Codec::Steps;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        let (_, size) = choose(&stats.differences.as_ref()?.stats, Shape::of_width(shape.width), may_nest)?;
        Some(HEAD + shape.width + size)
    }

    fn encode<D: Domain>(values: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        let Some(Differences { differences, stats }) = stats.differences.as_deref() else { return };
        StreamHead::write(Self::CODEC, 0, 0, 0, out);
        shape.put(values.first().copied().unwrap_or_default(), out);
        encode_as(differences, stats, Shape::of_width(shape.width), may_nest, out);
    }

    fn decode<O: Lane>(mut stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        let (first, differences) = parts(&mut stream, count)?;
        let start = out.len();
        out.push(first);
        int::decode(differences, count - 1, out)?;
        let mut last = O::default();
        for v in &mut out[start..] {
            last = last.plus(*v);
            *v = last;
        }
        Ok(())
    }

    fn select<O: Lane>(stream: Stream<'_>, count: usize, rows: &[u16], out: &mut Vec<O>) -> Decoded<()> {
        let mut rest = stream;
        let (first, differences) = parts::<O>(&mut rest, count)?;
        let Some(Even { runs, lengths }) = Even::of(first, differences, count)? else {
            let all = int::decode_vec::<O>(stream, count)?;
            out.extend(rows.iter().map(|row| all[usize::from(*row)]));
            return Ok(());
        };
        let mut finder = runs::Finder::new(&lengths);
        out.extend(rows.iter().map(|row| {
            let Some(row) = usize::from(*row).checked_sub(1) else { return first };
            let (run, at) = finder.find(row);
            let (before, step) = runs[run];
            before.plus(step.times(O::truncate(at as u64 + 1)))
        }));
        Ok(())
    }

    fn filter<O: Lane>(stream: Stream<'_>, count: usize, span: Span<O>, bits: &mut Bits) -> Decoded<()> {
        let mut rest = stream;
        let (first, differences) = parts::<O>(&mut rest, count)?;
        let Some(Even { runs, lengths }) = Even::of(first, differences, count)? else {
            bits.set_where(0, &int::decode_vec(stream, count)?, |v| span.test(v));
            return Ok(());
        };
        bits.set_range(0, usize::from(span.test(first)));
        let mut start = 1;
        for ((before, step), length) in runs.into_iter().zip(lengths) {
            let len = length as usize;
            match passing(before, step, len, span) {
                Some(ranges) => ranges.into_iter().for_each(|r| bits.set_range(start + r.start, r.len())),
                None => {
                    let mut number = before;
                    for row in start..start + len {
                        number = number.plus(step);
                        bits.set_range(row, usize::from(span.test(number)));
                    }
                }
            }
            start += len;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::column::codec::int::laws::read_in_all_ways;
    use crate::column::codec::int::{decode_vec, encode};

    #[test]
    fn regular_times_of_some_series_take_hardly_anything() {
        let times: Vec<i64> = (0..2048).map(|i| 1_700_000_000_000_000 + i % 700 * 10_000_000).collect();
        let mut out = vec![];
        let stats = IntStats::of(&times);
        assert_eq!(encode(&times, &stats, Shape::of_width(8), None, &mut out), Codec::Steps);
        assert!(out.len() < 120, "{}", out.len());
        let decoded = decode_vec::<u64>(Stream::parse(&out).unwrap(), times.len()).unwrap();
        assert_eq!(decoded.into_iter().map(|v| v as i64).collect::<Vec<_>>(), times);
        assert!(decode_vec::<u64>(Stream::parse(&out).unwrap(), 0).is_err());
    }

    #[test]
    fn walks_that_begin_anew_take_the_bits_of_their_steps() {
        // Up and down by up to 100, and every 700 numbers from somewhere else.
        let mut at = 0_i64;
        let walk: Vec<i64> = (0..2048_i64)
            .map(|i| {
                at = if i % 700 == 0 { i * 7919 % 100_000 } else { at + i * 7919 % 201 - 100 };
                at
            })
            .collect();
        let mut out = vec![];
        let stats = IntStats::of(&walk);
        assert_eq!(encode(&walk, &stats, Shape::of_width(8), None, &mut out), Codec::Steps);
        assert!(out.len() < 2048 * 8 / 8 + 100, "{}", out.len());
        let decoded = decode_vec::<u64>(Stream::parse(&out).unwrap(), walk.len()).unwrap();
        assert_eq!(decoded.into_iter().map(|v| v as i64).collect::<Vec<_>>(), walk);
    }

    proptest! {
        #[test]
        fn even_steps_are_read_in_any_way(
            first in any::<i64>(),
            runs in prop::collection::vec((0_u32..64, any::<i64>(), 1_usize..60), 2..20),
        ) {
            let mut values = vec![first];
            for (shift, step, times) in runs {
                for _ in 0..times {
                    values.push(values[values.len() - 1].wrapping_add(step >> shift));
                }
            }
            let mut out = vec![];
            let stats = IntStats::of(&values);
            encode(&values, &stats, Shape::of_width(8), Some(Codec::Steps), &mut out);
            read_in_all_ways(&values, &out, &[]);
        }
    }
}
