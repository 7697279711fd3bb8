//! Logical types in records.
//!
//! ```text
//! byte 0     tag (below; 0 is never valid)
//! then       DECIMAL: width u8, scale u8
//!            TIMESTAMP: unit u8 (0 s, 1 ms, 2 µs, 3 ns)
//!            ENUM: count u32, then each name as text
//!            LIST: the item's type      ARRAY: length u32, the item's type
//!            STRUCT: count u32, then each field's name as text and its type
//!            MAP: the key's type, the value's type
//!            UNION: as STRUCT, of its members
//! ```

use std::sync::Arc;

use crate::catalog::record::{Decoded, Malformed, RecordReader, RecordWriter};
use crate::column::types::{DECIMAL_MAX_WIDTH, LogicalType, TimeUnit, UNION_MEMBERS_MAX};

/// How deep types may nest in each other.
pub const TYPE_DEPTH_MAX: usize = 64;

/// The tags of types without parameters. Numbers are for ever.
const PLAIN: [(u8, LogicalType); 27] = [
    (1, LogicalType::Null),
    (2, LogicalType::Boolean),
    (3, LogicalType::TinyInt),
    (4, LogicalType::SmallInt),
    (5, LogicalType::Integer),
    (6, LogicalType::BigInt),
    (7, LogicalType::HugeInt),
    (8, LogicalType::UTinyInt),
    (9, LogicalType::USmallInt),
    (10, LogicalType::UInteger),
    (11, LogicalType::UBigInt),
    (12, LogicalType::UHugeInt),
    (13, LogicalType::Float),
    (14, LogicalType::Double),
    (16, LogicalType::Varchar),
    (17, LogicalType::Blob),
    (18, LogicalType::Uuid),
    (19, LogicalType::Json),
    (20, LogicalType::Date),
    (21, LogicalType::Time),
    (23, LogicalType::TimestampTz),
    (24, LogicalType::Interval),
    (26, LogicalType::TimeTz),
    (27, LogicalType::Bit),
    (28, LogicalType::TimeNs),
    (29, LogicalType::BigNum),
    (30, LogicalType::Variant),
];

const DECIMAL: u8 = 15;
const TIMESTAMP: u8 = 22;
const ENUM: u8 = 25;
const LIST: u8 = 32;
const ARRAY: u8 = 33;
const STRUCT: u8 = 34;
const MAP: u8 = 35;
const UNION: u8 = 36;

/// Appends a type.
///
/// The type must not nest deeper than [`TYPE_DEPTH_MAX`], which the catalog checks when a column is made.
pub fn write_type(w: &mut RecordWriter, ty: &LogicalType) {
    match ty {
        LogicalType::Decimal { width, scale } => {
            w.u8(DECIMAL);
            w.u8(*width);
            w.u8(*scale);
        }
        LogicalType::Timestamp(unit) => {
            w.u8(TIMESTAMP);
            w.u8(match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 1,
                TimeUnit::Microsecond => 2,
                TimeUnit::Nanosecond => 3,
            });
        }
        LogicalType::Enum(names) => {
            w.u8(ENUM);
            w.count(names.len());
            names.iter().for_each(|name| w.text(name));
        }
        LogicalType::List(item) => {
            w.u8(LIST);
            write_type(w, item);
        }
        LogicalType::Array(item, length) => {
            w.u8(ARRAY);
            w.u32(*length);
            write_type(w, item);
        }
        LogicalType::Struct(fields) | LogicalType::Union(fields) => {
            w.u8(if matches!(ty, LogicalType::Struct(_)) { STRUCT } else { UNION });
            w.count(fields.len());
            for (name, ty) in fields.iter() {
                w.text(name);
                write_type(w, ty);
            }
        }
        LogicalType::Map(key, value) => {
            w.u8(MAP);
            write_type(w, key);
            write_type(w, value);
        }
        plain => {
            let tag = PLAIN.iter().find(|(_, ty)| ty == plain).map(|(tag, _)| *tag);
            w.u8(tag.expect("every type without parameters has a tag"));
        }
    }
}

/// Reads a type.
pub fn read_type(r: &mut RecordReader<'_>) -> Decoded<LogicalType> {
    read_nested(r, 0)
}

