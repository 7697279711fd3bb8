//! What a table has, as something small that can be kept and compared with what it has later.

use crate::catalog::{ALL_TIME, GroupState, SourceState, TimeRange, merge_ranges};
use crate::column::scalar::Scalar;
use crate::table::error::Result;
use crate::table::row_group::RowGroup;
use crate::table::snapshot::TableSnapshot;

impl TableSnapshot {
    /// The state of the table; ranges of times are those of the column at `time`. Looks at what is known about each row
    /// group, which must be read if nobody has yet.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn state(&self, time: Option<usize>) -> Result<SourceState> {
        let (mut groups, mut pending) = (vec![], vec![]);
        for group in self.row_groups()? {
            let times = self.times(group, time)?;
            match group.fingerprint()? {
                Some(fingerprint) => {
                    groups.push(GroupState { fingerprint, deleted: group.deleted_rows() as u32, times });
                }
                None => pending.push(times),
            }
        }
        let pending = merge_ranges(pending);
        let pending = pending.first().zip(pending.last()).map(|(first, last)| (first.0, last.1));
        let time = time.map(|time| self.definition().columns[time].id);
        Ok(SourceState { table: self.id(), time, groups, pending })
    }

    /// From which time to which its rows are.
    fn times(&self, group: &RowGroup, time: Option<usize>) -> Result<TimeRange> {
        let Some(time) = time else { return Ok(ALL_TIME) };
        let stats = group.chunk_stats(time)?;
        let ticks = |value: Option<Scalar>| match value {
            Some(Scalar::Int(ticks)) => i64::try_from(ticks).ok(),
            _ => None,
        };
        let range = ticks(stats.min).zip(ticks(stats.max));
        Ok(range.filter(|(least, greatest)| stats.nulls == 0 && least <= greatest).unwrap_or(ALL_TIME))
    }
}
