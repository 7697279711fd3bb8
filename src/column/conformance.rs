//! The laws that every chunk keeps, whatever its type, its codecs and its NULLs, with the plain array as oracle.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow_schema::TimeUnit;
use bytes::Bytes;
use proptest::prelude::*;

use crate::column::error::{ChunkPlace, ColumnError};
use crate::column::filter::passes;
use crate::column::predicate::{CompareOp, Predicate, Prune};
use crate::column::reader::ChunkReader;
use crate::column::scalar::Scalar;
use crate::column::stats::ChunkStats;
use crate::column::types::LogicalType;
use crate::column::writer::{EncodeOptions, EncodedChunk, encode_chunk};
use crate::column::{BLOCK_ROWS, Codec, LengthUnit};

/// A small generator with a seed, so that every failure can be repeated.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// What a reader says of the lengths of strings, `expected`, if that is what they are.
fn check_lengths(reader: &ChunkReader, block: usize, rows: Option<&[u16]>, expected: &ArrayRef) {
    for unit in [LengthUnit::Bytes, LengthUnit::Characters] {
        let texts = expected.as_string_view_opt().map(|a| a.iter().map(|s| s.map(str::as_bytes)).collect());
        let bytes = expected.as_binary_view_opt().map(|a| a.iter().collect());
        let measured = reader.measure_block(block, rows, unit);
        let Some(strings): Option<Vec<Option<&[u8]>>> = texts.or(bytes) else {
            assert!(measured.is_err());
            continue;
        };
        let lengths: Int64Array = strings.iter().map(|s| s.map(|s| unit.of(s) as i64)).collect();
        assert_eq!(measured.unwrap().as_primitive::<Int64Type>(), &lengths);
    }
}

/// Every type that is not nested.
pub(crate) fn scalar_types() -> Vec<LogicalType> {
    use LogicalType as T;
    vec![
        T::Boolean,
        T::TinyInt,
        T::SmallInt,
        T::Integer,
        T::BigInt,
        T::HugeInt,
        T::UTinyInt,
        T::USmallInt,
        T::UInteger,
        T::UBigInt,
        T::Float,
        T::Double,
        T::Decimal { width: 9, scale: 2 },
        T::Decimal { width: 38, scale: 10 },
        T::Varchar,
        T::Blob,
        T::Uuid,
        T::UHugeInt,
        T::Bit,
        T::Json,
        T::Date,
        T::Time,
        T::Timestamp(TimeUnit::Second),
        T::Timestamp(TimeUnit::Millisecond),
        T::Timestamp(TimeUnit::Microsecond),
        T::Timestamp(TimeUnit::Nanosecond),
        T::TimestampTz,
        T::TimeTz,
        T::TimeNs,
        T::BigNum,
        T::Variant,
        T::Interval,
        T::Enum(["a", "b", "c"].map(Box::from).to_vec().into()),
    ]
}

/// Types that are made of others.
pub(crate) fn nested_types() -> Vec<LogicalType> {
    use LogicalType as T;
    let pair = T::Struct(vec![("a".into(), T::Integer), ("b".into(), T::Varchar)].into());
    vec![
        T::List(Box::new(T::BigInt)),
        T::List(Box::new(T::Varchar)),
        T::List(Box::new(pair.clone())),
        T::Array(Box::new(T::Double), 3),
        T::Array(Box::new(T::Boolean), 0),
        pair.clone(),
        T::Struct(
            vec![("x".into(), T::List(Box::new(T::List(Box::new(T::Uuid))))), ("y".into(), pair)].into(),
        ),
        T::Map(Box::new(T::Varchar), Box::new(T::Integer)),
        T::Union(
            vec![
                ("n".into(), T::Integer),
                ("s".into(), T::Varchar),
                ("l".into(), T::List(Box::new(T::Date))),
            ]
            .into(),
        ),
    ]
}

