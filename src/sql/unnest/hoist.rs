//! Hoisting: conditions over outer columns move out of the subquery, into the condition of its join.

use std::collections::HashMap;

use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::{AggregateCall, Expr};
use crate::sql::optimize::columns::{ColumnSet, Substitution, rename_in_plan, substitute};
use crate::sql::optimize::exprs::{boolean, compare, is_not_null, is_null_literal, is_volatile, same};
use crate::sql::plan::{Column, ColumnId, Definition, JoinType, LogicalPlan};

use super::{Hoisted, Unnest, filter, plain_join, project};

/// A subquery without the correlated projection on top of it.
pub(super) struct Inner {
    pub(super) plan: LogicalPlan,
    /// What the subquery yields, over the columns of `plan` and outer ones; all passed on if absent.
    definitions: Option<Vec<Definition>>,
    /// The columns of the whole subquery.
    columns: Vec<Column>,
}

impl Unnest<'_> {
    /// Hoists; a projection on top that itself uses outer columns is set aside.
    pub(super) fn hoist_below_projection(&mut self, plan: LogicalPlan) -> Option<(Inner, Hoisted)> {
        let columns = plan.columns();
        match plan {
            LogicalPlan::Project { input, definitions }
                if definitions.iter().any(|d| self.uses_outer(&d.expr)) =>
            {
                let (plan, hoisted) = self.hoist(*input)?;
                Some((Inner { plan, definitions: Some(definitions), columns }, hoisted))
            }
            other => {
                let (plan, hoisted) = self.hoist(other)?;
                Some((Inner { plan, definitions: None, columns }, hoisted))
            }
        }
    }

    /// Takes conditions that use outer columns out of a plan. `None` where one cannot pass an operator above
    /// it; other expressions that use outer columns stay where they are.
    pub(super) fn hoist(&mut self, plan: LogicalPlan) -> Option<(LogicalPlan, Hoisted)> {
        if !self.is_correlated(&plan) {
            return Some((plan, Hoisted::default()));
        }
        match plan {
            LogicalPlan::Filter { input, predicates } => {
                let (input, mut hoisted) = self.hoist(*input)?;
                if hoisted.missing.is_some() {
                    // Whether the missing row passes would have to be decided for each outer row.
                    return None;
                }
                let (correlated, rest): (Vec<_>, _) =
                    predicates.into_iter().partition(|p| self.uses_outer(p));
                hoisted.conditions.extend(correlated);
                Some((filter(input, rest), hoisted))
            }
            LogicalPlan::Project { input, definitions } => {
                let (input, hoisted) = self.hoist(*input)?;
                Some(hoist_through_projection(input, definitions, hoisted))
            }
            LogicalPlan::Aggregate { input, group_by, aggregates } => {
                let (input, hoisted) = self.hoist(*input)?;
                self.hoist_through_aggregate(input, group_by, aggregates, hoisted)
            }
            LogicalPlan::Window { input, mut partition_by, order_by, calls } => {
                let (input, mut hoisted) = self.hoist(*input)?;
                let inner = ColumnSet::yielded(&input);
                // The rows that one outer row sees become partitions of their own.
                let keys = inner_keys(&mut hoisted, &inner)?;
                let is_free = |e: &&Expr| self.uses_outer(e);
                if partition_by.iter().chain(order_by.iter().map(|k| &k.expr)).any(|e| is_free(&e))
                    || calls.iter().any(|(_, call)| call.exprs().iter().any(is_free))
                {
                    return None;
                }
                for key in keys {
                    if !partition_by.iter().any(|e| same(e, &key)) {
                        partition_by.push(key);
                    }
                }
                Some((LogicalPlan::Window { input: Box::new(input), partition_by, order_by, calls }, hoisted))
            }
            LogicalPlan::Distinct { input, mut on } => {
                let (input, mut hoisted) = self.hoist(*input)?;
                let keys = inner_keys(&mut hoisted, &ColumnSet::yielded(&input))?;
                match &mut on {
                    Some(on) => on.extend(keys),
                    // The inner columns of the conditions take part in the distinction.
                    None if keys.iter().all(|k| matches!(k, Expr::Column { .. })) => {}
                    None => return None,
                }
                Some((LogicalPlan::Distinct { input: Box::new(input), on }, hoisted))
            }
            LogicalPlan::Sort { input, mut keys } => {
                let (input, hoisted) = self.hoist(*input)?;
                keys.retain(|k| !ColumnSet::of(&k.expr).is_subset(&self.outer));
                if keys.is_empty() {
                    return Some((input, hoisted));
                }
                Some((LogicalPlan::Sort { input: Box::new(input), keys }, hoisted))
            }
            LogicalPlan::Limit { input, limit: None, offset: 0 } => self.hoist(*input),
            LogicalPlan::Limit { input, limit: Some(limit), offset: 0 } if limit > 0 => {
                let (input, mut hoisted) = self.hoist(*input)?;
                if hoisted.missing.is_some() {
                    return Some((input, hoisted));
                }
                let keys = inner_keys(&mut hoisted, &ColumnSet::yielded(&input))?;
                let input = Box::new(input);
                if keys.is_empty() {
                    // All conditions are on outer columns alone: all rows or none.
                    Some((LogicalPlan::Limit { input, limit: Some(limit), offset: 0 }, hoisted))
                } else if limit == 1 {
                    Some((LogicalPlan::Distinct { input, on: Some(keys) }, hoisted))
                } else {
                    None
                }
            }
            LogicalPlan::Join { left, right, kind: JoinType::Inner, on, dependent: false } => {
                let (left, mut hoisted) = self.hoist(*left)?;
                let (right, from_right) = self.hoist(*right)?;
                if hoisted.missing.is_some() || from_right.missing.is_some() {
                    return None;
                }
                hoisted.conditions.extend(from_right.conditions);
                let (correlated, rest): (Vec<_>, _) = on.into_iter().partition(|p| self.uses_outer(p));
                hoisted.conditions.extend(correlated);
                Some((plain_join(left, right, JoinType::Inner, rest), hoisted))
            }
            LogicalPlan::Join {
                left, right, kind: kind @ (JoinType::Right | JoinType::Full), on, ..
            } => {
                if kind == JoinType::Full {
                    return None;
                }
                let (right, hoisted) = self.hoist(*right)?;
                hoisted.missing.is_none().then(|| (plain_join(*left, right, kind, on), hoisted))
            }
            LogicalPlan::Join { left, right, kind, on, dependent: false } => {
                let (left, hoisted) = self.hoist(*left)?;
                hoisted.missing.is_none().then(|| (plain_join(left, *right, kind, on), hoisted))
            }
            _ => None,
        }
    }

    /// Makes grouping keys of the inner sides of the conditions.
    fn hoist_through_aggregate(
        &mut self,
        input: LogicalPlan,
        mut group_by: Vec<Definition>,
        aggregates: Vec<(Column, AggregateCall)>,
        mut hoisted: Hoisted,
    ) -> Option<(LogicalPlan, Hoisted)> {
        let inner = ColumnSet::yielded(&input);
        inner_keys(&mut hoisted, &inner)?;
        let scalar = group_by.is_empty();
        for condition in &mut hoisted.conditions {
            let Some(key) = inner_side(condition, &inner) else { continue };
            let known = group_by.iter().position(|d| same(&d.expr, key));
            let at = known.unwrap_or_else(|| {
                group_by.push(match &*key {
                    Expr::Column { index, ty } => Definition::pass(name_of(&input, *index, ty)),
                    other => Definition { column: self.ids.column("key", other.ty()), expr: other.clone() },
                });
                group_by.len() - 1
            });
            *key = group_by[at].column.expr();
        }
        if scalar {
            hoisted.missing = Some(aggregates.iter().map(|(c, call)| (c.id, empty_value(call))).collect());
        }
        Some((LogicalPlan::Aggregate { input: Box::new(input), group_by, aggregates }, hoisted))
    }

    /// The join of the left side with what hoisting left over.
    pub(super) fn join_hoisted(
        &mut self,
        left: LogicalPlan,
        inner: Inner,
        Hoisted { conditions, missing }: Hoisted,
        kind: JoinType,
        on: Vec<Expr>,
    ) -> Result<LogicalPlan> {
        let Inner { plan: mut right, definitions, columns } = inner;
        match kind {
            JoinType::Semi | JoinType::Anti | JoinType::Mark(_) => {
                let mut all = inline_definitions(on, definitions.as_deref());
                if matches!(kind, JoinType::Mark(_)) {
                    let yielded = ColumnSet::yielded(&right);
                    let mut not_null = vec![];
                    all.extend(conditions.into_iter().map(|c| two_valued(c, &yielded, &mut not_null)));
                    right = filter(right, not_null);
                } else {
                    all.extend(conditions);
                }
                Ok(plain_join(left, right, kind, all))
            }
            JoinType::Inner if missing.is_none() => {
                let Some(definitions) = definitions else {
                    let mut all = on;
                    all.extend(conditions);
                    return Ok(plain_join(left, right, kind, all));
                };
                let mut all = inline_definitions(on, Some(&definitions));
                all.extend(conditions);
                let mut output: Vec<_> = left.columns().into_iter().map(Definition::pass).collect();
                output.extend(definitions);
                Ok(project(plain_join(left, right, kind, all), output))
            }
            JoinType::Inner | JoinType::Left | JoinType::Single => {
                // A lateral inner join with exactly one row for each outer row is a left join.
                let (kind, on, after) =
                    if kind == JoinType::Inner { (JoinType::Left, vec![], on) } else { (kind, on, vec![]) };
                let mut all = inline_definitions(on, definitions.as_deref());
                all.extend(conditions);
                let outer_columns = left.columns();
                let definitions =
                    definitions.unwrap_or_else(|| columns.into_iter().map(Definition::pass).collect());
                let joined = match missing {
                    Some(values) => {
                        self.join_with_missing(left, right, kind, all, definitions, &values, outer_columns)
                    }
                    None if definitions.iter().all(Definition::is_pass) => plain_join(left, right, kind, all),
                    None => {
                        let (right, marker) = self.with_marker(right);
                        let mut output: Vec<_> = outer_columns.into_iter().map(Definition::pass).collect();
                        output.extend(definitions.into_iter().map(|d| {
                            if d.is_pass() {
                                return d;
                            }
                            let ty = d.column.ty.clone();
                            let branches = vec![(is_not_null(marker.expr()), d.expr)];
                            Definition {
                                column: d.column,
                                expr: Expr::Case { branches, otherwise: None, ty },
                            }
                        }));
                        project(plain_join(left, right, kind, all), output)
                    }
                };
                Ok(filter(joined, after))
            }
            JoinType::Right | JoinType::Full => {
                Err(ExecError::Internal("a dependent join of a kind that cannot be".into()))
            }
        }
    }

    /// An outer join after which rows without a partner get the values of the row that the inner side
    /// lacks for them.
    #[expect(clippy::too_many_arguments)]
    pub(super) fn join_with_missing(
        &mut self,
        left: LogicalPlan,
        right: LogicalPlan,
        kind: JoinType,
        on: Vec<Expr>,
        definitions: Vec<Definition>,
        values: &Substitution,
        outer_columns: Vec<Column>,
    ) -> LogicalPlan {
        // What each column is in the missing row, where that is not NULL anyway.
        let defaults: HashMap<ColumnId, &Expr> =
            values.iter().filter(|(_, v)| !is_null_literal(v)).map(|(id, v)| (*id, v)).collect();
        if defaults.is_empty() && definitions.iter().all(Definition::is_pass) {
            return plain_join(left, right, kind, on);
        }
        let (right, marker) = self.with_marker(right);
        let mut output: Vec<_> = outer_columns.into_iter().map(Definition::pass).collect();
        // The inner side's own columns are renamed where the value above differs from the one below.
        let mut renamed = HashMap::new();
        for d in definitions {
            if d.is_pass() && !defaults.contains_key(&d.column.id) {
                output.push(d);
                continue;
            }
            let mut otherwise = d.expr.clone();
            substitute(&mut otherwise, values);
            if d.is_pass() {
                renamed.insert(d.column.id, self.ids.column(d.column.name.clone(), d.column.ty.clone()));
            }
            let ty = d.column.ty.clone();
            let branches = vec![(is_not_null(marker.expr()), d.expr)];
            let expr = Expr::Case { branches, otherwise: Some(Box::new(otherwise)), ty };
            output.push(Definition { column: d.column, expr });
        }
        let mut right = right;
        rename_in_plan(&mut right, &renamed);
        let map: Substitution = renamed.iter().map(|(old, new)| (*old, new.expr())).collect();
        let mut on = on;
        for e in &mut on {
            substitute(e, &map);
        }
        for d in &mut output {
            substitute(&mut d.expr, &map);
        }
        project(plain_join(left, right, kind, on), output)
    }

    /// The plan with a column that is TRUE in every row, so NULL where an outer join found no partner.
    fn with_marker(&mut self, plan: LogicalPlan) -> (LogicalPlan, Column) {
        let marker = self.ids.column("matched", LogicalType::Boolean);
        let mut definitions: Vec<_> = plan.columns().into_iter().map(Definition::pass).collect();
        definitions.push(Definition { column: marker.clone(), expr: boolean(true) });
        (project(plan, definitions), marker)
    }
}

