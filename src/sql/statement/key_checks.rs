//! Whether the keys of changed rows go together with the other rows: few are looked up, many compared by joins.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_select::concat::concat;

use crate::catalog::{ColumnId, TableDefinition};
use crate::column::scalar::Scalar;
use crate::exec::batch::{Batch, Field};
use crate::exec::error::ExecError;
use crate::exec::functions::flatten;
use crate::exec::memory::Reservation;
use crate::exec::sinks::{Modified, ModifySink};
use crate::exec::source::Source;
use crate::sql::bind::expiry::ttl_column;
use crate::sql::bind::modify::Target;
use crate::sql::bind::modify::cascade::LostKeys;
use crate::sql::bind::modify::keys::{AddedKey, ForeignKey, KeyChecks};
use crate::sql::bind::{Binder, Tables};
use crate::sql::error::Result;
use crate::sql::plan::LogicalPlan;
use crate::sql::session::{Failure, Session};
use crate::sql::sources::StaticRows;
use crate::table::{Probes, TableSnapshot};

/// What can be found out only when the rows are changed.
#[derive(Debug, Default)]
pub struct Consequences {
    /// Keys that are gone, for what refers to them, with the memory that they take.
    pub lost: Vec<(LostKeys, Reservation)>,
    /// Keys that added rows refer to and that were not there before.
    pub references: Vec<Reference>,
}

/// Keys that added rows refer to.
#[derive(Debug)]
pub struct Reference {
    /// The foreign key.
    pub key: ForeignKey,
    /// What they refer to.
    pub added: Arc<dyn Source>,
    /// Whose memory it is.
    pub _memory: Arc<ModifySink>,
}

/// Compares the keys of changed rows with other rows.
pub(super) struct Checker<'s> {
    pub session: &'s Session,
    pub view: &'s dyn Tables,
    pub target: &'s Target,
    /// The ids of removed rows, once they are asked for.
    pub row_ids: Option<Arc<dyn Source>>,
    /// More changes will follow, or have gone before, so that references are to be looked at when all are made.
    pub is_part: bool,
    /// Which has gathered the keys.
    pub sink: Arc<ModifySink>,
    /// References that are to be looked at when all is done.
    pub references: Vec<Reference>,
}

