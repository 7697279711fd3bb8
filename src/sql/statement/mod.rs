//! Statements: one file for each kind.

mod alter;
mod comment;
mod constraints;
mod copy;
mod create_index;
mod create_schema;
mod create_table;
mod create_view;
pub mod ddl_text;
mod describe;
mod drop;
mod explain;
mod modify;
mod query;
mod setting;
mod show;
mod show_measurements;
mod summarize;

use sqlparser::ast::Statement as SqlStatement;

use crate::sql::ast::Statement;
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, Session};

/// Runs a statement. `sql` is its text.
pub fn run(session: &mut Session, statement: &Statement, sql: &str) -> Result<Outcome, Failure> {
    match statement {
        Statement::Query(query) => query::run(session, query),
        Statement::Sql(statement) => run_sql(session, statement),
        Statement::Modify(statement) => modify::run(session, statement),
        Statement::CreateView(view) => create_view::run(session, view, sql),
        Statement::Copy(copy) => copy::run(session, copy),
        Statement::Explain { analyze, statement } => explain::run(session, *analyze, statement),
        Statement::Describe(query) => describe::run(session, query),
        Statement::Summarize(query) => summarize::run(session, query),
        Statement::Show(what) => show::run(session, what),
        Statement::Set { name, value } => setting::set(session, name, value),
        Statement::Reset { name } => setting::reset(session, name),
        Statement::Pragma { name, args } => setting::pragma(session, name, args),
        Statement::Begin => session.begin().map(|()| Outcome::Done),
        Statement::Commit => session.commit().map(|()| Outcome::Done),
        Statement::Rollback => session.rollback().map(|()| Outcome::Done),
        Statement::Checkpoint => Ok(Outcome::Done),
    }
}

fn run_sql(session: &mut Session, statement: &SqlStatement) -> Result<Outcome, Failure> {
    let what = match statement {
        SqlStatement::Query(query) => return query::run(session, query),
        SqlStatement::CreateTable(create) => return create_table::run(session, create),
        SqlStatement::CreateSchema { schema_name, if_not_exists, .. } => {
            return create_schema::run(session, schema_name, *if_not_exists);
        }
        SqlStatement::Drop { object_type, if_exists, names, cascade, .. } => {
            return drop::run(session, *object_type, *if_exists, names, *cascade);
        }
        SqlStatement::CreateIndex(create) => return create_index::run(session, create),
        SqlStatement::AlterTable(alter) => return alter::run(session, alter),
        SqlStatement::Comment { object_type, object_name, comment, if_exists, .. } => {
            return comment::run(session, *object_type, object_name, comment.as_deref(), *if_exists);
        }
        SqlStatement::CreateSequence { .. } => "CREATE SEQUENCE",
        SqlStatement::CreateFunction(_) | SqlStatement::CreateMacro { .. } => "CREATE FUNCTION",
        SqlStatement::CreateType { .. } => "CREATE TYPE",
        SqlStatement::AttachDatabase { .. } | SqlStatement::AttachDuckDBDatabase { .. } => "ATTACH",
        SqlStatement::DetachDuckDBDatabase { .. } => "DETACH",
        SqlStatement::Install { .. } | SqlStatement::Load { .. } => "extensions: LOAD and INSTALL",
        SqlStatement::Use(_) => "USE",
        SqlStatement::Analyze(_) => "ANALYZE",
        SqlStatement::Savepoint { .. } | SqlStatement::ReleaseSavepoint { .. } => "SAVEPOINT",
        _ => "this statement",
    };
    Err(SqlError::unsupported(format!("{what} is not supported yet")).into())
}
