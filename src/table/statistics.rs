//! What is known of a column of a whole table, put together from the statistics of its chunks.

use std::cmp::Ordering;

use crate::column::scalar::Scalar;
use crate::column::stats::ChunkStats;

/// Statistics of a column of a table, for the optimizer. Bounds hold; the distinct count is a guess.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnStatistics {
    /// Rows.
    pub rows: u64,
    /// NULLs.
    pub null_count: u64,
    /// No value is less. `None` if unknown or if there are no values.
    pub min: Option<Scalar>,
    /// No value is greater.
    pub max: Option<Scalar>,
    /// `min` is one of the values.
    pub min_exact: bool,
    /// `max` is one of the values.
    pub max_exact: bool,
    /// About how many different values there are, if known; at least 1 if there are values.
    pub distinct: Option<u64>,
}

impl ColumnStatistics {
    /// Of the numbers of so many rows.
    pub(super) fn of_row_ids(rows: u64) -> Self {
        let last = rows.checked_sub(1);
        Self {
            rows,
            min: last.map(|_| Scalar::Int(0)),
            max: last.map(|last| Scalar::Int(last.into())),
            distinct: last.map(|_| rows),
            ..Self::default()
        }
    }
}

/// Puts chunks together, in the order of the rows.
#[derive(Debug, Default, Clone)]
pub(super) struct Accumulator {
    total: ColumnStatistics,
    /// A chunk with values had no minimum or maximum: then there is none for the whole.
    min_unknown: bool,
    max_unknown: bool,
    distinct_unknown: bool,
    distinct_most: u64,
    distinct_sum: u64,
    chunks: u64,
    /// Neighbours whose ranges do not overlap.
    apart: u64,
    first: Option<(Scalar, Scalar)>,
    last: Option<(Scalar, Scalar)>,
}

impl Accumulator {
    /// Adds the next chunk.
    pub(super) fn add(&mut self, chunk: ChunkStats) {
        let mut next = Self::default();
        (next.total.rows, next.total.null_count) = (chunk.rows, chunk.nulls);
        if chunk.nulls < chunk.rows {
            next.chunks = 1;
            match chunk.distinct {
                Some(distinct) => {
                    next.distinct_most = distinct.max(1);
                    next.distinct_sum = next.distinct_most;
                }
                None => next.distinct_unknown = true,
            }
            next.first = chunk.min.clone().zip(chunk.max.clone());
            next.last.clone_from(&next.first);
            (next.min_unknown, next.max_unknown) = (chunk.min.is_none(), chunk.max.is_none());
            (next.total.min, next.total.min_exact) = (chunk.min, chunk.min_exact);
            (next.total.max, next.total.max_exact) = (chunk.max, chunk.max_exact);
        }
        self.append(&next);
    }

    /// Adds the chunks that follow.
    pub(super) fn append(&mut self, next: &Self) {
        let (total, more) = (&mut self.total, &next.total);
        total.rows += more.rows;
        total.null_count += more.null_count;
        self.chunks += next.chunks;
        self.distinct_most = self.distinct_most.max(next.distinct_most);
        self.distinct_sum = self.distinct_sum.saturating_add(next.distinct_sum);
        self.distinct_unknown |= next.distinct_unknown;
        self.min_unknown |= next.min_unknown;
        self.max_unknown |= next.max_unknown;
        self.apart += next.apart;
        if let (Some((last_min, last_max)), Some((min, max))) = (&self.last, &next.first) {
            let above = min.compare(last_max) != Some(Ordering::Less);
            let below = max.compare(last_min) != Some(Ordering::Greater);
            self.apart += u64::from(above || below);
        }
        if self.first.is_none() {
            self.first.clone_from(&next.first);
        }
        if next.last.is_some() {
            self.last.clone_from(&next.last);
        }
        if let Some(min) = &more.min
            && total.min.as_ref().is_none_or(|least| min.compare(least) == Some(Ordering::Less))
        {
            (total.min, total.min_exact) = (Some(min.clone()), more.min_exact);
        }
        if let Some(max) = &more.max
            && total.max.as_ref().is_none_or(|most| max.compare(most) == Some(Ordering::Greater))
        {
            (total.max, total.max_exact) = (Some(max.clone()), more.max_exact);
        }
    }

    /// NULLs.
    pub(super) fn nulls(&self) -> u64 {
        self.total.null_count
    }

    /// The whole.
    pub(super) fn finish(mut self) -> ColumnStatistics {
        if self.min_unknown {
            (self.total.min, self.total.min_exact) = (None, false);
        }
        if self.max_unknown {
            (self.total.max, self.total.max_exact) = (None, false);
        }
        self.total.distinct = self.distinct();
        self.total
    }

