//! Groups by partition of their keys' hashes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt16Type, UInt64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, UInt16Array, UInt64Array};
use arrow_schema::DataType;
use arrow_select::filter::filter;

use super::distinct::distinct_set;
use super::merge::{Shares, remap, take_all};
use super::ordered::OrderedRows;
use super::repeated::Repeated;
use super::scatter::{Scatter, can_scatter};
use super::{Aggregation, Feed};
use crate::column::types::LogicalType;
use crate::exec::aggregates::GroupStates;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::eval::{evaluate, flatten};
use crate::exec::expr::{AggregateCall, Expr};
use crate::exec::operators::groups::hash::{KeyHasher, is_text};
use crate::exec::operators::groups::key_set::KeySet;
use crate::exec::operators::groups::{GroupTable, MISSING, partition_table};

/// Partitions of rows that are laid out before they are grouped.
pub(super) const PARTITIONS: usize = 128;
/// Laid-out rows of a worker are grouped when they take this share of the memory limit.
const SCATTERED_SHARE: u64 = 16;
/// But not before they take this many bytes.
const SCATTERED_MIN: usize = 64 << 20;

/// The type of how often a row came.
const TIMES: DataType = DataType::UInt16;

/// How rows are laid out by partition: which columns, and what they are for.
pub(super) struct Layout {
    /// Keys, arguments and filters, each once.
    inputs: Vec<Expr>,
    /// Layouts of the inputs, of the hashes of texts behind them, and of how often each row came.
    types: Vec<DataType>,
    /// Which input each key is.
    keys: Vec<usize>,
    calls: Vec<CallInputs>,
    /// Whether rows that repeat another are laid out once, with the number of times in a last column.
    pub counts_repeated: bool,
}

struct CallInputs {
    args: Vec<usize>,
    filter: Option<usize>,
}

impl Layout {
    /// `None` if some column cannot be laid out.
    pub fn new(keys: &[Expr], calls: &[AggregateCall]) -> Option<Self> {
        if keys.is_empty() {
            return None;
        }
        let mut inputs: Vec<Expr> = vec![];
        let mut place = |e: &Expr| {
            let same = |known: &Expr| match (known, e) {
                (Expr::Column { index: a, .. }, Expr::Column { index: b, .. }) => a == b,
                _ => false,
            };
            inputs.iter().position(same).unwrap_or_else(|| {
                inputs.push(e.clone());
                inputs.len() - 1
            })
        };
        let key_inputs = keys.iter().map(&mut place).collect();
        let mut call_inputs = vec![];
        for call in calls {
            // A filter may keep arguments from being evaluated where they cannot be.
            let bare = |e: &Expr| matches!(e, Expr::Column { .. } | Expr::Literal { .. });
            if call.filter.is_some() && !call.args.iter().all(bare) {
                return None;
            }
            let args = call.args.iter().map(&mut place).collect();
            call_inputs.push(CallInputs { args, filter: call.filter.as_ref().map(&mut place) });
        }
        let mut types: Vec<DataType> = inputs.iter().map(|e| e.ty().arrow()).collect();
        let texts = keys.iter().filter(|k| is_text(&k.ty().arrow())).count();
        types.extend(std::iter::repeat_n(DataType::UInt64, texts));
        let counts = |call: &AggregateCall| {
            let mut states = (call.function.new_states)();
            call.filter.is_none() && matches!(states.update_repeated(&[], &[], &[]), Ok(true))
        };
        let counts_repeated = calls.iter().all(counts);
        if counts_repeated {
            types.push(TIMES);
        }
        let keys = key_inputs;
        types.iter().all(can_scatter).then_some(Self {
            inputs,
            types,
            keys,
            calls: call_inputs,
            counts_repeated,
        })
    }

    fn key_columns(&self, columns: &[ArrayRef]) -> Vec<ArrayRef> {
        self.keys.iter().map(|&k| columns[k].clone()).collect()
    }
}

