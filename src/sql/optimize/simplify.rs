//! Rule: expressions become shorter expressions of the same value.
//!
//! Constant parts are evaluated now (where that succeeds: an error stays what it is, an error of the rows
//! that reach it), logic is flattened and freed of what decides nothing, and NOT moves inwards.

use std::sync::Arc;

use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::context::ExecContext;
use crate::exec::eval::evaluate_constant;
use crate::exec::expr::Expr;
use crate::sql::optimize::cast_comparison;
use crate::sql::optimize::exprs::{
    boolean, compare, is_boolean, is_not_null, is_null_literal, is_volatile, null, or_all, same,
    split_conjunction,
};
use crate::sql::optimize::ranges;
use crate::sql::optimize::time_parts;
use crate::sql::plan::LogicalPlan;

/// Lists of equalities of one column that are this long become an IN list.
const IN_LIST_MIN: usize = 2;

/// Simplifies the expressions of all operators of a plan.
pub fn simplify_plan(plan: &mut LogicalPlan, context: &ExecContext) {
    match plan {
        // Literal rows of an INSERT: execution evaluates each once anyway.
        LogicalPlan::Values { .. } => {}
        LogicalPlan::Filter { predicates, .. } => simplify_conditions(predicates, context),
        LogicalPlan::TableGet { filters, .. } | LogicalPlan::SourceGet { filters, .. } => {
            simplify_conditions(filters, context);
        }
        LogicalPlan::Join { on, kind, .. } => {
            // A mark is NULL where its condition is, so its conditions are values, not filters.
            if matches!(kind, crate::sql::plan::JoinType::Mark(_)) {
                for e in on {
                    simplify(e, context);
                }
            } else {
                simplify_conditions(on, context);
            }
        }
        _ => plan.exprs_mut().into_iter().for_each(|e| simplify(e, context)),
    }
    plan.inputs_mut().into_iter().for_each(|p| simplify_plan(p, context));
}

/// Simplifies conditions that must all be TRUE: NULL is as good as FALSE in them. Conditions that cannot
/// all hold become the one condition FALSE.
pub fn simplify_conditions(conditions: &mut Vec<Expr>, context: &ExecContext) {
    let mut all = vec![];
    for mut e in conditions.drain(..) {
        simplify(&mut e, context);
        split_conjunction(e, &mut all);
    }
    for e in &mut all {
        as_filter(e, context);
    }
    let mut flat = vec![];
    for e in all {
        split_conjunction(e, &mut flat);
    }
    ranges::tighten(&mut flat);
    let mut kept: Vec<Expr> = vec![];
    for e in flat {
        if is_boolean(&e, false) || is_null_literal(&e) {
            *conditions = vec![boolean(false)];
            return;
        }
        if !is_boolean(&e, true) && !kept.iter().any(|k| same(k, &e)) {
            kept.push(e);
        }
    }
    *conditions = kept;
}

/// What may be made of an expression where NULL counts as FALSE.
fn as_filter(e: &mut Expr, context: &ExecContext) {
    if let Some(bounds) = time_parts::bounds(e, context) {
        *e = bounds;
        return;
    }
    match e {
        Expr::And(all) => {
            for e in all.iter_mut() {
                as_filter(e, context);
            }
            local(e, context);
        }
        Expr::Or(all) => {
            for e in all.iter_mut() {
                as_filter(e, context);
            }
            all.retain(|e| !is_null_literal(e));
            local(e, context);
        }
        Expr::Compare { op: CompareOp::Eq | CompareOp::LtEq | CompareOp::GtEq, left, right }
            if same(left, right) && !is_volatile(left) =>
        {
            *e = is_not_null(std::mem::replace(left, boolean(true)));
        }
        Expr::Compare { op: CompareOp::NotEq | CompareOp::Lt | CompareOp::Gt, left, right }
            if same(left, right) && !is_volatile(left) =>
        {
            *e = boolean(false);
        }
        Expr::Coalesce(all) if all.len() == 2 && is_boolean(&all[1], false) => {
            *e = all.swap_remove(0);
            as_filter(e, context);
        }
        // Both NULL AND … and the like are never TRUE.
        Expr::InList { list, negated: true, .. } if list.iter().any(Scalar::is_null) => *e = boolean(false),
        _ => {}
    }
    if let Expr::And(all) = e
        && all.iter().any(is_null_literal)
    {
        *e = boolean(false);
    }
}

