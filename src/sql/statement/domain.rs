//! Domains: types whose values satisfy conditions. A column of one has the conditions, NOT NULL and the default of the
//! domain as its own, as they are when it is made.

use std::collections::BTreeSet;

use sqlparser::ast::Ident;

use crate::catalog::{
    ConstraintDefinition, ConstraintKind, Domain, ObjectId, TableDefinition, TypeDefinition,
};
use crate::sql::ast::CreateDomain;
use crate::sql::error::{Result, SqlError};
use crate::sql::expr_text::{canonical, rename_column};
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::create::type_place;
use crate::sql::statement::object;

/// CREATE DOMAIN.
pub fn create(session: &mut Session, statement: &CreateDomain) -> Result<Outcome, Failure> {
    let create = &statement.create;
    let mut writer = session.writer_to(create)?;
    let Some(place) = type_place(&mut writer, create)? else { return Ok(Outcome::Done) };
    let view = writer.read_view()?;
    let (ty, inherited) = writer.session().bind(&view, |binder| {
        Ok(binder.bind_type_or_domain(&statement.ty).map_err(|e| e.at(&create.name))?)
    })?;
    // A domain over another has what that has too.
    let mut domain = inherited.and_then(|named| named.domain.clone()).unwrap_or_default();
    domain.not_null |= statement.not_null;
    if let Some(default) = &statement.default {
        domain.default = Some(canonical(default).into());
    }
    for (name, check) in &statement.checks {
        domain.checks.push((name.as_ref().map(|n: &Ident| n.value.as_str().into()), canonical(check).into()));
    }
    let definition = TypeDefinition {
        id: ObjectId::NONE,
        schema: place.schema,
        name: place.name.clone(),
        comment: None,
        ty,
        domain: Some(domain),
    };
    writer.session().bind(&view, |binder| {
        Ok(binder.check_domain(&definition).map_err(|e| SqlError { position: None, ..e }.at(&create.name))?)
    })?;
    object::put(&mut writer, &place, definition, &BTreeSet::new())?;
    writer.finish()?;
    Ok(Outcome::Done)
}

/// The conditions of a domain as constraints of a column.
pub fn constraints(
    domain: &Domain,
    table: &TableDefinition,
    position: usize,
) -> Result<Vec<ConstraintDefinition>> {
    let column = &table.columns[position].name;
    let of = |(name, text): &(Option<Box<str>>, Box<str>)| {
        let expression = rename_column(text, VALUE, column)?.into();
        // Several columns may be of the domain, and names are for one.
        let is_free = !table.constraints.iter().any(|c| c.name.is_some() && c.name == *name);
        let name = name.clone().filter(|_| is_free);
        Ok(ConstraintDefinition { name, kind: ConstraintKind::Check { expression } })
    };
    domain.checks.iter().map(of).collect()
}

/// What stands for the value in the conditions of a domain.
pub const VALUE: &str = "value";
