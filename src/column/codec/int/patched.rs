//! Patched: a frame of reference too narrow for some numbers, and those numbers beside it. For columns with
//! few outliers, above or below.
//!
//! Head: `a` = bits of a difference, `b` = exceptions. After it: the least of the others, the packed differences to it (0
//! for an exception), the positions of the exceptions (2 bytes each, rising), their values.

use crate::column::codec::bitpack::{self, Lane, ones};
use crate::column::codec::bits::Bits;
use crate::column::codec::int::frame::{self, Frame};
use crate::column::codec::int::{Domain, HEAD, IntCodec, IntStats, Shape, Span, packed};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Cursor, Decoded, ensure};

/// See the module.
pub(super) struct Patched;

/// The width and number of exceptions that take the least bytes, and these.
fn best<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<(usize, usize, usize)> {
    let mut exceptions = stats.below;
    let mut best: Option<(usize, usize, usize)> = None;
    for bits in (0..stats.widths.len()).rev() {
        let size = HEAD + shape.width + packed(stats.count, bits) + exceptions * (2 + shape.width);
        if bits <= shape.bits() && exceptions > 0 && best.is_none_or(|(_, _, least)| size < least) {
            best = Some((bits, exceptions, size));
        }
        exceptions += stats.widths[bits] as usize;
        // More would be slow to decode, whatever the bytes.
        if exceptions > stats.count / 16 {
            break;
        }
    }
    best
}

/// The exceptions of a stream: positions and values.
fn exceptions<O: Lane>(stream: &mut Stream<'_>, count: usize) -> Decoded<Vec<(usize, O)>> {
    let positions = stream.payload.take_items(stream.b, 2)?;
    let values = stream.payload.take_items(stream.b, O::WIDTH)?;
    stream.payload.finish()?;
    let positions = positions.as_chunks().0.iter().map(|p| usize::from(u16::from_le_bytes(*p)));
    let all: Vec<(usize, O)> = positions.zip(values.chunks_exact(O::WIDTH).map(O::read)).collect();
    ensure(all.iter().all(|(at, _)| *at < count), "an exception lies past the end")?;
    Ok(all)
}

/// The stream as if it had no exceptions, and these.
fn parts<O: Lane>(stream: Stream<'_>, count: usize) -> Decoded<(Stream<'_>, Vec<(usize, O)>)> {
    let (mut framed, mut rest) = (stream, stream);
    frame::parts::<O>(&mut rest, count)?;
    let before = stream.payload.rest();
    framed.payload = Cursor::new(&before[..before.len() - rest.payload.rest().len()]);
    Ok((framed, exceptions(&mut rest, count)?))
}

impl IntCodec for Patched {
    const CODEC: Codec = Codec::Patched;

    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize> {
        if stats.count > usize::from(u16::MAX) {
            return None;
        }
        best(stats, shape).map(|(_, _, size)| size)
    }

    fn encode<D: Domain>(values: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>) {
        let (bits, count, _) = best(stats, shape).unwrap_or((64, 0, 0));
        StreamHead::write(Self::CODEC, bits as u8, count as u16, 0, out);
        shape.put(stats.base, out);
        let fits = |v: &D| v.offset(stats.base).filter(|d| *v >= stats.base && *d <= ones(bits));
        bitpack::pack(values.iter().map(|v| fits(v).unwrap_or(0)), bits, out);
        let exceptions = || values.iter().enumerate().filter(|(_, v)| fits(v).is_none());
        for (at, _) in exceptions() {
            out.extend_from_slice(&(at as u16).to_le_bytes());
        }
        for (_, v) in exceptions() {
            shape.put(*v, out);
        }
    }

    fn decode<O: Lane>(mut stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
        let (base, differences) = frame::parts(&mut stream, count)?;
        let exceptions = exceptions::<O>(&mut stream, count)?;
        let start = out.len();
        frame::widen(base, differences, out);
        for (at, v) in exceptions {
            out[start + at] = v;
        }
        Ok(())
    }

    fn select<O: Lane>(stream: Stream<'_>, count: usize, rows: &[u16], out: &mut Vec<O>) -> Decoded<()> {
        let (framed, mut exceptions) = parts::<O>(stream, count)?;
        let start = out.len();
        Frame::select(framed, count, rows, out)?;
        exceptions.sort_by_key(|(at, _)| *at);
        for (v, row) in out[start..].iter_mut().zip(rows) {
            if let Ok(at) = exceptions.binary_search_by_key(&usize::from(*row), |(at, _)| *at) {
                *v = exceptions[at].1;
            }
        }
        Ok(())
    }

    fn filter<O: Lane>(stream: Stream<'_>, count: usize, span: Span<O>, bits: &mut Bits) -> Decoded<()> {
        let (framed, exceptions) = parts::<O>(stream, count)?;
        Frame::filter(framed, count, span, bits)?;
        for (at, v) in exceptions {
            bits.assign(at, span.test(v));
        }
        Ok(())
    }
}
