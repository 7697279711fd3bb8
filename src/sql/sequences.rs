//! `nextval`, `currval` and `setval`: functions that are tied to a sequence when they are bound.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};

use crate::catalog::{Exhausted, SequenceDefinition};
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::Expr;
use crate::exec::functions::{ScalarFunction, ScalarKernel};
use crate::exec::plan::{Plan, PlanNode};
use crate::sql::plan::LogicalPlan;

/// The names of the functions.
pub const FUNCTIONS: &[&str] = &["nextval", "currval", "setval"];

/// The function of that name for a sequence. `setval` takes the value as first argument and whether it counts as
/// taken as the second; the others take none.
pub fn function(name: &'static str, sequence: Arc<SequenceDefinition>) -> ScalarFunction {
    let kernel: ScalarKernel = match name {
        "nextval" => Box::new(move |_, _, rows, _| {
            let values = (0..rows).map(|_| sequence.take().map_err(|e| exhausted(&sequence, e)));
            Ok(array(values.collect::<Result<Vec<i64>>>()?))
        }),
        "currval" => Box::new(move |_, _, rows, _| {
            let last = sequence.last().ok_or_else(|| {
                ExecError::Sequence("currval: sequence is not yet defined in this session".into())
            })?;
            Ok(array(vec![last; rows]))
        }),
        _ => Box::new(move |args, _, rows, _| put(&sequence, args, rows)),
    };
    ScalarFunction { name, strict: name == "setval", volatile: true, lambda: None, kernel }
}

fn array(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

fn exhausted(sequence: &SequenceDefinition, e: Exhausted) -> ExecError {
    let name = &sequence.name;
    ExecError::Sequence(match e {
        Exhausted::AtGreatest(end) => {
            format!("nextval: reached maximum value of sequence \"{name}\" ({end})")
        }
        Exhausted::AtLeast(end) => format!("nextval: reached minimum value of sequence \"{name}\" ({end})"),
    })
}

fn put(sequence: &SequenceDefinition, args: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let (values, taken) = (args[0].as_primitive::<Int64Type>(), args[1].as_boolean());
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        let at = |array: &dyn Array| if array.len() == rows { row } else { 0 };
        let (i, j) = (at(values), at(taken));
        if values.is_null(i) || taken.is_null(j) {
            out.push(None);
            continue;
        }
        let value = values.value(i);
        if !(sequence.least..=sequence.greatest).contains(&value) {
            return Err(ExecError::Sequence(format!(
                "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                sequence.name, sequence.least, sequence.greatest
            )));
        }
        sequence.put(value, taken.value(j));
        out.push(Some(value));
    }
    Ok(Arc::new(Int64Array::from(out)))
}

/// Whether a plan takes values of a sequence: then its rows must come in order, and what was taken be saved.
pub fn used_in(plan: &Plan) -> bool {
    exprs(&plan.node).into_iter().any(used_by) || plan.node.inputs().into_iter().any(used_in)
}

/// Whether a plan that is still to be made physical takes values of a sequence.
pub fn used_in_logical(plan: &LogicalPlan) -> bool {
    let mut todo = vec![plan];
    while let Some(plan) = todo.pop() {
        if plan.exprs().into_iter().any(used_by) {
            return true;
        }
        todo.extend(plan.inputs());
    }
    false
}

/// Whether an expression takes values of a sequence.
fn used_by(expr: &Expr) -> bool {
    matches!(expr, Expr::Call { function, .. } if matches!(function.name, "nextval" | "setval"))
        || expr.children().into_iter().any(used_by)
}

/// The expressions in which a sequence may be used: those that make values.
fn exprs(node: &PlanNode) -> Vec<&Expr> {
    match node {
        PlanNode::Values { rows } => rows.iter().flatten().collect(),
        PlanNode::Project { exprs, .. } => exprs.iter().collect(),
        PlanNode::Filter { predicate, .. } => vec![predicate],
        PlanNode::Aggregate { group_by, aggregates, .. } => {
            group_by.iter().chain(aggregates.iter().flat_map(|call| call.exprs())).collect()
        }
        PlanNode::Sort { keys, .. } | PlanNode::TopN { keys, .. } => keys.iter().map(|k| &k.expr).collect(),
        PlanNode::TableScan { filter, .. } | PlanNode::SourceScan { filter, .. } => filter.iter().collect(),
        PlanNode::NestedLoopJoin { predicate, .. } => predicate.iter().collect(),
        PlanNode::HashJoin { keys, residual, .. } => {
            keys.iter().flat_map(|(l, r)| [l, r]).chain(residual).collect()
        }
        _ => vec![],
    }
}
