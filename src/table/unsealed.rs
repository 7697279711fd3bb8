//! Commits that write no row groups: they are in the log, and in the deltas of the snapshots that follow.
//!
//! Such a commit is *staged* while nobody else commits: its record has a place in the log, and the snapshot that shows
//! it is the last in a line, on which the next transaction builds. Then others may commit, and it waits for its record
//! to become durable together with theirs. Only then is its snapshot published.
//!
//! What a snapshot shows is what its record says ([`Overlay`]), also in the process that wrote it: so replaying the log
//! gives the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::TableId;
use crate::pager::{PagerError, Synchronous, Ticket};
use crate::table::data::{Delta, TableData};
use crate::table::error::{Result, TableError};
use crate::table::fresh::{Content, FreshGroup};
use crate::table::log_record::{LogRecord, Rows, TableChange, moved_sequences};
use crate::table::snapshot::Snapshot;
use crate::table::storage::Core;

/// Rows that a transaction may add, or delete, to be logged.
const LOGGED_ROWS_MAX: u64 = 16 << 10;
/// Bytes in memory of rows that it may add. What it takes in the log is less.
const LOGGED_MEMORY_MAX: usize = 16 << 20;
/// Bytes of a record that is logged.
const RECORD_BYTES_MAX: usize = 2 << 20;

/// What a snapshot has beyond the superblock's.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsealed {
    /// Commits since.
    pub(super) commits: u64,
    /// Bytes of their records.
    pub(super) bytes: u64,
    /// Rows of the largest delta that they have added to.
    pub(super) rows: u64,
    /// Where the last is in the log; `None` without commits, and in memory.
    pub(super) ticket: Option<Ticket>,
}

impl Unsealed {
    /// Why the snapshot will never be published, if that is so.
    pub(super) fn loss(&self) -> Option<&PagerError> {
        self.ticket.as_ref().and_then(Ticket::loss)
    }
}

/// A snapshot's tables under change by records of the log.
#[derive(Debug)]
pub(super) struct Overlay<'a> {
    base: &'a Snapshot,
    rows_max: usize,
    /// Tables that have changed: what is sealed of them, and the rest.
    changed: BTreeMap<TableId, (TableData, Delta)>,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(base: &'a Snapshot, rows_max: usize) -> Self {
        Self { base, rows_max, changed: BTreeMap::new() }
    }

    /// Applies a commit.
    ///
    /// # Errors
    /// It is not one that follows; then nothing of it is.
    pub(super) fn apply(&mut self, record: LogRecord) -> Result<()> {
        let mut before = vec![];
        let applied = record.tables.into_iter().try_for_each(|change| {
            let changed = self.changed.get(&change.table);
            before.push((change.table, changed.map(|(_, delta)| delta.clone())));
            self.change(change)
        });
        if applied.is_err() {
            for (table, delta) in before.into_iter().rev() {
                match (self.changed.get_mut(&table), delta) {
                    (Some(changed), Some(delta)) => changed.1 = delta,
                    _ => drop(self.changed.remove(&table)),
                }
            }
        }
        applied
    }

    fn change(&mut self, change: TableChange) -> Result<()> {
        let TableChange { table, rows_before, deleted, added } = change;
        let (sealed, delta) = self.changed.entry(table).or_insert_with(|| {
            let data = self.base.tables.get(&table).cloned().unwrap_or_default();
            (data.with_delta(Delta::default()), data.delta.clone())
        });
        let rows = sealed.rows + delta.rows;
        if rows != rows_before {
            let what =
                format!("a record of the log is about {rows_before} rows of {table}, which has {rows}");
            return Err(TableError::Corrupt(what));
        }
        let count = deleted.len() as u64;
        if count > 0 && delta.delete(&self.base.pin, table, sealed, &deleted)? != count {
            return Err(TableError::Corrupt(format!("a record of the log deletes rows of {table} twice")));
        }
        for Rows { rows, columns } in added {
            let groups = sealed.sealed_groups();
            if let Some(definition) = self.base.catalog.table_by_id(table) {
                delta.keys = delta.keys.with(definition, delta.rows, rows, &columns);
            }
            delta.push(groups, FreshGroup::new(rows, Content::Held(columns)), self.rows_max)?;
        }
        Ok(())
    }

    /// All tables, with the changes.
    pub(super) fn tables(self) -> BTreeMap<TableId, Arc<TableData>> {
        self.tables_as(|_, data| data)
    }

    /// As [`tables`](Self::tables), with each that has changed made another.
    pub(super) fn tables_as(
        self,
        mut make: impl FnMut(TableId, TableData) -> TableData,
    ) -> BTreeMap<TableId, Arc<TableData>> {
        let mut tables = self.base.tables.clone();
        for (id, (sealed, delta)) in self.changed {
            tables.insert(id, Arc::new(make(id, TableData { delta, ..sealed })));
        }
        tables
    }
}

