//! Columns of single values.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Float64Array, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

fn integers<T>(values: &[Scalar], ty: &LogicalType) -> ArrayRef
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
{
    let value = |s: &Scalar| if let Scalar::Int(v) = s { T::Native::try_from(*v).ok() } else { None };
    Arc::new(values.iter().map(value).collect::<PrimitiveArray<T>>().with_data_type(ty.arrow()))
}

/// A column of values of one type.
pub(super) fn to_array(values: &[Scalar], ty: &LogicalType) -> Result<ArrayRef> {
    if values.is_empty() {
        return Ok(arrow_array::new_empty_array(&ty.arrow()));
    }
    let float = |s: &Scalar| if let Scalar::Float(v) = s { Some(*v) } else { None };
    Ok(match ty.arrow() {
        DataType::Int8 => integers::<Int8Type>(values, ty),
        DataType::Int16 => integers::<Int16Type>(values, ty),
        DataType::Int32 => integers::<Int32Type>(values, ty),
        DataType::Int64 => integers::<Int64Type>(values, ty),
        DataType::UInt8 => integers::<UInt8Type>(values, ty),
        DataType::UInt16 => integers::<UInt16Type>(values, ty),
        DataType::UInt32 => integers::<UInt32Type>(values, ty),
        DataType::UInt64 => integers::<UInt64Type>(values, ty),
        DataType::Decimal64(..) => integers::<Decimal64Type>(values, ty),
        DataType::Decimal128(..) => integers::<Decimal128Type>(values, ty),
        DataType::Date32 => integers::<Date32Type>(values, ty),
        DataType::Time64(TimeUnit::Microsecond) => integers::<Time64MicrosecondType>(values, ty),
        DataType::Time64(TimeUnit::Nanosecond) => integers::<Time64NanosecondType>(values, ty),
        DataType::Timestamp(TimeUnit::Second, _) => integers::<TimestampSecondType>(values, ty),
        DataType::Timestamp(TimeUnit::Millisecond, _) => integers::<TimestampMillisecondType>(values, ty),
        DataType::Timestamp(TimeUnit::Microsecond, _) => integers::<TimestampMicrosecondType>(values, ty),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => integers::<TimestampNanosecondType>(values, ty),
        DataType::Float64 => Arc::new(values.iter().map(float).collect::<Float64Array>()),
        DataType::Float32 => Arc::new(
            values.iter().map(|s| float(s).map(|v| v as f32)).collect::<PrimitiveArray<Float32Type>>(),
        ),
        DataType::Boolean => Arc::new(
            values
                .iter()
                .map(|s| if let Scalar::Boolean(b) = s { Some(*b) } else { None })
                .collect::<BooleanArray>(),
        ),
        DataType::Utf8View => {
            let mut out = StringViewBuilder::with_capacity(values.len());
            for v in values {
                match v {
                    Scalar::Text(s) => out.try_append_value(s)?,
                    _ => out.append_null(),
                }
            }
            Arc::new(out.finish())
        }
        _ => {
            let rows: Vec<ArrayRef> = values
                .iter()
                .map(|v| v.to_array(ty, 1).map_err(|e| ExecError::Internal(e.to_string())))
                .collect::<Result<_>>()?;
            let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
            arrow_select::concat::concat(&rows)?
        }
    })
}

/// Bytes held outside of the value itself.
pub(super) fn heap_size(value: &Scalar) -> usize {
    match value {
        Scalar::Text(s) => s.len() + 16,
        Scalar::Bytes(b) => b.len() + 16,
        Scalar::Nested(a) => a.get_array_memory_size(),
        _ => 0,
    }
}
