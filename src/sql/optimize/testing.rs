//! Plans for the tests of rules, built by hand over sources that only know their statistics.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};

use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::aggregates::{AggregateFunction, GroupStates};
use crate::exec::batch::{Field, Schema};
use crate::exec::context::{CancelToken, ExecContext};
use crate::exec::error::{ExecError, Result};
use crate::exec::expr::{AggregateCall, Expr, SortKey};
use crate::exec::source::{ColumnPredicate, Source, SourceScan, SourceStatistics};
use crate::sql::explain::render_logical;
use crate::sql::optimize::{OptimizerOptions, optimize};
use crate::sql::plan::{Column, ColumnIds, Definition, JoinType, LogicalPlan};

/// A source that cannot be read.
#[derive(Debug)]
struct Imagined {
    name: String,
    schema: Schema,
    rows: u64,
    distinct: Vec<u64>,
}

impl Source for Imagined {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn schema(&self) -> Schema {
        self.schema.clone()
    }

    fn estimated_rows(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn statistics(&self, column: usize) -> Option<SourceStatistics> {
        Some(SourceStatistics { distinct: Some(self.distinct[column]), ..SourceStatistics::default() })
    }

    fn scan(&self, _: &[usize], _: &[ColumnPredicate], _: &Arc<ExecContext>) -> Result<Box<dyn SourceScan>> {
        Err(ExecError::Internal("an imagined source was read".into()))
    }
}

/// A query under construction: its ids, and its columns by name.
#[derive(Default)]
pub struct Query {
    pub ids: ColumnIds,
    columns: HashMap<String, Column>,
}

/// A context to evaluate constants in.
pub fn context() -> ExecContext {
    ExecContext::new(1, 1 << 30, CancelToken::default())
}

impl Query {
    /// A table of BIGINT columns (`name:TYPE` for VARCHAR, DOUBLE, DATE and INTEGER ones), each given with its
    /// distinct count.
    pub fn table(&mut self, name: &str, rows: u64, columns: &[(&str, u64)]) -> LogicalPlan {
        let mut fields = vec![];
        let mut own = vec![];
        for (column, _) in columns {
            let (column, ty) = column.split_once(':').unwrap_or((column, "BIGINT"));
            let ty = match ty {
                "VARCHAR" => LogicalType::Varchar,
                "DOUBLE" => LogicalType::Double,
                "DATE" => LogicalType::Date,
                "INTEGER" => LogicalType::Integer,
                _ => LogicalType::BigInt,
            };
            fields.push(Field::new(column, ty.clone()));
            own.push(self.named(column, ty));
        }
        let source = Imagined {
            name: name.to_string(),
            schema: fields.into(),
            rows,
            distinct: columns.iter().map(|(_, d)| *d).collect(),
        };
        LogicalPlan::SourceGet {
            source: Arc::new(source),
            positions: (0..own.len()).collect(),
            columns: own,
            filters: vec![],
        }
    }

