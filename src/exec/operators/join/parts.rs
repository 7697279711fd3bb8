//! Joins whose build side memory does not hold.
//!
//! Both sides are written to the temporary file by partition of their keys' hashes; then partition after partition is
//! joined as if it were all. A partition that is still too large is partitioned again by further bits. What cannot be
//! divided so, because of one key or because there are no keys, is joined in parts of the build side that fit, with all
//! left rows passing by for each.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::JoinShape;
use super::build::{BuildRows, BuildSide, rows_of};
use super::hash::HashProbe;
use super::matcher::LeftRows;
use super::nested_loop::NestedLoop;
use super::unmatched::unmatched;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::expr::Expr;
use crate::exec::memory::Reservation;
use crate::exec::operators::collect::{Collected, Gathered, gather};
use crate::exec::operators::groups::hash::hash_keys;
use crate::exec::pipeline::{Chain, LazySource, MorselRun, Operator, Pipeline};
use crate::exec::source::{Morsel, SourceScan};
use crate::exec::spill::partition::{MAX_LEVEL, Partitioner, drain, read_again};
use crate::exec::spill::{Chunk, Spill};

/// A build side that was written away.
pub(crate) struct WrittenBuild {
    pub how: How,
    pub parts: Vec<Vec<Chunk>>,
    pub has_null_key: bool,
}

/// How candidates are found.
pub(crate) enum How {
    /// By key: the build side, and the keys over the left columns.
    Hash(BuildSide, Vec<Expr>),
    /// All pairs are; which right columns somebody reads.
    All(Vec<bool>),
}

type Batches = Box<dyn Iterator<Item = Result<Batch>> + Send>;

struct PartJoin {
    shape: JoinShape,
    how: How,
    has_null_key: bool,
    spill: Spill,
    /// So much of a build side is taken at a time.
    part_bytes: usize,
}

/// Runs the left side, of which some columns are `read`, and yields the rows of the join.
pub(crate) fn join_written(
    shape: JoinShape,
    build: WrittenBuild,
    left: &Pipeline,
    read: &[bool],
    spill: &Spill,
) -> Result<Arc<dyn SourceScan>> {
    let WrittenBuild { how, parts, has_null_key } = build;
    let keys: &[Expr] = match &how {
        How::Hash(_, keys) => keys,
        How::All(_) => &[],
    };
    let left = match gather(left, keys, read, true, spill)? {
        Gathered::Written { parts, .. } => parts,
        Gathered::Kept(_) => vec![],
    };
    let memory = &spill.context.memory;
    // The rows are there twice while they are made one batch, and there is a table beside them.
    let share = memory.limit().saturating_sub(memory.used()) / (6 * spill.context.threads as u64);
    let part_bytes = usize::try_from(share).unwrap_or(usize::MAX).max(256 << 10);
    let join = Arc::new(PartJoin { shape, how, has_null_key, spill: spill.clone(), part_bytes });
    let both: Vec<Mutex<(Vec<Chunk>, Vec<Chunk>)>> = parts.into_iter().zip(left).map(Mutex::new).collect();
    Ok(Arc::new(LazySource::new(both.len(), move |p| {
        let (build, left) = std::mem::take(&mut *both[p].lock());
        Ok(join.partition(build, left, 0, usize::MAX))
    })))
}

/// The batches of an iterator that is made when the first is asked for.
fn later(make: impl FnOnce() -> Result<Batches> + Send + 'static) -> Batches {
    Box::new(std::iter::once_with(make).flat_map(|made| match made {
        Ok(batches) => batches,
        Err(e) => Box::new(std::iter::once(Err(e))),
    }))
}

fn bytes_of(chunks: &[Chunk]) -> usize {
    chunks.iter().map(Chunk::bytes).sum()
}

impl PartJoin {
    /// Joins a partition. `of` is how large the one was that it is part of.
    fn partition(self: &Arc<Self>, build: Vec<Chunk>, left: Vec<Chunk>, level: u32, of: usize) -> Batches {
        let tracks = self.shape.tracks_right();
        if left.is_empty() && !tracks || build.is_empty() && self.shape.drops_unmatched_left() {
            return Box::new(std::iter::empty());
        }
        let bytes = bytes_of(&build);
        let join = self.clone();
        if bytes <= self.part_bytes {
            return later(move || join.part(build, Box::new(drain(left)), None));
        }
        // Rows of one key stay together, whatever bits are looked at.
        let is_divided = bytes < of / 4 * 3;
        match &self.how {
            How::Hash(side, keys) if level < MAX_LEVEL && is_divided => {
                let (side_keys, keys) = (side.key_exprs(), keys.clone());
                later(move || {
                    let build = join.divide(build, &side_keys, level + 1)?;
                    let left = join.divide(left, &keys, level + 1)?;
                    let both = build.into_iter().zip(left);
                    Ok(Box::new(both.flat_map(move |(b, l)| join.partition(b, l, level + 1, bytes))))
                })
            }
            _ => join.passes(build, left),
        }
    }

