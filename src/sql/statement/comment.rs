//! COMMENT ON.

use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName};

use crate::catalog::{Namespace, Object, ObjectKind, SchemaDefinition, TableDefinition, ViewDefinition};
use crate::sql::ast::{Comment, CommentTarget};
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::sources::relation_columns;
use crate::sql::statement::create_index::find_index;
use crate::sql::statement::object;

/// Sets a comment, or removes it.
pub fn run(session: &mut Session, comment: &Comment) -> Result<Outcome, Failure> {
    let text = comment.comment.as_deref();
    match &comment.target {
        CommentTarget::Object(ObjectKind::Schema, name) => {
            let mut writer = session.writer_of(ObjectKind::Schema, name)?;
            let view = writer.read_view()?;
            let (database, schema) = view.schema(name)?;
            let schema = database.catalog().schema(schema).map_err(|e| SqlError::from_catalog(&e))?;
            let schema =
                SchemaDefinition { comment: text.map(Into::into), ..(**schema.definition()).clone() };
            writer.transaction()?.alter_schema(schema)?;
            writer.finish()?;
        }
        CommentTarget::Object(ObjectKind::Index, name) => {
            let mut writer = session.writer_of(ObjectKind::Index, name)?;
            let (table, at) = find_index(writer.transaction()?.catalog(), name)?;
            let mut table = TableDefinition::clone(table);
            table.indexes[at].comment = text.map(Into::into);
            writer.transaction()?.alter_table(table)?;
            writer.finish()?;
        }
        CommentTarget::Object(kind, name) => {
            let mut writer = session.writer_of(*kind, name)?;
            if let Some(found) = object::find(&mut writer, *kind, name, false, "comment on")? {
                writer.transaction()?.alter_object(found.with_comment(text))?;
            }
            writer.finish()?;
        }
        CommentTarget::Column { relation, column } if is_view(session, relation)? => {
            on_column_of_view(session, relation, column, text)?;
        }
        CommentTarget::Column { relation, column } => {
            let kind = ObjectKind::Table;
            let mut writer = session.writer_of(kind, relation)?;
            let found = object::find(&mut writer, kind, relation, false, "comment on a column of")?;
            let Some(Object::Table(table)) = found else {
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

fn is_view(session: &Session, relation: &ObjectName) -> Result<bool, Failure> {
    let view = session.read_view();
    let found = view.lookup(Namespace::Relation, relation)?;
    Ok(found.is_some_and(|found| matches!(found.object, Object::View(_))))
}

/// What columns a view has its query says.
fn on_column_of_view(
    session: &mut Session,
    relation: &ObjectName,
    column: &Ident,
    text: Option<&str>,
) -> Result<(), Failure> {
    let mut writer = session.writer_of(ObjectKind::View, relation)?;
    let found = object::find(&mut writer, ObjectKind::View, relation, false, "comment on a column of")?;
    let Some(Object::View(view)) = found else {
        return Err(SqlError::internal("a view is a view").into());
    };
    let names = writer.read_view()?;
    let columns = writer.session().bind(&names, |binder| {
        let found = names.lookup(Namespace::Relation, relation)?;
        Ok(found.map_or_else(Vec::new, |found| {
            relation_columns(&binder.env, found.database, &found.schema.definition().name, found.object)
        }))
    })?;
    let Some(named) = columns.iter().find(|c| c.name.eq_ignore_ascii_case(&column.value)) else {
        let message = format!("View \"{}\" does not have a column with name \"{}\"", view.name, column.value);
        return Err(SqlError::binder(message).at_span(column.span).into());
    };
    let mut view = ViewDefinition::clone(&view);
    view.column_comments.retain(|name, _| !name.eq_ignore_ascii_case(&named.name));
    if let Some(text) = text {
        view.column_comments.insert(named.name.as_str().into(), text.into());
    }
    writer.transaction()?.alter_object(Object::View(Arc::new(view)))?;
    writer.finish()?;
    Ok(())
}
