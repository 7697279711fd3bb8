//! Expressions.

use std::collections::HashMap;

use sqlparser::ast::{
    self, AccessExpr, BinaryOperator, CastKind, Ident, Spanned, Subscript, TrimWhereField, Value,
};
use sqlparser::tokenizer::Span;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::functions::{FROM_START, TO_END, collated, collation};
use crate::sql::bind::aggregate::Aggregates;
use crate::sql::bind::collation::collation_named;
use crate::sql::bind::literal::bind_literal;
use crate::sql::bind::operator::{JSON_STEP, JSON_STEP_TO_TEXT};
use crate::sql::bind::scope::{Outer, Scope};
use crate::sql::bind::select::Item;
use crate::sql::bind::subquery::PendingSubquery;
use crate::sql::bind::unnest::Unnests;
use crate::sql::bind::window::Windows;
use crate::sql::bind::{Binder, EXPRESSION_DEPTH_MAX, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::parameter;
use crate::sql::plan::{Column, ColumnId, Definition};
use crate::sql::tokens;

/// Expressions that expanding aliases may make in one statement.
pub(super) const ALIAS_NODES_MAX: usize = 1_000_000;

/// Where an expression stands, and what was found while binding it.
pub struct ExprContext<'c> {
    /// The columns of FROM.
    pub scope: &'c Scope,
    /// Those of the queries around.
    pub outer: Option<&'c Outer<'c>>,
    /// The clause, for messages: `WHERE clause`.
    pub clause: &'c str,
    /// What becomes of calls of aggregate functions.
    pub aggregates: Aggregates<'c>,
    /// What becomes of calls of window functions.
    pub windows: Windows<'c>,
    /// Names that the select list gives to its items.
    pub aliases: Option<Aliases<'c>>,
    /// Subqueries found, to be joined to the input of whatever evaluates the expression.
    pub subqueries: Vec<PendingSubquery>,
    /// Whether there can be any.
    pub allow_subqueries: bool,
    /// Where each column was last seen.
    pub spans: HashMap<ColumnId, Span>,
    /// Parameters of the lambdas around, the innermost last. They come before columns.
    pub lambda_params: Vec<Vec<Column>>,
    /// What becomes of calls of UNNEST.
    pub unnest: Unnests,
    /// Lists found in calls of UNNEST, and the columns of their items.
    pub unnests: Vec<Definition>,
}

/// Names that the select list gives to its items.
#[derive(Clone, Copy)]
pub struct Aliases<'c> {
    /// The items.
    pub items: &'c [Item<'c>],
    /// How many of them can be seen, from the left.
    pub visible: usize,
    /// They come before columns of the same name.
    pub first: bool,
    /// Items with subqueries that are keys of groups, as they were bound: HAVING means those very values.
    pub keys: &'c [(usize, Expr)],
}

impl<'c> ExprContext<'c> {
    /// A context without aliases, in which aggregates are an error.
    pub fn new(scope: &'c Scope, outer: Option<&'c Outer<'c>>, clause: &'c str) -> Self {
        Self {
            scope,
            outer,
            clause,
            aggregates: Aggregates::Forbidden,
            windows: Windows::Forbidden,
            aliases: None,
            subqueries: vec![],
            allow_subqueries: true,
            spans: HashMap::new(),
            lambda_params: vec![],
            unnest: Unnests::Forbidden,
            unnests: vec![],
        }
    }
}

