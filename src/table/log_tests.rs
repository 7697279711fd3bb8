//! Commits that go to the log: seen by nobody before they are durable, by everybody afterwards, also after a crash.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::tests::{assert_sound, create, definition, delete, ids, insert, rows};
use super::*;
use crate::catalog::{SequenceDefinition, TableId};
use crate::column::scalar::Scalar;
use crate::pager::MemoryFile;
use crate::pager::fault::{Fate, Fault, FaultFile, FaultPlan};
use crate::pager::hooked_file::HookedFile;

fn options() -> StorageOptions {
    StorageOptions { page_size: 4096, row_group_rows: 1000, background: false, ..StorageOptions::default() }
}

fn open(file: &Arc<FaultFile>) -> Arc<Storage> {
    Storage::open_file(file.clone(), &options()).unwrap()
}

/// Leaves the file as a killed process does.
fn kill(storage: Arc<Storage>) {
    std::mem::forget(storage);
}

/// A database with a log, and an empty table.
fn logged(plan: FaultPlan) -> (Arc<FaultFile>, Arc<Storage>, TableId) {
    let file = Arc::new(FaultFile::new(&[], plan));
    let storage = open(&file);
    let id = create(&storage, "t");
    // The second small commit makes a log.
    for i in [-2, -1] {
        insert(&storage, id, i..i + 1);
    }
    let mut transaction = storage.begin().unwrap();
    assert_eq!(delete(&mut transaction, id, &[-2, -1]), 2);
    transaction.commit().unwrap();
    assert!(storage.pager().log_bytes().0 > 0, "commits are logged");
    (file, storage, id)
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

#[test]
fn commits_of_the_log_come_back() {
    let (file, storage, id) = logged(FaultPlan::default());
    let superblock = storage.snapshot().sequence();
    let mut expected = vec![];
    for i in 0..50 {
        insert(&storage, id, i * 10..i * 10 + 7);
        expected.extend(i * 10..i * 10 + 7);
        let mut transaction = storage.begin().unwrap();
        append(&mut transaction, id, i * 10 + 7..i * 10 + 10);
        expected.extend(i * 10 + 7..i * 10 + 10);
        let gone = [i * 10 + 3, i * 10 + 8, i * 5];
        let there = expected.iter().filter(|row| gone.contains(row)).count() as u64;
        assert_eq!(delete(&mut transaction, id, &gone), there);
        transaction.commit().unwrap();
        expected.retain(|row| !gone.contains(row));
    }
    assert_eq!(storage.snapshot().sequence(), superblock, "no superblock was written");
    let table = storage.snapshot().table(id).unwrap();
    assert_eq!(ids(&table), expected);
    assert!(table.row_group_count() < 12, "{} row groups", table.row_group_count());
    let statistics = table.column_stats(0).unwrap();
    assert_eq!(statistics.max, Some(Scalar::Int(499)));
    assert_sound(&storage);
    drop(table);
    kill(storage);
    for _ in 0..2 {
        let storage = open(&file);
        assert_eq!(read(&storage, id), expected);
        let recovery = storage.recovery();
        assert_eq!((recovery.commits, recovery.is_clean()), (101, true));
        assert_sound(&storage);
        kill(storage);
    }
    // A clean close leaves no log.
    drop(open(&file));
    let storage = open(&file);
    assert_eq!((storage.recovery().commits, storage.pager().log_bytes()), (0, (0, 0)));
    assert_eq!(read(&storage, id), expected);
    assert_sound(&storage);
}

#[test]
fn a_database_that_is_only_read_shows_the_log() {
    let (file, storage, id) = logged(FaultPlan::default());
    insert(&storage, id, 0..5);
    kill(storage);
    let before = file.operations();
    let options = StorageOptions { read_only: true, ..options() };
    let storage = Storage::open_file(file.clone(), &options).unwrap();
    assert_eq!(read(&storage, id), [0, 1, 2, 3, 4]);
    assert_sound(&storage);
    drop(storage);
    assert_eq!(file.operations(), before, "nothing is written");
}

#[test]
fn nothing_is_seen_before_it_is_durable() {
    // Durable writes wait until they are let through.
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let inside = Arc::clone(&gate);
    let file = Arc::new(HookedFile::new(MemoryFile::new(), move |_| {
        let (shut, opened) = &*inside;
        let mut shut = shut.lock();
        while *shut {
            opened.wait(&mut shut);
        }
        true
    }));
    let storage = Storage::open_file(file.clone(), &options()).unwrap();
    let id = create(&storage, "t");
    (0..3).for_each(|i| insert(&storage, id, i..i + 1));
    *gate.0.lock() = true;
    let staged = |count| while storage.last_in_line().table(id).unwrap().rows() < count {};
    std::thread::scope(|scope| {
        let done = [Synchronous::Full, Synchronous::Off].map(|level| {
            let storage = &storage;
            let thread = scope.spawn(move || {
                let mut transaction = storage.begin().unwrap();
                transaction.set_synchronous(level);
                let first = if level == Synchronous::Full { 3 } else { 4 };
                append(&mut transaction, id, first..first + 1);
                let snapshot = transaction.commit().unwrap();
                ids(&snapshot.table(id).unwrap())
            });
            staged(if level == Synchronous::Full { 4 } else { 5 });
            thread
        });
        std::thread::sleep(Duration::from_millis(30));
        // Who writes next builds on both; who reads sees neither, though the second would not wait by itself.
        assert_eq!(ids(&storage.begin().unwrap().base().table(id).unwrap()), [0, 1, 2, 3, 4]);
        assert_eq!(read(&storage, id), [0, 1, 2]);
        *gate.0.lock() = false;
        gate.1.notify_all();
        let done = done.map(|thread| thread.join().unwrap());
        assert_eq!(done, [vec![0, 1, 2, 3], vec![0, 1, 2, 3, 4]]);
    });
    assert_eq!(read(&storage, id), [0, 1, 2, 3, 4]);
}

#[test]
fn transactions_find_rows_that_others_have_moved() {
    let (_, storage, id) = logged(FaultPlan::default());
    insert(&storage, id, 0..1000);
    insert(&storage, id, 1000..1010);
    let mut transactions: Vec<_> = (0..4).map(|_| begin(&storage)).collect();
    delete(&mut transactions[0], id, &[5, 1001]);
    append(&mut transactions[0], id, 2000..2010);
    delete(&mut transactions[0], id, &[2003]);
    delete(&mut transactions[1], id, &[6, 1002]);
    delete(&mut transactions[2], id, &[7, 1001]);
    delete(&mut transactions[3], id, &[8]);
    // Unites row groups that the transactions have seen apart.
    (1010..1030).for_each(|i| insert(&storage, id, i..i + 1));
    let mut results: Vec<_> = transactions.into_iter().map(WriteTransaction::commit).collect();
    assert!(matches!(results.remove(2), Err(TableError::Conflict(_))));
    results.into_iter().for_each(|result| drop(result.unwrap()));
    let gone = [5, 6, 8, 1001, 1002, 2003];
    let expected: Vec<i64> = (0..1030).chain(2000..2010).filter(|i| !gone.contains(i)).collect();
    assert_eq!(read(&storage, id), expected);
    assert_sound(&storage);
    // What is sealed meanwhile is written anew.
    let mut transactions: Vec<_> = (0..2).map(|_| begin(&storage)).collect();
    delete(&mut transactions[0], id, &[10]);
    delete(&mut transactions[1], id, &[1010]);
    create(&storage, "other");
    assert!(!storage.snapshot().is_unsealed());
    transactions.remove(1).commit().unwrap();
    transactions.remove(0).commit().unwrap();
    let left = expected.into_iter().filter(|i| ![10, 1010].contains(i));
    assert_eq!(read(&storage, id), left.collect::<Vec<_>>());
    assert_sound(&storage);
}

#[test]
fn sequences_go_on_behind_what_they_gave_out() {
    let (file, storage, id) = logged(FaultPlan::default());
    let mut transaction = storage.begin().unwrap();
    let main = definition(&storage, "x").schema;
    transaction.create_object(SequenceDefinition::new(main, "s")).unwrap();
    transaction.commit().unwrap();
    let sequence = |storage: &Storage| {
        Arc::clone(storage.snapshot().catalog().sequences().next().expect("the sequence"))
    };
    for i in 1..4 {
        assert_eq!(sequence(&storage).take(), Ok(i));
        insert(&storage, id, i..i + 1);
    }
    kill(storage);
    let storage = open(&file);
    assert!(storage.recovery().commits >= 3);
    assert_eq!(sequence(&storage).take(), Ok(4));
    // Only the sequence has moved.
    storage.begin().unwrap().commit().unwrap();
    kill(storage);
    let storage = open(&file);
    assert_eq!(sequence(&storage).take(), Ok(5));
    drop(storage);
    assert_eq!(sequence(&open(&file)).take(), Ok(6));
}

#[test]
fn levels_promise_what_they_say() {
    for level in [Synchronous::Off, Synchronous::Normal, Synchronous::Full] {
        let (file, storage, id) = logged(FaultPlan::default());
        for i in 0..20 {
            let mut transaction = storage.begin().unwrap();
            transaction.set_synchronous(level);
            append(&mut transaction, id, i..i + 1);
            transaction.commit().unwrap();
            assert_eq!(read(&storage, id).len() as i64, i + 1, "a commit is seen when it returns");
        }
        // The power goes.
        let image = file.image_after_power_cut(Fate::Lost, 0);
        let after = Storage::open_file(Arc::new(MemoryFile::from_bytes(&image)), &options()).unwrap();
        let left = read(&after, id);
        assert_eq!(left, (0..left.len() as i64).collect::<Vec<_>>());
        assert_eq!(left.len() == 20, level == Synchronous::Full, "{level:?}: {left:?}");
        // The process is killed.
        kill(Arc::clone(&storage));
        let left = read(&open(&file), id);
        assert_eq!(left.len() == 20, level >= Synchronous::Normal, "{level:?}: {left:?}");
    }
    // A clean close loses nothing.
    let (file, storage, id) = logged(FaultPlan::default());
    let mut transaction = storage.begin().unwrap();
    transaction.set_synchronous(Synchronous::Off);
    append(&mut transaction, id, 0..1);
    transaction.commit().unwrap();
    drop(storage);
    assert_eq!(read(&open(&file), id), [0]);
}

#[test]
fn memory_needs_no_log() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    let sequence = storage.snapshot().sequence();
    (0..900).for_each(|i| insert(&storage, id, i..i + 1));
    assert_eq!(storage.snapshot().sequence(), sequence, "all is in memory");
    (900..1500).for_each(|i| insert(&storage, id, i..i + 1));
    assert!(storage.snapshot().sequence() > sequence, "a full row group is encoded");
    assert_eq!(read(&storage, id), (0..1500).collect::<Vec<_>>());
    storage.checkpoint().unwrap();
    assert!(!storage.snapshot().is_unsealed());
    assert_eq!(read(&storage, id), (0..1500).collect::<Vec<_>>());
    assert_sound(&storage);
}

