//! `json_each` and `json_tree`: the parts of a JSON value as rows.

use std::sync::Arc;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::error::{ExecError, Result};
use crate::exec::json::{elements, find, members, parse_path, unquote};
use crate::exec::source::{Source, TableFunctionArgs};
use crate::sql::sources::RowsBuilder;
use crate::sql::sources::rows::{int, text};

/// The rows of a constant JSON value, from a path on if one is given.
pub fn source(name: &str, args: &TableFunctionArgs) -> Result<Arc<dyn Source>> {
    let wrong =
        || ExecError::InvalidInput(format!("{name} takes a JSON value and, if need be, a path, as texts"));
    let mut rows = RowsBuilder::new(&[
        ("key", T::Varchar),
        ("value", T::Json),
        ("type", T::Varchar),
        ("atom", T::Json),
        ("id", T::UBigInt),
        ("parent", T::UBigInt),
        ("fullkey", T::Varchar),
        ("path", T::Varchar),
    ]);
    let (value, path) = match &args.positional[..] {
        [(value, _)] => (value, None),
        [(value, _), (path, _)] => (value, Some(path)),
        _ => return Err(wrong()),
    };
    if !args.named.is_empty() {
        return Err(wrong());
    }
    if let Scalar::Text(json) = value {
        crate::exec::cast::parse::check_json(json)
            .map_err(|at| ExecError::InvalidInput(format!("Malformed JSON at byte {at} of input: {json}")))?;
        let start = match path {
            None => Some((&**json, "$")),
            Some(Scalar::Text(path)) => {
                let steps = parse_path(path)
                    .ok_or_else(|| ExecError::InvalidInput(format!("JSON path error near '{path}'")))?;
                find(json, &steps).map(|found| (found, &**path))
            }
            Some(Scalar::Null) => None,
            Some(_) => return Err(wrong()),
        };
        if let Some((found, path)) = start {
            let mut walk = Walk { rows: &mut rows, tree: name == "json_tree", next: 0 };
            walk.root(found, path);
        }
    } else if !value.is_null() {
        return Err(wrong());
    }
    rows.finish(name).map(|r| Arc::new(r) as Arc<dyn Source>)
}

struct Walk<'r> {
    rows: &'r mut RowsBuilder,
    tree: bool,
    /// The next number: keys and values are counted, a value before what is in it.
    next: u64,
}

impl Walk<'_> {
    fn root(&mut self, value: &str, path: &str) {
        let id = self.take();
        let scalar = elements(value).is_none() && members(value).is_none();
        if self.tree || scalar {
            self.push(None, value, id, None, path, path);
        }
        self.inside(value, id, path, 0);
    }

    fn take(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn inside(&mut self, value: &str, parent: u64, path: &str, depth: usize) {
        let parts: Vec<(String, String, &str, bool)> = if let Some(all) = members(value) {
            let name = |key: &str| {
                let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
                if plain { format!("{path}.{key}") } else { format!("{path}.\"{key}\"") }
            };
            all.into_iter().map(|(k, v)| (name(&k), k, v, true)).collect()
        } else if let Some(all) = elements(value) {
            all.into_iter()
                .enumerate()
                .map(|(i, v)| (format!("{path}[{i}]"), i.to_string(), v, false))
                .collect()
        } else {
            return;
        };
        for (fullkey, key, value, named) in parts {
            if named {
                self.take();
            }
            let id = self.take();
            if self.tree || depth == 0 {
                let parent = self.tree.then_some(parent);
                self.push(Some(&key), value, id, parent, &fullkey, path);
            }
            self.inside(value, id, &fullkey, depth + 1);
        }
    }

    fn push(
        &mut self,
        key: Option<&str>,
        value: &str,
        id: u64,
        parent: Option<u64>,
        fullkey: &str,
        path: &str,
    ) {
        let value = value.trim();
        let kind = match value.as_bytes().first() {
            Some(b'{') => "OBJECT",
            Some(b'[') => "ARRAY",
            Some(b'"') => "VARCHAR",
            Some(b't' | b'f') => "BOOLEAN",
            Some(b'n') | None => "NULL",
            _ if value.contains(['.', 'e', 'E']) => "DOUBLE",
            Some(b'-') => "BIGINT",
            _ => "UBIGINT",
        };
        debug_assert!(kind != "VARCHAR" || unquote(value).is_some());
        let atom = if matches!(kind, "OBJECT" | "ARRAY" | "NULL") { Scalar::Null } else { text(value) };
        self.rows.push([
            key.map_or(Scalar::Null, text),
            text(value),
            text(kind),
            atom,
            int(id),
            parent.map_or(Scalar::Null, int),
            text(fullkey),
            text(path),
        ]);
    }
}
