//! The library as a program uses it: what the examples in its documentation do not show.

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;

use std::sync::Arc;

use fluxdb::arrow_array::{Int64Array, RecordBatch, StringArray};
use fluxdb::{Database, Error, params};

use directory::Directory;

#[test]
fn values_that_do_not_fit_are_told_apart() {
    let connection = Database::open_in_memory().unwrap().connect();
    let one = |sql: &str| connection.query(sql).unwrap().into_rows().next().unwrap().unwrap();
    let row = one(
        "SELECT 300 AS big, 1.25::DECIMAL(4,2) AS price, DATE '2024-02-29' AS day, [1, 2] AS list, NULL AS n",
    );
    assert!(row.get::<_, u8>("big").unwrap_err().to_string().contains("300 does not fit u8"));
    assert_eq!(row.get::<_, u16>("BIG").unwrap(), 300);
    assert_eq!(row.get::<_, f64>("price").unwrap(), 1.25);
    assert!(row.get::<_, i32>("price").is_err(), "125 would be wrong");
    assert_eq!(row.get::<_, String>("day").unwrap(), "2024-02-29");
    assert_eq!(row.get::<_, String>("list").unwrap(), "[1, 2]");
    assert!(row.get::<_, i32>("n").unwrap_err().to_string().contains("NULL"));
    assert_eq!(row.text(1).as_deref(), Some("1.25"));
    assert_eq!(row.text(4), None);
    let missing = row.get::<_, i32>("nope").unwrap_err();
    assert!(missing.to_string().contains("big, price, day"), "{missing}");
    assert!(row.get::<_, i32>(9).is_err());
    assert!(connection.query_one::<(i64,)>("FROM range(2)", ()).is_err());
    assert!(connection.query_one::<(i64,)>("FROM range(0)", ()).is_err());
}

#[test]
fn many_batches_are_one_stream_of_rows() {
    let connection = Database::open_in_memory().unwrap().connect();
    let rows = connection.query("SELECT range, 'v' || range % 3 FROM range(10000)").unwrap().into_rows();
    for (i, row) in rows.enumerate() {
        let (number, text): (usize, String) = fluxdb::FromRow::from_row(&row.unwrap()).unwrap();
        assert_eq!((number, text), (i, format!("v{}", i % 3)));
    }
}

#[test]
fn an_appender_checks_and_casts_as_insert_does() {
    let connection = Database::open_in_memory().unwrap().connect();
    connection.execute("CREATE TABLE t(i INTEGER PRIMARY KEY, d DATE, s VARCHAR NOT NULL)").unwrap();
    let mut appender = connection.appender("t").unwrap();
    assert!(appender.row(params![1]).is_err(), "too few");
    appender.row(params![1_i64, "2024-01-31", "a"]).unwrap();
    appender.row(params![2_u8, None::<String>, "b"]).unwrap();
    appender.row(params!["3", None::<String>, "c"]).unwrap();
    assert_eq!(appender.finish().unwrap(), 3);
    let rows: Vec<(i32, Option<String>)> = connection.query_as("SELECT i, d FROM t ORDER BY i", ()).unwrap();
    assert_eq!(rows, [(1, Some("2024-01-31".to_owned())), (2, None), (3, None)]);
    // All or nothing.
    let mut appender = connection.appender("t").unwrap();
    appender.row(params![4, None::<String>, "d"]).unwrap();
    appender.row(params![1, None::<String>, "again"]).unwrap();
    assert!(matches!(appender.finish(), Err(Error::Execution(_))));
    assert_eq!(connection.query_one::<(i64,)>("SELECT count(*) FROM t", ()).unwrap(), (3,));
    let mut appender = connection.appender("t").unwrap();
    appender.row(params![5, None::<String>, None::<String>]).unwrap();
    assert!(appender.finish().is_err());
    assert!(connection.appender("no_such_table").is_err());
    // Arrow columns, by position.
    let mut appender = connection.appender("main.t").unwrap();
    let columns: Vec<fluxdb::arrow_array::ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![7, 8])),
        Arc::new(StringArray::from(vec![Some("2024-02-29"), None])),
        Arc::new(StringArray::from(vec!["x", "y"])),
    ];
    appender.columns_of_rows(columns).unwrap();
    assert_eq!(appender.finish().unwrap(), 2);
    assert_eq!(
        connection.query_one::<(String,)>("SELECT s FROM t WHERE d = '2024-02-29'", ()).unwrap().0,
        "x"
    );
}

