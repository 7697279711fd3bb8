//! `fluxdb import`, `fluxdb write` and `fluxdb series`: measurements from the command line.

use std::path::Path;
use std::process::ExitCode;

use fluxdb::{Database, ImportOptions, ImportReport, Options, Precision};

use crate::bad_usage;
use crate::dot::{reader_of, text_literal};
use crate::made;
use crate::repl::quote_name;
use crate::subcommands::Subcommand;

/// The words of a subcommand, its options taken out.
struct Words {
    positional: Vec<String>,
    options: Vec<(String, String)>,
}

impl Words {
    /// Options are `--name value` or `--name=value`.
    fn parse(words: &[String], known: &[&str]) -> Result<Self, String> {
        let mut out = Self { positional: vec![], options: vec![] };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix("--") else {
                out.positional.push(word.clone());
                continue;
            };
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => (option, words.next().cloned().ok_or_else(|| format!("--{option} needs a value"))?),
            };
            if !known.contains(&name) {
                return Err(format!("unknown option --{name}"));
            }
            out.options.push((name.to_owned(), value));
        }
        Ok(out)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.options.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn precision(&self) -> Result<Precision, String> {
        match self.all("precision").last() {
            None => Ok(Precision::default()),
            Some(name) => Precision::from_name(name)
                .ok_or_else(|| format!("unknown precision '{name}'; precisions are ns, us, ms, s")),
        }
    }
}

fn failed(e: impl std::fmt::Display) -> ExitCode {
    eprintln!("Error: {e}");
    ExitCode::FAILURE
}

/// Reads line protocol into a database.
pub fn import(words: &[String]) -> ExitCode {
    let parsed = Words::parse(words, &["precision", "table"]).and_then(|w| Ok((w.precision()?, w)));
    let (precision, words) = match parsed {
        Ok(parsed) => parsed,
        Err(e) => return bad_usage(&e, Some("import")),
    };
    let [database, files @ ..] = &words.positional[..] else { return Subcommand::bad_usage("import") };
    if files.is_empty() {
        return Subcommand::bad_usage("import");
    }
    let table = words.all("table").last();
    // Before a database comes to be.
    if let Some(e) = files.iter().find_map(|pattern| Database::find_import_files(pattern).err()) {
        return failed(e);
    }
    let (db, made) = match made::open(Path::new(database), Options::default()) {
        Ok(opened) => opened,
        Err(e) => return failed(e),
    };
    let done = match load_all(&db, files, table, precision) {
        Ok(0) => return ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(e) => failed(e),
    };
    made.iter().for_each(|made| made.undo(&db));
    done
}

/// Reads files, one after another; returns how many lines were wrong.
fn load_all(
    db: &Database,
    files: &[String],
    table: Option<&str>,
    precision: Precision,
) -> fluxdb::Result<u64> {
    let mut rejected = 0;
    for pattern in files {
        if let Some(reader) = reader_of(pattern) {
            println!("{}", load(db, pattern, reader, table)?);
            continue;
        }
        for (file, report) in db.import_files(pattern, ImportOptions { precision })? {
            tell(&file, &report);
            rejected += report.rejected;
        }
    }
    Ok(rejected)
}

/// Reads files of a format into a table, which is made if it is not there.
fn load(db: &Database, pattern: &str, reader: &str, table: Option<&str>) -> fluxdb::Result<String> {
    // `readings.csv.gz` is about readings.
    let stem = Path::new(pattern).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default();
    let table = table.unwrap_or(stem);
    let connection = db.connect();
    let (name, source) = (quote_name(table), format!("{reader}({})", text_literal(pattern)));
    let exists = connection.table_names().iter().any(|t| t.eq_ignore_ascii_case(table));
    let rows = connection.execute(&if exists {
        format!("INSERT INTO {name} BY NAME FROM {source}")
    } else {
        format!("CREATE TABLE {name} AS FROM {source}")
    })?;
    Ok(format!("{pattern}: {rows} rows into {name}"))
}

fn tell(file: &str, report: &ImportReport) {
    for error in &report.errors {
        eprintln!("Error: {file}, line {}: {}", error.place, error.message);
    }
    let more = report.rejected - report.errors.len() as u64;
    if more > 0 {
        eprintln!("Error: {file}: {more} more lines were not read");
    }
    if report.cut_times > 0 {
        eprintln!("Warning: {file}: {} times were cut to the precision of their tables", report.cut_times);
    }
    println!("{file}: {} points", report.points);
}

/// Writes one point.
pub fn write(words: &[String]) -> ExitCode {
    let line =
        Words::parse(words, &["tag", "field", "time", "precision"]).and_then(|w| Ok((w.precision()?, w)));
    let (precision, words) = match line {
        Ok(parsed) => parsed,
        Err(e) => return bad_usage(&e, Some("write")),
    };
    let [database, measurement] = &words.positional[..] else { return Subcommand::bad_usage("write") };
    let escape = |text: &str| text.replace(',', "\\,").replace(' ', "\\ ");
    let mut line = escape(measurement);
    for tag in words.all("tag") {
        let Some((name, value)) = tag.split_once('=') else {
            return bad_usage(&format!("the tag '{tag}' is not NAME=VALUE"), Some("write"));
        };
        line += &format!(",{}={}", escape(name), escape(value).replace('=', "\\="));
    }
    let mut separator = ' ';
    for field in words.all("field") {
        let Some((name, value)) = field.split_once('=') else {
            return bad_usage(&format!("the field '{field}' is not NAME=VALUE"), Some("write"));
        };
        line += &format!("{separator}{}={}", escape(name), field_value(value));
        separator = ',';
    }
    if separator == ' ' {
        return Subcommand::bad_usage("write");
    }
    if let Some(time) = words.all("time").last() {
        line += &format!(" {time}");
    }
    let (db, made) = match made::open(Path::new(database), Options::default()) {
        Ok(opened) => opened,
        Err(e) => return failed(e),
    };
    let report = db.import_line_protocol(line.as_bytes(), ImportOptions { precision });
    let written = match report {
        Ok(report) => match report.errors.first() {
            Some(error) => failed(&error.message),
            None => return ExitCode::SUCCESS,
        },
        Err(e) => failed(e),
    };
    made.iter().for_each(|made| made.undo(&db));
    written
}

/// A value as line protocol has it; what is no number, boolean or quoted text is a text.
fn field_value(value: &str) -> String {
    let digits = value.strip_suffix(['i', 'u']).unwrap_or(value);
    let boolean = ["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"];
    let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
    if quoted || boolean.contains(&value) || digits.parse::<f64>().is_ok_and(f64::is_finite) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Lists the series of all measurements, or of one.
pub fn series(words: &[String]) -> ExitCode {
    let (database, sql) = match words {
        [database] => (database, "SHOW SERIES".to_owned()),
        [database, measurement] => {
            (database, format!("SHOW SERIES FROM \"{}\"", measurement.replace('"', "\"\"")))
        }
        _ => return Subcommand::bad_usage("series"),
    };
    match list(database, &sql) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => failed(e),
    }
}

/// Prints the texts of a query's first column, one a line.
fn list(database: &str, sql: &str) -> fluxdb::Result<()> {
    let db = Database::open_with(Path::new(database), Options::default().read_only(true))?;
    let mut rows = db.connect().query(sql)?;
    let ty = rows.columns()[0].ty.clone();
    let mut line = String::new();
    while let Some(batch) = rows.next_batch() {
        let batch = batch?;
        for row in 0..batch.rows {
            line.clear();
            fluxdb::write_value(&batch.columns[0], row, &ty, &mut line)?;
            println!("{line}");
        }
    }
    Ok(())
}
