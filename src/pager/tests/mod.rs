//! The pager as a whole: commits, readers, reopening.

mod corruption;
mod crash;
mod format;
mod log;
mod model;
mod process;

use std::sync::Arc;

use super::fault::Random;
use super::*;
use model::{History, run};

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

#[test]
fn random_transactions_agree_with_the_model_at_all_page_sizes() {
    for page_size in PAGE_SIZES {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.flux");
        let mut history = History::default();
        let mut random = Random(u64::from(page_size));
        for _ in 0..4 {
            let pager = Pager::open(&path, &options(page_size)).unwrap();
            history.model.verify_all(&pager.snapshot());
            run(&pager, &mut random, 12, &mut history).unwrap();
            history.model.verify_all(&pager.snapshot());
            let pages = pager.snapshot().superblock().page_count;
            drop(pager);
            assert_eq!(std::fs::metadata(&path).unwrap().len(), pages * u64::from(page_size));
        }
        let names: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(names, ["a.flux"], "a closed database is one file");
    }
}

#[test]
fn files_shrink_and_space_is_reused() {
    let pager = Pager::memory(&options(4096)).unwrap();
    let mut sizes = Vec::new();
    let root = std::cell::Cell::new(None);
    // As a catalog does, each commit replaces the root record.
    let commit = |txn: WriteTxn| {
        root.take().map_or(Ok(()), |root| txn.heap_delete(root)).unwrap();
        root.set(Some(txn.heap_insert(b"root").unwrap()));
        txn.commit().unwrap();
    };
    (0..2).for_each(|_| commit(pager.begin_write().unwrap()));
    for _ in 0..6 {
        let txn = pager.begin_write().unwrap();
        let extents: Vec<Extent> = (0..40).map(|_| txn.alloc_extent(1 << 20).unwrap()).collect();
        for extent in &extents {
            txn.write_extent(*extent, &[1; 5000]).unwrap();
        }
        commit(txn);
        let full = pager.file_bytes().unwrap();
        let txn = pager.begin_write().unwrap();
        for extent in extents {
            txn.free_extent(extent).unwrap();
        }
        commit(txn);
        sizes.push((full, pager.file_bytes().unwrap()));
    }
    assert!(sizes.iter().all(|(full, _)| *full < 50 << 20), "{sizes:?}");
    assert!(sizes.iter().all(|(_, empty)| *empty < 4 << 20), "{sizes:?}");
}

#[test]
fn a_slice_outlives_its_reader_and_its_extent() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.flux");
    let pager = Pager::open(&path, &options(4096)).unwrap();
    let txn = pager.begin_write().unwrap();
    let extent = txn.alloc_extent(8192).unwrap();
    txn.write_extent(extent, &[1; 8192]).unwrap();
    let slice = txn.commit().unwrap().read_extent(extent).unwrap();
    let txn = pager.begin_write().unwrap();
    txn.free_extent(extent).unwrap();
    txn.commit().unwrap();
    let overwrite = || {
        let txn = pager.begin_write().unwrap();
        let new: Vec<Extent> = (0..400).map(|_| txn.alloc_extent(4096).unwrap()).collect();
        for extent in &new {
            txn.write_extent(*extent, &[2; 4096]).unwrap();
        }
        let reused = new.iter().any(|new| new.start >= extent.start && new.start < extent.end());
        txn.rollback();
        reused
    };
    assert!(!overwrite());
    assert!(slice.iter().all(|byte| *byte == 1));
    let part = slice.slice(5000..5001);
    drop(slice);
    assert!(!overwrite(), "a part of the slice holds all of it");
    drop(part);
    assert!(overwrite(), "with the last slice the space is free");
    // A slice also keeps the file open and locked.
    let txn = pager.begin_write().unwrap();
    let extent = txn.alloc_extent(1).unwrap();
    txn.write_extent(extent, &[3; 4096]).unwrap();
    let slice = txn.commit().unwrap().read_extent(extent).unwrap();
    drop(pager);
    assert!(matches!(Pager::open(&path, &options(4096)), Err(PagerError::Locked { .. })));
    drop(slice);
    Pager::open(&path, &options(4096)).unwrap();
}

