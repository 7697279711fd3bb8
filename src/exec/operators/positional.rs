//! Positional joins: row by row, whatever is in them.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_select::concat::concat;

use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::eval::flatten;
use crate::exec::operators::coalesce::concat_batches;
use crate::exec::operators::stored::{StoredRows, store};
use crate::exec::pipeline::{LazySource, Pipeline, split_batch};
use crate::exec::source::SourceScan;
use crate::exec::spill::Spill;

const MORSEL_ROWS: usize = 1 << 16;

/// One input.
struct Side {
    rows: StoredRows,
    /// Where each part begins, and where the last ends.
    starts: Vec<usize>,
    types: Arc<[LogicalType]>,
}

impl Side {
    fn new(pipeline: &Pipeline, types: Arc<[LogicalType]>, spill: &Spill) -> Result<Self> {
        let rows = store(pipeline, spill)?;
        let mut starts = vec![0];
        let mut end = 0;
        starts.extend(rows.lengths().map(|rows| {
            end += rows;
            end
        }));
        Ok(Self { rows, starts, types })
    }

    fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Rows `from .. to` of those that there are.
    fn rows(&self, from: usize, to: usize) -> Result<Batch> {
        let first = self.starts.partition_point(|start| *start <= from).saturating_sub(1);
        let mut pieces = vec![];
        for part in first..self.starts.len() - 1 {
            let (start, end) = (self.starts[part].max(from), self.starts[part + 1].min(to));
            if self.starts[part] >= to {
                break;
            }
            if start < end {
                pieces.push(self.rows.part(part)?.slice(start - self.starts[part], end - start));
            }
        }
        if pieces.is_empty() {
            let columns = self.types.iter().map(|t| arrow_array::new_empty_array(&t.arrow())).collect();
            return Ok(Batch::new(columns, 0));
        }
        concat_batches(pieces)
    }

    /// Rows `from .. to`; those behind the last are NULL.
    fn part(&self, from: usize, to: usize) -> Result<Vec<ArrayRef>> {
        let here = self.rows(from.min(self.len()), to.min(self.len()))?;
        let missing = (to - from) - here.rows;
        if missing == 0 {
            return Ok(here.columns);
        }
        let column = |(here, ty): (&ArrayRef, &LogicalType)| {
            // A column that nobody reads may be of any type.
            let here = flatten(here)?;
            if *here.data_type() != ty.arrow() {
                return Ok(new_null_array(&ty.arrow(), to - from));
            }
            let nulls = new_null_array(here.data_type(), missing);
            Ok(concat(&[&*here, &*nulls])?)
        };
        here.columns.iter().zip(self.types.iter()).map(column).collect()
    }
}

/// Runs both pipelines and yields row `i` of the one beside row `i` of the other.
pub(crate) fn positional_join(
    left: (&Pipeline, Arc<[LogicalType]>),
    right: (&Pipeline, Arc<[LogicalType]>),
    spill: &Spill,
) -> Result<Arc<dyn SourceScan>> {
    let left = Side::new(left.0, left.1, spill)?;
    let right = Side::new(right.0, right.1, spill)?;
    let rows = left.len().max(right.len());
    Ok(Arc::new(LazySource::new(rows.div_ceil(MORSEL_ROWS), move |i| {
        let (from, to) = (i * MORSEL_ROWS, rows.min((i + 1) * MORSEL_ROWS));
        let mut columns = left.part(from, to)?;
        columns.extend(right.part(from, to)?);
        Ok(Box::new(split_batch(Batch::new(columns, to - from)).map(Ok))
            as Box<dyn Iterator<Item = Result<Batch>> + Send>)
    })))
}
