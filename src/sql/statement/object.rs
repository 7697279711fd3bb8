//! What all statements share that make, drop or change objects of the catalog.

use std::collections::BTreeSet;

use sqlparser::ast::ObjectName;

use crate::catalog::{CatalogError, Object, ObjectId, ObjectKind, SchemaId};
use crate::sql::ast::Create;
use crate::sql::bind::{object_name, schema_or_main};
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Session, Writer};

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

impl Session {
    /// Begins to write where CREATE says.
    pub(super) fn writer_to(&mut self, create: &Create) -> Result<Writer<'_>, Failure> {
        if create.temporary {
            return Err(SqlError::unsupported("temporary objects are not supported yet")
                .at(&create.name)
                .into());
        }
        self.writer()
    }

    /// Begins to write where the object of that name is; where it would be if it is not there.
    pub(super) fn writer_of(&mut self, _kind: ObjectKind, _name: &ObjectName) -> Result<Writer<'_>, Failure> {
        self.writer()
    }
}

/// Where CREATE makes an object of that kind; `None` if there is one already and that is all right.
pub fn place(writer: &mut Writer<'_>, create: &Create, kind: ObjectKind) -> Result<Option<Place>, Failure> {
    let (schema, ident) = object_name(&create.name)?;
    let at = |e: SqlError| e.at(&create.name);
    let namespace = kind.namespace().ok_or_else(|| SqlError::internal("a schema is in no schema"))?;
    let catalog = writer.transaction()?.catalog();
    let schema = catalog.schema(schema_or_main(schema)).map_err(|e| at(SqlError::from_catalog(&e)))?;
    let found = schema.find(namespace, &ident.value);
    let (schema, name) = (schema.definition().id, ident.value.as_str().into());
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
    let transaction = writer.transaction()?;
    if let Some(replaced) = place.replaced {
        transaction.drop_object(replaced, false)?;
    }
    let id = transaction.create_object(object)?;
    if !needs.is_empty() {
        transaction.set_dependencies(id, needs)?;
    }
    Ok(id)
}

/// The object of that kind and name; `None` if it is not there and that is all right.
pub fn find(
    writer: &mut Writer<'_>,
    kind: ObjectKind,
    name: &ObjectName,
    if_exists: bool,
) -> Result<Option<Object>, Failure> {
    let (schema, ident) = object_name(name)?;
    match writer.transaction()?.catalog().find_exactly(kind, schema_or_main(schema), &ident.value) {
        Ok(object) => Ok(Some(object.clone())),
        Err(CatalogError::NotFound { .. }) if if_exists => Ok(None),
        Err(CatalogError::WrongKind { name: found_name, found, wanted }) => {
            let message =
                format!("Existing object \"{found_name}\" is of type {found}, trying to drop type {wanted}");
            Err(SqlError::catalog(message).at(name).into())
        }
        Err(e) => Err(SqlError::from_catalog(&e).at(name).into()),
    }
}
