//! `json_each` and `json_tree`: the parts of a JSON value as a list of structs, which FROM makes rows of.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{StringViewBuilder, UInt64Builder};
use arrow_array::{ArrayRef, new_null_array};
use arrow_buffer::OffsetBuffer;

use super::paths::json_type;
use crate::column::types::LogicalType;
use crate::exec::cast::nested::{list_array, struct_array};
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::kernel::{Column, Nulls, Str, list_end, nulls_of};
use crate::exec::functions::list::item_type;
use crate::exec::functions::registry::{Make, Registry, def};
use crate::exec::json::{Step, compact, elements, find, members, parse_path, unquote};

/// What is told of each part.
fn row_type() -> LogicalType {
    use LogicalType as T;
    let fields = [
        ("key", T::Varchar),
        ("value", T::Json),
        ("type", T::Varchar),
        ("atom", T::Json),
        ("id", T::UBigInt),
        ("parent", T::UBigInt),
        ("fullkey", T::Varchar),
        ("path", T::Varchar),
    ];
    T::Struct(fields.into_iter().map(|(name, ty)| (name.into(), ty)).collect())
}

/// The parts of one value after another.
struct Walk {
    tree: bool,
    /// The next number: keys and values are counted, a value before what is in it.
    next: u64,
    rows: usize,
    keys: StringViewBuilder,
    values: StringViewBuilder,
    kinds: StringViewBuilder,
    atoms: StringViewBuilder,
    ids: UInt64Builder,
    parents: UInt64Builder,
    full_keys: StringViewBuilder,
    paths: StringViewBuilder,
}

impl Walk {
    fn new(tree: bool) -> Self {
        Self {
            tree,
            next: 0,
            rows: 0,
            keys: StringViewBuilder::new(),
            values: StringViewBuilder::new(),
            kinds: StringViewBuilder::new(),
            atoms: StringViewBuilder::new(),
            ids: UInt64Builder::new(),
            parents: UInt64Builder::new(),
            full_keys: StringViewBuilder::new(),
            paths: StringViewBuilder::new(),
        }
    }

    /// Tells of a value that lies behind `before` others in its document.
    fn root(&mut self, value: &str, path: &str, before: u64) -> Result<()> {
        self.next = before;
        let id = self.take();
        let scalar = elements(value).is_none() && members(value).is_none();
        if self.tree || scalar {
            self.push(None, value, id, None, path, path)?;
        }
        self.inside(value, id, path, 0)
    }

    fn take(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn inside(&mut self, value: &str, parent: u64, path: &str, depth: usize) -> Result<()> {
        let parts: Vec<(String, String, &str, bool)> = if let Some(all) = members(value) {
            all.into_iter().map(|(k, v)| (format!("{path}.{}", written_key(&k)), k, v, true)).collect()
        } else if let Some(all) = elements(value) {
            all.into_iter()
                .enumerate()
                .map(|(i, v)| (format!("{path}[{i}]"), i.to_string(), v, false))
                .collect()
        } else {
            return Ok(());
        };
        for (full_key, key, value, named) in parts {
            if named {
                self.take();
            }
            let id = self.take();
            if self.tree || depth == 0 {
                let parent = self.tree.then_some(parent);
                self.push(Some(&key), value, id, parent, &full_key, path)?;
            }
            self.inside(value, id, &full_key, depth + 1)?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        key: Option<&str>,
        value: &str,
        id: u64,
        parent: Option<u64>,
        full_key: &str,
        path: &str,
    ) -> Result<()> {
        let value = value.trim();
        let kind = json_type(value);
        let mut written = String::new();
        compact(value, &mut written);
        debug_assert!(kind != "VARCHAR" || unquote(value).is_some());
        self.rows += 1;
        append(&mut self.keys, key)?;
        append(&mut self.values, Some(written.as_str()))?;
        append(&mut self.kinds, Some(kind))?;
        append(&mut self.atoms, (!matches!(kind, "OBJECT" | "ARRAY" | "NULL")).then_some(written.as_str()))?;
        self.ids.append_value(id);
        self.parents.append_option(parent);
        append(&mut self.full_keys, Some(full_key))?;
        append(&mut self.paths, Some(path))
    }

    fn finish(mut self, ty: &LogicalType) -> Result<ArrayRef> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.keys.finish()),
            Arc::new(self.values.finish()),
            Arc::new(self.kinds.finish()),
            Arc::new(self.atoms.finish()),
            Arc::new(self.ids.finish()),
            Arc::new(self.parents.finish()),
            Arc::new(self.full_keys.finish()),
            Arc::new(self.paths.finish()),
        ];
        struct_array(ty, columns, None, self.rows)
    }
}

