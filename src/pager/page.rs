//! Pages: their numbers, kinds, and the header that every page but those of extents begins with.
//!
//! ```text
//! offset  bytes  field
//!      0      4  checksum   CRC32 (IEEE) of bytes 4 .. page size
//!      4      1  kind       1 heap, 2 overflow, 3 space; 0 is never valid
//!      5      1  layout     1, the version of this kind's layout
//!      6      2  reserved   zero
//!      8      8  number     the page's own number
//!     16      8  sequence   of the commit that wrote the page
//!     24      8  next       the page after this one in its chain; 0 where there is none
//! ```
//! All integers are little-endian.

use std::fmt;

use super::error::{PagerError, Result};

/// Size of the header, in bytes.
pub const PAGE_HEADER_BYTES: usize = 32;
/// The smallest size of a page, in bytes.
pub const MIN_PAGE_SIZE: u32 = 4 << 10;
/// The largest size of a page, in bytes.
pub const MAX_PAGE_SIZE: u32 = 64 << 10;
/// The size of a page unless the creator of the file chose another, in bytes.
pub const DEFAULT_PAGE_SIZE: u32 = 16 << 10;
/// The first two pages hold the superblocks.
pub const FIRST_DATA_PAGE: u64 = 2;

const LAYOUT: u8 = 1;

/// The number of a page. Its bytes begin at `number × page size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId(pub u64);

impl fmt::Display for PageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A run of contiguous pages that holds raw bytes. What lies in it, its checksums included, is the affair of
/// whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// The first page.
    pub start: PageId,
    /// How many pages.
    pub pages: u64,
}

impl Extent {
    /// The page after the last one.
    pub fn end(self) -> PageId {
        PageId(self.start.0.saturating_add(self.pages))
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "pages {}..{}", self.start, self.end())
    }
}

/// What a page with a header holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PageKind {
    /// Records, found by slot.
    Heap = 1,
    /// A part of a record that outgrew its page.
    Overflow = 2,
    /// A part of the table of free space.
    Space = 3,
}

impl PageKind {
    /// The kind with this number on disk.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Heap),
            2 => Some(Self::Overflow),
            3 => Some(Self::Space),
            _ => None,
        }
    }

    /// The kind's name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::Overflow => "overflow",
            Self::Space => "space",
        }
    }
}

/// A page's header, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    /// What the page holds.
    pub kind: PageKind,
    /// The page's own number.
    pub page: PageId,
    /// The commit that wrote it.
    pub sequence: u64,
    /// The next page of the chain.
    pub next: Option<PageId>,
}

impl PageHeader {
    /// Reads and checks the header of a whole page that was found at `at`.
    ///
    /// # Errors
    /// `Corrupt`, if the checksum, the kind, the layout or the page's number is wrong.
    pub fn parse(bytes: &[u8], at: PageId) -> Result<Self> {
        let fail = |what: String| Err(PagerError::corrupt_page(at, what));
        if bytes.len() < PAGE_HEADER_BYTES {
            return fail(format!("a page of {} bytes has no room for its header", bytes.len()));
        }
        let (stored, actual) = (get_u32(bytes, 0), checksum(&bytes[4..]));
        if stored != actual {
            return fail(format!("checksum mismatch: stored {stored:08x}, actual {actual:08x}"));
        }
        let Some(kind) = PageKind::from_byte(bytes[4]) else {
            return fail(format!("unknown page kind {}", bytes[4]));
        };
        if bytes[5] != LAYOUT {
            return fail(format!("unknown layout {} of a {} page", bytes[5], kind.name()));
        }
        let page = PageId(get_u64(bytes, 8));
        if page != at {
            return fail(format!("the page says that it is page {page}"));
        }
        let next = get_u64(bytes, 24);
        Ok(Self { kind, page, sequence: get_u64(bytes, 16), next: (next != 0).then_some(PageId(next)) })
    }

    /// Writes the header into a page whose other bytes are final.
    pub(crate) fn seal(self, bytes: &mut [u8]) {
        bytes[4] = self.kind as u8;
        bytes[5] = LAYOUT;
        put_u16(bytes, 6, 0);
        put_u64(bytes, 8, self.page.0);
        put_u64(bytes, 16, self.sequence);
        put_u64(bytes, 24, self.next.map_or(0, |page| page.0));
        let sum = checksum(&bytes[4..]);
        put_u32(bytes, 0, sum);
    }
}

/// The checksum of everything in the file: CRC32 with the IEEE polynomial.
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Whether a page may have this size.
pub(crate) fn is_page_size(bytes: u32) -> bool {
    bytes.is_power_of_two() && (MIN_PAGE_SIZE..=MAX_PAGE_SIZE).contains(&bytes)
}

// Little-endian integers at a fixed offset. The caller has checked that the bytes are there.

pub(crate) fn get_u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub(crate) fn get_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(crate) fn get_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

pub(crate) fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_page_reads_back_and_every_flipped_bit_is_found() {
        let header =
            PageHeader { kind: PageKind::Heap, page: PageId(7), sequence: 3, next: Some(PageId(1 << 40)) };
        let mut bytes = vec![0xa1; MIN_PAGE_SIZE as usize];
        header.seal(&mut bytes);
        assert_eq!(PageHeader::parse(&bytes, PageId(7)).unwrap(), header);
        for bit in (0..64 * 8).chain(4096 * 8 - 64..4096 * 8) {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(PageHeader::parse(&bytes, PageId(7)).unwrap_err().is_corrupt());
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_sound_page_in_the_wrong_place_or_of_an_unknown_kind_is_refused() {
        let header = PageHeader { kind: PageKind::Space, page: PageId(7), sequence: 3, next: None };
        let mut bytes = vec![0; MIN_PAGE_SIZE as usize];
        header.seal(&mut bytes);
        let message = PageHeader::parse(&bytes, PageId(8)).unwrap_err().to_string();
        assert!(message.contains("says that it is page 7") && message.contains("(page 8)"), "{message}");
        for (at, value) in [(4, 0), (4, 9), (5, 2)] {
            let mut bad = bytes.clone();
            bad[at] = value;
            let sum = checksum(&bad[4..]);
            put_u32(&mut bad, 0, sum);
            assert!(PageHeader::parse(&bad, PageId(7)).unwrap_err().to_string().contains("unknown"));
        }
        assert!(PageHeader::parse(&[0; 31], PageId(7)).is_err());
        assert!(PageHeader::parse(&[0; 4096], PageId(0)).is_err(), "zeros are never a page");
    }
}
