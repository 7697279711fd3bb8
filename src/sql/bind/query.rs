//! Queries: WITH, set operations, VALUES, ORDER BY, LIMIT.

use sqlparser::ast::{
    self, Expr as Syntax, Ident, LimitClause, OrderByKind, OrderByOptions, OrderBySort, Query, SetExpr,
    SetOperator,
};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr, SortKey};
use crate::exec::functions::comparison_key;
use crate::exec::window::{WindowCall, WindowFunction};
use crate::sql::bind::aggregate::same_expr;
use crate::sql::bind::cte::{Frame, close_frame};
use crate::sql::bind::expr::{ExprContext, collate};
use crate::sql::bind::name::column_name;
use crate::sql::bind::scope::{Found, Outer, Relation, Scope};
use crate::sql::bind::subquery::{PendingSubquery, attach};
use crate::sql::bind::{Binder, BoundQuery, QUERY_DEPTH_MAX, coerce};
use crate::sql::error::{Result, SqlError, SqlErrorKind};
use crate::sql::optimize::exprs::compare;
use crate::sql::parser::{scalar_query, table_query};
use crate::sql::plan::{Column, ColumnIds, Definition, LogicalPlan};
use crate::sql::tokens::PERCENT;
use crate::sql::walk;

/// What stands behind the body of a query.
#[derive(Default)]
pub(super) struct Tail<'q> {
    pub order_by: Option<&'q ast::OrderBy>,
    pub limit: Limit,
    /// What it stands behind, if that is no SELECT.
    pub body: Option<&'q SetExpr>,
}

/// LIMIT and OFFSET.
#[derive(Debug, Default)]
pub(super) enum Limit {
    /// All rows.
    #[default]
    None,
    /// Numbers that are known.
    Constant { limit: Option<u64>, offset: u64 },
    /// So many rows and those that the order puts beside the last of them.
    WithTies { limit: u64, offset: u64 },
    /// A share of the rows, or numbers that the query computes.
    Computed { limit: Option<Expr>, offset: Option<Expr>, percent: bool, subqueries: Vec<PendingSubquery> },
}

impl Limit {
    /// The rows of a plan in an order that are wanted.
    pub fn apply(self, plan: LogicalPlan, keys: Vec<SortKey>, ids: &mut ColumnIds) -> LogicalPlan {
        let order_by = if matches!(self, Self::WithTies { .. }) { keys.clone() } else { vec![] };
        let sorted = |plan: LogicalPlan| {
            if keys.is_empty() { plan } else { LogicalPlan::Sort { input: Box::new(plan), keys } }
        };
        match self {
            Self::None => sorted(plan),
            Self::Constant { limit, offset } => {
                LogicalPlan::Limit { input: Box::new(sorted(plan)), limit, offset }
            }
            Self::WithTies { limit, offset } => {
                let rank = ids.column("rank", LogicalType::BigInt);
                let last = i64::try_from(limit.saturating_add(offset)).unwrap_or(i64::MAX);
                let last = Expr::literal(Scalar::Int(last.into()), LogicalType::BigInt);
                let within = compare(CompareOp::LtEq, rank.expr(), last);
                let ranked = LogicalPlan::Window {
                    input: Box::new(plan),
                    partition_by: vec![],
                    order_by,
                    calls: vec![(rank, WindowCall::number(WindowFunction::Rank))],
                };
                let wanted = LogicalPlan::Filter { input: Box::new(ranked), predicates: vec![within] };
                LogicalPlan::Limit { input: Box::new(sorted(wanted)), limit: None, offset }
            }
            // A join keeps no order: what the limit is computed from comes first.
            Self::Computed { limit, offset, percent, subqueries } => LogicalPlan::LimitBy {
                input: Box::new(sorted(attach(plan, subqueries))),
                limit,
                offset,
                percent,
            },
        }
    }
}

