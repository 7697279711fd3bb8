//! SUMMARIZE: statistics on each column of a table or query.

use std::sync::Arc;

use sqlparser::ast::Query;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::batch::Batch;
use crate::exec::cast::text::write_value;
use crate::exec::expr::{AggregateCall, Expr};
use crate::sql::bind::Binder;
use crate::sql::error::Result;
use crate::sql::plan::{Column, LogicalPlan};
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::sources::RowsBuilder;
use crate::sql::statement::query;

/// The columns of the result that are computed for each column, as aggregates.
const MEASURES: &[&str] = &["min", "max", "approx_unique", "avg", "std", "q25", "q50", "q75", "count"];

/// Summarizes.
pub fn run(session: &Session, query: &Query) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let (plan, mut ids, columns) = session.bind(&view, |binder| {
        let bound = binder.bind_query(query, None)?;
        let bound = query::with_types(binder, bound)?;
        let columns = bound.columns.clone();
        let aggregates = measures(binder, &columns)?;
        let plan =
            LogicalPlan::Aggregate { input: Box::new(bound.into_plan()), group_by: vec![], aggregates };
        Ok((plan, std::mem::take(&mut binder.ids), columns))
    })?;
    let plan = session.plan(plan, &mut ids)?;
    let schema = Arc::clone(&plan.schema);
    let mut row: Option<Batch> = None;
    for batch in session.start(plan, false)? {
        let batch = batch?;
        if batch.rows > 0 {
            row = Some(batch);
        }
    }
    let mut out = RowsBuilder::new(&[
        ("column_name", T::Varchar),
        ("column_type", T::Varchar),
        ("min", T::Varchar),
        ("max", T::Varchar),
        ("approx_unique", T::BigInt),
        ("avg", T::Varchar),
        ("std", T::Varchar),
        ("q25", T::Varchar),
        ("q50", T::Varchar),
        ("q75", T::Varchar),
        ("count", T::BigInt),
        ("null_percentage", T::Decimal { width: 9, scale: 2 }),
    ]);
    // The total comes first, then the measures that each column has, under the ids of their names.
    let value = |name: &str| -> Result<Scalar, Failure> {
        let Some(row) = &row else { return Ok(Scalar::Null) };
        let Some(at) = schema.iter().position(|f| f.name == name) else { return Ok(Scalar::Null) };
        let array = crate::exec::functions::flatten(&row.columns[at])?;
        if arrow_array::Array::is_null(&array, 0) {
            return Ok(Scalar::Null);
        }
        if schema[at].ty == T::BigInt
            && (name.ends_with(":approx_unique") || name.ends_with(":count") || name == "total")
        {
            return Ok(Scalar::from_array(&array, 0, &T::BigInt));
        }
        let mut text = String::new();
        write_value(&array, 0, &schema[at].ty, &mut text)?;
        Ok(Scalar::text(text))
    };
    let total = match value("total")? {
        Scalar::Int(n) => n,
        _ => 0,
    };
    for (i, column) in columns.iter().enumerate() {
        let mut values = vec![Scalar::text(&column.name), Scalar::text(column.ty.to_string())];
        let mut filled = 0;
        for measure in MEASURES {
            let scalar = value(&format!("{i}:{measure}"))?;
            if let ("count", Scalar::Int(n)) = (*measure, &scalar) {
                filled = *n;
            }
            values.push(if *measure == "count" { Scalar::Int(total) } else { scalar });
        }
        let empty = if total > 0 { ((total - filled) * 10_000 + total / 2) / total } else { 0 };
        values.push(Scalar::Int(empty));
        out.push(values);
    }
    Ok(out.finish("summarize")?.into())
}

/// The aggregates over all columns, named by position and measure.
fn measures(binder: &mut Binder<'_>, columns: &[Column]) -> Result<Vec<(Column, AggregateCall)>> {
    let mut out = vec![];
    out.push(binder.aggregate_call("total".into(), "count", vec![])?);
    for (i, column) in columns.iter().enumerate() {
        let numeric = column.ty.is_numeric();
        let instant = matches!(column.ty, T::Date | T::Timestamp(_) | T::TimestampTz | T::Time);
        let share = |p: f64| Expr::literal(Scalar::Float(p), T::Double);
        for measure in MEASURES {
            let (function, args) = match *measure {
                "min" | "max" => (*measure, vec![column.expr()]),
                "approx_unique" => ("approx_count_distinct", vec![column.expr()]),
                "count" => ("count", vec![column.expr()]),
                "avg" if numeric => ("avg", vec![column.expr()]),
                "std" if numeric => ("stddev", vec![column.expr()]),
                "q25" if numeric || instant => ("approx_quantile", vec![column.expr(), share(0.25)]),
                "q50" if numeric || instant => ("approx_quantile", vec![column.expr(), share(0.5)]),
                "q75" if numeric || instant => ("approx_quantile", vec![column.expr(), share(0.75)]),
                _ => continue,
            };
            // A type that an aggregate does not take leaves a NULL.
            if let Ok(call) = binder.aggregate_call(format!("{i}:{measure}"), function, args) {
                out.push(call);
            }
        }
    }
    Ok(out)
}
