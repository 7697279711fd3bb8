//! Who may open a file: one writer alone, or any number of readers.
//!
//! The lock itself is `flock` on the database file: exclusive for a writer, shared for readers. The kernel drops
//! it with the process, it works on media that cannot be written, and it belongs to one open file, so a second
//! open within the same process is refused like any other.
//!
//! The companion `<name>-lock` only tells others who the writer is. Its first 4,096 bytes are text, of which the
//! line `pid <number>` is read; from byte 4,096 on it is reserved for the table of reader processes. It may be
//! deleted whenever nobody has the database open, and a clean close removes it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::{PagerError, Result};

/// Where the companion's text ends and its reader table will begin.
const TEXT_BYTES: u64 = 4096;

/// A held lock. The `flock` goes with the file's descriptor; dropping this removes the companion.
#[derive(Debug)]
pub(crate) struct FileLock {
    /// The companion, where this process is the writer and could make one.
    companion: Option<PathBuf>,
}

impl FileLock {
    /// Locks `file`, which lies at the canonical `path`.
    pub(crate) fn acquire(file: &std::fs::File, path: &Path, exclusive: bool) -> Result<Self> {
        let name = path.display().to_string();
        let operation = if exclusive {
            FlockOperation::NonBlockingLockExclusive
        } else {
            FlockOperation::NonBlockingLockShared
        };
        let companion = companion_path(path);
        loop {
            match flock(file, operation) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Err(PagerError::Locked { path: name.into(), pid: read_pid(&companion) });
                }
                // A file system without locks may still be read; writing without one could destroy the file.
                Err(Errno::OPNOTSUPP | Errno::NOLCK | Errno::NOSYS) if !exclusive => break,
                Err(error) => return Err(PagerError::io("lock", &name, error.into())),
            }
        }
        let companion = exclusive.then_some(companion).filter(|companion| write_pid(companion));
        Ok(Self { companion })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The lock is still held here, so this cannot be the companion of a later writer. If it cannot be
        // removed, it stays as a file that says nothing: its text counts only while the lock is held.
        if let Some(companion) = &self.companion {
            let _ = std::fs::remove_file(companion);
        }
    }
}

/// The companion's path: the database's with `-lock` behind it.
pub(crate) fn companion_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    name.into()
}

/// Leaves this process's number. A directory that cannot be written only costs others the number.
fn write_pid(companion: &Path) -> bool {
    let text = format!("FluxDB lock\npid {}\n", std::process::id());
    std::fs::File::create(companion).and_then(|mut file| file.write_all(text.as_bytes())).is_ok()
}

fn read_pid(companion: &Path) -> Option<u32> {
    let mut text = Vec::new();
    std::fs::File::open(companion).ok()?.take(TEXT_BYTES).read_to_end(&mut text).ok()?;
    std::str::from_utf8(&text).ok()?.lines().find_map(|line| line.strip_prefix("pid ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::super::os_file::{Access, OsFile};
    use super::*;

    #[test]
    fn one_writer_or_many_readers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.flux");
        let writer = OsFile::open(&path, Access::Create).unwrap();
        let companion = companion_path(&path.canonicalize().unwrap());
        assert!(companion.exists());
        for access in [Access::Read, Access::Write, Access::Create] {
            let error = OsFile::open(&path, access).unwrap_err();
            let PagerError::Locked { pid, .. } = &error else { panic!("{error}") };
            assert_eq!(*pid, Some(std::process::id()));
            assert!(error.to_string().contains("this process"), "{error}");
        }
        drop(writer);
        assert!(!companion.exists());

        let readers =
            [OsFile::open(&path, Access::Read).unwrap(), OsFile::open(&path, Access::Read).unwrap()];
        assert!(matches!(OsFile::open(&path, Access::Write), Err(PagerError::Locked { pid: None, .. })));
        drop(readers);
        // A companion that a killed writer left behind is in nobody's way.
        std::fs::write(&companion, "pid 4000000\n").unwrap();
        drop(OsFile::open(&path, Access::Write).unwrap());
        assert!(!companion.exists());
    }

    #[test]
    fn a_damaged_companion_only_hides_the_number() {
        let directory = tempfile::tempdir().unwrap();
        let companion = directory.path().join("x-lock");
        for text in [&b""[..], b"pid\n", b"pid x\n", b"\xff\xff", b"pid 99999999999999\n"] {
            std::fs::write(&companion, text).unwrap();
            assert_eq!(read_pid(&companion), None);
        }
    }
}
