//! Rows by key, from outside: each of these sequences goes wrong in some engine, and whatever happens in between, a
//! table is what a map would be.

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use fluxdb::inspect::Inspection;
use fluxdb::pager::MemoryFile;
use fluxdb::pager::fault::{Fate, Fault, FaultFile, FaultPlan};
use fluxdb::{Connection, Database, KeyedRows, Options, Synchronous, params};
use proptest::prelude::*;

use directory::Directory;

fn open(path: &Path) -> Database {
    // Small row groups, so that there are many.
    Database::open_with(path, Options::default().row_group_rows(512)).unwrap()
}

fn keyed(connection: &Connection) -> fluxdb::KeyedTable<'_> {
    connection.keyed("kv").unwrap()
}

const CREATE: &str = "CREATE TABLE kv(k VARCHAR, n BIGINT, v VARCHAR, PRIMARY KEY (k, n))";

/// Two flushes in between: to memory's row groups and to the file's.
fn flush(connection: &Connection) {
    connection.execute("CHECKPOINT").unwrap();
}

#[test]
fn the_newest_value_is_read_and_what_is_deleted_is_gone() {
    let directory = Directory::new();
    let path = directory.path().join("a.flux");
    let mut db = open(&path);
    db.connect().execute(CREATE).unwrap();
    for reopen in [false, true] {
        let connection = db.connect();
        let table = keyed(&connection);
        let get = |n: i64| table.get_as::<(String, i64, String)>(("a", n)).unwrap().map(|row| row.2);
        table.put(("a", 1, "first")).unwrap();
        flush(&connection);
        assert!(table.put(("a", 1, "second")).unwrap());
        flush(&connection);
        assert_eq!(get(1).as_deref(), Some("second"));
        let all: Vec<(String, i64, String)> = table.scan().rows_as().unwrap();
        assert_eq!(all, [("a".to_owned(), 1, "second".to_owned())]);
        assert!(table.delete(("a", 1)).unwrap() && !table.delete(("a", 1)).unwrap());
        assert_eq!(get(1), None);
        flush(&connection);
        flush(&connection);
        assert_eq!(get(1), None);
        assert_eq!(table.scan().rows().unwrap().count(), 0);
        // A range over rows of several flushes.
        for part in 0..5 {
            let mut batch = table.batch();
            for n in 0..500_i64 {
                batch.put(("r", n * 5 + part, "x"));
            }
            batch.commit().unwrap();
            flush(&connection);
        }
        assert_eq!(table.delete_range(table.scan().from(("r", 100)).to(("r", 2400))).unwrap(), 2300);
        flush(&connection);
        assert_eq!(table.scan().prefix(("r",)).rows().unwrap().count(), 200);
        assert_eq!(table.delete_range(table.scan().prefix(("r",))).unwrap(), 200);
        assert_eq!(connection.query_one::<(i64,)>("SELECT count(*) FROM kv", ()).unwrap(), (0,));
        drop(connection);
        if !reopen {
            drop(db);
            db = open(&path);
        }
    }
    assert!(db.check().is_sound());
}

#[test]
fn thousands_of_versions_and_hours_of_points() {
    let directory = Directory::new();
    let db = open(&directory.path().join("a.flux"));
    let connection = db.connect();
    connection.execute(CREATE).unwrap();
    let table = keyed(&connection);
    for part in 0..10_i64 {
        let mut batch = table.batch();
        for n in 0..2000_i64 {
            batch.put(("one", part * 2000 + n, format!("version {}", part * 2000 + n)));
        }
        batch.commit().unwrap();
        flush(&connection);
    }
    for n in (0..20_000_i64).step_by(271) {
        let (.., v): (String, i64, String) = table.get_as(("one", n)).unwrap().unwrap();
        assert_eq!(v, format!("version {n}"));
    }
    let latest = table.get_latest(("one",)).unwrap().unwrap();
    assert_eq!(latest.get::<_, i64>("n").unwrap(), 19_999);
    assert!(table.get_latest(("two",)).unwrap().is_none());

    connection
        .execute("CREATE TABLE points(host VARCHAR, ts TIMESTAMP, v DOUBLE, PRIMARY KEY (host, ts))")
        .unwrap();
    connection
        .execute("INSERT INTO points SELECT 'h' || i % 3, TIMESTAMP '2024-01-01' + INTERVAL (i // 3) MINUTE, i FROM range(8640) r(i)")
        .unwrap();
    flush(&connection);
    let points = connection.keyed("points").unwrap();
    for hour in 0..48 {
        let at = |hour: i64| format!("2024-01-{:02} {:02}:00:00", 1 + hour / 24, hour % 24);
        let hour = points.scan().from(("h1", at(hour))).to(("h1", at(hour + 1)));
        assert_eq!(hour.rows().unwrap().count(), 60);
    }
}

