//! The pager as a whole: commits, readers, reopening.

use std::sync::Arc;

use super::*;

fn options(page_size: u32) -> Options {
    Options { page_size, ..Options::default() }
}

const PAGE_SIZES: [u32; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

#[test]
fn what_was_committed_is_there_after_reopening() {
    for page_size in PAGE_SIZES {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.flux");
        let records: Vec<Vec<u8>> =
            [0_usize, 1, 7, 8, 9, 4000, page_size as usize - 48, page_size as usize - 47, 300_000]
                .iter()
                .map(|length| (0..*length).map(|at| (at * 31 + length) as u8).collect())
                .collect();
        let data = vec![0xa1; 200_000];
        let (slots, extent) = {
            let pager = Pager::open(&path, &options(page_size)).unwrap();
            let txn = pager.begin_write().unwrap();
            let slots: Vec<SlotId> = records.iter().map(|record| txn.heap_insert(record).unwrap()).collect();
            let extent = txn.alloc_extent(data.len() as u64).unwrap();
            txn.write_extent(extent, &data).unwrap();
            for (slot, record) in slots.iter().zip(&records) {
                assert_eq!(&txn.heap_get(*slot).unwrap()[..], record);
            }
            txn.set_roots(Roots { catalog: Some(slots[2]), log: None });
            txn.commit().unwrap();
            (slots, extent)
        };
        let pager = Pager::open(&path, &Options { read_only: true, ..Options::default() }).unwrap();
        assert_eq!(pager.page_size(), page_size as usize);
        let snapshot = pager.snapshot();
        assert_eq!(snapshot.roots().catalog, Some(slots[2]));
        for (slot, record) in slots.iter().zip(&records) {
            let read = snapshot.heap_get(*slot).unwrap();
            assert_eq!(&read[..], record);
            assert_eq!(read.as_ptr().align_offset(8), 0);
        }
        let read = snapshot.read_extent(extent).unwrap();
        assert_eq!(&read[..data.len()], &data);
        assert_eq!(read.as_ptr().align_offset(64), 0);
        assert!(matches!(pager.begin_write(), Err(PagerError::ReadOnly(_))));
    }
}

#[test]
fn a_rollback_leaves_nothing() {
    let pager = Pager::memory(&options(4096)).unwrap();
    let before = pager.snapshot().sequence();
    let txn = pager.begin_write().unwrap();
    let slot = txn.heap_insert(b"gone").unwrap();
    assert!(pager.try_begin_write().unwrap().is_none());
    drop(txn);
    assert_eq!(pager.snapshot().sequence(), before);
    assert!(pager.snapshot().heap_get(slot).is_err());
    let txn = pager.begin_write().unwrap();
    assert_eq!(txn.heap_insert(b"here").unwrap(), slot, "the space is used again");
    let snapshot = txn.commit().unwrap();
    assert_eq!(&snapshot.heap_get(slot).unwrap()[..], b"here");
}

#[test]
fn a_reader_keeps_what_it_sees() {
    let pager = Pager::memory(&options(4096)).unwrap();
    let txn = pager.begin_write().unwrap();
    let seen = txn.heap_insert(b"old").unwrap();
    let reader = txn.commit().unwrap();
    let txn = pager.begin_write().unwrap();
    txn.heap_delete(seen).unwrap();
    txn.commit().unwrap();
    for round in 0..5 {
        let txn = pager.begin_write().unwrap();
        let slot = txn.heap_insert(format!("new {round}").as_bytes()).unwrap();
        assert_ne!(slot.page(), seen.page());
        txn.heap_delete(slot).unwrap();
        txn.heap_insert(b"x").unwrap();
        txn.commit().unwrap();
    }
    assert_eq!(&reader.heap_get(seen).unwrap()[..], b"old");
}
