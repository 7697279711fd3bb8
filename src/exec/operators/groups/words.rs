//! Values of fixed width as words, and back.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, FixedSizeBinaryArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer, IntervalMonthDayNano, NullBuffer};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use crate::column::codec::bits::Bits;
use crate::exec::error::{ExecError, Result};

/// How many words a value of this type takes; `None` if it has no fixed width.
pub(crate) fn word_count(t: &DataType) -> Option<usize> {
    match t {
        DataType::Decimal128(..) | DataType::FixedSizeBinary(16) => Some(2),
        DataType::Interval(IntervalUnit::MonthDayNano) => Some(2),
        DataType::Float32 | DataType::Float64 | DataType::Boolean => Some(1),
        t => t.primitive_width().filter(|&w| w <= 8).map(|_| 1),
    }
}

/// Values as words in which equal values are equal: integers sign-extended, `-0.0` as `0.0`, one NaN.
pub(crate) struct FixedWords;

macro_rules! fixed_types {
    ($array:expr, $prim:ident, $other:expr) => {{
        let array: &ArrayRef = $array;
        match array.data_type() {
            DataType::Int8 => $prim!(Int8Type, array, |v| [v as i64 as u64, 0]),
            DataType::Int16 => $prim!(Int16Type, array, |v| [v as i64 as u64, 0]),
            DataType::Int32 => $prim!(Int32Type, array, |v| [v as i64 as u64, 0]),
            DataType::Int64 => $prim!(Int64Type, array, |v| [v as u64, 0]),
            DataType::UInt8 => $prim!(UInt8Type, array, |v| [v as u64, 0]),
            DataType::UInt16 => $prim!(UInt16Type, array, |v| [v as u64, 0]),
            DataType::UInt32 => $prim!(UInt32Type, array, |v| [v as u64, 0]),
            DataType::UInt64 => $prim!(UInt64Type, array, |v| [v, 0]),
            DataType::Float32 => $prim!(Float32Type, array, |v| [canonical_f32(v), 0]),
            DataType::Float64 => $prim!(Float64Type, array, |v| [canonical_f64(v), 0]),
            DataType::Decimal64(..) => $prim!(Decimal64Type, array, |v| [v as u64, 0]),
            DataType::Decimal128(..) => $prim!(Decimal128Type, array, |v| [v as u64, (v >> 64) as u64]),
            DataType::Date32 => $prim!(Date32Type, array, |v| [v as i64 as u64, 0]),
            DataType::Time64(TimeUnit::Microsecond) => {
                $prim!(Time64MicrosecondType, array, |v| [v as u64, 0])
            }
            DataType::Time64(TimeUnit::Nanosecond) => {
                $prim!(Time64NanosecondType, array, |v| [v as u64, 0])
            }
            DataType::Timestamp(TimeUnit::Second, _) => $prim!(TimestampSecondType, array, |v| [v as u64, 0]),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                $prim!(TimestampMillisecondType, array, |v| [v as u64, 0])
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                $prim!(TimestampMicrosecondType, array, |v| [v as u64, 0])
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                $prim!(TimestampNanosecondType, array, |v| [v as u64, 0])
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                $prim!(IntervalMonthDayNanoType, array, |v: IntervalMonthDayNano| [
                    v.nanoseconds as u64,
                    v.months as u32 as u64 | (v.days as u32 as u64) << 32
                ])
            }
            other => $other(other),
        }
    }};
}

fn canonical_f64(v: f64) -> u64 {
    if v.is_nan() { f64::NAN.to_bits() } else { (v + 0.0).to_bits() }
}

fn canonical_f32(v: f32) -> u64 {
    u64::from(if v.is_nan() { f32::NAN.to_bits() } else { (v + 0.0).to_bits() })
}

pub(super) fn unexpected(t: &DataType) -> ExecError {
    ExecError::Internal(format!("{t} is no key of fixed width"))
}

impl FixedWords {
    /// Calls `f` with each row that is not NULL and the words of its value.
    #[inline]
    pub fn each(array: &ArrayRef, mut f: impl FnMut(usize, [u64; 2])) -> Result<()> {
        macro_rules! prim {
            ($t:ty, $array:expr, $words:expr) => {{
                let array = $array.as_primitive::<$t>();
                let words = $words;
                match array.nulls().filter(|n| n.null_count() > 0) {
                    None => array.values().iter().enumerate().for_each(|(i, &v)| f(i, words(v))),
                    Some(nulls) => nulls.valid_indices().for_each(|i| f(i, words(array.values()[i]))),
                }
                Ok(())
            }};
        }
        fixed_types!(array, prim, |t: &DataType| {
            match t {
                DataType::Boolean => {
                    let array = array.as_boolean();
                    for i in 0..array.len() {
                        if array.is_valid(i) {
                            f(i, [u64::from(array.value(i)), 0]);
                        }
                    }
                    Ok(())
                }
                DataType::FixedSizeBinary(16) => {
                    let array = array.as_fixed_size_binary();
                    for i in 0..array.len() {
                        if array.is_valid(i) {
                            let mut bytes = [0; 16];
                            bytes.copy_from_slice(array.value(i));
                            let v = u128::from_le_bytes(bytes);
                            f(i, [v as u64, (v >> 64) as u64]);
                        }
                    }
                    Ok(())
                }
                t => Err(unexpected(t)),
            }
        })
    }

