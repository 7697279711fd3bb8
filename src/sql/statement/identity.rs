//! Columns with a sequence of their own: `SERIAL`, and `GENERATED … AS IDENTITY`. Such a column is one whose default
//! takes the next value of a sequence that it owns; what the owner is to it is kept with the sequence.

use std::collections::BTreeSet;

use sqlparser::ast::{ColumnDef, ColumnOption, ColumnOptionDef, DataType};

use crate::catalog::{
    ColumnId, MAIN_SCHEMA, Object, ObjectId, ObjectKind, SchemaId, SequenceDefinition, SequenceOwner,
    SequenceRole, TableDefinition, TableId,
};
use crate::sql::ast::{AlterIdentity, Identity, IdentityChange, SequenceOption};
use crate::sql::bind::name::name_in_sql;
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::sequence::identity_of;
use crate::sql::session::{Failure, Outcome, Session, Writer, parts};
use crate::sql::statement::sequence::{bounds, change_options, free_name, needs_too, set_options};
use crate::sql::statement::{alter, object};

/// A column that is to have a sequence.
#[derive(Debug)]
pub(super) struct OwnSequence {
    /// The definition of the column, as it would be written without the sequence.
    pub def: ColumnDef,
    role: SequenceRole,
    identity: Identity,
}

/// The type that a serial one stands for.
fn serial(ty: &DataType) -> Option<DataType> {
    let DataType::Custom(name, modifiers) = ty else { return None };
    let [part] = &name.0[..] else { return None };
    let name = part.as_ident().filter(|_| modifiers.is_empty())?.value.to_lowercase();
    Some(match name.as_str() {
        "smallserial" | "serial2" => DataType::SmallInt(None),
        "serial" | "serial4" => DataType::Integer(None),
        "bigserial" | "serial8" => DataType::BigInt(None),
        _ => return None,
    })
}

/// What a definition says of a sequence of its own; `None` if it says nothing.
pub(super) fn own_sequence(def: &ColumnDef) -> Result<Option<OwnSequence>> {
    let error = |message: String| Err(SqlError::parser(message).at_span(def.name.span));
    let mut found = None;
    let mut plain = def.clone();
    plain.options.clear();
    for option in &def.options {
        match &option.option {
            ColumnOption::DialectSpecific(tokens) => {
                if found.is_some() {
                    return error(format!(
                        "multiple identity specifications for column \"{}\"",
                        def.name.value
                    ));
                }
                found = identity_of(tokens)?;
            }
            _ => plain.options.push(option.clone()),
        }
    }
    let role = match &found {
        Some(Identity { always: true, .. }) => SequenceRole::IdentityAlways,
        Some(_) => SequenceRole::IdentityByDefault,
        None => SequenceRole::Owned,
    };
    let is_serial = serial(&def.data_type).map(|ty| plain.data_type = ty).is_some();
    if !is_serial && found.is_none() {
        return Ok(None);
    }
    let has_default = plain.options.iter().any(|o| matches!(o.option, ColumnOption::Default(_)));
    if has_default || is_serial && found.is_some() {
        return error(format!("both default and identity specified for column \"{}\"", def.name.value));
    }
    if plain.options.iter().any(|o| matches!(o.option, ColumnOption::Null)) {
        return error(format!("conflicting NULL/NOT NULL declarations for column \"{}\"", def.name.value));
    }
    if bounds(&plain.data_type).is_none() {
        return error("identity column type must be smallint, integer, or bigint".to_owned());
    }
    plain.options.push(ColumnOptionDef { name: None, option: ColumnOption::NotNull });
    let identity = found.unwrap_or(Identity { always: false, name: None, options: vec![] });
    Ok(Some(OwnSequence { def: plain, role, identity }))
}

/// The place of a table whose column is to have a sequence.
pub(super) struct TablePlace<'t> {
    /// Its schema.
    pub schema: SchemaId,
    /// Its name.
    pub table: &'t str,
}

