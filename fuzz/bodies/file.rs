//! The file format and the log: small databases with changed bytes, behind wrong checksums and behind right ones.

use std::sync::{Arc, OnceLock};

use fluxdb::inspect::{Contents, Inspection, fields_of, walk_parts};
use fluxdb::pager::fault::{Fate, FaultFile, FaultPlan, Process};
use fluxdb::pager::{MemoryFile, checksum, seal_frame};
use fluxdb::{Connection, Database, Options};

use super::{check, edit, edits};

const PAGE: usize = 4096;
const QUERIES: [&str; 6] = [
    "SELECT count(*), sum(i), min(s), max(x) FROM t",
    "SELECT s, count(*) FROM t WHERE i > 100 GROUP BY s ORDER BY s LIMIT 10",
    "SELECT i FROM t WHERE s = 'name 3' ORDER BY i DESC LIMIT 3",
    "FROM u ORDER BY ALL LIMIT 20",
    "FROM v LIMIT 5",
    "SELECT nextval('q'), count(*) FROM duckdb_tables()",
];

fn options() -> Options {
    Options::default().page_size(PAGE as u32).row_group_rows(400).threads(1).memory_limit(64 << 20)
}

struct Sample {
    image: Vec<u8>,
    /// Where the log lies.
    log: std::ops::Range<usize>,
}

/// A database whose log is full of commits, and the same after a clean close.
fn samples() -> &'static [Sample; 2] {
    static SAMPLES: OnceLock<[Sample; 2]> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
        let process = Arc::new(Process::new(&file));
        let connection = Database::open_file(process.clone(), options()).unwrap().connect();
        let run = |connection: &Connection, sql: &str| connection.execute(sql).map(|_| ()).unwrap();
        run(
            &connection,
            "CREATE TABLE t AS SELECT i, 'name ' || (i % 7) AS s, i * 0.5 AS x FROM range(900) r(i);
             CREATE TABLE u(k BIGINT PRIMARY KEY, l BIGINT[], d DATE DEFAULT current_date, CHECK (k < 1000000));
             CREATE VIEW v AS SELECT s, i FROM t; CREATE SEQUENCE q; CREATE MACRO m(a) AS a + 1;
             CREATE TYPE e AS ENUM ('a', 'b'); DELETE FROM t WHERE i % 10 = 3;
             INSERT INTO u SELECT i, [i, i + 1], DATE '2024-01-01' FROM range(40) r(i); INSERT INTO u(k) VALUES (77)",
        );
        for i in 0..12 {
            run(&connection, &format!("INSERT INTO u(k) VALUES ({}), ({})", 100 + i, 200 + i));
            run(&connection, &format!("DELETE FROM t WHERE i = {i}; UPDATE t SET x = {i} WHERE i = {}", 20 + i));
        }
        process.kill();
        drop(connection);
        let killed = file.image_after_power_cut(Fate::Kept, 0);
        let log = Inspection::of_file(Arc::new(MemoryFile::from_bytes(&killed)), None).unwrap().superblock.unwrap().log.unwrap();
        let log = log.start.0 as usize * PAGE..(log.start.0 + log.pages) as usize * PAGE;
        let file = Arc::new(MemoryFile::from_bytes(&killed));
        drop(Database::open_file(file.clone(), options()).unwrap());
        [Sample { image: killed, log: log.clone() }, Sample { image: file.to_vec(), log: 0..0 }]
    })
}

fn put(bytes: &mut [u8], at: usize, sum: u32) {
    bytes[at..at + 4].copy_from_slice(&sum.to_le_bytes());
}