#[test]
fn overlapping_row_groups_and_odd_prefixes() {
    let directory = Directory::new();
    let db = open(&directory.path().join("a.flux"));
    let connection = db.connect();
    connection.execute("CREATE TABLE b(k BLOB PRIMARY KEY, v BIGINT)").unwrap();
    let table = connection.keyed("b").unwrap();
    let mut model = BTreeMap::new();
    for round in 0..6_u8 {
        let mut batch = table.batch();
        for i in 0..600_u32 {
            let key = match i % 4 {
                0 => vec![0xFF; (i / 4 % 5) as usize],
                1 => vec![0xFF, round, i as u8],
                2 => vec![0, round, 0, (i / 4) as u8],
                _ => i.wrapping_mul(2_654_435_761).to_be_bytes().to_vec(),
            };
            batch.put((key.clone(), i64::from(i)));
            model.insert(key, i64::from(i));
        }
        batch.commit().unwrap();
        if round % 2 == 0 {
            flush(&connection);
        }
    }
    for prefix in [&b""[..], b"\0", b"\xFF", b"\xFF\xFF", b"\xFF\xFF\xFF\xFF", b"\x07", b"\0\x01"] {
        let expected: Vec<(Vec<u8>, i64)> =
            model.iter().filter(|(k, _)| k.starts_with(prefix)).map(|(k, v)| (k.clone(), *v)).collect();
        let found: Vec<(Vec<u8>, i64)> = table.scan().starts_with(prefix).rows_as().unwrap();
        assert_eq!(found, expected, "{prefix:?}");
        let mut back: Vec<(Vec<u8>, i64)> = table.scan().starts_with(prefix).reverse().rows_as().unwrap();
        back.reverse();
        assert_eq!(back, expected);
        let few: Vec<(Vec<u8>, i64)> = table.scan().starts_with(prefix).limit(3).rows_as().unwrap();
        assert_eq!(few, expected[..expected.len().min(3)]);
    }
    // A key of 70,000 bytes: it is there, and nothing else is harmed.
    let long = vec![7_u8; 70_000];
    table.put((long.clone(), 1)).unwrap();
    flush(&connection);
    assert_eq!(table.get_as::<(Vec<u8>, i64)>((long.clone(),)).unwrap(), Some((long, 1)));
    assert_eq!(table.scan().rows().unwrap().count(), model.len() + 1);
    assert!(db.check().is_sound());
}

#[test]
fn conditions_transactions_and_constraints_hold() {
    let db = Database::open_in_memory().unwrap();
    let (connection, other) = (db.connect(), db.connect());
    connection.execute("CREATE TABLE d(id INTEGER PRIMARY KEY, tag VARCHAR UNIQUE, version BIGINT)").unwrap();
    let (table, theirs) = (connection.keyed("d").unwrap(), other.keyed("d").unwrap());
    assert!(table.put_if((1, "a", 1), "version", None::<i64>).unwrap());
    assert!(!table.put_if((1, "a", 1), "version", None::<i64>).unwrap());
    assert!(!theirs.put_if((1, "a", 3), "version", 2).unwrap());
    assert!(theirs.put_if((1, "a", 2), "version", 1).unwrap());
    // Text is cast as SQL casts it; what cannot be is refused, and so is NULL, another's unique key, and a wrong number.
    table.put(("2", "b", 1)).unwrap();
    assert!(table.put(("x", "c", 1)).is_err());
    assert!(table.put(params![None::<i32>, "c", 1]).is_err());
    assert!(table.put((3, "b", 1)).unwrap_err().to_string().contains("unique"));
    assert!(table.put((3, "c")).is_err() && table.get((1, 2)).is_err());
    let mut batch = table.batch();
    batch.put((5, "e", 1)).put((6, "b", 1));
    assert!(batch.commit().is_err());
    assert!(table.get((5,)).unwrap().is_none(), "all or nothing");
    // The last change of a key counts.
    let mut batch = table.batch();
    batch.put((7, "g", 1)).delete((7,)).put((8, "h", 1)).put((8, "i", 2)).delete((2,)).put((2, "b", 9));
    assert_eq!(batch.commit().unwrap(), 1);
    let rows: Vec<(i32, String, i64)> = table.scan().rows_as().unwrap();
    assert_eq!(rows, [(1, "a".into(), 2), (2, "b".into(), 9), (8, "i".into(), 2)]);
    // In a transaction: seen by it alone, undone with it, and whoever commits a key first wins.
    connection.execute("BEGIN").unwrap();
    table.put((9, "j", 1)).unwrap();
    table.delete((1,)).unwrap();
    assert!(table.get((9,)).unwrap().is_some() && theirs.get((9,)).unwrap().is_none());
    assert!(table.get((1,)).unwrap().is_none() && theirs.get((1,)).unwrap().is_some());
    connection.execute("ROLLBACK").unwrap();
    assert!(table.get((9,)).unwrap().is_none() && table.get((1,)).unwrap().is_some());
    connection.execute("BEGIN").unwrap();
    table.put((10, "k", 1)).unwrap();
    theirs.put((10, "l", 1)).unwrap();
    assert!(connection.execute("COMMIT").is_err());
    let row: (i32, String, i64) = table.get_as((10,)).unwrap().unwrap();
    assert_eq!(row.1, "l");
    // What only statements check.
    connection
        .execute(
            "CREATE TABLE c(id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 0), d INTEGER REFERENCES d(id))",
        )
        .unwrap();
    let checked = connection.keyed("c").unwrap();
    assert!(!checked.put((1, 1, 10)).unwrap());
    assert!(checked.put((1, 2, 10)).unwrap(), "replaced");
    assert!(checked.put((2, 0, 10)).is_err());
    assert!(checked.put((2, 1, 11)).is_err());
    assert!(table.delete((10,)).is_err(), "it is referred to");
    assert!(checked.delete((1,)).unwrap() && table.delete((10,)).unwrap());
    assert!(connection.keyed("nothing").is_err());
    connection.execute("CREATE TABLE loose(a INTEGER)").unwrap();
    assert!(connection.keyed("loose").unwrap_err().to_string().contains("primary key"));
}

