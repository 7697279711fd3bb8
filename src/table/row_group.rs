//! A row group as a query sees it.

use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, new_null_array};
use arrow_buffer::BooleanBuffer;

use crate::catalog::{ColumnId, TableDefinition};
use crate::column::{ChunkMeta, ChunkPlace, ChunkReader, ChunkStats};
use crate::pager::{Extent, PageId, PagerError};
use crate::table::data::Group;
use crate::table::decode::read_rows;
use crate::table::deletes::DeleteVector;
use crate::table::error::{Result, TableError};
use crate::table::fresh::{Chunk, FreshGroup};
use crate::table::pin::Pin;

/// A run of rows of a table, with one chunk for each column. Nothing of it is read before it is asked for.
///
/// A row group, and a chunk's reader, is good as long as somebody holds the row group, its
/// [`TableSnapshot`](crate::table::TableSnapshot) or the snapshot: afterwards its pages may be used again.
#[derive(Debug)]
pub struct RowGroup {
    source: Source,
    /// Its deleted rows, where they are not those that the file knows.
    deletes: Option<Arc<DeleteVector>>,
    definition: Arc<TableDefinition>,
    pin: Pin,
    index: usize,
    first_row: u64,
    /// Stand-ins for columns that the table got after the row group was written.
    absent: OnceLock<Box<[OnceLock<Chunk>]>>,
}

/// Distinct combinations of values of some columns of a row group, side by side; `None` if they are too many.
pub type KnownKeys = Option<Arc<[ArrayRef]>>;

/// Combinations of columns that a row group keeps keys of.
const KEYS_KEPT: usize = 4;

/// What versions of a table share of a row group.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// It is part of a commit.
    Sealed(Arc<Group>),
    /// It is not.
    Fresh(Arc<FreshGroup>),
}

impl Source {
    /// Its rows, deleted ones among them.
    pub(super) fn rows(&self) -> u32 {
        match self {
            Self::Sealed(group) => group.entry.rows,
            Self::Fresh(group) => group.rows(),
        }
    }
}

impl RowGroup {
    pub(super) fn new(
        source: Source,
        deletes: Option<Arc<DeleteVector>>,
        definition: Arc<TableDefinition>,
        pin: Pin,
        index: usize,
        first_row: u64,
    ) -> Self {
        Self { source, deletes, definition, pin, index, first_row, absent: OnceLock::new() }
    }

    /// Its place among the row groups of the table.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How many rows it has, deleted ones among them.
    pub fn rows(&self) -> usize {
        self.source.rows() as usize
    }

    /// How many of its rows are deleted. Known without reading anything.
    pub fn deleted_rows(&self) -> usize {
        match (&self.deletes, &self.source) {
            (Some(deletes), _) => deletes.deleted() as usize,
            (None, Source::Sealed(group)) => group.entry.deleted_rows as usize,
            (None, Source::Fresh(_)) => 0,
        }
    }

    /// The number of its first row in the table: rows are numbered in their order, deleted ones too.
    pub fn first_row(&self) -> u64 {
        self.first_row
    }

    /// Bytes of its chunks in the file.
    pub fn bytes(&self) -> u64 {
        match &self.source {
            Source::Sealed(group) => group.entry.bytes,
            Source::Fresh(group) => group.bytes(),
        }
    }

    /// Least and greatest time of its rows, where that was recorded.
    pub fn time_range(&self) -> Option<(i64, i64)> {
        match &self.source {
            Source::Sealed(group) => group.entry.time_range,
            Source::Fresh(_) => None,
        }
    }

    /// Tells its rows from those of all other row groups, whatever becomes of its place; `None` while it is not sealed.
    pub(super) fn fingerprint(&self) -> Result<Option<u64>> {
        let Source::Sealed(group) = &self.source else { return Ok(None) };
        group.fingerprint(&self.pin).map(Some).map_err(|e| e.in_table(&self.definition))
    }

    /// Whether it is part of a commit in the file, as opposed to held in memory.
    pub fn is_sealed(&self) -> bool {
        matches!(self.source, Source::Sealed(_))
    }

    /// What was kept of the columns at these positions; `None` if nothing was.
    pub fn known_keys(&self, columns: &[usize]) -> Result<Option<KnownKeys>> {
        let Source::Sealed(group) = &self.source else { return Ok(None) };
        let keys = group.keys_seen(&self.pin).map_err(|e| e.in_table(&self.definition))?;
        let ids = self.ids_of(columns);
        Ok(keys.lock().iter().find(|known| known.0 == ids).map(|known| known.1.clone()))
    }

    /// Keeps the distinct combinations of values that these columns have, or that they are too many, for whoever asks
    /// next. They are those of all rows, deleted ones among them, and so good for as long as the row group.
    pub fn keep_keys(&self, columns: &[usize], keys: Option<Vec<ArrayRef>>) -> Result<()> {
        let Source::Sealed(group) = &self.source else { return Ok(()) };
        let mut kept = group.keys_seen(&self.pin).map_err(|e| e.in_table(&self.definition))?.lock();
        let ids = self.ids_of(columns);
        kept.retain(|known| known.0 != ids);
        if kept.len() == KEYS_KEPT {
            kept.remove(0);
        }
        kept.push((ids, keys.map(Into::into)));
        Ok(())
    }

    fn ids_of(&self, columns: &[usize]) -> Box<[ColumnId]> {
        columns.iter().map(|&column| self.definition.columns[column].id).collect()
    }

