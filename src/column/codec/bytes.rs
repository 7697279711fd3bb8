//! Streams of byte strings.
//!
//! - plain: `c` = bytes of the stream of lengths. After the head: the lengths (a stream of 4-byte numbers), the
//!   strings without gaps.
//! - constant: after the head, the string.

use crate::column::codec::int;
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Decoded, ensure};

/// Appends a stream and returns its codec.
pub(crate) fn encode(values: &[&[u8]], force: Option<Codec>, out: &mut Vec<u8>) -> Codec {
    let first = values.first().copied().unwrap_or_default();
    let constant = values.iter().all(|v| *v == first);
    if constant && force.is_none_or(|f| f == Codec::Constant) {
        StreamHead::write(Codec::Constant, 0, 0, 0, out);
        out.extend_from_slice(first);
        return Codec::Constant;
    }
    let mut lengths = vec![];
    int::encode_u32(values.iter().map(|v| v.len() as u32), &mut lengths);
    StreamHead::write(Codec::Plain, 0, 0, lengths.len() as u32, out);
    out.append(&mut lengths);
    out.reserve(values.iter().map(|v| v.len()).sum());
    for v in values {
        out.extend_from_slice(v);
    }
    Codec::Plain
}

/// The strings of a stream as they lie in it.
pub(crate) enum Strings<'a> {
    /// The same one in every row.
    Constant(&'a [u8]),
    /// One after another, with their lengths, which add up to those of the bytes.
    Plain {
        /// A length a row.
        lengths: Vec<u32>,
        /// All strings.
        data: &'a [u8],
    },
}

/// Finds the `count` strings of a stream.
pub(crate) fn decode(mut stream: Stream<'_>, count: usize) -> Decoded<Strings<'_>> {
    match stream.codec {
        Codec::Constant => Ok(Strings::Constant(stream.payload.rest())),
        Codec::Plain => {
            let lengths = stream.nested(stream.c)?;
            let lengths = int::decode_vec::<u32>(lengths, count)?;
            let data = stream.payload.rest();
            let total: u64 = lengths.iter().map(|n| u64::from(*n)).sum();
            ensure(total == data.len() as u64, "lengths of strings do not add up")?;
            Ok(Strings::Plain { lengths, data })
        }
        _ => stream.misplaced(),
    }
}
