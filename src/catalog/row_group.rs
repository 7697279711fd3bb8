//! The record of a row group: where its chunks lie, and their statistics. It is read in place.
//!
//! ```text
//! byte 0     header (as every record)
//! byte 4     columns u32
//! byte 8     rows u32
//! byte 12    zero u32
//! byte 16    first page of the extent u64
//! byte 24    pages of the extent u64
//! byte 32    bytes of the extent in use u64
//! byte 40    where in the extent the key indexes begin u64 (from version 2; 0 without any)
//! byte 48    bytes of the key indexes u64
//! byte 56    key indexes u32
//! byte 60    CRC32 of the list in front of them u32
//! byte 64    column ids, u32 each, in the order of the chunks
//! then       a ChunkMeta (128 bytes) for each column
//! ```
//!
//! A row group has the columns that its table had when it was written; a reader finds a chunk by the
//! column's id and takes a column that is not here as NULL.

use bytemuck::{Pod, Zeroable};

use crate::catalog::record::{Decoded, HEADER_BYTES, Malformed, RecordKind, check_header};
use crate::catalog::table::ColumnId;
use crate::column::le::{U32, U64};
use crate::column::{CHUNK_ALIGN, ChunkMeta, ROW_GROUP_ROWS};

/// The first 64 bytes of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RowGroupHeader {
    /// Kind, version and flags, as in every record.
    header: [u8; HEADER_BYTES],
    /// How many columns have a chunk.
    pub columns: U32,
    /// Rows, at least 1 and at most [`ROW_GROUP_ROWS`].
    pub rows: U32,
    reserved: U32,
    /// First page of the extent that holds the chunks.
    pub extent_page: U64,
    /// Pages of that extent.
    pub extent_pages: U64,
    /// Bytes of it that are in use.
    pub extent_bytes: U64,
    keys_offset: U64,
    keys_bytes: U64,
    keys_count: U32,
    keys_checksum: U32,
}

const _: () = assert!(size_of::<RowGroupHeader>() == 64);
const _: () = assert!(align_of::<RowGroupHeader>() == 1);

/// Where the key indexes of a row group lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeysPlace {
    /// From the beginning of the extent.
    pub offset: u64,
    /// All of them, and the list in front of them.
    pub bytes: u64,
    /// How many there are.
    pub count: u32,
    /// The checksum of the list.
    pub checksum: u32,
}

/// Builds the record of a row group whose chunks lie in one extent.
pub fn encode_row_group(
    rows: u32,
    extent_page: u64,
    extent_pages: u64,
    extent_bytes: u64,
    chunks: &[(ColumnId, ChunkMeta)],
    keys: &KeysPlace,
) -> Vec<u8> {
    let header = RowGroupHeader {
        // Older programs know those without.
        header: [RecordKind::RowGroup as u8, if keys.count > 0 { 2 } else { 1 }, 0, 0],
        columns: U32::new(chunks.len() as u32),
        rows: U32::new(rows),
        reserved: U32::new(0),
        extent_page: U64::new(extent_page),
        extent_pages: U64::new(extent_pages),
        extent_bytes: U64::new(extent_bytes),
        keys_offset: U64::new(keys.offset),
        keys_bytes: U64::new(keys.bytes),
        keys_count: U32::new(keys.count),
        keys_checksum: U32::new(keys.checksum),
    };
    let mut bytes = Vec::with_capacity(64 + chunks.len() * (4 + size_of::<ChunkMeta>()));
    bytes.extend_from_slice(bytemuck::bytes_of(&header));
    for (column, _) in chunks {
        bytes.extend_from_slice(&column.0.to_le_bytes());
    }
    for (_, meta) in chunks {
        bytes.extend_from_slice(bytemuck::bytes_of(meta));
    }
    bytes
}

/// The record of a row group, checked and read in place. `B` holds its bytes.
#[derive(Debug, Clone)]
pub struct RowGroupRecord<B> {
    bytes: B,
}

