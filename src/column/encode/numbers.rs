//! Encodes numbers: whole ones, floats and UUIDs.

use std::hash::Hash;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_data::ArrayData;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::column::codec::Codec;
use crate::column::codec::float::FloatEncoder;
use crate::column::codec::int::{self, Domain, IntStats, Shape};
use crate::column::encode::{DICTIONARY_MAX, code_streams, shared_section, use_codes};
use crate::column::layout::Scheme;
use crate::column::physical::{Physical, sum_width};
use crate::column::scalar::Scalar;
use crate::column::sketch::DistinctSketch;
use crate::column::summary::{Summary, fill, float_summary, valid};
use crate::column::writer::ChunkBuilder;

/// Encodes all blocks.
pub(super) fn encode(array: &ArrayRef, builder: &mut ChunkBuilder<'_>) {
    let data = array.to_data();
    match builder.physical {
        Physical::Int { width: 16, .. } => {
            let values = data.buffer::<i128>(0)[..array.len()].to_vec();
            encode_ints(values, Shape::of_width(16), builder, |v| v);
        }
        Physical::Int { width, signed } => {
            let shape = Shape { width, flipped: width == 8 && !signed };
            let values = widen(&data, shape, signed);
            if shape.flipped {
                encode_ints(values, shape, builder, |v| i128::from((v ^ i64::MIN) as u64));
            } else {
                encode_ints(values, shape, builder, i128::from);
            }
        }
        Physical::Float { width } => encode_floats(array, &data, width, builder),
        _ => encode_uuids(array, builder),
    }
}

/// The numbers of an array of up to 8 bytes each, as they are encoded.
fn widen(data: &ArrayData, shape: Shape, signed: bool) -> Vec<i64> {
    macro_rules! wide {
        ($native:ty) => {
            data.buffer::<$native>(0)[..data.len()].iter().map(|v| i64::from(*v)).collect()
        };
    }
    match (shape.width, signed) {
        (1, true) => wide!(i8),
        (1, false) => wide!(u8),
        (2, true) => wide!(i16),
        (2, false) => wide!(u16),
        (4, true) => wide!(i32),
        (4, false) => wide!(u32),
        _ if shape.flipped => data.buffer::<i64>(0)[..data.len()].iter().map(|v| v ^ i64::MIN).collect(),
        _ => data.buffer::<i64>(0)[..data.len()].to_vec(),
    }
}

/// Adds a number to a sketch.
fn sketch<D: Domain>(sketch: &mut DistinctSketch, values: &[D]) {
    values.iter().for_each(|v| sketch.add_i128(v.wide()));
}

/// Encodes whole numbers.
fn encode_ints<D: Domain + Hash + Eq>(
    mut values: Vec<D>,
    shape: Shape,
    builder: &mut ChunkBuilder<'_>,
    natural: impl Fn(D) -> i128,
) {
    let (force, summed) = (builder.options.force, sum_width(builder.ty) > 0);
    builder.fill(&mut values);
    let lag = builder.lag(Some(1.0), |row| values[row].wide() as f64);
    for block in builder.blocks.iter_mut().filter(|b| !b.all_null()) {
        let values = &values[block.range()];
        let nulls = block.nulls.as_ref();
        sketch(&mut builder.sketch, values);
        let stats = IntStats::with_lag(values, lag);
        block.codec = int::encode(values, &stats, shape, force, &mut block.stream);
        let sum = || valid(values, nulls).try_fold(0_i128, |sum, v| sum.checked_add(natural(v)));
        block.summary = Summary {
            min: Some(Scalar::Int(natural(stats.min))),
            max: Some(Scalar::Int(natural(stats.max))),
            sum: if summed { sum().map(Scalar::Int) } else { None },
            sorted: values.is_sorted(),
        };
    }
    builder.memory_len = shape.width * builder.rows();
    try_dictionary(&values, shape, builder);
}

