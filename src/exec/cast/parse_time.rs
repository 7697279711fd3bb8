//! Text to dates, times, timestamps and intervals, in the spellings DuckDB takes.

use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::TimeUnit;

use super::temporal::units_per_second;
use crate::exec::calendar::{
    DATE_INFINITY, DATE_NEG_INFINITY, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND,
    NANOS_PER_MICRO, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, days_from_civil, is_valid_date,
    timestamp_is_finite,
};
use crate::exec::timetz;
use crate::exec::zone::{Clock, Zone};

/// Why a text is no date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Format,
    Range,
    Zone,
}

/// Reads from the front of a text.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, b: u8) -> bool {
        let hit = self.peek() == Some(b);
        self.at += usize::from(hit);
        hit
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn digit(&mut self) -> Option<u32> {
        let b = self.peek().filter(u8::is_ascii_digit)?;
        self.at += 1;
        Some(u32::from(b - b'0'))
    }

    /// One or two digits.
    fn two(&mut self) -> Option<u32> {
        let a = self.digit()?;
        Some(self.digit().map_or(a, |b| a * 10 + b))
    }

    fn word(&mut self, w: &str) -> bool {
        let rest = &self.bytes[self.at..];
        let hit = rest.len() >= w.len() && rest[..w.len()].eq_ignore_ascii_case(w.as_bytes());
        self.at += if hit { w.len() } else { 0 };
        hit
    }

    /// A word that no other letter follows.
    fn whole_word(&mut self, w: &str) -> bool {
        let next = self.bytes.get(self.at + w.len());
        !next.is_some_and(u8::is_ascii_alphanumeric) && self.word(w)
    }

    fn is_end(&self) -> bool {
        self.at >= self.bytes.len()
    }
}

/// A date at the front; what follows is left.
fn date_at(c: &mut Cursor<'_>) -> Result<i32, Fault> {
    c.blanks();
    let named = if c.word("infinity") || c.whole_word("inf") {
        Some(DATE_INFINITY)
    } else if c.word("-infinity") || c.whole_word("-inf") {
        Some(DATE_NEG_INFINITY)
    } else if c.word("epoch") {
        Some(0)
    } else {
        None
    };
    if let Some(day) = named {
        c.blanks();
        return if c.is_end() { Ok(day) } else { Err(Fault::Format) };
    }
    let negative = c.eat(b'-');
    let mut year = 0i32;
    let first = c.at;
    while let Some(d) = c.digit() {
        year = year.checked_mul(10).and_then(|y| y.checked_add(d as i32)).ok_or(Fault::Range)?;
    }
    if c.at == first {
        return Err(Fault::Format);
    }
    let separator = c.peek().filter(|b| matches!(b, b'-' | b'/' | b' ' | b'\\')).ok_or(Fault::Format)?;
    c.at += 1;
    let month = c.two().ok_or(Fault::Format)?;
    if !c.eat(separator) {
        return Err(Fault::Format);
    }
    let day = c.two().ok_or(Fault::Format)?;
    if c.peek().is_some_and(|b| b.is_ascii_digit()) {
        return Err(Fault::Format);
    }
    if negative {
        year = -year;
    }
    if c.word(" (BC)") {
        if negative || year == 0 {
            return Err(Fault::Format);
        }
        year = 1 - year;
    }
    if !is_valid_date(year, month, day) {
        return Err(Fault::Range);
    }
    days_from_civil(year, month, day).ok_or(Fault::Range)
}

/// A time of day at the front: nanoseconds since midnight, at most 24 hours. A text that ends with a colon has nothing
/// more to say than zero.
fn clock_at(c: &mut Cursor<'_>) -> Result<i64, Fault> {
    let hour = c.two().ok_or(Fault::Format)?;
    if !c.eat(b':') {
        return Err(Fault::Format);
    }
    let or_end = |c: &mut Cursor<'_>| if c.is_end() { Some(0) } else { c.two() };
    let minute = or_end(c).ok_or(Fault::Format)?;
    let mut second = 0;
    let mut nanos = 0i64;
    if c.eat(b':') {
        second = or_end(c).ok_or(Fault::Format)?;
        if c.eat(b'.') {
            let mut unit = 100_000_000;
            while let Some(d) = c.digit() {
                nanos += i64::from(d) * unit;
                unit /= 10;
            }
        }
    }
    if hour > 24 || minute > 59 || second > 59 || hour == 24 && (minute > 0 || second > 0 || nanos > 0) {
        return Err(Fault::Range);
    }
    Ok(i64::from(hour * 3600 + minute * 60 + second) * 1_000_000_000 + nanos)
}

