//! `EVERY <duration>`: groups by stretches of time.
//!
//! Buckets of a fixed width are aligned to the Unix epoch, those of whole weeks to its first Monday, those of
//! months and years to the calendar; OFFSET shifts their starts.

use sqlparser::ast::{Expr as Syntax, Select, Value};

use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::expr::Expr;
use crate::sql::bind::scope::Scope;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::fluxql::{Every, every_clause};

/// 1970-01-05, the first Monday, in microseconds since the epoch.
const FIRST_MONDAY_MICROS: i128 = 4 * 86_400 * 1_000_000;

/// How rows are put into buckets.
pub(super) struct Bucket {
    /// The start of the row's bucket.
    pub start: Expr,
    /// The row's time.
    pub time: Expr,
}

/// The clause EVERY of a SELECT, if it has one.
pub(super) fn clause(select: &Select) -> Result<Option<Every<'_>>> {
    let [expr] = &select.cluster_by[..] else {
        return match select.cluster_by.first() {
            None => Ok(None),
            Some(first) => Err(SqlError::unsupported("CLUSTER BY is not supported").at(first)),
        };
    };
    let every =
        every_clause(expr).ok_or_else(|| SqlError::unsupported("CLUSTER BY is not supported").at(expr))?;
    if let Some(fill) = every.fill {
        let none = matches!(fill, Syntax::Identifier(i) if i.value.eq_ignore_ascii_case("none"));
        if !none {
            let known = match fill {
                Syntax::Identifier(i) => {
                    ["null", "previous", "linear"].iter().any(|k| i.value.eq_ignore_ascii_case(k))
                }
                Syntax::Value(v) => {
                    matches!(v.value, Value::Null | Value::Number(..) | Value::SingleQuotedString(_))
                }
                _ => true,
            };
            if !known {
                return Err(SqlError::binder("FILL takes null, none, previous, linear or a value").at(fill));
            }
            return Err(
                SqlError::unsupported(format!("FILL({fill}) is not supported yet; FILL(none) is")).at(fill)
            );
        }
    }
    Ok(Some(every))
}

impl Binder<'_> {
    pub(super) fn bind_bucket(&mut self, every: &Every<'_>, scope: &Scope) -> Result<Bucket> {
        if scope.relations.is_empty() {
            return Err(SqlError::binder("EVERY needs a FROM clause").at_span(every.span));
        }
        let column = scope.bucket_column().map_err(|e| e.at_span(every.span))?;
        let time = column.unqualified();
        let width = self.bind_constant_as(every.width, &LogicalType::Interval, "EVERY")?;
        let Scalar::Interval { months, days, nanos } = width else {
            return Err(SqlError::binder("EVERY needs a duration such as 5m").at(every.width));
        };
        if (months != 0) && (days != 0 || nanos != 0) {
            return Err(
                SqlError::binder("EVERY cannot mix months with days or shorter units").at(every.width)
            );
        }
        if months < 0 || days < 0 || nanos < 0 || (months == 0 && days == 0 && nanos == 0) {
            return Err(SqlError::binder("EVERY needs a duration longer than zero").at(every.width));
        }
        let instant = match time.ty() {
            LogicalType::Date => TIMESTAMP,
            other => other,
        };
        let weeks = months == 0 && nanos == 0 && days % 7 == 0;
        let origin = if weeks { FIRST_MONDAY_MICROS } else { 0 };
        let mut origin = Expr::literal(Scalar::Int(origin), TIMESTAMP);
        if let Some(offset) = every.offset {
            let value = self.bind_constant_as(offset, &LogicalType::Interval, "OFFSET")?;
            let shift = Expr::literal(value, LogicalType::Interval);
            let shifted = self.call("+", vec![origin, shift])?;
            let value = self.evaluate(&shifted).map_err(|e| e.at(offset))?;
            origin = Expr::literal(value, TIMESTAMP);
        }
        let origin = coerce::explicit(origin, &instant, false)?;
        let width = Expr::literal(width, LogicalType::Interval);
        let args = vec![width, coerce::explicit(time.clone(), &instant, false)?, origin];
        let start = self.call("time_bucket", args).map_err(|e| e.at_span(every.span))?;
        Ok(Bucket { start, time })
    }
}
