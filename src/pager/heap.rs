//! Slotted heap pages: records of any length, found by (page, slot).
//!
//! Invariants:
//! 1. A committed heap page is never written again. New records go to fresh pages, so the address of a record
//!    never changes while the record lives.
//! 2. Deleting is bookkeeping outside the page (see `space.rs`); a page whose records are all dead is freed.
//! 3. Records begin at multiples of 8, so that their fields can be read in place.
//!
//! After the page header:
//!
//! ```text
//! offset  bytes  field
//!     32      2  slots          number of slots
//!     34      2  reserved       zero
//!     36      4  records start  offset of the lowest record
//!     40    8×n  slots          see below
//!      …         free           zero
//! start          records         down from the end of the page; each begins at a multiple of 8
//! ```
//!
//! A slot:
//!
//! ```text
//!      0      2  offset  of the record in the page
//!      2      2  kind    1 the record, 2 the stub of a record in overflow pages; 0 is never valid
//!      4      4  length  of the record in bytes, wherever it lies
//! ```
//!
//! A stub, 16 bytes:
//!
//! ```text
//!      0      8  first    page of the chain
//!      8      4  pages    in the chain
//!     12      4  checksum CRC32 of the whole record
//! ```
//!
//! An overflow page carries, after the page header, whose `next` leads on:
//!
//! ```text
//!     32      4  index    of the page in its chain, from 0
//!     36      4  length   of the payload in this page
//!     40         payload, then zeros
//! ```

use std::fmt;

use super::error::{PagerError, Result};
use super::page::{
    MAX_PAGE_SIZE, PAGE_HEADER_BYTES, PageHeader, PageId, PageKind, get_u16, get_u32, get_u64, put_u16,
    put_u32, put_u64,
};

/// Where slots, and the payload of chained pages, begin.
pub const HEAP_HEADER_BYTES: usize = PAGE_HEADER_BYTES + 8;
/// Bytes of one slot.
pub const SLOT_BYTES: usize = 8;
/// Bytes of the stub of a record in overflow pages.
pub const STUB_BYTES: usize = 16;
/// Records begin at multiples of this.
pub const RECORD_ALIGNMENT: usize = 8;
/// The longest record, in bytes.
pub const MAX_RECORD_BYTES: usize = 256 << 20;

const INLINE: u16 = 1;
const STUB: u16 = 2;
const _: () = assert!(MAX_PAGE_SIZE as usize - RECORD_ALIGNMENT <= u16::MAX as usize);

/// The address of a record: 48 bits of page, 16 bits of slot. Zero is no address, as page 0 is a superblock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(std::num::NonZeroU64);

impl SlotId {
    /// The address of a slot.
    ///
    /// # Errors
    /// `Invalid` if the page's number has more than 48 bits or is zero.
    pub fn new(page: PageId, slot: u16) -> Result<Self> {
        if page.0 == 0 || page.0 >> 48 != 0 {
            return Err(PagerError::Invalid(format!("page {page} cannot hold records")));
        }
        Self::from_u64(page.0 << 16 | u64::from(slot))
            .ok_or_else(|| PagerError::Invalid("address zero".to_owned()))
    }

    /// The page that holds the slot.
    pub fn page(self) -> PageId {
        PageId(self.0.get() >> 16)
    }

    /// The slot's number in its page.
    pub fn slot(self) -> u16 {
        self.0.get() as u16
    }

    /// The address as stored on disk.
    pub fn to_u64(self) -> u64 {
        self.0.get()
    }

    /// The address that was stored as this; `None` for zero.
    pub fn from_u64(value: u64) -> Option<Self> {
        std::num::NonZeroU64::new(value).map(Self)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.page(), self.slot())
    }
}

impl fmt::Debug for SlotId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SlotId({self})")
    }
}

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// In the page itself.
    Inline {
        /// Offset in the page.
        offset: usize,
        /// Bytes.
        length: usize,
    },
    /// In a chain of overflow pages.
    Chained {
        /// First page of the chain.
        first: PageId,
        /// Pages in the chain.
        pages: u32,
        /// CRC32 of the record.
        checksum: u32,
        /// Bytes of the record.
        length: usize,
    },
}

impl Slot {
    /// Bytes that the slot and what it holds take in the heap page.
    pub(crate) fn bytes_in_page(self) -> usize {
        SLOT_BYTES
            + match self {
                Self::Inline { length, .. } => length.next_multiple_of(RECORD_ALIGNMENT),
                Self::Chained { .. } => STUB_BYTES,
            }
    }
}

/// The longest record that fits in a page.
pub(crate) fn inline_capacity(page_size: usize) -> usize {
    page_size - HEAP_HEADER_BYTES - SLOT_BYTES
}

