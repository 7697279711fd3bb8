//! Evaluation of bound expressions over a batch.
//!
//! Constants stay arrays of one row until a result is asked for. A function or comparison of one
//! dictionary-coded column and constants is computed once per distinct value. `AND`, `OR`, `CASE` and
//! `COALESCE` evaluate what could fail, or is costly, only for the rows that need it, so that
//! `CASE WHEN x <> 0 THEN 1 // x END` never divides by zero.

mod compare;
mod in_list;
mod lazy;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, UInt32Array, new_empty_array, new_null_array,
};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;

pub use compare::{Side, compare};
pub use lazy::{filter_batch, is_fallible};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::cast;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::functions::room::check_room;

/// A result: one row for each row of the batch, or one row that stands for all.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) array: ArrayRef,
    pub(crate) constant: bool,
}

impl Value {
    fn rows(array: ArrayRef) -> Self {
        Self { array, constant: false }
    }

    fn one(array: ArrayRef) -> Self {
        Self { array, constant: true }
    }

    /// One row for each row of the batch.
    fn expand(self, rows: usize, context: &ExecContext) -> Result<ArrayRef> {
        if self.constant { repeat(&self.array, rows, context) } else { Ok(self.array) }
    }

    fn is_dictionary(&self) -> bool {
        matches!(self.array.data_type(), DataType::Dictionary(..))
    }

    fn flatten(&mut self) -> Result<()> {
        if self.is_dictionary() {
            self.array = flatten(&self.array)?;
        }
        Ok(())
    }

    fn side(&self) -> Side<'_> {
        Side { array: &self.array, constant: self.constant }
    }
}

/// The one row of `array`, `len` times.
pub fn repeat(array: &ArrayRef, len: usize, context: &ExecContext) -> Result<ArrayRef> {
    if len == 1 {
        return Ok(array.clone());
    }
    if array.is_null(0) {
        return Ok(new_null_array(array.data_type(), len));
    }
    check_room(array, len, context)?;
    Ok(arrow_select::take::take(array, &UInt32Array::from_value(0, len), None)?)
}

/// An array of `len` times the value, in the layout of `ty`.
pub(crate) fn scalar_array(value: &Scalar, ty: &LogicalType, len: usize) -> Result<ArrayRef> {
    value.to_array(ty, len).map_err(|e| ExecError::Internal(e.to_string()))
}

/// The array without dictionary coding; other arrays as they are.
pub fn flatten(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(..) => {
            let d = array.as_any_dictionary();
            Ok(arrow_select::take::take(d.values(), d.keys(), None)?)
        }
        _ => Ok(array.clone()),
    }
}

/// Evaluates an expression; the result has one row for each row of the batch, in the layout of the
/// expression's type (`VARCHAR` possibly dictionary-coded).
pub fn evaluate(expr: &Expr, batch: &Batch, context: &ExecContext) -> Result<ArrayRef> {
    eval(expr, batch, context)?.expand(batch.rows, context)
}

/// Evaluates a condition; rows where it is NULL count as false. The result has no NULLs.
pub fn evaluate_predicate(expr: &Expr, batch: &Batch, context: &ExecContext) -> Result<BooleanArray> {
    let bits = match expr {
        Expr::And(all) => lazy::conjunction(all, batch, context)?,
        _ => truth(&eval(expr, batch, context)?, batch.rows),
    };
    Ok(BooleanArray::new(bits, None))
}

/// The value of an expression without columns.
pub fn evaluate_constant(expr: &Expr, context: &ExecContext) -> Result<Scalar> {
    let array = evaluate(expr, &Batch::new(vec![], 1), context)?;
    Ok(Scalar::from_array(&array, 0, &expr.ty()))
}

/// Where a boolean value is true.
fn truth(value: &Value, rows: usize) -> BooleanBuffer {
    let array = match value.array.as_boolean_opt() {
        Some(b) => b,
        // The only other type a condition can have is that of a bare NULL.
        None => return BooleanBuffer::new_unset(rows),
    };
    if value.constant {
        let set = array.is_valid(0) && array.value(0);
        return if set { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) };
    }
    match array.nulls() {
        Some(nulls) if nulls.null_count() > 0 => array.values() & nulls.inner(),
        _ => array.values().clone(),
    }
}

