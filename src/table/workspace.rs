//! The space in the file that a running transaction writes to, if it does, shared with its appenders.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::catalog::{ColumnId, ColumnRole, KeysPlace, SegmentEntry, TableDefinition, encode_row_group};
use crate::column::le::U64;
use crate::column::scalar::Scalar;
use crate::column::{ChunkMeta, ChunkReader};
use crate::pager::{Extent, SlotId, WriteTxn};
use crate::sync::{RwLock, RwLockReadGuard};
use crate::table::data::Group;
use crate::table::encode::EncodedGroup;
use crate::table::error::{Result, TableError};
use crate::table::gate::WriterPass;
use crate::table::keys::{self, KeyIndex};
use crate::table::pin::Pin;
use crate::table::row_group::chunk_place;
use crate::table::storage::Storage;

/// A pager's transaction that many threads may use until one ends it. There is only one of them at a time, so it begins
/// when something is to be written.
pub(super) struct Workspace {
    patience: Patience,
    state: RwLock<State>,
}

/// For how long to wait for others.
pub(super) struct Patience {
    /// For a transaction that does not end by itself.
    pub(super) time: Option<Duration>,
    /// Whether whoever waits does not want to any more.
    pub(super) gives_up: Box<dyn Fn() -> bool + Send + Sync>,
}

enum State {
    /// Nothing was written. Once it has begun or ended, it keeps nothing open.
    Idle(Arc<Storage>),
    /// Nobody else writes, and nothing was written.
    Entered(WriterPass, Arc<Storage>),
    Open(WriterPass, WriteTxn),
    Ended,
}

impl Workspace {
    /// A workspace that begins with the first use.
    pub(super) fn idle(storage: Arc<Storage>, patience: Patience) -> Self {
        Self { patience, state: RwLock::new(State::Idle(storage)) }
    }

    /// A workspace for the holder of a pass.
    pub(super) fn entered(pass: WriterPass, storage: Arc<Storage>) -> Self {
        let patience = Patience { time: None, gives_up: Box::new(|| false) };
        Self { patience, state: RwLock::new(State::Entered(pass, storage)) }
    }

    /// Fails if the transaction has ended.
    pub(super) fn check(&self) -> Result<()> {
        if matches!(*self.state.read(), State::Ended) { Err(TableError::Ended) } else { Ok(()) }
    }

    /// Whether it has not yet waited for the right to write.
    pub(super) fn is_idle(&self) -> bool {
        matches!(*self.state.read(), State::Idle(_))
    }

    /// Waits for the right to write, which is not the workspace's own, as one who has waited since `begun`.
    pub(super) fn pass(&self, begun: Instant) -> Result<WriterPass> {
        match &*self.state.read() {
            State::Idle(storage) => {
                let time = self.patience.time.map(|time| time.saturating_sub(begun.elapsed()));
                storage.enter_unless(time, &self.patience.gives_up)
            }
            _ => Err(TableError::Ended),
        }
    }

    /// Whether one who has waited since `begun` does not want to any more.
    pub(super) fn gives_up(&self, begun: Instant) -> bool {
        let is_occupied = || matches!(&*self.state.read(), State::Idle(storage) if storage.is_occupied());
        (self.patience.gives_up)()
            || self.patience.time.is_some_and(|time| begun.elapsed() >= time && is_occupied())
    }

