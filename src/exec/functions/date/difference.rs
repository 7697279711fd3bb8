//! Differences of times: boundaries crossed (`date_diff`), whole parts (`date_sub`), `age`.

use arrow_array::types::*;
use arrow_buffer::IntervalMonthDayNano;

use super::Part;
use super::zoned::on_clock;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::*;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Str, primitive};
use crate::exec::functions::registry::{Def, Registry, def};

fn unsupported(part: Part) -> ExecError {
    ExecError::Unsupported(format!("Specifier type not implemented for date differences: {part:?}"))
}

/// Boundaries of the part between two finite timestamps.
fn boundaries(part: Part, a: i64, b: i64) -> Result<i64> {
    let (da, db) = (split_timestamp(a).0, split_timestamp(b).0);
    let years = |n: i32| i64::from(civil_from_days(db).0 / n) - i64::from(civil_from_days(da).0 / n);
    let units = |unit: i64| b.div_euclid(unit) - a.div_euclid(unit);
    let month_number = |d: i32| {
        let (y, m, _) = civil_from_days(d);
        i64::from(y) * 12 + i64::from(m) - 1
    };
    Ok(match part {
        Part::Millennium => years(1000),
        Part::Century => years(100),
        Part::Decade => years(10),
        Part::Year => years(1),
        Part::Quarter => month_number(db).div_euclid(3) - month_number(da).div_euclid(3),
        Part::Month => month_number(db) - month_number(da),
        // Seven days each, from the first on.
        Part::Week | Part::YearWeek => (i64::from(db) - i64::from(da)) / 7,
        Part::IsoYear => i64::from(iso_week(db).0) - i64::from(iso_week(da).0),
        Part::Day | Part::DayOfWeek | Part::IsoDayOfWeek | Part::DayOfYear | Part::Julian => {
            i64::from(db) - i64::from(da)
        }
        Part::Hour => units(MICROS_PER_HOUR),
        Part::Minute => units(MICROS_PER_MINUTE),
        Part::Second | Part::Epoch => units(MICROS_PER_SECOND),
        Part::Millisecond => units(1_000),
        Part::Microsecond => b
            .checked_sub(a)
            .ok_or_else(|| ExecError::OutOfRange("Overflow in subtraction of INT64".into()))?,
        Part::Nanosecond => b
            .checked_sub(a)
            .and_then(|d| d.checked_mul(1_000))
            .ok_or_else(|| ExecError::OutOfRange("Overflow in subtraction of INT64".into()))?,
        other => return Err(unsupported(other)),
    })
}

/// Whole parts between two finite timestamps.
fn whole(part: Part, a: i64, b: i64) -> Result<i64> {
    let units = |unit: i64| {
        b.checked_sub(a)
            .map(|d| d / unit)
            .ok_or_else(|| ExecError::OutOfRange("Overflow in subtraction of INT64".into()))
    };
    Ok(match part {
        Part::Millennium => months_between(a, b) / 12_000,
        Part::Century => months_between(a, b) / 1_200,
        Part::Decade => months_between(a, b) / 120,
        Part::Year => months_between(a, b) / 12,
        Part::Quarter => months_between(a, b) / 3,
        Part::Month => months_between(a, b),
        Part::Week | Part::YearWeek => units(7 * MICROS_PER_DAY)?,
        // Years of whole weeks.
        Part::IsoYear => months_between(a, b) / 12,
        Part::Day | Part::DayOfWeek | Part::IsoDayOfWeek | Part::DayOfYear | Part::Julian => {
            units(MICROS_PER_DAY)?
        }
        Part::Hour => units(MICROS_PER_HOUR)?,
        Part::Minute => units(MICROS_PER_MINUTE)?,
        Part::Second | Part::Epoch => units(MICROS_PER_SECOND)?,
        Part::Millisecond => units(1_000)?,
        Part::Microsecond => units(1)?,
        other => return Err(unsupported(other)),
    })
}

/// Whole months; the last day of a shorter month completes one.
fn months_between(a: i64, b: i64) -> i64 {
    if a > b {
        return -months_between(b, a);
    }
    let ((mut da, ta), (db, tb)) = (split_timestamp(a), split_timestamp(b));
    let (y, m, d) = civil_from_days(db);
    let end = days_in_month(y, m);
    if d == end {
        let (ya, ma, dda) = civil_from_days(da);
        if dda > end || (dda == end && ta < tb) {
            da = days_from_civil(ya, ma, end).unwrap_or(da);
        }
    }
    let start = join_timestamp(da, ta).unwrap_or(a);
    let v = age_parts(b, start);
    i64::from(v.months)
}

