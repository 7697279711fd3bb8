//! The library as one uses it who comes from another: parameters and values of all kinds, times, handles for other
//! threads.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use fluxdb::arrow_array::{Float64Array, RecordBatch, RecordBatchReader, StringArray};
use fluxdb::arrow_types::{DataType, Field, Schema};
use fluxdb::{Connection, Database, FromRow, Options, Point, Rows, Statement, params};

fn connection() -> Connection {
    Database::open_in_memory().unwrap().connect()
}

#[test]
fn handles_go_to_other_threads() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<Database>();
    sync::<Database>();
    send::<Connection>();
    sync::<Connection>();
    send::<Rows>();
    send::<Statement<'static>>();
    send::<fluxdb::Error>();
    sync::<fluxdb::Error>();
    send::<fluxdb::ProgressHandle>();
    sync::<fluxdb::CancelToken>();
}

#[test]
fn parameters_are_whatever_stands_for_a_value() {
    let c = connection();
    let owned = "x".to_owned();
    let values = params![
        3_usize,
        -3_isize,
        &owned,
        Cow::Borrowed("y"),
        b"abc",
        None::<i32>,
        Some(2.5_f32),
        true,
        i128::from(u64::MAX) + 1,
    ];
    let sql = "SELECT typeof($1), typeof($2), $3, $4, $5::VARCHAR, $6 IS NULL, $7, $8, $9";
    type Found = (String, String, String, String, String, bool, f64, bool, i128);
    let found: Found = c.query_one(sql, values).unwrap();
    assert_eq!(
        found,
        (
            "UBIGINT".into(),
            "BIGINT".into(),
            "x".into(),
            "y".into(),
            "abc".into(),
            true,
            2.5,
            true,
            1_i128 << 64
        )
    );
    // Twelve columns and twelve parameters go by tuples.
    type Twelve = (i8, i8, i8, i8, i8, i8, i8, i8, i8, i8, i8, i8);
    let twelve: Twelve =
        c.query_one("SELECT ?,?,?,?,?,?,?,?,?,?,?,?", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)).unwrap();
    assert_eq!(twelve.11, 12);
    // A name that is not given, and one that is not asked for, are errors; so are too few values.
    assert!(c.query_with("SELECT $a", params! { b: 1 }).is_err());
    assert!(c.query_with("SELECT $a", params! { a: 1, b: 1 }).is_err());
    assert!(c.query_with("SELECT ?, ?", params![1]).is_err());
    assert!(c.query_with("SELECT ?", params![1, 2]).is_err());
}

#[test]
fn one_row_or_none() {
    let c = connection();
    c.execute("CREATE TABLE users AS FROM (VALUES (1, 'ada'), (2, 'bob'), (2, 'eve')) t(id, name)").unwrap();
    let sql = "SELECT name FROM users WHERE id = ?";
    assert_eq!(c.query_optional::<(String,)>(sql, (1,)).unwrap().unwrap().0, "ada");
    assert_eq!(c.query_optional::<(String,)>(sql, (3,)).unwrap(), None);
    assert!(c.query_optional::<(String,)>(sql, (2,)).unwrap_err().to_string().contains("more"));
    assert!(c.query_one::<(String,)>(sql, (3,)).unwrap_err().to_string().contains("none"));
    let prepared = c.prepare(sql).unwrap();
    assert_eq!(prepared.query_optional::<(String,)>((3,)).unwrap(), None);
    assert!(prepared.query_optional::<(String,)>((1,)).unwrap().is_some());
}

