//! Writing a chunk: the values of one column in one row group.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_data::ArrayData;
use arrow_schema::DataType;
use bytemuck::Zeroable;

use crate::column::codec::int::{IntStats, Shape};
use crate::column::codec::{Codec, StreamHead, boolean, bytes, float, int, nulls};
use crate::column::error::{ColumnError, Result};
use crate::column::layout::{
    self, BLOCK_ALIGN, BLOCK_ROWS, CHUNK_ALIGN, ChunkHeader, EntryHead, HEADER_CRC_AT, Scheme,
};
use crate::column::le::{U16, U32, U64};
use crate::column::meta::{ChunkMeta, put_sum};
use crate::column::physical::{Physical, sum_width, type_tag};
use crate::column::scalar::{Scalar, float_cmp};
use crate::column::sketch::DistinctSketch;
use crate::column::stats::{BOUND_MAX, Bound, flags, put_bound};
use crate::column::types::LogicalType;
use crate::column::views::MAX_BUFFER;

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
        return Err(ColumnError::TypeMismatch {
            value: format!("array of {}", array.data_type()),
            ty: ty.to_string(),
        });
    }
    if u32::try_from(array.len()).is_err() {
        return Err(ColumnError::Unsupported(format!("a row group of {} rows is too large", array.len())));
    }
    let block_rows = options.block_rows.clamp(1, usize::from(u16::MAX));
    let mut builder = ChunkBuilder::new(ty, physical, options, array.len(), block_rows);
    let data = array.to_data();
    for start in (0..array.len()).step_by(block_rows) {
        let rows = block_rows.min(array.len() - start);
        let nulls = array.nulls().map(|n| n.slice(start, rows));
        builder.push(&array, &data, start, rows, nulls)?;
    }
    builder.finish()
}

/// The values of a dictionary-coded array; other arrays as they are.
fn flatten(array: &ArrayRef) -> Result<ArrayRef> {
    let DataType::Dictionary(..) = array.data_type() else { return Ok(Arc::clone(array)) };
    let dictionary = array.as_any_dictionary();
    arrow_select::take::take(dictionary.values(), dictionary.keys(), None)
        .map_err(|e| ColumnError::Unsupported(e.to_string()))
}

/// What is known of the values of a block or chunk, NULLs left out.
#[derive(Debug, Clone, Default)]
struct Summary {
    min: Option<Scalar>,
    max: Option<Scalar>,
    sum: Option<Scalar>,
    sorted: bool,
}

impl Summary {
    /// Adds what is known of the values that follow.
    fn add(&mut self, next: &Self) {
        let follows = match (&self.max, &next.min) {
            (Some(max), Some(min)) => max.total_cmp(min).is_le(),
            _ => true,
        };
        self.sorted = self.sorted && next.sorted && follows;
        let less = |a: &Scalar, b: &Scalar| a.total_cmp(b).is_lt();
        if next.min.as_ref().is_some_and(|n| self.min.as_ref().is_none_or(|min| less(n, min))) {
            self.min.clone_from(&next.min);
        }
        if next.max.as_ref().is_some_and(|n| self.max.as_ref().is_none_or(|max| less(max, n))) {
            self.max.clone_from(&next.max);
        }
        self.sum = match (self.sum.take(), &next.sum) {
            (Some(Scalar::Int(a)), Some(Scalar::Int(b))) => a.checked_add(*b).map(Scalar::Int),
            (Some(Scalar::Float(a)), Some(Scalar::Float(b))) => Some(Scalar::Float(a + b)),
            _ => None,
        };
    }

    /// Appends minimum, maximum and sum of these widths and returns the flags.
    fn put(&self, physical: Physical, bound_width: usize, sum_width: usize, out: &mut Vec<u8>) -> u8 {
        let mut found = if self.sorted { flags::SORTED } else { 0 };
        for (value, bound, there, is_exact) in [
            (&self.min, Bound::Min, flags::MIN, flags::MIN_EXACT),
            (&self.max, Bound::Max, flags::MAX, flags::MAX_EXACT),
        ] {
            let end = out.len() + bound_width;
            if let Some(exact) = value.as_ref().and_then(|v| put_bound(v, bound, physical, bound_width, out))
            {
                found |= there | if exact { is_exact } else { 0 };
            }
            out.resize(end, 0);
        }
        let end = out.len() + sum_width;
        if self.sum.as_ref().is_some_and(|sum| put_sum(sum, sum_width, out)) {
            found |= flags::SUM;
        }
        out.resize(end, 0);
        found
    }
}

