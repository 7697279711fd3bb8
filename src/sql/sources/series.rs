//! `generate_series` and `range`: numbers or times at equal steps. `generate_series` includes its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, Int64Array, TimestampMicrosecondArray};

use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::calendar::add_interval;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{ColumnPredicate, Morsel, Source, SourceScan, TableFunctionArgs};

/// Rows of one batch.
const BATCH_ROWS: u64 = 2_048;
/// Batches of one morsel.
const MORSEL_BATCHES: u64 = 60;

/// The series that the arguments describe.
pub fn source(name: &str, args: &TableFunctionArgs, inclusive: bool) -> Result<Arc<dyn Source>> {
    if let Some((named, ..)) = args.named.first() {
        return Err(ExecError::InvalidInput(format!("{name} has no argument named \"{named}\"")));
    }
    let values = &args.positional[..];
    let schema: Schema = Arc::new([Field::new(name, LogicalType::BigInt)]);
    let wrong = || {
        ExecError::InvalidInput(format!(
            "{name} takes an end, a start and an end, or a start, an end and a step: whole numbers, or timestamps and an interval"
        ))
    };
    if values.iter().any(|(v, _)| v.is_null()) {
        return Ok(Arc::new(Series {
            name: name.to_owned(),
            schema,
            kind: Kind::Numbers { start: 0, step: 1, count: 0 },
        }));
    }
    let integers: Option<Vec<i128>> = values
        .iter()
        .map(|(v, ty)| match v {
            Scalar::Int(n) if ty.is_integer() => Some(*n),
            _ => None,
        })
        .collect();
    let kind = match (integers.as_deref(), values) {
        (Some([end]), _) => numbers(name, 0, *end, 1, inclusive)?,
        (Some([start, end]), _) => numbers(name, *start, *end, 1, inclusive)?,
        (Some([start, end, step]), _) => numbers(name, *start, *end, *step, inclusive)?,
        (None, [(start, from), (end, to), (Scalar::Interval { months, days, nanos }, _)]) => {
            let (Some(start), Some(end)) = (micros(start, from), micros(end, to)) else {
                return Err(wrong());
            };
            let step = Step { months: *months, days: *days, nanos: *nanos };
            let kind = times(name, start, end, step, inclusive)?;
            let schema: Schema = Arc::new([Field::new(name, TIMESTAMP)]);
            return Ok(Arc::new(Series { name: name.to_owned(), schema, kind }));
        }
        _ => return Err(wrong()),
    };
    Ok(Arc::new(Series { name: name.to_owned(), schema, kind }))
}

/// A date, a timestamp, or the text of one, in microseconds.
fn micros(value: &Scalar, ty: &LogicalType) -> Option<i64> {
    const DAY: i64 = 86_400_000_000;
    match (value, ty) {
        (Scalar::Int(days), LogicalType::Date) => i64::try_from(*days).ok()?.checked_mul(DAY),
        (Scalar::Int(v), LogicalType::TimestampTz) => i64::try_from(*v).ok(),
        (Scalar::Int(v), LogicalType::Timestamp(unit)) => {
            let v = i64::try_from(*v).ok()?;
            use arrow_schema::TimeUnit as U;
            match unit {
                U::Second => v.checked_mul(1_000_000),
                U::Millisecond => v.checked_mul(1_000),
                U::Microsecond => Some(v),
                U::Nanosecond => Some(v.div_euclid(1_000)),
            }
        }
        (Scalar::Text(text), LogicalType::Varchar) => {
            crate::exec::cast::parse_time::timestamp(text, arrow_schema::TimeUnit::Microsecond).ok()
        }
        _ => None,
    }
}

fn numbers(name: &str, start: i128, end: i128, step: i128, inclusive: bool) -> Result<Kind> {
    if step == 0 {
        return Err(ExecError::InvalidInput(format!("the step of {name} cannot be 0")));
    }
    let fits =
        |v: i128| i64::try_from(v).map_err(|_| ExecError::OutOfRange(format!("{v} is too big for {name}")));
    let (from, step_64) = (fits(start)?, fits(step)?);
    fits(end)?;
    let distance = if step > 0 { end - start } else { start - end };
    let width = step.abs();
    let count = if distance < 0 {
        0
    } else if inclusive {
        distance / width + 1
    } else {
        (distance + width - 1) / width
    };
    // Between two 64-bit numbers there are at most 2^64 - 1 steps.
    let count =
        u64::try_from(count).map_err(|_| ExecError::OutOfRange(format!("{name} would be too long")))?;
    Ok(Kind::Numbers { start: from, step: step_64, count })
}

fn times(name: &str, start: i64, end: i64, step: Step, inclusive: bool) -> Result<Kind> {
    let zero = step.months == 0 && step.days == 0 && step.nanos == 0;
    let parts = [i64::from(step.months), i64::from(step.days), step.nanos];
    let mixed = parts.iter().any(|p| *p > 0) && parts.iter().any(|p| *p < 0);
    if zero || mixed || step.nanos % 1_000 != 0 {
        return Err(ExecError::InvalidInput(format!(
            "the step of {name} must be an interval of at least a microsecond in one direction"
        )));
    }
    // The count is found by bisection: the n-th time grows, or falls, with n.
    let forward = parts.iter().any(|p| *p > 0);
    let within = |n: u64| match step.nth(start, n) {
        None => false,
        Some(t) if forward => t < end || inclusive && t == end,
        Some(t) => t > end || inclusive && t == end,
    };
    if !within(0) {
        return Ok(Kind::Times { start, step, count: 0 });
    }
    let (mut low, mut high) = (0_u64, 1_u64);
    while within(high) {
        low = high;
        high = high.saturating_mul(2);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if within(middle) { low = middle } else { high = middle }
    }
    Ok(Kind::Times { start, step, count: high })
}

