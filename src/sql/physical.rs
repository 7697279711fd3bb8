//! From logical to physical plans: columns by position, hash keys, and operators that run.

use std::collections::HashMap;

use crate::column::predicate::CompareOp;
use crate::exec::batch::Field;
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::{AggregateCall, Expr, SortKey};
use crate::exec::plan::{JoinKind, Plan, PlanNode};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::plan::{Column, ColumnId, Definition, JoinType, LogicalPlan};

/// Makes the physical plan of a logical one without dependent joins. Its output columns are those of
/// the logical plan, in the same order.
pub fn plan(logical: &LogicalPlan) -> Result<Plan> {
    let columns = logical.columns();
    let built = build(logical, &columns.iter().map(|c| c.id).collect())?;
    let mut plan = built.arrange(&columns)?;
    plan.schema = fields(&columns);
    Ok(plan)
}

/// A physical plan, and which column each of its positions holds.
struct Built {
    plan: Plan,
    columns: Vec<Column>,
}

impl Built {
    fn new(node: PlanNode, columns: Vec<Column>, estimated_rows: Option<u64>) -> Self {
        Self { plan: Plan { node, schema: fields(&columns), estimated_rows }, columns }
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

    fn resolve_call(&self, call: &AggregateCall) -> Result<AggregateCall> {
        let mut call = call.clone();
        call.exprs_mut().into_iter().try_for_each(|e| self.resolve_in_place(e))?;
        Ok(call)
    }
}

fn fields(columns: &[Column]) -> crate::exec::batch::Schema {
    columns.iter().map(|c| Field::new(c.name.clone(), c.ty.clone())).collect()
}

/// The conjunction, or nothing for no conditions.
fn and_all(mut all: Vec<Expr>) -> Option<Expr> {
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Expr::And(all)),
    }
}

/// The columns needed from an operator's input: those needed above and those used by the operator.
fn needed<'a>(required: &ColumnSet, exprs: impl IntoIterator<Item = &'a Expr>) -> ColumnSet {
    let mut out = required.clone();
    exprs.into_iter().for_each(|e| out.add_expr(e));
    out
}