    /// Use of the transaction; it does not end before the result is dropped.
    pub(super) fn enter(&self) -> Result<Work<'_>> {
        loop {
            let guard = self.state.read();
            match &*guard {
                State::Open(..) => return Ok(Work(guard)),
                State::Ended => return Err(TableError::Ended),
                State::Idle(_) | State::Entered(..) => {}
            }
            drop(guard);
            let mut state = self.state.write();
            match std::mem::replace(&mut *state, State::Ended) {
                State::Idle(storage) => match begin(&storage, &self.patience) {
                    Ok((pass, txn)) => {
                        // Whoever has this may do something else before it ends.
                        pass.stay(true);
                        *state = State::Open(pass, txn);
                    }
                    Err(error) => {
                        *state = State::Idle(storage);
                        return Err(error);
                    }
                },
                State::Entered(pass, storage) => match storage.begin_write() {
                    Ok(txn) => *state = State::Open(pass, txn),
                    Err(error) => {
                        *state = State::Entered(pass, storage);
                        return Err(error);
                    }
                },
                other => *state = other,
            }
        }
    }

    /// Ends the use by others, after those who are inside have left.
    ///
    /// # Errors
    /// It was ended before, or could not begin; then it may still.
    pub(super) fn close(&self) -> Result<(WriterPass, WriteTxn)> {
        let mut state = self.state.write();
        match std::mem::replace(&mut *state, State::Ended) {
            State::Open(pass, txn) => {
                pass.stay(false);
                Ok((pass, txn))
            }
            State::Ended => Err(TableError::Ended),
            State::Entered(pass, storage) => {
                let txn = storage.begin_write()?;
                Ok((pass, txn))
            }
            State::Idle(storage) => begin(&storage, &self.patience),
        }
    }

    /// Ends it, without what was written, for a commit that writes nothing but its record.
    ///
    /// # Errors
    /// As for [`close`](Self::close).
    pub(super) fn close_unwritten(&self) -> Result<WriterPass> {
        let mut state = self.state.write();
        match std::mem::replace(&mut *state, State::Ended) {
            State::Open(pass, txn) => {
                drop(txn);
                pass.stay(false);
                Ok(pass)
            }
            State::Ended => Err(TableError::Ended),
            State::Entered(pass, _) => Ok(pass),
            State::Idle(storage) => self.patience.enter(&storage),
        }
    }

    /// Ends it, with all that was written.
    pub(super) fn abandon(&self) {
        let state = std::mem::replace(&mut *self.state.write(), State::Ended);
        if let State::Open(pass, txn) = state {
            // The next writer finds nothing of this one.
            drop(txn);
            drop(pass);
        }
    }
}

impl Patience {
    fn enter(&self, storage: &Storage) -> Result<WriterPass> {
        storage.enter_unless(self.time, &self.gives_up)
    }
}

fn begin(storage: &Storage, patience: &Patience) -> Result<(WriterPass, WriteTxn)> {
    let pass = patience.enter(storage)?;
    let txn = storage.begin_write()?;
    Ok((pass, txn))
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").finish_non_exhaustive()
    }
}

/// Use of a transaction.
pub(super) struct Work<'a>(RwLockReadGuard<'a, State>);

impl Work<'_> {
    /// Writes a row group to an extent of its own.
    pub(super) fn write_group(&self, encoded: EncodedGroup) -> Result<PlacedGroup> {
        write_group(self.txn()?, encoded)
    }

    /// Opens a chunk of a row group that this transaction wrote: that at `position` of it, which is the table's
    /// `column`.
    pub(super) fn open_chunk(
        &self,
        placed: &PlacedGroup,
        position: usize,
        table: &TableDefinition,
        column: usize,
    ) -> Result<ChunkReader> {
        placed.open_chunk(self.txn()?, position, table, column)
    }

    /// The index of a row group that this transaction wrote by a key.
    pub(super) fn open_index(&self, placed: &PlacedGroup, key: &[ColumnId]) -> Result<Option<KeyIndex>> {
        let txn = self.txn()?;
        keys::open_index(&placed.keys, placed.rows, key, |offset, bytes| {
            Ok(txn.read_extent_range(placed.extent, offset, bytes)?)
        })
    }

    /// Undoes the writing of a row group.
    pub(super) fn discard(&self, placed: &PlacedGroup) -> Result<()> {
        Ok(self.txn()?.free_extent(placed.extent)?)
    }

    fn txn(&self) -> Result<&WriteTxn> {
        match &*self.0 {
            State::Open(_, txn) => Ok(txn),
            _ => Err(TableError::Ended),
        }
    }
}

/// A row group that is in the file, but in no table yet.
#[derive(Debug, Clone)]
pub(super) struct PlacedGroup {
    pub(super) rows: u32,
    pub(super) extent: Extent,
    pub(super) bytes: u64,
    pub(super) chunks: Vec<(ColumnId, ChunkMeta)>,
    /// Where in the extent its key indexes lie.
    pub(super) keys: KeysPlace,
}

