//! Groups of texts by their codes in a dictionary.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};

use super::MISSING;

/// The groups of the texts of one dictionary, by their codes, where all other keys are the same: those of rows in the order
/// of time, in one bucket of time.
#[derive(Debug)]
pub(super) struct ByCode<const W: usize> {
    /// Keeps the dictionary alive, so that its address is its identity.
    values: Option<ArrayRef>,
    /// The words of a row, but for its text.
    others: [u64; W],
    /// [`MISSING`] where nobody has asked.
    groups: Vec<u32>,
}

impl<const W: usize> Default for ByCode<W> {
    fn default() -> Self {
        Self { values: None, others: [0; W], groups: vec![] }
    }
}

impl<const W: usize> ByCode<W> {
    /// The groups of these texts with these other keys.
    pub(super) fn of(&mut self, values: &ArrayRef, others: &[u64; W]) -> &mut [u32] {
        let is_same =
            self.values.as_ref().is_some_and(|v| std::ptr::addr_eq(Arc::as_ptr(v), Arc::as_ptr(values)));
        if !is_same || self.others != *others {
            self.groups.clear();
            self.groups.resize(values.len(), MISSING);
            (self.values, self.others) = (Some(Arc::clone(values)), *others);
        }
        &mut self.groups
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        self.groups.len() * 4
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
