//! `generate_series` and `range`: numbers or times at equal steps. `generate_series` includes its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
use parking_lot::Mutex;

use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::calendar::{MICROS_PER_DAY, add_interval, timestamp_is_finite};
use crate::exec::cast::parse_time;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{ColumnPredicate, Morsel, Source, SourceScan, TableFunctionArgs};
use crate::exec::zone::Zone;

/// Rows of one batch.
const BATCH_ROWS: u64 = 2_048;
/// Batches of one morsel.
const MORSEL_BATCHES: u64 = 60;
const MORSEL_ROWS: u64 = BATCH_ROWS * MORSEL_BATCHES;

/// The series that the arguments describe; months and days are those of the zone's calendar.
pub fn source(name: &str, args: &TableFunctionArgs, inclusive: bool, zone: &Zone) -> Result<Arc<dyn Source>> {
    if let Some((named, ..)) = args.named.first() {
        return Err(ExecError::InvalidInput(format!("{name} has no argument named \"{named}\"")));
    }
    let values = &args.positional[..];
    let series = |ty: LogicalType, kind: Kind| -> Arc<dyn Source> {
        let schema: Schema = Arc::new([Field::new(name, ty)]);
        Arc::new(Series { name: name.to_owned(), schema, kind })
    };
    let wrong = || {
        ExecError::InvalidInput(format!(
            "{name} takes an end, a start and an end, or a start, an end and a step: whole numbers, or timestamps and an interval"
        ))
    };
    if values.iter().any(|(v, _)| v.is_null()) {
        return Ok(series(LogicalType::BigInt, Kind::Equal { start: 0, step: 1, count: 0, times: false }));
    }
    let integers: Option<Vec<i128>> = values
        .iter()
        .map(|(v, ty)| match v {
            Scalar::Int(n) if ty.is_integer() => Some(*n),
            Scalar::Text(text) if *ty == LogicalType::Varchar => text.trim().parse().ok(),
            _ => None,
        })
        .collect();
    // A text between times is an interval, as it is a time beside them.
    let is_time = |ty: &LogicalType| {
        matches!(ty, LogicalType::Date | LogicalType::Timestamp(_) | LogicalType::TimestampTz)
    };
    let kind = match (integers.as_deref(), values) {
        (Some([end]), _) => numbers(name, 0, *end, 1, inclusive)?,
        (Some([start, end]), _) => numbers(name, *start, *end, 1, inclusive)?,
        (Some([start, end, step]), _) => numbers(name, *start, *end, *step, inclusive)?,
        (None, [(start, from), (end, to), step]) => {
            let step = match step {
                (Scalar::Interval { months, days, nanos }, _) => {
                    Step { months: *months, days: *days, micros: nanos / 1_000 }
                }
                (Scalar::Text(text), LogicalType::Varchar) if is_time(from) || is_time(to) => {
                    let step = parse_time::interval(text).map_err(ExecError::Conversion)?;
                    Step { months: step.months, days: step.days, micros: step.nanoseconds / 1_000 }
                }
                _ => return Err(wrong()),
            };
            let zoned = [from, to].contains(&&LogicalType::TimestampTz);
            let zone = if zoned { zone.clone() } else { Zone::utc() };
            let (Some(start), Some(end)) = (micros(start, from, &zone), micros(end, to, &zone)) else {
                return Err(wrong());
            };
            let ty = if zoned { LogicalType::TimestampTz } else { TIMESTAMP };
            return Ok(series(ty, times(name, start, end, step, inclusive, zone)?));
        }
        _ => return Err(wrong()),
    };
    Ok(series(LogicalType::BigInt, kind))
}

/// A date, a timestamp, or the text of one, in microseconds.
fn micros(value: &Scalar, ty: &LogicalType, zone: &Zone) -> Option<i64> {
    use arrow_schema::TimeUnit as U;
    let local = match (value, ty) {
        (Scalar::Int(v), LogicalType::TimestampTz) => return i64::try_from(*v).ok(),
        (Scalar::Int(days), LogicalType::Date) => i64::try_from(*days).ok()?.checked_mul(MICROS_PER_DAY)?,
        (Scalar::Int(v), LogicalType::Timestamp(unit)) => {
            let v = i64::try_from(*v).ok()?;
            match unit {
                U::Second => v.checked_mul(1_000_000)?,
                U::Millisecond => v.checked_mul(1_000)?,
                U::Microsecond => v,
                U::Nanosecond => v.div_euclid(1_000),
            }
        }
        (Scalar::Text(text), LogicalType::Varchar) => parse_time::timestamp(text, U::Microsecond).ok()?,
        _ => return None,
    };
    Some(zone.instant(local))
}

