//! The optimizer: rewrites a logical plan into an equivalent one that is cheaper to run.
//!
//! Each rule is a file with one entry point that takes a plan and gives a plan; [`optimize`] applies them in
//! an order in which each finds what those before it have prepared. Column ids stay what they are, so a
//! rule that moves an operator renumbers nothing.

pub mod aggregates;
pub mod cast_comparison;
pub mod columns;
pub mod common;
pub mod empty;
pub mod estimate;
pub mod exprs;
pub mod infer;
pub mod join_order;
pub mod limits;
pub mod newest;
pub mod order;
pub mod properties;
pub mod prune;
pub mod pushdown;
pub mod ranges;
pub mod simplify;
pub mod sums;
#[cfg(test)]
pub(super) mod testing;
pub mod time_parts;

use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::sql::plan::{ColumnIds, LogicalPlan};
use crate::sql::unnest;

/// What the session lets the optimizer do.
#[derive(Debug, Clone, Copy)]
pub struct OptimizerOptions {
    /// Apply the rules. Dependent joins are removed in any case.
    pub enabled: bool,
}

impl Default for OptimizerOptions {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// Makes a plan ready for [`crate::sql::physical::plan`]: removes dependent joins, then optimizes.
///
/// The result yields the same columns, in the same order and under the same ids and names, as the plan
/// given. `context` is what constants are evaluated in.
///
/// # Errors
///
/// If a correlated subquery has a form that is not supported, or an expression nests too deeply. An error in
/// evaluating a constant is left to execution.
pub fn optimize(
    plan: LogicalPlan,
    ids: &mut ColumnIds,
    context: &ExecContext,
    options: &OptimizerOptions,
) -> Result<LogicalPlan> {
    check_depth(&plan, 1)?;
    let columns = plan.columns();
    let mut plan = unnest::remove_dependent_joins(plan, ids)?;
    if !options.enabled {
        return Ok(join_order::with_columns(plan, columns));
    }
    simplify::simplify_plan(&mut plan, context);
    plan = sums::share_sums(plan, ids);
    plan = aggregates::simplify_aggregates(plan);
    plan = empty::propagate_empty(plan);
    // The second time sees the kinds of join that the first has made stricter.
    for _ in 0..2 {
        plan = pushdown::push_filters(plan, context);
        plan = empty::propagate_empty(plan);
        plan = prune::prune_columns(plan);
    }
    plan = newest::find_newest_first(plan, ids);
    plan = join_order::order_joins(plan);
    plan = order::remove_needless_order(plan);
    plan = limits::push_limits(plan);
    plan = prune::prune_columns(plan);
    plan = common::share_common_parts(plan, ids);
    Ok(join_order::with_columns(plan, columns))
}

/// What is done to plans, in order, as it is listed.
pub const RULES: &[&str] = &[
    "unnesting",
    "simplification",
    "shared_sums",
    "aggregate_simplification",
    "empty_results",
    "filter_pushdown",
    "unused_columns",
    "newest_first",
    "join_order",
    "needless_order",
    "limit_pushdown",
    "common_parts",
];

/// Operators that can lie one below the other. Running a plan recurses as deep, on the stack of whoever reads it.
const PLAN_DEPTH_MAX: usize = 500;

fn check_depth(plan: &LogicalPlan, depth: usize) -> Result<()> {
    if depth > PLAN_DEPTH_MAX {
        return Err(ExecError::InvalidInput(format!(
            "the query needs more than {PLAN_DEPTH_MAX} operators one below the other"
        )));
    }
    for e in plan.exprs() {
        if exprs::is_deeper_than(e, exprs::MAX_EXPR_DEPTH) {
            return Err(ExecError::InvalidInput(format!(
                "an expression nests more than {} levels deep",
                exprs::MAX_EXPR_DEPTH
            )));
        }
    }
    plan.inputs().into_iter().try_for_each(|p| check_depth(p, depth + 1))
}
