//! Rows that cannot be among the first of their partition are not collected.
//!
//! Who asks for the two best rows of each partition need not have all of them sorted. A row is left out once its worker
//! has seen as many rows of the partition that come before it, by the beginning of their keys, as are wanted: the
//! wanted ones stay, and any other that stays has as many before it as it needs not to be taken for one of them.

use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::BooleanBufferBuilder;

use crate::exec::error::Result;
use crate::exec::operators::groups::{GroupTable, group_table};
use crate::exec::operators::sort::keys::{KeyEncoder, prefix};

use super::layout::{Layout, column_of};

/// More rows of each partition than this are sorted with the others.
pub(super) const MOST: u64 = 64;
/// Rows after which it is seen whether enough are left out.
const TRIAL_ROWS: usize = 1 << 17;

/// What one worker knows of the first rows of each partition.
pub(super) struct FirstRows {
    most: usize,
    partitions: Box<dyn GroupTable>,
    encoder: KeyEncoder,
    /// For each partition the least keys so far, rising, as far as they are compared as numbers.
    least: Vec<(u64, u64)>,
    ids: Vec<u32>,
    /// Rows seen, and rows seen and kept since it was last looked whether that pays.
    rows: usize,
    seen: usize,
    kept: usize,
}

impl FirstRows {
    /// Nothing known; `most` rows of each partition are wanted.
    pub fn new(layout: &Layout, most: usize) -> Result<Self> {
        Ok(Self {
            most,
            partitions: group_table(&layout.partition_types())?,
            encoder: KeyEncoder::new(&layout.order)?,
            least: vec![],
            ids: vec![],
            rows: 0,
            seen: 0,
            kept: 0,
        })
    }

    /// The rows of some kept columns that may be wanted; `None` if all may be.
    pub fn keep(
        &mut self,
        layout: &Layout,
        columns: &[ArrayRef],
        rows: usize,
    ) -> Result<Option<BooleanArray>> {
        self.partitions.intern(&layout.partition_keys(columns)?, rows, &mut self.ids)?;
        self.least.resize(self.partitions.len() * self.most, (u64::MAX, u64::MAX));
        let order: Vec<ArrayRef> =
            layout.order.iter().map(|k| Ok(columns[column_of(k)?].clone())).collect::<Result<_>>()?;
        let keys = self.encoder.encode(&order)?;
        let mut bits = BooleanBufferBuilder::new(rows);
        for (row, &id) in self.ids.iter().enumerate() {
            let key = prefix(keys.row(row).data());
            let start = id as usize * self.most;
            let least = &mut self.least[start..start + self.most];
            let greatest = least[self.most - 1];
            bits.append(key <= greatest);
            if key < greatest {
                let at = least.partition_point(|known| *known <= key);
                least[at..].rotate_right(1);
                least[at] = key;
            }
        }
        let mask = BooleanArray::new(bits.finish(), None);
        let kept = mask.true_count();
        self.rows += rows;
        self.seen += rows;
        self.kept += kept;
        Ok((kept < rows).then_some(mask))
    }

    /// Whether nearly all rows stay, so that it does not pay to look. The first ones of each partition always do.
    pub fn is_useless(&mut self) -> bool {
        if self.seen < TRIAL_ROWS {
            return false;
        }
        let all_stay = self.kept > self.seen / 4 * 3;
        (self.seen, self.kept) = (0, 0);
        let partitions = self.partitions.len();
        let had_time = self.rows > 4 * partitions * self.most;
        let too_many = self.rows > 8 * TRIAL_ROWS && partitions > self.rows / 4;
        all_stay && (had_time || too_many)
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.partitions.size() + self.least.capacity() * size_of::<(u64, u64)>()
    }
}
