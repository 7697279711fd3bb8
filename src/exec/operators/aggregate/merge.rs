//! From the workers' groups to the result.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, UInt32Array};
use arrow_select::take::take;
use parking_lot::Mutex;

use super::distinct::{DistinctRows, DistinctSet, merge_distinct};
use super::local::Local;
use super::ordered::OrderedRows;
use super::partition::{Groups, PARTITIONS, Part, Partitioned};
use super::{Aggregation, Feed, spilled};
use crate::exec::aggregates::GroupStates;
use crate::exec::batch::Batch;
use crate::exec::error::{ExecError, Result};
use crate::exec::memory::{Account, Reservation};
use crate::exec::operators::groups::GroupTable;
use crate::exec::operators::groups::hash::{KeyHasher, hash_keys};
use crate::exec::operators::groups::words::each_integer;
use crate::exec::pipeline::{BatchesSource, LazySource, split_batch};
use crate::exec::scheduler::parallel;
use crate::exec::source::SourceScan;
use crate::exec::spill::partition::PARTITIONS as PARTITIONS_ON_DISK;
use crate::exec::spill::{Chunk, Spill};

/// Up to this many groups one thread merges faster than several.
const FEW_GROUPS: usize = 1 << 15;
/// A partition's table should stay in the caches.
const GROUPS_PER_PARTITION: usize = 1 << 15;
const MAX_PARTITIONS: usize = 256;

/// Merges the workers' groups and computes the results.
pub(super) fn finish(aggregation: Aggregation, mut locals: Vec<Local>) -> Result<Arc<dyn SourceScan>> {
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
    let partitioned = locals.iter().any(|l| l.partitioned.is_some());
    if locals.iter().any(|l| l.spilled.is_some()) {
        return spilled::finish(aggregation, locals);
    }
    let together = aggregation.feeds.contains(&Feed::Ordered)
        || locals.iter().any(|l| l.distinct.iter().any(|set| set.is_scattered() || set.is_spilled()));
    if !partitioned && (locals.len() == 1 || groups <= FEW_GROUPS || together) {
        let batches = merge_into_first(&aggregation, locals)?;
        return Ok(Arc::new(BatchesSource::from_batches(batches)));
    }
    let division = if partitioned {
        Division::Hash(PARTITIONS)
    } else {
        let partitions = partition_count(groups, aggregation.context.threads);
        Division::by_range(&locals, partitions).unwrap_or(Division::Hash(partitions))
    };
    let locals: Vec<Mutex<Option<Local>>> = locals.into_iter().map(|l| Mutex::new(Some(l))).collect();
    let workers = parallel(&aggregation.context, locals.len(), |i| {
        let local = locals[i].lock().take().ok_or_else(|| ExecError::Internal("merged twice".into()))?;
        Worker::new(local, division, &aggregation.spill)
    })?;
    let partitions = division.partitions();
    let merge = Arc::new((aggregation, workers));
    Ok(Arc::new(LazySource::new(partitions, move |p| {
        let merge = merge.clone();
        // Done by whoever draws the first batch, so that it is done in parallel and its time is counted.
        let merged = std::iter::once_with(move || merge_partition(&merge.0, &merge.1, p, partitions));
        Ok(Box::new(merged.flat_map(|merged| -> Box<dyn Iterator<Item = Result<Batch>> + Send> {
            match merged {
                Ok(batch) => Box::new(split_batch(batch).map(Ok)),
                Err(e) => Box::new(std::iter::once(Err(e))),
            }
        })) as Box<dyn Iterator<Item = Result<Batch>> + Send>)
    })))
}

/// How groups are divided into partitions, by all workers alike.
#[derive(Debug, Clone, Copy)]
pub(super) enum Division {
    /// By the hash of the keys, into so many.
    Hash(usize),
    /// Dense whole numbers: each partition has a range of them, so that its keys are neither hashed nor far apart.
    Range { least: i64, greatest: i64, shift: u32 },
}

