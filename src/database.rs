//! A database: a file, or memory, that any number of connections share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::connection::Connection;
use crate::error::{Result, guarded};
use crate::measurement::{ImportOptions, ImportReport, Point, PointWriter};
use crate::pager::File;
use crate::salvage::SalvageReport;
use crate::sql::extensions::Extensions;
use crate::sql::session::{
    Databases, NamedDatabase, Reports, SearchPath, Settings, dictionary_cache_bytes, log_bytes_max,
    name_of_file,
};
use crate::table::{CheckReport, Recovery, Storage, StorageOptions, Synchronous};
use crate::upkeep::Upkeep;

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
    pub(crate) row_group_rows: Option<usize>,
    pub(crate) synchronous: Synchronous,
    pub(crate) log_bytes: Option<u64>,
    pub(crate) background: bool,
    pub(crate) recover: bool,
    pub(crate) mapped: bool,
    pub(crate) maintenance: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            read_only: false,
            create: true,
            page_size_bytes: None,
            memory_limit_bytes: None,
            threads: None,
            row_group_rows: None,
            synchronous: Synchronous::Full,
            log_bytes: None,
            background: true,
            recover: false,
            mapped: true,
            maintenance: true,
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
    /// for one connection. A quarter of it is what decoded dictionaries may take between queries.
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

    /// How safe a commit is when it returns: durable, unless told otherwise. `SET synchronous` changes it for one
    /// connection.
    #[must_use]
    pub fn synchronous(mut self, level: Synchronous) -> Self {
        self.synchronous = level;
        self
    }

    /// The size to which the write-ahead log may grow, at half of which what is in it is sealed: a sixteenth of the memory
    /// limit, but from 16 to 64 MiB, unless told otherwise. 0: no log, each commit is sealed.
    #[must_use]
    pub fn log_size(mut self, bytes: u64) -> Self {
        self.log_bytes = Some(bytes);
        self
    }

    /// Write what is in the log to row groups in a thread of its own, before the log is full; on by default. The thread
    /// is started when it is first needed, and ends before the database closes. Without it the commit that finds the
    /// log full does this work, so that when it is done is certain.
    #[must_use]
    pub fn background_sealing(mut self, yes: bool) -> Self {
        self.background = yes;
        self
    }

    /// If the log is damaged, give up the commits that cannot be read any more, and write again. Off by default: then
    /// such a database is open for reading only ([`Database::recovery`] says why).
    #[must_use]
    pub fn recover(mut self, yes: bool) -> Self {
        self.recover = yes;
        self
    }

    /// Whether the file is read through a memory mapping. Default: yes. Without, everything that is read is copied, which
    /// costs time and memory; but if another program cuts the file, or the medium fails, while it is read, that is an error
    /// instead of a signal (SIGBUS) that ends the process, or that [`catch_sigbus`](crate::catch_sigbus) turns into one.
    #[must_use]
    pub fn memory_map(mut self, yes: bool) -> Self {
        self.mapped = yes;
        self
    }

    /// Refresh materialized views and remove expired rows when they are due, in a thread that begins when a table asks for
    /// it; on by default. `CALL maintain()` does it in any case.
    #[must_use]
    pub fn maintenance(mut self, yes: bool) -> Self {
        self.maintenance = yes;
        self
    }

    /// Rows of a full row group: fewer than the default only for tests, which reach boundaries sooner.
    #[must_use]
    pub fn row_group_rows(mut self, rows: usize) -> Self {
        self.row_group_rows = Some(rows);
        self
    }
}

/// What connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) databases: Arc<Databases>,
    pub(crate) settings: Settings,
    pub(crate) upkeep: Arc<Upkeep>,
}

