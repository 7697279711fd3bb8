//! The write transaction: what the next commit will be.
//!
//! It works on a copy of the space that the last commit left, so a rollback has nothing to undo: the copy is
//! dropped. Only pages that were free are written; a reader notices nothing until the superblock flips.

mod records;

use std::sync::Arc;

use bytes::Bytes;

use self::records::OpenPage;
use super::alloc::{RangeSet, Space};
use super::error::{PagerError, Result};
use super::heap::{SlotId, chain_payload};
use super::log::{self, Carried};
use super::metrics;
use super::page::{Extent, FIRST_DATA_PAGE, PageId, PageKind};
use super::snapshot::Snapshot;
use super::space::{SpaceTable, table_bytes};
use super::store::{Inner, Roots};
use super::superblock::{HAS_LOG, LOG_MARKED, Superblock};
use crate::sync::Mutex;

/// A file grows by this much at least, in bytes, so that not every commit changes its length.
const MIN_GROWTH_BYTES: u64 = 1 << 20;
/// A file grows by this part of its length at least.
const GROWTH_FRACTION: u64 = 16;
/// Bytes of zeros that are written at a time.
const ZERO_BYTES: u64 = 1 << 20;
/// Pages that addresses of slots can name.
const MAX_PAGES: u64 = 1 << 48;

/// The one running write transaction. Dropping it without a commit undoes it.
///
/// All methods but the last may be called from many threads at once.
pub struct WriteTxn {
    base: Option<Snapshot>,
    inner: Arc<Inner>,
    before: Superblock,
    state: Mutex<State>,
}

struct State {
    space: Space,
    /// Pages that this transaction allocated and still uses.
    fresh: RangeSet,
    /// Pages of earlier commits that this transaction gave up.
    freed: RangeSet,
    /// The heap page that records are added to.
    open: Option<OpenPage>,
    roots: Roots,
    /// The first frame of the log.
    carried: Option<Carried>,
    /// Whether records were deleted or added.
    changed: bool,
    /// The first failure. A transaction that missed a write cannot commit.
    failed: Option<PagerError>,
}

impl State {
    /// Keeps an error that left the transaction half changed.
    fn keep_failure<T>(&mut self, result: &Result<T>) {
        if let Err(error) = result {
            self.failed.get_or_insert_with(|| error.clone());
        }
    }
}

impl WriteTxn {
    pub(super) fn new(base: Snapshot, space: Space) -> Self {
        Self {
            inner: Arc::clone(base.inner()),
            before: *base.superblock(),
            state: Mutex::new(State {
                space,
                fresh: RangeSet::default(),
                freed: RangeSet::default(),
                open: None,
                roots: base.roots(),
                carried: None,
                changed: false,
                failed: None,
            }),
            base: Some(base),
        }
    }

    /// The number that the commit will have.
    pub fn sequence(&self) -> u64 {
        self.before.sequence + 1
    }

    /// The size of the file's pages in bytes.
    pub fn page_size(&self) -> u64 {
        self.inner.page_size as u64
    }

    /// The roots as set so far.
    pub fn roots(&self) -> Roots {
        self.state.lock().roots
    }

    /// Sets the roots that the commit will have.
    pub fn set_roots(&self, roots: Roots) {
        self.state.lock().roots = roots;
    }

    /// Allocates an extent for at least `bytes` bytes.
    ///
    /// # Errors
    /// `DiskFull`, or the failure that latched the file.
    pub fn alloc_extent(&self, bytes: u64) -> Result<Extent> {
        let pages = bytes.div_ceil(self.inner.page_size as u64).max(1);
        self.allocate(&mut self.state.lock(), pages)
    }

    /// Writes the beginning of an extent of this transaction.
    ///
    /// # Errors
    /// As for [`WriteTxn::write_extent_at`].
    pub fn write_extent(&self, extent: Extent, bytes: &[u8]) -> Result<()> {
        self.write_extent_at(extent, 0, bytes)
    }

