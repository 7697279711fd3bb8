//! The open file: its current commit, its readers, and how bytes are read from it.
//!
//! Invariants:
//! 1. A page that the current commit or a pinned one refers to is never written.
//! 2. A page is not reused while a slice of the mapping still shows it, even if its reader is gone (`held`).
//! 3. After the first failed write or sync nothing is written any more (`latch`).
//!
//! Lock order: `space`, then `current`, then `held`. `latch` is taken alone or within the log's.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::alloc::{RangeSet, Space};
use super::create::{create, is_unfinished_creation, random_id, random_salt};
use super::error::{PagerError, Result};
use super::file::{Announced, File, Peers};
use super::heap::SlotId;
use super::log::{Carried, Log};
use super::memory_file::MemoryFile;
use super::os_file::{self, Access, OsFile};
use super::page::{DEFAULT_PAGE_SIZE, Extent, FIRST_DATA_PAGE, PageId};
use super::record::read_space_table;
use super::snapshot::{HeldSlice, Snapshot};
use super::superblock::{Slots, Superblock};
use super::txn::WriteTxn;
use crate::sync::{Condvar, Mutex};

/// How to open a file.
#[derive(Debug, Clone)]
pub struct Options {
    /// Open for reading only; the file is never written. Default: no.
    pub read_only: bool,
    /// Make the file if there is none. Default: yes.
    pub create: bool,
    /// Size of the pages of a new file in bytes: a power of two from 4,096 to 65,536. A file that exists keeps
    /// its own. Default: 16,384.
    pub page_size: u32,
    /// Read through a mapping of the file. Default: yes. Without, everything that is read is copied.
    pub mapped: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { read_only: false, create: true, page_size: DEFAULT_PAGE_SIZE, mapped: true }
    }
}

/// The roots that the upper layers keep in the superblock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roots {
    /// The record from which everything else is found.
    pub catalog: Option<SlotId>,
    /// The extent of the write-ahead log. A commit makes it empty: what it held is part of the commit.
    pub log: Option<Extent>,
}

/// An open file of pages. Cheap to clone; the file closes with the last clone, snapshot and slice.
#[derive(Debug, Clone)]
pub struct Pager {
    pub(super) inner: Arc<Inner>,
}

/// What another process has committed.
#[derive(Debug)]
pub enum News {
    /// Nothing.
    Nothing,
    /// Frames of the log, by their payloads.
    Frames(Vec<Bytes>),
    /// A superblock; its log is yet to be read.
    Superblock,
}

pub(super) struct Inner {
    pub(super) file: Arc<dyn File>,
    pub(super) name: Arc<str>,
    pub(super) page_size: usize,
    pub(super) read_only: bool,
    /// Another process may be writing.
    pub(super) follows: bool,
    pub(super) current: Mutex<Current>,
    /// Page ranges that a slice of the mapping shows, with the number of slices.
    pub(super) held: Mutex<HashMap<(u64, u64), usize>>,
    /// Read with the first write.
    pub(super) space: Mutex<Option<Space>>,
    /// Whether a transaction runs.
    writing: Mutex<bool>,
    written: Condvar,
    latch: Mutex<Option<PagerError>>,
    pub(super) log: Log,
    /// The superblock that was found was written again, or another one since.
    sure: AtomicBool,
    /// What became of a superblock that may have been the last.
    lost: Option<String>,
}

pub(super) struct Current {
    superblock: Superblock,
    /// Number of snapshots by sequence.
    pub(super) pins: BTreeMap<u64, usize>,
    /// The oldest commit that is looked at, as a writer in another process was told it.
    told: u64,
}

