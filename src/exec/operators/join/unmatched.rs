//! Build rows that come out once all left rows have passed: those without a partner, or those with one.

use std::sync::Arc;

use arrow_array::{ArrayRef, NullArray, UInt32Array, new_null_array};
use arrow_select::take::take;

use super::JoinShape;
use super::build::BuildRows;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::pipeline::{BATCH_ROWS, LazySource};
use crate::exec::plan::JoinKind;
use crate::exec::source::SourceScan;

const ROWS_PER_MORSEL: usize = 1 << 16;

/// The build rows that no left row has matched, beside NULLs; of a [`JoinKind::RightSemi`] those that one has, and
/// of the two right-only kinds without left columns. It must not be drawn from before all left rows have passed the
/// join. `rows` gives the rows of the build side, whatever it is part of.
pub(crate) fn unmatched<B: Send + Sync + 'static>(
    shape: JoinShape,
    build: Arc<B>,
    rows: fn(&B) -> &BuildRows,
) -> Arc<dyn SourceScan> {
    let total = rows(&build).batch.rows;
    Arc::new(LazySource::new(total.div_ceil(ROWS_PER_MORSEL), move |morsel| {
        let (shape, build) = (shape.clone(), build.clone());
        let mut at = morsel * ROWS_PER_MORSEL;
        let end = total.min(at + ROWS_PER_MORSEL);
        Ok(Box::new(std::iter::from_fn(move || {
            while at < end {
                let to = end.min(at + BATCH_ROWS);
                let picked = rows(&build).tracked(at, to, shape.kind == JoinKind::RightSemi);
                at = to;
                if !picked.is_empty() {
                    return Some(gather(&shape, rows(&build), picked));
                }
            }
            None
        })) as Box<dyn Iterator<Item = Result<Batch>> + Send>)
    }))
}

fn gather(shape: &JoinShape, build: &BuildRows, picked: Vec<u32>) -> Result<Batch> {
    let rows = picked.len();
    let picked = UInt32Array::from(picked);
    let width = if shape.yields_left() { shape.left.len() } else { 0 };
    let columns = (0..width + shape.right.len())
        .map(|c| {
            if !shape.wanted[c] {
                Ok(Arc::new(NullArray::new(rows)) as ArrayRef)
            } else if c < width {
                Ok(new_null_array(&shape.left[c].arrow(), rows))
            } else {
                Ok(take(&build.batch.columns[c - width], &picked, None)?)
            }
        })
        .collect::<Result<_>>()?;
    Ok(Batch::new(columns, rows))
}
