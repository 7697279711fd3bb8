//! A database on a disk that fails.
//!
//! Each seed is a random workload ([`workload`]) whose writes and syncs are recorded. Then the power is cut at each of them,
//! with what was not durable lost, kept, torn or reordered ([`sweep`]); and the workload is run anew with a disk that is
//! full, breaks, or writes less than it should ([`faults`]). How long that goes on: see
//! [`common`].

mod cascade;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/coverage.rs"]
mod coverage;
mod faults;
mod history;
mod model;
mod sweep;
mod workload;

use common::{Time, first_seed};

/// How long one test takes, unless told otherwise, and what it tries at least.
const SECONDS: u64 = 4;
const POINTS_MIN: u64 = 300;
const RUNS_MIN: u64 = 40;

#[test]
fn the_power_goes_at_any_write_or_sync() {
    let time = Time::new(SECONDS, POINTS_MIN);
    let (mut tried, mut workloads) = (sweep::Tried::default(), 0);
    while !time.is_over(tried.points) {
        sweep::sweep(first_seed() + workloads, false, &time, &mut tried);
        workloads += 1;
    }
    println!(
        "{} crash points of {workloads} workloads, {} of them after a recovery",
        tried.points, tried.again
    );
}

#[test]
fn the_power_goes_while_a_thread_seals() {
    let time = Time::new(SECONDS, POINTS_MIN);
    let (mut tried, mut workloads) = (sweep::Tried::default(), 0);
    while !time.is_over(tried.points) {
        sweep::sweep(first_seed() + workloads, true, &time, &mut tried);
        workloads += 1;
    }
    println!("{} crash points of {workloads} workloads with a thread that seals", tried.points);
}

#[test]
fn the_disk_fails_at_any_write_or_sync() {
    let time = Time::new(SECONDS, RUNS_MIN);
    let (mut tried, mut workloads) = (faults::Tried::default(), 0);
    while !time.is_over(tried.runs) {
        faults::inject(first_seed() + workloads, &time, &mut tried);
        workloads += 1;
    }
    println!("{workloads} workloads: {tried:?}");
    assert!(tried.latched > 0 && tried.alone > 0, "{tried:?}");
}

#[test]
fn the_power_goes_while_foreign_keys_change_rows_of_others() {
    let time = Time::new(SECONDS, POINTS_MIN);
    let mut points = 0;
    for log_size in [16 << 20, 0] {
        cascade::sweep(first_seed(), log_size, &time, &mut points);
    }
    println!("{points} crash points");
}
