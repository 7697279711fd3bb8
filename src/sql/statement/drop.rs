//! DROP.

use sqlparser::ast::ObjectName;

use crate::catalog::{Namespace, Object, ObjectKind};
use crate::sql::ast::Drop;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::{create_function, create_index, object};

/// Removes objects or schemas.
pub fn run(session: &mut Session, drop: &Drop) -> Result<Outcome, Failure> {
    if drop.kind == ObjectKind::Index {
        return create_index::drop(session, drop.if_exists, &drop.names);
    }
    for name in &drop.names {
        let kind = kind_of(session, drop.kind, name)?;
        let mut writer = session.writer_of(kind, name)?;
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
        } else if let Some(found) = object::find(&mut writer, kind, name, drop.if_exists, "drop")? {
            if let Object::Macro(found) = &found {
                create_function::check_unique(found, name)?;
            }
            writer.transaction()?.drop_object(found.id(), drop.cascade).map_err(at)?;
        }
        writer.finish()?;
        if let Some((database, schema)) = gone {
            session.settings.search_path.leave(&database, &schema);
        }
    }
    Ok(Outcome::Done)
}

/// The kind of what is dropped: a macro may be one that stands for a query, if there is no other of its name.
fn kind_of(session: &Session, kind: ObjectKind, name: &ObjectName) -> Result<ObjectKind, Failure> {
    if kind != ObjectKind::Macro {
        return Ok(kind);
    }
    let view = session.read_view();
    let is_there = |namespace| view.lookup(namespace, name).map(|found| found.is_some());
    let of_query = !is_there(Namespace::Function)? && is_there(Namespace::TableFunction)?;
    Ok(if of_query { ObjectKind::TableMacro } else { kind })
}
