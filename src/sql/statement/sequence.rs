//! Options of sequences, and ALTER SEQUENCE.

use std::collections::BTreeSet;

use sqlparser::ast::{DataType, Ident, ObjectName};

use crate::catalog::{
    CatalogError, Namespace, Object, ObjectId, ObjectKind, SequenceDefinition, SequenceOwner, SequenceRole,
    TableDefinition,
};
use crate::sql::ast::{AlterObject, SequenceOption};
use crate::sql::error::{Result, SqlError, SqlErrorKind};
use crate::sql::session::{Failure, Outcome, ReadView, Session, Writer};
use crate::sql::statement::object;

/// The least and greatest value of a whole type that sequences can have.
pub(super) fn bounds(ty: &DataType) -> Option<(i64, i64)> {
    Some(match ty {
        DataType::SmallInt(_) | DataType::Int2(_) => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => (i32::MIN.into(), i32::MAX.into()),
        DataType::BigInt(_) | DataType::Int8(_) => (i64::MIN, i64::MAX),
        _ => return None,
    })
}

/// Sets the options of a sequence that is made, and begins at its start.
pub(super) fn set_options(
    view: &ReadView,
    sequence: &mut SequenceDefinition,
    options: &[SequenceOption],
) -> Result<()> {
    let (mut least, mut greatest, mut start) = (None, None, None);
    let mut of_type = (i64::MIN, i64::MAX);
    for option in options {
        match option {
            SequenceOption::Increment(by) => sequence.increment = *by,
            SequenceOption::Least(value) => least = *value,
            SequenceOption::Greatest(value) => greatest = *value,
            SequenceOption::Start(value) => start = Some(*value),
            SequenceOption::Cycle(cycles) => sequence.cycles = *cycles,
            SequenceOption::Type(ty) => of_type = bounds(ty).ok_or_else(wrong_type)?,
            SequenceOption::OwnedBy(owner) => sequence.owner = owner_of(view, owner.as_ref())?,
            SequenceOption::Cache | SequenceOption::Restart(_) => {}
        }
    }
    let up = sequence.increment > 0;
    sequence.least = least.unwrap_or(if up { 1 } else { of_type.0 });
    sequence.greatest = greatest.unwrap_or(if up { of_type.1 } else { -1 });
    sequence.start = start.unwrap_or(if up { sequence.least } else { sequence.greatest });
    if sequence.least < of_type.0 || sequence.greatest > of_type.1 {
        return Err(SqlError::parser("MINVALUE or MAXVALUE is out of range for the type of the sequence"));
    }
    sequence.restart();
    valid(sequence)
}

fn wrong_type() -> SqlError {
    SqlError::parser("sequence type must be smallint, integer, or bigint")
}

fn valid(sequence: &SequenceDefinition) -> Result<()> {
    sequence.validate().map_err(|e| match e {
        CatalogError::Invalid(message) => SqlError::parser(message),
        other => SqlError::from_catalog(&other),
    })
}

/// What `OWNED BY` names: a table, a view, a sequence, or a column of a table.
fn owner_of(view: &ReadView, name: Option<&ObjectName>) -> Result<Option<SequenceOwner>> {
    let Some(name) = name else { return Ok(None) };
    let role = SequenceRole::Owned;
    let mut found = view.lookup(Namespace::Relation, name)?;
    if found.is_none() {
        found = view.lookup(Namespace::Sequence, name)?;
    }
    let mut column = None;
    if let (None, Some((last, table))) = (&found, name.0.split_last())
        && !table.is_empty()
        && let Some(last) = last.as_ident()
    {
        let table = ObjectName(table.to_vec());
        if let Some(owner) = view.lookup(Namespace::Relation, &table)?
            && let Object::Table(table) = owner.object
            && let Some(position) = table.column_position(&last.value)
        {
            column = Some(table.columns[position].id);
            found = Some(owner);
        }
    }
    match found {
        Some(found) if std::ptr::eq(found.database, view.focus()) => {
            Ok(Some(SequenceOwner { object: found.object.id(), column, role }))
        }
        Some(_) => Err(SqlError::catalog(format!("\"{name}\" is in another database")).at(name)),
        None => Err(SqlError::catalog(format!("CatalogElement \"{name}\" does not exist!")).at(name)),
    }
}

