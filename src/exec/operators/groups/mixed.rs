//! Groups of texts and keys of fixed width, in one table.
//!
//! A [`PackedTable`](super::packed) numbers the texts of each key in a table of their own, which pays where they come as codes of
//! a dictionary, or are few. Where they do not, one look-up finds all texts and the other keys here. In the rows of a partition
//! texts lie in buffers that the rows share, so that they are not copied, and mostly not read: those of one place are the
//! same.

use std::hint::black_box;
use std::marker::PhantomData;

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, ByteViewType, StringViewType};
use arrow_array::{Array, ArrayRef, GenericByteViewArray, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::hash::{KeyHasher, hash_words, is_text, mix};
use super::layout::{Part, layout, pack, unpack, validity};
use super::slots::{Slots, TOGETHER};
use super::text_keys::TextKeys;
use super::{FindCache, GroupTable, MISSING};
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;
use crate::exec::views::Views;

/// The texts of one key of the groups, by number. One that is NULL is empty.
trait Texts<T: ByteViewType>: Send + Sync {
    fn new() -> Self;
    fn push(&mut self, array: &GenericByteViewArray<T>, row: usize);
    fn push_empty(&mut self);
    /// Whether a text is that of a row, which is not NULL.
    fn is(&self, number: u32, array: &GenericByteViewArray<T>, row: usize) -> bool;
    /// Reads what [`is`](Self::is) will of these numbers, where they are not [`MISSING`], and the rows from that one on.
    fn touch(&self, likely: &[u32], array: &GenericByteViewArray<T>, from: usize);
    /// Keeps the texts of these numbers, in this order.
    fn select(&mut self, numbers: &[u32]);
    fn into_array(self, nulls: Option<NullBuffer>) -> ArrayRef;
    fn size(&self) -> usize;
}

/// What both kinds of texts do by methods of their own that have the same names.
macro_rules! same_calls {
    () => {
        #[inline]
        fn push(&mut self, array: &GenericByteViewArray<T>, row: usize) {
            self.push(array, row);
        }

        fn push_empty(&mut self) {
            self.push_empty();
        }

        #[inline]
        fn is(&self, number: u32, array: &GenericByteViewArray<T>, row: usize) -> bool {
            self.is(number, array, row)
        }

        fn select(&mut self, numbers: &[u32]) {
            self.select(numbers);
        }

        fn size(&self) -> usize {
            self.size()
        }
    };
}

/// In the buffers of the rows, which are kept.
impl<T: ByteViewType> Texts<T> for Views<T> {
    fn new() -> Self {
        Self::with_capacity(0)
    }

    same_calls!();

    fn touch(&self, likely: &[u32], array: &GenericByteViewArray<T>, from: usize) {
        let known = likely.iter().zip(from..).filter(|(group, _)| **group != MISSING);
        self.touch(known.map(|(group, row)| (*group, row)), array);
    }

    fn into_array(self, nulls: Option<NullBuffer>) -> ArrayRef {
        self.into_array(nulls)
    }
}

/// Copied, so that the rows need not be kept.
impl<T: ByteViewType> Texts<T> for TextKeys {
    fn new() -> Self {
        Self::new(&T::DATA_TYPE)
    }

    same_calls!();

    fn touch(&self, likely: &[u32], array: &GenericByteViewArray<T>, from: usize) {
        self.touch(likely, array.views()[from..].iter().copied());
    }

    fn into_array(mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        self.take_column(nulls)
    }
}

/// A table over texts and keys that are packed into `W` words.
struct MixedTable<T: ByteViewType, S: Texts<T>, const W: usize> {
    /// Places of all keys in the words. A text takes none, but for whether it is NULL.
    parts: Vec<Part>,
    /// Which keys are texts.
    texts: Vec<usize>,
    slots: Slots,
    /// The other keys, in the order of their groups.
    words: Vec<[u64; W]>,
    /// For each key that is text, those of the groups.
    known: Vec<S>,
    hasher: KeyHasher,
    /// Words and hashes of the rows.
    row_words: Vec<u64>,
    hashes: Vec<u64>,
    of: PhantomData<T>,
}

/// A table for these types, if they are several texts of one type, or one, and others that fit. Texts stay in the buffers of the rows, and keep
/// them from being freed.
pub(super) fn sharing_table(types: &[DataType]) -> Option<Box<dyn GroupTable>> {
    match text_type(types)? {
        DataType::BinaryView => of_words::<BinaryViewType, Views<BinaryViewType>>(types),
        _ => of_words::<StringViewType, Views<StringViewType>>(types),
    }
}

/// The same, with copies of the texts.
pub(super) fn copying_table(types: &[DataType]) -> Option<Box<dyn GroupTable>> {
    match text_type(types)? {
        DataType::BinaryView => of_words::<BinaryViewType, TextKeys>(types),
        _ => of_words::<StringViewType, TextKeys>(types),
    }
}

/// The type of those that are texts, if it is one, and there are other keys or several of it.
fn text_type(types: &[DataType]) -> Option<&DataType> {
    let mut texts = types.iter().filter(|t| is_text(t));
    let first = texts.next().filter(|_| types.len() > 1)?;
    texts.all(|t| t == first).then_some(first)
}

fn of_words<T: ByteViewType, S: Texts<T> + 'static>(types: &[DataType]) -> Option<Box<dyn GroupTable>> {
    let texts = (0..types.len()).filter(|key| is_text(&types[*key])).collect();
    let others = types.iter().map(|t| if is_text(t) { DataType::Null } else { t.clone() });
    let (parts, words) = layout(&others.collect::<Vec<_>>(), false)?;
    Some(match words {
        1 => Box::new(MixedTable::<T, S, 1>::new(parts, texts)),
        2 => Box::new(MixedTable::<T, S, 2>::new(parts, texts)),
        3 => Box::new(MixedTable::<T, S, 3>::new(parts, texts)),
        _ => return None,
    })
}

