//! A file of the operating system: positioned writes, and reads through a mapping.
//!
//! The mapping covers the file as it was when it was made. A read past it makes a new one; slices of the old one
//! keep the old one alive. The file's length is looked at before each read: if another program has cut it, the read fails.
//! If it cuts what a slice shows that is in use just then, the kernel raises SIGBUS on access (`mapping.rs`). The lock keeps
//! other databases from doing so; for media that cannot be trusted there is a mode without a mapping, in which all that is
//! read is copied.
#![allow(unsafe_code)] // A mapping is unsafe to make because others may change the file under it.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use super::error::{PagerError, Result};
use super::file::{File, Peers, past_end};
use super::lock::FileLock;
use super::mapping::Mapping;
use super::memory_file::aligned_read;

/// A regular file, locked for as long as it is open.
#[derive(Debug)]
pub struct OsFile {
    name: String,
    file: std::fs::File,
    /// `None` if reads do not go through one.
    mapping: Option<RwLock<Option<Bytes>>>,
    /// Something that was read through a mapping was not there any more.
    lost: Arc<AtomicBool>,
    lock: Option<FileLock>,
    /// Where it was made, if this made it.
    created: Option<PathBuf>,
}

/// What to open a file for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading, beside other readers.
    Read,
    /// Reading and writing, alone; the file must exist.
    Write,
    /// Reading and writing, alone; an empty file is made where there is none.
    Create,
}

impl OsFile {
    /// Opens and locks a file.
    ///
    /// # Errors
    /// `NotFound`, `NoDirectory`, `IsADirectory`, `NotARegularFile`, `PermissionDenied`, `Locked`, or `Io`.
    pub fn open(path: &Path, access: Access) -> Result<Self> {
        let (file, path, created) = Self::open_unlocked(path, access)?;
        let lock = match FileLock::acquire(&file, &path, access != Access::Read) {
            Ok(lock) => lock,
            Err(error) => {
                // Unless somebody else has it already.
                if created && !matches!(error, PagerError::Locked { .. }) {
                    let _ = std::fs::remove_file(&path);
                }
                return Err(error);
            }
        };
        let name = path.display().to_string();
        let created = created.then_some(path);
        Ok(Self {
            name,
            file,
            mapping: Some(RwLock::default()),
            lost: Arc::default(),
            lock: Some(lock),
            created,
        })
    }

    /// The same, but what is read is copied, not mapped.
    #[must_use]
    pub fn unmapped(self) -> Self {
        Self { mapping: None, ..self }
    }

    /// Opens a file for reading without any lock or mapping, for tools that look at a database from outside. What they see
    /// may change while they look.
    pub fn open_for_inspection(path: &Path) -> Result<Self> {
        let (file, path, _) = Self::open_unlocked(path, Access::Read)?;
        let name = path.display().to_string();
        // Nothing keeps others from cutting what is looked at.
        Ok(Self { name, file, mapping: None, lost: Arc::default(), lock: None, created: None })
    }

    /// A file in a directory that no name leads to: it is gone when it is closed, however that happens.
    pub fn temporary(directory: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(directory)?;
        let name = directory.display().to_string();
        Ok(Self {
            name,
            file,
            mapping: Some(RwLock::default()),
            lost: Arc::default(),
            lock: None,
            created: None,
        })
    }

    /// The path at which opening made the file, if it did.
    pub fn created(&self) -> Option<&Path> {
        self.created.as_deref()
    }

    /// The file, its canonical path, and whether this made it.
    fn open_unlocked(path: &Path, access: Access) -> Result<(std::fs::File, PathBuf, bool)> {
        let name = path.display().to_string();
        let writing = access != Access::Read;
        let operation = if writing { "open" } else { "read" };
        // A directory is refused by name before it is opened, because opening one for reading succeeds.
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(PagerError::IsADirectory(name.into())),
            Ok(metadata) if !metadata.is_file() => return Err(PagerError::NotARegularFile(name.into())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && access == Access::Create => {
                let directory = match path.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => parent,
                    _ => Path::new("."),
                };
                if !directory.exists() {
                    return Err(PagerError::NoDirectory {
                        path: name.into(),
                        directory: directory.display().to_string().into(),
                    });
                }
            }
            Err(error) => return Err(PagerError::io(operation, &name, error)),
        }
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(writing);
        let (file, created) = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && access == Access::Create => {
                match options.create_new(true).open(path) {
                    // Somebody else made it just now, or it is a link to nothing, which then is made.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        (options.create_new(false).create(true).open(path), false)
                    }
                    file => (file, true),
                }
            }
            file => (file, false),
        };
        let file = file.map_err(|error| PagerError::io(operation, &name, error))?;
        // Links are followed once, so that all names of a file share one companion.
        let path = path.canonicalize().map_err(|error| PagerError::io(operation, &name, error))?;
        Ok((file, path, created))
    }

    /// Makes the file's name durable: a new file is not safe before its directory is.
    pub(crate) fn sync_directory(path: &Path) -> Result<()> {
        let path = path
            .canonicalize()
            .map_err(|error| PagerError::io("open", &path.display().to_string(), error))?;
        let Some(directory) = path.parent() else { return Ok(()) };
        std::fs::File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| PagerError::io("sync", &directory.display().to_string(), error))
    }

    fn map(&self, size: u64) -> io::Result<Bytes> {
        let bytes = usize::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        // SAFETY: the file is locked against other databases. Within this process
        // only pages that no slice of the mapping refers to are written: committed pages are never overwritten,
        // and a freed page is reused only after every slice of it is gone (`held` in `store.rs`).
        let mapping = unsafe { Mapping::new(&self.file, bytes, &self.lost)? };
        Ok(Bytes::from_owner(mapping))
    }
}