/// Builds an operator and its inputs. The result has at least the columns of `required` that the operator
/// yields; it may have others, in any order.
fn build(logical: &LogicalPlan, required: &ColumnSet) -> Result<Built> {
    match logical {
        LogicalPlan::TableGet { table, positions, columns, filters, .. } => {
            let scan = Scan::new(positions, columns, filters, required)?;
            let node = PlanNode::TableScan {
                table: table.clone(),
                columns: scan.columns,
                output: scan.output,
                filter: scan.filter,
            };
            Ok(Built::new(node, scan.yielded, None))
        }
        LogicalPlan::SourceGet { source, positions, columns, filters } => {
            let scan = Scan::new(positions, columns, filters, required)?;
            let node = PlanNode::SourceScan {
                source: source.clone(),
                columns: scan.columns,
                output: scan.output,
                filter: scan.filter,
            };
            Ok(Built::new(node, scan.yielded, None))
        }
        LogicalPlan::Values { rows, columns } => {
            let positions = Positions::new([].iter());
            let resolve_row = |row: &Vec<Expr>| row.iter().map(|e| positions.resolve(e)).collect();
            let resolved = rows.iter().map(resolve_row).collect::<Result<Vec<_>>>()?;
            Ok(Built::new(PlanNode::Values { rows: resolved }, columns.clone(), Some(rows.len() as u64)))
        }
        LogicalPlan::Filter { input, predicates } => {
            let input = build(input, &needed(required, predicates))?;
            let Some(predicate) = and_all(predicates.clone()) else { return Ok(input) };
            let predicate = input.positions().resolve(&predicate)?;
            let node = PlanNode::Filter { input: Box::new(input.plan), predicate };
            Ok(Built::new(node, input.columns, None))
        }
        LogicalPlan::Project { input, definitions } => project(input, definitions, required),
        LogicalPlan::Aggregate { input, group_by, aggregates } => {
            let exprs = group_by.iter().map(|d| &d.expr);
            let exprs = exprs.chain(aggregates.iter().flat_map(|(_, call)| call.exprs()));
            let input = build(input, &needed(&ColumnSet::new(), exprs))?;
            let positions = input.positions();
            let columns = group_by.iter().map(|d| &d.column).chain(aggregates.iter().map(|(c, _)| c));
            let columns = columns.cloned().collect();
            let node = PlanNode::Aggregate {
                group_by: group_by.iter().map(|d| positions.resolve(&d.expr)).collect::<Result<_>>()?,
                aggregates: aggregates
                    .iter()
                    .map(|(_, call)| positions.resolve_call(call))
                    .collect::<Result<_>>()?,
                input: Box::new(input.plan),
            };
            Ok(Built::new(node, columns, None))
        }
        LogicalPlan::Distinct { input, on: None } => {
            let columns = input.columns();
            let built = build(input, &columns.iter().map(|c| c.id).collect())?;
            let plan = Box::new(built.arrange(&columns)?);
            if columns.is_empty() {
                // Rows without columns are all alike; an aggregate without keys would make one of none.
                let node = PlanNode::Limit { input: plan, limit: Some(1), offset: 0 };
                return Ok(Built::new(node, columns, Some(1)));
            }
            let key = |(index, c): (usize, &Column)| Expr::Column { index, ty: c.ty.clone() };
            let group_by = columns.iter().enumerate().map(key).collect();
            Ok(Built::new(PlanNode::Aggregate { input: plan, group_by, aggregates: vec![] }, columns, None))
        }
        LogicalPlan::Distinct { on: Some(_), .. } => Err(ExecError::Unsupported("DISTINCT ON".into())),
        LogicalPlan::Sort { input, keys } => {
            let input = build(input, &needed(required, keys.iter().map(|k| &k.expr)))?;
            let keys = input.positions().resolve_keys(keys)?;
            let estimated_rows = input.plan.estimated_rows;
            let node = PlanNode::Sort { input: Box::new(input.plan), keys };
            Ok(Built::new(node, input.columns, estimated_rows))
        }
        LogicalPlan::Limit { input, limit, offset } => {
            if let (LogicalPlan::Sort { input, keys }, Some(limit)) = (&**input, limit) {
                let input = build(input, &needed(required, keys.iter().map(|k| &k.expr)))?;
                let keys = input.positions().resolve_keys(keys)?;
                let input_plan = Box::new(input.plan);
                let node = PlanNode::TopN { input: input_plan, keys, limit: *limit, offset: *offset };
                return Ok(Built::new(node, input.columns, Some(*limit)));
            }
            let input = build(input, required)?;
            let node = PlanNode::Limit { input: Box::new(input.plan), limit: *limit, offset: *offset };
            Ok(Built::new(node, input.columns, *limit))
        }
        LogicalPlan::Join { left, right, kind, on, dependent } => {
            if *dependent {
                return Err(ExecError::Internal("a dependent join reached the physical planner".into()));
            }
            let required = needed(required, on);
            join(build(left, &required)?, build(right, &required)?, kind, on)
        }
        LogicalPlan::Union { inputs, columns } => {
            let inputs = inputs.iter().map(plan_in_order).collect::<Result<Vec<_>>>()?;
            Ok(Built::new(PlanNode::UnionAll { inputs }, columns.clone(), None))
        }
        LogicalPlan::Write { input, sink, count } => {
            let input = Box::new(plan_in_order(input)?);
            let node = PlanNode::Write { input, sink: sink.clone() };
            Ok(Built::new(node, vec![count.clone()], Some(1)))
        }
    }
}

