//! Who may open a file, and what those who have it open tell each other: one writer, beside any number of readers.
//!
//! All locks are on single bytes ([`range_lock`]). On the database file, far past its end:
//!
//! | byte | exclusive | shared |
//! |---|---|---|
//! | [`WRITER`] | the writer | a reader that cannot register, and so keeps writers out |
//! | [`READERS`] | a writer that cannot make the companion, and so keeps readers out | a registered reader |
//!
//! The companion `<name>-lock` has
//!
//! | bytes | content |
//! |---|---|
//! | 0 to 63 | text, with the line `pid <number>` of the writer. Byte 0 is locked by who comes or goes |
//! | 2,048 to 2,071 | what the writer [announces](Peers::announce): epoch, frames, and both of these combined by exclusive or with a constant |
//! | from 4,096 | a slot of 64 bytes for each reader, whose first byte it locks: its process (8), the oldest commit that it shows (8), and that combined with the constant |
//!
//! A slot counts as long as it is locked. So a reader that dies holds nothing back, and what a crash leaves in the
//! companion means nothing. It may be deleted whenever nobody has the database open; the last to leave does that.
//!
//! Where there are no such locks, `flock` lets in one writer alone, or any number of readers.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::{PagerError, Result};
use super::file::{Announced, Peers};
use super::range_lock::{Mode, is_locked, try_lock, unlock};

const WRITER: u64 = 1 << 62;
const READERS: u64 = WRITER + 1;

/// Bytes of the companion's text.
const TEXT_BYTES: usize = 64;
const ANNOUNCED_AT: u64 = 2048;
const SLOTS_AT: u64 = 4096;
const SLOT_BYTES: u64 = 64;
/// Readers at a time.
pub(crate) const READERS_MAX: u64 = 1024;
/// Tells numbers that were written whole from others.
const SEAL: u64 = 0x5158_464c_434f_4c52;
/// How long to wait for somebody who comes or goes.
const PATIENCE: Duration = Duration::from_secs(2);

/// A held lock. Dropping it tidies up; the locks themselves go with the descriptors.
#[derive(Debug)]
pub(crate) struct FileLock {
    /// The database, for its locks.
    database: File,
    exclusive: bool,
    companion: Option<Companion>,
}

#[derive(Debug)]
struct Companion {
    file: File,
    path: PathBuf,
    /// The place of a reader.
    slot: Option<u64>,
}

impl FileLock {
    /// Locks `file`, which lies at the canonical `path`.
    pub(crate) fn acquire(file: &File, path: &Path, exclusive: bool) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |error| PagerError::io("lock", &name, error);
        let database = file.try_clone().map_err(failed)?;
        let place = companion_path(path);
        let locked = || PagerError::Locked { path: name.as_str().into(), pid: read_pid(&place) };
        let outcome = if exclusive { Self::write(&database, &place) } else { Self::read(&database, &place) };
        let companion = match outcome {
            Ok(Some(companion)) => companion,
            Ok(None) => return Err(locked()),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                return Self::without_ranges(database, &name, exclusive, locked);
            }
            Err(error) if error.kind() == io::ErrorKind::QuotaExceeded && !exclusive => {
                return Err(PagerError::Invalid(format!(
                    "'{name}' is open for reading {READERS_MAX} times, which is as often as is possible"
                )));
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { database, exclusive, companion })
    }

    /// `None` if others have the file in a way that does not go together with it.
    fn write(database: &File, place: &Path) -> io::Result<Option<Option<Companion>>> {
        if !try_lock(database, WRITER, Mode::Exclusive)? {
            return Ok(None);
        }
        let text = || {
            let mut text = format!("FluxDB lock\npid {}\n", std::process::id()).into_bytes();
            text.resize(TEXT_BYTES, b'\n');
            text
        };
        let entered = Companion::enter(database, place, |companion| companion.write_all_at(&text(), 0));
        match entered {
            Ok(companion) => Ok(Some(Some(companion))),
            // Nobody can register, so nobody may read.
            Err(_) if try_lock(database, READERS, Mode::Exclusive)? => Ok(Some(None)),
            Err(_) => Ok(None),
        }
    }

    fn read(database: &File, place: &Path) -> io::Result<Option<Option<Companion>>> {
        let mut slot = None;
        let entered = Companion::enter(database, place, |companion| {
            for number in 0..READERS_MAX {
                if try_lock(companion, SLOTS_AT + number * SLOT_BYTES, Mode::Exclusive)? {
                    slot = Some(number);
                    return write_slot(companion, number, 0);
                }
            }
            Err(io::ErrorKind::QuotaExceeded.into())
        });
        match entered {
            Ok(companion) => {
                let registered = try_lock(database, READERS, Mode::Shared)?;
                Ok(registered.then_some(Some(Companion { slot, ..companion })))
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::QuotaExceeded | io::ErrorKind::Unsupported) =>
            {
                Err(error)
            }
            // Such as on media that cannot be written: as long as it reads, nobody writes.
            Err(_) => Ok(try_lock(database, WRITER, Mode::Shared)?.then_some(None)),
        }
    }

    fn without_ranges(
        database: File,
        name: &str,
        exclusive: bool,
        locked: impl Fn() -> PagerError,
    ) -> Result<Self> {
        let operation = if exclusive {
            FlockOperation::NonBlockingLockExclusive
        } else {
            FlockOperation::NonBlockingLockShared
        };
        loop {
            match flock(&database, operation) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Err(locked()),
                // A file system without locks may still be read; writing without one could destroy the file.
                Err(Errno::OPNOTSUPP | Errno::NOLCK | Errno::NOSYS) if !exclusive => break,
                Err(error) => return Err(PagerError::io("lock", name, error.into())),
            }
        }
        Ok(Self { database, exclusive, companion: None })
    }
}

