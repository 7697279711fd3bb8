//! COMMENT ON.

use crate::catalog::{Object, ObjectKind, SchemaDefinition, TableDefinition};
use crate::sql::ast::{Comment, CommentTarget};
use crate::sql::bind::{object_name, schema_or_main};
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::object;

/// Sets a comment, or removes it.
pub fn run(session: &mut Session, comment: &Comment) -> Result<Outcome, Failure> {
    let text = comment.comment.as_deref();
    match &comment.target {
        CommentTarget::Object(ObjectKind::Schema, name) => {
            let mut writer = session.writer_of(ObjectKind::Schema, name)?;
            let (_, ident) = object_name(name)?;
            let transaction = writer.transaction()?;
            let schema = transaction.catalog().schema(&ident.value);
            let schema = schema.map_err(|e| SqlError::from_catalog(&e).at(name))?;
            let schema =
                SchemaDefinition { comment: text.map(Into::into), ..(**schema.definition()).clone() };
            transaction.alter_schema(schema)?;
            writer.finish()?;
        }
        CommentTarget::Object(ObjectKind::Index, name) => {
            let mut writer = session.writer_of(ObjectKind::Index, name)?;
            let (schema, ident) = object_name(name)?;
            let found = writer.transaction()?.catalog().index(schema_or_main(schema), &ident.value);
            let (table, at) = found.map_err(|e| SqlError::from_catalog(&e).at(name))?;
            let mut table = TableDefinition::clone(table);
            table.indexes[at].comment = text.map(Into::into);
            writer.transaction()?.alter_table(table)?;
            writer.finish()?;
        }
        CommentTarget::Object(kind, name) => {
            let mut writer = session.writer_of(*kind, name)?;
            if let Some(found) = object::find(&mut writer, *kind, name, false)? {
                writer.transaction()?.alter_object(found.with_comment(text))?;
            }
            writer.finish()?;
        }
        CommentTarget::Column { relation, column } => {
            let mut writer = session.writer_of(ObjectKind::Table, relation)?;
            let Some(Object::Table(table)) = object::find(&mut writer, ObjectKind::Table, relation, false)?
            else {
                return Err(SqlError::internal("a table is a table").into());
            };
            let mut table = TableDefinition::clone(&table);
            let position = table
                .find_column(&column.value)
                .map_err(|e| SqlError::from_catalog(&e).at_span(column.span))?;
            table.columns[position].comment = text.map(Into::into);
            writer.transaction()?.alter_table(table)?;
            writer.finish()?;
        }
        CommentTarget::Database(name) => {
            let error = SqlError::unsupported("COMMENT ON DATABASE is not supported yet");
            return Err(error.at_span(name.span).into());
        }
    }
    Ok(Outcome::Done)
}
