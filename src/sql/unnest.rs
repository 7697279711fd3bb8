//! Removes dependent joins, so that a correlated subquery becomes a join like any other.
//!
//! There are two ways, and the second always works:
//!
//! 1. *Hoisting.* Conditions that mention outer columns move up, out of the subquery and into the join
//!    condition. They pass aggregates, DISTINCT and LIMIT 1 where they equate an outer with an inner
//!    expression, by adding the inner one to the grouping keys. This leaves no trace of the subquery, but
//!    may compute groups that no outer row asks for, which the join then drops.
//! 2. *A domain.* The distinct values of the outer columns in question are joined into the subquery at the
//!    lowest operators that use them, are carried up through every operator (as grouping keys, as join keys),
//!    and are joined with the outer side in the end. After Neumann and Kemper, "Unnesting Arbitrary Queries".
//!
//! Both must get right that an aggregate without keys yields a row even of no input, of which `count` is 0.

mod hoist;
mod push;

pub use hoist::empty_value;

use crate::exec::error::{ExecError, Result};
use crate::exec::expr::Expr;
use crate::sql::optimize::columns::{ColumnSet, Substitution};
use crate::sql::optimize::join_order::with_columns;
use crate::sql::plan::{ColumnIds, CteId, Definition, JoinType, LogicalPlan};

/// Turns every dependent join of a plan into a plain one.
pub fn remove_dependent_joins(mut plan: LogicalPlan, ids: &mut ColumnIds) -> Result<LogicalPlan> {
    for input in plan.inputs_mut() {
        *input = remove_dependent_joins(input.take(), ids)?;
    }
    match plan {
        LogicalPlan::Join { left, right, kind, on, dependent: true } => {
            let mut columns = left.columns();
            match &kind {
                JoinType::Semi | JoinType::Anti => {}
                JoinType::Mark(mark) => columns.push(mark.clone()),
                _ => columns.extend(right.columns()),
            }
            let outer = ColumnSet::yielded(&left);
            let plan = Unnest { outer, ids, carried: vec![] }.join(*left, *right, kind, on)?;
            Ok(with_columns(plan, columns))
        }
        other => Ok(other),
    }
}

/// The removal of one dependent join, whose right side has no dependent joins left in it.
struct Unnest<'a> {
    /// The columns of the left side.
    outer: ColumnSet,
    ids: &'a mut ColumnIds,
    /// Recursions whose rows carry the outer columns along, the innermost last.
    carried: Vec<Carried>,
}

/// A recursion whose rows carry the outer columns along.
struct Carried {
    /// What its scans are called.
    ids: [CteId; 2],
    /// The columns before those.
    width: usize,
}

/// What hoisting takes out of a plan.
#[derive(Default)]
struct Hoisted {
    /// Conditions that use outer columns. Inner columns they use are yielded by the plan.
    conditions: Vec<Expr>,
    /// The plan lacks the row that the subquery has for outer rows without a match: the values its
    /// columns have there.
    missing: Option<Substitution>,
}

fn plain_join(left: LogicalPlan, right: LogicalPlan, kind: JoinType, on: Vec<Expr>) -> LogicalPlan {
    LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, on, dependent: false }
}

fn filter(input: LogicalPlan, predicates: Vec<Expr>) -> LogicalPlan {
    if predicates.is_empty() { input } else { LogicalPlan::Filter { input: Box::new(input), predicates } }
}

fn project(input: LogicalPlan, definitions: Vec<Definition>) -> LogicalPlan {
    LogicalPlan::Project { input: Box::new(input), definitions }
}

fn unsupported<T>(what: &str) -> Result<T> {
    Err(ExecError::Unsupported(format!("{what} in a correlated subquery")))
}

