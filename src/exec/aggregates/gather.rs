//! Aggregates that need all values of a group: `list`, `string_agg`, `mode`, `histogram`, quantiles of any
//! type, the `n` greatest.
//!
//! Rows are kept as they come, as arrays with the number of each row's group; they are put in order by
//! group only at the end, with one counting sort.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, UInt32Array, UInt64Array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_schema::SortOptions;

use super::GroupStates;
use super::fixed::same;
use super::registry::{Chosen, Maker, Registry};
use crate::column::types::LogicalType;
use crate::exec::cast::nested::{list_array, map_array};
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;

/// Rows of a batch and their groups.
struct Chunk {
    columns: Vec<ArrayRef>,
    groups: Vec<u32>,
}

/// The rows of all groups in order of their groups.
pub(super) struct Grouped {
    pub columns: Vec<ArrayRef>,
    /// Rows `offsets[g] .. offsets[g + 1]` are those of group `g`.
    pub offsets: Vec<usize>,
}

/// Makes the results of all groups.
type Finish = fn(&Grouped, &LogicalType) -> Result<ArrayRef>;

/// The rows of all groups.
pub(super) struct Gather {
    chunks: Vec<Chunk>,
    groups: usize,
    bytes: usize,
    /// Rows where the first column is NULL are left out.
    skip_nulls: bool,
    types: Vec<LogicalType>,
    ret: LogicalType,
    finish: Finish,
}

impl Gather {
    fn push(&mut self, args: &[ArrayRef], groups: Vec<u32>) -> Result<()> {
        let mut columns: Vec<ArrayRef> = args.iter().map(flatten).collect::<Result<_>>()?;
        let mut groups = groups;
        if self.skip_nulls
            && let Some(nulls) = columns[0].logical_nulls().filter(|n| n.null_count() > 0)
        {
            let keep = BooleanArray::new(nulls.inner().clone(), None);
            columns =
                columns.iter().map(|c| arrow_select::filter::filter(c, &keep)).collect::<Result<_, _>>()?;
            groups = nulls.valid_indices().map(|i| groups[i]).collect();
        }
        if groups.is_empty() {
            return Ok(());
        }
        for c in &mut columns {
            // Views of a few rows must not keep the buffers of a whole block alive.
            if let Some(views) = c.as_string_view_opt() {
                *c = Arc::new(views.gc());
            } else if let Some(views) = c.as_binary_view_opt() {
                *c = Arc::new(views.gc());
            }
            self.bytes += c.get_array_memory_size();
        }
        self.bytes += groups.len() * 4;
        self.chunks.push(Chunk { columns, groups });
        Ok(())
    }

    fn grouped(&mut self) -> Result<Grouped> {
        let chunks = std::mem::take(&mut self.chunks);
        let rows: usize = chunks.iter().map(|c| c.groups.len()).sum();
        if u32::try_from(rows).is_err() {
            return Err(ExecError::OutOfMemory(
                "an aggregate that keeps its rows was given more than 2^32".into(),
            ));
        }
        let mut offsets = vec![0usize; self.groups + 1];
        for c in &chunks {
            c.groups.iter().for_each(|g| offsets[*g as usize + 1] += 1);
        }
        for g in 0..self.groups {
            offsets[g + 1] += offsets[g];
        }
        let mut next = offsets.clone();
        let mut order = vec![0u32; rows];
        let mut row = 0u32;
        for g in chunks.iter().flat_map(|c| &c.groups) {
            order[next[*g as usize]] = row;
            next[*g as usize] += 1;
            row += 1;
        }
        let order = UInt32Array::from(order);
        let mut columns = Vec::with_capacity(self.types.len());
        for (i, ty) in self.types.iter().enumerate() {
            let parts: Vec<&dyn Array> = chunks.iter().map(|c| c.columns[i].as_ref()).collect();
            columns.push(if parts.is_empty() {
                arrow_array::new_empty_array(&ty.arrow())
            } else {
                let all = arrow_select::concat::concat(&parts)?;
                if self.groups == 1 { all } else { arrow_select::take::take(&all, &order, None)? }
            });
        }
        Ok(Grouped { columns, offsets })
    }
}

