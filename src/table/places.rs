//! Rows of a table by their numbers.

use arrow_array::{ArrayRef, UInt32Array, new_empty_array};
use arrow_select::take::take;

use crate::table::decode::{concat, plain, unexpected};
use crate::table::error::{Result, TableError};
use crate::table::fresh::Content;
use crate::table::row_group::{RowGroup, Source};
use crate::table::snapshot::TableSnapshot;

/// Rows, in the order they have in the table.
#[derive(Debug)]
pub struct Places {
    /// For each row group with any of them: its place, and which of its rows.
    groups: Vec<(usize, Vec<u32>)>,
    /// Where each wanted row is among those of `groups`; `None` if that is their order.
    order: Option<UInt32Array>,
}

impl Places {
    /// The places of rows with these numbers.
    ///
    /// # Errors
    /// There is no such row.
    pub fn of(table: &TableSnapshot, rows: &[u64]) -> Result<Self> {
        let all = table.row_groups()?;
        let mut sorted: Vec<(u64, u32)> = rows.iter().enumerate().map(|(i, row)| (*row, i as u32)).collect();
        let in_order = sorted.is_sorted();
        if !in_order {
            sorted.sort_unstable();
        }
        let mut order = vec![0; rows.len()];
        let mut groups: Vec<(usize, Vec<u32>)> = vec![];
        for (at, &(row, wanted)) in sorted.iter().enumerate() {
            order[wanted as usize] = at as u32;
            if let Some((last, rows)) = groups.last_mut()
                && row < all[*last].first_row() + all[*last].rows() as u64
            {
                rows.push((row - all[*last].first_row()) as u32);
                continue;
            }
            let group = all.partition_point(|g| g.first_row() <= row).checked_sub(1);
            let found = group.filter(|at| row < all[*at].first_row() + all[*at].rows() as u64);
            let group = found.ok_or_else(|| TableError::NoSuchRow { table: table.id(), row })?;
            groups.push((group, vec![(row - all[group].first_row()) as u32]));
        }
        Ok(Self { groups, order: (!in_order).then(|| order.into()) })
    }

    /// The values of a column, in the order in which the rows were given.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn read(&self, table: &TableSnapshot, column: usize) -> Result<ArrayRef> {
        let all = table.row_groups()?;
        let mut parts = vec![];
        for (group, rows) in &self.groups {
            all[*group].read_some(column, rows, &mut parts)?;
        }
        table.check_readable()?;
        let ty = table.definition().columns[column].ty.arrow();
        if parts.is_empty() {
            return Ok(new_empty_array(&ty));
        }
        let values = concat(&parts, &ty)?;
        match &self.order {
            Some(order) => take(&values, order, None).map_err(unexpected),
            None => Ok(values),
        }
    }
}

impl RowGroup {
    /// Reads some rows of a column, which are in order.
    fn read_some(&self, column: usize, rows: &[u32], parts: &mut Vec<ArrayRef>) -> Result<()> {
        if let Source::Fresh(group) = self.source()
            && let Content::Held(_) = group.content()
        {
            let rows = UInt32Array::from(rows.to_vec());
            parts.push(take(&self.read_column(column)?, &rows, None).map_err(unexpected)?);
            return Ok(());
        }
        let reader = self.chunk(column)?;
        let block_rows = reader.block_rows().max(1);
        for rows in rows.chunk_by(|a, b| *a as usize / block_rows == *b as usize / block_rows) {
            let within: Vec<u16> = rows.iter().map(|row| (*row as usize % block_rows) as u16).collect();
            parts.push(plain(reader.read_rows(rows[0] as usize / block_rows, &within)?)?);
        }
        Ok(())
    }
}
