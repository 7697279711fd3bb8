//! Values from the bytes of a field: numbers, booleans, dates and times.
//!
//! These are the hot paths of reading CSV, so each has a straight way for the usual spelling. All take
//! blanks around the value, as DuckDB does. Types that are not here are cast from text.

use crate::column::types::TimeUnit;
use crate::io::calendar::days_from_civil;

/// Without the blanks around it.
#[inline]
pub(crate) fn trim(mut field: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = field {
        field = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = field {
        field = rest;
    }
    field
}

/// How numbers are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberStyle {
    /// Before the fraction: `.` or `,`.
    pub decimal: u8,
    /// Between groups of digits.
    pub thousands: Option<u8>,
}

impl NumberStyle {
    /// A point before the fraction, and no groups.
    pub const PLAIN: Self = Self { decimal: b'.', thousands: None };
    /// A comma before the fraction.
    pub const COMMA: Self = Self { decimal: b',', thousands: None };

    /// Parses a number of this style with a parser of plain ones.
    #[inline]
    pub fn parse<T>(self, field: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        if self == Self::PLAIN { parse(field) } else { self.parse_slow(field, parse) }
    }

    #[cold]
    fn parse_slow<T>(self, field: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let mut plain = Vec::with_capacity(field.len());
        for byte in field {
            if Some(*byte) == self.thousands {
                continue;
            }
            match *byte {
                b if b == self.decimal => plain.push(b'.'),
                b'.' => return None,
                b => plain.push(b),
            }
        }
        parse(&plain)
    }
}

/// A whole number that fits 64 bits.
#[inline]
pub(crate) fn int64(field: &[u8]) -> Option<i64> {
    let (negative, digits) = match field {
        [b'-', rest @ ..] => (true, rest),
        [b'0'..=b'9', ..] => (false, field),
        [b'+', rest @ ..] => (false, rest),
        _ => {
            let trimmed = trim(field);
            return if trimmed.len() == field.len() { None } else { int64(trimmed) };
        }
    };
    if digits.is_empty() {
        return None;
    }
    if digits.len() <= 18 {
        let mut value = 0_i64;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return int64_with_blanks(negative, digits);
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(if negative { -value } else { value });
    }
    int64_with_blanks(negative, digits)
}

/// The rare rest of [`int64`]: long numbers, and blanks behind.
#[cold]
fn int64_with_blanks(negative: bool, digits: &[u8]) -> Option<i64> {
    let value = unsigned(trim_end(digits))?;
    i64::try_from(if negative { -(i128::try_from(value).ok()?) } else { i128::try_from(value).ok()? }).ok()
}

fn trim_end(mut field: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = field {
        field = rest;
    }
    field
}

/// Digits and nothing else.
fn unsigned(digits: &[u8]) -> Option<u128> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_u128;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u128::from(digit))?;
    }
    Some(value)
}

/// A whole number that fits 128 bits.
pub(crate) fn int128(field: &[u8]) -> Option<i128> {
    let field = trim(field);
    let (negative, digits) = match field {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, field),
    };
    let value = unsigned(digits)?;
    if negative { 0_i128.checked_sub_unsigned(value) } else { i128::try_from(value).ok() }
}

/// A float.
#[inline]
pub(crate) fn float64(field: &[u8]) -> Option<f64> {
    if let Some(value) = short_decimal(field) {
        return Some(value);
    }
    float_slow(field)
}

/// Powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// A plain number of up to 15 digits: digits and power are exact, so one division rounds correctly.
#[inline]
fn short_decimal(field: &[u8]) -> Option<f64> {
    let (negative, digits) = match field {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, field),
    };
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut value = 0_u64;
    let mut point = digits.len();
    for (i, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u64::from(digit);
        } else if *byte == b'.' && point == digits.len() {
            point = i;
        } else {
            return None;
        }
    }
    let scale = if point == digits.len() { 0 } else { digits.len() - point - 1 };
    let count = digits.len() - usize::from(point != digits.len());
    if count == 0 || count > 15 {
        return None;
    }
    let value = value as f64 / POWERS[scale];
    Some(if negative { -value } else { value })
}

