//! The trait through which all file access goes. Real, memory and fault-injecting files implement it.

use std::fmt;
use std::io;

use bytes::Bytes;

/// A file as the pager needs it: positioned reads and writes, sync, and a length.
///
/// All methods take `&self` and may be called from many threads. Reads and writes of disjoint ranges do not
/// disturb each other.
pub trait File: Send + Sync + fmt::Debug {
    /// The name for messages; the path of a real file.
    fn name(&self) -> &str;

    /// The file's length in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Cuts the file to `bytes`, or extends it with zeros.
    fn set_size(&self, bytes: u64) -> io::Result<()>;

    /// Extends the file to at least `bytes` with its space reserved, so that a later write within it does not
    /// fail for want of space where the file system can promise that. Never shrinks.
    fn allocate(&self, bytes: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset`. A range past the end is `UnexpectedEof`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// The bytes of a range that nobody will write to while the result lives, without copying them where the
    /// implementation can. A range past the end is `UnexpectedEof`.
    ///
    /// This is the one way in which committed pages and extents are read, so a file without a mapping or with
    /// encryption differs here alone.
    fn read(&self, offset: u64, bytes: usize) -> io::Result<Bytes>;

    /// Whether what `read` returned stays the same even when the range is written to or cut off later.
    fn reads_are_copies(&self) -> bool;

    /// Fails if the file has lost bytes that `read` gave without copying them: what was read may be wrong.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }

    /// Writes some of `bytes` at `offset` and says how many. May extend the file.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Makes every completed write, and the file's length, durable.
    fn sync(&self) -> io::Result<()>;

    /// Writes all of `bytes` and returns when they are durable. Other writes need not be.
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(offset, bytes)?;
        self.sync()
    }

    /// The other processes that may have the file open. `None` if there can be none.
    fn peers(&self) -> Option<&dyn Peers> {
        None
    }

    /// Tells the file that the content of a range no longer matters. Memory may be given back.
    fn discard(&self, _offset: u64, _bytes: u64) {}

    /// Writes all of `bytes` at `offset`, over as many partial writes as it takes.
    fn write_all_at(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(offset, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What processes that have a file open at the same time tell each other.
pub trait Peers: Send + Sync + fmt::Debug {
    /// By the writer: so many frames of the log that follows superblock `epoch` may be seen, and all of earlier ones.
    fn announce(&self, epoch: u64, frames: u64);

    /// For the writer: the oldest commit that a reader in another process may look at. `None` without readers.
    fn oldest_pinned(&self) -> Option<u64>;

    /// Whether this is a reader that may be beside a writer.
    fn follows(&self) -> bool;

    /// By a reader: it looks at no commit before this one.
    fn pin(&self, sequence: u64) -> io::Result<()>;

    /// For a reader: what may be seen.
    fn announced(&self) -> Announced;
}

/// What a reader may see of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// Nobody writes. All that is there may be seen.
    NoWriter,
    /// The writer has said nothing yet. What it found may be seen.
    Nothing,
    /// So many frames of the log that follows superblock `epoch`, and all of earlier ones.
    Frames {
        /// The superblock.
        epoch: u64,
        /// The frames.
        frames: u64,
    },
}

impl Announced {
    /// How many frames of the log of superblock `sequence` may be seen.
    pub fn frames_of(self, sequence: u64) -> u64 {
        match self {
            Self::Frames { epoch, frames } if epoch == sequence => frames,
            _ => u64::MAX,
        }
    }
}

pub(crate) fn past_end(offset: u64, bytes: usize, size: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("{bytes} bytes at offset {offset} reach past the end of the file ({size} bytes)"),
    )
}

/// The laws of a [`File`], run against every implementation.
#[cfg(test)]
pub(crate) fn check_laws(file: &dyn File) {
    assert_eq!(file.size().unwrap(), 0);
    file.allocate(8192).unwrap();
    file.allocate(4096).unwrap();
    assert_eq!(file.size().unwrap(), 8192);
    assert!(file.read(4096, 4096).unwrap().iter().all(|byte| *byte == 0));
    assert_eq!(file.read(8000, 193).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(file.read(u64::MAX, 2).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(file.read_at(8192, &mut [0]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);

    file.write_all_at(100, b"hello").unwrap();
    file.write_all_at(103, b"p!!").unwrap();
    assert_eq!(&file.read(99, 8).unwrap()[..], b"\0help!!\0");
    let kept = file.read(4096, 4096).unwrap();
    file.write_all_at(8190, b"grown").unwrap();
    assert_eq!(file.size().unwrap(), 8195);
    assert_eq!(&file.read(8188, 7).unwrap()[..], b"\0\0grown");
    file.sync().unwrap();
    file.write_durable(0, b"first").unwrap();
    let mut buffer = [0; 5];
    file.read_at(0, &mut buffer).unwrap();
    assert_eq!(&buffer, b"first");
    assert!(kept.iter().take(4094).all(|byte| *byte == 0));

    // Memory that is read in place must be aligned for any type that lies in it.
    file.write_all_at(4096, &[7; 300]).unwrap();
    for offset in [0_usize, 64, 128] {
        let bytes = file.read(4096 + offset as u64, 64).unwrap();
        assert_eq!(bytes.as_ptr().align_offset(64), 0, "offset {offset}");
    }
    drop(kept);
    file.set_size(50).unwrap();
    assert_eq!(file.size().unwrap(), 50);
    assert_eq!(file.read(40, 20).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    file.set_size(200).unwrap();
    assert!(
        file.read(50, 150).unwrap().iter().all(|byte| *byte == 0),
        "what was cut off comes back as zeros"
    );
    assert_eq!(file.read(0, 0).unwrap().len(), 0);
}