/// One worker's groups, partition by partition, and rows that are not grouped yet.
pub(super) struct Partitioned {
    pub groups: Groups,
    pub scatter: Scatter,
    hasher: KeyHasher,
    repeated: Repeated,
    /// Bytes of rows after which they are grouped.
    budget: usize,
    /// Bytes of the groups.
    grouped: usize,
}

/// The groups of a worker that lays out its rows.
pub(super) enum Groups {
    /// Those of the table that it had before. They wait for the merge, so that they need not be looked up here too.
    Begun(Shares),
    /// Those of each partition, as rows were grouped before the merge.
    Parts(Vec<Part>),
}

impl Partitioned {
    /// Begins with the groups of a table, which took so many bytes.
    pub fn new(aggregation: &Aggregation, layout: &Layout, begun: Shares, bytes: usize) -> Result<Self> {
        let context = &aggregation.context;
        let share = context.memory.limit() / SCATTERED_SHARE / context.threads as u64;
        Ok(Self {
            groups: Groups::Begun(begun),
            scatter: Scatter::new(&layout.types, PARTITIONS)?,
            hasher: KeyHasher::default(),
            repeated: Repeated::default(),
            budget: usize::try_from(share).unwrap_or(usize::MAX).max(SCATTERED_MIN),
            grouped: bytes,
        })
    }

    /// Lays out the rows of a batch.
    pub fn push(&mut self, aggregation: &Aggregation, layout: &Layout, batch: &Batch) -> Result<()> {
        let mut columns: Vec<ArrayRef> =
            layout.inputs.iter().map(|e| input(e, batch, aggregation)).collect::<Result<_>>()?;
        self.hasher.hash(&layout.key_columns(&columns), batch.rows)?;
        let hashes = self.hasher.hashes();
        let left = if layout.counts_repeated { self.repeated.leave(&columns, hashes) } else { None };
        for hashes in self.hasher.texts() {
            columns.push(Arc::new(UInt64Array::from(hashes.clone())));
        }
        match left {
            Some(left) => {
                columns = take_all(&columns, &left.rows)?;
                let hashes = left.of(hashes);
                columns.push(Arc::new(UInt16Array::from(left.times)));
                self.scatter.push(&columns, &hashes)?;
            }
            None => {
                if layout.counts_repeated {
                    columns.push(Arc::new(UInt16Array::from(vec![1; batch.rows])));
                }
                self.scatter.push(&columns, hashes)?;
            }
        }
        if self.scatter.size() > self.budget {
            self.group_rows(aggregation, layout)?;
        }
        Ok(())
    }

    /// Groups the rows that were laid out.
    pub fn group_rows(&mut self, aggregation: &Aggregation, layout: &Layout) -> Result<()> {
        let before = self.scatter.size();
        if let Groups::Begun(shares) = &self.groups {
            let part = |p| {
                let mut part = Part::new(aggregation, false)?;
                part.add_share(aggregation, shares, p)?;
                Ok(part)
            };
            self.groups = Groups::Parts((0..PARTITIONS).map(part).collect::<Result<_>>()?);
        }
        let Groups::Parts(parts) = &mut self.groups else { return Ok(()) };
        for (part, batches) in parts.iter_mut().zip(self.scatter.take()?) {
            for batch in batches {
                part.add_rows(aggregation, layout, &batch)?;
            }
        }
        let grouped = parts.iter().map(Part::size).sum::<usize>();
        // Where groups take as much as their rows did, nothing is won by grouping early.
        if grouped - self.grouped.min(grouped) > before / 2 {
            self.budget = self.budget.saturating_mul(2);
        }
        self.grouped = grouped;
        Ok(())
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.grouped + self.scatter.size()
    }
}

/// The values of an input.
fn input(e: &Expr, batch: &Batch, aggregation: &Aggregation) -> Result<ArrayRef> {
    let value = evaluate(e, batch, &aggregation.context)?;
    // A condition may be a bare NULL.
    let bare_null = e.ty() == LogicalType::Boolean && *value.data_type() == DataType::Null;
    Ok(if bare_null { Arc::new(BooleanArray::new_null(batch.rows)) } else { value })
}

