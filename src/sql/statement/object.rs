//! What all statements share that make, drop or change objects of the catalog.

use std::collections::BTreeSet;

use sqlparser::ast::{Ident, ObjectName};

use crate::catalog::{CatalogError, Object, ObjectId, ObjectKind, SchemaId};
use crate::sql::ast::Create;
use crate::sql::bind::Tables;
use crate::sql::error::SqlError;
use crate::sql::reserved::check_name;
use crate::sql::session::{Failure, ReadView, Session, TEMP_DATABASE, Turn, Writer, parts};

/// Schemas that every database has, of what is built in.
pub const SYSTEM_SCHEMAS: &[&str] = &["information_schema", "pg_catalog"];

/// Where an object is to be made.
#[derive(Debug)]
pub struct Place {
    /// In this schema.
    pub schema: SchemaId,
    /// Under this name.
    pub name: Box<str>,
    /// In place of this object.
    replaced: Option<ObjectId>,
}

impl Place {
    /// Removes what is replaced.
    pub fn clear(&self, writer: &mut Writer<'_>) -> Result<(), Failure> {
        if let Some(replaced) = self.replaced {
            writer.transaction()?.drop_object(replaced, false)?;
        }
        Ok(())
    }
}

impl Session {
    /// Begins to write where CREATE says.
    pub(super) fn writer_to(&mut self, create: &Create) -> Result<Writer<'_>, Failure> {
        check_qualifier(create)?;
        let database = if create.temporary {
            self.temporary_database()?
        } else {
            self.read_view().new_place(&create.name, false)?.database
        };
        self.writer_in(&database)
    }

    /// Begins to write where the object of that name is; where it would be if it is not there.
    pub(super) fn writer_of(&mut self, kind: ObjectKind, name: &ObjectName) -> Result<Writer<'_>, Failure> {
        self.writer_of_at(kind, name, Turn::First)
    }

    /// The same, waiting for others when `turn` says.
    pub(super) fn writer_of_at(
        &mut self,
        kind: ObjectKind,
        name: &ObjectName,
        turn: Turn,
    ) -> Result<Writer<'_>, Failure> {
        let view = self.read_view();
        let found = match kind {
            ObjectKind::Schema => view.schema(name).ok().map(|(database, _)| database),
            ObjectKind::Index => index_database(&view, name)?,
            kind => match kind.namespace() {
                Some(namespace) => view.lookup(namespace, name)?.map(|found| found.database),
                None => None,
            },
        };
        let database =
            found.map_or_else(|| self.default_database(), |found| std::sync::Arc::clone(found.database()));
        self.writer_at(&database, turn)
    }
}

/// The database that has an index of that name.
fn index_database<'v>(
    view: &'v ReadView,
    name: &ObjectName,
) -> Result<Option<&'v crate::sql::session::DatabaseView>, SqlError> {
    let parts = parts(name)?;
    let Some((last, qualifier)) = parts.split_last() else { return Ok(None) };
    let fits = |database: &str, schema: &str| match qualifier {
        [] => view.searches(database, schema),
        [one] => one.value.eq_ignore_ascii_case(schema) || one.value.eq_ignore_ascii_case(database),
        [d, s, ..] => d.value.eq_ignore_ascii_case(database) && s.value.eq_ignore_ascii_case(schema),
    };
    Ok(view.databases().iter().find(|database| {
        database.catalog().schemas().any(|schema| {
            let schema = &schema.definition().name;
            fits(database.name(), schema) && database.catalog().index(schema, &last.value).is_ok()
        })
    }))
}

