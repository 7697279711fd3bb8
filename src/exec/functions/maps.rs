//! Functions that make maps of maps and entries, and look into them by entry and value.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ord::ord::make_comparator;
use arrow_schema::SortOptions;

use super::kernel::list_end;
use super::list::Lists;
use super::registry::{Registry, Resolution, def};
use super::structs::wanted_type;
use super::{ArgInfo, ScalarKernel};
use crate::column::types::LogicalType;
use crate::exec::cast::cast;
use crate::exec::cast::nested::map_array;
use crate::exec::coerce::common_type;
use crate::exec::error::{ExecError, Result};

const OPTIONS: SortOptions = SortOptions { descending: false, nulls_first: false };

fn fixed(message: &str) -> Option<Result<Resolution, String>> {
    Some(Err(message.into()))
}

/// `map_concat(m, …)`: all entries; for a key that comes again the last value.
fn concat(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    if args.len() < 2 {
        return fixed("The provided amount of arguments is incorrect, please provide 2 or more maps");
    }
    let mut ty = LogicalType::Null;
    for arg in args {
        if !matches!(arg.ty, LogicalType::Map(..) | LogicalType::Null) {
            return fixed("MAP_CONCAT only takes map arguments");
        }
        ty = match common_type(&ty, &arg.ty) {
            Some(ty) => ty,
            None => {
                return Some(Err(format!(
                    "'value' type of map differs between arguments, found '{}', expected '{ty}' instead",
                    arg.ty
                )));
            }
        };
    }
    if ty == LogicalType::Null {
        ty = LogicalType::Map(Box::new(LogicalType::Null), Box::new(LogicalType::Null));
    }
    let kernel: ScalarKernel = Box::new(|args, ty, rows, _| {
        let keys: Vec<&dyn Array> = args.iter().map(|a| a.as_map().keys().as_ref()).collect();
        let values: Vec<&dyn Array> = args.iter().map(|a| a.as_map().values().as_ref()).collect();
        let keys = arrow_select::concat::concat(&keys)?;
        let values = arrow_select::concat::concat(&values)?;
        let same = make_comparator(&keys, &keys, OPTIONS)?;
        let (mut key_places, mut value_places): (Vec<u32>, Vec<u32>) = (vec![], vec![]);
        let (mut offsets, mut valid) = (vec![0], Vec::with_capacity(rows));
        for row in 0..rows {
            let (first, mut start, mut any) = (key_places.len(), 0, false);
            for map in args {
                let map = map.as_map();
                let at = if map.len() == rows { row } else { 0 };
                if map.is_valid(at) {
                    any = true;
                    let range = map.value_offsets()[at] as usize..map.value_offsets()[at + 1] as usize;
                    for i in range {
                        let entry = start + i;
                        let known = (first..key_places.len())
                            .find(|k| same(key_places[*k] as usize, entry) == Ordering::Equal);
                        match known {
                            Some(k) => value_places[k] = entry as u32,
                            None => {
                                key_places.push(entry as u32);
                                value_places.push(entry as u32);
                            }
                        }
                    }
                }
                start += map.keys().len();
            }
            valid.push(any);
            offsets.push(list_end(key_places.len())?);
        }
        let keys = arrow_select::take::take(&keys, &UInt32Array::from(key_places), None)?;
        let values = arrow_select::take::take(&values, &UInt32Array::from(value_places), None)?;
        let nulls = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        map_array(ty, OffsetBuffer::new(offsets.into()), keys, values, nulls)
    });
    Some(Ok(Resolution { arg_types: vec![ty.clone(); args.len()], return_type: ty, kernel }))
}

/// `map_from_entries(list of pairs)`.
fn from_entries(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [arg] = args else { return None };
    let (key, value) = match &arg.ty {
        LogicalType::List(item) | LogicalType::Array(item, _) => match &**item {
            LogicalType::Struct(fields) if fields.len() == 2 => (fields[0].1.clone(), fields[1].1.clone()),
            // An empty list.
            LogicalType::Null => (LogicalType::Null, LogicalType::Null),
            _ => return None,
        },
        LogicalType::Null => (LogicalType::Null, LogicalType::Null),
        _ => return None,
    };
    let pair = LogicalType::Struct([("k".into(), key.clone()), ("v".into(), value.clone())].into());
    let kernel: ScalarKernel = Box::new(|args, ty, rows, _| {
        let lists = Lists::open(args, 0, rows)?;
        let pairs = lists.values().as_struct();
        let same = make_comparator(pairs.column(0), pairs.column(0), OPTIONS)?;
        let mut places: Vec<u32> = vec![];
        let (mut offsets, mut valid) = (vec![0], Vec::with_capacity(rows));
        for row in 0..rows {
            valid.push(!lists.is_null(row));
            if !lists.is_null(row) {
                let range = lists.range(row);
                for i in range.clone() {
                    if pairs.is_null(i) || pairs.column(0).is_null(i) {
                        return Err(ExecError::InvalidInput("Map keys can not be NULL.".into()));
                    }
                    if (range.start..i).any(|j| same(i, j) == Ordering::Equal) {
                        return Err(ExecError::InvalidInput("Map keys must be unique.".into()));
                    }
                }
                places.extend(range.map(|i| i as u32));
            }
            offsets.push(list_end(places.len())?);
        }
        let places = UInt32Array::from(places);
        let keys = arrow_select::take::take(pairs.column(0), &places, None)?;
        let values = arrow_select::take::take(pairs.column(1), &places, None)?;
        let nulls = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        map_array(ty, OffsetBuffer::new(offsets.into()), keys, values, nulls)
    });
    Some(Ok(Resolution {
        arg_types: vec![LogicalType::List(Box::new(pair))],
        return_type: LogicalType::Map(Box::new(key), Box::new(value)),
        kernel,
    }))
}