/// A key as it is written in a path: in quotes unless it is a letter with letters, digits and `_` behind it, as in SQLite.
fn written_key(key: &str) -> Cow<'_, str> {
    let plain = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain {
        return Cow::Borrowed(key);
    }
    Cow::Owned(format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn append(to: &mut StringViewBuilder, text: Option<&str>) -> Result<()> {
    match text {
        Some(text) => to.try_append_value(text)?,
        None => to.append_null(),
    }
    Ok(())
}

/// How many keys and values a value has in it, itself among them.
fn count(value: &str) -> u64 {
    match (members(value), elements(value)) {
        (Some(all), _) => 1 + all.iter().map(|(_, v)| 1 + count(v)).sum::<u64>(),
        (_, Some(all)) => 1 + all.iter().map(|v| count(v)).sum::<u64>(),
        _ => 1,
    }
}

/// How many keys and values of a document lie before the value that a path leads to.
fn before(document: &str, path: &[Step]) -> u64 {
    let Some((first, rest)) = path.split_first() else { return 0 };
    let Some(next) = find(document, std::slice::from_ref(first)) else { return 0 };
    let passed: u64 = match (first.key(), members(document), elements(document)) {
        (Some(key), Some(all), _) => {
            1 + all.iter().take_while(|(k, _)| k != key).map(|(_, v)| 1 + count(v)).sum::<u64>()
        }
        (_, _, Some(all)) => all.iter().take(first.position(all.len()).unwrap_or(0)).map(|v| count(v)).sum(),
        _ => return 0,
    };
    1 + passed + before(next, rest)
}

fn kernel(tree: bool) -> ScalarKernel {
    Box::new(move |args, ty, rows, _| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(nulls) => Some(nulls),
        };
        let values = Column::<Str>::open(args, 0, rows)?;
        let paths = if args.len() > 1 { Some(Column::<Str>::open(args, 1, rows)?) } else { None };
        let mut walk = Walk::new(tree);
        let mut offsets = vec![0i32];
        for row in 0..rows {
            if nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
                let value = values.get(row);
                match &paths {
                    None => walk.root(value, "$", 0)?,
                    Some(paths) => {
                        let path = paths.get(row);
                        let steps = steps(path)?;
                        if let Some(found) = find(value, &steps) {
                            walk.root(found, path, before(value, &steps))?;
                        }
                    }
                }
            }
            offsets.push(list_end(walk.rows)?);
        }
        let item = item_type(ty);
        let parts = walk.finish(&item)?;
        list_array(&item, OffsetBuffer::new(offsets.into()), parts, nulls)
    })
}

fn steps(path: &str) -> Result<Vec<Step>> {
    parse_path(path).ok_or_else(|| ExecError::InvalidInput(format!("JSON path error near '{path}'")))
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let rows = T::List(Box::new(row_type()));
    let each: Make = |_| kernel(false);
    let tree: Make = |_| kernel(true);
    for (name, description, example, make) in [
        ("json_each", "The members of a JSON value, as structs", "json_each('{\"a\": 1}')", each),
        ("json_tree", "A JSON value and all that is in it, as structs", "json_tree('[1]')", tree),
    ] {
        let d = def(name, description, example).map(&[T::Json], rows.clone(), make);
        r.add(d.map(&[T::Json, T::Varchar], rows.clone(), make));
    }
}
