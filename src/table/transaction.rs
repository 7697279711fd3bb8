//! The write transaction: definitions change in a copy of the catalog, rows go to fresh space, and a commit
//! makes both the next snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::{
    Catalog, CatalogError, ColumnId, Object, ObjectId, ObjectKind, SchemaDefinition, SchemaId,
    TableDefinition, TableId,
};
use crate::pager::{Synchronous, WriteTxn};
use crate::table::append::{AppendState, TableAppender};
use crate::table::commit_groups::SmallCommit;
use crate::table::data::Delta;
use crate::table::error::{Result, TableError};
use crate::table::fresh::{Content, FreshGroup};
use crate::table::rebase::rebase;
use crate::table::seal::{LogSpace, Sealing, Tidying};
use crate::table::snapshot::Snapshot;
use crate::table::storage::Storage;
use crate::table::unsealed::loggable_bytes;
use crate::table::workspace::Workspace;

/// Bytes of rows that a transaction holds in memory for one table; what is more goes to the file before the commit.
const HELD_BYTES_MAX: usize = 64 << 20;

/// Changes that become visible all at once, or not at all. Dropping it undoes it.
///
/// Before the commit only its own [`catalog`](Self::catalog) and [`view`](Self::view) show what it changes.
#[derive(Debug)]
pub struct WriteTransaction {
    storage: Arc<Storage>,
    base: Arc<Snapshot>,
    catalog: Arc<Catalog>,
    catalog_changed: bool,
    workspace: Arc<Workspace>,
    /// Those that may still add rows, in the order in which they were begun.
    appends: Vec<Arc<AppendState>>,
    /// What it has changed of the rows of each table.
    changes: BTreeMap<TableId, Delta>,
    /// What it looks like to itself; made when asked for.
    view: Option<Arc<Snapshot>>,
    synchronous: Synchronous,
    /// Tables that others are not to change before it commits.
    relied_on: BTreeSet<TableId>,
}

/// What a transaction had done at some moment, to which it can go back.
#[derive(Debug)]
pub struct Savepoint {
    catalog: Arc<Catalog>,
    catalog_changed: bool,
    changes: BTreeMap<TableId, Delta>,
}

impl WriteTransaction {
    pub(super) fn new(storage: Arc<Storage>, base: Arc<Snapshot>, workspace: Workspace) -> Self {
        let synchronous = storage.options().synchronous;
        Self {
            storage,
            synchronous,
            catalog: Arc::clone(&base.catalog),
            base,
            catalog_changed: false,
            workspace: Arc::new(workspace),
            appends: vec![],
            changes: BTreeMap::new(),
            view: None,
            relied_on: BTreeSet::new(),
        }
    }

    /// Others are not to change the rows of these tables before it commits.
    pub fn rely_on(&mut self, tables: BTreeSet<TableId>) {
        self.relied_on.extend(tables);
    }

    /// How safe it is when its commit returns, if that is to be other than the database's options say.
    pub fn set_synchronous(&mut self, synchronous: Synchronous) {
        self.synchronous = synchronous;
    }

    /// How safe it is when its commit returns.
    pub(super) fn synchronous(&self) -> Synchronous {
        self.synchronous
    }

    pub(super) fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    pub(super) fn workspace(&self) -> &Arc<Workspace> {
        &self.workspace
    }

    /// The snapshot that it began with.
    pub fn base(&self) -> &Arc<Snapshot> {
        &self.base
    }

