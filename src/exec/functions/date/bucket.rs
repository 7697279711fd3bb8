//! `time_bucket` and `date_bin`: times cut to buckets of one width.
//!
//! Buckets of days and less are counted from Monday, 2000-01-03, so that weeks begin on Mondays; buckets of
//! months from 2000-01-01. A bucket begins at or before every time in it, also before the origin.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::IntervalMonthDayNano;

use super::starts::starts;
use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::*;
use crate::exec::coerce::argument_cost;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ArgInfo;
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::kernel::{Cache, Str, primitive};
use crate::exec::functions::registry::{Registry, Resolution, def};
use crate::exec::zone::Zone;

/// Monday, 2000-01-03, in days since 1970.
const ORIGIN_DAY: i64 = 10_959;
/// Months from the year 0 to 2000-01.
const ORIGIN_MONTH: i64 = 2000 * 12;

/// The width of a bucket.
#[derive(Clone, Copy)]
enum Width {
    Micros(i64),
    Months(i64),
}

fn width_of(v: IntervalMonthDayNano) -> Result<Width> {
    let positive = || ExecError::Unsupported("Period must be greater than 0".into());
    if v.months != 0 {
        if v.days != 0 || v.nanoseconds != 0 {
            return Err(ExecError::Unsupported("Month intervals cannot have day or time component".into()));
        }
        return if v.months > 0 { Ok(Width::Months(v.months.into())) } else { Err(positive()) };
    }
    let micros = i64::from(v.days)
        .checked_mul(MICROS_PER_DAY)
        .and_then(|d| d.checked_add(v.nanoseconds / NANOS_PER_MICRO))
        .ok_or_else(|| ExecError::OutOfRange("the width of a bucket is out of range".into()))?;
    if micros > 0 { Ok(Width::Micros(micros)) } else { Err(positive()) }
}

fn out_of_range() -> ExecError {
    ExecError::OutOfRange("Timestamp out of range".into())
}

/// The bucket of a time; `origin` moves where buckets are counted from.
#[inline]
fn bucket(w: Width, t: i64, origin: Option<i64>) -> Result<i64> {
    if !timestamp_is_finite(t) {
        return Ok(t);
    }
    match w {
        Width::Micros(w) => {
            let origin = origin.unwrap_or(ORIGIN_DAY * MICROS_PER_DAY).rem_euclid(w);
            let from = t.checked_sub(origin).ok_or_else(out_of_range)?;
            let start = from.checked_sub(from.rem_euclid(w)).ok_or_else(out_of_range)?;
            start.checked_add(origin).ok_or_else(out_of_range)
        }
        Width::Months(n) => {
            let month = |t: i64| {
                let (y, m, _) = civil_from_days(split_timestamp(t).0);
                i64::from(y) * 12 + i64::from(m) - 1
            };
            let start = origin.map_or(ORIGIN_MONTH, month);
            let at = (month(t) - start).div_euclid(n) * n + start;
            let year = i32::try_from(at.div_euclid(12)).map_err(|_| out_of_range())?;
            let days = days_from_civil(year, at.rem_euclid(12) as u32 + 1, 1).ok_or_else(out_of_range)?;
            join_timestamp(days, 0).ok_or_else(out_of_range)
        }
    }
}

/// The bucket of a time, with all bounds moved by an interval.
fn bucket_offset(w: Width, t: i64, by: IntervalMonthDayNano) -> Result<i64> {
    if !timestamp_is_finite(t) {
        return Ok(t);
    }
    let back = add_interval(t, -by.months, -by.days, -by.nanoseconds).ok_or_else(out_of_range)?;
    let b = bucket(w, back, None)?;
    add_interval(b, by.months, by.days, by.nanoseconds).ok_or_else(out_of_range)
}

type I = IntervalMonthDayNanoType;
type Ts = TimestampMicrosecondType;

/// Width and time; a constant width, the usual case, is looked at once.
fn simple(origin: Option<i64>) -> ScalarKernel {
    let general = primitive::<(I, Ts), Ts>(move |(w, t)| bucket(width_of(w)?, t, origin).map(Some));
    Box::new(move |args, ty, rows, ctx| {
        if args[0].len() != 1 || rows == 1 || args[0].is_null(0) || args[1].len() != rows {
            return general(args, ty, rows, ctx);
        }
        let w = width_of(args[0].as_primitive::<I>().value(0))?;
        buckets(w, &args[1], origin, ty)
    })
}