#[test]
fn many_rows_are_appended_in_their_order() {
    let connection = Database::open_in_memory().unwrap().connect();
    connection.execute("CREATE TABLE t(i BIGINT, s VARCHAR)").unwrap();
    let mut appender = connection.appender("t").unwrap();
    for i in 0..150_000_i64 {
        appender.row(params![i, if i % 2 == 0 { "even" } else { "odd" }]).unwrap();
    }
    assert_eq!(appender.finish().unwrap(), 150_000);
    let sql = "SELECT count(*), bool_and(i = rowid), count(*) FILTER (WHERE s = 'odd') FROM t";
    assert_eq!(connection.query_one::<(i64, bool, i64)>(sql, ()).unwrap(), (150_000, true, 75_000));
}

#[test]
fn a_transaction_that_panics_is_undone() {
    let db = Database::open_in_memory().unwrap();
    let connection = db.connect();
    connection.execute("CREATE TABLE t(i INTEGER)").unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        connection.transaction(|c| -> fluxdb::Result<()> {
            c.execute("INSERT INTO t VALUES (1)")?;
            panic!("on purpose")
        })
    }));
    assert!(panic.is_err());
    assert_eq!(connection.query_one::<(i64,)>("SELECT count(*) FROM t", ()).unwrap().0, 0);
    let two =
        connection.transaction(|c| -> fluxdb::Result<u64> { c.execute("INSERT INTO t VALUES (1), (2)") });
    assert_eq!(two.unwrap(), 2);
    assert_eq!(db.connect().query_one::<(i64,)>("SELECT count(*) FROM t", ()).unwrap().0, 2);
}

#[test]
fn functions_of_a_program_are_functions_like_others() {
    let db = Database::open_in_memory().unwrap();
    let connection = db.connect();
    db.scalar_function("plus", |a: i64, b: i64| a + b);
    db.scalar_function("plus", |a: String, b: String| a + &b);
    db.scalar_function("or_zero", |a: Option<f64>| a.unwrap_or_default());
    let sql = "SELECT plus(range::INTEGER, 1), plus('a', 'b'), or_zero(NULL), plus(NULL, 1) FROM range(5000) ORDER BY 1 DESC LIMIT 1";
    let row: (i64, String, f64, Option<i64>) = connection.query_one(sql, ()).unwrap();
    assert_eq!(row, (5000, "ab".to_owned(), 0.0, None));
    // In a filter, a group, a join and a view; the text in any case.
    connection.execute("CREATE VIEW v AS SELECT PLUS(range, 1) AS n FROM range(10)").unwrap();
    let sql = "SELECT count(*) FROM v JOIN range(20) r ON plus(r.range, 0) = v.n WHERE plus(v.n, v.n) > 10";
    assert_eq!(connection.query_one::<(i64,)>(sql, ()).unwrap().0, 5);
    let wrong = connection.query("SELECT plus(1)").unwrap_err();
    assert_eq!(wrong.sqlstate(), "42704", "{wrong}");
    // What a closure refuses is an error of the query.
    db.column_function("bad", &[fluxdb::LogicalType::BigInt], fluxdb::LogicalType::BigInt, |_| {
        Err("no".into())
    });
    let error = connection.execute("SELECT bad(range) FROM range(3)").unwrap_err();
    assert!(error.to_string().contains("no"), "{error}");
    db.column_function("short", &[fluxdb::LogicalType::BigInt], fluxdb::LogicalType::BigInt, |args| {
        Ok(args[0].slice(0, 1))
    });
    let error = connection.execute("SELECT short(range) FROM range(3)").unwrap_err();
    assert!(error.to_string().contains("returned 1 values"), "{error}");
    // One that panics fails its query and nothing else.
    db.scalar_function("boom", |_: i64| -> i64 { panic!("on purpose") });
    assert!(connection.execute("SELECT boom(range) FROM range(3)").is_err());
    assert_eq!(connection.query_one::<(i64,)>("SELECT plus(1, 1)", ()).unwrap().0, 2);
}

