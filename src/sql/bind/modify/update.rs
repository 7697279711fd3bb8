//! UPDATE and DELETE.

use sqlparser::ast::{Expr as Syntax, SelectItem, TableWithJoins};

use crate::exec::expr::Expr;
use crate::exec::sinks::ModifySpec;
use crate::sql::ast::{Assignment, Update};
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::from::Bound;
use crate::sql::bind::modify::generated::Rows;
use crate::sql::bind::modify::keys::Changes;
use crate::sql::bind::modify::target::{attach_all, is_default};
use crate::sql::bind::modify::{BoundModify, Target, position};
use crate::sql::bind::scope::{Relation, Scope};
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::plan::{Column, Definition, LogicalPlan};

impl Binder<'_> {
    pub(super) fn bind_update(
        &mut self,
        target: &Target,
        update: &Update,
        returning: Option<&[SelectItem]>,
    ) -> Result<BoundModify> {
        let (plan, relation, id) = self.bind_target(target)?;
        let (plan, scope) = self.bind_changed(plan, &relation, &update.from, update.condition.as_ref())?;
        let mut cx = ExprContext::new(&scope, None, "SET clause");
        let assigned = self.bind_assignments(target, &update.assignments, &mut cx)?;
        let plan = attach_all(plan, cx.subqueries);
        self.assign(target, plan, (&relation, &id), &assigned, !update.from.is_empty(), returning)
    }

    /// Changes the rows of a plan, which yields those of the target: these columns get these values. `repeats` says
    /// that it may yield one several times.
    pub(super) fn assign(
        &mut self,
        target: &Target,
        plan: LogicalPlan,
        (relation, id): (&Relation, &Column),
        assigned: &[(usize, Expr)],
        repeats: bool,
        returning: Option<&[SelectItem]>,
    ) -> Result<BoundModify> {
        let stored = (0..target.table.columns.len()).filter(|&at| target.table.columns[at].stored);
        let changes = Changes::Update(assigned.iter().map(|(position, _)| *position).chain(stored).collect());
        let mut definitions = vec![];
        for (position, definition) in target.table.columns.iter().enumerate() {
            if definition.generated.is_some() {
                continue;
            }
            let expr = match assigned.iter().find(|(p, _)| *p == position) {
                Some((_, expr)) => expr.clone(),
                None => relation.columns[position].column.expr(),
            };
            let column = self.ids.column(&*definition.name, definition.ty.clone());
            definitions.push(Definition { column, expr });
        }
        definitions.push(Definition::pass(id.clone()));
        let old = self.old_columns(target, relation, &changes, &mut definitions);
        let stored: Vec<Column> = definitions.iter().map(|d| d.column.clone()).collect();
        let plan = LogicalPlan::Project { input: Box::new(plan), definitions };
        let plan = first_of_each(plan, id, repeats);
        let (plan, _) = self.add_generated(&target.table, plan, &stored, Rows::Written)?;
        let old = old_positions(&plan, &old)?;
        let old = |column| old_column(target, &old, column);
        let keys = self.bind_key_checks(target, &changes, &old, None)?;
        let returning = self.bind_returning(target, returning, None)?;
        let spec = ModifySpec {
            name: "UPDATE",
            row_ids: Some(position(&plan, id)?),
            checks: self.bind_checks(target)?,
            added_keys: keys.added,
            removed_keys: keys.removed,
            ..ModifySpec::default()
        };
        Ok(BoundModify::new(plan, spec, true, returning, keys.checks))
    }

    pub(super) fn bind_delete(
        &mut self,
        target: &Target,
        using: &[TableWithJoins],
        condition: Option<&Syntax>,
        returning: Option<&[SelectItem]>,
    ) -> Result<BoundModify> {
        let (plan, relation, id) = self.bind_target(target)?;
        let (plan, _) = self.bind_changed(plan, &relation, using, condition)?;
        self.remove(target, plan, (&relation, &id), !using.is_empty(), returning)
    }

    /// TRUNCATE of a table: all rows go, whatever refers to them.
    pub fn bind_truncate(&mut self, target: &Target) -> Result<BoundModify> {
        let (plan, relation, id) = self.bind_target(target)?;
        let mut bound = self.remove(target, plan, (&relation, &id), false, None)?;
        bound.spec.removed_keys.clear();
        bound.keys.removed.clear();
        Ok(bound)
    }

    /// Removes the rows of a plan, which yields those of the target, perhaps some of them several times.
    pub(super) fn remove(
        &mut self,
        target: &Target,
        plan: LogicalPlan,
        (relation, id): (&Relation, &Column),
        repeats: bool,
        returning: Option<&[SelectItem]>,
    ) -> Result<BoundModify> {
        let old = |column: usize| {
            let ty = target.table.columns[column].ty.clone();
            Some(Expr::Column { index: column, ty })
        };
        let keys = self.bind_key_checks(target, &Changes::Delete, &old, None)?;
        let mut definitions = vec![];
        if returning.is_some() || !keys.removed.is_empty() {
            definitions.extend(relation.columns.iter().map(|c| Definition::pass(c.column.clone())));
        }
        let row_ids = definitions.len();
        definitions.push(Definition::pass(id.clone()));
        let plan = LogicalPlan::Project { input: Box::new(plan), definitions };
        let plan = first_of_each(plan, id, repeats);
        let shown = Column { id: row_ids, ..id.clone() };
        let returning = self.bind_returning(target, returning, Some(shown))?;
        let spec = ModifySpec {
            name: "DELETE",
            row_ids: Some(row_ids),
            removed_keys: keys.removed,
            ..ModifySpec::default()
        };
        Ok(BoundModify::new(plan, spec, false, returning, keys.checks))
    }

    /// The rows of the target that a statement changes, with those of other tables.
    fn bind_changed(
        &mut self,
        plan: LogicalPlan,
        relation: &Relation,
        others: &[TableWithJoins],
        condition: Option<&Syntax>,
    ) -> Result<(LogicalPlan, Scope)> {
        let own = Bound { plan, scope: Scope::of(relation.clone()) };
        let Bound { mut plan, scope } = self.bind_from_behind(own, others)?;
        if let Some(condition) = condition {
            let mut cx = ExprContext::new(&scope, None, "WHERE clause");
            plan = self.bind_filter(condition, &mut cx)?.apply(plan);
        }
        Ok((plan, scope))
    }

    /// The columns that are assigned, and their values.
    pub(super) fn bind_assignments(
        &mut self,
        target: &Target,
        assignments: &[Assignment],
        cx: &mut ExprContext<'_>,
    ) -> Result<Vec<(usize, Expr)>> {
        let mut out: Vec<(usize, Expr)> = vec![];
        // The values of the query that several assignments share.
        let mut shared: Vec<Expr> = vec![];
        for Assignment { column, value, part } in assignments {
            let position = target.assigned(column)?;
            if out.iter().any(|(p, _)| *p == position) {
                return Err(SqlError::binder(format!(
                    "Multiple assignments to same column \"{}\"",
                    column.value
                ))
                .at_span(column.span));
            }
            if !is_default(value) {
                target.check_updated(position).map_err(|e| e.at_span(column.span))?;
            }
            let Some((n, count)) = *part else {
                out.push((position, self.bind_assigned(target, position, value, cx)?));
                continue;
            };
            if let (0, Syntax::Subquery(query)) = (n, value) {
                shared = self.bind_row_subquery(query, count, cx)?;
            }
            let value =
                shared.get(n).cloned().ok_or_else(|| SqlError::internal("a value for each column"))?;
            let ty = &target.table.columns[position].ty;
            out.push((position, coerce::assign(value, ty).map_err(|e| e.at_span(column.span))?));
        }
        Ok(out)
    }

    /// Columns with the values that changed rows had, as far as keys ask for them.
    pub(super) fn old_columns(
        &mut self,
        target: &Target,
        relation: &Relation,
        changes: &Changes,
        definitions: &mut Vec<Definition>,
    ) -> Vec<(usize, Column)> {
        let mut old = vec![];
        for position in self.referenced_columns(target, changes) {
            let before = &relation.columns[position].column;
            let column = self.ids.column(before.name.clone(), before.ty.clone());
            definitions.push(Definition { column: column.clone(), expr: before.expr() });
            old.push((position, column));
        }
        old
    }
}

/// Where the old values of columns are: pairs of positions in the table and in the plan.
pub(super) fn old_positions(plan: &LogicalPlan, old: &[(usize, Column)]) -> Result<Vec<(usize, usize)>> {
    old.iter().map(|(column, at)| Ok((*column, position(plan, at)?))).collect()
}

/// The old value of a column.
pub(super) fn old_column(target: &Target, old: &[(usize, usize)], column: usize) -> Option<Expr> {
    let (_, index) = old.iter().find(|(c, _)| *c == column)?;
    Some(Expr::Column { index: *index, ty: target.table.columns[column].ty.clone() })
}

/// A row that was joined with several others is changed once, by the first of them.
fn first_of_each(plan: LogicalPlan, id: &Column, repeats: bool) -> LogicalPlan {
    if repeats { LogicalPlan::Distinct { input: Box::new(plan), on: Some(vec![id.expr()]) } } else { plan }
}
