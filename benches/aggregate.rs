//! Grouping by keys of different kinds and cardinality.

#![allow(missing_docs)]

mod common;

use common::*;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn aggregates(c: &mut Criterion) {
    let mut group = c.benchmark_group("aggregate");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    let by = |keys: &[usize]| {
        let mut columns = keys.to_vec();
        columns.push(4);
        let exprs = keys.iter().enumerate().map(|(i, &k)| column(i, k)).collect();
        let value = column(keys.len(), 4);
        aggregate(
            scan(table(), &columns, None),
            exprs,
            vec![call("count", vec![]), call("sum", vec![value.clone()]), call("max", vec![value])],
        )
    };
    let mut distinct = call("count", vec![column(0, 3)]);
    distinct.distinct = true;
    let mut distinct_by = call("count", vec![column(1, 2)]);
    distinct_by.distinct = true;
    let plans = [
        ("20 in runs", by(&[6])),
        ("1 k dense integers", by(&[1])),
        ("100 k sparse integers", by(&[2])),
        ("1 M sparse integers", by(&[3])),
        ("4 M serial numbers", by(&[0])),
        ("1 k names", by(&[5])),
        ("names and 20", by(&[5, 6])),
        ("1 k and 100 k", by(&[1, 2])),
        ("count distinct, 1 M", aggregate(scan(table(), &[3], None), vec![], vec![distinct])),
        (
            "count distinct by 1 k",
            aggregate(scan(table(), &[1, 2], None), vec![column(0, 1)], vec![distinct_by]),
        ),
    ];
    for (name, plan) in &plans {
        for threads in THREADS {
            group.bench_function(format!("{name}/{threads}"), |b| b.iter(|| run(plan, threads)));
        }
    }
    copy_beside(&mut group, &[2, 4]);
    copy_beside(&mut group, &[5, 4]);
    group.finish();
}

criterion_group!(benches, aggregates);
criterion_main!(benches);
