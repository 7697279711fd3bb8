//! Accounting: every page of a commit has exactly one owner.
//!
//! The pager knows the superblocks, the free-space table and what is free. The layer above knows its records and
//! extents, and passes all of them. What is claimed twice, by nobody, or free and in use, is a fault, and so is a
//! page that cannot be read. All faults are found, not only the first.

use std::collections::BTreeMap;

use super::error::PagerError;
use super::heap::{HeapPage, Slot, SlotId};
use super::page::{Extent, FIRST_DATA_PAGE, PageId};
use super::record::read_chained;
use super::snapshot::Snapshot;

/// Who a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A superblock.
    Superblock,
    /// The free-space table.
    SpaceTable,
    /// Nobody: the page is free.
    Free,
    /// An extent.
    Extent,
    /// The write-ahead log.
    Log,
    /// Records.
    Heap,
    /// A record that outgrew its page.
    Overflow,
}

impl Owner {
    fn name(self) -> &'static str {
        match self {
            Self::Superblock => "a superblock",
            Self::SpaceTable => "the free-space table",
            Self::Free => "the free space",
            Self::Extent => "an extent",
            Self::Log => "the log",
            Self::Heap => "a heap page",
            Self::Overflow => "an overflow chain",
        }
    }
}

/// What the accounting found.
#[derive(Debug, Default)]
pub struct Account {
    /// The owner of each page, by its number; `None` for a page without one.
    pub owners: Vec<Option<Owner>>,
    /// All that is wrong, as `Corrupt` or `Io` errors.
    pub faults: Vec<PagerError>,
}

impl Account {
    fn claim(&mut self, start: PageId, pages: u64, owner: Owner) {
        let count = self.owners.len() as u64;
        if start.0.checked_add(pages).is_none_or(|end| end > count) {
            let what = format!(
                "{} of {pages} pages reaches outside the file, which has {count} pages",
                owner.name()
            );
            self.faults.push(PagerError::corrupt_page(start, what));
            return;
        }
        for page in start.0..start.0 + pages {
            if let Some(other) = self.owners[page as usize].replace(owner) {
                let what = format!("belongs to {} and to {}", other.name(), owner.name());
                self.faults.push(PagerError::corrupt_page(PageId(page), what));
            }
        }
    }
}

impl Snapshot {
    /// Accounts for every page, given all records and extents that the upper layer refers to.
    pub fn account(
        &self,
        records: impl IntoIterator<Item = SlotId>,
        extents: impl IntoIterator<Item = Extent>,
    ) -> Account {
        let page_count = self.superblock().page_count;
        // Opening has compared the page count with the file's length, so this is bounded by the file.
        let mut account = Account { owners: vec![None; page_count as usize], faults: Vec::new() };
        account.claim(PageId(0), FIRST_DATA_PAGE, Owner::Superblock);
        let mut dead: BTreeMap<PageId, Vec<u16>> = BTreeMap::new();
        match self.space_table() {
            Ok((table, pages)) => {
                for page in pages {
                    account.claim(page, 1, Owner::SpaceTable);
                }
                for range in &table.free {
                    account.claim(range.start, range.pages, Owner::Free);
                }
                dead.extend(table.sparse.into_iter().map(|page| (page.page, page.dead)));
            }
            Err(error) => account.faults.push(error),
        }
        if let Some(log) = self.superblock().log {
            account.claim(log.start, log.pages, Owner::Log);
        }
        for extent in extents {
            account.claim(extent.start, extent.pages, Owner::Extent);
        }
        let mut live: BTreeMap<PageId, Vec<u16>> = BTreeMap::new();
        for record in records {
            live.entry(record.page()).or_default().push(record.slot());
        }
        for (page, slots) in live {
            account.claim(page, 1, Owner::Heap);
            let dead = dead.remove(&page).unwrap_or_default();
            if let Err(error) = self.account_heap_page(&mut account, page, slots, &dead) {
                account.faults.push(error);
            }
        }
        for page in dead.into_keys() {
            account
                .faults
                .push(PagerError::corrupt_page(page, "a heap page to whose live records nothing refers"));
        }
        let mut first = None;
        for page in 0..=page_count {
            let unowned = account.owners.get(page as usize).is_some_and(Option::is_none);
            match (unowned, first) {
                (true, None) => first = Some(page),
                (false, Some(start)) => {
                    let what = format!("{} pages are neither used nor free", page - start);
                    account.faults.push(PagerError::corrupt_page(PageId(start), what));
                    first = None;
                }
                _ => {}
            }
        }
        account
    }

    fn account_heap_page(
        &self,
        account: &mut Account,
        id: PageId,
        mut live: Vec<u16>,
        dead: &[u16],
    ) -> Result<(), PagerError> {
        let (_, bytes) = self.read_page(id)?;
        let page = HeapPage::parse(&bytes, id)?;
        live.sort_unstable();
        for pair in live.windows(2).filter(|pair| pair[0] == pair[1]) {
            account.faults.push(PagerError::corrupt_page(id, format!("slot {} has two owners", pair[0])));
        }
        for slot in 0..page.slots() {
            let fault = match (live.binary_search(&slot).is_ok(), dead.binary_search(&slot).is_ok()) {
                (true, true) => Some("is deleted, but something refers to it"),
                (false, false) => Some("is live, but nothing refers to it"),
                _ => None,
            };
            if let Some(what) = fault {
                account.faults.push(PagerError::corrupt_page(id, format!("slot {slot} {what}")));
            }
        }
        for slot in live {
            match page.slot(slot) {
                Ok(Slot::Inline { .. }) => {}
                Ok(chained @ Slot::Chained { .. }) => {
                    let count = self.superblock().page_count;
                    let mut pages = Vec::new();
                    let read = |page| self.read_page(page).map(|(_, bytes)| bytes);
                    let slot = SlotId::new(id, slot)?;
                    let size = self.superblock().page_size as usize;
                    let result = read_chained(chained, slot, self.sequence(), size, count, read, |page| {
                        pages.push(page);
                    });
                    for page in pages {
                        account.claim(page, 1, Owner::Overflow);
                    }
                    account.faults.extend(result.err());
                }
                Err(error) => account.faults.push(error),
            }
        }
        Ok(())
    }
}
