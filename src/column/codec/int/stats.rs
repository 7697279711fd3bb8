//! What is looked at before a codec is chosen for numbers: bounds, runs and differences, and how wide they are.
//!
//! Every number that is written is looked at here, often more than once, so it is done in as few steps as can be: where all
//! numbers of a stream lie within 2^31, as lanes of 32 bits above the least of them, which the compiler puts into
//! vectors.

use crate::column::codec::bitpack::bits_for;
use crate::column::codec::int::Domain;
use crate::column::codec::int::lag::Lagged;
use crate::column::codec::int::multiples::InSteps;
use crate::column::codec::int::runs::InRuns;
use crate::column::codec::int::steps::Differences;

/// What is known of the numbers of a stream before they are encoded.
#[derive(Debug, Clone)]
pub(crate) struct IntStats<D> {
    /// How many.
    pub(crate) count: usize,
    /// The least; 0 if there are none.
    pub(crate) min: D,
    /// The greatest.
    pub(crate) max: D,
    /// The least difference to the number before.
    pub(super) min_delta: D,
    /// The greatest difference to the number before.
    pub(super) max_delta: D,
    /// How many runs of equal numbers.
    pub(crate) runs: usize,
    /// How many runs of equal differences to the number before.
    pub(super) delta_runs: usize,
    /// The least but for some that lie far below most others.
    pub(super) base: D,
    /// How many numbers lie below `base`.
    pub(super) below: usize,
    /// How many differences to `base` need how many bits; empty if not counted.
    pub(super) widths: Vec<u32>,
    /// The numbers as runs of equal ones, if those are few.
    pub(super) in_runs: Option<Box<InRuns<D>>>,
    /// The numbers as multiples of a step, if they are.
    pub(super) in_steps: Option<Box<InSteps<D>>>,
    /// The numbers as differences to the one before, if those come in few runs.
    pub(super) differences: Option<Box<Differences<D>>>,
    /// The numbers as differences to the one a lag before, if there is a lag.
    pub(super) lagged: Option<Box<Lagged<D>>>,
}

impl<D: Domain> IntStats<D> {
    /// Looks at all numbers.
    pub(crate) fn of(values: &[D]) -> Self {
        Self::with_lag(values, None)
    }

    /// The same; `lag` says how far before a number lies the one that it is nearest to, if that is known.
    pub(crate) fn with_lag(values: &[D], lag: Option<usize>) -> Self {
        let mut stats = Self::flat(values).with_runs(values).with_steps(values);
        if stats.min != stats.max {
            stats.lagged = lag.and_then(|lag| Lagged::of(values, lag)).map(Box::new);
        }
        if stats.min_delta != stats.max_delta {
            stats.differences = Differences::of(values, &stats).map(Box::new);
        }
        stats
    }

    /// Looks at numbers as runs, too.
    pub(super) fn with_runs(self, values: &[D]) -> Self {
        let bits = self.frame_bits().unwrap_or(8 * size_of::<D>());
        let in_runs = InRuns::of(values, self.runs, bits);
        Self { in_runs: in_runs.map(Box::new), ..self }
    }

    /// Looks at numbers as multiples, too. Where they are small already, nothing much can be won.
    pub(super) fn with_steps(self, values: &[D]) -> Self {
        let in_steps = if self.widths.is_empty() { None } else { InSteps::of(values, self.min) };
        Self { in_steps: in_steps.map(Box::new), ..self }
    }

    /// Looks at all numbers, but not at what they are counted otherwise.
    pub(super) fn flat(values: &[D]) -> Self {
        let (min, max) = bounds(values);
        let reach = max.offset(min);
        let wide = reach.is_some_and(|reach| bits_for(reach) > 2);
        let base = if wide { base_of(values, min) } else { min };
        let mut widths = wide.then(Widths::default);
        let deltas = match reach {
            Some(0..=REACH_MAX) => {
                let small = |v: D| v.offset(min).unwrap_or_default() as i32;
                let mut deltas = Deltas::of(small(first(values)), values.get(1).map(|v| small(*v)));
                let mut piece = [0; PIECE];
                // The last two numbers of a piece are the first of the next, so that no difference is left out.
                for start in (0..values.len()).step_by(PIECE - 2) {
                    let values = &values[start..values.len().min(start + PIECE)];
                    let piece = &mut piece[..values.len()];
                    piece.iter_mut().zip(values).for_each(|(lane, v)| *lane = small(*v));
                    deltas.add(piece);
                    if let Some(widths) = &mut widths {
                        let new = if start == 0 { 0 } else { piece.len().min(2) };
                        widths.add(&piece[new..], small(base));
                    }
                }
                deltas.map(D::from)
            }
            _ => {
                let mut deltas = Deltas::of(first(values), values.get(1).copied());
                deltas.add(values);
                if let Some(widths) = &mut widths {
                    widths.add(values, base);
                }
                deltas
            }
        };
        let (below, widths) = widths.map(|widths| widths.finish()).unwrap_or_default();
        Self {
            count: values.len(),
            min,
            max,
            min_delta: deltas.min,
            max_delta: deltas.max,
            runs: if values.is_empty() { 0 } else { 1 + deltas.changes as usize },
            delta_runs: if values.len() < 2 { 0 } else { 1 + deltas.turns as usize },
            base,
            below,
            widths,
            in_runs: None,
            in_steps: None,
            differences: None,
            lagged: None,
        }
    }

