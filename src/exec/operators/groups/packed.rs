//! Keys that fit into a few words.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use arrow_select::take::take;

use super::by_code::{ByCode, are_few, is_constant, split};
use super::direct::{Direct, is_dense, is_integral};
use super::grid::{Grid, Values};
use super::hash::hash_words;
use super::layout::{Part, fields, layout, pack, pack_ids, unpack, validity};
use super::ranks::Ranks;
use super::recent::Recent;
use super::slots::{MAX_GROUPS, Slots};
use super::text::{DictionaryMap, TextTable};
use super::words::unexpected;
use super::{FindCache, GroupTable, MISSING, too_many_groups};
use crate::exec::error::Result;

/// A table for these types, if they fit. If `numbered`, the first key is never NULL and less than 2^31.
pub(crate) fn packed_table(types: &[DataType], numbered: bool) -> Option<Box<dyn GroupTable>> {
    let (parts, words) = layout(types, numbered)?;
    Some(match words {
        1 => Box::new(PackedTable::<1>::new(parts)),
        2 => Box::new(PackedTable::<2>::new(parts)),
        3 => Box::new(PackedTable::<3>::new(parts)),
        4 => Box::new(PackedTable::<4>::new(parts)),
        _ => return None,
    })
}

/// Keys packed into `W` words, in an open-addressing table with linear probing; or, for one integer key whose
/// values span little, in an array.
struct PackedTable<const W: usize> {
    parts: Vec<Part>,
    texts: Vec<TextTable>,
    slots: Slots,
    /// What is looked into instead, once no more keys come.
    ranks: Option<Ranks>,
    /// The keys in the order of their groups.
    keys: Vec<[u64; W]>,
    /// The group of NULL, where there is one key.
    null: Option<u32>,
    direct: Direct,
    recent: Recent<W>,
    by_code: ByCode<W>,
    grid: Grid,
    words: Vec<u64>,
    /// The numbers of the texts of the rows, for each key that is text.
    ids: Vec<Vec<u32>>,
    rows_seen: u64,
}

/// The group of a key, a new one if there was none. There is room in the slots for one more.
#[inline]
fn look_up<const W: usize>(slots: &mut Slots, known: &mut Vec<[u64; W]>, key: &[u64; W]) -> u32 {
    let hash = hash_words(key);
    slots.find(hash, |group| known[group as usize] == *key).unwrap_or_else(|at| {
        let group = known.len() as u32;
        known.push(*key);
        slots.set(at, hash, group);
        group
    })
}

impl<const W: usize> PackedTable<W> {
    fn new(parts: Vec<Part>) -> Self {
        let possible = W == 1 && parts.len() == 1 && is_integral(&parts[0].data_type);
        let has_few_values =
            |p: &Part| p.is_text() || p.data_type == DataType::Boolean || is_integral(&p.data_type);
        let texts: Vec<TextTable> =
            parts.iter().filter(|p| p.is_text()).map(|p| TextTable::new(p.data_type.clone())).collect();
        Self {
            grid: Grid::new(parts.len() > 1 && parts.iter().all(has_few_values)),
            ids: vec![vec![]; texts.len()],
            texts,
            parts,
            slots: Slots::default(),
            ranks: None,
            keys: vec![],
            null: None,
            direct: Direct::new(possible),
            recent: Recent::new(),
            by_code: ByCode::default(),
            words: vec![],
            rows_seen: 0,
        }
    }

    /// NULLs of the one key.
    fn own_nulls(&self, keys: &[ArrayRef]) -> Option<NullBuffer> {
        match (&self.parts[..], keys) {
            ([_], [key]) if *key.data_type() == DataType::Null => Some(NullBuffer::new_null(key.len())),
            ([part], [key]) if part.null.is_none() => key.logical_nulls().filter(|n| n.null_count() > 0),
            _ => None,
        }
    }

    /// Makes room for `more` further keys in the slots.
    fn reserve(&mut self, more: usize) -> Result<()> {
        self.slots.reserve(self.keys.len(), more)
    }