/// Writes a row group to an extent of its own. Of an extent that could not be written nothing is left.
pub(super) fn write_group(txn: &WriteTxn, mut encoded: EncodedGroup) -> Result<PlacedGroup> {
    let bytes = encoded.bytes.len() as u64;
    let extent = txn.alloc_extent(bytes)?;
    txn.write_extent(extent, &encoded.bytes)?;
    encoded.place(extent.start.0);
    let EncodedGroup { rows, chunks, keys, .. } = encoded;
    Ok(PlacedGroup { rows, extent, bytes, chunks, keys })
}

impl PlacedGroup {
    /// What the record of a row group says.
    pub(super) fn of(group: &Group, pin: &Pin) -> Result<Self> {
        let record = group.record(pin)?;
        let header = record.header();
        let chunks = record.columns().iter().zip(record.chunks());
        Ok(Self {
            rows: header.rows.get(),
            extent: group.extent(pin)?,
            bytes: header.extent_bytes.get(),
            chunks: chunks.map(|(column, meta)| (ColumnId(column.get()), *meta)).collect(),
            keys: record.keys(),
        })
    }

    /// The same in another extent.
    pub(super) fn moved_to(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self.chunks.iter_mut().for_each(|(_, meta)| meta.extent_page = U64::new(extent.start.0));
        self
    }

    /// The place of a column's chunk among its own; `None` if the column came later.
    pub(super) fn position(&self, column: ColumnId) -> Option<usize> {
        self.chunks.iter().position(|(id, _)| *id == column)
    }

    /// Opens a chunk: that at `position`, which is the table's `column`.
    pub(super) fn open_chunk(
        &self,
        txn: &WriteTxn,
        position: usize,
        table: &TableDefinition,
        column: usize,
    ) -> Result<ChunkReader> {
        let (definition, (_, meta)) = (&table.columns[column], &self.chunks[position]);
        let (offset, bytes) = (meta.byte_offset.get(), meta.byte_len.get() as usize);
        let bytes = txn.read_extent_range(self.extent, offset, bytes)?;
        let place = chunk_place(table, &definition.name, definition.id.0, 0);
        let reader = ChunkReader::open(bytes, &definition.ty, place)?;
        if reader.header_crc() != meta.header_crc.get() {
            return Err(TableError::Corrupt(format!(
                "the chunk at {} is not the one that was written",
                self.extent
            )));
        }
        Ok(reader)
    }

    /// Writes the record that makes it a row group of a table.
    pub(super) fn record(self, txn: &WriteTxn, table: &TableDefinition) -> Result<Group> {
        let time_range = self.time_range(table);
        self.record_with(txn, |entry| SegmentEntry { time_range, ..entry })
    }

    /// Least and greatest time, if the table has a column for that and its values are known.
    pub(super) fn time_range(&self, table: &TableDefinition) -> Option<(i64, i64)> {
        let column = table.columns.iter().find(|column| column.role == ColumnRole::Time)?;
        let (_, meta) = self.chunks.iter().find(|(id, _)| *id == column.id)?;
        let stats = meta.stats(&column.ty);
        let (Some(Scalar::Int(least)), Some(Scalar::Int(greatest))) = (stats.min, stats.max) else {
            return None;
        };
        Some((i64::try_from(least).ok()?, i64::try_from(greatest).ok()?))
    }

    /// As [`record`](Self::record), with more for its segment to say about it.
    pub(super) fn record_with(
        self,
        txn: &WriteTxn,
        more: impl FnOnce(SegmentEntry) -> SegmentEntry,
    ) -> Result<Group> {
        let (page, pages) = (self.extent.start.0, self.extent.pages);
        let record = encode_row_group(self.rows, page, pages, self.bytes, &self.chunks, &self.keys);
        let slot: SlotId = txn.heap_insert(&record)?;
        let entry = SegmentEntry {
            record: slot,
            rows: self.rows,
            deleted_rows: 0,
            deletes: None,
            bytes: self.bytes,
            time_range: None,
        };
        Group::written(more(entry), record.into())
    }
}
