//! Rule: sorts and distinctions that make no difference go.

use crate::exec::expr::{AggregateCall, SortKey};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::optimize::exprs::same_sort_key;
use crate::sql::optimize::properties::is_unique;
use crate::sql::plan::{JoinType, LogicalPlan};

/// Removes needless sorts and distinctions from a plan whose own order matters.
pub fn remove_needless_order(plan: LogicalPlan) -> LogicalPlan {
    walk(plan, true)
}

/// `ordered`: whether the order of the rows matters to whoever uses the plan.
fn walk(plan: LogicalPlan, ordered: bool) -> LogicalPlan {
    match plan {
        LogicalPlan::Sort { input, keys } => {
            // Another order below is undone here, but decides between equal rows: a stable sort keeps it.
            let input = walk(*input, ordered);
            if !ordered || is_unique(&input, &ColumnSet::new()) {
                return input;
            }
            let sorted_already = |below: &[SortKey]| {
                below.len() >= keys.len() && keys.iter().zip(below).all(|(a, b)| same_sort_key(a, b))
            };
            match input {
                LogicalPlan::Sort { keys: ref below, .. } if sorted_already(below) => input,
                input => LogicalPlan::Sort { input: Box::new(input), keys },
            }
        }
        LogicalPlan::Limit { input, limit, offset } => {
            LogicalPlan::Limit { input: Box::new(walk(*input, true)), limit, offset }
        }
        LogicalPlan::Distinct { input, on } => {
            let keeps_first = on.is_some();
            let input = walk(*input, ordered || keeps_first);
            let all = ColumnSet::yielded(&input);
            if !keeps_first && is_unique(&input, &all) {
                return input;
            }
            LogicalPlan::Distinct { input: Box::new(input), on }
        }
        LogicalPlan::Aggregate { input, group_by, aggregates } => {
            let by_order = |call: &AggregateCall| call.function.order_sensitive && call.order_by.is_empty();
            let ordered = aggregates.iter().any(|(_, call)| by_order(call));
            LogicalPlan::Aggregate { input: Box::new(walk(*input, ordered)), group_by, aggregates }
        }
        // Among equal rows, and where the window has no order, that of the input decides.
        LogicalPlan::Window { input, partition_by, order_by, calls } => {
            let input = Box::new(walk(*input, true));
            LogicalPlan::Window { input, partition_by, order_by, calls }
        }
        LogicalPlan::Join { left, right, kind, on, dependent } => {
            let right_matters =
                ordered && !matches!(kind, JoinType::Semi | JoinType::Anti | JoinType::Mark(_));
            let left = Box::new(walk(*left, ordered));
            let right = Box::new(walk(*right, right_matters));
            LogicalPlan::Join { left, right, kind, on, dependent }
        }
        LogicalPlan::LimitBy { input, limit, offset, percent } => {
            LogicalPlan::LimitBy { input: Box::new(walk(*input, true)), limit, offset, percent }
        }
        // Whoever scans the definition may need its order.
        LogicalPlan::With { id, name, definition, body } => {
            let definition = Box::new(walk(*definition, true));
            LogicalPlan::With { id, name, definition, body: Box::new(walk(*body, ordered)) }
        }
        mut plan @ LogicalPlan::Recursive { .. } => {
            for input in plan.inputs_mut() {
                *input = walk(input.take(), true);
            }
            plan
        }
        // The first of equally near rows is taken; rows go by their number.
        mut join @ (LogicalPlan::AsOfJoin { .. } | LogicalPlan::PositionalJoin { .. }) => {
            for input in join.inputs_mut() {
                *input = walk(input.take(), true);
            }
            join
        }
        mut other => {
            for input in other.inputs_mut() {
                *input = walk(input.take(), ordered);
            }
            other
        }
    }
}
