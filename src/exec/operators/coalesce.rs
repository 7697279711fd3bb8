//! Small batches made into larger ones.

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use arrow_select::concat::concat;

use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;
use crate::exec::pipeline::BATCH_ROWS;
use crate::exec::views::concat_views;

/// Batches of at least this many rows pass as they are.
const LARGE_ENOUGH: usize = BATCH_ROWS / 4;

/// Holds small batches back until they are worth the cost of a batch.
#[derive(Default)]
pub(crate) struct Coalescer {
    held: Vec<Batch>,
    rows: usize,
}

impl Coalescer {
    /// Takes a batch; gives back what may go on now, in order.
    pub fn push(&mut self, batch: Batch) -> Result<Option<Batch>> {
        if batch.rows == 0 {
            return Ok(None);
        }
        if self.held.is_empty() && batch.rows >= LARGE_ENOUGH {
            return Ok(Some(batch));
        }
        self.rows += batch.rows;
        self.held.push(batch);
        if self.rows >= LARGE_ENOUGH { self.flush() } else { Ok(None) }
    }

    /// Gives back all that is held.
    pub fn flush(&mut self) -> Result<Option<Batch>> {
        self.rows = 0;
        let held = std::mem::take(&mut self.held);
        if held.is_empty() { Ok(None) } else { concat_batches(held).map(Some) }
    }
}

/// All rows of at least one batch, in order.
pub(crate) fn concat_batches(mut batches: Vec<Batch>) -> Result<Batch> {
    if batches.len() == 1
        && let Some(batch) = batches.pop()
    {
        return Ok(batch);
    }
    let rows = batches.iter().map(|b| b.rows).sum();
    let width = batches.first().map_or(0, |b| b.columns.len());
    let columns = (0..width)
        .map(|c| {
            let parts: Vec<ArrayRef> = batches.iter().map(|b| b.columns[c].clone()).collect();
            concat_arrays(&parts)
        })
        .collect::<Result<_>>()?;
    Ok(Batch::new(columns, rows))
}

/// All rows of at least one array, in order. Dictionaries are resolved unless all arrays share one.
pub(crate) fn concat_arrays(parts: &[ArrayRef]) -> Result<ArrayRef> {
    let first = parts.first().ok_or_else(|| ExecError::Internal("nothing to concatenate".into()))?;
    let flat: Vec<ArrayRef> = if parts.iter().any(|p| matches!(p.data_type(), DataType::Dictionary(..))) {
        if shares_dictionary(parts) {
            parts.to_vec()
        } else {
            parts.iter().map(flatten).collect::<Result<_>>()?
        }
    } else {
        parts.to_vec()
    };
    if flat.len() == 1 {
        return Ok(flat[0].clone());
    }
    if let Some(views) = concat_views(&flat) {
        return Ok(views);
    }
    let refs: Vec<&dyn Array> = flat.iter().map(|p| p as &dyn Array).collect();
    concat(&refs).map_err(|e| ExecError::Internal(format!("cannot append to {}: {e}", first.data_type())))
}

/// Whether all arrays are dictionary-coded with the same dictionary.
fn shares_dictionary(parts: &[ArrayRef]) -> bool {
    use arrow_array::cast::AsArray;
    let values = |a: &ArrayRef| a.as_any_dictionary_opt().map(|d| d.values().clone());
    let Some(first) = parts.first().and_then(values) else { return false };
    parts.iter().all(|p| {
        values(p)
            .is_some_and(|v| std::ptr::addr_eq(std::sync::Arc::as_ptr(&v), std::sync::Arc::as_ptr(&first)))
    })
}
