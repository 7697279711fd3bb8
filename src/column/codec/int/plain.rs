//! Plain: one number after another.
//!
//! After the head: `count` numbers.

use crate::column::codec::bitpack::Lane;
use crate::column::codec::bits::Bits;
use crate::column::codec::int::{Domain, HEAD, IntCodec, IntStats, Shape, Span, number};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Cursor, Decoded};

/// Numbers whose bits are one word.
const WORD: usize = 64;

/// See the module.
pub(super) struct Plain;

impl IntCodec for Plain {
    const CODEC: Codec = Codec::Plain;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        Some(HEAD + stats.count * shape.width)
    }

    fn encode<D: Domain>(values: &[D], _: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        StreamHead::write(Self::CODEC, 0, 0, 0, out);
        for v in values {
            shape.put(*v, out);
        }
    }

    fn decode<O: Lane>(mut stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        let bytes = stream.payload.take_items(count, O::WIDTH)?;
        stream.payload.finish()?;
        out.extend(bytes.chunks_exact(O::WIDTH).map(O::read));
        Ok(())
    }

    fn filter<O: Lane>(mut stream: Stream<'_>, count: usize, span: Span<O>, bits: &mut Bits) -> Decoded<()> {
        let bytes = stream.payload.take_items(count, O::WIDTH)?;
        stream.payload.finish()?;
        let mut values = [O::default(); WORD];
        for (word, bytes) in bytes.chunks(WORD * O::WIDTH).enumerate() {
            let numbers = bytes.chunks_exact(O::WIDTH);
            let values = &mut values[..numbers.len()];
            values.iter_mut().zip(numbers).for_each(|(value, bytes)| *value = O::read(bytes));
            bits.set_where(word * WORD, values, |v| span.test(v));
        }
        Ok(())
    }

    fn select<O: Lane>(mut stream: Stream<'_>, count: usize, rows: &[u16], out: &mut Vec<O>) -> Decoded<()> {
        let bytes = stream.payload.take_items(count, O::WIDTH)?;
        stream.payload.finish()?;
        for row in rows {
            out.push(number(&mut Cursor::new(&bytes[usize::from(*row) * O::WIDTH..]))?);
        }
        Ok(())
    }
}
