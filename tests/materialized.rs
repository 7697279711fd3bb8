//! Materialized views against their queries, whatever happens to what they read.

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;

use fluxdb::{Connection, Database, Options};

use directory::Directory;

/// A few numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Queries that can be made anew by buckets, and one that cannot.
const VIEWS: &[(&str, &str)] = &[
    ("by_minute", "SELECT host, sum(v), count(*) AS n, max(v), count(v) FROM m GROUP BY host EVERY 1m"),
    ("by_day", "SELECT count(*) AS n, min(v) FROM m EVERY 1d TZ 'Europe/Berlin'"),
    (
        "by_function",
        "SELECT date_trunc('hour', time) AS h, host, sum(v) AS s FROM m WHERE v % 3 <> 0 GROUP BY ALL",
    ),
    (
        "by_month",
        "SELECT time_bucket(INTERVAL 1 MONTH, time) AS t, count(*) FROM m GROUP BY t HAVING count(*) > 2",
    ),
    ("no_buckets", "SELECT host, count(*) AS n FROM m GROUP BY host"),
    ("of_view", "SELECT host, sum(n) AS n FROM by_minute GROUP BY host EVERY 1h"),
];

fn agree(connection: &Connection, what: &str) {
    for (name, query) in VIEWS {
        let differing = format!(
            "SELECT count(*) FROM ((FROM {name} EXCEPT ALL ({query})) UNION ALL (({query}) EXCEPT ALL FROM {name}))"
        );
        let (count,): (i64,) = connection.query_one(&differing, ()).unwrap();
        assert_eq!(count, 0, "{name} after {what}");
    }
}

/// Queries that a view may answer.
const QUERIES: &[&str] = &[
    "SELECT host, sum(v), count(*), max(v), avg(v) FROM m GROUP BY host EVERY 1h",
    "SELECT sum(v), count(*) FROM m WHERE host IN ('h1', 'h2', 'late')",
    "SELECT count(*), max(v) FROM m WHERE time >= '2026-03-02' AND time < '2026-03-05 12:00:00' EVERY 15m",
    "SELECT count(*), max(v) FROM m WHERE time >= '2026-03-02 00:00:30' EVERY 15m",
    "SELECT upper(host) AS h, avg(v) AS a FROM m GROUP BY ALL",
    "SELECT time_bucket(INTERVAL 1 MONTH, time) AS t, max(v) FROM m GROUP BY t",
    "SELECT date_trunc('day', time) AS t, sum(v) FROM m WHERE v % 3 <> 0 AND host <> 'h3' GROUP BY t",
    "SELECT host, (SELECT sum(v) FROM m n WHERE n.host = m.host) FROM m GROUP BY host",
    "SELECT min(v) FROM m GROUP BY host EVERY 1m",
];

/// Whatever state the views are in, queries that they answer have the answers that the table gives.
fn answers_agree(connection: &Connection, what: &str) {
    for query in QUERIES {
        let rows = |optimizer: &str| {
            connection.execute(optimizer).unwrap();
            let sql = format!("SELECT q::VARCHAR FROM ({query}) q ORDER BY 1");
            connection.query_as::<(String,)>(&sql, ()).unwrap()
        };
        let (with, without) = (rows("PRAGMA enable_optimizer"), rows("PRAGMA disable_optimizer"));
        connection.execute("PRAGMA enable_optimizer").unwrap();
        assert_eq!(with, without, "{query} after {what}");
    }
}

#[test]
fn views_are_what_their_queries_are() {
    for seed in 1..=3 {
        let dir = Directory::new();
        let path = dir.path().join("m.flux");
        let open = || {
            Database::open_with(&path, Options::default().row_group_rows(2048).maintenance(false)).unwrap()
        };
        let mut db = open();
        let mut connection = db.connect();
        connection.execute("CREATE TABLE m(time TIMESTAMP, host VARCHAR, v INTEGER)").unwrap();
        for (name, query) in VIEWS {
            let with = "WITH (refresh = '1h')";
            connection.execute(&format!("CREATE MATERIALIZED VIEW {name} {with} AS {query}")).unwrap();
        }
        let mut random = Random(u64::wrapping_mul(seed, 0x9E37_79B9_7F4A_7C15));
        for step in 0..40 {
            let (start, rows) = (random.below(200), 1 + random.below(3000));
            let statement = match random.below(10) {
                0..4 => format!(
                    "INSERT INTO m SELECT TIMESTAMP '2026-03-01' + INTERVAL 1 HOUR * {start} + INTERVAL 7 SECOND * i, 'h' || (i % 5), i FROM range({rows}) r(i)"
                ),
                4 => format!(
                    "INSERT INTO m VALUES (TIMESTAMP '2026-03-01' + INTERVAL 1 MINUTE * {rows}, 'late', {start})"
                ),
                5 => format!("DELETE FROM m WHERE v % 50 = {}", start % 50),
                6 => format!(
                    "UPDATE m SET v = v + 1, time = time + INTERVAL 1 DAY WHERE v % 97 = {}",
                    start % 97
                ),
                7 => "CHECKPOINT".to_owned(),
                8 if start % 4 == 0 => {
                    format!("INSERT INTO m VALUES (NULL, 'no time', {start}), ('infinity', 'never', 1)")
                }
                8 => "DELETE FROM m WHERE time IS NULL OR NOT isfinite(time)".to_owned(),
                _ => {
                    drop((connection, db));
                    db = open();
                    connection = db.connect();
                    "SELECT 1".to_owned()
                }
            };
            connection.execute(&statement).unwrap();
            if step % 3 == 0 {
                answers_agree(&connection, &format!("step {step} of seed {seed}: {statement}"));
            }
            if random.below(2) == 0 {
                connection.execute("CALL maintain()").unwrap();
                agree(&connection, &format!("step {step} of seed {seed}: {statement}"));
            }
        }
        // What was not sealed at the first counts as changed at the second, and is sealed by then.
        connection.execute("CALL maintain(); CALL maintain()").unwrap();
        assert_eq!(connection.execute("CALL maintain()").unwrap(), 0, "nothing has changed");
        assert!(db.check().findings.is_empty());
    }
}

