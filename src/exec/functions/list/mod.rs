//! Functions of lists. Positions count from 1, negative ones from the end.
//!
//! What selects, orders or repeats elements computes the places of the elements wanted and gathers them
//! in one go.

mod aggregate;
mod distance;
mod pick;
mod range;
mod search;
mod slice;
mod sort;

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, Int64Array, ListArray, UInt32Array, new_null_array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_schema::SortOptions;

use range::{range_kernel, time_range_kernel};
use slice::{slice_kernel, text_slice_kernel};

use super::kernel::{Column, Nulls, list_end, nulls_of};
use super::registry::{CallSite, P, R, Registry, Resolution, def};
use super::room::{MAX_TEXT, Room, Texts, bytes_each, check_room, text_too_long};
use super::{ArgInfo, ScalarKernel};
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::cast::nested::list_array;
use crate::exec::cast::text::Writer;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};

pub(super) use search::contains_kernel;
pub(crate) use slice::{FROM_START, TO_END};

/// No list made by a function is longer.
const MAX_ELEMENTS: usize = 1 << 27;

/// A list argument: all rows, or one that stands for all.
pub(super) struct Lists<'a> {
    list: &'a ListArray,
    rows: usize,
}

impl<'a> Lists<'a> {
    pub fn open(args: &'a [ArrayRef], i: usize, rows: usize) -> Result<Self> {
        let list = args[i]
            .as_list_opt::<i32>()
            .ok_or_else(|| ExecError::Internal(format!("a list came as {}", args[i].data_type())))?;
        Ok(Self { list, rows })
    }

    fn row(&self, row: usize) -> usize {
        if self.list.len() == self.rows { row } else { 0 }
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.list.is_null(self.row(row))
    }

    /// The places of the elements in the values.
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        let offsets = self.list.value_offsets();
        let row = self.row(row);
        offsets[row] as usize..offsets[row + 1] as usize
    }

    pub fn values(&self) -> &'a ArrayRef {
        self.list.values()
    }
}

pub(super) fn item_type(ty: &LogicalType) -> LogicalType {
    match ty {
        LogicalType::List(item) | LogicalType::Array(item, _) => (**item).clone(),
        _ => LogicalType::Null,
    }
}

/// Lists made of some elements of other values.
struct Gather<'c> {
    places: Vec<Option<u32>>,
    offsets: Vec<i32>,
    valid: Vec<bool>,
    room: Room<'c>,
}

impl<'c> Gather<'c> {
    fn new(rows: usize, context: &'c ExecContext) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { places: vec![], offsets, valid: Vec::with_capacity(rows), room: Room::new(context) }
    }

    fn end(&mut self, valid: bool) -> Result<()> {
        if self.places.len() > MAX_ELEMENTS {
            return Err(ExecError::OutOfRange("the list would have more than 2^27 elements".into()));
        }
        let more = self.places.len() - self.offsets.last().map_or(0, |end| *end as usize);
        self.room.take(more * size_of::<Option<u32>>())?;
        self.offsets.push(list_end(self.places.len())?);
        self.valid.push(valid);
        Ok(())
    }

    fn finish(mut self, values: &ArrayRef, ret: &LogicalType) -> Result<ArrayRef> {
        self.room.take(self.places.len().saturating_mul(bytes_each(values)))?;
        let values = arrow_select::take::take(values, &UInt32Array::from(self.places), None)?;
        let nulls = Some(NullBuffer::from(self.valid)).filter(|n| n.null_count() > 0);
        list_array(&item_type(ret), OffsetBuffer::new(self.offsets.into()), values, nulls)
    }
}

/// A function of one list that picks, drops or orders its elements.
fn rearrange(
    f: impl Fn(&ArrayRef, std::ops::Range<usize>, &mut Vec<Option<u32>>) -> Result<()> + Send + Sync + 'static,
) -> ScalarKernel {
    Box::new(move |args, ty, rows, context| {
        let lists = Lists::open(args, 0, rows)?;
        let mut out = Gather::new(rows, context);
        for row in 0..rows {
            if lists.is_null(row) {
                out.end(false)?;
                continue;
            }
            f(lists.values(), lists.range(row), &mut out.places)?;
            out.end(true)?;
        }
        out.finish(lists.values(), ty)
    })
}

