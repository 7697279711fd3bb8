//! Rule: inner joins in the order, and with the build sides, that handle the fewest rows.
//!
//! All orders that follow the join conditions are compared (dynamic programming over connected sets of
//! inputs); beyond `EXHAUSTIVE_MAX` inputs the cheapest pair is joined first, again and again. Inputs that
//! nothing connects come together last, as cross products.

use std::collections::HashMap;

use crate::column::predicate::CompareOp;
use crate::exec::expr::Expr;
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::optimize::estimate::{Estimate, estimate, selectivity};
use crate::sql::optimize::exprs::compare;
use crate::sql::optimize::properties::{as_column, has_exactly_one_row};
use crate::sql::plan::{Column, ColumnId, CteId, Definition, JoinType, LogicalPlan};

/// More inputs than this are ordered greedily: the number of sets grows as 3 to the power of inputs.
const EXHAUSTIVE_MAX: usize = 11;
/// What a row costs to build a hash table from, compared with one that probes it or comes out of a join.
const BUILD_COST: f64 = 2.5;

/// Orders all joins of a plan. Columns keep their ids, but may come in another order.
pub fn order_joins(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Join { kind: JoinType::Inner, dependent: false, .. } => {
            let mut cluster = Cluster::default();
            cluster.flatten(plan);
            cluster.inputs = cluster.inputs.into_iter().map(order_joins).collect();
            cluster.order()
        }
        LogicalPlan::Join { left, right, kind, on, dependent: false } => {
            let right = order_joins(*right);
            if matches!(kind, JoinType::Semi | JoinType::Anti) {
                return semi_join(*left, right, kind, on);
            }
            let left = order_joins(*left);
            sided(left, right, kind, on)
        }
        // Columns of these go by position.
        LogicalPlan::Union { inputs, columns } => {
            LogicalPlan::Union { inputs: inputs.into_iter().map(in_place).collect(), columns }
        }
        LogicalPlan::Write { input, sink, count } => {
            LogicalPlan::Write { input: Box::new(in_place(*input)), sink, count }
        }
        LogicalPlan::With { id, name, definition, mut body } => {
            let definition = in_place(*definition);
            tell_rows(&mut body, id, estimate(&definition).rows);
            let body = Box::new(order_joins(*body));
            LogicalPlan::With { id, name, definition: Box::new(definition), body }
        }
        LogicalPlan::Recursive { id, all, name, anchor, mut step, columns, kind } => {
            let anchor = Box::new(in_place(*anchor));
            tell_rows(&mut step, id, estimate(&anchor).rows);
            let step = Box::new(in_place(*step));
            LogicalPlan::Recursive { id, all, name, anchor, step, columns, kind }
        }
        mut other => {
            for input in other.inputs_mut() {
                *input = order_joins(input.take());
            }
            other
        }
    }
}

/// Notes in all scans of a common table expression how many rows it may have.
fn tell_rows(plan: &mut LogicalPlan, cte: CteId, guess: f64) {
    if let LogicalPlan::CteScan { id, rows, .. } = plan
        && *id == cte
    {
        *rows = guess;
    }
    plan.inputs_mut().into_iter().for_each(|p| tell_rows(p, cte, guess));
}

/// Orders the joins of a plan whose columns must stay in their order.
fn in_place(plan: LogicalPlan) -> LogicalPlan {
    let columns = plan.columns();
    with_columns(order_joins(plan), columns)
}

/// The plan with exactly these columns.
pub fn with_columns(plan: LogicalPlan, columns: Vec<Column>) -> LogicalPlan {
    if plan.columns() == columns {
        return plan;
    }
    let definitions = columns.into_iter().map(Definition::pass).collect();
    LogicalPlan::Project { input: Box::new(plan), definitions }
}

fn join(left: LogicalPlan, right: LogicalPlan, kind: JoinType, on: Vec<Expr>) -> LogicalPlan {
    LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, on, dependent: false }
}

