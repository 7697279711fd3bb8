//! Conversions between types, and values as text.
//!
//! [`cast`] converts whole columns; an element that cannot be converted is an error, or NULL for `TRY_CAST`.
//! [`text::write_value`] spells one value as `CAST(… AS VARCHAR)` does.

pub(crate) mod bignum;
pub(crate) mod bits;
pub(crate) mod json;
pub(crate) mod nested;
mod nested_text;
pub(crate) mod number;
pub(crate) mod number_text;
pub mod parse;
pub mod parse_time;
pub(crate) mod temporal;
pub mod text;
pub(crate) mod time_text;
pub(crate) mod uhuge;
pub(crate) mod unions;
pub(crate) mod variant;

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, FixedSizeBinaryBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, new_null_array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::TimeUnit;

use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;
use crate::exec::zone::Zone;

/// The name of a type as DuckDB's messages about conversions have it (`INT32`, not `INTEGER`).
pub(crate) fn physical_name(ty: &LogicalType) -> String {
    match ty {
        LogicalType::Boolean => "BOOL".into(),
        LogicalType::TinyInt => "INT8".into(),
        LogicalType::SmallInt => "INT16".into(),
        LogicalType::Integer => "INT32".into(),
        LogicalType::BigInt => "INT64".into(),
        LogicalType::HugeInt => "INT128".into(),
        LogicalType::UTinyInt => "UINT8".into(),
        LogicalType::USmallInt => "UINT16".into(),
        LogicalType::UInteger => "UINT32".into(),
        LogicalType::UBigInt => "UINT64".into(),
        LogicalType::UHugeInt => "UINT128".into(),
        other => other.to_string(),
    }
}

/// How to convert.
#[derive(Clone, Copy)]
pub struct Mode<'z> {
    /// An element that cannot be converted is NULL, not an error.
    pub or_null: bool,
    /// The zone in which instants are read and shown.
    pub zone: &'z Zone,
}

/// Whether there is a conversion from one type to the other at all.
pub fn can_cast(from: &LogicalType, to: &LogicalType) -> bool {
    use LogicalType as T;
    if from == to {
        return true;
    }
    let number = |t: &T| t.is_numeric() || matches!(t, T::Boolean | T::UHugeInt);
    match (from, to) {
        (T::Variant, T::Enum(_) | T::Union(_)) => false,
        (T::Variant, _) | (_, T::Variant) => true,
        (T::Null | T::Varchar | T::Json | T::Enum(_), _) | (_, T::Varchar | T::Json) => true,
        (a, b) if number(a) && number(b) => true,
        // Not decimals: DuckDB has no such casts.
        (T::BigNum, b) | (b, T::BigNum) => b.is_integer() || b.is_float() || *b == T::UHugeInt,
        (T::Bit, b) => *b == T::Blob || number(b) && !matches!(b, T::Decimal { .. }),
        (a, T::Bit) => *a == T::Blob || number(a) && !matches!(a, T::Decimal { .. }),
        (T::Date, T::Timestamp(_) | T::TimestampTz) => true,
        (T::Time | T::TimeTz, T::Time | T::TimeTz) => true,
        (T::Time, T::TimeNs) | (T::TimeNs, T::Time) => true,
        (T::Timestamp(TimeUnit::Nanosecond), T::TimeNs) => true,
        (T::Timestamp(_), T::Timestamp(_) | T::TimestampTz | T::Date | T::Time) => true,
        (T::Timestamp(TimeUnit::Microsecond), T::TimeTz) => true,
        (T::TimestampTz, T::Timestamp(_) | T::Date | T::TimeTz) => true,
        (T::Blob, T::Uuid) | (T::Uuid, T::Blob) => true,
        (T::Uuid, T::UHugeInt) | (T::UHugeInt, T::Uuid) => true,
        (T::List(a) | T::Array(a, _), T::List(b) | T::Array(b, _)) => can_cast(a, b),
        (T::Struct(a), T::Struct(b)) => {
            nested::pair_fields(a, b).iter().all(|(i, j)| can_cast(&a[*i].1, &b[*j].1))
        }
        (T::Struct(a), T::Map(k, v)) => can_cast(&T::Varchar, k) && a.iter().all(|(_, ty)| can_cast(ty, v)),
        (T::Map(ak, av), T::Map(bk, bv)) => can_cast(ak, bk) && can_cast(av, bv),
        // Which ones cannot the conversion says.
        (_, T::Union(_)) => true,
        _ => false,
    }
}

