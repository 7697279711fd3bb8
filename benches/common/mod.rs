//! A table in memory with seeded data, and plans over it.

#![allow(dead_code, missing_docs)]

use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, StringViewArray};
use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use fluxdb::catalog::{ColumnDefinition, TableDefinition};
use fluxdb::column::predicate::CompareOp;
use fluxdb::column::scalar::Scalar;
use fluxdb::column::types::LogicalType::{self, BigInt, Double, Integer, Varchar};
use fluxdb::exec::aggregates::bind_aggregate;
use fluxdb::exec::batch::{Field, Schema};
use fluxdb::exec::context::{CancelToken, ExecContext};
use fluxdb::exec::execute;
use fluxdb::exec::expr::{AggregateCall, Expr, SortKey};
use fluxdb::exec::functions::ArgInfo;
use fluxdb::exec::plan::{JoinKind, Plan, PlanNode};
use fluxdb::table::{Storage, StorageOptions, TableSnapshot};

/// Rows of the large table.
pub const ROWS: usize = 4_000_000;
/// Threads to measure with.
pub const THREADS: [usize; 2] = [1, 2];

/// Columns: a serial number, keys with 1,000 / 100,000 / 1,000,000 values, a float, a name (1,000 values), a
/// small number in runs.
pub const TYPES: [LogicalType; 7] = [BigInt, Integer, BigInt, BigInt, Double, Varchar, Integer];

/// A row number scrambled: the same at every run.
fn mix(i: u64) -> u64 {
    let x = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

fn columns(range: std::ops::Range<usize>) -> Vec<ArrayRef> {
    let rows = || range.clone().map(|i| i as u64);
    vec![
        Arc::new(Int64Array::from_iter_values(rows().map(|i| i as i64))),
        Arc::new(Int32Array::from_iter_values(rows().map(|i| (mix(i) % 1000) as i32))),
        Arc::new(Int64Array::from_iter_values(rows().map(|i| (mix(i + 1) % 100_000 * 1_000_003) as i64))),
        Arc::new(Int64Array::from_iter_values(rows().map(|i| (mix(i + 2) % 1_000_000 * 1_000_003) as i64))),
        Arc::new(Float64Array::from_iter_values(rows().map(|i| (mix(i + 3) % 100_000) as f64 / 100.0))),
        Arc::new(StringViewArray::from_iter_values(
            rows().map(|i| format!("customer number {:04}", mix(i + 4) % 1000)),
        )),
        Arc::new(Int32Array::from_iter_values(rows().map(|i| (i / 5000 % 20) as i32))),
    ]
}

/// A table of `rows` rows.
pub fn table_of(rows: usize) -> Arc<TableSnapshot> {
    let storage = Storage::memory(&StorageOptions::default()).expect("a storage");
    let main = storage.snapshot().catalog().schema("main").expect("main").definition().id;
    let definitions =
        TYPES.iter().enumerate().map(|(i, t)| ColumnDefinition::new(&format!("c{i}"), t.clone())).collect();
    let mut transaction = storage.begin().expect("a transaction");
    let id = transaction.create_table(TableDefinition::new(main, "t", definitions)).expect("a table");
    let appender = transaction.append(id).expect("an appender");
    let size = appender.row_group_rows();
    for (position, from) in (0..rows).step_by(size).enumerate() {
        appender.write_row_group(position as u64, &columns(from..rows.min(from + size))).expect("written");
    }
    transaction.commit().expect("a commit").table(id).expect("the table")
}

/// The large table.
pub fn table() -> &'static Arc<TableSnapshot> {
    static TABLE: OnceLock<Arc<TableSnapshot>> = OnceLock::new();
    TABLE.get_or_init(|| table_of(ROWS))
}

pub fn node(types: &[LogicalType], node: PlanNode) -> Plan {
    let schema: Schema = types.iter().map(|t| Field::new("c", t.clone())).collect();
    Plan { node, schema, estimated_rows: None }
}

/// A scan of some columns; the filter is over them.
pub fn scan(table: &Arc<TableSnapshot>, columns: &[usize], filter: Option<Expr>) -> Plan {
    let types: Vec<LogicalType> = columns.iter().map(|&c| TYPES[c].clone()).collect();
    let output = (0..columns.len()).collect();
    let (table, columns, lengths) = (table.clone(), columns.to_vec(), vec![]);
    node(&types, PlanNode::TableScan { table, columns, output, lengths, filter })
}