/// The buckets of times, of one width.
fn buckets(w: Width, times: &ArrayRef, origin: Option<i64>, ty: &LogicalType) -> Result<ArrayRef> {
    starts(times, ty, |t| {
        let start = bucket(w, t, origin)?;
        Ok(match w {
            _ if !timestamp_is_finite(t) => (start, t, 0),
            Width::Micros(width) => (start, start, width),
            Width::Months(_) => (start, t - t.rem_euclid(MICROS_PER_DAY), MICROS_PER_DAY),
        })
    })
}

/// Runs a kernel of timestamps on dates, where arguments `which` are dates.
fn on_dates(which: &'static [usize], inner: ScalarKernel) -> ScalarKernel {
    Box::new(move |args, ty, rows, ctx| {
        let mut args: Vec<ArrayRef> = args.to_vec();
        for i in which {
            args[*i] = crate::exec::cast::cast(&args[*i], &LogicalType::Date, &TIMESTAMP, false)?;
        }
        let out = inner(&args, &TIMESTAMP, rows, ctx)?;
        crate::exec::cast::cast(&out, &TIMESTAMP, ty, false)
    })
}

/// Runs a kernel of timestamps on times of day, where arguments `which` are such: as times of 1970-01-01, of whose
/// buckets the time of day is left.
fn on_clock(which: &'static [usize], inner: ScalarKernel) -> ScalarKernel {
    Box::new(move |args, ty, rows, ctx| {
        let mut args: Vec<ArrayRef> = args.to_vec();
        for i in which {
            let times = args[*i].as_primitive::<Time64MicrosecondType>();
            args[*i] = Arc::new(times.reinterpret_cast::<Ts>());
        }
        let out = inner(&args, &TIMESTAMP, rows, ctx)?;
        crate::exec::cast::cast(&out, &TIMESTAMP, ty, false)
    })
}

fn with_offset() -> ScalarKernel {
    primitive::<(I, Ts, I), Ts>(|(w, t, by)| bucket_offset(width_of(w)?, t, by).map(Some))
}

fn with_origin() -> ScalarKernel {
    let general = primitive::<(I, Ts, Ts), Ts>(|(w, t, origin)| {
        if !timestamp_is_finite(origin) {
            return Ok(None);
        }
        bucket(width_of(w)?, t, Some(origin)).map(Some)
    });
    Box::new(move |args, ty, rows, ctx| {
        let constant = |arg: &ArrayRef| arg.len() == 1 && arg.is_valid(0);
        if rows == 1 || !constant(&args[0]) || !constant(&args[2]) || args[1].len() != rows {
            return general(args, ty, rows, ctx);
        }
        let origin = args[2].as_primitive::<Ts>().value(0);
        if !timestamp_is_finite(origin) {
            return general(args, ty, rows, ctx);
        }
        buckets(width_of(args[0].as_primitive::<I>().value(0))?, &args[1], Some(origin), ty)
    })
}

/// The bucket of an instant, cut by the clock of a zone. Hours are cut where the clock is put back too: each of the
/// two hours that it shows is one.
fn zoned_bucket(zone: &Zone, w: Width, t: i64, origin: Option<i64>) -> Result<i64> {
    let local = zone.local(t);
    let start = bucket(w, local, origin)?;
    match w {
        Width::Micros(width) if width < MICROS_PER_DAY => Ok(t - (local - start)),
        _ => Ok(zone.instant(start)),
    }
}

