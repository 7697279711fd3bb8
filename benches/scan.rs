//! Scans with filters of different selectivity, and what statistics save.

#![allow(missing_docs)]

mod common;

use common::*;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn scans(c: &mut Criterion) {
    let mut group = c.benchmark_group("scan");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    let table = table();
    let plans = [
        (
            "sum of one integer column",
            aggregate(
                scan(table, &[2], None),
                vec![],
                vec![call("max", vec![column(0, 2)]), call("avg", vec![column(0, 2)])],
            ),
        ),
        (
            "sum of one float column",
            aggregate(
                scan(table, &[4], None),
                vec![],
                vec![call("sum", vec![column(0, 4)]), call("avg", vec![column(0, 4)])],
            ),
        ),
        ("filter 0.1% by random key, 3 columns", scan(table, &[1, 4, 5], Some(less(column(0, 1), 1)))),
        (
            "filter 10% by random key, sum",
            aggregate(
                scan(table, &[1, 4], Some(less(column(0, 1), 100))),
                vec![],
                vec![call("sum", vec![column(1, 4)])],
            ),
        ),
        (
            "filter 50% by float, count",
            aggregate(scan(table, &[4], Some(less(column(0, 4), 500))), vec![], vec![call("count", vec![])]),
        ),
        (
            "filter 1% by serial number",
            aggregate(
                scan(table, &[0, 4], Some(less(column(0, 0), 40_000))),
                vec![],
                vec![call("sum", vec![column(1, 4)])],
            ),
        ),
        (
            "last 10 by serial number, all columns",
            first(scan(table, &[0, 1, 2, 3, 4, 5, 6], None), column(0, 0), true, 10),
        ),
        (
            "first 10 by float, all columns",
            first(scan(table, &[0, 1, 2, 3, 4, 5, 6], None), column(4, 4), false, 10),
        ),
        ("all columns out", scan(table, &[0, 1, 2, 3, 4, 5, 6], None)),
    ];
    for (name, plan) in &plans {
        for threads in THREADS {
            group.bench_function(format!("{name}/{threads}"), |b| b.iter(|| run(plan, threads)));
        }
    }
    copy_beside(&mut group, &[2]);
    copy_beside(&mut group, &[1, 4]);
    copy_beside(&mut group, &[0, 1, 2, 3, 4, 5, 6]);
    group.finish();

    let mut group = c.benchmark_group("fixed cost");
    let small = table_of(100);
    let plan = aggregate(
        scan(&small, &[1, 4], Some(less(column(0, 1), 500))),
        vec![column(0, 1)],
        vec![call("sum", vec![column(1, 4)])],
    );
    group.bench_function("group 100 rows", |b| b.iter(|| run(&plan, 2)));
    group.finish();
}

criterion_group!(benches, scans);
criterion_main!(benches);
