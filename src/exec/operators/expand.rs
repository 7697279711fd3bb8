//! Rows, each once for each grouping set.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, new_null_array};

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::expr::Expr;
use crate::exec::pipeline::{Flow, LocalOperator, Next, Operator};

/// Yields the columns of the input, then the keys, those that a set lacks as NULLs, then the number of the set.
#[derive(Clone)]
pub(crate) struct Expand {
    keys: Arc<[Expr]>,
    sets: Arc<[Vec<bool>]>,
    context: Arc<ExecContext>,
}

impl Expand {
    /// For these keys; each set says which of them it has.
    pub fn new(keys: Vec<Expr>, sets: Vec<Vec<bool>>, context: &Arc<ExecContext>) -> Self {
        Self { keys: keys.into(), sets: sets.into(), context: context.clone() }
    }
}

impl Operator for Expand {
    fn local(&self) -> Box<dyn LocalOperator> {
        Box::new(self.clone())
    }
}

impl LocalOperator for Expand {
    fn push(&mut self, batch: Batch, next: &mut Next<'_>) -> Result<Flow> {
        let keys: Vec<ArrayRef> =
            self.keys.iter().map(|k| evaluate(k, &batch, &self.context)).collect::<Result<_>>()?;
        for (number, set) in self.sets.iter().enumerate() {
            let mut columns = batch.columns.clone();
            for ((key, has), expr) in keys.iter().zip(set).zip(self.keys.iter()) {
                columns.push(if *has { key.clone() } else { new_null_array(&expr.ty().arrow(), batch.rows) });
            }
            columns.push(Arc::new(Int64Array::from_value(number as i64, batch.rows)));
            if next(Batch::new(columns, batch.rows))? == Flow::Enough {
                return Ok(Flow::Enough);
            }
        }
        Ok(Flow::More)
    }
}
