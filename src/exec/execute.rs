//! From a plan to running pipelines.
//!
//! [`execute`] returns at once. When the first batch is asked for, the plan is taken apart from the root down:
//! streaming operators join the pipeline of their input; an operator that needs all of its input first runs that
//! input's pipeline to its end and starts a new one with its result. So when the last pipeline is complete, all
//! that can be done before the first row is done, and that pipeline feeds the [`QueryStream`].

mod joins;
mod late_fetch;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::Int64Array;
use parking_lot::Mutex;

use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::execute::joins::HashJoin;
use crate::exec::execute::late_fetch::fetched_late;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::hints::{
    Hint, HintKind, first_groups, first_values, key_hints, newest_rows, result_bound, running_bound,
};
use crate::exec::operators::aggregate::{Wanted, aggregate};
use crate::exec::operators::collect::{Collected, collect};
use crate::exec::operators::cte::{MaterialisedScan, RecursiveScan};
use crate::exec::operators::expand::Expand;
use crate::exec::operators::filter::Filter;
use crate::exec::operators::gap_fill::gap_fill;
use crate::exec::operators::join::AsOf;
use crate::exec::operators::limit::limit;
use crate::exec::operators::limit_by::{LimitBy, limit_by};
use crate::exec::operators::or_else::or_else;
use crate::exec::operators::positional::positional_join;
use crate::exec::operators::project::Project;
use crate::exec::operators::sample::sample;
use crate::exec::operators::scan::{ScanColumns, aggregate_from_statistics, table_scan};
use crate::exec::operators::sort::sort;
use crate::exec::operators::sort::top_n::top_n;
use crate::exec::operators::stored::{StoredRows, store};
use crate::exec::operators::unnest::Unnest;
use crate::exec::operators::values::values;
use crate::exec::operators::window::{Windows, window};
use crate::exec::operators::write::write;
use crate::exec::pipeline::{BatchesSource, Operator, Pipeline, Profiled, ProfiledSource, SequenceSource};
use crate::exec::plan::{JoinKind, Plan, PlanNode};
use crate::exec::source::{ColumnPredicate, Source, SourceScan, predicates_of};
use crate::exec::spill::Spill;
use crate::exec::stream::{Output, QueryStream};
use crate::table::TableSnapshot;

/// Runs a plan. Rows come in the order of the source where the plan has no order of its own. The work is done
/// while the stream is read; dropping the stream ends it.
pub fn execute(plan: Plan, context: Arc<ExecContext>) -> Result<QueryStream> {
    let schema = plan.schema.clone();
    let builder = Builder { context: context.clone(), ctes: Mutex::default() };
    let prepare = Box::new(move || {
        // A limit at the top is applied by the stream, which stops the workers when it is reached.
        let (plan, root, offset, limit) = match plan.node {
            PlanNode::Limit { input, limit, offset } => (*input, 1, offset, limit),
            node => (Plan { node, ..plan }, 0, 0, None),
        };
        if limit == Some(0) {
            let pipeline = Pipeline::new(Arc::new(BatchesSource::new(vec![])));
            return Ok(Output { pipeline, offset, limit });
        }
        let wanted = vec![true; plan.schema.len()];
        Ok(Output { pipeline: builder.build(plan, root, vec![], wanted)?, offset, limit })
    });
    Ok(QueryStream::new(schema, context, prepare))
}

/// All keys equal, and the rest true.
fn all_of(keys: Vec<(Expr, Expr)>, rest: Option<Expr>, left_width: usize) -> Expr {
    fn shift(expr: &mut Expr, by: usize) {
        if let Expr::Column { index, .. } = expr {
            *index += by;
        }
        for child in expr.children_mut() {
            shift(child, by);
        }
    }
    let mut all: Vec<Expr> = keys
        .into_iter()
        .map(|(left, mut right)| {
            shift(&mut right, left_width);
            Expr::Compare { op: CompareOp::Eq, left: Box::new(left), right: Box::new(right) }
        })
        .collect();
    all.extend(rest);
    if all.len() == 1 { all.remove(0) } else { Expr::And(all) }
}