impl Binder<'_> {
    /// Binds an expression.
    pub fn bind_expr(&mut self, expr: &ast::Expr, cx: &mut ExprContext<'_>) -> Result<Expr> {
        if self.expr_depth >= EXPRESSION_DEPTH_MAX {
            return Err(SqlError::binder(format!(
                "Max expression depth limit of {EXPRESSION_DEPTH_MAX} exceeded: the expression is nested too deeply"
            )));
        }
        self.expr_depth += 1;
        let bound = self.bind_node(expr, cx);
        self.expr_depth -= 1;
        bound.map_err(|e| if e.position.is_some() { e } else { e.at_span(start_of(expr)) })
    }

    /// Binds a condition.
    pub fn bind_condition(&mut self, expr: &ast::Expr, cx: &mut ExprContext<'_>) -> Result<Expr> {
        coerce::boolean(self.bind_expr(expr, cx)?).map_err(|e| e.at_span(start_of(expr)))
    }

    pub(super) fn bind_boxed(&mut self, expr: &ast::Expr, cx: &mut ExprContext<'_>) -> Result<Box<Expr>> {
        Ok(Box::new(self.bind_expr(expr, cx)?))
    }

    /// Dispatch only: the arms are calls, so that this frame, which nests with the expression, stays small.
    pub(super) fn bind_node(&mut self, expr: &ast::Expr, cx: &mut ExprContext<'_>) -> Result<Expr> {
        use ast::Expr as E;
        match expr {
            E::Identifier(ident) => self.bind_name(ident, cx),
            E::CompoundIdentifier(parts) => self.bind_qualified(parts, cx),
            E::Nested(inner) => self.bind_expr(inner, cx),
            E::Value(value) => match &value.value {
                Value::Placeholder(name) => self.bind_parameter(name),
                value => bind_literal(value),
            },
            E::TypedString(typed) => self.bind_typed_string(typed),
            E::Interval(interval) => self.bind_interval(interval, cx),
            E::UnaryOp { op, expr } => self.bind_unary(*op, expr, cx),
            E::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                self.bind_connective(op, expr, cx)
            }
            E::BinaryOp { left, op, right } => self.bind_binary(left, op, right, cx),
            E::IsNull(e) | E::IsUnknown(e) => {
                Ok(Expr::IsNull { input: self.bind_boxed(e, cx)?, negated: false })
            }
            E::IsNotNull(e) | E::IsNotUnknown(e) => {
                Ok(Expr::IsNull { input: self.bind_boxed(e, cx)?, negated: true })
            }
            E::IsTrue(e) => self.bind_truth(e, CompareOp::NotDistinctFrom, true, cx),
            E::IsNotTrue(e) => self.bind_truth(e, CompareOp::DistinctFrom, true, cx),
            E::IsFalse(e) => self.bind_truth(e, CompareOp::NotDistinctFrom, false, cx),
            E::IsNotFalse(e) => self.bind_truth(e, CompareOp::DistinctFrom, false, cx),
            E::IsDistinctFrom(a, b) => self.bind_comparison(CompareOp::DistinctFrom, a, b, cx),
            E::IsNotDistinctFrom(a, b) => self.bind_comparison(CompareOp::NotDistinctFrom, a, b, cx),
            E::InList { expr, list, negated } => self.bind_in_list(expr, list, *negated, cx),
            E::InSubquery { expr, subquery, negated } => self.bind_in_subquery(expr, subquery, *negated, cx),
            E::Between { expr, negated, low, high } => self.bind_between(expr, *negated, low, high, cx),
            E::Like { negated, any: false, expr, pattern, escape_char } => {
                self.bind_like("like", *negated, expr, pattern, escape_char.as_deref(), cx)
            }
            E::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.bind_like("ilike", *negated, expr, pattern, escape_char.as_deref(), cx)
            }
            E::SimilarTo { negated, expr, pattern, escape_char: None } => {
                let call = self.bind_call("regexp_full_match", &[expr, pattern], cx)?;
                Ok(negate_if(*negated, call))
            }
            E::RLike { negated, expr, pattern, .. } => {
                let call = self.bind_call("regexp_matches", &[expr, pattern], cx)?;
                Ok(negate_if(*negated, call))
            }
            E::AnyOp { left, compare_op, right, .. } => {
                self.bind_quantified(left, compare_op, right, true, cx)
            }
            E::AllOp { left, compare_op, right } => self.bind_quantified(left, compare_op, right, false, cx),
            E::Cast { expr, data_type, .. } if tokens::is_one_tuple(data_type) => {
                self.bind_call("row", &[expr], cx)
            }
            E::Cast { format: Some(format), .. } => {
                Err(SqlError::parser(format!("CAST takes no FORMAT; strptime reads texts by one: {format}"))
                    .at(expr))
            }
            E::Cast { kind, expr, data_type, .. } => self.bind_cast(kind, expr, data_type, cx),
            E::AtTimeZone { timestamp, time_zone } => self.bind_call("timezone", &[time_zone, timestamp], cx),
            E::Extract { field, expr, .. } => self.bind_extract(field, expr, cx),
            E::Ceil { expr, field } => self.bind_rounding("ceil", expr, field, cx),
            E::Floor { expr, field } => self.bind_rounding("floor", expr, field, cx),
            E::Position { expr, r#in } => self.bind_call("position", &[r#in, expr], cx),
            E::Substring { expr, substring_from, substring_for, special, .. } => {
                let from = substring_from.as_deref();
                self.bind_substring(expr, from, substring_for.as_deref(), !special, cx)
            }
            E::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "trim",
                };
                let mut args = vec![&**expr];
                args.extend(trim_what.as_deref());
                args.extend(trim_characters.iter().flatten());
                self.bind_call(name, &args, cx)
            }
            E::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut args = vec![&**expr, overlay_what, overlay_from];
                args.extend(overlay_for.as_deref());
                self.bind_call("overlay", &args, cx)
            }
            E::Case { operand, conditions, else_result, .. } => {
                self.bind_case(operand.as_deref(), conditions, else_result.as_deref(), cx)
            }
            E::Function(function) => self.bind_function(function, cx),
            E::Exists { subquery, negated } => self.bind_exists(subquery, *negated, cx),
            E::Subquery(query) => self.bind_scalar_subquery(query, cx),
            E::Array(array) => {
                let items: Vec<&ast::Expr> = array.elem.iter().collect();
                self.bind_list(&items, cx)
            }
            E::Dictionary(fields) => self.bind_struct(fields, cx),
            E::Map(map) => {
                let keys: Vec<&ast::Expr> = map.entries.iter().map(|e| &*e.key).collect();
                let values: Vec<&ast::Expr> = map.entries.iter().map(|e| &*e.value).collect();
                let (keys, values) = (self.bind_list(&keys, cx)?, self.bind_list(&values, cx)?);
                self.call("map", vec![keys, values])
            }
            E::Tuple(items) => {
                let items: Vec<&ast::Expr> = items.iter().collect();
                self.bind_call("row", &items, cx)
            }
            E::Named { expr, .. } => self.bind_expr(expr, cx),
            E::CompoundFieldAccess { root, access_chain } => self.bind_access(root, access_chain, cx),
            E::Collate { expr, collation } => self.bind_collate(expr, collation, cx),
            E::GroupingSets(_) => Err(SqlError::binder("GROUPING SETS stand in GROUP BY only")),
            E::Lambda(lambda) => self.bind_arrow(lambda, cx),
            E::Wildcard(_) | E::QualifiedWildcard(..) => {
                Err(SqlError::binder("* may stand only in the select list and in count(*)"))
            }
            other => Err(SqlError::unsupported(format!("the expression {} is not supported", brief(other)))),
        }
    }

    // --- names ---

    /// `column -> path`, which reads as a lambda with one parameter.
    pub(super) fn bind_arrow(
        &mut self,
        lambda: &ast::LambdaFunction,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let param = match &lambda.params {
            ast::OneOrManyWithParens::One(param) => Some(param),
            ast::OneOrManyWithParens::Many(params) => params.first().filter(|_| params.len() == 1),
        };
        match (param, &lambda.syntax) {
            (Some(param), ast::LambdaSyntax::Arrow) if param.data_type.is_none() => {
                let value = self.bind_name(&param.name, cx)?;
                // `x -> 'a' -> 'b'` takes a step behind the other, and all steps are in the body.
                let (mut steps, mut rest) = (vec![], &*lambda.body);
                while let ast::Expr::BinaryOp { left, op, right } = rest {
                    let function = match op {
                        ast::BinaryOperator::Arrow => JSON_STEP,
                        ast::BinaryOperator::LongArrow => JSON_STEP_TO_TEXT,
                        _ => break,
                    };
                    steps.push((function, &**right));
                    rest = left;
                }
                steps.push((JSON_STEP, rest));
                steps.into_iter().rev().try_fold(value, |value, (function, path)| {
                    let path = self.bind_expr(path, cx)?;
                    self.call(function, vec![value, path])
                })
            }
            _ => Err(SqlError::binder(
                "a lambda function is only allowed as an argument of a function that takes one",
            )),
        }
    }

    pub(super) fn bind_access(
        &mut self,
        root: &ast::Expr,
        chain: &[AccessExpr],
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        // `x.f(y)` is `f(x, y)`.
        let is_call = |a: &AccessExpr| matches!(a, AccessExpr::Dot(ast::Expr::Function(_)));
        if let Some(at) = chain.iter().position(is_call)
            && let AccessExpr::Dot(ast::Expr::Function(function)) = &chain[at]
        {
            let first = match at {
                0 => root.clone(),
                at => ast::Expr::CompoundFieldAccess {
                    root: Box::new(root.clone()),
                    access_chain: chain[..at].to_vec(),
                },
            };
            let call = ast::Expr::Function(with_first_argument(function.clone(), first)?);
            return match &chain[at + 1..] {
                [] => self.bind_expr(&call, cx),
                rest => self.bind_access(&call, rest, cx),
            };
        }
        // `t.s[1]` and `t.s.f[1]` come with the dots in the chain.
        let mut rest = chain;
        let mut bound = match root {
            ast::Expr::Identifier(first) => {
                let mut parts = vec![first.clone()];
                while let [AccessExpr::Dot(ast::Expr::Identifier(part)), tail @ ..] = rest {
                    parts.push(part.clone());
                    rest = tail;
                }
                if parts.len() > 1 { self.bind_qualified(&parts, cx)? } else { self.bind_expr(root, cx)? }
            }
            root => self.bind_expr(root, cx)?,
        };
        for access in rest {
            bound = match access {
                AccessExpr::Dot(ast::Expr::Identifier(name)) => {
                    self.fields(bound, std::slice::from_ref(name))?
                }
                AccessExpr::Dot(other) => {
                    return Err(SqlError::parser(format!("syntax error at .{}", brief(other))));
                }
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let index = self.bind_expr(index, cx)?;
                    let name = match bound.ty() {
                        LogicalType::Struct(_) => "struct_extract",
                        LogicalType::Map(..) => "map_extract_value",
                        LogicalType::Json => "json_extract",
                        LogicalType::Variant => "variant_extract",
                        _ => "array_extract",
                    };
                    self.call(name, vec![bound, index])?
                }
                AccessExpr::Subscript(Subscript::Slice { .. }) if bound.ty() == LogicalType::Variant => {
                    return Err(SqlError::binder("ARRAY_SLICE can only operate on LISTs and VARCHARs"));
                }
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                    // An empty list stands for a bound that is left out.
                    let is_given = |e: &&ast::Expr| !matches!(e, ast::Expr::Array(a) if a.elem.is_empty());
                    let mut bound_of =
                        |e: &Option<ast::Expr>, left_out: i64| match e.as_ref().filter(is_given) {
                            Some(e) => self.bind_expr(e, cx),
                            None => Ok(Expr::literal(Scalar::Int(left_out.into()), LogicalType::BigInt)),
                        };
                    let (lower, upper) = (bound_of(lower_bound, FROM_START)?, bound_of(upper_bound, TO_END)?);
                    let mut args = vec![bound, lower, upper];
                    if stride.is_some() {
                        args.push(bound_of(stride, 1)?);
                    }
                    self.call("array_slice", args)?
                }
            };
        }
        Ok(bound)
    }

    pub(super) fn bind_collate(
        &mut self,
        expr: &ast::Expr,
        name: &ast::ObjectName,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        collate(self.bind_expr(expr, cx)?, name)
    }

    // --- constants ---

    /// The value of a parameter such as `$1`, which counts as a literal.
    pub(super) fn bind_parameter(&mut self, name: &str) -> Result<Expr> {
        let name = name.trim_start_matches('$');
        let (value, ty) = self.env.parameters.get(name)?;
        if self.env.parameters.are_open() {
            let bound = &self.env.uses.open_parameters;
            bound.set(bound.get() + 1);
            return Ok(parameter::open(name, ty));
        }
        Ok(Expr::literal(value, ty))
    }

    // --- operators ---

    pub(super) fn bind_cast(
        &mut self,
        kind: &CastKind,
        expr: &ast::Expr,
        ty: &ast::DataType,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let (to, domain) = self.bind_type_or_domain(ty)?;
        let input = self.bind_expr(expr, cx)?;
        let or_null = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
        if let Some(named) = domain {
            let value = coerce::explicit(input, &to, or_null)?;
            return self.in_domain(&named, value, or_null);
        }
        match coerce::explicit(input, &to, or_null)? {
            // A literal that was cast is none any more: it does not take the type of what is around it.
            literal @ Expr::Literal { value: Scalar::Int(_) | Scalar::Text(_), .. } => {
                Ok(Expr::Cast { input: Box::new(literal), to, or_null })
            }
            other => Ok(other),
        }
    }

    pub(super) fn bind_list(&mut self, items: &[&ast::Expr], cx: &mut ExprContext<'_>) -> Result<Expr> {
        let mut bound = Vec::with_capacity(items.len());
        for item in items {
            bound.push(self.bind_expr(item, cx)?);
        }
        let (bound, _) = coerce::unify(bound, "a list")?;
        self.call("list_value", bound)
    }

    pub(super) fn bind_struct(
        &mut self,
        fields: &[ast::DictionaryField],
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let mut named = Vec::with_capacity(fields.len());
        for field in fields {
            if field.key.value.is_empty() {
                return Err(SqlError::binder("a field of a struct needs a name").at(&*field.value));
            }
            named.push((field.key.value.clone(), self.bind_expr(&field.value, cx)?));
        }
        self.struct_pack(named)
    }

    /// Binds the arguments and calls a function.
    pub(super) fn bind_call(
        &mut self,
        name: &str,
        args: &[&ast::Expr],
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let mut bound = Vec::with_capacity(args.len());
        for arg in args {
            bound.push(self.bind_expr(arg, cx)?);
        }
        self.call(name, bound)
    }
}

