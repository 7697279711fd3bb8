//! `strftime`: times as text, by a pattern.

use std::fmt::Write;

use arrow_array::types::*;

use super::{DAY_NAMES, MONTH_NAMES};
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::*;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::kernel::{Cache, Str, text};
use crate::exec::functions::registry::{Registry, def};

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text as it is.
    Text(String),
    /// `%c`, or `%-c` where `padded` is false.
    Field { field: char, padded: bool },
}

/// The fields that exist.
const FIELDS: &str = "aAbBcdfgGhHIjmMnpSTuUVwWxXyYzZ";

/// The longest pattern, in bytes: taken apart it is many times as long, and so is what is written by it.
const PATTERN_MAX: usize = 1 << 20;

/// Takes a pattern apart.
pub(super) fn pieces(pattern: &str) -> Result<Vec<Piece>> {
    let bad = |spec: &str| {
        ExecError::InvalidInput(format!(
            "Failed to parse format specifier {pattern}: Unrecognized format for strftime/strptime: {spec}"
        ))
    };
    if pattern.len() > PATTERN_MAX {
        return Err(ExecError::InvalidInput(format!(
            "a format of {} bytes is too long for strftime/strptime; at most {PATTERN_MAX} are allowed",
            pattern.len()
        )));
    }
    let mut out = vec![];
    let mut text = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let (mut field, mut padded) = (chars.next(), true);
        if field == Some('-') {
            padded = false;
            field = chars.next();
        }
        match field {
            Some('%') => text.push('%'),
            Some(f) if FIELDS.contains(f) && (padded || "dHIjmMSy".contains(f)) => {
                if !text.is_empty() {
                    out.push(Piece::Text(std::mem::take(&mut text)));
                }
                // Composite fields, and second names of fields, are what they stand for.
                let whole = match f {
                    'c' => Some("%Y-%m-%d %H:%M:%S"),
                    'x' => Some("%Y-%m-%d"),
                    'X' | 'T' => Some("%H:%M:%S"),
                    'h' => Some("%b"),
                    _ => None,
                };
                match whole {
                    Some(w) => out.extend(pieces(w)?),
                    None => out.push(Piece::Field { field: f, padded }),
                }
            }
            Some(f) => return Err(bad(&format!("%{}{f}", if padded { "" } else { "-" }))),
            None => {
                return Err(ExecError::InvalidInput(format!(
                    "Failed to parse format specifier {pattern}: Trailing format character %"
                )));
            }
        }
    }
    if !text.is_empty() {
        out.push(Piece::Text(text));
    }
    Ok(out)
}

/// Week of the year whose weeks begin on the given day, Sunday 0; days before the first are week 0.
fn week_of_year(days: i32, first_day: u32) -> u32 {
    let doy = day_of_year(days) - 1;
    let dow = (day_of_week(days) + 7 - first_day) % 7;
    (doy + 7 - dow) / 7
}

/// Writes a time: date, microseconds of the day, and a remainder in nanoseconds.
fn write(pieces: &[Piece], days: i32, micros: i64, nanos: i64, zone: Option<(i64, &str)>, out: &mut String) {
    let (year, month, day) = civil_from_days(days);
    let seconds = micros / MICROS_PER_SECOND;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = micros % MICROS_PER_SECOND;
    for piece in pieces {
        let (field, padded) = match piece {
            Piece::Text(t) => {
                out.push_str(t);
                continue;
            }
            Piece::Field { field, padded } => (*field, *padded),
        };
        let two = |v: i64, out: &mut String| {
            let _ = if padded { write!(out, "{v:02}") } else { write!(out, "{v}") };
        };
        let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
        match field {
            'a' => out.push_str(&DAY_NAMES[day_of_week(days) as usize][..3]),
            'A' => out.push_str(DAY_NAMES[day_of_week(days) as usize]),
            'b' => out.push_str(&MONTH_NAMES[month as usize - 1][..3]),
            'B' => out.push_str(MONTH_NAMES[month as usize - 1]),
            'd' => two(day.into(), out),
            'f' => {
                let _ = write!(out, "{fraction:06}");
            }
            'g' => {
                let _ = write!(out, "{:03}", fraction / 1000);
            }
            'n' => {
                let _ = write!(out, "{:09}", fraction * 1000 + nanos);
            }
            'G' => {
                let _ = write!(out, "{:04}", iso_week(days).0);
            }
            'H' => two(hour, out),
            'I' => two(hour12, out),
            'j' if padded => {
                let _ = write!(out, "{:03}", day_of_year(days));
            }
            'j' => {
                let _ = write!(out, "{}", day_of_year(days));
            }
            'm' => two(month.into(), out),
            'M' => two(minute, out),
            'p' => out.push_str(if hour >= 12 { "PM" } else { "AM" }),
            'S' => two(second, out),
            'u' => {
                let _ = write!(out, "{}", iso_day_of_week(days));
            }
            'U' => two(week_of_year(days, 0).into(), out),
            'V' => two(iso_week(days).1.into(), out),
            'w' => {
                let _ = write!(out, "{}", day_of_week(days));
            }
            'W' => two(week_of_year(days, 1).into(), out),
            'y' => two(i64::from(year.rem_euclid(100)), out),
            'Y' => {
                let _ =
                    if (0..=9999).contains(&year) { write!(out, "{year:04}") } else { write!(out, "{year}") };
            }
            'z' => crate::exec::cast::time_text::write_offset(zone.map_or(0, |(offset, _)| offset), out),
            'Z' => out.push_str(zone.map_or("", |(_, name)| name)),
            _ => {}
        }
    }
}

fn infinity(negative: bool, out: &mut String) {
    out.push_str(if negative { "-infinity" } else { "infinity" });
}

