//! Running a pipeline to its end on as many threads as there is work for.
//!
//! The calling thread is the first worker. Each worker that finds more morsels waiting behind its own starts one
//! more, up to `ExecContext::threads`; so a query over one morsel starts no thread at all, and nothing is left
//! running when the pipeline has ended. Starting a thread costs some 30 µs, a morsel some milliseconds: a pool
//! would save little and would be threads kept by an idle library.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::helpers::{self, Scope};
use crate::exec::pipeline::{Flow, Pipeline, PipelineSink};
use crate::exec::source::SourceScan;

/// Runs `f`; a panic in it becomes an error.
pub(crate) fn guarded<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| Err(ExecError::panicked(&*panic)))
}

/// The first error of a team of workers, and the sign for the others to stop.
#[derive(Default)]
struct Outcome {
    stop: AtomicBool,
    error: Mutex<Option<ExecError>>,
}

impl Outcome {
    fn fail(&self, error: ExecError) {
        self.error.lock().get_or_insert(error);
        self.stop.store(true, Ordering::Release);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn into_result(self) -> Result<()> {
        self.error.into_inner().map_or(Ok(()), Err)
    }
}

/// Whether it is worth starting another worker for this source.
pub(crate) fn wants_helper(source: &dyn SourceScan) -> bool {
    source.morsels_left() != Some(0)
}

struct Team<'a, S: PipelineSink> {
    pipeline: &'a Pipeline,
    sink: &'a S,
    context: &'a ExecContext,
    threads: usize,
    started: AtomicUsize,
    locals: Mutex<Vec<S::Local>>,
    /// No further morsel is begun.
    closed: AtomicBool,
    outcome: Outcome,
}

/// Runs a pipeline into a sink on at most `threads` threads; returns the workers' parts.
pub(crate) fn run<S: PipelineSink>(
    pipeline: &Pipeline,
    sink: &S,
    context: &ExecContext,
    threads: usize,
) -> Result<Vec<S::Local>> {
    let team = Team {
        pipeline,
        sink,
        context,
        threads: threads.max(1),
        started: AtomicUsize::new(1),
        locals: Mutex::default(),
        closed: AtomicBool::new(false),
        outcome: Outcome::default(),
    };
    let start = context.profile.get().map(|_| Instant::now());
    helpers::scope(|scope| team.worker(scope)).map_err(|panic| ExecError::panicked(&*panic))?;
    if let (Some(profile), Some(start)) = (context.profile.get(), start) {
        profile.add_waiting(start);
    }
    team.outcome.into_result()?;
    Ok(team.locals.into_inner())
}

impl<S: PipelineSink> Team<'_, S> {
    fn worker<'env>(&'env self, scope: &Scope<'env>) {
        let start = self.context.profile.get().map(|_| Instant::now());
        if let Err(e) = guarded(|| self.work(scope)) {
            self.outcome.fail(e);
            self.sink.abort();
        }
        if let (Some(profile), Some(start)) = (self.context.profile.get(), start) {
            profile.add_worker(start);
        }
    }

    fn work<'env>(&'env self, scope: &Scope<'env>) -> Result<()> {
        let mut chain = self.pipeline.chain();
        let mut local = self.sink.local();
        while !self.closed.load(Ordering::Relaxed) {
            self.context.check_cancelled()?;
            let Some(morsel) = self.pipeline.source.next_morsel()? else { break };
            self.start_helper(scope);
            let sequence = morsel.sequence;
            let mut flow = Flow::More;
            for batch in morsel.batches {
                if self.outcome.stopped() {
                    return Ok(());
                }
                self.context.check_cancelled()?;
                flow = chain.push(batch?, &mut |batch| self.sink.push(&mut local, sequence, batch))?;
                if flow == Flow::Enough {
                    break;
                }
            }
            chain.flush(&mut |batch| match flow {
                Flow::More => self.sink.push(&mut local, sequence, batch),
                Flow::Enough => Ok(Flow::Enough),
            })?;
            if self.sink.end_morsel(&mut local, sequence)? == Flow::Enough {
                self.closed.store(true, Ordering::Relaxed);
            }
            if self.outcome.stopped() {
                return Ok(());
            }
        }
        self.sink.seal(&mut local)?;
        self.locals.lock().push(local);
        Ok(())
    }

    fn start_helper<'env>(&'env self, scope: &Scope<'env>) {
        if self.started.load(Ordering::Relaxed) >= self.threads
            || !wants_helper(&*self.pipeline.source)
            || self.started.fetch_add(1, Ordering::Relaxed) >= self.threads
        {
            return;
        }
        helpers::start(scope, |scope| self.worker(scope));
    }
}

/// Runs `task(0) .. task(count - 1)` on at most `context.threads` threads; results in order.
pub(crate) fn parallel<T: Send>(
    context: &ExecContext,
    count: usize,
    task: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let outcome = Outcome::default();
    let results: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
    let worker = || {
        let work = || {
            while !outcome.stopped() {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(slot) = results.get(i) else { break };
                context.check_cancelled()?;
                let result = task(i)?;
                *slot.lock() = Some(result);
            }
            Ok(())
        };
        if let Err(e) = guarded(work) {
            outcome.fail(e);
        }
    };
    if context.threads == 1 || count <= 1 {
        worker();
    } else {
        let worker = &worker;
        helpers::scope(|scope| {
            (1..context.threads.min(count)).for_each(|_| helpers::start(scope, |_| worker()));
            worker();
        })
        .map_err(|panic| ExecError::panicked(&*panic))?;
    }
    outcome.into_result()?;
    results
        .into_iter()
        .map(|slot| slot.into_inner().ok_or_else(|| ExecError::Internal("a task was not run".into())))
        .collect()
}