    /// Writes some bytes of an extent of this transaction. What is not written is undefined. Threads may write
    /// at the same time.
    ///
    /// # Errors
    /// `Invalid` if the range does not belong to this transaction, `DiskFull`, or the failure that latched the
    /// file. After an error the transaction cannot be committed.
    pub fn write_extent_at(&self, extent: Extent, offset: u64, bytes: &[u8]) -> Result<()> {
        let room = extent.pages.saturating_mul(self.inner.page_size as u64);
        let fits = offset.checked_add(bytes.len() as u64).is_some_and(|end| end <= room);
        if !fits || !self.state.lock().fresh.contains(extent.start.0, extent.pages) {
            return Err(PagerError::Invalid(format!(
                "{} bytes at {offset} do not lie in an extent of this transaction ({extent})",
                bytes.len()
            )));
        }
        self.inner.writable()?;
        self.inner.file.write_all_at(self.inner.offset(extent.start) + offset, bytes).map_err(|error| {
            let error = self.failure("write to", error);
            self.state.lock().keep_failure(&Err::<(), _>(error.clone()));
            error
        })
    }

    /// Sees to it that the commit has a log of at least so many bytes, or, if that is 0, none. It is the one that was
    /// there if that is large enough.
    ///
    /// # Errors
    /// As for [`WriteTxn::write_extent_at`].
    pub fn set_log(&self, bytes: u64) -> Result<()> {
        let old = self.state.lock().roots.log;
        let enough = |log: Extent| {
            let is_marked = self.before.log != Some(log) || self.before.is_log_marked();
            is_marked && log.pages.saturating_mul(self.page_size()) >= bytes
        };
        if bytes > 0 && old.is_some_and(enough) {
            return Ok(());
        }
        self.replace_log(bytes)
    }

    /// As [`set_log`](WriteTxn::set_log), but the log is never the one that was there.
    ///
    /// # Errors
    /// As for [`WriteTxn::write_extent_at`].
    pub fn replace_log(&self, bytes: u64) -> Result<()> {
        let old = self.state.lock().roots.log;
        let log = if bytes > 0 { Some(self.alloc_extent(bytes)?) } else { None };
        if let Some(extent) = log {
            // Now, so that appending changes nothing about the file but these bytes.
            let zeros = vec![0; ZERO_BYTES.min(extent.pages * self.page_size()) as usize];
            let length = extent.pages * self.page_size();
            for at in (0..length).step_by(zeros.len()) {
                let part = &zeros[..zeros.len().min((length - at) as usize)];
                self.write_extent_at(extent, at, part)?;
            }
            self.write_extent(extent, &self.inner.log.first_mark(self.sequence()))?;
        }
        if let Some(old) = old {
            self.free_extent(old)?;
        }
        self.state.lock().roots.log = log;
        Ok(())
    }

    /// Makes a frame the first of the commit's log, which must be [another](WriteTxn::replace_log) than the one that was
    /// there: so what was staged since the transaction began need not be part of the commit. Returns whether there is
    /// room for it.
    ///
    /// # Errors
    /// As for [`WriteTxn::write_extent_at`].
    pub fn carry(&self, payload: &[u8]) -> Result<bool> {
        let log = self.roots().log.ok_or_else(|| PagerError::Invalid("there is no log".to_owned()))?;
        let (frame, carried) = self.inner.log.first_frame(self.sequence(), payload);
        let bytes = log.pages.saturating_mul(self.page_size());
        if !log::fits(payload.len(), bytes) {
            return Ok(false);
        }
        self.write_extent(log, &frame)?;
        let (at, note) = self.inner.log.first_note(self.sequence(), bytes, carried);
        self.write_extent_at(log, at, &note)?;
        self.state.lock().carried = Some(carried);
        Ok(true)
    }

    /// Makes what was written so far durable, so that the commit need not wait for it.
    ///
    /// # Errors
    /// The failure that latched the file.
    pub fn sync_ahead(&self) -> Result<()> {
        self.inner.writable()?;
        let timer = metrics::Timer::start();
        self.inner.file.sync().map_err(|error| {
            let error = PagerError::io("sync", &self.inner.name, error);
            self.inner.close_latch(&error);
            error
        })?;
        timer.synced("data");
        Ok(())
    }