/// An array of nested values over a sample of each child.
fn nested_sample(
    ty: &LogicalType,
    pattern: Pattern,
    rows: usize,
    null_percent: u64,
    random: &mut Random,
) -> ArrayRef {
    use arrow_array::{FixedSizeListArray, ListArray, MapArray, StructArray};
    use arrow_buffer::{NullBuffer, OffsetBuffer};
    use arrow_schema::DataType;
    let nulls: NullBuffer = (0..rows).map(|_| random.below(100) >= null_percent).collect();
    let nulls = Some(nulls).filter(|n| n.null_count() > 0);
    // NULLs may hide values, as Arrow allows.
    let lengths: Vec<usize> = (0..rows).map(|_| random.below(5) as usize).collect();
    let total = lengths.iter().sum();
    let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
    match (ty, ty.arrow()) {
        (LogicalType::List(item), DataType::List(field)) => {
            let values = sample(item, pattern, total, null_percent, random);
            Arc::new(ListArray::new(field, offsets, values, nulls))
        }
        (LogicalType::Array(item, n), DataType::FixedSizeList(field, size)) => {
            let values = sample(item, pattern, rows * *n as usize, null_percent, random);
            Arc::new(FixedSizeListArray::try_new_with_length(field, size, values, nulls, rows).unwrap())
        }
        (LogicalType::Union(members), DataType::Struct(fields)) => {
            let tags: Vec<u8> = (0..rows).map(|_| random.below(members.len() as u64) as u8).collect();
            let mut columns: Vec<ArrayRef> = vec![Arc::new(arrow_array::UInt8Array::from(tags.clone()))];
            for (i, (_, ty)) in members.iter().enumerate() {
                let others =
                    arrow_array::BooleanArray::from_iter(tags.iter().map(|t| Some(usize::from(*t) != i)));
                let values = sample(ty, pattern, rows, null_percent, random);
                columns.push(arrow_select::nullif::nullif(&values, &others).unwrap());
            }
            Arc::new(StructArray::try_new_with_length(fields, columns, nulls, rows).unwrap())
        }
        (LogicalType::Struct(parts), DataType::Struct(fields)) => {
            let columns =
                parts.iter().map(|(_, ty)| sample(ty, pattern, rows, null_percent, random)).collect();
            Arc::new(StructArray::try_new_with_length(fields, columns, nulls, rows).unwrap())
        }
        (LogicalType::Map(key, value), DataType::Map(field, _)) => {
            let DataType::Struct(fields) = field.data_type() else { unreachable!() };
            let columns = vec![
                sample(key, pattern, total, 0, random),
                sample(value, pattern, total, null_percent, random),
            ];
            let entries = StructArray::new(fields.clone(), columns, None);
            Arc::new(MapArray::new(field, offsets, entries, nulls, false))
        }
        _ => unreachable!("{ty} is not nested"),
    }
}

/// How values follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pattern {
    Constant,
    Sequence,
    Rising,
    Runs,
    Narrow,
    Multiples,
    Series,
    InTurn,
    Outliers,
    Few,
    Decimals,
    Extremes,
    Random,
}

pub(crate) const PATTERNS: [Pattern; 13] = [
    Pattern::Constant,
    Pattern::Sequence,
    Pattern::Rising,
    Pattern::Runs,
    Pattern::Narrow,
    Pattern::Multiples,
    Pattern::Series,
    Pattern::InTurn,
    Pattern::Outliers,
    Pattern::Few,
    Pattern::Decimals,
    Pattern::Extremes,
    Pattern::Random,
];

