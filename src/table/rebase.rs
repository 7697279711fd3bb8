//! Commits on top of what others have committed since a transaction began.
//!
//! Rows that were added go behind those of others. Rows that were deleted must be there still, in the row groups where
//! the transaction saw them: whoever deletes a row first wins. What was concluded from other rows, such as that a key is
//! unique, holds only where nobody has changed the tables that this is about.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::catalog::{ConstraintKind, TableDefinition, TableId};
use crate::table::data::{Delta, Group, TableData};
use crate::table::deletes::DeleteVector;
use crate::table::error::{Result, TableError};
use crate::table::snapshot::Snapshot;

/// The changes of a transaction that began with `base`, as changes of `current`, whose definitions of the tables that
/// they are about are the same.
pub(super) fn rebase(
    base: &Snapshot,
    current: &Snapshot,
    changes: BTreeMap<TableId, Delta>,
) -> Result<BTreeMap<TableId, Delta>> {
    let is_same = |id: &TableId| match (base.tables.get(id), current.tables.get(id)) {
        (None, None) => true,
        (Some(before), Some(now)) => Arc::ptr_eq(before, now),
        _ => false,
    };
    let mut rebased = BTreeMap::new();
    for (id, delta) in changes {
        // A table of the transaction itself is nobody else's.
        let Some(definition) = base.catalog.table_by_id(id) else {
            rebased.insert(id, delta);
            continue;
        };
        if let Some(other) = tables_relied_on(current, definition, &delta).iter().find(|id| !is_same(id)) {
            return Err(conflict(current, *other));
        }
        let delta = if is_same(&id) {
            delta
        } else if delta.cleared {
            return Err(conflict(current, id));
        } else {
            move_deletes(base, current, id, delta)?
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

fn groups(snapshot: &Snapshot, data: Option<&Arc<TableData>>) -> Result<Vec<Arc<Group>>> {
    let mut groups = vec![];
    for segment in data.iter().flat_map(|data| &data.segments) {
        groups.extend(segment.groups(&snapshot.pin)?.iter().cloned());
    }
    Ok(groups)
}

/// Finds the row groups of which rows were deleted among those that there are now.
fn move_deletes(base: &Snapshot, current: &Snapshot, id: TableId, mut delta: Delta) -> Result<Delta> {
    if delta.deletes.is_empty() {
        return Ok(delta);
    }
    let before = groups(base, base.tables.get(&id))?;
    let now = groups(current, current.tables.get(&id))?;
    let places: HashMap<_, _> =
        now.iter().enumerate().map(|(place, group)| (group.identity(), place)).collect();
    for (index, vector) in std::mem::take(&mut delta.deletes) {
        let Some(was) = before.get(index) else {
            // One of its own, behind all others.
            delta.deletes.insert(index - before.len() + now.len(), vector);
            continue;
        };
        let Some(&place) = places.get(&was.identity()) else { return Err(conflict(current, id)) };
        let known = was.deletes(&base.pin, id)?;
        let there = now[place].deletes(&current.pin, id)?;
        let united = vector.unite(known.as_deref(), there.as_deref());
        let united = united.ok_or_else(|| conflict(current, id))?;
        delta.deletes.insert(place, Arc::new(united));
    }
    Ok(delta)
}

impl DeleteVector {
    /// The deleted rows of this and of `other`, both of which have those of `before` and more. `None` if they have
    /// another row in common.
    fn unite(&self, before: Option<&Self>, other: Option<&Self>) -> Option<Self> {
        let Some(other) = other else { return Some(self.clone()) };
        let common = self.bits() & other.bits();
        let known = before.map_or(0, |before| before.deleted() as usize);
        (common.count_set_bits() == known).then(|| Self::new(self.bits() | other.bits())).flatten()
    }
}