/// The rows of a batch whose groups are looked for.
struct Rows<'r, T: ByteViewType, const W: usize> {
    words: &'r [[u64; W]],
    texts: &'r [&'r GenericByteViewArray<T>],
    hashes: &'r [u64],
}

impl<T: ByteViewType, S: Texts<T>, const W: usize> MixedTable<T, S, W> {
    fn new(parts: Vec<Part>, texts: Vec<usize>) -> Self {
        Self {
            parts,
            known: texts.iter().map(|_| S::new()).collect(),
            texts,
            slots: Slots::default(),
            words: vec![],
            hasher: KeyHasher::default(),
            row_words: vec![],
            hashes: vec![],
            of: PhantomData,
        }
    }

    /// Whether a group has the keys of a row. Words that are the same say that the same texts are NULL.
    #[inline]
    fn has(&self, group: u32, rows: &Rows<'_, T, W>, row: usize) -> bool {
        let mut texts = self.known.iter().zip(rows.texts);
        self.words[group as usize] == rows.words[row]
            && texts.all(|(known, texts)| texts.is_null(row) || known.is(group, texts, row))
    }

    /// Reads what looking up these rows will read ([`Slots::likely`]).
    fn touch(&self, rows: &Rows<'_, T, W>, from: usize, to: usize) {
        let Some(likely) = self.slots.likely(&rows.hashes[from..to]) else { return };
        let likely = &likely[..to - from];
        let known = likely.iter().filter(|group| **group != MISSING);
        black_box(known.fold(0, |words, group| words ^ self.words[*group as usize][0]));
        for (known, texts) in self.known.iter().zip(rows.texts) {
            known.touch(likely, texts, from);
        }
    }

    fn add_group(&mut self, rows: &Rows<'_, T, W>, row: usize) -> u32 {
        self.words.push(rows.words[row]);
        for (known, texts) in self.known.iter_mut().zip(rows.texts) {
            if texts.is_null(row) { known.push_empty() } else { known.push(texts, row) }
        }
        self.words.len() as u32 - 1
    }

