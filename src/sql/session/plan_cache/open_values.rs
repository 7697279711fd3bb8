//! Open places of a plan for the values of parameters: which of them may be left open, and how they are filled.

use crate::column::types::LogicalType;
use crate::exec::context::ExecContext;
use crate::exec::eval::evaluate_constant;
use crate::exec::expr::Expr;
use crate::sql::optimize::exprs::is_constant;
use crate::sql::parameter;
use crate::sql::plan::LogicalPlan;
use crate::sql::session::Parameters;

/// How many parameters of a plan stand where their type alone decides what they mean.
pub(super) fn settled(plan: &LogicalPlan) -> usize {
    let here: usize = plan.exprs().into_iter().map(settled_in).sum();
    here + plan.inputs().into_iter().map(settled).sum::<usize>()
}

fn settled_in(expr: &Expr) -> usize {
    let here = match expr {
        Expr::Compare { left, right, .. } => is_settled(left, right) || is_settled(right, left),
        Expr::Call { args, ty, .. } => match &args[..] {
            [left, right] => is_settled_operand(left, right, ty) || is_settled_operand(right, left, ty),
            _ => false,
        },
        _ => false,
    };
    usize::from(here) + expr.children().into_iter().map(settled_in).sum::<usize>()
}

/// Whether a parameter, as it is or cast, is compared with a value of rows that keeps its own type, or is an integer as
/// the parameter is.
fn is_settled(parameter: &Expr, value: &Expr) -> bool {
    let inner = without_casts(parameter);
    let is_parameter = parameter::name_of(inner).is_some();
    is_parameter
        && !is_constant(value)
        && match value {
            Expr::Cast { input, .. } => {
                inner.ty().is_integer() && input.ty().is_integer() && value.ty().is_integer()
            }
            _ => true,
        }
}

/// The same of a function of two arguments, of the type `ty`: whether all three are of the type that the value has, whatever
/// number the parameter is.
fn is_settled_operand(parameter: &Expr, value: &Expr, ty: &LogicalType) -> bool {
    let inner = without_casts(parameter);
    parameter::name_of(inner).is_some()
        && !is_constant(value)
        && !matches!(value, Expr::Cast { .. })
        && value.ty() == *ty
        && parameter.ty() == *ty
        && (inner.ty() == *ty || (inner.ty().is_integer() && (ty.is_integer() || *ty == LogicalType::Double)))
}

/// How many parameters are values that columns of changed rows are set to, as they are or cast: they are cast to the type of
/// their column, whatever they are.
pub(super) fn assigned(plan: &LogicalPlan) -> usize {
    let below = match plan {
        LogicalPlan::Project { input, .. } | LogicalPlan::Distinct { input, .. } => assigned(input),
        _ => return 0,
    };
    below
        + plan.exprs().into_iter().filter(|value| parameter::name_of(without_casts(value)).is_some()).count()
}

/// How many parameters of a plan are values of its rows, as they are or cast.
pub(super) fn values_of(plan: &LogicalPlan) -> usize {
    let here = match plan {
        LogicalPlan::Values { rows, .. } => {
            let values = rows.iter().flatten();
            values.filter(|value| parameter::name_of(without_casts(value)).is_some()).count()
        }
        _ => 0,
    };
    here + plan.inputs().into_iter().map(values_of).sum::<usize>()
}

fn without_casts(mut expr: &Expr) -> &Expr {
    while let Expr::Cast { input, .. } = expr {
        expr = input;
    }
    expr
}

/// Puts values into the place of parameters; `None` if one cannot be what it is cast to.
pub(super) fn put_values(
    plan: &mut LogicalPlan,
    parameters: &Parameters,
    context: &ExecContext,
) -> Option<()> {
    for expr in plan.exprs_mut() {
        put_in(expr, parameters, context)?;
    }
    plan.inputs_mut().into_iter().try_for_each(|input| put_values(input, parameters, context))
}

/// The same in an expression.
fn put_in(expr: &mut Expr, parameters: &Parameters, context: &ExecContext) -> Option<()> {
    if let Some(name) = parameter::name_of(expr) {
        let (value, ty) = parameters.get(name).ok()?;
        let ty = if value.is_null() { expr.ty() } else { ty };
        *expr = Expr::literal(value, ty);
        return Some(());
    }
    expr.children_mut().into_iter().try_for_each(|part| put_in(part, parameters, context))?;
    if let Expr::Cast { input, to, .. } = expr
        && matches!(**input, Expr::Literal { .. })
    {
        let ty = to.clone();
        *expr = Expr::literal(evaluate_constant(expr, context).ok()?, ty);
    }
    Some(())
}
