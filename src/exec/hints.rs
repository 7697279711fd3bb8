//! What operators tell those below them about rows that do not matter, so that scans need not read them.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::column::predicate::Predicate;
use crate::column::types::LogicalType;
use crate::exec::expr::{AggregateCall, Expr, SortKey};
use crate::exec::operators::aggregate::ResultBound;
use crate::exec::operators::aggregate::top::{self, TopKeys};
use crate::exec::operators::join::{HashBuild, JoinShape};
use crate::exec::operators::scan::newest::is_ranked;
use crate::exec::operators::sort::top_n::RunningBound;
use crate::exec::plan::JoinKind;

/// What is known about a column of an operator's output that the plan does not say: rows without it do not matter.
/// Scans use it to skip; nobody has to.
#[derive(Clone)]
pub(crate) struct Hint {
    /// Position in the output.
    pub column: usize,
    /// What rows must satisfy.
    pub kind: HintKind,
}

#[derive(Clone)]
pub(crate) enum HintKind {
    /// A fixed condition.
    Predicate(Predicate),
    /// A condition that gets tighter while the query runs.
    Bound(Arc<RunningBound>),
    /// The value must be one of the key of this number on a join's build side.
    Members(Arc<HashBuild>, usize),
    /// Of the rows with equal values in `keys` only one with the greatest value, or else the least, matters.
    Newest {
        /// Positions in the output.
        keys: Vec<usize>,
        /// The greatest matters.
        greatest: bool,
    },
    /// Of the distinct values only so many matter, those that come first in an order in which NULLs come last.
    First {
        /// How many.
        most: u64,
        /// The greatest come first.
        descending: bool,
    },
    /// The values of these positions must be those of the keys of a join's build side, all of the same row.
    Points(Arc<HashBuild>, Vec<usize>),
}

impl Hint {
    /// The same about the columns that these are at another place, if all are there.
    pub(crate) fn moved(self, place: impl Fn(usize) -> Option<usize>) -> Option<Self> {
        let all = |columns: Vec<usize>| columns.into_iter().map(&place).collect::<Option<Vec<_>>>();
        let kind = match self.kind {
            HintKind::Newest { keys, greatest } => HintKind::Newest { keys: all(keys)?, greatest },
            HintKind::Points(build, columns) => HintKind::Points(build, all(columns)?),
            kind => kind,
        };
        Some(Self { column: place(self.column)?, kind })
    }
}

/// Hints on a join's output that hold for its left input: rows that are dropped there would only have made output
/// rows that do not matter. Not where a left row decides what becomes of a right one.
pub(crate) fn left_hints(hints: Vec<Hint>, shape: &JoinShape) -> Vec<Hint> {
    if shape.tracks_right() {
        return vec![];
    }
    let width = shape.left.len();
    hints.into_iter().filter_map(|hint| hint.moved(|column| (column < width).then_some(column))).collect()
}

/// The same for the right input.
pub(crate) fn right_hints(hints: &[Hint], shape: &JoinShape) -> Vec<Hint> {
    let width = match shape.kind {
        JoinKind::Inner => shape.left.len(),
        JoinKind::RightSemi | JoinKind::RightAnti => 0,
        _ => return vec![],
    };
    hints.iter().filter_map(|hint| hint.clone().moved(|column| column.checked_sub(width))).collect()
}

/// Hints on the keys of groups that hold for the rows: all rows of a group have its keys, so that those of a group that
/// does not matter do not matter either.
pub(crate) fn key_hints(hints: Vec<Hint>, keys: &[Expr]) -> Vec<Hint> {
    // A bound is known only when the groups are.
    let of_groups = |hint: &Hint| matches!(hint.kind, HintKind::Bound(_) | HintKind::First { .. });
    let known = hints.into_iter().filter(|hint| !of_groups(hint));
    let below = |column: usize| match keys.get(column)? {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    };
    known.filter_map(|hint| hint.moved(below)).collect()
}

