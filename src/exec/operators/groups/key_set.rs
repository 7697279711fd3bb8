//! Distinct keys, of which nobody asks for a number.

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use super::word_set::WordSet;
use super::{GroupTable, group_table, numbered_table};
use crate::column::types::LogicalType;
use crate::exec::error::Result;

/// Distinct keys.
pub(crate) enum KeySet {
    /// Of one word each.
    Words(WordSet),
    /// Others, by the tables that number them, and room for these numbers. They come out in the order of their first rows.
    Numbered(Box<dyn GroupTable>, Vec<u32>),
}

impl KeySet {
    /// The best set for these keys.
    pub fn new(types: &[LogicalType]) -> Result<Self> {
        Ok(Self::Numbered(group_table(types)?, vec![]))
    }

    /// The best set for these keys, the first of which is the number of a group: never NULL, and less than 2^31. If
    /// `ordered`, they are to come out in the order of their first rows.
    pub fn of_groups(types: &[LogicalType], ordered: bool) -> Result<Self> {
        let arrow: Vec<DataType> = types.iter().map(LogicalType::arrow).collect();
        match WordSet::numbered(&arrow).filter(|_| !ordered) {
            Some(set) => Ok(Self::Words(set)),
            None => Ok(Self::Numbered(numbered_table(types)?, vec![])),
        }
    }

    /// Adds the key of each row.
    pub fn insert(&mut self, keys: &[ArrayRef], rows: usize) -> Result<()> {
        match self {
            Self::Words(set) => set.insert(keys, rows),
            Self::Numbered(table, numbers) => table.intern(keys, rows, numbers),
        }
    }

    /// The same, where the hashes of texts are known ([`GroupTable::intern_hashed`]).
    pub fn insert_hashed(&mut self, keys: &[ArrayRef], texts: &[&[u64]], rows: usize) -> Result<()> {
        match self {
            Self::Words(set) => set.insert(keys, rows),
            Self::Numbered(table, numbers) => table.intern_hashed(keys, texts, rows, numbers),
        }
    }

    /// Whether looking up a key means going to a random place ([`GroupTable::is_hashed`]).
    pub fn is_hashed(&self) -> bool {
        match self {
            Self::Words(_) => true,
            Self::Numbered(table, _) => table.is_hashed(),
        }
    }

    /// So many rows with mostly different keys are about to come.
    pub fn expect(&mut self, rows: usize) {
        match self {
            // A set that has no room later says so itself.
            Self::Words(set) => drop(set.reserve(rows)),
            Self::Numbered(table, _) => table.expect(rows),
        }
    }

    /// The number of distinct keys.
    pub fn len(&self) -> usize {
        match self {
            Self::Words(set) => set.len(),
            Self::Numbered(table, _) => table.len(),
        }
    }

    /// The distinct keys. The set is of no use afterwards.
    pub fn take_keys(&mut self) -> Result<Vec<ArrayRef>> {
        match self {
            Self::Words(set) => set.take_keys(),
            Self::Numbered(table, _) => table.take_keys(),
        }
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        match self {
            Self::Words(set) => set.size(),
            Self::Numbered(table, numbers) => table.size() + numbers.capacity() * size_of::<u32>(),
        }
    }
}
