//! Aggregates that statistics answer.

use std::sync::Arc;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::aggregates::average;
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
        "sum" if is_summed(ty) => {
            let Some((sum, count)) = sum_and_count(table, column)? else { return Ok(None) };
            Ok(Some(if count == 0 { Scalar::Null } else { Scalar::Int(sum) }))
        }
        "avg" if is_summed(ty) && call.ty == LogicalType::Double => {
            let Some((sum, count)) = sum_and_count(table, column)? else { return Ok(None) };
            Ok(Some(average(sum, count, ty).map_or(Scalar::Null, Scalar::Float)))
        }
        _ => Ok(None),
    }
}

fn is_summed(ty: &LogicalType) -> bool {
    ty.is_integer() || matches!(ty, LogicalType::Decimal { .. })
}

/// The exact sum of a column and the number of its values, if the statistics of all chunks know them.
fn sum_and_count(table: &Arc<TableSnapshot>, column: usize) -> Result<Option<(i128, u64)>> {
    let (mut total, mut count) = (0i128, 0);
    for group in table.row_groups()? {
        let stats = group.chunk_stats(column)?;
        if stats.nulls == stats.rows {
            continue;
        }
        let Some(Scalar::Int(sum)) = stats.sum else { return Ok(None) };
        let Some(sum) = total.checked_add(sum) else { return Ok(None) };
        total = sum;
        count += stats.rows - stats.nulls;
    }
    Ok(Some((total, count)))
}