fn read_nested(r: &mut RecordReader<'_>, depth: usize) -> Decoded<LogicalType> {
    if depth > TYPE_DEPTH_MAX {
        return Err(Malformed::Bytes(format!("a type nests deeper than {TYPE_DEPTH_MAX} levels")));
    }
    let item = |r: &mut RecordReader<'_>| read_nested(r, depth + 1).map(Box::new);
    Ok(match r.u8()? {
        DECIMAL => {
            let (width, scale) = (r.u8()?, r.u8()?);
            if width == 0 || width > DECIMAL_MAX_WIDTH || scale > width {
                return Err(Malformed::Bytes(format!("DECIMAL({width},{scale}) does not exist")));
            }
            LogicalType::Decimal { width, scale }
        }
        TIMESTAMP => LogicalType::Timestamp(match r.u8()? {
            0 => TimeUnit::Second,
            1 => TimeUnit::Millisecond,
            2 => TimeUnit::Microsecond,
            3 => TimeUnit::Nanosecond,
            other => return Err(Malformed::Bytes(format!("{other} is no unit of time"))),
        }),
        ENUM => {
            let count = r.count(4)?;
            LogicalType::Enum((0..count).map(|_| r.text()).collect::<Decoded<Vec<_>>>()?.into())
        }
        LIST => LogicalType::List(item(r)?),
        ARRAY => {
            let length = r.u32()?;
            if i32::try_from(length).is_err() {
                return Err(Malformed::Bytes(format!("an array of {length} items does not exist")));
            }
            LogicalType::Array(item(r)?, length)
        }
        tag @ (STRUCT | UNION) => {
            let count = r.count(5)?;
            let fields: Vec<_> =
                (0..count).map(|_| Ok((r.text()?, read_nested(r, depth + 1)?))).collect::<Decoded<_>>()?;
            if tag == STRUCT {
                return Ok(LogicalType::Struct(Arc::from(fields)));
            }
            if fields.is_empty() || fields.len() > UNION_MEMBERS_MAX {
                return Err(Malformed::Bytes(format!("a union of {} members does not exist", fields.len())));
            }
            LogicalType::Union(Arc::from(fields))
        }
        MAP => LogicalType::Map(item(r)?, item(r)?),
        tag => match PLAIN.iter().find(|(t, _)| *t == tag) {
            Some((_, ty)) => ty.clone(),
            None => return Err(Malformed::Bytes(format!("{tag} is no type"))),
        },
    })
}

/// How many levels a type has, 0 for one that is not nested.
pub fn depth(ty: &LogicalType) -> usize {
    // A type comes from a parser that bounds its own depth, so that this recursion is bounded too.
    match ty {
        LogicalType::List(item) | LogicalType::Array(item, _) => 1 + depth(item),
        LogicalType::Struct(fields) | LogicalType::Union(fields) => {
            1 + fields.iter().map(|(_, ty)| depth(ty)).max().unwrap_or(0)
        }
        LogicalType::Map(key, value) => 1 + depth(key).max(depth(value)),
        _ => 0,
    }
}

#[cfg(test)]
pub mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::record::RecordKind;

    /// Any type.
    pub fn any_type() -> impl Strategy<Value = LogicalType> {
        let leaf = prop_oneof![
            8 => prop::sample::select(PLAIN.map(|(_, ty)| ty).to_vec()),
            1 => (1..=38u8).prop_flat_map(|width| (Just(width), 0..=width))
                .prop_map(|(width, scale)| LogicalType::Decimal { width, scale }),
            1 => prop::sample::select(vec![
                TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond,
            ]).prop_map(LogicalType::Timestamp),
            1 => prop::collection::vec(any::<String>(), 0..4)
                .prop_map(|names| LogicalType::Enum(names.into_iter().map(Box::from).collect())),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|ty| LogicalType::List(Box::new(ty))),
                (inner.clone(), 0..1000u32).prop_map(|(ty, n)| LogicalType::Array(Box::new(ty), n)),
                prop::collection::vec((any::<String>().prop_map(Box::from), inner.clone()), 0..3)
                    .prop_map(|fields| LogicalType::Struct(fields.into())),
                prop::collection::vec((any::<String>().prop_map(Box::from), inner.clone()), 1..3)
                    .prop_map(|members| LogicalType::Union(members.into())),
                (inner.clone(), inner).prop_map(|(k, v)| LogicalType::Map(Box::new(k), Box::new(v))),
            ]
        })
    }

    fn encode(ty: &LogicalType) -> Vec<u8> {
        let mut w = RecordWriter::new(RecordKind::Table);
        write_type(&mut w, ty);
        w.finish()
    }

    fn decode(bytes: &[u8]) -> Decoded<LogicalType> {
        let mut r = RecordReader::new(bytes, RecordKind::Table)?;
        let ty = read_type(&mut r)?;
        r.finish()?;
        Ok(ty)
    }

    proptest! {
        #[test]
        fn any_type_comes_back(ty in any_type()) {
            prop_assert_eq!(decode(&encode(&ty)).unwrap(), ty);
        }

        #[test]
        fn any_bytes_are_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            bytes.splice(0..0, [3, RecordKind::Table.version(), 0, 0]);
            if let Ok(ty) = decode(&bytes) {
                prop_assert_eq!(encode(&ty), bytes);
            }
        }
    }

    #[test]
    fn tags_are_unique_and_for_ever() {
        let mut tags: Vec<u8> = PLAIN.iter().map(|(tag, _)| *tag).collect();
        tags.extend([DECIMAL, TIMESTAMP, ENUM, LIST, ARRAY, STRUCT, MAP]);
        tags.sort_unstable();
        let count = tags.len();
        tags.dedup();
        assert_eq!(tags.len(), count);
        let decimal = LogicalType::Decimal { width: 9, scale: 2 };
        let ty =
            LogicalType::Map(Box::new(LogicalType::Varchar), Box::new(LogicalType::List(Box::new(decimal))));
        assert_eq!(encode(&ty)[4..], [35, 16, 32, 15, 9, 2]);
    }

    #[test]
    fn depth_is_bounded() {
        let mut bytes = vec![3, 1, 0, 0];
        bytes.extend(std::iter::repeat_n(LIST, 100_000));
        assert!(decode(&bytes).is_err());
        let mut ty = LogicalType::Integer;
        for _ in 0..TYPE_DEPTH_MAX {
            ty = LogicalType::List(Box::new(ty));
        }
        assert_eq!(depth(&ty), TYPE_DEPTH_MAX);
        assert_eq!(decode(&encode(&ty)).unwrap(), ty);
    }
}
