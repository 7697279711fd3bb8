//! What a commit writes: row groups, merged where they are small, then the records that make them part of
//! the database. The order of these steps is in [the room's documentation](super).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::{ArrayRef, BooleanArray, UInt32Array, new_empty_array};
use arrow_buffer::BooleanBuffer;
use arrow_select::take::take;

use crate::catalog::record::RecordKind;
use crate::catalog::{
    Catalog, CatalogRoot, DeletesRef, Object, RootEntry, SEGMENT_ENTRIES_MAX, SegmentEntry, SegmentRecord,
    TableDefinition, TableId,
};
use crate::pager::{SlotId, WriteTxn};
use crate::sync::RwLock;
use crate::table::data::{Delta, Group, Segment, TableData};
use crate::table::decode::{concat, keep, read_rows, unexpected};
use crate::table::deletes::DeleteVector;
use crate::table::encode::EncodedGroup;
use crate::table::error::{Result, TableError};
use crate::table::fresh::Content;
use crate::table::merge::{Candidate, plan_merges};
use crate::table::numbering::{Fate, GONE, Renumbering};
use crate::table::order::RowOrder;
use crate::table::overlap::{Plan, Thrift};
use crate::table::row_group::{RowGroup, Source};
use crate::table::snapshot::Snapshot;
use crate::table::workspace::write_group;
use crate::table::written::{Written, WrittenByTable};

/// How many segments at the end of a table are looked at for small row groups to merge.
const TAIL_SEGMENTS: usize = 2;

/// The tables of the next snapshot, and the records of the last that they leave behind.
pub(super) struct Builder<'a> {
    pub(super) txn: &'a WriteTxn,
    pub(super) base: &'a Snapshot,
    pub(super) row_group_rows: usize,
    /// Deleted rows are worth removing where there are few of them, too.
    pub(super) tidy: bool,
    /// Which row groups of late points are worth being put in order, if any.
    pub(super) thrift: Option<Thrift>,
    /// Nobody waits for what is merged, and the database is closed: then it ends with [`TableError::Ended`].
    pub(super) is_stopping: &'a dyn Fn() -> bool,
    pub(super) tables: BTreeMap<TableId, Arc<TableData>>,
    /// New versions of tables, where it is not only that rows are sealed.
    pub(super) versions: BTreeMap<TableId, u64>,
    /// What became of the numbers of rows. The table then has a numbering of its own.
    pub(super) renumbered: BTreeMap<TableId, Renumbering>,
    /// What was written so far.
    pub(super) written: WrittenByTable,
}

/// A row group of a table under construction.
pub(super) struct Part {
    pub(super) source: Source,
    /// The number of its first row.
    first_row: u64,
    /// Its deleted rows, where they are not those that the file knows.
    pub(super) deletes: Option<Arc<DeleteVector>>,
}

/// Row groups that were made, and of which rows.
pub(super) struct Made {
    /// Where they belong: behind those that are made of the parts before that one, or of that.
    pub(super) place: usize,
    pub(super) groups: Vec<Arc<Group>>,
    pub(super) rows: MadeOf,
}

/// Rows that row groups were made of.
pub(super) enum MadeOf {
    /// Those of these parts, but for those with a set bit, in their order.
    Parts(Vec<(usize, Option<BooleanBuffer>)>),
    /// These: part and row of each.
    Rows(Vec<(u32, u32)>),
}

/// Some rows of a part.
pub(super) struct Selection {
    pub(super) part: usize,
    /// True for each of them; all if there is none.
    pub(super) rows: Option<BooleanArray>,
}

impl Part {
    fn deleted(&self) -> u32 {
        match (&self.deletes, &self.source) {
            (Some(deletes), _) => deletes.deleted(),
            (None, Source::Sealed(group)) => group.entry.deleted_rows,
            (None, Source::Fresh(_)) => 0,
        }
    }

    pub(super) fn rows_left(&self) -> u64 {
        u64::from(self.source.rows() - self.deleted())
    }

