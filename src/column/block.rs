//! One block of a chunk: from its bytes to arrays and selections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arrow_array::types::{IntervalMonthDayNano, IntervalMonthDayNanoType};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, FixedSizeBinaryArray, Int64Array, PrimitiveArray,
    UInt32Array, downcast_primitive, new_null_array,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;

use crate::column::codec::bitpack::Lane;
use crate::column::codec::bytes::{self as strings, Strings};
use crate::column::codec::float::FloatBits;
use crate::column::codec::{Codec, Stream, boolean, int, nulls};
use crate::column::few::{self, FewStrings};
use crate::column::filter;
use crate::column::layout::{BlockEntry, Scheme};
use crate::column::le::{Damage, Decoded, ensure};
use crate::column::length::LengthUnit;
use crate::column::nested;
use crate::column::physical::Physical;
use crate::column::predicate::{CompareOp, Predicate};
use crate::column::reader::{ChunkReader, TEXT};
use crate::column::runs::BlockRuns;
use crate::column::shared::{CodeSet, Shared, check_codes};
use crate::column::types::LogicalType;
use crate::column::views::{Views, dictionary_array, null_dictionary_array};

/// One block of a chunk.
pub(crate) struct Block<'a> {
    /// The chunk.
    pub(crate) chunk: &'a ChunkReader,
    /// Which block it is.
    pub(crate) index: usize,
    /// Its entry in the directory.
    pub(crate) entry: BlockEntry<'a>,
    /// Its bytes, whose checksum was found right.
    pub(crate) bytes: &'a [u8],
    /// What was found right so far.
    pub(crate) checked: &'a AtomicU8,
}

