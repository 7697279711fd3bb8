//! From the workers' groups to the result.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;
use parking_lot::Mutex;

use super::local::{Local, distinct_table};
use super::{Aggregation, Feed};
use crate::column::types::LogicalType;
use crate::exec::aggregates::GroupStates;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::expr::Expr;
use crate::exec::memory::Reservation;
use crate::exec::operators::groups::hash::hash_keys;
use crate::exec::operators::groups::{GroupTable, MISSING, group_table};
use crate::exec::scheduler::parallel;

/// Up to this many groups one thread merges faster than several.
const FEW_GROUPS: usize = 1 << 15;
/// A partition's table should stay in the caches.
const GROUPS_PER_PARTITION: usize = 1 << 15;
const MAX_PARTITIONS: usize = 256;

/// Merges the workers' groups and computes the results.
pub(super) fn finish(aggregation: &Aggregation, mut locals: Vec<Local>) -> Result<Vec<Batch>> {
    for local in &mut locals {
        if let Some(Err(e)) = &local.table {
            return Err(e.clone());
        }
    }
    // Workers that came too late to see a row.
    if locals.len() > 1 {
        locals.sort_by_key(|l| std::cmp::Reverse(l.groups()));
        while locals.len() > 1 && locals.last().is_some_and(|l| l.groups() == 0) {
            locals.pop();
        }
    }
    let groups: usize = locals.iter().map(Local::groups).sum();
    let ordered = aggregation.feeds.contains(&Feed::Ordered);
    if locals.len() == 1 || groups <= FEW_GROUPS || ordered {
        merge_into_first(aggregation, locals)
    } else {
        merge_partitions(aggregation, locals, groups)
    }
}

/// Key columns and finished aggregates side by side.
fn result(mut keys: Vec<ArrayRef>, states: &mut [Box<dyn GroupStates>], groups: usize) -> Result<Batch> {
    for state in states {
        state.resize(groups);
        keys.push(state.finish()?);
    }
    Ok(Batch::new(keys, groups))
}

fn merge_into_first(aggregation: &Aggregation, locals: Vec<Local>) -> Result<Vec<Batch>> {
    let mut locals = locals.into_iter();
    let Some(mut first) = locals.next() else { return Ok(vec![]) };
    let grouped = !aggregation.keys.is_empty();
    let mut table = if grouped { Some(first.take_table()?) } else { None };
    let mut distinct: Vec<Vec<DistinctRows>> = first.distinct.drain(..).map(|t| vec![(t, None)]).collect();
    for mut other in locals {
        let mut map = vec![0];
        if let Some(table) = &mut table {
            let mut other_table = other.take_table()?;
            let rows = other_table.len();
            table.intern(&other_table.take_keys()?, rows, &mut map)?;
        }
        let groups = table.as_ref().map_or(1, |t| t.len());
        let from: Vec<u32> = (0..map.len() as u32).collect();
        for (i, (state, other)) in first.states.iter_mut().zip(&mut other.states).enumerate() {
            state.resize(groups);
            if aggregation.feeds[i] == Feed::Plain {
                state.merge(&mut **other, &from, &map)?;
            }
        }
        for (tables, other) in distinct.iter_mut().zip(other.distinct) {
            tables.push((other, Some(map.clone())));
        }
        for (rows, other) in first.ordered.iter_mut().zip(other.ordered) {
            rows.append(other, &map);
        }
    }
    for ((i, call), tables) in aggregation.fed(Feed::Distinct).zip(distinct) {
        for columns in merge_distinct(aggregation, call, tables)? {
            feed_distinct(&mut *first.states[i], columns, grouped)?;
        }
    }
    for ((i, call), rows) in aggregation.fed(Feed::Ordered).zip(first.ordered) {
        rows.feed(call, &mut *first.states[i])?;
    }
    let groups = table.as_ref().map_or(1, |t| t.len());
    let keys = table.map_or(Ok(vec![]), |mut t| t.take_keys())?;
    Ok(vec![result(keys, &mut first.states, groups)?])
}

