//! Joins: which conditions are hashed, and which are checked for pairs.

use crate::column::predicate::CompareOp;
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::Expr;
use crate::exec::plan::{JoinKind, PlanNode};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::optimize::exprs::{and_all, compare};
use crate::sql::physical::{Built, Positions};
use crate::sql::plan::{Column, JoinType, Nearest};

/// The conditions of a join, sorted by how they can be used.
#[derive(Default)]
struct Conditions {
    /// `left = right`, each over one side.
    equal: Vec<(Expr, Expr)>,
    /// `left IS NOT DISTINCT FROM right`.
    not_distinct: Vec<(Expr, Expr)>,
    /// Everything else.
    other: Vec<Expr>,
}

impl Conditions {
    fn new(on: &[Expr], left: &ColumnSet, right: &ColumnSet) -> Self {
        let mut out = Self::default();
        for condition in on {
            let pair = match condition {
                Expr::Compare {
                    op: op @ (CompareOp::Eq | CompareOp::NotDistinctFrom),
                    left: a,
                    right: b,
                } => {
                    let (in_a, in_b) = (ColumnSet::of(a), ColumnSet::of(b));
                    if in_a.is_empty() || in_b.is_empty() {
                        None
                    } else if in_a.is_subset(left) && in_b.is_subset(right) {
                        Some((*op, a, b))
                    } else if in_a.is_subset(right) && in_b.is_subset(left) {
                        Some((*op, b, a))
                    } else {
                        None
                    }
                }
                _ => None,
            };
            match pair {
                Some((CompareOp::Eq, l, r)) => out.equal.push(((**l).clone(), (**r).clone())),
                Some((_, l, r)) => out.not_distinct.push(((**l).clone(), (**r).clone())),
                None => out.other.push(condition.clone()),
            }
        }
        out
    }
}

/// Makes equalities compare as IS NOT DISTINCT FROM, with the condition that they are not NULL.
fn add_null_safe(equal: &mut Vec<(Expr, Expr)>, null_safe: &mut Vec<(Expr, Expr)>, other: &mut Vec<Expr>) {
    for (l, r) in equal.drain(..) {
        other.push(Expr::IsNull { input: Box::new(l.clone()), negated: true });
        null_safe.push((l, r));
    }
}

/// A hash join where there is an equality to hash on, else a nested-loop join.
pub(super) fn join(mut left: Built, mut right: Built, kind: &JoinType, on: &[Expr]) -> Result<Built> {
    // A semi-join hashes the smaller side, which is then the one that its rows come from.
    let builds_left = matches!(kind, JoinType::Semi | JoinType::Anti)
        && left.plan.estimated_rows.zip(right.plan.estimated_rows).is_some_and(|(l, r)| l < r);
    if builds_left {
        std::mem::swap(&mut left, &mut right);
    }
    let (left_ids, right_ids) = (ids_of(&left), ids_of(&right));
    let Conditions { mut equal, not_distinct: mut null_safe, mut other } =
        Conditions::new(on, &left_ids, &right_ids);
    let (physical_kind, columns) = match kind {
        JoinType::Inner => (JoinKind::Inner, both(&left, &right)),
        JoinType::Left => (JoinKind::Left, both(&left, &right)),
        JoinType::Right => (JoinKind::Right, both(&left, &right)),
        JoinType::Full => (JoinKind::Full, both(&left, &right)),
        JoinType::Single => (JoinKind::LeftSingle, both(&left, &right)),
        JoinType::Semi if builds_left => (JoinKind::RightSemi, right.columns.clone()),
        JoinType::Anti if builds_left => (JoinKind::RightAnti, right.columns.clone()),
        JoinType::Semi => (JoinKind::LeftSemi, left.columns.clone()),
        JoinType::Anti => (JoinKind::LeftAnti, left.columns.clone()),
        JoinType::Mark(mark) => {
            let with_mark = left.columns.iter().chain([mark]).cloned().collect();
            (JoinKind::Mark, with_mark)
        }
    };
    // The keys of one hash join compare all with `=` or all with IS NOT DISTINCT FROM.
    let null_equals_null = !null_safe.is_empty();
    if null_equals_null {
        if matches!(kind, JoinType::Mark(_)) {
            // A mark is NULL where an `=` is, so those are evaluated pair by pair, in three-valued logic.
            other.extend(equal.drain(..).map(|(l, r)| compare(CompareOp::Eq, l, r)));
        }
        add_null_safe(&mut equal, &mut null_safe, &mut other);
    } else if matches!(kind, JoinType::Mark(_)) && (equal.len() > 1 || !other.is_empty()) {
        other.extend(equal.drain(..).map(|(l, r)| compare(CompareOp::Eq, l, r)));
    }
    let pairs = if null_equals_null { null_safe } else { equal };
    let (in_left, in_right) = (left.positions(), right.positions());
    let in_both = Positions::new(left.columns.iter().chain(&right.columns));
    let residual = and_all(other).map(|e| in_both.resolve(&e)).transpose()?;
    let (left, right) = (Box::new(left.plan), Box::new(right.plan));
    let node = if pairs.is_empty() {
        PlanNode::NestedLoopJoin { left, right, kind: physical_kind, predicate: residual }
    } else {
        let resolve = |(l, r): &(Expr, Expr)| Ok((in_left.resolve(l)?, in_right.resolve(r)?));
        let keys = pairs.iter().map(resolve).collect::<Result<_>>()?;
        PlanNode::HashJoin { left, right, kind: physical_kind, keys, residual, null_equals_null }
    };
    Ok(Built::new(node, columns))
}

