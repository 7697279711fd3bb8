//! Queries.

use sqlparser::ast::Query;

use crate::column::types::LogicalType;
use crate::sql::bind::{Binder, BoundQuery};
use crate::sql::plan::{ColumnIds, LogicalPlan};
use crate::sql::session::{Failure, Outcome, ResultRows, Session};

/// Runs a query; its rows are made while they are read.
pub fn run(session: &Session, query: &Query) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let (plan, mut ids) = session.bind(&view, |binder| plan(binder, query))?;
    let plan = session.plan(plan, &mut ids)?;
    Ok(Outcome::Rows(ResultRows::Stream(Box::new(session.start(plan, false)?))))
}

/// The logical plan of a query as a statement.
pub fn plan(binder: &mut Binder<'_>, query: &Query) -> Result<(LogicalPlan, ColumnIds), Failure> {
    let bound = binder.bind_query(query, None)?;
    let bound = with_types(binder, bound)?;
    Ok((bound.into_plan(), std::mem::take(&mut binder.ids)))
}

/// Columns of bare NULLs leave as INTEGER, as they would be stored.
pub fn with_types(binder: &mut Binder<'_>, bound: BoundQuery) -> Result<BoundQuery, Failure> {
    let types: Vec<LogicalType> = bound
        .columns
        .iter()
        .map(|c| if c.ty == LogicalType::Null { LogicalType::Integer } else { c.ty.clone() })
        .collect();
    Ok(binder.cast_columns(bound, &types)?)
}
