//! Lists that count.

use std::sync::Arc;

use arrow_array::types::{Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType};
use arrow_array::{Int64Array, new_null_array};
use arrow_buffer::{IntervalMonthDayNano, OffsetBuffer};

use super::{MAX_ELEMENTS, item_type};
use crate::column::types::LogicalType;
use crate::exec::calendar::{add_interval, timestamp_is_finite};
use crate::exec::cast::nested::list_array;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::kernel::{Column, Nulls, list_end, nulls_of};
use crate::exec::functions::room::Room;
use crate::exec::zone::Zone;

/// `range` and `generate_series` of integers.
pub(super) fn range_kernel(inclusive: bool) -> ScalarKernel {
    Box::new(move |args, ty, rows, context| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let column = |i: usize| Column::<Int64Type>::open(args, i, rows);
        let (start, stop, step) = match args.len() {
            1 => (None, column(0)?, None),
            2 => (Some(column(0)?), column(1)?, None),
            _ => (Some(column(0)?), column(1)?, Some(column(2)?)),
        };
        let mut room = Room::new(context);
        let mut values: Vec<i64> = vec![];
        let mut offsets = vec![0];
        for row in 0..rows {
            if nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
                let from = start.as_ref().map_or(0, |c| c.get(row));
                let by = step.as_ref().map_or(1, |c| c.get(row));
                let to = stop.get(row);
                let mut v = from;
                if by != 0 {
                    let count = (i128::from(to) - i128::from(from)) / i128::from(by);
                    if count > (MAX_ELEMENTS - values.len()) as i128 {
                        return Err(ExecError::OutOfRange(
                            "Lists larger than 2^27 elements are not supported".into(),
                        ));
                    }
                    room.take(usize::try_from(count).unwrap_or(0) * size_of::<i64>())?;
                }
                let more = |v: i64| match (by > 0, inclusive) {
                    (true, false) => v < to,
                    (true, true) => v <= to,
                    (false, false) => v > to,
                    (false, true) => v >= to,
                };
                while by != 0 && more(v) {
                    values.push(v);
                    match v.checked_add(by) {
                        Some(next) => v = next,
                        None => break,
                    }
                }
            }
            offsets.push(list_end(values.len())?);
        }
        list_array(
            &LogicalType::BigInt,
            OffsetBuffer::new(offsets.into()),
            Arc::new(Int64Array::from(values)),
            nulls,
        )
    })
}

/// `range` and `generate_series` of timestamps.
pub(super) fn time_range_kernel(inclusive: bool) -> ScalarKernel {
    Box::new(move |args, ty, rows, ctx| {
        let zoned = item_type(ty) == LogicalType::TimestampTz;
        let zone = if zoned { &ctx.zone } else { Zone::utc_ref() };
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let from = Column::<TimestampMicrosecondType>::open(args, 0, rows)?;
        let to = Column::<TimestampMicrosecondType>::open(args, 1, rows)?;
        let by = Column::<IntervalMonthDayNanoType>::open(args, 2, rows)?;
        let mut room = Room::new(ctx);
        let mut values: Vec<i64> = vec![];
        let mut offsets = vec![0];
        for row in 0..rows {
            if nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
                let ends = (from.get(row), to.get(row));
                time_range(ends, by.get(row), inclusive, zone, &mut values, &mut room)?;
            }
            offsets.push(list_end(values.len())?);
        }
        let item = item_type(ty);
        let values = arrow_array::TimestampMicrosecondArray::from(values).with_data_type(item.arrow());
        list_array(&item, OffsetBuffer::new(offsets.into()), Arc::new(values), nulls)
    })
}

/// The timestamps of a series, appended.
fn time_range(
    (from, to): (i64, i64),
    by: IntervalMonthDayNano,
    inclusive: bool,
    zone: &Zone,
    out: &mut Vec<i64>,
    room: &mut Room<'_>,
) -> Result<()> {
    let bad = |m: &str| Err(ExecError::InvalidInput(m.into()));
    if !timestamp_is_finite(from) || !timestamp_is_finite(to) {
        return bad("Interval infinite bounds not supported");
    }
    let signs = [i64::from(by.months), i64::from(by.days), by.nanoseconds];
    let (up, down) = (signs.iter().any(|s| *s > 0), signs.iter().any(|s| *s < 0));
    if up && down {
        return bad("Interval with mix of negative/positive entries not supported");
    }
    if !up && !down {
        return Ok(());
    }
    let mut t = from;
    loop {
        let more = match (up, inclusive) {
            (true, false) => t < to,
            (true, true) => t <= to,
            (false, false) => t > to,
            (false, true) => t >= to,
        };
        if !more {
            return Ok(());
        }
        if out.len() >= MAX_ELEMENTS {
            return Err(ExecError::OutOfRange("Lists larger than 2^27 elements are not supported".into()));
        }
        room.take(size_of::<i64>())?;
        out.push(t);
        let local = add_interval(zone.local(t), by.months, by.days, 0);
        match local.and_then(|local| add_interval(zone.instant(local), 0, 0, by.nanoseconds)) {
            Some(next) if next != t => t = next,
            _ => return Ok(()),
        }
    }
}
