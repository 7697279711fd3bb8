//! `fluxdb check DATABASE`.

use std::path::Path;
use std::process::ExitCode;

use fluxdb::{Database, Options};

use crate::subcommands::Subcommand;

/// Verifies every checksum and every reference of a file, and says what it found.
pub fn run(words: &[String]) -> ExitCode {
    let [path] = words else { return Subcommand::bad_usage("check") };
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