#[test]
fn expired_rows_are_not_there() {
    let db = Database::open_in_memory().unwrap();
    let connection = db.connect();
    connection
        .execute("CREATE TABLE e(id INTEGER PRIMARY KEY, ts TIMESTAMPTZ, v INTEGER) WITH (ttl = '1h', ttl_column = ts)")
        .unwrap();
    connection
        .execute("INSERT INTO e SELECT i, now() - INTERVAL (i % 2) DAY, i FROM range(100) r(i)")
        .unwrap();
    let table = connection.keyed("e").unwrap();
    let now: String = connection.query_one::<(String,)>("SELECT now()::VARCHAR", ()).unwrap().0;
    assert!(table.get((2,)).unwrap().is_some() && table.get((3,)).unwrap().is_none());
    assert_eq!(table.get_many([(1,), (2,), (4,)]).unwrap().iter().flatten().count(), 2);
    assert_eq!(table.scan().limit(30).rows().unwrap().count(), 30);
    assert_eq!(table.scan().rows().unwrap().count(), 50);
    let latest: (i32, String, i32) =
        connection.query_one("SELECT id, ts::VARCHAR, v FROM e ORDER BY id DESC LIMIT 1", ()).unwrap();
    assert_eq!((latest.0, table.get_latest(()).unwrap().unwrap().get::<_, i32>(0).unwrap()), (98, 98));
    assert!(!table.delete((3,)).unwrap() && !table.put((5, now.as_str(), 1)).unwrap());
    assert!(table.put_if((7, now.as_str(), 1), "v", None::<i32>).unwrap());
    assert_eq!(table.delete_range(table.scan().from((0,)).to((10,))).unwrap(), 7);
    connection.execute("ALTER TABLE e SET (ttl = NULL)").unwrap();
    let (count, distinct): (i64, i64) =
        connection.query_one("SELECT count(*), count(DISTINCT id) FROM e", ()).unwrap();
    assert_eq!((count, distinct), (90, 90));
}

#[test]
fn threads_write_and_none_waits_for_ever() {
    let directory = Directory::new();
    let path = directory.path().join("a.flux");
    let db = open(&path);
    db.connect().execute(CREATE).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_i64 {
            let db = db.clone();
            scope.spawn(move || {
                let connection = db.connect();
                let table = keyed(&connection);
                for n in 0..300_i64 {
                    // All write the same keys, and each some of its own.
                    table.put(("shared", n % 50, format!("{thread}"))).unwrap();
                    table.put((format!("own {thread}"), n, "x")).unwrap();
                }
            });
        }
    });
    drop(db);
    let db = open(&path);
    let connection = db.connect();
    assert_eq!(
        connection.query_one::<(i64, i64)>("SELECT count(*), count(DISTINCT (k, n)) FROM kv", ()).unwrap(),
        (1250, 1250)
    );
    assert_eq!(keyed(&connection).scan().prefix(("own 3",)).rows().unwrap().count(), 300);
    assert!(db.check().is_sound());
}

