//! A constant row in place of rows that are not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exec::batch::{Batch, Field};
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate_predicate;
use crate::exec::expr::Expr;
use crate::exec::operators::values::values;
use crate::exec::pipeline::{Flow, LazySource, LocalOperator, Next, Operator, Pipeline, SequenceSource};

/// Passes rows on and notes whether one satisfies the condition.
#[derive(Clone)]
struct Watch {
    condition: Arc<Expr>,
    seen: Arc<AtomicBool>,
    context: Arc<ExecContext>,
}

impl Operator for Watch {
    fn local(&self) -> Box<dyn LocalOperator> {
        Box::new(self.clone())
    }
}

impl LocalOperator for Watch {
    fn push(&mut self, batch: Batch, next: &mut Next<'_>) -> Result<Flow> {
        if !self.seen.load(Ordering::Relaxed)
            && evaluate_predicate(&self.condition, &batch, &self.context)?.true_count() > 0
        {
            self.seen.store(true, Ordering::Relaxed);
        }
        next(batch)
    }
}

/// The rows of a pipeline, and `row` behind them if none satisfies the condition.
pub(crate) fn or_else(
    mut pipeline: Pipeline,
    condition: Expr,
    row: Vec<Expr>,
    schema: Arc<[Field]>,
    context: &Arc<ExecContext>,
) -> Pipeline {
    let seen = Arc::new(AtomicBool::new(false));
    let watch = Watch { condition: Arc::new(condition), seen: seen.clone(), context: context.clone() };
    pipeline.operators.push(Arc::new(watch));
    let context = context.clone();
    let rest = LazySource::new(1, move |_| {
        if seen.load(Ordering::Relaxed) {
            return Ok(Box::new(std::iter::empty()));
        }
        let batch = values(std::slice::from_ref(&row), &schema, &context)?;
        Ok(Box::new(std::iter::once(Ok(batch))))
    });
    Pipeline::new(Arc::new(SequenceSource::with_barrier(vec![pipeline.into_source(), Arc::new(rest)])))
}
