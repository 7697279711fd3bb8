//! Row groups that no commit has sealed: rows in memory, or in extents that only a running transaction knows.

use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, new_null_array};

use crate::catalog::{ColumnId, TableDefinition};
use crate::column::{ChunkMeta, ChunkReader, EncodedChunk, encode_chunk};
use crate::table::decode::{concat, read_rows};
use crate::table::encode::{EncodedGroup, encode_options};
use crate::table::error::{Result, TableError};
use crate::table::keys::{self, IndexCache, KeyIndex};
use crate::table::row_group::chunk_place;
use crate::table::workspace::{PlacedGroup, Workspace};

/// A row group that is not sealed. It has the columns that its table had when the rows came.
#[derive(Debug)]
pub(super) struct FreshGroup {
    rows: u32,
    content: Content,
    /// Made when first asked for, by the place of the column in the content.
    chunks: Box<[OnceLock<Chunk>]>,
    indexes: IndexCache,
}

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
        Self { rows, content, chunks, indexes: IndexCache::default() }
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

    /// The index of its rows by a key; `None` if there cannot be one.
    pub(super) fn key_index(
        &self,
        table: &TableDefinition,
        key: &[ColumnId],
    ) -> Result<Option<Arc<KeyIndex>>> {
        self.indexes.get(key, || match &self.content {
            Content::Held(_) => keys::build(key, |id| {
                let column = table.position_of(id).ok_or(TableError::Ended)?;
                self.read_column(table, column)
            }),
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

    /// Two that are alike as one.
    fn unite(&self, other: &Self) -> Result<Self> {
        let (Content::Held(a), Content::Held(b)) = (&self.content, &other.content) else {
            return Err(TableError::Ended);
        };
        let columns = a.iter().zip(b).map(|((id, a), (_, b))| {
            let both = [Arc::clone(a), Arc::clone(b)];
            Ok((*id, concat(&both, a.data_type())?))
        });
        Ok(Self::new(self.rows + other.rows, Content::Held(columns.collect::<Result<_>>()?)))
    }

    /// Adds a row group to a list. To bound the length of the list, those in memory at its end are kept like the
    /// digits of a binary counter; rows keep their places. Returns how many of the old ones it was united with.
    pub(super) fn push_united(self, groups: &[Arc<Self>], rows_max: usize) -> Result<(Self, usize)> {
        let (mut last, mut united) = (self, 0);
        for before in groups.iter().rev() {
            let fits = last.rows >= before.rows && (last.rows + before.rows) as usize <= rows_max;
            if !fits || !before.is_like(&last) {
                break;
            }
            last = before.unite(&last)?;
            united += 1;
        }
        Ok((last, united))
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