    /// Cuts an extent of this transaction to the pages that `bytes` bytes take, and frees the others.
    ///
    /// # Errors
    /// `Invalid`, if the extent does not belong to this transaction or is shorter.
    pub fn shrink_extent(&self, extent: Extent, bytes: u64) -> Result<Extent> {
        let pages = bytes.div_ceil(self.inner.page_size as u64).max(1);
        let mut state = self.state.lock();
        if pages > extent.pages || !state.fresh.contains(extent.start.0, extent.pages) {
            return Err(PagerError::Invalid(format!("{extent} cannot be cut to {pages} pages")));
        }
        self.free(&mut state, extent.start.0 + pages, extent.pages - pages)?;
        Ok(Extent { start: extent.start, pages })
    }

    /// Gives up an extent of this transaction or of an earlier commit. Its pages are reused when no reader can
    /// see them any more.
    ///
    /// # Errors
    /// `Corrupt`, if some of its pages are free already or outside the file.
    pub fn free_extent(&self, extent: Extent) -> Result<()> {
        self.free(&mut self.state.lock(), extent.start.0, extent.pages)
    }

    /// Bytes of an extent, which may be of this transaction (then they are copied).
    ///
    /// # Errors
    /// `Corrupt` if the range lies outside the extent or the extent outside the file, or `Io`.
    pub fn read_extent_range(&self, extent: Extent, offset: u64, bytes: usize) -> Result<Bytes> {
        let fresh = self.state.lock().fresh.contains(extent.start.0, extent.pages) && extent.pages > 0;
        if !fresh {
            return self.base()?.read_extent_range(extent, offset, bytes);
        }
        let room = extent.pages.saturating_mul(self.inner.page_size as u64);
        if offset.checked_add(bytes as u64).is_none_or(|end| end > room) {
            return Err(PagerError::Invalid(format!("{bytes} bytes at {offset} do not lie in {extent}")));
        }
        self.inner.copy(self.inner.offset(extent.start) + offset, bytes)
    }

    /// From now on, takes pages from the beginning of the file, so that its end becomes free and can be cut.
    pub fn fill_from_start(&self) {
        self.state.lock().space.first_fit = true;
    }

    /// Whether the page of a record lies behind all that would be in use if there were no gaps.
    pub fn is_behind(&self, slot: SlotId) -> bool {
        let state = self.state.lock();
        let unused = state.space.free.pages() + state.space.pending_pages() + state.freed.pages();
        slot.page().0 + unused > state.space.end
    }

    /// Number of pages of the file that are free now or will be when readers leave.
    pub fn free_pages(&self) -> u64 {
        let state = self.state.lock();
        state.space.free.pages() + state.space.pending_pages() + state.freed.pages()
    }

