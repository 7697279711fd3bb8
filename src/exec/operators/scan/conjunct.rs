//! The conditions of a scan, one by one.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::column::predicate::{CompareOp, Predicate, Prune};
use crate::column::scalar::Scalar;
use crate::column::stats::ChunkStats;
use crate::column::types::LogicalType;
use crate::exec::error::Result;
use crate::exec::eval::is_fallible;
use crate::exec::expr::{Expr, is_volatile};

/// One of the conditions that all must be true.
#[derive(Debug)]
pub(super) struct Conjunct {
    /// The condition over the scan's columns.
    pub expr: Expr,
    /// The same, if it compares a column with a constant: position of the column, condition.
    pub simple: Option<(usize, Predicate)>,
    /// The position of its only column, if that is of strings and only its values tell whether the condition holds.
    pub of_strings: Option<usize>,
    /// Positions of the columns it needs.
    pub columns: Vec<usize>,
    /// It may fail for some values, so it is asked only about rows that satisfy all before it.
    pub fallible: bool,
    cost: f64,
    observed: Observed,
}

/// What it costs to look for a row's position in a dictionary among those that pass; see `cost`.
const CODE_COST: f64 = 1.0;

/// Rows that a condition was asked about, and those of them that satisfied it, by all workers of a scan.
#[derive(Debug, Default)]
pub(super) struct Observed {
    seen: AtomicU64,
    kept: AtomicU64,
}

impl Observed {
    /// Notes that `kept` of `seen` rows satisfied it.
    pub fn add(&self, seen: usize, kept: usize) {
        self.seen.fetch_add(seen as u64, Ordering::Relaxed);
        self.kept.fetch_add(kept as u64, Ordering::Relaxed);
    }

    /// How many rows it was asked about.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// The share of rows that it drops.
    pub fn dropped(&self) -> f64 {
        let kept = self.kept.load(Ordering::Relaxed) as f64;
        let seen = self.seen() as f64;
        if seen > 0.0 { 1.0 - kept / seen } else { 0.5 }
    }

    /// What it costs for each row that it drops. The lower, the earlier it is evaluated.
    pub fn rank(&self, cost: f64) -> f64 {
        cost / self.dropped().max(0.01)
    }
}

impl Conjunct {
    fn new(expr: Expr) -> Self {
        let simple = simple_predicate(&expr);
        let mut columns = vec![];
        collect_columns(&expr, &mut columns);
        columns.sort_unstable();
        columns.dedup();
        let of_strings = match columns[..] {
            [column] if simple.is_none() && !is_volatile(&expr) && has_strings(&expr) => Some(column),
            _ => None,
        };
        Self {
            of_strings,
            cost: cost(&expr),
            fallible: is_fallible(&expr),
            simple,
            columns,
            expr,
            observed: Observed::default(),
        }
    }

    /// Notes how selective it was.
    pub fn observe(&self, seen: usize, kept: usize) {
        self.observed.add(seen, kept);
    }

    /// The column of strings of which a dictionary may tell whether the condition holds.
    pub fn told_by_dictionary(&self) -> Option<usize> {
        let simple = self.simple.as_ref().map(|(column, _)| *column).filter(|_| has_strings(&self.expr));
        simple.or(self.of_strings)
    }

    /// The lower, the earlier it is evaluated. If a dictionary tells whether it holds: how many strings that has, as a share
    /// of the rows.
    pub fn rank(&self, dictionary: Option<f64>) -> f64 {
        self.observed.rank(dictionary.map_or(self.cost, |share| CODE_COST + share * self.cost))
    }
}

/// The conditions of a filter.
pub(super) fn split(filter: Expr) -> Vec<Conjunct> {
    fn collect(expr: Expr, out: &mut Vec<Conjunct>) {
        match expr {
            Expr::And(all) => {
                for part in all {
                    collect(part, out);
                }
            }
            other => out.push(Conjunct::new(other)),
        }
    }
    let mut out = vec![];
    collect(filter, &mut out);
    out
}

fn collect_columns(expr: &Expr, out: &mut Vec<usize>) {
    if let Expr::Column { index, .. } = expr {
        out.push(*index);
    }
    for child in expr.children() {
        collect_columns(child, out);
    }
}

/// Whether a column that it needs is of strings.
fn has_strings(expr: &Expr) -> bool {
    use LogicalType as T;
    matches!(expr, Expr::Column { ty: T::Varchar | T::Json | T::Blob, .. })
        || expr.children().into_iter().any(has_strings)
}

