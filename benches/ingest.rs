//! Line protocol on its way into a file: fields a second, each field of a point being one.
//!
//! `import` writes row groups of 122,880 points; `batches` makes every 5,000 points durable before the next; `late`
//! imports the same points once more, so that each replaces one that is there.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fluxdb::{Database, ImportOptions};

const POINTS: u64 = 100_000;
const FIELDS: u64 = 10;
const HOSTS: u64 = 100;
const BATCH: usize = 5_000;

/// Points as a monitoring agent writes them: all hosts in turn, every ten seconds.
fn lines() -> Vec<String> {
    let mut seed = 42_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % 10_000
    };
    (0..POINTS)
        .map(|i| {
            let host = i % HOSTS;
            let mut line = format!("cpu,hostname=host_{host},region=eu-{},rack={} ", host % 5, host % 20);
            for field in 0..FIELDS {
                let comma = if field > 0 { "," } else { "" };
                let _ = write!(line, "{comma}usage_{field}={}", random() as f64 / 100.0);
            }
            let _ = write!(line, " {}", 1_700_000_000_000_000_000 + (i / HOSTS) * 10_000_000_000);
            line
        })
        .collect()
}

fn import(db: &Database, text: &str) {
    let report = db.import_line_protocol(text.as_bytes(), ImportOptions::default()).expect("it is imported");
    assert_eq!(report.rejected, 0);
}

fn ingest(c: &mut Criterion) {
    let lines = lines();
    let whole = lines.join("\n");
    let batches: Vec<String> = lines.chunks(BATCH).map(|batch| batch.join("\n")).collect();
    let dir = tempfile::tempdir().expect("a directory");
    let mut number = 0;
    let mut fresh = || {
        number += 1;
        let path = dir.path().join(format!("{number}.flux"));
        Database::open(&path).expect("a database")
    };
    let mut group = c.benchmark_group("ingest");
    group.throughput(Throughput::Elements(POINTS * FIELDS)).sample_size(10);
    // The least that reading the text can take.
    group.bench_function("copy of the text", |b| b.iter(|| black_box(black_box(&whole).clone())));
    group.bench_function("import", |b| {
        b.iter_batched(&mut fresh, |db| import(&db, &whole), BatchSize::PerIteration);
    });
    group.bench_function("batches", |b| {
        b.iter_batched(
            &mut fresh,
            |db| batches.iter().for_each(|batch| import(&db, batch)),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("late", |b| {
        let full = || {
            let db = fresh();
            import(&db, &whole);
            db
        };
        b.iter_batched(full, |db| import(&db, &whole), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, ingest);
criterion_main!(benches);