impl File for OsFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        // A mapping that reaches past the end must not be used for new reads.
        let mut mapping = self.mapping.as_ref().map(RwLock::write);
        if let Some(mapping) = &mut mapping {
            **mapping = None;
        }
        self.file.set_len(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let size = self.size()?;
        if bytes <= size {
            return Ok(());
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            use rustix::fs::{FallocateFlags, fallocate};
            use rustix::io::Errno;
            loop {
                match fallocate(&self.file, FallocateFlags::empty(), size, bytes - size) {
                    Ok(()) => return Ok(()),
                    Err(Errno::INTR) => {}
                    // The file system cannot reserve; a sparse extension is what is left.
                    Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => break,
                    Err(error) => {
                        // Some file systems keep what they reserved before they ran out.
                        if self.size().is_ok_and(|now| now > size) {
                            self.file.set_len(size)?;
                        }
                        return Err(error.into());
                    }
                }
            }
        }
        self.file.set_len(bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        // pread rejects offsets past i64::MAX with another error; the caller is to see the same one always.
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > i64::MAX as u64) {
            return Err(past_end(offset, buffer.len(), self.size()?));
        }
        self.file.read_exact_at(buffer, offset)
    }

    fn read(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        if bytes == 0 {
            return Ok(Bytes::new());
        }
        let Some(end) = offset.checked_add(bytes as u64) else {
            return Err(past_end(offset, bytes, self.size()?));
        };
        self.check()?;
        // Whoever cut the file has left the mapping longer than it.
        let size = self.size()?;
        if end > size {
            return Err(past_end(offset, bytes, size));
        }
        let copied = || aligned_read(offset, bytes, |buffer| self.file.read_exact_at(buffer, offset));
        let Some(mapping) = &self.mapping else { return copied() };
        if let Some(mapping) = &*mapping.read()
            && end <= mapping.len() as u64
        {
            return Ok(mapping.slice(offset as usize..end as usize));
        }
        let mut current = mapping.write();
        // A process may have only so many mappings, and so much address space.
        let Ok(mapping) = self.map(self.size()?.max(end)) else { return copied() };
        let slice = mapping.slice(offset as usize..end as usize);
        *current = Some(mapping);
        Ok(slice)
    }

    fn reads_are_copies(&self) -> bool {
        self.mapping.is_none()
    }

    fn check(&self) -> io::Result<()> {
        if self.lost.load(Ordering::Acquire) {
            let what = "parts of it were cut off or became unreadable while it was open";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        Ok(())
    }

    fn peers(&self) -> Option<&dyn Peers> {
        self.lock.as_ref().map(|lock| lock as &dyn Peers)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        use rustix::io::{Errno, IoSlice, ReadWriteFlags, pwritev2};
        // The sync covers this range alone, so a commit does not wait for the pages of a bulk load beside it.
        match pwritev2(&self.file, &[IoSlice::new(bytes)], offset, ReadWriteFlags::DSYNC) {
            Ok(written) if written == bytes.len() => Ok(()),
            Err(error) if !matches!(error, Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR | Errno::INVAL) => {
                Err(error.into())
            }
            _ => {
                self.write_all_at(offset, bytes)?;
                self.sync()
            }
        }
    }
}

/// Opens a path with the right access for the options, as the pager's handle to a file.
pub(crate) fn open(path: &Path, access: Access, mapped: bool) -> Result<Arc<OsFile>> {
    let file = OsFile::open(path, access)?;
    Ok(Arc::new(if mapped { file } else { file.unmapped() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obeys_the_laws() {
        let directory = tempfile::tempdir().unwrap();
        let file = OsFile::open(&directory.path().join("laws.flux"), Access::Create).unwrap();
        super::super::file::check_laws(&file);
        let file = OsFile::open(&directory.path().join("copies.flux"), Access::Create).unwrap().unmapped();
        super::super::file::check_laws(&file);
    }

    #[test]
    fn a_file_that_others_cut_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.flux");
        for mapped in [true, false] {
            let file = open(&path, Access::Create, mapped).unwrap();
            file.write_all_at(0, &vec![7; 1 << 16]).unwrap();
            let slice = file.read(32768, 32768).unwrap();
            assert_eq!(slice[0], 7);
            std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
            assert_eq!(file.read(32768, 32768).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            assert_eq!(file.read(0, 4096).unwrap()[4095], 7);
            // A copy does not know of it.
            assert!(mapped || slice.iter().all(|byte| *byte == 7));
        }
    }

    #[test]
    fn old_slices_survive_growth() {
        let directory = tempfile::tempdir().unwrap();
        let file = OsFile::open(&directory.path().join("a.flux"), Access::Create).unwrap();
        file.write_all_at(0, &[1; 4096]).unwrap();
        let old = file.read(0, 4096).unwrap();
        file.write_all_at(4096, &vec![2; 1 << 20]).unwrap();
        assert!(file.read(4096, 1 << 20).unwrap().iter().all(|byte| *byte == 2));
        assert!(old.iter().all(|byte| *byte == 1));
    }

    #[test]
    fn what_is_not_a_file_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let error = |path: &Path, access| OsFile::open(path, access).unwrap_err();
        let inside = directory.path().join("missing/new.flux");
        for access in [Access::Read, Access::Write, Access::Create] {
            assert!(matches!(error(directory.path(), access), PagerError::IsADirectory(_)));
            assert!(matches!(error(Path::new("/dev/null"), access), PagerError::NotARegularFile(_)));
        }
        assert!(matches!(error(&inside, Access::Create), PagerError::NoDirectory { .. }));
        assert!(matches!(error(&inside, Access::Read), PagerError::NotFound(_)));
        assert!(matches!(error(&directory.path().join("new.flux"), Access::Write), PagerError::NotFound(_)));
    }
}