#[test]
fn aggregates_of_a_program_merge_over_groups_and_threads() {
    let options = fluxdb::Options::default().threads(2).row_group_rows(2_000);
    let db = Database::open_in_memory_with(options).unwrap();
    db.aggregate_function(
        "longest",
        String::new(),
        |state, text: String| {
            if text.len() > state.len() {
                *state = text;
            }
        },
        |state, other| {
            if other.len() > state.len() {
                state.clone_from(other);
            }
        },
        |state| (!state.is_empty()).then(|| state.clone()),
    );
    let connection = db.connect();
    connection
        .execute("CREATE TABLE t AS SELECT i % 3 AS k, repeat('x', i % 100) AS s FROM range(20000) r(i)")
        .unwrap();
    let sql = "SELECT k, length(longest(s)), max(length(s)) FROM t GROUP BY k ORDER BY k";
    for (_, ours, theirs) in connection.query_as::<(i64, i64, i64)>(sql, ()).unwrap() {
        assert_eq!(ours, theirs);
    }
    let sql = "SELECT longest(s) FILTER (WHERE k > 5), longest(DISTINCT s) IS NOT NULL FROM t";
    assert_eq!(connection.query_one::<(Option<String>, bool)>(sql, ()).unwrap(), (None, true));
    // Running, in partitions, and over frames that move.
    for over in [
        "ORDER BY i",
        "PARTITION BY i % 7 ORDER BY i",
        "ORDER BY i ROWS BETWEEN 3 PRECEDING AND 2 FOLLOWING",
        "PARTITION BY i % 3",
    ] {
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE ours IS NOT DISTINCT FROM theirs) FROM (
                 SELECT length(longest(s) OVER ({over})) AS ours, nullif(max(length(s)) OVER ({over}), 0) AS theirs
                 FROM (SELECT i, repeat('x', i * 7919 % 100) AS s FROM range(3000) r(i)))"
        );
        assert_eq!(connection.query_one::<(i64, i64)>(&sql, ()).unwrap(), (3000, 3000), "{over}");
    }
}

#[test]
fn tables_of_a_program_are_seen_by_all_connections_and_hidden_by_the_files() {
    let db = Database::open_in_memory().unwrap();
    let batch = |values: Vec<i64>| {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(values)) as _)]).unwrap()
    };
    db.register_batches("Numbers", vec![batch(vec![1, 2]), batch(vec![3])]).unwrap();
    let sum = |sql: &str| db.connect().query_one::<(i64,)>(sql, ()).map(|r| r.0);
    assert_eq!(sum("SELECT sum(a.n * b.n) FROM numbers a, NUMBERS b WHERE a.n > 1").unwrap(), 30);
    db.register_batches("numbers", vec![batch(vec![10])]).unwrap();
    assert_eq!(sum("SELECT sum(n) FROM numbers").unwrap(), 10);
    db.connect().execute("CREATE TABLE numbers AS SELECT 7 AS n").unwrap();
    assert_eq!(sum("SELECT sum(n) FROM numbers").unwrap(), 7);
    assert!(db.register_batches("none", vec![]).is_err());
}

#[test]
fn a_prepared_statement_sees_what_changes_between() {
    let connection = Database::open_in_memory().unwrap().connect();
    connection.execute("CREATE TABLE t(i INTEGER)").unwrap();
    let count = connection.prepare("SELECT count(*) FROM t WHERE i >= $least").unwrap();
    assert_eq!(count.query_one::<(i64,)>(params! { least: 0 }).unwrap().0, 0);
    connection.execute("INSERT INTO t VALUES (1), (2)").unwrap();
    assert_eq!(count.query_one::<(i64,)>(params! { least: 2 }).unwrap().0, 1);
    connection.execute("DROP TABLE t; CREATE TABLE t(i VARCHAR)").unwrap();
    connection.execute("INSERT INTO t VALUES ('b')").unwrap();
    assert_eq!(count.query_one::<(i64,)>(params! { least: "a" }).unwrap().0, 1);
    assert!(count.query(params! { most: 1 }).is_err());
    assert!(count.query(()).is_err());
    assert!(connection.prepare("SELEC").is_err());
}

