//! A row group as a query sees it.

use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, new_null_array};
use arrow_buffer::BooleanBuffer;

use crate::catalog::TableDefinition;
use crate::column::{ChunkMeta, ChunkPlace, ChunkReader, EncodedChunk, encode_chunk};
use crate::pager::{Extent, PageId, PagerError};
use crate::table::Pin;
use crate::table::data::Group;
use crate::table::decode::read_rows;
use crate::table::encode::encode_options;
use crate::table::error::{Result, TableError};

/// A run of rows of a table, with one chunk for each column. Nothing of it is read before it is asked for.
///
/// A row group, and a chunk's reader, is good as long as somebody holds the row group, its
/// [`TableSnapshot`](crate::table::TableSnapshot) or the snapshot: afterwards its pages may be used again.
#[derive(Debug)]
pub struct RowGroup {
    group: Arc<Group>,
    definition: Arc<TableDefinition>,
    pin: Pin,
    index: usize,
    first_row: u64,
    /// Stand-ins for columns that the table got after the row group was written.
    absent: OnceLock<Box<[OnceLock<Absent>]>>,
}

/// A column of NULLs.
#[derive(Debug)]
struct Absent {
    meta: ChunkMeta,
    reader: Arc<ChunkReader>,
}

impl RowGroup {
    pub(super) fn new(
        group: Arc<Group>,
        definition: Arc<TableDefinition>,
        pin: Pin,
        index: usize,
        first_row: u64,
    ) -> Self {
        Self { group, definition, pin, index, first_row, absent: OnceLock::new() }
    }

    /// Its place among the row groups of the table.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many rows it has, deleted ones among them.
    pub fn rows(&self) -> usize {
        self.group.entry.rows as usize
    }

    /// The number of its first row in the table.
    pub fn first_row(&self) -> u64 {
        self.first_row
    }

    /// Bytes of its chunks in the file.
    pub fn bytes(&self) -> u64 {
        self.group.entry.bytes
    }

    /// Least and greatest time of its rows, where that was recorded.
    pub fn time_range(&self) -> Option<(i64, i64)> {
        self.group.entry.time_range
    }

    /// Which rows are deleted (set bits), or `None` if none is.
    pub fn deletes(&self) -> Result<Option<BooleanBuffer>> {
        match self.group.entry.deletes {
            None => Ok(None),
            Some(_) => Err(TableError::Unsupported(format!(
                "table \"{}\" has deleted rows, which this version of FluxDB does not read",
                self.definition.name
            ))),
        }
    }

    /// Place and statistics of the chunk of the table's column at that position.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn chunk_meta(&self, column: usize) -> Result<&ChunkMeta> {
        let id = self.definition.columns[column].id;
        let record = self.group.record(&self.pin).map_err(|e| e.in_table(&self.definition))?;
        match record.position(id) {
            Some(position) => Ok(&record.chunks()[position]),
            None => Ok(&self.absent(column)?.meta),
        }
    }

    /// The reader of that chunk; the same one for all queries, so that what is verified once stays so.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn chunk(&self, column: usize) -> Result<Arc<ChunkReader>> {
        let id = self.definition.columns[column].id;
        let record = self.group.record(&self.pin).map_err(|e| e.in_table(&self.definition))?;
        let Some(position) = record.position(id) else {
            return Ok(Arc::clone(&self.absent(column)?.reader));
        };
        self.group.reader(&self.pin, position, || {
            let (header, meta) = (record.header(), &record.chunks()[position]);
            let extent = Extent { start: PageId(header.extent_page.get()), pages: header.extent_pages.get() };
            let bytes = usize::try_from(meta.byte_len.get())
                .map_err(|_| PagerError::corrupt_page(extent.start, "a chunk longer than memory"))
                .and_then(|bytes| self.pin.read_extent_range(extent, meta.byte_offset.get(), bytes))
                .map_err(|e| TableError::from(e).in_table(&self.definition))?;
            let reader = ChunkReader::open(bytes, &self.definition.columns[column].ty, self.place(column))?;
            // A whole chunk in the wrong place, such as one that a lost write left from before.
            if reader.header_crc() != meta.header_crc.get() || reader.rows() != self.rows() {
                return Err(TableError::Corrupt(format!(
                    "the chunk at {extent} is not the one that the catalog says ({})",
                    self.place(column)
                )));
            }
            Ok(reader)
        })
    }

    /// What versions of the table share.
    pub(super) fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// All rows of a column.
    pub(super) fn read_column(&self, column: usize) -> Result<ArrayRef> {
        read_rows(&*self.chunk(column)?)
    }

    /// What errors say about where a chunk belongs.
    fn place(&self, column: usize) -> ChunkPlace {
        let column = &self.definition.columns[column];
        chunk_place(&self.definition, &column.name, column.id.0, self.index as u64)
    }

    fn absent(&self, column: usize) -> Result<&Absent> {
        let all =
            self.absent.get_or_init(|| self.definition.columns.iter().map(|_| OnceLock::new()).collect());
        if let Some(absent) = all[column].get() {
            return Ok(absent);
        }
        let ty = &self.definition.columns[column].ty;
        let nulls = new_null_array(&ty.arrow(), self.rows());
        let place = self.place(column);
        let EncodedChunk { bytes, meta } = encode_chunk(&nulls, ty, &encode_options(&place))?;
        let reader = Arc::new(ChunkReader::open(bytes.into(), ty, place)?);
        Ok(all[column].get_or_init(|| Absent { meta, reader }))
    }
}

/// What errors say about where a chunk belongs. The ids are in the chunk's header too: of the table's, the
/// low 32 bits.
pub(super) fn chunk_place(
    table: &TableDefinition,
    column: &str,
    column_id: u32,
    row_group: u64,
) -> ChunkPlace {
    ChunkPlace {
        table: (&*table.name).into(),
        column: column.into(),
        table_id: table.id.0 as u32,
        column_id,
        row_group,
    }
}
