//! What measurements promise: tables and columns come to be as points are written, and no point is lost to another.

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;

use fluxdb::{Database, ImportOptions, Point, Precision};

use directory::Directory;

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
    assert_eq!(rows(&db, "SHOW TAG VALUES"), ["cpu|host|a", "cpu|host|b", "cpu|region|eu"]);
    assert_eq!(rows(&db, "SHOW TAG VALUES FROM mem"), [""; 0]);
    assert_eq!(rows(&db, "SHOW FIELD KEYS FROM cpu"), ["cpu|usage|DOUBLE", "cpu|cores|BIGINT"]);
    assert_eq!(rows(&db, "SHOW SERIES"), ["cpu,host=a,region=eu", "cpu,host=b", "mem"]);
    assert_eq!(rows(&db, "SHOW SERIES FROM cpu WHERE host = 'b'"), ["cpu,host=b"]);
    assert_eq!(
        rows(&db, "SHOW TAG VALUES WITH KEY =~ /^r/ WHERE time >= '1970-01-01T02:00:01+02:00'"),
        ["cpu|region|eu"]
    );
    assert_eq!(rows(&db, "SHOW TAG VALUES FROM cpu WITH KEY !~ /^r/ WHERE usage > 2"), ["cpu|host|b"]);
    // Of what a measurement has not, no condition holds.
    assert_eq!(rows(&db, "SHOW SERIES WHERE host = 'b' AND time >= 0"), ["cpu,host=b"]);
    assert_eq!(rows(&db, "SHOW SERIES WHERE host IS NULL"), ["mem"]);
    assert_eq!(rows(&db, "SHOW TAG VALUES WHERE usage > 2"), ["cpu|host|b"]);
    // FluxQL sees the time by its mark.
    assert_eq!(rows(&db, "SELECT count(*) FROM cpu EVERY 1h"), ["1970-01-01 00:00:00|2"]);
}

