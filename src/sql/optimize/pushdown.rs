//! Rule: conditions move down, to the scans if they can, and join kinds become stricter where the
//! conditions above allow it.

use crate::column::predicate::CompareOp;
use crate::exec::context::ExecContext;
use crate::exec::expr::Expr;
use crate::sql::optimize::columns::{ColumnSet, Substitution, substitute};
use crate::sql::optimize::exprs::{
    boolean, cost, is_boolean, is_volatile, rejects_null, same, split_conjunction,
};
use crate::sql::optimize::infer::{EqualColumns, add_by_equality, add_from_alternatives};
use crate::sql::optimize::properties::{has_exactly_one_row, has_one_partner, is_never_null, never_null};
use crate::sql::optimize::simplify::simplify_conditions;
use crate::sql::plan::{Definition, JoinType, LogicalPlan};

/// Pushes all filters of a plan down.
pub fn push_filters(plan: LogicalPlan, context: &ExecContext) -> LogicalPlan {
    Pushdown { context }.push(plan, vec![])
}

struct Pushdown<'a> {
    context: &'a ExecContext,
}

fn filter(input: LogicalPlan, predicates: Vec<Expr>) -> LogicalPlan {
    if predicates.is_empty() { input } else { LogicalPlan::Filter { input: Box::new(input), predicates } }
}

fn is_over(e: &Expr, columns: &ColumnSet) -> bool {
    let used = ColumnSet::of(e);
    !used.is_empty() && used.is_subset(columns)
}

