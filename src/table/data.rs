//! Which row groups a version of a table has. Loaded at first touch, shared between versions.
//!
//! Most are *sealed*: in the file, and listed by segments. Others, and rows that were deleted since, are known in
//! memory and to the log only, or to a transaction that has not committed: the [`Delta`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::catalog::record::RecordKind;
use crate::catalog::{
    ColumnId, DirectoryRecord, RowGroupRecord, SegmentEntry, SegmentRecord, SegmentRef, TableId,
};
use crate::column::ChunkReader;
use crate::pager::{Extent, PageId, SlotId};
use crate::sync::{Mutex, RwLock};
use crate::table::decode::keep;
use crate::table::deletes::DeleteVector;
use crate::table::deletes_by_group::DeletesByGroup;
use crate::table::error::{Result, TableError};
use crate::table::fresh::{Content, FreshGroup};
use crate::table::keys::{DeltaKeys, IndexCache, KeyIndex, KeyMaps, open_index};
use crate::table::log_record::Rows;
use crate::table::numbering::Numbering;
use crate::table::pin::Pin;
use crate::table::row_group::KnownKeys;
use crate::table::statistics::{Accumulator, ColumnStatistics};

/// A version of a table's rows: immutable, and shared by all snapshots that have it.
#[derive(Debug, Default)]
pub(super) struct TableData {
    /// Where its directory is; `None` as long as it has no rows.
    pub(super) directory: Option<SlotId>,
    /// Rows of the sealed row groups, deleted ones among them.
    pub(super) rows: u64,
    /// How many of these are marked as deleted in the file.
    pub(super) deleted: u64,
    /// Bytes of all sealed row groups' extents that are in use.
    pub(super) bytes: u64,
    /// Sealed row groups, in parts.
    pub(super) segments: Vec<Arc<Segment>>,
    /// What is not sealed yet.
    pub(super) delta: Delta,
    /// Another whenever rows are added or deleted, but the same after they were sealed. See [`new_version`].
    pub(super) version: u64,
    pub(super) numbering: Arc<Numbering>,
    /// What was asked for of its columns, so that it is put together once as long as the rows are these.
    pub(super) statistics: RwLock<HashMap<ColumnId, Arc<ColumnStatistics>>>,
    /// There may be row groups of late points that are worth being put in order.
    pub(super) late: AtomicBool,
    /// Which of the sealed row groups may have a key.
    pub(super) key_maps: Arc<KeyMaps>,
}

impl TableData {
    /// Reads the directory, but no segment of it. Segments that an earlier version has in the same place are shared with
    /// that, if it is still pinned.
    pub(super) fn load(pin: &Pin, table: TableId, slot: SlotId, before: Option<&Self>) -> Result<Self> {
        let bytes = pin.heap_get(slot)?;
        let record = DirectoryRecord::decode(&bytes).map_err(|e| e.at(RecordKind::Directory, slot))?;
        if record.table != table {
            return Err(TableError::Corrupt(format!(
                "the row-group directory at {slot} belongs to {}, not to {table}",
                record.table
            )));
        }
        let before = before.map_or(&[][..], |before| &before.segments);
        let known: HashMap<_, _> = before.iter().map(|segment| (segment.reference.slot, segment)).collect();
        let share = |reference: SegmentRef| match known.get(&reference.slot) {
            Some(segment) if segment.reference == reference => Arc::clone(segment),
            _ => Arc::new(Segment::new(reference)),
        };
        let segments = record.segments.into_iter().map(share).collect();
        Ok(Self {
            directory: Some(slot),
            rows: record.rows,
            deleted: record.deleted_rows,
            bytes: record.bytes,
            segments,
            delta: Delta::default(),
            version: new_version(),
            numbering: Arc::default(),
            statistics: RwLock::default(),
            late: AtomicBool::new(false),
            key_maps: Arc::default(),
        })
    }

    pub(super) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    pub(super) fn set_late(&self, late: bool) {
        self.late.store(late, Ordering::Relaxed);
    }

