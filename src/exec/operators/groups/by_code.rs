//! Groups of texts by their codes in dictionaries.

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray};

use super::MISSING;
use crate::exec::error::Result;

/// The groups of combinations of texts of dictionaries, by their codes, where all other keys are the same: there are none,
/// or the rows are of one bucket of time.
#[derive(Debug)]
pub(super) struct ByCode<const W: usize> {
    /// Keeps the dictionaries alive, so that their addresses are their identities.
    dictionaries: Vec<ArrayRef>,
    /// The words of a row, but for its texts.
    others: [u64; W],
    /// By the combined code; [`MISSING`] where nobody has asked.
    groups: Vec<u32>,
    /// The combined codes of the rows.
    codes: Vec<u32>,
}

/// Places of combinations for each row, which may have to be cleared.
const MOST_PLACES: usize = 8;

impl<const W: usize> Default for ByCode<W> {
    fn default() -> Self {
        Self { dictionaries: vec![], others: [0; W], groups: vec![], codes: vec![] }
    }
}

/// The codes of a key's dictionary, and one more that stands for NULL.
fn radix(key: &DictionaryArray<UInt32Type>) -> usize {
    key.values().len() + 1
}

/// Whether to clear a place for each combination of these texts pays for so many rows.
pub(super) fn are_few(keys: &[&DictionaryArray<UInt32Type>], rows: usize) -> bool {
    let places = keys.iter().try_fold(1_usize, |places, key| places.checked_mul(radix(key)));
    places.is_some_and(|places| places <= rows * MOST_PLACES)
        && keys.iter().all(|key| key.values().null_count() == 0)
}

/// The parts of a combined code: `None` for NULL.
pub(super) fn split(
    keys: &[&DictionaryArray<UInt32Type>],
    mut code: usize,
    mut each: impl FnMut(usize, Option<usize>) -> Result<()>,
) -> Result<()> {
    for (i, key) in keys.iter().enumerate().rev() {
        let part = code % radix(key);
        code /= radix(key);
        each(i, (part < key.values().len()).then_some(part))?;
    }
    Ok(())
}

impl<const W: usize> ByCode<W> {
    /// The groups of the rows of these keys, which [are few](are_few), with these other keys; from `look_up`, which is given
    /// the combined code, where they are not known.
    pub(super) fn groups_of(
        &mut self,
        keys: &[&DictionaryArray<UInt32Type>],
        others: &[u64; W],
        groups: &mut Vec<u32>,
        mut look_up: impl FnMut(usize) -> Result<u32>,
    ) -> Result<()> {
        let is_known = std::iter::zip(&self.dictionaries, keys)
            .all(|(known, key)| std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(key.values())));
        if !is_known || self.dictionaries.len() != keys.len() || self.others != *others {
            self.groups.clear();
            self.groups.resize(keys.iter().map(|key| radix(key)).product(), MISSING);
            self.dictionaries = keys.iter().map(|key| Arc::clone(key.values())).collect();
            self.others = *others;
        }
        self.codes.clear();
        for (i, key) in keys.iter().enumerate() {
            let (radix, codes) = (radix(key) as u32, key.keys().values());
            // The code of a NULL may be none of the dictionary.
            match key.nulls().filter(|nulls| nulls.null_count() > 0) {
                None if i == 0 => self.codes.extend_from_slice(codes),
                None => self.codes.iter_mut().zip(codes).for_each(|(all, code)| *all = *all * radix + code),
                Some(nulls) => {
                    self.codes.resize(codes.len(), 0);
                    for ((all, code), valid) in self.codes.iter_mut().zip(codes).zip(nulls) {
                        *all = *all * radix + if valid { *code } else { radix - 1 };
                    }
                }
            }
        }
        let known = &mut self.groups;
        groups.extend(self.codes.iter().map(|code| known[*code as usize]));
        if !groups.contains(&MISSING) {
            return Ok(());
        }
        for (group, code) in groups.iter_mut().zip(&self.codes).filter(|(group, _)| **group == MISSING) {
            let code = *code as usize;
            if known[code] == MISSING {
                known[code] = look_up(code)?;
            }
            *group = known[code];
        }
        Ok(())
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        (self.groups.len() + self.codes.capacity()) * 4
    }
}

/// Whether all values of a column of whole bytes are there and the same.
pub(super) fn is_constant(array: &ArrayRef) -> bool {
    let Some(width) = array.data_type().primitive_width() else { return false };
    if array.null_count() > 0 {
        return false;
    }
    let data = array.to_data();
    let bytes = &data.buffers()[0].as_slice()[data.offset() * width..(data.offset() + data.len()) * width];
    bytes.len() <= width || bytes[..bytes.len() - width] == bytes[width..]
}

#[cfg(test)]
mod tests {
    use arrow_array::{BooleanArray, Int16Array};

    use super::*;

    #[test]
    fn columns_of_one_value() {
        let is = |values: Vec<Option<i16>>| is_constant(&(Arc::new(Int16Array::from(values)) as ArrayRef));
        assert!(is(vec![]) && is(vec![Some(7)]) && is(vec![Some(-7); 9]));
        assert!(!is(vec![Some(1), Some(1), Some(2)]) && !is(vec![Some(256), Some(1)]));
        assert!(!is(vec![Some(1), None]) && !is(vec![None, None]));
        let part: ArrayRef = Arc::new(Int16Array::from(vec![1, 2, 2, 2, 3]).slice(1, 3));
        assert!(is_constant(&part) && is_constant(&part.slice(0, 0)));
        assert!(
            !is_constant(&(Arc::new(BooleanArray::from(vec![true; 3])) as ArrayRef)),
            "bits are not looked at"
        );
    }
}