    /// Whether it has so many deleted rows that it is written without them.
    fn is_worn(&self, tidy: bool) -> bool {
        let (rows, deleted) = (u64::from(self.source.rows()), u64::from(self.deleted()));
        deleted * (if tidy { 8 } else { 2 }) > rows
    }

    fn candidate(&self, tidy: bool) -> Candidate {
        let held =
            matches!(&self.source, Source::Fresh(group) if matches!(group.content(), Content::Held(_)));
        let written = held || self.is_worn(tidy);
        let fresh = matches!(self.source, Source::Fresh(_));
        Candidate { rows: self.rows_left(), changed: fresh || written, written }
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(txn: &'a WriteTxn, base: &'a Snapshot, row_group_rows: usize, tidy: bool) -> Self {
        Self {
            txn,
            base,
            row_group_rows,
            tidy,
            thrift: None,
            is_stopping: &|| false,
            tables: base.tables.clone(),
            versions: BTreeMap::new(),
            renumbered: BTreeMap::new(),
            written: WrittenByTable::default(),
        }
    }

    /// Whether a record had better be elsewhere: its page is mostly empty, or keeps the file from being cut.
    pub(super) fn is_scattered(&self, slot: SlotId) -> bool {
        self.txn.is_sparse(slot) || self.txn.is_behind(slot)
    }

    /// Frees all that a table has.
    pub(super) fn drop_table(&mut self, id: TableId) -> Result<()> {
        let Some(data) = self.tables.remove(&id) else { return Ok(()) };
        for segment in &data.segments {
            for group in segment.groups(&self.base.pin)? {
                self.free_group(group)?;
            }
            self.txn.heap_delete(segment.reference.slot)?;
        }
        if let Some(directory) = data.directory {
            self.txn.heap_delete(directory)?;
        }
        Ok(())
    }

    fn free_group(&self, group: &Group) -> Result<()> {
        self.txn.free_extent(group.extent(&self.base.pin)?)?;
        if let Some(extent) = group.deletes_extent() {
            self.txn.free_extent(extent)?;
        }
        Ok(self.txn.heap_delete(group.entry.record)?)
    }

    /// Frees what the row groups of a table take that is not there any more.
    pub(super) fn discard(&self, delta: &Delta) -> Result<()> {
        delta.added().try_for_each(|group| self.free(&Source::Fresh(Arc::clone(group))))
    }

    pub(super) fn free(&self, source: &Source) -> Result<()> {
        match source {
            Source::Sealed(group) => self.free_group(group),
            Source::Fresh(group) => match group.content() {
                Content::Held(_) => Ok(()),
                Content::Written(placed, _) => Ok(self.txn.free_extent(placed.extent)?),
            },
        }
    }

    /// Seals a table's changes: adds row groups behind its own, removes rows, merges row groups that are small, and puts
    /// those of late points in order.
    pub(super) fn change(&mut self, table: &Arc<TableDefinition>, delta: &Delta) -> Result<()> {
        if delta.cleared {
            self.drop_table(table.id)?;
        }
        delta.gone.iter().try_for_each(|group| self.free(&Source::Fresh(Arc::clone(group))))?;
        let old = self.tables.get(&table.id).cloned().unwrap_or_default();
        let worn = if self.tidy { self.first_worn(&old)? } else { None };
        let is_changed = !delta.groups.is_empty() || !delta.deletes.is_empty() || worn.is_some();
        let order = RowOrder::of(table);
        if !is_changed && (order.is_none() || self.thrift.is_none()) {
            return Ok(());
        }
        let order = order.as_ref();
        if let Some(order @ RowOrder::Key(key, _)) = order {
            return self.change_by_key(table, order, key, delta, &old, is_changed);
        }
        let series = order.and_then(RowOrder::series);
        let deletes = delta.deletes.first().into_iter().chain(worn);
        let first = deletes.map(|index| index / SEGMENT_ENTRIES_MAX).min();
        let tail = old.segments.len().saturating_sub(TAIL_SEGMENTS);
        let mut keep = first.map_or(tail, |first| first.min(tail));
        let (mut parts, mut empty) = (vec![], vec![]);
        let mut plan = None;
        if let (Some(order), Some(thrift)) = (series, self.thrift) {
            // All of the table may have to do with each other.
            (parts, empty) = self.parts(&old, delta, 0)?;
            plan = self.plan(table, order, &parts, thrift)?;
            match plan {
                Some(_) => keep = 0,
                None => (parts, empty) = (vec![], vec![]),
            }
            if !is_changed && plan.is_none() {
                old.set_late(false);
                return Ok(());
            }
        }
        if plan.is_none() {
            (parts, empty) = self.parts(&old, delta, keep)?;
        }
        empty.iter().try_for_each(|part| self.free(&part.source))?;
        let planned: Vec<usize> = plan.iter().flat_map(Plan::groups).collect();
        let mut made = self.merge(table, order, &parts, &planned)?;
        if let (Some(plan), Some(order)) = (&plan, series) {
            made.extend(self.arrange(table, order, &parts, plan)?);
        }
        let data = self.replace(table, &old, keep, &parts, &empty, made)?;
        if series.is_some() {
            data.set_late(self.thrift.is_none() && self.may_be_late(&data)?);
        }
        self.tables.insert(table.id, Arc::new(data));
        Ok(())
    }

    /// The table's data with row groups that were made in place of those from segment `keep` on.
    pub(super) fn replace(
        &mut self,
        table: &TableDefinition,
        old: &TableData,
        keep: usize,
        parts: &[Part],
        empty: &[Part],
        mut made: Vec<Made>,
    ) -> Result<TableData> {
        made.sort_by_key(|made| made.place);
        let kept_rows = old.segments[..keep].iter().map(|segment| segment.reference.rows).sum();
        let renumbering = renumbering(parts, empty, &made, kept_rows);
        let groups: Vec<_> = made.into_iter().flat_map(|made| made.groups).collect();
        let mut data = self.rebuild(table.id, old, keep, groups, false)?;
        if !renumbering.is_identity() {
            data.numbering = Arc::default();
            self.renumbered.insert(table.id, renumbering);
        }
        Ok(data)
    }

    /// The row groups of a table from segment `keep` on and those that a change adds; those that have no rows left
    /// apart.
    pub(super) fn parts(
        &self,
        old: &TableData,
        delta: &Delta,
        keep: usize,
    ) -> Result<(Vec<Part>, Vec<Part>)> {
        let mut sources = vec![];
        for segment in &old.segments[keep..] {
            sources.extend(segment.groups(&self.base.pin)?.iter().cloned().map(Source::Sealed));
        }
        sources.extend(delta.groups.iter().cloned().map(Source::Fresh));
        let mut first_row = old.segments[..keep].iter().map(|segment| segment.reference.rows).sum();
        let (mut parts, mut empty) = (Vec::with_capacity(sources.len()), vec![]);
        for (i, source) in sources.into_iter().enumerate() {
            let rows = source.rows();
            let deletes = delta.deletes.get(keep * SEGMENT_ENTRIES_MAX + i).cloned();
            let part = Part { source, first_row, deletes };
            if part.rows_left() == 0 { &mut empty } else { &mut parts }.push(part);
            first_row += u64::from(rows);
        }
        Ok((parts, empty))
    }

    /// The first row group with deleted rows that is worth writing anew.
    fn first_worn(&self, data: &TableData) -> Result<Option<usize>> {
        if data.deleted == 0 {
            return Ok(None);
        }
        let mut index = 0;
        for segment in &data.segments {
            for group in segment.groups(&self.base.pin)? {
                let part = Part { source: Source::Sealed(Arc::clone(group)), first_row: 0, deletes: None };
                if part.is_worn(true) {
                    return Ok(Some(index));
                }
                index += 1;
            }
        }
        Ok(None)
    }

    /// Merges small row groups with their neighbours, and leaves others as they are, but for those for which there are
    /// other plans.
    pub(super) fn merge(
        &self,
        table: &Arc<TableDefinition>,
        order: Option<&RowOrder>,
        parts: &[Part],
        planned: &[usize],
    ) -> Result<Vec<Made>> {
        let mut candidates: Vec<_> = parts.iter().map(|part| part.candidate(self.tidy)).collect();
        let mut is_planned = vec![false; parts.len()];
        for &part in planned {
            is_planned[part] = true;
            // With these nothing is merged.
            candidates[part] = Candidate { rows: u64::MAX / 2, changed: false, written: false };
        }
        let mut made = vec![];
        for range in plan_merges(&candidates, self.row_group_rows as u64) {
            let place = range.start;
            if is_planned[place] {
                continue;
            }
            if range.len() == 1 && !candidates[place].written {
                let groups = vec![self.keep(table, &parts[place])?];
                made.push(Made { place, groups, rows: MadeOf::Parts(vec![(place, None)]) });
                continue;
            }
            let mut selection = Vec::with_capacity(range.len());
            for part in range.clone() {
                let deletes = self.deletes(table, &parts[part])?;
                selection.push(Selection { part, rows: deletes.map(|deletes| deletes.left()) });
            }
            let (groups, moved) = self.write(table, order, parts, &selection)?;
            parts[range].iter().try_for_each(|part| self.free(&part.source))?;
            let rows = moved.map_or_else(
                || {
                    let gone = |rows: &BooleanArray| !rows.values();
                    MadeOf::Parts(selection.iter().map(|s| (s.part, s.rows.as_ref().map(gone))).collect())
                },
                MadeOf::Rows,
            );
            made.push(Made { place, groups, rows });
        }
        Ok(made)
    }

    /// A row group whose rows stay where they are; it may have lost some.
    fn keep(&self, table: &Arc<TableDefinition>, part: &Part) -> Result<Arc<Group>> {
        let group = match (&part.source, &part.deletes) {
            (Source::Sealed(group), None) => return Ok(Arc::clone(group)),
            (Source::Sealed(group), Some(_)) => {
                if let Some(extent) = group.deletes_extent() {
                    self.txn.free_extent(extent)?;
                }
                Arc::clone(group)
            }
            (Source::Fresh(group), _) => match group.content() {
                Content::Written(placed, _) => {
                    let written =
                        Written { rows: u64::from(group.rows()), rewritten: 0, bytes: placed.bytes };
                    self.written.add(table.id, written);
                    Arc::new(placed.clone().record(self.txn, table)?)
                }
                // Those are written with others, or alone.
                Content::Held(_) => return Err(TableError::Ended),
            },
        };
        let Some(deletes) = &part.deletes else { return Ok(group) };
        let bytes = deletes.encode(table.id);
        let extent = self.txn.alloc_extent(bytes.len() as u64)?;
        self.txn.write_extent(extent, &bytes)?;
        let place = DeletesRef {
            page: extent.start.0,
            pages: extent.pages as u32,
            checksum: DeleteVector::checksum_of(&bytes),
        };
        Ok(Arc::new(group.with_entry(SegmentEntry {
            deleted_rows: deletes.deleted(),
            deletes: Some(place),
            ..group.entry
        })))
    }

    /// Makes row groups of rows of some parts, a column at a time: one, unless they are too many. Returns where each of
    /// their rows comes from, if that is not their order in the parts.
    pub(super) fn write(
        &self,
        table: &Arc<TableDefinition>,
        order: Option<&RowOrder>,
        parts: &[Part],
        selection: &[Selection],
    ) -> Result<(Vec<Arc<Group>>, Option<Vec<(u32, u32)>>)> {
        let read = |column: usize| {
            let read = |selected: &Selection| self.read_selected(table, parts, selected, column);
            let arrays: Vec<ArrayRef> = selection.iter().map(read).collect::<Result<_>>()?;
            concat(&arrays, &table.columns[column].ty.arrow())
        };
        let held: Vec<(usize, ArrayRef)> = order
            .map(RowOrder::columns)
            .unwrap_or_default()
            .into_iter()
            .map(|column| Ok((column, read(column)?)))
            .collect::<Result<_>>()?;
        let keys: Vec<ArrayRef> = held.iter().map(|(_, array)| Arc::clone(array)).collect();
        let places = order.and_then(|order| order.sort(&keys)).map(UInt32Array::from);
        drop(keys);
        let count = |Selection { part, rows }: &Selection| {
            rows.as_ref().map_or(parts[*part].source.rows() as usize, BooleanArray::true_count)
        };
        let rows: usize = selection.iter().map(count).sum();
        let starts = (0..rows).step_by(self.row_group_rows);
        let length = |start: usize| self.row_group_rows.min(rows - start);
        let mut encoded: Vec<_> = starts.clone().map(|start| EncodedGroup::new(length(start))).collect();
        for column in 0..table.columns.len() {
            let mut array = match held.iter().find(|(position, _)| *position == column) {
                Some((_, array)) => Arc::clone(array),
                None => read(column)?,
            };
            if let Some(places) = &places {
                array = take(&array, places, None).map_err(unexpected)?;
            }
            for (group, start) in encoded.iter_mut().zip(starts.clone()) {
                group.push(table, column, &array.slice(start, length(start)))?;
            }
        }
        let record = |encoded| Ok(Arc::new(write_group(self.txn, encoded)?.record(self.txn, table)?));
        let groups: Vec<Arc<Group>> = encoded.into_iter().map(record).collect::<Result<_>>()?;
        let mut written = Written { bytes: groups.iter().map(|g| g.entry.bytes).sum(), ..Written::default() };
        for selected in selection {
            let is_new = matches!(&parts[selected.part].source, Source::Fresh(_));
            *(if is_new { &mut written.rows } else { &mut written.rewritten }) += count(selected) as u64;
        }
        self.written.add(table.id, written);
        let moved = places.map(|places| {
            let from: Vec<(u32, u32)> =
                selection.iter().flat_map(|selected| selected.places(parts)).collect();
            places.values().iter().map(|place| from[*place as usize]).collect()
        });
        Ok((groups, moved))
    }

    /// The deleted rows of a part, if it has some.
    pub(super) fn deletes(&self, table: &TableDefinition, part: &Part) -> Result<Option<Arc<DeleteVector>>> {
        match (&part.deletes, &part.source) {
            (Some(deletes), _) => Ok(Some(Arc::clone(deletes))),
            (None, Source::Sealed(group)) => group.deletes(&self.base.pin, table.id),
            (None, Source::Fresh(_)) => Ok(None),
        }
    }

    /// A column of one part of a row group to be.
    pub(super) fn read_column(
        &self,
        table: &Arc<TableDefinition>,
        part: &Part,
        column: usize,
    ) -> Result<ArrayRef> {
        // The transaction is closed to others by now, so what it wrote is read through the builder's own.
        if let Source::Fresh(group) = &part.source
            && let Content::Written(placed, _) = group.content()
            && let Some(position) = placed.position(table.columns[column].id)
        {
            return read_rows(&placed.open_chunk(self.txn, position, table, column)?);
        }
        self.row_group(table, part).read_column(column)
    }

    /// Some rows of a column of one part. Reads from the first of them to the last.
    fn read_selected(
        &self,
        table: &Arc<TableDefinition>,
        parts: &[Part],
        Selection { part, rows }: &Selection,
        column: usize,
    ) -> Result<ArrayRef> {
        let part = &parts[*part];
        let Some(rows) = rows else { return self.read_column(table, part, column) };
        let mut wanted = rows.values().set_slices();
        let first = wanted.next();
        let (Some((start, end)), last) = (first, wanted.last()) else {
            return Ok(new_empty_array(&table.columns[column].ty.arrow()));
        };
        let end = last.map_or(end, |(_, end)| end);
        // Not all of a chunk is worth being decoded for a small part of it.
        let is_part = (end - start) * 2 < rows.len();
        let array = match &part.source {
            Source::Sealed(_) if is_part => self.row_group(table, part).read_range(column, start..end)?,
            _ => self.read_column(table, part, column)?.slice(start, end - start),
        };
        if end - start == rows.true_count() {
            Ok(array)
        } else {
            keep(&array, &rows.slice(start, end - start))
        }
    }

    /// A part as a query would see it.
    pub(super) fn row_group(&self, table: &Arc<TableDefinition>, part: &Part) -> RowGroup {
        let (source, deletes) = (part.source.clone(), part.deletes.clone());
        RowGroup::new(source, deletes, Arc::clone(table), Arc::clone(&self.base.pin), 0, 0)
    }

    /// The table's data with other row groups from segment `keep` on. Segments that stay as they are are
    /// not written again, unless `anew` says so.
    pub(super) fn rebuild(
        &self,
        table: TableId,
        old: &TableData,
        mut keep: usize,
        groups: Vec<Arc<Group>>,
        anew: bool,
    ) -> Result<TableData> {
        let mut rest = &groups[..];
        while let Some(segment) = old.segments.get(keep).filter(|_| !anew) {
            let same = segment.groups(&self.base.pin)?;
            let full = same.len() == SEGMENT_ENTRIES_MAX || same.len() == rest.len();
            if !full || rest.len() < same.len() || !same.iter().zip(rest).all(|(a, b)| Arc::ptr_eq(a, b)) {
                break;
            }
            rest = &rest[same.len()..];
            keep += 1;
        }
        for segment in &old.segments[keep..] {
            self.txn.heap_delete(segment.reference.slot)?;
        }
        let mut segments = old.segments[..keep].to_vec();
        for part in rest.chunks(SEGMENT_ENTRIES_MAX) {
            let record = SegmentRecord { entries: part.iter().map(|group| group.entry).collect() };
            let slot = self.txn.heap_insert(&record.encode())?;
            segments.push(Arc::new(Segment::with_groups(slot, part.to_vec())));
        }
        if let Some(directory) = old.directory {
            self.txn.heap_delete(directory)?;
        }
        let (mut gone_bytes, mut gone_deleted) = (0, 0);
        for segment in &old.segments[keep..] {
            for group in segment.groups(&self.base.pin)? {
                gone_bytes += group.entry.bytes;
                gone_deleted += u64::from(group.entry.deleted_rows);
            }
        }
        let mut data = TableData {
            directory: None,
            rows: segments.iter().map(|segment| segment.reference.rows).sum(),
            deleted: old.deleted.saturating_sub(gone_deleted)
                + rest.iter().map(|g| u64::from(g.entry.deleted_rows)).sum::<u64>(),
            bytes: old.bytes.saturating_sub(gone_bytes) + rest.iter().map(|g| g.entry.bytes).sum::<u64>(),
            segments,
            delta: Delta::default(),
            version: self.versions.get(&table).copied().unwrap_or(old.version),
            numbering: Arc::clone(&old.numbering),
            statistics: RwLock::default(),
            late: AtomicBool::new(false),
            key_maps: Arc::default(),
        };
        data.directory = Some(self.txn.heap_insert(&data.encode(table))?);
        Ok(data)
    }

    /// Writes the definitions that are new and the root; frees those that are gone.
    ///
    /// With `tidy`, those in pages that are mostly empty are written anew as well.
    pub(super) fn write_catalog(&self, catalog: &Catalog, tidy: bool) -> Result<(SlotId, CatalogRoot)> {
        let old_entries = self.base.root.iter().flat_map(|(_, root)| &root.entries);
        let mut old: BTreeMap<u64, &RootEntry> = old_entries.map(|entry| (entry.id, entry)).collect();
        let mut entries = vec![];
        let before = &self.base.catalog;
        for schema in catalog.schemas() {
            let definition = schema.definition();
            let id = definition.id.0;
            let same = before.schema_by_id(definition.id).is_some_and(|s| s.definition() == definition);
            let record = self.keep_or_write(&mut old, id, same, tidy, || definition.encode())?;
            entries.push(RootEntry { kind: RecordKind::Schema, id, record, directory: None });
            for object in schema.objects() {
                let was = before.object_by_id(object.id());
                let moved = matches!(object, Object::Sequence(s) if s.counter.is_dirty());
                let same = was.is_some_and(|was| was.is_same(object)) && !moved;
                let id = object.id().0;
                let record = self.keep_or_write(&mut old, id, same, tidy, || object.encode())?;
                let directory = match object {
                    Object::Table(table) => self.tables.get(&table.id).and_then(|data| data.directory),
                    _ => None,
                };
                entries.push(RootEntry { kind: object.record_kind(), id, record, directory });
            }
        }
        for entry in old.into_values() {
            self.txn.heap_delete(entry.record)?;
        }
        if let Some((slot, _)) = &self.base.root {
            self.txn.heap_delete(*slot)?;
        }
        entries.sort_by_key(|entry| entry.id);
        let dependencies = catalog.dependencies().collect();
        let root = CatalogRoot { next_id: catalog.next_id(), entries, dependencies };
        Ok((self.txn.heap_insert(&root.encode())?, root))
    }

    /// The slot of a definition: where it was if it is the same, else newly written. What then stays in
    /// `old` is gone.
    fn keep_or_write(
        &self,
        old: &mut BTreeMap<u64, &RootEntry>,
        id: u64,
        same: bool,
        tidy: bool,
        encode: impl FnOnce() -> Vec<u8>,
    ) -> Result<SlotId> {
        if same
            && let Some(slot) = old.get(&id).map(|entry| entry.record)
            && !(tidy && self.is_scattered(slot))
        {
            old.remove(&id);
            return Ok(slot);
        }
        Ok(self.txn.heap_insert(&encode())?)
    }
}

impl Selection {
    /// Part and number within it of each row.
    pub(super) fn places(&self, parts: &[Part]) -> Vec<(u32, u32)> {
        let part = self.part as u32;
        match &self.rows {
            Some(rows) => rows.values().set_indices_u32().map(|row| (part, row)).collect(),
            None => (0..parts[self.part].source.rows()).map(|row| (part, row)).collect(),
        }
    }
}

/// What becomes of the numbers of the rows of parts. `first` is the number of the first row that is made.
fn renumbering(parts: &[Part], empty: &[Part], made: &[Made], first: u64) -> Renumbering {
    let mut fates: BTreeMap<u64, Fate> = BTreeMap::new();
    for part in empty {
        let gone = BooleanBuffer::new_set(part.source.rows() as usize);
        fates.insert(part.first_row, Fate::Thinned { gone, to: 0 });
    }
    // By part; of most there are none.
    let mut moved: Vec<Box<[u64]>> = vec![Box::default(); parts.len()];
    let mut next = first;
    for Made { groups, rows, .. } in made {
        let mut to = next;
        match rows {
            MadeOf::Parts(of) => {
                for (part, gone) in of {
                    let Part { first_row, source, .. } = &parts[*part];
                    let rows = u64::from(source.rows());
                    let fate = match gone {
                        Some(gone) => Fate::Thinned { gone: gone.clone(), to },
                        None => Fate::Kept { rows, to },
                    };
                    to += rows - gone.as_ref().map_or(0, |gone| gone.count_set_bits() as u64);
                    fates.insert(*first_row, fate);
                }
            }
            MadeOf::Rows(rows) => {
                for ((part, row), to) in rows.iter().zip(to..) {
                    let numbers = &mut moved[*part as usize];
                    if numbers.is_empty() {
                        *numbers = vec![GONE; parts[*part as usize].source.rows() as usize].into();
                    }
                    numbers[*row as usize] = to;
                }
            }
        }
        next += groups.iter().map(|group| u64::from(group.entry.rows)).sum::<u64>();
    }
    let moved = parts.iter().zip(moved).filter(|(_, numbers)| !numbers.is_empty());
    fates.extend(moved.map(|(part, numbers)| (part.first_row, Fate::Moved(numbers))));
    let mut renumbering = Renumbering::default();
    fates.into_iter().for_each(|(first, fate)| renumbering.push_fate(first, fate));
    renumbering
}
