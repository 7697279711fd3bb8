//! Looking at a file from outside: healthy or not, open elsewhere or not, and never written.
//!
//! What is found is reported as found. A file too damaged to be opened is still read page by page.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::error::{PagerError, Result};
use super::file::File;
use super::heap::{HeapPage, SlotId};
use super::log::{Recovered, read_log};
use super::os_file::OsFile;
use super::page::{
    DEFAULT_PAGE_SIZE, FIRST_DATA_PAGE, MAX_PAGE_SIZE, MIN_PAGE_SIZE, PageHeader, PageId, PageKind, get_u64,
    is_page_size,
};
use super::record::{read_record, read_space_table};
use super::space::SpaceTable;
use super::superblock::{SlotState, Slots, Superblock};

/// A file under inspection.
#[derive(Debug, Clone)]
pub struct Inspection {
    file: Arc<dyn File>,
    /// Both superblock slots, as found.
    pub slots: Slots,
    /// The superblock that rules, or why there is none.
    pub superblock: Result<Superblock>,
    /// The free-space table of that superblock and the pages it takes, or why it cannot be read.
    pub space: Result<(SpaceTable, Vec<PageId>)>,
    /// Read when first asked for.
    log: OnceLock<Result<Arc<Recovered>>>,
    page_size: u32,
    file_bytes: u64,
}

/// What a page looks like.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PageView {
    /// One of the first two pages.
    Superblock(SlotState),
    /// The free-space table lists it; what is in it does not matter.
    Free {
        /// The commit that freed it; 0 for long ago.
        freed_at: u64,
    },
    /// Past the last page of the commit: allocated ahead.
    Ahead,
    /// A page with a sound header. An extent that was not written to its end may show an old page here, so
    /// whoever knows the extents asks them first.
    Paged(PageHeader),
    /// A page that bears its own number and a kind, but is damaged.
    Damaged {
        /// The kind that the page claims.
        kind: PageKind,
        /// What is wrong with it.
        error: PagerError,
    },
    /// Bytes without a header: a page of an extent.
    Raw,
}

