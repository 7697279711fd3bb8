//! A table's directory: which row groups it has, in order.
//!
//! Two levels, so that a change writes little however many row groups there are. The directory record
//! lists the segments:
//!
//! ```text
//! header | table id u64 | rows u64 | deleted rows u64 | bytes u64
//!        | count u32, then for each segment: slot u64 | rows u64 | row groups u32
//! ```
//!
//! Version 1 had no deleted rows, nor the field for their number.
//!
//! A segment record lists row groups, at most 128, with what may change about them and what prunes
//! them without a look at their own records:
//!
//! ```text
//! header | count u32, then for each row group (56 bytes):
//!          record's slot u64 | rows u32 | deleted rows u32
//!          | delete vector: first page u64, pages u32 (0, 0: none)
//!          | bytes of its extent u64 | checksum of the delete vector u32 (0: none)
//!          | least time i64 | greatest time i64 (least > greatest: not known)
//! ```

use crate::catalog::record::{Decoded, Malformed, RecordKind, RecordReader, RecordWriter};
use crate::catalog::root::slot;
use crate::catalog::table::TableId;
use crate::pager::SlotId;

/// Row groups in a segment.
pub const SEGMENT_ENTRIES_MAX: usize = 128;

const REF_BYTES: usize = 20;
const ENTRY_BYTES: usize = 56;

/// A segment as its directory knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRef {
    /// Where it is.
    pub slot: SlotId,
    /// Rows of its row groups.
    pub rows: u64,
    /// How many row groups it has.
    pub row_groups: u32,
}

/// All of a table's segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRecord {
    /// The table.
    pub table: TableId,
    /// Rows of all row groups, deleted ones among them.
    pub rows: u64,
    /// How many of them are deleted.
    pub deleted_rows: u64,
    /// Bytes of all row groups' extents.
    pub bytes: u64,
    /// The segments, in the order of the rows.
    pub segments: Vec<SegmentRef>,
}

impl DirectoryRecord {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = RecordWriter::new(RecordKind::Directory);
        w.u64(self.table.0);
        w.u64(self.rows);
        w.u64(self.deleted_rows);
        w.u64(self.bytes);
        w.count(self.segments.len());
        for segment in &self.segments {
            w.u64(segment.slot.to_u64());
            w.u64(segment.rows);
            w.u32(segment.row_groups);
        }
        w.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = RecordReader::new(bytes, RecordKind::Directory)?;
        let (table, rows) = (TableId(r.u64()?), r.u64()?);
        let deleted_rows = if r.version() == 1 { 0 } else { r.u64()? };
        let data_bytes = r.u64()?;
        let count = r.count(REF_BYTES)?;
        let mut segments = Vec::with_capacity(count);
        let mut sum = 0u64;
        for _ in 0..count {
            let segment = SegmentRef { slot: slot(r.u64()?)?, rows: r.u64()?, row_groups: r.u32()? };
            if segment.row_groups == 0 || segment.row_groups as usize > SEGMENT_ENTRIES_MAX {
                return Err(Malformed::Bytes(format!("a segment of {} row groups", segment.row_groups)));
            }
            sum = sum.checked_add(segment.rows).ok_or("its rows are more than there can be")?;
            segments.push(segment);
        }
        r.finish()?;
        if sum != rows {
            return Err(Malformed::Bytes(format!("it has {rows} rows, its segments {sum}")));
        }
        if deleted_rows > rows {
            return Err(Malformed::Bytes(format!("{deleted_rows} of {rows} rows are deleted")));
        }
        Ok(Self { table, rows, deleted_rows, bytes: data_bytes, segments })
    }
}

/// Where a row group's delete vector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletesRef {
    /// First page of its extent.
    pub page: u64,
    /// Pages of that extent.
    pub pages: u32,
    /// The vector's checksum, so that none that was there before is taken for it.
    pub checksum: u32,
}

/// A row group as its segment knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentEntry {
    /// Its record.
    pub record: SlotId,
    /// Its rows, deleted ones among them; at least 1.
    pub rows: u32,
    /// How many of them are deleted.
    pub deleted_rows: u32,
    /// Where its delete vector is, if rows are deleted.
    pub deletes: Option<DeletesRef>,
    /// Bytes of its extent.
    pub bytes: u64,
    /// Least and greatest time of its rows, in the unit of the table's time column.
    pub time_range: Option<(i64, i64)>,
}

/// Some row groups of a table, in the order of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SegmentRecord {
    /// The row groups, at most [`SEGMENT_ENTRIES_MAX`].
    pub entries: Vec<SegmentEntry>,
}