/// [`cast_in`] where no zone matters, or UTC is meant.
pub fn cast(array: &ArrayRef, from: &LogicalType, to: &LogicalType, or_null: bool) -> Result<ArrayRef> {
    cast_in(array, from, to, Mode { or_null, zone: Zone::utc_ref() })
}

/// Converts a column. `array` has the layout of `from` (or is a dictionary of it), the result that of
/// `to`. An element that cannot be converted is an error, or NULL, as the mode says. So is any element but NULL
/// where there is no conversion between the types.
pub fn cast_in(array: &ArrayRef, from: &LogicalType, to: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    use LogicalType as T;
    let array = &flatten(array)?;
    if from == to {
        return Ok(array.clone());
    }
    match (from, to) {
        (T::Null, _) | (_, T::Null) => Ok(new_null_array(&to.arrow(), array.len())),
        (T::Variant, _) if can_cast(from, to) => variant::from_variant(array, to, mode),
        (_, T::Variant) => variant::to_variant(array, from),
        (T::Json, T::Varchar) => Ok(array.clone()),
        (T::Varchar, T::Json) => json_from_text(array, mode),
        (T::Json, _) => json::cast(array, to, mode),
        (_, T::Union(members)) if *from != T::Variant => unions::cast(array, from, to, members, mode),
        (T::Varchar, _) => from_text(array, to, mode),
        (T::Enum(names), T::Varchar) => enum_to_text(array, names),
        (T::Enum(_), T::Json) => to_json(array, from, mode),
        (T::Enum(names), _) => cast_in(&enum_to_text(array, names)?, &T::Varchar, to, mode),
        (_, T::Varchar) => to_text(array, from, mode),
        (_, T::Json) => to_json(array, from, mode),
        _ if !can_cast(from, to) => {
            if mode.or_null || array.logical_null_count() == array.len() {
                return Ok(new_null_array(&to.arrow(), array.len()));
            }
            Err(ExecError::Conversion(format!("Unimplemented type for cast ({from} -> {to})")))
        }
        (T::Bit, _) => bits::to_value(array, to, mode),
        (_, T::Bit) => bits::from_value(array, from, mode),
        (T::BigNum, _) => bignum::to_number(array, to, mode),
        (_, T::BigNum) => bignum::from_number(array, from, mode),
        (T::Uuid, T::UHugeInt) | (T::UHugeInt, T::Uuid) => Ok(array.clone()),
        (T::UHugeInt, _) => uhuge::to_number(array, to, mode),
        (_, T::UHugeInt) => uhuge::from_number(array, from, mode),
        (T::Boolean, b) if b.is_numeric() => number::from_bool(array.as_boolean(), to),
        (a, T::Boolean) if a.is_numeric() => number::to_bool(array, from),
        (a, b) if a.is_numeric() && b.is_numeric() => number::cast(array, from, to, mode),
        (T::Blob, T::Uuid) => blob_to_uuid(array, mode),
        (T::Uuid, T::Blob) => {
            let mut out = BinaryViewBuilder::with_capacity(array.len());
            array.as_fixed_size_binary().iter().for_each(|v| out.append_option(v));
            Ok(Arc::new(out.finish()))
        }
        (T::Date | T::Timestamp(_) | T::TimestampTz | T::Time | T::TimeNs | T::TimeTz, _) => {
            temporal::cast(array, from, to, mode)
        }
        _ => nested::cast(array, from, to, mode),
    }
}

