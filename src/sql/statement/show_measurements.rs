//! SHOW MEASUREMENTS, TAG KEYS, TAG VALUES, FIELD KEYS, SERIES and RETENTION POLICIES.

use std::sync::Arc;

use sqlparser::ast::Ident;

use crate::catalog::{ColumnDefinition, ColumnRole, MAIN_SCHEMA, Object, TableDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::sql::ast::{MeasurementPart, ShowMeasurements};
use crate::sql::bind::Tables;
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_query;
use crate::sql::session::{Failure, Outcome, ReadView, Session};
use crate::sql::sources::RowsBuilder;
use crate::sql::statement::query;

/// Lists what measurements have.
pub fn run(session: &mut Session, show: &ShowMeasurements) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let tables = measurements(&view, show.of.as_ref())?;
    match &show.what {
        MeasurementPart::Name => {
            let mut rows = RowsBuilder::new(&[("name", T::Varchar)]);
            for table in tables {
                rows.push([Scalar::text(&table.name)]);
            }
            Ok(rows.finish("show")?.into())
        }
        MeasurementPart::TagKeys => {
            let mut rows = RowsBuilder::new(&[("name", T::Varchar), ("tag", T::Varchar)]);
            for table in &tables {
                for tag in tags(table) {
                    rows.push([Scalar::text(&table.name), Scalar::text(&tag.name)]);
                }
            }
            Ok(rows.finish("show")?.into())
        }
        MeasurementPart::FieldKeys => {
            let mut rows =
                RowsBuilder::new(&[("name", T::Varchar), ("field", T::Varchar), ("type", T::Varchar)]);
            for table in &tables {
                for field in table.columns.iter().filter(|c| c.role == ColumnRole::Plain) {
                    let ty = field.ty.to_string();
                    rows.push([Scalar::text(&table.name), Scalar::text(&field.name), Scalar::text(ty)]);
                }
            }
            Ok(rows.finish("show")?.into())
        }
        MeasurementPart::TagValues(keys) => {
            let mut parts = vec![];
            for table in &tables {
                let is_named = |tag: &ColumnDefinition| {
                    keys.is_empty() || keys.iter().any(|key| key.value.eq_ignore_ascii_case(&tag.name))
                };
                for tag in tags(table).filter(|tag| is_named(tag)) {
                    parts.push(format!(
                        "SELECT DISTINCT {} AS name, {} AS tag, {2} AS value FROM {3} WHERE {2} IS NOT NULL",
                        text(&table.name),
                        text(&tag.name),
                        name(&tag.name),
                        name(&table.name),
                    ));
                }
            }
            if let (Some(key), true) = (keys.first(), parts.is_empty()) {
                return Err(SqlError::catalog(format!("there is no tag \"{}\"", key.value))
                    .at_span(key.span)
                    .into());
            }
            if parts.is_empty() {
                let columns = [("name", T::Varchar), ("tag", T::Varchar), ("value", T::Varchar)];
                return Ok(RowsBuilder::new(&columns).finish("show")?.into());
            }
            run_query(session, &parts, "1, 2, 3")
        }
        MeasurementPart::Series => {
            let parts: Vec<String> = tables
                .iter()
                .map(|table| {
                    let part = |tag: &ColumnDefinition| {
                        format!(
                            " || coalesce({} || {}, '')",
                            text(&format!(",{}=", tag.name)),
                            name(&tag.name)
                        )
                    };
                    let key: String = tags(table).map(part).collect();
                    format!("SELECT DISTINCT {}{key} AS key FROM {}", text(&table.name), name(&table.name))
                })
                .collect();
            if parts.is_empty() {
                return Ok(RowsBuilder::new(&[("key", T::Varchar)]).finish("show")?.into());
            }
            run_query(session, &parts, "1")
        }
        MeasurementPart::RetentionPolicies => retention_policies(&view),
    }
}

/// Tables whose rows expire.
fn retention_policies(view: &ReadView) -> Result<Outcome, Failure> {
    let mut rows = RowsBuilder::new(&[("name", T::Varchar), ("table", T::Varchar), ("duration", T::Varchar)]);
    for schema in view.focus().catalog().schemas() {
        for object in schema.objects() {
            if let Object::Table(table) = object
                && let Some(duration) = table.options.get("retention")
            {
                let policy = table.options.get("retention_policy");
                let policy = policy.map_or(Scalar::Null, |name| Scalar::text(&**name));
                rows.push([policy, Scalar::text(&table.name), Scalar::text(&**duration)]);
            }
        }
    }
    Ok(rows.finish("show")?.into())
}

fn run_query(session: &mut Session, parts: &[String], order: &str) -> Result<Outcome, Failure> {
    let sql = format!("SELECT * FROM ({}) ORDER BY {order}", parts.join(" UNION ALL "));
    query::run(session, &*parse_query(&sql)?)
}

/// Tables with a time of their own: all of the main schema, or that one.
fn measurements(view: &dyn Tables, of: Option<&Ident>) -> Result<Vec<Arc<TableDefinition>>> {
    let is_measurement = |t: &TableDefinition| t.columns.iter().any(|c| c.role == ColumnRole::Time);
    if let Some(of) = of {
        return match view.catalog().object(MAIN_SCHEMA, &of.value) {
            Ok(Object::Table(table)) if is_measurement(table) => Ok(vec![Arc::clone(table)]),
            Ok(_) => Err(SqlError::catalog(format!("\"{}\" is no measurement", of.value)).at_span(of.span)),
            Err(e) => Err(SqlError::from_catalog(&e).at_span(of.span)),
        };
    }
    let schema = view.catalog().schema(MAIN_SCHEMA).map_err(|e| SqlError::from_catalog(&e))?;
    let tables = schema.objects().filter_map(|object| match object {
        Object::Table(table) if is_measurement(table) => Some(Arc::clone(table)),
        _ => None,
    });
    Ok(tables.collect())
}

fn tags(table: &TableDefinition) -> impl Iterator<Item = &ColumnDefinition> {
    table.columns.iter().filter(|c| c.role == ColumnRole::Tag)
}

/// A name as SQL has it.
fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL has it.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
