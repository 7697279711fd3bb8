//! Damaged files: an error that says where, never a wrong answer, never a panic.

use std::sync::Arc;

use super::super::fault::Random;
use super::super::inspect::{Inspection, PageView};
use super::super::page::{checksum, put_u32, put_u64};
use super::super::*;
use super::model::{History, Model, run};

const PAGE: usize = 4096;
const OPTIONS: Options = Options { read_only: false, create: true, page_size: PAGE as u32, mapped: true };

/// A file with a history, closed cleanly.
fn sample(seed: u64) -> (Vec<u8>, Model) {
    let file = Arc::new(MemoryFile::new());
    let mut history = History::default();
    let pager = Pager::open_file(file.clone(), &OPTIONS).unwrap();
    run(&pager, &mut Random(seed), 14, &mut history).unwrap();
    drop(pager);
    (file.to_vec(), history.model)
}

fn open(image: &[u8]) -> Result<Pager> {
    Pager::open_file(Arc::new(MemoryFile::from_bytes(image)), &OPTIONS)
}

fn newest_slot(image: &[u8]) -> usize {
    Inspection::of_file(Arc::new(MemoryFile::from_bytes(image)), None).unwrap().superblock.unwrap().slot()
        as usize
}

/// Changes a slot's field and makes the checksum right again.
fn forge(image: &mut [u8], slot: usize, at: usize, bytes: &[u8]) {
    let block = &mut image[slot * PAGE..slot * PAGE + 512];
    block[at..at + bytes.len()].copy_from_slice(bytes);
    let sum = checksum(&block[..508]);
    put_u32(block, 508, sum);
}

#[test]
fn each_field_of_a_superblock_is_checked() {
    let (image, _) = sample(1);
    let newest = newest_slot(&image);
    let old_sequence = open(&image).unwrap().snapshot().sequence() - 1;
    let count = image.len() as u64 / PAGE as u64;
    // Fields whose checksum is right but whose value is impossible: the slot is ignored, the other one rules.
    let impossible: &[(usize, u64)] = &[
        (8, 4096 << 32),        // version 0
        (8, 1),                 // page size 0
        (8, 1 | 5000 << 32),    // not a power of two
        (8, 1 | 2048 << 32),    // too small
        (8, 1 | 131_072 << 32), // too large
        (48, 0),                // sequence
        (48, u64::MAX),
        (48, old_sequence), // belongs in the other slot
        (56, 0),            // page count
        (56, 1),
        (56, u64::MAX),
        (64, 1 << 16),     // catalog root in a superblock
        (64, count << 16), // past the end
        (64, u64::MAX),
        (72, 1), // free-space root
        (72, count),
        (72, 0), // pages without a root
        (80, 0), // a root without pages
        (80, count),
        (88, 1), // log root
        (88, count),
        (96, 1 - newest as u64), // the other slot's number
    ];
    for (at, value) in impossible {
        let mut bad = image.clone();
        forge(&mut bad, newest, *at, &value.to_le_bytes());
        match open(&bad) {
            Ok(pager) => assert_eq!(pager.snapshot().sequence(), old_sequence, "field {at} = {value:#x}"),
            // The older commit's file may have been longer.
            Err(error) => {
                assert!(error.to_string().contains("truncated"), "field {at} = {value:#x}: {error}");
            }
        }
        // Both slots bad: nothing to fall back to.
        forge(&mut bad, 1 - newest, 56, &0_u64.to_le_bytes());
        let error = open(&bad).unwrap_err();
        assert!(error.is_corrupt() && error.to_string().contains("no valid superblock"), "{error}");
    }
    // A page count that the file cannot have.
    let mut bad = image.clone();
    forge(&mut bad, newest, 56, &(count + 1).to_le_bytes());
    assert!(open(&bad).unwrap_err().to_string().contains("truncated"));
    // Unknown features may be ignored, or not, as the flags say.
    let mut bad = image.clone();
    forge(&mut bad, newest, 16, &u64::MAX.to_le_bytes());
    assert!(open(&bad).is_ok());
    forge(&mut bad, newest, 24, &4_u64.to_le_bytes());
    assert!(matches!(open(&bad), Err(PagerError::UnsupportedFeatures { bits: 4, .. })));
}

#[test]
fn a_newer_version_is_refused_by_number() {
    for slots in [&[0][..], &[1], &[0, 1]] {
        let (mut image, _) = sample(1);
        for slot in slots {
            forge(&mut image, *slot, 8, &7_u32.to_le_bytes());
        }
        let error = open(&image).unwrap_err();
        assert!(matches!(error, PagerError::UnsupportedVersion { found: 7, supported: 1, .. }), "{error}");
    }
}

