//! What opening a file finds in its log.

use std::fmt;

use crate::catalog::ObjectId;
use crate::pager::{LogEnd, Pager};
use crate::table::error::Result;
use crate::table::log_record::LogRecord;
use crate::table::snapshot::Snapshot;
use crate::table::unsealed::{Overlay, Unsealed};

/// What opening a database found in its log, which is empty after a clean close.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Commits that were taken from the log.
    pub commits: u64,
    /// Bytes of a commit that was being written when a crash came, and was promised to nobody. They were cut off.
    pub torn_bytes: u64,
    /// Why commits that were promised cannot be read any more. The database is open for reading only, as of the last
    /// commit that can be, unless it was opened to recover; then what lies beyond has been given up.
    pub damage: Option<String>,
}

impl Recovery {
    /// Whether there is something to tell.
    pub fn is_clean(&self) -> bool {
        self.torn_bytes == 0 && self.damage.is_none()
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} commits were taken from the log", self.commits)?;
        if self.torn_bytes > 0 {
            write!(f, "; one that a crash had interrupted was cut off ({} bytes)", self.torn_bytes)?;
        }
        match &self.damage {
            Some(damage) => write!(f, "; the log is damaged behind them: {damage}"),
            None => Ok(()),
        }
    }
}

/// Replays the log on the superblock's snapshot.
pub(super) fn replay(pager: &Pager, sealed: Snapshot, rows_max: usize) -> Result<(Snapshot, Recovery)> {
    let mut overlay = Overlay::new(&sealed, rows_max);
    let (mut sequences, mut bytes, mut bad) = (vec![], 0, None);
    let log = pager.recover_log(|log| {
        for (i, payload) in log.payloads().enumerate() {
            let applied = LogRecord::decode(payload, &sealed.catalog)
                .map_err(|what| what.to_string())
                .and_then(|record| {
                    let moved = record.sequences.clone();
                    overlay.apply(record).map_err(|error| error.to_string())?;
                    Ok(moved)
                });
            match applied {
                Ok(moved) => sequences.extend(moved),
                Err(what) => {
                    bad = Some(format!("frame {} does not say what it should: {what}", i + 1));
                    return i;
                }
            }
            bytes += payload.len() as u64;
        }
        log.content.frames.len()
    })?;
    let (torn_bytes, damage) = match log.content.tail {
        _ if bad.is_some() => (0, bad),
        LogEnd::Clean => (0, None),
        LogEnd::Torn { bytes } => (bytes as u64, None),
        LogEnd::Damaged { what, .. } => (0, Some(what)),
    };
    let commits = log.content.frames.len() as u64;
    if commits == 0 {
        drop(overlay);
        return Ok((sealed, Recovery { commits, torn_bytes, damage }));
    }
    for (id, state) in sequences {
        for sequence in sealed.catalog.sequences().filter(|sequence| ObjectId(sequence.id.0) == id) {
            sequence.counter.replay(state);
        }
    }
    let tables = overlay.tables();
    let snapshot = sealed.with_unsealed(tables, Unsealed { commits, bytes, ..Unsealed::default() });
    Ok((snapshot, Recovery { commits, torn_bytes, damage }))
}
