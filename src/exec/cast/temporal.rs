//! Conversions among dates, times, timestamps and intervals.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{ArrayRef, ArrowPrimitiveType};
use arrow_schema::TimeUnit;

use super::{Mode, try_map};
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::{
    DATE_INFINITY, DATE_NEG_INFINITY, MICROS_PER_DAY, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY,
    date_is_finite, timestamp_is_finite,
};
use crate::exec::error::{ExecError, Result};
use crate::exec::timetz;
use crate::exec::zone::Zone;

/// Units of a timestamp in a day.
pub(crate) fn units_per_day(unit: TimeUnit) -> i64 {
    86_400 * units_per_second(unit)
}

/// Units of a timestamp in a second.
pub(crate) fn units_per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

fn unit_of(ty: &LogicalType) -> TimeUnit {
    if let LogicalType::Timestamp(unit) = ty { *unit } else { TimeUnit::Microsecond }
}

/// Runs `$body` with `$t` as the Arrow type of a timestamp's unit.
macro_rules! with_unit {
    ($unit:expr, $t:ident => $body:expr) => {
        match $unit {
            TimeUnit::Second => {
                type $t = TimestampSecondType;
                $body
            }
            TimeUnit::Millisecond => {
                type $t = TimestampMillisecondType;
                $body
            }
            TimeUnit::Microsecond => {
                type $t = TimestampMicrosecondType;
                $body
            }
            TimeUnit::Nanosecond => {
                type $t = TimestampNanosecondType;
                $body
            }
        }
    };
}

/// A timestamp in another unit, rounded; infinities stay. `None` if it does not fit.
pub(crate) fn change_unit(v: i64, from: TimeUnit, to: TimeUnit) -> Option<i64> {
    if !timestamp_is_finite(v) {
        return Some(v);
    }
    let (a, b) = (units_per_second(from), units_per_second(to));
    if b >= a { v.checked_mul(b / a) } else { Some(rounded(v, a / b)) }
}

/// A number of units as that of units so many times as long, the nearest; of two equally near the one further from 0.
pub(crate) fn rounded(v: i64, units: i64) -> i64 {
    let (whole, rest) = (v / units, v % units);
    if rest.abs() >= units - rest.abs() { whole + rest.signum() } else { whole }
}