/// An interval that is added again and again.
#[derive(Debug, Clone, Copy)]
struct Step {
    months: i32,
    days: i32,
    nanos: i64,
}

impl Step {
    /// The start and `n` steps.
    fn nth(self, start: i64, n: u64) -> Option<i64> {
        let n = i64::try_from(n).ok()?;
        let months = i64::from(self.months).checked_mul(n)?;
        let days = i64::from(self.days).checked_mul(n)?;
        let nanos = (self.nanos / 1_000).checked_mul(n)?;
        let day = add_interval(start, i32::try_from(months).ok()?, i32::try_from(days).ok()?, 0)?;
        day.checked_add(nanos)
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Numbers { start: i64, step: i64, count: u64 },
    Times { start: i64, step: Step, count: u64 },
}

impl Kind {
    fn count(self) -> u64 {
        match self {
            Self::Numbers { count, .. } | Self::Times { count, .. } => count,
        }
    }

    /// Rows `from .. to`.
    fn rows(self, from: u64, to: u64) -> ArrayRef {
        match self {
            Self::Numbers { start, step, .. } => {
                let first = start.wrapping_add(step.wrapping_mul(from as i64));
                let values = (0..to - from).map(|i| first.wrapping_add(step.wrapping_mul(i as i64)));
                Arc::new(Int64Array::from_iter_values(values))
            }
            Self::Times { start, step, .. } => {
                let values = (from..to).map(|n| step.nth(start, n).unwrap_or(i64::MAX));
                Arc::new(TimestampMicrosecondArray::from_iter_values(values))
            }
        }
    }
}

#[derive(Debug)]
struct Series {
    name: String,
    schema: Schema,
    kind: Kind,
}

impl Source for Series {
    fn describe(&self) -> String {
        self.name.to_uppercase()
    }

    fn schema(&self) -> Schema {
        Arc::clone(&self.schema)
    }

    fn estimated_rows(&self) -> Option<u64> {
        Some(self.kind.count())
    }

    fn scan(
        &self,
        columns: &[usize],
        _predicates: &[ColumnPredicate],
        context: &Arc<ExecContext>,
    ) -> Result<Box<dyn SourceScan>> {
        context.counters.rows_expected.fetch_add(self.kind.count(), Ordering::Relaxed);
        Ok(Box::new(SeriesScan {
            kind: self.kind,
            width: columns.len(),
            next: AtomicU64::new(0),
            context: Arc::clone(context),
        }))
    }
}

struct SeriesScan {
    kind: Kind,
    /// How often the one column is wanted: not at all for `count(*)`.
    width: usize,
    next: AtomicU64,
    context: Arc<ExecContext>,
}

impl SourceScan for SeriesScan {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        const MORSEL_ROWS: u64 = BATCH_ROWS * MORSEL_BATCHES;
        let morsels = self.kind.count().div_ceil(MORSEL_ROWS);
        let sequence = self.next.fetch_add(1, Ordering::Relaxed);
        if sequence >= morsels {
            // So that the counter never wraps, however often the end is asked for.
            self.next.store(morsels, Ordering::Relaxed);
            return Ok(None);
        }
        let (kind, width) = (self.kind, self.width);
        let context = Arc::clone(&self.context);
        let mut from = sequence * MORSEL_ROWS;
        let end = kind.count().min(from.saturating_add(MORSEL_ROWS));
        let batches = std::iter::from_fn(move || {
            if from >= end {
                return None;
            }
            let to = end.min(from + BATCH_ROWS);
            let rows = (to - from) as usize;
            let columns = if width == 0 { vec![] } else { vec![kind.rows(from, to); width] };
            from = to;
            context.counters.rows_scanned.fetch_add(rows as u64, Ordering::Relaxed);
            Some(Ok(Batch::new(columns, rows)))
        });
        Ok(Some(Morsel { sequence, batches: Box::new(batches) }))
    }

    fn progress(&self) -> Option<f64> {
        let morsels = self.kind.count().div_ceil(BATCH_ROWS * MORSEL_BATCHES).max(1);
        Some((self.next.load(Ordering::Relaxed) as f64 / morsels as f64).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(start: i128, end: i128, step: i128, inclusive: bool) -> u64 {
        numbers("range", start, end, step, inclusive).unwrap().count()
    }

    #[test]
    fn lengths() {
        assert_eq!(count(1, 10, 1, true), 10);
        assert_eq!(count(1, 10, 1, false), 9);
        assert_eq!(count(1, 10, 3, true), 4);
        assert_eq!(count(1, 10, 3, false), 3);
        assert_eq!(count(10, 1, -4, true), 3);
        assert_eq!(count(10, 1, 1, true), 0);
        assert_eq!(count(5, 5, 1, true), 1);
        assert_eq!(count(5, 5, 1, false), 0);
        assert_eq!(count(i64::MIN.into(), i64::MAX.into(), 1, false), u64::MAX);
        assert!(numbers("range", 1, 2, 0, true).is_err());
        assert!(numbers("range", i64::MIN.into(), i64::MAX.into(), 1, true).is_err());
    }

    #[test]
    fn months_keep_to_the_calendar() {
        let day = 86_400_000_000;
        let step = Step { months: 1, days: 0, nanos: 0 };
        // 1970-01-31 and two months later; February is shorter.
        let Kind::Times { count, .. } = times("g", 30 * day, 89 * day, step, true).unwrap() else { panic!() };
        assert_eq!(count, 3);
        assert_eq!(step.nth(30 * day, 1), Some(58 * day));
        assert_eq!(step.nth(30 * day, 2), Some(89 * day));
    }
}
