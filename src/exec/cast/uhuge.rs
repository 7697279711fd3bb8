//! Conversions of `UHUGEINT`, which has no Arrow type of numbers: 16 bytes, big-endian.

use std::sync::Arc;

use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, PrimitiveArray};

use super::number::POWERS;
use super::number_text::float_to_string;
use super::{Mode, cast_in, physical_name};
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

/// The number of a row.
#[inline]
pub(crate) fn value(array: &FixedSizeBinaryArray, row: usize) -> u128 {
    array.value(row).try_into().map_or(0, u128::from_be_bytes)
}

/// All numbers; `None` is NULL.
pub(crate) fn values(array: &ArrayRef) -> impl Iterator<Item = Option<u128>> + '_ {
    let array = array.as_fixed_size_binary();
    (0..array.len()).map(|row| array.is_valid(row).then(|| value(array, row)))
}

/// An array of numbers.
pub(crate) fn array(values: impl ExactSizeIterator<Item = Option<u128>>) -> Result<ArrayRef> {
    try_array(values.map(Ok))
}

fn try_array(values: impl ExactSizeIterator<Item = Result<Option<u128>>>) -> Result<ArrayRef> {
    let mut out = FixedSizeBinaryBuilder::with_capacity(values.len(), 16);
    for v in values {
        match v? {
            Some(v) => out.append_value(v.to_be_bytes())?,
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn out_of_range(value: impl std::fmt::Display, from: &LogicalType, to: &LogicalType) -> ExecError {
    ExecError::Conversion(format!(
        "Type {} with value {value} can't be cast because the value is out of range for the destination type {}",
        physical_name(from),
        physical_name(to)
    ))
}

/// Digits, perhaps with a fraction, which is rounded.
pub(crate) fn parse(s: &str) -> Option<u128> {
    let s = s.trim_ascii();
    let digits = s.strip_prefix('+').unwrap_or(s);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return digits.parse().ok();
    }
    super::parse::integer(s).and_then(|v| u128::try_from(v).ok())
}

pub(super) fn from_text(array: &ArrayRef, mode: Mode<'_>) -> Result<ArrayRef> {
    try_array(array.as_string_view().iter().map(|s| match s.map(|s| parse(s).ok_or(s)) {
        None => Ok(None),
        Some(Ok(v)) => Ok(Some(v)),
        Some(Err(_)) if mode.or_null => Ok(None),
        Some(Err(s)) => Err(ExecError::Conversion(super::not_a(s, &LogicalType::UHugeInt))),
    }))
}

/// A number or boolean as `UHUGEINT`.
pub(super) fn from_number(array: &ArrayRef, from: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    use LogicalType as T;
    let to = &T::UHugeInt;
    match from {
        T::Float | T::Double => {
            let wide = cast_in(array, from, &T::Double, mode)?;
            try_array(wide.as_primitive::<Float64Type>().iter().map(|v| {
                let Some(v) = v else { return Ok(None) };
                let r = v.round_ties_even();
                // 2^128 is the first that does not fit.
                if (0.0..340_282_366_920_938_463_463_374_607_431_768_211_456.0).contains(&r) {
                    return Ok(Some(r as u128));
                }
                if mode.or_null { Ok(None) } else { Err(out_of_range(float_to_string(v), from, to)) }
            }))
        }
        _ => {
            let wide = cast_in(array, from, &T::HugeInt, mode)?;
            try_array(wide.as_primitive::<Decimal128Type>().iter().map(|v| match v.map(u128::try_from) {
                None => Ok(None),
                Some(Ok(v)) => Ok(Some(v)),
                Some(Err(_)) if mode.or_null => Ok(None),
                Some(Err(_)) => Err(out_of_range(v.unwrap_or_default(), from, to)),
            }))
        }
    }
}

/// `UHUGEINT` as a number or boolean.
pub(super) fn to_number(array: &ArrayRef, to: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    use LogicalType as T;
    match to {
        T::Boolean => Ok(Arc::new(values(array).map(|v| v.map(|v| v != 0)).collect::<BooleanArray>())),
        T::Double => {
            let out: PrimitiveArray<Float64Type> = values(array).map(|v| v.map(|v| v as f64)).collect();
            Ok(Arc::new(out))
        }
        T::Float => {
            let out: PrimitiveArray<Float32Type> = values(array).map(|v| v.map(|v| v as f32)).collect();
            Ok(Arc::new(out))
        }
        _ => {
            let limit = match to {
                T::Decimal { width, scale } => POWERS[usize::from(width - scale)] - 1,
                _ => to.integer_range().map_or(i128::MAX, |(_, max)| max),
            };
            let narrow = values(array).map(|v| {
                let Some(v) = v else { return Ok(None) };
                match i128::try_from(v) {
                    Ok(n) if n <= limit => Ok(Some(n)),
                    _ if mode.or_null => Ok(None),
                    _ if matches!(to, T::Decimal { .. }) => {
                        Err(ExecError::Conversion(format!("Could not cast value {v} to {to}")))
                    }
                    _ => Err(out_of_range(v, &T::UHugeInt, to)),
                }
            });
            let narrow = narrow.collect::<Result<PrimitiveArray<Decimal128Type>>>()?;
            let huge: ArrayRef = Arc::new(narrow.with_data_type(T::HugeInt.arrow()));
            cast_in(&huge, &T::HugeInt, to, mode)
        }
    }
}
