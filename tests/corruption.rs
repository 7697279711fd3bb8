//! A damaged or hostile file gives an error that names the place, or the right answer; never a wrong answer and
//! never a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fluxdb::inspect::{Contents, Inspection, PartKind, fields_of, walk_parts};
use fluxdb::{Database, Error, Options};

const QUERIES: [&str; 4] = [
    "SELECT count(*), sum(i), min(i), max(i) FROM t",
    "SELECT m, count(*), sum(x) FROM t GROUP BY m ORDER BY m",
    "SELECT s, i FROM t WHERE i % 500 = 3 ORDER BY i",
    "SELECT count(DISTINCT s), max(d), min(b) FROM t",
];

fn answer(path: &Path) -> Result<Vec<String>, Error> {
    let db = Database::open_with(path, Options::default().read_only(true))?;
    let connection = db.connect();
    let mut out = vec![];
    for sql in QUERIES {
        let mut rows = connection.query(sql)?;
        let columns = rows.columns().to_vec();
        while let Some(batch) = rows.next_batch() {
            let batch = batch?;
            for row in 0..batch.rows {
                let mut line = String::new();
                for (column, array) in columns.iter().zip(&batch.columns) {
                    if array.is_null(row) {
                        line.push_str("NULL");
                    } else {
                        fluxdb::write_value(array, row, &column.ty, &mut line).unwrap();
                    }
                    line.push('|');
                }
                out.push(line);
            }
        }
    }
    Ok(out)
}

/// A small database that has a chunk of every common kind, and its right answers.
fn sample(path: &Path) -> Vec<String> {
    let db = Database::open_with(path, Options::default().page_size(4096)).unwrap();
    db.connect()
        .execute(
            "CREATE TABLE t AS SELECT i, i % 7 AS m, i * 0.25::DOUBLE AS x, 'text ' || (i * 7919 % 3001) AS s, \
             DATE '2024-01-01' + (i % 365)::INTEGER AS d, i % 3 = 0 AS b FROM generate_series(1, 3000) g(i)",
        )
        .unwrap();
    db.connect().execute("CREATE VIEW v AS SELECT m FROM t").unwrap();
    db.close().unwrap();
    answer(path).unwrap()
}

/// What the inspector says of a file: its parts follow each other from the first byte to the last, whatever is in it.
/// Returns whether it shows damage.
fn look(path: &Path) -> bool {
    let file = Inspection::open(path).unwrap();
    let contents = Contents::read(&file);
    let (mut end, mut damaged) = (0, !contents.problems.is_empty());
    walk_parts(&file, &contents, true, &mut |part| {
        assert_eq!(part.offset, end, "{part:?}");
        end += part.bytes;
        damaged |= matches!(part.kind, PartKind::Damaged | PartKind::Unknown | PartKind::Tail);
        for field in fields_of(&file, &part) {
            assert!(field.offset >= part.offset && field.offset + field.bytes <= end, "{part:?} {field:?}");
        }
    });
    assert_eq!(end, file.file_bytes());
    damaged
}

/// Opens and asks; a panic or a wrong answer fails the test. Whether it was an error.
fn tolerate(path: &Path, right: &[String], what: &str) -> bool {
    let damaged =
        catch_unwind(AssertUnwindSafe(|| look(path))).unwrap_or_else(|_| panic!("{what}: the inspector"));
    match catch_unwind(AssertUnwindSafe(|| answer(path))) {
        Ok(Ok(rows)) => {
            assert_eq!(rows, right, "{what}: a wrong answer");
            false
        }
        Ok(Err(e)) => {
            assert!(!e.to_string().is_empty(), "{what}");
            assert!(damaged, "{what}: the inspector finds nothing wrong, but {e}");
            true
        }
        Err(_) => panic!("{what}: a panic"),
    }
}

#[test]
fn flipped_bits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    let right = sample(&path);
    let good = std::fs::read(&path).unwrap();
    let broken = dir.path().join("broken.flux");
    // A bit of every 37th byte (a prime, so that all offsets within a structure are met).
    let mut errors = 0;
    for (n, at) in (0..good.len()).step_by(37).enumerate() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (n % 8);
        std::fs::write(&broken, &bytes).unwrap();
        errors += usize::from(tolerate(&broken, &right, &format!("byte {at}, bit {}", n % 8)));
    }
    assert!(errors > 0, "no flip was ever noticed: the checksums check nothing");
}

#[test]
fn truncated_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    let right = sample(&path);
    let good = std::fs::read(&path).unwrap();
    let broken = dir.path().join("broken.flux");
    for len in (0..good.len()).step_by(1021).chain((0..good.len()).step_by(4096)) {
        std::fs::write(&broken, &good[..len]).unwrap();
        tolerate(&broken, &right, &format!("cut to {len} bytes"));
    }
}

#[test]
fn pages_of_garbage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    let right = sample(&path);
    let good = std::fs::read(&path).unwrap();
    let broken = dir.path().join("broken.flux");
    for page in 0..good.len() / 4096 {
        for fill in [0x00, 0xff, 0x5a] {
            let mut bytes = good.clone();
            bytes[page * 4096..(page + 1) * 4096].fill(fill);
            std::fs::write(&broken, &bytes).unwrap();
            tolerate(&broken, &right, &format!("page {page} filled with {fill:#x}"));
        }
    }
}

#[test]
fn a_future_version_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    std::fs::write(&path, b"").unwrap();
    // An empty file is a new database; a file of one byte is not one.
    assert!(Database::open(&path).is_ok());
    std::fs::write(&path, b"x").unwrap();
    assert!(Database::open(&path).is_err());
}
