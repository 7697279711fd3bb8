//! Rule: the bounds that several conditions set for one value become one lower and one upper bound.
//!
//! `x > 3 AND x >= 5 AND x < 9` becomes `x >= 5 AND x < 9`; `x = 4 AND x > 5` becomes FALSE.

use std::cmp::Ordering;

use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::exec::expr::Expr;
use crate::sql::optimize::exprs::{boolean, is_volatile, same};

/// What is known of one value.
#[derive(Default)]
struct Bounds {
    /// Positions in the list of conditions.
    equal: Option<usize>,
    lower: Option<usize>,
    upper: Option<usize>,
}

/// Drops the conditions that others imply, of conditions that must all hold; leaves the one condition FALSE
/// where they contradict each other.
pub fn tighten(conditions: &mut Vec<Expr>) {
    let mut known: Vec<(Expr, Bounds)> = vec![];
    let mut keep = vec![true; conditions.len()];
    for i in 0..conditions.len() {
        let Some((input, op, value)) = bound(&conditions[i]) else { continue };
        let at = known.iter().position(|(e, _)| same(e, input)).unwrap_or_else(|| {
            known.push((input.clone(), Bounds::default()));
            known.len() - 1
        });
        let bounds = &mut known[at].1;
        let slot = match op {
            CompareOp::Eq => &mut bounds.equal,
            CompareOp::Gt | CompareOp::GtEq => &mut bounds.lower,
            _ => &mut bounds.upper,
        };
        let Some(old) = *slot else {
            *slot = Some(i);
            continue;
        };
        let Some((_, old_op, old_value)) = bound(&conditions[old]) else { continue };
        let Some(order) = value.compare(old_value) else { continue };
        let new_is_tighter = match op {
            CompareOp::Eq => {
                if order.is_ne() {
                    *conditions = vec![boolean(false)];
                    return;
                }
                false
            }
            CompareOp::Gt | CompareOp::GtEq => {
                order.is_gt() || order.is_eq() && op == CompareOp::Gt && old_op == CompareOp::GtEq
            }
            _ => order.is_lt() || order.is_eq() && op == CompareOp::Lt && old_op == CompareOp::LtEq,
        };
        if new_is_tighter {
            keep[old] = false;
            *slot = Some(i);
        } else {
            keep[i] = false;
        }
    }
    for (_, bounds) in &known {
        let at = |slot: Option<usize>| slot.and_then(|i| bound(&conditions[i]));
        let (equal, lower, upper) = (at(bounds.equal), at(bounds.lower), at(bounds.upper));
        let mut possible = true;
        if let (Some((_, lower_op, l)), Some((_, upper_op, u))) = (lower, upper) {
            let open = lower_op == CompareOp::Gt || upper_op == CompareOp::Lt;
            possible &= match l.compare(u) {
                Some(Ordering::Greater) => false,
                Some(Ordering::Equal) => !open,
                _ => true,
            };
        }
        if let Some((_, _, value)) = equal {
            for (slot, side) in [(bounds.lower, lower), (bounds.upper, upper)] {
                let (Some(i), Some((_, op, limit))) = (slot, side) else { continue };
                if let Some(order) = value.compare(limit) {
                    possible &= holds(op, order);
                    keep[i] = false;
                }
            }
        }
        if !possible {
            *conditions = vec![boolean(false)];
            return;
        }
    }
    let mut i = 0;
    conditions.retain(|_| {
        i += 1;
        keep[i - 1]
    });
}

/// Whether values in this order satisfy the comparison.
fn holds(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Lt => order.is_lt(),
        CompareOp::LtEq => order.is_le(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::GtEq => order.is_ge(),
        CompareOp::Eq | CompareOp::NotDistinctFrom => order.is_eq(),
        CompareOp::NotEq | CompareOp::DistinctFrom => order.is_ne(),
    }
}

/// A condition that bounds a value by a constant.
fn bound(e: &Expr) -> Option<(&Expr, CompareOp, &Scalar)> {
    let Expr::Compare { op, left, right } = e else { return None };
    let Expr::Literal { value, .. } = &**right else { return None };
    let bounds =
        matches!(op, CompareOp::Eq | CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq);
    (bounds && !value.is_null() && !matches!(value, Scalar::Nested(_)) && !is_volatile(left))
        .then_some((left, *op, value))
}
