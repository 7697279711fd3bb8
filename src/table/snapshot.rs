//! The database at one moment.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow_array::Array;
use hashbrown::HashMap;

use crate::catalog::{
    Catalog, CatalogError, CatalogRoot, ColumnDefinition, ColumnId, ObjectKind, TableDefinition, TableId,
};
use crate::pager::SlotId;
use crate::sync::RwLock;
use crate::table::data::TableData;
use crate::table::error::Result;
use crate::table::keys::{IndexedDelta, KeyEntry, KeyMap};
use crate::table::pin::Pin;
use crate::table::row_group::{RowGroup, Source};
use crate::table::statistics::{Accumulator, ColumnStatistics};
use crate::table::unsealed::Unsealed;

/// Stands for a column in lists of a table's columns: the number of the row, as [`RowGroup::first_row`] counts. Good
/// as long as one snapshot is looked at; in another the same row may have another.
pub const ROW_ID: usize = usize::MAX;

/// What [`ROW_ID`] is called in SQL.
pub const ROW_ID_NAME: &str = "rowid";

/// The database at one moment: immutable, and good as long as it is held. Holding one keeps the pages that
/// it can see from being used again.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) catalog: Arc<Catalog>,
    /// Where the catalog's records are; `None` before the first commit.
    pub(super) root: Option<(SlotId, Arc<CatalogRoot>)>,
    pub(super) tables: BTreeMap<TableId, Arc<TableData>>,
    pub(super) pin: Pin,
    pub(super) unsealed: Unsealed,
    /// Made when first asked for, so that a table's row groups are listed once a snapshot.
    handles: RwLock<HashMap<TableId, Arc<TableSnapshot>>>,
}

impl Snapshot {
    pub(super) fn new(
        catalog: Arc<Catalog>,
        root: Option<(SlotId, Arc<CatalogRoot>)>,
        tables: BTreeMap<TableId, Arc<TableData>>,
        pin: Pin,
    ) -> Self {
        Self { catalog, root, tables, pin, unsealed: Unsealed::default(), handles: RwLock::default() }
    }

    /// The same with other rows, of which the log knows.
    pub(super) fn with_unsealed(
        &self,
        tables: BTreeMap<TableId, Arc<TableData>>,
        unsealed: Unsealed,
    ) -> Self {
        let (catalog, root, pin) = (Arc::clone(&self.catalog), self.root.clone(), Arc::clone(&self.pin));
        Self { catalog, root, tables, pin, unsealed, handles: RwLock::default() }
    }

    /// Later snapshots are greater.
    pub(super) fn order(&self) -> (u64, u64) {
        (self.pin.sequence(), self.unsealed.commits)
    }

    /// Whether some of it is not sealed.
    pub(super) fn is_unsealed(&self) -> bool {
        self.tables.values().any(|data| !data.delta.is_empty())
    }

    /// Whether some of it may be worth being put in order.
    pub(super) fn is_late(&self) -> bool {
        self.tables.values().any(|data| data.is_late())
    }

    /// Fails if what it shows is lost.
    pub(super) fn check(&self) -> Result<()> {
        self.unsealed.loss().map_or(Ok(()), |error| Err(error.clone().into()))
    }

    /// The number of the superblock's commit that it is based on. Commits of the log have none of their own.
    pub fn sequence(&self) -> u64 {
        self.pin.sequence()
    }

    /// What exists.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// A table with its rows.
    pub fn table(&self, id: TableId) -> Result<Arc<TableSnapshot>> {
        if let Some(table) = self.handles.read().get(&id) {
            return Ok(Arc::clone(table));
        }
        let definition = self.catalog.table_by_id(id).ok_or_else(|| CatalogError::NotFound {
            kind: ObjectKind::Table,
            name: format!("(with id {})", id.0),
            similar: vec![],
        })?;
        let table = Arc::new(TableSnapshot {
            definition: Arc::clone(definition),
            data: self.tables.get(&id).cloned().unwrap_or_default(),
            pin: Some(Arc::clone(&self.pin)),
            row_groups: OnceLock::new(),
        });
        Ok(Arc::clone(self.handles.write().entry(id).or_insert(table)))
    }
}

