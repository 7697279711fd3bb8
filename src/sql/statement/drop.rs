//! DROP.

use crate::catalog::{CatalogError, ObjectKind};
use crate::sql::ast::Drop;
use crate::sql::bind::object_name;
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::{create_index, object};

/// Removes objects or schemas.
pub fn run(session: &mut Session, drop: &Drop) -> Result<Outcome, Failure> {
    if drop.kind == ObjectKind::Index {
        return create_index::drop(session, drop.if_exists, &drop.names);
    }
    for name in &drop.names {
        let mut writer = session.writer_of(drop.kind, name)?;
        let at = |e: crate::table::TableError| match Failure::from(e) {
            Failure::Sql(e) => Failure::Sql(e.at(name)),
            other => other,
        };
        if drop.kind == ObjectKind::Schema {
            let (None, ident) = object_name(name)? else {
                return Err(SqlError::binder("a schema cannot be in another").at(name).into());
            };
            match writer.transaction()?.catalog().schema(&ident.value) {
                Err(CatalogError::NotFound { .. }) if drop.if_exists => continue,
                Err(e) => return Err(SqlError::from_catalog(&e).at(name).into()),
                Ok(_) => writer.transaction()?.drop_schema(&ident.value, drop.cascade).map_err(at)?,
            }
        } else if let Some(found) = object::find(&mut writer, drop.kind, name, drop.if_exists)? {
            writer.transaction()?.drop_object(found.id(), drop.cascade).map_err(at)?;
        }
        writer.finish()?;
    }
    Ok(Outcome::Done)
}
