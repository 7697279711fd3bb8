//! A file that fails on command, for tests of whatever stands on the pager.
//!
//! It keeps apart what is visible and what is durable. Writes and changes of length are visible at once and
//! durable with the next sync. [`FaultFile::image_after_power_cut`] says what a disk may hold after the power went,
//! for each [`Fate`] of what was not durable. Everything random comes from a seed.
//!
//! ```
//! use std::sync::Arc;
//! use fluxdb::pager::fault::{Fate, FaultFile, FaultPlan, Fault};
//! use fluxdb::pager::{MemoryFile, Options, Pager};
//!
//! // The power goes at the eighth write or sync.
//! let plan = FaultPlan { at: Some((8, Fault::PowerCut)), ..FaultPlan::default() };
//! let file = Arc::new(FaultFile::new(&[], plan));
//! let _ = Pager::open_file(file.clone(), &Options::default())
//!     .and_then(|pager| { let txn = pager.begin_write()?; txn.heap_insert(b"lost?")?; txn.commit() });
//! let image = file.image_after_power_cut(Fate::Reordered, 1);
//! let pager = Pager::open_file(Arc::new(MemoryFile::from_bytes(&image)), &Options::default()).unwrap();
//! assert!(pager.snapshot().sequence() >= 2);
//! ```

use std::io;

use bytes::Bytes;
use parking_lot::Mutex;

use super::file::File;
use super::memory_file::MemoryFile;

/// What a disk writes in one piece, in bytes.
const SECTOR_BYTES: u64 = 512;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The operation, and all after it, fail; the operation may still have taken effect.
    PowerCut,
    /// A write writes only a part, and says so. Other operations work.
    ShortWrite,
    /// The operation fails without effect, as a broken disk does.
    Io,
    /// A write or a change of length fails for want of space. A sync works.
    DiskFull,
}

/// What becomes of changes that were not durable when the power went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// None of them is there.
    Lost,
    /// All of them are there.
    Kept,
    /// Of each write, some sectors are there.
    Torn,
    /// Some of them are there, some torn, whatever came first.
    Reordered,
}

impl Fate {
    /// All fates.
    pub const ALL: [Self; 4] = [Self::Lost, Self::Kept, Self::Torn, Self::Reordered];
}

/// When to fail. Operations are counted from 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct FaultPlan {
    /// The write, sync or change of length that fails, and how. A durable write counts as a write and a sync.
    pub at: Option<(u64, Fault)>,
    /// The read that fails.
    pub read_at: Option<u64>,
}

/// A file in memory that fails as planned.
#[derive(Debug)]
pub struct FaultFile {
    visible: MemoryFile,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    plan: FaultPlan,
    durable: Vec<u8>,
    pending: Vec<Pending>,
    operations: u64,
    reads: u64,
    cut: bool,
}

#[derive(Debug)]
struct Pending {
    change: Change,
    /// Durable already, but behind others that are not.
    certain: bool,
}

#[derive(Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Size(u64),
}

/// How one operation goes.
enum Course {
    Well,
    Short,
    /// Fails, but may have taken effect.
    Dark,
}

impl FaultFile {
    /// A file whose durable content is `image`.
    pub fn new(image: &[u8], plan: FaultPlan) -> Self {
        Self {
            visible: MemoryFile::from_bytes(image),
            state: Mutex::new(State {
                plan,
                durable: image.to_vec(),
                pending: Vec::new(),
                operations: 0,
                reads: 0,
                cut: false,
            }),
        }
    }

    /// Changes when it fails.
    pub fn set_plan(&self, plan: FaultPlan) {
        self.state.lock().plan = plan;
    }

    /// Number of writes, syncs and changes of length so far.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// Number of reads so far.
    pub fn reads(&self) -> u64 {
        self.state.lock().reads
    }

    /// Whether the power went.
    pub fn is_cut(&self) -> bool {
        self.state.lock().cut
    }

    /// What the disk may hold if the power goes now, or went as planned.
    pub fn image_after_power_cut(&self, fate: Fate, seed: u64) -> Vec<u8> {
        let state = self.state.lock();
        let mut random = Random(seed);
        let mut image = state.durable.clone();
        for pending in &state.pending {
            let keep = pending.certain
                || match fate {
                    Fate::Lost => false,
                    Fate::Kept | Fate::Torn => true,
                    Fate::Reordered => random.one_in(2),
                };
            if !keep {
                continue;
            }
            let torn =
                !pending.certain && (fate == Fate::Torn || (fate == Fate::Reordered && random.one_in(3)));
            match &pending.change {
                Change::Size(size) => image.resize(*size as usize, 0),
                Change::Write { offset, bytes } if torn => {
                    let mut at = 0;
                    while at < bytes.len() {
                        let sector_end = (offset + at as u64 + 1).next_multiple_of(SECTOR_BYTES) - offset;
                        let end = bytes.len().min(sector_end as usize);
                        if random.one_in(2) {
                            apply(&mut image, offset + at as u64, &bytes[at..end]);
                        }
                        at = end;
                    }
                }
                Change::Write { offset, bytes } => apply(&mut image, *offset, bytes),
            }
        }
        image
    }

