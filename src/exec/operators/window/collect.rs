//! The rows of a window, those of a partition together.

use std::sync::Arc;

use arrow_array::UInt32Array;
use arrow_select::filter::filter;
use arrow_select::take::take;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::memory::{Account, Budget, Reservation, batch_bytes};
use crate::exec::operators::coalesce::concat_batches;
use crate::exec::operators::groups::hash::hash_keys;
use crate::exec::pipeline::{Flow, PipelineSink};
use crate::exec::scheduler;
use crate::exec::spill::partition::{MAX_LEVEL, Partitioner, merge};
use crate::exec::spill::{Chunk, Spill};

use super::first::FirstRows;
use super::layout::Layout;

/// Rows of one worker that are worth to be spread over bins.
const SPREAD_ROWS: usize = 1 << 16;
const BINS_BITS: u32 = 7;
const BINS: usize = 1 << BINS_BITS;

/// Keeps what a window needs of each row.
pub(super) struct Collect<'a> {
    pub layout: &'a Layout,
    pub context: &'a Arc<ExecContext>,
    pub budget: Arc<Budget>,
    pub spill: &'a Spill,
}

/// Batches with the numbers of their morsels.
type Numbered = Vec<(u64, Batch)>;

/// One worker's rows.
pub(super) struct Local {
    /// Not yet spread.
    held: Numbered,
    held_rows: usize,
    /// Empty until there are many rows.
    bins: Vec<Numbered>,
    /// Where rows go once memory holds no more, by partition of their keys' hashes.
    written: Option<Partitioner>,
    bytes: usize,
    memory: Account,
    /// Leaves out rows that nobody asks for.
    first: Option<First>,
}

struct First {
    rows: FirstRows,
    memory: Reservation,
}

impl Local {
    /// The rows that are asked for.
    fn asked_for(&mut self, layout: &Layout, batch: Batch) -> Result<Batch> {
        let Some(first) = &mut self.first else { return Ok(batch) };
        let mask = first.rows.keep(layout, &batch.columns, batch.rows)?;
        first.memory.resize(first.rows.size())?;
        if first.rows.is_useless() {
            self.first = None;
        }
        let Some(mask) = mask else { return Ok(batch) };
        let columns = batch.columns.iter().map(|c| Ok(filter(c, &mask)?)).collect::<Result<_>>()?;
        Ok(Batch::new(columns, mask.true_count()))
    }
}

/// Whole partitions: all rows of each, in the order of the source.
pub(super) struct Bin {
    pub batches: Vec<Batch>,
    /// What they take of the query's limit.
    pub memory: Reservation,
    /// Rows that memory did not hold. If there are some, there are no others.
    written: Vec<Chunk>,
}

impl Bin {
    pub fn rows(&self) -> usize {
        self.batches.iter().map(|b| b.rows).sum()
    }

    /// The bin with its rows in memory.
    pub fn load(mut self) -> Result<Self> {
        for chunk in std::mem::take(&mut self.written) {
            self.memory.grow(chunk.bytes())?;
            self.batches.push(chunk.read()?);
        }
        Ok(self)
    }
}

impl PipelineSink for Collect<'_> {
    type Local = Local;

    fn local(&self) -> Local {
        let first = self.layout.first.and_then(|most| {
            // What goes wrong here does so again when partitions are put together, and is reported then.
            let rows = FirstRows::new(self.layout, most).ok()?;
            Some(First { rows, memory: Reservation::new(self.context) })
        });
        Local {
            held: vec![],
            held_rows: 0,
            bins: vec![],
            written: None,
            bytes: 0,
            memory: Account::new(&self.budget),
            first,
        }
    }

    fn push(&self, local: &mut Local, sequence: u64, batch: Batch) -> Result<Flow> {
        let columns = self.layout.kept.iter().map(|e| evaluate(e, &batch, self.context));
        let batch = Batch::new(columns.collect::<Result<_>>()?, batch.rows);
        let batch = local.asked_for(self.layout, batch)?;
        if batch.rows == 0 {
            return Ok(Flow::More);
        }
        if local.written.is_some() {
            self.write(local, sequence, batch)?;
            return Ok(Flow::More);
        }
        local.bytes += batch_bytes(&batch);
        local.held_rows += batch.rows;
        local.held.push((sequence, batch));
        if local.held_rows >= SPREAD_ROWS && !self.layout.partition.is_empty() {
            self.spread(local)?;
        }
        if !local.memory.fits(local.bytes) {
            if self.layout.partition.is_empty() {
                local.memory.settle(local.bytes)?;
            } else {
                self.write_all(local)?;
            }
        }
        Ok(Flow::More)
    }
}

