//! What becomes of the numbers of rows when row groups are written anew.
//!
//! Numbers of rows stay the same while a table is only added to and deleted from. When row groups are written anew,
//! deleted rows go, those behind them move up, and rows of a table that has an order go where they belong. A transaction that began before finds its rows again by following
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

/// The number of a row that went.
pub(super) const GONE: u64 = u64::MAX;

/// From one numbering to the next. Where it says nothing, rows close ranks behind those that went.
#[derive(Debug, Default)]
pub(super) struct Renumbering {
    /// In order, and apart from each other.
    pieces: Vec<Piece>,
}

/// What becomes of a run of rows.
#[derive(Debug)]
pub(super) enum Fate {
    /// Those with a set bit go. The others keep their order, and the first of them gets the number `to`.
    Thinned { gone: BooleanBuffer, to: u64 },
    /// All stay together, from the number `to` on.
    Kept { rows: u64, to: u64 },
    /// The number of each; [`GONE`] for those that went.
    Moved(Box<[u64]>),
}

impl Fate {
    fn rows(&self) -> u64 {
        match self {
            Self::Thinned { gone, .. } => gone.len() as u64,
            Self::Kept { rows, .. } => *rows,
            Self::Moved(numbers) => numbers.len() as u64,
        }
    }

    fn gone(&self) -> u64 {
        match self {
            Self::Thinned { gone, .. } => gone.count_set_bits() as u64,
            Self::Kept { .. } => 0,
            Self::Moved(numbers) => numbers.iter().filter(|number| **number == GONE).count() as u64,
        }
    }
}

#[derive(Debug)]
struct Piece {
    /// The number of the first row that it is about.
    first: u64,
    fate: Fate,
    /// How many rows went before it, and of it.
    before: u64,
    gone: u64,
}

impl Renumbering {
    /// Whether all rows keep their numbers.
    pub(super) fn is_identity(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Of the rows from `first` on, those with a set bit went. These come behind all that were named before, and the
    /// others close ranks.
    pub(super) fn push(&mut self, first: u64, gone: BooleanBuffer) {
        let to = self.number_behind(first);
        self.push_fate(first, Fate::Thinned { gone, to });
    }

    /// What becomes of the rows from `first` on, which come behind all that were named before.
    pub(super) fn push_fate(&mut self, first: u64, fate: Fate) {
        debug_assert!(
            self.pieces.last().is_none_or(|piece| piece.first + piece.fate.rows() <= first),
            "pieces come in order"
        );
        let before = self.pieces.last().map_or(0, |piece| piece.before + piece.gone);
        if matches!(fate, Fate::Kept { to, .. } if to == first - before) {
            return;
        }
        let gone = fate.gone();
        self.pieces.push(Piece { first, fate, before, gone });
    }

    /// The number of a row behind all pieces.
    fn number_behind(&self, row: u64) -> u64 {
        self.pieces.last().map_or(row, |piece| row - piece.before - piece.gone)
    }

    /// The number that a row has afterwards; `None` if it went.
    pub(super) fn number(&self, row: u64) -> Option<u64> {
        let Some(at) = self.pieces.partition_point(|piece| piece.first <= row).checked_sub(1) else {
            return Some(row);
        };
        let Piece { first, fate, before, gone } = &self.pieces[at];
        let offset = row - first;
        if offset >= fate.rows() {
            return Some(row - before - gone);
        }
        match fate {
            Fate::Kept { to, .. } => Some(to + offset),
            Fate::Moved(numbers) => Some(numbers[offset as usize]).filter(|number| *number != GONE),
            Fate::Thinned { gone, to } => {
                let offset = offset as usize;
                let gone_before = gone.slice(0, offset).count_set_bits();
                (!gone.value(offset)).then(|| to + (offset - gone_before) as u64)
            }
        }
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
    fn rows_that_move_are_found() {
        let mut renumbering = Renumbering::default();
        renumbering.push(2, vec![false, true].into());
        // Rows 4 to 6 change places with 8 and 9, one of 4 to 6 goes, and 7 is between them.
        renumbering.push_fate(4, Fate::Moved([7, GONE, 6].into()));
        renumbering.push_fate(7, Fate::Kept { rows: 1, to: 5 });
        renumbering.push_fate(8, Fate::Moved([3, 4].into()));
        renumbering.push_fate(10, Fate::Kept { rows: 5, to: 8 });
        renumbering.push(15, vec![true, false].into());
        let numbers: Vec<_> = (0..19).map(|row| renumbering.number(row)).collect();
        let expected = [0, 1, 2, GONE, 7, GONE, 6, 5, 3, 4, 8, 9, 10, 11, 12, GONE, 13, 14, 15];
        assert_eq!(numbers, expected.map(|number| Some(number).filter(|number| *number != GONE)));
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
