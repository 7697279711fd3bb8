//! The publish and group-commit paths under schedules that a test chooses, by shuttle: it runs one thread at a time,
//! and says at each lock who goes on. A thread that waits for what nobody will do is found as a deadlock.
//!
//!     RUSTFLAGS="--cfg shuttle" cargo test --lib --no-default-features --target-dir target/shuttle schedule_tests
//!
//! `FLUXDB_SCHEDULES` says how many of each kind, for each test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};

use super::tests::{assert_sound, create, ids, insert, rows};
use super::*;
use crate::catalog::TableId;
use crate::pager::MemoryFile;
use crate::pager::fault::{Fate, Fault, FaultFile, FaultPlan};
use crate::pager::hooked_file::HookedFile;

const SCHEDULES: usize = 300;
/// Preemptions that a schedule of the second kind has.
const DEPTH: usize = 3;

/// Runs a test under schedules by chance, and under some with few preemptions at the worst of places.
fn explore(test: impl Fn() + Send + Sync + 'static) {
    let schedules = std::env::var("FLUXDB_SCHEDULES").map_or(SCHEDULES, |text| text.parse().unwrap());
    let config = || {
        let mut config = Config::new();
        config.stack_size = 1 << 20;
        config
    };
    let test = Arc::new(test);
    let again = Arc::clone(&test);
    Runner::new(RandomScheduler::new(schedules), config()).run(move || test());
    Runner::new(PctScheduler::new(DEPTH, schedules), config()).run(move || again());
}

type Disk = Arc<HookedFile<FaultFile>>;

fn options(background: bool) -> StorageOptions {
    StorageOptions {
        page_size: 4096,
        row_group_rows: 100,
        log_bytes_max: if background { 8 << 10 } else { 16 << 20 },
        background,
        ..StorageOptions::default()
    }
}

/// A database with a log and an empty table. Whoever makes something durable lets others go on meanwhile.
fn logged(background: bool) -> (Disk, Arc<Storage>, TableId) {
    let file = HookedFile::new(FaultFile::new(&[], FaultPlan::default()), |_| {
        thread::yield_now();
        true
    });
    let file = Arc::new(file);
    let storage =
        Storage::open_file(Arc::<HookedFile<FaultFile>>::clone(&file), &options(background)).unwrap();
    let id = create(&storage, "t");
    // The second small commit makes a log, and the third is in it.
    for i in -3..0 {
        insert(&storage, id, i..i + 1);
    }
    assert!(storage.pager().log_bytes().0 > 0, "commits are logged");
    (file, storage, id)
}

fn seen(storage: &Storage, id: TableId) -> BTreeSet<i64> {
    ids(&storage.snapshot().table(id).unwrap()).into_iter().collect()
}

/// What is there if the power goes now.
fn durable(file: &Disk, id: TableId, fate: Fate) -> BTreeSet<i64> {
    let image = file.file.image_after_power_cut(fate, 0);
    let storage = Storage::open_file(Arc::new(MemoryFile::from_bytes(&image)), &options(false)).unwrap();
    assert_eq!(storage.recovery().damage, None);
    seen(&storage, id)
}

fn commit(storage: &Arc<Storage>, id: TableId, new: std::ops::Range<i64>, level: Synchronous) -> Result<()> {
    // Of one kind wait before they begin, the others when they commit.
    let mut transaction = if new.start % 2 == 0 {
        storage.begin()?
    } else {
        storage.begin_on(storage.snapshot(), Duration::ZERO)?
    };
    transaction.set_synchronous(level);
    transaction.append(id)?.write_row_group(0, &rows(new))?;
    transaction.commit().map(|_| ())
}

#[test]
fn what_is_seen_or_acknowledged_is_durable() {
    explore(|| {
        let (file, storage, id) = logged(false);
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (file, storage) = (Arc::clone(&file), Arc::clone(&storage));
                thread::spawn(move || {
                    for i in [writer * 2, writer * 2 + 1] {
                        commit(&storage, id, i..i + 1, Synchronous::Full).unwrap();
                        assert!(seen(&storage, id).contains(&i), "who commits sees it");
                        assert!(durable(&file, id, Fate::Lost).contains(&i), "{i} was acknowledged");
                    }
                })
            })
            .collect();
        let mut before = BTreeSet::new();
        for _ in 0..3 {
            let now = seen(&storage, id);
            assert!(now.is_superset(&before), "{now:?} after {before:?}");
            assert!(durable(&file, id, Fate::Lost).is_superset(&now), "{now:?} was seen");
            before = now;
            thread::yield_now();
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert_eq!(seen(&storage, id), (-3..6).collect());
        assert_sound(&storage);
        drop(storage);
        assert_eq!(durable(&file, id, Fate::Lost), (-3..6).collect());
    });
}