    /// Which rows are deleted (set bits), or `None` if none is.
    pub fn deletes(&self) -> Result<Option<BooleanBuffer>> {
        Ok(self.delete_vector()?.map(|deletes| deletes.bits().clone()))
    }

    fn delete_vector(&self) -> Result<Option<Arc<DeleteVector>>> {
        match (&self.deletes, &self.source) {
            (Some(deletes), _) => Ok(Some(Arc::clone(deletes))),
            (None, Source::Sealed(group)) => {
                group.deletes(&self.pin, self.definition.id).map_err(|e| e.in_table(&self.definition))
            }
            (None, Source::Fresh(_)) => Ok(None),
        }
    }

    /// Place and statistics of the chunk of the table's column at that position.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn chunk_meta(&self, column: usize) -> Result<&ChunkMeta> {
        match &self.source {
            Source::Sealed(group) => {
                let record = group.record(&self.pin).map_err(|e| e.in_table(&self.definition))?;
                if let Some(position) = record.position(self.definition.columns[column].id) {
                    return Ok(&record.chunks()[position]);
                }
            }
            Source::Fresh(group) => {
                if let Some(chunk) = group.chunk(&self.definition, column)? {
                    return Ok(&chunk.meta);
                }
            }
        }
        Ok(&self.absent(column)?.meta)
    }

    /// What is known of the table's column at that position. Rows in memory are not encoded for it.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn chunk_stats(&self, column: usize) -> Result<ChunkStats> {
        if let Source::Fresh(group) = &self.source
            && let Some(stats) = group.chunk_stats(&self.definition, column)?
        {
            return Ok(stats);
        }
        Ok(self.chunk_meta(column)?.stats(&self.definition.columns[column].ty))
    }

    /// How many NULLs it has in the table's column at that position, which costs less than all its statistics.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn null_count(&self, column: usize) -> Result<u64> {
        if let Source::Fresh(group) = &self.source
            && let Some(nulls) = group.null_count(self.definition.columns[column].id)
        {
            return Ok(nulls);
        }
        Ok(self.chunk_meta(column)?.null_count.get().into())
    }

    /// The reader of that chunk; the same one for all queries, so that what is verified once stays so.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn chunk(&self, column: usize) -> Result<Arc<ChunkReader>> {
        let found = match &self.source {
            Source::Sealed(group) => self.sealed_chunk(group, column)?,
            Source::Fresh(group) => {
                group.chunk(&self.definition, column)?.map(|chunk| Arc::clone(&chunk.reader))
            }
        };
        found.map_or_else(|| Ok(Arc::clone(&self.absent(column)?.reader)), Ok)
    }

    fn sealed_chunk(&self, group: &Group, column: usize) -> Result<Option<Arc<ChunkReader>>> {
        let id = self.definition.columns[column].id;
        let record = group.record(&self.pin).map_err(|e| e.in_table(&self.definition))?;
        let Some(position) = record.position(id) else { return Ok(None) };
        let reader = group.reader(&self.pin, position, || {
            let (header, meta) = (record.header(), &record.chunks()[position]);
            let extent = Extent { start: PageId(header.extent_page.get()), pages: header.extent_pages.get() };
            let bytes = usize::try_from(meta.byte_len.get())
                .map_err(|_| PagerError::corrupt_page(extent.start, "a chunk longer than memory"))
                .and_then(|bytes| self.pin.read_extent_range(extent, meta.byte_offset.get(), bytes))
                .map_err(|e| TableError::from(e).in_table(&self.definition))?;
            let reader = ChunkReader::open(bytes, &self.definition.columns[column].ty, self.place(column))?
                .with_cache(self.pin.dictionaries());
            // A whole chunk in the wrong place, such as one that a lost write left from before.
            if reader.header_crc() != meta.header_crc.get() || reader.rows() != self.rows() {
                return Err(TableError::Corrupt(format!(
                    "the chunk at {extent} is not the one that the catalog says ({})",
                    self.place(column)
                )));
            }
            Ok(reader)
        })?;
        Ok(Some(reader))
    }

    /// The table, as it is in its snapshot.
    pub(super) fn definition(&self) -> &Arc<TableDefinition> {
        &self.definition
    }

    /// What keeps its pages.
    pub(super) fn pin(&self) -> &Pin {
        &self.pin
    }

    /// What versions of the table share.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// All rows of a column, deleted ones among them, in the layout of its type.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn read_column(&self, column: usize) -> Result<ArrayRef> {
        match &self.source {
            Source::Sealed(_) => read_rows(&*self.chunk(column)?),
            Source::Fresh(group) => group.read_column(&self.definition, column),
        }
    }

    /// What errors say about where a chunk belongs.
    fn place(&self, column: usize) -> ChunkPlace {
        let column = &self.definition.columns[column];
        chunk_place(&self.definition, &column.name, column.id.0, self.index as u64)
    }

    fn absent(&self, column: usize) -> Result<&Chunk> {
        let all =
            self.absent.get_or_init(|| self.definition.columns.iter().map(|_| OnceLock::new()).collect());
        if let Some(absent) = all[column].get() {
            return Ok(absent);
        }
        let nulls = new_null_array(&self.definition.columns[column].ty.arrow(), self.rows());
        let absent = Chunk::encode(&self.definition, column, &nulls)?;
        Ok(all[column].get_or_init(|| absent))
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
