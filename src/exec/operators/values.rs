//! Constant rows.

use std::sync::Arc;

use arrow_array::builder::{PrimitiveBuilder, StringViewBuilder};
use arrow_array::types::*;
use arrow_array::{ArrayRef, ArrowPrimitiveType};
use arrow_schema::{DataType, TimeUnit};

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

/// One row for each value. Long lists of common types are built without an array for each value.
fn scalars_to_array(values: &[&Scalar], field: &Field) -> Result<ArrayRef> {
    if let Some(array) = build(values, &field.ty.arrow()) {
        return Ok(array);
    }
    let parts = values
        .iter()
        .map(|v| crate::exec::eval::scalar_array(v, &field.ty, 1))
        .collect::<Result<Vec<_>>>()?;
    concat_arrays(&parts)
}

/// The array, if all values are of the kind that the layout wants.
fn build(values: &[&Scalar], layout: &DataType) -> Option<ArrayRef> {
    fn whole<T: ArrowPrimitiveType>(values: &[&Scalar], layout: &DataType) -> Option<ArrayRef>
    where
        T::Native: TryFrom<i128>,
    {
        let mut builder = PrimitiveBuilder::<T>::with_capacity(values.len()).with_data_type(layout.clone());
        for value in values {
            match value {
                Scalar::Null => builder.append_null(),
                Scalar::Int(v) => builder.append_value(T::Native::try_from(*v).ok()?),
                _ => return None,
            }
        }
        Some(Arc::new(builder.finish()))
    }
    match layout {
        DataType::Int8 => whole::<Int8Type>(values, layout),
        DataType::Int16 => whole::<Int16Type>(values, layout),
        DataType::Int32 => whole::<Int32Type>(values, layout),
        DataType::Int64 => whole::<Int64Type>(values, layout),
        DataType::Decimal64(..) => whole::<Decimal64Type>(values, layout),
        DataType::Decimal128(..) => whole::<Decimal128Type>(values, layout),
        DataType::Date32 => whole::<Date32Type>(values, layout),
        DataType::Timestamp(TimeUnit::Microsecond, _) => whole::<TimestampMicrosecondType>(values, layout),
        DataType::Float64 => {
            let mut builder = PrimitiveBuilder::<Float64Type>::with_capacity(values.len());
            for value in values {
                match value {
                    Scalar::Null => builder.append_null(),
                    Scalar::Float(v) => builder.append_value(*v),
                    _ => return None,
                }
            }
            Some(Arc::new(builder.finish()))
        }
        DataType::Utf8View => {
            let mut builder = StringViewBuilder::with_capacity(values.len());
            for value in values {
                match value {
                    Scalar::Null => builder.append_null(),
                    Scalar::Text(v) => builder.append_value(v),
                    _ => return None,
                }
            }
            Some(Arc::new(builder.finish()))
        }
        _ => None,
    }
}