/// Rows of common table expressions, by id.
type CteRows = HashMap<usize, Arc<StoredRows>>;

struct Builder {
    context: Arc<ExecContext>,
    /// Those that have been computed.
    ctes: Mutex<CteRows>,
}

/// The number of nodes of a plan.
fn nodes(plan: &Plan) -> usize {
    1 + plan.node.inputs().into_iter().map(nodes).sum::<usize>()
}

/// Whether a plan scans the rows of that id.
fn scans(plan: &Plan, cte: usize) -> bool {
    matches!(&plan.node, PlanNode::CteScan { id, .. } if *id == cte)
        || plan.node.inputs().into_iter().any(|p| scans(p, cte))
}

/// Marks the columns that an expression reads.
fn read_columns(expr: &Expr, wanted: &mut [bool]) {
    if let Expr::Column { index, .. } = expr
        && let Some(wanted) = wanted.get_mut(*index)
    {
        *wanted = true;
    }
    for child in expr.children() {
        read_columns(child, wanted);
    }
}

/// The columns, of `width`, that expressions read.
fn columns_read<'a>(width: usize, exprs: impl IntoIterator<Item = &'a Expr>) -> Vec<bool> {
    let mut wanted = vec![false; width];
    for expr in exprs {
        read_columns(expr, &mut wanted);
    }
    wanted
}

fn types_of(plan: &Plan) -> Arc<[LogicalType]> {
    plan.schema.iter().map(|f| f.ty.clone()).collect()
}

