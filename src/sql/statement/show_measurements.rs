//! SHOW MEASUREMENTS, TAG KEYS, TAG VALUES, FIELD KEYS, SERIES and RETENTION POLICIES.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlparser::ast::{BinaryOperator, Expr, Ident, SetExpr, TableFactor};

use crate::catalog::{ColumnDefinition, ColumnRole, MAIN_SCHEMA, Object, TableDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::sql::ast::{MeasurementPart, ShowMeasurements, TagNames};
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
                let source = with_columns_of(&tables, table, show.condition.as_ref());
                let is_named = |tag: &ColumnDefinition| match keys {
                    TagNames::Named(keys) => keys.iter().any(|key| key.value.eq_ignore_ascii_case(&tag.name)),
                    TagNames::All | TagNames::Matching { .. } => true,
                };
                for tag in tags(table).filter(|tag| is_named(tag)) {
                    let tag_name = text(&tag.name);
                    let matching = match keys {
                        TagNames::Matching { pattern, negated } => {
                            let not = if *negated { "NOT " } else { "" };
                            format!(" AND {not}regexp_matches({tag_name}, {})", text(pattern))
                        }
                        _ => String::new(),
                    };
                    parts.push(format!(
                        "SELECT DISTINCT {} AS name, {tag_name} AS tag, {1} AS value FROM {2} WHERE {1} IS NOT NULL{matching}",
                        text(&table.name),
                        name(&tag.name),
                        source,
                    ));
                }
            }
            if let (TagNames::Named(keys), true) = (keys, parts.is_empty())
                && let Some(key) = keys.first()
            {
                return Err(SqlError::catalog(format!("there is no tag \"{}\"", key.value))
                    .at_span(key.span)
                    .into());
            }
            if parts.is_empty() {
                let columns = [("name", T::Varchar), ("tag", T::Varchar), ("value", T::Varchar)];
                return Ok(RowsBuilder::new(&columns).finish("show")?.into());
            }
            run_query(session, &parts, "1, 2, 3", show.condition.as_ref())
        }
        MeasurementPart::Series => {
            let parts: Vec<String> = tables
                .iter()
                .map(|table| {
                    let part = |tag: &ColumnDefinition| {
                        // As line protocol has them, so that no two series have one key.
                        format!(
                            r" || coalesce({} || replace(replace(replace({}, ',', '\,'), '=', '\='), ' ', '\ '), '')",
                            text(&format!(",{}=", escaped(&tag.name, &[',', '=', ' ']))),
                            name(&tag.name)
                        )
                    };
                    let key: String = tags(table).map(part).collect();
                    let source = with_columns_of(&tables, table, show.condition.as_ref());
                    let measurement = text(&escaped(&table.name, &[',', ' ']));
                    format!("SELECT DISTINCT {measurement}{key} AS key FROM {source}")
                })
                .collect();
            if parts.is_empty() {
                return Ok(RowsBuilder::new(&[("key", T::Varchar)]).finish("show")?.into());
            }
            run_query(session, &parts, "1", show.condition.as_ref())
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

/// Runs the union of some queries, each with a condition more.
fn run_query(
    session: &mut Session,
    parts: &[String],
    order: &str,
    condition: Option<&Expr>,
) -> Result<Outcome, Failure> {
    let sql = format!("SELECT * FROM ({}) ORDER BY {order}", parts.join(" UNION ALL "));
    let mut query = parse_query(&sql)?;
    if let Some(condition) = condition
        && let SetExpr::Select(select) = &mut *query.body
        && let Some(TableFactor::Derived { subquery, .. }) =
            select.from.first_mut().map(|from| &mut from.relation)
    {
        add_condition(&mut subquery.body, condition);
    }
    query::run(session, &query)
}

fn add_condition(mut body: &mut SetExpr, condition: &Expr) {
    let add = |body: &mut SetExpr| {
        let SetExpr::Select(select) = body else { return };
        let nested = Box::new(Expr::Nested(Box::new(condition.clone())));
        select.selection = Some(match select.selection.take() {
            Some(left) => Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::And, right: nested },
            None => *nested,
        });
    };
    // A union of many nests to the left.
    while let SetExpr::SetOperation { left, right, .. } = body {
        add(right);
        body = left;
    }
    add(body);
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

/// What a measurement's rows are read from: the measurement, with those columns of others that a condition may be about,
/// and which it has not, as NULL.
fn with_columns_of(
    others: &[Arc<TableDefinition>],
    table: &TableDefinition,
    condition: Option<&Expr>,
) -> String {
    let condition = condition.map(|condition| condition.to_string().to_lowercase()).unwrap_or_default();
    let missing: BTreeMap<String, &T> = others
        .iter()
        .flat_map(|other| &other.columns)
        .map(|column| (column.name.to_lowercase(), &column.ty))
        .filter(|(column, _)| condition.contains(column) && table.find_column(column).is_err())
        .collect();
    let columns: String =
        missing.iter().map(|(column, ty)| format!(", NULL::{ty} AS {}", name(column))).collect();
    let table = name(&table.name);
    if columns.is_empty() { table } else { format!("(SELECT *{columns} FROM {table}) AS {table}") }
}

/// A name as line protocol has it.
fn escaped(name: &str, special: &[char]) -> String {
    name.chars().fold(String::new(), |mut out, c| {
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// A name as SQL has it.
fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL has it.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
