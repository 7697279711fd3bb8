//! Text from outside: SQL, and the formats that are imported.

use std::io::Write;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fluxdb::{CancelToken, Connection, Database, ImportOptions, Options, Precision};

use super::check;

/// How long a statement may run; then it is cancelled, which must work.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long it may take until it is.
const LIMIT: Duration = Duration::from_secs(20);

fn database() -> Database {
    Database::open_in_memory_with(Options::default().threads(1).memory_limit(64 << 20)).unwrap()
}

/// Runs a statement, which may fail, and reads what it returns.
fn run(connection: &Connection, sql: &str) {
    let begun = Instant::now();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let cancel: CancelToken = connection.cancel_handle();
    let watch = std::thread::spawn(move || {
        if ended.recv_timeout(PATIENCE).is_err() {
            cancel.cancel();
        }
    });
    check(connection.query(sql).and_then(fluxdb::Rows::count_rows));
    drop(done);
    let _ = watch.join();
    assert!(begun.elapsed() < LIMIT, "it cannot be cancelled: {sql}");
}

/// Words with which a statement begins that only reads.
const READS: [&str; 7] = ["select", "with", "from", "values", "explain", "summarize", "describe"];

pub fn sql(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    thread_local! {
        static CONNECTION: Connection = {
            let connection = database().connect();
            connection
                .execute(
                    "CREATE TABLE t AS SELECT i, i % 7 AS m, i * 0.5 AS x, 'name ' || (i % 5) AS s,
                     TIMESTAMP '2024-01-01' + to_minutes(i) AS time, [i, i + 1] AS l, {'a': i, 'b': 'x'} AS r
                     FROM range(300) g(i); CREATE VIEW v AS SELECT m, sum(x) AS y FROM t GROUP BY m",
                )
                .unwrap();
            connection
        };
    }
    CONNECTION.with(|connection| {
        for statement in fluxdb::split_statements(text).into_iter().take(3) {
            let first: String = statement
                .trim_start()
                .chars()
                .take_while(|c| c.is_ascii_alphabetic())
                .collect::<String>()
                .to_lowercase();
            // Nothing that it names is written to.
            if READS.contains(&first.as_str()) {
                run(connection, statement);
            } else {
                check(connection.prepare(statement));
            }
        }
    });
}

/// Reads bytes as a file of a format.
fn import(function: &str, data: &[u8]) {
    static FILE: OnceLock<tempfile::NamedTempFile> = OnceLock::new();
    let file = FILE.get_or_init(|| tempfile::NamedTempFile::new().unwrap());
    let mut handle = std::fs::File::create(file.path()).unwrap();
    handle.write_all(data).unwrap();
    drop(handle);
    let connection = database().connect();
    run(&connection, &format!("FROM {function}('{}')", file.path().display()));
}

pub fn csv(data: &[u8]) {
    import("read_csv", data);
}

pub fn json(data: &[u8]) {
    import("read_json", data);
}

pub fn parquet(data: &[u8]) {
    import("read_parquet", data);
}

pub fn line_protocol(data: &[u8]) {
    let database = database();
    let precision = [Precision::Seconds, Precision::Nanoseconds][data.len() % 2];
    let report = database.import_line_protocol(data, ImportOptions { precision }).unwrap();
    assert!(report.points as usize <= data.len());
    for table in database.connect().table_names() {
        let rows = database.connect().query(&format!("FROM \"{}\"", table.replace('"', "\"\"")));
        rows.unwrap().count_rows().unwrap();
    }
}