/// The texts of a list of one row, where it is one.
pub(super) fn text_elements(list: &ArrayRef) -> Option<Vec<String>> {
    let list = list.as_list_opt::<i32>()?;
    let values = list.value(0);
    let strings = values.as_string_view_opt()?;
    Some(strings.iter().flatten().map(str::to_owned).collect())
}

/// `length` of a list.
pub(super) fn length_kernel() -> ScalarKernel {
    Box::new(|args, _, _, _| {
        let list = args[0]
            .as_list_opt::<i32>()
            .ok_or_else(|| ExecError::Internal(format!("a list came as {}", args[0].data_type())))?;
        let lengths: Vec<i64> = list.value_offsets().windows(2).map(|w| i64::from(w[1] - w[0])).collect();
        Ok(Arc::new(Int64Array::new(lengths.into(), list.nulls().cloned())))
    })
}

/// All lists one after another; NULLs count as empty.
pub(super) fn concat_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, context| {
        let lists: Vec<Lists<'_>> =
            (0..args.len()).map(|i| Lists::open(args, i, rows)).collect::<Result<_>>()?;
        let values: Vec<&dyn Array> = lists.iter().map(|l| l.values().as_ref()).collect();
        let all = arrow_select::concat::concat(&values)?;
        let mut starts = Vec::with_capacity(lists.len());
        let mut start = 0;
        for l in &lists {
            starts.push(start);
            start += l.values().len();
        }
        let mut out = Gather::new(rows, context);
        for row in 0..rows {
            for (l, start) in lists.iter().zip(&starts) {
                if !l.is_null(row) {
                    out.places.extend(l.range(row).map(|i| Some((start + i) as u32)));
                }
            }
            out.end(true)?;
        }
        out.finish(&all, ty)
    })
}

/// `list_concat` of NULL alone, of which nothing says that it is a list, and of nothing.
fn concat_of_nothing(args: &[ArgInfo]) -> Option<std::result::Result<Resolution, String>> {
    let is_null = |arg: &ArgInfo| arg.ty == LogicalType::Null;
    args.iter().all(is_null).then(|| {
        if args.is_empty() {
            return Ok(Resolution {
                arg_types: vec![],
                return_type: LogicalType::List(Box::new(LogicalType::Null)),
                kernel: Box::new(|_, ty, rows, _| {
                    let item = item_type(ty);
                    let none = arrow_array::new_empty_array(&item.arrow());
                    list_array(&item, OffsetBuffer::new_zeroed(rows), none, None)
                }),
            });
        }
        Ok(Resolution {
            arg_types: vec![LogicalType::Null; args.len()],
            return_type: LogicalType::Null,
            kernel: Box::new(|_, ty, rows, _| Ok(new_null_array(&ty.arrow(), rows))),
        })
    })
}

/// `||` of two lists: NULL if either is.
pub(super) fn concat_operator_kernel() -> ScalarKernel {
    let both = concat_kernel();
    Box::new(move |args, ty, rows, ctx| match nulls_of(args, rows) {
        Nulls::All => Ok(new_null_array(&ty.arrow(), rows)),
        Nulls::None => both(args, ty, rows, ctx),
        Nulls::Some(nulls) => {
            let joined = both(args, ty, rows, ctx)?;
            let list = joined.as_list::<i32>().clone();
            let (_, offsets, values, _) = list.into_parts();
            list_array(&item_type(ty), offsets, values, Some(nulls))
        }
    })
}

fn comparator(a: &ArrayRef, b: &ArrayRef, options: SortOptions) -> Result<DynComparator> {
    Ok(make_comparator(a, b, options)?)
}