/// Bytes of payload in a chained page.
pub(crate) fn chain_payload(page_size: usize) -> usize {
    page_size - HEAP_HEADER_BYTES
}

/// A heap page whose header and slot count are checked. Slots are checked one by one.
#[derive(Debug, Clone, Copy)]
pub struct HeapPage<'a> {
    /// The page's header.
    pub header: PageHeader,
    bytes: &'a [u8],
    slots: u16,
}

impl<'a> HeapPage<'a> {
    /// Reads the page that was found at `at`.
    ///
    /// # Errors
    /// `Corrupt`, if it is not a sound heap page.
    pub fn parse(bytes: &'a [u8], at: PageId) -> Result<Self> {
        let header = PageHeader::parse(bytes, at)?;
        if header.kind != PageKind::Heap {
            return Err(PagerError::corrupt_page(
                at,
                format!("a {} page where a heap page is expected", header.kind.name()),
            ));
        }
        Self::from_checked(bytes, header)
    }

    fn from_checked(bytes: &'a [u8], header: PageHeader) -> Result<Self> {
        let fail = |what: String| Err(PagerError::corrupt_page(header.page, what));
        if bytes.len() < HEAP_HEADER_BYTES {
            return fail("a heap page without room for its header".to_owned());
        }
        let slots = get_u16(bytes, 32);
        let start = get_u32(bytes, 36) as usize;
        if start > bytes.len() || HEAP_HEADER_BYTES + usize::from(slots) * SLOT_BYTES > start {
            return fail(format!("{slots} slots run into the records, which start at {start}"));
        }
        Ok(Self { header, bytes, slots })
    }

    /// Number of slots.
    pub fn slots(&self) -> u16 {
        self.slots
    }

    /// Where the lowest record begins; between the slots and here the page is empty.
    pub fn records_start(&self) -> usize {
        get_u32(self.bytes, 36) as usize
    }

    /// What a slot says.
    ///
    /// # Errors
    /// `Corrupt`, if there is no such slot or it points outside the record area.
    pub fn slot(&self, slot: u16) -> Result<Slot> {
        let page = self.header.page;
        let fail = |what: String| Err(PagerError::corrupt_page(page, what));
        if slot >= self.slots {
            return fail(format!("slot {slot} does not exist; the page has {}", self.slots));
        }
        let at = HEAP_HEADER_BYTES + usize::from(slot) * SLOT_BYTES;
        let offset = usize::from(get_u16(self.bytes, at));
        let length = get_u32(self.bytes, at + 4) as usize;
        let (kind, here) = match get_u16(self.bytes, at + 2) {
            INLINE => (INLINE, length),
            STUB => (STUB, STUB_BYTES),
            other => return fail(format!("slot {slot} has unknown kind {other}")),
        };
        if offset < self.records_start()
            || offset % RECORD_ALIGNMENT != 0
            || here > self.bytes.len() - offset.min(self.bytes.len())
        {
            return fail(format!("slot {slot} points outside the records: {here} bytes at {offset}"));
        }
        if kind == INLINE {
            return Ok(Slot::Inline { offset, length });
        }
        let (first, pages) = (PageId(get_u64(self.bytes, offset)), get_u32(self.bytes, offset + 8));
        if length > MAX_RECORD_BYTES || pages as usize != length.div_ceil(chain_payload(self.bytes.len())) {
            return fail(format!("slot {slot} has {pages} overflow pages for {length} bytes"));
        }
        Ok(Slot::Chained { first, pages, checksum: get_u32(self.bytes, offset + 12), length })
    }

    /// Where the record of a slot, or its stub, begins in the page, as the slot says.
    pub fn offset_of(&self, slot: u16) -> Option<usize> {
        let at = HEAP_HEADER_BYTES + usize::from(slot) * SLOT_BYTES;
        (slot < self.slots).then(|| usize::from(get_u16(self.bytes, at)))
    }

    /// The bytes of a record that lies in the page, or of the stub of one that does not.
    ///
    /// # Errors
    /// `Corrupt`, as for [`HeapPage::slot`].
    pub fn bytes_of(&self, slot: u16) -> Result<&'a [u8]> {
        let at = HEAP_HEADER_BYTES + usize::from(slot) * SLOT_BYTES;
        Ok(match self.slot(slot)? {
            Slot::Inline { offset, length } => &self.bytes[offset..offset + length],
            Slot::Chained { .. } => {
                let offset = usize::from(get_u16(self.bytes, at));
                &self.bytes[offset..offset + STUB_BYTES]
            }
        })
    }
}

