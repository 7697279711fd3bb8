//! An open database file: its current snapshot, and the way to the next.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use crate::catalog::record::{Malformed, RecordKind};
use crate::catalog::{Catalog, CatalogRoot, Object, RootEntry, SchemaDefinition, TableId};
use crate::column::{DictionaryCache, ROW_GROUP_ROWS};
use crate::pager::inspect::Inspection;
use crate::pager::{self, DEFAULT_PAGE_SIZE, File, Pager, Synchronous};
use crate::sync::{Mutex, RwLock};
use crate::table::commit_groups::CommitGroups;
#[cfg(test)]
use crate::table::coverage_tests;
use crate::table::data::TableData;
use crate::table::error::{Result, TableError};
use crate::table::gate::{WriterGate, WriterPass};
use crate::table::order::RowOrder;
use crate::table::pin::{Pin, Pinned};
use crate::table::recovery::{Recovery, replay};
use crate::table::seal::Tidying;
use crate::table::sealer::Sealer;
use crate::table::snapshot::Snapshot;
use crate::table::transaction::WriteTransaction;
use crate::table::workspace::{Patience, Workspace};
use crate::table::written::{Written, WrittenByTable};

/// Commits of a checkpoint at most: one that rewrites what has lost rows, one that moves things into the space of that,
/// one that cuts the file, and one for what the others left.
const CHECKPOINT_PASSES: usize = 4;

/// How to open a database.
#[derive(Debug, Clone)]
pub struct StorageOptions {
    /// Open for reading only. Default: no.
    pub read_only: bool,
    /// Make the file if there is none. Default: yes.
    pub create: bool,
    /// Size of the pages of a new file in bytes, a power of two from 4,096 to 65,536. Default: 16,384.
    pub page_size: u32,
    /// Rows of a full row group, at most the default, [`ROW_GROUP_ROWS`]. Less is for tests, which reach the
    /// boundaries of small row groups sooner.
    pub row_group_rows: usize,
    /// How safe a commit is when it returns. Default: full, it is durable.
    pub synchronous: Synchronous,
    /// Bytes of the write-ahead log at most; what is in it is sealed then. 0 seals each commit at once. Default: 64 MiB.
    pub log_bytes_max: u64,
    /// Seal in a thread of its own what is in the log, before that is full. Default: yes. Without, the commit for which
    /// the log has no room does it, and when that is is certain.
    pub background: bool,
    /// Bytes that decoded dictionaries may take between queries. Default: 256 MiB.
    pub dictionary_cache_bytes: usize,
    /// Give up commits that cannot be read any more, if the log is damaged. Default: no; then such a database is open
    /// for reading only.
    pub recover: bool,
    /// Read through a mapping of the file. Default: yes.
    pub mapped: bool,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            create: true,
            page_size: DEFAULT_PAGE_SIZE,
            row_group_rows: ROW_GROUP_ROWS,
            synchronous: Synchronous::Full,
            log_bytes_max: 64 << 20,
            dictionary_cache_bytes: 256 << 20,
            background: true,
            recover: false,
            mapped: true,
        }
    }
}

impl StorageOptions {
    fn pager(&self) -> pager::Options {
        let Self { read_only, create, page_size, mapped, .. } = *self;
        pager::Options { read_only, create, page_size, mapped }
    }
}

/// An open database. The last to drop it closes the file.
#[derive(Debug)]
pub struct Storage {
    pub(super) core: Arc<Core>,
}

impl Deref for Storage {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

/// How far a reader has come in what a writer in another process does.
#[derive(Debug, Default)]
struct Following {
    /// It failed to show something.
    stale: bool,
}

/// What an open database is. Its background thread has a part in this, which ends before the [`Storage`] does.
#[derive(Debug)]
pub struct Core {
    pager: Pager,
    options: StorageOptions,
    current: RwLock<Arc<Snapshot>>,
    /// Snapshots that follow the current one, but are not published yet. The next commit follows the last of them.
    line: Mutex<VecDeque<Arc<Snapshot>>>,
    writers: Arc<WriterGate>,
    pub(super) commits: CommitGroups,
    /// It ends with the process, so it needs no log.
    volatile: bool,
    recovery: Recovery,
    dictionaries: Arc<DictionaryCache>,
    /// How long the log was or is, in bytes.
    pub(super) log_bytes: AtomicU64,
    /// Since it was opened there was a commit that a log would have been good for.
    pub(super) had_small_commit: AtomicBool,
    pub(super) sealer: Sealer,
    /// What was sealed since it was opened.
    pub(super) written: WrittenByTable,
    /// One looks at a time at what a writer in another process does.
    following: Mutex<Following>,
}

impl Storage {
    /// Opens the database at `path`, or makes it. What it reads does not grow with the number of rows.
    pub fn open(path: &Path, options: &StorageOptions) -> Result<Arc<Self>> {
        Self::with_pager(Pager::open(path, &options.pager())?, options, false)
    }

