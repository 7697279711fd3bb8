//! Listings of what exists: `information_schema`, `duckdb_tables()` and their like.

use std::sync::Arc;

use crate::catalog::{Catalog, Object, Schema as CatalogSchema, TableDefinition, ViewDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{Source, TableFunctionArgs};
use crate::exec::zone::Zone;
use crate::sql::bind::{Binder, Environment};
use crate::sql::parser::parse_query;
use crate::sql::sources::rows::{int, text};
use crate::sql::sources::{RowsBuilder, constraints};

/// The name that listings give to the database.
pub fn database_name() -> &'static str {
    "fluxdb"
}

/// A view of `information_schema`.
pub fn system_view(env: &Environment<'_>, schema: Option<&str>, name: &str) -> Option<Arc<dyn Source>> {
    if !schema?.eq_ignore_ascii_case("information_schema") {
        return None;
    }
    let rows = match name.to_lowercase().as_str() {
        "tables" => tables(env),
        "columns" => columns(env),
        "schemata" => schemata(env),
        _ => return None,
    };
    // The builders put values into columns of their own types.
    rows.finish(&format!("information_schema.{name}")).ok().map(|r| Arc::new(r) as Arc<dyn Source>)
}

/// A table function of this name.
pub fn table_function(
    env: &Environment<'_>,
    name: &str,
    args: &TableFunctionArgs,
) -> Option<Result<Arc<dyn Source>>> {
    let rows = match name {
        "duckdb_tables" => duckdb_tables(env),
        "duckdb_columns" => columns(env),
        "duckdb_views" => duckdb_views(env),
        "duckdb_constraints" => constraints::constraints(env.tables.catalog()),
        "duckdb_indexes" => constraints::indexes(env.tables.catalog()),
        "duckdb_schemas" => schemata(env),
        "duckdb_settings" => settings(env),
        "pg_timezone_names" => zones(env),
        "duckdb_functions" | "fluxdb_functions" => super::functions::functions(),
        "pragma_table_info" => match table_info(env, args) {
            Ok(rows) => rows,
            Err(e) => return Some(Err(e)),
        },
        _ => return None,
    };
    if name != "pragma_table_info" && !(args.positional.is_empty() && args.named.is_empty()) {
        return Some(Err(ExecError::InvalidInput(format!("{name} takes no arguments"))));
    }
    Some(rows.finish(name).map(|r| Arc::new(r) as Arc<dyn Source>))
}

fn objects(catalog: &Catalog) -> impl Iterator<Item = (&CatalogSchema, &Object)> {
    catalog.schemas().flat_map(|schema| schema.relations().map(move |object| (&**schema, object)))
}

fn schema_name(schema: &CatalogSchema) -> Scalar {
    text(&schema.definition().name)
}

fn tables(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("table_catalog", T::Varchar),
        ("table_schema", T::Varchar),
        ("table_name", T::Varchar),
        ("table_type", T::Varchar),
        ("is_insertable_into", T::Varchar),
        ("table_comment", T::Varchar),
    ]);
    for (schema, object) in objects(env.tables.catalog()) {
        let (kind, insertable, comment) = match object {
            Object::Table(t) => ("BASE TABLE", "YES", &t.comment),
            Object::View(v) => ("VIEW", "NO", &v.comment),
            _ => continue,
        };
        rows.push([
            text(database_name()),
            schema_name(schema),
            text(object.name()),
            text(kind),
            text(insertable),
            optional(comment.as_deref()),
        ]);
    }
    rows
}

fn optional(value: Option<&str>) -> Scalar {
    value.map_or(Scalar::Null, text)
}

/// One column of a table or view.
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: T,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Its default, as SQL.
    pub default: Option<String>,
    /// It is part of the primary key.
    pub is_key: bool,
}

/// The columns of a table.
pub fn table_columns(table: &TableDefinition) -> Vec<ColumnInfo> {
    let columns = table.columns.iter().map(|c| ColumnInfo {
        name: c.name.to_string(),
        ty: c.ty.clone(),
        nullable: c.nullable,
        default: c.default.as_deref().map(str::to_owned),
        is_key: table.primary_key().is_some_and(|key| key.contains(&c.id)),
    });
    columns.collect()
}

/// The columns of a view; none if its query no longer fits what exists.
fn view_columns(env: &Environment<'_>, view: &ViewDefinition) -> Vec<ColumnInfo> {
    let bound = parse_query(&view.query).and_then(|query| Binder::new(*env).bind_query(&query, None));
    let Ok(bound) = bound else { return vec![] };
    let names = view.column_names.iter().map(|n| Some(n.to_string())).chain(std::iter::repeat(None));
    let columns = bound.columns.into_iter().zip(names).map(|(c, name)| ColumnInfo {
        name: name.unwrap_or(c.name),
        ty: c.ty,
        nullable: true,
        default: None,
        is_key: false,
    });
    columns.collect()
}

/// The columns of a table or view.
pub fn relation_columns(env: &Environment<'_>, object: &Object) -> Vec<ColumnInfo> {
    match object {
        Object::Table(table) => table_columns(table),
        Object::View(view) => view_columns(env, view),
        _ => vec![],
    }
}

