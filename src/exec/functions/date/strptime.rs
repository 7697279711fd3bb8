//! `strptime`: text as times, by a pattern.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_schema::TimeUnit;

use super::format::{Piece, pieces};
use super::named_day::NamedDay;
use super::{DAY_NAMES, MONTH_NAMES};
use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::*;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Cache, PrimitiveOut};
use crate::exec::functions::registry::{Registry, Resolution, def};
use crate::exec::functions::{ArgInfo, ScalarKernel};
use crate::exec::zone::Zone;

/// What was read so far.
struct Fields {
    date: NamedDay,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: i64,
    /// From `%p`.
    afternoon: Option<bool>,
    /// Seconds east of Greenwich.
    offset: Option<i64>,
    /// The zone, by its name.
    zone: Option<Zone>,
}

/// Digits at the front, at least one and at most `max`.
fn number(s: &str, at: &mut usize, max: usize) -> Option<u32> {
    let digits = s.as_bytes()[*at..].iter().take(max).take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let v = s[*at..*at + digits].parse().ok();
    *at += digits;
    v
}

/// One of the names at the front, or its first three letters.
fn name(s: &str, at: &mut usize, names: &[&str], short: bool) -> Option<usize> {
    let rest = &s.as_bytes()[*at..];
    let (i, len) = names.iter().enumerate().find_map(|(i, n)| {
        let n = if short { &n[..3] } else { n };
        let hit = rest.len() >= n.len() && rest[..n.len()].eq_ignore_ascii_case(n.as_bytes());
        hit.then_some((i, n.len()))
    })?;
    *at += len;
    Some(i)
}

/// A text of a pattern at the front; a run of blanks is any run of blanks.
fn literal(s: &str, at: &mut usize, wanted: &str) -> bool {
    let mut rest = &s[*at..];
    let mut wanted = wanted.chars().peekable();
    while let Some(c) = wanted.next() {
        let Some(behind) = rest.strip_prefix(|r: char| r == c || r.is_whitespace() && c.is_whitespace())
        else {
            return false;
        };
        rest = behind;
        if c.is_whitespace() {
            rest = rest.trim_start();
            while wanted.next_if(|c| c.is_whitespace()).is_some() {}
        }
    }
    *at = s.len() - rest.len();
    true
}

/// Names that are times whatever the pattern.
fn named(s: &str) -> Option<Moment> {
    let micros = match s.trim() {
        n if n.eq_ignore_ascii_case("infinity") => TIMESTAMP_INFINITY,
        n if n.eq_ignore_ascii_case("-infinity") => TIMESTAMP_NEG_INFINITY,
        n if n.eq_ignore_ascii_case("epoch") => 0,
        _ => return None,
    };
    Some(Moment { micros, nanos: 0 })
}

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    micros: i64,
    /// Beyond the microseconds.
    nanos: i64,
}

impl Moment {
    /// In the unit of a type.
    fn in_unit(self, ty: &LogicalType) -> Option<i64> {
        match (ty, self.micros) {
            (_, TIMESTAMP_INFINITY | TIMESTAMP_NEG_INFINITY) => Some(self.micros),
            (LogicalType::Timestamp(TimeUnit::Nanosecond), micros) => {
                micros.checked_mul(1_000)?.checked_add(self.nanos)
            }
            (_, micros) => Some(micros),
        }
    }
}