#[test]
fn errors_have_codes_places_and_hints() {
    let connection = Database::open_in_memory().unwrap().connect();
    connection.execute("CREATE TABLE weather(degrees DOUBLE NOT NULL, i INTEGER PRIMARY KEY)").unwrap();
    let error = |sql: &str| connection.execute(sql).unwrap_err();
    let e = error("SELECT *\nFROM wether");
    assert_eq!(e.sqlstate(), "42704");
    assert_eq!(e.position().map(|p| (p.line, p.column)), Some((2, 6)));
    assert!(e.message().contains("wether"), "{e}");
    assert_eq!(error("SELECT 1 +").sqlstate(), "42601");
    assert_eq!(error("INSERT INTO weather VALUES (NULL, 1)").sqlstate(), "23000");
    assert_eq!(error("INSERT INTO weather VALUES (1, 1), (1, 1)").sqlstate(), "23000");
    assert_eq!(error("SELECT (range + 9223372036854775807) * 2 FROM range(2)").sqlstate(), "22003");
    assert_eq!(error("COMMIT").sqlstate(), "25000");
}

#[test]
fn no_panic_crosses_the_library() {
    let db = Database::open_in_memory().unwrap();
    let connection = db.connect();
    db.scalar_function("boom", |n: i64| -> i64 {
        if n == 3 { panic!("on purpose") } else { n }
    });
    db.table_function("burst", |_| panic!("while it is planned"));
    connection.execute("CREATE TABLE t AS SELECT range AS i FROM range(10)").unwrap();
    for sql in ["SELECT boom(3)", "SELECT boom(i) FROM t", "UPDATE t SET i = boom(i)", "FROM burst()"] {
        let error = connection.execute(sql).unwrap_err();
        assert_eq!(error.sqlstate(), "XX000", "{sql}: {error}");
        assert!(error.to_string().contains("panicked: "), "{sql}: {error}");
    }
    assert!(connection.prepare("FROM burst()").unwrap().query(()).is_err());
    // It is undone like any other failure, and both connection and database go on.
    connection.execute("BEGIN; INSERT INTO t VALUES (10)").unwrap();
    assert!(connection.execute("UPDATE t SET i = boom(i)").is_err());
    assert!(connection.execute("SELECT 1").is_err(), "the transaction failed");
    connection.execute("ROLLBACK").unwrap();
    assert_eq!(
        connection.query_one::<(i64, i64)>("SELECT count(*), sum(i)::BIGINT FROM t", ()).unwrap(),
        (10, 45)
    );
    db.connect().execute("INSERT INTO t VALUES (10)").unwrap();
}

