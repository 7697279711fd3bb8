//! The parts of an encoded value.

use std::cmp::Ordering;

use super::{HEIGHT_MAX, damaged};
use crate::column::types::{DECIMAL_MAX_WIDTH, DECIMAL64_MAX_WIDTH, LogicalType, TIMESTAMP, TimeUnit};
use crate::exec::error::Result;

macro_rules! tags {
    ($($name:ident = $number:literal, $size:expr, $shown:literal;)*) => {
        /// What a value is. The numbers are those of the file, for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Tag {
            $(#[allow(missing_docs)] $name = $number,)*
        }

        impl Tag {
            fn of(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The bytes behind the tag, where all values have as many.
            fn size(self) -> Option<usize> {
                match self {
                    $(Self::$name => $size,)*
                }
            }

            /// What `variant_typeof` calls it.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $shown,)*
                }
            }
        }
    };
}

tags! {
    Null = 0, Some(0), "VARIANT_NULL";
    False = 1, Some(0), "BOOL_FALSE";
    True = 2, Some(0), "BOOL_TRUE";
    Int8 = 3, Some(1), "INT8";
    Int16 = 4, Some(2), "INT16";
    Int32 = 5, Some(4), "INT32";
    Int64 = 6, Some(8), "INT64";
    Int128 = 7, Some(16), "INT128";
    UInt8 = 8, Some(1), "UINT8";
    UInt16 = 9, Some(2), "UINT16";
    UInt32 = 10, Some(4), "UINT32";
    UInt64 = 11, Some(8), "UINT64";
    UInt128 = 12, Some(16), "UINT128";
    Float = 13, Some(4), "FLOAT";
    Double = 14, Some(8), "DOUBLE";
    Decimal = 15, None, "DECIMAL";
    Text = 16, None, "VARCHAR";
    Blob = 17, None, "BLOB";
    Bit = 18, None, "BITSTRING";
    BigNum = 19, None, "BIGNUM";
    Uuid = 20, Some(16), "UUID";
    Date = 21, Some(4), "DATE";
    Time = 22, Some(8), "TIME_MICROS";
    TimeNs = 23, Some(8), "TIME_NANOS";
    TimeTz = 24, Some(8), "TIME_MICROS_TZ";
    Seconds = 25, Some(8), "TIMESTAMP_SEC";
    Millis = 26, Some(8), "TIMESTAMP_MILIS";
    Micros = 27, Some(8), "TIMESTAMP_MICROS";
    Nanos = 28, Some(8), "TIMESTAMP_NANOS";
    Instant = 29, Some(8), "TIMESTAMP_MICROS_TZ";
    Interval = 30, Some(16), "INTERVAL";
    Array = 32, None, "ARRAY";
    Object = 33, None, "OBJECT";
}

/// A value that is not made of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaf<'a> {
    /// Neither NULL, nor an array or object.
    pub tag: Tag,
    /// Behind the tag: as many as the tag has, or those of the text and so on.
    bytes: &'a [u8],
}

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    Null,
    Leaf(Leaf<'a>),
    Array(Array<'a>),
    Object(Object<'a>),
}

/// Ends of parts, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends<'a>(&'a [[u8; 4]]);

impl<'a> Ends<'a> {
    /// `count` of them at the front of `bytes`.
    fn split(bytes: &'a [u8], count: usize) -> Option<(Self, &'a [u8])> {
        let (ends, rest) = bytes.split_at_checked(count.checked_mul(4)?)?;
        Some((Self(ends.as_chunks::<4>().0), rest))
    }

    fn end(self, at: usize) -> usize {
        u32::from_le_bytes(self.0[at]) as usize
    }

    /// The bytes of a part.
    fn part(self, at: usize, of: &'a [u8]) -> Result<&'a [u8]> {
        let start = if at == 0 { 0 } else { self.end(at - 1) };
        of.get(start..self.end(at)).ok_or_else(damaged)
    }

    /// The end of the last part.
    fn last(self) -> usize {
        self.0.last().map_or(0, |end| u32::from_le_bytes(*end) as usize)
    }
}

/// Values in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Array<'a> {
    ends: Ends<'a>,
    values: &'a [u8],
}

impl<'a> Array<'a> {
    pub(crate) fn len(self) -> usize {
        self.ends.0.len()
    }

    /// The bytes of an item, which there is.
    pub(crate) fn item(self, at: usize) -> Result<&'a [u8]> {
        self.ends.part(at, self.values)
    }

    pub(crate) fn items(self) -> impl Iterator<Item = Result<&'a [u8]>> {
        (0..self.len()).map(move |at| self.item(at))
    }
}

