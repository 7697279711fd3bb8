//! `fluxdb_functions()`: all functions with their signatures, from the tables that also bind them.

use std::sync::Arc;

use arrow_array::{Array, StringViewArray};

use crate::catalog::{MAIN_SCHEMA, MacroKind, Object};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::cast::nested::list_array;
use crate::exec::functions::FunctionInfo;
use crate::io::type_name;
use crate::sql::bind::{BUILTIN_MACROS, Environment};
use crate::sql::bind::{series, series_aggregate};
use crate::sql::session::SYSTEM_DATABASE;
use crate::sql::sources::RowsBuilder;
use crate::sql::sources::bound_functions::{ALIASES, BOUND, TABLES};
use crate::sql::sources::rows::{empty_map, int, tags, text};
use crate::sql::sources::system;

#[derive(Clone)]
struct Listed {
    name: String,
    kind: &'static str,
    subject: &'static str,
    alias_of: Option<String>,
    /// `(A, B) -> C`.
    signatures: Vec<String>,
    description: String,
    example: String,
    volatile: bool,
}

fn from_info(f: FunctionInfo, kind: &'static str) -> Listed {
    let bare = |s: String| s.strip_prefix(f.name).map_or_else(|| s.clone(), str::to_owned);
    Listed {
        name: f.name.to_owned(),
        kind,
        subject: f.subject,
        alias_of: f.alias_of.map(str::to_owned),
        signatures: f.signatures.into_iter().map(bare).collect(),
        description: f.description.to_owned(),
        example: f.example.to_owned(),
        volatile: f.volatile,
    }
}

fn all() -> Vec<Listed> {
    let constant = |kind, subject| {
        move |(name, signatures, description, example): &(&str, &[&str], &str, &str)| Listed {
            name: (*name).to_owned(),
            kind,
            subject,
            alias_of: None,
            signatures: signatures.iter().map(|s| (*s).to_owned()).collect(),
            description: (*description).to_owned(),
            example: (*example).to_owned(),
            volatile: false,
        }
    };
    let mut out: Vec<Listed> =
        crate::exec::functions::catalog().into_iter().map(|f| from_info(f, "scalar")).collect();
    out.extend(BOUND.iter().map(constant("scalar", "General")));
    out.extend(BUILTIN_MACROS.iter().map(|m| Listed {
        name: m.name.to_owned(),
        kind: "macro",
        subject: "General",
        alias_of: None,
        signatures: vec![m.signature.to_owned()],
        description: m.description.to_owned(),
        example: m.example.to_owned(),
        volatile: false,
    }));
    out.extend(crate::exec::aggregates::catalog().into_iter().map(|f| from_info(f, "aggregate")));
    out.extend(series_aggregate::AGGREGATES.iter().map(constant("aggregate", "Aggregates")));
    out.extend(crate::exec::window::catalog().into_iter().map(|f| from_info(f, "window")));
    out.extend(series::WINDOWS.iter().map(constant("window", "Functions over series")));
    out.extend(TABLES.iter().map(constant("table", "Table functions")));
    for name in super::TABLE_FUNCTIONS {
        let Some(what) = name.strip_prefix("duckdb_") else { continue };
        out.push(Listed {
            name: (*name).to_owned(),
            kind: "table",
            subject: "Table functions",
            alias_of: None,
            signatures: vec!["() -> TABLE".into()],
            description: format!("All {}, with the columns of DuckDB's listing", what.replace('_', " ")),
            example: format!("FROM {name}()"),
            volatile: false,
        });
    }
    for (alias, of) in ALIASES {
        let named: Vec<Listed> = out.iter().filter(|f| f.name == *of).cloned().collect();
        out.extend(named.into_iter().map(|f| Listed {
            name: (*alias).to_owned(),
            alias_of: Some((*of).to_owned()),
            ..f
        }));
    }
    out.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    out
}