/// A table as of one snapshot.
#[derive(Debug)]
pub struct TableSnapshot {
    definition: Arc<TableDefinition>,
    data: Arc<TableData>,
    /// Of a table without rows, nothing.
    pin: Option<Pin>,
    row_groups: OnceLock<Vec<Arc<RowGroup>>>,
}

impl TableSnapshot {
    /// The table as if it had no rows: it keeps nothing in the file.
    #[must_use]
    pub fn without_rows(&self) -> Self {
        let definition = Arc::clone(&self.definition);
        Self { definition, data: Arc::default(), pin: None, row_groups: OnceLock::new() }
    }

    /// Its id.
    pub fn id(&self) -> TableId {
        self.definition.id
    }

    /// Its name, as written.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// What it is.
    pub fn definition(&self) -> &Arc<TableDefinition> {
        &self.definition
    }

    /// How many rows it has, without deleted ones. Known without reading anything.
    pub fn rows(&self) -> u64 {
        self.data.all_rows() - self.data.deleted_rows()
    }

    /// How many rows of its row groups are deleted. Known without reading anything.
    pub fn deleted_rows(&self) -> u64 {
        self.data.deleted_rows()
    }

    /// The name of a column, or of [`ROW_ID`].
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn column_name(&self, column: usize) -> &str {
        if column == ROW_ID { ROW_ID_NAME } else { &self.definition.columns[column].name }
    }

    /// Bytes of its chunks in the file, as far as they are committed. Known without reading anything.
    pub fn bytes(&self) -> u64 {
        self.data.bytes
    }

    /// How many row groups it has. Known without reading anything.
    pub fn row_group_count(&self) -> usize {
        self.data.row_groups()
    }

    /// Fails if the file has lost something since it was opened: then what was read of it may be wrong.
    pub fn check_readable(&self) -> Result<()> {
        Ok(self.pin.as_ref().map_or(Ok(()), |pin| pin.check_readable())?)
    }

    /// Its row groups, in the order of the rows. The first call reads the list of them, but not what is
    /// known about each.
    pub fn row_groups(&self) -> Result<&[Arc<RowGroup>]> {
        self.check_readable()?;
        if let Some(row_groups) = self.row_groups.get() {
            return Ok(row_groups);
        }
        let Some(pin) = &self.pin else { return Ok(&[]) };
        let row_groups =
            list_row_groups(&self.data, &self.definition, pin).map_err(|e| e.in_table(&self.definition))?;
        Ok(self.row_groups.get_or_init(|| row_groups))
    }

    /// Makes the list of row groups, if that is worth it for so many look-ups of one.
    pub fn list_for(&self, look_ups: usize) -> Result<()> {
        const LISTED_FOR: usize = 16;
        if look_ups > LISTED_FOR {
            self.row_groups()?;
        }
        Ok(())
    }

