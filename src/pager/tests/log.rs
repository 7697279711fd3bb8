//! The log: what was acknowledged is there after a crash at any write or sync, and behind it at most what was under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::fault::{Fate, Fault, FaultFile, FaultPlan, Random};
use super::super::log::frame::LogEnd;
use super::super::*;

const OPTIONS: Options = Options { read_only: false, create: true, page_size: 4096, mapped: true };
const STEPS: usize = 40;

/// Numbers that were committed: those of the root record, then those of the frames.
#[derive(Debug, Clone, Default)]
struct History {
    /// There, whatever happens.
    sure: Vec<u64>,
    /// Perhaps there, each only if those before it are.
    maybe: Vec<(u64, Ticket)>,
    next: u64,
}

impl History {
    fn all(&self) -> Vec<u64> {
        self.sure.iter().copied().chain(self.maybe.iter().map(|(number, _)| *number)).collect()
    }

    fn admits(&self, found: &[u64]) -> bool {
        found.starts_with(&self.sure) && self.all().starts_with(found)
    }
}

fn number(payload: &[u8]) -> u64 {
    assert!(payload[8..].iter().all(|byte| *byte == payload[0]), "the payload is whole");
    u64::from_le_bytes(payload[..8].try_into().unwrap())
}

fn payload(number: u64, random: &mut Random) -> Vec<u8> {
    let mut payload = number.to_le_bytes().to_vec();
    let most = if random.below(5) == 0 { 2500 } else { 300 };
    payload.resize(8 + random.below(most) as usize, payload[0]);
    payload
}

