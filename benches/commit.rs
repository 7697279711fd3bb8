//! What a durable commit of one row costs: alone, with a hundred committers at once, and beside what one sync costs.
//!
//! The directory is that of TMPDIR: on a file system in memory a sync costs nothing.

use std::io::Write;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fluxdb::{Database, Synchronous};

/// Commits of one row each, by so many threads at once.
fn commits(db: &Database, threads: u64, each: u64) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let connection = db.connect();
                for i in 0..each {
                    connection
                        .execute(&format!("INSERT INTO t VALUES ({thread}, {i}, 'value {i}')"))
                        .expect("a commit");
                }
            });
        }
    });
    begun.elapsed()
}

/// How long each of many commits took, with the log filling up again and again.
fn latencies(db: &Database, threads: u64, each: u64) -> Vec<Duration> {
    let all = std::sync::Mutex::new(vec![]);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let all = &all;
            scope.spawn(move || {
                let connection = db.connect();
                let took = (0..each).map(|i| {
                    let sql = format!("INSERT INTO t VALUES ({thread}, {i}, 'value {i}')");
                    let begun = Instant::now();
                    connection.execute(&sql).expect("a commit");
                    begun.elapsed()
                });
                let took: Vec<_> = took.collect();
                all.lock().expect("no panic").extend(took);
            });
        }
    });
    let mut all = all.into_inner().expect("no panic");
    all.sort();
    all
}

fn tell_latencies(dir: &std::path::Path) {
    for background in [false, true] {
        for (threads, each) in [(1, 60_000), (10, 15_000), (100, 3_000)] {
            // As a test it has only to work.
            let each = if std::env::args().any(|arg| arg == "--bench") { each } else { 3 };
            let path = dir.join(format!("latency{background}{threads}.flux"));
            let options = fluxdb::Options::default().background_sealing(background);
            let db = Database::open_with(path, options).expect("a database");
            db.connect().execute("CREATE TABLE t(thread BIGINT, i BIGINT, text VARCHAR)").expect("a table");
            let begun = Instant::now();
            let all = latencies(&db, threads, each);
            let rate = all.len() as f64 / begun.elapsed().as_secs_f64();
            let at = |part: f64| all[((all.len() - 1) as f64 * part) as usize];
            println!(
                "background {background}, {threads} committers: {rate:.0} commits/s; p50 {:.2?}, p99 {:.2?}, p99.9 {:.2?}, p99.99 {:.2?}, longest {:.2?}",
                at(0.5),
                at(0.99),
                at(0.999),
                at(0.9999),
                at(1.0)
            );
        }
    }
}

fn commit(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    tell_latencies(dir.path());
    let mut group = c.benchmark_group("commit");
    group.sample_size(10);

    group.throughput(Throughput::Elements(1));
    group.bench_function("one_sync", |b| {
        // A file that is there already, as the log is.
        let mut file = std::fs::File::create(dir.path().join("plain")).expect("a file");
        file.write_all(&vec![0; 1 << 20]).expect("space");
        file.sync_all().expect("a sync");
        let mut at = 0;
        b.iter(|| {
            use std::os::unix::fs::FileExt;
            file.write_all_at(&[1; 256], at).expect("a write");
            file.sync_data().expect("a sync");
            at = (at + 256) % (1 << 20);
        });
    });
    for level in [Synchronous::Full, Synchronous::Normal, Synchronous::Off] {
        for threads in [1, 10, 100] {
            let path = dir.path().join(format!("{level:?}{threads}.flux"));
            let db =
                Database::open_with(path, fluxdb::Options::default().synchronous(level)).expect("a database");
            db.connect().execute("CREATE TABLE t(thread BIGINT, i BIGINT, text VARCHAR)").expect("a table");
            group.throughput(Throughput::Elements(threads));
            group.bench_function(BenchmarkId::new(format!("{level:?}").to_lowercase(), threads), |b| {
                b.iter_custom(|each| commits(&db, threads, each));
            });
            db.close().expect("a clean close");
        }
    }
    group.finish();
}

criterion_group!(benches, commit);
criterion_main!(benches);