#[test]
fn a_torn_slot_falls_back_to_the_other() {
    let (image, model) = sample(2);
    let newest = newest_slot(&image);
    for at in 0..512 {
        let mut bad = image.clone();
        bad[(1 - newest) * PAGE + at] ^= 0x40;
        model.verify_all(&open(&bad).unwrap().snapshot());
        let mut bad = image.clone();
        bad[newest * PAGE + at] ^= 0x40;
        let result = open(&bad).map(|pager| pager.snapshot().sequence());
        assert!(result.as_ref().map_or_else(PagerError::is_corrupt, |sequence| *sequence > 2), "{result:?}");
        // Neither: an error, whatever else the slots hold.
        bad[(1 - newest) * PAGE + at] ^= 0x40;
        let error = open(&bad).unwrap_err();
        assert!(error.is_corrupt() || matches!(error, PagerError::NotADatabase(_)), "{error}");
    }
}

#[test]
fn a_truncated_file_says_so() {
    let (image, _) = sample(3);
    for length in (0..image.len()).step_by(509).chain([1, 511, 512, PAGE, 2 * PAGE, image.len() - 1]) {
        if length == 0 {
            continue;
        }
        let error = open(&image[..length]).unwrap_err();
        assert!(error.is_corrupt() || length < 8, "{length} bytes: {error}");
    }
    let longer = [&image[..], &[7; 5000]].concat();
    open(&longer).unwrap();
}

#[test]
fn what_is_not_a_database_is_left_alone() {
    let zeros = vec![0; 1 << 20];
    let texts: [&[u8]; 6] = [b"x", b"hello, world\n", &[0; 100], &[0x89; 5000], &zeros, b"PAR1\0\0\0\0PAR1"];
    for text in texts {
        let file = Arc::new(MemoryFile::from_bytes(text));
        let error = Pager::open_file(file.clone(), &OPTIONS).unwrap_err();
        assert!(matches!(error, PagerError::NotADatabase(_)), "{error}");
        assert_eq!(file.to_vec(), text);
    }
    let nothing = Options { read_only: true, ..OPTIONS };
    let file = Arc::new(MemoryFile::new());
    assert!(matches!(Pager::open_file(file, &nothing), Err(PagerError::NotADatabase(_))));
}

#[test]
fn a_flipped_bit_is_found_or_does_not_matter() {
    let (image, model) = sample(4);
    let mut random = Random(4);
    let raw: Vec<std::ops::Range<usize>> = model
        .extents
        .iter()
        .map(|(extent, _)| extent.start.0 as usize * PAGE..extent.end().0 as usize * PAGE)
        .collect();
    let mut found = 0;
    for _ in 0..1500 {
        let at = 2 * PAGE + random.below((image.len() - 2 * PAGE) as u64) as usize;
        if raw.iter().any(|range| range.contains(&at)) {
            continue; // Checksums of extents are the affair of the layer above.
        }
        let mut bad = image.clone();
        bad[at] ^= 1 << random.below(8);
        let pager = open(&bad).unwrap();
        let snapshot = pager.snapshot();
        let mut damaged = false;
        for (slot, record) in &model.records {
            match snapshot.heap_get(*slot) {
                Ok(bytes) => assert_eq!(&bytes[..], record),
                Err(error) => {
                    assert!(error.is_corrupt(), "{error}");
                    assert!(error.to_string().contains(&format!("(page {})", at / PAGE)), "{error}");
                    damaged = true;
                }
            }
        }
        let begun = pager.begin_write();
        damaged |= begun.as_ref().is_err_and(PagerError::is_corrupt);
        found += usize::from(damaged);
        let records = model.records.iter().map(|(slot, _)| *slot);
        let account = snapshot.account(records, model.extents.iter().map(|(extent, _)| *extent));
        assert_eq!(!account.faults.is_empty(), damaged, "byte {at}: {:?}", account.faults);
    }
    assert!(found > 100, "only {found} flips hit a page in use");
}

#[test]
fn forged_pages_never_panic() {
    let (image, model) = sample(6);
    let mut random = Random(6);
    for _ in 0..3000 {
        let page = 2 + random.below((image.len() / PAGE - 2) as u64) as usize;
        let mut bad = image.clone();
        let bytes = &mut bad[page * PAGE..(page + 1) * PAGE];
        for _ in 0..=random.below(3) {
            let range = if random.one_in(4) { PAGE as u64 - 12 } else { 92 };
            let at = 4 + random.below(range) as usize;
            let value = match random.below(4) {
                0 => random.next_u64(),
                1 => u64::MAX,
                2 => random.below(image.len() as u64 / PAGE as u64),
                _ => 1 << random.below(64),
            };
            put_u64(bytes, at, value);
        }
        let sum = checksum(&bytes[4..]);
        put_u32(bytes, 0, sum);
        let file = Arc::new(MemoryFile::from_bytes(&bad));
        let inspection = Inspection::of_file(file.clone(), None).unwrap();
        assert!(inspection.views().all(|(_, view)| view.is_ok()));
        for (slot, _) in &model.records {
            let _ = inspection.record(*slot);
        }
        let pager = Pager::open_file(file, &OPTIONS).unwrap();
        let snapshot = pager.snapshot();
        let _ = snapshot.account(model.records.iter().map(|(slot, _)| *slot), []);
        let Ok(txn) = pager.begin_write() else { continue };
        for (slot, _) in &model.records {
            let _ = txn.heap_delete(*slot);
        }
        let _ = txn.heap_insert(&[1; 5000]);
        let _ = txn.commit();
    }
}

