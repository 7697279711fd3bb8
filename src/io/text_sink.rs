//! A sink for formats of text, CSV and JSON: each caller turns its rows into text by itself, and the pieces
//! are written in order.
//!
//! A piece that comes early waits here while there is room; otherwise its caller waits. The caller with the
//! next piece never waits, so there is always someone who can go on.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use parking_lot::{Condvar, Mutex};

use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::Sink;
use crate::io::output::Output;

/// Bytes of early pieces that may wait.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// How rows become text.
pub(crate) trait TextFormat: Send + Sync + fmt::Debug {
    /// Appends rows.
    fn rows(&self, batch: &Batch, out: &mut String) -> Result<()>;

    /// What comes before all rows, if there are any.
    fn head(&self, has_rows: bool) -> String;

    /// What comes between two pieces that have rows.
    fn between(&self) -> &str;

    /// What comes after all rows.
    fn tail(&self) -> &str;
}

/// The sink of one file.
#[derive(Debug)]
pub(crate) struct TextSink<F> {
    name: String,
    format: F,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// `None` when it is finished or has failed.
    output: Option<Output>,
    /// The piece to be written next.
    next: u64,
    early: BTreeMap<u64, Piece>,
    early_bytes: usize,
    rows: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Piece {
    text: String,
    rows: u64,
}

impl<F: TextFormat> TextSink<F> {
    /// A sink that EXPLAIN calls `name`.
    pub fn new(name: String, format: F, output: Output) -> Self {
        let state = State {
            output: Some(output),
            next: 0,
            early: BTreeMap::new(),
            early_bytes: 0,
            rows: 0,
            bytes: 0,
        };
        Self { name, format, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Writes a piece whose turn it is.
    fn write(&self, state: &mut State, piece: &Piece) -> Result<()> {
        state.next += 1;
        if piece.rows == 0 {
            return Ok(());
        }
        let before = if state.rows == 0 { self.format.head(true) } else { self.format.between().to_string() };
        state.rows += piece.rows;
        state.bytes += (before.len() + piece.text.len()) as u64;
        let output = state.output.as_mut().ok_or_else(ended)?;
        output
            .write_all(before.as_bytes())
            .and_then(|()| output.write_all(piece.text.as_bytes()))
            .map_err(|e| output.error(&e))
    }

    fn fail(&self, state: &mut State) {
        state.output = None;
        state.early.clear();
        state.early_bytes = 0;
        self.changed.notify_all();
    }
}

/// The error for a push after the end.
fn ended() -> ExecError {
    ExecError::Cancelled
}

impl<F: TextFormat> Sink for TextSink<F> {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn push(&self, sequence: u64, batches: Vec<Batch>) -> Result<()> {
        let mut piece = Piece { text: String::new(), rows: 0 };
        for batch in &batches {
            if batch.rows > 0 {
                if piece.rows > 0 {
                    piece.text.push_str(self.format.between());
                }
                self.format.rows(batch, &mut piece.text)?;
                piece.rows += batch.rows as u64;
            }
        }
        drop(batches);
        let mut state = self.state.lock();
        loop {
            if state.output.is_none() {
                return Err(ended());
            }
            if sequence == state.next {
                break;
            }
            if state.early_bytes < WAITING_BYTES_MAX {
                state.early_bytes += piece.text.len();
                state.early.insert(sequence, piece);
                return Ok(());
            }
            self.changed.wait(&mut state);
        }
        let mut done = self.write(&mut state, &piece);
        while done.is_ok() {
            let next = state.next;
            let Some(early) = state.early.remove(&next) else { break };
            state.early_bytes -= early.text.len();
            done = self.write(&mut state, &early);
        }
        if done.is_err() {
            self.fail(&mut state);
        }
        self.changed.notify_all();
        done
    }

    fn finish(&self) -> Result<u64> {
        let mut state = self.state.lock();
        let mut output = state.output.take().ok_or_else(ended)?;
        if !state.early.is_empty() {
            return Err(ExecError::Internal(format!("piece {} of a file never came", state.next)));
        }
        let mut rest = if state.rows == 0 { self.format.head(false) } else { String::new() };
        rest.push_str(self.format.tail());
        output.write_all(rest.as_bytes()).map_err(|e| output.error(&e))?;
        output.finish()?;
        Ok(state.rows)
    }

    fn bytes(&self) -> u64 {
        self.state.lock().bytes
    }

    fn abort(&self) {
        self.fail(&mut self.state.lock());
    }
}
