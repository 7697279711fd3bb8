//! Rows by key, from outside: each of these sequences goes wrong in some engine, and whatever happens in between, a
//! table is what a map would be.

#[path = "common/coverage.rs"]
mod coverage;

use std::collections::BTreeMap;
use std::path::Path;

use fluxdb::inspect::Inspection;
use fluxdb::{Connection, Database, Options, params};
use proptest::prelude::*;

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
    let directory = tempfile::tempdir().unwrap();
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
    coverage::assert_covered(Inspection::open(&path));
}

#[test]
fn thousands_of_versions_and_hours_of_points() {
    let directory = tempfile::tempdir().unwrap();
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
    let directory = tempfile::tempdir().unwrap();
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
    let directory = tempfile::tempdir().unwrap();
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
    coverage::assert_covered(Inspection::open(&path));
}

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<(u8, i64)>),
    Delete(u8, i64),
    DeleteRange(u8, i64, i64),
    Sql(u8, i64),
    Abandoned(u8, i64),
    Checkpoint,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || (0..5_u8, 0..200_i64);
    let step = prop_oneof![
        4 => prop::collection::vec(key(), 1..80).prop_map(Step::Put),
        3 => key().prop_map(|(k, n)| Step::Put(vec![(k, n)])),
        2 => key().prop_map(|(k, n)| Step::Delete(k, n)),
        1 => (0..5_u8, 0..200_i64, 0..60_i64).prop_map(|(k, n, more)| Step::DeleteRange(k, n, n + more)),
        1 => key().prop_map(|(k, n)| Step::Sql(k, n)),
        1 => key().prop_map(|(k, n)| Step::Abandoned(k, n)),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn a_table_is_what_a_map_would_be(steps in steps()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.flux");
        let options = || Options::default().row_group_rows(128);
        let mut db = Database::open_with(&path, options()).unwrap();
        db.connect().execute(CREATE).unwrap();
        let mut model: BTreeMap<(String, i64), String> = BTreeMap::new();
        for (version, step) in steps.into_iter().enumerate() {
            let connection = db.connect();
            let table = keyed(&connection);
            let name = |k: u8| format!("k{k}");
            let value = format!("v{version}");
            match step {
                Step::Put(keys) => {
                    let mut batch = table.batch();
                    for (k, n) in keys {
                        batch.put((name(k), n, value.clone()));
                        model.insert((name(k), n), value.clone());
                    }
                    batch.commit().unwrap();
                }
                Step::Delete(k, n) => {
                    prop_assert_eq!(table.delete((name(k), n)).unwrap(), model.remove(&(name(k), n)).is_some());
                }
                Step::DeleteRange(k, low, high) => {
                    let before = model.len();
                    model.retain(|(key, n), _| *key != name(k) || !(low..high).contains(n));
                    let range = table.scan().from((name(k), low)).to((name(k), high));
                    prop_assert_eq!(table.delete_range(range).unwrap(), (before - model.len()) as u64);
                }
                Step::Sql(k, n) => {
                    connection.execute_with("INSERT OR REPLACE INTO kv VALUES (?, ?, ?)", (name(k), n, value.clone())).unwrap();
                    model.insert((name(k), n), value);
                    let changed = connection.execute_with("UPDATE kv SET v = 'u' WHERE k = ? AND n = ?", (name(k), n + 1)).unwrap();
                    let there = model.get_mut(&(name(k), n + 1)).map(|v| *v = "u".to_owned());
                    prop_assert_eq!(changed, u64::from(there.is_some()));
                }
                Step::Abandoned(k, n) => {
                    connection.execute("BEGIN").unwrap();
                    table.put((name(k), n, "never")).unwrap();
                    table.delete((name(k), n + 1)).unwrap();
                    connection.execute("ROLLBACK").unwrap();
                }
                Step::Checkpoint => flush(&connection),
                Step::Reopen => {
                    drop(connection);
                    drop(db);
                    db = Database::open_with(&path, options()).unwrap();
                }
            }
            let connection = db.connect();
            let table = keyed(&connection);
            let k = (version % 5) as u8;
            for n in (0..200_i64).step_by(23) {
                let row: Option<(String, i64, String)> = table.get_as((name(k), n)).unwrap();
                prop_assert_eq!(row.map(|row| row.2), model.get(&(name(k), n)).cloned());
            }
            let found: Vec<(String, i64, String)> = table.scan().prefix((name(k),)).reverse().rows_as().unwrap();
            let expected: Vec<(String, i64, String)> = model
                .range((name(k), i64::MIN)..(name(k + 1), i64::MIN))
                .rev()
                .map(|((k, n), v)| (k.clone(), *n, v.clone()))
                .collect();
            prop_assert_eq!(found, expected);
        }
        let connection = db.connect();
        let all: Vec<(String, i64, String)> = keyed(&connection).scan().rows_as().unwrap();
        let by_sql: Vec<(String, i64, String)> = connection.query_as("FROM kv ORDER BY k, n", ()).unwrap();
        let expected: Vec<(String, i64, String)> = model.into_iter().map(|((k, n), v)| (k, n, v)).collect();
        prop_assert_eq!(&all, &expected);
        prop_assert_eq!(by_sql, expected);
        prop_assert!(db.check().is_sound());
        coverage::assert_covered(Inspection::open(&path));
    }
}