#[test]
fn times_of_the_system_go_in_and_come_out() {
    let db = Database::open_in_memory().unwrap();
    let c = db.connect();
    c.execute("SET TimeZone = 'UTC'").unwrap();
    c.execute(
        "CREATE TABLE t(z TIMESTAMPTZ, u TIMESTAMP, n TIMESTAMP_NS, s TIMESTAMP_S, m TIMESTAMP_MS, d DATE)",
    )
    .unwrap();
    let epoch = SystemTime::UNIX_EPOCH;
    let times = [
        epoch,
        epoch + Duration::from_micros(1_700_000_000_123_456),
        epoch - Duration::from_micros(1),
        epoch - Duration::from_hours(24 * 365 * 100),
    ];
    for time in times {
        c.execute_with("INSERT INTO t(z, u) VALUES ($1, $1)", (time,)).unwrap();
        let back: (SystemTime, SystemTime) = c.query_one("SELECT z, u FROM t", ()).unwrap();
        assert_eq!(back, (time, time));
        assert_eq!(c.query_one::<(i64,)>("SELECT count(*) FROM t WHERE z = ?", (time,)).unwrap(), (1,));
        c.execute("DELETE FROM t").unwrap();
    }
    // It is the instant, whatever the zone of the session is.
    c.execute("SET TimeZone = 'America/New_York'").unwrap();
    c.execute_with("INSERT INTO t(z) VALUES (?)", (times[1],)).unwrap();
    assert_eq!(c.query_one::<(SystemTime,)>("SELECT z FROM t", ()).unwrap().0, times[1]);
    assert_eq!(c.query_one::<(i64,)>("SELECT epoch_us(z) FROM t", ()).unwrap().0, 1_700_000_000_123_456);
    // Half of a microsecond has begun; no time of the engine is finer here.
    let (micros,): (i64,) = c.query_one("SELECT epoch_us($1)", (epoch - Duration::from_nanos(500),)).unwrap();
    assert_eq!(micros, -1);
    let now: (SystemTime,) = c.query_one("SELECT now()", ()).unwrap();
    assert!(now.0.elapsed().is_ok_and(|since| since < Duration::from_mins(1)));
    let fine: (SystemTime, SystemTime, SystemTime, SystemTime) = c
        .query_one(
            "SELECT '1969-12-31 23:59:59.999999999'::TIMESTAMP_NS, '2000-01-01'::TIMESTAMP_S, \
             '2000-01-01 00:00:00.5'::TIMESTAMP_MS, DATE '1900-01-01'",
            (),
        )
        .unwrap();
    let millennium = epoch + Duration::from_hours(24 * 10_957);
    assert_eq!(fine.0, epoch - Duration::from_nanos(1));
    assert_eq!((fine.1, fine.2), (millennium, millennium + Duration::from_millis(500)));
    assert_eq!(fine.3, epoch - Duration::from_hours(24 * 25_567));
    for no_instant in ["TIMESTAMP 'infinity'", "DATE '-infinity'", "TIME '12:00:00'", "12", "NULL::TIMESTAMP"]
    {
        assert!(c.query_one::<(SystemTime,)>(&format!("SELECT {no_instant}"), ()).is_err(), "{no_instant}");
    }
    assert_eq!(c.query_one::<(Option<SystemTime>,)>("SELECT NULL::TIMESTAMP", ()).unwrap().0, None);
    // Points and functions too.
    db.write(&[Point::new("cpu").field("usage", 1.0).at(times[1])]).unwrap();
    db.write(&[Point::new("cpu").field("usage", 2.0).at(epoch - Duration::from_secs(1))]).unwrap();
    c.execute("SET TimeZone = 'UTC'").unwrap();
    let written: Vec<(SystemTime, f64)> =
        c.query_as("SELECT time, usage FROM cpu ORDER BY time", ()).unwrap();
    assert_eq!(written, [(epoch - Duration::from_secs(1), 2.0), (times[1], 1.0)]);
    db.scalar_function("an_hour_on", |t: SystemTime| t + Duration::from_hours(1));
    let on: (SystemTime,) = c.query_one("SELECT an_hour_on(?)", (times[1],)).unwrap();
    assert_eq!(on.0, times[1] + Duration::from_hours(1));
}

/// A statement that takes far longer than any test waits.
const ENDLESS: &str = "SELECT count(*) FROM range(100000000) a, range(1000000) b WHERE a.range * b.range = 7";

#[test]
fn a_statement_is_cancelled_from_another_thread() {
    let c = connection();
    let handle = c.cancel_handle();
    let progress = c.progress_handle();
    assert_eq!(progress.fraction(), None, "nothing runs");
    let begin = Instant::now();
    let canceller = std::thread::spawn(move || {
        // Until it runs: who cancels earlier cancels nothing.
        while progress.fraction().is_none() && begin.elapsed() < Duration::from_mins(1) {
            std::thread::sleep(Duration::from_millis(5));
        }
        handle.cancel();
    });
    let ended = c.query(ENDLESS).and_then(Rows::count_rows);
    canceller.join().unwrap();
    let error = ended.unwrap_err();
    assert_eq!(error.sqlstate(), "57014", "{error}");
    assert!(begin.elapsed() < Duration::from_mins(1));
    // The next statement is not meant.
    assert_eq!(c.query_one::<(i64,)>("SELECT 1", ()).unwrap(), (1,));
    c.cancel_handle().cancel();
    assert_eq!(c.query_one::<(i64,)>("SELECT 2", ()).unwrap(), (2,));
}

#[test]
fn a_cancelled_change_is_undone() {
    let c = connection();
    c.execute("CREATE TABLE t AS SELECT 1 AS i").unwrap();
    let (handle, progress) = (c.cancel_handle(), c.progress_handle());
    let canceller = std::thread::spawn(move || {
        let begin = Instant::now();
        while progress.fraction().is_none() && begin.elapsed() < Duration::from_mins(1) {
            std::thread::sleep(Duration::from_millis(5));
        }
        handle.cancel();
    });
    let insert = format!("INSERT INTO t {ENDLESS}");
    assert_eq!(c.execute(&insert).unwrap_err().sqlstate(), "57014");
    canceller.join().unwrap();
    assert_eq!(c.query_one::<(i64,)>("SELECT count(*) FROM t", ()).unwrap(), (1,));
}

