//! From logical to physical plans: columns by position, hash keys, and operators that run.

mod join;

use std::collections::HashMap;

use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::exec::aggregates::bind_aggregate;
use crate::exec::batch::Field;
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::{AggregateCall, Expr, SortKey};
use crate::exec::functions::ArgInfo;
use crate::exec::plan::{Choice, GapFill, Plan, PlanNode};
use crate::exec::window::{WindowCall, WindowFunction};
use crate::sql::lengths;
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::optimize::estimate::{Estimate, estimate_operator};
use crate::sql::optimize::exprs::{and_all, is_volatile};
use crate::sql::optimize::properties::as_column;
use crate::sql::physical::join::{as_of_join, both, join};
use crate::sql::plan::{Column, ColumnId, Definition, Gaps, LogicalPlan, SampleMethod, SampleSize};

/// Makes the physical plan of a logical one without dependent joins. Its output columns are those of
/// the logical plan, in the same order.
pub fn plan(logical: &LogicalPlan) -> Result<Plan> {
    let mut planner = Planner { rows: HashMap::new() };
    planner.estimate(logical);
    let columns = logical.columns();
    let mut plan = planner.in_order(logical)?;
    plan.schema = fields(&columns);
    Ok(plan)
}

/// What planning needs to know of the whole logical plan.
struct Planner {
    /// Estimated rows, by the address of the operator.
    rows: HashMap<*const LogicalPlan, u64>,
}

/// A physical plan, and which column each of its positions holds.
struct Built {
    plan: Plan,
    columns: Vec<Column>,
}

impl Built {
    fn new(node: PlanNode, columns: Vec<Column>) -> Self {
        Self { plan: Plan { node, schema: fields(&columns), estimated_rows: None }, columns }
    }

    fn positions(&self) -> Positions {
        Positions::new(self.columns.iter())
    }

    /// The plan with exactly these columns in this order.
    fn arrange(self, wanted: &[Column]) -> Result<Plan> {
        if self.columns.len() == wanted.len() && self.columns.iter().zip(wanted).all(|(a, b)| a.id == b.id) {
            return Ok(self.plan);
        }
        let positions = self.positions();
        let exprs = wanted.iter().map(|c| positions.resolve(&c.expr())).collect::<Result<Vec<_>>>()?;
        let estimated_rows = self.plan.estimated_rows;
        let node = PlanNode::Project { input: Box::new(self.plan), exprs };
        Ok(Plan { node, schema: fields(wanted), estimated_rows })
    }
}

/// Where each column lies in an operator's input.
struct Positions(HashMap<ColumnId, usize>);

impl Positions {
    fn new<'a>(columns: impl Iterator<Item = &'a Column>) -> Self {
        let mut map = HashMap::new();
        for (position, column) in columns.enumerate() {
            map.entry(column.id).or_insert(position);
        }
        Self(map)
    }

    /// The expression over positions.
    fn resolve(&self, expr: &Expr) -> Result<Expr> {
        let mut expr = expr.clone();
        self.resolve_in_place(&mut expr)?;
        Ok(expr)
    }

    fn resolve_in_place(&self, expr: &mut Expr) -> Result<()> {
        if let Expr::Column { index, .. } = expr {
            *index = *self
                .0
                .get(index)
                .ok_or_else(|| ExecError::Internal(format!("the plan lost column #{index}")))?;
            return Ok(());
        }
        expr.children_mut().into_iter().try_for_each(|e| self.resolve_in_place(e))
    }

    fn resolve_keys(&self, keys: &[SortKey]) -> Result<Vec<SortKey>> {
        keys.iter().map(|k| Ok(SortKey { expr: self.resolve(&k.expr)?, ..k.clone() })).collect()
    }

    fn resolve_window(&self, call: &WindowCall) -> Result<WindowCall> {
        let mut call = call.clone();
        call.exprs_mut().into_iter().try_for_each(|e| self.resolve_in_place(e))?;
        Ok(call)
    }

    fn resolve_call(&self, call: &AggregateCall) -> Result<AggregateCall> {
        let mut call = call.clone();
        call.exprs_mut().into_iter().try_for_each(|e| self.resolve_in_place(e))?;
        Ok(call)
    }
}

fn fields(columns: &[Column]) -> crate::exec::batch::Schema {
    columns.iter().map(|c| Field::new(c.name.clone(), c.ty.clone())).collect()
}

