//! Key indexes for row groups that were written before their table had the key.

use std::sync::Arc;

use crate::catalog::{ColumnId, SegmentEntry, TableDefinition};
use crate::column::CHUNK_ALIGN;
use crate::table::commit::Builder;
use crate::table::data::Group;
use crate::table::decode::read_rows;
use crate::table::error::{Result, TableError};
use crate::table::keys::{self, open_index, write_indexes};
use crate::table::row_group::{RowGroup, Source};
use crate::table::workspace::PlacedGroup;

impl Builder<'_> {
    /// Gives all row groups of a table the indexes by its keys, if they lack one of those by `new` keys. Their chunks are
    /// copied as they are, so that no row gets another number.
    pub(super) fn add_indexes(
        &mut self,
        table: &Arc<TableDefinition>,
        new: &[Box<[ColumnId]>],
    ) -> Result<()> {
        let Some(data) = self.tables.get(&table.id).cloned() else { return Ok(()) };
        let (mut groups, mut changed) = (Vec::with_capacity(data.row_groups()), false);
        for segment in &data.segments {
            for group in segment.groups(&self.base.pin)? {
                let indexed = self.indexed(table, group, new)?;
                changed |= indexed.is_some();
                groups.push(indexed.map_or_else(|| Arc::clone(group), Arc::new));
            }
        }
        if changed {
            let data = self.rebuild(table.id, &data, 0, groups, false)?;
            self.tables.insert(table.id, Arc::new(data));
        }
        Ok(())
    }

    /// A row group with indexes by all keys; `None` if it lacks none of the `new` ones.
    fn indexed(
        &self,
        table: &Arc<TableDefinition>,
        group: &Arc<Group>,
        new: &[Box<[ColumnId]>],
    ) -> Result<Option<Group>> {
        let placed = PlacedGroup::of(group, &self.base.pin)?;
        // It may have been written by this very transaction, so it is read through that.
        let read = |offset, bytes| Ok(self.txn.read_extent_range(placed.extent, offset, bytes)?);
        let mut lacking = false;
        for key in new {
            lacking |= open_index(&placed.keys, placed.rows, key, read)?.is_none();
        }
        if !lacking {
            return Ok(None);
        }
        let column = |id: ColumnId| {
            let column = table.position_of(id).ok_or(TableError::Ended)?;
            match placed.position(id) {
                Some(position) => read_rows(&placed.open_chunk(self.txn, position, table, column)?),
                // It has the column's default in all rows.
                None => {
                    let (source, pin) = (Source::Sealed(Arc::clone(group)), Arc::clone(&self.base.pin));
                    RowGroup::new(source, None, Arc::clone(table), pin, 0, 0).read_column(column)
                }
            }
        };
        let mut indexes = vec![];
        for key in table.indexed_keys() {
            indexes.extend(keys::build(&key, column)?);
        }
        // There is none by keys of which one is too long.
        if !indexes.iter().any(|index| new.iter().any(|key| index.columns() == &**key)) {
            return Ok(None);
        }
        let chunks_end = if placed.keys.count > 0 { placed.keys.offset } else { placed.bytes };
        let mut bytes = read(0, chunks_end as usize)?.to_vec();
        bytes.resize(bytes.len().next_multiple_of(CHUNK_ALIGN), 0);
        let start = bytes.len();
        let keys = write_indexes(&indexes, start, &mut bytes);
        let extent = self.txn.alloc_extent(bytes.len() as u64)?;
        self.txn.write_extent(extent, &bytes)?;
        self.txn.free_extent(placed.extent)?;
        self.txn.heap_delete(group.entry.record)?;
        let moved = PlacedGroup { bytes: bytes.len() as u64, keys, ..placed }.moved_to(extent);
        let SegmentEntry { deleted_rows, deletes, time_range, .. } = group.entry;
        moved
            .record_with(self.txn, |entry| SegmentEntry { deleted_rows, deletes, time_range, ..entry })
            .map(Some)
    }
}
