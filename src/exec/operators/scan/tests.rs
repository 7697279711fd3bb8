use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::ArrayRef;
use proptest::prelude::*;

use crate::catalog::{ColumnDefinition, TableDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType::{self, *};
use crate::exec::batch::Batch;
use crate::exec::context::{CancelToken, ExecContext};
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::plan::{Plan, PlanNode};
use crate::exec::sinks::table_sink;
use crate::exec::testing::*;
use crate::table::{Storage, StorageOptions, TableSnapshot};

const GROUP_ROWS: usize = 5000;

/// A table in memory, written through a plan.
fn table(types: &[LogicalType], batches: Vec<Batch>, threads: usize) -> Arc<TableSnapshot> {
    let options = StorageOptions { row_group_rows: GROUP_ROWS, ..StorageOptions::default() };
    let storage = Storage::memory(&options).expect("a storage");
    let main = storage.snapshot().catalog().schema("main").expect("main").definition().id;
    let columns =
        types.iter().enumerate().map(|(i, t)| ColumnDefinition::new(&format!("c{i}"), t.clone())).collect();
    let mut transaction = storage.begin().expect("a transaction");
    let id = transaction.create_table(TableDefinition::new(main, "t", columns)).expect("a table");
    let sink = table_sink(transaction.append(id).expect("an appender"));
    let n: usize = batches.iter().map(|b| b.rows).sum();
    let input = Box::new(TestSource::new(types, batches).plan());
    assert_eq!(rows(node(&[BigInt], PlanNode::Write { input, sink }), threads), [n.to_string()]);
    let snapshot = transaction.commit().expect("a commit");
    snapshot.table(id).expect("the table")
}

fn scan(table: &Arc<TableSnapshot>, columns: Vec<usize>, output: Vec<usize>, filter: Option<Expr>) -> Plan {
    let types: Vec<LogicalType> =
        output.iter().map(|&c| table.definition().columns[columns[c]].ty.clone()).collect();
    node(&types, PlanNode::TableScan { table: table.clone(), columns, output, lengths: vec![], filter })
}

fn compare(op: CompareOp, column: usize, ty: LogicalType, value: Scalar) -> Expr {
    Expr::Compare {
        op,
        left: Box::new(Expr::column(column, ty.clone())),
        right: Box::new(Expr::literal(value, ty)),
    }
}

fn sample(n: i64) -> (Vec<LogicalType>, Vec<ArrayRef>) {
    let names: Vec<String> = (0..n).map(|i| format!("name number {}", i % 50)).collect();
    (
        vec![BigInt, BigInt, Varchar],
        vec![
            ints((0..n).map(Some)),
            ints((0..n).map(|i| (i % 9 != 0).then_some(i * 7919 % 1000))),
            texts(names.iter().map(|s| Some(s.as_str()))),
        ],
    )
}

#[test]
fn what_is_written_is_read_in_order() {
    let (types, columns) = sample(23_000);
    let whole = Batch::new(columns.clone(), 23_000);
    let expected: Vec<String> = (0..23_000).map(|i| row_text(&whole, i)).collect();
    for threads in THREADS {
        for size in [70, 5000, 12_000] {
            let table = table(&types, cut(&columns, 23_000, size), threads);
            assert_eq!(table.row_group_count(), 5);
            assert!(rows(scan(&table, vec![0, 1, 2], vec![0, 1, 2], None), threads) == expected);
        }
        let plan = scan(&table(&types, vec![], 1), vec![0], vec![0], None);
        assert!(rows(plan, threads).is_empty());
    }
}

#[test]
fn statistics_skip_row_groups_and_blocks() {
    let (types, columns) = sample(23_000);
    let table = table(&types, cut(&columns, 23_000, 1000), 1);
    for threads in THREADS {
        let filter = Expr::And(vec![
            compare(CompareOp::GtEq, 0, BigInt, Scalar::Int(6_000)),
            compare(CompareOp::Lt, 0, BigInt, Scalar::Int(6_010)),
        ]);
        let context = context(threads);
        let (got, error) = run(scan(&table, vec![0, 1], vec![1], Some(filter)), &context);
        assert!(error.is_none());
        assert_eq!(got.len(), 10);
        assert_eq!(context.counters.row_groups_skipped.load(Ordering::Relaxed), 4);
        assert_eq!(context.counters.blocks_skipped.load(Ordering::Relaxed), 2);
        assert_eq!(context.counters.rows_scanned.load(Ordering::Relaxed), 2048);
    }
}

#[test]
fn row_groups_that_need_not_be_read_are_no_work_for_another_thread() {
    let (types, columns) = sample(23_000);
    let table = table(&types, cut(&columns, 23_000, 1000), 1);
    let context = context(2);
    let scan_of = |from: i128, to: i128| {
        let filter = Expr::And(vec![
            compare(CompareOp::GtEq, 0, BigInt, Scalar::Int(from)),
            compare(CompareOp::Lt, 0, BigInt, Scalar::Int(to)),
        ]);
        let columns = super::ScanColumns { columns: vec![0], output: vec![0], lengths: vec![] };
        super::table_scan(0, table.clone(), columns, Some(filter), vec![], &context).expect("a scan")
    };
    // What is left before each morsel, and how many rows it has.
    let steps = |scan: Arc<dyn crate::exec::source::SourceScan>| {
        let mut steps = vec![];
        loop {
            let left = scan.morsels_left();
            let Some(morsel) = scan.next_morsel().expect("a morsel") else { return steps };
            assert_eq!(morsel.sequence, steps.len() as u64);
            let rows = morsel.batches.map(|batch| batch.expect("a batch").rows).sum::<usize>();
            steps.push((left.expect("it is known"), rows));
        }
    };
    assert_eq!(steps(scan_of(6_000, 6_010)), [(0, 0), (0, 10), (0, 0), (0, 0), (0, 0)]);
    assert_eq!(steps(scan_of(-5, -1)), [(0, 0); 5]);
    assert_eq!(steps(scan_of(9_990, 10_005)), [(5, 0), (4, 10), (3, 5), (0, 0), (0, 0)]);
    assert_eq!(steps(scan_of(0, 30_000)), [(5, 5000), (4, 5000), (3, 5000), (2, 5000), (1, 3000)]);
}

#[test]
fn a_scan_without_columns_counts() {
    let (types, columns) = sample(12_345);
    let table = table(&types, cut(&columns, 12_345, 1000), 1);
    for threads in THREADS {
        assert_eq!(rows(scan(&table, vec![], vec![], None), threads).len(), 12_345);
        let filter = less_than(0, 777);
        assert_eq!(rows(scan(&table, vec![0], vec![], Some(filter)), threads).len(), 777);
    }
}

#[test]
fn whole_aggregates_come_from_statistics() {
    let (types, columns) = sample(12_345);
    let table = table(&types, cut(&columns, 12_345, 1000), 1);
    let plan = || {
        node(
            &[BigInt, BigInt],
            PlanNode::Aggregate {
                input: Box::new(scan(&table, vec![0, 1], vec![1], None)),
                group_by: vec![],
                first: None,
                aggregates: vec![
                    named("count", Simple::Count, vec![]),
                    named("count", Simple::Count, vec![int_column(0)]),
                ],
            },
        )
    };
    let context = context(2);
    let nulls = 12_345usize.div_ceil(9);
    assert_eq!(run(plan(), &context).0, [format!("12345|{}", 12_345 - nulls)]);
    assert_eq!(context.counters.rows_scanned.load(Ordering::Relaxed), 0);
}

fn named(name: &'static str, kind: Simple, args: Vec<Expr>) -> crate::exec::expr::AggregateCall {
    let mut call = call(kind, args);
    let old = call.function;
    call.function = Arc::new(crate::exec::aggregates::AggregateFunction {
        name,
        arg_types: old.arg_types.clone(),
        return_type: old.return_type.clone(),
        order_sensitive: false,
        new_states: Box::new(move || (old.new_states)()),
    });
    call
}

#[test]
fn a_top_n_tells_the_scan() {
    let (types, columns) = sample(23_000);
    let table = table(&types, cut(&columns, 23_000, 1000), 1);
    let plan = node(
        &[BigInt, BigInt],
        PlanNode::TopN {
            input: Box::new(scan(&table, vec![0, 1], vec![0, 1], None)),
            keys: vec![sort_key(int_column(0), false, false)],
            limit: 3,
            offset: 0,
        },
    );
    let context = Arc::new(ExecContext::new(1, 1 << 30, CancelToken::default()));
    assert_eq!(run(plan, &context).0, ["0|NULL", "1|919", "2|838"]);
    assert!(context.counters.row_groups_skipped.load(Ordering::Relaxed) > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn filters_as_a_loop_does(
        conditions in prop::collection::vec((0usize..3, 0usize..8, 0i64..1000), 1..4),
        disjunction in any::<bool>(),
        output in prop::sample::subsequence(vec![0usize, 1, 2], 0..=3),
        threads in 1usize..4,
    ) {
        const N: i64 = 11_000;
        use std::sync::OnceLock;
        static TABLE: OnceLock<Arc<TableSnapshot>> = OnceLock::new();
        let (types, columns) = sample(N);
        let table = TABLE.get_or_init(|| table(&types, cut(&columns, N as usize, 1000), 1));
        const OPS: [CompareOp; 8] = [
            CompareOp::Eq, CompareOp::NotEq, CompareOp::Lt, CompareOp::LtEq, CompareOp::Gt, CompareOp::GtEq,
            CompareOp::DistinctFrom, CompareOp::NotDistinctFrom,
        ];
        let exprs: Vec<Expr> = conditions
            .iter()
            .map(|&(column, op, value)| {
                let literal = match column {
                    0 => Scalar::Int((value * 11).into()),
                    1 => Scalar::Int(value.into()),
                    _ => Scalar::text(format!("name number {}", value % 60)),
                };
                compare(OPS[op], column, types[column].clone(), literal)
            })
            .collect();
        let filter = match exprs.len() {
            1 => exprs[0].clone(),
            _ if disjunction => Expr::Or(exprs.clone()),
            _ => Expr::And(exprs.clone()),
        };
        let whole = Batch::new(columns, N as usize);
        let mask = crate::exec::eval::evaluate_predicate(&filter, &whole, &context(1)).expect("a mask");
        let projected = Batch::new(output.iter().map(|&c| whole.columns[c].clone()).collect(), N as usize);
        let expected: Vec<String> =
            mask.values().set_indices().map(|row| row_text(&projected, row)).collect();
        let plan = scan(table, vec![0, 1, 2], output, Some(filter));
        prop_assert!(rows(plan, threads) == expected);
    }
}

fn newest(
    table: &Arc<TableSnapshot>,
    key: usize,
    time: usize,
    name: &'static str,
    filter: Option<Expr>,
) -> Plan {
    let types: Vec<LogicalType> = table.definition().columns.iter().map(|c| c.ty.clone()).collect();
    let input = scan(table, (0..types.len()).collect(), vec![key, time], filter);
    let argument = crate::exec::functions::ArgInfo { ty: BigInt, literal: None };
    let function = crate::exec::aggregates::bind_aggregate(name, &[argument], false).expect("an aggregate");
    let mut call = call(Simple::Sum, vec![int_column(1)]);
    call.function = function;
    node(
        &[types[key].clone(), BigInt],
        PlanNode::Aggregate {
            input: Box::new(input),
            group_by: vec![Expr::column(0, types[key].clone())],
            aggregates: vec![call],
            first: None,
        },
    )
}

#[test]
fn the_newest_of_each_key_is_found_without_the_rest() {
    let (types, columns) = sample(23_000);
    let table = table(&types, cut(&columns, 23_000, 1000), 1);
    for threads in THREADS {
        for (name, first) in [("max", 22_950), ("min", 0)] {
            let context = context(threads);
            let (got, error) = run(newest(&table, 2, 0, name, None), &context);
            assert!(error.is_none());
            let expected = (0..50).map(|i| format!("name number {i}|{}", first + i)).collect();
            assert_eq!(sorted(got), sorted(expected));
            // A block has all keys.
            assert_eq!(context.counters.row_groups_skipped.load(Ordering::Relaxed), 4);
            assert!(context.counters.rows_scanned.load(Ordering::Relaxed) <= 2048);
        }
    }
}

#[test]
fn a_key_that_ended_long_ago_is_looked_for_where_it_is() {
    let n = 30_000;
    let name = |i: i64| if i / 5000 == 1 && i % 50 == 7 { "gone" } else { "here" };
    let names: Vec<&str> = (0..n).map(name).collect();
    let types = [BigInt, Varchar];
    let columns = [ints((0..n).map(Some)), texts(names.into_iter().map(Some))];
    let table = table(&types, cut(&columns, n as usize, 1000), 1);
    let context = context(1);
    let (got, _) = run(newest(&table, 1, 0, "max", None), &context);
    assert_eq!(sorted(got), ["gone|9957", "here|29999"]);
    // Of the newest row group a block, of the one that has the key a block.
    assert_eq!(context.counters.row_groups_skipped.load(Ordering::Relaxed), 4);
    assert!(context.counters.rows_scanned.load(Ordering::Relaxed) <= 2 * 2048);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_newest_are_those_that_a_loop_finds(
        rows in prop::collection::vec((0usize..6, prop::option::weighted(0.9, 0i64..400)), 1..60),
        spread in 1i64..2000,
        by_text in any::<bool>(),
        greatest in any::<bool>(),
        bound in prop::option::of(0i64..400),
        threads in 1usize..3,
    ) {
        // The pattern over and over, the times rising slowly and falling back.
        const N: usize = 16_000;
        const NAMES: [Option<&str>; 6] = [Some("a"), Some("b"), None, Some("a longer name than most"), Some("e"), Some("")];
        let at = |i: usize| rows[(i / 7 + i) % rows.len()];
        let time = |i: usize| at(i).1.map(|t| t + i as i64 / spread * 10);
        let key = |i: usize| at(i).0.min(i / 2500);
        let names: Vec<Option<&str>> = (0..N).map(|i| NAMES[key(i)]).collect();
        let types = [BigInt, Varchar, BigInt];
        let columns = [
            ints((0..N).map(time)),
            texts(names.iter().copied()),
            ints((0..N).map(|i| (key(i) != 2).then_some(key(i) as i64))),
        ];
        let table = table(&types, cut(&columns, N, 1000), 1);
        let name = if greatest { "max" } else { "min" };
        let filter = bound.map(|bound| less_than(0, bound));
        let mut expected: std::collections::BTreeMap<usize, Option<i64>> = std::collections::BTreeMap::new();
        for i in 0..N {
            if bound.is_some_and(|bound| time(i).is_none_or(|t| t >= bound)) {
                continue;
            }
            let best = expected.entry(key(i)).or_default();
            *best = match (*best, time(i)) {
                (Some(a), Some(b)) => Some(if greatest { a.max(b) } else { a.min(b) }),
                (a, b) => a.or(b),
            };
        }
        let text = |key: usize| match (by_text, key) {
            (_, 2) => "NULL".to_owned(),
            (true, key) => NAMES[key].unwrap_or_default().to_owned(),
            (false, key) => key.to_string(),
        };
        let number = |n: Option<i64>| n.map_or("NULL".to_owned(), |n| n.to_string());
        let expected = expected.into_iter().map(|(key, best)| format!("{}|{}", text(key), number(best)));
        // Twice, as what was learned of the row groups is kept.
        let expected = sorted(expected.collect());
        for _ in 0..2 {
            let plan = newest(&table, if by_text { 1 } else { 2 }, 0, name, filter.clone());
            prop_assert_eq!(sorted(super::tests::rows(plan, threads)), expected.clone());
        }
    }
}