impl Companion {
    /// Opens the companion, or makes it, and does something that nobody disturbs who comes or goes. If that fails,
    /// nothing is left of it.
    fn enter(
        database: &File,
        path: &Path,
        register: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<Self> {
        loop {
            let new = File::options().read(true).write(true).create_new(true).open(path);
            let (file, is_new) = match new {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    (File::options().read(true).write(true).open(path), false)
                }
                new => (new, true),
            };
            let file = match file {
                // It went in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !is_new => continue,
                file => file?,
            };
            if is_new {
                // Whoever may open the database may register.
                let mode = database.metadata()?.permissions().mode() & 0o666;
                let _ = file.set_permissions(std::fs::Permissions::from_mode(mode));
            }
            wait_for(&file, 0)?;
            // Whoever leaves last removes it.
            let is_there = std::fs::metadata(path).is_ok_and(|there| {
                file.metadata().is_ok_and(|this| (this.dev(), this.ino()) == (there.dev(), there.ino()))
            });
            if !is_there {
                continue;
            }
            let registered = register(&file);
            if registered.is_err() && is_new {
                let _ = std::fs::remove_file(path);
            }
            unlock(&file, 0)?;
            registered?;
            return Ok(Self { file, path: path.to_path_buf(), slot: None });
        }
    }

    /// The slots that other open files have taken, with what they say.
    fn readers(&self) -> io::Result<Vec<u64>> {
        let end = self.file.metadata()?.len().min(SLOTS_AT + READERS_MAX * SLOT_BYTES);
        let mut bytes = vec![0; end.saturating_sub(SLOTS_AT) as usize];
        self.file.read_exact_at(&mut bytes, SLOTS_AT)?;
        let mut pinned = vec![];
        for (number, slot) in (0..).zip(bytes.chunks(SLOT_BYTES as usize)) {
            let field = |at: usize| {
                slot.get(at..at + 8)
                    .map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
            };
            if field(0) != 0 && is_locked(&self.file, SLOTS_AT + number * SLOT_BYTES)? {
                // What cannot be read holds everything back.
                pinned.push(if field(8) ^ SEAL == field(16) { field(8) } else { 0 });
            }
        }
        Ok(pinned)
    }
}

/// Locks a byte of a companion alone, which others do for a moment.
fn wait_for(file: &File, at: u64) -> io::Result<()> {
    let start = Instant::now();
    while !try_lock(file, at, Mode::Exclusive)? {
        if start.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn write_slot(companion: &File, number: u64, sequence: u64) -> io::Result<()> {
    let mut slot = [0; SLOT_BYTES as usize];
    slot[..8].copy_from_slice(&u64::from(std::process::id()).to_le_bytes());
    slot[8..16].copy_from_slice(&sequence.to_le_bytes());
    slot[16..24].copy_from_slice(&(sequence ^ SEAL).to_le_bytes());
    companion.write_all_at(&slot, SLOTS_AT + number * SLOT_BYTES)
}

impl Peers for FileLock {
    fn announce(&self, epoch: u64, frames: u64) {
        let Some(companion) = self.companion.as_ref().filter(|_| self.exclusive) else { return };
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&epoch.to_le_bytes());
        bytes[8..16].copy_from_slice(&frames.to_le_bytes());
        bytes[16..].copy_from_slice(&(epoch ^ frames.rotate_left(32) ^ SEAL).to_le_bytes());
        // If that fails, readers see commits later.
        let _ = companion.file.write_all_at(&bytes, ANNOUNCED_AT);
    }

    fn oldest_pinned(&self) -> Option<u64> {
        let companion = self.companion.as_ref()?;
        // Readers that cannot be asked hold everything back.
        companion.readers().map_or(Some(0), |pinned| pinned.into_iter().min())
    }

    fn follows(&self) -> bool {
        !self.exclusive && self.companion.is_some()
    }

    fn pin(&self, sequence: u64) -> io::Result<()> {
        match &self.companion {
            Some(Companion { file, slot: Some(slot), .. }) => write_slot(file, *slot, sequence),
            _ => Ok(()),
        }
    }

    fn announced(&self) -> Announced {
        let Some(companion) = &self.companion else { return Announced::NoWriter };
        if !is_locked(&self.database, WRITER).unwrap_or(false) {
            return Announced::NoWriter;
        }
        let mut bytes = [0; 24];
        for _ in 0..100 {
            if companion.file.read_exact_at(&mut bytes, ANNOUNCED_AT).is_err() {
                break;
            }
            let field = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
            let (epoch, frames) = (field(0), field(8));
            if epoch ^ frames.rotate_left(32) ^ SEAL == field(16) {
                return Announced::Frames { epoch, frames };
            }
            std::thread::yield_now();
        }
        Announced::Nothing
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // If it cannot be removed it stays, and means nothing.
        let Some(companion) = &self.companion else { return };
        if wait_for(&companion.file, 0).is_err() {
            return;
        }
        let alone = companion.readers().is_ok_and(|pinned| pinned.is_empty())
            && (self.exclusive || is_locked(&self.database, WRITER).is_ok_and(|locked| !locked));
        if alone {
            let _ = std::fs::remove_file(&companion.path);
        }
    }
}

/// The companion's path: the database's with `-lock` behind it.
pub(crate) fn companion_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    name.into()
}

