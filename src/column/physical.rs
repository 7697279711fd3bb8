//! How the values of a logical type lie in a chunk.

use arrow_schema::TimeUnit;

use crate::column::types::LogicalType;

/// The shape of the values of a type at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Physical {
    /// One bit a value.
    Boolean,
    /// Whole numbers of 1, 2, 4, 8 or 16 bytes.
    Int {
        /// Bytes a value.
        width: usize,
        /// Two's complement.
        signed: bool,
    },
    /// IEEE 754 of 4 or 8 bytes.
    Float {
        /// Bytes a value.
        width: usize,
    },
    /// 16 bytes, compared as bytes.
    Uuid,
    /// Byte strings of any length.
    Bytes {
        /// Whether they are valid UTF-8.
        text: bool,
    },
    /// Months, days, nanoseconds.
    Interval,
    /// Values that lie in child chunks.
    Nested(Nesting),
}

/// How a nested value is made of rows of the child chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nesting {
    /// One child; each value is any number of its rows, one after another.
    List,
    /// As a list, with two children: keys and values.
    Map,
    /// One child; each value is this many of its rows.
    Array(u32),
    /// Each value is one row of every child.
    Struct,
}

impl Physical {
    /// The shape of a type; `None` for the type of a bare NULL, which is never stored.
    pub(crate) fn of(ty: &LogicalType) -> Option<Self> {
        use LogicalType as T;
        let int = |width, signed| Some(Self::Int { width, signed });
        match ty {
            T::Null => None,
            T::Boolean => Some(Self::Boolean),
            T::TinyInt => int(1, true),
            T::SmallInt => int(2, true),
            T::Integer | T::Date => int(4, true),
            T::BigInt | T::Time | T::TimeNs | T::TimeTz | T::Timestamp(_) | T::TimestampTz => int(8, true),
            T::HugeInt => int(16, true),
            T::UTinyInt => int(1, false),
            T::USmallInt => int(2, false),
            T::UInteger | T::Enum(_) => int(4, false),
            T::UBigInt => int(8, false),
            T::Float => Some(Self::Float { width: 4 }),
            T::Double => Some(Self::Float { width: 8 }),
            T::Decimal { width, .. } => {
                int(if *width <= crate::column::types::DECIMAL64_MAX_WIDTH { 8 } else { 16 }, true)
            }
            T::Varchar | T::Json => Some(Self::Bytes { text: true }),
            T::Blob | T::Bit | T::BigNum | T::Variant => Some(Self::Bytes { text: false }),
            T::Uuid | T::UHugeInt => Some(Self::Uuid),
            T::Interval => Some(Self::Interval),
            T::List(_) => Some(Self::Nested(Nesting::List)),
            T::Map(..) => Some(Self::Nested(Nesting::Map)),
            T::Array(_, n) => Some(Self::Nested(Nesting::Array(*n))),
            T::Struct(_) | T::Union(_) => Some(Self::Nested(Nesting::Struct)),
        }
    }

    /// Bytes of a minimum or maximum in a block's directory entry; 0 where there are none.
    pub(crate) fn bound_width(self) -> usize {
        match self {
            Self::Boolean => 1,
            Self::Int { width, .. } | Self::Float { width } => width,
            Self::Uuid | Self::Bytes { .. } => 16,
            Self::Interval | Self::Nested(_) => 0,
        }
    }
}

/// Bytes of a sum in a block's directory entry; 0 where a sum means nothing.
pub(crate) fn sum_width(ty: &LogicalType) -> usize {
    match Physical::of(ty) {
        _ if !ty.is_numeric() => 0,
        Some(Physical::Int { width: 16, .. }) => 16,
        Some(Physical::Int { .. } | Physical::Float { .. }) => 8,
        _ => 0,
    }
}

/// The number that stands for a type in a chunk's header, and its parameter. Never changes; 0 is never used.
pub(crate) fn type_tag(ty: &LogicalType) -> (u8, u16) {
    use LogicalType as T;
    match ty {
        T::Null => (0, 0),
        T::Boolean => (1, 0),
        T::TinyInt => (2, 0),
        T::SmallInt => (3, 0),
        T::Integer => (4, 0),
        T::BigInt => (5, 0),
        T::HugeInt => (6, 0),
        T::UTinyInt => (7, 0),
        T::USmallInt => (8, 0),
        T::UInteger => (9, 0),
        T::UBigInt => (10, 0),
        T::Float => (11, 0),
        T::Double => (12, 0),
        T::Decimal { width, scale } => (13, u16::from(*width) | u16::from(*scale) << 8),
        T::Varchar => (14, 0),
        T::Blob => (15, 0),
        T::Uuid => (16, 0),
        T::Json => (17, 0),
        T::Date => (18, 0),
        T::Time => (19, 0),
        T::Timestamp(TimeUnit::Second) => (20, 0),
        T::Timestamp(TimeUnit::Millisecond) => (20, 1),
        T::Timestamp(TimeUnit::Microsecond) => (20, 2),
        T::Timestamp(TimeUnit::Nanosecond) => (20, 3),
        T::TimestampTz => (21, 0),
        T::Interval => (22, 0),
        T::Enum(_) => (23, 0),
        T::List(_) => (24, 0),
        T::Array(..) => (25, 0),
        T::Struct(_) => (26, 0),
        T::Map(..) => (27, 0),
        T::UHugeInt => (28, 0),
        T::TimeTz => (29, 0),
        T::Bit => (30, 0),
        T::Union(_) => (31, 0),
        T::TimeNs => (32, 0),
        T::BigNum => (33, 0),
        T::Variant => (34, 0),
    }
}
