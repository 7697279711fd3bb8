//! The disk fails while a workload runs.

use std::sync::Arc;

use fluxdb::Database;
use fluxdb::inspect::Inspection;
use fluxdb::pager::MemoryFile;
use fluxdb::pager::fault::{Fate, Fault, FaultFile, FaultPlan, Random};

use crate::common::{Time, told};
use crate::coverage::assert_covered;
use crate::history::History;
use crate::model::State;
use crate::workload::{Driver, Shape};

const STEPS: usize = 60;
/// How many failures are tried with each workload.
const RUNS: usize = 12;

/// What was tried, and what became of it.
#[derive(Debug, Default)]
pub struct Tried {
    pub runs: u64,
    /// Nobody noticed: a short write goes on, a file that cannot be cut stays long.
    pub unnoticed: u64,
    /// Transactions failed, and others after them did not.
    pub alone: u64,
    /// Nothing was written any more.
    pub latched: u64,
    /// The file could not be opened at that time.
    pub unopened: u64,
}

/// Runs the workload of a seed with failures at random operations.
pub fn inject(seed: u64, time: &Time, tried: &mut Tried) {
    let mut random = Random(seed ^ 0xfa17);
    let shape = Shape::random(&mut random);
    let workload = random.next_u64();
    let run = |plan: FaultPlan| {
        let file = Arc::new(FaultFile::new(&[], plan));
        let driver = Driver::open(&file, History::new(State::default()), shape, workload, 1, true);
        (file, driver)
    };
    let operations = told(
        || format!("seed {seed}, {shape:?}, without failure"),
        || {
            let (file, driver) = run(FaultPlan::default());
            let mut driver = driver.unwrap();
            driver.run(STEPS).unwrap();
            driver.verify();
            driver.close();
            file.operations()
        },
    );
    for _ in 0..RUNS {
        if time.is_over(tried.runs) {
            return;
        }
        let at = 1 + random.below(operations);
        let kind = random.below(10);
        let plan = match kind {
            0..=2 => FaultPlan::once(at, Fault::Io),
            3 => FaultPlan::from(at, Fault::Io),
            4 | 5 => FaultPlan::once(at, Fault::DiskFull),
            6 => FaultPlan::from(at, Fault::DiskFull),
            7 | 8 => FaultPlan::once(at, Fault::SyncLost),
            _ => FaultPlan::once(at, if random.one_in(2) { Fault::ShortWrite } else { Fault::Interrupted }),
        };
        told(
            || format!("seed {seed}, {shape:?}, {plan:?} (1 of {operations})"),
            || {
                tried.runs += 1;
                let (file, driver) = run(plan);
                let Ok(driver) = driver else {
                    // It could not be made. The next try works.
                    tried.unopened += 1;
                    file.set_plan(FaultPlan::default());
                    Driver::open(&file, History::new(State::default()), shape, workload, 1, false)
                        .unwrap()
                        .verify();
                    return;
                };
                attempt(driver, plan, shape, tried);
            },
        );
    }
}

fn attempt(mut driver: Driver, plan: FaultPlan, shape: Shape, tried: &mut Tried) {
    let file = Arc::clone(&driver.file);
    let mut result = driver.run(STEPS);
    if result.is_ok() && plan.lasting {
        // There is room again.
        file.set_plan(FaultPlan::default());
        result = driver.run(STEPS);
    }
    let harmless = matches!(plan.at, Some((_, Fault::ShortWrite | Fault::Interrupted)));
    match &result {
        Ok(()) if driver.failures > 0 => tried.alone += 1,
        Ok(()) => tried.unnoticed += 1,
        Err(_) if driver.is_open() => tried.latched += 1,
        Err(_) => tried.unopened += 1,
    }
    assert!(!harmless || (result.is_ok() && driver.failures == 0), "{plan:?}: {result:?}");
    if result.is_ok() {
        driver.verify();
    }
    let (file, history) = driver.close();
    for fate in [Fate::Lost, Fate::Kept, Fate::Torn] {
        let image = file.image_after_power_cut(fate, file.operations());
        let disk = Arc::new(MemoryFile::from_bytes(&image));
        let database = Database::open_file(disk.clone(), shape.options())
            .unwrap_or_else(|e| panic!("{fate:?}: it does not open: {e}"));
        assert_eq!(database.recovery().damage, None, "{fate:?}");
        let found = State::read(&database.connect()).unwrap();
        history.after_cut(&found, u64::MAX - 1).unwrap_or_else(|what| panic!("{fate:?}: {what}"));
        let report = database.check();
        assert!(report.is_sound(), "{fate:?}: {:?}", report.findings);
        database.connect().execute("CREATE TABLE after AS SELECT * FROM range(100)").unwrap();
        assert_covered(Inspection::of_file(disk, None));
    }
}
