//! Adding rows in bulk, from any number of threads.

use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;

use crate::catalog::TableDefinition;
use crate::sync::Mutex;
use crate::table::decode::unexpected;
use crate::table::encode::{EncodedGroup, check_rows};
use crate::table::error::{Result, TableError};
use crate::table::fresh::{Content, FreshGroup};
use crate::table::order::RowOrder;
use crate::table::workspace::Workspace;

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
    /// What it was for has been undone, so nothing more is taken.
    closed: bool,
}

/// A row group that the transaction has not looked at yet.
#[derive(Debug)]
struct PendingGroup {
    position: u64,
    group: FreshGroup,
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

    /// What was added since the last call, in the order of the positions.
    pub(super) fn take(&self) -> Vec<FreshGroup> {
        let mut pending = self.pending.lock();
        pending.held_bytes = 0;
        let mut groups = std::mem::take(&mut pending.groups);
        drop(pending);
        groups.sort_by_key(|pending| pending.position);
        groups.into_iter().map(|pending| pending.group).collect()
    }

    /// Takes no more rows. What [`take`](Self::take) returns then is the last.
    pub(super) fn close(&self) {
        self.pending.lock().closed = true;
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
    /// positions (those of equal position in the order they came). Within a row group the rows of a measurement are put in
    /// the order of their series and time, those of a table with a primary key in that of the key.
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
        shared.workspace.check()?;
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
            if pending.closed {
                return Err(TableError::Ended);
            }
            if pending.held_bytes + bytes <= HELD_BYTES_MAX {
                let ids = shared.definition.columns.iter().map(|column| column.id);
                let held = Content::Held(ids.zip(columns.iter().cloned()).collect());
                pending.held_bytes += bytes;
                pending.rows += rows as u64;
                pending.groups.push(PendingGroup { position, group: FreshGroup::new(rows as u32, held) });
                return Ok(());
            }
        }
        // Nobody knows the numbers of these rows yet.
        let places = RowOrder::of(&shared.definition).and_then(|order| {
            let keys = order.columns().into_iter().map(|column| Arc::clone(&columns[column]));
            order.sort(&keys.collect::<Vec<_>>()).map(UInt32Array::from)
        });
        let mut encoded = EncodedGroup::new(rows);
        for (column, array) in columns.iter().enumerate() {
            match &places {
                Some(places) => {
                    let array = take(array, places, None).map_err(unexpected)?;
                    encoded.push(&shared.definition, column, &array)?;
                }
                None => encoded.push(&shared.definition, column, array)?,
            }
        }
        let work = shared.workspace.enter()?;
        let placed = work.write_group(encoded)?;
        let mut pending = shared.pending.lock();
        if pending.closed {
            work.discard(&placed)?;
            return Err(TableError::Ended);
        }
        pending.rows += rows as u64;
        let written = Content::Written(placed, Arc::clone(&shared.workspace));
        pending.groups.push(PendingGroup { position, group: FreshGroup::new(rows as u32, written) });
        Ok(())
    }
}
