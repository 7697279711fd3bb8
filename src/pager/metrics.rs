//! What making things durable takes, for whatever recorder the program has installed with the `metrics` crate. Without
//! one, and without the feature, nothing is counted.

#[cfg(feature = "metrics")]
use std::time::Instant;

/// Something is being made durable, which takes time.
pub(super) struct Timer {
    #[cfg(feature = "metrics")]
    start: Instant,
}

impl Timer {
    /// It begins.
    pub(super) fn start() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            start: Instant::now(),
        }
    }

    /// What was written is durable; `what` it was.
    pub(super) fn synced(self, what: &'static str) {
        #[cfg(feature = "metrics")]
        metrics::histogram!("fluxdb_sync_seconds", "of" => what).record(self.start.elapsed().as_secs_f64());
        #[cfg(not(feature = "metrics"))]
        let _ = what;
    }
}

/// So many commits, of so many bytes, were written to the log together.
pub(super) fn group_written(commits: u64, bytes: usize) {
    #[cfg(feature = "metrics")]
    if commits > 0 {
        metrics::histogram!("fluxdb_log_group_commits").record(commits as f64);
        metrics::counter!("fluxdb_log_commits_total").increment(commits);
        metrics::counter!("fluxdb_log_bytes_total").increment(bytes as u64);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (commits, bytes);
}

/// A superblock took up what the log said, and stands for all.
pub(super) fn superblock_written() {
    #[cfg(feature = "metrics")]
    metrics::counter!("fluxdb_superblocks_total").increment(1);
}