impl OwnSequence {
    /// Makes the sequence, which nothing owns yet. Returns its id, and the default that the column gets.
    pub(super) fn make(
        &self,
        writer: &mut Writer<'_>,
        place: &TablePlace<'_>,
    ) -> Result<(ObjectId, Box<str>), Failure> {
        let schema = writer.transaction()?.catalog().schema_by_id(place.schema);
        let schema = schema.map_or_else(|| MAIN_SCHEMA.to_owned(), |s| s.definition().name.to_string());
        let column = &self.def.name;
        let name = match &self.identity.name {
            Some(name) => {
                let parts = parts(name)?;
                let elsewhere =
                    parts.iter().rev().nth(1).is_some_and(|s| !s.value.eq_ignore_ascii_case(&schema));
                if elsewhere {
                    let message = "the sequence of an identity column is in the schema of its table";
                    return Err(SqlError::binder(message).at(name).into());
                }
                parts.last().map(|last| last.value.clone()).unwrap_or_default()
            }
            None => free_name(writer, &schema, place.table, column)?,
        };
        let mut options = self.identity.options.clone();
        if !options.iter().any(|option| matches!(option, SequenceOption::Type(_))) {
            options.push(SequenceOption::Type(self.def.data_type.clone()));
        }
        if options.iter().any(|option| matches!(option, SequenceOption::OwnedBy(_))) {
            return Err(SqlError::parser("the sequence of a column is owned by it")
                .at_span(column.span)
                .into());
        }
        let mut sequence = SequenceDefinition::new(place.schema, &name);
        let view = writer.read_view()?;
        set_options(&view, &mut sequence, &options).map_err(|e| e.at_span(column.span))?;
        let id = writer.transaction()?.create_object(sequence)?;
        Ok((id, next_value(&schema, &name)))
    }

    /// Makes a column the owner of its sequence.
    pub(super) fn own(
        &self,
        writer: &mut Writer<'_>,
        sequence: ObjectId,
        table: TableId,
        column: ColumnId,
    ) -> Result<(), Failure> {
        own(writer, sequence, SequenceOwner { object: table.into(), column: Some(column), role: self.role })
    }
}

fn own(writer: &mut Writer<'_>, sequence: ObjectId, owner: SequenceOwner) -> Result<(), Failure> {
    let Some(Object::Sequence(found)) = writer.transaction()?.catalog().object_by_id(sequence).cloned()
    else {
        return Err(SqlError::internal("the sequence of a column was lost").into());
    };
    let owned = SequenceDefinition { owner: Some(owner), ..SequenceDefinition::clone(&found) };
    writer.transaction()?.alter_object(owned)?;
    needs_too(writer, owner.object, sequence)
}

/// The default of a column that takes values of a sequence in the schema of its table.
fn next_value(schema: &str, name: &str) -> Box<str> {
    let qualifier =
        if schema.eq_ignore_ascii_case(MAIN_SCHEMA) { String::new() } else { name_in_sql(schema) + "." };
    let name = format!("{qualifier}{}", name_in_sql(name));
    format!("nextval('{}')", name.replace('\'', "''")).into()
}

/// ALTER TABLE of an identity column.
pub(super) fn alter(session: &mut Session, alter: &AlterIdentity) -> Result<Outcome, Failure> {
    let mut writer = session.writer_of(ObjectKind::Table, &alter.table)?;
    let found = object::find(&mut writer, ObjectKind::Table, &alter.table, alter.if_exists, "alter")?;
    let Some(Object::Table(table)) = found else { return Ok(Outcome::Done) };
    if table.materialized.is_some() {
        let message = format!("Cannot alter the columns of materialized view \"{}\"", table.name);
        return Err(SqlError::catalog(message).at(&alter.table).into());
    }
    let position = alter::find(&table, &alter.column)?;
    change(&mut writer, &table, position, alter)
        .map_err(|e| if let Failure::Sql(e) = e { Failure::Sql(e.at_span(alter.column.span)) } else { e })?;
    writer.finish()?;
    Ok(Outcome::Done)
}

