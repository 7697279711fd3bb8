//! Rule: columns that nobody uses are not read, computed or carried along; neither are joins that only
//! exist for such columns.

use crate::sql::optimize::columns::{ColumnSet, Substitution, substitute};
use crate::sql::optimize::exprs::is_volatile;
use crate::sql::optimize::properties::has_one_partner;
use crate::sql::plan::{CteId, Definition, JoinType, LogicalPlan};

/// Prunes a plan all of whose own columns are needed.
pub fn prune_columns(plan: LogicalPlan) -> LogicalPlan {
    let required = ColumnSet::yielded(&plan);
    prune(plan, &required)
}

fn with_exprs(required: &ColumnSet, plan: &LogicalPlan) -> ColumnSet {
    let mut out = required.clone();
    out.add_exprs(plan.exprs());
    out
}

/// Yields at least the columns of `required` that the plan yielded before.
fn prune(plan: LogicalPlan, required: &ColumnSet) -> LogicalPlan {
    match plan {
        LogicalPlan::TableGet { table, alias, positions, columns, filters } => {
            let mut needed = required.clone();
            needed.add_exprs(&filters);
            let (positions, columns) =
                positions.into_iter().zip(columns).filter(|(_, c)| needed.contains(c.id)).unzip();
            LogicalPlan::TableGet { table, alias, positions, columns, filters }
        }
        LogicalPlan::SourceGet { source, positions, columns, filters } => {
            let mut needed = required.clone();
            needed.add_exprs(&filters);
            let (positions, columns) =
                positions.into_iter().zip(columns).filter(|(_, c)| needed.contains(c.id)).unzip();
            LogicalPlan::SourceGet { source, positions, columns, filters }
        }
        LogicalPlan::Values { rows, columns } => {
            let keep: Vec<bool> = columns.iter().map(|c| required.contains(c.id)).collect();
            if keep.iter().all(|k| *k) {
                return LogicalPlan::Values { rows, columns };
            }
            let rows = rows.into_iter().map(|row| kept(row, &keep)).collect();
            LogicalPlan::Values { rows, columns: kept(columns, &keep) }
        }
        LogicalPlan::Project { input, mut definitions } => {
            definitions.retain(|d| required.contains(d.column.id));
            let mut needed = ColumnSet::new();
            needed.add_exprs(definitions.iter().map(|d| &d.expr));
            let input = prune(*input, &needed);
            project(input, definitions)
        }
        LogicalPlan::Aggregate { input, group_by, mut aggregates } => {
            aggregates.retain(|(c, _)| required.contains(c.id));
            if group_by.is_empty() && aggregates.is_empty() {
                return LogicalPlan::Values { rows: vec![vec![]], columns: vec![] };
            }
            let plan = LogicalPlan::Aggregate { input, group_by, aggregates };
            let needed = with_exprs(&ColumnSet::new(), &plan);
            prune_inputs(plan, &needed)
        }
        LogicalPlan::Window { input, partition_by, order_by, mut calls } => {
            calls.retain(|(c, _)| required.contains(c.id));
            if calls.is_empty() {
                return prune(*input, required);
            }
            let plan = LogicalPlan::Window { input, partition_by, order_by, calls };
            let needed = with_exprs(required, &plan);
            prune_inputs(plan, &needed)
        }
        LogicalPlan::Distinct { ref input, on: None } => {
            // All columns take part in the distinction.
            let needed = ColumnSet::yielded(input);
            prune_inputs(plan, &needed)
        }
        LogicalPlan::Join { left, right, kind, on, dependent } => {
            let of_right = ColumnSet::yielded(&right);
            match &kind {
                // Every left row comes out once, whether it has a partner or not.
                JoinType::Left if required.is_disjoint(&of_right) && has_one_partner(&right, &on) => {
                    return prune(*left, required);
                }
                JoinType::Mark(mark) if !required.contains(mark.id) => return prune(*left, required),
                _ => {}
            }
            let plan = LogicalPlan::Join { left, right, kind, on, dependent };
            let needed = with_exprs(required, &plan);
            prune_inputs(plan, &needed)
        }
        LogicalPlan::Unnest { input, lists, ordinality, keep_empty } => {
            // All lists decide how many rows there are; of the number nothing depends.
            let ordinality = ordinality.filter(|c| required.contains(c.id));
            let plan = LogicalPlan::Unnest { input, lists, ordinality, keep_empty };
            let needed = with_exprs(required, &plan);
            prune_inputs(plan, &needed)
        }
        LogicalPlan::Expand { input, mut keys, mut sets, set } => {
            let keep: Vec<bool> = keys.iter().map(|d| required.contains(d.column.id)).collect();
            if keep.iter().any(|k| !k) {
                keys = kept(keys, &keep);
                sets = sets.into_iter().map(|s| kept(s, &keep)).collect();
            }
            let plan = LogicalPlan::Expand { input, keys, sets, set };
            let needed = with_exprs(required, &plan);
            prune_inputs(plan, &needed)
        }
        LogicalPlan::OrElse { input, condition, mut row } => {
            let mut needed = required.clone();
            needed.add_expr(&condition);
            row.retain(|d| needed.contains(d.column.id));
            prune_inputs(LogicalPlan::OrElse { input, condition, row }, &needed)
        }
        LogicalPlan::With { id, name, definition, body } => {
            let mut body = prune(*body, required);
            let mut used = vec![false; definition.columns().len()];
            cte_positions(&mut body, id, &mut |position| used[*position] = true);
            let definition = prune_to(*definition, &used);
            let mut place = vec![0; used.len()];
            for (new, (old, _)) in used.iter().enumerate().filter(|(_, used)| **used).enumerate() {
                place[old] = new;
            }
            cte_positions(&mut body, id, &mut |position| *position = place[*position]);
            LogicalPlan::With { id, name, definition: Box::new(definition), body: Box::new(body) }
        }
        LogicalPlan::CteScan { id, name, positions, columns, rows } => {
            let (positions, columns) =
                positions.into_iter().zip(columns).filter(|(_, c)| required.contains(c.id)).unzip();
            LogicalPlan::CteScan { id, name, positions, columns, rows }
        }
        LogicalPlan::Recursive { id, all, name, anchor, step, columns, kind } => {
            // Every column may decide what the next step yields.
            let whole = vec![true; columns.len()];
            let anchor = Box::new(prune_to(*anchor, &whole));
            let step = Box::new(prune_to(*step, &whole));
            LogicalPlan::Recursive { id, all, name, anchor, step, columns, kind }
        }
        LogicalPlan::AsOfJoin { left, ref right, kind: JoinType::Left, .. }
            if required.is_disjoint(&ColumnSet::yielded(right)) =>
        {
            prune(*left, required)
        }
        LogicalPlan::Union { inputs, columns } => {
            let keep: Vec<bool> = columns.iter().map(|c| required.contains(c.id)).collect();
            let inputs = inputs.into_iter().map(|input| prune_to(input, &keep)).collect();
            let columns = kept(columns, &keep);
            LogicalPlan::Union { inputs, columns }
        }
        LogicalPlan::Write { ref input, .. } => {
            let needed = ColumnSet::yielded(input);
            prune_inputs(plan, &needed)
        }
        LogicalPlan::Filter { .. }
        | LogicalPlan::GapFill { .. }
        | LogicalPlan::Distinct { .. }
        | LogicalPlan::Sort { .. }
        | LogicalPlan::LimitBy { .. }
        | LogicalPlan::Sample { .. }
        | LogicalPlan::Limit { .. }
        | LogicalPlan::AsOfJoin { .. }
        | LogicalPlan::PositionalJoin { .. } => {
            let needed = with_exprs(required, &plan);
            prune_inputs(plan, &needed)
        }
    }
}