/// Values with names, in the order of the names' bytes; no name twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object<'a> {
    key_ends: Ends<'a>,
    value_ends: Ends<'a>,
    keys: &'a [u8],
    values: &'a [u8],
}

impl<'a> Object<'a> {
    pub(crate) fn len(self) -> usize {
        self.key_ends.0.len()
    }

    pub(crate) fn key(self, at: usize) -> Result<&'a str> {
        std::str::from_utf8(self.key_ends.part(at, self.keys)?).map_err(|_| damaged())
    }

    /// The bytes of a value, which there is.
    pub(crate) fn value(self, at: usize) -> Result<&'a [u8]> {
        self.value_ends.part(at, self.values)
    }

    /// Names and bytes of values.
    pub(crate) fn members(self) -> impl Iterator<Item = Result<(&'a str, &'a [u8])>> {
        (0..self.len()).map(move |at| Ok((self.key(at)?, self.value(at)?)))
    }

    /// The bytes of the value of that name.
    pub(crate) fn get(self, name: &str) -> Result<Option<&'a [u8]>> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.key(middle)?.cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return self.value(middle).map(Some),
            }
        }
        Ok(None)
    }
}

/// The height and the number of parts of an array or object, and what lies behind them.
fn head(bytes: &[u8]) -> Option<(u16, usize, &[u8])> {
    let (height, rest) = bytes.split_first_chunk::<2>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    Some((u16::from_le_bytes(*height), u32::from_le_bytes(*count) as usize, rest))
}

/// How deeply an encoded value nests: 0 if it is not made of others.
pub(super) fn height(bytes: &[u8]) -> u16 {
    match bytes.split_first() {
        Some((tag, rest)) if [Tag::Array as u8, Tag::Object as u8].contains(tag) => {
            head(rest).map_or(0, |(height, ..)| height)
        }
        _ => 0,
    }
}

impl<'a> Node<'a> {
    /// The value that the bytes are; its parts are not looked at yet.
    ///
    /// # Errors
    /// The bytes are damaged.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self> {
        let (number, rest) = bytes.split_first().ok_or_else(damaged)?;
        let tag = Tag::of(*number).ok_or_else(damaged)?;
        if tag.size().is_some_and(|size| size != rest.len()) {
            return Err(damaged());
        }
        Self::parts(tag, rest).ok_or_else(damaged)
    }

    fn parts(tag: Tag, rest: &'a [u8]) -> Option<Self> {
        Some(match tag {
            Tag::Null => Self::Null,
            Tag::Array => {
                let (_, count, rest) = head(rest)?;
                let (ends, values) = Ends::split(rest, count)?;
                Self::Array(Array { ends, values })
            }
            Tag::Object => {
                let (_, count, rest) = head(rest)?;
                let (key_ends, rest) = Ends::split(rest, count)?;
                let (value_ends, rest) = Ends::split(rest, count)?;
                let (keys, values) = rest.split_at_checked(key_ends.last())?;
                Self::Object(Object { key_ends, value_ends, keys, values })
            }
            Tag::Text => {
                std::str::from_utf8(rest).ok()?;
                Self::Leaf(Leaf { tag, bytes: rest })
            }
            Tag::Decimal => {
                let [width, scale, digits @ ..] = rest else { return None };
                let is_type = (1..=DECIMAL_MAX_WIDTH).contains(width) && scale <= width;
                let size = if *width <= DECIMAL64_MAX_WIDTH { 8 } else { 16 };
                (is_type && digits.len() == size).then_some(Self::Leaf(Leaf { tag, bytes: rest }))?
            }
            // A bit string has at least the byte that says how many bits are used.
            Tag::Bit if rest.is_empty() => return None,
            tag => Self::Leaf(Leaf { tag, bytes: rest }),
        })
    }

    /// [`Node::read`] of a part that lies `depth` levels deep.
    ///
    /// # Errors
    /// The bytes are damaged, as they are if that is deeper than values may be.
    pub(crate) fn read_at(bytes: &'a [u8], depth: u16) -> Result<Self> {
        if depth > HEIGHT_MAX { Err(damaged()) } else { Self::read(bytes) }
    }

    /// What the value is.
    pub(crate) fn tag(&self) -> Tag {
        match self {
            Self::Null => Tag::Null,
            Self::Leaf(leaf) => leaf.tag,
            Self::Array(_) => Tag::Array,
            Self::Object(_) => Tag::Object,
        }
    }
}

