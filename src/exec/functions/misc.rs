//! What fits nowhere else: types, hashes, identifiers, greatest and least, JSON.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, StringViewArray, UInt32Array, UInt64Array};

use super::kernel::{Cache, Column, Nulls, Str, boolean, nulls_of, primitive, text, text_list};
use super::registry::{CallSite, P, R, Registry, Resolution, def};
use super::{ArgInfo, ScalarKernel};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::cast::{self, text::Writer};
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::{Side, compare};
use crate::exec::expr::CompareOp;
use crate::exec::json;

fn constant_text(s: String) -> ScalarKernel {
    let array: ArrayRef = Arc::new(StringViewArray::from(vec![s]));
    Box::new(move |_, _, _, _| Ok(array.clone()))
}

/// The greatest or least of the arguments that are not NULL.
fn extreme(greatest: bool) -> ScalarKernel {
    Box::new(move |args, _, rows, _| {
        let full =
            |a: &ArrayRef| if a.len() == rows { Ok(a.clone()) } else { crate::exec::eval::repeat(a, rows) };
        let mut best = full(&args[0])?;
        let op = if greatest { CompareOp::Gt } else { CompareOp::Lt };
        for next in &args[1..] {
            let next = full(next)?;
            let side = |array| Side { array, constant: false };
            let wins = compare(op, side(&next), side(&best), rows)?;
            let wins = wins.as_boolean();
            // A value beats NULL, NULL beats nothing.
            let (bn, nn) = (best.logical_nulls(), next.logical_nulls());
            let take_next: arrow_array::BooleanArray = (0..rows)
                .map(|i| {
                    let best_null = bn.as_ref().is_some_and(|n| n.is_null(i));
                    let next_null = nn.as_ref().is_some_and(|n| n.is_null(i));
                    Some(!next_null && (best_null || wins.value(i)))
                })
                .collect();
            best = arrow_select::zip::zip(&take_next, &next, &best)?;
        }
        Ok(best)
    })
}

/// A hash of the text form of all arguments with their types: the same for equal values.
fn hash_kernel(site: &CallSite<'_>) -> ScalarKernel {
    let types = site.types.to_vec();
    Box::new(move |args, _, rows, _| {
        let state = foldhash::quality::FixedState::with_seed(0x666c_7578);
        let writers: Vec<Writer<'_>> =
            args.iter().zip(&types).map(|(a, t)| Writer::new(a, t)).collect::<Result<_>>()?;
        let mut buffer = String::new();
        let values: Vec<u64> = (0..rows)
            .map(|row| {
                let mut hasher = state.build_hasher();
                for (a, w) in args.iter().zip(&writers) {
                    let row = if a.len() == rows { row } else { 0 };
                    buffer.clear();
                    if w.is_null(row) {
                        hasher.write_u8(0);
                    } else {
                        w.write(row, &mut buffer);
                        hasher.write_u8(1);
                        hasher.write(buffer.as_bytes());
                    }
                }
                hasher.finish()
            })
            .collect();
        Ok(Arc::new(UInt64Array::from(values)))
    })
}

/// A path by its text, parsed once.
fn path_of(cache: &Cache<Vec<json::Step>>, p: &str) -> Result<Arc<Vec<json::Step>>> {
    cache.get(p, |p| {
        json::parse_path(p)
            .ok_or_else(|| ExecError::InvalidInput(format!("JSON path error: malformed path '{p}'")))
    })
}

fn json_as_text(value: &str, out: &mut String) -> bool {
    let v = value.trim();
    if v == "null" {
        return false;
    }
    match json::unquote(v) {
        Some(s) => out.push_str(&s),
        None => json::compact(v, out),
    }
    true
}

fn json_get(as_text: bool) -> ScalarKernel {
    let cache = Cache::new();
    text::<(Str, Str)>(move |(j, p), out| {
        Ok(match json::find(j, &path_of(&cache, p)?) {
            None => false,
            Some(v) if as_text => json_as_text(v, out),
            Some(v) => {
                json::compact(v, out);
                true
            }
        })
    })
}

