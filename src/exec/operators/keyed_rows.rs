//! The rows of a recursion with keys: one for each key.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_row::{OwnedRow, RowConverter, SortField};
use arrow_select::interleave::interleave;

use super::collect::Collected;
use super::groups::rows::canonical;
use super::groups::{GroupTable, group_table};
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::cast;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::flatten;
use crate::exec::memory::{Reservation, batch_bytes};
use crate::exec::plan::KeyedAggregate;

/// How a recursion with keys works.
pub(super) struct Keying<'k> {
    pub keys: &'k [usize],
    pub aggregates: &'k [KeyedAggregate],
    /// A row that leaves its key's row as it was does not take part in the next step.
    pub distinct: bool,
    /// The step looks at all rows.
    pub wanted: bool,
}

/// The present row of each key.
pub(super) struct KeyedRows {
    keys: Vec<usize>,
    distinct: bool,
    /// The step looks at all rows.
    pub wanted: bool,
    /// The types of the rows that the steps make.
    types: Vec<LogicalType>,
    aggregates: Vec<KeyedAggregate>,
    history: History,
    table: Box<dyn GroupTable>,
    converter: RowConverter,
    /// For each key, its row for comparison, and where it lies in `batches`.
    rows: Vec<(OwnedRow, (usize, usize))>,
    batches: Vec<Batch>,
    memory: Reservation,
}

/// All rows that were made of each key, where aggregates need them.
#[derive(Default)]
struct History {
    batches: Vec<Batch>,
    /// For each key, where its rows lie.
    places: Vec<Vec<(usize, usize)>>,
    bytes: usize,
}

impl KeyedRows {
    pub fn new(types: &[LogicalType], how: &Keying<'_>, context: &Arc<ExecContext>) -> Result<Self> {
        let key_types: Vec<LogicalType> = how.keys.iter().map(|k| types[*k].clone()).collect();
        let mut fields: Vec<SortField> = types.iter().map(|t| SortField::new(t.arrow())).collect();
        for aggregate in how.aggregates {
            fields[aggregate.column] = SortField::new(aggregate.function.return_type.arrow());
        }
        Ok(Self {
            keys: how.keys.to_vec(),
            distinct: how.distinct,
            wanted: how.wanted,
            types: types.to_vec(),
            aggregates: how.aggregates.to_vec(),
            history: History::default(),
            table: group_table(&key_types)?,
            converter: RowConverter::new(fields)?,
            rows: vec![],
            batches: vec![],
            memory: Reservation::new(context),
        })
    }

    /// Puts new rows in the place of those of their keys; gives back what the next step starts from.
    pub fn take(&mut self, made: Collected) -> Result<Collected> {
        let mut changed = vec![];
        let mut bytes = 0;
        for batch in &made.batches {
            let columns = batch.columns.iter().map(flatten).collect::<Result<_>>()?;
            let batch = Batch::new(columns, batch.rows);
            let keys: Vec<_> = self.keys.iter().map(|k| batch.columns[*k].clone()).collect();
            let mut groups = vec![];
            self.table.intern(&keys, batch.rows, &mut groups)?;
            let (batch, groups) =
                if self.aggregates.is_empty() { (batch, groups) } else { self.aggregated(batch, &groups)? };
            let plain = batch.columns.iter().map(canonical).collect::<Result<Vec<_>>>()?;
            let rows = self.converter.convert_columns(&plain)?;
            let place = self.batches.len();
            for (i, group) in groups.iter().enumerate() {
                let group = *group as usize;
                let row = rows.row(i).owned();
                bytes += row.as_ref().len() + 64;
                match self.rows.get_mut(group) {
                    Some(known) if known.0 == row => {}
                    Some(known) => {
                        *known = (row, (place, i));
                        changed.push(group);
                    }
                    None => {
                        self.rows.push((row, (place, i)));
                        changed.push(group);
                    }
                }
            }
            bytes += batch_bytes(&batch);
            self.batches.push(batch);
        }
        self.memory.grow(bytes)?;
        self.memory.grow(std::mem::take(&mut self.history.bytes))?;
        let next = if self.distinct {
            changed.sort_unstable();
            changed.dedup();
            Collected { batches: self.gather(&changed)?, memory: made.memory }
        } else {
            made
        };
        if self.batches.len() > 64 {
            self.compact()?;
        }
        Ok(next)
    }

