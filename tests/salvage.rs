//! What a damaged file still says is salvaged: nothing else, and all that was not damaged.

mod common;
#[path = "common/coverage.rs"]
mod coverage;

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
        coverage::assert_covered(Inspection::open(&new));
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
    let time = Time::new(8, 40);
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
    assert!(costs > 2, "{costs} pages matter");
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

/// Rows whose table's definition is lost are there, with the types that are stored and what is known of names.
#[test]
fn a_table_without_its_definition_keeps_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let (good, broken, new) =
        (dir.path().join("g.flux"), dir.path().join("b.flux"), dir.path().join("n.flux"));
    let query = "SELECT i::BIGINT, i::SMALLINT % 7, i / 8::DOUBLE, (i / 4)::DECIMAL(9,2), 'text ' || i % 50, \
                 DATE '2024-01-01' + i::INTEGER, TIMESTAMP '2024-01-01' + INTERVAL (i) MINUTE, i % 2 = 0, \
                 [i, i + 1], {'a': i, 'b': 'x' || i}, CASE WHEN i % 3 = 0 THEN NULL ELSE uuid() END, \
                 [i, 1, 2]::BIGINT[3], MAP {i: 'v'}, i::HUGEINT * 1000000000000 FROM range(700) t(i)";
    let text = |db: &Database, table: &str| {
        let sql = format!("SELECT COLUMNS(*)::VARCHAR FROM {table}");
        let rows = db.connect().query(&sql).unwrap().into_rows().map(Result::unwrap);
        rows.map(|row| (0..row.columns().len()).map(|at| row.text(at)).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    for earlier in [false, true] {
        // Without a log each commit lists the rows anew, in another page than that of the definition.
        let options =
            Options::default().page_size(PAGE as u32).row_group_rows(300).log_size(0).maintenance(false);
        let db = Database::open_with(&good, options).unwrap();
        let connection = db.connect();
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')").unwrap();
        connection.execute(&format!("CREATE TABLE t AS {query} LIMIT 0")).unwrap();
        connection.execute("ALTER TABLE t ADD COLUMN m mood").unwrap();
        let insert = query.replace(" FROM ", ", ['sad', 'happy'][i % 2 + 1]::mood FROM ");
        connection.execute(&format!("INSERT INTO t {insert}; DELETE FROM t WHERE #1 % 10 = 3")).unwrap();
        // A reader keeps what is freed from being used again.
        let old = earlier.then(|| db.snapshot());
        if earlier {
            connection.execute("COMMENT ON TABLE t IS 'a new definition'").unwrap();
        }
        connection.execute("INSERT INTO t SELECT * FROM t LIMIT 1").unwrap();
        drop(old);
        let right = text(&db, "t");
        drop(connection);
        db.close().unwrap();
        let (_, whole) = contents(&good);
        let table = whole.table("t").unwrap();
        let page = table.record.page().0 as usize;
        let others = [whole.root, table.directory].map(|slot| slot.unwrap().page().0 as usize);
        assert!(!others.contains(&page), "another page has the root and the directory");
        let mut image = std::fs::read(&good).unwrap();
        image[page * PAGE..(page + 1) * PAGE].fill(0x11);
        std::fs::write(&broken, image).unwrap();

        let report = Database::salvage(&broken, &new).unwrap();
        assert!(!report.is_complete(), "{report}");
        let name = if earlier { "t".to_owned() } else { format!("lost_table_{}", table.definition.id.0) };
        let said = report.to_string();
        assert!(said.contains("its definition is lost"), "{said}");
        let db = Database::open(&new).unwrap();
        assert!(db.check().is_sound());
        let mut found = text(&db, &name);
        if !earlier {
            // The names of an ENUM are lost.
            for row in &mut found {
                let last = row.last_mut().unwrap();
                let names = [("value_1", "sad"), ("value_3", "happy")];
                let known = names.iter().find(|(lost, _)| last.as_deref() == Some(*lost)).unwrap();
                *last = Some(known.1.to_owned());
                row[9] = row[9].as_ref().map(|text| text.replace("field_1", "a").replace("field_2", "b"));
            }
        }
        assert_eq!(found, right, "{said}");
        let ty =
            |at: usize| db.connect().query(&format!("FROM {name}")).unwrap().columns()[at].ty.to_string();
        assert_eq!((ty(3), ty(5), ty(11)), ("DECIMAL(9,2)".into(), "DATE".into(), "BIGINT[3]".into()));
        drop(db);
        for path in [&good, &new] {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// If the list of a table's rows is lost, those of an earlier commit are there, if that still is.
#[test]
fn a_table_without_its_directory_is_as_of_an_earlier_commit() {
    let dir = tempfile::tempdir().unwrap();
    let (good, broken, new) =
        (dir.path().join("g.flux"), dir.path().join("b.flux"), dir.path().join("n.flux"));
    let options = Options::default().page_size(PAGE as u32).log_size(0).maintenance(false);
    let db = Database::open_with(&good, options).unwrap();
    let connection = db.connect();
    connection
        .execute("CREATE TABLE t AS SELECT i FROM range(500) r(i); CREATE TABLE other AS SELECT 1 AS i")
        .unwrap();
    // A reader keeps what is freed from being used again.
    let old = db.snapshot();
    connection.execute("INSERT INTO t VALUES (1000), (1001)").unwrap();
    connection.execute("DELETE FROM t WHERE i = 7").unwrap();
    connection.execute("INSERT INTO other VALUES (2)").unwrap();
    drop((old, connection));
    std::mem::forget(db);
    let (_, whole) = contents(&good);
    let page = whole.table("t").unwrap().directory.unwrap().page().0 as usize;
    assert_ne!(whole.root.unwrap().page().0 as usize, page);
    let mut image = std::fs::read(&good).unwrap();
    image[page * PAGE..(page + 1) * PAGE].fill(0x11);
    std::fs::write(&broken, image).unwrap();
    let report = Database::salvage(&broken, &new).unwrap();
    assert!(
        report.to_string().contains("the list of its rows is lost; they are those of commit"),
        "{report}"
    );
    let db = Database::open(&new).unwrap();
    let found = rows(&db.connect(), "t");
    // The last but one: the row is still there, or even before.
    assert!([500, 502].contains(&found.len()) && found.contains("7|"), "{} rows, {report}", found.len());
    assert_eq!(rows(&db.connect(), "other").len(), 2, "{report}");
}