impl Pager {
    /// Opens the file at `path`, or makes it.
    ///
    /// # Errors
    /// What keeps the file from being opened, by name; `Corrupt` if it is damaged where opening must read it.
    pub fn open(path: &Path, options: &Options) -> Result<Self> {
        let access = match (options.read_only, options.create) {
            (true, _) => Access::Read,
            (false, true) => Access::Create,
            (false, false) => Access::Write,
        };
        let file = os_file::open(path, access, options.mapped)?;
        let opened = Self::open_file(Arc::<OsFile>::clone(&file), options).and_then(|pager| {
            if file.created().is_some() {
                OsFile::sync_directory(path)?;
            }
            Ok(pager)
        });
        if opened.is_err()
            && let Some(path) = file.created()
        {
            // Nothing is left of what could not be made. It is still locked, so it is nobody else's.
            let _ = std::fs::remove_file(path);
        }
        opened
    }

    /// A new file in memory.
    ///
    /// # Errors
    /// `Invalid` for an impossible page size.
    pub fn memory(options: &Options) -> Result<Self> {
        Self::open_file(Arc::new(MemoryFile::new()), options)
    }

    /// Opens a file of any kind. An empty one becomes a new database, unless it is opened for reading only.
    ///
    /// # Errors
    /// As for [`Pager::open`].
    pub fn open_file(file: Arc<dyn File>, options: &Options) -> Result<Self> {
        let name: Arc<str> = file.name().into();
        let size = file.size().map_err(|error| PagerError::io("read", &name, error))?;
        // Whatever a writer commits while this looks: what it can see is not used again.
        let follows = options.read_only && file.peers().is_some_and(Peers::follows);
        let mut slots = Slots::read(&*file)?;
        if !options.read_only && is_unfinished_creation(&*file, size, &slots)? {
            create(&*file, options.page_size, random_id())?;
            slots = Slots::read(&*file)?;
        }
        let mut superblock = slots.clone().choose(&name)?;
        // A writer in another process may be writing one just now.
        for _ in 0..5 {
            if !follows || slots.lost(&superblock).is_none() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
            slots = Slots::read(&*file)?;
            superblock = slots.clone().choose(&name)?;
        }
        let lost = slots.lost(&superblock);
        let size = file.size().map_err(|error| PagerError::io("read", &name, error))?;
        let needed = superblock.page_count * u64::from(superblock.page_size);
        if size < needed {
            return Err(PagerError::corrupt(format!(
                "'{name}' is truncated: it has {size} bytes where its superblock says {needed}"
            )));
        }
        let pager = Self {
            inner: Arc::new(Inner {
                file,
                name,
                page_size: superblock.page_size as usize,
                read_only: options.read_only,
                follows,
                current: Mutex::new(Current { superblock, pins: BTreeMap::new(), told: 0 }),
                held: Mutex::default(),
                space: Mutex::new(None),
                writing: Mutex::new(false),
                written: Condvar::new(),
                latch: Mutex::new(None),
                log: Log::new(&superblock, random_salt()),
                sure: AtomicBool::new(false),
                lost,
            }),
        };
        let mut current = pager.inner.current.lock();
        pager.inner.tell(&mut current);
        drop(current);
        Ok(pager)
    }

    /// Size of the file's pages, in bytes.
    pub fn page_size(&self) -> usize {
        self.inner.page_size
    }

    /// Whether the file was opened for reading only.
    pub fn is_read_only(&self) -> bool {
        self.inner.read_only
    }

    /// Fails if nothing is written any more.
    ///
    /// # Errors
    /// `ReadOnly` or `Latched`.
    pub fn check_writable(&self) -> Result<()> {
        self.inner.writable()
    }

    /// Why this may not be the last commit, if a superblock is damaged.
    pub fn lost_commit(&self) -> Option<&str> {
        self.inner.lost.as_deref()
    }

    /// Writes nothing any more, because the file is damaged.
    pub fn stop_writing(&self, damage: &str) {
        self.inner.close_latch(&PagerError::corrupt(damage));
    }

    /// Whether another process may be writing to the file.
    pub fn follows(&self) -> bool {
        self.inner.follows
    }

