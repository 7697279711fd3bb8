//! Rows and time by operator, for `EXPLAIN ANALYZE`.
//!
//! The nodes of a plan are numbered in pre-order: the root is 0, then its first input and all below it, then
//! its second input (the order of [`PlanNode::inputs`](crate::exec::plan::PlanNode::inputs)).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::exec::plan::Plan;

/// What the operators of one running plan did. Workers add to it; it may be read at any time.
#[derive(Debug)]
pub struct Profile {
    nodes: Vec<NodeMetrics>,
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
}

impl NodeMetrics {
    pub(crate) fn add_output(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_nanos(&self, nanos: u64) {
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl Profile {
    /// An empty profile for this plan.
    pub fn new(plan: &Plan) -> Self {
        fn count(plan: &Plan) -> usize {
            1 + plan.node.inputs().into_iter().map(count).sum::<usize>()
        }
        Self { nodes: (0..count(plan)).map(|_| NodeMetrics::default()).collect() }
    }

    /// The metrics of node `id` in pre-order.
    pub fn node(&self, id: usize) -> Option<&NodeMetrics> {
        self.nodes.get(id)
    }
}