pub(crate) fn eval(expr: &Expr, batch: &Batch, context: &ExecContext) -> Result<Value> {
    // Each arm is a function of its own, so that a level of recursion takes little stack.
    match expr {
        Expr::Column { index, ty } => column(*index, ty, batch),
        Expr::Literal { value, ty } => literal(value, ty),
        Expr::Cast { input, to, or_null } => eval_cast(input, to, *or_null, batch, context),
        Expr::Compare { op, left, right } => eval_compare(*op, left, right, batch, context),
        Expr::And(all) => lazy::and_or(all, true, batch, context),
        Expr::Or(all) => lazy::and_or(all, false, batch, context),
        Expr::Not(input) => eval_not(input, batch, context),
        Expr::IsNull { input, negated } => eval_is_null(input, *negated, batch, context),
        Expr::InList { input, list, negated } => in_list::eval_in_list(input, list, *negated, batch, context),
        Expr::Case { branches, otherwise, ty } => {
            lazy::case(branches, otherwise.as_deref(), ty, batch, context)
        }
        Expr::Coalesce(all) => lazy::coalesce(all, batch, context),
        Expr::Call { function, args, ty } => eval_call(function, args, ty, batch, context),
    }
}

#[inline(never)]
fn literal(value: &Scalar, ty: &LogicalType) -> Result<Value> {
    Ok(Value::one(scalar_array(value, ty, 1)?))
}

#[inline(never)]
fn column(index: usize, ty: &LogicalType, batch: &Batch) -> Result<Value> {
    match batch.columns.get(index) {
        Some(array) => Ok(Value::rows(array.clone())),
        None => Err(ExecError::Internal(format!(
            "an expression wants column {index} ({ty}) of a batch of {} columns",
            batch.columns.len()
        ))),
    }
}

/// Computes `f` once for each distinct value and spreads the results over the rows. `None` if there are
/// more distinct values than rows, or if `f` fails, perhaps for a value that no row has.
fn over_dictionary(
    array: &ArrayRef,
    f: impl FnOnce(&ArrayRef) -> Result<ArrayRef>,
) -> Option<Result<ArrayRef>> {
    let d = array.as_dictionary_opt::<UInt32Type>()?;
    if d.values().len() > d.len() || d.values().logical_null_count() > 0 {
        return None;
    }
    let values = f(d.values()).ok()?;
    if *values.data_type() == DataType::Utf8View && values.logical_null_count() == 0 {
        let spread = DictionaryArray::<UInt32Type>::try_new(d.keys().clone(), values);
        return Some(spread.map(|d| Arc::new(d) as ArrayRef).map_err(ExecError::from));
    }
    Some(arrow_select::take::take(&values, d.keys(), None).map_err(ExecError::from))
}

#[inline(never)]
fn eval_cast(
    input: &Expr,
    to: &LogicalType,
    or_null: bool,
    batch: &Batch,
    context: &ExecContext,
) -> Result<Value> {
    let from = input.ty();
    let mut value = eval(input, batch, context)?;
    if from == *to {
        return Ok(value);
    }
    let mode = cast::Mode { or_null, zone: &context.zone };
    if value.is_dictionary() {
        if matches!(to, LogicalType::Varchar | LogicalType::Json) {
            return Ok(value);
        }
        if let Some(done) = over_dictionary(&value.array, |v| cast::cast_in(v, &from, to, mode)) {
            return Ok(Value::rows(done?));
        }
        value.flatten()?;
    }
    Ok(Value { array: cast::cast_in(&value.array, &from, to, mode)?, constant: value.constant })
}

