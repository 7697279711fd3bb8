//! What a damaged file still says is salvaged: nothing else, and all that was not damaged.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::{Time, first_seed, told};
use fluxdb::inspect::{Contents, Inspection};
use fluxdb::{Connection, Database, Options, SalvageReport};

const PAGE: usize = 4096;
const TABLES: [&str; 3] = ["a", "b", "d"];

fn rows(connection: &Connection, table: &str) -> BTreeSet<String> {
    let rows = connection.query(&format!("FROM {table}")).unwrap();
    rows.into_rows()
        .map(|row| {
            let row = row.unwrap();
            (0..row.columns().len()).map(|at| row.text(at).unwrap_or_default() + "|").collect()
        })
        .collect()
}

/// A file with row groups, delete vectors and commits in its log, as a killed process leaves it, and what it holds.
struct Sample {
    directory: tempfile::TempDir,
    image: Vec<u8>,
    right: Vec<BTreeSet<String>>,
    /// All rows that there ever were.
    ever: Vec<BTreeSet<String>>,
}

impl Sample {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("good.flux");
        let options = Options::default()
            .page_size(PAGE as u32)
            .row_group_rows(600)
            .threads(1)
            .background_sealing(false)
            .maintenance(false);
        let db = Database::open_with(&path, options).unwrap();
        let connection = db.connect();
        let mut ever = vec![BTreeSet::new(); TABLES.len()];
        for sql in [
            "CREATE SEQUENCE s START 5; CREATE TYPE mood AS ENUM ('sad', 'happy')",
            "CREATE TABLE a(i BIGINT PRIMARY KEY, x DOUBLE, s VARCHAR, m mood, CHECK (i >= 0));
             CREATE TABLE b(i BIGINT, s VARCHAR DEFAULT 'none');
             CREATE VIEW v AS SELECT count(*) AS n FROM a; CREATE INDEX by_s ON b(s);
             CREATE TABLE d AS SELECT i FROM range(40) r(i)",
            "COMMENT ON VIEW v IS 'how many'; COMMENT ON TABLE a IS 'first'; COMMENT ON COLUMN a.x IS 'a number';
             CREATE TABLE c(at TIMESTAMP, x INTEGER) WITH (ttl = '7d', ttl_column = at)",
            "INSERT INTO a SELECT i, i / 7, 'text ' || (i * 7919 % 3001), CASE WHEN i % 2 = 0 THEN 'sad' END
             FROM range(3000) t(i)",
            "INSERT INTO b SELECT i, repeat('long', (i % 9)::INTEGER) FROM range(1500) t(i)",
            "DELETE FROM a WHERE i % 10 = 3; CHECKPOINT",
            "DELETE FROM a WHERE i BETWEEN 1000 AND 1010",
            "ALTER TABLE b ADD COLUMN later INTEGER",
            "INSERT INTO a VALUES (10000, 0.5, 'first in the log', 'happy')",
            "INSERT INTO a VALUES (10001, 0.5, NULL, NULL); INSERT INTO b VALUES (nextval('s'), 'x', 1)",
            "DELETE FROM a WHERE i = 10000 OR i = 5; UPDATE b SET later = 2 WHERE i < 5; DELETE FROM d WHERE i < 2",
        ] {
            connection.execute(sql).unwrap();
            if connection.table_names().iter().any(|name| name == "b") {
                for (table, all) in TABLES.iter().zip(&mut ever) {
                    // Of rows before there was the third column.
                    let all_columns = rows(&connection, table);
                    all.extend(all_columns.iter().cloned());
                    all.extend(all_columns.into_iter().map(|row| row + "|"));
                }
            }
        }
        let right = TABLES.iter().map(|table| rows(&connection, table)).collect();
        let image = std::fs::read(&path).unwrap();
        Self { directory, image, right, ever }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Salvages an image; what is there must be sound and must have been committed once.
    fn salvage(&self, image: &[u8], what: &str) -> Option<(SalvageReport, Vec<BTreeSet<String>>)> {
        let (broken, new) = (self.path("broken.flux"), self.path("new.flux"));
        std::fs::write(&broken, image).unwrap();
        let _ = std::fs::remove_file(&new);
        let report = match Database::salvage(&broken, &new) {
            Ok(report) => report,
            Err(error) => {
                assert!(!new.exists(), "{what}: {error}");
                return None;
            }
        };
        assert_eq!(std::fs::read(&broken).unwrap(), image, "{what}: the broken file is only read");
        let db = Database::open(&new).unwrap();
        assert!(db.check().is_sound(), "{what}");
        let connection = db.connect();
        let there = connection.table_names();
        let mut found = vec![];
        for ((table, ever), right) in TABLES.iter().zip(&self.ever).zip(&self.right) {
            if !there.iter().any(|name| name == table) {
                found.push(BTreeSet::new());
                continue;
            }
            let rows = rows(&connection, table);
            let strange: Vec<_> = rows.difference(ever).take(3).collect();
            assert!(strange.is_empty(), "{what}: {strange:?} were never in {table}\n{report}");
            let told = report.tables.iter().find(|t| t.name == format!("main.{table}")).unwrap();
            assert_eq!(told.rows, rows.len() as u64, "{what}: {table}\n{report}");
            if rows != *right {
                assert!(!report.is_complete(), "{what}: {table} lacks rows, and nobody is told");
            }
            found.push(rows);
        }
        Some((report, found))
    }
}

fn contents(path: &Path) -> (Inspection, Contents) {
    let file = Inspection::open(path).unwrap();
    let contents = Contents::read(&file);
    (file, contents)
}

