//! A number of rows that the query itself computes.

use std::sync::Arc;

use crate::column::scalar::Scalar;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::evaluate;
use crate::exec::expr::Expr;
use crate::exec::operators::collect::collect;
use crate::exec::operators::limit::slice_rows;
use crate::exec::pipeline::Pipeline;

/// What the rows of a limited result are counted by.
pub(crate) struct LimitBy {
    /// Rows, or percent of all rows; all where absent or NULL.
    pub limit: Option<Expr>,
    /// Rows to skip.
    pub offset: Option<Expr>,
    /// The limit is in percent.
    pub percent: bool,
}

/// Runs a pipeline for the rows that the expressions, which are the same in all of them, ask for.
pub(crate) fn limit_by(pipeline: &Pipeline, by: &LimitBy, context: &Arc<ExecContext>) -> Result<Vec<Batch>> {
    let collected = collect(pipeline, context)?;
    let Some(first) = collected.batches.first() else { return Ok(vec![]) };
    let first = first.slice(0, 1);
    let value = |e: &Option<Expr>| -> Result<Scalar> {
        let Some(e) = e else { return Ok(Scalar::Null) };
        Ok(Scalar::from_array(&evaluate(e, &first, context)?, 0, &e.ty()))
    };
    let offset = whole(&value(&by.offset)?)?.unwrap_or(0);
    let limit = match value(&by.limit)? {
        Scalar::Float(percent) if by.percent => Some(share(percent, collected.rows())?),
        other => whole(&other)?,
    };
    Ok(slice_rows(collected.batches.into_iter(), offset, limit))
}

fn whole(value: &Scalar) -> Result<Option<u64>> {
    match value {
        Scalar::Null => Ok(None),
        Scalar::Int(n) => u64::try_from(*n)
            .map(Some)
            .map_err(|_| ExecError::InvalidInput(format!("LIMIT/OFFSET cannot be negative: {n}"))),
        other => Err(ExecError::Internal(format!("a limit of {other:?}"))),
    }
}

/// So many percent of `rows`, rounded down.
fn share(percent: f64, rows: usize) -> Result<u64> {
    if !(0.0..=100.0).contains(&percent) {
        return Err(ExecError::OutOfRange(
            "Limit percent out of range, should be between 0% and 100%".into(),
        ));
    }
    Ok((percent / 100.0 * rows as f64) as u64)
}
