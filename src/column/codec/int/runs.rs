//! Runs: values and how often each is repeated.
//!
//! Head: `c` = number of runs. After it: the length of the stream of values (4 bytes), the stream of values, the
//! stream of lengths (4-byte numbers). Lengths add up to the count. Neither stream is in runs itself.

use crate::column::codec::bitpack::Lane;
use crate::column::codec::bits::Bits;
use crate::column::codec::int::{self, Domain, HEAD, IntCodec, IntStats, Shape, Span, encode_nested, packed};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Decoded, ensure};

/// See the module.
pub(super) struct Runs;

/// Values that are written at once when runs are decoded.
const AT_ONCE: usize = 8;

/// Values and lengths of the runs, as many of each, and lengths that add up to `count`.
fn parts<O: Lane>(mut stream: Stream<'_>, count: usize) -> Decoded<(Vec<O>, Vec<u32>)> {
    let runs = stream.c;
    ensure(runs <= count, "more runs than values")?;
    let values_len = stream.payload.u32()? as usize;
    let values = stream.nested(values_len)?;
    let lengths = stream.nested_rest()?;
    ensure(values.codec != Codec::Runs && lengths.codec != Codec::Runs, "runs within runs")?;
    let values = int::decode_vec(values, runs)?;
    let lengths = int::decode_vec::<u32>(lengths, runs)?;
    let total: u64 = lengths.iter().map(|n| u64::from(*n)).sum();
    ensure(total == count as u64, "lengths of runs do not add up")?;
    Ok((values, lengths))
}

impl IntCodec for Runs {
    const CODEC: Codec = Codec::Runs;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        let value_bits = stats.frame_bits().filter(|bits| *bits <= shape.bits()).unwrap_or(8 * shape.width);
        // Lengths are taken to be up to sixteen times the mean.
        let length_bits = (16 * stats.count / stats.runs.max(1)).max(1).ilog2() as usize + 1;
        let values = HEAD + shape.width + packed(stats.runs, value_bits.min(64));
        Some(HEAD + 4 + values + HEAD + 4 + packed(stats.runs, length_bits))
    }

    fn encode<D: Domain>(values: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        let mut heads = Vec::with_capacity(stats.runs);
        let mut lengths: Vec<i64> = Vec::with_capacity(stats.runs);
        for run in values.chunk_by(|a, b| a == b) {
            heads.push(run[0]);
            lengths.push(run.len() as i64);
        }
        StreamHead::write(Self::CODEC, 0, 0, heads.len() as u32, out);
        let mut nested = vec![];
        encode_nested(&heads, shape, &mut nested);
        out.extend_from_slice(&(nested.len() as u32).to_le_bytes());
        out.append(&mut nested);
        encode_nested(&lengths, Shape::of_width(4), out);
    }

    fn decode<O: Lane>(stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        let (values, lengths) = parts::<O>(stream, count)?;
        // Most runs are short: a few values are written whatever the length, and overwritten by the next run.
        let start = out.len();
        out.resize(start + count + AT_ONCE, O::default());
        let mut rest = &mut out[start..];
        for (value, length) in values.into_iter().zip(lengths) {
            let length = length as usize;
            rest[..AT_ONCE].fill(value);
            if length > AT_ONCE {
                rest[AT_ONCE..length].fill(value);
            }
            rest = &mut rest[length..];
        }
        out.truncate(start + count);
        Ok(())
    }

    fn filter<O: Lane>(stream: Stream<'_>, count: usize, span: Span<O>, bits: &mut Bits) -> Decoded<()> {
        let (values, lengths) = parts::<O>(stream, count)?;
        let mut at = 0;
        for (value, length) in values.into_iter().zip(lengths) {
            if span.test(value) {
                bits.set_range(at, length as usize);
            }
            at += length as usize;
        }
        Ok(())
    }
}
