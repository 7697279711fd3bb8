//! What can go wrong in a table's storage.

use crate::catalog::{CatalogError, TableDefinition, TableId};
use crate::column::error::ColumnError;
use crate::pager::PagerError;

/// An error of a table's storage. Messages are for the user.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// A name or a definition, or the catalog's own records.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The file: locked by another process, read-only, full, damaged.
    #[error(transparent)]
    Pager(#[from] PagerError),
    /// A chunk of a column.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// One of the above, while working on a table.
    #[error("{source} (in table \"{table}\")")]
    InTable {
        /// The table.
        table: String,
        /// What went wrong.
        source: Box<TableError>,
    },
    /// NULL in a column that does not take it.
    #[error("Constraint Error: NOT NULL constraint failed: {table}.{column}")]
    NotNull {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Rows that do not have the shape of the table: a mistake of the caller.
    #[error("cannot append to table \"{table}\": {what}")]
    Shape {
        /// The table.
        table: String,
        /// What does not fit.
        what: String,
    },
    /// A row that is to be deleted is not there: a mistake of the caller.
    #[error("there is no row {row} in {table}")]
    NoSuchRow {
        /// The table.
        table: TableId,
        /// The number of the row.
        row: u64,
    },
    /// Pages or records that contradict each other.
    #[error("Corrupt database: {0}")]
    Corrupt(String),
    /// Something in the file that this version does not do.
    #[error("Not implemented Error: {0}")]
    Unsupported(String),
    /// The database does not take changes.
    #[error("Cannot execute statement: the database is opened in read-only mode")]
    ReadOnly,
    /// The database does not take changes, because its last commits are damaged.
    #[error(
        "the database is open for reading only, because it is damaged: {0}; open it with --recover to give up what cannot be read"
    )]
    Damaged(String),
    /// Another transaction has committed something since this one began that does not go together with it. The
    /// transaction is undone; the same again may succeed.
    #[error(
        "TransactionContext Error: Failed to commit: another transaction has changed {0} since this one began; try again"
    )]
    Conflict(String),
    /// Another transaction has begun to write to the file, and does not end.
    #[error(
        "TransactionContext Error: another connection has an open transaction that writes; it must COMMIT or ROLLBACK first"
    )]
    Busy,
    /// The transaction was committed or rolled back before.
    #[error("the transaction has ended")]
    Ended,
}

impl TableError {
    /// Names the table, if the error is about the file or its records and so does not name one itself.
    pub(super) fn in_table(self, table: &TableDefinition) -> Self {
        match self {
            Self::Pager(_) | Self::Catalog(_) | Self::Corrupt(_) => {
                Self::InTable { table: table.name.to_string(), source: Box::new(self) }
            }
            named => named,
        }
    }
}

/// The result of working on a table's storage.
pub type Result<T, E = TableError> = std::result::Result<T, E>;