impl Unnest<'_> {
    fn join(
        &mut self,
        left: LogicalPlan,
        right: LogicalPlan,
        kind: JoinType,
        on: Vec<Expr>,
    ) -> Result<LogicalPlan> {
        let right = simplify_inner(right, &kind, on.is_empty());
        if !self.is_correlated(&right) {
            return Ok(plain_join(left, right, kind, on));
        }
        if matches!(kind, JoinType::Right | JoinType::Full) {
            return Err(ExecError::Unsupported("RIGHT or FULL join with a lateral right side".into()));
        }
        let (left, right, on) = match unnest_in_place(left, right, &kind, on) {
            Ok(plan) => return Ok(plan),
            Err(unchanged) => *unchanged,
        };
        let existence = matches!(kind, JoinType::Semi | JoinType::Anti | JoinType::Mark(_));
        match self.hoist_below_projection(right.clone()) {
            // A row that is missing can be made up for where the join itself asks nothing of it.
            Some((_, Hoisted { missing: Some(_), .. }))
                if existence || kind != JoinType::Inner && !on.is_empty() =>
            {
                self.join_by_domain(left, right, kind, on)
            }
            Some((inner, hoisted)) if !self.is_correlated(&inner.plan) => {
                self.join_hoisted(left, inner, hoisted, kind, on)
            }
            _ => self.join_by_domain(left, right, kind, on),
        }
    }

    fn uses_outer(&self, e: &Expr) -> bool {
        !ColumnSet::of(e).is_disjoint(&self.outer)
    }

    fn is_correlated(&self, plan: &LogicalPlan) -> bool {
        !ColumnSet::free(plan).is_disjoint(&self.outer) || self.carries(plan)
    }

    /// Whether a plan has rows of a recursion that carries the outer columns along.
    fn carries(&self, plan: &LogicalPlan) -> bool {
        !self.carried.is_empty()
            && (matches!(plan, LogicalPlan::CteScan { id, .. } if self.carried.iter().any(|c| c.ids.contains(id)))
                || plan.inputs().into_iter().any(|p| self.carries(p)))
    }
}

/// `t, unnest(t.list)` needs no join: the lists of each row are unnested where the row is.
fn unnest_in_place(
    left: LogicalPlan,
    right: LogicalPlan,
    kind: &JoinType,
    on: Vec<Expr>,
) -> std::result::Result<LogicalPlan, Box<(LogicalPlan, LogicalPlan, Vec<Expr>)>> {
    let is_unit = |p: &LogicalPlan| matches!(p, LogicalPlan::Values { rows, columns } if rows.len() == 1 && columns.is_empty());
    match (right, kind) {
        (LogicalPlan::Unnest { input, lists, ordinality, keep_empty }, JoinType::Inner)
            if is_unit(&input) =>
        {
            let input = Box::new(left);
            Ok(filter(LogicalPlan::Unnest { input, lists, ordinality, keep_empty }, on))
        }
        (LogicalPlan::Unnest { input, lists, ordinality, keep_empty: false }, JoinType::Left)
            if is_unit(&input) && on.is_empty() =>
        {
            let input = Box::new(left);
            Ok(LogicalPlan::Unnest { input, lists, ordinality, keep_empty: true })
        }
        (right, _) => Err(Box::new((left, right, on))),
    }
}