fn columns(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("table_catalog", T::Varchar),
        ("table_schema", T::Varchar),
        ("table_name", T::Varchar),
        ("column_name", T::Varchar),
        ("ordinal_position", T::Integer),
        ("column_default", T::Varchar),
        ("is_nullable", T::Varchar),
        ("data_type", T::Varchar),
    ]);
    for (schema, object) in objects(env.tables.catalog()) {
        let columns = match object {
            Object::Table(t) => table_columns(t),
            Object::View(v) => view_columns(env, v),
            _ => continue,
        };
        for (i, column) in columns.iter().enumerate() {
            rows.push([
                text(database_name()),
                schema_name(schema),
                text(object.name()),
                text(&column.name),
                int(i as u64 + 1),
                optional(column.default.as_deref()),
                text(if column.nullable { "YES" } else { "NO" }),
                text(&column.ty.to_string()),
            ]);
        }
    }
    rows
}

fn schemata(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[("catalog_name", T::Varchar), ("schema_name", T::Varchar)]);
    for schema in env.tables.catalog().schemas() {
        rows.push([text(database_name()), schema_name(schema)]);
    }
    rows
}

fn duckdb_tables(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("schema_name", T::Varchar),
        ("table_name", T::Varchar),
        ("comment", T::Varchar),
        ("estimated_size", T::BigInt),
        ("column_count", T::BigInt),
        ("row_groups", T::BigInt),
        ("bytes", T::BigInt),
    ]);
    for (schema, object) in objects(env.tables.catalog()) {
        let Object::Table(table) = object else { continue };
        // A table that this transaction made has no rows yet.
        let (size, groups, bytes) = env
            .tables
            .table(table.id)
            .map_or((0, 0, 0), |t| (t.rows(), t.row_group_count() as u64, t.bytes()));
        rows.push([
            text(database_name()),
            schema_name(schema),
            text(&table.name),
            optional(table.comment.as_deref()),
            int(size),
            int(table.columns.len() as u64),
            int(groups),
            int(bytes),
        ]);
    }
    rows
}

fn duckdb_views(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("schema_name", T::Varchar),
        ("view_name", T::Varchar),
        ("comment", T::Varchar),
        ("sql", T::Varchar),
    ]);
    for (schema, object) in objects(env.tables.catalog()) {
        let Object::View(view) = object else { continue };
        rows.push([
            text(database_name()),
            schema_name(schema),
            text(&view.name),
            optional(view.comment.as_deref()),
            text(&crate::sql::statement::ddl_text::view_sql(schema, view)),
        ]);
    }
    rows
}

pub(super) fn settings(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("name", T::Varchar),
        ("value", T::Varchar),
        ("description", T::Varchar),
        ("input_type", T::Varchar),
        ("scope", T::Varchar),
    ]);
    for setting in env.settings.list() {
        rows.push([
            text(&setting.name),
            text(&setting.value),
            text(setting.description),
            text(&setting.ty.to_string()),
            text("LOCAL"),
        ]);
    }
    rows
}

/// All time zones, as they are when the statement runs.
fn zones(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("name", T::Varchar),
        ("abbrev", T::Varchar),
        ("utc_offset", T::Interval),
        ("is_dst", T::Boolean),
    ]);
    for name in Zone::names() {
        let Ok(zone) = Zone::named(&name) else { continue };
        let (dst, abbreviation) = zone.describe(env.now_micros);
        let nanos = zone.offset_seconds(env.now_micros) * 1_000_000_000;
        rows.push([
            text(&name),
            text(&abbreviation),
            Scalar::Interval { months: 0, days: 0, nanos },
            Scalar::Boolean(dst),
        ]);
    }
    rows
}

fn table_info(env: &Environment<'_>, args: &TableFunctionArgs) -> Result<RowsBuilder> {
    let [(Scalar::Text(name), _)] = &args.positional[..] else {
        return Err(ExecError::InvalidInput("pragma_table_info takes the name of a table as a text".into()));
    };
    let (schema, name) = name.split_once('.').unwrap_or((crate::catalog::MAIN_SCHEMA, name));
    let columns = match env.tables.catalog().object(schema, name) {
        Ok(Object::Table(table)) => table_columns(table),
        Ok(Object::View(view)) => view_columns(env, view),
        Ok(_) => vec![],
        Err(e) => return Err(ExecError::Storage(e.into())),
    };
    let mut rows = RowsBuilder::new(&[
        ("cid", T::Integer),
        ("name", T::Varchar),
        ("type", T::Varchar),
        ("notnull", T::Boolean),
        ("dflt_value", T::Varchar),
        ("pk", T::Boolean),
    ]);
    for (i, column) in columns.iter().enumerate() {
        rows.push([
            int(i as u64),
            text(&column.name),
            text(&column.ty.to_string()),
            Scalar::Boolean(!column.nullable),
            optional(column.default.as_deref()),
            Scalar::Boolean(column.is_key),
        ]);
    }
    Ok(rows)
}
