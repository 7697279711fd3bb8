//! What a user of the library waits for: opening, loading, scanning, aggregating, joining, bucketing time.
//!
//! Throughput is in rows of the table, so that lines can be compared with each other.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fluxdb::{Connection, Database};

const ROWS: u64 = 2_000_000;

/// A table of measurements: 100 hosts in turn, a row a second.
const CREATE: &str = "CREATE OR REPLACE TABLE cpu AS \
    SELECT TIMESTAMP '2024-01-01' + (i // 100) * INTERVAL 1 SECOND AS time, 'host_' || (i % 100) AS host, \
           (i * 7919) % 1000003 AS id, (i * 31 % 1000) / 10.0::DOUBLE AS usage \
    FROM generate_series(0, 1999999) t(i)";

fn drain(connection: &Connection, sql: &str) {
    for batch in connection.query(sql).expect("the statement is right") {
        black_box(batch.expect("the query runs"));
    }
}

fn queries(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("bench.flux");
    let db = Database::open(&path).expect("a database");
    let connection = db.connect();
    connection.execute(CREATE).expect("a table");

    let mut group = c.benchmark_group("query");
    group.throughput(Throughput::Elements(ROWS)).sample_size(20);
    for (name, sql) in [
        ("count", "SELECT count(*) FROM cpu WHERE usage > 50"),
        ("sum", "SELECT sum(id) FROM cpu"),
        ("avg_filtered", "SELECT avg(usage) FROM cpu WHERE id < 500000"),
        ("min_max_text", "SELECT min(host), max(host) FROM cpu"),
        ("group_by_text", "SELECT host, avg(usage) FROM cpu GROUP BY host"),
        ("group_by_many", "SELECT id, count(*) FROM cpu GROUP BY id"),
        ("top_n", "SELECT * FROM cpu ORDER BY usage DESC, id LIMIT 10"),
        ("join", "SELECT count(*) FROM cpu a JOIN (SELECT DISTINCT host FROM cpu) b ON a.host = b.host"),
        ("fluxql_every", "SELECT avg(usage) FROM cpu GROUP BY host EVERY 1h"),
        (
            "one_series",
            "SELECT max(usage) FROM cpu WHERE host = 'host_7' AND time < '2024-01-01 01:00:00' EVERY 1m",
        ),
    ] {
        group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(|| drain(&connection, sql)));
    }
    group.finish();

    // What a dashboard waits for, whose queries come while the machine rests: processors have to wake up.
    let mut group = c.benchmark_group("after_a_pause");
    group.sample_size(20);
    group.bench_function("group_by_text", |b| {
        b.iter_custom(|times| {
            let query = |_| {
                std::thread::sleep(Duration::from_millis(10));
                let start = Instant::now();
                drain(&connection, "SELECT host, avg(usage) FROM cpu WHERE id < 500000 GROUP BY host");
                start.elapsed()
            };
            (0..times).map(query).sum()
        });
    });
    group.finish();

    let mut group = c.benchmark_group("fixed_cost");
    group.bench_function("select_1", |b| b.iter(|| drain(&connection, "SELECT 1")));
    drop(connection);
    db.close().expect("a clean close");
    group.bench_function("open", |b| {
        b.iter(|| Database::open(&path).expect("the file opens").close().expect("a clean close"));
    });
    group.finish();
}

fn load(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    group.throughput(Throughput::Elements(ROWS)).sample_size(10);
    group.bench_function("create_table_as", |b| {
        let dir = tempfile::tempdir().expect("a directory");
        let db = Database::open(dir.path().join("load.flux")).expect("a database");
        b.iter(|| db.connect().execute(CREATE).expect("a table"));
    });
    group.finish();
}

criterion_group!(benches, queries, load);
criterion_main!(benches);
