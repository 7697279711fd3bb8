//! What is certain about the rows of a plan: which columns are never NULL, which identify a row.

use crate::column::predicate::CompareOp;
use crate::exec::expr::Expr;
use crate::exec::window::WindowFunction;
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::optimize::exprs::rejects_null;
use crate::sql::plan::{ColumnId, Definition, JoinType, LogicalPlan};

/// Columns that are NULL in no row of the plan; of those not in `wanted`, not all are found.
pub fn never_null(plan: &LogicalPlan, wanted: &ColumnSet) -> ColumnSet {
    let mut out = ColumnSet::new();
    match plan {
        LogicalPlan::TableGet { table, positions, columns, filters, .. } => {
            add_rejecting(filters, &mut out);
            for (position, column) in positions.iter().zip(columns) {
                let required = || table.definition().columns.get(*position).is_none_or(|c| !c.nullable);
                let none = || table.column_stats(*position).is_ok_and(|s| s.null_count == 0);
                if wanted.contains(column.id) && (required() || none()) {
                    out.insert(column.id);
                }
            }
        }
        LogicalPlan::SourceGet { filters, .. } => add_rejecting(filters, &mut out),
        LogicalPlan::Values { rows, columns } => {
            for (i, column) in columns.iter().enumerate() {
                if rows.iter().all(|row| row.get(i).is_some_and(|e| is_never_null(e, &ColumnSet::new()))) {
                    out.insert(column.id);
                }
            }
        }
        LogicalPlan::Filter { input, predicates } => {
            out = never_null(input, wanted);
            add_rejecting(predicates, &mut out);
        }
        LogicalPlan::Project { input, definitions } => {
            let below = never_null(input, &wanted_below(definitions, wanted));
            out.extend(definitions.iter().filter(|d| is_never_null(&d.expr, &below)).map(|d| d.column.id));
        }
        LogicalPlan::Aggregate { input, group_by, aggregates } => {
            let below = never_null(input, &wanted_below(group_by, wanted));
            out.extend(group_by.iter().filter(|d| is_never_null(&d.expr, &below)).map(|d| d.column.id));
            let counts = |name: &str| name == "count" || name == "count_star";
            out.extend(aggregates.iter().filter(|(_, a)| counts(a.function.name)).map(|(c, _)| c.id));
        }
        LogicalPlan::Distinct { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. } => out = never_null(input, wanted),
        // Values of rows that were not there may be NULL.
        LogicalPlan::GapFill { input, gaps } => {
            out = never_null(input, wanted);
            let filled = gaps.columns.iter().skip(1 + gaps.series).filter_map(as_column);
            out.remove_all(&filled.collect());
        }
        LogicalPlan::Window { input, calls, .. } => {
            out = never_null(input, wanted);
            out.extend(calls.iter().filter(|(_, call)| call.is_never_null()).map(|(c, _)| c.id));
        }
        LogicalPlan::Join { left, right, kind, on, .. } => match kind {
            JoinType::Inner => {
                out = never_null(left, wanted);
                out.add_all(&never_null(right, wanted));
                add_rejecting(on, &mut out);
            }
            JoinType::Semi => {
                out = never_null(left, wanted);
                add_rejecting(on, &mut out);
            }
            JoinType::Left | JoinType::Anti | JoinType::Single => out = never_null(left, wanted),
            JoinType::Mark(mark) => {
                let mut used = wanted.clone();
                used.add_exprs(on);
                out = never_null(left, &used);
                let mut sides = out.clone();
                sides.add_all(&never_null(right, &used));
                if on.iter().all(|e| is_never_null(e, &sides)) {
                    out.insert(mark.id);
                }
            }
            JoinType::Right => out = never_null(right, wanted),
            JoinType::Full => {}
        },
        LogicalPlan::AsOfJoin { left, right, kind, .. } => match kind {
            JoinType::Right => out = never_null(right, wanted),
            JoinType::Full => {}
            JoinType::Inner => {
                out = never_null(left, wanted);
                out.add_all(&never_null(right, wanted));
            }
            _ => out = never_null(left, wanted),
        },
        LogicalPlan::PositionalJoin { .. } => {}
        LogicalPlan::Union { inputs, columns } => {
            let below: Vec<_> = inputs
                .iter()
                .map(|p| {
                    let own = p.columns();
                    let pairs = columns.iter().zip(&own).filter(|(c, _)| wanted.contains(c.id));
                    let set = never_null(p, &pairs.map(|(_, own)| own.id).collect());
                    (own, set)
                })
                .collect();
            for (i, column) in columns.iter().enumerate() {
                if below.iter().all(|(c, set)| c.get(i).is_some_and(|c| set.contains(c.id))) {
                    out.insert(column.id);
                }
            }
        }
        LogicalPlan::Write { count, .. } => out.insert(count.id),
        LogicalPlan::Unnest { input, ordinality, keep_empty, .. } => {
            out = never_null(input, wanted);
            if !keep_empty {
                out.extend(ordinality.iter().map(|c| c.id));
            }
        }
        LogicalPlan::Expand { input, set, .. } => {
            out = never_null(input, wanted);
            out.insert(set.id);
        }
        LogicalPlan::LimitBy { input, .. }
        | LogicalPlan::Sample { input, .. }
        | LogicalPlan::With { body: input, .. } => out = never_null(input, wanted),
        LogicalPlan::OrElse { .. } | LogicalPlan::CteScan { .. } | LogicalPlan::Recursive { .. } => {}
    }
    out
}