/// Simplifies one expression; its value, NULL included, stays the same.
pub fn simplify(e: &mut Expr, context: &ExecContext) {
    e.children_mut().into_iter().for_each(|c| simplify(c, context));
    local(e, context);
}

/// Simplifies an expression whose parts are simple already.
fn local(e: &mut Expr, context: &ExecContext) {
    match e {
        Expr::Column { .. } | Expr::Literal { .. } => return,
        Expr::And(_) => connect(e, true, context),
        Expr::Or(_) => connect(e, false, context),
        Expr::Not(_) => push_not(e, context),
        Expr::Compare { .. } => comparison(e, context),
        Expr::Case { .. } => case(e),
        Expr::Coalesce(_) => coalesce(e),
        Expr::InList { .. } => in_list(e, context),
        Expr::Cast { input, to, .. } if input.ty() == *to => {
            *e = std::mem::replace(input, boolean(true));
            return;
        }
        _ => {}
    }
    fold(e, context);
}

/// Evaluates an operation on constants, unless it fails or must be evaluated anew each time.
fn fold(e: &mut Expr, context: &ExecContext) {
    let children = e.children();
    if matches!(e, Expr::Column { .. } | Expr::Literal { .. })
        || !children.iter().all(|c| matches!(c, Expr::Literal { .. }))
        || matches!(e, Expr::Call { function, .. } if function.volatile)
    {
        return;
    }
    if let Ok(value) = evaluate_constant(e, context) {
        *e = Expr::Literal { value, ty: e.ty() };
    }
}

/// AND (`and`) or OR of simple parts.
fn connect(e: &mut Expr, and: bool, context: &ExecContext) {
    let (Expr::And(parts) | Expr::Or(parts)) = e else { return };
    let mut all: Vec<Expr> = vec![];
    for part in std::mem::take(parts) {
        let nested = match part {
            Expr::And(inner) if and => inner,
            Expr::Or(inner) if !and => inner,
            other => vec![other],
        };
        for part in nested {
            // The value that decides the whole is the other one than that which changes nothing.
            if is_boolean(&part, !and) {
                *e = part;
                return;
            }
            if !is_boolean(&part, and) && !all.iter().any(|known| same(known, &part)) {
                all.push(part);
            }
        }
    }
    if !and {
        merge_equalities(&mut all, context);
        if let Some(factored) = factor(&mut all) {
            *e = factored;
            simplify(e, context);
            return;
        }
    }
    *e = match all.len() {
        0 => boolean(and),
        1 => all.swap_remove(0),
        _ if and => Expr::And(all),
        _ => Expr::Or(all),
    };
}

/// `x = 1 OR x = 2 OR x IN (3, 4)` becomes `x IN (1, 2, 3, 4)`.
fn merge_equalities(all: &mut Vec<Expr>, context: &ExecContext) {
    let constants = |e: &Expr| -> Option<(Expr, Vec<Scalar>)> {
        match e {
            Expr::Compare { op: CompareOp::Eq, left, right } => match &**right {
                Expr::Literal { value, .. } if !value.is_null() && !is_volatile(left) => {
                    Some(((**left).clone(), vec![value.clone()]))
                }
                _ => None,
            },
            Expr::InList { input, list, negated: false } if !is_volatile(input) => {
                Some(((**input).clone(), list.to_vec()))
            }
            _ => None,
        }
    };
    let mut groups: Vec<(usize, Expr, Vec<Scalar>, usize)> = vec![];
    let mut gone = vec![false; all.len()];
    for (i, e) in all.iter().enumerate() {
        let Some((input, values)) = constants(e) else { continue };
        match groups.iter_mut().find(|(_, known, ..)| same(known, &input)) {
            Some((_, _, list, count)) => {
                list.extend(values);
                *count += 1;
                gone[i] = true;
            }
            None => groups.push((i, input, values, 1)),
        }
    }
    for (i, input, list, count) in groups {
        if count > 1 && list.len() >= IN_LIST_MIN {
            all[i] = Expr::InList { input: Box::new(input), list: list.into(), negated: false };
            in_list(&mut all[i], context);
        }
    }
    let mut at = 0;
    all.retain(|_| {
        at += 1;
        !gone[at - 1]
    });
}

