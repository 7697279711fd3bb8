//! Stretches of time of one width, and where each begins: on the one line of time, or by the clock of a zone.
//!
//! Times are ticks since 1970: microseconds, or nanoseconds. Buckets of days and less are counted from Monday,
//! 2000-01-03, so that weeks begin on Mondays; buckets of months from 2000-01-01. A bucket begins at or before every time
//! in it, also before the origin.
//!
//! By a clock, buckets begin where it shows a multiple of the width. Where it is put forward over such a time, one begins
//! at that instant. Where it is put back, what it shows for the second time begins a bucket too if the width is less than
//! a day, so that no two stretches become one; days and longer ones begin at the first. So starts never go back as times
//! go on.

use arrow_buffer::IntervalMonthDayNano;

use crate::exec::calendar::{
    MICROS_PER_SECOND, NANOS_PER_MICRO, civil_from_days, days_from_civil, timestamp_is_finite,
};
use crate::exec::error::{ExecError, Result};
use crate::exec::zone::Clock;

/// Monday, 2000-01-03, in days since 1970.
pub const ORIGIN_DAY: i64 = 10_959;
/// Months from the year 0 to 2000-01.
const ORIGIN_MONTH: i64 = 2000 * 12;
const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: i64 = MICROS_PER_SECOND * NANOS_PER_MICRO;

/// The width of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Ticks(i64),
    Months(i64),
}

/// Buckets of one width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets {
    width: Width,
    /// In ticks or months; one that is not further from zero than the width.
    origin: i64,
    per_second: i64,
}

/// The start of a bucket, and a time from which on so many ticks have it.
pub type Found = (i64, i64, i64);

fn out_of_range() -> ExecError {
    ExecError::OutOfRange("Timestamp out of range".into())
}

impl Buckets {
    /// Buckets of a width, of times of which a second has `per_second`, counted from `origin` if there is one.
    ///
    /// # Errors
    ///
    /// If the width is not above zero, or has months and something else.
    pub fn new(width: IntervalMonthDayNano, origin: Option<i64>, per_second: i64) -> Result<Self> {
        let positive = || ExecError::Unsupported("Period must be greater than 0".into());
        let per_day = SECONDS_PER_DAY * per_second;
        if width.months != 0 {
            if width.days != 0 || width.nanoseconds != 0 {
                return Err(ExecError::Unsupported(
                    "Month intervals cannot have day or time component".into(),
                ));
            }
            if width.months < 0 {
                return Err(positive());
            }
            let origin = origin.map_or(ORIGIN_MONTH, |origin| month_of(origin.div_euclid(per_day)));
            return Ok(Self { width: Width::Months(width.months.into()), origin, per_second });
        }
        let ticks = i64::from(width.days)
            .checked_mul(per_day)
            .and_then(|d| d.checked_add(width.nanoseconds / (NANOS_PER_SECOND / per_second)))
            .ok_or_else(|| ExecError::OutOfRange("the width of a bucket is out of range".into()))?;
        if ticks <= 0 {
            return Err(positive());
        }
        let origin = origin.unwrap_or(ORIGIN_DAY * per_day).rem_euclid(ticks);
        Ok(Self { width: Width::Ticks(ticks), origin, per_second })
    }

    fn per_day(&self) -> i64 {
        SECONDS_PER_DAY * self.per_second
    }

    /// The start of the bucket of a time.
    ///
    /// # Errors
    ///
    /// If it is beyond the times that there are.
    #[inline]
    pub fn start(&self, time: i64) -> Result<i64> {
        if !timestamp_is_finite(time) {
            return Ok(time);
        }
        match self.width {
            Width::Ticks(width) => {
                let from = time.checked_sub(self.origin).ok_or_else(out_of_range)?;
                let start = from.checked_sub(from.rem_euclid(width)).ok_or_else(out_of_range)?;
                start.checked_add(self.origin).ok_or_else(out_of_range)
            }
            Width::Months(n) => {
                let month = month_of(time.div_euclid(self.per_day()));
                self.month_start((month - self.origin).div_euclid(n) * n + self.origin)
            }
        }
    }

