//! SHOW MEASUREMENTS, TAG KEYS, TAG VALUES, FIELD KEYS, SERIES and RETENTION POLICIES, and how many there are of each.
//!
//! Each but the last is a query over the measurements: a listing, which is put in order, cut or counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;
use sqlparser::ast::{BinaryOperator, Expr, Ident, SetExpr, TableFactor};

use crate::catalog::{ColumnDefinition, ColumnRole, MAIN_SCHEMA, Object, TableDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::sql::ast::{Cardinality, MeasurementPart, Names, ShowMeasurements};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_query;
use crate::sql::session::{DatabaseView, Failure, Outcome, Session};
use crate::sql::sources::RowsBuilder;
use crate::sql::statement::query;

/// Lists what measurements have.
pub fn run(session: &mut Session, show: &ShowMeasurements) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let database = match &show.database {
        None => view.focus(),
        Some(name) => view.database(&name.value).ok_or_else(|| {
            SqlError::catalog(format!("there is no database \"{}\"", name.value)).at_span(name.span)
        })?,
    };
    if matches!(show.what, MeasurementPart::RetentionPolicies) {
        return retention_policies(database);
    }
    let listing = Listing { database, tables: measurements(database, show)?, show };
    let (columns, parts) = listing.parts()?;
    run_query(session, &columns, &parts, show)
}

/// What is listed of which measurements.
struct Listing<'a> {
    database: &'a DatabaseView,
    tables: Vec<Arc<TableDefinition>>,
    show: &'a ShowMeasurements,
}

impl Listing<'_> {
    /// The columns of the listing, the first of which is the measurement's name, and queries that yield its parts. Each
    /// is a plain SELECT that may have another condition.
    fn parts(&self) -> Result<(Vec<&'static str>, Vec<String>)> {
        let has_condition = self.show.condition.is_some();
        Ok(match &self.show.what {
            MeasurementPart::Name if has_condition => {
                (vec!["name"], self.of_rows(|table| vec![format!("{} AS name", text(&table.name))]))
            }
            MeasurementPart::Name => {
                let names = self.tables.iter().map(|table| format!("({})", text(&table.name)));
                (vec!["name"], constants(&["name"], names))
            }
            MeasurementPart::TagKeys if has_condition => (vec!["name", "tag"], self.tags(&Names::All, false)?),
            MeasurementPart::TagKeys => {
                let keys = self.tables.iter().flat_map(|table| {
                    tags(table).map(|tag| format!("({}, {})", text(&table.name), text(&tag.name)))
                });
                (vec!["name", "tag"], constants(&["name", "tag"], keys))
            }
            MeasurementPart::FieldKeys => {
                let fields = self.tables.iter().flat_map(|table| {
                    let fields = table.columns.iter().filter(|c| c.role == ColumnRole::Plain);
                    fields.map(|f| {
                        format!("({}, {}, {})", text(&table.name), text(&f.name), text(&f.ty.to_string()))
                    })
                });
                let columns = vec!["name", "field", "type"];
                let parts = constants(&columns, fields);
                (columns, parts)
            }
            MeasurementPart::TagValues(keys) => (vec!["name", "tag", "value"], self.tags(keys, true)?),
            MeasurementPart::Series => (
                vec!["name", "key"],
                self.of_rows(|table| {
                    let part = |tag: &ColumnDefinition| {
                        // As line protocol has them, so that no two series have one key.
                        format!(
                            r" || coalesce({} || replace(replace(replace({}, ',', '\,'), '=', '\='), ' ', '\ '), '')",
                            text(&format!(",{}=", escaped(&tag.name, &[',', '=', ' ']))),
                            name(&tag.name)
                        )
                    };
                    let key: String = tags(table).map(part).collect();
                    let measurement = text(&escaped(&table.name, &[',', ' ']));
                    vec![format!("{} AS name, {measurement}{key} AS key", text(&table.name))]
                }),
            ),
            MeasurementPart::RetentionPolicies => {
                return Err(SqlError::internal("policies are listed from definitions"));
            }
        })
    }

    /// Distinct rows of what is selected from each measurement.
    fn of_rows(&self, selected: impl Fn(&TableDefinition) -> Vec<String>) -> Vec<String> {
        let all = self.tables.iter().flat_map(|table| {
            let source = self.source(table);
            selected(table).into_iter().map(move |list| format!("SELECT DISTINCT {list} FROM {source}"))
        });
        all.collect()
    }

    /// Tags that rows have, with or without their values.
    fn tags(&self, keys: &Names, values: bool) -> Result<Vec<String>> {
        let mut parts = vec![];
        for table in &self.tables {
            let source = self.source(table);
            for tag in tags(table) {
                if is_chosen(keys, &tag.name)? {
                    let column = name(&tag.name);
                    let value = if values { format!(", {column} AS value") } else { String::new() };
                    parts.push(format!(
                        "SELECT DISTINCT {} AS name, {} AS tag{value} FROM {source} WHERE {column} IS NOT NULL",
                        text(&table.name),
                        text(&tag.name),
                    ));
                }
            }
        }
        if let (Names::Named(keys), true) = (keys, parts.is_empty())
            && let Some(key) = keys.first()
        {
            return Err(SqlError::catalog(format!("there is no tag \"{}\"", key.value)).at_span(key.span));
        }
        Ok(parts)
    }

    /// What a measurement's rows are read from: the measurement, with those columns of others that a condition may be
    /// about, and which it has not, as NULL.
    fn source(&self, table: &TableDefinition) -> String {
        let condition = self.show.condition.as_ref();
        let condition = condition.map(|condition| condition.to_string().to_lowercase()).unwrap_or_default();
        let missing: BTreeMap<String, &T> = self
            .tables
            .iter()
            .flat_map(|other| &other.columns)
            .map(|column| (column.name.to_lowercase(), &column.ty))
            .filter(|(column, _)| condition.contains(column) && table.find_column(column).is_err())
            .collect();
        let columns: String =
            missing.iter().map(|(column, ty)| format!(", NULL::{ty} AS {}", name(column))).collect();
        let alias = name(&table.name);
        let table = format!("{}.{}.{alias}", name(self.database.name()), name(MAIN_SCHEMA));
        if columns.is_empty() { table } else { format!("(SELECT *{columns} FROM {table}) AS {alias}") }
    }
}

