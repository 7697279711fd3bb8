//! The columns of a block, decoded when somebody asks for them.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow_select::filter::filter;

use super::GroupScan;
use super::selection::Selection;
use crate::column::BlockRuns;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::table::TableError;

/// What was decoded of a block.
pub(super) struct Decoded {
    /// For each column of the scan, all its rows.
    pub whole: Vec<Option<ArrayRef>>,
    /// The same as runs.
    pub runs: Vec<Option<BlockRuns>>,
}

impl Decoded {
    /// Nothing of so many columns.
    pub fn none_of(columns: usize) -> Self {
        Self { whole: vec![None; columns], runs: vec![None; columns] }
    }
}

impl GroupScan {
    /// All rows of a column, decoded once.
    pub(super) fn read_block(
        &mut self,
        column: usize,
        index: usize,
        decoded: &mut Decoded,
    ) -> Result<ArrayRef> {
        if let Some(array) = &decoded.whole[column] {
            return Ok(array.clone());
        }
        let array = self.read_whole(column, index)?;
        decoded.whole[column] = Some(array.clone());
        Ok(array)
    }

    fn read_whole(&mut self, column: usize, index: usize) -> Result<ArrayRef> {
        if self.is_row_id(column) {
            let start = index * self.block_rows;
            let first = self.group.first_row() + start as u64;
            let rows = self.block_rows.min(self.group.rows() - start) as u64;
            return Ok(Arc::new(Int64Array::from_iter_values((first..first + rows).map(|row| row as i64))));
        }
        let reader = self.reader(column)?;
        self.count_decoded(&reader, index)?;
        Ok(reader.read_block(index).map_err(TableError::from)?)
    }

    /// A column as runs; `None` if it is not stored so, or was decoded already.
    pub(super) fn read_runs<'d>(
        &mut self,
        column: usize,
        index: usize,
        decoded: &'d mut Decoded,
    ) -> Result<Option<&'d BlockRuns>> {
        if self.is_row_id(column) || decoded.whole[column].is_some() {
            return Ok(None);
        }
        if decoded.runs[column].is_none() {
            let reader = self.reader(column)?;
            decoded.runs[column] = reader.read_runs(index).map_err(TableError::from)?;
            if decoded.runs[column].is_some() {
                self.count_decoded(&reader, index)?;
            }
        }
        Ok(decoded.runs[column].as_ref())
    }

    /// Some rows of a column.
    pub(super) fn read_rows(&mut self, column: usize, index: usize, rows: &[u16]) -> Result<ArrayRef> {
        if self.is_row_id(column) {
            let first = self.group.first_row() + (index * self.block_rows) as u64;
            let ids = rows.iter().map(|&row| (first + u64::from(row)) as i64);
            return Ok(Arc::new(Int64Array::from_iter_values(ids)));
        }
        let reader = self.reader(column)?;
        self.count_decoded(&reader, index)?;
        Ok(reader.read_rows(index, rows).map_err(TableError::from)?)
    }

    /// The rows of a column that are left.
    pub(super) fn keep(array: &ArrayRef, selection: &Selection) -> Result<ArrayRef> {
        if selection.is_all() {
            return Ok(array.clone());
        }
        Ok(filter(array, &BooleanArray::new(selection.mask().clone(), None))?)
    }

    /// What the scan yields of the rows that are left.
    pub(super) fn output(&mut self, index: usize, selection: &Selection, decoded: &Decoded) -> Result<Batch> {
        let scan = self.scan.clone();
        let sparse = selection.is_sparse();
        let mut columns = scan
            .output
            .iter()
            .map(|&column| match (&decoded.whole[column], &decoded.runs[column]) {
                (Some(array), _) => Self::keep(array, selection),
                (None, Some(runs)) => Ok(runs.take(selection.indices()).map_err(TableError::from)?),
                (None, None) if sparse => self.read_rows(column, index, selection.indices()),
                (None, None) => {
                    let whole = self.read_whole(column, index)?;
                    Self::keep(&whole, selection)
                }
            })
            .collect::<Result<Vec<_>>>()?;
        for (column, unit) in &scan.lengths {
            let reader = self.reader(*column)?;
            self.count_decoded(&reader, index)?;
            let rows = sparse.then(|| selection.indices());
            let lengths = reader.measure_block(index, rows, *unit).map_err(TableError::from)?;
            columns.push(if sparse { lengths } else { Self::keep(&lengths, selection)? });
        }
        debug_assert!(columns.iter().all(|c| c.len() == selection.left));
        Ok(Batch::new(columns, selection.left))
    }
}
