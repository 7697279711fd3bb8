//! Commands about the database and what is in it.

use std::path::PathBuf;

use super::{Next, Words, after};
use crate::session::Session;

pub(super) fn tables(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let pattern = words.at_most_one()?.unwrap_or("%").replace('\'', "''");
    Ok(after(session.run_statement(&format!(
        "SELECT table_name AS name, table_type AS kind FROM information_schema.tables \
         WHERE table_schema NOT IN ('information_schema', 'pg_catalog') AND table_name LIKE '{pattern}' \
         ORDER BY table_name"
    ))))
}

pub(super) fn schema(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let statements = session.connection.create_statements(words.at_most_one()?).map_err(|e| e.to_string())?;
    session.print_long(&statements.iter().map(|s| format!("{s}\n")).collect::<String>())?;
    Ok(Next::Go)
}

pub(super) fn indexes(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let table = words.at_most_one()?.unwrap_or("%").replace('\'', "''");
    Ok(after(session.run_statement(&format!(
        "SELECT index_name AS name, table_name AS \"table\", is_unique AS \"unique\" FROM duckdb_indexes() \
         WHERE table_name LIKE '{table}' ORDER BY index_name"
    ))))
}

pub(super) fn databases(session: &mut Session, _: &Words<'_>) -> Result<Next, String> {
    Ok(after(session.run_statement(
        "SELECT database_name AS name, coalesce(path, 'in memory') AS file, \
         if(readonly, 'read-only', 'read and write') AS access FROM duckdb_databases() \
         WHERE NOT internal ORDER BY database_name",
    )))
}

pub(super) fn open(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let (readonly, rest) = match words.all {
        [first, rest @ ..] if first == "--readonly" => (true, rest),
        all => (false, all),
    };
    let path = match rest {
        [] => None,
        [path] => Some(path).filter(|p| *p != ":memory:").map(PathBuf::from),
        _ => return Err(String::new()),
    };
    session.open(path.as_deref(), readonly).map_err(|e| {
        let hint = "\nHINT: .open --readonly reads it beside the process that writes.";
        format!("{e}{}", if crate::is_in_use(&e) && !readonly { hint } else { "" })
    })?;
    Ok(Next::Go)
}