impl Division {
    /// Into ranges, about so many, if the keys of all workers are dense.
    fn by_range(locals: &[Local], partitions: usize) -> Option<Self> {
        let mut range: Option<(i64, i64)> = None;
        for local in locals {
            let Some(Ok(table)) = &local.table else { return None };
            let (lo, hi) = table.dense_range()?;
            range = Some(range.map_or((lo, hi), |(l, h)| (l.min(lo), h.max(hi))));
        }
        let (least, greatest) = range?;
        let span = greatest.wrapping_sub(least) as u64;
        let shift = (span / partitions as u64).checked_ilog2().map_or(0, |log| log + 1);
        Some(Self::Range { least, greatest, shift })
    }

    /// How many partitions there are.
    fn partitions(self) -> usize {
        match self {
            Self::Hash(partitions) => partitions,
            Self::Range { least, greatest, shift } => {
                (greatest.wrapping_sub(least) as u64 >> shift) as usize + 1
            }
        }
    }

    /// The partition of each group, and the hashes of its texts ([`KeyHasher::texts`]), which may be none at all.
    fn of(self, keys: &[ArrayRef], groups: usize) -> Result<(Vec<u32>, Vec<Vec<u64>>)> {
        match self {
            Self::Hash(partitions) => {
                let mut hasher = KeyHasher::default();
                hasher.hash(keys, groups)?;
                let of = hasher.hashes().iter().map(|hash| partition_of(*hash, partitions) as u32);
                Ok((of.collect(), hasher.into_texts()))
            }
            Self::Range { least, shift, .. } => {
                // NULL is in the first.
                let mut of = vec![0; groups];
                for key in keys {
                    each_integer(key, |group, v| of[group] = (v.wrapping_sub(least) as u64 >> shift) as u32)?;
                }
                Ok((of, vec![]))
            }
        }
    }
}

/// Key columns and finished aggregates side by side.
pub(super) fn result(
    mut keys: Vec<ArrayRef>,
    states: &mut [Box<dyn GroupStates>],
    feeds: &[Feed],
    groups: usize,
) -> Result<Batch> {
    keys.extend(results(states, feeds, groups)?);
    Ok(Batch::new(keys, groups))
}

/// Finished aggregates.
pub(super) fn results(
    states: &mut [Box<dyn GroupStates>],
    feeds: &[Feed],
    groups: usize,
) -> Result<Vec<ArrayRef>> {
    for (state, feed) in states.iter_mut().zip(feeds) {
        if !matches!(feed, Feed::Shared(_)) {
            state.resize(groups);
        }
    }
    // Those that look at the states of others come first.
    let shared = |i: usize| match feeds[i] {
        Feed::Shared(of) => states[i].finish_from(&*states[of]).transpose(),
        _ => Ok(None),
    };
    let mut results: Vec<Option<ArrayRef>> = (0..feeds.len()).map(shared).collect::<Result<_>>()?;
    let finished = states.iter_mut().zip(&mut results);
    finished.map(|(state, result)| result.take().map_or_else(|| state.finish(), Ok)).collect()
}

pub(super) fn merge_into_first(aggregation: &Aggregation, locals: Vec<Local>) -> Result<Vec<Batch>> {
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
        if tables.iter().any(|(set, _)| set.is_spilled()) {
            spilled::feed_distinct_rows(aggregation, call, tables, &mut *first.states[i])?;
            continue;
        }
        for columns in merge_distinct(aggregation, call, tables)? {
            feed_distinct(&mut *first.states[i], columns, grouped)?;
        }
    }
    for ((i, call), rows) in aggregation.fed(Feed::Ordered).zip(first.ordered) {
        rows.feed(call, &mut *first.states[i])?;
    }
    let groups = table.as_ref().map_or(1, |t| t.len());
    let keys = table.map_or(Ok(vec![]), |mut t| t.take_keys())?;
    Ok(vec![result(keys, &mut first.states, &aggregation.feeds, groups)?])
}

/// Gives distinct rows to the states of their groups. The first column is the group, if there are keys.
pub(super) fn feed_distinct(
    states: &mut dyn GroupStates,
    mut columns: Vec<ArrayRef>,
    grouped: bool,
) -> Result<()> {
    if grouped {
        let groups = columns.remove(0);
        states.update(&columns, groups.as_primitive::<UInt32Type>().values())
    } else {
        let rows = columns.first().map_or(0, |c| c.len());
        states.update_single(&columns, rows)
    }
}

