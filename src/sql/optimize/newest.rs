//! Rule: where only the newest (or oldest) rows of each group count, only those are read whole.
//!
//! `SELECT arg_max(a, t), arg_max(b, t), … GROUP BY k`, `DISTINCT ON (k) … ORDER BY k, t DESC` and
//! `QUALIFY row_number() OVER (PARTITION BY k ORDER BY t DESC) = 1` need of each `k` the rows at its greatest `t`
//! alone. Those are found by `k` and `t`; a semi join then keeps the scan from decoding the rest, and from reading the
//! row groups that are older than all of them.

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::aggregates::bind_aggregate;
use crate::exec::expr::{AggregateCall, CompareOp, Expr, SortKey};
use crate::exec::functions::ArgInfo;
use crate::exec::window::{WindowCall, WindowFunction};
use crate::sql::optimize::columns::{ColumnSet, copy_with_fresh_ids};
use crate::sql::optimize::estimate::estimate;
use crate::sql::optimize::exprs::compare;
use crate::sql::optimize::properties::{as_column, never_null};
use crate::sql::plan::{Column, ColumnId, ColumnIds, Definition, JoinType, LogicalPlan};

/// Tables with fewer rows are read as they are.
const ROWS_MIN: f64 = 10_000.0;
/// There must be that many rows to a group.
const ROWS_PER_GROUP: f64 = 8.0;

/// What tells which rows count.
struct Newest {
    keys: Vec<ColumnId>,
    time: ColumnId,
    /// The greatest time counts, not the least.
    greatest: bool,
}

/// Applies the rule to a whole plan.
pub fn find_newest_first(mut plan: LogicalPlan, ids: &mut ColumnIds) -> LogicalPlan {
    for input in plan.inputs_mut() {
        *input = find_newest_first(input.take(), ids);
    }
    match plan {
        LogicalPlan::Aggregate { input, group_by, aggregates } => {
            let input = match of_aggregate(&input, &group_by, &aggregates) {
                Some(newest) => restrict(*input, &newest, 2, ids),
                None => *input,
            };
            LogicalPlan::Aggregate { input: Box::new(input), group_by, aggregates }
        }
        LogicalPlan::Distinct { mut input, on: Some(on) } => {
            if let LogicalPlan::Sort { input: sorted, keys } = &mut *input
                && let Some(newest) = of_order(&on, keys)
            {
                **sorted = restrict(sorted.take(), &newest, 1, ids);
            }
            LogicalPlan::Distinct { input, on: Some(on) }
        }
        LogicalPlan::Filter { mut input, predicates } => {
            if let LogicalPlan::Window { input: rows, partition_by, order_by, calls } = &mut *input
                && let [(number, call)] = &calls[..]
                && is_row_number(call)
                && predicates.iter().any(|p| is_first(p, number))
                && let Some(newest) = of_order(partition_by, order_by)
            {
                **rows = restrict(rows.take(), &newest, 1, ids);
            }
            LogicalPlan::Filter { input, predicates }
        }
        other => other,
    }
}

/// All aggregates are of the rows at the greatest, or least, of one column.
fn of_aggregate(
    input: &LogicalPlan,
    group_by: &[Definition],
    aggregates: &[(Column, AggregateCall)],
) -> Option<Newest> {
    let keys: Vec<ColumnId> = group_by.iter().map(|d| as_column(&d.expr)).collect::<Option<_>>()?;
    let mut found: Option<(ColumnId, bool)> = None;
    let mut values = ColumnSet::new();
    for (_, call) in aggregates {
        if call.distinct || call.filter.is_some() || !call.order_by.is_empty() {
            return None;
        }
        let (time, greatest) = match (call.function.name, &call.args[..]) {
            ("arg_max" | "arg_min", [value, time]) => {
                values.insert(as_column(value)?);
                (as_column(time)?, call.function.name == "arg_max")
            }
            ("max" | "min", [time]) => (as_column(time)?, call.function.name == "max"),
            _ => return None,
        };
        if *found.get_or_insert((time, greatest)) != (time, greatest) {
            return None;
        }
    }
    let (time, greatest) = found?;
    // The last value that is not NULL may be in another row.
    (!values.is_empty() && values.is_subset(&never_null(input, &values))).then_some(Newest {
        keys,
        time,
        greatest,
    })
}

