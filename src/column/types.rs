//! Logical types: what a column's values mean, and the Arrow layout they have in memory.
//!
//! A [`LogicalType`] is what SQL sees. Each has exactly one in-memory (Arrow) layout, given by
//! [`LogicalType::arrow`]; several logical types may share one. The layout at rest is the business
//! of the codecs.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field as ArrowField, Fields, IntervalUnit};

pub use arrow_schema::TimeUnit;

use crate::column::words::is_word_of_sql;

/// The type of a value or column, with DuckDB's names and meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogicalType {
    /// The type of a bare `NULL`; every type accepts it. Never stored.
    Null,
    /// `true` or `false`.
    Boolean,
    /// 8-bit signed integer.
    TinyInt,
    /// 16-bit signed integer.
    SmallInt,
    /// 32-bit signed integer.
    Integer,
    /// 64-bit signed integer.
    BigInt,
    /// 128-bit signed integer. In memory `Decimal128(38, 0)`, whose precision is *not* enforced.
    HugeInt,
    /// 8-bit unsigned integer.
    UTinyInt,
    /// 16-bit unsigned integer.
    USmallInt,
    /// 32-bit unsigned integer.
    UInteger,
    /// 64-bit unsigned integer.
    UBigInt,
    /// 128-bit unsigned integer. In memory 16 bytes, big-endian, so that bytes sort as numbers do.
    UHugeInt,
    /// Integer of any size. In memory bytes that sort as numbers do: `docs/FORMAT.md`, integers of any size.
    BigNum,
    /// A value of any type, with its type. In memory bytes: `docs/FORMAT.md`, values of any type. They do not sort as the
    /// values do, and equal values may have different ones.
    Variant,
    /// 32-bit IEEE 754.
    Float,
    /// 64-bit IEEE 754.
    Double,
    /// Fixed-point number of `width` digits, `scale` of them behind the point.
    Decimal {
        /// Digits in all, 1 to 38.
        width: u8,
        /// Digits behind the point, 0 to `width`.
        scale: u8,
    },
    /// UTF-8 text.
    Varchar,
    /// Bytes.
    Blob,
    /// A string of bits. In memory the bits, the first in the highest place, zeros to fill the last byte, and a byte
    /// with how many bits of that are used.
    Bit,
    /// 128-bit identifier, in memory big-endian as RFC 9562 prints it, so that bytes sort as text does.
    Uuid,
    /// JSON text, valid when stored.
    Json,
    /// Days since 1970-01-01.
    Date,
    /// Microseconds since midnight.
    Time,
    /// Nanoseconds since midnight.
    TimeNs,
    /// A time of day with an offset from UTC. In memory one number that orders as the instants do: `offset` is
    /// `57599 - seconds east of Greenwich`, the number `(microseconds + offset * 1000000) << 24 | offset`.
    TimeTz,
    /// Instant without a zone, in the given unit since 1970-01-01.
    Timestamp(TimeUnit),
    /// Microseconds since 1970-01-01 UTC, shown in the session's zone.
    TimestampTz,
    /// Months, days and nanoseconds.
    Interval,
    /// One of a fixed list of names; ordered by position. In memory the position, `UInt32`.
    Enum(Arc<[Box<str>]>),
    /// Any number of values of one type.
    List(Box<LogicalType>),
    /// A fixed number of values of one type.
    Array(Box<LogicalType>, u32),
    /// Named values; values without names where all names are empty.
    Struct(Arc<[(Box<str>, LogicalType)]>),
    /// Keys to values.
    Map(Box<LogicalType>, Box<LogicalType>),
    /// A value of one of several named types, its members. In memory a struct: the number of the member that the value
    /// is of (a `UTINYINT`, never NULL), then a column for each member, NULL where the value is of another one.
    Union(Arc<[(Box<str>, LogicalType)]>),
}

/// The type of the number that says of which member of a union a value is.
pub static UNION_TAG: LogicalType = LogicalType::UTinyInt;
/// The most members of a union.
pub const UNION_MEMBERS_MAX: usize = 255;