/// Prunes a plan whose columns go by position to those that are to be kept.
fn prune_to(plan: LogicalPlan, keep: &[bool]) -> LogicalPlan {
    let wanted = kept(plan.columns(), keep);
    let plan = prune(plan, &wanted.iter().map(|c| c.id).collect());
    if plan.columns() == wanted {
        return plan;
    }
    project(plan, wanted.into_iter().map(Definition::pass).collect())
}

fn kept<T>(all: Vec<T>, keep: &[bool]) -> Vec<T> {
    all.into_iter().zip(keep).filter(|(_, k)| **k).map(|(x, _)| x).collect()
}

/// Visits the positions of all scans of a common table expression.
fn cte_positions(plan: &mut LogicalPlan, cte: CteId, visit: &mut dyn FnMut(&mut usize)) {
    if let LogicalPlan::CteScan { id, positions, .. } = plan
        && *id == cte
    {
        positions.iter_mut().for_each(&mut *visit);
    }
    plan.inputs_mut().into_iter().for_each(|p| cte_positions(p, cte, visit));
}

fn prune_inputs(mut plan: LogicalPlan, needed: &ColumnSet) -> LogicalPlan {
    for input in plan.inputs_mut() {
        *input = prune(input.take(), needed);
    }
    plan
}

/// A projection of a plan, merged with one below, or left out where it would change nothing.
pub fn project(input: LogicalPlan, mut definitions: Vec<Definition>) -> LogicalPlan {
    let LogicalPlan::Project { input: below, definitions: inner } = input else {
        let columns = input.columns();
        let same = columns.len() == definitions.len()
            && definitions.iter().zip(&columns).all(|(d, c)| d.is_pass() && d.column == *c);
        if same {
            return input;
        }
        return LogicalPlan::Project { input: Box::new(input), definitions };
    };
    // What is computed below must not be computed twice above, and a random number must stay one.
    let mut uses = std::collections::HashMap::<usize, usize>::new();
    for d in &definitions {
        count_uses(&d.expr, &mut uses);
    }
    let mergeable = inner.iter().all(|d| {
        matches!(d.expr, crate::exec::expr::Expr::Column { .. } | crate::exec::expr::Expr::Literal { .. })
            || !is_volatile(&d.expr) && uses.get(&d.column.id).copied().unwrap_or(0) <= 1
    });
    if !mergeable {
        let input = Box::new(LogicalPlan::Project { input: below, definitions: inner });
        return LogicalPlan::Project { input, definitions };
    }
    let map: Substitution = inner.into_iter().map(|d| (d.column.id, d.expr)).collect();
    for d in &mut definitions {
        substitute(&mut d.expr, &map);
    }
    project(*below, definitions)
}

fn count_uses(e: &crate::exec::expr::Expr, uses: &mut std::collections::HashMap<usize, usize>) {
    if let crate::exec::expr::Expr::Column { index, .. } = e {
        *uses.entry(*index).or_default() += 1;
    }
    e.children().into_iter().for_each(|c| count_uses(c, uses));
}
