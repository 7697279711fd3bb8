//! What opening a file finds in its log, and what a reader finds that another process has written.

use std::fmt;
use std::sync::Arc;

use crate::catalog::{Catalog, CounterState, ObjectId};
use crate::pager::{LogEnd, News, Pager};
use crate::table::error::{Result, TableError};
use crate::table::log_record::LogRecord;
use crate::table::pin::Pinned;
use crate::table::snapshot::Snapshot;
use crate::table::storage::{Core, load};
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
        let were = if self.commits == 1 { "commit was" } else { "commits were" };
        write!(f, "{} {were} taken from the log", self.commits)?;
        if self.torn_bytes > 0 {
            write!(f, "; one that a crash had interrupted was cut off ({} bytes)", self.torn_bytes)?;
        }
        match &self.damage {
            Some(damage) => write!(f, "; what was committed later cannot be read: {damage}"),
            None => Ok(()),
        }
    }
}

impl Core {
    /// Shows what a writer in another process has committed. One does this at a time.
    pub(super) fn follow(&self, anew: bool) -> Result<()> {
        let rows_max = self.options().row_group_rows;
        let before = self.snapshot();
        let news = self.pager().follow()?;
        let next = match if anew { News::Superblock } else { news } {
            News::Nothing => return Ok(()),
            News::Superblock => {
                let sealed = load(Pinned::new(self.pager().snapshot(), self.dictionaries()), Some(&before))?;
                replay(self.pager(), sealed, rows_max)?.0
            }
            News::Frames(payloads) => {
                let mut overlay = Overlay::new(&before, rows_max);
                let (mut commits, mut bytes) = (before.unsealed.commits, before.unsealed.bytes);
                for payload in payloads {
                    let record = LogRecord::decode(&payload, &before.catalog)
                        .map_err(|what| TableError::Corrupt(format!("a frame of the log: {what}")))?;
                    replay_sequences(&before.catalog, &record.sequences);
                    overlay.apply(record)?;
                    (commits, bytes) = (commits + 1, bytes + payload.len() as u64);
                }
                before.with_unsealed(overlay.tables(), Unsealed { commits, bytes, ..Unsealed::default() })
            }
        };
        self.publish(&Arc::new(next));
        Ok(())
    }
}

fn replay_sequences(catalog: &Catalog, states: &[(ObjectId, CounterState)]) {
    for (id, state) in states {
        for sequence in catalog.sequences().filter(|sequence| ObjectId(sequence.id.0) == *id) {
            sequence.counter.replay(*state);
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
        _ if pager.lost_commit().is_some() => (0, pager.lost_commit().map(str::to_owned)),
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
    replay_sequences(&sealed.catalog, &sequences);
    let tables = overlay.tables();
    let snapshot = sealed.with_unsealed(tables, Unsealed { commits, bytes, ..Unsealed::default() });
    Ok((snapshot, Recovery { commits, torn_bytes, damage }))
}
