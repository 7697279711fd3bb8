//! Reading a chunk, block by block.
//!
//! Opening checks the header and its checksum, and nothing that grows with the number of rows but the
//! directory. A block's checksum is checked when it is first touched, and so is its text. Everything else that
//! a decoder relies on it checks every time: no bytes, however damaged, make it panic, allocate beyond what
//! the rows of a block can need, or read outside of the chunk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arrow_array::types::{IntervalMonthDayNano, IntervalMonthDayNanoType};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, downcast_primitive,
    new_empty_array, new_null_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;
use bytes::Bytes;

use crate::column::codec::bytes::Strings;
use crate::column::codec::{Codec, Stream, boolean, bytes as strings, float, int, nulls};
use crate::column::error::{ChunkPlace, ColumnError, Result};
use crate::column::filter;
use crate::column::layout::{BlockEntry, Layout, VERSION};
use crate::column::le::{Cursor, Damage, Decoded, U16, ensure};
use crate::column::meta::get_sum;
use crate::column::physical::{Physical, sum_width, type_tag};
use crate::column::predicate::{CompareOp, Predicate, Prune};
use crate::column::stats::{ChunkStats, flags, get_bound};
use crate::column::types::LogicalType;
use crate::column::views::Views;

/// The block's checksum was found right.
const SUMMED: u8 = 1;
/// The block's strings were found to be text.
const TEXT: u8 = 2;

/// An open chunk. Cheap to open and to share; reads from any thread.
#[derive(Debug)]
pub struct ChunkReader {
    bytes: Bytes,
    layout: Layout,
    ty: LogicalType,
    physical: Physical,
    place: ChunkPlace,
    /// What was found right so far, for each block.
    checked: Box<[AtomicU8]>,
}

impl ChunkReader {
    /// Opens the chunk that fills `bytes`, whose values are of type `ty`.
    ///
    /// # Errors
    ///
    /// If the header is damaged, of a newer version, of another type, or of another table or column than
    /// `place` says.
    pub fn open(bytes: Bytes, ty: &LogicalType, place: ChunkPlace) -> Result<Self> {
        let corrupt = |d: Damage| ColumnError::Corrupt {
            place: Box::new(place.clone()),
            block: None,
            reason: d.0.into_owned(),
        };
        let physical = Physical::of(ty)
            .ok_or_else(|| ColumnError::Unsupported(format!("type {ty} cannot be stored")))?;
        // The version comes before all else: a newer header may differ in anything behind it.
        let version = Cursor::new(bytes.get(4..).unwrap_or_default()).record::<U16>().map_err(corrupt)?.get();
        if version > VERSION && bytes.starts_with(&crate::column::layout::MAGIC) {
            return Err(ColumnError::FutureVersion {
                place: Box::new(place),
                found: version,
                supported: VERSION,
            });
        }
        let layout = Layout::parse(&bytes).map_err(corrupt)?;
        let header = &layout.header;
        let (tag, param) = type_tag(ty);
        let fits = || {
            ensure(
                header.type_tag == tag && header.type_param.get() == param,
                "the chunk is of another type",
            )?;
            ensure(header.table_id.get() == place.table_id, "the chunk belongs to another table")?;
            ensure(header.column_id.get() == place.column_id, "the chunk belongs to another column")?;
            ensure(usize::from(header.bound_width) == physical.bound_width(), "bad width of bounds")?;
            ensure(usize::from(header.sum_width) == sum_width(ty), "bad width of sums")?;
            ensure(header.child_count == 0, "unexpected child chunks")
        };
        fits().map_err(corrupt)?;
        let slots = if layout.uniform() { layout.blocks.min(1) } else { layout.blocks };
        let checked = (0..slots).map(|_| AtomicU8::new(0)).collect();
        Ok(Self { bytes, layout, ty: ty.clone(), physical, place, checked })
    }

    /// Rows, NULLs included.
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    /// NULLs.
    pub fn null_count(&self) -> usize {
        self.layout.header.null_count.get() as usize
    }

    /// The checksum of header and directories, which hold those of everything else.
    pub fn header_crc(&self) -> u32 {
        self.layout.header.header_crc.get()
    }

    /// The type of the values.
    pub fn ty(&self) -> &LogicalType {
        &self.ty
    }

    /// The number of blocks.
    pub fn blocks(&self) -> usize {
        self.layout.blocks
    }

    /// The rows of a full block: all blocks but the last have as many.
    pub fn block_rows(&self) -> usize {
        self.layout.block_rows
    }