    fn intern_rows(&mut self, rows: &Rows<'_, T, W>, groups: &mut Vec<u32>) {
        for from in (0..rows.words.len()).step_by(TOGETHER) {
            let to = rows.words.len().min(from + TOGETHER);
            self.touch(rows, from, to);
            for row in from..to {
                let hash = rows.hashes[row];
                let found = self.slots.find(hash, |group| self.has(group, rows, row));
                groups.push(found.unwrap_or_else(|at| {
                    let group = self.add_group(rows, row);
                    self.slots.set(at, hash, group);
                    group
                }));
            }
        }
    }

    /// The keys of rows that are texts.
    fn texts_of(&self, keys: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let text = |key: &usize| keys.get(*key).map(flatten);
        let texts: Option<Result<Vec<_>>> = self.texts.iter().map(text).collect();
        texts.unwrap_or_else(|| Err(ExecError::Internal("a text key is missing".into())))
    }

    /// Finds or adds the keys of rows, whose texts have these hashes.
    fn add(
        &mut self,
        keys: &[ArrayRef],
        hashes: &[&[u64]],
        rows: usize,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        groups.clear();
        self.slots.reserve(self.words.len(), rows + 1)?;
        let (mut packed, mut hashed) =
            (std::mem::take(&mut self.row_words), std::mem::take(&mut self.hashes));
        pack::<W>(&self.parts, keys, rows, &mut packed)?;
        let (words, texts) = (packed.as_chunks::<W>().0, self.texts_of(keys)?);
        let texts: Vec<_> = texts.iter().map(|texts| texts.as_byte_view::<T>()).collect();
        hash_rows(words, &texts, hashes, &mut hashed);
        self.intern_rows(&Rows { words, texts: &texts, hashes: &hashed }, groups);
        (self.row_words, self.hashes) = (packed, hashed);
        Ok(())
    }

    /// The keys of some groups, or of all, whose words these are.
    fn columns(&mut self, words: &[[u64; W]], of: Option<&[u32]>) -> Result<Vec<ArrayRef>> {
        self.slots.clear();
        let mut known = std::mem::take(&mut self.known).into_iter();
        let column = |(key, part): (usize, &Part)| {
            let nulls = validity(part, words);
            if !self.texts.contains(&key) {
                return unpack(&self.parts, part, words, nulls);
            }
            let mut texts = known.next().ok_or_else(|| ExecError::Internal("more texts than keys".into()))?;
            if let Some(groups) = of {
                texts.select(groups);
            }
            Ok(texts.into_array(nulls))
        };
        self.parts.iter().enumerate().map(column).collect()
    }
}

/// Hashes the keys of rows that are texts, for [`KeyHasher::texts`].
fn hash_texts(hasher: &mut KeyHasher, of: &[usize], keys: &[ArrayRef], rows: usize) -> Result<()> {
    let texts = of.iter().filter_map(|key| keys.get(*key).cloned());
    hasher.hash(&texts.collect::<Vec<_>>(), rows)
}

/// The hashes of rows, from those of their texts. That of a text that is NULL does not matter.
fn hash_rows<T: ByteViewType, const W: usize>(
    words: &[[u64; W]],
    texts: &[&GenericByteViewArray<T>],
    hashes: &[impl AsRef<[u64]>],
    out: &mut Vec<u64>,
) {
    out.clear();
    out.extend(words.iter().map(hash_words));
    for (texts, hashes) in texts.iter().zip(hashes) {
        let rows = out.iter_mut().zip(hashes.as_ref()).enumerate();
        rows.for_each(|(row, (out, hash))| *out = mix(*out, if texts.is_null(row) { 0 } else { *hash }));
    }
}

impl<T: ByteViewType, S: Texts<T>, const W: usize> GroupTable for MixedTable<T, S, W> {
    fn intern(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) -> Result<()> {
        let mut hasher = std::mem::take(&mut self.hasher);
        hash_texts(&mut hasher, &self.texts, keys, rows)?;
        let hashes: Vec<&[u64]> = hasher.texts().iter().map(|hashes| &hashes[..]).collect();
        self.add(keys, &hashes, rows, groups)?;
        self.hasher = hasher;
        Ok(())
    }

