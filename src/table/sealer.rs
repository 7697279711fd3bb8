//! Sealing beside commits: a thread takes up what is in the log before that is full, so that nobody waits for it.
//!
//! It writes row groups of a snapshot to space that nobody knows, as any commit does, but without the right to write:
//! others commit to the log meanwhile. Then it takes that right, for as long as it takes to write the rest: what has been
//! committed since that snapshot becomes the first frame of the new log, on top of what is sealed, and both become
//! durable with one superblock. The old log is whole until then.
//!
//! The same thread puts row groups in order that points which came late have made overlap, and merges those of which too
//! many may have the same key, a few at a time.
//!
//! Only one can write anything but the log. Whoever has the right to write and wants that finds the thread at work, and
//! waits for it to come to its end, *lending* it the right. So neither waits for the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBuffer;

use crate::catalog::TableId;
use crate::pager::{Pager, Roots, WriteTxn};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{Builder as ThreadBuilder, JoinHandle};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::table::commit::Builder;
use crate::table::data::TableData;
use crate::table::decode::keep;
use crate::table::error::{Result, TableError};
use crate::table::fresh::Content;
use crate::table::gate::{WriterGate, WriterPass};
use crate::table::log_record::{LogRecord, Rows, TableChange};
use crate::table::metrics;
use crate::table::numbering::Renumbering;
use crate::table::overlap::Thrift;
use crate::table::pin::Pinned;
use crate::table::seal::renumber;
use crate::table::snapshot::Snapshot;
use crate::table::storage::{Core, Storage};
use crate::table::unsealed::{Overlay, Unsealed};

/// The thread, and those who wait for it.
#[derive(Debug)]
pub(super) struct Sealer {
    enabled: bool,
    state: Mutex<State>,
    changed: Condvar,
    /// Whoever has the right to write waits, and does not use it.
    lent: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Started when first needed.
    thread: Option<JoinHandle<()>>,
    asked: bool,
    stopping: bool,
    /// It has the pager's transaction.
    running: bool,
    /// Somebody waited for it when it last had that.
    was_lent: bool,
    /// The superblock after which it failed. It does not try again before there is another.
    failed_after: Option<u64>,
}

impl Sealer {
    pub(super) fn new(enabled: bool) -> Self {
        Self { enabled, state: Mutex::default(), changed: Condvar::new(), lent: AtomicBool::new(false) }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Ends the thread. Nobody else uses the database.
    pub(super) fn stop(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.stopping = true;
            state.thread.take()
        };
        self.changed.notify_all();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn is_stopping(&self) -> bool {
        self.state.lock().stopping
    }

    /// Begins to write, unless somebody else does.
    fn begin(&self, pager: &Pager) -> Result<Option<(Running<'_>, WriteTxn)>> {
        let mut state = self.state.lock();
        if state.stopping {
            return Ok(None);
        }
        let Some(txn) = pager.try_begin_write()? else { return Ok(None) };
        state.running = true;
        Ok(Some((Running(self), txn)))
    }

    /// Waits, on behalf of one who may write, until the thread does not. Returns whether it did.
    fn lend<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        gate: &Arc<WriterGate>,
    ) -> (MutexGuard<'a, State>, bool)
    where
        Self: 'a,
    {
        let waited = state.running;
        while state.running {
            self.lent.store(true, Ordering::SeqCst);
            MutexGuard::unlocked(&mut state, || gate.nudge());
            if state.running {
                self.changed.wait(&mut state);
            }
        }
        (state, waited)
    }

    /// Waits for the right to write, or until somebody who has it lends it.
    fn turn(&self, gate: &Arc<WriterGate>) -> Option<WriterPass> {
        gate.enter_first(|| self.lent.load(Ordering::SeqCst))
    }
}

/// The thread has the pager's transaction. To be dropped after that.
struct Running<'a>(&'a Sealer);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.running = false;
        state.was_lent = self.0.lent.swap(false, Ordering::SeqCst);
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Storage {
    /// Has what is not sealed be sealed, if that is much.
    pub(super) fn seal_if_ripe(&self, committed: &Snapshot) {
        if !self.sealer.enabled || !self.core.is_ripe(committed) {
            return;
        }
        let mut state = self.sealer.state.lock();
        if state.asked || state.stopping || state.failed_after == Some(committed.sequence()) {
            return;
        }
        state.asked = true;
        if state.thread.is_none() {
            let core = Arc::clone(&self.core);
            // If there can be no thread, commits that find the log full go on to seal it.
            let thread = ThreadBuilder::new().name("fluxdb-seal".into());
            state.thread = thread.spawn(move || core.seal_when_asked()).ok();
        }
        drop(state);
        self.sealer.changed.notify_all();
    }
}