/// Each row with the nearest of the other side; equal keys are hashed.
pub(super) fn as_of_join(
    left: Built,
    right: Built,
    kind: &JoinType,
    on: &[Expr],
    by: &Nearest,
) -> Result<Built> {
    let mut conditions = Conditions::new(on, &ids_of(&left), &ids_of(&right));
    let (physical_kind, columns) = match kind {
        JoinType::Inner => (JoinKind::Inner, both(&left, &right)),
        // One partner at most, so that each left row comes out once.
        JoinType::Left => (JoinKind::LeftSingle, both(&left, &right)),
        JoinType::Right => (JoinKind::Right, both(&left, &right)),
        JoinType::Full => (JoinKind::Full, both(&left, &right)),
        JoinType::Semi => (JoinKind::LeftSemi, left.columns.clone()),
        JoinType::Anti => (JoinKind::LeftAnti, left.columns.clone()),
        JoinType::Mark(_) | JoinType::Single => {
            return Err(ExecError::Internal("an as-of join of a kind that cannot be".into()));
        }
    };
    let null_equals_null = !conditions.not_distinct.is_empty();
    if null_equals_null {
        let Conditions { equal, not_distinct, other } = &mut conditions;
        add_null_safe(equal, not_distinct, other);
    }
    let pairs = if null_equals_null { conditions.not_distinct } else { conditions.equal };
    let (in_left, in_right) = (left.positions(), right.positions());
    let in_both = Positions::new(left.columns.iter().chain(&right.columns));
    let resolve = |(l, r): &(Expr, Expr)| Ok((in_left.resolve(l)?, in_right.resolve(r)?));
    let node = PlanNode::AsOfJoin {
        kind: physical_kind,
        keys: pairs.iter().map(resolve).collect::<Result<_>>()?,
        by: (in_left.resolve(&by.left)?, by.op, in_right.resolve(&by.right)?),
        residual: and_all(conditions.other).map(|e| in_both.resolve(&e)).transpose()?,
        null_equals_null,
        left: Box::new(left.plan),
        right: Box::new(right.plan),
    };
    Ok(Built::new(node, columns))
}

fn ids_of(built: &Built) -> ColumnSet {
    built.columns.iter().map(|c| c.id).collect()
}

pub(super) fn both(left: &Built, right: &Built) -> Vec<Column> {
    left.columns.iter().chain(&right.columns).cloned().collect()
}