    fn intern_hashed(
        &mut self,
        keys: &[ArrayRef],
        texts: &[&[u64]],
        rows: usize,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        if texts.len() != self.texts.len() {
            return self.intern(keys, rows, groups);
        }
        self.add(keys, texts, rows, groups)
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
        hash_texts(&mut cache.hasher, &self.texts, keys, rows)?;
        let (words, texts) = (cache.words.as_chunks::<W>().0, self.texts_of(keys)?);
        let texts: Vec<_> = texts.iter().map(|texts| texts.as_byte_view::<T>()).collect();
        let mut hashed = vec![];
        hash_rows(words, &texts, cache.hasher.texts(), &mut hashed);
        let rows = Rows { words, texts: &texts, hashes: &hashed };
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
            + self.known.iter().map(Texts::size).sum::<usize>()
            + (self.row_words.capacity() + self.hashes.capacity()) * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow_array::types::{Float64Type, Int64Type};
    use arrow_array::{Float64Array, Int64Array, StringViewArray};
    use proptest::prelude::*;

    use super::*;

    type Key = (Option<i64>, Option<String>, Option<u64>, Option<String>);

    fn key(columns: &[ArrayRef], row: usize) -> Key {
        let text = |column: usize| {
            let texts = columns[column].as_string_view();
            texts.is_valid(row).then(|| texts.value(row).to_owned())
        };
        let (numbers, floats) =
            (columns[0].as_primitive::<Int64Type>(), columns[2].as_primitive::<Float64Type>());
        (
            numbers.is_valid(row).then(|| numbers.value(row)),
            text(1),
            floats.is_valid(row).then(|| floats.value(row).to_bits()),
            text(3),
        )
    }

    proptest! {
        #[test]
        fn groups_are_those_of_a_map(
            batches in prop::collection::vec(
                (prop::collection::vec((0..4_i64, 0..5_usize, 0..3_usize, 0..5_usize), 0..100), any::<bool>()), 0..8),
            spread in 1..1000_i64,
            copying in any::<bool>(),
        ) {
            let texts = [Some("a"), None, Some("a text of more than twelve bytes"), Some(""), Some("a text of more")];
            let floats = [Some(1.5), None, Some(0.0)];
            let types = [DataType::Int64, DataType::Utf8View, DataType::Float64, DataType::Utf8View];
            let mut table = if copying { copying_table(&types) } else { sharing_table(&types) }.unwrap();
            let (mut map, mut groups, mut cache) = (HashMap::new(), vec![], FindCache::default());
            for (rows, hashed) in &batches {
                let columns: [ArrayRef; 4] = [
                    Arc::new(rows.iter().map(|r| (r.0 > 0).then_some(r.0 * spread)).collect::<Int64Array>()),
                    Arc::new(rows.iter().map(|r| texts[r.1]).collect::<StringViewArray>()),
                    Arc::new(rows.iter().map(|r| floats[r.2]).collect::<Float64Array>()),
                    Arc::new(rows.iter().map(|r| texts[r.3]).collect::<StringViewArray>()),
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
            columns[3].to_data().validate_full().unwrap();
            let groups = if spread % 2 == 0 { (0..map.len() as u32).collect() } else { some };
            prop_assert_eq!(columns[0].len(), groups.len());
            for (row, group) in groups.values().iter().enumerate() {
                prop_assert_eq!(map.get(&key(&columns, row)), Some(group));
            }
        }
    }

    #[test]
    fn takes_texts_and_what_fits_beside_them() {
        let is = |types: &[DataType]| {
            assert_eq!(sharing_table(types).is_some(), copying_table(types).is_some());
            sharing_table(types).is_some()
        };
        use DataType::{BinaryView, Boolean, Int32, Int64, List, Utf8View};
        assert!(is(&[Utf8View, Int32]) && is(&[Boolean, BinaryView]));
        assert!(is(&[Utf8View, Utf8View]) && is(&[Utf8View, Int64, Utf8View, Utf8View]));
        assert!(!is(&[Utf8View]) && !is(&[Int32, Int64]) && !is(&[Utf8View, BinaryView]));
        assert!(!is(&[Utf8View, List(Arc::new(arrow_schema::Field::new_list_field(Int32, true)))]));
    }
}
