//! The optimizer: rewrites a logical plan into an equivalent one that is cheaper to run.

pub mod columns;

use crate::exec::error::Result;
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
/// given.
pub fn optimize(plan: LogicalPlan, ids: &mut ColumnIds, options: &OptimizerOptions) -> Result<LogicalPlan> {
    let plan = unnest::remove_dependent_joins(plan, ids)?;
    if !options.enabled {
        return Ok(plan);
    }
    Ok(plan)
}
