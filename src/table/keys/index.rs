//! The rows of one row group in the order of a key: bytes that are the same in memory and in the file.
//!
//! ```text
//! byte 0     "FXKI"
//! byte 4     CRC32 of all from byte 8 to the body u32
//! byte 8     2, the version of this layout u16
//! byte 10    form u8: 1, the rows are in the order of the key; 2, they are not
//! byte 11    columns of the key u8
//! byte 12    rows of the row group u32
//! byte 16    entries u32: rows that have no NULL in the key
//! byte 20    blocks u32
//! byte 24    bytes of the filter u32
//! byte 28    parts of the body u32
//! byte 32    ids of the columns, u32 each
//! then       for each part of the body, of [`PART_BYTES`], its CRC32 u32
//! then       the body: the filter, then the places of the blocks, u32 each, from the beginning: one more than there are
//!            blocks for the last key, and one for the end of all; then the blocks, then the last key
//! ```
//! So who looks for a key reads and checks what leads to it, and not all of it. In version 1 there are no parts, and the
//! first checksum is that of all bytes from 8 on.
//!
//! In form 1 a block is the key of the first of [`BLOCK_ENTRIES`] rows; the others are read from the columns. In form 2
//! it is that many entries in the order of their keys, and for equal keys of the rows: how many bytes of the key before
//! it a key begins with, how many follow, these, and the row, numbers as LEB128. What is not in the filter is not there.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::catalog::ColumnId;
use crate::column::ROW_GROUP_ROWS;
use crate::column::key::{Keys, shared_bytes};
use crate::table::keys::filter;

const MAGIC: [u8; 4] = *b"FXKI";
const VERSION: u16 = 2;
/// Bytes of which each part of the body has, but for the last.
const PART_BYTES: usize = 4096;
const HEADER_BYTES: usize = 32;
const IN_ORDER: u8 = 1;
const WITH_ENTRIES: u8 = 2;
/// Entries of a full block. All but the last are full.
pub const BLOCK_ENTRIES: usize = 64;
/// With fewer blocks than this a filter saves nothing.
const FILTER_BLOCKS_MIN: usize = 3;
/// Bytes of a key that is indexed at most.
pub const KEY_BYTES_MAX: usize = 1 << 20;

/// The index of a row group by one key.
#[derive(Debug, Clone)]
pub struct KeyIndex {
    bytes: Bytes,
    in_order: bool,
    columns: Box<[ColumnId]>,
    rows: usize,
    entries: usize,
    blocks: usize,
    /// Where the filter begins, and where it ends and the places of the blocks begin.
    filter: (usize, usize),
    /// Where the least and the greatest key are.
    bounds: Option<(Range<usize>, Range<usize>)>,
    parts: Option<Parts>,
}

/// The parts of a body, which are checked when they are first read.
#[derive(Debug, Clone)]
struct Parts {
    /// Where their checksums begin, and where these end and the body begins.
    sums: usize,
    body: usize,
    /// A bit for each: its checksum was found right.
    checked: Arc<[AtomicU64]>,
}

/// The entries of a block of form 2.
#[derive(Debug, Default)]
pub struct Entries {
    /// In order.
    pub keys: Keys,
    /// The row of each.
    pub rows: Vec<u32>,
}

impl KeyIndex {
    /// The index of rows by these columns, given their keys.
    pub fn build(columns: &[ColumnId], keys: &Keys) -> Self {
        Self::build_sorted(columns, keys, &keys.sorted())
    }

