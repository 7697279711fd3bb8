//! Keys of one word.

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_schema::DataType;
use arrow_select::concat::concat;

use super::hash::hash_words;
use super::layout::{NUMBER_BITS, Part, layout, pack, unpack, validity};
use super::too_many_groups;
use crate::exec::error::Result;

/// How keys of fixed width are packed into one word each.
#[derive(Clone)]
pub(crate) struct WordKeys {
    parts: Vec<Part>,
    /// The bits of the number of a group; none, if there are no groups.
    number: u64,
}

impl WordKeys {
    /// For keys of these types, the first of which is the number of a group: never NULL, and less than 2^31. `None` if they
    /// do not fit.
    pub fn numbered(types: &[DataType]) -> Option<Self> {
        let (parts, words) = layout(types, true)?;
        let fits = words == 1 && parts.len() > 1 && !parts.iter().any(Part::is_text);
        let number = ((1 << NUMBER_BITS) - 1) << parts.first()?.shift;
        fits.then_some(Self { parts, number })
    }

    /// For keys of one column. `None` if they do not fit.
    pub fn single(data_type: &DataType) -> Option<Self> {
        let (parts, words) = layout(std::slice::from_ref(data_type), false)?;
        let fits = words == 1 && parts.len() == 1 && !parts[0].is_text();
        fits.then_some(Self { parts, number: 0 })
    }

    /// The word of each row, but of the rows that are NULL in a single column, which have none. Whether there are such rows.
    pub fn pack(&self, keys: &[ArrayRef], rows: usize, words: &mut Vec<u64>) -> Result<bool> {
        pack::<1>(&self.parts, keys, rows, words)?;
        let ([_], [key]) = (&self.parts[..], keys) else { return Ok(false) };
        let Some(nulls) = key.nulls().filter(|nulls| nulls.null_count() > 0) else { return Ok(false) };
        let mut row = 0;
        words.retain(|_| {
            row += 1;
            nulls.is_valid(row - 1)
        });
        Ok(true)
    }

    /// The columns of these words, in which a NULL of a single column is the last, if `null`.
    pub fn unpack(&self, words: &[u64], null: bool) -> Result<Vec<ArrayRef>> {
        let words: &[[u64; 1]] = bytemuck::cast_slice(words);
        let columns = self.parts.iter().map(|part| unpack(&self.parts, part, words, validity(part, words)));
        let mut columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        if null {
            for column in &mut columns {
                let nothing = new_null_array(column.data_type(), 1);
                *column = concat(&[&**column, &*nothing])?;
            }
        }
        Ok(columns)
    }

    /// What a word says of the key without the number of the group.
    #[inline]
    pub fn arguments(&self, word: u64) -> u64 {
        word & !self.number
    }

    /// Gives words other numbers of groups.
    ///
    /// # Errors
    ///
    /// If there are too many groups for their numbers to fit.
    pub fn renumber(&self, words: &mut [u64], map: &[u32]) -> Result<()> {
        let Some(shift) = self.parts.first().map(|part| part.shift) else { return Ok(()) };
        let mut all = 0;
        for word in words {
            let number = map[((*word & self.number) >> shift) as usize];
            all |= number;
            *word = (*word & !self.number) | u64::from(number) << shift;
        }
        if all >> NUMBER_BITS == 0 { Ok(()) } else { Err(too_many_groups()) }
    }
}

/// Words in an open-addressing table: it knows no numbers of keys, so that a look-up reads one place instead of two.
#[derive(Default)]
pub(crate) struct WordSet {
    /// Words that there are; 0 where there is none.
    slots: Vec<u64>,
    /// Whether 0 itself is there.
    has_zero: bool,
    len: usize,
}

/// Slots that there are at least.
const LEAST_SLOTS: usize = 64;

