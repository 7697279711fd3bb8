//! `fluxdb backup DATABASE FILE`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use fluxdb::{Database, Options};

use crate::say::{Done, Ended};

/// Copies a database to a new file, also while another process writes to it.
pub fn run(words: &[String], _: &mut dyn Write) -> Done {
    let [path, to] = words else { return Err(Ended::Usage(None)) };
    let db = Database::open_with(Path::new(path), Options::default().read_only(true))?;
    db.backup(Path::new(to))?;
    Ok(ExitCode::SUCCESS)
}