/// Gives distinct rows to the states of their groups. The first column is the group, if there are keys.
fn feed_distinct(states: &mut dyn GroupStates, mut columns: Vec<ArrayRef>, grouped: bool) -> Result<()> {
    if grouped {
        let groups = columns.remove(0);
        states.update(&columns, groups.as_primitive::<UInt32Type>().values())
    } else {
        let rows = columns.first().map_or(0, |c| c.len());
        states.update_single(&columns, rows)
    }
}

/// One worker's distinct rows of one aggregate, and the numbers of its groups in the result, if they are others
/// than its own.
type DistinctRows = (Box<dyn GroupTable>, Option<Vec<u32>>);

/// The distinct rows of several tables, in pieces that have no row in common.
fn merge_distinct(
    aggregation: &Aggregation,
    call: &crate::exec::expr::AggregateCall,
    mut tables: Vec<DistinctRows>,
) -> Result<Vec<Vec<ArrayRef>>> {
    let grouped = !aggregation.keys.is_empty();
    if tables.len() == 1 {
        return tables.iter_mut().map(|(t, _)| t.take_keys()).collect();
    }
    let context = &*aggregation.context;
    let rows: usize = tables.iter().map(|(t, _)| t.len()).sum();
    let partitions = partition_count(rows, context.threads);
    let tables: Vec<Mutex<_>> = tables.into_iter().map(Mutex::new).collect();
    let split = parallel(context, tables.len(), |t| {
        let (table, map) = &mut *tables[t].lock();
        let rows = table.len();
        let mut columns = table.take_keys()?;
        if let (true, Some(map)) = (grouped, map) {
            columns[0] = remap(&columns[0], map);
        }
        let hashes = hash_keys(&columns, rows)?;
        Ok((columns, split_by(rows, partitions, |row| partition_of(hashes[row], partitions))))
    })?;
    parallel(context, partitions, |p| {
        let mut merged = distinct_table(call, grouped)?;
        let mut memory = Reservation::new(&aggregation.context);
        let mut ids = vec![];
        for (columns, picks) in &split {
            let picked = take_all(columns, &picks[p])?;
            merged.intern(&picked, picks[p].len(), &mut ids)?;
            memory.resize(merged.size())?;
        }
        merged.take_keys()
    })
}

fn remap(groups: &ArrayRef, map: &[u32]) -> ArrayRef {
    let groups = groups.as_primitive::<UInt32Type>().values();
    Arc::new(UInt32Array::from_iter_values(groups.iter().map(|&g| map[g as usize])))
}

fn take_all(columns: &[ArrayRef], picks: &UInt32Array) -> Result<Vec<ArrayRef>> {
    columns.iter().map(|c| Ok(take(c, picks, None)?)).collect()
}

fn partition_count(rows: usize, threads: usize) -> usize {
    if rows <= FEW_GROUPS {
        return 1;
    }
    (rows / GROUPS_PER_PARTITION).max(threads * 2).clamp(1, MAX_PARTITIONS).next_power_of_two()
}

/// By the highest bits: the tables use those below.
fn partition_of(hash: u64, partitions: usize) -> usize {
    if partitions == 1 { 0 } else { (hash >> (64 - partitions.trailing_zeros())) as usize }
}

/// The rows of each partition.
fn split_by(rows: usize, partitions: usize, partition: impl Fn(usize) -> usize) -> Vec<UInt32Array> {
    let mut picks: Vec<Vec<u32>> = vec![Vec::with_capacity(rows / partitions + 16); partitions];
    for row in 0..rows {
        picks[partition(row)].push(row as u32);
    }
    picks.into_iter().map(UInt32Array::from).collect()
}

/// One worker's groups, taken apart for the merge.
struct Shares {
    keys: Vec<ArrayRef>,
    /// Groups of each partition.
    picks: Vec<UInt32Array>,
    /// Locked for one merge at a time.
    states: Vec<Mutex<Box<dyn GroupStates>>>,
    /// For each distinct aggregate, group and arguments, and the rows of each partition.
    distinct: Vec<(Vec<ArrayRef>, Vec<UInt32Array>)>,
    /// What the worker's tables and states took; most of it is still there.
    _memory: Reservation,
}

