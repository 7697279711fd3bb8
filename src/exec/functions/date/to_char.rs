//! `to_char`: times as text, by a template such as PostgreSQL's.

use std::fmt::Write;

use arrow_array::types::*;

use super::{DAY_NAMES, MONTH_NAMES};
use crate::column::types::{LogicalType as T, TIMESTAMP};
use crate::exec::calendar::*;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Cache, Str, text};
use crate::exec::functions::number_template;
use crate::exec::functions::registry::{Registry, def};

/// How the letters of a word are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Lower,
    Title,
}

/// What a part of a template stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Hour12,
    Hour24,
    Minute,
    Second,
    /// Digits behind the second.
    Fraction(u32),
    SecondOfDay,
    /// `AM`, or `A.M.` with points.
    Half {
        points: bool,
    },
    /// The last digits of the year, at most so many.
    Year(u32),
    IsoYear(u32),
    Month,
    MonthName {
        short: bool,
    },
    Day,
    DayName {
        short: bool,
    },
    DayOfYear,
    /// Sunday is 1.
    DayOfWeek,
    IsoDayOfWeek,
    WeekOfMonth,
    WeekOfYear,
    IsoWeek,
    Quarter,
    Century,
    Julian,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text as it is.
    Text(String),
    Field {
        field: Field,
        case: Case,
        /// FM: without zeros before it and blanks behind it.
        bare: bool,
        /// TH or th: as an ordinal number.
        ordinal: Option<Case>,
    },
}

/// The names of fields: of those that begin alike the longest first.
const FIELDS: &[(&str, Field)] = &[
    ("HH24", Field::Hour24),
    ("HH12", Field::Hour12),
    ("HH", Field::Hour12),
    ("MI", Field::Minute),
    ("SSSSS", Field::SecondOfDay),
    ("SSSS", Field::SecondOfDay),
    ("SS", Field::Second),
    ("MS", Field::Fraction(3)),
    ("US", Field::Fraction(6)),
    ("FF1", Field::Fraction(1)),
    ("FF2", Field::Fraction(2)),
    ("FF3", Field::Fraction(3)),
    ("FF4", Field::Fraction(4)),
    ("FF5", Field::Fraction(5)),
    ("FF6", Field::Fraction(6)),
    ("A.M.", Field::Half { points: true }),
    ("P.M.", Field::Half { points: true }),
    ("AM", Field::Half { points: false }),
    ("PM", Field::Half { points: false }),
    ("IYYY", Field::IsoYear(4)),
    ("IYY", Field::IsoYear(3)),
    ("IY", Field::IsoYear(2)),
    ("YYYY", Field::Year(4)),
    ("YYY", Field::Year(3)),
    ("YY", Field::Year(2)),
    ("MONTH", Field::MonthName { short: false }),
    ("MON", Field::MonthName { short: true }),
    ("MM", Field::Month),
    ("DDD", Field::DayOfYear),
    ("DD", Field::Day),
    ("DAY", Field::DayName { short: false }),
    ("DY", Field::DayName { short: true }),
    ("ID", Field::IsoDayOfWeek),
    ("IW", Field::IsoWeek),
    ("WW", Field::WeekOfYear),
    ("CC", Field::Century),
    ("D", Field::DayOfWeek),
    ("I", Field::IsoYear(1)),
    ("J", Field::Julian),
    ("Q", Field::Quarter),
    ("W", Field::WeekOfMonth),
    ("Y", Field::Year(1)),
];

/// Names of fields that PostgreSQL has and this has not: what they would write is not told from text.
const UNKNOWN: &[&str] =
    &["Y,YYY", "IDDD", "RM", "TZH", "TZM", "TZ", "OF", "BC", "AD", "B.C.", "A.D.", "FX", "TM", "SP"];

/// The longest template, in bytes.
const TEMPLATE_MAX: usize = 1 << 20;

fn begins_with(text: &str, name: &str) -> bool {
    text.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
}

