//! Sorting: all rows, or the first of them.
//!
//! Keys are turned into bytes that compare as the sort order does ([`keys`]). Each worker keeps a run of rows and
//! sorts it when it has seen its last morsel ([`run`]); the runs are then merged by ranges of keys, each range a
//! morsel of the next pipeline ([`merge`]). A top-N keeps only candidates, and rejects rows behind the worst of
//! them as early as it can ([`top_n`]). The sort is stable: equal rows stay in the order of the source.

pub(crate) mod keys;
mod merge;
pub(crate) mod parallel;
mod run;
#[cfg(test)]
mod tests;
pub(crate) mod top_n;

use std::sync::Arc;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::expr::SortKey;
use crate::exec::pipeline::{Flow, Pipeline, PipelineSink};
use crate::exec::scheduler;
use crate::exec::source::SourceScan;

use keys::KeyEncoder;
use run::Run;

struct Sort {
    keys: Vec<SortKey>,
    encoder: KeyEncoder,
    context: Arc<ExecContext>,
}

impl PipelineSink for Sort {
    type Local = Run;

    fn local(&self) -> Run {
        Run::new(self.encoder.fits_prefix(), &self.context)
    }

    fn push(&self, local: &mut Run, sequence: u64, batch: Batch) -> Result<Flow> {
        let keys = evaluate_keys(&self.keys, &batch, &self.context)?;
        let rows = self.encoder.encode(&keys)?;
        local.append(sequence, batch, &rows)?;
        Ok(Flow::More)
    }

    fn seal(&self, local: &mut Run) -> Result<()> {
        local.seal()
    }
}

fn evaluate_keys(
    keys: &[SortKey],
    batch: &Batch,
    context: &ExecContext,
) -> Result<Vec<arrow_array::ArrayRef>> {
    keys.iter().map(|k| evaluate(&k.expr, batch, context)).collect()
}

/// Runs a pipeline and yields its rows in order.
pub(crate) fn sort(
    pipeline: &Pipeline,
    keys: Vec<SortKey>,
    context: &Arc<ExecContext>,
) -> Result<Arc<dyn SourceScan>> {
    let encoder = KeyEncoder::new(&keys)?;
    let sort = Sort { keys, encoder, context: context.clone() };
    let runs = scheduler::run(pipeline, &sort, context, context.threads)?;
    Ok(merge::merge(runs, 0, None, context))
}
