//! Rule: what is known to have no rows, or to add nothing, is not computed.

use crate::exec::expr::Expr;
use crate::sql::optimize::exprs::{boolean, is_boolean, null};
use crate::sql::plan::{Column, Definition, JoinType, LogicalPlan};

/// Applies the rule to a plan, from the bottom up.
pub fn propagate_empty(plan: LogicalPlan) -> LogicalPlan {
    let mut plan = plan;
    for input in plan.inputs_mut() {
        *input = propagate_empty(input.take());
    }
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            if is_empty(&input) || predicates.iter().any(|p| is_boolean(p, false)) {
                return empty(input.columns());
            }
            LogicalPlan::Filter { input, predicates }
        }
        LogicalPlan::TableGet { columns, filters, .. } | LogicalPlan::SourceGet { columns, filters, .. }
            if filters.iter().any(|p| is_boolean(p, false)) =>
        {
            empty(columns)
        }
        LogicalPlan::Limit { input, limit: Some(0), .. } => empty(input.columns()),
        LogicalPlan::Project { ref input, .. }
        | LogicalPlan::GapFill { ref input, .. }
        | LogicalPlan::Sort { ref input, .. }
        | LogicalPlan::Limit { ref input, .. }
        | LogicalPlan::LimitBy { ref input, .. }
        | LogicalPlan::Sample { ref input, .. }
        | LogicalPlan::Unnest { ref input, .. }
        | LogicalPlan::Expand { ref input, .. }
        | LogicalPlan::With { body: ref input, .. }
        | LogicalPlan::Distinct { ref input, .. }
        | LogicalPlan::Window { ref input, .. }
            if is_empty(input) =>
        {
            empty(plan.columns())
        }
        LogicalPlan::Aggregate { ref input, ref group_by, .. } if is_empty(input) && !group_by.is_empty() => {
            empty(plan.columns())
        }
        LogicalPlan::Union { inputs, columns } => {
            let mut inputs: Vec<_> = inputs.into_iter().filter(|p| !is_empty(p)).collect();
            match inputs.len() {
                0 => empty(columns),
                1 => {
                    let input = inputs.swap_remove(0);
                    let own = input.columns();
                    let definitions = columns
                        .into_iter()
                        .zip(own)
                        .map(|(column, own)| Definition { column, expr: own.expr() })
                        .collect();
                    LogicalPlan::Project { input: Box::new(input), definitions }
                }
                _ => LogicalPlan::Union { inputs, columns },
            }
        }
        LogicalPlan::Join { left, right, kind, on, dependent } => join(*left, *right, kind, on, dependent),
        other => other,
    }
}

fn join(
    left: LogicalPlan,
    right: LogicalPlan,
    kind: JoinType,
    on: Vec<Expr>,
    dependent: bool,
) -> LogicalPlan {
    let never = on.iter().any(|c| is_boolean(c, false));
    let (no_left, no_right) = (is_empty(&left), is_empty(&right));
    let keep = |kind, on, left: LogicalPlan, right: LogicalPlan| LogicalPlan::Join {
        left: Box::new(left),
        right: Box::new(right),
        kind,
        on,
        dependent,
    };
    match kind {
        JoinType::Inner if no_left || no_right || never => {
            let columns = left.columns().into_iter().chain(right.columns()).collect();
            empty(columns)
        }
        // One row without columns, as under a SELECT without FROM, adds nothing to the other side.
        JoinType::Inner | JoinType::Left | JoinType::Single if on.is_empty() && is_unit(&right) => left,
        JoinType::Inner if on.is_empty() && is_unit(&left) => right,
        JoinType::Semi if no_left || no_right || never => empty(left.columns()),
        JoinType::Anti if no_left => empty(left.columns()),
        JoinType::Anti if no_right || never => left,
        JoinType::Left | JoinType::Single if no_left => {
            let columns = left.columns().into_iter().chain(right.columns()).collect();
            empty(columns)
        }
        JoinType::Left | JoinType::Single if no_right || never => {
            let nulls = right.columns();
            with_nulls(left, nulls, |own, nulls| own.into_iter().chain(nulls).collect())
        }
        JoinType::Right if no_right => {
            let columns = left.columns().into_iter().chain(right.columns()).collect();
            empty(columns)
        }
        JoinType::Right if no_left || never => {
            let nulls = left.columns();
            with_nulls(right, nulls, |own, nulls| nulls.into_iter().chain(own).collect())
        }
        JoinType::Full if no_right => {
            let nulls = right.columns();
            with_nulls(left, nulls, |own, nulls| own.into_iter().chain(nulls).collect())
        }
        JoinType::Full if no_left => {
            let nulls = left.columns();
            with_nulls(right, nulls, |own, nulls| nulls.into_iter().chain(own).collect())
        }
        JoinType::Mark(mark) if no_left => empty(left.columns().into_iter().chain([mark]).collect()),
        JoinType::Mark(mark) if no_right || never => {
            let mut definitions: Vec<_> = left.columns().into_iter().map(Definition::pass).collect();
            definitions.push(Definition { column: mark, expr: boolean(false) });
            LogicalPlan::Project { input: Box::new(left), definitions }
        }
        kind => keep(kind, on, left, right),
    }
}

/// The plan with further columns that are all NULL.
fn with_nulls(
    plan: LogicalPlan,
    nulls: Vec<Column>,
    arrange: impl FnOnce(Vec<Definition>, Vec<Definition>) -> Vec<Definition>,
) -> LogicalPlan {
    let own = plan.columns().into_iter().map(Definition::pass).collect();
    let nulls = nulls
        .into_iter()
        .map(|column| {
            let expr = null(column.ty.clone());
            Definition { column, expr }
        })
        .collect();
    LogicalPlan::Project { input: Box::new(plan), definitions: arrange(own, nulls) }
}

fn empty(columns: Vec<Column>) -> LogicalPlan {
    LogicalPlan::Values { rows: vec![], columns }
}

/// Whether the plan is known to yield no row.
pub fn is_empty(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Values { rows, .. } if rows.is_empty())
}

/// Whether the plan is one row of no columns.
fn is_unit(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Values { rows, columns } if rows.len() == 1 && columns.is_empty())
}
