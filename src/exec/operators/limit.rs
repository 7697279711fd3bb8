//! A number of rows in the middle of a plan. (A limit at its top is the result stream's.)
//!
//! Workers keep rows by morsel. As soon as the morsels that are complete have rows enough, no further one is
//! begun: morsels are handed out in order, so whatever comes later lies behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::memory::{Reservation, batch_bytes};
use crate::exec::pipeline::{Flow, Pipeline, PipelineSink};
use crate::exec::scheduler::run;

struct Limit {
    /// Rows wanted, skipped ones included.
    wanted: u64,
    /// Rows of complete morsels.
    done: AtomicU64,
    context: Arc<ExecContext>,
}

struct LocalLimit {
    batches: Vec<(u64, Batch)>,
    /// Rows of the current morsel.
    rows: u64,
    memory: Reservation,
}

impl PipelineSink for Limit {
    type Local = LocalLimit;

    fn local(&self) -> LocalLimit {
        LocalLimit { batches: vec![], rows: 0, memory: Reservation::new(&self.context) }
    }

    fn push(&self, local: &mut LocalLimit, sequence: u64, batch: Batch) -> Result<Flow> {
        local.memory.grow(batch_bytes(&batch))?;
        local.rows += batch.rows as u64;
        local.batches.push((sequence, batch));
        Ok(if local.rows >= self.wanted { Flow::Enough } else { Flow::More })
    }

    fn end_morsel(&self, local: &mut LocalLimit, _sequence: u64) -> Result<Flow> {
        let rows = std::mem::take(&mut local.rows);
        let done = self.done.fetch_add(rows, Ordering::Relaxed).saturating_add(rows);
        Ok(if done >= self.wanted { Flow::Enough } else { Flow::More })
    }
}

/// Runs a pipeline for its rows `offset .. offset + limit`.
pub(crate) fn limit(
    pipeline: &Pipeline,
    offset: u64,
    limit: Option<u64>,
    context: &Arc<ExecContext>,
) -> Result<Vec<Batch>> {
    if limit == Some(0) {
        return Ok(vec![]);
    }
    let wanted = limit.map_or(u64::MAX, |limit| limit.saturating_add(offset));
    let sink = Limit { wanted, done: AtomicU64::new(0), context: context.clone() };
    let locals = run(pipeline, &sink, context, context.threads)?;
    let mut batches: Vec<(u64, Batch)> = vec![];
    for local in locals {
        batches.extend(local.batches);
    }
    batches.sort_by_key(|(sequence, _)| *sequence);
    Ok(slice_rows(batches.into_iter().map(|(_, b)| b), offset, limit))
}

/// Rows `offset .. offset + limit` of batches.
pub(crate) fn slice_rows(
    batches: impl Iterator<Item = Batch>,
    offset: u64,
    limit: Option<u64>,
) -> Vec<Batch> {
    let mut skip = offset;
    let mut left = limit.unwrap_or(u64::MAX);
    let mut out = vec![];
    for batch in batches {
        let rows = batch.rows as u64;
        let from = skip.min(rows);
        skip -= from;
        let len = (rows - from).min(left);
        left -= len;
        if len > 0 {
            out.push(if len == rows { batch } else { batch.slice(from as usize, len as usize) });
        }
        if left == 0 {
            break;
        }
    }
    out
}
