//! Listings of constraints and indexes: `duckdb_constraints()` and `duckdb_indexes()`.

use std::sync::Arc;

use arrow_array::Int64Array;

use crate::catalog::{Catalog, ConstraintKind, TableDefinition, fold};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::sql::bind::Environment;
use crate::sql::bind::modify::keys::positions;
use crate::sql::bind::modify::names_in;
use crate::sql::parser::parse_expr;
use crate::sql::sources::RowsBuilder;
use crate::sql::sources::rows::{empty_map, int, list, optional, tags, text, texts};
use crate::sql::sources::system::{Listed, placed};
use crate::sql::statement::ddl_text::{constraint_text, index_sql};

/// One constraint, as it is listed.
struct ListedConstraint {
    kind: &'static str,
    text: String,
    expression: Option<String>,
    columns: Vec<usize>,
    /// The end of its name, if it was given none.
    suffix: &'static str,
    name: Option<String>,
    referenced: Option<(String, Vec<String>)>,
}

/// All constraints, NOT NULL among them.
pub fn constraints(env: &Environment<'_>) -> RowsBuilder {
    let list = |ty| T::List(Box::new(ty));
    let mut rows = placed(&[
        ("table_name", T::Varchar),
        ("table_oid", T::BigInt),
        ("constraint_index", T::BigInt),
        ("constraint_type", T::Varchar),
        ("constraint_text", T::Varchar),
        ("expression", T::Varchar),
        ("constraint_column_indexes", list(T::BigInt)),
        ("constraint_column_names", list(T::Varchar)),
        ("constraint_name", T::Varchar),
        ("referenced_table", T::Varchar),
        ("referenced_column_names", list(T::Varchar)),
    ]);
    // Constraints are numbered through all tables, as DuckDB does.
    let mut number = 0;
    for database in Listed::all(env) {
        for (schema, table) in database.tables() {
            for listed in of_table(database.catalog(), table) {
                let names: Vec<&str> = listed.columns.iter().map(|&c| &*table.columns[c].name).collect();
                let (referenced, referenced_columns) = listed.referenced.unzip();
                let referenced_columns: Vec<String> = referenced_columns.unwrap_or_default();
                let name = listed.name.unwrap_or_else(|| {
                    let mut parts = vec![&*table.name];
                    parts.extend(&names);
                    parts.extend(referenced_columns.iter().map(String::as_str));
                    format!("{}_{}", parts.join("_"), listed.suffix)
                });
                let mut row = database.place(schema).to_vec();
                row.extend([
                    text(&table.name),
                    database.object_oid(table.id.0),
                    int(number),
                    text(listed.kind),
                    text(&listed.text),
                    optional(listed.expression.as_deref()),
                    numbers(&listed.columns),
                    texts(&names),
                    text(&name),
                    optional(referenced.as_deref()),
                    texts(&referenced_columns),
                ]);
                rows.push(row);
                number += 1;
            }
        }
    }
    rows
}

fn of_table(catalog: &Catalog, table: &TableDefinition) -> Vec<ListedConstraint> {
    let mut out = vec![];
    for constraint in &table.constraints {
        let columns = positions(table, constraint.columns());
        let mut listed = ListedConstraint {
            kind: "UNIQUE",
            text: constraint_text(catalog, table, constraint),
            expression: None,
            columns,
            suffix: "key",
            name: constraint.name.as_deref().map(str::to_owned),
            referenced: None,
        };
        match &constraint.kind {
            ConstraintKind::Unique { primary: false, .. } => {}
            ConstraintKind::Unique { primary: true, .. } => {
                (listed.kind, listed.suffix) = ("PRIMARY KEY", "pkey");
            }
            ConstraintKind::Check { expression } => {
                (listed.kind, listed.suffix) = ("CHECK", "check");
                let names = parse_expr(expression).map(|e| names_in(&e)).unwrap_or_default();
                let used = |c: &usize| names.contains(&fold(&table.columns[*c].name));
                listed.columns = (0..table.columns.len()).filter(used).collect();
                listed.expression = Some(expression.to_string());
            }
            ConstraintKind::ForeignKey { table: parent, referenced, .. } => {
                (listed.kind, listed.suffix) = ("FOREIGN KEY", "fkey");
                listed.referenced = catalog.table_by_id(*parent).map(|parent| {
                    let columns = positions(parent, referenced);
                    let names = columns.into_iter().map(|c| parent.columns[c].name.to_string());
                    (parent.name.to_string(), names.collect())
                });
            }
        }
        out.push(listed);
    }
    for (position, column) in table.columns.iter().enumerate().filter(|(_, c)| !c.nullable) {
        let _ = column;
        out.push(ListedConstraint {
            kind: "NOT NULL",
            text: "NOT NULL".into(),
            expression: None,
            columns: vec![position],
            suffix: "not_null",
            name: None,
            referenced: None,
        });
    }
    out
}

/// All indexes that were made by CREATE INDEX.
pub fn indexes(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = placed(&[
        ("index_name", T::Varchar),
        ("index_oid", T::BigInt),
        ("table_name", T::Varchar),
        ("table_oid", T::BigInt),
        ("comment", T::Varchar),
        ("tags", tags()),
        ("is_unique", T::Boolean),
        ("is_primary", T::Boolean),
        ("expressions", T::Varchar),
        ("sql", T::Varchar),
    ]);
    for database in Listed::all(env) {
        for (schema, table) in database.tables() {
            for (i, index) in table.indexes.iter().enumerate() {
                let is_column = |key: &str| table.column_position(key.trim_matches('"')).is_some();
                let shown = |key: &str| {
                    if is_column(key) { key.to_string() } else { format!("'({key})'") }
                };
                let keys: Vec<String> = index.keys.iter().map(|key| shown(key)).collect();
                let mut row = database.place(schema).to_vec();
                row.extend([
                    text(&index.name),
                    database.index_oid(table.id.0, i),
                    text(&table.name),
                    database.object_oid(table.id.0),
                    optional(index.comment.as_deref()),
                    empty_map(),
                    Scalar::Boolean(index.unique),
                    Scalar::Boolean(false),
                    text(&format!("[{}]", keys.join(", "))),
                    text(&index_sql(schema, table, index)),
                ]);
                rows.push(row);
            }
        }
    }
    rows
}

fn numbers(values: &[usize]) -> Scalar {
    list(Arc::new(Int64Array::from_iter_values(values.iter().map(|&v| v as i64))), &T::BigInt)
}