/// A query of rows that are known; none if there are none.
fn constants(columns: &[&str], rows: impl Iterator<Item = String>) -> Vec<String> {
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() {
        return vec![];
    }
    vec![format!("SELECT * FROM (VALUES {}) AS t({})", rows.join(", "), columns.join(", "))]
}

/// Runs the union of the parts of a listing, each with the condition more.
fn run_query(
    session: &mut Session,
    columns: &[&str],
    parts: &[String],
    show: &ShowMeasurements,
) -> Result<Outcome, Failure> {
    let listing = if parts.is_empty() {
        let nothing: Vec<String> =
            columns.iter().map(|column| format!("NULL::VARCHAR AS {column}")).collect();
        format!("SELECT {} WHERE false", nothing.join(", "))
    } else {
        parts.join(" UNION ALL ")
    };
    let mut sql = match show.cardinality {
        Some(Cardinality::Together) => format!("SELECT count(*) AS count FROM ({listing})"),
        Some(Cardinality::OfEach) => {
            format!("SELECT name, count(*) AS count FROM ({listing}) GROUP BY name ORDER BY name")
        }
        None => match show.what {
            MeasurementPart::Series => format!("SELECT key FROM ({listing}) ORDER BY key"),
            // In the order of their columns.
            MeasurementPart::FieldKeys => format!("SELECT * FROM ({listing})"),
            MeasurementPart::TagKeys if show.condition.is_none() => format!("SELECT * FROM ({listing})"),
            _ => format!("SELECT * FROM ({listing}) ORDER BY ALL"),
        },
    };
    for (word, rows) in [("LIMIT", show.limit), ("OFFSET", show.offset)] {
        if let Some(rows) = rows {
            sql += &format!(" {word} {rows}");
        }
    }
    let mut query = parse_query(&sql)?;
    if let Some(condition) = show.condition.as_ref().filter(|_| !parts.is_empty())
        && let SetExpr::Select(select) = &mut *query.body
        && let Some(TableFactor::Derived { subquery, .. }) =
            select.from.first_mut().map(|from| &mut from.relation)
    {
        add_condition(&mut subquery.body, condition);
    }
    query::run(session, &query)
}

/// Whether a name is one of those.
fn is_chosen(names: &Names, one: &str) -> Result<bool> {
    match names {
        Names::All => Ok(true),
        Names::Named(names) => Ok(names.iter().any(|name| name.value.eq_ignore_ascii_case(one))),
        Names::Matching { pattern, negated } => {
            let regex = Regex::new(pattern).map_err(|e| SqlError::binder(format!("bad pattern: {e}")))?;
            Ok(regex.is_match(one) != *negated)
        }
    }
}

/// Tables whose rows expire.
fn retention_policies(database: &DatabaseView) -> Result<Outcome, Failure> {
    let mut rows = RowsBuilder::new(&[("name", T::Varchar), ("table", T::Varchar), ("duration", T::Varchar)]);
    for schema in database.catalog().schemas() {
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

/// Tables with a time of their own: all of the main schema, or those that are asked for.
fn measurements(database: &DatabaseView, show: &ShowMeasurements) -> Result<Vec<Arc<TableDefinition>>> {
    let catalog = database.catalog();
    let is_measurement = |t: &TableDefinition| t.columns.iter().any(|c| c.role == ColumnRole::Time);
    let named = |of: &Ident| match catalog.object(MAIN_SCHEMA, &of.value) {
        Ok(Object::Table(table)) if is_measurement(table) => Ok(Arc::clone(table)),
        Ok(_) => Err(SqlError::catalog(format!("\"{}\" is no measurement", of.value)).at_span(of.span)),
        Err(e) => Err(SqlError::from_catalog(&e).at_span(of.span)),
    };
    let mut tables: Vec<Arc<TableDefinition>> = if show.of.is_empty() {
        let schema = catalog.schema(MAIN_SCHEMA).map_err(|e| SqlError::from_catalog(&e))?;
        let tables = schema.objects().filter_map(|object| match object {
            Object::Table(table) if is_measurement(table) => Some(Arc::clone(table)),
            _ => None,
        });
        tables.collect()
    } else {
        let mut tables: Vec<Arc<TableDefinition>> = vec![];
        for of in &show.of {
            let table = named(of)?;
            if tables.iter().all(|other| other.id != table.id) {
                tables.push(table);
            }
        }
        tables
    };
    let mut chosen = vec![];
    for table in tables.drain(..) {
        if is_chosen(&show.names, &table.name)? {
            chosen.push(table);
        }
    }
    Ok(chosen)
}

fn tags(table: &TableDefinition) -> impl Iterator<Item = &ColumnDefinition> {
    table.columns.iter().filter(|c| c.role == ColumnRole::Tag)
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