fn from_timestamp<A>(array: &ArrayRef, unit: TimeUnit, to: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef>
where
    A: ArrowPrimitiveType<Native = i64>,
{
    // What is finer than a microsecond is rounded first.
    if unit == TimeUnit::Nanosecond && matches!(to, LogicalType::Date | LogicalType::Time) {
        let micros = from_timestamp::<A>(array, unit, &TIMESTAMP, mode)?;
        return from_timestamp::<TimestampMicrosecondType>(&micros, TimeUnit::Microsecond, to, mode);
    }
    let array = array.as_primitive::<A>();
    match to {
        LogicalType::Timestamp(_) => {
            let target = unit_of(to);
            let message = |_| "Could not convert Timestamp to higher precision.".to_owned();
            with_unit!(target, B => {
                try_map::<A, B>(array, to, mode, |v| change_unit(v, unit, target), message)
            })
        }
        LogicalType::Date => {
            let per_day = units_per_day(unit);
            Ok(Arc::new(array.unary::<_, Date32Type>(|v| match v {
                TIMESTAMP_INFINITY => DATE_INFINITY,
                TIMESTAMP_NEG_INFINITY => DATE_NEG_INFINITY,
                v => v.div_euclid(per_day) as i32,
            })))
        }
        LogicalType::Time => {
            let per_day = units_per_day(unit);
            let micros = |v: i64| {
                let of_day = v.rem_euclid(per_day);
                timestamp_is_finite(v).then(|| of_day * (1_000_000 / units_per_second(unit)))
            };
            let message = |_| "Can't get TIME of infinite TIMESTAMP".to_owned();
            try_map::<A, Time64MicrosecondType>(array, to, mode, micros, message)
        }
        _ => Err(ExecError::Conversion(format!("Unimplemented type for cast (TIMESTAMP -> {to})"))),
    }
}

/// What the zone is ahead of UTC now, in seconds.
pub(crate) fn present_offset(zone: &Zone) -> i64 {
    if zone.is_utc() {
        return 0;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    zone.offset_seconds(now.as_micros() as i64)
}

/// Instants as the clock times of a zone, in the layout of `TIMESTAMP`.
pub(crate) fn to_local(array: &ArrayRef, zone: &Zone) -> ArrayRef {
    let array = array.as_primitive::<TimestampMicrosecondType>();
    let clock = zone.clock();
    Arc::new(array.unary::<_, TimestampMicrosecondType>(|t| clock.local(t)))
}

/// Clock times of a zone as instants.
pub(crate) fn to_instant(array: &ArrayRef, zone: &Zone) -> ArrayRef {
    let array = array.as_primitive::<TimestampMicrosecondType>();
    let clock = zone.clock();
    let out = array.unary::<_, TimestampMicrosecondType>(|t| clock.instant(t));
    Arc::new(out.with_data_type(LogicalType::TimestampTz.arrow()))
}

pub(super) fn cast(
    array: &ArrayRef,
    from: &LogicalType,
    to: &LogicalType,
    mode: Mode<'_>,
) -> Result<ArrayRef> {
    use LogicalType as T;
    match (from, to) {
        (_, T::TimestampTz) => {
            let local = super::cast_in(array, from, &TIMESTAMP, mode)?;
            Ok(to_instant(&local, mode.zone))
        }
        (T::TimestampTz, T::TimeTz) => {
            let clock = mode.zone.clock();
            let array = array.as_primitive::<TimestampMicrosecondType>();
            Ok(Arc::new(array.unary_opt::<_, Int64Type>(|t| {
                let offset = clock.offset(t);
                timestamp_is_finite(t)
                    .then(|| timetz::pack(clock.local(t).rem_euclid(MICROS_PER_DAY), offset))
            })))
        }
        (T::TimestampTz, _) => super::cast_in(&to_local(array, mode.zone), &TIMESTAMP, to, mode),
        (T::Date, T::Timestamp(_)) => {
            let unit = unit_of(to);
            let per_day = units_per_day(unit);
            let convert = |d: i32| match d {
                DATE_INFINITY => Some(TIMESTAMP_INFINITY),
                DATE_NEG_INFINITY => Some(TIMESTAMP_NEG_INFINITY),
                d => i64::from(d).checked_mul(per_day),
            };
            let message = |d: i32| {
                debug_assert!(date_is_finite(d));
                let mut shown = String::new();
                super::time_text::write_date(d, &mut shown);
                format!("Date {shown} is out of range for {to}")
            };
            with_unit!(unit, B => try_map::<Date32Type, B>(array.as_primitive(), to, mode, convert, message))
        }
        (T::Timestamp(TimeUnit::Nanosecond), T::TimeNs) => {
            let per_day = units_per_day(TimeUnit::Nanosecond);
            let convert = |v: i64| timestamp_is_finite(v).then(|| v.rem_euclid(per_day));
            let message = |_| "Can't get TIME of infinite TIMESTAMP".to_owned();
            let array = array.as_primitive::<TimestampNanosecondType>();
            try_map::<_, Time64NanosecondType>(array, to, mode, convert, message)
        }
        (T::Timestamp(_), T::TimeTz) => {
            let times = super::cast_in(array, from, &T::Time, mode)?;
            let times = times.as_primitive::<Time64MicrosecondType>();
            Ok(Arc::new(times.unary::<_, Int64Type>(|t| timetz::pack(t, 0))))
        }
        (T::Timestamp(_), _) => {
            let unit = unit_of(from);
            with_unit!(unit, A => from_timestamp::<A>(array, unit, to, mode))
        }
        (T::Time, T::TimeTz) => {
            let offset = present_offset(mode.zone);
            let times = array.as_primitive::<Time64MicrosecondType>();
            Ok(Arc::new(times.unary::<_, Int64Type>(|t| timetz::pack(t, offset))))
        }
        (T::Time, T::TimeNs) => {
            let times = array.as_primitive::<Time64MicrosecondType>();
            Ok(Arc::new(times.unary::<_, Time64NanosecondType>(|t| t.saturating_mul(1000))))
        }
        (T::TimeNs, T::Time) => {
            let times = array.as_primitive::<Time64NanosecondType>();
            Ok(Arc::new(times.unary::<_, Time64MicrosecondType>(|t| rounded(t, 1000))))
        }
        (T::TimeTz, T::Time) => {
            let packed = array.as_primitive::<Int64Type>();
            Ok(Arc::new(packed.unary::<_, Time64MicrosecondType>(|t| timetz::unpack(t).0)))
        }
        _ => Err(ExecError::Conversion(format!("Unimplemented type for cast ({from} -> {to})"))),
    }
}
