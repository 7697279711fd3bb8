//! What the tests of operators share: a source in memory, simple aggregates, rows as text.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, DictionaryArray, Float64Array, Int64Array, StringViewArray, UInt32Array};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::aggregates::{AggregateFunction, GroupStates};
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::context::{CancelToken, ExecContext};
use crate::exec::error::{ExecError, Result};
use crate::exec::execute;
use crate::exec::expr::{AggregateCall, CompareOp, Expr, SortKey};
use crate::exec::plan::{Plan, PlanNode};
use crate::exec::source::{ColumnPredicate, Morsel, Source, SourceScan};

pub(crate) const THREADS: [usize; 2] = [1, 4];

pub(crate) fn context(threads: usize) -> Arc<ExecContext> {
    Arc::new(ExecContext::new(threads, 1 << 30, CancelToken::default()))
}

pub(crate) fn schema(types: &[LogicalType]) -> Schema {
    types.iter().enumerate().map(|(i, t)| Field::new(format!("c{i}"), t.clone())).collect()
}

pub(crate) fn ints(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

pub(crate) fn floats(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

pub(crate) fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringViewArray>())
}

/// The texts with a dictionary of their own.
pub(crate) fn dictionary<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut distinct: Vec<&str> = vec![];
    let codes: UInt32Array = values
        .into_iter()
        .map(|v| {
            v.map(|v| {
                distinct.iter().position(|d| *d == v).unwrap_or_else(|| {
                    distinct.push(v);
                    distinct.len() - 1
                }) as u32
            })
        })
        .collect();
    let values = texts(distinct.into_iter().map(Some));
    Arc::new(DictionaryArray::<UInt32Type>::new(codes, values))
}

/// What a source does after its last batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Error,
    Panic,
}

/// Batches in memory, one to a morsel, that counts what is drawn from it.
#[derive(Debug)]
pub(crate) struct TestSource {
    pub schema: Schema,
    pub batches: Arc<Vec<Batch>>,
    pub end: End,
    pub drawn: Arc<AtomicUsize>,
}

impl TestSource {
    pub fn new(types: &[LogicalType], batches: Vec<Batch>) -> Self {
        Self { schema: schema(types), batches: Arc::new(batches), end: End::Done, drawn: Arc::default() }
    }

    pub fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// A scan of all columns.
    pub fn plan(self) -> Plan {
        let columns: Vec<usize> = (0..self.schema.len()).collect();
        Plan {
            schema: self.schema.clone(),
            node: PlanNode::SourceScan {
                source: Arc::new(self),
                output: columns.clone(),
                columns,
                filter: None,
            },
            estimated_rows: None,
        }
    }
}

impl Source for TestSource {
    fn describe(&self) -> String {
        "TEST".into()
    }

    fn schema(&self) -> Schema {
        self.schema.clone()
    }

    fn scan(
        &self,
        columns: &[usize],
        _predicates: &[ColumnPredicate],
        _context: &Arc<ExecContext>,
    ) -> Result<Box<dyn SourceScan>> {
        Ok(Box::new(TestScan {
            columns: columns.to_vec(),
            batches: self.batches.clone(),
            end: self.end,
            drawn: self.drawn.clone(),
            next: AtomicUsize::new(0),
        }))
    }
}

struct TestScan {
    columns: Vec<usize>,
    batches: Arc<Vec<Batch>>,
    end: End,
    drawn: Arc<AtomicUsize>,
    next: AtomicUsize,
}

impl SourceScan for TestScan {
    fn next_morsel(&self) -> Result<Option<Morsel>> {
        let i = self.next.fetch_add(1, Ordering::SeqCst);
        let end = self.end;
        let item: Box<dyn Iterator<Item = Result<Batch>> + Send> = match self.batches.get(i) {
            Some(batch) => {
                let columns = self.columns.iter().map(|&c| batch.columns[c].clone()).collect();
                let batch = Batch::new(columns, batch.rows);
                let drawn = self.drawn.clone();
                Box::new(std::iter::once_with(move || {
                    drawn.fetch_add(1, Ordering::SeqCst);
                    Ok(batch)
                }))
            }
            None if i == self.batches.len() && end != End::Done => {
                Box::new(std::iter::once_with(move || {
                    assert!(end != End::Panic, "the source fell over");
                    Err(ExecError::Io("the source is broken".into()))
                }))
            }
            None => return Ok(None),
        };
        Ok(Some(Morsel { sequence: i as u64, batches: item }))
    }
}

/// Cuts columns into batches of the given size.
pub(crate) fn cut(columns: &[ArrayRef], rows: usize, size: usize) -> Vec<Batch> {
    let whole = Batch::new(columns.to_vec(), rows);
    (0..rows).step_by(size).map(|at| whole.slice(at, size.min(rows - at))).collect()
}