    /// What a writer in another process has committed since this was opened, or since this was called last. What is new
    /// is the current commit afterwards.
    ///
    /// # Errors
    /// `Io`, or `Corrupt` if there is no valid superblock any more.
    pub fn follow(&self) -> Result<News> {
        let inner = &self.inner;
        if !inner.follows {
            return Ok(News::Nothing);
        }
        // The superblock before what is announced: so what is announced is never about an earlier one.
        let superblock = Slots::read(&*inner.file)?.choose(&inner.name)?;
        let announced = inner.file.peers().map_or(Announced::NoWriter, Peers::announced);
        let known = inner.current.lock().superblock.sequence;
        if superblock.sequence > known {
            inner.publish(superblock, None);
            return Ok(News::Superblock);
        }
        let payloads = inner.log.read_more(inner, announced.frames_of(known))?;
        Ok(if payloads.is_empty() { News::Nothing } else { News::Frames(payloads) })
    }

    /// The file's name: its path, or `:memory:`.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The file's random identity.
    pub fn database_id(&self) -> [u8; 16] {
        self.inner.current.lock().superblock.database_id
    }

    /// The file's length in bytes, space that is free or allocated ahead included.
    ///
    /// # Errors
    /// `Io`, if the system does not tell.
    pub fn file_bytes(&self) -> Result<u64> {
        self.inner.file.size().map_err(|error| PagerError::io("read", &self.inner.name, error))
    }

    /// A look at the file from outside, as it is now.
    ///
    /// # Errors
    /// `Io`, if the file cannot be read.
    pub fn inspect(&self) -> Result<super::inspect::Inspection> {
        super::inspect::Inspection::of_file(Arc::clone(&self.inner.file), Some(self.inner.page_size as u32))
    }

    /// The commits that snapshots still show, each with the number of its snapshots.
    pub fn pinned(&self) -> Vec<(u64, usize)> {
        self.inner.current.lock().pins.iter().map(|(sequence, count)| (*sequence, *count)).collect()
    }

    /// The last commit, pinned.
    pub fn snapshot(&self) -> Snapshot {
        Inner::pin(&self.inner)
    }

    /// Begins the one write transaction. Waits while another runs.
    ///
    /// # Errors
    /// `ReadOnly`, `Latched`, or what reading the free-space table meets.
    pub fn begin_write(&self) -> Result<WriteTxn> {
        self.inner.writable()?;
        let mut writing = self.inner.writing.lock();
        while *writing {
            self.inner.written.wait(&mut writing);
        }
        *writing = true;
        drop(writing);
        self.start()
    }

    /// Begins the write transaction, or returns `None` if another runs.
    ///
    /// # Errors
    /// As for [`Pager::begin_write`].
    pub fn try_begin_write(&self) -> Result<Option<WriteTxn>> {
        self.inner.writable()?;
        if std::mem::replace(&mut *self.inner.writing.lock(), true) {
            return Ok(None);
        }
        self.start().map(Some)
    }

    fn start(&self) -> Result<WriteTxn> {
        // The latch may have closed while this waited.
        let begun = self.inner.writable().and_then(|()| {
            let mut space = self.inner.space.lock();
            let mut known = match space.take() {
                Some(known) => known,
                None => self.inner.load_space()?,
            };
            self.inner.release(&mut known);
            let copy = known.clone();
            *space = Some(known);
            Ok(copy)
        });
        match begun {
            Ok(space) => Ok(WriteTxn::new(Inner::pin(&self.inner), space)),
            Err(error) => {
                self.inner.end_write();
                Err(error)
            }
        }
    }
}

impl Inner {
    pub(super) fn pin(self: &Arc<Self>) -> Snapshot {
        let mut current = self.current.lock();
        let superblock = current.superblock;
        *current.pins.entry(superblock.sequence).or_insert(0) += 1;
        self.tell(&mut current);
        Snapshot { inner: Arc::clone(self), superblock }
    }

    /// Tells a writer in another process which commits are not looked at any more.
    pub(super) fn tell(&self, current: &mut Current) {
        if !self.follows {
            return;
        }
        let oldest = current.pins.keys().next().copied().unwrap_or(current.superblock.sequence);
        // If it cannot be told it keeps more than it needs to.
        if oldest != current.told && self.file.peers().is_some_and(|peers| peers.pin(oldest).is_ok()) {
            current.told = oldest;
        }
    }

