//! Aggregates that make a VARIANT of all values: an array of them, or an object.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryViewArray};

use super::gather::{Grouped, gather};
use super::registry::Registry;
use crate::column::types::LogicalType as T;
use crate::exec::cast::variant::{Draft, Tag};
use crate::exec::error::{ExecError, Result};

/// The bytes of a value, also of NULL.
fn value(values: &BinaryViewArray, row: usize) -> &[u8] {
    const NULL: &[u8] = &[Tag::Null as u8];
    if values.is_null(row) { NULL } else { values.value(row) }
}

/// A VARIANT for each group: NULL for one without rows.
fn of_groups(
    g: &Grouped,
    mut make: impl FnMut(std::ops::Range<usize>, &mut Vec<u8>) -> Result<()>,
) -> Result<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(g.offsets.len());
    let mut bytes = vec![];
    for w in g.offsets.windows(2) {
        if w[0] == w[1] {
            out.append_null();
            continue;
        }
        bytes.clear();
        make(w[0]..w[1], &mut bytes)?;
        out.try_append_value(&bytes)?;
    }
    Ok(Arc::new(out.finish()))
}

fn array(g: &Grouped, _: &T) -> Result<ArrayRef> {
    let values = g.columns[0].as_binary_view();
    of_groups(g, |rows, out| {
        let mut draft = Draft::array(out, rows.len())?;
        for row in rows {
            draft.part(|out| {
                out.extend(value(values, row));
                Ok(())
            })?;
        }
        draft.finish()
    })
}

fn object(g: &Grouped, _: &T) -> Result<ArrayRef> {
    let (keys, values) = (g.columns[0].as_string_view(), g.columns[1].as_binary_view());
    of_groups(g, |rows, out| {
        let mut members = BTreeMap::new();
        for row in rows {
            if keys.is_null(row) {
                return Err(ExecError::InvalidInput("variant_group_object key cannot be NULL".into()));
            }
            if members.insert(keys.value(row), row).is_some() {
                let message = format!("variant_group_object contains duplicate key \"{}\"", keys.value(row));
                return Err(ExecError::InvalidInput(message));
            }
        }
        let names: Vec<&str> = members.keys().copied().collect();
        let mut draft = Draft::object(out, &names)?;
        for row in members.values() {
            draft.part(|out| {
                out.extend(value(values, *row));
                Ok(())
            })?;
        }
        draft.finish()
    })
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        "variant_group_array",
        &[],
        &["(ANY) -> VARIANT"],
        "All values as an array",
        "variant_group_array(x)",
        |args| (args.len() == 1).then(|| gather(vec![T::Variant], T::Variant, false, array).ordered()),
    );
    r.add(
        "variant_group_object",
        &[],
        &["(VARCHAR, VARIANT) -> VARIANT"],
        "Keys and values as an object",
        "variant_group_object(k, v)",
        |args| {
            (args.len() == 2)
                .then(|| gather(vec![T::Varchar, T::Variant], T::Variant, false, object).ordered())
        },
    );
}