/// Applies `f` to each value that is not NULL; `None` of `f` becomes NULL or the error of `message`.
pub(crate) fn try_map<A, B>(
    array: &PrimitiveArray<A>,
    to: &LogicalType,
    mode: Mode<'_>,
    f: impl Fn(A::Native) -> Option<B::Native>,
    message: impl Fn(A::Native) -> String,
) -> Result<ArrayRef>
where
    A: ArrowPrimitiveType,
    B: ArrowPrimitiveType,
{
    let mut failed = false;
    let values: Vec<B::Native> = array
        .values()
        .iter()
        .map(|v| {
            let r = f(*v);
            failed |= r.is_none();
            r.unwrap_or_default()
        })
        .collect();
    let mut nulls = array.nulls().cloned();
    if failed {
        nulls = without_failures(array.len(), nulls, mode.or_null, &|i| f(array.value(i)).is_none(), &|i| {
            message(array.value(i))
        })?;
    }
    Ok(Arc::new(PrimitiveArray::<B>::new(values.into(), nulls).with_data_type(to.arrow())))
}

/// The NULLs of a conversion of which some elements failed, or the error of the first that did. Not generic: it would be
/// compiled for each pair of types.
#[cold]
fn without_failures(
    rows: usize,
    nulls: Option<NullBuffer>,
    or_null: bool,
    fails: &dyn Fn(usize) -> bool,
    message: &dyn Fn(usize) -> String,
) -> Result<Option<NullBuffer>> {
    // Slots of NULLs may hold anything; only the others count.
    let is_valid = |i: usize| nulls.as_ref().is_none_or(|n| n.is_valid(i));
    if or_null {
        let valid = BooleanBuffer::collect_bool(rows, |i| is_valid(i) && !fails(i));
        return Ok(Some(NullBuffer::new(valid)));
    }
    match (0..rows).find(|i| is_valid(*i) && fails(*i)) {
        Some(i) => Err(ExecError::Conversion(message(i))),
        None => Ok(nulls),
    }
}

fn to_text(array: &ArrayRef, from: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    let mut out = StringViewBuilder::with_capacity(array.len());
    let writer = text::Writer::in_zone(array, from, mode.zone)?;
    let mut buffer = String::new();
    for row in 0..array.len() {
        if writer.is_null(row) {
            out.append_null();
        } else {
            buffer.clear();
            writer.write(row, &mut buffer);
            out.try_append_value(&buffer)?;
        }
    }
    Ok(Arc::new(out.finish()))
}

fn enum_to_text(array: &ArrayRef, names: &Arc<[Box<str>]>) -> Result<ArrayRef> {
    let mut out = StringViewBuilder::with_capacity(array.len());
    for v in array.as_primitive::<UInt32Type>() {
        out.append_option(v.and_then(|v| names.get(v as usize)));
    }
    Ok(Arc::new(out.finish()))
}

/// Parses each text; failures are NULL or an error.
fn parse_primitive<B: ArrowPrimitiveType>(
    array: &ArrayRef,
    to: &LogicalType,
    mode: Mode<'_>,
    parse: impl Fn(&str) -> Result<B::Native, String>,
) -> Result<ArrayRef> {
    let strings = array.as_string_view();
    let mut values = Vec::with_capacity(strings.len());
    let mut invalid: Vec<usize> = vec![];
    for row in 0..strings.len() {
        if strings.is_null(row) {
            values.push(B::Native::default());
            continue;
        }
        match parse(strings.value(row)) {
            Ok(v) => values.push(v),
            Err(_) if mode.or_null => {
                values.push(B::Native::default());
                invalid.push(row);
            }
            Err(message) => return Err(ExecError::Conversion(message)),
        }
    }
    let nulls = without(strings.nulls(), strings.len(), &invalid);
    Ok(Arc::new(PrimitiveArray::<B>::new(values.into(), nulls).with_data_type(to.arrow())))
}

/// The null mask with some more rows set to NULL.
fn without(nulls: Option<&NullBuffer>, len: usize, invalid: &[usize]) -> Option<NullBuffer> {
    if invalid.is_empty() {
        return nulls.cloned();
    }
    let mut bits = arrow_buffer::BooleanBufferBuilder::new(len);
    match nulls {
        Some(n) => bits.append_buffer(n.inner()),
        None => bits.append_n(len, true),
    }
    invalid.iter().for_each(|i| bits.set_bit(*i, false));
    Some(NullBuffer::new(bits.finish()))
}