    fn month_start(&self, month: i64) -> Result<i64> {
        let year = i32::try_from(month.div_euclid(12)).map_err(|_| out_of_range())?;
        let days = days_from_civil(year, month.rem_euclid(12) as u32 + 1, 1).ok_or_else(out_of_range)?;
        i64::from(days).checked_mul(self.per_day()).ok_or_else(out_of_range)
    }

    /// As [`start`](Self::start), with times that have it.
    ///
    /// # Errors
    ///
    /// As it has.
    pub fn find(&self, time: i64) -> Result<Found> {
        let start = self.start(time)?;
        Ok(match self.width {
            _ if !timestamp_is_finite(time) => (start, time, 0),
            Width::Ticks(width) => (start, start, width),
            Width::Months(_) => (start, time - time.rem_euclid(self.per_day()), self.per_day()),
        })
    }

    /// Whether buckets are shorter than a day, and begin wherever the clock says so.
    fn is_short(&self) -> bool {
        matches!(self.width, Width::Ticks(width) if width < self.per_day())
    }

    /// The start of the bucket of an instant, by a clock.
    ///
    /// # Errors
    ///
    /// If it is beyond the times that there are.
    pub fn start_by(&self, clock: &Clock<'_>, time: i64) -> Result<i64> {
        if !timestamp_is_finite(time) {
            return Ok(time);
        }
        let clock = Ticks { clock, per_second: self.per_second };
        let local = clock.local(time)?;
        if !self.is_short() {
            // What is shown again is in the bucket that the clock had come to.
            let shown = match clock.since(time) {
                Some(since) => clock.local(since - 1)?,
                None => local,
            };
            return clock.first_instant(self.start(local.max(shown))?);
        }
        let start = self.start(local)?;
        let same_offset = time.checked_sub(local - start).ok_or_else(out_of_range)?;
        let Some(since) = clock.since(time).filter(|since| *since > same_offset) else {
            return Ok(same_offset);
        };
        // The clock was changed within the bucket.
        let before = clock.local(since - 1)? + 1;
        if start >= before {
            return Ok(since);
        }
        Ok(since - (before - self.start(before - 1)?))
    }

    /// As [`start_by`](Self::start_by), with times that have it.
    ///
    /// # Errors
    ///
    /// As it has.
    pub fn find_by(&self, clock: &Clock<'_>, time: i64) -> Result<Found> {
        let start = self.start_by(clock, time)?;
        if !timestamp_is_finite(time) {
            return Ok((start, time, 0));
        }
        // While the clock is not changed.
        let clock = Ticks { clock, per_second: self.per_second };
        let local = clock.local(time)?;
        if !self.is_short()
            && let Some(since) = clock.since(time)
            && clock.local(since - 1)? >= local
        {
            return Ok((start, time, 1));
        }
        let (_, from, len) = self.find(local)?;
        let ahead = local - time;
        let from = from.checked_sub(ahead).ok_or_else(out_of_range)?;
        let (since, until) = (clock.since(time).unwrap_or(from).max(from), clock.until(time));
        let to = from.checked_add(len).ok_or_else(out_of_range)?;
        let to = until.map_or(to, |until| to.min(until));
        Ok((start, since, to - since))
    }

    /// The start of the bucket behind the one that starts at `start`, by a clock.
    ///
    /// # Errors
    ///
    /// If it is beyond the times that there are.
    pub fn next_by(&self, clock: &Clock<'_>, start: i64) -> Result<i64> {
        match self.width {
            Width::Ticks(width) if self.is_short() => {
                let ticks = Ticks { clock, per_second: self.per_second };
                let mut time = start;
                // A bucket in which the clock is put back may be longer than its width, by less than that.
                for _ in 0..3 {
                    time = time.checked_add(width).ok_or_else(out_of_range)?;
                    let next = self.start_by(clock, time)?;
                    if next <= start {
                        continue;
                    }
                    // Where the clock is put forward over a start, one more bucket may begin.
                    return match ticks.since(next).filter(|since| (start + 1..next).contains(since)) {
                        Some(since) if self.start_by(clock, since)? == since => Ok(since),
                        _ => Ok(next),
                    };
                }
                Err(out_of_range())
            }
            Width::Ticks(width) => {
                let ticks = Ticks { clock, per_second: self.per_second };
                let local = self.start(ticks.local(start)?)?;
                ticks.first_instant(local.checked_add(width).ok_or_else(out_of_range)?)
            }
            Width::Months(n) => {
                let ticks = Ticks { clock, per_second: self.per_second };
                let local = self.start(ticks.local(start)?)?;
                ticks.first_instant(self.month_start(month_of(local.div_euclid(self.per_day())) + n)?)
            }
        }
    }
}

