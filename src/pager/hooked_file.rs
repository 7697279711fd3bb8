//! A file for tests that lets something happen whenever it is asked to make something durable.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::file::File;

/// What is to be made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    /// All that was written.
    Sync,
    /// A range, with its writing.
    Write,
}

/// Told before it is done; whether it shall be.
type Hook = Arc<dyn Fn(Durable) -> bool + Send + Sync>;

/// A file and what happens in between.
pub(crate) struct HookedFile<F> {
    pub(crate) file: F,
    hook: Mutex<Hook>,
}

impl<F> HookedFile<F> {
    /// A file with this hook.
    pub(crate) fn new(file: F, hook: impl Fn(Durable) -> bool + Send + Sync + 'static) -> Self {
        Self { file, hook: Mutex::new(Arc::new(hook)) }
    }

    /// Has something be done in the middle of the next sync.
    pub(crate) fn at_next_sync(&self, run: impl FnOnce() + Send + 'static) {
        let once = Mutex::new(Some(run));
        *self.hook.lock() = Arc::new(move |what| {
            let run = if what == Durable::Sync { once.lock().take() } else { None };
            if let Some(run) = run {
                run();
            }
            true
        });
    }

    fn ask(&self, what: Durable) -> bool {
        let hook = Arc::clone(&self.hook.lock());
        hook(what)
    }
}

impl<F: fmt::Debug> fmt::Debug for HookedFile<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl<F: File> File for HookedFile<F> {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.file.set_size(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.file.allocate(bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buffer)
    }

    fn read(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        self.file.read(offset, bytes)
    }

    fn reads_are_copies(&self) -> bool {
        self.file.reads_are_copies()
    }

    fn check(&self) -> io::Result<()> {
        self.file.check()
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(offset, bytes)
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.ask(Durable::Write) { self.file.write_durable(offset, bytes) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        if self.ask(Durable::Sync) { self.file.sync() } else { Ok(()) }
    }
}
