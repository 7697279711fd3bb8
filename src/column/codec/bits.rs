//! Bitmaps as words: the results of filters.

use arrow_buffer::{BooleanBuffer, Buffer};

/// A bitmap of fixed length under construction, all bits unset at first.
#[derive(Debug, Clone)]
pub(crate) struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// `len` unset bits.
    pub(crate) fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    /// Sets bits `start .. start + len`; what lies past the end is cut.
    pub(crate) fn set_range(&mut self, start: usize, len: usize) {
        let end = start.saturating_add(len).min(self.len);
        let mut at = start;
        while at < end {
            let (word, bit) = (at / 64, at % 64);
            let take = (64 - bit).min(end - at);
            self.words[word] |= (u64::MAX >> (64 - take)) << bit;
            at += take;
        }
    }

    /// Sets the bits of runs of these lengths, one behind the other, for which `test` holds of the run's number; what lies
    /// past the end is cut. All bits are unset before. Which runs pass is no branch, as it is often a matter of chance.
    #[inline(always)]
    pub(crate) fn set_runs(&mut self, lengths: &[u32], mut test: impl FnMut(usize) -> bool) {
        let mut words = self.words.iter_mut();
        let (mut word, mut filled) = (0, 0);
        for (run, length) in lengths.iter().enumerate() {
            let flags = 0_u64.wrapping_sub(test(run).into());
            let mut length = u64::from(*length);
            while filled + length >= 64 {
                let Some(out) = words.next() else { return };
                *out = word | flags << filled;
                length -= 64 - filled;
                (word, filled) = (0, 0);
            }
            word |= (flags & ((1 << length) - 1)) << filled;
            filled += length;
        }
        if let Some(out) = words.next() {
            *out = word;
        }
    }

    /// Sets or unsets one bit.
    pub(crate) fn assign(&mut self, index: usize, value: bool) {
        let bit = 1 << (index % 64);
        let word = &mut self.words[index / 64];
        *word = if value { *word | bit } else { *word & !bit };
    }

    /// Sets the bits from `start`, a multiple of 64, for which `test` holds of the value.
    #[inline(always)]
    pub(crate) fn set_where<T: Copy>(&mut self, start: usize, values: &[T], test: impl Fn(T) -> bool) {
        let words = &mut self.words[start / 64..];
        let (chunks, tail) = values.as_chunks::<64>();
        for (word, chunk) in words.iter_mut().zip(chunks) {
            let mut flags = [0_u8; 64];
            for (flag, value) in flags.iter_mut().zip(chunk) {
                *flag = u8::from(test(*value));
            }
            *word = gather_flags(&flags);
        }
        if let Some(word) = words.get_mut(chunks.len()) {
            for (bit, value) in tail.iter().enumerate() {
                *word |= u64::from(test(*value)) << bit;
            }
        }
    }

    /// Flips every bit.
    pub(crate) fn negate(&mut self) {
        self.words.iter_mut().for_each(|w| *w = !*w);
    }

    /// The finished bitmap.
    pub(crate) fn finish(self) -> BooleanBuffer {
        BooleanBuffer::new(Buffer::from_vec(self.words).into_le(), 0, self.len)
    }
}

/// Turns words into bytes in the order of bits.
trait IntoLe {
    /// The same bits on a machine of either byte order.
    fn into_le(self) -> Self;
}

impl IntoLe for Buffer {
    fn into_le(self) -> Self {
        if cfg!(target_endian = "little") {
            return self;
        }
        let words: Vec<u64> = self.typed_data::<u64>().iter().map(|w| w.to_le()).collect();
        Buffer::from_vec(words)
    }
}

/// The bits of 64 bytes, each 0 or 1.
#[inline(always)]
fn gather_flags(flags: &[u8; 64]) -> u64 {
    // The factor moves the lowest bit of byte i to bit 56 + i.
    const FACTOR: u64 = 0x0102_0408_1020_4080;
    let mut word = 0;
    for (i, eight) in flags.as_chunks::<8>().0.iter().enumerate() {
        word |= (u64::from_le_bytes(*eight).wrapping_mul(FACTOR) >> 56) << (8 * i);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_ranges_agree() {
        for len in [0, 1, 63, 64, 65, 200, 1000] {
            for lengths in [&[1, 1, 2][..], &[4, 60, 64, 1, 0, 200], &[63, 1, 130], &[7; 40], &[1000, 5], &[]]
            {
                let (mut a, mut b) = (Bits::new(len), Bits::new(len));
                let passes = |run: usize| run % 3 != 1;
                a.set_runs(lengths, passes);
                let mut at = 0;
                for (run, length) in lengths.iter().enumerate() {
                    if passes(run) && at < len {
                        b.set_range(at, *length as usize);
                    }
                    at += *length as usize;
                }
                assert_eq!(a.finish(), b.finish(), "{len} {lengths:?}");
            }
        }
    }

    #[test]
    fn ranges_and_tests_agree() {
        for len in [0, 1, 63, 64, 65, 200] {
            let values: Vec<usize> = (0..len).collect();
            for (start, count) in [(0, len), (3, 64), (60, 10), (64, 64), (128, 500)] {
                let mut a = Bits::new(len);
                if start <= len {
                    a.set_range(start, count);
                }
                let mut b = Bits::new(len);
                b.set_where(0, &values, |v| start <= len && v >= start && v < start + count);
                assert_eq!(a.clone().finish(), b.finish(), "{len} {start} {count}");
                let ones = a.clone().finish().count_set_bits();
                a.negate();
                assert_eq!(a.finish().count_set_bits(), len - ones);
            }
        }
    }
}