/// Column `index` of the input, which is column `of` of the table.
pub fn column(index: usize, of: usize) -> Expr {
    Expr::column(index, TYPES[of].clone())
}

pub fn less(column: Expr, bound: i128) -> Expr {
    let ty = column.ty();
    let value = if ty == Double { Scalar::Float(bound as f64) } else { Scalar::Int(bound) };
    Expr::Compare { op: CompareOp::Lt, left: Box::new(column), right: Box::new(Expr::literal(value, ty)) }
}

pub fn call(name: &str, args: Vec<Expr>) -> AggregateCall {
    let infos: Vec<ArgInfo> = args.iter().map(|a| ArgInfo { ty: a.ty(), literal: None }).collect();
    let function = bind_aggregate(name, &infos, false).expect("an aggregate");
    let args =
        args.into_iter()
            .zip(&function.arg_types)
            .map(|(a, t)| {
                if a.ty() == *t {
                    a
                } else {
                    Expr::Cast { input: Box::new(a), to: t.clone(), or_null: false }
                }
            })
            .collect();
    let ty = function.return_type.clone();
    AggregateCall { function, args, distinct: false, filter: None, order_by: vec![], ty }
}

pub fn aggregate(input: Plan, group_by: Vec<Expr>, aggregates: Vec<AggregateCall>) -> Plan {
    let types: Vec<LogicalType> =
        group_by.iter().map(Expr::ty).chain(aggregates.iter().map(|c| c.ty.clone())).collect();
    node(&types, PlanNode::Aggregate { input: Box::new(input), group_by, aggregates, first: None })
}

pub fn hash_join(left: Plan, right: Plan, keys: Vec<(Expr, Expr)>) -> Plan {
    let types: Vec<LogicalType> =
        left.schema.iter().chain(right.schema.iter()).map(|f| f.ty.clone()).collect();
    node(
        &types,
        PlanNode::HashJoin {
            left: Box::new(left),
            right: Box::new(right),
            kind: JoinKind::Inner,
            keys,
            residual: None,
            null_equals_null: false,
        },
    )
}

/// Runs a plan to its end and counts its rows.
pub fn run(plan: &Plan, threads: usize) -> usize {
    let context = Arc::new(ExecContext::new(threads, 8 << 30, CancelToken::default()));
    execute(plan.clone(), context).expect("started").map(|b| b.expect("no error").rows).sum()
}

/// All rows in an order, given as columns of the input and whether they descend.
pub fn sorted(input: Plan, keys: &[(Expr, bool)]) -> Plan {
    let key = |(expr, descending): &(Expr, bool)| SortKey {
        expr: expr.clone(),
        descending: *descending,
        nulls_first: false,
    };
    let keys = keys.iter().map(key).collect();
    let schema = input.schema.clone();
    Plan { node: PlanNode::Sort { input: Box::new(input), keys }, schema, estimated_rows: None }
}

/// Measures what is the least that work on some columns of the large table can take: copying as many bytes as their
/// values have, from memory to memory.
pub fn copy_beside(group: &mut BenchmarkGroup<'_, WallTime>, columns: &[usize]) {
    // The text is longer than what a view holds.
    let bytes_of = |ty: &LogicalType| match ty {
        Integer => 4,
        Varchar => 16 + "customer number 0000".len(),
        _ => 8,
    };
    let bytes = columns.iter().map(|column| bytes_of(&TYPES[*column])).sum::<usize>();
    let (source, mut target) = (vec![1_u8; ROWS * bytes], vec![0_u8; ROWS * bytes]);
    for threads in THREADS {
        let part = source.len().div_ceil(threads);
        group.bench_function(format!("copy of {bytes} bytes a row/{threads}"), |b| {
            b.iter(|| {
                std::thread::scope(|scope| {
                    for (from, to) in source.chunks(part).zip(target.chunks_mut(part)) {
                        scope.spawn(|| to.copy_from_slice(black_box(from)));
                    }
                });
                black_box(&target);
            });
        });
    }
}

/// The first rows by one column of the input.
pub fn first(input: Plan, expr: Expr, descending: bool, limit: u64) -> Plan {
    let keys = vec![SortKey { expr, descending, nulls_first: false }];
    let schema = input.schema.clone();
    let node = PlanNode::TopN { input: Box::new(input), keys, limit, offset: 0 };
    Plan { node, schema, estimated_rows: None }
}
