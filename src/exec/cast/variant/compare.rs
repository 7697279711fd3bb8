//! Keys of values: bytes that compare as the values do, whatever types they have.
//!
//! First comes the kind of value: truth values, numbers, floats, texts, bytes, identifiers, times of several kinds,
//! intervals, bit strings, arrays, objects, and NULL where it is inside of others. So 1 of every integer type and 1.00
//! are one value, and 1 as a float is another.

use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, FixedSizeListArray, MapArray, StructArray};
use arrow_schema::DataType;

use super::read::{Leaf, Node, Tag};
use crate::column::scalar::interval_nanos;
use crate::column::types::LogicalType;
use crate::exec::cast::bignum::BigNum;
use crate::exec::cast::bits;
use crate::exec::cast::nested::{list_array, map_array, struct_array};
use crate::exec::error::{ExecError, Result};

/// Kinds in their order. None is 0, which ends arrays and objects.
mod kind {
    pub const BOOLEAN: u8 = 1;
    pub const NUMBER: u8 = 2;
    pub const REAL: u8 = 3;
    pub const TEXT: u8 = 4;
    pub const BLOB: u8 = 5;
    pub const UUID: u8 = 6;
    pub const TIMESTAMP: u8 = 7;
    pub const INSTANT: u8 = 8;
    pub const TIME: u8 = 9;
    pub const TIME_TZ: u8 = 10;
    pub const INTERVAL: u8 = 11;
    pub const BIT: u8 = 13;
    pub const ARRAY: u8 = 14;
    pub const OBJECT: u8 = 15;
    pub const NULL: u8 = 16;
}

/// Appends the key of an encoded value.
///
/// # Errors
/// The bytes are damaged.
pub(crate) fn write_key(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    key_at(bytes, 0, out)
}

fn key_at(bytes: &[u8], depth: u16, out: &mut Vec<u8>) -> Result<()> {
    match Node::read_at(bytes, depth)? {
        Node::Null => out.push(kind::NULL),
        Node::Leaf(leaf) => leaf_key(&leaf, out),
        Node::Array(array) => {
            out.push(kind::ARRAY);
            for item in array.items() {
                key_at(item?, depth + 1, out)?;
            }
            out.push(0);
        }
        Node::Object(object) => {
            out.push(kind::OBJECT);
            for member in object.members() {
                let (name, value) = member?;
                out.push(1);
                string(name.as_bytes(), out);
                key_at(value, depth + 1, out)?;
            }
            out.push(0);
        }
    }
    Ok(())
}

