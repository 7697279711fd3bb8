//! `fluxdb backup DATABASE FILE`.

use std::path::Path;
use std::process::ExitCode;

use fluxdb::{Database, Options};

use crate::subcommands::Subcommand;

/// Copies a database to a new file, also while another process writes to it.
pub fn run(words: &[String]) -> ExitCode {
    let [path, to] = words else { return Subcommand::bad_usage("backup") };
    let copied = Database::open_with(Path::new(path), Options::default().read_only(true))
        .and_then(|db| db.backup(Path::new(to)));
    match copied {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("Error: {e}");
            ExitCode::FAILURE
        }
    }
}
