//! Groups of rows that memory did not hold.
//!
//! A partition's groups begin with what the workers had in memory when they began to write rows away. Then come its
//! rows from the temporary file. When the partition itself does not fit, the groups that it has are brought to their
//! end, while the rows of all others are written away once more, for another pass: so any number of groups is
//! handled, and only what one group needs must fit.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use parking_lot::Mutex;

use super::Aggregation;
use super::distinct::{DistinctRows, distinct_set, spill_rows};
use super::local::Local;
use super::merge::{Division, Worker, feed_distinct, merge_into_first, remap};
use super::partition::Part;
use crate::exec::aggregates::GroupStates;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::expr::AggregateCall;
use crate::exec::memory::{Account, Budget};
use crate::exec::operators::filter::filter_batch;
use crate::exec::operators::groups::{FindCache, MISSING};
use crate::exec::pipeline::{LazySource, split_batch};
use crate::exec::source::SourceScan;
use crate::exec::spill::partition::{MAX_LEVEL, PARTITIONS, Partitioner, merge};
use crate::exec::spill::{Chunk, Spill};

/// What all partitions share.
struct Spilled {
    aggregation: Aggregation,
    workers: Vec<Worker>,
    rows: Vec<Mutex<Vec<Chunk>>>,
    budget: Arc<Budget>,
}

/// Groups partition by partition, each when somebody asks for its rows.
pub(super) fn finish(aggregation: Aggregation, locals: Vec<Local>) -> Result<Arc<dyn SourceScan>> {
    let (mut workers, mut written) = (vec![], vec![]);
    for mut local in locals {
        if let Some(mut spilled) = local.spilled.take() {
            spilled.flush()?;
            written.push(spilled.parts);
        }
        workers.push(Worker::new(local, Division::Hash(PARTITIONS), &aggregation.spill)?);
    }
    let rows = merge(written).into_iter().map(Mutex::new).collect();
    let budget = Budget::new(&aggregation.context, 2);
    let spilled = Arc::new(Spilled { aggregation, workers, rows, budget });
    Ok(Arc::new(LazySource::new(PARTITIONS, move |p| {
        let spilled = spilled.clone();
        let mut passes = None;
        let mut done = false;
        let batches = std::iter::from_fn(move || {
            if done {
                return None;
            }
            let result = match passes.take() {
                None => Passes::new(&spilled, p),
                Some(passes) => Ok(passes),
            };
            let result = result.and_then(|mut now: Passes| {
                let batches = now.next(&spilled)?;
                passes = Some(now);
                Ok(batches)
            });
            done = !matches!(result, Ok(Some(_)));
            result.transpose()
        });
        Ok(Box::new(batches.flat_map(|pass| -> Box<dyn Iterator<Item = Result<Batch>> + Send> {
            match pass {
                Ok(batches) => Box::new(batches.into_iter().flat_map(split_batch).map(Ok)),
                Err(e) => Box::new(std::iter::once(Err(e))),
            }
        })) as Box<dyn Iterator<Item = Result<Batch>> + Send>)
    })))
}

/// What is left of one partition.
struct Passes {
    /// Groups to begin with.
    local: Option<Local>,
    rows: Vec<Chunk>,
}

impl Passes {
    fn new(spilled: &Spilled, p: usize) -> Result<Self> {
        let aggregation = &spilled.aggregation;
        let mut whole = None;
        for worker in &spilled.workers {
            worker.add_to(&mut whole, aggregation, (p, PARTITIONS), false)?;
        }
        let mut whole = whole.map_or_else(|| Part::new(aggregation, false), Ok)?;
        // Distinct rows that were on their way by their arguments follow their groups.
        let mut maps = vec![];
        for worker in &spilled.workers {
            if let Some(shares) = &worker.shares
                && !shares.written.is_empty()
            {
                maps.push((shares, whole.numbers(shares, p)?));
            }
        }
        let mut local = Local::of_part(aggregation, whole, &spilled.budget);
        for (shares, map) in maps {
            for (set, parts) in local.distinct.iter_mut().zip(&shares.written) {
                for chunk in std::mem::take(&mut *parts[p].lock()) {
                    let mut batch = chunk.read()?;
                    batch.columns[0] = remap(&batch.columns[0], &map);
                    set.push(batch.columns, batch.rows, map.len())?;
                }
            }
        }
        Ok(Self { local: Some(local), rows: std::mem::take(&mut *spilled.rows[p].lock()) })
    }

