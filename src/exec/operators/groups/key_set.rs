//! Distinct keys, of which nobody asks for a number.

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use super::recent_words::RecentWords;
use super::word_set::{WordKeys, WordSet};
use super::{GroupTable, group_table, numbered_table};
use crate::column::types::LogicalType;
use crate::exec::error::Result;

/// Distinct keys.
pub(crate) enum KeySet {
    /// Of one word each.
    Words(OneWord),
    /// Others, by the tables that number them, and room for these numbers. They come out in the order of their first rows.
    Numbered(Box<dyn GroupTable>, Vec<u32>),
}

/// Keys of one word each.
pub(crate) struct OneWord {
    keys: WordKeys,
    recent: RecentWords,
    set: WordSet,
    /// Room for the words of a batch.
    words: Vec<u64>,
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
        match WordKeys::numbered(&arrow).filter(|_| !ordered) {
            Some(keys) => {
                let (recent, set) = (RecentWords::default(), WordSet::default());
                Ok(Self::Words(OneWord { keys, recent, set, words: vec![] }))
            }
            None => Ok(Self::Numbered(numbered_table(types)?, vec![])),
        }
    }

    /// Adds the key of each row. Returns how many rows were looked up: not those that are known to repeat one just before.
    pub fn insert(&mut self, columns: &[ArrayRef], rows: usize) -> Result<usize> {
        match self {
            Self::Words(OneWord { keys, recent, set, words }) => {
                keys.pack(columns, rows, words)?;
                recent.drop_from(words);
                set.insert(words)?;
                Ok(words.len())
            }
            Self::Numbered(table, numbers) => {
                table.intern(columns, rows, numbers)?;
                Ok(rows)
            }
        }
    }

    /// The same, where the hashes of texts are known ([`GroupTable::intern_hashed`]).
    pub fn insert_hashed(&mut self, columns: &[ArrayRef], texts: &[&[u64]], rows: usize) -> Result<()> {
        match self {
            Self::Words(_) => self.insert(columns, rows).map(drop),
            Self::Numbered(table, numbers) => table.intern_hashed(columns, texts, rows, numbers),
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
            Self::Words(one) => drop(one.set.reserve(rows)),
            Self::Numbered(table, _) => table.expect(rows),
        }
    }

    /// The number of distinct keys.
    pub fn len(&self) -> usize {
        match self {
            Self::Words(one) => one.set.len(),
            Self::Numbered(table, _) => table.len(),
        }
    }

    /// The distinct keys. The set is of no use afterwards.
    pub fn take_keys(&mut self) -> Result<Vec<ArrayRef>> {
        match self {
            Self::Words(one) => one.keys.unpack(&one.set.take(), false),
            Self::Numbered(table, _) => table.take_keys(),
        }
    }

    /// The same as words, and whether NULL is among them ([`WordKeys::pack`]).
    pub fn take_words(&mut self, keys: &WordKeys) -> Result<(Vec<u64>, bool)> {
        if let Self::Words(one) = self {
            return Ok((one.set.take(), false));
        }
        let (rows, mut words) = (self.len(), vec![]);
        let null = keys.pack(&self.take_keys()?, rows, &mut words)?;
        Ok((words, null))
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        match self {
            Self::Words(one) => one.set.size() + one.words.capacity() * size_of::<u64>(),
            Self::Numbered(table, numbers) => table.size() + numbers.capacity() * size_of::<u32>(),
        }
    }
}