    /// A new database in memory.
    pub fn memory(options: &StorageOptions) -> Result<Arc<Self>> {
        Self::with_pager(Pager::memory(&options.pager())?, options, true)
    }

    /// Opens, or makes, a database in a file of any kind.
    pub fn open_file(file: Arc<dyn File>, options: &StorageOptions) -> Result<Arc<Self>> {
        Self::with_pager(Pager::open_file(file, &options.pager())?, options, false)
    }

    fn with_pager(pager: Pager, options: &StorageOptions, volatile: bool) -> Result<Arc<Self>> {
        let mut options = options.clone();
        options.row_group_rows = options.row_group_rows.clamp(1, ROW_GROUP_ROWS);
        options.page_size = pager.page_size() as u32;
        let dictionaries = Arc::new(DictionaryCache::new(options.dictionary_cache_bytes));
        let sealed = load(Pinned::new(pager.snapshot(), &dictionaries), None)?;
        let (snapshot, recovery) = replay(&pager, sealed, options.row_group_rows)?;
        let (_, log_bytes) = pager.log_bytes();
        let sealer = Sealer::new(options.background && !volatile && !pager.is_read_only());
        let core = Core {
            pager,
            options,
            current: RwLock::new(Arc::new(snapshot)),
            line: Mutex::default(),
            writers: Arc::default(),
            commits: CommitGroups::default(),
            volatile,
            recovery,
            dictionaries,
            log_bytes: AtomicU64::new(log_bytes),
            had_small_commit: AtomicBool::new(false),
            sealer,
            written: WrittenByTable::default(),
            following: Mutex::default(),
        };
        let storage = Arc::new(Self { core: Arc::new(core) });
        if let Some(damage) = &storage.recovery.damage
            && !storage.pager.is_read_only()
        {
            if storage.options.recover {
                // In a log of its own nothing is left of what was given up.
                storage.seal_all(storage.pager.begin_write()?)?;
            } else {
                // Nothing is written, not even a shorter file.
                storage.pager.stop_writing(damage);
            }
        }
        Ok(storage)
    }

    /// Begins a transaction on the last commit, and waits while another writes, so a thread that has one that does
    /// must not begin a second. It never conflicts with another.
    pub fn begin(self: &Arc<Self>) -> Result<WriteTransaction> {
        let pass = self.enter(None)?;
        Ok(self.transaction(pass))
    }

    /// Begins a transaction as [`begin`](Self::begin) does, or returns `None` if another writes.
    pub fn try_begin(self: &Arc<Self>) -> Result<Option<WriteTransaction>> {
        self.begin_unless(Some(Duration::ZERO), || true)
    }

    /// Begins a transaction as [`begin`](Self::begin) does, but waits for a transaction that does not end no longer than
    /// `patience`. Returns `None` if it waited in vain, or once `gives_up`.
    pub fn begin_unless(
        self: &Arc<Self>,
        patience: Option<Duration>,
        gives_up: impl Fn() -> bool,
    ) -> Result<Option<WriteTransaction>> {
        self.check_writable()?;
        let Some(pass) = self.writers.enter(patience, gives_up) else { return Ok(None) };
        self.pager.check_writable()?;
        Ok(Some(self.transaction(pass)))
    }

    /// Begins a transaction on a snapshot, which need not be the last, without waiting for others: they may write
    /// until this one commits, or has so many rows that they go to the file. Then it waits; for a transaction of this
    /// kind that does not end, no longer than `patience`. Its commit fails with [`TableError::Conflict`] if another
    /// transaction has committed something else in the meantime that does not go together with it.
    pub fn begin_on(self: &Arc<Self>, base: Arc<Snapshot>, patience: Duration) -> Result<WriteTransaction> {
        self.begin_on_unless(base, patience, || false)
    }

