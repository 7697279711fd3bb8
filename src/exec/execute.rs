//! From a plan to running pipelines.
//!
//! [`execute`] returns at once. When the first batch is asked for, the plan is taken apart from the root down:
//! streaming operators join the pipeline of their input; an operator that needs all of its input first runs that
//! input's pipeline to its end and starts a new one with its result. So when the last pipeline is complete, all
//! that can be done before the first row is done, and that pipeline feeds the [`QueryStream`].

use std::sync::Arc;

use arrow_array::Int64Array;

use crate::column::predicate::Predicate;
use crate::exec::batch::Batch;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::{Expr, SortKey};
use crate::exec::operators::aggregate::aggregate;
use crate::exec::operators::filter::Filter;
use crate::exec::operators::limit::limit;
use crate::exec::operators::project::Project;
use crate::exec::operators::scan::{aggregate_from_statistics, table_scan};
use crate::exec::operators::sort::sort;
use crate::exec::operators::sort::top_n::{RunningBound, top_n};
use crate::exec::operators::values::values;
use crate::exec::operators::write::write;
use crate::exec::pipeline::{
    BatchesSource, Operator, Pipeline, Profiled, ProfiledSource, SequenceSource, metrics,
};
use crate::exec::plan::{Plan, PlanNode};
use crate::exec::source::{ColumnPredicate, Source, SourceScan, predicates_of};
use crate::exec::stream::{Output, QueryStream};
use crate::table::TableSnapshot;

/// Runs a plan. Rows come in the order of the source where the plan has no order of its own. The work is done
/// while the stream is read; dropping the stream ends it.
pub fn execute(plan: Plan, context: Arc<ExecContext>) -> Result<QueryStream> {
    let schema = plan.schema.clone();
    let builder = Builder { context: context.clone() };
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
        Ok(Output { pipeline: builder.build(plan, root, vec![])?, offset, limit })
    });
    Ok(QueryStream::new(schema, context, prepare))
}

/// What is known about a column of an operator's output that the plan does not say: rows without it do not matter.
/// Scans use it to skip; nobody has to.
#[derive(Clone)]
pub(crate) struct Hint {
    /// Position in the output.
    pub column: usize,
    /// What rows must satisfy.
    pub kind: HintKind,
}

#[derive(Clone)]
pub(crate) enum HintKind {
    /// A fixed condition.
    Predicate(Predicate),
    /// A condition that gets tighter while the query runs.
    Bound(Arc<RunningBound>),
}

struct Builder {
    context: Arc<ExecContext>,
}

/// The number of nodes of a plan.
fn nodes(plan: &Plan) -> usize {
    1 + plan.node.inputs().into_iter().map(nodes).sum::<usize>()
}

