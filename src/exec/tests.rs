//! Whole plans: order, early ends, errors, cancellation, panics.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType::*;
use crate::exec::batch::Batch;
use crate::exec::context::{CancelToken, ExecContext};
use crate::exec::error::{ExecError, Result};
use crate::exec::execute;
use crate::exec::expr::Expr;
use crate::exec::plan::{Plan, PlanNode};
use crate::exec::profile::Profile;
use crate::exec::source::Sink;
use crate::exec::testing::*;

fn numbers(n: i64, size: usize) -> TestSource {
    TestSource::new(&[BigInt], cut(&[ints((0..n).map(Some))], n as usize, size))
}

fn texts_of(range: std::ops::Range<i64>) -> Vec<String> {
    range.map(|i| i.to_string()).collect()
}

fn filter(input: Plan, predicate: Expr) -> Plan {
    Plan {
        schema: input.schema.clone(),
        node: PlanNode::Filter { input: Box::new(input), predicate },
        estimated_rows: None,
    }
}

fn limit(input: Plan, limit: Option<u64>, offset: u64) -> Plan {
    Plan {
        schema: input.schema.clone(),
        node: PlanNode::Limit { input: Box::new(input), limit, offset },
        estimated_rows: None,
    }
}

fn project(input: Plan, exprs: Vec<Expr>) -> Plan {
    node(&exprs.iter().map(Expr::ty).collect::<Vec<_>>(), PlanNode::Project { input: Box::new(input), exprs })
}

#[test]
fn rows_come_in_the_order_of_the_source() {
    for threads in THREADS {
        let plan = filter(numbers(50_000, 77).plan(), less_than(0, 40_000));
        assert!(rows(plan, threads) == texts_of(0..40_000));
    }
}

#[test]
fn a_limit_ends_the_scan() {
    for threads in THREADS {
        let source = numbers(1_000_000, 100);
        let drawn = source.drawn.clone();
        assert_eq!(rows(limit(source.plan(), Some(10), 250), threads), texts_of(250..260));
        assert!(
            drawn.load(Ordering::SeqCst) < 2000,
            "{} of 10000 morsels drawn",
            drawn.load(Ordering::SeqCst)
        );
    }
}

#[test]
fn a_limit_in_the_middle() {
    for threads in THREADS {
        let source = numbers(1_000_000, 100);
        let drawn = source.drawn.clone();
        let plan = project(limit(source.plan(), Some(1000), 12_345), vec![int_column(0), int_column(0)]);
        let expected: Vec<String> = (12_345..13_345).map(|i| format!("{i}|{i}")).collect();
        assert_eq!(rows(plan, threads), expected);
        assert!(drawn.load(Ordering::SeqCst) < 2000);
        let plan = project(limit(numbers(1000, 10).plan(), None, 995), vec![int_column(0)]);
        assert_eq!(rows(plan, threads), texts_of(995..1000));
        assert!(rows(limit(numbers(1000, 10).plan(), Some(0), 0), threads).is_empty());
        assert!(rows(limit(numbers(1000, 10).plan(), Some(5), 1000), threads).is_empty());
    }
}

#[test]
fn dropping_the_stream_ends_the_workers() {
    for threads in THREADS {
        let source = numbers(2_000_000, 100);
        let drawn = source.drawn.clone();
        let mut stream = execute(source.plan(), context(threads)).expect("starts");
        stream.next().expect("a batch").expect("no error");
        drop(stream);
        let after = drawn.load(Ordering::SeqCst);
        assert!(after < 2000, "{after} of 20000 morsels drawn");
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(drawn.load(Ordering::SeqCst), after, "a worker goes on");
    }
}

#[test]
fn a_slow_consumer_bounds_what_is_buffered() {
    let source = numbers(2_000_000, 100);
    let drawn = source.drawn.clone();
    let mut stream = execute(source.plan(), context(4)).expect("starts");
    stream.next().expect("a batch").expect("no error");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(drawn.load(Ordering::SeqCst) < 1000, "{} morsels drawn", drawn.load(Ordering::SeqCst));
    let rest: usize = stream.map(|b| b.expect("no error").rows).sum();
    assert_eq!(rest, 2_000_000 - 100);
}

#[test]
fn errors_and_panics_end_the_stream() {
    for threads in THREADS {
        for end in [End::Error, End::Panic] {
            for breaker in [false, true] {
                let mut plan = numbers(10_000, 100).ending(end).plan();
                if breaker {
                    plan = Plan {
                        schema: plan.schema.clone(),
                        node: PlanNode::Sort {
                            input: Box::new(plan),
                            keys: vec![sort_key(int_column(0), true, false)],
                        },
                        estimated_rows: None,
                    };
                }
                let context = context(threads);
                let mut stream = execute(plan, context.clone()).expect("starts");
                let error = stream.by_ref().find_map(Result::err).expect("an error");
                match (end, error) {
                    (End::Error, ExecError::Io(m)) => assert_eq!(m, "the source is broken"),
                    (End::Panic, ExecError::Internal(m)) => assert!(m.contains("fell over"), "{m}"),
                    (_, e) => panic!("{e}"),
                }
                assert!(stream.next().is_none());
                drop(stream);
                assert_eq!(context.memory.used(), 0);
            }
        }
    }
}