#[test]
fn extents_are_written_from_many_threads() {
    let pager = Pager::memory(&Options::default()).unwrap();
    let txn = pager.begin_write().unwrap();
    let mut all: Vec<(SlotId, Extent, u8)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u8)
            .map(|thread| {
                let txn = &txn;
                scope.spawn(move || {
                    (0..50_u8)
                        .map(|round| {
                            let mark = thread * 50 + round;
                            let extent = txn.alloc_extent(u64::from(round) * 1000 + 1).unwrap();
                            txn.write_extent(extent, &vec![mark; usize::from(round) * 1000 + 1]).unwrap();
                            (txn.heap_insert(&[mark; 100]).unwrap(), extent, mark)
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    txn.set_roots(Roots { catalog: Some(all[0].0), log: None });
    let snapshot = txn.commit().unwrap();
    all.sort();
    for (slot, extent, mark) in &all {
        assert_eq!(&snapshot.heap_get(*slot).unwrap()[..], &[*mark; 100]);
        assert!(snapshot.read_extent_range(*extent, 0, 1).unwrap()[..] == [*mark]);
    }
    let account = snapshot.account(all.iter().map(|each| each.0), all.iter().map(|each| each.1));
    assert!(account.faults.is_empty(), "{:?}", account.faults);
}

#[test]
fn misuse_is_refused() {
    let pager = Pager::memory(&options(4096)).unwrap();
    assert!(matches!(Pager::memory(&options(5000)), Err(PagerError::Invalid(_))));
    let txn = pager.begin_write().unwrap();
    let slot = txn.heap_insert(b"a").unwrap();
    let extent = txn.alloc_extent(4096).unwrap();
    let other = txn.heap_insert(b"b").unwrap();
    txn.commit().unwrap();
    let txn = pager.begin_write().unwrap();
    assert!(txn.write_extent(extent, b"x").is_err(), "committed bytes are never written");
    assert!(txn.shrink_extent(extent, 1).is_err());
    txn.free_extent(extent).unwrap();
    assert!(txn.free_extent(extent).is_err());
    assert!(txn.free_extent(Extent { start: PageId(0), pages: 2 }).is_err());
    assert!(txn.free_extent(Extent { start: PageId(9999), pages: 2 }).is_err());
    let mine = txn.alloc_extent(1).unwrap();
    assert!(txn.write_extent_at(mine, 4000, &[0; 97]).is_err());
    assert!(txn.write_extent_at(mine, u64::MAX, &[0; 97]).is_err());
    txn.free_extent(mine).unwrap();
    txn.heap_delete(slot).unwrap();
    assert!(txn.heap_delete(slot).unwrap_err().to_string().contains("deleted twice"));
    assert!(txn.heap_delete(SlotId::new(slot.page(), 9).unwrap()).is_err());
    txn.heap_delete(other).unwrap();
    assert!(txn.heap_delete(other).unwrap_err().to_string().contains("free page"));
    txn.commit().unwrap();
}

#[test]
fn a_commit_of_nothing_writes_nothing() {
    let file = Arc::new(fault::FaultFile::new(&[], fault::FaultPlan::default()));
    let pager = Pager::open_file(file.clone(), &options(4096)).unwrap();
    let before = file.operations();
    let sequence = pager.snapshot().sequence();
    let snapshot = pager.begin_write().unwrap().commit().unwrap();
    assert_eq!((snapshot.sequence(), file.operations()), (sequence, before));
}

#[test]
fn opening_reads_only_the_superblocks() {
    let file = Arc::new(fault::FaultFile::new(&[], fault::FaultPlan::default()));
    let mut history = History::default();
    run(&Pager::open_file(file.clone(), &options(4096)).unwrap(), &mut Random(1), 20, &mut history).unwrap();
    let before = file.reads();
    let pager = Pager::open_file(file.clone(), &options(4096)).unwrap();
    assert_eq!(file.reads() - before, 2);
    drop(pager);
}

#[test]
fn sparse_pages_are_known_and_can_be_emptied() {
    let pager = Pager::memory(&options(4096)).unwrap();
    let mut slots = Vec::new();
    for at in 0..20_u8 {
        let txn = pager.begin_write().unwrap();
        slots.push(txn.heap_insert(&[at; 100]).unwrap());
        txn.commit().unwrap();
    }
    let txn = pager.begin_write().unwrap();
    for slot in &mut slots {
        assert!(txn.is_sparse(*slot));
        let record = txn.heap_get(*slot).unwrap();
        txn.heap_delete(*slot).unwrap();
        *slot = txn.heap_insert(&record).unwrap();
    }
    txn.commit().unwrap();
    let txn = pager.begin_write().unwrap();
    assert!(!txn.is_sparse(slots[0]));
    let mut pages: Vec<PageId> = slots.iter().map(|slot| slot.page()).collect();
    pages.dedup();
    assert_eq!(pages.len(), 1);
    drop(txn);
    for (at, slot) in slots.iter().enumerate() {
        assert_eq!(&pager.snapshot().heap_get(*slot).unwrap()[..], &[at as u8; 100]);
    }
}

#[test]
fn a_file_without_write_permission_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.flux");
    let txn = Pager::open(&path, &options(4096)).unwrap().begin_write().unwrap();
    let slot = txn.heap_insert(b"still here").unwrap();
    txn.commit().unwrap();
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    let read_only = Options { read_only: true, ..Options::default() };
    let first = Pager::open(&path, &read_only).unwrap();
    let second = Pager::open(&path, &read_only).unwrap();
    for pager in [first, second] {
        assert_eq!(&pager.snapshot().heap_get(slot).unwrap()[..], b"still here");
    }
}