/// The groups of one partition and the states of their aggregates.
pub(super) struct Part {
    pub table: Box<dyn GroupTable>,
    /// One for each call.
    pub states: Vec<Box<dyn GroupStates>>,
    /// For each call with [`Feed::Distinct`], its distinct groups and arguments.
    pub distinct: Vec<KeySet>,
    /// For each call with [`Feed::Ordered`], its rows.
    pub ordered: Vec<OrderedRows>,
    ids: Vec<u32>,
}

impl Part {
    /// No groups. If `sharing`, the buffers of their texts are those of the rows, which are kept anyway.
    pub fn new(aggregation: &Aggregation, sharing: bool) -> Result<Self> {
        let types: Vec<LogicalType> = aggregation.keys.iter().map(Expr::ty).collect();
        Ok(Self {
            table: partition_table(&types, sharing)?,
            states: aggregation.calls.iter().map(|c| (c.function.new_states)()).collect(),
            distinct: aggregation
                .fed(Feed::Distinct)
                .map(|(_, call)| distinct_set(call, true))
                .collect::<Result<_>>()?,
            ordered: aggregation.fed(Feed::Ordered).map(|_| OrderedRows::default()).collect(),
            ids: vec![],
        })
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.table.size()
            + self.states.iter().map(|s| s.size()).sum::<usize>()
            + self.distinct.iter().map(KeySet::size).sum::<usize>()
    }

    /// Adds rows that were laid out.
    pub fn add_rows(&mut self, aggregation: &Aggregation, layout: &Layout, batch: &Batch) -> Result<()> {
        let mut columns = &batch.columns[..];
        let mut times = None;
        if let (true, Some((last, others))) = (layout.counts_repeated, columns.split_last()) {
            columns = others;
            times = Some(&last.as_primitive::<UInt16Type>().values()[..]);
        }
        let texts: Vec<&[u64]> = columns[layout.inputs.len()..]
            .iter()
            .map(|hashes| &hashes.as_primitive::<UInt64Type>().values()[..])
            .collect();
        self.table.intern_hashed(&layout.key_columns(columns), &texts, batch.rows, &mut self.ids)?;
        let groups = self.table.len();
        let mut distinct = self.distinct.iter_mut();
        for ((state, inputs), feed) in self.states.iter_mut().zip(&layout.calls).zip(&aggregation.feeds) {
            if matches!(feed, Feed::Shared(_)) {
                continue;
            }
            state.resize(groups);
            let mut args: Vec<ArrayRef> = inputs.args.iter().map(|&a| columns[a].clone()).collect();
            let mut ids = &self.ids;
            let kept: Vec<u32>;
            if let Some(mask) = inputs.filter.map(|f| columns[f].as_boolean()) {
                let passes = |i: usize| mask.is_valid(i) && mask.value(i);
                kept = ids.iter().enumerate().filter(|(i, _)| passes(*i)).map(|(_, id)| *id).collect();
                if kept.len() < ids.len() {
                    args = args.iter().map(|a| Ok(filter(a, mask)?)).collect::<Result<_>>()?;
                    ids = &kept;
                }
            }
            if *feed == Feed::Distinct {
                let Some(set) = distinct.next() else { continue };
                args.insert(0, Arc::new(arrow_array::UInt32Array::from(ids.clone())));
                set.insert(&args, ids.len())?;
            } else if !ids.is_empty() {
                for arg in &mut args {
                    *arg = flatten(arg)?;
                }
                match times {
                    // The layout says that it can.
                    Some(times) => {
                        state.update_repeated(&args, ids, times)?;
                    }
                    None => state.update(&args, ids)?,
                }
            }
        }
        Ok(())
    }

