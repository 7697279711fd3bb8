//! Removes dependent joins, so that a correlated subquery becomes a join like any other.

use crate::exec::error::{ExecError, Result};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::plan::{ColumnIds, LogicalPlan};

/// Turns every dependent join of a plan into a plain one.
pub fn remove_dependent_joins(mut plan: LogicalPlan, ids: &mut ColumnIds) -> Result<LogicalPlan> {
    for input in plan.inputs_mut() {
        *input = remove_dependent_joins(input.take(), ids)?;
    }
    if let LogicalPlan::Join { left, right, dependent, .. } = &mut plan {
        if *dependent {
            let outer = ColumnSet::yielded(left);
            if !ColumnSet::free(right).is_disjoint(&outer) {
                return Err(ExecError::Unsupported("this correlated subquery".into()));
            }
            *dependent = false;
        }
    }
    Ok(plan)
}
