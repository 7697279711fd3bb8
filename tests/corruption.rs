//! A damaged or hostile file gives an error that names the place, or the right answer; never a wrong answer and
//! never a panic. All bits are flipped one after another, in an order that soon has met all parts of a file; how long that
//! goes on: see [`common`].

mod common;

use std::ops::Range;
use std::sync::Arc;

use fluxdb::inspect::{Contents, FRAME_HEADER_BYTES, Inspection, PartKind, fields_of, walk_parts};
use fluxdb::pager::MemoryFile;
use fluxdb::pager::fault::{Fate, FaultFile, FaultPlan, Process, Random};
use fluxdb::{Database, Error, Options};

use common::{Time, first_seed, told};

const PAGE: usize = 4096;
const SECONDS: u64 = 4;
const TRIES_MIN: u64 = 100;

const QUERIES: [&str; 5] = [
    "SELECT count(*), sum(i), min(i), max(i) FROM t",
    "SELECT m, count(*), sum(x) FROM t GROUP BY m ORDER BY m",
    "SELECT s, i FROM t WHERE i % 500 = 3 ORDER BY i",
    "SELECT count(DISTINCT s), max(d), min(b) FROM t",
    "SELECT count(*) FROM duckdb_views() WHERE NOT internal",
];

/// A database, and its right answers.
struct Sample {
    image: Vec<u8>,
    right: Vec<String>,
    /// The answers after earlier commits.
    earlier: Vec<Vec<String>>,
}

/// The answers, and whether opening the file has told that something is missing.
fn answer(image: &[u8]) -> Result<(Vec<String>, bool), Error> {
    let file = Arc::new(MemoryFile::from_bytes(image));
    let db = Database::open_file(file, Options::default().read_only(true))?;
    Ok((answers(&db)?, !db.recovery().is_clean()))
}

fn answers(db: &Database) -> Result<Vec<String>, Error> {
    let connection = db.connect();
    let mut out = vec![];
    for sql in QUERIES {
        for row in connection.query(sql)?.into_rows() {
            let row = row?;
            let texts = (0..row.columns().len()).map(|at| row.text(at).unwrap_or_else(|| "NULL".to_owned()));
            out.push(texts.collect::<Vec<_>>().join("|"));
        }
    }
    Ok(out)
}

fn options() -> Options {
    Options::default().page_size(PAGE as u32).threads(1)
}

fn create(rows: u64) -> String {
    format!(
        "CREATE TABLE t AS SELECT i, i % 7 AS m, i * 0.25::DOUBLE AS x, 'text ' || (i * 7919 % 3001) AS s, \
         DATE '2024-01-01' + (i % 365)::INTEGER AS d, i % 3 = 0 AS b FROM generate_series(1, {rows}) g(i)"
    )
}

impl Sample {
    /// A database that has a chunk of every common kind, closed cleanly.
    fn closed(rows: u64) -> Self {
        let file = Arc::new(MemoryFile::new());
        let db = Database::open_file(file.clone(), options()).unwrap();
        db.connect().execute(&create(rows)).unwrap();
        let before = answers(&db).unwrap();
        db.connect().execute("CREATE VIEW v AS SELECT m FROM t").unwrap();
        let right = answers(&db).unwrap();
        drop(db);
        Self { image: file.to_vec(), right, earlier: vec![before] }
    }