/// The conditions with columns that a projection defines replaced by their definitions.
fn inline_definitions(mut on: Vec<Expr>, definitions: Option<&[Definition]>) -> Vec<Expr> {
    if let Some(definitions) = definitions {
        let map = definitions.iter().map(|d| (d.column.id, d.expr.clone())).collect();
        for e in &mut on {
            substitute(e, &map);
        }
    }
    on
}

/// Lets conditions pass a projection, which must then pass on the inner columns they use.
fn hoist_through_projection(
    input: LogicalPlan,
    mut definitions: Vec<Definition>,
    mut hoisted: Hoisted,
) -> (LogicalPlan, Hoisted) {
    if let Some(values) = &mut hoisted.missing {
        for d in &definitions {
            let mut value = d.expr.clone();
            substitute(&mut value, values);
            values.insert(d.column.id, value);
        }
    }
    let mut used = ColumnSet::new();
    used.add_exprs(&hoisted.conditions);
    for column in input.columns() {
        if used.contains(column.id) && definitions.iter().all(|d| d.column.id != column.id) {
            definitions.push(Definition::pass(column));
        }
    }
    (project(input, definitions), hoisted)
}

/// The inner sides of the conditions, if all may move above a grouping by these.
fn inner_keys(hoisted: &mut Hoisted, inner: &ColumnSet) -> Option<Vec<Expr>> {
    if hoisted.missing.is_some() || !hoisted.conditions.iter().all(|c| passes_groups(c, inner)) {
        return None;
    }
    Some(hoisted.conditions.iter_mut().filter_map(|c| inner_side(c, inner).map(|e| e.clone())).collect())
}

