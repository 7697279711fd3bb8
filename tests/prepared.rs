//! Prepared statements keep plans. What they answer must be what the same text answers when it is planned anew, whatever
//! happens between two runs.

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;

use fluxdb::{Connection, Database, Params, params};

use directory::Directory;

/// Rows as text, or the error.
fn rows(result: fluxdb::Result<fluxdb::Rows>) -> Result<Vec<Vec<Option<String>>>, String> {
    let rows = result.map_err(|e| e.to_string())?;
    let width = rows.columns().len();
    let read = rows.into_rows().map(|row| row.map(|row| (0..width).map(|i| row.text(i)).collect()));
    let mut all: Vec<Vec<Option<String>>> = read.collect::<fluxdb::Result<_>>().map_err(|e| e.to_string())?;
    all.sort();
    Ok(all)
}

type MakeParams = fn(i64) -> Params;

/// Queries that keep a plan, and some that must not, each with parameters that are made of a number.
const QUERIES: &[(&str, MakeParams)] = &[
    ("SELECT * FROM t WHERE id = ?", |n| params![n]),
    ("SELECT * FROM t WHERE id = ?", |n| params![n as i8]),
    ("SELECT * FROM t WHERE id = ?", |n| params![n.to_string()]),
    ("SELECT * FROM t WHERE id = ?", |n| params![n as f64 + 0.5]),
    ("SELECT * FROM t WHERE small = ? OR small > ?", |n| params![n * 1_000, n]),
    ("SELECT * FROM t WHERE price >= ?", |n| params![n]),
    ("SELECT * FROM t WHERE price = ?", |n| params![format!("{n}.50")]),
    ("SELECT * FROM t WHERE day = ?", |n| params![format!("2024-01-{:02}", n % 40)]),
    ("SELECT * FROM t WHERE name = ? AND id BETWEEN ? AND ?", |n| {
        params![format!("n{}", n % 3), n - 2, n + 2]
    }),
    ("SELECT * FROM t WHERE id IN (?, ?, 3)", |n| params![n, n + 1]),
    ("SELECT * FROM t WHERE id = ? AND id = 2", |n| params![n]),
    ("SELECT id + ? FROM t WHERE id < 4", |n| params![n]),
    ("SELECT id FROM t ORDER BY id LIMIT ?", |n| params![n]),
    ("SELECT name, count(*), sum(id) FROM t WHERE id > ? GROUP BY name HAVING count(*) > ?", |n| {
        params![n, n % 2]
    }),
    ("SELECT t.id, u.label FROM t LEFT JOIN u ON t.id = u.id WHERE t.id >= ? ORDER BY 1", |n| params![n]),
    ("SELECT id FROM t WHERE id NOT IN (SELECT id FROM u WHERE id <> ?)", |n| params![n]),
    ("SELECT id FROM t WHERE id = (SELECT max(id) FROM u WHERE u.id < t.id + 2 AND u.id <= ?)", |n| {
        params![n]
    }),
    ("WITH w AS (SELECT * FROM t WHERE id > ?) SELECT a.id FROM w a JOIN w b ON a.id = b.id + 1", |n| {
        params![n]
    }),
    ("SELECT id FROM v WHERE id < ?", |n| params![n]),
    ("SELECT count(name), count(note), count(*) FROM t WHERE id <> ?", |n| params![n]),
    ("SELECT id FROM t WHERE note IS NULL AND id < ?", |n| params![n + 9]),
    ("SELECT id FROM t WHERE mine(id) > ?", |n| params![n]),
    ("SELECT id FROM t WHERE id > ? AND id < getvariable('most')", |n| params![n]),
    ("SELECT id FROM t WHERE at > now() - INTERVAL 1 HOUR AND id <> ?", |n| params![n]),
    ("SELECT id, 7 / 2 FROM t WHERE name = ?", |n| params![format!("N{}", n % 3)]),
    ("SELECT current_schema(), id FROM t WHERE id = ?", |n| params![n]),
    ("PIVOT t ON name USING count(*)", |_| Params::default()),
    ("SELECT * FROM t ORDER BY id LIMIT 3", |_| Params::default()),
    ("SELECT s.id FROM t AS s WHERE id > ? AND s.id IN (SELECT id FROM memory)", |n| params![n]),
    ("SELECT id FROM t WHERE list_contains(list_transform([id], lambda x: x + ?), 4)", |n| params![n]),
    ("SELECT CASE WHEN id > ? THEN ? ELSE name END FROM t", |n| params![n, "big"]),
    ("SELECT a.id FROM t a, t b WHERE a.id = b.id AND a.id = ? AND b.name > ?", |n| params![n, "n"]),
];