/// Takes a template apart.
pub(super) fn pieces(template: &str) -> Result<Vec<Piece>> {
    let bad = |what: &str| {
        ExecError::InvalidInput(format!(
            "the field \"{what}\" of a format of to_char and to_date is not supported"
        ))
    };
    if template.len() > TEMPLATE_MAX {
        return Err(ExecError::InvalidInput(format!(
            "a format of {} bytes is too long for to_char; at most {TEMPLATE_MAX} are allowed",
            template.len()
        )));
    }
    let (mut out, mut plain) = (vec![], String::new());
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        let bare = begins_with(rest, "FM");
        let at = if bare { &rest[2..] } else { rest };
        if let Some(name) = UNKNOWN.iter().find(|name| begins_with(at, name)) {
            return Err(bad(name));
        }
        if let Some((name, field)) = FIELDS.iter().find(|(name, _)| begins_with(at, name)) {
            let written = &at[..name.len()];
            rest = &at[name.len()..];
            let mut ordinal = None;
            if begins_with(rest, "TH") && !matches!(field, Field::MonthName { .. } | Field::DayName { .. }) {
                ordinal = Some(if rest.starts_with('T') { Case::Upper } else { Case::Lower });
                rest = &rest[2..];
            }
            if begins_with(rest, "SP") {
                return Err(bad("SP"));
            }
            if !plain.is_empty() {
                out.push(Piece::Text(std::mem::take(&mut plain)));
            }
            let mut letters =
                written.chars().filter(|c| c.is_ascii_alphabetic()).map(|c| c.is_ascii_uppercase());
            let case = match (letters.next(), letters.next()) {
                (Some(true), Some(false)) => Case::Title,
                (Some(true), _) => Case::Upper,
                _ => Case::Lower,
            };
            out.push(Piece::Field { field: *field, case, bare, ordinal });
            continue;
        }
        if bare {
            rest = at;
            continue;
        }
        match c {
            // Text in quotes; a backslash makes what follows text.
            '"' => {
                let mut chars = rest[1..].char_indices();
                let mut end = rest.len();
                while let Some((i, c)) = chars.next() {
                    match c {
                        '"' => {
                            end = i + 2;
                            break;
                        }
                        '\\' => plain.extend(chars.next().map(|(_, c)| c)),
                        c => plain.push(c),
                    }
                }
                rest = &rest[end..];
            }
            '\\' if rest[1..].starts_with('"') => {
                plain.push('"');
                rest = &rest[2..];
            }
            c => {
                plain.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    if !plain.is_empty() {
        out.push(Piece::Text(plain));
    }
    Ok(out)
}

fn in_case(text: &str, case: Case) -> String {
    match case {
        Case::Upper => text.to_uppercase(),
        Case::Lower => text.to_lowercase(),
        Case::Title => text.to_owned(),
    }
}

fn suffix(number: i64, case: Case) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    in_case(ending, case)
}

/// Writes a time: a date and the microseconds of the day.
fn write(pieces: &[Piece], days: i32, micros: i64, out: &mut String) -> Result<()> {
    let (year, month, day) = civil_from_days(days);
    let (iso_year, iso_week) = iso_week(days);
    if year < 1 || iso_year < 1 {
        return Err(ExecError::InvalidInput("to_char takes no years before the first".into()));
    }
    let seconds = micros / MICROS_PER_SECOND;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let last_digits = |year: i32, digits: u32| match digits {
        4 => i64::from(year),
        _ => i64::from(year) % 10_i64.pow(digits),
    };
    for piece in pieces {
        let (field, case, bare, ordinal) = match piece {
            Piece::Text(text) => {
                out.push_str(text);
                continue;
            }
            Piece::Field { field, case, bare, ordinal } => (*field, *case, *bare, *ordinal),
        };
        let named = |name: &str, short: bool, out: &mut String| {
            let name = in_case(if short { &name[..3] } else { name }, case);
            let width = if short || bare { 0 } else { 9 };
            let _ = write!(out, "{name:width$}");
        };
        let (number, width) = match field {
            Field::MonthName { short } => {
                named(MONTH_NAMES[month as usize - 1], short, out);
                continue;
            }
            Field::DayName { short } => {
                named(DAY_NAMES[day_of_week(days) as usize], short, out);
                continue;
            }
            Field::Half { points } => {
                let half = match (hour >= 12, points) {
                    (false, false) => "AM",
                    (true, false) => "PM",
                    (false, true) => "A.M.",
                    (true, true) => "P.M.",
                };
                out.push_str(&in_case(half, if case == Case::Lower { Case::Lower } else { Case::Upper }));
                continue;
            }
            Field::Hour12 => (if hour % 12 == 0 { 12 } else { hour % 12 }, 2),
            Field::Hour24 => (hour, 2),
            Field::Minute => (minute, 2),
            Field::Second => (second, 2),
            Field::Fraction(digits) => (micros % MICROS_PER_SECOND / 10_i64.pow(6 - digits), digits as usize),
            Field::SecondOfDay => (seconds, 1),
            Field::Year(digits) => (last_digits(year, digits), digits as usize),
            Field::IsoYear(digits) => (last_digits(iso_year, digits), digits as usize),
            Field::Month => (month.into(), 2),
            Field::Day => (day.into(), 2),
            Field::DayOfYear => (day_of_year(days).into(), 3),
            Field::DayOfWeek => (i64::from(day_of_week(days)) + 1, 1),
            Field::IsoDayOfWeek => (iso_day_of_week(days).into(), 1),
            Field::WeekOfMonth => ((i64::from(day) - 1) / 7 + 1, 1),
            Field::WeekOfYear => ((i64::from(day_of_year(days)) - 1) / 7 + 1, 2),
            Field::IsoWeek => (iso_week.into(), 2),
            Field::Quarter => ((i64::from(month) - 1) / 3 + 1, 1),
            Field::Century => ((i64::from(year) - 1) / 100 + 1, 2),
            Field::Julian => (i64::from(days) + 2_440_588, 1),
        };
        // A fraction without its zeros would be another.
        let width = if bare && !matches!(field, Field::Fraction(_)) { 0 } else { width };
        let _ = write!(out, "{number:0width$}");
        if let Some(case) = ordinal {
            out.push_str(&suffix(number, case));
        }
    }
    Ok(())
}

/// A time in microseconds; NULL if it is infinite or the template is empty, as in PostgreSQL.
fn timestamp(pieces: &[Piece], t: i64, out: &mut String) -> Result<bool> {
    if !timestamp_is_finite(t) || pieces.is_empty() {
        return Ok(false);
    }
    let (days, micros) = split_timestamp(t);
    write(pieces, days, micros, out).map(|()| true)
}

pub(super) fn register(r: &mut Registry) {
    let s = T::Varchar;
    r.add(
        def(
            "to_char",
            "A time or a number as text, by a template of PostgreSQL's such as 'YYYY-MM-DD HH24:MI:SS' or 'FM9,990.00'",
            "to_char(DATE '1992-03-01', 'FMDay, DD Mon YYYY')",
        )
        .map(&[T::Date, s.clone()], s.clone(), |_| {
            let cache: Cache<Vec<Piece>> = Cache::new();
            text::<(Date32Type, Str)>(move |(d, p), out| {
                let pieces = cache.get(p, pieces)?;
                if !date_is_finite(d) || pieces.is_empty() {
                    return Ok(false);
                }
                write(&pieces, d, 0, out).map(|()| true)
            })
        })
        .map(&[TIMESTAMP, s.clone()], s.clone(), |_| {
            let cache: Cache<Vec<Piece>> = Cache::new();
            text::<(TimestampMicrosecondType, Str)>(move |(t, p), out| {
                timestamp(&cache.get(p, pieces)?, t, out)
            })
        })
        // As the clock of the session's zone shows it.
        .map(&[T::TimestampTz, s.clone()], s, |_| {
            Box::new(move |args, ty, rows, ctx| {
                let zone = ctx.zone.clone();
                let cache: Cache<Vec<Piece>> = Cache::new();
                let kernel = text::<(TimestampMicrosecondType, Str)>(move |(t, p), out| {
                    let pieces = cache.get(p, pieces)?;
                    if !timestamp_is_finite(t) {
                        return Ok(false);
                    }
                    let offset = zone.offset_seconds(t);
                    timestamp(&pieces, t.saturating_add(offset * MICROS_PER_SECOND), out)
                });
                kernel(args, ty, rows, ctx)
            })
        })
        .custom(&["(numeric, VARCHAR) -> VARCHAR"], number_template::to_char),
    );
}
