//! The file that the crate reads from.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::footer;

/// A file read at any place, by any number of threads.
#[derive(Debug, Clone)]
pub(super) struct Positioned {
    /// The file.
    pub file: Arc<File>,
    /// Its bytes.
    pub size: u64,
}

impl Positioned {
    /// Looks at what the footer states, before the crate believes it.
    ///
    /// # Errors
    /// It states too much. What is no footer at all is left to the crate to name.
    pub fn check_footer(&self) -> Result<(), ParquetError> {
        const TAIL: u64 = 8;
        let Some(end) = self.size.checked_sub(TAIL) else { return Ok(()) };
        let tail = self.get_bytes(end, TAIL as usize)?;
        let Some((length, b"PAR1")) = tail.split_first_chunk::<4>() else { return Ok(()) };
        let length = u32::from_le_bytes(*length);
        match end.checked_sub(length.into()) {
            Some(start) => footer::check(&self.get_bytes(start, length as usize)?),
            None => Ok(()),
        }
    }
}

impl Length for Positioned {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Positioned {
    type T = std::io::BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        // The crate reads page headers this way, which are short.
        Ok(std::io::BufReader::with_capacity(512, From { file: self.file.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.size);
        if end.is_none() {
            return Err(ParquetError::EOF(format!(
                "bytes {start} to {} of a file of {} bytes",
                start.saturating_add(length as u64),
                self.size
            )));
        }
        let mut buffer = vec![0; length];
        self.file.read_exact_at(&mut buffer, start)?;
        Ok(buffer.into())
    }
}

/// A position in a file.
pub(super) struct From {
    file: Arc<File>,
    at: u64,
}

impl std::io::Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
