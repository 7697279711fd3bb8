//! Conversions among numbers: integers of every width, decimals, floats and booleans.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;

use super::number_text::{float_to_string, write_decimal};
use super::{Mode, physical_name, try_map};
use crate::column::types::{DECIMAL64_MAX_WIDTH, LogicalType};
use crate::exec::error::{ExecError, Result};
use crate::exec::zone::Zone;

/// A whole number in memory.
pub(crate) trait Integer: Copy + Default + PartialEq + 'static {
    const MIN: i128;
    const MAX: i128;
    fn wide(self) -> i128;
    /// Keeps the low bits.
    fn narrow(v: i128) -> Self;
    fn float(self) -> f64;
    /// A float that is already rounded and in range.
    fn from_float(v: f64) -> Self;
}

macro_rules! integer {
    ($($t:ty),*) => {$(
        impl Integer for $t {
            const MIN: i128 = <$t>::MIN as i128;
            const MAX: i128 = <$t>::MAX as i128;
            #[inline(always)]
            fn wide(self) -> i128 { self as i128 }
            #[inline(always)]
            fn narrow(v: i128) -> Self { v as $t }
            #[inline(always)]
            fn float(self) -> f64 { self as f64 }
            #[inline(always)]
            fn from_float(v: f64) -> Self { v as $t }
        }
    )*};
}
integer!(i8, i16, i32, i64, i128, u8, u16, u32, u64);

/// 10 to the power of each index.
pub(crate) const POWERS: [i128; 39] = {
    let mut p = [1i128; 39];
    let mut i = 1;
    while i < 39 {
        p[i] = p[i - 1] * 10;
        i += 1;
    }
    p
};

/// 10 to the power of `n` as a float, exact up to 22.
pub(crate) fn power_f64(n: u8) -> f64 {
    POWERS[usize::from(n.min(38))] as f64
}

/// Runs `$body` with `$t` as the Arrow type of an integer, decimal or date-like layout.
macro_rules! with_integer_layout {
    ($data_type:expr, $t:ident => $body:expr, $otherwise:expr) => {
        match $data_type {
            DataType::Int8 => {
                type $t = Int8Type;
                $body
            }
            DataType::Int16 => {
                type $t = Int16Type;
                $body
            }
            DataType::Int32 => {
                type $t = Int32Type;
                $body
            }
            DataType::Int64 => {
                type $t = Int64Type;
                $body
            }
            DataType::UInt8 => {
                type $t = UInt8Type;
                $body
            }
            DataType::UInt16 => {
                type $t = UInt16Type;
                $body
            }
            DataType::UInt32 => {
                type $t = UInt32Type;
                $body
            }
            DataType::UInt64 => {
                type $t = UInt64Type;
                $body
            }
            DataType::Decimal64(..) => {
                type $t = Decimal64Type;
                $body
            }
            DataType::Decimal128(..) => {
                type $t = Decimal128Type;
                $body
            }
            _ => $otherwise,
        }
    };
}

fn unsupported(from: &LogicalType, to: &LogicalType) -> ExecError {
    ExecError::Conversion(format!("Unimplemented type for cast ({from} -> {to})"))
}

fn out_of_range(value: impl std::fmt::Display, from: &LogicalType, to: &LogicalType) -> String {
    format!(
        "Type {} with value {value} can't be cast because the value is out of range for the destination type {}",
        physical_name(from),
        physical_name(to)
    )
}

/// The digits behind the point of a number that is whole in memory.
fn scale_of(ty: &LogicalType) -> u8 {
    if let LogicalType::Decimal { scale, .. } = ty { *scale } else { 0 }
}