    /// The record of this version's directory.
    pub(super) fn encode(&self, table: TableId) -> Vec<u8> {
        let segments = self.segments.iter().map(|segment| segment.reference).collect();
        let Self { rows, deleted: deleted_rows, bytes, .. } = *self;
        DirectoryRecord { table, rows, deleted_rows, bytes, segments }.encode()
    }

    /// The number of sealed row groups.
    pub(super) fn sealed_groups(&self) -> usize {
        self.segments.iter().map(|segment| segment.reference.row_groups as usize).sum()
    }

    /// The number of row groups.
    pub(super) fn row_groups(&self) -> usize {
        self.sealed_groups() + self.delta.groups.len()
    }

    /// All rows, deleted ones among them.
    pub(super) fn all_rows(&self) -> u64 {
        self.rows + self.delta.rows
    }

    /// How many of all rows are deleted.
    pub(super) fn deleted_rows(&self) -> u64 {
        self.deleted + self.delta.deleted
    }

    /// This version with a change on top.
    pub(super) fn changed_by(&self, change: &Delta) -> Self {
        self.with_delta(self.delta.then(change))
    }

    /// The numbers of the rows that a change deletes of this version, in order.
    pub(super) fn rows_deleted_by(&self, pin: &Pin, table: TableId, change: &Delta) -> Result<Vec<u64>> {
        let known = |index: usize| self.delta.deletes.get(index).cloned();
        let mut rows = self.sealed_rows_deleted(pin, table, &change.deletes, known)?;
        let mut first = self.rows;
        for (index, group) in (self.sealed_groups()..).zip(&self.delta.groups) {
            if let Some(vector) = change.deletes.get(index) {
                rows.extend(vector.since(known(index).as_deref()).map(|row| first + row as u64));
            }
            first += u64::from(group.rows());
        }
        Ok(rows)
    }

    /// The numbers of rows of sealed row groups, in order, that are in some vectors and not in those that `known` or the file
    /// has.
    fn sealed_rows_deleted(
        &self,
        pin: &Pin,
        table: TableId,
        deletes: &DeletesByGroup,
        known: impl Fn(usize) -> Option<Arc<DeleteVector>>,
    ) -> Result<Vec<u64>> {
        let (mut rows, mut begin, mut begin_row) = (vec![], 0, 0);
        for segment in &self.segments {
            let end = begin + segment.reference.row_groups as usize;
            // How far its row groups were gone through.
            let (mut at, mut first) = (0, begin_row);
            for (index, vector) in deletes.range(begin..end) {
                let groups = segment.groups(pin)?;
                let here = index - begin;
                first += groups[at..here].iter().map(|group| u64::from(group.entry.rows)).sum::<u64>();
                at = here;
                let before = match known(index) {
                    Some(known) => Some(known),
                    None => groups[here].deletes(pin, table)?,
                };
                rows.extend(vector.since(before.as_deref()).map(|row| first + row as u64));
            }
            (begin, begin_row) = (end, begin_row + segment.reference.rows);
        }
        Ok(rows)
    }

    /// The numbers of the rows of an earlier version, in order, that are deleted in this one and were not. Both have the
    /// same sealed row groups.
    pub(super) fn rows_deleted_since(&self, before: &Self, pin: &Pin, table: TableId) -> Result<Vec<u64>> {
        let known = |index: usize| before.delta.deletes.get(index).cloned();
        let mut rows = self.sealed_rows_deleted(pin, table, &self.delta.deletes, known)?;
        let (was, now) = (before.deleted_in_delta(), self.deleted_in_delta());
        let (mut was, end) = (was.into_iter().peekable(), before.all_rows());
        rows.extend(now.into_iter().filter(|row| {
            while was.peek().is_some_and(|was| was < row) {
                was.next();
            }
            *row < end && was.peek() != Some(row)
        }));
        Ok(rows)
    }

    /// The numbers of deleted rows of the delta's own row groups, in order.
    fn deleted_in_delta(&self) -> Vec<u64> {
        let (mut rows, mut first) = (vec![], self.rows);
        for (index, group) in (self.sealed_groups()..).zip(&self.delta.groups) {
            if let Some(deletes) = self.delta.deletes.get(index) {
                rows.extend(deletes.since(None).map(|row| first + row as u64));
            }
            first += u64::from(group.rows());
        }
        rows
    }

