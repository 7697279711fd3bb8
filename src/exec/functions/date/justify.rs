//! Intervals in other words: days as months of 30 days, hours as days of 24.

use arrow_array::types::IntervalMonthDayNanoType;
use arrow_buffer::IntervalMonthDayNano;

use crate::column::types::LogicalType as T;
use crate::exec::calendar::{MICROS_PER_DAY, NANOS_PER_MICRO};
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::primitive;
use crate::exec::functions::registry::{Registry, def};

type I = IntervalMonthDayNanoType;

const DAYS_PER_MONTH: i64 = 30;
const NANOS_PER_DAY: i64 = MICROS_PER_DAY * NANOS_PER_MICRO;

/// An amount in whole units of the next and the rest.
#[derive(Clone, Copy)]
struct Parts {
    months: i64,
    days: i64,
    nanos: i64,
}

impl Parts {
    fn of(v: IntervalMonthDayNano) -> Self {
        Self { months: v.months.into(), days: v.days.into(), nanos: v.nanoseconds }
    }

    /// Whole days of the hours become days.
    fn hours_to_days(&mut self) {
        self.days += self.nanos / NANOS_PER_DAY;
        self.nanos %= NANOS_PER_DAY;
    }

    /// Whole months of the days become months.
    fn days_to_months(&mut self) {
        self.months += self.days / DAYS_PER_MONTH;
        self.days %= DAYS_PER_MONTH;
    }

    /// Days have the sign of the months before them.
    fn days_as_months(&mut self) {
        if self.months > 0 && (self.days < 0 || (self.days == 0 && self.nanos < 0)) {
            self.days += DAYS_PER_MONTH;
            self.months -= 1;
        } else if self.months < 0 && (self.days > 0 || (self.days == 0 && self.nanos > 0)) {
            self.days -= DAYS_PER_MONTH;
            self.months += 1;
        }
    }

    /// Hours have the sign of the days before them.
    fn hours_as_days(&mut self) {
        if self.days > 0 && self.nanos < 0 {
            self.nanos += NANOS_PER_DAY;
            self.days -= 1;
        } else if self.days < 0 && self.nanos > 0 {
            self.nanos -= NANOS_PER_DAY;
            self.days += 1;
        }
    }

    fn interval(self) -> Result<IntervalMonthDayNano> {
        let out = || ExecError::OutOfRange("interval out of range".into());
        let (months, days) = (i32::try_from(self.months), i32::try_from(self.days));
        Ok(IntervalMonthDayNano::new(months.map_err(|_| out())?, days.map_err(|_| out())?, self.nanos))
    }
}

fn hours(v: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let mut parts = Parts::of(v);
    parts.hours_to_days();
    parts.hours_as_days();
    parts.interval()
}

fn days(v: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let mut parts = Parts::of(v);
    parts.days_to_months();
    // The hours are left as they are, and have no say.
    let nanos = std::mem::take(&mut parts.nanos);
    parts.days_as_months();
    Parts { nanos, ..parts }.interval()
}

fn all(v: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let mut parts = Parts::of(v);
    parts.hours_to_days();
    parts.days_to_months();
    parts.days_as_months();
    parts.hours_as_days();
    parts.interval()
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        def("justify_days", "An interval with 30 days as a month", "justify_days(INTERVAL '35 days')").map(
            &[T::Interval],
            T::Interval,
            |_| primitive::<(I,), I>(|(v,)| days(v).map(Some)),
        ),
    );
    r.add(
        def("justify_hours", "An interval with 24 hours as a day", "justify_hours(INTERVAL '27 hours')").map(
            &[T::Interval],
            T::Interval,
            |_| primitive::<(I,), I>(|(v,)| hours(v).map(Some)),
        ),
    );
    r.add(
        def(
            "justify_interval",
            "An interval with 24 hours as a day, 30 days as a month, and all of one sign",
            "justify_interval(INTERVAL '1 month -1 hour')",
        )
        .map(&[T::Interval], T::Interval, |_| primitive::<(I,), I>(|(v,)| all(v).map(Some))),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = NANOS_PER_DAY / 24;

    fn interval(months: i32, days: i32, hours: i64) -> IntervalMonthDayNano {
        IntervalMonthDayNano::new(months, days, hours * HOUR)
    }

    #[test]
    fn units_become_the_next_and_have_its_sign() {
        assert_eq!(hours(interval(0, 0, 27)).unwrap(), interval(0, 1, 3));
        assert_eq!(hours(interval(0, 1, -1)).unwrap(), interval(0, 0, 23));
        assert_eq!(hours(interval(0, -1, 1)).unwrap(), interval(0, 0, -23));
        assert_eq!(days(interval(0, 35, 5)).unwrap(), interval(1, 5, 5));
        assert_eq!(days(interval(1, -1, -5)).unwrap(), interval(0, 29, -5));
        assert_eq!(days(interval(-1, 40, 0)).unwrap(), interval(0, 10, 0));
        assert_eq!(all(interval(1, 0, -1)).unwrap(), interval(0, 29, 23));
        assert_eq!(all(interval(0, 29, 25)).unwrap(), interval(1, 0, 1));
        assert_eq!(all(interval(-1, 0, 1)).unwrap(), interval(0, -29, -23));
        assert!(days(IntervalMonthDayNano::new(i32::MAX, i32::MAX, 0)).is_err());
        assert!(all(IntervalMonthDayNano::new(0, i32::MAX, i64::MAX)).is_ok());
    }
}