impl GroupStates for Gather {
    fn resize(&mut self, groups: usize) {
        self.groups = self.groups.max(groups);
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.push(args, groups.to_vec())
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        self.push(args, vec![0; rows])
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        const OUT: u32 = u32::MAX;
        let other = same::<Self>(other)?;
        let mut map = vec![OUT; other.groups];
        for (f, t) in from.iter().zip(to) {
            map[*f as usize] = *t;
        }
        for c in &other.chunks {
            let groups: Vec<u32> = c.groups.iter().map(|g| map[*g as usize]).collect();
            if groups.iter().all(|g| *g != OUT) {
                self.bytes += c.columns.iter().map(arrow_array::Array::get_array_memory_size).sum::<usize>()
                    + groups.len() * 4;
                self.chunks.push(Chunk { columns: c.columns.clone(), groups });
                continue;
            }
            let keep: BooleanArray = groups.iter().map(|g| Some(*g != OUT)).collect();
            let columns: Vec<ArrayRef> =
                c.columns.iter().map(|c| arrow_select::filter::filter(c, &keep)).collect::<Result<_, _>>()?;
            self.push(&columns, groups.into_iter().filter(|g| *g != OUT).collect())?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let grouped = self.grouped()?;
        (self.finish)(&grouped, &self.ret)
    }

    fn size(&self) -> usize {
        self.bytes
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// An aggregate that keeps its rows.
pub(super) fn gather(types: Vec<LogicalType>, ret: LogicalType, skip_nulls: bool, finish: Finish) -> Chosen {
    let (t, r) = (types.clone(), ret.clone());
    let states: Maker = Box::new(move || {
        Box::new(Gather {
            chunks: vec![],
            groups: 0,
            bytes: 0,
            skip_nulls,
            types: t.clone(),
            ret: r.clone(),
            finish,
        })
    });
    Chosen::new(types, ret, states)
}

pub(super) fn offsets_i32(offsets: &[usize]) -> Result<OffsetBuffer<i32>> {
    let ends = offsets.iter().map(|o| {
        i32::try_from(*o).map_err(|_| ExecError::OutOfMemory("lists of more than 2^31 elements".into()))
    });
    Ok(OffsetBuffer::new(ends.collect::<Result<Vec<_>>>()?.into()))
}

/// Where groups have rows.
pub(super) fn non_empty(offsets: &[usize]) -> Option<NullBuffer> {
    let valid: Vec<bool> = offsets.windows(2).map(|w| w[1] > w[0]).collect();
    Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0)
}

pub(super) fn item(ty: &LogicalType) -> LogicalType {
    match ty {
        LogicalType::List(item) => (**item).clone(),
        _ => LogicalType::Null,
    }
}

fn list(g: &Grouped, ret: &LogicalType) -> Result<ArrayRef> {
    list_array(&item(ret), offsets_i32(&g.offsets)?, g.columns[0].clone(), non_empty(&g.offsets))
}

fn string_agg(g: &Grouped, _: &LogicalType) -> Result<ArrayRef> {
    let strings = g.columns[0].as_string_view();
    let separators = g.columns.get(1).map(arrow_array::cast::AsArray::as_string_view);
    let mut out = StringViewBuilder::with_capacity(g.offsets.len());
    let mut buffer = String::new();
    for w in g.offsets.windows(2) {
        if w[0] == w[1] {
            out.append_null();
            continue;
        }
        buffer.clear();
        let mut all_null = separators.is_some();
        for i in w[0]..w[1] {
            if i > w[0] {
                match separators {
                    None => buffer.push(','),
                    Some(s) if s.is_valid(i) => buffer.push_str(s.value(i)),
                    Some(_) => {}
                }
            }
            // A separator that is NULL makes the whole NULL.
            all_null &= separators.is_some_and(|s| s.is_null(i));
            buffer.push_str(strings.value(i));
        }
        if all_null {
            out.append_null();
            continue;
        }
        out.try_append_value(&buffer)?;
    }
    Ok(Arc::new(out.finish()))
}

pub(super) const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

/// The order of values; floats by value, intervals by length.
pub(super) fn comparator(array: &ArrayRef) -> Result<DynComparator> {
    Ok(make_comparator(array, array, ASCENDING)?)
}

/// Runs of equal values of a group: the first row of each and how many there are, in order of value.
pub(super) fn runs(range: std::ops::Range<usize>, compare: &DynComparator) -> Vec<(usize, u64)> {
    let mut rows: Vec<usize> = range.collect();
    rows.sort_by(|a, b| compare(*a, *b));
    let mut out: Vec<(usize, u64)> = vec![];
    for row in rows {
        match out.last_mut() {
            Some((first, n)) if compare(*first, row) == Ordering::Equal => *n += 1,
            _ => out.push((row, 1)),
        }
    }
    out
}

fn mode(g: &Grouped, _: &LogicalType) -> Result<ArrayRef> {
    let compare = comparator(&g.columns[0])?;
    let places: UInt32Array = g
        .offsets
        .windows(2)
        .map(|w| {
            // Of equally frequent values the one that came first.
            let best =
                runs(w[0]..w[1], &compare).into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)));
            best.map(|(row, _)| row as u32)
        })
        .collect();
    Ok(arrow_select::take::take(&g.columns[0], &places, None)?)
}