impl Builder {
    /// The pipeline that yields the rows of `plan`, whose root is node `id` of the whole. All breakers below it
    /// have run. Output columns that are not `wanted` may be anything of the right length.
    fn build(&self, plan: Plan, id: usize, mut hints: Vec<Hint>, mut wanted: Vec<bool>) -> Result<Pipeline> {
        self.context.check_cancelled()?;
        // Where rows are dropped further up, an older row may become the newest.
        let drops_none =
            |node: &PlanNode| matches!(node, PlanNode::TableScan { .. } | PlanNode::Project { .. });
        if !drops_none(&plan.node) && !matches!(plan.node, PlanNode::Aggregate { .. }) {
            hints.retain(|hint| !matches!(hint.kind, HintKind::Newest { .. } | HintKind::First { .. }));
        }
        match plan.node {
            PlanNode::TableScan { table, columns, output, lengths, filter } => {
                let columns = ScanColumns { columns, output, lengths };
                let scan = table_scan(id, table, columns, filter, hints, &self.context)?;
                Ok(self.source(id, scan))
            }
            PlanNode::SourceScan { source, columns, output, filter } => {
                self.source_scan(id, &*source, columns, output, filter, hints)
            }
            PlanNode::Values { rows } => {
                let batch = self.timed(id, || values(&rows, &plan.schema, &self.context))?;
                Ok(self.batches(id, vec![batch]))
            }
            PlanNode::Filter { input, predicate } => {
                read_columns(&predicate, &mut wanted);
                let pipeline = self.build(*input, id + 1, hints, wanted)?;
                Ok(self.stream(id, pipeline, Arc::new(Filter::new(predicate, &self.context))))
            }
            PlanNode::Project { input, exprs } => {
                let below = |column: usize| match exprs.get(column)? {
                    Expr::Column { index, .. } => Some(*index),
                    _ => None,
                };
                let hints = hints.into_iter().filter_map(|hint| hint.moved(below)).collect();
                let wanted = columns_read(input.schema.len(), &exprs);
                let pipeline = self.build(*input, id + 1, hints, wanted)?;
                Ok(self.stream(id, pipeline, Arc::new(Project::new(exprs, &self.context))))
            }
            PlanNode::Aggregate { input, group_by, aggregates, first } => {
                if group_by.is_empty()
                    && let Some((table, columns)) = whole_table(&input)
                    && let Some(row) = aggregate_from_statistics(table, &columns, &aggregates)?
                {
                    return Ok(self.batches(id, vec![row]));
                }
                let mut wanted = columns_read(input.schema.len(), &group_by);
                for call in &aggregates {
                    let order = call.order_by.iter().map(|k| &k.expr);
                    call.args
                        .iter()
                        .chain(&call.filter)
                        .chain(order)
                        .for_each(|e| read_columns(e, &mut wanted));
                }
                let (wanted_groups, of_rows) = match (first, first_groups(&hints, &group_by, &aggregates)) {
                    (Some(most), _) => (Wanted::Any(most), None),
                    (None, Some((top, of_rows))) => (Wanted::First(top), of_rows),
                    (None, None) => (Wanted::All, None),
                };
                let bound = result_bound(&hints, group_by.len(), &aggregates);
                let mut hints = key_hints(hints, &group_by);
                hints.extend(of_rows);
                hints.extend(newest_rows(&group_by, &aggregates));
                let pipeline = self.build(*input, id + 1, hints, wanted)?;
                let spill = self.spill(id);
                let groups = self
                    .timed(id, || aggregate(&pipeline, group_by, aggregates, wanted_groups, bound, &spill))?;
                Ok(self.source(id, groups))
            }
            PlanNode::GapFill { input, spec } => {
                let wanted = vec![true; input.schema.len()];
                let schema = input.schema.clone();
                let pipeline = self.build(*input, id + 1, vec![], wanted)?;
                let batches = self.timed(id, || gap_fill(&pipeline, &spec, &schema, &self.context))?;
                Ok(self.batches(id, batches))
            }
            PlanNode::Window { input, partition_by, order_by, calls, first } => {
                let types = types_of(&input);
                let mut read = wanted[..types.len()].to_vec();
                let order = order_by.iter().map(|k| &k.expr);
                let args = calls.iter().flat_map(|call| call.exprs());
                partition_by.iter().chain(order).chain(args).for_each(|e| read_columns(e, &mut read));
                let pipeline = self.build(*input, id + 1, vec![], read)?;
                let windows = Windows { partition_by, order_by, calls, first };
                let source =
                    self.timed(id, || window(&pipeline, windows, &types, &wanted, &self.spill(id)))?;
                Ok(self.source(id, source))
            }
            PlanNode::Sort { input, keys } if keys.is_empty() => self.build(*input, id + 1, hints, wanted),
            PlanNode::Sort { input, keys } => {
                for key in &keys {
                    read_columns(&key.expr, &mut wanted);
                }
                // A scan that is given a bound does not keep the order of its rows, which equal ones have to keep here.
                let hints = hints.into_iter().filter(|h| !matches!(h.kind, HintKind::Bound(_))).collect();
                let pipeline = self.build(*input, id + 1, hints, wanted)?;
                let source = self.timed(id, || sort(&pipeline, keys, &self.spill(id)))?;
                Ok(self.source(id, source))
            }
            PlanNode::TopN { input, keys, limit: count, offset } if keys.is_empty() => {
                let pipeline = self.build(*input, id + 1, vec![], wanted)?;
                let batches = self.timed(id, || limit(&pipeline, offset, Some(count), &self.context))?;
                Ok(self.batches(id, batches))
            }
            PlanNode::TopN { input, keys, limit, offset } => {
                for key in &keys {
                    read_columns(&key.expr, &mut wanted);
                }
                let (input, keys, fetch) =
                    fetched_late(*input, keys, &mut wanted, limit.saturating_add(offset));
                let (bound, mut hints) = running_bound(&keys);
                hints.extend(first_values(&keys, limit.saturating_add(offset)));
                let pipeline = self.build(input, id + 1, hints, wanted)?;
                let source =
                    self.timed(id, || top_n(&pipeline, keys, limit, offset, bound, &self.spill(id)))?;
                let mut pipeline = self.source(id, source);
                pipeline.operators.extend(fetch.map(|fetch| Arc::new(fetch) as Arc<dyn Operator>));
                Ok(pipeline)
            }
            PlanNode::Limit { input, limit: count, offset } => {
                let pipeline = self.build(*input, id + 1, vec![], wanted)?;
                let batches = self.timed(id, || limit(&pipeline, offset, count, &self.context))?;
                Ok(self.batches(id, batches))
            }
            PlanNode::HashJoin { left, right, kind, keys, residual, null_equals_null } => {
                // The marks of several keys, or of a further condition, need three-valued logic over all of them.
                if kind == JoinKind::Mark && !null_equals_null && (keys.len() > 1 || residual.is_some()) {
                    let width = left.schema.len();
                    let predicate = all_of(keys, residual, width);
                    return self.nested_loop(id, *left, *right, kind, Some(predicate), hints, wanted);
                }
                let join = HashJoin { kind, keys, residual, null_equals_null };
                self.hash_join(id, *left, *right, join, hints, wanted)
            }
            PlanNode::NestedLoopJoin { left, right, kind, predicate } => {
                self.nested_loop(id, *left, *right, kind, predicate, hints, wanted)
            }
            PlanNode::AsOfJoin { left, right, kind, keys, by, residual, null_equals_null } => {
                let (of_left, op, of_right) = by;
                let conditional = residual.is_some();
                let as_of = AsOf { keys, left: of_left, op, right: of_right, null_equals_null, conditional };
                self.as_of_join(id, (*left, *right), kind, as_of, residual, (hints, wanted))
            }
            PlanNode::PositionalJoin { left, right } => {
                let width = left.schema.len();
                let (left_types, right_types) = (types_of(&left), types_of(&right));
                let right_wanted = wanted.split_off(width.min(wanted.len()));
                let right_id = id + 1 + nodes(&left);
                let left = self.build(*left, id + 1, vec![], wanted)?;
                let right = self.build(*right, right_id, vec![], right_wanted)?;
                let source = self.timed(id, || {
                    positional_join((&left, left_types), (&right, right_types), &self.spill(id))
                })?;
                Ok(self.source(id, source))
            }
            PlanNode::UnionAll { inputs } => {
                let mut sources = vec![];
                let mut next = id + 1;
                for input in inputs {
                    let first = next;
                    next += nodes(&input);
                    sources.push(self.build(input, first, hints.clone(), wanted.clone())?.into_source());
                }
                Ok(self.source(id, Arc::new(SequenceSource::new(sources))))
            }
            PlanNode::Unnest { input, lists, ordinality, keep_empty } => {
                let width = input.schema.len();
                wanted.truncate(width);
                let behind = wanted.clone();
                for list in &lists {
                    read_columns(list, &mut wanted);
                }
                let inside = |column: usize| (column < width).then_some(column);
                let hints = hints.into_iter().filter_map(|hint| hint.moved(inside)).collect();
                let pipeline = self.build(*input, id + 1, hints, wanted)?;
                let operator = Unnest::new(lists, ordinality, keep_empty, behind, &self.context);
                Ok(self.stream(id, pipeline, Arc::new(operator)))
            }
            PlanNode::Expand { input, keys, sets } => {
                wanted.truncate(input.schema.len());
                for key in &keys {
                    read_columns(key, &mut wanted);
                }
                let pipeline = self.build(*input, id + 1, vec![], wanted)?;
                Ok(self.stream(id, pipeline, Arc::new(Expand::new(keys, sets, &self.context))))
            }
            PlanNode::OrElse { input, condition, row } => {
                read_columns(&condition, &mut wanted);
                let pipeline = self.build(*input, id + 1, vec![], wanted)?;
                let pipeline = or_else(pipeline, condition, row, plan.schema, &self.context);
                Ok(self.source(id, pipeline.into_source()))
            }
            PlanNode::LimitBy { input, limit, offset, percent } => {
                limit.iter().chain(&offset).for_each(|e| read_columns(e, &mut wanted));
                let pipeline = self.build(*input, id + 1, vec![], wanted)?;
                let by = LimitBy { limit, offset, percent };
                let batches = self.timed(id, || limit_by(&pipeline, &by, &self.context))?;
                Ok(self.batches(id, batches))
            }
            PlanNode::Sample { input, choice, seed } => {
                let pipeline = self.build(*input, id + 1, vec![], wanted)?;
                let batches = self.timed(id, || sample(&pipeline, choice, seed, &self.context))?;
                Ok(self.batches(id, batches))
            }
            PlanNode::With { id: cte, definition, body, .. } => {
                let body_id = id + 1 + nodes(&definition);
                let all = vec![true; definition.schema.len()];
                let pipeline = self.build(*definition, id + 1, vec![], all)?;
                let rows = self.timed(id, || store(&pipeline, &self.spill(id)))?;
                self.ctes.lock().insert(cte, Arc::new(rows));
                self.build(*body, body_id, hints, wanted)
            }
            PlanNode::CteScan { id: cte, name, columns } => {
                let rows = self.ctes.lock().get(&cte).cloned();
                let rows =
                    rows.ok_or_else(|| ExecError::Internal(format!("the rows of \"{name}\" are not there")))?;
                Ok(self.source(id, Arc::new(MaterialisedScan::new(rows, columns))))
            }
            PlanNode::Recursive { id: cte, all, anchor, step, kind, .. } => {
                let types = types_of(&anchor);
                let step_id = id + 1 + nodes(&anchor);
                let anchor = self.timed(id, || self.collect(*anchor, id + 1))?;
                let wants_all = scans(&step, all);
                let ctes = self.ctes.lock().clone();
                let context = self.context.clone();
                let run = move |working: Collected, rest: Option<Collected>| {
                    let builder = Self { context: context.clone(), ctes: Mutex::new(ctes.clone()) };
                    let mut rows = builder.ctes.lock();
                    rows.insert(cte, Arc::new(working.into()));
                    rows.extend(rest.map(|rest| (all, Arc::new(rest.into()))));
                    drop(rows);
                    builder.collect((*step).clone(), step_id)
                };
                let run = Box::new(run);
                let scan = RecursiveScan::new(anchor, &types, &kind, wants_all, run, &self.context)?;
                Ok(self.source(id, Arc::new(scan)))
            }
            PlanNode::Write { input, sink } => {
                let wanted = vec![true; input.schema.len()];
                let pipeline = self.build(*input, id + 1, vec![], wanted)?;
                let rows = self.timed(id, || write(&pipeline, &sink, &self.context))?;
                let count = Int64Array::from(vec![rows as i64]);
                Ok(self.batches(id, vec![Batch::new(vec![Arc::new(count)], 1)]))
            }
        }
    }

