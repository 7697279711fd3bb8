//! Where rows come from and where they go, other than tables: files, generators, bulk loads.

use std::fmt;
use std::sync::Arc;

use crate::column::predicate::Predicate;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::expr::Expr;
use crate::exec::pipeline::{BatchesSource, LazySource, split_batch};

/// A condition on one column that a source may use to skip what cannot match. The filter itself is still
/// evaluated behind the source.
#[derive(Debug, Clone)]
pub struct ColumnPredicate {
    /// Position in the source's full schema.
    pub column: usize,
    /// The condition.
    pub predicate: Predicate,
}

/// What a source knows of one of its columns without reading it.
#[derive(Debug, Clone, Default)]
pub struct SourceStatistics {
    /// No value is less.
    pub min: Option<Scalar>,
    /// No value is greater.
    pub max: Option<Scalar>,
    /// How many values are NULL.
    pub null_count: Option<u64>,
    /// About how many different values there are.
    pub distinct: Option<u64>,
}

/// Anything that yields rows: a CSV or Parquet file, `generate_series`, a catalog listing.
pub trait Source: Send + Sync + fmt::Debug {
    /// A name for EXPLAIN, such as `READ_CSV taxi.csv`.
    fn describe(&self) -> String;

    /// All columns that it can yield.
    fn schema(&self) -> Schema;

    /// Columns that it can yield beyond those, numbered behind them: who does not name them does not see them.
    fn hidden(&self) -> Vec<Field> {
        vec![]
    }

    /// All columns, the hidden ones last.
    fn all_columns(&self) -> Vec<Field> {
        self.schema().iter().cloned().chain(self.hidden()).collect()
    }

    /// The number of rows, if it is known or can be guessed without reading the data.
    fn estimated_rows(&self) -> Option<u64> {
        None
    }

    /// What is known of a column without reading the data, for the optimizer.
    fn statistics(&self, _column: usize) -> Option<SourceStatistics> {
        None
    }

    /// Starts a scan that yields the given columns, in the given order. It reads nothing that those
    /// columns and predicates do not need.
    fn scan(
        &self,
        columns: &[usize],
        predicates: &[ColumnPredicate],
        context: &Arc<ExecContext>,
    ) -> Result<Box<dyn SourceScan>>;
}

/// A scan that any number of workers draw from.
pub trait SourceScan: Send + Sync {
    /// The next morsel, or `None` at the end. Morsels are numbered 0, 1, 2, … in the order of the rows
    /// in the source, each number once; they may be handed out to several threads at a time. A morsel
    /// is a unit of work: reading it may be costly and happens in the thread that drains it.
    fn next_morsel(&self) -> Result<Option<Morsel>>;

    /// How many morsels are still to be handed out, where that is known without reading; 0 also where they are no
    /// work for another thread. A query whose sources have no such work starts no further threads.
    fn morsels_left(&self) -> Option<usize> {
        None
    }

    /// The share of the work already handed out, 0 to 1.
    fn progress(&self) -> Option<f64> {
        None
    }
}

/// A piece of a scan: its place in the order of the source, and its batches in order.
pub struct Morsel {
    /// Place in the order of the source.
    pub sequence: u64,
    /// The rows. Lazy: the work is done in `next`.
    pub batches: Box<dyn Iterator<Item = Result<Batch>> + Send>,
}

/// Where the rows of a plan go: a table under construction, a file under `COPY TO`.
pub trait Sink: Send + Sync + fmt::Debug {
    /// A name for EXPLAIN, such as `CREATE_TABLE_AS taxi`.
    fn describe(&self) -> String;

    /// Takes all rows of the input morsel `sequence`, possibly none; any thread, any order, each
    /// sequence once and none left out. The sink restores the order itself where it matters, and may
    /// block a caller that is far ahead, so that memory stays bounded.
    fn push(&self, sequence: u64, batches: Vec<Batch>) -> Result<()>;

    /// Called once after the last push. Returns the number of rows written. Until this has returned
    /// `Ok`, nothing is visible to anyone.
    fn finish(&self) -> Result<u64>;

    /// About how many bytes have been written, where rows go to a file.
    fn bytes(&self) -> u64 {
        0
    }

    /// The files that rows have gone to, if they are others than the one that was named.
    fn files(&self) -> Option<Vec<String>> {
        None
    }

    /// The query failed or was cancelled: nothing more will be pushed, and `finish` is not called. It may come
    /// more than once, from any thread, while others are inside `push`; pushes that wait for an earlier
    /// sequence must then return an error, for that sequence will never come.
    fn abort(&self) {}
}

/// A scan of batches in memory.
pub fn batches_scan(batches: Vec<Batch>) -> impl SourceScan {
    BatchesSource::from_batches(batches)
}

/// A scan of morsels that are made when they are drawn: `make(i)` for `i` in `0..count`.
pub fn lazy_scan<F>(count: usize, make: F) -> impl SourceScan
where
    F: Fn(usize) -> Result<Vec<Batch>> + Send + Sync,
{
    LazySource::new(count, move |piece| {
        Ok(Box::new(make(piece)?.into_iter().flat_map(split_batch).map(Ok)) as Box<_>)
    })
}

/// What a table function is given.
#[derive(Debug, Clone, Default)]
pub struct TableFunctionArgs {
    /// Positional arguments, already constant.
    pub positional: Vec<(Scalar, LogicalType)>,
    /// Named arguments, names in lower case.
    pub named: Vec<(String, Scalar, LogicalType)>,
}

/// The conjuncts of a filter that compare a column with a constant.
pub fn predicates_of(filter: &Expr) -> Vec<ColumnPredicate> {
    fn collect(e: &Expr, out: &mut Vec<ColumnPredicate>) {
        match e {
            Expr::And(all) => all.iter().for_each(|e| collect(e, out)),
            Expr::Compare { op, left, right } => match (&**left, &**right) {
                (Expr::Column { index, .. }, Expr::Literal { value, .. }) => {
                    out.push(ColumnPredicate {
                        column: *index,
                        predicate: Predicate { op: *op, value: value.clone() },
                    });
                }
                (Expr::Literal { value, .. }, Expr::Column { index, .. }) => {
                    out.push(ColumnPredicate {
                        column: *index,
                        predicate: Predicate { op: op.swap(), value: value.clone() },
                    });
                }
                _ => {}
            },
            _ => {}
        }
    }
    let mut out = vec![];
    collect(filter, &mut out);
    out
}
