//! `fill`: values that are missing, on the line between those around them.

use std::ops::Range;

use arrow_array::{Array, ArrayRef};
use arrow_select::interleave::interleave;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::operators::coalesce::concat_arrays;

use super::group::Group;
use super::layout::{Arg, Call, column_of, constant_array};
use super::order::ArgumentOrder;
use super::{Evaluate, Threads};

/// The filled column.
pub(super) struct Fill {
    filled: ArrayRef,
}

/// A point that lines are drawn through.
#[derive(Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
}

impl Fill {
    pub fn new(call: &Call, group: &Group, threads: &Threads<'_>) -> Result<Self> {
        let values = match &call.args[0] {
            Arg::Column(c) => group.sorted(*c)?,
            Arg::Constant(value, ty) => constant_array(value, ty, group.rows())?,
        };
        if values.null_count() == 0 {
            return Ok(Self { filled: values });
        }
        let missing = || ExecError::Internal("fill has no order".into());
        let order = match &call.order_by[..] {
            [] => None,
            order_by => Some(ArgumentOrder::new(order_by, group, threads)?),
        };
        let (key, key_type) = match call.order_by.first() {
            Some(key) => (column_of(key)?, key.expr.ty()),
            None => call.order_key.clone().ok_or_else(missing)?,
        };
        let keys = group.sorted(key)?;
        let mut places: Vec<(usize, usize)> = (0..group.rows()).map(|row| (0, row)).collect();
        let mut made: Vec<ArrayRef> = vec![];
        for partition in group.partitions.windows(2) {
            threads.context.check_cancelled()?;
            let rows: Vec<usize> = match &order {
                None => (partition[0] as usize..partition[1] as usize).collect(),
                Some(order) => {
                    let part = partition[0] as usize..partition[1] as usize;
                    order.rows().values()[part].iter().map(|&row| row as usize).collect()
                }
            };
            let x = |row: usize| number(&Scalar::from_array(&keys, row, &key_type));
            let known: Vec<(usize, Point)> = rows
                .iter()
                .enumerate()
                .filter_map(|(i, &row)| {
                    let y = number(&Scalar::from_array(&values, row, &call.ty))?;
                    Some((i, Point { x: x(row)?, y }))
                })
                .collect();
            for (i, &row) in rows.iter().enumerate() {
                if values.is_valid(row) {
                    continue;
                }
                let Some(x) = x(row) else { continue };
                let next = known.partition_point(|(at, _)| *at < i);
                let Some(y) = on_line(&known, next, x) else { continue };
                // Between two points whole numbers are cut off, beyond them rounded.
                let inside = next > 0 && next < known.len();
                let whole = if inside { f64::trunc } else { f64::round_ties_even };
                let value = value_of(y, whole, &call.ty);
                if !value.is_null() {
                    places[row] = (1, made.len());
                    made.push(constant_array(&value, &call.ty, 1)?);
                }
            }
        }
        if made.is_empty() {
            return Ok(Self { filled: values });
        }
        let made = concat_arrays(&made)?;
        Ok(Self { filled: interleave(&[&*values, &*made], &places)? })
    }
}

/// The line at `x` through the points on both sides of it, or the two nearest at an end.
fn on_line(known: &[(usize, Point)], next: usize, x: f64) -> Option<f64> {
    let pair = match known.len() {
        0 => return None,
        1 => return Some(known[0].1.y),
        n => next.clamp(1, n - 1) - 1,
    };
    let (a, b) = (known[pair].1, known[pair + 1].1);
    if a.x == b.x {
        return Some(a.y);
    }
    Some(a.y + (b.y - a.y) * ((x - a.x) / (b.x - a.x)))
}

/// A finite number.
fn number(value: &Scalar) -> Option<f64> {
    match value {
        Scalar::Int(v) => Some(*v as f64),
        Scalar::Float(v) => Some(*v).filter(|v| v.is_finite()),
        _ => None,
    }
}

/// The value of a type that is a number, made `whole` if it must be; NULL if the type has none.
fn value_of(number: f64, whole: fn(f64) -> f64, ty: &LogicalType) -> Scalar {
    if matches!(ty, LogicalType::Float | LogicalType::Double) {
        return Scalar::Float(number);
    }
    let (low, high) = match ty {
        LogicalType::Decimal { width, .. } => {
            let limit = 10i128.pow(u32::from(*width).min(38)) - 1;
            (-limit, limit)
        }
        LogicalType::Date => (i128::from(i32::MIN), i128::from(i32::MAX)),
        ty => ty.integer_range().unwrap_or((i128::from(i64::MIN), i128::from(i64::MAX))),
    };
    // Casts of floats saturate, and a bound that is itself out of range is found by the comparison.
    let whole = whole(number) as i128;
    if number.is_finite() && (low..=high).contains(&whole) { Scalar::Int(whole) } else { Scalar::Null }
}

impl Evaluate for Fill {
    fn evaluate(&self, _call: &Call, _group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
        Ok(self.filled.slice(rows.start, rows.len()))
    }

    fn size(&self) -> usize {
        self.filled.get_array_memory_size()
    }
}
