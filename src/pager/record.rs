//! Records that lie in heap pages and chains of pages, read through whatever gives whole pages.

use bytes::Bytes;

use super::error::{PagerError, Result};
use super::heap::{HeapPage, Slot, SlotId, chain_payload, read_chained_page};
use super::memory_file::aligned_copy;
use super::page::{PageHeader, PageId, PageKind, checksum};
use super::space::SpaceTable;
use super::superblock::Superblock;

/// Walks the chain of the free-space table. Returns the table and the chain's pages.
pub(super) fn read_space_table(
    superblock: &Superblock,
    read: impl Fn(PageId) -> Result<Bytes>,
) -> Result<(SpaceTable, Vec<u64>)> {
    let Some(root) = superblock.space_root else { return Ok((SpaceTable::default(), Vec::new())) };
    let mut content = Vec::new();
    let mut pages = Vec::new();
    let mut next = Some(root);
    // The superblock says how many pages there are, so a chain that bites its tail ends as well.
    for index in 0..superblock.space_pages {
        let page = next.ok_or_else(|| PagerError::corrupt_page(root, "the free-space table ends early"))?;
        let bytes = read(page)?;
        let index = u32::try_from(index).map_err(|_| PagerError::corrupt_page(page, "an endless chain"))?;
        let (header, payload) = read_chained_page(&bytes, page, PageKind::Space, index)?;
        check_sequence(header, superblock.sequence)?;
        content.extend_from_slice(payload);
        pages.push(page.0);
        next = header.next;
    }
    Ok((SpaceTable::parse(&content, superblock.page_count, root)?, pages))
}

/// A page that a later commit wrote cannot belong to this one: its space was reused.
pub(super) fn check_sequence(header: PageHeader, sequence: u64) -> Result<()> {
    if header.sequence > sequence {
        return Err(PagerError::corrupt_page(
            header.page,
            format!("written by commit {}, but read as of commit {sequence}", header.sequence),
        ));
    }
    Ok(())
}

/// Reads a record through `read`, which gives whole pages that may be trusted to be those asked for.
pub(super) fn read_record(
    slot: SlotId,
    sequence: u64,
    page_size: usize,
    page_count: u64,
    read: impl Fn(PageId) -> Result<Bytes>,
) -> Result<Bytes> {
    let bytes = read(slot.page())?;
    let page = HeapPage::parse(&bytes, slot.page())?;
    check_sequence(page.header, sequence)?;
    match page.slot(slot.slot())? {
        Slot::Inline { offset, length } => Ok(bytes.slice(offset..offset + length)),
        chained @ Slot::Chained { .. } => {
            read_chained(chained, slot, sequence, page_size, page_count, read, |_| ())
        }
    }
}

/// Reads a record in overflow pages, and names each page to `visit`.
pub(super) fn read_chained(
    record: Slot,
    slot: SlotId,
    sequence: u64,
    page_size: usize,
    page_count: u64,
    read: impl Fn(PageId) -> Result<Bytes>,
    mut visit: impl FnMut(PageId),
) -> Result<Bytes> {
    let Slot::Chained { first, pages, checksum: expected, length } = record else { return Ok(Bytes::new()) };
    let fail = |what: String| PagerError::corrupt_page(slot.page(), format!("slot {}: {what}", slot.slot()));
    if u64::from(pages) > page_count || length > pages as usize * chain_payload(page_size) {
        return Err(fail(format!("{length} bytes in {pages} overflow pages do not fit the file")));
    }
    let mut record = Vec::with_capacity(length);
    let mut next = Some(first);
    for index in 0..pages {
        let page = next.ok_or_else(|| fail(format!("its chain ends after {index} of {pages} pages")))?;
        let bytes = read(page)?;
        let (header, payload) = read_chained_page(&bytes, page, PageKind::Overflow, index)?;
        check_sequence(header, sequence)?;
        record.extend_from_slice(payload);
        visit(page);
        next = header.next;
    }
    if record.len() != length || checksum(&record) != expected {
        return Err(fail(format!("its {pages} overflow pages do not hold the record it names")));
    }
    Ok(aligned_copy(0, &record))
}
