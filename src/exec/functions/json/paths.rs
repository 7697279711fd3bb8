//! Functions of JSON that take something out of a value at a path.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, StringViewArray, UInt32Array};
use arrow_buffer::{NullBuffer, OffsetBuffer};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::cast::{self, nested::list_array};
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{
    Cache, Column, Nulls, Str, boolean, list_end, nulls_of, primitive, text, text_list,
};
use crate::exec::functions::registry::{Registry, Resolution, def};
use crate::exec::functions::{ArgInfo, ScalarKernel};
use crate::exec::json;

/// The steps of a path.
fn steps_of(path: &str) -> Result<Vec<json::Step>> {
    json::parse_path(path)
        .ok_or_else(|| ExecError::InvalidInput(format!("JSON path error: malformed path '{path}'")))
}

/// A path to one value by its text, parsed once. What a path with wildcards leads to is a list, so its type must be known.
fn path_of(cache: &Cache<Vec<json::Step>>, p: &str) -> Result<Arc<Vec<json::Step>>> {
    cache.get(p, |p| {
        let steps = steps_of(p)?;
        if steps.iter().any(json::Step::is_wild) {
            return Err(ExecError::InvalidInput(format!(
                "JSON path error: '{p}' has wildcards, which only a single constant path may have"
            )));
        }
        Ok(steps)
    })
}

/// The path that an argument is, if it has wildcards.
fn wild_path(path: &ArgInfo) -> Option<Vec<json::Step>> {
    let Some(Scalar::Text(text)) = &path.literal else { return None };
    json::parse_path(text).filter(|steps| steps.iter().any(json::Step::is_wild))
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
    let wild = wild_path(path);
    let listed = matches!(path.ty, LogicalType::List(_) | LogicalType::Array(..));
    if wild.is_none() && !listed {
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
                let found: Vec<Option<&str>> = if let Some(steps) = &wild {
                    json::find_all(value, steps).into_iter().map(Some).collect()
                } else {
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
            offsets.push(list_end(arrow_array::builder::ArrayBuilder::len(&out))?);
        }
        let nulls = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        let values: ArrayRef = Arc::new(out.finish());
        list_array(&item, OffsetBuffer::new(offsets.into()), values, nulls)
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

/// A function of a JSON value and a path, for a list of paths or a path with wildcards: a list of what it gives for each
/// path or value.
fn over_paths(
    args: &[ArgInfo],
    item: LogicalType,
    one: fn() -> ScalarKernel,
) -> Option<Result<Resolution, String>> {
    let [json, paths] = args else { return None };
    if !matches!(json.ty, LogicalType::Json | LogicalType::Varchar | LogicalType::Null) {
        return None;
    }
    let return_type = LogicalType::List(Box::new(item.clone()));
    let of_one = one();
    if let Some(steps) = wild_path(paths) {
        let kernel = over_values(steps, item, of_one);
        let arg_types = vec![LogicalType::Json, LogicalType::Varchar];
        return Some(Ok(Resolution { arg_types, return_type, kernel }));
    }
    if !matches!(paths.ty, LogicalType::List(_) | LogicalType::Array(..)) {
        return None;
    }
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
            ends.push(list_end(values.len())?);
        }
        let count = values.len();
        let columns = [
            arrow_select::take::take(&args[0], &UInt32Array::from(values), None)?,
            arrow_select::take::take(lists.values(), &UInt32Array::from(wanted), None)?,
        ];
        let found = of_one(&columns, &item, count, ctx)?;
        let nulls = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        list_array(&item, OffsetBuffer::new(ends.into()), found, nulls)
    });
    let list = LogicalType::List(Box::new(LogicalType::Varchar));
    Some(Ok(Resolution { arg_types: vec![LogicalType::Json, list], return_type, kernel }))
}