/// Commits that come at once are made as one, and each is told what it would have been told alone.
#[test]
fn commits_of_many_threads_are_one_after_the_other() {
    const THREADS: u64 = 12;
    const KEYS: u64 = 40;
    for level in [Synchronous::Full, Synchronous::Off] {
        let directory = Directory::new();
        let path = directory.path().join("a.flux");
        let db = Database::open_with(&path, Options::default().synchronous(level)).unwrap();
        db.connect().execute("CREATE TABLE kv(k BIGINT PRIMARY KEY, v INTEGER NOT NULL)").unwrap();
        // For each key: rows that were put where none was, and rows that were removed.
        let balance: Vec<AtomicI64> = (0..KEYS).map(|_| AtomicI64::new(0)).collect();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (db, balance) = (&db, &balance);
                scope.spawn(move || {
                    let connection = db.connect();
                    let table = connection.keyed("kv").unwrap();
                    let mut state = thread * 7919 + 1;
                    for i in 0..150 {
                        state = state
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        let key = (state >> 33) % KEYS;
                        let of_key = &balance[key as usize];
                        match (state >> 20) % 8 {
                            0..4 => {
                                let replaced = table.put((key as i64, i)).unwrap();
                                of_key.fetch_add(i64::from(!replaced), Ordering::SeqCst);
                            }
                            4..6 => {
                                let removed = table.delete((key as i64,)).unwrap();
                                of_key.fetch_sub(i64::from(removed), Ordering::SeqCst);
                            }
                            6 => {
                                let mut batch = table.batch();
                                batch.put((key as i64, 0)).delete((key as i64,)).put((key as i64, i));
                                let replaced = batch.commit().unwrap();
                                assert!(replaced <= 1);
                                of_key.fetch_add(1 - replaced as i64, Ordering::SeqCst);
                            }
                            // These harm nobody else, and leave nothing.
                            _ => {
                                let mut batch = table.batch();
                                batch.put((key as i64, i)).put((1_000 + key as i64, None::<i32>));
                                let error = batch.commit().unwrap_err().to_string();
                                assert!(error.contains("NOT NULL constraint failed: kv.v"), "{error}");
                                let error = table.put((key as i64, "no number")).unwrap_err().to_string();
                                assert!(error.contains("no number"), "{error}");
                            }
                        }
                    }
                });
            }
        });
        let expected: Vec<i64> = (0..KEYS)
            .filter(|key| balance[*key as usize].load(Ordering::SeqCst) == 1)
            .map(|key| key as i64)
            .collect();
        assert!(balance.iter().all(|balance| (0..=1).contains(&balance.load(Ordering::SeqCst))));
        let there = |db: &Database| {
            let rows = db.connect().query_as::<(i64,)>("SELECT k FROM kv ORDER BY k", ()).unwrap();
            rows.into_iter().map(|(key,)| key).collect::<Vec<_>>()
        };
        assert_eq!(there(&db), expected);
        drop(db);
        assert_eq!(there(&Database::open(&path).unwrap()), expected);
    }
}

/// Rows of keys that come in no order, in row groups of 512: what is sealed is in the order of the key, whatever order it
/// came in, and merged so that a key is looked for in few row groups.
#[test]
fn rows_are_sealed_in_the_order_of_the_key_and_merged_by_size() {
    let directory = Directory::new();
    let path = directory.path().join("a.flux");
    let db = open(&path);
    let connection = db.connect();
    connection.execute("CREATE TABLE kv(k BIGINT PRIMARY KEY, v BIGINT)").unwrap();
    let table = connection.keyed("kv").unwrap();
    let rows = 40_000_i64;
    for batch in (0..rows).collect::<Vec<_>>().chunks(200) {
        let mut changes = table.batch();
        batch.iter().for_each(|i| _ = changes.put((i * 7919 % rows, *i)));
        changes.commit().unwrap();
    }
    flush(&connection);
    let all: Vec<(i64, i64)> = connection.query_as("FROM kv ORDER BY k", ()).unwrap();
    assert!(all.iter().enumerate().all(|(i, (k, v))| *k == i as i64 && v * 7919 % rows == *k));
    assert_eq!(all.len(), rows as usize);
    // As they lie in the file.
    let lying: Vec<(i64,)> = connection.query_as("SELECT k FROM kv ORDER BY rowid", ()).unwrap();
    let turns = lying.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(turns <= 12, "{turns} times a lesser key follows");
    let sealing =
        "SELECT rows_sealed, rows_rewritten, write_amplification FROM flux_sealing() WHERE table_name = 'kv'";
    let (sealed, rewritten, amplification): (i64, i64, f64) = connection.query_one(sealing, ()).unwrap();
    assert_eq!(sealed, rows);
    assert!((amplification - (sealed + rewritten) as f64 / sealed as f64).abs() < 1e-9);
    assert!((1.0..12.0).contains(&amplification), "{amplification}");
    for key in (0..rows).step_by(97) {
        assert_eq!(table.get_as::<(i64, i64)>((key,)).unwrap().map(|row| row.1 * 7919 % rows), Some(key));
        assert!(table.get((key + rows,)).unwrap().is_none());
    }
    let some: Vec<(i64, i64)> = table.scan().from((777,)).limit(200).rows_as().unwrap();
    assert!(some.iter().map(|row| row.0).eq(777..977));
    assert!(db.check().is_sound());
}

