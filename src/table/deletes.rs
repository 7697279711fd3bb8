//! Which rows of a row group are deleted: a bit for each, in memory and in the file.
//!
//! ```text
//! offset  bytes  field
//!      0      4  magic    "FXDV"
//!      4      4  checksum CRC32 of bytes 8 to the end
//!      8      4  rows     of the row group
//!     12      4  deleted  number of set bits
//!     16      8  table    its id
//!     24      8           zero
//!     32         bits     row i is bit i % 8 of byte i / 8, set if it is deleted; the last byte is filled with zeros
//! ```
//! A vector lies in an extent of its own, and never changes: one with more deleted rows goes to another place.

use arrow_array::BooleanArray;
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

use crate::catalog::{DeletesRef, SegmentEntry, TableId};
use crate::pager::{Extent, PageId, checksum};
use crate::table::error::{Result, TableError};
use crate::table::pin::Pin;

const MAGIC: [u8; 4] = *b"FXDV";
const HEADER_BYTES: usize = 32;

/// Which rows of a row group are deleted; at least one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeleteVector {
    bits: BooleanBuffer,
    deleted: u32,
}

impl DeleteVector {
    /// Of these bits; `None` if none is set.
    pub(super) fn new(bits: BooleanBuffer) -> Option<Self> {
        let deleted = bits.count_set_bits() as u32;
        (deleted > 0).then_some(Self { bits, deleted })
    }

    /// The rows at `offsets` as well as those of `before`, of a row group of `rows` rows; `None` if that is none.
    pub(super) fn with(
        before: Option<&Self>,
        rows: usize,
        offsets: impl Iterator<Item = usize>,
    ) -> Option<Self> {
        let mut bits = BooleanBufferBuilder::new(rows);
        match before {
            Some(before) => bits.append_buffer(&before.bits),
            None => bits.append_n(rows, false),
        }
        let mut deleted = before.map_or(0, Self::deleted);
        for offset in offsets {
            deleted += u32::from(!bits.get_bit(offset));
            bits.set_bit(offset, true);
        }
        (deleted > 0).then(|| Self { bits: bits.finish(), deleted })
    }