/// An outer join, its sides swapped if the left one is the better one to build a hash table from.
fn sided(left: LogicalPlan, right: LogicalPlan, kind: JoinType, on: Vec<Expr>) -> LogicalPlan {
    let mirrored = match kind {
        JoinType::Left => JoinType::Right,
        JoinType::Right => JoinType::Left,
        JoinType::Full => JoinType::Full,
        _ => return join(left, right, kind, on),
    };
    if estimate(&left).rows < estimate(&right).rows {
        join(right, left, mirrored, on)
    } else {
        join(left, right, kind, on)
    }
}

/// A semi- or anti-join over inner joins: it filters the one input that it is about, before the joins, if
/// those do not thin out the rows themselves.
fn semi_join(left: LogicalPlan, right: LogicalPlan, kind: JoinType, on: Vec<Expr>) -> LogicalPlan {
    let mut cluster = Cluster::default();
    cluster.flatten(left);
    let mut used = ColumnSet::new();
    used.add_exprs(&on);
    let about = cluster.inputs.iter().position(|input| {
        let own = ColumnSet::yielded(input);
        let used = used.intersection(&all_columns(&cluster.inputs));
        !used.is_empty() && used.is_subset(&own)
    });
    cluster.inputs = cluster.inputs.into_iter().map(order_joins).collect();
    let Some(about) = about.filter(|_| cluster.inputs.len() > 1) else {
        return join(cluster.order(), right, kind, on);
    };
    let after = cluster.clone().order();
    if estimate(&cluster.inputs[about]).rows > estimate(&after).rows {
        return join(after, right, kind, on);
    }
    let input = cluster.inputs[about].take();
    cluster.inputs[about] = join(input, right, kind, on);
    cluster.order()
}

fn all_columns(inputs: &[LogicalPlan]) -> ColumnSet {
    let mut out = ColumnSet::new();
    for p in inputs {
        out.add_all(&ColumnSet::yielded(p));
    }
    out
}

/// Inputs that are joined with each other, and the conditions.
#[derive(Debug, Default, Clone)]
struct Cluster {
    inputs: Vec<LogicalPlan>,
    conditions: Vec<Expr>,
}

/// A set of inputs, a bit for each.
type Set = u64;

/// Two sets of inputs joined.
#[derive(Debug, Clone, Copy)]
struct Step {
    probe: Set,
    build: Set,
    cost: f64,
    rows: f64,
}

/// What is known of a cluster's inputs while they are ordered.
struct Graph {
    inputs: Vec<Estimate>,
    /// Columns that are equal: for each, the inputs that have one of them, with its distinct count.
    classes: Vec<Vec<(usize, f64)>>,
    /// Conditions other than equalities of columns: the inputs they use, the share that satisfies them,
    /// whether they can be hashed.
    others: Vec<(Set, f64, bool)>,
    /// For pairs of inputs with several equalities, how much more rows they join to than if the
    /// equalities were independent.
    corrections: Vec<(Set, f64)>,
    /// For each input, those that a condition worth joining by connects it with.
    neighbours: Vec<Set>,
}

impl Cluster {
    fn flatten(&mut self, plan: LogicalPlan) {
        match plan {
            LogicalPlan::Join { left, right, kind: JoinType::Inner, on, dependent: false } => {
                self.conditions.extend(on);
                self.flatten(*left);
                self.flatten(*right);
            }
            LogicalPlan::Filter { input, predicates }
                if matches!(&*input, LogicalPlan::Join { kind: JoinType::Inner, dependent: false, .. })
                    && !predicates.iter().any(crate::sql::optimize::exprs::is_volatile) =>
            {
                self.conditions.extend(predicates);
                self.flatten(*input);
            }
            // A projection that only passes columns on does not matter inside of joins.
            LogicalPlan::Project { input, definitions }
                if definitions.iter().all(Definition::is_pass)
                    && matches!(
                        &*input,
                        LogicalPlan::Join { kind: JoinType::Inner, dependent: false, .. }
                    ) =>
            {
                self.flatten(*input);
            }
            other => self.inputs.push(other),
        }
    }

