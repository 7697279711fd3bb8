//! Sealing beside commits: nobody loses a row or a conflict to it, in the process and after a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::tests::{assert_sound, create, delete, ids, insert, rows};
use super::*;
use crate::catalog::TableId;
use crate::pager::fault::{Fate, Fault, FaultFile, FaultPlan, Random};
use crate::pager::hooked_file::HookedFile;
use crate::pager::{File, MemoryFile};

fn options() -> StorageOptions {
    StorageOptions { page_size: 4096, row_group_rows: 100, background: false, ..StorageOptions::default() }
}

fn read(storage: &Storage, id: TableId) -> Vec<i64> {
    ids(&storage.snapshot().table(id).unwrap())
}

fn begin(storage: &Arc<Storage>) -> WriteTransaction {
    storage.begin_on(storage.snapshot(), Duration::ZERO).unwrap()
}

fn append(transaction: &mut WriteTransaction, id: TableId, new: std::ops::Range<i64>) {
    transaction.append(id).unwrap().write_row_group(0, &rows(new)).unwrap();
}

/// A database with a log and a table of these rows, some of which are not sealed.
fn logged(plan: FaultPlan) -> Option<(Arc<HookedFile<FaultFile>>, Arc<Storage>, TableId)> {
    let file = Arc::new(HookedFile::new(FaultFile::new(&[], plan), |_| true));
    let storage = Storage::open_file(file.clone(), &options()).unwrap();
    let id = create(&storage, "t");
    insert(&storage, id, 0..80);
    insert(&storage, id, 80..150);
    insert(&storage, id, 150..160);
    (160..170).for_each(|i| insert(&storage, id, i..i + 1));
    assert!(storage.snapshot().is_unsealed());
    Some((file, storage, id))
}

#[test]
fn transactions_survive_that_their_rows_are_sealed() {
    let (file, storage, id) = logged(FaultPlan::default()).unwrap();
    // Sealed rows, rows of the delta, rows of both; one that is deleted by another.
    let mut open: Vec<_> = (0..5).map(|_| begin(&storage)).collect();
    delete(&mut open[0], id, &[5, 81]);
    delete(&mut open[1], id, &[150, 165]);
    append(&mut open[1], id, 1000..1010);
    delete(&mut open[1], id, &[1003]);
    delete(&mut open[2], id, &[7, 169]);
    delete(&mut open[3], id, &[40]);
    let mut other = storage.begin().unwrap();
    delete(&mut other, id, &[40, 3, 82, 151, 166]);
    other.commit().unwrap();
    assert!(storage.seal_beside().unwrap());
    assert!(!storage.snapshot().is_unsealed());
    assert_sound(&storage);
    let mut results: Vec<_> = open.drain(..4).map(WriteTransaction::commit).collect();
    assert!(matches!(results.remove(3), Err(TableError::Conflict(_))));
    results.into_iter().for_each(|result| drop(result.unwrap()));
    // Of two that seal: by a full row group, and beside.
    let mut late = open.remove(0);
    delete(&mut late, id, &[152, 90]);
    assert!(storage.seal_beside().unwrap());
    (0..3).for_each(|i| insert(&storage, id, 2000 + i * 100..2100 + i * 100));
    assert!(storage.snapshot().sequence() > 5);
    late.commit().unwrap();
    let gone = [40, 3, 82, 151, 166, 5, 81, 150, 165, 1003, 7, 169, 152, 90];
    let all = (0..170).chain(1000..1010).chain(2000..2300);
    let mut found = read(&storage, id);
    found.sort_unstable();
    assert_eq!(found, all.filter(|i| !gone.contains(i)).collect::<Vec<_>>());
    assert_sound(&storage);
    let expected = read(&storage, id);
    std::mem::forget(storage);
    let storage = Storage::open_file(file, &options()).unwrap();
    assert_eq!(read(&storage, id), expected);
    assert_sound(&storage);
}

/// What is committed while a thread seals: rows deleted of those that it seals, rows that come and go.
fn meanwhile(storage: &Arc<Storage>, id: TableId) -> Result<()> {
    let mut transaction = storage.begin()?;
    append(&mut transaction, id, 300..310);
    delete(&mut transaction, id, &[2, 100, 155, 168]);
    transaction.commit()?;
    let mut transaction = storage.begin()?;
    append(&mut transaction, id, 310..311);
    delete(&mut transaction, id, &[304, 305, 154]);
    transaction.commit()?;
    Ok(())
}

fn expected_meanwhile(commits: usize) -> Vec<i64> {
    let gone: &[i64] = match commits {
        0 => &[],
        1 => &[2, 100, 155, 168],
        _ => &[2, 100, 155, 168, 304, 305, 154],
    };
    let end = [170, 310, 311][commits];
    (0..170).chain(300..end.max(300)).filter(|i| !gone.contains(i)).collect()
}