    /// What node `id` needs to put rows into the temporary file.
    fn spill(&self, id: usize) -> Spill {
        Spill::new(&self.context, id)
    }

    /// All rows of a plan.
    fn collect(&self, plan: Plan, id: usize) -> Result<Collected> {
        let wanted = vec![true; plan.schema.len()];
        let pipeline = self.build(plan, id, vec![], wanted)?;
        collect(&pipeline, &self.context)
    }

    fn source_scan(
        &self,
        id: usize,
        source: &dyn Source,
        columns: Vec<usize>,
        output: Vec<usize>,
        filter: Option<Expr>,
        hints: Vec<Hint>,
    ) -> Result<Pipeline> {
        let mut predicates = filter.as_ref().map(predicates_of).unwrap_or_default();
        for predicate in &mut predicates {
            predicate.column = columns[predicate.column];
        }
        for hint in hints {
            if let HintKind::Predicate(predicate) = hint.kind {
                predicates.push(ColumnPredicate { column: columns[output[hint.column]], predicate });
            }
        }
        if let Some(rows) = source.estimated_rows() {
            self.context.counters.rows_expected.fetch_add(rows, std::sync::atomic::Ordering::Relaxed);
        }
        let scan: Arc<dyn SourceScan> = Arc::from(source.scan(&columns, &predicates, &self.context)?);
        let scan: Arc<dyn SourceScan> = Arc::new(CountedScan { inner: scan, context: self.context.clone() });
        let keeps_all = output.iter().copied().eq(0..columns.len());
        let pipeline = Pipeline::new(scan);
        match filter {
            Some(filter) => {
                let filter = Filter::new(filter, &self.context).with_output(output);
                Ok(self.stream(id, pipeline, Arc::new(filter)))
            }
            None if keeps_all => Ok(self.source(id, pipeline.source)),
            None => {
                let schema = source.all_columns();
                let exprs = output.iter().map(|&c| Expr::column(c, schema[columns[c]].ty.clone())).collect();
                Ok(self.stream(id, pipeline, Arc::new(Project::new(exprs, &self.context))))
            }
        }
    }

