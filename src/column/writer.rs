//! Writing a chunk: the values of one column in one row group.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use bytemuck::Zeroable;

use crate::column::codec::{Codec, nulls};
use crate::column::encode;
use crate::column::error::{ColumnError, Result};
use crate::column::layout::{
    self, BLOCK_ALIGN, BLOCK_ROWS, CHUNK_ALIGN, ChildEntry, ChunkHeader, EntryHead, HEADER_CRC_AT,
    ROW_GROUP_ROWS, Scheme,
};
use crate::column::le::{U16, U32, U64};
use crate::column::meta::ChunkMeta;
use crate::column::physical::{Physical, sum_width, type_tag};
use crate::column::sketch::DistinctSketch;
use crate::column::stats::flags;
use crate::column::summary::Summary;
use crate::column::types::LogicalType;

/// How a chunk is written.
#[derive(Debug, Clone)]
pub struct EncodeOptions {
    /// Id of the table, kept in the chunk.
    pub table_id: u32,
    /// Id of the column, kept in the chunk.
    pub column_id: u32,
    /// Use this codec wherever it can hold the values. For tests; `None` otherwise.
    pub force: Option<Codec>,
    /// Rows of a block, 1 to 65,535. Anything but [`BLOCK_ROWS`] is for tests, which reach the boundaries of
    /// small blocks sooner.
    pub block_rows: usize,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self { table_id: 0, column_id: 0, force: None, block_rows: BLOCK_ROWS }
    }
}

/// A chunk ready to be written.
#[derive(Debug, Clone)]
pub struct EncodedChunk {
    /// The bytes; a multiple of 64.
    pub bytes: Vec<u8>,
    /// What the catalog keeps. `extent_page` and `byte_offset` are still 0.
    pub meta: ChunkMeta,
}

/// Encodes the values of one column in one row group.
///
/// The array has the layout of `ty` ([`LogicalType::arrow`]); `VARCHAR` may also be dictionary-coded.
///
/// # Errors
///
/// If the type cannot be stored, if the array has another layout, or if a block of strings has 2 GiB or more.
pub fn encode_chunk(array: &ArrayRef, ty: &LogicalType, options: &EncodeOptions) -> Result<EncodedChunk> {
    let physical =
        Physical::of(ty).ok_or_else(|| ColumnError::Unsupported(format!("type {ty} cannot be stored")))?;
    let array = flatten(array)?;
    if !array.data_type().equals_datatype(&ty.arrow()) {
        let value = format!("array of {}", array.data_type());
        return Err(ColumnError::TypeMismatch { value, ty: ty.to_string() });
    }
    if u32::try_from(array.len()).is_err() {
        return Err(ColumnError::Unsupported(format!("a row group of {} rows is too large", array.len())));
    }
    let mut builder = ChunkBuilder::new(ty, physical, options, array.len(), array.nulls());
    encode::values(&array, &mut builder)?;
    builder.finish()
}

/// The values of a dictionary-coded array; other arrays as they are.
pub(crate) fn flatten(array: &ArrayRef) -> Result<ArrayRef> {
    let DataType::Dictionary(..) = array.data_type() else { return Ok(Arc::clone(array)) };
    let dictionary = array.as_any_dictionary();
    arrow_select::take::take(dictionary.values(), dictionary.keys(), None)
        .map_err(|e| ColumnError::Unsupported(e.to_string()))
}

/// The rows of a block and what became of them.
pub(crate) struct Block {
    /// The first row.
    pub(crate) start: usize,
    /// How many rows.
    pub(crate) rows: usize,
    /// The NULLs, if there are any.
    pub(crate) nulls: Option<NullBuffer>,
    /// The codec of the values.
    pub(crate) codec: Codec,
    /// The stream of the values; empty if all rows are NULL.
    pub(crate) stream: Vec<u8>,
    /// What is known of the values.
    pub(crate) summary: Summary,
}

impl Block {
    /// How many rows are NULL.
    pub(crate) fn null_count(&self) -> usize {
        self.nulls.as_ref().map_or(0, NullBuffer::null_count)
    }

    /// Whether all rows are NULL, so that there is nothing to encode.
    pub(crate) fn all_null(&self) -> bool {
        self.null_count() == self.rows
    }

    /// The rows.
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.rows
    }
}

