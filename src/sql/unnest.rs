//! Removes dependent joins, so that a correlated subquery becomes a join like any other.
//!
//! There are two ways, and the second always works:
//!
//! 1. *Hoisting.* Conditions that mention outer columns move up, out of the subquery and into the join
//!    condition. They pass aggregates, DISTINCT and LIMIT 1 where they equate an outer with an inner
//!    expression, by adding the inner one to the grouping keys. This leaves no trace of the subquery, but
//!    may compute groups that no outer row asks for, which the join then drops.
//! 2. *A domain.* The distinct values of the outer columns in question are joined into the subquery at the
//!    lowest operators that use them, are carried up through every operator (as grouping keys, as join keys),
//!    and are joined with the outer side in the end. After Neumann and Kemper, "Unnesting Arbitrary Queries".
//!
//! Both must get right that an aggregate without keys yields a row even of no input, of which `count` is 0.

use std::collections::HashMap;

use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::{AggregateCall, Expr};
use crate::exec::window::{Frame, WindowCall, WindowFunction};
use crate::sql::optimize::columns::{
    ColumnSet, Substitution, copy_with_fresh_ids, rename_in_plan, substitute,
};
use crate::sql::optimize::exprs::{boolean, compare, is_not_null, is_null_literal, is_volatile, same};
use crate::sql::optimize::join_order::with_columns;
use crate::sql::plan::{Column, ColumnId, ColumnIds, CteId, Definition, JoinType, LogicalPlan, Recursion};

/// Turns every dependent join of a plan into a plain one.
pub fn remove_dependent_joins(mut plan: LogicalPlan, ids: &mut ColumnIds) -> Result<LogicalPlan> {
    for input in plan.inputs_mut() {
        *input = remove_dependent_joins(input.take(), ids)?;
    }
    match plan {
        LogicalPlan::Join { left, right, kind, on, dependent: true } => {
            let mut columns = left.columns();
            match &kind {
                JoinType::Semi | JoinType::Anti => {}
                JoinType::Mark(mark) => columns.push(mark.clone()),
                _ => columns.extend(right.columns()),
            }
            let outer = ColumnSet::yielded(&left);
            let plan = Unnest { outer, ids, carried: vec![] }.join(*left, *right, kind, on)?;
            Ok(with_columns(plan, columns))
        }
        other => Ok(other),
    }
}

/// The removal of one dependent join, whose right side has no dependent joins left in it.
struct Unnest<'a> {
    /// The columns of the left side.
    outer: ColumnSet,
    ids: &'a mut ColumnIds,
    /// Recursions whose rows carry the outer columns along, the innermost last.
    carried: Vec<Carried>,
}

/// A recursion whose rows carry the outer columns along.
struct Carried {
    /// What its scans are called.
    ids: [CteId; 2],
    /// The columns before those.
    width: usize,
}

/// What hoisting takes out of a plan.
#[derive(Default)]
struct Hoisted {
    /// Conditions that use outer columns. Inner columns they use are yielded by the plan.
    conditions: Vec<Expr>,
    /// The plan lacks the row that the subquery has for outer rows without a match: the values its
    /// columns have there.
    missing: Option<Substitution>,
}

fn plain_join(left: LogicalPlan, right: LogicalPlan, kind: JoinType, on: Vec<Expr>) -> LogicalPlan {
    LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, on, dependent: false }
}

fn filter(input: LogicalPlan, predicates: Vec<Expr>) -> LogicalPlan {
    if predicates.is_empty() { input } else { LogicalPlan::Filter { input: Box::new(input), predicates } }
}

fn project(input: LogicalPlan, definitions: Vec<Definition>) -> LogicalPlan {
    LogicalPlan::Project { input: Box::new(input), definitions }
}

fn unsupported<T>(what: &str) -> Result<T> {
    Err(ExecError::Unsupported(format!("{what} in a correlated subquery")))
}

