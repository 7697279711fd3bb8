//! Lag: differences to the number a fixed count before. For rows of several series in turn, as a collector writes that goes
//! round its sources: the number before is another series', the one a round before is the same one's.
//!
//! Head: `b` = the lag, `c` = bytes of the first stream. After it: a stream of the first numbers, as many as the lag, and a
//! stream of the differences of all others to the one that lies so far before. Neither is itself in lag, steps or multiples.

use crate::column::codec::bitpack::Lane;
use crate::column::codec::bits::Bits;
use crate::column::codec::int::{self, Domain, HEAD, IntCodec, IntStats, Shape, Span, choose, encode_as};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Decoded, ensure};

/// See the module.
pub(super) struct Lag;

/// Of one series in so many, or fewer, only the numbers of these are decoded.
const FEW_SERIES: usize = 6;

/// What the numbers are as differences to those before them in turn.
#[derive(Debug, Clone)]
pub(super) struct Lagged<D> {
    lag: usize,
    of_first: IntStats<D>,
    differences: Vec<D>,
    of_differences: IntStats<D>,
}

impl<D: Domain> Lagged<D> {
    /// Takes the differences, if there are at least as many as first numbers.
    pub(super) fn of(values: &[D], lag: usize) -> Option<Self> {
        if lag == 0 || lag > usize::from(u16::MAX) || values.len() < 2 * lag {
            return None;
        }
        let differences: Vec<D> =
            values[lag..].iter().zip(values).map(|(v, before)| v.minus(*before)).collect();
        let first = &values[..lag];
        let of_first = IntStats::flat(first).with_runs(first);
        let of_differences = IntStats::flat(&differences).with_runs(&differences);
        Some(Self { lag, of_first, differences, of_differences })
    }
}

/// Whether the first numbers and the differences may be in this codec.
fn may_nest(codec: Codec) -> bool {
    !matches!(codec, Codec::Lag | Codec::Steps | Codec::Multiples)
}

/// A stream, taken apart.
struct Parts<'a> {
    lag: usize,
    first: Stream<'a>,
    differences: Stream<'a>,
}

impl<'a> Parts<'a> {
    fn of(mut stream: Stream<'a>, count: usize) -> Decoded<Self> {
        let lag = stream.b;
        let first = stream.nested(stream.c)?;
        let differences = stream.nested_rest()?;
        ensure(lag > 0 && lag <= count, "a lag of nothing, or beyond the values")?;
        ensure(may_nest(first.codec) && may_nest(differences.codec), "a lag of what it cannot be of")?;
        Ok(Self { lag, first, differences })
    }

    /// Whether the first numbers come again and again.
    fn is_repeated<O: Lane>(&self) -> Decoded<bool> {
        if self.differences.codec != Codec::Constant {
            return Ok(false);
        }
        Ok(int::decode_vec::<O>(self.differences, 1)?[0] == O::default())
    }
}

/// Tells rounds and series of rows, without a division where they come in order.
struct Turns {
    lag: usize,
    round: usize,
    /// The first row of the round.
    start: usize,
}

impl Turns {
    #[inline]
    fn of(&mut self, row: u16) -> (usize, usize) {
        let row = usize::from(row);
        if row < self.start || row >= self.start + self.lag {
            self.round = row / self.lag;
            self.start = self.round * self.lag;
        }
        (self.round, row - self.start)
    }
}

impl Parts<'_> {
    /// Appends the numbers of some rows, by round and series, which are all of a few series, in order.
    fn decode_series<O: Lane>(
        &self,
        series: &[u16],
        rows: &[(usize, usize)],
        count: usize,
        out: &mut Vec<O>,
    ) -> Decoded<()> {
        let lag = self.lag;
        let rounds = rows.iter().map(|(round, _)| round + 1).max().unwrap_or(0);
        let mut differing = Vec::with_capacity(series.len() * rounds);
        for start in (0..rounds.saturating_sub(1)).map(|round| round * lag) {
            let at = series.iter().map(|series| start + usize::from(*series));
            differing.extend(at.take_while(|at| *at < count - lag).map(|at| at as u16));
        }
        let mut numbers = int::select::<O>(self.first, lag, series)?;
        numbers.reserve(differing.len());
        let differences = int::select::<O>(self.differences, count - lag, &differing)?;
        for (at, difference) in differences.into_iter().enumerate() {
            numbers.push(numbers[at].plus(difference));
        }
        let mut place = vec![0; lag];
        series.iter().zip(0..).for_each(|(series, at)| place[usize::from(*series)] = at);
        out.extend(rows.iter().map(|(round, of)| numbers[round * series.len() + place[*of]]));
        Ok(())
    }
}