/// A chunk under construction.
pub(crate) struct ChunkBuilder<'a> {
    /// The type of the values.
    pub(crate) ty: &'a LogicalType,
    /// Its shape.
    pub(crate) physical: Physical,
    /// How to write.
    pub(crate) options: &'a EncodeOptions,
    /// The blocks. Those with values still lack their streams at first.
    pub(crate) blocks: Vec<Block>,
    /// What the blocks share.
    pub(crate) shared: Option<(Scheme, Vec<u8>)>,
    /// The chunks of the children.
    pub(crate) children: Vec<EncodedChunk>,
    /// What is known of how many values differ.
    pub(crate) sketch: DistinctSketch,
    /// How many values differ, if it was counted.
    pub(crate) distinct: Option<usize>,
    /// Bytes of the values in memory.
    pub(crate) memory_len: usize,
    rows: usize,
    block_rows: usize,
    null_count: usize,
}

/// A block as the directory has it: the entry, its statistics, the bytes.
struct Written {
    head: EntryHead,
    stats: Vec<u8>,
    bytes: Vec<u8>,
}

impl<'a> ChunkBuilder<'a> {
    fn new(
        ty: &'a LogicalType,
        physical: Physical,
        options: &'a EncodeOptions,
        rows: usize,
        nulls: Option<&NullBuffer>,
    ) -> Self {
        let block_rows = options.block_rows.clamp(1, usize::from(u16::MAX));
        let block = |start| {
            let rows = block_rows.min(rows - start);
            let nulls = nulls.map(|n| n.slice(start, rows)).filter(|n| n.null_count() > 0);
            Block { start, rows, nulls, codec: Codec::Constant, stream: vec![], summary: Summary::default() }
        };
        Self {
            ty,
            physical,
            options,
            blocks: (0..rows).step_by(block_rows).map(block).collect(),
            shared: None,
            children: vec![],
            sketch: DistinctSketch::for_rows(rows),
            distinct: None,
            memory_len: 0,
            rows,
            block_rows,
            null_count: nulls.map_or(0, NullBuffer::null_count),
        }
    }

    /// Rows of the chunk.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// NULLs of the chunk.
    pub(crate) fn null_count(&self) -> usize {
        self.null_count
    }

    /// Finishes a block: statistics, NULLs, checksum.
    fn write(&self, block: &mut Block) -> Result<Written> {
        let mut bytes = std::mem::take(&mut block.stream);
        let null_form = nulls::encode(block.nulls.as_ref(), &mut bytes);
        let len = u32::try_from(bytes.len())
            .map_err(|_| ColumnError::Unsupported("a block of 4 GiB or more cannot be stored".into()))?;
        block.summary.sorted &= block.nulls.is_none();
        let mut stats = vec![];
        let (bound_width, sum_width) = (self.physical.bound_width(), sum_width(self.ty));
        let head = EntryHead {
            offset: U64::new(0),
            len: U32::new(len),
            crc: U32::new(crc32fast::hash(&bytes)),
            rows: U16::new(block.rows as u16),
            nulls: U16::new(block.null_count() as u16),
            codec: block.codec as u8,
            null_form,
            stat_flags: block.summary.put(self.physical, bound_width, sum_width, &mut stats),
            reserved: 0,
        };
        Ok(Written { head, stats, bytes })
    }

    /// Puts header, directories, shared section, blocks and children together.
    fn finish(mut self) -> Result<EncodedChunk> {
        let mut blocks = std::mem::take(&mut self.blocks);
        let mut written = blocks.iter_mut().map(|b| self.write(b)).collect::<Result<Vec<_>>>()?;
        let uniform = self.make_uniform(&mut written);
        let (bound_width, sum_width) = (self.physical.bound_width(), sum_width(self.ty));
        let entry_len = size_of::<EntryHead>() + 2 * bound_width + sum_width;
        let (type_tag, type_param) = type_tag(self.ty);
        let directory_end = size_of::<ChunkHeader>()
            + written.len() * entry_len
            + self.children.len() * size_of::<ChildEntry>();
        let (scheme, shared) = self.shared.take().unwrap_or((Scheme::Values, vec![]));
        let mut at = directory_end.next_multiple_of(BLOCK_ALIGN);
        let shared_at = if shared.is_empty() { 0 } else { at };
        at += shared.len();

        let mut directory = Vec::with_capacity(directory_end);
        let mut uses = [0_u32; 256];
        for block in &mut written {
            at = at.next_multiple_of(BLOCK_ALIGN);
            block.head.offset = U64::new(at as u64);
            at += block.bytes.len();
            uses[usize::from(block.head.codec)] += 1;
            directory.extend_from_slice(bytemuck::bytes_of(&block.head));
            directory.extend_from_slice(&block.stats);
        }
        for child in &self.children {
            at = at.next_multiple_of(CHUNK_ALIGN);
            let (offset, len) = (U64::new(at as u64), U64::new(child.bytes.len() as u64));
            directory.extend_from_slice(bytemuck::bytes_of(&ChildEntry { offset, len }));
            at += child.bytes.len();
        }
        let mut header = ChunkHeader {
            magic: layout::MAGIC,
            version: U16::new(layout::VERSION),
            type_tag,
            scheme: scheme as u8,
            table_id: U32::new(self.options.table_id),
            column_id: U32::new(self.options.column_id),
            row_count: U32::new(self.rows as u32),
            null_count: U32::new(self.null_count as u32),
            block_count: U32::new(blocks.len() as u32),
            block_rows: U16::new(self.block_rows as u16),
            entry_len: entry_len as u8,
            bound_width: bound_width as u8,
            sum_width: sum_width as u8,
            child_count: self.children.len() as u8,
            type_param: U16::new(type_param),
            flags: U32::new(if uniform { layout::UNIFORM } else { 0 }),
            shared_offset: U64::new(shared_at as u64),
            shared_len: U64::new(shared.len() as u64),
            shared_crc: U32::new(crc32fast::hash(&shared)),
            header_crc: U32::new(0),
        };
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytemuck::bytes_of(&header)[..HEADER_CRC_AT]);
        crc.update(&directory);
        header.header_crc = U32::new(crc.finalize());

