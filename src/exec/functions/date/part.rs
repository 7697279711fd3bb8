//! Parts of dates and times: `year(d)`, `date_part('hour', t)`, `extract(… FROM …)`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Float64Array, Int64Array, new_null_array};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer};
use arrow_schema::DataType;

use super::zoned::on_clock;
use super::{DAY_NAMES, MONTH_NAMES};
use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::*;
use crate::exec::cast::temporal::to_local;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Column, Nulls, Str, nulls_of, primitive, text};
use crate::exec::functions::registry::{Def, Registry, Resolution, def};
use crate::exec::functions::{ArgInfo, ScalarKernel};
use crate::exec::timetz;
use crate::exec::zone::Zone;

/// A part of a date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Millennium,
    Century,
    Decade,
    Year,
    Quarter,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Week,
    IsoYear,
    YearWeek,
    Era,
    Zone,
    ZoneHour,
    ZoneMinute,
    Epoch,
    Julian,
}

impl Part {
    /// The part of this name, in any case.
    pub fn parse(name: &str) -> Result<Self> {
        let lower = name.trim().to_ascii_lowercase();
        Ok(match lower.as_str() {
            "millennium" | "millennia" | "millenniums" | "mil" | "mils" => Self::Millennium,
            "century" | "centuries" | "cent" | "c" => Self::Century,
            "decade" | "decades" | "dec" | "decs" => Self::Decade,
            "year" | "years" | "yr" | "yrs" | "y" => Self::Year,
            "quarter" | "quarters" => Self::Quarter,
            "month" | "months" | "mon" | "mons" => Self::Month,
            "day" | "days" | "d" | "dayofmonth" => Self::Day,
            "hour" | "hours" | "hr" | "hrs" | "h" => Self::Hour,
            "minute" | "minutes" | "min" | "mins" | "m" => Self::Minute,
            "second" | "seconds" | "sec" | "secs" | "s" => Self::Second,
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => Self::Millisecond,
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" => Self::Microsecond,
            "nanosecond" | "nanoseconds" | "ns" | "nsec" | "nsecs" => Self::Nanosecond,
            "dayofweek" | "weekday" | "dow" => Self::DayOfWeek,
            "isodow" => Self::IsoDayOfWeek,
            "dayofyear" | "doy" => Self::DayOfYear,
            "week" | "weeks" | "w" | "weekofyear" => Self::Week,
            "isoyear" => Self::IsoYear,
            "yearweek" => Self::YearWeek,
            "era" => Self::Era,
            "timezone" => Self::Zone,
            "timezone_hour" => Self::ZoneHour,
            "timezone_minute" => Self::ZoneMinute,
            "epoch" => Self::Epoch,
            "julian" | "jd" => Self::Julian,
            _ => {
                return Err(ExecError::Conversion(format!("extract specifier \"{name}\" not recognized")));
            }
        })
    }

    /// Whether the part is of a time of day.
    pub fn is_of_clock(self) -> bool {
        matches!(
            self,
            Self::Hour
                | Self::Minute
                | Self::Second
                | Self::Millisecond
                | Self::Microsecond
                | Self::Nanosecond
                | Self::Epoch
        )
    }

    /// Whether the part is a float.
    fn is_float(self) -> bool {
        matches!(self, Self::Epoch | Self::Julian)
    }