    /// The same sealed row groups, unless they are gone, with another delta.
    pub(super) fn with_delta(&self, delta: Delta) -> Self {
        let version = new_version();
        if delta.cleared {
            return Self { delta, version, ..Self::default() };
        }
        Self {
            directory: self.directory,
            rows: self.rows,
            deleted: self.deleted,
            bytes: self.bytes,
            segments: self.segments.clone(),
            delta,
            version,
            numbering: Arc::clone(&self.numbering),
            statistics: RwLock::default(),
            late: AtomicBool::new(self.is_late()),
            key_maps: Arc::clone(&self.key_maps),
        }
    }
}

/// Tells versions of a table's rows apart: no two calls return the same.
pub(super) fn new_version() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What a version of a table has beyond its sealed row groups, or without some of their rows; or what a transaction
/// changes about the version with which it began, whose row groups then count as the sealed ones here.
#[derive(Debug, Clone, Default)]
pub(super) struct Delta {
    /// Row groups behind the sealed ones.
    pub(super) groups: Vec<Arc<FreshGroup>>,
    /// The deleted rows of row groups that lost some: all of them, also those that the file knows. By the place
    /// of the row group in the table, sealed ones first.
    pub(super) deletes: DeletesByGroup,
    /// Rows of `groups`.
    pub(super) rows: u64,
    /// Rows in `deletes`, but for those that were deleted before.
    pub(super) deleted: u64,
    /// All sealed row groups are gone, and those of `groups` are the first.
    pub(super) cleared: bool,
    /// Row groups of the transaction that were in `groups` before all rows were removed.
    pub(super) gone: Vec<Arc<FreshGroup>>,
    /// Where keys are, of the rows of `groups` that are committed.
    pub(super) keys: DeltaKeys,
}

