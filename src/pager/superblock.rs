//! The superblock: the root of everything, kept twice, in pages 0 and 1.
//!
//! Invariants:
//! 1. Slot `sequence % 2` is the one a commit writes, so the other still holds the commit before.
//! 2. A slot is written only after everything that it refers to is durable.
//! 3. The valid slot with the higher sequence rules. A slot that fails its checksum is as if it were not there.
//! 4. The magic, the version and the checksum keep their places in every version of the format.
//!
//! ```text
//! offset  bytes  field
//!      0      8  magic              89 46 4c 55 58 0d 0a 1a  ("\x89FLUX\r\n\x1a")
//!      8      4  format version     1
//!     12      4  page size          in bytes; a power of two, 4,096 to 65,536
//!     16      8  compatible flags   features that a reader may ignore
//!     24      8  incompatible flags features that a reader must know, or refuse the file: 1 there is a log, 2 its end is marked
//!     32     16  database id        random, for life
//!     48      8  sequence           number of the commit, from 1
//!     56      8  page count         the file is at least this many pages long
//!     64      8  catalog root       slot of the upper layer's root record; 0 where there is none
//!     72      8  space root         first page of the free-space table; 0 where nothing is free
//!     80      8  space pages        number of pages in the table's chain
//!     88      8  log root           first page of the write-ahead log's extent; 0 where there is none
//!     96      4  slot               0 or 1: the page that this is
//!    100      4  reserved           zero
//!    104      8  log pages          number of pages of the log's extent
//!    112    396  reserved           zero
//!    508      4  checksum           CRC32 (IEEE) of bytes 0 .. 508
//! ```
//! The rest of the page is zero.

use std::sync::Arc;

use super::error::{PagerError, Result};
use super::file::File;
use super::heap::SlotId;
use super::page::{
    Extent, FIRST_DATA_PAGE, MAX_PAGE_SIZE, MIN_PAGE_SIZE, PageId, checksum, get_u32, get_u64, is_page_size,
    put_u32, put_u64,
};

/// Bytes of a superblock; what follows in its page is zero.
pub const SUPERBLOCK_BYTES: usize = 512;
/// The first bytes of a slot. Not text, and broken by programs that change line ends.
pub const MAGIC: [u8; 8] = *b"\x89FLUX\r\n\x1a";

/// Whether a file begins as a database does.
///
/// # Errors
/// It cannot be read.
pub fn is_database(path: &std::path::Path) -> std::io::Result<bool> {
    let mut first = vec![];
    let file = std::fs::File::open(path)?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAGIC.len() as u64), &mut first)?;
    Ok(first == MAGIC)
}
/// The newest format version that this code reads, and the one that it writes.
pub const FORMAT_VERSION: u32 = 1;
/// There is a write-ahead log: who does not replay it does not see the last commits.
pub const HAS_LOG: u64 = 1;
/// Behind the last frame of the log there is a mark, so where there is none something is missing.
pub const LOG_MARKED: u64 = 2;
/// Features that a reader must know, and this code does.
pub const KNOWN_INCOMPATIBLE: u64 = HAS_LOG | LOG_MARKED;

const CHECKSUM_AT: usize = SUPERBLOCK_BYTES - 4;
const _: () = assert!(SUPERBLOCK_BYTES <= MIN_PAGE_SIZE as usize);

/// The superblock of one commit, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Superblock {
    /// Version of the format that the file is in.
    pub version: u32,
    /// Size of every page, in bytes.
    pub page_size: u32,
    /// Features that a reader may ignore.
    pub compatible: u64,
    /// Features that a reader must know.
    pub incompatible: u64,
    /// The file's random identity.
    pub database_id: [u8; 16],
    /// The commit's number.
    pub sequence: u64,
    /// Pages in use, the two superblocks included.
    pub page_count: u64,
    /// The upper layer's root record.
    pub catalog_root: Option<SlotId>,
    /// First page of the free-space table.
    pub space_root: Option<PageId>,
    /// Pages of the free-space table.
    pub space_pages: u64,
    /// The extent of the write-ahead log. Its frames are the commits that follow this one.
    pub log: Option<Extent>,
}

/// What was found in one slot.
#[derive(Debug, Clone)]
pub enum SlotState {
    /// A superblock that may be trusted.
    Valid(Superblock),
    /// No superblock: the magic is missing.
    Foreign,
    /// A superblock that was torn or damaged, and how.
    Damaged(String),
    /// A whole superblock of a version or with features that this code does not know.
    Unsupported(PagerError),
}

impl Superblock {
    /// The slot, which is also the page, that this superblock belongs in.
    pub fn slot(&self) -> u64 {
        self.sequence % 2
    }

    /// Whether the end of the log can be told from damage.
    pub fn is_log_marked(&self) -> bool {
        self.log.is_some() && self.incompatible & LOG_MARKED != 0
    }