/// Changes the options of a sequence. What is not said stays.
pub(super) fn change_options(
    view: &ReadView,
    sequence: &mut SequenceDefinition,
    options: &[SequenceOption],
) -> Result<()> {
    let before = sequence.clone();
    for option in options {
        match option {
            SequenceOption::Increment(by) => sequence.increment = *by,
            SequenceOption::Least(value) => {
                sequence.least = value.unwrap_or(if before.increment > 0 { 1 } else { i64::MIN });
            }
            SequenceOption::Greatest(value) => {
                sequence.greatest = value.unwrap_or(if before.increment > 0 { i64::MAX } else { -1 });
            }
            SequenceOption::Start(value) => sequence.start = *value,
            SequenceOption::Cycle(cycles) => sequence.cycles = *cycles,
            SequenceOption::Type(ty) => {
                let (least, greatest) = bounds(ty).ok_or_else(wrong_type)?;
                sequence.least = sequence.least.max(least);
                sequence.greatest = sequence.greatest.min(greatest);
            }
            SequenceOption::OwnedBy(owner) => {
                let owner = owner_of(view, owner.as_ref())?;
                if let Some(owner) = owner {
                    check_new_owner(view, &before, owner)?;
                }
                sequence.owner = owner;
            }
            SequenceOption::Cache | SequenceOption::Restart(_) => {}
        }
    }
    valid(sequence)?;
    if let Some(at) =
        options.iter().find_map(|o| if let SequenceOption::Restart(at) = o { Some(at) } else { None })
    {
        let at = at.unwrap_or(sequence.start);
        if !(sequence.least..=sequence.greatest).contains(&at) {
            return Err(SqlError::parser(format!(
                "RESTART value ({at}) is out of bounds ({}..{})",
                sequence.least, sequence.greatest
            )));
        }
        sequence.restart_at(at);
    } else if sequence.increment != before.increment {
        sequence.go_on();
    }
    Ok(())
}

/// A sequence that belongs to something stays with it, and nothing owns itself.
fn check_new_owner(view: &ReadView, sequence: &SequenceDefinition, new: SequenceOwner) -> Result<()> {
    let catalog = view.focus().catalog();
    let itself = Object::from(sequence.clone());
    let is_identity = sequence.owner.is_some_and(|owner| owner.role != SequenceRole::Owned);
    if let Some(other) = catalog.owner(&itself).filter(|other| other.id() != new.object || is_identity) {
        let message = format!("\"{}\" is already owned by \"{}\"", sequence.name, other.name());
        return Err(SqlError::new(SqlErrorKind::Dependency, message));
    }
    // What owns it, and what owns that.
    let mut above = catalog.object_by_id(new.object);
    while let Some(object) = above {
        if object.id() == sequence.id {
            let message =
                format!("a sequence cannot be owned by itself, or by what \"{}\" owns", sequence.name);
            return Err(SqlError::binder(message));
        }
        above = catalog.owner(object);
    }
    Ok(())
}

/// ALTER SEQUENCE with options.
pub(super) fn alter(
    session: &mut Session,
    alter: &AlterObject,
    options: &[SequenceOption],
) -> Result<Outcome, Failure> {
    let mut writer = session.writer_of(alter.kind, &alter.name)?;
    let found = object::find(&mut writer, ObjectKind::Sequence, &alter.name, alter.if_exists, "alter")?;
    let Some(Object::Sequence(sequence)) = found else { return Ok(Outcome::Done) };
    let view = writer.read_view()?;
    let mut sequence = SequenceDefinition::clone(&sequence);
    change_options(&view, &mut sequence, options).map_err(|e| e.at(&alter.name))?;
    writer.transaction()?.alter_object(sequence)?;
    writer.finish()?;
    Ok(Outcome::Done)
}

/// Notes that an object needs another, besides what it needs.
pub(super) fn needs_too(writer: &mut Writer<'_>, dependent: ObjectId, on: ObjectId) -> Result<(), Failure> {
    let transaction = writer.transaction()?;
    let known = transaction.catalog().dependencies().filter(|d| d.dependent == dependent);
    let needs: BTreeSet<ObjectId> = known.map(|d| d.on).chain([on]).collect();
    transaction.set_dependencies(dependent, &needs)?;
    Ok(())
}

/// Makes the sequences that columns of a table own begin again.
pub(super) fn restart_owned(writer: &mut Writer<'_>, table: &TableDefinition) -> Result<(), Failure> {
    let transaction = writer.transaction()?;
    let owned = transaction.catalog().owned_sequences(table.id);
    let owned: Vec<_> = owned.map(|sequence| SequenceDefinition::clone(sequence)).collect();
    for mut sequence in owned.into_iter().filter(|s| s.owner.is_some_and(|owner| owner.column.is_some())) {
        sequence.restart();
        transaction.alter_object(sequence)?;
    }
    Ok(())
}

/// A name that no sequence of a schema has: `table_column_seq`, with a number behind if need be.
pub(super) fn free_name(
    writer: &mut Writer<'_>,
    schema: &str,
    table: &str,
    column: &Ident,
) -> Result<String, Failure> {
    let catalog = writer.transaction()?.catalog();
    let schema = catalog.schema(schema).map_err(|e| SqlError::from_catalog(&e))?;
    let name = format!("{table}_{}_seq", column.value);
    let is_free = |name: &String| schema.find(Namespace::Sequence, name).is_none();
    let numbered = (1_u64..).map(|i| format!("{name}{i}"));
    Ok(std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or(name))
}