/// The numbers of a pattern.
fn numbers(pattern: Pattern, rows: usize, random: &mut Random) -> Vec<i128> {
    let start = i128::from(random.next() as i32);
    let (mut at, mut left) = (start, 0);
    (0..rows as i128)
        .map(|i| match pattern {
            Pattern::Constant => start,
            Pattern::Sequence => start + i * 3,
            Pattern::Rising => {
                at += i128::from(random.below(50));
                at
            }
            Pattern::Runs => {
                if left == 0 {
                    left = 1 + random.below(90);
                    at = i128::from(random.next() as i16);
                }
                left -= 1;
                at
            }
            Pattern::Narrow => start + i128::from(random.below(100)),
            // Of small numbers as of large ones.
            Pattern::Multiples if start % 2 == 0 => i128::from(random.below(6)) * 20,
            Pattern::Multiples => start + i128::from(random.below(1000)) * 1_000_000,
            Pattern::Series => {
                if left == 0 {
                    left = 40 + random.below(50);
                    at = start % 100 + i128::from(random.below(3));
                }
                left -= 1;
                at += 1 + start % 2;
                at
            }
            // Each of some goes its own way, or stays.
            Pattern::InTurn => {
                let series = 2 + start.rem_euclid(19);
                let step = if start % 2 == 0 { i128::from(random.below(4)) } else { 0 };
                start + (i % series) * 7919 % 10_007 + i / series + step
            }
            Pattern::Outliers if random.below(60) == 0 => i128::from(random.next() as i64),
            Pattern::Outliers => i128::from(random.below(30)),
            Pattern::Few => [1, i128::from(i64::MAX) - 7, -12_345_678_901, start][random.below(4) as usize],
            Pattern::Decimals => i128::from(random.below(1_000_000)),
            Pattern::Extremes => match random.below(6) {
                0 => i128::MIN,
                1 => i128::MAX,
                2 => i128::from(i64::MIN),
                3 => i128::from(i64::MAX),
                4 => i128::from(u64::MAX),
                _ => 0,
            },
            Pattern::Random => i128::from(random.next()) << 64 | i128::from(random.next()),
        })
        .collect()
}

/// The value of `ty` that a number stands for.
fn value(ty: &LogicalType, n: i128, pattern: Pattern) -> Scalar {
    use LogicalType as T;
    let text = |n: i128| match n.rem_euclid(5) {
        0 => String::new(),
        1 => format!("{}", n.rem_euclid(1000)),
        2 => format!("https://example.com/a/path/{}", n.rem_euclid(100_000)),
        3 => format!("ünï{}", n.rem_euclid(77)),
        _ => "x".repeat(n.rem_euclid(40) as usize),
    };
    match ty {
        T::Boolean => Scalar::Boolean(n & 1 == 1),
        T::Float => match pattern {
            Pattern::Decimals => Scalar::Float(f64::from(n as f32 / 100.0)),
            Pattern::Extremes => Scalar::Float(extreme(n)),
            _ => Scalar::Float(f64::from(f32::from_bits(n as u32))),
        },
        T::Double => match pattern {
            Pattern::Decimals => Scalar::Float(n as f64 / 1000.0),
            Pattern::Extremes => Scalar::Float(extreme(n)),
            Pattern::Random => Scalar::Float(f64::from_bits(n as u64)),
            _ => Scalar::Float(n as f64 * 0.25),
        },
        T::Varchar | T::Json => Scalar::text(text(n)),
        T::Blob | T::Bit | T::BigNum | T::Variant if pattern == Pattern::Extremes => {
            Scalar::bytes([0xFF; 40])
        }
        T::Blob | T::Bit | T::BigNum | T::Variant => {
            Scalar::bytes(&n.to_be_bytes()[..n.rem_euclid(17) as usize])
        }
        T::Uuid | T::UHugeInt => Scalar::bytes(n.to_be_bytes()),
        T::Interval => Scalar::Interval {
            months: n as i32 % 100,
            days: (n >> 3) as i32,
            nanos: if pattern == Pattern::Random { n as i64 } else { 0 },
        },
        T::Enum(names) => Scalar::Int(n.rem_euclid(names.len() as i128)),
        T::HugeInt | T::Decimal { width: 19.., .. } => Scalar::Int(n),
        T::Date => Scalar::Int(i128::from(n as i32)),
        _ => {
            let (least, greatest) =
                ty.integer_range().unwrap_or((i128::from(i64::MIN), i128::from(i64::MAX)));
            let n = if pattern == Pattern::Extremes { n } else { i128::from(n as i64) };
            Scalar::Int(if (least..=greatest).contains(&n) {
                n
            } else if pattern == Pattern::Extremes {
                n.clamp(least, greatest)
            } else {
                least + n.rem_euclid(greatest - least + 1)
            })
        }
    }
}