    /// One whose writer was killed, with commits in its log, rows deleted, and delete vectors.
    fn killed(rows: u64) -> Self {
        let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
        let process = Arc::new(Process::new(&file));
        let db = Database::open_file(process.clone(), options()).unwrap();
        let connection = db.connect();
        connection.execute(&create(rows)).unwrap();
        connection.execute("DELETE FROM t WHERE i % 10 = 4; CREATE VIEW v AS SELECT m FROM t").unwrap();
        let mut earlier = vec![];
        for i in 0..8 {
            earlier.push(answers(&db).unwrap());
            let sql = format!(
                "BEGIN; INSERT INTO t VALUES ({0}, 1, 0.5, 'new {i}', '2025-01-01', true), ({0} + 1, 2, NULL, NULL, NULL, NULL);
                 DELETE FROM t WHERE i BETWEEN {i} * 50 AND {i} * 50 + 5; COMMIT",
                10_000 + 500 * i + 3
            );
            connection.execute(&sql).unwrap();
        }
        let right = answers(&db).unwrap();
        process.kill();
        drop((connection, db));
        let image = file.image_after_power_cut(Fate::Kept, 0);
        let db = Database::open_file(Arc::new(MemoryFile::from_bytes(&image)), options()).unwrap();
        assert!(db.recovery().commits > 5, "{:?}", db.recovery());
        Self { image, right, earlier }
    }

    /// Opens what became of the file, and asks; a panic or a wrong answer fails the test. Whether it
    /// was an error.
    fn tolerate(&self, image: &[u8], what: &str) -> bool {
        let damaged = told(|| format!("{what}: the inspector"), || look(image));
        match told(|| what.to_owned(), || answer(image)) {
            Ok((rows, told)) => {
                // The last commits may be missing, but not silently.
                let earlier = told && self.earlier.contains(&rows);
                assert!(
                    rows == self.right || earlier,
                    "{what}: a wrong answer: {rows:?} instead of {:?}",
                    self.right
                );
                false
            }
            Err(e) => {
                assert!(!e.to_string().is_empty(), "{what}");
                assert!(damaged, "{what}: the inspector finds nothing wrong, but {e}");
                true
            }
        }
    }

    /// Flips bits of these bytes until the time is over, or all were flipped. Returns how many flips were errors.
    fn flip(&self, bytes: Range<usize>, seconds: u64) -> u64 {
        let bits = bytes.len() as u64 * 8;
        // No bit comes twice, as this is a prime that does not divide their number.
        let step = 1_000_003;
        assert!(!bits.is_multiple_of(step));
        let time = Time::new(seconds, TRIES_MIN);
        let (mut tried, mut errors) = (0, 0);
        let mut image = self.image.clone();
        while tried < bits && !time.is_over(tried) {
            let bit = bytes.start * 8 + ((first_seed() + tried) * step % bits) as usize;
            image[bit / 8] ^= 1 << (bit % 8);
            errors += u64::from(self.tolerate(&image, &format!("byte {}, bit {}", bit / 8, bit % 8)));
            image[bit / 8] ^= 1 << (bit % 8);
            tried += 1;
        }
        println!("{tried} of {bits} bits flipped, {errors} errors");
        errors
    }
}

/// What the inspector says of a file: its parts follow each other from the first byte to the last, whatever is in it.
/// Returns whether it shows damage.
fn look(image: &[u8]) -> bool {
    let file = Inspection::of_file(Arc::new(MemoryFile::from_bytes(image)), None).unwrap();
    let contents = Contents::read(&file);
    let (mut end, mut damaged) = (0, !contents.problems.is_empty());
    walk_parts(&file, &contents, true, &mut |part| {
        assert_eq!(part.offset, end, "{part:?}");
        end += part.bytes;
        damaged |= matches!(part.kind, PartKind::Damaged | PartKind::Unknown | PartKind::Tail);
        for field in fields_of(&file, &contents, &part) {
            assert!(field.offset >= part.offset && field.offset + field.bytes <= end, "{part:?} {field:?}");
        }
    });
    assert_eq!(end, file.file_bytes());
    damaged
}

#[test]
fn flipped_bits() {
    let sample = Sample::closed(300);
    assert!(sample.flip(0..sample.image.len(), SECONDS) > 0, "the checksums check nothing");
}