/// Months from the year 0 to that of a day since 1970.
fn month_of(day: i64) -> i64 {
    let day = i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX });
    let (year, month, _) = civil_from_days(day);
    i64::from(year) * 12 + i64::from(month) - 1
}

/// A clock that is read in ticks. Offsets are whole seconds, and so are the instants at which they change.
struct Ticks<'c, 'z> {
    clock: &'c Clock<'z>,
    per_second: i64,
}

impl Ticks<'_, '_> {
    fn micros(&self, ticks: i64) -> i64 {
        ticks.div_euclid(self.per_second / MICROS_PER_SECOND)
    }

    fn ticks(&self, micros: i64) -> Option<i64> {
        micros.checked_mul(self.per_second / MICROS_PER_SECOND)
    }

    /// What the clock shows at an instant.
    fn local(&self, time: i64) -> Result<i64> {
        let ahead = self.clock.offset(self.micros(time)) * self.per_second;
        time.checked_add(ahead).ok_or_else(out_of_range)
    }

    /// When the clock was last changed, if that is known.
    fn since(&self, time: i64) -> Option<i64> {
        self.clock.unchanged(self.micros(time)).0.and_then(|micros| self.ticks(micros))
    }

    /// When the clock is changed next.
    fn until(&self, time: i64) -> Option<i64> {
        self.clock.unchanged(self.micros(time)).1.and_then(|micros| self.ticks(micros))
    }