/// Exponents, many digits, infinities, blanks.
#[inline(never)]
fn float_slow(field: &[u8]) -> Option<f64> {
    let field = trim(field);
    let field = match field {
        [b'+', rest @ ..] if rest.first().is_some_and(|c| c.is_ascii_digit() || *c == b'.') => rest,
        _ => field,
    };
    // Only what is spelled like a number; the crate would take more.
    match field.iter().find(|c| **c != b'-' && **c != b'+')? {
        b'0'..=b'9' | b'.' => {}
        b'i' | b'I' | b'n' | b'N' => {
            let (negative, word) = match field {
                [b'-', rest @ ..] => (true, rest),
                _ => (false, field),
            };
            let word = word.to_ascii_lowercase();
            let value = match word.as_slice() {
                b"inf" | b"infinity" => f64::INFINITY,
                b"nan" => f64::NAN,
                _ => return None,
            };
            return Some(if negative { -value } else { value });
        }
        _ => return None,
    }
    fast_float2::parse(field).ok()
}

/// A number as a decimal of this width and scale, unscaled; surplus digits are rounded, half away from zero.
#[inline]
pub(crate) fn decimal(field: &[u8], width: u8, scale: u8) -> Option<i128> {
    let field = trim(field);
    let (negative, digits) = match field {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, field),
    };
    let (whole, fraction) = match memchr::memchr(b'.', digits) {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &digits[..0]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0_i128;
    for byte in whole {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    let scale = usize::from(scale);
    let mut round_up = false;
    for (i, byte) in fraction.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        if i < scale {
            value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
        } else if i == scale {
            round_up = digit >= 5;
        }
    }
    for _ in fraction.len()..scale {
        value = value.checked_mul(10)?;
    }
    value = value.checked_add(i128::from(round_up))?;
    if value >= 10_i128.checked_pow(u32::from(width)).unwrap_or(i128::MAX) {
        return None;
    }
    Some(if negative { -value } else { value })
}

/// A boolean, as a cast from text takes it.
pub(crate) fn boolean(field: &[u8]) -> Option<bool> {
    match field {
        b"1" | b"t" | b"T" | b"y" | b"Y" => Some(true),
        b"0" | b"f" | b"F" | b"n" | b"N" => Some(false),
        _ if field.eq_ignore_ascii_case(b"true") || field.eq_ignore_ascii_case(b"yes") => Some(true),
        _ if field.eq_ignore_ascii_case(b"false") || field.eq_ignore_ascii_case(b"no") => Some(false),
        _ => None,
    }
}

/// Two digits at the head.
#[inline]
fn two(bytes: &[u8]) -> Option<u32> {
    let [a, b, ..] = bytes else { return None };
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    (a <= 9 && b <= 9).then(|| u32::from(a) * 10 + u32::from(b))
}

/// A number of `1..=most` digits at the head, and the rest.
pub(super) fn digits(bytes: &[u8], most: usize) -> Option<(u32, &[u8])> {
    let mut value = 0_u32;
    let mut n = 0;
    while n < most && n < bytes.len() && bytes[n].is_ascii_digit() {
        value = value * 10 + u32::from(bytes[n] - b'0');
        n += 1;
    }
    (n > 0).then(|| (value, &bytes[n..]))
}

/// Days in a month.
pub(super) fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A date at the head, in days, and the rest.
#[inline]
fn date_prefix(bytes: &[u8]) -> Option<(i32, &[u8])> {
    if let [a, b, c, d, b'-', m1, m2, b'-', d1, d2, rest @ ..] = bytes {
        let (high, low) = (two(&[*a, *b]), two(&[*c, *d]));
        if let (Some(high), Some(low), Some(month), Some(day)) =
            (high, low, two(&[*m1, *m2]), two(&[*d1, *d2]))
            && !rest.first().is_some_and(u8::is_ascii_digit)
        {
            let year = (high * 100 + low) as i32;
            if (1..=12).contains(&month) && (1..=28).contains(&day)
                || (29..=31).contains(&day) && (1..=12).contains(&month) && day <= days_in_month(year, month)
            {
                return Some((days_from_civil(year, month, day)?, rest));
            }
            return None;
        }
    }
    date_prefix_slow(bytes)
}