/// The columns needed from an operator's input: those needed above and those used by the operator.
fn needed<'a>(required: &ColumnSet, exprs: impl IntoIterator<Item = &'a Expr>) -> ColumnSet {
    let mut out = required.clone();
    exprs.into_iter().for_each(|e| out.add_expr(e));
    out
}

impl Planner {
    fn estimate(&mut self, logical: &LogicalPlan) -> Estimate {
        let inputs = logical.inputs().into_iter().map(|input| self.estimate(input)).collect();
        let estimate = estimate_operator(logical, inputs);
        self.rows.insert(std::ptr::from_ref(logical), estimate.row_count());
        estimate
    }

    /// Builds an operator and its inputs. The result has at least the columns of `required` that the operator
    /// yields; it may have others, in any order.
    fn build(&self, logical: &LogicalPlan, required: &ColumnSet) -> Result<Built> {
        let mut built = self.operator(logical, required)?;
        if let Some(rows) = self.rows.get(&std::ptr::from_ref(logical)) {
            built.plan.estimated_rows = Some(*rows);
        }
        Ok(built)
    }

    fn operator(&self, logical: &LogicalPlan, required: &ColumnSet) -> Result<Built> {
        match logical {
            LogicalPlan::TableGet { table, positions, columns, filters, .. } => {
                let scan = Scan::new(positions, columns, filters, required)?;
                let node = PlanNode::TableScan {
                    table: table.clone(),
                    columns: scan.columns,
                    output: scan.output,
                    lengths: vec![],
                    filter: scan.filter,
                };
                Ok(Built::new(node, scan.yielded))
            }
            LogicalPlan::SourceGet { source, positions, columns, filters } => {
                let scan = Scan::new(positions, columns, filters, required)?;
                let node = PlanNode::SourceScan {
                    source: source.clone(),
                    columns: scan.columns,
                    output: scan.output,
                    filter: scan.filter,
                };
                Ok(Built::new(node, scan.yielded))
            }
            LogicalPlan::Values { rows, columns } => {
                let positions = Positions::new([].iter());
                let resolve_row = |row: &Vec<Expr>| row.iter().map(|e| positions.resolve(e)).collect();
                let resolved = rows.iter().map(resolve_row).collect::<Result<Vec<_>>>()?;
                Ok(Built::new(PlanNode::Values { rows: resolved }, columns.clone()))
            }
            LogicalPlan::Filter { input, predicates } => {
                let mut input = self.build(input, &needed(required, predicates))?;
                let Some(predicate) = and_all(predicates.clone()) else { return Ok(input) };
                let predicate = input.positions().resolve(&predicate)?;
                ask_for_first(&mut input.plan, &predicate);
                let node = PlanNode::Filter { input: Box::new(input.plan), predicate };
                Ok(Built::new(node, input.columns))
            }
            LogicalPlan::Project { input, definitions } => self.project(input, definitions, required),
            LogicalPlan::Aggregate { input, group_by, aggregates } => {
                let exprs = group_by.iter().map(|d| &d.expr);
                let exprs = exprs.chain(aggregates.iter().flat_map(|(_, call)| call.exprs()));
                let input = self.build(input, &needed(&ColumnSet::new(), exprs))?;
                aggregate(input, group_by, aggregates)
            }
            LogicalPlan::GapFill { input, gaps } => self.gap_fill(input, gaps, required),
            LogicalPlan::Window { input, partition_by, order_by, calls } => {
                let calls: Vec<_> = calls.iter().filter(|(c, _)| required.contains(c.id)).collect();
                if calls.is_empty() {
                    return self.build(input, required);
                }
                let keys = partition_by.iter().chain(order_by.iter().map(|k| &k.expr));
                let exprs = keys.chain(calls.iter().flat_map(|(_, call)| call.exprs()));
                let input = self.build(input, &needed(required, exprs))?;
                let positions = input.positions();
                let columns = input.columns.iter().chain(calls.iter().map(|(c, _)| c)).cloned().collect();
                let node = PlanNode::Window {
                    partition_by: partition_by.iter().map(|e| positions.resolve(e)).collect::<Result<_>>()?,
                    order_by: positions.resolve_keys(order_by)?,
                    calls: calls
                        .iter()
                        .map(|(_, call)| positions.resolve_window(call))
                        .collect::<Result<_>>()?,
                    first: None,
                    input: Box::new(input.plan),
                };
                Ok(Built::new(node, columns))
            }
            LogicalPlan::Distinct { input, on: None } => {
                let columns = input.columns();
                let built = self.build(input, &columns.iter().map(|c| c.id).collect())?;
                let plan = Box::new(built.arrange(&columns)?);
                if columns.is_empty() {
                    // Rows without columns are all alike; an aggregate without keys would make one of none.
                    let node = PlanNode::Limit { input: plan, limit: Some(1), offset: 0 };
                    return Ok(Built::new(node, columns));
                }
                let key = |(index, c): (usize, &Column)| Expr::Column { index, ty: c.ty.clone() };
                let group_by = columns.iter().enumerate().map(key).collect();
                let node = PlanNode::Aggregate { input: plan, group_by, aggregates: vec![], first: None };
                Ok(Built::new(node, columns))
            }
            LogicalPlan::Distinct { input, on: Some(on) } => self.distinct_on(input, on, required),
            LogicalPlan::Sort { input, keys } => {
                let input = self.build(input, &needed(required, keys.iter().map(|k| &k.expr)))?;
                let keys = input.positions().resolve_keys(keys)?;
                let node = PlanNode::Sort { input: Box::new(input.plan), keys };
                Ok(Built::new(node, input.columns))
            }
            LogicalPlan::Limit { input, limit, offset } => {
                if let (LogicalPlan::Sort { input, keys }, Some(limit)) = (&**input, limit) {
                    let input = self.build(input, &needed(required, keys.iter().map(|k| &k.expr)))?;
                    let keys = input.positions().resolve_keys(keys)?;
                    let input_plan = Box::new(input.plan);
                    let node = PlanNode::TopN { input: input_plan, keys, limit: *limit, offset: *offset };
                    return Ok(Built::new(node, input.columns));
                }
                let mut input = self.build(input, required)?;
                if let Some(limit) = limit {
                    ask_for_groups(&mut input.plan, limit.saturating_add(*offset));
                }
                let node = PlanNode::Limit { input: Box::new(input.plan), limit: *limit, offset: *offset };
                Ok(Built::new(node, input.columns))
            }
            LogicalPlan::Join { left, right, kind, on, dependent } => {
                if *dependent {
                    return Err(ExecError::Internal("a dependent join reached the physical planner".into()));
                }
                let required = needed(required, on);
                join(self.build(left, &required)?, self.build(right, &required)?, kind, on)
            }
            LogicalPlan::AsOfJoin { left, right, kind, on, by } => {
                let required = needed(required, on.iter().chain([&by.left, &by.right]));
                as_of_join(self.build(left, &required)?, self.build(right, &required)?, kind, on, by)
            }
            LogicalPlan::PositionalJoin { left, right } => {
                let (left, right) = (self.build(left, required)?, self.build(right, required)?);
                let columns = both(&left, &right);
                let (left, right) = (Box::new(left.plan), Box::new(right.plan));
                Ok(Built::new(PlanNode::PositionalJoin { left, right }, columns))
            }
            LogicalPlan::Union { inputs, columns } => {
                let inputs = inputs.iter().map(|p| self.in_order(p)).collect::<Result<Vec<_>>>()?;
                Ok(Built::new(PlanNode::UnionAll { inputs }, columns.clone()))
            }
            LogicalPlan::Unnest { input, lists, ordinality, keep_empty } => {
                let input = self.build(input, &needed(required, lists.iter().map(|d| &d.expr)))?;
                let positions = input.positions();
                let exprs = lists.iter().map(|d| positions.resolve(&d.expr)).collect::<Result<_>>()?;
                let mut columns = input.columns;
                columns.extend(lists.iter().map(|d| d.column.clone()));
                columns.extend(ordinality.clone());
                let node = PlanNode::Unnest {
                    input: Box::new(input.plan),
                    lists: exprs,
                    ordinality: ordinality.is_some(),
                    keep_empty: *keep_empty,
                };
                Ok(Built::new(node, columns))
            }
            LogicalPlan::Expand { input, keys, sets, set } => {
                let input = self.build(input, &needed(required, keys.iter().map(|d| &d.expr)))?;
                let positions = input.positions();
                let exprs = keys.iter().map(|d| positions.resolve(&d.expr)).collect::<Result<_>>()?;
                let mut columns = input.columns;
                columns.extend(keys.iter().map(|d| d.column.clone()));
                columns.push(set.clone());
                let input = Box::new(input.plan);
                Ok(Built::new(PlanNode::Expand { input, keys: exprs, sets: sets.clone() }, columns))
            }
            LogicalPlan::OrElse { input, condition, row } => {
                let input = self.build(input, &needed(required, [condition]))?;
                let condition = input.positions().resolve(condition)?;
                let value = |c: &Column| {
                    let given = row.iter().find(|d| d.column.id == c.id);
                    given.map_or_else(|| Expr::literal(Scalar::Null, c.ty.clone()), |d| d.expr.clone())
                };
                let row = input.columns.iter().map(value).collect();
                let node = PlanNode::OrElse { input: Box::new(input.plan), condition, row };
                Ok(Built::new(node, input.columns))
            }
            LogicalPlan::LimitBy { input, limit, offset, percent } => {
                let input = self.build(input, &needed(required, limit.iter().chain(offset)))?;
                let positions = input.positions();
                let resolve = |e: &Option<Expr>| e.as_ref().map(|e| positions.resolve(e)).transpose();
                let node = PlanNode::LimitBy {
                    limit: resolve(limit)?,
                    offset: resolve(offset)?,
                    percent: *percent,
                    input: Box::new(input.plan),
                };
                Ok(Built::new(node, input.columns))
            }
            LogicalPlan::Sample { input, sample } => {
                let input = self.build(input, required)?;
                let choice = match (sample.size, sample.method) {
                    (SampleSize::Rows(n), _) => Choice::Count(n),
                    (SampleSize::Percent(share), SampleMethod::Bernoulli) => Choice::Rows(share / 100.0),
                    (SampleSize::Percent(share), SampleMethod::System) => Choice::Batches(share / 100.0),
                    (SampleSize::Percent(share), SampleMethod::Reservoir) => Choice::Share(share / 100.0),
                };
                let node = PlanNode::Sample { input: Box::new(input.plan), choice, seed: sample.seed };
                Ok(Built::new(node, input.columns))
            }
            LogicalPlan::With { id, name, definition, body } => {
                let definition = Box::new(self.in_order(definition)?);
                let body = self.build(body, required)?;
                let (id, name) = (*id, name.clone());
                let node = PlanNode::With { id, name, definition, body: Box::new(body.plan) };
                Ok(Built::new(node, body.columns))
            }
            LogicalPlan::CteScan { id, name, positions, columns, .. } => {
                let read = || positions.iter().zip(columns).filter(|(_, c)| required.contains(c.id));
                let positions = read().map(|(p, _)| *p).collect();
                let node = PlanNode::CteScan { id: *id, name: name.clone(), columns: positions };
                Ok(Built::new(node, read().map(|(_, c)| c.clone()).collect()))
            }
            LogicalPlan::Recursive { id, all, name, anchor, step, columns, kind } => {
                let (id, all, name) = (*id, *all, name.clone());
                let anchor = Box::new(self.in_order(anchor)?);
                let step = Box::new(self.in_order(step)?);
                let node = PlanNode::Recursive { id, all, name, anchor, step, kind: kind.clone() };
                Ok(Built::new(node, columns.clone()))
            }
            LogicalPlan::Write { input, sink, count } => {
                let input = Box::new(self.in_order(input)?);
                let node = PlanNode::Write { input, sink: sink.clone() };
                Ok(Built::new(node, vec![count.clone()]))
            }
        }
    }