impl Pushdown<'_> {
    /// The plan with conditions applied, as low as possible. All of them must hold.
    fn push(&self, plan: LogicalPlan, mut conditions: Vec<Expr>) -> LogicalPlan {
        match plan {
            LogicalPlan::Filter { input, predicates } => {
                for p in predicates {
                    split_conjunction(p, &mut conditions);
                }
                if conditions.len() > 1 {
                    simplify_conditions(&mut conditions, self.context);
                }
                if conditions.iter().any(|c| is_boolean(c, false)) {
                    return LogicalPlan::Values { rows: vec![], columns: input.columns() };
                }
                self.push(*input, conditions)
            }
            LogicalPlan::TableGet { table, alias, positions, columns, mut filters } => {
                filters.extend(conditions);
                self.tidy(&mut filters);
                LogicalPlan::TableGet { table, alias, positions, columns, filters }
            }
            LogicalPlan::SourceGet { source, positions, columns, mut filters } => {
                filters.extend(conditions);
                self.tidy(&mut filters);
                LogicalPlan::SourceGet { source, positions, columns, filters }
            }
            LogicalPlan::Project { input, definitions } => {
                let volatile: ColumnSet =
                    definitions.iter().filter(|d| is_volatile(&d.expr)).map(|d| d.column.id).collect();
                let map: Substitution = definitions.iter().map(|d| (d.column.id, d.expr.clone())).collect();
                let (mut down, stay): (Vec<_>, Vec<_>) =
                    conditions.into_iter().partition(|c| ColumnSet::of(c).is_disjoint(&volatile));
                for c in &mut down {
                    substitute(c, &map);
                }
                self.simplify_if_any(&mut down);
                let input = Box::new(self.push(*input, down));
                filter(LogicalPlan::Project { input, definitions }, stay)
            }
            LogicalPlan::Aggregate { input, group_by, aggregates } => {
                let keys: ColumnSet = group_by.iter().map(|d| d.column.id).collect();
                let map: Substitution = group_by.iter().map(|d| (d.column.id, d.expr.clone())).collect();
                let (mut down, stay): (Vec<_>, Vec<_>) =
                    conditions.into_iter().partition(|c| is_over(c, &keys) && !is_volatile(c));
                for c in &mut down {
                    substitute(c, &map);
                }
                let input = Box::new(self.push(*input, down));
                filter(LogicalPlan::Aggregate { input, group_by, aggregates }, stay)
            }
            LogicalPlan::Window { input, partition_by, order_by, calls } => {
                // Only whole partitions may be missing.
                let keys: ColumnSet =
                    partition_by.iter().filter_map(crate::sql::optimize::properties::as_column).collect();
                let (down, stay): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|c| {
                    !is_volatile(c)
                        && (is_over(c, &keys) || partition_by.iter().any(|key| is_said_by(c, key)))
                });
                let input = Box::new(self.push(*input, down));
                filter(LogicalPlan::Window { input, partition_by, order_by, calls }, stay)
            }
            LogicalPlan::Distinct { input, on } => {
                let keys = on.as_ref().map(|on| {
                    let columns = on.iter().filter_map(crate::sql::optimize::properties::as_column);
                    columns.collect::<ColumnSet>()
                });
                let (down, stay): (Vec<_>, Vec<_>) = conditions
                    .into_iter()
                    .partition(|c| !is_volatile(c) && keys.as_ref().is_none_or(|keys| is_over(c, keys)));
                let input = Box::new(self.push(*input, down));
                filter(LogicalPlan::Distinct { input, on }, stay)
            }
            LogicalPlan::Sort { input, keys } => {
                LogicalPlan::Sort { input: Box::new(self.push(*input, conditions)), keys }
            }
            LogicalPlan::Limit { input, limit, offset } => {
                let input = Box::new(self.push(*input, vec![]));
                filter(LogicalPlan::Limit { input, limit, offset }, conditions)
            }
            LogicalPlan::Union { inputs, columns } => {
                let (down, stay): (Vec<_>, Vec<_>) = conditions.into_iter().partition(|c| !is_volatile(c));
                let push_one = |input: LogicalPlan| {
                    let own = input.columns();
                    let map: Substitution =
                        columns.iter().zip(&own).map(|(c, own)| (c.id, own.expr())).collect();
                    let mut down = down.clone();
                    for c in &mut down {
                        substitute(c, &map);
                    }
                    self.push(input, down)
                };
                let inputs = inputs.into_iter().map(push_one).collect();
                filter(LogicalPlan::Union { inputs, columns }, stay)
            }
            LogicalPlan::With { id, name, definition, body } => {
                let definition = Box::new(self.push(*definition, vec![]));
                LogicalPlan::With { id, name, definition, body: Box::new(self.push(*body, conditions)) }
            }
            LogicalPlan::Unnest { input, lists, ordinality, keep_empty } => {
                let of_input = ColumnSet::yielded(&input);
                let (down, stay): (Vec<_>, Vec<_>) =
                    conditions.into_iter().partition(|c| !is_volatile(c) && is_over(c, &of_input));
                let input = Box::new(self.push(*input, down));
                filter(LogicalPlan::Unnest { input, lists, ordinality, keep_empty }, stay)
            }
            LogicalPlan::Join { left, right, kind: JoinType::Inner, on, dependent: false } => {
                self.inner_joins(*left, *right, on, conditions)
            }
            LogicalPlan::Join { left, right, kind, on, dependent: false } => {
                self.outer_join(*left, *right, kind, on, conditions)
            }
            LogicalPlan::AsOfJoin { left, right, kind, on, by } => {
                // Without rows of the right side the nearest would be another.
                let keeps_left = !matches!(kind, JoinType::Right | JoinType::Full);
                let in_left = ColumnSet::yielded(&left);
                let (down, stay): (Vec<_>, Vec<_>) = conditions
                    .into_iter()
                    .partition(|c| keeps_left && is_over(c, &in_left) && !is_volatile(c));
                let left = Box::new(self.push(*left, down));
                let right = Box::new(self.push(*right, vec![]));
                filter(LogicalPlan::AsOfJoin { left, right, kind, on, by }, stay)
            }
            mut other => {
                for input in other.inputs_mut() {
                    *input = self.push(input.take(), vec![]);
                }
                filter(other, conditions)
            }
        }
    }

    fn simplify_if_any(&self, conditions: &mut Vec<Expr>) {
        if !conditions.is_empty() {
            simplify_conditions(conditions, self.context);
        }
    }

    /// Puts the conditions of a scan in order: cheap ones first.
    fn tidy(&self, filters: &mut Vec<Expr>) {
        if filters.len() > 1 {
            simplify_conditions(filters, self.context);
        }
        filters.sort_by_key(cost);
    }

    /// A tree of inner joins: every condition goes to the one input that it is about, or to the lowest join
    /// that has its columns.
    fn inner_joins(
        &self,
        left: LogicalPlan,
        right: LogicalPlan,
        on: Vec<Expr>,
        mut conditions: Vec<Expr>,
    ) -> LogicalPlan {
        let mut inputs = vec![];
        conditions.extend(on);
        flatten(left, &mut inputs, &mut conditions);
        flatten(right, &mut inputs, &mut conditions);
        simplify_conditions(&mut conditions, self.context);
        let yielded: Vec<ColumnSet> = inputs.iter().map(ColumnSet::yielded).collect();
        let equal = EqualColumns::new(&conditions);
        add_by_equality(&mut conditions, &equal);
        add_from_alternatives(&mut conditions, &yielded);
        simplify_conditions(&mut conditions, self.context);
        if conditions.iter().any(|c| is_boolean(c, false)) {
            let columns = inputs.iter().flat_map(LogicalPlan::columns).collect();
            return LogicalPlan::Values { rows: vec![], columns };
        }
        let (mut on, mut above) = (vec![], vec![]);
        let mut down: Vec<Vec<Expr>> = vec![vec![]; inputs.len()];
        for c in conditions {
            if is_volatile(&c) {
                above.push(c);
            } else if let Some(i) = yielded.iter().position(|columns| is_over(&c, columns)) {
                down[i].push(c);
            } else if ColumnSet::of(&c).is_empty() {
                above.push(c);
            } else {
                on.push(c);
            }
        }
        let mut built: Option<(LogicalPlan, ColumnSet)> = None;
        for ((input, own), conditions) in inputs.into_iter().zip(yielded).zip(down) {
            let input = self.push(input, conditions);
            built = Some(match built {
                None => (input, own),
                Some((left, mut columns)) => {
                    columns.add_all(&own);
                    let (now, later) = on.into_iter().partition(|c| ColumnSet::of(c).is_subset(&columns));
                    on = later;
                    let join = LogicalPlan::Join {
                        left: Box::new(left),
                        right: Box::new(input),
                        kind: JoinType::Inner,
                        on: now,
                        dependent: false,
                    };
                    (join, columns)
                }
            });
        }
        above.extend(on);
        let joined = built.map_or_else(LogicalPlan::nothing, |(plan, _)| plan);
        filter(joined, above)
    }

    /// A join of another kind.
    fn outer_join(
        &self,
        left: LogicalPlan,
        right: LogicalPlan,
        mut kind: JoinType,
        mut on: Vec<Expr>,
        conditions: Vec<Expr>,
    ) -> LogicalPlan {
        let (in_left, in_right) = (ColumnSet::yielded(&left), ColumnSet::yielded(&right));
        if kind == JoinType::Single
            && (has_one_partner(&right, &on) || on.is_empty() && has_exactly_one_row(&right))
        {
            kind = JoinType::Left;
        }
        if kind == JoinType::Left && on.is_empty() && has_exactly_one_row(&right) {
            kind = JoinType::Inner;
        }
        kind = stricter(kind, &conditions, &in_left, &in_right);
        equate_if_never_null(&mut on, &kind, &left, &right);
        if let JoinType::Mark(mark) = &kind {
            let mark = mark.clone();
            let is_mark = |e: &Expr| matches!(e, Expr::Column { index, .. } if *index == mark.id);
            let wanted = conditions.iter().position(is_mark).map(|at| (at, JoinType::Semi, true));
            let unwanted = || {
                let not_mark = |e: &Expr| matches!(e, Expr::Not(inner) if is_mark(inner));
                let at = conditions.iter().position(not_mark)?;
                // Where a NULL is possible, NOT IN is not the same as "no partner".
                let known = never_null_in(&on, &left, &right);
                on.iter().all(|e| is_never_null(e, &known)).then_some((at, JoinType::Anti, false))
            };
            if let Some((at, kind, value)) = wanted.or_else(unwanted) {
                let mut rest = conditions;
                rest.remove(at);
                let map: Substitution = [(mark.id, boolean(value))].into();
                for c in &mut rest {
                    substitute(c, &map);
                }
                self.simplify_if_any(&mut rest);
                let mut definitions: Vec<_> = left.columns().into_iter().map(Definition::pass).collect();
                definitions.push(Definition { column: mark, expr: boolean(value) });
                let input = Box::new(self.outer_join(left, right, kind, on, rest));
                return LogicalPlan::Project { input, definitions };
            }
        }
        if kind == JoinType::Inner {
            return self.inner_joins(left, right, on, conditions);
        }
        // Which side's rows are kept whatever the join conditions say, and so may be filtered first.
        let keeps_left = !matches!(kind, JoinType::Right | JoinType::Full);
        let keeps_right = kind == JoinType::Right;
        let (mut to_left, mut to_right, mut above) = (vec![], vec![], vec![]);
        for c in conditions {
            if is_volatile(&c) {
                above.push(c);
            } else if keeps_left && is_over(&c, &in_left) {
                to_left.push(c);
            } else if keeps_right && is_over(&c, &in_right) {
                to_right.push(c);
            } else {
                above.push(c);
            }
        }
        // What must hold of one side for a pair to count may be asked of that side before, unless that side
        // keeps rows that fail it.
        let filters_right =
            matches!(kind, JoinType::Left | JoinType::Semi | JoinType::Anti | JoinType::Single);
        let filters_left = matches!(kind, JoinType::Right | JoinType::Semi);
        if !matches!(kind, JoinType::Mark(_) | JoinType::Full) {
            let mut known: Vec<Expr> = on.clone();
            known.extend(to_left.iter().chain(&to_right).cloned());
            let before = known.len();
            add_by_equality(&mut known, &EqualColumns::new(&on));
            for c in known.drain(before..) {
                if filters_right && is_over(&c, &in_right) {
                    to_right.push(c);
                } else if filters_left && is_over(&c, &in_left) {
                    to_left.push(c);
                }
            }
        }
        let mut kept = vec![];
        for c in on {
            if is_volatile(&c) {
                kept.push(c);
            } else if filters_right && is_over(&c, &in_right) {
                to_right.push(c);
            } else if filters_left && is_over(&c, &in_left) {
                to_left.push(c);
            } else if is_over(&c, &in_left) && to_left.iter().any(|known| same(known, &c)) {
                // Already asked of every left row.
            } else {
                kept.push(c);
            }
        }
        let left = Box::new(self.push(left, to_left));
        let right = Box::new(self.push(right, to_right));
        filter(LogicalPlan::Join { left, right, kind, on: kept, dependent: false }, above)
    }
}

