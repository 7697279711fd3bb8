//! The first rows of an order.
//!
//! A worker keeps candidates. When it has several times as many as are wanted it sorts them and drops the rest; the
//! worst that is left is a bound that further rows must beat. Workers share the best bound, and a scan that can
//! use it (the first key is one of its columns) skips what lies behind it.

use std::sync::Arc;

use arrow_array::BooleanArray;
use parking_lot::RwLock;

use super::keys::KeyEncoder;
use super::run::Run;
use super::{evaluate_keys, finish};
use crate::column::predicate::{CompareOp, Predicate};
use crate::column::scalar::Scalar;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::expr::SortKey;
use crate::exec::memory::Budget;
use crate::exec::operators::filter::filter_batch;
use crate::exec::pipeline::{Flow, Pipeline, PipelineSink};
use crate::exec::scheduler;
use crate::exec::source::SourceScan;
use crate::exec::spill::{Chunk, Spill};

/// Candidates are cut back when there are this many more than wanted.
const SLACK_ROWS: usize = 4096;

/// A condition that rows must satisfy to matter, known and tightened while the query runs.
#[derive(Debug)]
pub(crate) struct RunningBound {
    predicate: RwLock<Option<Predicate>>,
    descending: bool,
    by_blocks: bool,
}

impl RunningBound {
    /// Nothing is known yet; the greatest values come first if `descending`, else the least.
    pub fn new(descending: bool) -> Self {
        Self { predicate: RwLock::default(), descending, by_blocks: false }
    }

    /// The same for somebody to whom the order of the rows of a row group is of no account.
    pub fn in_blocks(descending: bool) -> Self {
        Self { by_blocks: true, ..Self::new(descending) }
    }

    /// Whether the blocks of a row group may come in any order.
    pub fn goes_by_blocks(&self) -> bool {
        self.by_blocks
    }

    /// The condition as of now.
    pub fn get(&self) -> Option<Predicate> {
        self.predicate.read().clone()
    }

    /// Whether the greatest values come first.
    pub fn is_descending(&self) -> bool {
        self.descending
    }

    /// Tightens it.
    pub fn set(&self, predicate: Predicate) {
        *self.predicate.write() = Some(predicate);
    }
}

struct TopN {
    keys: Vec<SortKey>,
    encoder: KeyEncoder,
    /// Rows wanted, skipped ones included.
    wanted: usize,
    /// The best bound of all workers: rows behind it are not wanted, rows equal to it may be.
    shared: RwLock<Option<Arc<[u8]>>>,
    bound: Option<Arc<RunningBound>>,
    budget: Arc<Budget>,
    spill: Spill,
    context: Arc<ExecContext>,
}

struct Candidates {
    run: Run,
    /// Candidates that memory did not hold: sorted, in parts.
    written: Vec<Vec<Chunk>>,
    /// Rows must not lie behind it. Equal ones come too late where morsels come in the order of the source.
    own: Option<Vec<u8>>,
}

impl PipelineSink for TopN {
    type Local = Candidates;

    fn local(&self) -> Candidates {
        // Whole keys are needed as bounds, so none is held by its prefix alone.
        Candidates { run: Run::new(false, &self.budget), written: vec![], own: None }
    }

    fn push(&self, local: &mut Candidates, sequence: u64, batch: Batch) -> Result<Flow> {
        let keys = evaluate_keys(&self.keys, &batch, &self.context)?;
        let mut rows = self.encoder.encode(&keys)?;
        let shared = self.shared.read().clone();
        let mut batch = batch;
        if local.own.is_some() || shared.is_some() {
            let own = local.own.as_deref();
            // A scan that knows the bound hands out first what is likely to satisfy it.
            let in_order = self.bound.is_none();
            let before = |key: &[u8], own: &[u8]| if in_order { key < own } else { key <= own };
            let mask: BooleanArray = rows
                .iter()
                .map(|key| {
                    let key = key.as_ref();
                    Some(own.is_none_or(|own| before(key, own)) && shared.as_deref().is_none_or(|b| key <= b))
                })
                .collect();
            let kept = mask.true_count();
            if kept == 0 {
                return Ok(Flow::More);
            }
            if kept < batch.rows {
                let keys = filter_batch(Batch::new(keys, batch.rows), &mask)?.columns;
                batch = filter_batch(batch, &mask)?;
                rows = self.encoder.encode(&keys)?;
            }
        }
        if !local.run.append(sequence, batch, &rows)? {
            if local.run.len() > self.wanted {
                self.cut_back(local)?;
            }
            local.written.push(local.run.write(&self.spill)?);
            return Ok(Flow::More);
        }
        if local.run.len() >= self.wanted.saturating_add(SLACK_ROWS.max(self.wanted)) {
            self.cut_back(local)?;
        }
        Ok(Flow::More)
    }

    /// A bound that is known early saves the scan much of what is left.
    fn end_morsel(&self, local: &mut Candidates, _: u64) -> Result<Flow> {
        let more = local.run.len() > self.wanted || local.own.is_none() && local.run.len() == self.wanted;
        if self.bound.is_some() && self.wanted > 0 && more {
            self.cut_back(local)?;
        }
        Ok(Flow::More)
    }

    fn seal(&self, local: &mut Candidates) -> Result<()> {
        local.run.truncate(self.wanted).map(|_| ())
    }
}

impl TopN {
    fn cut_back(&self, local: &mut Candidates) -> Result<()> {
        let Some(worst) = local.run.truncate(self.wanted)? else { return Ok(()) };
        let key = local.run.key(worst.row);
        local.own = Some(key.to_vec());
        let mut shared = self.shared.write();
        if shared.as_deref().is_some_and(|b| b <= key) {
            return Ok(());
        }
        *shared = Some(key.into());
        // Under the lock, so that the bound never gets looser.
        if let (Some(bound), Some(batch)) = (&self.bound, local.run.batch()) {
            let row = batch.slice(worst.row as usize, 1);
            let first = &self.keys[0];
            let value = evaluate_keys(&self.keys[..1], &row, &self.context)?;
            let value = Scalar::from_array(&value[0], 0, &first.expr.ty());
            // NULLs are never pruned by a comparison's statistics only if they come last; the caller sees to it.
            if !value.is_null() {
                let op = if first.descending { CompareOp::GtEq } else { CompareOp::LtEq };
                bound.set(Predicate { op, value });
            }
        }
        Ok(())
    }
}

/// Runs a pipeline for rows `offset .. offset + limit` of the order. `bound` is told what rows must satisfy as soon
/// as that is known; it is only for a first key whose NULLs come last.
pub(crate) fn top_n(
    pipeline: &Pipeline,
    keys: Vec<SortKey>,
    limit: u64,
    offset: u64,
    bound: Option<Arc<RunningBound>>,
    spill: &Spill,
) -> Result<Arc<dyn SourceScan>> {
    let context = &spill.context;
    let encoder = KeyEncoder::new(&keys)?;
    let wanted = usize::try_from(limit.saturating_add(offset)).unwrap_or(usize::MAX);
    let sink = TopN {
        keys,
        encoder,
        wanted,
        shared: RwLock::default(),
        bound,
        budget: Budget::new(context, 2),
        spill: spill.clone(),
        context: context.clone(),
    };
    let locals = scheduler::run(pipeline, &sink, context, context.threads)?;
    let (runs, written) = locals.into_iter().map(|l| (l.run, l.written)).unzip();
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    finish(runs, written, sink.keys, sink.encoder, offset, Some(limit), spill)
}
