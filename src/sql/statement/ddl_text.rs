//! Definitions as the statements that make them.

use std::fmt::Write;

use crate::catalog::{Catalog, MAIN_SCHEMA, Object, Schema, TableDefinition, ViewDefinition};
use crate::sql::bind::name::quoted;

/// `CREATE TABLE …;`
pub fn table_sql(schema: &Schema, table: &TableDefinition) -> String {
    let mut out = format!("CREATE TABLE {}(", qualified(schema, &table.name));
    for (i, column) in table.columns.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(out, "{}{} {}", if i == 0 { "" } else { ", " }, quoted(&column.name), column.ty);
        if let Some(default) = &column.default {
            let _ = write!(out, " DEFAULT {default}");
        }
        if !column.nullable {
            out.push_str(" NOT NULL");
        }
    }
    out.push_str(");");
    out
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
        for object in schema.relations().filter(wanted) {
            match object {
                Object::Table(table) => out.push(table_sql(schema, table)),
                Object::View(view) => out.push(view_sql(schema, view)),
                _ => {}
            }
        }
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
