//! SHOW.

use sqlparser::ast::ObjectName;

use crate::catalog::Namespace;
use crate::sql::ast::Show;
use crate::sql::parser::table_query;
use crate::sql::session::{Failure, Outcome, Session, parts};
use crate::sql::sources::{shown, variables};
use crate::sql::statement::setting::show_setting;
use crate::sql::statement::{describe, show_measurements};

/// Lists what exists.
pub fn run(session: &mut Session, what: &Show) -> Result<Outcome, Failure> {
    match what {
        Show::Named(name) => return named(session, name),
        Show::Measurements(show) => return show_measurements::run(session, show),
        _ => {}
    }
    let view = session.read_view();
    let rows = session.bind(&view, |binder| {
        let listed = shown(&binder.env, what)?;
        Ok(listed.unwrap_or_else(|| variables(&binder.env)))
    })?;
    Ok(rows.finish("show")?.into())
}

/// `SHOW name`: the columns of a table or view of that name, else the setting of that name.
fn named(session: &mut Session, name: &ObjectName) -> Result<Outcome, Failure> {
    if let [ident] = parts(name)?[..]
        && session.read_view().lookup(Namespace::Relation, name)?.is_none()
        && let Some(setting) = show_setting(session, &ident.value)?
    {
        return Ok(setting);
    }
    describe::run(session, &*table_query(name.clone())?)
}
