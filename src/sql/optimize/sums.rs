//! Rule: sums of a value plus different constants are computed from one sum and one count.
//!
//! `sum(x), sum(x + 1), sum(x + 2)` reads and adds `x` once: `sum(x + c)` is `sum(x) + c * count(x)`. Only for
//! whole numbers, whose sums are exact.

use std::sync::Arc;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::aggregates::bind_aggregate;
use crate::exec::expr::{AggregateCall, Expr};
use crate::exec::functions::{ArgInfo, bind_scalar};
use crate::sql::optimize::exprs::{is_volatile, same, same_aggregate};
use crate::sql::plan::{Column, ColumnIds, Definition, LogicalPlan};

/// Applies the rule to all aggregates of a plan.
pub fn share_sums(mut plan: LogicalPlan, ids: &mut ColumnIds) -> LogicalPlan {
    for input in plan.inputs_mut() {
        *input = share_sums(input.take(), ids);
    }
    let LogicalPlan::Aggregate { input, group_by, aggregates } = plan else { return plan };
    let shifted: Vec<Option<Shifted>> = aggregates.iter().map(|(_, call)| Shifted::of(call)).collect();
    let alike = |s: &Shifted| {
        let of_same = |(other, (_, call)): (&Option<Shifted>, &(Column, AggregateCall))| match other {
            Some(other) => same(&other.value, &s.value),
            None => is_plain_sum(call) && same(&call.args[0], &s.value),
        };
        shifted.iter().zip(&aggregates).filter(|pair| of_same(*pair)).count()
    };
    if !shifted.iter().flatten().any(|s| alike(s) > 1) {
        return LogicalPlan::Aggregate { input, group_by, aggregates };
    }
    let mut calls: Vec<(Column, AggregateCall)> = vec![];
    let mut definitions: Vec<Definition> =
        group_by.iter().map(|d| Definition::pass(d.column.clone())).collect();
    for ((column, call), shifted) in aggregates.iter().zip(&shifted) {
        let computed = shifted.as_ref().filter(|s| alike(s) > 1).and_then(|s| {
            let mut wanted = calls.clone();
            let sum = use_call(&mut wanted, bind("sum", &s.value, call)?, "sum", ids);
            let count = use_call(&mut wanted, bind("count", &s.value, call)?, "count", ids);
            let expr = s.total(&sum, &count).filter(|e| e.ty() == column.ty)?;
            calls = wanted;
            Some(expr)
        });
        match computed {
            Some(expr) => definitions.push(Definition { column: column.clone(), expr }),
            None => {
                definitions.push(Definition::pass(column.clone()));
                calls.push((column.clone(), call.clone()));
            }
        }
    }
    let input = Box::new(LogicalPlan::Aggregate { input, group_by, aggregates: calls });
    LogicalPlan::Project { input, definitions }
}

fn is_plain_sum(call: &AggregateCall) -> bool {
    call.function.name == "sum" && !call.distinct && call.filter.is_none() && call.args.len() == 1
}

/// The column of an aggregate, which is added if it is not there yet.
fn use_call(
    calls: &mut Vec<(Column, AggregateCall)>,
    call: AggregateCall,
    name: &str,
    ids: &mut ColumnIds,
) -> Column {
    if let Some((column, _)) = calls.iter().find(|(_, known)| same_aggregate(known, &call)) {
        return column.clone();
    }
    let column = ids.column(name, call.ty.clone());
    calls.push((column.clone(), call));
    column
}

fn bind(name: &str, value: &Expr, like: &AggregateCall) -> Option<AggregateCall> {
    let function = bind_aggregate(name, &[ArgInfo { ty: value.ty(), literal: None }], false).ok()?;
    if function.arg_types != [value.ty()] {
        return None;
    }
    let ty = function.return_type.clone();
    Some(AggregateCall { function, args: vec![value.clone()], ty, ..like.clone() })
}

/// A sum of `value + constant`.
struct Shifted {
    value: Expr,
    constant: i128,
}

impl Shifted {
    fn of(call: &AggregateCall) -> Option<Self> {
        if !is_plain_sum(call) {
            return None;
        }
        let Expr::Call { function, args, .. } = &call.args[0] else { return None };
        let [value, Expr::Literal { value: Scalar::Int(constant), ty }] = args.as_slice() else {
            return None;
        };
        if is_volatile(value) || !value.ty().is_integer() || !ty.is_integer() {
            return None;
        }
        let constant = match function.name {
            "+" => *constant,
            "-" => constant.checked_neg()?,
            _ => return None,
        };
        Some(Self { value: value.clone(), constant })
    }

    /// `sum + constant * count`.
    fn total(&self, sum: &Column, count: &Column) -> Option<Expr> {
        let constant = Expr::literal(Scalar::Int(self.constant), LogicalType::HugeInt);
        let count = Expr::Cast { input: Box::new(count.expr()), to: LogicalType::HugeInt, or_null: false };
        let shift = operation("*", count, constant)?;
        operation("+", sum.expr(), shift)
    }
}

fn operation(name: &str, left: Expr, right: Expr) -> Option<Expr> {
    let info = |e: &Expr| ArgInfo { ty: e.ty(), literal: None };
    let bound = bind_scalar(name, &[info(&left), info(&right)]).ok()?;
    if bound.arg_types != [left.ty(), right.ty()] {
        return None;
    }
    let function = Arc::clone(&bound.function);
    Some(Expr::Call { function, args: vec![left, right], ty: bound.return_type })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::explain::render_logical;
    use crate::sql::optimize::testing::{Query, assert_plan, int};

    fn sum(of: Expr) -> AggregateCall {
        let function =
            bind_aggregate("sum", &[ArgInfo { ty: of.ty(), literal: None }], false).expect("sum exists");
        let ty = function.return_type.clone();
        AggregateCall { function, args: vec![of], distinct: false, filter: None, order_by: vec![], ty }
    }

    #[test]
    fn sums_of_shifted_values_share_one_sum() {
        let mut q = Query::default();
        let t = q.table("t", 100, &[("a", 100)]);
        let mut plan = q.group(t, &[], &[]);
        for (i, name) in ["s1", "s2"].iter().enumerate() {
            let call = sum(operation("+", q.c("a"), int(i as i64 + 1)).expect("integers can be added"));
            let column = q.named(name, call.ty.clone());
            let LogicalPlan::Aggregate { aggregates, .. } = &mut plan else { unreachable!() };
            aggregates.push((column, call));
        }
        assert_plan(
            &render_logical(&share_sums(plan, &mut q.ids)),
            "
            PROJECT s1 := sum + (CAST(count AS HUGEINT) * 1), s2 := sum + (CAST(count AS HUGEINT) * 2)
            └─ AGGREGATE: sum := sum(a), count := count(a)
               └─ GET t [a]",
        );
    }

    #[test]
    fn a_single_sum_stays() {
        let mut q = Query::default();
        let t = q.table("t", 100, &[("a", 100)]);
        let call = sum(operation("+", q.c("a"), int(1)).expect("integers can be added"));
        let column = q.named("s", call.ty.clone());
        let mut plan = q.group(t, &[], &[]);
        let LogicalPlan::Aggregate { aggregates, .. } = &mut plan else { unreachable!() };
        aggregates.push((column, call));
        assert!(!render_logical(&share_sums(plan, &mut q.ids)).contains("PROJECT"));
    }
}
