//! `time_bucket`, `clock_bucket` and `date_bin`: times cut to buckets of one width ([`crate::exec::buckets`]).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::TimeUnit;

use super::starts::starts;
use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::buckets::{Buckets, ORIGIN_DAY};
use crate::exec::calendar::*;
use crate::exec::coerce::argument_cost;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ArgInfo;
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::kernel::{Cache, Str, primitive};
use crate::exec::functions::registry::{Make, Registry, Resolution, def};
use crate::exec::zone::Zone;

type I = IntervalMonthDayNanoType;
type Ts = TimestampMicrosecondType;

/// Times in ticks.
trait Time: ArrowTimestampType {
    const PER_SECOND: i64;
}

impl Time for TimestampMicrosecondType {
    const PER_SECOND: i64 = MICROS_PER_SECOND;
}

impl Time for TimestampNanosecondType {
    const PER_SECOND: i64 = MICROS_PER_SECOND * NANOS_PER_MICRO;
}

fn buckets_of<T: Time>(width: IntervalMonthDayNano, origin: Option<i64>) -> Result<Buckets> {
    Buckets::new(width, origin, T::PER_SECOND)
}

/// The bucket of a time, with all bounds moved by an interval.
fn bucket_offset(width: IntervalMonthDayNano, t: i64, by: IntervalMonthDayNano) -> Result<i64> {
    let out_of_range = || ExecError::OutOfRange("Timestamp out of range".into());
    if !timestamp_is_finite(t) {
        return Ok(t);
    }
    let back = add_interval(t, -by.months, -by.days, -by.nanoseconds).ok_or_else(out_of_range)?;
    let b = buckets_of::<Ts>(width, None)?.start(back)?;
    add_interval(b, by.months, by.days, by.nanoseconds).ok_or_else(out_of_range)
}

/// Whether an argument has one value for all rows, which is not NULL.
fn is_constant(arg: &ArrayRef) -> bool {
    arg.len() == 1 && arg.is_valid(0)
}