    /// A plan with exactly the columns of the logical one, in order.
    fn in_order(&self, logical: &LogicalPlan) -> Result<Plan> {
        let columns = logical.columns();
        self.build(logical, &columns.iter().map(|c| c.id).collect())?.arrange(&columns)
    }

    /// A projection of what is required, left out where it would only pass its input on.
    fn project(
        &self,
        input: &LogicalPlan,
        definitions: &[Definition],
        required: &ColumnSet,
    ) -> Result<Built> {
        let kept: Vec<&Definition> = definitions.iter().filter(|d| required.contains(d.column.id)).collect();
        let input = self.build(input, &needed(&ColumnSet::new(), kept.iter().map(|d| &d.expr)))?;
        let columns: Vec<Column> = kept.iter().map(|d| d.column.clone()).collect();
        let positions = input.positions();
        let exprs = kept.iter().map(|d| positions.resolve(&d.expr)).collect::<Result<Vec<_>>>()?;
        let in_place = |(i, e): (usize, &Expr)| matches!(e, Expr::Column { index, .. } if *index == i);
        if exprs.len() == input.columns.len() && exprs.iter().enumerate().all(in_place) {
            let mut plan = input.plan;
            plan.schema = fields(&columns);
            return Ok(Built { plan, columns });
        }
        let (mut input, mut exprs) = (input.plan, exprs);
        lengths::push_down(&mut input, exprs.iter_mut().collect());
        Ok(Built::new(PlanNode::Project { input: Box::new(input), exprs }, columns))
    }