/// Texts as keys, which are coded in row groups that overlap, lie within a codec's block and are looked for one by one.
#[test]
fn texts_are_found_in_row_groups_that_overlap() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.flux");
    let db = Database::open_with(&path, Options::default().row_group_rows(8192)).unwrap();
    let connection = db.connect();
    connection.execute("CREATE TABLE kv(k VARCHAR PRIMARY KEY, v BLOB, n VARCHAR)").unwrap();
    let table = keyed(&connection);
    let key = |i: usize| format!("user{:09}{}", i * 3, if i.is_multiple_of(7) { "ä" } else { "" });
    let value =
        |i: usize, version: usize| format!("{version} of {i}, payload payload {}", i * 7919).into_bytes();
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let many = 30_000;
    for version in 0..4 {
        let mut batch = table.batch();
        for i in (0..many).filter(|i| i % 4 >= version || version == 3).map(|i| i * 7919 % many) {
            if version == 2 && i % 11 == 0 {
                batch.delete((key(i),));
                model.remove(&key(i));
            } else if version < 3 || i % 5 == 0 {
                let note = (i % 3 != 0).then(|| format!("note {}", i % 50));
                batch.put((key(i), value(i, version), note));
                model.insert(key(i), value(i, version));
            }
        }
        batch.commit().unwrap();
        // The last stay in memory.
        if version < 3 {
            flush(&connection);
        }
    }
    let read = |rows: KeyedRows| -> Vec<(String, Vec<u8>)> {
        rows.map(|row| row.unwrap()).map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect()
    };
    for sealed in [false, true] {
        let keys: Vec<String> = (0..many).step_by(13).map(key).collect();
        let found = table.get_many(keys.iter().map(|key| (key.as_str(),))).unwrap();
        for (key, row) in keys.iter().zip(found) {
            let one = table.get((key.as_str(),)).unwrap();
            for row in [one, row] {
                assert_eq!(
                    row.map(|row| row.get::<_, Vec<u8>>(1).unwrap()),
                    model.get(key).cloned(),
                    "{key}"
                );
            }
            assert!(table.get((format!("{key}x"),)).unwrap().is_none());
        }
        let all: Vec<(String, Vec<u8>)> = model.clone().into_iter().collect();
        assert_eq!(read(table.scan().rows().unwrap()), all);
        let mut back = all.clone();
        back.reverse();
        assert_eq!(read(table.scan().reverse().rows().unwrap()), back);
        for (at, limit) in [(0, 1), (100, 200), (5_000, 3_000), (all.len() - 5, 50)] {
            let end = all.len().min(at + limit);
            let rows = table.scan().from((all[at].0.as_str(),)).limit(limit as u64);
            assert_eq!(read(rows.rows().unwrap()), all[at..end]);
            let rows = table.scan().through((all[end - 1].0.as_str(),)).reverse().limit((end - at) as u64);
            let mut rows = read(rows.rows().unwrap());
            rows.reverse();
            assert_eq!(rows, all[at..end]);
        }
        if !sealed {
            flush(&connection);
        }
    }
    assert!(db.check().is_sound());
    coverage::assert_covered(Inspection::open(&path));
}

/// The log ends in the middle of a commit; it is opened, more is written, and the power goes again.
#[test]
fn a_torn_log_keeps_what_was_acknowledged() {
    let options = || Options::default().row_group_rows(512);
    let mut image = vec![];
    let mut there = vec![];
    for round in 0..12_i64 {
        let file = Arc::new(FaultFile::new(&image, FaultPlan::default()));
        let db = Database::open_file(Arc::clone(&file) as _, options()).unwrap();
        let connection = db.connect();
        if round == 0 {
            connection.execute(CREATE).unwrap();
        }
        let table = keyed(&connection);
        let count = |n: usize| assert_eq!(table.scan().rows().unwrap().count(), n);
        count(there.len());
        for n in 0..40_i64 {
            table.put(("k", round * 100 + n, "acknowledged")).unwrap();
            there.push(round * 100 + n);
        }
        // The next commit is torn: nobody was told that it is there.
        file.set_plan(FaultPlan::once(file.operations() + 1, Fault::PowerCut));
        assert!(table.put(("k", round * 100 + 99, "torn".repeat(500))).is_err());
        image = file.image_after_power_cut(Fate::Torn, round as u64);
        drop(connection);
        drop(db);
        let db = Database::open_file(Arc::new(MemoryFile::from_bytes(&image)), options()).unwrap();
        assert_eq!(db.recovery().damage, None);
        let connection = db.connect();
        let rows: Vec<(String, i64, String)> = keyed(&connection).scan().rows_as().unwrap();
        let torn = round * 100 + 99;
        if rows.iter().any(|row| row.1 == torn) {
            there.push(torn);
        }
        assert_eq!(rows.iter().map(|row| row.1).collect::<Vec<_>>(), there);
        assert!(db.check().is_sound());
    }
}

