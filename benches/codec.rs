//! Encoding, decoding and filtering by codec, in bytes of the decoded values, with a copy of as many bytes beside.

#![allow(missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringViewArray};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fluxdb::column::error::ChunkPlace;
use fluxdb::column::predicate::{CompareOp, Predicate};
use fluxdb::column::scalar::Scalar;
use fluxdb::column::types::LogicalType;
use fluxdb::column::{ChunkReader, EncodeOptions, encode_chunk};

const ROWS: u64 = 122_880;

fn scattered(i: u64) -> u64 {
    i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 17
}

fn integers(f: impl Fn(u64) -> u64) -> ArrayRef {
    Arc::new((0..ROWS).map(|i| f(i) as i64).collect::<Int64Array>())
}

fn texts(f: impl Fn(u64) -> String) -> ArrayRef {
    Arc::new((0..ROWS).map(|i| Some(f(i))).collect::<StringViewArray>())
}

fn columns() -> Vec<(&'static str, LogicalType, ArrayRef, Scalar)> {
    use LogicalType as T;
    let number = |n: i128| Scalar::Int(n);
    let item = |i: u64| format!("https://www.example.com/catalog/{}/item", scattered(i) % 9000);
    vec![
        ("plain", T::BigInt, integers(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)), number(0)),
        ("frame, 10 bits", T::BigInt, integers(|i| scattered(i) % 1000), number(500)),
        ("frame, 20 bits", T::BigInt, integers(|i| scattered(i) % 1_000_000), number(500_000)),
        ("delta", T::BigInt, integers(|i| i * 1000 + scattered(i) % 1000), number(60_000_000)),
        ("runs", T::BigInt, integers(|i| scattered(i / 40) % 1_000_000), number(500_000)),
        (
            "patched",
            T::BigInt,
            integers(|i| scattered(i) % if i % 100 == 0 { 1 << 40 } else { 100 }),
            number(50),
        ),
        (
            "decimal floats",
            T::Double,
            Arc::new((0..ROWS).map(|i| (scattered(i) % 100_000) as f64 / 100.0).collect::<Float64Array>()),
            Scalar::Float(500.0),
        ),
        (
            "text by symbols",
            T::Varchar,
            texts(|i| format!("{}?id={}", item(i), scattered(i))),
            Scalar::Text("".into()),
        ),
        (
            "text of a few in turn",
            T::Varchar,
            texts(|i| format!("host{:03}.example.com", i % 100)),
            Scalar::Text("host050".into()),
        ),
        ("text in a dictionary", T::Varchar, texts(item), Scalar::Text("https://www.example.com/d".into())),
    ]
}

fn codecs(c: &mut Criterion) {
    for (name, ty, array, bound) in columns() {
        let chunk = encode_chunk(&array, &ty, &EncodeOptions::default()).unwrap();
        let len = chunk.meta.memory_len.get();
        let share = chunk.bytes.len() as f64 / len as f64 * 100.0;
        let bytes = Bytes::from(chunk.bytes);
        let open = || ChunkReader::open(bytes.clone(), &ty, ChunkPlace::default()).unwrap();
        let mut group = c.benchmark_group(format!("{name} ({share:.0} % of the bytes)"));
        group.sample_size(10).throughput(Throughput::Bytes(len));
        let source = vec![1u8; len as usize];
        group.bench_function("copy", |b| b.iter(|| black_box(source.clone())));
        group.bench_function("write", |b| {
            b.iter(|| black_box(encode_chunk(&array, &ty, &EncodeOptions::default()).unwrap()));
        });
        group.bench_function("first read", |b| {
            b.iter(|| {
                let reader = open();
                (0..reader.blocks()).for_each(|i| drop(black_box(reader.read_block(i).unwrap())));
            });
        });
        let reader = open();
        group.bench_function("read", |b| {
            b.iter(|| (0..reader.blocks()).for_each(|i| drop(black_box(reader.read_block(i).unwrap()))));
        });
        let predicate = [Predicate { op: CompareOp::Gt, value: bound }];
        group.bench_function("filter", |b| {
            b.iter(|| {
                (0..reader.blocks())
                    .for_each(|i| drop(black_box(reader.filter_block(i, &predicate).unwrap())));
            });
        });
    }
}

criterion_group!(benches, codecs);
criterion_main!(benches);