pub(crate) fn node(types: &[LogicalType], node: PlanNode) -> Plan {
    Plan { node, schema: schema(types), estimated_rows: None }
}

pub(crate) fn int_column(index: usize) -> Expr {
    Expr::column(index, LogicalType::BigInt)
}

pub(crate) fn text_column(index: usize) -> Expr {
    Expr::column(index, LogicalType::Varchar)
}

pub(crate) fn less_than(index: usize, bound: i64) -> Expr {
    Expr::Compare {
        op: CompareOp::Lt,
        left: Box::new(int_column(index)),
        right: Box::new(Expr::literal(Scalar::Int(bound.into()), LogicalType::BigInt)),
    }
}

pub(crate) fn sort_key(expr: Expr, descending: bool, nulls_first: bool) -> SortKey {
    SortKey { expr, descending, nulls_first }
}

/// All rows as text, and the error that ended them.
pub(crate) fn run(plan: Plan, context: &Arc<ExecContext>) -> (Vec<String>, Option<ExecError>) {
    let mut out = vec![];
    for item in execute(plan, context.clone()).expect("a plan that starts") {
        match item {
            Ok(batch) => out.extend((0..batch.rows).map(|row| row_text(&batch, row))),
            Err(e) => return (out, Some(e)),
        }
    }
    (out, None)
}

/// All rows as text.
pub(crate) fn rows(plan: Plan, threads: usize) -> Vec<String> {
    let context = context(threads);
    let (rows, error) = run(plan, &context);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(context.memory.used(), 0, "memory is given back");
    rows
}

pub(crate) fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

pub(crate) fn row_text(batch: &Batch, row: usize) -> String {
    let options = arrow_cast::display::FormatOptions::default().with_null("NULL");
    let cells: Vec<String> = batch
        .columns
        .iter()
        .map(|c| {
            arrow_cast::display::ArrayFormatter::try_new(c, &options)
                .expect("a column")
                .value(row)
                .to_string()
        })
        .collect();
    cells.join("|")
}

/// `count`, `sum`, `max` and `list` of `BIGINT`, as simple as can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Simple {
    Count,
    Sum,
    Texts,
}

struct SimpleStates {
    kind: Simple,
    counts: Vec<i64>,
    sums: Vec<Option<i64>>,
    texts: Vec<String>,
}

impl SimpleStates {
    fn add(&mut self, args: &[ArrayRef], row: usize, group: usize) {
        match self.kind {
            Simple::Count => {
                self.counts[group] += i64::from(args.first().is_none_or(|a| a.is_valid(row)));
            }
            Simple::Sum => {
                let values = args[0].as_primitive::<Int64Type>();
                if values.is_valid(row) {
                    *self.sums[group].get_or_insert(0) += values.value(row);
                }
            }
            Simple::Texts => {
                let values = args[0].as_string_view();
                if values.is_valid(row) {
                    self.texts[group] += values.value(row);
                }
            }
        }
    }
}

impl GroupStates for SimpleStates {
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        self.sums.resize(groups, None);
        self.texts.resize(groups, String::new());
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        groups.iter().enumerate().for_each(|(row, &g)| self.add(args, row, g as usize));
        Ok(())
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        (0..rows).for_each(|row| self.add(args, row, 0));
        Ok(())
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = other.as_any_mut().downcast_mut::<Self>().expect("the same kind");
        for (&from, &to) in from.iter().zip(to) {
            let (from, to) = (from as usize, to as usize);
            self.counts[to] += other.counts[from];
            if let Some(sum) = other.sums[from] {
                *self.sums[to].get_or_insert(0) += sum;
            }
            self.texts[to] += &other.texts[from];
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self.kind {
            Simple::Count => ints(self.counts.iter().copied().map(Some)),
            Simple::Sum => ints(self.sums.iter().copied()),
            Simple::Texts => texts(self.texts.iter().map(|t| Some(t.as_str()))),
        })
    }

    fn size(&self) -> usize {
        self.counts.len() * 48
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

pub(crate) fn call(kind: Simple, args: Vec<Expr>) -> AggregateCall {
    let ty = if kind == Simple::Texts { LogicalType::Varchar } else { LogicalType::BigInt };
    AggregateCall {
        function: Arc::new(AggregateFunction {
            name: "simple",
            arg_types: args.iter().map(Expr::ty).collect(),
            return_type: ty.clone(),
            order_sensitive: kind == Simple::Texts,
            new_states: Box::new(move || {
                Box::new(SimpleStates { kind, counts: vec![], sums: vec![], texts: vec![] })
            }),
        }),
        args,
        distinct: false,
        filter: None,
        order_by: vec![],
        ty,
    }
}
