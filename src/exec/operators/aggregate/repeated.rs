//! Rows that say what a row of the same batch said before them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::DataType;

use crate::exec::operators::groups::MISSING;

/// Rows that tell whether it pays to look.
const TRIAL_ROWS: usize = 1 << 14;
/// It does if one row in so many goes.
const WORTH: usize = 4;
/// Places for rows, by the highest bits of their hashes.
const PLACES: usize = 1 << 12;
/// No row.
const NONE: u16 = u16::MAX;

/// Leaves out rows that are the same as one before them in their batch. Rows of a visitor, a sensor or an order mostly lie
/// near each other, and to find them while they are in the caches takes a fraction of what it takes to lay them out, and to
/// look them up later.
#[derive(Debug, Default)]
pub(super) struct Repeated {
    rows: usize,
    left_out: usize,
    /// The last row of each place.
    places: Vec<u16>,
    /// For each row the one that it repeats, or itself.
    firsts: Vec<u16>,
}

/// The rows that are left of a batch, and how often each came.
pub(super) struct Left {
    pub rows: UInt32Array,
    pub times: Vec<u16>,
}

impl Left {
    /// What there is of the rows that are left.
    pub fn of<T: Copy>(&self, all: &[T]) -> Vec<T> {
        self.rows.values().iter().map(|row| all[*row as usize]).collect()
    }
}

/// Makes rows whose values are not those of their firsts firsts themselves. `None` if that is not told quickly. Equal values
/// may count as different.
fn compare(column: &ArrayRef, firsts: &mut [u16]) -> Option<()> {
    let codes: ArrayRef;
    let column = match column.data_type() {
        DataType::Dictionary(..) => {
            codes = Arc::new(column.as_dictionary_opt::<UInt32Type>()?.keys().clone());
            &codes
        }
        _ => column,
    };
    let width = match column.data_type() {
        // Two views that are the same are of the same bytes.
        DataType::Utf8View | DataType::BinaryView => 16,
        t => t.primitive_width()?,
    };
    let (rows, data) = (firsts.len(), column.to_data());
    let bytes = data.buffers().first()?.get(data.offset() * width..(data.offset() + rows) * width)?;
    fn each<T: PartialEq>(values: &[T], firsts: &mut [u16]) {
        for (row, first) in firsts.iter_mut().enumerate() {
            if values[row] != values[usize::from(*first)] {
                *first = row as u16;
            }
        }
    }
    match width {
        1 => each(bytes, firsts),
        2 => each(bytes.as_chunks::<2>().0, firsts),
        4 => each(bytes.as_chunks::<4>().0, firsts),
        8 => each(bytes.as_chunks::<8>().0, firsts),
        16 => each(bytes.as_chunks::<16>().0, firsts),
        _ => return None,
    }
    if let Some(nulls) = column.nulls().filter(|nulls| nulls.null_count() > 0) {
        let valid: Vec<bool> = nulls.iter().collect();
        each(&valid, firsts);
    }
    Some(())
}

impl Repeated {
    /// The rows that are left of a batch, where equal rows have equal hashes; `None` if all are, or if it does not pay to look.
    pub fn leave(&mut self, columns: &[ArrayRef], hashes: &[u64]) -> Option<Left> {
        let rows = hashes.len();
        let pays = self.rows < TRIAL_ROWS || self.left_out >= self.rows / WORTH;
        if !pays || rows < 2 || rows > usize::from(NONE) {
            return None;
        }
        self.places.clear();
        self.places.resize(PLACES, NONE);
        self.firsts.clear();
        self.firsts.extend(hashes.iter().enumerate().map(|(row, hash)| {
            let last = &mut self.places[(hash >> (64 - PLACES.trailing_zeros())) as usize];
            if *last == NONE || hashes[usize::from(*last)] != *hash {
                *last = row as u16;
            }
            *last
        }));
        for column in columns {
            if compare(column, &mut self.firsts).is_none() {
                // It is so for other batches too.
                (self.rows, self.left_out) = (TRIAL_ROWS, 0);
                return None;
            }
        }
        let mut times = vec![0_u16; rows];
        self.firsts.iter().for_each(|first| times[usize::from(*first)] += 1);
        let mut left = vec![0; rows];
        let mut count = 0;
        for row in 0..rows {
            // Written in any case, so that there is no branch to be foreseen.
            left[count] = row as u32;
            times[count] = times[row];
            count += usize::from(usize::from(self.firsts[row]) == row);
        }
        self.rows += rows;
        self.left_out += rows - count;
        if rows - count < rows / WORTH {
            return None;
        }
        left.truncate(count);
        times.truncate(count);
        Some(Left { rows: left.into(), times })
    }
}