/// What an entry is looked for by.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Key,
    Value,
    Both,
}

/// Whether a map has an entry: NULL is in no map, but a part of an entry may be NULL.
fn contains(args: &[ArgInfo], by: By) -> Option<Result<Resolution, String>> {
    let (map, wanted) = args.split_first()?;
    if wanted.len() != if by == By::Both { 2 } else { 1 } {
        return None;
    }
    let LogicalType::Map(key, value) = &map.ty else { return None };
    let parts = match by {
        By::Key => vec![(**key).clone()],
        By::Value => vec![(**value).clone()],
        By::Both => vec![(**key).clone(), (**value).clone()],
    };
    let types: Vec<LogicalType> =
        parts.iter().zip(wanted).map(|(own, w)| wanted_type(own, w)).collect::<Option<_>>()?;
    let (owns, commons) = (parts, types.clone());
    let kernel: ScalarKernel = Box::new(move |args, _, rows, _| {
        let map = args[0].as_map();
        let columns: Vec<&ArrayRef> = match by {
            By::Key => vec![map.keys()],
            By::Value => vec![map.values()],
            By::Both => vec![map.keys(), map.values()],
        };
        let mut compare = vec![];
        for (i, column) in columns.into_iter().enumerate() {
            let own = cast(column, &owns[i], &commons[i], false)?;
            compare.push(make_comparator(&own, &args[i + 1], OPTIONS)?);
        }
        let unknown = if by == By::Both { None } else { args[1].logical_nulls() };
        let out: BooleanArray = (0..rows)
            .map(|row| {
                let at = |a: &dyn Array| if a.len() == rows { row } else { 0 };
                let m = at(map);
                if map.is_null(m) || unknown.as_ref().is_some_and(|nulls| nulls.is_null(at(&args[1]))) {
                    return None;
                }
                let mut entries = map.value_offsets()[m] as usize..map.value_offsets()[m + 1] as usize;
                Some(entries.any(|e| {
                    compare.iter().enumerate().all(|(i, c)| c(e, at(&args[i + 1])) == Ordering::Equal)
                }))
            })
            .collect();
        Ok(Arc::new(out))
    });
    let arg_types = std::iter::once(map.ty.clone()).chain(types).collect();
    Some(Ok(Resolution { arg_types, return_type: LogicalType::Boolean, kernel }))
}

pub(super) fn register(r: &mut Registry) {
    r.extend("contains", |d| d.custom(&["(MAP(K, V), K) -> BOOLEAN"], |args| contains(args, By::Key)));
    r.add(
        def(
            "map_concat",
            "The entries of all maps; of a key that comes again the last",
            "map_concat(map {'key1': 10}, map {'key2': 30})",
        )
        .sees_nulls()
        .custom(&["(MAP(K, V)...) -> MAP(K, V)"], concat),
    );
    r.add(
        def("map_from_entries", "A map of a list of pairs", "map_from_entries([{'k': 5, 'v': 'val1'}])")
            .custom(&["(STRUCT(K, V)[]) -> MAP(K, V)"], from_entries),
    );
    r.add(
        def(
            "map_contains_entry",
            "Whether a map has a key with a value",
            "map_contains_entry(map {'k': 1}, 'k', 1)",
        )
        .sees_nulls()
        .custom(&["(MAP(K, V), K, V) -> BOOLEAN"], |args| contains(args, By::Both)),
    );
    r.add(
        def("map_contains", "Whether a map has a key", "map_contains(map {'key': 10}, 'key')")
            .custom(&["(MAP(K, V), K) -> BOOLEAN"], |args| contains(args, By::Key)),
    );
    r.add(
        def("map_contains_value", "Whether a map has a value", "map_contains_value(map {'k': 1}, 1)")
            .custom(&["(MAP(K, V), V) -> BOOLEAN"], |args| contains(args, By::Value)),
    );
}