/// The first rows in an order of time, within groups.
fn of_order(groups: &[Expr], order: &[SortKey]) -> Option<Newest> {
    let keys: Vec<ColumnId> = groups.iter().map(as_column).collect::<Option<_>>()?;
    let is_group = |k: &&SortKey| as_column(&k.expr).is_some_and(|id| keys.contains(&id));
    let time = order.iter().find(|k| !is_group(k))?;
    Some(Newest { time: as_column(&time.expr)?, greatest: time.descending, keys })
}

fn is_row_number(call: &WindowCall) -> bool {
    matches!(call.function, WindowFunction::RowNumber) && call.order_by.is_empty()
}

/// `number = 1` or `number <= 1`.
fn is_first(predicate: &Expr, number: &Column) -> bool {
    let Expr::Compare { op: CompareOp::Eq | CompareOp::LtEq, left, right } = predicate else { return false };
    as_column(left) == Some(number.id) && matches!(**right, Expr::Literal { value: Scalar::Int(1), .. })
}

/// The rows of a plan that may count. `least` is how many columns must be spared for it to pay.
fn restrict(plan: LogicalPlan, newest: &Newest, least: usize, ids: &mut ColumnIds) -> LogicalPlan {
    match plan {
        LogicalPlan::Project { input, definitions } => {
            let below = |id: ColumnId| {
                definitions.iter().find(|d| d.column.id == id).and_then(|d| as_column(&d.expr))
            };
            let keys: Option<Vec<_>> = newest.keys.iter().map(|k| below(*k)).collect();
            let input = match (keys, below(newest.time)) {
                (Some(keys), Some(time)) => {
                    let newest = Newest { keys, time, greatest: newest.greatest };
                    restrict(*input, &newest, least, ids)
                }
                _ => *input,
            };
            LogicalPlan::Project { input: Box::new(input), definitions }
        }
        get @ LogicalPlan::TableGet { .. } if pays(&get, newest, least) => newest_of(get, newest, ids),
        other => other,
    }
}

fn pays(get: &LogicalPlan, newest: &Newest, least: usize) -> bool {
    let columns = get.columns();
    let tells = |c: &Column| c.id == newest.time || newest.keys.contains(&c.id);
    if newest.keys.is_empty() || columns.iter().filter(|c| !tells(c)).count() < least {
        return false;
    }
    let mut all: ColumnSet = newest.keys.iter().copied().collect();
    all.insert(newest.time);
    let exact = |ty: &LogicalType| !ty.is_nested() && !matches!(ty, LogicalType::Float | LogicalType::Double);
    if !all.is_subset(&never_null(get, &all)) || !columns.iter().filter(|c| tells(c)).all(|c| exact(&c.ty)) {
        return false;
    }
    let rows = estimate(get);
    let groups: f64 = newest.keys.iter().map(|k| rows.distinct(*k)).product();
    let count = rows.row_count() as f64;
    count >= ROWS_MIN && count >= groups * ROWS_PER_GROUP
}

fn newest_of(get: LogicalPlan, newest: &Newest, ids: &mut ColumnIds) -> LogicalPlan {
    let (copy, renamed) = copy_with_fresh_ids(&get, ids);
    let Some(time) = renamed.get(&newest.time) else { return get };
    let name = if newest.greatest { "max" } else { "min" };
    let info = ArgInfo { ty: time.ty.clone(), literal: None };
    let Ok(function) = bind_aggregate(name, &[info], false) else { return get };
    let ty = function.return_type.clone();
    let call = AggregateCall {
        function,
        args: vec![time.expr()],
        distinct: false,
        filter: None,
        order_by: vec![],
        ty: ty.clone(),
    };
    let last = ids.column(name, ty);
    let columns = get.columns();
    let mut on = vec![];
    let mut group_by = vec![];
    for key in &newest.keys {
        let (Some(own), Some(other)) = (columns.iter().find(|c| c.id == *key), renamed.get(key)) else {
            return get;
        };
        on.push(compare(CompareOp::Eq, own.expr(), other.expr()));
        group_by.push(Definition::pass(other.clone()));
    }
    let Some(own) = columns.iter().find(|c| c.id == newest.time) else { return get };
    on.push(compare(CompareOp::Eq, own.expr(), last.expr()));
    let right = LogicalPlan::Aggregate { input: Box::new(copy), group_by, aggregates: vec![(last, call)] };
    LogicalPlan::Join {
        left: Box::new(get),
        right: Box::new(right),
        kind: JoinType::Semi,
        on,
        dependent: false,
    }
}
