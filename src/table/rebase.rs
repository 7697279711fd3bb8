//! Commits on top of what others have committed since a transaction began.
//!
//! Rows that were added go behind those of others. Rows that were deleted must be there still, whatever their numbers
//! are now: whoever deletes a row first wins. Keys of added rows are looked for once more: whoever adds a key first
//! wins. What else was concluded from other rows holds only where nobody has changed the tables that this is about.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::{Catalog, ColumnId, ConstraintKind, TableDefinition, TableId};
use crate::table::data::{Delta, TableData};
use crate::table::error::{Result, TableError};
use crate::table::fresh::Content;
use crate::table::keys::Probes;
use crate::table::snapshot::Snapshot;

/// The changes of a transaction that began with `base`, as changes of `current`, whose definitions of the tables that
/// they are about are the same. `catalog` has the definitions that there will be; `redefines`, if they are others than
/// those of `current`.
pub(super) fn rebase(
    base: &Snapshot,
    current: &Snapshot,
    catalog: &Catalog,
    redefines: bool,
    changes: BTreeMap<TableId, Delta>,
) -> Result<BTreeMap<TableId, Delta>> {
    let is_same = |id: &TableId| match (base.tables.get(id), current.tables.get(id)) {
        (None, None) => true,
        (Some(before), Some(now)) => before.version == now.version,
        _ => false,
    };
    // A new constraint or column was made for the rows that were there.
    let mut redefined = catalog.tables().filter(|table| {
        base.catalog.table_by_id(table.id).is_some_and(|before| !Arc::ptr_eq(before, table))
            && current.catalog.table_by_id(table.id).is_some_and(|now| !Arc::ptr_eq(now, table))
    });
    if redefines && let Some(table) = redefined.find(|table| !is_same(&table.id)) {
        return Err(conflict(current, table.id));
    }
    let mut rebased = BTreeMap::new();
    for (id, delta) in changes {
        // One that goes takes its changes along.
        let Some(definition) = catalog.table_by_id(id) else {
            rebased.insert(id, delta);
            continue;
        };
        let by_key = !delta.cleared && is_held(&delta);
        if let Some(other) =
            tables_relied_on(current, definition, &delta, by_key).iter().find(|id| !is_same(id))
        {
            return Err(conflict(current, *other));
        }
        let delta = if !delta.cleared {
            let delta = move_deletes(base, current, id, delta)?;
            if !is_same(&id) {
                check_keys(base, current, definition, &delta)?;
            }
            delta
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

/// Whether all rows that were added are in memory, where their keys can be compared once more.
fn is_held(delta: &Delta) -> bool {
    delta.groups.iter().all(|group| matches!(group.content(), Content::Held(_)))
}

/// Tables of which the rows were looked at to find that a change of `table` is right, but for what is found out again
/// `by_key`.
fn tables_relied_on(
    snapshot: &Snapshot,
    table: &TableDefinition,
    delta: &Delta,
    by_key: bool,
) -> Vec<TableId> {
    let mut ids = vec![];
    if table.indexes.iter().any(|index| index.unique && !(by_key && table.key_of_index(index).is_some())) {
        ids.push(table.id);
    }
    for constraint in &table.constraints {
        match &constraint.kind {
            ConstraintKind::Unique { .. } if by_key => {}
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

/// Whether others have added rows with the keys of those that a change adds: whoever adds a key first wins. Against the
/// rows of `base` they were checked when they were added.
fn check_keys(base: &Snapshot, current: &Snapshot, table: &TableDefinition, delta: &Delta) -> Result<()> {
    let unique = table.unique_keys();
    if unique.is_empty() || delta.groups.is_empty() {
        return Ok(());
    }
    let (before, now) = (base.table(table.id)?, current.table(table.id)?);
    let is_deleted = |row: u64| -> Result<bool> {
        let groups = now.row_groups()?;
        let index = groups.partition_point(|group| group.first_row() <= row) - 1;
        let vector = delta.deletes.get(index);
        Ok(vector.is_some_and(|vector| vector.bits().value((row - groups[index].first_row()) as usize)))
    };
    for rows in delta.rows_added(now.row_group_count())? {
        for key in &unique {
            let column = |id: &ColumnId| {
                let column = rows.columns.iter().find(|(column, _)| column == id);
                column.map(|(_, array)| Arc::clone(array))
            };
            let columns: Option<Vec<_>> = key.iter().map(column).collect();
            let probes = columns.and_then(|columns| Probes::new(&columns));
            let Some(probes) = probes else { return Err(conflict(current, table.id)) };
            for (_, row) in now.find_beyond(Some(&before), key, &probes)? {
                if !is_deleted(row)? {
                    return Err(conflict(current, table.id));
                }
            }
        }
    }
    Ok(())
}

/// Finds the rows that were deleted among those that there are now.
fn move_deletes(base: &Snapshot, current: &Snapshot, id: TableId, mut delta: Delta) -> Result<Delta> {
    if delta.deletes.is_empty() {
        return Ok(delta);
    }
    let (before, now) = (data(base, id), data(current, id));
    if Arc::ptr_eq(&before, &now) {
        return Ok(delta);
    }
    let shift = |index: usize| index - before.row_groups() + now.row_groups();
    let own = delta.deletes.split_off(before.row_groups());
    let others = Delta { deletes: std::mem::take(&mut delta.deletes), ..Delta::default() };
    delta.deletes = own.iter().map(|(index, vector)| (shift(index), Arc::clone(vector))).collect();
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
