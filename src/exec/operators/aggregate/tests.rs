use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use proptest::prelude::*;

use crate::column::types::LogicalType::{self, *};
use crate::exec::expr::{AggregateCall, Expr};
use crate::exec::plan::{Plan, PlanNode};
use crate::exec::testing::*;

fn aggregate(input: Plan, keys: Vec<Expr>, calls: Vec<AggregateCall>) -> Plan {
    first_groups(input, keys, calls, None)
}

fn first_groups(input: Plan, keys: Vec<Expr>, calls: Vec<AggregateCall>, first: Option<u64>) -> Plan {
    let types: Vec<LogicalType> =
        keys.iter().map(Expr::ty).chain(calls.iter().map(|c| c.ty.clone())).collect();
    node(&types, PlanNode::Aggregate { input: Box::new(input), group_by: keys, aggregates: calls, first })
}

fn source(types: &[LogicalType], columns: &[ArrayRef], size: usize) -> Plan {
    TestSource::new(types, cut(columns, columns[0].len(), size)).plan()
}

#[test]
fn no_keys_no_rows_is_one_row() {
    for threads in THREADS {
        let plan = aggregate(
            TestSource::new(&[BigInt], vec![]).plan(),
            vec![],
            vec![call(Simple::Count, vec![]), call(Simple::Sum, vec![int_column(0)])],
        );
        assert_eq!(rows(plan, threads), ["0|NULL"]);
    }
}

#[test]
fn keys_without_rows_are_no_row() {
    for threads in THREADS {
        let plan = aggregate(
            TestSource::new(&[BigInt], vec![]).plan(),
            vec![int_column(0)],
            vec![call(Simple::Count, vec![])],
        );
        assert!(rows(plan, threads).is_empty());
    }
}

#[test]
fn nulls_zeros_and_nans_are_one_group_each() {
    let values = floats([Some(0.0), Some(-0.0), None, Some(f64::NAN), Some(-f64::NAN), None, Some(1.0)]);
    for threads in THREADS {
        let plan = aggregate(
            source(&[Double], std::slice::from_ref(&values), 2),
            vec![Expr::column(0, Double)],
            vec![call(Simple::Count, vec![])],
        );
        assert_eq!(sorted(rows(plan, threads)), ["0.0|2", "1.0|1", "NULL|2", "NaN|2"]);
    }
}

#[test]
fn dictionaries_of_several_batches() {
    let batches = vec![
        crate::exec::batch::Batch::new(vec![dictionary([Some("a"), Some("b"), None, Some("a")])], 4),
        crate::exec::batch::Batch::new(vec![dictionary([Some("b"), None, Some("longer than a view")])], 3),
        crate::exec::batch::Batch::new(vec![texts([Some("longer than a view"), Some("a")])], 2),
    ];
    for threads in THREADS {
        for keys in [vec![text_column(0)], vec![text_column(0), text_column(0)]] {
            let width = keys.len();
            let plan = aggregate(
                TestSource::new(&[Varchar], batches.clone()).plan(),
                keys,
                vec![call(Simple::Count, vec![])],
            );
            let expected: Vec<String> = [("NULL", 2), ("a", 3), ("b", 2), ("longer than a view", 2)]
                .iter()
                .map(|(k, n)| format!("{}|{n}", vec![*k; width].join("|")))
                .collect();
            assert_eq!(sorted(rows(plan, threads)), expected);
        }
    }
}

