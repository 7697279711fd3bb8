//! Joins in FROM.

use sqlparser::ast::{Expr as Syntax, Ident, Join, JoinConstraint, JoinOperator, ObjectName, TableWithJoins};

use crate::exec::expr::{CompareOp, Expr};
use crate::sql::bind::as_of::positional_join;
use crate::sql::bind::expr::{ExprContext, conjuncts};
use crate::sql::bind::from::Bound;
use crate::sql::bind::scope::{Found, Outer, Scope, ScopeColumn};
use crate::sql::bind::subquery::{attach, depends_on, filter};
use crate::sql::bind::{Binder, QUERY_DEPTH_MAX, coerce, object_name};
use crate::sql::error::{Result, SqlError};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::plan::{Definition, JoinType, LogicalPlan};

impl Binder<'_> {
    /// `before` are the tables to the left, whose columns a subquery may use (a lateral join).
    pub(super) fn bind_table_with_joins(
        &mut self,
        table: &TableWithJoins,
        before: Option<&Scope>,
        outer: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        if table.joins.len() > QUERY_DEPTH_MAX * 5 {
            return Err(SqlError::binder(format!("{} joins are too many for one FROM", table.joins.len())));
        }
        let mut bound = self.bind_factor(&table.relation, before, outer)?;
        for join in &table.joins {
            bound = self.bind_join(bound, join, before, outer)?;
        }
        Ok(bound)
    }

    fn bind_join(
        &mut self,
        left: Bound,
        join: &Join,
        before: Option<&Scope>,
        outer: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        use JoinOperator as J;
        let (kind, constraint) = match &join.join_operator {
            J::Join(c) | J::Inner(c) | J::CrossJoin(c) => (JoinType::Inner, c),
            J::Left(c) | J::LeftOuter(c) => (JoinType::Left, c),
            J::Right(c) | J::RightOuter(c) => (JoinType::Right, c),
            J::FullOuter(c) => (JoinType::Full, c),
            J::Semi(c) | J::LeftSemi(c) => (JoinType::Semi, c),
            J::Anti(c) | J::LeftAnti(c) => (JoinType::Anti, c),
            J::StraightJoin(JoinConstraint::None) => {
                let right = self.bind_factor(&join.relation, before, outer)?;
                let (left, right) = self.with_presence(left, right, &JoinType::Full);
                return positional_join(left, right);
            }
            J::StraightJoin(_) => {
                return Err(SqlError::parser("POSITIONAL JOIN takes no condition").at(&join.relation));
            }
            _ => return Err(SqlError::unsupported("this kind of join is not supported").at(&join.relation)),
        };
        let mut visible = before.cloned().unwrap_or_default();
        visible.relations.extend(left.scope.relations.iter().cloned());
        let right = self.bind_factor(&join.relation, Some(&visible), outer)?;
        let (left, right) = self.with_presence(left, right, &kind);
        if join.global {
            return self.as_of_join(left, right, kind, constraint, outer);
        }
        match constraint {
            JoinConstraint::On(condition) => self.join_on(left, right, kind, condition, outer),
            JoinConstraint::Using(names) => self.join_using(left, right, kind, &using_names(names)?),
            JoinConstraint::Natural => {
                let shared = |c: &&ScopeColumn| matches!(right.scope.find(&c.column.name), Found::One(_));
                let names = left.scope.star().filter(shared).map(|c| Ident::new(c.column.name.clone()));
                let names = once(names);
                if names.is_empty() {
                    return Err(
                        SqlError::binder("No columns found to join on in NATURAL JOIN").at(&join.relation)
                    );
                }
                self.join_using(left, right, kind, &names)
            }
            JoinConstraint::None => match (&join.join_operator, &kind) {
                (J::CrossJoin(_) | J::Join(_) | J::Inner(_), _) => self.join(left, right, kind, vec![]),
                _ => Err(SqlError::parser("an outer join needs ON, USING or NATURAL").at(&join.relation)),
            },
        }
    }

    /// Puts two inputs together under given conditions.
    pub(super) fn join(&mut self, left: Bound, right: Bound, kind: JoinType, on: Vec<Expr>) -> Result<Bound> {
        let dependent = depends_on(&right.plan, &left.plan);
        if dependent && matches!(kind, JoinType::Right | JoinType::Full) {
            return Err(SqlError::binder(
                "the right side of a RIGHT or FULL join cannot use columns of the left",
            ));
        }
        let keeps_right = !matches!(kind, JoinType::Semi | JoinType::Anti);
        let mut scope = left.scope;
        if keeps_right {
            scope.join(right.scope)?;
        }
        let plan =
            LogicalPlan::Join { left: Box::new(left.plan), right: Box::new(right.plan), kind, on, dependent };
        Ok(Bound { plan, scope })
    }

    pub(in crate::sql::bind) fn join_on(
        &mut self,
        left: Bound,
        right: Bound,
        kind: JoinType,
        condition: &Syntax,
        outer: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        let mut both = left.scope.clone();
        both.join(right.scope.clone())?;
        let mut cx = ExprContext::new(&both, outer, "JOIN condition");
        let bound = self.bind_condition(condition, &mut cx)?;
        let subqueries = std::mem::take(&mut cx.subqueries);
        let on = conjuncts(bound);
        // Those that are about one side only are computed there.
        let (mut left, mut right) = (left, right);
        let mut both_sides = vec![];
        for subquery in subqueries {
            let mut used = ColumnSet::free(&subquery.plan);
            used.add_exprs(&subquery.on);
            used.remove_all(&ColumnSet::yielded(&subquery.plan));
            let side = if used.is_subset(&ColumnSet::yielded(&left.plan)) {
                &mut left
            } else if used.is_subset(&ColumnSet::yielded(&right.plan)) {
                &mut right
            } else {
                both_sides.push(subquery);
                continue;
            };
            side.plan = attach(side.plan.take(), vec![subquery]);
        }
        let subqueries = both_sides;
        if subqueries.is_empty() {
            return self.join(left, right, kind, on);
        }
        match kind {
            JoinType::Inner => {
                let joined = self.join(left, right, kind, vec![])?;
                Ok(Bound { plan: filter(attach(joined.plan, subqueries), on), scope: joined.scope })
            }
            // The condition filters the other side for each row that is kept.
            JoinType::Left | JoinType::Semi | JoinType::Anti => {
                let plan = self.only_columns(filter(attach(right.plan, subqueries), on), &right.scope);
                self.join(left, Bound { plan, scope: right.scope }, kind, vec![])
            }
            JoinType::Right => {
                let plan = self.only_columns(filter(attach(left.plan, subqueries), on), &left.scope);
                let dependent = depends_on(&plan, &right.plan);
                let mut scope = left.scope;
                scope.join(right.scope)?;
                let plan = LogicalPlan::Join {
                    left: Box::new(right.plan),
                    right: Box::new(plan),
                    kind: JoinType::Left,
                    on: vec![],
                    dependent,
                };
                Ok(Bound { plan, scope })
            }
            JoinType::Full => {
                self.full_join_by_pairs(left, right, on, subqueries).map_err(|e| e.at(condition))
            }
            _ => Err(SqlError::unsupported("a subquery in this condition is not supported").at(condition)),
        }
    }

    /// The columns of a scope, and nothing else that the plan yields.
    pub(super) fn only_columns(&self, plan: LogicalPlan, scope: &Scope) -> LogicalPlan {
        let mut seen = std::collections::HashSet::new();
        let columns = scope.columns().filter(|c| seen.insert(c.column.id));
        let definitions = columns.map(|c| Definition::pass(c.column.clone())).collect();
        LogicalPlan::Project { input: Box::new(plan), definitions }
    }

    fn join_using(
        &mut self,
        mut left: Bound,
        mut right: Bound,
        kind: JoinType,
        names: &[Ident],
    ) -> Result<Bound> {
        let on = self.merge_using(&mut left, &mut right, &kind, names)?;
        self.join(left, right, kind, on)
    }

    /// Merges columns of both sides into one each; yields their equalities.
    pub(super) fn merge_using(
        &self,
        left: &mut Bound,
        right: &mut Bound,
        kind: &JoinType,
        names: &[Ident],
    ) -> Result<Vec<Expr>> {
        let mut on = vec![];
        for name in names {
            let l = using_column(&left.scope, name, "left")?;
            let r = using_column(&right.scope, name, "right")?;
            let (a, b) = (self.with_collation(l.clone()), self.with_collation(r.clone()));
            on.push(coerce::compare(CompareOp::Eq, a, b).map_err(|e| e.at_span(name.span))?);
            let merged = match kind {
                JoinType::Right => Some(r),
                JoinType::Full => {
                    let (both, _) = coerce::unify(vec![l, r], "USING")?;
                    Some(Expr::Coalesce(both))
                }
                _ => None,
            };
            for relation in &mut right.scope.relations {
                for column in &mut relation.columns {
                    if column.column.name.eq_ignore_ascii_case(&name.value) {
                        column.merged_away = true;
                    }
                }
            }
            if let Some(merged) = merged {
                let columns = left.scope.relations.iter_mut().flat_map(|r| &mut r.columns);
                for column in columns {
                    if !column.merged_away && column.column.name.eq_ignore_ascii_case(&name.value) {
                        column.merged = Some(merged.clone());
                    }
                }
            }
        }
        Ok(on)
    }
}