    /// Calls `f` with what `out` has for each row that is not NULL, and the words of the row's value. Unlike a loop over
    /// [`Self::each`] that writes to `out`, it need not look whether there is such a row in it.
    ///
    /// # Panics
    ///
    /// If `out` has fewer elements than the array rows.
    #[inline]
    pub fn zip<T>(array: &ArrayRef, out: &mut [T], mut f: impl FnMut(&mut T, [u64; 2])) -> Result<()> {
        let out = &mut out[..array.len()];
        macro_rules! prim {
            ($t:ty, $array:expr, $words:expr) => {{
                let array = $array.as_primitive::<$t>();
                let (words, values) = ($words, array.values());
                match array.nulls().filter(|n| n.null_count() > 0) {
                    None => out.iter_mut().zip(values).for_each(|(out, &v)| f(out, words(v))),
                    Some(nulls) => nulls.valid_indices().for_each(|i| f(&mut out[i], words(values[i]))),
                }
                Ok(())
            }};
        }
        fixed_types!(array, prim, |_: &DataType| Self::each(array, |row, words| f(&mut out[row], words)))
    }

    /// The rows whose words satisfy `f`; NULLs do not. Unlike a loop over [`Self::each`] that sets bits, it gathers 64 of them
    /// at a time.
    #[inline]
    pub fn matching(array: &ArrayRef, f: impl Fn([u64; 2]) -> bool) -> Result<BooleanBuffer> {
        macro_rules! prim {
            ($t:ty, $array:expr, $words:expr) => {{
                let array = $array.as_primitive::<$t>();
                let (words, values) = ($words, array.values());
                let mut found = Bits::new(values.len());
                found.set_where(0, values, |v| f(words(v)));
                let found = found.finish();
                Ok(match array.nulls() {
                    None => found,
                    Some(nulls) => &found & nulls.inner(),
                })
            }};
        }
        fixed_types!(array, prim, |_: &DataType| {
            let mut found = BooleanBufferBuilder::new(array.len());
            found.append_n(array.len(), false);
            Self::each(array, |row, words| found.set_bit(row, f(words)))?;
            Ok(found.finish())
        })
    }

    /// The array of `len` values of this type whose words `get` gives.
    pub fn array(
        t: &DataType,
        len: usize,
        nulls: Option<NullBuffer>,
        get: impl Fn(usize) -> [u64; 2],
    ) -> Result<ArrayRef> {
        macro_rules! make {
            ($t:ty, $from:expr) => {{
                let from = $from;
                let values: Vec<<$t as ArrowPrimitiveType>::Native> =
                    (0..len).map(|i| from(get(i))).collect();
                Ok(Arc::new(PrimitiveArray::<$t>::new(values.into(), nulls).with_data_type(t.clone())))
            }};
        }
        match t {
            DataType::Int8 => make!(Int8Type, |w: [u64; 2]| w[0] as i8),
            DataType::Int16 => make!(Int16Type, |w: [u64; 2]| w[0] as i16),
            DataType::Int32 => make!(Int32Type, |w: [u64; 2]| w[0] as i32),
            DataType::Int64 => make!(Int64Type, |w: [u64; 2]| w[0] as i64),
            DataType::UInt8 => make!(UInt8Type, |w: [u64; 2]| w[0] as u8),
            DataType::UInt16 => make!(UInt16Type, |w: [u64; 2]| w[0] as u16),
            DataType::UInt32 => make!(UInt32Type, |w: [u64; 2]| w[0] as u32),
            DataType::UInt64 => make!(UInt64Type, |w: [u64; 2]| w[0]),
            DataType::Float32 => make!(Float32Type, |w: [u64; 2]| f32::from_bits(w[0] as u32)),
            DataType::Float64 => make!(Float64Type, |w: [u64; 2]| f64::from_bits(w[0])),
            DataType::Decimal64(..) => make!(Decimal64Type, |w: [u64; 2]| w[0] as i64),
            DataType::Decimal128(..) => {
                make!(Decimal128Type, |w: [u64; 2]| (u128::from(w[0]) | u128::from(w[1]) << 64) as i128)
            }
            DataType::Date32 => make!(Date32Type, |w: [u64; 2]| w[0] as i32),
            DataType::Time64(TimeUnit::Microsecond) => {
                make!(Time64MicrosecondType, |w: [u64; 2]| w[0] as i64)
            }
            DataType::Time64(TimeUnit::Nanosecond) => {
                make!(Time64NanosecondType, |w: [u64; 2]| w[0] as i64)
            }
            DataType::Timestamp(TimeUnit::Second, _) => make!(TimestampSecondType, |w: [u64; 2]| w[0] as i64),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                make!(TimestampMillisecondType, |w: [u64; 2]| w[0] as i64)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                make!(TimestampMicrosecondType, |w: [u64; 2]| w[0] as i64)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                make!(TimestampNanosecondType, |w: [u64; 2]| w[0] as i64)
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                make!(IntervalMonthDayNanoType, |w: [u64; 2]| {
                    IntervalMonthDayNano::new(w[1] as u32 as i32, (w[1] >> 32) as i32, w[0] as i64)
                })
            }
            DataType::Boolean => {
                Ok(Arc::new(BooleanArray::new((0..len).map(|i| get(i)[0] != 0).collect(), nulls)))
            }
            DataType::FixedSizeBinary(16) => {
                let mut bytes = Vec::with_capacity(len * 16);
                for i in 0..len {
                    let [lo, hi] = get(i);
                    bytes.extend_from_slice(&(u128::from(lo) | u128::from(hi) << 64).to_le_bytes());
                }
                Ok(Arc::new(FixedSizeBinaryArray::try_new(16, Buffer::from_vec(bytes), nulls)?))
            }
            t => Err(unexpected(t)),
        }
    }
}

/// Calls `f` with each row of a column of whole numbers that is not NULL.
pub(crate) fn each_integer(array: &ArrayRef, mut f: impl FnMut(usize, i64)) -> Result<()> {
    FixedWords::each(array, |row, w| f(row, w[0] as i64))
}
