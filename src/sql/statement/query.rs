//! Queries.

use std::collections::VecDeque;
use std::sync::Arc;

use sqlparser::ast::Query;

use crate::catalog::TableDefinition;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::functions::flatten;
use crate::exec::plan::Plan;
use crate::sql::bind::{Binder, BoundQuery};
use crate::sql::error::SqlError;
use crate::sql::plan::{ColumnIds, LogicalPlan};
use crate::sql::sequences;
use crate::sql::session::{DatabaseView, Failure, Outcome, PlanCache, ResultRows, Session, TypedValue};
use crate::sql::statement::materialized::use_rollups;

/// Runs a query; its rows are made while they are read.
pub fn run(session: &mut Session, query: &Query) -> Result<Outcome, Failure> {
    if !query.locks.is_empty() {
        return run_locking(session, query);
    }
    let plan = planned(session, query)?;
    start(session, plan)
}

/// Runs a query whose rows others are not to change before the transaction ends: if they do, it fails when it commits
/// what it has written. There are no locks, and nobody waits; of the tables that the query reads no row is to change.
fn run_locking(session: &mut Session, query: &Query) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let (plan, mut ids) = session.bind(&view, |binder| {
        binder.env.uses.may_lock.set(true);
        plan(binder, query)
    })?;
    let mut tables = vec![];
    tables_of(&plan, &mut tables);
    for table in tables {
        let is_its = |database: &&DatabaseView| {
            database.catalog().table_by_id(table.id).is_some_and(|found| Arc::ptr_eq(found, &table))
        };
        if let Some(database) = view.databases().iter().find(is_its) {
            session.rely_on(database.database(), table.id);
        }
    }
    let plan = session.plan(plan, &mut ids)?;
    start(session, plan)
}

fn tables_of(plan: &LogicalPlan, out: &mut Vec<Arc<TableDefinition>>) {
    let mut left = vec![plan];
    while let Some(plan) = left.pop() {
        if let LogicalPlan::TableGet { table, .. } = plan {
            out.push(Arc::clone(table.definition()));
        }
        left.extend(plan.inputs());
    }
}

/// The plan of a query.
pub fn planned(session: &Session, query: &Query) -> Result<Plan, Failure> {
    let view = session.read_view();
    let (plan, mut ids) = session.bind(&view, |binder| plan(binder, query))?;
    session.plan(plan, &mut ids)
}

/// Runs a query that may have a plan already.
pub fn run_planned(session: &mut Session, query: &Query, plans: &PlanCache) -> Result<Outcome, Failure> {
    if !query.locks.is_empty() {
        return run_locking(session, query);
    }
    let view = session.read_view();
    let plan = plans.plan(session, &view, query)?;
    start(session, plan)
}

fn start(session: &mut Session, plan: Plan) -> Result<Outcome, Failure> {
    if sequences::used_in(&plan) {
        // What a sequence gave out is in the file before anybody sees it.
        let schema = Arc::clone(&plan.schema);
        let batches = session.start(plan, false)?.collect::<Result<VecDeque<_>, _>>()?;
        session.save_sequences()?;
        return Ok(Outcome::Rows(ResultRows::Static(schema, batches)));
    }
    Ok(Outcome::Rows(ResultRows::Stream(Box::new(session.start(plan, false)?))))
}

/// The logical plan of a query as a statement, over materialized views where they have what it asks for.
pub fn plan(binder: &mut Binder<'_>, query: &Query) -> Result<(LogicalPlan, ColumnIds), Failure> {
    let bound = binder.bind_query(query, None)?;
    let mut plan = with_types(binder, bound)?.into_plan();
    use_rollups(binder, &mut plan)?;
    Ok((plan, std::mem::take(&mut binder.ids)))
}

/// The logical plan of a query whose rows become those of a table.
pub fn plan_to_store(binder: &mut Binder<'_>, query: &Query) -> Result<(LogicalPlan, ColumnIds), Failure> {
    let bound = binder.bind_query(query, None)?;
    let types: Vec<LogicalType> = bound.columns.iter().map(|c| c.ty.without_bare_nulls()).collect();
    let mut plan = binder.cast_columns(bound, &types)?.into_plan();
    use_rollups(binder, &mut plan)?;
    Ok((plan, std::mem::take(&mut binder.ids)))
}

/// The logical plan of a query as it was written.
pub fn plan_as_written(binder: &mut Binder<'_>, query: &Query) -> Result<(LogicalPlan, ColumnIds), Failure> {
    let bound = binder.bind_query(query, None)?;
    let bound = with_types(binder, bound)?;
    Ok((bound.into_plan(), std::mem::take(&mut binder.ids)))
}

/// The value of a query of one column and at most one row; NULL if it has none.
pub fn scalar(session: &Session, query: &Query) -> Result<TypedValue, Failure> {
    let view = session.read_view();
    let (plan, mut ids) = session.bind(&view, |binder| {
        let bound = binder.bind_query(query, None)?;
        Ok((bound.into_plan(), std::mem::take(&mut binder.ids)))
    })?;
    let plan = session.plan(plan, &mut ids)?;
    let [field] = &plan.schema[..] else {
        return Err(SqlError::binder("one value is expected here").at(query).into());
    };
    let ty = field.ty.clone();
    let mut value = None;
    for batch in session.start(plan, false)? {
        let batch = batch?;
        if batch.rows == 0 {
            continue;
        }
        if value.is_some() || batch.rows > 1 {
            return Err(SqlError::invalid("More than one row returned where one value is expected").into());
        }
        value = Some(Scalar::from_array(&flatten(&batch.columns[0])?, 0, &ty));
    }
    Ok((value.unwrap_or_default(), ty))
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

#[cfg(test)]
mod tests {
    use crate::Database;

    #[test]
    fn what_is_read_for_update_stays_until_the_commit() {
        let database = Database::open_in_memory().unwrap();
        let (one, other) = (database.connect(), database.connect());
        one.execute(
            "CREATE TABLE stock(n BIGINT); CREATE TABLE orders(n BIGINT); INSERT INTO stock VALUES (1)",
        )
        .unwrap();
        let order = || {
            one.execute("BEGIN").unwrap();
            let left = one.query_one::<(i64,)>("SELECT n FROM stock FOR UPDATE", ()).unwrap().0;
            one.execute(&format!("INSERT INTO orders VALUES ({left})")).unwrap();
        };
        order();
        other.execute("UPDATE stock SET n = 0").unwrap();
        assert_eq!(one.execute("COMMIT").unwrap_err().sqlstate(), "40001");
        // Others may change what else they like, and nothing is left of the first.
        order();
        other.execute("INSERT INTO orders VALUES (7)").unwrap();
        one.execute("COMMIT").unwrap();
        let orders = "SELECT string_agg(n, ' ' ORDER BY n) FROM orders";
        assert_eq!(one.query_one::<(String,)>(orders, ()).unwrap().0, "0 7");
    }
}
