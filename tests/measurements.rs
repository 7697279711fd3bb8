//! What measurements promise: tables and columns come to be as points are written, and no point is lost to another.

use fluxdb::{Database, ImportOptions, Point, Precision};

const SECONDS: ImportOptions = ImportOptions { precision: Precision::Seconds };

/// All rows of a query as text.
fn rows(db: &Database, sql: &str) -> Vec<String> {
    let mut rows = db.connect().query(sql).unwrap();
    let columns = rows.columns().to_vec();
    let mut out = vec![];
    while let Some(batch) = rows.next_batch() {
        let batch = batch.unwrap();
        for row in 0..batch.rows {
            let mut line = String::new();
            for (column, array) in columns.iter().zip(&batch.columns) {
                if !line.is_empty() {
                    line.push('|');
                }
                if array.is_null(row) {
                    line.push_str("NULL");
                } else {
                    fluxdb::write_value(array, row, &column.ty, &mut line).unwrap();
                }
            }
            out.push(line);
        }
    }
    out
}

#[test]
fn columns_come_with_points() {
    let db = Database::open_in_memory().unwrap();
    db.write(&[Point::new("cpu").tag("host", "b").field("usage", 2.5).at_micros(0)]).unwrap();
    db.write(&[
        Point::new("cpu").tag("host", "a").tag("region", "eu").field("cores", 4_i64).at_micros(1_000_000),
        Point::new("mem").field("free", 7_u64).field("swap", true).field("note", "it's").at_micros(5),
    ])
    .unwrap();
    assert_eq!(
        rows(&db, "SELECT * FROM cpu ORDER BY time"),
        ["1970-01-01 00:00:00|b|2.5|NULL|NULL", "1970-01-01 00:00:01|a|NULL|eu|4"]
    );
    assert_eq!(rows(&db, "SELECT free, swap, note FROM mem"), ["7|true|it's"]);
    assert_eq!(rows(&db, "SHOW MEASUREMENTS"), ["cpu", "mem"]);
    assert_eq!(rows(&db, "SHOW TAG KEYS"), ["cpu|host", "cpu|region"]);
    assert_eq!(rows(&db, "SHOW TAG VALUES FROM cpu WITH KEY = host"), ["cpu|host|a", "cpu|host|b"]);
    assert_eq!(rows(&db, "SHOW FIELD KEYS FROM cpu"), ["cpu|usage|DOUBLE", "cpu|cores|BIGINT"]);
    assert_eq!(rows(&db, "SHOW SERIES"), ["cpu,host=a,region=eu", "cpu,host=b", "mem"]);
    // FluxQL sees the time by its mark.
    assert_eq!(rows(&db, "SELECT count(*) FROM cpu EVERY 1h"), ["1970-01-01 00:00:00|2"]);
}

#[test]
fn points_that_do_not_fit_are_refused_alone() {
    let db = Database::open_in_memory().unwrap();
    let lines = "\
# a comment
cpu,host=a usage=1.5,n=1i 10
cpu,host=a usage=\"text\" 11
cpu,host=a usage=2i 12

cpu,host=b usage=3.5 13
cpu,usage=x v=1 14
cpu,host=a time=5 15
cpu,host=a usage=1,usage=2 16
cpu,host=a,host=b usage=1 17
cpu,host=a usage=nan 18
no fields
cpu,host=a usage=9 99999999999999999
cpu,host=c note=\"two
lines\",usage=4 19
cpu,host=a usage=5 noon
cpu,host=a usage=6 20";
    let report = db.import_line_protocol(lines.as_bytes(), SECONDS).unwrap();
    let at: Vec<u64> = report.errors.iter().map(|e| e.place).collect();
    assert_eq!(at, [3, 4, 7, 8, 9, 10, 11, 12, 13, 16], "{:#?}", report.errors);
    assert_eq!((report.points, report.rejected), (4, 10));
    assert!(report.errors[0].message.contains("\"usage\" of \"cpu\" is a float, and here it is a text"));
    assert_eq!(
        rows(&db, "SELECT epoch(time)::INT, host, usage, note FROM cpu ORDER BY time"),
        ["10|a|1.5|NULL", "13|b|3.5|NULL", "19|c|4.0|two\nlines", "20|a|6.0|NULL"]
    );
    // The types are those of the table from now on.
    let report =
        db.import_line_protocol("cpu,host=a usage=1i 30\ncpu,n=5 v=1 31".as_bytes(), SECONDS).unwrap();
    assert_eq!((report.points, report.rejected), (0, 2), "{report:?}");
}

