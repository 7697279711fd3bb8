//! Commits that write row groups and a superblock. They take up all that was in the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::catalog::{Catalog, ColumnId, TableDefinition, TableId};
use crate::pager::{Roots, WriteTxn};
use crate::table::commit::Builder;
use crate::table::compact::compact;
use crate::table::data::{Delta, TableData, new_version};
use crate::table::error::Result;
use crate::table::metrics;
use crate::table::numbering::Renumbering;
use crate::table::overlap::Thrift;
use crate::table::pin::Pinned;
use crate::table::snapshot::Snapshot;
use crate::table::storage::Core;

/// The first log of a database has so many bytes.
const LOG_BYTES_MIN: u64 = 64 << 10;
/// How many times as many each that follows a full one has, up to a limit. Who writes much has it soon, and few small row
/// groups of before.
const LOG_GROWTH: u64 = 4;

/// What becomes of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogSpace {
    /// It stays, if there is one.
    Keep,
    /// There is none.
    Drop,
    /// There is one with more room, if it seems worth it.
    Grow,
}

/// What a commit does beyond what changes ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tidying {
    Nothing,
    /// Row groups of late points are put in order.
    Order,
    /// That, and what lies scattered is moved, and deleted rows are removed. Nothing is unsealed.
    All,
}

/// A commit.
pub(super) struct Sealing<'a> {
    /// What is committed on top of, the last snapshot in line.
    pub(super) base: &'a Arc<Snapshot>,
    /// All definitions, if some have changed.
    pub(super) catalog: Option<Arc<Catalog>>,
    pub(super) changes: BTreeMap<TableId, Delta>,
    pub(super) tidying: Tidying,
    pub(super) log: LogSpace,
}

/// The tables that have keys which they did not have.
fn new_keys<'a>(
    base: &'a Snapshot,
    catalog: &'a Catalog,
) -> impl Iterator<Item = (&'a Arc<TableDefinition>, Vec<Box<[ColumnId]>>)> {
    catalog.tables().filter_map(|table| {
        let before = base.catalog.table_by_id(table.id).filter(|before| !Arc::ptr_eq(before, table))?;
        let known = before.indexed_keys();
        let new: Vec<_> = table.indexed_keys().into_iter().filter(|key| !known.contains(key)).collect();
        (!new.is_empty()).then_some((table, new))
    })
}

