//! `lttb`: a series with fewer points that looks the same (Steinarsson's largest triangle, three buckets).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};

use super::gather::{Grouped, gather, non_empty, offsets_i32};
use super::registry::{Chosen, Registry};
use crate::column::types::LogicalType;
use crate::exec::cast::nested::{list_array, struct_array};
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ArgInfo;

/// Which points of a series stay: its ends, and of each bucket between them the point that spans the largest triangle
/// with the point chosen before and the mean of the bucket behind.
fn chosen(points: &[(f64, f64)], count: usize) -> Vec<usize> {
    if points.len() <= count || points.len() < 3 {
        return (0..points.len()).collect();
    }
    let last = points.len() - 1;
    let buckets = count - 2;
    let width = (last - 1) as f64 / buckets.max(1) as f64;
    let start = |bucket: usize| ((bucket as f64 * width) as usize + 1).min(last);
    let mut out = vec![0];
    let mut before = 0;
    for bucket in 0..buckets {
        let (from, to) = (start(bucket), start(bucket + 1));
        let behind = &points[to..start(bucket + 2).max(to + 1).min(points.len())];
        let behind = if bucket + 1 == buckets { &points[last..] } else { behind };
        let mean = |of: fn(&(f64, f64)) -> f64| behind.iter().map(of).sum::<f64>() / behind.len() as f64;
        let (mean_x, mean_y) = (mean(|p| p.0), mean(|p| p.1));
        let (x, y) = points[before];
        let mut best = (f64::NEG_INFINITY, from);
        for (at, point) in points.iter().enumerate().take(to).skip(from) {
            let area = ((x - mean_x) * (point.1 - y) - (x - point.0) * (mean_y - y)).abs();
            if area > best.0 {
                best = (area, at);
            }
        }
        before = best.1;
        out.push(before);
    }
    out.push(last);
    out
}

/// Numbers that are as far from each other as the values.
fn numbers(values: &ArrayRef) -> Result<ArrayRef> {
    let plain = match values.data_type() {
        DataType::Timestamp(..) => cast(values, &DataType::Int64)?,
        _ => values.clone(),
    };
    Ok(cast(&plain, &DataType::Float64)?)
}

fn finish(g: &Grouped, ret: &LogicalType) -> Result<ArrayRef> {
    let LogicalType::List(item) = ret else {
        return Err(ExecError::Internal("lttb returns a list".into()));
    };
    let (xs, ys) = (numbers(&g.columns[0])?, numbers(&g.columns[1])?);
    let (xs, ys) = (xs.as_primitive::<Float64Type>(), ys.as_primitive::<Float64Type>());
    let counts = g.columns[2].as_primitive::<Int64Type>();
    let (mut rows, mut offsets) = (vec![], vec![0]);
    for w in g.offsets.windows(2) {
        let known: Vec<usize> = (w[0]..w[1]).filter(|row| xs.is_valid(*row) && ys.is_valid(*row)).collect();
        if let Some(first) = known.first() {
            let count = if counts.is_valid(*first) { counts.value(*first) } else { 0 };
            if count < 2 {
                return Err(too_few());
            }
            let points: Vec<(f64, f64)> = known.iter().map(|row| (xs.value(*row), ys.value(*row))).collect();
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            rows.extend(chosen(&points, count).into_iter().map(|at| known[at] as u32));
        }
        offsets.push(rows.len());
    }
    let places = UInt32Array::from(rows);
    let taken = |column: &ArrayRef| arrow_select::take::take(column, &places, None);
    let columns = vec![taken(&g.columns[0])?, taken(&g.columns[1])?];
    let points = struct_array(item, columns, None, places.len())?;
    list_array(item, offsets_i32(&offsets)?, points, non_empty(&g.offsets))
}

fn too_few() -> ExecError {
    ExecError::InvalidInput("lttb: the number of points must be at least 2".into())
}

fn choose(args: &[ArgInfo]) -> Option<Chosen> {
    use LogicalType as T;
    let [x, y, count] = args else { return None };
    let number = |a: &ArgInfo| match &a.ty {
        T::Float => Some(T::Float),
        t if t.is_integer() || matches!(t, T::Double | T::Decimal { .. } | T::Null) => Some(T::Double),
        _ => None,
    };
    let tx = match &x.ty {
        T::Timestamp(_) | T::TimestampTz => x.ty.clone(),
        T::Date => T::Timestamp(TimeUnit::Nanosecond),
        _ => number(x)?,
    };
    let ty = number(y)?;
    if !count.ty.is_integer() {
        return None;
    }
    let point = T::Struct(Arc::from([("x".into(), tx.clone()), ("y".into(), ty.clone())]));
    Some(gather(vec![tx, ty, T::BigInt], T::List(Box::new(point)), true, finish).ordered())
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        "lttb",
        &[],
        &[
            "(DOUBLE, DOUBLE, BIGINT) -> STRUCT(x DOUBLE, y DOUBLE)[]",
            "(TIMESTAMP, DOUBLE, BIGINT) -> STRUCT(x TIMESTAMP, y DOUBLE)[]",
        ],
        "A series with fewer points that looks the same (largest triangle, three buckets)",
        "lttb(x, y, 100)",
        choose,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_ends_and_peaks() {
        let mut points: Vec<(f64, f64)> = (0..100).map(|i| (f64::from(i), 0.0)).collect();
        points[40].1 = 10.0;
        let kept = chosen(&points, 10);
        assert_eq!(kept.len(), 10);
        assert_eq!((kept[0], kept[9]), (0, 99));
        assert!(kept.contains(&40));
        assert_eq!(chosen(&points, 2), [0, 99]);
        assert_eq!(chosen(&points[..3], 5), [0, 1, 2]);
        assert_eq!(chosen(&[], 5), [] as [usize; 0]);
    }
}