/// Numeric to numeric.
pub(super) fn cast(
    array: &ArrayRef,
    from: &LogicalType,
    to: &LogicalType,
    mode: Mode<'_>,
) -> Result<ArrayRef> {
    match (from, to) {
        (LogicalType::Float, LogicalType::Double) => {
            Ok(Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float64Type>(f64::from)))
        }
        (LogicalType::Double, LogicalType::Float) => try_map::<Float64Type, Float32Type>(
            array.as_primitive(),
            to,
            mode,
            |v| {
                let f = v as f32;
                (f.is_finite() || !v.is_finite()).then_some(f)
            },
            |v| out_of_range(float_to_string(v), from, to),
        ),
        (LogicalType::Float, _) => {
            let wide: ArrayRef =
                Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float64Type>(f64::from));
            float_to_whole(&wide, from, to, mode)
        }
        (LogicalType::Double, _) => float_to_whole(array, from, to, mode),
        (_, LogicalType::Double) => whole_to_float::<Float64Type>(array, from, |v| v),
        (_, LogicalType::Float) => whole_to_float::<Float32Type>(array, from, |v| v as f32),
        _ => whole_to_whole(array, from, to, mode),
    }
}

/// Runs `$body` with `$t` as the Arrow type of a decimal's layout.
macro_rules! with_decimal_layout {
    ($data_type:expr, $t:ident => $body:expr, $otherwise:expr) => {
        match $data_type {
            DataType::Decimal64(..) => {
                type $t = Decimal64Type;
                $body
            }
            DataType::Decimal128(..) => {
                type $t = Decimal128Type;
                $body
            }
            _ => $otherwise,
        }
    };
}

/// Integers and decimals to integers and decimals. Each way is compiled only for the layouts that can take it: there are a
/// hundred pairs of layouts.
fn whole_to_whole(
    array: &ArrayRef,
    from: &LogicalType,
    to: &LogicalType,
    mode: Mode<'_>,
) -> Result<ArrayRef> {
    let (source, target) = (array.data_type(), to.arrow());
    let (s1, s2) = (scale_of(from), scale_of(to));
    let ((from_min, from_max), (min, max)) = (whole_range(from), whole_range(to));
    let is_total = min <= from_min && from_max <= max;
    let unknown = || Err(unsupported(from, to));
    if s1 > s2 {
        return with_decimal_layout!(source, A => {
            with_integer_layout!(target, B => with_smaller_scale::<A, B>(array, from, to, mode), unknown())
        }, unknown());
    }
    if s1 < s2 {
        return with_integer_layout!(source, A => {
            with_decimal_layout!(target, B => with_greater_scale::<A, B>(array, from, to, mode), unknown())
        }, unknown());
    }
    if is_total && std::mem::discriminant(source) == std::mem::discriminant(&target) {
        // The same layout, at most another precision.
        return with_integer_layout!(source, A => {
            Ok(Arc::new(array.as_primitive::<A>().clone().with_data_type(target)))
        }, unknown());
    }
    if is_total {
        return with_integer_layout!(source, A => with_integer_layout!(target, B => {
            let out = array.as_primitive::<A>().unary::<_, B>(|v| Integer::narrow(v.wide()));
            Ok(Arc::new(out.with_data_type(to.arrow())))
        }, unknown()), unknown());
    }
    if matches!(to, LogicalType::Decimal { .. }) {
        return with_integer_layout!(source, A => with_decimal_layout!(target, B => {
            let convert = |v: <A as ArrowPrimitiveType>::Native| {
                let v = v.wide();
                (min <= v && v <= max).then(|| Integer::narrow(v))
            };
            try_map::<A, B>(array.as_primitive(), to, mode, convert, |v| does_not_fit(v.wide(), from, to))
        }, unknown()), unknown());
    }
    // All that the layout holds is in range.
    with_integer_layout!(source, A => with_integer_layout!(target, B => {
        let convert = |v: <A as ArrowPrimitiveType>::Native| {
            let narrow = <B as ArrowPrimitiveType>::Native::narrow(v.wide());
            (narrow.wide() == v.wide()).then_some(narrow)
        };
        try_map::<A, B>(array.as_primitive(), to, mode, convert, |v| does_not_fit(v.wide(), from, to))
    }, unknown()), unknown())
}