#[test]
fn flipped_bits_of_a_log() {
    let sample = Sample::killed(300);
    let file = Inspection::of_file(Arc::new(MemoryFile::from_bytes(&sample.image)), None).unwrap();
    let start = file.log_offset().unwrap() as usize;
    // Its frames, and the mark behind them.
    let end = start + file.log().unwrap().content.end + FRAME_HEADER_BYTES;
    assert_eq!(sample.flip(start..end, SECONDS), 0, "such a file opens");
    assert!(sample.flip(0..sample.image.len(), SECONDS) > 0, "the checksums check nothing");
}

#[test]
fn flipped_bits_of_a_large_database() {
    let sample = Sample::killed(60_000);
    assert!(sample.flip(0..sample.image.len(), 0) > 0, "the checksums check nothing");
}

#[test]
fn a_damaged_superblock_is_told() {
    let sample = Sample::closed(50);
    let sequence = |page: usize| {
        u64::from_le_bytes(sample.image[page * PAGE + 48..page * PAGE + 56].try_into().unwrap())
    };
    let newer = usize::from(sequence(1) > sequence(0));
    let open = |image: &[u8], recover| {
        let file = Arc::new(MemoryFile::from_bytes(image));
        Database::open_file(file, options().recover(recover)).unwrap()
    };
    for at in 0..512 {
        let bit = [0, 1, 7][at % 3];
        // The older is not needed.
        let mut image = sample.image.clone();
        image[(1 - newer) * PAGE + at] ^= 1 << bit;
        let db = open(&image, false);
        assert!(db.recovery().is_clean() && answers(&db).unwrap() == sample.right, "byte {at}, bit {bit}");
        // Without the newer there may be a commit less, but not silently, and nothing is written.
        let mut image = sample.image.clone();
        image[newer * PAGE + at] ^= 1 << bit;
        let db = open(&image, false);
        let damage = db.recovery().damage.clone().unwrap_or_default();
        assert!(damage.contains("is damaged"), "byte {at}, bit {bit}: {damage:?}");
        assert!(db.connect().execute("CREATE TABLE u(i BIGINT)").is_err() && !db.check().is_sound());
    }
    // Whatever the sector holds, it is not the older one.
    let mut image = sample.image.clone();
    image[newer * PAGE..newer * PAGE + 512].fill(0);
    assert!(open(&image, false).recovery().damage.is_some());
    let db = open(&image, true);
    db.connect().execute("CREATE TABLE u AS FROM range(5)").unwrap();
    assert!(db.check().is_sound());
}

#[test]
fn truncated_anywhere() {
    for sample in [Sample::closed(3000), Sample::killed(3000)] {
        let length = sample.image.len();
        let mut random = Random(first_seed());
        let lengths = (0..length).step_by(PAGE).chain((0..200).map(|_| random.below(length as u64) as usize));
        for length in lengths {
            sample.tolerate(&sample.image[..length], &format!("cut to {length} bytes"));
        }
    }
}

#[test]
fn pages_of_garbage() {
    let sample = Sample::closed(3000);
    for page in 0..sample.image.len() / PAGE {
        for fill in [0x00, 0xff, 0x5a] {
            let mut image = sample.image.clone();
            image[page * PAGE..(page + 1) * PAGE].fill(fill);
            sample.tolerate(&image, &format!("page {page} filled with {fill:#x}"));
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

#[test]
fn a_file_that_is_cut_while_it_is_open_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    let db = Database::open_with(&path, options()).unwrap();
    db.connect().execute(&create(60_000)).unwrap();
    db.close().unwrap();
    // With a mapping this may end the process; without, it does not. What was read is a copy, and not missed.
    let db = Database::open_with(&path, options().read_only(true).memory_map(false)).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(3 * PAGE as u64).unwrap();
    let error = answers(&db).unwrap_err().to_string();
    assert!(error.contains("past the end of the file"), "{error}");
    assert_eq!(db.connect().query("SELECT 1").unwrap().count_rows().unwrap(), 1);
}
