//! Streams of booleans.
//!
//! - plain: a bit a row, least significant first;
//! - constant: `a` = 0 or 1, nothing after the head;
//! - runs: as whole numbers of one byte, 0 or 1.

use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer};

use crate::column::codec::bits::Bits;
use crate::column::codec::int::{self, IntStats, Shape, Span};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Decoded, ensure};

/// Appends a stream and returns its codec.
pub(crate) fn encode(values: &BooleanBuffer, force: Option<Codec>, out: &mut Vec<u8>) -> Codec {
    let ones = values.count_set_bits();
    let constant = ones == 0 || ones == values.len();
    if constant && force.is_none_or(|f| f == Codec::Constant) {
        StreamHead::write(Codec::Constant, u8::from(ones > 0), 0, 0, out);
        return Codec::Constant;
    }
    let plain_len = size_of::<StreamHead>() + values.len().div_ceil(8);
    // Each run of ones is one slice; counting them is cheap, so runs are tried only where there are few.
    let slices = values.set_slices().take(values.len() / 32 + 2).count();
    if force == Some(Codec::Runs) || (force.is_none() && slices <= values.len() / 32) {
        let numbers: Vec<i64> = values.iter().map(i64::from).collect();
        let mut runs = vec![];
        let (stats, shape) = (IntStats::of(&numbers), Shape::of_width(1));
        let codec = int::encode(&numbers, &stats, shape, Some(Codec::Runs), &mut runs);
        if codec == Codec::Runs && (force.is_some() || runs.len() < plain_len) {
            out.append(&mut runs);
            return Codec::Runs;
        }
    }
    StreamHead::write(Codec::Plain, 0, 0, 0, out);
    let mut bits = BooleanBufferBuilder::new(values.len());
    bits.append_buffer(values);
    out.extend_from_slice(&bits.finish().inner().as_slice()[..values.len().div_ceil(8)]);
    Codec::Plain
}

/// The `count` booleans of a stream.
pub(crate) fn decode(mut stream: Stream<'_>, count: usize) -> Decoded<BooleanBuffer> {
    match stream.codec {
        Codec::Plain => {
            let bytes = stream.payload.take(count.div_ceil(8))?;
            stream.payload.finish()?;
            Ok(BooleanBuffer::new(Buffer::from(bytes), 0, count))
        }
        Codec::Constant => {
            stream.payload.finish()?;
            ensure(stream.a <= 1, "a boolean is neither 0 nor 1")?;
            Ok(if stream.a == 1 { BooleanBuffer::new_set(count) } else { BooleanBuffer::new_unset(count) })
        }
        Codec::Runs => {
            let mut bits = Bits::new(count);
            int::filter::<u8>(stream, count, Span { lo: 1, span: 0 }, &mut bits)?;
            Ok(bits.finish())
        }
        _ => stream.misplaced(),
    }
}
