//! Records that are found by looking at every page, whatever commit they are of.

use crate::pager::inspect::Inspection;
use crate::pager::{FIRST_DATA_PAGE, PageHeader, PageId, PageKind, SlotId, Superblock};

/// Of all records in sound heap pages those that `take` takes, with the commits that wrote their pages; the newest first.
pub(super) fn records<T>(file: &Inspection, take: impl Fn(&[u8]) -> Option<T>) -> Vec<(u64, SlotId, T)> {
    let file = match &file.superblock {
        Ok(superblock) => {
            file.as_of(Superblock { sequence: u64::MAX, space_root: None, space_pages: 0, ..*superblock })
        }
        Err(_) => file.clone(),
    };
    let mut found = vec![];
    for page in (FIRST_DATA_PAGE..file.pages()).map(PageId) {
        let Ok(bytes) = file.page(page) else { continue };
        let Ok(header) = PageHeader::parse(&bytes, page) else { continue };
        if header.kind != PageKind::Heap {
            continue;
        }
        let slots = file.heap_page(page, |heap| heap.slots()).unwrap_or(0);
        for slot in (0..slots).filter_map(|slot| SlotId::new(page, slot).ok()) {
            if let Ok(bytes) = file.record(slot)
                && let Some(record) = take(&bytes)
            {
                found.push((header.sequence, slot, record));
            }
        }
    }
    found.sort_by_key(|(sequence, slot, _)| std::cmp::Reverse((*sequence, slot.to_u64())));
    found
}
