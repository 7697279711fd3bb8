//! Questions about expressions, and small ways to build them.

use std::sync::Arc;

use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
pub use crate::exec::expr::is_volatile;
use crate::exec::expr::{AggregateCall, Expr, SortKey};
use crate::exec::functions::ScalarFunction;
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::parameter;

/// The [`cost`] of calling a function, and more.
pub const DEAR: u32 = 16;

/// A boolean constant.
pub fn boolean(value: bool) -> Expr {
    Expr::Literal { value: Scalar::Boolean(value), ty: LogicalType::Boolean }
}

/// NULL of a type.
pub fn null(ty: LogicalType) -> Expr {
    Expr::Literal { value: Scalar::Null, ty }
}

/// A comparison.
pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
}

/// `e IS NULL`.
pub fn is_null(e: Expr) -> Expr {
    Expr::IsNull { input: Box::new(e), negated: false }
}

/// `e IS NOT NULL`.
pub fn is_not_null(e: Expr) -> Expr {
    Expr::IsNull { input: Box::new(e), negated: true }
}

/// The conjunction, or nothing for no conditions.
pub fn and_all(mut all: Vec<Expr>) -> Option<Expr> {
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Expr::And(all)),
    }
}

/// The disjunction; FALSE of nothing.
pub fn or_all(mut all: Vec<Expr>) -> Expr {
    match all.len() {
        0 => boolean(false),
        1 => all.remove(0),
        _ => Expr::Or(all),
    }
}

/// Adds the conditions that an expression is the conjunction of.
pub fn split_conjunction(e: Expr, out: &mut Vec<Expr>) {
    match e {
        Expr::And(all) => all.into_iter().for_each(|e| split_conjunction(e, out)),
        other => out.push(other),
    }
}

/// Whether the expression is this boolean constant.
pub fn is_boolean(e: &Expr, value: bool) -> bool {
    matches!(e, Expr::Literal { value: Scalar::Boolean(b), .. } if *b == value)
}

/// Whether the expression is the constant NULL.
pub fn is_null_literal(e: &Expr) -> bool {
    matches!(e, Expr::Literal { value: Scalar::Null, .. })
}

/// Whether the expression uses no column.
pub fn is_constant(e: &Expr) -> bool {
    !matches!(e, Expr::Column { .. }) && e.children().into_iter().all(is_constant)
}

/// Whether evaluating the expression may end in an error. Conservative: only what is known to be safe
/// is called so.
pub fn may_fail(e: &Expr) -> bool {
    let here = match e {
        Expr::Cast { input, to, or_null } => !or_null && !cast_is_total(&input.ty(), to),
        Expr::Call { .. } => parameter::name_of(e).is_none(),
        _ => false,
    };
    here || e.children().into_iter().any(may_fail)
}

/// Whether a cast succeeds for every value.
pub fn cast_is_total(from: &LogicalType, to: &LogicalType) -> bool {
    if from == to || *from == LogicalType::Null {
        return true;
    }
    if let (Some((from_min, from_max)), Some((to_min, to_max))) = (from.integer_range(), to.integer_range()) {
        return to_min <= from_min && from_max <= to_max;
    }
    match (from, to) {
        (_, LogicalType::Varchar) => !matches!(from, LogicalType::Blob),
        (LogicalType::Float, LogicalType::Double) => true,
        (LogicalType::Decimal { .. }, LogicalType::Double | LogicalType::Float) => true,
        (from, LogicalType::Double | LogicalType::Float) => from.is_integer(),
        (LogicalType::Date, LogicalType::Timestamp(_)) => false,
        _ => false,
    }
}