    fn order(mut self) -> LogicalPlan {
        if self.inputs.len() == 1 && self.conditions.is_empty() {
            return self.inputs.swap_remove(0);
        }
        if self.inputs.len() > 64 {
            // A set is a word; more inputs than that are joined as they come, which no one writes by hand.
            return self.in_written_order();
        }
        let columns: Vec<ColumnSet> = self.inputs.iter().map(ColumnSet::yielded).collect();
        let (equalities, rest) = Equalities::split(std::mem::take(&mut self.conditions), &columns);
        let graph = Graph::new(&self.inputs, &columns, &equalities, &rest);
        let steps = graph.best_order();
        let mut built: HashMap<Set, LogicalPlan> =
            self.inputs.into_iter().enumerate().map(|(i, plan)| (1 << i, plan)).collect();
        let mut rest: Vec<Option<Expr>> = rest.into_iter().map(Some).collect();
        let mut last = LogicalPlan::nothing();
        let mut last_set = 0;
        for step in &steps {
            let (Some(probe), Some(build)) = (built.remove(&step.probe), built.remove(&step.build)) else {
                continue;
            };
            let set = step.probe | step.build;
            let mut on = equalities.between(step.probe, step.build, &columns);
            let inside = |e: &Expr| inputs_of(e, &columns) & !set == 0;
            on.extend(rest.iter_mut().filter(|e| e.as_ref().is_some_and(inside)).filter_map(Option::take));
            built.insert(set, join(probe, build, JoinType::Inner, on));
            last_set = set;
        }
        if let Some(plan) = built.remove(&last_set).or_else(|| built.into_values().next()) {
            last = plan;
        }
        let above: Vec<Expr> = rest.into_iter().flatten().collect();
        if above.is_empty() { last } else { LogicalPlan::Filter { input: Box::new(last), predicates: above } }
    }

    fn in_written_order(self) -> LogicalPlan {
        let mut inputs = self.inputs.into_iter();
        let first = inputs.next().unwrap_or_else(LogicalPlan::nothing);
        let mut conditions = self.conditions;
        let (plan, _) =
            inputs.fold((first.clone(), ColumnSet::yielded(&first)), |(plan, mut columns), input| {
                columns.add_all(&ColumnSet::yielded(&input));
                let (now, later) = std::mem::take(&mut conditions)
                    .into_iter()
                    .partition(|c| ColumnSet::of(c).is_subset(&columns));
                conditions = later;
                (join(plan, input, JoinType::Inner, now), columns)
            });
        if conditions.is_empty() {
            plan
        } else {
            LogicalPlan::Filter { input: Box::new(plan), predicates: conditions }
        }
    }
}

/// The inputs that an expression uses.
fn inputs_of(e: &Expr, columns: &[ColumnSet]) -> Set {
    let used = ColumnSet::of(e);
    columns.iter().enumerate().filter(|(_, own)| !own.is_disjoint(&used)).map(|(i, _)| 1 << i).sum()
}

/// Columns of the inputs that are equal to each other.
#[derive(Debug, Default)]
struct Equalities {
    classes: Vec<Vec<Member>>,
}

#[derive(Debug, Clone)]
struct Member {
    input: usize,
    column: Expr,
    id: ColumnId,
}

impl Equalities {
    /// Takes the equalities of columns out of the conditions.
    fn split(conditions: Vec<Expr>, columns: &[ColumnSet]) -> (Self, Vec<Expr>) {
        let mut out = Self::default();
        let mut rest = vec![];
        for e in conditions {
            if !out.add(&e, columns) {
                rest.push(e);
            }
        }
        (out, rest)
    }

    fn add(&mut self, e: &Expr, columns: &[ColumnSet]) -> bool {
        let Expr::Compare { op: CompareOp::Eq, left, right } = e else { return false };
        let member = |e: &Expr| {
            let id = as_column(e)?;
            let input = columns.iter().position(|c| c.contains(id))?;
            Some(Member { input, column: e.clone(), id })
        };
        let (Some(a), Some(b)) = (member(left), member(right)) else { return false };
        if a.input == b.input {
            return false;
        }
        let mut class = vec![];
        for m in [a, b] {
            if let Some(at) = self.classes.iter().position(|c| c.iter().any(|k| k.id == m.id)) {
                class.append(&mut self.classes.swap_remove(at));
            } else if class.iter().all(|k: &Member| k.id != m.id) {
                class.push(m);
            }
        }
        self.classes.push(class);
        true
    }