#[test]
fn progress_goes_from_nothing_to_all() {
    let c = Database::open_in_memory_with(Options::default().threads(1)).unwrap().connect();
    c.execute("CREATE TABLE t AS SELECT range AS i FROM range(1000000)").unwrap();
    let progress = c.progress_handle();
    let mut rows = c.query("SELECT i FROM t WHERE i % 2 = 0").unwrap();
    let mut seen = vec![];
    for batch in rows.by_ref() {
        batch.unwrap();
        seen.extend(progress.fraction());
    }
    assert!(seen.windows(2).all(|w| w[0] <= w[1]), "{seen:?}");
    assert!(seen.iter().all(|f| (0.0..=1.0).contains(f)));
    assert!(seen.last().is_some_and(|f| *f > 0.8), "{:?}", seen.last());
    drop(rows);
    // Of none that runs nothing is known, or that all is done.
    assert!(progress.fraction().is_none_or(|f| f == 1.0));
}

#[test]
fn batches_and_streams_of_arrow() {
    let db = Database::open_in_memory().unwrap();
    let c = db.connect();
    let schema = Schema::new(vec![
        Field::new("host", DataType::Utf8, false),
        Field::new("usage", DataType::Float64, true),
    ]);
    let batch = RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(StringArray::from(vec!["a", "b"])),
            Arc::new(Float64Array::from(vec![Some(1.5), None])),
        ],
    )
    .unwrap();
    c.execute("CREATE TABLE cpu(host VARCHAR, usage DOUBLE)").unwrap();
    let mut appender = c.appender("cpu").unwrap();
    appender.batch(batch.clone()).unwrap();
    appender.row(("c", 3)).unwrap();
    assert_eq!(appender.finish().unwrap(), 3);
    let reader = c.query_arrow("FROM cpu ORDER BY host", ()).unwrap();
    assert_eq!(reader.schema().field(1).data_type(), &DataType::Float64);
    assert_eq!(reader.map(|b| b.unwrap().num_rows()).sum::<usize>(), 3);
    // Batches as a table that joins with those of the file; another connection sees it.
    db.register_batches("live", vec![batch.clone(), batch]).unwrap();
    let sql = "SELECT count(*), sum(live.usage) FROM live JOIN cpu USING (host)";
    assert_eq!(db.connect().query_one::<(i64, f64)>(sql, ()).unwrap(), (4, 3.0));
    db.unregister("live");
    assert!(c.query("FROM live").is_err());
}

#[test]
fn rows_are_what_the_program_wants() {
    #[derive(FromRow, Debug, PartialEq)]
    struct Host {
        name: String,
        at: SystemTime,
        #[fluxdb(rename = "load")]
        usage: Option<f64>,
    }
    let c = connection();
    let sql = "SELECT 'a' AS name, TIMESTAMP '1970-01-01 00:00:01' AS at, NULL::DOUBLE AS load";
    let host: Host = c.query_one(sql, ()).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    assert_eq!(host, Host { name: "a".into(), at, usage: None });
    assert!(c.query_one::<Host>("SELECT 'a' AS name", ()).unwrap_err().to_string().contains("\"at\""));
    // A transaction's closure may fail with an error of the program's own.
    #[derive(Debug)]
    enum Mine {
        Database(fluxdb::Error),
        Enough,
    }
    impl From<fluxdb::Error> for Mine {
        fn from(e: fluxdb::Error) -> Self {
            Self::Database(e)
        }
    }
    c.execute("CREATE TABLE t(i INTEGER)").unwrap();
    let done = c.transaction(|c| {
        c.execute("INSERT INTO t VALUES (1)")?;
        Err::<(), _>(Mine::Enough)
    });
    assert!(matches!(done, Err(Mine::Enough)));
    let done = c.transaction(|c| -> Result<u64, Mine> { Ok(c.execute("INSERT INTO nope VALUES (1)")?) });
    assert!(matches!(done, Err(Mine::Database(e)) if e.message().contains("nope")));
    assert_eq!(c.query_one::<(i64,)>("SELECT count(*) FROM t", ()).unwrap(), (0,));
}

#[cfg(feature = "serde")]
#[test]
fn nested_values_are_types_of_serde() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Place {
        lat: f64,
        lon: f64,
    }
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Station {
        name: String,
        tags: Vec<String>,
        place: Place,
        counts: HashMap<String, i64>,
        remark: Option<String>,
    }
    let c = connection();
    let sql = "SELECT 'harbour' AS name, ['a', 'b'] AS tags, {'lat': 60.4, 'lon': 5.3} AS place, \
               MAP {'x': 1} AS counts, NULL AS remark";
    let station: Station = c.query(sql).unwrap().deserialize().next().unwrap().unwrap();
    assert_eq!(
        station,
        Station {
            name: "harbour".into(),
            tags: vec!["a".into(), "b".into()],
            place: Place { lat: 60.4, lon: 5.3 },
            counts: HashMap::from([("x".into(), 1)]),
            remark: None,
        }
    );
}
