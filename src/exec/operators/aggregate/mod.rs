//! Hash aggregation: groups and their aggregates.
//!
//! Each worker has a table of its own and states of its own for every aggregate ([`local`]). Once its groups are too many
//! for the caches, and are rarely met again, it stops looking them up: further rows are laid out by partitions of the
//! keys' hashes ([`scatter`], [`partition`]). When all rows are in, the workers' tables are merged ([`merge`]): one into
//! another if there are few groups, else partition by partition, in parallel, each when somebody asks for its rows.
//! `DISTINCT` aggregates keep a table of (group, arguments) and see their distinct rows only after the merge
//! ([`distinct`]); ordered ones keep their rows and sort them then ([`ordered`]).
//!
//! Where memory does not hold all groups, a worker keeps those it has and writes further rows to partitions in the
//! temporary file; the merge then groups one partition after another ([`spilled`]).
//!
//! Where any few groups will do, rows of all others are left out as soon as so many are known ([`first`]); where the
//! first of an order by a key are wanted, rows of those that cannot be among them ([`top`]). Where the first of an order
//! by an aggregate are, groups leave without it as soon as others are known that come before them ([`bound`]).
//!
//! An order-sensitive aggregate without an order of its own (`first(x)`) sees the rows in the order of the
//! source: such an aggregation runs on one thread.

mod bound;
mod distinct;
mod distinct_words;
mod first;
mod local;
mod merge;
mod ordered;
mod partition;
mod repeated;
mod scatter;
mod spilled;
#[cfg(test)]
mod tests;
pub(crate) mod top;

use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::expr::{AggregateCall, Expr};
use crate::exec::memory::Budget;
use crate::exec::operators::filter::filter_batch;
use crate::exec::pipeline::{Flow, Pipeline, PipelineSink};
use crate::exec::scheduler::run;
use crate::exec::source::SourceScan;
use crate::exec::spill::Spill;

pub(crate) use bound::ResultBound;
use first::{FirstGroups, Kept};
use local::Local;
use partition::Layout;
use top::TopKeys;

/// How an aggregate gets its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feed {
    /// As they come.
    Plain,
    /// Each distinct combination of arguments once, at the end.
    Distinct,
    /// Sorted, at the end.
    Ordered,
    /// Not at all: its results come from the states of the call with this number.
    Shared(usize),
}

/// Which groups are asked for; others may be left out.
pub(crate) enum Wanted {
    /// All.
    All,
    /// Any so many.
    Any(u64),
    /// Those with the first values of a key.
    First(TopKeys),
}

/// One aggregation, shared by all workers.
struct Aggregation {
    keys: Vec<Expr>,
    calls: Vec<AggregateCall>,
    feeds: Vec<Feed>,
    /// How rows are laid out by partition, if they can be.
    layout: Option<Layout>,
    /// Those groups that are kept, if not all are asked for.
    first: Option<FirstGroups>,
    /// Only the first groups of an order are asked for.
    top: Option<TopKeys>,
    /// What is known of the groups that matter once their aggregates are.
    bound: Option<ResultBound>,
    budget: Arc<Budget>,
    spill: Spill,
    context: Arc<ExecContext>,
}

impl Aggregation {
    fn new(
        keys: Vec<Expr>,
        calls: Vec<AggregateCall>,
        wanted: Wanted,
        bound: Option<ResultBound>,
        spill: &Spill,
    ) -> Result<Self> {
        let (most, top) = match wanted {
            Wanted::All => (None, None),
            Wanted::Any(most) => (Some(most), None),
            Wanted::First(top) => (None, Some(top)),
        };
        let mut feeds: Vec<Feed> = calls
            .iter()
            .map(|call| {
                if call.function.order_sensitive && !call.order_by.is_empty() {
                    Feed::Ordered
                } else if call.distinct && !call.args.is_empty() {
                    Feed::Distinct
                } else {
                    Feed::Plain
                }
            })
            .collect();
        share_states(&calls, &mut feeds);
        let layout = if feeds.contains(&Feed::Ordered) { None } else { Layout::new(&keys, &calls) };
        let context = spill.context.clone();
        // Hash tables double, and what there is when rows are first written away stays until the merge.
        let budget = Budget::new(&context, 4);
        let first = match most {
            Some(most) if !keys.is_empty() && (1..=first::MOST).contains(&most) => {
                Some(FirstGroups::new(&keys, most as usize)?)
            }
            _ => None,
        };
        Ok(Self { keys, calls, feeds, layout, first, top, bound, budget, spill: spill.clone(), context })
    }

