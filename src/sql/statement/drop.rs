//! DROP.

use sqlparser::ast::{ObjectName, ObjectType};

use crate::catalog::{CatalogError, Object};
use crate::sql::bind::{object_name, schema_or_main};
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::create_index;

/// Removes tables, views or schemas.
pub fn run(
    session: &mut Session,
    kind: ObjectType,
    if_exists: bool,
    names: &[ObjectName],
    cascade: bool,
) -> Result<Outcome, Failure> {
    if kind == ObjectType::Index {
        return create_index::drop(session, if_exists, names);
    }
    if !matches!(kind, ObjectType::Table | ObjectType::View | ObjectType::Schema) {
        return Err(SqlError::unsupported(format!("DROP {kind} is not supported yet")).into());
    }
    let mut writer = session.writer()?;
    // All names are looked up before the first is dropped.
    let mut found = vec![];
    for name in names {
        let (schema, ident) = object_name(name)?;
        let schema = schema_or_main(schema);
        let catalog = writer.transaction()?.catalog();
        let object = match kind {
            ObjectType::Schema => catalog.schema(&ident.value).map(|_| None),
            ObjectType::View => catalog.view(schema, &ident.value).map(|v| Some(Object::View(v.clone()))),
            _ => catalog.table(schema, &ident.value).map(|t| Some(Object::Table(t.clone()))),
        };
        match object {
            Ok(object) => found.push((ident, object)),
            Err(CatalogError::NotFound { .. }) if if_exists => {}
            Err(e) => return Err(SqlError::from_catalog(&e).at(name).into()),
        }
    }
    let catalog_error = |e: crate::table::TableError, at: &sqlparser::ast::Ident| match Failure::from(e) {
        Failure::Sql(e) => Failure::Sql(e.at_span(at.span)),
        other => other,
    };
    for (ident, object) in found {
        let transaction = writer.transaction()?;
        match object {
            Some(object) => transaction.drop_object(object.id(), cascade),
            None => transaction.drop_schema(&ident.value, cascade),
        }
        .map_err(|e| catalog_error(e, ident))?;
    }
    writer.finish()?;
    Ok(Outcome::Done)
}
