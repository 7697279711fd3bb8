//! An open database file: its current snapshot, and the way to the next.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use crate::catalog::record::{Malformed, RecordKind};
use crate::catalog::{Catalog, CatalogRoot, Object, RootEntry, SchemaDefinition, TableId};
use crate::column::ROW_GROUP_ROWS;
use crate::pager::inspect::Inspection;
use crate::pager::{self, DEFAULT_PAGE_SIZE, File, Pager, WriteTxn};
use crate::table::Pin;
use crate::table::data::TableData;
use crate::table::error::{Result, TableError};
use crate::table::gate::{WriterGate, WriterPass};
use crate::table::snapshot::Snapshot;
use crate::table::transaction::WriteTransaction;
use crate::table::workspace::Workspace;

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
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self { read_only: false, create: true, page_size: DEFAULT_PAGE_SIZE, row_group_rows: ROW_GROUP_ROWS }
    }
}

impl StorageOptions {
    fn pager(&self) -> pager::Options {
        pager::Options { read_only: self.read_only, create: self.create, page_size: self.page_size }
    }
}

/// An open database.
#[derive(Debug)]
pub struct Storage {
    pager: Pager,
    options: StorageOptions,
    current: RwLock<Arc<Snapshot>>,
    writers: Arc<WriterGate>,
}

impl Storage {
    /// Opens the database at `path`, or makes it. What it reads does not grow with the number of rows.
    pub fn open(path: &Path, options: &StorageOptions) -> Result<Arc<Self>> {
        Self::with_pager(Pager::open(path, &options.pager())?, options)
    }

    /// A new database in memory.
    pub fn memory(options: &StorageOptions) -> Result<Arc<Self>> {
        Self::with_pager(Pager::memory(&options.pager())?, options)
    }

    /// Opens, or makes, a database in a file of any kind.
    pub fn open_file(file: Arc<dyn File>, options: &StorageOptions) -> Result<Arc<Self>> {
        Self::with_pager(Pager::open_file(file, &options.pager())?, options)
    }

    fn with_pager(pager: Pager, options: &StorageOptions) -> Result<Arc<Self>> {
        if pager.snapshot().roots().log.is_some() {
            return Err(TableError::Unsupported(format!("'{}' has a write-ahead log", pager.name())));
        }
        let snapshot = load(Arc::new(pager.snapshot()))?;
        let mut options = options.clone();
        options.row_group_rows = options.row_group_rows.clamp(1, ROW_GROUP_ROWS);
        options.page_size = pager.page_size() as u32;
        Ok(Arc::new(Self {
            pager,
            options,
            current: RwLock::new(Arc::new(snapshot)),
            writers: Arc::default(),
        }))
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
        self.pager.is_read_only()
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

    /// The database as of the last commit.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.read())
    }

    /// Begins a transaction on the last commit, and waits while another writes, so a thread that has one that does
    /// must not begin a second. It never conflicts with another.
    pub fn begin(self: &Arc<Self>) -> Result<WriteTransaction> {
        let (pass, txn) = self.begin_writing(None)?;
        Ok(self.transaction(pass, txn))
    }

    /// Begins a transaction as [`begin`](Self::begin) does, or returns `None` if another writes.
    pub fn try_begin(self: &Arc<Self>) -> Result<Option<WriteTransaction>> {
        if self.is_read_only() {
            return Err(TableError::ReadOnly);
        }
        let Some(pass) = self.writers.try_enter() else { return Ok(None) };
        let txn = self.pager.begin_write()?;
        Ok(Some(self.transaction(pass, txn)))
    }

    /// Begins a transaction on a snapshot, which need not be the last, without waiting for others: they may write
    /// until this one commits, or has so many rows that they go to the file. Then it waits; for a transaction of this
    /// kind that does not end, no longer than `patience`. Its commit fails with [`TableError::Conflict`] if another
    /// transaction has committed something else in the meantime that does not go together with it.
    pub fn begin_on(self: &Arc<Self>, base: Arc<Snapshot>, patience: Duration) -> Result<WriteTransaction> {
        if self.is_read_only() {
            return Err(TableError::ReadOnly);
        }
        let workspace = Workspace::idle(Arc::clone(self), patience);
        Ok(WriteTransaction::new(Arc::clone(self), base, workspace))
    }

    /// Whether a transaction is writing that need not end by itself.
    pub fn is_occupied(&self) -> bool {
        self.writers.is_occupied()
    }

    /// Waits for the right to write, and begins.
    pub(super) fn begin_writing(&self, patience: Option<Duration>) -> Result<(WriterPass, WriteTxn)> {
        if self.is_read_only() {
            return Err(TableError::ReadOnly);
        }
        let pass = self.writers.enter(patience).ok_or(TableError::Busy)?;
        let txn = self.pager.begin_write()?;
        Ok((pass, txn))
    }

    fn transaction(self: &Arc<Self>, pass: WriterPass, txn: WriteTxn) -> WriteTransaction {
        let base = self.snapshot();
        let workspace = Workspace::begun(pass, txn);
        WriteTransaction::new(Arc::clone(self), base, workspace)
    }

    /// Tidies up: removes deleted rows, moves row groups into gaps before them and records out of mostly empty pages,
    /// and gives the end of the file back to the system as far as no snapshot can see it. Takes work and space in
    /// proportion to what is scattered.
    pub fn checkpoint(self: &Arc<Self>) -> Result<()> {
        self.checkpoint_within(None)
    }

    /// As [`checkpoint`](Self::checkpoint), but waits for a transaction that does not end only so long.
    pub fn checkpoint_within(self: &Arc<Self>, patience: Option<Duration>) -> Result<()> {
        // What a commit leaves behind is free for the next, which then cuts the file.
        let mut before = u64::MAX;
        for pass in 0..CHECKPOINT_PASSES {
            let (writer, txn) = self.begin_writing(patience)?;
            self.transaction(writer, txn).commit_and(true)?;
            let bytes = self.file_bytes()?;
            if pass > 1 && bytes >= before {
                break;
            }
            before = bytes;
        }
        Ok(())
    }

    /// Makes a snapshot the current one.
    pub(super) fn publish(&self, snapshot: Arc<Snapshot>) {
        // The old one is dropped outside the lock.
        let old = std::mem::replace(&mut *self.current.write(), snapshot);
        drop(old);
    }
}

/// Reads a snapshot from its root: the definitions of all objects and the directories of the tables.
fn load(pin: Pin) -> Result<Snapshot> {
    let sequence = pin.sequence();
    let Some(slot) = pin.roots().catalog else {
        return Ok(Snapshot::new(sequence, Arc::default(), None, BTreeMap::new(), pin));
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
            tables.insert(TableId(id), Arc::new(TableData::load(&pin, TableId(id), directory)?));
        }
    }
    let catalog = Catalog::from_parts(schemas, objects, root.dependencies.clone(), root.next_id)
        .map_err(|e| Malformed::Bytes(e.to_string()).at(RecordKind::Root, slot))?;
    Ok(Snapshot::new(sequence, Arc::new(catalog), Some((slot, Arc::new(root))), tables, pin))
}
