//! What tests share that try random things for as long as they are given: `FLUXDB_TEST_SECONDS` says for how long each,
//! `FLUXDB_TEST_SEED` where they begin. A failure names its seed.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// The time that there is.
pub struct Time {
    end: Instant,
    least: u64,
}

impl Time {
    /// So many seconds, unless told otherwise; but long enough to try `least`, however slow the machine is.
    pub fn new(seconds: u64, least: u64) -> Self {
        let seconds = variable("FLUXDB_TEST_SECONDS").unwrap_or(seconds);
        Self { end: Instant::now() + Duration::from_secs(seconds), least }
    }

    /// Whether it is over, if so much was tried.
    pub fn is_over(&self, tried: u64) -> bool {
        tried >= self.least && Instant::now() >= self.end
    }
}

/// The seed to begin with.
pub fn first_seed() -> u64 {
    variable("FLUXDB_TEST_SEED").unwrap_or(1)
}

/// Says where something went wrong before it goes on to fail.
pub fn told<T>(what: impl FnOnce() -> String, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        println!("failed: {}", what());
        resume_unwind(panic)
    })
}
