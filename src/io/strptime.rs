//! Dates and times of a given format, as `dateformat` and `timestampformat` spell it.

use crate::io::calendar::days_from_civil;
use crate::io::parse::{Moment, days_in_month, digits, offset_prefix, trim};

/// A format, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    text: String,
    items: Vec<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Literal(u8),
    /// Any number of blanks.
    Blank,
    Year,
    ShortYear,
    Month,
    MonthName,
    Day,
    DayName,
    DayOfYear,
    Hour,
    Hour12,
    Minute,
    Second,
    /// A fraction of a second in up to this many digits.
    Fraction(usize),
    AmPm,
    Offset,
    /// Seconds since 1970-01-01.
    Epoch,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Format {
    /// Compiles a format. The error says which specifier is not known.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut items = vec![];
        let mut bytes = text.bytes();
        while let Some(c) = bytes.next() {
            if c != b'%' {
                items.push(if c == b' ' { Item::Blank } else { Item::Literal(c) });
                continue;
            }
            let mut specifier = bytes.next().ok_or("a format ends in %")?;
            if specifier == b'-' {
                specifier = bytes.next().ok_or("a format ends in %-")?;
            }
            match specifier {
                b'Y' => items.push(Item::Year),
                b'y' => items.push(Item::ShortYear),
                b'm' => items.push(Item::Month),
                b'b' | b'B' | b'h' => items.push(Item::MonthName),
                b'd' | b'e' => items.push(Item::Day),
                b'a' | b'A' => items.push(Item::DayName),
                b'j' => items.push(Item::DayOfYear),
                b'H' => items.push(Item::Hour),
                b'I' => items.push(Item::Hour12),
                b'M' => items.push(Item::Minute),
                b'S' => items.push(Item::Second),
                b'f' => items.push(Item::Fraction(6)),
                b'g' => items.push(Item::Fraction(3)),
                b'n' => items.push(Item::Fraction(9)),
                b'p' => items.push(Item::AmPm),
                b'z' | b'Z' => items.push(Item::Offset),
                b's' => items.push(Item::Epoch),
                b'%' => items.push(Item::Literal(b'%')),
                b'F' => items.extend(Self::new("%Y-%m-%d")?.items),
                b'T' => items.extend(Self::new("%H:%M:%S")?.items),
                b'D' => items.extend(Self::new("%m/%d/%y")?.items),
                b'R' => items.extend(Self::new("%H:%M")?.items),
                other => return Err(format!("%{} is not known", other.escape_ascii())),
            }
        }
        if items.is_empty() {
            return Err("a format is empty".into());
        }
        Ok(Self { text: text.to_string(), items })
    }

    /// The format as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The point in time that a text of this format names.
    pub fn parse(&self, field: &[u8]) -> Option<Moment> {
        let mut rest = trim(field);
        let (mut year, mut month, mut day, mut day_of_year) = (1970, 1, 1, None);
        let (mut hour, mut minute, mut second, mut nanos) = (0, 0, 0, 0);
        let mut afternoon = None;
        let mut offset = None;
        let mut epoch = None;
        for item in &self.items {
            match *item {
                Item::Literal(c) => rest = rest.strip_prefix(&[c])?,
                Item::Blank => {
                    let after = rest.trim_ascii_start();
                    if after.len() == rest.len() {
                        return None;
                    }
                    rest = after;
                }
                Item::Year => {
                    let (negative, body) = match rest {
                        [b'-', body @ ..] => (true, body),
                        _ => (false, rest),
                    };
                    let (value, after) = digits(body, 4)?;
                    if body.len() - after.len() < 4 {
                        return None;
                    }
                    year = if negative { -(value as i32) } else { value as i32 };
                    rest = after;
                }
                Item::ShortYear => {
                    let (value, after) = digits(rest, 2)?;
                    if rest.len() - after.len() < 2 {
                        return None;
                    }
                    year = value as i32 + if value < 69 { 2000 } else { 1900 };
                    rest = after;
                }
                Item::Month => (month, rest) = digits(rest, 2)?,
                Item::Day => (day, rest) = digits(rest, 2)?,
                Item::Hour | Item::Hour12 => {
                    (hour, rest) = digits(rest, 2)?;
                    if *item == Item::Hour12 && !(1..=12).contains(&hour) {
                        return None;
                    }
                }
                Item::Minute => (minute, rest) = digits(rest, 2)?,
                Item::Second => (second, rest) = digits(rest, 2)?,
                Item::DayOfYear => {
                    let (value, after) = digits(rest, 3)?;
                    (day_of_year, rest) = (Some(value), after);
                }
                Item::MonthName => {
                    let (index, after) = name(rest, &MONTHS)?;
                    (month, rest) = (index as u32 + 1, after);
                }
                Item::DayName => (_, rest) = name(rest, &DAYS)?,
                Item::Fraction(most) => {
                    let (value, after) = digits(rest, most)?;
                    let n = rest.len() - after.len();
                    nanos = i64::from(value) * 10_i64.pow(9 - n as u32);
                    rest = after.trim_ascii_start_digits();
                }
                Item::AmPm => {
                    let [half @ (b'a' | b'A' | b'p' | b'P'), b'm' | b'M', after @ ..] = rest else {
                        return None;
                    };
                    afternoon = Some(matches!(half, b'p' | b'P'));
                    rest = after;
                }
                Item::Offset => {
                    let (value, after) = offset_prefix(rest)?;
                    (offset, rest) = (Some(value), after);
                }
                Item::Epoch => {
                    let n = rest.iter().position(|c| !c.is_ascii_digit() && *c != b'-').unwrap_or(rest.len());
                    let value: i64 = std::str::from_utf8(&rest[..n]).ok()?.parse().ok()?;
                    (epoch, rest) = (Some(value), &rest[n..]);
                }
            }
        }
        if !rest.is_empty() {
            return None;
        }
        if let Some(seconds) = epoch {
            let days = i32::try_from(seconds.div_euclid(86_400)).ok()?;
            return Some(Moment { days, nanos: seconds.rem_euclid(86_400) * 1_000_000_000 + nanos, offset });
        }
        if let Some(afternoon) = afternoon {
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        if minute > 59 || second > 59 || hour > 23 {
            return None;
        }
        let days = if let Some(n) = day_of_year {
            if !(1..=365 + days_in_month(year, 2) - 28).contains(&n) {
                return None;
            }
            days_from_civil(year, 1, 1)?.checked_add(n as i32 - 1)?
        } else {
            if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
                return None;
            }
            days_from_civil(year, month, day)?
        };
        let seconds = i64::from(hour * 3600 + minute * 60 + second);
        Some(Moment { days, nanos: seconds * 1_000_000_000 + nanos, offset })
    }
}

