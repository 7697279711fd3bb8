//! What a commit says in the log: which rows of which tables are deleted, which are added, and where sequences stand.
//!
//! ```text
//! u8         1, the version of this layout
//! list       tables, in the order of their ids:
//!   u64      id of the table
//!   u64      number of its rows before the commit, deleted ones among them
//!   list     rows that are deleted: their numbers before the commit (u64), in order
//!   list     row groups that are added behind the others:
//!     u32    rows
//!     list   columns: id (u32), length in bytes (u32), values (see column::plain)
//! list       sequences: id (u64), next value (i64), bool whether there is none, last value (i64), values taken (u64)
//! ```
//! A list is a count (u32) and its items. All definitions are those of the superblock that the log belongs to.

use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::catalog::record::{Malformed, RecordReader, RecordWriter};
use crate::catalog::{Catalog, ColumnId, CounterState, ObjectId, SequenceDefinition, TableId};
use crate::column::ROW_GROUP_ROWS;
use crate::column::plain::{read_plain, write_plain};
use crate::table::encode::check_rows;

const VERSION: u8 = 1;

/// What a commit changes.
#[derive(Debug, Default)]
pub(crate) struct LogRecord {
    pub(crate) tables: Vec<TableChange>,
    pub(crate) sequences: Vec<(ObjectId, CounterState)>,
}

/// What a commit changes about a table.
#[derive(Debug)]
pub(crate) struct TableChange {
    pub(crate) table: TableId,
    /// How many rows there were before, deleted ones among them.
    pub(crate) rows_before: u64,
    /// Numbers of rows, in order.
    pub(crate) deleted: Vec<u64>,
    pub(crate) added: Vec<Rows>,
}

/// Rows of a table.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) rows: u32,
    pub(crate) columns: Vec<(ColumnId, ArrayRef)>,
}

/// What a run of bytes of a record says, for whoever looks at the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Counts, ids and lengths.
    Structure,
    /// Numbers of rows of a table that are deleted.
    Deleted(TableId),
    /// Values of a column that are added.
    Values(TableId, ColumnId),
    /// Where sequences stand.
    Sequences,
}

impl LogRecord {
    /// The record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = RecordWriter::default();
        w.u8(VERSION);
        w.count(self.tables.len());
        for change in &self.tables {
            w.u64(change.table.0);
            w.u64(change.rows_before);
            w.count(change.deleted.len());
            change.deleted.iter().for_each(|row| w.u64(*row));
            w.count(change.added.len());
            for added in &change.added {
                w.u32(added.rows);
                w.count(added.columns.len());
                for (id, array) in &added.columns {
                    w.u32(id.0);
                    w.sized(|out| write_plain(array, out));
                }
            }
        }
        w.count(self.sequences.len());
        for (id, state) in &self.sequences {
            w.u64(id.0);
            w.u64(state.next as u64);
            w.bool(state.overflowed);
            w.u64(state.last as u64);
            w.u64(state.taken);
        }
        w.finish()
    }

    /// Reads a record; the rows fit the tables of the catalog.
    pub(crate) fn decode(bytes: &[u8], catalog: &Catalog) -> Result<Self, Malformed> {
        Self::decode_pieces(bytes, catalog, &mut |_, _| {})
    }

    /// The same; `visit` is told what each run of bytes says and where it ends, in order and without gaps, as far as
    /// the record is sound.
    pub(crate) fn decode_pieces(
        bytes: &[u8],
        catalog: &Catalog,
        visit: &mut dyn FnMut(Piece, usize),
    ) -> Result<Self, Malformed> {
        let mut r = RecordReader::of_body(bytes);
        let at = |r: &RecordReader<'_>| bytes.len() - r.remaining();
        match r.u8()? {
            VERSION => {}
            0 => return Err("version 0 does not exist".into()),
            newer => return Err(Malformed::Newer(newer)),
        }
        let mut record = Self::default();
        for _ in 0..r.count(24)? {
            let table = TableId(r.u64()?);
            let definition =
                catalog.table_by_id(table).ok_or_else(|| format!("there is no table {table}"))?;
            let mut change = TableChange { table, rows_before: r.u64()?, deleted: vec![], added: vec![] };
            let deleted = r.count(8)?;
            visit(Piece::Structure, at(&r));
            for _ in 0..deleted {
                let row = r.u64()?;
                if row >= change.rows_before || change.deleted.last().is_some_and(|last| *last >= row) {
                    return Err(format!("row {row} of {table} is not there, or not in order").into());
                }
                change.deleted.push(row);
            }
            visit(Piece::Deleted(table), at(&r));
            for _ in 0..r.count(8)? {
                let rows = r.u32()?;
                if rows == 0 || rows as usize > ROW_GROUP_ROWS {
                    return Err(format!("a row group of {rows} rows").into());
                }
                let mut columns = vec![];
                for position in 0..r.count(8)? {
                    let id = ColumnId(r.u32()?);
                    let column = definition.columns.get(position).filter(|column| column.id == id);
                    let column = column.ok_or_else(|| format!("{table} has no column {} there", id.0))?;
                    let mut values = r.bytes()?;
                    visit(Piece::Structure, at(&r) - values.len());
                    visit(Piece::Values(table, id), at(&r));
                    let array = read_plain(&mut values, &column.ty.arrow(), rows as usize)
                        .map_err(|what| format!("column {} of {table}: {what}", id.0))?;
                    if !values.is_empty() {
                        return Err(format!("column {} of {table} has bytes left over", id.0).into());
                    }
                    columns.push((id, array));
                }
                let arrays: Vec<ArrayRef> = columns.iter().map(|(_, array)| array.clone()).collect();
                check_rows(definition, &arrays).map_err(|e| e.to_string())?;
                change.added.push(Rows { rows, columns });
            }
            record.tables.push(change);
        }
        let sequences = r.count(33)?;
        visit(Piece::Structure, at(&r));
        for _ in 0..sequences {
            let id = ObjectId(r.u64()?);
            let (next, overflowed, last, taken) = (r.u64()? as i64, r.bool()?, r.u64()? as i64, r.u64()?);
            record.sequences.push((id, CounterState { next, overflowed, last, taken }));
        }
        visit(Piece::Sequences, at(&r));
        r.finish()?;
        Ok(record)
    }
}