#[test]
fn many_groups_are_merged_by_partitions() {
    let n = 200_000i64;
    let keys = ints((0..n).map(|i| Some(i * 7919 % 90_001 * 1_000_003)));
    let values = ints((0..n).map(Some));
    for threads in THREADS {
        for extra in [false, true] {
            let mut distinct = call(Simple::Count, vec![int_column(0)]);
            distinct.distinct = true;
            let mut group_by = vec![int_column(0)];
            if extra {
                group_by.push(text_column(2));
            }
            let label = texts(vec![Some("the same long text"); n as usize]);
            let plan = aggregate(
                source(&[BigInt, BigInt, Varchar], &[keys.clone(), values.clone(), label], 5_000),
                group_by,
                vec![call(Simple::Count, vec![]), call(Simple::Sum, vec![int_column(1)]), distinct],
            );
            let got = rows(plan, threads);
            assert_eq!(got.len(), 90_001);
            let mut sums = BTreeMap::new();
            for i in 0..n {
                let e = sums.entry(i * 7919 % 90_001 * 1_000_003).or_insert((0, 0));
                e.0 += 1;
                e.1 += i;
            }
            let label = if extra { "the same long text|" } else { "" };
            let expected: Vec<String> =
                sums.iter().map(|(k, (c, s))| format!("{k}|{label}{c}|{s}|1")).collect();
            assert_eq!(sorted(got), sorted(expected));
        }
    }
}

#[test]
fn dense_keys_are_merged_by_range() {
    // Two workers see every second key each, all in one array; and NULL.
    let n = 300_000i64;
    let keys = ints((0..n).map(|i| (i % 1000 != 7).then_some(i / 2 * 5 - 40_000)));
    let values = ints((0..n).map(Some));
    let mut expected: BTreeMap<Option<i64>, (i64, i64)> = BTreeMap::new();
    for i in 0..n {
        let e = expected.entry((i % 1000 != 7).then_some(i / 2 * 5 - 40_000)).or_default();
        *e = (e.0 + 1, e.1 + i);
    }
    let expected: Vec<String> = expected
        .into_iter()
        .map(|(k, (count, sum))| format!("{}|{count}|{sum}", k.map_or("NULL".into(), |k| k.to_string())))
        .collect();
    for threads in THREADS {
        let plan = aggregate(
            source(&[BigInt, BigInt], &[keys.clone(), values.clone()], 2_000),
            vec![int_column(0)],
            vec![call(Simple::Count, vec![]), call(Simple::Sum, vec![int_column(1)])],
        );
        assert_eq!(sorted(rows(plan, threads)), sorted(expected.clone()));
    }
}

#[test]
fn distinct_arguments_are_laid_out_before_there_are_too_many_groups() {
    // First few groups of many arguments, each twice, then many groups.
    let few = 150_000i64;
    let many = 200_000i64;
    let key = |i: i64| if i < few { i % 5_000 * 1_000_003 } else { i * 1_000_003 };
    let keys = ints((0..few + many).map(|i| Some(key(i))));
    for narrow in [false, true] {
        let value = |i: i64| if i < few { i / 2 * if narrow { 1 } else { 7_000_000_003 } } else { i % 3 };
        let mut expected: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        (0..few + many).for_each(|i| {
            expected.entry(key(i)).or_default().insert(value(i));
        });
        let expected: Vec<String> = expected.into_iter().map(|(k, v)| format!("{k}|{}", v.len())).collect();
        for threads in THREADS {
            let ty = if narrow { Integer } else { BigInt };
            let values: ArrayRef = if narrow {
                Arc::new(arrow_array::Int32Array::from_iter_values((0..few + many).map(|i| value(i) as i32)))
            } else {
                ints((0..few + many).map(|i| Some(value(i))))
            };
            let mut distinct = call(Simple::Count, vec![Expr::column(1, ty.clone())]);
            distinct.distinct = true;
            let plan = aggregate(
                source(&[BigInt, ty], &[keys.clone(), values], 2_000),
                vec![int_column(0)],
                vec![distinct],
            );
            assert_eq!(sorted(rows(plan, threads)), sorted(expected.clone()));
        }
    }
}

