//! Statements: one file for each kind.

mod alter;
mod alter_field;
mod alter_object;
mod attach;
mod cascade;
mod comment;
mod constraints;
mod copy;
mod copy_database;
mod create;
mod create_function;
mod create_index;
mod create_macro;
mod create_table;
mod create_view;
pub mod ddl_text;
mod describe;
mod domain;
mod drop;
mod explain;
mod export;
mod identity;
mod key_checks;
mod maintain;
mod materialized;
mod modify;
mod object;
mod prepare;
mod query;
mod sequence;
mod setting;
mod show;
mod show_measurements;
mod snapshot;
mod summarize;
mod table_like;
mod table_options;
mod truncate;
mod upkeep;
mod with_changes;
pub use upkeep::{Task, tasks};

pub(super) use copy::append;
pub use prepare::prepare;
pub(super) use query::plan as query_plan;
use sqlparser::ast::{Ident, Statement as SqlStatement};

use crate::sql::ast::Statement;
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, PlanCache, Session};

/// Runs a statement. `sql` is its text; `plans` has the plan of a query that runs several times.
pub fn run(
    session: &mut Session,
    statement: &Statement,
    sql: &str,
    plans: Option<&PlanCache>,
) -> Result<Outcome, Failure> {
    match (statement, plans) {
        (Statement::Query(query), Some(plans)) => query::run_planned(session, query, plans),
        (Statement::Modify(statement), plans) => modify::run(session, statement, plans),
        _ => run_once(session, statement, sql),
    }
}

fn run_once(session: &mut Session, statement: &Statement, sql: &str) -> Result<Outcome, Failure> {
    match statement {
        Statement::Query(query) => query::run(session, query),
        Statement::Sql(statement) => run_sql(session, statement),
        Statement::Modify(statement) => modify::run(session, statement, None),
        Statement::WithChanges(statement) => with_changes::run(session, statement),
        Statement::CreateView(view) => create_view::run(session, view, sql),
        Statement::CreateMaterializedView(view) => materialized::create(session, view, sql),
        Statement::Refresh(name) => materialized::refresh_named(session, name),
        Statement::CreateSchema(schema) => create::schema(session, schema),
        Statement::CreateSequence(sequence) => create::sequence(session, sequence),
        Statement::CreateType(named) => create::named_type(session, named),
        Statement::CreateDomain(create) => domain::create(session, create),
        Statement::CreateTableLike(create) => table_like::run(session, create),
        Statement::CreateMacro(create) => create_macro::run(session, create, sql),
        Statement::CreateFunction(create) => create_function::run(session, create, sql),
        Statement::DropFunction(drop) => create_function::drop(session, drop),
        Statement::Drop(drop) => drop::run(session, drop),
        Statement::AlterIdentity(alter) => identity::alter(session, alter),
        Statement::Alter(alter) => alter_object::run(session, alter),
        Statement::Comment(comment) => comment::run(session, comment),
        Statement::Copy(copy) => copy::run(session, copy),
        Statement::Explain { analyze, format, statement } => {
            explain::run(session, *analyze, *format, statement, sql)
        }
        Statement::Describe(query) => describe::run(session, query),
        Statement::Summarize(query) => summarize::run(session, query),
        Statement::Show(what) => show::run(session, what),
        Statement::Set { name, value, .. } => setting::set(session, name, value),
        Statement::Reset { name, .. } => setting::reset(session, name),
        Statement::SetVariable { name, value } => setting::set_variable(session, name, value),
        Statement::ResetVariable { name } => {
            session.variables.set(&name.value, None);
            Ok(Outcome::Done)
        }
        Statement::Pragma { name, args } => setting::pragma(session, name, args),
        Statement::CallSetting { name, args } => setting::call(session, name, args),
        Statement::UpdateExtensions { names } => setting::update_extensions(names),
        Statement::Prepare(_) => Err(SqlError::internal("PREPARE is handled before").into()),
        Statement::Execute(execute) => prepare::execute(session, execute),
        Statement::Deallocate { name } => Ok(prepare::deallocate(session, name.as_ref())),
        Statement::Load { name } => setting::load(name),
        Statement::Begin { read_only } => session.begin(*read_only).map(|()| Outcome::Done),
        Statement::SetTransaction { read_only } => {
            if *read_only {
                session.write_no_more();
            }
            Ok(Outcome::Done)
        }
        Statement::Commit => session.commit().map(|()| Outcome::Done),
        Statement::Rollback => session.rollback().map(|()| Outcome::Done),
        Statement::CallMaintain(None) => upkeep::run(session),
        Statement::CallMaintain(Some(name)) => upkeep::run_one(session, name),
        Statement::Savepoint(name) => session.savepoint(name).map(|()| Outcome::Done),
        Statement::Release(name) => session.release(name).map(|()| Outcome::Done),
        Statement::RollbackTo(name) => session.rollback_to(name).map(|()| Outcome::Done),
        Statement::Checkpoint { database } => maintain::checkpoint(session, database.as_ref()),
        Statement::Backup { database, file } => maintain::backup(session, database.as_ref(), file),
        Statement::Maintain { vacuum, table, columns } => {
            maintain::run(session, *vacuum, table.as_ref(), columns)
        }
        Statement::Attach(attached) => attach::attach(session, attached),
        Statement::Detach(detached) => attach::detach(session, detached),
        Statement::CreateSnapshot { name, or_replace, if_not_exists } => {
            snapshot::create(session, name, *or_replace, *if_not_exists)
        }
        Statement::DropSnapshot { name, if_exists } => snapshot::drop(session, name, *if_exists),
        Statement::Use(name) => attach::use_database(session, name),
        Statement::CopyDatabase(copy) => copy_database::run(session, copy),
        Statement::Export(exported) => export::export(session, exported),
        Statement::Import { path } => export::import(session, path),
    }
}

/// Does the work of a statement that is made of others as a whole: if one fails, nothing is done.
fn whole<T>(
    session: &mut Session,
    read_only: bool,
    work: impl FnOnce(&mut Session) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if !session.is_in_transaction() {
        session.begin(read_only)?;
        let done = work(session);
        if done.is_ok() {
            session.commit()?;
        } else {
            session.rollback()?;
        }
        return done;
    }
    let savepoint = Ident::new("statement");
    session.savepoint(&savepoint)?;
    let done = work(session);
    if done.is_err() {
        session.rollback_to(&savepoint)?;
    }
    session.release(&savepoint)?;
    done
}

fn unsupported(what: &str) -> Result<Outcome, Failure> {
    Err(SqlError::unsupported(format!("{what} is not supported yet")).into())
}

fn run_sql(session: &mut Session, statement: &SqlStatement) -> Result<Outcome, Failure> {
    match statement {
        SqlStatement::Query(query) => query::run(session, query),
        SqlStatement::CreateTable(create) => create_table::run(session, create),
        SqlStatement::CreateIndex(create) => create_index::run(session, create),
        SqlStatement::AlterTable(alter) => alter::run(session, alter),
        _ => unsupported("this statement"),
    }
}
