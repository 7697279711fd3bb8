//! Functions of JSON: here those that look at a whole value, or put values together.

mod containment;
mod edit;
mod make;
mod paths;
mod rows;

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;

use super::kernel::{Str, boolean, text};
use super::registry::{P, R, Registry, Resolution, def};
use super::{ArgInfo, ScalarKernel};
use crate::column::scalar::Scalar;
use crate::column::types::{DECIMAL_MAX_WIDTH, LogicalType};
use crate::exec::cast::text::json_string;
use crate::exec::cast::{self, Mode};
use crate::exec::error::{ExecError, Result};
use crate::exec::json::{elements, members, unquote};

/// A JSON value; numbers and words as they are written. Nesting is bounded by what `check_json` lets pass.
#[derive(Debug, Clone, PartialEq)]
enum Value<'a> {
    Plain(&'a str),
    Text(String),
    Array(Vec<Value<'a>>),
    Object(Vec<(String, Value<'a>)>),
}

fn malformed(text: &str) -> ExecError {
    let at = crate::exec::cast::parse::check_json(text).err().unwrap_or_default();
    ExecError::InvalidInput(format!(
        "Malformed JSON at byte {at} of input: {}",
        crate::exec::cast::text::shorten(text)
    ))
}

impl<'a> Value<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        crate::exec::cast::parse::check_json(text).map_err(|_| malformed(text))?;
        Ok(Self::read(text))
    }

    /// Of a text that was checked.
    fn read(text: &'a str) -> Self {
        let text = text.trim();
        if let Some(all) = elements(text) {
            return Self::Array(all.into_iter().map(Self::read).collect());
        }
        if let Some(all) = members(text) {
            return Self::Object(all.into_iter().map(|(k, v)| (k, Self::read(v))).collect());
        }
        match unquote(text) {
            Some(content) => Self::Text(content),
            None => Self::Plain(text),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Plain(v) => out.push_str(v),
            Self::Text(v) => json_string(v, out),
            Self::Array(all) => {
                out.push('[');
                for (i, v) in all.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    v.write(out);
                }
                out.push(']');
            }
            Self::Object(all) => write_object(all, Self::write, out),
        }
    }

    fn pretty(&self, depth: usize, out: &mut String) {
        let line = |depth: usize, out: &mut String| {
            out.push('\n');
            out.extend(std::iter::repeat_n("    ", depth));
        };
        match self {
            Self::Array(all) if !all.is_empty() => {
                out.push('[');
                for (i, v) in all.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    line(depth + 1, out);
                    v.pretty(depth + 1, out);
                }
                line(depth, out);
                out.push(']');
            }
            Self::Object(all) if !all.is_empty() => {
                out.push('{');
                for (i, (k, v)) in all.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    line(depth + 1, out);
                    json_string(k, out);
                    out.push_str(": ");
                    v.pretty(depth + 1, out);
                }
                line(depth, out);
                out.push('}');
            }
            other => other.write(out),
        }
    }

    /// Whether the needle is this value or somewhere in it; an object fits one that has all of its members.
    fn contains(&self, needle: &Value<'_>) -> bool {
        if self.fits(needle) {
            return true;
        }
        match self {
            Self::Array(all) => all.iter().any(|v| v.contains(needle)),
            Self::Object(all) => all.iter().any(|(_, v)| v.contains(needle)),
            _ => false,
        }
    }

    fn fits(&self, needle: &Value<'_>) -> bool {
        match (self, needle) {
            (Self::Object(own), Value::Object(wanted)) => {
                wanted.iter().all(|(k, v)| own.iter().any(|(name, value)| name == k && value.fits(v)))
            }
            (Self::Array(own), Value::Array(wanted)) => wanted.iter().all(|w| own.iter().any(|v| v.fits(w))),
            (Self::Plain(a), Value::Plain(b)) => a == b,
            (Self::Text(a), Value::Text(b)) => a == b,
            _ => false,
        }
    }

    /// RFC 7396: members of the patch replace those of the same name; `null` removes. Those that the patch does not name come
    /// first.
    fn patched(self, patch: Self) -> Self {
        let Self::Object(changes) = patch else { return patch };
        let mut own = if let Self::Object(own) = self { own } else { vec![] };
        for (key, change) in changes {
            let before = take(&mut own, &key).unwrap_or(Self::Plain("null"));
            if change != Self::Plain("null") {
                own.push((key, before.patched(change)));
            }
        }
        Self::Object(own)
    }

    fn structure(&self) -> Structure {
        match self {
            Self::Text(_) => Structure::Name("VARCHAR"),
            Self::Plain("null") => Structure::Name("NULL"),
            Self::Plain("true" | "false") => Structure::Name("BOOLEAN"),
            Self::Plain(v) if v.contains(['.', 'e', 'E']) => Structure::Name("DOUBLE"),
            Self::Plain(v) if v.starts_with('-') && v.parse::<i64>().is_ok() => Structure::Name("BIGINT"),
            Self::Plain(v) if v.parse::<u64>().is_err() => Structure::Name("DOUBLE"),
            Self::Plain(_) => Structure::Name("UBIGINT"),
            Self::Array(all) => {
                let item = all.iter().map(Self::structure).reduce(Structure::merged);
                Structure::List(Box::new(item.unwrap_or(Structure::Name("NULL"))))
            }
            Self::Object(all) => {
                let one =
                    |(key, value): &(String, Self)| Structure::Object(vec![(key.clone(), value.structure())]);
                all.iter().map(one).reduce(Structure::merged).unwrap_or(Structure::Object(vec![]))
            }
        }
    }
}

