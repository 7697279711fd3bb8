//! A file in memory, for `:memory:` databases and tests.
//!
//! It is a map of immutable segments: a write puts a new segment in place of what it covers, so bytes that were
//! handed out stay as they were, and reading within one written segment copies nothing.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use parking_lot::RwLock;

use super::file::{File, past_end};

/// Bytes from disk are read in place as columns of any type, so memory must be aligned as a mapping is.
const ALIGNMENT: usize = 64;

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Block([u8; ALIGNMENT]);

struct AlignedBytes {
    blocks: Vec<Block>,
    start: usize,
    end: usize,
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.blocks)[self.start..self.end]
    }
}

/// A copy of `bytes` whose address is congruent to `offset` modulo 64.
pub(crate) fn aligned_copy(offset: u64, bytes: &[u8]) -> Bytes {
    if bytes.is_empty() {
        return Bytes::new();
    }
    let start = (offset % ALIGNMENT as u64) as usize;
    let end = start + bytes.len();
    let mut blocks = Vec::with_capacity(end.div_ceil(ALIGNMENT));
    let head = if start == 0 { 0 } else { bytes.len().min(ALIGNMENT - start) };
    if head > 0 {
        let mut block = Block([0; ALIGNMENT]);
        block.0[start..start + head].copy_from_slice(&bytes[..head]);
        blocks.push(block);
    }
    let (whole, rest) = bytes[head..].as_chunks::<ALIGNMENT>();
    blocks.extend(whole.iter().map(|chunk| Block(*chunk)));
    if !rest.is_empty() {
        let mut block = Block([0; ALIGNMENT]);
        block.0[..rest.len()].copy_from_slice(rest);
        blocks.push(block);
    }
    Bytes::from_owner(AlignedBytes { blocks, start, end })
}

/// So many bytes that `fill` writes, at an address that is congruent to `offset` modulo 64.
pub(crate) fn aligned_read(
    offset: u64,
    bytes: usize,
    fill: impl FnOnce(&mut [u8]) -> io::Result<()>,
) -> io::Result<Bytes> {
    let start = (offset % ALIGNMENT as u64) as usize;
    let end = start + bytes;
    let mut blocks = vec![Block([0; ALIGNMENT]); end.div_ceil(ALIGNMENT)];
    fill(&mut bytemuck::cast_slice_mut(&mut blocks)[start..end])?;
    Ok(Bytes::from_owner(AlignedBytes { blocks, start, end }))
}

/// A file that lives as long as the process.
pub struct MemoryFile {
    name: String,
    content: RwLock<Content>,
}

#[derive(Default)]
struct Content {
    /// Disjoint written ranges by their first byte. What lies between them reads as zeros.
    segments: BTreeMap<u64, Bytes>,
    size: u64,
}

impl MemoryFile {
    /// An empty file.
    pub fn new() -> Self {
        Self { name: ":memory:".to_owned(), content: RwLock::default() }
    }

    /// A file with the given content.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let file = Self::new();
        {
            let mut content = file.content.write();
            content.size = bytes.len() as u64;
            content.put(0, aligned_copy(0, bytes));
        }
        file
    }

    /// A copy of the whole content.
    pub fn to_vec(&self) -> Vec<u8> {
        let content = self.content.read();
        let mut bytes = vec![0; content.size as usize];
        content.copy(0, &mut bytes);
        bytes
    }
}

impl Default for MemoryFile {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for MemoryFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let content = self.content.read();
        formatter
            .debug_struct("MemoryFile")
            .field("name", &self.name)
            .field("size", &content.size)
            .field("segments", &content.segments.len())
            .finish()
    }
}

impl Content {
    /// Drops what is known about a range; the segments at its ends keep the part that lies outside.
    fn clear(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let first = match self.segments.range(..=start).next_back() {
            Some((at, bytes)) if at + bytes.len() as u64 > start => *at,
            _ => start,
        };
        let covered: Vec<u64> = self.segments.range(first..end).map(|(at, _)| *at).collect();
        for at in covered {
            let Some(bytes) = self.segments.remove(&at) else { continue };
            let stop = at + bytes.len() as u64;
            if at < start {
                self.segments.insert(at, bytes.slice(..(start - at) as usize));
            }
            if stop > end {
                self.segments.insert(end, bytes.slice((end - at) as usize..));
            }
        }
    }

