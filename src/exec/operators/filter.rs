//! Rows for which a condition is true.

use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_select::filter::FilterBuilder;

use super::coalesce::Coalescer;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate_predicate;
use crate::exec::expr::Expr;
use crate::exec::pipeline::{Flow, LocalOperator, Next, Operator};

/// `WHERE`, `HAVING` and what the optimizer could not push into a scan. Small results are collected into larger
/// batches, within a morsel.
pub(crate) struct Filter {
    predicate: Arc<Expr>,
    /// The columns that are wanted behind the filter, if not all.
    output: Option<Arc<[usize]>>,
    context: Arc<ExecContext>,
}

struct LocalFilter {
    predicate: Arc<Expr>,
    output: Option<Arc<[usize]>>,
    context: Arc<ExecContext>,
    small: Coalescer,
}

impl Filter {
    /// Rows for which the predicate is true, as they are.
    pub fn new(predicate: Expr, context: &Arc<ExecContext>) -> Self {
        Self { predicate: Arc::new(predicate), output: None, context: context.clone() }
    }

    /// The same, keeping only some columns.
    pub fn with_output(mut self, output: Vec<usize>) -> Self {
        self.output = Some(output.into());
        self
    }
}

impl Operator for Filter {
    fn local(&self) -> Box<dyn LocalOperator> {
        Box::new(LocalFilter {
            predicate: self.predicate.clone(),
            output: self.output.clone(),
            context: self.context.clone(),
            small: Coalescer::default(),
        })
    }
}

impl LocalOperator for LocalFilter {
    fn push(&mut self, batch: Batch, next: &mut Next<'_>) -> Result<Flow> {
        let mask = evaluate_predicate(&self.predicate, &batch, &self.context)?;
        let batch = match &self.output {
            Some(output) => {
                Batch::new(output.iter().map(|&c| batch.columns[c].clone()).collect(), batch.rows)
            }
            None => batch,
        };
        match self.small.push(filter_batch(batch, &mask)?)? {
            Some(batch) => next(batch),
            None => Ok(Flow::More),
        }
    }

    fn flush(&mut self, next: &mut Next<'_>) -> Result<Flow> {
        match self.small.flush()? {
            Some(batch) => next(batch),
            None => Ok(Flow::More),
        }
    }
}

/// The rows of a batch where the mask, which has no NULLs, is true.
pub(crate) fn filter_batch(batch: Batch, mask: &BooleanArray) -> Result<Batch> {
    let rows = mask.true_count();
    if rows == batch.rows {
        return Ok(batch);
    }
    if rows == 0 {
        return Ok(Batch::new(batch.columns.iter().map(|c| c.slice(0, 0)).collect(), 0));
    }
    let mut builder = FilterBuilder::new(mask);
    if batch.columns.len() > 1 {
        builder = builder.optimize();
    }
    let filter = builder.build();
    let columns = batch.columns.iter().map(|c| filter.filter(c)).collect::<Result<_, _>>()?;
    Ok(Batch::new(columns, rows))
}
