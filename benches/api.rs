//! What each call of the library costs: opening, one row, one look-up, many rows, a scan, an aggregate, a join, a load; and
//! what it costs to watch a query.
//!
//! How to read it: `open`, `insert_one`, `prepared` and `planned` are times of one call, so microseconds; a commit waits for
//! the disk, which `fluxdb bench` measures alone, so `insert_one` has a line without that wait beside it. All others
//! name their throughput in rows. On a machine that other work shares compare two versions in turns
//! (`--save-baseline`, `--baseline`) and believe ratios, not times.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fluxdb::arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use fluxdb::{Connection, Database, params};

const ROWS: i64 = 1_000_000;

fn database(directory: &std::path::Path, name: &str) -> Database {
    let db = Database::open(directory.join(name)).expect("a database");
    db.connect()
        .execute(&format!(
            "CREATE TABLE readings AS
             SELECT i AS id, 'station ' || i % 100 AS station, (i * 31 % 1000) / 10.0::DOUBLE AS degrees
             FROM range({ROWS}) r(i);
             CREATE TABLE stations AS SELECT 'station ' || i AS station, i % 7 AS region FROM range(100) r(i)"
        ))
        .expect("tables");
    db
}

fn drain(connection: &Connection, sql: &str) {
    for batch in connection.query(sql).expect("the statement is right") {
        black_box(batch.expect("the query runs"));
    }
}

fn calls(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    database(path, "open.flux").close().expect("closed");

    let mut group = c.benchmark_group("call");
    group.sample_size(30);
    group.bench_function("open", |b| b.iter(|| Database::open(path.join("open.flux")).expect("opens")));
    group.bench_function("open_in_memory", |b| b.iter(|| Database::open_in_memory().expect("opens")));

    let db = database(path, "calls.flux");
    let connection = db.connect();
    connection.execute("CREATE TABLE points(id BIGINT, degrees DOUBLE)").expect("a table");
    for level in ["full", "off"] {
        connection.execute(&format!("SET synchronous = '{level}'")).expect("a setting");
        let insert = connection.prepare("INSERT INTO points VALUES (?, ?)").expect("a statement");
        let mut id = 0_i64;
        group.bench_function(format!("insert_one_{level}"), |b| {
            b.iter(|| {
                id += 1;
                insert.execute(params![id, 72.4]).expect("a row")
            });
        });
    }
    let find = connection.prepare("SELECT degrees FROM readings WHERE id = ?").expect("a statement");
    let mut id = 0;
    group.bench_function("prepared", |b| {
        b.iter(|| {
            id = (id + 7919) % ROWS;
            find.query_one::<(f64,)>((id,)).expect("a row")
        });
    });
    group.bench_function("planned", |b| {
        b.iter(|| {
            id = (id + 7919) % ROWS;
            let sql = format!("SELECT degrees FROM readings WHERE id = {id}");
            connection.query_one::<(f64,)>(&sql, ()).expect("a row")
        });
    });
    group.finish();
}

fn rows(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let db = database(directory.path(), "rows.flux");
    let connection = db.connect();

    let mut group = c.benchmark_group("rows");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    for (name, sql) in [
        ("scan", "SELECT id, degrees FROM readings"),
        ("aggregate", "SELECT station, avg(degrees), max(degrees) FROM readings GROUP BY station"),
        ("join", "SELECT region, count(*) FROM readings JOIN stations USING (station) GROUP BY region"),
        ("load", "CREATE OR REPLACE TABLE loaded AS FROM readings"),
    ] {
        group.bench_function(name, |b| b.iter(|| drain(&connection, sql)));
    }
    group.bench_function("typed_rows", |b| {
        b.iter(|| {
            let rows: Vec<(i64, f64)> =
                connection.query_as("SELECT id, degrees FROM readings", ()).expect("rows");
            assert_eq!(rows.len() as i64, ROWS);
        });
    });
    group.bench_function("appender_rows", |b| {
        b.iter(|| {
            connection
                .execute("CREATE OR REPLACE TABLE added(id BIGINT, station VARCHAR, degrees DOUBLE)")
                .expect("a table");
            let mut appender = connection.appender("added").expect("an appender");
            for i in 0..ROWS {
                appender.row(params![i, "harbour", i as f64]).expect("a row");
            }
            appender.finish().expect("all rows")
        });
    });
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS)) as ArrayRef),
        (
            "station",
            Arc::new(StringArray::from_iter_values((0..ROWS).map(|i| format!("station {}", i % 100)))),
        ),
        ("degrees", Arc::new(Float64Array::from_iter_values((0..ROWS).map(|i| (i % 1000) as f64 / 10.0)))),
    ])
    .expect("columns of one length");
    group.bench_function("appender_batch", |b| {
        b.iter_batched(
            || batch.clone(),
            |batch| {
                connection
                    .execute("CREATE OR REPLACE TABLE added(id BIGINT, station VARCHAR, degrees DOUBLE)")
                    .expect("a table");
                let mut appender = connection.appender("added").expect("an appender");
                appender.batch(batch).expect("rows");
                appender.finish().expect("all rows")
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// The same queries with `SET profile` off and on: what is measured is what measuring costs.
fn watched(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let db = database(directory.path(), "watched.flux");
    let connection = db.connect();
    let mut group = c.benchmark_group("watched");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(40);
    let queries = [
        ("filter", "SELECT count(*) FROM readings WHERE degrees > 50 AND id % 3 = 0"),
        ("aggregate", "SELECT station, avg(degrees), max(degrees) FROM readings GROUP BY station"),
        ("join", "SELECT region, count(*) FROM readings JOIN stations USING (station) GROUP BY region"),
        ("first_1000", "SELECT id FROM readings ORDER BY degrees, id LIMIT 1000"),
        ("first_10", "SELECT id FROM readings ORDER BY degrees DESC LIMIT 10"),
    ];
    for (name, sql) in queries {
        for profile in ["off", "text"] {
            connection.execute(&format!("SET profile = '{profile}'")).expect("a setting");
            group.bench_function(format!("{name}_{profile}"), |b| b.iter(|| drain(&connection, sql)));
        }
    }
    group.finish();
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    for (name, sql) in queries {
        // In turns, so that both meet the same machine.
        let mut least = [Duration::MAX; 2];
        for _ in 0..200 {
            for (profile, least) in ["off", "text"].into_iter().zip(&mut least) {
                connection.execute(&format!("SET profile = '{profile}'")).expect("a setting");
                let begun = Instant::now();
                drain(&connection, sql);
                *least = (*least).min(begun.elapsed());
            }
        }
        let more = least[1].as_secs_f64() / least[0].as_secs_f64() - 1.0;
        println!("watching {name}: {:+.1} % of {:?}", more * 100.0, least[0]);
    }
}

criterion_group!(benches, calls, rows, watched);
criterion_main!(benches);
