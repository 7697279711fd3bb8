//! Sequence: each number is the one before plus the same step, as in generated ids and regular time stamps.
//!
//! After the head: the first number, the step.

use crate::column::codec::bitpack::Lane;
use crate::column::codec::int::{Domain, HEAD, IntCodec, IntStats, Shape, number};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::Decoded;

/// See the module.
pub(super) struct Sequence;

/// First number and step.
fn parts<O: Lane>(mut stream: Stream<'_>) -> Decoded<(O, O)> {
    let parts = (number(&mut stream.payload)?, number(&mut stream.payload)?);
    stream.payload.finish()?;
    Ok(parts)
}

impl IntCodec for Sequence {
    const CODEC: Codec = Codec::Sequence;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        (stats.min_delta == stats.max_delta).then_some(HEAD + 2 * shape.width)
    }

    fn encode<D: Domain>(values: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        StreamHead::write(Self::CODEC, 0, 0, 0, out);
        shape.put(values.first().copied().unwrap_or_default(), out);
        shape.put_difference(stats.min_delta, out);
    }

    fn decode<O: Lane>(stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        let (first, step) = parts::<O>(stream)?;
        // A product a row, not a sum, so that rows do not wait for each other.
        out.extend((0..count as u64).map(|i| first.plus(step.times(O::truncate(i)))));
        Ok(())
    }

    fn select<O: Lane>(stream: Stream<'_>, _: usize, rows: &[u16], out: &mut Vec<O>) -> Decoded<()> {
        let (first, step) = parts::<O>(stream)?;
        out.extend(rows.iter().map(|i| first.plus(step.times(O::truncate(u64::from(*i))))));
        Ok(())
    }
}