#[test]
fn commits_of_all_levels_come_in_one_order() {
    explore(|| {
        let (file, storage, id) = logged(false);
        let levels = [Synchronous::Full, Synchronous::Normal, Synchronous::Off];
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (file, storage) = (Arc::clone(&file), Arc::clone(&storage));
                thread::spawn(move || {
                    for (i, level) in [writer * 2, writer * 2 + 1]
                        .into_iter()
                        .zip(levels.iter().cycle().skip(writer as usize))
                    {
                        commit(&storage, id, i..i + 1, *level).unwrap();
                        let lost = durable(&file, id, Fate::Lost);
                        assert!(*level != Synchronous::Full || lost.contains(&i), "{i} was acknowledged");
                        // What the system has is more, never less.
                        let kept = durable(&file, id, Fate::Kept);
                        assert!(kept.is_superset(&lost), "{kept:?}, {lost:?}");
                        assert!(*level == Synchronous::Off || kept.contains(&i), "{i} was written");
                    }
                })
            })
            .collect();
        for _ in 0..4 {
            // Of each two one is to be durable, and is before anybody sees it, whoever saw it through.
            let mut now = seen(&storage, id);
            now.retain(|i| *i >= 0 && (i / 2 + i % 2) % 3 == 0);
            assert!(durable(&file, id, Fate::Lost).is_superset(&now), "{now:?} was seen");
            thread::yield_now();
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert_eq!(seen(&storage, id), (-3..6).collect());
        drop(storage);
        assert_eq!(durable(&file, id, Fate::Lost), (-3..6).collect());
    });
}

#[test]
fn sealing_beside_commits_loses_nothing_and_waits_for_nobody() {
    explore(|| {
        let (file, storage, id) = logged(true);
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (file, storage) = (Arc::clone(&file), Arc::clone(&storage));
                thread::spawn(move || {
                    for round in 0..4 {
                        let first = (writer * 4 + round) * 60 + writer;
                        commit(&storage, id, first..first + 60, Synchronous::Full).unwrap();
                        assert!(durable(&file, id, Fate::Lost).contains(&first), "{first} was acknowledged");
                        if round == 2 && writer == 1 {
                            storage.checkpoint().unwrap();
                        }
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        let all = seen(&storage, id);
        assert_eq!(all.len(), 3 + 8 * 60);
        assert_sound(&storage);
        drop(storage);
        assert_eq!(durable(&file, id, Fate::Lost), all);
    });
}

#[test]
fn a_sync_that_fails_is_nobodys_promise() {
    let turn = AtomicU64::new(0);
    explore(move || {
        let (file, storage, id) = logged(false);
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let fault = [Fault::Io, Fault::SyncLost, Fault::DiskFull][turn as usize % 3];
        let at = file.file.operations() + 1 + turn / 3 % 8;
        file.file.set_plan(FaultPlan::once(at, fault));
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (file, storage) = (Arc::clone(&file), Arc::clone(&storage));
                thread::spawn(move || {
                    let mut told = vec![];
                    for i in [writer * 2, writer * 2 + 1] {
                        if commit(&storage, id, i..i + 1, Synchronous::Full).is_ok() {
                            assert!(durable(&file, id, Fate::Lost).contains(&i), "{i} was acknowledged");
                            told.push(i);
                        }
                    }
                    told
                })
            })
            .collect();
        let told: BTreeSet<i64> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        let now = seen(&storage, id);
        assert!(now.is_superset(&told), "{now:?}, {told:?}");
        assert!(durable(&file, id, Fate::Lost).is_superset(&now), "{now:?} was seen");
        drop(storage);
        assert!(durable(&file, id, Fate::Lost).is_superset(&told));
    });
}