    /// Adds the groups of partition `p` of a worker's table.
    pub fn add_share(&mut self, aggregation: &Aggregation, share: &Shares, p: usize) -> Result<()> {
        let from = &share.picks[p];
        let texts = share.hashes_of_texts(from);
        let texts: Vec<&[u64]> = texts.iter().map(|hashes| &hashes[..]).collect();
        self.table.intern_hashed(&take_all(&share.keys, from)?, &texts, from.len(), &mut self.ids)?;
        for (i, state) in self.states.iter_mut().enumerate() {
            state.resize(self.table.len());
            if aggregation.feeds[i] == Feed::Plain {
                state.merge(&mut **share.states[i].lock(), from.values(), &self.ids)?;
            }
        }
        if self.distinct.is_empty() && self.ordered.is_empty() {
            return Ok(());
        }
        let mut map = vec![MISSING; share.keys.first().map_or(0, Array::len)];
        from.values().iter().zip(&self.ids).for_each(|(&f, &t)| map[f as usize] = t);
        for (set, (columns, picks)) in self.distinct.iter_mut().zip(&share.distinct) {
            let mut picked = take_all(columns, &picks[p])?;
            picked[0] = remap(&picked[0], &map);
            set.insert(&picked, picks[p].len())?;
        }
        for (rows, parts) in self.ordered.iter_mut().zip(&share.ordered) {
            rows.append(std::mem::take(&mut *parts[p].lock()), &map);
        }
        Ok(())
    }

    /// The numbers that the groups of partition `p` of a worker's table have here.
    pub fn numbers(&mut self, share: &Shares, p: usize) -> Result<Vec<u32>> {
        let from = &share.picks[p];
        self.table.intern(&take_all(&share.keys, from)?, from.len(), &mut self.ids)?;
        let mut map = vec![MISSING; share.keys.first().map_or(0, Array::len)];
        from.values().iter().zip(&self.ids).for_each(|(&f, &t)| map[f as usize] = t);
        Ok(map)
    }

    /// Adds the groups of the same partition of another worker.
    pub fn add_part(&mut self, aggregation: &Aggregation, mut other: Self) -> Result<()> {
        let groups = other.table.len();
        self.table.intern(&other.table.take_keys()?, groups, &mut self.ids)?;
        let from: Vec<u32> = (0..groups as u32).collect();
        for (i, (state, other)) in self.states.iter_mut().zip(&mut other.states).enumerate() {
            state.resize(self.table.len());
            other.resize(groups);
            if aggregation.feeds[i] == Feed::Plain {
                state.merge(&mut **other, &from, &self.ids)?;
            }
        }
        for (set, mut other) in self.distinct.iter_mut().zip(other.distinct) {
            let rows = other.len();
            let mut columns = other.take_keys()?;
            columns[0] = remap(&columns[0], &self.ids);
            set.insert(&columns, rows)?;
        }
        Ok(())
    }

    /// Key columns and finished aggregates side by side.
    pub fn finish(mut self, aggregation: &Aggregation) -> Result<Batch> {
        let groups = self.table.len();
        for ((i, _), mut set) in aggregation.fed(Feed::Distinct).zip(self.distinct) {
            self.states[i].resize(groups);
            super::merge::feed_distinct(&mut *self.states[i], set.take_keys()?, true)?;
        }
        let mut results = super::merge::results(&mut self.states, &aggregation.feeds, groups)?;
        let wanted = match &aggregation.bound {
            Some(bound) => bound.wanted(&results, groups, &aggregation.context)?,
            None => None,
        };
        let Some(wanted) = wanted else {
            let mut columns = self.table.take_keys()?;
            columns.extend(results);
            return Ok(Batch::new(columns, groups));
        };
        // The keys of the others, which may be long texts, are not even looked at.
        let mut columns = self.table.take_keys_of(&wanted)?;
        results = take_all(&results, &wanted)?;
        columns.extend(results);
        Ok(Batch::new(columns, wanted.len()))
    }
}
