//! CREATE SCHEMA, SEQUENCE and TYPE.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::Array;
use sqlparser::ast::Query;

use crate::catalog::{CatalogError, ObjectId, ObjectKind, SequenceDefinition, TypeDefinition};
use crate::column::types::LogicalType;
use crate::exec::cast::text::write_value;
use crate::exec::functions::flatten;
use crate::sql::ast::{Create, CreateSequence, CreateType, NewType};
use crate::sql::bind::types::is_built_in;
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, Session, Writer, parts};
use crate::sql::statement::object::{Place, SYSTEM_SCHEMAS};
use crate::sql::statement::{object, query, sequence};

/// CREATE SCHEMA.
pub fn schema(session: &mut Session, create: &Create) -> Result<Outcome, Failure> {
    if create.temporary {
        return Err(SqlError::binder("Temporary schemas are not supported").at(&create.name).into());
    }
    let parts = parts(&create.name)?;
    let (database, ident) = match parts[..] {
        [schema] => (session.default_database(), schema),
        [database, schema] => {
            let view = session.read_view();
            let Some(found) = view.database(&database.value) else {
                let message = format!("Catalog \"{}\" does not exist!", database.value);
                return Err(SqlError::binder(message).at_span(database.span).into());
            };
            if found.database().is_temporary() {
                let message = format!("Cannot create non-temporary entry \"{schema}\" in temporary catalog");
                return Err(SqlError::invalid(message).at(&create.name).into());
            }
            (Arc::clone(found.database()), schema)
        }
        _ => return Err(SqlError::binder("a schema cannot be in another").at(&create.name).into()),
    };
    let is_system = SYSTEM_SCHEMAS.iter().any(|s| s.eq_ignore_ascii_case(&ident.value));
    if is_system && !create.if_not_exists {
        let taken = CatalogError::AlreadyExists { kind: ObjectKind::Schema, name: ident.value.clone() };
        return Err(SqlError::from_catalog(&taken).at(&create.name).into());
    }
    let mut writer = session.writer_in(&database)?;
    let exists = is_system || writer.transaction()?.catalog().schema(&ident.value).is_ok();
    if exists && create.or_replace {
        writer.transaction()?.drop_schema(&ident.value, false)?;
    }
    if !(exists && create.if_not_exists) {
        writer.transaction()?.create_schema(&ident.value)?;
    }
    writer.finish()?;
    Ok(Outcome::Done)
}

/// CREATE SEQUENCE.
pub fn sequence(session: &mut Session, sequence: &CreateSequence) -> Result<Outcome, Failure> {
    let create = &sequence.create;
    let mut writer = session.writer_to(create)?;
    let Some(place) = object::place(&mut writer, create, ObjectKind::Sequence)? else {
        return Ok(Outcome::Done);
    };
    let mut definition = SequenceDefinition::new(place.schema, &place.name);
    let view = writer.read_view()?;
    sequence::set_options(&view, &mut definition, &sequence.options).map_err(|e| e.at(&create.name))?;
    object::put(&mut writer, &place, definition, &BTreeSet::new())?;
    writer.finish()?;
    Ok(Outcome::Done)
}

/// Where a new type goes; `None` if there is one by that name and that is no error. Built-in names are taken.
pub(super) fn type_place(writer: &mut Writer<'_>, create: &Create) -> Result<Option<Place>, Failure> {
    let place = object::place(writer, create, ObjectKind::Type)?;
    match &place {
        Some(place) if create.name.0.len() == 1 && is_built_in(&place.name) => {
            if create.if_not_exists {
                return Ok(None);
            }
            let message = format!("Type with name \"{}\" already exists!", place.name);
            Err(SqlError::catalog(message).at(&create.name).into())
        }
        _ => Ok(place),
    }
}

/// CREATE TYPE.
pub fn named_type(session: &mut Session, named: &CreateType) -> Result<Outcome, Failure> {
    let create = &named.create;
    let mut writer = session.writer_to(create)?;
    let Some(place) = type_place(&mut writer, create)? else { return Ok(Outcome::Done) };
    let ty = match &named.ty {
        NewType::Alias(ty) => {
            let view = writer.read_view()?;
            writer
                .session()
                .bind(&view, |binder| Ok(binder.bind_type(ty).map_err(|e| e.at(&create.name))?))?
        }
        NewType::Enum(names) => {
            let mut seen = std::collections::HashSet::new();
            if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
                let message = format!("Attempted to create ENUM type with duplicate value {twice}");
                return Err(SqlError::invalid(message).at(&create.name).into());
            }
            LogicalType::Enum(names.iter().map(|n| n.as_str().into()).collect())
        }
        NewType::EnumOf(values) => LogicalType::Enum(enum_values(&mut writer, values)?.into()),
    };
    let definition = TypeDefinition {
        id: ObjectId::NONE,
        schema: place.schema,
        name: place.name.clone(),
        comment: None,
        ty,
        domain: None,
    };
    object::put(&mut writer, &place, definition, &BTreeSet::new())?;
    writer.finish()?;
    Ok(Outcome::Done)
}

/// The values that a query yields, as text, each where it comes first.
fn enum_values(writer: &mut Writer<'_>, values: &Query) -> Result<Vec<Box<str>>, Failure> {
    let view = writer.read_view()?;
    let session = writer.session();
    let (plan, mut ids) = session.bind(&view, |binder| query::plan(binder, values))?;
    if plan.columns().len() != 1 {
        return Err(SqlError::binder("The query must return a single column").at(values).into());
    }
    let plan = session.plan(plan, &mut ids)?;
    let ty = plan.schema[0].ty.clone();
    let mut names = indexmap::IndexSet::<Box<str>>::new();
    for batch in session.start(plan, false)? {
        let batch = batch?;
        let column = flatten(&batch.columns[0])?;
        for row in (0..batch.rows).filter(|row| column.is_valid(*row)) {
            let mut text = String::new();
            write_value(&column, row, &ty, &mut text)?;
            names.insert(text.into());
        }
    }
    Ok(names.into_iter().collect())
}
