//! From arrays to the streams of blocks, one module a shape.

mod distinct;
mod lag;
pub(crate) mod nested;
mod numbers;
mod strings;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::IntervalMonthDayNanoType;
use arrow_buffer::{BooleanBuffer, NullBuffer};

use crate::column::codec::int::{self, IntStats, Shape};
use crate::column::codec::{Codec, StreamHead, boolean};
use crate::column::error::Result;
use crate::column::physical::Physical;
use crate::column::scalar::Scalar;
use crate::column::summary::{Summary, fill};
use crate::column::writer::ChunkBuilder;

/// Encodes the values of all blocks.
pub(crate) fn values(array: &ArrayRef, builder: &mut ChunkBuilder<'_>) -> Result<()> {
    match builder.physical {
        Physical::Boolean => booleans(array.as_boolean().values(), builder),
        Physical::Int { .. } | Physical::Float { .. } | Physical::Uuid => numbers::encode(array, builder),
        Physical::Bytes { .. } => return strings::encode(array, builder),
        Physical::Interval => intervals(array, builder),
        Physical::Nested(nesting) => return nested::encode(array, nesting, builder),
    }
    Ok(())
}

/// Encodes booleans.
fn booleans(values: &BooleanBuffer, builder: &mut ChunkBuilder<'_>) {
    let force = builder.options.force;
    let (mut any_false, mut any_true) = (false, false);
    for block in builder.blocks.iter_mut().filter(|b| !b.all_null()) {
        let mut values = values.slice(block.start, block.rows);
        let mut valid = block.rows;
        let ones = match &block.nulls {
            None => values.count_set_bits(),
            Some(nulls) => {
                valid -= nulls.null_count();
                let ones = &values & nulls.inner();
                // NULLs become what most values are: zero, or one where all values are.
                let count = ones.count_set_bits();
                values = if count == valid { BooleanBuffer::new_set(block.rows) } else { ones };
                count
            }
        };
        block.codec = boolean::encode(&values, force, &mut block.stream);
        block.summary = Summary {
            min: Some(Scalar::Boolean(ones == valid)),
            max: Some(Scalar::Boolean(ones > 0)),
            sum: None,
            sorted: values.set_slices().all(|(_, end)| end == block.rows),
        };
        any_false |= ones < valid;
        any_true |= ones > 0;
    }
    builder.memory_len = builder.rows().div_ceil(8);
    builder.distinct = (any_false || any_true).then_some(usize::from(any_false) + usize::from(any_true));
}

/// Encodes intervals, part by part.
fn intervals(array: &ArrayRef, builder: &mut ChunkBuilder<'_>) {
    let values = array.as_primitive::<IntervalMonthDayNanoType>().values();
    let force = builder.options.force;
    for block in builder.blocks.iter_mut().filter(|b| !b.all_null()) {
        let values = &values[block.range()];
        let mut parts: [(Vec<i64>, usize); 3] = [
            (values.iter().map(|v| i64::from(v.months)).collect(), 4),
            (values.iter().map(|v| i64::from(v.days)).collect(), 4),
            (values.iter().map(|v| v.nanoseconds).collect(), 8),
        ];
        let mut streams = vec![];
        let mut ends = vec![];
        for (values, width) in &mut parts {
            fill(values, block.nulls.as_ref());
            int::encode(values, &IntStats::of(values), Shape::of_width(*width), force, &mut streams);
            ends.push(streams.len() as u32);
        }
        StreamHead::write(Codec::Parts, 0, 0, ends[0], &mut block.stream);
        block.stream.extend_from_slice(&(ends[1] - ends[0]).to_le_bytes());
        block.stream.append(&mut streams);
        block.codec = Codec::Parts;
    }
    builder.memory_len = 16 * builder.rows();
}

impl ChunkBuilder<'_> {
    /// Gives rows that are NULL values that are as good as those around them.
    fn fill<T: Copy>(&self, values: &mut [T]) {
        for block in self.blocks.iter().filter(|block| !block.all_null()) {
            fill(&mut values[block.range()], block.nulls.as_ref());
        }
    }

    /// How far before a value lies the one that it is nearest to, if it is another than its neighbour. See [`lag::find`].
    fn lag(&self, unit: Option<f64>, value: impl Fn(usize) -> f64) -> Option<usize> {
        match self.options.force {
            None | Some(Codec::Alp | Codec::Dictionary) => lag::find(self.rows(), unit, value),
            Some(Codec::Lag) => Some(lag::FORCED),
            Some(_) => None,
        }
    }
}

/// Number of distinct values and their order of appearance are found with this many values at most.
const DICTIONARY_MAX: usize = 1 << 16;

/// Appends the streams of the codes of all blocks and returns their size. `codes` has one for every row; NULLs
/// get that of the value before them.
fn code_streams(codes: &mut [i64], builder: &ChunkBuilder<'_>) -> (Vec<Vec<u8>>, usize) {
    let mut total = 0;
    let mut streams = Vec::with_capacity(builder.blocks.len());
    builder.fill(codes);
    let lag = builder.lag(Some(1.0), |row| codes[row] as f64);
    for block in &builder.blocks {
        let mut stream = vec![];
        if !block.all_null() {
            let codes = &codes[block.range()];
            let stats = IntStats::with_lag(codes, lag);
            int::encode(codes, &stats, Shape::of_width(4), None, &mut stream);
        }
        total += stream.len();
        streams.push(stream);
    }
    (streams, total)
}

/// Replaces the streams of all blocks by those of codes.
fn use_codes(streams: Vec<Vec<u8>>, builder: &mut ChunkBuilder<'_>) {
    for (block, stream) in builder.blocks.iter_mut().zip(streams) {
        if !block.all_null() {
            block.codec = Codec::Dictionary;
        }
        block.stream = stream;
    }
}

/// Begins a shared section: how many values it holds, and the symbol table that they are coded with.
fn shared_section(values: usize, table: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + table.len());
    out.extend_from_slice(&(values as u32).to_le_bytes());
    out.extend_from_slice(&(table.len() as u32).to_le_bytes());
    out.extend_from_slice(table);
    out
}

/// Whether row `i` of a block is a value.
fn is_valid(nulls: Option<&NullBuffer>, i: usize) -> bool {
    nulls.is_none_or(|n| n.is_valid(i))
}