    /// A new column that later goes by its name.
    pub fn named(&mut self, name: &str, ty: LogicalType) -> Column {
        let column = self.ids.column(name, ty);
        self.columns.insert(name.to_string(), column.clone());
        column
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Column {
        self.columns[name].clone()
    }

    /// A column as an expression.
    pub fn c(&self, name: &str) -> Expr {
        self.column(name).expr()
    }

    /// `a <op> b` of two columns.
    pub fn cmp(&self, a: &str, op: CompareOp, b: &str) -> Expr {
        binary(op, self.c(a), self.c(b))
    }

    /// `a = b` of two columns.
    pub fn eq(&self, a: &str, b: &str) -> Expr {
        self.cmp(a, CompareOp::Eq, b)
    }

    /// `a <op> n` of a column and a number.
    pub fn cmp_int(&self, a: &str, op: CompareOp, n: i64) -> Expr {
        let column = self.c(a);
        let ty = column.ty();
        binary(op, column, Expr::literal(Scalar::Int(n.into()), ty))
    }

    /// A projection of columns, and of new columns with their definitions.
    pub fn select(&mut self, input: LogicalPlan, pass: &[&str], new: Vec<(&str, Expr)>) -> LogicalPlan {
        let mut definitions: Vec<_> = pass.iter().map(|n| Definition::pass(self.column(n))).collect();
        for (name, expr) in new {
            definitions.push(Definition { column: self.named(name, expr.ty()), expr });
        }
        LogicalPlan::Project { input: Box::new(input), definitions }
    }

    /// Groups by columns, with aggregates `(new name, function, argument)`; `*` is no argument.
    pub fn group(
        &mut self,
        input: LogicalPlan,
        by: &[&str],
        aggregates: &[(&str, &'static str, &str)],
    ) -> LogicalPlan {
        let group_by = by.iter().map(|n| Definition::pass(self.column(n))).collect();
        let aggregates = aggregates
            .iter()
            .map(|(name, function, arg)| {
                let args = if *arg == "*" { vec![] } else { vec![self.c(arg)] };
                (self.named(name, LogicalType::BigInt), call(function, args))
            })
            .collect();
        LogicalPlan::Aggregate { input: Box::new(input), group_by, aggregates }
    }

    /// The plan as text, after unnesting alone.
    pub fn unnested(&mut self, plan: LogicalPlan) -> String {
        let options = OptimizerOptions { enabled: false };
        let plan = optimize(plan, &mut self.ids, &context(), &options).expect("the plan can be unnested");
        render_logical(&plan)
    }
}

pub fn binary(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
}

pub fn int(n: i64) -> Expr {
    Expr::literal(Scalar::Int(n.into()), LogicalType::BigInt)
}

pub fn filter(input: LogicalPlan, predicates: Vec<Expr>) -> LogicalPlan {
    LogicalPlan::Filter { input: Box::new(input), predicates }
}

pub fn join(left: LogicalPlan, right: LogicalPlan, kind: JoinType, on: Vec<Expr>) -> LogicalPlan {
    LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, on, dependent: false }
}

pub fn dependent(left: LogicalPlan, right: LogicalPlan, kind: JoinType, on: Vec<Expr>) -> LogicalPlan {
    LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, on, dependent: true }
}

pub fn sort(input: LogicalPlan, keys: Vec<Expr>) -> LogicalPlan {
    let keys = keys.into_iter().map(|expr| SortKey { expr, descending: false, nulls_first: false }).collect();
    LogicalPlan::Sort { input: Box::new(input), keys }
}

pub fn limit(input: LogicalPlan, n: u64) -> LogicalPlan {
    LogicalPlan::Limit { input: Box::new(input), limit: Some(n), offset: 0 }
}

/// A call of an aggregate that can be planned but not run.
pub fn call(name: &'static str, args: Vec<Expr>) -> AggregateCall {
    let function = AggregateFunction {
        name,
        arg_types: args.iter().map(Expr::ty).collect(),
        return_type: LogicalType::BigInt,
        order_sensitive: false,
        new_states: Box::new(move || Box::new(OfNothing { counts: name.starts_with("count") })),
    };
    AggregateCall {
        function: Arc::new(function),
        args,
        distinct: false,
        filter: None,
        order_by: vec![],
        ty: LogicalType::BigInt,
    }
}

/// States that see no rows.
struct OfNothing {
    counts: bool,
}

impl GroupStates for OfNothing {
    fn resize(&mut self, _: usize) {}

    fn update(&mut self, _: &[ArrayRef], _: &[u32]) -> Result<()> {
        Ok(())
    }

    fn update_single(&mut self, _: &[ArrayRef], _: usize) -> Result<()> {
        Ok(())
    }

    fn merge(&mut self, _: &mut dyn GroupStates, _: &[u32], _: &[u32]) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from(vec![self.counts.then_some(0)])))
    }

    fn size(&self) -> usize {
        0
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Compares a plan's text with lines that are indented alike.
#[track_caller]
pub fn assert_plan(actual: &str, expected: &str) {
    let lines: Vec<&str> = expected.lines().filter(|l| !l.trim().is_empty()).collect();
    let indent = lines.iter().map(|l| l.len() - l.trim_start().len()).min().unwrap_or(0);
    let lines: Vec<&str> = lines.iter().map(|l| l.get(indent..).unwrap_or(l)).collect();
    let expected = lines.join("\n") + "\n";
    assert!(actual == expected, "the plan is\n{actual}\nand should be\n{expected}");
}
