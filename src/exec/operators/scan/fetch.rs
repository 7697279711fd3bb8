//! Rows of a table by their numbers.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, NullArray, UInt32Array};
use arrow_select::take::take;

use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;
use crate::exec::operators::coalesce::concat_arrays;
use crate::exec::pipeline::{Flow, LocalOperator, Next, Operator};
use crate::table::{TableError, TableSnapshot};

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
        let places = Places::of(&self.table, ids.values())?;
        let columns = self
            .columns
            .iter()
            .map(|column| match *column {
                Fetched::Input(c) => Ok(batch.columns[c].clone()),
                Fetched::Table(c) => places.read(&self.table, c),
                Fetched::Nothing => Ok(Arc::new(NullArray::new(batch.rows)) as ArrayRef),
            })
            .collect::<Result<_>>()?;
        next(Batch::new(columns, batch.rows))
    }
}

/// Rows in the order they have in the table.
struct Places {
    /// For each row group with any of them: its number, and which of its rows.
    groups: Vec<(usize, Vec<usize>)>,
    /// Where each wanted row is among those of `groups`.
    order: UInt32Array,
}

impl Places {
    fn of(table: &TableSnapshot, ids: &[i64]) -> Result<Self> {
        let all = table.row_groups()?;
        let mut sorted: Vec<(u64, u32)> =
            ids.iter().enumerate().map(|(i, &id)| (id as u64, i as u32)).collect();
        sorted.sort_unstable();
        let mut order = vec![0; ids.len()];
        let mut groups: Vec<(usize, Vec<usize>)> = vec![];
        for (at, &(id, wanted)) in sorted.iter().enumerate() {
            order[wanted as usize] = at as u32;
            let group = all.partition_point(|g| g.first_row() <= id).wrapping_sub(1);
            let row =
                all.get(group).map(|g| (id - g.first_row()) as usize).filter(|row| *row < all[group].rows());
            let row = row.ok_or_else(|| ExecError::Internal(format!("there is no row {id}")))?;
            match groups.last_mut() {
                Some((last, rows)) if *last == group => rows.push(row),
                _ => groups.push((group, vec![row])),
            }
        }
        Ok(Self { groups, order: order.into() })
    }

    fn read(&self, table: &TableSnapshot, column: usize) -> Result<ArrayRef> {
        let all = table.row_groups()?;
        let mut parts = vec![];
        for (group, rows) in &self.groups {
            let reader = all[*group].chunk(column)?;
            let block_rows = reader.block_rows().max(1);
            for rows in rows.chunk_by(|a, b| a / block_rows == b / block_rows) {
                let within: Vec<u16> = rows.iter().map(|row| (row % block_rows) as u16).collect();
                let part = reader.read_rows(rows[0] / block_rows, &within).map_err(TableError::from)?;
                parts.push(flatten(&part)?);
            }
        }
        if parts.is_empty() {
            return Ok(arrow_array::new_empty_array(&table.definition().columns[column].ty.arrow()));
        }
        Ok(take(&concat_arrays(&parts)?, &self.order, None)?)
    }
}