/// A rough cost for a row.
fn cost(expr: &Expr) -> f64 {
    let own = match expr {
        Expr::Column { ty, .. } => match ty {
            LogicalType::Boolean => 0.5,
            LogicalType::Varchar | LogicalType::Json | LogicalType::Blob => 4.0,
            t if t.is_nested() => 20.0,
            _ => 1.0,
        },
        Expr::Literal { .. } | Expr::And(_) | Expr::Or(_) | Expr::Not(_) | Expr::IsNull { .. } => 0.1,
        Expr::Compare { .. } => 0.5,
        Expr::InList { .. } | Expr::Coalesce(_) => 2.0,
        Expr::Case { .. } => 4.0,
        Expr::Cast { .. } => 3.0,
        Expr::Call { function, .. } => match function.name {
            "like" | "not_like" | "ilike" | "contains" => 20.0,
            name if name.starts_with("regexp") => 200.0,
            _ => 3.0,
        },
    };
    own + expr.children().into_iter().map(cost).sum::<f64>()
}

/// The condition as a comparison of a column with a constant, if it is one.
fn simple_predicate(expr: &Expr) -> Option<(usize, Predicate)> {
    fn column(expr: &Expr) -> Option<usize> {
        match expr {
            Expr::Column { index, .. } => Some(*index),
            _ => None,
        }
    }
    let predicate = |op, value: &Scalar| Predicate { op, value: value.clone() };
    match expr {
        Expr::Compare { op, left, right } => {
            let (column, op, value) = match (&**left, &**right) {
                (Expr::Column { index, .. }, Expr::Literal { value, .. }) => (*index, *op, value),
                (Expr::Literal { value, .. }, Expr::Column { index, .. }) => (*index, op.swap(), value),
                _ => return None,
            };
            let takes_null = matches!(op, CompareOp::DistinctFrom | CompareOp::NotDistinctFrom);
            (takes_null || !value.is_null()).then(|| (column, predicate(op, value)))
        }
        Expr::IsNull { input, negated } => {
            let op = if *negated { CompareOp::DistinctFrom } else { CompareOp::NotDistinctFrom };
            Some((column(input)?, predicate(op, &Scalar::Null)))
        }
        Expr::Column { index, ty: LogicalType::Boolean } => {
            Some((*index, predicate(CompareOp::Eq, &Scalar::Boolean(true))))
        }
        Expr::Not(input) => match &**input {
            Expr::Column { index, ty: LogicalType::Boolean } => {
                Some((*index, predicate(CompareOp::Eq, &Scalar::Boolean(false))))
            }
            _ => None,
        },
        _ => None,
    }
}

/// What statistics say about a condition. `stats` gives those of a column of the scan.
pub(super) fn prune(expr: &Expr, stats: &mut dyn FnMut(usize) -> Result<ChunkStats>) -> Result<Prune> {
    if let Some((column, predicate)) = simple_predicate(expr) {
        return Ok(stats(column)?.prune(&predicate));
    }
    Ok(match expr {
        Expr::Literal { value: Scalar::Boolean(true), .. } => Prune::All,
        Expr::Literal { value: Scalar::Boolean(false) | Scalar::Null, .. } => Prune::None,
        Expr::And(all) => {
            let mut whole = Prune::All;
            for part in all {
                match prune(part, stats)? {
                    Prune::None => return Ok(Prune::None),
                    Prune::Some => whole = Prune::Some,
                    Prune::All => {}
                }
            }
            whole
        }
        Expr::Or(any) => {
            let mut whole = Prune::None;
            for part in any {
                match prune(part, stats)? {
                    Prune::All => return Ok(Prune::All),
                    Prune::Some => whole = Prune::Some,
                    Prune::None => {}
                }
            }
            whole
        }
        Expr::InList { input, list, negated: false } => {
            let Expr::Column { index, .. } = **input else { return Ok(Prune::Some) };
            let stats = stats(index)?;
            let mut whole = Prune::None;
            for value in list.iter().filter(|v| !v.is_null()) {
                match stats.prune(&Predicate { op: CompareOp::Eq, value: value.clone() }) {
                    Prune::All => return Ok(Prune::All),
                    Prune::Some => whole = Prune::Some,
                    Prune::None => {}
                }
            }
            whole
        }
        _ => Prune::Some,
    })
}
