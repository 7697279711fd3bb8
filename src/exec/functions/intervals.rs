//! Sums and multiples of intervals.

use arrow_buffer::IntervalMonthDayNano;

use super::arithmetic::out_of_range;
use crate::exec::calendar::NANOS_PER_MICRO;
use crate::exec::error::Result;

const DAYS_PER_MONTH: f64 = 30.0;
const SECONDS_PER_DAY: f64 = 86_400.0;
const MICROS_PER_SECOND: f64 = 1e6;

pub(super) fn interval_sum(a: IntervalMonthDayNano, b: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let parts = (
        a.months.checked_add(b.months),
        a.days.checked_add(b.days),
        a.nanoseconds.checked_add(b.nanoseconds),
    );
    match parts {
        (Some(m), Some(d), Some(n)) => Ok(IntervalMonthDayNano::new(m, d, n)),
        _ => Err(out_of_range("Interval")),
    }
}

pub(super) fn interval_times(v: IntervalMonthDayNano, n: i64) -> Result<IntervalMonthDayNano> {
    let parts = (
        i64::from(v.months).checked_mul(n).and_then(|m| i32::try_from(m).ok()),
        i64::from(v.days).checked_mul(n).and_then(|d| i32::try_from(d).ok()),
        v.nanoseconds.checked_mul(n),
    );
    match parts {
        (Some(m), Some(d), Some(n)) => Ok(IntervalMonthDayNano::new(m, d, n)),
        _ => Err(out_of_range("Interval")),
    }
}

/// Each part of an interval scaled. What is left of months goes to days, of 30 to a month, and what is left of days
/// to the clock; as PostgreSQL does it, days of either origin stay days, and what is left is counted in microseconds.
pub(super) fn interval_scaled(
    v: IntervalMonthDayNano,
    scale: impl Fn(f64) -> f64,
) -> Result<IntervalMonthDayNano> {
    let to_micros = |x: f64| (x * MICROS_PER_SECOND).round_ties_even() / MICROS_PER_SECOND;
    let (months, days) = (scale(v.months.into()), scale(v.days.into()));
    let days_of_months = to_micros(months.fract() * DAYS_PER_MONTH);
    let seconds = to_micros((days.fract() + days_of_months.fract()) * SECONDS_PER_DAY);
    // Parts of two days may make one.
    let carried = (seconds / SECONDS_PER_DAY).trunc();
    let days = days.trunc() + days_of_months.trunc() + carried;
    let clock = scale((v.nanoseconds / NANOS_PER_MICRO) as f64)
        + (seconds - carried * SECONDS_PER_DAY) * MICROS_PER_SECOND;
    let limit = i64::MAX as f64 / NANOS_PER_MICRO as f64;
    let in_range = |x: f64| x.abs() <= f64::from(i32::MAX);
    if !(clock.abs() < limit) || !in_range(months) || !in_range(days) {
        return Err(out_of_range("Interval"));
    }
    Ok(IntervalMonthDayNano::new(
        months.trunc() as i32,
        days as i32,
        clock.round_ties_even() as i64 * NANOS_PER_MICRO,
    ))
}
