//! What sealing has written, by table, since the database was opened: how often a row is written again.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use crate::catalog::TableId;
use crate::sync::Mutex;
use crate::table::metrics;

/// Rows and bytes of row groups that were written for a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that were written for the first time.
    pub rows: u64,
    /// Rows that had been before: their row groups were merged, sorted or freed of deleted rows.
    pub rewritten: u64,
    /// Bytes of all these row groups.
    pub bytes: u64,
}

impl Written {
    /// How often a row was written, on average; `None` if there is none.
    pub fn amplification(&self) -> Option<f64> {
        (self.rows > 0).then(|| (self.rows + self.rewritten) as f64 / self.rows as f64)
    }
}

impl AddAssign for Written {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.rewritten += other.rewritten;
        self.bytes += other.bytes;
    }
}

/// That of all tables.
#[derive(Debug, Default)]
pub(super) struct WrittenByTable(Mutex<BTreeMap<TableId, Written>>);

impl WrittenByTable {
    /// Counts what a commit has written.
    pub(super) fn add(&self, table: TableId, written: Written) {
        *self.0.lock().entry(table).or_default() += written;
    }

    /// Counts what another has counted, once it is committed.
    pub(super) fn take(&self, other: &Self) {
        for (table, written) in std::mem::take(&mut *other.0.lock()) {
            metrics::rows_written(written.rows, written.rewritten, written.bytes);
            self.add(table, written);
        }
    }

    /// All of it.
    pub(super) fn list(&self) -> Vec<(TableId, Written)> {
        self.0.lock().iter().map(|(table, written)| (*table, *written)).collect()
    }
}