/// A heap page of the running transaction, to which records are still added.
#[derive(Debug)]
pub(crate) struct HeapPageBuilder {
    pub page: PageId,
    bytes: Vec<u8>,
    slots: u16,
    start: usize,
}

impl HeapPageBuilder {
    pub(crate) fn new(page: PageId, page_size: usize) -> Self {
        Self { page, bytes: vec![0; page_size], slots: 0, start: page_size }
    }

    /// Whether a record of this many bytes, or a stub, fits.
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        let used = HEAP_HEADER_BYTES + (usize::from(self.slots) + 1) * SLOT_BYTES;
        used + bytes.next_multiple_of(RECORD_ALIGNMENT) <= self.start
    }

    /// Adds a record that fits. Returns its slot.
    pub(crate) fn push(&mut self, record: &[u8]) -> u16 {
        self.place(record, INLINE, record.len())
    }

    /// Adds the stub of a record in overflow pages. Returns its slot.
    pub(crate) fn push_stub(&mut self, first: PageId, pages: u32, checksum: u32, length: usize) -> u16 {
        let mut stub = [0; STUB_BYTES];
        put_u64(&mut stub, 0, first.0);
        put_u32(&mut stub, 8, pages);
        put_u32(&mut stub, 12, checksum);
        self.place(&stub, STUB, length)
    }

    fn place(&mut self, bytes: &[u8], kind: u16, length: usize) -> u16 {
        assert!(self.fits(bytes.len()), "a record was added to a page without room for it");
        self.start -= bytes.len().next_multiple_of(RECORD_ALIGNMENT);
        // An empty record at the very end would have an offset that 16 bits cannot hold.
        if self.start == self.bytes.len() {
            self.start -= RECORD_ALIGNMENT;
        }
        self.bytes[self.start..self.start + bytes.len()].copy_from_slice(bytes);
        let at = HEAP_HEADER_BYTES + usize::from(self.slots) * SLOT_BYTES;
        put_u16(&mut self.bytes, at, self.start as u16);
        put_u16(&mut self.bytes, at + 2, kind);
        put_u32(&mut self.bytes, at + 4, length as u32);
        self.slots += 1;
        put_u16(&mut self.bytes, 32, self.slots);
        put_u32(&mut self.bytes, 36, self.start as u32);
        self.slots - 1
    }

    pub(crate) fn slots(&self) -> u16 {
        self.slots
    }

    /// Bytes that are not free.
    pub(crate) fn used_bytes(&self) -> usize {
        self.bytes.len() - self.start + usize::from(self.slots) * SLOT_BYTES
    }

    /// The page as it stands, for reading; only its header and checksum are not there yet.
    pub(crate) fn view(&self, sequence: u64) -> Result<HeapPage<'_>> {
        HeapPage::from_checked(
            &self.bytes,
            PageHeader { kind: PageKind::Heap, page: self.page, sequence, next: None },
        )
    }

    /// The finished page.
    pub(crate) fn seal(mut self, sequence: u64) -> Vec<u8> {
        PageHeader { kind: PageKind::Heap, page: self.page, sequence, next: None }.seal(&mut self.bytes);
        self.bytes
    }
}

/// Builds one page of a chain.
pub(crate) fn chained_page(header: PageHeader, index: u32, payload: &[u8], page_size: usize) -> Vec<u8> {
    let mut bytes = vec![0; page_size];
    put_u32(&mut bytes, 32, index);
    put_u32(&mut bytes, 36, payload.len() as u32);
    bytes[HEAP_HEADER_BYTES..HEAP_HEADER_BYTES + payload.len()].copy_from_slice(payload);
    header.seal(&mut bytes);
    bytes
}

/// Reads and checks one page of a chain. Returns its payload and what comes next.
///
/// # Errors
/// `Corrupt`, if it is not page `index` of a chain of this kind.
pub fn read_chained_page(
    bytes: &[u8],
    at: PageId,
    kind: PageKind,
    index: u32,
) -> Result<(PageHeader, &[u8])> {
    let header = PageHeader::parse(bytes, at)?;
    let fail = |what: String| Err(PagerError::corrupt_page(at, what));
    if header.kind != kind {
        return fail(format!("a {} page where a {} page is expected", header.kind.name(), kind.name()));
    }
    if bytes.len() < HEAP_HEADER_BYTES {
        return fail("a chained page without room for its header".to_owned());
    }
    let (found, length) = (get_u32(bytes, 32), get_u32(bytes, 36) as usize);
    if found != index {
        return fail(format!("page {found} of its chain where page {index} is expected"));
    }
    if length > bytes.len() - HEAP_HEADER_BYTES {
        return fail(format!("a payload of {length} bytes does not fit its page"));
    }
    Ok((header, &bytes[HEAP_HEADER_BYTES..HEAP_HEADER_BYTES + length]))
}

