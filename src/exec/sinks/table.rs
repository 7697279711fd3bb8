//! Rows into a table under construction.
//!
//! Morsels come from any thread in any order. Those that come too early wait; as soon as all before a morsel are
//! there, its rows join the rows in order, from which full row groups are cut. Whoever is inside `push` takes cut
//! row groups and encodes them, so that encoding is spread over all workers and only the cutting is serial.
//!
//! Memory is bounded: a caller whose morsel is early while much is waiting waits too, and meanwhile encodes what
//! there is to encode. The caller with the *next* morsel never waits, so somebody can always go on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow_array::ArrayRef;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;
use crate::exec::memory::batch_bytes;
use crate::exec::operators::coalesce::concat_arrays;
use crate::exec::source::Sink;
use crate::table::TableAppender;

/// Bytes of early morsels that may wait.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// A sink that appends to a table: rows in the order of the morsels, in full row groups. They are in the table
/// when the appender's transaction commits, which is the caller's part.
pub fn table_sink(appender: TableAppender) -> Arc<dyn Sink> {
    Arc::new(TableSink {
        row_group_rows: appender.row_group_rows(),
        appender,
        state: Mutex::default(),
        changed: Condvar::new(),
    })
}

#[derive(Debug)]
struct TableSink {
    appender: TableAppender,
    row_group_rows: usize,
    state: Mutex<State>,
    /// The next morsel has come, a row group was cut, or all is lost.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The first morsel that has not come.
    next: u64,
    early: BTreeMap<u64, Vec<Batch>>,
    early_bytes: usize,
    /// Rows in order, less than a row group of them.
    open: Vec<Batch>,
    open_rows: usize,
    /// Row groups to encode, with their positions.
    cut: VecDeque<(u64, Vec<Batch>)>,
    position: u64,
    rows: u64,
    failed: bool,
}

impl State {
    fn take_in(&mut self, batches: Vec<Batch>, row_group_rows: usize) {
        for mut batch in batches {
            self.rows += batch.rows as u64;
            while self.open_rows + batch.rows >= row_group_rows {
                let take = row_group_rows - self.open_rows;
                self.open.push(batch.slice(0, take));
                batch = batch.slice(take, batch.rows - take);
                self.cut_open();
            }
            if batch.rows > 0 {
                self.open_rows += batch.rows;
                self.open.push(batch);
            }
        }
    }

    fn cut_open(&mut self) {
        let group = std::mem::take(&mut self.open);
        self.cut.push_back((self.position, group));
        self.position += 1;
        self.open_rows = 0;
    }
}

fn ended() -> ExecError {
    ExecError::Cancelled
}

impl TableSink {
    /// Encodes row groups as long as there are any.
    fn encode_cut<'a>(&'a self, mut state: MutexGuard<'a, State>) -> Result<()> {
        while let Some((position, group)) = state.cut.pop_front() {
            drop(state);
            let result = self.encode(position, group);
            if result.is_err() {
                self.abort();
                return result;
            }
            state = self.state.lock();
        }
        Ok(())
    }

    fn encode(&self, position: u64, group: Vec<Batch>) -> Result<()> {
        let width = group.first().map_or(0, |b| b.columns.len());
        let columns = (0..width)
            .map(|c| {
                let parts: Vec<ArrayRef> = group.iter().map(|b| b.columns[c].clone()).collect();
                flatten(&concat_arrays(&parts)?)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(self.appender.write_row_group(position, &columns)?)
    }
}

impl Sink for TableSink {
    fn describe(&self) -> String {
        format!("INSERT {}", self.appender.definition().name)
    }

    fn push(&self, sequence: u64, batches: Vec<Batch>) -> Result<()> {
        let bytes: usize = batches.iter().map(batch_bytes).sum();
        let mut state = self.state.lock();
        loop {
            if state.failed {
                return Err(ended());
            }
            if sequence == state.next
                || state.early_bytes + bytes <= WAITING_BYTES_MAX
                || state.early.is_empty()
            {
                break;
            }
            if state.cut.is_empty() {
                self.changed.wait(&mut state);
            } else {
                self.encode_cut(state)?;
                state = self.state.lock();
            }
        }
        if sequence != state.next {
            state.early_bytes += bytes;
            state.early.insert(sequence, batches);
            return Ok(());
        }
        state.take_in(batches, self.row_group_rows);
        state.next += 1;
        while let Some(batches) = {
            let next = state.next;
            state.early.remove(&next)
        } {
            state.early_bytes -= batches.iter().map(batch_bytes).sum::<usize>();
            state.take_in(batches, self.row_group_rows);
            state.next += 1;
        }
        self.changed.notify_all();
        self.encode_cut(state)
    }

    fn finish(&self) -> Result<u64> {
        let mut state = self.state.lock();
        if state.failed {
            return Err(ended());
        }
        if !state.early.is_empty() {
            return Err(ExecError::Internal(format!("morsel {} was never written", state.next)));
        }
        if state.open_rows > 0 {
            state.cut_open();
        }
        let rows = state.rows;
        self.encode_cut(state)?;
        Ok(rows)
    }

    fn abort(&self) {
        let mut state = self.state.lock();
        state.failed = true;
        state.early.clear();
        state.open.clear();
        state.cut.clear();
        self.changed.notify_all();
    }
}
