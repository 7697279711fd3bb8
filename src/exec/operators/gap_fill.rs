//! Series without gaps: FluxQL's `FILL`.
//!
//! The input is ordered by series, then by time. For every series the operator yields a row for each step
//! from the first time to the last; values that a series does not have there are filled as the plan says.
//! All series share one range: that of the conditions on time, or else that of the times there are. Those of different
//! rows of an outer query have ranges of their own.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, UInt32Array};
use arrow_buffer::IntervalMonthDayNano;
use arrow_cast::cast;
use arrow_ord::partition::partition;
use arrow_schema::{DataType, TimeUnit};
use arrow_select::take::take;

use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Schema};
use crate::exec::buckets::Buckets;
use crate::exec::calendar::{add_interval, timestamp_is_finite};
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::{flatten, scalar_array};
use crate::exec::memory::Reservation;
use crate::exec::operators::coalesce::{concat_arrays, concat_batches};
use crate::exec::operators::collect::collect;
use crate::exec::pipeline::Pipeline;
use crate::exec::plan::{Fill, GapFill, Step};

/// What a row of the output takes while the output is made.
const ROW_BYTES: usize = 32;

/// Runs a pipeline and fills the gaps of its rows.
pub(crate) fn gap_fill(
    pipeline: &Pipeline,
    spec: &GapFill,
    schema: &Schema,
    context: &Arc<ExecContext>,
) -> Result<Vec<Batch>> {
    let collected = collect(pipeline, context)?;
    if collected.rows() == 0 {
        return Ok(vec![]);
    }
    let input = concat_batches(collected.batches)?;
    let flat: Vec<ArrayRef> = input.columns.iter().map(flatten).collect::<Result<_>>()?;
    let rows = u32::try_from(input.rows)
        .map_err(|_| ExecError::OutOfRange("FILL takes at most four billion rows".into()))?;
    let Times { values, kind } = Times::of(&flat[spec.time])?;
    let series: Vec<ArrayRef> = spec.series.iter().map(|&c| flat[c].clone()).collect();
    let parts_by = |columns: &[ArrayRef]| -> Result<Vec<std::ops::Range<usize>>> {
        if columns.is_empty() {
            return Ok(std::iter::once(0..input.rows).collect());
        }
        Ok(partition(columns).map_err(|e| ExecError::Internal(e.to_string()))?.ranges())
    };
    let mut ranges = parts_by(&series[..spec.apart])?.into_iter().peekable();

    // Where each output row is in the input, or which series it is a gap of.
    let mut memory = Reservation::new(context);
    let mut out = Rows::default();
    let by_clock = match &spec.zone {
        Some((zone, origin)) => {
            let Step { months, days, nanos } = spec.step;
            let width = IntervalMonthDayNano::new(months, days, nanos);
            Some((Buckets::new(width, Some(*origin), kind.per_second())?, zone.clock()))
        }
        None => None,
    };
    let next = |time: i64| match &by_clock {
        Some((buckets, clock)) => buckets.next_by(clock, time),
        None => next(time, spec, kind),
    };
    let mut span = None;
    for part in parts_by(&series)? {
        context.check_cancelled()?;
        if let Some(rows) = ranges.next_if(|rows| rows.start == part.start) {
            span = range(spec, &values.slice(rows.start, rows.len()));
        }
        let steps = span.map_or(0, |(first, last)| {
            ((i128::from(last) - i128::from(first)) / least_ticks(&spec.step, kind).max(1) + 1) as usize
        });
        // A range that is too long is refused before anything is made of it.
        memory.grow((steps.saturating_add(part.len())).saturating_mul(ROW_BYTES))?;
        out.add_series(part, &values, span, next)?;
    }

    let total = out.times.len();
    let mut columns = Vec::with_capacity(flat.len());
    for (c, array) in flat.iter().enumerate() {
        // The row behind the last holds what a gap gets.
        let (indices, filler) = if c == spec.time {
            columns.push(kind.array(&out.all_times(array)?, array.data_type())?);
            continue;
        } else if spec.series.contains(&c) {
            (UInt32Array::from_iter_values(out.of_series.iter().copied()), None)
        } else {
            match spec.fills.iter().find(|(column, _)| *column == c).map(|(_, fill)| fill) {
                None | Some(Fill::Null) => (out.present(), None),
                Some(Fill::Value(value)) => {
                    let filler = scalar_array(value, &schema[c].ty, 1)?;
                    let index = |at: &Option<u32>| at.filter(|&r| array.is_valid(r as usize)).or(Some(rows));
                    (out.at.iter().map(index).collect(), Some(filler))
                }
                Some(Fill::Previous) => (out.previous(array), None),
                Some(Fill::Linear) => {
                    columns.push(out.linear(array, &schema[c].ty)?);
                    continue;
                }
            }
        };
        memory.grow(total * 16)?;
        let source = match filler {
            Some(filler) => concat_arrays(&[array.clone(), filler])?,
            None => array.clone(),
        };
        columns.push(take(&source, &indices, None).map_err(|e| ExecError::Internal(e.to_string()))?);
    }
    Ok(vec![Batch::new(columns, total)])
}

