//! Rows of a table by their numbers.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, NullArray};

use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::pipeline::{Flow, LocalOperator, Next, Operator};
use crate::table::{Places, TableSnapshot};

/// Where an output column of [`Fetch`] comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fetched {
    /// A column of the input.
    Input(usize),
    /// A column of the table.
    Table(usize),
    /// Nobody reads it.
    Nothing,
}

/// Reads further columns of rows that were found by few of them. The input's last column holds the numbers of the rows.
#[derive(Clone)]
pub(crate) struct Fetch {
    pub table: Arc<TableSnapshot>,
    pub columns: Arc<[Fetched]>,
}

impl Operator for Fetch {
    fn local(&self) -> Box<dyn LocalOperator> {
        Box::new(self.clone())
    }
}

impl LocalOperator for Fetch {
    fn push(&mut self, batch: Batch, next: &mut Next<'_>) -> Result<Flow> {
        let ids = batch.columns.last().and_then(|ids| ids.as_primitive_opt::<Int64Type>());
        let ids = ids.ok_or_else(|| ExecError::Internal("rows to be fetched have no numbers".into()))?;
        let rows: Vec<u64> = ids.values().iter().map(|id| id.cast_unsigned()).collect();
        let places = Places::of(&self.table, &rows)?;
        let columns = self
            .columns
            .iter()
            .map(|column| match *column {
                Fetched::Input(c) => Ok(batch.columns[c].clone()),
                Fetched::Table(c) => Ok(places.read(&self.table, c)?),
                Fetched::Nothing => Ok(Arc::new(NullArray::new(batch.rows)) as ArrayRef),
            })
            .collect::<Result<_>>()?;
        next(Batch::new(columns, batch.rows))
    }
}
