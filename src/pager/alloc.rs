//! Free space in memory: sets of page ranges, and the states that space passes through.
//!
//! Every page of the file past the superblocks is in exactly one state:
//!
//! | state | meaning | leaves it by |
//! |---|---|---|
//! | live | the last commit refers to it | a transaction frees it |
//! | free | nobody refers to it; may be written at once | an allocation |
//! | fresh | the running transaction allocated it | commit: live; rollback: free |
//! | freed | live before, and the running transaction gave it up | commit: pending; rollback: live |
//! | pending | freed by a durable commit, but a reader may still see it | the last such reader leaves: free |
//!
//! The two states of a transaction live in `txn.rs`, in a copy of the space that rollback throws away.

use std::collections::{BTreeMap, BTreeSet};

use super::page::Extent;
use super::page::PageId;

/// A set of pages, as disjoint ranges that never touch: neighbours are one range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RangeSet {
    /// First page to number of pages.
    by_start: BTreeMap<u64, u64>,
    /// (number of pages, first page), for best fit.
    by_pages: BTreeSet<(u64, u64)>,
    total: u64,
}

impl RangeSet {
    /// Adds a range of which no page is in the set yet. Returns whether that was so.
    #[must_use]
    pub(crate) fn insert(&mut self, start: u64, pages: u64) -> bool {
        if pages == 0 {
            return true;
        }
        if self.overlaps(start, pages) {
            return false;
        }
        let (mut first, mut count) = (start, pages);
        if let Some((before, length)) = self.by_start.range(..start).next_back()
            && before + length == start
        {
            first = *before;
            count += *length;
        }
        if let Some(length) = self.by_start.get(&(start + pages)) {
            count += length;
            self.forget(start + pages);
        }
        if first != start {
            self.forget(first);
        }
        self.by_start.insert(first, count);
        self.by_pages.insert((count, first));
        self.total += count;
        true
    }

    /// Takes a range out, all of which must be in the set. Returns whether it was.
    #[must_use]
    pub(crate) fn remove(&mut self, start: u64, pages: u64) -> bool {
        if pages == 0 {
            return true;
        }
        let Some((first, length)) = self.containing(start, pages) else { return false };
        self.forget(first);
        for (piece, count) in [(first, start - first), (start + pages, first + length - start - pages)] {
            if count > 0 {
                self.by_start.insert(piece, count);
                self.by_pages.insert((count, piece));
                self.total += count;
            }
        }
        true
    }

    fn forget(&mut self, start: u64) {
        if let Some(pages) = self.by_start.remove(&start) {
            self.by_pages.remove(&(pages, start));
            self.total -= pages;
        }
    }

    fn containing(&self, start: u64, pages: u64) -> Option<(u64, u64)> {
        let (first, length) = self.by_start.range(..=start).next_back()?;
        (start.checked_add(pages)? <= first + length).then_some((*first, *length))
    }

    /// Whether all pages of a range are in the set.
    pub(crate) fn contains(&self, start: u64, pages: u64) -> bool {
        pages == 0 || self.containing(start, pages).is_some()
    }

    /// Whether any page of a range is in the set.
    pub(crate) fn overlaps(&self, start: u64, pages: u64) -> bool {
        self.by_start
            .range(..start.saturating_add(pages))
            .next_back()
            .is_some_and(|(first, length)| pages > 0 && first + length > start)
    }

    /// Takes `pages` from the start of the smallest range that holds them.
    pub(crate) fn take_best_fit(&mut self, pages: u64) -> Option<u64> {
        let (_, start) = *self.by_pages.range((pages, 0)..).next()?;
        self.remove(start, pages).then_some(start)
    }

    /// Takes `pages` from the start of the first range that holds them.
    pub(crate) fn take_first_fit(&mut self, pages: u64) -> Option<u64> {
        let start = *self.by_start.iter().find(|(_, length)| **length >= pages)?.0;
        self.remove(start, pages).then_some(start)
    }

    /// First page of the range that ends just before `end`.
    pub(crate) fn start_of_tail(&self, end: u64) -> Option<u64> {
        let (start, pages) = self.by_start.range(..end).next_back()?;
        (start + pages == end).then_some(*start)
    }

    /// All ranges in order, as (first page, number of pages).
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.by_start.iter().map(|(start, pages)| (*start, *pages))
    }

    /// Number of ranges.
    pub(crate) fn ranges(&self) -> usize {
        self.by_start.len()
    }

    /// Number of pages.
    pub(crate) fn pages(&self) -> u64 {
        self.total
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_start.is_empty()
    }
}

/// A heap page that is partly dead or mostly empty. A page that is not listed is all live.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SparsePage {
    /// Slots of the page, dead ones included.
    pub slots: u16,
    /// Bytes of the live records and their slots.
    pub live_bytes: u32,
    /// The dead slots, in order.
    pub dead: Vec<u16>,
}

/// What is known about the space of the file between commits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Space {
    /// The file's length in pages. It may be longer than the superblock says by what was allocated ahead.
    pub end: u64,
    /// Pages are taken from the beginning of the file, so that its end becomes free.
    pub first_fit: bool,
    pub free: RangeSet,
    /// By the commit that freed it.
    pub pending: BTreeMap<u64, RangeSet>,
    /// Heap pages with something to know about, by page.
    pub sparse: BTreeMap<u64, SparsePage>,
    /// The pages of the free-space table itself, as of the last commit.
    pub table: Vec<u64>,
}