/// Numbers are keys by their values, whatever type they are given in; a text is no number and a number no text.
#[test]
fn keys_are_values_of_their_types() {
    let db = Database::open_in_memory().unwrap();
    let connection = db.connect();
    connection
        .execute(
            "CREATE TABLE texts(k VARCHAR PRIMARY KEY, v INTEGER); CREATE TABLE numbers(k DOUBLE PRIMARY KEY, v INTEGER);
             CREATE TABLE small(k TINYINT PRIMARY KEY, v INTEGER)",
        )
        .unwrap();
    let texts = connection.keyed("texts").unwrap();
    for (i, key) in ["1", "01", "1.0", "10", "9"].into_iter().enumerate() {
        assert!(!texts.put((key, i as i32)).unwrap());
    }
    // A number becomes the text that SQL makes of it.
    assert_eq!(texts.get_as::<(String, i32)>((1,)).unwrap().map(|row| row.1), Some(0));
    assert_eq!(texts.get_as::<(String, i32)>((1.0,)).unwrap().map(|row| row.1), Some(2));
    let keys: Vec<(String, i32)> = texts.scan().rows_as().unwrap();
    assert_eq!(keys.iter().map(|row| &*row.0).collect::<Vec<_>>(), ["01", "1", "1.0", "10", "9"]);
    let numbers = connection.keyed("numbers").unwrap();
    numbers.put((1, 1)).unwrap();
    assert!(numbers.put((1.0, 2)).unwrap() && numbers.put((1_i64, 3)).unwrap(), "one and the same key");
    numbers.put((1.5, 4)).unwrap();
    numbers.put((-2, 5)).unwrap();
    let keys: Vec<(f64, i32)> = numbers.scan().rows_as().unwrap();
    assert_eq!(keys, [(-2.0, 5), (1.0, 3), (1.5, 4)]);
    assert_eq!(numbers.scan().from((1,)).to((1.5,)).rows().unwrap().count(), 1);
    let small = connection.keyed("small").unwrap();
    small.put((5_u64, 1)).unwrap();
    assert!(small.get((5_i64,)).unwrap().is_some());
    assert!(small.get((300,)).is_err(), "no such number can be there");
    assert!(small.get((None::<i64>,)).unwrap_or(None).is_none());
}

/// Look-ups by an index that is no key of its own, and rows in an order with a limit, after several flushes.
#[test]
fn indexes_and_limits_see_all_flushes() {
    let directory = Directory::new();
    let db = open(&directory.path().join("a.flux"));
    let connection = db.connect();
    connection
        .execute(
            "CREATE TABLE d(id BIGINT PRIMARY KEY, owner BIGINT, size BIGINT); CREATE INDEX o ON d(owner)",
        )
        .unwrap();
    let table = connection.keyed("d").unwrap();
    for part in 0..6_i64 {
        let mut batch = table.batch();
        (0..700_i64).for_each(|i| _ = batch.put((i * 6 + part, i % 70, (i * 37 + part) % 1000)));
        batch.commit().unwrap();
        // Some of them again, with another owner.
        let mut batch = table.batch();
        (0..70_i64).for_each(|i| _ = batch.put((i * 60 + part, 1000, i)));
        batch.commit().unwrap();
        flush(&connection);
    }
    for owner in [0_i64, 7, 69, 1000, 5000] {
        let found: Vec<(i64,)> =
            connection.query_as("SELECT id FROM d WHERE owner = ? ORDER BY id", (owner,)).unwrap();
        let expected: Vec<(i64,)> = (0..4200_i64)
            .filter(|id| (if id / 6 % 10 == 0 { 1000 } else { id / 6 % 70 }) == owner)
            .map(|id| (id,))
            .collect();
        assert_eq!(found, expected, "{owner}");
    }
    let first: Vec<(i64, i64)> = connection
        .query_as(
            "SELECT size, id FROM d WHERE owner < 1000 AND id % 2 = 0 ORDER BY size DESC, id LIMIT 7",
            (),
        )
        .unwrap();
    let mut expected: Vec<(i64, i64)> = (0..4200_i64)
        .filter(|id| id / 6 % 10 != 0 && id % 2 == 0)
        .map(|id| ((id / 6 * 37 + id % 6) % 1000, id))
        .collect();
    expected.sort_by_key(|(size, id)| (-size, *id));
    assert_eq!(first, expected[..7]);
}

