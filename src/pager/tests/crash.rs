//! Power cuts at every write and sync, and every other failure there.

use std::sync::Arc;

use super::super::fault::{Fate, Fault, FaultFile, FaultPlan, Random};
use super::super::hooked_file::{Durable, HookedFile};
use super::super::*;
use super::model::{History, run};

const STEPS: usize = 9;
const OPTIONS: Options = Options { read_only: false, create: true, page_size: 4096, mapped: true };

/// One run from an empty file to the close, with a plan of failure.
fn attempt(seed: u64, plan: FaultPlan) -> (Arc<FaultFile>, History, Result<()>) {
    let file = Arc::new(FaultFile::new(&[], plan));
    let mut history = History::default();
    let result = Pager::open_file(file.clone(), &OPTIONS)
        .and_then(|pager| run(&pager, &mut Random(seed), STEPS, &mut history));
    (file, history, result)
}

/// Opens what a crash left, compares it with what was promised, and goes on working with it.
fn check_image(image: &[u8], mut history: History, context: &str) {
    let file = Arc::new(MemoryFile::from_bytes(image));
    let pager = Pager::open_file(file.clone(), &OPTIONS).unwrap_or_else(|error| panic!("{context}: {error}"));
    let snapshot = pager.snapshot();
    let sequence = snapshot.sequence();
    if sequence <= 2 {
        assert!(history.acknowledged <= 2, "{context}: a commit is lost");
        history.model = super::model::Model::default();
    } else {
        assert!(sequence >= history.acknowledged, "{context}: a commit is lost");
        history.model = history.tried[&sequence].clone();
        history.acknowledged = sequence;
    }
    history.model.verify_all(&snapshot);
    drop(snapshot);
    // A crash while the file is made may leave sequence 1, which is as good as 2.
    if sequence >= 2 {
        run(&pager, &mut Random(sequence), 3, &mut history).unwrap();
    }
    history.model.verify_all(&pager.snapshot());
    drop(pager);
    let pager = Pager::open_file(file, &OPTIONS).unwrap();
    history.model.verify_all(&pager.snapshot());
}

#[test]
fn every_power_cut_leaves_a_commit() {
    for seed in 0..3 {
        let (file, history, result) = attempt(seed, FaultPlan::default());
        result.unwrap();
        assert!(history.acknowledged > 5, "seed {seed} commits too little");
        let operations = file.operations();
        for at in 1..=operations {
            let plan = FaultPlan::once(at, Fault::PowerCut);
            let (file, history, _) = attempt(seed, plan);
            assert!(file.is_cut());
            for fate in Fate::ALL {
                let repeats = if matches!(fate, Fate::Torn | Fate::Reordered) { 2 } else { 1 };
                for repeat in 0..repeats {
                    let image = file.image_after_power_cut(fate, at * 7 + repeat);
                    let context = format!("seed {seed}, operation {at}, {fate:?} {repeat}");
                    check_image(&image, history.clone(), &context);
                }
            }
        }
    }
}

#[test]
fn every_failed_write_latches_or_costs_only_its_transaction() {
    for seed in 0..2 {
        let (file, ..) = attempt(seed, FaultPlan::default());
        for at in 1..=file.operations() {
            for fault in [Fault::Io, Fault::DiskFull, Fault::ShortWrite] {
                let context = format!("seed {seed}, operation {at}, {fault:?}");
                let file = Arc::new(FaultFile::new(&[], FaultPlan::once(at, fault)));
                let Ok(pager) = Pager::open_file(file.clone(), &OPTIONS) else {
                    // The file could not be made; the next try works.
                    assert!(at <= 8 && fault != Fault::ShortWrite, "{context}");
                    assert!(Pager::open_file(file, &OPTIONS).is_ok(), "{context}");
                    continue;
                };
                let mut history = History::default();
                let mut random = Random(seed);
                let result = run(&pager, &mut random, STEPS, &mut history);
                history.model.verify_all(&pager.snapshot());
                match (&result, pager.begin_write().map(drop)) {
                    (Ok(()), Ok(())) => {}
                    (Err(PagerError::DiskFull(_)), Ok(())) => {
                        assert_eq!(fault, Fault::DiskFull, "{context}");
                        run(&pager, &mut random, 3, &mut history).unwrap();
                        history.model.verify_all(&pager.snapshot());
                    }
                    (Err(error), Err(PagerError::Latched(first))) => {
                        assert_ne!(fault, Fault::ShortWrite, "{context}");
                        assert_eq!(error.to_string(), first.to_string(), "{context}");
                    }
                    (result, latch) => panic!("{context}: {result:?}, then {latch:?}"),
                }
                drop(pager);
                for fate in [Fate::Lost, Fate::Kept] {
                    check_image(&file.image_after_power_cut(fate, at), history.clone(), &context);
                }
            }
        }
    }
}

/// A superblock that was found when the file was opened may have been written by somebody who could not make it durable. Then
/// the one before rules after a power cut, and needs all that it had.
#[test]
fn who_looks_after_a_lost_sync_breaks_nothing() {
    for seed in 0..6 {
        let (file, ..) = attempt(seed, FaultPlan::default());
        for at in 1..=file.operations() {
            let (file, history, _) = attempt(seed, FaultPlan::once(at, Fault::SyncLost));
            drop(Pager::open_file(file.clone(), &OPTIONS).unwrap());
            for fate in [Fate::Lost, Fate::Kept] {
                let context = format!("seed {seed}, operation {at}, {fate:?}");
                check_image(&file.image_after_power_cut(fate, at), history.clone(), &context);
            }
        }
    }
}

#[test]
fn every_failed_read_is_an_error_and_no_more() {
    let (file, ..) = attempt(5, FaultPlan::default());
    let reads = file.reads();
    for at in 1..=reads {
        let file = Arc::new(FaultFile::new(&[], FaultPlan { read_at: Some(at), ..FaultPlan::default() }));
        let Ok(pager) = Pager::open_file(file.clone(), &OPTIONS) else { continue };
        let mut history = History::default();
        let mut random = Random(5);
        // The accounting of the last readers reports the failure as a fault, which is not what is tested here.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run(&pager, &mut random, STEPS, &mut history)
        }));
        if let Ok(result) = result {
            assert!(matches!(result, Ok(()) | Err(PagerError::Io { .. })), "read {at}: {result:?}");
        }
        history.model.verify_all(&pager.snapshot());
        run(&pager, &mut random, 2, &mut history).unwrap();
        history.model.verify_all(&pager.snapshot());
    }
}

/// The sweep must be able to fail: a writer that syncs too little is found out.
#[test]
fn a_writer_without_sync_is_caught() {
    let file =
        Arc::new(HookedFile::new(FaultFile::new(&[], FaultPlan::default()), |what| what != Durable::Sync));
    let mut history = History::default();
    let pager = Pager::open_file(file.clone(), &OPTIONS).unwrap();
    run(&pager, &mut Random(1), STEPS, &mut history).unwrap();
    let image = file.file.image_after_power_cut(Fate::Lost, 0);
    let reopened = Pager::open_file(Arc::new(MemoryFile::from_bytes(&image)), &OPTIONS);
    assert!(reopened.is_err() || reopened.unwrap().snapshot().sequence() < history.acknowledged);
}