/// Width and time; a constant width, the usual case, is looked at once.
fn simple<T: Time>(origin: Option<i64>) -> ScalarKernel {
    let general = primitive::<(I, T), T>(move |(w, t)| buckets_of::<T>(w, origin)?.start(t).map(Some));
    Box::new(move |args, ty, rows, ctx| {
        if rows == 1 || !is_constant(&args[0]) || args[1].len() != rows {
            return general(args, ty, rows, ctx);
        }
        let buckets = buckets_of::<T>(args[0].as_primitive::<I>().value(0), origin)?;
        starts::<T>(&args[1], ty, |t| buckets.find(t))
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
    primitive::<(I, Ts, I), Ts>(|(w, t, by)| bucket_offset(w, t, by).map(Some))
}

fn with_origin<T: Time>() -> ScalarKernel {
    let general = primitive::<(I, T, T), T>(|(w, t, origin)| {
        if !timestamp_is_finite(origin) {
            return Ok(None);
        }
        buckets_of::<T>(w, Some(origin))?.start(t).map(Some)
    });
    Box::new(move |args, ty, rows, ctx| {
        if rows == 1 || !is_constant(&args[0]) || !is_constant(&args[2]) || args[1].len() != rows {
            return general(args, ty, rows, ctx);
        }
        let origin = args[2].as_primitive::<T>().value(0);
        if !timestamp_is_finite(origin) {
            return general(args, ty, rows, ctx);
        }
        let buckets = buckets_of::<T>(args[0].as_primitive::<I>().value(0), Some(origin))?;
        starts::<T>(&args[1], ty, |t| buckets.find(t))
    })
}

/// The name of a zone as the last argument: days and months are cut by its clock; hours and less have one length, and are
/// counted from a midnight of it.
fn in_zone(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [width, time, name] = args else { return None };
    let names_zone = match &name.literal {
        Some(Scalar::Text(text)) => Zone::named(text).is_ok(),
        _ => true,
    };
    if name.ty != LogicalType::Varchar || !names_zone {
        return None;
    }
    let takes = |arg: &ArgInfo, ty: &LogicalType| argument_cost(arg, ty).is_some();
    if !takes(width, &LogicalType::Interval) || !takes(time, &LogicalType::TimestampTz) {
        return None;
    }
    let zone = zones();
    let kernel = primitive::<(I, Ts, Str), Ts>(move |(w, t, name)| {
        let zone = zone(name)?;
        if w.months != 0 || w.days != 0 {
            return buckets_of::<Ts>(w, None)?.start_by(&zone.clock(), t).map(Some);
        }
        let origin = zone.instant(ORIGIN_DAY * MICROS_PER_DAY);
        buckets_of::<Ts>(w, Some(origin))?.start(t).map(Some)
    });
    let arg_types = vec![LogicalType::Interval, LogicalType::TimestampTz, LogicalType::Varchar];
    Some(Ok(Resolution { arg_types, return_type: LogicalType::TimestampTz, kernel }))
}

/// Zones by name, each looked for once.
fn zones() -> impl Fn(&str) -> Result<Arc<Zone>> {
    let cache: Cache<Zone> = Cache::new();
    move |name| cache.get(name, |n| Zone::named(n).map_err(|e| ExecError::Unsupported(format!("{e}!"))))
}

/// Width, time, origin on the clock, zone: the start of the bucket.
fn by_clock<T: Time>() -> ScalarKernel {
    let zone = zones();
    let general = primitive::<(I, T, T, Str), T>({
        let zone = zones();
        move |(w, t, origin, name)| {
            buckets_of::<T>(w, Some(origin))?.start_by(&zone(name)?.clock(), t).map(Some)
        }
    });
    Box::new(move |args, ty, rows, ctx| {
        if rows == 1 || ![0, 2, 3].iter().all(|&i| is_constant(&args[i])) || args[1].len() != rows {
            return general(args, ty, rows, ctx);
        }
        let origin = args[2].as_primitive::<T>().value(0);
        let buckets = buckets_of::<T>(args[0].as_primitive::<I>().value(0), Some(origin))?;
        let zone = zone(args[3].as_string_view().value(0))?;
        let clock = zone.clock();
        starts::<T>(&args[1], ty, |t| buckets.find_by(&clock, t))
    })
}

/// The same, but the start of the bucket behind it.
fn end_by_clock<T: Time>() -> ScalarKernel {
    let zone = zones();
    primitive::<(I, T, T, Str), T>(move |(w, t, origin, name)| {
        if !timestamp_is_finite(t) {
            return Ok(Some(t));
        }
        let buckets = buckets_of::<T>(w, Some(origin))?;
        let zone = zone(name)?;
        let clock = zone.clock();
        buckets.next_by(&clock, buckets.start_by(&clock, t)?).map(Some)
    })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    type Ns = TimestampNanosecondType;
    let iv = T::Interval;
    let nanos = T::Timestamp(TimeUnit::Nanosecond);
    let mut d = def(
        "time_bucket",
        "The beginning of the bucket of a width that a time lies in; third: an offset, or an origin",
        "time_bucket(INTERVAL '2 weeks', TIMESTAMP '1992-04-20 15:26:00')",
    );
    for t in [TIMESTAMP, T::TimestampTz] {
        d = d
            .map(&[iv.clone(), t.clone()], t.clone(), |_| simple::<Ts>(None))
            .map(&[iv.clone(), t.clone(), iv.clone()], t.clone(), |_| with_offset())
            .map(&[iv.clone(), t.clone(), t.clone()], t.clone(), |_| with_origin::<Ts>());
    }
    d = d.map(&[iv.clone(), nanos.clone()], nanos.clone(), |_| simple::<Ns>(None)).map(
        &[iv.clone(), nanos.clone(), nanos.clone()],
        nanos.clone(),
        |_| with_origin::<Ns>(),
    );
    d = d.custom(&["(INTERVAL, TIMESTAMP WITH TIME ZONE, VARCHAR) -> TIMESTAMP WITH TIME ZONE"], in_zone);
    d = d
        .map(&[iv.clone(), T::Time], T::Time, |_| on_clock(&[1], simple::<Ts>(None)))
        .map(&[iv.clone(), T::Time, iv.clone()], T::Time, |_| on_clock(&[1], with_offset()))
        .map(&[iv.clone(), T::Time, T::Time], T::Time, |_| on_clock(&[1, 2], with_origin::<Ts>()));
    r.add(
        d.map(&[iv.clone(), T::Date], T::Date, |_| on_dates(&[1], simple::<Ts>(None)))
            .map(&[iv.clone(), T::Date, iv.clone()], T::Date, |_| on_dates(&[1], with_offset()))
            .map(&[iv.clone(), T::Date, T::Date], T::Date, |_| on_dates(&[1, 2], with_origin::<Ts>())),
    );
    let of_clock = |name, description, example, kernels: [Make; 2]| {
        let [micros, of_nanos] = kernels;
        let mut d = def(name, description, example);
        for t in [TIMESTAMP, T::TimestampTz] {
            d = d.map(&[iv.clone(), t.clone(), TIMESTAMP, T::Varchar], t, micros);
        }
        d.map(&[iv.clone(), nanos.clone(), nanos.clone(), T::Varchar], nanos.clone(), of_nanos)
    };
    r.add(of_clock(
        "clock_bucket",
        "The beginning of the bucket of a width, cut by the clock of a zone and counted from what it shows at an origin, \
         that a time lies in. Times without a zone are UTC",
        "clock_bucket(INTERVAL '1 day', TIMESTAMP '2026-03-29 12:00:00', TIMESTAMP '1970-01-01', 'Europe/Berlin')",
        [|_| by_clock::<Ts>(), |_| by_clock::<Ns>()],
    ));
    r.add(of_clock(
        "clock_bucket_end",
        "The end of what clock_bucket is the beginning of",
        "clock_bucket_end(INTERVAL '1 day', TIMESTAMP '2026-03-29 12:00:00', TIMESTAMP '1970-01-01', 'Europe/Berlin')",
        [|_| end_by_clock::<Ts>(), |_| end_by_clock::<Ns>()],
    ));
    let mut d = def(
        "date_bin",
        "The beginning of the bucket of a width that a time lies in, counted from 1970 or an origin",
        "date_bin(INTERVAL '15 minutes', TIMESTAMP '2020-02-11 15:44:17', TIMESTAMP '2001-01-01')",
    );
    for t in [TIMESTAMP, T::TimestampTz] {
        d = d.map(&[iv.clone(), t.clone()], t.clone(), |_| simple::<Ts>(Some(0))).map(
            &[iv.clone(), t.clone(), t.clone()],
            t.clone(),
            |_| with_origin::<Ts>(),
        );
    }
    r.add(d);
}
