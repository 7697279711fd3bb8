//! From arrays to the bytes of a row group.

use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::catalog::{ColumnId, KeysPlace, TableDefinition};
use crate::column::le::U64;
use crate::column::{CHUNK_ALIGN, ChunkMeta, ChunkPlace, EncodeOptions, EncodedChunk, encode_chunk};
use crate::table::error::{Result, TableError};
use crate::table::keys::{self, write_indexes};
use crate::table::row_group::chunk_place;

/// A row group's chunks, one after another as they will lie in its extent.
#[derive(Debug)]
pub(super) struct EncodedGroup {
    pub(super) rows: u32,
    pub(super) bytes: Vec<u8>,
    /// Each with its offset in `bytes`; the extent's page is not known yet.
    pub(super) chunks: Vec<(ColumnId, ChunkMeta)>,
    /// Where its key indexes are in `bytes`.
    pub(super) keys: KeysPlace,
    /// The columns of keys, until they are indexed.
    held: Vec<(ColumnId, ArrayRef)>,
}

impl EncodedGroup {
    /// An empty row group to which columns are added.
    pub(super) fn new(rows: usize) -> Self {
        Self { rows: rows as u32, bytes: vec![], chunks: vec![], keys: KeysPlace::default(), held: vec![] }
    }

    /// Encodes a column behind the others. Behind the last come the indexes by the keys of the table.
    pub(super) fn push(&mut self, table: &TableDefinition, column: usize, array: &ArrayRef) -> Result<()> {
        let definition = &table.columns[column];
        let place = chunk_place(table, &definition.name, definition.id.0, 0);
        let EncodedChunk { bytes, mut meta } = encode_chunk(array, &definition.ty, &encode_options(&place))?;
        let start = self.bytes.len().next_multiple_of(CHUNK_ALIGN);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(&bytes);
        meta.byte_offset = U64::new(start as u64);
        self.chunks.push((definition.id, meta));
        let keys = table.indexed_keys();
        if keys.iter().any(|key| key.contains(&definition.id)) {
            self.held.push((definition.id, Arc::clone(array)));
        }
        if column + 1 == table.columns.len() && !keys.is_empty() {
            self.push_keys(&keys)?;
        }
        Ok(())
    }

    fn push_keys(&mut self, keys: &[Box<[ColumnId]>]) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        let mut indexes = vec![];
        for key in keys {
            let index = keys::build(key, |id| {
                let column = held.iter().find(|(column, _)| *column == id);
                column.map(|(_, array)| Arc::clone(array)).ok_or(TableError::Ended)
            })?;
            indexes.extend(index);
        }
        if !indexes.is_empty() {
            let start = self.bytes.len().next_multiple_of(CHUNK_ALIGN);
            self.bytes.resize(start, 0);
            self.keys = write_indexes(&indexes, start, &mut self.bytes);
        }
        Ok(())
    }

    /// Tells the chunks where they lie.
    pub(super) fn place(&mut self, extent_page: u64) {
        for (_, meta) in &mut self.chunks {
            meta.extent_page = U64::new(extent_page);
        }
    }
}

/// How a chunk that belongs there is encoded.
pub(super) fn encode_options(place: &ChunkPlace) -> EncodeOptions {
    EncodeOptions { table_id: place.table_id, column_id: place.column_id, ..EncodeOptions::default() }
}

/// Checks that arrays are rows of a table: one for each column, of its type, equally long, with NULL only
/// where it may be. Returns the number of rows.
pub(super) fn check_rows(table: &TableDefinition, columns: &[ArrayRef]) -> Result<usize> {
    let shape = |what: String| TableError::Shape { table: table.name.to_string(), what };
    if columns.len() != table.columns.len() {
        return Err(shape(format!("{} columns given, the table has {}", columns.len(), table.columns.len())));
    }
    let rows = columns.first().map_or(0, |array| array.len());
    for (definition, array) in table.columns.iter().zip(columns) {
        if array.len() != rows {
            return Err(shape(format!(
                "column \"{}\" has {} rows, others have {rows}",
                definition.name,
                array.len()
            )));
        }
        let wanted = definition.ty.arrow();
        if *array.data_type() != wanted {
            return Err(shape(format!(
                "column \"{}\" is {} ({wanted}), the values are {}",
                definition.name,
                definition.ty,
                array.data_type()
            )));
        }
        if !definition.nullable && array.logical_null_count() > 0 {
            return Err(TableError::NotNull {
                table: table.name.to_string(),
                column: definition.name.to_string(),
            });
        }
    }
    Ok(rows)
}
