//! `overlaps`: whether two spans of time have a moment in common.

use arrow_array::builder::BooleanBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use std::cmp::Ordering;
use std::sync::Arc;

use crate::column::types::{LogicalType as T, TIMESTAMP};
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::registry::{Registry, def};

/// A span: where it begins, and where it ends, if that is known. `None` if nothing is.
fn span(from: Option<i64>, to: Option<i64>) -> Option<(i64, Option<i64>)> {
    match (from, to) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some((one, None)),
        (Some(from), Some(to)) => Some((from.min(to), Some(from.max(to)))),
    }
}

/// Whether spans overlap, of which each has its beginning and not its end, unless that is all it has.
fn overlap(a: (i64, Option<i64>), b: (i64, Option<i64>)) -> Option<bool> {
    let ((a_from, a_to), (b_from, b_to)) = (a, b);
    match a_from.cmp(&b_from) {
        Ordering::Greater => {
            let before_end = a_from < b_to?;
            if before_end { Some(true) } else { a_to.map(|_| false) }
        }
        Ordering::Less => {
            let before_end = b_from < a_to?;
            if before_end { Some(true) } else { b_to.map(|_| false) }
        }
        Ordering::Equal => a_to.and(b_to).map(|_| true),
    }
}

fn kernel<P: ArrowPrimitiveType<Native = i64>>() -> ScalarKernel {
    Box::new(move |args: &[ArrayRef], _, rows, _| {
        let columns: Vec<_> = args.iter().map(|a| a.as_primitive::<P>()).collect();
        let mut out = BooleanBuilder::with_capacity(rows);
        for row in 0..rows {
            let at = |i: usize| {
                let place = if columns[i].len() == rows { row } else { 0 };
                columns[i].is_valid(place).then(|| columns[i].value(place))
            };
            let spans = span(at(0), at(1)).zip(span(at(2), at(3)));
            out.append_option(spans.and_then(|(a, b)| overlap(a, b)));
        }
        Ok(Arc::new(out.finish()))
    })
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        def(
            "overlaps",
            "Whether two spans of time overlap, as OVERLAPS says; each has its beginning and not its end",
            "overlaps(DATE '2024-01-01', DATE '2024-02-01', DATE '2024-01-15', DATE '2024-03-01')",
        )
        .sees_nulls()
        .map(&[TIMESTAMP, TIMESTAMP, TIMESTAMP, TIMESTAMP], T::Boolean, |_| {
            kernel::<TimestampMicrosecondType>()
        })
        .map(&[T::TimestampTz, T::TimestampTz, T::TimestampTz, T::TimestampTz], T::Boolean, |_| {
            kernel::<TimestampMicrosecondType>()
        })
        .map(&[T::Time, T::Time, T::Time, T::Time], T::Boolean, |_| kernel::<Time64MicrosecondType>()),
    );
}