    fn put(&mut self, offset: u64, bytes: Bytes) {
        let end = offset + bytes.len() as u64;
        self.clear(offset, end);
        if !bytes.is_empty() {
            self.segments.insert(offset, bytes);
        }
        self.size = self.size.max(end);
    }

    fn copy(&self, offset: u64, buffer: &mut [u8]) {
        buffer.fill(0);
        let end = offset + buffer.len() as u64;
        let first = self.segments.range(..=offset).next_back().map_or(offset, |(at, _)| *at);
        for (at, bytes) in self.segments.range(first..end) {
            let from = offset.max(*at);
            let to = end.min(at + bytes.len() as u64);
            if from < to {
                buffer[(from - offset) as usize..(to - offset) as usize]
                    .copy_from_slice(&bytes[(from - at) as usize..(to - at) as usize]);
            }
        }
    }

    fn check(&self, offset: u64, bytes: usize) -> io::Result<()> {
        match offset.checked_add(bytes as u64) {
            Some(end) if end <= self.size => Ok(()),
            _ => Err(past_end(offset, bytes, self.size)),
        }
    }
}

impl File for MemoryFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.content.read().size)
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        let mut content = self.content.write();
        let size = content.size;
        content.clear(bytes, size);
        content.size = bytes;
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut content = self.content.write();
        content.size = content.size.max(bytes);
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let content = self.content.read();
        content.check(offset, buffer.len())?;
        content.copy(offset, buffer);
        Ok(())
    }

    fn read(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        let content = self.content.read();
        content.check(offset, bytes)?;
        if let Some((at, segment)) = content.segments.range(..=offset).next_back() {
            let skip = offset - at;
            if skip + bytes as u64 <= segment.len() as u64 {
                return Ok(segment.slice(skip as usize..skip as usize + bytes));
            }
        }
        let mut copy = vec![0; bytes];
        content.copy(offset, &mut copy);
        Ok(aligned_copy(offset, &copy))
    }

    fn reads_are_copies(&self) -> bool {
        true
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        if offset.checked_add(bytes.len() as u64).is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let segment = aligned_copy(offset, bytes);
        self.content.write().put(offset, segment);
        Ok(bytes.len())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn discard(&self, offset: u64, bytes: u64) {
        self.content.write().clear(offset, offset.saturating_add(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obeys_the_laws() {
        super::super::file::check_laws(&MemoryFile::new());
    }

    #[test]
    fn what_was_read_never_changes() {
        let file = MemoryFile::new();
        file.write_all_at(0, &[1; 1000]).unwrap();
        let old = file.read(100, 800).unwrap();
        file.write_all_at(500, &[2; 100]).unwrap();
        file.set_size(0).unwrap();
        assert!(old.iter().all(|byte| *byte == 1));
    }

    #[test]
    fn a_discarded_range_reads_as_zeros() {
        let file = MemoryFile::new();
        file.write_all_at(0, &[1; 300]).unwrap();
        file.discard(100, 100);
        let bytes = file.read(0, 300).unwrap();
        assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == u8::from(!(100..200).contains(&at))));
        assert_eq!(file.size().unwrap(), 300);
    }

    proptest::proptest! {
        #[test]
        fn is_the_same_as_a_vector(ops in proptest::collection::vec((0_u64..500, 0_usize..200, 0_u8..4), 0..40)) {
            let file = MemoryFile::new();
            let mut model: Vec<u8> = Vec::new();
            for (step, (offset, bytes, kind)) in ops.into_iter().enumerate() {
                let end = offset as usize + bytes;
                match kind {
                    0 | 1 => {
                        let data = vec![step as u8 + 1; bytes];
                        file.write_all_at(offset, &data).unwrap();
                        if bytes > 0 {
                            model.resize(model.len().max(end), 0);
                            model[offset as usize..end].copy_from_slice(&data);
                        }
                    }
                    2 => {
                        file.set_size(offset).unwrap();
                        model.resize(offset as usize, 0);
                    }
                    _ => {
                        file.discard(offset, bytes as u64);
                        let stop = end.min(model.len());
                        if (offset as usize) < stop {
                            model[offset as usize..stop].fill(0);
                        }
                    }
                }
                proptest::prop_assert_eq!(&file.to_vec(), &model);
                if (offset as usize) < model.len() {
                    let some = &model[offset as usize..end.min(model.len())];
                    proptest::prop_assert_eq!(&file.read(offset, some.len()).unwrap()[..], some);
                }
            }
        }
    }
}