/// Reads a text; errors come with the byte position.
fn parse(s: &str, pattern: &[Piece], session: Option<&Zone>) -> Result<Moment, (usize, &'static str)> {
    if let Some(moment) = named(s) {
        return Ok(moment);
    }
    let mut f = Fields {
        date: NamedDay::new(),
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        afternoon: None,
        offset: None,
        zone: None,
    };
    let trimmed = s.trim_end();
    let mut at = s.len() - s.trim_start().len();
    for piece in pattern {
        let start = at;
        match piece {
            Piece::Text(t) => {
                if !literal(s, &mut at, t) {
                    return Err((at, "Literal does not match, expected the text of the format"));
                }
            }
            Piece::Field { field, .. } => {
                let expected = (start, "Expected a number");
                let range = |v: u32, lo: u32, hi: u32, what: &'static str| {
                    if (lo..=hi).contains(&v) { Ok(v) } else { Err((start, what)) }
                };
                match field {
                    'Y' => {
                        let negative = s[at..].starts_with('-');
                        at += usize::from(negative);
                        let y = number(s, &mut at, 4).ok_or(expected)? as i32;
                        f.date.set_year(if negative { -y } else { y });
                    }
                    'G' => {
                        let y = number(s, &mut at, 4).ok_or(expected)? as i32;
                        f.date.set_iso_year(y).map_err(|e| (start, e))?;
                    }
                    'y' => {
                        let y = number(s, &mut at, 2).ok_or(expected)? as i32;
                        f.date.set_year(if y >= 69 { 1900 + y } else { 2000 + y });
                    }
                    'm' => {
                        f.date.set_month(range(
                            number(s, &mut at, 2).ok_or(expected)?,
                            1,
                            12,
                            "Month out of range, expected a value between 1 and 12",
                        )?);
                    }
                    'd' => {
                        f.date.set_day(range(
                            number(s, &mut at, 2).ok_or(expected)?,
                            1,
                            31,
                            "Day out of range, expected a value between 1 and 31",
                        )?);
                    }
                    'H' => {
                        f.hour = range(
                            number(s, &mut at, 2).ok_or(expected)?,
                            0,
                            23,
                            "Hour out of range, expected a value between 0 and 23",
                        )?;
                    }
                    'I' => {
                        f.hour = range(
                            number(s, &mut at, 2).ok_or(expected)?,
                            1,
                            12,
                            "Hour12 out of range, expected a value between 1 and 12",
                        )? % 12;
                        f.afternoon.get_or_insert(false);
                    }
                    'M' => {
                        f.minute = range(
                            number(s, &mut at, 2).ok_or(expected)?,
                            0,
                            59,
                            "Minutes out of range, expected a value between 0 and 59",
                        )?;
                    }
                    'S' => {
                        f.second = range(
                            number(s, &mut at, 2).ok_or(expected)?,
                            0,
                            59,
                            "Seconds out of range, expected a value between 0 and 59",
                        )?;
                    }
                    'f' | 'n' | 'g' => {
                        let max = match field {
                            'g' => 3,
                            'f' => 6,
                            _ => 9,
                        };
                        let v = number(s, &mut at, max).ok_or(expected)?;
                        f.nanos = i64::from(v) * 10i64.pow(9 - (at - start) as u32);
                    }
                    'j' => {
                        let n = range(
                            number(s, &mut at, 3).ok_or(expected)?,
                            1,
                            366,
                            "Day of year out of range, expected a value between 1 and 366",
                        )?;
                        f.date.set_day_of_year(n).map_err(|e| (start, e))?;
                    }
                    'a' | 'A' => {
                        name(s, &mut at, &DAY_NAMES, *field == 'a')
                            .ok_or((start, "Expected the name of a weekday"))?;
                    }
                    'b' | 'B' => {
                        let month = name(s, &mut at, &MONTH_NAMES, *field == 'b')
                            .ok_or((start, "Expected the name of a month"))?;
                        f.date.set_month_name(month as u32 + 1);
                    }
                    'p' => {
                        let half = s.as_bytes().get(at..at + 2).unwrap_or_default();
                        let pm = half.eq_ignore_ascii_case(b"PM");
                        if !pm && !half.eq_ignore_ascii_case(b"AM") {
                            return Err((start, "Expected AM/PM"));
                        }
                        at += 2;
                        f.afternoon = Some(pm);
                    }
                    'z' => f.offset = Some(zone(s, &mut at).ok_or((start, "Expected +HH[MM] or -HH[MM]"))?),
                    'Z' => {
                        at += s.as_bytes()[at..]
                            .iter()
                            .take_while(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(b))
                            .count();
                        f.zone = Some(Zone::named(&s[start..at]).map_err(|_| (start, "Unknown TimeZone"))?);
                    }
                    'u' => {
                        f.date.set_iso_weekday(range(
                            number(s, &mut at, 1).ok_or(expected)?,
                            1,
                            7,
                            "ISO weekday out of range, expected a value between 1 and 7",
                        )?);
                    }
                    'w' => {
                        f.date.set_weekday(range(
                            number(s, &mut at, 1).ok_or(expected)?,
                            0,
                            6,
                            "Weekday out of range, expected a value between 0 and 6",
                        )?);
                    }
                    'V' => {
                        let week = range(
                            number(s, &mut at, 2).ok_or(expected)?,
                            1,
                            53,
                            "ISO week out of range, expected a value between 1 and 53",
                        )?;
                        f.date.set_iso_week(week).map_err(|e| (start, e))?;
                    }
                    'U' | 'W' => {
                        let week = range(
                            number(s, &mut at, 2).ok_or(expected)?,
                            0,
                            53,
                            "Week out of range, expected a value between 0 and 53",
                        )?;
                        // Weeks of %U begin on Sunday, those of %W on Monday.
                        let first_day = u32::from(*field == 'W');
                        f.date.set_week(first_day, week).map_err(|e| (start, e))?;
                    }
                    _ => return Err((start, "a format that texts cannot be read by")),
                }
            }
        }
    }
    if at < trimmed.len() {
        return Err((at, "Full specifier did not match: trailing characters"));
    }
    match f.afternoon {
        Some(_) if f.hour > 12 => return Err((0, "Hour out of range of AM and PM, expected at most 12")),
        Some(true) => f.hour = f.hour % 12 + 12,
        Some(false) => f.hour %= 12,
        None => {}
    }
    let days = f.date.days().map_err(|e| (0, e))?;
    let seconds = i64::from(f.hour * 3600 + f.minute * 60 + f.second) - f.offset.unwrap_or(0);
    let local = join_timestamp(days, 0)
        .and_then(|t| t.checked_add(seconds * MICROS_PER_SECOND + f.nanos / 1000))
        .ok_or((0, "Date out of range"))?;
    let micros = match (f.offset, f.zone) {
        (Some(_), _) => local,
        (None, Some(zone)) => zone.instant(local),
        // Only where one of several patterns has a zone does the session's matter.
        (None, None) => session.map_or(local, |zone| zone.instant(local)),
    };
    Ok(Moment { micros, nanos: f.nanos % 1000 })
}

