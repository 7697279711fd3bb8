//! Some of the rows, chosen at random.
//!
//! Every row gets a random number. `BERNOULLI` takes the rows whose number is small enough, `SYSTEM` the batches
//! whose first row's number is, and `RESERVOIR` the rows with the smallest numbers of all. With a seed the number
//! follows from the row's place, so that the same rows are chosen each time, however many threads there are.

use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBuffer;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::functions::random_bits;
use crate::exec::memory::{Reservation, batch_bytes};
use crate::exec::operators::filter::filter_batch;
use crate::exec::pipeline::{BATCH_ROWS, Flow, Pipeline, PipelineSink};
use crate::exec::scheduler::run;

/// Which rows a sample takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Choice {
    /// Each row with this probability.
    Rows(f64),
    /// Each batch with this probability.
    Batches(f64),
    /// So many rows.
    Count(u64),
    /// This share of the rows, a fixed number.
    Share(f64),
}

struct Sample {
    choice: Choice,
    seed: Option<u64>,
    context: Arc<ExecContext>,
}

struct LocalSample {
    /// Rows that may be chosen, with their numbers and the sequence of their morsels.
    kept: Vec<(u64, Batch, Vec<u64>)>,
    rows: usize,
    /// All rows seen.
    seen: u64,
    /// Rows with greater numbers are not chosen.
    bound: u64,
    /// The morsel, and its rows so far.
    place: (u64, u64),
    memory: Reservation,
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The number below which a share of all numbers lies.
fn bound_of(share: f64) -> u64 {
    if share >= 1.0 { u64::MAX } else { (share.max(0.0) * u64::MAX as f64) as u64 }
}

impl Sample {
    fn numbers(&self, local: &mut LocalSample, sequence: u64, rows: usize) -> Vec<u64> {
        if local.place.0 != sequence {
            local.place = (sequence, 0);
        }
        let first = local.place.1;
        local.place.1 += rows as u64;
        let Some(seed) = self.seed else { return (0..rows).map(|_| random_bits()).collect() };
        let base = mixed(mixed(seed ^ 0x9e37_79b9_7f4a_7c15) ^ sequence);
        (0..rows as u64)
            .map(|i| mixed(base.wrapping_add((first + i).wrapping_mul(0x9e37_79b9_7f4a_7c15))))
            .collect()
    }

    /// How many rows are wanted at most, if that is known.
    fn count(&self) -> Option<usize> {
        match self.choice {
            Choice::Count(n) => Some(usize::try_from(n).unwrap_or(usize::MAX)),
            _ => None,
        }
    }
}

impl LocalSample {
    /// Drops what is not among the rows with the `count` smallest numbers.
    fn shrink(&mut self, count: usize) -> Result<()> {
        if self.rows <= count {
            return Ok(());
        }
        if count == 0 {
            self.kept.clear();
            self.rows = 0;
            return self.memory.resize(0);
        }
        let mut numbers: Vec<u64> = self.kept.iter().flat_map(|(_, _, n)| n).copied().collect();
        let (_, bound, _) = numbers.select_nth_unstable(count - 1);
        self.bound = *bound;
        let mut rows = 0;
        let mut bytes = 0;
        for (_, batch, numbers) in &mut self.kept {
            let taken = std::mem::replace(batch, Batch::new(vec![], 0));
            *batch = below(taken, numbers, self.bound)?;
            rows += batch.rows;
            bytes += batch_bytes(batch) + numbers.len() * 8;
        }
        self.kept.retain(|(_, batch, _)| batch.rows > 0);
        self.rows = rows;
        self.memory.resize(bytes)
    }
}

/// The rows whose numbers are at most `bound`; the numbers are left for these.
fn below(batch: Batch, numbers: &mut Vec<u64>, bound: u64) -> Result<Batch> {
    let mask = BooleanBuffer::from_iter(numbers.iter().map(|n| *n <= bound));
    numbers.retain(|n| *n <= bound);
    filter_batch(batch, &BooleanArray::new(mask, None))
}

impl PipelineSink for Sample {
    type Local = LocalSample;

    fn local(&self) -> LocalSample {
        let bound = match self.choice {
            Choice::Rows(share) | Choice::Batches(share) => bound_of(share),
            Choice::Count(_) | Choice::Share(_) => u64::MAX,
        };
        let memory = Reservation::new(&self.context);
        LocalSample { kept: vec![], rows: 0, seen: 0, bound, place: (u64::MAX, 0), memory }
    }

    fn push(&self, local: &mut LocalSample, sequence: u64, batch: Batch) -> Result<Flow> {
        local.seen += batch.rows as u64;
        if batch.rows == 0 {
            return Ok(Flow::More);
        }
        let mut numbers = self.numbers(local, sequence, batch.rows);
        if let Choice::Batches(_) = self.choice {
            let number = numbers[0];
            numbers.fill(number);
        }
        let batch = below(batch, &mut numbers, local.bound)?;
        if batch.rows == 0 {
            return Ok(Flow::More);
        }
        local.memory.grow(batch_bytes(&batch) + numbers.len() * 8)?;
        local.rows += batch.rows;
        local.kept.push((sequence, batch, numbers));
        if let Some(count) = self.count()
            && local.rows > count.saturating_mul(2).saturating_add(4 * BATCH_ROWS)
        {
            local.shrink(count)?;
        }
        Ok(Flow::More)
    }
}

/// Runs a pipeline for some of its rows, in their order.
pub(crate) fn sample(
    pipeline: &Pipeline,
    choice: Choice,
    seed: Option<u64>,
    context: &Arc<ExecContext>,
) -> Result<Vec<Batch>> {
    let sink = Sample { choice, seed, context: context.clone() };
    let mut locals = run(pipeline, &sink, context, context.threads)?.into_iter();
    let Some(mut all) = locals.next() else { return Ok(vec![]) };
    // Each worker's memory is accounted until the rows are together.
    let mut memory = vec![];
    for local in locals {
        all.kept.extend(local.kept);
        all.rows += local.rows;
        all.seen += local.seen;
        memory.push(local.memory);
    }
    let count = match choice {
        Choice::Share(share) => Some((share * all.seen as f64).round() as usize),
        _ => sink.count(),
    };
    if let Some(count) = count {
        all.shrink(count)?;
    }
    all.kept.sort_by_key(|(sequence, ..)| *sequence);
    Ok(all.kept.into_iter().map(|(_, batch, _)| batch).collect())
}
