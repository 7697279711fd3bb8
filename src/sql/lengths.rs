//! Lengths of strings, which a scan finds without decoding them.

use crate::column::LengthUnit;
use crate::column::types::LogicalType;
use crate::exec::batch::{Field, Schema};
use crate::exec::expr::Expr;
use crate::exec::plan::{Plan, PlanNode};

/// The name of the length of a column.
pub(super) fn length_of(column: &str, unit: LengthUnit) -> String {
    match unit {
        LengthUnit::Characters => format!("length({column})"),
        LengthUnit::Bytes => format!("strlen({column})"),
    }
}

/// The column whose length a call asks for, if that is what it does.
fn asked(expr: &Expr) -> Option<(usize, LengthUnit)> {
    let Expr::Call { function, args, .. } = expr else { return None };
    let [Expr::Column { index, ty }] = &args[..] else { return None };
    let unit = match (function.name, ty) {
        ("length", LogicalType::Varchar) => LengthUnit::Characters,
        ("strlen", LogicalType::Varchar) | ("octet_length", LogicalType::Blob) => LengthUnit::Bytes,
        _ => return None,
    };
    Some((*index, unit))
}

/// Notes which columns an expression reads other than for their lengths, and all lengths that it asks for.
fn look_at(expr: &Expr, read: &mut [bool], lengths: &mut Vec<(usize, LengthUnit)>) {
    if let Some(length) = asked(expr) {
        if !lengths.contains(&length) {
            lengths.push(length);
        }
        return;
    }
    if let Expr::Column { index, .. } = expr {
        read[*index] = true;
    }
    expr.children().into_iter().for_each(|e| look_at(e, read, lengths));
}

/// Where the expressions over a scan of a table read nothing of a column but its length, makes the scan yield that
/// instead of the column.
pub(super) fn push_down(input: &mut Plan, mut exprs: Vec<&mut Expr>) {
    let PlanNode::TableScan { output, lengths, .. } = &mut input.node else { return };
    let mut read = vec![false; output.len()];
    let mut wanted = vec![];
    exprs.iter().for_each(|e| look_at(e, &mut read, &mut wanted));
    wanted.retain(|(column, _)| !read[*column]);
    if wanted.is_empty() || !lengths.is_empty() {
        return;
    }
    let is_measured = |column: usize| wanted.iter().any(|(measured, _)| *measured == column);
    let kept: Vec<usize> = (0..output.len()).filter(|column| !is_measured(*column)).collect();
    let place = |expr: &Expr| match (asked(expr), expr) {
        (Some(length), _) => wanted.iter().position(|w| *w == length).map(|i| kept.len() + i),
        (None, Expr::Column { index, .. }) => kept.binary_search(index).ok(),
        _ => None,
    };
    exprs.iter_mut().for_each(|e| replace(e, &place));
    *lengths = wanted.iter().map(|(column, unit)| (output[*column], *unit)).collect();
    *output = kept.iter().map(|column| output[*column]).collect();
    let measured = wanted
        .iter()
        .map(|(column, unit)| Field::new(length_of(&input.schema[*column].name, *unit), LogicalType::BigInt));
    let schema: Vec<Field> =
        kept.iter().map(|column| input.schema[*column].clone()).chain(measured).collect();
    input.schema = Schema::from(schema);
}

/// Puts columns in the place of those that moved, and of calls.
fn replace(expr: &mut Expr, place: &impl Fn(&Expr) -> Option<usize>) {
    match place(expr) {
        Some(place) => *expr = Expr::column(place, expr.ty()),
        None => expr.children_mut().into_iter().for_each(|e| replace(e, place)),
    }
}