/// A view keeps the buckets of what has expired, whatever comes late.
#[test]
fn what_expires_stays_in_the_view() {
    let db = Database::open_in_memory_with(Options::default().maintenance(false)).unwrap();
    let connection = db.connect();
    connection
        .execute(
            "CREATE TABLE m(time TIMESTAMP, v INTEGER);
             INSERT INTO m SELECT date_trunc('hour', now()::TIMESTAMP) - INTERVAL 1 HOUR * i, i FROM range(1, 101) r(i);
             CREATE MATERIALIZED VIEW by_hour AS SELECT count(*) AS n FROM m EVERY 1h WITH (refresh = '1h');
             ALTER TABLE m SET RETENTION '2d';
             CALL maintain();",
        )
        .unwrap();
    let counts = || -> (i64, i64) {
        connection
            .query_one("SELECT (SELECT count(*) FROM m), (SELECT sum(n) FROM by_hour)::BIGINT", ())
            .unwrap()
    };
    let (left, kept) = counts();
    assert!((47..=48).contains(&left) && kept == 100, "{left} {kept}");
    // Too late: it expires without having been seen. Not too late: it is counted.
    connection
        .execute(
            "INSERT INTO m VALUES (now()::TIMESTAMP - INTERVAL 90 HOUR, 1), (now()::TIMESTAMP - INTERVAL 10 HOUR, 1);
             CALL maintain(); CALL maintain();",
        )
        .unwrap();
    assert_eq!(counts(), (left + 1, 101));
    connection.execute("ALTER TABLE by_hour SET (retention = '3d'); CALL maintain()").unwrap();
    let (_, kept) = counts();
    assert!((71..=74).contains(&kept), "{kept}");
}