    /// Makes everything durable, as the next commit, and returns it pinned.
    ///
    /// 1. Write all that is not written: the last heap page, then the new free-space table.
    /// 2. Sync. Everything that the new superblock refers to is durable, and so is the file's length.
    /// 3. Write the superblock with the next sequence into the *other* slot, durably. This is the commit.
    /// 4. Publish it to new readers of this process.
    /// 5. Only now, give back what this and earlier commits freed, as far as no reader sees it; cut the file's
    ///    tail if much of it is free.
    ///
    /// # Errors
    /// An error up to step 2 leaves the last commit in place, and the transaction is undone. After a failure in
    /// step 2 or 3 it is not known which of the two commits the file holds; it opens as one of them, and nothing
    /// more is written until then.
    pub fn commit(mut self) -> Result<Snapshot> {
        let inner = Arc::clone(&self.inner);
        let sequence = self.sequence();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if let Some(error) = &state.failed {
            return Err(error.clone());
        }
        inner.writable()?;
        let unchanged = !state.changed
            && state.fresh.is_empty()
            && state.freed.is_empty()
            && state.roots == (Roots { catalog: self.before.catalog_root, log: self.before.log });
        if unchanged {
            return Ok(self.base()?.clone());
        }
        if sequence == u64::MAX {
            return Err(PagerError::Invalid("the file has seen all the commits it can".to_owned()));
        }

        if !inner.log.is_settled() {
            return Err(PagerError::Invalid("commits are on their way to the log".to_owned()));
        }

        // 1.
        self.close_heap_page(state)?;
        let (table, page_count) = self.write_space_table(state)?;
        // 2.
        let latching = |error| {
            let error = PagerError::io("sync", &inner.name, error);
            inner.close_latch(&error);
            error
        };
        inner.rewrite_superblock(&self.before).map_err(|error| self.failure("write to", error))?;
        let timer = metrics::Timer::start();
        inner.file.sync().map_err(latching)?;
        timer.synced("data");
        // 3.
        let is_new_log = state.roots.log.is_some() && state.roots.log != self.before.log;
        let of_log = match state.roots.log {
            None => 0,
            Some(_) if is_new_log => HAS_LOG | LOG_MARKED,
            Some(_) => self.before.incompatible & (HAS_LOG | LOG_MARKED),
        };
        let superblock = Superblock {
            sequence,
            page_count,
            catalog_root: state.roots.catalog,
            log: state.roots.log,
            incompatible: (self.before.incompatible & !(HAS_LOG | LOG_MARKED)) | of_log,
            space_root: table.first().map(|page| PageId(*page)),
            space_pages: table.len() as u64,
            ..self.before
        };
        if let Some(peers) = inner.file.peers() {
            // Before the superblock can be seen: what of its log goes with it. All of the log before is durable.
            peers.announce(sequence, u64::from(state.carried.is_some()));
        }
        let timer = metrics::Timer::start();
        inner
            .file
            .write_durable(superblock.slot() * inner.page_size as u64, &superblock.to_bytes())
            .map_err(latching)?;
        timer.synced("superblock");
        metrics::superblock_written();
        // Who reads the log of the commit before, because this superblock was damaged, must learn that it goes on.
        if is_new_log {
            inner.log.mark_end(&inner, sequence);
        }
        // 4.
        let snapshot = inner.publish(superblock, state.carried.take());
        // 5.
        let mut space = std::mem::take(&mut state.space);
        space.first_fit = false;
        space.table = table;
        let freed = std::mem::take(&mut state.freed);
        if !freed.is_empty() {
            space.pending.insert(sequence, freed);
        }
        drop(guard);
        self.base = None;
        inner.release(&mut space);
        let slack = growth_pages(space.end, inner.page_size);
        let tail = space.free.start_of_tail(space.end).map_or(0, |start| space.end - start);
        let whole = space.end;
        if tail > slack
            && space.cut(page_count)
            && inner.file.set_size(inner.offset(PageId(space.end))).is_err()
        {
            // The commit stands. The file only stays as long as it was.
            space.grow(whole);
        }
        *inner.space.lock() = Some(space);
        Ok(snapshot)
    }

    /// Undoes the transaction, as dropping it does.
    pub fn rollback(self) {
        drop(self);
    }

    fn base(&self) -> Result<&Snapshot> {
        self.base.as_ref().ok_or_else(|| PagerError::Invalid("the transaction is over".to_owned()))
    }

    /// Names a failed write. Running out of space costs the transaction; anything else, all trust in the file.
    fn failure(&self, operation: &'static str, error: std::io::Error) -> PagerError {
        let error = PagerError::io(operation, &self.inner.name, error);
        if !matches!(error, PagerError::DiskFull(_)) {
            self.inner.close_latch(&error);
        }
        error
    }

    fn allocate(&self, state: &mut State, pages: u64) -> Result<Extent> {
        let extent = match state.space.allocate(pages) {
            Some(extent) => extent,
            None => {
                self.grow(&mut state.space, pages)?;
                state
                    .space
                    .allocate(pages)
                    .ok_or_else(|| PagerError::Invalid("a grown file has no space".to_owned()))?
            }
        };
        if !state.fresh.insert(extent.start.0, extent.pages) {
            return Err(PagerError::corrupt_page(extent.start, "allocated twice"));
        }
        Ok(extent)
    }

    fn grow(&self, space: &mut Space, pages: u64) -> Result<()> {
        self.inner.writable()?;
        let missing = space.missing(pages);
        let page_size = self.inner.page_size as u64;
        let room = MAX_PAGES.min(i64::MAX as u64 / page_size) - space.end;
        if missing > room {
            return Err(PagerError::DiskFull(Arc::clone(&self.inner.name)));
        }
        let wanted = missing.max(growth_pages(space.end, self.inner.page_size)).min(room);
        let mut end = space.end + wanted;
        let mut grown = self.inner.file.allocate(end * page_size);
        if grown.is_err() && wanted > missing {
            // A nearly full disk may still hold what is needed now.
            end = space.end + missing;
            grown = self.inner.file.allocate(end * page_size);
        }
        grown.map_err(|error| self.failure("extend", error))?;
        space.grow(end);
        Ok(())
    }

