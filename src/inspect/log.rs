//! What the frames of a log say.

use crate::catalog::Catalog;
use crate::inspect::Contents;
use crate::table::log_record::LogRecord;

/// A commit of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCommit {
    /// The tables that it changes.
    pub tables: Vec<LogTable>,
    /// Ids of the sequences that it moves, and the values that they take next.
    pub sequences: Vec<(u64, i64)>,
}

/// What a commit changes about a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTable {
    /// The table's id.
    pub id: u64,
    /// Rows of the table before, deleted ones among them.
    pub rows_before: u64,
    /// Rows that are added.
    pub added: u64,
    /// Rows that are deleted.
    pub deleted: u64,
}

/// Reads the payload of a frame, given what the superblock's catalog holds.
///
/// # Errors
/// What is wrong with it.
pub fn log_commit(contents: &Contents, payload: &[u8]) -> Result<LogCommit, String> {
    let tables = contents.tables.iter().map(|table| table.definition.clone().into());
    let catalog =
        Catalog::from_parts(contents.schemas.values().cloned().collect(), tables.collect(), vec![], u64::MAX)
            .map_err(|error| error.to_string())?;
    let record = LogRecord::decode(payload, &catalog).map_err(|what| what.to_string())?;
    let tables = record.tables.iter().map(|change| LogTable {
        id: change.table.0,
        rows_before: change.rows_before,
        added: change.added.iter().map(|rows| u64::from(rows.rows)).sum(),
        deleted: change.deleted.len() as u64,
    });
    let sequences = record.sequences.iter().map(|(id, state)| (id.0, state.next));
    Ok(LogCommit { tables: tables.collect(), sequences: sequences.collect() })
}