fn zone(s: &str, at: &mut usize) -> Option<i64> {
    let sign = match s.as_bytes().get(*at)? {
        b'Z' => {
            *at += 1;
            return Some(0);
        }
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    *at += 1;
    let two_digits = |at: &mut usize| {
        let from = *at;
        number(s, at, 2).filter(|_| *at == from + 2)
    };
    let hours = two_digits(at)?;
    if s[*at..].starts_with(':') {
        *at += 1;
    }
    let more = s.as_bytes().get(*at).is_some_and(u8::is_ascii_digit);
    let minutes = if more { two_digits(at)? } else { 0 };
    Some(sign * i64::from(hours * 3600 + minutes * 60))
}

/// Patterns of a row, tried in order.
fn kernel<T: ArrowPrimitiveType<Native = i64>>(or_null: bool) -> ScalarKernel {
    let cache: Cache<Vec<Piece>> = Cache::new();
    Box::new(move |args: &[ArrayRef], ty, rows, ctx| {
        let session = (*ty == LogicalType::TimestampTz).then_some(&ctx.zone);
        let strings = args[0].as_string_view();
        let mut out = PrimitiveOut::<T>::new(rows);
        for row in 0..rows {
            let i = if strings.len() == rows { row } else { 0 };
            let j = if args[1].len() == rows { row } else { 0 };
            if strings.is_null(i) || args[1].is_null(j) {
                out.push(None);
                continue;
            }
            let s = strings.value(i);
            let mut first_error: Option<(String, (usize, &'static str))> = None;
            let mut read = |pattern: &str| -> Result<Option<i64>> {
                let moment = parse(s, &cache.get(pattern, pieces)?, session);
                match moment.and_then(|m| m.in_unit(ty).ok_or((0, "Date out of range"))) {
                    Ok(t) => Ok(Some(t)),
                    Err(e) => {
                        first_error.get_or_insert((pattern.to_owned(), e));
                        Ok(None)
                    }
                }
            };
            let mut value = None;
            if let Some(list) = args[1].as_list_opt::<i32>() {
                let patterns = list.value(j);
                for p in patterns.as_string_view().iter().flatten() {
                    value = read(p)?;
                    if value.is_some() {
                        break;
                    }
                }
            } else {
                value = read(args[1].as_string_view().value(j))?;
            }
            if value.is_none() && !or_null {
                let (pattern, (at, reason)) =
                    first_error.unwrap_or((String::new(), (0, "no format was given")));
                return Err(ExecError::InvalidInput(format!(
                    "Could not parse string \"{s}\" according to format specifier \"{pattern}\": {reason} (at byte {at})"
                )));
            }
            out.push(value);
        }
        Ok(out.finish(ty))
    })
}

/// A pattern with a zone gives an instant, one with nanoseconds a timestamp of them.
fn bind(args: &[ArgInfo], or_null: bool) -> Option<Result<Resolution, String>> {
    let [text, pattern] = args else { return None };
    if !matches!(text.ty, LogicalType::Varchar | LogicalType::Null | LogicalType::Json) {
        return None;
    }
    let patterns = match (&pattern.ty, &pattern.literal) {
        (LogicalType::List(_), Some(Scalar::Nested(list))) => {
            crate::exec::functions::list::text_elements(list)?
        }
        (LogicalType::Varchar, Some(Scalar::Text(p))) => vec![p.to_string()],
        (LogicalType::List(_) | LogicalType::Varchar | LogicalType::Null, _) => vec![],
        _ => return None,
    };
    let mut return_type = TIMESTAMP;
    for p in &patterns {
        let all = match pieces(p) {
            Ok(all) if all.is_empty() => {
                return Some(Err("Failed to parse format specifier: it is empty".into()));
            }
            Ok(all) => all,
            Err(e) => return Some(Err(e.to_string())),
        };
        let has = |fields: &[char]| {
            all.iter().any(|p| matches!(p, Piece::Field { field, .. } if fields.contains(field)))
        };
        if has(&['z', 'Z']) {
            return_type = LogicalType::TimestampTz;
        } else if has(&['n']) && return_type == TIMESTAMP {
            return_type = LogicalType::Timestamp(TimeUnit::Nanosecond);
        }
    }
    let text = LogicalType::Varchar;
    let listed = matches!(pattern.ty, LogicalType::List(_));
    let pattern_type = if listed { LogicalType::List(Box::new(text.clone())) } else { text.clone() };
    let kernel = match return_type {
        LogicalType::Timestamp(TimeUnit::Nanosecond) => kernel::<TimestampNanosecondType>(or_null),
        _ => kernel::<TimestampMicrosecondType>(or_null),
    };
    Some(Ok(Resolution { arg_types: vec![text, pattern_type], return_type, kernel }))
}

pub(super) fn register(r: &mut Registry) {
    const SIGNATURES: &[&str] = &["(VARCHAR, VARCHAR) -> TIMESTAMP", "(VARCHAR, VARCHAR[]) -> TIMESTAMP"];
    r.add(
        def(
            "strptime",
            "A text as a timestamp, by a pattern, or the first that fits of a list of patterns",
            "strptime('Wed, 1 January 1992 - 08:38:40 PM', '%a, %-d %B %Y - %I:%M:%S %p')",
        )
        .custom(SIGNATURES, |args| bind(args, false)),
    );
    r.add(
        def("try_strptime", "As strptime, but NULL where the text does not fit", "try_strptime('x', '%Y')")
            .custom(SIGNATURES, |args| bind(args, true)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::cast::parse_time::timestamp;

    fn at(s: &str, p: &str) -> Result<i64, (usize, &'static str)> {
        parse(s, &pieces(p).unwrap(), None).map(|moment| moment.micros)
    }

    #[test]
    fn texts() {
        let ts = |s: &str| Ok(timestamp(s, arrow_schema::TimeUnit::Microsecond).unwrap());
        assert_eq!(at("2020-03-04 05:06:07", "%Y-%m-%d %H:%M:%S"), ts("2020-03-04 05:06:07"));
        assert_eq!(at("04/03/20", "%d/%m/%y"), ts("2020-03-04"));
        assert_eq!(at("Mar 4 2020 5PM", "%b %d %Y %I%p"), ts("2020-03-04 17:00:00"));
        assert_eq!(at("12AM", "%I%p"), ts("1900-01-01"));
        assert_eq!(at("2020-03-04 05:06:07.5", "%Y-%m-%d %H:%M:%S.%f"), ts("2020-03-04 05:06:07.5"));
        assert_eq!(at("2020-01-01 00:00:00 +0200", "%Y-%m-%d %H:%M:%S %z"), ts("2019-12-31 22:00:00"));
        assert_eq!(at("20200304", "%Y%m%d"), ts("2020-03-04"));
        assert_eq!(at("2020 060", "%Y %j"), ts("2020-02-29"));
        assert_eq!(at("2024-W10-3", "%G-W%V-%u"), ts("2024-03-06"));
        assert_eq!(at("2024 00 0", "%Y %U %w"), ts("2023-12-31"));
        assert_eq!(at("2024 10 3", "%Y %W %w"), ts("2024-03-06"));
        assert!(at("060 10", "%j %U").is_err());
        assert_eq!(
            at("Wed, 1 January 1992 - 08:38:40 PM", "%a, %-d %B %Y - %I:%M:%S %p"),
            ts("1992-01-01 20:38:40")
        );
        assert_eq!(at("x", "%Y").unwrap_err(), (0, "Expected a number"));
        assert!(at("2020-13-01", "%Y-%m-%d").unwrap_err().1.contains("Month out of range"));
        assert!(at("2020-01-01x", "%Y-%m-%d").unwrap_err().1.contains("trailing"));
        assert!(at("2020-02-30", "%Y-%m-%d").is_err());
        assert!(at("é", "%p").is_err());
    }
}