#[test]
fn what_measurements_have_is_listed_and_counted() {
    let db = Database::open_in_memory().unwrap();
    for (host, region) in [("a", "eu"), ("b", "eu"), ("c", "us")] {
        db.write(&[Point::new("cpu")
            .tag("host", host)
            .tag("region", region)
            .field("usage", 1.0)
            .at_micros(0)])
            .unwrap();
    }
    db.write(&[Point::new("mem").tag("host", "a").field("free", 7_u64).field("note", "x").at_micros(5)])
        .unwrap();
    db.write(&[Point::new("my swap").field("free", 7_u64).at_micros(5)]).unwrap();
    for (statement, wanted) in [
        ("SHOW SERIES CARDINALITY", &["5"][..]),
        ("SHOW SERIES EXACT CARDINALITY", &["cpu|3", "mem|1", "my swap|1"]),
        ("SHOW SERIES CARDINALITY FROM cpu", &["cpu|3"]),
        ("SHOW SERIES CARDINALITY WHERE host = 'a'", &["cpu|1", "mem|1"]),
        ("SHOW SERIES CARDINALITY ON memory FROM mem, cpu", &["cpu|3", "mem|1"]),
        ("SHOW MEASUREMENT CARDINALITY", &["3"]),
        ("SHOW MEASUREMENT EXACT CARDINALITY WHERE host = 'b'", &["1"]),
        ("SHOW MEASUREMENT CARDINALITY FROM mem", &["1"]),
        ("SHOW TAG KEY CARDINALITY", &["cpu|2", "mem|1"]),
        ("SHOW TAG KEY EXACT CARDINALITY FROM mem", &["mem|1"]),
        ("SHOW FIELD KEY CARDINALITY", &["cpu|1", "mem|2", "my swap|1"]),
        ("SHOW FIELD KEY EXACT CARDINALITY FROM cpu", &["cpu|1"]),
        ("SHOW TAG VALUES CARDINALITY WITH KEY = host", &["cpu|3", "mem|1"]),
        ("SHOW TAG VALUES EXACT CARDINALITY FROM cpu WITH KEY IN (host, region)", &["cpu|5"]),
        ("SHOW TAG VALUES CARDINALITY WITH KEY = \"region\" WHERE host = 'c' LIMIT 5", &["cpu|1"]),
        ("SHOW TAG VALUES FROM cpu WITH KEY = region LIMIT 1 OFFSET 1", &["cpu|region|us"]),
        ("SHOW SERIES LIMIT 2 OFFSET 3", &["mem,host=a", r"my\ swap"]),
        ("SHOW MEASUREMENTS LIMIT 1", &["cpu"]),
        ("SHOW MEASUREMENTS OFFSET 2", &["my swap"]),
        ("SHOW MEASUREMENTS ON memory", &["cpu", "mem", "my swap"]),
        ("SHOW MEASUREMENTS WITH MEASUREMENT =~ /^m/ WHERE host = 'a'", &["mem"]),
        ("SHOW MEASUREMENTS WITH MEASUREMENT = cpu", &["cpu"]),
        ("SHOW MEASUREMENTS WITH MEASUREMENT !~ /c/", &["mem", "my swap"]),
        ("SHOW MEASUREMENTS WHERE region = 'us'", &["cpu"]),
        ("SHOW TAG KEYS WHERE region = 'us'", &["cpu|host", "cpu|region"]),
        ("SHOW TAG KEYS FROM cpu, mem LIMIT 1 OFFSET 2", &["mem|host"]),
        ("SHOW FIELD KEYS ON memory FROM mem", &["mem|free|UBIGINT", "mem|note|VARCHAR"]),
        ("SHOW RETENTION POLICIES ON memory", &[]),
    ] {
        assert_eq!(rows(&db, statement), wanted, "{statement}");
    }
    for statement in [
        "SHOW SERIES EXACT",
        "SHOW TAG VALUES EXACT FROM cpu",
        "SHOW SERIES FROM nothing",
        "SHOW SERIES ON nothing",
        "SHOW TAG VALUES WITH KEY = nothing",
        "SHOW MEASUREMENTS WITH MEASUREMENT =~ /(/",
    ] {
        assert!(db.connect().execute(statement).is_err(), "{statement}");
    }
    let left = |statement: &str| {
        db.connect().execute(statement).unwrap();
        rows(&db, "SHOW SERIES").len()
    };
    assert_eq!(left("DROP SERIES FROM cpu WHERE host = 'c'"), 4);
    assert_eq!(left("DROP MEASUREMENT mem"), 3);
    assert_eq!(left("DROP MEASUREMENT IF EXISTS mem"), 3);
    let empty = Database::open_in_memory().unwrap();
    assert_eq!(rows(&empty, "SHOW SERIES CARDINALITY"), ["0"]);
    assert_eq!(rows(&empty, "SHOW SERIES EXACT CARDINALITY WHERE host = 'a'"), [""; 0]);
    assert_eq!(rows(&empty, "SHOW MEASUREMENTS WHERE host = 'a'"), [""; 0]);
    assert_eq!(rows(&empty, "SHOW TAG KEYS"), [""; 0]);
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
    let dir = Directory::new();
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
fn names_that_differ_in_case_are_of_one_measurement() {
    let db = Database::open_in_memory().unwrap();
    let mut writer = db.point_writer();
    writer.write(&Point::new("m").tag("t", "a").field("f", 1_i64).at_micros(0)).unwrap();
    // It does not fit, and is not rounded to fit.
    assert!(writer.write(&Point::new("M").tag("t", "a").field("f", 2.5).at_micros(1)).is_err());
    assert!(writer.write(&Point::new("M").tag("t", "a").field("f", "x").at_micros(1)).is_err());
    writer.write(&Point::new("M").tag("t", "a").field("f", 3_i64).at_micros(2)).unwrap();
    writer.write(&Point::new("M").tag("t", "a").field("f", 4_i64).at_micros(0)).unwrap();
    writer.flush().unwrap();
    assert_eq!(rows(&db, "SELECT f FROM m ORDER BY time"), ["4", "3"]);
    assert_eq!(rows(&db, "SHOW SERIES"), ["m,t=a"]);
}

#[test]
fn an_import_of_nothing_makes_no_database() {
    let dir = Directory::new();
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
    let dir = Directory::new();
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

/// Points that are replaced are found in every block of a row group, and nothing else goes.
#[test]
fn late_points_replace_what_is_sealed() {
    let db = Database::open_in_memory().unwrap();
    let (hosts, seconds) = (3, 4_000);
    let all = |value: &dyn Fn(i64) -> i64, every: usize| -> String {
        (0..seconds)
            .step_by(every)
            .flat_map(|s| (0..hosts).map(move |h| (h, s)))
            .map(|(h, s)| format!("m,host=h{h} v={}i,w={s}i {s}\n", value(s)))
            .collect()
    };
    import(&db, &all(&|s| s, 1));
    db.connect().execute("CHECKPOINT; DELETE FROM m WHERE host = 'h1' AND v = 2000; CHECKPOINT").unwrap();
    // Every hundredth again, without one of its fields, and one far behind.
    import(&db, &all(&|s| -s, 100).replace(",w=", ",x="));
    import(&db, &format!("m,host=h0 v=7i {}", seconds * 10));
    let n = hosts * seconds + 1;
    assert_eq!(
        rows(&db, "SELECT count(*), count(DISTINCT (host, time)), count(x), count(w) FROM m"),
        [format!("{n}|{n}|{}|{}", hosts * seconds / 100, n - 2)]
    );
    assert_eq!(
        rows(
            &db,
            "SELECT count(*) FROM m WHERE w <> epoch(time) OR v <> CASE WHEN x IS NULL THEN w ELSE -x END"
        ),
        ["0"]
    );
    assert_eq!(
        rows(&db, "SELECT v, w, x FROM m WHERE host = 'h1' AND epoch(time) = 2000"),
        ["-2000|NULL|2000"]
    );
    assert!(db.check().is_sound());
}

/// Rows of the blocks that a query's scan has looked at.
fn rows_scanned(db: &Database, sql: &str) -> u64 {
    let profile = rows(db, &format!("EXPLAIN (ANALYZE, FORMAT json) {sql}")).concat();
    let scan = &profile[profile.find("\"scan\"").expect("a scan")..];
    let count = &scan[scan.find("\"rows\":").expect("its rows") + "\"rows\":".len()..];
    count.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// However late points come, each row group has them by series and time, and a series is read from few blocks.
#[test]
fn late_points_go_to_their_series() {
    const HOSTS: i64 = 20;
    let db = Database::open_in_memory().unwrap();
    let lines = |seconds: std::ops::Range<i64>, more: i64| -> String {
        let points = seconds.flat_map(|s| (0..HOSTS).map(move |host| (s * 1000 + more, host)));
        points.map(|(ms, host)| format!("cpu,host=h{host:02},os=linux usage={ms}i {ms}\n")).collect()
    };
    let write = |lines: &str| {
        let options = ImportOptions { precision: Precision::Milliseconds };
        assert_eq!(db.import_line_protocol(lines.as_bytes(), options).unwrap().rejected, 0);
    };
    // Two full row groups, one after the other in time; then points of the first that are a sixth of it, the last first.
    write(&lines(0..12_288, 0));
    for hundred in (30..40).rev() {
        write(&lines(hundred * 100..hundred * 100 + 100, 500));
    }
    let series = "SELECT max(usage), count(*) FROM cpu WHERE host = 'h07' AND time >= '1970-01-01 00:55:00' \
                  AND time < '1970-01-01 01:00:00'";
    let answer = rows(&db, series);
    assert_eq!(answer, ["3599500|600"]);
    let before = rows_scanned(&db, series);
    rows(&db, "CALL maintain()");
    assert_eq!(rows(&db, series), answer);
    let after = rows_scanned(&db, series);
    assert!(after <= 2 * 2048 && after < before, "{before} rows before, {after} after");
    let groups = "SELECT count(*), max(rows) <= 122880, sum(rows) FROM flux_row_groups('cpu')";
    assert_eq!(rows(&db, groups), [format!("3|true|{}", HOSTS * (12_288 + 1000))]);
    // Row by row, where the one before is of the same row group.
    let out_of_order = "WITH g AS (SELECT first_row, least_time, greatest_time FROM flux_row_groups('cpu')), \
        r AS (SELECT rowid AS at, host, time, lag(host) OVER w AS host_before, lag(time) OVER w AS time_before \
        FROM cpu WINDOW w AS (ORDER BY rowid)) \
        SELECT count(*) FROM r WHERE at NOT IN (SELECT first_row FROM g) \
        AND (host, time) <= (host_before, time_before)";
    assert_eq!(rows(&db, out_of_order), ["0"]);
    let overlaps = "SELECT count(*) FROM flux_row_groups('cpu') a JOIN flux_row_groups('cpu') b \
        ON a.row_group < b.row_group AND a.least_time < b.greatest_time AND b.least_time < a.greatest_time";
    assert_eq!(rows(&db, overlaps), ["0"]);
    let whole = "SELECT count(*), count(DISTINCT (host, time)), sum(usage) FROM cpu";
    let (times, late) = ((0..12_288).sum::<i64>() * 1000, (3000..4000).map(|s| s * 1000 + 500).sum::<i64>());
    let (n, sum) = (HOSTS * (12_288 + 1000), HOSTS * (times + late));
    assert_eq!(rows(&db, whole), [format!("{n}|{n}|{sum}")]);
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

/// What a careless or hostile sender can write: each line is told of by its number, and no other is lost for it.
#[test]
fn bad_lines_are_told_by_their_numbers_and_cost_no_other() {
    let db = Database::open_in_memory().unwrap();
    let good = |i: u64| format!("cpu,host=a v={i} {}", i * 1_000_000_000);
    let bad: &[(&[u8], &str)] = &[
        (b"cpu", "no fields"),
        (b"cpu,host=a", "no fields"),
        (b"cpu,host v=1 1", "has no value"),
        (b"cpu,=a v=1 1", "tag has no name"),
        (b"cpu,host=a,host=b v=1 1", "there twice"),
        (b"cpu,host=a v=1,v=2 1", "there twice"),
        (b"cpu,host=a =1 1", "field has no name"),
        (b"cpu,host=a v= 1", "has no value"),
        (b"cpu,host=a v=1 soon", "is no time"),
        (b"cpu,host=a v=1 1.5", "is no time"),
        (b"cpu,host=a v=1 1 1", "is no time"),
        (b"cpu,host=a v=1 99999999999999999999", "is no time"),
        (b"cpu,host=a v=nan 1", "has the value nan"),
        (b"cpu,host=a v=NaN 1", "has the value NaN"),
        (b"cpu,host=a v=inf 1", "has the value inf"),
        (b"cpu,host=a v=-Infinity 1", "has the value -Infinity"),
        (b"cpu,host=a v=1e999 1", "has the value 1e999"),
        (b"cpu,host=a n=9223372036854775808i 1", "has the value 9223372036854775808i"),
        (b"cpu,host=a n=-1u 1", "has the value -1u"),
        (b"cpu,host=a v=\"text\" 1", "is a float, and here it is a text"),
        (b"cpu,host=a host=1 1", "is a tag"),
        (b"cpu,v=1 w=1 1", "is a field"),
        (b"cpu,time=1 v=1 1", "that is the time"),
        (b"cpu,host=a time=1 1", "that is the time"),
        (b"cpu,host=a s=\"never closed 1", "not closed"),
        (b"cpu,host=\xff\xfe v=1 1", "not UTF-8"),
        (b",host=a v=1 1", "measurement has no name"),
        (b"\"cpu\",host=a", "no fields"),
        (b"cpu,host=a v=1,", "no name"),
        (b"cpu,host=a v=1,,w=1 1", "no name"),
        (b"cpu,host=a v=1,w,x=1 1", "\"w\" has no value"),
        (b"cpu,host=a=b v=1 1", "has a = without"),
        (b"cpu,,host=a v=1 1", "has no value"),
        (b"\x00\x01\x02", "no fields"),
    ];
    let mut lines = vec![];
    lines.extend_from_slice(format!("{}\n", good(0)).as_bytes());
    for (i, (line, _)) in bad.iter().enumerate() {
        lines.extend_from_slice(line);
        lines.extend_from_slice(format!("\n{}\n", good(i as u64 + 1)).as_bytes());
    }
    let report = db.import_line_protocol(&lines[..], ImportOptions::default()).unwrap();
    for ((i, (line, why)), error) in bad.iter().enumerate().zip(&report.errors) {
        let line = String::from_utf8_lossy(line);
        assert_eq!(error.place, 2 * i as u64 + 2, "{line}: {error:?}");
        assert!(error.message.contains(why), "{line}: {error:?}");
        assert!(
            !error.message.contains(['\0', '\u{1}', '\n']),
            "control characters are shown as they are: {error:?}"
        );
    }
    assert_eq!((report.rejected, report.errors.len()), (bad.len() as u64, bad.len()));
    assert_eq!(report.points, bad.len() as u64 + 1);
    let seconds = "SELECT count(*), count(DISTINCT time), sum(v)::BIGINT FROM cpu";
    let n = bad.len();
    assert_eq!(rows(&db, seconds), [format!("{}|{}|{}", n + 1, n + 1, n * (n + 1) / 2)]);
}

/// A quote that is never closed could swallow all that follows.
#[test]
fn an_open_quote_costs_its_own_line() {
    let db = Database::open_in_memory().unwrap();
    let lines = "m s=\"a\nb\" 1\nm s=\"open 2\nm s=\"x\" 3\nm s=\"y\nz\" 4\nm v=1 5";
    let report = db.import_line_protocol(lines.as_bytes(), SECONDS).unwrap();
    assert_eq!(report.errors.iter().map(|e| e.place).collect::<Vec<_>>(), [3], "{report:?}");
    assert_eq!(
        rows(&db, "SELECT epoch(time)::INT, s, v FROM m ORDER BY time"),
        ["1|a\nb|NULL", "3|x|NULL", "4|y\nz|NULL", "5|NULL|1.0"]
    );
}

#[test]
fn times_at_the_ends_of_what_can_be_and_clocks_that_go_back() {
    let db = Database::open_in_memory().unwrap();
    let lines = format!(
        "m v=1 {}\nm v=2 {}\nm v=3 0\nm v=4 -1\nm v=5 1700000000\nm v=6 1600000000\nm v=7 1700000001",
        i64::MAX,
        i64::MIN
    );
    let report = db.import_line_protocol(lines.as_bytes(), SECONDS).unwrap();
    assert_eq!(report.errors.iter().map(|e| e.place).collect::<Vec<_>>(), [1, 2], "{report:?}");
    assert!(report.errors.iter().all(|e| e.message.contains("out of range")), "{report:?}");
    assert_eq!(rows(&db, "SELECT v FROM m ORDER BY time"), ["4.0", "3.0", "6.0", "5.0", "7.0"]);
    assert_eq!(rows(&db, "SELECT last(v) FROM m"), ["7.0"]);
    // Nanoseconds have two infinite times, which are no point's.
    let lines = format!("n v=1 1\nn v=2 {}\nn v=3 {}\nn v=4 {}", i64::MAX, i64::MAX - 1, i64::MIN);
    let report = db.import_line_protocol(lines.as_bytes(), ImportOptions::default()).unwrap();
    assert_eq!(report.errors.iter().map(|e| e.place).collect::<Vec<_>>(), [2, 4], "{report:?}");
    assert_eq!(rows(&db, "SELECT v FROM n ORDER BY time"), ["1.0", "3.0"]);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = db.write(&[Point::new("m").field("v", bad).at_micros(0)]).unwrap_err();
        assert!(error.to_string().contains("only finite numbers"), "{error}");
    }
}

#[test]
fn tags_may_be_any_text() {
    let db = Database::open_in_memory().unwrap();
    let odd = [
        "\u{1}\u{1b}[31m",
        "tab\there",
        "a\u{0}b",
        "ünï 🦀",
        "quote\"s",
        "back\\slash",
        "'; DROP TABLE m; --",
    ];
    for (i, tag) in odd.iter().enumerate() {
        db.write(&[Point::new("m").tag("t", *tag).tag(*tag, "x").field("v", i as i64).at_micros(i as i64)])
            .unwrap();
    }
    for (i, tag) in odd.iter().enumerate() {
        let quoted = tag.replace('\'', "''");
        let name = tag.replace('"', "\"\"");
        let sql = format!("SELECT v FROM m WHERE t = '{quoted}' AND \"{name}\" = 'x'");
        assert_eq!(rows(&db, &sql), [i.to_string()], "{tag:?}");
    }
    assert_eq!(rows(&db, "SELECT count(DISTINCT t) FROM m"), [odd.len().to_string()]);
}

#[test]
fn series_without_end_are_all_there() {
    let db = Database::open_in_memory().unwrap();
    // More than a writer remembers at a time.
    let series = 220_000;
    let lines: String = (0..series).map(|i| format!("m,id=s{i} v={i}i {i}\n")).collect();
    let report = db.import_line_protocol(lines.as_bytes(), SECONDS).unwrap();
    assert_eq!((report.points, report.rejected), (series, 0));
    assert_eq!(
        rows(&db, "SELECT count(*), count(DISTINCT id), sum(v)::BIGINT FROM m"),
        [format!("{series}|{series}|{}", series * (series - 1) / 2)]
    );
    assert_eq!(rows(&db, "SELECT v FROM m WHERE id = 's123456'"), ["123456"]);
}

/// What waits to be written is bounded by its bytes, too.
#[test]
fn long_texts_do_not_wait_for_many_points() {
    let db = Database::open_in_memory().unwrap();
    let mut writer = db.point_writer();
    let text = "a long text ".repeat(1 << 17);
    for i in 0..200 {
        writer.write(&Point::new("log").field("text", format!("{i} {text}")).at_micros(i)).unwrap();
        let waiting = i as u64 + 1 - writer.written();
        assert!(waiting <= 100, "{waiting} texts of {} bytes wait", text.len());
    }
    writer.flush().unwrap();
    assert_eq!(rows(&db, "SELECT count(*), min(length(text)) > 1000000 FROM log"), ["200|true"]);
}

#[test]
fn fields_beyond_the_most_are_refused_with_their_line() {
    let db = Database::open_in_memory().unwrap();
    let fields =
        |from: usize, to: usize| (from..to).map(|i| format!("f{i}={i}i")).collect::<Vec<_>>().join(",");
    let lines = format!("m {} 1\nm f9999=1i 2\nm one_more=1i 3\nm f0=5i 4", fields(0, 10_000));
    let report = db.import_line_protocol(lines.as_bytes(), SECONDS).unwrap();
    assert_eq!(report.errors.iter().map(|e| e.place).collect::<Vec<_>>(), [3], "{report:?}");
    assert!(report.errors[0].message.contains("10000 fields"), "{report:?}");
    assert_eq!(rows(&db, "SELECT f0, f9999 FROM m ORDER BY time"), ["0|9999", "NULL|1", "5|NULL"]);
}

/// Each query in FluxQL, and what one without would write.
const TWINS: [(&str, &str); 14] = [
    (
        "SELECT max(a) FROM m WHERE host = 'h3' AND time >= '2026-01-01T01:00:00Z' AND time < '2026-01-01T02:00:00Z' EVERY 1m",
        "SELECT date_trunc('minute', time) AS t, max(a) FROM m WHERE host = 'h3' AND time >= TIMESTAMP '2026-01-01 01:00:00' AND time < TIMESTAMP '2026-01-01 02:00:00' GROUP BY t ORDER BY t",
    ),
    (
        "SELECT max(a), max(b), max(n) FROM m WHERE host IN ('h1', 'h4', 'h6') EVERY 1h",
        "SELECT date_trunc('hour', time) AS t, max(a), max(b), max(n) FROM m WHERE host IN ('h1', 'h4', 'h6') GROUP BY t ORDER BY t",
    ),
    (
        "SELECT avg(a), sum(n), count(b), count(*) FROM m GROUP BY host EVERY 1h",
        "SELECT time_bucket(INTERVAL 1 HOUR, time) AS t, host, avg(a), sum(n), count(b), count(*) FROM m GROUP BY t, host ORDER BY t, host NULLS LAST",
    ),
    (
        "SELECT mean(a), round(stddev(n), 6) FROM m GROUP BY region EVERY 1d TZ 'Europe/Berlin'",
        "SELECT (date_trunc('day', (time AT TIME ZONE 'UTC') AT TIME ZONE 'Europe/Berlin') AT TIME ZONE 'Europe/Berlin') AT TIME ZONE 'UTC' AS t, region, avg(a), round(stddev_samp(n), 6) FROM m GROUP BY t, region ORDER BY t, region NULLS LAST",
    ),
    (
        "SELECT min(a) FROM m EVERY 15m OFFSET 5m ORDER BY time DESC LIMIT 5",
        "SELECT time_bucket(INTERVAL 15 MINUTE, time, INTERVAL 5 MINUTE) AS t, min(a) FROM m GROUP BY t ORDER BY t DESC LIMIT 5",
    ),
    (
        "SELECT max(a) FROM m WHERE time < '2026-01-01T05:25:00Z' EVERY 1m ORDER BY time DESC LIMIT 5",
        "SELECT date_trunc('minute', time) AS t, max(a) FROM m WHERE time < TIMESTAMP '2026-01-01 05:25:00' GROUP BY t ORDER BY t DESC LIMIT 5",
    ),
    ("SELECT * FROM m WHERE a > 9.0 AND host = 'h2'", "SELECT * FROM m WHERE a > 9.0 AND host = 'h2'"),
    (
        "SELECT host, last(time), last(a), last(n) FROM m GROUP BY host ORDER BY host",
        "SELECT host, max(time), arg_max(a, time), arg_max(n, time) FROM m GROUP BY host ORDER BY host NULLS LAST",
    ),
    (
        "SELECT first(n), last(n), spread(n), median(n) FROM m GROUP BY host EVERY 2h",
        "SELECT time_bucket(INTERVAL 2 HOUR, time) AS t, host, arg_min(n, time), arg_max(n, time), max(n) - min(n), median(n) FROM m GROUP BY t, host ORDER BY t, host NULLS LAST",
    ),
    (
        "SELECT host, time, n FROM m LATEST ON time PARTITION BY host ORDER BY host",
        "SELECT DISTINCT ON (host) host, time, n FROM m ORDER BY host, time DESC",
    ),
    (
        "SELECT difference(n) FROM m WHERE n IS NOT NULL GROUP BY host",
        "SELECT time, host, d FROM (SELECT time, host, n - lag(n) OVER (PARTITION BY host ORDER BY time) AS d FROM m WHERE n IS NOT NULL) WHERE d IS NOT NULL ORDER BY host NULLS LAST, time",
    ),
    (
        "SELECT cumulative_sum(n) FROM m WHERE host = 'h5'",
        "SELECT time, sum(n) OVER (ORDER BY time) FROM m WHERE host = 'h5' AND n IS NOT NULL ORDER BY time",
    ),
    (
        "SELECT host, percentile(a, 90), mode(n) FROM m GROUP BY host ORDER BY host",
        "SELECT host, quantile_cont(a, 0.9), mode(n) FROM m GROUP BY host ORDER BY host NULLS LAST",
    ),
    (
        "SELECT mean(a) FROM m WHERE host =~ /^h[1-3]$/ GROUP BY host EVERY 1w",
        "SELECT date_trunc('week', time) AS t, host, avg(a) FROM m WHERE regexp_matches(host, '^h[1-3]$') GROUP BY t, host ORDER BY t, host",
    ),
];

#[test]
fn each_query_answers_as_its_twin_in_sql() {
    let db = Database::open_in_memory().unwrap();
    let mut writer = db.point_writer();
    let mut random = 7_u64;
    for i in 0..60_000_i64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let dice = random >> 40;
        // Late by up to a quarter of an hour; no two at one time.
        let micros = 1_767_225_600_000_000 + (i - (dice % 2_000) as i64) * 500_000 + i;
        let host = format!("h{}", i % 7);
        // Sums of these are exact, in whatever order threads add them.
        let mut point = Point::new("m").field("a", (dice % 1_000) as f64 / 64.0).at_micros(micros);
        if i % 70 != 0 {
            point = point.tag("host", host).tag("region", if i % 2 == 0 { "eu" } else { "us" });
        }
        if !dice.is_multiple_of(3) {
            point = point.field("n", (dice % 997) as i64);
        }
        if !dice.is_multiple_of(11) {
            point = point.field("b", dice.is_multiple_of(2));
        }
        writer.write(&point).unwrap();
        if i % 20_000 == 19_999 {
            writer.flush().unwrap();
        }
    }
    writer.flush().unwrap();
    let connection = db.connect();
    connection.execute("DELETE FROM m WHERE host = 'h6' AND time > '2026-01-01 03:00:00'").unwrap();
    for pass in ["before", "after"] {
        for (flux, sql) in TWINS {
            let (flux_rows, sql_rows) = (rows(&db, flux), rows(&db, sql));
            assert!(!flux_rows.is_empty(), "{flux}");
            assert_eq!(flux_rows.len(), sql_rows.len(), "{pass} sealing:\n{flux}\n{sql}");
            if let Some(differ) = flux_rows.iter().zip(&sql_rows).find(|(flux, sql)| flux != sql) {
                panic!("{pass} sealing:\n{flux}\n{sql}\n{differ:?}");
            }
        }
        connection.execute("CHECKPOINT").unwrap();
    }
}

#[test]
fn what_a_batch_on_its_way_makes_is_known_to_the_next() {
    let db = Database::open_in_memory().unwrap();
    let mut lines = String::new();
    // More than a row group: the first batch is being written when the last lines are read.
    for i in 0..123_000 {
        lines.push_str(&format!("m,host=a v=1.5 {i}\n"));
    }
    lines.push_str(
        "m,host=a v=2i 200000\nm,host=a w=1i,v=3.5 200001\nm,v=x w=1i 200002\nm,host=b,rack=c v=4 200003\n",
    );
    let report = db.import_line_protocol(lines.as_bytes(), SECONDS).unwrap();
    assert_eq!((report.points, report.rejected), (123_002, 2));
    let places: Vec<u64> = report.errors.iter().map(|e| e.place).collect();
    assert_eq!(places, [123_001, 123_003]);
    assert!(report.errors[0].message.contains("is a float"), "{}", report.errors[0].message);
    assert!(report.errors[1].message.contains("cannot be a tag"), "{}", report.errors[1].message);
    let sums = "SELECT count(*), sum(v)::BIGINT, max(rack), sum(w)::BIGINT FROM m";
    assert_eq!(rows(&db, sums), ["123002|184508|c|1"]);
}
