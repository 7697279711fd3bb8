//! Row groups that no commit has sealed: rows in memory, or in extents that only a running transaction knows.

use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, ByteViewType, StringViewType};
use arrow_array::{Array, ArrayRef, new_null_array};

use crate::catalog::{ColumnDefinition, ColumnId, TableDefinition};
use crate::column::{ChunkMeta, ChunkReader, ChunkStats, EncodedChunk, array_stats, encode_chunk};
use crate::sync::Mutex;
use crate::table::decode::{concat, read_rows};
use crate::table::encode::{EncodedGroup, encode_options};
use crate::table::error::{Result, TableError};
use crate::table::keys::{self, IndexCache, KeyIndex};
use crate::table::row_group::chunk_place;
use crate::table::workspace::{PlacedGroup, Workspace};

/// Rows for each buffer of texts, at least.
const ROWS_A_BUFFER: usize = 64;

/// The array with its texts in one place, if they are in many: each row that was added alone has brought a buffer.
fn gathered(array: ArrayRef) -> ArrayRef {
    fn gather<T: ByteViewType>(array: &ArrayRef) -> Option<ArrayRef> {
        let array = array.as_byte_view_opt::<T>()?;
        (array.data_buffers().len() > 1 + array.len() / ROWS_A_BUFFER)
            .then(|| Arc::new(array.gc()) as ArrayRef)
    }
    gather::<StringViewType>(&array).or_else(|| gather::<BinaryViewType>(&array)).unwrap_or(array)
}

/// A row group that is not sealed. It has the columns that its table had when the rows came.
#[derive(Debug)]
pub(super) struct FreshGroup {
    rows: u32,
    content: Content,
    /// Made when first asked for, by the place of the column in the content.
    chunks: Box<[OnceLock<Chunk>]>,
    /// Likewise, of rows in memory: most of them are sealed without ever having been chunks.
    stats: Box<[OnceLock<ChunkStats>]>,
    indexes: IndexCache,
    /// By key: of the row groups that it is made of the rows, and what index was known. Gone once its own is made.
    parts: Mutex<Vec<(Box<[ColumnId]>, IndexedParts)>>,
}

/// Rows, and their index if there was one.
type IndexedParts = Vec<(u32, Option<Arc<KeyIndex>>)>;

/// Where its rows are.
#[derive(Debug)]
pub(super) enum Content {
    /// In memory.
    Held(Vec<(ColumnId, ArrayRef)>),
    /// In the file, as far as the transaction is concerned.
    Written(PlacedGroup, Arc<Workspace>),
}

/// A chunk that no record describes.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) meta: ChunkMeta,
    pub(super) reader: Arc<ChunkReader>,
}

impl Chunk {
    /// A chunk in memory.
    pub(super) fn encode(table: &TableDefinition, column: usize, array: &ArrayRef) -> Result<Self> {
        let definition = &table.columns[column];
        let place = chunk_place(table, &definition.name, definition.id.0, 0);
        let EncodedChunk { bytes, meta } = encode_chunk(array, &definition.ty, &encode_options(&place))?;
        let reader = Arc::new(ChunkReader::open(bytes.into(), &definition.ty, place)?);
        Ok(Self { meta, reader })
    }
}

impl FreshGroup {
    pub(super) fn new(rows: u32, content: Content) -> Self {
        let columns = match &content {
            Content::Held(columns) => columns.len(),
            Content::Written(placed, _) => placed.chunks.len(),
        };
        let chunks = (0..columns).map(|_| OnceLock::new()).collect();
        let stats = (0..columns).map(|_| OnceLock::new()).collect();
        Self { rows, content, chunks, stats, indexes: IndexCache::default(), parts: Mutex::default() }
    }

    /// How many rows it has, deleted ones among them.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// Bytes of its chunks in the file.
    pub(super) fn bytes(&self) -> u64 {
        match &self.content {
            Content::Held(_) => 0,
            Content::Written(placed, _) => placed.bytes,
        }
    }