    /// One of its row groups. Does not make a list of all, if there is none yet.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn row_group(&self, index: usize) -> Result<Arc<RowGroup>> {
        let found = self.find_row_group(|groups, _| index < groups.end)?;
        Ok(found.unwrap_or_else(|| panic!("row group {index} of {}", self.row_group_count())))
    }

    /// The row group of the row with a number, if there is one. Does not make a list of all, if there is none yet.
    pub fn row_group_of(&self, row: u64) -> Result<Option<Arc<RowGroup>>> {
        self.find_row_group(|_, rows| row < rows.end)
    }

    /// The first row group for which something holds, as it does for all behind. It is asked for places and numbers of rows of
    /// row groups, and of several that follow one another.
    fn find_row_group(
        &self,
        holds: impl Fn(Range<usize>, Range<u64>) -> bool,
    ) -> Result<Option<Arc<RowGroup>>> {
        self.check_readable()?;
        if let Some(list) = self.row_groups.get() {
            let end_of = |group: &RowGroup| group.first_row() + group.rows() as u64;
            let at = list.partition_point(|group| {
                !holds(group.index()..group.index() + 1, group.first_row()..end_of(group))
            });
            return Ok(list.get(at).cloned());
        }
        let Some(pin) = &self.pin else { return Ok(None) };
        let (mut index, mut first) = (0, 0);
        for segment in &self.data.segments {
            let (groups, rows) = (segment.reference.row_groups as usize, segment.reference.rows);
            if !holds(index..index + groups, first..first + rows) {
                (index, first) = (index + groups, first + rows);
                continue;
            }
            for group in segment.groups(pin).map_err(|e| e.in_table(&self.definition))? {
                let rows = u64::from(group.entry.rows);
                if holds(index..index + 1, first..first + rows) {
                    return Ok(Some(Arc::new(self.made(
                        pin,
                        Source::Sealed(Arc::clone(group)),
                        index,
                        first,
                    ))));
                }
                (index, first) = (index + 1, first + rows);
            }
        }
        for group in &self.data.delta.groups {
            let rows = u64::from(group.rows());
            if holds(index..index + 1, first..first + rows) {
                return Ok(Some(Arc::new(self.made(pin, Source::Fresh(Arc::clone(group)), index, first))));
            }
            (index, first) = (index + 1, first + rows);
        }
        Ok(None)
    }

    /// How many of its row groups are sealed; they are the first.
    pub(super) fn sealed_groups(&self) -> usize {
        self.data.sealed_groups()
    }

    fn made(&self, pin: &Pin, source: Source, index: usize, first_row: u64) -> RowGroup {
        let deletes = self.data.delta.deletes.get(index).cloned();
        RowGroup::new(source, deletes, Arc::clone(&self.definition), Arc::clone(pin), index, first_row)
    }

    /// The sealed row group of an entry, without a list of all.
    pub(super) fn sealed_group(&self, entry: &KeyEntry) -> Option<RowGroup> {
        let source = Source::Sealed(Arc::clone(&entry.group));
        Some(self.made(self.pin.as_ref()?, source, entry.index, entry.first_row))
    }

    /// Its row groups that are not sealed, the newest first.
    pub(super) fn fresh_groups(&self) -> impl Iterator<Item = RowGroup> {
        let (sealed, mut end) = (self.sealed_groups(), self.data.all_rows());
        let groups = self.data.delta.groups.iter().enumerate().rev();
        groups.zip(std::iter::repeat(self.pin.as_ref())).filter_map(move |((at, group), pin)| {
            end -= u64::from(group.rows());
            Some(self.made(pin?, Source::Fresh(Arc::clone(group)), sealed + at, end))
        })
    }

    /// One of them, counted from the oldest.
    pub(super) fn fresh_group(&self, at: usize) -> Option<RowGroup> {
        let group = Arc::clone(self.data.delta.groups.get(at)?);
        let first = self.data.rows + self.fresh_rows(at);
        Some(self.made(self.pin.as_ref()?, Source::Fresh(group), self.sealed_groups() + at, first))
    }

    /// How many rows the first of them have.
    pub(super) fn fresh_rows(&self, groups: usize) -> u64 {
        self.data.delta.groups[..groups].iter().map(|group| u64::from(group.rows())).sum()
    }

    /// Those of their rows that are found by a key without them.
    pub(super) fn indexed_delta(&self, key: &[ColumnId]) -> Option<IndexedDelta<'_>> {
        IndexedDelta::new(&self.data, key)
    }

    /// What an earlier version of the table has of this: whether the same row groups are sealed, and how many of the others
    /// are the same, which are the first of them.
    pub(super) fn shared_with(&self, before: &Self) -> (bool, usize) {
        let same_sealed = Arc::ptr_eq(&self.data.key_maps, &before.data.key_maps);
        let groups = self.data.delta.groups.iter().zip(&before.data.delta.groups);
        (same_sealed, groups.take_while(|(now, before)| Arc::ptr_eq(now, before)).count())
    }

    /// Which of the sealed row groups may have a key; `None` if there are none.
    pub(super) fn key_map(&self, key: &[ColumnId]) -> Result<Option<Arc<KeyMap>>> {
        let Some(pin) = self.pin.as_ref().filter(|_| !self.data.segments.is_empty()) else { return Ok(None) };
        let map = self.data.key_maps.get(&self.data, &self.definition, pin, key);
        map.map(Some).map_err(|e| e.in_table(&self.definition))
    }

    /// Whether a row has NULL in a column. Reads values only where there are NULLs and deleted rows.
    ///
    /// # Panics
    /// If the table has no such column.
    pub(super) fn has_nulls(&self, column: usize) -> Result<bool> {
        for row_group in self.row_groups()? {
            if row_group.null_count(column)? == 0 {
                continue;
            }
            let Some(deletes) = row_group.deletes()? else { return Ok(true) };
            let values = row_group.read_column(column)?;
            let nulls = values.logical_nulls();
            if (0..values.len())
                .any(|row| !deletes.value(row) && nulls.as_ref().is_some_and(|n| n.is_null(row)))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many NULLs a column has, deleted rows counted as well.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn null_count(&self, column: usize) -> Result<u64> {
        let ColumnDefinition { id, .. } = &self.definition.columns[column];
        if let Some(statistics) = self.data.statistics.read().get(id) {
            return Ok(statistics.null_count);
        }
        let mut nulls = self.sealed_statistics(column)?.nulls();
        for row_group in self.fresh_groups() {
            nulls += row_group.null_count(column)?;
        }
        Ok(nulls)
    }

    /// What is known of a column of the sealed row groups.
    fn sealed_statistics(&self, column: usize) -> Result<Accumulator> {
        self.check_readable()?;
        let id = self.definition.columns[column].id;
        let (mut sealed, mut end) = (Accumulator::default(), 0);
        for segment in &self.data.segments {
            let begin = end;
            end += segment.reference.row_groups as usize;
            sealed.append(&*segment.statistics(id, || {
                let mut part = Accumulator::default();
                let groups = &self.row_groups()?[begin..end];
                groups.iter().try_for_each(|group| group.chunk_stats(column).map(|stats| part.add(stats)))?;
                Ok(part)
            })?);
        }
        Ok(sealed)
    }

    /// What is known of a column of the whole table, or of [`ROW_ID`]. The first call looks at the statistics of
    /// each of its chunks, so it costs something on a table that nobody has touched since the database was opened.
    /// Deleted rows are counted as well, and then no bound is said to be exact.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn column_stats(&self, column: usize) -> Result<Arc<ColumnStatistics>> {
        if column == ROW_ID {
            return Ok(Arc::new(ColumnStatistics::of_row_ids(self.data.all_rows())));
        }
        let ColumnDefinition { id, .. } = &self.definition.columns[column];
        if let Some(statistics) = self.data.statistics.read().get(id) {
            return Ok(Arc::clone(statistics));
        }
        let mut whole = self.sealed_statistics(column)?;
        for row_group in self.fresh_groups() {
            whole.add(row_group.chunk_stats(column)?);
        }
        let mut statistics = whole.finish();
        if self.deleted_rows() > 0 {
            (statistics.min_exact, statistics.max_exact) = (false, false);
        }
        let statistics = Arc::new(statistics);
        Ok(Arc::clone(self.data.statistics.write().entry(*id).or_insert(statistics)))
    }
}

/// The row groups of a version of a table.
pub(super) fn list_row_groups(
    data: &TableData,
    definition: &Arc<TableDefinition>,
    pin: &Pin,
) -> Result<Vec<Arc<RowGroup>>> {
    let (mut list, mut first_row) = (Vec::with_capacity(data.row_groups()), 0);
    let mut push = |source: Source| {
        let (index, rows) = (list.len(), u64::from(source.rows()));
        let deletes = data.delta.deletes.get(index).cloned();
        let (definition, pin) = (Arc::clone(definition), Arc::clone(pin));
        list.push(Arc::new(RowGroup::new(source, deletes, definition, pin, index, first_row)));
        first_row += rows;
    };
    for segment in &data.segments {
        segment.groups(pin)?.iter().cloned().map(Source::Sealed).for_each(&mut push);
    }
    data.delta.groups.iter().cloned().map(Source::Fresh).for_each(&mut push);
    Ok(list)
}
