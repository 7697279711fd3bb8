//! The starts of the buckets that times lie in.
//!
//! Times mostly come in order, so that many in a row lie in one bucket; and to compare is much cheaper than to divide.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowTimestampType;
use arrow_array::{Array, ArrayRef, PrimitiveArray};

use crate::column::types::LogicalType;
use crate::exec::buckets::Found;
use crate::exec::calendar::{TIMESTAMP_INFINITY, timestamp_is_finite};
use crate::exec::error::Result;

/// Times that are compared at once.
const TOGETHER: usize = 64;

/// `find` for each time that is not NULL; it is asked once for times in a row that have the same start. A bucket of no
/// length is that of its time alone.
pub(super) fn starts<T: ArrowTimestampType>(
    times: &ArrayRef,
    ty: &LogicalType,
    find: impl Fn(i64) -> Result<Found>,
) -> Result<ArrayRef> {
    let times = times.as_primitive::<T>();
    let mut last = Last { start: 0, from: 0, len: 0 };
    let mut values: Vec<i64> = Vec::with_capacity(times.len());
    match times.nulls().filter(|n| n.null_count() > 0) {
        None => {
            for together in times.values().chunks(TOGETHER) {
                if last.has_all(together) {
                    values.resize(values.len() + together.len(), last.start);
                    continue;
                }
                for time in together {
                    values.push(last.start_of(*time, &find)?);
                }
            }
        }
        Some(nulls) => {
            for (time, valid) in times.values().iter().zip(nulls) {
                values.push(if valid { last.start_of(*time, &find)? } else { 0 });
            }
        }
    }
    let out = PrimitiveArray::<T>::new(values.into(), times.nulls().cloned());
    Ok(Arc::new(out.with_data_type(ty.arrow())))
}

/// The bucket of the time before.
struct Last {
    start: i64,
    from: i64,
    /// 0 where there is none.
    len: u64,
}

impl Last {
    /// Whether all times lie in it.
    fn has_all(&self, times: &[i64]) -> bool {
        let Some(len) = i64::try_from(self.len).ok().filter(|len| *len > 0) else { return false };
        let to = self.from.wrapping_add(len - 1);
        // A negative difference leaves its sign. One that is too large is negative, and then the other is not: the bucket
        // is shorter than half of all times.
        times.iter().fold(0, |signs, t| signs | t.wrapping_sub(self.from) | to.wrapping_sub(*t)) >= 0
    }

    fn start_of(&mut self, t: i64, find: impl Fn(i64) -> Result<Found>) -> Result<i64> {
        // A time before the first becomes a huge number.
        if (t.wrapping_sub(self.from) as u64) < self.len {
            return Ok(self.start);
        }
        let (start, from, len) = find(t)?;
        // Infinity has no bucket.
        let is_finite = timestamp_is_finite(from) && from.saturating_add(len) < TIMESTAMP_INFINITY;
        *self = Self { start, from, len: if is_finite { u64::try_from(len).unwrap_or(0) } else { 0 } };
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::TimestampMicrosecondArray;
    use arrow_array::types::TimestampMicrosecondType;
    use arrow_schema::TimeUnit;
    use proptest::prelude::*;

    use super::*;

    fn time() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => -200..200_i64,
            1 => any::<i64>(),
            1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX, i64::MAX - 1]),
        ]
    }

    proptest! {
        #[test]
        fn each_time_has_the_start_that_is_found_for_it(
            runs in prop::collection::vec((time(), 0..3_i64, 1..200_i64), 0..6),
            width in prop_oneof![1..300_i64, Just(i64::MAX / 2)],
            nulls in any::<bool>(),
        ) {
            let find = |t: i64| {
                // It need not say all that it knows.
                match i64::try_from(i128::from(t).div_euclid(width.into()) * i128::from(width)) {
                    Ok(start) if t % 7 > 0 => Ok((start, start, width)),
                    Ok(start) => Ok((start, t, 1)),
                    Err(_) => Ok((i64::MIN, t, 0)),
                }
            };
            let times: Vec<Option<i64>> = runs
                .iter()
                .flat_map(|(first, step, len)| (0..*len).map(move |i| first.saturating_add(i * step)))
                .enumerate()
                .map(|(i, t)| (!nulls || i % 3 > 0).then_some(t))
                .collect();
            let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times.clone()));
            let found = starts::<TimestampMicrosecondType>(&array, &LogicalType::Timestamp(TimeUnit::Microsecond), find).unwrap();
            let found: Vec<_> = found.as_primitive::<TimestampMicrosecondType>().iter().collect();
            let expected: Vec<_> = times.into_iter().map(|t| t.map(|t| find(t).unwrap().0)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