impl Unnest<'_> {
    fn join(
        &mut self,
        left: LogicalPlan,
        right: LogicalPlan,
        kind: JoinType,
        on: Vec<Expr>,
    ) -> Result<LogicalPlan> {
        let right = simplify_inner(right, &kind, on.is_empty());
        if !self.is_correlated(&right) {
            return Ok(plain_join(left, right, kind, on));
        }
        if matches!(kind, JoinType::Right | JoinType::Full) {
            return Err(ExecError::Unsupported("RIGHT or FULL join with a lateral right side".into()));
        }
        let (left, right, on) = match unnest_in_place(left, right, &kind, on) {
            Ok(plan) => return Ok(plan),
            Err(unchanged) => *unchanged,
        };
        let existence = matches!(kind, JoinType::Semi | JoinType::Anti | JoinType::Mark(_));
        match self.hoist_below_projection(right.clone()) {
            // A row that is missing can be made up for where the join itself asks nothing of it.
            Some((_, Hoisted { missing: Some(_), .. }))
                if existence || kind != JoinType::Inner && !on.is_empty() =>
            {
                self.join_by_domain(left, right, kind, on)
            }
            Some((inner, hoisted)) if !self.is_correlated(&inner.plan) => {
                self.join_hoisted(left, inner, hoisted, kind, on)
            }
            _ => self.join_by_domain(left, right, kind, on),
        }
    }

    fn uses_outer(&self, e: &Expr) -> bool {
        !ColumnSet::of(e).is_disjoint(&self.outer)
    }

    fn is_correlated(&self, plan: &LogicalPlan) -> bool {
        !ColumnSet::free(plan).is_disjoint(&self.outer) || self.carries(plan)
    }

    /// Whether a plan has rows of a recursion that carries the outer columns along.
    fn carries(&self, plan: &LogicalPlan) -> bool {
        !self.carried.is_empty()
            && (matches!(plan, LogicalPlan::CteScan { id, .. } if self.carried.iter().any(|c| c.ids.contains(id)))
                || plan.inputs().into_iter().any(|p| self.carries(p)))
    }
}

/// `t, unnest(t.list)` needs no join: the lists of each row are unnested where the row is.
fn unnest_in_place(
    left: LogicalPlan,
    right: LogicalPlan,
    kind: &JoinType,
    on: Vec<Expr>,
) -> std::result::Result<LogicalPlan, Box<(LogicalPlan, LogicalPlan, Vec<Expr>)>> {
    let is_unit = |p: &LogicalPlan| matches!(p, LogicalPlan::Values { rows, columns } if rows.len() == 1 && columns.is_empty());
    match (right, kind) {
        (LogicalPlan::Unnest { input, lists, ordinality, keep_empty }, JoinType::Inner)
            if is_unit(&input) =>
        {
            let input = Box::new(left);
            Ok(filter(LogicalPlan::Unnest { input, lists, ordinality, keep_empty }, on))
        }
        (LogicalPlan::Unnest { input, lists, ordinality, keep_empty: false }, JoinType::Left)
            if is_unit(&input) && on.is_empty() =>
        {
            let input = Box::new(left);
            Ok(LogicalPlan::Unnest { input, lists, ordinality, keep_empty: true })
        }
        (right, _) => Err(Box::new((left, right, on))),
    }
}

/// Drops what makes no difference under a join of this kind: order always, under semi-joins also
/// duplicates, and everything but the existence of rows where the join has no `conditions` of its own.
fn simplify_inner(plan: LogicalPlan, kind: &JoinType, unconditional: bool) -> LogicalPlan {
    let existence = matches!(kind, JoinType::Semi | JoinType::Anti | JoinType::Mark(_));
    match plan {
        LogicalPlan::Sort { input, .. } => simplify_inner(*input, kind, unconditional),
        LogicalPlan::Distinct { input, .. } if existence && unconditional => {
            simplify_inner(*input, kind, unconditional)
        }
        LogicalPlan::Distinct { input, on: None } if existence => simplify_inner(*input, kind, unconditional),
        LogicalPlan::Project { input, .. } if existence && unconditional => {
            simplify_inner(*input, kind, unconditional)
        }
        LogicalPlan::Aggregate { input, group_by, .. }
            if existence && unconditional && !group_by.is_empty() =>
        {
            simplify_inner(*input, kind, unconditional)
        }
        LogicalPlan::Limit { input, limit, offset: 0 } if existence && unconditional && limit != Some(0) => {
            simplify_inner(*input, kind, unconditional)
        }
        other => other,
    }
}