/// Makes the checksums right of what had right ones in `before`.
fn repair(image: &mut [u8], before: &[u8], log: &std::ops::Range<usize>) {
    let right = |bytes: &[u8], range: std::ops::Range<usize>, at: usize| {
        checksum(&bytes[range]).to_le_bytes() == bytes[at..at + 4]
    };
    for start in (0..before.len() / PAGE * PAGE).step_by(PAGE) {
        let (old, new) = (&before[start..start + PAGE], &mut image[start..start + PAGE]);
        if old == new {
            continue;
        }
        if start < 2 * PAGE && right(old, 0..508, 508) {
            let sum = checksum(&new[..508]);
            put(new, 508, sum);
        } else if right(old, 4..PAGE, 0) {
            let sum = checksum(&new[4..]);
            put(new, 0, sum);
        }
    }
    let header = |at: usize, field: std::ops::Range<usize>| &before[at..][field];
    let frame_end = |at: usize| {
        let length = u32::from_le_bytes(header(at, 52..56).try_into().unwrap()) as usize;
        (at + 64 + length).next_multiple_of(64) + usize::from(before[at + 57]) * 64
    };
    let mut at = log.start;
    while at + 64 <= log.end && before[at..].starts_with(b"FXWL") {
        let end = frame_end(at);
        if image[at..end] != before[at..end] {
            let sum = seal_frame(&mut image[at..end]);
            // The one behind names it.
            if end + 64 <= log.end && image[end..].starts_with(b"FXWL") {
                put(image, end + 48, sum);
                seal_frame(&mut image[end..frame_end(end)]);
            }
        }
        at = end;
    }
}

/// The first byte chooses a database, the second whether its checksums are made right; the rest are changes to it.
pub fn file(data: &[u8]) {
    let [which, checked, rest @ ..] = data else { return };
    let sample = &samples()[usize::from(*which) % 2];
    let mut image = sample.image.clone();
    for (at, kind, value) in edits(rest) {
        let length = image.len();
        if kind == 0xff {
            image.truncate(at % length);
            if image.is_empty() {
                break;
            }
        } else {
            // In the heads of pages more often than elsewhere.
            let at = if kind & 0x40 == 0 { at % length } else { at % length / PAGE * PAGE + at % 160 };
            edit(&mut image, at, kind, value);
        }
    }
    if checked % 8 != 0 && image.len() == sample.image.len() {
        repair(&mut image, &sample.image, &sample.log);
    }
    use_it(&image);
}

/// The changes are all to the log. Without the second byte, the bytes are a log by themselves.
pub fn log(data: &[u8]) {
    let [checked, rest @ ..] = data else { return };
    let sample = &samples()[0];
    let mut image = sample.image.clone();
    for (at, kind, value) in edits(rest) {
        // Where the frames are.
        let at = sample.log.start + at % sample.log.len().min(6 << 10);
        edit(&mut image[..sample.log.end], at, kind, value);
    }
    if checked % 8 != 0 {
        repair(&mut image, &sample.image, &sample.log);
    }
    use_it(&image);
    let id = sample.image[32..48].try_into().unwrap();
    let _ = fluxdb::pager::LogContent::read(rest, &id, 1, rest.len().is_multiple_of(2));
}

/// All that may be done with a file.
fn use_it(image: &[u8]) {
    if let Ok(file) = Inspection::of_file(Arc::new(MemoryFile::from_bytes(image)), None) {
        let contents = Contents::read(&file);
        walk_parts(&file, &contents, true, &mut |part| drop(fields_of(&file, &contents, &part)));
    }
    for recover in [false, true] {
        let file = Arc::new(MemoryFile::from_bytes(image));
        let Ok(database) = Database::open_file(file, options().recover(recover)) else { continue };
        let connection = database.connect();
        for sql in QUERIES {
            check(connection.query(sql).and_then(fluxdb::Rows::count_rows));
        }
        let sound = database.check().is_sound();
        for sql in [
            "INSERT INTO u(k) VALUES (500)",
            "DELETE FROM t WHERE i BETWEEN 400 AND 450",
            "CREATE TABLE w AS FROM range(500)",
            "CHECKPOINT",
            "DROP TABLE t",
        ] {
            check(connection.execute(sql));
        }
        if sound && recover {
            check(connection.query("FROM w").and_then(fluxdb::Rows::count_rows));
        }
    }
}
