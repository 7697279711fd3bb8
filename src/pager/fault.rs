//! A file that fails on command, for tests of whatever stands on the pager.
//!
//! It keeps apart what is visible and what is durable. Writes and changes of length are visible at once and durable with
//! the next sync. [`Disk::after_power_cut`] says what a disk may hold after the power went, for each [`Fate`] of what was
//! not durable. A file can record its [`Operation`]s; then a disk that repeats them shows what each moment would have
//! left, without doing the work again. Everything random comes from a seed.
//!
//! ```
//! use std::sync::Arc;
//! use fluxdb::pager::fault::{Fate, FaultFile, FaultPlan, Fault};
//! use fluxdb::pager::{MemoryFile, Options, Pager};
//!
//! // The power goes at the eighth write or sync.
//! let file = Arc::new(FaultFile::new(&[], FaultPlan::once(8, Fault::PowerCut)));
//! let _ = Pager::open_file(file.clone(), &Options::default())
//!     .and_then(|pager| { let txn = pager.begin_write()?; txn.heap_insert(b"lost?")?; txn.commit() });
//! let image = file.image_after_power_cut(Fate::Reordered, 1);
//! let pager = Pager::open_file(Arc::new(MemoryFile::from_bytes(&image)), &Options::default()).unwrap();
//! assert!(pager.snapshot().sequence() >= 2);
//! ```

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// A write is interrupted before it begins. Other operations work.
    Interrupted,
    /// The operation fails without effect, as a broken disk does.
    Io,
    /// A sync fails, and what it was for will not be durable by later syncs, although it is still seen: the system takes
    /// it for written. Other operations work.
    SyncLost,
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

    /// Whether chance says what is left.
    pub fn is_random(self) -> bool {
        matches!(self, Self::Torn | Self::Reordered)
    }
}

/// When to fail. Operations are counted from 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct FaultPlan {
    /// The write, sync or change of length that fails, and how. A durable write counts as a write and a sync.
    pub at: Option<(u64, Fault)>,
    /// All that follow fail in the same way.
    pub lasting: bool,
    /// The read that fails.
    pub read_at: Option<u64>,
}

impl FaultPlan {
    /// One operation fails.
    pub fn once(at: u64, fault: Fault) -> Self {
        Self { at: Some((at, fault)), ..Self::default() }
    }

    /// An operation fails, and all that follow.
    pub fn from(at: u64, fault: Fault) -> Self {
        Self { lasting: true, ..Self::once(at, fault) }
    }
}

/// What was done to a file.
#[derive(Debug, Clone)]
pub enum Operation {
    /// A write.
    Write {
        /// Where.
        offset: u64,
        /// What.
        bytes: Bytes,
    },
    /// A change of its length.
    Size(u64),
    /// A sync.
    Sync,
    /// A sync of a range, which was written just before.
    SyncRange {
        /// Where it begins.
        offset: u64,
        /// What it holds.
        bytes: Bytes,
    },
}

/// What a disk holds: what is durable, and what would be with the next sync.
#[derive(Debug, Clone)]
pub struct Disk {
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Debug, Clone)]
struct Pending {
    /// A write or a change of length.
    change: Operation,
    /// Durable already, but behind others that are not.
    certain: bool,
}

impl Disk {
    /// A disk that holds `image`.
    pub fn new(image: &[u8]) -> Self {
        Self { durable: image.to_vec(), pending: vec![] }
    }

    /// An operation begins. A write or a change of length may have taken effect from now on.
    pub fn begin(&mut self, operation: &Operation) {
        if matches!(operation, Operation::Write { .. } | Operation::Size(_)) {
            self.pending.push(Pending { change: operation.clone(), certain: false });
        }
    }

    /// An operation that has begun ends. A sync has its effect only now.
    pub fn end(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { .. } | Operation::Size(_) => {}
            Operation::Sync => {
                for pending in std::mem::take(&mut self.pending) {
                    apply(&mut self.durable, &pending.change);
                }
            }
            Operation::SyncRange { offset, bytes } => {
                // Only this range is durable now.
                let change = Operation::Write { offset: *offset, bytes: bytes.clone() };
                self.pending.push(Pending { change, certain: true });
            }
        }
    }

    /// A sync fails for good: what was written since the one before, as far as it lies in the range, stays only in memory.
    fn forget(&mut self, range: Range<u64>) {
        self.pending.retain(|pending| match &pending.change {
            Operation::Write { offset, bytes } => {
                pending.certain || *offset >= range.end || offset + bytes.len() as u64 <= range.start
            }
            _ => true,
        });
    }

    /// Whether something is not durable, so that the fates differ.
    pub fn has_pending(&self) -> bool {
        self.pending.iter().any(|pending| !pending.certain)
    }

    /// What it may hold if the power goes now.
    pub fn after_power_cut(&self, fate: Fate, seed: u64) -> Vec<u8> {
        let mut random = Random(seed);
        let mut image = self.durable.clone();
        for pending in &self.pending {
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
                Operation::Write { offset, bytes } if torn => {
                    let mut at = 0;
                    while at < bytes.len() {
                        let sector_end = (offset + at as u64 + 1).next_multiple_of(SECTOR_BYTES) - offset;
                        let end = bytes.len().min(sector_end as usize);
                        if random.one_in(2) {
                            write(&mut image, offset + at as u64, &bytes[at..end]);
                        }
                        at = end;
                    }
                }
                change => apply(&mut image, change),
            }
        }
        image
    }
}

