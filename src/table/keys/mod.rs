//! Finding rows by key.
//!
//! Each row group has an index of its own for each key of its table ([`KeyIndex`]): as immutable as its rows, built with
//! them, and at rest behind the chunks in its extent. A row group in memory builds its own when it is first asked for the
//! order of its rows. So what is found is what the snapshot shows, and what a row costs does not depend on how many there
//! are: small row groups merge as the rows do. A key is looked for in all row groups whose range has it and whose filter
//! does not exclude it, the newest first.
//!
//! Rows in memory that are committed are found without that, where no two have the same key ([`DeltaKeys`]).

mod cursor;
mod delta;
mod filter;
mod index;
mod lookup;
mod map;
#[cfg(test)]
mod merge_tests;
mod stored;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::catalog::ColumnId;
use crate::column::key::Keys;
use crate::sync::RwLock;

pub use cursor::{KeyCursor, KeyRange};
pub(super) use delta::{DeltaKeys, IndexedDelta};
pub(super) use index::BLOCK_ENTRIES;
pub(crate) use index::KeyIndex;
pub use lookup::{KeyPlace, Probes};
pub(super) use map::{Entry as KeyEntry, KeyMap, KeyMaps};
pub(crate) use stored::index_ranges;
pub(super) use stored::{open_index, write_indexes};

/// The index of some rows by a key; `None` if there cannot be one. `read` gives the values of a column.
pub(super) fn build<E>(
    key: &[ColumnId],
    mut read: impl FnMut(ColumnId) -> Result<ArrayRef, E>,
) -> Result<Option<KeyIndex>, E> {
    let columns = key.iter().map(|column| read(*column)).collect::<Result<Vec<_>, _>>()?;
    let keys = Keys::encode(&columns).filter(KeyIndex::can_hold);
    Ok(keys.map(|keys| KeyIndex::build(key, &keys)))
}

/// The index of rows that were in several row groups, one behind the other. Of each of these there are the number of rows
/// and what is known of their keys.
pub(super) fn build_united<E>(
    key: &[ColumnId],
    parts: &[(u32, Option<Arc<KeyIndex>>)],
    read: impl FnMut(ColumnId) -> Result<ArrayRef, E>,
) -> Result<Option<KeyIndex>, E> {
    let columns = key.iter().copied().map(read).collect::<Result<Vec<_>, _>>()?;
    let Some(keys) = Keys::encode(&columns).filter(KeyIndex::can_hold) else { return Ok(None) };
    let (mut rows, mut first) = (Vec::with_capacity(keys.len()), 0);
    for (count, index) in parts {
        match index.as_ref().and_then(|index| index.rows_in_order()) {
            Some(order) => rows.extend(order.into_iter().map(|row| first + row)),
            None => rows.extend(first..first + count),
        }
        first += count;
    }
    Ok(Some(KeyIndex::build_sorted(key, &keys, &keys.sorted_from(rows.into_iter()))))
}

/// Indexes of one row group, each made when it is first needed.
#[derive(Debug, Default)]
pub(super) struct IndexCache(RwLock<Vec<(Box<[ColumnId]>, Option<Arc<KeyIndex>>)>>);

impl IndexCache {
    /// The indexes that there are.
    pub(super) fn known(&self) -> Vec<(Box<[ColumnId]>, Option<Arc<KeyIndex>>)> {
        self.0.read().clone()
    }

    /// The index by a key, if it was made.
    pub(super) fn peek(&self, key: &[ColumnId]) -> Option<Arc<KeyIndex>> {
        self.0.read().iter().find(|(columns, _)| **columns == *key).and_then(|(_, index)| index.clone())
    }

    /// The index by a key; `None` if there is none.
    pub(super) fn get<E>(
        &self,
        key: &[ColumnId],
        make: impl FnOnce() -> Result<Option<KeyIndex>, E>,
    ) -> Result<Option<Arc<KeyIndex>>, E> {
        let known = |all: &[(Box<[ColumnId]>, Option<Arc<KeyIndex>>)]| {
            all.iter().find(|(columns, _)| **columns == *key).map(|(_, index)| index.clone())
        };
        if let Some(index) = known(&self.0.read()) {
            return Ok(index);
        }
        let made = make()?.map(Arc::new);
        let mut all = self.0.write();
        if let Some(index) = known(&all) {
            return Ok(index);
        }
        all.push((key.into(), made.clone()));
        Ok(made)
    }
}