    /// The conditions that join two sets, within each of which they hold already: for each class, one
    /// equality across, and those that a set with a single input has in itself.
    fn between(&self, probe: Set, build: Set, _columns: &[ColumnSet]) -> Vec<Expr> {
        let mut on = vec![];
        for class in &self.classes {
            let of = |set: Set| class.iter().filter(move |m| set >> m.input & 1 == 1);
            if let (Some(l), Some(r)) = (of(probe).next(), of(build).next()) {
                on.push(compare(CompareOp::Eq, l.column.clone(), r.column.clone()));
            }
            // Two columns of one input that are in a class are not equal until they have been compared.
            for set in [probe, build] {
                if set.is_power_of_two() {
                    let own: Vec<_> = of(set).collect();
                    for pair in own.windows(2) {
                        on.push(compare(CompareOp::Eq, pair[0].column.clone(), pair[1].column.clone()));
                    }
                }
            }
        }
        on
    }
}

impl Graph {
    fn new(inputs: &[LogicalPlan], columns: &[ColumnSet], equalities: &Equalities, rest: &[Expr]) -> Self {
        let estimates: Vec<Estimate> = inputs.iter().map(estimate).collect();
        let mut neighbours = vec![0; inputs.len()];
        let mut connect = |set: Set| {
            for (i, n) in neighbours.iter_mut().enumerate() {
                if set >> i & 1 == 1 {
                    *n |= set & !(1 << i);
                }
            }
        };
        let mut classes = vec![];
        for class in &equalities.classes {
            let mut members: Vec<(usize, f64)> = vec![];
            for m in class {
                let distinct = estimates[m.input].distinct(m.id);
                match members.iter_mut().find(|(input, _)| *input == m.input) {
                    Some((_, d)) => *d = d.min(distinct),
                    None => members.push((m.input, distinct)),
                }
            }
            connect(members.iter().map(|(i, _)| 1 << i).sum());
            members.sort_by(|a, b| b.1.total_cmp(&a.1));
            classes.push(members);
        }
        let all = Estimate::together(&estimates);
        let single: Vec<bool> = inputs.iter().map(has_exactly_one_row).collect();
        let mut others = vec![];
        for e in rest {
            let set = inputs_of(e, columns);
            let hashable = match e {
                Expr::Compare { op: CompareOp::Eq | CompareOp::NotDistinctFrom, left, right } => {
                    let (l, r) = (inputs_of(left, columns), inputs_of(right, columns));
                    l != 0 && r != 0 && l & r == 0
                }
                _ => false,
            };
            // One row of constants, such as a scalar subquery, is joined where it can filter.
            let has_single = single.iter().enumerate().any(|(i, s)| *s && set >> i & 1 == 1);
            if set.count_ones() > 1 && (hashable || has_single) {
                connect(set);
            }
            others.push((set, selectivity(e, &all).max(1e-9), hashable));
        }
        let corrections = corrections(&estimates, &classes);
        Self { inputs: estimates, classes, others, corrections, neighbours }
    }

    /// The rows of the inputs of a set joined, whatever the order.
    fn rows(&self, set: Set) -> f64 {
        let members = |i: usize| set >> i & 1 == 1;
        let mut rows: f64 =
            self.inputs.iter().enumerate().filter(|(i, _)| members(*i)).map(|(_, e)| e.rows).product();
        for class in &self.classes {
            let within: Vec<f64> = class.iter().filter(|(i, _)| members(*i)).map(|(_, d)| *d).collect();
            // Members come with the greatest distinct count first.
            for d in within.iter().take(within.len().saturating_sub(1)) {
                rows /= d.max(1.0);
            }
        }
        for (used, share, _) in &self.others {
            if used.count_ones() > 1 && used & !set == 0 {
                rows *= share;
            }
        }
        for (pair, factor) in &self.corrections {
            if pair & !set == 0 {
                rows *= factor;
            }
        }
        rows
    }

