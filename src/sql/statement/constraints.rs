//! Constraints and generated columns, from how they are written to how they are kept.

use std::sync::Arc;

use sqlparser::ast::{
    ColumnDef, ColumnOption, ConstraintReferenceMatchKind, Expr as Syntax, ForeignKeyConstraint,
    GeneratedExpressionMode, Ident, IndexColumn, ReferentialAction, TableConstraint,
};

use crate::catalog::{
    ColumnId, ConstraintDefinition, ConstraintKind, ReferenceAction, ReferenceActions, TableDefinition,
};
use crate::column::types::LogicalType;
use crate::sql::bind::Binder;
use crate::sql::bind::modify::Target;
use crate::sql::bind::modify::keys::positions;
use crate::sql::bind::types;
use crate::sql::error::{Result, SqlError};
use crate::sql::expr_text::canonical;
use crate::sql::session::parts;
use crate::sql::statement::domain;

/// What is written at a column besides its type and default: NOT NULL of the column itself, the expression of a
/// generated one, and the rest, which becomes constraints of the table.
pub fn column_constraints(table: &mut TableDefinition, def: &ColumnDef, binder: &Binder<'_>) -> Result<()> {
    let position = table.find_column(&def.name.value).map_err(|e| SqlError::from_catalog(&e))?;
    let own = std::slice::from_ref(&def.name);
    if let (_, Some(named)) = binder.bind_type_or_domain(&def.data_type).unwrap_or((LogicalType::Null, None))
        && let Some(domain) = &named.domain
    {
        let checks = domain::constraints(domain, table, position)?;
        if !checks.is_empty() && table.columns[position].is_virtual() {
            return Err(on_generated(&def.name));
        }
        table.constraints.extend(checks);
    }
    for option in &def.options {
        let name = option.name.as_ref();
        let generated = table.columns[position].is_virtual();
        let constraint = match &option.option {
            ColumnOption::NotNull if generated => return Err(on_generated(&def.name)),
            ColumnOption::PrimaryKey(_) => unique(table, name, own, true)?,
            ColumnOption::Unique(_) => unique(table, name, own, false)?,
            ColumnOption::Check(check) => {
                if generated {
                    return Err(on_generated(&def.name));
                }
                check_constraint(name, &check.expr)
            }
            ColumnOption::ForeignKey(key) => foreign_key(table, name, own, key, binder)?,
            _ => continue,
        };
        table.constraints.push(constraint);
    }
    Ok(())
}

/// A constraint of a table.
pub fn table_constraint(
    table: &mut TableDefinition,
    constraint: &TableConstraint,
    binder: &Binder<'_>,
) -> Result<()> {
    let constraint = match constraint {
        TableConstraint::PrimaryKey(key) => {
            unique(table, key.name.as_ref(), &column_names(&key.columns)?, true)?
        }
        TableConstraint::Unique(key) => {
            unique(table, key.name.as_ref(), &column_names(&key.columns)?, false)?
        }
        TableConstraint::Check(check) => check_constraint(check.name.as_ref(), &check.expr),
        TableConstraint::ForeignKey(key) => foreign_key(table, key.name.as_ref(), &key.columns, key, binder)?,
        other => {
            return Err(SqlError::unsupported(format!("the constraint {other} is not supported")).at(other));
        }
    };
    table.constraints.push(constraint);
    Ok(())
}

/// The expression of a generated column, if it is one.
pub fn generated(def: &ColumnDef) -> Result<Option<&Syntax>> {
    let mut found = None;
    for option in &def.options {
        match &option.option {
            ColumnOption::Generated { generation_expr: Some(expr), .. } => found = Some(expr),
            ColumnOption::Generated { .. } => {
                return Err(SqlError::parser("Constraint not implemented!").at_span(def.name.span));
            }
            _ => {}
        }
    }
    if found.is_some() && def.options.iter().any(|o| matches!(o.option, ColumnOption::Default(_))) {
        return Err(
            SqlError::parser("Not allowed to set default on a generated column").at_span(def.name.span)
        );
    }
    Ok(found)
}

/// Whether it is one that is computed when it is written.
pub fn is_stored(def: &ColumnDef) -> bool {
    let stored = Some(GeneratedExpressionMode::Stored);
    def.options.iter().any(|option| {
        matches!(&option.option, ColumnOption::Generated { generation_expr_mode, .. } if *generation_expr_mode == stored)
    })
}

fn on_generated(name: &Ident) -> SqlError {
    SqlError::binder("Constraints on generated columns are not supported yet").at_span(name.span)
}

fn column_names(columns: &[IndexColumn]) -> Result<Vec<Ident>> {
    columns
        .iter()
        .map(|c| match &c.column.expr {
            Syntax::Identifier(name) => Ok(name.clone()),
            other => Err(SqlError::parser("a constraint takes names of columns").at(other)),
        })
        .collect()
}

fn text(name: Option<&Ident>) -> Option<Box<str>> {
    name.map(|n| n.value.as_str().into())
}

/// The positions of columns that a constraint names.
fn named(table: &TableDefinition, names: &[Ident], what: &str) -> Result<Vec<usize>> {
    let mut out = vec![];
    for name in names {
        let position = table.column_position(&name.value).ok_or_else(|| {
            SqlError::catalog(format!(
                "table \"{}\" does not have a column named \"{}\"",
                table.name, name.value
            ))
            .at_span(name.span)
            .did_you_mean(&name.value, table.columns.iter().map(|c| &c.name))
        })?;
        if out.contains(&position) {
            return Err(SqlError::parser(format!("column \"{}\" appears twice in {what}", name.value))
                .at_span(name.span));
        }
        if table.columns[position].is_virtual() {
            return Err(on_generated(name));
        }
        out.push(position);
    }
    Ok(out)
}