    /// The groups of the next pass.
    fn next(&mut self, spilled: &Spilled) -> Result<Option<Vec<Batch>>> {
        let aggregation = &spilled.aggregation;
        let mut local = match self.local.take() {
            Some(local) => local,
            None if self.rows.is_empty() => return Ok(None),
            None => Local::of_part(aggregation, Part::new(aggregation, false)?, &spilled.budget),
        };
        let mut rest: Option<Rest> = None;
        for chunk in std::mem::take(&mut self.rows) {
            aggregation.context.check_cancelled()?;
            let mut batch = chunk.read()?;
            if let Some(rest) = &mut rest {
                batch = rest.take_others(aggregation, &local, batch, chunk.tag)?;
            }
            local.push(aggregation, chunk.tag, &batch)?;
            if rest.is_none() && local.groups() > 1 && local.is_full() {
                rest = Some(Rest::new(&aggregation.spill));
            }
        }
        self.rows = rest.map(|rest| rest.written).unwrap_or_default();
        let batches = merge_into_first(aggregation, vec![local])?;
        Ok(Some(batches))
    }
}

/// Rows of groups that are left to the next pass.
struct Rest {
    written: Vec<Chunk>,
    spill: Spill,
    cache: FindCache,
    ids: Vec<u32>,
}

impl Rest {
    fn new(spill: &Spill) -> Self {
        Self { written: vec![], spill: spill.clone(), cache: FindCache::default(), ids: vec![] }
    }

    /// Takes the rows of groups that are not in the table out of a batch.
    fn take_others(
        &mut self,
        aggregation: &Aggregation,
        local: &Local,
        batch: Batch,
        tag: u64,
    ) -> Result<Batch> {
        let Some(Ok(table)) = &local.table else { return Ok(batch) };
        let keys = aggregation.keys.iter().map(|k| evaluate(k, &batch, &aggregation.context));
        let keys: Vec<ArrayRef> = keys.collect::<Result<_>>()?;
        table.find(&keys, batch.rows, &mut self.ids, &mut self.cache)?;
        let known = BooleanBuffer::collect_bool(batch.rows, |i| self.ids[i] != MISSING);
        let others = filter_batch(batch.clone(), &BooleanArray::new(!&known, None))?;
        if others.rows > 0 {
            self.written.push(self.spill.write(&others, tag)?);
        }
        filter_batch(batch, &BooleanArray::new(known, None))
    }
}

/// Gives the distinct rows of one aggregate to its states, of which some workers have written rows away.
pub(super) fn feed_distinct_rows(
    aggregation: &Aggregation,
    call: &AggregateCall,
    sets: Vec<DistinctRows>,
    states: &mut dyn GroupStates,
) -> Result<()> {
    let spill = &aggregation.spill;
    let mut parts: Vec<Vec<Mapped>> = (0..PARTITIONS).map(|_| vec![]).collect();
    for (set, map) in sets {
        let map = map.map(Arc::new);
        for (part, chunks) in parts.iter_mut().zip(set.into_spilled(spill)?) {
            part.extend(chunks.into_iter().map(|chunk| (chunk, map.clone())));
        }
    }
    let budget = Budget::new(&aggregation.context, 2);
    for part in parts {
        feed_part(aggregation, call, part, 0, &budget, states)?;
    }
    Ok(())
}

/// Rows, and the numbers of their groups in the result if they are others.
type Mapped = (Chunk, Option<Arc<Vec<u32>>>);

fn feed_part(
    aggregation: &Aggregation,
    call: &AggregateCall,
    part: Vec<Mapped>,
    level: u32,
    budget: &Arc<Budget>,
    states: &mut dyn GroupStates,
) -> Result<()> {
    let grouped = !aggregation.keys.is_empty();
    let mut table = distinct_set(call, grouped)?;
    let mut memory = Account::new(budget);
    let mut finer: Option<Partitioner> = None;
    for (chunk, map) in part {
        aggregation.context.check_cancelled()?;
        let mut batch = chunk.read()?;
        if let (true, Some(map)) = (grouped, map) {
            batch.columns[0] = remap(&batch.columns[0], &map);
        }
        if let Some(finer) = &mut finer {
            spill_rows(finer, batch.columns, batch.rows, grouped)?;
            continue;
        }
        table.insert(&batch.columns, batch.rows)?;
        if !memory.fits(table.size()) {
            if level == MAX_LEVEL {
                memory.settle(table.size())?;
                continue;
            }
            let rows = table.len();
            let columns = table.take_keys()?;
            table = distinct_set(call, grouped)?;
            let finer = finer.insert(Partitioner::new(&aggregation.spill, level + 1));
            spill_rows(finer, columns, rows, grouped)?;
            memory.force(0);
        }
    }
    match finer {
        None => {
            let columns = table.take_keys()?;
            feed_distinct(states, columns, grouped)
        }
        Some(mut finer) => {
            drop((table, memory));
            finer.flush()?;
            for part in finer.parts {
                let part = part.into_iter().map(|chunk| (chunk, None)).collect();
                feed_part(aggregation, call, part, level + 1, budget, states)?;
            }
            Ok(())
        }
    }
}
