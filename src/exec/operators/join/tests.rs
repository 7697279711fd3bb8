use arrow_array::ArrayRef;
use proptest::prelude::*;

use crate::column::types::LogicalType::{self, *};
use crate::exec::error::ExecError;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::plan::{JoinKind, Plan, PlanNode};
use crate::exec::testing::*;

const KINDS: [JoinKind; 10] = [
    JoinKind::Inner,
    JoinKind::Left,
    JoinKind::Right,
    JoinKind::Full,
    JoinKind::LeftSemi,
    JoinKind::LeftAnti,
    JoinKind::RightSemi,
    JoinKind::RightAnti,
    JoinKind::LeftSingle,
    JoinKind::Mark,
];

/// A key, a text key, and a number to compare.
type Row = (Option<i64>, Option<u8>, Option<i64>);

const TEXTS: [&str; 4] = ["a", "b", "a long text, surely", "a long text, surely not"];

fn plan_of(rows: &[Row], size: usize, spread: i64) -> Plan {
    let columns: Vec<ArrayRef> = vec![
        ints(rows.iter().map(|r| r.0.map(|v| v * spread))),
        texts(rows.iter().map(|r| r.1.map(|v| TEXTS[v as usize]))),
        ints(rows.iter().map(|r| r.2)),
    ];
    TestSource::new(&[BigInt, Varchar, BigInt], cut(&columns, rows.len(), size)).plan()
}

fn cells(row: &Row, spread: i64) -> String {
    let int = |v: Option<i64>| v.map_or("NULL".into(), |v| v.to_string());
    let text = row.1.map_or("NULL", |v| TEXTS[v as usize]);
    format!("{}|{text}|{}", int(row.0.map(|v| v * spread)), int(row.2))
}

fn schema_of(kind: JoinKind) -> Vec<LogicalType> {
    let side = [BigInt, Varchar, BigInt];
    match kind {
        JoinKind::LeftSemi | JoinKind::LeftAnti | JoinKind::RightSemi | JoinKind::RightAnti => side.to_vec(),
        JoinKind::Mark => [&side[..], &[Boolean]].concat(),
        _ => [side.clone(), side].concat(),
    }
}

/// Three-valued AND.
fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// What a join yields, pair by pair; `None` if it is an error.
fn naive(
    kind: JoinKind,
    left: &[Row],
    right: &[Row],
    spread: i64,
    condition: impl Fn(&Row, &Row) -> Option<bool>,
) -> Option<Vec<String>> {
    const NULLS: &str = "NULL|NULL|NULL";
    let mut out = vec![];
    let mut right_matched = vec![false; right.len()];
    for l in left {
        let verdicts: Vec<Option<bool>> = right.iter().map(|r| condition(l, r)).collect();
        let partners: Vec<usize> = (0..right.len()).filter(|&i| verdicts[i] == Some(true)).collect();
        for &i in &partners {
            right_matched[i] = true;
        }
        let own = cells(l, spread);
        let pairs = partners.iter().map(|&i| format!("{own}|{}", cells(&right[i], spread)));
        match kind {
            JoinKind::Inner | JoinKind::Right => out.extend(pairs),
            JoinKind::Left | JoinKind::Full | JoinKind::LeftSingle => {
                if kind == JoinKind::LeftSingle && partners.len() > 1 {
                    return None;
                }
                out.extend(pairs);
                if partners.is_empty() {
                    out.push(format!("{own}|{NULLS}"));
                }
            }
            JoinKind::LeftSemi if !partners.is_empty() => out.push(own),
            JoinKind::LeftAnti if partners.is_empty() => out.push(own),
            JoinKind::LeftSemi | JoinKind::LeftAnti | JoinKind::RightSemi | JoinKind::RightAnti => {}
            JoinKind::Mark => {
                let mark = if !partners.is_empty() {
                    "true"
                } else if verdicts.contains(&None) {
                    "NULL"
                } else {
                    "false"
                };
                out.push(format!("{own}|{mark}"));
            }
        }
    }
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        let rest = right.iter().zip(&right_matched).filter(|(_, matched)| !**matched);
        out.extend(rest.map(|(r, _)| format!("{NULLS}|{}", cells(r, spread))));
    }
    if matches!(kind, JoinKind::RightSemi | JoinKind::RightAnti) {
        let wanted = kind == JoinKind::RightSemi;
        let rows = right.iter().zip(&right_matched).filter(|(_, matched)| **matched == wanted);
        out.extend(rows.map(|(r, _)| cells(r, spread)));
    }
    Some(sorted(out))
}

fn check(plan: Plan, threads: usize, expected: Option<Vec<String>>) {
    let context = context(threads);
    let (got, error) = run(plan, &context);
    match expected {
        Some(expected) => {
            assert!(error.is_none(), "{error:?}");
            assert_eq!(sorted(got), expected);
        }
        None => assert!(matches!(error, Some(ExecError::InvalidInput(_))), "{error:?}"),
    }
    assert_eq!(context.memory.used(), 0);
}