/// Whether changes are few enough to be logged: then the bytes that their rows take in memory.
pub(super) fn loggable_bytes(changes: &BTreeMap<TableId, Delta>) -> Option<usize> {
    let (mut rows, mut bytes) = (0, 0);
    for delta in changes.values() {
        let held = delta.groups.iter().all(|group| matches!(group.content(), Content::Held(_)));
        if delta.cleared || !delta.gone.is_empty() || !held {
            return None;
        }
        rows += delta.rows + delta.deleted;
        bytes += delta.groups.iter().map(|group| group.held_bytes()).sum::<usize>();
    }
    (rows <= LOGGED_ROWS_MAX && bytes <= LOGGED_MEMORY_MAX).then_some(bytes)
}

impl Core {
    /// Stages a commit of changes of a snapshot, which is the last in line. Nobody else commits meanwhile.
    /// `None`, if there is no room for it: then what is not sealed must be.
    pub(super) fn stage(
        &self,
        base: &Arc<Snapshot>,
        changes: &BTreeMap<TableId, Delta>,
        level: Synchronous,
    ) -> Result<Option<Arc<Snapshot>>> {
        let rows_max = self.options().row_group_rows;
        // A thread that seals beside needs time for it.
        let delta_max = rows_max as u64 * if self.sealer.is_enabled() { 2 } else { 1 };
        let (mut record, mut rows) = (LogRecord::default(), base.unsealed.rows);
        for (id, change) in changes {
            let data = base.tables.get(id).cloned().unwrap_or_default();
            rows = rows.max(data.delta.rows + change.rows);
            if data.delta.rows + change.rows > delta_max {
                return Ok(None);
            }
            record.tables.push(TableChange {
                table: *id,
                rows_before: data.all_rows(),
                deleted: data.rows_deleted_by(&base.pin, *id, change)?,
                added: change.rows_added(data.row_groups())?,
            });
        }
        let moved = moved_sequences(&base.catalog);
        record.sequences = moved.iter().map(|(sequence, state)| (sequence.id, *state)).collect();
        let bytes = record.encode();
        let bytes_all = base.unsealed.bytes + bytes.len() as u64;
        if bytes.len() > RECORD_BYTES_MAX || bytes_all > self.options().log_bytes_max {
            return Ok(None);
        }
        let record = LogRecord::decode(&bytes, &base.catalog)
            .map_err(|what| TableError::Corrupt(format!("a record that was just made: {what}")))?;
        let mut overlay = Overlay::new(base, rows_max);
        overlay.apply(record)?;
        let tables = overlay.tables();
        let ticket = if self.is_volatile() {
            None
        } else {
            // What this stands on may have been lost just now: then there is nothing that its record would be true of.
            match self.pager().log_append(&bytes, level, base.unsealed.ticket.as_ref())? {
                None => return Ok(None),
                ticket => ticket,
            }
        };
        // From here on nothing fails.
        moved.iter().for_each(|(sequence, state)| sequence.counter.logged(*state));
        let unsealed = Unsealed { commits: base.unsealed.commits + 1, bytes: bytes_all, rows, ticket };
        let staged = Arc::new(base.with_unsealed(tables, unsealed));
        self.line_up(&staged);
        Ok(Some(staged))
    }

    /// Waits until a snapshot is as safe as `level` asks for, and publishes it.
    pub(super) fn confirm(&self, snapshot: &Arc<Snapshot>, level: Synchronous) -> Result<Arc<Snapshot>> {
        if let Some(ticket) = &snapshot.unsealed.ticket {
            self.pager().log_wait(ticket, level)?;
        }
        self.publish(snapshot);
        Ok(Arc::clone(snapshot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::{create, insert};
    use crate::table::{Storage, StorageOptions};

    #[test]
    fn a_commit_that_does_not_follow_leaves_nothing_of_itself() {
        let storage = Storage::memory(&StorageOptions::default()).unwrap();
        let tables = ["a", "b", "c"].map(|name| create(&storage, name));
        tables.iter().for_each(|table| insert(&storage, *table, 0..5));
        let base = storage.snapshot();
        let deletes =
            |table, row, rows_before| TableChange { table, rows_before, deleted: vec![row], added: vec![] };
        let record = |tables| LogRecord { tables, ..LogRecord::default() };
        let [a, b, c] = tables;
        let mut overlay = Overlay::new(&base, 1000);
        overlay.apply(record(vec![deletes(a, 0, 5)])).unwrap();
        let bad = record(vec![deletes(a, 1, 5), deletes(b, 1, 5), deletes(c, 1, 4)]);
        assert!(overlay.apply(bad).is_err());
        // What it would have deleted is there, and can be.
        overlay.apply(record(vec![deletes(a, 2, 5), deletes(b, 1, 5)])).unwrap();
        let left = overlay.tables();
        assert_eq!(tables.map(|table| left[&table].deleted_rows()), [2, 1, 0]);
    }
}
