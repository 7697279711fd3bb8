//! What each operator of a running plan does, for `EXPLAIN ANALYZE`.
//!
//! The nodes of a plan are numbered in pre-order: the root is 0, then its first input and all below it, then
//! its second input (the order of [`PlanNode::inputs`](crate::exec::plan::PlanNode::inputs)).
//!
//! Time is that of threads, not of the clock: what several threads do side by side adds up. An operator's own time is
//! without its inputs and its consumer, so that the own times of all operators are the time of the plan.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::column::Codec;
use crate::exec::expr::Expr;
use crate::exec::plan::Plan;

/// What the operators of one running plan did. Workers add to it; it may be read at any time.
#[derive(Debug)]
pub struct Profile {
    plan: Mutex<Option<Plan>>,
    nodes: Vec<NodeMetrics>,
    /// Time of workers, less that for which somebody waited for them.
    workers: AtomicI64,
}

/// What one operator did, summed over all threads.
#[derive(Debug, Default)]
pub struct NodeMetrics {
    /// Rows it yielded.
    pub rows: AtomicU64,
    /// Batches it yielded.
    pub batches: AtomicU64,
    /// Nanoseconds spent in it, without its inputs and its consumer; more than the clock says where threads
    /// work side by side.
    pub nanos: AtomicU64,
    /// Bytes of working memory that its result holds.
    pub memory: AtomicU64,
    /// Bytes it wrote to the temporary file.
    pub spilled: AtomicU64,
    /// What it read of a table.
    scan: Mutex<Option<ScanMetrics>>,
}

/// What the scan of a table read, and what it did not have to read.
#[derive(Debug, Clone, Default)]
pub struct ScanMetrics {
    /// The conditions, in the order of the filter, over the columns of the scan.
    pub conditions: Vec<Expr>,
    /// Row groups of the table.
    pub row_groups: u64,
    /// Row groups whose statistics refute a condition, by condition.
    pub row_groups_refuted: Vec<Refuted>,
    /// Row groups that do not matter to a join or a limit behind the scan.
    pub row_groups_unwanted: u64,
    /// Row groups that were read. A limit may be reached before all were.
    pub row_groups_read: u64,
    /// Blocks (of rows, over all columns) of the row groups that were read.
    pub blocks: u64,
    /// Blocks whose statistics refute a condition, by condition.
    pub blocks_refuted: Vec<Refuted>,
    /// Blocks that do not matter to a join or a limit behind the scan.
    pub blocks_unwanted: u64,
    /// Rows of the blocks that were left.
    pub rows: u64,
    /// Column blocks that were decoded, or filtered as they are, and their bytes: by codec.
    pub decoded: Vec<(Codec, u64, u64)>,
    /// Blocks for which a condition was compared with the distinct values of a dictionary instead of with each row.
    pub dictionary_filters: u64,
}

/// How often statistics refute a condition, by statistic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refuted {
    /// By the least and the greatest value.
    pub bounds: u64,
    /// By the number of NULLs.
    pub nulls: u64,
}

impl Refuted {
    /// By any.
    pub fn all(self) -> u64 {
        self.bounds + self.nulls
    }
}

impl ScanMetrics {
    /// Adds what another part of the scan did.
    pub fn add(&mut self, other: &Self) {
        fn add_each(to: &mut Vec<Refuted>, from: &[Refuted]) {
            to.resize(to.len().max(from.len()), Refuted::default());
            to.iter_mut().zip(from).for_each(|(a, b)| {
                a.bounds += b.bounds;
                a.nulls += b.nulls;
            });
        }
        add_each(&mut self.row_groups_refuted, &other.row_groups_refuted);
        add_each(&mut self.blocks_refuted, &other.blocks_refuted);
        self.row_groups_unwanted += other.row_groups_unwanted;
        self.row_groups_read += other.row_groups_read;
        self.blocks += other.blocks;
        self.blocks_unwanted += other.blocks_unwanted;
        self.rows += other.rows;
        self.dictionary_filters += other.dictionary_filters;
        for (codec, blocks, bytes) in &other.decoded {
            self.add_decoded(*codec, *blocks, *bytes);
        }
    }