fn apply(image: &mut Vec<u8>, change: &Operation) {
    match change {
        Operation::Write { offset, bytes } => write(image, *offset, bytes),
        Operation::Size(size) => image.resize(*size as usize, 0),
        Operation::Sync | Operation::SyncRange { .. } => {}
    }
}

fn write(image: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let end = offset as usize + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset as usize..end].copy_from_slice(bytes);
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
    disk: Disk,
    operations: u64,
    reads: u64,
    cut: bool,
    record: Option<Vec<Operation>>,
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
                disk: Disk::new(image),
                operations: 0,
                reads: 0,
                cut: false,
                record: None,
            }),
        }
    }

    /// A file that never fails, and remembers what is done to it.
    pub fn recording(image: &[u8]) -> Self {
        let file = Self::new(image, FaultPlan::default());
        file.state.lock().record = Some(vec![]);
        file
    }

    /// What was done to it, if it records that: each operation that [`operations`](Self::operations) counts.
    pub fn take_record(&self) -> Vec<Operation> {
        self.state.lock().record.take().unwrap_or_default()
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
        self.state.lock().disk.after_power_cut(fate, seed)
    }

    /// Counts an operation, and says how it goes. `sync` is what it makes durable.
    fn next(&self, is_write: bool, sync: Option<Range<u64>>) -> io::Result<Course> {
        let mut state = self.state.lock();
        if state.cut {
            return Err(no_power());
        }
        state.operations += 1;
        let (now, lasting) = (state.operations, state.plan.lasting);
        match state.plan.at {
            Some((at, fault)) if at == now || (lasting && at < now) => match fault {
                Fault::PowerCut => {
                    state.cut = true;
                    Ok(Course::Dark)
                }
                Fault::ShortWrite if is_write => Ok(Course::Short),
                Fault::Interrupted if is_write => Err(io::ErrorKind::Interrupted.into()),
                Fault::DiskFull if sync.is_none() => Err(io::ErrorKind::StorageFull.into()),
                Fault::SyncLost if sync.is_some() => {
                    state.disk.forget(sync.unwrap_or_default());
                    Err(io::Error::other("injected failure"))
                }
                Fault::Io => Err(io::Error::other("injected failure")),
                _ => Ok(Course::Well),
            },
            _ => Ok(Course::Well),
        }
    }

    /// Does an operation to the disk, unless the power goes meanwhile.
    fn perform(&self, operation: Operation, course: &Course) -> io::Result<()> {
        let mut state = self.state.lock();
        state.disk.begin(&operation);
        if matches!(course, Course::Dark) {
            return Err(no_power());
        }
        state.disk.end(&operation);
        if let Some(record) = &mut state.record {
            record.push(operation);
        }
        Ok(())
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

    /// Makes a range durable that was just written.
    fn sync_range(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let course = self.next(false, Some(offset..offset + bytes.len() as u64))?;
        self.perform(Operation::SyncRange { offset, bytes: Bytes::copy_from_slice(bytes) }, &course)
    }

    fn resize(&self, bytes: u64) -> io::Result<()> {
        let course = self.next(false, None)?;
        self.perform(Operation::Size(bytes), &course)?;
        self.visible.set_size(bytes)
    }
}

fn no_power() -> io::Error {
    io::Error::other("the power is cut")
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
        let course = self.next(true, None)?;
        let count = if matches!(course, Course::Short) { bytes.len().div_ceil(2) } else { bytes.len() };
        self.perform(Operation::Write { offset, bytes: Bytes::copy_from_slice(&bytes[..count]) }, &course)?;
        self.visible.write_at(offset, &bytes[..count])
    }

    fn sync(&self) -> io::Result<()> {
        let course = self.next(false, Some(0..u64::MAX))?;
        self.perform(Operation::Sync, &course)
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(offset, bytes)?;
        self.sync_range(offset, bytes)
    }
}

/// A process's hold on a file that others open after it: once it is killed, it does nothing to the file any more,
/// whatever its threads and destructors try.
#[derive(Debug)]
pub struct Process {
    file: Arc<FaultFile>,
    /// Operations that it will do before it is killed.
    left: AtomicU64,
}