    fn next(&self, is_sync: bool, is_write: bool) -> io::Result<Course> {
        let mut state = self.state.lock();
        if state.cut {
            return Err(no_power());
        }
        state.operations += 1;
        match state.plan.at {
            Some((at, fault)) if at == state.operations => match fault {
                Fault::PowerCut => {
                    state.cut = true;
                    Ok(Course::Dark)
                }
                Fault::ShortWrite if is_write => Ok(Course::Short),
                Fault::DiskFull if !is_sync => Err(io::ErrorKind::StorageFull.into()),
                Fault::Io => Err(io::Error::other("injected failure")),
                Fault::ShortWrite | Fault::DiskFull => Ok(Course::Well),
            },
            _ => Ok(Course::Well),
        }
    }

    fn change(&self, change: Change, certain: bool) {
        self.state.lock().pending.push(Pending { change, certain });
    }

    fn read_is_well(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.cut {
            return Err(no_power());
        }
        state.reads += 1;
        if state.plan.read_at == Some(state.reads) {
            return Err(io::Error::other("injected read failure"));
        }
        Ok(())
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        let course = self.next(false, false)?;
        self.change(Change::Size(bytes), false);
        if matches!(course, Course::Dark) {
            return Err(no_power());
        }
        self.visible.set_size(bytes)
    }
}

fn no_power() -> io::Error {
    io::Error::other("the power is cut")
}

fn apply(image: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let end = offset as usize + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset as usize..end].copy_from_slice(bytes);
}

impl File for FaultFile {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn size(&self) -> io::Result<u64> {
        self.visible.size()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.resize(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        if bytes > self.visible.size()? { self.resize(bytes) } else { Ok(()) }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_is_well()?;
        self.visible.read_at(offset, buffer)
    }

    fn read(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        self.read_is_well()?;
        self.visible.read(offset, bytes)
    }

    // As a mapping does not, so that the rules for slices are tested with this file.
    fn reads_are_copies(&self) -> bool {
        false
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let course = self.next(false, true)?;
        let count = if matches!(course, Course::Short) { bytes.len().div_ceil(2) } else { bytes.len() };
        self.change(Change::Write { offset, bytes: bytes[..count].to_vec() }, false);
        if matches!(course, Course::Dark) {
            return Err(no_power());
        }
        self.visible.write_at(offset, &bytes[..count])
    }

    fn sync(&self) -> io::Result<()> {
        if matches!(self.next(true, false)?, Course::Dark) {
            return Err(no_power());
        }
        let mut state = self.state.lock();
        for pending in std::mem::take(&mut state.pending) {
            match pending.change {
                Change::Size(size) => state.durable.resize(size as usize, 0),
                Change::Write { offset, bytes } => apply(&mut state.durable, offset, &bytes),
            }
        }
        Ok(())
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(offset, bytes)?;
        if matches!(self.next(true, false)?, Course::Dark) {
            return Err(no_power());
        }
        // Only this range is durable now.
        self.change(Change::Write { offset, bytes: bytes.to_vec() }, true);
        Ok(())
    }
}

/// A small generator of pseudo-random numbers (SplitMix64): the same seed, the same failure.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(at: u64, fault: Fault) -> FaultPlan {
        FaultPlan { at: Some((at, fault)), read_at: None }
    }

    #[test]
    fn obeys_the_laws_without_faults() {
        super::super::file::check_laws(&FaultFile::new(&[], FaultPlan::default()));
    }

    #[test]
    fn what_was_not_synced_has_its_fate() {
        let file = FaultFile::new(&[0; 2048], plan(4, Fault::PowerCut));
        file.write_all_at(0, &[1; 512]).unwrap();
        file.sync().unwrap();
        file.write_all_at(512, &[2; 512]).unwrap();
        assert!(file.write_all_at(1024, &[3; 1024]).is_err());
        assert!(file.sync().is_err() && file.read(0, 1).is_err());
        let seen = |fate, seed| {
            let image = file.image_after_power_cut(fate, seed);
            [0, 512, 1024, 1536].map(|at| image[at])
        };
        assert_eq!(seen(Fate::Lost, 0), [1, 0, 0, 0]);
        assert_eq!(seen(Fate::Kept, 0), [1, 2, 3, 3]);
        assert!((0..50).any(|seed| seen(Fate::Torn, seed) == [1, 2, 0, 3]));
        assert!((0..50).any(|seed| seen(Fate::Reordered, seed) == [1, 0, 3, 3]), "a later write alone");
    }

    #[test]
    fn a_durable_write_leaves_others_behind() {
        let file = FaultFile::new(&[0; 1024], FaultPlan::default());
        file.write_all_at(0, &[1; 512]).unwrap();
        file.write_durable(512, &[2; 512]).unwrap();
        let image = file.image_after_power_cut(Fate::Lost, 0);
        assert_eq!((image[0], image[512]), (0, 2));
    }

    #[test]
    fn single_faults_pass() {
        let file = FaultFile::new(&[], plan(1, Fault::ShortWrite));
        assert_eq!(file.write_at(0, &[1; 100]).unwrap(), 50);
        file.write_all_at(50, &[1; 50]).unwrap();
        let file = FaultFile::new(&[], plan(2, Fault::DiskFull));
        file.allocate(100).unwrap();
        assert_eq!(file.allocate(200).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.size().unwrap(), 100);
        let file = FaultFile::new(&[0; 8], FaultPlan { at: None, read_at: Some(2) });
        assert!(file.read(0, 8).is_ok() && file.read(0, 8).is_err() && file.read(0, 8).is_ok());
    }
}