    /// Counts one more for a condition.
    pub(crate) fn refute(list: &mut Vec<Refuted>, condition: usize, by_nulls: bool) {
        list.resize(list.len().max(condition + 1), Refuted::default());
        let refuted = &mut list[condition];
        *(if by_nulls { &mut refuted.nulls } else { &mut refuted.bounds }) += 1;
    }

    /// Counts blocks of a codec that were decoded.
    pub(crate) fn add_decoded(&mut self, codec: Codec, blocks: u64, bytes: u64) {
        match self.decoded.iter_mut().find(|d| d.0 == codec) {
            Some(known) => (known.1, known.2) = (known.1 + blocks, known.2 + bytes),
            None => self.decoded.push((codec, blocks, bytes)),
        }
    }
}

impl NodeMetrics {
    pub(crate) fn add_output(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_nanos(&self, nanos: u64) {
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Begins to count what a scan reads.
    pub(crate) fn begin_scan(&self, conditions: Vec<Expr>, row_groups: u64) {
        *self.scan.lock() = Some(ScanMetrics { conditions, row_groups, ..ScanMetrics::default() });
    }

    pub(crate) fn add_scan(&self, part: &ScanMetrics) {
        if let Some(scan) = &mut *self.scan.lock() {
            scan.add(part);
        }
    }

    /// What it read, if it is a scan of a table that has begun.
    pub fn scan(&self) -> Option<ScanMetrics> {
        self.scan.lock().clone()
    }
}

impl Profile {
    /// An empty profile for this plan.
    pub fn new(plan: &Plan) -> Self {
        fn count(plan: &Plan) -> usize {
            1 + plan.node.inputs().into_iter().map(count).sum::<usize>()
        }
        Self {
            plan: Mutex::new(Some(plan.clone())),
            nodes: (0..count(plan)).map(|_| NodeMetrics::default()).collect(),
            workers: AtomicI64::new(0),
        }
    }

    /// Looks at the plan whose operators are numbered, unless it is forgotten.
    pub fn with_plan<T>(&self, look: impl FnOnce(&Plan) -> T) -> Option<T> {
        self.plan.lock().as_ref().map(look)
    }

    /// Forgets the plan. One that writes has a sink that holds the context, which holds this.
    pub fn forget_plan(&self) {
        *self.plan.lock() = None;
    }

    /// The metrics of node `id` in pre-order.
    pub fn node(&self, id: usize) -> Option<&NodeMetrics> {
        self.nodes.get(id)
    }

    /// The own times of all nodes together, in nanoseconds.
    pub fn nanos(&self) -> u64 {
        self.nodes.iter().map(|node| node.nanos.load(Ordering::Relaxed)).sum()
    }

    /// A worker worked so long.
    pub(crate) fn add_worker(&self, since: Instant) {
        self.workers.fetch_add(since.elapsed().as_nanos() as i64, Ordering::Relaxed);
    }

    /// Somebody waited for workers so long; its own work among theirs was counted as that of a worker.
    pub(crate) fn add_waiting(&self, since: Instant) {
        self.workers.fetch_sub(since.elapsed().as_nanos() as i64, Ordering::Relaxed);
    }

    /// Attributes to a node what threads do in `run` and is not counted for another node already.
    pub(crate) fn timed<T>(&self, id: usize, run: impl FnOnce() -> T) -> T {
        let (nodes, workers) = (self.nanos(), self.workers.load(Ordering::Relaxed));
        let start = Instant::now();
        let result = run();
        let clock = start.elapsed().as_nanos() as i64;
        let others = (self.nanos() - nodes) as i64;
        let own = clock + self.workers.load(Ordering::Relaxed) - workers - others;
        if let Some(node) = self.node(id) {
            node.add_nanos(own.max(0) as u64);
        }
        result
    }
}