    /// Moves all keys from the array to the slots.
    fn leave_direct(&mut self) -> Result<()> {
        self.direct.active = false;
        self.direct.groups = vec![];
        self.reserve(1)?;
        for group in 0..self.keys.len() {
            if self.null != Some(group as u32) {
                self.slots.add(hash_words(&self.keys[group]), group as u32);
            }
        }
        Ok(())
    }

    /// Moves all keys from the slots to the array.
    fn enter_direct(&mut self, range: (i64, i64)) {
        self.direct.active = true;
        self.direct.groups = vec![];
        self.direct.widen(range, None);
        self.slots.clear();
        for (group, key) in self.keys.iter().enumerate() {
            if self.null != Some(group as u32) {
                self.direct.groups[(key[0] as i64).wrapping_sub(self.direct.base) as usize] =
                    group as u32 + 1;
            }
        }
    }

    /// Chooses between array and slots for the keys so far and those of this batch.
    fn choose(&mut self, words: &[u64], nulls: Option<&NullBuffer>) -> Result<()> {
        if !self.direct.possible {
            return self.reserve(words.len() / W + 1);
        }
        let (mut lo, mut hi) = (i64::MAX, i64::MIN);
        match nulls {
            None => {
                for &w in words {
                    lo = lo.min(w as i64);
                    hi = hi.max(w as i64);
                }
            }
            Some(nulls) => {
                for i in nulls.valid_indices() {
                    lo = lo.min(words[i] as i64);
                    hi = hi.max(words[i] as i64);
                }
            }
        }
        self.rows_seen += words.len() as u64;
        if lo > hi {
            return if self.direct.active { Ok(()) } else { self.reserve(words.len() + 1) };
        }
        let before = self.direct.range;
        let range = before.map_or((lo, hi), |(l, h)| (l.min(lo), h.max(hi)));
        self.direct.range = Some(range);
        if self.keys.len() + words.len() >= MAX_GROUPS {
            return Err(too_many_groups());
        }
        if self.direct.active {
            if self.direct.pays(range, self.rows_seen, self.keys.len()) {
                self.direct.widen(range, before);
                return Ok(());
            }
            self.leave_direct()?;
        } else if is_dense(range, self.keys.len()) {
            self.enter_direct(range);
            return Ok(());
        }
        self.reserve(words.len() + 1)
    }

    /// Finds or adds the keys of rows whose texts come from dictionaries of few combinations, and whose other keys are all
    /// the same. Returns whether they are such.
    fn intern_codes(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) -> Result<bool> {
        if self.texts.is_empty() || rows == 0 {
            return Ok(false);
        }
        let of_texts = self.parts.iter().zip(keys).filter(|(part, _)| part.is_text());
        let coded: Option<Vec<_>> = of_texts.map(|(_, key)| key.as_dictionary_opt::<UInt32Type>()).collect();
        let Some(coded) = coded.filter(|coded| are_few(coded, rows)) else { return Ok(false) };
        let is_other = |(part, _): &(&Part, &ArrayRef)| !part.is_text();
        if !self.parts.iter().zip(keys).filter(is_other).all(|(_, key)| is_constant(key)) {
            return Ok(false);
        }
        // The first row says what the others are; of its texts nothing is to be in the words, not even whether they are NULL.
        let no_text: ArrayRef = Arc::new(UInt32Array::from_value(0, 1));
        let first = |(part, key): (&Part, &ArrayRef)| {
            if part.is_text() { Arc::clone(&no_text) } else { key.slice(0, 1) }
        };
        let first: Vec<ArrayRef> = self.parts.iter().zip(keys).map(first).collect();
        pack::<W>(&self.parts, &first, 1, &mut self.words)?;
        let Some(others) = self.words.first_chunk::<W>().copied() else { return Ok(false) };
        self.reserve(rows)?;
        let Self { by_code, texts, slots, keys: known, parts, .. } = self;
        let of_texts: Vec<&Part> = parts.iter().filter(|part| part.is_text()).collect();
        by_code.groups_of(&coded, &others, groups, |code| {
            let mut key = others;
            split(&coded, code, |i, code| {
                let part = of_texts[i];
                if let (None, Some((word, bit))) = (code, part.null) {
                    key[word] |= 1 << bit;
                }
                key[part.word] |= u64::from(texts[i].intern_code(coded[i].values(), code)?) << part.shift;
                Ok(())
            })?;
            Ok(look_up(slots, known, &key))
        })?;
        Ok(true)
    }

