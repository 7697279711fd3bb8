//! Definitions as the statements that make them.

use std::fmt::Write;

use crate::catalog::{
    Catalog, ColumnDefinition, ColumnId, ConstraintDefinition, ConstraintKind, IndexDefinition, MAIN_SCHEMA,
    Object, Schema, TableDefinition, ViewDefinition,
};
use crate::sql::bind::modify::keys::positions;
use crate::sql::bind::name::quoted;

/// `CREATE TABLE …;`
pub fn table_sql(catalog: &Catalog, schema: &Schema, table: &TableDefinition) -> String {
    let mut parts = vec![];
    for column in &table.columns {
        parts.push(column_text(table, column));
    }
    let of_table = table.constraints.iter().filter(|c| !stands_at_column(c));
    parts.extend(of_table.map(|c| {
        let name = c.name.as_ref().map_or(String::new(), |n| format!("CONSTRAINT {} ", quoted(n)));
        name + &constraint_text(catalog, table, c)
    }));
    format!("CREATE TABLE {}({});", qualified(schema, &table.name), parts.join(", "))
}

fn column_text(table: &TableDefinition, column: &ColumnDefinition) -> String {
    let mut out = format!("{} {}", quoted(&column.name), column.ty);
    // Writing to a String cannot fail.
    if let Some(expression) = &column.generated {
        let _ = write!(out, " GENERATED ALWAYS AS({expression})");
    }
    if let Some(default) = &column.default {
        let _ = write!(out, " DEFAULT({default})");
    }
    let is_key = table.primary_key().is_some_and(|key| key.contains(&column.id));
    if !column.nullable && !is_key {
        out.push_str(" NOT NULL");
    }
    for constraint in &table.constraints {
        if stands_at_column(constraint) && constraint.columns() == [column.id] {
            out.push_str(if constraint.is_primary_key() { " PRIMARY KEY" } else { " UNIQUE" });
        }
    }
    out
}

/// A key of one column without a name is written at the column.
fn stands_at_column(constraint: &ConstraintDefinition) -> bool {
    matches!(&constraint.kind, ConstraintKind::Unique { columns, .. } if columns.len() == 1)
        && constraint.name.is_none()
}

/// A constraint as it is written in the definition of its table, without its name.
pub fn constraint_text(
    catalog: &Catalog,
    table: &TableDefinition,
    constraint: &ConstraintDefinition,
) -> String {
    match &constraint.kind {
        ConstraintKind::Unique { columns, primary } => {
            let what = if *primary { "PRIMARY KEY" } else { "UNIQUE" };
            format!("{what}({})", column_names(table, columns).join(", "))
        }
        ConstraintKind::Check { expression } => format!("CHECK({expression})"),
        ConstraintKind::ForeignKey { columns, table: parent, referenced } => {
            let own = column_names(table, columns).join(", ");
            let Some(parent) = catalog.table_by_id(*parent) else { return format!("FOREIGN KEY ({own})") };
            let schema = catalog.schema_by_id(parent.schema);
            let name = schema.map_or_else(|| quoted(&parent.name), |s| qualified(s, &parent.name));
            let referenced = column_names(parent, referenced).join(", ");
            format!("FOREIGN KEY ({own}) REFERENCES {name}({referenced})")
        }
    }
}

fn column_names(table: &TableDefinition, columns: &[ColumnId]) -> Vec<String> {
    positions(table, columns).into_iter().map(|p| quoted(&table.columns[p].name)).collect()
}

/// `CREATE INDEX …;`
pub fn index_sql(schema: &Schema, table: &TableDefinition, index: &IndexDefinition) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let keys: Vec<String> = index
        .keys
        .iter()
        .map(|key| {
            if table.column_position(key.trim_matches('"')).is_some() {
                key.to_string()
            } else {
                format!("({key})")
            }
        })
        .collect();
    format!(
        "CREATE {unique}INDEX {} ON {}({});",
        quoted(&index.name),
        qualified(schema, &table.name),
        keys.join(", ")
    )
}

/// `CREATE VIEW … AS …;`
pub fn view_sql(schema: &Schema, view: &ViewDefinition) -> String {
    let mut out = format!("CREATE VIEW {}", qualified(schema, &view.name));
    if !view.column_names.is_empty() {
        let names: Vec<_> = view.column_names.iter().map(|n| quoted(n)).collect();
        let _ = write!(out, "({})", names.join(", "));
    }
    let _ = write!(out, " AS {};", view.query);
    out
}

/// The statements that make all tables and views of a catalog, schemas first; or the one of that name.
pub fn create_statements(catalog: &Catalog, name: Option<&str>) -> Vec<String> {
    let mut out = vec![];
    for schema in catalog.schemas() {
        if name.is_none() && !schema.definition().name.eq_ignore_ascii_case(MAIN_SCHEMA) {
            out.push(format!("CREATE SCHEMA {};", quoted(&schema.definition().name)));
        }
        let wanted = |object: &&Object| {
            name.is_none_or(|n| {
                n.eq_ignore_ascii_case(object.name())
                    || n.eq_ignore_ascii_case(&format!("{}.{}", schema.definition().name, object.name()))
            })
        };
        let (mut tables, mut others) = (vec![], vec![]);
        for object in schema.relations().filter(wanted) {
            match object {
                Object::Table(table) => tables.push(table),
                Object::View(view) => others.push(view_sql(schema, view)),
                _ => {}
            }
        }
        for table in in_order_of_references(tables) {
            out.push(table_sql(catalog, schema, table));
            out.extend(table.indexes.iter().map(|index| index_sql(schema, table, index)));
        }
        out.append(&mut others);
    }
    out
}

/// Tables after those that their foreign keys reference: ids are given in the order of making, and a table can only
/// reference one that is there, but for keys that were added later.
fn in_order_of_references(tables: Vec<&std::sync::Arc<TableDefinition>>) -> Vec<&TableDefinition> {
    let mut left: Vec<&TableDefinition> = tables.into_iter().map(|t| &**t).collect();
    let mut out = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waits = |table: &TableDefinition| {
            table.constraints.iter().any(|c| {
                matches!(&c.kind, ConstraintKind::ForeignKey { table: parent, .. }
                    if *parent != table.id && left.iter().any(|t| t.id == *parent))
            })
        };
        let next = left.iter().position(|t| !waits(t)).unwrap_or(0);
        out.push(left.remove(next));
    }
    out
}

fn qualified(schema: &Schema, name: &str) -> String {
    let schema = &schema.definition().name;
    if schema.eq_ignore_ascii_case(MAIN_SCHEMA) {
        quoted(name)
    } else {
        format!("{}.{}", quoted(schema), quoted(name))
    }
}