    /// The same, given the rows with a key in the order of the keys.
    pub(super) fn build_sorted(columns: &[ColumnId], keys: &Keys, order: &[u32]) -> Self {
        let key = |row: u32| keys.get(row as usize).unwrap_or_default();
        let in_order = order.len() == keys.len() && order.is_sorted();
        let count = order.len().div_ceil(BLOCK_ENTRIES);
        // The blocks and the last key, one behind the other, and where each ends.
        let (mut entries, mut ends) = (vec![], Vec::with_capacity(count + 1));
        for part in order.chunks(BLOCK_ENTRIES) {
            if in_order {
                entries.extend_from_slice(key(part[0]));
            } else {
                put_entries(part.iter().map(|row| (key(*row), *row)), &mut entries);
            }
            ends.push(entries.len());
        }
        entries.extend_from_slice(order.last().map_or(&[][..], |row| key(*row)));
        ends.push(entries.len());
        let filter = if count < FILTER_BLOCKS_MIN {
            vec![]
        } else {
            filter::build(order.iter().map(|row| filter::hash(key(*row))), order.len())
        };
        let sums = HEADER_BYTES + 4 * columns.len();
        let places = 4 * (count + 2);
        let length = filter.len() + places + entries.len();
        let parts = length.div_ceil(PART_BYTES);
        let body = sums + 4 * parts;
        let mut bytes = Vec::with_capacity(body + length);
        bytes.resize(HEADER_BYTES, 0);
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10] = if in_order { IN_ORDER } else { WITH_ENTRIES };
        bytes[11] = columns.len() as u8;
        let numbers = [keys.len(), order.len(), count, filter.len(), parts];
        for (at, number) in (12..).step_by(4).zip(numbers) {
            bytes[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
        }
        columns.iter().for_each(|column| bytes.extend_from_slice(&column.0.to_le_bytes()));
        bytes.resize(body, 0);
        bytes.extend_from_slice(&filter);
        let first = bytes.len() + places;
        for end in std::iter::once(0).chain(ends) {
            bytes.extend_from_slice(&((first + end) as u32).to_le_bytes());
        }
        bytes.extend_from_slice(&entries);
        let (head, rest) = bytes.split_at_mut(body);
        for (sum, part) in head[sums..].as_chunks_mut::<4>().0.iter_mut().zip(rest.chunks(PART_BYTES)) {
            *sum = crc32fast::hash(part).to_le_bytes();
        }
        let sum = crc32fast::hash(&head[8..]);
        head[4..8].copy_from_slice(&sum.to_le_bytes());
        let mut index = Self {
            in_order,
            columns: columns.into(),
            rows: keys.len(),
            entries: order.len(),
            blocks: count,
            filter: (body, body + filter.len()),
            bounds: None,
            // What was just made is as it was made.
            parts: None,
            bytes: bytes.into(),
        };
        index.bounds = index.find_bounds().unwrap_or_default();
        index
    }

    /// Whether an index of these keys can be: they are not too long.
    pub fn can_hold(keys: &Keys) -> bool {
        let mut all = 0;
        for row in 0..keys.len() {
            let bytes = keys.get(row).map_or(0, <[u8]>::len);
            all += bytes + 16;
            if bytes > KEY_BYTES_MAX || all > u32::MAX as usize / 2 {
                return false;
            }
        }
        true
    }