/// A value that is compared by a collation.
pub(super) fn collate(value: Expr, name: &ast::ObjectName) -> Result<Expr> {
    if !matches!(value.ty(), LogicalType::Varchar | LogicalType::Null) {
        return Err(SqlError::binder("collations are only supported for type varchar"));
    }
    let (_, key) = collation_named(name)?;
    // A collation that is spelled out takes the place of the column's.
    let value = match collation(&value) {
        Some((text, _)) => text.clone(),
        None => coerce::cast(value, &LogicalType::Varchar),
    };
    Ok(collated(value, key))
}

/// Whether values of a type have parts with names.
pub(super) fn has_fields(ty: &LogicalType) -> bool {
    use LogicalType as T;
    matches!(ty, T::Struct(_) | T::Union(_) | T::Map(..) | T::Json | T::Variant)
}

pub(super) fn cannot_extract(field: &Ident) -> SqlError {
    SqlError::binder(format!(
        "Cannot extract field '{}' from expression because it is not a struct, union, map, or json",
        field.value
    ))
    .at_span(field.span)
}

/// The parameter of a lambda around that a name means.
pub(super) fn lambda_param(ident: &Ident, cx: &ExprContext<'_>) -> Option<Expr> {
    let mut params = cx.lambda_params.iter().rev().flatten();
    params.find(|p| p.name.eq_ignore_ascii_case(&ident.value)).map(Column::expr)
}

