//! The first groups of an order by one key, where no more are asked for: `… GROUP BY minute ORDER BY minute DESC LIMIT 5`.
//!
//! The first so many distinct values of the key that were seen bound what can still be among the first: rows with a
//! value behind all of them are left out. Where the key only rises with a column of the input, such as the start of a
//! bucket of time, the rows that were left out say for which values of that column further ones need not be read.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};
use parking_lot::RwLock;

use crate::column::predicate::{CompareOp, Predicate};
use crate::column::scalar::Scalar;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::operators::groups::words::FixedWords;
use crate::exec::operators::sort::top_n::RunningBound;

/// More values than this are not kept apart.
pub(crate) const MOST: u64 = 1 << 10;

/// Which groups an aggregation keeps.
pub(crate) struct TopKeys {
    /// The number of the key, a whole number.
    pub key: usize,
    /// Distinct values that are asked for.
    pub most: usize,
    /// The greatest come first.
    pub descending: bool,
    /// A column of the input that the key rises with, and who is told which of its values are wanted.
    pub rises_with: Option<(usize, Arc<RunningBound>)>,
    pub seen: RwLock<Seen>,
}

/// What was seen so far, as ranks: what comes first is the least.
#[derive(Default)]
pub(crate) struct Seen {
    first: BTreeSet<i64>,
    /// The last of as many as are asked for.
    last: Option<i64>,
    /// The rank from which on values of the column are not wanted.
    unwanted: Option<i64>,
}

impl TopKeys {
    fn rank(&self, value: i64) -> i64 {
        if self.descending { !value } else { value }
    }

    /// The rows that may belong to one of the first groups, if not all do. NULLs do.
    pub fn keep(&self, key: &ArrayRef, batch: &Batch) -> Result<Option<BooleanArray>> {
        let known = self.seen.read().last;
        let mut new: Vec<i64> = vec![];
        let mut greatest = i64::MIN;
        FixedWords::each(key, |_, words| {
            let rank = self.rank(words[0] as i64);
            greatest = greatest.max(rank);
            // Rows of one bucket mostly follow each other.
            if known.is_none_or(|last| rank < last) && new.last() != Some(&rank) {
                new.push(rank);
            }
        })?;
        let last = if new.is_empty() { known } else { self.add(new) };
        let Some(last) = last.filter(|last| greatest > *last) else { return Ok(None) };
        let mut keep = vec![true; batch.rows];
        FixedWords::each(key, |row, words| keep[row] = self.rank(words[0] as i64) <= last)?;
        let mask = BooleanArray::from(keep);
        self.tell(&mask, batch)?;
        Ok(Some(mask))
    }

    fn add(&self, new: Vec<i64>) -> Option<i64> {
        let mut seen = self.seen.write();
        for rank in new {
            if seen.last.is_none_or(|last| rank < last) {
                seen.first.insert(rank);
                if seen.first.len() > self.most {
                    seen.first.pop_last();
                }
                if seen.first.len() == self.most {
                    seen.last = seen.first.last().copied();
                }
            }
        }
        seen.last
    }

    /// A row that is left out has a value of the column beyond which all are.
    fn tell(&self, kept: &BooleanArray, batch: &Batch) -> Result<()> {
        let Some((column, bound)) = &self.rises_with else { return Ok(()) };
        let mut nearest: Option<i64> = None;
        FixedWords::each(&batch.columns[*column], |row, words| {
            if !kept.value(row) {
                let rank = self.rank(words[0] as i64);
                nearest = Some(nearest.map_or(rank, |nearest| nearest.min(rank)));
            }
        })?;
        let Some(nearest) = nearest else { return Ok(()) };
        let mut seen = self.seen.write();
        if seen.unwanted.is_none_or(|known| nearest < known) {
            seen.unwanted = Some(nearest);
            let op = if self.descending { CompareOp::Gt } else { CompareOp::Lt };
            // Under the lock, so that the bound never gets looser.
            bound.set(Predicate { op, value: Scalar::Int(self.rank(nearest).into()) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;

    use super::*;

    fn ints(values: &[Option<i64>]) -> ArrayRef {
        Arc::new(values.iter().copied().collect::<Int64Array>())
    }

    #[test]
    fn rows_behind_the_first_keys_are_left_out() {
        for descending in [true, false] {
            let sign = if descending { 1 } else { -1 };
            let bound = Arc::new(RunningBound::in_blocks(descending));
            let top = TopKeys {
                key: 0,
                most: 2,
                descending,
                rises_with: Some((0, bound.clone())),
                seen: RwLock::default(),
            };
            let keep = |times: &[Option<i64>]| {
                let times: Vec<_> = times.iter().map(|t| t.map(|t| t * sign)).collect();
                let keys: Vec<_> = times.iter().map(|t| t.map(|t| t.div_euclid(10) * 10)).collect();
                let batch = Batch::new(vec![ints(&times)], times.len());
                let mask = top.keep(&ints(&keys), &batch).unwrap();
                mask.map(|mask| mask.iter().map(|k| k == Some(true)).collect::<Vec<_>>())
            };
            assert_eq!(keep(&[Some(55), Some(58), None]), None);
            assert_eq!(keep(&[Some(75)]), None);
            assert!(bound.get().is_none());
            assert_eq!(keep(&[Some(44), Some(57), None, Some(39)]), Some(vec![false, true, true, false]));
            let told = bound.get().unwrap();
            assert_eq!(told.value, Scalar::Int((44 * sign).into()));
            assert_eq!(told.op, if descending { CompareOp::Gt } else { CompareOp::Lt });
            // A further one makes it stricter.
            assert_eq!(keep(&[Some(61), Some(57)]), Some(vec![true, false]));
            assert_eq!(bound.get().unwrap().value, Scalar::Int((57 * sign).into()));
        }
    }
}