impl Space {
    /// Takes pages that are free, if there is a range that is long enough.
    pub(crate) fn allocate(&mut self, pages: u64) -> Option<Extent> {
        let start =
            if self.first_fit { self.free.take_first_fit(pages) } else { self.free.take_best_fit(pages) };
        start.map(|start| Extent { start: PageId(start), pages })
    }

    /// How many pages must be added to the file for `pages` in a row to be free at its end.
    pub(crate) fn missing(&self, pages: u64) -> u64 {
        let tail = self.free.start_of_tail(self.end).map_or(0, |start| self.end - start);
        pages.saturating_sub(tail)
    }

    /// Tells that the file has grown; the new pages are free.
    pub(crate) fn grow(&mut self, end: u64) {
        if end > self.end {
            let grown = self.free.insert(self.end, end - self.end);
            debug_assert!(grown, "pages past the end of the file were known");
            self.end = end;
        }
    }

    /// Gives back the free tail of the file, but not below `keep`. Returns whether the end moved.
    pub(crate) fn cut(&mut self, keep: u64) -> bool {
        let Some(start) = self.free.start_of_tail(self.end) else { return false };
        let end = start.max(keep);
        if end >= self.end {
            return false;
        }
        let cut = self.free.remove(end, self.end - end);
        debug_assert!(cut, "the free tail is a range of the free set");
        self.end = end;
        true
    }

    pub(crate) fn is_unused(&self, start: u64, pages: u64) -> bool {
        self.free.overlaps(start, pages) || self.pending.values().any(|set| set.overlaps(start, pages))
    }

    pub(crate) fn pending_pages(&self) -> u64 {
        self.pending.values().map(RangeSet::pages).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Against a bitmap: membership, coalescing, best fit, and the end of the file.
        #[test]
        fn agrees_with_a_bitmap(ops in proptest::collection::vec((0_u8..4, 0_u64..60, 1_u64..9), 1..80)) {
            let mut set = RangeSet::default();
            let mut map = [false; 80];
            for (kind, start, pages) in ops {
                let range = start as usize..(start + pages) as usize;
                let (any, all) = (map[range.clone()].iter().any(|bit| *bit), map[range.clone()].iter().all(|bit| *bit));
                proptest::prop_assert_eq!(set.overlaps(start, pages), any);
                proptest::prop_assert_eq!(set.contains(start, pages), all);
                match kind {
                    0 | 1 => {
                        proptest::prop_assert_eq!(set.insert(start, pages), !any);
                        if !any {
                            map[range].fill(true);
                        }
                    }
                    2 => {
                        proptest::prop_assert_eq!(set.remove(start, pages), all);
                        if all {
                            map[range].fill(false);
                        }
                    }
                    _ => {
                        let best = runs(&map).into_iter().filter(|run| run.1 >= pages).min_by_key(|run| (run.1, run.0));
                        let taken = set.take_best_fit(pages);
                        proptest::prop_assert_eq!(taken, best.map(|run| run.0));
                        if let Some(start) = taken {
                            map[start as usize..(start + pages) as usize].fill(false);
                        }
                    }
                }
                let expected = runs(&map);
                proptest::prop_assert_eq!(set.iter().collect::<Vec<_>>(), expected.clone());
                proptest::prop_assert_eq!(set.ranges(), expected.len());
                proptest::prop_assert_eq!(set.by_pages.len(), expected.len());
                proptest::prop_assert_eq!(set.pages(), map.iter().filter(|bit| **bit).count() as u64);
                for end in 1..80 {
                    let tail = expected.iter().find(|run| run.0 + run.1 == end).map(|run| run.0);
                    proptest::prop_assert_eq!(set.start_of_tail(end), tail);
                }
            }
        }
    }

    fn runs(map: &[bool]) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (at, _) in map.iter().enumerate().filter(|(_, bit)| **bit) {
            match runs.last_mut() {
                Some((start, pages)) if *start + *pages == at as u64 => *pages += 1,
                _ => runs.push((at as u64, 1)),
            }
        }
        runs
    }

    #[test]
    fn nothing_is_in_every_set() {
        let mut set = RangeSet::default();
        assert!(set.insert(5, 0) && set.remove(7, 0) && set.contains(3, 0) && !set.overlaps(3, 0));
        assert!(set.insert(3, 4) && !set.overlaps(4, 0));
        assert!(!set.contains(4, u64::MAX) && set.overlaps(4, u64::MAX));
    }

    #[test]
    fn the_tail_is_cut_but_not_what_must_stay() {
        let mut space = Space { end: 2, ..Space::default() };
        space.grow(20);
        let extent = space.allocate(5).unwrap();
        assert_eq!((extent.start.0, space.missing(13), space.missing(14)), (2, 0, 1));
        assert!(space.cut(10) && space.end == 10);
        assert!(space.cut(0) && space.end == 7);
        assert!(!space.cut(0));
        space.grow(9);
        assert_eq!(space.free.iter().collect::<Vec<_>>(), [(7, 2)]);
    }
}
