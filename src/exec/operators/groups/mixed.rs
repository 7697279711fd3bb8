//! Groups of one text and keys of fixed width, in one table.
//!
//! A [`PackedTable`](super::packed) numbers its texts in a table of their own, which pays where they come as codes of a
//! dictionary, or are few. The rows of a partition are neither: here one look-up finds the text and the other keys. Their
//! texts lie in buffers that the rows share, so that they are not copied, and mostly not read: those of one place are the
//! same.

use std::hint::black_box;

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, ByteViewType, StringViewType};
use arrow_array::{Array, ArrayRef, GenericByteViewArray, UInt32Array};
use arrow_schema::DataType;

use super::hash::{hash_text, hash_words, is_text, mix};
use super::layout::{Part, layout, pack, unpack, validity};
use super::slots::{Slots, TOGETHER};
use super::{FindCache, GroupTable, MISSING};
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;
use crate::exec::views::Views;

/// A table over one text and keys that are packed into `W` words.
struct MixedTable<T: ByteViewType, const W: usize> {
    /// Places of all keys in the words. The text takes none, but for whether it is NULL.
    parts: Vec<Part>,
    /// Which key is the text.
    text: usize,
    slots: Slots,
    /// The other keys, in the order of their groups.
    words: Vec<[u64; W]>,
    texts: Views<T>,
    /// Words and hashes of the rows.
    row_words: Vec<u64>,
    hashes: Vec<u64>,
}

/// A table for these types, if they are one text and others that fit.
pub(super) fn mixed_table(types: &[DataType]) -> Option<Box<dyn GroupTable>> {
    let mut texts = types.iter().enumerate().filter(|(_, t)| is_text(t));
    let (Some((text, _)), None) = (texts.next(), texts.next()) else { return None };
    let mut others = types.to_vec();
    others[text] = DataType::Null;
    let (parts, words) = layout(&others, false).filter(|(parts, _)| parts.len() > 1)?;
    match &types[text] {
        DataType::BinaryView => of_words::<BinaryViewType>(parts, text, words),
        _ => of_words::<StringViewType>(parts, text, words),
    }
}

fn of_words<T: ByteViewType>(parts: Vec<Part>, text: usize, words: usize) -> Option<Box<dyn GroupTable>> {
    Some(match words {
        1 => Box::new(MixedTable::<T, 1>::new(parts, text)),
        2 => Box::new(MixedTable::<T, 2>::new(parts, text)),
        3 => Box::new(MixedTable::<T, 3>::new(parts, text)),
        _ => return None,
    })
}

/// The rows of a batch whose groups are looked for.
struct Rows<'r, T: ByteViewType, const W: usize> {
    words: &'r [[u64; W]],
    texts: &'r GenericByteViewArray<T>,
    hashes: &'r [u64],
}

impl<T: ByteViewType, const W: usize> MixedTable<T, W> {
    fn new(parts: Vec<Part>, text: usize) -> Self {
        Self {
            parts,
            text,
            slots: Slots::default(),
            words: vec![],
            texts: Views::with_capacity(0),
            row_words: vec![],
            hashes: vec![],
        }
    }

    /// Whether a group has the keys of a row. Words that are the same say of both texts that they are NULL, or of none.
    #[inline]
    fn has(&self, group: u32, rows: &Rows<'_, T, W>, row: usize) -> bool {
        self.words[group as usize] == rows.words[row]
            && (rows.texts.is_null(row) || self.texts.is(group, rows.texts, row))
    }

    /// Reads what looking up these rows will read ([`Slots::likely`]).
    fn touch(&self, rows: &Rows<'_, T, W>, from: usize, to: usize) {
        let Some(likely) = self.slots.likely(&rows.hashes[from..to]) else { return };
        let known = likely.iter().zip(from..to).filter(|(group, _)| **group != MISSING);
        let pairs = known.map(|(group, row)| (*group, row));
        black_box(pairs.clone().fold(0, |words, (group, _)| words ^ self.words[group as usize][0]));
        self.texts.touch(pairs, rows.texts);
    }

    fn intern_rows(&mut self, rows: &Rows<'_, T, W>, groups: &mut Vec<u32>) {
        for from in (0..rows.words.len()).step_by(TOGETHER) {
            let to = rows.words.len().min(from + TOGETHER);
            self.touch(rows, from, to);
            for row in from..to {
                let hash = rows.hashes[row];
                let found = self.slots.find(hash, |group| self.has(group, rows, row));
                groups.push(found.unwrap_or_else(|at| {
                    let group = self.words.len() as u32;
                    self.words.push(rows.words[row]);
                    if rows.texts.is_null(row) {
                        self.texts.push_empty();
                    } else {
                        self.texts.push(rows.texts, row);
                    }
                    self.slots.set(at, hash, group);
                    group
                }));
            }
        }
    }

