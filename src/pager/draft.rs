//! A file that has its name only when it is complete.

use std::fs::Permissions;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::{PagerError, Result};
use super::os_file::OsFile;

/// A new file under another name in the same directory, which is gone if it is not published. It never takes the place of
/// another file.
#[derive(Debug)]
pub(crate) struct Draft {
    file: NamedTempFile,
    path: PathBuf,
}

impl Draft {
    /// An empty file that is to be `path`.
    ///
    /// # Errors
    /// There is a file of that name, or none can be made in its directory.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        let file = tempfile::Builder::new().prefix(".fluxdb-draft-").tempfile_in(directory);
        let file = file.map_err(|error| failed(path, error))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Where it is until it is published.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Makes it durable and gives it its name, and the permissions of the file at `like` if there is one.
    ///
    /// # Errors
    /// There is a file of that name by now, or the system refuses.
    pub(crate) fn publish(self, like: Option<&Path>) -> Result<()> {
        let Self { file, path } = self;
        let own = like.and_then(|like| std::fs::metadata(like).ok());
        let permissions = own.map_or_else(private, |own| own.permissions());
        file.as_file().set_permissions(permissions).map_err(|error| failed(&path, error))?;
        file.as_file().sync_all().map_err(|error| failed(&path, error))?;
        file.persist_noclobber(&path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists(&path),
            _ => failed(&path, error.error),
        })?;
        OsFile::sync_directory(&path)
    }
}

fn private() -> Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o600)
}

fn failed(path: &Path, error: io::Error) -> PagerError {
    PagerError::io("write to", &path.display().to_string(), error)
}

fn exists(path: &Path) -> PagerError {
    PagerError::Invalid(format!("'{}' exists already, and nothing is overwritten", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_its_name_when_it_is_published() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        let names = || std::fs::read_dir(directory.path()).unwrap().count();
        drop(Draft::new(&path).unwrap());
        assert_eq!(names(), 0);
        let (first, second) = (Draft::new(&path).unwrap(), Draft::new(&path).unwrap());
        std::fs::write(first.path(), "first").unwrap();
        assert!(!path.exists());
        first.publish(None).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        for refused in [second.publish(None), Draft::new(&path).map(drop)] {
            assert!(refused.unwrap_err().to_string().contains("exists already"));
        }
        assert_eq!((std::fs::read(&path).unwrap(), names()), (b"first".to_vec(), 1));
    }
}