    /// Gaps are filled in what is ordered by series and time.
    fn gap_fill(&self, input: &LogicalPlan, gaps: &Gaps, required: &ColumnSet) -> Result<Built> {
        let input = self.build(input, &needed(required, &gaps.columns))?;
        let positions = input.positions();
        let columns: Vec<usize> = gaps
            .columns
            .iter()
            .map(|e| match positions.resolve(e)? {
                Expr::Column { index, .. } => Ok(index),
                _ => Err(ExecError::Internal("FILL is over columns".into())),
            })
            .collect::<Result<_>>()?;
        let (time, rest) = (columns[0], &columns[1..]);
        let (series, filled) = rest.split_at(gaps.series);
        let key = |&index: &usize| SortKey {
            expr: Expr::Column { index, ty: input.columns[index].ty.clone() },
            descending: false,
            nulls_first: false,
        };
        let keys = series.iter().chain([&time]).map(key).collect();
        let spec = GapFill {
            time,
            series: series.to_vec(),
            apart: gaps.apart,
            step: gaps.step,
            zone: gaps.zone.clone(),
            first: gaps.first,
            last: gaps.last,
            fills: filled.iter().copied().zip(gaps.fills.iter().cloned()).collect(),
        };
        let Built { plan, columns } = input;
        let sorted = Built::new(PlanNode::Sort { input: Box::new(plan), keys }, columns);
        let node = PlanNode::GapFill { input: Box::new(sorted.plan), spec };
        Ok(Built::new(node, sorted.columns))
    }

