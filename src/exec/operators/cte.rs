//! Common table expressions: rows that are computed once and scanned many times, and recursive ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBuffer;
use parking_lot::Mutex;

use super::collect::Collected;
use super::filter::filter_batch;
use super::groups::{GroupTable, group_table};
use super::keyed_rows::{KeyedRows, Keying};
use super::stored::StoredRows;
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::memory::Reservation;
use crate::exec::pipeline::split_batch;
use crate::exec::plan::Recursion;
use crate::exec::source::{Morsel, SourceScan};

/// Rows of one morsel.
const MORSEL_ROWS: usize = 1 << 16;

/// A scan of some columns of stored rows.
pub(crate) struct MaterialisedScan {
    rows: Arc<StoredRows>,
    /// Runs of parts, a morsel each.
    morsels: Vec<std::ops::Range<usize>>,
    columns: Arc<[usize]>,
    next: AtomicUsize,
}

impl MaterialisedScan {
    /// A scan of these columns.
    pub fn new(rows: Arc<StoredRows>, columns: Vec<usize>) -> Self {
        let mut morsels = vec![];
        let (mut start, mut end, mut count) = (0, 0, 0);
        for rows in rows.lengths() {
            count += rows;
            end += 1;
            if count >= MORSEL_ROWS {
                morsels.push(start..end);
                (start, count) = (end, 0);
            }
        }
        if start < end {
            morsels.push(start..end);
        }
        Self { rows, morsels, columns: columns.into(), next: AtomicUsize::new(0) }
    }
}

impl SourceScan for MaterialisedScan {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let i = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(range) = self.morsels.get(i).cloned() else { return Ok(None) };
        let (rows, columns) = (self.rows.clone(), self.columns.clone());
        let batches = range.flat_map(move |part| {
            let chosen = rows.part(part).map(|batch| {
                let columns = columns.iter().map(|&c| batch.columns[c].clone()).collect();
                Batch::new(columns, batch.rows)
            });
            let (batch, error) = match chosen {
                Ok(batch) => (Some(batch), None),
                Err(error) => (None, Some(Err(error))),
            };
            batch.into_iter().flat_map(split_batch).map(Ok).chain(error)
        });
        Ok(Some(Morsel { sequence: i as u64, batches: Box::new(batches) }))
    }

    fn morsels_left(&self) -> Option<usize> {
        Some(self.morsels.len().saturating_sub(self.next.load(Ordering::Relaxed)))
    }
}

/// Computes the rows that a step makes: of those of the step before, and of all rows so far.
pub(crate) type StepFn = Box<dyn Fn(Collected, Option<Collected>) -> Result<Collected> + Send + Sync>;

/// The rows of a recursive common table expression, a step whenever more are wanted.
pub(crate) struct RecursiveScan {
    state: Mutex<State>,
    step: StepFn,
    context: Arc<ExecContext>,
}

struct State {
    /// What the next step starts from; none before the first.
    working: Option<Collected>,
    kept: Kept,
    ready: VecDeque<Batch>,
    sequence: u64,
    done: bool,
}

/// What is kept of the rows so far.
enum Kept {
    All,
    Distinct { table: Box<dyn GroupTable>, memory: Reservation },
    Keyed(Box<KeyedRows>),
}

impl RecursiveScan {
    /// Starts from the rows of `anchor`. `wants_all`: the step looks at all rows so far.
    pub fn new(
        anchor: Collected,
        types: &[LogicalType],
        kind: &Recursion,
        wants_all: bool,
        step: StepFn,
        context: &Arc<ExecContext>,
    ) -> Result<Self> {
        let kept = match kind {
            Recursion::All => Kept::All,
            Recursion::Distinct => {
                Kept::Distinct { table: group_table(types)?, memory: Reservation::new(context) }
            }
            Recursion::Keyed { keys, aggregates, distinct } => {
                let how = Keying { keys, aggregates, distinct: *distinct, wanted: wants_all };
                Kept::Keyed(Box::new(KeyedRows::new(types, &how, context)?))
            }
        };
        let state = State { working: None, kept, ready: VecDeque::new(), sequence: 0, done: false };
        let scan = Self { state: Mutex::new(state), step, context: context.clone() };
        scan.take(&mut scan.state.lock(), anchor)?;
        Ok(scan)
    }

    /// Takes the rows that the anchor or a step has made.
    fn take(&self, state: &mut State, made: Collected) -> Result<()> {
        let next = match &mut state.kept {
            Kept::All => made,
            Kept::Distinct { table, memory } => {
                let batches = made.batches.iter().map(|b| first_ones(&mut **table, b));
                let batches: Vec<Batch> = batches.collect::<Result<_>>()?;
                memory.resize(table.size())?;
                let batches = batches.into_iter().filter(|b| b.rows > 0).collect();
                Collected { batches, memory: made.memory }
            }
            Kept::Keyed(rows) => rows.take(made)?,
        };
        if next.rows() == 0 {
            state.done = true;
            if let Kept::Keyed(rows) = &mut state.kept {
                state.ready.extend(rows.rows()?);
            }
            return Ok(());
        }
        if !matches!(state.kept, Kept::Keyed(_)) {
            state.ready.extend(next.batches.iter().cloned());
        }
        state.working = Some(next);
        Ok(())
    }
}

/// The rows that are new to the table.
fn first_ones(table: &mut dyn GroupTable, batch: &Batch) -> Result<Batch> {
    let mut known = table.len();
    let mut groups = vec![];
    table.intern(&batch.columns, batch.rows, &mut groups)?;
    // Numbers are given in the order of first appearance.
    let new = BooleanBuffer::from_iter(groups.iter().map(|g| {
        let is_new = *g as usize == known;
        known += usize::from(is_new);
        is_new
    }));
    filter_batch(batch.clone(), &BooleanArray::new(new, None))
}

impl SourceScan for RecursiveScan {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let mut state = self.state.lock();
        loop {
            if !state.ready.is_empty() {
                let mut rows = 0;
                let mut batches = vec![];
                while rows < MORSEL_ROWS
                    && let Some(batch) = state.ready.pop_front()
                {
                    rows += batch.rows;
                    batches.push(batch);
                }
                let sequence = state.sequence;
                state.sequence += 1;
                let batches = Box::new(batches.into_iter().flat_map(split_batch).map(Ok));
                return Ok(Some(Morsel { sequence, batches }));
            }
            let Some(working) = state.working.take().filter(|_| !state.done) else { return Ok(None) };
            self.context.check_cancelled()?;
            let all = match &mut state.kept {
                Kept::Keyed(rows) if rows.wanted => Some(Collected { batches: rows.rows()?, memory: vec![] }),
                _ => None,
            };
            let made = (self.step)(working, all)?;
            self.take(&mut state, made)?;
        }
    }

    fn morsels_left(&self) -> Option<usize> {
        // Steps follow one another; what one yields is seldom worth a second worker.
        let state = self.state.try_lock()?;
        Some(state.ready.len() * 2_048 / MORSEL_ROWS)
    }
}