/// The name of a zone as the last argument: buckets are cut on its clock, by which the origin before it is too.
fn in_zone(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let (width, time, origin, name) = match args {
        [width, time, name] => (width, time, None, name),
        [width, time, origin, name] => (width, time, Some(origin), name),
        _ => return None,
    };
    let names_zone = match &name.literal {
        Some(Scalar::Text(text)) => Zone::named(text).is_ok(),
        _ => true,
    };
    if name.ty != LogicalType::Varchar || !names_zone {
        return None;
    }
    let takes = |arg: &ArgInfo, ty: &LogicalType| argument_cost(arg, ty).is_some();
    if !takes(width, &LogicalType::Interval)
        || !takes(time, &LogicalType::TimestampTz)
        || !origin.is_none_or(|origin| takes(origin, &TIMESTAMP))
    {
        return None;
    }
    let cache: Cache<Zone> = Cache::new();
    let zone = move |name: &str| {
        cache.get(name, |n| Zone::named(n).map_err(|e| ExecError::Unsupported(format!("{e}!"))))
    };
    let mut arg_types = vec![LogicalType::Interval, LogicalType::TimestampTz];
    let kernel = if origin.is_some() {
        arg_types.push(TIMESTAMP);
        primitive::<(I, Ts, Ts, Str), Ts>(move |(w, t, origin, name)| {
            zoned_bucket(&*zone(name)?, width_of(w)?, t, Some(origin)).map(Some)
        })
    } else {
        primitive::<(I, Ts, Str), Ts>(move |(w, t, name)| {
            zoned_bucket(&*zone(name)?, width_of(w)?, t, None).map(Some)
        })
    };
    arg_types.push(LogicalType::Varchar);
    Some(Ok(Resolution { arg_types, return_type: LogicalType::TimestampTz, kernel }))
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let iv = T::Interval;
    let mut d = def(
        "time_bucket",
        "The beginning of the bucket of a width that a time lies in; third: an offset, or an origin",
        "time_bucket(INTERVAL '2 weeks', TIMESTAMP '1992-04-20 15:26:00')",
    );
    for t in [TIMESTAMP, T::TimestampTz] {
        d = d
            .map(&[iv.clone(), t.clone()], t.clone(), |_| simple(None))
            .map(&[iv.clone(), t.clone(), iv.clone()], t.clone(), |_| with_offset())
            .map(&[iv.clone(), t.clone(), t.clone()], t.clone(), |_| with_origin());
    }
    d = d.custom(
        &[
            "(INTERVAL, TIMESTAMP WITH TIME ZONE, VARCHAR) -> TIMESTAMP WITH TIME ZONE",
            "(INTERVAL, TIMESTAMP WITH TIME ZONE, TIMESTAMP, VARCHAR) -> TIMESTAMP WITH TIME ZONE",
        ],
        in_zone,
    );
    d = d
        .map(&[iv.clone(), T::Time], T::Time, |_| on_clock(&[1], simple(None)))
        .map(&[iv.clone(), T::Time, iv.clone()], T::Time, |_| on_clock(&[1], with_offset()))
        .map(&[iv.clone(), T::Time, T::Time], T::Time, |_| on_clock(&[1, 2], with_origin()));
    r.add(
        d.map(&[iv.clone(), T::Date], T::Date, |_| on_dates(&[1], simple(None)))
            .map(&[iv.clone(), T::Date, iv.clone()], T::Date, |_| on_dates(&[1], with_offset()))
            .map(&[iv.clone(), T::Date, T::Date], T::Date, |_| on_dates(&[1, 2], with_origin())),
    );
    let mut d = def(
        "date_bin",
        "The beginning of the bucket of a width that a time lies in, counted from 1970 or an origin",
        "date_bin(INTERVAL '15 minutes', TIMESTAMP '2020-02-11 15:44:17', TIMESTAMP '2001-01-01')",
    );
    for t in [TIMESTAMP, T::TimestampTz] {
        d = d.map(&[iv.clone(), t.clone()], t.clone(), |_| simple(Some(0))).map(
            &[iv.clone(), t.clone(), t.clone()],
            t.clone(),
            |_| with_origin(),
        );
    }
    r.add(d);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::cast::parse_time::timestamp;

    fn ts(s: &str) -> i64 {
        timestamp(s, arrow_schema::TimeUnit::Microsecond).unwrap()
    }

    #[test]
    fn buckets() {
        let minutes = Width::Micros(5 * MICROS_PER_MINUTE);
        assert_eq!(bucket(minutes, ts("2020-01-01 00:07:00"), None).unwrap(), ts("2020-01-01 00:05:00"));
        assert_eq!(bucket(minutes, ts("1969-12-31 23:59:59"), None).unwrap(), ts("1969-12-31 23:55:00"));
        let week = Width::Micros(7 * MICROS_PER_DAY);
        assert_eq!(bucket(week, ts("2020-01-01"), None).unwrap(), ts("2019-12-30"));
        assert_eq!(bucket(week, ts("1969-12-31"), None).unwrap(), ts("1969-12-29"));
        assert_eq!(bucket(Width::Months(3), ts("2020-05-05"), None).unwrap(), ts("2020-04-01"));
        assert_eq!(bucket(Width::Months(12), ts("1999-05-05"), None).unwrap(), ts("1999-01-01"));
        let origin = Some(ts("2020-01-01 00:01:00"));
        assert_eq!(bucket(minutes, ts("2020-01-01 00:07:00"), origin).unwrap(), ts("2020-01-01 00:06:00"));
        assert_eq!(bucket(minutes, TIMESTAMP_INFINITY, None).unwrap(), TIMESTAMP_INFINITY);
        assert!(bucket(Width::Micros(MICROS_PER_DAY), i64::MIN + 2, None).is_err());
        assert!(width_of(IntervalMonthDayNano::new(1, 1, 0)).is_err());
        assert!(width_of(IntervalMonthDayNano::new(0, -1, 0)).is_err());
    }
}
