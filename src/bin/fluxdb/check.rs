//! `fluxdb check DATABASE`.

use std::path::Path;
use std::process::ExitCode;

use fluxdb::{Database, Options};

/// Verifies every checksum and every reference of a file, and says what it found.
pub fn run(words: &[String]) -> ExitCode {
    let [path] = words else { return crate::bad_usage("usage: fluxdb check DATABASE") };
    match Database::open_with(Path::new(path), Options::default().read_only(true)) {
        Ok(db) => {
            let report = db.check();
            for finding in &report.findings {
                println!("{path}: {finding}");
            }
            println!(
                "{path}: {} pages ({} free), {} records, {} tables, {} row groups, {} chunks read",
                report.pages,
                report.free_pages,
                report.records,
                report.tables,
                report.row_groups,
                report.chunks
            );
            if report.is_sound() {
                return ExitCode::SUCCESS;
            }
            eprintln!("Error: {} findings", report.findings.len());
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("Error: {e}");
            ExitCode::FAILURE
        }
    }
}
