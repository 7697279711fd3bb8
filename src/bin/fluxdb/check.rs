//! `fluxdb check DATABASE`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use fluxdb::{Database, Options};

use crate::format::counted;
use crate::say::{Done, Ended};

/// Verifies every checksum and every reference of a file, and says what it found.
pub fn run(words: &[String], out: &mut dyn Write) -> Done {
    let [path] = words else { return Err(Ended::Usage(None)) };
    let db = Database::open_with(Path::new(path), Options::default().read_only(true))?;
    let report = db.check();
    for finding in &report.findings {
        writeln!(out, "{path}: {finding}")?;
    }
    writeln!(
        out,
        "{path}: {} ({} free), {}, {}, {}, {} read",
        counted(report.pages, "page"),
        report.free_pages,
        counted(report.records, "record"),
        counted(report.tables, "table"),
        counted(report.row_groups, "row group"),
        counted(report.chunks, "chunk")
    )?;
    match report.findings.len() {
        0 => Ok(ExitCode::SUCCESS),
        findings => Err(Ended::Failed(counted(findings as u64, "finding"))),
    }
}