    /// The part of a finite date and microseconds of that day.
    fn of(self, days: i32, micros: i64) -> i64 {
        let century_like = |year: i32, n: i64| {
            let y = i64::from(year);
            if y > 0 { (y - 1) / n + 1 } else { -(-y / n) - 1 }
        };
        match self {
            Self::Hour => micros / MICROS_PER_HOUR,
            Self::Minute => micros / MICROS_PER_MINUTE % 60,
            Self::Second => micros / MICROS_PER_SECOND % 60,
            Self::Millisecond => micros % MICROS_PER_MINUTE / 1_000,
            Self::Microsecond => micros % MICROS_PER_MINUTE,
            Self::Nanosecond => micros % MICROS_PER_MINUTE * 1_000,
            Self::DayOfWeek => day_of_week(days).into(),
            Self::IsoDayOfWeek => iso_day_of_week(days).into(),
            Self::DayOfYear => day_of_year(days).into(),
            Self::Week => iso_week(days).1.into(),
            Self::IsoYear => iso_week(days).0.into(),
            Self::YearWeek => {
                let (y, w) = iso_week(days);
                i64::from(y) * 100 + if y < 0 { -i64::from(w) } else { i64::from(w) }
            }
            Self::Zone | Self::ZoneHour | Self::ZoneMinute => 0,
            Self::Year => civil_from_days(days).0.into(),
            Self::Month => civil_from_days(days).1.into(),
            Self::Day => civil_from_days(days).2.into(),
            Self::Quarter => i64::from((civil_from_days(days).1 - 1) / 3 + 1),
            Self::Decade => i64::from(civil_from_days(days).0) / 10,
            Self::Century => century_like(civil_from_days(days).0, 100),
            Self::Millennium => century_like(civil_from_days(days).0, 1000),
            Self::Era => i64::from(civil_from_days(days).0 > 0),
            Self::Epoch => i64::from(days) * 86_400 + micros / MICROS_PER_SECOND,
            Self::Julian => i64::from(days) + 2_440_588,
        }
    }

    /// A part that is a float.
    fn float_of(self, days: i32, micros: i64) -> f64 {
        match self {
            Self::Epoch => (i64::from(days) as f64 * MICROS_PER_DAY as f64 + micros as f64) / 1e6,
            Self::Julian => i64::from(days) as f64 + 2_440_588.0 + micros as f64 / MICROS_PER_DAY as f64,
            other => other.of(days, micros) as f64,
        }
    }

    /// A part of an offset from UTC in seconds, if it is one.
    fn of_offset(self, seconds: i64) -> Option<i64> {
        match self {
            Self::Zone => Some(seconds),
            Self::ZoneHour => Some(seconds / 3_600),
            Self::ZoneMinute => Some(seconds / 60 % 60),
            _ => None,
        }
    }

    fn of_interval(self, v: IntervalMonthDayNano) -> Result<f64> {
        let micros = v.nanoseconds / NANOS_PER_MICRO;
        let years = i64::from(v.months / 12);
        Ok(match self {
            Self::Millennium => years / 1000,
            Self::Century => years / 100,
            Self::Decade => years / 10,
            Self::Year => years,
            Self::Quarter => i64::from(v.months % 12 / 3 + 1),
            Self::Month => i64::from(v.months % 12),
            Self::Day => i64::from(v.days),
            Self::Hour => micros / MICROS_PER_HOUR,
            Self::Minute => micros % MICROS_PER_HOUR / MICROS_PER_MINUTE,
            Self::Second => micros % MICROS_PER_MINUTE / MICROS_PER_SECOND,
            Self::Millisecond => micros % MICROS_PER_MINUTE / 1_000,
            Self::Microsecond => micros % MICROS_PER_MINUTE,
            Self::Nanosecond => micros % MICROS_PER_MINUTE * 1_000,
            Self::Epoch => {
                // A year is 365.25 days here, any other month 30.
                let days = years as f64 * 365.25 + f64::from(v.months % 12) * 30.0 + f64::from(v.days);
                return Ok(days * 86_400.0 + micros as f64 / 1e6);
            }
            other => {
                return Err(ExecError::Unsupported(format!("interval units {other:?} not recognized")));
            }
        } as f64)
    }

    fn of_time(self, micros: i64) -> Result<f64> {
        match self {
            Self::Hour
            | Self::Minute
            | Self::Second
            | Self::Millisecond
            | Self::Microsecond
            | Self::Nanosecond
            | Self::Zone
            | Self::ZoneHour
            | Self::ZoneMinute => Ok(self.of(0, micros) as f64),
            Self::Epoch => Ok(micros as f64 / 1e6),
            other => Err(ExecError::Unsupported(format!("\"time\" units {other:?} not recognized"))),
        }
    }
}

const NANOS: LogicalType = LogicalType::Timestamp(crate::column::types::TimeUnit::Nanosecond);

