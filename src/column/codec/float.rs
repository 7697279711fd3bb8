//! Streams of floats: their bits as whole numbers of the same width, bit by bit the same when read, NaN
//! payloads and -0.0 included.

use crate::column::codec::bitpack::Lane;
use crate::column::codec::int::{self, IntStats, Shape};
use crate::column::codec::{Codec, Stream};
use crate::column::le::Decoded;

/// Appends a stream of the floats with these bits and returns its codec.
pub(crate) fn encode(bits: &[i64], width: usize, force: Option<Codec>, out: &mut Vec<u8>) -> Codec {
    int::encode(bits, &IntStats::of(bits), Shape::of_width(width), force, out)
}

/// Appends the bits of the `count` floats of a stream.
pub(crate) fn decode<O: Lane>(stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
    int::decode(stream, count, out)
}
