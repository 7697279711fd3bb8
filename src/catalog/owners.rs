//! Sequences and what they go with.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::catalog::error::{CatalogError, Result};
use crate::catalog::object::{Object, ObjectId};
use crate::catalog::sequence::SequenceDefinition;
use crate::catalog::table::{TableDefinition, TableId};
use crate::catalog::value::{Catalog, described};

impl Catalog {
    /// The sequences that columns of that table own.
    pub fn owned_sequences(&self, table: TableId) -> impl Iterator<Item = &Arc<SequenceDefinition>> {
        self.sequences().filter(move |s| s.owner.is_some_and(|owner| owner.object == table.into()))
    }

    /// The sequences that go with an object.
    pub(super) fn owned_by(&self, owner: ObjectId) -> impl Iterator<Item = ObjectId> + '_ {
        self.sequences().filter(move |s| s.owner.is_some_and(|o| o.object == owner)).map(|s| s.id)
    }

    /// What a sequence goes with, if that is there.
    pub fn owner(&self, object: &Object) -> Option<&Object> {
        match object {
            Object::Sequence(sequence) => self.object_by_id(sequence.owner?.object),
            _ => None,
        }
    }

    /// Fails if the column that is said to own a sequence is not there.
    pub(super) fn check_owner(&self, sequence: &SequenceDefinition) -> Result<()> {
        let Some(owner) = sequence.owner.filter(|owner| owner.column.is_some()) else { return Ok(()) };
        if self.table_by_id(owner.object.into()).is_some_and(|table| owner.is_in(table)) {
            return Ok(());
        }
        Err(CatalogError::Invalid(format!(
            "the sequence \"{}\" is owned by a column that is not there",
            sequence.name
        )))
    }

    /// The sequences that go with the columns which a table loses. Nothing else may need them.
    pub(super) fn lost_sequences(&self, new: &TableDefinition) -> Result<BTreeSet<ObjectId>> {
        let mut lost = BTreeSet::new();
        for sequence in self.owned_sequences(new.id) {
            if sequence.owner.is_some_and(|owner| owner.is_in(new)) {
                continue;
            }
            if let Some(other) = self.dependents(sequence.id).find(|other| other.id() != new.id.into()) {
                let name = sequence.name.to_string();
                let dependent = format!("{} depends on sequence \"{name}\"", described(other));
                return Err(CatalogError::InUse { name, dependent });
            }
            lost.insert(sequence.id);
        }
        Ok(lost)
    }
}

/// Whether an object is a sequence that belongs to a column, which does not need it by that alone.
pub(super) fn is_of_column(object: &Object) -> bool {
    matches!(object, Object::Sequence(s) if s.owner.is_some_and(|owner| owner.column.is_some()))
}
