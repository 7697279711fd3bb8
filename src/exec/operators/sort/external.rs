//! Sorted runs in the temporary file to one order.
//!
//! A few runs are read side by side, a chunk of each at a time; more than a few are first merged into longer ones. Keys
//! are computed again from the rows: that costs less than writing and reading them.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::ScalarBuffer;
use arrow_row::Rows;
use arrow_select::interleave::interleave;
use parking_lot::Mutex;

use super::evaluate_keys;
use super::keys::KeyEncoder;
use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::SortKey;
use crate::exec::memory::{Reservation, batch_bytes};
use crate::exec::pipeline::{BATCH_ROWS, split_batch};
use crate::exec::source::{Morsel, SourceScan};
use crate::exec::spill::{Chunk, Spill, chunk_rows};

/// Runs that are read side by side.
const FAN_IN: usize = 32;
/// Batches of a morsel of the result.
const MORSEL_BATCHES: usize = 16;

/// The order of the rows.
pub(super) struct Order {
    pub keys: Vec<SortKey>,
    pub encoder: KeyEncoder,
}

/// Rows `offset .. offset + limit` of runs in order. Of equal rows of one morsel those of the earlier run come first.
pub(super) fn merge(
    mut runs: Vec<Vec<Chunk>>,
    order: Order,
    offset: usize,
    limit: Option<usize>,
    spill: &Spill,
) -> Result<Arc<dyn SourceScan>> {
    let order = Arc::new(order);
    runs.retain(|run| !run.is_empty());
    while runs.len() > FAN_IN {
        let mut longer = vec![];
        let mut rest = runs.into_iter().peekable();
        while rest.peek().is_some() {
            let few: Vec<_> = rest.by_ref().take(FAN_IN).collect();
            let mut merged = Merge::new(few, order.clone(), spill)?;
            let mut chunks = vec![];
            let mut step = BATCH_ROWS;
            while let Some(batch) = merged.next(step)? {
                step = chunk_rows(batch_bytes(&batch), batch.rows);
                chunks.push(spill.write(&batch, 0)?);
            }
            longer.push(chunks);
        }
        runs = longer;
    }
    let merge = Merge::new(runs, order, spill)?;
    let state = State { merge, sequence: 0, skip: offset, left: limit.unwrap_or(usize::MAX) };
    Ok(Arc::new(MergeScan(Mutex::new(state))))
}

/// The next rows of a run.
struct Cursor {
    chunks: std::vec::IntoIter<Chunk>,
    /// The chunk's place among [`Merge::sources`].
    source: usize,
    keys: Option<Rows>,
    sequences: ScalarBuffer<u64>,
    at: usize,
}

struct Merge {
    cursors: Vec<Cursor>,
    /// Cursors with rows left, a heap: the least comes first.
    heap: Vec<usize>,
    /// The chunks that rows are taken of.
    sources: Vec<Batch>,
    order: Arc<Order>,
    spill: Spill,
    memory: Reservation,
}

impl Merge {
    fn new(runs: Vec<Vec<Chunk>>, order: Arc<Order>, spill: &Spill) -> Result<Self> {
        let mut merge = Self {
            cursors: vec![],
            heap: vec![],
            sources: vec![],
            order,
            spill: spill.clone(),
            memory: Reservation::new(&spill.context),
        };
        for run in runs {
            merge.cursors.push(Cursor {
                chunks: run.into_iter(),
                source: 0,
                keys: None,
                sequences: ScalarBuffer::from(vec![]),
                at: 0,
            });
            let cursor = merge.cursors.len() - 1;
            if merge.advance(cursor)? {
                merge.heap.push(cursor);
            }
        }
        for at in (0..merge.heap.len() / 2).rev() {
            merge.sift_down(at);
        }
        let bytes: usize = merge.sources.iter().map(batch_bytes).sum();
        merge.memory.force(bytes * 3);
        Ok(merge)
    }

    /// Reads the next chunk of a run; whether there is one.
    fn advance(&mut self, cursor: usize) -> Result<bool> {
        let cursor = &mut self.cursors[cursor];
        cursor.keys = None;
        let Some(chunk) = cursor.chunks.next() else { return Ok(false) };
        let batch = chunk.read()?;
        let sequences = batch.columns.last().and_then(|c| c.as_primitive_opt::<UInt64Type>());
        let sequences =
            sequences.ok_or_else(|| ExecError::Internal("a sorted run without numbers".into()))?;
        cursor.sequences = sequences.values().clone();
        let keys = evaluate_keys(&self.order.keys, &batch, &self.spill.context)?;
        cursor.keys = Some(self.order.encoder.encode(&keys)?);
        cursor.at = 0;
        cursor.source = self.sources.len();
        self.sources.push(batch);
        Ok(true)
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let (x, y) = (&self.cursors[a], &self.cursors[b]);
        let (Some(x_keys), Some(y_keys)) = (&x.keys, &y.keys) else { return Ordering::Equal };
        x_keys
            .row(x.at)
            .cmp(&y_keys.row(y.at))
            .then_with(|| x.sequences[x.at].cmp(&y.sequences[y.at]))
            .then(a.cmp(&b))
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let mut least = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.heap.len() && self.compare(self.heap[child], self.heap[least]).is_lt() {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }

    /// The next rows, at most `count`, with the numbers of their morsels.
    fn next(&mut self, count: usize) -> Result<Option<Batch>> {
        self.spill.context.check_cancelled()?;
        let mut picks: Vec<(usize, usize)> = Vec::with_capacity(count);
        while picks.len() < count
            && let Some(&first) = self.heap.first()
        {
            let cursor = &mut self.cursors[first];
            picks.push((cursor.source, cursor.at));
            cursor.at += 1;
            if cursor.at == cursor.sequences.len() && !self.advance(first)? {
                self.heap.swap_remove(0);
            }
            self.sift_down(0);
        }
        if picks.is_empty() {
            return Ok(None);
        }
        let width = self.sources.first().map_or(0, |b| b.columns.len());
        let columns: Vec<ArrayRef> = (0..width)
            .map(|c| {
                let parts: Vec<&dyn Array> = self.sources.iter().map(|b| &*b.columns[c]).collect();
                Ok(interleave(&parts, &picks)?)
            })
            .collect::<Result<_>>()?;
        // Chunks of which all rows are taken go.
        let mut sources = vec![];
        for &cursor in &self.heap {
            let cursor = &mut self.cursors[cursor];
            sources.push(self.sources[cursor.source].clone());
            cursor.source = sources.len() - 1;
        }
        self.sources = sources;
        Ok(Some(Batch::new(columns, picks.len())))
    }
}

struct State {
    merge: Merge,
    sequence: u64,
    skip: usize,
    left: usize,
}

/// The merged rows, some batches a morsel.
struct MergeScan(Mutex<State>);

impl SourceScan for MergeScan {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let mut state = self.0.lock();
        let mut batches = vec![];
        while batches.len() < MORSEL_BATCHES && state.left > 0 {
            let Some(mut batch) = state.merge.next(BATCH_ROWS)? else { break };
            batch.columns.pop();
            let skipped = state.skip.min(batch.rows);
            state.skip -= skipped;
            let kept = (batch.rows - skipped).min(state.left);
            state.left -= kept;
            if kept > 0 {
                batches.push(batch.slice(skipped, kept));
            }
        }
        if batches.is_empty() {
            return Ok(None);
        }
        let sequence = state.sequence;
        state.sequence += 1;
        Ok(Some(Morsel { sequence, batches: Box::new(batches.into_iter().flat_map(split_batch).map(Ok)) }))
    }
}
