//! DROP.

use crate::catalog::ObjectKind;
use crate::sql::ast::Drop;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::{create_index, object};

/// Removes objects or schemas.
pub fn run(session: &mut Session, drop: &Drop) -> Result<Outcome, Failure> {
    if drop.kind == ObjectKind::Index {
        return create_index::drop(session, drop.if_exists, &drop.names);
    }
    for name in &drop.names {
        let mut writer = session.writer_of(drop.kind, name)?;
        let mut gone: Option<(String, String)> = None;
        let at = |e: crate::table::TableError| match Failure::from(e) {
            Failure::Sql(e) => Failure::Sql(e.at(name)),
            other => other,
        };
        if drop.kind == ObjectKind::Schema {
            match writer.read_view()?.schema(name) {
                Err(_) if drop.if_exists => continue,
                Err(e) => return Err(e.into()),
                Ok((database, schema)) => {
                    gone = Some((database.name().to_owned(), schema.to_owned()));
                    writer.transaction()?.drop_schema(schema, drop.cascade).map_err(at)?;
                }
            }
        } else if let Some(found) = object::find(&mut writer, drop.kind, name, drop.if_exists, "drop")? {
            writer.transaction()?.drop_object(found.id(), drop.cascade).map_err(at)?;
        }
        writer.finish()?;
        if let Some((database, schema)) = gone {
            session.settings.search_path.leave(&database, &schema);
        }
    }
    Ok(Outcome::Done)
}
