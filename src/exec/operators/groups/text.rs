//! Texts to numbers.

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, GenericByteViewArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::hash::hash_text;
use super::text_keys::TextKeys;
use super::{FindCache, GroupTable, MISSING, too_many_groups};
use crate::exec::error::{ExecError, Result};

/// Texts that are looked up together.
pub(super) const TOGETHER: usize = 32;
/// A table of so many slots may not be in the caches.
pub(super) const MANY_SLOTS: usize = 1 << 14;

/// A table over one `VARCHAR` or `BLOB` key.
///
/// A slot holds 32 bits of the hash beside the number, so that other keys are rarely looked at.
pub(crate) struct TextTable {
    data_type: DataType,
    slots: Vec<Slot>,
    keys: TextKeys,
    null: Option<u32>,
    dictionary: DictionaryMap,
}

/// The high half of a hash, and the number of the key. The place of a slot follows from the tag, so that a table
/// grows without looking at its keys.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub tag: u32,
    pub group: u32,
}

pub(super) const EMPTY: Slot = Slot { tag: 0, group: MISSING };

/// The part of a hash that slots keep.
#[inline]
pub(super) fn tag_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Twice as many slots as `needed`, with the old ones in them.
pub(super) fn grow(old: &[Slot], needed: usize) -> Vec<Slot> {
    let size = (needed * 2).next_power_of_two();
    let mut slots = vec![EMPTY; size];
    for slot in old.iter().filter(|s| s.group != MISSING) {
        let mut at = slot_of(slot.tag, size);
        while slots[at].group != MISSING {
            at = (at + 1) & (size - 1);
        }
        slots[at] = *slot;
    }
    slots
}

/// Numbers of the values of the dictionary that was seen last.
#[derive(Default)]
pub(crate) struct DictionaryMap {
    /// Keeps the dictionary alive, so that its address is its identity.
    values: Option<ArrayRef>,
    groups: Vec<u32>,
}

/// A value of the dictionary that was not looked up yet.
const UNKNOWN: u32 = u32::MAX - 1;
/// One that is about to be.
const PENDING: u32 = u32::MAX - 2;

impl DictionaryMap {
    /// The numbers of the values of this dictionary as far as they are known.
    fn of(&mut self, values: &ArrayRef) -> &mut [u32] {
        let same =
            self.values.as_ref().is_some_and(|v| std::ptr::addr_eq(Arc::as_ptr(v), Arc::as_ptr(values)));
        if !same {
            self.groups.clear();
            self.groups.resize(values.len(), UNKNOWN);
            self.values = Some(values.clone());
        }
        &mut self.groups
    }
}

/// Where the search for a tag begins; `slots` is a power of two.
#[inline]
pub(super) fn slot_of(tag: u32, slots: usize) -> usize {
    tag as usize & (slots - 1)
}

impl TextTable {
    /// An empty table over `Utf8View` or `BinaryView`.
    pub fn new(data_type: DataType) -> Self {
        Self {
            slots: vec![],
            keys: TextKeys::new(&data_type),
            data_type,
            null: None,
            dictionary: DictionaryMap::default(),
        }
    }

    /// Makes room for `more` further keys.
    fn reserve(&mut self, more: usize) -> Result<()> {
        let needed = self.keys.len() + more;
        if needed >= PENDING as usize {
            return Err(too_many_groups());
        }
        if needed + needed / 2 > self.slots.len() {
            self.slots = grow(&self.slots, needed);
        }
        Ok(())
    }

