//! Dates, times and intervals made of their parts, and numbers made of them.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::IntervalMonthDayNano;
use arrow_select::nullif::nullif;

use super::from_char;
use super::zoned::on_clock;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::*;
use crate::exec::cast::temporal::{present_offset, rounded};
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ArgInfo;
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::kernel::{Cache, Column, Nulls, Str, nulls_of, primitive};
use crate::exec::functions::registry::{Registry, Resolution, def};
use crate::exec::timetz;
use crate::exec::zone::Zone;

type Ts = TimestampMicrosecondType;
type I = IntervalMonthDayNanoType;

fn date(y: i64, m: i64, d: i64) -> Result<i32> {
    let parts = (i32::try_from(y), u32::try_from(m), u32::try_from(d));
    match parts {
        (Ok(y), Ok(m), Ok(d)) if is_valid_date(y, m, d) => days_from_civil(y, m, d),
        _ => None,
    }
    .ok_or_else(|| ExecError::Conversion(format!("Date out of range: {y}-{m}-{d}")))
}

fn clock(h: i64, m: i64, s: f64) -> Result<i64> {
    let out_of_range = || ExecError::Conversion(format!("Time out of range: {h}:{m}:{s}"));
    // The last second may end in the next minute, the last hour in the next day.
    if !(0..=24).contains(&h) || !(0..60).contains(&m) || !(0.0..=60.0).contains(&s) {
        return Err(out_of_range());
    }
    let micros = h * MICROS_PER_HOUR + m * MICROS_PER_MINUTE + (s * 1e6).round() as i64;
    if micros > MICROS_PER_DAY { Err(out_of_range()) } else { Ok(micros) }
}

/// The first microsecond of a timestamp, as of DuckDB: a midnight.
const FIRST_MICROS: i64 = -9_223_372_022_400_000_000;

/// Units since 1970 as a timestamp; the ends of the range mean that there is none.
fn timestamp(t: i64, first: i64) -> Result<Option<i64>> {
    let out_of_range = || ExecError::Conversion(format!("Timestamp microseconds out of range: {t}"));
    finite(t).filter(|t| *t >= first).ok_or_else(out_of_range).map(Some)
}

/// `make_timestamp` of six parts.
fn timestamp_of_parts() -> ScalarKernel {
    Box::new(|args, ty, rows, _| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(arrow_array::new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let ints: Vec<Column<'_, Int64Type>> =
            (0..5).map(|i| Column::open(args, i, rows)).collect::<Result<_>>()?;
        let seconds = Column::<Float64Type>::open(args, 5, rows)?;
        let mut out = crate::exec::functions::kernel::PrimitiveOut::<Ts>::new(rows);
        for row in 0..rows {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                out.push(None);
                continue;
            }
            let part = |i: usize| ints[i].get(row);
            let days = date(part(0), part(1), part(2))?;
            let micros = clock(part(3), part(4), seconds.get(row))?;
            let t = join_timestamp(days, micros)
                .ok_or_else(|| ExecError::Conversion("Timestamp out of range".into()))?;
            out.push(Some(t));
        }
        Ok(out.finish(ty))
    })
}

fn micros_of_seconds(s: f64) -> Result<i64> {
    let m = (s * 1e6).round();
    if m.is_finite() && m.abs() < i64::MAX as f64 {
        Ok(m as i64)
    } else {
        Err(ExecError::Conversion("epoch seconds out of range for TIMESTAMP WITH TIME ZONE".into()))
    }
}

fn interval_of(months: i64, days: i64, micros: i64) -> Result<IntervalMonthDayNano> {
    let out_of_range = || ExecError::OutOfRange("Interval value out of range".into());
    Ok(IntervalMonthDayNano::new(
        i32::try_from(months).map_err(|_| out_of_range())?,
        i32::try_from(days).map_err(|_| out_of_range())?,
        micros.checked_mul(NANOS_PER_MICRO).ok_or_else(out_of_range)?,
    ))
}

