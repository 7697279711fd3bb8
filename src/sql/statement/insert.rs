//! INSERT.

use std::sync::Arc;

use sqlparser::ast::{self, Expr as Syntax, Ident, Insert, Query, SetExpr, TableObject};

use crate::catalog::{ColumnDefinition, Object, TableDefinition};
use crate::column::types::LogicalType;
use crate::exec::sinks::table_sink;
use crate::sql::bind::scope::Scope;
use crate::sql::bind::{Binder, BoundQuery, Tables, coerce_assign, object_name, schema_or_main};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_expr;
use crate::sql::plan::{Definition, LogicalPlan};
use crate::sql::session::{Failure, Outcome, Session};

/// Adds rows to a table.
pub fn run(session: &mut Session, insert: &Insert) -> Result<Outcome, Failure> {
    refuse_unsupported(insert)?;
    let TableObject::TableName(name) = &insert.table else {
        return Err(SqlError::unsupported("INSERT into anything but a table is not supported").into());
    };
    let mut writer = session.writer()?;
    let view = writer.read_view()?;
    let table = target(&view, name)?;
    let names: Vec<&Ident> = insert
        .columns
        .iter()
        .map(|c| {
            c.0.last()
                .and_then(|p| p.as_ident())
                .ok_or_else(|| SqlError::binder("a column is expected").at(c))
        })
        .collect::<Result<_>>()?;
    let (plan, mut ids) = writer.session().bind(&view, |binder| {
        let columns = target_columns(&table, &names)?;
        let bound = bind_rows(binder, insert, &table, &columns)?;
        let plan = for_table(binder, bound, &table, &columns)?;
        Ok((plan, std::mem::take(&mut binder.ids)))
    })?;
    let sink = table_sink(writer.transaction()?.append(table.id)?);
    let count = ids.column("Count", LogicalType::BigInt);
    let plan = LogicalPlan::Write { input: Box::new(plan), sink, count };
    let plan = writer.session().plan(plan, &mut ids)?;
    writer.changes(table.id);
    let rows = writer.session().run_write(plan)?;
    writer.finish()?;
    Ok(Outcome::Changed(rows))
}

/// The table that is written to.
pub fn target(view: &dyn Tables, name: &ast::ObjectName) -> Result<Arc<TableDefinition>> {
    let (schema, ident) = object_name(name)?;
    match view.catalog().object(schema_or_main(schema), &ident.value) {
        Ok(Object::Table(table)) => Ok(Arc::clone(table)),
        Ok(_) => Err(SqlError::binder(format!("\"{}\" is a view: it takes no rows", ident.value)).at(name)),
        Err(e) => Err(SqlError::from_catalog(&e).at(name)),
    }
}

/// The positions of the columns that a statement gives values for; all if it names none.
pub fn target_columns(table: &TableDefinition, names: &[&Ident]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..table.columns.len()).collect());
    }
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        let position =
            table.find_column(&name.value).map_err(|e| SqlError::from_catalog(&e).at_span(name.span))?;
        if out.contains(&position) {
            return Err(
                SqlError::binder(format!("the column \"{}\" is named twice", name.value)).at_span(name.span)
            );
        }
        out.push(position);
    }
    Ok(out)
}

fn bind_rows(
    binder: &mut Binder<'_>,
    insert: &Insert,
    table: &TableDefinition,
    columns: &[usize],
) -> Result<BoundQuery> {
    let Some(source) = &insert.source else {
        // INSERT … DEFAULT VALUES: one row of no values.
        let plan = LogicalPlan::Values { rows: vec![vec![]], columns: vec![] };
        return Ok(BoundQuery { plan, columns: vec![] });
    };
    if let Some(values) = plain_values(source) {
        let defaults = columns.iter().map(|&i| default_of(&table.columns[i])).collect::<Result<Vec<_>>>()?;
        let types: Vec<LogicalType> = columns.iter().map(|&i| table.columns[i].ty.clone()).collect();
        let names: Vec<&str> = columns.iter().map(|&i| &*table.columns[i].name).collect();
        return binder.bind_inserted_values(values, &types, &defaults, &names);
    }
    let bound = binder.bind_query(source, None)?;
    if bound.columns.len() != columns.len() {
        return Err(SqlError::binder(format!(
            "table {} has {} columns but {} values were supplied",
            table.name,
            columns.len(),
            bound.columns.len()
        ))
        .at(&**source));
    }
    Ok(bound)
}

/// VALUES alone, whose literals take the types of the columns one by one.
fn plain_values(query: &Query) -> Option<&ast::Values> {
    match &*query.body {
        SetExpr::Values(values)
            if query.with.is_none()
                && query.order_by.is_none()
                && query.limit_clause.is_none()
                && query.fetch.is_none() =>
        {
            Some(values)
        }
        _ => None,
    }
}

/// The syntax of a column's default; NULL if it has none.
pub fn default_of(column: &ColumnDefinition) -> Result<Syntax> {
    parse_expr(column.default.as_deref().unwrap_or("NULL"))
        .map_err(|e| SqlError::internal(format!("the default of column \"{}\": {}", column.name, e.message)))
}

/// Rows that give values for some columns of a table, as rows of the table.
pub fn for_table(
    binder: &mut Binder<'_>,
    bound: BoundQuery,
    table: &TableDefinition,
    columns: &[usize],
) -> Result<LogicalPlan> {
    let scope = Scope::default();
    let mut definitions = Vec::with_capacity(table.columns.len());
    for (position, column) in table.columns.iter().enumerate() {
        let given = columns.iter().position(|c| *c == position).and_then(|i| bound.columns.get(i));
        let expr = match given {
            Some(given) => given.expr(),
            None => binder.bind_over(&default_of(column)?, &scope, "DEFAULT value")?,
        };
        let expr = coerce_assign(expr, &column.ty)
            .map_err(|e| SqlError { message: format!("column \"{}\": {}", column.name, e.message), ..e })?;
        definitions.push(Definition { column: binder.ids.column(&*column.name, column.ty.clone()), expr });
    }
    Ok(LogicalPlan::Project { input: Box::new(bound.plan), definitions })
}

fn refuse_unsupported(insert: &Insert) -> Result<()> {
    let what = if insert.or.is_some() || insert.on.is_some() || insert.replace_into {
        "INSERT OR REPLACE and ON CONFLICT"
    } else if insert.returning.is_some() {
        "RETURNING"
    } else if insert.overwrite || insert.partitioned.is_some() {
        "this form of INSERT"
    } else if !insert.assignments.is_empty() {
        "INSERT … SET"
    } else {
        return Ok(());
    };
    Err(SqlError::unsupported(format!("{what} is not supported yet")))
}