/// A chunk under construction.
struct ChunkBuilder<'a> {
    ty: &'a LogicalType,
    physical: Physical,
    options: &'a EncodeOptions,
    rows: usize,
    block_rows: usize,
    null_count: usize,
    /// Directory entries; offsets count from the start of `blocks`.
    entries: Vec<(EntryHead, Vec<u8>)>,
    /// All blocks, each at a multiple of 16.
    blocks: Vec<u8>,
    /// Statistics of all values so far; `None` before the first block with values.
    summary: Option<Summary>,
    /// Whether a NULL breaks the order.
    sketch: DistinctSketch,
    memory_len: u64,
}

impl<'a> ChunkBuilder<'a> {
    fn new(
        ty: &'a LogicalType,
        physical: Physical,
        options: &'a EncodeOptions,
        rows: usize,
        block_rows: usize,
    ) -> Self {
        Self {
            ty,
            physical,
            options,
            rows,
            block_rows,
            null_count: 0,
            entries: Vec::with_capacity(rows.div_ceil(block_rows)),
            blocks: vec![],
            summary: None,
            sketch: DistinctSketch::default(),
            memory_len: 0,
        }
    }

    /// Adds the block of `rows` rows from `start` on.
    fn push(
        &mut self,
        array: &ArrayRef,
        data: &ArrayData,
        start: usize,
        rows: usize,
        nulls: Option<NullBuffer>,
    ) -> Result<()> {
        let nulls = nulls.filter(|n| n.null_count() > 0);
        let null_count = nulls.as_ref().map_or(0, NullBuffer::null_count);
        self.blocks.resize(self.blocks.len().next_multiple_of(BLOCK_ALIGN), 0);
        let offset = self.blocks.len();
        let mut summary = Summary { sorted: false, ..Summary::default() };
        let mut codec = Codec::Constant;
        if null_count < rows {
            (codec, summary) = self.values(array, data, start, rows, nulls.as_ref())?;
            summary.sorted &= null_count == 0;
        }
        let null_form = nulls::encode(nulls.as_ref(), &mut self.blocks);
        let block = &self.blocks[offset..];
        let len = u32::try_from(block.len())
            .map_err(|_| ColumnError::Unsupported("a block of 4 GiB or more cannot be stored".into()))?;
        let mut stats = vec![];
        let stat_flags =
            summary.put(self.physical, self.physical.bound_width(), sum_width(self.ty), &mut stats);
        let head = EntryHead {
            offset: U64::new(offset as u64),
            len: U32::new(len),
            crc: U32::new(crc32fast::hash(block)),
            rows: U16::new(rows as u16),
            nulls: U16::new(null_count as u16),
            codec: codec as u8,
            null_form,
            stat_flags,
            reserved: 0,
        };
        self.entries.push((head, stats));
        self.null_count += null_count;
        if null_count < rows {
            match &mut self.summary {
                Some(all) => all.add(&summary),
                None => self.summary = Some(summary),
            }
        }
        Ok(())
    }

