//! Slots of open-addressing tables.

use super::too_many_groups;
use crate::exec::error::Result;

/// Rows that are looked up together.
pub(super) const TOGETHER: usize = 32;
/// So many slots may not be in the caches.
const MANY: usize = 1 << 14;
/// Numbers from here on stand for what is no group.
pub(super) const MAX_GROUPS: usize = u32::MAX as usize - 2;

/// Where the groups of hashes are, with linear probing.
///
/// A slot is the upper half of a hash, its tag, and below it the number of the group plus one; 0 where there is none. So
/// slots are small, other keys are rarely looked at, and a table grows without looking at its keys.
#[derive(Default)]
pub(super) struct Slots {
    /// A power of two, or none.
    slots: Vec<u64>,
}

/// The part of a hash that slots keep, and that says where the search for it begins.
#[inline]
fn tag_of(hash: u64) -> u64 {
    hash >> 32
}

/// The number of the group of a slot that is not empty.
#[inline]
fn group_of(slot: u64) -> u32 {
    slot as u32 - 1
}

impl Slots {
    /// Makes room for `more` groups beside those `known`.
    pub fn reserve(&mut self, known: usize, more: usize) -> Result<()> {
        let needed = known + more;
        if needed >= MAX_GROUPS {
            return Err(too_many_groups());
        }
        if needed + needed / 2 <= self.slots.len() {
            return Ok(());
        }
        let old = std::mem::replace(&mut self.slots, vec![0; (needed * 2).next_power_of_two()]);
        old.into_iter().filter(|slot| *slot != 0).for_each(|slot| self.place(slot));
        Ok(())
    }

    fn place(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut at = tag_of(slot) as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    /// The group of this hash that has the key, as `has_key` says of groups; or the slot where it would go. There must be
    /// room for one more.
    #[inline]
    pub fn find(&self, hash: u64, mut has_key: impl FnMut(u32) -> bool) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let tag = tag_of(hash);
        let mut at = tag as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return Err(at);
            }
            if tag_of(slot) == tag && has_key(group_of(slot)) {
                return Ok(group_of(slot));
            }
            at = (at + 1) & mask;
        }
    }

    /// The same of a table that may have no slots and gets no new group.
    #[inline]
    pub fn get(&self, hash: u64, has_key: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.is_empty() { None } else { self.find(hash, has_key).ok() }
    }

    /// Puts a group into the slot where [`find`](Self::find) says that it would go.
    #[inline]
    pub fn set(&mut self, at: usize, hash: u64, group: u32) {
        self.slots[at] = tag_of(hash) << 32 | u64::from(group + 1);
    }

    /// Adds a group whose key has none yet. There must be room.
    pub fn add(&mut self, hash: u64, group: u32) {
        self.place(tag_of(hash) << 32 | u64::from(group + 1));
    }

    /// The groups that up to [`TOGETHER`] hashes most likely have, or [`MISSING`](super::MISSING): whoever reads their keys
    /// reads what looking them up will. One read of a look-up waits for another, and each may be of memory that no cache
    /// holds; those of several rows are waited for together. `None` where the caches have the slots.
    pub fn likely(&self, hashes: &[u64]) -> Option<[u32; TOGETHER]> {
        if self.slots.len() < MANY {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut slots = [0; TOGETHER];
        for (slot, hash) in slots.iter_mut().zip(hashes) {
            *slot = self.slots[tag_of(*hash) as usize & mask];
        }
        let mut groups = [super::MISSING; TOGETHER];
        for ((group, slot), hash) in groups.iter_mut().zip(slots).zip(hashes) {
            if slot != 0 && tag_of(slot) == tag_of(*hash) {
                *group = group_of(slot);
            }
        }
        Some(groups)
    }

    /// Whether there was never room for a group.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Forgets all groups.
    pub fn clear(&mut self) {
        self.slots = vec![];
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.slots.len() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::MISSING;
    use super::*;

    /// Hashes of which many share their tags and nearly all their places.
    fn hash(key: u32) -> u64 {
        u64::from(key % 5) << 40 | u64::from(key % 3) << 32 | u64::from(key)
    }

    #[test]
    fn groups_of_hashes_that_collide_are_found() {
        let mut slots = Slots::default();
        assert_eq!(slots.get(0, |_| true), None);
        for key in 0..2000_u32 {
            slots.reserve(key as usize, 1).unwrap();
            let at = slots.find(hash(key), |group| group == key).unwrap_err();
            if key % 2 == 0 { slots.set(at, hash(key), key) } else { slots.add(hash(key), key) }
        }
        for key in 0..2000 {
            assert_eq!(slots.get(hash(key), |group| group == key), Some(key));
        }
        assert_eq!(slots.get(hash(7), |_| false), None);
        assert!(slots.reserve(0, MAX_GROUPS).is_err());
    }

    #[test]
    fn likely_groups_are_told_of_many_slots_alone() {
        let mut slots = Slots::default();
        slots.reserve(0, 10).unwrap();
        assert!(slots.likely(&[1]).is_none());
        slots.reserve(0, MANY).unwrap();
        slots.add(77 << 32, 3);
        let groups = slots.likely(&[76 << 32, 77 << 32 | 5]).unwrap();
        assert_eq!(groups[..3], [MISSING, 3, MISSING]);
    }
}