fn read_pid(companion: &Path) -> Option<u32> {
    let mut text = Vec::new();
    File::open(companion).ok()?.take(TEXT_BYTES as u64).read_to_end(&mut text).ok()?;
    std::str::from_utf8(&text).ok()?.lines().find_map(|line| line.strip_prefix("pid ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::super::file::File as _;
    use super::super::os_file::{Access, OsFile};
    use super::*;

    #[test]
    fn one_writer_beside_many_readers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.flux");
        let writer = OsFile::open(&path, Access::Create).unwrap();
        let companion = companion_path(&path.canonicalize().unwrap());
        assert!(companion.exists());
        for access in [Access::Write, Access::Create] {
            let error = OsFile::open(&path, access).unwrap_err();
            let PagerError::Locked { pid, .. } = &error else { panic!("{error}") };
            assert_eq!(*pid, Some(std::process::id()));
            assert!(error.to_string().contains("this process"), "{error}");
        }
        let peers = writer.peers().unwrap();
        assert_eq!(peers.oldest_pinned(), None);
        let readers =
            [OsFile::open(&path, Access::Read).unwrap(), OsFile::open(&path, Access::Read).unwrap()];
        assert_eq!(peers.oldest_pinned(), Some(0), "who comes holds everything back");
        readers[0].peers().unwrap().pin(7).unwrap();
        readers[1].peers().unwrap().pin(5).unwrap();
        assert_eq!(peers.oldest_pinned(), Some(5));
        assert!(matches!(
            readers[0].peers().unwrap().announced(),
            Announced::Nothing | Announced::Frames { epoch: 0, .. }
        ));
        peers.announce(9, 3);
        assert!(matches!(readers[0].peers().unwrap().announced(), Announced::Frames { epoch: 9, frames: 3 }));
        let [first, second] = readers;
        drop(second);
        assert_eq!(peers.oldest_pinned(), Some(7));
        drop(writer);
        assert!(companion.exists(), "a reader is there");
        assert!(matches!(first.peers().unwrap().announced(), Announced::NoWriter));
        let writer = OsFile::open(&path, Access::Write).unwrap();
        assert_eq!(writer.peers().unwrap().oldest_pinned(), Some(7), "the next writer knows of it");
        drop(writer);
        drop(first);
        assert!(!companion.exists(), "the last to leave removes it");
        // A companion that a killed writer left behind is in nobody's way.
        std::fs::write(&companion, "pid 4000000\n").unwrap();
        drop(OsFile::open(&path, Access::Write).unwrap());
        assert!(!companion.exists());
    }

    #[test]
    fn who_cannot_register_keeps_writers_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.flux");
        drop(OsFile::open(&path, Access::Create).unwrap());
        // A companion that cannot be opened as a file.
        let companion = companion_path(&path.canonicalize().unwrap());
        std::fs::create_dir(&companion).unwrap();
        let reader = OsFile::open(&path, Access::Read).unwrap();
        assert!(!reader.peers().unwrap().follows());
        assert!(matches!(OsFile::open(&path, Access::Write), Err(PagerError::Locked { .. })));
        drop((OsFile::open(&path, Access::Read).unwrap(), reader));
        let writer = OsFile::open(&path, Access::Write).unwrap();
        assert!(matches!(OsFile::open(&path, Access::Read), Err(PagerError::Locked { .. })));
        std::fs::remove_dir(&companion).unwrap();
        assert!(matches!(OsFile::open(&path, Access::Read), Err(PagerError::Locked { .. })));
        drop(writer);
        drop(OsFile::open(&path, Access::Read).unwrap());
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