    /// The calls with this feed and their positions among all.
    fn fed(&self, feed: Feed) -> impl Iterator<Item = (usize, &AggregateCall)> {
        self.calls.iter().enumerate().filter(move |(i, _)| self.feeds[*i] == feed)
    }
}

/// Finds calls whose results follow from the states of another: `sum(x)` and `avg(x)` of one column.
fn share_states(calls: &[AggregateCall], feeds: &mut [Feed]) {
    let column = |call: &AggregateCall| match (&call.args[..], &call.filter) {
        ([Expr::Column { index, .. }], None) => Some(*index),
        _ => None,
    };
    for i in 1..calls.len() {
        let Some(argument) = column(&calls[i]).filter(|_| feeds[i] == Feed::Plain) else { continue };
        let states = (calls[i].function.new_states)();
        let of = (0..i).find(|&of| {
            feeds[of] == Feed::Plain
                && column(&calls[of]) == Some(argument)
                && calls[of].function.arg_types == calls[i].function.arg_types
                && states.finish_from(&*(calls[of].function.new_states)()).is_some()
        });
        if let Some(of) = of {
            feeds[i] = Feed::Shared(of);
        }
    }
}

impl PipelineSink for Aggregation {
    type Local = Local;

    fn local(&self) -> Local {
        Local::new(self, &self.budget)
    }

    fn push(&self, local: &mut Local, sequence: u64, mut batch: Batch) -> Result<Flow> {
        if let Some(first) = &self.first {
            if self.calls.is_empty() && first.are_known() {
                return Ok(Flow::Enough);
            }
            let keys: Vec<ArrayRef> =
                self.keys.iter().map(|k| evaluate(k, &batch, &self.context)).collect::<Result<_>>()?;
            if let Kept::Some(mask) = local.keep_first(first, &keys, batch.rows)? {
                batch = filter_batch(batch, &mask)?;
            }
        }
        if let Some(top) = &self.top {
            let key = evaluate(&self.keys[top.key], &batch, &self.context)?;
            if let Some(mask) = top.keep(&key, &batch)? {
                batch = filter_batch(batch, &mask)?;
            }
        }
        local.push(self, sequence, &batch)?;
        Ok(Flow::More)
    }

    fn end_morsel(&self, _local: &mut Local, _sequence: u64) -> Result<Flow> {
        let enough = self.calls.is_empty() && self.first.as_ref().is_some_and(FirstGroups::are_known);
        Ok(if enough { Flow::Enough } else { Flow::More })
    }
}

/// Runs a pipeline into groups. Yields batches of keys and aggregates, in no particular order; exactly one row if
/// there are no keys.
pub(crate) fn aggregate(
    pipeline: &Pipeline,
    keys: Vec<Expr>,
    calls: Vec<AggregateCall>,
    wanted: Wanted,
    bound: Option<ResultBound>,
    spill: &Spill,
) -> Result<Arc<dyn SourceScan>> {
    let context = &spill.context;
    let aggregation = Aggregation::new(keys, calls, wanted, bound, spill)?;
    let in_source_order = aggregation
        .calls
        .iter()
        .zip(&aggregation.feeds)
        .any(|(call, feed)| call.function.order_sensitive && *feed != Feed::Ordered);
    let threads = if in_source_order { 1 } else { context.threads };
    let locals = run(pipeline, &aggregation, context, threads)?;
    merge::finish(aggregation, locals)
}
