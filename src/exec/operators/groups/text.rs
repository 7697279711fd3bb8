//! Texts to numbers.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, GenericByteViewArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::hash::hash_text;
use super::slots::{MAX_GROUPS, Slots, TOGETHER};
use super::text_keys::TextKeys;
use super::{FindCache, GroupTable, MISSING};
use crate::exec::error::{ExecError, Result};

/// A table over one `VARCHAR` or `BLOB` key.
pub(crate) struct TextTable {
    data_type: DataType,
    slots: Slots,
    keys: TextKeys,
    null: Option<u32>,
    dictionary: DictionaryMap,
}

/// Numbers of the values of the dictionary that was seen last.
#[derive(Default)]
pub(crate) struct DictionaryMap {
    /// Keeps the dictionary alive, so that its address is its identity.
    values: Option<ArrayRef>,
    groups: Vec<u32>,
}

/// A value of the dictionary that was not looked up yet.
const UNKNOWN: u32 = MISSING - 1;
/// One that is about to be.
const PENDING: u32 = MISSING - 2;
const _: () = assert!(MAX_GROUPS <= PENDING as usize, "numbers of groups mean nothing else");

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

impl TextTable {
    /// An empty table over `Utf8View` or `BinaryView`.
    pub fn new(data_type: DataType) -> Self {
        Self {
            slots: Slots::default(),
            keys: TextKeys::new(&data_type),
            data_type,
            null: None,
            dictionary: DictionaryMap::default(),
        }
    }

    /// Makes room for `more` further keys.
    fn reserve(&mut self, more: usize) -> Result<()> {
        self.slots.reserve(self.keys.len(), more)
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
        self.slots.find(hash, |group| self.keys.is(group, array, i)).unwrap_or_else(|at| {
            let group = self.keys.len() as u32;
            self.keys.push(array, i);
            self.slots.set(at, hash, group);
            group
        })
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
        for (chunk, hashes) in hashes.chunks(TOGETHER).enumerate() {
            let rows = chunk * TOGETHER..chunk * TOGETHER + hashes.len();
            self.intern_together(array, rows, hashes, groups);
        }
    }

    /// Finds or adds up to [`TOGETHER`] rows, whose hashes are known where they are not NULL.
    fn intern_together<T: ByteViewType>(
        &mut self,
        array: &GenericByteViewArray<T>,
        rows: Range<usize>,
        hashes: &[u64],
        groups: &mut Vec<u32>,
    ) {
        self.touch(array.views(), rows.clone(), hashes);
        groups.extend(rows.zip(hashes).map(|(row, hash)| {
            if array.is_null(row) { self.null_group() } else { self.intern_value(array, row, *hash) }
        }));
    }

    /// Reads what looking up these rows will read ([`Slots::likely`]).
    fn touch(&self, views: &[u128], rows: impl Iterator<Item = usize>, hashes: &[u64]) {
        if let Some(likely) = self.slots.likely(hashes) {
            self.keys.touch(&likely, rows.map(|row| views[row]));
        }
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
            self.intern_together(array, rows, hashes, groups);
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
            self.touch(values.views(), fresh.iter().map(|code| *code as usize), hashes);
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
        let found = self.slots.get(hash_text(array, i), |group| self.keys.is(group, array, i));
        found.unwrap_or(MISSING)
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
        self.slots.clear();
        Ok(self.keys.take_column(nulls))
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
        self.slots.size() + self.keys.size() + self.dictionary.groups.len() * 4
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
