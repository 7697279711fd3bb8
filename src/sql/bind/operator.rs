//! Operators: connectives, comparisons, IN, BETWEEN, LIKE, quantifiers.

use std::sync::Arc;

use sqlparser::ast::{self, BinaryOperator, UnaryOperator, Value};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::functions::variant_key;
use crate::sql::bind::collation::collate_list;
use crate::sql::bind::expr::{ExprContext, conjunction, disjunction, is_constant, negate_if};
use crate::sql::bind::literal::bind_number;
use crate::sql::bind::name::operator;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms::MARK;
use crate::sql::tokens;

/// What `->` and `->>` call.
pub(super) const JSON_STEP: &str = "json_extract";
pub(super) const JSON_STEP_TO_TEXT: &str = "json_extract_string";

impl Binder<'_> {
    pub(super) fn bind_unary(
        &mut self,
        op: UnaryOperator,
        expr: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        match op {
            UnaryOperator::Not => {
                let input = self.bind_condition(expr, cx)?;
                Ok(Expr::Not(Box::new(input)))
            }
            UnaryOperator::Minus => {
                if let ast::Expr::Value(v) = expr
                    && let Value::Number(digits, _) = &v.value
                {
                    return bind_number(digits, true);
                }
                let input = self.bind_expr(expr, cx)?;
                let input = self.negatable(input)?;
                self.call("-", vec![input])
            }
            UnaryOperator::Plus => {
                let input = self.bind_expr(expr, cx)?;
                self.call("+", vec![input])
            }
            UnaryOperator::PGAbs => {
                let input = self.bind_expr(expr, cx)?;
                self.call("abs", vec![input])
            }
            UnaryOperator::PGPostfixFactorial => {
                let input = self.bind_expr(expr, cx)?;
                self.call("factorial", vec![input])
            }
            UnaryOperator::PGSquareRoot | UnaryOperator::PGCubeRoot => {
                let input = self.bind_expr(expr, cx)?;
                self.call(if op == UnaryOperator::PGSquareRoot { "sqrt" } else { "cbrt" }, vec![input])
            }
            UnaryOperator::BitwiseNot => {
                let input = self.bind_expr(expr, cx)?;
                self.call("~", vec![input])
            }
            other => Err(SqlError::unsupported(format!("the operator {other} is not supported"))),
        }
    }

    /// A chain of one connective becomes one node, however deep its syntax is.
    pub(super) fn bind_connective(
        &mut self,
        op: &BinaryOperator,
        expr: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let operands = connected(op, expr);
        let mut all = Vec::with_capacity(operands.len());
        for operand in operands {
            all.push(self.bind_condition(operand, cx)?);
        }
        Ok(if *op == BinaryOperator::And { Expr::And(all) } else { Expr::Or(all) })
    }

    pub(super) fn bind_binary(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let compare = match op {
            BinaryOperator::Eq => CompareOp::Eq,
            BinaryOperator::NotEq => CompareOp::NotEq,
            BinaryOperator::Lt => CompareOp::Lt,
            BinaryOperator::LtEq => CompareOp::LtEq,
            BinaryOperator::Gt => CompareOp::Gt,
            BinaryOperator::GtEq => CompareOp::GtEq,
            _ => return self.bind_operator(left, op, right, cx),
        };
        // `a < b < c` says something else than what it looks like.
        for side in [left, right] {
            if let ast::Expr::BinaryOp { op, .. } = side
                && is_comparison(op)
            {
                return Err(SqlError::parser(
                    "Chained comparisons are not supported, use AND to combine comparisons",
                )
                .at(side));
            }
        }
        self.bind_comparison(compare, left, right, cx)
    }

    /// What a minus stands before: a constant that is the least of its type is one of the next wider type.
    fn negatable(&self, input: Expr) -> Result<Expr> {
        use LogicalType as T;
        let wider = match input.ty() {
            T::TinyInt => T::SmallInt,
            T::SmallInt => T::Integer,
            T::Integer => T::BigInt,
            T::BigInt => T::HugeInt,
            _ => return Ok(input),
        };
        let least = input.ty().integer_range().map(|(least, _)| Scalar::Int(least));
        if !super::expr::is_constant(&input) || self.evaluate(&input).ok() != least {
            return Ok(input);
        }
        Ok(coerce::cast(input, &wider))
    }

    pub(super) fn bind_operator(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if let BinaryOperator::Custom(op) = op
            && (op == tokens::IN || op == tokens::NOT_IN)
        {
            let (value, list) = (self.bind_expr(left, cx)?, self.bind_expr(right, cx)?);
            if let Some(found) = self.bind_time_in(&value, &list, cx.scope).map_err(|e| e.at(right))? {
                return Ok(negate_if(op == tokens::NOT_IN, found));
            }
            let function = match list.ty() {
                LogicalType::Map(..) => "map_contains",
                LogicalType::Varchar => "contains",
                _ => "list_contains",
            };
            let found = self.call(function, vec![list, value])?;
            return Ok(negate_if(op == tokens::NOT_IN, found));
        }
        if let Some((negated, fold_case)) = regex_match(op) {
            let (text, pattern) = (self.bind_expr(left, cx)?, self.bind_expr(right, cx)?);
            return Ok(negate_if(negated, self.matches_regex(text, pattern, fold_case)?));
        }
        let negated = matches!(op, BinaryOperator::PGNotLikeMatch | BinaryOperator::PGNotILikeMatch);
        let name = match op {
            BinaryOperator::PGLikeMatch | BinaryOperator::PGNotLikeMatch => "like".into(),
            BinaryOperator::PGILikeMatch | BinaryOperator::PGNotILikeMatch => "ilike".into(),
            BinaryOperator::Custom(op) if op == tokens::POWER || op == "^" => "^".into(),
            BinaryOperator::Custom(op) if op == tokens::GLOB => "glob".into(),
            BinaryOperator::Custom(op) if op == tokens::STARTS_WITH => "starts_with".into(),
            BinaryOperator::Custom(op) if op == tokens::OVERLAPS => "list_has_any".into(),
            BinaryOperator::Custom(op) if op == tokens::DISTANCE || op == tokens::COSINE_DISTANCE => {
                return self.bind_distance(op, left, right, cx);
            }
            BinaryOperator::HashArrow => "#>".into(),
            BinaryOperator::HashLongArrow => "#>>".into(),
            BinaryOperator::Overlaps => return self.bind_overlaps(left, right, cx),
            BinaryOperator::AtArrow | BinaryOperator::ArrowAt => {
                let (left, right) = (self.bind_expr(left, cx)?, self.bind_expr(right, cx)?);
                return self.bind_containment(op, left, right);
            }
            BinaryOperator::Arrow => JSON_STEP.into(),
            BinaryOperator::LongArrow => JSON_STEP_TO_TEXT.into(),
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::DuckIntegerDivide
            | BinaryOperator::Modulo
            | BinaryOperator::StringConcat
            | BinaryOperator::BitwiseAnd
            | BinaryOperator::BitwiseOr
            | BinaryOperator::PGBitwiseShiftLeft
            | BinaryOperator::PGBitwiseShiftRight => operator(op),
            other => return Err(SqlError::unsupported(format!("the operator {other} is not supported"))),
        };
        let (left, right) = (self.bind_expr(left, cx)?, self.bind_expr(right, cx)?);
        let divides_integers = name == "/"
            && self.env.settings.integer_division
            && left.ty().is_integer()
            && right.ty().is_integer();
        let name = if divides_integers { "//" } else { name.as_str() };
        let right = if matches!(name, "/" | "//" | "%") { self.divisor(name, &left, right)? } else { right };
        if name == "||"
            && let Some(function) = put_at_end(&left.ty(), &right.ty())
        {
            return Ok(negate_if(negated, self.call(function, vec![left, right])?));
        }
        Ok(negate_if(negated, self.call(name, vec![left, right])?))
    }

    /// `@>` and `<@`, of lists or of JSON values.
    fn bind_containment(&mut self, op: &BinaryOperator, left: Expr, right: Expr) -> Result<Expr> {
        let is_json = left.ty() == LogicalType::Json || right.ty() == LogicalType::Json;
        match (op, is_json) {
            (BinaryOperator::ArrowAt, true) => self.call("jsonb_contains", vec![right, left]),
            (BinaryOperator::ArrowAt, false) => self.call("<@", vec![left, right]),
            (_, true) => self.call("jsonb_contains", vec![left, right]),
            (_, false) => self.call("list_has_all", vec![left, right]),
        }
    }

    /// `(from, to) OVERLAPS (from, to)`, where an end may be an interval behind the beginning.
    fn bind_overlaps(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let mut args = vec![];
        for side in [left, right] {
            let Some([from, to]) = row_of(side) else {
                return Err(SqlError::parser("wrong number of parameters of OVERLAPS expression").at(side));
            };
            let (from, mut to) = (self.bind_expr(from, cx)?, self.bind_expr(to, cx)?);
            if to.ty() == LogicalType::Interval {
                to = self.call("+", vec![from.clone(), to])?;
            }
            args.extend([from, to]);
        }
        self.call("overlaps", args)
    }

    /// `<->` and `<=>`: how far two lists or arrays of numbers are apart.
    fn bind_distance(
        &mut self,
        op: &str,
        left: &ast::Expr,
        right: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let (left, right) = (self.bind_expr(left, cx)?, self.bind_expr(right, cx)?);
        let arrays = matches!((left.ty(), right.ty()), (LogicalType::Array(..), LogicalType::Array(..)));
        let function = match (op == tokens::COSINE_DISTANCE, arrays) {
            (false, false) => "list_distance",
            (false, true) => "array_distance",
            (true, false) => "list_cosine_distance",
            (true, true) => "array_cosine_distance",
        };
        self.call(function, vec![left, right])
    }

    /// A divisor, of which zero is made NULL or an error where the settings say so.
    fn divisor(&mut self, name: &str, left: &Expr, right: Expr) -> Result<Expr> {
        let settings = self.env.settings;
        let is_float = |ty: LogicalType| matches!(ty, LogicalType::Float | LogicalType::Double);
        if !(left.ty().is_numeric() && right.ty().is_numeric()) {
            return Ok(right);
        }
        let of_floats = name == "/" || is_float(left.ty()) || is_float(right.ty());
        if if of_floats { settings.ieee_floating_point_ops } else { settings.error_on_division_by_zero } {
            return Ok(right);
        }
        let ty = right.ty();
        let zero = Expr::literal(Scalar::Int(0), LogicalType::Integer);
        let is_zero = coerce::compare(CompareOp::Eq, right.clone(), zero)?;
        let instead = if settings.error_on_division_by_zero {
            let message = Scalar::text(format!("Division by zero in an expression with {name}"));
            self.call("error", vec![Expr::literal(message, LogicalType::Varchar)])?
        } else {
            Expr::literal(Scalar::Null, LogicalType::Null)
        };
        let branches = vec![(is_zero, coerce::cast(instead, &ty))];
        Ok(Expr::Case { branches, otherwise: Some(Box::new(right)), ty })
    }

    pub(super) fn bind_comparison(
        &mut self,
        op: CompareOp,
        left: &ast::Expr,
        right: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if let (Some(a), Some(b)) = (row_of(left), row_of(right)) {
            return self.bind_rows(op, a, b, cx);
        }
        let (left, right) = self.bind_beside_time(left, right, cx)?;
        let left = if right.ty() == LogicalType::Varchar { self.with_collation(left) } else { left };
        coerce::compare(op, left, right)
    }

    /// `(a, b) = (c, d)`.
    pub(super) fn bind_rows(
        &mut self,
        op: CompareOp,
        left: &[ast::Expr],
        right: &[ast::Expr],
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if left.len() != right.len() {
            return Err(SqlError::binder(format!(
                "Cannot compare rows of {} and {} values",
                left.len(),
                right.len()
            )));
        }
        let mut pairs = vec![];
        for (a, b) in left.iter().zip(right) {
            if let (ast::Expr::Tuple(a), ast::Expr::Tuple(b)) = (a, b) {
                let equal = self.bind_rows(CompareOp::Eq, a, b, cx)?;
                let less = self.bind_rows(CompareOp::Lt, a, b, cx)?;
                pairs.push((equal, less));
                continue;
            }
            let (a, b) = (self.bind_expr(a, cx)?, self.bind_expr(b, cx)?);
            pairs.push(pair(&a, &b)?);
        }
        Ok(compare_pairs(op, pairs))
    }

    pub(super) fn bind_truth(
        &mut self,
        expr: &ast::Expr,
        op: CompareOp,
        value: bool,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let left = self.bind_condition(expr, cx)?;
        let right = Expr::literal(Scalar::Boolean(value), LogicalType::Boolean);
        Ok(Expr::Compare { op, left: Box::new(left), right: Box::new(right) })
    }

    pub(super) fn bind_between(
        &mut self,
        expr: &ast::Expr,
        negated: bool,
        low: &ast::Expr,
        high: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let value = self.bind_expr(expr, cx)?;
        let (low, is_symmetric) = match low {
            ast::Expr::Prefixed { prefix, value } if prefix.quote_style == Some(MARK) => (&**value, true),
            low => (low, false),
        };
        let (low, high) = (self.bind_beside(&value, low, cx)?, self.bind_beside(&value, high, cx)?);
        if is_symmetric {
            return Ok(negate_if(negated, between_either(value, low, high)?));
        }
        let (value, low) = self.time_operands(value, low, cx.scope)?;
        let (value, high) = self.time_operands(value, high, cx.scope)?;
        let above = coerce::compare(CompareOp::GtEq, value.clone(), low)?;
        let below = coerce::compare(CompareOp::LtEq, value, high)?;
        Ok(negate_if(negated, Expr::And(vec![above, below])))
    }

    pub(super) fn bind_in_list(
        &mut self,
        expr: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if list.is_empty() {
            self.bind_expr(expr, cx)?;
            return Ok(Expr::literal(Scalar::Boolean(negated), LogicalType::Boolean));
        }
        if let Some(row) = row_of(expr)
            && let Some(others) = list.iter().map(row_of).collect::<Option<Vec<_>>>()
        {
            let mut any = vec![];
            for other in others {
                any.push(self.bind_rows(CompareOp::Eq, row, other, cx)?);
            }
            return Ok(negate_if(negated, disjunction(any)));
        }
        let mut input = self.bind_expr(expr, cx)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            let item = self.bind_beside(&input, item, cx)?;
            items.push(self.time_operands(input.clone(), item, cx.scope)?.1);
        }
        if matches!(&input, Expr::Literal { value: Scalar::Null, .. }) && items.iter().all(is_constant) {
            return Ok(Expr::literal(Scalar::Null, LogicalType::Boolean));
        }
        collate_list(&mut input, &mut items);
        // All are compared in one type: that in which the value can be compared with each.
        let mut ty = input.ty();
        for item in &items {
            let so_far = match &input {
                Expr::Literal { value, .. } if ty == input.ty() && !value.is_null() => {
                    coerce::arg_info(&input)
                }
                _ => crate::exec::functions::ArgInfo { ty: ty.clone(), literal: None },
            };
            ty = crate::exec::coerce::comparison_type(&so_far, &coerce::arg_info(item)).ok_or_else(|| {
                SqlError::binder(format!(
                    "Cannot compare values of type {ty} and type {} in an IN list - an explicit cast is required",
                    item.ty()
                ))
            })?;
        }
        if ty == LogicalType::Null {
            ty = LogicalType::Integer;
        }
        let input = variant_key(coerce::cast(input, &ty));
        let items: Vec<Expr> = items.into_iter().map(|i| variant_key(coerce::cast(i, &ty))).collect();
        if items.iter().all(is_constant) {
            let values = items.iter().zip(list).map(|(i, at)| self.evaluate(i).map_err(|e| e.at(at)));
            let list: Arc<[Scalar]> = values.collect::<Result<Vec<_>>>()?.into();
            return Ok(Expr::InList { input: Box::new(input), list, negated });
        }
        let any = items.into_iter().map(|item| Expr::Compare {
            op: CompareOp::Eq,
            left: Box::new(input.clone()),
            right: Box::new(item),
        });
        Ok(negate_if(negated, disjunction(any.collect())))
    }

    pub(super) fn bind_like(
        &mut self,
        name: &str,
        negated: bool,
        expr: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let call = match escape {
            None => self.bind_call(name, &[expr, pattern], cx)?,
            Some(escape) => self.bind_call(&format!("{name}_escape"), &[expr, pattern, escape], cx)?,
        };
        Ok(negate_if(negated, call))
    }

    fn matches_regex(&mut self, text: Expr, pattern: Expr, fold_case: bool) -> Result<Expr> {
        let mut args = vec![text, pattern];
        if fold_case {
            args.push(Expr::literal(Scalar::text("i"), LogicalType::Varchar));
        }
        self.call("regexp_matches", args)
    }

    /// `x op ANY (…)` and `x op ALL (…)`.
    pub(super) fn bind_quantified(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        any: bool,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let query = match right {
            ast::Expr::Subquery(query) => Some(query),
            _ => None,
        };
        // ALL is that there is none for which the opposite holds.
        if let (Some((negated, fold_case)), None) = (regex_match(op), query) {
            let (value, list) = (self.bind_expr(left, cx)?, self.bind_expr(right, cx)?);
            let found = self.any_of_list(value, list, |binder, value, pattern| {
                let matches = binder.matches_regex(value, pattern, fold_case)?;
                Ok(negate_if(negated == any, matches))
            })?;
            return Ok(negate_if(!any, found));
        }
        let compare = match op {
            BinaryOperator::Eq => CompareOp::Eq,
            BinaryOperator::NotEq => CompareOp::NotEq,
            BinaryOperator::Lt => CompareOp::Lt,
            BinaryOperator::LtEq => CompareOp::LtEq,
            BinaryOperator::Gt => CompareOp::Gt,
            BinaryOperator::GtEq => CompareOp::GtEq,
            other => {
                return Err(SqlError::parser(format!(
                    "ANY and ALL operators require one of =,<>,>,<,>=,<= comparisons, not {other}"
                )));
            }
        };
        let compare = if any { compare } else { compare.negate() };
        let found = match query {
            Some(query) => self.bind_any_of_subquery(compare, left, query, cx)?,
            None => {
                let (value, list) = (self.bind_expr(left, cx)?, self.bind_expr(right, cx)?);
                self.any_of_list(value, list, |_, value, item| coerce::compare(compare, value, item))?
            }
        };
        Ok(negate_if(!any, found))
    }
}