impl<B: AsRef<[u8]>> RowGroupRecord<B> {
    /// Checks the bytes: afterwards every chunk lies inside the extent and has as many rows as the group.
    pub fn new(bytes: B) -> Decoded<Self> {
        let all = bytes.as_ref();
        let Some((head, rest)) = all.split_at_checked(size_of::<RowGroupHeader>()) else {
            return Err(Malformed::Bytes(format!("{} bytes are too few", all.len())));
        };
        let header: &RowGroupHeader = bytemuck::from_bytes(head);
        check_header(header.header, RecordKind::RowGroup)?;
        let (columns, rows) = (header.columns.get() as usize, header.rows.get());
        let keys = KeysPlace {
            offset: header.keys_offset.get(),
            bytes: header.keys_bytes.get(),
            count: header.keys_count.get(),
            checksum: header.keys_checksum.get(),
        };
        let has_keys = header.header[1] >= 2;
        if header.reserved.get() != 0 || (!has_keys && keys != KeysPlace::default()) {
            return Err("reserved bytes are not zero".into());
        }
        if has_keys {
            let end = keys.offset.checked_add(keys.bytes);
            if end.is_none_or(|end| end > header.extent_bytes.get())
                || !keys.offset.is_multiple_of(CHUNK_ALIGN as u64)
                || keys.count == 0
                || u64::from(keys.count) * 8 > keys.bytes
            {
                return Err("its key indexes are not inside the row group".into());
            }
        }
        if rows == 0 || rows as usize > ROW_GROUP_ROWS {
            return Err(Malformed::Bytes(format!("a row group of {rows} rows")));
        }
        if columns == 0 || columns.checked_mul(4 + size_of::<ChunkMeta>()) != Some(rest.len()) {
            return Err(Malformed::Bytes(format!("{columns} chunks do not lie in {} bytes", rest.len())));
        }
        if header.extent_page.get() == 0 || header.extent_pages.get() == 0 {
            return Err("its extent is nowhere".into());
        }
        let record = Self { bytes };
        let header = record.header();
        for (column, meta) in record.columns().iter().zip(record.chunks()) {
            let (offset, length) = (meta.byte_offset.get(), meta.byte_len.get());
            let inside = offset.checked_add(length).is_some_and(|end| end <= header.extent_bytes.get());
            if meta.extent_page != header.extent_page
                || !inside
                || !offset.is_multiple_of(CHUNK_ALIGN as u64)
                || meta.row_count.get() != rows
                || meta.null_count.get() > rows
            {
                return Err(Malformed::Bytes(format!(
                    "the chunk of column {} is not inside the row group",
                    column.get()
                )));
            }
        }
        Ok(record)
    }

    /// The fixed part.
    pub fn header(&self) -> &RowGroupHeader {
        bytemuck::from_bytes(&self.bytes.as_ref()[..size_of::<RowGroupHeader>()])
    }

    /// Where its key indexes lie.
    pub fn keys(&self) -> KeysPlace {
        let header = self.header();
        KeysPlace {
            offset: header.keys_offset.get(),
            bytes: header.keys_bytes.get(),
            count: header.keys_count.get(),
            checksum: header.keys_checksum.get(),
        }
    }

    /// Ids of the columns, in the order of the chunks.
    pub fn columns(&self) -> &[U32] {
        let start = size_of::<RowGroupHeader>();
        bytemuck::cast_slice(&self.bytes.as_ref()[start..start + 4 * self.header().columns.get() as usize])
    }

    /// The chunks.
    pub fn chunks(&self) -> &[ChunkMeta] {
        let start = size_of::<RowGroupHeader>() + 4 * self.header().columns.get() as usize;
        bytemuck::cast_slice(&self.bytes.as_ref()[start..])
    }

