//! What SQL answers: runs every `tests/slt/**/*.slt`.
//!
//! The same files run in several configurations, so that a test of SQL is also a test of storage.
//! `FLUXDB_SLT=part/of/path` runs only the files whose path contains it. `__DIR__` is a directory for files. Files in a
//! folder `session` are about what a connection keeps, and so are not run where it is opened again all the time.

use std::path::{Path, PathBuf};

use fluxdb::{Connection, Database, Error, Options, StatementResult, ValueWriter};
use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner};

use directory::Directory;

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;

/// Stands for a directory that is empty when a file of tests begins, in statements and in what they answer.
const DIR: &str = "__DIR__";

/// How the statements of a file are run.
#[derive(Clone, Copy)]
enum Config {
    Memory,
    /// On one thread; queries are prepared and run until they answer from a plan that was kept.
    OneThread,
    /// On a file with the smallest pages that is closed and opened again after every statement outside a transaction.
    Reopened,
}

struct Engine {
    config: Config,
    /// The settings so far, which a connection that is opened again has to be told.
    settings: Vec<String>,
    /// It is closed before its directory goes.
    open: Option<(Database, Connection)>,
    dir: Directory,
    /// BEGIN was given.
    in_transaction: bool,
}

impl Engine {
    fn new(config: Config) -> Self {
        let settings = vec!["SET TimeZone = 'UTC'".to_owned()];
        Self { config, settings, dir: Directory::new(), open: None, in_transaction: false }
    }

    fn connection(&mut self) -> Result<&Connection, Error> {
        if self.open.is_none() {
            let db = match self.config {
                Config::Memory => Database::open_in_memory()?,
                Config::OneThread => {
                    Database::open_with(self.dir.path().join("memory.flux"), Options::default().threads(1))?
                }
                Config::Reopened => {
                    Database::open_with(self.dir.path().join("t.flux"), Options::default().page_size(4096))?
                }
            };
            let connection = db.connect();
            for setting in &self.settings {
                connection.run(setting)?;
            }
            self.open = Some((db, connection));
        }
        Ok(&self.open.as_ref().unwrap().1)
    }
}

impl DB for Engine {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let dir = self.dir.path().to_string_lossy().into_owned();
        let sql = &*sql.replace(DIR, &dir);
        let word = sql.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        match word.as_str() {
            "begin" | "start" => self.in_transaction = true,
            "rollback" if sql.to_ascii_lowercase().split_whitespace().any(|word| word == "to") => {}
            "commit" | "rollback" | "end" | "abort" => self.in_transaction = false,
            _ => {}
        }
        let config = self.config;
        let connection = self.connection()?;
        let result = match config {
            Config::OneThread if only_asks(&word, sql) => {
                let statement = connection.prepare(sql)?;
                for _ in 0..2 {
                    statement.run(())?.finish()?;
                }
                statement.run(())?
            }
            _ => connection.run(sql)?,
        };
        if matches!(word.as_str(), "set" | "reset") {
            self.settings.push(sql.to_owned());
        }
        let output = match result {
            StatementResult::Rows(mut rows) => {
                let zone = rows.time_zone().clone();
                let columns = rows.columns().to_vec();
                let mut lines = vec![];
                while let Some(batch) = rows.next_batch() {
                    let batch = batch?;
                    for row in 0..batch.rows {
                        let cells = columns.iter().zip(&batch.columns);
                        let cells = cells.map(|(c, array)| cell(array, row, &c.ty, &zone).replace(&dir, DIR));
                        lines.push(cells.collect());
                    }
                }
                DBOutput::Rows { types: vec![DefaultColumnType::Text; columns.len()], rows: lines }
            }
            StatementResult::Changed(n) => DBOutput::StatementComplete(n),
            _ => DBOutput::StatementComplete(0),
        };
        if let Config::Reopened = self.config
            && !self.in_transaction
            && let Some((db, connection)) = self.open.take()
        {
            drop(connection);
            db.close()?;
        }
        Ok(output)
    }

    fn engine_name(&self) -> &'static str {
        "fluxdb"
    }
}

/// Whether a statement that begins with this word is a query that changes nothing, so that it can run again.
fn only_asks(word: &str, sql: &str) -> bool {
    let changing = ["nextval", "setval", "random", "setseed", "uuid", "insert", "update", "delete", "merge"];
    let sql = sql.to_ascii_lowercase();
    matches!(word, "select" | "from" | "with" | "values") && !changing.iter().any(|name| sql.contains(name))
}

fn cell(
    array: &arrow_array::ArrayRef,
    row: usize,
    ty: &fluxdb::LogicalType,
    zone: &fluxdb::TimeZone,
) -> String {
    if *ty == fluxdb::LogicalType::Null || array.is_null(row) {
        return "NULL".to_owned();
    }
    let mut text = String::new();
    ValueWriter::in_zone(array, ty, zone).unwrap().write(row, &mut text);
    if text.is_empty() { "(empty)".to_owned() } else { text.replace('\n', "\\n") }
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "slt") {
            out.push(path);
        }
    }
}

/// Runs all files and lists every failure, not only the first.
fn run_all(config: Config) {
    let only = std::env::var("FLUXDB_SLT").unwrap_or_default();
    let mut paths = vec![];
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt"), &mut paths);
    paths.retain(|p| p.to_string_lossy().contains(&only));
    assert!(!paths.is_empty(), "no file matches FLUXDB_SLT={only}");
    if let Config::Reopened = config {
        paths.retain(|p| !p.components().any(|c| c.as_os_str() == "session"));
    }
    let mut failures = vec![];
    for path in paths {
        let mut runner = Runner::new(|| std::future::ready(Ok(Engine::new(config))));
        let records = sqllogictest::parse_file(&path).unwrap();
        for record in records {
            if let Err(e) = runner.run(record) {
                failures.push(e.display(false).to_string());
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn in_memory() {
    run_all(Config::Memory);
}

#[test]
fn on_one_thread() {
    run_all(Config::OneThread);
}

#[test]
fn reopened_after_every_statement() {
    run_all(Config::Reopened);
}
