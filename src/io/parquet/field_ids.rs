//! FIELD_IDS of the writer: numbers by which readers know columns, whatever these are called.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use parquet::basic::Repetition;
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::io::options::Options;

const OPTION: &str = "field_ids";
/// The field of a struct that is the number of the column itself, not of what it is made of.
const OWN: &str = "__duckdb_field_id";

/// What the option says.
enum FieldIds {
    /// All columns and what they are made of, counted from here.
    Counted(i32),
    /// Those that are named.
    Given(Vec<(String, Given)>),
}

/// The number of a column, and those of what it is made of.
#[derive(Default)]
struct Given {
    id: Option<i32>,
    parts: Vec<(String, Given)>,
}

/// The columns with the numbers that the option gives them.
pub(super) fn numbered(columns: Vec<TypePtr>, options: &Options) -> Result<Vec<TypePtr>> {
    let mut ids = match options.value(OPTION) {
        None => return Ok(columns),
        Some((Scalar::Text(text), _)) if text.eq_ignore_ascii_case("auto") => FieldIds::Counted(0),
        Some((value, ty)) => {
            let given =
                parsed(value, ty).filter(|given| given.id.is_none() && !given.parts.is_empty()).ok_or_else(
                    || options.bad(OPTION, "must be 'auto' or a struct of numbers, such as {a: 1}"),
                )?;
            FieldIds::Given(given.parts)
        }
    };
    if let FieldIds::Given(given) = &ids {
        check(given, &columns)?;
        refuse_twice(given, &mut HashSet::new())?;
    }
    columns
        .iter()
        .map(|column| with_id(column, &mut ids))
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| ExecError::Internal(format!("Parquet: {e}")))
}

/// Reads a number, or a struct of them.
fn parsed(value: &Scalar, ty: &LogicalType) -> Option<Given> {
    match (value, ty) {
        (Scalar::Int(id), _) => Some(Given { id: Some(i32::try_from(*id).ok()?), parts: vec![] }),
        (Scalar::Nested(row), LogicalType::Struct(fields)) => {
            let row = row.as_struct_opt().filter(|row| row.len() == 1 && row.is_valid(0))?;
            let mut given = Given::default();
            for ((name, ty), column) in fields.iter().zip(row.columns()) {
                let part = parsed(&Scalar::from_array(column, 0, ty), ty)?;
                if &**name == OWN {
                    given.id = Some(part.id?);
                } else {
                    given.parts.push((name.to_string(), part));
                }
            }
            Some(given)
        }
        _ => None,
    }
}

/// Whether a type is the group between a list, or a map, and what it holds.
fn is_between(ty: &Type) -> bool {
    ty.is_group()
        && ty.get_basic_info().has_repetition()
        && ty.get_basic_info().repetition() == Repetition::REPEATED
}

/// The types that a type is made of, without those between.
fn parts_of(ty: &Type) -> &[TypePtr] {
    match ty {
        Type::GroupType { fields, .. } => match &fields[..] {
            [only] if is_between(only) => only.get_fields(),
            fields => fields,
        },
        Type::PrimitiveType { .. } => &[],
    }
}

/// Names must be those of columns.
fn check(given: &[(String, Given)], columns: &[TypePtr]) -> Result<()> {
    for (name, part) in given {
        let Some(column) = columns.iter().find(|column| column.name().eq_ignore_ascii_case(name)) else {
            let names: Vec<&str> = columns.iter().map(|column| column.name()).collect();
            return Err(ExecError::InvalidInput(format!(
                "Column name \"{name}\" specified in FIELD_IDS not found. Available column names: [{}]",
                names.join(", ")
            )));
        };
        check(&part.parts, parts_of(column))?;
    }
    Ok(())
}

fn refuse_twice(given: &[(String, Given)], seen: &mut HashSet<i32>) -> Result<()> {
    for (_, part) in given {
        if let Some(id) = part.id
            && !seen.insert(id)
        {
            return Err(ExecError::InvalidInput(format!("Duplicate field_id {id} found in FIELD_IDS")));
        }
        refuse_twice(&part.parts, seen)?;
    }
    Ok(())
}

/// A type with its number, and the numbers of what it is made of.
fn with_id(ty: &TypePtr, ids: &mut FieldIds) -> std::result::Result<TypePtr, ParquetError> {
    if is_between(ty) {
        let fields =
            ty.get_fields().iter().map(|field| with_id(field, ids)).collect::<std::result::Result<_, _>>()?;
        return rebuilt(ty, None, fields);
    }
    let (id, mut parts) = match ids {
        FieldIds::Counted(next) => {
            *next += 1;
            (Some(*next - 1), None)
        }
        FieldIds::Given(given) => {
            let own = given.iter().position(|(name, _)| name.eq_ignore_ascii_case(ty.name()));
            let own = own.map_or_else(Given::default, |at| given.swap_remove(at).1);
            (own.id, Some(FieldIds::Given(own.parts)))
        }
    };
    let fields = match &**ty {
        Type::GroupType { fields, .. } => {
            let inner = parts.as_mut().unwrap_or(ids);
            fields.iter().map(|field| with_id(field, inner)).collect::<std::result::Result<_, _>>()?
        }
        Type::PrimitiveType { .. } => vec![],
    };
    rebuilt(ty, id, fields)
}

fn rebuilt(ty: &Type, id: Option<i32>, fields: Vec<TypePtr>) -> std::result::Result<TypePtr, ParquetError> {
    let info = ty.get_basic_info();
    let made = match ty {
        Type::GroupType { .. } => Type::group_type_builder(ty.name())
            .with_repetition(info.repetition())
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_fields(fields)
            .with_id(id)
            .build()?,
        Type::PrimitiveType { physical_type, type_length, scale, precision, .. } => {
            Type::primitive_type_builder(ty.name(), *physical_type)
                .with_repetition(info.repetition())
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .with_length(*type_length)
                .with_precision(*precision)
                .with_scale(*scale)
                .with_id(id)
                .build()?
        }
    };
    Ok(Arc::new(made))
}
