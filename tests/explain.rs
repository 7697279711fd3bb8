//! `EXPLAIN ANALYZE`: its parts add up, and say what was skipped and why.

use fluxdb::{Connection, Database, Options, ValueWriter};

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
    assert!(tree.contains("statistics rule out"), "{tree}");
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
