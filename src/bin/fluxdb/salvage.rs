//! `fluxdb salvage BROKEN NEW`.

use std::path::Path;
use std::process::ExitCode;

use fluxdb::Database;

use crate::subcommands::Subcommand;

/// Makes a new database of what is good in a damaged file, and says what is lost.
pub fn run(words: &[String]) -> ExitCode {
    let [broken, new] = words else { return Subcommand::bad_usage("salvage") };
    match Database::salvage(Path::new(broken), Path::new(new)) {
        Ok(report) => {
            println!("{report}");
            if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }
        Err(e) => {
            eprintln!("Error: {e}");
            ExitCode::FAILURE
        }
    }
}
