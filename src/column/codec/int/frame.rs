//! Frame of reference: differences to the minimum, bit-packed.
//!
//! Head: `a` = bits of a difference. After it: the minimum, the packed differences.

use crate::column::codec::bitpack::Lane;
use crate::column::codec::bitpack::{self, LaneSink, Packed, ones};
use crate::column::codec::bits::Bits;
use crate::column::codec::int::{
    Domain, HEAD, IntCodec, IntStats, Shape, Span, checked_bits, number, packed,
};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::Decoded;

/// See the module.
pub(super) struct Frame;

/// The minimum and the packed differences.
pub(super) fn parts<'a, O: Lane>(stream: &mut Stream<'a>, count: usize) -> Decoded<(O, Packed<'a>)> {
    let bits = checked_bits::<O>(stream.a)?;
    let base = number(&mut stream.payload)?;
    let bytes = stream.payload.take(packed(count, bits))?;
    Ok((base, Packed::new(bytes, count, bits)?))
}

/// Adds the minimum to differences.
struct Widen<'o, O> {
    base: O,
    out: &'o mut Vec<O>,
}

impl<O: Lane> LaneSink for Widen<'_, O> {
    #[inline(always)]
    fn lanes<T: Lane>(&mut self, lanes: &[T]) {
        let base = self.base;
        self.out.extend(lanes.iter().map(|d| base.plus(O::truncate(T::from_le(*d).low()))));
    }
}

/// Appends `base` plus each of the packed differences.
#[inline]
pub(super) fn widen<O: Lane>(base: O, differences: Packed<'_>, out: &mut Vec<O>) {
    differences.for_each_run(Widen { base, out });
}

/// Tests differences.
struct Test<'o> {
    lo: u64,
    span: u64,
    at: usize,
    bits: &'o mut Bits,
}

impl LaneSink for Test<'_> {
    #[inline(always)]
    fn lanes<T: Lane>(&mut self, lanes: &[T]) {
        let (lo, span) = (T::truncate(self.lo), T::truncate(self.span));
        self.bits.set_where(self.at, lanes, |d| T::from_le(d).minus(lo) <= span);
        self.at += lanes.len();
    }
}

impl IntCodec for Frame {
    const CODEC: Codec = Codec::Frame;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        let bits = stats.frame_bits().filter(|bits| *bits <= shape.bits())?;
        Some(HEAD + shape.width + packed(stats.count, bits))
    }

    fn encode<D: Domain>(values: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        let bits = stats.frame_bits().unwrap_or(64);
        StreamHead::write(Self::CODEC, bits as u8, 0, 0, out);
        shape.put(stats.min, out);
        bitpack::pack(values.iter().map(|v| v.offset(stats.min).unwrap_or(0)), bits, out);
    }

    fn decode<O: Lane>(mut stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        let (base, differences) = parts(&mut stream, count)?;
        stream.payload.finish()?;
        widen(base, differences, out);
        Ok(())
    }

    fn select<O: Lane>(mut stream: Stream<'_>, count: usize, rows: &[u16], out: &mut Vec<O>) -> Decoded<()> {
        let (base, differences) = parts::<O>(&mut stream, count)?;
        stream.payload.finish()?;
        // One number costs about as much as eight that are unpacked in a row.
        if rows.len() * 8 < count {
            differences.for_each_of(rows, |d| out.push(base.plus(O::truncate(d))));
        } else {
            let mut all = Vec::with_capacity(count);
            widen(base, differences, &mut all);
            out.extend(rows.iter().map(|r| all[usize::from(*r)]));
        }
        Ok(())
    }

    fn filter<O: Lane>(mut stream: Stream<'_>, count: usize, span: Span<O>, bits: &mut Bits) -> Decoded<()> {
        let (base, differences) = parts::<O>(&mut stream, count)?;
        stream.payload.finish()?;
        // The condition on differences: from `lo` on, `span` further, wrapping around. What lies in
        // 0 ..= greatest of that is one range, or two when it wraps.
        let lo = span.lo.minus(base).wide();
        let greatest = u128::from(ones(usize::from(stream.a)));
        let modulus_less_one = O::default().minus(O::truncate(1)).wide();
        let wraps = span.span.wide() > modulus_less_one - lo;
        let (lo, hi) = match (wraps, lo > greatest) {
            (false, true) => return Ok(()),
            (false, false) => (lo, greatest.min(lo + span.span.wide())),
            (true, true) => (0, greatest.min(span.span.wide() - (modulus_less_one - lo) - 1)),
            (true, false) => {
                let mut all = Vec::with_capacity(count);
                widen(base, differences, &mut all);
                bits.set_where(0, &all, |v| span.test(v));
                return Ok(());
            }
        };
        if lo == 0 && hi == greatest {
            bits.set_range(0, count);
        } else {
            differences.for_each_run(Test { lo: lo as u64, span: (hi - lo) as u64, at: 0, bits });
        }
        Ok(())
    }
}
