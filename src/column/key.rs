//! Keys as bytes that compare as the values do: what key indexes keep, in memory and in the file.
//!
//! A key is the encodings of its parts, one after another. Numbers, dates and times are big-endian with the sign bit
//! turned over; floats have one zero and one NaN, which is the greatest; intervals are their length in nanoseconds, with
//! 30 days a month. Text and bytes are as they are if they come last; else `00` is `00 FF` and the end is `00 00`. A key
//! with NULL in a part has no encoding: it is equal to none, and no index has it.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

use crate::column::scalar::{Scalar, interval_nanos};

/// Calls `$each` with the type and its encoding, by layout of the column.
macro_rules! by_layout {
    ($data_type:expr, $fixed:ident, $other:expr) => {
        match $data_type {
            DataType::Int8 => $fixed!(Int8Type, |v: i8| (v.cast_unsigned() ^ 1 << 7).to_be_bytes()),
            DataType::Int16 => $fixed!(Int16Type, |v: i16| (v.cast_unsigned() ^ 1 << 15).to_be_bytes()),
            DataType::Int32 => $fixed!(Int32Type, |v: i32| (v.cast_unsigned() ^ 1 << 31).to_be_bytes()),
            DataType::Date32 => $fixed!(Date32Type, |v: i32| (v.cast_unsigned() ^ 1 << 31).to_be_bytes()),
            DataType::Int64 => $fixed!(Int64Type, |v: i64| (v.cast_unsigned() ^ 1 << 63).to_be_bytes()),
            DataType::Decimal64(..) => {
                $fixed!(Decimal64Type, |v: i64| (v.cast_unsigned() ^ 1 << 63).to_be_bytes())
            }
            DataType::Time64(TimeUnit::Microsecond) => {
                $fixed!(Time64MicrosecondType, |v: i64| (v.cast_unsigned() ^ 1 << 63).to_be_bytes())
            }
            DataType::Time64(TimeUnit::Nanosecond) => {
                $fixed!(Time64NanosecondType, |v: i64| (v.cast_unsigned() ^ 1 << 63).to_be_bytes())
            }
            DataType::Timestamp(TimeUnit::Second, _) => {
                $fixed!(TimestampSecondType, |v: i64| (v.cast_unsigned() ^ 1 << 63).to_be_bytes())
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                $fixed!(TimestampMillisecondType, |v: i64| (v.cast_unsigned() ^ 1 << 63).to_be_bytes())
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                $fixed!(TimestampMicrosecondType, |v: i64| (v.cast_unsigned() ^ 1 << 63).to_be_bytes())
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                $fixed!(TimestampNanosecondType, |v: i64| (v.cast_unsigned() ^ 1 << 63).to_be_bytes())
            }
            DataType::Decimal128(..) => {
                $fixed!(Decimal128Type, |v: i128| (v.cast_unsigned() ^ 1 << 127).to_be_bytes())
            }
            DataType::UInt8 => $fixed!(UInt8Type, |v: u8| v.to_be_bytes()),
            DataType::UInt16 => $fixed!(UInt16Type, |v: u16| v.to_be_bytes()),
            DataType::UInt32 => $fixed!(UInt32Type, |v: u32| v.to_be_bytes()),
            DataType::UInt64 => $fixed!(UInt64Type, |v: u64| v.to_be_bytes()),
            DataType::Float32 => $fixed!(Float32Type, |v: f32| ordered_f32(v).to_be_bytes()),
            DataType::Float64 => $fixed!(Float64Type, |v: f64| ordered_f64(v).to_be_bytes()),
            DataType::Interval(arrow_schema::IntervalUnit::MonthDayNano) => {
                $fixed!(IntervalMonthDayNanoType, |v: arrow_buffer::IntervalMonthDayNano| {
                    let length = interval_nanos(v.months, v.days, v.nanoseconds);
                    (length.cast_unsigned() ^ 1 << 127).to_be_bytes()
                })
            }
            _ => $other,
        }
    };
}

/// The keys of rows.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    bytes: Vec<u8>,
    /// Where each ends in `bytes`.
    ends: Vec<usize>,
    nulls: Option<NullBuffer>,
}

impl Keys {
    /// The keys whose parts are the rows of these columns, all of the same length and of types with an order.
    /// `None`, if a column is of another type.
    pub fn encode(columns: &[ArrayRef]) -> Option<Self> {
        Self::encode_first(columns, columns.len())
    }