    /// Encodes the values of a block, at least one of which is not NULL.
    fn values(
        &mut self,
        array: &ArrayRef,
        data: &ArrayData,
        start: usize,
        rows: usize,
        nulls: Option<&NullBuffer>,
    ) -> Result<(Codec, Summary)> {
        let force = self.options.force;
        self.memory_len += (rows * self.physical.bound_width().max(1)) as u64;
        macro_rules! wide {
            ($native:ty) => {
                data.buffer::<$native>(0)[start..start + rows].iter().map(|v| i64::from(*v)).collect()
            };
        }
        Ok(match self.physical {
            Physical::Boolean => {
                let values = array.as_boolean().values().slice(start, rows);
                let codec = boolean::encode(&values, force, &mut self.blocks);
                let ones = (values.iter().enumerate())
                    .filter(|(i, v)| *v && nulls.is_none_or(|n| n.is_valid(*i)))
                    .count();
                let valid = rows - nulls.map_or(0, NullBuffer::null_count);
                let sorted = values.set_slices().all(|(_, end)| end == rows);
                let (min, max) = (Scalar::Boolean(ones == valid), Scalar::Boolean(ones > 0));
                (codec, Summary { min: Some(min), max: Some(max), sum: None, sorted })
            }
            Physical::Int { width: 16, .. } => {
                let mut values = data.buffer::<i128>(0)[start..start + rows].to_vec();
                fill(&mut values, nulls);
                for v in &values {
                    self.sketch
                        .add_u64((*v as u64) ^ ((*v >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
                }
                let stats = IntStats::of(&values);
                let codec = int::encode(&values, &stats, Shape::of_width(16), force, &mut self.blocks);
                let sum = if sum_width(self.ty) == 0 {
                    None
                } else {
                    valid(&values, nulls).try_fold(0_i128, |a, v| a.checked_add(v)).map(Scalar::Int)
                };
                let (min, max) = (Scalar::Int(stats.min), Scalar::Int(stats.max));
                (codec, Summary { min: Some(min), max: Some(max), sum, sorted: values.is_sorted() })
            }
            Physical::Int { width, signed } => {
                let flipped = width == 8 && !signed;
                let mut values: Vec<i64> = match (width, signed) {
                    (1, true) => wide!(i8),
                    (1, false) => wide!(u8),
                    (2, true) => wide!(i16),
                    (2, false) => wide!(u16),
                    (4, true) => wide!(i32),
                    (4, false) => wide!(u32),
                    (_, true) => data.buffer::<i64>(0)[start..start + rows].to_vec(),
                    (_, false) => {
                        data.buffer::<i64>(0)[start..start + rows].iter().map(|v| v ^ i64::MIN).collect()
                    }
                };
                fill(&mut values, nulls);
                values.iter().for_each(|v| self.sketch.add_u64(*v as u64));
                let stats = IntStats::of(&values);
                let codec = int::encode(&values, &stats, Shape { width, flipped }, force, &mut self.blocks);
                let natural =
                    |v: i64| if flipped { i128::from((v ^ i64::MIN) as u64) } else { i128::from(v) };
                let sum = (sum_width(self.ty) > 0)
                    .then(|| Scalar::Int(valid(&values, nulls).map(natural).sum::<i128>()));
                let (min, max) = (Scalar::Int(natural(stats.min)), Scalar::Int(natural(stats.max)));
                (codec, Summary { min: Some(min), max: Some(max), sum, sorted: values.is_sorted() })
            }
            Physical::Float { width } => {
                let mut values: Vec<f64> = if width == 4 {
                    let all = array.as_primitive::<Float32Type>().values();
                    all[start..start + rows].iter().map(|v| f64::from(*v)).collect()
                } else {
                    array.as_primitive::<Float64Type>().values()[start..start + rows].to_vec()
                };
                // The bits are taken from the array, as widening may change those of a NaN.
                let mut bits: Vec<i64> =
                    if width == 4 { wide!(u32) } else { data.buffer::<i64>(0)[start..start + rows].to_vec() };
                fill(&mut values, nulls);
                fill(&mut bits, nulls);
                bits.iter().for_each(|v| self.sketch.add_u64(*v as u64));
                let codec = float::encode(&bits, width, force, &mut self.blocks);
                (codec, float_summary(&values, nulls))
            }
            Physical::Uuid => {
                let all = array.as_fixed_size_binary();
                let mut values: Vec<[u8; 16]> =
                    (start..start + rows).map(|i| all.value(i).try_into().unwrap_or_default()).collect();
                fill(&mut values, nulls);
                let numbers: Vec<i128> = values.iter().map(|v| i128::from_le_bytes(*v)).collect();
                numbers.iter().for_each(|v| self.sketch.add_u64((*v as u64) ^ ((*v >> 64) as u64)));
                let stats = IntStats::of(&numbers);
                let codec = int::encode(&numbers, &stats, Shape::of_width(16), force, &mut self.blocks);
                (
                    codec,
                    Summary {
                        min: values.iter().min().map(Scalar::bytes),
                        max: values.iter().max().map(Scalar::bytes),
                        sum: None,
                        sorted: values.is_sorted(),
                    },
                )
            }
            Physical::Bytes { text } => {
                let empty: &[u8] = &[];
                let mut values: Vec<&[u8]> = if text {
                    let all = array.as_string_view();
                    (start..start + rows).map(|i| all.value(i).as_bytes()).collect()
                } else {
                    let all = array.as_binary_view();
                    (start..start + rows).map(|i| all.value(i)).collect()
                };
                let summary = bytes_summary(&values, nulls, text);
                for v in valid(&values, nulls) {
                    self.sketch.add_bytes(v);
                }
                let mut distinct = valid(&values, nulls);
                let first = distinct.next().unwrap_or(empty);
                // NULLs take no bytes, unless that would hide that all values are the same.
                let filler = if distinct.all(|v| v == first) { first } else { empty };
                drop(distinct);
                if let Some(nulls) = nulls {
                    for (i, v) in values.iter_mut().enumerate() {
                        if nulls.is_null(i) {
                            *v = filler;
                        }
                    }
                }
                let total: usize = values.iter().map(|v| v.len()).sum();
                self.memory_len += total as u64;
                if total > MAX_BUFFER {
                    return Err(ColumnError::Unsupported(format!(
                        "{rows} strings of {total} bytes in all are too large for a block"
                    )));
                }
                (bytes::encode(&values, force, &mut self.blocks), summary)
            }
            Physical::Interval => {
                let all = &array.as_primitive::<IntervalMonthDayNanoType>().values()[start..start + rows];
                let parts: [(Vec<i64>, usize); 3] = [
                    (all.iter().map(|v| i64::from(v.months)).collect(), 4),
                    (all.iter().map(|v| i64::from(v.days)).collect(), 4),
                    (all.iter().map(|v| v.nanoseconds).collect(), 8),
                ];
                let mut streams = vec![];
                let mut ends = vec![];
                for (mut values, width) in parts {
                    fill(&mut values, nulls);
                    int::encode(&values, &IntStats::of(&values), Shape::of_width(width), force, &mut streams);
                    ends.push(streams.len() as u32);
                }
                StreamHead::write(Codec::Parts, 0, 0, ends[0], &mut self.blocks);
                self.blocks.extend_from_slice(&(ends[1] - ends[0]).to_le_bytes());
                self.blocks.append(&mut streams);
                (Codec::Parts, Summary::default())
            }
            Physical::Nested(_) => {
                return Err(ColumnError::Unsupported(format!("type {} cannot be stored yet", self.ty)));
            }
        })
    }

    /// Puts header, directory and blocks together.
    fn finish(mut self) -> Result<EncodedChunk> {
        let block_count = self.entries.len();
        let uniform = self.make_uniform();
        let (bound_width, sum_width) = (self.physical.bound_width(), sum_width(self.ty));
        let entry_len = size_of::<EntryHead>() + 2 * bound_width + sum_width;
        let (type_tag, type_param) = type_tag(self.ty);
        let directory_end = size_of::<ChunkHeader>() + self.entries.len() * entry_len;
        let blocks_at = directory_end.next_multiple_of(BLOCK_ALIGN);
        let mut header = ChunkHeader {
            magic: layout::MAGIC,
            version: U16::new(layout::VERSION),
            type_tag,
            scheme: Scheme::Values as u8,
            table_id: U32::new(self.options.table_id),
            column_id: U32::new(self.options.column_id),
            row_count: U32::new(self.rows as u32),
            null_count: U32::new(self.null_count as u32),
            block_count: U32::new(block_count as u32),
            block_rows: U16::new(self.block_rows as u16),
            entry_len: entry_len as u8,
            bound_width: bound_width as u8,
            sum_width: sum_width as u8,
            child_count: 0,
            type_param: U16::new(type_param),
            flags: U32::new(if uniform { layout::UNIFORM } else { 0 }),
            shared_offset: U64::new(0),
            shared_len: U64::new(0),
            shared_crc: U32::new(0),
            header_crc: U32::new(0),
        };
        let mut directory = Vec::with_capacity(directory_end);
        let mut uses = [0_u32; 256];
        for (head, stats) in &mut self.entries {
            head.offset = U64::new(head.offset.get() + blocks_at as u64);
            uses[usize::from(head.codec)] += 1;
            directory.extend_from_slice(bytemuck::bytes_of(head));
            directory.extend_from_slice(stats);
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytemuck::bytes_of(&header)[..HEADER_CRC_AT]);
        crc.update(&directory);
        header.header_crc = U32::new(crc.finalize());
        let mut bytes = Vec::with_capacity((blocks_at + self.blocks.len()).next_multiple_of(CHUNK_ALIGN));
        bytes.extend_from_slice(bytemuck::bytes_of(&header));
        bytes.append(&mut directory);
        bytes.resize(blocks_at, 0);
        bytes.append(&mut self.blocks);
        bytes.resize(bytes.len().next_multiple_of(CHUNK_ALIGN), 0);

        let codec = (0..=u8::MAX).rev().max_by_key(|c| uses[usize::from(*c)]).unwrap_or(0);
        let codec_blocks = if uniform { block_count as u32 } else { uses[usize::from(codec)] };
        let summary = self.summary.unwrap_or_default();
        let mut stats = vec![];
        let mut stat_flags = summary.put(self.physical, BOUND_MAX, 16, &mut stats);
        if self.null_count > 0 {
            stat_flags &= !flags::SORTED;
        }
        let mut meta = ChunkMeta {
            byte_len: U64::new(bytes.len() as u64),
            row_count: header.row_count,
            null_count: header.null_count,
            header_crc: header.header_crc,
            codec,
            codec_blocks: U16::new(codec_blocks.min(u32::from(u16::MAX)) as u16),
            block_count: header.block_count,
            memory_len: U64::new(self.memory_len),
            ..ChunkMeta::zeroed()
        };
        meta.min.copy_from_slice(&stats[..BOUND_MAX]);
        meta.max.copy_from_slice(&stats[BOUND_MAX..2 * BOUND_MAX]);
        meta.sum.copy_from_slice(&stats[2 * BOUND_MAX..]);
        if let Some(distinct) = self.sketch.estimate(self.rows - self.null_count) {
            stat_flags |= flags::DISTINCT;
            meta.distinct = U32::new(distinct as u32);
        }
        meta.stat_flags = stat_flags;
        Ok(EncodedChunk { bytes, meta })
    }

    /// If all blocks are the same constant, leaves one that stands for all.
    fn make_uniform(&mut self) -> bool {
        let block = |head: &EntryHead| {
            let at = head.offset.get() as usize;
            &self.blocks[at..at + head.len.get() as usize]
        };
        let [(first, _), rest @ ..] = self.entries.as_slice() else { return false };
        let all_null = first.null_form == nulls::ALL;
        let same = rest.iter().all(|(e, _)| {
            e.codec == first.codec && e.null_form == first.null_form && block(e) == block(first)
        });
        let constant = first.codec == Codec::Constant as u8 && (all_null || first.null_form == nulls::NONE);
        if rest.is_empty() || !same || !constant {
            return false;
        }
        let len = first.len.get() as usize;
        self.blocks.truncate(len);
        self.entries.truncate(1);
        // The sum would be that of a full block.
        self.entries[0].0.stat_flags &= !flags::SUM;
        let sum_at = 2 * self.physical.bound_width();
        self.entries[0].1[sum_at..].fill(0);
        true
    }
}

/// Gives NULLs the value before them (after them at the start), which all codecs store best.
fn fill<T: Copy>(values: &mut [T], nulls: Option<&NullBuffer>) {
    let Some(nulls) = nulls else { return };
    let Some(first) = nulls.valid_indices().next() else { return };
    let mut last = values[first];
    for (i, v) in values.iter_mut().enumerate() {
        if nulls.is_valid(i) {
            last = *v;
        } else {
            *v = last;
        }
    }
}

/// The values that are not NULL.
fn valid<'v, T: Copy>(values: &'v [T], nulls: Option<&'v NullBuffer>) -> impl Iterator<Item = T> + 'v {
    values.iter().enumerate().filter(move |(i, _)| nulls.is_none_or(|n| n.is_valid(*i))).map(|(_, v)| *v)
}

/// Statistics of floats, NULLs filled with values.
fn float_summary(values: &[f64], nulls: Option<&NullBuffer>) -> Summary {
    let (mut min, mut max) = (values[0], values[0]);
    for v in values {
        if float_cmp(*v, min).is_lt() {
            min = *v;
        }
        if float_cmp(*v, max).is_gt() {
            max = *v;
        }
    }
    Summary {
        min: Some(Scalar::Float(min)),
        max: Some(Scalar::Float(max)),
        sum: Some(Scalar::Float(valid(values, nulls).sum())),
        sorted: values.is_sorted_by(|a, b| float_cmp(*a, *b).is_le()),
    }
}

/// Statistics of byte strings.
fn bytes_summary(values: &[&[u8]], nulls: Option<&NullBuffer>, text: bool) -> Summary {
    let scalar = |v: &[u8]| {
        if text { std::str::from_utf8(v).ok().map(Scalar::text) } else { Some(Scalar::bytes(v)) }
    };
    let mut min: Option<&[u8]> = None;
    let mut max: Option<&[u8]> = None;
    for v in valid(values, nulls) {
        if min.is_none_or(|min| v < min) {
            min = Some(v);
        }
        if max.is_none_or(|max| v > max) {
            max = Some(v);
        }
    }
    Summary {
        min: min.and_then(scalar),
        max: max.and_then(scalar),
        sum: None,
        sorted: nulls.is_none() && values.is_sorted(),
    }
}