    /// The joins to do, in order.
    fn best_order(&self) -> Vec<Step> {
        let all: Set = if self.inputs.len() == 64 { Set::MAX } else { (1 << self.inputs.len()) - 1 };
        let mut steps = vec![];
        let mut parts: Vec<(Set, f64, f64)> = vec![];
        for component in self.components(all) {
            let (cost, rows) = if component.count_ones() as usize <= EXHAUSTIVE_MAX {
                self.exhaustive(component, &mut steps)
            } else {
                self.greedy(component, &mut steps)
            };
            parts.push((component, cost, rows));
        }
        // What is not connected: the smallest first, so that products stay small as long as they can.
        parts.sort_by(|a, b| b.2.total_cmp(&a.2));
        while parts.len() > 1 {
            let (Some((a, a_cost, a_rows)), Some((b, b_cost, b_rows))) = (parts.pop(), parts.pop()) else {
                break;
            };
            let step = self.step((a, a_cost, a_rows), (b, b_cost, b_rows));
            steps.push(step);
            parts.push((a | b, step.cost, step.rows));
            parts.sort_by(|a, b| b.2.total_cmp(&a.2));
        }
        steps
    }

    fn step(&self, a: (Set, f64, f64), b: (Set, f64, f64)) -> Step {
        let (probe, build) = if a.2 < b.2 { (b, a) } else { (a, b) };
        let rows = self.rows(a.0 | b.0);
        let cost = probe.1 + build.1 + probe.2 + BUILD_COST * build.2 + rows;
        Step { probe: probe.0, build: build.0, cost, rows }
    }

    fn neighbours_of(&self, set: Set) -> Set {
        let of = |(i, n): (usize, &Set)| if set >> i & 1 == 1 { *n } else { 0 };
        self.neighbours.iter().enumerate().map(of).fold(0, |a, b| a | b)
    }

    fn components(&self, all: Set) -> Vec<Set> {
        let mut out = vec![];
        let mut left = all;
        while left != 0 {
            let mut component = left & left.wrapping_neg();
            loop {
                let grown = component | self.neighbours_of(component) & all;
                if grown == component {
                    break;
                }
                component = grown;
            }
            out.push(component);
            left &= !component;
        }
        out
    }

    /// The best order of a connected set, by comparing all.
    fn exhaustive(&self, component: Set, steps: &mut Vec<Step>) -> (f64, f64) {
        let members: Vec<usize> = (0..self.inputs.len()).filter(|i| component >> i & 1 == 1).collect();
        // Sets are numbered densely within the component.
        let wide = |dense: usize| -> Set {
            members.iter().enumerate().filter(|(bit, _)| dense >> bit & 1 == 1).map(|(_, i)| 1u64 << i).sum()
        };
        let count = 1usize << members.len();
        let mut best: Vec<Option<(Step, usize, usize)>> = vec![None; count];
        let sets: Vec<Set> = (0..count).map(wide).collect();
        let near: Vec<Set> = sets.iter().map(|s| self.neighbours_of(*s)).collect();
        for dense in 1..count {
            if dense.is_power_of_two() {
                let rows = self.inputs[members[dense.trailing_zeros() as usize]].rows;
                best[dense] = Some((Step { probe: sets[dense], build: 0, cost: 0.0, rows }, 0, 0));
                continue;
            }
            let mut chosen: Option<(Step, usize, usize)> = None;
            let mut rows = None;
            // Each split once: the part with the lowest member, and the rest.
            let low = dense & dense.wrapping_neg();
            let mut part = (dense - 1) & dense;
            while part != 0 {
                if part & low != 0 {
                    let other = dense & !part;
                    if near[part] & sets[other] != 0
                        && let (Some((a, ..)), Some((b, ..))) = (&best[part], &best[other])
                    {
                        let rows = *rows.get_or_insert_with(|| self.rows(sets[dense]));
                        let (probe, build, p, b_set) =
                            if a.rows < b.rows { (b, a, other, part) } else { (a, b, part, other) };
                        let cost = probe.cost + build.cost + probe.rows + BUILD_COST * build.rows + rows;
                        if chosen.as_ref().is_none_or(|(c, ..)| cost < c.cost) {
                            let step = Step { probe: sets[p], build: sets[b_set], cost, rows };
                            chosen = Some((step, p, b_set));
                        }
                    }
                }
                part = (part - 1) & dense;
            }
            best[dense] = chosen;
        }
        fn emit(best: &[Option<(Step, usize, usize)>], dense: usize, steps: &mut Vec<Step>) {
            if dense.count_ones() > 1
                && let Some((step, probe, build)) = &best[dense]
            {
                emit(best, *probe, steps);
                emit(best, *build, steps);
                steps.push(*step);
            }
        }
        emit(&best, count - 1, steps);
        best[count - 1].as_ref().map_or((0.0, 1.0), |(s, ..)| (s.cost, s.rows))
    }