/// What is said of an unscaled value that the type `to` does not have.
fn does_not_fit(unscaled: i128, from: &LogicalType, to: &LogicalType) -> String {
    let mut shown = String::new();
    write_decimal(unscaled, scale_of(from), &mut shown);
    match (from, to) {
        (LogicalType::Decimal { .. }, LogicalType::Decimal { .. }) => {
            format!("Casting value \"{shown}\" to type {to} failed: value is out of range!")
        }
        (LogicalType::Decimal { .. }, _) => {
            format!("Failed to cast decimal value {shown} to type {}", physical_name(to))
        }
        (_, LogicalType::Decimal { .. }) => format!("Could not cast value {shown} to {to}"),
        _ => out_of_range(&shown, from, to),
    }
}

/// The range of unscaled values of a type.
fn whole_range(ty: &LogicalType) -> (i128, i128) {
    match ty {
        LogicalType::Decimal { width, .. } => {
            let max = POWERS[usize::from(*width)] - 1;
            (-max, max)
        }
        _ => ty.integer_range().unwrap_or((i128::MIN, i128::MAX)),
    }
}

/// To more digits behind the point.
fn with_greater_scale<A, B>(
    array: &ArrayRef,
    from: &LogicalType,
    to: &LogicalType,
    mode: Mode<'_>,
) -> Result<ArrayRef>
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
    A::Native: Integer,
    B::Native: Integer,
{
    let array = array.as_primitive::<A>();
    let factor = POWERS[usize::from(scale_of(to) - scale_of(from))];
    let ((from_min, from_max), (min, max)) = (whole_range(from), whole_range(to));
    // What may be multiplied without leaving the target.
    let (low, high) = (min / factor, max / factor);
    if low <= from_min && from_max <= high {
        let out = array.unary::<_, B>(|v| B::Native::narrow(v.wide() * factor));
        return Ok(Arc::new(out.with_data_type(to.arrow())));
    }
    let convert = |v: A::Native| {
        let v = v.wide();
        (low <= v && v <= high).then(|| B::Native::narrow(v * factor))
    };
    try_map::<A, B>(array, to, mode, convert, |v| does_not_fit(v.wide(), from, to))
}

/// To fewer digits behind the point: rounds half away from zero.
fn with_smaller_scale<A, B>(
    array: &ArrayRef,
    from: &LogicalType,
    to: &LogicalType,
    mode: Mode<'_>,
) -> Result<ArrayRef>
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
    A::Native: Integer,
    B::Native: Integer,
{
    let factor = POWERS[usize::from(scale_of(from) - scale_of(to))];
    let (min, max) = whole_range(to);
    let convert = |v: A::Native| {
        let r = div_round(v.wide(), factor);
        (min <= r && r <= max).then(|| B::Native::narrow(r))
    };
    try_map::<A, B>(array.as_primitive(), to, mode, convert, |v| does_not_fit(v.wide(), from, to))
}

/// Division that rounds half away from zero.
pub(crate) fn div_round(v: i128, divisor: i128) -> i128 {
    // 64-bit division is many times faster than 128-bit, and nearly always enough.
    if let (Ok(v), Ok(d)) = (i64::try_from(v), i64::try_from(divisor)) {
        let (q, r) = (v / d, v % d);
        return i128::from(q + i64::from(r.unsigned_abs() >= d.unsigned_abs().div_ceil(2)) * v.signum());
    }
    let (q, r) = (v / divisor, v % divisor);
    if r.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2) { q + v.signum() } else { q }
}

fn whole_to_float<F: ArrowPrimitiveType>(
    array: &ArrayRef,
    from: &LogicalType,
    f: impl Fn(f64) -> F::Native,
) -> Result<ArrayRef> {
    let scale = scale_of(from);
    with_integer_layout!(array.data_type(), A => {
        let array = array.as_primitive::<A>();
        Ok(Arc::new(if scale == 0 {
            array.unary::<_, F>(|v| f(Integer::float(v)))
        } else {
            array.unary::<_, F>(|v| f(decimal_to_f64(Integer::wide(v), scale)))
        }))
    }, Err(unsupported(from, &LogicalType::Double)))
}