impl Builder {
    /// The pipeline that yields the rows of `plan`, whose root is node `id` of the whole. All breakers below it
    /// have run.
    fn build(&self, plan: Plan, id: usize, hints: Vec<Hint>) -> Result<Pipeline> {
        self.context.check_cancelled()?;
        match plan.node {
            PlanNode::TableScan { table, columns, output, filter } => {
                let scan = table_scan(table, columns, output, filter, hints, &self.context)?;
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
                let pipeline = self.build(*input, id + 1, hints)?;
                Ok(self.stream(id, pipeline, Arc::new(Filter::new(predicate, &self.context))))
            }
            PlanNode::Project { input, exprs } => {
                let hints = hints
                    .into_iter()
                    .filter_map(|hint| match exprs.get(hint.column)? {
                        Expr::Column { index, .. } => Some(Hint { column: *index, ..hint }),
                        _ => None,
                    })
                    .collect();
                let pipeline = self.build(*input, id + 1, hints)?;
                Ok(self.stream(id, pipeline, Arc::new(Project::new(exprs, &self.context))))
            }
            PlanNode::Aggregate { input, group_by, aggregates } => {
                if group_by.is_empty()
                    && let Some((table, columns)) = whole_table(&input)
                    && let Some(row) = aggregate_from_statistics(table, &columns, &aggregates)?
                {
                    return Ok(self.batches(id, vec![row]));
                }
                let pipeline = self.build(*input, id + 1, vec![])?;
                let batches = self.timed(id, || aggregate(&pipeline, group_by, aggregates, &self.context))?;
                Ok(self.batches(id, batches))
            }
            PlanNode::Sort { input, keys } if keys.is_empty() => self.build(*input, id + 1, hints),
            PlanNode::Sort { input, keys } => {
                let pipeline = self.build(*input, id + 1, hints)?;
                let source = self.timed(id, || sort(&pipeline, keys, &self.context))?;
                Ok(self.source(id, source))
            }
            PlanNode::TopN { input, keys, limit: count, offset } if keys.is_empty() => {
                let pipeline = self.build(*input, id + 1, vec![])?;
                let batches = self.timed(id, || limit(&pipeline, offset, Some(count), &self.context))?;
                Ok(self.batches(id, batches))
            }
            PlanNode::TopN { input, keys, limit, offset } => {
                let (bound, hints) = running_bound(&keys);
                let pipeline = self.build(*input, id + 1, hints)?;
                let source =
                    self.timed(id, || top_n(&pipeline, keys, limit, offset, bound, &self.context))?;
                Ok(self.source(id, source))
            }
            PlanNode::Limit { input, limit: count, offset } => {
                let pipeline = self.build(*input, id + 1, vec![])?;
                let batches = self.timed(id, || limit(&pipeline, offset, count, &self.context))?;
                Ok(self.batches(id, batches))
            }
            PlanNode::HashJoin { .. } | PlanNode::NestedLoopJoin { .. } => {
                Err(ExecError::Unsupported("joins".into()))
            }
            PlanNode::UnionAll { inputs } => {
                let mut sources = vec![];
                let mut next = id + 1;
                for input in inputs {
                    let first = next;
                    next += nodes(&input);
                    sources.push(self.build(input, first, hints.clone())?.into_source());
                }
                Ok(self.source(id, Arc::new(SequenceSource::new(sources))))
            }
            PlanNode::Write { input, sink } => {
                let pipeline = self.build(*input, id + 1, vec![])?;
                let rows = self.timed(id, || write(&pipeline, &sink, &self.context))?;
                let count = Int64Array::from(vec![rows as i64]);
                Ok(self.batches(id, vec![Batch::new(vec![Arc::new(count)], 1)]))
            }
        }
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
                let schema = source.schema();
                let exprs = output.iter().map(|&c| Expr::column(c, schema[columns[c]].ty.clone())).collect();
                Ok(self.stream(id, pipeline, Arc::new(Project::new(exprs, &self.context))))
            }
        }
    }

    /// A pipeline that begins with this node's rows.
    fn source(&self, id: usize, source: Arc<dyn SourceScan>) -> Pipeline {
        if self.context.profile.is_none() {
            return Pipeline::new(source);
        }
        Pipeline::new(Arc::new(ProfiledSource { inner: source, context: self.context.clone(), node: id }))
    }

    fn batches(&self, id: usize, batches: Vec<Batch>) -> Pipeline {
        self.source(id, Arc::new(BatchesSource::from_batches(batches)))
    }

    /// The pipeline with this node at its end.
    fn stream(&self, id: usize, mut pipeline: Pipeline, operator: Arc<dyn Operator>) -> Pipeline {
        pipeline.operators.push(if self.context.profile.is_some() {
            Arc::new(Profiled { inner: operator, context: self.context.clone(), node: id })
        } else {
            operator
        });
        pipeline
    }

    /// Measures what a breaker takes, its input included: on the clock, not by thread.
    fn timed<T>(&self, id: usize, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = std::time::Instant::now();
        let result = run()?;
        if let Some(metrics) = metrics(&self.context, id) {
            metrics.add_nanos(start.elapsed().as_nanos() as u64);
        }
        Ok(result)
    }
}

/// The table that a plan yields all rows of, and the columns of the table that its output columns are.
fn whole_table(plan: &Plan) -> Option<(&Arc<TableSnapshot>, Vec<usize>)> {
    match &plan.node {
        PlanNode::TableScan { table, columns, output, filter: None } => {
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

/// A bound for the scan below a top-N, if its first key is a column whose NULLs come last: a comparison is false
/// for them, so they could be skipped when they are wanted first.
fn running_bound(keys: &[SortKey]) -> (Option<Arc<RunningBound>>, Vec<Hint>) {
    match keys.first() {
        Some(SortKey { expr: Expr::Column { index, .. }, nulls_first: false, .. }) => {
            let bound = Arc::new(RunningBound::default());
            (Some(bound.clone()), vec![Hint { column: *index, kind: HintKind::Bound(bound) }])
        }
        _ => (None, vec![]),
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