    /// Bits of the greatest difference to the minimum, if it fits in 64.
    pub(super) fn frame_bits(&self) -> Option<usize> {
        self.max.offset(self.min).map(bits_for)
    }

    /// Bits of the greatest difference of differences, if it fits in 64.
    pub(super) fn delta_bits(&self) -> Option<usize> {
        self.max_delta.offset(self.min_delta).map(bits_for)
    }
}

/// Numbers that lie no further apart are looked at as 32 bits, and so are their differences.
const REACH_MAX: u64 = i32::MAX as u64;
/// So many at a time.
const PIECE: usize = 1024;

fn first<D: Domain>(values: &[D]) -> D {
    values.first().copied().unwrap_or_default()
}

/// The least and the greatest; 0 if there are none.
fn bounds<D: Domain>(values: &[D]) -> (D, D) {
    // Four of each, so that a number does not wait for the one before it.
    let (mut min, mut max) = ([first(values); 4], [first(values); 4]);
    let (fours, rest) = values.as_chunks::<4>();
    for four in fours {
        for i in 0..4 {
            min[i] = min[i].min(four[i]);
            max[i] = max[i].max(four[i]);
        }
    }
    let mut bounds = (min[0].min(min[1]).min(min[2].min(min[3])), max[0].max(max[1]).max(max[2].max(max[3])));
    for v in rest {
        bounds = (bounds.0.min(*v), bounds.1.max(*v));
    }
    bounds
}

/// What is known of the differences of numbers to the one before.
struct Deltas<D> {
    min: D,
    max: D,
    /// How many are not 0.
    changes: u32,
    /// How many are another than the one before.
    turns: u32,
}

impl<D: Domain> Deltas<D> {
    /// Of the first two numbers.
    fn of(first: D, second: Option<D>) -> Self {
        let delta = second.map_or(D::default(), |second| second.minus(first));
        Self { min: delta, max: delta, changes: u32::from(delta != D::default()), turns: 0 }
    }

    /// Adds all but the first two numbers, which were added before.
    fn add(&mut self, values: &[D]) {
        let (Some(second), Some(third)) = (values.get(1..), values.get(2..)) else { return };
        let (mut min, mut max, mut changes, mut turns) = (self.min, self.max, 0, 0);
        for ((a, b), c) in values.iter().zip(second).zip(third) {
            let delta = c.minus(*b);
            min = min.min(delta);
            max = max.max(delta);
            changes += u32::from(c != b);
            turns += u32::from(delta != b.minus(*a));
        }
        *self = Self { min, max, changes: self.changes + changes, turns: self.turns + turns };
    }

    fn map<T>(self, f: impl Fn(D) -> T) -> Deltas<T> {
        Deltas { min: f(self.min), max: f(self.max), changes: self.changes, turns: self.turns }
    }
}

/// How many differences to a base need how many bits, and how many lie below it.
#[derive(Default)]
struct Widths {
    below: usize,
    /// Counted in turns: the same place again at once would have to wait for the time before.
    counts: [Counts; 4],
}

/// By number of bits.
struct Counts([u32; 65]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; 65])
    }
}

impl Widths {
    fn add<D: Domain>(&mut self, values: &[D], base: D) {
        let (fours, rest) = values.as_chunks::<4>();
        for four in fours {
            self.add_in_turns(four, base);
        }
        self.add_in_turns(rest, base);
    }

    #[inline(always)]
    fn add_in_turns<D: Domain>(&mut self, values: &[D], base: D) {
        for (v, counts) in values.iter().zip(&mut self.counts) {
            if *v < base {
                self.below += 1;
            } else {
                counts.0[bits_for(v.offset(base).unwrap_or(u64::MAX))] += 1;
            }
        }
    }

    fn finish(self) -> (usize, Vec<u32>) {
        let widths = (0..65).map(|bits| self.counts.iter().map(|counts| counts.0[bits]).sum()).collect();
        (self.below, widths)
    }
}

