//! A database on a disk that fails.
//!
//! Each seed is a random workload ([`workload`]) whose writes and syncs are recorded. Then the power is cut at each of them,
//! with what was not durable lost, kept, torn or reordered ([`sweep`]); and the workload is run anew with a disk that is
//! full, breaks, or writes less than it should ([`faults`]). `FLUXDB_SIM_SECONDS` says for how long, `FLUXDB_SIM_SEED`
//! where to begin: a failure names its seed.

mod faults;
mod history;
mod model;
mod sweep;
mod workload;

use std::time::{Duration, Instant};

/// How long one test takes, unless told otherwise.
const SECONDS: u64 = 4;
/// What it does at least, however slow the machine is.
const POINTS_MIN: u64 = 300;
const RUNS_MIN: u64 = 40;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// The time that there is.
struct Time {
    end: Instant,
    least: u64,
}

impl Time {
    fn new(least: u64) -> Self {
        let seconds = variable("FLUXDB_SIM_SECONDS").unwrap_or(SECONDS);
        Self { end: Instant::now() + Duration::from_secs(seconds), least }
    }

    /// Whether it is over, if so much was done.
    fn is_over(&self, done: u64) -> bool {
        done >= self.least && Instant::now() >= self.end
    }
}

fn first_seed() -> u64 {
    variable("FLUXDB_SIM_SEED").unwrap_or(1)
}

#[test]
fn the_power_goes_at_any_write_or_sync() {
    let time = Time::new(POINTS_MIN);
    let (mut tried, mut workloads) = (sweep::Tried::default(), 0);
    while !time.is_over(tried.points) {
        sweep::sweep(first_seed() + workloads, &time, &mut tried);
        workloads += 1;
    }
    println!(
        "{} crash points of {workloads} workloads, {} of them after a recovery",
        tried.points, tried.again
    );
}

#[test]
fn the_disk_fails_at_any_write_or_sync() {
    let time = Time::new(RUNS_MIN);
    let (mut tried, mut workloads) = (faults::Tried::default(), 0);
    while !time.is_over(tried.runs) {
        faults::inject(first_seed() + workloads, &time, &mut tried);
        workloads += 1;
    }
    println!("{workloads} workloads: {tried:?}");
    assert!(tried.latched > 0 && tried.alone > 0, "{tried:?}");
}
