//! What becomes of the numbers of rows when row groups are written anew.
//!
//! Numbers of rows stay the same while a table is only added to and deleted from. When row groups are written anew,
//! deleted rows go, and those behind them move up. A transaction that began before finds its rows again by following
//! the numberings of the table from the one that it saw: each knows the next, so that those before it are forgotten with
//! the last snapshot that has them.

use std::sync::{Arc, OnceLock};

use arrow_buffer::BooleanBuffer;

/// How the rows of a table are numbered. Versions of the table in which a row has the same number share one.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    next: OnceLock<(Renumbering, Arc<Numbering>)>,
}

impl Numbering {
    /// Says how rows are numbered after this, once a commit has made it so.
    pub(super) fn continue_as(&self, renumbering: Renumbering, next: Arc<Self>) {
        let first = self.next.set((renumbering, next)).is_ok();
        debug_assert!(first, "a numbering ends once");
    }

    /// The numbers that rows have in a later numbering of the same table, in the order of the rows given. `None`, if one
    /// of them is not there any more, or all have been removed at once in between.
    pub(super) fn follow(self: &Arc<Self>, to: &Arc<Self>, mut rows: Vec<u64>) -> Option<Vec<u64>> {
        let mut at = self;
        while !Arc::ptr_eq(at, to) {
            let (renumbering, next) = at.next.get()?;
            for row in &mut rows {
                *row = renumbering.number(*row)?;
            }
            at = next;
        }
        Some(rows)
    }
}

impl Drop for Numbering {
    /// Not by recursion: the list may be long.
    fn drop(&mut self) {
        let mut next = self.next.take().map(|(_, next)| next);
        while let Some(numbering) = next.take() {
            next = Arc::into_inner(numbering).and_then(|mut alone| alone.next.take()).map(|(_, next)| next);
        }
    }
}

/// From one numbering to the next: rows that went. All others keep their order.
#[derive(Debug, Default)]
pub(super) struct Renumbering {
    /// In order, and apart from each other.
    gaps: Vec<Gap>,
}

#[derive(Debug)]
struct Gap {
    /// The number of the first row that it is about.
    first: u64,
    /// Which rows went, and how many that is.
    gone: BooleanBuffer,
    count: u64,
    /// How many rows went before it.
    before: u64,
}

impl Gap {
    fn end(&self) -> u64 {
        self.first + self.gone.len() as u64
    }
}

impl FromIterator<(u64, BooleanBuffer)> for Renumbering {
    fn from_iter<T: IntoIterator<Item = (u64, BooleanBuffer)>>(gaps: T) -> Self {
        let mut renumbering = Self::default();
        gaps.into_iter().for_each(|(first, gone)| renumbering.push(first, gone));
        renumbering
    }
}

impl Renumbering {
    /// Whether all rows keep their numbers.
    pub(super) fn is_identity(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Of the rows from `first` on, those with a set bit went. These come behind all that were named before.
    pub(super) fn push(&mut self, first: u64, gone: BooleanBuffer) {
        let before = self.gaps.last().map_or(0, |gap| gap.before + gap.count);
        debug_assert!(self.gaps.last().is_none_or(|gap| gap.end() <= first), "gaps come in order");
        let count = gone.count_set_bits() as u64;
        self.gaps.push(Gap { first, gone, count, before });
    }

    /// The number that a row has afterwards; `None` if it went.
    pub(super) fn number(&self, row: u64) -> Option<u64> {
        let Some(at) = self.gaps.partition_point(|gap| gap.first <= row).checked_sub(1) else {
            return Some(row);
        };
        let gap = &self.gaps[at];
        if row >= gap.end() {
            return Some(row - gap.before - gap.count);
        }
        let offset = (row - gap.first) as usize;
        let gone = gap.gone.slice(0, offset).count_set_bits() as u64;
        (!gap.gone.value(offset)).then(|| row - gap.before - gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn rows_that_are_left_close_ranks(
            gaps in proptest::collection::vec((0_u64..5, proptest::collection::vec(proptest::bool::ANY, 1..6)), 0..8),
        ) {
            let (mut renumbering, mut gone) = (Renumbering::default(), vec![]);
            for (skip, bits) in gaps {
                gone.extend((0..skip).map(|_| false));
                renumbering.push(gone.len() as u64, bits.clone().into());
                gone.extend(bits);
            }
            gone.extend([false; 3]);
            let mut next = 0;
            for (row, gone) in gone.into_iter().enumerate() {
                let expected = (!gone).then_some(next);
                next += u64::from(!gone);
                proptest::prop_assert_eq!(renumbering.number(row as u64), expected);
            }
        }
    }

    #[test]
    fn numberings_are_followed_and_forgotten() {
        let first = Arc::new(Numbering::default());
        let mut last = Arc::clone(&first);
        for _ in 0..100_000 {
            let mut renumbering = Renumbering::default();
            renumbering.push(10, vec![true].into());
            let next = Arc::new(Numbering::default());
            last.continue_as(renumbering, Arc::clone(&next));
            last = next;
        }
        assert_eq!(first.follow(&last, vec![3, 100_011]), Some(vec![3, 11]));
        assert_eq!(first.follow(&last, vec![3, 100_009]), None);
        assert_eq!(last.follow(&first, vec![3]), None);
        let middle = first.next.get().map(|(_, next)| Arc::clone(next)).unwrap();
        drop(first);
        assert_eq!(middle.follow(&last, vec![100_010]), Some(vec![11]));
        drop(middle);
    }
}