/// Whether two expressions always have the same value (two calls of a volatile function do not).
pub fn same(a: &Expr, b: &Expr) -> bool {
    let all = |a: &[Expr], b: &[Expr]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    match (a, b) {
        (Expr::Column { index: a, .. }, Expr::Column { index: b, .. }) => a == b,
        (Expr::Literal { value: a, ty: at }, Expr::Literal { value: b, ty: bt }) => {
            at == bt && same_scalar(a, b)
        }
        (Expr::Cast { input: a, to: at, or_null: an }, Expr::Cast { input: b, to: bt, or_null: bn }) => {
            an == bn && at == bt && same(a, b)
        }
        (Expr::Compare { op: ao, left: al, right: ar }, Expr::Compare { op: bo, left: bl, right: br }) => {
            (ao == bo && same(al, bl) && same(ar, br)) || (*ao == bo.swap() && same(al, br) && same(ar, bl))
        }
        (Expr::And(a), Expr::And(b))
        | (Expr::Or(a), Expr::Or(b))
        | (Expr::Coalesce(a), Expr::Coalesce(b)) => all(a, b),
        (Expr::Not(a), Expr::Not(b)) => same(a, b),
        (Expr::IsNull { input: a, negated: an }, Expr::IsNull { input: b, negated: bn }) => {
            an == bn && same(a, b)
        }
        (
            Expr::InList { input: a, list: al, negated: an },
            Expr::InList { input: b, list: bl, negated: bn },
        ) => {
            an == bn
                && same(a, b)
                && (Arc::ptr_eq(al, bl)
                    || al.len() == bl.len() && al.iter().zip(bl.iter()).all(|(a, b)| same_scalar(a, b)))
        }
        (
            Expr::Case { branches: a, otherwise: ae, ty: at },
            Expr::Case { branches: b, otherwise: be, ty: bt },
        ) => {
            at == bt
                && a.len() == b.len()
                && a.iter().zip(b).all(|((ac, ar), (bc, br))| same(ac, bc) && same(ar, br))
                && match (ae, be) {
                    (Some(a), Some(b)) => same(a, b),
                    (None, None) => true,
                    _ => false,
                }
        }
        (Expr::Call { function: f, args: a, ty: at }, Expr::Call { function: g, args: b, ty: bt }) => {
            !f.volatile
                && (Arc::ptr_eq(f, g) || f.name == g.name && same_lambda(f, g))
                && at == bt
                && all(a, b)
                && a.iter().zip(b).all(|(a, b)| a.ty() == b.ty())
        }
        _ => false,
    }
}

/// Whether two functions of one name were given the same function.
pub fn same_lambda(f: &ScalarFunction, g: &ScalarFunction) -> bool {
    match (&f.lambda, &g.lambda) {
        (None, None) => true,
        (Some(a), Some(b)) => same(a, b),
        _ => false,
    }
}

/// Whether two constants of one type are the same value.
pub fn same_scalar(a: &Scalar, b: &Scalar) -> bool {
    match (a, b) {
        (Scalar::Null, Scalar::Null) => true,
        (Scalar::Boolean(a), Scalar::Boolean(b)) => a == b,
        (Scalar::Int(a), Scalar::Int(b)) => a == b,
        // By bits: `-0.0` and `0.0` print differently, and NaN is NaN.
        (Scalar::Float(a), Scalar::Float(b)) => a.to_bits() == b.to_bits(),
        (Scalar::Text(a), Scalar::Text(b)) => a == b,
        (Scalar::Bytes(a), Scalar::Bytes(b)) => a == b,
        (
            Scalar::Interval { months: am, days: ad, nanos: an },
            Scalar::Interval { months: bm, days: bd, nanos: bn },
        ) => am == bm && ad == bd && an == bn,
        (Scalar::Nested(a), Scalar::Nested(b)) => a == b,
        _ => false,
    }
}

/// Whether two sort keys order alike.
pub fn same_sort_key(a: &SortKey, b: &SortKey) -> bool {
    a.descending == b.descending && a.nulls_first == b.nulls_first && same(&a.expr, &b.expr)
}

/// Whether two aggregates over the same rows give the same value.
pub fn same_aggregate(a: &AggregateCall, b: &AggregateCall) -> bool {
    (Arc::ptr_eq(&a.function, &b.function)
        || a.function.name == b.function.name && a.function.arg_types == b.function.arg_types)
        && a.ty == b.ty
        && a.distinct == b.distinct
        && a.args.len() == b.args.len()
        && a.args.iter().zip(&b.args).all(|(a, b)| same(a, b))
        && match (&a.filter, &b.filter) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            _ => false,
        }
        && a.order_by.len() == b.order_by.len()
        && a.order_by.iter().zip(&b.order_by).all(|(a, b)| same_sort_key(a, b))
}

