//! Statements whose WITH has changes. One after another, in the order of the text, they are carried out to their end,
//! read or not; each sees what those before it have done. If anything fails, nothing is done.

use std::sync::Arc;

use sqlparser::ast::{Ident, Query};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::memory::{Reservation, batch_bytes};
use crate::exec::plan::Plan;
use crate::sql::ast::{CteStep, Statement, WithChanges};
use crate::sql::bind::KeptRows;
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, ResultRows, Session};
use crate::sql::sources::{RowsBuilder, StaticRows};
use crate::sql::statement::{modify, query, whole};
use crate::table::TableError;

/// The column of a change without RETURNING.
const COUNT: &str = "Count";

/// Carries out the steps and then the statement proper.
pub fn run(session: &mut Session, statement: &WithChanges) -> Result<Outcome, Failure> {
    let own = !session.is_in_transaction();
    loop {
        let done = whole(session, false, |session| {
            let kept = std::mem::take(&mut session.kept);
            let done = run_steps(session, statement);
            session.kept = kept;
            done
        });
        match done {
            // A statement outside BEGIN waits for others rather than failing because of them.
            Err(Failure::Table(TableError::Conflict(_))) if own => {}
            done => return done,
        }
    }
}

fn run_steps(session: &mut Session, statement: &WithChanges) -> Result<Outcome, Failure> {
    // The memory of rows that are kept is accounted for until the end.
    let mut memory = Reservation::new(&Arc::new(session.context()));
    for (name, step) in &statement.steps {
        let outcome = match step {
            CteStep::Change(change) => modify::run(session, change, None)?,
            CteStep::Keep(query) => query::run(session, query)?,
        };
        let (schema, batches) = rows_of(outcome)?;
        for batch in &batches {
            memory.grow(batch_bytes(batch))?;
        }
        keep(session, name, schema, batches);
    }
    match &statement.body {
        Statement::Modify(change) => modify::run(session, change, None),
        body => {
            // An error among the rows undoes the changes, so all are made before any is seen.
            let (schema, batches) = rows_of(query::run(session, query_of(body)?)?)?;
            Ok(Outcome::Rows(ResultRows::Static(schema, batches.into())))
        }
    }
}

fn query_of(body: &Statement) -> Result<&Query, Failure> {
    match body {
        Statement::Query(query) => Ok(query),
        _ => Err(SqlError::internal("behind WITH stands a query or a change").into()),
    }
}

/// What a step gives to those that name it: its rows, or how many it changed.
fn rows_of(outcome: Outcome) -> Result<(Schema, Vec<Batch>), Failure> {
    match outcome {
        Outcome::Rows(ResultRows::Static(schema, batches)) => Ok((schema, batches.into())),
        Outcome::Rows(ResultRows::Stream(stream)) => {
            Ok((Arc::clone(stream.schema()), stream.collect::<Result<_, _>>()?))
        }
        Outcome::Changed(rows) => {
            let mut count = RowsBuilder::new(&[(COUNT, LogicalType::BigInt)]);
            count.push([Scalar::Int(rows.into())]);
            Ok(count.finish(COUNT)?.into_parts())
        }
        Outcome::Done => Ok((Arc::from([]), vec![])),
    }
}

fn keep(session: &mut Session, name: &Ident, schema: Schema, batches: Vec<Batch>) {
    let rows = Arc::new(StaticRows::new(&name.value, schema, batches));
    session.kept.push(KeptRows { name: name.clone(), rows });
}

/// The plans of the steps, with what they are called, and that of the statement proper.
pub fn plans(session: &mut Session, statement: &WithChanges) -> Result<(Vec<(String, Plan)>, Plan), Failure> {
    let kept = std::mem::take(&mut session.kept);
    let plans = plans_within(session, statement);
    session.kept = kept;
    plans
}

fn plans_within(
    session: &mut Session,
    statement: &WithChanges,
) -> Result<(Vec<(String, Plan)>, Plan), Failure> {
    let mut plans = vec![];
    for (name, step) in &statement.steps {
        // Nothing is carried out: those behind it see no rows, but what columns they would have.
        let (plan, schema) = match step {
            CteStep::Change(change) => {
                let (plan, returning) = modify::plan(session, change)?;
                let count = || Arc::from([Field::new(COUNT, LogicalType::BigInt)]);
                (plan, returning.unwrap_or_else(count))
            }
            CteStep::Keep(query) => {
                let plan = query::planned(session, query)?;
                let schema = Arc::clone(&plan.schema);
                (plan, schema)
            }
        };
        plans.push((name.value.clone(), plan));
        keep(session, name, schema, vec![]);
    }
    let body = match &statement.body {
        Statement::Modify(change) => modify::plan(session, change)?.0,
        body => query::planned(session, query_of(body)?)?,
    };
    Ok((plans, body))
}