/// What a column of dates or times is made of.
#[derive(Clone, Copy)]
enum Of {
    Date,
    Timestamp,
    Instant,
    Time,
    TimeNs,
    TimeTz,
    Interval,
}

impl Of {
    fn new(ty: &LogicalType) -> Self {
        match ty {
            LogicalType::Date => Self::Date,
            LogicalType::Time => Self::Time,
            LogicalType::TimeNs => Self::TimeNs,
            LogicalType::TimeTz => Self::TimeTz,
            LogicalType::Interval => Self::Interval,
            LogicalType::TimestampTz => Self::Instant,
            _ => Self::Timestamp,
        }
    }
}

/// Where the values are infinite.
fn finite<T: ArrowPrimitiveType>(
    array: &arrow_array::PrimitiveArray<T>,
    test: impl Fn(T::Native) -> bool,
) -> Option<NullBuffer> {
    let own = array.nulls().cloned();
    if array.values().iter().all(|v| test(*v)) {
        return own;
    }
    let bits = arrow_buffer::BooleanBuffer::collect_bool(array.len(), |i| test(array.values()[i]));
    NullBuffer::union(own.as_ref(), Some(&NullBuffer::new(bits)))
}

/// One part of a whole column.
fn extract(part: Part, of: Of, array: &ArrayRef, zone: &Zone) -> Result<ArrayRef> {
    macro_rules! collect {
        ($values:expr, $nulls:expr, $int:expr, $float:expr) => {{
            let (values, nulls) = ($values, $nulls);
            Ok(if part.is_float() {
                Arc::new(Float64Array::new(values.iter().map($float).collect::<Vec<f64>>().into(), nulls))
            } else {
                Arc::new(Int64Array::new(values.iter().map($int).collect::<Vec<i64>>().into(), nulls))
            })
        }};
    }
    match of {
        Of::TimeNs => {
            let nanos = array.as_primitive::<Time64NanosecondType>();
            if part == Part::Nanosecond {
                let of_minute = |t: i64| t.rem_euclid(MICROS_PER_MINUTE * NANOS_PER_MICRO);
                return Ok(Arc::new(nanos.unary::<_, Int64Type>(of_minute)));
            }
            let micros = nanos.unary::<_, Time64MicrosecondType>(|t| t / NANOS_PER_MICRO);
            extract(part, Of::Time, &(Arc::new(micros) as ArrayRef), zone)
        }
        Of::Instant => {
            if part.of_offset(0).is_some() {
                let clock = zone.clock();
                let a = array.as_primitive::<TimestampMicrosecondType>();
                let offsets = a.unary_opt::<_, Int64Type>(|t| {
                    let seconds = if timestamp_is_finite(t) { clock.offset(t) } else { return None };
                    part.of_offset(seconds)
                });
                return Ok(Arc::new(offsets));
            }
            // Seconds since 1970 are counted in UTC.
            if part == Part::Epoch || zone.is_utc() {
                return extract(part, Of::Timestamp, array, zone);
            }
            extract(part, Of::Timestamp, &to_local(array, zone), zone)
        }
        Of::TimeTz => {
            let packed = array.as_primitive::<Int64Type>();
            if part.of_offset(0).is_some() {
                let of = |t| part.of_offset(timetz::unpack(t).1).unwrap_or_default();
                return Ok(Arc::new(packed.unary::<_, Int64Type>(of)));
            }
            let times: ArrayRef = Arc::new(packed.unary::<_, Time64MicrosecondType>(|t| timetz::unpack(t).0));
            extract(part, Of::Time, &times, zone)
        }
        Of::Date => {
            if part.of_offset(0).is_some() {
                let dates = array.as_primitive::<Date32Type>();
                if dates.iter().flatten().any(date_is_finite) {
                    return Err(ExecError::Unsupported(format!("\"date\" units {part:?} not recognized")));
                }
                return Ok(new_null_array(&DataType::Int64, array.len()));
            }
            let a = array.as_primitive::<Date32Type>();
            collect!(a.values(), finite(a, date_is_finite), |d| part.of(*d, 0), |d| part.float_of(*d, 0))
        }
        Of::Timestamp => {
            let a = array.as_primitive::<TimestampMicrosecondType>();
            let nulls = finite(a, timestamp_is_finite);
            let v = a.values();
            // The clock needs no calendar.
            let fast: Option<fn(i64) -> i64> = match part {
                Part::Hour => Some(|t| t.div_euclid(MICROS_PER_HOUR).rem_euclid(24)),
                Part::Minute => Some(|t| t.div_euclid(MICROS_PER_MINUTE).rem_euclid(60)),
                Part::Second => Some(|t| t.div_euclid(MICROS_PER_SECOND).rem_euclid(60)),
                _ => None,
            };
            if let Some(f) = fast {
                return Ok(Arc::new(Int64Array::new(
                    v.iter().map(|t| f(*t)).collect::<Vec<_>>().into(),
                    nulls,
                )));
            }
            collect!(
                v,
                nulls,
                |t| {
                    let (d, m) = split_timestamp(*t);
                    part.of(d, m)
                },
                |t| {
                    if part == Part::Epoch {
                        return *t as f64 / 1e6;
                    }
                    let (d, m) = split_timestamp(*t);
                    part.float_of(d, m)
                }
            )
        }
        Of::Time | Of::Interval => {
            let rows = array.len();
            let mut values = Vec::with_capacity(rows);
            for row in 0..rows {
                values.push(if array.is_null(row) {
                    0.0
                } else if matches!(of, Of::Time) {
                    part.of_time(array.as_primitive::<Time64MicrosecondType>().value(row))?
                } else {
                    part.of_interval(array.as_primitive::<IntervalMonthDayNanoType>().value(row))?
                });
            }
            let nulls = array.nulls().cloned();
            collect!(values, nulls, |v| *v as i64, |v| *v)
        }
    }
}

