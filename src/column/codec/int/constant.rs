//! Constant: one number, many times.
//!
//! After the head: the number.

use crate::column::codec::bitpack::Lane;
use crate::column::codec::bits::Bits;
use crate::column::codec::int::{Domain, HEAD, IntCodec, IntStats, Shape, Span, number};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::Decoded;

/// See the module.
pub(super) struct Constant;

/// The number.
fn value<O: Lane>(mut stream: Stream<'_>) -> Decoded<O> {
    let value = number(&mut stream.payload)?;
    stream.payload.finish()?;
    Ok(value)
}

impl IntCodec for Constant {
    const CODEC: Codec = Codec::Constant;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        (stats.min == stats.max).then_some(HEAD + shape.width)
    }

    fn encode<D: Domain>(_: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        StreamHead::write(Self::CODEC, 0, 0, 0, out);
        shape.put(stats.min, out);
    }

    fn decode<O: Lane>(stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        out.resize(out.len() + count, value(stream)?);
        Ok(())
    }

    fn select<O: Lane>(stream: Stream<'_>, _: usize, rows: &[u16], out: &mut Vec<O>) -> Decoded<()> {
        Self::decode(stream, rows.len(), out)
    }

    fn filter<O: Lane>(stream: Stream<'_>, count: usize, span: Span<O>, bits: &mut Bits) -> Decoded<()> {
        if span.test(value(stream)?) {
            bits.set_range(0, count);
        }
        Ok(())
    }
}
