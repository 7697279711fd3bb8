//! Hash tables from keys to dense numbers, the heart of GROUP BY, DISTINCT and hash joins.
//!
//! A [`GroupTable`] gives each distinct combination of key values a number: 0, 1, 2, … in the order of first
//! appearance. What belongs to a group is then an array indexed by that number. Which table is used depends on
//! the key types:
//!
//! - [`text::TextTable`]: one `VARCHAR` or `BLOB`. Short values are compared as 128-bit views; a dictionary is
//!   looked up once per distinct value and dictionary, not once per row.
//! - [`packed::PackedTable`]: any number of keys that fit into four 64-bit words; texts take part as numbers
//!   given by a `TextTable` of their own. One integer whose values lie close together is an array index ([`direct`]), and so are
//!   several keys of few values each ([`grid`]). Where all keys are there and lie less close, they have [`ranks`].
//! - [`mixed::MixedTable`]: texts that do not come as codes of dictionaries, and other keys. Which of the two it is to be, the first
//!   rows tell ([`late::LateTable`]).
//! - [`rows::RowTable`]: everything else, as bytes in Arrow's row format.
//! - [`leading::LeadingTable`]: whole numbers and texts of a GROUP BY, as long as the numbers tell groups apart.
//!
//! All but arrays find their groups through [`slots::Slots`]. Where nobody asks for the numbers, as those of `count(DISTINCT x)`, keys are in a [`key_set::KeySet`].
//!
//! Everywhere NULL is a value equal to itself, `-0.0` is `0.0`, and all NaNs are one.

mod by_code;
pub(crate) mod direct;
mod grid;
pub(crate) mod hash;
pub(crate) mod key_set;
mod late;
mod layout;
mod leading;
mod mixed;
pub(crate) mod packed;
mod ranks;
mod recent;
pub(crate) mod recent_words;
pub(crate) mod rows;
mod slots;
pub(crate) mod text;
mod text_keys;
pub(crate) mod word_set;
pub(crate) mod words;

use arrow_array::{ArrayRef, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;

use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

/// The number of a key that is not in the table.
pub(crate) const MISSING: u32 = u32::MAX;

/// Distinct keys and their numbers.
pub(crate) trait GroupTable: Send + Sync {
    /// Finds or adds the key of each row; `groups` is overwritten with their numbers.
    fn intern(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) -> Result<()>;

    /// The same, where the hashes of texts are known: one column of [`KeyHasher::texts`](hash::KeyHasher::texts) for
    /// each key that is text.
    fn intern_hashed(
        &mut self,
        keys: &[ArrayRef],
        _texts: &[&[u64]],
        rows: usize,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        self.intern(keys, rows, groups)
    }

    /// Whether looking up a key means going to a random place, which is slow once the places are many.
    fn is_hashed(&self) -> bool {
        true
    }

    /// Least and greatest key, where keys are whole numbers that lie so close together that they are not hashed.
    fn dense_range(&self) -> Option<(i64, i64)> {
        None
    }

    /// Finds the key of each row; `groups` is overwritten with their numbers, or [`MISSING`]. `cache` is the
    /// caller's, for this table alone.
    fn find(
        &self,
        keys: &[ArrayRef],
        rows: usize,
        groups: &mut Vec<u32>,
        cache: &mut FindCache,
    ) -> Result<()>;

    /// So many rows with mostly different keys are about to come.
    fn expect(&mut self, _rows: usize) {}

    /// All keys are there, and are only looked for from now on.
    fn complete(&mut self) {}

    /// The number of distinct keys.
    fn len(&self) -> usize;

    /// The distinct keys in the order of their numbers. The table is of no use afterwards.
    fn take_keys(&mut self) -> Result<Vec<ArrayRef>>;

    /// The keys of these groups. The table is of no use afterwards.
    fn take_keys_of(&mut self, groups: &UInt32Array) -> Result<Vec<ArrayRef>> {
        self.take_keys()?.iter().map(|keys| Ok(take(keys, groups, None)?)).collect()
    }

    /// Bytes held.
    fn size(&self) -> usize;
}

/// What a thread that looks up keys keeps between batches.
#[derive(Default)]
pub(crate) struct FindCache {
    dictionaries: Vec<text::DictionaryMap>,
    hasher: hash::KeyHasher,
    words: Vec<u64>,
    ids: Vec<u32>,
}

/// Makes a table for keys of these types, of which the first rows are given.
type MakeTable = fn(&[DataType], &[ArrayRef]) -> Result<Box<dyn GroupTable>>;

/// The best table for these keys.
pub(crate) fn group_table(types: &[LogicalType]) -> Result<Box<dyn GroupTable>> {
    late::late_table(arrow_types(types), best_table)
}

fn best_table(types: &[DataType], rows: &[ArrayRef]) -> Result<Box<dyn GroupTable>> {
    if let [t @ (DataType::Utf8View | DataType::BinaryView)] = types {
        return Ok(Box::new(text::TextTable::new(t.clone())));
    }
    // Numbers of texts cost nothing where they come as codes.
    let is_plain = |key: &ArrayRef| matches!(key.data_type(), DataType::Utf8View | DataType::BinaryView);
    let mixed = if rows.iter().any(is_plain) { mixed::copying_table(types) } else { None };
    match mixed.or_else(|| packed::packed_table(types, false)) {
        Some(table) => Ok(table),
        None => Ok(Box::new(rows::RowTable::new(types)?)),
    }
}

/// The best table for the keys of a GROUP BY, some of which may follow from others.
pub(crate) fn grouping_table(types: &[LogicalType]) -> Result<Box<dyn GroupTable>> {
    leading_table(arrow_types(types), best_table)
}

/// The same, for keys that come with their hashes, and whose texts do not come as codes. If `sharing`, they stay in the buffers
/// that they come in, which are kept anyway.
pub(crate) fn partition_table(types: &[LogicalType], sharing: bool) -> Result<Box<dyn GroupTable>> {
    let make: MakeTable =
        |types, rows| mixed::sharing_table(types).map_or_else(|| best_table(types, rows), Ok);
    leading_table(arrow_types(types), if sharing { make } else { best_table })
}

fn leading_table(types: Vec<DataType>, whole: MakeTable) -> Result<Box<dyn GroupTable>> {
    match leading::LeadingTable::new(&types, whole) {
        Some(table) => Ok(Box::new(table)),
        None => late::late_table(types, whole),
    }
}

fn arrow_types(types: &[LogicalType]) -> Vec<DataType> {
    types.iter().map(LogicalType::arrow).collect()
}

/// The best table for these keys, the first of which is the number of a group: never NULL, and less than 2^31.
pub(crate) fn numbered_table(types: &[LogicalType]) -> Result<Box<dyn GroupTable>> {
    let arrow = arrow_types(types);
    match packed::packed_table(&arrow, true) {
        Some(table) => Ok(table),
        None => Ok(Box::new(rows::RowTable::new(&arrow)?)),
    }
}

/// The error of a table with more keys than a `u32` can number.
pub(crate) fn too_many_groups() -> ExecError {
    ExecError::Unsupported("more than 4294967294 distinct keys in one GROUP BY, DISTINCT or join".into())
}
