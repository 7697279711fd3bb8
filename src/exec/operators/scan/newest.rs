//! Scanning for whoever wants of each key only the row at the greatest, or least, value of a column: `max(time)` by
//! series.
//!
//! Row groups are handed out from the newest on, and so are the blocks of each. The scan notes which keys it has yielded
//! and when their newest row was; what is left out is a row group, or a block, all of whose keys have been yielded with
//! a row that is not older than its newest. Which keys a row group can have its dictionary says, or, where there is none,
//! a list that is made once and kept with the row group. So what is read does not depend on how long the history is,
//! unless a key has no row in the newest part of it; and then only row groups are read that have that key.

use std::cmp::Ordering;

use arrow_array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow_select::concat::concat;
use parking_lot::RwLock;

use crate::column::scalar::Scalar;
use crate::column::stats::ChunkStats;
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::operators::filter::filter_batch;
use crate::exec::operators::groups::words::FixedWords;
use crate::exec::operators::groups::{FindCache, GroupTable, MISSING, group_table};

/// Row groups with more keys are read.
pub(super) const KEYS_MAX: usize = 1 << 12;
/// Blocks that are noted before it is asked whether any was left out for it.
const TRIAL_BLOCKS: u64 = 128;

/// What a scan has yielded so far, shared by its workers.
pub(super) struct NewestFirst {
    /// Positions of the keys in the scan's output.
    pub keys: Vec<usize>,
    /// That of the times.
    pub time: usize,
    /// The greatest time counts, not the least.
    pub greatest: bool,
    types: Vec<LogicalType>,
    found: RwLock<Found>,
}

struct Found {
    table: Box<dyn GroupTable>,
    /// The newest time of each key, as a rank.
    newest: Vec<i64>,
    ids: Vec<u32>,
    noted: u64,
    left_out: u64,
    given_up: bool,
}

/// The keys that a row group can have, side by side, and what the last look at them said.
pub(super) struct Candidates {
    columns: Vec<ArrayRef>,
    /// All of them were found not to be older than this.
    floor: Option<i64>,
}

/// What the values of a key lie between in a block.
pub(super) struct Bounds {
    pub min: Option<Scalar>,
    pub max: Option<Scalar>,
    /// Some are NULL.
    pub nulls: bool,
}

impl Candidates {
    /// The candidates of a row group, from the distinct values of its one key.
    pub fn of_dictionary(values: ArrayRef, has_nulls: bool) -> Result<Self> {
        let values =
            if has_nulls { concat(&[&*values, &*new_null_array(values.data_type(), 1)])? } else { values };
        Ok(Self { columns: vec![values], floor: None })
    }

    /// Candidates that are known.
    pub fn of_keys(columns: Vec<ArrayRef>) -> Self {
        Self { columns, floor: None }
    }

    /// Those that satisfy a condition.
    pub fn keep(self, condition: impl FnOnce(&[ArrayRef], usize) -> Result<BooleanArray>) -> Result<Self> {
        let rows = self.columns.first().map_or(0, |c| c.len());
        let mask = condition(&self.columns, rows)?;
        let left = filter_batch(Batch::new(self.columns, rows), &mask)?;
        Ok(Self { columns: left.columns, floor: None })
    }
}

impl NewestFirst {
    pub fn new(keys: Vec<usize>, time: usize, greatest: bool, types: Vec<LogicalType>) -> Result<Self> {
        let found = Found {
            table: group_table(&types)?,
            newest: vec![],
            ids: vec![],
            noted: 0,
            left_out: 0,
            given_up: false,
        };
        Ok(Self { keys, time, greatest, types, found: RwLock::new(found) })
    }

    fn rank(&self, time: i64) -> i64 {
        rank(time, self.greatest)
    }

    /// Something was yielded, and leaving out rows has paid so far.
    pub fn may_leave_out(&self) -> bool {
        let found = self.found.read();
        !found.given_up && !found.newest.is_empty()
    }

    /// Nothing was yielded yet.
    pub fn knows_nothing(&self) -> bool {
        self.found.read().noted == 0
    }

    /// Notes rows that are yielded.
    pub fn note(&self, keys: &[ArrayRef], times: &ArrayRef, rows: usize) -> Result<()> {
        if self.found.read().given_up {
            return Ok(());
        }
        let mut found = self.found.write();
        let Found { table, newest, ids, noted, left_out, given_up } = &mut *found;
        table.intern(keys, rows, ids)?;
        newest.resize(table.len(), i64::MIN);
        FixedWords::each(times, |row, words| {
            let newest = &mut newest[ids[row] as usize];
            *newest = (*newest).max(self.rank(words[0] as i64));
        })?;
        *noted += 1;
        *given_up = *noted >= TRIAL_BLOCKS + *left_out * 4 || newest.len() > KEYS_MAX * 4;
        Ok(())
    }

    /// Notes that so many blocks were left out.
    pub fn note_left_out(&self, blocks: usize) {
        self.found.write().left_out += blocks as u64;
    }

    /// The distinct keys of a row group's rows, `None` if they are too many. `next` yields its keys, a block at a time.
    pub fn distinct(
        &self,
        mut next: impl FnMut() -> Result<Option<Vec<ArrayRef>>>,
    ) -> Result<Option<Vec<ArrayRef>>> {
        let mut table = group_table(&self.types)?;
        let mut ids = vec![];
        while let Some(keys) = next()? {
            let rows = keys.first().map_or(0, |k| k.len());
            table.intern(&keys, rows, &mut ids)?;
            if table.len() > KEYS_MAX {
                return Ok(None);
            }
        }
        Ok(Some(table.take_keys()?))
    }

