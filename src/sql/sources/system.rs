//! Listings of what exists, in all databases: `duckdb_tables()` and their like. The views of `information_schema` and
//! `pg_catalog` are queries over these (`system_views.rs`).

use std::sync::Arc;

use crate::catalog::{
    Catalog, ConstraintKind, MAIN_SCHEMA, Namespace, Object, Schema as CatalogSchema, TableDefinition,
};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::evaluate_constant;
use crate::exec::expr::Expr;
use crate::exec::source::{Source, TableFunctionArgs};
use crate::exec::zone::Zone;
use crate::sql::bind::{Environment, coerce};
use crate::sql::session::{DatabaseView, SYSTEM_DATABASE};
use crate::sql::sources::rows::{empty_map, int, optional, tags, text};
use crate::sql::sources::system_views::{SYSTEM_SCHEMAS, SYSTEM_VIEWS};
use crate::sql::sources::{RowsBuilder, columns, constraints, pragmas, types};
use crate::sql::statement::ddl_text;

/// A table function of this name.
pub fn table_function(
    env: &Environment<'_>,
    name: &str,
    args: &TableFunctionArgs,
) -> Option<Result<Arc<dyn Source>>> {
    let rows = match name {
        "duckdb_columns" => columns::columns(env),
        "duckdb_constraints" => constraints::constraints(env),
        "duckdb_databases" => databases(env),
        "duckdb_dependencies" => dependencies(env),
        "duckdb_functions" => super::functions::duckdb_functions(env),
        "fluxdb_functions" => super::functions::functions(),
        "duckdb_indexes" => constraints::indexes(env),
        "duckdb_schemas" => schemas(env),
        "duckdb_sequences" => sequences(env),
        "duckdb_settings" => settings(env),
        "duckdb_tables" => tables(env),
        "duckdb_types" => types::types(env),
        "duckdb_variables" => variables(env),
        "duckdb_views" => views(env),
        "pg_timezone_names" => zones(env),
        "pragma_show" | "pragma_table_info" => {
            let rows = columns::of_relation(env, name, args).and_then(|rows| rows.finish(name));
            return Some(rows.map(|r| Arc::new(r) as Arc<dyn Source>));
        }
        _ => match pragmas::listing(env, name)? {
            Ok(rows) => rows,
            Err(e) => return Some(Err(e)),
        },
    };
    if !(args.positional.is_empty() && args.named.is_empty()) {
        return Some(Err(ExecError::InvalidInput(format!("{name} takes no arguments"))));
    }
    Some(rows.finish(name).map(|r| Arc::new(r) as Arc<dyn Source>))
}

// Ids of objects are unique in their database. Where they are listed, the database's number makes them unique among
// all, and an index, which is a part of its table, has its number in the table.
const DATABASE_SHIFT: u32 = 48;
const INDEX_SHIFT: u32 = 32;

/// A database among all, for listings.
#[derive(Clone, Copy)]
pub struct Listed<'v> {
    /// The database.
    pub view: &'v DatabaseView,
    number: u64,
}

impl<'v> Listed<'v> {
    /// All databases in the order of their names.
    pub fn all(env: &Environment<'v>) -> Vec<Self> {
        let views = env.tables.names().databases().iter();
        let mut all: Vec<_> = views.enumerate().map(|(n, view)| Self { view, number: n as u64 }).collect();
        all.sort_by_key(|database| database.view.name());
        all
    }