/// Threads that commit pairs of rows, and delete a pair now and then, until the power goes.
fn work_until_the_power_goes(at: u64) -> u64 {
    let (file, storage, id) = logged(FaultPlan::default());
    let start = file.operations();
    file.set_plan(FaultPlan::once(start + at, Fault::PowerCut));
    let acknowledged = Mutex::new((BTreeSet::new(), BTreeSet::new()));
    // Deleted by commits of which perhaps nobody was told.
    let perhaps = Mutex::new(BTreeSet::new());
    let next = AtomicI64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (storage, acknowledged, perhaps, next) = (&storage, &acknowledged, &perhaps, &next);
            scope.spawn(move || {
                for round in 0..12 {
                    let mut transaction = if thread % 2 == 0 {
                        begin(storage)
                    } else {
                        match storage.begin() {
                            Ok(transaction) => transaction,
                            Err(_) => return,
                        }
                    };
                    let pair = next.fetch_add(1, Ordering::Relaxed) * 2;
                    append(&mut transaction, id, pair..pair + 2);
                    let mut gone = None;
                    if round % 4 == 3 {
                        let seen = ids(&transaction.view().unwrap().table(id).unwrap());
                        let first = seen[(pair as usize) % seen.len()] / 2 * 2;
                        delete(&mut transaction, id, &[first, first + 1]);
                        perhaps.lock().insert(first);
                        gone = Some(first);
                    }
                    match transaction.commit() {
                        Ok(_) => {
                            let mut acknowledged = acknowledged.lock();
                            acknowledged.0.insert(pair);
                            acknowledged.1.extend(gone);
                        }
                        Err(TableError::Conflict(_)) => {}
                        Err(_) => return,
                    }
                }
            });
        }
    });
    drop(storage);
    let ((added, gone), perhaps) = (acknowledged.into_inner(), perhaps.into_inner());
    for fate in Fate::ALL {
        for seed in 0..2 {
            let image = file.image_after_power_cut(fate, at + seed);
            let storage = Storage::open_file(Arc::new(MemoryFile::from_bytes(&image)), &options()).unwrap();
            let found: BTreeSet<i64> = read(&storage, id).into_iter().collect();
            assert!(found.iter().all(|row| found.contains(&(row ^ 1))), "half a commit: {found:?}");
            assert!(gone.iter().all(|row| !found.contains(row)), "a deleted row is back");
            let mut missing = added.iter().filter(|row| !found.contains(row));
            assert!(missing.all(|row| perhaps.contains(row)), "a commit is lost");
            assert_eq!(storage.recovery().damage, None);
            assert_sound(&storage);
        }
    }
    file.operations() - start
}

#[test]
fn many_threads_lose_nothing_when_the_power_goes() {
    let all = work_until_the_power_goes(u64::MAX / 2);
    for at in (1..all).step_by((all / 40).max(1) as usize) {
        work_until_the_power_goes(at);
    }
}
