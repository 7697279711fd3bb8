//! Power cuts at every operation of a recorded workload.

use std::sync::Arc;

use fluxdb::Database;
use fluxdb::inspect::Inspection;
use fluxdb::pager::MemoryFile;
use fluxdb::pager::fault::{Disk, Fate, FaultFile, Operation, Random};

use crate::common::{Time, told};
use crate::coverage::assert_covered;
use crate::history::History;
use crate::model::State;
use crate::workload::{Driver, Shape};

const STEPS: usize = 90;
/// Of so many images one is worked with after it was looked at, and the power goes again.
const WORKED_WITH: u64 = 16;
/// How often the power goes then.
const CUTS_AGAIN: u64 = 8;

/// What was tried.
#[derive(Debug, Default)]
pub struct Tried {
    /// Images of a disk that were opened and checked.
    pub points: u64,
    /// Of these, after a recovery from another.
    pub again: u64,
}

/// Runs the workload of a seed and cuts the power at each of its operations. In the `background` a thread seals.
pub fn sweep(seed: u64, background: bool, time: &Time, tried: &mut Tried) {
    let mut random = Random(seed);
    let mut shape = Shape::random(&mut random);
    if background {
        // There is something for it to do.
        shape = Shape { background, log_size: shape.log_size.clamp(16 << 10, 64 << 10), ..shape };
    }
    let file = Arc::new(FaultFile::recording(&[]));
    let (history, next_id) = told(
        || format!("seed {seed}, {shape:?}, the workload"),
        || {
            let history = History::new(State::default());
            let mut driver = Driver::open(&file, history, shape, random.next_u64(), 1, false).unwrap();
            driver.run(STEPS).unwrap();
            driver.verify();
            let next_id = driver.next_id();
            (driver.close().1, next_id)
        },
    );
    let operations = file.take_record();
    let mut disk = Disk::new(&[]);
    for (at, operation) in operations.iter().enumerate() {
        if time.is_over(tried.points) {
            return;
        }
        disk.begin(operation);
        cut(&disk, &history, at as u64, shape, next_id, &mut random, tried, seed);
        disk.end(operation);
    }
    cut(&disk, &history, operations.len() as u64, shape, next_id, &mut random, tried, seed);
}

/// The power goes while an operation is under way.
#[expect(clippy::too_many_arguments)]
fn cut(
    disk: &Disk,
    history: &History,
    at: u64,
    shape: Shape,
    next_id: i64,
    random: &mut Random,
    tried: &mut Tried,
    seed: u64,
) {
    for fate in Fate::ALL {
        for _ in 0..if fate.is_random() { 2 } else { 1 } {
            let chance = random.next_u64();
            let image = disk.after_power_cut(fate, chance);
            told(
                || format!("seed {seed}, {shape:?}, power cut at operation {at}, {fate:?} by {chance}"),
                || {
                    let left = look(&image, history, at, shape);
                    tried.points += 1;
                    if random.one_in(WORKED_WITH) {
                        go_on(&image, left, shape, next_id, random, tried);
                    }
                },
            );
            if !disk.has_pending() {
                // All fates are the same.
                return;
            }
        }
    }
}

/// Opens what a disk holds and compares it with what may be there.
fn look(image: &[u8], history: &History, at: u64, shape: Shape) -> History {
    let file = Arc::new(MemoryFile::from_bytes(image));
    let database = Database::open_file(file.clone(), shape.options())
        .unwrap_or_else(|e| panic!("it does not open: {e}"));
    assert_eq!(database.recovery().damage, None);
    let found = State::read(&database.connect()).unwrap_or_else(|e| panic!("it cannot be read: {e}"));
    let left = history.after_cut(&found, at).unwrap_or_else(|what| panic!("{what}"));
    let report = database.check();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_covered(Inspection::of_file(file, None));
    left
}

/// Works with what a disk holds, and cuts the power again here and there, while it is recovered too.
fn go_on(image: &[u8], left: History, shape: Shape, next_id: i64, random: &mut Random, tried: &mut Tried) {
    let file = Arc::new(FaultFile::recording(image));
    let mut driver = Driver::open(&file, left, shape, random.next_u64(), next_id, false).unwrap();
    driver.run(12).unwrap();
    driver.verify();
    let (file, history) = driver.close();
    let operations: Vec<Operation> = file.take_record();
    let count = operations.len() as u64 + 1;
    let cuts: Vec<u64> = (0..CUTS_AGAIN).map(|i| if i == 0 { 0 } else { random.below(count) }).collect();
    let mut disk = Disk::new(image);
    for at in 0..count {
        let operation = operations.get(at as usize);
        operation.iter().for_each(|operation| disk.begin(operation));
        for _ in cuts.iter().filter(|cut| **cut == at) {
            let fate = Fate::ALL[random.below(4) as usize];
            look(&disk.after_power_cut(fate, random.next_u64()), &history, at, shape);
            tried.points += 1;
            tried.again += 1;
        }
        operation.iter().for_each(|operation| disk.end(operation));
    }
}
