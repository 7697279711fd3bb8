//! The result of a query, batch by batch, in the order of the source.
//!
//! The consumer's thread drains the first morsel itself, so that a small query starts no thread and its first
//! rows wait for nobody. If more morsels are waiting, workers drain them into a queue that restores their order.
//! The queue is bounded: a worker ahead of the consumer blocks when too much is buffered. The worker on the
//! *first* unfinished morsel blocks only on its own share, which the consumer is about to take; sequences are
//! handed out in ascending order, so that morsel always has a worker, and somebody can always go on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::exec::batch::{Batch, Schema};
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::pipeline::{Flow, MorselRun, Pipeline};
use crate::exec::scheduler::{guarded, wants_helper};

/// Batches that all workers together may have waiting, for each worker.
const QUEUED_PER_WORKER: usize = 64;

/// Makes the last pipeline of a query, running all those before it.
type Prepare = Box<dyn FnOnce() -> Result<Output> + Send>;

/// What is left to do once all breakers have run.
pub(crate) struct Output {
    pub pipeline: Pipeline,
    pub offset: u64,
    pub limit: Option<u64>,
}

/// The rows of a running query. Nothing runs before the first call of `next`; dropping it stops all workers
/// and waits for them. After an error it is at its end.
pub struct QueryStream {
    schema: Schema,
    context: Arc<ExecContext>,
    state: State,
    skip: u64,
    remaining: Option<u64>,
}

enum State {
    Prepared(Option<Prepare>),
    Local { pipeline: Pipeline, run: Option<MorselRun>, team: Option<Team> },
    Queued(Team),
    Done,
}

impl std::fmt::Debug for QueryStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl QueryStream {
    pub(crate) fn new(schema: Schema, context: Arc<ExecContext>, prepare: Prepare) -> Self {
        Self { schema, context, state: State::Prepared(Some(prepare)), skip: 0, remaining: None }
    }

    /// The columns of the batches.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What the query shares with its consumer: counters, memory, cancellation.
    pub fn context(&self) -> &Arc<ExecContext> {
        &self.context
    }

    fn step(&mut self) -> Result<Option<Batch>> {
        loop {
            self.context.check_cancelled()?;
            match &mut self.state {
                State::Done => return Ok(None),
                State::Prepared(prepare) => {
                    let Some(prepare) = prepare.take() else { return Ok(None) };
                    let output = guarded(prepare)?;
                    self.skip = output.offset;
                    self.remaining = output.limit;
                    if self.remaining == Some(0) {
                        return Ok(None);
                    }
                    self.state = self.start(output.pipeline)?;
                }
                State::Local { pipeline, run, team } => {
                    if let Some(active) = run {
                        if let Some(batch) = guarded(|| active.next().transpose())? {
                            return Ok(Some(batch));
                        }
                        let chain = run.take().map(MorselRun::into_chain);
                        if let Some(mut team) = team.take() {
                            team.add_worker();
                            self.state = State::Queued(team);
                        } else if self.context.threads > 1 && wants_helper(&*pipeline.source) {
                            let team = Team::start(pipeline.clone(), &self.context, 1, self.context.threads);
                            self.state = State::Queued(team);
                        } else {
                            let chain = chain.unwrap_or_else(|| pipeline.chain());
                            *run = guarded(|| pipeline.source.next_morsel())?
                                .map(|morsel| MorselRun::new(morsel, chain));
                        }
                    } else {
                        return Ok(None);
                    }
                }
                State::Queued(team) => return team.next(),
            }
        }
    }

    fn start(&self, pipeline: Pipeline) -> Result<State> {
        let Some(morsel) = guarded(|| pipeline.source.next_morsel())? else { return Ok(State::Done) };
        let run = MorselRun::new(morsel, pipeline.chain());
        // A few rows are soon found; whether they are is known after the first morsel.
        let soon_done = self.remaining.is_some_and(|n| n < 10_000);
        let team = (self.context.threads > 1 && !soon_done && wants_helper(&*pipeline.source))
            .then(|| Team::start(pipeline.clone(), &self.context, 1, self.context.threads - 1));
        Ok(State::Local { pipeline, run: Some(run), team })
    }
}

impl Iterator for QueryStream {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let step = self.step();
            let step = self.context.check_losses().and(step);
            let batch = match step {
                Ok(Some(batch)) => batch,
                Ok(None) => {
                    self.state = State::Done;
                    return None;
                }
                Err(e) => {
                    self.state = State::Done;
                    return Some(Err(e));
                }
            };
            let rows = batch.rows as u64;
            if self.skip >= rows {
                self.skip -= rows;
                continue;
            }
            let offset = std::mem::take(&mut self.skip);
            let len = (rows - offset).min(self.remaining.unwrap_or(u64::MAX));
            if let Some(remaining) = &mut self.remaining {
                *remaining -= len;
                if *remaining == 0 {
                    self.state = State::Done;
                }
            }
            let whole = len == rows;
            return Some(Ok(if whole { batch } else { batch.slice(offset as usize, len as usize) }));
        }
    }
}

/// Workers and the queue between them and the consumer.
struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    pipeline: Pipeline,
    context: Arc<ExecContext>,
    capacity: usize,
    queue: Mutex<Queue>,
    /// For the consumer: the head has rows, or is done, or somebody failed.
    filled: Condvar,
    /// For workers: there is room, or the head has moved on.
    drained: Condvar,
}

