//! `EVERY <duration>`: groups by stretches of time.
//!
//! Buckets of a fixed width are aligned to the Unix epoch, those of whole weeks to its first Monday, those of
//! months and years to the calendar; OFFSET shifts their starts, and TZ aligns them to the clocks of a zone.

use std::sync::Arc;

use sqlparser::ast::{BinaryOperator, Expr as Syntax, Select, Value};

use crate::catalog::ColumnRole;
use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::calendar::{MICROS_PER_DAY, NANOS_PER_MICRO};
use crate::exec::cast::parse_time::instant_nanos;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::plan::{Fill, Step};
use crate::exec::zone::Zone;
use crate::sql::bind::aggregate::same_expr;
use crate::sql::bind::expr::{ExprContext, is_constant};
use crate::sql::bind::functions::Arguments;
use crate::sql::bind::scope::Scope;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::fluxql::{Every, every_clause};
use crate::sql::plan::{Column, Definition, Gaps, LogicalPlan};

/// 1970-01-05, the first Monday, in microseconds since the epoch.
const FIRST_MONDAY_MICROS: i128 = 4 * 86_400 * 1_000_000;
const NANOS_PER_DAY: i64 = MICROS_PER_DAY * NANOS_PER_MICRO;
const NANOS: LogicalType = LogicalType::Timestamp(arrow_schema::TimeUnit::Nanosecond);

/// How rows are put into buckets.
#[derive(Clone)]
pub(super) struct Bucket {
    /// The start of the row's bucket.
    pub start: Expr,
    /// The row's time.
    pub time: Expr,
    /// The width of a bucket.
    pub width: Step,
    /// The zone by whose clock buckets are cut, and the time on it, in ticks of the start, that they are counted from.
    pub zone: Option<(Arc<str>, i64)>,
}

impl Bucket {
    /// The width in nanoseconds, if it is always the same.
    pub fn nanos(&self) -> Option<i64> {
        let days = i64::from(self.width.days).checked_mul(NANOS_PER_DAY)?;
        days.checked_add(self.width.nanos).filter(|_| self.width.months == 0)
    }

    /// The start of the bucket that a time is in.
    pub fn start_of(&self, time: &Expr) -> Expr {
        let mut start = self.start.clone();
        replace(&mut start, &self.time, time);
        start
    }

    /// The end of the bucket that starts at a time.
    pub fn end_of(&self, binder: &mut Binder<'_>, start: Expr) -> Result<Expr> {
        let ty = start.ty();
        match &self.start {
            Expr::Call { args, .. } if self.zone.is_some() => {
                let mut args = args.clone();
                args[1] = start;
                binder.call("clock_bucket_end", args)
            }
            _ => {
                let Step { months, days, nanos } = self.width;
                let width = Expr::literal(Scalar::Interval { months, days, nanos }, LogicalType::Interval);
                let end = binder.call("+", vec![start, width])?;
                coerce::explicit(end, &ty, false)
            }
        }
    }
}

/// A time that is UTC, to be compared with one of some type.
fn from_utc(binder: &mut Binder<'_>, time: Expr, ty: &LogicalType) -> Result<Expr> {
    if *ty == LogicalType::TimestampTz { binder.call("timezone", vec![utc(), time]) } else { Ok(time) }
}

