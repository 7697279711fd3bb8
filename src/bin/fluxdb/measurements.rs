//! `fluxdb import`, `fluxdb write` and `fluxdb series`: measurements from the command line.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use fluxdb::{Database, ImportOptions, ImportReport, Options, Precision};

use crate::dot::text_literal;
use crate::format::counted;
use crate::interrupt::Interrupt;
use crate::load::{self, reader_of, table_of};
use crate::made;
use crate::progress::Progress;
use crate::say::{Done, Ended};
use crate::tell;

/// The words of a subcommand, its options taken out.
struct Words {
    positional: Vec<String>,
    options: Vec<(String, String)>,
}

impl Words {
    /// Options are `--name value` or `--name=value`.
    fn parse(words: &[String], known: &[&str]) -> Result<Self, Ended> {
        let mut out = Self { positional: vec![], options: vec![] };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix("--") else {
                out.positional.push(word.clone());
                continue;
            };
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => match words.next() {
                    Some(value) => (option, value.clone()),
                    None => return Err(Ended::usage(format!("--{option} needs a value"))),
                },
            };
            if !known.contains(&name) {
                return Err(Ended::usage(format!("unknown option --{name}")));
            }
            out.options.push((name.to_owned(), value));
        }
        Ok(out)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.options.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn precision(&self) -> Result<Precision, Ended> {
        let Some(name) = self.all("precision").last() else { return Ok(Precision::default()) };
        let unknown = || Ended::usage(format!("unknown precision '{name}'; precisions are ns, us, ms, s"));
        Precision::from_name(name).ok_or_else(unknown)
    }
}

/// Reads files into a database.
pub fn import(words: &[String], out: &mut dyn Write) -> Done {
    let words = Words::parse(words, &["precision", "table"])?;
    let precision = words.precision()?;
    let [database, patterns @ ..] = &words.positional[..] else { return Err(Ended::Usage(None)) };
    if patterns.is_empty() {
        return Err(Ended::Usage(None));
    }
    // What is wrong is told before a database comes to be.
    let mut files = vec![];
    for pattern in patterns {
        Database::find_import_files(pattern)?;
        let table = words.all("table").last().map(str::to_owned);
        files.push(match reader_of(pattern) {
            Some(reader) => {
                let table = table.or_else(|| table_of(pattern));
                let unnamed = || Ended::usage(format!("'{pattern}' names no table; --table does"));
                File::Rows { pattern, reader, table: table.ok_or_else(unnamed)? }
            }
            None => File::Points(pattern),
        });
    }
    let interrupt = Interrupt::install();
    let (db, made) = made::open(Path::new(database), Options::default())?;
    let _undone = made.as_ref().map(|made| made.undo_at_exit(&db, &interrupt));
    let mut rejected = 0;
    let done = files.iter().try_for_each(|file| {
        match file {
            File::Rows { pattern, reader, table } => {
                let rows = load_rows(&db, &interrupt, pattern, reader, table)?;
                writeln!(out, "{pattern}: {} into {table}", counted(rows, "row"))?;
            }
            File::Points(pattern) => {
                for (file, report) in db.import_files(pattern, ImportOptions { precision })? {
                    rejected += report.rejected;
                    warn(&file, &report);
                    writeln!(out, "{file}: {}", counted(report.points, "point"))?;
                }
            }
        }
        Ok::<_, Ended>(())
    });
    if done.is_ok() && rejected == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    made.iter().for_each(|made| _ = made.undo(&db));
    done.map(|()| ExitCode::FAILURE)
}

/// What is to be read, by a path or a pattern.
enum File<'a> {
    /// Files of a format, whose rows go into one table.
    Rows { pattern: &'a str, reader: &'static str, table: String },
    /// Line protocol.
    Points(&'a str),
}