/// Tells how many rows would be left of batches whose groups are known already.
#[derive(Debug, Default)]
pub(super) struct RepeatedGroups {
    /// Groups that came last, by their lowest bits.
    last: Vec<u32>,
}

impl RepeatedGroups {
    /// How many rows are of other groups than those just before.
    pub fn left(&mut self, groups: &[u32]) -> usize {
        self.last.resize(PLACES / 2, MISSING);
        let places = &mut self.last[..];
        let fresh = |group: &&u32| {
            let at = **group as usize % places.len();
            std::mem::replace(&mut places[at], **group) != **group
        };
        groups.iter().filter(fresh).count()
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{BooleanArray, Int32Array, StringViewArray};
    use proptest::prelude::*;

    use super::*;
    use crate::exec::operators::groups::hash::hash_keys;

    fn of(rows: impl IntoIterator<Item = (Option<i32>, Option<i32>)>) -> Vec<ArrayRef> {
        let (a, b): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        vec![Arc::new(Int32Array::from(a)), Arc::new(Int32Array::from(b))]
    }

    fn leave(columns: &[ArrayRef]) -> Option<Left> {
        let hashes = hash_keys(columns, columns[0].len()).unwrap();
        Repeated::default().leave(columns, &hashes)
    }

    #[test]
    fn the_first_of_equal_rows_is_left() {
        let rows = [
            (Some(1), None),
            (Some(2), None),
            (Some(1), None),
            (None, Some(0)),
            (None, Some(0)),
            (Some(1), None),
        ];
        let left = leave(&of(rows)).unwrap();
        assert_eq!(left.rows.values()[..], [0, 1, 3]);
        assert_eq!(left.times, [3, 1, 2]);
        assert!(leave(&of([rows[0]])).is_none());
    }

    proptest! {
        #[test]
        fn no_row_is_lost(rows in prop::collection::vec((prop::option::of(0..9), prop::option::of(0..3)), 0..200), same in any::<bool>()) {
            let columns = of(rows.clone());
            // Equal hashes need not be of equal rows.
            let hashes = if same { vec![7; rows.len()] } else { hash_keys(&columns, rows.len()).unwrap() };
            if let Some(left) = Repeated::default().leave(&columns, &hashes) {
                let mut found: Vec<_> = vec![];
                for (row, times) in left.rows.values().iter().zip(&left.times) {
                    found.extend(std::iter::repeat_n(rows[*row as usize], usize::from(*times)));
                }
                let mut rows = rows;
                rows.sort();
                found.sort();
                prop_assert_eq!(found, rows);
            }
        }
    }

    #[test]
    fn groups_that_came_just_before_are_known() {
        let mut groups = RepeatedGroups::default();
        assert_eq!(groups.left(&[0, 1, 0, 1, 2]), 3);
        assert_eq!(groups.left(&[2, 1, PLACES as u32, 0]), 2);
    }

    #[test]
    fn rows_that_all_differ_are_soon_not_compared() {
        let mut repeated = Repeated::default();
        for _ in 0..20 {
            let columns = of((0..2048).map(|i| (Some(i), None)));
            assert!(repeated.leave(&columns, &hash_keys(&columns, 2048).unwrap()).is_none());
        }
        assert_eq!(repeated.rows, TRIAL_ROWS);
    }

    #[test]
    fn texts_are_compared_by_view_or_code() {
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "a", "b"]));
        assert_eq!(leave(&[texts]).unwrap().times, [2, 1]);
        let coded: arrow_array::DictionaryArray<UInt32Type> = ["a", "a", "b"].into_iter().collect();
        assert_eq!(leave(&[Arc::new(coded)]).unwrap().times, [2, 1]);
        let bits: ArrayRef = Arc::new(BooleanArray::from(vec![true, true, true]));
        assert!(leave(&[bits]).is_none());
    }
}