#[test]
fn tables_that_sql_made_are_measurements_too() {
    let db = Database::open_in_memory().unwrap();
    let connection = db.connect();
    connection
        .execute(
            "CREATE TABLE m(time TIMESTAMP_NS, host VARCHAR, v REAL, small TINYINT); CREATE VIEW w AS FROM m",
        )
        .unwrap();
    connection
        .execute("CREATE TABLE keyed(time TIMESTAMP PRIMARY KEY, v DOUBLE); CREATE TABLE other(v DOUBLE)")
        .unwrap();
    let lines =
        "m,host=a y=1,v=1,v=2 1\nm,host=a v=0.5,small=7i 1\nw v=1 1\nkeyed v=1 1\nother v=1 1\nm,v=a x=1 1";
    let report = db.import_line_protocol(lines.as_bytes(), ImportOptions::default()).unwrap();
    assert_eq!((report.points, report.rejected, report.cut_times), (1, 5, 0), "{report:?}");
    assert_eq!(rows(&db, "FROM m"), ["1970-01-01 00:00:00.000000001|a|0.5|7"]);
    // What does not fit the column is told, and the table is as it was.
    assert!(db.write(&[Point::new("m").field("small", 1000_i64)]).is_err());
    assert_eq!(rows(&db, "SELECT count(*) FROM m"), ["1"]);
}

#[test]
fn many_series_in_many_batches_are_all_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.flux");
    let db = Database::open(&path).unwrap();
    let mut text = String::new();
    for i in 0..300_000_u64 {
        // Out of order in time, and tags in two orders.
        let (time, host) = (i * 7919 % 300_000, i % 50_000);
        let tags = if i % 2 == 0 { format!("host=h{host},rack=r1") } else { format!("rack=r1,host=h{host}") };
        text += &format!("cpu,{tags} usage={i} {time}\n");
    }
    let report = db.import_line_protocol(text.as_bytes(), SECONDS).unwrap();
    assert_eq!((report.points, report.rejected), (300_000, 0));
    drop(db);
    let db = Database::open(&path).unwrap();
    assert_eq!(
        rows(
            &db,
            "SELECT count(*), count(DISTINCT host), count(DISTINCT time), sum(usage)::BIGINT, min(rack) FROM cpu"
        ),
        ["300000|50000|300000|44999850000|r1"]
    );
    assert!(db.check().is_sound());
}

#[test]
fn a_writer_waits_for_no_transaction_of_its_own_thread() {
    let db = Database::open_in_memory().unwrap();
    let connection = db.connect();
    connection.execute("CREATE TABLE t(a INT); BEGIN; INSERT INTO t VALUES (1)").unwrap();
    db.write(&[Point::new("cpu").field("v", 1.0)]).unwrap();
    connection.execute("COMMIT").unwrap();
    db.write(&[Point::new("cpu").field("v", 1.0)]).unwrap();
    assert_eq!(rows(&db, "SELECT (SELECT count(*) FROM cpu), (SELECT count(*) FROM t)"), ["2|1"]);
    assert!(db.write(&[Point::new("cpu")]).is_err());
    assert!(db.write(&[Point::new("").field("v", 1.0)]).is_err());
    assert!(db.write(&[Point::new("cpu").field("v", f64::NAN)]).is_err());
}

#[test]
fn points_of_one_series_share_it() {
    let db = Database::open_in_memory().unwrap();
    let mut writer = db.point_writer();
    for i in 0..10_i64 {
        let host = if i % 2 == 0 { "a" } else { "b" };
        writer.write(&Point::new("cpu").tag("host", host).field("v", i).at_micros(i)).unwrap();
        // Texts that run into each other name other series.
        writer.write(&Point::new("cpu").tag("hos", format!("t{host}")).field("v", i).at_micros(i)).unwrap();
    }
    writer.flush().unwrap();
    assert_eq!(rows(&db, "SHOW SERIES"), ["cpu,hos=ta", "cpu,hos=tb", "cpu,host=a", "cpu,host=b"]);
    assert_eq!(rows(&db, "SELECT sum(v)::BIGINT, count(*) FROM cpu WHERE host = 'b'"), ["25|5"]);
}