    /// The first instant at which the clock shows a whole microsecond, or at which it is put forward over it.
    fn first_instant(&self, local: i64) -> Result<i64> {
        let found = self.ticks(self.clock.instant(self.micros(local))).ok_or_else(out_of_range)?;
        let found = found + local.rem_euclid(self.per_second / MICROS_PER_SECOND);
        let Some(since) = self.since(found) else { return Ok(found) };
        if self.local(found)? != local {
            return Ok(since);
        }
        let before = self.local(since - 1)? + 1;
        Ok(if before > local { since - (before - local) } else { found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::calendar::{MICROS_PER_DAY, MICROS_PER_MINUTE, TIMESTAMP_INFINITY};
    use crate::exec::cast::parse_time::timestamp;
    use crate::exec::zone::Zone;

    fn ts(s: &str) -> i64 {
        timestamp(s, arrow_schema::TimeUnit::Microsecond).unwrap()
    }

    fn of(months: i32, days: i32, micros: i64, origin: Option<i64>) -> Buckets {
        let width = IntervalMonthDayNano::new(months, days, micros * 1_000);
        Buckets::new(width, origin, MICROS_PER_SECOND).unwrap()
    }

    #[test]
    fn buckets() {
        let start = |b: Buckets, t: &str| b.start(ts(t)).unwrap();
        let minutes = of(0, 0, 5 * MICROS_PER_MINUTE, None);
        assert_eq!(start(minutes, "2020-01-01 00:07:00"), ts("2020-01-01 00:05:00"));
        assert_eq!(start(minutes, "1969-12-31 23:59:59"), ts("1969-12-31 23:55:00"));
        assert_eq!(start(of(0, 7, 0, None), "2020-01-01"), ts("2019-12-30"));
        assert_eq!(start(of(0, 7, 0, None), "1969-12-31"), ts("1969-12-29"));
        assert_eq!(start(of(3, 0, 0, None), "2020-05-05"), ts("2020-04-01"));
        assert_eq!(start(of(12, 0, 0, None), "1999-05-05"), ts("1999-01-01"));
        let moved = of(0, 0, 5 * MICROS_PER_MINUTE, Some(ts("2020-01-01 00:01:00")));
        assert_eq!(start(moved, "2020-01-01 00:07:00"), ts("2020-01-01 00:06:00"));
        assert_eq!(minutes.start(TIMESTAMP_INFINITY).unwrap(), TIMESTAMP_INFINITY);
        assert!(of(0, 1, 0, None).start(i64::MIN + 2).is_err());
        let width = IntervalMonthDayNano::new;
        assert!(Buckets::new(width(1, 1, 0), None, MICROS_PER_SECOND).is_err());
        assert!(Buckets::new(width(0, -1, 0), None, MICROS_PER_SECOND).is_err());
    }

    /// Starts go on as times do, whatever is done to the clock; each is the start of its own bucket, and that which
    /// follows the one before.
    #[test]
    fn starts_by_clocks_never_go_back() {
        let changes = [
            ("Europe/Berlin", "2026-03-29 01:00:00"),
            ("Europe/Berlin", "2026-10-25 01:00:00"),
            ("Australia/Lord_Howe", "2026-04-04 15:00:00"),
            ("Australia/Lord_Howe", "2026-10-03 15:30:00"),
            ("America/Havana", "2020-11-01 05:00:00"),
            ("America/Havana", "2020-03-08 05:00:00"),
            ("America/Sao_Paulo", "2017-10-15 03:00:00"),
            ("America/Sao_Paulo", "2018-02-18 02:00:00"),
            ("Asia/Kathmandu", "1985-12-31 18:30:00"),
        ];
        let minute = MICROS_PER_MINUTE;
        let mut widths: Vec<Buckets> = [1, 15, 20, 30, 45, 60, 90, 120, 180, 360, 420, 720, 1_440, 2_160]
            .iter()
            .flat_map(|n| [None, Some(7 * minute)].map(|origin| of(0, 0, n * minute, origin)))
            .collect();
        widths.extend([
            of(0, 1, 0, None),
            of(0, 7, 0, Some(150 * minute)),
            of(1, 0, 0, None),
            of(3, 0, 0, None),
        ]);
        for (name, change) in changes {
            let zone = Zone::named(name).unwrap();
            for buckets in &widths {
                let clock = zone.clock();
                let from = ts(change) - 2 * MICROS_PER_DAY;
                let mut last = None;
                for t in (0..4 * 1_440).map(|m| from + m * minute) {
                    let what = || format!("{name} {buckets:?} {}", (t - from) / minute);
                    let start = buckets.start_by(&clock, t).unwrap();
                    assert!(start <= t, "{}", what());
                    assert_eq!(buckets.start_by(&clock, start).unwrap(), start, "{}", what());
                    let next = buckets.next_by(&clock, start).unwrap();
                    assert!(next > t, "{}: {start} {next} {t}", what());
                    if let Some((before, end)) = last
                        && before != start
                    {
                        assert_eq!(end, start, "{}", what());
                    }
                    last = Some((start, next));
                    let (found, first, len) = buckets.find_by(&clock, t).unwrap();
                    assert_eq!(found, start, "{}", what());
                    assert!((first..first + len).contains(&t), "{}", what());
                    for other in [first, first + len / 2, first + len - 1] {
                        assert_eq!(buckets.start_by(&clock, other).unwrap(), start, "{}", what());
                    }
                }
            }
        }
    }

    #[test]
    fn nanoseconds_are_cut_by_the_same_rules() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let clock = zone.clock();
        let width = IntervalMonthDayNano::new(0, 0, 6 * 3_600 * NANOS_PER_SECOND);
        let (micros, nanos) = (
            Buckets::new(width, None, MICROS_PER_SECOND).unwrap(),
            Buckets::new(width, None, NANOS_PER_SECOND).unwrap(),
        );
        for minute in 0..5_000 {
            let t = ts("2026-03-27") + minute * MICROS_PER_MINUTE;
            let start = micros.start_by(&clock, t).unwrap();
            assert_eq!(nanos.start_by(&clock, t * 1_000 + 999).unwrap(), start * 1_000);
        }
        let width = IntervalMonthDayNano::new(0, 0, 1_500);
        let buckets = Buckets::new(width, Some(500), NANOS_PER_SECOND).unwrap();
        assert_eq!(buckets.start(4_999).unwrap(), 3_500);
        assert_eq!(buckets.start(-1).unwrap(), -1_000);
    }
}
