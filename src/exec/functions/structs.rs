//! Functions of structs and maps.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array, UInt64Array, new_null_array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, SortOptions};

use super::kernel::list_end;
use super::list::{Lists, item_type};
use super::registry::{P, R, Registry, Resolution, def};
use super::{ArgInfo, BoundScalar, ScalarFunction, ScalarKernel};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::cast;
use crate::exec::cast::nested::{list_array, map_array, struct_array};
use crate::exec::coerce::common_type;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::repeat;

/// `{'a': 1, …}`, `row(…)` and `struct_pack(a := 1, …)`: the binder knows the names.
pub fn bind_struct_pack(names: &[String], args: &[ArgInfo]) -> BoundScalar {
    let fields: Arc<[(Box<str>, LogicalType)]> =
        names.iter().zip(args).map(|(n, a)| (n.as_str().into(), a.ty.clone())).collect();
    BoundScalar {
        function: Arc::new(ScalarFunction {
            name: "struct_pack",
            strict: false,
            volatile: false,
            kernel: pack_kernel(),
            lambda: None,
        }),
        arg_types: args.iter().map(|a| a.ty.clone()).collect(),
        return_type: LogicalType::Struct(fields),
    }
}

fn pack_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, context| {
        let columns = args
            .iter()
            .map(|a| if a.len() == rows { Ok(a.clone()) } else { repeat(a, rows, context) })
            .collect::<Result<Vec<_>>>()?;
        struct_array(ty, columns, None, rows)
    })
}

/// `struct_extract(s, 'name')` and `s.name`.
fn extract(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [value, key] = args else { return None };
    let LogicalType::Struct(fields) = &value.ty else { return None };
    let at = match &key.literal {
        Some(Scalar::Text(_)) if value.ty.is_tuple() => {
            let message = "struct_extract with a string key cannot be used on an unnamed struct, use a numeric index instead";
            return Some(Err(message.into()));
        }
        Some(Scalar::Int(_)) if !value.ty.is_tuple() => {
            let message = "struct_extract with an integer key can only be used on unnamed structs, use a string key instead";
            return Some(Err(message.into()));
        }
        Some(Scalar::Text(name)) => match fields.iter().position(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(i) => i,
            None => {
                let names: Vec<&str> = fields.iter().map(|(n, _)| &**n).collect();
                return Some(Err(format!(
                    "Could not find key \"{name}\" in struct. Candidate entries: {}",
                    names.join(", ")
                )));
            }
        },
        Some(Scalar::Int(i)) => match usize::try_from(*i - 1).ok().filter(|i| *i < fields.len()) {
            Some(i) => i,
            None => return Some(Err(format!("a struct of {} fields has no field {i}", fields.len()))),
        },
        _ => return Some(Err("struct_extract: the key must be a constant".into())),
    };
    let kernel: ScalarKernel = Box::new(move |args, _, _, _| {
        let s = args[0].as_struct();
        let column = s.column(at);
        match s.nulls().filter(|n| n.null_count() > 0) {
            None => Ok(column.clone()),
            Some(nulls) => {
                let missing = arrow_array::BooleanArray::new(!nulls.inner(), None);
                Ok(arrow_select::nullif::nullif(column, &missing)?)
            }
        }
    });
    let key_type = if key.ty.is_integer() { LogicalType::BigInt } else { LogicalType::Varchar };
    Some(Ok(Resolution {
        arg_types: vec![value.ty.clone(), key_type],
        return_type: fields[at].1.clone(),
        kernel,
    }))
}

/// The type of a map's values.
pub(super) fn map_value_type(types: &[LogicalType]) -> LogicalType {
    match types.first() {
        Some(LogicalType::Map(_, v)) => (**v).clone(),
        _ => LogicalType::Null,
    }
}

fn map_key_type(types: &[LogicalType]) -> LogicalType {
    match types.first() {
        Some(LogicalType::Map(k, _)) => (**k).clone(),
        _ => LogicalType::Null,
    }
}

/// For each row, where in the values the key's value is.
fn find_key(args: &[ArrayRef], types: &[LogicalType], rows: usize) -> Result<Vec<Option<u32>>> {
    let map = args[0].as_map();
    // `map {2: 'x'}[1.5]` finds nothing: both are compared as what they have in common.
    let own = map_key_type(types);
    let common = common_type(&own, &types[1]).unwrap_or_else(|| own.clone());
    let wanted = cast::cast(&args[1], &types[1], &common, false)?;
    let keys = cast::cast(map.keys(), &own, &common, false)?;
    let options = SortOptions { descending: false, nulls_first: false };
    let compare = make_comparator(&keys, &wanted, options)?;
    let offsets = map.value_offsets();
    Ok((0..rows)
        .map(|row| {
            let m = if map.len() == rows { row } else { 0 };
            let k = if wanted.len() == rows { row } else { 0 };
            if map.is_null(m) || wanted.is_null(k) {
                return None;
            }
            (offsets[m]..offsets[m + 1])
                .find(|i| compare(*i as usize, k) == Ordering::Equal)
                .map(|i| i as u32)
        })
        .collect())
}

