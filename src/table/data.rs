//! Which row groups a version of a table has. Loaded at first touch, shared between versions.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::RwLock;

use crate::catalog::record::RecordKind;
use crate::catalog::{
    ColumnId, DirectoryRecord, RowGroupRecord, SegmentEntry, SegmentRecord, SegmentRef, TableId,
};
use crate::column::ChunkReader;
use crate::pager::SlotId;
use crate::table::Pin;
use crate::table::error::{Result, TableError};
use crate::table::statistics::ColumnStatistics;

/// A version of a table's rows: immutable, and shared by all snapshots that have it.
#[derive(Debug, Default)]
pub(super) struct TableData {
    /// Where its directory is; `None` as long as it has no rows.
    pub(super) directory: Option<SlotId>,
    /// Rows.
    pub(super) rows: u64,
    /// Bytes of all row groups' extents that are in use.
    pub(super) bytes: u64,
    /// Row groups, in parts.
    pub(super) segments: Vec<Arc<Segment>>,
    /// What was asked for of its columns, so that it is put together once as long as the rows are these.
    pub(super) statistics: RwLock<HashMap<ColumnId, Arc<ColumnStatistics>>>,
}

impl TableData {
    /// Reads the directory, but no segment of it.
    pub(super) fn load(pin: &Pin, table: TableId, slot: SlotId) -> Result<Self> {
        let bytes = pin.heap_get(slot)?;
        let record = DirectoryRecord::decode(&bytes).map_err(|e| e.at(RecordKind::Directory, slot))?;
        if record.table != table {
            return Err(TableError::Corrupt(format!(
                "the row-group directory at {slot} belongs to {}, not to {table}",
                record.table
            )));
        }
        let segments = record.segments.into_iter().map(|s| Arc::new(Segment::new(s))).collect();
        Ok(Self {
            directory: Some(slot),
            rows: record.rows,
            bytes: record.bytes,
            segments,
            statistics: RwLock::default(),
        })
    }

    /// The record of this version's directory.
    pub(super) fn encode(&self, table: TableId) -> Vec<u8> {
        let segments = self.segments.iter().map(|segment| segment.reference).collect();
        DirectoryRecord { table, rows: self.rows, bytes: self.bytes, segments }.encode()
    }

    /// The number of row groups.
    pub(super) fn row_groups(&self) -> usize {
        self.segments.iter().map(|segment| segment.reference.row_groups as usize).sum()
    }
}

/// A part of a table's row groups.
#[derive(Debug)]
pub(super) struct Segment {
    /// What the directory says about it.
    pub(super) reference: SegmentRef,
    groups: OnceLock<Vec<Arc<Group>>>,
}

impl Segment {
    /// A segment yet to be loaded.
    fn new(reference: SegmentRef) -> Self {
        Self { reference, groups: OnceLock::new() }
    }

    /// A segment that was just written.
    pub(super) fn with_groups(slot: SlotId, groups: Vec<Arc<Group>>) -> Self {
        let rows = groups.iter().map(|group| u64::from(group.entry.rows)).sum();
        let reference = SegmentRef { slot, rows, row_groups: groups.len() as u32 };
        Self { reference, groups: OnceLock::from(groups) }
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
    loaded: OnceLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    record: RowGroupRecord<Bytes>,
    /// One for each chunk of the record.
    readers: Box<[OnceLock<Arc<ChunkReader>>]>,
}

impl Group {
    fn new(entry: SegmentEntry) -> Self {
        Self { entry, loaded: OnceLock::new() }
    }

    /// A row group that was just written, with the bytes of its record.
    pub(super) fn written(entry: SegmentEntry, record: Bytes) -> Result<Self> {
        let record = RowGroupRecord::new(record).map_err(|e| e.at(RecordKind::RowGroup, entry.record))?;
        Ok(Self { entry, loaded: OnceLock::from(Loaded::new(record)) })
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
        Self { record, readers }
    }
}