/// Which name the text begins with, in full or its first three letters, and the rest.
fn name<'a>(text: &'a [u8], names: &[&str]) -> Option<(usize, &'a [u8])> {
    for (i, name) in names.iter().enumerate() {
        for len in [name.len(), 3] {
            if text.len() >= len && text[..len].eq_ignore_ascii_case(&name.as_bytes()[..len]) {
                return Some((i, &text[len..]));
            }
        }
    }
    None
}

/// Skips surplus digits of a fraction.
trait Digits {
    fn trim_ascii_start_digits(&self) -> &Self;
}

impl Digits for [u8] {
    fn trim_ascii_start_digits(&self) -> &Self {
        let n = self.iter().position(|c| !c.is_ascii_digit()).unwrap_or(self.len());
        &self[n..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::types::TimeUnit;

    #[test]
    fn formats() {
        for (format, text, micros) in [
            ("%d/%m/%Y", "02/01/1970", Some(86_400_000_000)),
            ("%m-%d-%y", "1-2-70", Some(86_400_000_000)),
            ("%Y%m%d", "19700102", Some(86_400_000_000)),
            ("%d %b %Y", "2 Jan 1970", Some(86_400_000_000)),
            ("%A, %d %B %Y", "Friday, 2 January 1970", Some(86_400_000_000)),
            ("%Y-%m-%d %I:%M:%S %p", "1970-01-01 12:00:01 AM", Some(1_000_000)),
            ("%Y-%m-%d %I:%M:%S %p", "1970-01-01 01:00:00 pm", Some(46_800_000_000)),
            ("%Y-%m-%dT%H:%M:%S.%f%z", "1970-01-01T01:00:00.5+01:00", Some(500_000)),
            ("%Y %j", "1970 2", Some(86_400_000_000)),
            ("%s", "86400", Some(86_400_000_000)),
            ("%d/%m/%Y", "31/02/1970", None),
            ("%d/%m/%Y", "01/01/1970x", None),
            ("%d/%m/%Y", "01/01/70", None),
            ("%H:%M", "25:00", None),
        ] {
            let found = Format::new(format).unwrap().parse(text.as_bytes());
            assert_eq!(found.map(|m| m.timestamp(TimeUnit::Microsecond).unwrap()), micros, "{format} {text}");
        }
        assert!(Format::new("%Q").is_err());
        assert!(Format::new("%").is_err());
    }
}
