//! Rule: what several expressions of an operator have in common is computed once, below it.
//!
//! `sum(price * (1 - discount)), sum(price * (1 - discount) * (1 + tax))` computes the product once a row.
//! Only what is computed for every row anyway is moved: a branch of a CASE may never be reached.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::exec::expr::Expr;
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::optimize::exprs::{is_volatile, same};
use crate::sql::plan::{Column, ColumnIds, Definition, LogicalPlan};

/// More parts than this are not compared with each other.
const PARTS_MAX: usize = 5_000;

/// Applies the rule to the projections and aggregates of a plan.
pub fn share_common_parts(mut plan: LogicalPlan, ids: &mut ColumnIds) -> LogicalPlan {
    for input in plan.inputs_mut() {
        *input = share_common_parts(input.take(), ids);
    }
    if !matches!(plan, LogicalPlan::Project { .. } | LogicalPlan::Aggregate { .. }) {
        return plan;
    }
    let mut parts = Parts::default();
    for (e, always) in roots(&plan) {
        parts.collect(e, always);
    }
    let common = parts.common();
    if common.is_empty() {
        return plan;
    }
    let mut shared: Vec<Definition> = vec![];
    for e in plan.exprs_mut() {
        replace(e, &common, &mut shared, ids);
    }
    // What the operator still reads directly is passed on.
    let mut used = ColumnSet::new();
    used.add_exprs(plan.exprs());
    for input in plan.inputs_mut() {
        let pass = input.columns().into_iter().filter(|c| used.contains(c.id)).map(Definition::pass);
        let definitions = pass.chain(shared.clone()).collect();
        *input = LogicalPlan::Project { input: Box::new(input.take()), definitions };
    }
    plan
}

/// The operator's expressions, and whether each is evaluated for every row.
fn roots(plan: &LogicalPlan) -> Vec<(&Expr, bool)> {
    match plan {
        LogicalPlan::Aggregate { group_by, aggregates, .. } => {
            let keys = group_by.iter().map(|d| (&d.expr, true));
            let calls = aggregates.iter().flat_map(|(_, call)| {
                let always = call.filter.is_none();
                call.exprs().into_iter().map(move |e| (e, always))
            });
            keys.chain(calls).collect()
        }
        other => other.exprs().into_iter().map(|e| (e, true)).collect(),
    }
}

/// All parts of some expressions, by hash.
#[derive(Default)]
struct Parts<'a> {
    found: HashMap<u64, Vec<Part<'a>>>,
    count: usize,
}

struct Part<'a> {
    expr: &'a Expr,
    times: usize,
    /// At least one of the occurrences is evaluated for every row.
    always: bool,
}

impl<'a> Parts<'a> {
    fn collect(&mut self, e: &'a Expr, always: bool) {
        if matches!(e, Expr::Column { .. } | Expr::Literal { .. }) || self.count > PARTS_MAX {
            return;
        }
        self.count += 1;
        let mut hasher = DefaultHasher::new();
        hash(e, &mut hasher);
        let alike = self.found.entry(hasher.finish()).or_default();
        match alike.iter_mut().find(|p| same(p.expr, e)) {
            Some(part) => {
                part.times += 1;
                part.always |= always;
            }
            None => alike.push(Part { expr: e, times: 1, always }),
        }
        for (i, child) in e.children().into_iter().enumerate() {
            let lazy = match e {
                Expr::And(_) | Expr::Or(_) | Expr::Coalesce(_) | Expr::Case { .. } => i > 0,
                _ => false,
            };
            self.collect(child, always && !lazy);
        }
    }

    /// What is worth computing once.
    fn common(self) -> Vec<Expr> {
        if self.count > PARTS_MAX {
            return vec![];
        }
        let worth = |p: &Part<'_>| {
            p.times > 1
                && p.always
                && !is_volatile(p.expr)
                && !ColumnSet::of(p.expr).is_empty()
                && is_work(p.expr)
        };
        self.found.into_values().flatten().filter(worth).map(|p| p.expr.clone()).collect()
    }
}

/// Whether computing the expression costs more than passing its result on.
fn is_work(e: &Expr) -> bool {
    matches!(e, Expr::Call { .. } | Expr::Cast { .. } | Expr::Case { .. } | Expr::InList { .. })
        || e.children().into_iter().any(is_work)
}

/// Puts columns in place of the largest common parts.
fn replace(e: &mut Expr, common: &[Expr], shared: &mut Vec<Definition>, ids: &mut ColumnIds) {
    if matches!(e, Expr::Column { .. } | Expr::Literal { .. }) {
        return;
    }
    if common.iter().any(|c| same(c, e)) {
        let known = shared.iter().find(|d| same(&d.expr, e)).map(|d| d.column.clone());
        let column = known.unwrap_or_else(|| {
            let column: Column = ids.column(format!("common{}", shared.len() + 1), e.ty());
            shared.push(Definition { column: column.clone(), expr: e.clone() });
            column
        });
        *e = column.expr();
        return;
    }
    for child in e.children_mut() {
        replace(child, common, shared, ids);
    }
}

/// A hash that is equal for expressions that are the same.
fn hash(e: &Expr, to: &mut DefaultHasher) {
    std::mem::discriminant(e).hash(to);
    match e {
        Expr::Column { index, .. } => index.hash(to),
        Expr::Literal { value, .. } => value.hash(to),
        Expr::Call { function, .. } => function.name.hash(to),
        // The sides of a comparison may be swapped.
        Expr::Compare { .. } => return,
        _ => {}
    }
    for child in e.children() {
        hash(child, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::types::LogicalType;
    use crate::sql::explain::render_logical;
    use crate::sql::optimize::testing::{Query, assert_plan, call};

    fn cast(e: Expr) -> Expr {
        Expr::Cast { input: Box::new(e), to: LogicalType::Double, or_null: false }
    }

    #[test]
    fn arguments_of_aggregates_are_computed_once() {
        let mut q = Query::default();
        let t = q.table("t", 100, &[("a", 100), ("b", 50)]);
        let mut plan = q.group(t, &["b"], &[]);
        let (sum, max) = (q.named("s", LogicalType::BigInt), q.named("m", LogicalType::BigInt));
        if let LogicalPlan::Aggregate { aggregates, .. } = &mut plan {
            aggregates.push((sum, call("sum", vec![cast(q.c("a"))])));
            aggregates.push((max, call("max", vec![cast(q.c("a"))])));
        }
        assert_plan(
            &render_logical(&share_common_parts(plan, &mut q.ids)),
            "
            AGGREGATE BY b: s := sum(common1), m := max(common1)
            └─ PROJECT b, common1 := CAST(a AS DOUBLE)
               └─ GET t [a, b]",
        );
    }

    #[test]
    fn what_only_some_rows_reach_stays() {
        let mut q = Query::default();
        let t = q.table("t", 100, &[("a", 100), ("b", 50)]);
        let guarded = |q: &Query| Expr::Case {
            branches: vec![(q.eq("a", "b"), cast(q.c("a")))],
            otherwise: None,
            ty: LogicalType::Double,
        };
        let (x, y) = (guarded(&q), Expr::Coalesce(vec![cast(q.c("b")), cast(q.c("a"))]));
        let plan = q.select(t, &[], vec![("x", x), ("y", y)]);
        let text = render_logical(&share_common_parts(plan, &mut q.ids));
        assert!(!text.contains("common"), "{text}");
    }
}