fn leaf_key(leaf: &Leaf<'_>, out: &mut Vec<u8>) {
    match leaf.tag {
        Tag::Null | Tag::Array | Tag::Object => {}
        Tag::False => out.extend([kind::BOOLEAN, 0]),
        Tag::True => out.extend([kind::BOOLEAN, 1]),
        Tag::Int8
        | Tag::Int16
        | Tag::Int32
        | Tag::Int64
        | Tag::Int128
        | Tag::UInt8
        | Tag::UInt16
        | Tag::UInt32
        | Tag::UInt64 => {
            let v = leaf.int();
            number(v < 0, itoa::Buffer::new().format(v.unsigned_abs()), 0, out);
        }
        Tag::UInt128 => number(false, itoa::Buffer::new().format(leaf.uhuge()), 0, out),
        Tag::Decimal => {
            let v = leaf.int();
            number(v < 0, itoa::Buffer::new().format(v.unsigned_abs()), leaf.scale(), out);
        }
        Tag::BigNum => {
            let text = BigNum::decode(leaf.bytes()).to_string();
            match text.strip_prefix('-') {
                Some(digits) => number(true, digits, 0, out),
                None => number(false, &text, 0, out),
            }
        }
        Tag::Float | Tag::Double => {
            let v = leaf.float();
            // One zero and one NaN, which is greater than all.
            let v = if v.is_nan() { f64::NAN.abs() } else { v + 0.0 };
            let bits = v.to_bits();
            let sorted = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
            out.push(kind::REAL);
            out.extend(sorted.to_be_bytes());
        }
        Tag::Text => {
            out.push(kind::TEXT);
            string(leaf.bytes(), out);
        }
        Tag::Blob => {
            out.push(kind::BLOB);
            string(leaf.bytes(), out);
        }
        Tag::Uuid => {
            out.push(kind::UUID);
            out.extend(leaf.bytes());
        }
        Tag::Date => time(kind::TIMESTAMP, nanos(leaf.int(), i32::MAX.into(), 86_400_000_000_000), out),
        Tag::Seconds => time(kind::TIMESTAMP, nanos(leaf.int(), i64::MAX.into(), 1_000_000_000), out),
        Tag::Millis => time(kind::TIMESTAMP, nanos(leaf.int(), i64::MAX.into(), 1_000_000), out),
        Tag::Micros => time(kind::TIMESTAMP, nanos(leaf.int(), i64::MAX.into(), 1000), out),
        Tag::Nanos => time(kind::TIMESTAMP, nanos(leaf.int(), i64::MAX.into(), 1), out),
        Tag::Instant => time(kind::INSTANT, nanos(leaf.int(), i64::MAX.into(), 1000), out),
        Tag::Time => time(kind::TIME, leaf.int() * 1000, out),
        Tag::TimeNs => time(kind::TIME, leaf.int(), out),
        Tag::TimeTz => time(kind::TIME_TZ, leaf.int(), out),
        Tag::Interval => {
            let (months, days, nanos) = leaf.interval();
            time(kind::INTERVAL, interval_nanos(months, days, nanos), out);
        }
        Tag::Bit => {
            out.push(kind::BIT);
            out.extend(bits::iter(leaf.bytes()).map(|bit| 1 + u8::from(bit)));
            out.push(0);
        }
    }
}

/// A time in nanoseconds; infinite times lie before and behind all others.
fn nanos(v: i128, infinity: i128, unit: i128) -> i128 {
    match v {
        v if v == infinity => i128::MAX,
        v if v == -infinity => i128::MIN,
        v => v * unit,
    }
}

fn time(kind: u8, nanos: i128, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend((nanos as u128 ^ 1 << 127).to_be_bytes());
}

/// Bytes with an end: a prefix of others comes before them.
fn string(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            0 | 1 => out.extend([1, byte + 1]),
            other => out.push(*other),
        }
    }
    out.push(0);
}

/// A number by its sign, the place of its first digit, and its digits without zeros at their end.
fn number(negative: bool, digits: &str, scale: u8, out: &mut Vec<u8>) {
    out.push(kind::NUMBER);
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        out.push(1);
        return;
    }
    let exponent = digits.len() as i64 - i64::from(scale);
    let turned = if negative { 0xFF } else { 0 };
    out.push(if negative { 0 } else { 2 });
    out.extend((exponent as u64 ^ 1 << 63).to_be_bytes().map(|b| b ^ turned));
    for pair in digits.trim_end_matches('0').as_bytes().chunks(2) {
        let second = pair.get(1).map_or(0, |d| d - b'0');
        out.push(((pair[0] - b'0') * 10 + second + 1) ^ turned);
    }
    out.push(turned);
}

/// Whether values of a type are or have VARIANTs.
pub(crate) fn is_within(ty: &LogicalType) -> bool {
    match ty {
        LogicalType::Variant => true,
        LogicalType::List(item) | LogicalType::Array(item, _) => is_within(item),
        LogicalType::Struct(fields) | LogicalType::Union(fields) => {
            fields.iter().any(|(_, ty)| is_within(ty))
        }
        LogicalType::Map(key, value) => is_within(key) || is_within(value),
        _ => false,
    }
}

