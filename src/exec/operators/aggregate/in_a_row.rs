//! Rows that say what the row before them said.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use arrow_select::filter::FilterBuilder;

use crate::column::codec::bits::Bits;
use crate::exec::error::Result;

/// Rows that tell whether it pays to look.
const TRIAL_ROWS: usize = 1 << 14;
/// It does if one row in so many goes.
const WORTH: usize = 8;

/// Leaves out rows that are the same as the row before, for whoever asks only which rows there are. Rows of a visitor, a
/// sensor or an order mostly lie together, and to compare neighbours takes a fraction of a look-up.
#[derive(Debug, Default)]
pub(super) struct InARow {
    rows: usize,
    dropped: usize,
}

/// Which rows differ from the one before, the first among them; `None` if that is not told quickly.
fn changes(columns: &[ArrayRef], rows: usize) -> Option<BooleanBuffer> {
    let mut all: Option<BooleanBuffer> = None;
    for column in columns {
        let codes: ArrayRef;
        let column = match column.data_type() {
            // Different codes may be of the same value, which then only comes twice.
            DataType::Dictionary(..) => {
                codes = Arc::new(column.as_dictionary::<UInt32Type>().keys().clone());
                &codes
            }
            _ => column,
        };
        let (width, data) = (column.data_type().primitive_width()?, column.to_data());
        let bytes = data.buffers().first()?.get(data.offset() * width..(data.offset() + rows) * width)?;
        let mut own = Bits::new(rows);
        match width {
            1 => own.set_changes(bytes),
            2 => own.set_changes(bytes.as_chunks::<2>().0),
            4 => own.set_changes(bytes.as_chunks::<4>().0),
            8 => own.set_changes(bytes.as_chunks::<8>().0),
            16 => own.set_changes(bytes.as_chunks::<16>().0),
            _ => return None,
        }
        let mut own = own.finish();
        if let Some(nulls) = column.nulls().filter(|nulls| nulls.null_count() > 0) {
            // Where one is NULL and the next is not; what lies below a NULL may make it come twice.
            let valid: Vec<u8> = nulls.iter().map(u8::from).collect();
            let mut changes = Bits::new(rows);
            changes.set_changes(&valid);
            own = &own | &changes.finish();
        }
        all = Some(match all {
            Some(all) => &all | &own,
            None => own,
        });
    }
    all
}

impl InARow {
    /// The rows without those that are left out, and how many they are.
    pub fn drop_from(&mut self, columns: Vec<ArrayRef>, rows: usize) -> Result<(Vec<ArrayRef>, usize)> {
        let pays = self.rows < TRIAL_ROWS || self.dropped >= self.rows / WORTH;
        if !pays || rows < 2 {
            return Ok((columns, rows));
        }
        let Some(changes) = changes(&columns, rows) else { return Ok((columns, rows)) };
        let left = changes.count_set_bits();
        self.rows += rows;
        self.dropped += rows - left;
        if rows - left < rows / WORTH {
            return Ok((columns, rows));
        }
        let filter = FilterBuilder::new(&BooleanArray::new(changes, None)).optimize().build();
        let columns: std::result::Result<_, _> = columns.iter().map(|column| filter.filter(column)).collect();
        Ok((columns?, left))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int32Array, StringViewArray};

    use super::*;

    fn of(rows: impl IntoIterator<Item = (Option<i32>, Option<i32>)>) -> Vec<ArrayRef> {
        let (a, b): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        vec![Arc::new(Int32Array::from(a)), Arc::new(Int32Array::from(b))]
    }

    #[test]
    fn the_first_of_rows_in_a_row_is_left() {
        let rows =
            [(Some(1), None), (Some(1), None), (None, None), (None, None), (None, Some(0)), (Some(1), None)];
        let (columns, left) = InARow::default().drop_from(of(rows), 6).unwrap();
        assert_eq!(left, 4);
        assert_eq!(&columns, &of([rows[0], rows[2], rows[4], rows[5]]));
        let (columns, left) = InARow::default().drop_from(of([rows[0]]), 1).unwrap();
        assert_eq!((&columns, left), (&of([rows[0]]), 1));
    }

    #[test]
    fn rows_that_all_differ_are_soon_not_compared() {
        let mut in_a_row = InARow::default();
        for _ in 0..20 {
            let rows = of((0..2048).map(|i| (Some(i), None)));
            assert_eq!(in_a_row.drop_from(rows, 2048).unwrap().1, 2048);
        }
        assert_eq!(in_a_row.rows, TRIAL_ROWS);
    }

    #[test]
    fn texts_are_left_as_they_are() {
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "a"]));
        assert_eq!(InARow::default().drop_from(vec![Arc::clone(&texts)], 2).unwrap().1, 2);
        let coded: arrow_array::DictionaryArray<UInt32Type> = ["a", "a", "b"].into_iter().collect();
        assert_eq!(InARow::default().drop_from(vec![Arc::new(coded)], 3).unwrap().1, 2);
    }
}
