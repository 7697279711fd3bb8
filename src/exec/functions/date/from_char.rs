//! `to_date` and `to_timestamp`: text as times, by a template such as PostgreSQL's. The fields are those of `to_char`.

use arrow_array::types::*;

use super::to_char::{Field, Piece, pieces};
use super::{DAY_NAMES, MONTH_NAMES};
use crate::column::types::LogicalType as T;
use crate::exec::calendar::*;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Cache, Str, primitive};
use crate::exec::functions::registry::{Registry, def};

/// What a text says of a time.
#[derive(Default)]
struct Said {
    year: Option<i64>,
    century: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    week: Option<i64>,
    week_of_month: Option<i64>,
    iso_year: Option<i64>,
    iso_week: Option<i64>,
    /// Monday is 1.
    weekday: Option<i64>,
    julian: Option<i64>,
    hour: Option<i64>,
    hour_of_half: Option<i64>,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    second_of_day: Option<i64>,
    micros: i64,
}

fn invalid(what: impl Into<String>) -> ExecError {
    ExecError::Conversion(what.into())
}

fn out_of_range(text: &str) -> ExecError {
    invalid(format!("date/time field value out of range: \"{text}\""))
}

/// A reader of one text.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// A whole number of at most so many digits, with a sign if there may be any number of them.
    fn number(&mut self, digits_max: usize, name: &str) -> Result<i64> {
        self.skip_blanks();
        let bytes = self.rest().as_bytes();
        let sign = usize::from(digits_max > 9 && matches!(bytes.first(), Some(b'-' | b'+')));
        let digits = bytes[sign..].iter().take(digits_max).take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            let found: String = self.rest().chars().take(name.len()).collect();
            return Err(invalid(if found.is_empty() {
                format!("source string too short for \"{name}\" formatting field")
            } else {
                format!("invalid value \"{found}\" for \"{name}\"")
            }));
        }
        let written = &self.rest()[..sign + digits];
        let number = written.parse().map_err(|_| invalid(format!("value for \"{name}\" is out of range")))?;
        self.at += sign + digits;
        Ok(number)
    }

    /// Which of these names is next, whatever its case; or of their first three letters.
    fn name(&mut self, names: &[&str], short: bool, what: &str) -> Result<usize> {
        self.skip_blanks();
        let rest = self.rest();
        let found = names.iter().enumerate().find_map(|(i, name)| {
            let whole = rest.get(..name.len()).filter(|head| !short && head.eq_ignore_ascii_case(name));
            let head = whole.or_else(|| rest.get(..3).filter(|head| head.eq_ignore_ascii_case(&name[..3])));
            head.map(|head| (i, head.len()))
        });
        let (i, length) = found.ok_or_else(|| {
            invalid(format!("invalid value \"{}\" for \"{what}\"", rest.chars().take(9).collect::<String>()))
        })?;
        self.at += length;
        Ok(i)
    }
}

/// The most digits of a field, and what messages call it.
fn digits_of(field: Field) -> (usize, &'static str) {
    match field {
        Field::Hour12 => (2, "HH12"),
        Field::Hour24 => (2, "HH24"),
        Field::Minute => (2, "MI"),
        Field::Second => (2, "SS"),
        Field::SecondOfDay => (5, "SSSSS"),
        Field::Fraction(digits) => (digits as usize, "FF"),
        Field::Year(digits) => (digits as usize, "YYYY"),
        Field::IsoYear(digits) => (digits as usize, "IYYY"),
        Field::Month => (2, "MM"),
        Field::Day => (2, "DD"),
        Field::DayOfYear => (3, "DDD"),
        Field::DayOfWeek => (1, "D"),
        Field::IsoDayOfWeek => (1, "ID"),
        Field::WeekOfMonth => (1, "W"),
        Field::WeekOfYear => (2, "WW"),
        Field::IsoWeek => (2, "IW"),
        Field::Quarter => (1, "Q"),
        Field::Century => (2, "CC"),
        Field::Julian => (9, "J"),
        Field::Half { .. } | Field::MonthName { .. } | Field::DayName { .. } => (0, ""),
    }
}

/// The year that its last digits mean: the one nearest to 2020.
fn whole_year(year: i64, digits: usize) -> i64 {
    match (digits, year) {
        (4.., _) => year,
        (3, 0..=519) => year + 2000,
        (3, _) => year + 1000,
        (2, 70..) => year + 1900,
        (2, _) => year + 2000,
        _ => year + 2020,
    }
}