/// Takes the member with a key out of an object.
fn take<'a>(members: &mut Vec<(String, Value<'a>)>, key: &str) -> Option<Value<'a>> {
    let at = members.iter().position(|(k, _)| k == key)?;
    Some(members.remove(at).1)
}

/// The types in a JSON value.
#[derive(Debug, Clone, PartialEq)]
enum Structure {
    Name(&'static str),
    List(Box<Structure>),
    Object(Vec<(String, Structure)>),
}

impl Structure {
    fn merged(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Name("NULL"), other) | (other, Self::Name("NULL")) => other,
            (Self::Name("UBIGINT"), Self::Name("BIGINT")) | (Self::Name("BIGINT"), Self::Name("UBIGINT")) => {
                Self::Name("BIGINT")
            }
            (Self::Name("DOUBLE"), Self::Name("UBIGINT" | "BIGINT"))
            | (Self::Name("UBIGINT" | "BIGINT"), Self::Name("DOUBLE")) => Self::Name("DOUBLE"),
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.merged(*b))),
            (Self::Object(mut a), Self::Object(b)) => {
                for (key, structure) in b {
                    match a.iter().position(|(k, _)| *k == key) {
                        Some(at) => {
                            let before = std::mem::replace(&mut a[at].1, Self::Name("NULL"));
                            a[at].1 = before.merged(structure);
                        }
                        None => a.push((key, structure)),
                    }
                }
                Self::Object(a)
            }
            _ => Self::Name("JSON"),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Name(name) => {
                let _ = write!(out, "\"{name}\"");
            }
            Self::List(item) => {
                out.push('[');
                item.write(out);
                out.push(']');
            }
            // An object without members may have any.
            Self::Object(all) if all.is_empty() => out.push_str("\"JSON\""),
            Self::Object(all) => write_object(all, Self::write, out),
        }
    }
}

/// An object, whose values `write` writes.
fn write_object<K: AsRef<str>, V>(members: &[(K, V)], write: impl Fn(&V, &mut String), out: &mut String) {
    out.push('{');
    for (i, (key, value)) in members.iter().enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        json_string(key.as_ref(), out);
        out.push(':');
        write(value, out);
    }
    out.push('}');
}

