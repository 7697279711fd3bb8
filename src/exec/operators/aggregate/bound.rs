//! Groups that cannot be among the first of an order by an aggregate: `… GROUP BY url ORDER BY count(*) DESC LIMIT 10`.
//!
//! Partitions are finished one after another, and those who keep the first rows have soon seen so many that most groups
//! of a further partition come behind them. Such groups are dropped when nothing but their aggregates has been made.

use std::sync::Arc;

use arrow_array::{ArrayRef, NullArray, UInt32Array};

use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate_predicate;
use crate::exec::expr::Expr;
use crate::exec::operators::sort::top_n::RunningBound;

/// A condition that the result of an aggregate must satisfy for its group to matter.
pub(crate) struct ResultBound {
    /// The number of the aggregate.
    pub call: usize,
    /// The type of its result.
    pub ty: LogicalType,
    /// The condition, as far as it is known.
    pub bound: Arc<RunningBound>,
}

impl ResultBound {
    /// The groups that may matter, if not all do.
    pub fn wanted(
        &self,
        results: &[ArrayRef],
        groups: usize,
        context: &ExecContext,
    ) -> Result<Option<UInt32Array>> {
        let Some(predicate) = self.bound.get() else { return Ok(None) };
        let condition = Expr::Compare {
            op: predicate.op,
            left: Box::new(Expr::column(self.call, self.ty.clone())),
            right: Box::new(Expr::Literal { value: predicate.value, ty: self.ty.clone() }),
        };
        let nothing: ArrayRef = Arc::new(NullArray::new(groups));
        let mut columns = vec![nothing; results.len()];
        columns[self.call] = Arc::clone(&results[self.call]);
        let mask = evaluate_predicate(&condition, &Batch { columns, rows: groups }, context)?;
        let wanted: Vec<u32> = mask.values().set_indices().map(|group| group as u32).collect();
        Ok((wanted.len() < groups).then(|| wanted.into()))
    }
}
