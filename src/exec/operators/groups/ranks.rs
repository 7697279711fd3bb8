//! Groups of whole numbers by their ranks.

/// Bits of the range of the keys for each key, at most; beyond, slots take less memory.
const BITS_PER_KEY: u64 = 64;

/// The groups of whole numbers that lie close, of which no more come: a bit for each number of their range, and how many
/// there are before each 64 of them, which together say which key, by rank, a number is.
///
/// This is smaller than slots, keys that are looked up in their order lie in order, and a number that is no key costs one
/// read.
pub(super) struct Ranks {
    base: i64,
    bits: Vec<u64>,
    before: Vec<u32>,
    /// The groups of the keys in order.
    groups: Vec<u32>,
}

impl Ranks {
    /// The ranks of keys of a range, each with its group; `None` if they do not lie close enough.
    pub fn new(range: (i64, i64), keys: &[(i64, u32)]) -> Option<Self> {
        let (base, span) = (range.0, range.1.wrapping_sub(range.0) as u64);
        if span / BITS_PER_KEY >= keys.len() as u64 {
            return None;
        }
        // One word more, in which nothing is.
        let mut bits = vec![0_u64; (span / 64) as usize + 2];
        let at = |key: i64| key.wrapping_sub(base) as u64;
        keys.iter().for_each(|(key, _)| bits[(at(*key) / 64) as usize] |= 1 << (at(*key) % 64));
        let mut count = 0;
        let before = bits.iter().map(|word| {
            let before = count;
            count += word.count_ones();
            before
        });
        let before = before.collect();
        let mut ranks = Self { base, bits, before, groups: vec![0; count as usize] };
        for (key, group) in keys {
            if let Some(rank) = ranks.rank(*key) {
                ranks.groups[rank] = *group;
            }
        }
        Some(ranks)
    }

    #[inline]
    fn rank(&self, key: i64) -> Option<usize> {
        // A key below the base becomes a huge place.
        let at = key.wrapping_sub(self.base) as u64;
        let word = (at / 64).min(self.bits.len() as u64 - 1) as usize;
        let (bits, bit) = (self.bits[word], at % 64);
        let lesser = bits & ((1 << bit) - 1);
        (bits >> bit & 1 != 0).then(|| (self.before[word] + lesser.count_ones()) as usize)
    }

    /// The group of a key.
    #[inline]
    pub fn group_of(&self, key: i64) -> Option<u32> {
        self.rank(key).map(|rank| self.groups[rank])
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.bits.len() * size_of::<u64>() + (self.before.len() + self.groups.len()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn groups_are_those_of_a_map(
            base in prop_oneof![Just(i64::MIN), Just(i64::MAX - 5000), -9000..9000_i64],
            steps in prop::collection::vec(1..100_i64, 1..50),
        ) {
            let mut key = base;
            let keys: BTreeMap<i64, u32> = steps.iter().enumerate().map(|(i, step)| {
                key += step;
                (key, i as u32 * 7 % 50)
            }).collect();
            let (least, greatest) = (*keys.keys().next().unwrap(), *keys.keys().next_back().unwrap());
            let all: Vec<(i64, u32)> = keys.iter().rev().map(|(k, g)| (*k, *g)).collect();
            let Some(ranks) = Ranks::new((least, greatest), &all) else {
                prop_assert!((greatest - least) as u64 / BITS_PER_KEY >= keys.len() as u64);
                return Ok(());
            };
            for key in (least.saturating_sub(70)..=greatest.saturating_add(200)).chain([i64::MIN, i64::MAX]) {
                prop_assert_eq!(ranks.group_of(key), keys.get(&key).copied());
            }
        }
    }
}
