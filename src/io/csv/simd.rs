//! Blocks of 64 bytes compared at once.

#![allow(unsafe_code)] // Instructions that every x86-64 processor has.

/// A bit for each of the 64 bytes from `at` that is `a` or `b`.
#[inline]
pub(crate) fn block_mask(text: &[u8], at: usize, a: u8, b: u8) -> u64 {
    let block: &[u8; 64] = text[at..at + 64].try_into().expect("64 bytes");
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: SSE2 is part of the x86-64 instruction set.
        unsafe { sse2_mask(block, a, b) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    portable_mask(block, a, b)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn sse2_mask(block: &[u8; 64], a: u8, b: u8) -> u64 {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};
    let (a, b) = (_mm_set1_epi8(a as i8), _mm_set1_epi8(b as i8));
    let mut mask = 0;
    for (i, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
        let v: __m128i = bytemuck::cast(*bytes);
        let hits = _mm_or_si128(_mm_cmpeq_epi8(v, a), _mm_cmpeq_epi8(v, b));
        mask |= u64::from(_mm_movemask_epi8(hits) as u32) << (16 * i);
    }
    mask
}

/// The same without special instructions: ones where bytes are equal, gathered by a multiplication.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn portable_mask(block: &[u8; 64], a: u8, b: u8) -> u64 {
    let mut mask = 0;
    for (i, bytes) in block.chunks_exact(8).enumerate() {
        let mut ones = [0_u8; 8];
        for (one, byte) in ones.iter_mut().zip(bytes) {
            *one = u8::from(*byte == a || *byte == b);
        }
        mask |= (u64::from_le_bytes(ones).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn masks_are_right(text in prop::collection::vec(0_u8..6, 64..100)) {
            let expected = (0..64).filter(|i| text[*i] == 1 || text[*i] == 4).fold(0, |m, i| m | 1 << i);
            prop_assert_eq!(block_mask(&text, 0, 1, 4), expected);
            prop_assert_eq!(portable_mask(text[..64].try_into().unwrap(), 1, 4), expected);
        }
    }
}