    /// The number of the key of a row, or the slot where it would go. There must be a free slot.
    #[inline]
    fn lookup<T: ByteViewType>(
        &self,
        array: &GenericByteViewArray<T>,
        row: usize,
        hash: u64,
    ) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let tag = tag_of(hash);
        let mut at = slot_of(tag, self.slots.len());
        loop {
            let slot = self.slots[at];
            if slot.group == MISSING {
                return Err(at);
            }
            if slot.tag == tag && self.keys.is(slot.group, array, row) {
                return Ok(slot.group);
            }
            at = (at + 1) & mask;
        }
    }

    /// The number of NULL, if it was there.
    pub fn null(&self) -> Option<u32> {
        self.null
    }

    fn null_group(&mut self) -> u32 {
        if let Some(group) = self.null {
            return group;
        }
        let group = self.keys.len() as u32;
        self.keys.push_empty();
        self.null = Some(group);
        group
    }

    #[inline]
    fn intern_value<T: ByteViewType>(&mut self, array: &GenericByteViewArray<T>, i: usize, hash: u64) -> u32 {
        match self.lookup(array, i, hash) {
            Ok(group) => group,
            Err(at) => {
                let group = self.keys.len() as u32;
                self.keys.push(array, i);
                self.slots[at] = Slot { tag: tag_of(hash), group };
                group
            }
        }
    }

    /// [`GroupTable::intern_hashed`] for one column of views.
    pub fn intern_hashed_column(
        &mut self,
        key: &ArrayRef,
        hashes: &[u64],
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        groups.clear();
        self.reserve(key.len() + 1)?;
        match self.data_type {
            DataType::BinaryView => self.intern_hashed_views::<BinaryViewType>(key, hashes, groups),
            _ => self.intern_hashed_views::<StringViewType>(key, hashes, groups),
        }
        Ok(())
    }

    fn intern_hashed_views<T: ByteViewType>(
        &mut self,
        key: &ArrayRef,
        hashes: &[u64],
        groups: &mut Vec<u32>,
    ) {
        let array = key.as_byte_view::<T>();
        let mut rows = [0; TOGETHER];
        for (chunk, hashes) in hashes.chunks(TOGETHER).enumerate() {
            let first = chunk * TOGETHER;
            rows.iter_mut().enumerate().for_each(|(i, row)| *row = (first + i) as u32);
            let rows = &rows[..hashes.len()];
            self.touch(array.views(), rows, hashes);
            groups.extend(rows.iter().zip(hashes).map(|(&row, &hash)| {
                let row = row as usize;
                if array.is_null(row) { self.null_group() } else { self.intern_value(array, row, hash) }
            }));
        }
    }

    /// Reads what looking up these rows will read. One read of a lookup waits for another, and each may be of memory
    /// that no cache holds; those of several rows are waited for together.
    fn touch(&self, views: &[u128], rows: &[u32], hashes: &[u64]) {
        let size = self.slots.len();
        if size < MANY_SLOTS {
            return;
        }
        let mut slots = [EMPTY; TOGETHER];
        for (slot, &hash) in slots.iter_mut().zip(hashes) {
            *slot = self.slots[slot_of(tag_of(hash), size)];
        }
        let mut known = [0; TOGETHER];
        for ((known, slot), &hash) in known.iter_mut().zip(&slots).zip(hashes) {
            if slot.group != MISSING && slot.tag == tag_of(hash) {
                *known = self.keys.view(slot.group);
            }
        }
        let mut bytes = 0;
        for (&known, &row) in known.iter().zip(rows) {
            bytes ^= self.keys.touch(known, views[row as usize]);
        }
        black_box(bytes);
    }

    fn intern_views<T: ByteViewType>(&mut self, key: &ArrayRef, groups: &mut Vec<u32>) -> Result<()> {
        let array = key.as_byte_view::<T>();
        self.reserve(array.len() + 1)?;
        let mut hashes = [0; TOGETHER];
        for first in (0..array.len()).step_by(TOGETHER) {
            let rows = first..array.len().min(first + TOGETHER);
            let hashes = &mut hashes[..rows.len()];
            hashes.iter_mut().zip(rows.clone()).for_each(|(h, row)| {
                *h = if array.is_null(row) { 0 } else { hash_text(array, row) };
            });
            let mut numbers = [0; TOGETHER];
            numbers.iter_mut().zip(rows.clone()).for_each(|(n, row)| *n = row as u32);
            self.touch(array.views(), &numbers[..rows.len()], hashes);
            groups.extend(rows.zip(hashes).map(|(row, hash)| {
                if array.is_null(row) { self.null_group() } else { self.intern_value(array, row, *hash) }
            }));
        }
        Ok(())
    }

    fn intern_dictionary<T: ByteViewType>(&mut self, key: &ArrayRef, groups: &mut Vec<u32>) -> Result<()> {
        let array = key.as_dictionary::<UInt32Type>();
        let values = array.values().as_byte_view::<T>();
        self.reserve(array.len() + 1)?;
        let mut dictionary = std::mem::take(&mut self.dictionary);
        let map = dictionary.of(array.values());
        let codes = array.keys();
        let valid = |row: usize| codes.is_valid(row);
        let mut fresh = vec![];
        for (row, &code) in codes.values().iter().enumerate() {
            // The code of a NULL may be none of the dictionary.
            if map.get(code as usize) == Some(&UNKNOWN) && valid(row) {
                map[code as usize] = PENDING;
                fresh.push(code);
            }
        }
        let mut hashes = [0; TOGETHER];
        for fresh in fresh.chunks(TOGETHER) {
            let hashes = &mut hashes[..fresh.len()];
            hashes.iter_mut().zip(fresh).for_each(|(hash, &code)| *hash = hash_dictionary(values, code));
            self.touch(values.views(), fresh, hashes);
            for (&code, &hash) in fresh.iter().zip(&*hashes) {
                let code = code as usize;
                map[code] = if values.is_null(code) {
                    self.null_group()
                } else {
                    self.intern_value(values, code, hash)
                };
            }
        }
        if codes.null_count() == 0 {
            groups.extend(codes.values().iter().map(|&code| map[code as usize]));
        } else {
            let null = self.null_group();
            let of_row = |(row, &code): (usize, &u32)| if valid(row) { map[code as usize] } else { null };
            groups.extend(codes.values().iter().enumerate().map(of_row));
        }
        self.dictionary = dictionary;
        Ok(())
    }

    fn find_one<T: ByteViewType>(&self, array: &GenericByteViewArray<T>, i: usize) -> u32 {
        if array.is_null(i) {
            return self.null.unwrap_or(MISSING);
        }
        if self.slots.is_empty() {
            return MISSING;
        }
        self.lookup(array, i, hash_text(array, i)).unwrap_or(MISSING)
    }

    fn find_in<T: ByteViewType>(&self, key: &ArrayRef, groups: &mut Vec<u32>, cache: &mut DictionaryMap) {
        if let Some(array) = key.as_dictionary_opt::<UInt32Type>() {
            let values = array.values().as_byte_view::<T>();
            let map = cache.of(array.values());
            let codes = array.keys();
            for (i, &code) in codes.values().iter().enumerate() {
                groups.push(if codes.is_null(i) {
                    self.null.unwrap_or(MISSING)
                } else {
                    if map[code as usize] == UNKNOWN {
                        map[code as usize] = self.find_one(values, code as usize);
                    }
                    map[code as usize]
                });
            }
        } else {
            let array = key.as_byte_view::<T>();
            groups.extend((0..array.len()).map(|i| self.find_one(array, i)));
        }
    }

    /// [`GroupTable::find`] for one column.
    pub fn find_column(&self, key: &ArrayRef, groups: &mut Vec<u32>, cache: &mut DictionaryMap) {
        groups.clear();
        if self.data_type == DataType::BinaryView {
            self.find_in::<BinaryViewType>(key, groups, cache);
        } else {
            self.find_in::<StringViewType>(key, groups, cache);
        }
    }

    /// Finds or adds the text of one code of a dictionary that has no NULL, or NULL.
    pub fn intern_code(&mut self, values: &ArrayRef, code: Option<usize>) -> Result<u32> {
        let Some(code) = code else { return Ok(self.null_group()) };
        self.reserve(1)?;
        let mut dictionary = std::mem::take(&mut self.dictionary);
        let group = &mut dictionary.of(values)[code];
        if *group == UNKNOWN {
            *group = match &self.data_type {
                DataType::BinaryView => self.intern_one(values.as_byte_view::<BinaryViewType>(), code),
                _ => self.intern_one(values.as_byte_view::<StringViewType>(), code),
            };
        }
        let group = *group;
        self.dictionary = dictionary;
        Ok(group)
    }

    fn intern_one<T: ByteViewType>(&mut self, values: &GenericByteViewArray<T>, code: usize) -> u32 {
        self.intern_value(values, code, hash_dictionary(values, code as u32))
    }

    /// [`GroupTable::intern`] for one column.
    pub fn intern_column(&mut self, key: &ArrayRef, groups: &mut Vec<u32>) -> Result<()> {
        groups.clear();
        match (key.data_type(), &self.data_type) {
            (DataType::Dictionary(..), DataType::BinaryView) => {
                self.intern_dictionary::<BinaryViewType>(key, groups)
            }
            (DataType::Dictionary(..), _) => self.intern_dictionary::<StringViewType>(key, groups),
            (_, DataType::BinaryView) => self.intern_views::<BinaryViewType>(key, groups),
            _ => self.intern_views::<StringViewType>(key, groups),
        }
    }

    /// All keys in the order of their numbers; the table is of no use afterwards.
    pub fn take_column(&mut self) -> Result<ArrayRef> {
        let null = self.null;
        let nulls = null.map(|null| (0..self.keys.len() as u32).map(|g| g != null).collect::<NullBuffer>());
        self.slots = vec![];
        Ok(self.keys.take_column(None, nulls))
    }
}

