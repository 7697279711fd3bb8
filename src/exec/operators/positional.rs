//! Positional joins: row by row, whatever is in them.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_select::concat::concat;

use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::flatten;
use crate::exec::memory::Reservation;
use crate::exec::operators::coalesce::concat_batches;
use crate::exec::operators::collect::{Collected, collect};
use crate::exec::pipeline::{LazySource, Pipeline, split_batch};
use crate::exec::source::SourceScan;

const MORSEL_ROWS: usize = 1 << 16;

/// One input.
struct Side {
    rows: Batch,
    types: Arc<[LogicalType]>,
    _memory: Vec<Reservation>,
}

impl Side {
    fn new(pipeline: &Pipeline, types: Arc<[LogicalType]>, context: &Arc<ExecContext>) -> Result<Self> {
        let Collected { mut batches, memory } = collect(pipeline, context)?;
        let rows = if batches.is_empty() {
            let columns = types.iter().map(|t| arrow_array::new_empty_array(&t.arrow())).collect();
            Batch::new(columns, 0)
        } else {
            concat_batches(std::mem::take(&mut batches))?
        };
        Ok(Self { rows, types, _memory: memory })
    }

    /// Rows `from .. to`; those behind the last are NULL.
    fn part(&self, from: usize, to: usize) -> Result<Vec<ArrayRef>> {
        let start = from.min(self.rows.rows);
        let end = to.min(self.rows.rows);
        let missing = (to - from) - (end - start);
        let column = |(column, ty): (&ArrayRef, &LogicalType)| {
            let here = column.slice(start, end - start);
            if missing == 0 {
                return Ok(here);
            }
            // A column that nobody reads may be of any type.
            let here = flatten(&here)?;
            if *here.data_type() != ty.arrow() {
                return Ok(new_null_array(&ty.arrow(), to - from));
            }
            let nulls = new_null_array(here.data_type(), missing);
            Ok(concat(&[&*here, &*nulls])?)
        };
        self.rows.columns.iter().zip(self.types.iter()).map(column).collect()
    }
}

/// Runs both pipelines and yields row `i` of the one beside row `i` of the other.
pub(crate) fn positional_join(
    left: (&Pipeline, Arc<[LogicalType]>),
    right: (&Pipeline, Arc<[LogicalType]>),
    context: &Arc<ExecContext>,
) -> Result<Arc<dyn SourceScan>> {
    let left = Side::new(left.0, left.1, context)?;
    let right = Side::new(right.0, right.1, context)?;
    let rows = left.rows.rows.max(right.rows.rows);
    Ok(Arc::new(LazySource::new(rows.div_ceil(MORSEL_ROWS), move |i| {
        let (from, to) = (i * MORSEL_ROWS, rows.min((i + 1) * MORSEL_ROWS));
        let mut columns = left.part(from, to)?;
        columns.extend(right.part(from, to)?);
        Ok(Box::new(split_batch(Batch::new(columns, to - from)).map(Ok))
            as Box<dyn Iterator<Item = Result<Batch>> + Send>)
    })))
}