/// `(a AND x) OR (a AND y)` becomes `a AND (x OR y)`: what all alternatives ask for can be tested on its
/// own, in a scan or as a join key.
fn factor(all: &mut Vec<Expr>) -> Option<Expr> {
    if all.len() < 2 {
        return None;
    }
    let parts = |e: &Expr| -> Vec<Expr> {
        match e {
            Expr::And(parts) => parts.clone(),
            other => vec![other.clone()],
        }
    };
    let first = parts(&all[0]);
    let common: Vec<Expr> = first
        .into_iter()
        .filter(|p| !is_volatile(p) && all[1..].iter().all(|e| parts(e).iter().any(|q| same(p, q))))
        .collect();
    if common.is_empty() {
        return None;
    }
    let mut rest = vec![];
    for e in all.drain(..) {
        let mut left = parts(&e);
        left.retain(|p| !common.iter().any(|c| same(c, p)));
        match left.len() {
            0 => {
                rest.clear();
                rest.push(boolean(true));
                break;
            }
            1 => rest.push(left.swap_remove(0)),
            _ => rest.push(Expr::And(left)),
        }
    }
    let mut conjunction = common;
    conjunction.push(or_all(rest));
    Some(Expr::And(conjunction))
}

/// NOT of a simple expression: moved inwards until something absorbs it.
fn push_not(e: &mut Expr, context: &ExecContext) {
    let Expr::Not(input) = e else { return };
    let inner = std::mem::replace(&mut **input, boolean(true));
    *e = match inner {
        Expr::Not(inner) => *inner,
        Expr::Compare { op, left, right } => Expr::Compare { op: negate(op), left, right },
        Expr::IsNull { input, negated } => Expr::IsNull { input, negated: !negated },
        Expr::InList { input, list, negated } => Expr::InList { input, list, negated: !negated },
        Expr::And(all) => Expr::Or(all.into_iter().map(|e| Expr::Not(Box::new(e))).collect()),
        Expr::Or(all) => Expr::And(all.into_iter().map(|e| Expr::Not(Box::new(e))).collect()),
        other => {
            *e = Expr::Not(Box::new(other));
            return;
        }
    };
    if matches!(e, Expr::And(_) | Expr::Or(_)) {
        simplify(e, context);
    } else {
        local(e, context);
    }
}

/// The comparison that is true where this one is false. Every type has a total order, floats included.
fn negate(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::NotEq,
        CompareOp::NotEq => CompareOp::Eq,
        CompareOp::Lt => CompareOp::GtEq,
        CompareOp::LtEq => CompareOp::Gt,
        CompareOp::Gt => CompareOp::LtEq,
        CompareOp::GtEq => CompareOp::Lt,
        CompareOp::DistinctFrom => CompareOp::NotDistinctFrom,
        CompareOp::NotDistinctFrom => CompareOp::DistinctFrom,
    }
}

fn comparison(e: &mut Expr, context: &ExecContext) {
    let Expr::Compare { op, left, right } = e else { return };
    let literals = (matches!(**left, Expr::Literal { .. }), matches!(**right, Expr::Literal { .. }));
    if literals == (true, false) || is_null_literal(left) {
        std::mem::swap(left, right);
        *op = op.swap();
    }
    let null_side = is_null_literal(left) || is_null_literal(right);
    match op {
        CompareOp::DistinctFrom | CompareOp::NotDistinctFrom if is_null_literal(right) => {
            let negated = *op == CompareOp::DistinctFrom;
            *e = Expr::IsNull { input: std::mem::replace(left, Box::new(boolean(true))), negated };
            return;
        }
        _ if null_side && !is_volatile(left) && !is_volatile(right) => {
            *e = null(LogicalType::Boolean);
            return;
        }
        CompareOp::Eq | CompareOp::NotEq if left.ty() == LogicalType::Boolean => {
            // `b = true` is `b`.
            if let Expr::Literal { value: Scalar::Boolean(value), .. } = **right {
                let keep = value == (*op == CompareOp::Eq);
                let input = std::mem::replace(&mut **left, boolean(true));
                *e = if keep { input } else { Expr::Not(Box::new(input)) };
                push_not(e, context);
                return;
            }
        }
        _ => {}
    }
    if let Some(better) = cast_comparison::without_cast(e, &context.zone) {
        *e = better;
        if !matches!(e, Expr::Compare { .. }) {
            simplify(e, context);
        }
    }
}