    /// What is in it.
    pub fn catalog(self) -> &'v Catalog {
        self.view.catalog()
    }

    /// Whether its objects go with the connection.
    pub fn is_temporary(self) -> bool {
        self.view.database().is_temporary()
    }

    /// Its id; 0 is that of what is built in.
    pub fn oid(self) -> Scalar {
        int(self.number + 1)
    }

    /// The id of an object or schema in it.
    pub fn object_oid(self, id: u64) -> Scalar {
        int(id + (self.number << DATABASE_SHIFT))
    }

    /// The id of an index.
    pub fn index_oid(self, table: u64, position: usize) -> Scalar {
        int(table + ((position as u64 + 1) << INDEX_SHIFT) + (self.number << DATABASE_SHIFT))
    }

    /// The values of the columns that begin nearly all listings: names and ids of the database and the schema.
    pub fn place(self, schema: &CatalogSchema) -> [Scalar; 4] {
        let definition = schema.definition();
        [text(self.view.name()), self.oid(), text(&definition.name), self.object_oid(definition.id.0)]
    }

    /// A definition as SQL.
    fn sql(self, sql: String) -> Scalar {
        text(&if self.is_temporary() { ddl_text::as_temporary(&sql) } else { sql })
    }

    /// Its tables and views in the order of schemas and names.
    pub fn relations(self) -> impl Iterator<Item = (&'v CatalogSchema, &'v Object)> {
        let schemas = self.catalog().schemas();
        schemas.flat_map(|schema| schema.relations().map(move |object| (&**schema, object)))
    }

    /// Its tables.
    pub fn tables(self) -> impl Iterator<Item = (&'v CatalogSchema, &'v Arc<TableDefinition>)> {
        let schemas = self.catalog().schemas();
        schemas.flat_map(|schema| schema.tables().map(move |table| (&**schema, table)))
    }

    fn objects(self, namespace: Namespace) -> impl Iterator<Item = (&'v CatalogSchema, &'v Object)> {
        let schemas = self.catalog().schemas();
        schemas.flat_map(move |schema| schema.objects_in(namespace).map(move |object| (&**schema, object)))
    }

    /// Its macros.
    pub fn macros(self) -> impl Iterator<Item = (&'v CatalogSchema, &'v Object)> {
        self.objects(Namespace::Function).chain(self.objects(Namespace::TableFunction))
    }

    /// Its named types.
    pub fn named_types(self) -> impl Iterator<Item = (&'v CatalogSchema, &'v Object)> {
        self.objects(Namespace::Type)
    }
}

/// The columns in the values of [`Listed::place`], and more.
pub fn placed(more: &[(&'static str, T)]) -> RowsBuilder {
    let mut columns = vec![
        ("database_name", T::Varchar),
        ("database_oid", T::BigInt),
        ("schema_name", T::Varchar),
        ("schema_oid", T::BigInt),
    ];
    columns.extend(more.iter().cloned());
    RowsBuilder::new(&columns)
}

fn databases(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("database_oid", T::BigInt),
        ("path", T::Varchar),
        ("comment", T::Varchar),
        ("tags", tags()),
        ("internal", T::Boolean),
        ("type", T::Varchar),
        ("readonly", T::Boolean),
        ("encrypted", T::Boolean),
        ("cipher", T::Varchar),
        ("options", tags()),
    ]);
    let mut push = |name: &str, oid, path: Option<&str>, internal, readonly| {
        rows.push([
            text(name),
            oid,
            optional(path),
            Scalar::Null,
            empty_map(),
            Scalar::Boolean(internal),
            text("fluxdb"),
            Scalar::Boolean(readonly),
            Scalar::Boolean(false),
            Scalar::Null,
            empty_map(),
        ]);
    };
    push(SYSTEM_DATABASE, int(0), None, true, false);
    for listed in Listed::all(env) {
        let database = listed.view.database();
        let path = database.path().map(|p| p.to_string_lossy());
        let read_only = database.storage().is_read_only();
        push(database.name(), listed.oid(), path.as_deref(), database.is_temporary(), read_only);
    }
    rows
}