    /// Finds or adds the keys of rows; hashes of texts are computed if they are not given.
    fn add(
        &mut self,
        keys: &[ArrayRef],
        hashes: Option<&[u64]>,
        rows: usize,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        groups.clear();
        self.slots.reserve(self.words.len(), rows + 1)?;
        let (mut packed, mut hashed) =
            (std::mem::take(&mut self.row_words), std::mem::take(&mut self.hashes));
        pack::<W>(&self.parts, keys, rows, &mut packed)?;
        let (words, text) = (packed.as_chunks::<W>().0, flatten(self.text_of(keys)?)?);
        let texts = text.as_byte_view::<T>();
        hash_rows(words, texts, hashes, &mut hashed);
        self.intern_rows(&Rows { words, texts, hashes: &hashed }, groups);
        (self.row_words, self.hashes) = (packed, hashed);
        Ok(())
    }

    fn text_of<'k>(&self, keys: &'k [ArrayRef]) -> Result<&'k ArrayRef> {
        keys.get(self.text).ok_or_else(|| ExecError::Internal("a text key is missing".into()))
    }

    /// The keys of some groups, or of all, whose words these are.
    fn columns(&mut self, words: &[[u64; W]], of: Option<&[u32]>) -> Result<Vec<ArrayRef>> {
        self.slots.clear();
        let mut texts = std::mem::replace(&mut self.texts, Views::with_capacity(0));
        if let Some(groups) = of {
            texts.select(groups);
        }
        let mut texts = Some(texts);
        let column = |(i, part): (usize, &Part)| {
            let nulls = validity(part, words);
            if i != self.text {
                return unpack(&self.parts, part, words, nulls);
            }
            let texts = texts.take().ok_or_else(|| ExecError::Internal("two texts".into()))?;
            Ok(texts.into_array(nulls))
        };
        self.parts.iter().enumerate().map(column).collect()
    }
}

/// The hashes of rows, from those of their texts if they are known. That of a text that is NULL does not matter.
fn hash_rows<T: ByteViewType, const W: usize>(
    words: &[[u64; W]],
    texts: &GenericByteViewArray<T>,
    hashes: Option<&[u64]>,
    out: &mut Vec<u64>,
) {
    out.clear();
    out.extend(words.iter().enumerate().map(|(row, words)| {
        let of_text = match hashes {
            _ if texts.is_null(row) => 0,
            Some(hashes) => hashes[row],
            None => hash_text(texts, row),
        };
        mix(hash_words(words), of_text)
    }));
}

impl<T: ByteViewType, const W: usize> GroupTable for MixedTable<T, W> {
    fn intern(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) -> Result<()> {
        self.add(keys, None, rows, groups)
    }

    fn intern_hashed(
        &mut self,
        keys: &[ArrayRef],
        texts: &[&[u64]],
        rows: usize,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        self.add(keys, texts.first().copied(), rows, groups)
    }

    fn find(
        &self,
        keys: &[ArrayRef],
        rows: usize,
        groups: &mut Vec<u32>,
        cache: &mut FindCache,
    ) -> Result<()> {
        groups.clear();
        if self.slots.is_empty() {
            groups.resize(rows, MISSING);
            return Ok(());
        }
        pack::<W>(&self.parts, keys, rows, &mut cache.words)?;
        let (words, text) = (cache.words.as_chunks::<W>().0, flatten(self.text_of(keys)?)?);
        let (texts, mut hashed) = (text.as_byte_view::<T>(), vec![]);
        hash_rows(words, texts, None, &mut hashed);
        let rows = Rows { words, texts, hashes: &hashed };
        groups.extend(hashed.iter().enumerate().map(|(row, hash)| {
            self.slots.get(*hash, |group| self.has(group, &rows, row)).unwrap_or(MISSING)
        }));
        Ok(())
    }

    fn expect(&mut self, rows: usize) {
        // A table that has no room later says so itself.
        let _ = self.slots.reserve(self.words.len(), rows);
    }

    fn len(&self) -> usize {
        self.words.len()
    }

    fn take_keys(&mut self) -> Result<Vec<ArrayRef>> {
        let words = std::mem::take(&mut self.words);
        self.columns(&words, None)
    }

