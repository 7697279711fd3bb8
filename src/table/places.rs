//! Rows of a table by where they are.

use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array, new_empty_array};
use arrow_select::take::take;

use crate::table::decode::{concat, plain, unexpected};
use crate::table::error::{Result, TableError};
use crate::table::fresh::Content;
use crate::table::row_group::{RowGroup, Source};
use crate::table::snapshot::TableSnapshot;

/// Rows of a block that are read one by one.
const FEW_ROWS: usize = 64;

/// Rows, by row group and in the order they have in it.
#[derive(Debug, Default)]
pub struct Places {
    groups: Vec<(Arc<RowGroup>, Vec<u32>)>,
    /// Where each wanted row is among those of `groups`; `None` if that is their order.
    order: Option<UInt32Array>,
}

impl Places {
    /// The places of rows with these numbers.
    ///
    /// # Errors
    /// There is no such row.
    pub fn of(table: &TableSnapshot, rows: &[u64]) -> Result<Self> {
        table.list_for(rows.len())?;
        let mut place: Option<Arc<RowGroup>> = None;
        let places = rows.iter().map(|&row| {
            let has = |group: &Arc<RowGroup>| {
                (group.first_row()..group.first_row() + group.rows() as u64).contains(&row)
            };
            if !place.as_ref().is_some_and(has) {
                place = table.row_group_of(row)?;
            }
            let group = place.clone().ok_or_else(|| TableError::NoSuchRow { table: table.id(), row })?;
            let offset = (row - group.first_row()) as u32;
            Ok((group, offset))
        });
        let places = places.collect::<Result<Vec<_>>>()?;
        let places: Vec<(&Arc<RowGroup>, u32)> = places.iter().map(|(group, row)| (group, *row)).collect();
        Ok(Self::at(&places))
    }

    /// Rows of row groups of one version of a table.
    pub fn at(places: &[(&Arc<RowGroup>, u32)]) -> Self {
        let mut sorted: Vec<(usize, u32, u32)> =
            places.iter().zip(0..).map(|((group, row), wanted)| (group.index(), *row, wanted)).collect();
        let in_order = sorted.is_sorted();
        if !in_order {
            sorted.sort_unstable();
        }
        let mut groups: Vec<(Arc<RowGroup>, Vec<u32>)> = vec![];
        for &(index, row, wanted) in &sorted {
            match groups.last_mut() {
                Some((group, rows)) if group.index() == index => rows.push(row),
                _ => groups.push((Arc::clone(places[wanted as usize].0), vec![row])),
            }
        }
        let order = (!in_order).then(|| {
            let mut order = vec![0; sorted.len()];
            sorted.iter().zip(0..).for_each(|(&(.., wanted), at)| order[wanted as usize] = at);
            order.into()
        });
        Self { groups, order }
    }

    /// Rows of one row group.
    pub fn of_group(group: &Arc<RowGroup>, rows: &[u32]) -> Self {
        if rows.is_sorted() {
            return Self { groups: vec![(Arc::clone(group), rows.to_vec())], order: None };
        }
        Self::at(&rows.iter().map(|row| (group, *row)).collect::<Vec<_>>())
    }

    /// The values of a column, in the order in which the rows were given.
    ///
    /// # Panics
    /// If the table has no such column.
    pub fn read(&self, table: &TableSnapshot, column: usize) -> Result<ArrayRef> {
        let mut parts = vec![];
        for (group, rows) in &self.groups {
            group.read_some(column, rows, &mut parts)?;
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
    /// Whether its columns are in memory as arrays, so that reading one costs nothing.
    pub fn is_held(&self) -> bool {
        matches!(self.source(), Source::Fresh(group) if matches!(group.content(), Content::Held(_)))
    }

    /// Reads some rows of a column, which are in order.
    fn read_some(&self, column: usize, rows: &[u32], parts: &mut Vec<ArrayRef>) -> Result<()> {
        if self.is_held() {
            let rows = UInt32Array::from(rows.to_vec());
            parts.push(take(&self.read_column(column)?, &rows, None).map_err(unexpected)?);
            return Ok(());
        }
        let reader = self.chunk(column)?;
        let block_rows = reader.block_rows().max(1);
        for rows in rows.chunk_by(|a, b| *a as usize / block_rows == *b as usize / block_rows) {
            let within: Vec<u16> = rows.iter().map(|row| (*row as usize % block_rows) as u16).collect();
            let block = rows[0] as usize / block_rows;
            let few = within.len() <= FEW_ROWS;
            let values =
                if few { reader.read_few(block, &within)? } else { reader.read_rows(block, &within)? };
            parts.push(plain(values)?);
        }
        Ok(())
    }
}
