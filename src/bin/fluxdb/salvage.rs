//! `fluxdb salvage BROKEN NEW`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use fluxdb::Database;

use crate::say::{Done, Ended};

/// Makes a new database of what is good in a damaged file, and says what is lost.
pub fn run(words: &[String], out: &mut dyn Write) -> Done {
    let [broken, new] = words else { return Err(Ended::Usage(None)) };
    let report = Database::salvage(Path::new(broken), Path::new(new))?;
    writeln!(out, "{report}")?;
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