/// A call with one argument more, before all others.
pub(super) fn with_first_argument(mut function: ast::Function, first: ast::Expr) -> Result<ast::Function> {
    let argument = ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(first));
    match &mut function.args {
        ast::FunctionArguments::List(list) => list.args.insert(0, argument),
        _ => return Err(SqlError::parser(format!("syntax error at or near \"{}\"", function.name))),
    }
    Ok(function)
}

/// All of the conditions.
pub fn conjunction(mut all: Vec<Expr>) -> Expr {
    match all.len() {
        0 => Expr::literal(Scalar::Boolean(true), LogicalType::Boolean),
        1 => all.swap_remove(0),
        _ => Expr::And(all),
    }
}

/// Any of the conditions.
pub fn disjunction(mut any: Vec<Expr>) -> Expr {
    match any.len() {
        0 => Expr::literal(Scalar::Boolean(false), LogicalType::Boolean),
        1 => any.swap_remove(0),
        _ => Expr::Or(any),
    }
}

/// The conditions that must all hold for an expression to be true.
pub fn conjuncts(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::And(all) => all.into_iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

pub(super) fn negate_if(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

/// Whether an expression has the same value for all rows.
pub fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Column { .. } => false,
        Expr::Call { function, .. } if function.volatile => false,
        // Its value comes later.
        _ if parameter::name_of(expr).is_some() => false,
        other => other.children().into_iter().all(is_constant),
    }
}

pub(super) fn node_count(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(node_count).sum::<usize>()
}

/// Where an expression begins: its span, found without descending into a deep chain more than once.
pub(super) fn start_of(expr: &ast::Expr) -> Span {
    let mut expr = expr;
    loop {
        expr = match expr {
            ast::Expr::BinaryOp { left, .. } => left,
            ast::Expr::Nested(inner)
            | ast::Expr::IsNull(inner)
            | ast::Expr::IsNotNull(inner)
            | ast::Expr::Cast { expr: inner, kind: CastKind::DoubleColon, .. }
            | ast::Expr::Between { expr: inner, .. }
            | ast::Expr::InList { expr: inner, .. }
            | ast::Expr::InSubquery { expr: inner, .. }
            | ast::Expr::Like { expr: inner, .. }
            | ast::Expr::ILike { expr: inner, .. } => inner,
            other => return other.span(),
        };
    }
}

/// The beginning of a piece of syntax, for messages.
pub(super) fn brief(expr: &ast::Expr) -> String {
    let text = expr.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