    /// The slot's bytes.
    pub fn to_bytes(&self) -> [u8; SUPERBLOCK_BYTES] {
        let mut bytes = [0; SUPERBLOCK_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        put_u32(&mut bytes, 8, self.version);
        put_u32(&mut bytes, 12, self.page_size);
        put_u64(&mut bytes, 16, self.compatible);
        put_u64(&mut bytes, 24, self.incompatible);
        bytes[32..48].copy_from_slice(&self.database_id);
        put_u64(&mut bytes, 48, self.sequence);
        put_u64(&mut bytes, 56, self.page_count);
        put_u64(&mut bytes, 64, self.catalog_root.map_or(0, SlotId::to_u64));
        put_u64(&mut bytes, 72, self.space_root.map_or(0, |page| page.0));
        put_u64(&mut bytes, 80, self.space_pages);
        put_u64(&mut bytes, 88, self.log.map_or(0, |log| log.start.0));
        put_u32(&mut bytes, 96, self.slot() as u32);
        put_u64(&mut bytes, 104, self.log.map_or(0, |log| log.pages));
        let sum = checksum(&bytes[..CHECKSUM_AT]);
        put_u32(&mut bytes, CHECKSUM_AT, sum);
        bytes
    }

    /// Reads what lies in `slot`. `path` is for messages.
    pub fn parse(bytes: &[u8], slot: u64, path: &str) -> SlotState {
        if bytes.len() < MAGIC.len() || bytes[..8] != MAGIC {
            return SlotState::Foreign;
        }
        if bytes.len() < SUPERBLOCK_BYTES {
            return SlotState::Damaged("the file ends within it".to_owned());
        }
        let bytes = &bytes[..SUPERBLOCK_BYTES];
        let (stored, actual) = (get_u32(bytes, CHECKSUM_AT), checksum(&bytes[..CHECKSUM_AT]));
        if stored != actual {
            return SlotState::Damaged(format!(
                "checksum mismatch: stored {stored:08x}, actual {actual:08x}"
            ));
        }
        let path: Arc<str> = path.into();
        let version = get_u32(bytes, 8);
        if version > FORMAT_VERSION {
            return SlotState::Unsupported(PagerError::UnsupportedVersion {
                path,
                found: version,
                supported: FORMAT_VERSION,
            });
        }
        let incompatible = get_u64(bytes, 24);
        if incompatible & !KNOWN_INCOMPATIBLE != 0 {
            let bits = incompatible & !KNOWN_INCOMPATIBLE;
            return SlotState::Unsupported(PagerError::UnsupportedFeatures { path, bits });
        }
        let page = |at| Some(get_u64(bytes, at)).filter(|page| *page != 0).map(PageId);
        let mut database_id = [0; 16];
        database_id.copy_from_slice(&bytes[32..48]);
        let superblock = Self {
            version,
            page_size: get_u32(bytes, 12),
            compatible: get_u64(bytes, 16),
            incompatible,
            database_id,
            sequence: get_u64(bytes, 48),
            page_count: get_u64(bytes, 56),
            catalog_root: SlotId::from_u64(get_u64(bytes, 64)),
            space_root: page(72),
            space_pages: get_u64(bytes, 80),
            log: page(88).map(|start| Extent { start, pages: get_u64(bytes, 104) }),
        };
        match superblock.contradiction(slot, get_u32(bytes, 96)) {
            Some(what) => SlotState::Damaged(what),
            None => SlotState::Valid(superblock),
        }
    }

    /// What is impossible about fields whose checksum is right. Each check makes later arithmetic safe.
    fn contradiction(&self, slot: u64, written_slot: u32) -> Option<String> {
        let in_file = |page: PageId| (FIRST_DATA_PAGE..self.page_count).contains(&page.0);
        if self.version == 0 {
            return Some("format version 0".to_owned());
        }
        if !is_page_size(self.page_size) {
            return Some(format!("page size {}", self.page_size));
        }
        if u64::from(written_slot) != slot || self.slot() != slot {
            return Some(format!("it belongs in the other slot than {slot}"));
        }
        if self.sequence == 0 || self.sequence == u64::MAX {
            return Some(format!("sequence {}", self.sequence));
        }
        if self.page_count < FIRST_DATA_PAGE
            || self.page_count > (i64::MAX as u64) / u64::from(self.page_size)
        {
            return Some(format!("page count {}", self.page_count));
        }
        if self.catalog_root.is_some_and(|slot| !in_file(slot.page())) {
            return Some("the catalog root lies outside the file".to_owned());
        }
        if self.space_root.is_some_and(|page| !in_file(page)) {
            return Some("the free-space root lies outside the file".to_owned());
        }
        if let Some(log) = self.log {
            let end = log.start.0.checked_add(log.pages);
            if !in_file(log.start) || log.pages == 0 || end.is_none_or(|end| end > self.page_count) {
                return Some("the log lies outside the file".to_owned());
            }
        }
        let has_log = self.incompatible & HAS_LOG != 0;
        if self.log.is_some() != has_log || (self.incompatible & LOG_MARKED != 0 && !has_log) {
            return Some("its flags and its log contradict each other".to_owned());
        }
        if self.space_pages >= self.page_count || (self.space_pages == 0) != self.space_root.is_none() {
            return Some(format!("a free-space table of {} pages", self.space_pages));
        }
        None
    }
}

/// Both slots of a file, as found.
#[derive(Debug, Clone)]
pub struct Slots {
    /// What each slot holds.
    pub states: [SlotState; 2],
    /// Where the second slot begins, in bytes: known from the first, else found by search.
    pub page_size: Option<u32>,
    /// Their bytes.
    bytes: [[u8; SUPERBLOCK_BYTES]; 2],
}

impl Slots {
    /// Reads both slots of a file of any content.
    ///
    /// # Errors
    /// Only of reading: what is wrong with the content is in the result.
    pub fn read(file: &dyn File) -> Result<Self> {
        let size = file.size().map_err(|error| PagerError::io("read", file.name(), error))?;
        let slot_at = |offset: u64, slot| -> Result<(SlotState, [u8; SUPERBLOCK_BYTES])> {
            let mut bytes = [0; SUPERBLOCK_BYTES];
            let there = size.saturating_sub(offset).min(SUPERBLOCK_BYTES as u64) as usize;
            if there > 0 {
                file.read_at(offset, &mut bytes[..there])
                    .map_err(|error| PagerError::io("read", file.name(), error))?;
            }
            Ok((Superblock::parse(&bytes[..there], slot, file.name()), bytes))
        };
        let (first, first_bytes) = slot_at(0, 0)?;
        if let SlotState::Valid(superblock) = first {
            let (second, second_bytes) = slot_at(u64::from(superblock.page_size), 1)?;
            let second = match second {
                SlotState::Valid(other)
                    if other.page_size != superblock.page_size
                        || other.database_id != superblock.database_id =>
                {
                    SlotState::Damaged("it belongs to another database".to_owned())
                }
                state => state,
            };
            let page_size = Some(superblock.page_size);
            return Ok(Self { states: [first, second], page_size, bytes: [first_bytes, second_bytes] });
        }
        // The first slot cannot say how long a page is, so the second is looked for wherever it may begin.
        let mut seen = SlotState::Foreign;
        let mut page_size = MIN_PAGE_SIZE;
        while page_size <= MAX_PAGE_SIZE {
            let (state, second_bytes) = slot_at(u64::from(page_size), 1)?;
            let bytes = [first_bytes, second_bytes];
            match state {
                SlotState::Valid(other) if other.page_size == page_size => {
                    let states = [first, SlotState::Valid(other)];
                    return Ok(Self { states, page_size: Some(page_size), bytes });
                }
                SlotState::Unsupported(error) => {
                    let states = [first, SlotState::Unsupported(error)];
                    return Ok(Self { states, page_size: None, bytes });
                }
                SlotState::Damaged(what) => seen = SlotState::Damaged(what),
                SlotState::Valid(_) | SlotState::Foreign => {}
            }
            page_size *= 2;
        }
        Ok(Self { states: [first, seen], page_size: None, bytes: [first_bytes, [0; SUPERBLOCK_BYTES]] })
    }

