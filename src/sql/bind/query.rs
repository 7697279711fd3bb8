//! Queries: WITH, set operations, VALUES, ORDER BY, LIMIT.

use sqlparser::ast::{
    self, Expr as Syntax, Ident, LimitClause, OrderByKind, OrderByOptions, OrderBySort, Query, SetExpr,
    SetOperator, SetQuantifier,
};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr, SortKey};
use crate::exec::functions::comparison_key;
use crate::exec::window::{WindowCall, WindowFunction};
use crate::sql::bind::aggregate::same_expr;
use crate::sql::bind::cte::{Frame, close_frame};
use crate::sql::bind::expr::{ExprContext, collate};
use crate::sql::bind::from::storable;
use crate::sql::bind::name::column_name;
use crate::sql::bind::scope::{Found, Outer, Relation, Scope};
use crate::sql::bind::subquery::{PendingSubquery, attach};
use crate::sql::bind::{Binder, BoundQuery, QUERY_DEPTH_MAX, coerce};
use crate::sql::error::{Result, SqlError, SqlErrorKind};
use crate::sql::optimize::exprs::compare;
use crate::sql::parser::{scalar_query, table_query};
use crate::sql::plan::{Column, ColumnIds, Definition, JoinType, LogicalPlan};
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

    fn bind_query_inner(&mut self, query: &Query, outer: Option<&Outer<'_>>) -> Result<BoundQuery> {
        if !query.locks.is_empty() || query.for_clause.is_some() {
            return Err(SqlError::unsupported("FOR UPDATE and the like are not supported").at(query));
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
            // Counting rows takes several operators.
            let counts = quantifier == SetQuantifier::All && op != SetOperator::Union;
            combined += if counts { 5 } else { 1 };
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
            inputs = self.align_by_name(inputs)?;
        }
        let inputs = self.align(inputs)?;
        let BoundQuery { plan, columns } = self.union_all(inputs);
        let all = matches!(quantifier, SetQuantifier::All | SetQuantifier::AllByName);
        let plan = if all { plan } else { self.distinct_rows(plan, &columns) };
        Ok(BoundQuery { plan, columns })
    }

    /// All rows of queries whose columns have the same types.
    fn union_all(&mut self, inputs: Vec<BoundQuery>) -> BoundQuery {
        let columns: Vec<Column> =
            inputs[0].columns.iter().map(|c| self.ids.column(c.name.clone(), c.ty.clone())).collect();
        for (i, column) in columns.iter().enumerate() {
            let collations = inputs.iter().map(|input| self.collation_of(&input.columns[i].expr()));
            if let Some(key) = collations.flatten().next() {
                self.note_collation(column, key);
            }
        }
        let plan = LogicalPlan::Union {
            inputs: inputs.into_iter().map(BoundQuery::into_plan).collect(),
            columns: columns.clone(),
        };
        BoundQuery { plan, columns }
    }

    /// EXCEPT and INTERSECT: distinct rows of the left that have, or have not, an equal one on the right.
    fn membership(
        &mut self,
        inputs: Vec<BoundQuery>,
        quantifier: SetQuantifier,
        kind: JoinType,
    ) -> Result<BoundQuery> {
        let mut inputs = self.align(inputs)?.into_iter();
        let (Some(left), Some(right)) = (inputs.next(), inputs.next()) else {
            return Err(SqlError::internal("a set operation has two sides"));
        };
        match quantifier {
            SetQuantifier::None | SetQuantifier::Distinct => {}
            SetQuantifier::All => return self.counted_membership(left, right, kind),
            _ => return Err(SqlError::parser("BY NAME is for UNION only")),
        }
        let on = left.columns.iter().zip(&right.columns).map(|(l, r)| {
            let (left, right) = self.compared(l, r);
            let op = CompareOp::NotDistinctFrom;
            Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
        });
        let on = on.collect();
        let columns = left.columns.clone();
        let distinct = self.distinct_rows(left.into_plan(), &columns);
        let plan = LogicalPlan::Join {
            left: Box::new(distinct),
            right: Box::new(right.into_plan()),
            kind,
            on,
            dependent: false,
        };
        Ok(BoundQuery { plan, columns })
    }

    /// EXCEPT ALL and INTERSECT ALL: each row as often as both sides have it, or as the left has it more often
    /// than the right. Equal rows of both sides are counted, and come out so many times.
    fn counted_membership(
        &mut self,
        left: BoundQuery,
        right: BoundQuery,
        kind: JoinType,
    ) -> Result<BoundQuery> {
        let one = || Expr::literal(Scalar::Int(1), LogicalType::Integer);
        let null = || Expr::literal(Scalar::Null, LogicalType::Integer);
        let mut sides = vec![];
        for (input, marks) in [(left, [one(), null()]), (right, [null(), one()])] {
            let mut definitions: Vec<_> = input.columns.iter().cloned().map(Definition::pass).collect();
            for (mark, name) in marks.into_iter().zip(["left", "right"]) {
                definitions.push(Definition { column: self.ids.column(name, mark.ty()), expr: mark });
            }
            let columns = definitions.iter().map(|d| d.column.clone()).collect();
            let plan = LogicalPlan::Project { input: Box::new(input.plan), definitions };
            sides.push(BoundQuery { plan, columns });
        }
        let BoundQuery { plan, mut columns } = self.union_all(sides);
        let marks = columns.split_off(columns.len() - 2);
        let mut aggregates = vec![];
        for mark in &marks {
            aggregates.push(self.aggregate_call(mark.name.clone(), "count", vec![mark.expr()])?);
        }
        let counts: Vec<Expr> = aggregates.iter().map(|(c, _)| c.expr()).collect();
        let group_by = columns.iter().cloned().map(Definition::pass).collect();
        let plan = LogicalPlan::Aggregate { input: Box::new(plan), group_by, aggregates };
        let times = self.call(if kind == JoinType::Anti { "-" } else { "least" }, counts)?;
        let list = self.call("range", vec![coerce::cast(times, &LogicalType::BigInt)])?;
        let item = self.ids.column("time", LogicalType::BigInt);
        let plan = LogicalPlan::Unnest {
            input: Box::new(plan),
            lists: vec![Definition { column: item, expr: list }],
            ordinality: None,
            keep_empty: false,
        };
        Ok(BoundQuery { plan, columns })
    }

    /// Gives all inputs the same types, column by column, and ids of their own.
    fn align(&mut self, inputs: Vec<BoundQuery>) -> Result<Vec<BoundQuery>> {
        let width = inputs[0].columns.len();
        let mut types: Vec<LogicalType> = inputs[0].columns.iter().map(|c| c.ty.clone()).collect();
        for input in &inputs[1..] {
            if input.columns.len() != width {
                return Err(SqlError::binder(
                    "Set operations can only apply to expressions with the same number of result columns",
                ));
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
    fn align_by_name(&mut self, inputs: Vec<BoundQuery>) -> Result<Vec<BoundQuery>> {
        let mut names: Vec<String> = vec![];
        for (i, input) in inputs.iter().enumerate() {
            for (at, column) in input.columns.iter().enumerate() {
                if input.columns[..at].iter().any(|c| c.name.eq_ignore_ascii_case(&column.name)) {
                    return Err(SqlError::binder(format!(
                        "UNION (ALL) BY NAME operation doesn't support duplicate names in the SELECT list - the name \"{}\" occurs multiple times in the {} side",
                        column.name,
                        if i == 0 { "left" } else { "right" }
                    )));
                }
            }
        }
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
        Ok(out)
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
