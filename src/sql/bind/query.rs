//! Queries: WITH, set operations, VALUES, ORDER BY, LIMIT.

use std::rc::Rc;

use sqlparser::ast::{
    self, Expr as Syntax, Ident, LimitClause, OrderByKind, OrderByOptions, OrderBySort, Query, SetExpr,
    SetOperator, SetQuantifier,
};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr, SortKey};
use crate::sql::bind::aggregate::same_expr;
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::from::storable;
use crate::sql::bind::scope::{Outer, Relation, Scope};
use crate::sql::bind::{Binder, BoundQuery, QUERY_DEPTH_MAX, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::table_query;
use crate::sql::plan::{Column, Definition, JoinType, LogicalPlan};

/// CTEs that one statement can define.
const CTES_MAX: usize = 1_000;

/// A common table expression, and those before it.
#[derive(Debug)]
pub struct Cte {
    name: String,
    query: Query,
    columns: Vec<Ident>,
    before: Option<Rc<Cte>>,
    count: usize,
}

impl Cte {
    /// The innermost one of that name.
    pub fn find(list: Option<&Rc<Self>>, name: &str) -> Option<Rc<Self>> {
        std::iter::successors(list, |c| c.before.as_ref())
            .find(|c| c.name.eq_ignore_ascii_case(name))
            .cloned()
    }

    /// All names.
    pub fn names(list: Option<&Rc<Self>>) -> Vec<String> {
        std::iter::successors(list, |c| c.before.as_ref()).map(|c| c.name.clone()).collect()
    }

    /// Its query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Names given to its columns.
    pub fn columns(&self) -> &[Ident] {
        &self.columns
    }

    /// What its query can see.
    pub fn visible(&self) -> Option<Rc<Self>> {
        self.before.clone()
    }
}

/// What stands behind the body of a query.
#[derive(Clone, Copy, Default)]
pub(super) struct Tail<'q> {
    pub order_by: Option<&'q ast::OrderBy>,
    pub limit: Limit,
}

/// LIMIT and OFFSET.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Limit {
    pub limit: Option<u64>,
    pub offset: u64,
}

impl Limit {
    /// The rows of a plan that are wanted.
    pub fn apply(self, plan: LogicalPlan) -> LogicalPlan {
        if self.limit.is_none() && self.offset == 0 {
            return plan;
        }
        LogicalPlan::Limit { input: Box::new(plan), limit: self.limit, offset: self.offset }
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
        self.query_depth += 1;
        let ctes = self.ctes.clone();
        let bound = self.bind_query_inner(query, outer);
        self.ctes = ctes;
        self.query_depth -= 1;
        bound
    }

    fn bind_query_inner(&mut self, query: &Query, outer: Option<&Outer<'_>>) -> Result<BoundQuery> {
        if !query.locks.is_empty() || query.for_clause.is_some() {
            return Err(SqlError::unsupported("FOR UPDATE and the like are not supported").at(query));
        }
        if !query.pipe_operators.is_empty() || query.settings.is_some() || query.format_clause.is_some() {
            return Err(SqlError::unsupported("this form of a query is not supported").at(query));
        }
        if let Some(with) = &query.with {
            self.bind_with(with)?;
        }
        let limit = self.bind_limit(query)?;
        let tail = Tail { order_by: query.order_by.as_ref(), limit };
        if let SetExpr::Select(select) = &*query.body {
            return self.bind_select(select, tail, outer);
        }
        let bound = self.bind_set_expr(&query.body, outer)?;
        let plan = match tail.order_by {
            Some(order_by) => self.bind_outer_order(bound.plan, &bound.columns, order_by, outer)?,
            None => bound.plan,
        };
        Ok(BoundQuery { plan: limit.apply(plan), columns: bound.columns })
    }

