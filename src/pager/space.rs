//! The table of free space on disk: which pages are free, and which heap pages hold dead records.
//!
//! A commit writes the table anew, into a chain of `space` pages (see `heap.rs` for chained pages), and the
//! superblock points at the first. Opening does not read it; the first write does. Its size grows with the
//! number of free ranges and of sparse heap pages, not with the file.
//!
//! The payloads of the chain, one after another:
//!
//! ```text
//! offset  bytes  field
//!      0      8  ranges   number of free ranges
//!      8      8  sparse   number of sparse heap pages
//!     16   24×n  ranges   first page (8), number of pages (8), sequence of the commit that freed them (8; 0: long ago)
//!      …         sparse   page (8), live bytes (4), slots (2), number of dead slots (2),
//!                         dead slots in order (2 each), zeros up to a multiple of 8
//!      …         zeros
//! ```
//! Ranges and sparse pages are disjoint, lie between the superblocks and the page count, and a sparse page has a
//! live slot.

use super::alloc::{RangeSet, Space, SparsePage};
use super::error::{PagerError, Result};
use super::page::{FIRST_DATA_PAGE, PageId, get_u16, get_u32, get_u64};

const HEADER_BYTES: usize = 16;
const RANGE_BYTES: usize = 24;
const SPARSE_BYTES: usize = 16;

/// A run of pages that no commit refers to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeRange {
    /// First page.
    pub start: PageId,
    /// Number of pages.
    pub pages: u64,
    /// The commit that freed them, or 0 if no reader can still know them.
    pub freed_at: u64,
}

/// A heap page that is partly dead or mostly empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseHeapPage {
    /// The page.
    pub page: PageId,
    /// Bytes of live records, their slots included.
    pub live_bytes: u32,
    /// Slots of the page, dead ones included.
    pub slots: u16,
    /// The dead slots, in order.
    pub dead: Vec<u16>,
}

/// The table, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpaceTable {
    /// Free ranges.
    pub free: Vec<FreeRange>,
    /// Heap pages that are not all live.
    pub sparse: Vec<SparseHeapPage>,
}

fn sparse_bytes(dead: usize) -> usize {
    SPARSE_BYTES + (2 * dead).next_multiple_of(8)
}

/// Bytes of a table with this many ranges and these sparse pages.
pub(crate) fn table_bytes<'a>(ranges: usize, sparse: impl Iterator<Item = &'a SparsePage>) -> usize {
    HEADER_BYTES + ranges * RANGE_BYTES + sparse.map(|page| sparse_bytes(page.dead.len())).sum::<usize>()
}

impl SpaceTable {
    /// The table's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.free.len() * RANGE_BYTES);
        bytes.extend((self.free.len() as u64).to_le_bytes());
        bytes.extend((self.sparse.len() as u64).to_le_bytes());
        for range in &self.free {
            for field in [range.start.0, range.pages, range.freed_at] {
                bytes.extend(field.to_le_bytes());
            }
        }
        for page in &self.sparse {
            bytes.extend(page.page.0.to_le_bytes());
            bytes.extend(page.live_bytes.to_le_bytes());
            bytes.extend(page.slots.to_le_bytes());
            bytes.extend((page.dead.len() as u16).to_le_bytes());
            bytes.extend(page.dead.iter().flat_map(|slot| slot.to_le_bytes()));
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }

    /// Reads and checks a table of a file with `page_count` pages. `at` is the chain's first page, for messages.
    ///
    /// # Errors
    /// `Corrupt`, if the table contradicts itself or the file.
    pub fn parse(bytes: &[u8], page_count: u64, at: PageId) -> Result<Self> {
        let fail = |what: &str| PagerError::corrupt_page(at, format!("free-space table: {what}"));
        if bytes.len() < HEADER_BYTES {
            return Err(fail("no header"));
        }
        let (ranges, sparse) = (get_u64(bytes, 0), get_u64(bytes, 8));
        let mut rest = &bytes[HEADER_BYTES..];
        if ranges > (rest.len() / RANGE_BYTES) as u64 || sparse > (rest.len() / SPARSE_BYTES) as u64 {
            return Err(fail("more entries than bytes"));
        }
        let mut seen = RangeSet::default();
        let mut table = Self::default();
        for _ in 0..ranges {
            let (start, pages, freed_at) = (get_u64(rest, 0), get_u64(rest, 8), get_u64(rest, 16));
            rest = &rest[RANGE_BYTES..];
            let inside = start >= FIRST_DATA_PAGE
                && pages > 0
                && start.checked_add(pages).is_some_and(|end| end <= page_count);
            if !inside || !seen.insert(start, pages) {
                return Err(fail(&format!("impossible range of {pages} pages at {start}")));
            }
            table.free.push(FreeRange { start: PageId(start), pages, freed_at });
        }
        for _ in 0..sparse {
            if rest.len() < SPARSE_BYTES {
                return Err(fail("more entries than bytes"));
            }
            let page = get_u64(rest, 0);
            let (live_bytes, slots) = (get_u32(rest, 8), get_u16(rest, 12));
            let count = usize::from(get_u16(rest, 14));
            if rest.len() < sparse_bytes(count) {
                return Err(fail("more entries than bytes"));
            }
            let dead: Vec<u16> = (0..count).map(|at| get_u16(rest, SPARSE_BYTES + 2 * at)).collect();
            rest = &rest[sparse_bytes(count)..];
            let ordered = dead.windows(2).all(|pair| pair[0] < pair[1]);
            if !ordered || dead.last().is_some_and(|last| *last >= slots) || count >= usize::from(slots) {
                return Err(fail(&format!("impossible dead slots of page {page}")));
            }
            if !(FIRST_DATA_PAGE..page_count).contains(&page) || !seen.insert(page, 1) {
                return Err(fail(&format!("impossible sparse page {page}")));
            }
            table.sparse.push(SparseHeapPage { page: PageId(page), live_bytes, slots, dead });
        }
        Ok(table)
    }