/// Names of columns.
pub(super) fn using_names(names: &[ObjectName]) -> Result<Vec<Ident>> {
    let names = names.iter().map(|n| match object_name(n)? {
        (None, name) => Ok(name.clone()),
        _ => Err(SqlError::binder("USING takes names of columns without a table").at(n)),
    });
    Ok(once(names.collect::<Result<Vec<_>>>()?))
}

/// Each name once: another time it says nothing new.
fn once(names: impl IntoIterator<Item = Ident>) -> Vec<Ident> {
    let mut once: Vec<Ident> = vec![];
    for name in names {
        if !once.iter().any(|other| other.value.eq_ignore_ascii_case(&name.value)) {
            once.push(name);
        }
    }
    once
}

/// The one column of that name on one side of USING.
fn using_column(scope: &Scope, name: &Ident, side: &str) -> Result<Expr> {
    match scope.find(&name.value) {
        Found::One(column) => Ok(column.unqualified()),
        Found::Many(names) => Err(SqlError::binder(format!(
            "the column \"{}\" of USING is ambiguous on the {side} side: {}",
            name.value,
            names.join(", ")
        ))
        .at_span(name.span)),
        Found::Nothing => {
            Err(SqlError::binder(format!("Column \"{}\" does not exist on {side} side of join!", name.value))
                .at_span(name.span)
                .did_you_mean(&name.value, scope.star().map(|c| c.column.name.clone())))
        }
    }
}