/// A column of times as numbers.
struct Times {
    /// NULL where a row has no time that one could count from.
    values: PrimitiveArray<Int64Type>,
    kind: TimeUnit,
}

impl Times {
    fn of(array: &ArrayRef) -> Result<Self> {
        let DataType::Timestamp(kind, _) = array.data_type() else {
            return Err(ExecError::Internal(format!("FILL over a column of {}", array.data_type())));
        };
        let values = cast(array, &DataType::Int64).map_err(|e| ExecError::Internal(e.to_string()))?;
        let values = values.as_primitive::<Int64Type>();
        let values = values.iter().map(|t| t.filter(|&t| timestamp_is_finite(t))).collect();
        Ok(Self { values, kind: *kind })
    }
}

trait Unit: Copy {
    fn per_second(self) -> i64;

    /// Times as a column of that type.
    fn array(self, times: &PrimitiveArray<Int64Type>, to: &DataType) -> Result<ArrayRef>;
}

impl Unit for TimeUnit {
    fn per_second(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Millisecond => 1_000,
            Self::Microsecond => 1_000_000,
            Self::Nanosecond => 1_000_000_000,
        }
    }

    fn array(self, times: &PrimitiveArray<Int64Type>, to: &DataType) -> Result<ArrayRef> {
        cast(times, to).map_err(|e| ExecError::Internal(e.to_string()))
    }
}

/// Ticks that a step has at least.
fn least_ticks(step: &Step, unit: TimeUnit) -> i128 {
    const NANOS: i128 = 1_000_000_000;
    let days = i128::from(step.months) * 28 + i128::from(step.days);
    (days * 86_400 * NANOS + i128::from(step.nanos)) * i128::from(unit.per_second()) / NANOS
}

/// The time one step later, without a clock.
fn next(time: i64, spec: &GapFill, unit: TimeUnit) -> Result<i64> {
    let out_of_range = || ExecError::OutOfRange("Timestamp out of range".into());
    let per_second = unit.per_second();
    let step = &spec.step;
    if step.months == 0 {
        let ticks = i64::try_from(least_ticks(step, unit)).map_err(|_| out_of_range())?;
        return time.checked_add(ticks.max(1)).ok_or_else(out_of_range);
    }
    // Starts of months are whole microseconds in any unit.
    let micros = i128::from(time) * 1_000_000 / i128::from(per_second);
    let micros = i64::try_from(micros).map_err(|_| out_of_range())?;
    let later = add_interval(micros, step.months, step.days, step.nanos).ok_or_else(out_of_range)?;
    if later <= micros {
        return Err(out_of_range());
    }
    i64::try_from(i128::from(later) * i128::from(per_second) / 1_000_000).map_err(|_| out_of_range())
}

/// First and last time of all series; `None` if no row has a time.
fn range(spec: &GapFill, values: &PrimitiveArray<Int64Type>) -> Option<(i64, i64)> {
    let (least, greatest) = (values.iter().flatten().min(), values.iter().flatten().max());
    let first = spec.first.into_iter().chain(least).min()?;
    let last = spec.last.into_iter().chain(greatest).max()?;
    Some((first, last))
}

/// The rows of the output.
#[derive(Default)]
struct Rows {
    times: Vec<i64>,
    valid: Vec<bool>,
    /// The input's row, if it has one.
    at: Vec<Option<u32>>,
    /// A row of the same series.
    of_series: Vec<u32>,
}

impl Rows {
    fn push(&mut self, time: Option<i64>, at: Option<u32>, of_series: u32) {
        self.times.push(time.unwrap_or_default());
        self.valid.push(time.is_some());
        self.at.push(at);
        self.of_series.push(of_series);
    }

    /// Adds the rows `part` of the input, which are one series, and those that it lacks.
    fn add_series(
        &mut self,
        part: std::ops::Range<usize>,
        values: &PrimitiveArray<Int64Type>,
        span: Option<(i64, i64)>,
        next: impl Fn(i64) -> Result<i64>,
    ) -> Result<()> {
        let of_series = part.start as u32;
        let mut rows =
            part.map(|row| (row as u32, values.is_valid(row).then(|| values.value(row)))).peekable();
        // NULLs and infinities come before or behind all others, and are no part of the range.
        while let Some((row, None)) = rows.peek().copied() {
            self.push(None, Some(row), of_series);
            rows.next();
        }
        let (mut time, last) = span.unwrap_or((0, 0));
        while span.is_some() {
            let mut there = false;
            while let Some((row, Some(at))) = rows.peek().copied() {
                if at > time {
                    break;
                }
                there |= at == time;
                self.push(Some(at), Some(row), of_series);
                rows.next();
            }
            if !there {
                self.push(Some(time), None, of_series);
            }
            if time >= last {
                break;
            }
            time = next(time)?;
            if time > last {
                break;
            }
        }
        for (row, at) in rows {
            self.push(at, Some(row), of_series);
        }
        Ok(())
    }

