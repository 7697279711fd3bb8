//! What a table that holds the rows of a query knows of it: a materialized view.
//!
//! ```text
//! query text | refreshed bool | frozen optional i64 | count u32, then for each source:
//!   table id u64 | time column optional u32 | pending bool, then least i64 | greatest i64
//!   | count u32, then for each row group (28 bytes): fingerprint u64 | deleted rows u32 | least i64 | greatest i64
//! ```
//!
//! Times are in the unit of the source's time column; `frozen` is in that of the view's.

use crate::catalog::record::{Decoded, RecordReader, RecordWriter};
use crate::catalog::table::{ColumnId, TableId};

const SOURCE_BYTES: usize = 14;
const GROUP_BYTES: usize = 28;

/// From which time to which, both inclusive.
pub type TimeRange = (i64, i64);

/// All times there are, and rows without one.
pub const ALL_TIME: TimeRange = (i64::MIN, i64::MAX);

/// The query of a materialized view, and what it was last made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Materialized {
    /// The query, as SQL text.
    pub query: Box<str>,
    /// Whether it has ever been made.
    pub refreshed: bool,
    /// Rows of buckets that begin before stay as they are, for their source has expired.
    pub frozen_before: Option<i64>,
    /// The tables that the query reads, as they were when the view was last refreshed.
    pub sources: Vec<SourceState>,
}

/// A table as it was when a view was made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// The table.
    pub table: TableId,
    /// The column whose times the ranges are about; ranges are all of time if there is none.
    pub time: Option<ColumnId>,
    /// Its sealed row groups.
    pub groups: Vec<GroupState>,
    /// The times of rows that were not sealed yet.
    pub pending: Option<TimeRange>,
}

/// A sealed row group, as far as one must know it to see that it has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupState {
    /// Tells its rows from all others.
    pub fingerprint: u64,
    /// How many of them are deleted, which only becomes more.
    pub deleted: u32,
    /// Their times.
    pub times: TimeRange,
}

impl Materialized {
    pub(super) fn write(&self, w: &mut RecordWriter) {
        w.text(&self.query);
        w.bool(self.refreshed);
        w.bool(self.frozen_before.is_some());
        if let Some(time) = self.frozen_before {
            w.u64(time.cast_unsigned());
        }
        w.count(self.sources.len());
        for source in &self.sources {
            w.u64(source.table.0);
            w.bool(source.time.is_some());
            if let Some(time) = source.time {
                w.u32(time.0);
            }
            w.bool(source.pending.is_some());
            if let Some(times) = source.pending {
                write_range(w, times);
            }
            w.count(source.groups.len());
            for group in &source.groups {
                w.u64(group.fingerprint);
                w.u32(group.deleted);
                write_range(w, group.times);
            }
        }
    }

    pub(super) fn read(r: &mut RecordReader<'_>) -> Decoded<Self> {
        let (query, refreshed) = (r.text()?, r.bool()?);
        let frozen_before = if r.bool()? { Some(r.u64()?.cast_signed()) } else { None };
        let count = r.count(SOURCE_BYTES)?;
        let mut sources = Vec::with_capacity(count);
        for _ in 0..count {
            let table = TableId(r.u64()?);
            let time = if r.bool()? { Some(ColumnId(r.u32()?)) } else { None };
            let pending = if r.bool()? { Some(read_range(r)?) } else { None };
            let count = r.count(GROUP_BYTES)?;
            let mut groups = Vec::with_capacity(count);
            for _ in 0..count {
                let (fingerprint, deleted) = (r.u64()?, r.u32()?);
                groups.push(GroupState { fingerprint, deleted, times: read_range(r)? });
            }
            sources.push(SourceState { table, time, groups, pending });
        }
        Ok(Self { query, refreshed, frozen_before, sources })
    }
}

fn write_range(w: &mut RecordWriter, (least, greatest): TimeRange) {
    w.u64(least.cast_unsigned());
    w.u64(greatest.cast_unsigned());
}

