//! Locks on single bytes of a file, which belong to the open file and not to the process: so a second open within one
//! process meets them as another process does, and the kernel drops them with the last descriptor, however the process
//! ends. They may lie past the end of the file, and on media that cannot be written shared ones work.
//!
//! Elsewhere than on Linux there are none; then all of these fail with `Unsupported`.
#![cfg_attr(any(target_os = "linux", target_os = "android"), allow(unsafe_code))]

use std::fs::File;
use std::io;

/// How to lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Beside others who share it.
    Shared,
    /// Alone.
    Exclusive,
}

/// Locks a byte. Returns whether nobody else has it in a way that does not go together.
pub fn try_lock(file: &File, at: u64, mode: Mode) -> io::Result<bool> {
    sys::set(file, at, Some(mode))
}

/// Gives up the lock on a byte.
pub fn unlock(file: &File, at: u64) -> io::Result<()> {
    sys::set(file, at, None).map(|_| ())
}

/// Whether another open file has a lock on a byte.
pub fn is_locked(file: &File, at: u64) -> io::Result<bool> {
    sys::is_locked(file, at)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod sys {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;

    use super::Mode;

    fn request(kind: libc::c_int, at: u64) -> libc::flock64 {
        // SAFETY: all fields are integers, for which zeros are values.
        let mut request: libc::flock64 = unsafe { std::mem::zeroed() };
        request.l_type = kind as libc::c_short;
        request.l_whence = libc::SEEK_SET as libc::c_short;
        request.l_start = at.cast_signed();
        request.l_len = 1;
        request
    }

    fn control(file: &File, operation: libc::c_int, request: &mut libc::flock64) -> io::Result<()> {
        loop {
            // SAFETY: the descriptor is open as long as `file` is borrowed, and the kernel reads and writes no more than
            // the request, which is alive.
            let done = unsafe { libc::fcntl(file.as_raw_fd(), operation, std::ptr::from_mut(request)) };
            if done != -1 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    pub(super) fn set(file: &File, at: u64, mode: Option<Mode>) -> io::Result<bool> {
        let kind = match mode {
            Some(Mode::Exclusive) => libc::F_WRLCK,
            Some(Mode::Shared) => libc::F_RDLCK,
            None => libc::F_UNLCK,
        };
        match control(file, libc::F_OFD_SETLK, &mut request(kind, at)) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            // An old kernel, or a file system without locks.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOLCK)) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn is_locked(file: &File, at: u64) -> io::Result<bool> {
        let mut request = request(libc::F_WRLCK, at);
        control(file, libc::F_OFD_GETLK, &mut request)?;
        Ok(request.l_type != libc::F_UNLCK as libc::c_short)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod sys {
    use std::fs::File;
    use std::io;

    use super::Mode;

    pub(super) fn set(_: &File, _: u64, _: Option<Mode>) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn is_locked(_: &File, _: u64) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_locked_by_open_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("locked");
        let open =
            || File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
        let (a, b) = (open(), open());
        let at = 1 << 62;
        assert!(try_lock(&a, at, Mode::Shared).unwrap() && try_lock(&b, at, Mode::Shared).unwrap());
        assert!(!try_lock(&a, at, Mode::Exclusive).unwrap() && is_locked(&a, at).unwrap());
        unlock(&b, at).unwrap();
        assert!(try_lock(&a, at, Mode::Exclusive).unwrap() && !try_lock(&b, at, Mode::Shared).unwrap());
        assert!(!is_locked(&a, at).unwrap(), "not by another");
        assert!(is_locked(&b, at).unwrap() && !is_locked(&b, at + 1).unwrap());
        let copy = a.try_clone().unwrap();
        drop(a);
        assert!(is_locked(&b, at).unwrap(), "a copy of the descriptor keeps it");
        drop(copy);
        assert!(!is_locked(&b, at).unwrap());
    }
}