fn times(n: i64, by: i64) -> Result<i64> {
    n.checked_mul(by).ok_or_else(|| ExecError::OutOfRange(format!("Interval value {n} out of range")))
}

/// The zone of a name, as kernels want it.
fn zone(name: &str) -> Result<Zone> {
    Zone::named(name).map_err(|e| ExecError::Unsupported(format!("{e}!")))
}

/// Clock times of a zone as instants, or the other way round.
fn convert(instants: bool) -> ScalarKernel {
    let cache: Cache<Zone> = Cache::new();
    primitive::<(Str, Ts), Ts>(move |(name, t)| {
        let zone = cache.get(name, zone)?;
        Ok(Some(if instants { zone.local(t) } else { zone.instant(t) }))
    })
}

/// A packed time as the clock with another offset shows it.
fn with_offset(packed: i64, offset: i64) -> i64 {
    let (micros, from) = timetz::unpack(packed);
    timetz::pack((micros + (offset - from) * MICROS_PER_SECOND).rem_euclid(MICROS_PER_DAY), offset)
}

/// `make_date({'year': …, 'month': …, 'day': …})`.
fn date_of_struct(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    const PARTS: [&str; 3] = ["year", "month", "day"];
    let [ArgInfo { ty: ty @ LogicalType::Struct(given), .. }] = args else { return None };
    let fits =
        ty.is_tuple() || given.iter().zip(PARTS).all(|((name, _), part)| name.eq_ignore_ascii_case(part));
    if given.len() != PARTS.len() || !fits {
        return None;
    }
    let wanted = LogicalType::Struct(PARTS.map(|part| (part.into(), LogicalType::BigInt)).into());
    let kernel: ScalarKernel = Box::new(|args, ty, rows, ctx| {
        let parts = args[0].as_struct();
        let columns: Vec<ArrayRef> = (0..3)
            .map(|i| match parts.nulls() {
                // A value that is NULL hides its fields.
                Some(nulls) => Ok(nullif(parts.column(i), &BooleanArray::new(!nulls.inner(), None))?),
                None => Ok(parts.column(i).clone()),
            })
            .collect::<Result<_>>()?;
        let make =
            primitive::<(Int64Type, Int64Type, Int64Type), Date32Type>(|(y, m, d)| date(y, m, d).map(Some));
        make(&columns, ty, rows, ctx)
    });
    Some(Ok(Resolution { arg_types: vec![wanted], return_type: LogicalType::Date, kernel }))
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let big = T::BigInt;
    r.add(
        def(
            "make_date",
            "The date of a year, month and day, or of days since 1970",
            "make_date(1992, 9, 20)",
        )
        .map(&[big.clone(), big.clone(), big.clone()], T::Date, |_| {
            primitive::<(Int64Type, Int64Type, Int64Type), Date32Type>(|(y, m, d)| date(y, m, d).map(Some))
        })
        .map(&[T::Integer], T::Date, |_| primitive::<(Int32Type,), Date32Type>(|(d,)| Ok(Some(d))))
        .custom(&["(STRUCT(year BIGINT, month BIGINT, day BIGINT)) -> DATE"], date_of_struct),
    );
    r.add(def("make_time", "The time of an hour, minute and second", "make_time(13, 34, 27.123456)").map(
        &[big.clone(), big.clone(), T::Double],
        T::Time,
        |_| {
            primitive::<(Int64Type, Int64Type, Float64Type), Time64MicrosecondType>(|(h, m, s)| {
                clock(h, m, s).map(Some)
            })
        },
    ));
    let six = [big.clone(), big.clone(), big.clone(), big.clone(), big.clone(), T::Double];
    r.add(
        def(
            "make_timestamp",
            "The timestamp of six parts, or of microseconds since 1970",
            "make_timestamp(1992, 9, 20, 13, 34, 27.123456)",
        )
        .map(&six, TIMESTAMP, |_| timestamp_of_parts())
        .map(&[big.clone()], TIMESTAMP, |_| primitive::<(Int64Type,), Ts>(|(t,)| timestamp(t, FIRST_MICROS))),
    );
    r.add(
        def(
            "make_timestamptz",
            "The timestamp with time zone of six parts, or of microseconds since 1970",
            "make_timestamptz(1992, 9, 20, 13, 34, 27.123456)",
        )
        .map(&six, T::TimestampTz, |_| on_clock(&[], timestamp_of_parts()))
        .map(&[&six[..], &[T::Varchar]].concat(), T::TimestampTz, |_| {
            let cache: Cache<Zone> = Cache::new();
            let parts = timestamp_of_parts();
            Box::new(move |args, ty, rows, ctx| {
                let local = parts(&args[..6], &TIMESTAMP, rows, ctx)?;
                let local = Column::<Ts>::open(std::slice::from_ref(&local), 0, rows)?;
                let names = Column::<Str>::open(args, 6, rows)?;
                let nulls = nulls_of(args, rows);
                let mut out = crate::exec::functions::kernel::PrimitiveOut::<Ts>::new(rows);
                for row in 0..rows {
                    out.push(match &nulls {
                        Nulls::All => None,
                        Nulls::Some(n) if n.is_null(row) => None,
                        _ => Some(cache.get(names.get(row), zone)?.instant(local.get(row))),
                    });
                }
                Ok(out.finish(ty))
            })
        })
        .map(&[big.clone()], T::TimestampTz, |_| {
            primitive::<(Int64Type,), Ts>(|(t,)| timestamp(t, FIRST_MICROS))
        }),
    );
    r.add(
        def(
            "make_timestamp_ns",
            "The timestamp of nanoseconds since 1970",
            "make_timestamp_ns(1667810584123456789)",
        )
        .map(&[big.clone()], T::Timestamp(arrow_schema::TimeUnit::Nanosecond), |_| {
            primitive::<(Int64Type,), TimestampNanosecondType>(|(t,)| timestamp(t, -i64::MAX))
        }),
    );
    r.add(
        def(
            "make_timestamp_ms",
            "The timestamp of milliseconds since 1970",
            "make_timestamp_ms(1667810584123)",
        )
        .map(&[big.clone()], TIMESTAMP, |_| primitive::<(Int64Type,), Ts>(|(t,)| times(t, 1000).map(Some))),
    );
    r.add(
        def(
            "to_timestamp",
            "The timestamp with time zone of seconds since 1970; or the one that a text is by a template of PostgreSQL's",
            "to_timestamp(1284352323.5)",
        )
        .map(&[T::Double], T::TimestampTz, |_| {
            primitive::<(Float64Type,), Ts>(|(s,)| micros_of_seconds(s).map(Some))
        })
        .map(&[T::Varchar, T::Varchar], T::TimestampTz, |_| from_char::timestamps()),
    );
    r.add(
        def(
            "epoch_ms",
            "Milliseconds since 1970; of a number the timestamp",
            "epoch_ms(TIMESTAMP '2021-08-03 11:59:44.123456')",
        )
        .map(&[T::Time], big.clone(), |_| {
            primitive::<(Time64MicrosecondType,), Int64Type>(|(t,)| Ok(Some(t / 1000)))
        })
        .map(&[T::TimeTz], big.clone(), |_| {
            primitive::<(Int64Type,), Int64Type>(|(t,)| Ok(Some(timetz::unpack(t).0 / 1000)))
        })
        .map(&[TIMESTAMP], big.clone(), |_| {
            primitive::<(Ts,), Int64Type>(|(t,)| Ok(finite(t).map(|t| rounded(t, 1000))))
        })
        .map(&[T::TimestampTz], big.clone(), |_| {
            primitive::<(Ts,), Int64Type>(|(t,)| Ok(finite(t).map(|t| rounded(t, 1000))))
        })
        .map(&[T::Interval], big.clone(), |_| {
            primitive::<(I,), Int64Type>(|(v,)| Ok(Some(interval_micros(v) / 1000)))
        })
        .map(&[big.clone()], TIMESTAMP, |_| primitive::<(Int64Type,), Ts>(|(t,)| times(t, 1000).map(Some))),
    );
    r.add(
        def("epoch_us", "Microseconds since 1970", "epoch_us(TIMESTAMP '2021-08-03 11:59:44.123456')")
            .map(&[T::Time], big.clone(), |_| {
                primitive::<(Time64MicrosecondType,), Int64Type>(|(t,)| Ok(Some(t)))
            })
            .map(&[T::TimeTz], big.clone(), |_| {
                primitive::<(Int64Type,), Int64Type>(|(t,)| Ok(Some(timetz::unpack(t).0)))
            })
            .map(&[TIMESTAMP], big.clone(), |_| primitive::<(Ts,), Int64Type>(|(t,)| Ok(finite(t))))
            .map(&[T::TimestampTz], big.clone(), |_| primitive::<(Ts,), Int64Type>(|(t,)| Ok(finite(t))))
            .map(&[T::Interval], big.clone(), |_| {
                primitive::<(I,), Int64Type>(|(v,)| Ok(Some(interval_micros(v))))
            }),
    );
    r.add(
        def("epoch_ns", "Nanoseconds since 1970", "epoch_ns(TIMESTAMP '2021-08-03 11:59:44.123456')")
            .map(&[T::TimeNs], big.clone(), |_| {
                primitive::<(Time64NanosecondType,), Int64Type>(|(t,)| Ok(Some(t)))
            })
            .map(&[T::Time], big.clone(), |_| {
                primitive::<(Time64MicrosecondType,), Int64Type>(|(t,)| Ok(Some(t * 1000)))
            })
            .map(&[T::TimeTz], big.clone(), |_| {
                primitive::<(Int64Type,), Int64Type>(|(t,)| Ok(Some(timetz::unpack(t).0 * 1000)))
            })
            .map(&[T::Interval], big.clone(), |_| {
                primitive::<(I,), Int64Type>(|(v,)| times(interval_micros(v), 1000).map(Some))
            })
            .map(&[T::Timestamp(arrow_schema::TimeUnit::Nanosecond)], big.clone(), |_| {
                primitive::<(TimestampNanosecondType,), Int64Type>(|(t,)| Ok(finite(t)))
            })
            .map(&[TIMESTAMP], big.clone(), |_| {
                primitive::<(Ts,), Int64Type>(|(t,)| finite(t).map(|t| times(t, 1000)).transpose())
            })
            .map(&[T::TimestampTz], big.clone(), |_| {
                primitive::<(Ts,), Int64Type>(|(t,)| finite(t).map(|t| times(t, 1000)).transpose())
            }),
    );
    macro_rules! to_interval {
        ($($name:literal $months:literal $days:literal $micros:expr;)*) => {$(
            r.add(
                def($name, "An interval of a number of units", concat!($name, "(5)")).map(&[big.clone()], T::Interval, |_| {
                    primitive::<(Int64Type,), I>(|(n,)| {
                        interval_of(times(n, $months)?, times(n, $days)?, times(n, $micros)?).map(Some)
                    })
                }),
            );
        )*};
    }
    to_interval! {
        "to_millennia" 12_000 0 0;
        "to_centuries" 1_200 0 0;
        "to_decades" 120 0 0;
        "to_years" 12 0 0;
        "to_quarters" 3 0 0;
        "to_months" 1 0 0;
        "to_weeks" 0 7 0;
        "to_days" 0 1 0;
        "to_hours" 0 0 MICROS_PER_HOUR;
        "to_minutes" 0 0 MICROS_PER_MINUTE;
        "to_microseconds" 0 0 1;
    }
    r.add(def("to_seconds", "An interval of a number of seconds", "to_seconds(5.5)").map(
        &[T::Double],
        T::Interval,
        |_| primitive::<(Float64Type,), I>(|(s,)| interval_of(0, 0, micros_of_seconds(s)?).map(Some)),
    ));
    r.add(def("to_milliseconds", "An interval of a number of milliseconds", "to_milliseconds(5.5)").map(
        &[T::Double],
        T::Interval,
        |_| {
            primitive::<(Float64Type,), I>(|(s,)| interval_of(0, 0, micros_of_seconds(s / 1000.0)?).map(Some))
        },
    ));
    r.add(
        def("date_add", "A time and an interval", "date_add(DATE '1992-09-15', INTERVAL 2 MONTH)")
            .map(&[TIMESTAMP, T::Interval], TIMESTAMP, |_| {
                primitive::<(Ts, I), Ts>(|(t, v)| super::super::arithmetic::shift(t, v).map(Some))
            })
            .map(&[T::TimestampTz, T::Interval], T::TimestampTz, |_| {
                super::super::arithmetic::shift_instants(false)
            }),
    );
    r.add(
        def(
            "normalized_interval",
            "An interval whose days and months are filled up",
            "normalized_interval(INTERVAL '30 days')",
        )
        .map(&[T::Interval], T::Interval, |_| {
            primitive::<(I,), I>(|(v,)| {
                let micros = i128::from(interval_micros(v));
                let day = i128::from(MICROS_PER_DAY);
                // Only the greatest part is ever negative.
                let months = micros.div_euclid(30 * day);
                let days = micros.rem_euclid(30 * day) / day;
                interval_of(months as i64, days as i64, micros.rem_euclid(day) as i64).map(Some)
            })
        }),
    );
    r.add(
        def("days_in_month", "The number of days of a date's month", "days_in_month(DATE '2024-02-03')")
            .map(&[T::Date], big.clone(), |_| {
                primitive::<(Date32Type,), Int64Type>(|(d,)| {
                    let (y, m, _) = civil_from_days(d);
                    Ok(date_is_finite(d).then(|| days_in_month(y, m).into()))
                })
            })
            .map(&[TIMESTAMP], big.clone(), |_| {
                primitive::<(Ts,), Int64Type>(|(t,)| {
                    let (y, m, _) = civil_from_days(split_timestamp(t).0);
                    Ok(timestamp_is_finite(t).then(|| days_in_month(y, m).into()))
                })
            }),
    );
    r.add(
        super::part::zone_overloads(def(
            "timezone",
            "A clock time in a zone as an instant, or an instant as the clock time there; of one time what its \
             zone is ahead of UTC, in seconds",
            "timezone('America/Denver', TIMESTAMP '2001-02-16 20:38:40')",
        ))
        .map(&[T::Varchar, TIMESTAMP], T::TimestampTz, |_| convert(false))
        .map(&[T::Varchar, T::TimestampTz], TIMESTAMP, |_| convert(true))
        .map(&[T::Varchar, T::TimeTz], T::TimeTz, |_| {
            let cache: Cache<Zone> = Cache::new();
            primitive::<(Str, Int64Type), Int64Type>(move |(name, t)| {
                Ok(Some(with_offset(t, present_offset(&*cache.get(name, zone)?))))
            })
        })
        .map(&[T::Interval, T::TimeTz], T::TimeTz, |_| {
            primitive::<(I, Int64Type), Int64Type>(|(v, t)| {
                // Months and days are no part of an offset.
                Ok(Some(with_offset(t, v.nanoseconds / NANOS_PER_MICRO / MICROS_PER_SECOND)))
            })
        }),
    );
}

fn finite(t: i64) -> Option<i64> {
    timestamp_is_finite(t).then_some(t)
}

fn interval_micros(v: IntervalMonthDayNano) -> i64 {
    (i64::from(v.months) * 30 + i64::from(v.days))
        .saturating_mul(MICROS_PER_DAY)
        .saturating_add(v.nanoseconds / NANOS_PER_MICRO)
}
