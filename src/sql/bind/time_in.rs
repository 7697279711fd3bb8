//! `time IN '2026-01'`: whether a time lies in a stretch of the calendar, as QuestDB writes it.

use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND, add_interval, days_from_civil};
use crate::exec::expr::{CompareOp, Expr};
use crate::sql::bind::scope::{Scope, is_instant};
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::fluxql::parse_duration;

impl Binder<'_> {
    /// `value IN text`, if the value is a time; `None` if it is not.
    pub(super) fn bind_time_in(&mut self, value: &Expr, text: &Expr, scope: &Scope) -> Result<Option<Expr>> {
        let Expr::Literal { value: Scalar::Text(text), .. } = text else { return Ok(None) };
        if !is_instant(&value.ty()) {
            return Ok(None);
        }
        let Some((from, to)) = stretch(text) else {
            let message = format!(
                "'{text}' is no stretch of time: a year, a month '2026-01', a day, an hour '2026-01-31T09', a minute or a second, \
                 and how much longer '2026-01-31;2h'"
            );
            return Err(SqlError::binder(message));
        };
        let mut bounds = vec![];
        for (op, micros) in [(CompareOp::GtEq, from), (CompareOp::Lt, to)] {
            let bound = Expr::literal(Scalar::Int(micros.into()), TIMESTAMP);
            // A time with a zone is one of the session's clock.
            let bound = if value.ty() == LogicalType::TimestampTz {
                coerce::explicit(bound, &LogicalType::TimestampTz, false)?
            } else {
                bound
            };
            let (left, right) = self.time_operands(value.clone(), bound, scope)?;
            bounds.push(coerce::compare(op, left, right)?);
        }
        Ok(Some(Expr::And(bounds)))
    }
}

/// The first microsecond of a stretch of time and the first behind it.
fn stretch(text: &str) -> Option<(i64, i64)> {
    let (text, longer) = match text.split_once(';') {
        Some((text, longer)) => (text.trim(), Some(parse_duration(longer)?)),
        None => (text.trim(), None),
    };
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = match text.split_once(['T', ' ']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let number = |digits: &str, length: usize| {
        let fits = digits.len() == length && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<i32>().ok().filter(|_| fits)
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map(|m| number(m, 2).filter(|m| (1..=12).contains(m)));
    let day = parts.next().map(|d| number(d, 2).filter(|d| (1..=31).contains(d)));
    if parts.next().is_some() || clock.is_some() && day.is_none() {
        return None;
    }
    let (month, day) = (month.map_or(Some(None), |m| m.map(Some))?, day.map_or(Some(None), |d| d.map(Some))?);
    let start_of = |year: i32, month: i32, day: i32| {
        let day = days_from_civil(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
        Some(i64::from(day) * MICROS_PER_DAY)
    };
    let mut from = start_of(year, month.unwrap_or(1), day.unwrap_or(1))?;
    let mut to = match (month, day) {
        (None, _) => start_of(year + 1, 1, 1)?,
        (Some(month), None) => add_interval(start_of(year, month, 1)?, 1, 0, 0)?,
        (Some(month), Some(_)) => {
            // No 31st of February.
            if from >= add_interval(start_of(year, month, 1)?, 1, 0, 0)? {
                return None;
            }
            from + MICROS_PER_DAY
        }
    };
    if let Some(clock) = clock {
        let parts: Vec<&str> = clock.split(':').collect();
        let limits = [(24, 3_600), (60, 60), (60, 1)];
        if parts.len() > limits.len() {
            return None;
        }
        for (part, (limit, seconds)) in parts.iter().zip(limits) {
            from += i64::from(number(part, 2).filter(|n| *n < limit)?) * seconds * MICROS_PER_SECOND;
            to = from + seconds * MICROS_PER_SECOND;
        }
    }
    if let Some(longer) = longer {
        to = add_interval(to, longer.months, longer.days, longer.nanos)?;
    }
    Some((from, to))
}

#[cfg(test)]
mod tests {
    use super::stretch;

    #[test]
    fn stretches() {
        const HOUR: i64 = 3_600_000_000;
        let start = 1_767_225_600_000_000;
        let long = |text: &str| stretch(text).map(|(from, to)| ((from - start) / HOUR, (to - from) / HOUR));
        assert_eq!(long("2026"), Some((0, 365 * 24)));
        assert_eq!(long("2026-02"), Some((31 * 24, 28 * 24)));
        assert_eq!(long("2026-01-02"), Some((24, 24)));
        assert_eq!(long("2026-01-01T09"), Some((9, 1)));
        assert_eq!(long("2026-01-01;2d1h"), Some((0, 73)));
        assert_eq!(stretch("2026-01-01 00:00:01Z"), Some((start + 1_000_000, start + 2_000_000)));
        assert_eq!(stretch("2026-01-01T00:01"), Some((start + 60_000_000, start + 120_000_000)));
        for bad in [
            "",
            "26",
            "2026-1",
            "2026-13",
            "2026-02-30",
            "2026-01T09",
            "2026-01-01T24",
            "2026-01-01T1",
            "2026-01-01;x",
            "x",
        ] {
            assert_eq!(stretch(bad), None, "{bad}");
        }
    }
}