#[test]
fn of_a_good_file_all_is_there() {
    let sample = Sample::new();
    let (report, found) = sample.salvage(&sample.image, "nothing").unwrap();
    assert!(report.is_complete(), "{report}");
    assert_eq!(found, sample.right);
    let db = Database::open(sample.path("new.flux")).unwrap();
    let connection = db.connect();
    // Definitions and all that hangs on them are there too.
    assert_eq!(rows(&connection, "v").len(), 1);
    assert!(connection.execute("INSERT INTO a VALUES (1, 1, '', NULL)").is_err());
    assert!(connection.execute("INSERT INTO a VALUES (-1, 1, '', NULL)").is_err());
    connection.execute("INSERT INTO b(i) VALUES (nextval('s'))").unwrap();
    let (_, new) = contents(&sample.path("new.flux"));
    let table = |name: &str| new.table(name).unwrap().definition.clone();
    assert_eq!(table("c").options.get("ttl_column").map(AsRef::as_ref), Some("at"));
    assert_eq!(table("a").comment.as_deref(), Some("first"));
    assert_eq!(table("a").columns[1].comment.as_deref(), Some("a number"));
    assert_eq!(new.objects.iter().filter_map(|object| object.comment()).collect::<Vec<_>>(), ["how many"]);
    assert_eq!(connection.query("FROM b WHERE i = 6 AND s = 'none'").unwrap().count_rows().unwrap(), 1);
    // Nothing is overwritten or left behind, and what is no database is refused.
    let error = Database::salvage(sample.path("broken.flux"), sample.path("new.flux")).unwrap_err();
    assert!(error.to_string().contains("exists already"), "{error}");
    std::fs::write(sample.path("text"), vec![b'x'; 100_000]).unwrap();
    assert!(Database::salvage(sample.path("text"), sample.path("other.flux")).is_err());
    let names = std::fs::read_dir(sample.directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let hidden: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with('.')).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn a_damaged_page_costs_only_what_was_in_it() {
    let sample = Sample::new();
    std::fs::write(sample.path("whole.flux"), &sample.image).unwrap();
    let (_, whole) = contents(&sample.path("whole.flux"));
    let mut costs = 0;
    // Other pages first with each seed; all of them if there is time.
    let time = Time::new(8, 20);
    let (first, pages) = (first_seed() as usize, sample.image.len() / PAGE);
    for (i, page) in (0..pages).map(|i| (first + i * 37) % pages).enumerate() {
        if time.is_over(i as u64) {
            break;
        }
        let mut image = sample.image.clone();
        let bytes = &mut image[page * PAGE..(page + 1) * PAGE];
        match i % 3 {
            0 => bytes.fill(0),
            1 => bytes.fill(0x5a),
            _ => bytes[37..].iter_mut().step_by(501).for_each(|byte| *byte ^= 0x10),
        }
        let what = format!("page {page}");
        let (report, found) =
            told(|| what.clone(), || sample.salvage(&image, &what)).expect("something is left of any file");
        costs += u64::from(!report.is_complete());
        // If a row group was hit, everything else is there.
        let groups = whole.tables.iter().flat_map(|table| table.row_groups.iter().map(move |g| (table, g)));
        for (table, group) in groups {
            let extents = [Some(group.extent()), group.deletes_extent()];
            let hit = extents.iter().flatten().any(|e| e.start.0 <= page as u64 && (page as u64) < e.end().0);
            if !hit {
                continue;
            }
            for ((name, found), right) in TABLES.iter().zip(&found).zip(&sample.right) {
                let lost: Vec<_> = right.difference(found).collect();
                if table.definition.name.as_ref() == *name {
                    assert!(
                        lost.len() <= group.entry.rows as usize,
                        "{what}: {} of {name} are lost",
                        lost.len()
                    );
                    let told = report.tables.iter().find(|t| t.name == format!("main.{name}")).unwrap();
                    assert_eq!(told.lost, lost.len() as u64, "{what}: {name}\n{report}");
                } else {
                    assert!(lost.is_empty(), "{what}: {} of {name} are lost\n{report}", lost.len());
                }
            }
        }
    }
    assert!(costs > 3, "{costs} pages matter");
}

#[test]
fn without_superblocks_the_catalog_is_searched_for() {
    let sample = Sample::new();
    let mut image = sample.image.clone();
    image[..2 * PAGE].fill(0);
    let (report, found) = sample.salvage(&image, "no superblocks").unwrap();
    assert!(!report.is_complete());
    // All but what only the log knew.
    for (found, right) in found.iter().zip(&sample.right) {
        assert!(right.difference(found).count() <= 10, "{report}");
    }
    // The newest alone: what it names is found, and the log with it.
    let newest = (0..2)
        .max_by_key(|slot| {
            u64::from_le_bytes(sample.image[slot * PAGE + 48..slot * PAGE + 56].try_into().unwrap())
        })
        .unwrap();
    let mut image = sample.image.clone();
    image[newest * PAGE..newest * PAGE + 512].fill(0xee);
    let (report, found) = sample.salvage(&image, "no newest superblock").unwrap();
    assert!(!report.is_complete());
    for (found, right) in found.iter().zip(&sample.right) {
        assert!(right.difference(found).count() <= 10, "{report}");
    }
}

#[test]
fn a_file_that_was_cut_gives_what_is_left() {
    let sample = Sample::new();
    let mut some = 0;
    for pages in (2..sample.image.len() / PAGE).step_by(5) {
        if let Some((report, _)) =
            sample.salvage(&sample.image[..pages * PAGE], &format!("cut to {pages} pages"))
        {
            some += report.tables.iter().map(|table| table.rows).sum::<u64>();
        }
    }
    assert!(some > 0);
}
