//! Rule: a comparison of a widened column with a constant becomes one in the column's own type.
//!
//! `CAST(i AS BIGINT) = 5` becomes `i = 5`, `CAST(d AS TIMESTAMP) < TIMESTAMP '2024-01-01 12:00'` becomes
//! `d <= DATE '2024-01-01'`, so that statistics and encodings can be used. The types covered are those
//! whose values are whole numbers in memory and whose cast multiplies them by a constant.

use std::sync::Arc;

use arrow_schema::TimeUnit;

use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::exec::zone::Zone;
use crate::sql::optimize::exprs::{compare, is_null, null};

/// Whole doubles up to here stand for one integer only.
const EXACT_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// The same comparison or IN list without the cast of its input, if there is one.
pub fn without_cast(e: &Expr, zone: &Zone) -> Option<Expr> {
    match e {
        Expr::Compare { op, left, right } => {
            let Expr::Cast { input, to, .. } = &**left else { return None };
            let Expr::Literal { value, .. } = &**right else { return None };
            let from = input.ty();
            match value {
                Scalar::Int(n) => {
                    let factor = factor(&from, to, zone)?;
                    Some(narrowed(*op, input, &from, n.div_euclid(factor), n.rem_euclid(factor) == 0))
                }
                Scalar::Float(x) if *to == LogicalType::Double && from.is_integer() => {
                    if x.abs() >= EXACT_DOUBLE {
                        return None;
                    }
                    let floor = x.floor();
                    Some(narrowed(*op, input, &from, floor as i128, floor == *x))
                }
                _ => None,
            }
        }
        Expr::InList { input, list, negated } => {
            let Expr::Cast { input, to, .. } = &**input else { return None };
            let from = input.ty();
            let factor = factor(&from, to, zone)?;
            let mut kept = vec![];
            for value in list.iter() {
                match value {
                    Scalar::Null => kept.push(Scalar::Null),
                    Scalar::Int(n) if n.rem_euclid(factor) == 0 && fits(n / factor, &from) => {
                        kept.push(Scalar::Int(n / factor));
                    }
                    Scalar::Int(_) => {}
                    _ => return None,
                }
            }
            if kept.is_empty() {
                return Some(constant_unless_null(input, *negated));
            }
            Some(Expr::InList { input: input.clone(), list: Arc::from(kept), negated: *negated })
        }
        _ => None,
    }
}

/// What a cast that loses nothing multiplies the whole number in memory with.
fn factor(from: &LogicalType, to: &LogicalType, zone: &Zone) -> Option<i128> {
    let digits = |n: u8| 10i128.checked_pow(u32::from(n));
    match (from, to) {
        (from, to) if from.is_integer() && to.is_integer() => {
            let ((from_min, from_max), (to_min, to_max)) = (from.integer_range()?, to.integer_range()?);
            (to_min <= from_min && from_max <= to_max).then_some(1)
        }
        (from, LogicalType::Decimal { scale, .. }) if from.is_integer() => digits(*scale),
        (LogicalType::Decimal { scale: a, .. }, LogicalType::Decimal { scale: b, .. }) if a <= b => {
            digits(b - a)
        }
        // In UTC the clock shows the instant.
        (from, LogicalType::TimestampTz) if zone.is_utc() => {
            factor(from, &LogicalType::Timestamp(TimeUnit::Microsecond), zone)
        }
        (LogicalType::Date, LogicalType::Timestamp(unit)) => Some(86_400 * per_second(*unit)),
        (LogicalType::Timestamp(a), LogicalType::Timestamp(b)) if per_second(*a) <= per_second(*b) => {
            Some(per_second(*b) / per_second(*a))
        }
        _ => None,
    }
}

fn per_second(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// The whole numbers that a type can hold.
fn range(ty: &LogicalType) -> Option<(i128, i128)> {
    match ty {
        LogicalType::Decimal { width, .. } => {
            let limit = 10i128.checked_pow(u32::from(*width))?;
            Some((1 - limit, limit - 1))
        }
        LogicalType::Date => Some((i32::MIN.into(), i32::MAX.into())),
        LogicalType::Timestamp(_) => Some((i64::MIN.into(), i64::MAX.into())),
        integer => integer.integer_range(),
    }
}

fn fits(n: i128, ty: &LogicalType) -> bool {
    range(ty).is_some_and(|(min, max)| min <= n && n <= max)
}

/// The comparison of `input` with a constant that lies at `floor` (`exact`) or above it and below the
/// next whole number.
fn narrowed(op: CompareOp, input: &Expr, from: &LogicalType, floor: i128, exact: bool) -> Expr {
    use CompareOp::*;
    let op = match op {
        _ if exact => op,
        // x < 5.5 and x <= 5.5 are x <= 5.
        Lt | LtEq => LtEq,
        Gt | GtEq => Gt,
        Eq => return constant_unless_null(input, false),
        NotEq => return constant_unless_null(input, true),
        NotDistinctFrom => return crate::sql::optimize::exprs::boolean(false),
        DistinctFrom => return crate::sql::optimize::exprs::boolean(true),
    };
    if fits(floor, from) {
        return compare(op, input.clone(), Expr::Literal { value: Scalar::Int(floor), ty: from.clone() });
    }
    let above = range(from).is_some_and(|(_, max)| floor > max);
    match op {
        Eq => constant_unless_null(input, false),
        NotEq => constant_unless_null(input, true),
        NotDistinctFrom => crate::sql::optimize::exprs::boolean(false),
        DistinctFrom => crate::sql::optimize::exprs::boolean(true),
        Lt | LtEq => constant_unless_null(input, above),
        Gt | GtEq => constant_unless_null(input, !above),
    }
}

/// `value`, or NULL where the input is NULL.
fn constant_unless_null(input: &Expr, value: bool) -> Expr {
    let unknown = null(LogicalType::Boolean);
    if value {
        Expr::Or(vec![unknown, crate::sql::optimize::exprs::is_not_null(input.clone())])
    } else {
        Expr::And(vec![unknown, is_null(input.clone())])
    }
}
