//! The order that arguments of a call have of their own: `first_value(x ORDER BY y) OVER (…)`.

use std::ops::Range;

use arrow_array::{ArrayRef, UInt32Array};

use crate::exec::error::Result;
use crate::exec::expr::SortKey;
use crate::exec::operators::sort::keys::{Entry, KeyEncoder};
use crate::exec::operators::sort::parallel::sort_entries;

use super::Threads;
use super::group::{Group, Keys, peer_starts};
use super::layout::column_of;

/// The rows of each partition in another order.
pub(super) struct ArgumentOrder {
    /// The rows in that order, partition by partition.
    rows: UInt32Array,
    /// Where each row lies in `rows`.
    ranks: Vec<u32>,
    /// Where rows that are equal begin in `rows`, and the end.
    peers: Vec<u32>,
}

impl ArgumentOrder {
    pub fn new(order_by: &[SortKey], group: &Group, threads: &Threads<'_>) -> Result<Self> {
        let columns: Vec<ArrayRef> =
            order_by.iter().map(|k| group.sorted(column_of(k)?)).collect::<Result<_>>()?;
        let encoder = KeyEncoder::new(order_by)?;
        let keys = Keys::new(&encoder, &columns, group.rows(), threads)?;
        let mut entries: Vec<Entry> = (0..group.rows() as u32).map(|row| keys.entry(row)).collect();
        let compare = |a: &Entry, b: &Entry| keys.compare(a, b).then(a.row.cmp(&b.row));
        for bounds in group.partitions.windows(2) {
            let part = &mut entries[bounds[0] as usize..bounds[1] as usize];
            sort_entries(part, &compare, threads.context, threads.count())?;
        }
        let rows: Vec<u32> = entries.iter().map(|e| e.row).collect();
        let mut ranks = vec![0; rows.len()];
        rows.iter().enumerate().for_each(|(rank, &row)| ranks[row as usize] = rank as u32);
        let peers = peer_starts(&entries, &group.partitions, &keys);
        Ok(Self { rows: rows.into(), ranks, peers })
    }

    /// The rows in this order, partition by partition.
    pub fn rows(&self) -> &UInt32Array {
        &self.rows
    }

    /// Where the rows that are equal to a row lie among [`ArgumentOrder::rows`].
    pub fn peers(&self, row: u32) -> Range<u32> {
        let at = self.peers.partition_point(|&start| start <= self.rank(row));
        self.peers[at - 1]..self.peers[at]
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        (self.rows.len() + self.ranks.capacity() + self.peers.capacity()) * size_of::<u32>()
    }

    /// Where a row lies among [`ArgumentOrder::rows`].
    pub fn rank(&self, row: u32) -> u32 {
        self.ranks[row as usize]
    }
}
