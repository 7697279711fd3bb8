//! Groups of keys that came just before.

use super::MISSING;

/// The groups of the rows just before. Where rows come in the order of time, many in a row have the same bucket of time:
/// then the second of two words says which group it is, without a hash.
pub(super) struct Recent<const W: usize> {
    key: [u64; W],
    group: u32,
    /// By the second word, under the first word of `key`: groups of the run that the stamp is of.
    pub(super) seconds: Vec<(u32, u32)>,
    stamp: u32,
    pub(super) asked: u32,
    known: u32,
}

/// Second words up to which groups are remembered.
const SECONDS: usize = 1 << 12;
/// Keys after which it is known whether remembering pays.
const RECENT_TRIAL: u32 = 1 << 14;

impl<const W: usize> Recent<W> {
    pub(super) fn new() -> Self {
        Self { key: [0; W], group: MISSING, seconds: vec![], stamp: 1, asked: 0, known: 0 }
    }

    /// Of so many keys at least half must be known.
    pub(super) fn pays(&mut self) -> bool {
        if self.asked >= RECENT_TRIAL {
            if self.known < self.asked / 2 {
                return false;
            }
            (self.asked, self.known) = (0, 0);
        }
        if W == 2 && self.seconds.is_empty() {
            self.seconds.resize(SECONDS, (0, 0));
        }
        true
    }

    /// The group of a key, from `look_up` if it is not that of a row just before.
    #[inline]
    pub(super) fn group_of(&mut self, key: &[u64; W], look_up: impl FnOnce(&[u64; W]) -> u32) -> u32 {
        if self.group != MISSING && *key == self.key {
            self.known += 1;
            return self.group;
        }
        if W == 2 {
            if key[0] != self.key[0] {
                self.stamp = self.stamp.wrapping_add(1);
                if self.stamp == 0 {
                    self.seconds.fill((0, 0));
                    self.stamp = 1;
                }
            }
            if let Some(entry) = usize::try_from(key[1]).ok().and_then(|at| self.seconds.get_mut(at)) {
                if entry.0 == self.stamp {
                    self.known += 1;
                } else {
                    *entry = (self.stamp, look_up(key));
                }
                (self.key, self.group) = (*key, entry.1);
                return entry.1;
            }
        }
        (self.key, self.group) = (*key, look_up(key));
        self.group
    }
}
