//! Window functions.
//!
//! Rows are collected, those of a partition together: while there are few in one bin, else in bins by the hashes of
//! the partitions' keys ([`collect`]). A bin is a morsel of the next pipeline: when it is drawn its rows are put in
//! order ([`group`]), the calls prepare what helps them to answer for any row, and rows and answers leave in
//! batches. A bin with a large share of all rows is prepared by all workers together, and then cut into morsels. What
//! memory does not hold goes to bins in the temporary file; a partition must fit.
//!
//! Calls find their frames with [`frame`]. Numbers of rows need no more than that ([`rank`]), values are picked by
//! position ([`value`]; [`ordered`] where the frame has an order of its own), aggregates combine states of runs of rows ([`aggregate`]).

mod aggregate;
mod collect;
mod fill;
mod first;
mod frame;
mod group;
mod layout;
mod order;
mod ordered;
mod rank;
mod tree;
mod value;
mod wavelet;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::expr::{Expr, SortKey};
use crate::exec::memory::{Budget, Reservation};
use crate::exec::pipeline::{BATCH_ROWS, LazySource, Pipeline, SequenceSource, split_batch};
use crate::exec::scheduler;
use crate::exec::source::SourceScan;
use crate::exec::spill::Spill;
use crate::exec::window::{WindowCall, WindowFunction};

use collect::{Bin, Collect};
use group::Group;
use layout::{Call, Layout};

/// Rows for which calls are evaluated at a time.
const CHUNK_ROWS: usize = 8 * BATCH_ROWS;
/// A bin with more rows is prepared by all workers together.
const LARGE_ROWS: usize = 1 << 18;

/// The functions of one operator: all over the same partitions in the same order.
pub(crate) struct Windows {
    /// Keys of the partitions.
    pub partition_by: Vec<Expr>,
    /// The order of the rows of a partition.
    pub order_by: Vec<SortKey>,
    /// The calls.
    pub calls: Vec<WindowCall>,
    /// How many rows of a partition are asked for, if not all; see [`PlanNode::Window`](crate::exec::plan::PlanNode).
    pub first: Option<u64>,
}

/// What a call has prepared to answer for any row of a group.
trait Evaluate: Send + Sync {
    /// The values for some rows, which are in order.
    fn evaluate(&self, call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef>;

    /// Bytes held.
    fn size(&self) -> usize {
        0
    }
}

/// Lets a call prepare itself.
fn prepare(call: &Call, group: &Group, threads: &Threads<'_>) -> Result<Box<dyn Evaluate>> {
    use WindowFunction as F;
    let ordered = !call.order_by.is_empty();
    match &call.function {
        F::Lag | F::Lead | F::First | F::Last | F::Nth if ordered => {
            Ok(Box::new(ordered::OrderedValues::new(call, group, threads)?))
        }
        F::RowNumber | F::Rank | F::PercentRank | F::CumeDist | F::Ntile if ordered => {
            Ok(Box::new(ordered::OrderedRanks::new(call, group, threads)?))
        }
        F::RowNumber | F::Rank | F::DenseRank | F::PercentRank | F::CumeDist | F::Ntile => {
            Ok(Box::new(rank::Rank))
        }
        F::Lag | F::Lead => Ok(Box::new(value::Shift::new(call, group)?)),
        F::First | F::Last | F::Nth => Ok(Box::new(value::Pick::new(call, group)?)),
        F::Fill => Ok(Box::new(fill::Fill::new(call, group, threads)?)),
        F::Aggregate(function) => aggregate::prepare(function, call, group, threads),
    }
}

/// The workers that may share a task.
struct Threads<'c> {
    context: &'c Arc<ExecContext>,
    /// The task is theirs together; else it is one of many, and its worker's alone.
    shared: bool,
}

impl Threads<'_> {
    /// Runs `task(0) .. task(count - 1)`; results in order.
    fn run<T: Send>(&self, count: usize, task: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
        if self.shared {
            return scheduler::parallel(self.context, count, task);
        }
        (0..count)
            .map(|i| {
                self.context.check_cancelled()?;
                task(i)
            })
            .collect()
    }

    /// How many work together.
    fn count(&self) -> usize {
        if self.shared { self.context.threads } else { 1 }
    }
}

/// A group and what its calls have prepared.
struct Prepared {
    layout: Arc<Layout>,
    group: Group,
    calls: Vec<Box<dyn Evaluate>>,
    context: Arc<ExecContext>,
    _memory: Reservation,
}