    /// Finds or adds the keys of rows whose texts have numbers.
    fn intern_numbered(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) -> Result<()> {
        let mut words = std::mem::take(&mut self.words);
        pack::<W>(&self.parts, keys, rows, &mut words)?;
        for (part, ids) in self.parts.iter().filter(|p| p.is_text()).zip(&self.ids) {
            pack_ids::<W>(part, ids, &mut words);
        }
        let nulls = self.own_nulls(keys);
        self.intern_words(&words, nulls.as_ref(), groups)?;
        self.words = words;
        Ok(())
    }

    /// The same, where each key has few values. Returns whether that is so.
    fn intern_in_grid(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) -> Result<bool> {
        self.reserve(rows)?;
        let Self { grid, parts, texts, ids, slots, keys: known, .. } = self;
        let mut texts = texts.iter().zip(&*ids);
        let values = parts.iter().zip(keys).map(|(part, key)| {
            let text = if part.is_text() { texts.next() } else { None };
            text.map_or(Values::Integers(key), |(table, ids)| Values::Texts(ids, table.len(), table.null()))
        });
        let values: Vec<Values> = values.collect();
        grid.groups_of(parts, &values, rows, groups, |key| look_up(slots, known, key))
    }

    fn intern_words(
        &mut self,
        words: &[u64],
        nulls: Option<&NullBuffer>,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        self.choose(words, nulls)?;
        let known = &mut self.keys;
        if self.direct.active {
            let base = self.direct.base;
            let direct = &mut self.direct.groups;
            let mut one = |word: u64| {
                let entry = &mut direct[(word as i64).wrapping_sub(base) as usize];
                if *entry == 0 {
                    let mut key = [0; W];
                    key[0] = word;
                    known.push(key);
                    *entry = known.len() as u32;
                }
                *entry - 1
            };
            match nulls {
                None => groups.extend(words.iter().map(|&w| one(w))),
                // NULL shares the counter, so its number has to be drawn between the others.
                Some(nulls) => {
                    for (i, &word) in words.iter().enumerate() {
                        if nulls.is_valid(i) {
                            groups.push(one(word));
                        } else {
                            groups.push(MISSING);
                        }
                    }
                }
            }
        } else {
            let slots = &mut self.slots;
            let keys = words.as_chunks::<W>().0;
            let recent = &mut self.recent;
            match nulls {
                None if recent.pays() => {
                    let mut look_up = |key: &[u64; W]| look_up(slots, known, key);
                    groups.extend(keys.iter().map(|key| recent.group_of(key, &mut look_up)));
                    recent.asked = recent.asked.saturating_add(keys.len() as u32);
                }
                None => groups.extend(keys.iter().map(|key| look_up(slots, known, key))),
                Some(nulls) => {
                    for (i, key) in keys.iter().enumerate() {
                        groups.push(if nulls.is_valid(i) { look_up(slots, known, key) } else { MISSING });
                    }
                }
            }
        }
        if nulls.is_some() {
            let group = *self.null.get_or_insert_with(|| {
                known.push([0; W]);
                known.len() as u32 - 1
            });
            groups.iter_mut().filter(|g| **g == MISSING).for_each(|g| *g = group);
        }
        Ok(())
    }

    fn find_words(&self, words: &[u64], nulls: Option<&NullBuffer>, groups: &mut Vec<u32>) {
        let null = self.null.unwrap_or(MISSING);
        let valid = |i: usize| nulls.is_none_or(|n| n.is_valid(i));
        if self.direct.active {
            let base = self.direct.base;
            let direct = &self.direct.groups;
            groups.extend(words.iter().enumerate().map(|(i, &word)| {
                if !valid(i) {
                    return null;
                }
                // A key below the base becomes a huge index.
                let index = (word as i64).wrapping_sub(base) as u64;
                let entry = usize::try_from(index).ok().and_then(|i| direct.get(i)).copied().unwrap_or(0);
                entry.wrapping_sub(1)
            }));
        } else if let Some(ranks) = &self.ranks {
            groups.extend(words.iter().enumerate().map(|(i, &word)| {
                if valid(i) { ranks.group_of(word as i64).unwrap_or(MISSING) } else { null }
            }));
        } else if self.slots.is_empty() {
            groups.extend((0..words.len() / W).map(|i| if valid(i) { MISSING } else { null }));
        } else {
            groups.extend(words.as_chunks::<W>().0.iter().enumerate().map(|(i, key)| {
                if !valid(i) {
                    return null;
                }
                let found = self.slots.find(hash_words(key), |group| self.keys[group as usize] == *key);
                found.unwrap_or(MISSING)
            }));
        }
    }