/// Other spellings: `-`, `/` or a blank between, one digit, long or negative years.
#[inline(never)]
fn date_prefix_slow(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (negative, rest) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    let from = rest.len();
    let (year, rest) = digits(rest, 6)?;
    if from - rest.len() < 4 {
        return None;
    }
    let [separator @ (b'-' | b'/' | b' ' | b'\\'), rest @ ..] = rest else { return None };
    let (month, rest) = digits(rest, 2)?;
    let rest = rest.strip_prefix(std::slice::from_ref(separator))?;
    let (day, rest) = digits(rest, 2)?;
    if rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let year = if negative { -(year as i32) } else { year as i32 };
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    Some((days_from_civil(year, month, day)?, rest))
}

/// A time of day at the head, in nanoseconds, and the rest. Up to 24:00:00; seconds may be left out.
#[inline]
fn time_prefix(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (hour, rest) = digits(bytes, 2)?;
    let [b':', rest @ ..] = rest else { return None };
    let minute = two(rest)?;
    let mut rest = &rest[2..];
    let mut second = 0;
    let mut nanos = 0;
    if let [b':', after @ ..] = rest {
        second = two(after)?;
        rest = &after[2..];
        if let [b'.', after @ ..] = rest {
            let mut n = 0;
            while n < after.len() && after[n].is_ascii_digit() {
                if n < 9 {
                    nanos = nanos * 10 + i64::from(after[n] - b'0');
                }
                n += 1;
            }
            for _ in n..9 {
                nanos *= 10;
            }
            rest = &after[n..];
        }
    }
    if rest.first().is_some_and(u8::is_ascii_digit) || minute > 59 || second > 59 {
        return None;
    }
    let total = i64::from(hour * 3600 + minute * 60 + second) * 1_000_000_000 + nanos;
    (total <= 86_400_000_000_000).then_some((total, rest))
}

/// A zone at the head, in seconds east of UTC: `Z`, `UTC`, `+02`, `-0330`, `+05:30`. And the rest.
pub(super) fn offset_prefix(bytes: &[u8]) -> Option<(i32, &[u8])> {
    match bytes {
        [b'Z' | b'z', rest @ ..] => Some((0, rest)),
        [b'U' | b'u', b'T' | b't', b'C' | b'c', rest @ ..] => Some((0, rest)),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let hours = two(rest)?;
            let mut rest = &rest[2..];
            let mut minutes = 0;
            let after = rest.strip_prefix(b":").unwrap_or(rest);
            if let Some(m) = two(after) {
                minutes = m;
                rest = &after[2..];
            }
            let seconds = (hours * 3600 + minutes * 60) as i32;
            (hours <= 18 && minutes < 60).then_some((if *sign == b'-' { -seconds } else { seconds }, rest))
        }
        _ => None,
    }
}

/// A date, in days since 1970-01-01.
#[inline]
pub(crate) fn date(field: &[u8]) -> Option<i32> {
    match date_prefix(field) {
        Some((days, [])) => Some(days),
        _ => {
            let (days, rest) = date_prefix(trim(field))?;
            rest.is_empty().then_some(days)
        }
    }
}

/// A time of day, in microseconds.
pub(crate) fn time(field: &[u8]) -> Option<i64> {
    let (nanos, rest) = time_prefix(trim(field))?;
    rest.is_empty().then_some(nanos / 1000)
}