/// Drops what makes no difference under a join of this kind: order always, under semi-joins also
/// duplicates, and everything but the existence of rows where the join has no `conditions` of its own.
fn simplify_inner(plan: LogicalPlan, kind: &JoinType, unconditional: bool) -> LogicalPlan {
    let existence = matches!(kind, JoinType::Semi | JoinType::Anti | JoinType::Mark(_));
    match plan {
        LogicalPlan::Sort { input, .. } => simplify_inner(*input, kind, unconditional),
        LogicalPlan::Distinct { input, .. } if existence && unconditional => {
            simplify_inner(*input, kind, unconditional)
        }
        LogicalPlan::Distinct { input, on: None } if existence => simplify_inner(*input, kind, unconditional),
        LogicalPlan::Project { input, .. } if existence && unconditional => {
            simplify_inner(*input, kind, unconditional)
        }
        LogicalPlan::Aggregate { input, group_by, .. }
            if existence && unconditional && !group_by.is_empty() =>
        {
            simplify_inner(*input, kind, unconditional)
        }
        LogicalPlan::Limit { input, limit, offset: 0 } if existence && unconditional && limit != Some(0) => {
            simplify_inner(*input, kind, unconditional)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::column::predicate::CompareOp;
    use crate::sql::optimize::exprs::compare;
    use crate::sql::optimize::testing::{Query, assert_plan, binary, dependent, filter, int, limit, sort};
    use crate::sql::plan::{JoinType, LogicalPlan};

    fn tables(q: &mut Query) -> (LogicalPlan, LogicalPlan) {
        (q.table("o", 100, &[("ok", 100), ("ov", 50)]), q.table("i", 1000, &[("ik", 100), ("iv", 50)]))
    }

    #[test]
    fn an_uncorrelated_subquery_is_just_a_join() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = q.group(i, &[], &[("m", "max", "iv")]);
        let plan = dependent(o, i, JoinType::Single, vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            SINGLE JOIN
            ├─ GET o [ok, ov]
            └─ AGGREGATE: m := max(iv)
               └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn exists_becomes_a_semi_join_with_all_correlated_conditions() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(
            i,
            vec![q.eq("ik", "ok"), q.cmp("iv", CompareOp::NotEq, "ov"), q.cmp_int("iv", CompareOp::Gt, 3)],
        );
        let i = q.select(i, &[], vec![("one", int(1))]);
        let plan = dependent(o, limit(i, 1), JoinType::Semi, vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            SEMI JOIN ON ik = ok AND iv <> ov
            ├─ GET o [ok, ov]
            └─ FILTER iv > 3
               └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn a_scalar_aggregate_gets_the_correlated_column_as_key() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let i = q.group(i, &[], &[("m", "max", "iv")]);
        let plan = dependent(o, i, JoinType::Single, vec![]);
        let plan = q.select(plan, &["ok", "m"], vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            PROJECT ok, m
            └─ PROJECT ok, ov, m
               └─ SINGLE JOIN ON ik = ok
                  ├─ GET o [ok, ov]
                  └─ AGGREGATE BY ik: m := max(iv)
                     └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn count_of_no_rows_is_zero() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let i = q.group(i, &[], &[("n", "count_star", "*")]);
        let plan = dependent(o, i, JoinType::Single, vec![]);
        let text = q.unnested(plan);
        assert!(text.contains("CASE WHEN matched IS NOT NULL THEN"), "{text}");
        assert!(text.contains("ELSE 0 END"), "{text}");
        assert!(text.contains("SINGLE JOIN ON ik = ok"), "{text}");
    }

    #[test]
    fn an_inequality_below_an_aggregate_takes_a_domain() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.cmp("ik", CompareOp::Lt, "ok")]);
        let i = q.group(i, &["iv"], &[("m", "max", "iv")]);
        let i = q.select(i, &["m"], vec![]);
        let plan = dependent(o, i, JoinType::Inner, vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            PROJECT ok#0, ov#1, m
            └─ INNER JOIN ON ok#0 IS NOT DISTINCT FROM ok#5
               ├─ GET o [ok#0, ov#1]
               └─ PROJECT m, ok#5
                  └─ AGGREGATE BY iv, ok#5: m := max(iv)
                     └─ FILTER ik < ok#5
                        └─ CROSS JOIN
                           ├─ DISTINCT
                           │  └─ PROJECT ok#5
                           │     └─ GET o [ok#5, ov#6]
                           └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn not_in_keeps_three_valued_logic() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let mark = q.named("mark", crate::column::types::LogicalType::Boolean);
        let plan = dependent(o, i, JoinType::Mark(mark), vec![q.eq("ov", "iv")]);
        assert_plan(
            &q.unnested(plan),
            "
            MARK JOIN mark ON ov = iv AND ik IS NOT DISTINCT FROM ok
            ├─ GET o [ok, ov]
            └─ FILTER ik IS NOT NULL
               └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn limit_one_becomes_distinct_on_the_correlated_key() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let i = sort(i, vec![q.c("iv")]);
        let i = q.select(i, &["iv"], vec![]);
        let plan = dependent(o, limit(i, 1), JoinType::Left, vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            PROJECT ok, ov, iv
            └─ LEFT JOIN ON ik = ok
               ├─ GET o [ok, ov]
               └─ DISTINCT ON ik
                  └─ PROJECT iv, ik
                     └─ SORT iv
                        └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn a_projection_of_outer_columns_moves_above_the_join() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let sum = binary(CompareOp::Lt, q.c("ov"), q.c("iv"));
        let i = q.select(i, &[], vec![("less", sum)]);
        let plan = dependent(o, i, JoinType::Inner, vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            PROJECT ok, ov, less := ov < iv
            └─ INNER JOIN ON ik = ok
               ├─ GET o [ok, ov]
               └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn subqueries_nest() {
        // o WHERE EXISTS (i WHERE ik = ok AND EXISTS (j WHERE jk = iv AND jv = ov))
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let j = q.table("j", 10, &[("jk", 10), ("jv", 10)]);
        let j = filter(j, vec![q.eq("jk", "iv"), q.eq("jv", "ov")]);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let inner = dependent(i, j, JoinType::Semi, vec![]);
        let plan = dependent(o, inner, JoinType::Semi, vec![]);
        let text = q.unnested(plan);
        assert!(!text.contains("DEPENDENT"), "{text}");
        assert!(text.contains("IS NOT DISTINCT FROM"), "{text}");
    }

    #[test]
    fn a_limit_of_several_rows_numbers_them() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = limit(filter(i, vec![compare(CompareOp::Eq, q.c("ik"), q.c("ok"))]), 3);
        let plan = dependent(o, i, JoinType::Inner, vec![]);
        let text = q.unnested(plan);
        assert!(!text.contains("DEPENDENT"), "{text}");
        assert!(text.contains("FILTER number <= 3"), "{text}");
    }
}
