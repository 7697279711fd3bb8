//! Hashes of keys. They are not stored anywhere and may change at any time.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::packed::{FixedWords, word_count};
use super::rows::RowTable;
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

/// The hash of bytes.
#[inline]
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64 ^ K1;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    mix(hash, K0).wrapping_mul(K0)
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

fn hash_column(array: &ArrayRef, hashes: &mut [u64]) -> Result<()> {
    match array.data_type() {
        DataType::Utf8View => hash_views::<StringViewType>(array, hashes),
        DataType::BinaryView => hash_views::<BinaryViewType>(array, hashes),
        DataType::Null => {}
        t => match word_count(t) {
            Some(1) => FixedWords::each(array, |i, w| hashes[i] = mix(hashes[i], w[0]))?,
            Some(_) => FixedWords::each(array, |i, w| hashes[i] = mix(mix(hashes[i], w[0]), w[1]))?,
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
