//! ALTER TABLE: names, columns, defaults.

use std::collections::HashMap;
use std::sync::Arc;

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, Expr as Syntax, Ident, RenameTableNameKind,
};

use crate::catalog::{ColumnId, ConstraintKind, TableDefinition};
use crate::column::types::LogicalType;
use crate::exec::sinks::table_sink;
use crate::sql::bind::modify::alter::AlteredValue;
use crate::sql::bind::modify::{Target, names_in};
use crate::sql::bind::types::bind_type;
use crate::sql::bind::{Binder, Tables, coerce_assign, object_name, schema_or_main};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_expr;
use crate::sql::plan::LogicalPlan;
use crate::sql::session::{Failure, Outcome, Session, Writer};
use crate::sql::statement::create_table::{check_default, define_column};

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
    let old = table;
    let (mut table, mut values) = (TableDefinition::clone(&old), HashMap::new());
    writer.session().bind(&view, |binder| {
        for operation in &alter.operations {
            apply(binder, &mut table, &mut values, operation)?;
        }
        Ok(())
    })?;
    table.validate().map_err(|e| SqlError::from_catalog(&e).at(&alter.name))?;
    if values.is_empty() {
        writer.transaction()?.alter_table(table)?;
    } else {
        rewrite(&mut writer, &view, old, table, &values)?;
    }
    writer.finish()?;
    Ok(Outcome::Done)
}

/// Writes the rows of a table anew, with other values in some columns.
fn rewrite(
    writer: &mut Writer<'_>,
    view: &dyn Tables,
    old: Arc<TableDefinition>,
    new: TableDefinition,
    values: &HashMap<ColumnId, AlteredValue>,
) -> Result<(), Failure> {
    let (before, after) = (Target::new(old, ""), Target::new(Arc::new(new.clone()), ""));
    let (plan, mut ids) = writer.session().bind(view, |binder| {
        let plan = binder.bind_altered(&before, &after, values)?;
        Ok((plan, std::mem::take(&mut binder.ids)))
    })?;
    let sink = table_sink(writer.transaction()?.replace_table(new)?);
    let count = ids.column("Count", LogicalType::BigInt);
    let plan = LogicalPlan::Write { input: Box::new(plan), sink, count };
    let plan = writer.session().plan(plan, &mut ids)?;
    writer.session().run_write(plan)?;
    Ok(())
}

fn apply(
    binder: &mut Binder<'_>,
    table: &mut TableDefinition,
    values: &mut HashMap<ColumnId, AlteredValue>,
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
            let default = column.default.is_some();
            let id = table.add_column(column);
            if default {
                values.insert(id, AlteredValue::Default);
            }
        }
        AlterTableOperation::DropColumn { column_names, if_exists, .. } => {
            for name in column_names {
                match table.find_column(&name.value) {
                    Ok(position) => {
                        refuse_removal(table, position).map_err(|e| e.at_span(name.span))?;
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
                AlterColumnOperation::SetNotNull => column.nullable = false,
                AlterColumnOperation::SetDataType { data_type, using, .. } => {
                    let (id, name) = (column.id, column.name.clone());
                    column.ty = bind_type(data_type).map_err(|e| e.at_span(column_name.span))?;
                    refuse_new_type(table, position).map_err(|e| e.at_span(column_name.span))?;
                    if let Some(default) = table.columns[position].default.take() {
                        let value = parse_expr(&default)?;
                        check_default(binder, &value, &table.columns[position])?;
                        table.columns[position].default = Some(default);
                    }
                    let value = match using {
                        // The column itself is what there is without USING.
                        Some(Syntax::Identifier(i)) if i.value.eq_ignore_ascii_case(&name) => None,
                        other => other.clone(),
                    };
                    values.insert(id, value.map_or(AlteredValue::Converted, AlteredValue::Using));
                }
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

/// Whether the name of a column is in an expression.
fn uses(text: &str, name: &str) -> bool {
    parse_expr(text).is_ok_and(|e| names_in(&e).iter().any(|n| n.eq_ignore_ascii_case(name)))
}

/// A column on which something else of the table depends stays. (A CHECK of the column alone goes with it.)
fn refuse_removal(table: &mut TableDefinition, position: usize) -> Result<()> {
    let column = &table.columns[position];
    let refuse = |what: String| {
        Err(SqlError::catalog(format!(
            "Cannot drop column \"{}\" because there is a {what} that depends on it",
            column.name
        )))
    };
    let is_its_own = |text: &str| {
        let others = table.columns.iter().filter(|c| c.id != column.id);
        uses(text, &column.name) && !others.into_iter().any(|other| uses(text, &other.name))
    };
    for constraint in &table.constraints {
        match &constraint.kind {
            ConstraintKind::Unique { columns, .. } if columns.contains(&column.id) => {
                return refuse("UNIQUE constraint".into());
            }
            ConstraintKind::ForeignKey { columns, .. } if columns.contains(&column.id) => {
                return refuse("FOREIGN KEY constraint".into());
            }
            ConstraintKind::Check { expression }
                if uses(expression, &column.name) && !is_its_own(expression) =>
            {
                return refuse("CHECK constraint".into());
            }
            _ => {}
        }
    }
    if let Some(by) =
        table.columns.iter().find(|c| c.generated.as_deref().is_some_and(|g| uses(g, &column.name)))
    {
        return refuse(format!("generated column \"{}\"", by.name));
    }
    if table.indexes.iter().any(|index| index.keys.iter().any(|key| uses(key, &column.name))) {
        return Err(SqlError::catalog("Cannot drop this column: an index depends on it!"));
    }
    let keep: Vec<bool> = table
        .constraints
        .iter()
        .map(|c| !matches!(&c.kind, ConstraintKind::Check { expression } if is_its_own(expression)))
        .collect();
    let mut keep = keep.into_iter();
    table.constraints.retain(|_| keep.next().unwrap_or(true));
    Ok(())
}

/// The type of a column on which something else of the table depends stays as it is.
fn refuse_new_type(table: &TableDefinition, position: usize) -> Result<()> {
    let column = &table.columns[position];
    let uses = |text: &str| uses(text, &column.name);
    if column.generated.is_some() {
        return Err(SqlError::binder("Using generated columns in alter statement not supported"));
    }
    let by = table.columns.iter().find(|c| c.generated.as_deref().is_some_and(uses));
    if let Some(by) = by {
        return Err(SqlError::binder(format!(
            "This column is referenced by the generated column \"{}\", so its type can not be changed",
            by.name
        )));
    }
    for constraint in &table.constraints {
        let what = match &constraint.kind {
            ConstraintKind::Unique { columns, .. } if columns.contains(&column.id) => "UNIQUE or PRIMARY KEY",
            ConstraintKind::ForeignKey { columns, .. } if columns.contains(&column.id) => "FOREIGN KEY",
            ConstraintKind::Check { expression } if uses(expression) => "CHECK",
            _ => continue,
        };
        return Err(SqlError::binder(format!(
            "Cannot change the type of a column that has a {what} constraint specified"
        )));
    }
    if table.indexes.iter().any(|index| index.keys.iter().any(|key| uses(key))) {
        return Err(SqlError::catalog("Cannot change the type of this column: an index depends on it!"));
    }
    Ok(())
}

fn find(table: &TableDefinition, name: &Ident) -> Result<usize> {
    table.find_column(&name.value).map_err(|e| SqlError::from_catalog(&e).at_span(name.span))
}

fn taken(name: &Ident) -> SqlError {
    SqlError::catalog(format!("Column with name \"{}\" already exists!", name.value)).at_span(name.span)
}
