//! `tools/decode.py` knows nothing but `docs/FORMAT.md`. What it finds in a file is what SQL answers, or one of the
//! two is wrong.

#[path = "../../../tests/common/coverage.rs"]
mod coverage;
#[path = "../../../tests/common/directory.rs"]
mod directory;

use std::path::Path;
use std::process::Command;

use fluxdb::{Database, Options, StatementResult, ValueWriter};

use directory::Directory;

/// Every codec and form of NULLs, over some row groups, and rows that are deleted.
const STATEMENTS: &str = "
CREATE TABLE t AS SELECT
    i AS sequence, 7 AS constant, i * 7 % 1000 AS frame, (i // 100)::SMALLINT AS runs,
    CASE WHEN i % 1000 = 0 THEN 1000000000 ELSE i % 50 END AS patched,
    i * i + i % 3 AS delta, (i * 2654435761 % 4294967296)::UINTEGER AS noise,
    (i % 3 = 0) AS flag, i * 0.25 AS price, (i / 4)::DOUBLE AS alp, sin(i) AS float8, sin(i)::FLOAT AS float4,
    'text ' || (i % 13) AS dictionary, 'https://example.org/path/' || (i * 7919 % 100003) AS fsst,
    DATE '2020-01-01' + (i % 400)::INTEGER AS day,
    CASE WHEN i % 5 = 0 THEN NULL ELSE i END AS some_null, CASE WHEN i % 500 = 0 THEN i END AS most_null,
    CASE WHEN i % 500 <> 0 THEN i END AS few_null, NULL::INTEGER AS all_null,
    [i, NULL, i + 1] AS list, {'a': i, 'b': 'x' || i % 3} AS struct,
    18446744073709551615 - i::UHUGEINT AS wide, (i * 1.5)::DECIMAL(30, 3) AS decimal38
FROM range(7000) r(i);
DELETE FROM t WHERE sequence % 10 = 3;
INSERT INTO t(sequence, dictionary) VALUES (-1, 'größe'), (-2, NULL);
CREATE TABLE empty(i INTEGER);
";

/// Small commits of rows of every type.
const SMALL_STATEMENTS: &str = "
INSERT INTO t SELECT * FROM t WHERE sequence % 1000 = 500;
INSERT INTO empty VALUES (1), (NULL);
INSERT INTO t SELECT * FROM t WHERE sequence = -1;
DELETE FROM t WHERE sequence % 1000 = 7 OR (sequence = 500 AND frame = 500);
UPDATE t SET dictionary = 'new', struct = NULL WHERE sequence % 2000 = 500;
";

#[test]
fn the_document_is_enough_to_read_a_file() {
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|o| o.status.success()) {
        eprintln!("no python3 here: nothing was compared");
        return;
    }
    let dir = Directory::new();
    for page_size in [4096, 16384] {
        let path = dir.path().join(format!("{page_size}.flux"));
        let options = Options::default().page_size(page_size).row_group_rows(4096);
        let db = Database::open_with(&path, options).unwrap();
        db.connect().execute(STATEMENTS).unwrap();
        let answers = rows(&db, "t");
        db.close().unwrap();
        compare(&path, &answers);
        assert!(decode(&path, "empty").is_empty());
        // While it is open, the last commits are in the log.
        let db = Database::open(&path).unwrap();
        for _ in 0..3 {
            db.connect().execute(SMALL_STATEMENTS).unwrap();
        }
        let answers = rows(&db, "t");
        let copy = dir.path().join("copy.flux");
        std::fs::copy(&path, &copy).unwrap();
        assert!(fluxdb::inspect::Inspection::open(&copy).unwrap().log().unwrap().content.frames.len() > 5);
        compare(&copy, &answers);
    }
}

/// Compares what the decoder finds in table `t` with what SQL answers.
fn compare(path: &Path, answers: &[Vec<(String, Option<String>)>]) {
    let found = decode(path, "t");
    assert_eq!(found.len(), answers.len());
    for (number, (found, answer)) in found.iter().zip(answers).enumerate() {
        for (found, (name, answer)) in found.iter().zip(answer) {
            assert!(same(found, answer.as_deref()), "row {number}, {name}: {found} here, {answer:?} in SQL");
        }
    }
}

/// All rows of a table as text, with the names of their columns.
fn rows(db: &Database, table: &str) -> Vec<Vec<(String, Option<String>)>> {
    let connection = db.connect();
    let StatementResult::Rows(mut rows) = connection.run(&format!("FROM {table}")).unwrap() else { panic!() };
    let columns = rows.columns().to_vec();
    let mut out = vec![];
    while let Some(batch) = rows.next_batch() {
        let batch = batch.unwrap();
        let writers: Vec<ValueWriter> =
            columns.iter().zip(&batch.columns).map(|(c, a)| ValueWriter::new(a, &c.ty).unwrap()).collect();
        for row in 0..batch.rows {
            let cells = columns.iter().zip(&writers).map(|(c, w)| {
                let mut text = String::new();
                let value = (!w.is_null(row)).then(|| {
                    w.write_json(row, &mut text);
                    text
                });
                (c.name.clone(), value)
            });
            out.push(cells.collect());
        }
    }
    out
}

fn decode(path: &Path, table: &str) -> Vec<Vec<serde_json::Value>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../decode.py");
    let output = Command::new("python3").arg(script).arg(path).arg(table).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whether both are the same value; the decoder spells exact numbers as text.
fn same(found: &serde_json::Value, answer: Option<&str>) -> bool {
    let Some(answer) = answer else { return found.is_null() };
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let text = |v: &serde_json::Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    match (found.as_f64(), answer.as_f64()) {
        (Some(a), Some(b)) if a == b => true,
        // A float of 4 bytes is spelled shorter than a double.
        (Some(a), Some(b)) if found.is_f64() => (a as f32).to_bits() == (b as f32).to_bits(),
        _ => *found == answer || text(found) == text(&answer) || close(&text(found), &text(&answer)),
    }
}

/// Whether two texts are the same decimal number.
fn close(a: &str, b: &str) -> bool {
    let trim = |s: &str| {
        if s.contains('.') { s.trim_end_matches('0').trim_end_matches('.').to_owned() } else { s.to_owned() }
    };
    trim(a) == trim(b)
}