/// Encodes floats.
fn encode_floats(array: &ArrayRef, data: &ArrayData, width: usize, builder: &mut ChunkBuilder<'_>) {
    let force = builder.options.force;
    let shape = Shape::of_width(width);
    let mut values: Vec<f64> = if width == 4 {
        array.as_primitive::<Float32Type>().values().iter().map(|v| f64::from(*v)).collect()
    } else {
        array.as_primitive::<Float64Type>().values().to_vec()
    };
    // The bits are taken from the array, as widening may change those of a NaN.
    let mut bits = if width == 4 { widen(data, shape, false) } else { widen(data, shape, true) };
    builder.fill(&mut values);
    builder.fill(&mut bits);
    let lag = builder.lag(None, |row| values[row]);
    let mut encoder = FloatEncoder::new(width, lag, force);
    for block in builder.blocks.iter_mut().filter(|b| !b.all_null()) {
        let (values, bits) = (&values[block.range()], &bits[block.range()]);
        let nulls = block.nulls.as_ref();
        sketch(&mut builder.sketch, bits);
        block.codec = encoder.encode(bits, &mut block.stream);
        block.summary = float_summary(values, nulls);
    }
    builder.memory_len = width * builder.rows();
    try_dictionary(&bits, shape, builder);
}

/// Encodes UUIDs: as numbers, whose order means nothing.
fn encode_uuids(array: &ArrayRef, builder: &mut ChunkBuilder<'_>) {
    let array = array.as_fixed_size_binary();
    let force = builder.options.force;
    let mut values: Vec<[u8; 16]> =
        (0..array.len()).map(|i| array.value(i).try_into().unwrap_or_default()).collect();
    let mut numbers = vec![];
    for block in &mut builder.blocks {
        let values = &mut values[block.range()];
        fill(values, block.nulls.as_ref());
        let from = numbers.len();
        numbers.extend(values.iter().map(|v| i128::from_le_bytes(*v)));
        if block.all_null() {
            continue;
        }
        let numbers = &numbers[from..];
        sketch(&mut builder.sketch, numbers);
        let stats = IntStats::of(numbers);
        block.codec = int::encode(numbers, &stats, Shape::of_width(16), force, &mut block.stream);
        block.summary = Summary {
            min: values.iter().min().map(Scalar::bytes),
            max: values.iter().max().map(Scalar::bytes),
            sum: None,
            sorted: values.is_sorted(),
        };
    }
    builder.memory_len = 16 * builder.rows();
    try_dictionary(&numbers, Shape::of_width(16), builder);
}

/// Replaces the blocks by positions in a dictionary, if that takes fewer bytes. NULLs must be filled.
fn try_dictionary<D: Domain + Hash + Eq>(values: &[D], shape: Shape, builder: &mut ChunkBuilder<'_>) {
    let valid = builder.rows() - builder.null_count();
    let Some(distinct) = builder.sketch.estimate(valid) else { return };
    let now: usize = builder.blocks.iter().map(|b| b.stream.len()).sum();
    let force = builder.options.force;
    let bits = usize::BITS as usize - distinct.leading_zeros() as usize;
    // Runs may take much less than packed codes, but then the values are in runs as well.
    let guess = distinct * shape.width + builder.rows() * bits / 8;
    let promising = force.is_none() && distinct < DICTIONARY_MAX / 4 && guess + guess / 8 < now;
    if !promising && force != Some(Codec::Dictionary) {
        return;
    }
    let mut codes: HashMap<D, i64, FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
    let mut order = vec![];
    let mut coded = vec![0; values.len()];
    for block in builder.blocks.iter().filter(|b| !b.all_null()) {
        let mut last: Option<(D, i64)> = None;
        for row in block.range() {
            let v = values[row];
            coded[row] = match last {
                Some((value, code)) if value == v => code,
                _ => *codes.entry(v).or_insert_with(|| {
                    order.push(v);
                    order.len() as i64 - 1
                }),
            };
            last = Some((v, coded[row]));
        }
    }
    let (streams, total) = code_streams(&mut coded, builder);
    let mut shared = shared_section(order.len(), &[]);
    int::encode(&order, &IntStats::of(&order), shape, Some(Codec::Plain), &mut shared);
    if force.is_some() || total + shared.len() < now - now / 16 {
        builder.distinct = Some(order.len());
        builder.shared = Some((Scheme::Dictionary, shared));
        use_codes(streams, builder);
    }
}
