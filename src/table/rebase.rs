//! Commits on top of what others have committed since a transaction began.
//!
//! Rows that were added go behind those of others. Rows that were deleted must be there still, whatever their numbers
//! are now: whoever deletes a row first wins. What was concluded from other rows, such as that a key is
//! unique, holds only where nobody has changed the tables that this is about.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::{Catalog, ConstraintKind, TableDefinition, TableId};
use crate::table::data::{Delta, TableData};
use crate::table::error::{Result, TableError};
use crate::table::snapshot::Snapshot;

/// The changes of a transaction that began with `base`, as changes of `current`, whose definitions of the tables that
/// they are about are the same. `catalog` has the definitions that there will be.
pub(super) fn rebase(
    base: &Snapshot,
    current: &Snapshot,
    catalog: &Catalog,
    changes: BTreeMap<TableId, Delta>,
) -> Result<BTreeMap<TableId, Delta>> {
    let is_same = |id: &TableId| match (base.tables.get(id), current.tables.get(id)) {
        (None, None) => true,
        (Some(before), Some(now)) => before.version == now.version,
        _ => false,
    };
    // A new constraint or column was made for the rows that were there.
    let redefined = catalog.tables().filter(|table| {
        base.catalog.table_by_id(table.id).is_some_and(|before| !Arc::ptr_eq(before, table))
            && current.catalog.table_by_id(table.id).is_some_and(|now| !Arc::ptr_eq(now, table))
    });
    if let Some(table) = redefined.into_iter().find(|table| !is_same(&table.id)) {
        return Err(conflict(current, table.id));
    }
    let mut rebased = BTreeMap::new();
    for (id, delta) in changes {
        // One that goes takes its changes along.
        let Some(definition) = catalog.table_by_id(id) else {
            rebased.insert(id, delta);
            continue;
        };
        if let Some(other) = tables_relied_on(current, definition, &delta).iter().find(|id| !is_same(id)) {
            return Err(conflict(current, *other));
        }
        let delta = if !delta.cleared {
            move_deletes(base, current, id, delta)?
        } else if is_same(&id) {
            delta
        } else {
            return Err(conflict(current, id));
        };
        rebased.insert(id, delta);
    }
    Ok(rebased)
}

fn conflict(current: &Snapshot, id: TableId) -> TableError {
    let table =
        current.catalog.table_by_id(id).map_or_else(|| id.to_string(), |t| format!("table \"{}\"", t.name));
    TableError::Conflict(table)
}

/// Tables of which the rows were looked at to find that a change of `table` is right.
fn tables_relied_on(snapshot: &Snapshot, table: &TableDefinition, delta: &Delta) -> Vec<TableId> {
    let mut ids = vec![];
    if table.indexes.iter().any(|index| index.unique) {
        ids.push(table.id);
    }
    for constraint in &table.constraints {
        match &constraint.kind {
            ConstraintKind::Unique { .. } => ids.push(table.id),
            ConstraintKind::ForeignKey { table: other, .. } => ids.push(*other),
            ConstraintKind::Check { .. } => {}
        }
    }
    if delta.cleared || !delta.deletes.is_empty() {
        ids.extend(snapshot.catalog.referencing(table.id).map(|other| other.id));
    }
    ids
}

fn data(snapshot: &Snapshot, id: TableId) -> Arc<TableData> {
    snapshot.tables.get(&id).cloned().unwrap_or_default()
}

/// Finds the rows that were deleted among those that there are now.
fn move_deletes(base: &Snapshot, current: &Snapshot, id: TableId, mut delta: Delta) -> Result<Delta> {
    let (before, now) = (data(base, id), data(current, id));
    if Arc::ptr_eq(&before, &now) {
        return Ok(delta);
    }
    let shift = |index: usize| index - before.row_groups() + now.row_groups();
    let own = delta.deletes.split_off(&before.row_groups());
    let others = Delta { deletes: std::mem::take(&mut delta.deletes), ..Delta::default() };
    delta.deletes = own.into_iter().map(|(index, vector)| (shift(index), vector)).collect();
    let rows = before.rows_deleted_by(&base.pin, id, &others)?;
    if rows.is_empty() {
        return Ok(delta);
    }
    let rows = before.numbering.follow(&now.numbering, rows).ok_or_else(|| conflict(current, id))?;
    delta.deleted -= rows.len() as u64;
    // Whoever deletes a row first wins.
    if delta.delete(&current.pin, id, &now, &rows)? != rows.len() as u64 {
        return Err(conflict(current, id));
    }
    Ok(delta)
}