    /// Keys as columns; `null` is the one that is NULL, where that is not said by the words. The table is of no use
    /// afterwards.
    fn columns(&mut self, keys: &[[u64; W]], null: Option<usize>) -> Result<Vec<ArrayRef>> {
        self.slots.clear();
        self.direct.groups = vec![];
        let Self { parts, texts, .. } = self;
        let mut texts = texts.iter_mut();
        parts
            .iter()
            .map(|part| {
                if part.is_text() {
                    let Some(table) = texts.next() else { return Err(unexpected(&part.data_type)) };
                    let values = table.take_column()?;
                    let ids: Vec<u32> = fields(parts, part, keys).into_iter().map(|id| id as u32).collect();
                    return Ok(take(&values, &UInt32Array::from(ids), None)?);
                }
                let of_only_key = || null.map(|null| (0..keys.len()).map(|key| key != null).collect());
                unpack(parts, part, keys, validity(part, keys).or_else(of_only_key))
            })
            .collect()
    }
}

impl<const W: usize> GroupTable for PackedTable<W> {
    fn intern(&mut self, keys: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) -> Result<()> {
        groups.clear();
        if self.intern_codes(keys, rows, groups)? {
            return Ok(());
        }
        let keys_of_texts = self.parts.iter().zip(keys).filter(|(p, _)| p.is_text()).map(|(_, key)| key);
        for ((key, table), ids) in keys_of_texts.zip(&mut self.texts).zip(&mut self.ids) {
            table.intern_column(key, ids)?;
        }
        if self.grid.is_possible() && self.intern_in_grid(keys, rows, groups)? {
            return Ok(());
        }
        self.intern_numbered(keys, rows, groups)
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
        groups.clear();
        let keys_of_texts = self.parts.iter().zip(keys).filter(|(p, _)| p.is_text()).map(|(_, key)| key);
        for (((key, table), hashes), ids) in keys_of_texts.zip(&mut self.texts).zip(texts).zip(&mut self.ids)
        {
            table.intern_hashed_column(key, hashes, ids)?;
        }
        // A grid is not for the rows of a partition: their keys are a few of all, and lie anywhere.
        self.intern_numbered(keys, rows, groups)
    }

    fn is_hashed(&self) -> bool {
        !self.direct.active
    }

    fn dense_range(&self) -> Option<(i64, i64)> {
        self.direct.range.filter(|_| self.direct.active)
    }

    fn find(
        &self,
        keys: &[ArrayRef],
        rows: usize,
        groups: &mut Vec<u32>,
        cache: &mut FindCache,
    ) -> Result<()> {
        groups.clear();
        let FindCache { dictionaries, words, ids, .. } = cache;
        pack::<W>(&self.parts, keys, rows, words)?;
        dictionaries.resize_with(self.texts.len(), DictionaryMap::default);
        let texts = self.parts.iter().zip(keys).filter(|(p, _)| p.is_text());
        for (((part, key), table), dictionary) in texts.zip(&self.texts).zip(dictionaries) {
            // The number of no text is `MISSING`, so a key with an unknown text is not found.
            table.find_column(key, ids, dictionary);
            pack_ids::<W>(part, ids, words);
        }
        self.find_words(words, self.own_nulls(keys).as_ref(), groups);
        Ok(())
    }

    fn expect(&mut self, rows: usize) {
        self.direct.expected = rows as u64;
        if !self.direct.possible {
            // A table that has no room later says so itself.
            let _ = self.reserve(rows);
        }
    }

