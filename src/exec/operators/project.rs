//! One output column for each expression.

use std::sync::Arc;

use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::expr::Expr;
use crate::exec::pipeline::{Flow, LocalOperator, Next, Operator};

/// Computes expressions over each batch.
#[derive(Clone)]
pub(crate) struct Project {
    exprs: Arc<[Expr]>,
    context: Arc<ExecContext>,
}

impl Project {
    /// One column for each expression.
    pub fn new(exprs: Vec<Expr>, context: &Arc<ExecContext>) -> Self {
        Self { exprs: exprs.into(), context: context.clone() }
    }
}

impl Operator for Project {
    fn local(&self) -> Box<dyn LocalOperator> {
        Box::new(self.clone())
    }
}

impl LocalOperator for Project {
    fn push(&mut self, batch: Batch, next: &mut Next<'_>) -> Result<Flow> {
        let columns = self.exprs.iter().map(|e| evaluate(e, &batch, &self.context)).collect::<Result<_>>()?;
        next(Batch::new(columns, batch.rows))
    }
}