/// Floats that are easily lost.
fn extreme(n: i128) -> f64 {
    match n.rem_euclid(7) {
        0 => -0.0,
        1 => 0.0,
        2 => f64::from_bits(0x7FF8_0000_0000_1234),
        3 => f64::INFINITY,
        4 => f64::NEG_INFINITY,
        5 => f64::from_bits(0xFFF8_0000_0000_0001),
        _ => f64::MIN_POSITIVE / 4.0,
    }
}

/// An array of values of a pattern, `null_percent` of them NULL.
pub(crate) fn sample(
    ty: &LogicalType,
    pattern: Pattern,
    rows: usize,
    null_percent: u64,
    random: &mut Random,
) -> ArrayRef {
    if ty.is_nested() {
        return nested_sample(ty, pattern, rows, null_percent, random);
    }
    let values: Vec<ArrayRef> = numbers(pattern, rows, random)
        .into_iter()
        .map(|n| {
            let v = if random.below(100) < null_percent { Scalar::Null } else { value(ty, n, pattern) };
            v.to_array(ty, 1).unwrap()
        })
        .collect();
    if values.is_empty() {
        return arrow_array::new_empty_array(&ty.arrow());
    }
    let parts: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
    arrow_select::concat::concat(&parts).unwrap()
}

/// The array without a dictionary.
pub(crate) fn flat(array: &ArrayRef) -> ArrayRef {
    match array.as_any_dictionary_opt() {
        Some(d) => arrow_select::take::take(d.values(), d.keys(), None).unwrap(),
        None => Arc::clone(array),
    }
}

/// Whether two arrays hold the same bits in the same layout.
fn same(a: &ArrayRef, b: &ArrayRef) -> bool {
    let (a, b) = (flat(a), flat(b));
    if a.data_type() != b.data_type() || a.len() != b.len() {
        return false;
    }
    // Arrow compares floats by their bits only where it compares buffers; so do we.
    if let (Some(x), Some(y)) = (
        a.as_primitive_opt::<arrow_array::types::Float64Type>(),
        b.as_primitive_opt::<arrow_array::types::Float64Type>(),
    ) {
        return x.iter().map(|v| v.map(f64::to_bits)).eq(y.iter().map(|v| v.map(f64::to_bits)));
    }
    if let (Some(x), Some(y)) = (
        a.as_primitive_opt::<arrow_array::types::Float32Type>(),
        b.as_primitive_opt::<arrow_array::types::Float32Type>(),
    ) {
        return x.iter().map(|v| v.map(f32::to_bits)).eq(y.iter().map(|v| v.map(f32::to_bits)));
    }
    a.to_data() == b.to_data()
}

pub(crate) fn place() -> ChunkPlace {
    ChunkPlace { table: "t".into(), column: "c".into(), table_id: 7, column_id: 3, row_group: 0 }
}

pub(crate) fn options(force: Option<Codec>, block_rows: usize) -> EncodeOptions {
    EncodeOptions { table_id: 7, column_id: 3, force, block_rows }
}

pub(crate) fn open(bytes: Vec<u8>, ty: &LogicalType) -> Result<ChunkReader, ColumnError> {
    ChunkReader::open(Bytes::from(bytes), ty, place())
}

