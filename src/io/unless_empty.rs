//! A file that is not written where there are no rows: WRITE_EMPTY_FILE false.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::source::Sink;

/// The sink of a file that takes its place only if rows come.
#[derive(Debug)]
pub(super) struct UnlessEmpty {
    file: Arc<dyn Sink>,
    has_rows: AtomicBool,
}

impl UnlessEmpty {
    pub fn new(file: Arc<dyn Sink>) -> Self {
        Self { file, has_rows: AtomicBool::new(false) }
    }

    fn has_rows(&self) -> bool {
        self.has_rows.load(Ordering::Relaxed)
    }
}

impl Sink for UnlessEmpty {
    fn describe(&self) -> String {
        self.file.describe()
    }

    fn push(&self, sequence: u64, batches: Vec<Batch>) -> Result<()> {
        if batches.iter().any(|batch| batch.rows > 0) {
            self.has_rows.store(true, Ordering::Relaxed);
        }
        self.file.push(sequence, batches)
    }

    fn finish(&self) -> Result<u64> {
        if self.has_rows() {
            return self.file.finish();
        }
        self.file.abort();
        Ok(0)
    }

    fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    fn files(&self) -> Option<Vec<String>> {
        if self.has_rows() { self.file.files() } else { Some(vec![]) }
    }

    fn abort(&self) {
        self.file.abort();
    }
}