impl Core {
    /// Seals all that is not, and makes changes durable and visible. Nobody else commits meanwhile. The steps are those
    /// of [the room's documentation](super).
    pub(super) fn seal(&self, txn: WriteTxn, sealing: Sealing<'_>) -> Result<Arc<Snapshot>> {
        let Sealing { base, catalog, mut changes, tidying, log } = sealing;
        let tidy = tidying == Tidying::All;
        let timer = metrics::Sealing::start(metrics::By::Commit);
        // Those who wait for the log need not wait for this.
        self.pager().log_settle()?;
        base.check()?;
        let changed: Vec<TableId> = changes.keys().copied().collect();
        for (id, data) in base.tables.iter().filter(|(_, data)| !data.delta.is_empty()) {
            let change = changes.remove(id).unwrap_or_default();
            changes.insert(*id, data.delta.then(&change));
        }
        let all = catalog.as_ref().unwrap_or(&base.catalog);
        // Where the sequences stand; they go on while this is written, which the next commit sees to.
        let moved: Vec<_> = all.sequences().filter(|s| s.counter.is_dirty()).cloned().collect();
        let moved: Vec<_> = moved.into_iter().map(|s| (s.counter.state(), s)).collect();
        // 2. and 3. Row groups and their records.
        let mut builder = Builder::new(&txn, base, self.options().row_group_rows, tidy);
        builder.thrift = match tidying {
            Tidying::Order | Tidying::All => Some(Thrift::EAGER),
            Tidying::Nothing if self.sealer.is_enabled() => None,
            Tidying::Nothing => Some(Thrift::LAZY),
        };
        builder.versions = changed.into_iter().map(|id| (id, new_version())).collect();
        let gone = base.catalog.tables().map(|table| table.id).filter(|id| all.table_by_id(*id).is_none());
        for id in gone {
            builder.drop_table(id)?;
        }
        for (id, delta) in &changes {
            match all.table_by_id(*id) {
                Some(table) => builder.change(table, delta).map_err(|e| e.in_table(table))?,
                None => builder.discard(delta)?,
            }
        }
        if tidying == Tidying::Order {
            for table in all.tables().filter(|table| !changes.contains_key(&table.id)) {
                builder.change(table, &Delta::default()).map_err(|e| e.in_table(table))?;
            }
            let is_same =
                |(id, data): (_, &Arc<TableData>)| base.tables.get(id).is_some_and(|b| Arc::ptr_eq(b, data));
            if catalog.is_none() && moved.is_empty() && builder.tables.iter().all(is_same) {
                return Ok(Arc::clone(base));
            }
        }
        for (table, new) in new_keys(base, all) {
            builder.add_indexes(table, &new).map_err(|e| e.in_table(table))?;
        }
        if tidy && !compact(&mut builder, all)? && base.root.is_none() {
            return Ok(Arc::clone(base));
        }
        // 4. Definitions and the root.
        let (slot, root) = builder.write_catalog(all, tidy)?;
        let Builder { tables, renumbered, written, .. } = builder;
        txn.set_roots(Roots { catalog: Some(slot), ..txn.roots() });
        match log {
            LogSpace::Keep => {}
            LogSpace::Drop => txn.set_log(0)?,
            LogSpace::Grow => {
                let bytes = self.next_log_bytes();
                if bytes > 0 {
                    txn.set_log(bytes)?;
                }
            }
        }
        // 5. The superblock.
        let pin = Pinned::new(txn.commit()?, self.dictionaries());
        self.written.take(&written);
        moved.iter().for_each(|(state, sequence)| sequence.counter.saved(*state));
        renumber(base, &tables, renumbered);
        // 6. Readers.
        let catalog = catalog.unwrap_or_else(|| Arc::clone(&base.catalog));
        let snapshot = Arc::new(Snapshot::new(catalog, Some((slot, Arc::new(root))), tables, pin));
        self.publish(&snapshot);
        timer.done();
        Ok(snapshot)
    }

    /// Seals what is not, and gives up the log. The caller is the only one who writes.
    pub(super) fn seal_all(&self, txn: WriteTxn) -> Result<()> {
        let base = self.last_in_line();
        let sealing = Sealing {
            base: &base,
            catalog: None,
            changes: BTreeMap::new(),
            tidying: Tidying::Nothing,
            log: LogSpace::Drop,
        };
        self.seal(txn, sealing).map(|_| ())
    }

    /// How long the log is to be after a commit for which it had no room. 0, if it is not worth it: a database that sees
    /// one small commit while it is open is better off without.
    pub(super) fn next_log_bytes(&self) -> u64 {
        if self.is_volatile() {
            return 0;
        }
        let wish = match self.pager().log_bytes() {
            (_, 0) => match self.log_bytes.load(Ordering::Relaxed) {
                0 if !self.had_small_commit.swap(true, Ordering::Relaxed) => return 0,
                before => before.max(LOG_BYTES_MIN),
            },
            (_, room) => room.saturating_mul(LOG_GROWTH),
        };
        let wish = wish.min(self.options().log_bytes_max);
        self.log_bytes.store(wish, Ordering::Relaxed);
        wish
    }
}

/// Says how the rows of a snapshot's tables are numbered in the next.
pub(super) fn renumber(
    base: &Snapshot,
    tables: &BTreeMap<TableId, Arc<TableData>>,
    renumbered: BTreeMap<TableId, Renumbering>,
) {
    for (id, renumbering) in renumbered {
        if let (Some(before), Some(now)) = (base.tables.get(&id), tables.get(&id))
            && !Arc::ptr_eq(&before.numbering, &now.numbering)
        {
            before.numbering.continue_as(renumbering, Arc::clone(&now.numbering));
        }
    }
}