    /// Whether all candidates have been yielded with rows that are not older than `rank`.
    pub fn are_behind(&self, candidates: &mut Candidates, rank: i64) -> Result<bool> {
        if candidates.floor.is_some_and(|floor| floor >= rank) {
            return Ok(true);
        }
        candidates.floor = self.floor(&candidates.columns)?;
        Ok(candidates.floor.is_some_and(|floor| floor >= rank))
    }

    /// The same for the candidates that lie within bounds, for each key.
    pub fn are_those_behind(&self, candidates: &Candidates, bounds: &[Bounds], rank: i64) -> Result<bool> {
        let rows = candidates.columns.first().map_or(0, |c| c.len());
        let within = |row: usize| {
            let mut keys = bounds.iter().zip(&candidates.columns).zip(&self.types);
            keys.all(|((bounds, column), ty)| {
                if column.is_null(row) {
                    return bounds.nulls;
                }
                let value = Scalar::from_array(column, row, ty);
                let is = |order, bound: &Option<Scalar>| {
                    bound.as_ref().is_some_and(|bound| value.compare(bound) == Some(order))
                };
                !is(Ordering::Less, &bounds.min) && !is(Ordering::Greater, &bounds.max)
            })
        };
        let mask: BooleanArray = (0..rows).map(|row| Some(within(row))).collect();
        let left = filter_batch(Batch::new(candidates.columns.clone(), rows), &mask)?;
        Ok(self.floor(&left.columns)?.is_some_and(|floor| floor >= rank))
    }

    /// The oldest among the newest rows of these keys; `None` if one of them was not yielded.
    fn floor(&self, keys: &[ArrayRef]) -> Result<Option<i64>> {
        let rows = keys.first().map_or(0, |k| k.len());
        let found = self.found.read();
        let (mut ids, mut cache) = (vec![], FindCache::default());
        found.table.find(keys, rows, &mut ids, &mut cache)?;
        let known = |id: &u32| if *id == MISSING { None } else { found.newest.get(*id as usize).copied() };
        let newest: Option<Vec<i64>> = ids.iter().map(known).collect();
        // No key can have rows that matter where there is none.
        Ok(newest.map(|newest| newest.into_iter().min().unwrap_or(i64::MAX)))
    }
}

/// Times in an order in which the newest is the greatest.
fn rank(time: i64, greatest: bool) -> i64 {
    if greatest { time } else { !time }
}

/// No row is newer, going by statistics of the times; `None` if they do not say.
pub(super) fn rank_of_newest(stats: &ChunkStats, greatest: bool) -> Option<i64> {
    let end = if greatest { &stats.max } else { &stats.min };
    match end {
        Some(Scalar::Int(time)) => i64::try_from(*time).ok().map(|time| rank(time, greatest)),
        _ if stats.nulls >= stats.rows => Some(i64::MIN),
        _ => None,
    }
}

/// Times as whole numbers can be ranked.
pub(crate) fn is_ranked(ty: &LogicalType) -> bool {
    ty.is_integer() && !matches!(ty, LogicalType::HugeInt | LogicalType::UBigInt)
        || matches!(ty.arrow(), arrow_schema::DataType::Timestamp(..) | arrow_schema::DataType::Date32)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringViewArray};

    use super::*;

    fn names(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(values.iter().copied().collect::<StringViewArray>())
    }

    fn times(values: &[Option<i64>]) -> ArrayRef {
        Arc::new(values.iter().copied().collect::<Int64Array>())
    }

    #[test]
    fn keys_are_behind_when_all_were_seen_later() {
        for greatest in [true, false] {
            let sign = if greatest { 1 } else { -1 };
            let newest = NewestFirst::new(vec![0], 1, greatest, vec![LogicalType::Varchar]).unwrap();
            let mut all = Candidates::of_dictionary(names(&[Some("a"), Some("b")]), false).unwrap();
            let mut with_null = Candidates::of_dictionary(names(&[Some("a")]), true).unwrap();
            let rank = |t: i64| newest.rank(t * sign);
            newest.note(&[names(&[Some("a")])], &times(&[Some(10 * sign)]), 1).unwrap();
            assert!(!newest.are_behind(&mut all, rank(5)).unwrap());
            newest
                .note(&[names(&[Some("b"), None, Some("b")])], &times(&[Some(7 * sign), None, None]), 3)
                .unwrap();
            assert!(newest.are_behind(&mut all, rank(7)).unwrap());
            assert!(!newest.are_behind(&mut all, rank(8)).unwrap());
            // The key NULL was seen without a time.
            assert!(!newest.are_behind(&mut with_null, rank(5)).unwrap());
            assert!(newest.are_behind(&mut with_null, i64::MIN).unwrap());
            let a = Some(Scalar::text("a"));
            let bounds = |nulls| [Bounds { min: a.clone(), max: a.clone(), nulls }];
            assert!(newest.are_those_behind(&all, &bounds(false), rank(10)).unwrap());
            assert!(!newest.are_those_behind(&with_null, &bounds(true), rank(10)).unwrap());
        }
    }
}