    fn complete(&mut self) {
        let Some(range) = self.direct.range.filter(|_| !self.direct.active) else { return };
        let all = self.keys.iter().enumerate().map(|(group, key)| (key[0] as i64, group as u32));
        let without = self.null.map_or(all.len(), |null| null as usize);
        // NULL has a word too, which is no key.
        let keys: Vec<(i64, u32)> = all.clone().take(without).chain(all.skip(without + 1)).collect();
        self.ranks = Ranks::new(range, &keys);
        if self.ranks.is_some() {
            self.slots.clear();
        }
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn take_keys(&mut self) -> Result<Vec<ArrayRef>> {
        let keys = std::mem::take(&mut self.keys);
        self.columns(&keys, self.null.map(|null| null as usize))
    }

    fn take_keys_of(&mut self, groups: &UInt32Array) -> Result<Vec<ArrayRef>> {
        let keys: Vec<[u64; W]> = groups.values().iter().map(|&group| self.keys[group as usize]).collect();
        let null = self.null.and_then(|null| groups.values().iter().position(|&group| group == null));
        self.keys = vec![];
        self.columns(&keys, null)
    }

    fn size(&self) -> usize {
        self.slots.size()
            + self.ranks.as_ref().map_or(0, Ranks::size)
            + self.keys.capacity() * size_of::<[u64; W]>()
            + self.direct.groups.len() * 4
            + self.recent.seconds.len() * 8
            + self.by_code.size()
            + self.grid.size()
            + self.words.capacity() * 8
            + self.texts.iter().map(GroupTable::size).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow_array::types::Int64Type;
    use arrow_array::{DictionaryArray, Int16Array, Int64Array, StringViewArray};
    use proptest::prelude::*;

    use super::*;

    type Values = Vec<Option<i64>>;

    /// Keys that lie close together, far apart, or jump; some of them NULL.
    fn batch() -> impl Strategy<Value = Values> {
        let start = prop_oneof![4 => -2000..2000_i64, 1 => any::<i64>()];
        let step = prop_oneof![Just(0), Just(1), Just(-1), Just(3), Just(1000), Just(-70_000)];
        (start, step, 1..600_i64, any::<bool>()).prop_map(|(start, step, len, nulls)| {
            let value = |i: i64| start.wrapping_add(i.wrapping_mul(step));
            (0..len).map(|i| (!nulls || i % 5 != 4).then(|| value(i))).collect()
        })
    }

    /// The numbers of the groups of a map, in which a row without a place gets the next number.
    fn number<K: std::hash::Hash + Eq>(map: &mut HashMap<K, u32>, key: K) -> u32 {
        let next = map.len() as u32;
        *map.entry(key).or_insert(next)
    }

    proptest! {
        #[test]
        fn groups_of_texts_of_dictionaries_are_those_of_a_map(
            batches in prop::collection::vec((0..3_i64, 0..2_usize, 0..3_usize, prop::collection::vec(0..3_u32, 1..50)), 0..12),
            nulls in any::<bool>(),
        ) {
            let dictionaries: [ArrayRef; 2] = [
                Arc::new(StringViewArray::from(vec!["a", "b", "a text of more than twelve bytes"])),
                Arc::new(StringViewArray::from(vec!["b", "c", "a"])),
            ];
            let types = [DataType::Int64, DataType::Utf8View, DataType::Int16];
            let mut table = packed_table(&types, false).unwrap();
            let (mut map, mut groups, mut cache) = (HashMap::new(), vec![], FindCache::default());
            for (bucket, dictionary, break_at, codes) in &batches {
                let (n, values) = (codes.len(), &dictionaries[*dictionary]);
                let is_null = |i: usize| nulls && i % 5 == 4;
                // Of one bucket, or of two.
                let buckets: Vec<i64> = (0..n).map(|i| if i < break_at * 20 { *bucket } else { 7 }).collect();
                let texts: UInt32Array = codes.iter().enumerate().map(|(i, c)| (!is_null(i)).then_some(*c)).collect();
                let keys: [ArrayRef; 3] = [
                    Arc::new(Int64Array::from(buckets.clone())),
                    Arc::new(DictionaryArray::new(texts, Arc::clone(values))),
                    Arc::new(Int16Array::from(vec![-3; n])),
                ];
                let text = |i: usize| (!is_null(i)).then(|| values.as_string_view().value(codes[i] as usize).to_owned());
                let expected: Vec<u32> = (0..n).map(|i| number(&mut map, (buckets[i], text(i)))).collect();
                table.intern(&keys, n, &mut groups).unwrap();
                prop_assert_eq!(&groups, &expected);
                table.find(&keys, n, &mut groups, &mut cache).unwrap();
                prop_assert_eq!(&groups, &expected);
            }
            prop_assert_eq!(table.len(), map.len());
            let keys = table.take_keys().unwrap();
            for group in 0..map.len() {
                let texts = keys[1].as_string_view();
                let text = texts.is_valid(group).then(|| texts.value(group).to_owned());
                let key = (keys[0].as_primitive::<Int64Type>().value(group), text);
                prop_assert_eq!(map.get(&key), Some(&(group as u32)));
            }
        }

        #[test]
        fn groups_of_two_dictionaries_are_those_of_a_map(
            batches in prop::collection::vec((0..2_usize, 0..2_usize, prop::collection::vec((0..4_u32, 0..4_u32), 1..60)), 0..9),
        ) {
            let dictionaries: [ArrayRef; 2] = [
                Arc::new(StringViewArray::from(vec!["a", "b", "a text of more than twelve bytes"])),
                Arc::new(StringViewArray::from(vec!["b", "c", "a"])),
            ];
            let types = [DataType::Utf8View, DataType::Utf8View];
            let mut table = packed_table(&types, false).unwrap();
            let (mut map, mut groups, mut cache) = (HashMap::new(), vec![], FindCache::default());
            for (first, second, codes) in &batches {
                let [first, second] = [first, second].map(|of| &dictionaries[*of]);
                // The last code stands for NULL, and is none of the dictionary.
                let key = |codes: Vec<u32>, values: &ArrayRef| -> ArrayRef {
                    let nulls: NullBuffer = codes.iter().map(|code| *code < 3).collect();
                    Arc::new(DictionaryArray::new(UInt32Array::new(codes.into(), Some(nulls)), Arc::clone(values)))
                };
                let text = |values: &ArrayRef, code: u32| {
                    (code < 3).then(|| values.as_string_view().value(code as usize).to_owned())
                };
                let (a, b): (Vec<u32>, Vec<u32>) = codes.iter().copied().unzip();
                let keys = [key(a, first), key(b, second)];
                let expected: Vec<u32> =
                    codes.iter().map(|(a, b)| number(&mut map, (text(first, *a), text(second, *b)))).collect();
                table.intern(&keys, codes.len(), &mut groups).unwrap();
                prop_assert_eq!(&groups, &expected);
                table.find(&keys, codes.len(), &mut groups, &mut cache).unwrap();
                prop_assert_eq!(&groups, &expected);
            }
            prop_assert_eq!(table.len(), map.len());
            let keys = table.take_keys().unwrap();
            for group in 0..map.len() {
                let text = |i: usize| {
                    let texts = keys[i].as_string_view();
                    texts.is_valid(group).then(|| texts.value(group).to_owned())
                };
                prop_assert_eq!(map.get(&(text(0), text(1))), Some(&(group as u32)));
            }
        }

        #[test]
        fn groups_of_one_key_are_those_of_a_map(batches in prop::collection::vec(batch(), 0..10)) {
            let mut table = packed_table(&[DataType::Int64], false).unwrap();
            let (mut map, mut groups, mut cache) = (HashMap::new(), vec![], FindCache::default());
            for batch in &batches {
                let keys: [ArrayRef; 1] = [Arc::new(Int64Array::from(batch.clone()))];
                table.find(&keys, batch.len(), &mut groups, &mut cache).unwrap();
                let known: Vec<u32> = batch.iter().map(|k| *map.get(k).unwrap_or(&MISSING)).collect();
                prop_assert_eq!(&groups, &known);
                // NULL is numbered behind the others of its batch.
                batch.iter().filter(|k| k.is_some()).for_each(|k| { number(&mut map, *k); });
                let expected: Vec<u32> = batch.iter().map(|k| number(&mut map, *k)).collect();
                table.intern(&keys, batch.len(), &mut groups).unwrap();
                prop_assert_eq!(&groups, &expected);
                table.find(&keys, batch.len(), &mut groups, &mut cache).unwrap();
                prop_assert_eq!(&groups, &expected);
            }
            prop_assert_eq!(table.len(), map.len());
            table.complete();
            for batch in &batches {
                let near = batch.iter().map(|k| k.map(|k| k.wrapping_add(1)));
                let asked: Values = batch.iter().copied().chain(near).chain([None]).collect();
                let keys: [ArrayRef; 1] = [Arc::new(Int64Array::from(asked.clone()))];
                table.find(&keys, asked.len(), &mut groups, &mut cache).unwrap();
                let known: Vec<u32> = asked.iter().map(|k| *map.get(k).unwrap_or(&MISSING)).collect();
                prop_assert_eq!(&groups, &known);
            }
            let keys = table.take_keys().unwrap();
            for (group, key) in keys[0].as_primitive::<Int64Type>().iter().enumerate() {
                prop_assert_eq!(map.get(&key), Some(&(group as u32)));
            }
        }

        #[test]
        fn groups_of_two_keys_are_those_of_a_map(batches in prop::collection::vec(batch(), 0..6)) {
            let mut table = packed_table(&[DataType::Int64, DataType::Int64], false).unwrap();
            let (mut map, mut groups) = (HashMap::new(), vec![]);
            for batch in &batches {
                let second: Values = batch.iter().map(|k| k.filter(|k| k % 7 != 0).map(|k| k % 3)).collect();
                let keys: [ArrayRef; 2] =
                    [Arc::new(Int64Array::from(batch.clone())), Arc::new(Int64Array::from(second.clone()))];
                let expected: Vec<u32> =
                    batch.iter().zip(&second).map(|(a, b)| number(&mut map, (*a, *b))).collect();
                table.intern(&keys, batch.len(), &mut groups).unwrap();
                prop_assert_eq!(&groups, &expected);
            }
            let keys = table.take_keys().unwrap();
            let [first, second] = [0, 1].map(|i| keys[i].as_primitive::<Int64Type>());
            for (group, key) in first.iter().zip(second).enumerate() {
                prop_assert_eq!(map.get(&key), Some(&(group as u32)));
            }
        }
    }

    #[test]
    fn complete_keys_that_are_no_array_have_ranks() {
        let mut table = packed_table(&[DataType::Int64], false).unwrap();
        let mut groups = vec![];
        let keys: [ArrayRef; 1] = [Arc::new(Int64Array::from_iter_values((0..10_000).map(|i| i * 50)))];
        table.intern(&keys, 10_000, &mut groups).unwrap();
        let before = table.size();
        table.complete();
        assert!(table.is_hashed() && table.size() < before);
        table.find(&keys, 10_000, &mut groups, &mut FindCache::default()).unwrap();
        assert!(groups.iter().copied().eq(0..10_000));
    }

    #[test]
    fn an_array_grows_to_the_side_where_keys_come() {
        let mut table = packed_table(&[DataType::Int64], false).unwrap();
        let mut groups = vec![];
        let mut push = |from: i64, to: i64| {
            let keys: [ArrayRef; 1] = [Arc::new(Int64Array::from_iter_values(from..to))];
            table.intern(&keys, (to - from) as usize, &mut groups).unwrap();
            (table.size(), table.is_hashed(), groups[0])
        };
        for i in 0..200 {
            let (_, hashed, first) = push(i * 1000, (i + 1) * 1000);
            assert!(!hashed && first == i as u32 * 1000);
        }
        let (size, _, _) = push(0, 1);
        // 200,000 keys, places for twice as many, and what doubling them has left over.
        assert!(size < 200_000 * (8 * 2 + 4 * 4), "{size}");
        for i in 0..100 {
            let (_, hashed, first) = push(-(i + 1) * 1000, -i * 1000);
            assert!(!hashed && first == (200 + i as u32) * 1000);
        }
        let (_, _, first) = push(0, 200_000);
        assert_eq!(first, 0);
        assert!(groups.iter().enumerate().all(|(i, group)| i as u32 == *group));
        assert_eq!(table.len(), 300_000);
    }
}