/// DuckDB's plain `TIMESTAMP`: microseconds.
pub const TIMESTAMP: LogicalType = LogicalType::Timestamp(TimeUnit::Microsecond);

/// The largest width of a decimal that fits 64 bits.
pub const DECIMAL64_MAX_WIDTH: u8 = 18;
/// The largest width of any decimal.
pub const DECIMAL_MAX_WIDTH: u8 = 38;

impl LogicalType {
    /// The type that a column has that is made of values of this one: INTEGER for each bare NULL in it.
    pub fn without_bare_nulls(&self) -> Self {
        let fields = |fields: &[(Box<str>, Self)]| -> Arc<[(Box<str>, Self)]> {
            fields.iter().map(|(name, ty)| (name.clone(), ty.without_bare_nulls())).collect()
        };
        match self {
            Self::Null => Self::Integer,
            Self::List(item) => Self::List(Box::new(item.without_bare_nulls())),
            Self::Array(item, length) => Self::Array(Box::new(item.without_bare_nulls()), *length),
            Self::Struct(of) => Self::Struct(fields(of)),
            Self::Map(key, value) => {
                Self::Map(Box::new(key.without_bare_nulls()), Box::new(value.without_bare_nulls()))
            }
            Self::Union(of) => Self::Union(fields(of)),
            other => other.clone(),
        }
    }

