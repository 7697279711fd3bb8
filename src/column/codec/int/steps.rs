//! Steps: differences to the number before, many in a row the same, as in regular time stamps of several series one after
//! another.
//!
//! After the head: the first number, a stream of the differences of all others to the one before. That stream is not in
//! steps or multiples itself.

use crate::column::codec::bitpack::Lane;
use crate::column::codec::int::{self, Domain, HEAD, IntCodec, IntStats, Shape, choose, encode_as, number};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Decoded, ensure};

/// See the module.
pub(super) struct Steps;

/// So many times as many numbers as runs of the same difference make it worth a look.
const FEW: usize = 8;

/// What the numbers are as differences to the one before.
#[derive(Debug, Clone)]
pub(super) struct Differences<D> {
    differences: Vec<D>,
    stats: IntStats<D>,
}

impl<D: Domain> Differences<D> {
    /// Takes the differences, if they come in few `runs`.
    pub(super) fn of(values: &[D], runs: usize) -> Option<Self> {
        if runs < 2 || runs > values.len() / FEW {
            return None;
        }
        let differences: Vec<D> = values.array_windows().map(|[a, b]| b.minus(*a)).collect();
        let stats = IntStats::flat(&differences);
        Some(Self { differences, stats })
    }
}

/// Whether the differences may be in this codec.
fn may_nest(codec: Codec) -> bool {
    !matches!(codec, Codec::Steps | Codec::Multiples)
}

impl IntCodec for Steps {
    const CODEC: Codec = Codec::Steps;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        let (_, size) = choose(&stats.differences.as_ref()?.stats, Shape::of_width(shape.width), may_nest)?;
        Some(HEAD + shape.width + size)
    }

    fn encode<D: Domain>(values: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        let Some(Differences { differences, stats }) = stats.differences.as_deref() else { return };
        StreamHead::write(Self::CODEC, 0, 0, 0, out);
        shape.put(values.first().copied().unwrap_or_default(), out);
        encode_as(differences, stats, Shape::of_width(shape.width), may_nest, out);
    }

    fn decode<O: Lane>(mut stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        let first = number(&mut stream.payload)?;
        let differences = stream.nested_rest()?;
        ensure(may_nest(differences.codec) && count > 0, "steps of what they cannot be")?;
        let start = out.len();
        out.push(first);
        int::decode(differences, count - 1, out)?;
        let mut last = O::default();
        for v in &mut out[start..] {
            last = last.plus(*v);
            *v = last;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::codec::int::{decode_vec, encode};

    #[test]
    fn regular_times_of_some_series_take_hardly_anything() {
        let times: Vec<i64> = (0..2048).map(|i| 1_700_000_000_000_000 + i % 700 * 10_000_000).collect();
        let mut out = vec![];
        let stats = IntStats::of(&times);
        assert_eq!(encode(&times, &stats, Shape::of_width(8), None, &mut out), Codec::Steps);
        assert!(out.len() < 120, "{}", out.len());
        let decoded = decode_vec::<u64>(Stream::parse(&out).unwrap(), times.len()).unwrap();
        assert_eq!(decoded.into_iter().map(|v| v as i64).collect::<Vec<_>>(), times);
        assert!(decode_vec::<u64>(Stream::parse(&out).unwrap(), times.len() - 1).is_err());
        assert!(decode_vec::<u64>(Stream::parse(&out).unwrap(), 0).is_err());
    }
}
