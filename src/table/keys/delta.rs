//! The rows of a delta by their keys, for looking up single ones.
//!
//! One index serves all versions of a table between two sealings: rows have their places in a delta one behind the other
//! and keep them, so a version sees the entries of those that it has. Which of these are deleted it knows itself. Only who
//! commits adds entries, and to the last version only. If that turns out to be lost, others get the places of its rows;
//! then the entries before are copied.

use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use hashbrown::HashTable;

use crate::catalog::{ColumnId, TableDefinition};
use crate::column::key::Keys;
use crate::sync::RwLock;
use crate::table::data::TableData;
use crate::table::keys::filter;
use crate::table::row_group::RowGroup;

/// Stands for no entry.
const NONE: u32 = u32::MAX;

/// The entries of one key of a table.
#[derive(Default)]
struct HashIndex(RwLock<Entries>);

#[derive(Default)]
struct Entries {
    /// Of each key a half of its hash and its newest entry.
    newest: HashTable<(u32, u32)>,
    all: Vec<Entry>,
    /// The keys, one behind the other.
    bytes: Vec<u8>,
    /// An entry of the greatest key.
    greatest: Option<u32>,
    /// Rows that it knows, those without a key among them.
    rows: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    row: u32,
    /// The entry before with the same key, or [`NONE`].
    older: u32,
    start: u32,
    length: u32,
}

/// The half of a hash that the table keeps, and what stands there for all of it.
fn halved(hash: u64) -> (u32, u64) {
    let half = (hash >> 32) as u32;
    (half, whole(half))
}

fn whole(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Entries {
    fn key(&self, entry: u32) -> &[u8] {
        let Entry { start, length, .. } = self.all[entry as usize];
        &self.bytes[start as usize..][..length as usize]
    }

    fn find(&self, key: &[u8], hash: u64) -> Option<u32> {
        let (half, hash) = halved(hash);
        let is_it = |known: &(u32, u32)| known.0 == half && self.key(known.1) == key;
        self.newest.find(hash, is_it).map(|(_, entry)| *entry)
    }

    fn push(&mut self, row: u32, key: &[u8], hash: u64) {
        let entry = self.all.len() as u32;
        // Keys that come in their order are all new.
        let is_greatest = self.greatest.is_none_or(|greatest| self.key(greatest) < key);
        let older = if is_greatest { None } else { self.find(key, hash) };
        let (half, hash) = halved(hash);
        if let Some(older) = older {
            let Entry { start, length, .. } = self.all[older as usize];
            self.all.push(Entry { row, older, start, length });
            if let Some(newest) = self.newest.find_mut(hash, |known| known.1 == older) {
                newest.1 = entry;
            }
            return;
        }
        self.all.push(Entry { row, older: NONE, start: self.bytes.len() as u32, length: key.len() as u32 });
        self.bytes.extend_from_slice(key);
        self.newest.insert_unique(hash, (half, entry), |known| whole(known.0));
        if is_greatest {
            self.greatest = Some(entry);
        }
    }

    /// Whether the keys of so many more rows have room.
    fn has_room(&self, keys: &Keys) -> bool {
        let bytes: usize = (0..keys.len()).filter_map(|row| keys.get(row)).map(<[u8]>::len).sum();
        u32::try_from(self.bytes.len() + bytes).is_ok()
            && u32::try_from(self.rows as usize + keys.len()).is_ok_and(|rows| rows < NONE)
    }
}

impl HashIndex {
    /// Adds rows behind the first `rows`, if those are all that it knows and there is room. Returns whether it did.
    fn extend(&self, rows: u32, keys: &Keys) -> bool {
        let mut entries = self.0.write();
        if entries.rows != rows || !entries.has_room(keys) {
            return false;
        }
        for (row, place) in (0..keys.len()).zip(rows..) {
            if let Some(key) = keys.get(row) {
                entries.push(place, key, filter::hash(key));
            }
        }
        entries.rows = rows + keys.len() as u32;
        true
    }

    /// One that knows no more than the first `rows`.
    fn first(&self, rows: u32) -> Self {
        let known = self.0.read();
        let mut entries = Entries { rows: rows.min(known.rows), ..Entries::default() };
        for (at, entry) in (0..).zip(&known.all).take_while(|(_, entry)| entry.row < rows) {
            let key = known.key(at);
            entries.push(entry.row, key, filter::hash(key));
        }
        Self(RwLock::new(entries))
    }

    /// Calls `look` with the rows before `rows` that have a key, from the last to the first, until it returns true.
    fn find(&self, key: &[u8], hash: u64, rows: u32, mut look: impl FnMut(u32) -> bool) {
        let entries = self.0.read();
        let mut next = entries.find(key, hash);
        while let Some(Entry { row, older, .. }) = next.map(|entry| entries.all[entry as usize]) {
            if row < rows && look(row) {
                return;
            }
            next = (older != NONE).then_some(older);
        }
    }
}

impl fmt::Debug for HashIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashIndex").field("rows", &self.0.read().rows).finish_non_exhaustive()
    }
}