/// A zone as a text states it.
enum Stated {
    /// Seconds east of Greenwich.
    Offset(i64),
    /// By its name.
    Zone(Zone),
}

/// A zone at the front; `None` if there is none.
fn zone_at(c: &mut Cursor<'_>) -> Result<Option<Stated>, Fault> {
    let alone = |c: &Cursor<'_>| c.bytes.get(c.at + 1).is_none_or(|b| !b.is_ascii_alphanumeric());
    if matches!(c.peek(), Some(b'Z' | b'z')) && alone(c) {
        c.at += 1;
        return Ok(Some(Stated::Offset(0)));
    }
    let sign = match c.peek() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => {
            let name = &c.bytes[c.at..];
            // A name has a blank before it.
            if !name.is_empty() && !c.at.checked_sub(1).is_some_and(|i| c.bytes[i].is_ascii_whitespace()) {
                return Err(Fault::Format);
            }
            let len = name.iter().take_while(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(b)).count();
            if len == 0 {
                return Ok(None);
            }
            let name = std::str::from_utf8(&name[..len]).unwrap_or_default();
            let zone = Zone::named(name).map_err(|_| Fault::Zone)?;
            c.at += len;
            return Ok(Some(Stated::Zone(zone)));
        }
    };
    c.at += 1;
    let hours = c.two().ok_or(Fault::Format)?;
    let (mut minutes, mut seconds) = (0, 0);
    if c.eat(b':') {
        minutes = c.two().ok_or(Fault::Format)?;
        if c.eat(b':') {
            seconds = c.two().ok_or(Fault::Format)?;
        }
    } else if c.peek().is_some_and(|b| b.is_ascii_digit()) {
        minutes = c.two().ok_or(Fault::Format)?;
    }
    Ok(Some(Stated::Offset(sign * i64::from(hours * 3600 + minutes * 60 + seconds))))
}

/// A `DATE`; a time behind it is ignored.
pub fn date(text: &str) -> Result<i32, String> {
    if let Some(days) = plain_date(text.as_bytes()) {
        return Ok(days);
    }
    let mut c = Cursor { bytes: text.as_bytes(), at: 0 };
    let parsed = date_at(&mut c).and_then(|days| {
        // A clock may follow, as in a timestamp, and behind that anything.
        if c.bytes[c.at..].trim_ascii().is_empty() {
            return Ok(days);
        }
        if !(c.eat(b' ') || c.eat(b'T')) {
            return Err(Fault::Format);
        }
        clock_at(&mut c).map(|_| days)
    });
    parsed.map_err(|fault| match fault {
        Fault::Range => format!("date field value out of range: \"{text}\""),
        _ => format!("invalid date field format: \"{text}\", expected format is (YYYY-MM-DD)"),
    })
}

/// Exactly `YYYY-MM-DD`, or `None`.
#[inline]
fn plain_date(b: &[u8]) -> Option<i32> {
    let b: &[u8; 10] = b.try_into().ok()?;
    let d = |i: usize| u32::from(b[i].wrapping_sub(b'0'));
    let digits = [0, 1, 2, 3, 5, 6, 8, 9].iter().all(|i| b[*i].is_ascii_digit());
    if !digits || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    let year = (d(0) * 1000 + d(1) * 100 + d(2) * 10 + d(3)) as i32;
    let (month, day) = (d(5) * 10 + d(6), d(8) * 10 + d(9));
    if !is_valid_date(year, month, day) {
        return None;
    }
    days_from_civil(year, month, day)
}

/// A `TIME` in microseconds; a date before it and a zone behind it are ignored.
pub fn time(text: &str) -> Result<i64, String> {
    time_ns(text).map(|nanos| nanos / NANOS_PER_MICRO)
}

/// A time of day in nanoseconds.
pub fn time_ns(text: &str) -> Result<i64, String> {
    let message = || {
        format!("time field value out of range: \"{text}\", expected format is ([YYYY-MM-DD ]HH:MM:SS[.MS])")
    };
    let mut c = Cursor { bytes: text.trim_ascii().as_bytes(), at: 0 };
    let nanos = clock_behind_date(&mut c).map_err(|_| message())?;
    c.blanks();
    if !c.is_end() && zone_at(&mut c).is_err() || !c.is_end() {
        return Err(message());
    }
    Ok(nanos)
}

