//! All rows of a pipeline in memory, in order.

use std::sync::Arc;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::memory::{Reservation, batch_bytes};
use crate::exec::pipeline::{Flow, Pipeline, PipelineSink};
use crate::exec::scheduler::run;

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
    // Stable: the batches of one morsel come from one worker, in order.
    batches.sort_by_key(|(sequence, _)| *sequence);
    Ok(Collected { batches: batches.into_iter().map(|(_, b)| b).collect(), memory })
}