impl Process {
    /// Opens the file.
    pub fn new(file: &Arc<FaultFile>) -> Self {
        Self { file: Arc::clone(file), left: AtomicU64::new(u64::MAX) }
    }

    /// It is killed after so many more operations; if the next one then is a write, in the middle of that.
    pub fn kill_after(&self, operations: u64) {
        self.left.store(operations, Ordering::SeqCst);
    }

    /// It is killed now.
    pub fn kill(&self) {
        self.kill_after(0);
    }

    /// Whether it was killed.
    pub fn is_killed(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    /// The file, for so many operations.
    fn alive(&self, operations: u64) -> io::Result<&FaultFile> {
        let done = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            0 => None,
            u64::MAX => Some(left),
            _ => Some(left.saturating_sub(operations)),
        });
        match done {
            Ok(left) if left > operations || operations == 0 => Ok(&self.file),
            _ => Err(io::Error::other("the process was killed")),
        }
    }
}

impl File for Process {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn size(&self) -> io::Result<u64> {
        self.alive(0)?.size()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.alive(1)?.set_size(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.alive(1)?.allocate(bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.alive(0)?.read_at(offset, buffer)
    }

    fn read(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        self.alive(0)?.read(offset, bytes)
    }

    fn reads_are_copies(&self) -> bool {
        self.file.reads_are_copies()
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let killed = self.is_killed();
        let alive = self.alive(1);
        if alive.is_err() && !killed {
            let half = bytes.len() / 2 / SECTOR_BYTES as usize * SECTOR_BYTES as usize;
            self.file.write_at(offset, &bytes[..half])?;
        }
        alive?.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.alive(1)?.sync()
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(offset, bytes)?;
        self.alive(1)?.sync_range(offset, bytes)
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

    #[test]
    fn obeys_the_laws_without_faults() {
        super::super::file::check_laws(&FaultFile::new(&[], FaultPlan::default()));
    }

    #[test]
    fn what_was_not_synced_has_its_fate() {
        let file = FaultFile::new(&[0; 2048], FaultPlan::once(4, Fault::PowerCut));
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
        let file = FaultFile::new(&[], FaultPlan::once(1, Fault::ShortWrite));
        assert_eq!(file.write_at(0, &[1; 100]).unwrap(), 50);
        file.write_all_at(50, &[1; 50]).unwrap();
        let file = FaultFile::new(&[], FaultPlan::once(2, Fault::DiskFull));
        file.allocate(100).unwrap();
        assert_eq!(file.allocate(200).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.size().unwrap(), 100);
        let file = FaultFile::new(&[], FaultPlan::once(1, Fault::Interrupted));
        assert_eq!(file.write_at(0, &[1]).unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert_eq!(file.write_at(0, &[1]).unwrap(), 1);
        let file = FaultFile::new(&[0; 8], FaultPlan { read_at: Some(2), ..FaultPlan::default() });
        assert!(file.read(0, 8).is_ok() && file.read(0, 8).is_err() && file.read(0, 8).is_ok());
    }

    #[test]
    fn a_disk_that_repeats_the_record_holds_what_the_file_did() {
        let file = FaultFile::recording(&[9; 600]);
        file.write_all_at(100, &[1; 700]).unwrap();
        file.sync().unwrap();
        file.set_size(500).unwrap();
        file.write_all_at(450, &[2; 200]).unwrap();
        file.write_durable(0, &[3; 10]).unwrap();
        let mut disk = Disk::new(&[9; 600]);
        let record = file.take_record();
        assert_eq!(record.len() as u64, file.operations());
        for operation in record {
            disk.begin(&operation);
            disk.end(&operation);
        }
        for fate in Fate::ALL {
            assert_eq!(disk.after_power_cut(fate, 5), file.image_after_power_cut(fate, 5), "{fate:?}");
        }
        assert!(disk.has_pending());
    }

    #[test]
    fn a_full_disk_stays_full_and_a_killed_process_does_nothing() {
        let file = Arc::new(FaultFile::new(&[], FaultPlan::from(2, Fault::DiskFull)));
        file.allocate(100).unwrap();
        assert!(file.allocate(200).is_err() && file.write_at(0, &[1]).is_err() && file.sync().is_ok());
        file.set_plan(FaultPlan::default());
        let process = Process::new(&file);
        process.write_all_at(0, &[1]).unwrap();
        process.kill();
        let before = file.operations();
        assert!(
            process.write_all_at(0, &[2]).is_err() && process.sync().is_err() && process.set_size(0).is_err()
        );
        assert_eq!((file.operations(), file.read(0, 1).unwrap()[0]), (before, 1));
        let process = Process::new(&file);
        process.kill_after(2);
        process.write_all_at(0, &[3; 1024]).unwrap();
        assert!(!process.is_killed() && process.write_all_at(0, &[4; 1024]).is_err() && process.is_killed());
        assert_eq!(file.read(511, 2).unwrap()[..], [4, 3]);
    }
}
