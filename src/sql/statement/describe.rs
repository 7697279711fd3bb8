//! DESCRIBE.

use sqlparser::ast::Query;

use crate::sql::session::{Failure, Outcome, Session};

/// Lists the columns of a table or query.
pub fn run(session: &Session, query: &Query) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let rows = session.bind(&view, |binder| Ok(binder.describe(query)?))?;
    Ok(rows.finish("describe")?.into())
}
