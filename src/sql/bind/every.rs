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
use crate::exec::expr::Expr;
use crate::exec::plan::Step;
use crate::exec::zone::Zone;
use crate::sql::bind::aggregate::same_expr;
use crate::sql::bind::expr::{ExprContext, is_constant};
use crate::sql::bind::functions::Arguments;
use crate::sql::bind::scope::Scope;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::fluxql::{Every, every_clause};

/// 1970-01-05, the first Monday, in microseconds since the epoch.
pub(super) const FIRST_MONDAY_MICROS: i128 = 4 * 86_400 * 1_000_000;
const NANOS_PER_DAY: i64 = MICROS_PER_DAY * NANOS_PER_MICRO;
pub(super) const NANOS: LogicalType = LogicalType::Timestamp(arrow_schema::TimeUnit::Nanosecond);

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

    /// The third argument of `time_bucket(width, time, …)`, which has a name as TimescaleDB has them: an origin, a shift or a
    /// zone.
    pub(super) fn bind_named_bucket(
        &mut self,
        args: &Arguments<'_>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let (&[width, time], &[(ref name, third)]) = (&args.positional[..], &args.named[..]) else {
            return Err(SqlError::binder(
                "time_bucket takes a width and a time, and one of origin, offset and timezone",
            ));
        };
        let width = self.bind_expr(width, cx)?;
        let time = self.bind_expr(time, cx)?;
        let ty = match name.to_lowercase().as_str() {
            "origin" => time.ty(),
            "offset" => LogicalType::Interval,
            "timezone" => LogicalType::Varchar,
            _ => {
                let message = format!("time_bucket has no argument named \"{name}\"");
                return Err(SqlError::binder(message).at(third));
            }
        };
        let value = self.bind_expr(third, cx)?;
        if let (LogicalType::Varchar, Expr::Literal { value: Scalar::Text(zone), .. }) = (&ty, &value) {
            Zone::named(zone).map_err(|e| SqlError::binder(e).at(third))?;
        }
        let value = coerce::assign(value, &ty).map_err(|e| e.at(third))?;
        self.call("time_bucket", vec![width, time, value])
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
