//! Rows into a table or file.

use std::sync::Arc;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::memory::{Account, Budget, batch_bytes};
use crate::exec::pipeline::{Flow, Pipeline, PipelineSink};
use crate::exec::scheduler::run;
use crate::exec::source::Sink;

/// Rows of a morsel that are not counted: those that a source makes, which counts what it holds itself.
const FREE_BYTES: usize = 8 << 20;

/// Gives each morsel's rows to a [`Sink`].
struct Write {
    sink: Arc<dyn Sink>,
    budget: Arc<Budget>,
}

/// The rows of a worker's morsel: a join can make many of few.
struct Rows {
    batches: Vec<Batch>,
    bytes: usize,
    memory: Account,
}

impl PipelineSink for Write {
    type Local = Rows;

    fn local(&self) -> Rows {
        Rows { batches: vec![], bytes: 0, memory: Account::new(&self.budget) }
    }

    fn push(&self, local: &mut Rows, _sequence: u64, batch: Batch) -> Result<Flow> {
        local.bytes += batch_bytes(&batch);
        local.memory.settle(local.bytes.saturating_sub(FREE_BYTES))?;
        local.batches.push(batch);
        Ok(Flow::More)
    }

    fn end_morsel(&self, local: &mut Rows, sequence: u64) -> Result<Flow> {
        self.sink.push(sequence, std::mem::take(&mut local.batches))?;
        local.bytes = 0;
        local.memory.force(0);
        Ok(Flow::More)
    }

    fn abort(&self) {
        self.sink.abort();
    }
}

/// Runs a pipeline into a sink; returns the number of rows written.
pub(crate) fn write(pipeline: &Pipeline, sink: &Arc<dyn Sink>, context: &Arc<ExecContext>) -> Result<u64> {
    let write = Write { sink: sink.clone(), budget: Budget::new(context, 1) };
    let result = run(pipeline, &write, context, context.threads).and_then(|_| {
        context.check_cancelled()?;
        sink.finish()
    });
    if result.is_err() {
        sink.abort();
    }
    result
}
