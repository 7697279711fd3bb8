//! What looks like a function or a literal, and has words of its own: INTERVAL, CASE, EXTRACT, SUBSTRING, CEIL.

use std::sync::Arc;

use sqlparser::ast::{self, CaseWhen, CeilFloorKind, DateTimeField, Value};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr};
use crate::sql::bind::collation::collated_like;
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::literal::bind_literal;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::fluxql::parse_duration;

impl Binder<'_> {
    pub(super) fn bind_interval(
        &mut self,
        interval: &ast::Interval,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if interval.last_field.is_some() || interval.leading_precision.is_some() {
            return Err(SqlError::unsupported("intervals of ranges such as DAY TO SECOND are not supported"));
        }
        let text = match &*interval.value {
            ast::Expr::Value(v) => match &v.value {
                Value::SingleQuotedString(s) | Value::Number(s, _) => Some(s.as_str()),
                _ => None,
            },
            _ => None,
        };
        let Some(field) = &interval.leading_field else {
            if let Some(d) = text.and_then(parse_duration) {
                let value = Scalar::Interval { months: d.months, days: d.days, nanos: d.nanos };
                return Ok(Expr::literal(value, LogicalType::Interval));
            }
            let bound = self.bind_expr(&interval.value, cx)?;
            let bound = coerce::explicit(bound, &LogicalType::Interval, false)?;
            if text.is_none() {
                return Ok(bound);
            }
            let value = self.evaluate(&bound).map_err(|e| e.at(&*interval.value))?;
            return Ok(Expr::literal(value, LogicalType::Interval));
        };
        let unit = interval_unit(field)?;
        let count = self.bind_expr(&interval.value, cx)?;
        // Seconds and what is below may have a fraction; other units count whole ones.
        let fraction =
            matches!(unit, Scalar::Interval { months: 0, days: 0, nanos } if nanos <= 1_000_000_000);
        let is_whole = count.ty().is_integer();
        let count = coerce::explicit(count, &LogicalType::Double, false)?;
        let count = if fraction && !is_whole {
            count
        } else {
            let whole = if is_whole { count } else { self.call("trunc", vec![count])? };
            coerce::explicit(whole, &LogicalType::BigInt, false)?
        };
        let product = self.call("*", vec![Expr::literal(unit, LogicalType::Interval), count])?;
        if matches!(&*interval.value, ast::Expr::Value(_)) {
            let value = self.evaluate(&product).map_err(|e| e.at(&*interval.value))?;
            return Ok(Expr::literal(value, LogicalType::Interval));
        }
        Ok(product)
    }

    pub(super) fn bind_case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&ast::Expr>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let operand = operand.map(|e| self.bind_expr(e, cx)).transpose()?;
        let mut whens = Vec::with_capacity(conditions.len());
        let mut results = Vec::with_capacity(conditions.len() + 1);
        for when in conditions {
            whens.push(match &operand {
                Some(operand) => {
                    let value = self.bind_expr(&when.condition, cx)?;
                    coerce::compare(CompareOp::Eq, operand.clone(), value)
                        .map_err(|e| e.at(&when.condition))?
                }
                None => self.bind_condition(&when.condition, cx)?,
            });
            results.push(self.bind_expr(&when.result, cx)?);
        }
        // ELSE comes first: of structs with other fields its order is that of the result.
        if let Some(otherwise) = otherwise {
            results.insert(0, self.bind_expr(otherwise, cx)?);
        }
        let parts = results.clone();
        let (mut results, ty) = coerce::unify(results, "CASE")?;
        let otherwise = otherwise.map(|_| Box::new(results.remove(0)));
        let case = Expr::Case { branches: whens.into_iter().zip(results).collect(), otherwise, ty };
        Ok(collated_like(case, &parts))
    }

    pub(super) fn bind_extract(
        &mut self,
        field: &DateTimeField,
        expr: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let field = field.to_string().trim_matches(['\'', '"']).to_lowercase();
        let part = Expr::literal(Scalar::Text(Arc::from(field.as_str())), LogicalType::Varchar);
        let value = self.bind_expr(expr, cx)?;
        self.call("date_part", vec![part, value])
    }

    pub(super) fn bind_rounding(
        &mut self,
        name: &str,
        expr: &ast::Expr,
        field: &CeilFloorKind,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        match field {
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => self.bind_call(name, &[expr], cx),
            _ => Err(SqlError::unsupported(format!("{name} with a second argument is not supported"))),
        }
    }

    pub(super) fn bind_substring(
        &mut self,
        expr: &ast::Expr,
        from: Option<&ast::Expr>,
        length: Option<&ast::Expr>,
        is_behind_from: bool,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let mut args = vec![self.bind_expr(expr, cx)?];
        match from {
            Some(from) => {
                let from = self.bind_expr(from, cx)?;
                let is_number = |text: &str| text.trim().parse::<i64>().is_ok();
                let is_pattern = match &from {
                    Expr::Literal { value: Scalar::Text(text), .. } => !is_number(text),
                    from => from.ty() == LogicalType::Varchar,
                };
                if is_pattern && length.is_none() && is_behind_from {
                    // A regular expression: what its first group matches, or all of it.
                    args.push(from);
                    let matched = self.call("regexp_match", args)?;
                    let first = Expr::literal(Scalar::Int(1), LogicalType::BigInt);
                    return self.call("list_extract", vec![matched, first]);
                }
                args.push(from);
            }
            None if length.is_some() => args.push(Expr::literal(Scalar::Int(1), LogicalType::BigInt)),
            None => {}
        }
        if let Some(length) = length {
            args.push(self.bind_expr(length, cx)?);
        }
        self.call("substring", args)
    }

    pub(super) fn bind_typed_string(&mut self, typed: &ast::TypedString) -> Result<Expr> {
        let ty = self.bind_type(&typed.data_type)?;
        let text = coerce::explicit(bind_literal(&typed.value.value)?, &ty, false)?;
        let value = self.evaluate(&text).map_err(|e| e.at_span(typed.value.span))?;
        let literal = Expr::literal(value, ty.clone());
        if !ty.is_integer() {
            return Ok(literal);
        }
        // A number whose type is given does not take that of what is around it.
        Ok(Expr::Cast { input: Box::new(literal), to: ty, or_null: false })
    }
}

/// One unit of time as an interval.
fn interval_unit(field: &DateTimeField) -> Result<Scalar> {
    use DateTimeField as F;
    const SECOND: i64 = 1_000_000_000;
    let (months, days, nanos) = match field {
        F::Year | F::Years => (12, 0, 0),
        F::Quarter => (3, 0, 0),
        F::Month | F::Months => (1, 0, 0),
        F::Week(None) | F::Weeks => (0, 7, 0),
        F::Day | F::Days => (0, 1, 0),
        F::Hour | F::Hours => (0, 0, 3_600 * SECOND),
        F::Minute | F::Minutes => (0, 0, 60 * SECOND),
        F::Second | F::Seconds => (0, 0, SECOND),
        F::Millisecond | F::Milliseconds => (0, 0, 1_000_000),
        F::Microsecond | F::Microseconds => (0, 0, 1_000),
        F::Nanosecond | F::Nanoseconds => (0, 0, 1),
        F::Decade => (120, 0, 0),
        F::Century => (1_200, 0, 0),
        F::Millenium | F::Millennium => (12_000, 0, 0),
        other => return Err(SqlError::binder(format!("{other} is no unit of an INTERVAL"))),
    };
    Ok(Scalar::Interval { months, days, nanos })
}
