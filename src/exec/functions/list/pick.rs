//! Functions that pick elements by the elements of another list: `list_select`, `list_where`,
//! `list_intersect`, `list_zip`, `list_resize`, `list_grade_up`.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow_buffer::OffsetBuffer;

use super::sort::sort_options;
use super::{Gather, Lists, MAX_ELEMENTS, NULLS_EQUAL, comparator, item_type, list_end};
use crate::column::types::LogicalType;
use crate::exec::cast::nested::{list_array, struct_array};
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::registry::{P, R, Registry, Resolution, def};
use crate::exec::functions::room::{Room, bytes_each};
use crate::exec::functions::{ArgInfo, ScalarKernel};

fn no_nulls() -> ExecError {
    ExecError::InvalidInput("NULLs are not allowed as list elements in the second input parameter.".into())
}

/// The elements at the places that a list of numbers gives; NULL where there is none.
fn select_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, context| {
        let (lists, wanted) = (Lists::open(args, 0, rows)?, Lists::open(args, 1, rows)?);
        let places = wanted.values().as_primitive::<Int64Type>();
        let mut out = Gather::new(rows, context);
        for row in 0..rows {
            if lists.is_null(row) || wanted.is_null(row) {
                out.end(false)?;
                continue;
            }
            let range = lists.range(row);
            for i in wanted.range(row) {
                if places.is_null(i) {
                    return Err(no_nulls());
                }
                let at = usize::try_from(places.value(i) - 1).ok().filter(|at| *at < range.len());
                out.places.push(at.map(|at| (range.start + at) as u32));
            }
            out.end(true)?;
        }
        out.finish(lists.values(), ty)
    })
}

/// The elements where a list of booleans is true; NULL where it is longer.
fn where_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, context| {
        let (lists, mask) = (Lists::open(args, 0, rows)?, Lists::open(args, 1, rows)?);
        let bits = mask.values().as_boolean();
        let mut out = Gather::new(rows, context);
        for row in 0..rows {
            if lists.is_null(row) || mask.is_null(row) {
                out.end(false)?;
                continue;
            }
            let range = lists.range(row);
            for (n, i) in mask.range(row).enumerate() {
                if bits.is_null(i) {
                    return Err(no_nulls());
                }
                if bits.value(i) {
                    out.places.push((n < range.len()).then_some((range.start + n) as u32));
                }
            }
            out.end(true)?;
        }
        out.finish(lists.values(), ty)
    })
}

/// Each element that is in both lists, once, in the order of the longer list; of two as long, in that of the second.
fn intersect_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, context| {
        let (a, b) = (Lists::open(args, 0, rows)?, Lists::open(args, 1, rows)?);
        let across = comparator(a.values(), b.values(), NULLS_EQUAL)?;
        let within = comparator(a.values(), a.values(), NULLS_EQUAL)?;
        let missing = a.values().logical_nulls();
        let mut out = Gather::new(rows, context);
        for row in 0..rows {
            if a.is_null(row) {
                out.end(false)?;
                continue;
            }
            let range = a.range(row);
            let others = if b.is_null(row) { 0..0 } else { b.range(row) };
            let mut kept: Vec<usize> = vec![];
            let valid = |i: usize| missing.as_ref().is_none_or(|n| n.is_valid(i));
            if range.len() > others.len() {
                for i in range {
                    let is_there = valid(i)
                        && others.clone().any(|j| across(i, j) == Ordering::Equal)
                        && kept.iter().all(|k| within(*k, i) != Ordering::Equal);
                    if is_there {
                        kept.push(i);
                    }
                }
            } else {
                for j in others {
                    let first = range.clone().find(|i| valid(*i) && across(*i, j) == Ordering::Equal);
                    kept.extend(first.filter(|i| !kept.contains(i)));
                }
            }
            out.places.extend(kept.into_iter().map(|i| Some(i as u32)));
            out.end(true)?;
        }
        out.finish(a.values(), ty)
    })
}

