//! The type of a chunk's values as the chunk itself tells it, where nobody else does any more.

use std::sync::Arc;

use crate::column::layout::Layout;
use crate::column::le::{Damage, Decoded, ensure};
use crate::column::types::{LogicalType, TimeUnit};

/// Types nest no deeper.
const DEPTH_MAX: usize = 64;
/// Names that are made up for an ENUM.
const NAMES_MAX: u32 = 1 << 16;

/// The type of the values of the chunk in `bytes`. Names are not in it: fields are called by their numbers, and so are
/// the values of an ENUM, as far as there are values.
///
/// # Errors
/// The header is damaged, or of an unknown type.
pub(crate) fn stored_type(bytes: &[u8]) -> Decoded<LogicalType> {
    nested(bytes, 0)
}

fn nested(bytes: &[u8], depth: usize) -> Decoded<LogicalType> {
    use LogicalType as T;
    ensure(depth < DEPTH_MAX, "types nest too deeply")?;
    let layout = Layout::parse(bytes)?;
    let header = &layout.header;
    let child =
        |at: usize| -> Decoded<Box<T>> { Ok(Box::new(nested(&bytes[layout.child(bytes, at)?], depth + 1)?)) };
    let fields = |from: usize| -> Decoded<Arc<[(Box<str>, T)]>> {
        let children = from..usize::from(header.child_count);
        children.map(|at| Ok((format!("field_{}", at - from + 1).into(), *child(at)?))).collect()
    };
    let param = header.type_param.get();
    Ok(match header.type_tag {
        1 => T::Boolean,
        2 => T::TinyInt,
        3 => T::SmallInt,
        4 => T::Integer,
        5 => T::BigInt,
        6 => T::HugeInt,
        7 => T::UTinyInt,
        8 => T::USmallInt,
        9 => T::UInteger,
        10 => T::UBigInt,
        11 => T::Float,
        12 => T::Double,
        13 => {
            let [width, scale] = param.to_le_bytes();
            ensure((1..=38).contains(&width) && scale <= width, "a DECIMAL that cannot be")?;
            T::Decimal { width, scale }
        }
        14 => T::Varchar,
        15 => T::Blob,
        16 => T::Uuid,
        17 => T::Json,
        18 => T::Date,
        19 => T::Time,
        20 => T::Timestamp(match param {
            0 => TimeUnit::Second,
            1 => TimeUnit::Millisecond,
            2 => TimeUnit::Microsecond,
            3 => TimeUnit::Nanosecond,
            _ => return Err(Damage::new("an unknown unit of time")),
        }),
        21 => T::TimestampTz,
        22 => T::Interval,
        23 => T::Enum(names(&layout, bytes)?),
        24 => T::List(child(0)?),
        25 => {
            let at = layout.child(bytes, 0)?;
            let items = Layout::parse(&bytes[at])?.rows;
            // Those that are NULL have items too, or there are none at all.
            let length = items.checked_div(layout.rows).unwrap_or(0);
            ensure(length * layout.rows == items, "arrays of different lengths")?;
            T::Array(child(0)?, length as u32)
        }
        26 => T::Struct(fields(0)?),
        27 => T::Map(child(0)?, child(1)?),
        28 => T::UHugeInt,
        29 => T::TimeTz,
        30 => T::Bit,
        // The first child says which member a value is of.
        31 => T::Union(fields(1)?),
        32 => T::TimeNs,
        33 => T::BigNum,
        34 => T::Variant,
        _ => return Err(Damage::new("an unknown type")),
    })
}

/// Names for the values of an ENUM that there are.
fn names(layout: &Layout, bytes: &[u8]) -> Decoded<Arc<[Box<str>]>> {
    let mut most = 0;
    for block in 0..layout.blocks {
        let entry = layout.entry(bytes, block)?;
        if let Ok(max) = <[u8; 4]>::try_from(entry.max)
            && entry.nulls < entry.rows
        {
            most = most.max(u32::from_le_bytes(max));
        }
    }
    ensure(most < NAMES_MAX, "an ENUM of too many names")?;
    Ok((0..=most).map(|position| format!("value_{}", position + 1).into()).collect())
}
