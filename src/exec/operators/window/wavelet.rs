//! Order statistics of frames: how many of a run of rows come before a rank, and which of them is the `n`th.
//!
//! A wavelet matrix over the ranks of the rows (Claude, Navarro and Ordóñez, "The wavelet matrix"): level by level
//! the ranks' bits, from the highest, each level's rows ordered by the bits above. Both questions take a step a
//! level, whatever the length of the run; runs with holes are asked about as several runs at once.

use std::ops::Range;

/// Bits, and how many ones come before each word.
struct Bits {
    words: Vec<u64>,
    ones: Vec<u32>,
    zeros: u32,
}

impl Bits {
    fn new(bits: impl ExactSizeIterator<Item = bool>) -> Self {
        let len = bits.len();
        let mut words = vec![0u64; len / 64 + 1];
        for (i, bit) in bits.enumerate() {
            words[i / 64] |= u64::from(bit) << (i % 64);
        }
        let mut ones = Vec::with_capacity(words.len());
        let mut sum = 0;
        for word in &words {
            ones.push(sum);
            sum += word.count_ones();
        }
        Self { words, ones, zeros: len as u32 - sum }
    }

    /// The ones before place `i`.
    #[inline]
    fn ones_before(&self, i: u32) -> u32 {
        let (word, bit) = (i as usize / 64, i % 64);
        self.ones[word] + (self.words[word] & ((1 << bit) - 1)).count_ones()
    }

    /// Where the zeros, and where the ones, of a run lie on the next level.
    #[inline]
    fn split(&self, run: &Range<u32>) -> (Range<u32>, Range<u32>) {
        let (from, to) = (self.ones_before(run.start), self.ones_before(run.end));
        (run.start - from..run.end - to, self.zeros + from..self.zeros + to)
    }
}

/// Runs of rows that are asked about together.
pub(super) type Runs = [Range<u32>; 3];

/// The ranks of rows.
pub(super) struct Wavelet {
    levels: Vec<Bits>,
}

impl Wavelet {
    /// Row `i` has rank `ranks[i]`, less than the number of rows.
    pub fn new(mut ranks: Vec<u32>) -> Self {
        let highest = ranks.len().saturating_sub(1) as u32;
        let depth = u32::BITS - highest.leading_zeros();
        let mut levels = vec![];
        let mut ones = vec![];
        for level in (0..depth).rev() {
            let is_one = |rank: u32| rank >> level & 1 == 1;
            levels.push(Bits::new(ranks.iter().map(|&r| is_one(r))));
            ones.clear();
            ones.extend(ranks.iter().copied().filter(|&r| is_one(r)));
            ranks.retain(|&r| !is_one(r));
            ranks.extend_from_slice(&ones);
        }
        Self { levels }
    }

    /// How many rows of the runs have a lower rank.
    pub fn count_below(&self, mut runs: Runs, rank: u32) -> usize {
        if u64::from(rank) >= 1 << self.levels.len() {
            return runs.iter().map(Range::len).sum();
        }
        let mut count = 0;
        for (level, bits) in self.levels.iter().enumerate() {
            let is_one = rank >> (self.levels.len() - 1 - level) & 1 == 1;
            for run in &mut runs {
                let (zeros, ones) = bits.split(run);
                if is_one {
                    count += zeros.len();
                    *run = ones;
                } else {
                    *run = zeros;
                }
            }
        }
        count
    }

    /// The `n`th rank, from 0, of the rows of the runs, which are more than `n`.
    pub fn nth(&self, mut runs: Runs, mut n: usize) -> u32 {
        let mut rank = 0;
        for bits in &self.levels {
            let parts = runs.each_ref().map(|run| bits.split(run));
            let zeros: usize = parts.iter().map(|(zeros, _)| zeros.len()).sum();
            let is_one = n >= zeros;
            if is_one {
                n -= zeros;
            }
            rank = rank << 1 | u32::from(is_one);
            runs = parts.map(|(zeros, ones)| if is_one { ones } else { zeros });
        }
        rank
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.levels.iter().map(|l| l.words.capacity() * 8 + l.ones.capacity() * 4).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_sorting() {
        for n in [0u32, 1, 2, 3, 64, 65, 200] {
            // A permutation, as 37 and n have no common factor.
            let ranks: Vec<u32> = (0..n).map(|i| (i * 37 + 11) % n.max(1)).collect();
            let wavelet = Wavelet::new(ranks.clone());
            for from in (0..=n).step_by(7) {
                for to in (from..=n).step_by(5) {
                    let hole = from + (to - from) / 3..from + (to - from) / 2;
                    let runs = [from..hole.start, hole.end..to, to..to];
                    let mut sorted: Vec<u32> =
                        runs.iter().flat_map(|r| &ranks[r.start as usize..r.end as usize]).copied().collect();
                    sorted.sort_unstable();
                    for (i, &rank) in sorted.iter().enumerate() {
                        assert_eq!(wavelet.nth(runs.clone(), i), rank);
                        assert_eq!(wavelet.count_below(runs.clone(), rank), i);
                        assert_eq!(wavelet.count_below(runs.clone(), rank + 1), i + 1);
                    }
                }
            }
        }
    }
}