    /// Bytes that its rows take in memory.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.content {
            Content::Held(columns) => columns.iter().map(|(_, array)| array.get_array_memory_size()).sum(),
            Content::Written(..) => 0,
        }
    }

    fn position(&self, column: ColumnId) -> Option<usize> {
        match &self.content {
            Content::Held(columns) => columns.iter().position(|(id, _)| *id == column),
            Content::Written(placed, _) => placed.position(column),
        }
    }

    /// The chunk of a column of its table; `None` if the column came later.
    pub(super) fn chunk(&self, table: &TableDefinition, column: usize) -> Result<Option<&Chunk>> {
        let Some(position) = self.position(table.columns[column].id) else { return Ok(None) };
        let cell = &self.chunks[position];
        if let Some(chunk) = cell.get() {
            return Ok(Some(chunk));
        }
        let chunk = match &self.content {
            Content::Held(columns) => Chunk::encode(table, column, &columns[position].1)?,
            Content::Written(placed, workspace) => {
                let reader = workspace.enter()?.open_chunk(placed, position, table, column)?;
                Chunk { meta: placed.chunks[position].1, reader: Arc::new(reader) }
            }
        };
        Ok(Some(cell.get_or_init(|| chunk)))
    }

    /// How many NULLs a column has; `None` if it came later.
    pub(super) fn null_count(&self, column: ColumnId) -> Option<u64> {
        let position = self.position(column)?;
        Some(match &self.content {
            Content::Held(columns) => columns[position].1.logical_null_count() as u64,
            Content::Written(placed, _) => placed.chunks[position].1.null_count.get().into(),
        })
    }

    /// What is known of a column of its table; `None` if the column came later.
    pub(super) fn chunk_stats(&self, table: &TableDefinition, column: usize) -> Result<Option<ChunkStats>> {
        let ColumnDefinition { id, ty, .. } = &table.columns[column];
        let Some(position) = self.position(*id) else { return Ok(None) };
        let columns = match &self.content {
            Content::Written(placed, _) => return Ok(Some(placed.chunks[position].1.stats(ty))),
            Content::Held(columns) => columns,
        };
        if let Some(stats) = self.stats[position].get() {
            return Ok(Some(stats.clone()));
        }
        let stats = array_stats(&columns[position].1, ty)?;
        Ok(Some(self.stats[position].get_or_init(|| stats).clone()))
    }

    /// The index of its rows by a key; `None` if there cannot be one.
    pub(super) fn key_index(
        &self,
        table: &TableDefinition,
        key: &[ColumnId],
    ) -> Result<Option<Arc<KeyIndex>>> {
        self.indexes.get(key, || match &self.content {
            Content::Held(_) => {
                let read = |id| {
                    let column = table.position_of(id).ok_or(TableError::Ended)?;
                    self.read_column(table, column)
                };
                let parts = {
                    let mut all = self.parts.lock();
                    let known = all.iter().position(|(columns, _)| **columns == *key);
                    known.map(|at| all.swap_remove(at).1)
                };
                match parts {
                    Some(parts) => keys::build_united(key, &parts, read),
                    None => keys::build(key, read),
                }
            }
            Content::Written(placed, workspace) => workspace.enter()?.open_index(placed, key),
        })
    }

    /// All rows of a column.
    pub(super) fn read_column(&self, table: &TableDefinition, column: usize) -> Result<ArrayRef> {
        let definition = &table.columns[column];
        match (self.position(definition.id), &self.content) {
            (None, _) => Ok(new_null_array(&definition.ty.arrow(), self.rows as usize)),
            (Some(position), Content::Held(columns)) => Ok(Arc::clone(&columns[position].1)),
            (Some(position), Content::Written(placed, workspace)) => {
                read_rows(&workspace.enter()?.open_chunk(placed, position, table, column)?)
            }
        }
    }

    /// Whether both are in memory and have the same columns.
    fn is_like(&self, other: &Self) -> bool {
        match (&self.content, &other.content) {
            (Content::Held(a), Content::Held(b)) => {
                let columns = a.iter().zip(b);
                a.len() == b.len()
                    && columns.into_iter().all(|((i, x), (j, y))| i == j && x.data_type() == y.data_type())
            }
            _ => false,
        }
    }

    /// Some that are alike as one. Its indexes are made of theirs.
    fn unite(parts: &[&Self]) -> Result<Self> {
        let held = |part: &&Self| match &part.content {
            Content::Held(columns) => Ok(columns.clone()),
            Content::Written(..) => Err(TableError::Ended),
        };
        let all: Vec<Vec<(ColumnId, ArrayRef)>> = parts.iter().map(held).collect::<Result<_>>()?;
        let columns = all[0].iter().enumerate().map(|(at, (id, first))| {
            let arrays: Vec<ArrayRef> = all.iter().map(|columns| Arc::clone(&columns[at].1)).collect();
            Ok((*id, gathered(concat(&arrays, first.data_type())?)))
        });
        let rows = parts.iter().map(|part| part.rows).sum();
        let united = Self::new(rows, Content::Held(columns.collect::<Result<_>>()?));
        let known = parts[0].indexes.known().into_iter().filter(|(_, index)| index.is_some());
        let known = known.map(|(key, _)| {
            let of = parts.iter().map(|part| (part.rows, part.indexes.peek(&key))).collect();
            (key, of)
        });
        *united.parts.lock() = known.collect();
        Ok(united)
    }

    /// Adds a row group to a list. To bound the length of the list, those in memory at its end are kept like the
    /// digits of a binary counter; rows keep their places. Returns how many of the old ones it was united with.
    pub(super) fn push_united(self, groups: &[Arc<Self>], rows_max: usize) -> Result<(Self, usize)> {
        let (mut rows, mut united) = (self.rows, 0);
        for before in groups.iter().rev() {
            let fits = rows >= before.rows && (rows + before.rows) as usize <= rows_max;
            if !fits || !before.is_like(&self) {
                break;
            }
            rows += before.rows;
            united += 1;
        }
        if united == 0 {
            return Ok((self, 0));
        }
        let old = groups[groups.len() - united..].iter().map(Arc::as_ref);
        let all: Vec<&Self> = old.chain([&self]).collect();
        Ok((Self::unite(&all)?, united))
    }

    /// The same rows, in the file.
    pub(super) fn write(&self, table: &TableDefinition, workspace: &Arc<Workspace>) -> Result<Self> {
        let mut encoded = EncodedGroup::new(self.rows as usize);
        for column in 0..table.columns.len() {
            encoded.push(table, column, &self.read_column(table, column)?)?;
        }
        let placed = workspace.enter()?.write_group(encoded)?;
        Ok(Self::new(self.rows, Content::Written(placed, Arc::clone(workspace))))
    }
}
