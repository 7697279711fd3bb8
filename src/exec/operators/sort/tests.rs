use arrow_array::ArrayRef;
use proptest::prelude::*;

use crate::column::types::LogicalType::*;
use crate::exec::expr::SortKey;
use crate::exec::plan::{Plan, PlanNode};
use crate::exec::testing::*;

fn order(input: Plan, keys: Vec<SortKey>, limit: Option<(u64, u64)>) -> Plan {
    let schema = input.schema.clone();
    let input = Box::new(input);
    let node = match limit {
        Some((limit, offset)) => PlanNode::TopN { input, keys, limit, offset },
        None => PlanNode::Sort { input, keys },
    };
    Plan { node, schema, estimated_rows: None }
}

#[test]
fn nothing_to_sort() {
    for threads in THREADS {
        for limit in [None, Some((5, 0))] {
            let plan = order(
                TestSource::new(&[BigInt], vec![]).plan(),
                vec![sort_key(int_column(0), false, false)],
                limit,
            );
            assert!(rows(plan, threads).is_empty());
        }
    }
}

#[test]
fn large_and_stable() {
    let n = 300_000i64;
    let key = ints((0..n).map(|i| Some(i * 7919 % 1009)));
    let number = ints((0..n).map(Some));
    let mut expected: Vec<(i64, i64)> = (0..n).map(|i| (i * 7919 % 1009, i)).collect();
    expected.sort_by_key(|(k, _)| *k);
    let expected: Vec<String> = expected.iter().map(|(k, i)| format!("{k}|{i}")).collect();
    for threads in THREADS {
        let input = || {
            TestSource::new(&[BigInt, BigInt], cut(&[key.clone(), number.clone()], n as usize, 7000)).plan()
        };
        let keys = || vec![sort_key(int_column(0), false, false)];
        assert!(rows(order(input(), keys(), None), threads) == expected);
        assert_eq!(rows(order(input(), keys(), Some((1000, 250))), threads), expected[250..1250]);
        assert_eq!(rows(order(input(), keys(), Some((10, 299_995))), threads), expected[299_995..]);
        assert!(rows(order(input(), keys(), Some((20_000, 0))), threads) == expected[..20_000]);
    }
}

#[test]
fn floats_have_one_zero_and_nan_last() {
    let values = floats([
        Some(f64::NAN),
        Some(0.0),
        Some(-0.0),
        None,
        Some(-f64::NAN),
        Some(f64::INFINITY),
        Some(-1.0),
    ]);
    let number = ints((0..7).map(Some));
    for threads in THREADS {
        let plan = order(
            TestSource::new(&[Double, BigInt], cut(&[values.clone(), number.clone()], 7, 3)).plan(),
            vec![sort_key(crate::exec::expr::Expr::column(0, Double), false, true)],
            None,
        );
        assert_eq!(rows(plan, threads), ["NULL|3", "-1.0|6", "0.0|1", "-0.0|2", "inf|5", "NaN|0", "NaN|4"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sorts_as_the_standard_library_does(
        input in prop::collection::vec((prop::option::of(0i64..9), prop::option::of("[a-c]{0,2}|[a-b]{18}")), 0..300),
        (desc_a, nulls_a, desc_b, nulls_b) in any::<(bool, bool, bool, bool)>(),
        threads in 1usize..4,
        size in 1usize..50,
        top in prop::option::of((0u64..20, 0u64..20)),
    ) {
        let columns: Vec<ArrayRef> = vec![
            ints(input.iter().map(|r| r.0)),
            texts(input.iter().map(|r| r.1.as_deref())),
            ints((0..input.len()).map(|i| Some(i as i64))),
        ];
        let plan = order(
            TestSource::new(&[BigInt, Varchar, BigInt], cut(&columns, input.len(), size)).plan(),
            vec![sort_key(int_column(0), desc_a, nulls_a), sort_key(text_column(1), desc_b, nulls_b)],
            top,
        );
        fn compare<T: Ord>(a: Option<&T>, b: Option<&T>, desc: bool, nulls_first: bool) -> std::cmp::Ordering {
            match (a, b) {
                (Some(a), Some(b)) => if desc { b.cmp(a) } else { a.cmp(b) },
                (a, b) => {
                    let order = a.is_some().cmp(&b.is_some());
                    if nulls_first { order } else { order.reverse() }
                }
            }
        }
        let mut expected: Vec<usize> = (0..input.len()).collect();
        expected.sort_by(|&a, &b| {
            compare(input[a].0.as_ref(), input[b].0.as_ref(), desc_a, nulls_a)
                .then_with(|| compare(input[a].1.as_ref(), input[b].1.as_ref(), desc_b, nulls_b))
        });
        if let Some((limit, offset)) = top {
            expected = expected.into_iter().skip(offset as usize).take(limit as usize).collect();
        }
        let whole = crate::exec::batch::Batch::new(columns, input.len());
        let expected: Vec<String> = expected.into_iter().map(|i| row_text(&whole, i)).collect();
        prop_assert_eq!(rows(plan, threads), expected);
    }
}
