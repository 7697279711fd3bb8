//! PREPARE, EXECUTE, DEALLOCATE.

use sqlparser::ast::{Expr as Syntax, Ident};

use crate::sql::ast::{Execute, Prepare, Statement};
use crate::sql::error::{SqlError, SqlErrorKind};
use crate::sql::session::{Failure, Outcome, Parameters, PreparedStatement, Session};
use crate::sql::stack;
use crate::sql::statement::query;

/// Keeps a statement. `sql` is the whole text, `parameters` what it has instead of values.
pub fn prepare(
    session: &mut Session,
    prepare: Prepare,
    sql: &str,
    parameters: Vec<String>,
    size: stack::Size,
) -> Result<Outcome, Failure> {
    let name = prepare.name.value;
    let kept = PreparedStatement::new(*prepare.statement, sql, parameters, size);
    check(session, &kept)?;
    session.prepared.insert(&name, kept);
    Ok(Outcome::Done)
}

/// What a query names must exist. Of its parameters nothing is known, so what depends on them is not judged.
fn check(session: &mut Session, prepared: &PreparedStatement) -> Result<(), Failure> {
    let Statement::Query(syntax) = &prepared.statement else { return Ok(()) };
    let bound = session.without_parameters(|session| {
        let view = session.read_view();
        session.bind(&view, |binder| query::plan(binder, syntax))
    });
    match bound {
        Err(Failure::Sql(e)) if prepared.parameters.is_empty() || e.kind == SqlErrorKind::Catalog => {
            Err(e.into())
        }
        _ => Ok(()),
    }
}

/// Runs a statement that was prepared.
pub fn execute(session: &mut Session, execute: &Execute) -> Result<Outcome, Failure> {
    let prepared = find(session, &execute.name)?;
    let mut parameters = Parameters::default();
    let mut unnamed = 0;
    for (name, value) in &execute.values {
        let bound = constant(session, value)?;
        let name = match name {
            Some(name) => name.value.clone(),
            None => {
                unnamed += 1;
                unnamed.to_string()
            }
        };
        if parameters.insert(&name, bound).is_some() {
            return Err(SqlError::binder(format!("the parameter {name} is given twice")).at(value).into());
        }
    }
    session.run_prepared(&prepared, parameters)
}

fn constant(session: &Session, value: &Syntax) -> Result<crate::sql::session::TypedValue, Failure> {
    let view = session.read_view();
    session.bind(&view, |binder| Ok(binder.bind_constant(value, "a value of EXECUTE")?))
}

fn find(session: &Session, name: &Ident) -> Result<std::sync::Arc<PreparedStatement>, SqlError> {
    session.prepared.get(&name.value).ok_or_else(|| {
        SqlError::binder(format!("Prepared statement \"{}\" does not exist", name.value))
            .at_span(name.span)
            .did_you_mean(&name.value, session.prepared.names())
    })
}

/// Forgets a statement, or all.
pub fn deallocate(session: &mut Session, name: Option<&Ident>) -> Outcome {
    match name {
        Some(name) => session.prepared.remove(&name.value),
        None => session.prepared.clear(),
    }
    Outcome::Done
}