    /// The rows of the keys of new rows: the last of each, with the aggregates over all of them.
    fn aggregated(&mut self, batch: Batch, groups: &[u32]) -> Result<(Batch, Vec<u32>)> {
        let history = &mut self.history;
        history.bytes += batch_bytes(&batch) + groups.len() * size_of::<(usize, usize)>();
        let place = history.batches.len();
        let mut touched: Vec<u32> = vec![];
        for (i, group) in groups.iter().enumerate() {
            if *group as usize >= history.places.len() {
                history.places.resize_with(*group as usize + 1, Vec::new);
            }
            let rows = &mut history.places[*group as usize];
            if rows.last().is_none_or(|(of, _)| *of != place) {
                touched.push(*group);
            }
            rows.push((place, i));
        }
        let width = batch.columns.len();
        history.batches.push(batch);
        let of = |group: &u32| &history.places[*group as usize];
        let last: Vec<(usize, usize)> =
            touched.iter().filter_map(|group| of(group).last().copied()).collect();
        let all: Vec<(usize, usize)> = touched.iter().flat_map(of).copied().collect();
        let owners: Vec<u32> = touched
            .iter()
            .enumerate()
            .flat_map(|(i, group)| std::iter::repeat_n(i as u32, of(group).len()))
            .collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(width);
        for column in 0..width {
            let Some(aggregate) = self.aggregates.iter().find(|a| a.column == column) else {
                columns.push(interleaved(&history.batches, column, &last)?);
                continue;
            };
            let mut args = vec![];
            for (at, ty) in aggregate.args.iter().zip(&aggregate.function.arg_types) {
                let values = interleaved(&history.batches, *at, &all)?;
                args.push(cast::cast(&values, &self.types[*at], ty, false)?);
            }
            let mut states = (aggregate.function.new_states)();
            states.resize(touched.len());
            states.update(&args, &owners)?;
            columns.push(states.finish()?);
        }
        Ok((Batch::new(columns, touched.len()), touched))
    }

    /// The present rows of some keys.
    fn gather(&self, groups: &[usize]) -> Result<Vec<Batch>> {
        let Some(first) = self.batches.first().filter(|_| !groups.is_empty()) else { return Ok(vec![]) };
        let places: Vec<(usize, usize)> = groups.iter().map(|g| self.rows[*g].1).collect();
        let columns = (0..first.columns.len())
            .map(|c| interleaved(&self.batches, c, &places))
            .collect::<Result<_>>()?;
        Ok(vec![Batch::new(columns, groups.len())])
    }

    /// All present rows.
    pub fn rows(&mut self) -> Result<Vec<Batch>> {
        self.compact()?;
        Ok(self.batches.clone())
    }

    /// Forgets rows that are no more.
    fn compact(&mut self) -> Result<()> {
        let groups: Vec<usize> = (0..self.rows.len()).collect();
        self.batches = self.gather(&groups)?;
        let mut bytes = self.table.size();
        for (i, (row, place)) in self.rows.iter_mut().enumerate() {
            *place = (0, i);
            bytes += row.as_ref().len() + 64;
        }
        let history = &self.history;
        bytes += history.places.iter().map(|rows| rows.len() * size_of::<(usize, usize)>()).sum::<usize>();
        bytes += self.batches.iter().chain(&history.batches).map(batch_bytes).sum::<usize>();
        self.memory.resize(bytes)
    }
}

/// Values of a column from some places.
fn interleaved(batches: &[Batch], column: usize, places: &[(usize, usize)]) -> Result<ArrayRef> {
    let parts: Vec<&dyn Array> = batches.iter().map(|b| &*b.columns[column]).collect();
    Ok(interleave(&parts, places)?)
}
