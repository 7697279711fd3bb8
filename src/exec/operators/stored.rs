//! Rows that are computed once and read as often as need be, in order: in memory, and in the temporary file where
//! that does not hold them.

use std::sync::Arc;

use super::collect::Collected;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::memory::{Account, Budget, Reservation, batch_bytes};
use crate::exec::pipeline::{Flow, Pipeline, PipelineSink};
use crate::exec::scheduler::run;
use crate::exec::spill::{Chunk, Spill};

/// Rows in the order of their source.
pub(crate) struct StoredRows {
    parts: Vec<Part>,
    /// Given back when this is dropped.
    _memory: Vec<Reservation>,
}

/// Some of the rows.
enum Part {
    Kept(Batch),
    Written(Chunk),
}

impl Part {
    fn rows(&self) -> usize {
        match self {
            Self::Kept(batch) => batch.rows,
            Self::Written(chunk) => chunk.rows,
        }
    }
}

impl StoredRows {
    /// How many rows each part has.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().map(Part::rows)
    }

    /// The rows of a part.
    pub fn part(&self, part: usize) -> Result<Batch> {
        match &self.parts[part] {
            Part::Kept(batch) => Ok(batch.clone()),
            Part::Written(chunk) => chunk.read(),
        }
    }
}

impl From<Collected> for StoredRows {
    fn from(rows: Collected) -> Self {
        Self { parts: rows.batches.into_iter().map(Part::Kept).collect(), _memory: rows.memory }
    }
}

/// Keeps every batch with the number of its morsel, or writes it away.
struct Store<'a> {
    budget: Arc<Budget>,
    spill: &'a Spill,
}

struct LocalStore {
    parts: Vec<(u64, Part)>,
    bytes: usize,
    memory: Account,
}

impl PipelineSink for Store<'_> {
    type Local = LocalStore;

    fn local(&self) -> LocalStore {
        LocalStore { parts: vec![], bytes: 0, memory: Account::new(&self.budget) }
    }

    fn push(&self, local: &mut LocalStore, sequence: u64, batch: Batch) -> Result<Flow> {
        let bytes = local.bytes + batch_bytes(&batch);
        if local.memory.fits(bytes) {
            local.bytes = bytes;
            local.parts.push((sequence, Part::Kept(batch)));
            return Ok(Flow::More);
        }
        let mut chunks = vec![];
        self.spill.write_all(&batch, sequence, &mut chunks)?;
        local.parts.extend(chunks.into_iter().map(|chunk| (sequence, Part::Written(chunk))));
        local.memory.force(local.bytes);
        Ok(Flow::More)
    }
}

/// Runs a pipeline and stores all its rows.
pub(crate) fn store(pipeline: &Pipeline, spill: &Spill) -> Result<StoredRows> {
    let context = &spill.context;
    let sink = Store { budget: Budget::new(context, 2), spill };
    let (mut parts, mut memory) = (vec![], vec![]);
    for local in run(pipeline, &sink, context, context.threads)? {
        parts.extend(local.parts);
        memory.push(local.memory.into_reservation());
    }
    // Stable: the parts of one morsel come from one worker, in order.
    parts.sort_by_key(|(sequence, _)| *sequence);
    Ok(StoredRows { parts: parts.into_iter().map(|(_, part)| part).collect(), _memory: memory })
}