    /// The first row of each group, in the order of a sort below.
    fn distinct_on(&self, input: &LogicalPlan, on: &[Expr], required: &ColumnSet) -> Result<Built> {
        let (input, order_by) = match input {
            LogicalPlan::Sort { input, keys } => (&**input, keys.clone()),
            other => (other, vec![]),
        };
        let key = |e: &Expr| on.iter().any(|k| as_column(k).is_some() && as_column(k) == as_column(e));
        let mut group_by = vec![];
        for (i, e) in on.iter().enumerate() {
            // A computed key has no column of its own; nobody asks for it.
            let id = as_column(e).unwrap_or(ColumnId::MAX - i);
            if group_by.iter().all(|d: &Definition| d.column.id != id) {
                let column = Column { id, name: "key".into(), ty: e.ty() };
                group_by.push(Definition { column, expr: e.clone() });
            }
        }
        let mut aggregates = vec![];
        for column in input.columns().into_iter().filter(|c| required.contains(c.id) && !key(&c.expr())) {
            let arg = ArgInfo { ty: column.ty.clone(), literal: None };
            let function = bind_aggregate("first", &[arg], false)
                .map_err(|e| ExecError::Internal(format!("DISTINCT ON has no first(): {e:?}")))?;
            let args = vec![column.expr()];
            let ty = column.ty.clone();
            let order_by = order_by.clone();
            let call = AggregateCall { function, args, distinct: false, filter: None, order_by, ty };
            aggregates.push((column, call));
        }
        let named = input.columns();
        for d in &mut group_by {
            if let Some(c) = named.iter().find(|c| c.id == d.column.id) {
                d.column = c.clone();
            }
        }
        let exprs = group_by.iter().map(|d| &d.expr);
        let exprs = exprs.chain(aggregates.iter().flat_map(|(_, call)| call.exprs()));
        let input = self.build(input, &needed(&ColumnSet::new(), exprs))?;
        aggregate(input, &group_by, &aggregates)
    }
}