    /// What a commit stores: everything in `space` and what it freed itself, below `page_count`.
    pub(crate) fn of(space: &Space, freed: &RangeSet, sequence: u64, page_count: u64) -> Self {
        let pending = space.pending.iter().map(|(at, set)| (*at, set));
        let mut free = Vec::new();
        for (freed_at, set) in std::iter::once((0, &space.free)).chain(pending).chain([(sequence, freed)]) {
            free.extend(set.iter().filter(|(start, _)| *start < page_count).map(|(start, pages)| {
                FreeRange { start: PageId(start), pages: pages.min(page_count - start), freed_at }
            }));
        }
        let sparse = space
            .sparse
            .iter()
            .map(|(page, known)| SparseHeapPage {
                page: PageId(*page),
                live_bytes: known.live_bytes,
                slots: known.slots,
                dead: known.dead.clone(),
            })
            .collect();
        Self { free, sparse }
    }

    /// The state of space of a writer that starts with this table. What was freed is free, but for what a reader of the
    /// commit `oldest` in another process may see.
    pub(crate) fn into_space(self, page_count: u64, table: Vec<u64>, oldest: Option<u64>) -> Result<Space> {
        let mut space = Space { end: page_count, table, ..Space::default() };
        for range in &self.free {
            let seen = oldest.is_some_and(|oldest| range.freed_at > oldest);
            let set = if seen { space.pending.entry(range.freed_at).or_default() } else { &mut space.free };
            if !set.insert(range.start.0, range.pages) {
                return Err(PagerError::corrupt_page(range.start, "free twice"));
            }
        }
        for page in self.sparse {
            let known = SparsePage { slots: page.slots, live_bytes: page.live_bytes, dead: page.dead };
            space.sparse.insert(page.page.0, known);
        }
        if let Some(page) = space.table.iter().find(|page| space.is_unused(**page, 1)) {
            return Err(PagerError::corrupt_page(
                PageId(*page),
                "a page of the free-space table is listed as free",
            ));
        }
        Ok(space)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SpaceTable {
        SpaceTable {
            free: vec![
                FreeRange { start: PageId(5), pages: 3, freed_at: 0 },
                FreeRange { start: PageId(2), pages: 1, freed_at: 9 },
            ],
            sparse: vec![SparseHeapPage { page: PageId(3), live_bytes: 100, slots: 4, dead: vec![0, 2, 3] }],
        }
    }

    #[test]
    fn reads_back() {
        let table = sample();
        let mut bytes = table.to_bytes();
        let known = SparsePage { dead: vec![0, 2, 3], ..SparsePage::default() };
        assert_eq!(bytes.len(), table_bytes(2, [&known].into_iter()));
        bytes.resize(bytes.len() + 64, 0);
        assert_eq!(SpaceTable::parse(&bytes, 8, PageId(4)).unwrap(), table);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let bytes = sample().to_bytes();
        assert!(SpaceTable::parse(&bytes, 7, PageId(4)).is_err(), "past the end of the file");
        for length in 0..bytes.len() {
            assert!(SpaceTable::parse(&bytes[..length], 8, PageId(4)).is_err(), "cut to {length} bytes");
        }
        let entries = |at: usize, value: u64| {
            let mut bytes = bytes.clone();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            SpaceTable::parse(&bytes, 8, PageId(4)).unwrap_err().to_string()
        };
        assert!(entries(0, u64::MAX).contains("more entries"));
        assert!(entries(8, u64::MAX).contains("more entries"));
        for (at, value) in [(16, 1), (16, 2), (16, u64::MAX), (24, 0), (24, u64::MAX), (40, 6), (48, 4)] {
            assert!(entries(at, value).contains("impossible range"), "{at} {value}");
        }
        for value in [0, 1, 2, 6, 8, u64::MAX] {
            assert!(entries(64, value).contains("impossible sparse page"), "{value}");
        }
        for value in [0x0000_0002_0000, 0x0003_0002_0003, 0x0004_0002_0000, 0x0002_0002_0000] {
            assert!(entries(80, value).contains("impossible dead slots"), "{value:x}");
        }
    }
}