impl Delta {
    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.deletes.is_empty() && self.gone.is_empty() && !self.cleared
    }

    /// This and a change on top of it.
    pub(super) fn then(&self, change: &Self) -> Self {
        if change.cleared {
            return change.clone();
        }
        let mut both = self.clone();
        both.groups.extend(change.groups.iter().cloned());
        both.deletes.extend(change.deletes.iter().map(|(index, vector)| (index, Arc::clone(vector))));
        both.gone.extend(change.gone.iter().cloned());
        both.rows += change.rows;
        both.deleted += change.deleted;
        both
    }

    /// Adds a row group in memory behind the others. `sealed` is how many there are before these.
    pub(super) fn push(&mut self, sealed: usize, group: FreshGroup, rows_max: usize) -> Result<()> {
        let (group, united) = group.push_united(&self.groups, rows_max)?;
        self.replace(sealed, united, Arc::new(group));
        Ok(())
    }

    /// The rows of its own row groups that are left. `before` is how many row groups there are before these.
    pub(super) fn rows_added(&self, before: usize) -> Result<Vec<Rows>> {
        let mut added = vec![];
        for (i, group) in self.groups.iter().enumerate() {
            let Content::Held(columns) = group.content() else { return Err(TableError::Ended) };
            let Some(deletes) = self.deletes.get(before + i) else {
                added.push(Rows { rows: group.rows(), columns: columns.clone() });
                continue;
            };
            let left = deletes.left();
            let rows = group.rows() - deletes.deleted();
            if rows > 0 {
                let columns = columns.iter().map(|(id, array)| Ok((*id, keep(array, &left)?)));
                added.push(Rows { rows, columns: columns.collect::<Result<_>>()? });
            }
        }
        Ok(added)
    }

    /// Where a row of its own is, by its number among these: which row group, and which row of it.
    pub(super) fn place(&self, row: u64) -> Option<(usize, u32)> {
        let mut first = self.rows;
        self.groups.iter().enumerate().rev().find_map(|(at, group)| {
            first -= u64::from(group.rows());
            Some((at, row.checked_sub(first)? as u32)).filter(|(_, row)| *row < group.rows())
        })
    }

    /// Removes all rows.
    pub(super) fn clear(&mut self) {
        self.gone.append(&mut self.groups);
        self.deletes = DeletesByGroup::default();
        self.keys = DeltaKeys::default();
        (self.rows, self.deleted, self.cleared) = (0, 0, true);
    }

    /// All row groups that were added, whether or not they are still there.
    pub(super) fn added(&self) -> impl Iterator<Item = &Arc<FreshGroup>> {
        self.groups.iter().chain(&self.gone)
    }

    /// Puts a row group in the place of the last `united`, whose rows are the first of its own. `sealed` is how many
    /// row groups there are before these.
    pub(super) fn replace(&mut self, sealed: usize, united: usize, group: Arc<FreshGroup>) {
        let keep = self.groups.len() - united;
        let old = self.groups.split_off(keep);
        let first = sealed + keep;
        let vectors: Vec<_> = (first..first + united).map(|index| self.deletes.remove(index)).collect();
        if vectors.iter().any(Option::is_some) {
            let rest = group.rows() - old.iter().map(|group| group.rows()).sum::<u32>();
            let parts = old.iter().zip(&vectors).map(|(group, vector)| (group.rows(), vector.as_deref()));
            let parts = parts.chain([(rest, None)]).map(|(rows, vector)| (rows as usize, vector));
            if let Some(vector) = DeleteVector::concat(parts) {
                self.deletes.insert(first, Arc::new(vector));
            }
        }
        self.rows += u64::from(group.rows()) - old.iter().map(|group| u64::from(group.rows())).sum::<u64>();
        self.groups.push(group);
    }

    /// Marks rows as deleted, which are named by their place in the table. `base` is the table without this delta.
    /// Returns how many were not deleted before.
    pub(super) fn delete(
        &mut self,
        pin: &Pin,
        table: TableId,
        base: &TableData,
        rows: &[u64],
    ) -> Result<u64> {
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        let (mut rest, mut index, mut first) = (&rows[..], 0, 0);
        let before = self.deleted;
        'done: {
            for segment in &base.segments {
                let end = first + segment.reference.rows;
                if rest.first().is_none_or(|row| *row >= end) {
                    (first, index) = (end, index + segment.reference.row_groups as usize);
                    continue;
                }
                for group in segment.groups(pin)? {
                    let (here, others) = split_rows(rest, first + u64::from(group.entry.rows));
                    if !here.is_empty() {
                        let old = match self.deletes.get(index).or_else(|| base.delta.deletes.get(index)) {
                            Some(old) => Some(Arc::clone(old)),
                            None => group.deletes(pin, table)?,
                        };
                        self.mark(index, group.entry.rows, old, here, first);
                    }
                    (rest, first, index) = (others, first + u64::from(group.entry.rows), index + 1);
                    if rest.is_empty() {
                        break 'done;
                    }
                }
            }
            let counts: Vec<_> = base.delta.groups.iter().chain(&self.groups).map(|g| g.rows()).collect();
            for count in counts {
                let (here, others) = split_rows(rest, first + u64::from(count));
                if !here.is_empty() {
                    let old = self.deletes.get(index).or_else(|| base.delta.deletes.get(index)).cloned();
                    self.mark(index, count, old, here, first);
                }
                (rest, first, index) = (others, first + u64::from(count), index + 1);
            }
        }
        match rest.first() {
            None => Ok(self.deleted - before),
            Some(row) => Err(TableError::NoSuchRow { table, row: *row }),
        }
    }

    fn mark(&mut self, index: usize, count: u32, old: Option<Arc<DeleteVector>>, rows: &[u64], first: u64) {
        let was = old.as_ref().map_or(0, |old| old.deleted());
        let offsets = rows.iter().map(|row| (row - first) as usize);
        if let Some(new) = DeleteVector::with(old.as_deref(), count as usize, offsets) {
            self.deleted += u64::from(new.deleted() - was);
            self.deletes.insert(index, Arc::new(new));
        }
    }
}

/// Sorted rows before `end`, and the others.
fn split_rows(rows: &[u64], end: u64) -> (&[u64], &[u64]) {
    rows.split_at(rows.partition_point(|row| *row < end))
}