#[test]
fn an_import_of_nothing_makes_no_database() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Database::find_import_files(dir.path().join("none.lp").to_str().unwrap()).is_err());
    assert!(Database::find_import_files(dir.path().join("*.lp").to_str().unwrap()).is_err());
    let file = dir.path().join("one.lp");
    std::fs::write(&file, "m v=1 1\n").unwrap();
    let path = file.to_str().unwrap().to_owned();
    assert_eq!(Database::find_import_files(&path).unwrap(), [path]);
}

/// Points as lines: host, second, fields.
fn import(db: &Database, lines: &str) {
    let report = db.import_line_protocol(lines.as_bytes(), SECONDS).unwrap();
    assert_eq!(report.rejected, 0, "{report:?}");
}

#[test]
fn of_points_of_one_series_and_time_the_last_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.flux");
    let db = Database::open(&path).unwrap();
    // In one batch; a field that the later point lacks stays.
    import(&db, "cpu,host=a v=1,w=1 10\ncpu,host=a v=2 10\ncpu,host=b v=3 10\ncpu v=4 10\ncpu,host=a v=5 11");
    let all = "SELECT epoch(time)::INT, host, v, w FROM cpu ORDER BY time, host NULLS FIRST";
    assert_eq!(rows(&db, all), ["10|NULL|4.0|NULL", "10|a|2.0|1.0", "10|b|3.0|NULL", "11|a|5.0|NULL"]);
    // Late, in batches of their own, with tags in another order and a new field, before and after opening it again.
    import(&db, "cpu,host=a w=7 11\ncpu,host=b v=30,x=1i 10\ncpu v=40 9");
    db.connect().execute("CHECKPOINT").unwrap();
    drop(db);
    let db = Database::open(&path).unwrap();
    import(&db, "cpu,host=a v=20 10");
    let all = "SELECT epoch(time)::INT, host, v, w, x FROM cpu ORDER BY time, host NULLS FIRST";
    let expected = [
        "9|NULL|40.0|NULL|NULL",
        "10|NULL|4.0|NULL|NULL",
        "10|a|20.0|1.0|NULL",
        "10|b|30.0|NULL|1",
        "11|a|5.0|7.0|NULL",
    ];
    assert_eq!(rows(&db, all), expected);
    // A new tag makes new series.
    import(&db, "cpu,host=a,rack=r v=0 10");
    assert_eq!(rows(&db, "SELECT count(*) FROM cpu WHERE host = 'a' AND epoch(time) = 10"), ["2"]);
    // The table may say otherwise.
    let connection = db.connect();
    connection.execute("ALTER TABLE cpu SET (duplicates = 'keep_all')").unwrap();
    import(&db, "cpu,host=a v=20 10\ncpu,host=a v=20 10");
    assert_eq!(rows(&db, "SELECT count(*) FROM cpu WHERE host = 'a' AND epoch(time) = 10"), ["4"]);
    connection.execute("ALTER TABLE cpu SET (duplicates = keep_last)").unwrap();
    import(&db, "cpu,host=a w=8 10");
    assert_eq!(
        rows(&db, "SELECT v, w FROM cpu WHERE host = 'a' AND rack IS NULL AND epoch(time) = 10"),
        ["20.0|8.0"]
    );
    for wrong in [
        "ALTER TABLE cpu SET (duplicates = 'some')",
        "ALTER TABLE cpu SET (colour = 'red')",
        "ALTER TABLE cpu SET RETENTION 'soon'",
        "CREATE TABLE t(a INT) WITH (duplicates = 'keep_last')",
        "CREATE TABLE t(a INT) WITH (retention = '1d')",
    ] {
        assert!(connection.execute(wrong).is_err(), "{wrong}");
    }
    assert!(db.check().is_sound());
}