/// The column lists of a scan.
struct Scan {
    columns: Vec<usize>,
    output: Vec<usize>,
    filter: Option<Expr>,
    yielded: Vec<Column>,
}

impl Scan {
    fn new(positions: &[usize], columns: &[Column], filters: &[Expr], required: &ColumnSet) -> Result<Self> {
        let used = needed(required, filters);
        let read: Vec<usize> = (0..columns.len()).filter(|i| used.contains(columns[*i].id)).collect();
        let output = (0..read.len()).filter(|i| required.contains(columns[read[*i]].id)).collect::<Vec<_>>();
        let ids = Positions::new(read.iter().map(|i| &columns[*i]));
        Ok(Self {
            filter: and_all(filters.to_vec()).map(|f| ids.resolve(&f)).transpose()?,
            yielded: output.iter().map(|i| columns[read[*i]].clone()).collect(),
            columns: read.iter().map(|i| positions[*i]).collect(),
            output,
        })
    }
}

fn aggregate(input: Built, group_by: &[Definition], aggregates: &[(Column, AggregateCall)]) -> Result<Built> {
    let positions = input.positions();
    let columns = group_by.iter().map(|d| &d.column).chain(aggregates.iter().map(|(c, _)| c));
    let columns = columns.cloned().collect();
    let mut group_by = group_by.iter().map(|d| positions.resolve(&d.expr)).collect::<Result<Vec<_>>>()?;
    let calls = aggregates.iter().map(|(_, call)| positions.resolve_call(call));
    let mut aggregates = calls.collect::<Result<Vec<_>>>()?;
    let mut input = input.plan;
    let of_calls = aggregates.iter_mut().flat_map(AggregateCall::exprs_mut);
    lengths::push_down(&mut input, group_by.iter_mut().chain(of_calls).collect());
    let node = PlanNode::Aggregate { group_by, aggregates, input: Box::new(input), first: None };
    Ok(Built::new(node, columns))
}

/// Tells an aggregate how many groups a limit lets through, if their order is of no account.
fn ask_for_groups(plan: &mut Plan, most: u64) {
    match &mut plan.node {
        PlanNode::Project { input, .. } => ask_for_groups(input, most),
        // The keys are evaluated twice.
        PlanNode::Aggregate { group_by, first, .. } if !group_by.iter().any(is_volatile) => {
            *first = (!group_by.is_empty()).then_some(most);
        }
        _ => {}
    }
}

/// Tells a window how many rows of each partition a condition on a number or a rank lets through.
fn ask_for_first(plan: &mut Plan, predicate: &Expr) {
    let width = plan.schema.len();
    let PlanNode::Window { calls, first, .. } = &mut plan.node else { return };
    let counts = |call: &WindowCall| {
        matches!(call.function, WindowFunction::RowNumber | WindowFunction::Rank) && call.order_by.is_empty()
    };
    if !calls.iter().all(counts) {
        return;
    }
    let input = width - calls.len();
    let all = if let Expr::And(all) = predicate { &all[..] } else { std::slice::from_ref(predicate) };
    let bounds = all.iter().filter_map(|condition| match condition {
        Expr::Compare { op, left, right } => match (&**left, &**right) {
            (Expr::Column { index, .. }, Expr::Literal { value: Scalar::Int(n), .. }) if *index >= input => {
                let n = u64::try_from(*n).unwrap_or(0);
                match op {
                    CompareOp::LtEq | CompareOp::Eq => Some(n),
                    CompareOp::Lt => Some(n.saturating_sub(1)),
                    _ => None,
                }
            }
            _ => None,
        },
        _ => None,
    });
    *first = bounds.min();
}

#[cfg(test)]
mod tests {
    use crate::column::types::LogicalType;
    use crate::exec::expr::CompareOp::*;
    use crate::sql::explain::render;
    use crate::sql::optimize::testing::{Query, assert_plan, binary, filter, join, limit, sort};
    use crate::sql::plan::{JoinType, LogicalPlan};

    fn planned(plan: &LogicalPlan) -> String {
        // Estimates have tests of their own.
        let text = render(&super::plan(plan).unwrap());
        text.lines().map(|l| l.split("  (~").next().unwrap_or(l).to_string() + "\n").collect()
    }

    fn two(q: &mut Query) -> (LogicalPlan, LogicalPlan) {
        (q.table("t", 100, &[("a", 100), ("b", 50)]), q.table("u", 1000, &[("c", 100), ("d", 50)]))
    }

