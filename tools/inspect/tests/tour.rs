//! `docs/TOUR.md` is a tour through `docs/weather.flux`, and says what the inspector says: every block that begins with
//! `$ inspect` is run and compared. `FLUXDB_UPDATE=1 cargo test --workspace --test tour` writes the answers.
//!
//! So the page is the golden test of the inspector's text, and the sample keeps old files readable.

#[path = "../../../tests/common/coverage.rs"]
mod coverage;
#[path = "../../../tests/common/directory.rs"]
mod directory;

use std::path::{Path, PathBuf};
use std::process::Command;

use fluxdb::inspect::Inspection;
use fluxdb::{Database, Options};

use directory::Directory;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn answer(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let output =
        Command::new(env!("CARGO_BIN_EXE_inspect")).args(words).current_dir(docs()).output().unwrap();
    assert!(output.stderr.is_empty(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The page with the answers as they are now.
fn written_anew(page: &str) -> String {
    let mut out = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if let Some(command) = line.strip_prefix("$ ")
            && command.starts_with("inspect ")
        {
            // A filter behind the command keeps some of the lines.
            let (command, filter) = match command.split_once(" | grep ") {
                Some((command, wanted)) => (command, Some(wanted.trim_matches('\''))),
                None => (command, None),
            };
            for answer in answer(command).lines().filter(|l| filter.is_none_or(|f| l.contains(f))) {
                out.push_str(answer);
                out.push('\n');
            }
            for old in lines.by_ref() {
                if old == "```" {
                    out.push_str("```\n");
                    break;
                }
            }
        }
    }
    out
}

#[test]
fn the_tour_is_true() {
    let path = docs().join("TOUR.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let anew = written_anew(&page);
    if std::env::var_os("FLUXDB_UPDATE").is_some() {
        std::fs::write(&path, anew).unwrap();
        return;
    }
    for (number, (was, is)) in page.lines().zip(anew.lines()).enumerate() {
        assert_eq!(was, is, "line {} of docs/TOUR.md", number + 1);
    }
    assert_eq!(page.len(), anew.len());
}

/// What programs rely on: the names of the fields, as docs/INSPECT.md lists them.
#[test]
fn json_has_the_fields_that_are_documented() {
    let page = std::fs::read_to_string(docs().join("INSPECT.md")).unwrap();
    let mut commands = 0;
    for line in page.lines() {
        let Some(rest) = line.strip_prefix("| `inspect FILE") else { continue };
        let (command, fields) = rest.split_once("` | ").unwrap();
        // The log is that of a file in use.
        let file = if command.trim_start().starts_with("wal") { "weather-live.flux" } else { "weather.flux" };
        commands += 1;
        let output = Command::new(env!("CARGO_BIN_EXE_inspect"))
            .current_dir(docs())
            .args([file, "--json"])
            .args(command.split_whitespace())
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{command}: {e}: {}", String::from_utf8_lossy(&output.stderr)));
        let mut documented: Vec<String> = vec![];
        for field in fields.split('`').skip(1).step_by(2) {
            documented.push(field.to_owned());
        }
        let mut found = vec![];
        names(&report, "", &mut found);
        for field in &documented {
            assert!(found.contains(field), "{command}: there is no '{field}'; there are {found:?}");
        }
        for field in &found {
            // Of an object whose fields depend on what is in it the name is enough: it is said behind it, in brackets.
            let open =
                |d: &String| field.starts_with(&format!("{d}.")) && fields.contains(&format!("`{d}` ("));
            let known = |d: &String| d == field || d.starts_with(&format!("{field}.")) || open(d);
            assert!(documented.iter().any(known), "{command}: '{field}' is not documented");
        }
    }
    assert!(commands > 10, "the page has no table of commands");
}

fn names(value: &serde_json::Value, prefix: &str, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                if !out.contains(&name) {
                    out.push(name.clone());
                }
                names(value, &name, out);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| names(item, prefix, out)),
        _ => {}
    }
}

/// What the sample holds. Its pages are small, so that there is something to see in a small file.
const SAMPLE: &str = "CREATE TABLE weather(time TIMESTAMP, station VARCHAR, degrees DOUBLE);
     INSERT INTO weather SELECT TIMESTAMP '2024-06-01' + INTERVAL (i) MINUTE,
         ['harbour', 'airport', 'old town'][1 + i % 3],
         CASE WHEN i = 2160 THEN 72.4 ELSE round(60 + 15 * sin(i / 400.0) + (i * 7919 % 100) / 100.0, 1) END
         FROM range(5000) r(i);
     DELETE FROM weather WHERE station = 'airport' AND degrees < 46;
     CREATE VIEW warm AS SELECT * FROM weather WHERE degrees > 70;";

/// What is committed to the sample later. The first two small commits are sealed, and the second makes the log.
const LATER: [&str; 5] = [
    "INSERT INTO weather VALUES ('2024-06-04 11:19:00', 'old town', 70.1)",
    "INSERT INTO weather VALUES ('2024-06-04 11:20:00', 'harbour', 73.9)",
    "INSERT INTO weather VALUES ('2024-06-04 11:21:00', 'airport', 72.4), ('2024-06-04 11:22:00', NULL, 71)",
    "DELETE FROM weather WHERE time = '2024-06-04 11:20:00' OR degrees IS NULL",
    "UPDATE weather SET station = 'old town' WHERE time = '2024-06-04 11:22:00'",
];

/// All rows of the sample and of its view, as one text.
fn rows(db: &Database) -> String {
    let sql = "SELECT string_agg(concat_ws(' ', time, station, degrees), ', ' ORDER BY time) AS rows
               FROM (FROM weather UNION ALL FROM warm)";
    let row = db.connect().query(sql).unwrap().into_rows().next().unwrap().unwrap();
    row.get("rows").unwrap()
}

/// A file of an older version still says what it said. `FLUXDB_SAMPLE=1` makes it anew, after which the tour has to be
/// written anew too.
#[test]
fn the_sample_is_read_as_it_was_made() {
    let path = docs().join("weather.flux");
    if std::env::var_os("FLUXDB_SAMPLE").is_some() {
        let _ = std::fs::remove_file(&path);
        let db = Database::open_with(&path, Options::default().page_size(4096)).unwrap();
        db.connect().execute(SAMPLE).unwrap();
        db.close().unwrap();
    }
    let live = docs().join("weather-live.flux");
    if std::env::var_os("FLUXDB_SAMPLE").is_some() {
        // What a program leaves that has it open, or does not come to its end.
        let directory = Directory::new();
        let copy = directory.path().join("weather.flux");
        std::fs::copy(&path, &copy).unwrap();
        let db = Database::open(&copy).unwrap();
        for sql in LATER {
            db.connect().execute(sql).unwrap();
        }
        std::fs::copy(&copy, &live).unwrap();
        // Without what was allocated ahead.
        let pages = Inspection::open(&live).unwrap().page_count();
        std::fs::OpenOptions::new().write(true).open(&live).unwrap().set_len(pages * 4096).unwrap();
    }
    let made = Database::open_in_memory().unwrap();
    made.connect().execute(SAMPLE).unwrap();
    // Its log is of the layout before this one.
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/live-log-1.flux");
    for (path, later) in [(path, &[][..]), (live, &LATER), (old, &[][..])] {
        for sql in later {
            made.connect().execute(sql).unwrap();
        }
        // Opening replays the log and begins another: not where the file lies.
        let directory = Directory::new();
        let copy = directory.path().join("copy.flux");
        std::fs::copy(&path, &copy).unwrap();
        let stored = Database::open(&copy).unwrap();
        assert_eq!(rows(&stored), rows(&made), "{}", path.display());
    }
}
