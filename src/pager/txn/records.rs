//! Records of a write transaction: short ones in heap pages, long ones in chains of pages of their own.

use bytes::Bytes;

use super::{State, WriteTxn};
use crate::pager::alloc::SparsePage;
use crate::pager::error::{PagerError, Result};
use crate::pager::heap::{
    HEAP_HEADER_BYTES, HeapPage, HeapPageBuilder, MAX_RECORD_BYTES, SLOT_BYTES, STUB_BYTES, Slot, SlotId,
    chain_payload, chained_page, inline_capacity,
};
use crate::pager::memory_file::aligned_copy;
use crate::pager::page::{PageHeader, PageId, PageKind, checksum};
use crate::pager::record::{check_sequence, read_chained, read_record};

/// The heap page that is being filled.
pub(super) struct OpenPage {
    builder: HeapPageBuilder,
    dead: Vec<u16>,
    dead_bytes: usize,
}

impl WriteTxn {
    /// Adds a record. Its address is good from now on, and for as long as the record lives.
    ///
    /// # Errors
    /// `Invalid` for a record longer than [`MAX_RECORD_BYTES`], `DiskFull`, or the failure that latched the file.
    pub fn heap_insert(&self, record: &[u8]) -> Result<SlotId> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(PagerError::Invalid(format!(
                "a record of {} bytes is longer than {MAX_RECORD_BYTES} bytes",
                record.len()
            )));
        }
        let mut state = self.state.lock();
        let inserted = self.insert(&mut state, record);
        // What was allocated on the way has no owner, so this must not be committed.
        state.keep_failure(&inserted);
        inserted
    }

    fn insert(&self, state: &mut State, record: &[u8]) -> Result<SlotId> {
        let page_size = self.inner.page_size;
        let chained = record.len() > inline_capacity(page_size);
        let here = if chained { STUB_BYTES } else { record.len() };
        if state.open.as_ref().is_some_and(|open| !open.builder.fits(here)) {
            self.close_heap_page(state)?;
        }
        let chain = if chained {
            let pages = self.write_overflow(state, record)?;
            pages.first().map(|first| (*first, pages.len() as u32))
        } else {
            None
        };
        if state.open.is_none() {
            let page = self.allocate(state, 1)?.start;
            let builder = HeapPageBuilder::new(page, page_size);
            state.open = Some(OpenPage { builder, dead: Vec::new(), dead_bytes: 0 });
        }
        let Some(open) = &mut state.open else {
            return Err(PagerError::Invalid("no heap page".to_owned()));
        };
        let slot = match chain {
            Some((first, pages)) => open.builder.push_stub(first, pages, checksum(record), record.len()),
            None => open.builder.push(record),
        };
        let slot = SlotId::new(open.builder.page, slot)?;
        state.changed = true;
        Ok(slot)
    }

    /// A record of this transaction or of an earlier commit.
    ///
    /// # Errors
    /// `Corrupt` or `Io`.
    pub fn heap_get(&self, slot: SlotId) -> Result<Bytes> {
        let state = self.state.lock();
        let page_size = self.inner.page_size;
        let end = state.space.end;
        let read = |page| self.page(&state, page);
        if let Some(open) = state.open.as_ref().filter(|open| open.builder.page == slot.page()) {
            let page = open.builder.view(self.sequence())?;
            return match page.slot(slot.slot())? {
                Slot::Inline { .. } => Ok(aligned_copy(0, page.bytes_of(slot.slot())?)),
                chained @ Slot::Chained { .. } => {
                    read_chained(chained, slot, self.sequence(), page_size, end, read, |_| ())
                }
            };
        }
        read_record(slot, self.sequence(), page_size, end, read)
    }

    /// Deletes a record. Its page is freed with its last record.
    ///
    /// # Errors
    /// `Corrupt`, if there is no such record or it was deleted before, or `Io`.
    pub fn heap_delete(&self, slot: SlotId) -> Result<()> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let number = slot.slot();
        let twice = || PagerError::corrupt_page(slot.page(), format!("slot {number} is deleted twice"));
        if let Some(open) = state.open.as_ref().filter(|open| open.builder.page == slot.page()) {
            let Err(at) = open.dead.binary_search(&number) else { return Err(twice()) };
            let record = open.builder.view(self.before.sequence + 1)?.slot(number)?;
            let dead_bytes = record.bytes_in_page();
            let chain = self.chain_pages(state, record, slot)?;
            if let Some(open) = &mut state.open {
                open.dead.insert(at, number);
                open.dead_bytes += dead_bytes;
            }
            state.changed = true;
            let freed = chain.into_iter().try_for_each(|page| self.free(state, page, 1));
            state.keep_failure(&freed);
            return freed;
        }
        let bytes = self.page(state, slot.page())?;
        let page = HeapPage::parse(&bytes, slot.page())?;
        check_sequence(page.header, self.sequence())?;
        let record = page.slot(number)?;
        if state.space.is_unused(slot.page().0, 1) || state.freed.contains(slot.page().0, 1) {
            return Err(PagerError::corrupt_page(slot.page(), format!("slot {number} lies in a free page")));
        }
        let known = match state.space.sparse.get(&slot.page().0) {
            Some(known) if known.slots != page.slots() => {
                return Err(PagerError::corrupt_page(
                    slot.page(),
                    format!("{} slots where the free-space table says {}", page.slots(), known.slots),
                ));
            }
            Some(known) => known.clone(),
            None => {
                let used = bytes.len() - page.records_start() + usize::from(page.slots()) * SLOT_BYTES;
                SparsePage { slots: page.slots(), live_bytes: used as u32, dead: Vec::new() }
            }
        };
        let Err(at) = known.dead.binary_search(&number) else { return Err(twice()) };
        let mut gone = self.chain_pages(state, record, slot)?;
        state.changed = true;
        if known.dead.len() + 1 == usize::from(known.slots) {
            state.space.sparse.remove(&slot.page().0);
            gone.push(slot.page().0);
        } else {
            let mut known = known;
            known.dead.insert(at, number);
            known.live_bytes = known.live_bytes.saturating_sub(record.bytes_in_page() as u32);
            state.space.sparse.insert(slot.page().0, known);
        }
        let freed = gone.into_iter().try_for_each(|page| self.free(state, page, 1));
        state.keep_failure(&freed);
        freed
    }

    /// Whether the page of a record is at least half empty or dead, so that inserting the record anew and deleting
    /// the old one would gain space once all its neighbours do the same.
    pub fn is_sparse(&self, slot: SlotId) -> bool {
        let state = self.state.lock();
        let half = ((self.inner.page_size - HEAP_HEADER_BYTES) / 2) as u32;
        state.space.sparse.get(&slot.page().0).is_some_and(|known| known.live_bytes < half)
    }

    /// The overflow pages of a record, all read and checked.
    fn chain_pages(&self, state: &State, record: Slot, slot: SlotId) -> Result<Vec<u64>> {
        let mut pages = Vec::new();
        read_chained(
            record,
            slot,
            self.sequence(),
            self.inner.page_size,
            state.space.end,
            |page| self.page(state, page),
            |page| pages.push(page.0),
        )?;
        Ok(pages)
    }

    /// Writes the heap page that was being filled, unless all of it is dead already.
    pub(super) fn close_heap_page(&self, state: &mut State) -> Result<()> {
        let Some(open) = state.open.take() else { return Ok(()) };
        let (page, slots) = (open.builder.page, open.builder.slots());
        if open.dead.len() == usize::from(slots) {
            return self.free(state, page.0, 1);
        }
        let live_bytes = open.builder.used_bytes() - open.dead_bytes;
        if !open.dead.is_empty() || live_bytes < (self.inner.page_size - HEAP_HEADER_BYTES) / 2 {
            let known = SparsePage { slots, live_bytes: live_bytes as u32, dead: open.dead };
            state.space.sparse.insert(page.0, known);
        }
        self.write_page(page, &open.builder.seal(self.sequence()))
    }

    /// Writes a record into a new chain of overflow pages, in a row if there is room for that.
    fn write_overflow(&self, state: &mut State, record: &[u8]) -> Result<Vec<PageId>> {
        let count = record.len().div_ceil(chain_payload(self.inner.page_size)) as u64;
        let chain: Vec<PageId> = match state.space.allocate(count) {
            Some(run) if state.fresh.insert(run.start.0, run.pages) => {
                (run.start.0..run.end().0).map(PageId).collect()
            }
            Some(run) => return Err(PagerError::corrupt_page(run.start, "allocated twice")),
            None => (0..count)
                .map(|_| self.allocate(state, 1).map(|page| page.start))
                .collect::<Result<Vec<_>>>()?,
        };
        self.fill_chain(&chain, PageKind::Overflow, record)?;
        Ok(chain)
    }

    /// Writes what a chain of pages holds.
    pub(super) fn fill_chain(&self, chain: &[PageId], kind: PageKind, content: &[u8]) -> Result<()> {
        let payload = chain_payload(self.inner.page_size);
        for (index, page) in chain.iter().enumerate() {
            let next = chain.get(index + 1).copied();
            let header = PageHeader { kind, page: *page, sequence: self.sequence(), next };
            let part =
                &content[(index * payload).min(content.len())..((index + 1) * payload).min(content.len())];
            self.write_page(*page, &chained_page(header, index as u32, part, self.inner.page_size))?;
        }
        Ok(())
    }
}