/// A plan with exactly the columns of the logical one, in order.
fn plan_in_order(logical: &LogicalPlan) -> Result<Plan> {
    let columns = logical.columns();
    build(logical, &columns.iter().map(|c| c.id).collect())?.arrange(&columns)
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

/// A projection of what is required, left out where it would only pass its input on.
fn project(input: &LogicalPlan, definitions: &[Definition], required: &ColumnSet) -> Result<Built> {
    let kept: Vec<&Definition> = definitions.iter().filter(|d| required.contains(d.column.id)).collect();
    let input = build(input, &needed(&ColumnSet::new(), kept.iter().map(|d| &d.expr)))?;
    let columns: Vec<Column> = kept.iter().map(|d| d.column.clone()).collect();
    let positions = input.positions();
    let exprs = kept.iter().map(|d| positions.resolve(&d.expr)).collect::<Result<Vec<_>>>()?;
    let in_place = |(i, e): (usize, &Expr)| matches!(e, Expr::Column { index, .. } if *index == i);
    if exprs.len() == input.columns.len() && exprs.iter().enumerate().all(in_place) {
        let mut plan = input.plan;
        plan.schema = fields(&columns);
        return Ok(Built { plan, columns });
    }
    let estimated_rows = input.plan.estimated_rows;
    Ok(Built::new(PlanNode::Project { input: Box::new(input.plan), exprs }, columns, estimated_rows))
}

/// The conditions of a join, sorted by how they can be used.
#[derive(Default)]
struct Conditions {
    /// `left = right`, each over one side.
    equal: Vec<(Expr, Expr)>,
    /// `left IS NOT DISTINCT FROM right`.
    not_distinct: Vec<(Expr, Expr)>,
    /// Everything else.
    other: Vec<Expr>,
}

impl Conditions {
    fn new(on: &[Expr], left: &ColumnSet, right: &ColumnSet) -> Self {
        let mut out = Self::default();
        for condition in on {
            let pair = match condition {
                Expr::Compare {
                    op: op @ (CompareOp::Eq | CompareOp::NotDistinctFrom),
                    left: a,
                    right: b,
                } => {
                    let (in_a, in_b) = (ColumnSet::of(a), ColumnSet::of(b));
                    if in_a.is_empty() || in_b.is_empty() {
                        None
                    } else if in_a.is_subset(left) && in_b.is_subset(right) {
                        Some((*op, a, b))
                    } else if in_a.is_subset(right) && in_b.is_subset(left) {
                        Some((*op, b, a))
                    } else {
                        None
                    }
                }
                _ => None,
            };
            match pair {
                Some((CompareOp::Eq, l, r)) => out.equal.push(((**l).clone(), (**r).clone())),
                Some((_, l, r)) => out.not_distinct.push(((**l).clone(), (**r).clone())),
                None => out.other.push(condition.clone()),
            }
        }
        out
    }
}

fn compare(op: CompareOp, (left, right): (Expr, Expr)) -> Expr {
    Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
}

/// A hash join where there is an equality to hash on, else a nested-loop join.
fn join(left: Built, right: Built, kind: &JoinType, on: &[Expr]) -> Result<Built> {
    let (left_ids, right_ids) = (ids_of(&left), ids_of(&right));
    let Conditions { mut equal, not_distinct: mut null_safe, mut other } =
        Conditions::new(on, &left_ids, &right_ids);
    let (physical_kind, columns) = match kind {
        JoinType::Inner => (JoinKind::Inner, both(&left, &right)),
        JoinType::Left => (JoinKind::Left, both(&left, &right)),
        JoinType::Right => (JoinKind::Right, both(&left, &right)),
        JoinType::Full => (JoinKind::Full, both(&left, &right)),
        JoinType::Single => (JoinKind::LeftSingle, both(&left, &right)),
        JoinType::Semi => (JoinKind::LeftSemi, left.columns.clone()),
        JoinType::Anti => (JoinKind::LeftAnti, left.columns.clone()),
        JoinType::Mark(mark) => {
            let with_mark = left.columns.iter().chain([mark]).cloned().collect();
            (JoinKind::Mark, with_mark)
        }
    };
    // The keys of one hash join compare all with `=` or all with IS NOT DISTINCT FROM.
    let null_equals_null = !null_safe.is_empty();
    if null_equals_null {
        if matches!(kind, JoinType::Mark(_)) {
            // A mark is NULL where an `=` is, so those are evaluated pair by pair, in three-valued logic.
            other.extend(equal.drain(..).map(|pair| compare(CompareOp::Eq, pair)));
        }
        for (l, r) in equal.drain(..) {
            other.push(Expr::IsNull { input: Box::new(l.clone()), negated: true });
            null_safe.push((l, r));
        }
    } else if matches!(kind, JoinType::Mark(_)) && (equal.len() > 1 || !other.is_empty()) {
        other.extend(equal.drain(..).map(|pair| compare(CompareOp::Eq, pair)));
    }
    let pairs = if null_equals_null { null_safe } else { equal };
    let (in_left, in_right) = (left.positions(), right.positions());
    let in_both = Positions::new(left.columns.iter().chain(&right.columns));
    let residual = and_all(other).map(|e| in_both.resolve(&e)).transpose()?;
    let (left, right) = (Box::new(left.plan), Box::new(right.plan));
    let node = if pairs.is_empty() {
        PlanNode::NestedLoopJoin { left, right, kind: physical_kind, predicate: residual }
    } else {
        let resolve = |(l, r): &(Expr, Expr)| Ok((in_left.resolve(l)?, in_right.resolve(r)?));
        let keys = pairs.iter().map(resolve).collect::<Result<_>>()?;
        PlanNode::HashJoin { left, right, kind: physical_kind, keys, residual, null_equals_null }
    };
    Ok(Built::new(node, columns, None))
}

fn ids_of(built: &Built) -> ColumnSet {
    built.columns.iter().map(|c| c.id).collect()
}

fn both(left: &Built, right: &Built) -> Vec<Column> {
    left.columns.iter().chain(&right.columns).cloned().collect()
}