fn utc() -> Expr {
    Expr::literal(Scalar::text("UTC"), LogicalType::Varchar)
}

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
        // Any other precision has less than microseconds.
        let instant = match time.ty() {
            LogicalType::TimestampTz => LogicalType::TimestampTz,
            NANOS => NANOS,
            _ => TIMESTAMP,
        };
        let whole = |nanos: i64, at: &Syntax| {
            if instant == NANOS || nanos % NANOS_PER_MICRO == 0 {
                return Ok(());
            }
            let message = "EVERY cannot cut microseconds, which is what the times are in";
            Err(SqlError::binder(message).at(at))
        };
        whole(nanos, every.width)?;
        let weeks = months == 0 && nanos == 0 && days % 7 == 0;
        let mut origin = if weeks { FIRST_MONDAY_MICROS } else { 0 };
        // What is left of the shift beyond microseconds.
        let mut rest = 0;
        if let Some(offset) = every.offset {
            let value = self.bind_constant_as(offset, &LogicalType::Interval, "OFFSET")?;
            let Scalar::Interval { months: by_months, days: by_days, nanos: by_nanos } = value else {
                return Err(SqlError::binder("OFFSET needs a duration such as 5m").at(offset));
            };
            if months != 0 && (by_days != 0 || by_nanos != 0) {
                let message = "OFFSET of buckets of months must be months too";
                return Err(SqlError::unsupported(message).at(offset));
            }
            whole(by_nanos, offset)?;
            rest = by_nanos.rem_euclid(NANOS_PER_MICRO);
            let by = Scalar::Interval { months: by_months, days: by_days, nanos: by_nanos - rest };
            let from = Expr::literal(Scalar::Int(origin), TIMESTAMP);
            let shifted = self.call("+", vec![from, Expr::literal(by, LogicalType::Interval)])?;
            let Scalar::Int(shifted) = self.evaluate(&shifted).map_err(|e| e.at(offset))? else {
                return Err(SqlError::internal("a time and a duration are a time"));
            };
            origin = shifted;
        }
        // What the clock shows where buckets are counted from.
        let (local, ticks) = if instant == NANOS {
            (NANOS, origin * i128::from(NANOS_PER_MICRO) + i128::from(rest))
        } else {
            (TIMESTAMP, origin)
        };
        let origin = Expr::literal(Scalar::Int(ticks), local);
        let zone = match every.zone {
            Some(zone) => match self.bind_constant_as(zone, &LogicalType::Varchar, "TZ")? {
                Scalar::Text(name) => {
                    Zone::named(&name).map_err(|e| SqlError::binder(e).at(zone))?;
                    let ticks = i64::try_from(ticks).map_err(|_| {
                        SqlError::binder("the shift is beyond the times that there are").at_span(every.span)
                    })?;
                    Some((name, ticks))
                }
                _ => return Err(SqlError::binder("TZ needs the name of a zone").at(zone)),
            },
            None => None,
        };
        let width_literal = Expr::literal(width, LogicalType::Interval);
        let at = coerce::explicit(time.clone(), &instant, false)?;
        let start = match &zone {
            // The clock of the zone says where buckets begin.
            Some((name, _)) => {
                let zone = Expr::literal(Scalar::Text(Arc::clone(name)), LogicalType::Varchar);
                self.call("clock_bucket", vec![width_literal, at, origin, zone])
            }
            // Counted from the same instant, whatever zone the session is in.
            None => {
                let origin = Expr::literal(Scalar::Int(ticks), instant);
                self.call("time_bucket", vec![width_literal, at, origin])
            }
        };
        let start = start.map_err(|e| e.at_span(every.span))?;
        Ok(Bucket { start, time, width: Step { months, days, nanos }, zone })
    }

    /// Binds both sides of a comparison. What is compared with the time of a source may be a time and durations behind
    /// it, in FluxQL's spellings of times too: `'2026-01-01T00:00:00Z' - 1h`.
    pub(super) fn bind_beside_time(
        &mut self,
        left: &Syntax,
        right: &Syntax,
        cx: &mut ExprContext<'_>,
    ) -> Result<(Expr, Expr)> {
        let (bound_left, bound_right);
        if has_shifted_literal(right) {
            bound_left = self.bind_expr(left, cx)?;
            bound_right = self.bind_beside(&bound_left, right, cx)?;
        } else if has_shifted_literal(left) {
            bound_right = self.bind_expr(right, cx)?;
            bound_left = self.bind_beside(&bound_right, left, cx)?;
        } else {
            (bound_left, bound_right) = (self.bind_expr(left, cx)?, self.bind_expr(right, cx)?);
        }
        self.time_operands(bound_left, bound_right, cx.scope)
    }

    /// Binds what is compared with `other`.
    pub(super) fn bind_beside(
        &mut self,
        other: &Expr,
        syntax: &Syntax,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if !has_shifted_literal(syntax) {
            return self.bind_expr(syntax, cx);
        }
        let Some(time) = cx.scope.time_of(other).map(|time| (other.ty(), time.role == ColumnRole::Time))
        else {
            return self.bind_expr(syntax, cx);
        };
        self.bind_shifted(syntax, &time, cx)
    }

    /// Binds a time, and what is added to it or taken from it.
    fn bind_shifted(
        &mut self,
        syntax: &Syntax,
        time: &(LogicalType, bool),
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        match syntax {
            Syntax::Nested(inner) => self.bind_shifted(inner, time, cx),
            Syntax::BinaryOp { left, op, right } => {
                let name = if *op == BinaryOperator::Plus { "+" } else { "-" };
                let (left, right) = (self.bind_shifted(left, time, cx)?, self.bind_expr(right, cx)?);
                self.call(name, vec![left, right]).map_err(|e| e.at(syntax))
            }
            _ => {
                let value = self.bind_expr(syntax, cx)?;
                let value = self.as_time(value, &time.0, time.1)?;
                if value.ty() == LogicalType::Varchar {
                    return coerce::explicit(value, &time.0, false);
                }
                Ok(value)
            }
        }
    }

    /// What is compared with the time of a source: whole numbers count nanoseconds since 1970, as durations tell the
    /// time since then. A measurement's time without a zone is UTC, whatever the session's zone, and so are texts that
    /// it is compared with, unless they state another.
    pub(super) fn time_operands(&mut self, left: Expr, right: Expr, scope: &Scope) -> Result<(Expr, Expr)> {
        if let Some(time) = scope.time_of(&left) {
            let right = self.as_time(right, &left.ty(), time.role == ColumnRole::Time)?;
            return Ok((left, right));
        }
        if let Some(time) = scope.time_of(&right) {
            let left = self.as_time(left, &right.ty(), time.role == ColumnRole::Time)?;
            return Ok((left, right));
        }
        Ok((left, right))
    }

    fn as_time(&mut self, value: Expr, time: &LogicalType, is_marked: bool) -> Result<Expr> {
        match value.ty() {
            LogicalType::TimestampTz if is_marked && matches!(time, LogicalType::Timestamp(_)) => {
                self.call("timezone", vec![utc(), value])
            }
            LogicalType::Varchar if is_marked && matches!(time, LogicalType::Timestamp(_)) => {
                let nanos = match &value {
                    Expr::Literal { value: Scalar::Text(text), .. } => instant_nanos(text),
                    _ => None,
                };
                nanos.map_or(Ok(value), |nanos| self.at_nanos(nanos, time))
            }
            LogicalType::Interval if is_constant(&value) => {
                let epoch = Expr::literal(Scalar::Int(0), TIMESTAMP);
                let value = self.call("+", vec![epoch, value])?;
                from_utc(self, value, time)
            }
            ty if ty.is_integer() && is_constant(&value) => match self.evaluate(&value)? {
                Scalar::Int(nanos) => self.at_nanos(nanos, time),
                _ => Ok(value),
            },
            _ => Ok(value),
        }
    }

    /// Nanoseconds since 1970 as what a time can be compared with.
    fn at_nanos(&mut self, nanos: i128, time: &LogicalType) -> Result<Expr> {
        let micros = nanos.div_euclid(NANOS_PER_MICRO.into());
        let is_exact = nanos.rem_euclid(NANOS_PER_MICRO.into()) == 0;
        let value = if is_exact || i64::try_from(nanos).is_err() {
            Expr::literal(Scalar::Int(micros.clamp(i64::MIN.into(), i64::MAX.into())), TIMESTAMP)
        } else {
            Expr::literal(Scalar::Int(nanos), NANOS)
        };
        from_utc(self, value, time)
    }

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
        let (width, time, zone, range) = match args.positional[..] {
            [width, time] => (width, time, None, None),
            [width, time, zone] => (width, time, Some(zone), None),
            [width, time, from, to] => (width, time, None, Some((from, to))),
            [width, time, zone, from, to] => (width, time, Some(zone), Some((from, to))),
            _ => {
                return Err(SqlError::binder(
                    "time_bucket_gapfill takes a width and a time, a zone perhaps, and the first and last time if WHERE does not say them",
                ));
            }
        };
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
        let (mut from, mut to) = (None, None);
        if let Some((first, last)) = range {
            for (syntax, bound, by) in [(first, &mut from, 0), (last, &mut to, -1)] {
                match self.bind_constant_as(syntax, &bucket.time.ty(), "time_bucket_gapfill")? {
                    Scalar::Int(ticks) => *bound = self.bucket_of(&bucket, ticks + by),
                    Scalar::Null => {}
                    _ => {
                        return Err(
                            SqlError::binder("a bound of time_bucket_gapfill must be a time").at(syntax)
                        );
                    }
                }
            }
        }
        let start = bucket.start.clone();
        if self.gap_filled.as_ref().is_some_and(|other| !same_expr(&other.bucket.start, &start)) {
            let message = "a query can have the gaps of one time_bucket_gapfill filled";
            return Err(SqlError::unsupported(message).at(args.positional[0]));
        }
        self.gap_filled = Some(GapFilled { bucket, from, to });
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
        let start = bucket.start_of(&Expr::literal(Scalar::Int(ticks), bucket.time.ty()));
        match self.evaluate(&start).ok()? {
            Scalar::Int(start) => i64::try_from(start).ok(),
            _ => None,
        }
    }
}

/// Whether an expression is a text, a number or a parameter to which something is added, or from which something is taken.
fn has_shifted_literal(syntax: &Syntax) -> bool {
    fn is_literal(syntax: &Syntax) -> bool {
        match syntax {
            Syntax::Nested(inner) => is_literal(inner),
            Syntax::Value(v) => {
                matches!(v.value, Value::SingleQuotedString(_) | Value::Number(..) | Value::Placeholder(_))
            }
            other => has_shifted_literal(other),
        }
    }
    match syntax {
        Syntax::Nested(inner) => has_shifted_literal(inner),
        Syntax::BinaryOp { left, op: BinaryOperator::Plus | BinaryOperator::Minus, .. } => is_literal(left),
        _ => false,
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
pub(super) fn replace(expr: &mut Expr, old: &Expr, new: &Expr) {
    if same_expr(expr, old) {
        *expr = new.clone();
        return;
    }
    for child in expr.children_mut() {
        replace(child, old, new);
    }
}