fn timestamp(pieces: &[Piece], t: i64, out: &mut String) {
    if !timestamp_is_finite(t) {
        return infinity(t < 0, out);
    }
    let (days, micros) = split_timestamp(t);
    write(pieces, days, micros, 0, None, out);
}

fn timestamps(pattern_first: bool) -> ScalarKernel {
    let cache: Cache<Vec<Piece>> = Cache::new();
    if pattern_first {
        return text::<(Str, TimestampMicrosecondType)>(move |(p, t), out| {
            timestamp(&cache.get(p, pieces)?, t, out);
            Ok(true)
        });
    }
    text::<(TimestampMicrosecondType, Str)>(move |(t, p), out| {
        timestamp(&cache.get(p, pieces)?, t, out);
        Ok(true)
    })
}

/// Instants as the clock of the session's zone shows them.
fn instants(pattern_first: bool) -> ScalarKernel {
    Box::new(move |args, ty, rows, ctx| {
        let zone = ctx.zone.clone();
        let cache: Cache<Vec<Piece>> = Cache::new();
        let one = move |t: i64, p: &str, out: &mut String| -> Result<bool> {
            if !timestamp_is_finite(t) {
                infinity(t < 0, out);
                return Ok(true);
            }
            let offset = zone.offset_seconds(t);
            let (days, micros) = split_timestamp(t.saturating_add(offset * MICROS_PER_SECOND));
            write(&cache.get(p, pieces)?, days, micros, 0, Some((offset, zone.name())), out);
            Ok(true)
        };
        let kernel = if pattern_first {
            text::<(Str, TimestampMicrosecondType)>(move |(p, t), out| one(t, p, out))
        } else {
            text::<(TimestampMicrosecondType, Str)>(move |(t, p), out| one(t, p, out))
        };
        kernel(args, ty, rows, ctx)
    })
}

/// A pattern that times are written by.
#[derive(Debug)]
pub struct TimePattern(Vec<Piece>);

impl TimePattern {
    /// # Errors
    /// It has a field that does not exist.
    pub fn parse(pattern: &str) -> Result<Self> {
        pieces(pattern).map(Self)
    }

    /// Writes a day.
    pub fn date(&self, days: i32, out: &mut String) {
        date(&self.0, days, out);
    }

    /// Writes a time in microseconds, in UTC.
    pub fn timestamp(&self, micros: i64, out: &mut String) {
        timestamp(&self.0, micros, out);
    }
}

fn date(pieces: &[Piece], d: i32, out: &mut String) {
    if date_is_finite(d) { write(pieces, d, 0, 0, None, out) } else { infinity(d < 0, out) }
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let s = T::Varchar;
    let nanos = T::Timestamp(arrow_schema::TimeUnit::Nanosecond);
    r.add(
        def(
            "strftime",
            "A time as text, by a pattern such as '%Y-%m-%d %H:%M:%S'",
            "strftime(DATE '1992-01-01', '%a, %-d %B %Y')",
        )
        .map(&[T::Date, s.clone()], s.clone(), |_| {
            let cache: Cache<Vec<Piece>> = Cache::new();
            text::<(Date32Type, Str)>(move |(d, p), out| {
                date(&cache.get(p, pieces)?, d, out);
                Ok(true)
            })
        })
        .map(&[s.clone(), T::Date], s.clone(), |_| {
            let cache: Cache<Vec<Piece>> = Cache::new();
            text::<(Str, Date32Type)>(move |(p, d), out| {
                date(&cache.get(p, pieces)?, d, out);
                Ok(true)
            })
        })
        .map(&[TIMESTAMP, s.clone()], s.clone(), |_| timestamps(false))
        .map(&[s.clone(), TIMESTAMP], s.clone(), |_| timestamps(true))
        .map(&[T::TimestampTz, s.clone()], s.clone(), |_| instants(false))
        .map(&[s.clone(), T::TimestampTz], s.clone(), |_| instants(true))
        .map(&[nanos, s.clone()], s, |_| {
            let cache: Cache<Vec<Piece>> = Cache::new();
            text::<(TimestampNanosecondType, Str)>(move |(t, p), out| {
                if !timestamp_is_finite(t) {
                    infinity(t < 0, out);
                    return Ok(true);
                }
                let (days, micros) = split_timestamp(t.div_euclid(1000));
                write(&cache.get(p, pieces)?, days, micros, t.rem_euclid(1000), None, out);
                Ok(true)
            })
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let show = |p: &str| {
            let mut out = String::new();
            // 2020-03-04 05:06:07.891234
            timestamp(&pieces(p).unwrap(), 1_583_298_367_891_234, &mut out);
            out
        };
        assert_eq!(show("%a|%A|%b|%B|%c"), "Wed|Wednesday|Mar|March|2020-03-04 05:06:07");
        assert_eq!(show("%d|%-d|%f|%g|%G|%H|%-H|%I|%-I|%j|%-j"), "04|4|891234|891|2020|05|5|05|5|064|64");
        assert_eq!(
            show("%m|%-m|%M|%-M|%p|%S|%-S|%u|%U|%V|%w|%W|%x|%X"),
            "03|3|06|6|AM|07|7|3|09|10|3|09|2020-03-04|05:06:07"
        );
        assert_eq!(show("%y|%-y|%Y|%z|%Z|%%|é"), "20|20|2020|+00||%|é");
        assert!(pieces("%Q").unwrap_err().to_string().contains("%Q"));
        assert!(pieces("%").is_err());
        assert!(pieces(&"%A".repeat(PATTERN_MAX)).is_err());
        assert!(pieces("%-").is_err());
    }
}
