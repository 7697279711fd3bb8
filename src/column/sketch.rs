//! About how many different values a chunk has.

/// Bits of the bitmap. More than the rows of a row group, so that the estimate stays within about one per cent.
const BITS: usize = 1 << 17;

/// Linear counting: each value sets the bit of its hash; how many bits stay unset tells how many values there were.
#[derive(Debug, Default)]
pub(crate) struct DistinctSketch {
    /// The bitmap; empty as long as there is no value.
    words: Vec<u64>,
}

impl DistinctSketch {
    /// Adds a value of up to 64 bits.
    #[inline]
    pub(crate) fn add_u64(&mut self, v: u64) {
        // The finalizer of SplitMix64.
        let mut z = v.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        self.add_hash(z ^ (z >> 31));
    }

    /// Adds a value by its hash, all bits of which must be good.
    #[inline]
    pub(crate) fn add_hash(&mut self, hash: u64) {
        if self.words.is_empty() {
            self.words = vec![0; BITS / 64];
        }
        let bit = (hash >> (64 - BITS.ilog2())) as usize;
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
        let estimate = -(BITS as f64) * (f64::from(unset) / BITS as f64).ln();
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
                let mut sketch = DistinctSketch::default();
                (0..122_880).for_each(|i| sketch.add_u64((i % distinct) * step));
                let estimate = sketch.estimate(122_880).unwrap() as f64;
                assert!((estimate / distinct as f64 - 1.0).abs() < 0.05, "{distinct} {step}: {estimate}");
            }
        }
        assert_eq!(DistinctSketch::default().estimate(5), None);
    }
}
