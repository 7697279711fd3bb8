//! What SHOW lists: tables, schemas, databases.

use sqlparser::ast::ObjectName;

use super::{RowsBuilder, relation_columns, texts};
use crate::catalog::{MAIN_SCHEMA, Object};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::sql::ast::Show;
use crate::sql::bind::Environment;
use crate::sql::error::Result;
use crate::sql::session::{DatabaseView, ReadView, SearchPath, parts};

/// The rows of SHOW, if it lists what exists in catalogs.
pub fn shown(env: &Environment<'_>, what: &Show) -> Result<Option<RowsBuilder>> {
    let view = env.tables.names();
    Ok(Some(match what {
        Show::Databases => databases(view),
        Show::Schemas => schemas(view, &env.settings.search_path),
        Show::Tables(from) => tables(view, from.as_ref())?,
        Show::AllTables => all_tables(env),
        _ => return Ok(None),
    }))
}

fn databases(view: &ReadView) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[("database_name", T::Varchar)]);
    let mut names: Vec<&str> =
        view.databases().iter().filter(|d| !d.database().is_temporary()).map(DatabaseView::name).collect();
    names.sort_unstable();
    names.into_iter().for_each(|name| rows.push([Scalar::text(name)]));
    rows
}

/// The schemas, and which is the current one.
fn schemas(view: &ReadView, path: &SearchPath) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("schema_name", T::Varchar),
        ("current", T::Boolean),
    ]);
    let databases = view.databases().iter().filter(|d| !d.database().is_temporary());
    let of = |database: &DatabaseView| {
        let schemas = database.catalog().schemas();
        schemas.map(|s| (database.name().to_owned(), s.definition().name.to_string())).collect::<Vec<_>>()
    };
    let mut found: Vec<(String, String)> = databases.flat_map(of).collect();
    found.sort_unstable();
    let current = (path.database(), path.schema());
    for (database, schema) in found {
        let is_current = (database.as_str(), schema.as_str()) == current;
        rows.push([Scalar::text(&database), Scalar::text(&schema), Scalar::Boolean(is_current)]);
    }
    rows
}

/// The tables and views of a schema; without a name, of all schemas in which names are looked up.
fn tables(view: &ReadView, from: Option<&ObjectName>) -> Result<RowsBuilder> {
    let chosen = match from {
        None => None,
        Some(name) => Some(match view.schema(name) {
            Ok((database, schema)) => (database, schema.to_owned()),
            Err(e) => match parts(name)?[..] {
                [one] => (view.database(&one.value).ok_or(e)?, MAIN_SCHEMA.to_owned()),
                _ => return Err(e),
            },
        }),
    };
    let mut names = vec![];
    for database in view.databases() {
        for schema in database.catalog().schemas() {
            let schema_name = &*schema.definition().name;
            let wanted = match &chosen {
                Some((d, s)) => std::ptr::eq(*d, database) && s.eq_ignore_ascii_case(schema_name),
                None => view.searches(database.name(), schema_name),
            };
            if wanted {
                names.extend(schema.relations().map(Object::name));
            }
        }
    }
    names.sort_unstable();
    let mut rows = RowsBuilder::new(&[("name", T::Varchar)]);
    names.into_iter().for_each(|name| rows.push([Scalar::text(name)]));
    Ok(rows)
}

/// All tables and views with their columns.
fn all_tables(env: &Environment<'_>) -> RowsBuilder {
    let list = T::List(Box::new(T::Varchar));
    let mut rows = RowsBuilder::new(&[
        ("database", T::Varchar),
        ("schema", T::Varchar),
        ("name", T::Varchar),
        ("column_names", list.clone()),
        ("column_types", list),
        ("temporary", T::Boolean),
    ]);
    let mut found: Vec<(&DatabaseView, &str, &Object)> = vec![];
    for database in env.tables.names().databases() {
        for schema in database.catalog().schemas() {
            found.extend(schema.relations().map(|o| (database, &*schema.definition().name, o)));
        }
    }
    found.sort_by_key(|(database, schema, object)| (database.name(), *schema, object.name()));
    for (database, schema, object) in found {
        let columns = relation_columns(env, database, schema, object);
        rows.push([
            Scalar::text(database.name()),
            Scalar::text(schema),
            Scalar::text(object.name()),
            texts(columns.iter().map(|c| c.name.clone())),
            texts(columns.iter().map(|c| c.ty.to_string())),
            Scalar::Boolean(database.database().is_temporary()),
        ]);
    }
    rows
}