/// Nanoseconds within a minute, of timestamps that have them.
fn nanosecond_kernel() -> ScalarKernel {
    primitive::<(TimestampNanosecondType,), Int64Type>(|(t,)| {
        Ok(timestamp_is_finite(t).then(|| t.rem_euclid(MICROS_PER_MINUTE * NANOS_PER_MICRO)))
    })
}

fn part_kernel(part: Part, of: Of) -> ScalarKernel {
    Box::new(move |args, _, _, ctx| extract(part, of, &args[0], &ctx.zone))
}

const TYPES: [LogicalType; 7] = [
    LogicalType::Date,
    TIMESTAMP,
    LogicalType::TimestampTz,
    LogicalType::Interval,
    LogicalType::Time,
    LogicalType::TimeNs,
    LogicalType::TimeTz,
];

/// The type that an argument of `date_part` is read as.
fn temporal_type(arg: &ArgInfo) -> Option<LogicalType> {
    match &arg.ty {
        LogicalType::Timestamp(_) => Some(TIMESTAMP),
        LogicalType::Null => Some(TIMESTAMP),
        t if TYPES.contains(t) => Some(t.clone()),
        _ => None,
    }
}

/// `date_part(name, value)`; a list of names gives a struct.
fn date_part(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [name, value] = args else { return None };
    let ty = temporal_type(value)?;
    let of = Of::new(&ty);
    if value.ty == NANOS
        && let Some(Scalar::Text(text)) = &name.literal
        && Part::parse(text).is_ok_and(|p| p == Part::Nanosecond)
    {
        let nanos = nanosecond_kernel();
        let kernel: ScalarKernel = Box::new(move |args, ty, rows, ctx| nanos(&args[1..], ty, rows, ctx));
        let arg_types = vec![LogicalType::Varchar, NANOS];
        return Some(Ok(Resolution { arg_types, return_type: LogicalType::BigInt, kernel }));
    }
    match &name.literal {
        Some(Scalar::Text(text)) => {
            let part = match Part::parse(text) {
                Ok(p) => p,
                Err(e) => return Some(Err(e.to_string())),
            };
            let ret = if part.is_float() { LogicalType::Double } else { LogicalType::BigInt };
            let kernel: ScalarKernel =
                Box::new(move |args, _, _, ctx| extract(part, of, &args[1], &ctx.zone));
            Some(Ok(Resolution { arg_types: vec![LogicalType::Varchar, ty], return_type: ret, kernel }))
        }
        Some(Scalar::Nested(list)) => {
            let names = crate::exec::functions::list::text_elements(list)?;
            let parts = match names.iter().map(|n| Part::parse(n)).collect::<Result<Vec<_>>>() {
                Ok(p) => p,
                Err(e) => return Some(Err(e.to_string())),
            };
            if let Some(name) =
                names.iter().enumerate().find_map(|(i, n)| names[..i].contains(n).then_some(n))
            {
                return Some(Err(format!("Duplicate struct entry name \"{name}\" in \"date_part\"")));
            }
            let field = |(n, p): (&String, &Part)| {
                let ty = if p.is_float() { LogicalType::Double } else { LogicalType::BigInt };
                (n.as_str().into(), ty)
            };
            let ret = LogicalType::Struct(names.iter().zip(&parts).map(field).collect());
            let kernel: ScalarKernel = Box::new(move |args, ty, rows, ctx| {
                let columns =
                    parts.iter().map(|p| extract(*p, of, &args[1], &ctx.zone)).collect::<Result<Vec<_>>>()?;
                crate::exec::cast::nested::struct_array(ty, columns, args[1].nulls().cloned(), rows)
            });
            Some(Ok(Resolution { arg_types: vec![name.ty.clone(), ty], return_type: ret, kernel }))
        }
        _ if matches!(name.ty, LogicalType::Varchar | LogicalType::Null) => {
            // Names differ from row to row: all parts come as floats.
            let kernel: ScalarKernel = Box::new(move |args, ty, rows, ctx| {
                let nulls = match nulls_of(args, rows) {
                    Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
                    Nulls::None => None,
                    Nulls::Some(n) => Some(n),
                };
                let names = Column::<Str>::open(args, 0, rows)?;
                let mut out = Vec::with_capacity(rows);
                for row in 0..rows {
                    if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                        out.push(None);
                        continue;
                    }
                    let at = if args[1].len() == rows { row } else { 0 };
                    let part = Part::parse(names.get(row))?;
                    let v = extract(part, of, &args[1].slice(at, 1), &ctx.zone)?;
                    out.push(v.is_valid(0).then(|| match v.as_primitive_opt::<Float64Type>() {
                        Some(f) => f.value(0),
                        None => v.as_primitive::<Int64Type>().value(0) as f64,
                    }));
                }
                Ok(Arc::new(Float64Array::from(out)))
            });
            Some(Ok(Resolution {
                arg_types: vec![LogicalType::Varchar, ty],
                return_type: LogicalType::Double,
                kernel,
            }))
        }
        _ => None,
    }
}