/// The type that a structure such as `{"a": ["INTEGER"]}` describes.
fn described(value: &Value<'_>) -> Result<LogicalType, String> {
    match value {
        Value::Text(name) => {
            scalar_type(name).ok_or_else(|| format!("JSON structure: unknown type \"{name}\""))
        }
        Value::Array(items) => match &items[..] {
            [item] => Ok(LogicalType::List(Box::new(described(item)?))),
            _ => Err("JSON structure: an array holds the one type of its elements".into()),
        },
        Value::Object(fields) => {
            let fields: Result<Vec<_>, String> =
                fields.iter().map(|(k, v)| Ok((k.as_str().into(), described(v)?))).collect();
            Ok(LogicalType::Struct(fields?.into()))
        }
        Value::Plain(other) => Err(format!("JSON structure: {other} is no type")),
    }
}

fn scalar_type(name: &str) -> Option<LogicalType> {
    use LogicalType as T;
    let upper = name.trim().to_ascii_uppercase();
    Some(match upper.as_str() {
        "BOOLEAN" | "BOOL" => T::Boolean,
        "TINYINT" => T::TinyInt,
        "SMALLINT" => T::SmallInt,
        "INTEGER" | "INT" => T::Integer,
        "BIGINT" => T::BigInt,
        "HUGEINT" => T::HugeInt,
        "UTINYINT" => T::UTinyInt,
        "USMALLINT" => T::USmallInt,
        "UINTEGER" => T::UInteger,
        "UBIGINT" => T::UBigInt,
        "FLOAT" | "REAL" => T::Float,
        "DOUBLE" => T::Double,
        "VARCHAR" | "TEXT" | "STRING" => T::Varchar,
        "JSON" | "NULL" => T::Json,
        "DATE" => T::Date,
        "TIME" => T::Time,
        "TIMESTAMP" => crate::column::types::TIMESTAMP,
        "UUID" => T::Uuid,
        other => {
            let inner = other.strip_prefix("DECIMAL(")?.strip_suffix(')')?;
            let (width, scale) = inner.split_once(',').unwrap_or((inner, "0"));
            let (width, scale) = (width.trim().parse().ok()?, scale.trim().parse().ok()?);
            if !(1..=DECIMAL_MAX_WIDTH).contains(&width) || scale > width {
                return None;
            }
            T::Decimal { width, scale }
        }
    })
}

/// `json_transform(json, structure)`: a value of the type described; what does not fit is NULL, or an error.
fn transform(args: &[ArgInfo], strict: bool) -> Option<Result<Resolution, String>> {
    let [json, structure] = args else { return None };
    if !matches!(json.ty, LogicalType::Json | LogicalType::Varchar | LogicalType::Null) {
        return None;
    }
    let Some(Scalar::Text(structure)) = &structure.literal else {
        return Some(Err("JSON structure must be a constant!".into()));
    };
    let ty = match Value::parse(structure).map_err(|e| e.to_string()).and_then(|v| described(&v)) {
        Ok(ty) => ty,
        Err(e) => return Some(Err(e)),
    };
    let kernel: ScalarKernel = Box::new(move |args, ty, _, ctx| {
        cast::json::cast(&args[0], ty, Mode { or_null: !strict, zone: &ctx.zone })
    });
    Some(Ok(Resolution { arg_types: vec![LogicalType::Json, LogicalType::Varchar], return_type: ty, kernel }))
}