/// Whether the expression is NULL whenever all of `columns` are NULL.
pub fn null_where_null(e: &Expr, columns: &ColumnSet) -> bool {
    match e {
        Expr::Column { index, .. } => columns.contains(*index),
        Expr::Literal { value, .. } => matches!(value, Scalar::Null),
        Expr::Cast { input, .. } | Expr::InList { input, .. } => null_where_null(input, columns),
        Expr::Not(input) => null_where_null(input, columns),
        Expr::Compare { op: CompareOp::DistinctFrom | CompareOp::NotDistinctFrom, .. } => false,
        Expr::Compare { left, right, .. } => {
            null_where_null(left, columns) || null_where_null(right, columns)
        }
        Expr::Call { function, args, .. } => {
            function.strict && args.iter().any(|e| null_where_null(e, columns))
        }
        Expr::And(all) | Expr::Or(all) | Expr::Coalesce(all) => {
            all.iter().all(|e| null_where_null(e, columns))
        }
        Expr::IsNull { .. } | Expr::Case { .. } => false,
    }
}

/// Whether the condition cannot be TRUE where all of `columns` are NULL.
pub fn rejects_null(e: &Expr, columns: &ColumnSet) -> bool {
    match e {
        Expr::And(all) => all.iter().any(|e| rejects_null(e, columns)),
        Expr::Or(all) => all.iter().all(|e| rejects_null(e, columns)),
        Expr::IsNull { input, negated: true } => null_where_null(input, columns),
        Expr::Not(input) => match &**input {
            Expr::IsNull { input, negated: false } => null_where_null(input, columns),
            other => null_where_null(other, columns),
        },
        Expr::Literal { value: Scalar::Boolean(false), .. } => true,
        Expr::Compare { op: CompareOp::NotDistinctFrom, left, right } => {
            // NULL IS NOT DISTINCT FROM a constant that is not NULL is FALSE.
            let constant = |e: &Expr| matches!(e, Expr::Literal { .. }) && !is_null_literal(e);
            null_where_null(left, columns) && constant(right)
                || null_where_null(right, columns) && constant(left)
        }
        other => null_where_null(other, columns),
    }
}

/// The most levels an expression may nest. Deeper ones are refused before anything recurses into them.
pub const MAX_EXPR_DEPTH: usize = 2_000;

/// Whether the expression nests deeper than `limit`; iterative, so that it can be asked of any expression.
pub fn is_deeper_than(e: &Expr, limit: usize) -> bool {
    let mut stack = vec![(e, 1)];
    while let Some((e, depth)) = stack.pop() {
        if depth > limit {
            return true;
        }
        stack.extend(e.children().into_iter().map(|c| (c, depth + 1)));
    }
    false
}

/// What computing an expression costs, roughly: how many values could be compared meanwhile. Conditions of a scan are tested in
/// this order: what statistics and encodings can decide, then what is cheap, then the rest. Reading a text as something
/// else is dear, and may fail for texts that what is cheaper drops.
pub fn cost(e: &Expr) -> u32 {
    fn operations(e: &Expr) -> u32 {
        let here = match e {
            Expr::Column { .. } | Expr::Literal { .. } => 0,
            Expr::Compare { .. } | Expr::IsNull { .. } | Expr::Not(_) | Expr::And(_) | Expr::Or(_) => 1,
            Expr::InList { .. } => 2,
            Expr::Cast { input, .. } if input.ty() == LogicalType::Varchar => DEAR,
            Expr::Cast { .. } => 4,
            Expr::Case { .. } | Expr::Coalesce(_) => 8,
            Expr::Call { function, .. } if is_operator(function.name) => 4,
            Expr::Call { .. } => DEAR,
        };
        here + e.children().into_iter().map(operations).sum::<u32>()
    }
    operations(e)
}

/// Whether a function is called by a sign: arithmetic, for the most part.
fn is_operator(name: &str) -> bool {
    !name.contains(char::is_alphanumeric)
}
