//! Pipelines: a source of morsels, the streaming operators behind it, and a sink.
//!
//! A worker takes a morsel, draws its batches one after another and pushes each through the operators into the
//! sink. Operators and sinks have a shared part and a part for each worker, so that nothing is locked on the way.
//! What breaks a pipeline (sort, aggregate, build side of a join) is the sink of one pipeline, and its result the
//! source of the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::profile::NodeMetrics;
use crate::exec::source::{Morsel, SourceScan};

/// The rows of a full batch. Scans and operators aim at it and never exceed it without need.
pub(crate) const BATCH_ROWS: usize = 2048;

/// Whether the rest of the current morsel is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Yes.
    More,
    /// No: whatever else this morsel has, the consumer has enough of it.
    Enough,
}

/// Where an operator pushes its output.
pub(crate) type Next<'a> = dyn FnMut(Batch) -> Result<Flow> + 'a;

/// A streaming operator, shared by all workers.
pub(crate) trait Operator: Send + Sync {
    /// The part for one worker.
    fn local(&self) -> Box<dyn LocalOperator>;
}

/// A worker's part of a streaming operator.
pub(crate) trait LocalOperator: Send {
    /// Takes a batch and pushes what it makes of it, in order.
    fn push(&mut self, batch: Batch, next: &mut Next<'_>) -> Result<Flow>;

    /// Called at the end of each morsel: pushes what was held back.
    fn flush(&mut self, _next: &mut Next<'_>) -> Result<Flow> {
        Ok(Flow::More)
    }
}

/// The end of a pipeline.
pub(crate) trait PipelineSink: Sync {
    /// A worker's part.
    type Local: Send;

    /// A new worker's part.
    fn local(&self) -> Self::Local;

    /// Takes a batch of morsel `sequence`. A worker sees its morsels in ascending order.
    fn push(&self, local: &mut Self::Local, sequence: u64, batch: Batch) -> Result<Flow>;

    /// The morsel is complete. [`Flow::Enough`] if no further morsel shall be begun; those that were are brought to
    /// their ends.
    fn end_morsel(&self, _local: &mut Self::Local, _sequence: u64) -> Result<Flow> {
        Ok(Flow::More)
    }

    /// The worker has seen its last morsel; work that needs no other worker is best done here.
    fn seal(&self, _local: &mut Self::Local) -> Result<()> {
        Ok(())
    }

    /// Another worker failed; whoever blocks inside the sink must return soon.
    fn abort(&self) {}
}

/// A source and the operators behind it.
#[derive(Clone)]
pub(crate) struct Pipeline {
    pub source: Arc<dyn SourceScan>,
    pub operators: Vec<Arc<dyn Operator>>,
}

impl Pipeline {
    /// A pipeline without operators.
    pub fn new(source: Arc<dyn SourceScan>) -> Self {
        Self { source, operators: vec![] }
    }

    /// A worker's parts of all operators.
    pub fn chain(&self) -> Chain {
        Chain { locals: self.operators.iter().map(|o| o.local()).collect() }
    }

    /// The pipeline as a source: a morsel's batches pass the operators as they are drawn.
    pub fn into_source(self) -> Arc<dyn SourceScan> {
        if self.operators.is_empty() { self.source } else { Arc::new(PipelineSource(self)) }
    }
}

/// One worker's operators, first to last.
pub(crate) struct Chain {
    locals: Vec<Box<dyn LocalOperator>>,
}

impl Chain {
    /// These operators.
    pub fn of(locals: Vec<Box<dyn LocalOperator>>) -> Self {
        Self { locals }
    }

    /// Pushes a batch through all operators.
    pub fn push(&mut self, batch: Batch, sink: &mut Next<'_>) -> Result<Flow> {
        push_through(&mut self.locals, batch, sink)
    }

    /// Ends a morsel.
    pub fn flush(&mut self, sink: &mut Next<'_>) -> Result<Flow> {
        for i in 0..self.locals.len() {
            let (head, rest) = self.locals.split_at_mut(i + 1);
            let flow = head[i].flush(&mut |batch| push_through(rest, batch, sink))?;
            if flow == Flow::Enough {
                return Ok(flow);
            }
        }
        Ok(Flow::More)
    }
}

fn push_through(locals: &mut [Box<dyn LocalOperator>], batch: Batch, sink: &mut Next<'_>) -> Result<Flow> {
    match locals.split_first_mut() {
        None => sink(batch),
        Some((first, rest)) => first.push(batch, &mut |batch| push_through(rest, batch, sink)),
    }
}

/// Draws the batches of one morsel through a chain: the pull side of a pipeline.
pub(crate) struct MorselRun {
    batches: Option<Box<dyn Iterator<Item = Result<Batch>> + Send>>,
    chain: Chain,
    ready: std::collections::VecDeque<Batch>,
}

impl MorselRun {
    /// A run of this morsel.
    pub fn new(morsel: Morsel, chain: Chain) -> Self {
        Self { batches: Some(morsel.batches), chain, ready: std::collections::VecDeque::new() }
    }