    /// The oldest commit before `sequence` that a reader in another process may look at.
    pub(super) fn pinned_elsewhere(&self, sequence: u64) -> Option<u64> {
        self.file.peers()?.oldest_pinned().filter(|oldest| *oldest < sequence)
    }

    /// Makes a commit the current one and pins it.
    pub(super) fn publish(self: &Arc<Self>, superblock: Superblock, carried: Option<Carried>) -> Snapshot {
        self.log.restart(&superblock, carried);
        let mut current = self.current.lock();
        current.superblock = superblock;
        *current.pins.entry(superblock.sequence).or_insert(0) += 1;
        Snapshot { inner: Arc::clone(self), superblock }
    }

    /// Writes the superblock that was found when the file was opened again, before something follows it: whoever wrote it
    /// may have failed to make it durable, and then no sync does. The sync is the caller's.
    pub(super) fn rewrite_superblock(&self, superblock: &Superblock) -> std::io::Result<()> {
        if !self.sure.load(Ordering::Relaxed) {
            let offset = superblock.slot() * self.page_size as u64;
            self.file.write_all_at(offset, &superblock.to_bytes())?;
            self.sure.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Lets the next writer in.
    pub(super) fn end_write(&self) {
        *self.writing.lock() = false;
        self.written.notify_one();
    }

    /// Whether writing is still possible.
    pub(super) fn writable(&self) -> Result<()> {
        if self.read_only {
            return Err(PagerError::ReadOnly(Arc::clone(&self.name)));
        }
        match &*self.latch.lock() {
            Some(first) => Err(PagerError::Latched(Box::new(first.clone()))),
            // What would be written may come of what was read.
            None => self.readable(),
        }
    }

    /// Whether what was read is right.
    pub(super) fn readable(&self) -> Result<()> {
        self.file.check().map_err(|error| PagerError::io("read", &self.name, error))
    }

    /// Closes the latch: no write of this file is trusted any more.
    pub(super) fn close_latch(&self, error: &PagerError) {
        self.latch.lock().get_or_insert_with(|| error.clone());
    }

    fn is_latched(&self) -> bool {
        self.latch.lock().is_some()
    }

    pub(super) fn offset(&self, page: PageId) -> u64 {
        page.0 * self.page_size as u64
    }

    /// The one function that reads committed bytes: `bytes` of them, from `offset` within `extent`.
    ///
    /// The slice keeps the pages from being reused, so it outlives the snapshot safely.
    pub(super) fn read(
        self: &Arc<Self>,
        extent: Extent,
        view: &Superblock,
        offset: u64,
        bytes: usize,
    ) -> Result<Bytes> {
        let page_count = view.page_count;
        let inside = extent.start.0 >= FIRST_DATA_PAGE
            && extent.pages > 0
            && extent.start.0.checked_add(extent.pages).is_some_and(|end| end <= page_count);
        if !inside {
            return Err(PagerError::corrupt_page(
                extent.start,
                format!("a reference to {extent} leads outside the file, which has {page_count} pages"),
            ));
        }
        let room = extent.pages * self.page_size as u64;
        if offset.checked_add(bytes as u64).is_none_or(|end| end > room) {
            return Err(PagerError::corrupt_page(
                extent.start,
                format!("a reference to {bytes} bytes at {offset} leads outside {extent}"),
            ));
        }
        let from_file = || {
            self.file.read(self.offset(extent.start) + offset, bytes).map_err(|error| {
                if error.kind() == std::io::ErrorKind::UnexpectedEof && self.file.check().is_ok() {
                    PagerError::corrupt_page(extent.start, format!("'{}' was truncated: {error}", self.name))
                } else {
                    PagerError::io("read", &self.name, error)
                }
            })
        };
        if self.file.reads_are_copies() {
            return from_file();
        }
        let key = (extent.start.0, extent.pages);
        *self.held.lock().entry(key).or_insert(0) += 1;
        // A writer in another process knows of commits only.
        let pin = self.follows.then(|| {
            *self.current.lock().pins.entry(view.sequence).or_insert(0) += 1;
            Snapshot { inner: Arc::clone(self), superblock: *view }
        });
        let mut slice = HeldSlice { inner: Arc::clone(self), key, _pin: pin, bytes: Bytes::new() };
        slice.bytes = from_file()?;
        Ok(Bytes::from_owner(slice))
    }

    /// A committed page with a header, whole. The caller checks it.
    pub(super) fn read_page(self: &Arc<Self>, page: PageId, view: &Superblock) -> Result<Bytes> {
        self.read(Extent { start: page, pages: 1 }, view, 0, self.page_size)
    }

    /// Reads the free-space table of the last commit.
    fn load_space(self: &Arc<Self>) -> Result<Space> {
        let superblock = self.current.lock().superblock;
        let (table, pages) = read_space_table(&superblock, |page| self.read_page(page, &superblock))?;
        let oldest = self.pinned_elsewhere(superblock.sequence);
        let mut space = table.into_space(superblock.page_count, pages, oldest)?;
        // What was allocated ahead and never used, or left behind by a killed writer, is free. But a reader of an earlier
        // commit in another process may still see what has been freed at the end of the file.
        let size = self.file.size().map_err(|error| PagerError::io("read", &self.name, error))?;
        let (known, end) = (space.end, size / self.page_size as u64);
        if oldest.is_some() && end > known {
            let pending = space.pending.entry(superblock.sequence).or_default();
            let fits = pending.insert(known, end - known);
            debug_assert!(fits, "pages past the end of the commit were known");
            space.end = end;
        }
        space.grow(end);
        Ok(space)
    }

    /// Moves pending space to the free set as far as no reader can see it any more.
    pub(super) fn release(&self, space: &mut Space) {
        let oldest = {
            let current = self.current.lock();
            current.pins.keys().next().copied().unwrap_or(current.superblock.sequence)
        };
        if space.pending.range(..=oldest).next().is_none() {
            return;
        }
        let oldest = self.pinned_elsewhere(oldest).unwrap_or(oldest);
        // Pins are looked at before slices: a reader takes its slice while its pin is there.
        let mut slices: Vec<(u64, u64)> = self.held.lock().keys().copied().collect();
        slices.sort_unstable();
        let mut shown = RangeSet::default();
        let mut known = 0;
        for (start, pages) in slices {
            let (from, to) = (start.max(known), start + pages);
            if from < to {
                let new = shown.insert(from, to - from);
                debug_assert!(new, "ranges in order, without what they share");
                known = to;
            }
        }
        let later = space.pending.split_off(&(oldest + 1));
        let seen = std::mem::replace(&mut space.pending, later);
        for (sequence, set) in seen {
            let mut kept = RangeSet::default();
            for (start, pages) in set.iter() {
                let fits = if shown.overlaps(start, pages) {
                    kept.insert(start, pages)
                } else {
                    self.file.discard(start * self.page_size as u64, pages * self.page_size as u64);
                    space.free.insert(start, pages)
                };
                debug_assert!(fits, "space was free and pending at once");
            }
            if !kept.is_empty() {
                space.pending.insert(sequence, kept);
            }
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pager")
            .field("file", &self.file)
            .field("page_size", &self.page_size)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What was allocated ahead is given back. If that fails the file is longer than it need be, no more. A superblock
        // that was only found may not be durable, and the one that then rules may need what lies behind.
        let superblock = self.current.get_mut().superblock;
        let bytes = superblock.page_count * self.page_size as u64;
        let seen = self.pinned_elsewhere(superblock.sequence).is_some();
        let may_cut = !self.read_only && !seen && !self.is_latched() && self.sure.load(Ordering::Relaxed);
        if may_cut && self.file.size().is_ok_and(|size| size > bytes) {
            let _ = self.file.set_size(bytes);
        }
    }
}