/// Opens a file and says which numbers it holds.
fn open(file: Arc<dyn File>) -> Result<(Pager, Vec<u64>)> {
    let pager = Pager::open_file(file, &OPTIONS)?;
    let mut found = vec![];
    if let Some(root) = pager.snapshot().roots().catalog {
        let record = pager.snapshot().heap_get(root)?;
        found = record.chunks(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect();
    }
    let log = pager.recover_log(|log| log.content.frames.len())?;
    assert!(!matches!(log.content.tail, LogEnd::Damaged { .. }), "{:?}", log.content);
    found.extend(log.payloads().map(number));
    Ok((pager, found))
}

/// Writes all numbers to the root record, and begins a log of so many bytes.
fn seal(pager: &Pager, history: &mut History, log: u64) -> Result<()> {
    pager.log_settle()?;
    let txn = pager.begin_write()?;
    if let Some(root) = txn.roots().catalog {
        txn.heap_delete(root)?;
    }
    let record: Vec<u8> = history.all().iter().flat_map(|number| number.to_le_bytes()).collect();
    let root = txn.heap_insert(&record)?;
    txn.set_roots(Roots { catalog: Some(root), ..txn.roots() });
    txn.set_log(log)?;
    txn.commit()?;
    (history.sure, history.maybe) = (history.all(), vec![]);
    Ok(())
}

/// A group of commits, of which the last is waited for.
fn commit(pager: &Pager, random: &mut Random, history: &mut History) -> Result<()> {
    let level = [Synchronous::Full, Synchronous::Full, Synchronous::Normal, Synchronous::Off]
        [random.below(4) as usize];
    let mut tickets = vec![];
    for _ in 0..=random.below(3) {
        history.next += 1;
        let payload = payload(history.next, random);
        let ticket = match pager.log_append(&payload, level, None).unwrap() {
            Some(ticket) => ticket,
            None => {
                let (_, room) = pager.log_bytes();
                seal(pager, history, (room * 2).clamp(4096, 16384))?;
                tickets.clear();
                continue;
            }
        };
        history.maybe.push((history.next, ticket.clone()));
        tickets.push(ticket);
    }
    for ticket in tickets.iter().rev() {
        pager.log_wait(ticket, level)?;
    }
    if level == Synchronous::Full && !tickets.is_empty() {
        (history.sure, history.maybe) = (history.all(), vec![]);
    }
    Ok(())
}

/// Random commits, seals and reopenings, until they are over or something fails. A failure of one commit alone is none.
fn run(file: &Arc<FaultFile>, random: &mut Random, history: &mut History) -> Result<()> {
    let (mut pager, found) = open(file.clone())?;
    assert!(history.admits(&found));
    for _ in 0..STEPS {
        let done = match random.below(10) {
            0 => {
                let log = random.below(3) * 4096;
                seal(&pager, history, log)
            }
            1 => {
                // What was not written yet is lost; the rest is in the memory of the system.
                drop(pager);
                let (again, found) = open(file.clone())?;
                assert!(history.admits(&found), "{found:?} {history:?}");
                (history.sure, history.maybe) = (found, vec![]);
                pager = again;
                Ok(())
            }
            _ => commit(&pager, random, history),
        };
        match done {
            // Those are lost for certain, and no others.
            Err(PagerError::DiskFull(_)) if pager.begin_write().is_ok() => {
                history.maybe.retain(|(_, ticket)| ticket.loss().is_none());
            }
            other => other?,
        }
    }
    Ok(())
}

fn attempt(seed: u64, plan: FaultPlan) -> (Arc<FaultFile>, History, Result<()>) {
    let file = Arc::new(FaultFile::new(&[], plan));
    let mut history = History::default();
    let result = run(&file, &mut Random(seed), &mut history);
    (file, history, result)
}

/// Opens what is left, twice, and goes on.
fn check_image(image: &[u8], history: &History, context: &str) {
    let file = Arc::new(FaultFile::new(image, FaultPlan::default()));
    let (pager, found) = open(file.clone()).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(history.admits(&found), "{context}: {found:?} where {history:?}");
    let account = pager.snapshot().account(pager.snapshot().roots().catalog, []);
    assert!(account.faults.is_empty(), "{context}: {:#?}", account.faults);
    drop(pager);
    let mut after = History { sure: found, maybe: vec![], next: history.next + 1000 };
    run(&file, &mut Random(history.next), &mut after).unwrap_or_else(|error| panic!("{context}: {error}"));
    let image = file.image_after_power_cut(Fate::Lost, 0);
    let (_, found) = open(Arc::new(MemoryFile::from_bytes(&image))).unwrap();
    assert!(after.admits(&found), "{context}: {found:?} where {after:?}");
}

#[test]
fn every_power_cut_keeps_what_was_acknowledged() {
    static POINTS: AtomicU64 = AtomicU64::new(0);
    for seed in 0..4 {
        let (file, history, result) = attempt(seed, FaultPlan::default());
        result.unwrap();
        assert!(history.sure.len() > 30, "seed {seed} commits too little");
        for at in 1..=file.operations() {
            let plan = FaultPlan::once(at, Fault::PowerCut);
            let (file, history, _) = attempt(seed, plan);
            assert!(file.is_cut());
            for fate in Fate::ALL {
                let repeats = if matches!(fate, Fate::Torn | Fate::Reordered) { 3 } else { 1 };
                for repeat in 0..repeats {
                    let image = file.image_after_power_cut(fate, at * 7 + repeat);
                    check_image(&image, &history, &format!("seed {seed}, operation {at}, {fate:?} {repeat}"));
                    POINTS.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
    println!("{} crash points", POINTS.load(Ordering::Relaxed));
}

#[test]
fn every_failure_latches_or_costs_only_its_commits() {
    let mut alone = 0;
    for seed in 0..3 {
        let (file, ..) = attempt(seed, FaultPlan::default());
        for at in 1..=file.operations() {
            for fault in [Fault::Io, Fault::DiskFull, Fault::ShortWrite] {
                let context = format!("seed {seed}, operation {at}, {fault:?}");
                let plan = FaultPlan::once(at, fault);
                let (file, history, result) = attempt(seed, plan);
                match (fault, result) {
                    (Fault::ShortWrite, result) => result.unwrap(),
                    (Fault::DiskFull, Ok(())) => alone += 1,
                    (_, result) => drop(result),
                }
                for fate in [Fate::Lost, Fate::Kept] {
                    check_image(&file.image_after_power_cut(fate, at), &history, &context);
                }
            }
        }
    }
    assert!(alone > 100, "{alone}");
}

#[test]
fn nothing_is_promised_after_a_failed_sync() {
    let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
    let (pager, _) = open(file.clone()).unwrap();
    let mut history = History::default();
    seal(&pager, &mut history, 8192).unwrap();
    let first = pager.log_append(b"first", Synchronous::Full, None).unwrap().unwrap();
    pager.log_wait(&first, Synchronous::Full).unwrap();
    drop(pager);
    // The write, then its sync.
    for at in 1..=2 {
        let image = file.image_after_power_cut(Fate::Lost, 0);
        // Opening writes what it found again, the frame and the superblock, and syncs that.
        let plan = FaultPlan::once(3 + at, Fault::Io);
        let file = Arc::new(FaultFile::new(&image, plan));
        let pager = Pager::open_file(file, &OPTIONS).unwrap();
        assert_eq!(pager.recover_log(|log| log.content.frames.len()).unwrap().content.frames.len(), 1);
        let tickets =
            [b"one", b"two"].map(|p| pager.log_append(p, Synchronous::Full, None).unwrap().unwrap());
        assert!(pager.log_wait(&tickets[1], Synchronous::Full).is_err());
        assert!(tickets.iter().all(|ticket| ticket.loss().is_some()));
        // What stands on one of them has nowhere to go, however late it comes.
        assert!(pager.log_append(b"on two", Synchronous::Full, Some(&tickets[1])).is_err());
        let next = pager.log_append(b"three", Synchronous::Full, None).unwrap().unwrap();
        assert!(pager.log_wait(&next, Synchronous::Full).is_err());
        assert!(matches!(pager.begin_write(), Err(PagerError::Latched(_))));
        assert!(pager.snapshot().sequence() > 2, "readers go on");
    }
}

#[test]
fn no_commit_is_lost_in_silence() {
    let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
    let (pager, _) = open(file.clone()).unwrap();
    seal(&pager, &mut History::default(), 16384).unwrap();
    let log = pager.snapshot().roots().log.unwrap();
    let place = log.start.0 as usize * 4096..log.end().0 as usize * 4096;
    for count in 0..5u64 {
        if count > 0 {
            let ticket = pager
                .log_append(&vec![count as u8; 300 * count as usize], Synchronous::Full, None)
                .unwrap()
                .unwrap();
            pager.log_wait(&ticket, Synchronous::Full).unwrap();
        }
        for fate in [Fate::Kept, Fate::Lost] {
            let image = file.image_after_power_cut(fate, 0);
            let read = |image: &[u8]| {
                let file = Arc::new(MemoryFile::from_bytes(image));
                let pager = Pager::open_file(file, &Options { read_only: true, ..OPTIONS }).unwrap();
                pager.recover_log(|log| log.content.frames.len()).unwrap().content
            };
            let whole = read(&image);
            assert_eq!((whole.frames.len() as u64, &whole.tail), (count, &LogEnd::Clean));
            for from in place.clone().step_by(64) {
                for (length, fill) in [(64, 0), (512, 0), (512, 0x5a), (4096, 0xff), (usize::MAX, 0)] {
                    let mut bad = image.clone();
                    bad[from..from.saturating_add(length).min(place.end)].fill(fill);
                    let found = read(&bad);
                    // Where it is noted that they were durable, they were not interrupted by a crash.
                    let is_noted = fate == Fate::Kept && from.saturating_add(length) <= place.end - 512;
                    let is_told = match found.tail {
                        LogEnd::Clean => false,
                        LogEnd::Torn { .. } => !is_noted,
                        LogEnd::Damaged { .. } => true,
                    };
                    assert!(
                        is_told || found.frames == whole.frames,
                        "{count} commits, {length} bytes of {fill:#x} at {}",
                        from - place.start
                    );
                }
            }
        }
    }
}

#[test]
fn nothing_is_added_to_a_log_without_marks() {
    let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
    let (pager, _) = open(file.clone()).unwrap();
    let mut history = History::default();
    seal(&pager, &mut history, 16384).unwrap();
    let superblock = *pager.snapshot().superblock();
    drop(pager);
    // As it was made before there were marks.
    let mut image = file.image_after_power_cut(Fate::Kept, 0);
    let old = super::super::Superblock { incompatible: 1, ..superblock };
    let at = superblock.slot() as usize * 4096;
    image[at..at + SUPERBLOCK_BYTES].copy_from_slice(&old.to_bytes());
    let log = superblock.log.unwrap();
    image[log.start.0 as usize * 4096..log.end().0 as usize * 4096].fill(0);
    let file: Arc<dyn File> = Arc::new(MemoryFile::from_bytes(&image));
    let (pager, _) = open(Arc::clone(&file)).unwrap();
    assert!(pager.log_append(b"one", Synchronous::Full, None).unwrap().is_none());
    seal(&pager, &mut history, 16384).unwrap();
    let made = *pager.snapshot().superblock();
    assert!(made.is_log_marked() && made.log != superblock.log);
    let ticket = pager.log_append(&payload(7, &mut Random(1)), Synchronous::Full, None).unwrap().unwrap();
    pager.log_wait(&ticket, Synchronous::Full).unwrap();
    drop(pager);
    assert_eq!(open(file).unwrap().1, [7]);
}

#[test]
fn many_threads_share_syncs() {
    let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
    let (pager, _) = open(file.clone()).unwrap();
    seal(&pager, &mut History::default(), 1 << 20).unwrap();
    let before = file.operations();
    let staged = parking_lot::Mutex::new(vec![]);
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let (pager, staged) = (&pager, &staged);
            scope.spawn(move || {
                let mut random = Random(thread);
                for i in 0..50 {
                    let number = thread * 1000 + i;
                    let level = [Synchronous::Full, Synchronous::Normal, Synchronous::Off][(i % 3) as usize];
                    let ticket = {
                        let mut staged = staged.lock();
                        staged.push(number);
                        pager.log_append(&payload(number, &mut random), level, None).unwrap().unwrap()
                    };
                    pager.log_wait(&ticket, level).unwrap();
                }
            });
        }
    });
    pager.log_settle().unwrap();
    println!("{} operations for 400 commits", file.operations() - before);
    drop(pager);
    let (_, found) = open(file).unwrap();
    assert_eq!(found, staged.into_inner());
}