    fn free(&self, state: &mut State, start: u64, pages: u64) -> Result<()> {
        if pages == 0 {
            return Ok(());
        }
        if state.fresh.remove(start, pages) {
            // Nobody else has seen these pages, and this transaction reads copies.
            let free = state.space.free.insert(start, pages);
            debug_assert!(free, "fresh pages were free");
            return Ok(());
        }
        let inside = start >= FIRST_DATA_PAGE
            && start.checked_add(pages).is_some_and(|end| end <= self.before.page_count);
        if !inside
            || state.fresh.overlaps(start, pages)
            || state.space.is_unused(start, pages)
            || !state.freed.insert(start, pages)
        {
            return Err(PagerError::corrupt_page(
                PageId(start),
                format!("{pages} pages are freed that are not in use"),
            ));
        }
        Ok(())
    }

    /// A page as this transaction sees it, whole and unchecked.
    fn page(&self, state: &State, page: PageId) -> Result<Bytes> {
        if state.fresh.contains(page.0, 1) {
            return self.inner.copy(self.inner.offset(page), self.inner.page_size);
        }
        self.inner.read_page(page, &self.before)
    }

    fn write_page(&self, page: PageId, bytes: &[u8]) -> Result<()> {
        self.inner.writable()?;
        self.inner
            .file
            .write_all_at(self.inner.offset(page), bytes)
            .map_err(|error| self.failure("write to", error))
    }

    /// Writes the free-space table of the new commit. Returns its pages and the commit's page count.
    ///
    /// The table lists the space that is left after its own pages are taken. Taking pages never adds a range, except
    /// for the one that growing the file adds, so its length is bounded before; what is too much stays zero.
    fn write_space_table(&self, state: &mut State) -> Result<(Vec<u64>, u64)> {
        for page in std::mem::take(&mut state.space.table) {
            self.free(state, page, 1)?;
        }
        let ranges = state.space.free.ranges()
            + state.space.pending.values().map(RangeSet::ranges).sum::<usize>()
            + state.freed.ranges();
        let mut chain = Vec::new();
        if ranges + state.space.sparse.len() > 0 {
            let bytes = table_bytes(ranges + 1, state.space.sparse.values());
            for _ in 0..bytes.div_ceil(chain_payload(self.inner.page_size)) {
                chain.push(self.allocate(state, 1)?.start);
            }
        }
        // The commit ends with its last live page.
        let mut unused = state.space.free.clone();
        for (start, pages) in state.space.pending.values().chain([&state.freed]).flat_map(RangeSet::iter) {
            if !unused.insert(start, pages) {
                return Err(PagerError::corrupt_page(PageId(start), "free twice"));
            }
        }
        let page_count = unused.start_of_tail(state.space.end).unwrap_or(state.space.end);
        let table = SpaceTable::of(&state.space, &state.freed, self.sequence(), page_count);
        self.fill_chain(&chain, PageKind::Space, &table.to_bytes())?;
        Ok((chain.into_iter().map(|page| page.0).collect(), page_count))
    }
}

impl Inner {
    /// A copy of bytes that may not be committed yet.
    fn copy(&self, offset: u64, bytes: usize) -> Result<Bytes> {
        let mut buffer = vec![0; bytes];
        self.file.read_at(offset, &mut buffer).map_err(|error| PagerError::io("read", &self.name, error))?;
        Ok(super::memory_file::aligned_copy(offset, &buffer))
    }
}

impl Drop for WriteTxn {
    fn drop(&mut self) {
        // After a commit the transaction's copy of the space is gone already. After a rollback only the growth of
        // the file is left of it.
        let end = self.state.get_mut().space.end;
        if let Some(space) = &mut *self.inner.space.lock() {
            space.grow(end);
        }
        self.base = None;
        self.inner.end_write();
    }
}

impl std::fmt::Debug for WriteTxn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("WriteTxn").field("sequence", &self.sequence()).finish_non_exhaustive()
    }
}

fn growth_pages(end: u64, page_size: usize) -> u64 {
    (MIN_GROWTH_BYTES / page_size as u64).max(end / GROWTH_FRACTION)
}