/// The error about a text that is no value of `to`.
pub(crate) fn not_a(text: &str, to: &LogicalType) -> String {
    match to {
        LogicalType::Decimal { .. } => format!("Could not convert string \"{text}\" to {to}"),
        _ => format!("Could not convert string '{text}' to {}", physical_name(to)),
    }
}

fn from_text(array: &ArrayRef, to: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    use LogicalType as T;
    macro_rules! integer {
        ($t:ty, $n:ty) => {
            parse_primitive::<$t>(array, to, mode, |s| {
                parse::integer(s).and_then(|v| <$n>::try_from(v).ok()).ok_or_else(|| not_a(s, to))
            })
        };
    }
    match to {
        T::TinyInt => integer!(Int8Type, i8),
        T::SmallInt => integer!(Int16Type, i16),
        T::Integer => integer!(Int32Type, i32),
        T::BigInt => integer!(Int64Type, i64),
        T::HugeInt => integer!(Decimal128Type, i128),
        T::UTinyInt => integer!(UInt8Type, u8),
        T::USmallInt => integer!(UInt16Type, u16),
        T::UInteger => integer!(UInt32Type, u32),
        T::UBigInt => integer!(UInt64Type, u64),
        T::Float => {
            parse_primitive::<Float32Type>(array, to, mode, |s| parse::float32(s).ok_or_else(|| not_a(s, to)))
        }
        T::Double => {
            parse_primitive::<Float64Type>(array, to, mode, |s| parse::float(s).ok_or_else(|| not_a(s, to)))
        }
        T::Decimal { width, scale } => {
            let parse = |s: &str| parse::decimal(s, *width, *scale).ok_or_else(|| not_a(s, to));
            if *width <= crate::column::types::DECIMAL64_MAX_WIDTH {
                parse_primitive::<Decimal64Type>(array, to, mode, |s| parse(s).map(|v| v as i64))
            } else {
                parse_primitive::<Decimal128Type>(array, to, mode, parse)
            }
        }
        T::Date => parse_primitive::<Date32Type>(array, to, mode, parse_time::date),
        T::Time => parse_primitive::<Time64MicrosecondType>(array, to, mode, parse_time::time),
        T::TimeNs => parse_primitive::<Time64NanosecondType>(array, to, mode, parse_time::time_ns),
        T::Timestamp(unit) => match unit {
            TimeUnit::Second => {
                parse_primitive::<TimestampSecondType>(array, to, mode, |s| parse_time::timestamp(s, *unit))
            }
            TimeUnit::Millisecond => parse_primitive::<TimestampMillisecondType>(array, to, mode, |s| {
                parse_time::timestamp(s, *unit)
            }),
            TimeUnit::Microsecond => parse_primitive::<TimestampMicrosecondType>(array, to, mode, |s| {
                parse_time::timestamp(s, *unit)
            }),
            TimeUnit::Nanosecond => parse_primitive::<TimestampNanosecondType>(array, to, mode, |s| {
                parse_time::timestamp(s, *unit)
            }),
        },
        T::TimestampTz => {
            let clock = mode.zone.clock();
            parse_primitive::<TimestampMicrosecondType>(array, to, mode, |s| {
                parse_time::timestamp_tz(s, &clock)
            })
        }
        T::TimeTz => {
            let offset = temporal::present_offset(mode.zone);
            parse_primitive::<Int64Type>(array, to, mode, |s| parse_time::time_tz(s, offset))
        }
        T::UHugeInt => uhuge::from_text(array, mode),
        T::BigNum => bignum::from_text(array, mode),
        T::Bit => bits::from_text(array, mode),
        T::Interval => parse_primitive::<IntervalMonthDayNanoType>(array, to, mode, parse_time::interval),
        T::Boolean => bool_from_text(array, mode),
        T::Blob => blob_from_text(array, mode),
        T::Uuid => uuid_from_text(array, mode),
        T::Enum(names) => parse_primitive::<UInt32Type>(array, to, mode, |s| {
            names
                .iter()
                .position(|n| **n == *s)
                .map(|p| p as u32)
                .ok_or_else(|| format!("Could not convert string '{s}' to {to}"))
        }),
        T::List(_) | T::Array(..) | T::Struct(_) | T::Map(..) => nested::from_text(array, to, mode),
        T::Union(members) => unions::cast(array, &T::Varchar, to, members, mode),
        T::Variant => variant::to_variant(array, &T::Varchar),
        T::Null | T::Varchar | T::Json => Ok(array.clone()),
    }
}