/// Checks that statistics are right for the values.
fn check_stats(stats: &ChunkStats, array: &ArrayRef, ty: &LogicalType) {
    let values: Vec<Scalar> = (0..array.len()).map(|i| Scalar::from_array(array, i, ty)).collect();
    let valid: Vec<&Scalar> = values.iter().filter(|v| !v.is_null()).collect();
    assert_eq!(stats.rows, values.len() as u64);
    assert_eq!(stats.nulls, (values.len() - valid.len()) as u64);
    if let Some(min) = &stats.min {
        assert!(valid.iter().all(|v| v.total_cmp(min).is_ge()), "{ty}: {min:?}");
        assert_eq!(stats.min_exact, valid.contains(&min), "{ty}: {min:?}");
    }
    if let Some(max) = &stats.max {
        assert!(valid.iter().all(|v| v.total_cmp(max).is_le()), "{ty}: {max:?}");
        assert_eq!(stats.max_exact, valid.contains(&max), "{ty}: {max:?}");
    }
    let bounded = !matches!(ty, LogicalType::Interval) && !ty.is_nested() && !valid.is_empty();
    assert_eq!(stats.min.is_some(), bounded, "{ty}");
    match &stats.sum {
        Some(Scalar::Int(sum)) => {
            let expected = valid.iter().map(|v| if let Scalar::Int(v) = v { *v } else { 0 }).sum::<i128>();
            assert_eq!(*sum, expected);
        }
        Some(Scalar::Float(sum)) => {
            let expected = valid.iter().map(|v| if let Scalar::Float(v) = v { *v } else { 0.0 }).sum::<f64>();
            let near = (sum - expected).abs() <= expected.abs() * 1e-9 || sum.to_bits() == expected.to_bits();
            assert!(
                near || !expected.is_finite()
                    || valid.iter().any(|v| matches!(v, Scalar::Float(v) if v.abs() > 1e15)),
                "{sum} {expected}"
            );
        }
        _ => {}
    }
    if stats.sorted {
        assert!(valid.len() == values.len() && values.is_sorted_by(|a, b| a.total_cmp(b).is_le()), "{ty}");
    }
}

/// Constants worth comparing with.
fn constants(array: &ArrayRef, ty: &LogicalType, random: &mut Random) -> Vec<Scalar> {
    let mut all = vec![Scalar::Null];
    for _ in 0..4 {
        if !array.is_empty() {
            all.push(Scalar::from_array(array, random.below(array.len() as u64) as usize, ty));
        }
        if !ty.is_nested() {
            let n = numbers(Pattern::Random, 1, random)[0];
            all.push(value(ty, n, Pattern::Random));
        }
    }
    all.extend(match ty {
        LogicalType::Float | LogicalType::Double => vec![Scalar::Float(f64::NAN), Scalar::Float(0.0)],
        LogicalType::HugeInt => vec![Scalar::Int(i128::MIN), Scalar::Int(i128::MAX)],
        _ => vec![],
    });
    all
}

const OPS: [CompareOp; 8] = [
    CompareOp::Eq,
    CompareOp::NotEq,
    CompareOp::Lt,
    CompareOp::LtEq,
    CompareOp::Gt,
    CompareOp::GtEq,
    CompareOp::DistinctFrom,
    CompareOp::NotDistinctFrom,
];

/// Three-valued comparison with NULL as false, by the book.
fn holds(op: CompareOp, a: &Scalar, b: &Scalar) -> bool {
    match (a.compare(b), op) {
        (Some(order), op) => passes(op, order),
        (None, CompareOp::NotDistinctFrom) => a.is_null() && b.is_null(),
        (None, CompareOp::DistinctFrom) => a.is_null() != b.is_null(),
        (None, _) => false,
    }
}

