//! Functions that see their frame in an order of its own: `first_value(x ORDER BY y) OVER (…)`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array};

use crate::exec::error::{ExecError, Result};
use crate::exec::window::WindowFunction;

use super::frame::Frames;
use super::group::{Group, ValidRows};
use super::layout::Call;
use super::order::ArgumentOrder;
use super::rank::{Buckets, bucket};
use super::value::{Numbers, Target, Values};
use super::wavelet::{Runs, Wavelet};
use super::{Evaluate, Threads};

/// The rows of a group, in both orders.
struct Ranked {
    order: ArgumentOrder,
    /// Which rows count, if not all.
    valid: Option<ValidRows>,
    /// Over the rows that count.
    wavelet: Wavelet,
    /// Where rows that count lie in the order of the arguments, among themselves.
    rows: Vec<u32>,
}

impl Ranked {
    fn new(call: &Call, group: &Group, valid: Option<ValidRows>, threads: &Threads<'_>) -> Result<Self> {
        let order = ArgumentOrder::new(&call.order_by, group, threads)?;
        let Some(valid) = valid else {
            let wavelet = Wavelet::new((0..group.rows() as u32).map(|row| order.rank(row)).collect());
            return Ok(Self { rows: order.rows().values().to_vec(), order, valid: None, wavelet });
        };
        let counts = |row: u32| valid.before(row as usize + 1) > valid.before(row as usize);
        let rows: Vec<u32> = order.rows().values().iter().copied().filter(|&row| counts(row)).collect();
        let mut ranks = vec![0; rows.len()];
        for (rank, &row) in rows.iter().enumerate() {
            ranks[valid.before(row as usize)] = rank as u32;
        }
        Ok(Self { order, valid: Some(valid), wavelet: Wavelet::new(ranks), rows })
    }

    /// The pieces of a frame in rows that count.
    fn runs(&self, frames: &Frames, i: usize) -> Runs {
        let pieces = frames.pieces(i);
        match &self.valid {
            None => pieces,
            Some(valid) => {
                let place = |row: u32| valid.before(row as usize) as u32;
                pieces.map(|piece| place(piece.start)..place(piece.end))
            }
        }
    }

    /// How many rows that count come before a rank among all rows.
    fn rank_among(&self, rank: u32) -> u32 {
        match self.valid {
            None => rank,
            Some(_) => self.rows.partition_point(|&row| self.order.rank(row) < rank) as u32,
        }
    }

    /// The `n`th row of a frame.
    fn nth(&self, runs: Runs, n: usize) -> u32 {
        self.rows[self.wavelet.nth(runs, n) as usize]
    }

    fn size(&self) -> usize {
        self.wavelet.size() + self.rows.capacity() * 4 + self.order.size()
    }
}

fn len(runs: &Runs) -> usize {
    runs.iter().map(Range::len).sum()
}

/// A function of values.
pub(super) struct OrderedValues {
    values: Values,
    numbers: Numbers,
    ranked: Ranked,
}

impl OrderedValues {
    pub fn new(call: &Call, group: &Group, threads: &Threads<'_>) -> Result<Self> {
        let values = Values::new(&call.args[0], group)?;
        let valid = values.valid(call, group)?;
        let numbers = Numbers::new(call.args.get(1), 1, group)?;
        Ok(Self { values, numbers, ranked: Ranked::new(call, group, valid, threads)? })
    }

    fn target(&self, call: &Call, row: usize, runs: Runs) -> Target {
        let Some(number) = self.numbers.get(row) else { return Target::Unknown };
        let len = len(&runs);
        let own = || {
            let rank = self.ranked.rank_among(self.ranked.order.rank(row as u32));
            self.ranked.wavelet.count_below(runs.clone(), rank) as i64
        };
        let n = match call.function {
            WindowFunction::First => Some(0),
            WindowFunction::Last => (len as i64).checked_sub(1),
            WindowFunction::Nth => number.checked_sub(1),
            WindowFunction::Lag => own().checked_sub(number),
            _ => own().checked_add(number),
        };
        match n.and_then(|n| usize::try_from(n).ok()).filter(|n| *n < len) {
            Some(n) => Target::Row(self.ranked.nth(runs, n)),
            None => Target::Beyond,
        }
    }
}

impl Evaluate for OrderedValues {
    fn evaluate(&self, call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
        let frames = Frames::new(call, group, &rows)?;
        let target = |i: usize| self.target(call, rows.start + i, self.ranked.runs(&frames, i));
        let targets = (0..rows.len()).map(target).collect();
        self.values.pick(call, group, &rows, targets)
    }

    fn size(&self) -> usize {
        self.ranked.size()
    }
}

/// A function of a row's place.
pub(super) struct OrderedRanks {
    ranked: Ranked,
    buckets: Option<Buckets>,
}

impl OrderedRanks {
    pub fn new(call: &Call, group: &Group, threads: &Threads<'_>) -> Result<Self> {
        let buckets = match &call.args[..] {
            [] => None,
            args => Some(Buckets::new(&args[0], group)?),
        };
        Ok(Self { ranked: Ranked::new(call, group, None, threads)?, buckets })
    }
}

impl Evaluate for OrderedRanks {
    fn evaluate(&self, call: &Call, group: &Group, rows: Range<usize>) -> Result<ArrayRef> {
        use WindowFunction as F;
        let frames = Frames::new(call, group, &rows)?;
        let order = &self.ranked.order;
        let below = |i: usize, rank: u32| self.ranked.wavelet.count_below(self.ranked.runs(&frames, i), rank);
        let size = |i: usize| len(&self.ranked.runs(&frames, i));
        // Rows before the row itself, before its peers, and up to the last of its peers.
        let own = |i: usize| below(i, order.rank((rows.start + i) as u32));
        let before = |i: usize| below(i, order.peers((rows.start + i) as u32).start);
        let up_to = |i: usize| below(i, order.peers((rows.start + i) as u32).end);
        let all = 0..rows.len();
        Ok(match call.function {
            F::RowNumber => Arc::new(Int64Array::from_iter_values(all.map(|i| own(i) as i64 + 1))),
            F::Rank => Arc::new(Int64Array::from_iter_values(all.map(|i| before(i) as i64 + 1))),
            F::PercentRank => Arc::new(Float64Array::from_iter_values(all.map(|i| match size(i) {
                0 | 1 => 0.0,
                n => before(i) as f64 / (n - 1) as f64,
            }))),
            F::CumeDist => Arc::new(Float64Array::from_iter_values(all.map(|i| match size(i) {
                0 => 0.0,
                n => up_to(i) as f64 / n as f64,
            }))),
            F::Ntile => {
                let mut out = Int64Array::builder(rows.len());
                for i in all {
                    let buckets = self.buckets.as_ref().map_or(Ok(None), |b| b.get(rows.start + i))?;
                    let n = size(i);
                    out.append_option(
                        buckets.filter(|_| n > 0).map(|b| bucket(own(i).min(n - 1), n, b) as i64),
                    );
                }
                Arc::new(out.finish())
            }
            _ => return Err(ExecError::Internal(format!("{} is no rank", call.function.name()))),
        })
    }

    fn size(&self) -> usize {
        self.ranked.size()
    }
}