fn bool_from_text(array: &ArrayRef, mode: Mode<'_>) -> Result<ArrayRef> {
    let strings = array.as_string_view();
    let mut bits = arrow_buffer::BooleanBufferBuilder::new(strings.len());
    let mut invalid = vec![];
    for row in 0..strings.len() {
        if strings.is_null(row) {
            bits.append(false);
            continue;
        }
        let s = strings.value(row);
        match parse::boolean(s) {
            Some(b) => bits.append(b),
            None if mode.or_null => {
                bits.append(false);
                invalid.push(row);
            }
            None => return Err(ExecError::Conversion(not_a(s, &LogicalType::Boolean))),
        }
    }
    let nulls = without(strings.nulls(), strings.len(), &invalid);
    Ok(Arc::new(BooleanArray::new(bits.finish(), nulls)))
}

fn blob_from_text(array: &ArrayRef, mode: Mode<'_>) -> Result<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(array.len());
    for s in array.as_string_view() {
        match s.map(parse::blob) {
            None => out.append_null(),
            Some(Ok(b)) => out.append_value(b),
            Some(Err(_)) if mode.or_null => out.append_null(),
            Some(Err(message)) => return Err(ExecError::Conversion(message)),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn uuid_from_text(array: &ArrayRef, mode: Mode<'_>) -> Result<ArrayRef> {
    let mut out = FixedSizeBinaryBuilder::with_capacity(array.len(), 16);
    for s in array.as_string_view() {
        match s.map(|s| parse::uuid(s).ok_or(s)) {
            None => out.append_null(),
            Some(Ok(b)) => out.append_value(b)?,
            Some(Err(_)) if mode.or_null => out.append_null(),
            Some(Err(s)) => return Err(ExecError::Conversion(not_a(s, &LogicalType::Uuid))),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn blob_to_uuid(array: &ArrayRef, mode: Mode<'_>) -> Result<ArrayRef> {
    let mut out = FixedSizeBinaryBuilder::with_capacity(array.len(), 16);
    for b in array.as_binary_view() {
        match b {
            Some(b) if b.len() == 16 => out.append_value(b)?,
            Some(b) if !mode.or_null => {
                return Err(ExecError::Conversion(format!(
                    "Could not convert a BLOB of {} bytes to UUID, which has 16",
                    b.len()
                )));
            }
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn json_from_text(array: &ArrayRef, mode: Mode<'_>) -> Result<ArrayRef> {
    let strings = array.as_string_view();
    let mut invalid = vec![];
    for row in 0..strings.len() {
        if strings.is_valid(row)
            && let Err(position) = parse::check_json(strings.value(row))
        {
            if !mode.or_null {
                return Err(ExecError::Conversion(format!(
                    "Malformed JSON at byte {position} of input: {}",
                    text::shorten(strings.value(row))
                )));
            }
            invalid.push(row);
        }
    }
    if invalid.is_empty() {
        return Ok(array.clone());
    }
    let (views, buffers, nulls) = strings.clone().into_parts();
    let nulls = without(nulls.as_ref(), strings.len(), &invalid);
    Ok(Arc::new(arrow_array::StringViewArray::try_new(views, buffers, nulls)?))
}

fn to_json(array: &ArrayRef, from: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    let mut out = StringViewBuilder::with_capacity(array.len());
    let writer = text::Writer::in_zone(array, from, mode.zone)?;
    let mut buffer = String::new();
    for row in 0..array.len() {
        if writer.is_null(row) {
            out.append_null();
        } else {
            buffer.clear();
            writer.write_sql_json(row, &mut buffer);
            out.try_append_value(&buffer)?;
        }
    }
    Ok(Arc::new(out.finish()))
}

#[cfg(test)]
mod tests;