/// Where all that is asked of a group is the greatest value of one column, or the least, other rows do not matter.
pub(crate) fn newest_rows(keys: &[Expr], calls: &[AggregateCall]) -> Option<Hint> {
    let column = |e: &Expr| match e {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    };
    let extreme = |call: &AggregateCall| match &call.args[..] {
        [Expr::Column { index, ty }] if call.filter.is_none() && is_ranked(ty) => {
            Some((call.function.name, *index))
        }
        _ => None,
    };
    let keys: Vec<usize> = keys.iter().map(column).collect::<Option<_>>()?;
    let (name, column) = extreme(calls.first()?)?;
    let all = calls.iter().all(|call| extreme(call) == Some((name, column)));
    let greatest = name == "max";
    (all && !keys.is_empty() && (greatest || name == "min"))
        .then_some(Hint { column, kind: HintKind::Newest { keys, greatest } })
}

/// A bound for the scan below a top-N, if its first key is a column whose NULLs come last: a comparison is false
/// for them, so they could be skipped when they are wanted first.
pub(crate) fn running_bound(keys: &[SortKey]) -> (Option<Arc<RunningBound>>, Vec<Hint>) {
    match keys.first() {
        Some(SortKey { expr: Expr::Column { index, .. }, nulls_first: false, descending }) => {
            let bound = Arc::new(RunningBound::new(*descending));
            (Some(bound.clone()), vec![Hint { column: *index, kind: HintKind::Bound(bound) }])
        }
        _ => (None, vec![]),
    }
}

/// The values of the first key of a top-N that matter: each has a row.
pub(crate) fn first_values(keys: &[SortKey], most: u64) -> Option<Hint> {
    match keys.first() {
        Some(SortKey { expr: Expr::Column { index, .. }, nulls_first: false, descending })
            if (1..=top::MOST).contains(&most) =>
        {
            Some(Hint { column: *index, kind: HintKind::First { most, descending: *descending } })
        }
        _ => None,
    }
}

/// Which of an aggregation's groups matter, and what that says about the rows that it reads.
pub(crate) fn first_groups(
    hints: &[Hint],
    keys: &[Expr],
    calls: &[AggregateCall],
) -> Option<(TopKeys, Option<Hint>)> {
    let wanted = hints.iter().find_map(|hint| match hint.kind {
        HintKind::First { most, descending } if keys.get(hint.column).is_some_and(|k| is_ranked(&k.ty())) => {
            Some((hint.column, most, descending))
        }
        _ => None,
    });
    let (key, most, descending) = wanted?;
    let column = risen_from(&keys[key]).filter(|_| !calls.iter().any(|call| call.function.order_sensitive));
    let rises_with = column.map(|column| (column, Arc::new(RunningBound::in_blocks(descending))));
    let hint = rises_with
        .as_ref()
        .map(|(column, bound)| Hint { column: *column, kind: HintKind::Bound(Arc::clone(bound)) });
    let most = usize::try_from(most).ok()?;
    Some((TopKeys { key, most, descending, rises_with, seen: RwLock::default() }, hint))
}

/// What whoever keeps the first groups of an order by an aggregate knows of those that matter.
pub(crate) fn result_bound(hints: &[Hint], keys: usize, calls: &[AggregateCall]) -> Option<ResultBound> {
    hints.iter().find_map(|hint| {
        let HintKind::Bound(bound) = &hint.kind else { return None };
        let call = hint.column.checked_sub(keys)?;
        Some(ResultBound { call, ty: calls.get(call)?.ty.clone(), bound: Arc::clone(bound) })
    })
}

/// The column that an expression never falls with as it rises: the column itself, or the start of a bucket of it.
fn risen_from(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column { index, ty } if is_ranked(ty) => Some(*index),
        Expr::Call { function, args, ty: LogicalType::Timestamp(_) }
            if matches!(function.name, "date_trunc" | "time_bucket" | "date_bin") =>
        {
            let mut column = None;
            for arg in args {
                match arg {
                    Expr::Literal { .. } => {}
                    Expr::Column { index, ty: LogicalType::Timestamp(_) } if column.is_none() => {
                        column = Some(*index);
                    }
                    _ => return None,
                }
            }
            column
        }
        _ => None,
    }
}
