//! A table's directory: which row groups it has, in order.
//!
//! Two levels, so that a change writes little however many row groups there are. The directory record
//! lists the segments:
//!
//! ```text
//! header | table id u64 | rows u64 | bytes u64
//!        | count u32, then for each segment: slot u64 | rows u64 | row groups u32
//! ```
//!
//! A segment record lists row groups, at most 128, with what may change about them and what prunes
//! them without a look at their own records:
//!
//! ```text
//! header | count u32, then for each row group (56 bytes):
//!          record's slot u64 | rows u32 | deleted rows u32
//!          | delete vector: first page u64, pages u32 (0, 0: none)
//!          | bytes of its extent u64 | flags u32 (zero)
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
        let (table, rows, data_bytes) = (TableId(r.u64()?), r.u64()?, r.u64()?);
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
        Ok(Self { table, rows, bytes: data_bytes, segments })
    }
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
    /// Where its delete vector is: first page and number of pages.
    pub deletes: Option<(u64, u32)>,
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
            let (page, pages) = entry.deletes.unwrap_or((0, 0));
            w.u64(page);
            w.u32(pages);
            w.u64(entry.bytes);
            w.u32(0);
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
            let deletes = match (r.u64()?, r.u32()?) {
                (0, 0) if deleted_rows == 0 => None,
                (page, pages) if page > 0 && pages > 0 && deleted_rows > 0 => Some((page, pages)),
                _ => return Err("rows are deleted without a delete vector, or the reverse".into()),
            };
            let bytes = r.u64()?;
            if r.u32()? != 0 {
                return Err("the flags of a row group are not known".into());
            }
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
            bytes: 1000,
            segments: vec![
                SegmentRef { slot: at(0x50_0001), rows: 10, row_groups: 128 },
                SegmentRef { slot: at(0x60_0001), rows: 20, row_groups: 1 },
            ],
        };
        assert_eq!(DirectoryRecord::decode(&directory.encode()).unwrap(), directory);
        let wrong = DirectoryRecord { rows: 31, ..directory };
        assert!(DirectoryRecord::decode(&wrong.encode()).is_err());

        let deleted = SegmentEntry { deleted_rows: 5, deletes: Some((9, 1)), ..entry() };
        let timed = SegmentEntry { time_range: Some((-5, i64::MAX)), ..entry() };
        let segment = SegmentRecord { entries: vec![entry(), deleted, timed] };
        assert_eq!(SegmentRecord::decode(&segment.encode()).unwrap(), segment);
        assert_eq!(segment.rows(), 300);
        for wrong in [
            SegmentEntry { rows: 0, ..entry() },
            SegmentEntry { deleted_rows: 1, ..entry() },
            SegmentEntry { deleted_rows: 101, deletes: Some((9, 1)), ..entry() },
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
