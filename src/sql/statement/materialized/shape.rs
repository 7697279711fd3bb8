//! Queries whose rows can be made anew bucket by bucket: groups of one table, one of whose keys is a bucket of time.

use std::sync::Arc;

use crate::catalog::TimeRange;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::context::ExecContext;
use crate::exec::eval::evaluate_constant;
use crate::exec::expr::{CompareOp, Expr};
use crate::sql::bind::scope::is_instant;
use crate::sql::plan::{Column, Definition, LogicalPlan};
use crate::table::TableSnapshot;

/// How a query puts the rows of a table into buckets.
#[derive(Debug)]
pub struct Shape {
    /// The table.
    pub table: Arc<TableSnapshot>,
    /// The position of its time column.
    pub time: usize,
    /// That column in the plan.
    column: Column,
    /// The start of a row's bucket, over that column.
    start: Expr,
    /// The position of the bucket's start among the columns of the query.
    pub output: usize,
}

impl Shape {
    /// That of a plan as it was bound, if it has one. Whatever looks at several groups, such as a window or a limit,
    /// takes it away.
    pub fn of(plan: &LogicalPlan) -> Option<Self> {
        let (outputs, node) = groups_below(plan)?;
        let LogicalPlan::Aggregate { input, group_by: keys, .. } = node else { return None };
        let mut below = &**input;
        let mut starts: Vec<(usize, Expr)> = vec![];
        for (position, output) in outputs.iter().enumerate() {
            let key = output.and_then(|id| keys.iter().find(|key| key.column.id == id));
            starts.extend(key.map(|key| (position, key.expr.clone())));
        }
        loop {
            match below {
                LogicalPlan::Filter { input, .. } => below = input,
                LogicalPlan::Project { input, definitions } => {
                    starts.iter_mut().for_each(|(_, start)| substitute(start, definitions));
                    below = input;
                }
                LogicalPlan::TableGet { table, positions, columns, .. } => {
                    for (output, start) in starts {
                        let time = columns.iter().zip(positions).find(|(c, _)| is_bucket(&start, c));
                        if let Some((column, &time)) = time {
                            let (table, column) = (Arc::clone(table), column.clone());
                            return Some(Self { table, time, column, start, output });
                        }
                    }
                    return None;
                }
                _ => return None,
            }
        }
    }

    /// The start of the bucket that a time is in.
    pub fn start_of(&self, time: i64, context: &ExecContext) -> Option<i64> {
        let mut start = self.start.clone();
        let time = Expr::literal(Scalar::Int(time.into()), self.column.ty.clone());
        replace(&mut start, self.column.id, &time);
        match evaluate_constant(&start, context).ok()? {
            Scalar::Int(start) => i64::try_from(start).ok(),
            _ => None,
        }
    }

    /// The first time whose bucket begins at `start` or later, near a time whose bucket does.
    pub fn first_from(&self, start: i64, near: i64, context: &ExecContext) -> Option<i64> {
        let is_in = |time: i64| self.start_of(time, context).map(|found| found >= start);
        // `outside` is not, `inside` is; they come from steps that double.
        let (mut inside, mut step) = (near, 1_i64);
        if !is_in(near)? {
            return None;
        }
        let mut outside = loop {
            let time = near.checked_sub(step)?;
            if !is_in(time)? {
                break time;
            }
            inside = time;
            step = step.checked_mul(2)?;
        };
        while inside - outside > 1 {
            let middle = outside + (inside - outside) / 2;
            *(if is_in(middle)? { &mut inside } else { &mut outside }) = middle;
        }
        Some(inside)
    }

    /// The last time whose bucket begins at `start` or before, near a time whose bucket does.
    pub fn last_until(&self, start: i64, near: i64, context: &ExecContext) -> Option<i64> {
        let is_in = |time: i64| self.start_of(time, context).map(|found| found <= start);
        let (mut inside, mut step) = (near, 1_i64);
        if !is_in(near)? {
            return None;
        }
        let mut outside = loop {
            let time = near.checked_add(step)?;
            if !is_in(time)? {
                break time;
            }
            inside = time;
            step = step.checked_mul(2)?;
        };
        while outside - inside > 1 {
            let middle = inside + (outside - inside) / 2;
            *(if is_in(middle)? { &mut inside } else { &mut outside }) = middle;
        }
        Some(inside)
    }

    /// Makes the plan one over the rows whose times are in one of these ranges. All of time is no condition.
    pub fn restrict(&self, plan: &mut LogicalPlan, ranges: &[TimeRange]) {
        let bound = |op, ticks: i64| {
            let value = Expr::literal(Scalar::Int(ticks.into()), self.column.ty.clone());
            Expr::Compare { op, left: Box::new(self.column.expr()), right: Box::new(value) }
        };
        let mut within = vec![];
        for &(least, greatest) in ranges {
            let mut both = vec![];
            if least != i64::MIN {
                both.push(bound(CompareOp::GtEq, least));
            }
            if greatest != i64::MAX {
                both.push(bound(CompareOp::LtEq, greatest));
            }
            match both.len() {
                0 => return,
                1 => within.append(&mut both),
                _ => within.push(Expr::And(both)),
            }
        }
        match within.len() {
            0 => {}
            1 => restrict(plan, within),
            _ => restrict(plan, vec![Expr::Or(within)]),
        }
    }
}