/// The names of all functions that may be called.
pub fn function_names() -> Vec<String> {
    let mut names: Vec<String> = all().into_iter().map(|f| f.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The parts between commas outside brackets.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, vec![]);
    for (i, c) in list.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(list[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    if !list[start..].trim().is_empty() {
        parts.push(list[start..].trim());
    }
    parts
}

fn texts(values: &[&str]) -> Scalar {
    optional_texts(&values.iter().map(|v| Some(*v)).collect::<Vec<_>>())
}

/// The name that a type goes by, however it was written; that of a type of CREATE TYPE is as it was written.
fn name_of_type(written: &str) -> String {
    type_name::parse(written).map_or_else(|_| written.to_owned(), |ty| ty.to_string())
}

fn optional_texts(values: &[Option<&str>]) -> Scalar {
    let values: StringViewArray = values.iter().copied().collect();
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([values.len()]);
    list_array(&T::Varchar, offsets, Arc::new(values), None).map_or(Scalar::Null, Scalar::Nested)
}

/// A signature, cut into what the listings show of it.
struct Signature<'s> {
    types: Vec<&'s str>,
    varargs: Option<&'s str>,
    returns: &'s str,
}

impl<'s> Signature<'s> {
    fn of(signature: &'s str) -> Self {
        let (params, returns) = signature.rsplit_once(" -> ").unwrap_or((signature, "ANY"));
        let inner = params.strip_prefix('(').and_then(|p| p.strip_suffix(')')).unwrap_or(params);
        let mut types = split(inner);
        let varargs = types.last().and_then(|t| t.strip_suffix("..."));
        if varargs.is_some() {
            types.pop();
        }
        Self { types, varargs, returns }
    }

    /// Names for the parameters, which have none.
    fn names(&self) -> Scalar {
        let names: Vec<String> = (0..self.types.len()).map(|i| format!("col{i}")).collect();
        texts(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

fn stability(volatile: bool) -> Scalar {
    text(if volatile { "VOLATILE" } else { "CONSISTENT" })
}

/// The rows, one for each signature.
pub(super) fn functions() -> RowsBuilder {
    let list = T::List(Box::new(T::Varchar));
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("schema_name", T::Varchar),
        ("function_name", T::Varchar),
        ("alias_of", T::Varchar),
        ("function_type", T::Varchar),
        ("subject", T::Varchar),
        ("description", T::Varchar),
        ("return_type", T::Varchar),
        ("parameters", list.clone()),
        ("parameter_types", list.clone()),
        ("varargs", T::Varchar),
        ("has_side_effects", T::Boolean),
        ("internal", T::Boolean),
        ("examples", list),
        ("stability", T::Varchar),
    ]);
    for f in all() {
        for signature in f.signatures.iter().map(|s| Signature::of(s)) {
            rows.push([
                text(SYSTEM_DATABASE),
                text(MAIN_SCHEMA),
                text(&f.name),
                f.alias_of.as_deref().map_or(Scalar::Null, text),
                text(f.kind),
                text(f.subject),
                text(&f.description),
                text(signature.returns),
                signature.names(),
                texts(&signature.types),
                signature.varargs.map_or(Scalar::Null, text),
                Scalar::Boolean(f.volatile),
                Scalar::Boolean(true),
                texts(&[&f.example]),
                stability(f.volatile),
            ]);
        }
    }
    rows
}

/// The same with the columns of DuckDB's listing, and the macros of all databases.
pub(super) fn duckdb_functions(env: &Environment<'_>) -> RowsBuilder {
    let list = T::List(Box::new(T::Varchar));
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("database_oid", T::Varchar),
        ("schema_name", T::Varchar),
        ("function_name", T::Varchar),
        ("alias_of", T::Varchar),
        ("function_type", T::Varchar),
        ("description", T::Varchar),
        ("comment", T::Varchar),
        ("tags", tags()),
        ("return_type", T::Varchar),
        ("parameters", list.clone()),
        ("parameter_types", list.clone()),
        ("varargs", T::Varchar),
        ("macro_definition", T::Varchar),
        ("has_side_effects", T::Boolean),
        ("internal", T::Boolean),
        ("extension_name", T::Varchar),
        ("function_oid", T::BigInt),
        ("examples", list.clone()),
        ("stability", T::Varchar),
        ("categories", list),
    ]);
    for (number, f) in all().iter().enumerate() {
        for signature in f.signatures.iter().map(|s| Signature::of(s)) {
            let body = BUILTIN_MACROS
                .iter()
                .find(|m| f.kind == "macro" && m.name == f.name && m.example == f.example);
            rows.push([
                text(SYSTEM_DATABASE),
                text("0"),
                text(MAIN_SCHEMA),
                text(&f.name),
                f.alias_of.as_deref().map_or(Scalar::Null, text),
                text(f.kind),
                text(&f.description),
                Scalar::Null,
                empty_map(),
                text(signature.returns),
                signature.names(),
                texts(&signature.types),
                signature.varargs.map_or(Scalar::Null, text),
                body.map_or(Scalar::Null, |m| text(m.body)),
                Scalar::Boolean(f.volatile),
                Scalar::Boolean(true),
                Scalar::Null,
                int(number as u64),
                texts(&[&f.example]),
                stability(f.volatile),
                texts(&[f.subject]),
            ]);
        }
    }
    for listed in system::Listed::all(env) {
        for (schema, object) in listed.macros() {
            let Object::Macro(definition) = object else { continue };
            for overload in &definition.overloads {
                let names: Vec<&str> = overload.parameters.iter().map(|p| &*p.name).collect();
                let types: Vec<Option<String>> =
                    overload.parameters.iter().map(|p| p.ty.as_deref().map(name_of_type)).collect();
                let types: Vec<Option<&str>> = types.iter().map(Option::as_deref).collect();
                let oid = match listed.oid() {
                    Scalar::Int(oid) => text(&oid.to_string()),
                    other => other,
                };
                rows.push([
                    text(listed.view.name()),
                    oid,
                    text(&schema.definition().name),
                    text(&definition.name),
                    Scalar::Null,
                    text(if definition.kind == MacroKind::Table { "table_macro" } else { "macro" }),
                    Scalar::Null,
                    definition.comment.as_deref().map_or(Scalar::Null, text),
                    empty_map(),
                    Scalar::Null,
                    texts(&names),
                    optional_texts(&types),
                    Scalar::Null,
                    text(&overload.body),
                    Scalar::Null,
                    Scalar::Boolean(false),
                    Scalar::Null,
                    listed.object_oid(definition.id.0),
                    texts(&[]),
                    Scalar::Null,
                    texts(&[]),
                ]);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::bind::own_functions;

    #[test]
    fn every_function_that_can_be_called_is_listed() {
        let listed = function_names();
        let tables = crate::io::TABLE_FUNCTIONS.iter().chain(crate::sql::sources::TABLE_FUNCTIONS);
        let missing: Vec<&str> = tables
            .copied()
            .chain(own_functions())
            .filter(|name| listed.binary_search_by(|l| l.as_str().cmp(name)).is_err())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        for (alias, of) in ALIASES {
            assert!(all().iter().any(|f| f.name == *alias && f.alias_of.as_deref() == Some(of)), "{alias}");
        }
    }
}
