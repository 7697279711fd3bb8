//! Distinct keys of one word.

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use super::hash::hash_words;
use super::layout::{Part, layout, pack, unpack, validity};
use super::too_many_groups;
use crate::exec::error::Result;

/// Keys of fixed width that are packed into one word each, in an open-addressing table of these words alone: it knows
/// no numbers of keys, so that a look-up reads one place instead of two.
pub(crate) struct WordSet {
    parts: Vec<Part>,
    /// Words of keys; 0 where there is none.
    slots: Vec<u64>,
    /// Whether there is a key whose word is 0.
    has_zero: bool,
    len: usize,
    words: Vec<u64>,
}

/// Slots that there are at least.
const LEAST_SLOTS: usize = 64;

impl WordSet {
    /// A set for keys of these types, the first of which is the number of a group: never NULL, and less than 2^31. `None`
    /// if they do not fit.
    pub fn numbered(types: &[DataType]) -> Option<Self> {
        let (parts, words) = layout(types, true)?;
        let fits = words == 1 && parts.len() > 1 && !parts.iter().any(Part::is_text);
        fits.then(|| Self { parts, slots: vec![], has_zero: false, len: 0, words: vec![] })
    }

    /// Adds the key of each row.
    pub fn insert(&mut self, keys: &[ArrayRef], rows: usize) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let mut words = std::mem::take(&mut self.words);
        pack::<1>(&self.parts, keys, rows, &mut words)?;
        self.reserve(rows)?;
        let mask = self.slots.len() - 1;
        let (slots, mut new) = (&mut self.slots[..], 0);
        for &word in &words {
            if word == 0 {
                new += usize::from(!std::mem::replace(&mut self.has_zero, true));
                continue;
            }
            let mut at = place_of(word) & mask;
            loop {
                let slot = &mut slots[at];
                if *slot == word {
                    break;
                }
                if *slot == 0 {
                    *slot = word;
                    new += 1;
                    break;
                }
                at = (at + 1) & mask;
            }
        }
        self.len += new;
        self.words = words;
        Ok(())
    }

    /// Makes room for so many further keys.
    ///
    /// # Errors
    ///
    /// Where they would be more than a table can have.
    pub fn reserve(&mut self, more: usize) -> Result<()> {
        let needed = self.len + more;
        if needed >= u32::MAX as usize {
            return Err(too_many_groups());
        }
        if needed + needed / 2 <= self.slots.len() {
            return Ok(());
        }
        let slots = vec![0; (needed * 2).next_power_of_two().max(LEAST_SLOTS)];
        let old = std::mem::replace(&mut self.slots, slots);
        let mask = self.slots.len() - 1;
        for word in old.into_iter().filter(|word| *word != 0) {
            let mut at = place_of(word) & mask;
            while self.slots[at] != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = word;
        }
        Ok(())
    }

    /// The number of distinct keys.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The distinct keys, in no order. The set is empty afterwards.
    pub fn take_keys(&mut self) -> Result<Vec<ArrayRef>> {
        let mut keys = Vec::with_capacity(self.len);
        if std::mem::take(&mut self.has_zero) {
            keys.push([0]);
        }
        let slots = std::mem::take(&mut self.slots);
        keys.extend(slots.into_iter().filter(|word| *word != 0).map(|word| [word]));
        self.len = 0;
        self.parts.iter().map(|part| unpack(&self.parts, part, &keys, validity(part, &keys))).collect()
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        (self.slots.len() + self.words.capacity()) * size_of::<u64>()
    }
}

/// Where the search for a word begins, before it is cut to the number of slots.
#[inline]
fn place_of(word: u64) -> usize {
    (hash_words(&[word]) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int32Type, UInt32Type};
    use arrow_array::{Array, Int32Array, UInt32Array};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn has_what_a_set_has(batches in prop::collection::vec(prop::collection::vec((0..3_u32, prop::option::of(-20..20_i32)), 0..80), 0..8)) {
            let mut set = WordSet::numbered(&[DataType::UInt32, DataType::Int32]).unwrap();
            let mut expected = BTreeSet::new();
            for batch in &batches {
                let groups: UInt32Array = batch.iter().map(|(group, _)| Some(*group)).collect();
                let values: Int32Array = batch.iter().map(|(_, value)| *value).collect();
                set.insert(&[Arc::new(groups) as ArrayRef, Arc::new(values)], batch.len()).unwrap();
                expected.extend(batch.iter().copied());
                prop_assert_eq!(set.len(), expected.len());
            }
            let keys = set.take_keys().unwrap();
            let (groups, values) = (keys[0].as_primitive::<UInt32Type>(), keys[1].as_primitive::<Int32Type>());
            let key = |i: usize| (groups.value(i), values.is_valid(i).then(|| values.value(i)));
            let found: Vec<_> = (0..keys[0].len()).map(key).collect();
            prop_assert_eq!(found.len(), expected.len());
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }

    #[test]
    fn takes_what_fits_into_a_word() {
        assert!(WordSet::numbered(&[DataType::UInt32, DataType::Int32]).is_some());
        assert!(WordSet::numbered(&[DataType::UInt32, DataType::Int64]).is_none());
        assert!(WordSet::numbered(&[DataType::UInt32, DataType::Utf8View]).is_none());
    }
}