    /// The chain, for the next morsel.
    pub fn into_chain(self) -> Chain {
        self.chain
    }

    /// The next batch that leaves the chain.
    pub fn next(&mut self) -> Option<Result<Batch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Some(Ok(batch));
            }
            let batches = self.batches.as_mut()?;
            let ready = &mut self.ready;
            let mut sink = |batch: Batch| {
                if batch.rows > 0 {
                    ready.push_back(batch);
                }
                Ok(Flow::More)
            };
            let result = match batches.next() {
                Some(Ok(batch)) => self.chain.push(batch, &mut sink),
                Some(Err(e)) => Err(e),
                None => {
                    let result = self.chain.flush(&mut sink);
                    self.batches = None;
                    result
                }
            };
            match result {
                Ok(Flow::More) => {}
                Ok(Flow::Enough) => self.batches = None,
                Err(e) => {
                    self.batches = None;
                    return Some(Err(e));
                }
            }
        }
    }
}

struct PipelineSource(Pipeline);

impl SourceScan for PipelineSource {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let Some(morsel) = self.0.source.next_morsel()? else { return Ok(None) };
        let sequence = morsel.sequence;
        let mut run = MorselRun::new(morsel, self.0.chain());
        Ok(Some(Morsel { sequence, batches: Box::new(std::iter::from_fn(move || run.next())) }))
    }

    fn morsels_left(&self) -> Option<usize> {
        self.0.source.morsels_left()
    }

    fn progress(&self) -> Option<f64> {
        self.0.source.progress()
    }
}

/// Batches in memory, some to a morsel.
pub(crate) struct BatchesSource {
    morsels: Vec<Mutex<Vec<Batch>>>,
    next: AtomicUsize,
}

impl BatchesSource {
    /// Morsels of these batches.
    pub fn new(morsels: Vec<Vec<Batch>>) -> Self {
        Self { morsels: morsels.into_iter().map(Mutex::new).collect(), next: AtomicUsize::new(0) }
    }

    /// Cuts batches into morsels of about 64 k rows.
    pub fn from_batches(batches: Vec<Batch>) -> Self {
        const MORSEL_ROWS: usize = 1 << 16;
        let mut morsels: Vec<Vec<Batch>> = vec![];
        let mut rows = MORSEL_ROWS;
        for batch in batches {
            if rows >= MORSEL_ROWS {
                morsels.push(vec![]);
                rows = 0;
            }
            rows += batch.rows;
            if let Some(morsel) = morsels.last_mut() {
                morsel.push(batch);
            }
        }
        Self::new(morsels)
    }
}

/// Cuts a batch into batches of at most [`BATCH_ROWS`] rows, without copying.
pub(crate) fn split_batch(batch: Batch) -> impl Iterator<Item = Batch> + Send {
    let mut offset = 0;
    std::iter::from_fn(move || {
        if offset == 0 && batch.rows <= BATCH_ROWS {
            offset = usize::MAX;
            return Some(batch.clone());
        }
        if offset >= batch.rows {
            return None;
        }
        let len = BATCH_ROWS.min(batch.rows - offset);
        let part = batch.slice(offset, len);
        offset += len;
        Some(part)
    })
    .filter(|b| b.rows > 0)
}

impl SourceScan for BatchesSource {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let i = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(slot) = self.morsels.get(i) else { return Ok(None) };
        let batches = std::mem::take(&mut *slot.lock());
        Ok(Some(Morsel {
            sequence: i as u64,
            batches: Box::new(batches.into_iter().flat_map(split_batch).map(Ok)),
        }))
    }

    fn morsels_left(&self) -> Option<usize> {
        Some(self.morsels.len().saturating_sub(self.next.load(Ordering::Relaxed)))
    }
}

/// Morsels made when they are drawn: `make(i)` for `i` in `0..count`.
pub(crate) struct LazySource<F> {
    count: usize,
    next: AtomicUsize,
    make: F,
}

impl<F> LazySource<F>
where
    F: Fn(usize) -> Result<Box<dyn Iterator<Item = Result<Batch>> + Send>> + Send + Sync,
{
    /// A source of `count` morsels.
    pub fn new(count: usize, make: F) -> Self {
        Self { count, next: AtomicUsize::new(0), make }
    }
}

impl<F> SourceScan for LazySource<F>
where
    F: Fn(usize) -> Result<Box<dyn Iterator<Item = Result<Batch>> + Send>> + Send + Sync,
{
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let i = self.next.fetch_add(1, Ordering::Relaxed);
        if i >= self.count {
            return Ok(None);
        }
        Ok(Some(Morsel { sequence: i as u64, batches: (self.make)(i)? }))
    }

    fn morsels_left(&self) -> Option<usize> {
        Some(self.count.saturating_sub(self.next.load(Ordering::Relaxed)))
    }
}

/// Several sources one after another.
pub(crate) struct SequenceSource {
    state: Mutex<SequenceState>,
    idle: Arc<InFlight>,
    /// A source is asked only after all morsels of those before it are done.
    barrier: bool,
}

