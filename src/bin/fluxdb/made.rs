//! What a run makes, and takes away again where nothing came of it.

use std::io;
use std::path::{Path, PathBuf};

use fluxdb::{Database, Error, Options};
use tempfile::TempDir;

use crate::interrupt::{AtExit, Interrupt};

/// A database whose file was not there before. One that still holds nothing when the run fails is a mistake.
#[derive(Clone)]
pub struct Made {
    path: PathBuf,
}

impl Made {
    /// Removes it, if nothing has been stored in it. `database` is it, still open: so nobody else has written either.
    pub fn undo(&self, database: &Database) -> bool {
        let is_it = |path: &Path| path.canonicalize().is_ok_and(|path| path == self.path);
        // All that can be stored belongs to something with a definition.
        let is_empty = || database.connect().create_statements(None).is_ok_and(|all| all.is_empty());
        // Where that fails an empty database stays, as after a run that succeeds.
        database.path().is_some_and(is_it)
            && is_empty()
            && database.check().records == 0
            && std::fs::remove_file(&self.path).is_ok()
    }

    /// Lets Ctrl-C do the same where it ends the program. Until what is returned is dropped, the database is open.
    #[must_use]
    pub fn undo_at_exit(&self, database: &Database, interrupt: &Interrupt) -> AtExit {
        let (made, database) = (self.clone(), database.clone());
        interrupt.at_exit(move || {
            if made.undo(&database) {
                // Closing the database would have done that.
                let mut lock = made.path.into_os_string();
                lock.push("-lock");
                let _ = std::fs::remove_file(lock);
            }
        })
    }
}

/// Opens a database, or makes one, and says if it did.
pub fn open(path: &Path, options: Options) -> Result<(Database, Option<Made>), Error> {
    let was_there = path.exists();
    let database = Database::open_with(path, options)?;
    // Statements may change the directory.
    let made = path.canonicalize().ok().filter(|_| !was_there).map(|path| Made { path });
    Ok((database, made))
}

/// A directory that goes when it is dropped, or when Ctrl-C ends the program.
pub struct Scratch {
    directory: TempDir,
    _at_exit: AtExit,
}

impl Scratch {
    /// Makes one inside another.
    pub fn new(within: &Path, interrupt: &Interrupt) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("fluxdb-").tempdir_in(within)?;
        let path = directory.path().to_owned();
        let at_exit = interrupt.at_exit(move || {
            let _ = std::fs::remove_dir_all(path);
        });
        Ok(Self { directory, _at_exit: at_exit })
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
