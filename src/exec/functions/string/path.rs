//! Paths of files, taken apart and put together.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, BooleanArray, StringViewArray};
use arrow_schema::DataType;

use super::encode::url_encode;
use crate::column::types::LogicalType;
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::kernel::{Bool, Column, Str, slice, text_list};
use crate::exec::functions::registry::{P, R, Registry, def};

/// The name of a directory of rows whose key is NULL.
pub(crate) const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// What may stand between parts where nothing is said of it.
const EITHER: &[char] = &['/', '\\'];

/// The characters between parts, by the name of the option; any other name means either.
fn separators(option: &str) -> &'static [char] {
    match option {
        "system" if cfg!(windows) => EITHER,
        "system" | "forward_slash" => &['/'],
        "backslash" => &['\\'],
        _ => EITHER,
    }
}

fn name<'a>(path: &'a str, trim_extension: bool, between: &[char]) -> &'a str {
    let name = path.rsplit(between).next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((stem, _)) if trim_extension && !stem.is_empty() => stem,
        _ => name,
    }
}

fn hive_component() -> ScalarKernel {
    Box::new(|args, _, rows, _| {
        let (keys, values) = (Column::<Str>::open(args, 0, rows)?, Column::<Str>::open(args, 1, rows)?);
        let is_null = |i: usize, row: usize| args[i].is_null(if args[i].len() == 1 { 0 } else { row });
        let mut out = StringViewBuilder::with_capacity(rows);
        let mut name = String::new();
        for row in 0..rows {
            if is_null(0, row) {
                out.append_null();
                continue;
            }
            name.clear();
            url_encode(keys.get(row), &mut name);
            name.push('=');
            if is_null(1, row) {
                name.push_str(HIVE_NULL);
            } else {
                url_encode(values.get(row), &mut name);
            }
            out.try_append_value(&name)?;
        }
        Ok(Arc::new(out.finish()))
    })
}

/// The first directory.
fn dirname<'a>(path: &'a str, between: &[char]) -> &'a str {
    match path.find(between) {
        Some(0) => &path[..1],
        Some(at) => &path[..at],
        None => "",
    }
}

/// All but the last part.
fn dirpath<'a>(path: &'a str, between: &[char]) -> &'a str {
    path.rfind(between).map_or("", |at| &path[..at])
}

fn parts<'a>(path: &'a str, between: &[char]) -> Vec<&'a str> {
    let root = path.starts_with(between).then(|| &path[..1]);
    root.into_iter().chain(path.split(between).filter(|p| !p.is_empty())).collect()
}

fn one(f: fn(&str) -> &str) -> ScalarKernel {
    slice::<()>(move |s, ()| Ok(Some(f(s))))
}

/// A function of a path whose options may be NULL, which is as if they were not given.
fn optional(function: ScalarKernel) -> ScalarKernel {
    Box::new(move |args, ty, rows, ctx| {
        let given: Vec<ArrayRef> = args
            .iter()
            .enumerate()
            .map(|(i, arg)| match arg.data_type() {
                _ if i == 0 || arg.null_count() == 0 => Arc::clone(arg),
                DataType::Boolean => {
                    let no = arg.as_boolean().iter().map(|v| Some(v.unwrap_or_default()));
                    Arc::new(no.collect::<BooleanArray>())
                }
                _ => {
                    let any = arg.as_string_view().iter().map(|v| Some(v.unwrap_or_default()));
                    Arc::new(any.collect::<StringViewArray>())
                }
            })
            .collect();
        function(&given, ty, rows, ctx)
    })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let s = T::Varchar;
    let list = T::List(Box::new(s.clone()));
    r.add(
        def(
            "parse_filename",
            "The name of the file at the end of a path",
            "parse_filename('path/to/file.csv', true)",
        )
        .sees_nulls()
        .map(&[s.clone()], s.clone(), |_| one(|p| name(p, false, EITHER)))
        .map(&[s.clone(), T::Boolean], s.clone(), |_| {
            optional(slice::<(Bool,)>(|p, (trim,)| Ok(Some(name(p, trim, EITHER)))))
        })
        .map(&[s.clone(), s.clone()], s.clone(), |_| {
            optional(slice::<(Str,)>(|p, (option,)| Ok(Some(name(p, false, separators(option))))))
        })
        .map(&[s.clone(), T::Boolean, s.clone()], s.clone(), |_| {
            optional(slice::<(Bool, Str)>(|p, (trim, option)| Ok(Some(name(p, trim, separators(option))))))
        }),
    );
    r.add(
        def(
            "hive_partition_component",
            "The name of the directory for the files of one value of a column",
            "hive_partition_component('city', 'New York')",
        )
        .sees_nulls()
        .map(&[s.clone(), s.clone()], s.clone(), |_| hive_component()),
    );
    r.add(
        def("parse_dirname", "The first directory of a path", "parse_dirname('path/to/file.csv')")
            .sees_nulls()
            .map(&[s.clone()], s.clone(), |_| one(|p| dirname(p, EITHER)))
            .map(&[s.clone(), s.clone()], s.clone(), |_| {
                optional(slice::<(Str,)>(|p, (option,)| Ok(Some(dirname(p, separators(option))))))
            }),
    );
    r.add(
        def("parse_dirpath", "A path without its last part", "parse_dirpath('path/to/file.csv')")
            .sees_nulls()
            .map(&[s.clone()], s.clone(), |_| one(|p| dirpath(p, EITHER)))
            .map(&[s.clone(), s.clone()], s.clone(), |_| {
                optional(slice::<(Str,)>(|p, (option,)| Ok(Some(dirpath(p, separators(option))))))
            }),
    );
    r.add(
        def("parse_path", "The parts of a path", "parse_path('path/to/file.csv')")
            .sees_nulls()
            .map(&[s.clone()], list.clone(), |_| {
                text_list::<(Str,)>(|(p,), out| {
                    parts(p, EITHER).into_iter().try_for_each(|part| Ok(out.try_append_value(part)?))
                })
            })
            .map(&[s.clone(), s.clone()], list, |_| {
                optional(text_list::<(Str, Str)>(|(p, option), out| {
                    parts(p, separators(option))
                        .into_iter()
                        .try_for_each(|part| Ok(out.try_append_value(part)?))
                }))
            }),
    );
    r.add(
        def("path_join", "The parts of a path, put together", "path_join('path', 'to', 'file.csv')")
            .variadic([P::T(s.clone())], P::T(s.clone()), R::T(s), |_| {
                Box::new(|args, _, rows, _| {
                    use arrow_array::Array;
                    use arrow_array::cast::AsArray;
                    let mut out = arrow_array::builder::StringViewBuilder::with_capacity(rows);
                    let mut path = String::new();
                    for row in 0..rows {
                        path.clear();
                        let mut null = false;
                        for a in args {
                            let a = a.as_string_view();
                            let at = if a.len() == rows { row } else { 0 };
                            if a.is_null(at) {
                                null = true;
                                break;
                            }
                            let part = a.value(at);
                            if part.starts_with('/') {
                                path.clear();
                            } else if !path.is_empty() && !path.ends_with('/') && !part.is_empty() {
                                path.push('/');
                            }
                            path.push_str(part);
                        }
                        match (null, path.is_empty()) {
                            (true, _) => out.append_null(),
                            (_, true) => out.try_append_value(".")?,
                            _ => out.try_append_value(&path)?,
                        }
                    }
                    Ok(std::sync::Arc::new(out.finish()))
                })
            }),
    );
}