/// A list of exactly that many elements: cut off, or filled with the third argument.
fn resize_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, context| {
        let lists = Lists::open(args, 0, rows)?;
        let wanted = args[1].as_primitive::<UInt64Type>();
        let filler_start = lists.values().len();
        let all = match args.get(2) {
            Some(filler) => arrow_select::concat::concat(&[lists.values().as_ref(), filler.as_ref()])?,
            None => lists.values().clone(),
        };
        let mut out = Gather::new(rows, context);
        for row in 0..rows {
            if lists.is_null(row) {
                out.end(false)?;
                continue;
            }
            let at = if wanted.len() == rows { row } else { 0 };
            let wanted = if wanted.is_null(at) { 0 } else { wanted.value(at) };
            if wanted > MAX_ELEMENTS as u64 {
                return Err(ExecError::OutOfRange(format!(
                    "list_resize: a list of {wanted} elements would be too long"
                )));
            }
            let (range, wanted) = (lists.range(row), wanted as usize);
            let kept = range.len().min(wanted);
            out.places.extend((range.start..range.start + kept).map(|i| Some(i as u32)));
            let filler = args.get(2).map(|f| {
                let row = if f.len() == rows { row } else { 0 };
                (filler_start + row) as u32
            });
            out.places.extend(std::iter::repeat_n(filler, wanted - kept));
            out.end(true)?;
        }
        out.finish(&all, ty)
    })
}

/// Positions of the elements in the order of the elements.
fn grade_up_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, _| {
        let lists = Lists::open(args, 0, rows)?;
        let compare = comparator(lists.values(), lists.values(), sort_options(&args[1..], false)?)?;
        let mut values: Vec<i64> = vec![];
        let mut offsets = vec![0];
        let mut valid = Vec::with_capacity(rows);
        for row in 0..rows {
            valid.push(!lists.is_null(row));
            if !lists.is_null(row) {
                let range = lists.range(row);
                let mut places: Vec<usize> = range.clone().collect();
                places.sort_by(|a, b| compare(*a, *b));
                values.extend(places.into_iter().map(|i| (i - range.start) as i64 + 1));
            }
            offsets.push(list_end(values.len())?);
        }
        let nulls = Some(arrow_buffer::NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        let values: ArrayRef = Arc::new(Int64Array::from(values));
        list_array(&item_type(ty), OffsetBuffer::new(offsets.into()), values, nulls)
    })
}