/// A constant path with wildcards, or a list of paths: a list of what they lead to.
fn json_get_many(args: &[ArgInfo], as_text: bool) -> Option<Result<Resolution, String>> {
    let [json, path] = args else { return None };
    if !matches!(json.ty, LogicalType::Json | LogicalType::Varchar | LogicalType::Null) {
        return None;
    }
    let item = if as_text { LogicalType::Varchar } else { LogicalType::Json };
    let wild = match &path.literal {
        Some(Scalar::Text(p)) => {
            json::parse_path(p).is_some_and(|steps| steps.iter().any(json::Step::is_wild))
        }
        _ => false,
    };
    let listed = matches!(path.ty, LogicalType::List(_) | LogicalType::Array(..));
    if !wild && !listed {
        return None;
    }
    let list = LogicalType::List(Box::new(LogicalType::Varchar));
    let path_type = if listed { list } else { LogicalType::Varchar };
    let ret = LogicalType::List(Box::new(item.clone()));
    let kernel: ScalarKernel = Box::new(move |args, _, rows, _| {
        let cache = Cache::new();
        let texts = args[0].as_string_view();
        let mut out = StringViewBuilder::new();
        let (mut offsets, mut valid) = (vec![0i32], Vec::with_capacity(rows));
        let mut buffer = String::new();
        for row in 0..rows {
            let (i, j) =
                (if texts.len() == rows { row } else { 0 }, if args[1].len() == rows { row } else { 0 });
            let ok = texts.is_valid(i) && args[1].is_valid(j);
            valid.push(ok);
            if ok {
                let value = texts.value(i);
                let found: Vec<Option<&str>> = if listed {
                    let paths = args[1].as_list::<i32>().value(j);
                    let paths = paths.as_string_view();
                    (0..paths.len())
                        .map(|p| {
                            if paths.is_null(p) {
                                Ok(None)
                            } else {
                                Ok(json::find(value, &path_of(&cache, paths.value(p))?))
                            }
                        })
                        .collect::<Result<_>>()?
                } else {
                    let steps = path_of(&cache, args[1].as_string_view().value(j))?;
                    json::find_all(value, &steps).into_iter().map(Some).collect()
                };
                for v in found {
                    buffer.clear();
                    let some = match v {
                        None => false,
                        Some(v) if as_text => json_as_text(v, &mut buffer),
                        Some(v) => {
                            json::compact(v, &mut buffer);
                            true
                        }
                    };
                    if some { out.try_append_value(&buffer)? } else { out.append_null() }
                }
            }
            offsets.push(super::kernel::list_end(arrow_array::builder::ArrayBuilder::len(&out))?);
        }
        let nulls = Some(arrow_buffer::NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        let values: ArrayRef = Arc::new(out.finish());
        cast::nested::list_array(&item, arrow_buffer::OffsetBuffer::new(offsets.into()), values, nulls)
    });
    Some(Ok(Resolution { arg_types: vec![LogicalType::Json, path_type], return_type: ret, kernel }))
}

fn json_index(as_text: bool) -> ScalarKernel {
    text::<(Str, Int64Type)>(move |(j, i), out| {
        Ok(match json::find(j, &[json::Step::Index(i)]) {
            None => false,
            Some(v) if as_text => json_as_text(v, out),
            Some(v) => {
                json::compact(v, out);
                true
            }
        })
    })
}

/// A function of a JSON value and a path, for a list of paths: a list of what it gives for each.
fn over_paths(
    args: &[ArgInfo],
    item: LogicalType,
    one: fn() -> ScalarKernel,
) -> Option<Result<Resolution, String>> {
    let [json, paths] = args else { return None };
    let is_json = matches!(json.ty, LogicalType::Json | LogicalType::Varchar | LogicalType::Null);
    if !is_json || !matches!(paths.ty, LogicalType::List(_) | LogicalType::Array(..)) {
        return None;
    }
    let return_type = LogicalType::List(Box::new(item.clone()));
    let of_one = one();
    let kernel: ScalarKernel = Box::new(move |args, _, rows, ctx| {
        let lists = args[1].as_list::<i32>();
        let place = |a: &dyn Array, row: usize| if a.len() == rows { row } else { 0 };
        // Each path beside the value of its row.
        let (mut values, mut wanted) = (vec![], vec![]);
        let (mut ends, mut valid) = (vec![0], Vec::with_capacity(rows));
        for row in 0..rows {
            let (j, p) = (place(&args[0], row), place(lists, row));
            let known = args[0].is_valid(j) && lists.is_valid(p);
            if known {
                let range = lists.value_offsets()[p] as u32..lists.value_offsets()[p + 1] as u32;
                values.extend(range.clone().map(|_| j as u32));
                wanted.extend(range);
            }
            valid.push(known);
            ends.push(super::kernel::list_end(values.len())?);
        }
        let count = values.len();
        let columns = [
            arrow_select::take::take(&args[0], &UInt32Array::from(values), None)?,
            arrow_select::take::take(lists.values(), &UInt32Array::from(wanted), None)?,
        ];
        let found = of_one(&columns, &item, count, ctx)?;
        let nulls = Some(arrow_buffer::NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        cast::nested::list_array(&item, arrow_buffer::OffsetBuffer::new(ends.into()), found, nulls)
    });
    let list = LogicalType::List(Box::new(LogicalType::Varchar));
    Some(Ok(Resolution { arg_types: vec![LogicalType::Json, list], return_type, kernel }))
}

fn value_at_path() -> ScalarKernel {
    let cache = Cache::new();
    text::<(Str, Str)>(move |(j, p), out| {
        let found = json::find(j, &path_of(&cache, p)?).map(str::trim);
        let scalar = found.filter(|v| !v.starts_with(['{', '[']) && *v != "null");
        scalar.into_iter().for_each(|v| out.push_str(v));
        Ok(scalar.is_some())
    })
}

fn exists_at_path() -> ScalarKernel {
    let cache = Cache::new();
    boolean::<(Str, Str)>(move |(j, p)| Ok(Some(json::find(j, &path_of(&cache, p)?).is_some())))
}

fn length_at_path() -> ScalarKernel {
    let cache = Cache::new();
    primitive::<(Str, Str), UInt64Type>(move |(j, p)| {
        let found = json::find(j, &path_of(&cache, p)?);
        Ok(found.map(|v| json::elements(v).map_or(0, |e| e.len() as u64)))
    })
}

fn type_at_path() -> ScalarKernel {
    let cache = Cache::new();
    text::<(Str, Str)>(move |(j, p), out| {
        let found = json::find(j, &path_of(&cache, p)?);
        found.into_iter().for_each(|v| out.push_str(json_type(v)));
        Ok(found.is_some())
    })
}

/// The keys of the object at a path; NULL if there is no value.
fn keys_at_path() -> ScalarKernel {
    let cache = Cache::new();
    Box::new(move |args, ty, rows, _| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(arrow_array::new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let (values, paths) = (Column::<Str>::open(args, 0, rows)?, Column::<Str>::open(args, 1, rows)?);
        let mut keys = StringViewBuilder::new();
        let (mut ends, mut valid) = (vec![0], Vec::with_capacity(rows));
        let mut count = 0;
        for row in 0..rows {
            let known = nulls.as_ref().is_none_or(|n| n.is_valid(row));
            let found =
                if known { json::find(values.get(row), &path_of(&cache, paths.get(row))?) } else { None };
            valid.push(found.is_some());
            for (key, _) in found.and_then(json::members).unwrap_or_default() {
                keys.try_append_value(key)?;
                count += 1;
            }
            ends.push(super::kernel::list_end(count)?);
        }
        let nulls = Some(arrow_buffer::NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        let offsets = arrow_buffer::OffsetBuffer::new(ends.into());
        cast::nested::list_array(&LogicalType::Varchar, offsets, Arc::new(keys.finish()), nulls)
    })
}

/// The name of a JSON value's type.
pub(super) fn json_type(v: &str) -> &'static str {
    let v = v.trim();
    match v.as_bytes().first() {
        Some(b'{') => "OBJECT",
        Some(b'[') => "ARRAY",
        Some(b'"') => "VARCHAR",
        Some(b't' | b'f') => "BOOLEAN",
        None => "NULL",
        Some(b'n') if v == "null" => "NULL",
        _ if v.contains(['.', 'e', 'E']) => "DOUBLE",
        Some(b'-') if v.parse::<i64>().is_ok() => "BIGINT",
        _ if v.parse::<u64>().is_ok() => "UBIGINT",
        _ => "DOUBLE",
    }
}

pub(super) fn register_json(r: &mut Registry) {
    use LogicalType as T;
    let s = T::Varchar;
    macro_rules! getters {
        ($name:literal, [$($alias:literal),*], $what:literal, $example:literal, $ret:expr, $text:literal) => {
            r.add(
                def($name, $what, $example)
                    .aliases(&[$($alias),*])
                    .map(&[T::Json, s.clone()], $ret, |_| json_get($text))
                    .map(&[T::Json, T::BigInt], $ret, |_| json_index($text))
                    .custom(&["(JSON, VARCHAR[]) -> LIST"], |args| json_get_many(args, $text)),
            );
        };
    }
    getters!(
        "json_extract",
        ["->", "json_extract_path"],
        "The value at a path, as JSON",
        "json_extract('{\"a\": 1}', '$.a')",
        T::Json,
        false
    );
    getters!(
        "json_extract_string",
        ["->>", "json_extract_path_text"],
        "The value at a path, as text",
        "json_extract_string('{\"a\": \"x\"}', '$.a')",
        s.clone(),
        true
    );
    r.add(
        def(
            "json_value",
            "The value at a path as JSON, if it is no array and no object",
            "json_value('{\"a\": 1}', '$.a')",
        )
        .map(&[T::Json, s.clone()], s.clone(), |_| value_at_path())
        .map(&[T::Json, T::BigInt], s.clone(), |_| {
            Box::new(|args, ty, rows, ctx| {
                let path = cast::cast(&args[1], &LogicalType::BigInt, &LogicalType::Varchar, false)?;
                let paths = path.as_string_view().iter().map(|p| p.map(|p| format!("$[{p}]")));
                let paths: StringViewArray = paths.collect();
                value_at_path()(&[args[0].clone(), Arc::new(paths)], ty, rows, ctx)
            })
        })
        .custom(&["(JSON, VARCHAR[]) -> VARCHAR[]"], |args| over_paths(args, T::Varchar, value_at_path)),
    );
    r.add(
        def("json_exists", "Whether there is a value at a path", "json_exists('{\"a\": 1}', '$.a')")
            .map(&[T::Json, s.clone()], T::Boolean, |_| exists_at_path())
            .custom(&["(JSON, VARCHAR[]) -> BOOLEAN[]"], |args| over_paths(args, T::Boolean, exists_at_path)),
    );
    r.add(
        def(
            "json_array_length",
            "Number of elements of a JSON array; 0 for another value",
            "json_array_length('[1, 2]')",
        )
        .map(&[T::Json], T::UBigInt, |_| {
            primitive::<(Str,), UInt64Type>(|(j,)| Ok(Some(json::elements(j).map_or(0, |e| e.len() as u64))))
        })
        .map(&[T::Json, s.clone()], T::UBigInt, |_| length_at_path())
        .custom(&["(JSON, VARCHAR[]) -> UBIGINT[]"], |args| over_paths(args, T::UBigInt, length_at_path)),
    );
    r.add(
        def("json_type", "The type of a JSON value", "json_type('{\"a\": 1}')")
            .map(&[T::Json], s.clone(), |_| {
                text::<(Str,)>(|(j,), out| {
                    out.push_str(json_type(j));
                    Ok(true)
                })
            })
            .map(&[T::Json, s.clone()], s.clone(), |_| type_at_path())
            .custom(&["(JSON, VARCHAR[]) -> VARCHAR[]"], |args| over_paths(args, T::Varchar, type_at_path)),
    );
    r.add(
        def("json_keys", "The keys of a JSON object", "json_keys('{\"a\": 1, \"b\": 2}')")
            .map(&[T::Json], T::List(Box::new(s.clone())), |_| {
                text_list::<(Str,)>(|(j,), out| {
                    for (key, _) in json::members(j).unwrap_or_default() {
                        out.try_append_value(key)?;
                    }
                    Ok(())
                })
            })
            .map(&[T::Json, s.clone()], T::List(Box::new(s.clone())), |_| keys_at_path())
            .custom(&["(JSON, VARCHAR[]) -> VARCHAR[][]"], |args| {
                over_paths(args, T::List(Box::new(T::Varchar)), keys_at_path)
            }),
    );
    r.add(def("json_valid", "Whether a text is JSON", "json_valid('{}')").map(
        &[s.clone()],
        T::Boolean,
        |_| boolean::<(Str,)>(|(j,)| Ok(Some(cast::parse::check_json(j).is_ok()))),
    ));
    r.add(def("json", "JSON without blanks", "json('{\"a\" : 1}')").map(&[T::Json], T::Json, |_| {
        text::<(Str,)>(|(j,), out| {
            json::compact(j, out);
            Ok(true)
        })
    }));
    r.add(def("to_json", "Any value as JSON", "to_json([1, 2])").aliases(&["json_quote"]).on(
        [P::Any],
        R::T(T::Json),
        |site| to_json(site.types[0].clone()),
    ));
    r.add(def("array_to_json", "A list as JSON", "array_to_json([1, 2])").custom(
        &["(ANY[]) -> JSON"],
        |args| {
            let is_list = |ty: &T| matches!(ty, T::List(_) | T::Array(..));
            of_kind_to_json(args, is_list, "array_to_json() argument type must be LIST or ARRAY")
        },
    ));
    r.add(def("row_to_json", "A struct as JSON", "row_to_json({'a': 1})").custom(
        &["(STRUCT) -> JSON"],
        |args| {
            let is_struct = |ty: &T| matches!(ty, T::Struct(_));
            of_kind_to_json(args, is_struct, "row_to_json() argument type must be STRUCT")
        },
    ));
    r.add(
        def("json_object", "A JSON object of keys and values", "json_object('duck', 42)")
            .sees_nulls()
            .variadic([], P::Any, R::T(T::Json), |site| json_make(site, true)),
    );
    r.add(def("json_array", "A JSON array of the arguments", "json_array(1, 'x')").sees_nulls().variadic(
        [],
        P::Any,
        R::T(T::Json),
        |site| json_make(site, false),
    ));
}

/// Values as JSON, if their type is of a kind.
fn of_kind_to_json(
    args: &[ArgInfo],
    is_kind: fn(&LogicalType) -> bool,
    otherwise: &str,
) -> Option<Result<Resolution, String>> {
    let [value] = args else { return None };
    let ty = value.ty.clone();
    if ty != LogicalType::Null && !is_kind(&ty) {
        return Some(Err(otherwise.into()));
    }
    let kernel = to_json(ty.clone());
    Some(Ok(Resolution { arg_types: vec![ty], return_type: LogicalType::Json, kernel }))
}

/// Values of a type as JSON.
fn to_json(ty: LogicalType) -> ScalarKernel {
    Box::new(move |args, _, _, ctx| {
        // A text becomes a JSON string; only other casts read it as JSON.
        if ty == LogicalType::Varchar {
            let mut out = StringViewBuilder::with_capacity(args[0].len());
            let mut buffer = String::new();
            for s in args[0].as_string_view() {
                match s {
                    None => out.append_null(),
                    Some(s) => {
                        buffer.clear();
                        cast::text::json_string(s, &mut buffer);
                        out.try_append_value(&buffer)?;
                    }
                }
            }
            return Ok(Arc::new(out.finish()));
        }
        cast::cast_in(&args[0], &ty, &LogicalType::Json, cast::Mode { or_null: false, zone: &ctx.zone })
    })
}

fn json_make(site: &CallSite<'_>, object: bool) -> ScalarKernel {
    let types = site.types.to_vec();
    Box::new(move |args, _, rows, ctx| {
        if object && args.len() % 2 != 0 {
            return Err(ExecError::InvalidInput("json_object() requires an even number of arguments".into()));
        }
        let writers: Vec<Writer<'_>> =
            args.iter().zip(&types).map(|(a, t)| Writer::in_zone(a, t, &ctx.zone)).collect::<Result<_>>()?;
        let mut out = StringViewBuilder::with_capacity(rows);
        let (mut buffer, mut key) = (String::new(), String::new());
        for row in 0..rows {
            buffer.clear();
            buffer.push(if object { '{' } else { '[' });
            for (i, (a, w)) in args.iter().zip(&writers).enumerate() {
                let row = if a.len() == rows { row } else { 0 };
                if object && i % 2 == 0 {
                    if i > 0 {
                        buffer.push(',');
                    }
                    key.clear();
                    if w.is_null(row) {
                        return Err(ExecError::InvalidInput("json_object() keys cannot be NULL".into()));
                    }
                    w.write(row, &mut key);
                    cast::text::json_string(&key, &mut buffer);
                    buffer.push(':');
                } else {
                    if !object && i > 0 {
                        buffer.push(',');
                    }
                    w.write_sql_json(row, &mut buffer);
                }
            }
            buffer.push(if object { '}' } else { ']' });
            out.try_append_value(&buffer)?;
        }
        Ok(Arc::new(out.finish()))
    })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let s = T::Varchar;
    fn type_name(site: &CallSite<'_>, lower: bool) -> ScalarKernel {
        let name = site.types[0].to_string();
        let name = if lower { name.to_lowercase() } else { name };
        let array: ArrayRef = Arc::new(StringViewArray::from(vec![name]));
        Box::new(move |_, _, rows, _| crate::exec::eval::repeat(&array, rows))
    }
    r.add(def("typeof", "The type of the argument", "typeof(1)").sees_nulls().on(
        [P::Any],
        R::T(s.clone()),
        |site| type_name(site, false),
    ));
    r.add(def("pg_typeof", "The type of the argument, in lower case", "pg_typeof(1)").sees_nulls().on(
        [P::Any],
        R::T(s.clone()),
        |site| type_name(site, true),
    ));
    r.add(
        def("greatest", "The greatest of the arguments that are not NULL", "greatest(42, 84)")
            .sees_nulls()
            .variadic([P::Same], P::Same, R::Same, |_| extreme(true)),
    );
    r.add(
        def("least", "The least of the arguments that are not NULL", "least(42, 84)").sees_nulls().variadic(
            [P::Same],
            P::Same,
            R::Same,
            |_| extreme(false),
        ),
    );
    r.add(def("hash", "A hash of the arguments, 64 bits", "hash('🦆')").sees_nulls().variadic(
        [P::Any],
        P::Any,
        R::T(T::UBigInt),
        hash_kernel,
    ));
    r.add(def("error", "Fails with a message", "error('access denied')").volatile().map(
        &[s.clone()],
        T::Null,
        |_| {
            Box::new(|args, ty, rows, _| {
                let messages = args[0].as_string_view();
                match messages.iter().flatten().next() {
                    Some(m) => Err(ExecError::InvalidInput(m.to_owned())),
                    None => Ok(arrow_array::new_null_array(&ty.arrow(), rows)),
                }
            })
        },
    ));
    r.add(
        def("version", "The version of the database engine", "version()")
            .map(&[], s.clone(), |_| constant_text(format!("v{}", env!("CARGO_PKG_VERSION")))),
    );
}
