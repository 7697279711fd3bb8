//! Which rows of a block are left.

use std::cell::OnceCell;

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

/// With fewer rows left than one in this many, rows are read one by one.
const SPARSE: usize = 4;

/// The rows of a block that are left: all, or those of a mask, or of a list. Either is made of the other when it is asked
/// for.
pub(super) struct Selection {
    pub rows: usize,
    pub left: usize,
    mask: OnceCell<BooleanBuffer>,
    indices: OnceCell<Vec<u16>>,
}

impl Selection {
    /// All rows of a block of so many.
    pub fn all(rows: usize) -> Self {
        Self { rows, left: rows, mask: OnceCell::new(), indices: OnceCell::new() }
    }

    pub fn is_all(&self) -> bool {
        self.left == self.rows
    }

    /// Whether so few are left that they are read one by one.
    pub fn is_sparse(&self) -> bool {
        self.left * SPARSE < self.rows
    }

    /// Keeps those of a mask of all rows of the block.
    pub fn and(&mut self, mask: BooleanBuffer) {
        let mask = if self.is_all() { mask } else { self.mask() & &mask };
        *self = Self {
            rows: self.rows,
            left: mask.count_set_bits(),
            mask: OnceCell::from(mask),
            indices: OnceCell::new(),
        };
    }

    /// Keeps those of a mask of the rows that are left.
    pub fn narrow(&mut self, keep: &BooleanBuffer) {
        let all = self.indices();
        let indices: Vec<u16> = keep.set_indices().map(|i| all[i]).collect();
        *self = Self {
            rows: self.rows,
            left: indices.len(),
            mask: OnceCell::new(),
            indices: OnceCell::from(indices),
        };
    }

    /// A bit for each row of the block.
    pub fn mask(&self) -> &BooleanBuffer {
        self.mask.get_or_init(|| {
            let Some(indices) = self.indices.get() else { return BooleanBuffer::new_set(self.rows) };
            let mut mask = BooleanBufferBuilder::new(self.rows);
            mask.append_n(self.rows, false);
            indices.iter().for_each(|row| mask.set_bit(usize::from(*row), true));
            mask.finish()
        })
    }

    /// The rows in order.
    pub fn indices(&self) -> &[u16] {
        self.indices.get_or_init(|| match self.mask.get() {
            Some(mask) => mask.set_indices().map(|i| i as u16).collect(),
            None => (0..self.rows as u16).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_lists_say_the_same() {
        let mut selection = Selection::all(10);
        assert!(selection.is_all() && !selection.is_sparse());
        assert_eq!(selection.indices(), (0..10).collect::<Vec<u16>>());
        selection.and((0..10).map(|i| i % 2 == 0).collect());
        assert_eq!((selection.left, selection.indices()), (5, &[0, 2, 4, 6, 8][..]));
        selection.narrow(&[false, true, false, true, true].into_iter().collect());
        assert_eq!((selection.left, selection.indices()), (3, &[2, 6, 8][..]));
        assert_eq!(selection.mask().set_indices().collect::<Vec<_>>(), [2, 6, 8]);
        selection.and((0..10).map(|i| i > 5).collect());
        assert_eq!((selection.left, selection.indices()), (2, &[6, 8][..]));
        assert!(selection.is_sparse());
    }
}