/// Encodes an array and checks every law. Returns the chunk.
pub(crate) fn check_laws(
    array: &ArrayRef,
    ty: &LogicalType,
    options: &EncodeOptions,
    random: &mut Random,
) -> EncodedChunk {
    let plain = flat(array);
    let chunk = encode_chunk(array, ty, options).unwrap();
    assert!(chunk.bytes.len().is_multiple_of(64));
    let reader = open(chunk.bytes.clone(), ty).unwrap();
    assert_eq!(reader.rows(), plain.len());
    assert_eq!(reader.null_count(), plain.null_count());
    assert!(same(&reader.read_all().unwrap(), &plain), "{ty}: read_all");
    let stats = chunk.meta.stats(ty);
    check_stats(&stats, &plain, ty);
    let constants = constants(&plain, ty, random);
    let mut start = 0;
    for block in 0..reader.blocks() {
        let rows = reader.rows_of_block(block);
        let expected = plain.slice(start, rows);
        start += rows;
        let got = reader.read_block(block).unwrap();
        flat(&got).to_data().validate_full().unwrap();
        assert!(same(&got, &expected), "{ty}: block {block} of codec {:?}", reader.codec_of_block(block));
        let block_stats = reader.block_stats(block).unwrap();
        check_stats(&block_stats, &expected, ty);
        for len in [0, 1, 5, rows] {
            let picks: Vec<u16> = (0..len).map(|_| random.below(rows as u64) as u16).collect();
            let indices = UInt32Array::from_iter_values(picks.iter().map(|p| u32::from(*p)));
            let taken = arrow_select::take::take(&expected, &indices, None).unwrap();
            for got in [reader.read_rows(block, &picks), reader.read_few(block, &picks)] {
                let got = got.unwrap();
                flat(&got).to_data().validate_full().unwrap();
                assert!(same(&got, &taken), "{ty}: rows of block {block}");
            }
            check_lengths(&reader, block, Some(&picks), &taken);
        }
        check_lengths(&reader, block, None, &expected);
        let values: Vec<Scalar> = (0..rows).map(|i| Scalar::from_array(&expected, i, ty)).collect();
        for constant in &constants {
            for op in OPS {
                let predicate = Predicate { op, value: constant.clone() };
                let expected: Vec<bool> = values.iter().map(|v| holds(op, v, constant)).collect();
                if let Some(bits) = reader.filter_block(block, std::slice::from_ref(&predicate)).unwrap() {
                    let bits: Vec<bool> = bits.iter().collect();
                    assert_eq!(
                        bits,
                        expected,
                        "{ty}: {op:?} {constant:?} of codec {:?}",
                        reader.codec_of_block(block)
                    );
                } else {
                    assert!(ty.is_nested() || *ty == LogicalType::Interval, "{ty} can be filtered");
                }
                let check = |prune| match prune {
                    Prune::None => assert!(!expected.contains(&true), "{ty}: {op:?} {constant:?}"),
                    Prune::All => assert!(!expected.contains(&false), "{ty}: {op:?} {constant:?}"),
                    Prune::Some => {}
                };
                check(reader.prune_block(block, &predicate).unwrap());
                check(stats.prune(&predicate));
            }
        }
        for (lo, hi) in constants.iter().zip(constants.iter().skip(1).chain(&constants[..1])) {
            for ops in [
                [CompareOp::GtEq, CompareOp::Lt],
                [CompareOp::Gt, CompareOp::LtEq],
                [CompareOp::LtEq, CompareOp::NotEq],
            ] {
                let both = [(ops[0], lo), (ops[1], hi)];
                let predicates = both.map(|(op, value)| Predicate { op, value: value.clone() });
                let Some(bits) = reader.filter_block(block, &predicates).unwrap() else { continue };
                let all = values.iter().map(|v| both.iter().all(|(op, c)| holds(*op, v, c)));
                assert_eq!(bits, all.collect::<arrow_buffer::BooleanBuffer>(), "{ty}: {both:?}");
            }
        }
    }
    assert_eq!(start, plain.len());
    chunk
}

/// Codecs that a test may force.
fn forced() -> Vec<Option<Codec>> {
    std::iter::once(None).chain(Codec::ALL.into_iter().map(Some)).collect()
}