    /// As [`begin_on`](Self::begin_on). Where it waits for others it fails with [`TableError::Busy`] once `gives_up`.
    pub fn begin_on_unless(
        self: &Arc<Self>,
        base: Arc<Snapshot>,
        patience: Duration,
        gives_up: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<WriteTransaction> {
        self.check_writable()?;
        let patience = Patience { time: Some(patience), gives_up: Box::new(gives_up) };
        let workspace = Workspace::idle(Arc::clone(self), patience);
        Ok(WriteTransaction::new(Arc::clone(self), base, workspace))
    }

    fn transaction(self: &Arc<Self>, pass: WriterPass) -> WriteTransaction {
        let base = self.last_in_line();
        let workspace = Workspace::entered(pass, Arc::clone(self));
        WriteTransaction::new(Arc::clone(self), base, workspace)
    }

    /// What sealing has written for each table since the database was opened.
    pub fn written(&self) -> Vec<(TableId, Written)> {
        self.written.list()
    }

    /// Tidies up: removes deleted rows, moves row groups into gaps before them and records out of mostly empty pages,
    /// and gives the end of the file back to the system as far as no snapshot can see it. Takes work and space in
    /// proportion to what is scattered.
    pub fn checkpoint(self: &Arc<Self>) -> Result<()> {
        self.checkpoint_within(None)
    }

    /// Puts row groups in order that points which came late have made overlap in time, if that is worth it. Waits for a
    /// transaction that does not end no longer than `patience`.
    pub fn put_in_order(self: &Arc<Self>, patience: Option<Duration>) -> Result<()> {
        if self.snapshot().catalog().tables().any(|table| RowOrder::of(table).is_some()) {
            let pass = self.enter(patience)?;
            self.transaction(pass).commit_and(Tidying::Order)?;
        }
        Ok(())
    }

    /// As [`checkpoint`](Self::checkpoint), but waits for a transaction that does not end only so long.
    pub fn checkpoint_within(self: &Arc<Self>, patience: Option<Duration>) -> Result<()> {
        {
            let pass = self.enter(patience)?;
            let (_, log_bytes) = self.pager.log_bytes();
            if log_bytes > 0 || self.last_in_line().is_unsealed() {
                self.seal_all(self.begin_write()?)?;
            }
            drop(pass);
        }
        // What a commit leaves behind is free for the next, which then cuts the file.
        let mut before = u64::MAX;
        for pass in 0..CHECKPOINT_PASSES {
            let writer = self.enter(patience)?;
            self.transaction(writer).commit_and(Tidying::All)?;
            let bytes = self.file_bytes()?;
            if pass > 1 && bytes >= before {
                break;
            }
            before = bytes;
        }
        Ok(())
    }
}

impl Core {
    pub(super) fn pager(&self) -> &Pager {
        &self.pager
    }

    /// What opening it found in its log.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Whether it ends with the process.
    pub(super) fn is_volatile(&self) -> bool {
        self.volatile
    }

    /// What keeps the decoded dictionaries of its chunks.
    pub fn dictionaries(&self) -> &Arc<DictionaryCache> {
        &self.dictionaries
    }

    /// How it was opened.
    pub fn options(&self) -> &StorageOptions {
        &self.options
    }

    /// The name of its file, or `:memory:`.
    pub fn name(&self) -> &str {
        self.pager.name()
    }

    /// Whether it takes no changes.
    pub fn is_read_only(&self) -> bool {
        self.check_writable().is_err()
    }

    /// Fails if it takes no changes.
    pub fn check_writable(&self) -> Result<()> {
        match &self.recovery.damage {
            _ if self.pager.is_read_only() => Err(TableError::ReadOnly),
            Some(damage) if !self.options.recover => Err(TableError::Damaged(damage.clone())),
            _ => Ok(()),
        }
    }

    /// The length of its file in bytes.
    pub fn file_bytes(&self) -> Result<u64> {
        Ok(self.pager.file_bytes()?)
    }

    /// A look at its file from outside, as it is now: the last commit that it has a superblock for.
    pub fn inspection(&self) -> Result<Inspection> {
        Ok(self.pager.inspect()?)
    }

    /// The commits that are still read, each with the number of its readers.
    pub fn pinned(&self) -> Vec<(u64, usize)> {
        self.pager.pinned()
    }

    /// The database as of the last commit, also of a writer in another process. If that cannot be read, it is as of the
    /// last that could.
    pub fn newest(&self) -> Arc<Snapshot> {
        if self.pager.follows() {
            let mut following = self.following.lock();
            // After a failure it begins again with the superblock.
            following.stale = self.follow(following.stale).is_err();
        }
        self.snapshot()
    }

    /// The database as of the last commit that this process knows of.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read())
    }