const NULLS_EQUAL: SortOptions = SortOptions { descending: false, nulls_first: false };

fn extract_kernel() -> ScalarKernel {
    Box::new(|args, _, rows, _| {
        let lists = Lists::open(args, 0, rows)?;
        let at = Column::<Int64Type>::open(args, 1, rows)?;
        let missing = args[1].nulls();
        let mut places: Vec<Option<u32>> = Vec::with_capacity(rows);
        for row in 0..rows {
            let index_row = if args[1].len() == rows { row } else { 0 };
            if lists.is_null(row) || missing.is_some_and(|n| n.is_null(index_row)) {
                places.push(None);
                continue;
            }
            let range = lists.range(row);
            let (n, i) = (range.len() as i64, at.get(row));
            let i = if i < 0 { n + i } else { i - 1 };
            places.push((0..n).contains(&i).then(|| range.start as u32 + i as u32));
        }
        Ok(arrow_select::take::take(lists.values(), &UInt32Array::from(places), None)?)
    })
}

/// The places of the first of each distinct element that is not NULL.
fn distinct_places(values: &ArrayRef, range: std::ops::Range<usize>) -> Result<Vec<usize>> {
    let compare = comparator(values, values, NULLS_EQUAL)?;
    let nulls = values.logical_nulls();
    let mut places: Vec<usize> = range.filter(|i| nulls.as_ref().is_none_or(|n| n.is_valid(*i))).collect();
    // A stable sort brings equal elements together, the first of them in front.
    places.sort_by(|a, b| compare(*a, *b));
    places.dedup_by(|b, a| compare(*a, *b) == Ordering::Equal);
    places.sort_unstable();
    Ok(places)
}

/// `[a, b, c]`.
fn value_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, context| {
        let item = item_type(ty);
        if args.is_empty() {
            let empty = arrow_array::new_empty_array(&item.arrow());
            return list_array(&item, OffsetBuffer::new_zeroed(1), empty, None);
        }
        let arrays: Vec<&dyn Array> = args.iter().map(AsRef::as_ref).collect();
        let places: Vec<(usize, usize)> = (0..rows)
            .flat_map(|row| {
                args.iter().enumerate().map(move |(i, a)| (i, if a.len() == rows { row } else { 0 }))
            })
            .collect();
        list_end(places.len())?;
        for array in &arrays {
            check_room(*array, rows, context)?;
        }
        let values = arrow_select::interleave::interleave(&arrays, &places)?;
        list_array(&item, OffsetBuffer::from_repeated_length(args.len(), rows), values, None)
    })
}

/// `list_append` and `list_prepend`: a NULL list counts as empty.
fn add_kernel(list: usize, element: usize) -> ScalarKernel {
    Box::new(move |args, ty, rows, context| {
        let lists = Lists::open(args, list, rows)?;
        let start = lists.values().len();
        let all = arrow_select::concat::concat(&[lists.values().as_ref(), args[element].as_ref()])?;
        let mut out = Gather::new(rows, context);
        for row in 0..rows {
            let own = Some((start + if args[element].len() == rows { row } else { 0 }) as u32);
            let range = if lists.is_null(row) { 0..0 } else { lists.range(row) };
            let others = range.map(|i| Some(i as u32));
            if element < list {
                out.places.push(own);
                out.places.extend(others);
            } else {
                out.places.extend(others);
                out.places.push(own);
            }
            out.end(true)?;
        }
        out.finish(&all, ty)
    })
}

/// The elements of the lists in a list.
fn flatten_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, context| {
        let outer = Lists::open(args, 0, rows)?;
        let mut out = Gather::new(rows, context);
        let Some(inner) = outer.values().as_list_opt::<i32>() else {
            // Nothing but NULLs, or nothing at all.
            (0..rows).try_for_each(|row| out.end(!outer.is_null(row)))?;
            return out.finish(outer.values(), ty);
        };
        for row in 0..rows {
            if outer.is_null(row) {
                out.end(false)?;
                continue;
            }
            for i in outer.range(row).filter(|i| inner.is_valid(*i)) {
                let offsets = inner.value_offsets();
                out.places.extend((offsets[i]..offsets[i + 1]).map(|p| Some(p as u32)));
            }
            out.end(true)?;
        }
        out.finish(inner.values(), ty)
    })
}

