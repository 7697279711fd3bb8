//! Casts that the text does not spell out.

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::coerce::{common_type, comparison_type, ordering_type, union_type};
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::functions::{ArgInfo, apply, collation, variant_key};
use crate::sql::error::{Result, SqlError};
use crate::sql::parameter;

/// What overload resolution needs to know of an argument.
pub fn arg_info(expr: &Expr) -> ArgInfo {
    let literal = match expr {
        Expr::Literal { value, .. } => Some(value.clone()),
        _ => None,
    };
    ArgInfo { ty: expr.ty(), literal }
}

/// The expression as a value of that type; constants whose value stays the same just change their type.
pub fn cast(expr: Expr, to: &LogicalType) -> Expr {
    if expr.ty() == *to {
        return expr;
    }
    match expr {
        // A NULL of a type is a value of a member of a union.
        Expr::Literal { value: Scalar::Null, ref ty }
            if *ty == LogicalType::Null || !matches!(to, LogicalType::Union(_)) =>
        {
            Expr::literal(Scalar::Null, to.clone())
        }
        Expr::Literal { value: Scalar::Int(v), ty }
            if ty.is_integer() && *to == LogicalType::UHugeInt && v >= 0 =>
        {
            Expr::literal(Scalar::bytes(v.unsigned_abs().to_be_bytes()), to.clone())
        }
        Expr::Literal { value: Scalar::Int(v), ty }
            if ty.is_integer() && to.integer_range().is_some_and(|(lo, hi)| lo <= v && v <= hi) =>
        {
            Expr::literal(Scalar::Int(v), to.clone())
        }
        expr => Expr::Cast { input: Box::new(expr), to: to.clone(), or_null: false },
    }
}

/// The cast that a user writes, or that storing in a column needs.
pub fn explicit(expr: Expr, to: &LogicalType, or_null: bool) -> Result<Expr> {
    let from = expr.ty();
    if from == *to {
        return Ok(expr);
    }
    if let Some((from, to)) = unrelated_structs(&from, to) {
        return Err(SqlError::binder(format!(
            "STRUCT to STRUCT cast must have at least one matching member, inputs are ({from}) and ({to})"
        )));
    }
    refuse_misfit_tuple(&from, to)?;
    if or_null {
        return Ok(Expr::Cast { input: Box::new(expr), to: to.clone(), or_null });
    }
    Ok(cast(expr, to))
}

/// Two structs in the same place of two types that have no field in common.
fn unrelated_structs<'t>(
    from: &'t LogicalType,
    to: &'t LogicalType,
) -> Option<(&'t LogicalType, &'t LogicalType)> {
    use LogicalType as T;
    match (from, to) {
        (T::List(a) | T::Array(a, _), T::List(b) | T::Array(b, _)) => unrelated_structs(a, b),
        (T::Map(a, b), T::Map(c, d)) => unrelated_structs(a, c).or_else(|| unrelated_structs(b, d)),
        (T::Struct(a), T::Struct(b)) if !from.is_tuple() && !to.is_tuple() => {
            let twin = |name: &str| b.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
            let mut pairs = a.iter().filter_map(|(name, ty)| Some((ty, &twin(name)?.1))).peekable();
            if pairs.peek().is_none() && !a.is_empty() && !b.is_empty() {
                return Some((from, to));
            }
            pairs.find_map(|(a, b)| unrelated_structs(a, b))
        }
        _ => None,
    }
}

fn refuse_misfit_tuple(from: &LogicalType, to: &LogicalType) -> Result<()> {
    let Some((from, to)) = misfit_tuple(from, to) else { return Ok(()) };
    Err(SqlError::binder(format!(
        "Mismatch Type Error: Type {from} does not match with {to}. Cannot cast STRUCTs of different size"
    )))
}

/// A struct without names in the place of a struct with more or fewer fields, or of a map.
fn misfit_tuple<'t>(
    from: &'t LogicalType,
    to: &'t LogicalType,
) -> Option<(&'t LogicalType, &'t LogicalType)> {
    use LogicalType as T;
    match (from, to) {
        (T::List(a) | T::Array(a, _), T::List(b) | T::Array(b, _)) => misfit_tuple(a, b),
        (T::Struct(a), T::Struct(b)) if from.is_tuple() || to.is_tuple() => {
            let pairs = || a.iter().zip(b.iter());
            if a.len() == b.len() {
                pairs().find_map(|(a, b)| misfit_tuple(&a.1, &b.1))
            } else {
                Some((from, to))
            }
        }
        (T::Struct(_), T::Map(..)) if from.is_tuple() => Some((from, to)),
        _ => None,
    }
}

