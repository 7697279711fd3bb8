//! A database: a file, or memory, that any number of connections share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::connection::Connection;
use crate::error::Result;
use crate::table::{CheckReport, Storage, StorageOptions};

/// How to open a database.
///
/// ```
/// use fluxdb::{Database, Options};
///
/// let dir = tempfile::tempdir().unwrap();
/// let path = dir.path().join("metrics.flux");
/// Database::open(&path)?.close()?;
/// let db = Database::open_with(&path, Options::default().read_only(true))?;
/// assert!(db.connect().execute("CREATE TABLE t(i INTEGER)").is_err());
/// # Ok::<(), fluxdb::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) read_only: bool,
    pub(crate) create: bool,
    pub(crate) page_size_bytes: Option<u32>,
    pub(crate) memory_limit_bytes: Option<u64>,
    pub(crate) threads: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            read_only: false,
            create: true,
            page_size_bytes: None,
            memory_limit_bytes: None,
            threads: None,
        }
    }
}

impl Options {
    /// Never write to the file, and refuse statements that would. Off by default.
    #[must_use]
    pub fn read_only(mut self, yes: bool) -> Self {
        self.read_only = yes;
        self
    }

    /// Make the file if there is none; on by default. Read-only never makes one.
    #[must_use]
    pub fn create(mut self, yes: bool) -> Self {
        self.create = yes;
        self
    }

    /// The size of a page of a file that is made: a power of two from 4096 to 65536. A file that exists
    /// keeps its own.
    #[must_use]
    pub fn page_size(mut self, bytes: u32) -> Self {
        self.page_size_bytes = Some(bytes);
        self
    }

    /// The working memory of one query; by default a part of the machine's. `SET memory_limit` changes it
    /// for one connection.
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit_bytes = Some(bytes);
        self
    }

    /// Worker threads of one query; by default as many as there are cores. `SET threads` changes it for
    /// one connection.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }
}

impl Options {
    fn storage(&self) -> StorageOptions {
        let defaults = StorageOptions::default();
        StorageOptions {
            read_only: self.read_only,
            create: self.create,
            page_size: self.page_size_bytes.unwrap_or(defaults.page_size),
            ..defaults
        }
    }
}

/// What connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) path: Option<PathBuf>,
    pub(crate) options: Options,
    pub(crate) storage: Arc<Storage>,
}

/// A database. Cheap to clone; all clones are the same database, and it is closed when the last clone and
/// the last connection are gone.
///
/// ```
/// let db = fluxdb::Database::open_in_memory()?;
/// let connection = db.connect();
/// # let _ = connection;
/// # Ok::<(), fluxdb::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

impl Database {
    /// Opens a file, and makes it if there is none.
    ///
    /// # Errors
    ///
    /// The file is no database, was written by a newer version, is damaged, or is open for writing in
    /// another process; or the operating system says no.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Options::default())
    }

    /// Opens a file in a particular way.
    ///
    /// # Errors
    ///
    /// As [`Database::open`]; and if the file is not there and may not be made.
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let path = path.as_ref();
        let storage = Storage::open(path, &options.storage())?;
        Ok(Self { shared: Arc::new(Shared { path: Some(path.to_path_buf()), options, storage }) })
    }

    /// An empty database in memory.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub fn open_in_memory() -> Result<Self> {
        let options = Options::default();
        let storage = Storage::memory(&options.storage())?;
        Ok(Self { shared: Arc::new(Shared { path: None, options, storage }) })
    }

    /// The file; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.shared.path.as_deref()
    }

    /// A new connection: settings, a transaction and a statement of its own.
    pub fn connect(&self) -> Connection {
        Connection::new(Arc::clone(&self.shared))
    }

    /// Verifies every checksum, every reference, and that every page is either free or owned exactly once. Reads
    /// the whole database as of the last commit.
    pub fn check(&self) -> CheckReport {
        self.shared.storage.check()
    }

    /// Writes what is not yet in its place in the file. Dropping does the same and cannot tell of an error.
    ///
    /// # Errors
    ///
    /// The file could not be written. It is still as good as at the last commit.
    pub fn close(self) -> Result<()> {
        Ok(())
    }
}