fn row() -> impl Strategy<Value = Row> {
    (prop::option::of(0i64..6), prop::option::of(0u8..4), prop::option::of(0i64..4))
}

/// Left number < right number.
fn residual() -> Expr {
    Expr::Compare { op: CompareOp::Lt, left: Box::new(int_column(2)), right: Box::new(int_column(5)) }
}

fn less(l: &Row, r: &Row) -> Option<bool> {
    Some(l.2? < r.2?)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn hash_joins_like_a_double_loop(
        left in prop::collection::vec(row(), 0..40),
        right in prop::collection::vec(row(), 0..15),
        kind in prop::sample::select(KINDS.to_vec()),
        which_keys in 1usize..4,
        with_residual in any::<bool>(),
        null_equals_null in any::<bool>(),
        (threads, left_size, right_size) in (1usize..4, 1usize..20, 1usize..20),
        spread in prop::sample::select(vec![1i64, i64::MAX / 10]),
    ) {
        let mut keys = vec![];
        if which_keys & 1 > 0 {
            keys.push((int_column(0), int_column(0)));
        }
        if which_keys & 2 > 0 {
            keys.push((text_column(1), text_column(1)));
        }
        let equal = |a: Option<i64>, b: Option<i64>| {
            if null_equals_null { Some(a == b) } else { a.zip(b).map(|(a, b)| a == b) }
        };
        let condition = |l: &Row, r: &Row| {
            let mut all = Some(true);
            if which_keys & 1 > 0 {
                all = and(all, equal(l.0, r.0));
            }
            if which_keys & 2 > 0 {
                all = and(all, equal(l.1.map(i64::from), r.1.map(i64::from)));
            }
            if with_residual { and(all, less(l, r)) } else { all }
        };
        let plan = node(&schema_of(kind), PlanNode::HashJoin {
            left: Box::new(plan_of(&left, left_size, spread)),
            right: Box::new(plan_of(&right, right_size, spread)),
            kind,
            keys,
            residual: with_residual.then(residual),
            null_equals_null,
        });
        check(plan, threads, naive(kind, &left, &right, spread, condition));
    }

    #[test]
    fn nested_loops_like_a_double_loop(
        left in prop::collection::vec(row(), 0..40),
        right in prop::collection::vec(row(), 0..15),
        kind in prop::sample::select(KINDS.to_vec()),
        with_predicate in any::<bool>(),
        (threads, left_size, right_size) in (1usize..4, 1usize..20, 1usize..20),
    ) {
        let plan = node(&schema_of(kind), PlanNode::NestedLoopJoin {
            left: Box::new(plan_of(&left, left_size, 1)),
            right: Box::new(plan_of(&right, right_size, 1)),
            kind,
            predicate: with_predicate.then(residual),
        });
        let condition = |l: &Row, r: &Row| if with_predicate { less(l, r) } else { Some(true) };
        check(plan, threads, naive(kind, &left, &right, 1, condition));
    }
}

#[test]
fn large_joins_and_unread_columns() {
    let n = 100_000i64;
    let side = |n: i64, modulus: i64, factor: i64| {
        let columns = [ints((0..n).map(|i| Some(i % modulus * factor))), ints((0..n).map(Some))];
        TestSource::new(&[BigInt, BigInt], cut(&columns, n as usize, 3000)).plan()
    };
    for threads in THREADS {
        for factor in [1, 1_000_003] {
            for kind in [JoinKind::Inner, JoinKind::Full, JoinKind::Right] {
                let join = node(
                    &[const { BigInt }; 4],
                    PlanNode::HashJoin {
                        left: Box::new(side(n, 5000, factor)),
                        right: Box::new(side(20_000, 20_000, factor)),
                        kind,
                        keys: vec![(int_column(0), int_column(0))],
                        residual: None,
                        null_equals_null: false,
                    },
                );
                let plan = node(
                    &[BigInt, BigInt],
                    PlanNode::Aggregate {
                        input: Box::new(join),
                        group_by: vec![],
                        aggregates: vec![call(Simple::Count, vec![]), call(Simple::Sum, vec![int_column(1)])],
                        first: None,
                    },
                );
                let extra = if kind == JoinKind::Inner { 0 } else { 15_000 };
                assert_eq!(rows(plan, threads), [format!("{}|{}", n + extra, n * (n - 1) / 2)]);
            }
        }
    }
}

#[test]
fn an_empty_build_side_skips_the_probe_side() {
    let probe = TestSource::new(&[BigInt], cut(&[ints((0..1000).map(Some))], 1000, 10));
    let drawn = probe.drawn.clone();
    let plan = node(
        &[const { BigInt }; 2],
        PlanNode::HashJoin {
            left: Box::new(probe.plan()),
            right: Box::new(TestSource::new(&[BigInt], vec![]).plan()),
            kind: JoinKind::Inner,
            keys: vec![(int_column(0), int_column(0))],
            residual: None,
            null_equals_null: false,
        },
    );
    assert!(rows(plan, 2).is_empty());
    assert_eq!(drawn.load(std::sync::atomic::Ordering::SeqCst), 0);
}
