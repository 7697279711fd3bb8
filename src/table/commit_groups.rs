//! Small commits that come at once: one of those that wait stages them one after another, and they wait together until
//! their records are durable. So each thread sleeps once, and not for the right to commit and again for the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::catalog::TableId;
use crate::pager::Synchronous;
use crate::sync::Mutex;
use crate::sync::write_groups::{Served, WriteGroups};
use crate::table::data::Delta;
use crate::table::error::{Result, TableError};
use crate::table::seal::{LogSpace, Tidying};
use crate::table::snapshot::Snapshot;
use crate::table::storage::Storage;
use crate::table::transaction::WriteTransaction;

/// Bytes in memory of the rows that a group adds, unless it is of one commit.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// Where small commits of an open database meet that are to be equally safe.
#[derive(Debug)]
pub(super) struct CommitGroups(WriteGroups<Synchronous, Member, Staged>);

/// A commit, when nobody is at work on it.
type Member = Arc<Mutex<Option<SmallCommit>>>;

/// A transaction that nobody adds to any more, and its changes: few enough for the log.
#[derive(Debug)]
pub(super) struct SmallCommit {
    pub(super) transaction: WriteTransaction,
    pub(super) changes: BTreeMap<TableId, Delta>,
    /// Bytes of its rows.
    pub(super) bytes: usize,
}

/// What became of a commit: a snapshot that shows it; `None` if there is no room for it in the log.
type Staged = Result<Option<Arc<Snapshot>>>;

impl Default for CommitGroups {
    fn default() -> Self {
        Self(WriteGroups::new(GROUP_BYTES_MAX))
    }
}

/// Stages a commit. Its transaction stays with who began it.
fn stage(storage: &Storage, member: &Member) -> Staged {
    // Not while others could wait for the lock.
    let mut commit = member.lock().take().ok_or(TableError::Ended)?;
    let staged = commit.stage(storage);
    *member.lock() = Some(commit);
    staged
}

/// Waits for the records of commits that were staged one after another, and publishes what shows them.
fn confirm(storage: &Storage, staged: Vec<Staged>, level: Synchronous) -> Vec<Staged> {
    let last = staged.iter().rev().find_map(|staged| staged.as_ref().ok()?.as_ref());
    // Who sees the last sees all. If its record is lost, those of others may not be.
    let all = last.map(|last| storage.confirm(last, level).is_ok());
    if let (Some(last), Some(true)) = (last, all) {
        storage.seal_if_ripe(last);
    }
    let confirmed = |staged: Staged| match staged {
        Ok(Some(snapshot)) if all != Some(true) => storage.confirm(&snapshot, level).map(Some),
        other => other,
    };
    staged.into_iter().map(confirmed).collect()
}

impl SmallCommit {
    /// Makes the changes durable and visible; what is not sealed is, where there is no room for more in the log.
    ///
    /// # Errors
    /// Those of [`WriteTransaction::commit`].
    pub(super) fn commit(self) -> Result<Arc<Snapshot>> {
        // Others must not wait for one who waits for them: who has the right to commit already uses it.
        if !self.transaction.workspace().is_idle() {
            return self.commit_alone();
        }
        let (storage, begun) = (Arc::clone(self.transaction.storage()), Instant::now());
        let (level, bytes) = (self.transaction.synchronous(), self.bytes);
        let workspace = Arc::clone(self.transaction.workspace());
        let member = Arc::new(Mutex::new(Some(self)));
        let served = storage.commits.0.serve(
            &level,
            &member,
            bytes,
            || workspace.gives_up(begun),
            || workspace.pass(begun),
            |pass, members| {
                let staged = members.iter().map(|member| stage(&storage, member)).collect();
                drop(pass);
                Ok::<_, TableError>(confirm(&storage, staged, level))
            },
        )?;
        match served {
            Served::Answer(Ok(Some(snapshot))) => Ok(snapshot),
            Served::Answer(Err(error)) => Err(error),
            Served::GaveUp => Err(TableError::Busy),
            Served::Answer(Ok(None)) | Served::Alone => {
                member.lock().take().ok_or(TableError::Ended)?.commit_alone()
            }
        }
    }

    fn commit_alone(mut self) -> Result<Arc<Snapshot>> {
        // From here on nobody else commits. The pass is dropped after what the transaction of the pager has.
        let pass = self.transaction.workspace().close_unwritten()?;
        let storage = Arc::clone(self.transaction.storage());
        let txn = loop {
            if let Some(staged) = self.stage(&storage)? {
                drop(pass);
                let committed = storage.confirm(&staged, self.transaction.synchronous())?;
                storage.seal_if_ripe(&committed);
                return Ok(committed);
            }
            // There is no room. If that is about to change, it tries again.
            if let Some(txn) = storage.begin_write_unless_sealed()? {
                break txn;
            }
        };
        self.transaction.seal(txn, self.changes, Tidying::Nothing, LogSpace::Grow)
    }

    /// Stages it on top of what was staged last. Nobody else commits meanwhile. `None` if there is no room for it.
    fn stage(&mut self, storage: &Storage) -> Staged {
        self.changes = self.transaction.move_to_last(std::mem::take(&mut self.changes))?;
        storage.stage(self.transaction.base(), &self.changes, self.transaction.synchronous())
    }
}

#[cfg(test)]
mod tests {
    use std::thread::yield_now;
    use std::time::Duration;

    use super::*;
    use crate::catalog::{ConstraintDefinition, ConstraintKind};
    use crate::table::StorageOptions;
    use crate::table::tests::{definition, ids, rows};

    #[test]
    fn commits_that_wait_are_made_together_and_one_that_cannot_be_fails_alone() {
        let storage = Storage::memory(&StorageOptions::default()).unwrap();
        let mut table = definition(&storage, "t");
        let kind = ConstraintKind::Unique { columns: vec![table.columns[0].id], primary: true };
        table.constraints.push(ConstraintDefinition { name: None, kind });
        let mut transaction = storage.begin().unwrap();
        let id = transaction.create_table(table).unwrap();
        transaction.commit().unwrap();

        let (occupied, base) = (storage.begin().unwrap(), storage.snapshot());
        let results: Vec<Result<Arc<Snapshot>>> = std::thread::scope(|scope| {
            let committer = |(waiting, row): (usize, i64)| {
                let mut transaction = storage.begin_on(Arc::clone(&base), Duration::ZERO).unwrap();
                transaction.append(id).unwrap().write_row_group(0, &rows(row..row + 1)).unwrap();
                let thread = scope.spawn(|| transaction.commit());
                // The first leads, and the others wait for it.
                while storage.commits.0.waiting(&Synchronous::Full) != Some(waiting) {
                    yield_now();
                }
                thread
            };
            let threads: Vec<_> = (0..).zip([1, 5, 5, 3]).map(committer).collect();
            drop(occupied);
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(storage.commits.0.waiting(&Synchronous::Full), None);
        assert!(matches!(results[2], Err(TableError::Conflict(_))), "{:?}", results[2]);
        let seen = |snapshot: &Snapshot| ids(&snapshot.table(id).unwrap());
        let all = [0, 1, 3].map(|i| seen(results[i].as_ref().unwrap()));
        assert_eq!(all, [vec![1], vec![1, 5], vec![1, 5, 3]], "each sees its own and those before");
        assert_eq!(seen(&storage.snapshot()), [1, 5, 3]);
    }
}