impl Collect<'_> {
    fn write(&self, local: &mut Local, sequence: u64, batch: Batch) -> Result<()> {
        let keys = self.layout.partition_keys(&batch.columns)?;
        let hashes = hash_keys(&keys, batch.rows)?;
        local.written.get_or_insert_with(|| Partitioner::new(self.spill, 0)).push(batch, &hashes, sequence)
    }

    /// Writes away what a worker holds, and what is still to come.
    fn write_all(&self, local: &mut Local) -> Result<()> {
        local.written.get_or_insert_with(|| Partitioner::new(self.spill, 0));
        let bins = std::mem::take(&mut local.bins).into_iter().flatten();
        let mut all: Numbered = bins.chain(std::mem::take(&mut local.held)).collect();
        all.sort_by_key(|(sequence, _)| *sequence);
        for (sequence, batch) in all {
            self.write(local, sequence, batch)?;
        }
        local.held_rows = 0;
        local.bytes = 0;
        local.memory.force(0);
        Ok(())
    }

    /// Bins of what the workers have written away, none of them too large if partitions are not.
    fn written_bins(&self, locals: Vec<Local>) -> Result<Vec<Bin>> {
        let mut parts = vec![];
        for mut local in locals {
            self.write_all(&mut local)?;
            if let Some(mut written) = local.written {
                written.flush()?;
                parts.push(written.parts);
            }
        }
        let memory = &self.context.memory;
        // A worker has the rows of a bin, their copy in one piece, keys and results.
        let most = memory.limit().saturating_sub(memory.used()) / (6 * self.context.threads as u64);
        let mut todo: Vec<(Vec<Chunk>, u32)> = merge(parts).into_iter().map(|part| (part, 0)).collect();
        let mut bins = vec![];
        while let Some((written, level)) = todo.pop() {
            let bytes: usize = written.iter().map(Chunk::bytes).sum();
            if bytes as u64 > most && level < MAX_LEVEL {
                let mut finer = Partitioner::new(self.spill, level + 1);
                for chunk in written {
                    let batch = chunk.read()?;
                    let hashes = hash_keys(&self.layout.partition_keys(&batch.columns)?, batch.rows)?;
                    finer.push(batch, &hashes, chunk.tag)?;
                }
                finer.flush()?;
                todo.extend(finer.parts.into_iter().map(|part| (part, level + 1)));
            } else if !written.is_empty() {
                bins.push(Bin { batches: vec![], memory: Reservation::new(self.context), written });
            }
        }
        Ok(bins)
    }

    /// Spreads the rows that a worker holds over its bins.
    fn spread(&self, local: &mut Local) -> Result<()> {
        if local.bins.is_empty() {
            local.bins.resize_with(BINS, Vec::new);
        }
        local.held_rows = 0;
        let mut held = std::mem::take(&mut local.held).into_iter().peekable();
        while let Some((sequence, first)) = held.next() {
            let mut batches = vec![first];
            while let Some((_, batch)) = held.next_if(|(s, _)| *s == sequence) {
                batches.push(batch);
            }
            let batch = concat_batches(batches)?;
            for (bin, part) in local.bins.iter_mut().zip(self.split(&batch)?) {
                if let Some(part) = part {
                    bin.push((sequence, part));
                }
            }
        }
        Ok(())
    }

    /// The rows for each bin, in order.
    fn split(&self, batch: &Batch) -> Result<Vec<Option<Batch>>> {
        let keys = self.layout.partition_keys(&batch.columns)?;
        let hashes = hash_keys(&keys, batch.rows)?;
        let bin_of = |hash: u64| (hash >> (64 - BINS_BITS)) as usize;
        let mut ends = [0usize; BINS];
        hashes.iter().for_each(|&h| ends[bin_of(h)] += 1);
        let mut next = [0usize; BINS];
        let mut sum = 0;
        for (next, end) in next.iter_mut().zip(&mut ends) {
            *next = sum;
            sum += *end;
            *end = sum;
        }
        let starts = next;
        let mut order = vec![0u32; batch.rows];
        for (row, &hash) in hashes.iter().enumerate() {
            let at = &mut next[bin_of(hash)];
            order[*at] = row as u32;
            *at += 1;
        }
        let order = UInt32Array::from(order);
        let columns = batch.columns.iter().map(|c| Ok(take(c, &order, None)?)).collect::<Result<Vec<_>>>()?;
        let spread = Batch::new(columns, batch.rows);
        let parts = starts.iter().zip(&ends);
        Ok(parts.map(|(&s, &e)| (e > s).then(|| spread.slice(s, e - s))).collect())
    }
}

/// Puts the workers' rows together.
pub(super) fn finish(sink: &Collect<'_>, mut locals: Vec<Local>) -> Result<Vec<Bin>> {
    if locals.iter().any(|l| l.written.is_some()) {
        return sink.written_bins(locals);
    }
    let spread = locals.iter().any(|l| !l.bins.is_empty());
    let mut bins: Vec<Numbered> = vec![];
    if spread {
        let slots: Vec<_> = locals.into_iter().map(|l| parking_lot::Mutex::new(Some(l))).collect();
        let done = scheduler::parallel(sink.context, slots.len(), |i| {
            let local = slots[i].lock().take();
            local.map(|mut local| sink.spread(&mut local).map(|()| local)).transpose()
        })?;
        locals = done.into_iter().flatten().collect();
        bins.resize_with(BINS, Vec::new);
        for local in &mut locals {
            for (bin, part) in bins.iter_mut().zip(std::mem::take(&mut local.bins)) {
                bin.extend(part);
            }
        }
    } else {
        bins.push(locals.iter_mut().flat_map(|l| std::mem::take(&mut l.held)).collect());
    }
    // From here on each bin's memory is given back with the bin.
    drop(locals);
    let mut out = vec![];
    for mut bin in bins {
        if bin.is_empty() {
            continue;
        }
        bin.sort_by_key(|(sequence, _)| *sequence);
        let batches: Vec<Batch> = bin.into_iter().map(|(_, batch)| batch).collect();
        let mut memory = Reservation::new(sink.context);
        memory.grow(batches.iter().map(batch_bytes).sum())?;
        out.push(Bin { batches, memory, written: vec![] });
    }
    Ok(out)
}
