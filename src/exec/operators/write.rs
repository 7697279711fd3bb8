//! Rows into a table or file.

use std::sync::Arc;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::pipeline::{Flow, Pipeline, PipelineSink};
use crate::exec::scheduler::run;
use crate::exec::source::Sink;

/// Gives each morsel's rows to a [`Sink`].
struct Write {
    sink: Arc<dyn Sink>,
}

impl PipelineSink for Write {
    type Local = Vec<Batch>;

    fn local(&self) -> Vec<Batch> {
        vec![]
    }

    fn push(&self, local: &mut Vec<Batch>, _sequence: u64, batch: Batch) -> Result<Flow> {
        local.push(batch);
        Ok(Flow::More)
    }

    fn end_morsel(&self, local: &mut Vec<Batch>, sequence: u64) -> Result<Flow> {
        self.sink.push(sequence, std::mem::take(local))?;
        Ok(Flow::More)
    }

    fn abort(&self) {
        self.sink.abort();
    }
}

/// Runs a pipeline into a sink; returns the number of rows written.
pub(crate) fn write(pipeline: &Pipeline, sink: &Arc<dyn Sink>, context: &Arc<ExecContext>) -> Result<u64> {
    let result = run(pipeline, &Write { sink: sink.clone() }, context, context.threads).and_then(|_| {
        context.check_cancelled()?;
        sink.finish()
    });
    if result.is_err() {
        sink.abort();
    }
    result
}