/// Of each key that no two rows of a table have, where it is in a delta.
#[derive(Debug, Clone, Default)]
pub(in crate::table) struct DeltaKeys {
    indexes: Option<Arc<[(Box<[ColumnId]>, HashIndex)]>>,
    /// How many rows of the delta they have.
    rows: u32,
}

impl DeltaKeys {
    /// With rows behind those that the delta has. Who commits calls this, and nobody else for the same version.
    pub(in crate::table) fn with(
        &self,
        table: &TableDefinition,
        before: u64,
        rows: u32,
        columns: &[(ColumnId, ArrayRef)],
    ) -> Self {
        let indexes = match &self.indexes {
            Some(indexes) if u64::from(self.rows) == before => Arc::clone(indexes),
            None if before == 0 => {
                let keys = table.unique_keys();
                if keys.is_empty() {
                    return Self::default();
                }
                keys.into_iter().map(|key| (key, HashIndex::default())).collect()
            }
            _ => return self.clone(),
        };
        let keys_of = |key: &[ColumnId]| {
            let column = |id: &ColumnId| {
                columns.iter().find(|(column, _)| column == id).map(|(_, array)| Arc::clone(array))
            };
            Keys::encode(&key.iter().map(column).collect::<Option<Vec<_>>>()?)
        };
        let keys: Option<Vec<Keys>> = indexes.iter().map(|(key, _)| keys_of(key)).collect();
        let Some(keys) = keys else { return self.clone() };
        let extend = |indexes: &[(Box<[ColumnId]>, HashIndex)]| {
            indexes.iter().zip(&keys).all(|((_, index), keys)| index.extend(self.rows, keys))
        };
        if extend(&indexes) {
            return Self { indexes: Some(indexes), rows: self.rows + rows };
        }
        // They have rows of a version that was lost.
        let copies = indexes.iter().map(|(key, index)| (key.clone(), index.first(self.rows)));
        let copies: Arc<[_]> = copies.collect();
        if extend(&copies) { Self { indexes: Some(copies), rows: self.rows + rows } } else { self.clone() }
    }

    /// The index by a key, and how many rows of the delta it has: nothing is known of those behind.
    fn index(&self, key: &[ColumnId]) -> Option<(&HashIndex, u32)> {
        let (_, index) = self.indexes.as_ref()?.iter().find(|(columns, _)| **columns == *key)?;
        Some((index, self.rows))
    }
}

/// The rows of a version's delta that an index has.
#[derive(Debug)]
pub(in crate::table) struct IndexedDelta<'a> {
    index: &'a HashIndex,
    rows: u32,
    data: &'a TableData,
    sealed_groups: usize,
}

/// A row of a delta.
#[derive(Debug)]
pub(super) struct DeltaRow {
    /// Its number in the table.
    pub(super) number: u64,
    /// Its row group among those of the delta, and its place in that.
    pub(super) group: usize,
    pub(super) row: u32,
}

impl<'a> IndexedDelta<'a> {
    pub(in crate::table) fn new(data: &'a TableData, key: &[ColumnId]) -> Option<Self> {
        let (index, rows) = data.delta.keys.index(key)?;
        Some(Self { index, rows, data, sealed_groups: data.sealed_groups() })
    }

    /// Whether it has all rows of the delta.
    pub(super) fn has_all(&self) -> bool {
        u64::from(self.rows) == self.data.delta.rows
    }

    /// Whether it has all rows of a row group of the delta.
    pub(super) fn has(&self, group: &RowGroup) -> bool {
        group.first_row() + group.rows() as u64 <= self.data.rows + u64::from(self.rows)
    }

    /// Without the rows of a row group of the delta, and those behind them.
    #[must_use]
    pub(super) fn before(mut self, group: &RowGroup) -> Self {
        self.rows = u64::from(self.rows).min(group.first_row() - self.data.rows) as u32;
        self
    }

