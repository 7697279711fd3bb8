//! SUMMARIZE: statistics on each column of a table or query.

use sqlparser::ast::Query;

use crate::sql::session::{Failure, Outcome, ResultRows, Session};

/// Summarizes.
pub fn run(session: &Session, query: &Query) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let (plan, mut ids) = session.bind(&view, |binder| {
        let bound = binder.summarize(query)?;
        Ok((bound.into_plan(), std::mem::take(&mut binder.ids)))
    })?;
    let plan = session.plan(plan, &mut ids)?;
    Ok(Outcome::Rows(ResultRows::Stream(Box::new(session.start(plan, false)?))))
}