fn schemas(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("oid", T::BigInt),
        ("database_name", T::Varchar),
        ("database_oid", T::BigInt),
        ("schema_name", T::Varchar),
        ("comment", T::Varchar),
        ("tags", tags()),
        ("internal", T::Boolean),
        ("sql", T::Varchar),
        // There are no schemas in schemas.
        ("parent_schema", T::Varchar),
        ("parent_schema_oid", T::BigInt),
    ]);
    for listed in Listed::all(env) {
        for schema in listed.catalog().schemas() {
            let definition = schema.definition();
            let is_main = definition.name.eq_ignore_ascii_case(MAIN_SCHEMA);
            let sql = (!is_main).then(|| ddl_text::schema_sql(&definition.name));
            rows.push([
                listed.object_oid(definition.id.0),
                text(listed.view.name()),
                listed.oid(),
                text(&definition.name),
                optional(definition.comment.as_deref()),
                empty_map(),
                Scalar::Boolean(is_main),
                optional(sql.as_deref()),
                Scalar::Null,
                Scalar::Null,
            ]);
        }
    }
    for (number, name) in SYSTEM_SCHEMAS.iter().enumerate() {
        rows.push([
            system_oid(number),
            text(SYSTEM_DATABASE),
            int(0),
            text(name),
            Scalar::Null,
            empty_map(),
            Scalar::Boolean(true),
            Scalar::Null,
            Scalar::Null,
            Scalar::Null,
        ]);
    }
    rows
}

/// The id of what is built in; none of an object is so great.
fn system_oid(number: usize) -> Scalar {
    int((0x7FFF << DATABASE_SHIFT) + number as u64)
}

fn tables(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = placed(&[
        ("table_name", T::Varchar),
        ("table_oid", T::BigInt),
        ("comment", T::Varchar),
        ("tags", tags()),
        ("internal", T::Boolean),
        ("temporary", T::Boolean),
        ("has_primary_key", T::Boolean),
        ("estimated_size", T::BigInt),
        ("column_count", T::BigInt),
        ("index_count", T::BigInt),
        ("check_constraint_count", T::BigInt),
        ("sql", T::Varchar),
        ("row_groups", T::BigInt),
        ("bytes", T::BigInt),
        ("view_query", T::Varchar),
        ("is_populated", T::Boolean),
    ]);
    for listed in Listed::all(env) {
        for (schema, table) in listed.tables() {
            // A table that this transaction made has no rows yet.
            let (size, groups, bytes) = listed
                .view
                .table(table.id)
                .map_or((0, 0, 0), |t| (t.rows(), t.row_group_count() as u64, t.bytes()));
            let checks =
                table.constraints.iter().filter(|c| matches!(c.kind, ConstraintKind::Check { .. })).count();
            let keys = table.constraints.len() - checks;
            let mut row = listed.place(schema).to_vec();
            row.extend([
                text(&table.name),
                listed.object_oid(table.id.0),
                optional(table.comment.as_deref()),
                empty_map(),
                Scalar::Boolean(false),
                Scalar::Boolean(listed.is_temporary()),
                Scalar::Boolean(table.primary_key().is_some()),
                int(size),
                int(table.columns.len() as u64),
                int((table.indexes.len() + keys) as u64),
                int(checks as u64),
                listed.sql(ddl_text::table_sql(listed.catalog(), schema, table)),
                int(groups),
                int(bytes),
                optional(table.materialized.as_ref().map(|m| &*m.query)),
                Scalar::Boolean(table.materialized.as_ref().is_none_or(|m| m.refreshed)),
            ]);
            rows.push(row);
        }
    }
    rows
}

