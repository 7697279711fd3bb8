//! The starts of the buckets that times lie in.
//!
//! Times mostly come in order, so that many in a row lie in one bucket; and to compare is much cheaper than to divide.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, PrimitiveArray};

use crate::column::types::LogicalType;
use crate::exec::calendar::{TIMESTAMP_INFINITY, timestamp_is_finite};
use crate::exec::error::Result;

/// The start of a bucket, and the times that have it: the first, and how many microseconds.
pub(super) type Bucket = (i64, i64, i64);

/// `find` for each time that is not NULL; it is asked once for times in a row that have the same start. A bucket of no
/// length is that of its time alone.
pub(super) fn starts(
    times: &ArrayRef,
    ty: &LogicalType,
    find: impl Fn(i64) -> Result<Bucket>,
) -> Result<ArrayRef> {
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let (mut start, mut from, mut len) = (0, 0, 0_u64);
    let mut one = |t: i64| {
        // A time before the first becomes a huge number.
        if (t.wrapping_sub(from) as u64) < len {
            return Ok(start);
        }
        let found = find(t)?;
        // Infinity has no bucket.
        let is_finite = timestamp_is_finite(found.1) && found.1.saturating_add(found.2) < TIMESTAMP_INFINITY;
        (start, from) = (found.0, found.1);
        len = if is_finite { u64::try_from(found.2).unwrap_or(0) } else { 0 };
        Ok(start)
    };
    let values: Vec<i64> = match times.nulls().filter(|n| n.null_count() > 0) {
        None => times.values().iter().map(|&t| one(t)).collect::<Result<_>>()?,
        Some(nulls) => times
            .values()
            .iter()
            .zip(nulls)
            .map(|(&t, valid)| if valid { one(t) } else { Ok(0) })
            .collect::<Result<_>>()?,
    };
    let out = PrimitiveArray::<TimestampMicrosecondType>::new(values.into(), times.nulls().cloned());
    Ok(Arc::new(out.with_data_type(ty.arrow())))
}