/// The value for a column of that type.
pub fn assign(expr: Expr, to: &LogicalType) -> Result<Expr> {
    explicit(expr, to, false)
}

/// The expression as a condition.
pub fn boolean(expr: Expr) -> Result<Expr> {
    match expr.ty() {
        LogicalType::Boolean => Ok(expr),
        _ => explicit(expr, &LogicalType::Boolean, false),
    }
}

/// Compares two values in the type that both can be compared in.
pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Result<Expr> {
    let (left, right) = with_collation(left, right);
    refuse_misfit_tuple(&right.ty(), &left.ty())?;
    let (a, b) = (arg_info(&left), arg_info(&right));
    let is_ordering = matches!(op, CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq);
    // A parameter whose value comes later stands for the literal that it will be.
    let is_open = [&left, &right].into_iter().any(|side| parameter::name_of(side).is_some());
    let ty = if is_ordering && !is_open { ordering_type(&a, &b) } else { comparison_type(&a, &b) };
    let ty = ty.ok_or_else(|| {
        SqlError::binder(format!(
            "Cannot compare values of type {} and type {} - an explicit cast is required",
            a.ty, b.ty
        ))
    })?;
    // Two bare NULLs are compared as anything.
    let ty = if ty == LogicalType::Null { LogicalType::Integer } else { ty };
    let (left, right) = (variant_key(cast(left, &ty)), variant_key(cast(right, &ty)));
    Ok(Expr::Compare { op, left: Box::new(left), right: Box::new(right) })
}

/// Two texts as what they compare by: the collation of one is that of both.
fn with_collation(left: Expr, right: Expr) -> (Expr, Expr) {
    let plain = |e: &Expr| collation(e).map_or_else(|| e.clone(), |(text, _)| text.clone());
    let key = collation(&left).or_else(|| collation(&right)).map(|(_, key)| key.clone());
    match key {
        Some(key) if left.ty() == LogicalType::Varchar && right.ty() == LogicalType::Varchar => {
            (apply(&key, &plain(&left)), apply(&key, &plain(&right)))
        }
        _ => (left, right),
    }
}

/// Gives all expressions the one type that they have in common; literals of text take the others' type.
pub fn unify(exprs: Vec<Expr>, what: &str) -> Result<(Vec<Expr>, LogicalType)> {
    let ty = common(exprs.iter(), what)?;
    Ok((exprs.into_iter().map(|e| cast(e, &ty)).collect(), ty))
}

/// The type that all have in common.
pub fn common<'e>(exprs: impl Iterator<Item = &'e Expr> + Clone, what: &str) -> Result<LogicalType> {
    // A whole number takes an integer type of the others that holds it.
    let whole = |e: &Expr| match e {
        Expr::Literal { value: Scalar::Int(v), ty } if ty.is_integer() => Some(*v),
        _ => None,
    };
    let mut others =
        exprs.clone().filter(|e| whole(e).is_none()).map(Expr::ty).filter(|t| *t != LogicalType::Null);
    if let Some(first) = others.next()
        && (first.is_integer() || first == LogicalType::UHugeInt)
    {
        let ty = others.try_fold(first, |acc, ty| common_type(&acc, &ty));
        let range = |ty: &LogicalType| match ty {
            LogicalType::UHugeInt => Some((0, i128::MAX)),
            ty => ty.integer_range(),
        };
        if let Some(ty) = ty
            && let Some((min, max)) = range(&ty)
            && exprs.clone().filter_map(whole).all(|v| min <= v && v <= max)
        {
            return Ok(ty);
        }
    }
    let is_text = |e: &Expr| matches!(e, Expr::Literal { value: Scalar::Text(_), ty: LogicalType::Varchar });
    let fold = |mut types: Box<dyn Iterator<Item = LogicalType> + '_>| {
        types.try_fold(LogicalType::Null, |acc, ty| {
            common_type(&acc, &ty).ok_or_else(|| {
                SqlError::binder(format!(
                    "Cannot mix values of type {acc} and {ty} in {what} - an explicit cast is required"
                ))
            })
        })
    };
    let typed = fold(Box::new(exprs.clone().filter(|e| !is_text(e)).map(Expr::ty)))?;
    Ok(match typed {
        LogicalType::Null | LogicalType::Enum(_) if exprs.clone().any(is_text) => LogicalType::Varchar,
        ty => ty,
    })
}

/// The type that columns of two queries get when their rows are put together.
pub fn union(a: &LogicalType, b: &LogicalType) -> Result<LogicalType> {
    union_type(a, b).ok_or_else(|| {
        SqlError::binder(format!("Cannot combine values of type {a} and {b} - an explicit cast is required"))
    })
}
