//! `EXPLAIN ANALYZE`: its parts add up, and say what was skipped and why.

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;

use fluxdb::{Connection, Database, Options, ValueWriter};

use directory::Directory;

/// The one value, as text, in the first row of that column.
fn text(connection: &Connection, sql: &str, column: usize) -> String {
    let mut rows = connection.query(sql).unwrap();
    let ty = rows.columns()[column].ty.clone();
    let batch = rows.next_batch().unwrap().unwrap();
    let mut out = String::new();
    ValueWriter::new(&batch.columns[column], &ty).unwrap().write(0, &mut out);
    out
}

fn number(connection: &Connection, json: &str, path: &str) -> f64 {
    let sql = format!("SELECT json_extract($json$ {json} $json$, '{path}')");
    text(connection, &sql, 0).parse().unwrap_or_else(|e| panic!("{path}: {e} in {json}"))
}

/// The sum of a field over an operator of the JSON and all below it.
fn sum(connection: &Connection, json: &str, at: &str, field: &str) -> f64 {
    let mut total = number(connection, json, &format!("{at}.{field}"));
    let inputs = number_of(connection, json, &format!("{at}.children"));
    for input in 0..inputs {
        total += sum(connection, json, &format!("{at}.children[{input}]"), field);
    }
    total
}

fn number_of(connection: &Connection, json: &str, path: &str) -> usize {
    let sql = format!("SELECT json_array_length(json_extract($json$ {json} $json$, '{path}'))");
    text(connection, &sql, 0).parse().unwrap()
}

fn database() -> Connection {
    let options = Options::default().row_group_rows(10_000);
    let connection = Database::open_in_memory_with(options).unwrap().connect();
    connection
        .execute(
            "CREATE TABLE t AS SELECT i, i % 100 AS k, 'word ' || i % 7 AS w FROM range(100000) r(i);
             CREATE TABLE names AS SELECT k, 'name ' || k AS name FROM range(100) r(k)",
        )
        .unwrap();
    connection
}

#[test]
fn the_parts_add_up() {
    let connection = database();
    for threads in [1, 2] {
        connection.execute(&format!("SET threads = {threads}")).unwrap();
        for query in [
            "SELECT name, count(*), sum(i), max(w) FROM t JOIN names USING (k) GROUP BY name ORDER BY 3 DESC",
            "SELECT w, i, row_number() OVER (PARTITION BY w ORDER BY i DESC) FROM t QUALIFY row_number() OVER (PARTITION BY w ORDER BY i) < 3",
            "SELECT i FROM t WHERE k = 7 AND w LIKE '%3' ORDER BY i LIMIT 5",
        ] {
            let sql = format!("EXPLAIN (ANALYZE, FORMAT json) {query}");
            let json = text(&connection, &sql, 1);
            let (work, clock) =
                (number(&connection, &json, "$.cpu_time"), number(&connection, &json, "$.latency"));
            let own = sum(&connection, &json, "$.children[0]", "timing");
            assert!((own - work).abs() < 1e-6, "{own} of {work}: {json}");
            let top = number(&connection, &json, "$.children[0].total_timing");
            assert!((top - work).abs() < 1e-6, "{json}");
            // One thread cannot work for longer than the clock runs; and what it does is mostly in some operator.
            if threads == 1 {
                assert!(work <= clock && work > clock / 4.0, "{work} of {clock}: {json}");
            }
        }
    }
}