/// `list_zip(a, b, …[, truncate])`: the n-th elements of all lists together.
fn zip(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let truncates = args.last().is_some_and(|a| a.ty == LogicalType::Boolean);
    let lists = &args[..args.len() - usize::from(truncates)];
    if lists.is_empty() {
        return Some(Err("Provide at least one argument to list_zip".into()));
    }
    let mut items = vec![];
    for list in lists {
        match &list.ty {
            LogicalType::List(item) | LogicalType::Array(item, _) => items.push((**item).clone()),
            LogicalType::Null => items.push(LogicalType::Null),
            _ => return Some(Err("Parameter type needs to be List".into())),
        }
    }
    let mut arg_types: Vec<LogicalType> =
        items.iter().map(|i| LogicalType::List(Box::new(i.clone()))).collect();
    if truncates {
        arg_types.push(LogicalType::Boolean);
    }
    let tuple = LogicalType::Struct(items.into_iter().map(|i| ("".into(), i)).collect());
    let width = lists.len();
    let kernel: ScalarKernel = Box::new(move |args, ty, rows, context| {
        let mut room = Room::new(context);
        let lists = (0..width).map(|i| Lists::open(args, i, rows)).collect::<Result<Vec<_>>>()?;
        let truncate = |row: usize| {
            args.get(width).is_some_and(|a| {
                let row = if a.len() == rows { row } else { 0 };
                a.is_valid(row) && a.as_boolean().value(row)
            })
        };
        let each: usize = lists.iter().map(|l| bytes_each(l.values()) + size_of::<Option<u32>>()).sum();
        let mut places: Vec<Vec<Option<u32>>> = vec![vec![]; width];
        let mut offsets = vec![0];
        for row in 0..rows {
            let ranges: Vec<_> =
                lists.iter().map(|l| if l.is_null(row) { 0..0 } else { l.range(row) }).collect();
            let lengths = ranges.iter().map(std::ops::Range::len);
            let len = if truncate(row) { lengths.min() } else { lengths.max() }.unwrap_or(0);
            room.take(len.saturating_mul(each))?;
            for (places, range) in places.iter_mut().zip(&ranges) {
                places.extend((0..len).map(|i| (i < range.len()).then_some((range.start + i) as u32)));
            }
            offsets.push(list_end(places[0].len())?);
        }
        let len = places[0].len();
        let columns = lists
            .iter()
            .zip(places)
            .map(|(l, p)| Ok(arrow_select::take::take(l.values(), &UInt32Array::from(p), None)?))
            .collect::<Result<Vec<_>>>()?;
        let item = item_type(ty);
        let values = struct_array(&item, columns, None, len)?;
        list_array(&item, OffsetBuffer::new(offsets.into()), values, None)
    });
    Some(Ok(Resolution { arg_types, return_type: LogicalType::List(Box::new(tuple)), kernel }))
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let list_of = |t: T| T::List(Box::new(t));
    r.add(
        def(
            "list_select",
            "The elements at the positions in the second list",
            "list_select([10, 20, 30], [1, 3])",
        )
        .aliases(&["array_select"])
        .on([P::List, P::T(list_of(T::BigInt))], R::Arg(0), |_| select_kernel()),
    );
    r.add(
        def(
            "list_where",
            "The elements where the second list is true",
            "list_where([10, 20, 30], [true, false, true])",
        )
        .aliases(&["array_where"])
        .on([P::List, P::T(list_of(T::Boolean))], R::Arg(0), |_| where_kernel()),
    );
    r.add(
        def(
            "list_intersect",
            "The elements that both lists have, each once",
            "list_intersect([1, 2, 3], [2, 3, 4])",
        )
        .aliases(&["array_intersect"])
        .sees_nulls()
        .on([P::ListOfSame, P::ListOfSame], R::ListOfSame, |_| intersect_kernel()),
    );
    r.add(
        def(
            "list_resize",
            "A list of that many elements, filled with NULL or the third argument",
            "list_resize([1, 2, 3], 5, 0)",
        )
        .aliases(&["array_resize"])
        .sees_nulls()
        .on([P::List, P::T(T::UBigInt)], R::Arg(0), |_| resize_kernel())
        .custom(&["(T[], UBIGINT, T) -> T[]"], |args| {
            let [list, size, _] = args else { return None };
            let item = match &list.ty {
                T::List(item) | T::Array(item, _) => (**item).clone(),
                _ => return None,
            };
            if !size.ty.is_integer() && size.ty != T::Null {
                return None;
            }
            let ty = T::List(Box::new(item.clone()));
            Some(Ok(Resolution {
                arg_types: vec![ty.clone(), T::UBigInt, item],
                return_type: ty,
                kernel: resize_kernel(),
            }))
        }),
    );
    let text = P::T(T::Varchar);
    r.add(
        def("list_grade_up", "Positions of the elements in their order", "list_grade_up([3, 6, 1, 2])")
            .aliases(&["array_grade_up", "grade_up"])
            .on([P::List], R::T(list_of(T::BigInt)), |_| grade_up_kernel())
            .on([P::List, text.clone()], R::T(list_of(T::BigInt)), |_| grade_up_kernel())
            .on([P::List, text.clone(), text], R::T(list_of(T::BigInt)), |_| grade_up_kernel()),
    );
    r.add(
        def(
            "list_zip",
            "The first elements of all lists together, the second ones, and so on; true at the end: as long as the \
             shortest",
            "list_zip([1, 2], [3, 4])",
        )
        .aliases(&["array_zip"])
        .sees_nulls()
        .custom(&["(ANY[]...) -> STRUCT[]", "(ANY[]..., BOOLEAN) -> STRUCT[]"], zip),
    );
}
