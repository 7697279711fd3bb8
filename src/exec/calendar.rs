//! Calendar arithmetic on the proleptic Gregorian calendar: days, months and microseconds.
//!
//! A date is days since 1970-01-01, a timestamp microseconds since then. The greatest and (almost) least
//! values stand for infinity, as in DuckDB; nothing here computes with those, callers check first.

/// Microseconds in a second.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
/// Microseconds in an hour.
pub const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
/// Microseconds in a day.
pub const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
/// Nanoseconds in a microsecond.
pub const NANOS_PER_MICRO: i64 = 1_000;

/// The date `infinity`.
pub const DATE_INFINITY: i32 = i32::MAX;
/// The date `-infinity`.
pub const DATE_NEG_INFINITY: i32 = -i32::MAX;
/// The timestamp `infinity`, in every unit.
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;
/// The timestamp `-infinity`, in every unit.
pub const TIMESTAMP_NEG_INFINITY: i64 = -i64::MAX;

/// Whether a date is neither `infinity` nor `-infinity`.
#[inline]
pub fn date_is_finite(days: i32) -> bool {
    days != DATE_INFINITY && days != DATE_NEG_INFINITY
}

/// Whether a timestamp is neither `infinity` nor `-infinity`.
#[inline]
pub fn timestamp_is_finite(value: i64) -> bool {
    value != TIMESTAMP_INFINITY && value != TIMESTAMP_NEG_INFINITY
}

/// Year, month and day of a date. Year 0 is 1 BC. Uses the cycle of 400 years with years that start in March.
#[inline]
pub fn civil_from_days(days: i32) -> (i32, u32, u32) {
    let z = days as i64 + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year as i32, month, day)
}

/// Days since 1970-01-01 of a valid civil date, or `None` beyond the range of a date.
#[inline]
pub fn days_from_civil(year: i32, month: u32, day: u32) -> Option<i32> {
    let y = i64::from(year) - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = (i64::from(month) + 9) % 12;
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    i32::try_from(era * 146_097 + doe - 719_468).ok().filter(|d| date_is_finite(*d))
}

/// Whether the year has a 29th of February.
#[inline]
pub fn is_leap_year(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The number of days of a month, 1 to 12.
#[inline]
pub fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap_year(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Whether this is a day of the calendar.
pub fn is_valid_date(year: i32, month: u32, day: u32) -> bool {
    (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month)
}

/// The date `months` later; a day that the month lacks becomes its last day. `None` out of range.
pub fn add_months(days: i32, months: i64) -> Option<i32> {
    let (y, m, d) = civil_from_days(days);
    let total = i64::from(y) * 12 + i64::from(m) - 1 + months;
    let year = i32::try_from(total.div_euclid(12)).ok()?;
    let month = total.rem_euclid(12) as u32 + 1;
    days_from_civil(year, month, d.min(days_in_month(year, month)))
}

/// The date and the microseconds of that day.
#[inline]
pub fn split_timestamp(micros: i64) -> (i32, i64) {
    (micros.div_euclid(MICROS_PER_DAY) as i32, micros.rem_euclid(MICROS_PER_DAY))
}

/// The timestamp of a date and microseconds of that day, `None` out of range.
#[inline]
pub fn join_timestamp(days: i32, micros: i64) -> Option<i64> {
    i64::from(days).checked_mul(MICROS_PER_DAY)?.checked_add(micros).filter(|t| timestamp_is_finite(*t))
}

/// Adds calendar months, then days, then microseconds to a timestamp. `None` out of range.
pub fn add_interval(micros: i64, months: i32, days: i32, nanos: i64) -> Option<i64> {
    let mut t = micros;
    if months != 0 || days != 0 {
        let (mut date, of_day) = split_timestamp(t);
        if months != 0 {
            date = add_months(date, i64::from(months))?;
        }
        date = date.checked_add(days)?;
        t = join_timestamp(date, of_day)?;
    }
    t.checked_add(nanos / NANOS_PER_MICRO).filter(|t| timestamp_is_finite(*t))
}

/// The day of the week, Sunday 0 to Saturday 6.
#[inline]
pub fn day_of_week(days: i32) -> u32 {
    (i64::from(days) + 4).rem_euclid(7) as u32
}

/// The day of the week by ISO 8601, Monday 1 to Sunday 7.
#[inline]
pub fn iso_day_of_week(days: i32) -> u32 {
    (i64::from(days) + 3).rem_euclid(7) as u32 + 1
}

/// The day of the year, 1 to 366.
pub fn day_of_year(days: i32) -> u32 {
    let (y, _, _) = civil_from_days(days);
    days_from_civil(y, 1, 1).map_or(1, |start| (days - start) as u32 + 1)
}

/// Year and week by ISO 8601: the week belongs to the year of its Thursday.
pub fn iso_week(days: i32) -> (i32, u32) {
    let thursday = i64::from(days) - (i64::from(days) + 3).rem_euclid(7) + 3;
    let thursday = thursday.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
    let (year, _, _) = civil_from_days(thursday);
    (year, (day_of_year(thursday) - 1) / 7 + 1)
}

/// The Monday of the week of a date.
pub fn monday_of(days: i32) -> i32 {
    days.saturating_sub(iso_day_of_week(days) as i32 - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_and_back() {
        for days in (-1_000_000..1_000_000).step_by(37) {
            let (y, m, d) = civil_from_days(days);
            assert!(is_valid_date(y, m, d));
            assert_eq!(days_from_civil(y, m, d), Some(days));
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(days_from_civil(2000, 2, 29), Some(11_016));
    }

    #[test]
    fn months_clip_to_the_end() {
        let jan31 = days_from_civil(2024, 1, 31).unwrap();
        assert_eq!(civil_from_days(add_months(jan31, 1).unwrap()), (2024, 2, 29));
        assert_eq!(civil_from_days(add_months(jan31, -11).unwrap()), (2023, 2, 28));
        assert_eq!(add_months(jan31, i64::from(i32::MAX)), None);
    }

    #[test]
    fn weeks() {
        let d = |y, m, d| days_from_civil(y, m, d).unwrap();
        assert_eq!(iso_week(d(2021, 1, 3)), (2020, 53));
        assert_eq!(iso_week(d(2021, 1, 4)), (2021, 1));
        assert_eq!(iso_week(d(2018, 12, 31)), (2019, 1));
        assert_eq!(day_of_week(d(2024, 2, 4)), 0);
        assert_eq!(iso_day_of_week(d(2024, 2, 4)), 7);
        assert_eq!(day_of_week(d(1969, 12, 31)), 3);
    }
}
