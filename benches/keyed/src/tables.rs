//! What only FluxDB is asked: whether a row costs the same in large tables, and what scans cost while rows are written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fluxdb::{Database, Options, Synchronous};

use crate::{processor_time, random, report};

fn table(path: &std::path::Path, rows: usize) -> Database {
    let options = Options::default().synchronous(Synchronous::Off);
    let db = Database::open_with(path.join("a.flux"), options).unwrap();
    let connection = db.connect();
    connection.execute("CREATE TABLE t(id BIGINT PRIMARY KEY, v BIGINT)").unwrap();
    connection
        .execute(&format!("INSERT INTO t SELECT i * 7919 % {rows}, i FROM range({rows}) r(i)"))
        .unwrap();
    db
}

/// Waits until nothing is done in the background; the seconds of processor time that it took.
fn settle() -> f64 {
    let start = processor_time();
    loop {
        let before = processor_time();
        std::thread::sleep(Duration::from_millis(300));
        if processor_time() - before < 0.01 {
            return processor_time() - start;
        }
    }
}

/// What a row costs in a table of so many.
pub fn upserts(rows: usize) {
    let directory = tempfile::tempdir().unwrap();
    let start = processor_time();
    let db = table(directory.path(), rows);
    report(&format!("{rows} rows: loading, µs a row"), (processor_time() - start) / rows as f64 * 1e6);
    report(&format!("{rows} rows: merging what was loaded, µs a row"), settle() / rows as f64 * 1e6);
    let connection = db.connect();
    let table = connection.keyed("t").unwrap();
    let per = |what: &str, count: usize, work: &dyn Fn(i64)| {
        let start = processor_time();
        (0..count).for_each(|i| work((random(i) % rows as u64) as i64));
        let each = (processor_time() - start) / count as f64 * 1e6;
        report(&format!("{rows} rows: {what}, µs"), each);
    };
    per("get", 20_000, &|id| assert!(table.get((id,)).unwrap().is_some()));
    per("put", 20_000, &|id| assert!(table.put((id, 1)).unwrap()));
    per("delete and put", 5_000, &|id| {
        assert!(table.delete((id,)).unwrap());
        table.put((id, 2)).unwrap();
    });
    let upsert = connection.prepare("INSERT OR REPLACE INTO t VALUES (?, ?)").unwrap();
    per("INSERT OR REPLACE", 5_000, &|id| assert_eq!(upsert.execute((id, 3)).unwrap(), 1));
    let select = connection.prepare("SELECT v FROM t WHERE id = ?").unwrap();
    per("SELECT by key", 5_000, &|id| assert_eq!(select.query((id,)).unwrap().count_rows().unwrap(), 1));
    let update = connection.prepare("UPDATE t SET v = 4 WHERE id = ?").unwrap();
    per("UPDATE by key", 5_000, &|id| assert_eq!(update.execute((id,)).unwrap(), 1));
}

const SCANNING: Duration = Duration::from_secs(6);
const UPSERTS_A_SECOND: u32 = 10_000;
const UPSERTS_A_BATCH: u32 = 100;

/// A scan of a table at rest, and while ten thousand rows a second of it are replaced.
pub fn mixed(rows: usize) {
    let directory = tempfile::tempdir().unwrap();
    let db = table(directory.path(), rows);
    let connection = db.connect();
    connection.execute("SET threads = 1").unwrap();
    let scans = || {
        let (start, mut times) = (Instant::now(), vec![]);
        while start.elapsed() < SCANNING {
            let one = Instant::now();
            let sql = "SELECT id % 10 AS g, count(*), sum(v), max(v) FROM t WHERE v >= 0 GROUP BY g";
            assert_eq!(connection.query(sql).unwrap().count_rows().unwrap(), 10);
            times.push(one.elapsed().as_secs_f64() * 1e3);
        }
        crate::median(&times)
    };
    scans();
    let rest = scans();
    let (stop, db) = (AtomicBool::new(false), &db);
    let busy = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let connection = db.connect();
            let table = connection.keyed("t").unwrap();
            let (start, mut written) = (Instant::now(), 0_u32);
            while !stop.load(Ordering::Relaxed) {
                let mut batch = table.batch();
                for i in written..written + UPSERTS_A_BATCH {
                    batch.put(((random(i as usize) % rows as u64) as i64, i64::from(i)));
                }
                batch.commit().unwrap();
                written += UPSERTS_A_BATCH;
                let due = Duration::from_secs_f64(f64::from(written) / f64::from(UPSERTS_A_SECOND));
                std::thread::sleep(due.saturating_sub(start.elapsed()));
            }
            f64::from(written) / start.elapsed().as_secs_f64()
        });
        let busy = scans();
        stop.store(true, Ordering::Relaxed);
        report("upserts a second meanwhile", writer.join().unwrap());
        busy
    });
    report("scan at rest, ms", rest);
    report("scan beside upserts, ms", busy);
    report("scan beside upserts ÷ at rest", busy / rest);
}