/// A subquery without the correlated projection on top of it.
struct Inner {
    plan: LogicalPlan,
    /// What the subquery yields, over the columns of `plan` and outer ones; all passed on if absent.
    definitions: Option<Vec<Definition>>,
    /// The columns of the whole subquery.
    columns: Vec<Column>,
}

// Hoisting.
impl Unnest<'_> {
    /// Hoists; a projection on top that itself uses outer columns is set aside.
    fn hoist_below_projection(&mut self, plan: LogicalPlan) -> Option<(Inner, Hoisted)> {
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
    fn hoist(&mut self, plan: LogicalPlan) -> Option<(LogicalPlan, Hoisted)> {
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
    fn join_hoisted(
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
    fn join_with_missing(
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

/// The number of a row in its partition.
fn row_number() -> WindowCall {
    WindowCall {
        function: WindowFunction::RowNumber,
        args: vec![],
        distinct: false,
        filter: None,
        order_by: vec![],
        ignore_nulls: false,
        frame: Frame::partition(),
        ty: LogicalType::BigInt,
    }
}

/// The outer columns that a subquery depends on, and where their distinct values come from.
struct Domain {
    columns: Vec<Column>,
    source: LogicalPlan,
}

/// What stands for each outer column in a plan that the domain was joined into.
type Stand = HashMap<ColumnId, Column>;

// The domain.
impl Unnest<'_> {
    fn join_by_domain(
        &mut self,
        left: LogicalPlan,
        right: LogicalPlan,
        kind: JoinType,
        mut on: Vec<Expr>,
    ) -> Result<LogicalPlan> {
        let used = ColumnSet::free(&right);
        let columns: Vec<_> = left.columns().into_iter().filter(|c| used.contains(c.id)).collect();
        if has_volatile(&left) {
            // The domain computes the left side a second time, with other values.
            return unsupported("a volatile function outside of, and such a condition");
        }
        let domain = Domain { columns, source: left.clone() };
        let (right, stand) = self.push(right, &domain)?;
        on.extend(equate(&domain, Column::expr, &stand));
        Ok(plain_join(left, right, kind, on))
    }

    /// The distinct values of the outer columns, under ids of their own.
    fn instance(&mut self, domain: &Domain) -> (LogicalPlan, Stand) {
        let (copy, renamed) = copy_with_fresh_ids(&domain.source, self.ids);
        let stand: Stand = domain
            .columns
            .iter()
            .map(|c| (c.id, renamed.get(&c.id).cloned().unwrap_or_else(|| c.clone())))
            .collect();
        let definitions = domain.columns.iter().map(|c| Definition::pass(stand[&c.id].clone())).collect();
        let input = Box::new(project(copy, definitions));
        (LogicalPlan::Distinct { input, on: None }, stand)
    }

    /// Joins the domain into a plan. All of its columns are yielded by the result.
    fn push(&mut self, plan: LogicalPlan, domain: &Domain) -> Result<(LogicalPlan, Stand)> {
        if !self.is_correlated(&plan) {
            let (instance, stand) = self.instance(domain);
            return Ok((plain_join(instance, plan, JoinType::Inner, vec![]), stand));
        }
        match plan {
            LogicalPlan::Filter { input, mut predicates } => {
                let (input, stand) = self.push(*input, domain)?;
                for e in &mut predicates {
                    put_stand(e, &stand);
                }
                Ok((filter(input, predicates), stand))
            }
            LogicalPlan::Project { input, mut definitions } => {
                let (input, stand) = self.push(*input, domain)?;
                for d in &mut definitions {
                    put_stand(&mut d.expr, &stand);
                }
                add_stand(&mut definitions, domain, &stand);
                Ok((project(input, definitions), stand))
            }
            LogicalPlan::Aggregate { input, mut group_by, mut aggregates } => {
                let (input, stand) = self.push(*input, domain)?;
                let scalar = group_by.is_empty();
                for d in &mut group_by {
                    put_stand(&mut d.expr, &stand);
                }
                for (_, call) in &mut aggregates {
                    call.exprs_mut().into_iter().for_each(|e| put_stand(e, &stand));
                }
                let outputs: Vec<Column> = aggregates.iter().map(|(c, _)| c.clone()).collect();
                let values = aggregates.iter().map(|(c, call)| (c.id, empty_value(call))).collect();
                add_stand(&mut group_by, domain, &stand);
                let plan = LogicalPlan::Aggregate { input: Box::new(input), group_by, aggregates };
                if !scalar {
                    return Ok((plan, stand));
                }
                let (all, of_all) = self.instance(domain);
                let on = equate(domain, |c| of_all[&c.id].expr(), &stand);
                let columns = all.columns();
                let definitions = outputs.into_iter().map(Definition::pass).collect();
                let joined =
                    self.join_with_missing(all, plan, JoinType::Left, on, definitions, &values, columns);
                Ok((joined, of_all))
            }
            LogicalPlan::GapFill { input, mut gaps } => {
                // Each outer row has series of its own.
                let (input, stand) = self.push(*input, domain)?;
                gaps.columns.iter_mut().for_each(|e| put_stand(e, &stand));
                let added = domain.columns.iter().map(|c| stand[&c.id].expr());
                let behind = 1 + gaps.series;
                gaps.columns.splice(behind..behind, added);
                gaps.series += domain.columns.len();
                Ok((LogicalPlan::GapFill { input: Box::new(input), gaps }, stand))
            }
            LogicalPlan::Window { input, mut partition_by, mut order_by, mut calls } => {
                let (input, stand) = self.push(*input, domain)?;
                let keys = partition_by.iter_mut().chain(order_by.iter_mut().map(|k| &mut k.expr));
                let args = calls.iter_mut().flat_map(|(_, call)| call.exprs_mut());
                keys.chain(args).for_each(|e| put_stand(e, &stand));
                partition_by.extend(domain.columns.iter().map(|c| stand[&c.id].expr()));
                let plan = LogicalPlan::Window { input: Box::new(input), partition_by, order_by, calls };
                Ok((plan, stand))
            }
            LogicalPlan::Distinct { input, mut on } => {
                let (input, stand) = self.push(*input, domain)?;
                if let Some(on) = &mut on {
                    for e in on.iter_mut() {
                        put_stand(e, &stand);
                    }
                    on.extend(domain.columns.iter().map(|c| stand[&c.id].expr()));
                }
                Ok((LogicalPlan::Distinct { input: Box::new(input), on }, stand))
            }
            LogicalPlan::Sort { input, mut keys } => {
                let (input, stand) = self.push(*input, domain)?;
                for k in &mut keys {
                    put_stand(&mut k.expr, &stand);
                }
                Ok((LogicalPlan::Sort { input: Box::new(input), keys }, stand))
            }
            LogicalPlan::Limit { input, limit: None, offset: 0 } => self.push(*input, domain),
            LogicalPlan::Limit { input, limit: Some(1), offset: 0 } => {
                let (input, stand) = self.push(*input, domain)?;
                let on = domain.columns.iter().map(|c| stand[&c.id].expr()).collect();
                Ok((LogicalPlan::Distinct { input: Box::new(input), on: Some(on) }, stand))
            }
            LogicalPlan::Limit { input, limit, offset } => {
                // The rows of each outer row are numbered in their order, and those with the wanted numbers stay.
                let (input, order_by) = match *input {
                    LogicalPlan::Sort { input, keys } => (*input, keys),
                    other => (other, vec![]),
                };
                let (input, stand) = self.push(input, domain)?;
                let mut order_by = order_by;
                order_by.iter_mut().for_each(|k| put_stand(&mut k.expr, &stand));
                let number = self.ids.column("number", LogicalType::BigInt);
                let columns = input.columns();
                let plan = LogicalPlan::Window {
                    input: Box::new(input),
                    partition_by: domain.columns.iter().map(|c| stand[&c.id].expr()).collect(),
                    order_by: order_by.clone(),
                    calls: vec![(number.clone(), row_number())],
                };
                let is = |op, n: u64| {
                    let n = Expr::Literal { value: Scalar::Int(i128::from(n)), ty: LogicalType::BigInt };
                    compare(op, number.expr(), n)
                };
                let mut predicates = vec![];
                if offset > 0 {
                    predicates.push(is(CompareOp::Gt, offset));
                }
                if let Some(limit) = limit {
                    predicates.push(is(CompareOp::LtEq, limit.saturating_add(offset).min(i64::MAX as u64)));
                }
                let mut plan = filter(plan, predicates);
                if !order_by.is_empty() {
                    plan = LogicalPlan::Sort { input: Box::new(plan), keys: order_by };
                }
                Ok((project(plan, columns.into_iter().map(Definition::pass).collect()), stand))
            }
            LogicalPlan::Values { rows, columns } => {
                // Rows of expressions over outer columns: one projection of the domain for each row.
                let mut inputs = vec![];
                for row in rows {
                    let (instance, stand) = self.instance(domain);
                    let mut definitions = vec![];
                    for (mut expr, column) in row.into_iter().zip(&columns) {
                        put_stand(&mut expr, &stand);
                        let column = self.ids.column(column.name.clone(), column.ty.clone());
                        definitions.push(Definition { column, expr });
                    }
                    add_stand(&mut definitions, domain, &stand);
                    inputs.push(project(instance, definitions));
                }
                Ok(self.union(inputs, columns, domain))
            }
            LogicalPlan::Union { inputs, columns } => {
                let mut pushed = vec![];
                for input in inputs {
                    pushed.push(self.push_in_place(input, domain)?);
                }
                Ok(self.union(pushed, columns, domain))
            }
            LogicalPlan::Join { left, right, kind, on, dependent: _ } => {
                self.push_into_join(*left, *right, kind, on, domain)
            }
            LogicalPlan::AsOfJoin { left, right, kind, on, mut by } => {
                if matches!(kind, JoinType::Right | JoinType::Full) {
                    return unsupported("a RIGHT or FULL ASOF JOIN");
                }
                // Each left row knows the outer row that it is for; the right side's only where they depend on it.
                let in_right = self.is_correlated(&right);
                let (left, stand) = self.push(*left, domain)?;
                let (right, of_right) =
                    if in_right { some(self.push(*right, domain)?) } else { (*right, None) };
                let mut on = on;
                for e in on.iter_mut().chain([&mut by.left, &mut by.right]) {
                    put_stand(e, &stand);
                }
                if let Some(of_right) = of_right {
                    on.extend(equate(domain, |c| stand[&c.id].expr(), &of_right));
                }
                let (left, right) = (Box::new(left), Box::new(right));
                Ok((LogicalPlan::AsOfJoin { left, right, kind, on, by }, stand))
            }
            LogicalPlan::PositionalJoin { .. } => unsupported("a POSITIONAL JOIN"),
            LogicalPlan::TableGet { .. } | LogicalPlan::SourceGet { .. } => {
                Err(ExecError::Internal("a scan with conditions on outer columns".into()))
            }
            LogicalPlan::Unnest { input, mut lists, ordinality, keep_empty } => {
                let (input, stand) = self.push(*input, domain)?;
                for d in &mut lists {
                    put_stand(&mut d.expr, &stand);
                }
                Ok((LogicalPlan::Unnest { input: Box::new(input), lists, ordinality, keep_empty }, stand))
            }
            LogicalPlan::Expand { input, mut keys, sets, set } => {
                let (input, stand) = self.push(*input, domain)?;
                for d in &mut keys {
                    put_stand(&mut d.expr, &stand);
                }
                Ok((LogicalPlan::Expand { input: Box::new(input), keys, sets, set }, stand))
            }
            LogicalPlan::With { id, name, definition, body } if !self.is_correlated(&definition) => {
                let (body, stand) = self.push(*body, domain)?;
                Ok((LogicalPlan::With { id, name, definition, body: Box::new(body) }, stand))
            }
            LogicalPlan::With { .. } => Err(ExecError::Internal("a correlated WITH was not inlined".into())),
            LogicalPlan::CteScan { id, name, mut positions, mut columns, rows } => {
                // The rows of a step have the domain's columns behind their own.
                let Some(carried) = self.carried.iter().rev().find(|c| c.ids.contains(&id)) else {
                    return Err(ExecError::Internal("a scan of rows without the outer columns".into()));
                };
                let width = carried.width;
                let mut stand = Stand::new();
                for (i, c) in domain.columns.iter().enumerate() {
                    let column = self.ids.column(c.name.clone(), c.ty.clone());
                    positions.push(width + i);
                    columns.push(column.clone());
                    stand.insert(c.id, column);
                }
                Ok((LogicalPlan::CteScan { id, name, positions, columns, rows }, stand))
            }
            LogicalPlan::Recursive { id, all, name, anchor, step, columns, mut kind } => {
                let width = columns.len();
                let anchor = self.push_in_place(*anchor, domain)?;
                self.carried.push(Carried { ids: [id, all], width });
                let step = self.push_in_place(*step, domain);
                self.carried.pop();
                let inputs = vec![anchor, step?];
                // Rows of different outer rows are different rows, and keys.
                if let Recursion::Keyed { keys, .. } = &mut kind {
                    keys.extend((0..domain.columns.len()).map(|i| width + i));
                }
                let (union, stand) = self.union(inputs, columns, domain);
                let LogicalPlan::Union { mut inputs, columns } = union else {
                    return Err(ExecError::Internal("a union is one".into()));
                };
                let (Some(step), Some(anchor)) = (inputs.pop(), inputs.pop()) else {
                    return Err(ExecError::Internal("a recursion has two parts".into()));
                };
                let (anchor, step) = (Box::new(anchor), Box::new(step));
                Ok((LogicalPlan::Recursive { id, all, name, anchor, step, columns, kind }, stand))
            }
            LogicalPlan::Sample { .. } => unsupported("a sample"),
            LogicalPlan::LimitBy { .. } => unsupported("a limit that is no constant"),
            LogicalPlan::OrElse { .. } => unsupported("grouping sets with a grand total"),
            LogicalPlan::Write { .. } => unsupported("a statement that writes"),
        }
    }

    /// Joins the domain into a plan whose columns go by position: the domain's come last.
    fn push_in_place(&mut self, plan: LogicalPlan, domain: &Domain) -> Result<LogicalPlan> {
        let own = plan.columns();
        let (plan, stand) = self.push(plan, domain)?;
        let mut definitions: Vec<_> = own.into_iter().map(Definition::pass).collect();
        definitions.extend(domain.columns.iter().map(|c| Definition::pass(stand[&c.id].clone())));
        Ok(project(plan, definitions))
    }

    fn push_into_join(
        &mut self,
        left: LogicalPlan,
        right: LogicalPlan,
        kind: JoinType,
        mut on: Vec<Expr>,
        domain: &Domain,
    ) -> Result<(LogicalPlan, Stand)> {
        let (in_left, in_right) = (self.is_correlated(&left), self.is_correlated(&right));
        // The side whose rows all survive has to know the domain; an inner join needs it on one side only.
        let to_left = match kind {
            JoinType::Inner => in_left || !in_right,
            JoinType::Right => in_left,
            _ => true,
        };
        let to_right = match kind {
            JoinType::Inner | JoinType::Left | JoinType::Semi | JoinType::Anti => in_right,
            JoinType::Mark(_) | JoinType::Single => in_right,
            JoinType::Right | JoinType::Full => true,
        };
        let (left, of_left) = if to_left { some(self.push(left, domain)?) } else { (left, None) };
        let (right, of_right) = if to_right { some(self.push(right, domain)?) } else { (right, None) };
        if let (Some(l), Some(r)) = (&of_left, &of_right) {
            on.extend(equate(domain, |c| l[&c.id].expr(), r));
        }
        let preserved = if kind == JoinType::Right { &of_right } else { &of_left };
        let Some(stand) = preserved.as_ref().or(of_right.as_ref()).cloned() else {
            return Err(ExecError::Internal("a domain that went nowhere".into()));
        };
        for e in &mut on {
            put_stand(e, &stand);
        }
        let is_full = kind == JoinType::Full;
        let joined = plain_join(left, right, kind, on);
        let (true, Some(l), Some(r)) = (is_full, of_left, of_right) else { return Ok((joined, stand)) };
        // Rows of a full join have the domain's columns from one side or the other.
        let mut merged = Stand::new();
        let mut definitions: Vec<_> = joined.columns().into_iter().map(Definition::pass).collect();
        for c in &domain.columns {
            let column = self.ids.column(c.name.clone(), c.ty.clone());
            let expr = Expr::Coalesce(vec![l[&c.id].expr(), r[&c.id].expr()]);
            definitions.push(Definition { column: column.clone(), expr });
            merged.insert(c.id, column);
        }
        Ok((project(joined, definitions), merged))
    }

    /// The union of inputs that each yield the columns of `columns` and then those of the domain.
    fn union(
        &mut self,
        inputs: Vec<LogicalPlan>,
        mut columns: Vec<Column>,
        domain: &Domain,
    ) -> (LogicalPlan, Stand) {
        let mut stand = Stand::new();
        for c in &domain.columns {
            let column = self.ids.column(c.name.clone(), c.ty.clone());
            columns.push(column.clone());
            stand.insert(c.id, column);
        }
        (LogicalPlan::Union { inputs, columns }, stand)
    }
}

fn some<A, B>((a, b): (A, B)) -> (A, Option<B>) {
    (a, Some(b))
}

/// The equality of every outer column, as `left` has it, with the column that stands for it.
fn equate(domain: &Domain, left: impl Fn(&Column) -> Expr, stand: &Stand) -> Vec<Expr> {
    let pair = |c: &Column| compare(CompareOp::NotDistinctFrom, left(c), stand[&c.id].expr());
    domain.columns.iter().map(pair).collect()
}

/// Replaces outer columns by those that stand for them.
fn put_stand(e: &mut Expr, stand: &Stand) {
    if let Expr::Column { index, .. } = e {
        if let Some(column) = stand.get(index) {
            *index = column.id;
        }
        return;
    }
    e.children_mut().into_iter().for_each(|e| put_stand(e, stand));
}

/// Passes the domain's columns on.
fn add_stand(definitions: &mut Vec<Definition>, domain: &Domain, stand: &Stand) {
    for c in &domain.columns {
        let column = &stand[&c.id];
        if definitions.iter().all(|d| d.column.id != column.id) {
            definitions.push(Definition::pass(column.clone()));
        }
    }
}

fn has_volatile(plan: &LogicalPlan) -> bool {
    plan.exprs().into_iter().any(is_volatile) || plan.inputs().into_iter().any(has_volatile)
}

#[cfg(test)]
mod tests {
    use crate::column::predicate::CompareOp;
    use crate::sql::optimize::exprs::compare;
    use crate::sql::optimize::testing::{Query, assert_plan, binary, dependent, filter, int, limit, sort};
    use crate::sql::plan::{JoinType, LogicalPlan};

    fn tables(q: &mut Query) -> (LogicalPlan, LogicalPlan) {
        (q.table("o", 100, &[("ok", 100), ("ov", 50)]), q.table("i", 1000, &[("ik", 100), ("iv", 50)]))
    }

    #[test]
    fn an_uncorrelated_subquery_is_just_a_join() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = q.group(i, &[], &[("m", "max", "iv")]);
        let plan = dependent(o, i, JoinType::Single, vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            SINGLE JOIN
            ├─ GET o [ok, ov]
            └─ AGGREGATE: m := max(iv)
               └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn exists_becomes_a_semi_join_with_all_correlated_conditions() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(
            i,
            vec![q.eq("ik", "ok"), q.cmp("iv", CompareOp::NotEq, "ov"), q.cmp_int("iv", CompareOp::Gt, 3)],
        );
        let i = q.select(i, &[], vec![("one", int(1))]);
        let plan = dependent(o, limit(i, 1), JoinType::Semi, vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            SEMI JOIN ON ik = ok AND iv <> ov
            ├─ GET o [ok, ov]
            └─ FILTER iv > 3
               └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn a_scalar_aggregate_gets_the_correlated_column_as_key() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let i = q.group(i, &[], &[("m", "max", "iv")]);
        let plan = dependent(o, i, JoinType::Single, vec![]);
        let plan = q.select(plan, &["ok", "m"], vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            PROJECT ok, m
            └─ PROJECT ok, ov, m
               └─ SINGLE JOIN ON ik = ok
                  ├─ GET o [ok, ov]
                  └─ AGGREGATE BY ik: m := max(iv)
                     └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn count_of_no_rows_is_zero() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let i = q.group(i, &[], &[("n", "count_star", "*")]);
        let plan = dependent(o, i, JoinType::Single, vec![]);
        let text = q.unnested(plan);
        assert!(text.contains("CASE WHEN matched IS NOT NULL THEN"), "{text}");
        assert!(text.contains("ELSE 0 END"), "{text}");
        assert!(text.contains("SINGLE JOIN ON ik = ok"), "{text}");
    }

    #[test]
    fn an_inequality_below_an_aggregate_takes_a_domain() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.cmp("ik", CompareOp::Lt, "ok")]);
        let i = q.group(i, &["iv"], &[("m", "max", "iv")]);
        let i = q.select(i, &["m"], vec![]);
        let plan = dependent(o, i, JoinType::Inner, vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            PROJECT ok#0, ov#1, m
            └─ INNER JOIN ON ok#0 IS NOT DISTINCT FROM ok#5
               ├─ GET o [ok#0, ov#1]
               └─ PROJECT m, ok#5
                  └─ AGGREGATE BY iv, ok#5: m := max(iv)
                     └─ FILTER ik < ok#5
                        └─ CROSS JOIN
                           ├─ DISTINCT
                           │  └─ PROJECT ok#5
                           │     └─ GET o [ok#5, ov#6]
                           └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn not_in_keeps_three_valued_logic() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let mark = q.named("mark", crate::column::types::LogicalType::Boolean);
        let plan = dependent(o, i, JoinType::Mark(mark), vec![q.eq("ov", "iv")]);
        assert_plan(
            &q.unnested(plan),
            "
            MARK JOIN mark ON ov = iv AND ik IS NOT DISTINCT FROM ok
            ├─ GET o [ok, ov]
            └─ FILTER ik IS NOT NULL
               └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn limit_one_becomes_distinct_on_the_correlated_key() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let i = sort(i, vec![q.c("iv")]);
        let i = q.select(i, &["iv"], vec![]);
        let plan = dependent(o, limit(i, 1), JoinType::Left, vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            PROJECT ok, ov, iv
            └─ LEFT JOIN ON ik = ok
               ├─ GET o [ok, ov]
               └─ DISTINCT ON ik
                  └─ PROJECT iv, ik
                     └─ SORT iv
                        └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn a_projection_of_outer_columns_moves_above_the_join() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let sum = binary(CompareOp::Lt, q.c("ov"), q.c("iv"));
        let i = q.select(i, &[], vec![("less", sum)]);
        let plan = dependent(o, i, JoinType::Inner, vec![]);
        assert_plan(
            &q.unnested(plan),
            "
            PROJECT ok, ov, less := ov < iv
            └─ INNER JOIN ON ik = ok
               ├─ GET o [ok, ov]
               └─ GET i [ik, iv]",
        );
    }

    #[test]
    fn subqueries_nest() {
        // o WHERE EXISTS (i WHERE ik = ok AND EXISTS (j WHERE jk = iv AND jv = ov))
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let j = q.table("j", 10, &[("jk", 10), ("jv", 10)]);
        let j = filter(j, vec![q.eq("jk", "iv"), q.eq("jv", "ov")]);
        let i = filter(i, vec![q.eq("ik", "ok")]);
        let inner = dependent(i, j, JoinType::Semi, vec![]);
        let plan = dependent(o, inner, JoinType::Semi, vec![]);
        let text = q.unnested(plan);
        assert!(!text.contains("DEPENDENT"), "{text}");
        assert!(text.contains("IS NOT DISTINCT FROM"), "{text}");
    }

    #[test]
    fn a_limit_of_several_rows_numbers_them() {
        let mut q = Query::default();
        let (o, i) = tables(&mut q);
        let i = limit(filter(i, vec![compare(CompareOp::Eq, q.c("ik"), q.c("ok"))]), 3);
        let plan = dependent(o, i, JoinType::Inner, vec![]);
        let text = q.unnested(plan);
        assert!(!text.contains("DEPENDENT"), "{text}");
        assert!(text.contains("FILTER number <= 3"), "{text}");
    }
}
