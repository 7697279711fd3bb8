//! Dates, times and intervals as text.

use std::fmt::Write;

use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::TimeUnit;

use crate::exec::calendar::{
    DATE_INFINITY, DATE_NEG_INFINITY, NANOS_PER_MICRO, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY,
    civil_from_days, timestamp_is_finite,
};
use crate::exec::timetz;
use crate::exec::zone::Clock;

const DIGITS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

#[inline]
fn two(v: u32, to: &mut [u8]) {
    let i = (v as usize % 100) * 2;
    to.copy_from_slice(&DIGITS[i..i + 2]);
}

/// ASCII bytes, made here.
#[inline]
fn ascii(bytes: &[u8], out: &mut String) {
    out.push_str(std::str::from_utf8(bytes).unwrap_or_default());
}

/// Writes the date; a year before 1 as `0044-03-15 (BC)`.
pub fn write_date(days: i32, out: &mut String) {
    match days {
        DATE_INFINITY => return out.push_str("infinity"),
        DATE_NEG_INFINITY => return out.push_str("-infinity"),
        _ => {}
    }
    if write_year(days, out) {
        out.push_str(" (BC)");
    }
}

/// Writes the date but for the era; returns whether it is before Christ.
#[inline]
fn write_year(days: i32, out: &mut String) -> bool {
    let (year, month, day) = civil_from_days(days);
    let bc = year <= 0;
    let year = if bc { 1 - i64::from(year) } else { i64::from(year) };
    if year <= 9999 {
        let mut b = *b"0000-00-00";
        two(year as u32 / 100, &mut b[0..2]);
        two(year as u32 % 100, &mut b[2..4]);
        two(month, &mut b[5..7]);
        two(day, &mut b[8..10]);
        ascii(&b, out);
    } else {
        let _ = write!(out, "{year}-{month:02}-{day:02}");
    }
    bc
}

/// Writes microseconds of a day as `HH:MM:SS[.ffffff]`.
pub fn write_time(micros: i64, out: &mut String) {
    write_clock(micros.div_euclid(1_000_000), (micros.rem_euclid(1_000_000) * 1000) as u32, out);
}

/// Writes a time of day in nanoseconds.
#[inline]
pub fn write_time_ns(nanos: i64, out: &mut String) {
    write_clock(nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000) as u32, out);
}

/// Writes seconds of a day and a fraction in nanoseconds, whose trailing zeros are left out.
#[inline]
fn write_clock(seconds: i64, nanos: u32, out: &mut String) {
    let s = seconds as u32;
    let mut b = *b"00:00:00.000000000";
    two(s / 3600, &mut b[0..2]);
    two(s / 60 % 60, &mut b[3..5]);
    two(s % 60, &mut b[6..8]);
    let mut len = 8;
    if nanos != 0 {
        let mut rest = nanos;
        for place in b[9..18].iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        len = 18;
        while b[len - 1] == b'0' {
            len -= 1;
        }
    }
    ascii(&b[..len], out);
}

/// Writes a timestamp as `YYYY-MM-DD HH:MM:SS[.f]`.
pub fn write_timestamp(v: i64, unit: TimeUnit, out: &mut String) {
    match v {
        TIMESTAMP_INFINITY => return out.push_str("infinity"),
        TIMESTAMP_NEG_INFINITY => return out.push_str("-infinity"),
        _ => {}
    }
    let per_second = super::temporal::units_per_second(unit);
    let seconds = v.div_euclid(per_second);
    let fraction = v.rem_euclid(per_second) * (1_000_000_000 / per_second);
    let days = seconds.div_euclid(86_400);
    // A timestamp in seconds reaches far beyond the dates; it is shown at their end.
    let days = days.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
    if write_year(days, out) {
        out.push_str(" (BC)");
    }
    out.push(' ');
    write_clock(seconds.rem_euclid(86_400), fraction as u32, out);
}

/// Writes an instant as what the clock shows then, with the hours that it is ahead of UTC.
pub(super) fn write_instant(v: i64, clock: &Clock<'_>, out: &mut String) {
    write_timestamp(clock.local(v), TimeUnit::Microsecond, out);
    if timestamp_is_finite(v) {
        // A clock of local mean time is ahead by seconds too, which are left out here.
        let offset = clock.offset(v);
        write_offset(offset / 60 * 60, out);
    }
}

/// Writes seconds ahead of UTC as `+HH[:MM[:SS]]`.
pub fn write_offset(seconds: i64, out: &mut String) {
    let (sign, s) = (if seconds < 0 { '-' } else { '+' }, seconds.abs());
    let _ = write!(out, "{sign}{:02}", s / 3_600);
    if s % 3_600 != 0 {
        let _ = write!(out, ":{:02}", s / 60 % 60);
    }
    if s % 60 != 0 {
        let _ = write!(out, ":{:02}", s % 60);
    }
}

/// Writes a time with its offset: `12:00:00+02`.
pub fn write_time_tz(packed: i64, out: &mut String) {
    let (micros, offset) = timetz::unpack(packed);
    write_time(micros, out);
    write_offset(offset, out);
}

/// Writes an interval: `1 year 2 months 3 days 04:05:06`.
pub fn write_interval(v: IntervalMonthDayNano, out: &mut String) {
    let start = out.len();
    let mut part = |n: i32, unit: &str| {
        if n != 0 {
            let blank = if out.len() > start { " " } else { "" };
            let plural = if n == 1 || n == -1 { "" } else { "s" };
            let _ = write!(out, "{blank}{n} {unit}{plural}");
        }
    };
    part(v.months / 12, "year");
    part(v.months % 12, "month");
    part(v.days, "day");
    let micros = v.nanoseconds / NANOS_PER_MICRO;
    if micros != 0 || out.len() == start {
        if out.len() > start {
            out.push(' ');
        }
        if micros < 0 {
            out.push('-');
        }
        let micros = micros.unsigned_abs();
        let seconds = micros / 1_000_000;
        let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let fraction = micros % 1_000_000;
        if fraction != 0 {
            let digits = format!("{fraction:06}");
            out.push('.');
            out.push_str(digits.trim_end_matches('0'));
        }
    }
}