/// Other numbers for groups.
pub(super) fn remap(groups: &ArrayRef, map: &[u32]) -> ArrayRef {
    let groups = groups.as_primitive::<UInt32Type>().values();
    Arc::new(UInt32Array::from_iter_values(groups.iter().map(|&g| map[g as usize])))
}

/// The given rows of all columns.
pub(super) fn take_all(columns: &[ArrayRef], picks: &UInt32Array) -> Result<Vec<ArrayRef>> {
    columns.iter().map(|c| Ok(take(c, picks, None)?)).collect()
}

/// In how many partitions to merge this many rows.
pub(super) fn partition_count(rows: usize, threads: usize) -> usize {
    if rows <= FEW_GROUPS {
        return 1;
    }
    (rows / GROUPS_PER_PARTITION).max(threads * 2).clamp(1, MAX_PARTITIONS).next_power_of_two()
}

/// By the highest bits: the tables use those below.
pub(super) fn partition_of(hash: u64, partitions: usize) -> usize {
    if partitions == 1 { 0 } else { (hash >> (64 - partitions.trailing_zeros())) as usize }
}

/// The rows of each partition.
pub(super) fn split_by(
    rows: usize,
    partitions: usize,
    partition: impl Fn(usize) -> usize,
) -> Vec<UInt32Array> {
    let mut picks: Vec<Vec<u32>> = vec![Vec::with_capacity(rows / partitions + 16); partitions];
    for row in 0..rows {
        picks[partition(row)].push(row as u32);
    }
    picks.into_iter().map(UInt32Array::from).collect()
}

/// One worker's groups, taken apart for the merge.
pub(super) struct Shares {
    pub keys: Vec<ArrayRef>,
    /// Hashes of the keys that are texts.
    texts: Vec<Vec<u64>>,
    /// Groups of each partition.
    pub picks: Vec<UInt32Array>,
    /// Locked for one merge at a time.
    pub states: Vec<Mutex<Box<dyn GroupStates>>>,
    /// For each distinct aggregate, group and arguments, and the rows of each partition.
    pub distinct: Vec<(Vec<ArrayRef>, Vec<UInt32Array>)>,
    /// For each ordered aggregate, the rows of each partition.
    pub ordered: Vec<Vec<Mutex<OrderedRows>>>,
    /// For each distinct aggregate, rows like those of `distinct` that memory did not hold, by partition. Empty if
    /// there are none.
    pub written: Vec<Vec<Mutex<Vec<Chunk>>>>,
}

impl Shares {
    /// The hashes of the texts of some groups, for each key that is text, if they are known.
    pub fn hashes_of_texts(&self, groups: &UInt32Array) -> Vec<Vec<u64>> {
        let of_groups = |hashes: &Vec<u64>| groups.values().iter().map(|g| hashes[*g as usize]).collect();
        self.texts.iter().map(of_groups).collect()
    }

    /// Takes a worker's groups apart.
    pub fn new(
        mut table: Box<dyn GroupTable>,
        states: Vec<Box<dyn GroupStates>>,
        mut distinct: Vec<DistinctSet>,
        ordered: Vec<OrderedRows>,
        division: Division,
        spill: &Spill,
    ) -> Result<Self> {
        let rows = table.len();
        let keys = table.take_keys()?;
        drop(table);
        let (of, texts) = division.of(&keys, rows)?;
        let partitions = division.partitions();
        let picks = split_by(rows, partitions, |row| of[row] as usize);
        let mut written = vec![];
        if distinct.iter().any(DistinctSet::is_spilled) {
            // As many partitions as the file has.
            debug_assert_eq!(partitions, PARTITIONS_ON_DISK);
            let hashes = hash_keys(&keys, rows)?;
            for set in distinct.drain(..) {
                let parts = set.into_spilled_by_group(spill, &hashes)?;
                written.push(parts.into_iter().map(Mutex::new).collect());
            }
        }
        let distinct = distinct
            .into_iter()
            .map(|set| {
                let columns = set.into_columns()?;
                let rows = columns[0].len();
                let groups = columns[0].as_primitive::<UInt32Type>().values().clone();
                let picks = split_by(rows, partitions, |row| of[groups[row] as usize] as usize);
                Ok((columns, picks))
            })
            .collect::<Result<_>>()?;
        let ordered = ordered
            .into_iter()
            .map(|rows| {
                let parts = rows.split(partitions, |group| of[group as usize] as usize)?;
                Ok(parts.into_iter().map(Mutex::new).collect())
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            keys,
            texts,
            picks,
            states: states.into_iter().map(Mutex::new).collect(),
            distinct,
            ordered,
            written,
        })
    }
}

