//! COMMENT ON.

use sqlparser::ast::{CommentObject, ObjectName};

use crate::catalog::{CatalogError, TableDefinition};
use crate::sql::bind::{object_name, schema_or_main};
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, Session};

/// Sets, or with NULL removes, the comment on a table or a column.
pub fn run(
    session: &mut Session,
    kind: CommentObject,
    name: &ObjectName,
    comment: Option<&str>,
    if_exists: bool,
) -> Result<Outcome, Failure> {
    let (table_name, column) = match kind {
        CommentObject::Table => (name.clone(), None),
        CommentObject::Column => match name.0.split_last() {
            Some((column, table)) if !table.is_empty() => {
                (ObjectName(table.to_vec()), column.as_ident().map(|i| i.value.clone()))
            }
            _ => return Err(SqlError::binder("COMMENT ON COLUMN needs table.column").at(name).into()),
        },
        other => return Err(SqlError::unsupported(format!("COMMENT ON {other} is not supported yet")).into()),
    };
    let (schema, ident) = object_name(&table_name)?;
    let mut writer = session.writer()?;
    let found = writer.transaction()?.catalog().table(schema_or_main(schema), &ident.value).cloned();
    let table = match found {
        Ok(table) => table,
        Err(CatalogError::NotFound { .. }) if if_exists => return Ok(Outcome::Done),
        Err(e) => return Err(SqlError::from_catalog(&e).at(name).into()),
    };
    let mut table = TableDefinition::clone(&table);
    let slot = match column {
        None => &mut table.comment,
        Some(column) => {
            let position = table.find_column(&column).map_err(|e| SqlError::from_catalog(&e).at(name))?;
            &mut table.columns[position].comment
        }
    };
    *slot = comment.map(Into::into);
    writer.transaction()?.alter_table(table)?;
    writer.finish()?;
    Ok(Outcome::Done)
}