/// The type by which a key is looked for: that which it has in common with the map's. A literal takes the map's.
pub(super) fn wanted_type(key: &LogicalType, wanted: &ArgInfo) -> Option<LogicalType> {
    match &wanted.literal {
        Some(Scalar::Text(_)) if wanted.ty == LogicalType::Varchar => Some(key.clone()),
        _ => common_type(key, &wanted.ty),
    }
}

/// `map_extract(m, key)`: the key must be one that the map could have.
fn bind_map_extract(args: &[ArgInfo], listed: bool) -> Option<std::result::Result<Resolution, String>> {
    let [map, wanted] = args else { return None };
    let value = match &map.ty {
        LogicalType::Map(key, value) => {
            wanted_type(key, wanted)?;
            (**value).clone()
        }
        LogicalType::Null => LogicalType::Null,
        _ => return None,
    };
    let types = vec![map.ty.clone(), wanted.ty.clone()];
    let return_type = if listed { LogicalType::List(Box::new(value)) } else { value };
    Some(Ok(Resolution { arg_types: types.clone(), return_type, kernel: map_extract(types, listed) }))
}

/// `m[key]`; as a list of one or none where `listed`.
pub(super) fn map_extract(types: Vec<LogicalType>, listed: bool) -> ScalarKernel {
    Box::new(move |args, ty, rows, _| {
        // A map whose keys have no type has none.
        let places = match map_key_type(&types) {
            LogicalType::Null if !listed => return Ok(new_null_array(&ty.arrow(), rows)),
            LogicalType::Null => vec![None; rows],
            _ => find_key(args, &types, rows)?,
        };
        if args[0].data_type() == &DataType::Null {
            return Ok(new_null_array(&ty.arrow(), rows));
        }
        let values = args[0].as_map().values();
        if !listed {
            return Ok(arrow_select::take::take(values, &UInt32Array::from(places), None)?);
        }
        let offsets = OffsetBuffer::from_lengths(places.iter().map(|p| usize::from(p.is_some())));
        let known = |row: usize| args[0].is_valid(if args[0].len() == rows { row } else { 0 });
        let nulls = NullBuffer::from((0..rows).map(known).collect::<Vec<_>>());
        let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
        let found: UInt32Array = places.into_iter().flatten().collect::<Vec<_>>().into();
        let values = arrow_select::take::take(values, &found, None)?;
        list_array(&item_type(ty), offsets, values, nulls)
    })
}

/// `map(keys, values)`.
fn map_kernel() -> ScalarKernel {
    Box::new(|args, ty, rows, _| {
        let (keys, values) = (Lists::open(args, 0, rows)?, Lists::open(args, 1, rows)?);
        let (mut key_places, mut value_places) = (vec![], vec![]);
        let mut offsets = vec![0];
        let mut valid = vec![];
        let same = make_comparator(
            keys.values(),
            keys.values(),
            SortOptions { descending: false, nulls_first: false },
        )?;
        for row in 0..rows {
            let ok = !keys.is_null(row) && !values.is_null(row);
            valid.push(ok);
            if ok {
                let (k, v) = (keys.range(row), values.range(row));
                if k.len() != v.len() {
                    return Err(ExecError::InvalidInput(format!(
                        "The map key list does not align with the map value list: {} keys, {} values",
                        k.len(),
                        v.len()
                    )));
                }
                for i in k.clone() {
                    if keys.values().is_null(i) {
                        return Err(ExecError::InvalidInput("Map keys can not be NULL.".into()));
                    }
                    if (k.start..i).any(|j| same(i, j) == Ordering::Equal) {
                        return Err(ExecError::InvalidInput("Map keys must be unique.".into()));
                    }
                }
                key_places.extend(k.map(|i| i as u32));
                value_places.extend(v.map(|i| i as u32));
            }
            offsets.push(list_end(key_places.len())?);
        }
        let keys = arrow_select::take::take(keys.values(), &UInt32Array::from(key_places), None)?;
        let values = arrow_select::take::take(values.values(), &UInt32Array::from(value_places), None)?;
        let nulls = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        map_array(ty, OffsetBuffer::new(offsets.into()), keys, values, nulls)
    })
}

fn map_type(types: &[LogicalType]) -> LogicalType {
    let item = |i: usize| types.get(i).map_or(LogicalType::Null, item_type);
    LogicalType::Map(Box::new(item(0)), Box::new(item(1)))
}

