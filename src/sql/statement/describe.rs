//! DESCRIBE.

use sqlparser::ast::{Query, SelectFlavor, SetExpr, TableFactor};

use crate::catalog::{ColumnDefinition, ConstraintKind, Namespace, Object, TableDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::sql::session::{Failure, Outcome, ReadView, Session};
use crate::sql::sources::RowsBuilder;
use crate::sql::statement::query;

/// Lists the columns of a table or query.
pub fn run(session: &Session, query: &Query) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let (plan, _) = session.bind(&view, |binder| query::plan(binder, query))?;
    let mut rows = RowsBuilder::new(&[
        ("column_name", LogicalType::Varchar),
        ("column_type", LogicalType::Varchar),
        ("null", LogicalType::Varchar),
        ("key", LogicalType::Varchar),
        ("default", LogicalType::Varchar),
        ("extra", LogicalType::Varchar),
    ]);
    let table = bare_table(query, &view);
    for (i, column) in plan.columns().into_iter().enumerate() {
        let definition = table.as_ref().and_then(|t| t.columns.get(i));
        let nullable = definition.is_none_or(|d| d.nullable);
        let default = definition.and_then(|d| d.default.as_deref());
        rows.push([
            Scalar::text(&column.name),
            Scalar::text(column.ty.to_string()),
            Scalar::text(if nullable { "YES" } else { "NO" }),
            table.as_ref().zip(definition).and_then(|(t, d)| key(t, d)).map_or(Scalar::Null, Scalar::text),
            default.map_or(Scalar::Null, Scalar::text),
            Scalar::Null,
        ]);
    }
    Ok(rows.finish("describe")?.into())
}

/// What kind of key a column is part of.
fn key(table: &TableDefinition, column: &ColumnDefinition) -> Option<&'static str> {
    let mut unique = table
        .constraints
        .iter()
        .filter(|c| matches!(c.kind, ConstraintKind::Unique { .. }) && c.columns().contains(&column.id));
    match table.primary_key() {
        Some(columns) if columns.contains(&column.id) => Some("PRI"),
        _ => unique.next().map(|_| "UNI"),
    }
}

/// The table, if the query is nothing but `FROM table`.
fn bare_table(query: &Query, view: &ReadView) -> Option<std::sync::Arc<TableDefinition>> {
    let SetExpr::Select(select) = &*query.body else { return None };
    let [from] = &select.from[..] else { return None };
    let TableFactor::Table { name, args: None, .. } = &from.relation else { return None };
    let bare =
        select.flavor == SelectFlavor::FromFirstNoSelect && from.joins.is_empty() && query.with.is_none();
    if !bare {
        return None;
    }
    match view.lookup(Namespace::Relation, name).ok()?.map(|found| found.object) {
        Some(Object::Table(table)) => Some(table.clone()),
        _ => None,
    }
}