/// Adds the functions of one part for all types that have it.
macro_rules! part_functions {
    ($r:ident; $($name:literal [$($alias:literal),*] $part:ident $times:literal, $what:literal;)*) => {$({
        let ret = if Part::$part.is_float() { LogicalType::Double } else { LogicalType::BigInt };
        let mut d: Def = def($name, $what, concat!($name, "(TIMESTAMP '2021-08-03 11:59:44.123456')"))
            .aliases(&[$($alias),*]);
        for t in &TYPES {
            if matches!(t, LogicalType::Time | LogicalType::TimeNs | LogicalType::TimeTz) && !$times {
                continue;
            }
            d = d.map(&[t.clone()], ret.clone(), |site| part_kernel(Part::$part, Of::new(&site.types[0])));
        }
        $r.add(d);
    })*};
}

pub(super) fn register(r: &mut Registry) {
    part_functions! { r;
        "millennium" [] Millennium false, "Millennium of a date";
        "century" [] Century false, "Century of a date";
        "decade" [] Decade false, "Decade of a date";
        "year" [] Year false, "Year of a date";
        "quarter" [] Quarter false, "Quarter of a date";
        "month" [] Month false, "Month of a date";
        "day" ["dayofmonth"] Day false, "Day of a date";
        "hour" [] Hour true, "Hour of a time";
        "minute" [] Minute true, "Minute of a time";
        "second" [] Second true, "Second of a time";
        "millisecond" [] Millisecond true, "Seconds of a time, in milliseconds";
        "microsecond" [] Microsecond true, "Seconds of a time, in microseconds";
        "nanosecond" [] Nanosecond true, "Seconds of a time, in nanoseconds";
        "dayofweek" ["weekday"] DayOfWeek false, "Day of the week, Sunday 0 to Saturday 6";
        "isodow" [] IsoDayOfWeek false, "Day of the week, Monday 1 to Sunday 7";
        "dayofyear" [] DayOfYear false, "Day of the year";
        "week" ["weekofyear"] Week false, "Week of the year by ISO 8601";
        "isoyear" [] IsoYear false, "Year by ISO 8601, which begins on a Monday";
        "yearweek" [] YearWeek false, "Year and week by ISO 8601, as a number YYYYWW";
        "era" [] Era false, "1 for years of our era, else 0";
        "epoch" [] Epoch true, "Seconds since 1970";
        "timezone_hour" [] ZoneHour true, "Hours that the zone is ahead of UTC";
        "timezone_minute" [] ZoneMinute true, "Minutes of what the zone is ahead of UTC";
        "julian" [] Julian false, "Julian day";
    }
    r.extend("nanosecond", |d| d.map(&[NANOS], LogicalType::BigInt, |_| nanosecond_kernel()));
    r.add(
        def(
            "date_part",
            "A part, given by its name, of a date or time",
            "date_part('minute', TIMESTAMP '1992-09-20 20:38:40')",
        )
        .aliases(&["datepart", "extract"])
        .custom(
            &[
                "(VARCHAR, TIMESTAMP) -> BIGINT",
                "('epoch', TIMESTAMP) -> DOUBLE",
                "(VARCHAR[], TIMESTAMP) -> STRUCT",
            ],
            date_part,
        ),
    );
    r.add(
        def("dayname", "English name of the day of the week", "dayname(DATE '1992-09-20')")
            .map(&[LogicalType::Date], LogicalType::Varchar, |_| {
                text::<(Date32Type,)>(|(d,), out| named(date_is_finite(d), day_name(d), out))
            })
            .map(&[TIMESTAMP], LogicalType::Varchar, |_| {
                text::<(TimestampMicrosecondType,)>(|(t,), out| {
                    named(timestamp_is_finite(t), day_name(split_timestamp(t).0), out)
                })
            })
            .map(&[LogicalType::TimestampTz], LogicalType::Varchar, |_| {
                on_clock(
                    &[0],
                    text::<(TimestampMicrosecondType,)>(|(t,), out| {
                        named(timestamp_is_finite(t), day_name(split_timestamp(t).0), out)
                    }),
                )
            }),
    );
    r.add(
        def("monthname", "English name of the month", "monthname(DATE '1992-09-20')")
            .map(&[LogicalType::Date], LogicalType::Varchar, |_| {
                text::<(Date32Type,)>(|(d,), out| named(date_is_finite(d), month_name(d), out))
            })
            .map(&[TIMESTAMP], LogicalType::Varchar, |_| {
                text::<(TimestampMicrosecondType,)>(|(t,), out| {
                    named(timestamp_is_finite(t), month_name(split_timestamp(t).0), out)
                })
            })
            .map(&[LogicalType::TimestampTz], LogicalType::Varchar, |_| {
                on_clock(
                    &[0],
                    text::<(TimestampMicrosecondType,)>(|(t,), out| {
                        named(timestamp_is_finite(t), month_name(split_timestamp(t).0), out)
                    }),
                )
            }),
    );
}

fn named(known: bool, name: &str, out: &mut String) -> Result<bool> {
    out.push_str(name);
    Ok(known)
}

fn day_name(d: i32) -> &'static str {
    DAY_NAMES[day_of_week(d) as usize]
}

fn month_name(d: i32) -> &'static str {
    MONTH_NAMES[civil_from_days(d).1 as usize - 1]
}

/// `timezone(time)`: what its zone is ahead of UTC, in seconds; overloads for `timezone`.
pub(super) fn zone_overloads(mut d: Def) -> Def {
    for t in &TYPES {
        d = d.map(&[t.clone()], LogicalType::BigInt, |site| part_kernel(Part::Zone, Of::new(&site.types[0])));
    }
    d
}