impl Checker<'_> {
    /// What needs no more than the rows as they were and the changes is compared, the rest put by.
    pub fn check(
        &mut self,
        keys: &KeyChecks,
        added: &[Arc<dyn Source>],
        probes: &[Option<Probes>],
        removed: &[Arc<dyn Source>],
        modified: &Modified,
    ) -> Result<(), Failure> {
        let has_rows = |source: &Arc<dyn Source>| source.estimated_rows() != Some(0);
        let all = keys.added.iter().zip(added).zip(probes);
        for ((key, source), probes) in all.filter(|((_, source), _)| has_rows(source)) {
            // Few keys are looked up. Whatever is wrong with them is told by comparing all.
            if let Some(probes) = probes
                && self.is_fine(key, probes, modified)?
            {
                continue;
            }
            match key {
                AddedKey::Unique(key) => {
                    if source.estimated_rows() != Some(1)
                        && let Some(values) = self.first_key(|b| b.keys_twice(Arc::clone(source)))?
                    {
                        let values = values.join(", ");
                        return Err(violated(format!(
                            "PRIMARY KEY or UNIQUE constraint violation: duplicate key \"{values}\""
                        )));
                    }
                    if self.view.table(self.target.table.id)?.rows() == 0 {
                        continue;
                    }
                    let (gone, target) = (self.removed_rows(modified), self.target);
                    if let Some(values) =
                        self.first_key(|b| b.keys_taken(target, key, Arc::clone(source), gone))?
                    {
                        return Err(violated(format!(
                            "Duplicate key \"{}\" violates {} constraint.",
                            named(key.names.iter().map(String::as_str), &values),
                            if key.primary { "primary key" } else { "unique" }
                        )));
                    }
                }
                // Rows may refer to others that were added with them, or that will have such a key.
                AddedKey::Reference(key) if self.is_part || key.parent.id == self.target.table.id => {
                    let added = Arc::clone(source);
                    self.references.push(Reference {
                        key: key.clone(),
                        added,
                        _memory: Arc::clone(&self.sink),
                    });
                }
                AddedKey::Reference(key) => {
                    if let Some(values) = self.first_key(|b| b.references_missing(key, Arc::clone(source)))? {
                        return Err(not_there(key, &values));
                    }
                }
                AddedKey::Replacement => {}
            }
        }
        if self.is_part {
            return Ok(());
        }
        for (removed_key, source) in keys.removed.iter().zip(removed).filter(|(_, source)| has_rows(source)) {
            let replaced = removed_key.replacement.map(|i| Arc::clone(&added[i])).filter(has_rows);
            self.check_removed(&removed_key.key, source, replaced, modified)?;
        }
        Ok(())
    }

    /// Rows that have the keys of added ones, and so have expired, where those that have not were found to be none.
    pub fn expired(
        &self,
        keys: &KeyChecks,
        probes: &[Option<Probes>],
        modified: &Modified,
    ) -> Result<Vec<u64>, Failure> {
        let mut rows = vec![];
        if ttl_column(&self.target.table).is_none() {
            return Ok(rows);
        }
        let table = self.view.table(self.target.table.id)?;
        for (key, probes) in keys.added.iter().zip(probes) {
            if let (AddedKey::Unique(key), Some(probes)) = (key, probes)
                && let Some(columns) = indexed(&self.target.table, &key.columns)
            {
                let found = table.find(&columns, probes)?.into_iter().map(|(_, row)| row);
                rows.extend(found.filter(|row| modified.removed.binary_search(row).is_err()));
            }
        }
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
    }

    /// Whether looking up keys shows that a condition holds.
    fn is_fine(&self, key: &AddedKey, probes: &Probes, modified: &Modified) -> Result<bool, Failure> {
        match key {
            AddedKey::Unique(key) => {
                let Some(columns) = indexed(&self.target.table, &key.columns) else { return Ok(false) };
                let table = self.view.table(self.target.table.id)?;
                if probes.has_twice() || !is_few(probes, &table) {
                    return Ok(false);
                }
                let removed = |row: &u64| modified.removed.binary_search(row).is_ok();
                Ok(table.find(&columns, probes)?.iter().all(|(_, row)| removed(row)))
            }
            AddedKey::Reference(key) => {
                let is_own = key.parent.id == self.target.table.id;
                if is_own && !modified.removed.is_empty() {
                    return Ok(false);
                }
                let Some(columns) = indexed(&key.parent, &key.referenced) else { return Ok(false) };
                let parent = self.view.table(key.parent.id)?;
                if !is_few(probes, &parent) {
                    return Ok(false);
                }
                let mut found: Vec<u32> =
                    parent.find(&columns, probes)?.into_iter().map(|(probe, _)| probe).collect();
                found.sort_unstable();
                found.dedup();
                Ok(found.len() == probes.keys())
            }
            AddedKey::Replacement => Ok(false),
        }
    }

    fn check_removed(
        &mut self,
        key: &ForeignKey,
        removed: &Arc<dyn Source>,
        replaced: Option<Arc<dyn Source>>,
        modified: &Modified,
    ) -> Result<(), Failure> {
        let is_own = key.child.id == self.target.table.id;
        let gone = if is_own { self.removed_rows(modified) } else { None };
        let left = self.first_key(|b| b.references_left(key, Arc::clone(removed), replaced, gone))?;
        let Some(values) = left else { return Ok(()) };
        Err(still_referenced(key, &values))
    }

    /// The ids of removed rows.
    fn removed_rows(&mut self, modified: &Modified) -> Option<Arc<dyn Source>> {
        if modified.removed.is_empty() {
            return None;
        }
        let source = self.row_ids.get_or_insert_with(|| {
            let ids = modified.removed.iter().map(|id| id.cast_signed());
            let ids = arrow_array::Int64Array::from_iter_values(ids);
            let batch = Batch::new(vec![Arc::new(ids)], modified.removed.len());
            Arc::new(StaticRows::new("removed rows", Binder::row_id_fields(), vec![batch]))
        });
        Some(Arc::clone(source))
    }

    fn first_key(
        &self,
        bind: impl FnOnce(&mut Binder<'_>) -> Result<LogicalPlan>,
    ) -> Result<Option<Vec<String>>, Failure> {
        first_key(self.session, self.view, bind)
    }
}