/// Who writes faster than rows are sealed waits, and what is in memory stays bounded.
#[test]
fn writers_wait_when_sealing_cannot_keep_up() {
    let directory = Directory::new();
    let options = Options::default().row_group_rows(2048).log_size(256 << 10);
    let db = Database::open_with(directory.path().join("a.flux"), options).unwrap();
    let connection = db.connect();
    connection.execute("CREATE TABLE kv(k BIGINT PRIMARY KEY, v VARCHAR); SET synchronous = off").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..2_i64 {
            let db = db.clone();
            scope.spawn(move || {
                let connection = db.connect();
                let table = connection.keyed("kv").unwrap();
                for part in 0..40_i64 {
                    let mut batch = table.batch();
                    for i in 0..500_i64 {
                        let key = (part * 500 + i) * 7919 % 20_000 * 2 + thread;
                        batch.put((key, "a value of some length"));
                    }
                    batch.commit().unwrap();
                }
            });
        }
        // What is in the delta never is more than the log has room for.
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(300) {
            let (bytes,): (i64,) =
                db.connect().query_one("SELECT coalesce(sum(bytes), 0)::BIGINT FROM flux_wal()", ()).unwrap();
            assert!(bytes <= 1 << 20, "{bytes} bytes of log");
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(connection.query_one::<(i64,)>("SELECT count(*) FROM kv", ()).unwrap(), (40_000,));
    assert!(db.check().is_sound());
}

/// Two opens of one file for writing: the second is refused, and says why.
#[test]
fn two_writers_of_one_file_are_refused() {
    let directory = Directory::new();
    let path = directory.path().join("a.flux");
    let db = open(&path);
    db.connect().execute(CREATE).unwrap();
    let second = Database::open(&path);
    let message = second.map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("a.flux") && message.contains("use"), "{message}");
    keyed(&db.connect()).put(("a", 1, "x")).unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<(u8, i64)>),
    Delete(u8, i64),
    DeleteRange(u8, i64, i64),
    Sql(u8, i64),
    Abandoned(u8, i64),
    /// A scan begins, and is read to its end only much later.
    Look,
    Checkpoint,
    Maintain,
    Reopen,
    /// The power goes.
    Cut(usize, u64),
    /// The power goes at one of the operations of a commit.
    CutWithin(u64, usize, Vec<(u8, i64)>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || (0..5_u8, 0..200_i64);
    let step = prop_oneof![
        8 => prop::collection::vec(key(), 1..80).prop_map(Step::Put),
        6 => key().prop_map(|(k, n)| Step::Put(vec![(k, n)])),
        4 => key().prop_map(|(k, n)| Step::Delete(k, n)),
        2 => (0..5_u8, 0..200_i64, 0..60_i64).prop_map(|(k, n, more)| Step::DeleteRange(k, n, n + more)),
        2 => key().prop_map(|(k, n)| Step::Sql(k, n)),
        2 => key().prop_map(|(k, n)| Step::Abandoned(k, n)),
        2 => Just(Step::Look),
        2 => Just(Step::Checkpoint),
        2 => Just(Step::Maintain),
        1 => Just(Step::Reopen),
        2 => (0..4_usize, any::<u64>()).prop_map(|(fate, seed)| Step::Cut(fate, seed)),
        2 => (1..6_u64, 0..4_usize, prop::collection::vec(key(), 1..40))
            .prop_map(|(at, fate, keys)| Step::CutWithin(at, fate, keys)),
    ];
    prop::collection::vec(step, 1..60)
}

type Model = BTreeMap<(String, i64), String>;
type Rows = Vec<(String, i64, String)>;

fn rows_of(model: &Model) -> Rows {
    model.iter().map(|((k, n), v)| (k.clone(), *n, v.clone())).collect()
}

/// A table beside what it should hold.
struct Checked {
    file: Arc<FaultFile>,
    db: Database,
    model: Model,
    /// A scan that has begun, and what it will find.
    look: Option<(KeyedRows, Rows)>,
}

impl Checked {
    fn new() -> Self {
        let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
        let db = Self::open(&file);
        db.connect().execute(CREATE).unwrap();
        Self { file, db, model: Model::new(), look: None }
    }

    fn open(file: &Arc<FaultFile>) -> Database {
        let options = Options::default().row_group_rows(128).page_size(4096);
        Database::open_file(Arc::clone(file) as _, options).unwrap()
    }

    fn end_look(&mut self) {
        if let Some((rows, expected)) = self.look.take() {
            let found: Rows = rows
                .map(|row| {
                    let row = row.unwrap();
                    (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap())
                })
                .collect();
            assert_eq!(found, expected, "as of when it began");
        }
    }

    /// Goes on with what a disk holds after the power went.
    fn reopen_after_cut(&mut self, fate: usize, seed: u64) {
        let image = self.file.image_after_power_cut(Fate::ALL[fate], seed);
        self.file = Arc::new(FaultFile::new(&image, FaultPlan::default()));
        self.db = Self::open(&self.file);
        assert_eq!(self.db.recovery().damage, None);
    }