fn merge_partitions(aggregation: &Aggregation, locals: Vec<Local>, groups: usize) -> Result<Vec<Batch>> {
    let context = &*aggregation.context;
    let partitions = partition_count(groups, context.threads);
    let locals: Vec<Mutex<Option<Local>>> = locals.into_iter().map(|l| Mutex::new(Some(l))).collect();
    let shares: Vec<Shares> = parallel(context, locals.len(), |t| {
        let local = locals[t].lock().take();
        let mut local =
            local.ok_or_else(|| crate::exec::error::ExecError::Internal("merged twice".into()))?;
        let mut table = local.take_table()?;
        let rows = table.len();
        let keys = table.take_keys()?;
        drop(table);
        let hashes = hash_keys(&keys, rows)?;
        let picks = split_by(rows, partitions, |row| partition_of(hashes[row], partitions));
        let distinct = local
            .distinct
            .into_iter()
            .map(|mut table| {
                let rows = table.len();
                let columns = table.take_keys()?;
                let groups = columns[0].as_primitive::<UInt32Type>().values().clone();
                let picks =
                    split_by(rows, partitions, |row| partition_of(hashes[groups[row] as usize], partitions));
                Ok((columns, picks))
            })
            .collect::<Result<_>>()?;
        Ok(Shares {
            keys,
            picks,
            states: local.states.into_iter().map(Mutex::new).collect(),
            distinct,
            _memory: local.memory,
        })
    })?;
    let types: Vec<LogicalType> = aggregation.keys.iter().map(Expr::ty).collect();
    parallel(context, partitions, |p| merge_partition(aggregation, &types, &shares, p))
}

fn merge_partition(
    aggregation: &Aggregation,
    types: &[LogicalType],
    shares: &[Shares],
    p: usize,
) -> Result<Batch> {
    let mut memory = Reservation::new(&aggregation.context);
    let mut table = group_table(types)?;
    let mut states: Vec<_> = aggregation.calls.iter().map(|c| (c.function.new_states)()).collect();
    let mut distinct = aggregation
        .fed(Feed::Distinct)
        .map(|(_, call)| distinct_table(call, true))
        .collect::<Result<Vec<_>>>()?;
    let (mut to, mut map, mut ids) = (vec![], vec![], vec![]);
    for turn in 0..shares.len() {
        // Partitions begin with different workers, so that their merges rarely wait for each other.
        let share = &shares[(p + turn) % shares.len()];
        let from = &share.picks[p];
        table.intern(&take_all(&share.keys, from)?, from.len(), &mut to)?;
        for (i, state) in states.iter_mut().enumerate() {
            state.resize(table.len());
            if aggregation.feeds[i] == Feed::Plain {
                state.merge(&mut **share.states[i].lock(), from.values(), &to)?;
            }
        }
        if !distinct.is_empty() {
            map.clear();
            map.resize(share.keys.first().map_or(0, |k| k.len()), MISSING);
            from.values().iter().zip(&to).for_each(|(&f, &t)| map[f as usize] = t);
        }
        for (table, (columns, picks)) in distinct.iter_mut().zip(&share.distinct) {
            let mut picked = take_all(columns, &picks[p])?;
            picked[0] = remap(&picked[0], &map);
            table.intern(&picked, picks[p].len(), &mut ids)?;
        }
        let held = table.size()
            + states.iter().map(|s| s.size()).sum::<usize>()
            + distinct.iter().map(|t| t.size()).sum::<usize>();
        memory.resize(held)?;
    }
    for ((i, _), mut table) in aggregation.fed(Feed::Distinct).zip(distinct) {
        feed_distinct(&mut *states[i], table.take_keys()?, true)?;
    }
    let groups = table.len();
    result(table.take_keys()?, &mut states, groups)
}