/// Keys to look up.
pub(super) fn probes_of(batches: &[Batch], most: usize) -> Option<Probes> {
    let rows: usize = batches.iter().map(|batch| batch.rows).sum();
    if rows == 0 || rows > most {
        return None;
    }
    let width = batches.first()?.columns.len();
    let column = |i: usize| {
        let parts = batches.iter().filter(|batch| batch.rows > 0).map(|batch| flatten(&batch.columns[i]));
        let parts: Vec<ArrayRef> = parts.collect::<Result<_, _>>().ok()?;
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        concat(&parts).ok()
    };
    Probes::new(&(0..width).map(column).collect::<Option<Vec<_>>>()?)
}

/// Keys that are looked up one by one at most.
pub(super) const LOOKED_UP_MAX: usize = 1 << 17;
/// Keys that are looked up whatever the size of the table.
const LOOKED_UP_ALWAYS: usize = 4096;
/// Looking up a key costs as much as scanning so many rows.
const ROWS_PER_LOOKUP: u64 = 256;

/// Whether looking up keys is less work than a scan of the table.
pub(super) fn is_few(probes: &Probes, table: &TableSnapshot) -> bool {
    probes.len() <= LOOKED_UP_ALWAYS || probes.len() as u64 <= table.rows() / ROWS_PER_LOOKUP
}

/// The columns at these positions, if the table's rows are found by them.
pub(super) fn indexed(table: &TableDefinition, positions: &[usize]) -> Option<Box<[ColumnId]>> {
    let key: Box<[ColumnId]> = positions.iter().map(|at| table.columns[*at].id).collect();
    table.indexed_keys().contains(&key).then_some(key)
}

/// The texts of the one row that a plan yields, if it does.
pub fn first_key(
    session: &Session,
    view: &dyn Tables,
    bind: impl FnOnce(&mut Binder<'_>) -> Result<LogicalPlan>,
) -> Result<Option<Vec<String>>, Failure> {
    let (plan, mut ids) =
        session.bind(view, |binder| Ok((bind(binder)?, std::mem::take(&mut binder.ids))))?;
    let plan = session.plan(plan, &mut ids)?;
    let schema = Arc::clone(&plan.schema);
    for batch in session.start(plan, false)? {
        let batch = batch?;
        if batch.rows > 0 {
            let text = |(column, field): (&arrow_array::ArrayRef, &Field)| match Scalar::from_array(
                column, 0, &field.ty,
            ) {
                Scalar::Text(text) => text.to_string(),
                _ => "NULL".to_owned(),
            };
            return Ok(Some(batch.columns.iter().zip(schema.iter()).map(text).collect()));
        }
    }
    Ok(None)
}

/// A constraint that does not hold.
pub fn violated(message: String) -> Failure {
    ExecError::Constraint(message).into()
}

/// A key that is gone, though rows refer to it.
pub fn still_referenced(key: &ForeignKey, values: &[String]) -> Failure {
    let names = key.columns.iter().map(|&c| &*key.child.columns[c].name);
    violated(format!(
        "Violates foreign key constraint because key \"{}\" is still referenced by a foreign key in a different table. \
         If this is an unexpected constraint violation, please refer to our foreign key limitations in the documentation",
        named(names, values)
    ))
}

/// A key that rows refer to, though it is not there.
pub fn not_there(key: &ForeignKey, values: &[String]) -> Failure {
    let names = key.referenced.iter().map(|&c| &*key.parent.columns[c].name);
    violated(format!(
        "Violates foreign key constraint because key \"{}\" does not exist in the referenced table",
        named(names, values)
    ))
}

/// `a: 1, b: x`
fn named<'n>(names: impl Iterator<Item = &'n str>, values: &[String]) -> String {
    names.zip(values).map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
}