    /// What exists, with the changes made so far.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut Catalog) -> Result<T, CatalogError>) -> Result<T> {
        let changed = change(Arc::make_mut(&mut self.catalog))?;
        self.catalog_changed = true;
        self.view = None;
        Ok(changed)
    }

    /// The database as this transaction has it: with its definitions, the rows that were added, and without those
    /// that were deleted. What comes later does not change the result.
    ///
    /// Row groups that the transaction has written can be read until it ends; afterwards reading them fails.
    ///
    /// # Errors
    /// Those of writing, when the transaction holds more rows than should stay in memory.
    pub fn view(&mut self) -> Result<Arc<Snapshot>> {
        self.settle()?;
        if let Some(view) = &self.view {
            return Ok(Arc::clone(view));
        }
        let view = if self.catalog_changed || !self.changes.is_empty() {
            let mut tables = self.base.tables.clone();
            for (id, delta) in &self.changes {
                let sealed = tables.get(id).cloned().unwrap_or_default();
                tables.insert(*id, Arc::new(sealed.changed_by(delta)));
            }
            let catalog = Arc::clone(if self.catalog_changed { &self.catalog } else { &self.base.catalog });
            let (root, pin) = (self.base.root.clone(), Arc::clone(&self.base.pin));
            Arc::new(Snapshot::new(catalog, root, tables, pin))
        } else {
            Arc::clone(&self.base)
        };
        self.view = Some(Arc::clone(&view));
        Ok(view)
    }

    /// Deletes rows of a table, which are named by their numbers in the [`view`](Self::view) that was made last
    /// ([`RowGroup::first_row`](crate::table::RowGroup::first_row) and on). Numbers of rows stay the same when rows are
    /// deleted or added. Returns how many of these were not deleted before.
    ///
    /// # Errors
    /// There is no such table or row, or the file cannot be read.
    pub fn delete(&mut self, id: TableId, rows: &[u64]) -> Result<u64> {
        let definition = self.find_table(id)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let delta = self.changes.entry(id).or_default();
        let sealed = self.base.tables.get(&id).filter(|_| !delta.cleared).cloned().unwrap_or_default();
        self.view = None;
        delta.delete(&self.base.pin, id, &sealed, rows).map_err(|e| e.in_table(&definition))
    }

    /// Removes all rows of a table. Returns how many there were.
    ///
    /// # Errors
    /// There is no such table.
    pub fn clear(&mut self, id: TableId) -> Result<u64> {
        self.find_table(id)?;
        let rows = self.view()?.table(id)?.rows();
        if rows > 0 {
            self.view = None;
            self.changes.entry(id).or_default().clear();
        }
        Ok(rows)
    }

    /// Puts another definition and other rows in place of those of the table with the same id: those that the result
    /// takes. All may change but the columns' ids that others refer to.
    ///
    /// # Errors
    /// There is no such table, or the definition cannot be.
    pub fn replace_table(&mut self, table: TableDefinition) -> Result<TableAppender> {
        let id = table.id;
        self.clear(id)?;
        self.change(|catalog| catalog.replace_table(table))?;
        self.append(id)
    }

    /// What it has done so far.
    ///
    /// # Errors
    /// Those of [`view`](Self::view).
    pub fn savepoint(&mut self) -> Result<Savepoint> {
        self.settle()?;
        Ok(Savepoint {
            catalog: Arc::clone(&self.catalog),
            catalog_changed: self.catalog_changed,
            changes: self.changes.clone(),
        })
    }

    /// Undoes all that was done after a savepoint. Appenders that were begun take no more rows.
    ///
    /// # Errors
    /// The transaction has ended.
    pub fn rollback_to(&mut self, savepoint: &Savepoint) -> Result<()> {
        self.appends.iter().for_each(|append| append.close());
        self.workspace.check()?;
        let discard = |group: &FreshGroup| match group.content() {
            Content::Held(_) => Ok(()),
            Content::Written(placed, workspace) => workspace.enter()?.discard(placed),
        };
        for append in std::mem::take(&mut self.appends) {
            append.take().iter().try_for_each(discard)?;
        }
        for (id, delta) in &self.changes {
            let before: Vec<_> = savepoint.changes.get(id).into_iter().flat_map(Delta::added).collect();
            let kept = |group: &Arc<FreshGroup>| before.iter().any(|other| Arc::ptr_eq(group, other));
            delta.added().filter(|group| !kept(group)).try_for_each(|group| discard(group))?;
        }
        self.catalog = Arc::clone(&savepoint.catalog);
        self.catalog_changed = savepoint.catalog_changed;
        self.changes = savepoint.changes.clone();
        self.view = None;
        Ok(())
    }

    /// Takes over what appenders have added.
    fn settle(&mut self) -> Result<()> {
        let mut appends = std::mem::take(&mut self.appends);
        let settled = appends.iter().try_for_each(|append| {
            let definition = append.definition();
            append.take().into_iter().try_for_each(|group| self.push(definition, group))
        });
        // Those whose appenders are gone add no more.
        appends.retain(|append| Arc::strong_count(append) > 1);
        self.appends = appends;
        settled
    }

    /// Adds a row group to a table's. Small ones are united, and go to the file when they are large.
    fn push(&mut self, definition: &Arc<TableDefinition>, group: FreshGroup) -> Result<()> {
        self.view = None;
        let rows_max = self.storage.options().row_group_rows;
        let delta = self.changes.entry(definition.id).or_default();
        let sealed = self.base.tables.get(&definition.id).filter(|_| !delta.cleared);
        let sealed = sealed.map_or(0, |data| data.row_groups());
        let held: usize = delta.groups.iter().map(|group| group.held_bytes()).sum();
        let (mut group, united) = group.push_united(&delta.groups, rows_max)?;
        if group.held_bytes() > 0 && (group.rows() as usize * 2 > rows_max || held > HELD_BYTES_MAX) {
            group = group.write(definition, &self.workspace)?;
        }
        delta.replace(sealed, united, Arc::new(group));
        Ok(())
    }

    fn find_table(&self, id: TableId) -> Result<Arc<TableDefinition>, CatalogError> {
        let found = self.catalog.table_by_id(id).cloned();
        found.ok_or_else(|| CatalogError::NotFound {
            kind: ObjectKind::Table,
            name: format!("(with id {})", id.0),
            similar: vec![],
        })
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
    /// Rows that are there have NULL in a new column.
    ///
    /// # Errors
    /// There is no such table, the definition cannot be, or rows have NULL in a column that now is NOT NULL.
    pub fn alter_table(&mut self, table: TableDefinition) -> Result<()> {
        let old = self.find_table(table.id)?;
        let was_nullable = |id| old.columns.iter().find(|c| c.id == id).is_none_or(|c| c.nullable);
        let strict: Vec<_> =
            table.columns.iter().filter(|c| !c.nullable && was_nullable(c.id)).map(|c| c.id).collect();
        let id = table.id;
        let before = (Arc::clone(&self.catalog), self.catalog_changed);
        self.change(|catalog| catalog.alter_table(table))?;
        if strict.is_empty() {
            return Ok(());
        }
        let checked = self.check_not_null(id, &strict);
        if checked.is_err() {
            (self.catalog, self.catalog_changed) = before;
            self.view = None;
        }
        checked
    }

    /// Checks that no row has NULL in one of these columns.
    fn check_not_null(&mut self, id: TableId, columns: &[ColumnId]) -> Result<()> {
        let view = self.view()?.table(id)?;
        for (position, column) in view.definition().columns.iter().enumerate() {
            if columns.contains(&column.id) && view.has_nulls(position)? {
                return Err(TableError::NotNull {
                    table: view.name().to_string(),
                    column: column.name.to_string(),
                });
            }
        }
        Ok(())
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
        let same = self
            .catalog
            .dependencies()
            .filter(|d| d.dependent == dependent)
            .map(|d| d.on)
            .eq(on.iter().copied());
        if same { Ok(()) } else { self.change(|catalog| catalog.set_dependencies(dependent, on)) }
    }

    /// Begins to add rows to a table, which may be one that this transaction made. Rows come behind those
    /// that were there and those of appends begun earlier.
    pub fn append(&mut self, id: TableId) -> Result<TableAppender> {
        let definition = self.find_table(id)?;
        let rows = self.storage.options().row_group_rows;
        let state = AppendState::new(definition, Arc::clone(&self.workspace), rows);
        self.appends.push(Arc::clone(&state));
        Ok(TableAppender::new(state))
    }

    /// Makes the changes durable and visible, and returns the snapshot that shows them. The steps are those of
    /// [the room's documentation](super).
    ///
    /// # Errors
    /// [`TableError::Conflict`], if others have committed since it began what does not go together with it.
    /// After an error the database is as it was before the transaction; only if making it durable failed,
    /// nothing more is written until the database is opened again, and it may then have the changes.
    pub fn commit(self) -> Result<Arc<Snapshot>> {
        self.commit_and(Tidying::Nothing)
    }

    /// As [`commit`](Self::commit), and tidies up.
    pub(super) fn commit_and(mut self, tidying: Tidying) -> Result<Arc<Snapshot>> {
        // 1. Nobody adds rows any more.
        self.appends.iter().for_each(|append| append.close());
        self.settle()?;
        let mut changes = std::mem::take(&mut self.changes);
        changes.retain(|_, change| !change.is_empty());
        let tidies = tidying != Tidying::Nothing;
        let moves = self.catalog.sequences().any(|s| s.counter.is_unlogged());
        if !self.catalog_changed && changes.is_empty() && !moves && !tidies {
            // What it saw may not be durable yet.
            return self.storage.confirm(&self.base, self.synchronous);
        }
        let logs = !tidies && !self.catalog_changed && self.storage.options().log_bytes_max > 0;
        if let Some(bytes) = logs.then(|| loggable_bytes(&changes)).flatten() {
            return SmallCommit { transaction: self, changes, bytes }.commit();
        }
        // From here on nobody else commits. The pass is dropped after what the transaction of the pager has.
        let (_pass, txn) = self.workspace.close()?;
        let changes = self.move_to_last(changes)?;
        self.seal(txn, changes, tidying, LogSpace::Keep)
    }

    /// Commits all that is not sealed together with its changes.
    pub(super) fn seal(
        mut self,
        txn: WriteTxn,
        changes: BTreeMap<TableId, Delta>,
        tidying: Tidying,
        log: LogSpace,
    ) -> Result<Arc<Snapshot>> {
        let catalog = self.catalog_changed.then(|| std::mem::take(&mut self.catalog));
        let tidying = match tidying {
            Tidying::All if self.base.is_unsealed() => Tidying::Order,
            tidying => tidying,
        };
        let sealed = self.storage.seal(txn, Sealing { base: &self.base, catalog, changes, tidying, log })?;
        self.storage.seal_if_ripe(&sealed);
        Ok(sealed)
    }

    /// Moves changes on top of the last commit, if that is another than the one it began with.
    pub(super) fn move_to_last(
        &mut self,
        changes: BTreeMap<TableId, Delta>,
    ) -> Result<BTreeMap<TableId, Delta>> {
        self.base.check()?;
        let last = self.storage.last_in_line();
        if Arc::ptr_eq(&last, &self.base) { Ok(changes) } else { self.rebase(last, changes) }
    }

    /// Goes on as if it had begun with `current`, which others have committed since.
    fn rebase(
        &mut self,
        current: Arc<Snapshot>,
        changes: BTreeMap<TableId, Delta>,
    ) -> Result<BTreeMap<TableId, Delta>> {
        let version = |snapshot: &Snapshot, id| snapshot.tables.get(id).map(|data| data.version);
        if let Some(id) = self.relied_on.iter().find(|id| version(&self.base, id) != version(&current, id)) {
            let table = self.base.catalog.table_by_id(*id);
            let name = table.map_or_else(|| id.to_string(), |table| format!("table \"{}\"", table.name));
            return Err(TableError::Conflict(name));
        }
        if !Arc::ptr_eq(&current.catalog, &self.base.catalog) {
            if self.catalog_changed {
                return Err(TableError::Conflict("the catalog".into()));
            }
            for id in changes.keys() {
                let (was, is) = (self.base.catalog.table_by_id(*id), current.catalog.table_by_id(*id));
                let same = was.zip(is).is_some_and(|(was, is)| Arc::ptr_eq(was, is));
                if !same {
                    let name = was.map_or_else(|| id.to_string(), |was| format!("table \"{}\"", was.name));
                    return Err(TableError::Conflict(name));
                }
            }
            self.catalog = Arc::clone(&current.catalog);
        }
        let changes = rebase(&self.base, &current, &self.catalog, self.catalog_changed, changes)?;
        self.base = current;
        Ok(changes)
    }

    /// Undoes the changes, as dropping the transaction does.
    pub fn rollback(self) {
        drop(self);
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        // Waits for threads that are writing row groups; then the space is free again.
        self.workspace.abandon();
    }
}
