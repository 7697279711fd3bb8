//! `WITH (name = value)` and `SET (name = value)` of tables.

use sqlparser::ast::{Expr, SqlOption};

use crate::catalog::{ColumnRole, TableDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::sql::bind::Binder;
use crate::sql::bind::expiry::{TTL, TTL_COLUMN, ttl_column};
use crate::sql::error::{Result, SqlError};
use crate::sql::fluxql::parse_duration;

/// The column by which rows of a table expire and are told apart as points.
pub fn time_column(table: &TableDefinition) -> Option<&str> {
    let marked = table.columns.iter().find(|c| c.role == ColumnRole::Time);
    let called = || table.column_position("time").map(|i| &table.columns[i]);
    marked.or_else(called).filter(|c| tells_time(&c.ty)).map(|c| &*c.name)
}

fn tells_time(ty: &LogicalType) -> bool {
    matches!(ty, LogicalType::Timestamp(_) | LogicalType::TimestampTz | LogicalType::Date)
}

/// Before when rows of a table with that retention expire, as SQL text. Times without a zone are UTC.
pub fn horizon(retention: &str) -> String {
    format!("timezone('UTC', now()) - INTERVAL '{retention}'")
}

/// Sets options of a table; NULL unsets one.
pub fn set_options(
    binder: &mut Binder<'_>,
    table: &mut TableDefinition,
    options: &[SqlOption],
) -> Result<()> {
    let mut names_column = false;
    for option in options {
        let SqlOption::KeyValue { key, value } = option else {
            return Err(SqlError::parser(format!("an option is NAME = VALUE, and {option} is not")));
        };
        let name = match (key.value.to_lowercase(), &table.materialized) {
            (name, Some(_)) if name == "retain" => "retention".to_owned(),
            (name, _) => name,
        };
        let text = match value {
            Expr::Identifier(word) => Some(word.value.clone()),
            value => match binder.bind_constant_as(value, &LogicalType::Varchar, "an option")? {
                Scalar::Text(text) => Some(text.to_string()),
                _ => None,
            },
        };
        let Some(text) = text else {
            table.options.remove(name.as_str());
            continue;
        };
        let text = text.to_lowercase();
        match name.as_str() {
            "duplicates" if !matches!(text.as_str(), "keep_last" | "keep_all") => {
                return Err(SqlError::invalid("duplicates is keep_last or keep_all").at(value));
            }
            "duplicates"
                if text == "keep_last" && !table.columns.iter().any(|c| c.role == ColumnRole::Time) =>
            {
                let message = format!(
                    "\"{}\" is no measurement: it has no series whose points could be told apart",
                    table.name
                );
                return Err(SqlError::invalid(message).at(value));
            }
            "retention" => {
                if parse_duration(&text).is_none_or(|d| d.months == 0 && d.days == 0 && d.nanos == 0) {
                    return Err(SqlError::invalid("retention is a duration such as 30d").at(value));
                }
                if time_column(table).is_none() {
                    let message = format!("rows of \"{}\" cannot expire: it has no column time", table.name);
                    return Err(SqlError::invalid(message).at(value));
                }
            }
            TTL => {
                if parse_duration(&text).is_none_or(|d| d.months < 0 || d.days < 0 || d.nanos < 0) {
                    return Err(SqlError::invalid("ttl is a duration such as 7d").at(value));
                }
            }
            TTL_COLUMN => {
                let column = table.column_position(&text).map(|at| &table.columns[at]);
                if column.is_none_or(|column| !tells_time(&column.ty) || column.generated.is_some()) {
                    let message =
                        format!("\"{text}\" is no stored column of \"{}\" that tells time", table.name);
                    return Err(SqlError::invalid(message).at(value));
                }
                names_column = true;
            }
            "duplicates" | "retention_policy" => {}
            "refresh" if table.materialized.is_some() => {
                if parse_duration(&text).is_none_or(|d| d.months == 0 && d.days == 0 && d.nanos == 0) {
                    return Err(SqlError::invalid("refresh is a duration such as 1m").at(value));
                }
            }
            "frozen_before" if table.materialized.is_some() => {
                let ticks = text.parse();
                let ticks =
                    ticks.map_err(|_| SqlError::invalid("frozen_before is a whole number").at(value))?;
                table.materialized.as_mut().expect("it was one above").frozen_before = Some(ticks);
                continue;
            }
            other => {
                let error = SqlError::invalid(format!("a table has no option \"{other}\""));
                return Err(error
                    .at_span(key.span)
                    .did_you_mean(other, ["duplicates", "retention", "refresh", TTL, TTL_COLUMN]));
            }
        }
        table.options.insert(name.into(), text.into());
    }
    // A column that was named alone tells when a row expires.
    if names_column && !table.options.contains_key(TTL) {
        table.options.insert(TTL.into(), "0s".into());
    }
    if table.options.contains_key(TTL) && ttl_column(table).is_none() {
        let message =
            format!("rows of \"{}\" expire by a column: WITH (ttl = '7d', ttl_column = …)", table.name);
        return Err(SqlError::invalid(message));
    }
    Ok(())
}