impl IntCodec for Lag {
    const CODEC: Codec = Codec::Lag;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        let lagged = stats.lagged.as_ref()?;
        let (_, first) = choose(&lagged.of_first, shape, may_nest)?;
        let (_, differences) = choose(&lagged.of_differences, Shape::of_width(shape.width), may_nest)?;
        Some(HEAD + first + differences)
    }

    fn encode<D: Domain>(values: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        let Some(Lagged { lag, of_first, differences, of_differences }) = stats.lagged.as_deref() else {
            return;
        };
        let mut first = vec![];
        encode_as(&values[..*lag], of_first, shape, may_nest, &mut first);
        StreamHead::write(Self::CODEC, 0, *lag as u16, first.len() as u32, out);
        out.append(&mut first);
        encode_as(differences, of_differences, Shape::of_width(shape.width), may_nest, out);
    }

    fn decode<O: Lane>(stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        let parts = Parts::of(stream, count)?;
        let is_repeated = parts.is_repeated::<O>()?;
        let Parts { lag, first, differences } = parts;
        let start = out.len();
        int::decode(first, lag, out)?;
        if is_repeated {
            while out.len() - start < count {
                let more = (count - (out.len() - start)).min(out.len() - start);
                // Whole rounds, so that what is copied begins one.
                out.extend_from_within(start..start + more);
            }
            return Ok(());
        }
        int::decode(differences, count - lag, out)?;
        let (mut before, mut rest) = out[start..].split_at_mut(lag);
        while !rest.is_empty() {
            let (round, behind) = rest.split_at_mut(lag.min(rest.len()));
            round.iter_mut().zip(&*before).for_each(|(v, before)| *v = before.plus(*v));
            (before, rest) = (round, behind);
        }
        Ok(())
    }

    fn select<O: Lane>(stream: Stream<'_>, count: usize, rows: &[u16], out: &mut Vec<O>) -> Decoded<()> {
        let parts = Parts::of(stream, count)?;
        if parts.is_repeated::<O>()? {
            let mut turns = Turns { lag: parts.lag, round: 0, start: 0 };
            let first: Vec<u16> = rows.iter().map(|row| turns.of(*row).1 as u16).collect();
            out.append(&mut int::select(parts.first, parts.lag, &first)?);
            return Ok(());
        }
        let lag = parts.lag;
        let mut turns = Turns { lag, round: 0, start: 0 };
        let (mut is_wanted, mut wanted, mut places) = (vec![false; lag], 0, Vec::with_capacity(rows.len()));
        for row in rows {
            let (round, of) = turns.of(*row);
            wanted += usize::from(!is_wanted[of]);
            is_wanted[of] = true;
            places.push((round, of));
            if wanted * FEW_SERIES > lag {
                let all = int::decode_vec::<O>(stream, count)?;
                out.extend(rows.iter().map(|row| all[usize::from(*row)]));
                return Ok(());
            }
        }
        let series: Vec<u16> = (0..lag).filter(|at| is_wanted[*at]).map(|at| at as u16).collect();
        parts.decode_series(&series, &places, count, out)
    }

    fn filter<O: Lane>(stream: Stream<'_>, count: usize, span: Span<O>, bits: &mut Bits) -> Decoded<()> {
        let parts = Parts::of(stream, count)?;
        if !parts.is_repeated::<O>()? {
            bits.set_where(0, &int::decode_vec(stream, count)?, |v| span.test(v));
            return Ok(());
        }
        let first = int::decode_vec::<O>(parts.first, parts.lag)?;
        for at in (0..parts.lag).filter(|at| span.test(first[*at])) {
            (at..count).step_by(parts.lag).for_each(|row| bits.set_range(row, 1));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::column::codec::int::laws::{every, read_in_all_ways};
    use crate::column::codec::int::{decode_vec, encode};

    /// Encodes numbers, and checks all ways to read them. Returns the codec and the bytes.
    fn check(values: &[i64], lag: usize, force: Option<Codec>) -> (Codec, Vec<u8>) {
        let mut out = vec![];
        let stats = IntStats::with_lag(values, Some(lag));
        let codec = encode(values, &stats, Shape::of_width(8), force, &mut out);
        let of_some_series = [
            every(values.len(), |row| row % lag == lag / 2),
            every(values.len(), |row| row % lag < lag / 8 && row % 5 > 0),
        ];
        read_in_all_ways(values, &out, &of_some_series);
        (codec, out)
    }

    #[test]
    fn series_in_turn_take_the_bits_of_their_own_steps() {
        let mut series: Vec<i64> = (0..100).map(|i| i * 7919 % 100_000).collect();
        let walk: Vec<i64> = (0..2048_usize)
            .map(|i| {
                series[i % 100] += i as i64 * 31 % 16 - 8;
                series[i % 100]
            })
            .collect();
        let (codec, out) = check(&walk, 100, None);
        assert_eq!(codec, Codec::Lag);
        assert!(out.len() < 2048 * 4 / 8 + 100 * 17 / 8 + 100, "{}", out.len());
        // With another lag it is not worth it.
        assert_ne!(check(&walk, 99, None).0, Codec::Lag);
        // What says nothing new takes nothing.
        let again: Vec<i64> = (0..2048).map(|i| i % 7 * 7919 % 1000).collect();
        let (codec, out) = check(&again, 7, None);
        assert_eq!(codec, Codec::Lag);
        assert!(out.len() < 60, "{}", out.len());
    }

    #[test]
    fn damage_is_an_error() {
        let values: Vec<i64> = (0..64).map(|i| i % 8 * 1000 + i / 8).collect();
        let (_, out) = check(&values, 8, Some(Codec::Lag));
        for lag in [0, 65, u16::MAX] {
            let mut bad = out.clone();
            bad[2..4].copy_from_slice(&lag.to_le_bytes());
            assert!(decode_vec::<u64>(Stream::parse(&bad).unwrap(), 64).is_err(), "{lag}");
        }
        for cut in 8..out.len() {
            let cut = Stream::parse(&out[..cut]).unwrap();
            assert!(decode_vec::<u64>(cut, 64).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_numbers_come_back(values in prop::collection::vec(any::<i64>(), 1..300), lag in 1_usize..200) {
            check(&values, lag, Some(Codec::Lag));
        }

        #[test]
        fn any_period_comes_back(period in prop::collection::vec(-3_i64..3, 1..40), count in 1_usize..300) {
            let values: Vec<i64> = period.iter().copied().cycle().take(count).collect();
            check(&values, period.len(), Some(Codec::Lag));
        }
    }
}
