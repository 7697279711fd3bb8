//! Rows by partition of their keys' hashes.

use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;

use super::{Chunk, Spill};
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::eval::flatten;
use crate::exec::memory::{Reservation, batch_bytes};
use crate::exec::operators::coalesce::concat_batches;

/// How many partitions there are at a time. The highest bits of a hash choose one.
pub(crate) const PARTITION_BITS: u32 = 5;
pub(crate) const PARTITIONS: usize = 1 << PARTITION_BITS;
/// Partitions of partitions of partitions are small, or have one key.
pub(crate) const MAX_LEVEL: u32 = 3;
/// Rows that are collected before they are spread.
const HELD_ROWS: usize = 1 << 15;

/// The partition of a hash. Partitions of a partition (`level` 1 and up) look at further bits.
#[inline]
pub(crate) fn partition_of(hash: u64, level: u32) -> usize {
    (hash.rotate_left(level * PARTITION_BITS) >> (64 - PARTITION_BITS)) as usize
}

/// Writes rows to their partitions.
pub(crate) struct Partitioner {
    spill: Spill,
    level: u32,
    held: Vec<Batch>,
    hashes: Vec<u64>,
    held_bytes: usize,
    /// So many bytes are held at most.
    budget: usize,
    tag: u64,
    memory: Reservation,
    /// What was written.
    pub parts: Vec<Vec<Chunk>>,
}

impl Partitioner {
    /// Nothing yet.
    pub fn new(spill: &Spill, level: u32) -> Self {
        let threads = spill.context.threads as u64;
        let budget = spill.context.memory.limit() / 32 / threads;
        Self {
            spill: spill.clone(),
            level,
            held: vec![],
            hashes: vec![],
            held_bytes: 0,
            budget: usize::try_from(budget).unwrap_or(usize::MAX).clamp(64 << 10, 8 << 20),
            tag: 0,
            memory: Reservation::new(&spill.context),
            parts: (0..PARTITIONS).map(|_| vec![]).collect(),
        }
    }

    /// Adds rows with the hashes of their keys; rows of one tag come out in the order they came.
    pub fn push(&mut self, batch: Batch, hashes: &[u64], tag: u64) -> Result<()> {
        if tag != self.tag {
            self.flush()?;
            self.tag = tag;
        }
        self.held_bytes += batch_bytes(&batch);
        self.hashes.extend_from_slice(hashes);
        let columns = batch.columns.iter().map(flatten).collect::<Result<_>>()?;
        self.held.push(Batch::new(columns, batch.rows));
        self.memory.force(self.held_bytes * 2);
        if self.hashes.len() >= HELD_ROWS || self.held_bytes >= self.budget {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes all that is held.
    pub fn flush(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let batch = concat_batches(std::mem::take(&mut self.held))?;
        let hashes = std::mem::take(&mut self.hashes);
        self.held_bytes = 0;
        let mut starts = [0usize; PARTITIONS + 1];
        hashes.iter().for_each(|h| starts[partition_of(*h, self.level) + 1] += 1);
        for p in 0..PARTITIONS {
            starts[p + 1] += starts[p];
        }
        let mut next = starts;
        let mut order = vec![0u32; batch.rows];
        for (row, hash) in hashes.iter().enumerate() {
            let at = &mut next[partition_of(*hash, self.level)];
            order[*at] = row as u32;
            *at += 1;
        }
        let order = UInt32Array::from(order);
        for p in 0..PARTITIONS {
            let len = starts[p + 1] - starts[p];
            if len > 0 {
                let rows = order.slice(starts[p], len);
                let columns: Vec<ArrayRef> =
                    batch.columns.iter().map(|c| Ok(take(c, &rows, None)?)).collect::<Result<_>>()?;
                self.spill.write_all(&Batch::new(columns, len), self.tag, &mut self.parts[p])?;
            }
        }
        self.memory.force(0);
        Ok(())
    }
}

/// The chunks of all workers, partition by partition, in the order of their tags.
pub(crate) fn merge(all: impl IntoIterator<Item = Vec<Vec<Chunk>>>) -> Vec<Vec<Chunk>> {
    let mut parts: Vec<Vec<Chunk>> = (0..PARTITIONS).map(|_| vec![]).collect();
    for worker in all {
        for (part, chunks) in parts.iter_mut().zip(worker) {
            part.extend(chunks);
        }
    }
    // Stable: chunks of one tag come from one worker, in order.
    parts.iter_mut().for_each(|part| part.sort_by_key(|c| c.tag));
    parts
}

/// The batches of chunks, each given back once it is read.
pub(crate) fn drain(chunks: Vec<Chunk>) -> impl Iterator<Item = Result<Batch>> + Send {
    chunks.into_iter().map(|chunk| chunk.read())
}

/// Shared chunks that are read more than once.
pub(crate) fn read_again(chunks: &Arc<Vec<Chunk>>) -> impl Iterator<Item = Result<Batch>> + Send + use<> {
    let chunks = chunks.clone();
    (0..chunks.len()).map(move |i| chunks[i].read())
}