impl GroupTable for TextTable {
    fn intern(&mut self, keys: &[ArrayRef], _rows: usize, groups: &mut Vec<u32>) -> Result<()> {
        self.intern_column(one(keys)?, groups)
    }

    fn intern_hashed(
        &mut self,
        keys: &[ArrayRef],
        texts: &[&[u64]],
        rows: usize,
        groups: &mut Vec<u32>,
    ) -> Result<()> {
        match texts {
            [hashes] => self.intern_hashed_column(one(keys)?, hashes, groups),
            _ => self.intern(keys, rows, groups),
        }
    }

    fn find(
        &self,
        keys: &[ArrayRef],
        _rows: usize,
        groups: &mut Vec<u32>,
        cache: &mut FindCache,
    ) -> Result<()> {
        if cache.dictionaries.is_empty() {
            cache.dictionaries.push(DictionaryMap::default());
        }
        self.find_column(one(keys)?, groups, &mut cache.dictionaries[0]);
        Ok(())
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn take_keys(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.take_column()?])
    }

    fn size(&self) -> usize {
        self.slots.len() * size_of::<Slot>() + self.keys.size() + self.dictionary.groups.len() * 4
    }
}

/// The hash of a text of a dictionary; of no meaning if it is NULL.
fn hash_dictionary<T: ByteViewType>(values: &GenericByteViewArray<T>, code: u32) -> u64 {
    let code = code as usize;
    if values.is_null(code) { 0 } else { hash_text(values, code) }
}