/// A point in time: days, nanoseconds of the day, and the zone in seconds if one is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Days since 1970-01-01.
    pub days: i32,
    /// Nanoseconds since midnight.
    pub nanos: i64,
    /// Seconds east of UTC.
    pub offset: Option<i32>,
}

impl Moment {
    /// Units since 1970-01-01 UTC (a time without a zone is taken as UTC), rounded down.
    #[inline]
    pub fn timestamp(self, unit: TimeUnit) -> Option<i64> {
        let (per_second, nanos_per_unit) = match unit {
            TimeUnit::Second => (1, 1_000_000_000),
            TimeUnit::Millisecond => (1000, 1_000_000),
            TimeUnit::Microsecond => (1_000_000, 1000),
            TimeUnit::Nanosecond => (1_000_000_000, 1),
        };
        let seconds = i64::from(self.days) * 86_400 - i64::from(self.offset.unwrap_or(0));
        seconds.checked_mul(per_second)?.checked_add(self.nanos / nanos_per_unit)
    }
}

/// A timestamp: a date, and behind a blank or `T` a time, perhaps a zone.
#[inline]
pub(crate) fn moment(field: &[u8]) -> Option<Moment> {
    let (days, rest) = match date_prefix(field) {
        Some(found) => found,
        None => date_prefix(trim(field))?,
    };
    if rest.is_empty() {
        return Some(Moment { days, nanos: 0, offset: None });
    }
    moment_rest(days, rest)
}