    /// Reads an index from the file. What lies in its body is checked when it is read.
    pub fn open(bytes: Bytes) -> Result<Self, String> {
        let u32_at = |at: usize| {
            let bytes: Option<&[u8; 4]> = bytes.get(at..).and_then(<[u8]>::first_chunk);
            bytes.map(|bytes| u32::from_le_bytes(*bytes) as usize).ok_or("it ends too early")
        };
        if bytes.len() < HEADER_BYTES || bytes[..4] != MAGIC {
            return Err("it is none".into());
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version > VERSION {
            return Err(format!("it has version {version}, which is newer than this program"));
        }
        let (form, columns, parts) = (bytes[10], usize::from(bytes[11]), u32_at(28)?);
        let sums = HEADER_BYTES + 4 * columns;
        let body = sums + 4 * parts;
        let summed = if version < 2 { &bytes[8..] } else { bytes.get(8..body).ok_or("it ends too early")? };
        if crc32fast::hash(summed) as usize != u32_at(4)? {
            return Err("its checksum is wrong".into());
        }
        let (rows, entries, blocks, filter) = (u32_at(12)?, u32_at(16)?, u32_at(20)?, u32_at(24)?);
        let filter_end = body + filter;
        let fits = (form == IN_ORDER || form == WITH_ENTRIES)
            && version > 0
            && columns > 0
            && filter_end + 4 * (blocks + 2) <= bytes.len()
            && parts == if version < 2 { 0 } else { (bytes.len() - body).div_ceil(PART_BYTES) }
            && rows <= ROW_GROUP_ROWS
            && if form == IN_ORDER { entries == rows } else { entries <= rows }
            && blocks == entries.div_ceil(BLOCK_ENTRIES)
            && filter.is_multiple_of(filter::BLOCK_BYTES);
        if !fits {
            return Err("its header makes no sense".into());
        }
        let ids = (0..columns).map(|i| Ok::<_, String>(ColumnId(u32_at(HEADER_BYTES + 4 * i)? as u32)));
        let columns = ids.collect::<Result<_, _>>()?;
        let checked = (0..parts.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let parts = (version > 1).then_some(Parts { sums, body, checked });
        let in_order = form == IN_ORDER;
        let filter = (body, filter_end);
        let mut index = Self { bytes, in_order, columns, rows, entries, blocks, filter, bounds: None, parts };
        index.bounds = index.find_bounds()?;
        if index.place(0)? != filter_end + 4 * (blocks + 2) || index.place(blocks + 1)? != index.bytes.len() {
            return Err("its blocks are not all of it".into());
        }
        Ok(index)
    }

    /// Checks all of it.
    pub fn check(&self) -> Result<(), String> {
        self.read(self.filter.0..self.bytes.len())?;
        (0..=self.blocks).try_for_each(|block| self.block(block).map(drop))
    }

    /// Some bytes of the body.
    fn read(&self, range: Range<usize>) -> Result<&[u8], String> {
        let bytes = self.bytes.get(range.clone()).ok_or("a part of it is nowhere")?;
        let Some(Parts { sums, body, checked }) = &self.parts else { return Ok(bytes) };
        let nowhere = "a part of it is nowhere";
        let (first, end) = (range.start.checked_sub(*body).ok_or(nowhere)?, range.end - body);
        for part in first / PART_BYTES..end.div_ceil(PART_BYTES) {
            let (word, bit) = (&checked[part / 64], 1 << (part % 64));
            if word.load(Ordering::Relaxed) & bit != 0 {
                continue;
            }
            let start = body + part * PART_BYTES;
            let sum = crc32fast::hash(&self.bytes[start..(start + PART_BYTES).min(self.bytes.len())]);
            if self.bytes[sums + 4 * part..].first_chunk() != Some(&sum.to_le_bytes()) {
                return Err(format!("the checksum of its part {part} is wrong"));
            }
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(bytes)
    }

    /// Where a block begins.
    fn place(&self, block: usize) -> Result<usize, String> {
        let at = self.filter.1 + 4 * block;
        let bytes = self.read(at..at + 4)?.first_chunk().copied();
        Ok(bytes.map_or(0, u32::from_le_bytes) as usize)
    }

    /// The bytes in the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The columns of the key.
    pub fn columns(&self) -> &[ColumnId] {
        &self.columns
    }

    /// Rows of the row group.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// Whether the rows are in the order of the key, and it has no entries.
    pub fn is_in_order(&self) -> bool {
        self.in_order
    }

    fn block(&self, index: usize) -> Result<&[u8], String> {
        let (start, end) = (self.place(index)?, self.place(index + 1)?);
        if start > end {
            return Err(format!("block {index} is nowhere"));
        }
        self.read(start..end)
    }

    /// The first key of a block.
    pub fn first_key(&self, block: usize) -> Result<&[u8], String> {
        let bytes = self.block(block)?;
        if self.in_order {
            return Ok(bytes);
        }
        let first = take_number(bytes).and_then(|(_, rest)| {
            let (length, rest) = take_number(rest)?;
            rest.get(..length as usize)
        });
        first.ok_or_else(|| format!("block {block} ends too early"))
    }

    /// The rows in the order of their keys; `None`, if an entry cannot be read.
    pub(super) fn rows_in_order(&self) -> Option<Vec<u32>> {
        if self.in_order {
            return Some((0..self.rows as u32).collect());
        }
        let mut rows = Vec::with_capacity(self.entries);
        for block in 0..self.blocks {
            let mut rest = self.block(block).ok()?;
            while !rest.is_empty() {
                let (.., row, after) = take_entry(rest)?;
                rows.push(row);
                rest = after;
            }
        }
        Some(rows)
    }

    /// Where the least and the greatest key are.
    fn find_bounds(&self) -> Result<Option<(Range<usize>, Range<usize>)>, String> {
        if self.blocks == 0 {
            return Ok(None);
        }
        let place = |key: &[u8]| {
            let start = key.as_ptr().addr() - self.bytes.as_ptr().addr();
            start..start + key.len()
        };
        Ok(Some((place(self.first_key(0)?), place(self.block(self.blocks)?))))
    }

    /// The least and the greatest key; `None` without entries.
    pub fn bounds(&self) -> Option<(&[u8], &[u8])> {
        let (least, greatest) = self.bounds.clone()?;
        Some((&self.bytes[least], &self.bytes[greatest]))
    }

    /// Whether a key may be there; `hash` is that of the key.
    pub fn may_have(&self, key: &[u8], hash: u64) -> Result<bool, String> {
        let (start, end) = self.filter;
        if !self.bounds().is_some_and(|(least, greatest)| least <= key && key <= greatest) {
            return Ok(false);
        }
        if start == end {
            return Ok(true);
        }
        let block = filter::block(hash, end - start);
        Ok(filter::has(self.read(start + block.start..start + block.end)?, hash))
    }

    /// The blocks in which keys from `key` on begin: the first that may have one that is not less, or if `beyond` one
    /// that is greater.
    pub fn seek(&self, key: &[u8], beyond: bool) -> Result<usize, String> {
        let (mut low, mut high) = (0, self.blocks);
        while low < high {
            let middle = usize::midpoint(low, high);
            let first = self.first_key(middle)?;
            let before = if beyond { first <= key } else { first < key };
            if before { low = middle + 1 } else { high = middle }
        }
        Ok(low.saturating_sub(1))
    }

    /// The blocks that may have entries with a key.
    pub fn blocks_with(&self, key: &[u8]) -> Result<RangeInclusive<usize>, String> {
        let first = self.seek(key, false)?;
        // Mostly the next begins with a greater key.
        let is_last = first + 1 >= self.blocks || self.first_key(first + 1)? > key;
        Ok(first..=if is_last { first } else { self.seek(key, true)? })
    }

    /// The places of the entries of a block, which in form 1 are rows.
    pub fn rows_of(&self, block: usize) -> std::ops::Range<usize> {
        let start = block * BLOCK_ENTRIES;
        start..(start + BLOCK_ENTRIES).min(self.entries)
    }

    /// Calls `found` with the row of each entry of a block of form 2 that has a key. Looks at entries only up to the first
    /// with a greater key, and at their bytes only where they may differ from the key.
    pub fn find_in(&self, block: usize, key: &[u8], mut found: impl FnMut(u32)) -> Result<(), String> {
        let mut rest = self.block(block)?;
        // How much of the key the last entry had, which was less than the key unless that is all.
        let mut same = 0;
        let mut length = 0;
        for _ in 0..BLOCK_ENTRIES.min(self.entries - block * BLOCK_ENTRIES) {
            let (shared, suffix, row, after) =
                take_entry(rest).ok_or_else(|| format!("block {block} ends too early"))?;
            if shared > length || row as usize >= self.rows {
                return Err(format!("block {block} has an entry that cannot be"));
            }
            (rest, length) = (after, shared + suffix.len());
            if shared > same {
                // As the last, it is less where that differs from the key.
                continue;
            }
            if shared < same {
                // It is greater than the last where that was as the key is.
                return Ok(());
            }
            let more = shared_bytes(suffix, &key[same..]);
            same += more;
            match (suffix.get(more), key.get(same)) {
                (None, None) => found(row),
                (Some(_), None) => return Ok(()),
                (Some(here), Some(wanted)) if here > wanted => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The entries of a block of form 2.
    pub fn entries_of(&self, block: usize) -> Result<Entries, String> {
        let mut entries = Entries::default();
        let (mut rest, mut length) = (self.block(block)?, 0);
        let count = BLOCK_ENTRIES.min(self.entries - block * BLOCK_ENTRIES);
        for _ in 0..count {
            let (shared, suffix, row, after) =
                take_entry(rest).ok_or_else(|| format!("block {block} ends too early"))?;
            if shared > length || row as usize >= self.rows {
                return Err(format!("block {block} has an entry that cannot be"));
            }
            entries.keys.push_shared(shared, suffix);
            entries.rows.push(row);
            (rest, length) = (after, shared + suffix.len());
        }
        if rest.is_empty() { Ok(entries) } else { Err(format!("something follows block {block}")) }
    }
}

/// Adds the entries of a block: keys in order, and the row of each.
fn put_entries<'a>(entries: impl Iterator<Item = (&'a [u8], u32)>, out: &mut Vec<u8>) {
    let mut last: &[u8] = &[];
    for (key, row) in entries {
        let shared = shared_bytes(last, key);
        put_number(shared as u32, out);
        put_number((key.len() - shared) as u32, out);
        out.extend_from_slice(&key[shared..]);
        put_number(row, out);
        last = key;
    }
}

fn put_number(mut number: u32, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// An entry: how much its key has of the one before, the rest of the key, the row, and what follows.
fn take_entry(bytes: &[u8]) -> Option<(usize, &[u8], u32, &[u8])> {
    let (shared, rest) = take_number(bytes)?;
    let (more, rest) = take_number(rest)?;
    let (suffix, rest) = rest.split_at_checked(more as usize)?;
    let (row, rest) = take_number(rest)?;
    Some((shared as usize, suffix, row, rest))
}

fn take_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    if let [byte @ ..0x80, rest @ ..] = bytes {
        return Some((u32::from(*byte), rest));
    }
    let mut number = 0u32;
    for (i, byte) in bytes.iter().enumerate().take(5) {
        number |= u32::from(byte & 0x7F).checked_shl(7 * i as u32)?;
        if byte & 0x80 == 0 {
            return Some((number, &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(all: &[Vec<u8>]) -> Keys {
        let mut keys = Keys::default();
        all.iter().for_each(|key| keys.push(key));
        keys
    }

    /// Puts the checksums right.
    fn sum(bytes: &mut [u8]) {
        let number = |bytes: &[u8], at: usize| {
            bytes[at..].first_chunk().map_or(0, |four| u32::from_le_bytes(*four)) as usize
        };
        let sums = HEADER_BYTES + 4 * usize::from(bytes[11]);
        let body = sums.saturating_add(number(bytes, 28).saturating_mul(4));
        if body > bytes.len() {
            return;
        }
        for (i, part) in (body..bytes.len()).step_by(PART_BYTES).enumerate() {
            let end = (part + PART_BYTES).min(bytes.len());
            let sum = crc32fast::hash(&bytes[part..end]).to_le_bytes();
            let at = sums + 4 * i;
            if at + 4 <= body {
                bytes[at..at + 4].copy_from_slice(&sum);
            }
        }
        let sum = crc32fast::hash(&bytes[8..body]);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    }

    #[test]
    fn what_was_written_before_there_were_parts_is_read() {
        let all: Vec<Vec<u8>> = (0..1000_u32).map(|i| (i * 7919 % 1000).to_be_bytes().to_vec()).collect();
        let index = KeyIndex::build(&[ColumnId(0)], &keys(&all));
        let new = index.bytes();
        let (sums, body) = (HEADER_BYTES + 4, index.filter.0);
        let mut old = [&new[..sums], &new[body..]].concat();
        old[8] = 1;
        old[28..32].fill(0);
        let places = index.filter.1 - (body - sums);
        for place in old[places..places + 4 * (index.blocks + 2)].as_chunks_mut::<4>().0 {
            *place = (u32::from_le_bytes(*place) - (body - sums) as u32).to_le_bytes();
        }
        let sum = crc32fast::hash(&old[8..]);
        old[4..8].copy_from_slice(&sum.to_le_bytes());
        let opened = KeyIndex::open(old.clone().into()).unwrap();
        for key in &all {
            assert_eq!(find(&opened, &all, key), find(&index, &all, key));
        }
        old[places - 1] ^= 1;
        assert!(KeyIndex::open(old.into()).is_err());
    }

    #[test]
    fn a_damaged_part_harms_no_other() {
        let all: Vec<Vec<u8>> = (0..20_000_u32).map(|i| (i * 7919 % 20_000).to_be_bytes().to_vec()).collect();
        let mut bytes = KeyIndex::build(&[ColumnId(0)], &keys(&all)).bytes().to_vec();
        // The last blocks.
        let at = bytes.len() - 2 * PART_BYTES;
        bytes[at] ^= 1;
        let index = KeyIndex::open(bytes.into()).unwrap();
        let has = |i: u32| {
            let found = index.blocks_with(&i.to_be_bytes())?.map(|block| index.entries_of(block));
            found.collect::<Result<Vec<_>, _>>()
        };
        assert!((0..10_000).all(|i| has(i).is_ok()));
        assert!((10_000..20_000).any(|i| has(i).is_err()));
        assert!(index.check().is_err());
    }

    /// All entries, from the blocks that a key may be in.
    fn find(index: &KeyIndex, all: &[Vec<u8>], key: &[u8]) -> Vec<u32> {
        if !index.may_have(key, filter::hash(key)).unwrap() {
            return vec![];
        }
        let mut found = vec![];
        assert_eq!(
            index.blocks_with(key).unwrap(),
            index.seek(key, false).unwrap()..=index.seek(key, true).unwrap()
        );
        for block in index.blocks_with(key).unwrap() {
            if index.is_in_order() {
                found.extend(index.rows_of(block).filter(|row| all[*row] == key).map(|row| row as u32));
            } else {
                let entries = index.entries_of(block).unwrap();
                let same = (0..entries.rows.len()).filter(|i| entries.keys.get(*i) == Some(key));
                let (before, mut alone) = (found.len(), vec![]);
                found.extend(same.map(|i| entries.rows[i]));
                index.find_in(block, key, |row| alone.push(row)).unwrap();
                assert_eq!(alone, found[before..], "{key:?}");
            }
        }
        found
    }

    proptest! {
        #[test]
        fn every_key_is_found_and_no_other(
            mut all in prop::collection::vec(prop::collection::vec(0..4_u8, 0..6), 0..400), sort: bool,
        ) {
            if sort {
                all.sort();
            }
            let built = KeyIndex::build(&[ColumnId(3), ColumnId(9)], &keys(&all));
            let index = KeyIndex::open(Bytes::copy_from_slice(built.bytes())).unwrap();
            prop_assert_eq!(index.columns(), [ColumnId(3), ColumnId(9)]);
            prop_assert!(!sort || index.is_in_order());
            for wanted in (0..4).flat_map(|a| (0..5).map(move |b| vec![a, b])).chain(all.iter().cloned()) {
                let expected: Vec<u32> =
                    (0..all.len()).filter(|i| all[*i] == wanted).map(|i| i as u32).collect();
                prop_assert_eq!(find(&index, &all, &wanted), expected);
            }
        }

        #[test]
        fn damage_is_found_or_harmless(
            at in 0..100_000_usize, bit in 0..8_u32, fix: bool, sort: bool, rows in 1..4000_u32,
        ) {
            let row = |i: u32| if sort { i } else { i * 7919 % rows };
            let all: Vec<Vec<u8>> = (0..rows).map(|i| row(i).to_be_bytes().to_vec()).collect();
            let index = KeyIndex::build(&[ColumnId(0)], &keys(&all));
            prop_assert_eq!(KeyIndex::open(Bytes::copy_from_slice(index.bytes())).unwrap().check(), Ok(()));
            let mut bytes = index.bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] ^= 1u8 << bit;
            if fix {
                // A liar inside of a checksum.
                sum(&mut bytes);
            }
            let opened = KeyIndex::open(bytes.into());
            prop_assert!(fix || opened.as_ref().map_or(true, |index| index.check().is_err()));
            if let Ok(index) = opened {
                for block in 0..index.blocks() {
                    if !index.is_in_order() {
                        let _ = (index.entries_of(block), index.find_in(block, &[0, 0, 1], |_| ()));
                    }
                }
                for i in (0..rows).step_by(17) {
                    let key = i.to_be_bytes();
                    let _ = (index.may_have(&key, filter::hash(&key)), index.blocks_with(&key));
                }
                let _ = (index.bounds(), index.rows_in_order());
            }
        }
    }
}