    fn put(&mut self, keys: &[(u8, i64)], value: &str) -> fluxdb::Result<u64> {
        let connection = self.db.connect();
        let table = keyed(&connection);
        let mut batch = table.batch();
        keys.iter().for_each(|(k, n)| _ = batch.put((format!("k{k}"), *n, value)));
        batch.commit()
    }

    fn run(&mut self, step: Step, version: usize) {
        let name = |k: u8| format!("k{k}");
        let value = format!("v{version}");
        if matches!(step, Step::Reopen | Step::Cut(..) | Step::CutWithin(..)) {
            self.end_look();
        }
        let connection = self.db.connect();
        let table = keyed(&connection);
        match step {
            Step::Put(keys) => {
                self.put(&keys, &value).unwrap();
                self.model.extend(keys.into_iter().map(|(k, n)| ((name(k), n), value.clone())));
            }
            Step::Delete(k, n) => {
                let there = self.model.remove(&(name(k), n)).is_some();
                assert_eq!(table.delete((name(k), n)).unwrap(), there);
            }
            Step::DeleteRange(k, low, high) => {
                let before = self.model.len();
                self.model.retain(|(key, n), _| *key != name(k) || !(low..high).contains(n));
                let range = table.scan().from((name(k), low)).to((name(k), high));
                assert_eq!(table.delete_range(range).unwrap(), (before - self.model.len()) as u64);
            }
            Step::Sql(k, n) => {
                let insert = "INSERT OR REPLACE INTO kv VALUES (?, ?, ?)";
                connection.execute_with(insert, (name(k), n, value.clone())).unwrap();
                self.model.insert((name(k), n), value);
                let update = "UPDATE kv SET v = 'u' WHERE k = ? AND n = ?";
                let changed = connection.execute_with(update, (name(k), n + 1)).unwrap();
                let there = self.model.get_mut(&(name(k), n + 1)).map(|v| "u".clone_into(v));
                assert_eq!(changed, u64::from(there.is_some()));
            }
            Step::Abandoned(k, n) => {
                connection.execute("BEGIN").unwrap();
                table.put((name(k), n, "never")).unwrap();
                table.delete((name(k), n + 1)).unwrap();
                connection.execute("ROLLBACK").unwrap();
            }
            Step::Look => {
                let rows = table.scan().rows().unwrap();
                self.end_look();
                self.look = Some((rows, rows_of(&self.model)));
            }
            Step::Checkpoint => flush(&connection),
            Step::Maintain => _ = connection.execute("CALL maintain()").unwrap(),
            Step::Reopen => {
                drop(connection);
                self.reopen_after_cut(1, 0);
            }
            Step::Cut(fate, seed) => {
                drop(connection);
                self.reopen_after_cut(fate, seed);
            }
            Step::CutWithin(at, fate, keys) => {
                self.file.set_plan(FaultPlan::once(self.file.operations() + at, Fault::PowerCut));
                let done = self.put(&keys, &value);
                drop(connection);
                self.reopen_after_cut(fate, at);
                let mut after = self.model.clone();
                after.extend(keys.into_iter().map(|(k, n)| ((name(k), n), value.clone())));
                let connection = self.db.connect();
                let found: Rows = keyed(&connection).scan().rows_as().unwrap();
                // Who was told that it is done can rely on it; else it is there as a whole or not at all.
                if done.is_ok() || found == rows_of(&after) {
                    self.model = after;
                }
            }
        }
    }

    fn check(&self, version: usize) {
        let connection = self.db.connect();
        let table = keyed(&connection);
        let name = format!("k{}", version % 5);
        for n in (0..200_i64).step_by(23) {
            let row: Option<(String, i64, String)> = table.get_as((name.as_str(), n)).unwrap();
            assert_eq!(row.map(|row| row.2), self.model.get(&(name.clone(), n)).cloned());
        }
        let found: Rows = table.scan().prefix((name.as_str(),)).reverse().rows_as().unwrap();
        let mut expected = rows_of(&self.model);
        expected.retain(|row| row.0 == name);
        expected.reverse();
        assert_eq!(found, expected);
    }

    fn finish(mut self) {
        self.end_look();
        let connection = self.db.connect();
        let all: Rows = keyed(&connection).scan().rows_as().unwrap();
        let by_sql: Rows = connection.query_as("FROM kv ORDER BY k, n", ()).unwrap();
        let expected = rows_of(&self.model);
        assert_eq!(all, expected);
        assert_eq!(by_sql, expected);
        assert!(self.db.check().is_sound());
        drop(connection);
        let Self { file, db, .. } = self;
        drop(db);
        coverage::assert_covered(Inspection::of_file(file, None));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    /// Whatever is done, with crashes, merges and checkpoints between any two and within commits.
    #[test]
    fn a_table_is_what_a_map_would_be(steps in steps()) {
        let mut checked = Checked::new();
        for (version, step) in steps.into_iter().enumerate() {
            checked.run(step, version);
            checked.check(version);
        }
        checked.finish();
    }
}