    /// Whether a transaction is writing that need not end by itself.
    pub fn is_occupied(&self) -> bool {
        self.writers.is_occupied()
    }

    pub(super) fn writers(&self) -> &Arc<WriterGate> {
        &self.writers
    }

    /// Waits for the right to write.
    pub(super) fn enter(&self, patience: Option<Duration>) -> Result<WriterPass> {
        self.enter_unless(patience, || false)
    }

    /// The same, but no longer than until it `gives_up`.
    pub(super) fn enter_unless(
        &self,
        patience: Option<Duration>,
        gives_up: impl Fn() -> bool,
    ) -> Result<WriterPass> {
        self.check_writable()?;
        let pass = self.writers.enter(patience, gives_up).ok_or(TableError::Busy)?;
        self.pager.check_writable()?;
        Ok(pass)
    }

    /// The snapshot that the next commit follows. Only who may write can rely on it.
    pub(super) fn last_in_line(&self) -> Arc<Snapshot> {
        let mut line = self.line.lock();
        while line.back().is_some_and(|staged| staged.check().is_err()) {
            line.pop_back();
        }
        line.back().cloned().unwrap_or_else(|| self.snapshot())
    }

    /// Makes a snapshot the last in line.
    pub(super) fn line_up(&self, staged: &Arc<Snapshot>) {
        self.line.lock().push_back(Arc::clone(staged));
    }

    /// Makes a snapshot the current one, unless a later one is.
    pub(super) fn publish(&self, snapshot: &Arc<Snapshot>) {
        let mut line = self.line.lock();
        let gone: Vec<_> = {
            let first = line.iter().position(|staged| staged.order() > snapshot.order());
            let count = first.unwrap_or(line.len());
            line.drain(..count).collect()
        };
        let old = {
            let mut current = self.current.write();
            (snapshot.order() > current.order())
                .then(|| std::mem::replace(&mut *current, Arc::clone(snapshot)))
        };
        drop(line);
        // The old ones are dropped outside the locks.
        drop((gone, old));
    }
}

impl Drop for Storage {
    /// A clean close leaves no log. If that fails, the log has all that was committed.
    fn drop(&mut self) {
        self.sealer.stop();
        let (_, log_bytes) = self.pager.log_bytes();
        if log_bytes > 0 && self.check_writable().is_ok() {
            let _ = self.pager.begin_write().map_err(Into::into).and_then(|txn| self.seal_all(txn));
        }
        #[cfg(test)]
        coverage_tests::assert_covered(self);
    }
}

/// Reads a snapshot from its root: the definitions of all objects and the directories of the tables.
///
/// `before` is an earlier snapshot that is still pinned, so what it shares with this one is where it was.
pub(super) fn load(pin: Pin, before: Option<&Snapshot>) -> Result<Snapshot> {
    let Some(slot) = pin.roots().catalog else {
        return Ok(Snapshot::new(Arc::default(), None, BTreeMap::new(), pin));
    };
    let root = CatalogRoot::decode(&pin.heap_get(slot)?).map_err(|e| e.at(RecordKind::Root, slot))?;
    let (mut schemas, mut objects) = (vec![], vec![]);
    let mut tables = BTreeMap::new();
    for entry in &root.entries {
        let bytes = pin.heap_get(entry.record)?;
        let at = |e: Malformed| e.at(entry.kind, entry.record);
        let id = if entry.kind == RecordKind::Schema {
            schemas.push(SchemaDefinition::decode(&bytes).map_err(at)?);
            schemas.last().map(|schema| schema.id.0)
        } else {
            objects.push(Object::decode(entry.kind, &bytes).map_err(at)?);
            objects.last().map(|object| object.id().0)
        };
        if id != Some(entry.id) {
            return Err(at(Malformed::Bytes(format!("it is not that of object {}", entry.id))).into());
        }
        if let RootEntry { id, directory: Some(directory), .. } = *entry {
            let before = before.and_then(|before| before.tables.get(&TableId(id))).map(Arc::as_ref);
            tables.insert(TableId(id), Arc::new(TableData::load(&pin, TableId(id), directory, before)?));
        }
    }
    let catalog = Catalog::from_parts(schemas, objects, root.dependencies.clone(), root.next_id)
        .map_err(|e| Malformed::Bytes(e.to_string()).at(RecordKind::Root, slot))?;
    Ok(Snapshot::new(Arc::new(catalog), Some((slot, Arc::new(root))), tables, pin))
}
