//! The temporary file of a query, and which of its bytes are in use.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_buffer::{Buffer, MutableBuffer};
use parking_lot::Mutex;

use super::io_error;
use crate::exec::error::{ExecError, Result};
use crate::pager::{File, OsFile};

/// Bytes of all temporary files of this process.
static USED: AtomicU64 = AtomicU64::new(0);
/// Places are multiples of this.
const ALIGNMENT: u64 = 64;

/// A file of extents that come and go. It has no name in the file system.
#[derive(Debug)]
pub(super) struct TempFile {
    file: Arc<dyn File>,
    limit: u64,
    space: Mutex<Space>,
}

#[derive(Debug, Default)]
struct Space {
    /// The file's length.
    end: u64,
    /// Extents before the end that are not in use: place and length.
    free: BTreeMap<u64, u64>,
}

impl TempFile {
    /// A new file in a directory.
    pub fn create(directory: &Path, limit: u64) -> Result<Self> {
        let name = directory.display().to_string();
        std::fs::create_dir_all(directory).map_err(|e| io_error("make", &name, &e))?;
        let file = OsFile::temporary(directory).map_err(|e| io_error("make", &name, &e))?;
        Ok(Self::new(Arc::new(file), limit))
    }

    /// An empty file.
    pub fn new(file: Arc<dyn File>, limit: u64) -> Self {
        Self { file, limit, space: Mutex::default() }
    }

    /// Writes bytes somewhere; says where.
    pub fn append(&self, bytes: &[u8]) -> Result<u64> {
        let place = self.space.lock().allocate(room(bytes.len()), self.limit)?;
        let written = self.file.write_all_at(place, bytes).and_then(|()| {
            // A checksum behind the bytes: a disk that forgets must not make a wrong answer.
            self.file.write_all_at(place + bytes.len() as u64, &crc32fast::hash(bytes).to_le_bytes())
        });
        written.map_err(|e| {
            self.free(place, bytes.len());
            io_error("write", self.file.name(), &e)
        })?;
        Ok(place)
    }

    /// Reads what was written at a place.
    pub fn read(&self, place: u64, bytes: usize) -> Result<Buffer> {
        let mut buffer = MutableBuffer::from_len_zeroed(bytes);
        let mut sum = [0; 4];
        let result = self.file.read_at(place, &mut buffer);
        result
            .and_then(|()| self.file.read_at(place + bytes as u64, &mut sum))
            .map_err(|e| io_error("read", self.file.name(), &e))?;
        if crc32fast::hash(&buffer) != u32::from_le_bytes(sum) {
            return Err(ExecError::Io(format!(
                "a temporary file in \"{}\" has other bytes at {place} than were written",
                self.file.name()
            )));
        }
        Ok(buffer.into())
    }

    /// Bytes that are in use.
    pub fn used(&self) -> u64 {
        let space = self.space.lock();
        space.end - space.free.values().sum::<u64>()
    }

    /// Gives back what was written at a place.
    pub fn free(&self, place: u64, bytes: usize) {
        let mut space = self.space.lock();
        space.free(place, room(bytes));
        if space.end == 0 {
            // Nothing is lost if that fails: the bytes are overwritten, or go with the file.
            let _ = self.file.set_size(0);
        }
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        USED.fetch_sub(self.space.get_mut().end, Ordering::Relaxed);
    }
}

/// The room that bytes and their checksum take.
fn room(bytes: usize) -> u64 {
    (bytes as u64 + 4).next_multiple_of(ALIGNMENT)
}

impl Space {
    fn allocate(&mut self, bytes: u64, limit: u64) -> Result<u64> {
        let found = self.free.iter().find(|(_, len)| **len >= bytes).map(|(place, len)| (*place, *len));
        if let Some((place, len)) = found {
            self.free.remove(&place);
            if len > bytes {
                self.free.insert(place + bytes, len - bytes);
            }
            return Ok(place);
        }
        let used = USED.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used > limit {
            USED.fetch_sub(bytes, Ordering::Relaxed);
            return Err(ExecError::OutOfMemory(format!(
                "could not write {bytes} bytes to a temporary file: {} of {limit} bytes of max_temp_directory_size \
                 are in use",
                used - bytes
            )));
        }
        let place = self.end;
        self.end += bytes;
        Ok(place)
    }

    fn free(&mut self, mut place: u64, mut bytes: u64) {
        if let Some((&before, &len)) = self.free.range(..place).next_back()
            && before + len == place
        {
            self.free.remove(&before);
            place = before;
            bytes += len;
        }
        if let Some(len) = self.free.remove(&(place + bytes)) {
            bytes += len;
        }
        if place + bytes == self.end {
            self.end = place;
            USED.fetch_sub(bytes, Ordering::Relaxed);
        } else {
            self.free.insert(place, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pager::MemoryFile;

    #[test]
    fn places_are_used_again() {
        let file = TempFile::new(Arc::new(MemoryFile::new()), u64::MAX);
        let places: Vec<u64> = (0..4u8).map(|i| file.append(&[i; 100]).unwrap()).collect();
        file.free(places[1], 100);
        file.free(places[2], 100);
        assert_eq!(file.append(&[9; 200]).unwrap(), places[1]);
        assert_eq!(file.read(places[1], 200).unwrap().as_slice(), [9; 200]);
        assert_eq!(file.read(places[3], 100).unwrap().as_slice(), [3; 100]);
        file.free(places[0], 100);
        file.free(places[3], 100);
        file.free(places[1], 200);
        let space = file.space.lock();
        assert_eq!((space.end, space.free.len()), (0, 0));
    }

    #[test]
    fn other_bytes_than_were_written_are_an_error() {
        let inner = Arc::new(MemoryFile::new());
        let file = TempFile::new(inner.clone(), u64::MAX);
        let place = file.append(&[7; 100]).unwrap();
        inner.write_all_at(place + 50, &[8]).unwrap();
        assert!(file.read(place, 100).unwrap_err().to_string().contains("other bytes"));
    }
}
