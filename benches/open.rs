//! What opening costs: of files of different lengths, and of a log that has to be replayed.
//!
//! FLUXDB_BENCH_GIB says how long the longer file is (1 unless told otherwise); TMPDIR, where it lies for as long as this
//! runs.

use std::path::Path;
use std::time::{Duration, Instant};

use fluxdb::{Database, Options, Synchronous};

/// The median time of opening, and of a first question.
fn open(path: &Path) -> (Duration, Duration) {
    let mut times: Vec<_> = (0..21)
        .map(|_| {
            let begun = Instant::now();
            let db = Database::open(path).expect("a database");
            let opened = begun.elapsed();
            db.connect().query("SELECT count(*) FROM t").expect("a query").count_rows().expect("a row");
            (opened, begun.elapsed())
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn files(directory: &Path) {
    let gib: f64 = if is_test() { 0.01 } else { gib() };
    for bytes in [if is_test() { 1e5 } else { 10e6 }, gib * (1 << 30) as f64] {
        measure(directory, bytes);
    }
}

/// Whether it has only to work.
fn is_test() -> bool {
    !std::env::args().any(|arg| arg == "--bench")
}

fn gib() -> f64 {
    std::env::var("FLUXDB_BENCH_GIB").map_or(1.0, |text| text.parse().expect("a number"))
}

/// Makes a file of about so many bytes, and opens it.
fn measure(directory: &Path, bytes: f64) {
    let path = directory.join("open.flux");
    let db = Database::open(&path).expect("a database");
    let connection = db.connect();
    connection.execute("CREATE TABLE t(a UBIGINT, b UBIGINT)").expect("a table");
    // 16 bytes a row that no codec makes shorter.
    let (mut rows, all) = (0, (bytes / 16.0) as u64);
    while rows < all {
        let next = (rows + 20_000_000).min(all);
        connection
            .execute(&format!(
                "INSERT INTO t SELECT hash(i), hash(i + 1e15::BIGINT) FROM range({rows}, {next}) r(i)"
            ))
            .expect("rows");
        rows = next;
    }
    drop(connection);
    drop(db);
    let length = std::fs::metadata(&path).expect("a file").len();
    let (opened, asked) = open(&path);
    println!("{:.2} GB: opened in {opened:.2?}, with the first answer {asked:.2?}", length as f64 / 1e9);
    std::fs::remove_file(&path).expect("a file");
}

fn recovery(directory: &Path) {
    let (path, copy) = (directory.join("log.flux"), directory.join("copy.flux"));
    let options =
        Options::default().log_size(512 << 20).background_sealing(false).synchronous(Synchronous::Normal);
    let db = Database::open_with(&path, options).expect("a database");
    let connection = db.connect();
    connection.execute("CREATE TABLE t(thread BIGINT, i BIGINT, text VARCHAR)").expect("a table");
    // The log doubles whenever it is full, so this ends with one that is nearly so.
    let mut i = 0;
    let begun = Instant::now();
    let time = Duration::from_millis(if is_test() { 100 } else { 20_000 });
    while begun.elapsed() < time {
        let values = format!(
            "INSERT INTO t SELECT 1, r, 'value number ' || hash(r) FROM range({i}, {}) x(r)",
            i + 1000
        );
        connection.execute(&values).expect("rows");
        i += 1000;
    }
    // As a killed process leaves it.
    std::fs::copy(&path, &copy).expect("a copy");
    let begun = Instant::now();
    let after = Database::open(&copy).expect("a database");
    let (took, recovery) = (begun.elapsed(), after.recovery().clone());
    println!("{} commits of 1000 rows replayed in {took:.2?}: {recovery}", recovery.commits);
}

fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    recovery(directory.path());
    files(directory.path());
}
