//! Databases that a run makes: one that still holds nothing when the run fails is a mistake, and goes again.

use std::path::{Path, PathBuf};

use fluxdb::{Database, Error, Options};

/// A file that was not there before.
pub struct Made {
    path: PathBuf,
    /// Its length as it was made.
    bytes: u64,
}

impl Made {
    /// Removes it, if nothing has been stored in it. `database` is it, still open: so nobody else has written either.
    pub fn undo(&self, database: &Database) {
        let untouched = std::fs::metadata(&self.path).is_ok_and(|m| m.len() == self.bytes);
        if untouched && database.check().records == 0 {
            // Where that fails an empty database stays, as after a run that succeeds.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens a database, or makes one, and says if it did.
pub fn open(path: &Path, options: Options) -> Result<(Database, Option<Made>), Error> {
    let was_there = path.exists();
    let database = Database::open_with(path, options)?;
    // Statements may change the directory.
    let made = path.canonicalize().ok().filter(|_| !was_there).and_then(|path| {
        let bytes = std::fs::metadata(&path).ok()?.len();
        Some(Made { path, bytes })
    });
    Ok((database, made))
}
