//! How long sealing takes, for whatever recorder the program has installed with the `metrics` crate. Without one, and
//! without the feature, nothing is counted.

/// Who seals.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    /// A commit or a checkpoint, which waits for it.
    Commit,
    /// The thread, beside commits.
    Thread,
}

/// What is not sealed is being sealed.
pub(super) struct Sealing {
    #[cfg(feature = "metrics")]
    start: std::time::Instant,
    #[cfg(feature = "metrics")]
    by: By,
}

impl Sealing {
    pub(super) fn start(by: By) -> Self {
        #[cfg(not(feature = "metrics"))]
        let _ = by;
        Self {
            #[cfg(feature = "metrics")]
            start: std::time::Instant::now(),
            #[cfg(feature = "metrics")]
            by,
        }
    }

    /// It is done.
    pub(super) fn done(self) {
        #[cfg(feature = "metrics")]
        {
            let by = match self.by {
                By::Commit => "commit",
                By::Thread => "thread",
            };
            metrics::histogram!("fluxdb_seal_seconds", "by" => by).record(self.start.elapsed().as_secs_f64());
        }
    }
}

/// Row groups were written: of how many rows that were new, and how many that were not.
pub(super) fn rows_written(rows: u64, rewritten: u64, bytes: u64) {
    #[cfg(not(feature = "metrics"))]
    let _ = (rows, rewritten, bytes);
    #[cfg(feature = "metrics")]
    {
        metrics::counter!("fluxdb_sealed_rows", "kind" => "new").increment(rows);
        metrics::counter!("fluxdb_sealed_rows", "kind" => "again").increment(rewritten);
        metrics::counter!("fluxdb_sealed_bytes").increment(bytes);
    }
}