#[test]
fn structs_derive_what_makes_them_of_rows() {
    use fluxdb::{FromRow, FromValue};

    #[derive(FromRow)]
    struct Reading<T> {
        station: String,
        r#type: Option<String>,
        #[fluxdb(rename = "max(degrees)")]
        most: T,
        #[fluxdb(default)]
        remark: String,
        #[fluxdb(default)]
        rank: u8,
        #[fluxdb(skip)]
        seen: bool,
    }

    #[derive(FromRow)]
    struct Pair(i32, f64);

    let connection = Database::open_in_memory().unwrap().connect();
    let sql = "SELECT 'harbour' AS Station, NULL AS type, max(degrees), NULL AS remark \
               FROM (VALUES (71.9), (72.4)) v(degrees)";
    let reading: Reading<f64> = connection.query_one(sql, ()).unwrap();
    assert_eq!((reading.station.as_str(), reading.most, reading.r#type), ("harbour", 72.4, None));
    assert_eq!((reading.remark.as_str(), reading.rank, reading.seen), ("", 0, false));
    let exact: Reading<String> = connection.query_one(sql, ()).unwrap();
    assert_eq!(exact.most, "72.4");
    let pair: Pair = connection.query_one("SELECT 1 AS a, 2.5 AS b", ()).unwrap();
    assert_eq!((pair.0, pair.1), (1, 2.5));
    let error = connection.query_one::<Reading<f64>>("SELECT 1 AS station", ()).err().unwrap();
    assert!(error.to_string().contains("type"), "{error}");
    fn from_anything<T: FromValue>(_: T) {}
    from_anything(1_i32);
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let directory = Directory::new();
    let db = Database::open(directory.path().join("t.flux")).unwrap();
    let connection = db.connect();
    connection.execute("CREATE TABLE t AS SELECT i FROM range(5000) t(i)").unwrap();
    for i in 0..10 {
        connection.execute(&format!("INSERT INTO t VALUES ({i})")).unwrap();
    }
    let before = db.snapshot();
    let other = before.connect();
    connection.execute("DELETE FROM t WHERE i >= 100").unwrap();
    connection.execute("ALTER TABLE t ADD COLUMN j INTEGER").unwrap();
    connection.execute("VACUUM").unwrap();
    let sum = |connection: &fluxdb::Connection| {
        connection.query_one::<(i64,)>("SELECT sum(i)::BIGINT FROM t", ()).unwrap().0
    };
    assert_eq!((sum(&other), sum(&before.connect()), sum(&connection)), (12_497_545, 12_497_545, 4995));
    other.execute("BEGIN").unwrap();
    assert_eq!(sum(&other), 12_497_545);
    for sql in ["INSERT INTO t VALUES (1)", "DROP TABLE t", "CREATE TABLE u(i INTEGER)"] {
        let error = before.connect().execute(sql).unwrap_err().to_string();
        assert!(error.contains("Cannot write to a snapshot"), "{error}");
    }
    // What is temporary is the connection's own.
    let own = before.connect();
    own.execute("CREATE TEMP TABLE first AS SELECT * FROM t LIMIT 10").unwrap();
    assert_eq!(own.query_one::<(i64,)>("SELECT count(*) FROM first", ()).unwrap().0, 10);
    drop((own, other, before));
    connection.execute("VACUUM").unwrap();
    assert!(db.check().is_sound());
}

#[test]
fn most_of_a_table_deleted_is_most_of_the_file_given_back() {
    let directory = Directory::new();
    for last in ["VACUUM", "CHECKPOINT"] {
        let path = directory.path().join(format!("{last}.flux"));
        let db = Database::open(&path).unwrap();
        let connection = db.connect();
        connection
            .execute(
                "CREATE TABLE t AS SELECT i, hash(i) AS h, 'text ' || hash(i) AS s FROM range(400000) t(i)",
            )
            .unwrap();
        connection.execute("CHECKPOINT").unwrap();
        let full = std::fs::metadata(&path).unwrap().len();
        connection.execute("DELETE FROM t WHERE i % 10 <> 3").unwrap();
        // One checkpoint moves what the next gives back.
        let times = if last == "VACUUM" { 1 } else { 4 };
        (0..times).for_each(|_| connection.execute(last).map(drop).unwrap());
        let sum = connection.query_one::<(i64, i64)>("SELECT count(*), sum(i)::BIGINT FROM t", ()).unwrap();
        assert_eq!(sum, (40_000, 7_999_920_000));
        assert!(db.check().is_sound());
        // While the database is open, its log has a megabyte of its own.
        drop((connection, db));
        let left = std::fs::metadata(&path).unwrap().len();
        assert!(left < full * 3 / 20, "{last}: {left} of {full} bytes are left");
    }
}

/// Types and lists of columns that a short statement makes very deep or very wide: once the first overflowed the stack, and
/// the second took all memory.
#[test]
fn types_nest_and_rows_widen_only_so_far() {
    let connection = Database::open_in_memory().unwrap().connect();
    let error = |sql: &str| connection.execute(sql).unwrap_err().to_string();
    let too_deep = "a type nests deeper than 250 levels";
    assert!(error(&format!("SELECT NULL::INT{}", "[]".repeat(10_000))).contains(too_deep));
    assert!(error(&format!("CREATE TABLE t(a INT{})", "[3]".repeat(10_000))).contains(too_deep));
    let lists = |i: u32| {
        let (open, close) = ("[".repeat(200), "]".repeat(200));
        format!("a{i} AS (SELECT {open}x{close} AS x FROM a{})", i - 1)
    };
    let chain: Vec<String> = (1..100).map(lists).collect();
    let chain = format!("WITH a0 AS (SELECT 1 AS x), {} SELECT x FROM a99", chain.join(", "));
    assert!(error(&chain).contains(too_deep));
    connection.execute(&format!("SELECT NULL::INT{}", "[]".repeat(250))).unwrap();

    let pairs: Vec<String> =
        (1..60).map(|i| format!("a{i} AS (SELECT * FROM a{0} x, a{0} y)", i - 1)).collect();
    let wide = format!("WITH a0 AS (SELECT 1), {} SELECT count(*) FROM a59", pairs.join(", "));
    assert!(error(&wide).contains("262144 columns are too many"));
}