/// A database. Cheap to clone; all clones are the same database, and it is closed when the last clone and
/// the last connection are gone.
///
/// ```
/// let db = fluxdb::Database::open_in_memory()?;
/// db.connect().execute("CREATE TABLE t AS SELECT * FROM range(3)")?;
/// assert_eq!(db.connect().query("FROM t")?.count_rows()?, 3);
/// # Ok::<(), fluxdb::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Database {
    path: Option<PathBuf>,
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
        let storage = guarded(|| Ok(Storage::open(path, &options.storage())?))?;
        Ok(Self {
            path: Some(path.to_path_buf()),
            shared: Shared::new(storage, &name_of_file(path), Some(path), &options),
        })
    }

    /// Opens a database in a file of any kind: one in memory, or one that fails when a test wants it to. An empty one
    /// becomes a new database.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use fluxdb::{Database, Options, pager::MemoryFile};
    ///
    /// let file = Arc::new(MemoryFile::new());
    /// Database::open_file(file.clone(), Options::default())?.connect().execute("CREATE TABLE t(i INTEGER)")?;
    /// let db = Database::open_file(file, Options::default())?;
    /// assert_eq!(db.connect().table_names(), ["t"]);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Database::open`].
    pub fn open_file(file: Arc<dyn File>, options: Options) -> Result<Self> {
        let name = PathBuf::from(file.name());
        let storage = guarded(|| Ok(Storage::open_file(file, &options.storage())?))?;
        Ok(Self { path: None, shared: Shared::new(storage, &name_of_file(&name), None, &options) })
    }

    /// An empty database in memory.
    ///
    /// # Errors
    ///
    /// There is not enough memory.
    pub fn open_in_memory() -> Result<Self> {
        Self::open_in_memory_with(Options::default())
    }

    /// An empty database in memory, in a particular way.
    ///
    /// # Errors
    ///
    /// There is not enough memory, or an option makes no sense.
    pub fn open_in_memory_with(options: Options) -> Result<Self> {
        let storage = Storage::memory(&options.storage())?;
        Ok(Self { path: None, shared: Shared::new(storage, "memory", None, &options) })
    }

    /// The file; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether it takes no changes.
    pub fn is_read_only(&self) -> bool {
        self.shared.storage().is_read_only()
    }

    pub(crate) fn extensions(&self) -> &Extensions {
        self.shared.databases.extensions()
    }

    /// What opening it found in its log, which is empty after a clean close.
    pub fn recovery(&self) -> &Recovery {
        self.shared.storage().recovery()
    }

    /// A new connection: settings, a transaction and a statement of its own.
    pub fn connect(&self) -> Connection {
        Connection::new(Arc::clone(&self.shared))
    }

    /// The database as of now, which stays so for as long as the result lives, whatever is written meanwhile.
    ///
    /// ```
    /// let db = fluxdb::Database::open_in_memory()?;
    /// db.connect().execute("CREATE TABLE t AS SELECT * FROM range(3)")?;
    /// let before = db.snapshot();
    /// db.connect().execute("DELETE FROM t")?;
    /// assert_eq!(before.connect().query("FROM t")?.count_rows()?, 3);
    /// assert!(before.connect().execute("DELETE FROM t").is_err());
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    pub fn snapshot(&self) -> DatabaseSnapshot {
        DatabaseSnapshot { shared: self.shared.freeze() }
    }

    /// Writes points, all of them durable on return. Their measurements are made, and get columns, as needed.
    ///
    /// # Errors
    ///
    /// A point does not fit its measurement; then none is written.
    pub fn write(&self, points: &[Point]) -> Result<()> {
        guarded(|| {
            let mut writer = self.point_writer();
            for point in points {
                writer.hold(point)?;
            }
            writer.flush()
        })
    }

    /// A writer that gathers points and writes them in batches.
    pub fn point_writer(&self) -> PointWriter {
        PointWriter::new(Arc::clone(&self.shared))
    }

    /// Reads InfluxDB's line protocol. Points become durable in batches; a line that is wrong is reported, and keeps
    /// no other from being written.
    ///
    /// ```
    /// let db = fluxdb::Database::open_in_memory()?;
    /// let lines = "cpu,host=a usage=1.5 1700000000\ncpu,host=a usage=oops\n";
    /// let options = fluxdb::ImportOptions { precision: fluxdb::Precision::Seconds };
    /// let report = db.import_line_protocol(lines.as_bytes(), options)?;
    /// assert_eq!((report.points, report.rejected, report.errors[0].place), (1, 1, 2));
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Reading or writing failed. What was durable by then stays.
    pub fn import_line_protocol(
        &self,
        input: impl std::io::Read,
        options: ImportOptions,
    ) -> Result<ImportReport> {
        guarded(|| crate::measurement::import(self.point_writer(), input, options))
    }

    /// The files of a path or pattern, as [`import_files`](Self::import_files) would read them.
    ///
    /// # Errors
    ///
    /// There is no such file.
    pub fn find_import_files(pattern: &str) -> Result<Vec<String>> {
        Ok(crate::io::find_files(pattern)?)
    }

    /// Reads line protocol from the files of a path or pattern, which may be compressed; `-` is standard input.
    /// Reports come with the names of the files.
    ///
    /// # Errors
    ///
    /// There is no such file, or reading or writing failed. What was durable by then stays.
    pub fn import_files(&self, pattern: &str, options: ImportOptions) -> Result<Vec<(String, ImportReport)>> {
        let mut reports = vec![];
        for (name, input) in crate::io::open_files(pattern)? {
            reports.push((name, self.import_line_protocol(input, options)?));
        }
        Ok(reports)
    }

    /// Writes the database as of now to a new file, while others read and write. The copy is checked as a whole before it
    /// has its name, and overwrites nothing.
    ///
    /// ```
    /// let dir = tempfile::tempdir().unwrap();
    /// let db = fluxdb::Database::open_in_memory()?;
    /// db.connect().execute("CREATE TABLE t AS SELECT * FROM range(3)")?;
    /// db.backup(dir.path().join("copy.flux"))?;
    /// let copy = fluxdb::Database::open(dir.path().join("copy.flux"))?;
    /// assert_eq!(copy.connect().query("FROM t")?.count_rows()?, 3);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// There is a file of that name, or it cannot be written; or the database is damaged.
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<()> {
        let storage = self.shared.storage();
        // Also what another process has committed.
        storage.newest();
        Ok(storage.backup(path.as_ref())?)
    }

    /// Reads the whole database and accounts for every page and record.
    pub fn check(&self) -> CheckReport {
        self.shared.storage().check()
    }

    /// Makes a new database of all that can still be proven good of a damaged file, which is only read: definitions and rows
    /// whose checksums are right and of which it is known that they were not deleted, as of the last commit whose
    /// superblock, or frame of the log, is whole. Nobody should be writing to it meanwhile. What was lost is in the report.
    ///
    /// ```
    /// let dir = tempfile::tempdir().unwrap();
    /// let (broken, new) = (dir.path().join("broken.flux"), dir.path().join("new.flux"));
    /// let db = fluxdb::Database::open(&broken)?;
    /// db.connect().execute("CREATE TABLE t AS SELECT * FROM range(3)")?;
    /// db.close()?;
    /// let report = fluxdb::Database::salvage(&broken, &new)?;
    /// assert!(report.is_complete());
    /// assert_eq!(fluxdb::Database::open(&new)?.connect().query("FROM t")?.count_rows()?, 3);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// There is a file of the new name, or it cannot be written; or the broken one cannot be read at all.
    pub fn salvage(broken: impl AsRef<Path>, new: impl AsRef<Path>) -> Result<SalvageReport> {
        crate::salvage::salvage(broken.as_ref(), new.as_ref())
    }

    pub(crate) fn storage(&self) -> &Arc<Storage> {
        self.shared.storage()
    }

    /// Closes this handle. All that was committed is in the file already; the file itself is closed with the
    /// last handle and the last connection, which also seals what is in its log.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn close(self) -> Result<()> {
        Ok(())
    }
}

