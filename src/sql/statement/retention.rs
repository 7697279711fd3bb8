//! `CALL maintain()`: what tables ask to be done from time to time. Rows expire that are older than the table's retention.

use crate::catalog::{Object, TableDefinition};
use crate::sql::ast::Statement;
use crate::sql::error::SqlError;
use crate::sql::parser;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::modify;
use crate::sql::statement::table_options::time_column;

/// Removes expired rows, table by table: each in a transaction of its own, unless one is open. Row groups that are old as
/// a whole go as a whole.
pub fn run(session: &mut Session) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let statements = session.bind(&view, |binder| {
        let mut statements = vec![];
        for schema in binder.env.tables.catalog().schemas() {
            for object in schema.objects() {
                if let Object::Table(table) = object {
                    statements.extend(expiry(&schema.definition().name, table));
                }
            }
        }
        Ok(statements)
    })?;
    let mut removed = 0;
    for sql in statements {
        let Statement::Modify(delete) = parser::parse_statement(parser::tokens(&sql)?)? else {
            return Err(SqlError::internal("DELETE is a change").into());
        };
        if let Outcome::Changed(rows) = modify::run(session, &delete)? {
            removed += rows;
        }
    }
    Ok(Outcome::Changed(removed))
}

/// The statement that removes the expired rows of a table, if rows of it expire.
fn expiry(schema: &str, table: &TableDefinition) -> Option<String> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let retention = table.options.get("retention")?;
    let time = quoted(time_column(table)?);
    // Times without a zone are UTC.
    Some(format!(
        "DELETE FROM {}.{} WHERE {time} < timezone('UTC', now()) - INTERVAL '{retention}'",
        quoted(schema),
        quoted(&table.name)
    ))
}
