//! Functions of a row's number, and of its peers' numbers.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array};

use crate::exec::error::{ExecError, Result};
use crate::exec::window::WindowFunction;

use super::Evaluate;
use super::group::Group;
use super::layout::{Arg, Call};
use super::value::Numbers;

/// `row_number`, `rank`, `dense_rank`, `percent_rank`, `cume_dist` and `ntile`.
pub(super) struct Rank;

impl Evaluate for Rank {
    fn evaluate(&self, call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
        use WindowFunction as F;
        Ok(match call.function {
            F::RowNumber => {
                let numbers = group.partitions_of(&rows).flat_map(|p| {
                    let from = rows.start.max(p.start) - p.start;
                    let to = rows.end.min(p.end) - p.start;
                    from as i64 + 1..to as i64 + 1
                });
                Arc::new(Int64Array::from_iter_values(numbers))
            }
            F::Rank => integers(group, &rows, |r| r.rank()),
            F::DenseRank => integers(group, &rows, |r| r.group + 1),
            F::PercentRank => fractions(group, &rows, |r| match r.size {
                0 | 1 => 0.0,
                n => (r.rank() - 1) as f64 / (n - 1) as f64,
            }),
            F::CumeDist => fractions(group, &rows, |r| r.last as f64 / r.size as f64),
            F::Ntile => ntile(call, group, rows)?,
            _ => return Err(ExecError::Internal(format!("{} is no rank", call.function.name()))),
        })
    }
}

/// Where a row's peers lie in its partition.
struct Peers {
    /// The first of them, and the end, from the partition's start.
    first: usize,
    last: usize,
    /// Groups of peers before.
    group: usize,
    /// Rows of the partition.
    size: usize,
}

impl Peers {
    fn rank(&self) -> usize {
        self.first + 1
    }
}

/// Calls `f` for each group of peers that has some of the rows, with how many.
fn each(group: &Group, rows: &Range<usize>, mut f: impl FnMut(&Peers, usize)) {
    for partition in group.partitions_of(rows) {
        let from = rows.start.max(partition.start);
        let to = rows.end.min(partition.end);
        let first_group = group.peers_of(partition.start);
        let mut at = from;
        let mut peers = group.peers_of(from);
        while at < to {
            let (first, last) = (group.peers[peers] as usize, group.peers[peers + 1] as usize);
            let row = Peers {
                first: first - partition.start,
                last: last - partition.start,
                group: peers - first_group,
                size: partition.len(),
            };
            let end = last.min(to);
            f(&row, end - at);
            at = end;
            peers += 1;
        }
    }
}

fn integers(group: &Group, rows: &Range<usize>, f: impl Fn(&Peers) -> usize) -> ArrayRef {
    let mut out: Vec<i64> = Vec::with_capacity(rows.len());
    each(group, rows, |peers, n| out.resize(out.len() + n, f(peers) as i64));
    Arc::new(Int64Array::from(out))
}

fn fractions(group: &Group, rows: &Range<usize>, f: impl Fn(&Peers) -> f64) -> ArrayRef {
    let mut out: Vec<f64> = Vec::with_capacity(rows.len());
    each(group, rows, |peers, n| out.resize(out.len() + n, f(peers)));
    Arc::new(Float64Array::from(out))
}

fn ntile(call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
    let buckets = Buckets::new(&call.args[0], group)?;
    let mut out = Int64Array::builder(rows.len());
    for partition in group.partitions_of(&rows) {
        for row in rows.start.max(partition.start)..rows.end.min(partition.end) {
            let n = buckets.get(row)?;
            out.append_option(n.map(|n| bucket(row - partition.start, partition.len(), n) as i64));
        }
    }
    Ok(Arc::new(out.finish()))
}

/// The argument of `ntile`.
pub(super) struct Buckets(Numbers);

impl Buckets {
    pub fn new(arg: &Arg, group: &Group) -> Result<Self> {
        Ok(Self(Numbers::new(Some(arg), 1, group)?))
    }

    /// How many there are for a row.
    pub fn get(&self, row: usize) -> Result<Option<usize>> {
        match self.0.get(row) {
            Some(n) if n <= 0 => {
                Err(ExecError::InvalidInput("Argument for ntile must be greater than zero".into()))
            }
            n => Ok(n.map(|n| n as usize)),
        }
    }
}

/// The bucket, from 1, of a row among `rows` in `buckets`, of which the first are one larger.
pub(super) fn bucket(row: usize, rows: usize, buckets: usize) -> usize {
    let buckets = buckets.min(rows);
    let size = rows / buckets;
    let large = rows % buckets;
    let in_large = large * (size + 1);
    if row < in_large { 1 + row / (size + 1) } else { 1 + large + (row - in_large) / size }
}