    /// The beginnings of keys of `parts` parts, of which there are the first. Keys that begin with the same values begin
    /// with the same bytes.
    pub fn encode_first(columns: &[ArrayRef], parts: usize) -> Option<Self> {
        let rows = columns.first().map_or(0, |column| column.len());
        let columns = columns.iter().map(plain).collect::<Option<Vec<_>>>()?;
        let mut nulls: Option<NullBuffer> = None;
        for column in &columns {
            nulls = NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref());
        }
        if let [column] = &columns[..]
            && parts == 1
        {
            return encode_one(column, nulls);
        }
        let encoders = columns.iter().enumerate();
        let parts = encoders.map(|(i, column)| Part::new(column, i + 1 == parts));
        let parts = parts.collect::<Option<Vec<_>>>()?;
        let (mut bytes, mut ends) = (Vec::with_capacity(rows * 8 * parts.len()), Vec::with_capacity(rows));
        for row in 0..rows {
            if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                parts.iter().for_each(|part| part.push(row, &mut bytes));
            }
            ends.push(bytes.len());
        }
        Some(Self { bytes, ends, nulls })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The key of a row; `None` if it has NULL in a part.
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        let is_null = self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        (!is_null).then(|| self.at(row))
    }

    fn at(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }

    /// Adds a row.
    #[inline]
    pub(crate) fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    /// Adds a row whose key begins as the last one does, with so many bytes of it. They must be there.
    pub(crate) fn push_shared(&mut self, shared: usize, rest: &[u8]) {
        let last: Range<usize> = match self.ends[..] {
            [] => 0..0,
            [end] => 0..end,
            [.., start, end] => start..end,
        };
        self.bytes.extend_from_within(last.start..last.start + shared);
        self.bytes.extend_from_slice(rest);
        self.ends.push(self.bytes.len());
    }

    /// How many bytes all keys begin with in common.
    fn common_prefix(&self) -> usize {
        let mut keys = (0..self.len()).filter_map(|row| self.get(row));
        let Some(first) = keys.next() else { return 0 };
        keys.fold(first.len(), |shared, key| {
            let shared = shared.min(key.len());
            if key[..shared] == first[..shared] { shared } else { shared_bytes(first, &key[..shared]) }
        })
    }

    /// The rows with a key, in the order of the keys; rows of equal keys in their own.
    pub fn sorted(&self) -> Vec<u32> {
        self.sorted_from(0..self.len() as u32)
    }

    /// As [`sorted`](Self::sorted), of rows that come in an order of which runs are sorted already, rows of equal keys in
    /// their own.
    pub(crate) fn sorted_from(&self, rows: impl Iterator<Item = u32>) -> Vec<u32> {
        // What all begin with tells none from the other.
        let skip = self.common_prefix();
        let first = |row| self.get(row as usize).map(|key| (prefix(&key[skip..]), row));
        let mut order: Vec<(u64, u32)> = rows.filter_map(first).collect();
        let key = |row: u32| self.at(row as usize);
        if order.is_sorted_by(|a, b| (a.0, key(a.1)) <= (b.0, key(b.1))) {
            return order.into_iter().map(|(_, row)| row).collect();
        }
        // Stable: rows of equal keys stay in their order, and what comes as a few runs is merged.
        order.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))));
        order.into_iter().map(|(_, row)| row).collect()
    }
}

