//! Sorting by keys of different kinds and order, and the first rows of a sort.

#![allow(missing_docs)]

mod common;

use common::*;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn sorts(c: &mut Criterion) {
    let mut group = c.benchmark_group("sort");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64));
    // The keys, and a float that goes with them.
    let by = |keys: &[(usize, bool)]| {
        let mut columns: Vec<usize> = keys.iter().map(|(column, _)| *column).collect();
        columns.push(4);
        let keys: Vec<_> =
            keys.iter().enumerate().map(|(at, &(of, descending))| (column(at, of), descending)).collect();
        sorted(scan(table(), &columns, None), &keys)
    };
    let plans = [
        ("serial numbers, in order", by(&[(0, false)])),
        ("serial numbers, backwards", by(&[(0, true)])),
        ("20 in runs", by(&[(6, false)])),
        ("1 k dense integers", by(&[(1, false)])),
        ("1 M sparse integers", by(&[(3, false)])),
        ("floats", by(&[(4, true)])),
        ("1 k names", by(&[(5, false)])),
        ("names, then floats backwards", by(&[(5, false), (4, true)])),
        ("first 1,000 by sparse integers", first(scan(table(), &[3, 4], None), column(0, 3), false, 1000)),
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

criterion_group!(benches, sorts);
criterion_main!(benches);