/// Takes a tree of inner joins apart.
fn flatten(plan: LogicalPlan, inputs: &mut Vec<LogicalPlan>, conditions: &mut Vec<Expr>) {
    match plan {
        LogicalPlan::Join { left, right, kind: JoinType::Inner, on, dependent: false } => {
            conditions.extend(on);
            flatten(*left, inputs, conditions);
            flatten(*right, inputs, conditions);
        }
        LogicalPlan::Filter { input, predicates }
            if matches!(&*input, LogicalPlan::Join { kind: JoinType::Inner, dependent: false, .. }) =>
        {
            conditions.extend(predicates);
            flatten(*input, inputs, conditions);
        }
        other => inputs.push(other),
    }
}

/// The kind of join that yields the same rows, once conditions above have removed those that a side's
/// NULLs cannot pass.
fn stricter(kind: JoinType, conditions: &[Expr], in_left: &ColumnSet, in_right: &ColumnSet) -> JoinType {
    let drops = |side: &ColumnSet| conditions.iter().any(|c| rejects_null(c, side));
    match kind {
        JoinType::Left if drops(in_right) => JoinType::Inner,
        JoinType::Right if drops(in_left) => JoinType::Inner,
        JoinType::Full => match (drops(in_left), drops(in_right)) {
            (true, true) => JoinType::Inner,
            (true, false) => JoinType::Left,
            (false, true) => JoinType::Right,
            (false, false) => JoinType::Full,
        },
        other => other,
    }
}

