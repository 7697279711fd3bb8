//! ASOF and POSITIONAL joins.

use sqlparser::ast::JoinConstraint;

use crate::exec::expr::{CompareOp, Expr};
use crate::sql::bind::Binder;
use crate::sql::bind::expr::{ExprContext, conjuncts};
use crate::sql::bind::from::Bound;
use crate::sql::bind::join::using_names;
use crate::sql::bind::scope::Outer;
use crate::sql::bind::subquery::{depends_on, filter};
use crate::sql::error::{Result, SqlError};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::plan::{JoinType, LogicalPlan, Nearest};

impl Binder<'_> {
    /// A join of each left row with the nearest right one. Of USING the last column is the one to be near in.
    pub(super) fn as_of_join(
        &mut self,
        mut left: Bound,
        mut right: Bound,
        kind: JoinType,
        constraint: &JoinConstraint,
        outer: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        if depends_on(&right.plan, &left.plan) {
            return Err(SqlError::unsupported(
                "an ASOF JOIN whose right side uses columns of the left is not supported",
            ));
        }
        let conditions = match constraint {
            JoinConstraint::On(condition) => {
                let mut both = left.scope.clone();
                both.join(right.scope.clone())?;
                let mut cx = ExprContext::new(&both, outer, "JOIN condition");
                cx.allow_subqueries = false;
                conjuncts(self.bind_condition(condition, &mut cx)?)
            }
            JoinConstraint::Using(names) => {
                let names = using_names(names)?;
                let mut on = self.merge_using(&mut left, &mut right, &kind, &names)?;
                if let Some(Expr::Compare { op, .. }) = on.last_mut() {
                    *op = CompareOp::GtEq;
                }
                on
            }
            JoinConstraint::Natural | JoinConstraint::None => {
                return Err(SqlError::parser("ASOF JOIN needs ON or USING"));
            }
        };
        let (in_left, in_right) = (ColumnSet::yielded(&left.plan), ColumnSet::yielded(&right.plan));
        let (mut on, mut by) = (vec![], None);
        let (mut of_left, mut of_right) = (vec![], vec![]);
        for condition in conditions {
            let used = ColumnSet::of(&condition);
            if let Some(nearest) = inequality(&condition, &in_left, &in_right) {
                if by.replace(nearest).is_some() {
                    return Err(SqlError::binder("Multiple ASOF JOIN inequalities"));
                }
            } else if used.is_disjoint(&in_left)
                && !matches!(kind, JoinType::Right | JoinType::Full)
                && !used.is_disjoint(&in_right)
            {
                of_right.push(condition);
            } else if used.is_disjoint(&in_right) && matches!(kind, JoinType::Inner | JoinType::Semi) {
                of_left.push(condition);
            } else {
                on.push(condition);
            }
        }
        let by = Box::new(by.ok_or_else(|| SqlError::binder("Missing ASOF JOIN inequality"))?);
        let mut scope = left.scope;
        if !matches!(kind, JoinType::Semi | JoinType::Anti) {
            scope.join(right.scope)?;
        }
        let (left, right) = (Box::new(filter(left.plan, of_left)), Box::new(filter(right.plan, of_right)));
        Ok(Bound { plan: LogicalPlan::AsOfJoin { left, right, kind, on, by }, scope })
    }
}

/// The condition as an inequality of a value of the left side and one of the right.
fn inequality(condition: &Expr, in_left: &ColumnSet, in_right: &ColumnSet) -> Option<Nearest> {
    let Expr::Compare { op, left, right } = condition else { return None };
    if !matches!(op, CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq) {
        return None;
    }
    let is_over = |e: &Expr, columns: &ColumnSet, others: &ColumnSet| {
        let used = ColumnSet::of(e);
        !used.is_disjoint(columns) && used.is_disjoint(others)
    };
    if is_over(left, in_left, in_right) && is_over(right, in_right, in_left) {
        Some(Nearest { left: (**left).clone(), op: *op, right: (**right).clone() })
    } else if is_over(left, in_right, in_left) && is_over(right, in_left, in_right) {
        Some(Nearest { left: (**right).clone(), op: op.swap(), right: (**left).clone() })
    } else {
        None
    }
}

/// Row by row.
pub(super) fn positional_join(left: Bound, right: Bound) -> Result<Bound> {
    if depends_on(&right.plan, &left.plan) {
        return Err(SqlError::binder("the right side of a POSITIONAL JOIN cannot use columns of the left"));
    }
    let mut scope = left.scope;
    scope.join(right.scope)?;
    let (left, right) = (Box::new(left.plan), Box::new(right.plan));
    Ok(Bound { plan: LogicalPlan::PositionalJoin { left, right }, scope })
}
