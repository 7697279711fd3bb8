//! Aggregates with an order of their own: `string_agg(name, ',' ORDER BY time)`.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, UInt32Array};

use super::distinct::distinct_set;
use super::merge::{split_by, take_all};
use crate::exec::aggregates::GroupStates;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::eval::flatten;
use crate::exec::expr::AggregateCall;
use crate::exec::memory::batch_bytes;
use crate::exec::operators::coalesce::concat_batches;
use crate::exec::operators::sort::keys::KeyEncoder;

/// The rows of one ordered aggregate: group, arguments, order keys; with the number of their morsel.
#[derive(Default)]
pub(super) struct OrderedRows {
    rows: Vec<(u64, Batch)>,
    bytes: usize,
}

impl OrderedRows {
    pub fn push(&mut self, sequence: u64, batch: Batch) {
        self.bytes += batch_bytes(&batch);
        self.rows.push((sequence, batch));
    }

    pub fn size(&self) -> usize {
        self.bytes
    }

    /// Takes the rows of another worker, whose group `i` is group `map[i]` here.
    pub fn append(&mut self, mut other: Self, map: &[u32]) {
        for (_, batch) in &mut other.rows {
            if let Some(groups) = batch.columns.first_mut() {
                let mapped = groups.as_primitive::<UInt32Type>().values().iter().map(|&g| map[g as usize]);
                *groups = std::sync::Arc::new(UInt32Array::from_iter_values(mapped));
            }
        }
        self.rows.extend(other.rows);
        self.bytes += other.bytes;
    }

    /// The rows of each partition of the groups.
    pub fn split(self, partitions: usize, partition: impl Fn(u32) -> usize) -> Result<Vec<Self>> {
        let mut parts: Vec<Self> = (0..partitions).map(|_| Self::default()).collect();
        for (sequence, batch) in self.rows {
            let groups = batch.columns[0].as_primitive::<UInt32Type>().values();
            for (part, picks) in
                parts.iter_mut().zip(split_by(batch.rows, partitions, |row| partition(groups[row])))
            {
                if !picks.is_empty() {
                    part.push(sequence, Batch::new(take_all(&batch.columns, &picks)?, picks.len()));
                }
            }
        }
        Ok(parts)
    }

    /// Gives all rows to the states, in order.
    pub fn feed(self, call: &AggregateCall, states: &mut dyn GroupStates) -> Result<()> {
        let mut rows = self.rows;
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_by_key(|(sequence, _)| *sequence);
        let all = concat_batches(rows.into_iter().map(|(_, b)| b).collect())?;
        let width = 1 + call.args.len();
        let order = KeyEncoder::new(&call.order_by)?.sort_indices(&all.columns[width..])?;
        let mut columns: Vec<ArrayRef> = vec![];
        for column in &all.columns[..width] {
            columns.push(flatten(&arrow_select::take::take(column, &order, None)?)?);
        }
        if call.distinct {
            let mut set = distinct_set(call, true)?;
            set.insert(&columns, all.rows)?;
            columns = set.take_keys()?;
        }
        let groups = columns.remove(0);
        states.update(&columns, groups.as_primitive::<UInt32Type>().values())
    }
}