#[test]
fn what_is_committed_meanwhile_is_the_beginning_of_the_new_log() {
    let (file, storage, id) = logged(FaultPlan::default()).unwrap();
    let inside = Arc::clone(&storage);
    // Begun before the thread looks, in the middle, and after.
    let mut before = begin(&storage);
    delete(&mut before, id, &[10, 153]);
    let between = Arc::new(Mutex::new(None));
    let (slot, sequence) = (Arc::clone(&between), storage.snapshot().sequence());
    file.at_next_sync(move || {
        meanwhile(&inside, id).unwrap();
        let mut transaction = begin(&inside);
        delete(&mut transaction, id, &[11, 167, 306, 310]);
        *slot.lock() = Some(transaction);
    });
    assert!(storage.seal_beside().unwrap());
    assert_eq!(storage.snapshot().sequence(), sequence + 1);
    assert_eq!(read(&storage, id), expected_meanwhile(2));
    assert!(storage.snapshot().is_unsealed(), "what came meanwhile is not sealed");
    assert_sound(&storage);
    before.commit().unwrap();
    between.lock().take().unwrap().commit().unwrap();
    let gone = [10, 153, 11, 167, 306, 310];
    let expected: Vec<_> = expected_meanwhile(2).into_iter().filter(|i| !gone.contains(i)).collect();
    assert_eq!(read(&storage, id), expected);
    assert_eq!(storage.snapshot().sequence(), sequence + 1);
    std::mem::forget(storage);
    let storage = Storage::open_file(file.clone(), &options()).unwrap();
    assert_eq!((storage.recovery().commits, read(&storage, id)), (3, expected.clone()));
    assert_sound(&storage);
    drop(storage);
    assert_eq!(read(&Storage::open_file(file, &options()).unwrap(), id), expected);
}

#[test]
fn the_power_goes_at_any_moment_of_it() {
    let (file, storage, _) = logged(FaultPlan::default()).unwrap();
    let first = file.file.operations();
    storage.seal_beside().unwrap();
    drop(storage);
    let last = file.file.operations() + 20;
    let mut tried = 0;
    for at in first + 1..last {
        let plan = FaultPlan { at: Some((at, Fault::PowerCut)), ..FaultPlan::default() };
        let (file, storage, id) = logged(plan).unwrap();
        let (inside, acknowledged) = (Arc::clone(&storage), Arc::new(AtomicI64::new(0)));
        let told = Arc::clone(&acknowledged);
        file.at_next_sync(move || {
            if meanwhile(&inside, id).is_ok() {
                told.store(2, Ordering::SeqCst);
            }
        });
        let _ = storage.seal_beside();
        drop(storage);
        for fate in Fate::ALL {
            let image = file.file.image_after_power_cut(fate, at);
            let after = Storage::open_file(Arc::new(MemoryFile::from_bytes(&image)), &options()).unwrap();
            assert_eq!(after.recovery().damage, None, "at {at}, {fate:?}");
            let found = read(&after, id);
            let commits = (acknowledged.load(Ordering::SeqCst) as usize..3)
                .find(|commits| expected_meanwhile(*commits) == found);
            assert!(commits.is_some(), "at {at}, {fate:?}: {found:?}");
            assert_sound(&after);
            insert(&after, id, 5000..5001);
            assert_sound(&after);
            tried += 1;
        }
    }
    assert!(tried > 60, "{tried}");
}

#[test]
fn a_damaged_superblock_does_not_hide_that_the_log_goes_on() {
    let (file, storage, id) = logged(FaultPlan::default()).unwrap();
    assert!(storage.seal_beside().unwrap());
    insert(&storage, id, 500..501);
    let newest = storage.snapshot().sequence();
    std::mem::forget(storage);
    let mut image = file.file.image_after_power_cut(Fate::Kept, 0);
    image[(newest % 2) as usize * 4096 + 100] ^= 1;
    let after = Storage::open_file(Arc::new(MemoryFile::from_bytes(&image)), &options()).unwrap();
    assert!(after.recovery().damage.is_some(), "a commit is lost, and nobody is told");
    assert!(after.check_writable().is_err());
    assert_eq!(read(&after, id), (0..170).collect::<Vec<_>>());
}

