//! ALTER TABLE of what is inside a column: `ADD COLUMN s.f INT`, `DROP COLUMN s.f`, `RENAME s.f TO g`. A path goes through
//! the fields of structs, `element` of lists and arrays, and `key` and `value` of maps.

use std::sync::Arc;

use sqlparser::ast::{ColumnDef, ColumnOption, Ident};

use super::alter::{find, give_type, keeps_type};
use crate::catalog::{ColumnId, TableDefinition};
use crate::column::types::LogicalType;
use crate::sql::bind::Binder;
use crate::sql::bind::modify::alter::AlteredValue;
use crate::sql::error::{Result, SqlError};
use crate::sql::tokens::path_of;

type Fields = [(Box<str>, LogicalType)];

/// A field inside a column.
pub struct FieldPath<'a> {
    ident: &'a Ident,
    /// The names behind the column's: those of the struct, and the field's.
    inner: Vec<&'a str>,
    position: usize,
}

impl<'a> FieldPath<'a> {
    /// What a name with dots means; `None` for the name of a column.
    pub fn find(table: &TableDefinition, ident: &'a Ident) -> Option<Result<Self>> {
        let mut parts = path_of(ident)?;
        let column = Ident { value: parts.next()?.to_owned(), quote_style: None, span: ident.span };
        let inner = parts.collect();
        Some(find(table, &column).map(|position| Self { ident, inner, position }))
    }

    fn field(&self) -> &'a str {
        self.inner.last().copied().unwrap_or_default()
    }

    /// The column's type with other fields in the struct that the path leads to.
    fn changed(
        &self,
        table: &TableDefinition,
        change: &mut dyn FnMut(&Fields) -> Result<Vec<(Box<str>, LogicalType)>>,
    ) -> Result<LogicalType> {
        let column = &table.columns[self.position];
        let path = &self.inner[..self.inner.len() - 1];
        change_within(&column.ty, &column.name, path, change).map_err(|e| e.at_span(self.ident.span))
    }

    /// Gives the column a type into which its values are converted by the names of fields, or by their places if they pass
    /// through a type without names.
    fn give(
        &self,
        binder: &mut Binder<'_>,
        table: &mut TableDefinition,
        ty: LogicalType,
        through: Option<LogicalType>,
    ) -> Result<(ColumnId, AlteredValue)> {
        keeps_type(table, self.position).map_err(|e| e.at_span(self.ident.span))?;
        give_type(binder, table, self.position, ty)?;
        let value = through.map_or(AlteredValue::Converted, AlteredValue::Through);
        Ok((table.columns[self.position].id, value))
    }

    /// Adds the field, unless it is there and may be.
    pub fn add(
        &self,
        binder: &mut Binder<'_>,
        table: &mut TableDefinition,
        def: &ColumnDef,
        if_not_exists: bool,
    ) -> Result<Option<(ColumnId, AlteredValue)>> {
        let mut default = None;
        for option in &def.options {
            match &option.option {
                ColumnOption::Default(value) => default = Some(value),
                other => {
                    let message = format!("a field that is added to a struct cannot have {other}");
                    return Err(SqlError::unsupported(message).at_span(self.ident.span));
                }
            }
        }
        let (name, new) = (self.field(), binder.bind_type(&def.data_type)?);
        let mut exists = false;
        let ty = self.changed(table, &mut |fields| {
            let mut fields = fields.to_vec();
            exists = fields.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
            if exists && !if_not_exists {
                return Err(SqlError::catalog(format!(
                    "Duplicate field \"{name}\" - field already exists in struct \"{}\"",
                    table.columns[self.position].name
                )));
            }
            if !exists {
                fields.push((name.into(), new.clone()));
            }
            Ok(fields)
        })?;
        if exists {
            return Ok(None);
        }
        let (column, mut value) = self.give(binder, table, ty, None)?;
        if let Some(default) = default {
            let path = self.inner.iter().map(|part| (*part).to_owned()).collect();
            value = AlteredValue::Filled { path, value: default.clone() };
        }
        Ok(Some((column, value)))
    }

    /// Removes the field, unless it is not there and need not be.
    pub fn drop(
        &self,
        binder: &mut Binder<'_>,
        table: &mut TableDefinition,
        if_exists: bool,
    ) -> Result<Option<(ColumnId, AlteredValue)>> {
        let name = self.field();
        let mut exists = false;
        let ty = self.changed(table, &mut |fields| {
            let mut left = fields.to_vec();
            left.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
            exists = left.len() < fields.len();
            if !exists && !if_exists {
                return Err(SqlError::catalog(format!("Cannot drop field \"{name}\" - it does not exist"))
                    .did_you_mean(name, fields.iter().map(|(n, _)| n)));
            }
            if left.is_empty() {
                return Err(SqlError::catalog(format!(
                    "Cannot drop field {name} from column {} - it is the last field of the struct",
                    table.columns[self.position].name
                )));
            }
            Ok(left)
        })?;
        if exists { self.give(binder, table, ty, None).map(Some) } else { Ok(None) }
    }

    /// Gives the field another name.
    pub fn rename(
        &self,
        binder: &mut Binder<'_>,
        table: &mut TableDefinition,
        new: &Ident,
    ) -> Result<(ColumnId, AlteredValue)> {
        let name = self.field();
        let ty = self.changed(table, &mut |fields| {
            let mut fields = fields.to_vec();
            let taken = fields
                .iter()
                .any(|(n, _)| n.eq_ignore_ascii_case(&new.value) && !n.eq_ignore_ascii_case(name));
            let Some(field) = fields.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) else {
                return Err(SqlError::catalog(format!("Cannot rename field \"{name}\" - it does not exist"))
                    .did_you_mean(name, fields.iter().map(|(n, _)| n)));
            };
            if taken {
                return Err(SqlError::catalog(format!(
                    "Cannot rename field \"{name}\" from column \"{}\" to {} - a field with this name already exists",
                    table.columns[self.position].name, new.value
                )));
            }
            field.0 = new.value.as_str().into();
            Ok(fields)
        })?;
        let unnamed = self.changed(table, &mut |fields| {
            Ok(fields.iter().map(|(_, ty)| ("".into(), ty.clone())).collect())
        })?;
        self.give(binder, table, ty, Some(unnamed))
    }
}

