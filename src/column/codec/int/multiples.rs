//! Multiples: differences to the minimum that are all multiples of one step, as time stamps of whole seconds are in
//! microseconds, and whole amounts in cents.
//!
//! After the head: the minimum, the step, a stream of how many steps above the minimum each number is. That stream is not
//! in runs, steps or multiples itself.

use crate::column::codec::bitpack::Lane;
use crate::column::codec::bits::Bits;
use crate::column::codec::int::{
    self, Domain, HEAD, IntCodec, IntStats, Shape, Span, choose, encode_as, number,
};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Decoded, ensure};

/// See the module.
pub(super) struct Multiples;

/// What the numbers are when they are counted in steps.
#[derive(Debug, Clone)]
pub(super) struct InSteps<D> {
    step: u64,
    counts: Vec<D>,
    stats: IntStats<D>,
}

impl<D: Domain> InSteps<D> {
    /// Finds the greatest step above 1 that divides all differences to the minimum.
    pub(super) fn of(values: &[D], min: D) -> Option<Self> {
        let mut step = 0;
        for value in values {
            let difference = value.offset(min)?;
            if difference.checked_rem(step) == Some(0) {
                continue;
            }
            step = gcd(step, difference);
            if step == 1 {
                return None;
            }
        }
        let count = |value: &D| value.offset(min)?.checked_div(step).map(D::from_count);
        let counts: Vec<D> = values.iter().map(count).collect::<Option<_>>()?;
        let stats = IntStats::flat(&counts);
        Some(Self { step, counts, stats })
    }
}

/// The greatest number that divides both.
fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Whether the numbers of steps may be in this codec.
fn may_nest(codec: Codec) -> bool {
    !matches!(codec, Codec::Runs | Codec::Steps | Codec::Multiples | Codec::Lag)
}

/// The minimum, the step, and the stream of numbers of steps.
fn parts<'a, O: Lane>(stream: &mut Stream<'a>) -> Decoded<(O, O, Stream<'a>)> {
    let (min, step) = (number(&mut stream.payload)?, number(&mut stream.payload)?);
    let counts = stream.nested_rest()?;
    ensure(may_nest(counts.codec), "multiples of what they cannot be")?;
    Ok((min, step, counts))
}

impl IntCodec for Multiples {
    const CODEC: Codec = Codec::Multiples;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        let (_, size) = choose(&stats.in_steps.as_ref()?.stats, Shape::of_width(shape.width), may_nest)?;
        Some(HEAD + 2 * shape.width + size)
    }

    fn encode<D: Domain>(_: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        let Some(InSteps { step, counts, stats: of_counts }) = stats.in_steps.as_deref() else { return };
        StreamHead::write(Self::CODEC, 0, 0, 0, out);
        shape.put(stats.min, out);
        out.extend_from_slice(&u128::from(*step).to_le_bytes()[..shape.width]);
        encode_as(counts, of_counts, Shape::of_width(shape.width), may_nest, out);
    }

    fn decode<O: Lane>(mut stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        let (min, step, counts) = parts::<O>(&mut stream)?;
        let start = out.len();
        int::decode(counts, count, out)?;
        out[start..].iter_mut().for_each(|v| *v = min.plus(v.times(step)));
        Ok(())
    }

    fn select<O: Lane>(mut stream: Stream<'_>, count: usize, rows: &[u16], out: &mut Vec<O>) -> Decoded<()> {
        let (min, step, counts) = parts::<O>(&mut stream)?;
        out.extend(int::select::<O>(counts, count, rows)?.into_iter().map(|v| min.plus(v.times(step))));
        Ok(())
    }

    fn filter<O: Lane>(mut stream: Stream<'_>, count: usize, span: Span<O>, bits: &mut Bits) -> Decoded<()> {
        let (min, step, counts) = parts::<O>(&mut stream)?;
        ensure(step != O::default(), "multiples of nothing")?;
        // The condition on differences to the minimum is one range of them, or all but one when it wraps around; so is that
        // on numbers of steps.
        let step = step.wide();
        let most = O::default().minus(O::truncate(1)).wide();
        let (lo, len) = (span.lo.minus(min).wide(), span.span.wide());
        let wraps = len > most - lo;
        let (lo, hi) = if wraps { (len - (most - lo), lo) } else { (lo, lo + len) };
        // Where it wraps, `hi` is the first that passes again, and `lo`, but for that, the first that does not.
        let (lo, hi) =
            if wraps { (lo.div_ceil(step), hi.div_ceil(step)) } else { (lo.div_ceil(step), hi / step + 1) };
        if lo < hi {
            let span = Span { lo: O::truncate_wide(lo), span: O::truncate_wide(hi - lo - 1) };
            int::filter(counts, count, span, bits)?;
        }
        if wraps {
            bits.negate();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::codec::int::{decode_vec, encode};

    fn encoded(values: &[i64]) -> (Codec, Vec<u8>) {
        let mut out = vec![];
        let codec = encode(values, &IntStats::of(values), Shape::of_width(8), None, &mut out);
        let decoded = decode_vec::<u64>(Stream::parse(&out).unwrap(), values.len()).unwrap();
        assert_eq!(decoded.into_iter().map(|v| v as i64).collect::<Vec<_>>(), values);
        (codec, out)
    }

    #[test]
    fn seconds_in_microseconds_take_the_bits_of_seconds() {
        let second = |i: i64| 1_372_636_800_000_000 + i * 7919 % 1024 * 1_000_000;
        let times: Vec<i64> = (0..2048).map(second).collect();
        let (codec, out) = encoded(&times);
        assert_eq!(codec, Codec::Multiples);
        assert!(out.len() < 2048 * 10 / 8 + 100, "{}", out.len());
        // One that is no multiple, and the step is gone.
        let (codec, _) = encoded(&[&times[..], &[times[0] + 1]].concat());
        assert_ne!(codec, Codec::Multiples);
        // Numbers over all of the range have no step that is worth it, and do not overflow.
        encoded(&[i64::MIN, i64::MAX, 1, -1]);
        encoded(&[i64::MIN, i64::MIN / 2, 0, 1 << 62, i64::MIN / 2, i64::MIN].repeat(20));
    }

    #[test]
    fn conditions_hold_for_the_same_numbers() {
        let values: Vec<i64> = (0..300).map(|i| i * 37 % 100 * 60 - 1800).collect();
        let (codec, out) = encoded(&values);
        assert_eq!(codec, Codec::Multiples);
        let bounds = [i64::MIN, -1801, -1800, -1799, -1, 0, 59, 60, 61, 4140, 4141, i64::MAX];
        for lo in bounds {
            for hi in bounds {
                // As a range from one to the other, which wraps around where they are the wrong way round.
                let span = Span { lo: lo as u64, span: hi.wrapping_sub(lo) as u64 };
                let mut bits = Bits::new(values.len());
                int::filter(Stream::parse(&out).unwrap(), values.len(), span, &mut bits).unwrap();
                let expected: Vec<bool> = values.iter().map(|v| span.test(*v as u64)).collect();
                assert_eq!(bits.finish().iter().collect::<Vec<_>>(), expected, "{lo} to {hi}");
            }
        }
    }
}
