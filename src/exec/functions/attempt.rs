//! `TRY(expression)`: NULL where the expression fails.

use std::sync::Arc;

use arrow_array::{ArrayRef, new_null_array};

use super::{ScalarFunction, ScalarKernel};
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::{evaluate, flatten, repeat};
use crate::exec::expr::Expr;
use crate::exec::operators::coalesce::concat_arrays;

/// The function `TRY` of an expression over its arguments.
pub fn attempt_function(body: Expr) -> Arc<ScalarFunction> {
    let body = Arc::new(body);
    let run = body.clone();
    let kernel: ScalarKernel = Box::new(move |args, _, rows, context| {
        let all: Vec<ArrayRef> = args
            .iter()
            .map(|a| {
                let a = flatten(a)?;
                if a.len() == rows { Ok(a) } else { repeat(&a, rows, context) }
            })
            .collect::<Result<_>>()?;
        attempt(&run, &all, rows, context)
    });
    Arc::new(ScalarFunction { name: "try", strict: false, volatile: false, kernel, lambda: Some(body) })
}

/// Rows that fail are found by halves: few of many cost little.
fn attempt(body: &Expr, columns: &[ArrayRef], rows: usize, context: &ExecContext) -> Result<ArrayRef> {
    let values = evaluate(body, &Batch::new(columns.to_vec(), rows), context).and_then(|v| flatten(&v));
    match values {
        Ok(values) if values.len() == rows => Ok(values),
        Ok(values) => repeat(&values, rows, context),
        Err(e) if !is_of_a_value(&e) => Err(e),
        Err(_) if rows <= 1 => Ok(new_null_array(&body.ty().arrow(), rows)),
        Err(_) => {
            let half = rows / 2;
            let part = |from: usize, len: usize| {
                let columns: Vec<ArrayRef> = columns.iter().map(|c| c.slice(from, len)).collect();
                attempt(body, &columns, len, context)
            };
            concat_arrays(&[part(0, half)?, part(half, rows - half)?])
        }
    }
}

/// Whether another value might not fail.
fn is_of_a_value(e: &ExecError) -> bool {
    matches!(e, ExecError::Conversion(_) | ExecError::OutOfRange(_) | ExecError::InvalidInput(_))
}