    /// The place among the chunks of the column with that id; `None` if the row group does not have it.
    pub fn position(&self, column: ColumnId) -> Option<usize> {
        let columns = self.columns();
        // Mostly a table's columns have the ids 0, 1, 2, …
        let guess = column.0 as usize;
        if columns.get(guess).is_some_and(|id| id.get() == column.0) {
            return Some(guess);
        }
        columns.iter().position(|id| id.get() == column.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meta(offset: u64, len: u64) -> ChunkMeta {
        ChunkMeta {
            extent_page: U64::new(5),
            byte_offset: U64::new(offset),
            byte_len: U64::new(len),
            row_count: U32::new(10),
            ..ChunkMeta::zeroed()
        }
    }

    #[test]
    fn is_read_in_place_and_found_by_column() {
        let chunks = [(ColumnId(0), meta(0, 64)), (ColumnId(7), meta(64, 128))];
        let record =
            RowGroupRecord::new(encode_row_group(10, 5, 1, 192, &chunks, &KeysPlace::default())).unwrap();
        assert_eq!(record.header().rows.get(), 10);
        assert_eq!(record.position(ColumnId(0)), Some(0));
        assert_eq!(record.position(ColumnId(7)), Some(1));
        assert_eq!(record.position(ColumnId(1)), None);
        assert_eq!(record.chunks(), [meta(0, 64), meta(64, 128)]);
    }

    #[test]
    fn chunks_that_lie_elsewhere_are_refused() {
        let refuse = |rows, page, pages, bytes, chunks: &[(ColumnId, ChunkMeta)]| {
            assert!(
                RowGroupRecord::new(encode_row_group(
                    rows,
                    page,
                    pages,
                    bytes,
                    chunks,
                    &KeysPlace::default()
                ))
                .is_err()
            );
        };
        let good = (ColumnId(0), meta(0, 64));
        refuse(10, 5, 1, 63, &[good]);
        refuse(10, 6, 1, 64, &[good]);
        refuse(10, 0, 1, 64, &[good]);
        refuse(10, 5, 0, 64, &[good]);
        refuse(11, 5, 1, 64, &[good]);
        refuse(0, 5, 1, 64, &[good]);
        refuse(u32::MAX, 5, 1, 64, &[good]);
        refuse(10, 5, 1, 64, &[]);
        refuse(10, 5, 1, 64, &[(ColumnId(0), meta(u64::MAX - 63, 64))]);
        refuse(10, 5, 1, 65, &[(ColumnId(0), meta(1, 64))]);
    }

    #[test]
    fn key_indexes_lie_inside_of_the_extent() {
        let chunks = [(ColumnId(0), meta(0, 64))];
        let place = KeysPlace { offset: 64, bytes: 100, count: 2, checksum: 7 };
        let encode = |keys: &KeysPlace| encode_row_group(10, 5, 1, 164, &chunks, keys);
        let record = RowGroupRecord::new(encode(&place)).unwrap();
        assert_eq!((record.keys(), record.header().header[1]), (place, 2));
        for wrong in [
            KeysPlace { bytes: 101, ..place },
            KeysPlace { offset: 65, bytes: 99, ..place },
            KeysPlace { offset: u64::MAX - 63, ..place },
            KeysPlace { count: 13, ..place },
        ] {
            assert!(RowGroupRecord::new(encode(&wrong)).is_err(), "{wrong:?}");
        }
        let mut old = encode(&place);
        old[1] = 1;
        assert!(RowGroupRecord::new(old).is_err());
    }

    proptest! {
        #[test]
        fn any_damage_is_found_or_harmless(at in 0..332usize, to in any::<u8>(), cut in 0..332usize) {
            let chunks = [(ColumnId(0), meta(0, 64)), (ColumnId(7), meta(64, 128))];
            let mut bytes = encode_row_group(10, 5, 1, 192, &chunks, &KeysPlace::default());
            prop_assert_eq!(bytes.len(), 328);
            prop_assert!(RowGroupRecord::new(&bytes[..cut.min(327)]).is_err());
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
            if let Ok(record) = RowGroupRecord::new(&bytes) {
                prop_assert_eq!(record.columns().len(), record.chunks().len());
            }
        }
    }
}