/// A time of day, perhaps with a date before it, which is ignored; a date alone is its midnight.
fn clock_behind_date(c: &mut Cursor<'_>) -> Result<i64, Fault> {
    match clock_at(c) {
        Err(Fault::Format) => {
            c.at = 0;
            let days = date_at(c)?;
            if c.is_end() && days != DATE_INFINITY && days != DATE_NEG_INFINITY {
                return Ok(0);
            }
            if !(c.eat(b' ') || c.eat(b'T')) {
                return Err(Fault::Format);
            }
            clock_at(c)
        }
        other => other,
    }
}

/// Days, nanoseconds of the day and the zone of a timestamp's text.
fn timestamp_parts(text: &str) -> Result<(i32, i64, Option<Stated>), Fault> {
    let mut c = Cursor { bytes: text.trim_ascii().as_bytes(), at: 0 };
    let days = date_at(&mut c)?;
    if days == DATE_INFINITY || days == DATE_NEG_INFINITY {
        return if c.is_end() { Ok((days, 0, None)) } else { Err(Fault::Format) };
    }
    if c.is_end() {
        // The epoch is an instant, whatever the zone of who reads it.
        let is_epoch = c.bytes.eq_ignore_ascii_case(b"epoch");
        return Ok((days, 0, is_epoch.then_some(Stated::Offset(0))));
    }
    if !(c.eat(b' ') || c.eat(b'T') || c.eat(b't')) {
        return Err(Fault::Format);
    }
    let nanos = clock_at(&mut c).map_err(|_| Fault::Format)?;
    c.blanks();
    let zone = zone_at(&mut c)?;
    c.blanks();
    if c.is_end() { Ok((days, nanos, zone)) } else { Err(Fault::Format) }
}

fn timestamp_fault(text: &str, fault: Fault) -> String {
    match fault {
        Fault::Range => format!("timestamp field value out of range: \"{text}\""),
        Fault::Zone => {
            format!("unknown or unsupported time zone in \"{text}\": give an offset such as +02:00")
        }
        Fault::Format => format!(
            "invalid timestamp field format: \"{text}\", expected format is \
             (YYYY-MM-DD HH:MM[:SS[.US]][±HH[:MM[:SS]]| ZONE])"
        ),
    }
}

fn assemble(days: i32, nanos: i64, zone_seconds: i64, unit: TimeUnit) -> Option<i64> {
    match days {
        DATE_INFINITY => return Some(TIMESTAMP_INFINITY),
        DATE_NEG_INFINITY => return Some(TIMESTAMP_NEG_INFINITY),
        _ => {}
    }
    let seconds = i64::from(days) * 86_400 - zone_seconds;
    let per_second = units_per_second(unit);
    let nanos_per_unit = 1_000_000_000 / per_second;
    let of_day = match unit {
        // As if by way of microseconds, which these types round and TIMESTAMP cuts off.
        TimeUnit::Second | TimeUnit::Millisecond => {
            (nanos / 1000 * 1000 + nanos_per_unit / 2).div_euclid(nanos_per_unit)
        }
        _ => nanos / nanos_per_unit,
    };
    seconds.checked_mul(per_second)?.checked_add(of_day).filter(|t| timestamp_is_finite(*t))
}

/// A `TIMESTAMP` in the given unit. A zone behind it is read and ignored, as the clock is meant.
pub fn timestamp(text: &str, unit: TimeUnit) -> Result<i64, String> {
    timestamp_parts(text)
        .or_else(|fault| match fault {
            // The name of a zone says nothing about the clock.
            Fault::Zone => {
                let cut = text.trim_ascii().rsplit_once(' ').map(|(head, _)| head).ok_or(Fault::Zone)?;
                timestamp_parts(cut)
            }
            other => Err(other),
        })
        .and_then(|(days, nanos, _)| assemble(days, nanos, 0, unit).ok_or(Fault::Range))
        .map_err(|fault| timestamp_fault(text, fault))
}

