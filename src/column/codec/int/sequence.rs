//! Sequence: each number is the one before plus the same step, as in generated ids and regular time stamps.
//!
//! After the head: the first number, the step.

use std::ops::Range;

use crate::column::codec::bitpack::Lane;
use crate::column::codec::bits::Bits;
use crate::column::codec::int::{Domain, HEAD, IntCodec, IntStats, Shape, Span, number};
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

/// Which of `before + step`, `before + 2 * step`, … `before + len * step`, where arithmetic wraps around, pass. `None`, if
/// that cannot be said at once.
pub(super) fn passing<O: Lane>(before: O, step: O, len: usize, span: Span<O>) -> Option<[Range<usize>; 2]> {
    // Differences to the least that passes, and a step of either sign: then what passes is between 0 and `most`, or a
    // whole turn above or below.
    if O::WIDTH > 8 {
        return None;
    }
    let turn = 1_i128 << (8 * O::WIDTH);
    let (from, most) = (before.minus(span.lo).wide() as i128, span.span.wide() as i128);
    let step = step.wide() as i128;
    let step = if step > turn / 2 { step - turn } else { step };
    if step == 0 {
        return Some([if from <= most { 0..len } else { 0..0 }, 0..0]);
    }
    if step.abs() * len as i128 >= turn {
        return None;
    }
    let within = |least: i128| {
        // How far it is to the first that passes, and to the last.
        let (near, far) = (least - from, least + most - from);
        let (near, far) = if step > 0 { (near, far) } else { (-far, -near) };
        let size = step.abs();
        if far < size || near > size * len as i128 {
            return 0..0;
        }
        let (first, last) = ((near.max(size) + size - 1) / size, (far / size).min(len as i128));
        if first > last { 0..0 } else { first as usize - 1..last as usize }
    };
    Some([within(0), within(if step > 0 { turn } else { -turn })])
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

    fn filter<O: Lane>(stream: Stream<'_>, count: usize, span: Span<O>, bits: &mut Bits) -> Decoded<()> {
        let (first, step) = parts::<O>(stream)?;
        match passing(first.minus(step), step, count, span) {
            Some(ranges) => ranges.into_iter().for_each(|range| bits.set_range(range.start, range.len())),
            None => {
                let mut all = Vec::with_capacity(count);
                Self::decode(stream, count, &mut all)?;
                bits.set_where(0, &all, |v| span.test(v));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::column::codec::int::encode;
    use crate::column::codec::int::laws::read_in_all_ways;

    #[test]
    fn what_passes_of_even_steps_is_known_at_once() {
        let all = |before: u8, step: u8, len: usize, span: Span<u8>| -> Vec<bool> {
            (1..=len).map(|k| span.test(before.wrapping_add(step.wrapping_mul(k as u8)))).collect()
        };
        let some = [0_u8, 1, 2, 3, 7, 50, 127, 128, 129, 200, 254, 255];
        let mut known = 0;
        for (before, step, lo, span) in some.into_iter().flat_map(|before| {
            some.into_iter().flat_map(move |step| {
                some.into_iter()
                    .flat_map(move |lo| some.into_iter().map(move |span| (before, step, lo, span)))
            })
        }) {
            for len in [1, 2, 5, 100, 300] {
                let span = Span { lo, span };
                let Some(ranges) = passing(before, step, len, span) else { continue };
                known += 1;
                let found: Vec<bool> = (0..len).map(|at| ranges.iter().any(|r| r.contains(&at))).collect();
                assert_eq!(found, all(before, step, len, span), "{before} {step} {len} {span:?}");
            }
        }
        assert!(known > 20_000, "{known}");
    }

    proptest! {
        #[test]
        fn sequences_are_read_in_any_way(
            first in any::<i64>(),
            step in any::<i64>(),
            shift in 0_u32..64,
            count in 1_usize..300,
        ) {
            let step = step >> shift;
            let values: Vec<i64> = (0..count as i64).map(|i| first.wrapping_add(step.wrapping_mul(i))).collect();
            let mut out = vec![];
            encode(&values, &IntStats::of(&values), Shape::of_width(8), Some(Codec::Sequence), &mut out);
            read_in_all_ways(&values, &out, &[]);
        }
    }
}