/// The first bytes, as a number that compares as they do.
fn prefix(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let mut bytes = [0; 8];
    let len = key.len().min(8);
    bytes[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(bytes)
}

/// How many bytes two begin with in common.
pub(crate) fn shared_bytes(a: &[u8], b: &[u8]) -> usize {
    let mut shared = 0;
    // Eight at a time: the first byte that differs is the first with a bit in the difference.
    while let (Some(x), Some(y)) = (a[shared..].first_chunk(), b[shared..].first_chunk()) {
        let difference = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if difference != 0 {
            return shared + difference.trailing_zeros() as usize / 8;
        }
        shared += 8;
    }
    shared + a[shared..].iter().zip(&b[shared..]).take_while(|(a, b)| a == b).count()
}

/// Adds the encoding of one value to a key, as [`Keys::encode`] does with a column of that layout. Returns whether it
/// did: NULL and what is in another form, of another type or too large, it leaves alone.
pub fn encode_value(value: &Scalar, layout: &DataType, last: bool, out: &mut Vec<u8>) -> bool {
    macro_rules! fixed {
        ($ty:ty, $encode:expr) => {{
            let encode = $encode;
            let value = <<$ty as ArrowPrimitiveType>::Native as FromScalar>::from_scalar(value);
            value.map(|value| out.extend_from_slice(&encode(value))).is_some()
        }};
    }
    by_layout!(
        layout,
        fixed,
        match (layout, value) {
            (DataType::Boolean, Scalar::Boolean(value)) => {
                out.push(u8::from(*value));
                true
            }
            (DataType::Utf8View, Scalar::Text(text)) => {
                escape_part(text.as_bytes(), last, out);
                true
            }
            (DataType::BinaryView, Scalar::Bytes(bytes)) => {
                escape_part(bytes, last, out);
                true
            }
            _ => false,
        }
    )
}

/// A value of a column from one outside of it; `None` if it is in another form.
trait FromScalar: Sized {
    fn from_scalar(value: &Scalar) -> Option<Self>;
}

macro_rules! integers_from_scalar {
    ($($ty:ty),*) => {
        $(impl FromScalar for $ty {
            fn from_scalar(value: &Scalar) -> Option<Self> {
                if let Scalar::Int(value) = value { (*value).try_into().ok() } else { None }
            }
        })*
    };
}

integers_from_scalar!(i8, i16, i32, i64, i128, u8, u16, u32, u64);

impl FromScalar for f64 {
    fn from_scalar(value: &Scalar) -> Option<Self> {
        if let Scalar::Float(value) = value { Some(*value) } else { None }
    }
}

impl FromScalar for f32 {
    fn from_scalar(value: &Scalar) -> Option<Self> {
        f64::from_scalar(value).map(|value| value as Self)
    }
}

impl FromScalar for arrow_buffer::IntervalMonthDayNano {
    fn from_scalar(value: &Scalar) -> Option<Self> {
        let Scalar::Interval { months, days, nanos } = value else { return None };
        Some(Self::new(*months, *days, *nanos))
    }
}

/// A text or bytes as a part of a key.
fn escape_part(bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    escape(bytes, last, out);
    if !last {
        out.extend_from_slice(&[0, 0]);
    }
}

/// The encoding of a text or of bytes with which keys begin whose last part begins with these.
pub fn escape(bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    if last {
        out.extend_from_slice(bytes);
        return;
    }
    let mut rest = bytes;
    while let Some(zero) = memchr::memchr(0, rest) {
        out.extend_from_slice(&rest[..=zero]);
        out.push(0xFF);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
}

/// The least bytes that are greater than all that begin with these; `None` if there are none.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

/// A column without dictionary, in a layout that has an encoding.
fn plain(column: &ArrayRef) -> Option<ArrayRef> {
    match column.data_type() {
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            arrow_select::take::take(dictionary.values(), dictionary.keys(), None).ok()
        }
        _ => Some(Arc::clone(column)),
    }
}

fn ordered_f64(value: f64) -> u64 {
    let bits = if value.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { (value + 0.0).to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn ordered_f32(value: f32) -> u32 {
    let bits = if value.is_nan() { f32::NAN.to_bits() & !(1 << 31) } else { (value + 0.0).to_bits() };
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The keys of one column, without a look at its type for each row.
fn encode_one(column: &ArrayRef, nulls: Option<NullBuffer>) -> Option<Keys> {
    let rows = column.len();
    let mut keys = Keys { bytes: Vec::with_capacity(rows * 8), ends: Vec::with_capacity(rows), nulls };
    macro_rules! fixed {
        ($ty:ty, $encode:expr) => {{
            let encode = $encode;
            let values: &[<$ty as ArrowPrimitiveType>::Native] = column.as_primitive_opt::<$ty>()?.values();
            for &value in values {
                keys.push(&encode(value));
            }
        }};
    }
    by_layout!(column.data_type(), fixed, {
        let part = Part::new(column, true)?;
        for row in 0..rows {
            if keys.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                part.push(row, &mut keys.bytes);
            }
            keys.ends.push(keys.bytes.len());
        }
    });
    Some(keys)
}

/// A part of keys.
pub(crate) struct Part<'a>(Box<dyn Fn(usize, &mut Vec<u8>) + 'a>);

impl<'a> Part<'a> {
    fn new(column: &'a ArrayRef, last: bool) -> Option<Self> {
        macro_rules! fixed {
            ($ty:ty, $encode:expr) => {{
                let encode = $encode;
                let values: &[<$ty as ArrowPrimitiveType>::Native] =
                    column.as_primitive_opt::<$ty>()?.values();
                Box::new(move |row: usize, out: &mut Vec<u8>| out.extend_from_slice(&encode(values[row])))
            }};
        }
        let push: Box<dyn Fn(usize, &mut Vec<u8>) + 'a> = by_layout!(
            column.data_type(),
            fixed,
            match column.data_type() {
                DataType::Boolean => {
                    let values = column.as_boolean_opt()?;
                    Box::new(move |row, out: &mut Vec<u8>| out.push(u8::from(values.value(row))))
                }
                DataType::FixedSizeBinary(_) => {
                    let values = column.as_fixed_size_binary_opt()?;
                    Box::new(move |row, out: &mut Vec<u8>| out.extend_from_slice(values.value(row)))
                }
                DataType::Utf8View => {
                    let values = column.as_string_view_opt()?;
                    Box::new(move |row, out: &mut Vec<u8>| {
                        escape_part(values.value(row).as_bytes(), last, out);
                    })
                }
                DataType::BinaryView => {
                    let values = column.as_binary_view_opt()?;
                    Box::new(move |row, out: &mut Vec<u8>| escape_part(values.value(row), last, out))
                }
                _ => return None,
            }
        );
        Some(Self(push))
    }

    /// The parts of keys of these columns, which have no dictionaries; `None`, if one is of a type without order.
    pub(crate) fn all(columns: &'a [ArrayRef]) -> Option<Vec<Self>> {
        let parts = columns.iter().enumerate();
        parts.map(|(i, column)| Part::new(column, i + 1 == columns.len())).collect()
    }

    /// Appends the part of a row, which is not NULL.
    pub(crate) fn push(&self, row: usize, out: &mut Vec<u8>) {
        (self.0)(row, out);
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;
    use crate::column::scalar::Scalar;
    use crate::column::types::LogicalType;

    fn array(ty: &LogicalType, values: &[Scalar]) -> ArrayRef {
        let parts: Vec<ArrayRef> = values.iter().map(|v| v.to_array(ty, 1).unwrap()).collect();
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        arrow_select::concat::concat(&parts).unwrap()
    }

    fn kinds() -> Vec<(LogicalType, Vec<Scalar>)> {
        let ints = |values: &[i128]| values.iter().map(|v| Scalar::Int(*v)).collect::<Vec<_>>();
        let floats = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 1e-30, 2.0, f64::INFINITY, f64::NAN];
        let floats: Vec<_> = floats.into_iter().map(Scalar::Float).collect();
        let bytes: [&[u8]; 10] =
            [b"", b"\0", b"\0\0", b"\0\x01", b"\0\xFF", b"a", b"a\0", b"a\0b", b"\xFF", b"\xFF\xFF"];
        let texts = ["", "\0", "a", "a\0", "a\0b", "ab", "b", "\u{10FFFF}", &"x".repeat(70_000)];
        let interval = |months, days, nanos| Scalar::Interval { months, days, nanos };
        vec![
            (LogicalType::Boolean, vec![Scalar::Boolean(false), Scalar::Boolean(true)]),
            (LogicalType::TinyInt, ints(&[-128, -1, 0, 1, 127])),
            (LogicalType::SmallInt, ints(&[-32768, -1, 0, 300])),
            (LogicalType::Integer, ints(&[i32::MIN.into(), -1, 0, 1, i32::MAX.into()])),
            (LogicalType::BigInt, ints(&[i64::MIN.into(), -256, -1, 0, 255, 256, i64::MAX.into()])),
            (LogicalType::UBigInt, ints(&[0, 1, u64::MAX.into()])),
            (LogicalType::UTinyInt, ints(&[0, 1, 255])),
            (LogicalType::HugeInt, ints(&[-(1 << 100), -1, 0, 1 << 100])),
            (LogicalType::Decimal { width: 10, scale: 2 }, ints(&[-500, 0, 1, 99])),
            (LogicalType::Decimal { width: 30, scale: 2 }, ints(&[-500, 0, 1, 99])),
            (LogicalType::Float, floats.clone()),
            (LogicalType::Double, floats),
            (LogicalType::Date, ints(&[-1, 0, 20_000])),
            (crate::column::types::TIMESTAMP, ints(&[-1, 0, 1_700_000_000_000_000])),
            (LogicalType::Varchar, texts.iter().map(Scalar::text).collect()),
            (LogicalType::Blob, bytes.iter().map(Scalar::bytes).collect()),
            (
                LogicalType::Interval,
                vec![interval(0, 29, 0), interval(1, 0, 0), interval(0, 30, 0), interval(0, 0, -5)],
            ),
        ]
    }

    #[test]
    fn bytes_compare_as_values_do() {
        for (ty, values) in kinds() {
            let keys = Keys::encode(&[array(&ty, &values)]).unwrap();
            for (i, a) in values.iter().enumerate() {
                for (j, b) in values.iter().enumerate() {
                    let wanted = match (a, b) {
                        (Scalar::Float(x), Scalar::Float(y)) if x == y => Ordering::Equal,
                        _ => a.total_cmp(b),
                    };
                    assert_eq!(keys.get(i).cmp(&keys.get(j)), wanted, "{ty}: {a:?} and {b:?}");
                }
            }
        }
    }

    #[test]
    fn a_value_alone_is_encoded_as_in_a_column() {
        for (ty, values) in kinds() {
            for last in [true, false] {
                let column = array(&ty, &values);
                let keys = Keys::encode_first(&[column], if last { 1 } else { 2 }).unwrap();
                for (row, value) in values.iter().enumerate() {
                    let mut out = vec![];
                    assert!(encode_value(value, &ty.arrow(), last, &mut out), "{ty}: {value:?}");
                    assert_eq!(keys.get(row), Some(&out[..]), "{ty}: {value:?}");
                }
            }
        }
        let mut out = vec![];
        let int = DataType::Int8;
        for value in [Scalar::Null, Scalar::Int(128), Scalar::text("1"), Scalar::Float(1.0)] {
            assert!(!encode_value(&value, &int, true, &mut out) && out.is_empty(), "{value:?}");
        }
    }

    #[test]
    fn null_is_no_key_and_has_no_place() {
        let numbers = array(&LogicalType::Integer, &[Scalar::Int(3), Scalar::Null, Scalar::Int(1)]);
        let texts = array(&LogicalType::Varchar, &[Scalar::Null, Scalar::text("a"), Scalar::text("b")]);
        let keys = Keys::encode(&[Arc::clone(&numbers)]).unwrap();
        assert_eq!((keys.get(1), keys.sorted()), (None, vec![2, 0]));
        let both = Keys::encode(&[numbers, texts]).unwrap();
        assert_eq!((both.get(0), both.get(1)), (None, None));
        assert_eq!((both.get(2).unwrap(), both.sorted()), (&[0x80, 0, 0, 1, b'b'][..], vec![2]));
    }

    #[test]
    fn what_comes_after_a_prefix() {
        assert_eq!(after_prefix(b"ab").as_deref(), Some(&b"ac"[..]));
        assert_eq!(after_prefix(b"a\xFF\xFF").as_deref(), Some(&b"b"[..]));
        assert_eq!((after_prefix(b""), after_prefix(b"\xFF\xFF")), (None, None));
    }

    proptest! {
        #[test]
        fn several_parts_compare_one_after_the_other(
            rows in prop::collection::vec((prop::collection::vec(0..3_u8, 0..4), any::<i64>(), prop::collection::vec(any::<u8>(), 0..3)), 2..20),
        ) {
            let blobs = |f: &dyn Fn(usize) -> Vec<u8>| array(&LogicalType::Blob, &(0..rows.len()).map(|i| Scalar::bytes(f(i))).collect::<Vec<_>>());
            let columns = [
                blobs(&|i| rows[i].0.iter().map(|b| if *b == 2 { 0xFF } else { *b }).collect()),
                array(&LogicalType::BigInt, &rows.iter().map(|r| Scalar::Int((r.1 % 3).into())).collect::<Vec<_>>()),
                blobs(&|i| rows[i].2.clone()),
            ];
            let keys = Keys::encode(&columns).unwrap();
            let value = |i: usize| (rows[i].0.clone(), rows[i].1 % 3, rows[i].2.clone());
            for i in 0..rows.len() {
                for j in 0..rows.len() {
                    prop_assert_eq!(keys.get(i).cmp(&keys.get(j)), value(i).cmp(&value(j)));
                }
            }
            let mut order: Vec<u32> = (0..rows.len() as u32).collect();
            order.sort_by_key(|i| value(*i as usize));
            prop_assert_eq!(keys.sorted(), order);
        }
    }
}