/// The columns that the definitions of wanted columns use.
fn wanted_below(definitions: &[Definition], wanted: &ColumnSet) -> ColumnSet {
    let mut out = ColumnSet::new();
    for d in definitions.iter().filter(|d| wanted.contains(d.column.id)) {
        out.add_expr(&d.expr);
    }
    out
}

/// Adds the columns that are not NULL where all of the conditions hold.
fn add_rejecting(conditions: &[Expr], out: &mut ColumnSet) {
    for e in conditions {
        for id in ColumnSet::of(e).iter() {
            if rejects_null(e, &[id].into_iter().collect()) {
                out.insert(id);
            }
        }
    }
}

/// Whether an expression is never NULL, given columns that never are.
pub fn is_never_null(e: &Expr, columns: &ColumnSet) -> bool {
    let all = |all: &[Expr]| all.iter().all(|e| is_never_null(e, columns));
    match e {
        Expr::Column { index, .. } => columns.contains(*index),
        Expr::Literal { value, .. } => !value.is_null(),
        Expr::Cast { input, or_null, .. } => !or_null && is_never_null(input, columns),
        Expr::Compare { op: CompareOp::DistinctFrom | CompareOp::NotDistinctFrom, .. }
        | Expr::IsNull { .. } => true,
        Expr::Compare { left, right, .. } => is_never_null(left, columns) && is_never_null(right, columns),
        Expr::And(parts) | Expr::Or(parts) => all(parts),
        Expr::Not(input) => is_never_null(input, columns),
        Expr::InList { input, list, .. } => {
            is_never_null(input, columns) && list.iter().all(|v| !v.is_null())
        }
        Expr::Case { branches, otherwise, .. } => {
            branches.iter().all(|(_, r)| is_never_null(r, columns))
                && otherwise.as_ref().is_some_and(|e| is_never_null(e, columns))
        }
        Expr::Coalesce(parts) => parts.iter().any(|e| is_never_null(e, columns)),
        // Even a strict function may yield NULL of values: `1 / 0`.
        Expr::Call { .. } => false,
    }
}