fn change_within(
    ty: &LogicalType,
    name: &str,
    path: &[&str],
    change: &mut dyn FnMut(&Fields) -> Result<Vec<(Box<str>, LogicalType)>>,
) -> Result<LogicalType> {
    let nowhere = |part: &str| {
        SqlError::catalog(format!("Cannot alter field \"{part}\" of \"{name}\" - it does not exist"))
    };
    let Some((part, rest)) = path.split_first() else {
        return match ty {
            LogicalType::Struct(fields) if !ty.is_tuple() => Ok(LogicalType::Struct(change(fields)?.into())),
            _ => Err(SqlError::binder(format!(
                "Column \"{name}\" is of type {ty}; only structs have fields that can be added, dropped or renamed"
            ))),
        };
    };
    let is = |word: &str| part.eq_ignore_ascii_case(word);
    Ok(match ty {
        LogicalType::Struct(fields) => {
            let mut fields = fields.to_vec();
            let at = fields.iter().position(|(n, _)| n.eq_ignore_ascii_case(part));
            let field = &mut fields[at.ok_or_else(|| nowhere(part))?];
            field.1 = change_within(&field.1, part, rest, change)?;
            LogicalType::Struct(Arc::from(fields))
        }
        LogicalType::List(item) if is("element") => {
            LogicalType::List(Box::new(change_within(item, part, rest, change)?))
        }
        LogicalType::Array(item, n) if is("element") => {
            LogicalType::Array(Box::new(change_within(item, part, rest, change)?), *n)
        }
        LogicalType::Map(key, value) if is("key") => {
            LogicalType::Map(Box::new(change_within(key, part, rest, change)?), value.clone())
        }
        LogicalType::Map(key, value) if is("value") => {
            LogicalType::Map(key.clone(), Box::new(change_within(value, part, rest, change)?))
        }
        _ => return Err(nowhere(part)),
    })
}