#[inline(never)]
fn eval_compare(
    op: CompareOp,
    left: &Expr,
    right: &Expr,
    batch: &Batch,
    context: &ExecContext,
) -> Result<Value> {
    let mut l = eval(left, batch, context)?;
    let mut r = eval(right, batch, context)?;
    let null_sensitive = matches!(op, CompareOp::DistinctFrom | CompareOp::NotDistinctFrom);
    if !null_sensitive {
        if l.is_dictionary() && r.constant && !r.is_dictionary() {
            let done = over_dictionary(&l.array, |v| {
                compare(op, Side { array: v, constant: false }, r.side(), v.len())
            });
            if let Some(done) = done {
                return Ok(Value::rows(done?));
            }
        } else if r.is_dictionary() && l.constant && !l.is_dictionary() {
            let done = over_dictionary(&r.array, |v| {
                compare(op, l.side(), Side { array: v, constant: false }, v.len())
            });
            if let Some(done) = done {
                return Ok(Value::rows(done?));
            }
        }
    }
    l.flatten()?;
    r.flatten()?;
    let constant = l.constant && r.constant;
    let rows = if constant { 1 } else { batch.rows };
    Ok(Value { array: compare(op, l.side(), r.side(), rows)?, constant })
}

#[inline(never)]
fn eval_not(input: &Expr, batch: &Batch, context: &ExecContext) -> Result<Value> {
    let value = eval(input, batch, context)?;
    match value.array.as_boolean_opt() {
        Some(b) => Ok(Value { array: Arc::new(arrow_arith::boolean::not(b)?), constant: value.constant }),
        None => {
            Ok(Value { array: Arc::new(BooleanArray::new_null(value.array.len())), constant: value.constant })
        }
    }
}

#[inline(never)]
fn eval_is_null(input: &Expr, negated: bool, batch: &Batch, context: &ExecContext) -> Result<Value> {
    let value = eval(input, batch, context)?;
    let len = value.array.len();
    let bits = match (value.array.logical_nulls(), negated) {
        (Some(nulls), true) => nulls.inner().clone(),
        (Some(nulls), false) => !nulls.inner(),
        (None, true) => BooleanBuffer::new_set(len),
        (None, false) => BooleanBuffer::new_unset(len),
    };
    Ok(Value { array: Arc::new(BooleanArray::new(bits, None)), constant: value.constant })
}

#[inline(never)]
fn eval_call(
    function: &crate::exec::functions::ScalarFunction,
    args: &[Expr],
    ty: &LogicalType,
    batch: &Batch,
    context: &ExecContext,
) -> Result<Value> {
    let mut values = Vec::with_capacity(args.len());
    for arg in args {
        values.push(eval(arg, batch, context)?);
    }
    call(function, values, ty, batch.rows, context)
}

fn call(
    function: &crate::exec::functions::ScalarFunction,
    mut values: Vec<Value>,
    ty: &LogicalType,
    rows: usize,
    context: &ExecContext,
) -> Result<Value> {
    let constant = !function.volatile && values.iter().all(|v| v.constant);
    if !constant && rows == 0 {
        return Ok(Value::rows(new_empty_array(&ty.arrow())));
    }
    if !function.volatile && values.iter().filter(|v| !v.constant).count() == 1 {
        let varying = values.iter().position(|v| !v.constant).unwrap_or_default();
        if values[varying].is_dictionary() && function.strict {
            let mut arrays: Vec<_> = values.iter().map(|v| v.array.clone()).collect();
            let done = over_dictionary(&values[varying].array, |distinct| {
                arrays[varying] = distinct.clone();
                let result = (function.kernel)(&arrays, ty, distinct.len(), context)?;
                if result.len() == distinct.len() {
                    Ok(result)
                } else {
                    repeat(&result, distinct.len(), context)
                }
            });
            if let Some(done) = done {
                return Ok(Value::rows(done?));
            }
        }
    }
    for value in &mut values {
        value.flatten()?;
    }
    let arrays: Vec<_> = values.into_iter().map(|v| v.array).collect();
    let array = (function.kernel)(&arrays, ty, if constant { 1 } else { rows }, context)?;
    let wanted = if constant { 1 } else { rows };
    if array.len() == wanted {
        return Ok(Value { array, constant });
    }
    if array.len() == 1 {
        return Ok(Value::one(array));
    }
    Err(ExecError::Internal(format!("{} returned {} rows for {rows}", function.name, array.len())))
}

#[cfg(test)]
mod tests;
