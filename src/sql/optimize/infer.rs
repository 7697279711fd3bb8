//! Rule: conditions that follow from others.
//!
//! From `a = b AND a < 5` follows `b < 5`, which can be tested where `b` comes from. From
//! `(a = 1 AND b = 2) OR (a = 3 AND b = 4)` follows `a IN (1, 3)`, which needs `a` alone.

use crate::column::predicate::CompareOp;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::sql::optimize::columns::{ColumnSet, Substitution, substitute};
use crate::sql::optimize::exprs::{and_all, is_volatile, may_fail, same};
use crate::sql::plan::ColumnId;

/// Columns known to be equal, in classes.
#[derive(Debug, Default)]
pub struct EqualColumns {
    classes: Vec<Vec<(ColumnId, LogicalType)>>,
}

impl EqualColumns {
    /// The classes that the equalities among conditions make.
    pub fn new<'a>(conditions: impl IntoIterator<Item = &'a Expr>) -> Self {
        let mut out = Self::default();
        for e in conditions {
            if let Expr::Compare { op: CompareOp::Eq | CompareOp::NotDistinctFrom, left, right } = e
                && let (Expr::Column { index: a, ty: at }, Expr::Column { index: b, ty: bt }) =
                    (&**left, &**right)
            {
                out.unite((*a, at), (*b, bt));
            }
        }
        out
    }

    fn unite(&mut self, a: (ColumnId, &LogicalType), b: (ColumnId, &LogicalType)) {
        let mut class = vec![];
        for (id, ty) in [a, b] {
            if let Some(at) = self.classes.iter().position(|c| c.iter().any(|(m, _)| *m == id)) {
                class.append(&mut self.classes.swap_remove(at));
            } else if class.iter().all(|(m, _)| *m != id) {
                class.push((id, ty.clone()));
            }
        }
        self.classes.push(class);
    }

    /// The other columns of the class.
    fn others(&self, id: ColumnId) -> impl Iterator<Item = &(ColumnId, LogicalType)> {
        let class = self.classes.iter().find(|c| c.iter().any(|(m, _)| *m == id));
        class.into_iter().flatten().filter(move |(m, _)| *m != id)
    }
}

/// Adds to `conditions`, which must all hold, the conditions on single columns that follow by equality.
pub fn add_by_equality(conditions: &mut Vec<Expr>, equal: &EqualColumns) {
    let mut derived: Vec<Expr> = vec![];
    for e in conditions.iter() {
        let Some((id, ty)) = column_against_constants(e) else { continue };
        for (other, other_ty) in equal.others(id) {
            if other_ty != ty {
                continue;
            }
            let mut copy = e.clone();
            let map: Substitution = [(id, Expr::column(*other, other_ty.clone()))].into();
            substitute(&mut copy, &map);
            if !conditions.iter().chain(&derived).any(|known| same(known, &copy)) {
                derived.push(copy);
            }
        }
    }
    conditions.extend(derived);
}

/// The column of a condition that compares it with constants.
fn column_against_constants(e: &Expr) -> Option<(ColumnId, &LogicalType)> {
    let input = match e {
        Expr::Compare { op, left, right }
            if matches!(**right, Expr::Literal { .. })
                && !matches!(op, CompareOp::DistinctFrom | CompareOp::NotDistinctFrom) =>
        {
            left
        }
        Expr::InList { input, .. } => input,
        _ => return None,
    };
    match &**input {
        Expr::Column { index, ty } => Some((*index, ty)),
        _ => None,
    }
}

/// Adds to `conditions` what alternatives (ORs) over several inputs say about each input alone. `inputs`
/// are the columns of each.
pub fn add_from_alternatives(conditions: &mut Vec<Expr>, inputs: &[ColumnSet]) {
    let mut derived: Vec<Expr> = vec![];
    for e in conditions.iter() {
        let Expr::Or(alternatives) = e else { continue };
        let used = ColumnSet::of(e);
        for columns in inputs {
            if used.is_subset(columns) || used.is_disjoint(columns) {
                continue;
            }
            // Every alternative must say something about this input alone.
            let of_input = |e: &Expr| -> Option<Expr> {
                let parts = match e {
                    Expr::And(parts) => parts.as_slice(),
                    other => std::slice::from_ref(other),
                };
                let on_input = |p: &&Expr| {
                    let used = ColumnSet::of(p);
                    !used.is_empty() && used.is_subset(columns) && !is_volatile(p) && !may_fail(p)
                };
                and_all(parts.iter().filter(on_input).cloned().collect())
            };
            let Some(all) = alternatives.iter().map(of_input).collect::<Option<Vec<_>>>() else { continue };
            let implied = Expr::Or(all);
            if !conditions.iter().chain(&derived).any(|known| same(known, &implied)) {
                derived.push(implied);
            }
        }
    }
    conditions.extend(derived);
}
