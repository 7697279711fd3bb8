//! A copy of an open database as of one moment.

use std::io;
use std::path::Path;

use crate::pager::{Access, File, OsFile, PagerError};
use crate::table::error::{Result, TableError};
use crate::table::storage::{Core, Storage, StorageOptions};

impl Core {
    /// Writes the database as of now to a new file, while others read and write. The copy is read and checked as a whole
    /// before it has its name; until then, and if anything fails, there is no file of that name.
    ///
    /// # Errors
    /// There is a file of that name, or it cannot be written; or the database or its copy is damaged.
    pub fn backup(&self, path: &Path) -> Result<()> {
        let name = path.display().to_string();
        let failed = |error: io::Error| TableError::from(PagerError::io("write to", &name, error));
        let exists = || {
            TableError::from(PagerError::Invalid(format!(
                "'{name}' exists already, and a backup overwrites nothing"
            )))
        };
        if path.symlink_metadata().is_ok() {
            return Err(exists());
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        let mut builder = tempfile::Builder::new();
        let temporary = builder.prefix(".fluxdb-backup-").tempfile_in(directory).map_err(failed)?;
        {
            let copy = OsFile::open(temporary.path(), Access::Write)?;
            self.copy_to(&copy)?;
            copy.sync().map_err(failed)?;
        }
        // As anybody would open it. Its log is sealed when it is closed.
        let options = StorageOptions { create: false, background: false, ..StorageOptions::default() };
        let copy = Storage::open(temporary.path(), &options)?;
        if let Some(damage) = &copy.recovery().damage {
            return Err(TableError::Corrupt(format!("the log of the copy: {damage}")));
        }
        let report = copy.check();
        if let Some(first) = report.findings.first() {
            let count = report.findings.len();
            return Err(TableError::Corrupt(format!("{first} (the first of {count} findings in the copy)")));
        }
        drop(copy);
        let file = temporary.as_file();
        file.set_permissions(self.permissions(file)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        temporary.persist_noclobber(path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists(),
            _ => failed(error.error),
        })?;
        Ok(OsFile::sync_directory(path)?)
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

    /// Those of the database's own file, or as for any new file.
    fn permissions(&self, copy: &std::fs::File) -> std::fs::Permissions {
        let own = std::fs::metadata(self.name()).ok().filter(|_| !self.is_volatile());
        own.or_else(|| copy.metadata().ok())
            .map_or_else(|| std::os::unix::fs::PermissionsExt::from_mode(0o600), |file| file.permissions())
    }
}