impl Binder<'_> {
    /// Binds a query inside the given scopes.
    pub fn bind_query(&mut self, query: &Query, outer: Option<&Outer<'_>>) -> Result<BoundQuery> {
        if self.query_depth >= QUERY_DEPTH_MAX {
            return Err(SqlError::binder(format!(
                "queries and views are nested more than {QUERY_DEPTH_MAX} deep"
            ))
            .at(query));
        }
        let outermost = self.query_depth == 0;
        self.query_depth += 1;
        let ctes = self.ctes.clone();
        let frame = self.frame;
        if outermost {
            self.frame = self.frames.len();
            self.frames.push(Frame::default());
        }
        let bound = self.bind_query_inner(query, outer);
        self.ctes = ctes;
        self.query_depth -= 1;
        if !outermost {
            return bound;
        }
        self.frame = frame;
        let frame = self.frames.pop().unwrap_or_default();
        let bound = bound?;
        let plan = close_frame(frame, bound.plan, &mut self.ids);
        Ok(BoundQuery { plan, columns: bound.columns })
    }

    /// Whether FOR UPDATE and the like may stand there.
    fn check_locks(&self, query: &Query) -> Result<()> {
        if !self.env.uses.may_lock.get() || self.query_depth > 1 {
            let message = "FOR UPDATE and the like can only stand behind a query that is a statement";
            return Err(SqlError::unsupported(message).at(query));
        }
        let has_rows_of_tables = match &*query.body {
            SetExpr::Select(select) => {
                matches!(&select.group_by, ast::GroupByExpr::Expressions(all, _) if all.is_empty())
                    && select.distinct.is_none()
                    && select.having.is_none()
            }
            _ => false,
        };
        if has_rows_of_tables {
            return Ok(());
        }
        let message = "FOR UPDATE and the like need rows of tables: they are not allowed with DISTINCT, GROUP BY, HAVING, \
            UNION and VALUES";
        Err(SqlError::binder(message).at(query))
    }

    fn bind_query_inner(&mut self, query: &Query, outer: Option<&Outer<'_>>) -> Result<BoundQuery> {
        if query.for_clause.is_some() {
            return Err(SqlError::unsupported("FOR XML and the like are not supported").at(query));
        }
        if !query.locks.is_empty() {
            self.check_locks(query)?;
        }
        if !query.pipe_operators.is_empty() || query.settings.is_some() || query.format_clause.is_some() {
            return Err(SqlError::unsupported("this form of a query is not supported").at(query));
        }
        if let Some(with) = &query.with {
            self.bind_with(with, outer)?;
        }
        let limit = self.bind_limit(query)?;
        let tail = Tail { order_by: query.order_by.as_ref(), limit, body: Some(&query.body) };
        if let SetExpr::Select(select) = &*query.body {
            return self.bind_select(select, tail, outer);
        }
        let bound = self.bind_set_expr(&query.body, outer)?;
        self.finish_query(bound, tail, outer)
    }

    /// The rows of a query body in the order and number that stands behind it.
    pub(super) fn finish_query(
        &mut self,
        bound: BoundQuery,
        tail: Tail<'_>,
        outer: Option<&Outer<'_>>,
    ) -> Result<BoundQuery> {
        let mut subqueries = vec![];
        let keys = match tail.order_by {
            Some(order_by) => {
                self.bind_outer_order(&bound.columns, order_by, tail.body, outer, &mut subqueries)?
            }
            None => vec![],
        };
        let columns = bound.columns;
        if subqueries.is_empty() {
            return Ok(BoundQuery { plan: tail.limit.apply(bound.plan, keys, &mut self.ids), columns });
        }
        // What the subqueries yield is there for the order alone.
        let sorted = tail.limit.apply(attach(bound.plan, subqueries), keys, &mut self.ids);
        let definitions = columns.iter().cloned().map(Definition::pass).collect();
        Ok(BoundQuery { plan: LogicalPlan::Project { input: Box::new(sorted), definitions }, columns })
    }

    fn bind_limit(&mut self, query: &Query) -> Result<Limit> {
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if let Some(first) = limit_by.first() {
                    return Err(SqlError::unsupported("LIMIT … BY is not supported").at(first));
                }
                (limit.as_ref(), offset.as_ref().map(|o| &o.value))
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        };
        let fetch = match &query.fetch {
            Some(fetch) if fetch.percent => {
                return Err(SqlError::unsupported("FETCH of a percentage is not supported").at(query));
            }
            Some(fetch) => fetch.quantity.as_ref(),
            None => None,
        };
        let with_ties = query.fetch.as_ref().is_some_and(|fetch| fetch.with_ties);
        if with_ties && query.order_by.is_none() {
            return Err(SqlError::parser("WITH TIES cannot be specified without ORDER BY clause").at(query));
        }
        let limit = limit.or(fetch);
        if limit.is_none() && offset.is_none() && query.fetch.is_none() {
            return Ok(Limit::None);
        }
        let one = Expr::literal(Scalar::Int(1), LogicalType::BigInt);
        let mut subqueries = vec![];
        let (limit, percent) = match limit {
            Some(Syntax::BinaryOp { left, op: ast::BinaryOperator::Custom(op), .. }) if op == PERCENT => {
                (self.bind_row_count(left, &LogicalType::Double, &mut subqueries)?, true)
            }
            Some(limit) => (self.bind_row_count(limit, &LogicalType::BigInt, &mut subqueries)?, false),
            None => (query.fetch.as_ref().map(|_| one), false),
        };
        let offset = match offset {
            Some(offset) => self.bind_row_count(offset, &LogicalType::BigInt, &mut subqueries)?,
            None => None,
        };
        let count = |e: &Option<Expr>| match e {
            None => Some(None),
            Some(Expr::Literal { value: Scalar::Int(n), .. }) => u64::try_from(*n).ok().map(Some),
            Some(_) => None,
        };
        Ok(match (count(&limit), count(&offset)) {
            (Some(Some(limit)), Some(offset)) if with_ties => {
                Limit::WithTies { limit, offset: offset.unwrap_or(0) }
            }
            _ if with_ties => {
                return Err(SqlError::unsupported("WITH TIES takes constant numbers of rows").at(query));
            }
            (Some(limit), Some(offset)) if !percent => Limit::Constant { limit, offset: offset.unwrap_or(0) },
            _ => Limit::Computed { limit, offset, percent, subqueries },
        })
    }

    /// A number of rows, or percent of them; NULL means all.
    fn bind_row_count(
        &mut self,
        expr: &Syntax,
        ty: &LogicalType,
        subqueries: &mut Vec<PendingSubquery>,
    ) -> Result<Option<Expr>> {
        if matches!(expr, Syntax::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("all"))
        {
            return Ok(None);
        }
        let scope = Scope::default();
        let mut cx = ExprContext::new(&scope, None, "LIMIT clause");
        let bound = self.bind_expr(expr, &mut cx)?;
        subqueries.append(&mut cx.subqueries);
        let bound = coerce::explicit(bound, ty, false).map_err(|e| e.at(expr))?;
        if !super::expr::is_constant(&bound) {
            return Ok(Some(bound));
        }
        let value = self.evaluate(&bound).map_err(|e| e.at(expr))?;
        match value {
            Scalar::Null => Ok(None),
            Scalar::Int(n) if n < 0 => Err(SqlError::binder("LIMIT/OFFSET cannot be negative").at(expr)),
            Scalar::Float(share) if !(0.0..=100.0).contains(&share) => Err(SqlError::new(
                SqlErrorKind::OutOfRange,
                "Limit percent out of range, should be between 0% and 100%",
            )
            .at(expr)),
            value => Ok(Some(Expr::literal(value, ty.clone()))),
        }
    }

    /// Binds the body of a query.
    pub(super) fn bind_set_expr(&mut self, body: &SetExpr, outer: Option<&Outer<'_>>) -> Result<BoundQuery> {
        match body {
            SetExpr::Select(select) => self.bind_select(select, Tail::default(), outer),
            SetExpr::Query(query) => self.bind_query(query, outer),
            SetExpr::Values(values) => self.bind_values(values, outer),
            SetExpr::SetOperation { .. } => self.bind_set_operation(body, outer),
            SetExpr::Table(table) => {
                let mut parts = vec![];
                parts.extend(table.schema_name.clone().map(Ident::new));
                parts.extend(table.table_name.clone().map(Ident::new));
                let query = table_query(parts.into())?;
                self.bind_query(&query, outer)
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(SqlError::unsupported("statements that write are not supported behind WITH").at(body))
            }
        }
    }

    // --- VALUES ---

    fn bind_values(&mut self, values: &ast::Values, outer: Option<&Outer<'_>>) -> Result<BoundQuery> {
        if values.rows.iter().flat_map(|row| &row.content).any(walk::has_query) {
            return self.bind_set_expr(&rows_as_queries(values)?, outer);
        }
        let scope = Scope::default();
        let width = values.rows.first().map_or(0, |r| r.content.len());
        let mut rows: Vec<Vec<Expr>> = Vec::with_capacity(values.rows.len());
        for row in &values.rows {
            let row = &row.content;
            if row.len() != width {
                let error = SqlError::binder("VALUES lists must all be the same length");
                return Err(match row.first() {
                    Some(first) => error.at(first),
                    None => error,
                });
            }
            let mut bound = Vec::with_capacity(width);
            for expr in row {
                let mut cx = ExprContext::new(&scope, outer, "VALUES clause");
                cx.allow_subqueries = false;
                bound.push(self.bind_expr(expr, &mut cx)?);
            }
            rows.push(bound);
        }
        // Literals of text take the type of the other rows.
        let types: Vec<LogicalType> = (0..width)
            .map(|i| coerce::common(rows.iter().map(|row| &row[i]), "VALUES").map_err(|e| e.at(values)))
            .collect::<Result<_>>()?;
        for row in &mut rows {
            for (value, ty) in row.iter_mut().zip(&types) {
                if value.ty() != *ty {
                    let taken = std::mem::replace(value, Expr::literal(Scalar::Null, LogicalType::Null));
                    *value = coerce::explicit(taken, ty, false)?;
                }
            }
        }
        let columns: Vec<Column> =
            types.into_iter().enumerate().map(|(i, ty)| self.ids.column(format!("col{i}"), ty)).collect();
        Ok(BoundQuery { plan: LogicalPlan::Values { rows, columns: columns.clone() }, columns })
    }

    /// ORDER BY behind a set operation or VALUES: over the output columns.
    fn bind_outer_order(
        &mut self,
        columns: &[Column],
        order_by: &ast::OrderBy,
        body: Option<&SetExpr>,
        outer: Option<&Outer<'_>>,
        subqueries: &mut Vec<PendingSubquery>,
    ) -> Result<Vec<SortKey>> {
        let scope = Scope::of(Relation::new("", columns.to_vec()));
        // What a part of a set operation selects means its column too, be it by a name or as it is written there.
        let selected = |expr: &Syntax| {
            let place = match expr {
                Syntax::Identifier(name) => match scope.find(&name.value) {
                    Found::Nothing => body.and_then(|body| column_selected_in(body, expr)),
                    _ => None,
                },
                Syntax::Value(_) => None,
                expr => body.and_then(|body| column_selected_in(body, expr)),
            };
            place.filter(|i| *i < columns.len())
        };
        let mut keys: Vec<SortKey> = vec![];
        match &order_by.kind {
            OrderByKind::All(options) => {
                for column in columns {
                    keys.push(self.sort_key(column.expr(), options)?);
                }
            }
            OrderByKind::Expressions(list) => {
                for item in list {
                    self.refuse_literal_key(&item.expr, "ORDER BY")?;
                    let (place, collation) = match &item.expr {
                        Syntax::Collate { expr, collation } => (&**expr, Some(collation)),
                        expr => (expr, None),
                    };
                    let expr = match ordinal(place, columns.len(), "ORDER")?.or_else(|| selected(place)) {
                        Some(i) => match collation {
                            Some(name) => collate(columns[i].expr(), name).map_err(|e| e.at(&item.expr))?,
                            None => columns[i].expr(),
                        },
                        None => {
                            let mut cx = ExprContext::new(&scope, outer, "ORDER BY clause");
                            let expr = self.bind_expr(&item.expr, &mut cx)?;
                            subqueries.append(&mut cx.subqueries);
                            expr
                        }
                    };
                    let key = self.sort_key(expr, &item.options)?;
                    if !keys.iter().any(|k| same_expr(&k.expr, &key.expr)) {
                        keys.push(key);
                    }
                }
            }
        }
        Ok(keys)
    }

    /// A sort key with the session's defaults: ascending, NULLs last.
    pub(super) fn sort_key(&self, expr: Expr, options: &OrderByOptions) -> Result<SortKey> {
        let settings = self.env.settings;
        let descending = match &options.sort {
            None => settings.default_descending,
            Some(OrderBySort::Asc) => false,
            Some(OrderBySort::Desc) => true,
            Some(OrderBySort::Using(_)) => {
                return Err(SqlError::unsupported("ORDER BY … USING is not supported"));
            }
        };
        let nulls_first =
            options.nulls_first.unwrap_or_else(|| settings.default_null_order.is_first(descending));
        let expr = comparison_key(self.with_collation(expr));
        // A bare NULL sorts as anything.
        let expr =
            if expr.ty() == LogicalType::Null { coerce::cast(expr, &LogicalType::Integer) } else { expr };
        Ok(SortKey { expr, descending, nulls_first })
    }
}