    /// A pipeline that begins with this node's rows.
    fn source(&self, id: usize, source: Arc<dyn SourceScan>) -> Pipeline {
        if self.context.profile.get().is_none() {
            return Pipeline::new(source);
        }
        Pipeline::new(Arc::new(ProfiledSource { inner: source, context: self.context.clone(), node: id }))
    }

    fn batches(&self, id: usize, batches: Vec<Batch>) -> Pipeline {
        self.source(id, Arc::new(BatchesSource::from_batches(batches)))
    }

    /// The pipeline with this node at its end.
    fn stream(&self, id: usize, mut pipeline: Pipeline, operator: Arc<dyn Operator>) -> Pipeline {
        pipeline.operators.push(if self.context.profile.get().is_some() {
            Arc::new(Profiled { inner: operator, context: self.context.clone(), node: id })
        } else {
            operator
        });
        pipeline
    }

    /// Measures what a breaker does, without its input, and what its result holds.
    fn timed<T>(&self, id: usize, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let Some(profile) = self.context.profile.get() else { return run() };
        let before = self.context.memory.used();
        let result = profile.timed(id, run)?;
        if let Some(metrics) = profile.node(id) {
            let held = self.context.memory.used().saturating_sub(before);
            metrics.memory.fetch_add(held, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(result)
    }
}

/// The table that a plan yields all rows of, and the columns of the table that its output columns are.
fn whole_table(plan: &Plan) -> Option<(&Arc<TableSnapshot>, Vec<usize>)> {
    match &plan.node {
        PlanNode::TableScan { table, columns, output, lengths, filter: None } if lengths.is_empty() => {
            Some((table, output.iter().map(|&c| columns[c]).collect()))
        }
        PlanNode::Project { input, exprs } => {
            let (table, columns) = whole_table(input)?;
            let mapped = exprs.iter().map(|e| match e {
                Expr::Column { index, .. } => columns.get(*index).copied(),
                _ => None,
            });
            Some((table, mapped.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// Counts the rows of a source.
struct CountedScan {
    inner: Arc<dyn SourceScan>,
    context: Arc<ExecContext>,
}

impl SourceScan for CountedScan {
    fn next_morsel(&self) -> Result<Option<crate::exec::source::Morsel>> {
        let Some(mut morsel) = self.inner.next_morsel()? else { return Ok(None) };
        let context = self.context.clone();
        morsel.batches = Box::new(morsel.batches.inspect(move |item| {
            if let Ok(batch) = item {
                let rows = batch.rows as u64;
                context.counters.rows_scanned.fetch_add(rows, std::sync::atomic::Ordering::Relaxed);
            }
        }));
        Ok(Some(morsel))
    }

    fn morsels_left(&self) -> Option<usize> {
        self.inner.morsels_left()
    }

    fn progress(&self) -> Option<f64> {
        self.inner.progress()
    }
}
