//! Statistics of values in memory, as a chunk of them would have.

use std::hash::BuildHasher;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use bytemuck::Zeroable;
use foldhash::fast::FixedState;

use crate::column::error::Result;
use crate::column::le::U32;
use crate::column::meta::ChunkMeta;
use crate::column::physical::{Physical, sum_width};
use crate::column::scalar::Scalar;
use crate::column::sketch::DistinctSketch;
use crate::column::stats::ChunkStats;
use crate::column::summary::{Summary, bytes_summary, fill, float_summary, valid};
use crate::column::types::LogicalType;
use crate::column::writer::flatten;

/// What is known of the values of an array, in the layout of `ty`, without encoding them.
///
/// # Errors
/// If the array cannot be read as one of that type.
pub fn array_stats(array: &ArrayRef, ty: &LogicalType) -> Result<ChunkStats> {
    let array = flatten(array)?;
    let mut meta = ChunkMeta::zeroed();
    meta.row_count = U32::new(array.len() as u32);
    meta.null_count = U32::new(array.null_count() as u32);
    if let Some(physical) = Physical::of(ty)
        && array.null_count() < array.len()
    {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        let mut sketch = DistinctSketch::for_rows(array.len());
        let summed = sum_width(ty) > 0;
        if let Some(mut summary) = summarize(&array, physical, nulls, summed, &mut sketch) {
            summary.sorted &= nulls.is_none();
            let distinct = sketch.estimate(array.len() - array.null_count());
            meta.set_stats(&summary, distinct, physical);
        }
    }
    Ok(meta.stats(ty))
}

/// `None` if a chunk of such values has no statistics. At least one value is not NULL.
fn summarize(
    array: &ArrayRef,
    physical: Physical,
    nulls: Option<&NullBuffer>,
    summed: bool,
    sketch: &mut DistinctSketch,
) -> Option<Summary> {
    let rows = array.len();
    macro_rules! whole {
        ($data:ident, $native:ty) => {
            whole_summary(&$data.buffer::<$native>(0)[..rows], nulls, summed, sketch)
        };
    }
    match physical {
        Physical::Boolean => {
            let values: Vec<bool> = array.as_boolean().values().iter().collect();
            valid(&values, nulls).for_each(|v| sketch.add_u64(v.into()));
            Some(Summary {
                min: valid(&values, nulls).min().map(Scalar::Boolean),
                max: valid(&values, nulls).max().map(Scalar::Boolean),
                sum: None,
                sorted: values.is_sorted(),
            })
        }
        Physical::Int { width, signed } => {
            let data = array.to_data();
            match (width, signed) {
                (1, true) => whole!(data, i8),
                (1, false) => whole!(data, u8),
                (2, true) => whole!(data, i16),
                (2, false) => whole!(data, u16),
                (4, true) => whole!(data, i32),
                (4, false) => whole!(data, u32),
                (8, true) => whole!(data, i64),
                (8, false) => whole!(data, u64),
                _ => whole!(data, i128),
            }
        }
        Physical::Float { width } => {
            let mut values: Vec<f64> = if width == 4 {
                array.as_primitive::<Float32Type>().values().iter().map(|v| f64::from(*v)).collect()
            } else {
                array.as_primitive::<Float64Type>().values().to_vec()
            };
            fill(&mut values, nulls);
            values.iter().for_each(|v| sketch.add_u64(v.to_bits()));
            Some(float_summary(&values, nulls))
        }
        Physical::Uuid => {
            let array = array.as_fixed_size_binary();
            let values: Vec<&[u8]> = (0..rows).map(|i| array.value(i)).collect();
            valid(&values, nulls).for_each(|v| sketch.add_hash(hash(v)));
            Some(bytes_summary(&values, nulls, false))
        }
        Physical::Bytes { text } => {
            let values: Vec<&[u8]> = if text {
                let array = array.as_string_view();
                (0..rows).map(|i| array.value(i).as_bytes()).collect()
            } else {
                let array = array.as_binary_view();
                (0..rows).map(|i| array.value(i)).collect()
            };
            valid(&values, nulls).for_each(|v| sketch.add_hash(hash(v)));
            Some(bytes_summary(&values, nulls, text))
        }
        Physical::Interval | Physical::Nested(_) => None,
    }
}

fn hash(value: &[u8]) -> u64 {
    FixedState::with_seed(0).hash_one(value)
}

/// Statistics of whole numbers.
fn whole_summary<T: Copy + Ord + Into<i128>>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    summed: bool,
    sketch: &mut DistinctSketch,
) -> Option<Summary> {
    let first = valid(values, nulls).next()?;
    let (mut min, mut max, mut sum) = (first, first, Some(0_i128));
    for v in valid(values, nulls) {
        (min, max) = (min.min(v), max.max(v));
        let wide: i128 = v.into();
        sum = sum.and_then(|sum| sum.checked_add(wide));
        sketch.add_i128(wide);
    }
    Some(Summary {
        min: Some(Scalar::Int(min.into())),
        max: Some(Scalar::Int(max.into())),
        sum: sum.filter(|_| summed).map(Scalar::Int),
        sorted: values.is_sorted(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::column::conformance::{PATTERNS, Random, nested_types, options, sample, scalar_types};
    use crate::column::{BLOCK_ROWS, encode_chunk};

    proptest! {
        #[test]
        fn arrays_have_the_statistics_of_their_chunks(
            ty in proptest::sample::select([scalar_types(), nested_types()].concat()),
            pattern in proptest::sample::select(PATTERNS.to_vec()),
            null_percent in proptest::sample::select(vec![0, 0, 1, 50, 99, 100]),
            rows in proptest::sample::select(vec![0_usize, 1, 2, 3, 64, 200, 1500]),
            seed in any::<u64>(),
        ) {
            let array = sample(&ty, pattern, rows, null_percent, &mut Random::new(seed));
            let mut of_chunk =
                encode_chunk(&array, &ty, &options(None, BLOCK_ROWS)).unwrap().meta.stats(&ty);
            let mut of_array = array_stats(&array, &ty).unwrap();
            match (of_chunk.distinct.take(), of_array.distinct.take()) {
                (Some(a), Some(b)) => prop_assert!(a.abs_diff(b) <= 2 + a / 10, "{ty}: {a} and {b}"),
                (a, b) => prop_assert_eq!(a, b, "{}", ty),
            }
            // NaN is not itself.
            prop_assert_eq!(format!("{of_chunk:?}"), format!("{of_array:?}"), "{}", ty);
        }
    }
}