/// Reads files of a format into a table, which is made if it is not there; returns how many rows.
fn load_rows(
    db: &Database,
    interrupt: &Interrupt,
    pattern: &str,
    reader: &str,
    table: &str,
) -> fluxdb::Result<u64> {
    let connection = db.connect();
    let source = format!("{reader}({})", text_literal(pattern));
    let sql = load::statement(&connection, table, pattern, &source)?;
    interrupt.statement_begins(connection.cancel_handle());
    let progress = Progress::start(&connection);
    let rows = connection.execute(&sql);
    drop(progress);
    interrupt.statement_ended();
    rows
}

/// Says what was not read as it was written.
fn warn(file: &str, report: &ImportReport) {
    for error in &report.errors {
        tell!("Error: {file}, line {}: {}", error.place, error.message);
    }
    let more = report.rejected - report.errors.len() as u64;
    if more > 0 {
        tell!("Error: {file}: {} not read", were(more, "more line"));
    }
    warn_of_cut_times(report, &format!("{file}: "));
}

fn warn_of_cut_times(report: &ImportReport, place: &str) {
    match report.cut_times {
        0 => {}
        1 => tell!("Warning: {place}1 time was cut to the precision of its table"),
        times => tell!("Warning: {place}{times} times were cut to the precision of their tables"),
    }
}

/// `1 line was`, `2 lines were`.
fn were(n: u64, one: &str) -> String {
    format!("{} {}", counted(n, one), if n == 1 { "was" } else { "were" })
}

/// Writes one point.
pub fn write(words: &[String], _: &mut dyn Write) -> Done {
    let words = Words::parse(words, &["tag", "field", "time", "precision"])?;
    let precision = words.precision()?;
    let [database, measurement] = &words.positional[..] else { return Err(Ended::Usage(None)) };
    let escape = |text: &str| text.replace(',', "\\,").replace(' ', "\\ ");
    let mut line = escape(measurement);
    for tag in words.all("tag") {
        let Some((name, value)) = tag.split_once('=') else {
            return Err(Ended::usage(format!("the tag '{tag}' is not NAME=VALUE")));
        };
        line += &format!(",{}={}", escape(name), escape(value).replace('=', "\\="));
    }
    let mut separator = ' ';
    for field in words.all("field") {
        let Some((name, value)) = field.split_once('=') else {
            return Err(Ended::usage(format!("the field '{field}' is not NAME=VALUE")));
        };
        line += &format!("{separator}{}={}", escape(name), field_value(value));
        separator = ',';
    }
    if separator == ' ' {
        return Err(Ended::Usage(None));
    }
    if let Some(time) = words.all("time").last() {
        line += &format!(" {time}");
    }
    let (db, made) = made::open(Path::new(database), Options::default())?;
    let done = match db.import_line_protocol(line.as_bytes(), ImportOptions { precision }) {
        Ok(report) => match report.errors.first() {
            Some(error) => Err(Ended::failed(&error.message)),
            None => {
                warn_of_cut_times(&report, "");
                Ok(ExitCode::SUCCESS)
            }
        },
        Err(e) => Err(e.into()),
    };
    if done.is_err() {
        made.iter().for_each(|made| _ = made.undo(&db));
    }
    done
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
pub fn series(words: &[String], out: &mut dyn Write) -> Done {
    let (database, sql) = match words {
        [database] => (database, "SHOW SERIES".to_owned()),
        [database, measurement] => {
            (database, format!("SHOW SERIES FROM \"{}\"", measurement.replace('"', "\"\"")))
        }
        _ => return Err(Ended::Usage(None)),
    };
    list(database, &sql, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the texts of a query's first column, one a line.
fn list(database: &str, sql: &str, out: &mut dyn Write) -> Result<(), Ended> {
    let db = Database::open_with(Path::new(database), Options::default().read_only(true))?;
    let mut rows = db.connect().query(sql)?;
    let ty = rows.columns()[0].ty.clone();
    let mut line = String::new();
    while let Some(batch) = rows.next_batch() {
        let batch = batch?;
        for row in 0..batch.rows {
            line.clear();
            fluxdb::write_value(&batch.columns[0], row, &ty, &mut line).map_err(Ended::failed)?;
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}