/// A part of a table's row groups.
#[derive(Debug)]
pub(super) struct Segment {
    /// What the directory says about it.
    pub(super) reference: SegmentRef,
    groups: OnceLock<Vec<Arc<Group>>>,
    /// What was asked for of its columns. Versions of a table share it, as long as it stays as it is.
    statistics: RwLock<HashMap<ColumnId, Arc<Accumulator>>>,
}

impl Segment {
    /// A segment yet to be loaded.
    fn new(reference: SegmentRef) -> Self {
        Self { reference, groups: OnceLock::new(), statistics: RwLock::default() }
    }

    /// A segment that was just written.
    pub(super) fn with_groups(slot: SlotId, groups: Vec<Arc<Group>>) -> Self {
        let rows = groups.iter().map(|group| u64::from(group.entry.rows)).sum();
        let reference = SegmentRef { slot, rows, row_groups: groups.len() as u32 };
        Self { reference, groups: OnceLock::from(groups), statistics: RwLock::default() }
    }

    /// What is known of a column, deleted rows among the others; `make` looks at its row groups.
    pub(super) fn statistics(
        &self,
        column: ColumnId,
        make: impl FnOnce() -> Result<Accumulator>,
    ) -> Result<Arc<Accumulator>> {
        if let Some(statistics) = self.statistics.read().get(&column) {
            return Ok(Arc::clone(statistics));
        }
        let statistics = Arc::new(make()?);
        Ok(Arc::clone(self.statistics.write().entry(column).or_insert(statistics)))
    }

    /// Its row groups; read at the first call.
    pub(super) fn groups(&self, pin: &Pin) -> Result<&[Arc<Group>]> {
        if let Some(groups) = self.groups.get() {
            return Ok(groups);
        }
        let slot = self.reference.slot;
        let bytes = pin.heap_get(slot)?;
        let record = SegmentRecord::decode(&bytes).map_err(|e| e.at(RecordKind::Segment, slot))?;
        if record.rows() != self.reference.rows || record.entries.len() as u32 != self.reference.row_groups {
            return Err(TableError::Corrupt(format!(
                "the row-group segment at {slot} does not have the rows that its directory says"
            )));
        }
        let groups = record.entries.into_iter().map(|entry| Arc::new(Group::new(entry))).collect();
        Ok(self.groups.get_or_init(|| groups))
    }
}

/// A row group, whatever version of the table it is seen through. What was read and verified once is kept
/// here, so that all queries share it.
#[derive(Debug)]
pub(super) struct Group {
    /// What its segment says about it.
    pub(super) entry: SegmentEntry,
    loaded: Arc<OnceLock<Loaded>>,
    deletes: OnceLock<Option<Arc<DeleteVector>>>,
}

#[derive(Debug)]
struct Loaded {
    record: RowGroupRecord<Bytes>,
    fingerprint: OnceLock<u64>,
    /// One for each chunk of the record.
    readers: Box<[OnceLock<Arc<ChunkReader>>]>,
    indexes: IndexCache,
    keys_seen: Mutex<KeysSeen>,
}

/// Distinct keys, by their columns.
type KeysSeen = Vec<(Box<[ColumnId]>, KnownKeys)>;

impl Group {
    fn new(entry: SegmentEntry) -> Self {
        Self { entry, loaded: Arc::default(), deletes: OnceLock::new() }
    }

    /// A row group that was just written, with the bytes of its record.
    pub(super) fn written(entry: SegmentEntry, record: Bytes) -> Result<Self> {
        let record = RowGroupRecord::new(record).map_err(|e| e.at(RecordKind::RowGroup, entry.record))?;
        Ok(Self { entry, loaded: Arc::new(Loaded::new(record).into()), deletes: OnceLock::new() })
    }

    /// The same row group, of which its segment says something else.
    pub(super) fn with_entry(&self, entry: SegmentEntry) -> Self {
        Self { entry, loaded: Arc::clone(&self.loaded), deletes: OnceLock::new() }
    }

