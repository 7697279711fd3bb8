//! Functions that change a JSON value: set, insert, replace and remove at a path, merge, compare, clean up.

use super::{Value, take};
use crate::column::types::LogicalType as T;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Str, text};
use crate::exec::functions::registry::{P, R, Registry, def};
use crate::exec::json::{Step, parse_path};

/// What is done where a path leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    /// A value that is there is replaced, else it is added.
    Set,
    /// A value that is there stays.
    Insert,
    /// Nothing is added.
    Replace,
}

/// The steps of a path that leads to one place.
fn steps(path: &str) -> Result<Vec<Step>> {
    let steps = parse_path(path)
        .ok_or_else(|| ExecError::InvalidInput(format!("JSON path error: \"{path}\" is no path")))?;
    if steps.iter().any(Step::is_wild) {
        return Err(ExecError::InvalidInput(
            "JSON path wildcards are not supported in JSON modification functions".into(),
        ));
    }
    Ok(steps)
}

impl<'a> Value<'a> {
    fn edit(&mut self, path: &[Step], new: Value<'a>, how: Edit) {
        let Some((step, rest)) = path.split_first() else {
            if how != Edit::Insert {
                *self = new;
            }
            return;
        };
        match self {
            Self::Object(own) => {
                let Some(key) = step.key() else { return };
                match own.iter_mut().find(|(k, _)| k == key) {
                    Some((_, found)) => found.edit(rest, new, how),
                    None if how == Edit::Replace => {}
                    None => own.push((key.to_owned(), Self::along(rest, new))),
                }
            }
            Self::Array(own) => {
                let len = own.len();
                match step.position(len) {
                    Some(at) if at < len => own[at].edit(rest, new, how),
                    // One past the end is a place to add at.
                    Some(at) if at == len && how != Edit::Replace => own.push(Self::along(rest, new)),
                    _ => {}
                }
            }
            Self::Plain(_) | Self::Text(_) => {}
        }
    }

    /// `new` in the objects and arrays that lead to it.
    fn along(path: &[Step], new: Self) -> Self {
        path.iter().rev().fold(new, |inner, step| match step.key() {
            Some(key) => Self::Object(vec![(key.to_owned(), inner)]),
            None => Self::Array(vec![inner]),
        })
    }

    fn remove(&mut self, path: &[Step]) {
        let Some((step, rest)) = path.split_first() else { return };
        match self {
            Self::Object(own) => {
                let found = step.key().and_then(|key| own.iter().position(|(k, _)| k == key));
                let Some(at) = found else { return };
                if rest.is_empty() {
                    own.remove(at);
                } else {
                    own[at].1.remove(rest);
                }
            }
            Self::Array(own) => {
                let Some(at) = step.position(own.len()).filter(|at| *at < own.len()) else { return };
                if rest.is_empty() {
                    own.remove(at);
                } else {
                    own[at].remove(rest);
                }
            }
            Self::Plain(_) | Self::Text(_) => {}
        }
    }

    /// Without the members of objects that are null.
    fn strip_nulls(&mut self) {
        match self {
            Self::Array(all) => all.iter_mut().for_each(Self::strip_nulls),
            Self::Object(all) => {
                all.retain(|(_, v)| *v != Self::Plain("null"));
                all.iter_mut().for_each(|(_, v)| v.strip_nulls());
            }
            Self::Plain(_) | Self::Text(_) => {}
        }
    }