#[test]
fn scans_say_what_they_skipped_and_why() {
    let connection = database();
    let sql = "EXPLAIN (ANALYZE, FORMAT json) SELECT max(w) FROM t WHERE i >= 42000 AND i < 43000";
    let json = text(&connection, sql, 1);
    let mut at = "$.children[0]".to_owned();
    while number_of(&connection, &json, &format!("{at}.children")) > 0 {
        at.push_str(".children[0]");
    }
    let of = |field: &str| number(&connection, &json, &format!("{at}.scan.{field}"));
    assert_eq!(of("row_groups"), 10.0);
    assert_eq!(of("row_groups_read"), 1.0);
    assert_eq!(of("row_groups_refuted.\"i >= 42000\"") + of("row_groups_refuted.\"i < 43000\""), 9.0);
    // 10,000 rows are five blocks; those from 42,000 to 43,000 lie in the first two.
    assert_eq!(of("blocks"), 5.0);
    assert_eq!(of("blocks_refuted.\"i >= 42000\"") + of("blocks_refuted.\"i < 43000\""), 3.0);
    assert_eq!(of("rows"), 4096.0);
    assert_eq!(of("decoded.dictionary.blocks"), 2.0);
    assert!(of("decoded.dictionary.bytes") > 0.0);
    let tree = text(&connection, &sql.replace("(ANALYZE, FORMAT json)", "ANALYZE"), 1);
    assert!(tree.contains("row groups: 1 read of 10, 9 skipped, 0 not asked for"), "{tree}");
    assert!(tree.contains("i >= 42000: least and greatest values rule out"), "{tree}");
    // Texts are few: a condition is compared with the dictionary, not with the rows.
    let json =
        text(&connection, "EXPLAIN (ANALYZE, FORMAT json) SELECT count(*) FROM t WHERE w = 'word 3'", 1);
    assert!(json.contains("\"dictionary_filters\": 50"), "{json}");
    connection
        .execute("CREATE TABLE n AS SELECT CASE WHEN i < 90000 THEN i END AS i FROM range(100000) r(i)")
        .unwrap();
    let tree =
        text(&connection, "EXPLAIN ANALYZE SELECT count(*) FROM n WHERE i IS NULL AND i + 1 IS NULL", 1);
    assert!(tree.contains("i IS NULL: numbers of NULLs rule out 9 row groups, 0 blocks"), "{tree}");
}

/// What each scan of a plan says.
#[cfg(feature = "json")]
fn scans(json: &str) -> Vec<serde_json::Value> {
    fn walk(operator: &serde_json::Value, out: &mut Vec<serde_json::Value>) {
        out.extend(operator.get("scan").cloned());
        operator["children"].as_array().into_iter().flatten().for_each(|child| walk(child, out));
    }
    let mut out = vec![];
    walk(&serde_json::from_str(json).unwrap(), &mut out);
    out
}

/// Of every scan: what was read, what was skipped and why, and what was not asked for, are all that there is; in all
/// three renderings.
#[cfg(feature = "json")]
#[test]
fn what_scans_say_adds_up() {
    let connection = database();
    connection.execute("CREATE TABLE n AS SELECT CASE WHEN i % 30000 < 15000 THEN i END AS i, 'w' || i % 5 AS w, i * 0.5::DOUBLE AS d FROM range(100000) r(i); DELETE FROM n WHERE d < 500").unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for threads in [1, 2] {
        connection.execute(&format!("SET threads = {threads}")).unwrap();
        for query in [
            "SELECT max(w) FROM t WHERE i >= 42000 AND i < 43000",
            "SELECT count(*), max(d) FROM n WHERE i IS NULL AND w = 'w3'",
            "SELECT count(*) FROM n WHERE i IS NOT NULL AND d BETWEEN 20000 AND 21000 AND w <> 'w1'",
            "SELECT w FROM t WHERE k = 7 LIMIT 5",
            "SELECT i FROM t ORDER BY i LIMIT 3",
            "SELECT count(*) FROM t JOIN n ON t.i = n.i WHERE n.d < 700",
            "SELECT w, sum(i) FROM t WHERE i < 0 GROUP BY w",
        ] {
            let json = text(&connection, &format!("EXPLAIN (ANALYZE, FORMAT json) {query}"), 1);
            let tree = text(&connection, &format!("EXPLAIN ANALYZE {query}"), 1);
            let html = text(&connection, &format!("EXPLAIN (ANALYZE, FORMAT html) {query}"), 1);
            for scan in scans(&json) {
                let of = |name: &str| scan[name].as_u64().unwrap_or_else(|| panic!("{name}: {json}"));
                let all = |name: &str| -> u64 {
                    scan[name].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
                };
                let (groups, blocks) = (all("row_groups_refuted"), all("blocks_refuted"));
                let done = of("row_groups_read") + groups + of("row_groups_unwanted");
                assert!(done + of("row_groups_not_asked_for") == of("row_groups"), "{query}: {json}");
                assert!(of("row_groups_not_asked_for") == 0 || query.contains("LIMIT"), "{query}: {json}");
                assert!(
                    all("row_groups_refuted_by_nulls") <= groups && all("blocks_refuted_by_nulls") <= blocks
                );
                let looked_at = of("rows").div_ceil(2048);
                let skipped = blocks + of("blocks_unwanted");
                assert!(looked_at + skipped <= of("blocks"), "{query}: {json}");
                assert!(looked_at + skipped == of("blocks") || query.contains("LIMIT"), "{query}: {json}");
                let decoded = scan["decoded"].as_object().unwrap();
                let bytes: u64 = decoded.values().map(|codec| codec["bytes"].as_u64().unwrap()).sum();
                assert_eq!(bytes, of("bytes_decoded"), "{query}: {json}");
                // A thread more or less may be late, so that numbers differ from run to run: words do not.
                for (what, there) in [
                    ("row groups: ", true),
                    ("blocks: ", of("blocks") > 0),
                    ("decoded: ", bytes > 0),
                    ("dictionaries: ", of("dictionary_filters") > 0),
                    ("least and greatest values rule out", {
                        groups + blocks > all("row_groups_refuted_by_nulls") + all("blocks_refuted_by_nulls")
                    }),
                    ("numbers of NULLs rule out", {
                        all("row_groups_refuted_by_nulls") + all("blocks_refuted_by_nulls") > 0
                    }),
                ] {
                    if there {
                        seen.insert(what);
                        assert!(tree.contains(what), "{query}, {what}: {tree}");
                        assert!(html.contains(what), "{query}, {what}: {html}");
                    }
                }
            }
        }
    }
    assert_eq!(seen.len(), 6, "something was never there: {seen:?}");
}