impl Core {
    /// Begins to write more than the log. Only who has the right to write may call this.
    pub(super) fn begin_write(&self) -> Result<WriteTxn> {
        let (_state, _) = self.sealer.lend(self.sealer.state.lock(), self.writers());
        Ok(self.pager().begin_write()?)
    }

    /// As [`begin_write`](Self::begin_write), or `None` if what was not sealed has been meanwhile.
    pub(super) fn begin_write_unless_sealed(&self) -> Result<Option<WriteTxn>> {
        let (_state, waited) = self.sealer.lend(self.sealer.state.lock(), self.writers());
        if waited { Ok(None) } else { Ok(Some(self.pager().begin_write()?)) }
    }

    fn is_ripe(&self, snapshot: &Snapshot) -> bool {
        self.has_much_unsealed(snapshot) || snapshot.is_late()
    }

    fn has_much_unsealed(&self, snapshot: &Snapshot) -> bool {
        let (used, room) = self.pager().log_bytes();
        snapshot.unsealed.commits > 0
            && room > 0
            && (used * 2 >= room || snapshot.unsealed.rows >= self.options().row_group_rows as u64)
    }

    /// What the thread does.
    fn seal_when_asked(&self) {
        loop {
            {
                let mut state = self.sealer.state.lock();
                while !state.asked && !state.stopping {
                    self.sealer.changed.wait(&mut state);
                }
                if state.stopping {
                    return;
                }
                state.asked = false;
            }
            let before = self.snapshot().sequence();
            if !self.is_ripe(&self.snapshot()) {
                continue;
            }
            let done = self.seal_beside().unwrap_or(false);
            let is_late = self.snapshot().is_late();
            let mut state = self.sealer.state.lock();
            if !done {
                // Somebody who has to wait for it learns what is wrong.
                state.failed_after = Some(before);
            } else if is_late && !state.was_lent {
                // One step of several. Whoever waited goes first, and asks for the next by what it commits.
                state.asked = true;
            }
        }
    }

    /// Seals what is committed, and puts row groups of late points in order, while others commit. Returns whether it did,
    /// or had not to.
    pub(super) fn seal_beside(&self) -> Result<bool> {
        let Some((_running, txn)) = self.sealer.begin(self.pager())? else { return Ok(false) };
        let base = self.snapshot();
        if base.sequence() + 1 != txn.sequence() {
            return Ok(false);
        }
        let catalog = &base.catalog;
        let timer = metrics::Sealing::start(metrics::By::Thread);
        let mut builder = Builder::new(&txn, &base, self.options().row_group_rows, false);
        builder.thrift = Some(Thrift::LAZY);
        let is_stopping = || self.sealer.is_stopping();
        builder.is_stopping = &is_stopping;
        for (id, data) in base.tables.iter().filter(|(_, data)| !data.delta.is_empty() || data.is_late()) {
            if self.sealer.is_stopping() {
                return Ok(false);
            }
            if let Some(table) = catalog.table_by_id(*id) {
                builder.change(table, &data.delta).map_err(|e| e.in_table(table))?;
            }
        }
        if !base.is_unsealed() && !base.tables.iter().any(|(id, data)| !is_in(&builder.tables, *id, data)) {
            return Ok(true);
        }
        let (_, room) = self.pager().log_bytes();
        if room > 0 {
            txn.replace_log(if self.has_much_unsealed(&base) { self.next_log_bytes() } else { room })?;
        }
        txn.sync_ahead()?;

        // From here on nobody else commits.
        let _pass = self.sealer.turn(self.writers());
        self.pager().log_settle()?;
        let last = self.last_in_line();
        last.check()?;
        let moved: Vec<_> = catalog.sequences().filter(|s| s.counter.is_dirty()).cloned().collect();
        let moved: Vec<_> = moved.into_iter().map(|s| (s.counter.state(), s)).collect();
        let record = committed_since(&base, &last, &builder.tables, &mut builder.renumbered)?;
        let rest = !record.tables.is_empty();
        let payload = record.encode();
        if rest && (room == 0 || !txn.carry(&payload)?) {
            return Ok(false);
        }
        let (slot, root) = builder.write_catalog(catalog, false)?;
        let Builder { tables, renumbered, written, .. } = builder;
        txn.set_roots(Roots { catalog: Some(slot), ..txn.roots() });
        let pin = Pinned::new(txn.commit()?, self.dictionaries());
        self.written.take(&written);
        moved.iter().for_each(|(state, sequence)| sequence.counter.saved(*state));

        let sealed = Snapshot::new(Arc::clone(catalog), Some((slot, Arc::new(root))), tables, pin);
        let snapshot = if rest {
            let tables = self.add_rest(&sealed, &last, &payload, &renumbered)?;
            let rows = tables.values().map(|data| data.delta.rows).max().unwrap_or(0);
            let unsealed = Unsealed { commits: 1, bytes: payload.len() as u64, rows, ticket: None };
            sealed.with_unsealed(tables, unsealed)
        } else {
            sealed
        };
        renumber(&base, &snapshot.tables, renumbered);
        self.publish(&Arc::new(snapshot));
        timer.done();
        Ok(true)
    }

