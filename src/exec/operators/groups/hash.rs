//! Hashes of keys. They are not stored anywhere and may change at any time.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, DictionaryArray, GenericByteViewArray};
use arrow_schema::DataType;

use super::rows::RowTable;
use super::slots::TOGETHER;
use super::words::{FixedWords, word_count};
use crate::exec::error::Result;
use crate::exec::eval::flatten;

const K0: u64 = 0x9e37_79b9_7f4a_7c15;
const K1: u64 = 0xd6e8_feb8_6659_fd93;

/// Mixes one word into a hash.
#[inline]
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ K0) * u128::from(K1);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The hash of a few words.
#[inline]
pub(crate) fn hash_words<const W: usize>(words: &[u64; W]) -> u64 {
    let mut hash = K1;
    for &w in words {
        hash = mix(hash, w);
    }
    // The low bits of a product depend on the low bits of the word alone; slots are chosen by high bits.
    hash.wrapping_mul(K0)
}

/// Mixes two words into a hash.
#[inline]
fn mix_pair(hash: u64, low: u64, high: u64) -> u64 {
    let product = u128::from(hash ^ low ^ K0) * u128::from(high ^ K1);
    // A factor of zero must not make the hash forget the other word.
    (product as u64) ^ ((product >> 64) as u64) ^ low.rotate_left(32)
}

/// The hash of bytes.
#[inline]
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let word = |at: usize| bytes[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    let half = |at: usize| bytes[at..].first_chunk().map_or(0, |half| u64::from(u32::from_le_bytes(*half)));
    let len = bytes.len();
    let mut hash = len as u64 ^ K1;
    // Words overlap where the length is no multiple of theirs.
    let (low, high) = match len {
        0 => (0, 0),
        1..4 => (u64::from(bytes[0]) | u64::from(bytes[len / 2]) << 8 | u64::from(bytes[len - 1]) << 16, 0),
        4..8 => (half(0), half(len - 4)),
        8..=16 => (word(0), word(len - 8)),
        _ => {
            let mut at = 0;
            while at + 16 < len {
                hash = mix_pair(hash, word(at), word(at + 8));
                at += 16;
            }
            (word(len - 16), word(len - 8))
        }
    };
    mix(mix_pair(hash, low, high), K0).wrapping_mul(K0)
}

/// The hash of a text given as a view: by the view alone if it is short.
#[inline]
pub(crate) fn hash_view(view: u128, long: impl FnOnce() -> u64) -> u64 {
    if view as u32 <= 12 { hash_words(&[view as u64, (view >> 64) as u64]) } else { long() }
}

/// Hashes of whole keys, independent of any table: equal keys have equal hashes in every thread.
pub(crate) fn hash_keys(keys: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![K0; rows];
    for key in keys {
        hash_column(&flatten(key)?, &mut hashes)?;
    }
    for hash in &mut hashes {
        *hash = hash.wrapping_mul(K0);
    }
    Ok(hashes)
}

/// Hashes keys batch by batch. Those of a dictionary's texts are computed once for all batches that share it.
#[derive(Default)]
pub(crate) struct KeyHasher {
    dictionaries: Vec<DictionaryHashes>,
    texts: Vec<Vec<u64>>,
    hashes: Vec<u64>,
}

/// Hashes of the texts of the dictionary that was seen last; 0 where not yet known.
#[derive(Default)]
struct DictionaryHashes {
    /// Keeps the dictionary alive, so that its address is its identity.
    values: Option<ArrayRef>,
    hashes: Vec<u64>,
    /// Codes of a batch whose hashes are to be found.
    fresh: Vec<u32>,
}

/// Whether keys of this type are texts or bytes.
pub(crate) fn is_text(t: &DataType) -> bool {
    match t {
        DataType::Dictionary(_, values) => is_text(values),
        t => matches!(t, DataType::Utf8View | DataType::BinaryView),
    }
}

impl KeyHasher {
    /// Hashes the keys of a batch.
    pub fn hash(&mut self, keys: &[ArrayRef], rows: usize) -> Result<()> {
        self.hashes.clear();
        self.hashes.resize(rows, K0);
        let mut texts = 0;
        for key in keys {
            if !is_text(key.data_type()) {
                hash_column(&flatten(key)?, &mut self.hashes)?;
                continue;
            }
            if self.texts.len() == texts {
                self.texts.push(vec![]);
                self.dictionaries.push(DictionaryHashes::default());
            }
            let own = &mut self.texts[texts];
            own.clear();
            self.dictionaries[texts].hash(key, own)?;
            match key.logical_nulls().filter(|n| n.null_count() > 0) {
                None => self.hashes.iter_mut().zip(own).for_each(|(h, own)| *h = mix(*h, *own)),
                Some(nulls) => {
                    nulls.valid_indices().for_each(|i| self.hashes[i] = mix(self.hashes[i], own[i]));
                }
            }
            texts += 1;
        }
        self.hashes.iter_mut().for_each(|h| *h = h.wrapping_mul(K0));
        Ok(())
    }

