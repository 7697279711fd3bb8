//! A copy of an open database as of one moment.

use std::path::Path;

use crate::pager::{Access, Draft, File, OsFile, PagerError};
use crate::table::error::{Result, TableError};
use crate::table::storage::{Core, Storage, StorageOptions};

impl Core {
    /// Writes the database as of now to a new file, while others read and write. The copy is read and checked as a whole
    /// before it has its name; until then, and if anything fails, there is no file of that name.
    ///
    /// # Errors
    /// There is a file of that name, or it cannot be written; or the database or its copy is damaged.
    pub fn backup(&self, path: &Path) -> Result<()> {
        let draft = Draft::new(path)?;
        {
            let copy = OsFile::open(draft.path(), Access::Write)?;
            self.copy_to(&copy)?;
            copy.sync().map_err(|error| PagerError::io("sync", copy.name(), error))?;
        }
        // As anybody would open it. Its log is sealed when it is closed.
        let options = StorageOptions { create: false, background: false, ..StorageOptions::default() };
        let copy = Storage::open(draft.path(), &options)?;
        if let Some(damage) = &copy.recovery().damage {
            return Err(TableError::Corrupt(format!("the log of the copy: {damage}")));
        }
        let report = copy.check();
        if let Some(first) = report.findings.first() {
            let count = report.findings.len();
            return Err(TableError::Corrupt(format!("{first} (the first of {count} findings in the copy)")));
        }
        drop(copy);
        let own = Path::new(self.name());
        Ok(draft.publish((!self.is_volatile()).then_some(own))?)
    }

    /// Writes the current snapshot to an empty file.
    fn copy_to(&self, copy: &dyn File) -> Result<()> {
        if self.is_volatile() {
            let _pass = self.enter(None)?;
            if self.last_in_line().is_unsealed() {
                self.seal_all(self.begin_write()?)?;
            }
            return Ok(self.snapshot().pin.copy_to(copy, 0)?);
        }
        let snapshot = self.snapshot();
        // What is published may wait in memory, if nobody asked for more.
        if !self.pager().is_read_only() {
            self.pager().log_settle()?;
        }
        Ok(snapshot.pin.copy_to(copy, snapshot.unsealed.commits)?)
    }
}
