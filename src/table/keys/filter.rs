//! Which keys a row group may have: a Bloom filter in blocks of 256 bits, of which a key concerns one.

use std::ops::Range;

/// Bytes of a block: eight words, in each of which a key sets one bit.
pub const BLOCK_BYTES: usize = 32;
const BITS_PER_KEY: usize = 12;
/// One for each word of a block: odd numbers whose products' high bits have little to do with each other.
const SALTS: [u32; 8] =
    [0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D, 0x27D4_EB2F, 0x1656_67B1, 0xD3A2_646D, 0xFD70_46C5, 0xB55A_4F09];

/// The hash of a key: FNV-1a of its bytes, then the finalizer of MurmurHash3.
pub fn hash(key: &[u8]) -> u64 {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for byte in key {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^ hash >> 33
}

/// The block is chosen by the high half of the hash, the bits in it by the low half.
fn block_of(hash: u64, blocks: usize) -> usize {
    (((hash >> 32) * blocks as u64) >> 32) as usize
}

fn bit_of(hash: u64, word: usize) -> u32 {
    1 << ((hash as u32).wrapping_mul(SALTS[word]) >> 27)
}

/// The filter of keys with these hashes.
pub fn build(hashes: impl Iterator<Item = u64>, keys: usize) -> Vec<u8> {
    let blocks = (keys * BITS_PER_KEY).div_ceil(BLOCK_BYTES * 8).max(1);
    let mut words = vec![[0u32; 8]; blocks];
    for hash in hashes {
        let block = &mut words[block_of(hash, blocks)];
        block.iter_mut().enumerate().for_each(|(i, word)| *word |= bit_of(hash, i));
    }
    words.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
}

/// The block that a key with that hash concerns, in a filter of so many bytes.
pub fn block(hash: u64, bytes: usize) -> Range<usize> {
    let start = block_of(hash, bytes / BLOCK_BYTES) * BLOCK_BYTES;
    start..start + BLOCK_BYTES
}

/// Whether a key with that hash may be among those of a filter, of which this is the block that concerns it.
pub fn has(block: &[u8], hash: u64) -> bool {
    let words = block.as_chunks::<4>().0;
    words.iter().enumerate().all(|(i, word)| u32::from_le_bytes(*word) & bit_of(hash, i) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_and_one_other_in_a_hundred() {
        let of = |i: u32| hash(format!("key {i}").as_bytes());
        let filter = build((0..10_000).map(of), 10_000);
        let has = |i: u32| has(&filter[block(of(i), filter.len())], of(i));
        assert!((0..10_000).all(has));
        let others = (10_000..110_000).filter(|i| has(*i)).count();
        assert!(others < 1_000, "{others}");
    }
}
