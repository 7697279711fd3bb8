//! Rows by key, beside redb, fjall and RocksDB: `cargo run --release -- [WHAT]... [--rows N] [--rounds N] [--only STORE]`, in this
//! directory; with `--features rocksdb` where its library is installed.
//!
//! WHAT is of `write`, `commit`, `delta`, `sealed`, `single`, `upsert` and `mixed`; all, unless some are named. Keys have 19 bytes and
//! values 128, of which half are random. Every answer is checked. Each measurement is a process of its own, so that
//! memory is its own, and the stores take turns; the table has the median of the rounds. Times are processor time of all
//! threads of a process, which other work on the machine changes little, those that the store has in the background among
//! them; what waits for the disk is measured by the clock on the wall.

#[cfg(feature = "rocksdb")]
mod rocks;
mod stores;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use stores::Store;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 1000;
const GETS: usize = 100_000;
const SCANS: usize = 2_000;
const SCANNED: usize = 200;
/// Commits that are made before those that are measured.
const WARM_COMMITS: usize = 2_000;
/// As many rows as stay in memory with all stores that have a place for them there.
const DELTA_ROWS: usize = 40_000;

pub fn random(i: usize) -> u64 {
    let mut x = (i as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

fn key(i: usize) -> String {
    format!("user{i:015}")
}

/// As compressible as text: a half of it is random.
fn value(i: usize) -> Vec<u8> {
    (0..16)
        .flat_map(|word| if word % 2 == 0 { random(i * 16 + word).to_le_bytes() } else { *b"payload " })
        .collect()
}

fn size(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| if e.path().is_dir() { size(&e.path()) } else { e.metadata().unwrap().len() }).sum()
}

/// A line of what the system knows of this process, in MB.
pub fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
    let kilobytes = found.and_then(|rest| rest.trim().split(' ').next()?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1024.0
}

/// Seconds of processor time of this process so far.
pub fn processor_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The order in which rows come.
fn order(rows: usize, shuffled: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    if shuffled {
        order.sort_by_key(|i| random(*i));
    }
    order
}

/// Says what was measured; the process that started this one reads it.
pub fn report(what: &str, number: f64) {
    println!("{what}\t{number}");
}

/// Writes rows; the seconds that it took by the clock, and of processor time.
fn fill(store: &dyn Store, rows: usize, shuffled: bool, threads: usize, batch: usize) -> (f64, f64) {
    let order = order(rows, shuffled);
    let rows_of = |part: &[usize]| part.iter().map(|i| (key(*i), value(*i))).collect::<Vec<_>>();
    let parts: Vec<Vec<Vec<_>>> =
        order.chunks(rows.div_ceil(threads)).map(|part| part.chunks(batch).map(rows_of).collect()).collect();
    let (start, used) = (Instant::now(), processor_time());
    std::thread::scope(|scope| {
        for part in &parts {
            scope.spawn(move || part.iter().for_each(|batch| store.put(batch)));
        }
    });
    (start.elapsed().as_secs_f64(), processor_time() - used)
}

fn read(store: &dyn Store, rows: usize, what: &str) {
    let keys: Vec<String> = (0..GETS).map(|i| key(random(i) as usize % rows)).collect();
    store.get(&keys[..GETS / 10]);
    let start = processor_time();
    assert_eq!(store.get(&keys), GETS);
    report(&format!("{what}: random get, µs"), (processor_time() - start) / GETS as f64 * 1e6);
    let misses: Vec<String> = keys.iter().map(|key| format!("{key}x")).collect();
    let start = processor_time();
    assert_eq!(store.get(&misses), 0);
    report(&format!("{what}: get of no row, µs"), (processor_time() - start) / GETS as f64 * 1e6);
    let keys: Vec<String> = (0..SCANS).map(|i| key(random(i) as usize % (rows - SCANNED))).collect();
    let start = processor_time();
    assert_eq!(store.scan(&keys, SCANNED), SCANNED * SCANS);
    report(&format!("{what}: scan of {SCANNED}, µs"), (processor_time() - start) / SCANS as f64 * 1e6);
    let start = processor_time();
    assert_eq!(store.scan(&[String::new()], usize::MAX >> 1), rows);
    report(&format!("{what}: scan of all, ns a row"), (processor_time() - start) / rows as f64 * 1e9);
}

/// What one process measures.
fn measure(store: &str, what: &str, rows: usize) {
    let directory = tempfile::tempdir().unwrap();
    let open = |sync| stores::open(store, directory.path(), sync);
    match what.split(' ').collect::<Vec<_>>()[..] {
        ["write", sync, shuffled, threads] => {
            let (sync, shuffled, threads) = (sync == "sync", shuffled == "random", threads.parse().unwrap());
            let rows = if sync { rows / 10 } else { rows };
            let store = open(sync);
            let (seconds, used) = fill(&*store, rows, shuffled, threads, BATCH);
            let order = if shuffled { "random" } else { "key" };
            let sync = if sync { "fsync" } else { "no fsync" };
            let name = format!("write in {order} order, {threads} thr., {sync}");
            report(&format!("{name}, µs a row"), used / rows as f64 * 1e6);
            report(&format!("{name}, µs a row by the clock"), seconds / rows as f64 * 1e6);
        }
        ["commit", threads] => {
            let threads = threads.parse().unwrap();
            let store = open(true);
            // What a first log takes to grow is not what a commit costs.
            fill(&*store, WARM_COMMITS, false, threads, 1);
            let rows = if threads == 1 { rows / 200 } else { rows / 20 };
            let (seconds, used) = fill(&*store, rows, true, threads, 1);
            let name = format!("durable single puts, {threads} thr.");
            report(&format!("{name}, µs a commit by the clock"), seconds / rows as f64 * 1e6);
            report(&format!("{name}, µs a commit"), used / rows as f64 * 1e6);
        }
        ["delta"] => {
            let store = open(false);
            fill(&*store, DELTA_ROWS, true, 1, BATCH);
            read(&*store, DELTA_ROWS, "delta");
        }
        ["single"] => {
            let store = open(false);
            let (_, used) = fill(&*store, rows / 10, true, 1, 1);
            report("single puts, no fsync, µs a row", used / (rows / 10) as f64 * 1e6);
        }
        ["sealed"] => {
            let store = open(false);
            // Made as it goes, so that the memory is the store's.
            for batch in order(rows, true).chunks(BATCH) {
                store.put(&batch.iter().map(|i| (key(*i), value(*i))).collect::<Vec<_>>());
            }
            report("memory after writing, MB", memory("RssAnon"));
            store.settle();
            read(&*store, rows, "sealed");
            report("memory after reading, MB", memory("RssAnon"));
            drop(store);
            report("size on disk, MB", size(directory.path()) as f64 / 1e6);
        }
        ["upsert", rows] if store == "fluxdb" => tables::upserts(rows.parse().unwrap()),
        ["mixed"] if store == "fluxdb" => tables::mixed(rows),
        _ => {}
    }
}

/// What there is to measure, by what it belongs to.
fn workloads() -> Vec<(&'static str, String)> {
    let mut all = vec![];
    for sync in ["nosync", "sync"] {
        for order in ["key", "random"] {
            all.extend(["1", "8"].map(|threads| ("write", format!("write {sync} {order} {threads}"))));
        }
    }
    all.extend(["1", "100"].map(|threads| ("commit", format!("commit {threads}"))));
    all.extend(["delta", "sealed", "single"].map(|what| (what, what.to_owned())));
    all.extend([10_000, 1_000_000, 10_000_000].map(|rows| ("upsert", format!("upsert {rows}"))));
    all.push(("mixed", "mixed".to_owned()));
    all
}

fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    let (mut rows, mut rounds, mut wanted, mut only) = (1_000_000_usize, 3_usize, vec![], None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut next = || args.next().expect("a value behind the option");
        match &*arg {
            "--rows" => rows = next().parse().expect("a number of rows"),
            "--rounds" => rounds = next().parse().expect("a number of rounds"),
            "--only" => only = Some(next()),
            "--measure" => {
                let (store, what) = (next(), next());
                return measure(&store, &what, rows);
            }
            _ => wanted.push(arg),
        }
    }
    let program = std::env::current_exe().expect("this program");
    // By what was measured, in the order of the first run: the numbers of each store.
    let mut names: Vec<String> = vec![];
    let mut found: BTreeMap<(String, &str), Vec<f64>> = BTreeMap::new();
    for (group, what) in workloads() {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == group) {
            continue;
        }
        for round in 0..rounds {
            for turn in 0..stores::NAMES.len() {
                let store = stores::NAMES[(turn + round) % stores::NAMES.len()];
                if only.as_ref().is_some_and(|only| only != store) {
                    continue;
                }
                let rows = rows.to_string();
                let output = Command::new(&program)
                    .args(["--rows", &rows, "--measure", store, &what])
                    .stderr(std::process::Stdio::inherit())
                    .output()
                    .expect("a process");
                assert!(output.status.success(), "{store}: {what}");
                for line in String::from_utf8_lossy(&output.stdout).lines() {
                    let (name, number) = line.split_once('\t').expect("a name and a number");
                    if !names.iter().any(|known| known == name) {
                        names.push(name.to_owned());
                    }
                    let number = number.parse().expect("a number");
                    found.entry((name.to_owned(), store)).or_default().push(number);
                }
            }
        }
        eprintln!("{what}");
    }
    println!("| | {} | fluxdb ÷ best other |", stores::NAMES.join(" | "));
    println!("|---|{}---|", "---|".repeat(stores::NAMES.len()));
    for name in names {
        let of = |store: &&'static str| found.get(&(name.clone(), *store)).map(|all| median(all));
        let shown = |number: Option<f64>| {
            number.map_or_else(String::new, |n| if n < 10.0 { format!("{n:.2}") } else { format!("{n:.0}") })
        };
        let cells: Vec<String> = stores::NAMES.iter().map(|store| shown(of(store))).collect();
        let best = stores::NAMES[1..].iter().filter_map(of).reduce(f64::min);
        let ratio = of(&"fluxdb").zip(best).map(|(own, best)| own / best);
        println!(
            "| {name} | {} | {} |",
            cells.join(" | "),
            ratio.map_or_else(String::new, |r| format!("{r:.2}"))
        );
    }
}
