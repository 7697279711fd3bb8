//! SHOW.

use sqlparser::ast::ObjectName;

use crate::catalog::{MAIN_SCHEMA, Namespace, Object};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::sql::ast::Show;
use crate::sql::parser::table_query;
use crate::sql::session::{DatabaseView, Failure, Outcome, ReadView, Session, parts};
use crate::sql::sources::{RowsBuilder, relation_columns, texts, variables};
use crate::sql::statement::setting::show_setting;
use crate::sql::statement::{describe, show_measurements};

/// Lists what exists.
pub fn run(session: &mut Session, what: &Show) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let rows = match what {
        Show::Databases => {
            let mut rows = RowsBuilder::new(&[("database_name", T::Varchar)]);
            let mut names: Vec<&str> = view
                .databases()
                .iter()
                .filter(|d| !d.database().is_temporary())
                .map(DatabaseView::name)
                .collect();
            names.sort_unstable();
            names.into_iter().for_each(|name| rows.push([Scalar::text(name)]));
            rows
        }
        Show::Schemas => {
            let mut rows = RowsBuilder::new(&[("database_name", T::Varchar), ("schema_name", T::Varchar)]);
            for database in view.databases() {
                for schema in database.catalog().schemas() {
                    rows.push([Scalar::text(database.name()), Scalar::text(&schema.definition().name)]);
                }
            }
            rows
        }
        Show::Tables(from) => tables(&view, from.as_ref())?,
        Show::AllTables => all_tables(session, &view)?,
        Show::Variables => session.bind(&view, |binder| Ok(variables(&binder.env)))?,
        Show::Named(name) => return named(session, name),
        Show::Measurements(show) => return show_measurements::run(session, show),
    };
    Ok(rows.finish("show")?.into())
}

/// The tables and views of a schema; without a name, of all schemas in which names are looked up.
fn tables(view: &ReadView, from: Option<&ObjectName>) -> Result<RowsBuilder, Failure> {
    let chosen = match from {
        None => None,
        Some(name) => Some(match view.schema(name) {
            Ok((database, schema)) => (database, schema.to_owned()),
            Err(e) => match parts(name)?[..] {
                [one] => (view.database(&one.value).ok_or(e)?, MAIN_SCHEMA.to_owned()),
                _ => return Err(e.into()),
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
fn all_tables(session: &Session, view: &ReadView) -> Result<RowsBuilder, Failure> {
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
    for database in view.databases() {
        for schema in database.catalog().schemas() {
            found.extend(schema.relations().map(|o| (database, &*schema.definition().name, o)));
        }
    }
    found.sort_by_key(|(database, schema, object)| (database.name(), *schema, object.name()));
    session.bind(view, |binder| {
        for (database, schema, object) in found {
            let columns = relation_columns(&binder.env, database, schema, object);
            rows.push([
                Scalar::text(database.name()),
                Scalar::text(schema),
                Scalar::text(object.name()),
                texts(columns.iter().map(|c| c.name.clone())),
                texts(columns.iter().map(|c| c.ty.to_string())),
                Scalar::Boolean(database.database().is_temporary()),
            ]);
        }
        Ok(())
    })?;
    Ok(rows)
}

/// `SHOW name`: the columns of a table or view of that name, else the setting of that name.
fn named(session: &mut Session, name: &ObjectName) -> Result<Outcome, Failure> {
    if let [ident] = parts(name)?[..]
        && session.read_view().lookup(Namespace::Relation, name)?.is_none()
        && let Some(setting) = show_setting(session, &ident.value)?
    {
        return Ok(setting);
    }
    describe::run(session, &*table_query(name.clone())?)
}
