//! All rows of a pipeline, in memory and in order, or beyond memory by partition.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, NullArray};

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::expr::Expr;
use crate::exec::memory::{Account, Budget, Reservation, batch_bytes};
use crate::exec::operators::groups::hash::hash_keys;
use crate::exec::pipeline::{Flow, Pipeline, PipelineSink};
use crate::exec::scheduler::run;
use crate::exec::spill::partition::{Partitioner, merge};
use crate::exec::spill::{Chunk, Spill};

/// Keeps every batch with the number of its morsel.
struct Collect {
    context: Arc<ExecContext>,
}

struct LocalCollect {
    batches: Vec<(u64, Batch)>,
    memory: Reservation,
}

impl PipelineSink for Collect {
    type Local = LocalCollect;

    fn local(&self) -> LocalCollect {
        LocalCollect { batches: vec![], memory: Reservation::new(&self.context) }
    }

    fn push(&self, local: &mut LocalCollect, sequence: u64, batch: Batch) -> Result<Flow> {
        local.memory.grow(batch_bytes(&batch))?;
        local.batches.push((sequence, batch));
        Ok(Flow::More)
    }
}

/// Keeps rows, or writes them away by partition of their keys.
struct Gather<'a> {
    keys: &'a [Expr],
    /// Columns that somebody reads; the others are not written.
    read: &'a [bool],
    /// All rows are written away.
    always: bool,
    budget: Arc<Budget>,
    spill: &'a Spill,
}

struct LocalGather {
    batches: Vec<(u64, Batch)>,
    bytes: usize,
    memory: Account,
    written: Option<Partitioner>,
    has_null_key: bool,
}

impl Gather<'_> {
    fn write(&self, local: &mut LocalGather, batch: Batch) -> Result<()> {
        let Some(written) = &mut local.written else { return Ok(()) };
        let keys: Vec<ArrayRef> =
            self.keys.iter().map(|k| evaluate(k, &batch, &self.spill.context)).collect::<Result<_>>()?;
        local.has_null_key |= keys.iter().any(|k| k.logical_null_count() > 0);
        let hashes = hash_keys(&keys, batch.rows)?;
        let nothing: ArrayRef = Arc::new(NullArray::new(batch.rows));
        let columns = batch.columns.into_iter().enumerate();
        let columns =
            columns.map(|(c, column)| if self.read[c] { column } else { nothing.clone() }).collect();
        written.push(Batch::new(columns, batch.rows), &hashes, 0)
    }
}

impl PipelineSink for Gather<'_> {
    type Local = LocalGather;

    fn local(&self) -> LocalGather {
        LocalGather {
            batches: vec![],
            bytes: 0,
            memory: Account::new(&self.budget),
            written: self.always.then(|| Partitioner::new(self.spill, 0)),
            has_null_key: false,
        }
    }

    fn push(&self, local: &mut LocalGather, sequence: u64, batch: Batch) -> Result<Flow> {
        if batch.rows == 0 {
            return Ok(Flow::More);
        }
        if local.written.is_some() {
            self.write(local, batch)?;
            return Ok(Flow::More);
        }
        local.bytes += batch_bytes(&batch);
        local.batches.push((sequence, batch));
        if !local.memory.fits(local.bytes) {
            local.written = Some(Partitioner::new(self.spill, 0));
            self.write_all(local)?;
        }
        Ok(Flow::More)
    }
}

impl Gather<'_> {
    /// Writes what was kept.
    fn write_all(&self, local: &mut LocalGather) -> Result<()> {
        for (_, batch) in std::mem::take(&mut local.batches) {
            self.write(local, batch)?;
        }
        local.bytes = 0;
        local.memory.force(0);
        Ok(())
    }
}

/// Rows that were kept, or written away.
pub(crate) enum Gathered {
    /// In memory.
    Kept(Collected),
    /// In the temporary file, by partition of their keys' hashes; in the first one if there are no keys.
    Written {
        /// The rows.
        parts: Vec<Vec<Chunk>>,
        /// Some row has a NULL among its keys.
        has_null_key: bool,
    },
}

/// Runs a pipeline and keeps all its rows in memory if they fit, and it is not said that all are to be written.
pub(crate) fn gather(
    pipeline: &Pipeline,
    keys: &[Expr],
    read: &[bool],
    always: bool,
    spill: &Spill,
) -> Result<Gathered> {
    let context = &spill.context;
    // Joins copy the rows to one batch, and make a table beside it.
    let sink = Gather { keys, read, always, budget: Budget::new(context, 4), spill };
    let mut locals = run(pipeline, &sink, context, context.threads)?;
    if !always && locals.iter().all(|l| l.written.is_none()) {
        let mut batches = vec![];
        let mut memory = vec![];
        for local in locals {
            batches.extend(local.batches);
            memory.push(local.memory.into_reservation());
        }
        return Ok(Gathered::Kept(in_order(batches, memory)));
    }
    let mut has_null_key = false;
    let mut parts = vec![];
    for mut local in locals.drain(..) {
        local.written.get_or_insert_with(|| Partitioner::new(spill, 0));
        sink.write_all(&mut local)?;
        has_null_key |= local.has_null_key;
        if let Some(mut written) = local.written {
            written.flush()?;
            parts.push(written.parts);
        }
    }
    Ok(Gathered::Written { parts: merge(parts), has_null_key })
}

/// Batches in the order of the source.
fn in_order(mut batches: Vec<(u64, Batch)>, memory: Vec<Reservation>) -> Collected {
    // Stable: the batches of one morsel come from one worker, in order.
    batches.sort_by_key(|(sequence, _)| *sequence);
    Collected { batches: batches.into_iter().map(|(_, b)| b).collect(), memory }
}

/// Rows in memory, and what they take of the query's limit.
pub(crate) struct Collected {
    /// In the order of the source.
    pub batches: Vec<Batch>,
    /// Given back when this is dropped.
    pub memory: Vec<Reservation>,
}

impl Collected {
    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(|b| b.rows).sum()
    }
}

/// Runs a pipeline and keeps all its rows.
pub(crate) fn collect(pipeline: &Pipeline, context: &Arc<ExecContext>) -> Result<Collected> {
    let locals = run(pipeline, &Collect { context: context.clone() }, context, context.threads)?;
    let mut batches = vec![];
    let mut memory = vec![];
    for local in locals {
        batches.extend(local.batches);
        memory.push(local.memory);
    }
    Ok(in_order(batches, memory))
}