/// Reads a text by a template: the date in days, and the microseconds of the day.
fn read(pieces: &[Piece], text: &str) -> Result<(i32, i64)> {
    let mut said = Said::default();
    let mut reader = Reader { text, at: 0 };
    for (i, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(literal) => {
                // Separators stand for any, or for none; other characters for one each.
                for c in literal.chars() {
                    let next = reader.rest().chars().next();
                    let separates = |c: char| !c.is_alphanumeric();
                    match next {
                        Some(n) if !separates(c) || separates(n) && !(c.is_whitespace() && n == '-') => {
                            reader.at += n.len_utf8();
                        }
                        _ => {}
                    }
                }
            }
            Piece::Field { field, bare, ordinal, .. } => {
                // Digits end where something else comes; only beside other digits their number counts.
                let followed = matches!(
                    pieces.get(i + 1),
                    Some(Piece::Field { field, .. })
                        if !matches!(field, Field::Half { .. } | Field::MonthName { .. } | Field::DayName { .. })
                );
                read_field(&mut reader, *field, *bare || !followed, &mut said)?;
                if ordinal.is_some() {
                    let suffix = reader.rest().chars().take(2).filter(char::is_ascii_alphabetic).count();
                    reader.at += suffix;
                }
            }
        }
        if reader.rest().trim().is_empty() {
            break;
        }
    }
    let day = day_of(&said, text)?;
    if !date_is_finite(day) {
        return Err(out_of_range(text));
    }
    Ok((day, time_of(&said, text)?))
}

fn read_field(reader: &mut Reader<'_>, field: Field, open: bool, said: &mut Said) -> Result<()> {
    // Where the separators of the text are more than those of the template.
    while reader.rest().starts_with(|c: char| c.is_ascii_punctuation() && !matches!(c, '-' | '+')) {
        reader.at += 1;
    }
    let (digits, name) = digits_of(field);
    match field {
        Field::MonthName { short } => {
            said.month =
                Some(reader.name(&MONTH_NAMES, short, if short { "Mon" } else { "Month" })? as i64 + 1);
            return Ok(());
        }
        Field::DayName { short } => {
            let day = reader.name(&DAY_NAMES, short, if short { "Dy" } else { "Day" })? as i64;
            said.weekday = Some(if day == 0 { 7 } else { day });
            return Ok(());
        }
        Field::Half { points } => {
            reader.skip_blanks();
            let names: [&str; 2] = if points { ["a.m.", "p.m."] } else { ["am", "pm"] };
            let is =
                |name: &str| reader.rest().get(..name.len()).is_some_and(|h| h.eq_ignore_ascii_case(name));
            let half = names.iter().position(|name| is(name));
            let half = half.ok_or_else(|| invalid("invalid value for \"AM\" or \"PM\""))?;
            said.afternoon = Some(half == 1);
            reader.at += names[half].len();
            return Ok(());
        }
        _ => {}
    }
    let is_fraction = matches!(field, Field::Fraction(_));
    let start = reader.at;
    let number = reader.number(if open && !is_fraction { 18 } else { digits }, name)?;
    let written = reader.at - start;
    let digits_read = reader.text[start..reader.at].trim_start().len();
    match field {
        Field::Hour12 => said.hour_of_half = Some(number),
        Field::Hour24 => said.hour = Some(number),
        Field::Minute => said.minute = number,
        Field::Second => said.second = number,
        Field::SecondOfDay => said.second_of_day = Some(number),
        Field::Fraction(_) => said.micros = number * 10_i64.pow(6 - digits_read.min(6) as u32),
        Field::Year(digits) if written > digits as usize => said.year = Some(number),
        Field::Year(digits) => said.year = Some(whole_year(number, digits as usize)),
        Field::IsoYear(digits) => said.iso_year = Some(whole_year(number, digits as usize)),
        Field::Month => said.month = Some(number),
        Field::Day => said.day = Some(number),
        Field::DayOfYear => said.day_of_year = Some(number),
        Field::DayOfWeek => said.weekday = Some(if number == 1 { 7 } else { number - 1 }),
        Field::IsoDayOfWeek => said.weekday = Some(number),
        Field::WeekOfMonth => said.week_of_month = Some(number),
        Field::WeekOfYear => said.week = Some(number),
        Field::IsoWeek => said.iso_week = Some(number),
        Field::Century => said.century = Some(number),
        Field::Julian => said.julian = Some(number),
        Field::Quarter | Field::Half { .. } | Field::MonthName { .. } | Field::DayName { .. } => {}
    }
    Ok(())
}