impl Block<'_> {
    /// Whether the values are positions in a dictionary.
    fn coded(&self) -> bool {
        self.chunk.layout.scheme == Scheme::Dictionary
    }

    /// The stream of the values, and the NULLs.
    fn parts(&self) -> Decoded<(Stream<'_>, Option<NullBuffer>)> {
        let entry = &self.entry;
        let (values, mask) = nulls::split(self.bytes, entry.null_form, entry.rows, entry.nulls)?;
        let nulls = nulls::decode(mask, entry.null_form, entry.rows, entry.nulls)?;
        let stream = Stream::parse(values)?;
        // The codec of positions is their own business.
        let codec = if self.coded() { Codec::Dictionary } else { stream.codec };
        ensure(codec == entry.codec, "the codec is not that of the directory")?;
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
    pub(crate) fn read(&self, rows: Option<&[u16]>) -> Decoded<ArrayRef> {
        let arrow = self.chunk.ty().arrow();
        let (count, out) = (self.entry.rows, rows.map_or(self.entry.rows, <[u16]>::len));
        if self.entry.null_form == nulls::ALL {
            ensure(self.entry.nulls == count, "not all rows are NULL")?;
            // All blocks of a chunk come in the same layout.
            if self.coded()
                && *self.chunk.ty() == LogicalType::Varchar
                && let Shared::Strings(values) = &**self.chunk.shared()?
            {
                return null_dictionary_array(out, values);
            }
            return Ok(new_null_array(&arrow, out));
        }
        let (stream, nulls) = self.parts()?;
        let nulls = nulls_of(nulls, rows);
        if self.coded() {
            return self.read_codes(stream, nulls, rows);
        }
        Ok(match self.chunk.physical {
            Physical::Boolean => {
                let all = boolean::decode(stream, count)?;
                let values = match rows {
                    Some(rows) => rows.iter().map(|r| all.value(usize::from(*r))).collect(),
                    None => all,
                };
                Arc::new(BooleanArray::new(values, nulls))
            }
            Physical::Float { width } => {
                let values = if width == 4 {
                    self.floats::<u32>(stream, rows)?
                } else {
                    self.floats::<u64>(stream, rows)?
                };
                primitive_array(&arrow, values, out, nulls)?
            }
            Physical::Int { width, .. } => {
                let values = self.numbers(stream, rows, width)?;
                self.check_enum(&values)?;
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
            Physical::Nested(nesting) => {
                let Some(rows) = rows else { return nested::read(self, stream, nulls, nesting, &arrow) };
                let all = self.read(None)?;
                let rows = UInt32Array::from_iter_values(rows.iter().map(|r| u32::from(*r)));
                arrow_select::take::take(&all, &rows, None).map_err(|e| Damage(e.to_string().into()))?
            }
        })
    }

    /// How long the strings of the given rows are, or of all, as an `Int64`.
    pub(crate) fn measure(&self, rows: Option<&[u16]>, unit: LengthUnit) -> Decoded<ArrayRef> {
        let (count, out) = (self.entry.rows, rows.map_or(self.entry.rows, <[u16]>::len));
        if self.entry.null_form == nulls::ALL {
            return Ok(new_null_array(&DataType::Int64, out));
        }
        let (stream, nulls) = self.parts()?;
        let shared = self.chunk.shared()?;
        let lengths: Vec<i64> = if self.coded() {
            let of_values = shared.lengths(unit)?;
            let codes = match rows {
                Some(rows) => int::select::<u32>(stream, count, rows)?,
                None => int::decode_vec::<u32>(stream, count)?,
            };
            check_codes(&codes, of_values.len())?;
            codes.iter().map(|code| i64::from(of_values[*code as usize])).collect()
        } else {
            let lengths = strings::measure(stream, count, rows, shared.table(), unit)?;
            lengths.into_iter().map(i64::from).collect()
        };
        Ok(Arc::new(Int64Array::new(lengths.into(), nulls_of(nulls, rows))))
    }

    /// As [`read`](Self::read), of few rows, of a block of which there are few read time and again.
    pub(crate) fn read_few(&self, rows: &[u16]) -> Decoded<ArrayRef> {
        let Physical::Bytes { text } = self.chunk.physical else { return self.read(Some(rows)) };
        if self.coded() || self.entry.null_form == nulls::ALL {
            return self.read(Some(rows));
        }
        let (stream, nulls) = self.parts()?;
        let strings = self.few(stream)?;
        let (mut data, mut lengths) = (vec![], Vec::with_capacity(rows.len()));
        for row in rows {
            let from = data.len();
            strings.push(usize::from(*row), &mut data)?;
            lengths.push((data.len() - from) as u32);
        }
        let nulls = nulls_of(nulls, Some(rows));
        let known = self.checked.load(Ordering::Relaxed) & TEXT != 0;
        Ok(Views::new(Buffer::from_vec(data), &lengths, text, known)?.into_array(nulls))
    }

    /// The strings of a block without NULLs that stand for themselves; `None` if it has others.
    pub(crate) fn few_strings(&self) -> Decoded<Option<FewStrings<'_>>> {
        let is_such = matches!(self.chunk.physical, Physical::Bytes { .. })
            && !self.coded()
            && self.entry.null_form == nulls::NONE;
        if !is_such {
            return Ok(None);
        }
        let (stream, _) = self.parts()?;
        self.few(stream).map(Some)
    }

    fn few<'b>(&'b self, stream: Stream<'b>) -> Decoded<FewStrings<'b>> {
        let Some((lengths, stored)) = strings::stored(stream)? else {
            return Ok(FewStrings { stored: stream.payload.rest(), ends: None, shared: None });
        };
        let ends = self
            .chunk
            .ends(self.index, || few::ends(int::decode_vec::<u32>(lengths, self.entry.rows)?, stored))?;
        let shared = (stream.codec == Codec::Fsst).then(|| self.chunk.shared()).transpose()?;
        Ok(FewStrings { stored, ends: Some(ends), shared })
    }

    /// The bits of floats.
    fn floats<F: FloatBits + ArrowNativeType>(
        &self,
        stream: Stream<'_>,
        rows: Option<&[u16]>,
    ) -> Decoded<Buffer> {
        let count = self.entry.rows;
        if stream.codec != Codec::Alp {
            return self.numbers(stream, rows, F::WIDTH);
        }
        Ok(Buffer::from_vec(match rows {
            Some(rows) => F::select(stream, count, rows)?,
            None => {
                let mut out = Vec::with_capacity(count);
                F::decode(stream, count, &mut out)?;
                out
            }
        }))
    }

    /// Whole numbers of `width` bytes, as they lie in memory.
    fn numbers(&self, stream: Stream<'_>, rows: Option<&[u16]>, width: usize) -> Decoded<Buffer> {
        let count = self.entry.rows;
        macro_rules! decode {
            ($t:ty) => {
                Buffer::from_vec(match rows {
                    Some(rows) => int::select::<$t>(stream, count, rows)?,
                    None => int::decode_vec::<$t>(stream, count)?,
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

    /// The rows as runs, if they are few enough, and whole numbers without NULLs.
    pub(crate) fn read_runs(&self) -> Decoded<Option<BlockRuns>> {
        let Physical::Int { width, .. } = self.chunk.physical else { return Ok(None) };
        let count = self.entry.rows;
        if self.coded() || self.entry.null_form != nulls::NONE {
            return Ok(None);
        }
        let (stream, _) = self.parts()?;
        if stream.c > count / 2 {
            return Ok(None);
        }
        macro_rules! parts {
            ($t:ty) => {
                int::in_runs::<$t>(stream, count)?
                    .map(|(values, lengths)| (Buffer::from_vec(values), lengths))
            };
        }
        let parts = match width {
            1 => parts!(u8),
            2 => parts!(u16),
            4 => parts!(u32),
            8 => parts!(u64),
            _ => parts!(u128),
        };
        let Some((values, lengths)) = parts else { return Ok(None) };
        self.check_enum(&values)?;
        let values = primitive_array(&self.chunk.ty().arrow(), values, lengths.len(), None)?;
        Ok(Some(BlockRuns::new(values, lengths, count)))
    }

    /// The values that positions in the dictionary stand for.
    fn read_codes(
        &self,
        stream: Stream<'_>,
        nulls: Option<NullBuffer>,
        rows: Option<&[u16]>,
    ) -> Decoded<ArrayRef> {
        fn gather<T: Lane + ArrowNativeType>(codes: &[u32], values: &Buffer) -> Buffer {
            let values: &[T] = values.typed_data();
            Buffer::from_vec(codes.iter().map(|code| values[*code as usize]).collect::<Vec<T>>())
        }
        let shared = self.chunk.shared()?;
        let codes = match rows {
            Some(rows) => int::select::<u32>(stream, self.entry.rows, rows)?,
            None => int::decode_vec::<u32>(stream, self.entry.rows)?,
        };
        let arrow = self.chunk.ty().arrow();
        match &**shared {
            Shared::Strings(values) if *self.chunk.ty() == LogicalType::Varchar => {
                dictionary_array(codes, values, nulls)
            }
            Shared::Strings(values) => {
                check_codes(&codes, values.len())?;
                let keys = UInt32Array::new(ScalarBuffer::from(codes), nulls);
                arrow_select::take::take(values, &keys, None).map_err(|e| Damage(e.to_string().into()))
            }
            Shared::Numbers(numbers) => {
                check_codes(&codes, numbers.count)?;
                let len = codes.len();
                let values = match numbers.values.len() / numbers.count.max(1) {
                    1 => gather::<u8>(&codes, &numbers.values),
                    2 => gather::<u16>(&codes, &numbers.values),
                    4 => gather::<u32>(&codes, &numbers.values),
                    8 => gather::<u64>(&codes, &numbers.values),
                    _ => gather::<u128>(&codes, &numbers.values),
                };
                self.check_enum(&values)?;
                if self.chunk.physical == Physical::Uuid {
                    return Ok(Arc::new(FixedSizeBinaryArray::new(16, values, nulls)));
                }
                primitive_array(&arrow, values, len, nulls)
            }
            Shared::Nothing | Shared::Symbols(_) => Err(Damage::new("positions without a dictionary")),
        }
    }

    /// Checks that the values of an ENUM are positions of its names.
    fn check_enum(&self, values: &Buffer) -> Decoded<()> {
        if let LogicalType::Enum(names) = self.chunk.ty() {
            let positions: &[u32] = values.typed_data();
            let most = positions.iter().fold(0, |most, p| most.max(*p)) as usize;
            ensure(positions.is_empty() || most < names.len(), "a value is not in the ENUM")?;
        }
        Ok(())
    }

    /// Strings, as views on the block.
    fn strings(&self, stream: Stream<'_>, rows: Option<&[u16]>, text: bool) -> Decoded<Views> {
        let shared = self.chunk.shared()?;
        let known = self.checked.load(Ordering::Relaxed) & TEXT != 0;
        let views = match strings::decode(stream, self.entry.rows, rows, shared.table())? {
            Strings::Constant(value) => {
                Views::repeat(self.buffer(value), rows.map_or(self.entry.rows, <[u16]>::len), text)?
            }
            Strings::Plain { lengths, data } => match rows {
                Some(rows) => Views::select(self.buffer(data), &lengths, rows, text, known)?,
                None => Views::new(self.buffer(data), &lengths, text, known)?,
            },
            Strings::Decoded { lengths, data } => {
                // Only what was decoded was checked.
                let views = Views::new(Buffer::from_vec(data), &lengths, text, known)?;
                if rows.is_some() {
                    return Ok(views);
                }
                views
            }
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

    /// The rows that satisfy all of some conditions.
    pub(crate) fn filter(&self, predicates: &[Predicate]) -> Decoded<Option<BooleanBuffer>> {
        if predicates.len() > 1
            && let Physical::Int { width, .. } = self.chunk.physical
            && let Some(range) = filter::between(self.chunk.physical, predicates)
            && self.entry.null_form != nulls::ALL
            && !self.coded()
        {
            let (stream, nulls) = self.parts()?;
            let values = filter::ints_between(stream, self.entry.rows, width, range)?;
            return Ok(Some(match nulls {
                Some(valid) => &values & valid.inner(),
                None => values,
            }));
        }
        let mut all: Option<BooleanBuffer> = None;
        for predicate in predicates {
            let Some(rows) = self.filter_one(predicate)? else { return Ok(None) };
            all = Some(match all {
                Some(all) => &all & &rows,
                None => rows,
            });
        }
        Ok(all)
    }

    /// The rows that satisfy a condition.
    fn filter_one(&self, predicate: &Predicate) -> Decoded<Option<BooleanBuffer>> {
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

    /// The rows whose positions in the dictionary are in a set, and those that are NULL, if these pass. `None` if the values
    /// are no positions.
    pub(crate) fn filter_codes(&self, set: &CodeSet, null_passes: bool) -> Decoded<Option<BooleanBuffer>> {
        let rows = self.entry.rows;
        if !self.coded() {
            return Ok(None);
        }
        if self.entry.null_form == nulls::ALL {
            let all = if null_passes { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) };
            return Ok(Some(all));
        }
        let (stream, nulls) = self.parts()?;
        let values = set.filter(stream, rows, self.chunk.shared()?.len())?;
        Ok(Some(match nulls {
            None => values,
            Some(nulls) if null_passes => &values | &!nulls.inner(),
            Some(nulls) => &values & nulls.inner(),
        }))
    }

    /// The rows whose values satisfy a condition with a value; what it says of NULLs does not matter.
    fn filter_values(&self, stream: Stream<'_>, predicate: &Predicate) -> Decoded<Option<BooleanBuffer>> {
        let count = self.entry.rows;
        if self.coded() {
            let Some(set) = self.chunk.code_set(predicate)? else { return Ok(None) };
            return set.filter(stream, count, self.chunk.shared()?.len()).map(Some);
        }
        match self.chunk.physical {
            Physical::Boolean => filter::booleans(stream, count, predicate),
            Physical::Bytes { text } if filter::asks_for_empty(text, predicate) => {
                Ok(Some(filter::empty(&strings::empty(stream, count)?, predicate.op)))
            }
            Physical::Bytes { text } => {
                let strings = strings::decode(stream, count, None, self.chunk.shared()?.table())?;
                Ok(filter::strings(&strings, count, text, predicate))
            }
            physical => filter::numbers(stream, count, physical, predicate),
        }
    }
}

/// Which of the given rows, or of all, are NULL, if any are.
fn nulls_of(nulls: Option<NullBuffer>, rows: Option<&[u16]>) -> Option<NullBuffer> {
    let nulls = match rows {
        Some(rows) => nulls.map(|n| rows.iter().map(|r| n.is_valid(usize::from(*r))).collect()),
        None => nulls,
    };
    nulls.filter(|n: &NullBuffer| n.null_count() > 0)
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