/// A [`Database`] as of one moment. Its file keeps what can be seen at that moment for as long as this, or a connection of
/// it, lives. Cheap to clone; attached databases are not part of it.
#[derive(Debug, Clone)]
pub struct DatabaseSnapshot {
    shared: Arc<Shared>,
}

impl DatabaseSnapshot {
    /// A new connection, which sees the database as of that moment and cannot write to it.
    pub fn connect(&self) -> Connection {
        Connection::new(Arc::clone(&self.shared))
    }
}

impl Options {
    fn memory_limit_bytes(&self) -> u64 {
        self.memory_limit_bytes.unwrap_or_else(default_memory_limit_bytes)
    }

    fn storage(&self) -> StorageOptions {
        let mut storage =
            StorageOptions { read_only: self.read_only, create: self.create, ..StorageOptions::default() };
        (storage.synchronous, storage.recover) = (self.synchronous, self.recover);
        (storage.background, storage.mapped) = (self.background, self.mapped);
        storage.dictionary_cache_bytes = dictionary_cache_bytes(self.memory_limit_bytes());
        if let Some(bytes) = self.page_size_bytes {
            storage.page_size = bytes;
        }
        storage.log_bytes_max = self.log_bytes.unwrap_or_else(|| log_bytes_max(self.memory_limit_bytes()));
        if let Some(rows) = self.row_group_rows {
            storage.row_group_rows = rows;
        }
        storage
    }
}