#[test]
fn cancelling_ends_the_stream() {
    for threads in THREADS {
        let cancel = CancelToken::default();
        let context = Arc::new(ExecContext::new(threads, 1 << 30, cancel.clone()));
        let mut stream = execute(numbers(2_000_000, 100).plan(), context).expect("starts");
        stream.next().expect("a batch").expect("no error");
        cancel.cancel();
        assert!(matches!(stream.find_map(Result::err), Some(ExecError::Cancelled)));
    }
}

#[test]
fn unions_keep_the_order_of_their_inputs() {
    for threads in THREADS {
        let union = node(
            &[BigInt],
            PlanNode::UnionAll {
                inputs: vec![
                    filter(numbers(5000, 70).plan(), less_than(0, 3000)),
                    numbers(0, 1).plan(),
                    limit(numbers(5000, 70).plan(), Some(100), 4000),
                    numbers(1000, 30).plan(),
                ],
            },
        );
        let expected = [texts_of(0..3000), texts_of(4000..4100), texts_of(0..1000)].concat();
        assert!(rows(union, threads) == expected);
    }
}

#[test]
fn values_with_and_without_columns() {
    let literal = |v: i64| Expr::literal(Scalar::Int(v.into()), BigInt);
    let plan = node(&[BigInt], PlanNode::Values { rows: vec![vec![literal(1)], vec![literal(2)]] });
    assert_eq!(rows(plan, 4), ["1", "2"]);
    let plan = node(&[], PlanNode::Values { rows: vec![vec![], vec![], vec![]] });
    let count = PlanNode::Aggregate {
        input: Box::new(plan),
        group_by: vec![],
        aggregates: vec![call(Simple::Count, vec![])],
        first: None,
    };
    assert_eq!(rows(node(&[BigInt], count), 4), ["3"]);
}

#[test]
fn batches_without_columns_keep_their_rows() {
    for threads in THREADS {
        let none = project(numbers(1000, 30).plan(), vec![]);
        let sorted = node(&[], PlanNode::Sort { input: Box::new(none), keys: vec![] });
        let limited = limit(sorted, Some(900), 50);
        let count = PlanNode::Aggregate {
            input: Box::new(limited),
            group_by: vec![],
            aggregates: vec![call(Simple::Count, vec![])],
            first: None,
        };
        assert_eq!(rows(node(&[BigInt], count), threads), ["900"]);
    }
}

#[derive(Debug, Default)]
struct CheckedSink(parking_lot::Mutex<std::collections::BTreeMap<u64, usize>>);

impl Sink for CheckedSink {
    fn describe(&self) -> String {
        "TEST".into()
    }

    fn push(&self, sequence: u64, batches: Vec<Batch>) -> Result<()> {
        let rows = batches.iter().map(|b| b.rows).sum();
        assert!(self.0.lock().insert(sequence, rows).is_none());
        Ok(())
    }

    fn finish(&self) -> Result<u64> {
        Ok(self.0.lock().values().sum::<usize>() as u64)
    }
}

#[test]
fn a_sink_gets_each_morsel_once() {
    for threads in THREADS {
        let sink = Arc::new(CheckedSink::default());
        let input = filter(numbers(10_000, 100).plan(), less_than(0, 5_050));
        let plan = node(&[BigInt], PlanNode::Write { input: Box::new(input), sink: sink.clone() });
        assert_eq!(rows(plan, threads), ["5050"]);
        assert!(sink.0.lock().keys().copied().eq(0..100));
    }
}

#[test]
fn a_profile_counts_rows_by_operator() {
    for threads in THREADS {
        let plan = filter(numbers(10_000, 100).plan(), less_than(0, 5_050));
        let mut context = ExecContext::new(threads, 1 << 30, CancelToken::default());
        context.profile = Profile::new(&plan).into();
        let context = Arc::new(context);
        run(plan, &context);
        let profile = context.profile.get().expect("a profile");
        let rows = |id| profile.node(id).map(|n| n.rows.load(Ordering::Relaxed));
        assert_eq!((rows(0), rows(1), rows(2)), (Some(5_050), Some(10_000), None));
        assert_eq!(context.counters.rows_scanned.load(Ordering::Relaxed), 10_000);
    }
}
