//! Rule: an aggregate is computed once, by no more keys than it takes, and without ceremony that does not
//! change its result.

use crate::column::types::LogicalType;
use crate::exec::aggregates::bind_aggregate;
use crate::exec::expr::{AggregateCall, Expr};
use crate::sql::optimize::columns::{ColumnSet, Substitution, substitute};
use crate::sql::optimize::exprs::{is_volatile, same, same_aggregate};
use crate::sql::optimize::properties::{as_column, is_never_null, never_null};
use crate::sql::plan::{Column, Definition, LogicalPlan};

/// Applies the rule to all aggregates of a plan.
pub fn simplify_aggregates(plan: LogicalPlan) -> LogicalPlan {
    let mut plan = plan;
    for input in plan.inputs_mut() {
        *input = simplify_aggregates(input.take());
    }
    let LogicalPlan::Aggregate { input, mut group_by, mut aggregates } = plan else { return plan };
    let counted: ColumnSet = aggregates
        .iter()
        .filter(|(_, call)| call.function.name == "count" && !call.distinct)
        .fold(ColumnSet::new(), |mut used, (_, call)| {
            used.add_exprs(&call.args);
            used
        });
    let not_null = if counted.is_empty() { ColumnSet::new() } else { never_null(&input, &counted) };
    for (_, call) in &mut aggregates {
        if call.function.name == "count"
            && !call.distinct
            && !call.args.is_empty()
            && call.args.iter().all(|e| is_never_null(e, &not_null))
            && let Ok(function) = bind_aggregate("count_star", &[], false)
        {
            *call = AggregateCall { function, args: vec![], ..call.clone() };
        }
        if !call.function.order_sensitive {
            call.order_by.clear();
        }
        if matches!(call.function.name, "min" | "max" | "bool_and" | "bool_or" | "any_value") {
            call.distinct = false;
        }
        if call.filter.as_ref().is_some_and(|f| crate::sql::optimize::exprs::is_boolean(f, true)) {
            call.filter = None;
        }
    }
    let columns: Vec<_> =
        group_by.iter().map(|d| d.column.clone()).chain(aggregates.iter().map(|(c, _)| c.clone())).collect();
    // What each column that goes is instead, over what stays.
    let mut instead: Vec<(usize, Expr)> = vec![];
    let mut keys: Vec<Definition> = vec![];
    for d in std::mem::take(&mut group_by) {
        if let Some(known) = keys.iter().find(|k| same(&k.expr, &d.expr)) {
            instead.push((d.column.id, known.column.expr()));
        } else {
            keys.push(d);
        }
    }
    // A constant does not tell groups apart; but without any key there would be a group of no rows.
    let constant = |d: &Definition| matches!(d.expr, Expr::Literal { .. });
    if keys.iter().any(|d| !constant(d)) {
        keys.retain(|d| {
            if constant(d) {
                instead.push((d.column.id, d.expr.clone()));
            }
            !constant(d)
        });
    }
    // What is computed from other keys does not tell groups apart that those do not, if equal keys are the same: 0.0 and
    // -0.0 are not, nor are a month and 30 days.
    let exact = |d: &&Definition| {
        let ty = &d.column.ty;
        !ty.is_nested() && !matches!(ty, LogicalType::Float | LogicalType::Double | LogicalType::Interval)
    };
    let bare: Substitution =
        keys.iter().filter(exact).filter_map(|d| Some((as_column(&d.expr)?, d.column.expr()))).collect();
    let all_bare: ColumnSet = bare.keys().copied().collect();
    keys.retain(|d| {
        let used = ColumnSet::of(&d.expr);
        let computed = as_column(&d.expr).is_none() && !used.is_empty() && used.is_subset(&all_bare);
        if !computed || is_volatile(&d.expr) {
            return true;
        }
        let mut expr = d.expr.clone();
        substitute(&mut expr, &bare);
        instead.push((d.column.id, expr));
        false
    });
    let mut calls: Vec<(Column, AggregateCall)> = vec![];
    for (column, call) in aggregates {
        let known = calls.iter().find(|(_, k)| same_aggregate(k, &call));
        match known {
            Some((known, _)) if !call.args.iter().any(is_volatile) => instead.push((column.id, known.expr())),
            _ => calls.push((column, call)),
        }
    }
    let aggregate = LogicalPlan::Aggregate { input, group_by: keys, aggregates: calls };
    if instead.is_empty() {
        return aggregate;
    }
    let definitions = columns
        .into_iter()
        .map(|column| match instead.iter().find(|(id, _)| *id == column.id) {
            Some((_, expr)) => Definition { column, expr: expr.clone() },
            None => Definition::pass(column),
        })
        .collect();
    LogicalPlan::Project { input: Box::new(aggregate), definitions }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::expr::CompareOp::Gt;
    use crate::sql::explain::render_logical;
    use crate::sql::optimize::testing::{Query, assert_plan};

    #[test]
    fn keys_computed_from_other_keys_are_computed_behind() {
        let mut q = Query::default();
        let t = q.table("t", 100, &[("a", 100), ("b", 10)]);
        let LogicalPlan::Aggregate { input, mut group_by, aggregates } = q.group(t, &["a"], &[]) else {
            unreachable!()
        };
        for (name, of) in [("above", "a"), ("other", "b")] {
            let expr = q.cmp_int(of, Gt, 5);
            group_by.push(Definition { column: q.named(name, expr.ty()), expr });
        }
        let plan = simplify_aggregates(LogicalPlan::Aggregate { input, group_by, aggregates });
        assert_plan(
            &render_logical(&plan),
            "
            PROJECT a, above := a > 5, other
            └─ AGGREGATE BY a, other := b > 5
               └─ GET t [a, b]",
        );
    }
}