fn one(keys: &[ArrayRef]) -> Result<&ArrayRef> {
    keys.first().ok_or_else(|| ExecError::Internal("a text key is missing".into()))
}

#[cfg(test)]
mod tests {
    use arrow_array::{DictionaryArray, StringViewArray, UInt32Array};
    use arrow_cast::cast;

    use super::*;

    #[test]
    fn keys_are_handed_out_as_they_came() {
        let lengths = [0, 1, 12, 13, 40, 3000, 3000];
        let text = |i: u8| char::from(b'a' + i / 7).to_string().repeat(lengths[usize::from(i % 7)]);
        let texts: Vec<_> = (0..60).map(|i| (i % 9 != 4).then(|| text(i))).collect();
        let texts: ArrayRef = Arc::new(StringViewArray::from(texts));
        let codes = UInt32Array::from_iter((0..100).map(|i| (i % 11 != 5).then_some(i * 7 % 60)));
        for data_type in [DataType::Utf8View, DataType::BinaryView] {
            let plain = cast(&texts, &data_type).unwrap();
            let coded: ArrayRef = Arc::new(DictionaryArray::new(codes.clone(), Arc::clone(&plain)));
            let mut table = TextTable::new(data_type.clone());
            let (mut all, mut groups) = (vec![], vec![]);
            for column in [&coded, &plain] {
                table.intern_column(column, &mut groups).unwrap();
                all.extend_from_slice(&groups);
            }
            let keys = table.take_column().unwrap();
            keys.to_data().validate_full().unwrap();
            let found = arrow_select::take::take(&keys, &UInt32Array::from(all.clone()), None).unwrap();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), keys.len());
            let given = arrow_select::concat::concat(&[&cast(&coded, &data_type).unwrap(), &plain]).unwrap();
            assert_eq!(&found, &given);
        }
    }
}