    /// The rows of block `index`.
    pub fn rows_of_block(&self, index: usize) -> usize {
        self.layout.rows_of(index)
    }

    /// The bytes that block `index` takes in the file.
    pub fn bytes_of_block(&self, index: usize) -> Result<usize> {
        Ok(self.entry(index)?.len)
    }

    /// The codec of block `index`.
    pub fn codec_of_block(&self, index: usize) -> Result<Codec> {
        Ok(self.entry(index)?.codec)
    }

    /// The statistics of block `index`.
    pub fn block_stats(&self, index: usize) -> Result<ChunkStats> {
        let entry = self.entry(index)?;
        let has = |flag| entry.stat_flags & flag != 0;
        let bound = |flag, bytes| if has(flag) { get_bound(bytes, &self.ty) } else { None };
        Ok(ChunkStats {
            rows: entry.rows as u64,
            nulls: entry.nulls as u64,
            min: bound(flags::MIN, entry.min),
            max: bound(flags::MAX, entry.max),
            min_exact: has(flags::MIN_EXACT),
            max_exact: has(flags::MAX_EXACT),
            sum: if has(flags::SUM) { get_sum(entry.sum, &self.ty) } else { None },
            sorted: has(flags::SORTED),
            distinct: None,
        })
    }

    /// What the statistics of block `index` say about a condition.
    pub fn prune_block(&self, index: usize, predicate: &Predicate) -> Result<Prune> {
        Ok(self.block_stats(index)?.prune(predicate))
    }

    /// All rows of block `index`.
    pub fn read_block(&self, index: usize) -> Result<ArrayRef> {
        let block = self.block(index)?;
        block.read(None).map_err(|d| self.corrupt(Some(index), d))
    }

    /// The given rows of block `index`, in the given order; repeats are allowed.
    ///
    /// # Panics
    ///
    /// If the block does not have such a row.
    pub fn read_rows(&self, index: usize, rows: &[u16]) -> Result<ArrayRef> {
        let block = self.block(index)?;
        assert!(
            rows.iter().all(|r| usize::from(*r) < block.entry.rows),
            "rows of a block of {}",
            block.entry.rows
        );
        block.read(Some(rows)).map_err(|d| self.corrupt(Some(index), d))
    }

    /// All rows of the chunk.
    pub fn read_all(&self) -> Result<ArrayRef> {
        let blocks = (0..self.blocks()).map(|i| self.read_block(i)).collect::<Result<Vec<_>>>()?;
        match blocks.as_slice() {
            [] => Ok(new_empty_array(&self.ty.arrow())),
            [one] => Ok(Arc::clone(one)),
            many => {
                let parts: Vec<_> = many.iter().map(AsRef::as_ref).collect();
                arrow_select::concat::concat(&parts).map_err(|e| ColumnError::Unsupported(e.to_string()))
            }
        }
    }

    /// The rows of block `index` that satisfy a condition, found on the encoded values where that pays. A
    /// condition that is NULL is not satisfied. `None` if there is no way but to read the block and compare.
    pub fn filter_block(&self, index: usize, predicate: &Predicate) -> Result<Option<BooleanBuffer>> {
        let block = self.block(index)?;
        block.filter(predicate).map_err(|d| self.corrupt(Some(index), d))
    }

    /// The error for damage found in a block, or in the header.
    fn corrupt(&self, block: Option<usize>, damage: Damage) -> ColumnError {
        ColumnError::Corrupt {
            place: Box::new(self.place.clone()),
            block: block.map(|b| b as u32),
            reason: damage.0.into_owned(),
        }
    }

    /// The directory entry of block `index`.
    fn entry(&self, index: usize) -> Result<BlockEntry<'_>> {
        self.layout.entry(&self.bytes, index).map_err(|d| self.corrupt(Some(index), d))
    }

    /// Block `index`, its checksum checked.
    fn block(&self, index: usize) -> Result<Block<'_>> {
        let entry = self.entry(index)?;
        let checked = &self.checked[if self.layout.uniform() { 0 } else { index }];
        let bytes = &self.bytes[entry.offset..entry.offset + entry.len];
        if checked.load(Ordering::Relaxed) & SUMMED == 0 {
            ensure(crc32fast::hash(bytes) == entry.crc, "checksum mismatch")
                .map_err(|d| self.corrupt(Some(index), d))?;
            checked.fetch_or(SUMMED, Ordering::Relaxed);
        }
        Ok(Block { chunk: self, entry, bytes, checked })
    }
}

/// One block of a chunk.
struct Block<'a> {
    chunk: &'a ChunkReader,
    entry: BlockEntry<'a>,
    bytes: &'a [u8],
    checked: &'a AtomicU8,
}

