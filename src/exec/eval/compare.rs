//! Comparisons of two columns, or of a column and a constant.
//!
//! Integers, text and bytes go to Arrow's kernels. Floats, intervals and nested values do not: their
//! order differs from Arrow's (`NaN` equals itself and is the greatest, `-0.0 = 0.0`; a month is 30 days
//! when intervals are compared).

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Datum, Scalar as ArrowScalar};
use arrow_buffer::{BooleanBuffer, IntervalMonthDayNano, NullBuffer};
use arrow_ord::cmp;
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, SortOptions};

use crate::column::predicate::CompareOp;
use crate::column::scalar::interval_nanos;
use crate::exec::error::Result;

/// One side: an array of as many rows as the result, or of one row that stands for all.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The values.
    pub array: &'a ArrayRef,
    /// The array has one row that stands for all.
    pub constant: bool,
}

impl Side<'_> {
    fn index(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    fn nulls(&self, rows: usize) -> Option<NullBuffer> {
        if !self.constant {
            return self.array.logical_nulls();
        }
        (self.array.logical_null_count() > 0).then(|| NullBuffer::new_null(rows))
    }
}

/// Compares `rows` rows; neither side is a dictionary.
pub fn compare(op: CompareOp, left: Side<'_>, right: Side<'_>, rows: usize) -> Result<ArrayRef> {
    let data_type = left.array.data_type();
    let result = match data_type {
        DataType::Null => {
            let bits = match op {
                CompareOp::DistinctFrom => BooleanBuffer::new_unset(rows),
                CompareOp::NotDistinctFrom => BooleanBuffer::new_set(rows),
                _ => return Ok(Arc::new(BooleanArray::new_null(rows))),
            };
            BooleanArray::new(bits, None)
        }
        DataType::Float64 => primitive::<Float64Type>(op, left, right, rows, FloatOrder),
        DataType::Float32 => primitive::<Float32Type>(op, left, right, rows, FloatOrder),
        DataType::Interval(_) => primitive::<IntervalMonthDayNanoType>(op, left, right, rows, IntervalOrder),
        t if t.is_nested() => nested(op, left, right, rows)?,
        _ => arrow(op, left, right, rows)?,
    };
    Ok(Arc::new(result))
}

fn arrow(op: CompareOp, left: Side<'_>, right: Side<'_>, rows: usize) -> Result<BooleanArray> {
    let (l, r): (&dyn Datum, &dyn Datum);
    let (ls, rs);
    if left.constant {
        ls = ArrowScalar::new(left.array);
        l = &ls;
    } else {
        l = left.array;
    }
    if right.constant {
        rs = ArrowScalar::new(right.array);
        r = &rs;
    } else {
        r = right.array;
    }
    let result = match op {
        CompareOp::Eq => cmp::eq(l, r)?,
        CompareOp::NotEq => cmp::neq(l, r)?,
        CompareOp::Lt => cmp::lt(l, r)?,
        CompareOp::LtEq => cmp::lt_eq(l, r)?,
        CompareOp::Gt => cmp::gt(l, r)?,
        CompareOp::GtEq => cmp::gt_eq(l, r)?,
        CompareOp::DistinctFrom => cmp::distinct(l, r)?,
        CompareOp::NotDistinctFrom => cmp::not_distinct(l, r)?,
    };
    debug_assert_eq!(result.len(), rows);
    Ok(result)
}

/// An order of the values of one type that differs from the natural one.
trait Order<N: Copy>: Copy {
    fn eq(self, a: N, b: N) -> bool;
    fn lt(self, a: N, b: N) -> bool;
}

/// `NaN` is equal to itself and greater than all others; zeros are equal.
#[derive(Clone, Copy)]
struct FloatOrder;

macro_rules! float_order {
    ($($t:ty),*) => {$(
        impl Order<$t> for FloatOrder {
            #[inline]
            fn eq(self, a: $t, b: $t) -> bool {
                (a == b) | (a.is_nan() & b.is_nan())
            }
            #[inline]
            fn lt(self, a: $t, b: $t) -> bool {
                (a < b) | (b.is_nan() & !a.is_nan())
            }
        }
    )*};
}
float_order!(f32, f64);

/// A month is 30 days, a day 24 hours.
#[derive(Clone, Copy)]
struct IntervalOrder;

impl Order<IntervalMonthDayNano> for IntervalOrder {
    fn eq(self, a: IntervalMonthDayNano, b: IntervalMonthDayNano) -> bool {
        interval_length(a) == interval_length(b)
    }
    fn lt(self, a: IntervalMonthDayNano, b: IntervalMonthDayNano) -> bool {
        interval_length(a) < interval_length(b)
    }
}

fn interval_length(v: IntervalMonthDayNano) -> i128 {
    interval_nanos(v.months, v.days, v.nanoseconds)
}