#[test]
fn values_are_shown_as_in_results() {
    let connection = database();
    connection
        .execute(
            "CREATE TABLE kinds(at TIMESTAMP, day DATE, clock TIME, zoned TIMESTAMPTZ, mood ENUM('low', 'high'));
             INSERT INTO kinds VALUES (now()::TIMESTAMP, today(), '12:00', now(), 'low')",
        )
        .unwrap();
    for (condition, shown) in [
        ("at > '2026-01-01 01:00:00'", "at > '2026-01-01 01:00:00'::TIMESTAMP"),
        ("day = '2026-01-01'", "day = '2026-01-01'"),
        ("clock < '08:30'", "clock < '08:30:00'::TIME"),
        ("zoned >= '2026-01-01 00:00:00+00'", "'2026-01-01 00:00:00+00'::TIMESTAMP WITH TIME ZONE"),
        ("at + to_days(mood::VARCHAR::INTEGER) > day + INTERVAL 90 MINUTE", "'01:30:00'::INTERVAL"),
    ] {
        let plan = text(&connection, &format!("EXPLAIN SELECT * FROM kinds WHERE {condition}"), 1);
        assert!(plan.contains(shown), "{shown}: {plan}");
    }
}

#[test]
fn profiles_are_kept_and_slow_statements_logged() {
    let connection = database();
    let dir = Directory::new();
    let (log, profile) = (dir.path().join("slow.jsonl"), dir.path().join("profile.json"));
    let set = |name: &str, value: &str| connection.execute(&format!("SET {name} = '{value}'")).unwrap();
    set("slow_query_log", log.to_str().unwrap());
    set("slow_query_threshold", "1h");
    set("profile", "json");
    set("profile_output", profile.to_str().unwrap());
    connection.execute("SELECT sum(i) FROM t WHERE w = 'word 3'").unwrap();
    let written = std::fs::read_to_string(&profile).unwrap();
    assert_eq!(connection.last_profile().as_deref(), Some(written.as_str()));
    assert!(number(&connection, &written, "$.cpu_time") > 0.0, "{written}");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "", "nothing takes an hour");
    connection.execute("SET profile = 'off'; SET slow_query_threshold = '0ms'").unwrap();
    connection.execute("SELECT 'it''s \"quoted\"' FROM t").unwrap();
    assert!(connection.execute("SELECT error('no\nline')").is_err());
    connection.execute("SET slow_query_log = ''").unwrap();
    assert_eq!(connection.last_profile(), None);
    // The log is a file that the database reads.
    let sql = "SELECT state, rows, sql, error FROM read_json(?) WHERE sql LIKE 'SELECT%' ORDER BY id";
    let logged: Vec<(String, i64, String, Option<String>)> =
        connection.query_as(sql, (log.to_str().unwrap(),)).unwrap();
    assert_eq!(logged[0].0, "done");
    assert_eq!((logged[0].1, logged[0].2.as_str()), (100_000, "SELECT 'it''s \"quoted\"' FROM t"));
    assert_eq!(logged[1].0, "failed");
    assert!(logged[1].3.as_ref().unwrap().contains("no\nline"), "{logged:?}");
}

