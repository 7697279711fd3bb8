//! Listings of constraints and indexes: `duckdb_constraints()` and `duckdb_indexes()`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, ListArray, StringViewArray};
use arrow_buffer::OffsetBuffer;

use crate::catalog::{Catalog, ConstraintKind, Schema, TableDefinition, fold};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::sql::bind::modify::keys::positions;
use crate::sql::bind::modify::names_in;
use crate::sql::parser::parse_expr;
use crate::sql::sources::rows::{int, text};
use crate::sql::sources::{RowsBuilder, database_name};
use crate::sql::statement::ddl_text::{constraint_text, index_sql};

/// One constraint, as it is listed.
struct Listed {
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
pub fn constraints(catalog: &Catalog) -> RowsBuilder {
    let list = |ty| T::List(Box::new(ty));
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("database_oid", T::BigInt),
        ("schema_name", T::Varchar),
        ("schema_oid", T::BigInt),
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
    for (schema, table) in tables(catalog) {
        for (i, listed) in of_table(catalog, table).into_iter().enumerate() {
            let names: Vec<&str> = listed.columns.iter().map(|&c| &*table.columns[c].name).collect();
            let (referenced, referenced_columns) = listed.referenced.unzip();
            let referenced_columns: Vec<String> = referenced_columns.unwrap_or_default();
            let name = listed.name.unwrap_or_else(|| {
                let mut parts = vec![&*table.name];
                parts.extend(&names);
                parts.extend(referenced_columns.iter().map(String::as_str));
                format!("{}_{}", parts.join("_"), listed.suffix)
            });
            rows.push([
                text(database_name()),
                int(0),
                text(&schema.definition().name),
                int(schema.definition().id.0),
                text(&table.name),
                int(table.id.0),
                int(i as u64),
                text(listed.kind),
                text(&listed.text),
                listed.expression.as_deref().map_or(Scalar::Null, text),
                numbers(&listed.columns),
                texts(&names),
                text(&name),
                referenced.as_deref().map_or(Scalar::Null, text),
                texts(&referenced_columns.iter().map(String::as_str).collect::<Vec<_>>()),
            ]);
        }
    }
    rows
}

fn tables(catalog: &Catalog) -> impl Iterator<Item = (&Arc<Schema>, &Arc<TableDefinition>)> {
    catalog.schemas().flat_map(|schema| schema.tables().map(move |table| (schema, table)))
}

fn of_table(catalog: &Catalog, table: &TableDefinition) -> Vec<Listed> {
    let mut out = vec![];
    for constraint in &table.constraints {
        let columns = positions(table, constraint.columns());
        let mut listed = Listed {
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
        out.push(Listed {
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
pub fn indexes(catalog: &Catalog) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("database_oid", T::BigInt),
        ("schema_name", T::Varchar),
        ("schema_oid", T::BigInt),
        ("index_name", T::Varchar),
        ("index_oid", T::BigInt),
        ("table_name", T::Varchar),
        ("table_oid", T::BigInt),
        ("comment", T::Varchar),
        ("is_unique", T::Boolean),
        ("is_primary", T::Boolean),
        ("expressions", T::Varchar),
        ("sql", T::Varchar),
    ]);
    for (schema, table) in tables(catalog) {
        for (i, index) in table.indexes.iter().enumerate() {
            let is_column = |key: &str| table.column_position(key.trim_matches('"')).is_some();
            let keys: Vec<String> =
                index
                    .keys
                    .iter()
                    .map(|key| {
                        if is_column(key) {
                            key.to_string()
                        } else {
                            format!("'{}'", format_args!("({key})"))
                        }
                    })
                    .collect();
            rows.push([
                text(database_name()),
                int(0),
                text(&schema.definition().name),
                int(schema.definition().id.0),
                text(&index.name),
                // An index is a part of its table and has no id of its own.
                int(i as u64),
                text(&table.name),
                int(table.id.0),
                index.comment.as_deref().map_or(Scalar::Null, text),
                Scalar::Boolean(index.unique),
                Scalar::Boolean(false),
                text(&format!("[{}]", keys.join(", "))),
                text(&index_sql(schema, table, index)),
            ]);
        }
    }
    rows
}

fn texts(values: &[&str]) -> Scalar {
    list(Arc::new(StringViewArray::from(values.to_vec())), &T::Varchar)
}

fn numbers(values: &[usize]) -> Scalar {
    list(Arc::new(Int64Array::from_iter_values(values.iter().map(|&v| v as i64))), &T::BigInt)
}

fn list(items: ArrayRef, ty: &T) -> Scalar {
    let field = Arc::new(arrow_schema::Field::new("item", ty.arrow(), true));
    let offsets = OffsetBuffer::from_lengths([items.len()]);
    Scalar::Nested(Arc::new(ListArray::new(field, offsets, items, None)))
}