/// What happens between runs.
const EVENTS: &[&str] = &[
    "INSERT INTO t VALUES (8, 8, 8.5, '2024-01-08', 'n2', 'x', now())",
    "INSERT INTO t VALUES (9, NULL, NULL, NULL, NULL, NULL, NULL)",
    "INSERT INTO u VALUES (NULL, 'none')",
    "DELETE FROM t WHERE id = 2",
    "UPDATE t SET name = 'n1', id = 2 WHERE id = 3",
    "BEGIN; INSERT INTO t VALUES (11, 1, 1, '2024-01-01', 'n0', '', now()); CREATE TABLE inside(i INTEGER)",
    "ROLLBACK",
    "CREATE OR REPLACE VIEW v AS SELECT id * 2 AS id FROM t",
    "ALTER TABLE t ALTER note TYPE BLOB USING encode(note)",
    "ALTER TABLE t ADD COLUMN more INTEGER DEFAULT 5",
    "SET VARIABLE most = 3",
    "SET integer_division = true; SET default_null_order = 'nulls_first'; SET default_order = 'desc'",
    "SET default_collation = 'nocase'",
    "RESET default_collation; SET threads = 1",
    "CREATE SCHEMA other; CREATE TABLE other.t AS FROM main.t WHERE id > 3; SET search_path = 'other,main'",
    "SET search_path = 'main'",
    "CREATE TEMP TABLE t AS FROM main.t WHERE id < 3",
    "DROP TABLE temp.t",
    "CREATE INDEX by_id ON t(id)",
    "INSERT INTO t SELECT range, range % 100, range, '2024-02-01', 'n' || (range % 3), NULL, now(), 1 FROM range(100, 9000)",
    "CHECKPOINT",
    "DROP TABLE u; CREATE TABLE u(id VARCHAR, label INTEGER); INSERT INTO u VALUES ('4', 1)",
    "ATTACH ':memory:' AS second; CREATE TABLE second.t(id INTEGER, name VARCHAR); INSERT INTO second.t VALUES (2, 'n2'); USE second",
    "INSERT INTO second.t VALUES (3, 'n1')",
    "USE memory; DETACH second",
    "DROP TABLE t",
    "CREATE TABLE t(id VARCHAR, name VARCHAR); INSERT INTO t VALUES ('4', 'n1'), ('10', 'n2')",
];

fn set_up(db: &Database) -> Connection {
    db.scalar_function("mine", |n: i64| n + 1);
    let connection = db.connect();
    connection
        .execute(
            "CREATE TABLE t(id INTEGER, small TINYINT, price DECIMAL(6,2), day DATE, name VARCHAR, note VARCHAR, at TIMESTAMPTZ);
             INSERT INTO t SELECT range, range, range + 0.5, DATE '2024-01-01' + range::INTEGER, 'n' || (range % 3), 'x', now() FROM range(8);
             CREATE TABLE u(id INTEGER, label VARCHAR);
             INSERT INTO u VALUES (1, 'one'), (4, 'four');
             CREATE VIEW v AS SELECT id FROM t WHERE id > 1;
             SET VARIABLE most = 6;",
        )
        .unwrap();
    connection
}

#[test]
fn kept_plans_answer_as_new_ones() {
    let db = Database::open_in_memory().unwrap();
    let connection = set_up(&db);
    let prepared: Vec<_> = QUERIES.iter().map(|(sql, _)| connection.prepare(sql).unwrap()).collect();
    let compare = |what: &str| {
        for ((sql, params), statement) in QUERIES.iter().zip(&prepared) {
            for n in [1, 4, 2, 130, -3] {
                let expected = rows(connection.query_with(sql, params(n)));
                assert_eq!(rows(statement.query(params(n))), expected, "{sql} with {n}, after {what}");
            }
        }
    };
    compare("nothing");
    for event in EVENTS {
        if let Err(e) = connection.execute(event) {
            panic!("{event}: {e}");
        }
        compare(event);
    }
    db.scalar_function("mine", |n: i64| -n);
    compare("another function");
}

#[test]
fn values_that_fit_no_more_are_told_as_ever() {
    let db = Database::open_in_memory().unwrap();
    let connection = set_up(&db);
    let find = connection.prepare("SELECT id FROM t WHERE day = ?").unwrap();
    for day in ["2024-01-02", "2024-01-03", "2024-01-04"] {
        assert_eq!(rows(find.query(params![day])).unwrap().len(), 1);
    }
    let sql = "SELECT id FROM t WHERE day = ?";
    assert_eq!(rows(find.query(params!["never"])), rows(connection.query_with(sql, params!["never"])));
    // NULL, and values of other types, are planned for.
    assert_eq!(rows(find.query(params![None::<i32>])).unwrap().len(), 0);
    assert_eq!(rows(find.query(params![2.5])), rows(connection.query_with(sql, params![2.5])));
    assert_eq!(rows(find.query(params!["2024-01-05"])).unwrap(), [[Some("4".to_owned())]]);
}

#[test]
fn an_idle_statement_keeps_nothing_in_the_file() {
    let directory = Directory::new();
    let db = Database::open(directory.path().join("a.flux")).unwrap();
    let connection = set_up(&db);
    let find = connection.prepare("SELECT id FROM t WHERE id >= ?").unwrap();
    for n in 0..4 {
        rows(find.query(params![n])).unwrap();
    }
    connection.execute("INSERT INTO t SELECT * FROM t; CHECKPOINT").unwrap();
    let held = "SELECT count(*) FROM flux_snapshots() WHERE NOT is_current";
    assert_eq!(connection.query_one::<(i64,)>(held, ()).unwrap().0, 0);
    assert_eq!(rows(find.query(params![7])).unwrap().len(), 2);
}