impl Inspection {
    /// Looks at the file at `path`, locked or not. What another process writes meanwhile may look like damage.
    ///
    /// # Errors
    /// Why the file cannot be read at all.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of_file(Arc::new(OsFile::open_for_inspection(path)?), None)
    }

    /// The same of a file whose superblocks may be gone: then the size of its pages is the one at which most of the first
    /// of them are sound.
    ///
    /// # Errors
    /// As for [`of_file`](Self::of_file).
    pub fn search(path: &Path) -> Result<Self> {
        const PAGES: u64 = 1000;
        let file: Arc<dyn File> = Arc::new(OsFile::open_for_inspection(path)?);
        let found = Self::of_file(Arc::clone(&file), None)?;
        if found.slots.page_size.is_some() {
            return Ok(found);
        }
        let mut best = (0, found);
        let mut page_size = MIN_PAGE_SIZE;
        while page_size <= MAX_PAGE_SIZE {
            let looked = Self::of_file(Arc::clone(&file), Some(page_size))?;
            let is_sound = |page: &u64| {
                let page = PageId(*page);
                looked.page(page).is_ok_and(|bytes| PageHeader::parse(&bytes, page).is_ok())
            };
            let sound = (FIRST_DATA_PAGE..looked.pages().min(PAGES)).filter(is_sound).count();
            if sound > best.0 {
                best = (sound, looked);
            }
            page_size *= 2;
        }
        Ok(best.1)
    }

    /// The same file as of another superblock.
    #[must_use]
    pub fn as_of(&self, superblock: Superblock) -> Self {
        let mut other = Self {
            file: Arc::clone(&self.file),
            slots: self.slots.clone(),
            superblock: Ok(superblock),
            space: Ok((SpaceTable::default(), Vec::new())),
            log: OnceLock::new(),
            page_size: self.page_size,
            file_bytes: self.file_bytes,
        };
        other.space = other.read_space();
        other
    }

    /// The superblocks that are whole, the newest first.
    pub fn superblocks(&self) -> Vec<Superblock> {
        let mut all: Vec<Superblock> = self
            .slots
            .states
            .iter()
            .filter_map(
                |state| if let SlotState::Valid(superblock) = state { Some(*superblock) } else { None },
            )
            .collect();
        all.sort_by_key(|superblock| std::cmp::Reverse(superblock.sequence));
        all
    }

    /// Why there may have been a later commit, if a superblock is damaged.
    pub fn lost_commit(&self) -> Option<String> {
        self.superblock.as_ref().ok().and_then(|superblock| self.slots.lost(superblock))
    }

    fn read_space(&self) -> Result<(SpaceTable, Vec<PageId>)> {
        let superblock = self.superblock.clone()?;
        let (table, pages) = read_space_table(&superblock, |page| self.page(page))?;
        Ok((table, pages.into_iter().map(PageId).collect()))
    }

    /// Looks at a file. `page_size` is used if the superblocks do not tell one.
    ///
    /// # Errors
    /// `Io`, if the file cannot be read at all, and `Invalid` for an impossible page size.
    pub fn of_file(file: Arc<dyn File>, page_size: Option<u32>) -> Result<Self> {
        let file_bytes = file.size().map_err(|error| PagerError::io("read", file.name(), error))?;
        let slots = Slots::read(&*file)?;
        let page_size = slots.page_size.or(page_size).unwrap_or(DEFAULT_PAGE_SIZE);
        if !is_page_size(page_size) {
            return Err(PagerError::Invalid(format!("a page size of {page_size} bytes is not possible")));
        }
        let superblock = slots.clone().choose(file.name());
        let mut inspection = Self {
            file,
            slots,
            superblock,
            space: Ok((SpaceTable::default(), Vec::new())),
            log: OnceLock::new(),
            page_size,
            file_bytes,
        };
        inspection.space = inspection.read_space();
        Ok(inspection)
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        self.file.name()
    }

    /// The file's length in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Size of a page in bytes, as the superblocks say or as was assumed.
    pub fn page_size(&self) -> u32 {
        self.page_size
    }

    /// Whole pages that the file holds, those allocated ahead included.
    pub fn pages(&self) -> u64 {
        self.file_bytes / u64::from(self.page_size)
    }

    /// Pages that the superblock counts, or all that there are if there is none.
    pub fn page_count(&self) -> u64 {
        self.superblock.as_ref().map_or(self.pages(), |superblock| superblock.page_count)
    }

    /// The bytes of a page, unchecked.
    ///
    /// # Errors
    /// `Corrupt`, if the file ends before, or `Io`.
    pub fn page(&self, page: PageId) -> Result<Bytes> {
        if page.0 >= self.pages() {
            return Err(PagerError::corrupt_page(
                page,
                format!("the file has only {} whole pages", self.pages()),
            ));
        }
        self.bytes(page.0 * u64::from(self.page_size), self.page_size as usize)
    }

    /// Some bytes of the file, unchecked.
    ///
    /// # Errors
    /// `Corrupt`, if the file ends before, or `Io`.
    pub fn bytes(&self, offset: u64, bytes: usize) -> Result<Bytes> {
        self.file.read(offset, bytes).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                PagerError::corrupt(error.to_string())
            } else {
                PagerError::io("read", self.file.name(), error)
            }
        })
    }

    /// What a page looks like.
    ///
    /// # Errors
    /// `Corrupt`, if the file ends before, or `Io`.
    pub fn view(&self, page: PageId) -> Result<PageView> {
        if page.0 < FIRST_DATA_PAGE {
            return Ok(PageView::Superblock(self.slots.states[page.0 as usize].clone()));
        }
        let bytes = self.page(page)?;
        if page.0 >= self.page_count() {
            return Ok(PageView::Ahead);
        }
        if let Ok((table, _)) = &self.space {
            let holds =
                |start: PageId, pages: u64| (start.0..start.0.saturating_add(pages)).contains(&page.0);
            if let Some(range) = table.free.iter().find(|range| holds(range.start, range.pages)) {
                return Ok(PageView::Free { freed_at: range.freed_at });
            }
        }
        let claimed = PageKind::from_byte(bytes[4]).filter(|_| get_u64(&bytes, 8) == page.0);
        Ok(match (PageHeader::parse(&bytes, page), claimed) {
            (Ok(header), _) => PageView::Paged(header),
            (Err(error), Some(kind)) => PageView::Damaged { kind, error },
            (Err(_), None) => PageView::Raw,
        })
    }

    /// The frames of the log, or why they cannot be read.
    ///
    /// # Errors
    /// There is no superblock, or `Io`.
    pub fn log(&self) -> Result<Arc<Recovered>> {
        let read = || {
            let superblock = self.superblock.clone()?;
            read_log(&superblock, |offset, bytes| self.bytes(offset, bytes)).map(Arc::new)
        };
        self.log.get_or_init(read).clone()
    }

    /// Where the log begins in the file, if the superblock names one.
    pub fn log_offset(&self) -> Option<u64> {
        let log = self.superblock.as_ref().ok()?.log?;
        Some(log.start.0.saturating_mul(u64::from(self.page_size)))
    }

    /// Each page with what it looks like.
    pub fn views(&self) -> impl Iterator<Item = (PageId, Result<PageView>)> + '_ {
        (0..self.pages()).map(|page| (PageId(page), self.view(PageId(page))))
    }

    /// The dead slots of a heap page.
    pub fn dead_slots(&self, page: PageId) -> &[u16] {
        let sparse = self.space.as_ref().map(|(table, _)| table.sparse.as_slice()).unwrap_or_default();
        sparse.iter().find(|known| known.page == page).map_or(&[], |known| &known.dead)
    }

    /// A record.
    ///
    /// # Errors
    /// `Corrupt` or `Io`.
    pub fn record(&self, slot: SlotId) -> Result<Bytes> {
        // Without a superblock there is no commit to compare with, so any sequence will do.
        let sequence = self.superblock.as_ref().map_or(u64::MAX, |superblock| superblock.sequence);
        read_record(slot, sequence, self.page_size as usize, self.pages(), |page| self.page(page))
    }

    /// A heap page, checked, passed to `look`.
    ///
    /// # Errors
    /// `Corrupt`, if it is not a sound heap page, or `Io`.
    pub fn heap_page<T>(&self, page: PageId, look: impl FnOnce(HeapPage<'_>) -> T) -> Result<T> {
        let bytes = self.page(page)?;
        HeapPage::parse(&bytes, page).map(look)
    }
}