#[test]
fn running_statements_show_memory_and_spill() {
    let db = fluxdb::Database::open_in_memory().unwrap();
    let (work, watch) = (db.connect(), db.connect());
    work.execute("SET memory_limit = '8MB'; SET threads = 1").unwrap();
    let sql = "SELECT range, 'a text ' || range AS t FROM range(400000) ORDER BY hash(range)";
    let mut rows = work.query(sql).unwrap();
    // The sort is done, its runs lie in the temporary file, and the rest of the rows is still to come.
    assert!(rows.next().unwrap().is_ok());
    let of = "SELECT state, bytes_spilled, memory_peak, rows FROM flux_queries() WHERE sql LIKE '%ORDER BY hash%' \
              AND sql NOT LIKE '%flux%'";
    let seen: (String, i64, i64, i64) = watch.query_one(of, ()).unwrap();
    assert_eq!(seen.0, "running");
    assert!(seen.1 > 5_000_000 && seen.2 > 0 && seen.2 <= 8_000_000 && seen.3 > 0, "{seen:?}");
    let temp = "SELECT sum(bytes)::BIGINT FROM flux_memory() WHERE component = 'temporary file'";
    let (held,): (i64,) = watch.query_one(temp, ()).unwrap();
    assert!(held > 0 && held <= seen.1 + (seen.1 / 10), "{held} of {}", seen.1);
    assert_eq!(rows.count_rows().unwrap() + seen.3 as u64, 400_000);
    let done: (String, i64, i64, i64) = watch.query_one(of, ()).unwrap();
    assert_eq!((done.0.as_str(), done.3), ("done", 400_000));
    assert_eq!(watch.query_one::<(Option<i64>,)>(temp, ()).unwrap(), (None,));
}

