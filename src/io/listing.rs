//! What files say of themselves, as rows that are there at once.

use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::exec::batch::{Batch, Schema};
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::source::{ColumnPredicate, Source, SourceScan, batches_scan};

/// The rows of a table function that lists something.
#[derive(Debug)]
pub(super) struct Listing {
    pub function: &'static str,
    pub schema: Schema,
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
}

impl Source for Listing {
    fn describe(&self) -> String {
        self.function.to_uppercase()
    }

    fn schema(&self) -> Schema {
        self.schema.clone()
    }

    fn estimated_rows(&self) -> Option<u64> {
        Some(self.rows as u64)
    }

    fn scan(
        &self,
        columns: &[usize],
        _predicates: &[ColumnPredicate],
        _context: &Arc<ExecContext>,
    ) -> Result<Box<dyn SourceScan>> {
        let columns = columns.iter().map(|c| self.columns[*c].clone()).collect();
        Ok(Box::new(batches_scan(vec![Batch::new(columns, self.rows)])))
    }
}