fn zero_step() -> ExecError {
    ExecError::InvalidInput("interval cannot be 0!".into())
}

fn numbers(name: &str, start: i128, end: i128, step: i128, inclusive: bool) -> Result<Kind> {
    if step == 0 {
        return Err(zero_step());
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
    Ok(Kind::Equal { start: from, step: step_64, count, times: false })
}

fn times(name: &str, start: i64, end: i64, step: Step, inclusive: bool, zone: Zone) -> Result<Kind> {
    let what = name.to_uppercase();
    let parts = [i64::from(step.months), i64::from(step.days), step.micros];
    if parts.iter().all(|p| *p == 0) {
        return Err(zero_step());
    }
    if parts.iter().any(|p| *p > 0) && parts.iter().any(|p| *p < 0) {
        return Err(ExecError::InvalidInput(format!(
            "{what} with composite interval that has mixed signs is not supported"
        )));
    }
    if !timestamp_is_finite(start) || !timestamp_is_finite(end) {
        return Err(ExecError::InvalidInput(format!("{what} with infinite bounds is not supported")));
    }
    if step.months == 0 && (step.days == 0 || zone.is_utc()) {
        // All steps are equally long.
        let width = i128::from(step.days) * i128::from(MICROS_PER_DAY) + i128::from(step.micros);
        let Kind::Equal { start, step, count, .. } =
            numbers(name, start.into(), end.into(), width, inclusive)?
        else {
            return Err(ExecError::Internal("numbers are equally far from each other".into()));
        };
        return Ok(Kind::Equal { start, step, count, times: true });
    }
    Ok(Kind::Calendar { start, end, step, inclusive, zone })
}

/// An interval that is added again and again.
#[derive(Debug, Clone, Copy)]
struct Step {
    months: i32,
    days: i32,
    micros: i64,
}

impl Step {
    fn is_forward(self) -> bool {
        self.months > 0 || self.days > 0 || self.micros > 0
    }

    /// The next time, unless it is out of range.
    fn next(self, t: i64, zone: &Zone) -> Option<i64> {
        let local = add_interval(zone.local(t), self.months, self.days, 0)?;
        zone.instant(local).checked_add(self.micros).filter(|next| timestamp_is_finite(*next))
    }
}

#[derive(Debug, Clone)]
enum Kind {
    /// Steps of one length.
    Equal { start: i64, step: i64, count: u64, times: bool },
    /// Steps that the calendar makes longer or shorter. Each begins where the last one ended, so that a day which a
    /// month lacks is lost for those that follow.
    Calendar { start: i64, end: i64, step: Step, inclusive: bool, zone: Zone },
}

impl Kind {
    /// The number of rows, roughly where the calendar matters.
    fn count(&self) -> u64 {
        match self {
            Self::Equal { count, .. } => *count,
            Self::Calendar { start, end, step, .. } => {
                let width = (i64::from(step.months) * 30 + i64::from(step.days)) * MICROS_PER_DAY;
                (i128::from(*end) - i128::from(*start)).checked_div(i128::from(width)).unwrap_or(0).max(0)
                    as u64
            }
        }
    }
}

/// Equal steps, rows `from .. to`.
fn equal_rows(start: i64, step: i64, times: bool, from: u64, to: u64) -> ArrayRef {
    let first = start.wrapping_add(step.wrapping_mul(from as i64));
    let values = (0..to - from).map(|i| first.wrapping_add(step.wrapping_mul(i as i64)));
    if times {
        Arc::new(TimestampMicrosecondArray::from_iter_values(values))
    } else {
        Arc::new(Int64Array::from_iter_values(values))
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
        let at = if let Kind::Calendar { start, .. } = self.kind { Some(start) } else { None };
        Ok(Box::new(SeriesScan {
            kind: self.kind.clone(),
            layout: self.schema[0].ty.arrow(),
            width: columns.len(),
            next: AtomicU64::new(0),
            at: Mutex::new((0, at)),
            context: Arc::clone(context),
        }))
    }
}

struct SeriesScan {
    kind: Kind,
    layout: arrow_schema::DataType,
    /// How often the one column is wanted: not at all for `count(*)`.
    width: usize,
    next: AtomicU64,
    /// The next morsel's number and first time, where steps follow the calendar.
    at: Mutex<(u64, Option<i64>)>,
    context: Arc<ExecContext>,
}

impl SeriesScan {
    fn batch(&self, rows: ArrayRef) -> Batch {
        batch(rows, self.width, &self.layout, &self.context)
    }

    /// The next morsel of steps that the calendar makes.
    fn calendar_morsel(&self, end: i64, step: Step, inclusive: bool, zone: &Zone) -> Option<Morsel> {
        let forward = step.is_forward();
        let within = |t: i64| if forward { t < end } else { t > end } || inclusive && t == end;
        let mut state = self.at.lock();
        let mut values = vec![];
        while let Some(t) = state.1.filter(|t| within(*t)) {
            if values.len() as u64 >= MORSEL_ROWS {
                break;
            }
            values.push(t);
            // A step may lead nowhere, as from the last day there is.
            state.1 = step.next(t, zone).filter(|next| *next != t);
        }
        if values.is_empty() {
            return None;
        }
        let sequence = state.0;
        state.0 += 1;
        self.next.store(state.0, Ordering::Relaxed);
        let batches: Vec<_> = values
            .chunks(BATCH_ROWS as usize)
            .map(|c| Ok(self.batch(Arc::new(TimestampMicrosecondArray::from_iter_values(c.iter().copied())))))
            .collect();
        Some(Morsel { sequence, batches: Box::new(batches.into_iter()) })
    }
}

/// A batch of the one column, as often as it is wanted.
fn batch(column: ArrayRef, width: usize, layout: &arrow_schema::DataType, context: &ExecContext) -> Batch {
    let rows = column.len();
    context.counters.rows_scanned.fetch_add(rows as u64, Ordering::Relaxed);
    if width == 0 {
        return Batch::new(vec![], rows);
    }
    // Instants differ from times without a zone in their layout's name only.
    let column = match column.as_any().downcast_ref::<TimestampMicrosecondArray>() {
        Some(times) => Arc::new(times.clone().with_data_type(layout.clone())),
        None => column,
    };
    Batch::new(vec![column; width], rows)
}

impl SourceScan for SeriesScan {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let (start, step, count, times) = match &self.kind {
            Kind::Calendar { end, step, inclusive, zone, .. } => {
                return Ok(self.calendar_morsel(*end, *step, *inclusive, zone));
            }
            Kind::Equal { start, step, count, times } => (*start, *step, *count, *times),
        };
        let morsels = count.div_ceil(MORSEL_ROWS);
        let sequence = self.next.fetch_add(1, Ordering::Relaxed);
        if sequence >= morsels {
            // So that the counter never wraps, however often the end is asked for.
            self.next.store(morsels, Ordering::Relaxed);
            return Ok(None);
        }
        let (width, layout) = (self.width, self.layout.clone());
        let context = Arc::clone(&self.context);
        let mut from = sequence * MORSEL_ROWS;
        let end = count.min(from.saturating_add(MORSEL_ROWS));
        let batches = std::iter::from_fn(move || {
            if from >= end {
                return None;
            }
            let to = end.min(from + BATCH_ROWS);
            let rows = equal_rows(start, step, times, from, to);
            from = to;
            Some(Ok(batch(rows, width, &layout, &context)))
        });
        Ok(Some(Morsel { sequence, batches: Box::new(batches) }))
    }

    fn progress(&self) -> Option<f64> {
        let morsels = self.kind.count().div_ceil(MORSEL_ROWS).max(1);
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
    fn numbers_are_counted() {
        assert_eq!(count(0, 10, 1, false), 10);
        assert_eq!(count(0, 10, 1, true), 11);
        assert_eq!(count(0, 10, 3, false), 4);
        assert_eq!(count(0, 9, 3, true), 4);
        assert_eq!(count(10, 0, -3, false), 4);
        assert_eq!(count(10, 0, 1, true), 0);
        assert_eq!(count(5, 5, 1, false), 0);
        assert_eq!(count(i64::MIN.into(), i64::MAX.into(), 1, false), u64::MAX);
        assert!(numbers("range", 0, 10, 0, true).is_err());
        assert!(numbers("range", 0, i128::MAX, 1, true).is_err());
    }

    #[test]
    fn each_step_begins_where_the_last_one_ended() {
        let day = MICROS_PER_DAY;
        let step = Step { months: 1, days: 0, micros: 0 };
        // 1970-01-31, and the ends of the months that follow.
        let second = step.next(30 * day, &Zone::utc()).unwrap();
        assert_eq!(second, 58 * day);
        assert_eq!(step.next(second, &Zone::utc()), Some(86 * day));
    }
}
