//! CREATE VIEW.

use crate::catalog::{Object, ObjectId, ViewDefinition};
use crate::sql::ast::CreateView;
use crate::sql::bind::{object_name, schema_or_main};
use crate::sql::error::SqlError;
use crate::sql::parser::byte_offset;
use crate::sql::session::{Failure, Outcome, Session};

/// Makes a view. Its text is kept; it must fit what exists now.
pub fn run(session: &mut Session, create: &CreateView, sql: &str) -> Result<Outcome, Failure> {
    let (schema, ident) = object_name(&create.name)?;
    let schema_name = schema_or_main(schema);
    let text = byte_offset(sql, create.query_start).map(|at| sql[at..].trim().trim_end_matches(';').trim());
    let text = text.ok_or_else(|| SqlError::internal("the text of the view's query was lost"))?;
    let mut writer = session.writer()?;
    let catalog = writer.transaction()?.catalog();
    let found = catalog.schema(schema_name).map_err(|e| SqlError::from_catalog(&e).at(&create.name))?;
    let (schema_id, existing) = (found.definition().id, found.get(&ident.value).cloned());
    match &existing {
        Some(Object::View(_)) if create.if_not_exists => return Ok(Outcome::Done),
        Some(Object::View(_)) if create.or_replace => {}
        Some(found) => {
            return Err(SqlError::catalog(format!(
                "{} with name \"{}\" already exists!",
                found.kind(),
                found.name()
            ))
            .at(&create.name)
            .into());
        }
        None => {}
    }
    let view = writer.read_view()?;
    let width =
        writer.session().bind(&view, |binder| Ok(binder.bind_query(&create.query, None)?.columns.len()))?;
    if create.columns.len() > width {
        return Err(SqlError::binder(format!(
            "the view has {} names for {width} columns",
            create.columns.len()
        ))
        .at(&create.name)
        .into());
    }
    if let Some(existing) = existing {
        writer.transaction()?.drop_object(existing.id(), true)?;
    }
    writer.transaction()?.create_object(ViewDefinition {
        id: ObjectId::NONE,
        schema: schema_id,
        name: ident.value.as_str().into(),
        query: text.into(),
        column_names: create.columns.iter().map(|c| c.value.as_str().into()).collect(),
        comment: None,
    })?;
    writer.finish()?;
    Ok(Outcome::Done)
}
