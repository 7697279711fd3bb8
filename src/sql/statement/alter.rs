//! ALTER TABLE: names, columns, defaults.

use sqlparser::ast::{AlterColumnOperation, AlterTable, AlterTableOperation, Ident, RenameTableNameKind};

use crate::catalog::TableDefinition;
use crate::sql::bind::{Binder, coerce_assign, object_name, schema_or_main};
use crate::sql::error::{Result, SqlError};
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::create_table::define_column;

/// Changes the definition of a table.
pub fn run(session: &mut Session, alter: &AlterTable) -> Result<Outcome, Failure> {
    let (schema, ident) = object_name(&alter.name)?;
    let mut writer = session.writer()?;
    let found = writer.transaction()?.catalog().table(schema_or_main(schema), &ident.value).cloned();
    let table = match found {
        Ok(table) => table,
        Err(crate::catalog::CatalogError::NotFound { .. }) if alter.if_exists => return Ok(Outcome::Done),
        Err(e) => return Err(SqlError::from_catalog(&e).at(&alter.name).into()),
    };
    let view = writer.read_view()?;
    let mut table = TableDefinition::clone(&table);
    writer.session().bind(&view, |binder| {
        for operation in &alter.operations {
            apply(binder, &mut table, operation)?;
        }
        Ok(())
    })?;
    table.validate().map_err(|e| SqlError::from_catalog(&e).at(&alter.name))?;
    writer.transaction()?.alter_table(table)?;
    writer.finish()?;
    Ok(Outcome::Done)
}

fn apply(
    binder: &mut Binder<'_>,
    table: &mut TableDefinition,
    operation: &AlterTableOperation,
) -> Result<()> {
    match operation {
        AlterTableOperation::AddColumn { if_not_exists, column_def, .. } => {
            let exists = table.column_position(&column_def.name.value).is_some();
            if exists && *if_not_exists {
                return Ok(());
            }
            if exists {
                return Err(taken(&column_def.name));
            }
            let column = define_column(binder, table, column_def)?;
            if column.default.is_some() {
                return Err(SqlError::unsupported(
                    "ADD COLUMN with a DEFAULT is not supported yet: rows that are there would need it",
                )
                .at_span(column_def.name.span));
            }
            table.add_column(column);
        }
        AlterTableOperation::DropColumn { column_names, if_exists, .. } => {
            for name in column_names {
                match table.find_column(&name.value) {
                    Ok(position) => {
                        table.columns.remove(position);
                    }
                    Err(_) if *if_exists => {}
                    Err(e) => return Err(SqlError::from_catalog(&e).at_span(name.span)),
                }
            }
        }
        AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
            let position = find(table, old_column_name)?;
            if table.column_position(&new_column_name.value).is_some_and(|p| p != position) {
                return Err(taken(new_column_name));
            }
            table.columns[position].name = new_column_name.value.as_str().into();
        }
        AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
        } => {
            table.name = object_name(name)?.1.value.as_str().into();
        }
        AlterTableOperation::AlterColumn { column_name, op } => {
            let position = find(table, column_name)?;
            let column = &mut table.columns[position];
            match op {
                AlterColumnOperation::SetDefault { value } => {
                    let scope = crate::sql::bind::scope::Scope::default();
                    let bound = binder.bind_over(value, &scope, "DEFAULT value")?;
                    coerce_assign(bound, &column.ty).map_err(|e| e.at(value))?;
                    column.default = Some(value.to_string().into());
                }
                AlterColumnOperation::DropDefault => column.default = None,
                AlterColumnOperation::DropNotNull => column.nullable = true,
                _ => {
                    return Err(SqlError::unsupported(format!("ALTER COLUMN {op} is not supported yet"))
                        .at_span(column_name.span));
                }
            }
        }
        other => return Err(SqlError::unsupported(format!("ALTER TABLE {other} is not supported yet"))),
    }
    Ok(())
}

fn find(table: &TableDefinition, name: &Ident) -> Result<usize> {
    table.find_column(&name.value).map_err(|e| SqlError::from_catalog(&e).at_span(name.span))
}

fn taken(name: &Ident) -> SqlError {
    SqlError::catalog(format!("Column with name \"{}\" already exists!", name.value)).at_span(name.span)
}