/// The columns that conditions use of two inputs, as far as they are never NULL.
fn never_null_in(on: &[Expr], left: &LogicalPlan, right: &LogicalPlan) -> ColumnSet {
    let mut used = ColumnSet::new();
    used.add_exprs(on);
    let mut out = never_null(left, &used);
    out.add_all(&never_null(right, &used));
    out
}

/// `a IS NOT DISTINCT FROM b` is `a = b` where one of them is never NULL. In a mark join, whose mark is NULL
/// where an equality is, `a = b` is `a IS NOT DISTINCT FROM b` where both are never NULL.
fn equate_if_never_null(on: &mut [Expr], kind: &JoinType, left: &LogicalPlan, right: &LogicalPlan) {
    let is_mark = matches!(kind, JoinType::Mark(_));
    let from = if is_mark { CompareOp::Eq } else { CompareOp::NotDistinctFrom };
    if !on.iter().any(|e| matches!(e, Expr::Compare { op, .. } if *op == from)) {
        return;
    }
    let known = never_null_in(on, left, right);
    for e in on {
        let Expr::Compare { op, left, right } = e else { continue };
        let sides = [is_never_null(left, &known), is_never_null(right, &known)];
        if *op == from && is_mark && sides[0] && sides[1] {
            *op = CompareOp::NotDistinctFrom;
        } else if *op == from && !is_mark && (sides[0] || sides[1]) {
            *op = CompareOp::Eq;
        }
    }
}