/// The aggregation that a query's rows are, and which of its columns each column of the query is, if it is one.
pub fn groups_below(plan: &LogicalPlan) -> Option<(Vec<Option<usize>>, &LogicalPlan)> {
    let mut outputs: Vec<Option<usize>> = plan.columns().iter().map(|c| Some(c.id)).collect();
    let mut node = plan;
    loop {
        match node {
            LogicalPlan::Sort { input, .. } | LogicalPlan::Filter { input, .. } => node = input,
            LogicalPlan::Project { input, definitions } => {
                for output in &mut outputs {
                    *output = output.and_then(|id| bare(definitions, id));
                }
                node = input;
            }
            LogicalPlan::Aggregate { .. } => return Some((outputs, node)),
            _ => return None,
        }
    }
}

/// Whether a query has conditions on its groups.
pub fn drops_groups(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate { .. } => false,
        LogicalPlan::Filter { .. } => true,
        other => other.inputs().into_iter().any(drops_groups),
    }
}

/// Puts a filter above the one table of a plan.
fn restrict(plan: &mut LogicalPlan, predicates: Vec<Expr>) {
    if matches!(plan, LogicalPlan::TableGet { .. }) {
        let columns = vec![];
        let table = std::mem::replace(plan, LogicalPlan::Values { rows: vec![], columns });
        *plan = LogicalPlan::Filter { input: Box::new(table), predicates };
        return;
    }
    if let Some(input) = plan.inputs_mut().into_iter().next() {
        restrict(input, predicates);
    }
}

/// The column that a projection passes on under an id, if it is that alone.
fn bare(definitions: &[Definition], id: usize) -> Option<usize> {
    match &definitions.iter().find(|d| d.column.id == id)?.expr {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    }
}

/// Puts what a projection defines in the place of its columns.
pub fn substitute(expr: &mut Expr, definitions: &[Definition]) {
    if let Expr::Column { index, .. } = expr {
        if let Some(definition) = definitions.iter().find(|d| d.column.id == *index) {
            *expr = definition.expr.clone();
        }
        return;
    }
    expr.children_mut().into_iter().for_each(|child| substitute(child, definitions));
}

fn replace(expr: &mut Expr, column: usize, value: &Expr) {
    if matches!(expr, Expr::Column { index, .. } if *index == column) {
        *expr = value.clone();
        return;
    }
    expr.children_mut().into_iter().for_each(|child| replace(child, column, value));
}

/// Whether an expression is a bucket of that column's time.
fn is_bucket(expr: &Expr, column: &Column) -> bool {
    is_instant(&column.ty) && is_instant(&expr.ty()) && is_monotonic(expr, column) == Some(true)
}

/// Whether an expression has the column in it, if it never goes back as the column goes on; `None` if it may. Clocks of
/// zones do go back, so of them only whole days count.
fn is_monotonic(expr: &Expr, column: &Column) -> Option<bool> {
    match expr {
        Expr::Column { index, .. } => (*index == column.id).then_some(true),
        Expr::Literal { .. } => Some(false),
        Expr::Cast { input, to, .. } => {
            let inner = is_monotonic(input, column)?;
            let same_clock = (input.ty() == LogicalType::TimestampTz) == (*to == LogicalType::TimestampTz);
            (!inner || is_instant(to) && same_clock).then_some(inner)
        }
        Expr::Call { function, args, ty } => {
            let mut uses = 0;
            for arg in args {
                uses += usize::from(is_monotonic(arg, column)?);
            }
            let fits = match (function.name, &args[..]) {
                ("+" | "-", [time, by]) => is_instant(&time.ty()) && by.ty() == LogicalType::Interval,
                // Midnights of a zone come in order, but not all times that its clock shows are shown once.
                ("time_bucket", [width, _, zone]) if zone.ty() == LogicalType::Varchar => {
                    matches!(width, Expr::Literal { value: Scalar::Interval { nanos: 0, .. }, .. })
                }
                ("time_bucket" | "clock_bucket", _) => true,
                ("date_trunc", [_, time]) => time.ty() != LogicalType::TimestampTz,
                ("timezone", [Expr::Literal { value: Scalar::Text(zone), .. }, _]) => &**zone == "UTC",
                _ => false,
            };
            match uses {
                0 => Some(false),
                1 if fits && is_instant(ty) => Some(true),
                _ => None,
            }
        }
        _ => None,
    }
}