/// The float nearest to a decimal, where the unscaled value fits 53 bits; else to a unit or so.
#[inline]
pub(crate) fn decimal_to_f64(v: i128, scale: u8) -> f64 {
    const EXACT: i128 = 1 << 53;
    if (-EXACT..=EXACT).contains(&v) || scale == 0 {
        return v as f64 / power_f64(scale);
    }
    let power = POWERS[usize::from(scale)];
    (v / power) as f64 + (v % power) as f64 / power_f64(scale)
}

/// Rounds a float and checks that it fits; halves go to even for integers, away from zero for decimals.
fn float_to_whole(
    array: &ArrayRef,
    from: &LogicalType,
    to: &LogicalType,
    mode: Mode<'_>,
) -> Result<ArrayRef> {
    let array = array.as_primitive::<Float64Type>();
    if let LogicalType::Decimal { width, scale } = to {
        let (power, limit) = (power_f64(*scale), power_f64(*width));
        let convert = |v: f64| {
            let r = (v * power).round();
            (r > -limit && r < limit).then_some(r)
        };
        let message = |v: f64| format!("Could not cast value {v:.6} to {to}");
        return if *width <= DECIMAL64_MAX_WIDTH {
            try_map::<Float64Type, Decimal64Type>(array, to, mode, |v| convert(v).map(|r| r as i64), message)
        } else {
            try_map::<Float64Type, Decimal128Type>(
                array,
                to,
                mode,
                |v| convert(v).map(|r| r as i128),
                message,
            )
        };
    }
    let message = |v: f64| out_of_range(float_to_string(v), from, to);
    with_integer_layout!(to.arrow(), B => {
        type N = <B as ArrowPrimitiveType>::Native;
        // The upper limit is a power of two and as a float exact: the first value that does not fit.
        let low = N::MIN as f64;
        let high = (N::MAX as u128 + 1) as f64;
        try_map::<Float64Type, B>(array, to, mode, |v| {
            let r = v.round_ties_even();
            (r >= low && r < high).then(|| N::from_float(r))
        }, message)
    }, Err(unsupported(from, to)))
}

/// `false` is 0, `true` is 1.
pub(super) fn from_bool(array: &BooleanArray, to: &LogicalType) -> Result<ArrayRef> {
    let nulls = array.nulls().cloned();
    let bits = || (0..array.len()).map(|i| array.values().value(i));
    if to.is_float() {
        let values: Vec<f64> = bits().map(|b| f64::from(u8::from(b))).collect();
        let doubles: ArrayRef = Arc::new(PrimitiveArray::<Float64Type>::new(values.into(), nulls));
        return if *to == LogicalType::Double {
            Ok(doubles)
        } else {
            cast(&doubles, &LogicalType::Double, to, Mode { or_null: false, zone: Zone::utc_ref() })
        };
    }
    let values: Vec<i8> = bits().map(i8::from).collect();
    let ints: ArrayRef = Arc::new(PrimitiveArray::<Int8Type>::new(values.into(), nulls));
    cast(&ints, &LogicalType::TinyInt, to, Mode { or_null: false, zone: Zone::utc_ref() })
}

/// Anything but zero is true.
pub(super) fn to_bool(array: &ArrayRef, from: &LogicalType) -> Result<ArrayRef> {
    macro_rules! nonzero {
        ($t:ty, $zero:expr) => {{
            let values = array.as_primitive::<$t>().values();
            BooleanBuffer::collect_bool(values.len(), |i| values[i] != $zero)
        }};
    }
    let bits = match array.data_type() {
        DataType::Float32 => nonzero!(Float32Type, 0.0),
        DataType::Float64 => nonzero!(Float64Type, 0.0),
        t => with_integer_layout!(t, A => {
            let values = array.as_primitive::<A>().values();
            BooleanBuffer::collect_bool(values.len(), |i| Integer::wide(values[i]) != 0)
        }, return Err(unsupported(from, &LogicalType::Boolean))),
    };
    Ok(Arc::new(BooleanArray::new(bits, array.nulls().cloned())))
}