    /// Whether the slot beside that of the superblock which rules may have held a later one, and what became of that. A
    /// power cut leaves one or the other in a slot, as a sector is written whole or not at all: what is neither was damaged
    /// later.
    pub fn lost(&self, rules: &Superblock) -> Option<String> {
        let slot = 1 - rules.slot();
        if matches!(self.states[slot as usize], SlotState::Valid(_)) {
            return None;
        }
        let bytes = &self.bytes[slot as usize];
        // A file that is being made has only one.
        if rules.sequence == 1 && bytes.iter().all(|byte| *byte == 0) {
            return None;
        }
        // The number itself may be what is damaged.
        let (earlier, later) = (rules.sequence - 1, rules.sequence + 1);
        let would_be_whole = |sequence| {
            let mut bytes = *bytes;
            put_u64(&mut bytes, 48, sequence);
            bytes[..8] == MAGIC && get_u32(&bytes, CHECKSUM_AT) == checksum(&bytes[..CHECKSUM_AT])
        };
        if would_be_whole(earlier) || (get_u64(bytes, 48) == earlier && !would_be_whole(later)) {
            return None;
        }
        Some(format!(
            "superblock {slot} is damaged, which may be that of commit {later}, the last: this is commit {}",
            rules.sequence
        ))
    }

    /// The superblock that rules.
    ///
    /// # Errors
    /// `UnsupportedVersion` or `UnsupportedFeatures` if either slot is whole but too new, `Corrupt` if both are
    /// damaged, `NotADatabase` if there is nothing like a superblock.
    pub fn choose(self, path: &str) -> Result<Superblock> {
        match self.states {
            [SlotState::Unsupported(error), _] | [_, SlotState::Unsupported(error)] => Err(error),
            [SlotState::Valid(a), SlotState::Valid(b)] => Ok(if a.sequence > b.sequence { a } else { b }),
            [SlotState::Valid(superblock), _] | [_, SlotState::Valid(superblock)] => Ok(superblock),
            [SlotState::Foreign, SlotState::Foreign] => Err(PagerError::NotADatabase(path.into())),
            [SlotState::Damaged(what), _] | [_, SlotState::Damaged(what)] => {
                Err(PagerError::corrupt(format!("'{path}' has no valid superblock ({what})")))
            }
        }
    }
}