    /// Divides rows by further bits of their keys' hashes.
    fn divide(&self, chunks: Vec<Chunk>, keys: &[Expr], level: u32) -> Result<Vec<Vec<Chunk>>> {
        let mut parts = Partitioner::new(&self.spill, level);
        for batch in drain(chunks) {
            let batch = batch?;
            let keys = keys.iter().map(|k| evaluate(k, &batch, &self.spill.context));
            let hashes = hash_keys(&keys.collect::<Result<Vec<_>>>()?, batch.rows)?;
            parts.push(batch, &hashes, 0)?;
        }
        parts.flush()?;
        Ok(parts.parts)
    }

    /// Joins the left rows with the build side part by part.
    fn passes(self: &Arc<Self>, build: Vec<Chunk>, left: Vec<Chunk>) -> Batches {
        let mut parts: VecDeque<Vec<Chunk>> = VecDeque::new();
        let mut bytes = usize::MAX;
        for chunk in build {
            if bytes.saturating_add(chunk.bytes()) > self.part_bytes {
                parts.push_back(vec![]);
                bytes = 0;
            }
            bytes += chunk.bytes();
            if let Some(part) = parts.back_mut() {
                part.push(chunk);
            }
        }
        let left = Arc::new(left);
        let left_rows = Arc::new(Mutex::new(LeftRows::default()));
        let join = self.clone();
        Box::new(
            std::iter::from_fn(move || {
                let part = parts.pop_front()?;
                let last = parts.is_empty();
                let (join, left, left_rows) = (join.clone(), left.clone(), left_rows.clone());
                Some(later(move || {
                    left_rows.lock().begin_part(last);
                    join.part(part, Box::new(read_again(&left)), Some(left_rows))
                }))
            })
            .flatten(),
        )
    }

    /// Joins left rows with a part of the build side that fits into memory.
    fn part(
        &self,
        build: Vec<Chunk>,
        left: Batches,
        left_rows: Option<Arc<Mutex<LeftRows>>>,
    ) -> Result<Batches> {
        let mut memory = Reservation::new(&self.spill.context);
        memory.force(bytes_of(&build));
        let batches = drain(build).collect::<Result<_>>()?;
        let collected = Collected { batches, memory: vec![memory] };
        let shape = self.shape.clone();
        let probe: Box<dyn Operator>;
        let mut rest: Option<Arc<dyn SourceScan>> = None;
        match &self.how {
            How::Hash(side, keys) => {
                let mut build = side.table(collected)?;
                build.has_null_key = self.has_null_key;
                build.is_empty = false;
                let build = Arc::new(build);
                let hash = HashProbe::new(shape.clone(), build.clone(), keys.clone(), side.null_equals_null);
                probe = Box::new(match left_rows {
                    Some(rows) => hash.of_part(rows),
                    None => hash,
                });
                if shape.tracks_right() {
                    rest = Some(unmatched(shape, build, |build| &build.rows));
                }
            }
            How::All(wanted) => {
                let track = shape.tracks_right();
                let build = rows_of(collected, &shape.right, wanted, track, &shape.context)?;
                let build: Arc<BuildRows> = Arc::new(build);
                let all = NestedLoop::new(shape.clone(), build.clone());
                probe = Box::new(match left_rows {
                    Some(rows) => all.of_part(rows),
                    None => all,
                });
                if track {
                    rest = Some(unmatched(shape, build, |build| build));
                }
            }
        }
        let mut run = MorselRun::new(Morsel { sequence: 0, batches: left }, Chain::of(vec![probe.local()]));
        let pairs = std::iter::from_fn(move || run.next());
        let rest = std::iter::from_fn(move || rest.as_ref()?.next_morsel().transpose());
        let rest = rest.flat_map(|morsel| match morsel {
            Ok(morsel) => morsel.batches,
            Err(e) => Box::new(std::iter::once(Err(e))),
        });
        Ok(Box::new(pairs.chain(rest)))
    }
}