struct Queue {
    slots: BTreeMap<u64, Slot>,
    /// The morsel that the consumer takes rows of.
    head: u64,
    queued: usize,
    working: usize,
    stop: bool,
    error: Option<ExecError>,
}

#[derive(Default)]
struct Slot {
    batches: VecDeque<Batch>,
    done: bool,
}

impl Team {
    fn start(pipeline: Pipeline, context: &Arc<ExecContext>, head: u64, workers: usize) -> Self {
        let workers = workers.min(pipeline.source.morsels_left().unwrap_or(usize::MAX)).max(1);
        let shared = Arc::new(Shared {
            pipeline,
            context: context.clone(),
            capacity: QUEUED_PER_WORKER * context.threads,
            queue: Mutex::new(Queue {
                slots: BTreeMap::new(),
                head,
                queued: 0,
                working: 0,
                stop: false,
                error: None,
            }),
            filled: Condvar::new(),
            drained: Condvar::new(),
        });
        let mut team = Self { shared, workers: vec![] };
        for _ in 0..workers {
            team.add_worker();
        }
        team
    }

    fn add_worker(&mut self) {
        if !self.workers.is_empty() && !wants_helper(&*self.shared.pipeline.source) {
            return;
        }
        let shared = self.shared.clone();
        shared.queue.lock().working += 1;
        let spawned = std::thread::Builder::new().name("fluxdb-worker".into()).spawn(move || shared.work());
        match spawned {
            Ok(handle) => self.workers.push(handle),
            Err(e) => {
                let mut queue = self.shared.queue.lock();
                queue.working -= 1;
                if self.workers.is_empty() {
                    queue.error = Some(ExecError::Internal(format!("could not start a thread: {e}")));
                }
            }
        }
    }

    /// The next batch in order.
    fn next(&mut self) -> Result<Option<Batch>> {
        let shared = &self.shared;
        let mut queue = shared.queue.lock();
        loop {
            if let Some(error) = queue.error.take() {
                return Err(error);
            }
            let head = queue.head;
            if let Some(slot) = queue.slots.get_mut(&head) {
                if let Some(batch) = slot.batches.pop_front() {
                    queue.queued -= 1;
                    shared.drained.notify_all();
                    return Ok(Some(batch));
                }
                if slot.done {
                    queue.slots.remove(&head);
                    queue.head += 1;
                    shared.drained.notify_all();
                    continue;
                }
            } else if queue.working == 0 {
                let Some((&first, _)) = queue.slots.first_key_value() else { return Ok(None) };
                queue.head = first;
                continue;
            }
            shared.context.check_cancelled()?;
            // The timeout lets a cancelled query end even while all workers are inside a slow source.
            shared.filled.wait_for(&mut queue, std::time::Duration::from_millis(50));
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.queue.lock().stop = true;
        self.shared.drained.notify_all();
        for worker in self.workers.drain(..) {
            // Panics are caught inside and have become errors.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn work(&self) {
        let result = guarded(|| self.drain_morsels());
        let mut queue = self.queue.lock();
        queue.working -= 1;
        if let Err(e) = result {
            queue.error.get_or_insert(e);
            queue.stop = true;
            self.drained.notify_all();
        }
        self.filled.notify_all();
    }

    fn drain_morsels(&self) -> Result<()> {
        let mut chain = self.pipeline.chain();
        loop {
            self.context.check_cancelled()?;
            if self.queue.lock().stop {
                return Ok(());
            }
            let Some(morsel) = self.pipeline.source.next_morsel()? else { return Ok(()) };
            let sequence = morsel.sequence;
            let mut sink = |batch| self.push(sequence, batch);
            let mut flow = Flow::More;
            for batch in morsel.batches {
                self.context.check_cancelled()?;
                flow = chain.push(batch?, &mut sink)?;
                if flow == Flow::Enough {
                    break;
                }
            }
            if flow == Flow::More {
                flow = chain.flush(&mut sink)?;
            }
            if flow == Flow::Enough {
                return Ok(());
            }
            let mut queue = self.queue.lock();
            queue.slots.entry(sequence).or_default().done = true;
            if sequence == queue.head {
                self.filled.notify_all();
            }
        }
    }

    /// Queues a batch, waiting for room; `Enough` when the consumer has gone.
    fn push(&self, sequence: u64, batch: Batch) -> Result<Flow> {
        if batch.rows == 0 {
            return Ok(Flow::More);
        }
        let mut queue = self.queue.lock();
        loop {
            if queue.stop {
                return Ok(Flow::Enough);
            }
            let is_head = sequence == queue.head;
            let own = queue.slots.get(&sequence).map_or(0, |s| s.batches.len());
            if queue.queued < self.capacity || (is_head && own < QUEUED_PER_WORKER) {
                queue.slots.entry(sequence).or_default().batches.push_back(batch);
                queue.queued += 1;
                if is_head {
                    self.filled.notify_one();
                }
                return Ok(Flow::More);
            }
            self.context.check_cancelled()?;
            self.drained.wait_for(&mut queue, std::time::Duration::from_millis(50));
        }
    }
}
