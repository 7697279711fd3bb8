//! Values as text, as `CAST(… AS VARCHAR)` and the shell spell them, and as JSON.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, StringViewArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

use crate::column::types::LogicalType;
use crate::exec::cast::bignum::BigNum;
use crate::exec::cast::number_text::{
    Point, integer, write_decimal64, write_decimal128, write_float, write_float32,
};
use crate::exec::cast::time_text::{
    write_date, write_instant, write_interval, write_time, write_time_ns, write_time_tz, write_timestamp,
};
use crate::exec::cast::variant;
use crate::exec::error::{ExecError, Result};
use crate::exec::json;
use crate::exec::zone::{Clock, Zone};

/// Writes the value of one row, without quotes; nothing for NULL. `array` has the layout of `ty` or is a
/// dictionary of it. Who writes a whole column makes a [`Writer`] once.
pub fn write_value(array: &ArrayRef, row: usize, ty: &LogicalType, out: &mut String) -> Result<()> {
    let writer = Writer::new(array, ty)?;
    if !writer.is_null(row) {
        writer.write(row, out);
    }
    Ok(())
}

/// Writes the values of one column as text.
pub struct Writer<'a> {
    kind: Kind<'a>,
    nulls: Option<NullBuffer>,
}

enum Kind<'a> {
    Null,
    Bool(&'a BooleanArray),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    I128(&'a [i128]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    Decimal64(&'a [i64], Point),
    Decimal128(&'a [i128], Point),
    Text(&'a StringViewArray),
    Json(&'a StringViewArray),
    Blob(&'a BinaryViewArray),
    Uuid(&'a FixedSizeBinaryArray),
    Date(&'a [i32]),
    Time(&'a [i64]),
    TimeNs(&'a [i64]),
    Timestamp(&'a [i64], TimeUnit),
    TimestampTz(&'a [i64], Clock<'a>),
    TimeTz(&'a [i64]),
    UHuge(&'a FixedSizeBinaryArray),
    Bit(&'a BinaryViewArray),
    BigNum(&'a BinaryViewArray),
    Variant(&'a BinaryViewArray, Clock<'a>),
    Interval(&'a PrimitiveArray<IntervalMonthDayNanoType>),
    Enum(&'a [u32], &'a [Box<str>]),
    Dictionary(&'a PrimitiveArray<UInt32Type>, Box<Writer<'a>>),
    List(&'a [i32], Box<Writer<'a>>),
    Array(usize, Box<Writer<'a>>),
    Struct(Vec<(&'a str, Writer<'a>)>),
    Map(&'a [i32], Box<Writer<'a>>, Box<Writer<'a>>),
    /// The numbers of the members, and the members by name.
    Union(&'a [u8], Vec<(&'a str, Writer<'a>)>),
}

impl<'a> Writer<'a> {
    /// A writer for a column that has the layout of `ty`, or is a dictionary of it. Instants are shown in UTC.
    pub fn new(array: &'a ArrayRef, ty: &'a LogicalType) -> Result<Self> {
        Self::in_zone(array, ty, Zone::utc_ref())
    }

    /// A writer that shows instants in a zone.
    pub fn in_zone(array: &'a ArrayRef, ty: &'a LogicalType, zone: &'a Zone) -> Result<Self> {
        use LogicalType as T;
        let wrong = || ExecError::Internal(format!("a column of type {ty} came as {}", array.data_type()));
        if let DataType::Dictionary(..) = array.data_type() {
            let d = array.as_dictionary_opt::<UInt32Type>().ok_or_else(wrong)?;
            let values = Self::in_zone(d.values(), ty, zone)?;
            return Ok(Self {
                kind: Kind::Dictionary(d.keys(), Box::new(values)),
                nulls: array.logical_nulls(),
            });
        }
        macro_rules! values {
            ($t:ty) => {
                &array.as_primitive_opt::<$t>().ok_or_else(wrong)?.values()[..]
            };
        }
        let kind = match ty {
            T::Null => Kind::Null,
            T::Boolean => Kind::Bool(array.as_boolean_opt().ok_or_else(wrong)?),
            T::TinyInt => Kind::I8(values!(Int8Type)),
            T::SmallInt => Kind::I16(values!(Int16Type)),
            T::Integer => Kind::I32(values!(Int32Type)),
            T::BigInt => Kind::I64(values!(Int64Type)),
            T::HugeInt => Kind::I128(values!(Decimal128Type)),
            T::UTinyInt => Kind::U8(values!(UInt8Type)),
            T::USmallInt => Kind::U16(values!(UInt16Type)),
            T::UInteger => Kind::U32(values!(UInt32Type)),
            T::UBigInt => Kind::U64(values!(UInt64Type)),
            T::Float => Kind::F32(values!(Float32Type)),
            T::Double => Kind::F64(values!(Float64Type)),
            T::Decimal { width, scale } if *width <= crate::column::types::DECIMAL64_MAX_WIDTH => {
                Kind::Decimal64(values!(Decimal64Type), Point { scale: *scale, zero: width > scale })
            }
            T::Decimal { width, scale } => {
                Kind::Decimal128(values!(Decimal128Type), Point { scale: *scale, zero: width > scale })
            }
            T::Varchar => Kind::Text(array.as_string_view_opt().ok_or_else(wrong)?),
            T::Json => Kind::Json(array.as_string_view_opt().ok_or_else(wrong)?),
            T::Blob => Kind::Blob(array.as_binary_view_opt().ok_or_else(wrong)?),
            T::Uuid => Kind::Uuid(array.as_fixed_size_binary_opt().ok_or_else(wrong)?),
            T::Date => Kind::Date(values!(Date32Type)),
            T::Time => Kind::Time(values!(Time64MicrosecondType)),
            T::TimeNs => Kind::TimeNs(values!(Time64NanosecondType)),
            T::Timestamp(unit) => {
                let values = match unit {
                    TimeUnit::Second => values!(TimestampSecondType),
                    TimeUnit::Millisecond => values!(TimestampMillisecondType),
                    TimeUnit::Microsecond => values!(TimestampMicrosecondType),
                    TimeUnit::Nanosecond => values!(TimestampNanosecondType),
                };
                Kind::Timestamp(values, *unit)
            }
            T::TimestampTz => Kind::TimestampTz(values!(TimestampMicrosecondType), zone.clock()),
            T::TimeTz => Kind::TimeTz(values!(Int64Type)),
            T::UHugeInt => Kind::UHuge(array.as_fixed_size_binary_opt().ok_or_else(wrong)?),
            T::Bit => Kind::Bit(array.as_binary_view_opt().ok_or_else(wrong)?),
            T::BigNum => Kind::BigNum(array.as_binary_view_opt().ok_or_else(wrong)?),
            T::Variant => Kind::Variant(array.as_binary_view_opt().ok_or_else(wrong)?, zone.clock()),
            T::Interval => Kind::Interval(array.as_primitive_opt().ok_or_else(wrong)?),
            T::Enum(names) => Kind::Enum(values!(UInt32Type), names),
            T::List(item) => {
                let list = array.as_list_opt::<i32>().ok_or_else(wrong)?;
                Kind::List(list.value_offsets(), Box::new(Self::in_zone(list.values(), item, zone)?))
            }
            T::Array(item, n) => {
                let list = array.as_fixed_size_list_opt().ok_or_else(wrong)?;
                Kind::Array(*n as usize, Box::new(Self::in_zone(list.values(), item, zone)?))
            }
            T::Struct(fields) => {
                let columns = array.as_struct_opt().ok_or_else(wrong)?;
                if columns.num_columns() != fields.len() {
                    return Err(wrong());
                }
                let fields = fields.iter().zip(columns.columns());
                Kind::Struct(
                    fields
                        .map(|((name, ty), c)| Ok((&**name, Self::in_zone(c, ty, zone)?)))
                        .collect::<Result<_>>()?,
                )
            }
            T::Union(members) => {
                let columns = array.as_struct_opt().ok_or_else(wrong)?;
                if columns.num_columns() != members.len() + 1 {
                    return Err(wrong());
                }
                let tags = columns.column(0).as_primitive_opt::<UInt8Type>().ok_or_else(wrong)?;
                let members = members.iter().zip(&columns.columns()[1..]);
                Kind::Union(
                    tags.values(),
                    members
                        .map(|((name, ty), c)| Ok((&**name, Self::in_zone(c, ty, zone)?)))
                        .collect::<Result<_>>()?,
                )
            }
            T::Map(key, value) => {
                let map = array.as_map_opt().ok_or_else(wrong)?;
                Kind::Map(
                    map.value_offsets(),
                    Box::new(Self::in_zone(map.keys(), key, zone)?),
                    Box::new(Self::in_zone(map.values(), value, zone)?),
                )
            }
        };
        Ok(Self { kind, nulls: array.nulls().cloned() })
    }

    /// Whether the value of a row is NULL.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        matches!(self.kind, Kind::Null) || self.nulls.as_ref().is_some_and(|n| n.is_null(row))
    }

    /// Writes the value of a row, which is not NULL.
    pub fn write(&self, row: usize, out: &mut String) {
        match &self.kind {
            Kind::Null => out.push_str("NULL"),
            Kind::Bool(v) => out.push_str(if v.value(row) { "true" } else { "false" }),
            Kind::I8(v) => integer(v[row], out),
            Kind::I16(v) => integer(v[row], out),
            Kind::I32(v) => integer(v[row], out),
            Kind::I64(v) => integer(v[row], out),
            Kind::I128(v) => integer(v[row], out),
            Kind::U8(v) => integer(v[row], out),
            Kind::U16(v) => integer(v[row], out),
            Kind::U32(v) => integer(v[row], out),
            Kind::U64(v) => integer(v[row], out),
            Kind::F32(v) => write_float32(v[row], out),
            Kind::F64(v) => write_float(v[row], out),
            Kind::Decimal64(v, point) => write_decimal64(v[row], *point, out),
            Kind::Decimal128(v, point) => write_decimal128(v[row], *point, out),
            Kind::Text(v) | Kind::Json(v) => out.push_str(v.value(row)),
            Kind::Blob(v) => write_blob(v.value(row), out),
            Kind::Uuid(v) => write_uuid(v.value(row), out),
            Kind::Date(v) => write_date(v[row], out),
            Kind::Time(v) => write_time(v[row], out),
            Kind::TimeNs(v) => write_time_ns(v[row], out),
            Kind::Timestamp(v, unit) => write_timestamp(v[row], *unit, out),
            Kind::TimestampTz(v, clock) => write_instant(v[row], clock, out),
            Kind::TimeTz(v) => write_time_tz(v[row], out),
            Kind::UHuge(v) => integer(super::uhuge::value(v, row), out),
            Kind::Bit(v) => super::bits::write(v.value(row), out),
            Kind::BigNum(v) => {
                let _ = write!(out, "{}", BigNum::decode(v.value(row)));
            }
            Kind::Variant(v, clock) => {
                // Bytes that are no value, which only a damaged file has, are some text.
                let _damaged = variant::write_text(v.value(row), clock, out);
            }
            Kind::Interval(v) => write_interval(v.value(row), out),
            Kind::Enum(v, names) => {
                out.push_str(names.get(v[row] as usize).map_or("", |n| n));
            }
            Kind::Dictionary(keys, values) => values.write(keys.value(row) as usize, out),
            Kind::List(offsets, item) => {
                item.write_list(offsets[row] as usize..offsets[row + 1] as usize, out);
            }
            Kind::Array(n, item) => item.write_list(row * n..(row + 1) * n, out),
            Kind::Struct(fields) if !fields.is_empty() && fields.iter().all(|(n, _)| n.is_empty()) => {
                out.push('(');
                for (i, (_, value)) in fields.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    value.write_inner(row, out);
                }
                out.push_str(if fields.len() == 1 { ",)" } else { ")" });
            }
            Kind::Struct(fields) => {
                out.push('{');
                for (i, (name, value)) in fields.iter().enumerate() {
                    out.push_str(if i == 0 { "'" } else { ", '" });
                    escape(name, out);
                    out.push_str("': ");
                    value.write_inner(row, out);
                }
                out.push('}');
            }
            Kind::Map(offsets, keys, values) => {
                out.push('{');
                let first = offsets[row] as usize;
                for i in first..offsets[row + 1] as usize {
                    if i > first {
                        out.push_str(", ");
                    }
                    keys.write_inner(i, out);
                    out.push('=');
                    values.write_inner(i, out);
                }
                out.push('}');
            }
            Kind::Union(tags, members) => match members.get(tags[row] as usize) {
                Some((_, value)) if !value.is_null(row) => value.write(row, out),
                _ => out.push_str("NULL"),
            },
        }
    }

    fn write_list(&self, rows: std::ops::Range<usize>, out: &mut String) {
        out.push('[');
        for row in rows.clone() {
            if row > rows.start {
                out.push_str(", ");
            }
            match &self.kind {
                // A list of JSON looks like JSON, as DuckDB has it; inside structs and maps JSON is text.
                Kind::Json(values) if !self.is_null(row) => out.push_str(values.value(row)),
                _ => self.write_inner(row, out),
            }
        }
        out.push(']');
    }

    /// Writes a value inside another one: NULL by name, text in quotes where it could be misread.
    fn write_inner(&self, row: usize, out: &mut String) {
        if self.is_null(row) {
            out.push_str("NULL");
            return;
        }
        let start = out.len();
        self.write(row, out);
        let plain = matches!(
            self.kind,
            Kind::Null
                | Kind::Bool(_)
                | Kind::I8(_)
                | Kind::I16(_)
                | Kind::I32(_)
                | Kind::I64(_)
                | Kind::I128(_)
                | Kind::UHuge(_)
                | Kind::BigNum(_)
                | Kind::Variant(..)
                | Kind::U8(_)
                | Kind::U16(_)
                | Kind::U32(_)
                | Kind::U64(_)
                | Kind::F32(_)
                | Kind::F64(_)
                | Kind::Decimal64(..)
                | Kind::Decimal128(..)
                | Kind::Uuid(_)
                | Kind::List(..)
                | Kind::Array(..)
                | Kind::Struct(_)
                | Kind::Map(..)
                | Kind::Union(..)
        );
        if !plain && needs_quotes(&out[start..]) {
            let text = out.split_off(start);
            out.push('\'');
            escape(&text, out);
            out.push('\'');
        }
    }

    /// Writes the value of a row as JSON; NULL and numbers that JSON does not have as `null`.
    pub fn write_json(&self, row: usize, out: &mut String) {
        self.json(row, false, out);
    }

    /// Writes the value of a row as SQL's JSON has it, which knows `Infinity` and `NaN`.
    pub(crate) fn write_sql_json(&self, row: usize, out: &mut String) {
        self.json(row, true, out);
    }

    fn json(&self, row: usize, any_number: bool, out: &mut String) {
        if self.is_null(row) {
            out.push_str("null");
            return;
        }
        match &self.kind {
            Kind::Null
            | Kind::Bool(_)
            | Kind::I8(_)
            | Kind::I16(_)
            | Kind::I32(_)
            | Kind::I64(_)
            | Kind::I128(_)
            | Kind::UHuge(_)
            | Kind::BigNum(_)
            | Kind::U8(_)
            | Kind::U16(_)
            | Kind::U32(_)
            | Kind::U64(_) => self.write(row, out),
            Kind::Json(v) => json::compact(v.value(row), out),
            Kind::Variant(v, clock) => {
                let _damaged = variant::write_json(v.value(row), clock, out);
            }
            Kind::F32(v) if any_number || v[row].is_finite() => json::write_number(v[row].into(), out),
            Kind::F64(v) if any_number || v[row].is_finite() => json::write_number(v[row], out),
            Kind::F32(_) | Kind::F64(_) => out.push_str("null"),
            Kind::Decimal64(v, point) => {
                json::write_number(super::number::decimal_to_f64(v[row].into(), point.scale), out);
            }
            Kind::Decimal128(v, point) => {
                json::write_number(super::number::decimal_to_f64(v[row], point.scale), out);
            }
            Kind::Text(v) => json_string(v.value(row), out),
            Kind::Dictionary(keys, values) => values.json(keys.value(row) as usize, any_number, out),
            Kind::List(offsets, item) => {
                item.json_list(offsets[row] as usize..offsets[row + 1] as usize, any_number, out);
            }
            Kind::Array(n, item) => item.json_list(row * n..(row + 1) * n, any_number, out),
            Kind::Struct(fields) => {
                let is_tuple = !fields.is_empty() && fields.iter().all(|(name, _)| name.is_empty());
                out.push(if is_tuple { '[' } else { '{' });
                for (i, (name, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    if !is_tuple {
                        json_string(name, out);
                        out.push(':');
                    }
                    value.json(row, any_number, out);
                }
                out.push(if is_tuple { ']' } else { '}' });
            }
            Kind::Map(offsets, keys, values) => {
                out.push('{');
                let first = offsets[row] as usize;
                for i in first..offsets[row + 1] as usize {
                    if i > first {
                        out.push(',');
                    }
                    let mut key = String::new();
                    keys.write(i, &mut key);
                    json_string(&key, out);
                    out.push(':');
                    values.json(i, any_number, out);
                }
                out.push('}');
            }
            Kind::Union(tags, members) => {
                out.push('{');
                if let Some((name, value)) = members.get(tags[row] as usize) {
                    json_string(name, out);
                    out.push(':');
                    value.json(row, any_number, out);
                }
                out.push('}');
            }
            _ => {
                let mut text = String::new();
                self.write(row, &mut text);
                json_string(&text, out);
            }
        }
    }

    fn json_list(&self, rows: std::ops::Range<usize>, any_number: bool, out: &mut String) {
        out.push('[');
        for row in rows.clone() {
            if row > rows.start {
                out.push(',');
            }
            self.json(row, any_number, out);
        }
        out.push(']');
    }
}

/// Whether a text inside a nested value could be misread without quotes.
pub(super) fn needs_quotes(s: &str) -> bool {
    s.is_empty()
        || s.eq_ignore_ascii_case("null")
        || s.starts_with(|c: char| c.is_ascii_whitespace())
        || s.ends_with(|c: char| c.is_ascii_whitespace())
        || s.bytes().any(|b| {
            matches!(b, b',' | b'[' | b']' | b'{' | b'}' | b'(' | b')' | b':' | b'=' | b'"' | b'\'' | b'\\')
        })
}

pub(super) fn escape(s: &str, out: &mut String) {
    for c in s.chars() {
        if matches!(c, '\'' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
}

/// Writes a JSON string with its quotes.
pub fn json_string(s: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (i, b) in s.bytes().enumerate() {
        let short = match b {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&s[from..i]);
        from = i + 1;
        if short.is_empty() {
            let _ = write!(out, "\\u{b:04x}");
        } else {
            out.push_str(short);
        }
    }
    out.push_str(&s[from..]);
    out.push('"');
}

/// Writes bytes: printable ASCII as it is, all else as `\xAB`.
pub fn write_blob(bytes: &[u8], out: &mut String) {
    for b in bytes {
        if (0x20..0x7f).contains(b) && !matches!(b, b'\\' | b'\'' | b'"') {
            out.push(*b as char);
        } else {
            let _ = write!(out, "\\x{b:02X}");
        }
    }
}

/// Writes 16 bytes as a UUID.
pub fn write_uuid(bytes: &[u8], out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (i, b) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(HEX[usize::from(b >> 4)] as char);
        out.push(HEX[usize::from(b & 15)] as char);
    }
}

/// The beginning of a text, for messages.
pub(crate) fn shorten(s: &str) -> String {
    match s.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &s[..end]),
        None => s.to_owned(),
    }
}
