//! What the frames of a log say.

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::DataType;

use crate::catalog::{Catalog, ColumnDefinition, ColumnId, TableId};
use crate::inspect::fields::{Field, Fields, shown};
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

/// The parts of the log's frames, in order.
///
/// # Errors
/// Why it cannot be read.
pub fn parts_of_log(file: &Inspection, contents: &Contents) -> Result<Vec<Part>, String> {
    let log = file.log().map_err(|e| e.to_string())?;
    let Some(base) = file.log_offset() else { return Ok(vec![]) };
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
        end = start - FRAME_HEADER_BYTES + header.bytes();
        add(frame.payload.end..end, PartKind::Padding, owner, index);
    }
    if let Some(note) = log.content.note {
        add(note..note + FRAME_HEADER_BYTES, PartKind::FrameHeader, "what is durable".into(), None);
    }
    match &log.content.tail {
        LogEnd::Clean if log.content.marked => {
            add(
                end..end + FRAME_HEADER_BYTES,
                PartKind::FrameHeader,
                "the mark of the log's end".into(),
                None,
            );
        }
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

/// The fields of a frame's record that lie within some bytes of the file.
pub(super) fn fields_of_record(file: &Inspection, contents: &Contents, within: Range<u64>) -> Vec<Field> {
    let (Ok(log), Some(base)) = (file.log(), file.log_offset()) else { return vec![] };
    let frames = &log.content.frames;
    let at = frames.partition_point(|frame| base + frame.payload.end as u64 <= within.start);
    let Some(frame) = frames.get(at) else { return vec![] };
    let mut fields =
        Fields::new(&log.bytes[frame.payload.clone()], base + frame.payload.start as u64, within);
    // What ends too early has just the fields before.
    let _ = record(contents, &mut fields);
    fields.found()
}

/// A record says itself where each of its fields ends; the definitions say only what values are.
fn record(contents: &Contents, f: &mut Fields<'_>) -> Option<()> {
    f.number("version", 1)?;
    for change in 0..f.number("tables", 4)? {
        let of = |what: &str| format!("table {change}: {what}");
        let id = f.number(&of("id"), 8)?;
        let table = contents.tables.iter().find(|table| table.definition.id.0 == id);
        f.number(&of("rows before"), 8)?;
        let deleted = f.number(&of("deleted rows"), 4)?;
        let bytes = usize::try_from(deleted).ok()?.checked_mul(8)?;
        if f.wants(bytes) {
            for row in 0..deleted {
                f.number(&of(&format!("deleted row {row}")), 8)?;
            }
        } else {
            f.take(bytes)?;
        }
        for group in 0..f.number(&of("row groups"), 4)? {
            let of = |what: &str| of(&format!("row group {group}: {what}"));
            let rows = f.number(&of("rows"), 4)?;
            for _ in 0..f.number(&of("columns"), 4)? {
                let id = f.number(&of("column"), 4)?;
                let column =
                    table.and_then(|t| t.definition.columns.iter().find(|c| u64::from(c.id.0) == id));
                let name = column.map_or_else(|| format!("column {id}"), |column| column.name.to_string());
                let length = usize::try_from(f.number(&of(&format!("{name}: bytes")), 4)?).ok()?;
                if f.wants(length) {
                    values(f, &name, column, usize::try_from(rows).ok()?, length)?;
                } else {
                    f.take(length)?;
                }
            }
        }
    }
    for sequence in 0..f.number("sequences", 4)? {
        let of = |what: &str| format!("sequence {sequence}: {what}");
        f.number(&of("id"), 8)?;
        f.number_as(&of("next"), 8, |v| v.cast_signed().to_string())?;
        f.number(&of("has none"), 1)?;
        f.number_as(&of("last"), 8, |v| v.cast_signed().to_string())?;
        f.number(&of("taken"), 8)?;
    }
    Some(())
}

/// The values of a column: each with its place if their type is not nested. How they lie is described in
/// [`crate::column::plain`].
fn values(
    f: &mut Fields<'_>,
    name: &str,
    column: Option<&ColumnDefinition>,
    rows: usize,
    length: usize,
) -> Option<()> {
    let bits = rows.div_ceil(8);
    let mut left = length.checked_sub(1)?;
    let nulls = match f.number(&format!("{name}: has NULLs"), 1)? {
        0 => None,
        _ => {
            left = left.checked_sub(bits)?;
            let mask = f.take(bits)?;
            f.push(format!("{name}: NULLs"), bits, shown(mask));
            Some(mask)
        }
    };
    let is_null = |row: usize| nulls.is_some_and(|mask| mask[row / 8] >> (row % 8) & 1 == 0);
    let of = |row: usize| format!("{name}: row {row}");
    let ty = column.map(|column| column.ty.arrow());
    let width = ty.as_ref().and_then(DataType::primitive_width).filter(|width| width * rows == left);
    match (ty, width) {
        (Some(DataType::Utf8View | DataType::BinaryView), _) if rows * 4 <= left => {
            let mut lengths = vec![];
            for row in 0..rows {
                lengths.push(usize::try_from(f.number(&format!("{}: length", of(row)), 4)?).ok()?);
            }
            for (row, length) in lengths.into_iter().enumerate() {
                left = left.checked_sub(length)?;
                let bytes = f.take(length)?;
                f.push(
                    of(row),
                    length,
                    std::str::from_utf8(bytes).map_or_else(|_| shown(bytes), |t| format!("{t:?}")),
                );
            }
            Some(())
        }
        (Some(ty), Some(width)) => {
            for row in 0..rows {
                let bytes = f.take(width)?;
                let value = if is_null(row) { "NULL".to_owned() } else { number(bytes, &ty) };
                f.push(of(row), width, value);
            }
            Some(())
        }
        _ => f.raw(&format!("{name}: values"), left),
    }
}

/// A value of a fixed width as the number that it is in memory.
fn number(bytes: &[u8], ty: &DataType) -> String {
    let mut low = [0; 16];
    low[..bytes.len()].copy_from_slice(bytes);
    let whole = u128::from_le_bytes(low);
    let unused = 128 - 8 * bytes.len() as u32;
    match ty {
        DataType::Float32 => f32::from_bits(whole as u32).to_string(),
        DataType::Float64 => f64::from_bits(whole as u64).to_string(),
        DataType::Interval(_) => shown(bytes),
        ty if ty.is_unsigned_integer() => whole.to_string(),
        _ => ((whole << unused).cast_signed() >> unused).to_string(),
    }
}