/// A `TIMESTAMP WITH TIME ZONE` in microseconds; without a zone it is what the clock shows.
pub fn timestamp_tz(text: &str, clock: &Clock<'_>) -> Result<i64, String> {
    timestamp_parts(text)
        .and_then(|(days, nanos, zone)| {
            let micros = |seconds| assemble(days, nanos, seconds, TimeUnit::Microsecond).ok_or(Fault::Range);
            match zone {
                None => micros(0).map(|t| clock.instant(t)),
                Some(Stated::Offset(seconds)) => micros(seconds),
                Some(Stated::Zone(zone)) => micros(0).map(|t| zone.instant(t)),
            }
        })
        .map_err(|fault| timestamp_fault(text, fault))
}

/// Nanoseconds since 1970 of a timestamp's text, which is UTC unless it states a zone; `None` if it is no timestamp, or
/// infinite.
pub fn instant_nanos(text: &str) -> Option<i128> {
    const NANOS_PER_MICRO: i128 = 1_000;
    let (days, nanos, zone) = timestamp_parts(text).ok()?;
    let micros = assemble(days, nanos, 0, TimeUnit::Microsecond).filter(|t| timestamp_is_finite(*t))?;
    let instant = match zone {
        None => micros,
        Some(Stated::Offset(seconds)) => micros.checked_sub(seconds.checked_mul(1_000_000)?)?,
        Some(Stated::Zone(zone)) => zone.instant(micros),
    };
    Some(i128::from(instant) * NANOS_PER_MICRO + i128::from(nanos) % NANOS_PER_MICRO)
}

/// A `TIME WITH TIME ZONE`, packed; without an offset it is the given one, in seconds.
pub fn time_tz(text: &str, present: i64) -> Result<i64, String> {
    let message = || {
        format!("time field value out of range: \"{text}\", expected format is ([YYYY-MM-DD ]HH:MM:SS[.MS])")
    };
    let mut c = Cursor { bytes: text.trim_ascii().as_bytes(), at: 0 };
    let nanos = clock_behind_date(&mut c).map_err(|_| message())?;
    c.blanks();
    let offset = match c.peek() {
        None => present,
        Some(b'+' | b'-') => match zone_at(&mut c) {
            Ok(Some(Stated::Offset(seconds))) if seconds.abs() <= timetz::OFFSET_MAX => seconds,
            _ => return Err(message()),
        },
        _ => return Err(message()),
    };
    c.blanks();
    if c.is_end() { Ok(timetz::pack(nanos / NANOS_PER_MICRO, offset)) } else { Err(message()) }
}

/// A part of an interval: what one unit is worth.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Months(i64),
    Days(i64),
    Micros(i64),
}

/// The unit of an interval by its name, in any case.
pub(crate) fn interval_unit(name: &str) -> Option<Unit> {
    let name = name.to_ascii_lowercase();
    Some(match name.as_str() {
        "millennium" | "millennia" | "millenniums" | "mil" | "mils" => Unit::Months(12_000),
        "century" | "centuries" | "cent" | "c" => Unit::Months(1200),
        "decade" | "decades" | "dec" | "decs" => Unit::Months(120),
        "year" | "years" | "yr" | "yrs" | "y" => Unit::Months(12),
        "quarter" | "quarters" => Unit::Months(3),
        "month" | "months" | "mon" | "mons" => Unit::Months(1),
        "week" | "weeks" | "w" => Unit::Days(7),
        "day" | "days" | "dayofmonth" | "d" => Unit::Days(1),
        "hour" | "hours" | "hr" | "hrs" | "h" => Unit::Micros(MICROS_PER_HOUR),
        "minute" | "minutes" | "min" | "mins" | "m" => Unit::Micros(MICROS_PER_MINUTE),
        "second" | "seconds" | "sec" | "secs" | "s" => Unit::Micros(MICROS_PER_SECOND),
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" => {
            Unit::Micros(1_000)
        }
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds" => Unit::Micros(1),
        _ => return None,
    })
}

/// The sum of parts, checked.
#[derive(Default)]
struct Sum {
    months: i64,
    days: i64,
    micros: i64,
}

