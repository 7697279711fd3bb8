//! The write transaction: definitions change in a copy of the catalog, rows go to fresh space, and a commit
//! makes both the next snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::catalog::{
    Catalog, CatalogError, Object, ObjectId, ObjectKind, SchemaDefinition, SchemaId, TableDefinition, TableId,
};
use crate::pager::Roots;
use crate::table::append::{AppendState, TableAppender};
use crate::table::commit::Builder;
use crate::table::compact::compact;
use crate::table::error::{Result, TableError};
use crate::table::gate::WriterPass;
use crate::table::snapshot::Snapshot;
use crate::table::storage::Storage;
use crate::table::workspace::Workspace;

/// Changes that become visible all at once, or not at all. One runs at a time; dropping it undoes it.
///
/// What it changes is seen in its own [`catalog`](Self::catalog), but rows that it added are seen by nobody
/// before the commit.
#[derive(Debug)]
pub struct WriteTransaction {
    storage: Arc<Storage>,
    base: Arc<Snapshot>,
    catalog: Catalog,
    catalog_changed: bool,
    workspace: Arc<Workspace>,
    /// In the order in which they were begun.
    appends: Vec<Arc<AppendState>>,
    /// Dropped last, when nothing of this transaction is left.
    _pass: WriterPass,
}

impl WriteTransaction {
    pub(super) fn new(
        storage: Arc<Storage>,
        base: Arc<Snapshot>,
        workspace: Workspace,
        pass: WriterPass,
    ) -> Self {
        Self {
            storage,
            catalog: (*base.catalog).clone(),
            base,
            catalog_changed: false,
            workspace: Arc::new(workspace),
            appends: vec![],
            _pass: pass,
        }
    }

    /// The snapshot that it began with. Its tables are what a query inside the transaction may read.
    pub fn base(&self) -> &Arc<Snapshot> {
        &self.base
    }