struct SequenceState {
    sources: std::collections::VecDeque<Arc<dyn SourceScan>>,
    next: u64,
}

/// Counts morsels that were handed out and are not done.
#[derive(Default)]
struct InFlight {
    count: Mutex<usize>,
    zero: Condvar,
}

struct InFlightGuard(Arc<InFlight>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut count = self.0.count.lock();
        *count -= 1;
        if *count == 0 {
            self.0.zero.notify_all();
        }
    }
}

impl SequenceSource {
    /// All rows of the sources, in order.
    pub fn new(sources: Vec<Arc<dyn SourceScan>>) -> Self {
        Self {
            state: Mutex::new(SequenceState { sources: sources.into(), next: 0 }),
            idle: Arc::default(),
            barrier: false,
        }
    }

    /// As [`SequenceSource::new`], but a source is asked for its first morsel only when all morsels of the
    /// sources before it have been drained: what it yields may depend on what they did.
    pub fn with_barrier(sources: Vec<Arc<dyn SourceScan>>) -> Self {
        Self { barrier: true, ..Self::new(sources) }
    }
}

impl SourceScan for SequenceSource {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let mut state = self.state.lock();
        loop {
            let Some(source) = state.sources.front() else { return Ok(None) };
            if let Some(morsel) = source.next_morsel()? {
                let sequence = state.next;
                state.next += 1;
                let mut batches = morsel.batches;
                if self.barrier {
                    *self.idle.count.lock() += 1;
                    let guard = InFlightGuard(self.idle.clone());
                    batches = Box::new(batches.inspect(move |_| {
                        let _held = &guard;
                    }));
                }
                return Ok(Some(Morsel { sequence, batches }));
            }
            if self.barrier {
                // A morsel's guard goes when its worker drops it, also when that worker fails.
                let mut count = self.idle.count.lock();
                while *count > 0 {
                    self.idle.zero.wait(&mut count);
                }
            }
            state.sources.pop_front();
        }
    }

    fn morsels_left(&self) -> Option<usize> {
        let state = self.state.try_lock()?;
        state.sources.iter().map(|s| s.morsels_left()).sum()
    }
}

/// Measures an operator: rows out, and time without what lies behind it.
pub(crate) struct Profiled {
    pub inner: Arc<dyn Operator>,
    pub context: Arc<ExecContext>,
    pub node: usize,
}

struct ProfiledLocal {
    inner: Box<dyn LocalOperator>,
    context: Arc<ExecContext>,
    node: usize,
}

impl Operator for Profiled {
    fn local(&self) -> Box<dyn LocalOperator> {
        Box::new(ProfiledLocal { inner: self.inner.local(), context: self.context.clone(), node: self.node })
    }
}

/// The metrics of a node, if the query is profiled.
pub(crate) fn metrics(context: &ExecContext, node: usize) -> Option<&NodeMetrics> {
    context.profile.get()?.node(node)
}

impl ProfiledLocal {
    fn measure(
        &mut self,
        next: &mut Next<'_>,
        run: impl FnOnce(&mut dyn LocalOperator, &mut Next<'_>) -> Result<Flow>,
    ) -> Result<Flow> {
        let Some(metrics) = metrics(&self.context, self.node) else { return run(&mut *self.inner, next) };
        let start = Instant::now();
        let mut behind = 0;
        let result = run(&mut *self.inner, &mut |batch| {
            metrics.add_output(batch.rows);
            let start = Instant::now();
            let result = next(batch);
            behind += start.elapsed().as_nanos() as u64;
            result
        });
        metrics.add_nanos((start.elapsed().as_nanos() as u64).saturating_sub(behind));
        result
    }
}

impl LocalOperator for ProfiledLocal {
    fn push(&mut self, batch: Batch, next: &mut Next<'_>) -> Result<Flow> {
        self.measure(next, |inner, next| inner.push(batch, next))
    }

    fn flush(&mut self, next: &mut Next<'_>) -> Result<Flow> {
        self.measure(next, |inner, next| inner.flush(next))
    }
}

/// Measures a source.
pub(crate) struct ProfiledSource {
    pub inner: Arc<dyn SourceScan>,
    pub context: Arc<ExecContext>,
    pub node: usize,
}

impl SourceScan for ProfiledSource {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let Some(morsel) = self.inner.next_morsel()? else { return Ok(None) };
        let (context, node) = (self.context.clone(), self.node);
        let mut batches = morsel.batches;
        let measured = std::iter::from_fn(move || {
            let start = Instant::now();
            let item = batches.next();
            if let Some(metrics) = metrics(&context, node) {
                metrics.add_nanos(start.elapsed().as_nanos() as u64);
                if let Some(Ok(batch)) = &item {
                    metrics.add_output(batch.rows);
                }
            }
            item
        });
        Ok(Some(Morsel { sequence: morsel.sequence, batches: Box::new(measured) }))
    }

    fn morsels_left(&self) -> Option<usize> {
        self.inner.morsels_left()
    }

    fn progress(&self) -> Option<f64> {
        self.inner.progress()
    }
}