#[cfg(test)]
mod tests {
    use super::super::page::checksum;
    use super::*;

    fn page_with(records: &[&[u8]]) -> Vec<u8> {
        let mut builder = HeapPageBuilder::new(PageId(9), 4096);
        for record in records {
            assert!(builder.fits(record.len()));
            builder.push(record);
        }
        builder.seal(5)
    }

    #[test]
    fn a_page_is_filled_to_the_last_byte() {
        for page_size in [4096, 65536] {
            let full = vec![7; inline_capacity(page_size)];
            let mut builder = HeapPageBuilder::new(PageId(9), page_size);
            assert!(builder.fits(full.len()) && !builder.fits(full.len() + 1));
            builder.push(&full);
            assert!(!builder.fits(0));
            let bytes = builder.seal(5);
            let page = HeapPage::parse(&bytes, PageId(9)).unwrap();
            assert_eq!(page.bytes_of(0).unwrap(), full);
        }
    }

    #[test]
    fn empty_records_have_an_address() {
        for page_size in [4096, 65536] {
            let mut builder = HeapPageBuilder::new(PageId(9), page_size);
            let mut count = 0;
            while builder.fits(0) {
                builder.push(b"");
                count += 1;
            }
            let bytes = builder.seal(5);
            let page = HeapPage::parse(&bytes, PageId(9)).unwrap();
            assert_eq!(usize::from(page.slots()), count);
            assert!((0..page.slots()).all(|slot| page.bytes_of(slot).unwrap().is_empty()));
        }
    }

    #[test]
    fn each_field_is_checked() {
        let sound = page_with(&[b"first", b"second"]);
        let look = |at: usize, bytes: &[u8]| {
            let mut page = sound.clone();
            page[at..at + bytes.len()].copy_from_slice(bytes);
            let sum = checksum(&page[4..]);
            put_u32(&mut page, 0, sum);
            let parsed = HeapPage::parse(&page, PageId(9))?;
            parsed.bytes_of(0).map(<[u8]>::to_vec)
        };
        assert_eq!(look(100, &[0]).unwrap(), b"first");
        let bad: &[(usize, &[u8])] = &[
            (4, &[2]),           // an overflow page
            (32, &[0xff, 0xff]), // slots run into the records
            (32, &[0, 0]),       // no slots
            (36, &[0, 0, 0, 0]), // records in the header
            (36, &[0xff, 0xff, 0xff, 0xff]),
            (40, &[0, 0]),       // a record in the header
            (40, &[0xf9, 0x0f]), // not at a multiple of 8
            (40, &[0xff, 0xff]), // past the page
            (42, &[0, 0]),       // kind 0
            (42, &[3, 0]),
            (42, &[2, 0]), // a stub with nonsense in it
            (44, &[0xff, 0xff, 0xff, 0xff]),
            (44, &[9, 0]), // over the end
        ];
        for (at, bytes) in bad {
            assert!(look(*at, bytes).is_err(), "{bytes:x?} at {at}");
        }
    }

    #[test]
    fn a_chained_page_must_be_the_one_expected() {
        let header = PageHeader { kind: PageKind::Overflow, page: PageId(3), sequence: 1, next: None };
        let bytes = chained_page(header, 2, b"payload", 4096);
        let (found, payload) = read_chained_page(&bytes, PageId(3), PageKind::Overflow, 2).unwrap();
        assert_eq!((found, payload), (header, &b"payload"[..]));
        assert!(read_chained_page(&bytes, PageId(3), PageKind::Overflow, 1).is_err());
        assert!(read_chained_page(&bytes, PageId(3), PageKind::Space, 2).is_err());
        let mut long = bytes;
        put_u32(&mut long, 36, 4096);
        let sum = checksum(&long[4..]);
        put_u32(&mut long, 0, sum);
        assert!(read_chained_page(&long, PageId(3), PageKind::Overflow, 2).is_err());
    }

    #[test]
    fn addresses_pack_into_an_integer() {
        let slot = SlotId::new(PageId(0x1234_5678_9abc), 0xdef0).unwrap();
        assert_eq!(slot.to_u64(), 0x1234_5678_9abc_def0);
        assert_eq!((slot.page().0, slot.slot()), (0x1234_5678_9abc, 0xdef0));
        assert_eq!(SlotId::from_u64(slot.to_u64()), Some(slot));
        assert_eq!(SlotId::from_u64(0), None);
        assert!(SlotId::new(PageId(1 << 48), 0).is_err() && SlotId::new(PageId(0), 1).is_err());
    }
}
