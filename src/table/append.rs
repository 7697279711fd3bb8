//! Adding rows in bulk, from any number of threads.

use std::sync::Arc;

use arrow_array::ArrayRef;
use parking_lot::Mutex;

use crate::catalog::TableDefinition;
use crate::table::encode::{EncodedGroup, check_rows};
use crate::table::error::{Result, TableError};
use crate::table::workspace::{PlacedGroup, Workspace};

/// Arrays of small row groups that a transaction holds until it commits, in bytes, per appender. What comes
/// beyond that is written at once, and so is not merged with its neighbours.
const HELD_BYTES_MAX: usize = 32 << 20;

/// Takes row groups for a table, from any number of threads at a time. They are in the table once the
/// transaction has committed.
///
/// Memory: a row group is encoded in the calling thread and written to its own place in the file, so each
/// thread holds one encoded row group at most; only row groups of less than half the full size wait in
/// memory (32 MiB at most), to be merged with their neighbours at commit.
#[derive(Debug, Clone)]
pub struct TableAppender {
    shared: Arc<AppendState>,
}

/// What the appenders of one table in one transaction share.
#[derive(Debug)]
pub(super) struct AppendState {
    definition: Arc<TableDefinition>,
    workspace: Arc<Workspace>,
    row_group_rows: usize,
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    groups: Vec<PendingGroup>,
    held_bytes: usize,
    rows: u64,
}

/// A row group that waits for the commit.
#[derive(Debug)]
pub(super) struct PendingGroup {
    pub(super) position: u64,
    pub(super) rows: usize,
    pub(super) content: Content,
}

/// What there is of it.
#[derive(Debug)]
pub(super) enum Content {
    /// Its rows, in memory.
    Held(Vec<ArrayRef>),
    /// It is in the file.
    Written(PlacedGroup),
}

impl AppendState {
    pub(super) fn new(
        definition: Arc<TableDefinition>,
        workspace: Arc<Workspace>,
        row_group_rows: usize,
    ) -> Arc<Self> {
        Arc::new(Self { definition, workspace, row_group_rows, pending: Mutex::default() })
    }

    /// The table that rows are added to, as it was when the append began.
    pub(super) fn definition(&self) -> &Arc<TableDefinition> {
        &self.definition
    }

    /// What was added, in the order of the positions. The workspace is closed by now, so nobody adds more.
    pub(super) fn take(&self) -> Vec<PendingGroup> {
        let mut groups = std::mem::take(&mut *self.pending.lock()).groups;
        groups.sort_by_key(|group| group.position);
        groups
    }
}

impl TableAppender {
    pub(super) fn new(shared: Arc<AppendState>) -> Self {
        Self { shared }
    }

    /// The table, as it is in the transaction.
    pub fn definition(&self) -> &Arc<TableDefinition> {
        &self.shared.definition
    }

    /// How many rows a full row group has, which is also the most that one call takes.
    pub fn row_group_rows(&self) -> usize {
        self.shared.row_group_rows
    }

    /// Rows that were added so far.
    pub fn rows(&self) -> u64 {
        self.shared.pending.lock().rows
    }

    /// Adds a row group. Row groups come behind the rows that the table has, in the order of their
    /// positions (those of equal position in the order they came).
    ///
    /// There is one array for each column, in the layout that [`LogicalType::arrow`] gives for its type.
    ///
    /// # Errors
    /// The rows do not fit the table, NULL where it may not be, more rows than
    /// [`row_group_rows`](Self::row_group_rows), a full disk, or the transaction has ended. Nothing is added then.
    ///
    /// [`LogicalType::arrow`]: crate::column::types::LogicalType::arrow
    pub fn write_row_group(&self, position: u64, columns: &[ArrayRef]) -> Result<()> {
        let shared = &*self.shared;
        let work = shared.workspace.enter()?;
        let rows = check_rows(&shared.definition, columns)?;
        if rows == 0 {
            return Ok(());
        }
        if rows > shared.row_group_rows {
            return Err(TableError::Shape {
                table: shared.definition.name.to_string(),
                what: format!("{rows} rows at once, a row group has at most {}", shared.row_group_rows),
            });
        }
        let bytes: usize = columns.iter().map(|array| array.get_array_memory_size()).sum();
        if rows * 2 <= shared.row_group_rows {
            let mut pending = shared.pending.lock();
            if pending.held_bytes + bytes <= HELD_BYTES_MAX {
                pending.held_bytes += bytes;
                pending.rows += rows as u64;
                pending.groups.push(PendingGroup {
                    position,
                    rows,
                    content: Content::Held(columns.to_vec()),
                });
                return Ok(());
            }
        }
        let mut encoded = EncodedGroup::new(rows);
        for (column, array) in columns.iter().enumerate() {
            encoded.push(&shared.definition, column, array)?;
        }
        let placed = work.write_group(encoded)?;
        let mut pending = shared.pending.lock();
        pending.rows += rows as u64;
        pending.groups.push(PendingGroup { position, rows, content: Content::Written(placed) });
        Ok(())
    }
}
