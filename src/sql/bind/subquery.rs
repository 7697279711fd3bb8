//! Subqueries in expressions. Each becomes a join that is put on the plan below the operator that evaluates
//! the expression: `EXISTS` and `IN` yield a mark, a scalar subquery its one value. What they take from the
//! query around them are free columns of their plan.

use sqlparser::ast;

use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr};
use crate::sql::bind::expr::{Aliases, ExprContext, negate_if};
use crate::sql::bind::functions::arguments;
use crate::sql::bind::name::function_name;
use crate::sql::bind::operator::compare_with_row;
use crate::sql::bind::scope::Outer;
use crate::sql::bind::{Binder, BoundQuery, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::plan::{JoinType, LogicalPlan};

/// A subquery that waits to be joined.
#[derive(Debug)]
pub struct PendingSubquery {
    /// Its plan.
    pub plan: LogicalPlan,
    /// What is wanted of it.
    pub kind: JoinType,
    /// Conditions over both sides.
    pub on: Vec<Expr>,
}

/// What a condition that is an existence test became.
enum Existence {
    /// A semi or anti join.
    Join(PendingSubquery),
    /// A condition on a mark.
    Condition(Expr),
}

/// Joins subqueries to the plan whose rows they are evaluated for.
pub fn attach(plan: LogicalPlan, subqueries: Vec<PendingSubquery>) -> LogicalPlan {
    subqueries.into_iter().fold(plan, |left, subquery| {
        let dependent = depends_on(&subquery.plan, &left);
        LogicalPlan::Join {
            left: Box::new(left),
            right: Box::new(subquery.plan),
            kind: subquery.kind,
            on: subquery.on,
            dependent,
        }
    })
}

/// The columns that subqueries add to the rows they are joined to.
pub fn made_by(subqueries: &[PendingSubquery]) -> ColumnSet {
    let mut out = ColumnSet::new();
    for subquery in subqueries {
        match &subquery.kind {
            JoinType::Mark(mark) => out.insert(mark.id),
            _ => out.add_all(&ColumnSet::yielded(&subquery.plan)),
        }
    }
    out
}

/// The columns that an expression needs, also those that subqueries need of which it takes values.
pub fn needed(expr: &Expr, subqueries: &[PendingSubquery]) -> ColumnSet {
    let mut needed = ColumnSet::of(expr);
    // A subquery takes values of those before it only.
    for subquery in subqueries.iter().rev() {
        if !made_by(std::slice::from_ref(subquery)).is_disjoint(&needed) {
            needed.add_exprs(&subquery.on);
            needed.add_all(&ColumnSet::free(&subquery.plan));
        }
    }
    needed
}

/// Takes out the subqueries of which an expression takes values, in their order.
pub fn take_needed(expr: &Expr, subqueries: &mut Vec<PendingSubquery>) -> Vec<PendingSubquery> {
    let needed = needed(expr, subqueries);
    let is_needed = |s: &PendingSubquery| !made_by(std::slice::from_ref(s)).is_disjoint(&needed);
    let (taken, left) = std::mem::take(subqueries).into_iter().partition(is_needed);
    *subqueries = left;
    taken
}

/// Whether a plan uses columns that another yields.
pub fn depends_on(plan: &LogicalPlan, left: &LogicalPlan) -> bool {
    let free = ColumnSet::free(plan);
    !free.is_empty() && !free.is_disjoint(&ColumnSet::yielded(left))
}

impl Binder<'_> {
    fn bind_subquery(&mut self, query: &ast::Query, cx: &mut ExprContext<'_>) -> Result<BoundQuery> {
        if !cx.allow_subqueries {
            return Err(SqlError::binder(format!("{} cannot contain subqueries", cx.clause)).at(query));
        }
        let aliases = cx.aliases.map(|aliases| Aliases { keys: &[], ..aliases });
        let outer = Outer { scope: cx.scope, parent: cx.outer, aliases };
        let waiting = self.outer_calls.len();
        let bound = self.bind_query(query, Some(&outer));
        if bound.is_err() {
            self.outer_calls.truncate(waiting);
        }
        self.claim_calls(cx)?;
        bound
    }

    pub(super) fn bind_one_column(
        &mut self,
        query: &ast::Query,
        cx: &mut ExprContext<'_>,
    ) -> Result<BoundQuery> {
        let bound = self.bind_subquery(query, cx)?;
        match bound.columns.len() {
            1 => Ok(bound),
            n => Err(SqlError::binder(format!("Subquery returns {n} columns - expected 1")).at(query)),
        }
    }

    pub(super) fn bind_scalar_subquery(
        &mut self,
        query: &ast::Query,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let bound = self.bind_one_column(query, cx)?;
        let value = bound.columns[0].expr();
        self.push_single(bound, cx);
        Ok(value)
    }

    /// The values of a query of at most one row, with so many columns. One value alone is that of all.
    pub(super) fn bind_row_subquery(
        &mut self,
        query: &ast::Query,
        count: usize,
        cx: &mut ExprContext<'_>,
    ) -> Result<Vec<Expr>> {
        let bound = self.bind_subquery(query, cx)?;
        let values: Vec<Expr> = match &bound.columns[..] {
            [one] => vec![one.expr(); count],
            columns if columns.len() == count => columns.iter().map(crate::sql::plan::Column::expr).collect(),
            columns => {
                let message = format!("Subquery returns {} columns - expected {count}", columns.len());
                return Err(SqlError::binder(message).at(query));
            }
        };
        self.push_single(bound, cx);
        Ok(values)
    }

    /// Has a query of at most one row computed.
    fn push_single(&self, bound: BoundQuery, cx: &mut ExprContext<'_>) {
        let mut plan = bound.into_plan();
        if !self.env.settings.scalar_subquery_error {
            plan = LogicalPlan::Limit { input: Box::new(plan), limit: Some(1), offset: 0 };
        }
        cx.subqueries.push(PendingSubquery { plan, kind: JoinType::Single, on: vec![] });
    }

    pub(super) fn bind_exists(
        &mut self,
        query: &ast::Query,
        negated: bool,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let plan = self.bind_subquery(query, cx)?.into_plan();
        let mark = self.ids.column("exists", LogicalType::Boolean);
        let expr = mark.expr();
        cx.subqueries.push(PendingSubquery { plan, kind: JoinType::Mark(mark), on: vec![] });
        Ok(negate_if(negated, expr))
    }

    pub(super) fn bind_in_subquery(
        &mut self,
        value: &ast::Expr,
        query: &ast::Query,
        negated: bool,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        let (plan, on) = self.bind_membership(value, query, cx)?;
        let mark = self.ids.column("in", LogicalType::Boolean);
        let expr = mark.expr();
        cx.subqueries.push(PendingSubquery { plan, kind: JoinType::Mark(mark), on });
        Ok(negate_if(negated, expr))
    }

    /// `value op ANY (subquery)`.
    pub(super) fn bind_any_of_subquery(
        &mut self,
        op: CompareOp,
        value: &ast::Expr,
        query: &ast::Query,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if op == CompareOp::Eq {
            return self.bind_in_subquery(value, query, false, cx);
        }
        let (bound, mut left, mut right) = self.bind_compared(value, query, cx)?;
        let on = match (&mut left[..], &mut right[..]) {
            ([_], [_]) => coerce::compare(op, left.remove(0), right.remove(0)),
            _ => compare_with_row(op, left, right),
        };
        let on = on.map_err(|e| e.at(value))?;
        let mark = self.ids.column("any", LogicalType::Boolean);
        let expr = mark.expr();
        let plan = bound.into_plan();
        cx.subqueries.push(PendingSubquery { plan, kind: JoinType::Mark(mark), on: vec![on] });
        Ok(expr)
    }

    /// A subquery, the value or the values of a row that its rows are compared with, and as many of its columns. Rows that
    /// are values themselves are one column, and so is what they are compared with.
    fn bind_compared(
        &mut self,
        value: &ast::Expr,
        query: &ast::Query,
        cx: &mut ExprContext<'_>,
    ) -> Result<(BoundQuery, Vec<Expr>, Vec<Expr>)> {
        let values = row_items(value).unwrap_or_else(|| vec![value]);
        let mut left =
            values.into_iter().map(|value| self.bind_expr(value, cx)).collect::<Result<Vec<_>>>()?;
        let bound = self.bind_subquery(query, cx)?;
        if let [row] = &bound.columns[..]
            && let (true, LogicalType::Struct(fields)) = (left.len() > 1, &row.ty)
            && fields.len() == left.len()
            && fields.iter().all(|(name, _)| name.is_empty())
        {
            left = vec![self.call("row", left)?];
        }
        check_width(&bound, left.len()).map_err(|e| e.at(query))?;
        let right = bound.columns.iter().map(|column| column.expr()).collect();
        Ok((bound, left, right))
    }

    /// The plan of a subquery and the conditions under which a value, or a row of them, is in it.
    fn bind_membership(
        &mut self,
        value: &ast::Expr,
        query: &ast::Query,
        cx: &mut ExprContext<'_>,
    ) -> Result<(LogicalPlan, Vec<Expr>)> {
        let (bound, left, right) = self.bind_compared(value, query, cx)?;
        let equal = |(value, column)| coerce::compare(CompareOp::Eq, value, column);
        let on = left.into_iter().zip(right).map(equal).collect::<Result<_>>();
        let on = on.map_err(|e| e.at(value))?;
        Ok((bound.into_plan(), on))
    }

    /// Binds a condition by its conjuncts. `EXISTS`, `NOT EXISTS` and `IN` that stand alone become semi and
    /// anti joins, which need no mark.
    pub(super) fn bind_filter(
        &mut self,
        condition: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<BoundFilter> {
        let mut predicates = vec![];
        let mut joins = vec![];
        for conjunct in super::operator::connected(&ast::BinaryOperator::And, condition) {
            match self.bind_existence(conjunct, cx)? {
                Some(Existence::Join(join)) => joins.push(join),
                Some(Existence::Condition(expr)) => predicates.push(expr),
                None => {
                    let bound = self.bind_condition(conjunct, cx)?;
                    predicates.extend(super::expr::conjuncts(bound));
                }
            }
        }
        Ok(BoundFilter { predicates, joins, marks: std::mem::take(&mut cx.subqueries) })
    }

    /// `[NOT] EXISTS (…)` and `x IN (…)` as joins, if that is what the condition is.
    fn bind_existence(
        &mut self,
        condition: &ast::Expr,
        cx: &mut ExprContext<'_>,
    ) -> Result<Option<Existence>> {
        let mut negated = false;
        let mut condition = condition;
        loop {
            condition = match condition {
                ast::Expr::Nested(inner) => inner,
                ast::Expr::UnaryOp { op: ast::UnaryOperator::Not, expr } => {
                    negated = !negated;
                    expr
                }
                _ => break,
            };
        }
        Ok(match condition {
            ast::Expr::Exists { subquery, negated: inner } => {
                let plan = self.bind_subquery(subquery, cx)?.into_plan();
                let kind = if negated == *inner { JoinType::Semi } else { JoinType::Anti };
                Some(Existence::Join(PendingSubquery { plan, kind, on: vec![] }))
            }
            ast::Expr::InSubquery { expr, subquery, negated: inner } if negated == *inner => {
                let before = cx.subqueries.len();
                let (plan, on) = self.bind_membership(expr, subquery, cx)?;
                // A value that is itself a subquery must be there before the join: keep the general form.
                if cx.subqueries.len() > before {
                    let mark = self.ids.column("in", LogicalType::Boolean);
                    let expr = mark.expr();
                    cx.subqueries.push(PendingSubquery { plan, kind: JoinType::Mark(mark), on });
                    return Ok(Some(Existence::Condition(expr)));
                }
                Some(Existence::Join(PendingSubquery { plan, kind: JoinType::Semi, on }))
            }
            _ => None,
        })
    }
}

/// The values of a row: `(a, b)` and `row(a, b)`.
fn row_items(expr: &ast::Expr) -> Option<Vec<&ast::Expr>> {
    match expr {
        ast::Expr::Nested(inner) => row_items(inner),
        ast::Expr::Tuple(items) => Some(items.iter().collect()),
        ast::Expr::Function(call) if function_name(&call.name) == "row" => {
            // A row of one value is a value like any other.
            arguments(call).ok().map(|args| args.positional).filter(|items| items.len() > 1)
        }
        _ => None,
    }
}

fn check_width(bound: &BoundQuery, expected: usize) -> Result<()> {
    if bound.columns.len() == expected {
        return Ok(());
    }
    let n = bound.columns.len();
    Err(SqlError::binder(format!("Subquery returns {n} columns - expected {expected}")))
}

/// A condition, ready to be put on a plan.
#[derive(Debug, Default)]
pub struct BoundFilter {
    /// Conditions that must hold.
    pub predicates: Vec<Expr>,
    /// Semi and anti joins.
    pub joins: Vec<PendingSubquery>,
    /// Subqueries that the conditions use.
    pub marks: Vec<PendingSubquery>,
}

impl BoundFilter {
    /// All expressions over the rows to be filtered.
    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let on = self.joins.iter_mut().chain(&mut self.marks).flat_map(|s| &mut s.on);
        self.predicates.iter_mut().chain(on)
    }

    /// The plans of its subqueries.
    pub fn subqueries(&self) -> impl Iterator<Item = &PendingSubquery> {
        self.joins.iter().chain(&self.marks)
    }

    /// The plans of its subqueries, for rewriting in place.
    pub fn subqueries_mut(&mut self) -> impl Iterator<Item = &mut PendingSubquery> {
        self.joins.iter_mut().chain(&mut self.marks)
    }

    /// The rows of the plan for which the condition holds.
    pub fn apply(self, plan: LogicalPlan) -> LogicalPlan {
        // Conditions without subqueries first: they leave fewer rows to join.
        let mut made = ColumnSet::new();
        for subquery in &self.marks {
            made.add_all(&ColumnSet::yielded(&subquery.plan));
            if let JoinType::Mark(mark) = &subquery.kind {
                made.insert(mark.id);
            }
        }
        let (late, early): (Vec<Expr>, Vec<Expr>) =
            self.predicates.into_iter().partition(|p| !ColumnSet::of(p).is_disjoint(&made));
        let plan = attach(filter(plan, early), self.joins);
        filter(attach(plan, self.marks), late)
    }
}

/// The rows of a plan for which all conditions hold.
pub fn filter(plan: LogicalPlan, predicates: Vec<Expr>) -> LogicalPlan {
    if predicates.is_empty() { plan } else { LogicalPlan::Filter { input: Box::new(plan), predicates } }
}