    /// Its deleted rows; read at the first call.
    pub(super) fn deletes(&self, pin: &Pin, table: TableId) -> Result<Option<Arc<DeleteVector>>> {
        if let Some(deletes) = self.deletes.get() {
            return Ok(deletes.clone());
        }
        let deletes = DeleteVector::load(pin, table, &self.entry)?.map(Arc::new);
        Ok(self.deletes.get_or_init(|| deletes).clone())
    }

    /// Where its chunks are.
    pub(super) fn extent(&self, pin: &Pin) -> Result<Extent> {
        let header = self.record(pin)?.header();
        Ok(Extent { start: PageId(header.extent_page.get()), pages: header.extent_pages.get() })
    }

    /// Where its delete vector is.
    pub(super) fn deletes_extent(&self) -> Option<Extent> {
        let deletes = self.entry.deletes?;
        Some(Extent { start: PageId(deletes.page), pages: u64::from(deletes.pages) })
    }

    fn load(&self, pin: &Pin) -> Result<&Loaded> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        let slot = self.entry.record;
        // A copy: the page must not be kept from being used again as long as this lives.
        let bytes = Bytes::copy_from_slice(&pin.heap_get(slot)?);
        let record = RowGroupRecord::new(bytes).map_err(|e| e.at(RecordKind::RowGroup, slot))?;
        if record.header().rows.get() != self.entry.rows {
            return Err(TableError::Corrupt(format!(
                "the row group at {slot} does not have the {} rows that its segment says",
                self.entry.rows
            )));
        }
        Ok(self.loaded.get_or_init(|| Loaded::new(record)))
    }

    /// Its record; read at the first call.
    pub(super) fn record(&self, pin: &Pin) -> Result<&RowGroupRecord<Bytes>> {
        Ok(&self.load(pin)?.record)
    }

    /// Tells its rows from those of all other row groups, whatever becomes of its place; computed at the first call.
    pub(super) fn fingerprint(&self, pin: &Pin) -> Result<u64> {
        let Loaded { record, fingerprint, .. } = self.load(pin)?;
        Ok(*fingerprint.get_or_init(|| {
            // FNV-1a. A chunk's header covers the checksums of all of its blocks.
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            let mut add = |value: u32| {
                for byte in value.to_le_bytes() {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                }
            };
            add(record.header().rows.get());
            for (column, chunk) in record.columns().iter().zip(record.chunks()) {
                add(column.get());
                add(chunk.header_crc.get());
            }
            hash
        }))
    }

    /// The index of its rows by a key; read at the first call. `None` if it was written without.
    pub(super) fn key_index(&self, pin: &Pin, key: &[ColumnId]) -> Result<Option<Arc<KeyIndex>>> {
        let (loaded, extent) = (self.load(pin)?, self.extent(pin)?);
        let read = |offset, bytes| Ok(pin.read_extent_range(extent, offset, bytes)?);
        let place = loaded.record.keys();
        loaded.indexes.get(key, || open_index(&place, self.entry.rows, key, read))
    }

    /// What was found out about the keys of its rows.
    pub(super) fn keys_seen(&self, pin: &Pin) -> Result<&Mutex<KeysSeen>> {
        Ok(&self.load(pin)?.keys_seen)
    }

    /// The reader of the chunk at that position of the record; made by `open` at the first call.
    pub(super) fn reader(
        &self,
        pin: &Pin,
        position: usize,
        open: impl FnOnce() -> Result<ChunkReader>,
    ) -> Result<Arc<ChunkReader>> {
        let cell = &self.load(pin)?.readers[position];
        if let Some(reader) = cell.get() {
            return Ok(Arc::clone(reader));
        }
        let reader = Arc::new(open()?);
        Ok(Arc::clone(cell.get_or_init(|| reader)))
    }
}

impl Loaded {
    fn new(record: RowGroupRecord<Bytes>) -> Self {
        let readers = record.chunks().iter().map(|_| OnceLock::new()).collect();
        Self {
            record,
            fingerprint: OnceLock::new(),
            readers,
            indexes: IndexCache::default(),
            keys_seen: Mutex::default(),
        }
    }
}