    pub(super) fn bind_with(&mut self, with: &ast::With) -> Result<()> {
        for cte in &with.cte_tables {
            let name = &cte.alias.name;
            let count = self.ctes.as_ref().map_or(0, |c| c.count) + 1;
            if count > CTES_MAX {
                return Err(SqlError::binder(format!("more than {CTES_MAX} CTEs")).at_span(name.span));
            }
            let same_list = with.cte_tables.iter().take_while(|c| !std::ptr::eq(*c, cte));
            if same_list.into_iter().any(|c| c.alias.name.value.eq_ignore_ascii_case(&name.value)) {
                return Err(
                    SqlError::parser(format!("Duplicate CTE name \"{}\"", name.value)).at_span(name.span)
                );
            }
            if with.recursive && mentions(&cte.query, &name.value) {
                return Err(SqlError::unsupported("recursive CTEs are not supported yet").at_span(name.span));
            }
            self.ctes = Some(Rc::new(Cte {
                name: name.value.clone(),
                query: (*cte.query).clone(),
                columns: cte.alias.columns.iter().map(|c| c.name.clone()).collect(),
                before: self.ctes.take(),
                count,
            }));
        }
        Ok(())
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
            Some(fetch) if fetch.with_ties || fetch.percent => {
                return Err(SqlError::unsupported("FETCH with ties or percent is not supported").at(query));
            }
            Some(fetch) => fetch.quantity.as_ref(),
            None => None,
        };
        let limit = match limit.or(fetch) {
            Some(limit) => self.bind_row_count(limit, "LIMIT")?,
            None => query.fetch.as_ref().map(|_| 1),
        };
        let offset = match offset {
            Some(offset) => self.bind_row_count(offset, "OFFSET")?.unwrap_or(0),
            None => 0,
        };
        Ok(Limit { limit, offset })
    }

    /// A number of rows; NULL means all.
    fn bind_row_count(&mut self, expr: &Syntax, clause: &str) -> Result<Option<u64>> {
        if matches!(expr, Syntax::Identifier(i) if i.value.eq_ignore_ascii_case("all")) {
            return Ok(None);
        }
        match self.bind_constant_as(expr, &LogicalType::BigInt, &format!("{clause} clause"))? {
            Scalar::Null => Ok(None),
            Scalar::Int(n) if n >= 0 => Ok(Some(n as u64)),
            _ => Err(SqlError::binder(format!("{clause} cannot be negative")).at(expr)),
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
        let scope = Scope::default();
        let width = values.rows.first().map_or(0, |r| r.content.len());
        let mut rows: Vec<Vec<Expr>> = Vec::with_capacity(values.rows.len());
        let mut types: Vec<LogicalType> = vec![LogicalType::Null; width];
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
            for (expr, ty) in row.iter().zip(&mut types) {
                let mut cx = ExprContext::new(&scope, outer, "VALUES clause");
                cx.allow_subqueries = false;
                let value = self.bind_expr(expr, &mut cx)?;
                *ty = coerce::union(ty, &value.ty()).map_err(|e| e.at(expr))?;
                bound.push(value);
            }
            rows.push(bound);
        }
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

    // --- set operations ---

    fn bind_set_operation(&mut self, body: &SetExpr, outer: Option<&Outer<'_>>) -> Result<BoundQuery> {
        // The left spine of a chain is as long as the chain: walk it instead of recursing.
        let mut operations = vec![];
        let mut rest = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = rest {
            operations.push((*op, *set_quantifier, &**right));
            rest = left;
        }
        operations.reverse();
        let mut bound = self.bind_set_expr(rest, outer)?;
        let mut i = 0;
        let mut combined = 0;
        while i < operations.len() {
            let (op, quantifier, _) = operations[i];
            // Neighbours of the same kind of UNION are one.
            let mut inputs = vec![bound];
            while let Some((next_op, next_quantifier, right)) = operations.get(i)
                && *next_op == op
                && *next_quantifier == quantifier
                && (op == SetOperator::Union || inputs.len() < 2)
            {
                inputs.push(self.bind_set_expr(right, outer)?);
                i += 1;
            }
            combined += 1;
            if combined > QUERY_DEPTH_MAX {
                return Err(SqlError::binder("too many set operations in one query").at(body));
            }
            bound = match op {
                SetOperator::Union => self.union(inputs, quantifier)?,
                SetOperator::Except | SetOperator::Minus => {
                    self.membership(inputs, quantifier, JoinType::Anti)?
                }
                SetOperator::Intersect => self.membership(inputs, quantifier, JoinType::Semi)?,
            };
        }
        Ok(bound)
    }

    fn union(&mut self, mut inputs: Vec<BoundQuery>, quantifier: SetQuantifier) -> Result<BoundQuery> {
        let by_name = matches!(
            quantifier,
            SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
        );
        if by_name {
            inputs = self.align_by_name(inputs);
        }
        let inputs = self.align(inputs)?;
        let first = &inputs[0];
        let columns: Vec<Column> =
            first.columns.iter().map(|c| self.ids.column(c.name.clone(), c.ty.clone())).collect();
        let plan = LogicalPlan::Union {
            inputs: inputs.into_iter().map(BoundQuery::into_plan).collect(),
            columns: columns.clone(),
        };
        let all = matches!(quantifier, SetQuantifier::All | SetQuantifier::AllByName);
        let plan = if all { plan } else { LogicalPlan::Distinct { input: Box::new(plan), on: None } };
        Ok(BoundQuery { plan, columns })
    }

    /// EXCEPT and INTERSECT: distinct rows of the left that have, or have not, an equal one on the right.
    fn membership(
        &mut self,
        inputs: Vec<BoundQuery>,
        quantifier: SetQuantifier,
        kind: JoinType,
    ) -> Result<BoundQuery> {
        if !matches!(quantifier, SetQuantifier::None | SetQuantifier::Distinct) {
            return Err(SqlError::unsupported(
                "EXCEPT and INTERSECT with ALL or BY NAME are not supported yet",
            ));
        }
        let mut inputs = self.align(inputs)?.into_iter();
        let (Some(left), Some(right)) = (inputs.next(), inputs.next()) else {
            return Err(SqlError::internal("a set operation has two sides"));
        };
        let on = left.columns.iter().zip(&right.columns).map(|(l, r)| Expr::Compare {
            op: CompareOp::NotDistinctFrom,
            left: Box::new(l.expr()),
            right: Box::new(r.expr()),
        });
        let on = on.collect();
        let columns = left.columns.clone();
        let distinct = LogicalPlan::Distinct { input: Box::new(left.into_plan()), on: None };
        let plan = LogicalPlan::Join {
            left: Box::new(distinct),
            right: Box::new(right.into_plan()),
            kind,
            on,
            dependent: false,
        };
        Ok(BoundQuery { plan, columns })
    }

    /// Gives all inputs the same types, column by column, and ids of their own.
    fn align(&mut self, inputs: Vec<BoundQuery>) -> Result<Vec<BoundQuery>> {
        let width = inputs[0].columns.len();
        let mut types: Vec<LogicalType> = inputs[0].columns.iter().map(|c| c.ty.clone()).collect();
        for input in &inputs[1..] {
            if input.columns.len() != width {
                return Err(SqlError::binder(format!(
                    "Set operations can only apply to expressions with the same number of result columns: {width} and {}",
                    input.columns.len()
                )));
            }
            for (ty, column) in types.iter_mut().zip(&input.columns) {
                *ty = coerce::union(ty, &column.ty)?;
            }
        }
        let types: Vec<LogicalType> = types.iter().map(storable).collect();
        inputs.into_iter().map(|input| self.cast_columns(input, &types)).collect()
    }

    /// The query with columns of these types.
    pub fn cast_columns(&mut self, input: BoundQuery, types: &[LogicalType]) -> Result<BoundQuery> {
        if input.columns.iter().zip(types).all(|(c, ty)| c.ty == *ty) {
            return Ok(input);
        }
        let mut definitions = vec![];
        for (column, ty) in input.columns.into_iter().zip(types) {
            if column.ty == *ty {
                definitions.push(Definition::pass(column));
            } else {
                let expr = coerce::explicit(column.expr(), ty, false)?;
                definitions.push(Definition { column: self.ids.column(column.name, ty.clone()), expr });
            }
        }
        let columns = definitions.iter().map(|d| d.column.clone()).collect();
        Ok(BoundQuery { plan: LogicalPlan::Project { input: Box::new(input.plan), definitions }, columns })
    }

    /// Puts the columns of all inputs in one order by their names; what an input lacks is NULL.
    fn align_by_name(&mut self, inputs: Vec<BoundQuery>) -> Vec<BoundQuery> {
        let mut names: Vec<String> = vec![];
        for column in inputs.iter().flat_map(|i| &i.columns) {
            if !names.iter().any(|n| n.eq_ignore_ascii_case(&column.name)) {
                names.push(column.name.clone());
            }
        }
        let mut out = vec![];
        for input in inputs {
            let mut definitions: Vec<Definition> = vec![];
            for name in &names {
                let found = input.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
                definitions.push(match found {
                    Some(column) => Definition::pass(column.clone()),
                    None => Definition {
                        column: self.ids.column(name.clone(), LogicalType::Null),
                        expr: Expr::literal(Scalar::Null, LogicalType::Null),
                    },
                });
            }
            let columns = definitions.iter().map(|d| d.column.clone()).collect();
            out.push(BoundQuery {
                plan: LogicalPlan::Project { input: Box::new(input.plan), definitions },
                columns,
            });
        }
        out
    }

    /// ORDER BY behind a set operation or VALUES: over the output columns.
    fn bind_outer_order(
        &mut self,
        plan: LogicalPlan,
        columns: &[Column],
        order_by: &ast::OrderBy,
        outer: Option<&Outer<'_>>,
    ) -> Result<LogicalPlan> {
        let scope = Scope::of(Relation::new("", columns.to_vec()));
        let mut keys: Vec<SortKey> = vec![];
        match &order_by.kind {
            OrderByKind::All(options) => {
                for column in columns {
                    keys.push(self.sort_key(column.expr(), options)?);
                }
            }
            OrderByKind::Expressions(list) => {
                for item in list {
                    let expr = match ordinal(&item.expr, columns.len(), "ORDER")? {
                        Some(i) => columns[i].expr(),
                        None => {
                            let mut cx = ExprContext::new(&scope, outer, "ORDER BY clause");
                            cx.allow_subqueries = false;
                            self.bind_expr(&item.expr, &mut cx)?
                        }
                    };
                    let key = self.sort_key(expr, &item.options)?;
                    if !keys.iter().any(|k| same_expr(&k.expr, &key.expr)) {
                        keys.push(key);
                    }
                }
            }
        }
        Ok(LogicalPlan::Sort { input: Box::new(plan), keys })
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
        let nulls_first = options.nulls_first.unwrap_or(settings.default_nulls_first);
        // A bare NULL sorts as anything.
        let expr =
            if expr.ty() == LogicalType::Null { coerce::cast(expr, &LogicalType::Integer) } else { expr };
        Ok(SortKey { expr, descending, nulls_first })
    }
}

/// The position, from 0, that a bare number in ORDER BY or GROUP BY means.
pub(super) fn ordinal(expr: &Syntax, width: usize, clause: &str) -> Result<Option<usize>> {
    let Syntax::Value(value) = expr else { return Ok(None) };
    let ast::Value::Number(digits, _) = &value.value else { return Ok(None) };
    match digits.parse::<usize>() {
        Ok(n) if (1..=width).contains(&n) => Ok(Some(n - 1)),
        Ok(_) => {
            Err(SqlError::binder(format!("{clause} term out of range - should be between 1 and {width}"))
                .at_span(value.span))
        }
        Err(_) => Ok(None),
    }
}

/// Whether a query names a table.
fn mentions(query: &Query, name: &str) -> bool {
    use std::ops::ControlFlow;
    let found = ast::visit_relations(query, |relation| {
        let is_it = matches!(&relation.0[..], [part] if part.as_ident().is_some_and(|i| i.value.eq_ignore_ascii_case(name)));
        if is_it { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    found.is_break()
}