/// Between which two most of some numbers lie, by some of them; `None` if they are too few to tell.
pub(super) fn middle<D: Domain>(count: usize, get: impl Fn(usize) -> D) -> Option<(D, D)> {
    const SAMPLE: usize = 64;
    /// Of the sample, so many are left out at either end.
    const EXTREME: usize = 2;
    if count < 2 * SAMPLE {
        return None;
    }
    let mut sample: [D; SAMPLE] = std::array::from_fn(|i| get(i * (count - 1) / (SAMPLE - 1)));
    let (_, low, above) = sample.select_nth_unstable(EXTREME);
    let low = *low;
    let (_, high, _) = above.select_nth_unstable(SAMPLE - 2 - 2 * EXTREME);
    Some((low, *high))
}

/// The least number but for those that lie further below most than these lie apart.
fn base_of<D: Domain>(values: &[D], min: D) -> D {
    let Some((low, high)) = middle(values.len(), |i| values[i]) else { return min };
    let (Some(reach), Some(below)) = (high.offset(low), low.offset(min)) else { return min };
    if below <= reach {
        return min;
    }
    let is_near = |v: &D| *v >= low || low.offset(*v).is_some_and(|below| below <= reach);
    values.iter().copied().filter(is_near).min().unwrap_or(min)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bounds of differences, runs of numbers and of differences, counted one by one.
    fn expected(values: &[i64]) -> (i64, i64, usize, usize) {
        let deltas: Vec<i64> = values.windows(2).map(|two| two[1].wrapping_sub(two[0])).collect();
        let runs = values.chunk_by(|a, b| a == b).count();
        let (min, max) = (deltas.iter().min(), deltas.iter().max());
        let of = |bound: Option<&i64>| bound.copied().unwrap_or_default();
        (of(min), of(max), runs, deltas.chunk_by(|a, b| a == b).count())
    }

    fn check(values: &[i64]) {
        let stats = IntStats::flat(values);
        assert_eq!(stats.count, values.len());
        assert_eq!(stats.min, values.iter().min().copied().unwrap_or_default());
        assert_eq!(stats.max, values.iter().max().copied().unwrap_or_default());
        let found = (stats.min_delta, stats.max_delta, stats.runs, stats.delta_runs);
        assert_eq!(found, expected(values));
        assert_eq!(stats.below, values.iter().filter(|v| **v < stats.base).count());
        for (bits, count) in stats.widths.iter().enumerate() {
            let is = |v: &&i64| **v >= stats.base && bits_for(v.wrapping_sub(stats.base) as u64) == bits;
            assert_eq!(*count as usize, values.iter().filter(is).count(), "{bits} bits");
        }
        let wide: Vec<i128> = values.iter().map(|v| i128::from(*v)).collect();
        let wide = IntStats::flat(&wide);
        assert_eq!((wide.runs, wide.below), (stats.runs, stats.below));
    }

    #[test]
    fn where_pieces_end() {
        let p = PIECE;
        for count in
            [0, 1, 2, 3, 4, p - 3, p - 2, p - 1, p, p + 1, 2 * p - 5, 2 * p - 4, 2 * p - 3, 2 * p, 5000]
        {
            check(&(0..count as i64).collect::<Vec<_>>());
            check(&(0..count as i64).map(|i| i * i % 977).collect::<Vec<_>>());
            check(&(0..count as i64).map(|i| (i / 300) << 30).collect::<Vec<_>>());
            check(
                &(0..count as i64)
                    .map(|i| if i % 700 == 699 { -1_000_000 } else { i % 9 })
                    .collect::<Vec<_>>(),
            );
            check(&vec![7; count]);
        }
    }

    #[test]
    fn as_far_apart_as_may_be() {
        for far in [REACH_MAX as i64 - 1, REACH_MAX as i64, REACH_MAX as i64 + 1, i64::MAX] {
            for least in [0, -1, i64::MIN] {
                let most = least.wrapping_add(far);
                check(&[least, most, least, least, most]);
                check(&[most, least, most, least]);
            }
        }
    }

    proptest! {
        #[test]
        fn counts_as_one_by_one(
            start in any::<i64>(),
            steps in prop::collection::vec((0_u32..64, any::<u64>(), 1_usize..700), 0..12),
        ) {
            let mut values = vec![];
            let mut at = start;
            for (bits, seed, times) in steps {
                for i in 0..times as u64 {
                    at = at.wrapping_add((seed.wrapping_mul(i | 1) >> bits) as i64);
                    values.push(at);
                }
            }
            check(&values);
        }
    }
}
