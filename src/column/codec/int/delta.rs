//! Delta: differences to the number before, in a frame of reference. For numbers that rise or fall steadily.
//!
//! Head: `a` = bits of a packed difference. After it: the first number, the least difference, and for each
//! number but the first its difference to the number before less the least difference, packed.

use crate::column::codec::bitpack::{self, Lane, LaneSink, Packed};
use crate::column::codec::int::{Domain, HEAD, IntCodec, IntStats, Shape, checked_bits, number, packed};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::Decoded;

/// See the module.
pub(super) struct Delta;

/// Sums up differences.
struct Sum<'o, O> {
    last: O,
    base: O,
    out: &'o mut Vec<O>,
}

impl<O: Lane> LaneSink for Sum<'_, O> {
    #[inline(always)]
    fn lanes<T: Lane>(&mut self, lanes: &[T]) {
        let (mut last, base) = (self.last, self.base);
        self.out.extend(lanes.iter().map(|d| {
            last = last.plus(base.plus(O::truncate(T::from_le(*d).low())));
            last
        }));
        self.last = last;
    }
}

impl IntCodec for Delta {
    const CODEC: Codec = Codec::Delta;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        let bits = stats.delta_bits().filter(|bits| stats.count > 0 && *bits <= shape.bits())?;
        Some(HEAD + 2 * shape.width + packed(stats.count - 1, bits))
    }

    fn encode<D: Domain>(values: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        let bits = stats.delta_bits().unwrap_or(64);
        StreamHead::write(Self::CODEC, bits as u8, 0, 0, out);
        shape.put(values.first().copied().unwrap_or_default(), out);
        shape.put_difference(stats.min_delta, out);
        let differences = values.array_windows();
        bitpack::pack(differences.map(|[a, b]| b.minus(*a).offset(stats.min_delta).unwrap_or(0)), bits, out);
    }

    fn decode<O: Lane>(mut stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        let bits = checked_bits::<O>(stream.a)?;
        let (first, base) = (number(&mut stream.payload)?, number(&mut stream.payload)?);
        if count == 0 {
            return stream.payload.finish();
        }
        let bytes = stream.payload.take(packed(count - 1, bits))?;
        stream.payload.finish()?;
        let differences = Packed::new(bytes, count - 1, bits)?;
        out.push(first);
        differences.for_each_run(Sum { last: first, base, out });
        Ok(())
    }
}