fn change(
    writer: &mut Writer<'_>,
    table: &TableDefinition,
    position: usize,
    alter: &AlterIdentity,
) -> Result<(), Failure> {
    let column = &table.columns[position];
    let is_identity =
        |owner: SequenceOwner| owner.column == Some(column.id) && owner.role != SequenceRole::Owned;
    let mut owned = writer.transaction()?.catalog().owned_sequences(table.id);
    let identity = owned.find(|s| s.owner.is_some_and(is_identity)).cloned();
    drop(owned);
    let error = |message: String| Err(Failure::from(SqlError::binder(message)));
    let is_none =
        || format!("column \"{}\" of relation \"{}\" is not an identity column", column.name, table.name);
    match (&alter.change, identity) {
        (IdentityChange::Add(_), Some(_)) => error(format!(
            "column \"{}\" of relation \"{}\" is already an identity column",
            column.name, table.name
        )),
        (IdentityChange::Add(identity), None) => add(writer, table, position, identity, alter),
        (IdentityChange::Set { always, options }, Some(sequence)) => {
            let mut sequence = SequenceDefinition::clone(&sequence);
            let view = writer.read_view()?;
            change_options(&view, &mut sequence, options)?;
            if let (Some(owner), Some(always)) = (&mut sequence.owner, always) {
                owner.role =
                    if *always { SequenceRole::IdentityAlways } else { SequenceRole::IdentityByDefault };
            }
            writer.transaction()?.alter_object(sequence)?;
            Ok(())
        }
        (IdentityChange::Drop { .. }, Some(sequence)) => {
            let mut table = table.clone();
            table.columns[position].default = None;
            let id = table.id.into();
            let transaction = writer.transaction()?;
            transaction.alter_table(table)?;
            let known = transaction.catalog().dependencies().filter(|d| d.dependent == id);
            let needs: BTreeSet<ObjectId> = known.map(|d| d.on).filter(|on| *on != sequence.id).collect();
            transaction.set_dependencies(id, &needs)?;
            transaction.drop_object(sequence.id, false)?;
            Ok(())
        }
        (IdentityChange::Drop { if_exists: true }, None) => Ok(()),
        (IdentityChange::Set { .. } | IdentityChange::Drop { .. }, None) => error(is_none()),
    }
}

/// Makes a column an identity column. A sequence that it takes its values from already becomes its own.
fn add(
    writer: &mut Writer<'_>,
    table: &TableDefinition,
    position: usize,
    identity: &Identity,
    alter: &AlterIdentity,
) -> Result<(), Failure> {
    let column = &table.columns[position];
    let refuse = |what: &str| {
        let message = format!("column \"{}\" of relation \"{}\" {what}", column.name, table.name);
        Err(Failure::from(SqlError::binder(message)))
    };
    if column.nullable {
        return refuse("must be declared NOT NULL before identity can be added");
    }
    let role = if identity.always { SequenceRole::IdentityAlways } else { SequenceRole::IdentityByDefault };
    let owner = SequenceOwner { object: table.id.into(), column: Some(column.id), role };
    if let (Some(name), Some(default)) = (&identity.name, &column.default) {
        let view = writer.read_view()?;
        let found = view.find(ObjectKind::Sequence, name)?;
        let schema = &found.schema.definition().name;
        if **default != *next_value(schema, found.object.name()) {
            return refuse("already has a default value");
        }
        let id = found.object.id();
        return own(writer, id, owner);
    }
    if column.default.is_some() {
        return refuse("already has a default value");
    }
    let ty = match column.ty {
        crate::column::types::LogicalType::SmallInt => DataType::SmallInt(None),
        crate::column::types::LogicalType::Integer => DataType::Integer(None),
        crate::column::types::LogicalType::BigInt => DataType::BigInt(None),
        _ => return refuse("must have type smallint, integer, or bigint to be an identity column"),
    };
    let def = ColumnDef { name: alter.column.clone(), data_type: ty, options: vec![] };
    let own = OwnSequence { def, role, identity: identity.clone() };
    let place = TablePlace { schema: table.schema, table: &table.name };
    let (sequence, default) = own.make(writer, &place)?;
    let (id, column) = (table.id, column.id);
    let mut table = table.clone();
    table.columns[position].default = Some(default);
    writer.transaction()?.alter_table(table)?;
    own.own(writer, sequence, id, column)
}