    /// How many different values the chunks have together, from how many each has.
    ///
    /// Where most neighbours do not overlap (a time, a serial number) they share no values: the sum.
    /// Otherwise each chunk is taken as a sample of the same values: a sample of `n` out of `d` values
    /// has `d * (1 - exp(-n / d))` different ones.
    fn distinct(&self) -> Option<u64> {
        if self.distinct_unknown || self.chunks == 0 {
            return None;
        }
        let values = self.total.rows - self.total.null_count;
        let guess = if self.apart * 10 >= (self.chunks - 1) * 8 {
            self.distinct_sum
        } else {
            let n = values as f64 / self.chunks as f64;
            let seen = self.distinct_sum as f64 / self.chunks as f64;
            population(n, seen) as u64
        };
        let mut guess = guess.clamp(self.distinct_most, self.distinct_sum).min(values);
        if let (Some(Scalar::Int(min)), Some(Scalar::Int(max))) = (&self.total.min, &self.total.max) {
            let range = max.checked_sub(*min).and_then(|r| u64::try_from(r).ok()).unwrap_or(u64::MAX);
            guess = guess.min(range.saturating_add(1));
        }
        if matches!(self.total.min, Some(Scalar::Boolean(_))) {
            guess = guess.min(2);
        }
        Some(guess.max(1))
    }
}

/// How many values there are if a sample of `n` of them has `seen` different ones.
fn population(n: f64, seen: f64) -> f64 {
    if seen >= n * 0.999 {
        return f64::MAX;
    }
    let (mut low, mut high) = (seen, n * 1e4);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if middle * -(-n / middle).exp_m1() < seen {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(rows: u64, min: i128, max: i128, distinct: u64) -> ChunkStats {
        ChunkStats {
            rows,
            min: Some(Scalar::Int(min)),
            max: Some(Scalar::Int(max)),
            min_exact: true,
            max_exact: true,
            distinct: Some(distinct),
            ..ChunkStats::default()
        }
    }

    fn whole(chunks: impl IntoIterator<Item = ChunkStats>) -> ColumnStatistics {
        let mut all = Accumulator::default();
        chunks.into_iter().for_each(|chunk| all.add(chunk));
        all.finish()
    }

    #[test]
    fn parts_together_are_what_their_chunks_are() {
        let nulls = ChunkStats { rows: 5, nulls: 5, ..ChunkStats::default() };
        let unknown = ChunkStats { min: None, distinct: None, ..chunk(10, 0, 0, 1) };
        let chunks = [chunk(9, 3, 9, 4), nulls, chunk(9, 9, 40, 4), chunk(9, 5, 60, 9), unknown];
        for most in 1..=chunks.len() {
            let expected = whole(chunks[..most].iter().cloned());
            for cut in 0..=most {
                let mut parts = [Accumulator::default(), Accumulator::default()];
                for (at, chunk) in chunks[..most].iter().enumerate() {
                    parts[usize::from(at >= cut)].add(chunk.clone());
                }
                let [mut first, second] = parts;
                first.append(&second);
                assert_eq!(first.finish(), expected, "{cut} of {most}");
            }
        }
    }

    #[test]
    fn bounds_and_counts_are_those_of_all_chunks() {
        let nulls = ChunkStats { rows: 5, nulls: 5, ..ChunkStats::default() };
        let stats = whole([chunk(10, 3, 9, 4), nulls, chunk(10, -1, 4, 4)]);
        assert_eq!((stats.rows, stats.null_count), (25, 5));
        assert_eq!((stats.min, stats.max), (Some(Scalar::Int(-1)), Some(Scalar::Int(9))));
        assert!(stats.min_exact && stats.max_exact);
        assert_eq!(whole([]), ColumnStatistics::default());
    }

    #[test]
    fn a_bound_that_one_chunk_lacks_is_not_known() {
        let unknown = ChunkStats { max: None, ..chunk(10, 0, 0, 1) };
        let stats = whole([chunk(10, 3, 9, 4), unknown]);
        assert_eq!((stats.min, stats.max), (Some(Scalar::Int(0)), None));
    }

    #[test]
    fn distinct_values_are_guessed_by_overlap() {
        // A serial number: nothing in common.
        let serial = whole((0..10).map(|i| chunk(100, i * 100, i * 100 + 99, 100)));
        assert_eq!(serial.distinct, Some(1000));
        // A category: the same values everywhere.
        let category = whole((0..10).map(|_| chunk(1000, 0, 1_000_000, 20)));
        assert_eq!(category.distinct, Some(20));
        // Random keys out of about 1,000: each chunk sees some of them.
        let keys = whole((0..10).map(|_| chunk(1000, 0, 999, 632))).distinct.unwrap();
        assert!((900..=1000).contains(&keys), "{keys}");
        // Unique keys in random order.
        let unique = whole((0..10).map(|_| chunk(1000, 0, 1_000_000, 1000)));
        assert_eq!(unique.distinct, Some(10_000));
        // Never more than fit between the bounds.
        assert_eq!(whole([chunk(100, 1, 3, 50)]).distinct, Some(3));
    }
}