/// Whether a condition may move above a grouping if the inner expression in it becomes a grouping key:
/// an equality of an outer and an inner expression, or a condition on outer columns alone.
fn passes_groups(condition: &Expr, inner: &ColumnSet) -> bool {
    if ColumnSet::of(condition).is_disjoint(inner) {
        return true;
    }
    let Expr::Compare { op: CompareOp::Eq | CompareOp::NotDistinctFrom, left, right } = condition else {
        return false;
    };
    let (l, r) = (ColumnSet::of(left), ColumnSet::of(right));
    !is_volatile(condition)
        && (l.is_subset(inner) && r.is_disjoint(inner) || r.is_subset(inner) && l.is_disjoint(inner))
}

/// The side of an equality that is over inner columns, if the condition uses any.
fn inner_side<'e>(condition: &'e mut Expr, inner: &ColumnSet) -> Option<&'e mut Expr> {
    let Expr::Compare { left, right, .. } = condition else { return None };
    let of_inner = |e: &Expr| !ColumnSet::of(e).is_disjoint(inner);
    if of_inner(left) {
        Some(left)
    } else if of_inner(right) {
        Some(right)
    } else {
        None
    }
}

/// The column of this id with the name it has in the plan.
fn name_of(plan: &LogicalPlan, id: ColumnId, ty: &LogicalType) -> Column {
    let named = plan.columns().into_iter().find(|c| c.id == id);
    named.unwrap_or_else(|| Column { id, name: format!("#{id}"), ty: ty.clone() })
}

