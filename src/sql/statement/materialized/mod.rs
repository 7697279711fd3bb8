//! Materialized views: tables that hold the rows of a query.
//!
//! A view keeps what it was made from: of each table that its query reads the fingerprints of the sealed row groups and
//! their times ([`SourceState`]). A refresh compares that with what is there now. Where the query makes groups by
//! buckets of time ([`shape`]), only the buckets are made anew in which rows have changed, whenever these came; any other
//! query is made anew as a whole, if one of its tables has changed at all. The rows and the state that they stand for are
//! one commit, so a refresh that is cut off has not happened.
//!
//! Rows of a source that expire take nothing from the view: buckets that begin before are frozen.

mod create;
mod refresh;
mod rollup;
mod shape;

pub use create::create;
pub use refresh::{freeze, refresh, refresh_if_due, refresh_named};
pub use rollup::use_rollups;

use std::sync::Arc;

use sqlparser::ast::{Expr as Syntax, Query};

use crate::catalog::SourceState;
use crate::sql::bind::Binder;
use crate::sql::bind::expiry::TTL;
use crate::sql::bind::name::function_name;
use crate::sql::error::{Result, SqlError};
use crate::sql::plan::LogicalPlan;
use crate::sql::session::{Failure, ReadView};
use crate::sql::statement::query;
use crate::sql::walk;
use crate::table::TableSnapshot;
use shape::Shape;

/// Functions whose value is another at another time, or for another session.
const FLEETING: &[&str] = &[
    "now",
    "today",
    "current_date",
    "current_time",
    "current_timestamp",
    "get_current_time",
    "get_current_timestamp",
    "localtime",
    "localtimestamp",
    "transaction_timestamp",
    "statement_timestamp",
    "clock_timestamp",
    "age",
    "random",
    "setseed",
    "uuid",
    "uuidv4",
    "uuidv7",
    "gen_random_uuid",
    "nextval",
    "currval",
    "current_setting",
    "getvariable",
    "current_user",
    "current_schema",
    "current_database",
];

/// A view's query as it was bound.
struct BoundView {
    plan: LogicalPlan,
    ids: crate::sql::plan::ColumnIds,
    /// The tables that it reads; `None` if it depends on something else too.
    tables: Option<Vec<Arc<TableSnapshot>>>,
    /// How it makes buckets, if it does.
    shape: Option<Shape>,
}

impl BoundView {
    /// Binds the query of a view. It may read tables of the database that is written to alone.
    fn bind(binder: &mut Binder<'_>, query: &Query, view: &ReadView) -> Result<Self, Failure> {
        let (plan, ids) = query::plan_as_written(binder, query)?;
        let (mut tables, mut others) = (vec![], false);
        collect(&plan, &mut tables, &mut others);
        for table in &tables {
            let own = view.focus().table(table.id()).is_ok_and(|own| Arc::ptr_eq(&own, table));
            if !own {
                let message = format!(
                    "a materialized view reads tables of its own database, and \"{}\" is in another",
                    table.name()
                );
                return Err(SqlError::binder(message).into());
            }
        }
        // Rows with a ttl go without a change of the table.
        let hides = tables.iter().any(|t| t.definition().options.contains_key(TTL));
        let fixed = !others && !hides && !is_fleeting(query);
        let shape = if fixed { Shape::of(&plan) } else { None };
        Ok(Self { plan, ids, tables: fixed.then_some(tables), shape })
    }

    /// What the tables have.
    fn state(&self) -> Result<Vec<SourceState>, Failure> {
        let mut states = vec![];
        for table in self.tables.iter().flatten() {
            let time = self.shape.as_ref().map(|shape| shape.time);
            states.push(table.state(time)?);
        }
        Ok(states)
    }
}

/// The tables of a plan, each once, and whether it reads anything else.
fn collect(plan: &LogicalPlan, tables: &mut Vec<Arc<TableSnapshot>>, others: &mut bool) {
    match plan {
        LogicalPlan::TableGet { table, .. } if !tables.iter().any(|t| Arc::ptr_eq(t, table)) => {
            tables.push(Arc::clone(table));
        }
        LogicalPlan::SourceGet { .. } => *others = true,
        _ => {}
    }
    plan.inputs().into_iter().for_each(|input| collect(input, tables, others));
}

/// Whether a query may yield something else though no table has changed.
fn is_fleeting(query: &Query) -> bool {
    walk::any_expression(query, |expr| match expr {
        Syntax::Function(f) => FLEETING.contains(&function_name(&f.name).as_str()),
        _ => false,
    })
}