/// The JSON values of all arguments, put into one from the left. NULL takes the place of what is before it, and what is behind
/// it that of NULL.
fn folded(two: for<'a> fn(Value<'a>, Value<'a>) -> Value<'a>) -> ScalarKernel {
    Box::new(move |args, _, rows, _| {
        let columns: Vec<_> = args.iter().map(AsArray::as_string_view).collect();
        let mut out = StringViewBuilder::with_capacity(rows);
        let mut written = String::new();
        for row in 0..rows {
            let mut all: Option<Value<'_>> = None;
            for column in &columns {
                let at = if column.len() == rows { row } else { 0 };
                all = match all {
                    _ if column.is_null(at) => None,
                    None => Some(Value::parse(column.value(at))?),
                    Some(before) => Some(two(before, Value::parse(column.value(at))?)),
                };
            }
            match all {
                Some(value) => {
                    written.clear();
                    value.write(&mut written);
                    out.try_append_value(&written)?;
                }
                None => out.append_null(),
            }
        }
        Ok(Arc::new(out.finish()))
    })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    paths::register(r);
    make::register(r);
    edit::register(r);
    containment::register(r);
    r.add(
        def("json_contains", "Whether a JSON value contains another", "json_contains('{\"a\": 1}', '1')")
            .map(&[T::Json, T::Json], T::Boolean, |_| {
                boolean::<(Str, Str)>(|(a, b)| Ok(Some(Value::parse(a)?.contains(&Value::parse(b)?))))
            }),
    );
    r.add(
        def(
            "json_merge_patch",
            "A JSON value with another merged into it (RFC 7396)",
            "json_merge_patch('{\"a\": 1}', '{\"b\": 2}')",
        )
        .variadic([P::T(T::Json), P::T(T::Json)], P::T(T::Json), R::T(T::Json), |_| {
            folded(|a, b| a.patched(b))
        }),
    );
    r.add(def("json_structure", "The types in a JSON value, as JSON", "json_structure('{\"a\": [1]}')").map(
        &[T::Json],
        T::Json,
        |_| {
            text::<(Str,)>(|(j,), out| {
                Value::parse(j)?.structure().write(out);
                Ok(true)
            })
        },
    ));
    r.add(def("json_pretty", "JSON on several lines", "json_pretty('{\"a\": [1]}')").map(
        &[T::Json],
        T::Varchar,
        |_| {
            text::<(Str,)>(|(j,), out| {
                Value::parse(j)?.pretty(0, out);
                Ok(true)
            })
        },
    ));
    rows::register(r);
    const SIGNATURES: &[&str] = &["(JSON, VARCHAR) -> ANY"];
    r.add(
        def(
            "json_transform",
            "A JSON value as the type that a structure describes; NULL where it does not fit",
            "json_transform('{\"a\": 1}', '{\"a\": \"INTEGER\"}')",
        )
        .aliases(&["from_json"])
        .custom(SIGNATURES, |args| transform(args, false)),
    );
    r.add(
        def(
            "json_transform_strict",
            "A JSON value as the type that a structure describes",
            "json_transform_strict('{\"a\": 1}', '{\"a\": \"INTEGER\"}')",
        )
        .aliases(&["from_json_strict"])
        .custom(SIGNATURES, |args| transform(args, true)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(v: &Value<'_>) -> String {
        let mut out = String::new();
        v.write(&mut out);
        out
    }

    #[test]
    fn values() {
        let v = |s| Value::parse(s).unwrap();
        assert_eq!(show(&v("{\"a\" : [1, \"x\\n\", null]}")), "{\"a\":[1,\"x\\n\",null]}");
        assert_eq!(
            show(&v("{\"a\":{\"b\":1}}").patched(v("{\"a\":{\"c\":2},\"d\":null}"))),
            "{\"a\":{\"b\":1,\"c\":2}}"
        );
        assert!(v("{\"a\":{\"b\":1,\"c\":2}}").contains(&v("{\"b\":1}")));
        assert!(!v("[1]").contains(&v("2")));
        assert!(Value::parse("{").is_err());
        let mut out = String::new();
        v("[{\"a\":1},{\"b\":-2.5}]").structure().write(&mut out);
        assert_eq!(out, "[{\"a\":\"UBIGINT\",\"b\":\"DOUBLE\"}]");
    }
}