fn case(e: &mut Expr) {
    let Expr::Case { branches, otherwise, ty } = e else { return };
    // A branch that is never taken goes; one that is always taken is the last.
    branches.retain(|(condition, _)| !is_boolean(condition, false) && !is_null_literal(condition));
    if let Some(always) = branches.iter().position(|(condition, _)| is_boolean(condition, true)) {
        let (_, result) = branches.swap_remove(always);
        branches.truncate(always);
        *otherwise = Some(Box::new(result));
    }
    if branches.is_empty() {
        *e = otherwise.take().map_or_else(|| null(ty.clone()), |e| *e);
    }
}

fn coalesce(e: &mut Expr) {
    let Expr::Coalesce(all) = e else { return };
    let ty = all.first().map_or(LogicalType::Null, Expr::ty);
    all.retain(|e| !is_null_literal(e));
    if let Some(last) = all.iter().position(|e| matches!(e, Expr::Literal { .. })) {
        all.truncate(last + 1);
    }
    match all.len() {
        0 => *e = null(ty),
        1 => *e = all.swap_remove(0),
        _ => {}
    }
}

fn in_list(e: &mut Expr, context: &ExecContext) {
    let Expr::InList { input, list, negated } = e else { return };
    if list.is_empty() || list.iter().all(Scalar::is_null) {
        return;
    }
    let mut values: Vec<Scalar> = list.to_vec();
    values.sort_by(Scalar::total_cmp);
    values.dedup();
    if values.len() == 1 {
        let op = if *negated { CompareOp::NotEq } else { CompareOp::Eq };
        let input = std::mem::replace(&mut **input, boolean(true));
        let ty = input.ty();
        *e = compare(op, input, Expr::Literal { value: values.swap_remove(0), ty });
        return;
    }
    if values.len() < list.len() {
        *list = Arc::from(values);
    }
    if let Some(better) = cast_comparison::without_cast(e, &context.zone) {
        *e = better;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::expr::CompareOp::*;
    use crate::sql::explain::write_expr;
    use crate::sql::optimize::testing::{Query, binary, context, int};

    fn text(e: &Expr, q: &Query) -> String {
        let names: Vec<String> =
            ["a", "b", "s", "i"].iter().map(|n| (q.column(n).id, (*n).to_string())).map(|(_, n)| n).collect();
        write_expr(e, &|id| names[id].clone())
    }

    fn query() -> Query {
        let mut q = Query::default();
        q.table("t", 10, &[("a", 1), ("b", 1), ("s:VARCHAR", 1), ("i:INTEGER", 1)]);
        q
    }

    #[track_caller]
    fn check(make: impl Fn(&Query) -> Expr, expected: &str) {
        let q = query();
        let mut e = make(&q);
        simplify(&mut e, &context());
        assert_eq!(text(&e, &q), expected);
    }

    #[track_caller]
    fn check_filter(make: impl Fn(&Query) -> Vec<Expr>, expected: &str) {
        let q = query();
        let mut all = make(&q);
        simplify_conditions(&mut all, &context());
        assert_eq!(all.iter().map(|e| text(e, &q)).collect::<Vec<_>>().join(" AND "), expected);
    }

    fn cast(e: Expr, to: LogicalType) -> Expr {
        Expr::Cast { input: Box::new(e), to, or_null: false }
    }

    #[test]
    fn constants_are_folded_and_failures_are_kept() {
        check(|_| binary(Lt, int(1), int(2)), "true");
        check(|_| cast(Expr::literal(Scalar::text("12"), LogicalType::Varchar), LogicalType::BigInt), "12");
        check(
            |_| cast(Expr::literal(Scalar::text("x"), LogicalType::Varchar), LogicalType::BigInt),
            "CAST('x' AS BIGINT)",
        );
    }

    #[test]
    fn logic_is_flattened_and_decided() {
        check(|q| Expr::And(vec![boolean(true), q.eq("a", "b"), q.eq("b", "a")]), "a = b");
        check(|q| Expr::And(vec![q.eq("a", "b"), boolean(false)]), "false");
        check(|q| Expr::Or(vec![q.eq("a", "b"), boolean(true)]), "true");
        check(
            |q| Expr::Not(Box::new(Expr::And(vec![q.eq("a", "b"), q.cmp("a", Lt, "b")]))),
            "a <> b OR a >= b",
        );
        check(|q| Expr::Not(Box::new(Expr::Not(Box::new(q.eq("a", "b"))))), "a = b");
    }

    #[test]
    fn equalities_of_one_column_become_a_list() {
        check(
            |q| Expr::Or(vec![q.cmp_int("a", Eq, 2), q.eq("a", "b"), q.cmp_int("a", Eq, 1)]),
            "a IN (2, 1) OR a = b",
        );
    }

    #[test]
    fn what_all_alternatives_share_comes_out() {
        check(
            |q| {
                let with = |n| Expr::And(vec![q.eq("a", "b"), q.cmp_int("b", Gt, n), q.cmp_int("a", Lt, n)]);
                Expr::Or(vec![with(1), with(2)])
            },
            "a = b AND (b > 1 AND a < 1 OR b > 2 AND a < 2)",
        );
        check(
            |q| Expr::Or(vec![q.eq("a", "b"), Expr::And(vec![q.eq("a", "b"), q.cmp_int("a", Lt, 1)])]),
            "a = b",
        );
    }

    #[test]
    fn bounds_are_merged() {
        check_filter(
            |q| vec![q.cmp_int("a", Gt, 1), q.cmp_int("a", GtEq, 5), q.cmp_int("a", Lt, 9)],
            "a >= 5 AND a < 9",
        );
        check_filter(|q| vec![q.cmp_int("a", Gt, 5), q.cmp_int("a", Lt, 5)], "false");
        check_filter(|q| vec![q.cmp_int("a", Eq, 5), q.cmp_int("a", Lt, 9)], "a = 5");
        check_filter(|q| vec![q.cmp_int("a", Eq, 5), q.cmp_int("a", Eq, 6)], "false");
        check_filter(|q| vec![q.eq("a", "a")], "a IS NOT NULL");
    }

    #[test]
    fn casts_of_columns_move_to_the_constant() {
        let wide = |q: &Query, op, n| binary(op, cast(q.c("i"), LogicalType::BigInt), int(n));
        check(|q| wide(q, Eq, 5), "i = 5");
        check(|q| wide(q, Eq, 1 << 40), "NULL AND i IS NULL");
        check_filter(|q| vec![wide(q, Eq, 1 << 40)], "false");
        check_filter(|q| vec![wide(q, Lt, 1 << 40)], "i IS NOT NULL");
        let double = |q: &Query, op, x| {
            binary(
                op,
                cast(q.c("i"), LogicalType::Double),
                Expr::literal(Scalar::Float(x), LogicalType::Double),
            )
        };
        check(|q| double(q, Lt, 5.5), "i <= 5");
        check(|q| double(q, GtEq, 5.5), "i > 5");
        check(|q| double(q, GtEq, -5.5), "i > -6");
        let decimal = LogicalType::Decimal { width: 12, scale: 2 };
        let with_decimal = |q: &Query, op, n| {
            binary(op, cast(q.c("i"), decimal.clone()), Expr::literal(Scalar::Int(n), decimal.clone()))
        };
        check(|q| with_decimal(q, Eq, 500), "i = 5");
        check(|q| with_decimal(q, Gt, -501), "i > -6");
    }

    #[test]
    fn branches_that_are_decided_go() {
        let case = |branches, otherwise: Option<Expr>| Expr::Case {
            branches,
            otherwise: otherwise.map(Box::new),
            ty: LogicalType::BigInt,
        };
        check(
            |q| case(vec![(boolean(false), int(1)), (q.eq("a", "b"), int(2))], None),
            "CASE WHEN a = b THEN 2 END",
        );
        check(|q| case(vec![(boolean(true), q.c("a")), (q.eq("a", "b"), int(2))], None), "a");
        check(
            |q| Expr::Coalesce(vec![null(LogicalType::BigInt), q.c("a"), int(1), q.c("b")]),
            "coalesce(a, 1)",
        );
    }
}