#[test]
fn random_histories_are_those_of_a_list() {
    for seed in 0..30 {
        let mut random = Random(seed);
        let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
        let mut storage = Storage::open_file(file.clone(), &options()).unwrap();
        let id = create(&storage, "t");
        let (mut model, mut next): (Vec<i64>, i64) = (vec![], 0);
        let mut open: Vec<(WriteTransaction, Vec<i64>)> = vec![];
        for _ in 0..150 {
            match random.below(10) {
                0..=3 => {
                    let count = 1 + random.below(30) as i64;
                    insert(&storage, id, next..next + count);
                    model.extend(next..next + count);
                    next += count;
                }
                4 | 5 if !model.is_empty() => {
                    let gone: Vec<i64> =
                        (0..3).map(|_| model[random.below(model.len() as u64) as usize]).collect();
                    let mut transaction = begin(&storage);
                    delete(&mut transaction, id, &gone);
                    open.push((transaction, gone));
                }
                6 | 7 if !open.is_empty() => {
                    let (transaction, gone) = open.remove(random.below(open.len() as u64) as usize);
                    let there = gone.iter().all(|i| model.contains(i));
                    match transaction.commit() {
                        Ok(_) => assert!(there, "seed {seed}: {gone:?}"),
                        Err(TableError::Conflict(_)) => assert!(!there, "seed {seed}: {gone:?}"),
                        Err(error) => panic!("{error}"),
                    }
                    if there {
                        model.retain(|i| !gone.contains(i));
                    }
                }
                8 => {
                    storage.seal_beside().unwrap();
                }
                9 if random.one_in(6) => {
                    open.clear();
                    if random.one_in(2) {
                        std::mem::forget(storage);
                    } else {
                        drop(storage);
                    }
                    storage = Storage::open_file(file.clone(), &options()).unwrap();
                }
                _ => {}
            }
            assert_eq!(read(&storage, id), model, "seed {seed}");
        }
        assert_sound(&storage);
    }
}

/// Many threads, with a log that is full all the time.
fn work(threads: i64, rounds: i64, file: Arc<dyn File>) -> (Arc<Storage>, TableId, Vec<i64>) {
    let options = StorageOptions {
        log_bytes_max: 64 << 10,
        row_group_rows: 1000,
        background: true,
        synchronous: Synchronous::Normal,
        ..options()
    };
    let storage = Storage::open_file(file, &options).unwrap();
    let id = create(&storage, "t");
    (0..3).for_each(|i| insert(&storage, id, -1 - i..-i));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let storage = &storage;
            scope.spawn(move || {
                for round in 0..rounds {
                    let at = (thread * rounds + round) * 10;
                    let mut transaction =
                        if round % 2 == 0 { begin(storage) } else { storage.begin().unwrap() };
                    append(&mut transaction, id, at..at + 10);
                    if round >= 20 {
                        // Rows of its own, of long ago and of just now: nobody else touches them.
                        let old = (thread * rounds + round - 20) * 10;
                        assert_eq!(delete(&mut transaction, id, &[old, old + 5, at + 3]), 3);
                    }
                    transaction.commit().unwrap();
                    if round % 64 == 63 {
                        // One who writes to the file finds the thread at work, or not.
                        let other = create(storage, &format!("u{thread}_{round}"));
                        storage.snapshot().table(other).unwrap();
                    }
                }
            });
        }
    });
    let mut expected = vec![-1, -2, -3];
    for at in 0..threads * rounds {
        let (round, first) = (at % rounds, at * 10);
        expected.extend((first..first + 10).filter(|row| match row - first {
            0 | 5 => round >= rounds - 20,
            3 => round < 20,
            _ => true,
        }));
    }
    (storage, id, expected)
}

#[test]
fn many_threads_never_conflict_with_it() {
    let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
    let (storage, id, mut expected) = work(4, 200, file.clone());
    expected.sort_unstable();
    let mut found = read(&storage, id);
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_sound(&storage);
    let in_order = read(&storage, id);
    storage.sealer.stop();
    std::mem::forget(storage);
    let storage = Storage::open_file(file, &options()).unwrap();
    assert_eq!(read(&storage, id), in_order);
    assert_sound(&storage);
}

#[test]
fn the_thread_ends_with_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.flux");
    for round in 0..10 {
        let options = StorageOptions { log_bytes_max: 32 << 10, background: true, ..options() };
        let storage = Storage::open(&path, &options).unwrap();
        let id = if round == 0 { create(&storage, "t") } else { TableId(2) };
        let id = storage.snapshot().catalog().table("main", "t").map_or(id, |table| table.id);
        (0..150).for_each(|i| insert(&storage, id, round * 150 + i..round * 150 + i + 1));
        // Perhaps in the middle of its work. Only when it has ended, the file can be opened again.
        drop(storage);
    }
    let storage = Storage::open(&path, &options()).unwrap();
    let id = storage.snapshot().catalog().table("main", "t").unwrap().id;
    assert_eq!(read(&storage, id), (0..1500).collect::<Vec<_>>());
    assert_sound(&storage);
}

#[test]
fn a_full_disk_stops_the_thread_but_no_commit() {
    let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
    let storage = Storage::open_file(file.clone(), &options()).unwrap();
    let id = create(&storage, "t");
    (0..20).for_each(|i| insert(&storage, id, i..i + 1));
    file.set_plan(FaultPlan { at: Some((file.operations() + 1, Fault::DiskFull)), ..FaultPlan::default() });
    assert!(storage.seal_beside().is_err());
    insert(&storage, id, 20..21);
    assert_eq!(read(&storage, id), (0..21).collect::<Vec<_>>());
    assert!(storage.seal_beside().unwrap());
    assert_eq!(read(&storage, id), (0..21).collect::<Vec<_>>());
    assert_sound(&storage);
}
