//! What every operator of a running query shares: limits, cancellation, progress, counters.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant};

use crate::exec::error::{ExecError, Result};
use crate::exec::profile::Profile;
use crate::exec::rejects::{Rejects, ScanNumbers};
use crate::exec::spill::TempSpace;
use crate::exec::zone::Zone;
use crate::pager::losses;

/// Asks a running query to stop. Cheap to clone; any thread may call it.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    cancelled: AtomicBool,
    /// When the statement must be done, in microseconds since [`START`]; 0 for no such time.
    deadline: AtomicU64,
}

/// Deadlines are counted from here.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn micros_since_start() -> u64 {
    u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl CancelToken {
    /// Asks the query to stop; it ends with [`ExecError::Cancelled`] soon after.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Makes the token fit for the next statement, which is asked to stop by itself after some time.
    pub fn reset(&self, limit: Option<Duration>) {
        let deadline = limit.map_or(0, |limit| {
            let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
            micros_since_start().saturating_add(limit).max(1)
        });
        self.0.deadline.store(deadline, Ordering::Relaxed);
        self.0.cancelled.store(false, Ordering::Relaxed);
    }

    /// Whether someone has asked, or the time is over.
    pub fn is_cancelled(&self) -> bool {
        let deadline = self.0.deadline.load(Ordering::Relaxed);
        self.0.cancelled.load(Ordering::Relaxed) || deadline > 0 && micros_since_start() >= deadline
    }
}

/// Bytes that one query holds, against its limit.
#[derive(Debug)]
pub struct MemoryTracker {
    used: AtomicU64,
    peak: AtomicU64,
    limit: u64,
}

impl MemoryTracker {
    /// A tracker with this limit in bytes.
    pub fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), peak: AtomicU64::new(0), limit }
    }

    /// Takes `bytes`, or fails and takes nothing.
    pub fn grow(&self, bytes: u64) -> Result<()> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used > self.limit {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(self.exceeded(bytes));
        }
        self.peak.fetch_max(used, Ordering::Relaxed);
        Ok(())
    }

    /// Takes `bytes`, also past the limit.
    pub(crate) fn grow_past_limit(&self, bytes: u64) {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(used, Ordering::Relaxed);
    }

    /// The error of not getting `bytes` more.
    pub(crate) fn exceeded(&self, bytes: u64) -> ExecError {
        ExecError::OutOfMemory(format!(
            "could not allocate {bytes} bytes: {} of {} bytes of memory_limit are in use",
            self.used(),
            self.limit
        ))
    }

    /// Gives `bytes` back.
    pub fn shrink(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What is in use now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The most that was in use at one time.
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

/// What all operators of one running query share.
#[derive(Debug)]
pub struct ExecContext {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Stops the query.
    pub cancel: CancelToken,
    /// Accounts for its memory.
    pub memory: MemoryTracker,
    /// Where it puts what memory does not hold.
    pub temp: TempSpace,
    /// Work counted while the query runs.
    pub counters: Counters,
    /// The session's time zone.
    pub zone: Zone,
    /// What readers leave out, for the session.
    pub(crate) rejects: Arc<Rejects>,
    /// The numbers of scans that leave something out.
    #[cfg_attr(not(feature = "csv"), allow(dead_code, reason = "only readers of CSV leave something out"))]
    pub(crate) scan_numbers: ScanNumbers,
    /// What files had lost under their mappings when this began.
    losses: u64,
    /// Rows and time by operator of the first plan that runs here, for `EXPLAIN ANALYZE`; costs nothing where absent.
    pub profile: OnceLock<Profile>,
}

impl ExecContext {
    /// A context for one query: worker threads (at least 1) and memory limit in bytes.
    pub fn new(threads: usize, memory_limit: u64, cancel: CancelToken) -> Self {
        Self {
            threads: threads.max(1),
            cancel,
            memory: MemoryTracker::new(memory_limit),
            temp: TempSpace::default(),
            counters: Counters::default(),
            zone: Zone::utc(),
            rejects: Arc::default(),
            scan_numbers: ScanNumbers::default(),
            losses: losses(),
            profile: OnceLock::new(),
        }
    }

    /// An error if the query was cancelled; called at least once a batch.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(ExecError::Cancelled) } else { Ok(()) }
    }

    /// An error if a file lost something while the query ran, so that what was read may be wrong; called before anybody
    /// sees rows. Which file it was is not known; a query of another one fails in vain, and only then.
    pub fn check_losses(&self) -> Result<()> {
        if losses() == self.losses {
            return Ok(());
        }
        let what = "parts of a database file were cut off or became unreadable while it was read";
        Err(ExecError::Io(what.to_owned()))
    }
}

/// Work done by a query. On a shared machine counters tell the truth and clocks don't.
#[derive(Debug, Default)]
pub struct Counters {
    /// Rows handed out by scans before filters.
    pub rows_scanned: AtomicU64,
    /// Rows the scans will hand out in all, as far as known; for progress.
    pub rows_expected: AtomicU64,
    /// Row groups skipped by statistics.
    pub row_groups_skipped: AtomicU64,
    /// Blocks skipped by statistics or because no row of theirs was selected.
    pub blocks_skipped: AtomicU64,
    /// Bytes of encoded blocks decoded.
    pub bytes_decoded: AtomicU64,
    /// Bytes written to the temporary file.
    pub bytes_spilled: AtomicU64,
}