fn entropy(g: &Grouped, _: &LogicalType) -> Result<ArrayRef> {
    let compare = comparator(&g.columns[0])?;
    let values = g.offsets.windows(2).map(|w| {
        let n = (w[1] - w[0]) as f64;
        runs(w[0]..w[1], &compare).iter().map(|(_, c)| *c as f64 / n).map(|p| -p * p.log2()).sum::<f64>()
    });
    Ok(Arc::new(values.map(|v| Some(v + 0.0)).collect::<Float64Array>()))
}

fn histogram(g: &Grouped, ret: &LogicalType) -> Result<ArrayRef> {
    let compare = comparator(&g.columns[0])?;
    let (mut places, mut counts, mut offsets) = (vec![], vec![], vec![0]);
    for w in g.offsets.windows(2) {
        for (row, n) in runs(w[0]..w[1], &compare) {
            places.push(row as u32);
            counts.push(n);
        }
        offsets.push(places.len());
    }
    let keys = arrow_select::take::take(&g.columns[0], &UInt32Array::from(places), None)?;
    map_array(ret, offsets_i32(&offsets)?, keys, Arc::new(UInt64Array::from(counts)), non_empty(&g.offsets))
}

/// The rows of a group in order of column `by`, cut to the number in the last column.
fn top_rows(g: &Grouped, by: usize, max: bool, null_keys: bool) -> Result<(Vec<u32>, Vec<usize>)> {
    let options = SortOptions { descending: max, nulls_first: false };
    let compare = make_comparator(&g.columns[by], &g.columns[by], options)?;
    let counts = g.columns[g.columns.len() - 1].as_primitive::<Int64Type>();
    let nulls = if null_keys { None } else { g.columns[by].logical_nulls() };
    let (mut places, mut offsets) = (vec![], vec![0]);
    for w in g.offsets.windows(2) {
        let mut rows: Vec<usize> =
            (w[0]..w[1]).filter(|i| nulls.as_ref().is_none_or(|n| n.is_valid(*i))).collect();
        rows.sort_by(|a, b| compare(*a, *b));
        if w[0] < w[1] {
            let n = counts.value(w[0]);
            if counts.is_null(w[0]) || !(1..1_000_000).contains(&n) {
                return Err(ExecError::InvalidInput(
                    "Invalid input for arg_min/arg_max: n value must be > 0 and < 1000000".into(),
                ));
            }
            rows.truncate(n as usize);
        }
        places.extend(rows.into_iter().map(|i| i as u32));
        offsets.push(places.len());
    }
    Ok((places, offsets))
}