/// Of an operator for regular expressions: whether it is that there is no match, and whether case is ignored.
fn regex_match(op: &BinaryOperator) -> Option<(bool, bool)> {
    match op {
        BinaryOperator::PGRegexMatch => Some((false, false)),
        BinaryOperator::PGRegexNotMatch => Some((true, false)),
        BinaryOperator::PGRegexIMatch => Some((false, true)),
        BinaryOperator::PGRegexNotIMatch => Some((true, true)),
        _ => None,
    }
}

/// Whether two values of rows are equal, and whether the first is less. Within a row NULL is a value like any other,
/// and greater than all.
fn pair(a: &Expr, b: &Expr) -> Result<(Expr, Expr)> {
    let equal = coerce::compare(CompareOp::NotDistinctFrom, a.clone(), b.clone())?;
    let less = coerce::compare(CompareOp::Lt, a.clone(), b.clone())?;
    let is_null = |e: &Expr, negated| Expr::IsNull { input: Box::new(e.clone()), negated };
    let null_last = Expr::And(vec![is_null(a, true), is_null(b, false)]);
    Ok((equal, Expr::Coalesce(vec![less, null_last])))
}

/// How two rows compare, of whose values this is known one by one.
fn compare_pairs(op: CompareOp, pairs: Vec<(Expr, Expr)>) -> Expr {
    let equal = |pairs: Vec<(Expr, Expr)>| conjunction(pairs.into_iter().map(|(equal, _)| equal).collect());
    let less =
        |pairs: Vec<(Expr, Expr)>, or_equal: bool| {
            pairs.into_iter().rev().fold(
                Expr::literal(Scalar::Boolean(or_equal), LogicalType::Boolean),
                |rest, (equal, less)| Expr::Or(vec![less, Expr::And(vec![equal, rest])]),
            )
        };
    match op {
        CompareOp::Eq | CompareOp::NotDistinctFrom => equal(pairs),
        CompareOp::NotEq | CompareOp::DistinctFrom => negate_if(true, equal(pairs)),
        CompareOp::Lt => less(pairs, false),
        CompareOp::LtEq => less(pairs, true),
        CompareOp::Gt => negate_if(true, less(pairs, true)),
        CompareOp::GtEq => negate_if(true, less(pairs, false)),
    }
}