    /// The row with a key that is not deleted, of those behind the first `known`.
    pub(super) fn find(&self, key: &[u8], hash: u64, known: u64) -> Option<DeltaRow> {
        let delta = &self.data.delta;
        let mut found = None;
        self.index.find(key, hash, self.rows, |at| {
            if u64::from(at) < known {
                return true;
            }
            let Some((group, row)) = delta.place(u64::from(at)) else { return false };
            let deletes = delta.deletes.get(self.sealed_groups + group);
            if deletes.is_some_and(|deletes| deletes.bits().value(row as usize)) {
                return false;
            }
            found = Some(DeltaRow { number: self.data.rows + u64::from(at), group, row });
            true
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{ColumnDefinition, ConstraintDefinition, ConstraintKind, SchemaId};
    use crate::column::types::LogicalType;

    fn keys(of: &[Option<u8>]) -> Keys {
        let array = of.iter().map(|key| key.map(|key| format!("key {key}")));
        let array: ArrayRef = Arc::new(array.collect::<arrow_array::StringViewArray>());
        Keys::encode(&[array]).unwrap()
    }

    fn rows(index: &HashIndex, key: u8, before: u32) -> Vec<u32> {
        let (key, mut rows) = (format!("key {key}").into_bytes(), vec![]);
        index.find(&key, filter::hash(&key), before, |row| {
            rows.push(row);
            false
        });
        rows
    }

    #[test]
    fn a_version_that_was_lost_leaves_its_places_to_others() {
        let mut table = TableDefinition::new(SchemaId(0), "t", vec![]);
        let text = table.add_column(ColumnDefinition::new("text", LogicalType::Varchar));
        let column = |keys: &[&str]| {
            let array: ArrayRef = Arc::new(keys.iter().map(Some).collect::<arrow_array::StringViewArray>());
            vec![(text, array)]
        };
        let with = |keys: &DeltaKeys, before, texts: &[&str]| {
            keys.with(&table, before, texts.len() as u32, &column(texts))
        };
        assert!(with(&DeltaKeys::default(), 0, &["a"]).index(&[text]).is_none(), "no key");
        let kind = ConstraintKind::Unique { columns: vec![text], primary: true };
        table.constraints.push(ConstraintDefinition { name: None, kind });
        let with = |keys: &DeltaKeys, before, texts: &[&str]| {
            keys.with(&table, before, texts.len() as u32, &column(texts))
        };
        let found = |keys: &DeltaKeys, key: &str| {
            let (index, rows) = keys.index(&[text]).unwrap();
            let mut found = vec![];
            index.find(key.as_bytes(), filter::hash(key.as_bytes()), rows, |row| {
                found.push(row);
                false
            });
            found
        };
        let first = with(&DeltaKeys::default(), 0, &["a", "b"]);
        let lost = with(&first, 2, &["c", "a"]);
        let next = with(&first, 2, &["d", "b", "a"]);
        let last = with(&next, 5, &["c"]);
        let seen = |keys: &DeltaKeys| ["a", "b", "c", "d"].map(|key| found(keys, key));
        assert_eq!(seen(&first), [vec![0], vec![1], vec![], vec![]]);
        assert_eq!(seen(&lost), [vec![3, 0], vec![1], vec![2], vec![]]);
        assert_eq!(seen(&next), [vec![4, 0], vec![3, 1], vec![], vec![2]]);
        assert_eq!(seen(&last), [vec![4, 0], vec![3, 1], vec![5], vec![2]]);
        // Of rows of which it has not those before it says nothing.
        assert_eq!(seen(&with(&first, 3, &["c"])), seen(&first));
    }

    proptest! {
        #[test]
        fn each_version_finds_its_rows_from_the_last_to_the_first(
            parts in proptest::collection::vec(
                proptest::collection::vec(proptest::option::weighted(0.9, 0..20_u8), 0..30), 0..8),
            lost in 0..200_u32,
        ) {
            let index = HashIndex::default();
            let mut all: Vec<Option<u8>> = vec![];
            for part in &parts {
                let before = all.len() as u32;
                prop_assert!(index.extend(before, &keys(part)));
                prop_assert!(part.is_empty() || !index.extend(before, &keys(part)), "not twice");
                all.extend(part);
            }
            let check = |index: &HashIndex, end: u32| {
                let mut wanted: HashMap<u8, Vec<u32>> = (0..20).map(|key| (key, vec![])).collect();
                for (row, key) in all.iter().enumerate().take(end as usize).rev() {
                    wanted.entry(key.unwrap_or(20)).or_default().push(row as u32);
                }
                (0..20).all(|key| rows(index, key, end) == wanted[&key])
            };
            let count = all.len() as u32;
            prop_assert!(check(&index, count));
            let rest = count.min(lost);
            prop_assert!(check(&index, rest), "an earlier version");
            let copy = index.first(rest);
            prop_assert!(check(&copy, rest));
            // Others get the places of those that were lost.
            prop_assert!(copy.extend(rest, &keys(&[Some(21)])));
            prop_assert_eq!(rows(&copy, 21, rest + 1), [rest]);
            prop_assert_eq!(rows(&index, 21, count), Vec::<u32>::new());
        }
    }
}
