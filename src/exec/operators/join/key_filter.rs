//! Which values of a key a build side has, as a few bits for each: small enough to be asked about every row of a scan.

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;

use crate::exec::error::Result;
use crate::exec::operators::groups::direct::range_of;
use crate::exec::operators::groups::hash::hash_keys;
use crate::exec::operators::groups::words::FixedWords;

/// A bit for every value of a range is always worth it up to this many.
const SMALL_SPAN: u64 = 1 << 20;
/// And up to this many, which are a few MB, where as many rows will ask.
const ASKED_SPAN: u64 = 1 << 24;
/// Beyond, up to so many bits for a key.
const BITS_PER_KEY: u64 = 128;
/// And never more than this many.
const MAX_SPAN: u64 = 1 << 30;
/// Keys that share a word of a Bloom filter.
const KEYS_PER_WORD: usize = 4;

/// A set of values, of which some others may be said to be members too.
#[derive(Debug)]
pub(crate) enum KeyFilter {
    /// Whole numbers: a bit for each from `base` on.
    Bits {
        /// The least.
        base: i64,
        /// Their bits, and a word of none.
        words: Vec<u64>,
    },
    /// Anything: a Bloom filter in which each value has its bits in one word.
    Bloom {
        /// A power of two of them.
        words: Vec<u64>,
    },
}

/// The bits of a hash in its word.
#[inline]
fn bloom_bits(hash: u64) -> u64 {
    // The word is chosen by the high bits.
    1 << (hash & 63) | 1 << (hash >> 6 & 63) | 1 << (hash >> 12 & 63) | 1 << (hash >> 18 & 63)
}

#[inline]
fn bloom_word(hash: u64, words: usize) -> usize {
    (hash >> 32) as usize & (words - 1)
}

impl KeyFilter {
    /// The set of the values of an array, about which so many rows may ask; NULLs are not in it.
    pub fn new(keys: &ArrayRef, asking: u64) -> Result<Self> {
        let dense = range_of(keys).filter(|(least, greatest)| {
            let span = greatest.wrapping_sub(*least) as u64;
            span < SMALL_SPAN.max(asking.min(ASKED_SPAN))
                || span < MAX_SPAN && span / BITS_PER_KEY <= keys.len() as u64
        });
        if let Some((base, greatest)) = dense {
            let span = greatest.wrapping_sub(base) as usize;
            let mut words = vec![0u64; span / 64 + 2];
            FixedWords::each(keys, |_, w| {
                let at = (w[0] as i64).wrapping_sub(base) as usize;
                words[at / 64] |= 1 << (at % 64);
            })?;
            return Ok(Self::Bits { base, words });
        }
        let mut words = vec![0u64; (keys.len() / KEYS_PER_WORD + 1).next_power_of_two()];
        let count = words.len();
        let nulls = keys.logical_nulls();
        for (i, hash) in hash_keys(std::slice::from_ref(keys), keys.len())?.into_iter().enumerate() {
            if nulls.as_ref().is_none_or(|n| n.is_valid(i)) {
                words[bloom_word(hash, count)] |= bloom_bits(hash);
            }
        }
        Ok(Self::Bloom { words })
    }

    /// Whether no other values are said to be members.
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Bits { .. })
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        let (Self::Bits { words, .. } | Self::Bloom { words }) = self;
        words.len() * 8
    }

    /// The rows whose values may be in the set. NULLs are not.
    pub fn members(&self, keys: &ArrayRef) -> Result<BooleanArray> {
        let found = match self {
            Self::Bits { base, words } => {
                let none = words.len() as u64 - 1;
                FixedWords::matching(keys, |w| {
                    // A value below the base becomes a huge index.
                    let at = (w[0] as i64).wrapping_sub(*base) as u64;
                    words[(at / 64).min(none) as usize] >> (at % 64) & 1 != 0
                })?
            }
            Self::Bloom { words } => {
                let hashes = hash_keys(std::slice::from_ref(keys), keys.len())?;
                let found = BooleanBuffer::collect_bool(keys.len(), |i| {
                    let bits = bloom_bits(hashes[i]);
                    words[bloom_word(hashes[i], words.len())] & bits == bits
                });
                match keys.logical_nulls() {
                    None => found,
                    Some(nulls) => &found & nulls.inner(),
                }
            }
        };
        Ok(BooleanArray::new(found, None))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringViewArray};

    use super::*;

    fn ints(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
        Arc::new(values.into_iter().collect::<Int64Array>())
    }

    #[test]
    fn close_numbers_are_told_apart_exactly() {
        let filter = KeyFilter::new(&ints([Some(-5), None, Some(1000), Some(7)]), 0).unwrap();
        assert!(matches!(filter, KeyFilter::Bits { .. }));
        let asked =
            ints([Some(-6), Some(-5), None, Some(7), Some(8), Some(1001), Some(i64::MIN), Some(i64::MAX)]);
        let members = filter.members(&asked).unwrap();
        let found: Vec<bool> = members.iter().map(|b| b == Some(true)).collect();
        assert_eq!(found, [false, true, false, true, false, false, false, false]);
    }

    #[test]
    fn many_who_ask_are_worth_a_bit_for_each_value() {
        let keys = ints([Some(0), Some(5_000_000)]);
        assert!(!KeyFilter::new(&keys, 1_000_000).unwrap().is_exact());
        assert!(KeyFilter::new(&keys, 6_000_000).unwrap().is_exact());
        assert!(!KeyFilter::new(&ints([Some(0), Some(1 << 40)]), u64::MAX).unwrap().is_exact());
    }

    #[test]
    fn members_of_a_bloom_filter_are_found_and_few_others() {
        let of = |i: i64| (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) as i64;
        let names = |from: i64| -> ArrayRef {
            Arc::new(
                (from..from + 1000).map(|i| Some(format!("key number {i}"))).collect::<StringViewArray>(),
            )
        };
        let keys = [ints((0..1000).map(|i| Some(of(i)))), names(0)];
        let others = [ints((5000..6000).map(|i| Some(of(i)))), names(5000)];
        for (keys, others) in keys.iter().zip(&others) {
            let filter = KeyFilter::new(keys, 0).unwrap();
            assert!(matches!(filter, KeyFilter::Bloom { .. }));
            assert_eq!(filter.members(keys).unwrap().true_count(), 1000);
            assert!(filter.members(others).unwrap().true_count() < 100);
        }
    }
}
