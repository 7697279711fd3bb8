//! One worker's groups.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, UInt32Array};
use arrow_select::filter::FilterBuilder;

use super::distinct::{DistinctSet, MANY_KEYS, MOST_GROUPS, Repeats};
use super::first::{FirstGroups, Kept};
use super::merge::{Division, Shares};
use super::ordered::OrderedRows;
use super::partition::{PARTITIONS, Part, Partitioned};
use super::repeated::RepeatedGroups;
use super::{Aggregation, Feed};
use crate::column::types::LogicalType;
use crate::exec::aggregates::GroupStates;
use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::{evaluate, evaluate_predicate, flatten};
use crate::exec::expr::{AggregateCall, Expr};
use crate::exec::memory::{Account, Budget};
use crate::exec::operators::groups::hash::hash_keys;
use crate::exec::operators::groups::{FindCache, GroupTable, grouping_table};
use crate::exec::spill::partition::Partitioner;

/// One worker's groups and the states of their aggregates.
pub(super) struct Local {
    /// None without keys; an error met while it was made is reported by the first push.
    pub table: Option<Result<Box<dyn GroupTable>>>,
    /// One for each call; unused until the merge by those that are not [`Feed::Plain`].
    pub states: Vec<Box<dyn GroupStates>>,
    /// For each call with [`Feed::Distinct`], the distinct (group, arguments), or arguments if there are no keys.
    pub distinct: Vec<DistinctSet>,
    /// For each call with [`Feed::Ordered`], its rows.
    pub ordered: Vec<OrderedRows>,
    /// What takes the place of all these once there are too many groups.
    pub partitioned: Option<Box<Partitioned>>,
    /// Where further rows go once memory holds no more.
    pub spilled: Option<Partitioner>,
    /// Rows are not laid out by partition: they are those of one.
    settled: bool,
    full: bool,
    pub memory: Account,
    repeats: Repeats,
    repeated: RepeatedGroups,
    ids: Vec<u32>,
    filtered_ids: Vec<u32>,
    /// For looking up the groups that are kept.
    first: FindCache,
}

impl Local {
    pub fn new(aggregation: &Aggregation, budget: &Arc<Budget>) -> Self {
        let types: Vec<LogicalType> = aggregation.keys.iter().map(Expr::ty).collect();
        let grouped = !types.is_empty();
        let mut failed = None;
        let mut distinct = vec![];
        for (_, call) in aggregation.fed(Feed::Distinct) {
            match DistinctSet::new(call, grouped) {
                Ok(set) => distinct.push(set),
                Err(e) => failed = Some(e),
            }
        }
        let table = match failed {
            Some(e) => Some(Err(e)),
            None => grouped.then(|| grouping_table(&types)),
        };
        let mut states: Vec<_> = aggregation.calls.iter().map(|c| (c.function.new_states)()).collect();
        if !grouped {
            for state in &mut states {
                state.resize(1);
            }
        }
        Self {
            table,
            states,
            distinct,
            ordered: aggregation.fed(Feed::Ordered).map(|_| OrderedRows::default()).collect(),
            partitioned: None,
            spilled: None,
            settled: false,
            full: false,
            memory: Account::new(budget),
            repeats: Repeats::default(),
            repeated: RepeatedGroups::default(),
            ids: vec![],
            filtered_ids: vec![],
            first: FindCache::default(),
        }
    }

    /// Begins with the groups of one partition, whose other rows are still to come.
    pub fn of_part(aggregation: &Aggregation, part: Part, budget: &Arc<Budget>) -> Self {
        let mut local = Self::new(aggregation, budget);
        for (set, keys) in local.distinct.iter_mut().zip(part.distinct) {
            set.set_keys(keys);
        }
        Self {
            table: Some(Ok(part.table)),
            states: part.states,
            ordered: part.ordered,
            settled: true,
            ..local
        }
    }

    /// The number of groups, as far as they were looked up.
    pub fn groups(&self) -> usize {
        if self.partitioned.is_some() || self.spilled.is_some() {
            return MANY_KEYS;
        }
        match &self.table {
            None => 1,
            Some(Ok(table)) => table.len(),
            Some(Err(_)) => 0,
        }
    }

    /// The rows with these keys whose groups are kept.
    pub fn keep_first(&mut self, first: &FirstGroups, keys: &[ArrayRef], rows: usize) -> Result<Kept> {
        first.keep(keys, rows, &mut self.ids, &mut self.first)
    }

