//! Looking for elements in lists.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, new_null_array};

use super::{Lists, NULLS_EQUAL, comparator};
use crate::column::types::LogicalType as T;
use crate::exec::error::Result;
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::kernel::{Nulls, nulls_of};
use crate::exec::functions::registry::{CallSite, P, R, Registry, def};

/// For each row, the place of an element in the list, counted from 0.
fn find(args: &[ArrayRef], rows: usize, find_null: bool) -> Result<Vec<Option<Option<usize>>>> {
    let lists = Lists::open(args, 0, rows)?;
    let compare = comparator(lists.values(), &args[1], NULLS_EQUAL)?;
    let nulls = args[1].logical_nulls();
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        let wanted = if args[1].len() == rows { row } else { 0 };
        let is_null = nulls.as_ref().is_some_and(|n| n.is_null(wanted));
        if lists.is_null(row) || is_null && !find_null {
            out.push(None);
            continue;
        }
        out.push(Some(lists.range(row).position(|i| compare(i, wanted) == Ordering::Equal)));
    }
    Ok(out)
}

/// `list_contains`.
pub(in crate::exec::functions) fn contains_kernel(_: &CallSite<'_>) -> ScalarKernel {
    Box::new(|args, _, rows, _| {
        let found = find(args, rows, false)?;
        let bits: arrow_array::BooleanArray = found.into_iter().map(|f| f.map(|f| f.is_some())).collect();
        Ok(Arc::new(bits))
    })
}

fn position_kernel() -> ScalarKernel {
    Box::new(|args, _, rows, _| {
        let found = find(args, rows, true)?;
        let places: arrow_array::Int32Array =
            found.into_iter().map(|f| f.flatten().map(|i| i as i32 + 1)).collect();
        Ok(Arc::new(places))
    })
}

/// Whether the lists share any element, or all of the second are in the first; NULLs do not count.
fn has_kernel(all: bool) -> ScalarKernel {
    Box::new(move |args, ty, rows, _| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let (a, b) = (Lists::open(args, 0, rows)?, Lists::open(args, 1, rows)?);
        let compare = comparator(a.values(), b.values(), NULLS_EQUAL)?;
        let missing = b.values().logical_nulls();
        let bits = arrow_buffer::BooleanBuffer::collect_bool(rows, |row| {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                return false;
            }
            let mut wanted = b.range(row).filter(|j| missing.as_ref().is_none_or(|n| n.is_valid(*j)));
            let found = |j: usize| a.range(row).any(|i| compare(i, j) == Ordering::Equal);
            if all { wanted.all(found) } else { wanted.any(found) }
        });
        Ok(Arc::new(arrow_array::BooleanArray::new(bits, nulls)))
    })
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        def("list_contains", "Whether a list contains an element", "list_contains([1, 2], 1)")
            .aliases(&["list_has", "array_contains", "array_has"])
            .on([P::ListOfSame, P::Same], R::T(T::Boolean), contains_kernel),
    );
    r.add(
        def(
            "list_position",
            "Position of an element in a list; NULL if it is not there",
            "list_position([1, 2], 2)",
        )
        .aliases(&["list_indexof", "array_position", "array_indexof"])
        .sees_nulls()
        .on([P::ListOfSame, P::Same], R::T(T::Integer), |_| position_kernel()),
    );
    r.add(
        def("list_has_any", "Whether two lists share an element", "list_has_any([1, 2], [2, 3])")
            .aliases(&["array_has_any", "&&"])
            .on([P::ListOfSame, P::ListOfSame], R::T(T::Boolean), |_| has_kernel(false)),
    );
    r.add(
        def(
            "list_has_all",
            "Whether all elements of the second list are in the first",
            "list_has_all([1, 2], [2])",
        )
        .aliases(&["array_has_all", "@>"])
        .on([P::ListOfSame, P::ListOfSame], R::T(T::Boolean), |_| has_kernel(true)),
    );
    r.add(def("<@", "Whether all elements of the first list are in the second", "[2] <@ [1, 2]").on(
        [P::ListOfSame, P::ListOfSame],
        R::T(T::Boolean),
        |_| {
            let inner = has_kernel(true);
            Box::new(move |args, ty, rows, ctx| inner(&[args[1].clone(), args[0].clone()], ty, rows, ctx))
        },
    ));
}