/// What a function of a JSON value and a path gives for each value that a path leads to.
fn over_values(steps: Vec<json::Step>, item: LogicalType, of_one: ScalarKernel) -> ScalarKernel {
    Box::new(move |args, _, rows, ctx| {
        let texts = args[0].as_string_view();
        let mut found = StringViewBuilder::new();
        let (mut count, mut ends, mut valid) = (0, vec![0], Vec::with_capacity(rows));
        for row in 0..rows {
            let at = if texts.len() == rows { row } else { 0 };
            valid.push(texts.is_valid(at));
            if texts.is_valid(at) {
                for value in json::find_all(texts.value(at), &steps) {
                    found.try_append_value(value)?;
                    count += 1;
                }
            }
            ends.push(list_end(count)?);
        }
        let found: ArrayRef = Arc::new(found.finish());
        let whole: ArrayRef = Arc::new(StringViewArray::from(vec!["$"; count]));
        let values = of_one(&[found, whole], &item, count, ctx)?;
        let nulls = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        list_array(&item, OffsetBuffer::new(ends.into()), values, nulls)
    })
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
            ends.push(list_end(count)?);
        }
        let nulls = Some(NullBuffer::from(valid)).filter(|n| n.null_count() > 0);
        let offsets = OffsetBuffer::new(ends.into());
        list_array(&LogicalType::Varchar, offsets, Arc::new(keys.finish()), nulls)
    })
}

/// The items of an array as PostgreSQL writes it: `{a,"b c",1}`.
fn array_items(text: &str) -> Result<Vec<String>> {
    let bad = || ExecError::InvalidInput(format!("malformed array literal: \"{text}\""));
    let inner = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or_else(bad)?;
    let (mut items, mut item, mut quoted) = (vec![], String::new(), false);
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => item.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => items.push(std::mem::take(&mut item)),
            c if c.is_whitespace() && !quoted && item.is_empty() => {}
            c => item.push(c),
        }
    }
    if quoted {
        return Err(bad());
    }
    if !inner.trim().is_empty() {
        items.push(item);
    }
    Ok(items)
}

/// Follows keys and positions into a value, and writes what is there; false if nothing is.
fn follow<S: AsRef<str>>(value: &str, steps: &[S], as_text: bool, out: &mut String) -> bool {
    let mut found = value;
    for step in steps {
        let step = step.as_ref();
        let from_end = step.parse().ok().filter(|i: &i64| *i < 0).map(json::Step::Index);
        let next = json::find(found, &[json::Step::Token(step.to_owned())]);
        match next.or_else(|| json::find(found, &[from_end?])) {
            Some(next) => found = next,
            None => return false,
        }
    }
    if as_text {
        return json_as_text(found, out);
    }
    json::compact(found, out);
    true
}

/// `#>` and `#>>` along a list.
fn along_list(as_text: bool) -> ScalarKernel {
    Box::new(move |args, _, rows, _| {
        let (values, lists) = (args[0].as_string_view(), args[1].as_list::<i32>());
        let mut out = StringViewBuilder::new();
        let mut buffer = String::new();
        let place = |a: &dyn Array, row: usize| if a.len() == rows { row } else { 0 };
        for row in 0..rows {
            let (i, j) = (place(values, row), place(lists, row));
            buffer.clear();
            let found = values.is_valid(i) && lists.is_valid(j) && {
                let list = lists.value(j);
                let steps: Option<Vec<&str>> = list.as_string_view().iter().collect();
                steps.is_some_and(|steps| follow(values.value(i), &steps, as_text, &mut buffer))
            };
            if found { out.try_append_value(&buffer)? } else { out.append_null() }
        }
        Ok(Arc::new(out.finish()))
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

pub(super) fn register(r: &mut Registry) {
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
    macro_rules! steps {
        ($name:literal, $what:literal, $ret:expr, $text:literal) => {
            r.add(
                def($name, $what, concat!("'{\"a\": [1, 2]}'::JSON ", $name, " '{a,1}'"))
                    .map(&[T::Json, s.clone()], $ret, |_| {
                        text::<(Str, Str)>(|(j, path), out| Ok(follow(j, &array_items(path)?, $text, out)))
                    })
                    .map(&[T::Json, T::List(Box::new(T::Varchar))], $ret, |_| along_list($text)),
            );
        };
    }
    steps!("#>", "The value at the end of a list of keys and positions, as JSON", T::Json, false);
    steps!("#>>", "The value at the end of a list of keys and positions, as text", s.clone(), true);
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
}