impl Sum {
    /// Adds `whole + fraction` units, where the fraction is in millionths and has the sign of the whole.
    fn add(&mut self, whole: i64, millionths: i64, unit: Unit) -> Option<()> {
        match unit {
            Unit::Months(n) => {
                self.months = self.months.checked_add(whole.checked_mul(n)?)?;
                // What is left of a month is days, of 30 to a month.
                let part = millionths * n;
                self.months = self.months.checked_add(part / 1_000_000)?;
                self.fraction_of_days(part % 1_000_000 * 30)?;
            }
            Unit::Days(n) => {
                self.days = self.days.checked_add(whole.checked_mul(n)?)?;
                self.fraction_of_days(millionths * n)?;
            }
            Unit::Micros(n) => {
                let part =
                    i128::from(whole) * i128::from(n) + i128::from(millionths) * i128::from(n) / 1_000_000;
                self.micros = self.micros.checked_add(i64::try_from(part).ok()?)?;
            }
        }
        Some(())
    }

    fn fraction_of_days(&mut self, millionths: i64) -> Option<()> {
        self.days = self.days.checked_add(millionths / 1_000_000)?;
        let rest = i128::from(millionths % 1_000_000) * i128::from(MICROS_PER_DAY) / 1_000_000;
        self.micros = self.micros.checked_add(rest as i64)?;
        Some(())
    }

    fn interval(&self, negate: bool) -> Option<IntervalMonthDayNano> {
        let sign = if negate { -1 } else { 1 };
        Some(IntervalMonthDayNano::new(
            i32::try_from(self.months * sign).ok()?,
            i32::try_from(self.days * sign).ok()?,
            self.micros.checked_mul(sign)?.checked_mul(NANOS_PER_MICRO)?,
        ))
    }
}

/// An `INTERVAL`: numbers with units and clock times in any order, `ago` at the end to negate all.
pub fn interval(text: &str) -> Result<IntervalMonthDayNano, String> {
    let malformed = || format!("Could not convert string '{text}' to INTERVAL");
    let mut c = Cursor { bytes: text.trim_ascii().as_bytes(), at: 0 };
    let mut sum = Sum::default();
    let mut parts = 0;
    let mut ago = false;
    if c.peek() == Some(b'@') {
        c.at += 1;
    }
    while !c.is_end() {
        c.blanks();
        if ago {
            return Err(malformed());
        }
        if parts > 0 && c.word("ago") {
            ago = true;
            c.blanks();
            continue;
        }
        let negative = c.eat(b'-');
        if !negative {
            c.eat(b'+');
        }
        let first = c.at;
        let mut whole = 0i64;
        while let Some(d) = c.digit() {
            whole = whole.checked_mul(10).and_then(|w| w.checked_add(i64::from(d))).ok_or_else(malformed)?;
        }
        let digits = c.at - first;
        if digits > 0 && c.peek() == Some(b':') {
            let micros = interval_clock(&mut c, whole).ok_or_else(malformed)?;
            let micros = if negative { -micros } else { micros };
            sum.micros = sum.micros.checked_add(micros).ok_or_else(malformed)?;
            parts += 1;
            c.blanks();
            continue;
        }
        let mut millionths = 0;
        let mut fraction_digits = 0;
        if c.eat(b'.') {
            let mut unit = 100_000;
            while let Some(d) = c.digit() {
                millionths += i64::from(d) * unit;
                // The digit behind the last that counts says whether it is rounded up.
                if fraction_digits == 6 && d >= 5 {
                    millionths += 1;
                }
                unit /= 10;
                fraction_digits += 1;
            }
        }
        if digits + fraction_digits == 0 {
            return Err(malformed());
        }
        c.blanks();
        let from = c.at;
        while c.peek().is_some_and(|b| b.is_ascii_alphabetic()) {
            c.at += 1;
        }
        let name = std::str::from_utf8(&c.bytes[from..c.at]).unwrap_or_default();
        let unit = if name.is_empty() {
            // A number that is all there is is seconds.
            if !c.is_end() || parts > 0 {
                return Err(malformed());
            }
            Unit::Micros(MICROS_PER_SECOND)
        } else {
            interval_unit(name).ok_or_else(|| format!("extract specifier \"{name}\" not recognized"))?
        };
        let sign = if negative { -1 } else { 1 };
        sum.add(whole * sign, millionths * sign, unit).ok_or_else(malformed)?;
        parts += 1;
        c.blanks();
    }
    if parts == 0 {
        return Err(malformed());
    }
    sum.interval(ago).ok_or_else(malformed)
}