impl Shared {
    fn new(storage: Arc<Storage>, name: &str, path: Option<&Path>, options: &Options) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let settings = Settings {
            threads: options.threads.unwrap_or(cores).max(1),
            temp_directory: temp_directory(path, options),
            max_temp_directory_bytes: u64::MAX,
            memory_limit_bytes: options.memory_limit_bytes(),
            integer_division: false,
            default_descending: false,
            external_access: true,
            default_null_order: crate::sql::session::NullOrder::default(),
            default_collation: String::new(),
            ieee_floating_point_ops: true,
            error_on_division_by_zero: true,
            scalar_subquery_error: true,
            order_by_literal: false,
            pivot_limit: 100_000,
            optimizer: true,
            lock_timeout_ms: 1_000,
            max_execution_time: None,
            synchronous: options.synchronous,
            time_zone: crate::exec::zone::Zone::system(),
            search_path: SearchPath::of_database(name),
            reports: Reports::default(),
            inert: std::collections::BTreeMap::new(),
        };
        let upkeep = Arc::new(Upkeep::new(options.maintenance && !storage.is_read_only()));
        let opened = NamedDatabase::new(name, path.map(Path::to_path_buf), storage);
        let databases = Arc::new(Databases::new(opened));
        upkeep.look(&databases, &settings);
        Arc::new(Self { databases, settings, upkeep })
    }

    fn freeze(&self) -> Arc<Self> {
        let (databases, settings) = (Arc::new(self.databases.freeze()), self.settings.clone());
        Arc::new(Self { databases, settings, upkeep: Arc::new(Upkeep::new(false)) })
    }

    /// The storage of the database that was opened.
    pub(crate) fn storage(&self) -> &Arc<Storage> {
        self.databases.opened().storage()
    }
}

/// Beside the database, where there is a place that may be written to.
fn temp_directory(path: Option<&Path>, options: &Options) -> PathBuf {
    match path.and_then(Path::parent) {
        Some(parent) if !options.read_only && parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) if !options.read_only => parent.to_path_buf(),
        _ => std::env::temp_dir(),
    }
}

/// Three quarters of the machine's memory.
fn default_memory_limit_bytes() -> u64 {
    #[cfg(target_os = "linux")]
    let total = {
        let info = rustix::system::sysinfo();
        #[allow(clippy::useless_conversion)] // The fields' types differ between architectures.
        u64::from(info.totalram).saturating_mul(u64::from(info.mem_unit))
    };
    #[cfg(not(target_os = "linux"))]
    let total = 8_u64 << 30;
    (total / 4 * 3).max(64 << 20)
}