/// UNIQUE or PRIMARY KEY; columns of the latter are NOT NULL from here on.
fn unique(
    table: &mut TableDefinition,
    name: Option<&Ident>,
    columns: &[Ident],
    primary: bool,
) -> Result<ConstraintDefinition> {
    let what = if primary { "primary key constraint" } else { "unique constraint" };
    let positions = named(table, columns, what)?;
    if primary {
        if table.primary_key().is_some() {
            return Err(SqlError::parser(format!("table \"{}\" has more than one primary key", table.name)));
        }
        positions.iter().for_each(|&p| table.columns[p].nullable = false);
    }
    for &position in &positions {
        let ty = &table.columns[position].ty;
        if !types::can_be_key(ty) {
            return Err(SqlError::unsupported(format!("Invalid type for index key: {ty}")));
        }
    }
    let columns = positions.iter().map(|&p| table.columns[p].id).collect();
    Ok(ConstraintDefinition { name: text(name), kind: ConstraintKind::Unique { columns, primary } })
}

fn check_constraint(name: Option<&Ident>, expr: &Syntax) -> ConstraintDefinition {
    ConstraintDefinition {
        name: text(name),
        kind: ConstraintKind::Check { expression: canonical(expr).into() },
    }
}

fn foreign_key(
    table: &TableDefinition,
    name: Option<&Ident>,
    columns: &[Ident],
    key: &ForeignKeyConstraint,
    binder: &Binder<'_>,
) -> Result<ConstraintDefinition> {
    let is_simple = key.match_kind.is_none_or(|kind| kind == ConstraintReferenceMatchKind::Simple);
    if !is_simple && columns.len() > 1 {
        return Err(SqlError::unsupported("of foreign keys with several columns there is MATCH SIMPLE only")
            .at(&key.foreign_table)
            .hint("For MATCH FULL, add a CHECK that all of the columns are NULL or none."));
    }
    let own = named(table, columns, "foreign key constraint")?;
    // A foreign key references a table of the same database, without a schema one of the same schema.
    let catalog = binder.env.tables.catalog();
    let parts = parts(&key.foreign_table)?;
    let Some((ident, qualifier)) = parts.split_last() else {
        return Err(SqlError::internal("a name is empty"));
    };
    let own_schema = catalog.schema_by_id(table.schema).map(|s| s.definition().name.to_string());
    let schema = match qualifier {
        [] => own_schema.unwrap_or_default(),
        [.., schema] => schema.value.clone(),
    };
    let itself = ident.value.eq_ignore_ascii_case(&table.name)
        && catalog.schema(&schema).is_ok_and(|s| s.definition().id == table.schema);
    let (parent, id) = if itself {
        (Arc::new(table.clone()), table.id)
    } else {
        let parent = catalog
            .table(&schema, &ident.value)
            .map_err(|e| SqlError::from_catalog(&e).at(&key.foreign_table))?;
        (Arc::clone(parent), parent.id)
    };
    let referenced = if key.referred_columns.is_empty() {
        let primary = parent.primary_key().ok_or_else(|| {
            SqlError::binder(format!(
                "Failed to create foreign key: there is no primary key for referenced table \"{}\"",
                parent.name
            ))
            .at(&key.foreign_table)
        })?;
        positions(&parent, primary)
    } else {
        named(&parent, &key.referred_columns, "foreign key constraint")?
    };
    if referenced.len() != own.len() {
        return Err(SqlError::parser(
            "The number of referencing and referenced columns for foreign keys must be the same",
        )
        .at(&key.foreign_table));
    }
    let ids: Vec<ColumnId> = referenced.iter().map(|&p| parent.columns[p].id).collect();
    if !parent.is_unique(&ids) {
        let names: Vec<&str> = referenced.iter().map(|&p| &*parent.columns[p].name).collect();
        return Err(SqlError::binder(format!(
            "Failed to create foreign key: referenced table \"{}\" does not have a primary key or unique constraint on the columns {}",
            parent.name,
            names.join(",")
        ))
        .at(&key.foreign_table));
    }
    for (&from, &to) in own.iter().zip(&referenced) {
        let (from, to) = (&table.columns[from], &parent.columns[to]);
        if from.ty != to.ty {
            return Err(SqlError::binder(format!(
                "Failed to create foreign key: incompatible types between column \"{}\" (\"{}\") and column \"{}\" (\"{}\")",
                to.name, to.ty, from.name, from.ty
            ))
            .at(&key.foreign_table));
        }
    }
    let columns = own.iter().map(|&p| table.columns[p].id).collect();
    let actions = ReferenceActions { on_delete: action(key.on_delete), on_update: action(key.on_update) };
    let kind = ConstraintKind::ForeignKey { columns, table: id, referenced: ids, actions };
    Ok(ConstraintDefinition { name: text(name), kind })
}

fn action(written: Option<ReferentialAction>) -> ReferenceAction {
    match written {
        None | Some(ReferentialAction::NoAction) => ReferenceAction::NoAction,
        Some(ReferentialAction::Restrict) => ReferenceAction::Restrict,
        Some(ReferentialAction::Cascade) => ReferenceAction::Cascade,
        Some(ReferentialAction::SetNull) => ReferenceAction::SetNull,
        Some(ReferentialAction::SetDefault) => ReferenceAction::SetDefault,
    }
}

/// Whether all expressions of a definition mean something.
pub fn check_expressions(binder: &mut Binder<'_>, table: &TableDefinition) -> Result<()> {
    let target = Target::new(Arc::new(table.clone()), "");
    binder.check_definition(&target)
}