/// Whether a condition is the same for all rows that have one value of a key: it is the key, or both are about the same
/// being NULL.
fn is_said_by(condition: &Expr, key: &Expr) -> bool {
    match (condition, key) {
        (Expr::IsNull { input, .. }, Expr::IsNull { input: of, .. }) => same(input, of),
        _ => same(condition, key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::types::LogicalType;
    use crate::exec::expr::CompareOp::*;
    use crate::sql::explain::render_logical;
    use crate::sql::optimize::testing::{Query, assert_plan, context, filter, join};

    fn pushed(plan: LogicalPlan) -> String {
        render_logical(&push_filters(plan, &context()))
    }

    fn two(q: &mut Query) -> (LogicalPlan, LogicalPlan) {
        (q.table("t", 100, &[("a", 100), ("b", 50)]), q.table("u", 1000, &[("c", 100), ("d", 50)]))
    }

    #[test]
    fn conditions_reach_the_scans_and_follow_equalities() {
        let mut q = Query::default();
        let (t, u) = two(&mut q);
        let plan = filter(join(t, u, JoinType::Inner, vec![]), vec![q.eq("a", "c"), q.cmp_int("a", Lt, 5)]);
        assert_plan(
            &pushed(plan),
            "
            INNER JOIN ON a = c
            ├─ GET t [a, b] WHERE a < 5
            └─ GET u [c, d] WHERE c < 5",
        );
    }

    #[test]
    fn an_outer_join_becomes_inner_where_nulls_are_rejected() {
        let mut q = Query::default();
        let (t, u) = two(&mut q);
        let plan = filter(join(t, u, JoinType::Left, vec![q.eq("a", "c")]), vec![q.cmp_int("d", Gt, 5)]);
        assert_plan(
            &pushed(plan),
            "
            INNER JOIN ON a = c
            ├─ GET t [a, b]
            └─ GET u [c, d] WHERE d > 5",
        );
    }

    #[test]
    fn an_outer_join_stays_where_nulls_may_pass() {
        let mut q = Query::default();
        let (t, u) = two(&mut q);
        let on = vec![q.eq("a", "c"), q.cmp_int("d", Lt, 7), q.cmp_int("b", Gt, 1)];
        let d_is_null = Expr::IsNull { input: Box::new(q.c("d")), negated: false };
        let plan = filter(join(t, u, JoinType::Left, on), vec![d_is_null, q.cmp_int("a", Eq, 3)]);
        assert_plan(
            &pushed(plan),
            "
            FILTER d IS NULL
            └─ LEFT JOIN ON a = c AND b > 1
               ├─ GET t [a, b] WHERE a = 3
               └─ GET u [c, d] WHERE c = 3 AND d < 7",
        );
    }

    #[test]
    fn conditions_pass_projections_and_grouping_keys() {
        let mut q = Query::default();
        let t = q.table("t", 100, &[("a", 100), ("b", 50)]);
        let grouped = q.group(t, &["a"], &[("n", "count", "b")]);
        let plan = filter(grouped, vec![q.cmp_int("a", Eq, 1), q.cmp_int("n", Gt, 2)]);
        assert_plan(
            &pushed(plan),
            "
            FILTER n > 2
            └─ AGGREGATE BY a: n := count(b)
               └─ GET t [a, b] WHERE a = 1",
        );
    }

    #[test]
    fn a_mark_that_must_hold_is_a_semi_join() {
        let mut q = Query::default();
        let (t, u) = two(&mut q);
        let mark = q.named("m", LogicalType::Boolean);
        let plan = filter(join(t, u, JoinType::Mark(mark), vec![q.eq("a", "c")]), vec![q.c("m")]);
        let text = pushed(plan);
        assert!(text.contains("SEMI JOIN ON a = c"), "{text}");
    }

    #[test]
    fn not_in_stays_a_mark_join_unless_nulls_are_ruled_out() {
        for nullable in [true, false] {
            let mut q = Query::default();
            let (t, u) = two(&mut q);
            let mark = q.named("m", LogicalType::Boolean);
            let not_null = |e| Expr::IsNull { input: Box::new(e), negated: true };
            let known = if nullable { vec![] } else { vec![not_null(q.c("a"))] };
            let (t, u) = (filter(t, known), filter(u, vec![not_null(q.c("c"))]));
            let on = vec![q.eq("a", "c")];
            let plan = filter(join(t, u, JoinType::Mark(mark), on), vec![Expr::Not(Box::new(q.c("m")))]);
            let text = pushed(plan);
            assert_eq!(text.contains("ANTI JOIN"), !nullable, "{text}");
        }
    }

    #[test]
    fn alternatives_filter_each_side() {
        let mut q = Query::default();
        let (t, u) = two(&mut q);
        let both = |q: &Query, x, y| Expr::And(vec![q.cmp_int("a", Eq, x), q.cmp_int("d", Eq, y)]);
        let either = Expr::Or(vec![both(&q, 1, 2), both(&q, 3, 4)]);
        let plan = filter(join(t, u, JoinType::Inner, vec![q.eq("b", "c")]), vec![either]);
        assert_plan(
            &pushed(plan),
            "
            INNER JOIN ON (a = 1 AND d = 2 OR a = 3 AND d = 4) AND b = c
            ├─ GET t [a, b] WHERE a IN (1, 3)
            └─ GET u [c, d] WHERE d IN (2, 4)",
        );
    }

    #[test]
    fn contradictions_leave_nothing() {
        let mut q = Query::default();
        let (t, u) = two(&mut q);
        let conditions = vec![q.eq("a", "c"), q.cmp_int("a", Eq, 1), q.cmp_int("c", Eq, 2)];
        let plan = filter(join(t, u, JoinType::Inner, vec![]), conditions);
        assert_plan(&pushed(plan), "VALUES 0 rows [a, b, c, d]");
    }
}