    /// Adds the rows of a batch.
    pub fn push(&mut self, aggregation: &Aggregation, sequence: u64, batch: &Batch) -> Result<()> {
        if batch.rows == 0 {
            return Ok(());
        }
        if self.spilled.is_some() {
            return self.spill_rows(aggregation, sequence, batch);
        }
        if let (Some(partitioned), Some(layout)) = (&mut self.partitioned, &aggregation.layout) {
            partitioned.push(aggregation, layout, batch)?;
            if !self.memory.fits(partitioned.size()) {
                partitioned.group_rows(aggregation, layout)?;
                self.memory.force(partitioned.size());
                self.spilled = Some(Partitioner::new(&aggregation.spill, 0));
            }
            return Ok(());
        }
        self.add(aggregation, sequence, batch)?;
        self.full = !self.memory.fits(self.size());
        if self.full && self.spill_distinct(aggregation)? {
            self.full = false;
        } else if self.full {
            if self.settled || aggregation.keys.is_empty() {
                return self.memory.settle(self.size());
            }
            self.spilled = Some(Partitioner::new(&aggregation.spill, 0));
        }
        Ok(())
    }

    /// Whether the groups took all the memory that they may when rows were added last.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Writes rows away, without the columns that nobody reads.
    fn spill_rows(&mut self, aggregation: &Aggregation, sequence: u64, batch: &Batch) -> Result<()> {
        let Some(partitioner) = &mut self.spilled else { return Ok(()) };
        let keys = aggregation.keys.iter().map(|k| evaluate(k, batch, &aggregation.context));
        let hashes = hash_keys(&keys.collect::<Result<Vec<_>>>()?, batch.rows)?;
        let mut used = vec![false; batch.columns.len()];
        let calls = aggregation.calls.iter();
        let of_calls =
            calls.flat_map(|c| c.args.iter().chain(&c.filter).chain(c.order_by.iter().map(|k| &k.expr)));
        aggregation.keys.iter().chain(of_calls).for_each(|e| mark_columns(e, &mut used));
        let nothing: ArrayRef = Arc::new(arrow_array::NullArray::new(batch.rows));
        let columns = batch.columns.iter().zip(used);
        let columns = columns.map(|(c, used)| if used { c.clone() } else { nothing.clone() }).collect();
        let tag = if aggregation.feeds.contains(&Feed::Ordered) { sequence } else { 0 };
        partitioner.push(Batch::new(columns, batch.rows), &hashes, tag)
    }

    /// Writes the rows of `DISTINCT` aggregates away, where there are more of them than groups. Whether that was so.
    pub fn spill_distinct(&mut self, aggregation: &Aggregation) -> Result<bool> {
        let held: usize = self.distinct.iter().map(DistinctSet::size).sum();
        if self.groups() > MOST_GROUPS || held < self.size() / 2 {
            return Ok(false);
        }
        for set in &mut self.distinct {
            set.spill(&aggregation.spill)?;
        }
        self.memory.force(self.size());
        Ok(true)
    }

