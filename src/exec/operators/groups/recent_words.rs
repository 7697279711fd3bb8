//! Words that came just before.

use super::hash::hash_words;

/// Words that are remembered. They stay in the fastest cache.
const REMEMBERED: usize = 1 << 10;
/// Words that tell whether it pays to remember any.
const TRIAL: usize = 1 << 14;
/// It does if one in so many is known.
const WORTH: usize = 8;

/// Words that came just before. Rows of a visitor, a sensor or an order mostly lie near each other, if not in a row.
pub(crate) struct RecentWords {
    /// By the hash of a word the last that had it; 0 where there is none.
    words: Box<[u64; REMEMBERED]>,
    asked: usize,
    known: usize,
}

impl Default for RecentWords {
    fn default() -> Self {
        Self { words: Box::new([0; REMEMBERED]), asked: 0, known: 0 }
    }
}

impl RecentWords {
    /// Leaves out words that are known, and remembers the others.
    pub fn drop_from(&mut self, words: &mut Vec<u64>) {
        if self.asked >= TRIAL && self.known < self.asked / WORTH {
            return;
        }
        self.asked += words.len();
        let mut kept = 0;
        for at in 0..words.len() {
            let word = words[at];
            let place = (hash_words(&[word]) >> (64 - REMEMBERED.trailing_zeros())) as usize;
            let known = self.words[place] == word && word != 0;
            self.words[place] = word;
            // Written in any case, so that there is no branch to be foreseen.
            words[kept] = word;
            kept += usize::from(!known);
        }
        self.known += words.len() - kept;
        words.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_just_before_is_left_out() {
        let mut recent = RecentWords::default();
        let mut words: Vec<u64> = (0..3000).map(|i| i % 3).collect();
        recent.drop_from(&mut words);
        // 0 is what places have where nothing is remembered.
        assert_eq!(words.iter().filter(|word| **word == 0).count(), 1000);
        let mut others: Vec<u64> = words.into_iter().filter(|word| *word != 0).collect();
        assert!(others.len() < 100, "{}", others.len());
        others.sort_unstable();
        others.dedup();
        assert_eq!(others, [1, 2]);
    }

    #[test]
    fn words_that_all_differ_are_soon_not_remembered() {
        let mut recent = RecentWords::default();
        for batch in 0..20_u64 {
            let mut words: Vec<u64> = (0..2048).map(|i| batch << 32 | i).collect();
            recent.drop_from(&mut words);
            assert!(words.len() >= 2047);
        }
        assert_eq!(recent.asked, TRIAL);
    }
}