fn views(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = placed(&[
        ("view_name", T::Varchar),
        ("view_oid", T::BigInt),
        ("comment", T::Varchar),
        ("tags", tags()),
        ("internal", T::Boolean),
        ("temporary", T::Boolean),
        ("column_count", T::BigInt),
        ("sql", T::Varchar),
        ("is_bound", T::Boolean),
    ]);
    for listed in Listed::all(env) {
        for (schema, object) in listed.relations() {
            let Object::View(view) = object else { continue };
            let mut row = listed.place(schema).to_vec();
            row.extend([
                text(&view.name),
                listed.object_oid(view.id.0),
                optional(view.comment.as_deref()),
                empty_map(),
                Scalar::Boolean(false),
                Scalar::Boolean(listed.is_temporary()),
                int(columns::relation_columns(env, listed.view, &schema.definition().name, object).len()
                    as u64),
                listed.sql(ddl_text::view_sql(schema, view)),
                Scalar::Boolean(true),
            ]);
            rows.push(row);
        }
    }
    for (number, view) in SYSTEM_VIEWS.iter().enumerate() {
        let schema = SYSTEM_SCHEMAS.iter().position(|name| *name == view.schema).unwrap_or_default();
        let sql = format!("CREATE VIEW {}.{} AS {};", view.schema, view.name, view.query());
        rows.push([
            text(SYSTEM_DATABASE),
            int(0),
            text(view.schema),
            system_oid(schema),
            text(view.name),
            system_oid(SYSTEM_SCHEMAS.len() + number),
            Scalar::Null,
            empty_map(),
            Scalar::Boolean(true),
            Scalar::Boolean(false),
            int(columns::query_columns(env, &view.query()).len() as u64),
            text(&sql),
            Scalar::Boolean(true),
        ]);
    }
    rows
}

fn sequences(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = placed(&[
        ("sequence_name", T::Varchar),
        ("sequence_oid", T::BigInt),
        ("comment", T::Varchar),
        ("tags", tags()),
        ("temporary", T::Boolean),
        ("start_value", T::BigInt),
        ("min_value", T::BigInt),
        ("max_value", T::BigInt),
        ("increment_by", T::BigInt),
        ("cycle", T::Boolean),
        ("last_value", T::BigInt),
        ("sql", T::Varchar),
    ]);
    let number = |n: i64| Scalar::Int(i128::from(n));
    for listed in Listed::all(env) {
        for (schema, object) in listed.objects(Namespace::Sequence) {
            let Object::Sequence(sequence) = object else { continue };
            let mut row = listed.place(schema).to_vec();
            row.extend([
                text(&sequence.name),
                listed.object_oid(sequence.id.0),
                optional(sequence.comment.as_deref()),
                empty_map(),
                Scalar::Boolean(listed.is_temporary()),
                number(sequence.start),
                number(sequence.least),
                number(sequence.greatest),
                number(sequence.increment),
                Scalar::Boolean(sequence.cycles),
                sequence.last().map_or(Scalar::Null, number),
                listed.sql(ddl_text::sequence_sql(schema, sequence)),
            ]);
            rows.push(row);
        }
    }
    rows
}

/// What needs what: an index its table ("a", it goes with it), all else what it was made with ("n").
fn dependencies(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("classid", T::BigInt),
        ("objid", T::BigInt),
        ("objsubid", T::Integer),
        ("refclassid", T::BigInt),
        ("refobjid", T::BigInt),
        ("refobjsubid", T::Integer),
        ("deptype", T::Varchar),
    ]);
    let mut push = |needed, dependent, kind| {
        rows.push([int(0), needed, int(0), int(0), dependent, int(0), text(kind)]);
    };
    for listed in Listed::all(env) {
        for (_, table) in listed.tables() {
            let id = table.id.0;
            for position in 0..table.indexes.len() {
                push(listed.object_oid(id), listed.index_oid(id, position), "a");
            }
            for constraint in &table.constraints {
                if let ConstraintKind::ForeignKey { table: parent, .. } = &constraint.kind {
                    push(listed.object_oid(parent.0), listed.object_oid(id), "n");
                }
            }
        }
        for dependency in listed.catalog().dependencies() {
            push(listed.object_oid(dependency.on.0), listed.object_oid(dependency.dependent.0), "n");
        }
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

/// Variables of the session, in the order of their names.
pub fn variables(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[("name", T::Varchar), ("value", T::Varchar), ("type", T::Varchar)]);
    for (name, (value, ty)) in env.variables.list() {
        let cast = coerce::cast(Expr::literal(value.clone(), ty.clone()), &T::Varchar);
        let shown = evaluate_constant(&cast, env.context).unwrap_or_default();
        rows.push([text(name), shown, text(&ty.to_string())]);
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