fn day_of(said: &Said, text: &str) -> Result<i32> {
    let bad = || out_of_range(text);
    let small = |value: i64, max: i64| (1..=max).contains(&value).then_some(value as u32).ok_or_else(bad);
    if let Some(julian) = said.julian {
        return i32::try_from(julian - 2_440_588).map_err(|_| bad());
    }
    let year = match (said.year, said.century) {
        (Some(year), _) => year,
        (None, Some(century)) => (century.clamp(-10_000, 10_000) - 1) * 100 + 1,
        (None, None) => 0,
    };
    let year = i32::try_from(year).map_err(|_| bad())?;
    if let Some(week) = said.iso_week {
        let iso_year = said.iso_year.map_or(Ok(year), |y| i32::try_from(y).map_err(|_| bad()))?;
        let fourth = days_from_civil(iso_year, 1, 4).ok_or_else(bad)?;
        let days = (small(week, 53)? as i32 - 1) * 7 + small(said.weekday.unwrap_or(1), 7)? as i32 - 1;
        return monday_of(fourth).checked_add(days).ok_or_else(bad);
    }
    let year = match (said.year, said.iso_year) {
        (None, Some(iso_year)) => i32::try_from(iso_year).map_err(|_| bad())?,
        _ => year,
    };
    let first = days_from_civil(year, 1, 1).ok_or_else(bad)?;
    if let Some(day) = said.day_of_year {
        let days_in_year = if is_leap_year(year) { 366 } else { 365 };
        return first.checked_add(small(day, days_in_year)? as i32 - 1).ok_or_else(bad);
    }
    if let Some(week) = said.week {
        return first.checked_add((small(week, 53)? as i32 - 1) * 7).ok_or_else(bad);
    }
    let month = small(said.month.unwrap_or(1), 12)?;
    let day = match said.week_of_month {
        Some(week) if said.day.is_none() => (small(week, 5)? - 1) * 7 + 1,
        _ => small(said.day.unwrap_or(1), 31)?,
    };
    if !is_valid_date(year, month, day) {
        return Err(bad());
    }
    days_from_civil(year, month, day).ok_or_else(bad)
}

fn time_of(said: &Said, text: &str) -> Result<i64> {
    let within = |value: i64, least: i64, most: i64| {
        if (least..=most).contains(&value) { Ok(value) } else { Err(out_of_range(text)) }
    };
    if let Some(seconds) = said.second_of_day {
        return Ok(within(seconds, 0, 86_400)? * MICROS_PER_SECOND + said.micros);
    }
    let half = if said.afternoon == Some(true) { 12 } else { 0 };
    let hour = match (said.hour, said.hour_of_half) {
        (Some(hour), _) if said.afternoon.is_some() => within(hour, 1, 12)? % 12 + half,
        (Some(hour), _) => within(hour, 0, 24)?,
        (None, Some(hour)) => within(hour, 1, 12)? % 12 + half,
        (None, None) => 0,
    };
    let seconds = hour * 3600 + within(said.minute, 0, 59)? * 60 + within(said.second, 0, 59)?;
    Ok(within(seconds, 0, 86_400)? * MICROS_PER_SECOND + said.micros)
}

/// `to_date` of a text.
pub(super) fn register(r: &mut Registry) {
    let s = T::Varchar;
    r.add(
        def(
            "to_date",
            "The date that a text is by a template of PostgreSQL's such as 'YYYY-MM-DD'",
            "to_date('05 Dec 2000', 'DD Mon YYYY')",
        )
        .map(&[s.clone(), s], T::Date, |_| {
            let cache: Cache<Vec<Piece>> = Cache::new();
            primitive::<(Str, Str), Date32Type>(move |(text, template)| {
                Ok(Some(read(&cache.get(template, pieces)?, text)?.0))
            })
        }),
    );
}

/// The kernel of `to_timestamp` of a text: the instant that the clock of the session's zone shows.
pub(super) fn timestamps() -> crate::exec::functions::ScalarKernel {
    Box::new(move |args, ty, rows, ctx| {
        let zone = ctx.zone.clone();
        let cache: Cache<Vec<Piece>> = Cache::new();
        let kernel = primitive::<(Str, Str), TimestampMicrosecondType>(move |(text, template)| {
            let (days, micros) = read(&cache.get(template, pieces)?, text)?;
            let local = join_timestamp(days, micros).ok_or_else(|| out_of_range(text))?;
            Ok(Some(zone.instant(local)))
        });
        kernel(args, ty, rows, ctx)
    })
}