    /// What exists, with the changes made so far.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut Catalog) -> Result<T, CatalogError>) -> Result<T> {
        let changed = change(&mut self.catalog)?;
        self.catalog_changed = true;
        Ok(changed)
    }

    /// Makes a schema.
    pub fn create_schema(&mut self, name: &str) -> Result<SchemaId> {
        self.change(|catalog| catalog.create_schema(name, None))
    }

    /// Removes a schema; with `cascade` also what is in it.
    pub fn drop_schema(&mut self, name: &str, cascade: bool) -> Result<()> {
        self.change(|catalog| catalog.drop_schema(name, cascade)).map(|_| ())
    }

    /// Makes a table without rows; its id is given here.
    pub fn create_table(&mut self, table: TableDefinition) -> Result<TableId> {
        self.change(|catalog| catalog.create_table(table))
    }

    /// Removes a table. Its space is used again once no snapshot has it.
    pub fn drop_table(&mut self, id: TableId) -> Result<()> {
        self.change(|catalog| catalog.drop_table(id)).map(|_| ())
    }

    /// Changes the definition of the table with the same id: names, comments, defaults, order of columns.
    /// Rows that are there have NULL in a new column, so it must be nullable if there are any.
    pub fn alter_table(&mut self, table: TableDefinition) -> Result<()> {
        let id = table.id;
        if self.appends.iter().any(|append| append.definition().id == id) {
            return Err(CatalogError::Invalid(format!(
                "table \"{}\" has rows of this transaction; it can be altered after the commit",
                table.name
            ))
            .into());
        }
        let has_rows = self.base.tables.get(&id).is_some_and(|data| data.rows > 0);
        if let Some(old) = self.catalog.table_by_id(id).filter(|_| has_rows) {
            for column in &table.columns {
                let before = old.columns.iter().find(|c| c.id == column.id);
                if !column.nullable && before.is_none_or(|c| c.nullable) {
                    return Err(CatalogError::Invalid(format!(
                        "column \"{}\" cannot be NOT NULL: table \"{}\" has rows that may be NULL there",
                        column.name, table.name
                    ))
                    .into());
                }
            }
        }
        self.change(|catalog| catalog.alter_table(table))
    }

    /// Changes the name or the comment of a schema.
    pub fn alter_schema(&mut self, schema: SchemaDefinition) -> Result<()> {
        self.change(|catalog| catalog.alter_schema(schema))
    }

    /// Makes an object, a table without rows; its id is given here.
    pub fn create_object(&mut self, object: impl Into<Object>) -> Result<ObjectId> {
        self.change(|catalog| catalog.create_object(object.into()))
    }

    /// Removes an object; with `cascade` also what depends on it. The space of tables is used again once no
    /// snapshot has them.
    pub fn drop_object(&mut self, id: ObjectId, cascade: bool) -> Result<()> {
        self.change(|catalog| catalog.drop_object(id, cascade)).map(|_| ())
    }

    /// Changes the definition of the object with the same id.
    pub fn alter_object(&mut self, object: impl Into<Object>) -> Result<()> {
        match object.into() {
            Object::Table(table) => self.alter_table(Arc::unwrap_or_clone(table)),
            other => self.change(|catalog| catalog.alter_object(other)),
        }
    }

    /// Says what an object needs, in place of what it was said to need before.
    pub fn set_dependencies(&mut self, dependent: ObjectId, on: &BTreeSet<ObjectId>) -> Result<()> {
        self.change(|catalog| catalog.set_dependencies(dependent, on))
    }

    /// Begins to add rows to a table, which may be one that this transaction made. Rows come behind those
    /// that were there and those of appends begun earlier.
    pub fn append(&mut self, id: TableId) -> Result<TableAppender> {
        let definition = self.catalog.table_by_id(id).ok_or_else(|| CatalogError::NotFound {
            kind: ObjectKind::Table,
            name: format!("(with id {})", id.0),
            similar: vec![],
        })?;
        let rows = self.storage.options().row_group_rows;
        let state = AppendState::new(Arc::clone(definition), Arc::clone(&self.workspace), rows);
        self.appends.push(Arc::clone(&state));
        Ok(TableAppender::new(state))
    }

    /// Makes the changes durable and visible, and returns the snapshot that shows them. The steps are those of
    /// [the room's documentation](super).
    ///
    /// # Errors
    /// After an error the database is as it was before the transaction; only if making it durable failed,
    /// nothing more is written until the database is opened again, and it may then have the changes.
    pub fn commit(self) -> Result<Arc<Snapshot>> {
        self.commit_and(false)
    }

    /// As [`commit`](Self::commit), and moves what lies scattered if `tidy`.
    pub(super) fn commit_and(mut self, tidy: bool) -> Result<Arc<Snapshot>> {
        // 1. Nobody adds rows any more.
        let txn = self.workspace.close().ok_or(TableError::Ended)?;
        let appends = std::mem::take(&mut self.appends);
        let mut pending: Vec<_> = appends
            .iter()
            .map(|a| (a.definition().id, a.take()))
            .filter(|(_, new)| !new.is_empty())
            .collect();
        // Where the sequences stand; they go on while this is written, which the next commit sees to.
        let moved: Vec<_> = self.catalog.sequences().filter(|s| s.counter.is_dirty()).cloned().collect();
        let moved: Vec<_> = moved.into_iter().map(|s| (s.counter.state(), s)).collect();
        if !self.catalog_changed && pending.is_empty() && moved.is_empty() && !tidy {
            return Ok(Arc::clone(&self.base));
        }
        // 2. and 3. Row groups and their records.
        let mut builder = Builder::new(&txn, &self.base, self.storage.options().row_group_rows);
        let gone: Vec<_> = self.base.catalog.tables().map(|table| table.id).collect();
        for id in gone.into_iter().filter(|id| self.catalog.table_by_id(*id).is_none()) {
            builder.drop_table(id)?;
        }
        while !pending.is_empty() {
            let id = pending[0].0;
            let (same, others): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(table, _)| *table == id);
            pending = others;
            let groups = same.into_iter().flat_map(|(_, groups)| groups).collect();
            match self.catalog.table_by_id(id) {
                Some(table) => builder.append(table, groups).map_err(|e| e.in_table(table))?,
                None => builder.discard(groups)?,
            }
        }
        if tidy && !compact(&mut builder)? && self.base.root.is_none() {
            return Ok(Arc::clone(&self.base));
        }
        // 4. Definitions and the root.
        let (slot, root) = builder.write_catalog(&self.catalog, tidy)?;
        let tables = builder.tables;
        txn.set_roots(Roots { catalog: Some(slot), ..txn.roots() });
        // 5. The superblock.
        let pin = Arc::new(txn.commit()?);
        moved.iter().for_each(|(state, sequence)| sequence.counter.saved(*state));
        // 6. Readers.
        let catalog = if self.catalog_changed {
            Arc::new(std::mem::take(&mut self.catalog))
        } else {
            Arc::clone(&self.base.catalog)
        };
        let snapshot =
            Arc::new(Snapshot::new(pin.sequence(), catalog, Some((slot, Arc::new(root))), tables, pin));
        self.storage.publish(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Undoes the changes, as dropping the transaction does.
    pub fn rollback(self) {
        drop(self);
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        // Waits for threads that are writing row groups; then the space is free again.
        drop(self.workspace.close());
    }
}