/// How a row compares with one of a subquery, for ANY: differing takes a value that is known to differ, order is that
/// of rows.
pub(super) fn compare_with_row(op: CompareOp, left: Vec<Expr>, right: Vec<Expr>) -> Result<Expr> {
    let both = left.into_iter().zip(right);
    if op == CompareOp::NotEq {
        return Ok(Expr::Or(both.map(|(a, b)| coerce::compare(op, a, b)).collect::<Result<_>>()?));
    }
    Ok(compare_pairs(op, both.map(|(a, b)| pair(&a, &b)).collect::<Result<_>>()?))
}

/// The values of a row: `(a, b)` or `ROW(a, b)`.
pub(super) fn row_of(expr: &ast::Expr) -> Option<&[ast::Expr]> {
    match expr {
        ast::Expr::Tuple(items) => Some(items),
        ast::Expr::Nested(inner) => row_of(inner),
        _ => None,
    }
}

/// The most nodes of the operands of BETWEEN SYMMETRIC, which are computed twice.
const SYMMETRIC_NODES_MAX: usize = 1_000;

/// Whether a value is between two others, whichever is the less.
fn between_either(value: Expr, one: Expr, other: Expr) -> Result<Expr> {
    let mut todo = vec![&value, &one, &other];
    let mut nodes = 0;
    while let Some(expr) = todo.pop() {
        nodes += 1;
        if nodes > SYMMETRIC_NODES_MAX {
            return Err(SqlError::binder("the operands of BETWEEN SYMMETRIC are too large"));
        }
        todo.extend(expr.children());
    }
    let between = |low: &Expr, high: &Expr| -> Result<Expr> {
        let above = coerce::compare(CompareOp::GtEq, value.clone(), low.clone())?;
        let below = coerce::compare(CompareOp::LtEq, value.clone(), high.clone())?;
        Ok(Expr::And(vec![above, below]))
    };
    Ok(Expr::Or(vec![between(&one, &other)?, between(&other, &one)?]))
}