    #[test]
    fn scans_yield_what_is_read_above_them() {
        let mut q = Query::default();
        let (mut t, _) = two(&mut q);
        if let LogicalPlan::SourceGet { filters, .. } = &mut t {
            filters.push(q.cmp_int("b", Gt, 3));
        }
        let plan = q.select(t, &["a"], vec![]);
        assert_plan(&planned(&plan), "t [a] WHERE b > 3");
    }

    #[test]
    fn equalities_are_hashed_and_the_rest_is_checked() {
        let mut q = Query::default();
        let (t, u) = two(&mut q);
        let plan = join(t, u, JoinType::Inner, vec![q.cmp("b", Lt, "d"), q.eq("c", "a")]);
        assert_plan(
            &planned(&plan),
            "
            HASH_JOIN INNER ON a = c AND b < d
            ├─ t [a, b]
            └─ u [c, d]",
        );
    }

    #[test]
    fn keys_that_take_nulls_as_equal_keep_the_others_strict() {
        let mut q = Query::default();
        let (t, u) = two(&mut q);
        let on = vec![binary(NotDistinctFrom, q.c("a"), q.c("c")), q.eq("b", "d")];
        let plan = join(t, u, JoinType::Left, on);
        assert_plan(
            &planned(&plan),
            "
            HASH_JOIN LEFT ON a IS NOT DISTINCT FROM c AND b IS NOT DISTINCT FROM d AND b IS NOT NULL
            ├─ t [a, b]
            └─ u [c, d]",
        );
    }

    #[test]
    fn a_correlated_in_is_hashed_by_the_correlation() {
        let mut q = Query::default();
        let (t, u) = two(&mut q);
        let mark = q.named("m", LogicalType::Boolean);
        let on = vec![binary(NotDistinctFrom, q.c("a"), q.c("c")), q.eq("b", "d")];
        let plan = join(t, u, JoinType::Mark(mark), on);
        assert_plan(
            &planned(&plan),
            "
            HASH_JOIN MARK ON a IS NOT DISTINCT FROM c AND b = d
            ├─ t [a, b]
            └─ u [c, d]",
        );
    }

    #[test]
    fn without_equalities_pairs_are_compared() {
        let mut q = Query::default();
        let (t, u) = two(&mut q);
        let plan = join(t, u, JoinType::Semi, vec![q.cmp("a", Lt, "c")]);
        assert_plan(
            &planned(&plan),
            "
            NESTED_LOOP_JOIN RIGHT SEMI ON a < c
            ├─ u [c]
            └─ t [a, b]",
        );
    }

    #[test]
    fn a_semi_join_hashes_its_small_side() {
        for (kind, small, large) in
            [(JoinType::Semi, "RIGHT SEMI", "SEMI"), (JoinType::Anti, "RIGHT ANTI", "ANTI")]
        {
            let mut q = Query::default();
            let (t, u) = two(&mut q);
            let on = vec![q.eq("a", "c")];
            let of_small = planned(&join(t.clone(), u.clone(), kind.clone(), on.clone()));
            assert!(of_small.starts_with(&format!("HASH_JOIN {small} ON c = a\n")), "{of_small}");
            let of_large = planned(&join(u, t, kind, on));
            assert!(of_large.starts_with(&format!("HASH_JOIN {large} ON c = a\n")), "{of_large}");
        }
    }

    #[test]
    fn a_limited_sort_keeps_the_first_rows_only() {
        let mut q = Query::default();
        let (t, _) = two(&mut q);
        let plan = limit(sort(t, vec![q.c("b")]), 10);
        let plan = q.select(plan, &["a"], vec![]);
        assert_plan(
            &planned(&plan),
            "
            PROJECT a
            └─ TOP_N 10 BY b
               └─ t [a, b]",
        );
    }

    #[test]
    fn distinct_is_an_aggregate_by_all_columns() {
        let mut q = Query::default();
        let (t, _) = two(&mut q);
        let plan = LogicalPlan::Distinct { input: Box::new(filter(t, vec![q.eq("a", "b")])), on: None };
        assert_plan(
            &planned(&plan),
            "
            AGGREGATE BY a, b
            └─ FILTER a = b
               └─ t [a, b]",
        );
    }
}