/// A type with keys in the place of VARIANTs.
pub(crate) fn comparable_type(ty: &LogicalType) -> LogicalType {
    let fields = |fields: &[(Box<str>, LogicalType)]| -> Arc<[(Box<str>, LogicalType)]> {
        fields.iter().map(|(name, ty)| (name.clone(), comparable_type(ty))).collect()
    };
    match ty {
        LogicalType::Variant => LogicalType::Blob,
        LogicalType::List(item) => LogicalType::List(Box::new(comparable_type(item))),
        LogicalType::Array(item, n) => LogicalType::Array(Box::new(comparable_type(item)), *n),
        LogicalType::Struct(of) => LogicalType::Struct(fields(of)),
        LogicalType::Union(of) => LogicalType::Union(fields(of)),
        LogicalType::Map(key, value) => {
            LogicalType::Map(Box::new(comparable_type(key)), Box::new(comparable_type(value)))
        }
        other => other.clone(),
    }
}

/// Values of a type as what they compare by: those of [`comparable_type`]. `take` is told of the bytes that are made.
///
/// # Errors
/// The bytes of a value are damaged, or `take` says that there are too many.
pub(crate) fn comparable(
    array: &ArrayRef,
    ty: &LogicalType,
    take: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<ArrayRef> {
    if !is_within(ty) {
        return Ok(array.clone());
    }
    let wrong = || ExecError::Internal(format!("a column of type {ty} came as {}", array.data_type()));
    match ty {
        LogicalType::List(item) => {
            let list = array.as_list_opt::<i32>().ok_or_else(wrong)?;
            let values = comparable(list.values(), item, take)?;
            list_array(&comparable_type(item), list.offsets().clone(), values, list.nulls().cloned())
        }
        LogicalType::Array(item, n) => {
            let list = array.as_fixed_size_list_opt().ok_or_else(wrong)?;
            let values = comparable(list.values(), item, take)?;
            let DataType::FixedSizeList(field, _) = comparable_type(ty).arrow() else { return Err(wrong()) };
            let (size, nulls) = (*n as i32, list.nulls().cloned());
            Ok(Arc::new(FixedSizeListArray::try_new_with_length(field, size, values, nulls, list.len())?))
        }
        LogicalType::Struct(fields) => {
            let of = array.as_struct_opt().ok_or_else(wrong)?;
            let columns = columns(of.columns(), fields.iter().map(|(_, ty)| ty), take)?;
            struct_array(&comparable_type(ty), columns, of.nulls().cloned(), of.len())
        }
        LogicalType::Union(members) => {
            let of = array.as_struct_opt().ok_or_else(wrong)?;
            let tag = crate::column::types::UNION_TAG.clone();
            let types = std::iter::once(&tag).chain(members.iter().map(|(_, ty)| ty));
            let columns = columns(of.columns(), types, take)?;
            let DataType::Struct(fields) = comparable_type(ty).arrow() else { return Err(wrong()) };
            Ok(Arc::new(StructArray::try_new(fields, columns, of.nulls().cloned())?))
        }
        LogicalType::Map(key, value) => {
            let map: &MapArray = array.as_map_opt().ok_or_else(wrong)?;
            let keys = comparable(map.keys(), key, take)?;
            let values = comparable(map.values(), value, take)?;
            map_array(&comparable_type(ty), map.offsets().clone(), keys, values, map.nulls().cloned())
        }
        _ => {
            let values = array.as_binary_view_opt().ok_or_else(wrong)?;
            let mut out = BinaryViewBuilder::with_capacity(values.len());
            let mut key = vec![];
            for value in values {
                let Some(value) = value else {
                    out.append_null();
                    continue;
                };
                key.clear();
                write_key(value, &mut key)?;
                take(key.len())?;
                out.try_append_value(&key)?;
            }
            Ok(Arc::new(out.finish()))
        }
    }
}

fn columns<'t>(
    columns: &[ArrayRef],
    types: impl Iterator<Item = &'t LogicalType>,
    take: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Vec<ArrayRef>> {
    columns.iter().zip(types).map(|(column, ty)| comparable(column, ty, take)).collect()
}