impl Prepared {
    fn new(layout: &Arc<Layout>, bin: Bin, threads: &Threads<'_>) -> Result<Self> {
        let group = Group::new(layout, bin, threads)?;
        let mut memory = Reservation::new(threads.context);
        let mut calls = Vec::with_capacity(layout.calls.len());
        for call in &layout.calls {
            let prepared = prepare(call, &group, threads)?;
            memory.grow(prepared.size())?;
            calls.push(prepared);
        }
        let context = threads.context.clone();
        Ok(Self { layout: layout.clone(), group, calls, context, _memory: memory })
    }

    /// The output for some rows.
    fn chunk(&self, rows: Range<usize>) -> Result<Batch> {
        self.context.check_cancelled()?;
        let mut columns = Vec::with_capacity(self.layout.output.len() + self.calls.len());
        for (kept, ty) in &self.layout.output {
            columns.push(match kept {
                Some(column) => self.group.in_order(*column, rows.clone())?,
                None => nothing(ty, rows.len()),
            });
        }
        for (prepared, call) in self.calls.iter().zip(&self.layout.calls) {
            columns.push(prepared.evaluate(call, &self.group, rows.clone())?);
        }
        Ok(Batch::new(columns, rows.len()))
    }
}

/// A column that nobody reads.
fn nothing(ty: &LogicalType, rows: usize) -> ArrayRef {
    arrow_array::new_null_array(&ty.arrow(), rows)
}

type Batches = Box<dyn Iterator<Item = Result<Batch>> + Send>;

/// The output for a range of rows, in batches.
fn output(prepared: Arc<Prepared>, rows: Range<usize>) -> Batches {
    let starts = rows.clone().step_by(CHUNK_ROWS);
    Box::new(starts.flat_map(move |start| {
        let chunk = prepared.chunk(start..rows.end.min(start + CHUNK_ROWS));
        let (batch, error) = match chunk {
            Ok(batch) => (Some(batch), None),
            Err(e) => (None, Some(Err(e))),
        };
        batch.into_iter().flat_map(split_batch).map(Ok).chain(error)
    }))
}

/// Runs a pipeline and yields its rows with a further column for each call. Of the input's columns, `types`, only
/// those `wanted` come out.
pub(crate) fn window(
    pipeline: &Pipeline,
    windows: Windows,
    types: &[LogicalType],
    wanted: &[bool],
    spill: &Spill,
) -> Result<Arc<dyn SourceScan>> {
    let context = &spill.context;
    let layout = Arc::new(Layout::new(windows, types, wanted)?);
    // Each partition is put in one piece and in order, with what its calls prepare.
    let sink = Collect { layout: &layout, context, budget: Budget::new(context, 3), spill };
    let locals = scheduler::run(pipeline, &sink, context, context.threads)?;
    let bins = collect::finish(&sink, locals)?;
    let total: usize = bins.iter().map(Bin::rows).sum();
    let is_large = |bin: &Bin| {
        context.threads > 1 && bin.rows() > LARGE_ROWS && bin.rows() > total / (4 * context.threads)
    };
    let (large, small): (Vec<Bin>, Vec<Bin>) = bins.into_iter().partition(is_large);
    let mut sources: Vec<Arc<dyn SourceScan>> = vec![];
    for bin in large {
        let prepared = Arc::new(Prepared::new(&layout, bin, &Threads { context, shared: true })?);
        let rows = prepared.group.rows();
        sources.push(Arc::new(LazySource::new(rows.div_ceil(CHUNK_ROWS), move |i| {
            let start = i * CHUNK_ROWS;
            Ok(output(prepared.clone(), start..rows.min(start + CHUNK_ROWS)))
        })));
    }
    if !small.is_empty() {
        let small: Vec<_> = small.into_iter().map(|bin| parking_lot::Mutex::new(Some(bin))).collect();
        let context = context.clone();
        sources.push(Arc::new(LazySource::new(small.len(), move |i| {
            let Some(bin) = small[i].lock().take() else {
                return Ok(Box::new(std::iter::empty()) as Batches);
            };
            let threads = Threads { context: &context, shared: false };
            let prepared = Arc::new(Prepared::new(&layout, bin.load()?, &threads)?);
            let rows = prepared.group.rows();
            Ok(output(prepared, 0..rows))
        })));
    }
    Ok(match <[_; 1]>::try_from(sources) {
        Ok([only]) => only,
        Err(sources) => Arc::new(SequenceSource::new(sources)),
    })
}