    /// A good order of a connected set: always the pair next that yields the fewest rows.
    fn greedy(&self, component: Set, steps: &mut Vec<Step>) -> (f64, f64) {
        let mut parts: Vec<(Set, f64, f64)> = (0..self.inputs.len())
            .filter(|i| component >> i & 1 == 1)
            .map(|i| (1 << i, 0.0, self.inputs[i].rows))
            .collect();
        while parts.len() > 1 {
            let mut chosen: Option<(Step, usize, usize)> = None;
            for i in 0..parts.len() {
                let near = self.neighbours_of(parts[i].0);
                for j in i + 1..parts.len() {
                    if near & parts[j].0 == 0 {
                        continue;
                    }
                    let step = self.step(parts[i], parts[j]);
                    let better = |c: &Step| step.rows < c.rows || step.rows == c.rows && step.cost < c.cost;
                    if chosen.as_ref().is_none_or(|(c, ..)| better(c)) {
                        chosen = Some((step, i, j));
                    }
                }
            }
            let Some((step, i, j)) = chosen else { break };
            steps.push(step);
            parts.swap_remove(j);
            parts[i] = (step.probe | step.build, step.cost, step.rows);
        }
        parts.first().map_or((0.0, 1.0), |(_, cost, rows)| (*cost, *rows))
    }
}

