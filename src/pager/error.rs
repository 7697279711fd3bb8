//! What can go wrong in the file, one clear sentence each.

use std::io;
use std::sync::Arc;

use super::page::PageId;

/// Result of the pager.
pub type Result<T, E = PagerError> = std::result::Result<T, E>;

/// An error of the pager. Cheap to clone, so that the first failure can be kept and repeated.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PagerError {
    /// The operating system refused an operation.
    #[error("cannot {operation} '{path}': {source}")]
    Io {
        /// What was tried, as a verb: "read", "write to", "sync".
        operation: &'static str,
        /// The file it was tried on.
        path: Arc<str>,
        /// The system's own error.
        source: Arc<io::Error>,
    },
    /// There is no such file, and it was not to be created.
    #[error("'{0}' does not exist")]
    NotFound(Arc<str>),
    /// The directory that the new file should lie in does not exist.
    #[error("cannot create '{path}': the directory '{directory}' does not exist")]
    NoDirectory {
        /// The file to create.
        path: Arc<str>,
        /// The directory that is missing.
        directory: Arc<str>,
    },
    /// The path names a directory.
    #[error("'{0}' is a directory, not a database file")]
    IsADirectory(Arc<str>),
    /// The path names a pipe, a device or a socket.
    #[error("'{0}' is not a regular file")]
    NotARegularFile(Arc<str>),
    /// The system does not let this user open the file.
    #[error("no permission to {operation} '{path}'")]
    PermissionDenied {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file it was tried on.
        path: Arc<str>,
    },
    /// The file's first bytes are not those of a database.
    #[error("'{0}' is not a FluxDB database")]
    NotADatabase(Arc<str>),
    /// The file was written by a version that this one does not understand.
    #[error("'{path}' has format version {found}; this version of FluxDB reads versions up to {supported}")]
    UnsupportedVersion {
        /// The database file.
        path: Arc<str>,
        /// The version that the file names.
        found: u32,
        /// The newest version that this build reads.
        supported: u32,
    },
    /// The file uses features that this version does not know and must not ignore.
    #[error("'{path}' uses features that this version of FluxDB does not know (bits {bits:#x})")]
    UnsupportedFeatures {
        /// The database file.
        path: Arc<str>,
        /// The unknown bits of the incompatible-feature flags.
        bits: u64,
    },
    /// The file's content contradicts itself.
    #[error("the database is corrupt: {what}{}", at_page(*.page))]
    Corrupt {
        /// What is wrong.
        what: String,
        /// The page it was found on, where one is known.
        page: Option<PageId>,
    },
    /// Another open database holds the file.
    #[error("'{path}' is in use by {}", holder(*.pid))]
    Locked {
        /// The database file.
        path: Arc<str>,
        /// The process that holds it, if it left its number.
        pid: Option<u32>,
    },
    /// A write to a database that was opened for reading.
    #[error("'{0}' is open for reading only")]
    ReadOnly(Arc<str>),
    /// The file system has no room left. The transaction is lost, the database is not.
    #[error("no space left on the device that holds '{0}'")]
    DiskFull(Arc<str>),
    /// An earlier write or sync failed, so nothing more may be promised until the file is opened again.
    #[error(
        "writing has stopped until the database is opened again, because an earlier operation failed: {0}"
    )]
    Latched(Box<PagerError>),
    /// The caller asked for something that no file could do.
    #[error("{0}")]
    Invalid(String),
}

impl PagerError {
    /// A `Corrupt` error that names a page.
    pub fn corrupt_page(page: PageId, what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), page: Some(page) }
    }

    /// A `Corrupt` error that is not about one page.
    pub fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), page: None }
    }

    /// Names an error of the operating system.
    pub(crate) fn io(operation: &'static str, path: &str, source: io::Error) -> Self {
        let path: Arc<str> = path.into();
        let errno = rustix::io::Errno::from_io_error(&source);
        if matches!(errno, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)) {
            let source = io::Error::other("the limit on open files is reached (ulimit -n says it)");
            return Self::Io { operation, path, source: Arc::new(source) };
        }
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(path),
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { operation, path },
            io::ErrorKind::NotFound => Self::NotFound(path),
            io::ErrorKind::IsADirectory => Self::IsADirectory(path),
            _ => Self::Io { operation, path, source: Arc::new(source) },
        }
    }

    /// Whether this says that the content of the file is damaged.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }
}

fn at_page(page: Option<PageId>) -> String {
    page.map(|page| format!(" (page {})", page.0)).unwrap_or_default()
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) if pid == std::process::id() => "this process already".to_owned(),
        Some(pid) => format!("another process (pid {pid})"),
        None => "another process".to_owned(),
    }
}