    /// The hashes of [`hash_keys`] for the last batch.
    pub fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// For each key that is text, in order, the hashes of the texts alone: those that tables of texts use.
    pub fn texts(&self) -> &[Vec<u64>] {
        &self.texts
    }

    /// [`KeyHasher::texts`].
    pub fn into_texts(self) -> Vec<Vec<u64>> {
        self.texts
    }
}

impl DictionaryHashes {
    fn hash(&mut self, key: &ArrayRef, out: &mut Vec<u64>) -> Result<()> {
        if let Some(array) = key.as_dictionary_opt::<UInt32Type>().filter(|d| d.values().null_count() == 0) {
            let same = self.values.as_ref().is_some_and(|known| {
                std::ptr::addr_eq(std::sync::Arc::as_ptr(known), std::sync::Arc::as_ptr(array.values()))
            });
            if !same {
                self.hashes.clear();
                self.hashes.resize(array.values().len(), 0);
                self.values = Some(array.values().clone());
            }
            let values = array.values();
            match values.data_type() {
                DataType::BinaryView => self.hash_codes(values.as_byte_view::<BinaryViewType>(), array, out),
                _ => self.hash_codes(values.as_byte_view::<StringViewType>(), array, out),
            }
            return Ok(());
        }
        let array = flatten(key)?;
        match array.data_type() {
            DataType::BinaryView => hash_texts(array.as_byte_view::<BinaryViewType>(), out),
            _ => hash_texts(array.as_byte_view::<StringViewType>(), out),
        }
        Ok(())
    }

    fn hash_codes<T: ByteViewType>(
        &mut self,
        values: &GenericByteViewArray<T>,
        array: &DictionaryArray<UInt32Type>,
        out: &mut Vec<u64>,
    ) {
        let Self { hashes, fresh, .. } = self;
        let codes = array.keys();
        // The code of a NULL may be none of the dictionary.
        let known = |row: usize, code: u32, hashes: &[u64]| {
            if codes.is_null(row) { None } else { Some(hashes[code as usize]) }
        };
        let rows = || codes.values().iter().copied().enumerate();
        fresh.clear();
        fresh
            .extend(rows().filter(|(row, code)| known(*row, *code, hashes) == Some(0)).map(|(_, code)| code));
        for fresh in fresh.chunks(TOGETHER) {
            touch(values, fresh);
            fresh.iter().for_each(|code| hashes[*code as usize] = hash_text(values, *code as usize));
        }
        out.extend(rows().map(|(row, code)| known(row, code, hashes).unwrap_or(0)));
    }
}

/// The hash of one text of an array, as tables of texts compute it.
#[inline]
pub(crate) fn hash_text<T: ByteViewType>(array: &GenericByteViewArray<T>, i: usize) -> u64 {
    hash_view(array.views()[i], || hash_bytes(array.value(i).as_ref()))
}

/// Reads both ends of texts, each of which may have to come from memory, so that none waits for another.
fn touch<T: ByteViewType>(values: &GenericByteViewArray<T>, codes: &[u32]) {
    let ends = |code: &u32| {
        let text: &[u8] = values.value(*code as usize).as_ref();
        text.first().unwrap_or(&0) ^ text.last().unwrap_or(&0)
    };
    std::hint::black_box(codes.iter().map(ends).fold(0, |all, byte| all ^ byte));
}

fn hash_texts<T: ByteViewType>(array: &GenericByteViewArray<T>, out: &mut Vec<u64>) {
    out.extend((0..array.len()).map(|i| if array.is_null(i) { 0 } else { hash_text(array, i) }));
}

fn hash_column(array: &ArrayRef, hashes: &mut [u64]) -> Result<()> {
    match array.data_type() {
        DataType::Utf8View => hash_views::<StringViewType>(array, hashes),
        DataType::BinaryView => hash_views::<BinaryViewType>(array, hashes),
        DataType::Null => {}
        t => match word_count(t) {
            Some(1) => FixedWords::zip(array, hashes, |hash, w| *hash = mix(*hash, w[0]))?,
            Some(_) => FixedWords::zip(array, hashes, |hash, w| *hash = mix(mix(*hash, w[0]), w[1]))?,
            None => {
                RowTable::each_row(array, |i, bytes| hashes[i] = mix(hashes[i], hash_bytes(bytes)))?;
            }
        },
    }
    Ok(())
}

fn hash_views<T: ByteViewType>(array: &ArrayRef, hashes: &mut [u64]) {
    let array = array.as_byte_view::<T>();
    for (i, (&view, hash)) in array.views().iter().zip(hashes).enumerate() {
        if array.is_valid(i) {
            *hash = mix(*hash, hash_view(view, || hash_bytes(array.value(i).as_ref())));
        }
    }
}