    /// The tables of a sealed snapshot with what the first frame of its log says. They are those of `last`.
    fn add_rest(
        &self,
        sealed: &Snapshot,
        last: &Snapshot,
        payload: &[u8],
        renumbered: &BTreeMap<TableId, Renumbering>,
    ) -> Result<BTreeMap<TableId, Arc<TableData>>> {
        let mut overlay = Overlay::new(sealed, self.options().row_group_rows);
        let record = LogRecord::decode(payload, &sealed.catalog)
            .map_err(|what| TableError::Corrupt(format!("a record that was just made: {what}")))?;
        overlay.apply(record)?;
        Ok(overlay.tables_as(|id, mut data| {
            data.version = last.tables.get(&id).map_or(data.version, |last| last.version);
            let before = last.tables.get(&id).map(|last| &last.numbering);
            let same = before.is_some_and(|before| Arc::ptr_eq(before, &data.numbering));
            if same && renumbered.contains_key(&id) {
                data.numbering = Arc::default();
            }
            data
        }))
    }
}

/// Whether that is what a table has in both.
fn is_in(tables: &BTreeMap<TableId, Arc<TableData>>, id: TableId, data: &Arc<TableData>) -> bool {
    tables.get(&id).is_some_and(|other| Arc::ptr_eq(other, data))
}

/// What has been committed between two snapshots, as changes of tables in which what the first shows is sealed.
/// Adds to what is known of rows that have other numbers than in the last.
fn committed_since(
    base: &Snapshot,
    last: &Snapshot,
    sealed: &BTreeMap<TableId, Arc<TableData>>,
    renumbered: &mut BTreeMap<TableId, Renumbering>,
) -> Result<LogRecord> {
    let mut record = LogRecord::default();
    for (id, now) in &last.tables {
        let before = base.tables.get(id).cloned().unwrap_or_default();
        if before.version == now.version {
            continue;
        }
        let mut renumbering = renumbered.remove(id).unwrap_or_default();
        let deleted = now.rows_deleted_since(&before, &last.pin, *id)?;
        let deleted = deleted.into_iter().map(|row| renumbering.number(row)).collect::<Option<Vec<_>>>();
        let mut deleted =
            deleted.ok_or_else(|| TableError::Corrupt(format!("rows of {id} are deleted twice")))?;
        deleted.sort_unstable();
        let added = rows_behind(now, before.all_rows(), &mut renumbering)?;
        if !renumbering.is_identity() {
            renumbered.insert(*id, renumbering);
        }
        let rows_before = sealed.get(id).map_or(0, |data| data.all_rows());
        record.tables.push(TableChange { table: *id, rows_before, deleted, added });
    }
    Ok(record)
}

/// The rows of a table that are left from a number on, all of which are in its delta. Names those that are not.
fn rows_behind(data: &TableData, from: u64, renumbering: &mut Renumbering) -> Result<Vec<Rows>> {
    let (mut added, mut first) = (vec![], data.rows);
    for (index, group) in (data.sealed_groups()..).zip(&data.delta.groups) {
        let (begin, rows) = (first, group.rows() as usize);
        first += rows as u64;
        let Some(skip) = from.checked_sub(begin).or(Some(0)).filter(|skip| *skip < rows as u64) else {
            continue;
        };
        let Content::Held(columns) = group.content() else { return Err(TableError::Ended) };
        let skip = skip as usize;
        let deletes = data.delta.deletes.get(index);
        if let Some(deletes) = deletes {
            renumbering.push(begin + skip as u64, deletes.bits().slice(skip, rows - skip));
        }
        if skip == 0 && deletes.is_none() {
            added.push(Rows { rows: rows as u32, columns: columns.clone() });
            continue;
        }
        let left = deletes.map_or_else(|| BooleanBuffer::new_set(rows), |deletes| !deletes.bits());
        let left: BooleanArray = (0..rows).map(|row| Some(row >= skip && left.value(row))).collect();
        let count = left.true_count() as u32;
        if count > 0 {
            let columns = columns.iter().map(|(id, array)| Ok((*id, keep(array, &left)?)));
            added.push(Rows { rows: count, columns: columns.collect::<Result<_>>()? });
        }
    }
    Ok(added)
}
