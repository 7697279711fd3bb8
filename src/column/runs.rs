//! Blocks of runs that are read as such.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::BooleanBuffer;

use crate::column::codec::bits::Bits;
use crate::column::codec::int::RunFinder;
use crate::column::error::{ColumnError, Result};

/// The rows of a block whose values come several times in a row: what can be told of a value is told once for all its rows.
#[derive(Debug, Clone)]
pub(crate) struct BlockRuns {
    values: ArrayRef,
    lengths: Vec<u32>,
    rows: usize,
}

impl BlockRuns {
    /// Runs of these values, each so many rows long: so many values, and `rows` rows together.
    pub(super) fn new(values: ArrayRef, lengths: Vec<u32>, rows: usize) -> Self {
        debug_assert_eq!(values.len(), lengths.len(), "a length for each value");
        Self { values, lengths, rows }
    }

    /// The value of each run. None is NULL.
    pub(crate) fn values(&self) -> &ArrayRef {
        &self.values
    }

    /// The rows of some runs.
    pub(crate) fn rows_of(&self, runs: &BooleanBuffer) -> BooleanBuffer {
        let mut rows = Bits::new(self.rows);
        rows.set_runs(&self.lengths, |run| runs.value(run));
        rows.finish()
    }

    /// The values of some rows, which should come in order.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub(crate) fn take(&self, rows: &[u16]) -> Result<ArrayRef> {
        let mut finder = RunFinder::new(&self.lengths);
        let runs = rows.iter().map(|row| finder.find(usize::from(*row)).0 as u32);
        let runs = UInt32Array::from_iter_values(runs);
        arrow_select::take::take(&self.values, &runs, None)
            .map_err(|e| ColumnError::Unsupported(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int64Array;

    use super::*;

    #[test]
    fn rows_of_runs_are_found() {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![7, 8, 9]));
        let runs = BlockRuns::new(values, vec![2, 3, 1], 6);
        let some = runs.rows_of(&BooleanBuffer::from(vec![true, false, true]));
        assert_eq!(some.set_indices().collect::<Vec<_>>(), [0, 1, 5]);
        let taken = runs.take(&[1, 2, 4, 5]).unwrap();
        assert_eq!(&*taken, &Int64Array::from(vec![7, 8, 8, 9]) as &dyn Array);
    }
}
