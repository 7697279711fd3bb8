//! SHOW.

use sqlparser::ast::ObjectName;

use crate::catalog::MAIN_SCHEMA;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::sql::ast::Show;
use crate::sql::bind::{Tables, object_name};
use crate::sql::error::SqlError;
use crate::sql::parser::table_query;
use crate::sql::session::{Failure, Outcome, ReadView, Session};
use crate::sql::sources::{RowsBuilder, database_name, relation_columns, texts as texts_value};
use crate::sql::statement::setting::show_setting;
use crate::sql::statement::{describe, show_measurements};

/// Lists what exists.
pub fn run(session: &mut Session, what: &Show) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let catalog = view.catalog();
    let rows = match what {
        Show::Measurements(show) => return show_measurements::run(session, show),
        Show::Databases => {
            let mut rows = RowsBuilder::new(&[("database_name", T::Varchar)]);
            rows.push([Scalar::text(database_name())]);
            rows
        }
        Show::Schemas => {
            let mut rows = RowsBuilder::new(&[("database_name", T::Varchar), ("schema_name", T::Varchar)]);
            for schema in catalog.schemas() {
                rows.push([Scalar::text(database_name()), Scalar::text(&schema.definition().name)]);
            }
            rows
        }
        Show::Tables(from) => {
            let mut rows = RowsBuilder::new(&[("name", T::Varchar)]);
            let schema = match from {
                None => MAIN_SCHEMA,
                Some(name) => match object_name(name)? {
                    (None, schema) => &schema.value,
                    _ => return Err(SqlError::binder("one schema is expected").at(name).into()),
                },
            };
            let schema = catalog.schema(schema).map_err(|e| SqlError::from_catalog(&e))?;
            for object in schema.relations() {
                rows.push([Scalar::text(object.name())]);
            }
            rows
        }
        Show::AllTables => all_tables(session, &view)?,
        Show::Named(name) => return named(session, name),
    };
    Ok(rows.finish("show")?.into())
}

/// All tables and views with their columns.
fn all_tables(session: &Session, view: &ReadView) -> Result<RowsBuilder, Failure> {
    let texts = T::List(Box::new(T::Varchar));
    let mut rows = RowsBuilder::new(&[
        ("database", T::Varchar),
        ("schema", T::Varchar),
        ("name", T::Varchar),
        ("column_names", texts.clone()),
        ("column_types", texts),
        ("temporary", T::Boolean),
    ]);
    session.bind(view, |binder| {
        for schema in view.catalog().schemas() {
            for object in schema.relations() {
                let columns = relation_columns(&binder.env, object);
                rows.push([
                    Scalar::text(database_name()),
                    Scalar::text(&schema.definition().name),
                    Scalar::text(object.name()),
                    texts_value(columns.iter().map(|c| c.name.clone())),
                    texts_value(columns.iter().map(|c| c.ty.to_string())),
                    Scalar::Boolean(false),
                ]);
            }
        }
        Ok(())
    })?;
    Ok(rows)
}

/// `SHOW name`: the columns of a table or view of that name, else the setting of that name.
fn named(session: &mut Session, name: &ObjectName) -> Result<Outcome, Failure> {
    if let (None, ident) = object_name(name)? {
        let view = session.read_view();
        let is_relation = view.catalog().object(MAIN_SCHEMA, &ident.value).is_ok();
        if !is_relation && let Some(setting) = show_setting(session, &ident.value)? {
            return Ok(setting);
        }
    }
    describe::run(session, &*table_query(name.clone())?)
}