#[test]
fn rows_that_repeat_others_of_their_batch_are_counted() {
    // Each key some times near each other, and all of them again; one in a hundred is NULL.
    let keys = 150_000i64;
    let key = |i: i64| (i / 7 * 3 + i % 3) % keys;
    let column = |i: i64| (key(i) % 100 != 7).then_some(key(i) * 1_000_003);
    let rows_in = 900_000;
    let mut expected: BTreeMap<Option<i64>, (i64, i64)> = BTreeMap::new();
    for i in 0..rows_in {
        let e = expected.entry(column(i)).or_default();
        *e = (e.0 + 1, e.1 + i64::from(i % 5 != 0));
    }
    let distinct_keys = expected.keys().flatten().count();
    let expected: Vec<String> = expected
        .into_iter()
        .map(|(k, (all, some))| format!("{}|{all}|{some}", k.map_or("NULL".into(), |k| k.to_string())))
        .collect();
    let keys = ints((0..rows_in).map(column));
    let values = ints((0..rows_in).map(|i| (i % 5 != 0).then_some(1)));
    for threads in THREADS {
        let plan = aggregate(
            source(&[BigInt, BigInt], &[keys.clone(), values.clone()], 2_000),
            vec![int_column(0)],
            vec![call(Simple::Count, vec![]), call(Simple::Count, vec![int_column(1)])],
        );
        assert_eq!(sorted(rows(plan, threads)), sorted(expected.clone()));
        let mut distinct = call(Simple::Count, vec![int_column(0)]);
        distinct.distinct = true;
        let plan = aggregate(source(&[BigInt], &[keys.clone()], 2_000), vec![], vec![distinct]);
        assert_eq!(rows(plan, threads), [distinct_keys.to_string()]);
    }
}

#[test]
fn distinct_filter_and_order() {
    let n = 10_000;
    let a = ints((0..n).map(|i| (i % 11 != 0).then_some(i % 97)));
    let names: Vec<String> = (0..n).map(|i| format!("n{}", i % 13)).collect();
    let t = texts(names.iter().map(|s| Some(s.as_str())));
    for threads in THREADS {
        let mut distinct_count = call(Simple::Count, vec![int_column(0)]);
        distinct_count.distinct = true;
        let mut distinct_sum = call(Simple::Sum, vec![int_column(0)]);
        distinct_sum.distinct = true;
        distinct_sum.filter = Some(less_than(0, 50));
        let mut filtered = call(Simple::Count, vec![]);
        filtered.filter = Some(less_than(0, 3));
        let mut ordered = call(Simple::Texts, vec![text_column(1)]);
        ordered.distinct = true;
        ordered.order_by = vec![sort_key(text_column(1), true, false)];
        let plan = aggregate(
            source(&[BigInt, Varchar], &[a.clone(), t.clone()], 1000),
            vec![],
            vec![distinct_count, distinct_sum, filtered, ordered],
        );
        let few = (0..n).filter(|i| i % 11 != 0 && i % 97 < 3).count();
        let order: String = names.iter().collect::<BTreeSet<_>>().into_iter().rev().cloned().collect();
        assert_eq!(rows(plan, threads), [format!("97|{}|{few}|{order}", (0..50).sum::<i64>())]);
    }
}

#[test]
fn order_sensitive_sees_the_source_order() {
    let names: Vec<String> = (0..5000).map(|i| format!("{i},")).collect();
    let t = texts(names.iter().map(|s| Some(s.as_str())));
    for threads in THREADS {
        let plan = aggregate(
            source(&[Varchar], std::slice::from_ref(&t), 100),
            vec![],
            vec![call(Simple::Texts, vec![text_column(0)])],
        );
        assert_eq!(rows(plan, threads), [names.concat()]);
    }
}

#[test]
fn memory_limit_is_an_error() {
    let keys = ints((0..100_000).map(|i| Some(i * 1_000_003)));
    let plan = aggregate(source(&[BigInt], &[keys], 2048), vec![int_column(0)], vec![]);
    let context = Arc::new(crate::exec::context::ExecContext::new(
        2,
        100_000,
        crate::exec::context::CancelToken::default(),
    ));
    let (_, error) = run(plan, &context);
    assert!(matches!(error, Some(crate::exec::error::ExecError::OutOfMemory(_))), "{error:?}");
    assert_eq!(context.memory.used(), 0);
}

fn key_type(t: usize) -> LogicalType {
    [BigInt, Varchar, Double, List(Box::new(BigInt))][t % 4].clone()
}