fn top_list(g: &Grouped, ret: &LogicalType, by: usize, max: bool, null_keys: bool) -> Result<ArrayRef> {
    let (places, offsets) = top_rows(g, by, max, null_keys)?;
    let values = arrow_select::take::take(&g.columns[0], &UInt32Array::from(places), None)?;
    list_array(&item(ret), offsets_i32(&offsets)?, values, non_empty(&g.offsets))
}

/// The `n` least or greatest values, or the values where a key is least or greatest.
pub(super) fn top(value: &LogicalType, key: Option<&LogicalType>, max: bool) -> Chosen {
    let ret = LogicalType::List(Box::new(value.clone()));
    let mut types = vec![value.clone()];
    types.extend(key.cloned());
    types.push(LogicalType::BigInt);
    let finish: Finish = match (key.is_some(), max) {
        (false, false) => |g, r| top_list(g, r, 0, false, false),
        (false, true) => |g, r| top_list(g, r, 0, true, false),
        (true, false) => |g, r| top_list(g, r, 1, false, false),
        (true, true) => |g, r| top_list(g, r, 1, true, false),
    };
    gather(types, ret, true, finish)
}

/// The values where a key is least or greatest, rows without a key last.
pub(super) fn top_with_nulls(value: &LogicalType, key: &LogicalType, max: bool) -> Chosen {
    let ret = LogicalType::List(Box::new(value.clone()));
    let finish: Finish =
        if max { |g, r| top_list(g, r, 1, true, true) } else { |g, r| top_list(g, r, 1, false, true) };
    gather(vec![value.clone(), key.clone(), LogicalType::BigInt], ret, false, finish).ordered()
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    r.add(
        "list",
        &["array_agg"],
        &["(T) -> T[]"],
        "All values as a list, NULLs included",
        "list(x)",
        |args| {
            let [x] = args else { return None };
            let ret = T::List(Box::new(x.ty.clone()));
            Some(gather(vec![x.ty.clone()], ret, false, list).ordered())
        },
    );
    r.add(
        "string_agg",
        &["group_concat", "listagg"],
        &["(ANY) -> VARCHAR", "(ANY, VARCHAR) -> VARCHAR"],
        "All values as text with a separator between them",
        "string_agg(x, ', ')",
        |args| match args {
            [_] => Some(gather(vec![T::Varchar], T::Varchar, true, string_agg).ordered()),
            [_, s] if matches!(s.ty, T::Varchar | T::Null) => {
                Some(gather(vec![T::Varchar, T::Varchar], T::Varchar, true, string_agg).ordered())
            }
            _ => None,
        },
    );
    r.add("mode", &[], &["(T) -> T"], "The most frequent value", "mode(x)", |args| {
        let [x] = args else { return None };
        Some(gather(vec![x.ty.clone()], x.ty.clone(), true, mode).ordered())
    });
    r.add("entropy", &[], &["(ANY) -> DOUBLE"], "Entropy of the values, in bits", "entropy(x)", |args| {
        let [x] = args else { return None };
        Some(gather(vec![x.ty.clone()], T::Double, true, entropy))
    });
    r.add(
        "histogram",
        &[],
        &[
            "(T) -> MAP(T, UBIGINT)",
            "(T, T[]) -> MAP(T, UBIGINT)",
            "(DOUBLE, DOUBLE, DOUBLE, BIGINT) -> INTEGER[]",
        ],
        "How often each value occurs, or each bin is hit, as a map; or how many values fall into so many buckets between two \
         bounds, with those below and above as the first and the last of a list",
        "histogram(x)",
        |args| {
            if args.len() == 4 {
                return super::range_histogram::histogram_of_range(args);
            }
            let [x] = args else { return super::collected::histogram_of_bins(args) };
            let ret = T::Map(Box::new(x.ty.clone()), Box::new(T::UBigInt));
            Some(gather(vec![x.ty.clone()], ret, true, histogram))
        },
    );
}