impl WordSet {
    /// Adds words.
    pub fn insert(&mut self, words: &[u64]) -> Result<()> {
        if words.is_empty() {
            return Ok(());
        }
        self.reserve(words.len())?;
        let mask = self.slots.len() - 1;
        let (slots, mut new) = (&mut self.slots[..], 0);
        for &word in words {
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
        Ok(())
    }

    /// Makes room for so many further words.
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

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The words, in no order. The set is empty afterwards.
    pub fn take(&mut self) -> Vec<u64> {
        let mut words = std::mem::take(&mut self.slots);
        let mut kept = 0;
        for at in 0..words.len() {
            // Written in any case, so that there is no branch to be foreseen.
            let word = words[at];
            words[kept] = word;
            kept += usize::from(word != 0);
        }
        words.truncate(kept);
        if std::mem::take(&mut self.has_zero) {
            words.push(0);
        }
        self.len = 0;
        words
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.slots.len() * size_of::<u64>()
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
    use arrow_array::types::{Int32Type, Int64Type, UInt32Type};
    use arrow_array::{Array, Int32Array, Int64Array, UInt32Array};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn has_what_a_set_has(batches in prop::collection::vec(prop::collection::vec((0..3_u32, prop::option::of(-20..20_i32)), 0..80), 0..8)) {
            let keys = WordKeys::numbered(&[DataType::UInt32, DataType::Int32]).unwrap();
            let (mut set, mut words, mut expected) = (WordSet::default(), vec![], BTreeSet::new());
            for batch in &batches {
                let groups: UInt32Array = batch.iter().map(|(group, _)| Some(*group)).collect();
                let values: Int32Array = batch.iter().map(|(_, value)| *value).collect();
                let columns = [Arc::new(groups) as ArrayRef, Arc::new(values)];
                prop_assert!(!keys.pack(&columns, batch.len(), &mut words).unwrap());
                keys.renumber(&mut words, &[7, 5, 6]).unwrap();
                set.insert(&words).unwrap();
                expected.extend(batch.iter().map(|(group, value)| ([7, 5, 6][*group as usize], *value)));
                prop_assert_eq!(set.len(), expected.len());
            }
            let found = keys.unpack(&set.take(), false).unwrap();
            let (groups, values) = (found[0].as_primitive::<UInt32Type>(), found[1].as_primitive::<Int32Type>());
            let key = |i: usize| (groups.value(i), values.is_valid(i).then(|| values.value(i)));
            let found: Vec<_> = (0..found[0].len()).map(key).collect();
            prop_assert_eq!(found.len(), expected.len());
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
        }

        #[test]
        fn a_column_comes_back_as_it_was(values in prop::collection::vec(prop::option::of(any::<i64>()), 0..80)) {
            let keys = WordKeys::single(&DataType::Int64).unwrap();
            let mut words = vec![];
            let column: ArrayRef = Arc::new(Int64Array::from(values.clone()));
            let null = keys.pack(&[column], values.len(), &mut words).unwrap();
            let (valid, nulls): (Vec<_>, Vec<_>) = values.into_iter().partition(Option::is_some);
            prop_assert_eq!(null, !nulls.is_empty());
            let expected: Int64Array = valid.into_iter().chain(nulls.into_iter().take(1)).collect();
            let found = keys.unpack(&words, null).unwrap();
            prop_assert_eq!(found[0].as_primitive::<Int64Type>(), &expected);
        }
    }

    #[test]
    fn takes_what_fits_into_a_word() {
        assert!(WordKeys::numbered(&[DataType::UInt32, DataType::Int32]).is_some());
        assert!(WordKeys::numbered(&[DataType::UInt32, DataType::Int64]).is_none());
        assert!(WordKeys::numbered(&[DataType::UInt32, DataType::Utf8View]).is_none());
        assert!(WordKeys::single(&DataType::Float64).is_some());
        assert!(WordKeys::single(&DataType::Utf8View).is_none());
        assert!(WordKeys::single(&DataType::Decimal128(38, 2)).is_none());
    }

    #[test]
    fn numbers_that_do_not_fit_are_an_error() {
        let keys = WordKeys::numbered(&[DataType::UInt32, DataType::Int32]).unwrap();
        assert!(keys.renumber(&mut [0], &[1 << NUMBER_BITS]).is_err());
    }
}
