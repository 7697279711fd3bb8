//! About how many different values a chunk has.

/// Most bits of the bitmap. More than the rows of a row group, so that the estimate stays within about one per cent.
const BITS_MAX: usize = 1 << 17;
/// Bits for each of few rows, of which chance would have more of a say.
const BITS_A_ROW: usize = 8;

/// Linear counting: each value sets the bit of its hash; how many bits stay unset tells how many values there were.
#[derive(Debug)]
pub(crate) struct DistinctSketch {
    /// The bitmap; empty as long as there is no value.
    words: Vec<u64>,
    /// How long it is: a power of two.
    bits: usize,
}

impl DistinctSketch {
    /// One for up to so many values.
    pub(crate) fn for_rows(rows: usize) -> Self {
        let bits = rows.saturating_mul(BITS_A_ROW).clamp(64, BITS_MAX).next_power_of_two();
        Self { words: vec![], bits }
    }

    /// Adds a value of up to 64 bits.
    #[inline]
    pub(crate) fn add_u64(&mut self, v: u64) {
        // The finalizer of SplitMix64.
        let mut z = v.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        self.add_hash(z ^ (z >> 31));
    }

    /// Adds a value of up to 128 bits.
    #[inline]
    pub(crate) fn add_i128(&mut self, v: i128) {
        self.add_u64((v as u64) ^ ((v >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }

    /// Adds a value by its hash, all bits of which must be good.
    #[inline]
    pub(crate) fn add_hash(&mut self, hash: u64) {
        if self.words.is_empty() {
            self.words = vec![0; self.bits / 64];
        }
        let bit = (hash >> (64 - self.bits.ilog2())) as usize;
        self.words[bit / 64] |= 1 << (bit % 64);
    }

    /// The estimate for `values` values, at most their number. `None` if none was added.
    pub(crate) fn estimate(&self, values: usize) -> Option<usize> {
        if self.words.is_empty() {
            return None;
        }
        let unset: u32 = self.words.iter().map(|w| w.count_zeros()).sum();
        if unset == 0 {
            return Some(values);
        }
        let estimate = -(self.bits as f64) * (f64::from(unset) / self.bits as f64).ln();
        Some((estimate.round() as usize).clamp(1, values.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_close() {
        for distinct in [1_u64, 2, 100, 5_000, 60_000, 122_880] {
            for step in [1, 1_000_000, 1 << 40] {
                let mut sketch = DistinctSketch::for_rows(122_880);
                (0..122_880).for_each(|i| sketch.add_u64((i % distinct) * step));
                let estimate = sketch.estimate(122_880).unwrap() as f64;
                assert!((estimate / distinct as f64 - 1.0).abs() < 0.05, "{distinct} {step}: {estimate}");
            }
        }
        for rows in [1_u64, 2, 10, 100, 2_048] {
            for distinct in [1, rows.div_ceil(3), rows] {
                let mut sketch = DistinctSketch::for_rows(rows as usize);
                (0..rows).for_each(|i| sketch.add_u64(i % distinct));
                let estimate = sketch.estimate(rows as usize).unwrap() as f64;
                assert!((estimate / distinct as f64 - 1.0).abs() < 0.1, "{distinct} of {rows}: {estimate}");
            }
        }
        assert_eq!(DistinctSketch::for_rows(5).estimate(5), None);
    }
}
