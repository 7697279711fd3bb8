//! Constants as arrays, and single values out of arrays.

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, FixedSizeBinaryBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, IntervalMonthDayNanoArray, PrimitiveArray, UInt32Array,
    new_null_array,
};
use arrow_buffer::{BooleanBuffer, IntervalMonthDayNano, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

fn mismatch(value: &Scalar, ty: &LogicalType) -> ExecError {
    ExecError::Internal(format!("{value:?} is no value of type {ty}"))
}

fn integers<T>(value: i128, len: usize, data_type: &DataType) -> Option<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
{
    let value = T::Native::try_from(value).ok()?;
    Some(Arc::new(
        PrimitiveArray::<T>::new(ScalarBuffer::from(vec![value; len]), None).with_data_type(data_type.clone()),
    ))
}

/// An array of `len` times the value, in the layout of `ty`.
pub fn scalar_array(value: &Scalar, ty: &LogicalType, len: usize) -> Result<ArrayRef> {
    let data_type = ty.arrow();
    let array: Option<ArrayRef> = match value {
        Scalar::Null => Some(new_null_array(&data_type, len)),
        Scalar::Boolean(b) if data_type == DataType::Boolean => {
            let bits = if *b { BooleanBuffer::new_set(len) } else { BooleanBuffer::new_unset(len) };
            Some(Arc::new(BooleanArray::new(bits, None)))
        }
        Scalar::Int(v) => match data_type {
            DataType::Int8 => integers::<Int8Type>(*v, len, &data_type),
            DataType::Int16 => integers::<Int16Type>(*v, len, &data_type),
            DataType::Int32 => integers::<Int32Type>(*v, len, &data_type),
            DataType::Int64 => integers::<Int64Type>(*v, len, &data_type),
            DataType::UInt8 => integers::<UInt8Type>(*v, len, &data_type),
            DataType::UInt16 => integers::<UInt16Type>(*v, len, &data_type),
            DataType::UInt32 => integers::<UInt32Type>(*v, len, &data_type),
            DataType::UInt64 => integers::<UInt64Type>(*v, len, &data_type),
            DataType::Decimal64(..) => integers::<Decimal64Type>(*v, len, &data_type),
            DataType::Decimal128(..) => integers::<Decimal128Type>(*v, len, &data_type),
            DataType::Date32 => integers::<Date32Type>(*v, len, &data_type),
            DataType::Time64(_) => integers::<Time64MicrosecondType>(*v, len, &data_type),
            DataType::Timestamp(TimeUnit::Second, _) => integers::<TimestampSecondType>(*v, len, &data_type),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                integers::<TimestampMillisecondType>(*v, len, &data_type)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                integers::<TimestampMicrosecondType>(*v, len, &data_type)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                integers::<TimestampNanosecondType>(*v, len, &data_type)
            }
            _ => None,
        },
        Scalar::Float(v) => match data_type {
            DataType::Float32 => {
                Some(Arc::new(PrimitiveArray::<Float32Type>::from_value(*v as f32, len)) as ArrayRef)
            }
            DataType::Float64 => Some(Arc::new(PrimitiveArray::<Float64Type>::from_value(*v, len))),
            _ => None,
        },
        Scalar::Text(s) if data_type == DataType::Utf8View => {
            let mut b = StringViewBuilder::with_capacity(len).with_deduplicate_strings();
            (0..len).for_each(|_| b.append_value(s));
            Some(Arc::new(b.finish()))
        }
        Scalar::Bytes(s) => match data_type {
            DataType::BinaryView => {
                let mut b = BinaryViewBuilder::with_capacity(len).with_deduplicate_strings();
                (0..len).for_each(|_| b.append_value(s));
                Some(Arc::new(b.finish()))
            }
            DataType::FixedSizeBinary(n) => {
                let mut b = FixedSizeBinaryBuilder::with_capacity(len, n);
                for _ in 0..len {
                    b.append_value(s)?;
                }
                Some(Arc::new(b.finish()))
            }
            _ => None,
        },
        Scalar::Interval { months, days, nanos } if matches!(data_type, DataType::Interval(_)) => {
            let v = IntervalMonthDayNano::new(*months, *days, *nanos);
            Some(Arc::new(IntervalMonthDayNanoArray::from_value(v, len)))
        }
        Scalar::Nested(array) if array.len() == 1 && ty.is_nested() => Some(repeat(array, len)?),
        _ => None,
    };
    array.ok_or_else(|| mismatch(value, ty))
}

/// The one row of `array`, `len` times.
pub fn repeat(array: &ArrayRef, len: usize) -> Result<ArrayRef> {
    if len == 1 {
        return Ok(array.clone());
    }
    if array.is_null(0) {
        return Ok(new_null_array(array.data_type(), len));
    }
    Ok(arrow_select::take::take(array, &UInt32Array::from_value(0, len), None)?)
}

/// The value in one row of an array that has the layout of `ty`, or is a dictionary of such.
pub fn scalar_at(array: &ArrayRef, row: usize, ty: &LogicalType) -> Result<Scalar> {
    if let DataType::Dictionary(..) = array.data_type() {
        let d = array.as_any_dictionary();
        if d.is_null(row) || d.values().is_empty() {
            return Ok(Scalar::Null);
        }
        let key = d.normalized_keys()[row];
        return scalar_at(d.values(), key, ty);
    }
    if *array.data_type() == DataType::Null || array.is_null(row) {
        return Ok(Scalar::Null);
    }
    macro_rules! int {
        ($t:ty) => {
            Scalar::Int(array.as_primitive::<$t>().value(row) as i128)
        };
    }
    Ok(match array.data_type() {
        DataType::Boolean => Scalar::Boolean(array.as_boolean().value(row)),
        DataType::Int8 => int!(Int8Type),
        DataType::Int16 => int!(Int16Type),
        DataType::Int32 => int!(Int32Type),
        DataType::Int64 => int!(Int64Type),
        DataType::UInt8 => int!(UInt8Type),
        DataType::UInt16 => int!(UInt16Type),
        DataType::UInt32 => int!(UInt32Type),
        DataType::UInt64 => int!(UInt64Type),
        DataType::Decimal64(..) => int!(Decimal64Type),
        DataType::Decimal128(..) => int!(Decimal128Type),
        DataType::Date32 => int!(Date32Type),
        DataType::Time64(TimeUnit::Microsecond) => int!(Time64MicrosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => int!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => int!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => int!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => int!(TimestampNanosecondType),
        DataType::Float32 => Scalar::Float(array.as_primitive::<Float32Type>().value(row) as f64),
        DataType::Float64 => Scalar::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8View => Scalar::Text(array.as_string_view().value(row).into()),
        DataType::BinaryView => Scalar::Bytes(array.as_binary_view().value(row).into()),
        DataType::FixedSizeBinary(_) => Scalar::Bytes(array.as_fixed_size_binary().value(row).into()),
        DataType::Interval(_) => {
            let v = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            Scalar::Interval { months: v.months, days: v.days, nanos: v.nanoseconds }
        }
        _ if ty.is_nested() => Scalar::Nested(array.slice(row, 1)),
        other => return Err(ExecError::Internal(format!("a column of type {ty} came as {other}"))),
    })
}
