//! Key indexes of a row group in its extent: behind the chunks, one after another, in front of them where each lies.

use bytes::Bytes;

use crate::catalog::{ColumnId, KeysPlace};
use crate::column::CHUNK_ALIGN;
use crate::table::error::{Result, TableError};
use crate::table::keys::KeyIndex;

/// Appends indexes to the bytes of a row group, from `start` on.
pub fn write_indexes(indexes: &[KeyIndex], start: usize, out: &mut Vec<u8>) -> KeysPlace {
    let mut places = vec![];
    let mut end = 8 * indexes.len();
    for index in indexes {
        let from = end.next_multiple_of(8);
        places.extend_from_slice(&(from as u32).to_le_bytes());
        places.extend_from_slice(&(index.bytes().len() as u32).to_le_bytes());
        end = from + index.bytes().len();
    }
    let checksum = crc32fast::hash(&places);
    out.extend_from_slice(&places);
    for index in indexes {
        out.resize(start + (out.len() - start).next_multiple_of(8), 0);
        out.extend_from_slice(index.bytes());
    }
    debug_assert!(start.is_multiple_of(CHUNK_ALIGN) && out.len() == start + end);
    KeysPlace { offset: start as u64, bytes: end as u64, count: indexes.len() as u32, checksum }
}

/// Where the indexes lie in the bytes that a record says they have. `all` are these, or the first of them.
pub fn index_ranges(place: &KeysPlace, all: &[u8]) -> Result<Vec<std::ops::Range<usize>>, String> {
    let places = all.get(..8 * place.count as usize).ok_or("its list ends too early")?;
    if crc32fast::hash(places) != place.checksum {
        return Err("the checksum of its list is wrong".into());
    }
    let mut end = places.len();
    let mut ranges = vec![];
    for entry in places.as_chunks::<8>().0 {
        let number = |at: usize| entry[at..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b)) as usize;
        let (start, length) = (number(0), number(4));
        if start != end.next_multiple_of(8) || start + length > place.bytes as usize {
            return Err("an index of its list is nowhere".into());
        }
        end = start + length;
        ranges.push(start..end);
    }
    Ok(ranges)
}

/// The index by a key, of those that lie at a place of which `read` reads so many bytes from an offset on. `None`, if
/// there is none by that key.
pub fn open_index(
    place: &KeysPlace,
    rows: u32,
    key: &[ColumnId],
    read: impl Fn(u64, usize) -> Result<Bytes>,
) -> Result<Option<KeyIndex>> {
    if place.count == 0 {
        return Ok(None);
    }
    let corrupt = |what: String| TableError::Corrupt(format!("the key indexes of a row group: {what}"));
    let list = read(place.offset, 8 * place.count as usize)?;
    for range in index_ranges(place, &list).map_err(corrupt)? {
        // The columns stand at the beginning, so that those by other keys are not read.
        let length = range.len();
        let head = read(place.offset + range.start as u64, length.min(32 + 4 * key.len()))?;
        let columns = head.get(32..).unwrap_or_default().as_chunks::<4>().0;
        let ids = columns.iter().map(|id| ColumnId(u32::from_le_bytes(*id)));
        if head.get(11) != Some(&(key.len() as u8)) || !ids.eq(key.iter().copied()) {
            continue;
        }
        let bytes = read(place.offset + range.start as u64, length)?;
        let index = KeyIndex::open(bytes).map_err(corrupt)?;
        if index.rows() != rows as usize || index.columns() != key {
            return Err(corrupt(format!("one is not that of {rows} rows")));
        }
        return Ok(Some(index));
    }
    Ok(None)
}
