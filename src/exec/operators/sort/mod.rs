//! Sorting: all rows, or the first of them.
//!
//! Keys are turned into bytes that compare as the sort order does ([`keys`]). Each worker keeps a run of rows and
//! sorts it when it has seen its last morsel ([`run`]); the runs are then merged by ranges of keys, each range a
//! morsel of the next pipeline ([`merge`]). A top-N keeps only candidates, and rejects rows behind the worst of
//! them as early as it can ([`top_n`]). Runs that do not fit into memory are written away in order, and read side by
//! side ([`external`]). The sort is stable: equal rows stay in the order of the source.

mod external;
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
use crate::exec::memory::Budget;
use crate::exec::pipeline::{Flow, Pipeline, PipelineSink};
use crate::exec::scheduler;
use crate::exec::source::SourceScan;
use crate::exec::spill::{Chunk, Spill};

use keys::KeyEncoder;
use run::Run;

struct Sort {
    keys: Vec<SortKey>,
    encoder: KeyEncoder,
    budget: Arc<Budget>,
    spill: Spill,
    context: Arc<ExecContext>,
}

/// A worker's rows: a run in memory, and those that were written away.
struct Local {
    run: Run,
    written: Vec<Vec<Chunk>>,
}

impl PipelineSink for Sort {
    type Local = Local;

    fn local(&self) -> Local {
        Local { run: Run::new(self.encoder.fits_prefix(), &self.budget), written: vec![] }
    }

    fn push(&self, local: &mut Local, sequence: u64, batch: Batch) -> Result<Flow> {
        let keys = evaluate_keys(&self.keys, &batch, &self.context)?;
        let rows = self.encoder.encode(&keys)?;
        if !local.run.append(sequence, batch, &rows)? {
            local.written.push(local.run.write(&self.spill)?);
        }
        Ok(Flow::More)
    }

    fn seal(&self, local: &mut Local) -> Result<()> {
        if local.written.is_empty() {
            return local.run.seal();
        }
        local.written.push(local.run.write(&self.spill)?);
        Ok(())
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
pub(crate) fn sort(pipeline: &Pipeline, keys: Vec<SortKey>, spill: &Spill) -> Result<Arc<dyn SourceScan>> {
    let context = &spill.context;
    let encoder = KeyEncoder::new(&keys)?;
    let budget = Budget::new(context, 2);
    let sort = Sort { keys, encoder, budget, spill: spill.clone(), context: context.clone() };
    let locals = scheduler::run(pipeline, &sort, context, context.threads)?;
    let (runs, written) = locals.into_iter().map(|l| (l.run, l.written)).unzip();
    finish(runs, written, sort.keys, sort.encoder, 0, None, spill)
}

/// Merges the workers' runs, wherever they are.
fn finish(
    mut runs: Vec<Run>,
    written: Vec<Vec<Vec<Chunk>>>,
    keys: Vec<SortKey>,
    encoder: KeyEncoder,
    offset: usize,
    limit: Option<usize>,
    spill: &Spill,
) -> Result<Arc<dyn SourceScan>> {
    let mut written: Vec<Vec<Chunk>> = written.into_iter().flatten().collect();
    if written.is_empty() {
        return Ok(merge::merge(runs, offset, limit, &spill.context));
    }
    for run in &mut runs {
        written.push(run.write(spill)?);
    }
    external::merge(written, external::Order { keys, encoder }, offset, limit, spill)
}