impl<'a> Leaf<'a> {
    /// The type that the value had.
    pub(crate) fn ty(&self) -> LogicalType {
        use LogicalType as T;
        match self.tag {
            Tag::Null | Tag::Array | Tag::Object => T::Null,
            Tag::False | Tag::True => T::Boolean,
            Tag::Int8 => T::TinyInt,
            Tag::Int16 => T::SmallInt,
            Tag::Int32 => T::Integer,
            Tag::Int64 => T::BigInt,
            Tag::Int128 => T::HugeInt,
            Tag::UInt8 => T::UTinyInt,
            Tag::UInt16 => T::USmallInt,
            Tag::UInt32 => T::UInteger,
            Tag::UInt64 => T::UBigInt,
            Tag::UInt128 => T::UHugeInt,
            Tag::Float => T::Float,
            Tag::Double => T::Double,
            Tag::Decimal => T::Decimal { width: self.bytes[0], scale: self.bytes[1] },
            Tag::Text => T::Varchar,
            Tag::Blob => T::Blob,
            Tag::Bit => T::Bit,
            Tag::BigNum => T::BigNum,
            Tag::Uuid => T::Uuid,
            Tag::Date => T::Date,
            Tag::Time => T::Time,
            Tag::TimeNs => T::TimeNs,
            Tag::TimeTz => T::TimeTz,
            Tag::Seconds => T::Timestamp(TimeUnit::Second),
            Tag::Millis => T::Timestamp(TimeUnit::Millisecond),
            Tag::Micros => TIMESTAMP,
            Tag::Nanos => T::Timestamp(TimeUnit::Nanosecond),
            Tag::Instant => T::TimestampTz,
            Tag::Interval => T::Interval,
        }
    }

    /// Whether both are of one type.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let tag = |leaf: &Self| if leaf.tag == Tag::False { Tag::True } else { leaf.tag };
        tag(self) == tag(other) && (self.tag != Tag::Decimal || self.bytes[..2] == other.bytes[..2])
    }

    /// The bytes of a text, a blob, a bit string, an integer of any size or a UUID.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&'a str> {
        if self.tag == Tag::Text { std::str::from_utf8(self.bytes).ok() } else { None }
    }

    /// The first `N` bytes behind the tag, zeros where there are fewer.
    fn front<const N: usize>(bytes: &[u8]) -> [u8; N] {
        let mut out = [0; N];
        let length = bytes.len().min(N);
        out[..length].copy_from_slice(&bytes[..length]);
        out
    }

    /// What is a whole number in memory, a decimal without its point.
    pub(crate) fn int(&self) -> i128 {
        let b = self.bytes;
        match self.tag {
            Tag::Int8 => i8::from_le_bytes(Self::front(b)).into(),
            Tag::Int16 => i16::from_le_bytes(Self::front(b)).into(),
            Tag::Int32 | Tag::Date => i32::from_le_bytes(Self::front(b)).into(),
            Tag::UInt8 => u8::from_le_bytes(Self::front(b)).into(),
            Tag::UInt16 => u16::from_le_bytes(Self::front(b)).into(),
            Tag::UInt32 => u32::from_le_bytes(Self::front(b)).into(),
            Tag::UInt64 => u64::from_le_bytes(Self::front(b)).into(),
            Tag::Int128 => i128::from_le_bytes(Self::front(b)),
            Tag::Decimal if b.len() == 10 => i64::from_le_bytes(Self::front(&b[2..])).into(),
            Tag::Decimal => i128::from_le_bytes(Self::front(&b[2..])),
            _ => i64::from_le_bytes(Self::front(b)).into(),
        }
    }

    /// The scale of a decimal.
    pub(crate) fn scale(&self) -> u8 {
        self.bytes[1]
    }

    /// A `UHUGEINT`.
    pub(crate) fn uhuge(&self) -> u128 {
        u128::from_le_bytes(Self::front(self.bytes))
    }

    /// A float of either size.
    pub(crate) fn float(&self) -> f64 {
        match self.tag {
            Tag::Float => f32::from_le_bytes(Self::front(self.bytes)).into(),
            _ => f64::from_le_bytes(Self::front(self.bytes)),
        }
    }

    /// The months, days and nanoseconds of an interval.
    pub(crate) fn interval(&self) -> (i32, i32, i64) {
        let b = self.bytes;
        (
            i32::from_le_bytes(Self::front(b)),
            i32::from_le_bytes(Self::front(&b[4..])),
            i64::from_le_bytes(Self::front(&b[8..])),
        )
    }
}