impl SegmentRecord {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = RecordWriter::new(RecordKind::Segment);
        w.count(self.entries.len());
        for entry in &self.entries {
            w.u64(entry.record.to_u64());
            w.u32(entry.rows);
            w.u32(entry.deleted_rows);
            let none = DeletesRef { page: 0, pages: 0, checksum: 0 };
            let deletes = entry.deletes.unwrap_or(none);
            w.u64(deletes.page);
            w.u32(deletes.pages);
            w.u64(entry.bytes);
            w.u32(deletes.checksum);
            let (least, greatest) = entry.time_range.unwrap_or((i64::MAX, i64::MIN));
            w.u64(least as u64);
            w.u64(greatest as u64);
        }
        w.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = RecordReader::new(bytes, RecordKind::Segment)?;
        let count = r.count(ENTRY_BYTES)?;
        if count == 0 || count > SEGMENT_ENTRIES_MAX {
            return Err(Malformed::Bytes(format!("a segment of {count} row groups")));
        }
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let (record, rows, deleted_rows) = (slot(r.u64()?)?, r.u32()?, r.u32()?);
            if rows == 0 || deleted_rows > rows {
                return Err(Malformed::Bytes(format!("{deleted_rows} of {rows} rows are deleted")));
            }
            let (page, pages, bytes, checksum) = (r.u64()?, r.u32()?, r.u64()?, r.u32()?);
            let deletes = match (page, pages, checksum) {
                (0, 0, 0) if deleted_rows == 0 => None,
                _ if page > 0 && pages > 0 && deleted_rows > 0 => Some(DeletesRef { page, pages, checksum }),
                _ => return Err("rows are deleted without a delete vector, or the reverse".into()),
            };
            let time_range = Some((r.u64()? as i64, r.u64()? as i64)).filter(|(least, most)| least <= most);
            entries.push(SegmentEntry { record, rows, deleted_rows, deletes, bytes, time_range });
        }
        r.finish()?;
        Ok(Self { entries })
    }

    /// Rows of all its row groups.
    pub fn rows(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.rows)).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(n: u64) -> SlotId {
        SlotId::from_u64(n).unwrap()
    }

    fn entry() -> SegmentEntry {
        SegmentEntry {
            record: at(0x50_0003),
            rows: 100,
            deleted_rows: 0,
            deletes: None,
            bytes: 4096,
            time_range: None,
        }
    }

    #[test]
    fn directories_and_segments_come_back() {
        let directory = DirectoryRecord {
            table: TableId(7),
            rows: 30,
            deleted_rows: 5,
            bytes: 1000,
            segments: vec![
                SegmentRef { slot: at(0x50_0001), rows: 10, row_groups: 128 },
                SegmentRef { slot: at(0x60_0001), rows: 20, row_groups: 1 },
            ],
        };
        assert_eq!(DirectoryRecord::decode(&directory.encode()).unwrap(), directory);
        for wrong in [
            DirectoryRecord { rows: 31, ..directory.clone() },
            DirectoryRecord { deleted_rows: 31, ..directory.clone() },
        ] {
            assert!(DirectoryRecord::decode(&wrong.encode()).is_err());
        }
        // Version 1.
        let mut old = directory.encode();
        old[1] = 1;
        old.drain(20..28);
        assert_eq!(DirectoryRecord::decode(&old).unwrap(), DirectoryRecord { deleted_rows: 0, ..directory });

        let deletes = Some(DeletesRef { page: 9, pages: 1, checksum: 77 });
        let deleted = SegmentEntry { deleted_rows: 5, deletes, ..entry() };
        let timed = SegmentEntry { time_range: Some((-5, i64::MAX)), ..entry() };
        let segment = SegmentRecord { entries: vec![entry(), deleted, timed] };
        assert_eq!(SegmentRecord::decode(&segment.encode()).unwrap(), segment);
        assert_eq!(segment.rows(), 300);
        for wrong in [
            SegmentEntry { rows: 0, ..entry() },
            SegmentEntry { deleted_rows: 1, ..entry() },
            SegmentEntry { deleted_rows: 101, deletes, ..entry() },
            SegmentEntry { deletes, ..entry() },
        ] {
            assert!(SegmentRecord::decode(&SegmentRecord { entries: vec![wrong] }.encode()).is_err());
        }
        assert!(SegmentRecord::decode(&SegmentRecord::default().encode()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 8..200), count in 0..3u8) {
            bytes[..8].copy_from_slice(&[6, 1, 0, 0, count, 0, 0, 0]);
            let _: Decoded<SegmentRecord> = SegmentRecord::decode(&bytes);
            bytes[0] = 5;
            let _: Decoded<DirectoryRecord> = DirectoryRecord::decode(&bytes);
        }
    }
}