/// Enough cases to meet most pairs of type and codec; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|v| v.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(250), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_type_and_codec_keeps_the_laws(
        ty in proptest::sample::select(scalar_types()),
        pattern in proptest::sample::select(PATTERNS.to_vec()),
        force in proptest::sample::select(forced()),
        null_percent in proptest::sample::select(vec![0, 0, 1, 50, 99, 100]),
        rows in proptest::sample::select(vec![0_usize, 1, 2, 63, 64, 65, 200, 1024, 1500]),
        block_rows in proptest::sample::select(vec![1_usize, 7, 64, 300, 1024, BLOCK_ROWS]),
        seed in any::<u64>(),
    ) {
        let block_rows = block_rows.max(rows / 6).max(1);
        let mut random = Random::new(seed);
        let array = sample(&ty, pattern, rows, null_percent, &mut random);
        check_laws(&array, &ty, &options(force, block_rows), &mut random);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nested_types_keep_the_laws(
        ty in proptest::sample::select(nested_types()),
        pattern in proptest::sample::select(PATTERNS.to_vec()),
        null_percent in proptest::sample::select(vec![0, 0, 10, 60, 100]),
        rows in proptest::sample::select(vec![0_usize, 1, 2, 64, 100]),
        block_rows in proptest::sample::select(vec![1_usize, 7, 64, BLOCK_ROWS]),
        seed in any::<u64>(),
    ) {
        let block_rows = block_rows.max(rows / 6).max(1);
        let mut random = Random::new(seed);
        let array = sample(&ty, pattern, rows, null_percent, &mut random);
        check_laws(&array, &ty, &options(None, block_rows), &mut random);
        let from = rows / 3;
        check_laws(&array.slice(from, rows - from), &ty, &options(None, block_rows), &mut random);
    }
}

#[test]
fn a_whole_row_group() {
    let mut random = Random::new(1);
    let values: Vec<Option<i64>> =
        (0..crate::column::ROW_GROUP_ROWS).map(|i| (i % 9 != 0).then_some(i as i64 / 3)).collect();
    let array: ArrayRef = Arc::new(arrow_array::Int64Array::from(values));
    let chunk = encode_chunk(&array, &LogicalType::BigInt, &options(None, BLOCK_ROWS)).unwrap();
    let reader = open(chunk.bytes, &LogicalType::BigInt).unwrap();
    assert_eq!(reader.blocks(), 60);
    assert!(same(&reader.read_all().unwrap(), &array));
    // An array that does not begin at its first row.
    check_laws(&array.slice(12_345, 3_000), &LogicalType::BigInt, &options(None, BLOCK_ROWS), &mut random);
}

#[test]
fn blocks_of_one_chunk_have_one_layout() {
    // Found by the laws: a block of NULLs in a chunk with a dictionary came without one.
    let mut values = vec![None; 20];
    values.extend((0..60).map(|i| Some(["a long enough string", "another such string"][i % 2])));
    let array: ArrayRef = Arc::new(arrow_array::StringViewArray::from(values));
    check_laws(&array, &LogicalType::Varchar, &options(None, 10), &mut Random::new(1));
    let reader = open(
        encode_chunk(&array, &LogicalType::Varchar, &options(None, 10)).unwrap().bytes,
        &LogicalType::Varchar,
    )
    .unwrap();
    let dictionary = reader.dictionary().unwrap().unwrap();
    for block in 0..reader.blocks() {
        let array = reader.read_block(block).unwrap();
        let values = array.as_dictionary::<arrow_array::types::UInt32Type>().values();
        assert!(Arc::ptr_eq(values, &dictionary), "one dictionary for all blocks");
    }
}

#[test]
fn strangers_are_turned_away() {
    let ty = LogicalType::Integer;
    let chunk = encode_chunk(&Scalar::Int(1).to_array(&ty, 9).unwrap(), &ty, &options(None, 4)).unwrap();
    let open_as = |ty: &LogicalType, place| ChunkReader::open(Bytes::from(chunk.bytes.clone()), ty, place);
    assert!(open_as(&ty, place()).is_ok());
    assert!(open_as(&LogicalType::Date, place()).is_err());
    assert!(open_as(&ty, ChunkPlace { table_id: 8, ..place() }).is_err());
    let error = open_as(&ty, ChunkPlace { column_id: 8, ..place() }).unwrap_err().to_string();
    assert!(error.contains("table \"t\", column \"c\"") && error.contains("another column"), "{error}");
    let mut newer = chunk.bytes.clone();
    newer[4] = 2;
    assert!(matches!(open(newer, &ty), Err(ColumnError::FutureVersion { found: 2, .. })));
    let wrong =
        encode_chunk(&Scalar::Int(1).to_array(&ty, 9).unwrap(), &LogicalType::Date, &options(None, 4));
    assert!(matches!(wrong, Err(ColumnError::TypeMismatch { .. })));
}
