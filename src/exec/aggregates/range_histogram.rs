//! `histogram(value, low, high, buckets)` as TimescaleDB has it: how many values fall into each of some equally wide
//! buckets, into none before them, and into none behind them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int32Array};

use super::gather::{Grouped, gather, non_empty, offsets_i32};
use super::registry::Chosen;
use crate::column::types::LogicalType as T;
use crate::exec::cast::nested::list_array;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ArgInfo;

/// The most buckets of a group.
const BUCKETS_MAX: i64 = 1 << 20;

/// The most buckets of all groups.
const COUNTS_MAX: usize = 1 << 26;

/// Which bucket a value is in: 0 before the first, `count + 1` behind the last.
fn bucket(value: f64, low: f64, high: f64, count: i64) -> Result<usize> {
    let invalid = |what: &str| Err(ExecError::InvalidInput(format!("histogram: {what}")));
    if value.is_nan() {
        return invalid("a value is NaN");
    }
    if !(low.is_finite() && high.is_finite() && low < high) {
        return invalid("the lower bound must be less than the upper bound, and both finite");
    }
    if !(1..=BUCKETS_MAX).contains(&count) {
        return invalid(&format!("the number of buckets must be 1 to {BUCKETS_MAX}"));
    }
    if value < low {
        return Ok(0);
    }
    if value >= high {
        return Ok(count as usize + 1);
    }
    // The difference of the bounds may be beyond all numbers, that of their halves is not.
    let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    Ok(((share * count as f64) as usize).min(count as usize - 1) + 1)
}

fn histogram(g: &Grouped, _: &T) -> Result<ArrayRef> {
    let column = |i: usize| g.columns[i].as_primitive::<Float64Type>();
    let (values, low, high) = (column(0), column(1), column(2));
    let counts = g.columns[3].as_primitive::<Int64Type>();
    let (mut found, mut offsets): (Vec<i32>, _) = (vec![], vec![0]);
    for w in g.offsets.windows(2) {
        let begin = found.len();
        let mut first = None;
        for row in w[0]..w[1] {
            if low.is_null(row) || high.is_null(row) || counts.is_null(row) {
                return Err(ExecError::InvalidInput(
                    "histogram: bounds and number of buckets cannot be NULL".into(),
                ));
            }
            let at = bucket(values.value(row), low.value(row), high.value(row), counts.value(row))?;
            let count = *first.get_or_insert(counts.value(row));
            if count != counts.value(row) {
                return Err(ExecError::InvalidInput(
                    "histogram: the number of buckets must be the same for all values".into(),
                ));
            }
            if begin + count as usize > COUNTS_MAX {
                return Err(ExecError::OutOfMemory(format!(
                    "histograms of more than {COUNTS_MAX} buckets in all"
                )));
            }
            found.resize(begin + count as usize + 2, 0);
            found[begin + at] = found[begin + at].saturating_add(1);
        }
        offsets.push(found.len());
    }
    let values = Arc::new(Int32Array::from(found));
    list_array(&T::Integer, offsets_i32(&offsets)?, values, non_empty(&g.offsets))
}

/// The function, if these are its arguments.
pub(super) fn histogram_of_range(args: &[ArgInfo]) -> Option<Chosen> {
    let [value, low, high, count] = args else { return None };
    let is_number = |arg: &ArgInfo| arg.ty.is_numeric() || arg.ty == T::Null;
    let fits =
        [value, low, high].into_iter().all(is_number) && (count.ty.is_integer() || count.ty == T::Null);
    fits.then(|| {
        let types = vec![T::Double, T::Double, T::Double, T::BigInt];
        gather(types, T::List(Box::new(T::Integer)), true, histogram)
    })
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn buckets_begin_at_their_lower_bound() {
        let of = |value| bucket(value, 0.0, 10.0, 5).unwrap();
        assert_eq!([-0.1, 0.0, 1.9, 2.0, 9.9, 10.0, f64::INFINITY].map(of), [0, 1, 1, 2, 5, 6, 6]);
        assert_eq!(bucket(f64::NEG_INFINITY, 0.0, 1.0, 1).unwrap(), 0);
        assert_eq!(bucket(0.0, f64::MIN, f64::MAX, 2).unwrap(), 2);
        assert!(bucket(f64::NAN, 0.0, 1.0, 1).is_err());
        assert!(bucket(0.0, 1.0, 1.0, 1).is_err());
        assert!(bucket(0.0, 0.0, 1.0, 0).is_err());
    }
}