/// Keys of several columns: pairs of inputs joined by more than one class, and the factor by which their join
/// is larger than independent equalities would have it. (Part and supplier together identify a part
/// offered by a supplier; the product of their counts does not.)
fn corrections(inputs: &[Estimate], classes: &[Vec<(usize, f64)>]) -> Vec<(Set, f64)> {
    let mut out = vec![];
    for i in 0..inputs.len() {
        for j in i + 1..inputs.len() {
            let distinct_of = |class: &Vec<(usize, f64)>, input: usize| {
                class.iter().find(|(member, _)| *member == input).map(|(_, d)| *d)
            };
            let shared: Vec<(f64, f64)> = classes
                .iter()
                .filter_map(|class| Some((distinct_of(class, i)?, distinct_of(class, j)?)))
                .collect();
            if shared.len() < 2 {
                continue;
            }
            let independent: f64 = shared.iter().map(|(a, b)| a.max(*b)).product();
            let of_i: f64 = shared.iter().map(|(a, _)| *a).product::<f64>();
            let of_j: f64 = shared.iter().map(|(_, b)| *b).product::<f64>();
            let capped =
                of_i.min(inputs[i].domain_rows).max(1.0).min(of_j.min(inputs[j].domain_rows).max(1.0));
            if capped < independent {
                out.push((1 << i | 1 << j, independent / capped));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::expr::CompareOp::*;
    use crate::sql::explain::render_logical;
    use crate::sql::optimize::testing::{Query, assert_plan, filter, join};

    #[test]
    fn a_star_is_joined_from_the_most_selective_dimension() {
        let mut q = Query::default();
        let fact = q.table("fact", 1_000_000, &[("f1", 1000), ("f2", 100)]);
        let big = q.table("big", 1000, &[("b1", 1000)]);
        let small = q.table("small", 100, &[("s2", 100), ("s", 100)]);
        let small = filter(small, vec![q.cmp_int("s", Eq, 7)]);
        let plan = join(fact, big, JoinType::Inner, vec![q.eq("f1", "b1")]);
        let plan = join(plan, small, JoinType::Inner, vec![q.eq("f2", "s2")]);
        assert_plan(
            &render_logical(&order_joins(plan)),
            "
            INNER JOIN ON f1 = b1
            ├─ INNER JOIN ON f2 = s2
            │  ├─ GET fact [f1, f2]
            │  └─ FILTER s = 7
            │     └─ GET small [s2, s]
            └─ GET big [b1]",
        );
    }

    #[test]
    fn written_order_makes_no_cross_product() {
        let mut q = Query::default();
        let a = q.table("a", 1000, &[("a1", 1000)]);
        let b = q.table("b", 1000, &[("b1", 1000)]);
        let c = q.table("c", 1000, &[("c1", 1000), ("c2", 1000)]);
        let plan = join(a, b, JoinType::Inner, vec![]);
        let plan = join(plan, c, JoinType::Inner, vec![q.eq("a1", "c1"), q.eq("b1", "c2")]);
        let text = render_logical(&order_joins(plan));
        assert!(!text.contains("CROSS JOIN"), "{text}");
    }

    #[test]
    fn equal_columns_connect_any_two_of_their_inputs() {
        // a1 = b1 AND b1 = c1: a and c may be joined first.
        let mut q = Query::default();
        let a = q.table("a", 10, &[("a1", 10)]);
        let b = q.table("b", 1_000_000, &[("b1", 1000)]);
        let c = q.table("c", 20, &[("c1", 1000)]);
        let plan = join(a, b, JoinType::Inner, vec![q.eq("a1", "b1")]);
        let plan = join(plan, c, JoinType::Inner, vec![q.eq("b1", "c1")]);
        assert_plan(
            &render_logical(&order_joins(plan)),
            "
            INNER JOIN ON b1 = a1
            ├─ GET b [b1]
            └─ INNER JOIN ON c1 = a1
               ├─ GET c [c1]
               └─ GET a [a1]",
        );
    }

    #[test]
    fn many_inputs_are_ordered_greedily() {
        let mut q = Query::default();
        let mut plan = q.table("t0", 1000, &[("k0", 1000)]);
        for i in 1..20 {
            let name = format!("k{i}");
            let next = q.table(&format!("t{i}"), 1000, &[(&name, 1000)]);
            let on = vec![q.eq(&format!("k{}", i - 1), &name)];
            plan = join(plan, next, JoinType::Inner, on);
        }
        let text = render_logical(&order_joins(plan));
        assert_eq!(text.matches("INNER JOIN").count(), 19, "{text}");
    }

    #[test]
    fn an_outer_join_builds_on_its_small_side() {
        let mut q = Query::default();
        let small = q.table("small", 10, &[("s", 10)]);
        let big = q.table("big", 1000, &[("b", 10)]);
        let plan = join(small, big, JoinType::Left, vec![q.eq("s", "b")]);
        assert_plan(
            &render_logical(&order_joins(plan)),
            "
            RIGHT JOIN ON s = b
            ├─ GET big [b]
            └─ GET small [s]",
        );
    }

    #[test]
    fn a_semi_join_filters_its_table_before_joins_that_add_rows() {
        let mut q = Query::default();
        let orders = q.table("orders", 1000, &[("o", 1000)]);
        let items = q.table("items", 4000, &[("i", 1000)]);
        let wanted = q.table("wanted", 5, &[("w", 5)]);
        let plan = join(items, orders, JoinType::Inner, vec![q.eq("i", "o")]);
        let plan = join(plan, wanted, JoinType::Semi, vec![q.eq("o", "w")]);
        assert_plan(
            &render_logical(&order_joins(plan)),
            "
            INNER JOIN ON i = o
            ├─ GET items [i]
            └─ SEMI JOIN ON o = w
               ├─ GET orders [o]
               └─ GET wanted [w]",
        );
    }
}