/// The elements of a list again and again.
fn repeat_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, context| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let lists = Lists::open(args, 0, rows)?;
        let times = Column::<Int64Type>::open(args, 1, rows)?;
        let mut out = Gather::new(rows, context);
        for row in 0..rows {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                out.end(false)?;
                continue;
            }
            let (range, n) = (lists.range(row), usize::try_from(times.get(row)).unwrap_or(0));
            if range.len().saturating_mul(n) > MAX_ELEMENTS {
                return Err(ExecError::OutOfRange("the list would have more than 2^27 elements".into()));
            }
            for _ in 0..if range.is_empty() { 0 } else { n } {
                out.places.extend(range.clone().map(|i| Some(i as u32)));
            }
            out.end(true)?;
        }
        out.finish(lists.values(), ty)
    })
}

fn join_kernel(site: &CallSite<'_>) -> ScalarKernel {
    let item = item_type(&site.types[0]);
    Box::new(move |args, ty, rows, ctx| {
        let nulls = match nulls_of(&args[..1], rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let lists = Lists::open(args, 0, rows)?;
        let between = args[1].as_string_view();
        let place = |row: usize| if between.len() == rows { row } else { 0 };
        let writer = Writer::in_zone(lists.values(), &item, &ctx.zone)?;
        let mut out = Texts::new(rows, ctx);
        let mut buffer = String::new();
        for row in 0..rows {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                out.push_null();
                continue;
            }
            buffer.clear();
            let mut any = false;
            for i in lists.range(row).filter(|i| !writer.is_null(*i)) {
                if any {
                    // Without a separator it is a comma.
                    let at = place(row);
                    buffer.push_str(if between.is_valid(at) { between.value(at) } else { "," });
                }
                any = true;
                writer.write(i, &mut buffer);
                if buffer.len() > MAX_TEXT {
                    return Err(text_too_long());
                }
            }
            out.push(&buffer)?;
        }
        Ok(out.finish())
    })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    aggregate::register(r);
    distance::register(r);
    pick::register(r);
    search::register(r);
    sort::register(r);
    let big = T::BigInt;
    r.add(
        def("list_value", "A list of the arguments", "[1, 2, 3]")
            .aliases(&["list_pack", "construct_array"])
            .sees_nulls()
            .variadic([], P::Same, R::ListOfSame, |_| value_kernel()),
    );
    r.add(def("array_value", "An array of the arguments", "array_value(4, 5, 6)").sees_nulls().variadic(
        [P::Same],
        P::Same,
        R::Of(|types| {
            let item = types.first().cloned().unwrap_or(LogicalType::Null);
            LogicalType::Array(Box::new(item), types.len() as u32)
        }),
        |_| {
            let list = value_kernel();
            Box::new(move |args, ty, rows, ctx| {
                let as_list = LogicalType::List(Box::new(item_type(ty)));
                let made = list(args, &as_list, rows, ctx)?;
                crate::exec::cast::cast(&made, &as_list, ty, false)
            })
        },
    ));
    r.add(
        def(
            "list_extract",
            "The element at a position, or character of a text",
            "list_extract([4, 5, 6], 3)",
        )
        .aliases(&["list_element", "array_extract"])
        .on([P::List, P::T(big.clone())], R::Of(|t| item_type(&t[0])), |_| extract_kernel())
        .map(&[T::Varchar, big.clone()], T::Varchar, |_| {
            super::kernel::slice::<(Int64Type,)>(|s, (i,)| {
                let at = if i < 0 { s.chars().count() as i64 + i } else { i - 1 };
                Ok(Some(if at < 0 { "" } else { super::string::part(s, at, 1) }))
            })
        })
        .on([P::Map, P::Any], R::Of(super::structs::map_value_type), |site| {
            super::structs::map_extract(site.types.to_vec(), false)
        }),
    );
    r.add(
        def("list_slice", "Elements from one position to another, by a step", "list_slice([4, 5, 6], 2, 3)")
            .aliases(&["array_slice"])
            .sees_nulls()
            .on([P::List, P::T(big.clone()), P::T(big.clone())], R::Arg(0), |_| slice_kernel(false))
            .on([P::List, P::T(big.clone()), P::T(big.clone()), P::T(big.clone())], R::Arg(0), |_| {
                slice_kernel(true)
            })
            .map(&[T::Varchar, big.clone(), big.clone()], T::Varchar, |_| text_slice_kernel()),
    );
    r.add(
        def("list_concat", "All lists one after another", "list_concat([2, 3], [4, 5])")
            .aliases(&["list_cat", "array_concat", "array_cat"])
            .sees_nulls()
            .custom(&[], concat_of_nothing)
            .variadic([P::ListOfSame], P::ListOfSame, R::ListOfSame, |_| concat_kernel()),
    );
    r.add(
        def("list_append", "A list with an element at its end", "list_append([2, 3], 4)")
            .aliases(&["array_append", "array_push_back"])
            .sees_nulls()
            .on([P::ListOfSame, P::Same], R::ListOfSame, |_| add_kernel(0, 1)),
    );
    r.add(
        def("list_prepend", "A list with an element in front", "list_prepend(3, [4, 5])")
            .aliases(&["array_prepend"])
            .sees_nulls()
            .on([P::Same, P::ListOfSame], R::ListOfSame, |_| add_kernel(1, 0)),
    );
    r.add(
        def("array_push_front", "A list with an element in front", "array_push_front([4, 5], 3)")
            .sees_nulls()
            .on([P::ListOfSame, P::Same], R::ListOfSame, |_| {
                let kernel = add_kernel(1, 0);
                Box::new(move |args, ty, rows, ctx| {
                    kernel(&[args[1].clone(), args[0].clone()], ty, rows, ctx)
                })
            }),
    );
    r.add(
        def("array_length", "Number of elements of a list, in its dimension 1", "array_length([1, 2])")
            .on([P::List], R::T(big.clone()), |_| length_kernel())
            .on([P::List, P::T(big.clone())], R::T(big.clone()), |_| {
                let length = length_kernel();
                Box::new(move |args, ty, rows, ctx| {
                    let dimensions = args[1].as_primitive::<Int64Type>();
                    if dimensions.iter().flatten().any(|d| d != 1) {
                        let message = "array_length for lists with dimensions other than 1 not implemented";
                        return Err(ExecError::Unsupported(message.into()));
                    }
                    let lengths = [length(&args[..1], ty, rows, ctx)?];
                    match nulls_of(args, rows) {
                        Nulls::None => Ok(Arc::clone(&lengths[0])),
                        Nulls::All => Ok(new_null_array(&ty.arrow(), rows)),
                        Nulls::Some(nulls) => {
                            let lengths = Column::<Int64Type>::open(&lengths, 0, rows)?;
                            let length = |row| nulls.is_valid(row).then(|| lengths.get(row));
                            Ok(Arc::new(Int64Array::from_iter((0..rows).map(length))))
                        }
                    }
                })
            }),
    );
    r.add(def("list_reverse", "Elements in reverse", "list_reverse([1, 2])").aliases(&["array_reverse"]).on(
        [P::List],
        R::Arg(0),
        |_| {
            rearrange(|_, range, out| {
                out.extend(range.rev().map(|i| Some(i as u32)));
                Ok(())
            })
        },
    ));
    r.add(
        def("list_distinct", "Elements without repetitions and NULLs", "list_distinct([1, 1, NULL])")
            .aliases(&["array_distinct"])
            .on([P::List], R::Arg(0), |_| {
                rearrange(|values, range, out| {
                    // The order is nobody's promise; this is the one that DuckDB's short lists have.
                    out.extend(distinct_places(values, range)?.into_iter().rev().map(|i| Some(i as u32)));
                    Ok(())
                })
            }),
    );
    r.add(
        def("list_unique", "Number of distinct elements that are not NULL", "list_unique([1, 1, NULL])")
            .aliases(&["array_unique"])
            .on([P::List], R::T(T::UBigInt), |_| {
                Box::new(|args, _, rows, _| {
                    let lists = Lists::open(args, 0, rows)?;
                    let counts: Result<Vec<Option<u64>>> = (0..rows)
                        .map(|row| {
                            if lists.is_null(row) {
                                return Ok(None);
                            }
                            Ok(Some(distinct_places(lists.values(), lists.range(row))?.len() as u64))
                        })
                        .collect();
                    Ok(Arc::new(arrow_array::UInt64Array::from(counts?)))
                })
            }),
    );
    r.add(def("array_pop_back", "A list without its last element", "array_pop_back([4, 5, 6])").on(
        [P::List],
        R::Arg(0),
        |_| {
            rearrange(|_, range, out| {
                let end = range.end.max(range.start + 1) - 1;
                out.extend((range.start..end).map(|i| Some(i as u32)));
                Ok(())
            })
        },
    ));
    r.add(def("array_pop_front", "A list without its first element", "array_pop_front([4, 5, 6])").on(
        [P::List],
        R::Arg(0),
        |_| {
            rearrange(|_, range, out| {
                out.extend(range.skip(1).map(|i| Some(i as u32)));
                Ok(())
            })
        },
    ));
    r.add(def("flatten", "The elements of the lists in a list", "flatten([[1, 2], [3]])").on(
        [P::List],
        R::Of(|t| match item_type(&t[0]) {
            list @ T::List(_) => list,
            _ => T::List(Box::new(T::Null)),
        }),
        |_| flatten_kernel(),
    ));
    r.extend("repeat", |d| {
        d.custom(&["(ANY[], BIGINT) -> ANY[]"], |args| {
            let [list, times] = args else { return None };
            let (T::List(item) | T::Array(item, _)) = &list.ty else { return None };
            if !times.ty.is_integer() && times.ty != T::Null {
                return None;
            }
            let ty = T::List(item.clone());
            let arg_types = vec![ty.clone(), T::BigInt];
            Some(Ok(Resolution { arg_types, return_type: ty, kernel: repeat_kernel() }))
        })
    });
    r.add(
        def(
            "array_to_string",
            "The elements as text with a separator between them",
            "array_to_string([1, 2], '-')",
        )
        .aliases(&["list_to_string"])
        .sees_nulls()
        .on([P::List, P::T(T::Varchar)], R::T(T::Varchar), join_kernel),
    );
    let list = T::List(Box::new(big.clone()));
    let times = T::List(Box::new(TIMESTAMP));
    macro_rules! series {
        ($name:literal, $what:literal, $inclusive:literal) => {
            r.add(
                def($name, $what, concat!($name, "(2, 5, 3)"))
                    .map(&[big.clone()], list.clone(), |_| range_kernel($inclusive))
                    .map(&[big.clone(), big.clone()], list.clone(), |_| range_kernel($inclusive))
                    .map(&[big.clone(), big.clone(), big.clone()], list.clone(), |_| range_kernel($inclusive))
                    .map(&[TIMESTAMP, TIMESTAMP, T::Interval], times.clone(), |_| {
                        time_range_kernel($inclusive)
                    })
                    .map(
                        &[T::TimestampTz, T::TimestampTz, T::Interval],
                        T::List(Box::new(T::TimestampTz)),
                        |_| time_range_kernel($inclusive),
                    ),
            );
        };
    }
    series!("range", "A list of numbers or timestamps, without the end", false);
    series!("generate_series", "A list of numbers or timestamps, with the end", true);
}
