//! Days since 1970-01-01 from a year, a month and a day.

/// Days since 1970-01-01 of a valid date of the proleptic Gregorian calendar.
#[inline]
pub(crate) fn days_from_civil(year: i32, month: u32, day: u32) -> Option<i32> {
    // Years that start in March, in cycles of 400, so that the leap day is the last.
    let y = i64::from(year) - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    i32::try_from(era * 146_097 + doe - 719_468).ok()
}