#[test]
fn an_extent_outside_the_file_is_refused() {
    let (image, _) = sample(1);
    let pager = open(&image).unwrap();
    let snapshot = pager.snapshot();
    let count = snapshot.superblock().page_count;
    for (start, pages) in [(0, 1), (1, 2), (2, 0), (2, count), (count, 1), (u64::MAX, 1), (3, u64::MAX)] {
        let extent = Extent { start: PageId(start), pages };
        assert!(snapshot.read_extent(extent).unwrap_err().is_corrupt(), "{extent}");
    }
    let extent = Extent { start: PageId(2), pages: 1 };
    for (offset, bytes) in [(0, PAGE + 1), (PAGE as u64, 1), (u64::MAX, 1), (1, usize::MAX)] {
        assert!(snapshot.read_extent_range(extent, offset, bytes).is_err());
    }
}

#[test]
fn a_page_of_a_later_commit_is_not_taken_for_an_older_one() {
    // The newest superblock is lost, and the space of the commit before it was reused since.
    let file = Arc::new(MemoryFile::new());
    let pager = Pager::open_file(file.clone(), &OPTIONS).unwrap();
    let txn = pager.begin_write().unwrap();
    let old = txn.heap_insert(b"old").unwrap();
    txn.commit().unwrap();
    let txn = pager.begin_write().unwrap();
    txn.heap_delete(old).unwrap();
    txn.heap_insert(b"kept").unwrap();
    let newest = txn.commit().unwrap().superblock().slot() as usize;
    let txn = pager.begin_write().unwrap();
    let new = txn.heap_insert(b"new").unwrap();
    txn.heap_insert(&[0; 4040]).unwrap();
    assert_eq!(new, old, "this test needs the page to be reused");
    let mut image = file.to_vec();
    image[newest * PAGE + 100] ^= 1;
    let pager = open(&image).unwrap();
    let error = pager.snapshot().heap_get(old).unwrap_err().to_string();
    assert!(error.contains("written by commit 5, but read as of commit 3"), "{error}");
}

#[test]
fn the_inspector_sees_what_is_there() {
    let (image, model) = sample(4);
    let inspection = Inspection::of_file(Arc::new(MemoryFile::from_bytes(&image)), None).unwrap();
    let (table, chain) = inspection.space.as_ref().unwrap();
    for (page, view) in inspection.views() {
        let view = view.unwrap();
        let free =
            table.free.iter().any(|range| (range.start.0..range.start.0 + range.pages).contains(&page.0));
        let heap = model.records.iter().any(|(slot, _)| slot.page() == page);
        let extent = model.extents.iter().any(|(extent, _)| (extent.start..extent.end()).contains(&page));
        let right = match &view {
            PageView::Superblock(SlotState::Valid(superblock)) => superblock.slot() == page.0,
            PageView::Free { .. } => free,
            PageView::Paged(header) => match header.kind {
                PageKind::Heap => heap || extent,
                PageKind::Space => chain.contains(&page) || extent,
                PageKind::Overflow => !free && !heap,
            },
            PageView::Raw => extent,
            _ => false,
        };
        assert!(right, "page {page}: {view:?}");
    }
    for (slot, record) in &model.records {
        assert_eq!(&inspection.record(*slot).unwrap()[..], record);
        inspection
            .heap_page(slot.page(), |page| {
                assert!(!inspection.dead_slots(slot.page()).contains(&slot.slot()));
                assert!(page.slot(slot.slot()).is_ok() && slot.slot() < page.slots());
            })
            .unwrap();
    }
    // A file without any superblock is still looked at, page by page.
    let mut bad = image;
    bad[..2 * PAGE].fill(7);
    let inspection = Inspection::of_file(Arc::new(MemoryFile::from_bytes(&bad)), Some(PAGE as u32)).unwrap();
    assert!(inspection.superblock.is_err() && inspection.space.is_err());
    for (slot, record) in &model.records {
        assert_eq!(&inspection.record(*slot).unwrap()[..], record);
    }
}