impl Block<'_> {
    /// The stream of the values, and the NULLs.
    fn parts(&self) -> Decoded<(Stream<'_>, Option<NullBuffer>)> {
        let entry = &self.entry;
        let (values, mask) = nulls::split(self.bytes, entry.null_form, entry.rows, entry.nulls)?;
        let nulls = nulls::decode(mask, entry.null_form, entry.rows, entry.nulls)?;
        let stream = Stream::parse(values)?;
        ensure(stream.codec == entry.codec, "the codec is not that of the directory")?;
        Ok((stream, nulls))
    }

    /// A buffer on bytes of this block, without copying.
    fn buffer(&self, bytes: &[u8]) -> Buffer {
        if bytes.is_empty() {
            Buffer::from_vec::<u8>(vec![])
        } else {
            Buffer::from(self.chunk.bytes.slice_ref(bytes))
        }
    }

    /// The values of the given rows, or of all.
    fn read(&self, rows: Option<&[u16]>) -> Decoded<ArrayRef> {
        let arrow = self.chunk.ty.arrow();
        let (count, out) = (self.entry.rows, rows.map_or(self.entry.rows, <[u16]>::len));
        if self.entry.null_form == nulls::ALL {
            ensure(self.entry.nulls == count, "not all rows are NULL")?;
            return Ok(new_null_array(&arrow, out));
        }
        let (stream, nulls) = self.parts()?;
        let nulls = match rows {
            Some(rows) => nulls.map(|n| rows.iter().map(|r| n.is_valid(usize::from(*r))).collect()),
            None => nulls,
        };
        let nulls = nulls.filter(|n: &NullBuffer| n.null_count() > 0);
        Ok(match self.chunk.physical {
            Physical::Boolean => {
                let all = boolean::decode(stream, count)?;
                let values = match rows {
                    Some(rows) => rows.iter().map(|r| all.value(usize::from(*r))).collect(),
                    None => all,
                };
                Arc::new(BooleanArray::new(values, nulls))
            }
            Physical::Int { width, .. } | Physical::Float { width } => {
                let values = self.numbers(stream, rows, width)?;
                if let LogicalType::Enum(names) = &self.chunk.ty {
                    let positions: &[u32] = values.typed_data();
                    let most = positions.iter().max().map_or(0, |m| *m as usize);
                    ensure(most < names.len(), "a value is not in the ENUM")?;
                }
                primitive_array(&arrow, values, out, nulls)?
            }
            Physical::Uuid => {
                let values = self.numbers(stream, rows, 16)?;
                Arc::new(FixedSizeBinaryArray::new(16, values, nulls))
            }
            Physical::Bytes { text } => self.strings(stream, rows, text)?.into_array(nulls),
            Physical::Interval => {
                let values: Vec<_> = self.intervals(stream, rows)?;
                let values = ScalarBuffer::from(values);
                Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::new(values, nulls))
            }
            Physical::Nested(_) => return Err(Damage::new("unexpected nested values")),
        })
    }

    /// Numbers of `width` bytes, as they lie in memory.
    fn numbers(&self, stream: Stream<'_>, rows: Option<&[u16]>, width: usize) -> Decoded<Buffer> {
        let count = self.entry.rows;
        macro_rules! decode {
            ($t:ty) => {
                Buffer::from_vec(match rows {
                    Some(rows) => int::select::<$t>(stream, count, rows)?,
                    None => {
                        let mut out = Vec::with_capacity(count);
                        if matches!(self.chunk.physical, Physical::Float { .. }) {
                            float::decode::<$t>(stream, count, &mut out)?;
                        } else {
                            int::decode::<$t>(stream, count, &mut out)?;
                        }
                        out
                    }
                })
            };
        }
        if rows.is_none()
            && cfg!(target_endian = "little")
            && let Some(bytes) = int::in_place(&stream, count, width)?
            && bytes.as_ptr().addr().is_multiple_of(width)
        {
            return Ok(self.buffer(bytes));
        }
        Ok(match width {
            1 => decode!(u8),
            2 => decode!(u16),
            4 => decode!(u32),
            8 => decode!(u64),
            _ => decode!(u128),
        })
    }

    /// Strings, as views on the block.
    fn strings(&self, stream: Stream<'_>, rows: Option<&[u16]>, text: bool) -> Decoded<Views> {
        let known = self.checked.load(Ordering::Relaxed) & TEXT != 0;
        let views = match strings::decode(stream, self.entry.rows)? {
            Strings::Constant(value) => {
                Views::repeat(self.buffer(value), rows.map_or(self.entry.rows, <[u16]>::len), text)?
            }
            Strings::Plain { lengths, data } => match rows {
                Some(rows) => Views::select(self.buffer(data), &lengths, rows, text, known)?,
                None => Views::new(self.buffer(data), &lengths, text, known)?,
            },
        };
        if text && !known {
            self.checked.fetch_or(TEXT, Ordering::Relaxed);
        }
        Ok(views)
    }

    /// Intervals, put together from their parts.
    fn intervals(&self, mut stream: Stream<'_>, rows: Option<&[u16]>) -> Decoded<Vec<IntervalMonthDayNano>> {
        if stream.codec != Codec::Parts {
            return stream.misplaced();
        }
        let days_len = stream.payload.u32()? as usize;
        let months = stream.nested(stream.c)?;
        let days = stream.nested(days_len)?;
        let nanos = stream.nested_rest()?;
        let count = self.entry.rows;
        let (months, days, nanos) = match rows {
            Some(rows) => (
                int::select(months, count, rows)?,
                int::select(days, count, rows)?,
                int::select(nanos, count, rows)?,
            ),
            None => (
                int::decode_vec(months, count)?,
                int::decode_vec(days, count)?,
                int::decode_vec(nanos, count)?,
            ),
        };
        let parts = months.into_iter().zip(days).zip(nanos);
        Ok(parts
            .map(|((m, d), n): ((u32, u32), u64)| IntervalMonthDayNano::new(m as i32, d as i32, n as i64))
            .collect())
    }

    /// The rows that satisfy a condition.
    fn filter(&self, predicate: &Predicate) -> Decoded<Option<BooleanBuffer>> {
        let rows = self.entry.rows;
        let set = |all: bool| if all { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) };
        let to_null = predicate.op == CompareOp::DistinctFrom;
        if self.entry.null_form == nulls::ALL {
            let is_null = predicate.value.is_null() && predicate.op == CompareOp::NotDistinctFrom;
            return Ok(Some(set(is_null || (to_null && !predicate.value.is_null()))));
        }
        let (stream, nulls) = self.parts()?;
        let valid = nulls.as_ref().map(NullBuffer::inner);
        if predicate.value.is_null() {
            return Ok(Some(match predicate.op {
                CompareOp::NotDistinctFrom => valid.map_or_else(|| set(false), |v| !v),
                CompareOp::DistinctFrom => valid.cloned().unwrap_or_else(|| set(true)),
                _ => set(false),
            }));
        }
        let Some(values) = self.filter_values(stream, predicate)? else { return Ok(None) };
        Ok(Some(match valid {
            None => values,
            Some(valid) if to_null => &values | &!valid,
            Some(valid) => &values & valid,
        }))
    }

    /// The rows whose values satisfy a condition with a value; what it says of NULLs does not matter.
    fn filter_values(&self, stream: Stream<'_>, predicate: &Predicate) -> Decoded<Option<BooleanBuffer>> {
        let count = self.entry.rows;
        match self.chunk.physical {
            Physical::Boolean => filter::booleans(stream, count, predicate),
            Physical::Int { width, signed } => filter::ints(stream, count, width, signed, predicate),
            Physical::Float { width } => filter::floats(stream, count, width, predicate),
            Physical::Uuid => filter::uuids(stream, count, predicate),
            Physical::Bytes { text } => {
                filter::strings(&strings::decode(stream, count)?, count, text, predicate)
            }
            Physical::Interval | Physical::Nested(_) => Ok(None),
        }
    }
}

/// An array of a primitive type over `len` values as they lie in memory.
fn primitive_array(
    arrow: &DataType,
    values: Buffer,
    len: usize,
    nulls: Option<NullBuffer>,
) -> Decoded<ArrayRef> {
    fn build<T: ArrowPrimitiveType>(
        arrow: &DataType,
        values: Buffer,
        len: usize,
        nulls: Option<NullBuffer>,
    ) -> ArrayRef {
        let values = ScalarBuffer::<T::Native>::new(values, 0, len);
        Arc::new(PrimitiveArray::<T>::new(values, nulls).with_data_type(arrow.clone()))
    }
    macro_rules! build {
        ($t:ty, $values:ident, $nulls:ident) => {
            Ok(build::<$t>(arrow, $values, len, $nulls))
        };
    }
    downcast_primitive! {
        arrow => (build, values, nulls),
        other => Err(Damage(format!("{other} is no type of numbers").into())),
    }
}