    /// Members in order of their names, numbers in one spelling.
    fn write_normal(&self, out: &mut String) -> Result<()> {
        match self {
            Self::Plain(number) if number.contains(['.', 'e', 'E']) => match number.parse::<f64>() {
                Ok(v) if v.is_finite() => crate::exec::cast::number_text::write_float(v, out),
                _ => out.push_str(number),
            },
            Self::Plain(_) | Self::Text(_) => self.write(out),
            Self::Array(all) => {
                out.push('[');
                for (i, v) in all.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    v.write_normal(out)?;
                }
                out.push(']');
            }
            Self::Object(all) => {
                let mut sorted: Vec<_> = all.iter().collect();
                sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
                out.push('{');
                for (i, (k, v)) in sorted.into_iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    crate::exec::cast::text::json_string(k, out);
                    out.push(':');
                    v.write_normal(out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }

    /// Like [`Value::patched`], but null changes nothing.
    fn merged(self, over: Self) -> Self {
        match (self, over) {
            (own, Self::Plain("null")) => own,
            (Self::Object(mut own), Self::Object(over)) => {
                for (key, value) in over {
                    if value == Self::Plain("null") {
                        continue;
                    }
                    let merged = match take(&mut own, &key) {
                        Some(before) => before.merged(value),
                        None => value,
                    };
                    own.push((key, merged));
                }
                Self::Object(own)
            }
            (_, over) => over,
        }
    }

    /// The patch that makes `to` of this value.
    fn difference(&self, to: &Self) -> Self {
        let (Self::Object(own), Self::Object(other)) = (self, to) else { return to.clone() };
        let mut patch = vec![];
        for (key, _) in own {
            if !other.iter().any(|(k, _)| k == key) {
                patch.push((key.clone(), Self::Plain("null")));
            }
        }
        for (key, value) in other {
            match own.iter().find(|(k, _)| k == key) {
                Some((_, before)) if before == value => {}
                Some((_, before)) => patch.push((key.clone(), before.difference(value))),
                None => patch.push((key.clone(), value.clone())),
            }
        }
        Self::Object(patch)
    }
}

pub(super) fn register(r: &mut Registry) {
    macro_rules! edit {
        ($name:literal, $what:literal, $how:expr) => {
            r.add(def($name, $what, concat!($name, "('{\"a\": 1}', '$.a', '2')")).map(
                &[T::Json, T::Varchar, T::Json],
                T::Json,
                |_| {
                    text::<(Str, Str, Str)>(|(json, path, new), out| {
                        let mut value = Value::parse(json)?;
                        value.edit(&steps(path)?, Value::parse(new)?, $how);
                        value.write(out);
                        Ok(true)
                    })
                },
            ));
        };
    }
    edit!("json_set", "A JSON value with another at a path", Edit::Set);
    edit!("json_insert", "A JSON value with another at a path, if there is none", Edit::Insert);
    edit!("json_replace", "A JSON value with another at a path, if there is one", Edit::Replace);
    r.add(def("json_remove", "A JSON value without what is at a path", "json_remove('[1, 2]', '$[0]')").map(
        &[T::Json, T::Varchar],
        T::Json,
        |_| {
            text::<(Str, Str)>(|(json, path), out| {
                let steps = steps(path)?;
                let mut value = Value::parse(json)?;
                value.remove(&steps);
                value.write(out);
                Ok(!steps.is_empty())
            })
        },
    ));
    r.add(
        def(
            "json_strip_nulls",
            "A JSON value without members that are null",
            "json_strip_nulls('{\"a\": null}')",
        )
        .map(&[T::Json], T::Json, |_| {
            text::<(Str,)>(|(json,), out| {
                let mut value = Value::parse(json)?;
                value.strip_nulls();
                value.write(out);
                Ok(true)
            })
        }),
    );
    r.add(
        def(
            "json_normalize",
            "JSON with members in order of their names and numbers in one spelling",
            "json_normalize('{\"b\": 1e1, \"a\": 2}')",
        )
        .map(&[T::Json], T::Varchar, |_| {
            text::<(Str,)>(|(json,), out| Value::parse(json)?.write_normal(out).map(|()| true))
        }),
    );
    r.add(
        def(
            "json_deep_merge",
            "JSON objects merged, also those in them; null changes nothing",
            "json_deep_merge('{\"a\": {\"b\": 1}}', '{\"a\": {\"c\": 2}}')",
        )
        .variadic([P::T(T::Json), P::T(T::Json)], P::T(T::Json), R::T(T::Json), |_| {
            super::folded(|a, b| a.merged(b))
        }),
    );
    r.add(
        def(
            "json_merge_patch_diff",
            "The patch (RFC 7396) that makes the second JSON value of the first",
            "json_merge_patch_diff('{\"a\": 1}', '{\"a\": 2}')",
        )
        .map(&[T::Json, T::Json], T::Json, |_| {
            text::<(Str, Str)>(|(from, to), out| {
                Value::parse(from)?.difference(&Value::parse(to)?).write(out);
                Ok(true)
            })
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(json: &str, path: &str, how: Edit) -> String {
        let mut value = Value::parse(json).unwrap();
        value.edit(&steps(path).unwrap(), Value::parse("9").unwrap(), how);
        let mut out = String::new();
        value.write(&mut out);
        out
    }

    #[test]
    fn edits() {
        assert_eq!(edited("{\"a\":1}", "$.b.c", Edit::Set), "{\"a\":1,\"b\":{\"c\":9}}");
        assert_eq!(edited("{\"a\":1}", "$.a", Edit::Insert), "{\"a\":1}");
        assert_eq!(edited("{\"a\":1}", "$.b", Edit::Replace), "{\"a\":1}");
        assert_eq!(edited("[1,2]", "$[2]", Edit::Set), "[1,2,9]");
        assert_eq!(edited("[1,2]", "$[3]", Edit::Set), "[1,2]");
        assert_eq!(edited("[1,2]", "$[-1]", Edit::Set), "[1,9]");
        assert_eq!(edited("[1,2]", "$[-3]", Edit::Set), "[1,2]");
        assert_eq!(edited("1", "$", Edit::Set), "9");
        assert!(steps("$.*").is_err());
    }
}