    /// The rows that are deleted, in order, but for those that were `before` in the same row group. Takes time in proportion
    /// to these, and a little for each 64 rows.
    pub(super) fn since<'a>(&'a self, before: Option<&'a Self>) -> impl Iterator<Item = usize> + 'a {
        let words = |vector: &'a Self| {
            let words = vector.bits.bit_chunks();
            words.iter().chain(std::iter::once(words.remainder_bits()))
        };
        let before = before.into_iter().flat_map(words).chain(std::iter::repeat(0));
        words(self).zip(before).enumerate().flat_map(|(at, (now, before))| {
            let mut new = now & !before;
            std::iter::from_fn(move || {
                let bit = (new != 0).then(|| new.trailing_zeros() as usize)?;
                new &= new - 1;
                Some(at * 64 + bit)
            })
        })
    }

    /// The vector of row groups that became one, given the rows of each and its vector.
    pub(super) fn concat<'a>(parts: impl Iterator<Item = (usize, Option<&'a Self>)>) -> Option<Self> {
        let mut bits = BooleanBufferBuilder::new(0);
        for (rows, part) in parts {
            match part {
                Some(part) => bits.append_buffer(&part.bits),
                None => bits.append_n(rows, false),
            }
        }
        Self::new(bits.finish())
    }

    /// How many rows are deleted.
    pub(super) fn deleted(&self) -> u32 {
        self.deleted
    }

    /// A set bit for each row that is deleted.
    pub(crate) fn bits(&self) -> &BooleanBuffer {
        &self.bits
    }

    /// True for each row that is left.
    pub(super) fn left(&self) -> BooleanArray {
        BooleanArray::new(!&self.bits, None)
    }

    /// The bytes in the file.
    pub(super) fn encode(&self, table: TableId) -> Vec<u8> {
        let rows = self.bits.len();
        let mut bytes = vec![0; HEADER_BYTES + rows.div_ceil(8)];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&(rows as u32).to_le_bytes());
        bytes[12..16].copy_from_slice(&self.deleted.to_le_bytes());
        bytes[16..24].copy_from_slice(&table.0.to_le_bytes());
        for row in self.bits.set_indices() {
            bytes[HEADER_BYTES + row / 8] |= 1 << (row % 8);
        }
        let sum = checksum(&bytes[8..]);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The checksum of a vector's bytes, by which its row group knows it.
    pub(super) fn checksum_of(encoded: &[u8]) -> u32 {
        u32_at(encoded, 4)
    }

    /// Reads the vector of a row group of that table. `None` if it has none.
    pub(super) fn load(pin: &Pin, table: TableId, entry: &SegmentEntry) -> Result<Option<Self>> {
        let Some(DeletesRef { page, pages, checksum }) = entry.deletes else { return Ok(None) };
        let extent = Extent { start: PageId(page), pages: u64::from(pages) };
        let bytes = pin.read_extent_range(extent, 0, Self::encoded_bytes(entry.rows))?;
        Self::decode(&bytes, table, entry, checksum)
            .map(Some)
            .map_err(|what| TableError::Corrupt(format!("the delete vector at {extent}: {what}")))
    }

    /// Bytes of the vector of a row group of so many rows.
    pub(crate) fn encoded_bytes(rows: u32) -> usize {
        HEADER_BYTES + (rows as usize).div_ceil(8)
    }

    /// Reads the bytes of the vector of a row group of that table, which knows it by its checksum.
    pub(crate) fn decode(
        bytes: &[u8],
        table: TableId,
        entry: &SegmentEntry,
        sum: u32,
    ) -> Result<Self, String> {
        let rows = entry.rows as usize;
        if bytes.len() != HEADER_BYTES + rows.div_ceil(8) || bytes[..4] != MAGIC {
            return Err("it is none".into());
        }
        if u32_at(bytes, 4) != sum || checksum(&bytes[8..]) != sum {
            return Err("its checksum is wrong".into());
        }
        let id = u64::from_le_bytes(bytes[16..24].try_into().unwrap_or_default());
        if u32_at(bytes, 8) != entry.rows || id != table.0 || bytes[24..HEADER_BYTES] != [0; 8] {
            return Err(format!("it is not that of {rows} rows of {table}"));
        }
        let bits = BooleanBuffer::new(bytes[HEADER_BYTES..].to_vec().into(), 0, rows);
        let vector = Self::new(bits).filter(|vector| vector.deleted == entry.deleted_rows);
        vector
            .ok_or_else(|| format!("it does not have the {} rows that its segment says", entry.deleted_rows))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pager::SlotId;

    fn entry(rows: u32, deleted_rows: u32) -> SegmentEntry {
        SegmentEntry {
            record: SlotId::from_u64(0x50_0003).unwrap(),
            rows,
            deleted_rows,
            deletes: None,
            bytes: 0,
            time_range: None,
        }
    }

    #[test]
    fn rows_come_together() {
        let first = DeleteVector::with(None, 10, [3, 9, 3].into_iter()).unwrap();
        assert_eq!((first.deleted(), first.bits().set_indices().collect::<Vec<_>>()), (2, vec![3, 9]));
        let second = DeleteVector::with(Some(&first), 10, [0].into_iter()).unwrap();
        assert_eq!(second.bits().set_indices().collect::<Vec<_>>(), [0, 3, 9]);
        assert_eq!((second.deleted(), second.left().true_count()), (3, 7));
        assert_eq!(second.since(Some(&first)).collect::<Vec<_>>(), [0]);
        assert_eq!(DeleteVector::with(None, 10, std::iter::empty()), None);
        let both = DeleteVector::concat([(4, None), (10, Some(&first))].into_iter()).unwrap();
        assert_eq!(both.bits().set_indices().collect::<Vec<_>>(), [7, 13]);
    }

    #[test]
    fn what_is_deleted_since_is_told_from_what_was() {
        for rows in [1, 63, 64, 65, 1000, 4096] {
            let before = DeleteVector::with(None, rows, (0..rows).step_by(3)).unwrap();
            let now = DeleteVector::with(Some(&before), rows, (0..rows).step_by(5)).unwrap();
            let all: Vec<usize> = (0..rows).filter(|row| row % 3 == 0 || row % 5 == 0).collect();
            assert_eq!(
                (now.since(None).collect::<Vec<_>>(), now.deleted() as usize),
                (all.clone(), all.len())
            );
            let new = all.into_iter().filter(|row| row % 3 != 0);
            assert!(now.since(Some(&before)).eq(new));
            assert_eq!(now.since(Some(&now)).next(), None);
        }
    }

    #[test]
    fn damage_is_found() {
        let vector = DeleteVector::with(None, 21, [3, 9, 20].into_iter()).unwrap();
        let (table, entry) = (TableId(7), entry(21, 3));
        let bytes = vector.encode(table);
        let sum = DeleteVector::checksum_of(&bytes);
        assert_eq!(bytes.len(), 35);
        assert_eq!(DeleteVector::decode(&bytes, table, &entry, sum).unwrap(), vector);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(DeleteVector::decode(&damaged, table, &entry, sum).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(DeleteVector::decode(&bytes[..length], table, &entry, sum).is_err());
        }
        // Whole, but of another table, row group or commit.
        assert!(DeleteVector::decode(&bytes, TableId(8), &entry, sum).is_err());
        assert!(DeleteVector::decode(&bytes, table, &SegmentEntry { rows: 22, ..entry }, sum).is_err());
        assert!(
            DeleteVector::decode(&bytes, table, &SegmentEntry { deleted_rows: 2, ..entry }, sum).is_err()
        );
        assert!(DeleteVector::decode(&bytes, table, &entry, sum ^ 1).is_err());
    }
}