/// The thread does by itself what CALL maintain() does.
#[test]
fn views_refresh_by_themselves() {
    let dir = Directory::new();
    let path = dir.path().join("m.flux");
    let db = Database::open(&path).unwrap();
    let connection = db.connect();
    connection
        .execute(
            "CREATE TABLE m(time TIMESTAMP, v INTEGER);
             CREATE MATERIALIZED VIEW by_hour AS SELECT count(*) AS n FROM m EVERY 1h WITH (refresh = '1s');
             INSERT INTO m VALUES ('2026-01-01', 1);",
        )
        .unwrap();
    let wait_for = |connection: &Connection, wanted: i64| {
        for _ in 0..600 {
            let (count,): (i64,) =
                connection.query_one("SELECT coalesce(sum(n), 0)::BIGINT FROM by_hour", ()).unwrap();
            if count == wanted {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the view was not refreshed to {wanted}");
    };
    wait_for(&connection, 1);
    // Closing ends the thread; another begins when the file is opened.
    drop((connection, db));
    let db = Database::open(&path).unwrap();
    let connection = db.connect();
    connection.execute("INSERT INTO m VALUES ('2026-01-02', 1)").unwrap();
    wait_for(&connection, 2);
}

/// Which table the plan of a query reads.
fn reads(connection: &Connection, query: &str) -> String {
    let rows: Vec<(String, String)> = connection.query_as(&format!("EXPLAIN {query}"), ()).unwrap();
    rows.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn coarse_queries_read_the_view() {
    let db = Database::open_in_memory_with(Options::default().maintenance(false)).unwrap();
    let connection = db.connect();
    connection
        .execute(
            "CREATE TABLE m(time TIMESTAMP, host VARCHAR, v INTEGER);
             INSERT INTO m SELECT TIMESTAMP '2026-01-01' + INTERVAL 1 SECOND * i, 'h' || (i % 3), i FROM range(20000) r(i);
             CREATE MATERIALIZED VIEW fine AS SELECT sum(v), count(v), min(v) FROM m GROUP BY host EVERY 1m WITH (refresh = '1m');",
        )
        .unwrap();
    let whole = "SELECT host, avg(v), min(v) FROM m GROUP BY host EVERY 1h";
    assert!(reads(&connection, whole).contains("fine"), "{}", reads(&connection, whole));
    for other in [
        "SELECT max(v) FROM m EVERY 1h",
        "SELECT min(v) FROM m EVERY 90s",
        "SELECT min(v) FROM m WHERE v > 5 EVERY 1h",
        "SELECT min(v) FROM m WHERE time > '2026-01-01 00:00:30' EVERY 1h",
        "SELECT sum(DISTINCT v) FROM m EVERY 1h",
        "SELECT min(v) FILTER (v > 5) FROM m EVERY 1h",
    ] {
        assert!(!reads(&connection, other).contains("fine"), "{other}");
    }
    // Points that came since are read from the table, and only they.
    connection.execute("INSERT INTO m VALUES ('2026-01-01 00:00:30', 'h0', 1000000)").unwrap();
    assert!(reads(&connection, whole).contains("fine"));
    let (max,): (f64,) = connection
        .query_one("SELECT a FROM (SELECT avg(v) AS a FROM m WHERE host = 'h0' EVERY 1d)", ())
        .unwrap();
    let (plain,): (f64,) =
        connection.query_one("SELECT avg(v) FROM m WHERE host = 'h0' AND v + 0 = v", ()).unwrap();
    assert!((max - plain).abs() < 1e-9, "{max} {plain}");
}

/// Buckets by the clock of a zone are whole buckets of a view of UTC where the clock's distance to UTC is.
#[test]
fn queries_by_a_clock_read_the_view() {
    let db = Database::open_in_memory_with(Options::default().maintenance(false)).unwrap();
    let connection = db.connect();
    connection
        .execute(
            "CREATE TABLE m(time TIMESTAMP, v INTEGER);
             INSERT INTO m SELECT TIMESTAMP '2025-12-30' + INTERVAL 5 MINUTE * i, i FROM range(120000) r(i);
             CREATE MATERIALIZED VIEW hours AS SELECT sum(v), count(v) FROM m EVERY 1h;
             CREATE TABLE h AS SELECT time, v + 1 AS v FROM m;
             CREATE MATERIALIZED VIEW halves AS SELECT sum(v), count(v) FROM h EVERY 30m;
             CREATE TABLE n AS SELECT time::TIMESTAMP_NS AS time, v FROM m;
             CREATE MATERIALIZED VIEW of_nanos AS SELECT sum(v), count(v) FROM n EVERY 1h;
             CREATE TABLE d AS SELECT * FROM m;
             CREATE MATERIALIZED VIEW daily AS SELECT sum(v), count(v) FROM d EVERY 1d TZ 'America/Havana';
             CREATE TABLE old AS SELECT time - INTERVAL 140 YEAR AS time, v FROM m;
             CREATE MATERIALIZED VIEW old_hours AS SELECT sum(v), count(v) FROM old EVERY 1h;",
        )
        .unwrap();
    for (table, view, zone, is_read) in [
        ("m", "hours", "Europe/Berlin", true),
        ("m", "hours", "America/New_York", true),
        ("m", "hours", "Asia/Kolkata", false),
        ("m", "hours", "Australia/Lord_Howe", false),
        ("h", "halves", "Asia/Kolkata", true),
        ("h", "halves", "Australia/Lord_Howe", true),
        ("h", "halves", "Asia/Kathmandu", false),
        ("n", "of_nanos", "America/Sao_Paulo", true),
        ("d", "daily", "America/Havana", true),
        ("d", "daily", "Europe/Berlin", false),
        ("old", "old_hours", "Europe/Berlin", false),
        ("old", "old_hours", "UTC", true),
    ] {
        let widths: &[&str] =
            if table == "d" { &["2d", "1w", "1mo"] } else { &["6h", "1d", "1w OFFSET 6h", "1mo"] };
        for width in widths {
            let query = format!("SELECT sum(v), avg(v) FROM {table} EVERY {width} TZ '{zone}'");
            let plan = reads(&connection, &query);
            assert_eq!(plan.contains(view), is_read, "{query}: {plan}");
            let rows = || -> Vec<(String, i64, f64)> {
                let query =
                    format!("SELECT time::VARCHAR, s::BIGINT, a FROM ({query}) t(time, s, a) ORDER BY time");
                connection.query_as(&query, ()).unwrap()
            };
            let from_view = rows();
            connection.execute("PRAGMA disable_optimizer").unwrap();
            assert_eq!(from_view, rows(), "{query}");
            connection.execute("PRAGMA enable_optimizer").unwrap();
        }
    }
}