/// What a recorder of metrics was told.
#[cfg(feature = "metrics")]
mod metrics_of_statements {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
        SharedString, Unit,
    };

    use super::Directory;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<BTreeMap<String, f64>>>);

    struct One(Seen, String);

    impl One {
        fn add(&self, value: f64) {
            *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
        }
    }

    impl CounterFn for One {
        fn increment(&self, value: u64) {
            self.add(value as f64);
        }

        fn absolute(&self, _: u64) {}
    }

    impl GaugeFn for One {
        fn increment(&self, _: f64) {}

        fn decrement(&self, _: f64) {}

        fn set(&self, value: f64) {
            self.0.0.lock().unwrap().insert(self.1.clone(), value);
        }
    }

    impl HistogramFn for One {
        fn record(&self, value: f64) {
            self.add(value);
        }
    }

    impl Seen {
        fn one(&self, key: &Key) -> Arc<One> {
            let labels: Vec<_> = key.labels().map(|l| format!(" {}", l.value())).collect();
            Arc::new(One(self.clone(), key.name().to_owned() + &labels.concat()))
        }
    }

    impl Recorder for Seen {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.one(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.one(key))
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.one(key))
        }
    }

    /// What small commits, a checkpoint and a clean close tell.
    #[test]
    fn commits_are_told() {
        let dir = Directory::new();
        let seen = Seen::default();
        metrics::with_local_recorder(&seen, || {
            let options = fluxdb::Options::default().background_sealing(false);
            let db = fluxdb::Database::open_with(dir.path().join("t.flux"), options).unwrap();
            let connection = db.connect();
            connection.execute("CREATE TABLE t(i INTEGER)").unwrap();
            for i in 0..5 {
                connection.execute(&format!("INSERT INTO t VALUES ({i})")).unwrap();
            }
            connection.execute("CHECKPOINT").unwrap();
        });
        let of = |name: &str| seen.0.lock().unwrap().get(name).copied();
        // The first small commit is sealed, the second makes the log.
        let logged = of("fluxdb_log_commits_total").unwrap();
        assert!((3.0..=5.0).contains(&logged), "{logged}");
        assert_eq!(of("fluxdb_log_group_commits"), Some(logged), "one at a time");
        assert!(of("fluxdb_log_bytes_total").unwrap() >= logged * 64.0);
        assert!(of("fluxdb_superblocks_total").unwrap() >= 3.0);
        for of_what in
            ["fluxdb_sync_seconds log", "fluxdb_sync_seconds data", "fluxdb_sync_seconds superblock"]
        {
            assert!(of(of_what).unwrap() > 0.0, "{of_what}");
        }
        assert!(of("fluxdb_seal_seconds commit").unwrap() > 0.0);
        // All that is told is documented.
        let page = include_str!("../docs/INSPECT.md");
        for name in seen.0.lock().unwrap().keys() {
            let name = name.split(' ').next().unwrap();
            assert!(page.contains(&format!("`{name}")), "docs/INSPECT.md does not know {name}");
        }
    }

    #[test]
    fn a_recorder_is_told() {
        let connection = super::database();
        let seen = Seen::default();
        metrics::with_local_recorder(&seen, || {
            connection.execute("SELECT sum(i) FROM t WHERE i >= 50000").unwrap();
            connection.execute("INSERT INTO t SELECT * FROM t LIMIT 7").unwrap();
            assert!(connection.execute("SELECT nothing").is_err());
        });
        let of = |name: &str| seen.0.lock().unwrap().get(name).copied();
        assert_eq!(of("fluxdb_statements_total done"), Some(2.0));
        assert_eq!(of("fluxdb_statements_total failed"), Some(1.0));
        assert_eq!(of("fluxdb_statements_running"), Some(0.0));
        assert_eq!(of("fluxdb_rows_total"), Some(8.0));
        assert_eq!(of("fluxdb_row_groups_skipped_total"), Some(5.0));
        assert!(of("fluxdb_rows_scanned_total").unwrap() >= 50_000.0);
        assert!(of("fluxdb_bytes_decoded_total").unwrap() > 0.0);
        assert!(of("fluxdb_statement_seconds").unwrap() > 0.0);
    }
}

#[test]
fn the_log_is_listed() {
    let dir = Directory::new();
    let path = dir.path().join("log.flux");
    let connection = fluxdb::Database::open(&path).unwrap().connect();
    connection.execute("CREATE TABLE t(i INTEGER, s VARCHAR); INSERT INTO t VALUES (0, 'sealed')").unwrap();
    connection.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')").unwrap();
    connection.execute("DELETE FROM t WHERE i <= 1; CHECKPOINT").unwrap();
    // The first small commit is sealed; the next ones are logged.
    connection.execute("INSERT INTO t VALUES (9, 'z')").unwrap();
    connection.execute("INSERT INTO t VALUES (4, 'd'), (5, 'e')").unwrap();
    connection.execute("DELETE FROM t WHERE i = 4").unwrap();
    let frames: Vec<(i64, String, i64, i64)> = connection
        .query_as("SELECT frame, table_name, rows_added, rows_deleted FROM flux_wal() ORDER BY frame", ())
        .unwrap();
    let t = "main.t".to_owned();
    assert_eq!(frames, [(1, t.clone(), 2, 0), (2, t, 0, 1)]);
    // The same of the file from outside, each byte of it a part of something.
    let file = fluxdb::inspect::Inspection::open(&path).unwrap();
    let contents = fluxdb::inspect::Contents::read(&file);
    let (mut at, mut found) = (0, std::collections::BTreeMap::new());
    fluxdb::inspect::walk_parts(&file, &contents, true, &mut |part| {
        assert_eq!(part.offset, at, "{part:?}");
        at += part.bytes;
        found.entry(part.kind.name()).or_insert_with(Vec::new).push((part.owner.to_string(), part.bytes));
    });
    assert_eq!(at, file.file_bytes());
    assert!(!found.contains_key("damaged"), "{found:?}");
    let headers = ["frame 1", "frame 2", "the mark of the log's end", "what is durable"];
    assert_eq!(found["frame header"], headers.map(|owner| (owner.to_owned(), 64)));
    assert_eq!(found["logged deletes"], [("main.t, frame 2".to_owned(), 8)]);
    let columns: Vec<&str> = found["logged values"].iter().map(|(owner, _)| owner.as_str()).collect();
    assert_eq!(columns, ["main.t.i, frame 1", "main.t.s, frame 1"]);
    assert!(found.contains_key("log room"));
}