fn primitive<T: ArrowPrimitiveType>(
    op: CompareOp,
    left: Side<'_>,
    right: Side<'_>,
    rows: usize,
    order: impl Order<T::Native>,
) -> BooleanArray {
    let (l, r) = (left.array.as_primitive::<T>().values(), right.array.as_primitive::<T>().values());
    macro_rules! bits {
        ($f:expr) => {{
            let f = $f;
            match (left.constant, right.constant) {
                (false, true) => {
                    let b = r[0];
                    BooleanBuffer::collect_bool(rows, |i| f(l[i], b))
                }
                (true, false) => {
                    let a = l[0];
                    BooleanBuffer::collect_bool(rows, |i| f(a, r[i]))
                }
                (true, true) => {
                    let v = f(l[0], r[0]);
                    BooleanBuffer::collect_bool(rows, |_| v)
                }
                (false, false) => {
                    let (l, r) = (&l[..rows], &r[..rows]);
                    BooleanBuffer::collect_bool(rows, |i| f(l[i], r[i]))
                }
            }
        }};
    }
    let bits = match op {
        CompareOp::Eq | CompareOp::NotDistinctFrom => bits!(|a, b| order.eq(a, b)),
        CompareOp::NotEq | CompareOp::DistinctFrom => bits!(|a, b| !order.eq(a, b)),
        CompareOp::Lt => bits!(|a, b| order.lt(a, b)),
        CompareOp::GtEq => bits!(|a, b| !order.lt(a, b)),
        CompareOp::Gt => bits!(|a, b| order.lt(b, a)),
        CompareOp::LtEq => bits!(|a, b| !order.lt(b, a)),
    };
    with_nulls(op, bits, left.nulls(rows).as_ref(), right.nulls(rows).as_ref())
}

/// Adds SQL's treatment of NULLs to the comparison of the values.
fn with_nulls(
    op: CompareOp,
    bits: BooleanBuffer,
    left: Option<&NullBuffer>,
    right: Option<&NullBuffer>,
) -> BooleanArray {
    if left.is_none() && right.is_none() {
        return BooleanArray::new(bits, None);
    }
    match op {
        CompareOp::DistinctFrom | CompareOp::NotDistinctFrom => {
            let n = bits.len();
            let all = || BooleanBuffer::new_set(n);
            let l = left.map_or_else(all, |n| n.inner().clone());
            let r = right.map_or_else(all, |n| n.inner().clone());
            let both = &l & &r;
            let bits = if op == CompareOp::DistinctFrom {
                &(&bits & &both) | &(&l ^ &r)
            } else {
                &(&bits & &both) | &!&(&l | &r)
            };
            BooleanArray::new(bits, None)
        }
        _ => BooleanArray::new(bits, NullBuffer::union(left, right)),
    }
}

fn nested(op: CompareOp, left: Side<'_>, right: Side<'_>, rows: usize) -> Result<BooleanArray> {
    // Inside nested values NULLs are equal to each other and greater than all others.
    let options = SortOptions { descending: false, nulls_first: false };
    let comparator = make_comparator(left.array, right.array, options)?;
    let bits = BooleanBuffer::collect_bool(rows, |i| {
        let o = comparator(left.index(i), right.index(i));
        match op {
            CompareOp::Eq | CompareOp::NotDistinctFrom => o == Ordering::Equal,
            CompareOp::NotEq | CompareOp::DistinctFrom => o != Ordering::Equal,
            CompareOp::Lt => o == Ordering::Less,
            CompareOp::LtEq => o != Ordering::Greater,
            CompareOp::Gt => o == Ordering::Greater,
            CompareOp::GtEq => o != Ordering::Less,
        }
    });
    Ok(with_nulls(op, bits, left.nulls(rows).as_ref(), right.nulls(rows).as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Float64Array;

    fn run(op: CompareOp, l: &ArrayRef, r: &ArrayRef, constant: bool) -> Vec<Option<bool>> {
        let out =
            compare(op, Side { array: l, constant: false }, Side { array: r, constant }, l.len()).unwrap();
        out.as_boolean().iter().collect()
    }

    #[test]
    fn floats_order_nan_last_and_zeros_equal() {
        let l: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(f64::NAN),
            Some(1.0),
            Some(-0.0),
            None,
            Some(f64::INFINITY),
        ]));
        let nan: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN]));
        assert_eq!(
            run(CompareOp::Eq, &l, &nan, true),
            [Some(true), Some(false), Some(false), None, Some(false)]
        );
        assert_eq!(
            run(CompareOp::Lt, &l, &nan, true),
            [Some(false), Some(true), Some(true), None, Some(true)]
        );
        let zero: ArrayRef = Arc::new(Float64Array::from(vec![0.0]));
        assert_eq!(
            run(CompareOp::Eq, &l, &zero, true),
            [Some(false), Some(false), Some(true), None, Some(false)]
        );
        assert_eq!(
            run(CompareOp::GtEq, &l, &zero, true),
            [Some(true), Some(true), Some(true), None, Some(true)]
        );
        assert_eq!(
            run(CompareOp::DistinctFrom, &l, &l.clone(), false),
            [Some(false), Some(false), Some(false), Some(false), Some(false)]
        );
    }
}