/// `:MM[:SS[.f]]` behind the hours of an interval, which may be more than 24.
fn interval_clock(c: &mut Cursor<'_>, hours: i64) -> Option<i64> {
    c.at += 1;
    let minutes = c.two().filter(|m| *m < 60)?;
    let mut micros =
        hours.checked_mul(MICROS_PER_HOUR)?.checked_add(i64::from(minutes) * MICROS_PER_MINUTE)?;
    if c.eat(b':') {
        let seconds = c.two().filter(|s| *s < 60)?;
        micros = micros.checked_add(i64::from(seconds) * MICROS_PER_SECOND)?;
        if c.eat(b'.') {
            let mut unit = 100_000;
            while let Some(d) = c.digit() {
                micros += i64::from(d) * unit;
                unit /= 10;
            }
        }
    }
    Some(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date("1970-01-02"), Ok(1));
        assert_eq!(date("2020-1-5"), date("2020-01-05"));
        assert_eq!(date("2020/01/05"), date("2020-01-05"));
        assert_eq!(date(" 2020-01-05 "), date("2020-01-05"));
        assert_eq!(date("2020-01-05 10:00:00"), date("2020-01-05"));
        assert_eq!(date("44-03-15 (BC)"), date("-43-03-15"));
        assert_eq!(date("infinity"), Ok(DATE_INFINITY));
        assert!(date("20200105").unwrap_err().starts_with("invalid date field format"));
        assert!(date("2020-13-05").unwrap_err().starts_with("date field value out of range"));
        assert!(date("2020-02-30").is_err());
        assert!(date("2020-01-05abc").is_err());
        assert!(date("99999999999-01-01").is_err());
        for bad in [
            "",
            "-",
            "x",
            "2020",
            "2020-",
            "2020-1",
            "2020-1-",
            "é",
            "2020-01-05 x",
            "2020-01-05T",
            "infinity x",
        ] {
            assert!(date(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn timestamps() {
        let us = TimeUnit::Microsecond;
        assert_eq!(timestamp("1970-01-01 00:00:01.5", us), Ok(1_500_000));
        assert_eq!(timestamp("1970-01-01T00:00:00Z", us), Ok(0));
        assert_eq!(timestamp("1970-01-01 10:11", us), Ok((10 * 60 + 11) * 60_000_000));
        assert_eq!(timestamp("1970-01-02", us), Ok(MICROS_PER_DAY));
        assert_eq!(timestamp("1970-01-01 02:00:00+02", us), Ok(2 * MICROS_PER_HOUR));
        assert_eq!(timestamp_tz("1970-01-01 02:00:00+02", &Zone::utc().clock()), Ok(0));
        assert_eq!(timestamp("1970-01-01 00:00:00.123456789", us), Ok(123_456));
        assert_eq!(timestamp("1970-01-01 00:00:00.123456789", TimeUnit::Nanosecond), Ok(123_456_789));
        assert_eq!(timestamp("1970-01-01 00:00:12.9", TimeUnit::Second), Ok(13));
        assert!(timestamp("1970-01-01 10", us).is_err());
        assert!(timestamp("1970-01-01 10:11:60", us).is_err());
        assert!(timestamp("290000-01-01", TimeUnit::Nanosecond).is_err());
        assert_eq!(time("24:00:00"), Ok(MICROS_PER_DAY));
        assert!(time("25:00:00").is_err());
    }

    #[test]
    fn intervals() {
        let iv = |s: &str| interval(s).map(|v| (v.months, v.days, v.nanoseconds / 1000));
        assert_eq!(iv("1 year 2 months 3 days 04:05:06.789"), Ok((14, 3, 14_706_789_000)));
        assert_eq!(iv("1.5 days"), Ok((0, 1, 12 * MICROS_PER_HOUR)));
        assert_eq!(iv("0.5 months"), Ok((0, 15, 0)));
        assert_eq!(iv("1.5 years"), Ok((18, 0, 0)));
        assert_eq!(iv("1h30m"), Ok((0, 0, 90 * MICROS_PER_MINUTE)));
        assert_eq!(iv("5 minutes ago"), Ok((0, 0, -5 * MICROS_PER_MINUTE)));
        assert_eq!(iv("-1:30:00"), Ok((0, 0, -90 * MICROS_PER_MINUTE)));
        assert_eq!(iv("5"), Ok((0, 0, 5 * MICROS_PER_SECOND)));
        assert_eq!(iv("1 year -2 months"), Ok((10, 0, 0)));
        assert!(iv("").is_err());
        assert!(iv("1 foo").unwrap_err().contains("foo"));
        assert!(iv("999999999999 years").is_err());
    }
}