/// The condition such that it is FALSE where it was NULL, as a WHERE clause takes it. An equality stays
/// one that can be hashed; `not_null` gets what must then hold of the inner side.
fn two_valued(condition: Expr, inner: &ColumnSet, not_null: &mut Vec<Expr>) -> Expr {
    match condition {
        Expr::Compare { op: CompareOp::Eq, left, right }
            if [&left, &right]
                .iter()
                .any(|e| ColumnSet::of(e).is_subset(inner) && !ColumnSet::of(e).is_empty()) =>
        {
            let side = if ColumnSet::of(&left).is_subset(inner) { &left } else { &right };
            not_null.push(is_not_null((**side).clone()));
            compare(CompareOp::NotDistinctFrom, *left, *right)
        }
        never_null @ (Expr::IsNull { .. }
        | Expr::Compare { op: CompareOp::DistinctFrom | CompareOp::NotDistinctFrom, .. }) => never_null,
        other => Expr::Coalesce(vec![other, boolean(false)]),
    }
}

/// What an aggregate yields of no rows.
pub fn empty_value(call: &AggregateCall) -> Expr {
    let ty = call.ty.clone();
    let mut states = (call.function.new_states)();
    states.resize(1);
    // An aggregate that fails on nothing has no value there; the error comes when it runs.
    let value = states.finish().map_or(Scalar::Null, |array| Scalar::from_array(&array, 0, &ty));
    Expr::Literal { value, ty }
}
