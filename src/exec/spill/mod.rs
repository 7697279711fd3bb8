//! Rows beyond memory: batches in a temporary file.
//!
//! An operator that keeps rows asks its `Account` (`exec::memory`) whether they still fit. When they do
//! not it writes them away as `Chunk`s: batches in a layout of our own (`codec`), in one file for each query
//! (`file`) that has no name in the file system and is gone with the query, however that ends. A chunk gives
//! its place back when it is dropped. Rows that are processed by key are written by partition (`partition`), so
//! that what belongs together comes back together, a part at a time.

mod codec;
mod file;
pub(crate) mod partition;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_schema::DataType;
use parking_lot::Mutex;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::memory::batch_bytes;
use crate::exec::pipeline::{BATCH_ROWS, metrics};

use file::TempFile;

/// Bytes that a chunk should have: enough that reading it costs more than finding it, few enough that many runs can
/// be read side by side.
const CHUNK_BYTES: usize = 128 << 10;

/// Where a query may put what memory does not hold, and how much.
#[derive(Debug)]
pub struct TempSpace {
    /// The directory of the file.
    directory: PathBuf,
    /// The most bytes that all running queries may have there.
    limit: u64,
    /// Made when it is first needed.
    file: Mutex<Option<Arc<TempFile>>>,
}

impl Default for TempSpace {
    fn default() -> Self {
        Self::new(std::env::temp_dir(), u64::MAX)
    }
}

impl TempSpace {
    /// A file in `directory`, made when it is first needed; `limit` is the most bytes that all queries of this process
    /// may have in such files.
    pub fn new(directory: PathBuf, limit: u64) -> Self {
        Self { directory, limit, file: Mutex::default() }
    }

    /// Bytes that lie in the file now.
    pub fn used(&self) -> u64 {
        self.file.lock().as_ref().map_or(0, |file| file.used())
    }

    fn file(&self) -> Result<Arc<TempFile>> {
        let mut file = self.file.lock();
        if let Some(file) = &*file {
            return Ok(file.clone());
        }
        let made = Arc::new(TempFile::create(&self.directory, self.limit)?);
        *file = Some(made.clone());
        Ok(made)
    }

    #[cfg(test)]
    pub(crate) fn of_file(file: Arc<dyn crate::pager::File>, limit: u64) -> Self {
        let file = Mutex::new(Some(Arc::new(TempFile::new(file, limit))));
        Self { directory: PathBuf::new(), limit, file }
    }
}

/// An operator's way to the query's temporary file.
#[derive(Clone)]
pub(crate) struct Spill {
    pub context: Arc<ExecContext>,
    /// The operator's number in the plan.
    pub node: usize,
}

impl Spill {
    /// The way of operator `node`.
    pub fn new(context: &Arc<ExecContext>, node: usize) -> Self {
        Self { context: context.clone(), node }
    }

    /// Writes a batch.
    pub fn write(&self, batch: &Batch, tag: u64) -> Result<Chunk> {
        self.context.check_cancelled()?;
        let (bytes, types) = codec::encode(batch)?;
        let file = self.context.temp.file()?;
        let place = file.append(&bytes)?;
        self.context.counters.bytes_spilled.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if let Some(metrics) = metrics(&self.context, self.node) {
            metrics.spilled.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(Chunk { file, place, bytes: bytes.len(), rows: batch.rows, types, tag })
    }

    /// Writes a batch of any size as chunks of a good size.
    pub fn write_all(&self, batch: &Batch, tag: u64, out: &mut Vec<Chunk>) -> Result<()> {
        let rows = chunk_rows(batch_bytes(batch), batch.rows);
        let mut at = 0;
        while at < batch.rows {
            let len = rows.min(batch.rows - at);
            out.push(self.write(&batch.slice(at, len), tag)?);
            at += len;
        }
        Ok(())
    }
}

/// How many of `rows` rows, which take `bytes`, make a good chunk.
pub(crate) fn chunk_rows(bytes: usize, rows: usize) -> usize {
    let each = (bytes / rows.max(1)).max(1);
    (CHUNK_BYTES / each).clamp(16, 4 * BATCH_ROWS)
}

/// A batch in the temporary file.
pub(crate) struct Chunk {
    file: Arc<TempFile>,
    place: u64,
    bytes: usize,
    /// Its rows.
    pub rows: usize,
    types: Arc<[DataType]>,
    /// Whatever its writer wants to know of it later; mostly the number of a morsel.
    pub tag: u64,
}

impl Chunk {
    /// The batch.
    pub fn read(&self) -> Result<Batch> {
        let bytes = self.file.read(self.place, self.bytes)?;
        codec::decode(bytes, &self.types, self.rows)
    }

    /// Bytes in the file; about what the batch takes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.file.free(self.place, self.bytes);
    }
}

/// What is wrong when the temporary file cannot be written to or read from.
fn io_error(what: &str, name: &str, error: &std::io::Error) -> ExecError {
    ExecError::Io(format!("could not {what} a temporary file in \"{name}\": {error}"))
}

#[cfg(test)]
mod tests;
