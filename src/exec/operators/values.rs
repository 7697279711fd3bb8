//! Constant rows.

use std::sync::Arc;

use arrow_array::ArrayRef;

use super::coalesce::concat_arrays;
use crate::column::scalar::Scalar;
use crate::exec::batch::{Batch, Field};
use crate::exec::context::ExecContext;
use crate::exec::error::Result;
use crate::exec::eval::evaluate;
use crate::exec::expr::Expr;

/// Evaluates the rows of `VALUES`.
pub(crate) fn values(rows: &[Vec<Expr>], schema: &[Field], context: &Arc<ExecContext>) -> Result<Batch> {
    let one_row = Batch::new(vec![], 1);
    let columns = schema
        .iter()
        .enumerate()
        .map(|(c, field)| {
            let mut parts: Vec<ArrayRef> = vec![];
            let mut row = 0;
            while row < rows.len() {
                context.check_cancelled()?;
                let literals = leading_literals(&rows[row..], c);
                if literals.is_empty() {
                    parts.push(evaluate(&rows[row][c], &one_row, context)?);
                    row += 1;
                } else {
                    row += literals.len();
                    parts.push(scalars_to_array(&literals, field)?);
                }
            }
            if parts.is_empty() {
                return Ok(arrow_array::new_empty_array(&field.ty.arrow()));
            }
            concat_arrays(&parts)
        })
        .collect::<Result<_>>()?;
    Ok(Batch::new(columns, rows.len()))
}

/// The constants in column `c` of the first rows, as long as they are constants.
fn leading_literals(rows: &[Vec<Expr>], c: usize) -> Vec<&Scalar> {
    rows.iter()
        .map_while(|row| match &row[c] {
            Expr::Literal { value, .. } => Some(value),
            _ => None,
        })
        .collect()
}

fn scalars_to_array(values: &[&Scalar], field: &Field) -> Result<ArrayRef> {
    let parts = values
        .iter()
        .map(|v| crate::exec::eval::scalar_array(v, &field.ty, 1))
        .collect::<Result<Vec<_>>>()?;
    concat_arrays(&parts)
}
