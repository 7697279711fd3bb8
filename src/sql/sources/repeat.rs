//! `repeat` and `repeat_row`: one row, so many times.

use std::sync::Arc;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field};
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{Source, TableFunctionArgs};
use crate::sql::sources::rows::StaticRows;

/// Rows of one batch.
const BATCH_ROWS: usize = 2_048;
/// More rows than anyone waits for; the batches share their memory.
const ROWS_MAX: i128 = 1 << 40;

/// The rows of `repeat(value, count)` or `repeat_row(values…, num_rows = count)`.
pub fn source(name: &str, args: &TableFunctionArgs) -> Result<Arc<dyn Source>> {
    let wrong = || {
        ExecError::InvalidInput(
            "repeat takes a value and how often, repeat_row values and num_rows = how often".into(),
        )
    };
    let (values, count) = match (name, &args.positional[..], &args.named[..]) {
        ("repeat", [value, (count, _)], []) => (std::slice::from_ref(value), count),
        ("repeat_row", values @ [_, ..], [(n, count, _)]) if n == "num_rows" => (values, count),
        _ => return Err(wrong()),
    };
    let rows = match count {
        Scalar::Int(n) if *n < 0 => {
            return Err(ExecError::InvalidInput("Repeat second parameter cannot be be less than 0".into()));
        }
        Scalar::Int(n) if *n <= ROWS_MAX => usize::try_from(*n).map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    let mut schema = vec![];
    let mut columns = vec![];
    for (i, (value, ty)) in values.iter().enumerate() {
        let ty = if *ty == LogicalType::Null { LogicalType::Integer } else { ty.clone() };
        let column = value.to_array(&ty, BATCH_ROWS.min(rows));
        columns.push(column.map_err(|e| ExecError::Internal(e.to_string()))?);
        let column_name = if name == "repeat" { "repeat".into() } else { format!("column{i}") };
        schema.push(Field::new(column_name, ty));
    }
    let full = rows / BATCH_ROWS;
    let mut batches = if full > 0 { vec![Batch::new(columns.clone(), BATCH_ROWS); full] } else { vec![] };
    let rest = rows % BATCH_ROWS;
    if rest > 0 {
        batches.push(Batch::new(columns.iter().map(|c| c.slice(0, rest)).collect(), rest));
    }
    Ok(Arc::new(StaticRows::new(name, schema.into(), batches)))
}
