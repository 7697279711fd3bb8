//! Which rows of a block are left.

use arrow_array::BooleanArray;
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

/// With fewer rows left than one in this many, rows are read one by one.
const SPARSE: usize = 4;

/// The rows of a block that are left.
pub(super) struct Selection {
    pub rows: usize,
    /// None: all.
    pub mask: Option<BooleanBuffer>,
    pub left: usize,
}

impl Selection {
    pub fn and(&mut self, mask: BooleanBuffer) {
        let mask = match self.mask.take() {
            Some(own) => &own & &mask,
            None => mask,
        };
        self.left = mask.count_set_bits();
        self.mask = (self.left < self.rows).then_some(mask);
    }

    pub fn is_sparse(&self) -> bool {
        self.left * SPARSE < self.rows
    }

    pub fn indices(&self) -> Vec<u16> {
        match &self.mask {
            Some(mask) => mask.set_indices().map(|i| i as u16).collect(),
            None => (0..self.rows as u16).collect(),
        }
    }
}

/// The mask of a block's `rows` rows, from that of some of them.
pub(super) fn spread(mask: &BooleanArray, indices: &[u16], rows: usize) -> BooleanBuffer {
    let mut whole = BooleanBufferBuilder::new(rows);
    whole.append_n(rows, false);
    for i in mask.values().set_indices() {
        whole.set_bit(usize::from(indices[i]), true);
    }
    whole.finish()
}