/// Values 0..5 or NULL in the layout of a type.
fn key_array(t: usize, values: &[Option<u8>]) -> ArrayRef {
    const TEXTS: [&str; 6] = ["", "a", "twelve bytes", "thirteen byte", "thirteen bytE", "z"];
    match t % 4 {
        0 => ints(values.iter().map(|v| v.map(|v| i64::from(v) * if t > 3 { i64::MAX / 7 } else { 1 }))),
        1 if t > 3 => dictionary(values.iter().map(|v| v.map(|v| TEXTS[v as usize]))),
        1 => texts(values.iter().map(|v| v.map(|v| TEXTS[v as usize]))),
        2 => floats(values.iter().map(|v| v.map(|v| f64::from(v) / 2.0))),
        _ => {
            let mut list = arrow_array::builder::ListBuilder::new(arrow_array::builder::Int64Builder::new());
            for v in values {
                match v {
                    None => list.append_null(),
                    Some(v) => {
                        (0..*v).for_each(|x| list.values().append_value(x.into()));
                        list.append(true);
                    }
                }
            }
            Arc::new(list.finish())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn groups_like_a_map(
        types in prop::collection::vec(0usize..8, 1..6),
        rows_in in prop::collection::vec((prop::collection::vec(prop::option::of(0u8..6), 6), 0i64..100), 0..300),
        threads in 1usize..4,
        size in 1usize..70,
    ) {
        let n = rows_in.len();
        let mut columns: Vec<ArrayRef> = types
            .iter()
            .enumerate()
            .map(|(c, &t)| key_array(t, &rows_in.iter().map(|r| r.0[c]).collect::<Vec<_>>()))
            .collect();
        columns.push(ints(rows_in.iter().map(|r| Some(r.1))));
        let mut schema: Vec<LogicalType> = types.iter().map(|&t| key_type(t)).collect();
        let keys: Vec<Expr> = schema.iter().enumerate().map(|(i, t)| Expr::column(i, t.clone())).collect();
        schema.push(BigInt);
        let value = int_column(types.len());
        let mut distinct = call(Simple::Count, vec![value.clone()]);
        distinct.distinct = true;
        let plan = aggregate(
            TestSource::new(&schema, cut(&columns, n, size)).plan(),
            keys,
            vec![call(Simple::Count, vec![]), call(Simple::Sum, vec![value]), distinct],
        );
        let whole = crate::exec::batch::Batch::new(columns[..types.len()].to_vec(), n);
        let mut expected: BTreeMap<String, (i64, i64, BTreeSet<i64>)> = BTreeMap::new();
        for (row, r) in rows_in.iter().enumerate() {
            let e = expected.entry(row_text(&whole, row)).or_default();
            e.0 += 1;
            e.1 += r.1;
            e.2.insert(r.1);
        }
        let expected: Vec<String> =
            expected.into_iter().map(|(k, (c, s, d))| format!("{k}|{c}|{s}|{}", d.len())).collect();
        prop_assert_eq!(sorted(rows(plan, threads)), sorted(expected));
    }
}

#[test]
fn groups_that_are_kept_have_all_their_rows() {
    let keys: Vec<i64> = (0..60_000).map(|i| i * 7919 % 5000).collect();
    let names: Vec<String> = keys.iter().map(|k| format!("the text of number {k}")).collect();
    let columns = [ints(keys.iter().copied().map(Some)), texts(names.iter().map(|name| Some(name.as_str())))];
    let types = [BigInt, Varchar];
    for threads in THREADS {
        // Fewer groups than asked for, and more.
        for (most, least) in [(1, 1), (20, 20), (4096, 4096), (4999, 4999), (1 << 40, 5000)] {
            let keys = vec![int_column(0), text_column(1)];
            let count = vec![call(Simple::Count, vec![])];
            let found = rows(first_groups(source(&types, &columns, 512), keys, count, Some(most)), threads);
            assert!(found.len() >= least, "{} of {most}", found.len());
            assert!(found.iter().all(|row| row.ends_with("|12")), "{most}");
            let keys = vec![int_column(0), text_column(1)];
            let found = rows(first_groups(source(&types, &columns, 512), keys, vec![], Some(most)), threads);
            assert!(found.len() >= least, "{} of {most}", found.len());
            let distinct: BTreeSet<&String> = found.iter().collect();
            assert_eq!(distinct.len(), found.len());
        }
    }
}