#[test]
fn writers_of_the_same_points_leave_one_of_each() {
    let db = Database::open_in_memory().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4_i64 {
            let db = &db;
            scope.spawn(move || {
                let mut points = db.point_writer();
                for i in 0..2_000_i64 {
                    // Each in an order of its own.
                    let second = (i * [1, 3, 7, 9][writer as usize]) % 2_000;
                    let host = format!("h{}", second % 7);
                    let point = Point::new("cpu").tag("host", host).field(format!("f{writer}"), second);
                    points.write(&point.field("v", writer).at_micros(second * 1_000_000)).unwrap();
                    if i % 500 == 499 {
                        points.flush().unwrap();
                    }
                }
                points.flush().unwrap();
            });
        }
    });
    assert_eq!(
        rows(
            &db,
            "SELECT count(*), count(DISTINCT time), count(f0), count(f1), sum(f2)::BIGINT, sum(f3)::BIGINT FROM cpu"
        ),
        ["2000|2000|2000|2000|1999000|1999000"]
    );
}

#[test]
fn old_rows_expire() {
    let db = Database::open_in_memory().unwrap();
    let connection = db.connect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    let day = 86_400_000_000;
    for age in [0, 10, 29, 31, 400] {
        db.write(&[Point::new("cpu").field("v", age).at_micros(now - age * day)]).unwrap();
        db.write(&[Point::new("mem").field("v", age).at_micros(now - age * day)]).unwrap();
    }
    connection
        .execute("SET TimeZone = 'Asia/Tokyo'; ALTER TABLE cpu SET RETENTION '30d'; CALL maintain()")
        .unwrap();
    assert_eq!(rows(&db, "SELECT max(v) FROM cpu"), ["29"]);
    assert_eq!(rows(&db, "SELECT max(v) FROM mem"), ["400"]);
    // In a transaction, and not any more.
    connection.execute("ALTER TABLE mem SET (retention = '1y'); BEGIN; CALL maintain(); ROLLBACK").unwrap();
    assert_eq!(rows(&db, "SELECT max(v) FROM mem"), ["400"]);
    connection.execute("ALTER TABLE mem SET (retention = NULL); CALL maintain()").unwrap();
    assert_eq!(rows(&db, "SELECT max(v) FROM mem"), ["400"]);
}

/// A measurement whose first points are nanoseconds apart keeps them apart, and FluxQL reads it as any other.
#[test]
fn nanoseconds_are_kept_where_the_first_points_have_them() {
    let db = Database::open_in_memory().unwrap();
    let second = 1_767_225_600_000_000_000_i128;
    let lines: String = [0, 1, 2, 60_000_000_000]
        .iter()
        .map(|nanos| format!("fine,host=a v={nanos} {}\n", second + nanos))
        .collect();
    let report = db.import_line_protocol(lines.as_bytes(), ImportOptions::default()).unwrap();
    assert_eq!((report.points, report.cut_times), (4, 0));
    let connection = db.connect();
    let texts: Vec<(String,)> =
        connection.query_as("SELECT time::VARCHAR FROM fine WHERE v < 3 ORDER BY time", ()).unwrap();
    assert_eq!(texts[2].0, "2026-01-01 00:00:00.000000002");
    let buckets = "SELECT (time::VARCHAR), c FROM (SELECT count(v) AS c FROM fine \
                   WHERE time >= '2026-01-01' AND time < now() AND time < 1767225660000000001 EVERY 1m)";
    let counts: Vec<(String, i64)> = connection.query_as(buckets, ()).unwrap();
    assert_eq!(counts, [("2026-01-01 00:00:00".to_owned(), 3), ("2026-01-01 00:01:00".to_owned(), 1)]);
    let (rate,): (f64,) =
        connection.query_one("SELECT d FROM (SELECT derivative(v, 1s) AS d FROM fine) LIMIT 1", ()).unwrap();
    assert!((rate - 1e9).abs() < 1.0, "{rate}");
    // Coarse points make a coarse table, which says when it cuts.
    let coarse = db.import_line_protocol("coarse v=1 1000\n".as_bytes(), ImportOptions::default()).unwrap();
    let late = db.import_line_protocol("coarse v=1 2001\n".as_bytes(), ImportOptions::default()).unwrap();
    assert_eq!((coarse.cut_times, late.cut_times), (0, 1));
    // A materialized view is no measurement.
    connection
        .execute("CREATE MATERIALIZED VIEW rolled AS SELECT max(v) FROM fine EVERY 1m WITH (refresh = '1m')")
        .unwrap();
    let refused = db.import_line_protocol("rolled max=1 1\n".as_bytes(), ImportOptions::default()).unwrap();
    assert!(refused.points == 0 && refused.errors[0].message.contains("Materialized View"), "{refused:?}");
}
