//! ALTER of views, sequences, macros, types and schemas.

use sqlparser::ast::{Ident, ObjectName};

use crate::catalog::{Namespace, Object, ObjectId, ObjectKind, SchemaDefinition, SequenceDefinition};
use crate::sql::ast::{AlterObject, Alteration};
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, ReadView, Session, parts};
use crate::sql::statement::object;

/// Changes the name of something.
pub fn run(session: &mut Session, alter: &AlterObject) -> Result<Outcome, Failure> {
    let Alteration::Rename(new) = &alter.alteration else {
        if let Alteration::OwnedBy(owner) = &alter.alteration {
            return owned_by(session, alter, owner);
        }
        return Err(SqlError::unsupported("SET SCHEMA is not supported yet").at(&alter.name).into());
    };
    let mut writer = session.writer_of(alter.kind, &alter.name)?;
    if alter.kind == ObjectKind::Schema {
        let view = writer.read_view()?;
        let schema = match view.schema(&alter.name) {
            Ok((database, name)) => {
                let schema = database.catalog().schema(name).map_err(|e| SqlError::from_catalog(&e))?;
                SchemaDefinition::clone(schema.definition())
            }
            Err(_) if alter.if_exists => return Ok(Outcome::Done),
            Err(e) => return Err(e.into()),
        };
        writer.transaction()?.alter_schema(SchemaDefinition { name: new.value.as_str().into(), ..schema })?;
    } else if let Some(found) = object::find(&mut writer, alter.kind, &alter.name, alter.if_exists, "alter")?
    {
        writer.transaction()?.alter_object(found.with_name(&new.value))?;
    }
    writer.finish()?;
    Ok(Outcome::Done)
}

/// A sequence goes with a table, view or other sequence: what drops that drops it too.
fn owned_by(session: &mut Session, alter: &AlterObject, owner: &ObjectName) -> Result<Outcome, Failure> {
    let mut writer = session.writer_of(alter.kind, &alter.name)?;
    let found = object::find(&mut writer, alter.kind, &alter.name, alter.if_exists, "alter")?;
    let Some(Object::Sequence(sequence)) = found else { return Ok(Outcome::Done) };
    let mut sequence = SequenceDefinition::clone(&sequence);
    let is_none = matches!(&parts(owner)?[..], [one] if one.quote_style.is_none() && one.value.eq_ignore_ascii_case("none"));
    if is_none {
        sequence.owner = None;
    } else {
        let view = writer.read_view()?;
        let id = owner_id(&view, owner)?;
        let catalog = view.focus().catalog();
        let itself = Object::from(sequence.clone());
        if let Some(other) = catalog.owner(&itself).filter(|other| other.id() != id) {
            let message =
                format!("Dependency Error: \"{}\" is already owned by \"{}\"", sequence.name, other.name());
            return Err(SqlError::catalog(message).at(&alter.name).into());
        }
        // What owns it, and what owns that.
        let mut above = catalog.object_by_id(id);
        while let Some(object) = above {
            if object.id() == sequence.id {
                let message =
                    format!("a sequence cannot be owned by itself, or by what \"{}\" owns", sequence.name);
                return Err(SqlError::binder(message).at(owner).into());
            }
            above = catalog.owner(object);
        }
        sequence.owner = Some(id);
    }
    writer.transaction()?.alter_object(sequence)?;
    writer.finish()?;
    Ok(Outcome::Done)
}

/// The object that is named as an owner: a table, a view, a sequence, or, as PostgreSQL has it, a column of a table.
fn owner_id(view: &ReadView, name: &ObjectName) -> Result<ObjectId, Failure> {
    let parts = parts(name)?;
    let names = |parts: &[&Ident]| ObjectName::from(parts.iter().map(|p| (*p).clone()).collect::<Vec<_>>());
    let mut found = view.lookup(Namespace::Relation, name)?;
    if found.is_none() {
        found = view.lookup(Namespace::Sequence, name)?;
    }
    if let (None, Some((column, table))) = (&found, parts.split_last())
        && !table.is_empty()
    {
        let has_it = |object: &Object| matches!(object, Object::Table(t) if t.column_position(&column.value).is_some());
        found = view.lookup(Namespace::Relation, &names(table))?.filter(|found| has_it(found.object));
    }
    match found {
        Some(found) if std::ptr::eq(found.database, view.focus()) => Ok(found.object.id()),
        Some(_) => Err(SqlError::catalog(format!("\"{name}\" is in another database")).at(name).into()),
        None => Err(SqlError::catalog(format!("CatalogElement \"{name}\" does not exist!")).at(name).into()),
    }
}
