//! Expressions.

use std::collections::HashMap;
use std::sync::Arc;

use sqlparser::ast::{
    self, AccessExpr, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DateTimeField, Ident, Spanned,
    Subscript, TrimWhereField, UnaryOperator, Value,
};
use sqlparser::tokenizer::Span;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::functions::{collated, collation_key};
use crate::sql::bind::aggregate::Aggregates;
use crate::sql::bind::literal::{bind_literal, bind_number};
use crate::sql::bind::name::operator;
use crate::sql::bind::scope::{Found, Outer, Relation, Scope, ScopeColumn};
use crate::sql::bind::select::{Item, ItemSource};
use crate::sql::bind::subquery::PendingSubquery;
use crate::sql::bind::unnest::Unnests;
use crate::sql::bind::window::Windows;
use crate::sql::bind::{Binder, EXPRESSION_DEPTH_MAX, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::fluxql::parse_duration;
use crate::sql::plan::{Column, ColumnId, Definition};
use crate::sql::tokens;

/// Expressions that expanding aliases may make in one statement.
const ALIAS_NODES_MAX: usize = 1_000_000;

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

    fn bind_boxed(&mut self, expr: &ast::Expr, cx: &mut ExprContext<'_>) -> Result<Box<Expr>> {
        Ok(Box::new(self.bind_expr(expr, cx)?))
    }

    /// Dispatch only: the arms are calls, so that this frame, which nests with the expression, stays small.
    fn bind_node(&mut self, expr: &ast::Expr, cx: &mut ExprContext<'_>) -> Result<Expr> {
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
            E::Cast { kind, expr, data_type, .. } => self.bind_cast(kind, expr, data_type, cx),
            E::AtTimeZone { timestamp, time_zone } => self.bind_call("timezone", &[time_zone, timestamp], cx),
            E::Extract { field, expr, .. } => self.bind_extract(field, expr, cx),
            E::Ceil { expr, field } => self.bind_rounding("ceil", expr, field, cx),
            E::Floor { expr, field } => self.bind_rounding("floor", expr, field, cx),
            E::Position { expr, r#in } => self.bind_call("position", &[r#in, expr], cx),
            E::Substring { expr, substring_from, substring_for, .. } => {
                self.bind_substring(expr, substring_from.as_deref(), substring_for.as_deref(), cx)
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
            E::GroupingSets(_) | E::Cube(_) | E::Rollup(_) => {
                Err(SqlError::binder("GROUPING SETS, ROLLUP and CUBE stand in GROUP BY only"))
            }
            E::Lambda(lambda) => self.bind_arrow(lambda, cx),
            E::Wildcard(_) | E::QualifiedWildcard(..) => {
                Err(SqlError::binder("* may stand only in the select list and in count(*)"))
            }
            other => Err(SqlError::unsupported(format!("the expression {} is not supported", brief(other)))),
        }
    }

    // --- names ---

    fn bind_name(&mut self, ident: &Ident, cx: &mut ExprContext<'_>) -> Result<Expr> {
        if let Some(param) = lambda_param(ident, cx) {
            return Ok(param);
        }
        if let Some(aliases) = cx.aliases
            && aliases.first
            && let Some(expr) = self.bind_alias(ident, aliases, cx)?
        {
            return Ok(expr);
        }
        match cx.scope.find(&ident.value) {
            Found::One(column) => {
                cx.spans.insert(column.column.id, ident.span);
                return Ok(column.unqualified());
            }
            Found::Many(names) => return Err(ambiguous(ident, &names)),
            Found::Nothing => {}
        }
        if let Some(aliases) = cx.aliases
            && !aliases.first
            && let Some(expr) = self.bind_alias(ident, aliases, cx)?
        {
            return Ok(expr);
        }
        for scope in Outer::chain(cx.outer) {
            match scope.find(&ident.value) {
                Found::One(column) => return Ok(column.unqualified()),
                Found::Many(names) => return Err(ambiguous(ident, &names)),
                Found::Nothing => {}
            }
        }
        if let Some(row) = self.bind_whole_row(ident, cx)? {
            return Ok(row);
        }
        for around in std::iter::successors(cx.outer, |o| o.parent) {
            let Some(aliases) = around.aliases else { continue };
            let mut there = ExprContext::new(around.scope, around.parent, "an alias in a subquery");
            there.allow_subqueries = false;
            if let Some(expr) = self.bind_alias(ident, aliases, &mut there)? {
                return Ok(expr);
            }
        }
        // Words that are functions without parentheses.
        let name = ident.value.to_lowercase();
        if ident.quote_style.is_none()
            && (name.starts_with("current_")
                || name.starts_with("local")
                || matches!(&*name, "user" | "session_user"))
            && let Some(value) = self.current(&name)
        {
            return Ok(value);
        }
        Err(cx.scope.unknown_column(ident))
    }

    /// The row of a table as a struct, or the column of a function that yields one only.
    fn bind_whole_row(&mut self, ident: &Ident, cx: &mut ExprContext<'_>) -> Result<Option<Expr>> {
        for (level, scope) in std::iter::once(cx.scope).chain(Outer::chain(cx.outer)).enumerate() {
            let Some(relation) = scope.relation(&[], &ident.value).filter(|r| !r.name.is_empty()) else {
                continue;
            };
            let columns: Vec<&ScopeColumn> = relation.columns.iter().collect();
            if level == 0 {
                cx.spans.extend(columns.iter().map(|c| (c.column.id, ident.span)));
            }
            if let ([only], true) = (&columns[..], relation.is_function) {
                return Ok(Some(only.column.expr()));
            }
            let mut fields: Vec<(String, Expr)> = vec![];
            for column in columns {
                // A subquery may yield two columns of one name.
                if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(&column.column.name)) {
                    fields.push((column.column.name.clone(), column.column.expr()));
                }
            }
            return self.struct_pack(fields).map(Some);
        }
        Ok(None)
    }

    /// `column -> path`, which reads as a lambda with one parameter.
    fn bind_arrow(&mut self, lambda: &ast::LambdaFunction, cx: &mut ExprContext<'_>) -> Result<Expr> {
        match (&lambda.params, &lambda.syntax) {
            (ast::OneOrManyWithParens::One(param), ast::LambdaSyntax::Arrow) if param.data_type.is_none() => {
                let value = self.bind_name(&param.name, cx)?;
                let path = self.bind_expr(&lambda.body, cx)?;
                self.call("json_extract", vec![value, path])
            }
            _ => Err(SqlError::binder(
                "a lambda function is only allowed as an argument of a function that takes one",
            )),
        }
    }

    /// A column of FROM by its number.
    pub(super) fn bind_position(&mut self, digits: &str, cx: &mut ExprContext<'_>) -> Result<Expr> {
        let columns: Vec<&ScopeColumn> = cx.scope.star().collect();
        match digits.parse::<usize>() {
            Ok(0) => Err(SqlError::parser("Positional reference node needs to be >= 1")),
            Ok(n) if n <= columns.len() => Ok(columns[n - 1].unqualified()),
            _ => Err(SqlError::binder(format!(
                "Positional reference {digits} out of range (total {} columns)",
                columns.len()
            ))),
        }
    }

    /// Expands a name of the select list into the expression that it names.
    fn bind_alias<'c>(
        &mut self,
        ident: &Ident,
        aliases: Aliases<'c>,
        cx: &mut ExprContext<'c>,
    ) -> Result<Option<Expr>> {
        let visible = &aliases.items[..aliases.visible];
        let Some(at) = visible.iter().position(|i| i.is_alias && i.name.eq_ignore_ascii_case(&ident.value))
        else {
            return Ok(None);
        };
        match &visible[at].source {
            ItemSource::Bound(expr) => Ok(Some(expr.clone())),
            ItemSource::Syntax(syntax) => {
                // The expression sees what it saw where it stands: columns, then the aliases before it.
                let inner = Aliases { items: aliases.items, visible: at, first: false };
                let before = cx.aliases.replace(inner);
                self.alias_depth += 1;
                let bound = self.bind_expr(syntax, cx);
                self.alias_depth -= 1;
                cx.aliases = before;
                let bound = bound?;
                self.alias_nodes += node_count(&bound);
                if self.alias_nodes > ALIAS_NODES_MAX {
                    return Err(SqlError::binder("aliases that use aliases make the query too big")
                        .at_span(ident.span));
                }
                Ok(Some(bound))
            }
        }
    }

    fn bind_qualified(&mut self, parts: &[Ident], cx: &mut ExprContext<'_>) -> Result<Expr> {
        if let Some(param) = lambda_param(&parts[0], cx) {
            return self.fields(param, &parts[1..]);
        }
        let names: Vec<&str> = parts.iter().map(|p| p.value.as_str()).collect();
        let mut missing: Option<SqlError> = None;
        let mut no_fields: Option<SqlError> = None;
        for (level, scope) in std::iter::once(cx.scope).chain(Outer::chain(cx.outer)).enumerate() {
            // `table.column`, then `schema.table.column`, each with fields of structs behind.
            let candidates = [
                (names.len() >= 2).then(|| (scope.relation(&[], names[0]), 1)),
                (names.len() >= 3).then(|| (scope.relation(&names[..1], names[1]), 2)),
                (names.len() >= 4).then(|| (scope.relation(&names[..2], names[2]), 3)),
            ];
            for (relation, at) in candidates.into_iter().flatten() {
                let Some(relation) = relation else { continue };
                if let Some(column) = relation.column(names[at]) {
                    if level == 0 {
                        cx.spans.insert(column.column.id, parts[at].span);
                    }
                    return self.fields(column.column.expr(), &parts[at + 1..]);
                }
                missing.get_or_insert_with(|| no_such_column(relation, &parts[at]));
            }
            let Found::One(column) = scope.find(names[0]) else { continue };
            if has_fields(&column.column.ty) {
                if level == 0 {
                    cx.spans.insert(column.column.id, parts[0].span);
                }
                return self.fields(column.unqualified(), &parts[1..]);
            }
            // A table of a query around may have the name, too.
            no_fields.get_or_insert_with(|| cannot_extract(&parts[1]));
        }
        Err(missing.or(no_fields).unwrap_or_else(|| no_such_table(&parts[0], cx.scope)))
    }

    /// Fields of a struct, one inside the other.
    fn fields(&mut self, mut expr: Expr, names: &[Ident]) -> Result<Expr> {
        for name in names {
            let key = Expr::literal(Scalar::Text(Arc::from(name.value.as_str())), LogicalType::Varchar);
            let function = match expr.ty() {
                LogicalType::Struct(_) => "struct_extract",
                LogicalType::Map(..) => "map_extract_value",
                LogicalType::Json => "json_extract",
                _ => return Err(cannot_extract(name)),
            };
            expr = self.call(function, vec![expr, key]).map_err(|e| e.at_span(name.span))?;
        }
        Ok(expr)
    }

    fn bind_access(
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
                        _ => "array_extract",
                    };
                    self.call(name, vec![bound, index])?
                }
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                    let mut bound_of = |e: &Option<ast::Expr>| match e {
                        Some(e) => self.bind_expr(e, cx),
                        None => Ok(Expr::literal(Scalar::Null, LogicalType::BigInt)),
                    };
                    let mut args = vec![bound, bound_of(lower_bound)?, bound_of(upper_bound)?];
                    if stride.is_some() {
                        args.push(bound_of(stride)?);
                    }
                    self.call("array_slice", args)?
                }
            };
        }
        Ok(bound)
    }

    fn bind_collate(
        &mut self,
        expr: &ast::Expr,
        collation: &ast::ObjectName,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let name = collation.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.as_str());
        let name = name.collect::<Vec<_>>().join(".");
        let value = self.bind_expr(expr, cx)?;
        if !matches!(value.ty(), LogicalType::Varchar | LogicalType::Null) {
            return Err(SqlError::binder("collations are only supported for type varchar"));
        }
        let key = collation_key(&name).ok_or_else(|| {
            SqlError::catalog(format!("Collation with name {name} does not exist!"))
                .did_you_mean(&name, ["NOCASE", "NOACCENT", "BINARY", "C", "POSIX"])
        })?;
        Ok(collated(coerce::cast(value, &LogicalType::Varchar), key))
    }

    // --- constants ---

    /// The value of a parameter such as `$1`, which counts as a literal.
    fn bind_parameter(&mut self, name: &str) -> Result<Expr> {
        let (value, ty) = self.env.parameters.get(name.trim_start_matches('$'))?;
        Ok(Expr::literal(value, ty))
    }

    fn bind_typed_string(&mut self, typed: &ast::TypedString) -> Result<Expr> {
        let ty = self.bind_type(&typed.data_type)?;
        let text = coerce::explicit(bind_literal(&typed.value.value)?, &ty, false)?;
        let value = self.evaluate(&text).map_err(|e| e.at_span(typed.value.span))?;
        let literal = Expr::literal(value, ty.clone());
        if !ty.is_integer() {
            return Ok(literal);
        }
        // A number whose type is given does not take that of what is around it.
        Ok(Expr::Cast { input: Box::new(literal), to: ty, or_null: false })
    }

    fn bind_interval(&mut self, interval: &ast::Interval, cx: &mut ExprContext<'_>) -> Result<Expr> {
        if interval.last_field.is_some() || interval.leading_precision.is_some() {
            return Err(SqlError::unsupported("intervals of ranges such as DAY TO SECOND are not supported"));
        }
        let text = match &*interval.value {
            ast::Expr::Value(v) => match &v.value {
                Value::SingleQuotedString(s) | Value::Number(s, _) => Some(s.as_str()),
                _ => None,
            },
            _ => None,
        };
        let Some(field) = &interval.leading_field else {
            if let Some(d) = text.and_then(parse_duration) {
                let value = Scalar::Interval { months: d.months, days: d.days, nanos: d.nanos };
                return Ok(Expr::literal(value, LogicalType::Interval));
            }
            let bound = self.bind_expr(&interval.value, cx)?;
            let bound = coerce::explicit(bound, &LogicalType::Interval, false)?;
            if text.is_none() {
                return Ok(bound);
            }
            let value = self.evaluate(&bound).map_err(|e| e.at(&*interval.value))?;
            return Ok(Expr::literal(value, LogicalType::Interval));
        };
        let unit = interval_unit(field)?;
        let count = self.bind_expr(&interval.value, cx)?;
        // Seconds and what is below may have a fraction; other units count whole ones.
        let fraction =
            matches!(unit, Scalar::Interval { months: 0, days: 0, nanos } if nanos <= 1_000_000_000);
        let is_whole = count.ty().is_integer();
        let count = coerce::explicit(count, &LogicalType::Double, false)?;
        let count = if fraction && !is_whole {
            count
        } else {
            let whole = if is_whole { count } else { self.call("trunc", vec![count])? };
            coerce::explicit(whole, &LogicalType::BigInt, false)?
        };
        let product = self.call("*", vec![Expr::literal(unit, LogicalType::Interval), count])?;
        if matches!(&*interval.value, ast::Expr::Value(_)) {
            let value = self.evaluate(&product).map_err(|e| e.at(&*interval.value))?;
            return Ok(Expr::literal(value, LogicalType::Interval));
        }
        Ok(product)
    }

    // --- operators ---

    fn bind_unary(&mut self, op: UnaryOperator, expr: &ast::Expr, cx: &mut ExprContext<'_>) -> Result<Expr> {
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
            UnaryOperator::BitwiseNot => {
                let input = self.bind_expr(expr, cx)?;
                self.call("~", vec![input])
            }
            other => Err(SqlError::unsupported(format!("the operator {other} is not supported"))),
        }
    }

    /// A chain of one connective becomes one node, however deep its syntax is.
    fn bind_connective(
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

    fn bind_binary(
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
        self.bind_comparison(compare, left, right, cx)
    }

    fn bind_operator(
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
            let function = match list.ty() {
                LogicalType::Map(..) => "map_contains",
                LogicalType::Varchar => "contains",
                _ => "list_contains",
            };
            let found = self.call(function, vec![list, value])?;
            return Ok(negate_if(op == tokens::NOT_IN, found));
        }
        let negated = matches!(
            op,
            BinaryOperator::PGRegexNotMatch
                | BinaryOperator::PGRegexNotIMatch
                | BinaryOperator::PGNotLikeMatch
                | BinaryOperator::PGNotILikeMatch
        );
        let name = match op {
            BinaryOperator::PGRegexMatch | BinaryOperator::PGRegexNotMatch => "regexp_matches".into(),
            BinaryOperator::PGRegexIMatch | BinaryOperator::PGRegexNotIMatch => {
                let mut args = vec![self.bind_expr(left, cx)?, self.bind_expr(right, cx)?];
                args.push(Expr::literal(Scalar::text("i"), LogicalType::Varchar));
                return Ok(negate_if(negated, self.call("regexp_matches", args)?));
            }
            BinaryOperator::PGLikeMatch | BinaryOperator::PGNotLikeMatch => "like".into(),
            BinaryOperator::PGILikeMatch | BinaryOperator::PGNotILikeMatch => "ilike".into(),
            BinaryOperator::Custom(op) if op == tokens::POWER || op == "^" => "^".into(),
            BinaryOperator::Custom(op) if op == tokens::GLOB => "glob".into(),
            BinaryOperator::Custom(op) if op == tokens::STARTS_WITH => "starts_with".into(),
            BinaryOperator::Custom(op) if op == tokens::OVERLAPS => "list_has_any".into(),
            BinaryOperator::AtArrow => "list_has_all".into(),
            BinaryOperator::ArrowAt => "<@".into(),
            BinaryOperator::Arrow => "json_extract".into(),
            BinaryOperator::LongArrow => "json_extract_string".into(),
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
        Ok(negate_if(negated, self.call(name, vec![left, right])?))
    }

    fn bind_comparison(
        &mut self,
        op: CompareOp,
        left: &ast::Expr,
        right: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if let (Some(a), Some(b)) = (row_of(left), row_of(right)) {
            return self.bind_rows(op, a, b, cx);
        }
        let (left, right) = (self.bind_expr(left, cx)?, self.bind_expr(right, cx)?);
        let (left, right) = self.time_operands(left, right, cx.scope)?;
        coerce::compare(op, left, right)
    }

    /// `(a, b) = (c, d)`.
    fn bind_rows(
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
        // Within a row NULL is a value like any other, and greater than all.
        let mut pairs = vec![];
        for (a, b) in left.iter().zip(right) {
            if let (ast::Expr::Tuple(a), ast::Expr::Tuple(b)) = (a, b) {
                let equal = self.bind_rows(CompareOp::Eq, a, b, cx)?;
                let less = self.bind_rows(CompareOp::Lt, a, b, cx)?;
                pairs.push((equal, less));
                continue;
            }
            let (a, b) = (self.bind_expr(a, cx)?, self.bind_expr(b, cx)?);
            let equal = coerce::compare(CompareOp::NotDistinctFrom, a.clone(), b.clone())?;
            let less = coerce::compare(CompareOp::Lt, a.clone(), b.clone())?;
            let is_null = |e: Expr, negated| Expr::IsNull { input: Box::new(e), negated };
            let null_last = Expr::And(vec![is_null(a, true), is_null(b, false)]);
            pairs.push((equal, Expr::Coalesce(vec![less, null_last])));
        }
        let equal =
            |pairs: Vec<(Expr, Expr)>| conjunction(pairs.into_iter().map(|(equal, _)| equal).collect());
        let less = |pairs: Vec<(Expr, Expr)>, or_equal: bool| {
            pairs.into_iter().rev().fold(
                Expr::literal(Scalar::Boolean(or_equal), LogicalType::Boolean),
                |rest, (equal, less)| Expr::Or(vec![less, Expr::And(vec![equal, rest])]),
            )
        };
        Ok(match op {
            CompareOp::Eq | CompareOp::NotDistinctFrom => equal(pairs),
            CompareOp::NotEq | CompareOp::DistinctFrom => negate_if(true, equal(pairs)),
            CompareOp::Lt => less(pairs, false),
            CompareOp::LtEq => less(pairs, true),
            CompareOp::Gt => negate_if(true, less(pairs, true)),
            CompareOp::GtEq => negate_if(true, less(pairs, false)),
        })
    }

    fn bind_truth(
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

    fn bind_between(
        &mut self,
        expr: &ast::Expr,
        negated: bool,
        low: &ast::Expr,
        high: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let value = self.bind_expr(expr, cx)?;
        let (low, high) = (self.bind_expr(low, cx)?, self.bind_expr(high, cx)?);
        let (value, low) = self.time_operands(value, low, cx.scope)?;
        let (value, high) = self.time_operands(value, high, cx.scope)?;
        let above = coerce::compare(CompareOp::GtEq, value.clone(), low)?;
        let below = coerce::compare(CompareOp::LtEq, value, high)?;
        Ok(negate_if(negated, Expr::And(vec![above, below])))
    }

    fn bind_in_list(
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
        let input = self.bind_expr(expr, cx)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            items.push(self.bind_expr(item, cx)?);
        }
        if matches!(&input, Expr::Literal { value: Scalar::Null, .. }) && items.iter().all(is_constant) {
            return Ok(Expr::literal(Scalar::Null, LogicalType::Boolean));
        }
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
        let input = coerce::cast(input, &ty);
        let items: Vec<Expr> = items.into_iter().map(|i| coerce::cast(i, &ty)).collect();
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

    fn bind_like(
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

    /// `x op ANY (…)` and `x op ALL (…)`.
    fn bind_quantified(
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
        // ALL is that there is none for which the opposite holds.
        let compare = if any { compare } else { compare.negate() };
        let found = match query {
            Some(query) => self.bind_any_of_subquery(compare, left, query, cx)?,
            None => {
                let value = self.bind_expr(left, cx)?;
                let list = self.bind_expr(right, cx)?;
                self.any_of_list(compare, value, list)?
            }
        };
        Ok(negate_if(!any, found))
    }

    fn bind_cast(
        &mut self,
        kind: &CastKind,
        expr: &ast::Expr,
        ty: &ast::DataType,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let to = self.bind_type(ty)?;
        let input = self.bind_expr(expr, cx)?;
        let or_null = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
        match coerce::explicit(input, &to, or_null)? {
            // A literal that was cast is none any more: it does not take the type of what is around it.
            literal @ Expr::Literal { value: Scalar::Int(_) | Scalar::Text(_), .. } => {
                Ok(Expr::Cast { input: Box::new(literal), to, or_null })
            }
            other => Ok(other),
        }
    }

    fn bind_case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&ast::Expr>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let operand = operand.map(|e| self.bind_expr(e, cx)).transpose()?;
        let mut whens = Vec::with_capacity(conditions.len());
        let mut results = Vec::with_capacity(conditions.len() + 1);
        for when in conditions {
            whens.push(match &operand {
                Some(operand) => {
                    let value = self.bind_expr(&when.condition, cx)?;
                    coerce::compare(CompareOp::Eq, operand.clone(), value)
                        .map_err(|e| e.at(&when.condition))?
                }
                None => self.bind_condition(&when.condition, cx)?,
            });
            results.push(self.bind_expr(&when.result, cx)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.bind_expr(otherwise, cx)?);
        }
        let (mut results, ty) = coerce::unify(results, "CASE")?;
        let otherwise = otherwise.and_then(|_| results.pop()).map(Box::new);
        Ok(Expr::Case { branches: whens.into_iter().zip(results).collect(), otherwise, ty })
    }

    fn bind_extract(
        &mut self,
        field: &DateTimeField,
        expr: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let field = field.to_string().trim_matches(['\'', '"']).to_lowercase();
        let part = Expr::literal(Scalar::Text(Arc::from(field.as_str())), LogicalType::Varchar);
        let value = self.bind_expr(expr, cx)?;
        self.call("date_part", vec![part, value])
    }

    fn bind_rounding(
        &mut self,
        name: &str,
        expr: &ast::Expr,
        field: &CeilFloorKind,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        match field {
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => self.bind_call(name, &[expr], cx),
            _ => Err(SqlError::unsupported(format!("{name} with a second argument is not supported"))),
        }
    }

    fn bind_substring(
        &mut self,
        expr: &ast::Expr,
        from: Option<&ast::Expr>,
        length: Option<&ast::Expr>,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let mut args = vec![self.bind_expr(expr, cx)?];
        args.push(match from {
            Some(from) => self.bind_expr(from, cx)?,
            None => Expr::literal(Scalar::Int(1), LogicalType::BigInt),
        });
        if let Some(length) = length {
            args.push(self.bind_expr(length, cx)?);
        }
        self.call("substring", args)
    }

    pub(super) fn bind_list(&mut self, items: &[&ast::Expr], cx: &mut ExprContext<'_>) -> Result<Expr> {
        let mut bound = Vec::with_capacity(items.len());
        for item in items {
            bound.push(self.bind_expr(item, cx)?);
        }
        let (bound, _) = coerce::unify(bound, "a list")?;
        self.call("list_value", bound)
    }

    fn bind_struct(&mut self, fields: &[ast::DictionaryField], cx: &mut ExprContext<'_>) -> Result<Expr> {
        let mut named = Vec::with_capacity(fields.len());
        for field in fields {
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

/// Whether values of a type have parts with names.
fn has_fields(ty: &LogicalType) -> bool {
    matches!(ty, LogicalType::Struct(_) | LogicalType::Map(..) | LogicalType::Json)
}

fn cannot_extract(field: &Ident) -> SqlError {
    SqlError::binder(format!(
        "Cannot extract field '{}' from expression because it is not a struct, union, map, or json",
        field.value
    ))
    .at_span(field.span)
}

/// The parameter of a lambda around that a name means.
fn lambda_param(ident: &Ident, cx: &ExprContext<'_>) -> Option<Expr> {
    let mut params = cx.lambda_params.iter().rev().flatten();
    params.find(|p| p.name.eq_ignore_ascii_case(&ident.value)).map(Column::expr)
}

/// The values of a row: `(a, b)` or `ROW(a, b)`.
fn row_of(expr: &ast::Expr) -> Option<&[ast::Expr]> {
    match expr {
        ast::Expr::Tuple(items) => Some(items),
        ast::Expr::Nested(inner) => row_of(inner),
        _ => None,
    }
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
        other => other.children().into_iter().all(is_constant),
    }
}

fn node_count(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(node_count).sum::<usize>()
}

/// One unit of time as an interval.
fn interval_unit(field: &DateTimeField) -> Result<Scalar> {
    use DateTimeField as F;
    const SECOND: i64 = 1_000_000_000;
    let (months, days, nanos) = match field {
        F::Year | F::Years => (12, 0, 0),
        F::Quarter => (3, 0, 0),
        F::Month | F::Months => (1, 0, 0),
        F::Week(None) | F::Weeks => (0, 7, 0),
        F::Day | F::Days => (0, 1, 0),
        F::Hour | F::Hours => (0, 0, 3_600 * SECOND),
        F::Minute | F::Minutes => (0, 0, 60 * SECOND),
        F::Second | F::Seconds => (0, 0, SECOND),
        F::Millisecond | F::Milliseconds => (0, 0, 1_000_000),
        F::Microsecond | F::Microseconds => (0, 0, 1_000),
        F::Nanosecond | F::Nanoseconds => (0, 0, 1),
        F::Decade => (120, 0, 0),
        F::Century => (1_200, 0, 0),
        F::Millenium | F::Millennium => (12_000, 0, 0),
        other => return Err(SqlError::binder(format!("{other} is no unit of an INTERVAL"))),
    };
    Ok(Scalar::Interval { months, days, nanos })
}

/// Where an expression begins: its span, found without descending into a deep chain more than once.
fn start_of(expr: &ast::Expr) -> Span {
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

fn ambiguous(ident: &Ident, names: &[String]) -> SqlError {
    SqlError::binder(format!(
        "Ambiguous reference to column name \"{}\" (use: {})",
        ident.value,
        names.join(" or ")
    ))
    .at_span(ident.span)
}

fn no_such_column(relation: &Relation, name: &Ident) -> SqlError {
    let columns: Vec<&str> = relation.columns.iter().map(|c| c.column.name.as_str()).collect();
    let error = SqlError::binder(format!(
        "Table \"{}\" does not have a column named \"{}\"",
        relation.name, name.value
    ));
    let error = error.at_span(name.span).did_you_mean(&name.value, &columns);
    if error.hint.is_some() {
        return error;
    }
    let shown: Vec<_> = columns.iter().take(8).map(|c| format!("\"{c}\"")).collect();
    error.hint(format!("It has: {}{}", shown.join(", "), if columns.len() > 8 { ", …" } else { "" }))
}

fn no_such_table(name: &Ident, scope: &Scope) -> SqlError {
    let tables: Vec<&str> =
        scope.relations.iter().map(|r| r.name.as_str()).filter(|n| !n.is_empty()).collect();
    let error =
        SqlError::binder(format!("Referenced table \"{}\" not found!", name.value)).at_span(name.span);
    if tables.is_empty() {
        return error;
    }
    let shown: Vec<_> = tables.iter().take(8).map(|c| format!("\"{c}\"")).collect();
    error.hint(format!("Candidate tables: {}", shown.join(", ")))
}

/// The beginning of a piece of syntax, for messages.
fn brief(expr: &ast::Expr) -> String {
    let text = expr.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
