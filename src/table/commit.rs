//! What a commit writes: row groups, merged where they are small, then the records that make them part of
//! the database. The order of these steps is in [the room's documentation](super).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use parking_lot::RwLock;

use crate::catalog::record::RecordKind;
use crate::catalog::{
    Catalog, CatalogRoot, Object, RootEntry, SEGMENT_ENTRIES_MAX, SegmentRecord, TableDefinition, TableId,
};
use crate::column::ChunkReader;
use crate::pager::{Extent, PageId, SlotId, WriteTxn};
use crate::table::append::{Content, PendingGroup};
use crate::table::data::{Group, Segment, TableData};
use crate::table::decode::{concat, read_rows};
use crate::table::encode::EncodedGroup;
use crate::table::error::Result;
use crate::table::merge::plan_merges;
use crate::table::row_group::{RowGroup, chunk_place};
use crate::table::snapshot::Snapshot;
use crate::table::workspace::write_group;

/// How many segments at the end of a table are looked at for small row groups to merge.
const TAIL_SEGMENTS: usize = 2;

/// The tables of the next snapshot, and the records of the last that they leave behind.
pub(super) struct Builder<'a> {
    pub(super) txn: &'a WriteTxn,
    pub(super) base: &'a Snapshot,
    pub(super) row_group_rows: usize,
    pub(super) tables: BTreeMap<TableId, Arc<TableData>>,
}

/// A row group at the end of a table under construction.
enum Tail {
    Old(Arc<Group>),
    New(PendingGroup),
}

impl Tail {
    fn rows(&self) -> u64 {
        match self {
            Self::Old(group) => u64::from(group.entry.rows),
            Self::New(group) => group.rows as u64,
        }
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(txn: &'a WriteTxn, base: &'a Snapshot, row_group_rows: usize) -> Self {
        Self { txn, base, row_group_rows, tables: base.tables.clone() }
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
        let header = group.record(&self.base.pin)?.header();
        let (start, pages) = (PageId(header.extent_page.get()), header.extent_pages.get());
        self.txn.free_extent(Extent { start, pages })?;
        if let Some((page, pages)) = group.entry.deletes {
            self.txn.free_extent(Extent { start: PageId(page), pages: u64::from(pages) })?;
        }
        Ok(self.txn.heap_delete(group.entry.record)?)
    }

    /// Frees the row groups of a table that is not there any more.
    pub(super) fn discard(&self, pending: Vec<PendingGroup>) -> Result<()> {
        for group in pending {
            if let Content::Written(placed) = group.content {
                self.txn.free_extent(placed.extent)?;
            }
        }
        Ok(())
    }

    /// Adds row groups behind those of a table; merges small ones at its end.
    pub(super) fn append(&mut self, table: &Arc<TableDefinition>, pending: Vec<PendingGroup>) -> Result<()> {
        if pending.is_empty() {
            return Ok(());
        }
        let old = self.tables.get(&table.id).cloned().unwrap_or_default();
        let keep = old.segments.len().saturating_sub(TAIL_SEGMENTS);
        let mut tail = vec![];
        for segment in &old.segments[keep..] {
            tail.extend(segment.groups(&self.base.pin)?.iter().cloned().map(Tail::Old));
        }
        let new = pending.len();
        tail.extend(pending.into_iter().map(Tail::New));

        let sizes: Vec<u64> = tail.iter().map(Tail::rows).collect();
        let plan = plan_merges(&sizes, new, self.row_group_rows as u64);
        let groups = self.merge(table, tail, plan)?;

        let data = self.rebuild(table.id, &old, keep, groups, false)?;
        self.tables.insert(table.id, Arc::new(data));
        Ok(())
    }

    /// Carries out a plan of merging.
    fn merge(
        &self,
        table: &Arc<TableDefinition>,
        tail: Vec<Tail>,
        plan: Vec<Range<usize>>,
    ) -> Result<Vec<Arc<Group>>> {
        let (mut groups, mut tail) = (Vec::with_capacity(plan.len()), tail.into_iter());
        for range in plan {
            let mut parts: Vec<Tail> = tail.by_ref().take(range.len()).collect();
            groups.push(match (parts.len(), parts.pop()) {
                (1, Some(Tail::Old(group))) => group,
                (1, Some(Tail::New(PendingGroup { content: Content::Written(placed), .. }))) => {
                    Arc::new(placed.record(self.txn, table)?)
                }
                (_, last) => {
                    parts.extend(last);
                    Arc::new(self.rewrite(table, &parts)?)
                }
            });
        }
        Ok(groups)
    }

    /// Makes one row group of some, a column at a time, and frees the old ones.
    fn rewrite(&self, table: &Arc<TableDefinition>, parts: &[Tail]) -> Result<Group> {
        let rows: u64 = parts.iter().map(Tail::rows).sum();
        let mut encoded = EncodedGroup::new(rows as usize);
        for column in 0..table.columns.len() {
            let arrays: Vec<_> =
                parts.iter().map(|part| self.read_column(table, part, column)).collect::<Result<_>>()?;
            encoded.push(table, column, &concat(&arrays, &table.columns[column].ty)?)?;
        }
        for part in parts {
            match part {
                Tail::Old(group) => self.free_group(group)?,
                Tail::New(PendingGroup { content: Content::Written(placed), .. }) => {
                    self.txn.free_extent(placed.extent)?;
                }
                Tail::New(PendingGroup { content: Content::Held(_), .. }) => {}
            }
        }
        write_group(self.txn, encoded)?.record(self.txn, table)
    }

    /// A column of one part of a row group to be.
    fn read_column(&self, table: &Arc<TableDefinition>, part: &Tail, column: usize) -> Result<ArrayRef> {
        match part {
            Tail::Old(group) => {
                let (group, pin) = (Arc::clone(group), Arc::clone(&self.base.pin));
                RowGroup::new(group, Arc::clone(table), pin, 0, 0).read_column(column)
            }
            Tail::New(PendingGroup { content: Content::Held(columns), .. }) => {
                Ok(Arc::clone(&columns[column]))
            }
            Tail::New(PendingGroup { content: Content::Written(placed), .. }) => {
                let (definition, (_, meta)) = (&table.columns[column], &placed.chunks[column]);
                let (offset, bytes) = (meta.byte_offset.get(), meta.byte_len.get() as usize);
                let bytes = self.txn.read_extent_range(placed.extent, offset, bytes)?;
                let place = chunk_place(table, &definition.name, definition.id.0, 0);
                read_rows(&ChunkReader::open(bytes, &definition.ty, place)?)
            }
        }
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
        let gone: u64 = old.segments[keep.min(old.segments.len())..]
            .iter()
            .map(|segment| Ok(segment.groups(&self.base.pin)?.iter().map(|g| g.entry.bytes).sum::<u64>()))
            .sum::<Result<u64>>()?;
        let mut data = TableData {
            directory: None,
            rows: segments.iter().map(|segment| segment.reference.rows).sum(),
            bytes: old.bytes.saturating_sub(gone) + rest.iter().map(|g| g.entry.bytes).sum::<u64>(),
            segments,
            statistics: RwLock::default(),
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
            && !(tidy && self.txn.is_sparse(slot))
        {
            old.remove(&id);
            return Ok(slot);
        }
        Ok(self.txn.heap_insert(&encode())?)
    }
}