fn read_range(r: &mut RecordReader<'_>) -> Decoded<TimeRange> {
    let range = (r.u64()?.cast_signed(), r.u64()?.cast_signed());
    if range.0 > range.1 { Err("a range of times ends before it begins".into()) } else { Ok(range) }
}

impl SourceState {
    /// The times at which rows of the table may differ between `before` and this state, in order and apart from each
    /// other. Rows that were or are not sealed count as changed.
    pub fn changes_since(&self, before: &Self) -> Vec<TimeRange> {
        if self.table != before.table || self.time != before.time {
            return vec![ALL_TIME];
        }
        let key = |g: &GroupState| (g.fingerprint, g.deleted);
        let mut old: Vec<&GroupState> = before.groups.iter().collect();
        let mut new: Vec<&GroupState> = self.groups.iter().collect();
        old.sort_unstable_by_key(|g| key(g));
        new.sort_unstable_by_key(|g| key(g));
        let mut changed: Vec<TimeRange> = before.pending.into_iter().chain(self.pending).collect();
        let (mut i, mut j) = (0, 0);
        while i < old.len() || j < new.len() {
            match (old.get(i), new.get(j)) {
                (Some(a), Some(b)) if key(a) == key(b) => (i, j) = (i + 1, j + 1),
                (Some(a), b) if b.is_none_or(|b| key(a) < key(b)) => {
                    changed.push(a.times);
                    i += 1;
                }
                (_, Some(b)) => {
                    changed.push(b.times);
                    j += 1;
                }
                (_, None) => break,
            }
        }
        merge_ranges(changed)
    }
}

/// The same times in order, without overlaps.
pub fn merge_ranges(mut ranges: Vec<TimeRange>) -> Vec<TimeRange> {
    ranges.sort_unstable();
    let mut merged: Vec<TimeRange> = Vec::with_capacity(ranges.len());
    for (least, greatest) in ranges {
        match merged.last_mut() {
            Some(last) if least <= last.1.saturating_add(1) => last.1 = last.1.max(greatest),
            _ => merged.push((least, greatest)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(fingerprint: u64, deleted: u32, times: TimeRange) -> GroupState {
        GroupState { fingerprint, deleted, times }
    }

    fn state(groups: &[GroupState], pending: Option<TimeRange>) -> SourceState {
        SourceState { table: TableId(3), time: Some(ColumnId(0)), groups: groups.to_vec(), pending }
    }

    #[test]
    fn changes_are_where_row_groups_differ() {
        let (a, b, c) = (group(9, 0, (0, 9)), group(2, 0, (20, 29)), group(5, 0, (40, 49)));
        let before = state(&[a, b], None);
        assert_eq!(before.changes_since(&before), vec![]);
        assert_eq!(state(&[b, a], None).changes_since(&before), vec![]);
        assert_eq!(state(&[a, b, c], None).changes_since(&before), vec![(40, 49)]);
        assert_eq!(state(&[b, c], None).changes_since(&before), vec![(0, 9), (40, 49)]);
        // Rows of b were deleted.
        assert_eq!(state(&[a, group(2, 3, (20, 29))], None).changes_since(&before), vec![(20, 29)]);
        // What was in memory may have changed in any way.
        let pending = state(&[a, b], Some((25, 31)));
        assert_eq!(pending.changes_since(&before), vec![(25, 31)]);
        assert_eq!(before.changes_since(&pending), vec![(25, 31)]);
        // Two row groups with the same rows.
        assert_eq!(state(&[a, a, b], None).changes_since(&before), vec![(0, 9)]);
        let other = SourceState { table: TableId(4), ..before.clone() };
        assert_eq!(other.changes_since(&before), vec![ALL_TIME]);
    }

    #[test]
    fn ranges_that_meet_are_one() {
        assert_eq!(merge_ranges(vec![(5, 9), (0, 4), (11, 12), (1, 2)]), vec![(0, 9), (11, 12)]);
        assert_eq!(merge_ranges(vec![(7, i64::MAX), ALL_TIME]), vec![ALL_TIME]);
    }
}
