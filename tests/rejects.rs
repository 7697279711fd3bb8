//! `store_rejects`: what a reader of CSV leaves out goes to temporary tables, as in DuckDB. Data: `tests/data/csv`.
//!
//! These tables belong to a connection and grow with each scan, so they are not among the scripts of `tests/slt`, which
//! run queries more than once and on connections that come and go.
#![cfg(feature = "csv")]

use fluxdb::{Connection, Database};

const COLUMNS: &str = "columns={'a': 'INTEGER', 'b': 'INTEGER', 'c': 'VARCHAR'}";

fn connection() -> Connection {
    Database::open_in_memory().unwrap().connect()
}

/// The rows of a query as texts, their values parted by bars.
fn rows(connection: &Connection, query: &str) -> Vec<String> {
    let rows = connection.query(query).unwrap_or_else(|e| panic!("{query}: {e}")).into_rows();
    rows.map(|row| {
        let row = row.unwrap();
        let values = (0..row.columns().len()).map(|i| row.text(i).unwrap_or_else(|| "NULL".into()));
        values.collect::<Vec<_>>().join("|")
    })
    .collect()
}

fn error(connection: &Connection, query: &str) -> String {
    connection.execute(query).unwrap_err().to_string()
}

/// Reads the file with errors of each kind, with further options.
fn read(options: &str) -> String {
    format!("read_csv('tests/data/csv/rejects.csv', {options})")
}

#[test]
fn each_error_is_a_row() {
    let c = connection();
    let found = rows(&c, &format!("FROM {}", read(&format!("store_rejects=true, {COLUMNS}"))));
    assert_eq!(found, ["1|2|x", "10|11|ok", "NULL|12|NULL"]);
    assert_eq!(
        rows(&c, "FROM reject_errors SELECT * EXCLUDE (error_message) ORDER BY ALL"),
        [
            "1|0|3|13|13|1|a|CAST|q,3,y",
            "1|0|4|19|21|2|b|CAST|4,w,z",
            "1|0|5|25|25|1|a|CAST|u,v,\"t, \"\"q\"\"\"",
            "1|0|5|25|27|2|b|CAST|u,v,\"t, \"\"q\"\"\"",
            "1|0|6|40|41|1|b|MISSING COLUMNS|5",
            "1|0|6|40|41|2|c|MISSING COLUMNS|5",
            "1|0|7|42|47|4|NULL|TOO MANY COLUMNS|6,7,8,9",
        ]
    );
    assert_eq!(
        rows(&c, "SELECT error_message FROM reject_errors WHERE line IN (3, 6, 7) ORDER BY line, column_idx"),
        [
            "Error when converting column \"a\". Could not convert string \"q\" to 'INTEGER'",
            "Expected Number of Columns: 3 Found: 1",
            "Expected Number of Columns: 3 Found: 2",
            "Expected Number of Columns: 3 Found: 4",
        ]
    );
    assert_eq!(
        rows(&c, "FROM reject_scans"),
        [
            "1|0|tests/data/csv/rejects.csv|,|\"|\"|\\n|0|true|{'a': 'INTEGER','b': 'INTEGER','c': 'VARCHAR'}|NULL|NULL|\
          store_rejects=true"
        ]
    );
    // Only values that are read are looked at.
    let count = format!("SELECT count(c) FROM {}", read(&format!("store_rejects=true, {COLUMNS}")));
    assert_eq!(rows(&c, &count), ["5"]);
    assert_eq!(
        rows(&c, "SELECT scan_id, count(*) FROM reject_errors GROUP BY ALL ORDER BY ALL"),
        ["1|7", "2|3"]
    );
}

#[test]
fn tables_have_the_names_and_limits_that_are_given() {
    let c = connection();
    let options = "rejects_table='my errors', rejects_scan='my scans', rejects_limit=2, types={'a': 'INTEGER', \
                   'b': 'INTEGER'}, header=true, delim=',', null_padding=false";
    rows(&c, &format!("FROM {}", read(options)));
    // The first ones of the file, whatever found them.
    assert_eq!(rows(&c, "SELECT line FROM \"my errors\""), ["3", "4"]);
    assert_eq!(rows(&c, "SELECT file_id FROM temp.main.\"my scans\""), ["0"]);
}

#[test]
fn files_without_errors_are_not_listed() {
    let c = connection();
    let files = "['tests/data/csv/crlf.csv', 'tests/data/csv/rejects_encoding.csv']";
    let options = "store_rejects=true, header=true, columns={'a': 'INTEGER', 'b': 'VARCHAR'}";
    assert_eq!(
        rows(&c, &format!("SELECT a FROM read_csv({files}, {options}) WHERE b > '' ORDER BY a")),
        ["1", "1", "2", "3"]
    );
    let joined = "SELECT file_id, line, line_byte_position, byte_position, column_idx, column_name, error_type, \
                  file_path FROM reject_errors JOIN reject_scans USING (scan_id, file_id)";
    assert_eq!(rows(&c, joined), ["1|3|9|11|2|b|INVALID ENCODING|tests/data/csv/rejects_encoding.csv"]);
    // A scan without errors makes the tables nevertheless.
    let c = connection();
    rows(&c, "FROM read_csv('tests/data/csv/crlf.csv', store_rejects=true)");
    assert_eq!(rows(&c, "SELECT count(*) FROM reject_errors, reject_scans"), ["0"]);
}

#[test]
fn copy_and_transactions() {
    let c = connection();
    c.execute("CREATE TABLE t(a INTEGER, b INTEGER, c VARCHAR)").unwrap();
    c.execute("COPY t FROM 'tests/data/csv/rejects.csv' (HEADER, STORE_REJECTS)").unwrap();
    assert_eq!(rows(&c, "SELECT count(*) FROM t"), ["3"]);
    assert_eq!(rows(&c, "SELECT count(*) FROM reject_errors"), ["7"]);
    c.execute("BEGIN").unwrap();
    rows(
        &c,
        &format!("FROM {}", read(&format!("rejects_table='gone', rejects_scan='gone_scans', {COLUMNS}"))),
    );
    assert_eq!(rows(&c, "SELECT count(*) FROM gone"), ["7"]);
    c.execute("ROLLBACK").unwrap();
    assert!(error(&c, "FROM gone").contains("gone"));
    // They are another connection's no more than other temporary tables.
    let other = Database::open_in_memory().unwrap().connect();
    assert!(error(&other, "FROM reject_errors").contains("reject_errors"));
}

#[test]
fn options_that_do_not_go_together() {
    let c = connection();
    for (options, message) in [
        ("store_rejects=true, ignore_errors=false", "cannot go with ignore_errors=false"),
        ("store_rejects=true, union_by_name=true", "cannot go with union_by_name"),
        ("store_rejects=false, rejects_table='x'", "needs store_rejects"),
        ("rejects_limit=3", "needs store_rejects"),
        ("store_rejects=true, rejects_limit=-1", "must not be negative"),
        ("rejects_table=''", "must not be empty"),
        ("rejects_table='x', rejects_scan='X'", "must be another table"),
    ] {
        let found = error(&c, &format!("FROM {}", read(options)));
        assert!(found.contains(message), "{options}: {found}");
    }
}