    /// The layout of this type in memory.
    ///
    /// Text and bytes are views (`Utf8View`, `BinaryView`), so that filtering and gathering never copy
    /// the bytes. Decimals of up to 18 digits are 64-bit, wider ones 128-bit.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Null => DataType::Null,
            Self::Boolean => DataType::Boolean,
            Self::TinyInt => DataType::Int8,
            Self::SmallInt => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::BigInt | Self::TimeTz => DataType::Int64,
            Self::HugeInt => DataType::Decimal128(38, 0),
            Self::UTinyInt => DataType::UInt8,
            Self::USmallInt => DataType::UInt16,
            Self::UInteger | Self::Enum(_) => DataType::UInt32,
            Self::UBigInt => DataType::UInt64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal { width, scale } if *width <= DECIMAL64_MAX_WIDTH => {
                DataType::Decimal64(*width, *scale as i8)
            }
            Self::Decimal { width, scale } => DataType::Decimal128(*width, *scale as i8),
            Self::Varchar | Self::Json => DataType::Utf8View,
            Self::Blob | Self::Bit | Self::BigNum | Self::Variant => DataType::BinaryView,
            Self::Uuid | Self::UHugeInt => DataType::FixedSizeBinary(16),
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::TimeNs => DataType::Time64(TimeUnit::Nanosecond),
            Self::Timestamp(unit) => DataType::Timestamp(*unit, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::List(item) => DataType::List(Arc::new(ArrowField::new("item", item.arrow(), true))),
            Self::Array(item, n) => {
                DataType::FixedSizeList(Arc::new(ArrowField::new("item", item.arrow(), true)), *n as i32)
            }
            Self::Struct(fields) => DataType::Struct(struct_fields(fields)),
            Self::Map(key, value) => {
                let entries = Fields::from(vec![
                    ArrowField::new("key", key.arrow(), false),
                    ArrowField::new("value", value.arrow(), true),
                ]);
                DataType::Map(Arc::new(ArrowField::new("entries", DataType::Struct(entries), false)), false)
            }
            Self::Union(members) => {
                let tag = Arc::new(ArrowField::new("", UNION_TAG.arrow(), true));
                DataType::Struct(std::iter::once(tag).chain(struct_fields(members).iter().cloned()).collect())
            }
        }
    }

    /// The logical type that best fits a foreign Arrow layout, or `None` where there is none.
    ///
    /// The array must still be cast to [`LogicalType::arrow`] of the result.
    pub fn from_arrow(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::TinyInt,
            DataType::Int16 => Self::SmallInt,
            DataType::Int32 => Self::Integer,
            DataType::Int64 => Self::BigInt,
            DataType::UInt8 => Self::UTinyInt,
            DataType::UInt16 => Self::USmallInt,
            DataType::UInt32 => Self::UInteger,
            DataType::UInt64 => Self::UBigInt,
            DataType::Float16 | DataType::Float32 => Self::Float,
            DataType::Float64 => Self::Double,
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) if *s >= 0 => {
                Self::Decimal { width: (*p).max(*s as u8), scale: *s as u8 }
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Varchar,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Self::Blob,
            DataType::FixedSizeBinary(_) => Self::Blob,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Time64(TimeUnit::Nanosecond) => Self::TimeNs,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Timestamp(unit, None) => Self::Timestamp(*unit),
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Interval(_) | DataType::Duration(_) => Self::Interval,
            DataType::Dictionary(_, value) => Self::from_arrow(value)?,
            DataType::RunEndEncoded(_, value) => Self::from_arrow(value.data_type())?,
            DataType::List(f)
            | DataType::LargeList(f)
            | DataType::ListView(f)
            | DataType::LargeListView(f) => Self::List(Box::new(Self::from_arrow(f.data_type())?)),
            DataType::FixedSizeList(f, n) => {
                Self::Array(Box::new(Self::from_arrow(f.data_type())?), u32::try_from(*n).ok()?)
            }
            DataType::Struct(fields) => Self::Struct(
                fields
                    .iter()
                    .map(|f| Some((f.name().as_str().into(), Self::from_arrow(f.data_type())?)))
                    .collect::<Option<_>>()?,
            ),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(kv) if kv.len() == 2 => Self::Map(
                    Box::new(Self::from_arrow(kv[0].data_type())?),
                    Box::new(Self::from_arrow(kv[1].data_type())?),
                ),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// Whether this is an integer of any width and sign that fits 128 bits signed: all but `UHUGEINT`.
    pub fn is_integer(&self) -> bool {
        self.is_signed_integer() || self.is_unsigned_integer()
    }

    /// Whether this is a signed integer.
    pub fn is_signed_integer(&self) -> bool {
        matches!(self, Self::TinyInt | Self::SmallInt | Self::Integer | Self::BigInt | Self::HugeInt)
    }

    /// Whether this is an unsigned integer.
    pub fn is_unsigned_integer(&self) -> bool {
        matches!(self, Self::UTinyInt | Self::USmallInt | Self::UInteger | Self::UBigInt)
    }

    /// Whether this is `REAL` or `DOUBLE`.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }

    /// Whether this is an integer (but `UHUGEINT`), a decimal or a float.
    pub fn is_numeric(&self) -> bool {
        self.is_integer() || self.is_float() || matches!(self, Self::Decimal { .. })
    }

    /// Whether this is a date, a time or a timestamp of any kind.
    pub fn is_temporal(&self) -> bool {
        matches!(
            self,
            Self::Date | Self::Time | Self::TimeNs | Self::TimeTz | Self::Timestamp(_) | Self::TimestampTz
        )
    }

    /// Whether values are made of other values.
    pub fn is_nested(&self) -> bool {
        matches!(self, Self::List(_) | Self::Array(..) | Self::Struct(_) | Self::Map(..) | Self::Union(_))
    }

    /// Whether this is a struct whose fields have no names, as `row` makes it.
    pub fn is_tuple(&self) -> bool {
        matches!(self, Self::Struct(fields) if !fields.is_empty() && fields.iter().all(|(n, _)| n.is_empty()))
    }

    /// The range of an integer type, both ends included.
    pub fn integer_range(&self) -> Option<(i128, i128)> {
        Some(match self {
            Self::TinyInt => (i8::MIN as i128, i8::MAX as i128),
            Self::SmallInt => (i16::MIN as i128, i16::MAX as i128),
            Self::Integer => (i32::MIN as i128, i32::MAX as i128),
            Self::BigInt => (i64::MIN as i128, i64::MAX as i128),
            Self::HugeInt => (i128::MIN, i128::MAX),
            Self::UTinyInt => (0, u8::MAX as i128),
            Self::USmallInt => (0, u16::MAX as i128),
            Self::UInteger => (0, u32::MAX as i128),
            Self::UBigInt => (0, u64::MAX as i128),
            _ => return None,
        })
    }
}

