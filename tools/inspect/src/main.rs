//! `inspect FILE [WHAT]`: shows what lies in a database file, healthy or not. Never writes, takes no lock.

mod chunks;
mod coverage;
mod diff;
mod overview;
mod pages;
mod records;
mod render;
#[cfg(feature = "tui")]
mod tui;
mod wal;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use fluxdb::inspect::{Contents, Inspection};
use lexopt::prelude::*;
use serde_json::Value;

const HELP: &str = "\
Shows what lies in a FluxDB file, healthy or not. Never writes, takes no lock.

Usage: inspect FILE [WHAT] [OPTIONS]

What:
  (nothing)             a summary: superblocks, pages by kind, tables, columns, codecs
  superblock            both superblock slots, field by field
  pages                 a map of all pages, by kind and owner       [--kind KIND]
  page N                one page, every field with its offset       [--hex]
  extents               every run of pages that something refers to
  free                  the table of free space
  wal                   the write-ahead log: its frames, and how it ends
  wal N                 one frame, every field with its offset      [--hex]
  catalog               schemas, tables, columns, views
  heap [TABLE]          the records of the catalog, or of one table, as stored
  slot P:S              one record of a heap page, decoded          [--hex]
  chunks TABLE[.COLUMN] all chunks of a table or column
  chunk ID              one chunk, by TABLE.COLUMN or by its offset: statistics, codecs, values
                        [--row-group N] [--blocks] [--values N] [--from ROW]
  coverage              every byte of the file, by structure and by owner
  verify                compares all checksums, decodes everything, accounts for every page
  diff OTHER            what is different in another file, or in a later copy of this one
  tui                   browse in the terminal

Options:
      --json            a JSON value instead of text
      --kind KIND       only pages of this kind
      --hex             the bytes as well, beside what they mean
      --row-group N     which row group, from 0 (0)
      --blocks          the directory of blocks as well
      --values N        how many values of a chunk to show (10)
      --from ROW        from which row of the chunk on (0)
  -h, --help            this

Exit status: 0 if all that was asked for could be shown, 1 if something is broken, 2 for bad usage.
";

/// What the command line asks for.
#[derive(Default)]
struct Request {
    words: Vec<String>,
    json: bool,
    hex: bool,
    blocks: bool,
    kind: Option<String>,
    row_group: usize,
    values: Option<usize>,
    from: usize,
}

/// What went wrong.
enum Failure {
    /// The command line.
    Usage(String),
    /// The file.
    File(String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(e: E) -> Self {
        Self::File(e.to_string())
    }
}

fn main() -> ExitCode {
    match run() {
        Ok((text, healthy)) => {
            // Who closes the pipe has seen enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(Failure::File(message)) => {
            eprintln!("Error: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::Usage(message)) => {
            eprintln!("Error: {message}\nTry 'inspect --help'.");
            ExitCode::from(2)
        }
    }
}

/// The text to print, and whether all is well with what was looked at.
fn run() -> Result<(String, bool), Failure> {
    let Some((path, request)) = parse()? else { return Ok((HELP.to_owned(), true)) };
    #[cfg(feature = "tui")]
    if request.words == ["tui"] {
        tui::run(&path)?;
        return Ok((String::new(), true));
    }
    let (report, healthy) = look_again(&path, &request)?;
    let text =
        if request.json { serde_json::to_string_pretty(&report)? + "\n" } else { render::text(&report) };
    Ok((text, healthy))
}

/// What was asked for, and whether all is well with it. What another process writes meanwhile may look like damage: then
/// the file is looked at again.
fn look_again(path: &Path, request: &Request) -> Result<(Value, bool), Failure> {
    const TRIES: usize = 20;
    const RECENTLY: Duration = Duration::from_secs(1);
    for _ in 1..TRIES {
        match look(path, request) {
            Ok((report, true)) => return Ok((report, true)),
            Err(Failure::Usage(message)) => return Err(Failure::Usage(message)),
            _ => {}
        }
        let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified());
        if !changed.is_ok_and(|at| at.elapsed().is_ok_and(|ago| ago < RECENTLY)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    look(path, request)
}

fn look(path: &Path, request: &Request) -> Result<(Value, bool), Failure> {
    let file = Inspection::open(path)?;
    let contents = Contents::read(&file);
    let words: Vec<&str> = request.words.iter().map(String::as_str).collect();
    let report = match words[..] {
        [] => overview::summary(&file, &contents),
        ["superblock"] => overview::superblocks(&file),
        ["pages"] => pages::map(&file, &contents, request.kind.as_deref())?,
        ["page", number] => pages::page(&file, &contents, pages::parse_page(number)?, request.hex)?,
        ["extents"] => pages::extent_list(&contents),
        ["heap"] => pages::heap(&file, &contents, None)?,
        ["heap", name] => pages::heap(&file, &contents, Some(name))?,
        ["slot", slot] => records::slot(&file, records::parse_slot(slot)?, request.hex)?,
        ["catalog"] => overview::catalog(&contents),
        ["free"] => overview::free(&file)?,
        ["wal"] => wal::frames(&file, &contents)?,
        ["wal", number] => wal::frame(&file, &contents, number, request.hex)?,
        ["chunks", name] => chunks::list(&file, &contents, name)?,
        ["chunk", id] => {
            let wanted = chunks::Wanted {
                row_group: request.row_group,
                blocks: request.blocks,
                values: request.values.unwrap_or(10),
                from: request.from,
            };
            chunks::chunk(&file, &contents, id, &wanted)?
        }
        ["coverage"] => coverage::report(&file, &contents),
        ["verify"] => coverage::verify(&file, &contents),
        ["diff", other] => {
            let other = Inspection::open(other.as_ref())?;
            let there = Contents::read(&other);
            diff::report((&file, &contents), (&other, &there))
        }
        _ => return Err(Failure::Usage(format!("nothing is called '{}'", words.join(" ")))),
    };
    let healthy =
        contents.problems.is_empty() && ["error", "problems"].iter().all(|bad| report.get(bad).is_none());
    Ok((report, healthy))
}

/// The file and what is wanted of it; `None` for help.
fn parse() -> Result<Option<(PathBuf, Request)>, Failure> {
    let usage = |e: lexopt::Error| Failure::Usage(e.to_string());
    let mut parser = lexopt::Parser::from_env();
    let mut request = Request::default();
    let mut path = None;
    while let Some(arg) = parser.next().map_err(usage)? {
        match arg {
            Long("json") => request.json = true,
            Long("hex") => request.hex = true,
            Long("blocks") => request.blocks = true,
            Long("from") => request.from = parser.value().and_then(|v| v.parse()).map_err(usage)?,
            Long("kind") => request.kind = Some(parser.value().and_then(ValueExt::string).map_err(usage)?),
            Long("row-group") => {
                request.row_group = parser.value().and_then(|v| v.parse()).map_err(usage)?;
            }
            Long("values") => request.values = Some(parser.value().and_then(|v| v.parse()).map_err(usage)?),
            Short('h') | Long("help") => return Ok(None),
            Value(word) if path.is_none() => path = Some(PathBuf::from(word)),
            Value(word) => request.words.push(word.string().map_err(usage)?),
            other => return Err(usage(other.unexpected())),
        }
    }
    match path {
        Some(path) => Ok(Some((path, request))),
        None => Err(Failure::Usage("which file?".to_owned())),
    }
}

/// A list of reports, with what could not be read put beside them.
fn with_problems(mut report: Value, contents: &Contents) -> Value {
    if !contents.problems.is_empty() {
        report["problems"] = contents.problems.clone().into();
    }
    report
}
