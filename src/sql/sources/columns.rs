//! Listings of columns: `duckdb_columns()`, `pragma_table_info('t')`, `pragma_show('t')`.

use crate::catalog::{ConstraintKind, Object, ObjectKind, TableDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::TableFunctionArgs;
use crate::sql::bind::{Binder, Environment};
use crate::sql::parser::{parse_name, parse_query};
use crate::sql::session::DatabaseView;
use crate::sql::sources::RowsBuilder;
use crate::sql::sources::rows::{empty_map, int, optional, tags, text};
use crate::sql::sources::system::{Listed, placed};
use crate::sql::sources::types::{numeric_shape, type_oid};

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
    /// What it is computed from, as SQL.
    pub generated: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
    /// The kind of key that it is part of.
    pub key: Option<&'static str>,
}

impl ColumnInfo {
    /// A column of which no more is known than that it is there.
    pub fn bare(name: String, ty: T) -> Self {
        Self { name, ty, nullable: true, default: None, generated: None, comment: None, key: None }
    }

    /// What it has where none is given.
    fn default_or_expression(&self) -> Option<&str> {
        self.default.as_deref().or(self.generated.as_deref())
    }
}

/// The columns of a table.
pub fn table_columns(table: &TableDefinition) -> Vec<ColumnInfo> {
    let own = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
    let key = |column| {
        let unique = |c: &&crate::catalog::ConstraintDefinition| {
            matches!(c.kind, ConstraintKind::Unique { .. }) && c.columns().contains(&column)
        };
        match table.primary_key() {
            Some(key) if key.contains(&column) => Some("PRI"),
            _ => table.constraints.iter().find(unique).map(|_| "UNI"),
        }
    };
    let columns = table.columns.iter().map(|c| ColumnInfo {
        name: c.name.to_string(),
        ty: c.ty.clone(),
        nullable: c.nullable,
        default: own(&c.default),
        generated: own(&c.generated),
        comment: own(&c.comment),
        key: key(c.id),
    });
    columns.collect()
}

/// The columns of a query; none if it no longer fits what exists.
pub fn query_columns(env: &Environment<'_>, query: &str) -> Vec<ColumnInfo> {
    if env.listing {
        return vec![];
    }
    let env = Environment { listing: true, ..*env };
    let bound = parse_query(query).and_then(|query| Binder::new(env).bind_query(&query, None));
    let columns = bound
        .map(|bound| bound.columns)
        .unwrap_or_default()
        .into_iter()
        .map(|c| ColumnInfo::bare(c.name, c.ty));
    columns.collect()
}

/// The columns of a table or view in that schema of a database; of a view none if its query no longer fits what exists.
pub fn relation_columns(
    env: &Environment<'_>,
    database: &DatabaseView,
    schema: &str,
    object: &Object,
) -> Vec<ColumnInfo> {
    match object {
        Object::Table(table) => table_columns(table),
        Object::View(view) => {
            let mut columns = match env.tables.names().within(database, schema) {
                Some(names) => query_columns(&Environment { tables: &names, ..*env }, &view.query),
                None => query_columns(env, &view.query),
            };
            for (column, name) in columns.iter_mut().zip(&view.column_names) {
                column.name = name.to_string();
            }
            for column in &mut columns {
                let mut comments = view.column_comments.iter();
                let comment = comments.find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
                column.comment = comment.map(|(_, comment)| comment.to_string());
            }
            columns
        }
        _ => vec![],
    }
}

/// `duckdb_columns()`
pub fn columns(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = placed(&[
        ("table_name", T::Varchar),
        ("table_oid", T::BigInt),
        ("column_name", T::Varchar),
        ("column_index", T::Integer),
        ("comment", T::Varchar),
        ("internal", T::Boolean),
        ("column_default", T::Varchar),
        ("is_nullable", T::Boolean),
        ("data_type", T::Varchar),
        ("data_type_id", T::BigInt),
        ("character_maximum_length", T::Integer),
        ("numeric_precision", T::Integer),
        ("numeric_precision_radix", T::Integer),
        ("numeric_scale", T::Integer),
        ("tags", tags()),
        ("is_generated", T::Boolean),
        ("generation_expression", T::Varchar),
    ]);
    for listed in Listed::all(env) {
        for (schema, object) in listed.relations() {
            for (i, column) in
                relation_columns(env, listed.view, &schema.definition().name, object).iter().enumerate()
            {
                let mut row = listed.place(schema).to_vec();
                row.extend([
                    text(object.name()),
                    listed.object_oid(object.id().0),
                    text(&column.name),
                    int(i as u64 + 1),
                    optional(column.comment.as_deref()),
                    Scalar::Boolean(false),
                    optional(column.default_or_expression()),
                    Scalar::Boolean(column.nullable),
                    text(&column.ty.to_string()),
                    type_oid(&column.ty).map_or(Scalar::Null, int),
                    Scalar::Null,
                ]);
                match numeric_shape(&column.ty) {
                    Some((precision, radix, scale)) => row.extend([int(precision), int(radix), int(scale)]),
                    None => row.extend([Scalar::Null, Scalar::Null, Scalar::Null]),
                }
                row.extend([
                    empty_map(),
                    Scalar::Boolean(column.generated.is_some()),
                    optional(column.generated.as_deref()),
                ]);
                rows.push(row);
            }
        }
    }
    rows
}

/// `pragma_table_info` and `pragma_show` of the relation that the argument names.
pub fn of_relation(env: &Environment<'_>, function: &str, args: &TableFunctionArgs) -> Result<RowsBuilder> {
    let [(Scalar::Text(name), _)] = &args.positional[..] else {
        return Err(ExecError::InvalidInput(format!("{function} takes the name of a table as a text")));
    };
    let name = parse_name(name).map_err(|e| ExecError::InvalidInput(e.message))?;
    let found = env.tables.names().find(ObjectKind::Table, &name);
    let found = found.map_err(|e| ExecError::InvalidInput(e.message))?;
    let columns = relation_columns(env, found.database, &found.schema.definition().name, found.object);
    Ok(if function == "pragma_show" { show(&columns) } else { table_info(&columns) })
}

fn table_info(columns: &[ColumnInfo]) -> RowsBuilder {
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
            optional(column.default_or_expression()),
            Scalar::Boolean(column.key == Some("PRI")),
        ]);
    }
    rows
}

/// What DESCRIBE says of columns.
pub fn show(columns: &[ColumnInfo]) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("column_name", T::Varchar),
        ("column_type", T::Varchar),
        ("null", T::Varchar),
        ("key", T::Varchar),
        ("default", T::Varchar),
        ("extra", T::Varchar),
    ]);
    for column in columns {
        rows.push([
            text(&column.name),
            text(&column.ty.to_string()),
            text(if column.nullable { "YES" } else { "NO" }),
            optional(column.key),
            optional(column.default_or_expression()),
            Scalar::Null,
        ]);
    }
    rows
}
