//! Aggregates that statistics answer.

use std::sync::Arc;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::error::Result;
use crate::exec::expr::{AggregateCall, Expr};
use crate::table::{ROW_ID, TableSnapshot};

/// The one row of an aggregation of a whole table without keys and conditions, if the table's statistics know
/// every aggregate in it exactly. `columns` are those of the table that the calls' columns mean. Statistics of chunks
/// know nothing of deleted rows.
pub(crate) fn aggregate_from_statistics(
    table: &Arc<TableSnapshot>,
    columns: &[usize],
    calls: &[AggregateCall],
) -> Result<Option<Batch>> {
    let mut row = vec![];
    for call in calls {
        let Some(value) = one(table, columns, call)? else { return Ok(None) };
        let Ok(array) = value.to_array(&call.ty, 1) else { return Ok(None) };
        row.push(array);
    }
    Ok(Some(Batch::new(row, 1)))
}

fn one(table: &Arc<TableSnapshot>, columns: &[usize], call: &AggregateCall) -> Result<Option<Scalar>> {
    if call.filter.is_some() {
        return Ok(None);
    }
    let name = call.function.name;
    let extreme = matches!(name, "min" | "max");
    if call.distinct && !extreme {
        return Ok(None);
    }
    let column = match &call.args[..] {
        [] | [Expr::Literal { value: Scalar::Boolean(_) | Scalar::Int(_), .. }] if name == "count" => {
            return Ok(Some(Scalar::Int(table.rows().into())));
        }
        [Expr::Column { index, .. }] => columns[*index],
        _ => return Ok(None),
    };
    if table.deleted_rows() > 0 || column == ROW_ID {
        return Ok(None);
    }
    let ty = &table.definition().columns[column].ty;
    match name {
        "count" => {
            let stats = table.column_stats(column)?;
            Ok(Some(Scalar::Int((stats.rows - stats.null_count).into())))
        }
        "min" | "max" if *ty == call.ty => {
            let stats = table.column_stats(column)?;
            if stats.null_count == stats.rows {
                return Ok(Some(Scalar::Null));
            }
            let (value, exact) =
                if name == "min" { (&stats.min, stats.min_exact) } else { (&stats.max, stats.max_exact) };
            Ok(value.clone().filter(|_| exact))
        }
        "sum" if ty.is_integer() || matches!(ty, LogicalType::Decimal { .. }) => {
            let mut total = None;
            for group in table.row_groups()? {
                let stats = group.chunk_meta(column)?.stats(ty);
                if stats.nulls == stats.rows {
                    continue;
                }
                let Some(Scalar::Int(sum)) = stats.sum else { return Ok(None) };
                let Some(sum) = total.unwrap_or(0i128).checked_add(sum) else { return Ok(None) };
                total = Some(sum);
            }
            Ok(Some(total.map_or(Scalar::Null, Scalar::Int)))
        }
        _ => Ok(None),
    }
}