/// Years, months, days and the clock between two timestamps, counted from the earlier one.
fn age_parts(a: i64, b: i64) -> IntervalMonthDayNano {
    let (later, earlier, sign) = if a >= b { (a, b, 1) } else { (b, a, -1) };
    let ((dl, tl), (de, te)) = (split_timestamp(later), split_timestamp(earlier));
    let ((yl, ml, ddl), (ye, me, dde)) = (civil_from_days(dl), civil_from_days(de));
    let mut months = (i64::from(yl) - i64::from(ye)) * 12 + i64::from(ml) - i64::from(me);
    let mut days = i64::from(ddl) - i64::from(dde);
    let mut micros = tl - te;
    if micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    }
    while days < 0 {
        days += i64::from(days_in_month(ye, me));
        months -= 1;
    }
    IntervalMonthDayNano::new((months * sign) as i32, (days * sign) as i32, micros * sign * NANOS_PER_MICRO)
}

type Ts = TimestampMicrosecondType;

fn overloads(d: Def, diff: bool) -> Def {
    use LogicalType as T;
    macro_rules! on {
        ($f:path) => {
            d.map(&[T::Varchar, TIMESTAMP, TIMESTAMP], T::BigInt, |_| {
                primitive::<(Str, Ts, Ts), Int64Type>(|(p, a, b)| {
                    let part = Part::parse(p)?;
                    finite_pair(a, b, |a, b| $f(part, a, b))
                })
            })
            .map(&[T::Varchar, T::TimestampTz, T::TimestampTz], T::BigInt, |_| {
                Box::new(|args, ty, rows, ctx| {
                    let zone = ctx.zone.clone();
                    let kernel = primitive::<(Str, Ts, Ts), Int64Type>(move |(p, a, b)| {
                        let part = Part::parse(p)?;
                        // Days and more are counted on the calendar, the rest on the clock's hand.
                        let on_hand = |t| if part.is_of_clock() { t } else { zone.local(t) };
                        finite_pair(on_hand(a), on_hand(b), |a, b| $f(part, a, b))
                    });
                    kernel(args, ty, rows, ctx)
                })
            })
            .map(&[T::Varchar, T::Date, T::Date], T::BigInt, |_| {
                primitive::<(Str, Date32Type, Date32Type), Int64Type>(|(p, a, b)| {
                    let part = Part::parse(p)?;
                    match (date_is_finite(a), date_is_finite(b)) {
                        (true, true) => {
                            let at = |d: i32| {
                                join_timestamp(d, 0).ok_or_else(|| {
                                    ExecError::Conversion("Date out of range of a timestamp".into())
                                })
                            };
                            $f(part, at(a)?, at(b)?).map(Some)
                        }
                        _ => Ok(None),
                    }
                })
            })
            .map(&[T::Varchar, T::Time, T::Time], T::BigInt, |_| {
                primitive::<(Str, Time64MicrosecondType, Time64MicrosecondType), Int64Type>(|(p, a, b)| {
                    $f(Part::parse(p)?, a, b).map(Some)
                })
            })
        };
    }
    if diff { on!(boundaries) } else { on!(whole) }
}

fn finite_pair(a: i64, b: i64, f: impl Fn(i64, i64) -> Result<i64>) -> Result<Option<i64>> {
    if timestamp_is_finite(a) && timestamp_is_finite(b) { f(a, b).map(Some) } else { Ok(None) }
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    r.add(overloads(
        def(
            "date_diff",
            "Number of boundaries of a part between two times",
            "date_diff('hour', TIMESTAMP '1992-09-30 23:59:59', TIMESTAMP '1992-10-01 01:58:00')",
        )
        .aliases(&["datediff"]),
        true,
    ));
    r.add(overloads(
        def(
            "date_sub",
            "Number of whole parts between two times",
            "date_sub('hour', TIMESTAMP '1992-09-30 23:59:59', TIMESTAMP '1992-10-01 01:58:00')",
        )
        .aliases(&["datesub"]),
        false,
    ));
    r.add(
        def(
            "age",
            "Years, months, days and clock between two times",
            "age(TIMESTAMP '2001-04-10', TIMESTAMP '1992-09-20')",
        )
        .map(&[TIMESTAMP, TIMESTAMP], T::Interval, |_| {
            primitive::<(Ts, Ts), IntervalMonthDayNanoType>(|(a, b)| {
                Ok((timestamp_is_finite(a) && timestamp_is_finite(b)).then(|| age_parts(a, b)))
            })
        })
        .map(&[T::TimestampTz, T::TimestampTz], T::Interval, |_| {
            on_clock(
                &[0, 1],
                primitive::<(Ts, Ts), IntervalMonthDayNanoType>(|(a, b)| {
                    Ok((timestamp_is_finite(a) && timestamp_is_finite(b)).then(|| age_parts(a, b)))
                }),
            )
        }),
    );
}
