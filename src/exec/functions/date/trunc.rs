//! `date_trunc` and `last_day`.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{ArrayRef, new_null_array};
use arrow_buffer::IntervalMonthDayNano;

use super::Part;
use super::starts::starts;
use super::zoned::on_clock;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::*;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::kernel::{Str, primitive};
use crate::exec::functions::registry::{Registry, def};

fn unsupported(part: Part) -> ExecError {
    ExecError::Unsupported(format!("Specifier type not implemented for DATETRUNC: {part:?}"))
}

/// The length of a part that is a fixed number of microseconds.
fn fixed(part: Part) -> Option<i64> {
    Some(match part {
        Part::Day | Part::DayOfWeek | Part::IsoDayOfWeek | Part::DayOfYear | Part::Julian => MICROS_PER_DAY,
        Part::Hour => MICROS_PER_HOUR,
        Part::Minute => MICROS_PER_MINUTE,
        Part::Second | Part::Epoch => MICROS_PER_SECOND,
        Part::Millisecond => 1_000,
        Part::Microsecond | Part::Nanosecond => 1,
        _ => return None,
    })
}

/// The beginning of the part that a finite date lies in, for parts of a day and more.
fn trunc_date(part: Part, days: i32) -> Result<i32> {
    let out_of_range = || ExecError::Conversion("date_trunc: the result is out of range".into());
    let first = |year: i32, month: u32| days_from_civil(year, month, 1).ok_or_else(out_of_range);
    let (year, month, _) = civil_from_days(days);
    // Towards zero, as years are counted without a year zero in centuries.
    match part {
        Part::Millennium => first(year / 1000 * 1000, 1),
        Part::Century => first(year / 100 * 100, 1),
        Part::Decade => first(year / 10 * 10, 1),
        Part::Year => first(year, 1),
        Part::Quarter => first(year, (month - 1) / 3 * 3 + 1),
        Part::Month => first(year, month),
        Part::Week | Part::YearWeek => Ok(monday_of(days)),
        Part::IsoYear => {
            let (year, _) = iso_week(days);
            // The week of the 4th of January is the first of the year.
            days_from_civil(year, 1, 4).map(monday_of).ok_or_else(out_of_range)
        }
        other => Err(unsupported(other)),
    }
}

fn trunc_timestamp(part: Part, t: i64) -> Result<i64> {
    if !timestamp_is_finite(t) {
        return Ok(t);
    }
    let out_of_range = || ExecError::Conversion("date_trunc: the result is out of range".into());
    if let Some(unit) = fixed(part) {
        return t.checked_sub(t.rem_euclid(unit)).ok_or_else(out_of_range);
    }
    let days = trunc_date(part, split_timestamp(t).0)?;
    join_timestamp(days, 0).ok_or_else(out_of_range)
}

fn trunc_interval(part: Part, v: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let micros = v.nanoseconds / NANOS_PER_MICRO;
    let months = |n: i32| IntervalMonthDayNano::new(v.months / n * n, 0, 0);
    let clock =
        |unit: i64| IntervalMonthDayNano::new(v.months, v.days, micros / unit * unit * NANOS_PER_MICRO);
    Ok(match part {
        Part::Millennium => months(12_000),
        Part::Century => months(1_200),
        Part::Decade => months(120),
        Part::Year | Part::IsoYear => months(12),
        Part::Quarter => months(3),
        Part::Month => months(1),
        Part::Week | Part::YearWeek => IntervalMonthDayNano::new(v.months, v.days / 7 * 7, 0),
        Part::Day | Part::DayOfWeek | Part::IsoDayOfWeek | Part::DayOfYear | Part::Julian => {
            IntervalMonthDayNano::new(v.months, v.days, 0)
        }
        other => match fixed(other) {
            Some(unit) => clock(unit),
            None => return Err(unsupported(other)),
        },
    })
}

/// The part that a constant first argument names; `None` if it is NULL.
fn constant_part(args: &[ArrayRef]) -> Result<Option<Part>> {
    use arrow_array::Array;
    let names = args[0].as_string_view();
    if names.is_null(0) { Ok(None) } else { Part::parse(names.value(0)).map(Some) }
}

fn timestamps() -> ScalarKernel {
    let general = primitive::<(Str, TimestampMicrosecondType), TimestampMicrosecondType>(|(p, t)| {
        trunc_timestamp(Part::parse(p)?, t).map(Some)
    });
    Box::new(move |args, ty, rows, ctx| {
        use arrow_array::Array;
        if args[0].len() != 1 || rows == 1 {
            return general(args, ty, rows, ctx);
        }
        let Some(part) = constant_part(args)? else { return Ok(new_null_array(&ty.arrow(), rows)) };
        starts::<TimestampMicrosecondType>(&args[1], ty, |t| {
            let start = trunc_timestamp(part, t)?;
            Ok(match fixed(part) {
                _ if !timestamp_is_finite(t) => (start, t, 0),
                Some(unit) => (start, start, unit),
                None => (start, t - t.rem_euclid(MICROS_PER_DAY), MICROS_PER_DAY),
            })
        })
    })
}

fn dates() -> ScalarKernel {
    let inner = timestamps();
    Box::new(move |args, ty, rows, ctx| {
        let stamps = crate::exec::cast::cast(&args[1], &LogicalType::Date, &TIMESTAMP, false)?;
        inner(&[args[0].clone(), stamps], ty, rows, ctx)
    })
}

fn last_day(d: i32) -> Option<i32> {
    if !date_is_finite(d) {
        return None;
    }
    let (y, m, _) = civil_from_days(d);
    days_from_civil(y, m, days_in_month(y, m))
}

fn last_day_of_timestamp() -> ScalarKernel {
    primitive::<(TimestampMicrosecondType,), Date32Type>(|(t,)| {
        Ok(if timestamp_is_finite(t) { last_day(split_timestamp(t).0) } else { None })
    })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    r.add(
        def(
            "date_trunc",
            "The beginning of the part that a time lies in",
            "date_trunc('hour', TIMESTAMP '1992-09-20 20:38:40')",
        )
        .aliases(&["datetrunc"])
        .map(&[T::Varchar, TIMESTAMP], TIMESTAMP, |_| timestamps())
        .map(&[T::Varchar, T::TimestampTz], T::TimestampTz, |_| on_clock(&[1], timestamps()))
        .map(&[T::Varchar, T::Date], TIMESTAMP, |_| dates())
        .map(&[T::Varchar, T::Interval], T::Interval, |_| {
            primitive::<(Str, IntervalMonthDayNanoType), IntervalMonthDayNanoType>(|(p, v)| {
                trunc_interval(Part::parse(p)?, v).map(Some)
            })
        }),
    );
    r.add(
        def("last_day", "The last day of the month", "last_day(DATE '1992-09-20')")
            .map(&[T::Date], T::Date, |_| primitive::<(Date32Type,), Date32Type>(|(d,)| Ok(last_day(d))))
            .map(&[TIMESTAMP], T::Date, |_| last_day_of_timestamp())
            .map(&[T::TimestampTz], T::Date, |_| on_clock(&[0], last_day_of_timestamp())),
    );
}
