//! Rule: limits move down, so that less is computed in the first place.

use crate::sql::optimize::columns::{Substitution, substitute};
use crate::sql::optimize::exprs::is_volatile;
use crate::sql::plan::{JoinType, LogicalPlan};

/// Moves the limits of a plan down.
pub fn push_limits(plan: LogicalPlan) -> LogicalPlan {
    let plan = match plan {
        LogicalPlan::Limit { input, limit, offset } => push(*input, limit, offset),
        other => other,
    };
    let mut plan = plan;
    for input in plan.inputs_mut() {
        *input = push_limits(input.take());
    }
    plan
}

fn limited(input: LogicalPlan, limit: Option<u64>, offset: u64) -> LogicalPlan {
    LogicalPlan::Limit { input: Box::new(input), limit, offset }
}

fn push(input: LogicalPlan, limit: Option<u64>, offset: u64) -> LogicalPlan {
    if limit.is_none() && offset == 0 {
        return input;
    }
    // The rows that anything below has to yield at most.
    let reach = limit.map(|n| n.saturating_add(offset));
    match input {
        LogicalPlan::Limit { input, limit: inner_limit, offset: inner_offset } => {
            let rest = inner_limit.map(|n| n.saturating_sub(offset));
            let limit = match (limit, rest) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            push(*input, limit, offset.saturating_add(inner_offset))
        }
        LogicalPlan::Project { input, definitions } => {
            // With a sort below, only the rows that come out of both are projected.
            let input = Box::new(push(*input, limit, offset));
            LogicalPlan::Project { input, definitions }
        }
        LogicalPlan::Sort { input, keys } => match *input {
            LogicalPlan::Project { input: below, definitions }
                if limit.is_some() && !definitions.iter().any(|d| is_volatile(&d.expr)) =>
            {
                let map: Substitution = definitions.iter().map(|d| (d.column.id, d.expr.clone())).collect();
                let mut keys = keys;
                for k in &mut keys {
                    substitute(&mut k.expr, &map);
                }
                let sort = LogicalPlan::Sort { input: below, keys };
                let input = Box::new(push(sort, limit, offset));
                LogicalPlan::Project { input, definitions }
            }
            other => limited(LogicalPlan::Sort { input: Box::new(other), keys }, limit, offset),
        },
        LogicalPlan::With { id, name, definition, body } => {
            LogicalPlan::With { id, name, definition, body: Box::new(push(*body, limit, offset)) }
        }
        LogicalPlan::Union { inputs, columns } if reach.is_some() => {
            let inputs = inputs.into_iter().map(|p| push(p, reach, 0)).collect();
            limited(LogicalPlan::Union { inputs, columns }, limit, offset)
        }
        // Each left row yields at least one row, in place.
        LogicalPlan::Join {
            left,
            right,
            kind: kind @ (JoinType::Left | JoinType::Single),
            on,
            dependent,
        } if reach.is_some() && !starts_with_limit(&left) => {
            let left = Box::new(push(*left, reach, 0));
            limited(LogicalPlan::Join { left, right, kind, on, dependent }, limit, offset)
        }
        // Each left row yields exactly one row.
        LogicalPlan::AsOfJoin { left, right, kind: JoinType::Left, on, by } => {
            let left = Box::new(push(*left, limit, offset));
            LogicalPlan::AsOfJoin { left, right, kind: JoinType::Left, on, by }
        }
        LogicalPlan::Join { left, right, kind: kind @ JoinType::Mark(_), on, dependent } => {
            let left = Box::new(push(*left, limit, offset));
            LogicalPlan::Join { left, right, kind, on, dependent }
        }
        other => limited(other, limit, offset),
    }
}

fn starts_with_limit(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Limit { .. })
}