/// The Arrow fields of a struct type.
fn struct_fields(fields: &[(Box<str>, LogicalType)]) -> Fields {
    fields.iter().map(|(name, ty)| ArrowField::new(name.as_ref(), ty.arrow(), true)).collect()
}

/// Writes the SQL spelling, as DuckDB's `typeof` gives it.
impl fmt::Display for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("\"NULL\""),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Integer => f.write_str("INTEGER"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::HugeInt => f.write_str("HUGEINT"),
            Self::UTinyInt => f.write_str("UTINYINT"),
            Self::USmallInt => f.write_str("USMALLINT"),
            Self::UInteger => f.write_str("UINTEGER"),
            Self::UBigInt => f.write_str("UBIGINT"),
            Self::UHugeInt => f.write_str("UHUGEINT"),
            Self::BigNum => f.write_str("BIGNUM"),
            Self::Variant => f.write_str("VARIANT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { width, scale } => write!(f, "DECIMAL({width},{scale})"),
            Self::Varchar => f.write_str("VARCHAR"),
            Self::Blob => f.write_str("BLOB"),
            Self::Bit => f.write_str("BIT"),
            Self::Uuid => f.write_str("UUID"),
            Self::Json => f.write_str("JSON"),
            Self::Date => f.write_str("DATE"),
            Self::Time => f.write_str("TIME"),
            Self::TimeNs => f.write_str("TIME_NS"),
            Self::TimeTz => f.write_str("TIME WITH TIME ZONE"),
            Self::Timestamp(TimeUnit::Second) => f.write_str("TIMESTAMP_S"),
            Self::Timestamp(TimeUnit::Millisecond) => f.write_str("TIMESTAMP_MS"),
            Self::Timestamp(TimeUnit::Microsecond) => f.write_str("TIMESTAMP"),
            Self::Timestamp(TimeUnit::Nanosecond) => f.write_str("TIMESTAMP_NS"),
            Self::TimestampTz => f.write_str("TIMESTAMP WITH TIME ZONE"),
            Self::Interval => f.write_str("INTERVAL"),
            Self::Enum(names) => {
                f.write_str("ENUM(")?;
                for (i, name) in names.iter().enumerate() {
                    write!(f, "{}'{}'", if i == 0 { "" } else { ", " }, name.replace('\'', "''"))?;
                }
                f.write_str(")")
            }
            Self::List(item) => write!(f, "{item}[]"),
            Self::Array(item, n) => write!(f, "{item}[{n}]"),
            Self::Struct(fields) if self.is_tuple() => {
                f.write_str("TUPLE(")?;
                for (i, (_, ty)) in fields.iter().enumerate() {
                    write!(f, "{}{ty}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
            Self::Struct(fields) => {
                f.write_str("STRUCT")?;
                write_named_types(fields, f)
            }
            Self::Map(key, value) => write!(f, "MAP({key}, {value})"),
            Self::Union(members) => {
                f.write_str("UNION")?;
                write_named_types(members, f)
            }
        }
    }
}

/// `(name type, …)`, names in quotes where they need them.
fn write_named_types(fields: &[(Box<str>, LogicalType)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("(")?;
    for (i, (name, ty)) in fields.iter().enumerate() {
        f.write_str(if i == 0 { "" } else { ", " })?;
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !is_word_of_sql(name);
        if plain {
            write!(f, "{name} {ty}")?;
        } else {
            write!(f, "\"{}\" {ty}", name.replace('"', "\"\""))?;
        }
    }
    f.write_str(")")
}