fn entry_type(types: &[LogicalType]) -> LogicalType {
    let fields = vec![("key".into(), map_key_type(types)), ("value".into(), map_value_type(types))];
    LogicalType::List(Box::new(LogicalType::Struct(fields.into())))
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    r.add(
        def("struct_extract", "The value of a field", "struct_extract({'i': 3}, 'i')")
            .custom(&["(STRUCT, VARCHAR) -> ANY", "(STRUCT, BIGINT) -> ANY"], extract),
    );
    r.extend("array_extract", |d| d.custom(&["(STRUCT, VARCHAR) -> ANY"], extract));
    r.add(def("row", "A struct of the arguments, without names", "row(1, 'a')").sees_nulls().custom(
        &["(ANY...) -> STRUCT"],
        |args| {
            // It would be the struct of no fields, which is another value.
            if args.is_empty() {
                return Some(Err("a tuple of no values is not supported".into()));
            }
            let fields: Arc<[(Box<str>, LogicalType)]> =
                args.iter().map(|a| ("".into(), a.ty.clone())).collect();
            Some(Ok(Resolution {
                arg_types: args.iter().map(|a| a.ty.clone()).collect(),
                return_type: T::Struct(fields),
                kernel: pack_kernel(),
            }))
        },
    ));
    r.add(
        def("map", "A map of a list of keys and a list of values", "map(['key1', 'key2'], [10, 20])")
            .sees_nulls()
            .on([], R::T(T::Map(Box::new(T::Varchar), Box::new(T::Varchar))), |_| {
                Box::new(|_, ty, rows, _| {
                    let LogicalType::Map(k, v) = ty else {
                        return Err(ExecError::Internal("map() returns a map".into()));
                    };
                    let empty = |t: &LogicalType| arrow_array::new_empty_array(&t.arrow());
                    map_array(ty, OffsetBuffer::new_zeroed(rows), empty(k), empty(v), None)
                })
            })
            .on([P::List, P::List], R::Of(map_type), |_| map_kernel()),
    );
    r.add(
        def(
            "element_at",
            "The value of a key, in a list; empty if there is none",
            "element_at(map {'key': 10}, 'key')",
        )
        .aliases(&["map_extract"])
        .custom(&["(MAP(K, V), K) -> V[]"], |args| bind_map_extract(args, true)),
    );
    r.add(
        def(
            "map_extract_value",
            "The value of a key; NULL if there is none",
            "map_extract_value(map {'key': 10}, 'key')",
        )
        .custom(&["(MAP(K, V), K) -> V"], |args| bind_map_extract(args, false)),
    );
    r.add(def("map_keys", "The keys of a map, as a list", "map_keys(map {'key': 10})").on(
        [P::Map],
        R::Of(|t| T::List(Box::new(map_key_type(t)))),
        |_| {
            Box::new(|args, ty, _, _| {
                let m = args[0].as_map();
                list_array(&item_type(ty), m.offsets().clone(), m.keys().clone(), m.nulls().cloned())
            })
        },
    ));
    r.add(def("map_values", "The values of a map, as a list", "map_values(map {'key': 10})").on(
        [P::Map],
        R::Of(|t| T::List(Box::new(map_value_type(t)))),
        |_| {
            Box::new(|args, ty, _, _| {
                let m = args[0].as_map();
                list_array(&item_type(ty), m.offsets().clone(), m.values().clone(), m.nulls().cloned())
            })
        },
    ));
    r.add(
        def(
            "map_entries",
            "The keys and values of a map, as a list of structs",
            "map_entries(map {'key': 10})",
        )
        .on([P::Map], R::Of(entry_type), |_| {
            Box::new(|args, ty, _, _| {
                let m = args[0].as_map();
                let item = item_type(ty);
                let entries =
                    struct_array(&item, vec![m.keys().clone(), m.values().clone()], None, m.keys().len())?;
                list_array(&item, m.offsets().clone(), entries, m.nulls().cloned())
            })
        }),
    );
    r.add(
        def("cardinality", "Number of entries of a map or list", "cardinality(map {'key': 10})")
            .on([P::List], R::T(T::UBigInt), |_| {
                Box::new(|args, _, _, _| {
                    let l = args[0].as_list::<i32>();
                    let lengths: Vec<u64> =
                        l.value_offsets().windows(2).map(|w| (w[1] - w[0]) as u64).collect();
                    Ok(Arc::new(UInt64Array::new(lengths.into(), l.nulls().cloned())))
                })
            })
            .on([P::Map], R::T(T::UBigInt), |_| {
                Box::new(|args, _, _, _| {
                    let m = args[0].as_map();
                    let lengths: Vec<u64> =
                        m.value_offsets().windows(2).map(|w| (w[1] - w[0]) as u64).collect();
                    Ok(Arc::new(UInt64Array::new(lengths.into(), m.nulls().cloned())))
                })
            }),
    );
}