/// What a worker leaves to be merged partition by partition.
pub(super) struct Worker {
    /// Groups of its table.
    pub shares: Option<Shares>,
    /// Groups and rows of each partition, if it laid out rows.
    parts: Vec<Mutex<(Option<Part>, Vec<Batch>)>>,
    /// In how many.
    partitions: usize,
    /// What the worker's tables, states and rows took; most of it is still there.
    _memory: Account,
}

impl Worker {
    pub fn new(mut local: Local, division: Division, spill: &Spill) -> Result<Self> {
        let Some(partitioned) = local.partitioned.take() else {
            let table = local.take_table()?;
            let (states, distinct, ordered) = (local.states, local.distinct, local.ordered);
            let shares = Shares::new(table, states, distinct, ordered, division, spill)?;
            let partitions = division.partitions();
            return Ok(Self { shares: Some(shares), parts: vec![], partitions, _memory: local.memory });
        };
        let Partitioned { groups, mut scatter, .. } = *partitioned;
        let batches = scatter.take()?;
        let partitions = batches.len();
        let (shares, parts) = match groups {
            Groups::Begun(shares) => (Some(shares), (0..partitions).map(|_| None).collect()),
            Groups::Parts(parts) => (None, parts.into_iter().map(Some).collect::<Vec<_>>()),
        };
        let parts = parts.into_iter().zip(batches).map(Mutex::new).collect();
        Ok(Self { shares, parts, partitions, _memory: local.memory })
    }

    /// Adds what it has for partition `p` of so many, no more than its own, to that of other workers. If `sharing`, texts of
    /// groups may stay in the buffers of the rows.
    pub fn add_to(
        &self,
        whole: &mut Option<Part>,
        aggregation: &Aggregation,
        (p, of): (usize, usize),
        sharing: bool,
    ) -> Result<()> {
        // Its own are finer, by more bits of the same hashes.
        let finer = self.partitions / of;
        for p in p * finer..(p + 1) * finer {
            if let Some(shares) = &self.shares {
                part_of(whole, aggregation, sharing)?.add_share(aggregation, shares, p)?;
            }
            let Some(cell) = self.parts.get(p) else { continue };
            let (part, batches) = std::mem::take(&mut *cell.lock());
            if let Some(part) = part {
                match whole {
                    None => *whole = Some(part),
                    Some(whole) => whole.add_part(aggregation, part)?,
                }
            }
            let Some(layout) = &aggregation.layout else { continue };
            for batch in batches {
                aggregation.context.check_cancelled()?;
                part_of(whole, aggregation, sharing)?.add_rows(aggregation, layout, &batch)?;
            }
        }
        Ok(())
    }
}

fn part_of<'w>(
    whole: &'w mut Option<Part>,
    aggregation: &Aggregation,
    sharing: bool,
) -> Result<&'w mut Part> {
    Ok(match whole {
        Some(part) => part,
        None => whole.insert(Part::new(aggregation, sharing)?),
    })
}

fn merge_partition(aggregation: &Aggregation, workers: &[Worker], p: usize, of: usize) -> Result<Batch> {
    let mut memory = Reservation::new(&aggregation.context);
    let mut whole: Option<Part> = None;
    for turn in 0..workers.len() {
        // Partitions begin with different workers, so that their merges rarely wait for each other.
        workers[(p + turn) % workers.len()].add_to(&mut whole, aggregation, (p, of), true)?;
        memory.force(whole.as_ref().map_or(0, Part::size));
    }
    let whole = whole.map_or_else(|| Part::new(aggregation, true), Ok)?;
    whole.finish(aggregation)
}
