//! Joining by a domain: the distinct values of the outer columns, which go up through every operator.

use std::collections::HashMap;

use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::Expr;
use crate::exec::window::{WindowCall, WindowFunction};
use crate::sql::optimize::columns::{ColumnSet, copy_with_fresh_ids};
use crate::sql::optimize::exprs::{compare, is_volatile};
use crate::sql::plan::{Column, ColumnId, Definition, JoinType, LogicalPlan, Recursion};

use super::hoist::empty_value;
use super::{Carried, Unnest, filter, plain_join, project, unsupported};

/// The outer columns that a subquery depends on, and where their distinct values come from.
struct Domain {
    columns: Vec<Column>,
    source: LogicalPlan,
}

/// What stands for each outer column in a plan that the domain was joined into.
type Stand = HashMap<ColumnId, Column>;

impl Unnest<'_> {
    pub(super) fn join_by_domain(
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
                // Each outer row has series of its own, and a range.
                let (input, stand) = self.push(*input, domain)?;
                gaps.columns.iter_mut().for_each(|e| put_stand(e, &stand));
                let added = domain.columns.iter().map(|c| stand[&c.id].expr());
                gaps.columns.splice(1..1, added);
                gaps.series += domain.columns.len();
                gaps.apart += domain.columns.len();
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
                    calls: vec![(number.clone(), WindowCall::number(WindowFunction::RowNumber))],
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