    /// The times of all rows; those that one cannot count from are what they are in the input's column.
    fn all_times(&self, input: &ArrayRef) -> Result<PrimitiveArray<Int64Type>> {
        let input = cast(input, &DataType::Int64).map_err(|e| ExecError::Internal(e.to_string()))?;
        let input = input.as_primitive::<Int64Type>();
        let time = |i: usize| {
            if self.valid[i] {
                return Some(self.times[i]);
            }
            let row = self.at[i]? as usize;
            input.is_valid(row).then(|| input.value(row))
        };
        Ok((0..self.times.len()).map(time).collect())
    }

    /// Rows of the input where there are any.
    fn present(&self) -> UInt32Array {
        self.at.iter().copied().collect()
    }

    /// For each row the last one of its series, itself included, that has a value.
    fn previous(&self, array: &ArrayRef) -> UInt32Array {
        let mut last = None;
        let mut series = None;
        let rows = self.at.iter().zip(&self.of_series).map(|(at, of_series)| {
            if series != Some(*of_series) {
                series = Some(*of_series);
                last = None;
            }
            if let Some(row) = at.filter(|&row| array.is_valid(row as usize)) {
                last = Some(row);
            }
            last
        });
        rows.collect()
    }

    /// Values on the straight line between those before and after.
    fn linear(&self, array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef> {
        macro_rules! line {
            ($ty:ty, $between:expr) => {{
                let values = self.line(array.as_primitive::<$ty>(), $between);
                Ok(Arc::new(values.with_data_type(array.data_type().clone())))
            }};
        }
        // Whole numbers stay whole, rounded half up.
        macro_rules! whole {
            ($ty:ty) => {
                line!($ty, |a, b, part: i128, of: i128| {
                    let (a, b) = (a as i128, b as i128);
                    let exact = b.checked_sub(a).and_then(|by| {
                        let twice = by.checked_mul(part)?.checked_mul(2)?.checked_add(of)?;
                        Some(a + twice.div_euclid(of * 2))
                    });
                    let rough = || a as f64 + (b as f64 - a as f64) * (part as f64 / of as f64);
                    exact.unwrap_or_else(|| rough() as i128) as <$ty as ArrowPrimitiveType>::Native
                })
            };
        }
        macro_rules! float {
            ($ty:ty) => {
                line!($ty, |a, b, part, of| a
                    + (b - a) * (part as f64 / of as f64) as <$ty as ArrowPrimitiveType>::Native)
            };
        }
        match array.data_type() {
            DataType::Int8 => whole!(Int8Type),
            DataType::Int16 => whole!(Int16Type),
            DataType::Int32 => whole!(Int32Type),
            DataType::Int64 => whole!(Int64Type),
            DataType::UInt8 => whole!(UInt8Type),
            DataType::UInt16 => whole!(UInt16Type),
            DataType::UInt32 => whole!(UInt32Type),
            DataType::UInt64 => whole!(UInt64Type),
            DataType::Decimal64(..) => whole!(Decimal64Type),
            DataType::Decimal128(..) => whole!(Decimal128Type),
            DataType::Float32 => float!(Float32Type),
            DataType::Float64 => float!(Float64Type),
            _ => Err(ExecError::Internal(format!("FILL(linear) over {ty}"))),
        }
    }

    fn line<T: ArrowPrimitiveType>(
        &self,
        array: &PrimitiveArray<T>,
        between: impl Fn(T::Native, T::Native, i128, i128) -> T::Native,
    ) -> PrimitiveArray<T> {
        let known = |i: usize| {
            let row = self.at[i].filter(|&row| array.is_valid(row as usize))?;
            self.valid[i].then(|| array.value(row as usize))
        };
        let mut out: Vec<Option<T::Native>> = (0..self.at.len()).map(known).collect();
        let mut before: Option<(usize, T::Native)> = None;
        for i in 0..out.len() {
            let Some(value) = out[i] else { continue };
            if let Some((from, start)) = before
                && self.of_series[from] == self.of_series[i]
            {
                let of = i128::from(self.times[i]) - i128::from(self.times[from]);
                for (gap, time) in out[from + 1..i].iter_mut().zip(&self.times[from + 1..i]) {
                    let part = i128::from(*time) - i128::from(self.times[from]);
                    *gap = Some(between(start, value, part, of.max(1)));
                }
            }
            before = Some((i, value));
        }
        out.into_iter().collect()
    }
}