    fn take_keys_of(&mut self, groups: &UInt32Array) -> Result<Vec<ArrayRef>> {
        let all = std::mem::take(&mut self.words);
        let words: Vec<[u64; W]> = groups.values().iter().map(|group| all[*group as usize]).collect();
        self.columns(&words, Some(groups.values()))
    }

    fn size(&self) -> usize {
        self.slots.size()
            + self.words.capacity() * size_of::<[u64; W]>()
            + self.texts.size()
            + (self.row_words.capacity() + self.hashes.capacity()) * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow_array::types::Int64Type;
    use arrow_array::{Float64Array, Int64Array, StringViewArray};
    use proptest::prelude::*;

    use super::super::hash::KeyHasher;
    use super::*;

    type Key = (Option<i64>, Option<String>, Option<u64>);

    fn key(columns: &[ArrayRef], row: usize) -> Key {
        let (numbers, texts) = (columns[0].as_primitive::<Int64Type>(), columns[1].as_string_view());
        let floats = columns[2].as_primitive::<arrow_array::types::Float64Type>();
        (
            numbers.is_valid(row).then(|| numbers.value(row)),
            texts.is_valid(row).then(|| texts.value(row).to_owned()),
            floats.is_valid(row).then(|| floats.value(row).to_bits()),
        )
    }

    proptest! {
        #[test]
        fn groups_are_those_of_a_map(
            batches in prop::collection::vec(
                (prop::collection::vec((0..4_i64, 0..5_usize, 0..3_usize), 0..100), any::<bool>()), 0..8),
            spread in 1..1000_i64,
        ) {
            let texts = [Some("a"), None, Some("a text of more than twelve bytes"), Some(""), Some("a text of more")];
            let floats = [Some(1.5), None, Some(0.0)];
            let types = [DataType::Int64, DataType::Utf8View, DataType::Float64];
            let mut table = mixed_table(&types).unwrap();
            let (mut map, mut groups, mut cache) = (HashMap::new(), vec![], FindCache::default());
            for (rows, hashed) in &batches {
                let columns: [ArrayRef; 3] = [
                    Arc::new(rows.iter().map(|r| (r.0 > 0).then_some(r.0 * spread)).collect::<Int64Array>()),
                    Arc::new(rows.iter().map(|r| texts[r.1]).collect::<StringViewArray>()),
                    Arc::new(rows.iter().map(|r| floats[r.2]).collect::<Float64Array>()),
                ];
                let keys: Vec<Key> = (0..rows.len()).map(|row| key(&columns, row)).collect();
                table.find(&columns, rows.len(), &mut groups, &mut cache).unwrap();
                let known: Vec<u32> = keys.iter().map(|k| map.get(k).copied().unwrap_or(MISSING)).collect();
                prop_assert_eq!(&groups, &known);
                let expected: Vec<u32> = keys.into_iter().map(|k| {
                    let next = map.len() as u32;
                    *map.entry(k).or_insert(next)
                }).collect();
                if *hashed {
                    let mut hasher = KeyHasher::default();
                    hasher.hash(&columns, rows.len()).unwrap();
                    let texts: Vec<&[u64]> = hasher.texts().iter().map(|texts| &texts[..]).collect();
                    table.intern_hashed(&columns, &texts, rows.len(), &mut groups).unwrap();
                } else {
                    table.intern(&columns, rows.len(), &mut groups).unwrap();
                }
                prop_assert_eq!(&groups, &expected);
            }
            prop_assert_eq!(table.len(), map.len());
            let some: UInt32Array = (0..map.len() as u32).rev().step_by(2).collect();
            let columns = if spread % 2 == 0 { table.take_keys() } else { table.take_keys_of(&some) }.unwrap();
            columns[1].to_data().validate_full().unwrap();
            let groups = if spread % 2 == 0 { (0..map.len() as u32).collect() } else { some };
            prop_assert_eq!(columns[0].len(), groups.len());
            for (row, group) in groups.values().iter().enumerate() {
                prop_assert_eq!(map.get(&key(&columns, row)), Some(group));
            }
        }
    }

    #[test]
    fn takes_one_text_and_what_fits_beside_it() {
        let is = |types: &[DataType]| mixed_table(types).is_some();
        assert!(is(&[DataType::Utf8View, DataType::Int32]) && is(&[DataType::Boolean, DataType::BinaryView]));
        assert!(!is(&[DataType::Utf8View]) && !is(&[DataType::Int32, DataType::Int64]));
        assert!(!is(&[DataType::Utf8View, DataType::Utf8View, DataType::Int32]));
    }
}