/// What temporary is in the database of temporary objects, and nothing else is.
fn check_qualifier(create: &Create) -> Result<(), SqlError> {
    let parts = parts(&create.name)?;
    let is = |part: &Ident, name: &str| part.value.eq_ignore_ascii_case(name);
    let Some((_, qualifier)) = parts.split_last() else { return Ok(()) };
    if let Some(system) = qualifier.last().filter(|q| SYSTEM_SCHEMAS.iter().any(|s| is(q, s))) {
        let message = format!("Cannot create entry in system schema \"{}\"", system.value);
        return Err(SqlError::catalog(message).at(&create.name));
    }
    let in_temporary = qualifier.first().is_some_and(|q| is(q, TEMP_DATABASE));
    if create.temporary && qualifier.len() == 2 && !in_temporary {
        let message = "TEMPORARY table names can *only* use the \"temp\" catalog";
        return Err(SqlError::parser(message).at(&create.name));
    }
    if !create.temporary && in_temporary {
        let message = "Only TEMPORARY table names can use the \"temp\" catalog";
        return Err(SqlError::parser(message).at(&create.name));
    }
    Ok(())
}

/// Where CREATE makes an object of that kind; `None` if there is one already and that is all right.
pub fn place(writer: &mut Writer<'_>, create: &Create, kind: ObjectKind) -> Result<Option<Place>, Failure> {
    let at = |e: SqlError| e.at(&create.name);
    let namespace = kind.namespace().ok_or_else(|| SqlError::internal("a schema is in no schema"))?;
    let view = writer.read_view()?;
    let new = view.new_place(&create.name, create.temporary)?;
    check_name(new.name)?;
    let schema = if create.temporary { crate::catalog::MAIN_SCHEMA } else { &new.schema };
    let schema = view.catalog().schema(schema).map_err(|e| at(SqlError::from_catalog(&e)))?;
    let found = schema.find(namespace, &new.name.value);
    let (schema, name) = (schema.definition().id, new.name.value.as_str().into());
    let Some(found) = found else { return Ok(Some(Place { schema, name, replaced: None })) };
    if create.or_replace && found.kind() == kind {
        return Ok(Some(Place { schema, name, replaced: Some(found.id()) }));
    }
    if create.or_replace || create.if_not_exists && found.kind() != kind {
        let message = format!(
            "Existing object \"{}\" is of type {}, trying to replace with type {kind}",
            found.name(),
            found.kind()
        );
        return Err(at(SqlError::catalog(message)).into());
    }
    if create.if_not_exists {
        return Ok(None);
    }
    let taken = CatalogError::AlreadyExists { kind: found.kind(), name: found.name().into() };
    Err(at(SqlError::from_catalog(&taken)).into())
}

/// Makes an object, and notes what it needs.
pub fn put(
    writer: &mut Writer<'_>,
    place: &Place,
    object: impl Into<Object>,
    needs: &BTreeSet<ObjectId>,
) -> Result<ObjectId, Failure> {
    place.clear(writer)?;
    put_new(writer, object, needs)
}

/// As [`put`], where nothing is in its place.
pub fn put_new(
    writer: &mut Writer<'_>,
    object: impl Into<Object>,
    needs: &BTreeSet<ObjectId>,
) -> Result<ObjectId, Failure> {
    let transaction = writer.transaction()?;
    let id = transaction.create_object(object)?;
    if !needs.is_empty() {
        transaction.set_dependencies(id, needs)?;
    }
    Ok(id)
}

/// The object of that kind and name; `None` if it is not there and that is all right. `change` is what is to happen
/// to it, for messages.
pub fn find(
    writer: &mut Writer<'_>,
    kind: ObjectKind,
    name: &ObjectName,
    if_exists: bool,
    change: &str,
) -> Result<Option<Object>, Failure> {
    let view = writer.read_view()?;
    let namespace = kind.namespace().ok_or_else(|| SqlError::internal("a schema is in no schema"))?;
    if if_exists && view.lookup(namespace, name)?.is_none() {
        return Ok(None);
    }
    let found = view.find_exactly(kind, name, change)?;
    if !std::ptr::eq(found.database, view.focus()) {
        return Err(SqlError::catalog(format!("\"{name}\" is in another database than it was"))
            .at(name)
            .into());
    }
    Ok(Some(found.object.clone()))
}
