//! What is shown where there are no rows: FILL behind EVERY, and `time_bucket_gapfill`.

use std::sync::Arc;

use sqlparser::ast::{Expr as Syntax, Value};

use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::NANOS_PER_MICRO;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::plan::{Fill, Step};
use crate::exec::zone::Zone;
use crate::sql::bind::aggregate::same_expr;
use crate::sql::bind::every::{Bucket, FIRST_MONDAY_MICROS, NANOS};
use crate::sql::bind::expr::{ExprContext, is_constant};
use crate::sql::bind::functions::Arguments;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::fluxql::Every;
use crate::sql::plan::{Column, Definition, Gaps, LogicalPlan};

/// A call of `time_bucket_gapfill`.
pub(super) struct GapFilled {
    bucket: Bucket,
    /// Starts of the first and the last bucket, if they are given.
    from: Option<i64>,
    to: Option<i64>,
}

/// The columns of a bucketed query, between which its gaps are filled.
pub(super) struct Filled<'a> {
    /// The bucket's start, then the other keys.
    pub keys: &'a [Definition],
    /// Aggregates.
    pub values: &'a [Column],
    /// The conditions of WHERE.
    pub conditions: &'a [Expr],
}

impl Binder<'_> {
    /// FILL over the groups of a bucketed query.
    pub(super) fn bind_fill(
        &mut self,
        every: &Every<'_>,
        bucket: &Bucket,
        filled: &Filled<'_>,
        plan: LogicalPlan,
    ) -> Result<LogicalPlan> {
        let Some(fill) = every.fill.filter(|fill| !is_word(fill, "none")) else { return Ok(plan) };
        let mut fills = Vec::with_capacity(filled.values.len());
        for column in filled.values {
            fills.push(self.fill_of(fill, column)?);
        }
        self.fill_gaps(bucket, filled, fills, (None, None), plan)
    }

    /// Fills the gaps between groups. The range of the series is the one given, else that of the conditions on time;
    /// where there is none, that of the buckets there are.
    fn fill_gaps(
        &mut self,
        bucket: &Bucket,
        filled: &Filled<'_>,
        fills: Vec<Fill>,
        (from, to): (Option<i64>, Option<i64>),
        plan: LogicalPlan,
    ) -> Result<LogicalPlan> {
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
        let zone = match &bucket.zone {
            Some((name, origin)) => Some((Zone::named(name).map_err(SqlError::binder)?, *origin)),
            None => None,
        };
        let gaps = Gaps {
            columns: keys.chain(filled.values.iter().map(Column::expr)).collect(),
            series: filled.keys.len() - 1,
            apart: 0,
            fills,
            step: bucket.width,
            zone,
            first: from.or(first),
            last: to.or(last),
        };
        Ok(LogicalPlan::GapFill { input: Box::new(plan), gaps: Box::new(gaps) })
    }

    /// `time_bucket_gapfill(width, time[, zone][, from, to])`: the start of the bucket of a time, cut by the clock of the
    /// zone if there is one. As a key of GROUP BY it makes groups of the buckets that have no rows.
    pub(super) fn bind_gap_filled_bucket(
        &mut self,
        args: &Arguments<'_>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let (width, time, mut zone, mut from, mut to) = match args.positional[..] {
            [width, time] => (width, time, None, None, None),
            [width, time, zone] => (width, time, Some(zone), None, None),
            [width, time, from, to] => (width, time, None, Some(from), Some(to)),
            [width, time, zone, from, to] => (width, time, Some(zone), Some(from), Some(to)),
            _ => {
                return Err(SqlError::binder(
                    "time_bucket_gapfill takes a width and a time, a zone perhaps, and the first and last time if WHERE does not say them",
                ));
            }
        };
        for &(ref name, value) in &args.named {
            let place = match name.to_lowercase().as_str() {
                "timezone" => &mut zone,
                "start" => &mut from,
                "finish" => &mut to,
                _ => {
                    let message = format!("time_bucket_gapfill has no argument named \"{name}\"");
                    return Err(SqlError::binder(message).at(value));
                }
            };
            if place.replace(value).is_some() {
                let message = format!("time_bucket_gapfill has two arguments for \"{name}\"");
                return Err(SqlError::binder(message).at(value));
            }
        }
        let value = self.bind_constant_as(width, &LogicalType::Interval, "time_bucket_gapfill")?;
        let Scalar::Interval { months, days, nanos } = value else {
            return Err(SqlError::binder("time_bucket_gapfill needs the width of its buckets").at(width));
        };
        let time = self.bind_expr(time, cx)?;
        let ty = match time.ty() {
            ty @ (LogicalType::Timestamp(_) | LogicalType::TimestampTz) => ty,
            _ => TIMESTAMP,
        };
        let instant = coerce::explicit(time.clone(), &ty, false)?;
        let width = Expr::literal(value, LogicalType::Interval);
        let (start, zone) = match zone {
            None => (self.call("time_bucket", vec![width, instant])?, None),
            Some(zone) => {
                let Scalar::Text(name) =
                    self.bind_constant_as(zone, &LogicalType::Varchar, "time_bucket_gapfill")?
                else {
                    return Err(SqlError::binder("time_bucket_gapfill needs the name of a zone").at(zone));
                };
                Zone::named(&name).map_err(|e| SqlError::binder(e).at(zone))?;
                let (ty, origin) = match ty {
                    NANOS => (NANOS, FIRST_MONDAY_MICROS * i128::from(NANOS_PER_MICRO)),
                    _ => (TIMESTAMP, FIRST_MONDAY_MICROS),
                };
                let text = Expr::literal(Scalar::Text(Arc::clone(&name)), LogicalType::Varchar);
                let from = Expr::literal(Scalar::Int(origin), ty);
                let start = self.call("clock_bucket", vec![width, instant, from, text])?;
                (start, i64::try_from(origin).ok().map(|origin| (name, origin)))
            }
        };
        let bucket = Bucket { start, time, width: Step { months, days, nanos }, zone };
        let (mut first, mut last) = (None, None);
        for (syntax, bound, by) in [(from, &mut first, 0), (to, &mut last, -1)] {
            let Some(syntax) = syntax else { continue };
            match self.bind_constant_as(syntax, &bucket.time.ty(), "time_bucket_gapfill")? {
                Scalar::Int(ticks) => *bound = self.bucket_of(&bucket, ticks + by),
                Scalar::Null => {}
                _ => {
                    return Err(SqlError::binder("a bound of time_bucket_gapfill must be a time").at(syntax));
                }
            }
        }
        let start = bucket.start.clone();
        if self.gap_filled.as_ref().is_some_and(|other| !same_expr(&other.bucket.start, &start)) {
            let message = "a query can have the gaps of one time_bucket_gapfill filled";
            return Err(SqlError::unsupported(message).at(args.positional[0]));
        }
        self.gap_filled = Some(GapFilled { bucket, from: first, to: last });
        Ok(start)
    }

    /// Fills the gaps of groups, if a call of time_bucket_gapfill is one of their keys.
    pub(super) fn fill_key_gaps(
        &mut self,
        gap_filled: Option<GapFilled>,
        replacements: &[Definition],
        filled: &Filled<'_>,
        plan: LogicalPlan,
    ) -> Result<LogicalPlan> {
        let Some(GapFilled { bucket, from, to }) = gap_filled else { return Ok(plan) };
        let key = replacements
            .iter()
            .find(|d| same_expr(&d.expr, &bucket.start))
            .ok_or_else(|| SqlError::binder("time_bucket_gapfill must be a key of GROUP BY"))?;
        let mut keys = filled.keys.to_vec();
        keys.sort_by_key(|d| d.column.id != key.column.id);
        let fills = vec![Fill::Null; filled.values.len()];
        self.fill_gaps(&bucket, &Filled { keys: &keys, ..*filled }, fills, (from, to), plan)
    }

    /// What a column gets where it has no value.
    fn fill_of(&mut self, fill: &Syntax, column: &Column) -> Result<Fill> {
        if is_word(fill, "previous") || is_word(fill, "prev") {
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
        let value = match self.bind_constant_as(fill, &column.ty, "FILL")? {
            Scalar::Null => return Ok(Fill::Null),
            value => value,
        };
        if column.ty.is_numeric() {
            let (given, ty) = self.bind_constant(fill, "FILL")?;
            let filled = Expr::literal(value.clone(), column.ty.clone());
            let same = coerce::compare(CompareOp::Eq, filled, Expr::literal(given, ty))?;
            if self.evaluate(&same)? != Scalar::Boolean(true) {
                let message = format!("FILL({fill}) would be rounded: {} yields {}", column.name, column.ty);
                return Err(SqlError::binder(message).at(fill));
            }
        }
        Ok(Fill::Value(value))
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
        let start = bucket.start_of(&Expr::literal(Scalar::Int(ticks), bucket.time.ty()));
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