#[test]
fn a_page_of_html_is_whole() {
    let connection = database();
    let page = text(
        &connection,
        "EXPLAIN (ANALYZE, FORMAT html) SELECT name, count(*) FROM t JOIN names USING (k) WHERE w <> '<b>' GROUP BY 1",
        1,
    );
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"), "{page}");
    assert_eq!(page.matches("<div").count(), page.matches("</div>").count());
    assert!(page.contains("&lt;b&gt;") && !page.contains("<b>'"), "{page}");
    assert!(!page.contains("http"), "it refers to nothing outside");
    let error = connection.run("EXPLAIN (FORMAT html) SELECT 1").unwrap_err();
    assert!(error.to_string().contains("what a query did"), "{error}");
}

/// An operator goes by its name and nothing else, whatever the table is called and however its line goes on.
#[test]
fn operators_go_by_their_names() {
    let connection = database();
    connection.execute("CREATE TABLE \"A\"(x INT)").unwrap();
    for analyze in ["", "ANALYZE, "] {
        for (query, path, name) in [
            ("SELECT count(*) FROM t", "$[0]", "AGGREGATE"),
            ("SELECT k, count(*) FROM t GROUP BY k", "$[0]", "AGGREGATE"),
            ("SELECT x FROM \"A\"", "$[0]", "SCAN"),
            ("SELECT * FROM t LEFT JOIN names USING (k)", "$[0].children[0]", "HASH_JOIN"),
        ] {
            let json = text(&connection, &format!("EXPLAIN ({analyze}FORMAT json) {query}"), 1);
            let path =
                if analyze.is_empty() { path.to_owned() } else { path.replacen("$[0]", "$.children[0]", 1) };
            let sql = format!("SELECT json_extract_string($json$ {json} $json$, '{path}.name')");
            assert_eq!(text(&connection, &sql, 0), name, "{json}");
        }
    }
    let html = text(&connection, "EXPLAIN (ANALYZE, FORMAT html) SELECT count(*) FROM t", 1);
    assert!(html.contains("<span class=\"name\">AGGREGATE</span>"), "{html}");
}

#[test]
fn a_cte_is_kept_where_its_conditions_are_dear_and_no_use_looks_at_a_part_only() {
    let connection = database();
    let scans = |condition: &str, uses: &str| {
        let sql =
            format!("EXPLAIN WITH c AS (SELECT * FROM t WHERE {condition}) SELECT count(*) FROM {uses}");
        text(&connection, &sql, 1).matches("SCAN t ").count()
    };
    let dear = "substring(w, 6, 1) IN ('1', '3')";
    assert_eq!(scans(dear, "c WHERE k > (SELECT avg(k) FROM c)"), 1);
    assert_eq!(scans(dear, "c x JOIN c y ON x.i = y.i + 1"), 1);
    assert_eq!(scans(dear, "((FROM c LIMIT 5) UNION ALL (FROM c LIMIT 7))"), 2, "the first rows are enough");
    assert_eq!(scans("k > 20", "c WHERE k > (SELECT avg(k) FROM c)"), 2, "it is not dear");
    assert_eq!(
        scans(dear, "c x JOIN c y ON x.i = y.i + 1 AND y.i < 1000"),
        2,
        "some row groups are all that is read"
    );
}

/// A condition that is the same for all rows of a partition goes below the window, so of several windows each yields few
/// rows.
#[test]
fn conditions_over_partitions_go_below_windows() {
    let connection = Database::open_in_memory().unwrap().connect();
    connection.execute("CREATE TABLE t(time TIMESTAMP, host VARCHAR, v INTEGER)").unwrap();
    let plan = text(&connection, "EXPLAIN SELECT top(v, host, 3) FROM t", 1);
    let (_, below) = plan.split_once("row_number() FIRST 3").expect(&plan);
    assert!(below.contains("row_number() FIRST 1") && below.contains("WHERE v IS NOT NULL"), "{plan}");
}
