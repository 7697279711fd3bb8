//! What the frames of a log say.

use std::ops::Range;
use std::sync::Arc;

use crate::catalog::{Catalog, ColumnId, TableId};
use crate::inspect::{Contents, Part, PartKind};
use crate::pager::inspect::Inspection;
use crate::pager::{FRAME_HEADER_BYTES, LogEnd};
use crate::table::log_record::{LogRecord, Piece};

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
    let catalog = catalog(contents)?;
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

/// The definitions that frames refer to.
fn catalog(contents: &Contents) -> Result<Catalog, String> {
    let tables = contents.tables.iter().map(|table| table.definition.clone().into());
    let schemas = contents.schemas.values().cloned().collect();
    Catalog::from_parts(schemas, tables.collect(), vec![], u64::MAX).map_err(|error| error.to_string())
}

/// The parts of the log, whose bytes begin at `base` of the file.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn parts_of_log(file: &Inspection, contents: &Contents, base: u64) -> Result<Vec<Part>, String> {
    let log = file.log().map_err(|e| e.to_string())?;
    let catalog = catalog(contents)?;
    let mut parts = vec![];
    let mut add = |bytes: Range<usize>, kind, owner: Arc<str>, index| {
        if !bytes.is_empty() {
            let (offset, bytes) = (base + bytes.start as u64, bytes.len() as u64);
            parts.push(Part { offset, bytes, kind, owner, index });
        }
    };
    let mut end = 0;
    for (frame, payload) in log.content.frames.iter().zip(log.payloads()) {
        let (header, start) = (&frame.header, frame.payload.start);
        let index = u32::try_from(header.number).ok();
        let owner: Arc<str> = format!("frame {}", header.number).into();
        add(start - FRAME_HEADER_BYTES..start, PartKind::FrameHeader, Arc::clone(&owner), index);
        let mut at = 0;
        let read = LogRecord::decode_pieces(payload, &catalog, &mut |piece, to| {
            let (kind, owner) = match piece {
                Piece::Structure => (PartKind::LogRecord, Arc::clone(&owner)),
                Piece::Sequences => (PartKind::LogSequences, Arc::clone(&owner)),
                Piece::Deleted(table) => {
                    (PartKind::LogDeletes, format!("{}, {owner}", name(contents, table, None)).into())
                }
                Piece::Values(table, column) => {
                    (PartKind::LogValues, format!("{}, {owner}", name(contents, table, Some(column))).into())
                }
            };
            add(start + at..start + to, kind, owner, index);
            at = to;
        });
        if let Err(what) = read {
            add(start + at..frame.payload.end, PartKind::Damaged, format!("{owner}: {what}").into(), index);
        }
        end = start - FRAME_HEADER_BYTES + crate::pager::FrameHeader::frame_bytes(header.length);
        add(frame.payload.end..end, PartKind::Padding, owner, index);
    }
    match &log.content.tail {
        LogEnd::Clean => {}
        LogEnd::Torn { bytes } => {
            let torn = end..end.saturating_add(*bytes).min(log.bytes.len());
            add(torn, PartKind::TornFrame, "a commit that was interrupted".into(), None);
        }
        LogEnd::Damaged { at, what } => {
            add(*at..log.bytes.len(), PartKind::Damaged, what.as_str().into(), None);
        }
    }
    Ok(parts)
}

/// The name of a table or of one of its columns.
fn name(contents: &Contents, table: TableId, column: Option<ColumnId>) -> String {
    let Some(table) = contents.tables.iter().find(|t| t.definition.id == table) else {
        return format!("table {table}");
    };
    let column = column.and_then(|id| table.definition.columns.iter().find(|c| c.id == id));
    column.map_or_else(|| table.name.clone(), |column| format!("{}.{}", table.name, column.name))
}
