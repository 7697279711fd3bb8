//! Hash joins of a large probe side with build sides of different sizes and keys.

#![allow(missing_docs)]

mod common;

use common::*;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn joins(c: &mut Criterion) {
    let mut group = c.benchmark_group("join");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    let small = table_of(1000);
    let large = table_of(1_000_000);
    let joined = |build: &std::sync::Arc<fluxdb::table::TableSnapshot>, key: usize, filter| {
        let left = scan(table(), &[key, 4], None);
        let right = scan(build, &[key, 4], filter);
        let join = hash_join(left, right, vec![(column(0, key), column(0, key))]);
        aggregate(join, vec![], vec![call("count", vec![]), call("sum", vec![column(3, 4)])])
    };
    let plans = [
        ("serial numbers, build 1 k", joined(&small, 0, None)),
        ("serial numbers, build 1 M", joined(&large, 0, None)),
        ("sparse keys, build 1 k", joined(&small, 3, None)),
        ("sparse keys, build 1 M", joined(&large, 3, None)),
        ("names, build 1 k", joined(&small, 5, None)),
        ("sparse keys, build 1% of 1 M", joined(&large, 3, Some(less(column(1, 4), 10)))),
    ];
    for (name, plan) in &plans {
        for threads in THREADS {
            group.bench_function(format!("{name}/{threads}"), |b| b.iter(|| run(plan, threads)));
        }
    }
    copy_beside(&mut group, &[3, 4]);
    copy_beside(&mut group, &[5, 4]);
    group.finish();
}

criterion_group!(benches, joins);
criterion_main!(benches);