        let mut bytes = Vec::with_capacity(at.next_multiple_of(CHUNK_ALIGN));
        let mut put = |part: &[u8], align: usize| {
            bytes.resize(bytes.len().next_multiple_of(align), 0);
            bytes.extend_from_slice(part);
        };
        put(bytemuck::bytes_of(&header), 1);
        put(&directory, 1);
        if !shared.is_empty() {
            put(&shared, BLOCK_ALIGN);
        }
        written.iter().for_each(|block| put(&block.bytes, BLOCK_ALIGN));
        self.children.iter().for_each(|child| put(&child.bytes, CHUNK_ALIGN));
        debug_assert_eq!(bytes.len(), at.max(directory_end), "every part is where the directory says");
        bytes.resize(bytes.len().next_multiple_of(CHUNK_ALIGN), 0);

        let codec = (0..=u8::MAX).rev().max_by_key(|c| uses[usize::from(*c)]).unwrap_or(0);
        let codec_blocks = if uniform { blocks.len() as u32 } else { uses[usize::from(codec)] };
        let mut meta = ChunkMeta {
            byte_len: U64::new(bytes.len() as u64),
            row_count: header.row_count,
            null_count: header.null_count,
            header_crc: header.header_crc,
            codec,
            codec_blocks: U16::new(codec_blocks.min(u32::from(u16::MAX)) as u16),
            block_count: header.block_count,
            memory_len: U64::new(self.memory_len as u64),
            ..ChunkMeta::zeroed()
        };
        self.put_stats(&blocks, &mut meta);
        Ok(EncodedChunk { bytes, meta })
    }

    /// Sums up the statistics of the blocks.
    fn put_stats(&self, blocks: &[Block], meta: &mut ChunkMeta) {
        let mut all: Option<Summary> = None;
        for block in blocks.iter().filter(|b| !b.all_null()) {
            match &mut all {
                Some(all) => all.add(&block.summary),
                None => all = Some(block.summary.clone()),
            }
        }
        let mut summary = all.unwrap_or_default();
        summary.sorted &= self.null_count == 0;
        let distinct = self.distinct.or_else(|| self.sketch.estimate(self.rows - self.null_count));
        meta.set_stats(&summary, distinct, self.physical);
    }

    /// If all blocks are the same constant, leaves one that stands for all. Returns whether it did.
    fn make_uniform(&self, written: &mut Vec<Written>) -> bool {
        let [first, rest @ ..] = written.as_slice() else { return false };
        let bare = first.head.null_form == nulls::ALL || first.head.null_form == nulls::NONE;
        let constant = first.head.codec == Codec::Constant as u8 && bare && self.shared.is_none();
        let same = |b: &Written| {
            (b.head.codec, b.head.null_form, &b.bytes)
                == (first.head.codec, first.head.null_form, &first.bytes)
        };
        if rest.is_empty() || self.rows > ROW_GROUP_ROWS || !constant || !rest.iter().all(same) {
            return false;
        }
        written.truncate(1);
        // The sum would be that of a full block.
        let sum_at = 2 * self.physical.bound_width();
        written[0].head.stat_flags &= !flags::SUM;
        written[0].stats[sum_at..].fill(0);
        true
    }
}