    /// Adds rows to the groups that are looked up.
    fn add(&mut self, aggregation: &Aggregation, sequence: u64, batch: &Batch) -> Result<()> {
        let context = &*aggregation.context;
        let mut ids = None;
        let mut groups = 1;
        let mut too_many = false;
        match &mut self.table {
            None => {}
            Some(Err(e)) => return Err(e.clone()),
            Some(Ok(table)) => {
                let keys: Vec<ArrayRef> =
                    aggregation.keys.iter().map(|k| evaluate(k, batch, context)).collect::<Result<_>>()?;
                table.intern(&keys, batch.rows, &mut self.ids)?;
                ids = Some(&self.ids[..]);
                groups = table.len();
                // Rows that repeat another of their batch cost little where they are laid out.
                let rows = match &aggregation.layout {
                    Some(layout) if layout.counts_repeated && self.repeats.is_trial() => {
                        self.repeated.left(&self.ids)
                    }
                    _ => batch.rows,
                };
                too_many = self.repeats.are_few(rows, groups, table.size()) && table.is_hashed();
                for (state, feed) in self.states.iter_mut().zip(&aggregation.feeds) {
                    if !matches!(feed, Feed::Shared(_)) {
                        state.resize(groups);
                    }
                }
            }
        }
        let (mut distinct, mut ordered) = (0, 0);
        for (i, call) in aggregation.calls.iter().enumerate() {
            if matches!(aggregation.feeds[i], Feed::Shared(_)) {
                continue;
            }
            let selected;
            let mut input = batch;
            let mut input_ids = ids;
            if let Some(filter) = &call.filter {
                let mask = evaluate_predicate(filter, batch, context)?;
                if mask.true_count() < batch.rows {
                    if let Some(ids) = ids {
                        self.filtered_ids.clear();
                        self.filtered_ids.extend(mask.values().set_indices().map(|row| ids[row]));
                        input_ids = Some(&self.filtered_ids);
                    }
                    selected = keep_referenced(batch, &mask, call)?;
                    input = &selected;
                }
            }
            if input.rows == 0 {
                distinct += usize::from(aggregation.feeds[i] == Feed::Distinct);
                ordered += usize::from(aggregation.feeds[i] == Feed::Ordered);
                continue;
            }
            let mut args: Vec<ArrayRef> = vec![];
            for arg in &call.args {
                args.push(evaluate(arg, input, context)?);
            }
            match aggregation.feeds[i] {
                Feed::Plain => {
                    for arg in &mut args {
                        *arg = flatten(arg)?;
                    }
                    match input_ids {
                        Some(ids) => self.states[i].update(&args, ids)?,
                        None => self.states[i].update_single(&args, input.rows)?,
                    }
                }
                Feed::Distinct => {
                    if let Some(ids) = input_ids {
                        args.insert(0, Arc::new(UInt32Array::from(ids.to_vec())));
                    }
                    self.distinct[distinct].push(args, input.rows, groups)?;
                    distinct += 1;
                }
                Feed::Ordered => {
                    let ids = match input_ids {
                        Some(ids) => ids.to_vec(),
                        None => vec![0; input.rows],
                    };
                    let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(ids))];
                    columns.extend(args);
                    for key in &call.order_by {
                        columns.push(evaluate(&key.expr, input, context)?);
                    }
                    self.ordered[ordered].push(sequence, Batch::new(columns, input.rows));
                    ordered += 1;
                }
                Feed::Shared(_) => {}
            }
        }
        if too_many
            && !self.settled
            && let Some(layout) = &aggregation.layout
            && !self.distinct.iter().any(DistinctSet::is_spilled)
        {
            let bytes = self.size();
            let (states, distinct) = (std::mem::take(&mut self.states), std::mem::take(&mut self.distinct));
            let shares = Shares::new(
                self.take_table()?,
                states,
                distinct,
                vec![],
                Division::Hash(PARTITIONS),
                &aggregation.spill,
            )?;
            let partitioned = Partitioned::new(aggregation, layout, shares, bytes)?;
            self.partitioned = Some(Box::new(partitioned));
        }
        Ok(())
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        if let Some(partitioned) = &self.partitioned {
            return partitioned.size();
        }
        let table = match &self.table {
            Some(Ok(table)) => table.size(),
            _ => 0,
        };
        table
            + self.states.iter().map(|s| s.size()).sum::<usize>()
            + self.distinct.iter().map(DistinctSet::size).sum::<usize>()
            + self.ordered.iter().map(OrderedRows::size).sum::<usize>()
    }

    /// The table of a grouped aggregation.
    pub fn take_table(&mut self) -> Result<Box<dyn GroupTable>> {
        self.table
            .take()
            .unwrap_or_else(|| Err(ExecError::Internal("an aggregation without keys has no table".into())))
    }
}

/// The rows where the mask is true, in the columns that the arguments and the order of a call refer to; the others
/// are left as they are, with the wrong number of rows, and nobody looks at them.
fn keep_referenced(batch: &Batch, mask: &BooleanArray, call: &AggregateCall) -> Result<Batch> {
    let mut used = vec![false; batch.columns.len()];
    let exprs = call.args.iter().chain(call.order_by.iter().map(|k| &k.expr));
    for expr in exprs {
        mark_columns(expr, &mut used);
    }
    let filter = FilterBuilder::new(mask).build();
    let columns = batch
        .columns
        .iter()
        .zip(used)
        .map(|(c, used)| if used { Ok(filter.filter(c)?) } else { Ok(c.slice(0, 0)) })
        .collect::<Result<Vec<_>>>()?;
    Ok(Batch { columns, rows: mask.true_count() })
}

fn mark_columns(expr: &Expr, used: &mut [bool]) {
    if let Expr::Column { index, .. } = expr
        && let Some(used) = used.get_mut(*index)
    {
        *used = true;
    }
    for child in expr.children() {
        mark_columns(child, used);
    }
}
