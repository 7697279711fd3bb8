//! `EVERY <duration>`: groups by stretches of time.
//!
//! Buckets of a fixed width are aligned to the Unix epoch, those of whole weeks to its first Monday, those of
//! months and years to the calendar; OFFSET shifts their starts.

use sqlparser::ast::{Expr as Syntax, Select, Value};

use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::expr::{AggregateCall, CompareOp, Expr};
use crate::exec::plan::{Fill, Step};
use crate::sql::bind::aggregate::same_expr;
use crate::sql::bind::expr::is_constant;
use crate::sql::bind::scope::Scope;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::fluxql::{Every, every_clause};
use crate::sql::plan::{Column, Definition, Gaps, LogicalPlan};

/// 1970-01-05, the first Monday, in microseconds since the epoch.
const FIRST_MONDAY_MICROS: i128 = 4 * 86_400 * 1_000_000;

/// How rows are put into buckets.
pub(super) struct Bucket {
    /// The start of the row's bucket.
    pub start: Expr,
    /// The row's time.
    pub time: Expr,
    /// The width of a bucket.
    pub width: Step,
}

/// The columns of a bucketed query, between which its gaps are filled.
pub(super) struct Filled<'a> {
    /// The bucket's start, then the other keys.
    pub keys: &'a [Definition],
    /// Aggregates.
    pub values: &'a [(Column, AggregateCall)],
    /// The conditions of WHERE.
    pub conditions: &'a [Expr],
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
        let args = vec![
            Expr::literal(width, LogicalType::Interval),
            coerce::explicit(time.clone(), &instant, false)?,
            origin,
        ];
        let start = self.call("time_bucket", args).map_err(|e| e.at_span(every.span))?;
        Ok(Bucket { start, time, width: Step { months, days, nanos } })
    }

    /// FILL over the groups of a bucketed query. The range of the series is that of the conditions on time; where
    /// there is none, that of the buckets there are.
    pub(super) fn bind_fill(
        &mut self,
        every: &Every<'_>,
        bucket: &Bucket,
        filled: &Filled<'_>,
        plan: LogicalPlan,
    ) -> Result<LogicalPlan> {
        let Some(fill) = every.fill.filter(|fill| !is_word(fill, "none")) else { return Ok(plan) };
        let mut fills = Vec::with_capacity(filled.values.len());
        for (column, _) in filled.values {
            fills.push(self.fill_of(fill, column)?);
        }
        let (mut first, mut last) = (None, None);
        for condition in filled.conditions {
            let Some((op, bound)) = self.time_bound(condition, &bucket.time) else { continue };
            let start = |binder: &Self, by: i128| binder.bucket_of(bucket, bound.checked_add(by)?);
            match op {
                CompareOp::Gt => first = first.max(start(self, 1)),
                CompareOp::GtEq => first = first.max(start(self, 0)),
                CompareOp::Lt => last = tighter(last, start(self, -1)),
                CompareOp::LtEq => last = tighter(last, start(self, 0)),
                CompareOp::Eq => {
                    first = first.max(start(self, 0));
                    last = tighter(last, start(self, 0));
                }
                _ => {}
            }
        }
        let keys = filled.keys.iter().map(|d| d.column.expr());
        let gaps = Gaps {
            columns: keys.chain(filled.values.iter().map(|(c, _)| c.expr())).collect(),
            series: filled.keys.len() - 1,
            fills,
            step: bucket.width,
            first,
            last,
        };
        Ok(LogicalPlan::GapFill { input: Box::new(plan), gaps: Box::new(gaps) })
    }

    /// What a column gets where it has no value.
    fn fill_of(&mut self, fill: &Syntax, column: &Column) -> Result<Fill> {
        if is_word(fill, "previous") {
            return Ok(Fill::Previous);
        }
        if is_word(fill, "linear") {
            if !column.ty.is_numeric() {
                return Err(SqlError::binder(format!(
                    "FILL(linear) needs numbers, and {} yields {}",
                    column.name, column.ty
                ))
                .at(fill));
            }
            return Ok(Fill::Linear);
        }
        if is_word(fill, "null") {
            return Ok(Fill::Null);
        }
        if let Syntax::Identifier(_) = fill {
            let message = "FILL takes null, none, previous, linear or a value";
            return Err(SqlError::binder(message).at(fill));
        }
        Ok(match self.bind_constant_as(fill, &column.ty, "FILL")? {
            Scalar::Null => Fill::Null,
            value => Fill::Value(value),
        })
    }

    /// The condition as a comparison of the time with a constant, in ticks of its type.
    fn time_bound(&self, condition: &Expr, time: &Expr) -> Option<(CompareOp, i128)> {
        let Expr::Compare { op, left, right } = condition else { return None };
        let is_time = |e: &Expr| match e {
            Expr::Cast { input, .. } => same_expr(input, time),
            e => same_expr(e, time),
        };
        let (op, bound) = if is_time(left) {
            (*op, right)
        } else if is_time(right) {
            (op.swap(), left)
        } else {
            return None;
        };
        if !is_constant(bound) {
            return None;
        }
        // A bound of another precision, such as a TIMESTAMP for a DATE, is rounded outwards by the bucket.
        let bound = coerce::explicit((**bound).clone(), &time.ty(), true).ok()?;
        match self.evaluate(&bound).ok()? {
            Scalar::Int(ticks) => Some((op, ticks)),
            _ => None,
        }
    }

    /// The start of the bucket that a time is in.
    fn bucket_of(&self, bucket: &Bucket, ticks: i128) -> Option<i64> {
        let mut start = bucket.start.clone();
        let literal = Expr::literal(Scalar::Int(ticks), bucket.time.ty());
        replace(&mut start, &bucket.time, &literal);
        match self.evaluate(&start).ok()? {
            Scalar::Int(start) => i64::try_from(start).ok(),
            _ => None,
        }
    }
}

/// Whether an expression is that word, NULL included.
fn is_word(expr: &Syntax, word: &str) -> bool {
    match expr {
        Syntax::Identifier(i) => i.quote_style.is_none() && i.value.eq_ignore_ascii_case(word),
        Syntax::Value(v) => word == "null" && v.value == Value::Null,
        _ => false,
    }
}

/// The lesser of two bounds, where no bound is the greatest.
fn tighter(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).min()
}

/// Puts `new` in place of `old` wherever it stands in an expression.
fn replace(expr: &mut Expr, old: &Expr, new: &Expr) {
    if same_expr(expr, old) {
        *expr = new.clone();
        return;
    }
    for child in expr.children_mut() {
        replace(child, old, new);
    }
}