/// The operands of a chain of one connective, left to right, without recursion on the left.
pub fn connected<'e>(op: &BinaryOperator, expr: &'e ast::Expr) -> Vec<&'e ast::Expr> {
    let mut operands = vec![];
    let mut todo = vec![expr];
    while let Some(expr) = todo.pop() {
        match expr {
            ast::Expr::BinaryOp { left, op: inner, right } if inner == op => {
                todo.push(right);
                todo.push(left);
            }
            ast::Expr::Nested(inner) if is_connected(op, inner) => todo.push(inner),
            other => operands.push(other),
        }
    }
    operands
}

fn is_connected(op: &BinaryOperator, expr: &ast::Expr) -> bool {
    let mut expr = expr;
    while let ast::Expr::Nested(inner) = expr {
        expr = inner;
    }
    matches!(expr, ast::Expr::BinaryOp { op: inner, .. } if inner == op)
}

/// `=`, `<` and the like.
fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

/// What `||` is between a list and a value that is none, as in PostgreSQL: the value comes to an end of the list.
fn put_at_end(left: &LogicalType, right: &LogicalType) -> Option<&'static str> {
    let is_other = |ty: &LogicalType| {
        !matches!(
            ty,
            LogicalType::List(_) | LogicalType::Array(..) | LogicalType::Null | LogicalType::Varchar
        )
    };
    // A text beside a list of others is what they have in common, or a list that is written as one.
    let takes = |item: &LogicalType, value: &LogicalType| {
        is_other(value) || (*value == LogicalType::Varchar && *item == LogicalType::Varchar)
    };
    match (left, right) {
        (LogicalType::List(item), value) if takes(item, value) => Some("list_append"),
        (value, LogicalType::List(item)) if takes(item, value) => Some("list_prepend"),
        _ => None,
    }
}