/// Whether no two rows of the plan agree (NULLs taken as equal) in all of these columns. For no columns:
/// whether there is at most one row.
pub fn is_unique(plan: &LogicalPlan, key: &ColumnSet) -> bool {
    match plan {
        LogicalPlan::Aggregate { group_by, .. } => group_by.iter().all(|d| key.contains(d.column.id)),
        LogicalPlan::Distinct { input, on } => match on {
            None => input.columns().iter().all(|c| key.contains(c.id)) || is_unique(input, key),
            Some(on) => {
                let in_key = |e: &Expr| matches!(e, Expr::Column { index, .. } if key.contains(*index));
                on.iter().all(in_key) || is_unique(input, key)
            }
        },
        LogicalPlan::Limit { limit: Some(0 | 1), .. } => true,
        LogicalPlan::Filter { input, predicates } => {
            // A column that equals a constant, or one of the key, is as good as in the key.
            let mut key = key.clone();
            add_determined(predicates, &mut key);
            is_unique(input, &key)
        }
        LogicalPlan::GapFill { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. } => is_unique(input, key),
        LogicalPlan::Window { input, partition_by, calls, .. } => {
            // The number of a row identifies it, together with its partition.
            let numbered = calls.iter().any(|(c, call)| {
                matches!(call.function, WindowFunction::RowNumber)
                    && call.order_by.is_empty()
                    && key.contains(c.id)
            });
            let in_key = |e: &Expr| matches!(e, Expr::Column { index, .. } if key.contains(*index));
            numbered && partition_by.iter().all(in_key) || is_unique(input, key)
        }
        LogicalPlan::Project { input, definitions } => {
            let mut below = ColumnSet::new();
            for d in definitions {
                if let Expr::Column { index, .. } = d.expr
                    && key.contains(d.column.id)
                {
                    below.insert(index);
                }
            }
            is_unique(input, &below)
        }
        LogicalPlan::Join { left, right, kind, on, .. } => match kind {
            JoinType::Semi | JoinType::Anti | JoinType::Mark(_) | JoinType::Single => is_unique(left, key),
            JoinType::Inner | JoinType::Left => {
                let mut key = key.clone();
                if *kind == JoinType::Inner {
                    add_determined(on, &mut key);
                }
                is_unique(left, &key) && (has_one_partner(right, on) || is_unique(right, &key))
                    || *kind == JoinType::Inner && is_unique(right, &key) && has_one_partner(left, on)
            }
            JoinType::Right | JoinType::Full => false,
        },
        // A left row has one partner at most.
        LogicalPlan::AsOfJoin { left, kind, .. } => {
            !matches!(kind, JoinType::Right | JoinType::Full) && is_unique(left, key)
        }
        LogicalPlan::PositionalJoin { .. } => false,
        LogicalPlan::Values { rows, .. } => rows.len() <= 1,
        LogicalPlan::Write { .. } => true,
        LogicalPlan::LimitBy { input, .. }
        | LogicalPlan::Sample { input, .. }
        | LogicalPlan::With { body: input, .. } => is_unique(input, key),
        LogicalPlan::TableGet { .. }
        | LogicalPlan::SourceGet { .. }
        | LogicalPlan::Unnest { .. }
        | LogicalPlan::Expand { .. }
        | LogicalPlan::OrElse { .. }
        | LogicalPlan::CteScan { .. }
        | LogicalPlan::Recursive { .. }
        | LogicalPlan::Union { .. } => false,
    }
}

/// Adds columns that conditions equate with constants or with columns already in the set.
fn add_determined(conditions: &[Expr], key: &mut ColumnSet) {
    loop {
        let mut grown = false;
        for e in conditions {
            let Expr::Compare { op: CompareOp::Eq, left, right } = e else { continue };
            for (a, b) in [(left, right), (right, left)] {
                let Expr::Column { index, .. } = **a else { continue };
                if !key.contains(index)
                    && !ColumnSet::of(b).contains(index)
                    && ColumnSet::of(b).is_subset(key)
                {
                    key.insert(index);
                    grown = true;
                }
            }
        }
        if !grown {
            return;
        }
    }
}

/// Whether, whatever the other side's row, at most one row of `plan` satisfies the join conditions.
pub fn has_one_partner(plan: &LogicalPlan, on: &[Expr]) -> bool {
    let own = ColumnSet::yielded(plan);
    let mut key = ColumnSet::new();
    for e in on {
        let Expr::Compare { op: CompareOp::Eq | CompareOp::NotDistinctFrom, left, right } = e else {
            continue;
        };
        for (a, b) in [(left, right), (right, left)] {
            if let Expr::Column { index, .. } = **a
                && own.contains(index)
                && ColumnSet::of(b).is_disjoint(&own)
            {
                key.insert(index);
            }
        }
    }
    is_unique(plan, &key)
}

/// Whether the plan yields exactly one row.
pub fn has_exactly_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate { group_by, .. } => group_by.is_empty(),
        LogicalPlan::Values { rows, .. } => rows.len() == 1,
        LogicalPlan::Project { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Window { input, .. } => has_exactly_one_row(input),
        LogicalPlan::Limit { input, limit, offset: 0 } => *limit != Some(0) && has_exactly_one_row(input),
        LogicalPlan::Write { .. } => true,
        LogicalPlan::Join { left, right, kind, on, .. } => match kind {
            JoinType::Mark(_) => has_exactly_one_row(left),
            JoinType::Inner => on.is_empty() && has_exactly_one_row(left) && has_exactly_one_row(right),
            JoinType::Single => has_exactly_one_row(left),
            _ => false,
        },
        _ => false,
    }
}

/// The column that an expression is, if it is one.
pub fn as_column(e: &Expr) -> Option<ColumnId> {
    match e {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    }
}