impl Binder<'_> {
    /// A literal that is no position puts nothing in order, so it is most likely meant to be something else.
    pub(super) fn refuse_literal_key(&self, expr: &Syntax, clause: &str) -> Result<()> {
        let Syntax::Value(value) = expr else { return Ok(()) };
        let is_literal = match &value.value {
            ast::Value::Placeholder(_) => false,
            ast::Value::Number(digits, _) => digits.bytes().any(|b| !b.is_ascii_digit()),
            _ => true,
        };
        if is_literal && !self.env.settings.order_by_literal {
            return Err(SqlError::binder(format!("{clause} non-integer literal has no effect."))
                .at_span(value.span)
                .hint("SET order_by_non_integer_literal = true lets it stand."));
        }
        Ok(())
    }
}

/// The position, from 0, that a bare number in ORDER BY or GROUP BY means.
pub(super) fn ordinal(expr: &Syntax, width: usize, clause: &str) -> Result<Option<usize>> {
    let (value, negative) = match expr {
        Syntax::Value(value) => (value, false),
        Syntax::UnaryOp { op: ast::UnaryOperator::Minus, expr } => match &**expr {
            Syntax::Value(value) => (value, true),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let ast::Value::Number(digits, _) = &value.value else { return Ok(None) };
    match digits.parse::<usize>() {
        Ok(n) if !negative && (1..=width).contains(&n) => Ok(Some(n - 1)),
        Ok(_) => {
            Err(SqlError::binder(format!("{clause} term out of range - should be between 1 and {width}"))
                .at_span(value.span))
        }
        Err(_) => Ok(None),
    }
}

/// Where in the select lists of a set operation an expression stands, or a column of that name.
fn column_selected_in(body: &SetExpr, wanted: &Syntax) -> Option<usize> {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            column_selected_in(left, wanted).or_else(|| column_selected_in(right, wanted))
        }
        SetExpr::Query(query) => column_selected_in(&query.body, wanted),
        SetExpr::Select(select) => {
            let name = column_name(wanted);
            let is_same = |expr: &Syntax| column_name(expr).eq_ignore_ascii_case(&name);
            select.projection.iter().position(|item| match item {
                ast::SelectItem::ExprWithAlias { alias, expr } => {
                    matches!(wanted, Syntax::Identifier(_)) && alias.value.eq_ignore_ascii_case(&name)
                        || is_same(expr)
                }
                ast::SelectItem::UnnamedExpr(expr) => is_same(expr),
                _ => false,
            })
        }
        _ => None,
    }
}

/// The rows of VALUES as a query each, which may have subqueries.
fn rows_as_queries(values: &ast::Values) -> Result<SetExpr> {
    let mut all: Option<SetExpr> = None;
    for row in &values.rows {
        let mut query = scalar_query(ast::Expr::value(ast::Value::Null))?;
        let SetExpr::Select(select) = &mut *query.body else {
            return Err(SqlError::internal("a SELECT is a SELECT"));
        };
        select.projection = row
            .content
            .iter()
            .enumerate()
            .map(|(i, expr)| ast::SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: Ident::new(format!("col{i}")),
            })
            .collect();
        let one = *query.body;
        all = Some(match all {
            None => one,
            Some(before) => SetExpr::SetOperation {
                left: Box::new(before),
                op: SetOperator::Union,
                set_quantifier: ast::SetQuantifier::All,
                right: Box::new(one),
            },
        });
    }
    all.ok_or_else(|| SqlError::internal("VALUES without rows"))
}