/// Where sequences stand of which the log does not know it.
pub(crate) fn moved_sequences(catalog: &Catalog) -> Vec<(Arc<SequenceDefinition>, CounterState)> {
    let moved = catalog.sequences().filter(|sequence| sequence.counter.is_unlogged());
    moved.map(|sequence| (Arc::clone(sequence), sequence.counter.state())).collect()
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, StringViewArray};

    use super::*;
    use crate::catalog::{ColumnDefinition, TableDefinition};
    use crate::column::types::LogicalType;

    fn catalog() -> (Catalog, TableId) {
        let mut catalog = Catalog::default();
        let main = catalog.schema("main").unwrap().definition().id;
        let columns = vec![
            ColumnDefinition { nullable: false, ..ColumnDefinition::new("id", LogicalType::BigInt) },
            ColumnDefinition::new("text", LogicalType::Varchar),
        ];
        let id = catalog.create_table(TableDefinition::new(main, "t", columns)).unwrap();
        (catalog, id)
    }

    fn record(table: TableId, ids: Vec<Option<i64>>) -> LogRecord {
        let rows = ids.len() as u32;
        let texts: StringViewArray = ids.iter().map(|id| id.map(|id| format!("text {id}"))).collect();
        let ids: ArrayRef = Arc::new(Int64Array::from(ids));
        let columns = vec![(ColumnId(0), ids), (ColumnId(1), Arc::new(texts) as ArrayRef)];
        let change = TableChange {
            table,
            rows_before: 10,
            deleted: vec![1, 3, 9],
            added: vec![Rows { rows, columns }],
        };
        let state = CounterState { next: -5, overflowed: false, last: -6, taken: 7 };
        LogRecord { tables: vec![change], sequences: vec![(ObjectId(77), state)] }
    }

    #[test]
    fn records_come_back_and_are_checked() {
        let (catalog, table) = catalog();
        let bytes = record(table, vec![Some(1), Some(-2)]).encode();
        let read = LogRecord::decode(&bytes, &catalog).unwrap();
        assert_eq!(read.encode(), bytes);
        assert_eq!(read.tables[0].deleted, [1, 3, 9]);
        let mut pieces = vec![];
        LogRecord::decode_pieces(&bytes, &catalog, &mut |piece, end| pieces.push((piece, end))).unwrap();
        assert!(pieces.is_sorted_by_key(|piece| piece.1));
        assert_eq!(pieces.last(), Some(&(Piece::Sequences, bytes.len())));
        let values = |id| Piece::Values(table, ColumnId(id));
        for piece in [Piece::Structure, Piece::Deleted(table), values(0), values(1)] {
            assert!(pieces.iter().any(|p| p.0 == piece), "{piece:?}");
        }
        for cut in 0..bytes.len() {
            assert!(LogRecord::decode(&bytes[..cut], &catalog).is_err(), "{cut}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                // An error or other rows, and no panic.
                let _ = LogRecord::decode(&bad, &catalog);
            }
        }
        let refused = |record: LogRecord, what: &str| {
            let error = LogRecord::decode(&record.encode(), &catalog).unwrap_err();
            assert!(format!("{error:?}").contains(what), "{error:?}");
        };
        refused(record(TableId(99), vec![Some(1)]), "no table");
        refused(record(table, vec![Some(1), None]), "NOT NULL");
        refused(record(table, vec![]), "0 rows");
        let mut twice = record(table, vec![Some(1)]);
        twice.tables[0].deleted = vec![3, 3];
        refused(twice, "in order");
        let mut beyond = record(table, vec![Some(1)]);
        beyond.tables[0].deleted = vec![10];
        refused(beyond, "not there");
    }
}