/// The part of a timestamp behind its date.
#[inline]
fn moment_rest(days: i32, rest: &[u8]) -> Option<Moment> {
    let rest = match rest {
        [b' ' | b'T' | b't', rest @ ..] => rest,
        _ => return None,
    };
    if trim(rest).is_empty() {
        return Some(Moment { days, nanos: 0, offset: None });
    }
    let (nanos, rest) = time_prefix(rest)?;
    if rest.is_empty() {
        return Some(Moment { days, nanos, offset: None });
    }
    let rest = trim(rest);
    if rest.is_empty() {
        return Some(Moment { days, nanos, offset: None });
    }
    let (offset, rest) = offset_prefix(rest)?;
    rest.is_empty().then_some(Moment { days, nanos, offset: Some(offset) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn styles() {
        let parse = |style: NumberStyle, text: &str| style.parse(text.as_bytes(), float64);
        assert_eq!(parse(NumberStyle::COMMA, "-1,5"), Some(-1.5));
        assert_eq!(parse(NumberStyle::COMMA, "1.5"), None);
        let groups = NumberStyle { decimal: b',', thousands: Some(b'.') };
        assert_eq!(parse(groups, "1.234.567,25"), Some(1_234_567.25));
        let groups = NumberStyle { decimal: b'.', thousands: Some(b',') };
        assert_eq!(groups.parse(b"-1,000", int64), Some(-1000));
    }

    #[test]
    fn integers() {
        for (text, value) in [
            ("0", Some(0)),
            ("-12", Some(-12)),
            ("+7", Some(7)),
            (" 42 ", Some(42)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("", None),
            ("-", None),
            ("--1", None),
            ("1.5", None),
            ("1e3", None),
            ("1 2", None),
            ("0000000000000000000000001", Some(1)),
            (" ", None),
        ] {
            assert_eq!(int64(text.as_bytes()), value, "{text:?}");
        }
        assert_eq!(int128(b"170141183460469231731687303715884105727"), Some(i128::MAX));
        assert_eq!(int128(b"-170141183460469231731687303715884105728"), Some(i128::MIN));
        assert_eq!(int128(b"170141183460469231731687303715884105728"), None);
    }

    #[test]
    fn floats() {
        for (text, value) in [
            ("1.", Some(1.0)),
            (".5", Some(0.5)),
            ("-1.5e-3", Some(-0.0015)),
            ("+2.5", Some(2.5)),
            (" 3 ", Some(3.0)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("", None),
            (".", None),
            ("-", None),
            ("1,5", None),
            ("1.2.3", None),
            ("0.1e", None),
            ("info", None),
            ("nano", None),
            ("+-1", None),
        ] {
            assert_eq!(float64(text.as_bytes()), value, "{text:?}");
        }
        assert!(float64(b"NaN").unwrap().is_nan());
        assert!(float64(b"-0").unwrap().is_sign_negative());
    }

    #[test]
    fn decimals() {
        assert_eq!(decimal(b"12.345", 6, 2), Some(1235));
        assert_eq!(decimal(b"-12.345", 6, 2), Some(-1235));
        assert_eq!(decimal(b"7", 4, 2), Some(700));
        assert_eq!(decimal(b".5", 4, 2), Some(50));
        assert_eq!(decimal(b"100", 4, 2), None);
        assert_eq!(decimal(b"99.999", 4, 2), None);
        assert_eq!(decimal(b"1e2", 4, 2), None);
        assert_eq!(decimal(b"", 4, 2), None);
        assert_eq!(decimal(&[b'9'; 60], 38, 0), None);
    }

    #[test]
    fn dates_and_times() {
        assert_eq!(date(b"1970-01-02"), Some(1));
        assert_eq!(date(b"2020/2/29 "), Some(18321));
        assert_eq!(date(b"2021-02-29"), None);
        assert_eq!(date(b"10000-01-01"), Some(2932897));
        assert_eq!(date(b"20200101"), None);
        assert_eq!(date(b"2020-01/01"), None);
        assert_eq!(date(b"2020-01-011"), None);
        assert_eq!(time(b"12:30"), Some(45_000_000_000));
        assert_eq!(time(b"1:02:03.5"), Some(3_723_500_000));
        assert_eq!(time(b"24:00:00"), Some(86_400_000_000));
        assert_eq!(time(b"24:00:01"), None);
        assert_eq!(time(b"12:60"), None);
        let m = |text: &str| {
            moment(text.as_bytes()).map(|m| (m.timestamp(TimeUnit::Microsecond).unwrap(), m.offset))
        };
        assert_eq!(m("1970-01-02"), Some((86_400_000_000, None)));
        assert_eq!(m("1970-01-01T00:00:01.123456789"), Some((1_123_456, None)));
        assert_eq!(m("1970-01-01 02:00:00+02"), Some((0, Some(7200))));
        assert_eq!(m("1970-01-01T00:00:00Z"), Some((0, Some(0))));
        assert_eq!(m("1970-01-01 00:00:00 UTC"), Some((0, Some(0))));
        assert_eq!(m("1970-01-01 05:30:00+05:30"), Some((0, Some(19800))));
        assert_eq!(m("1970-01-01 x"), None);
        assert_eq!(m("1969-12-31 23:59:59.5"), Some((-500_000, None)));
    }

    proptest! {
        #[test]
        fn printed_numbers_come_back(i in any::<i64>(), f in any::<f64>(), short in -99_999_999_i64..99_999_999, scale in 0_u32..9) {
            prop_assert_eq!(int64(i.to_string().as_bytes()), Some(i));
            prop_assert_eq!(float64(i.to_string().as_bytes()), Some(i as f64));
            if f.is_finite() {
                prop_assert_eq!(float64(f.to_string().as_bytes()), Some(f));
                prop_assert_eq!(float64(format!("{f:e}").as_bytes()), Some(f));
            }
            let text = format!("{}.{:0>width$}", short / 10_i64.pow(scale), (short % 10_i64.pow(scale)).abs(), width = scale as usize);
            let text = text.trim_end_matches('.');
            prop_assert_eq!(float64(text.as_bytes()), text.parse().ok());
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'1'), Just(b'-'), Just(b':'), Just(b' ')], 0..40)) {
            int64(&bytes);
            int128(&bytes);
            float64(&bytes);
            decimal(&bytes, 18, 3);
            date(&bytes);
            time(&bytes);
            moment(&bytes).and_then(|m| m.timestamp(TimeUnit::Nanosecond));
        }
    }
}
