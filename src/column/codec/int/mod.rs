//! Streams of whole numbers.
//!
//! Numbers are *encoded* as `i64` (or `i128`, if they are that wide), whatever their width and sign at rest, and
//! *decoded* straight into memory of the width at rest, where arithmetic wraps around: so decoding need not
//! know about signs, and no bytes can make it overflow. Each codec is one file with one [`IntCodec`].

mod constant;
mod delta;
mod frame;
mod lag;
#[cfg(test)]
mod laws;
mod multiples;
mod patched;
mod plain;
mod runs;
mod sequence;
mod stats;
mod steps;

use crate::column::codec::bitpack::{self, Lane};
use crate::column::codec::bits::Bits;
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Cursor, Damage, Decoded};

pub(crate) use self::runs::Finder as RunFinder;
pub(crate) use self::stats::IntStats;
use self::stats::middle;

/// A number while it is encoded.
pub(crate) trait Domain: Copy + Ord + Default + From<i32> + Send + Sync + 'static {
    /// Difference, wrapping around.
    fn minus(self, other: Self) -> Self;
    /// `self - base`, which is not negative, if it fits in 64 bits.
    fn offset(self, base: Self) -> Option<u64>;
    /// A count, which is less than 2^63.
    fn from_count(count: u64) -> Self;
    /// The two's complement, extended.
    fn wide(self) -> i128;
}

/// For numbers that lie close.
impl Domain for i32 {
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    #[inline(always)]
    fn offset(self, base: Self) -> Option<u64> {
        Some((self.wrapping_sub(base) as u32).into())
    }
    fn from_count(count: u64) -> Self {
        count as Self
    }
    fn wide(self) -> i128 {
        self.into()
    }
}

impl Domain for i64 {
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    #[inline(always)]
    fn offset(self, base: Self) -> Option<u64> {
        Some(self.wrapping_sub(base) as u64)
    }
    fn from_count(count: u64) -> Self {
        count as Self
    }
    fn wide(self) -> i128 {
        i128::from(self)
    }
}

impl Domain for i128 {
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    #[inline(always)]
    fn offset(self, base: Self) -> Option<u64> {
        u64::try_from(self.wrapping_sub(base) as u128).ok()
    }
    fn from_count(count: u64) -> Self {
        count.into()
    }
    fn wide(self) -> i128 {
        self
    }
}

/// How numbers of a stream lie at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bytes a number.
    pub(crate) width: usize,
    /// While they are encoded, their top bit is flipped, so that unsigned 64-bit numbers keep their order as
    /// signed ones.
    pub(crate) flipped: bool,
}

impl Shape {
    /// Numbers of `width` bytes that are encoded as they are.
    pub(crate) const fn of_width(width: usize) -> Self {
        Self { width, flipped: false }
    }

    /// Appends a number.
    fn put<D: Domain>(self, v: D, out: &mut Vec<u8>) {
        let v = if self.flipped { v.wide() ^ i128::from(i64::MIN) } else { v.wide() };
        out.extend_from_slice(&v.to_le_bytes()[..self.width]);
    }

    /// Appends a difference of numbers.
    fn put_difference<D: Domain>(self, v: D, out: &mut Vec<u8>) {
        out.extend_from_slice(&v.wide().to_le_bytes()[..self.width]);
    }

    /// The widest packed numbers.
    fn bits(self) -> usize {
        (8 * self.width).min(64)
    }
}

/// A condition on numbers at rest: `lo <= v <= lo + span`, where arithmetic wraps around, so that it holds
/// for signed and unsigned numbers alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<O> {
    /// The least that passes.
    pub(crate) lo: O,
    /// How far above it the greatest is that passes.
    pub(crate) span: O,
}

impl<O: Lane> Span<O> {
    /// Whether a number passes.
    #[inline(always)]
    pub(crate) fn test(self, v: O) -> bool {
        v.minus(self.lo) <= self.span
    }
}

/// One way to store whole numbers.
pub(crate) trait IntCodec {
    /// Its number.
    const CODEC: Codec;

    /// The bytes that it takes, head included, or `None` if it cannot. An estimate where it nests other streams.
    fn size<D: Domain>(stats: &IntStats<D>, shape: Shape) -> Option<usize>;

    /// Appends a stream.
    fn encode<D: Domain>(values: &[D], stats: &IntStats<D>, shape: Shape, out: &mut Vec<u8>);

    /// Appends the `count` numbers of a stream to `out`, or some part of them if the stream is damaged.
    fn decode<O: Lane>(stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()>;

    /// Appends the numbers of the given rows, which are less than `count`, to `out`.
    fn select<O: Lane>(stream: Stream<'_>, count: usize, rows: &[u16], out: &mut Vec<O>) -> Decoded<()> {
        let mut all: Vec<O> = Vec::with_capacity(count);
        Self::decode(stream, count, &mut all)?;
        out.extend(rows.iter().map(|r| all[usize::from(*r)]));
        Ok(())
    }

    /// Sets the bits of the numbers that pass.
    fn filter<O: Lane>(stream: Stream<'_>, count: usize, span: Span<O>, bits: &mut Bits) -> Decoded<()> {
        let mut all: Vec<O> = Vec::with_capacity(count);
        Self::decode(stream, count, &mut all)?;
        bits.set_where(0, &all, |v| span.test(v));
        Ok(())
    }
}

/// Calls a function of the codec of that number.
macro_rules! with_codec {
    ($codec:expr, $f:ident ( $($arg:expr),* ), else $else:expr) => {
        match $codec {
            Codec::Plain => plain::Plain::$f($($arg),*),
            Codec::Constant => constant::Constant::$f($($arg),*),
            Codec::Sequence => sequence::Sequence::$f($($arg),*),
            Codec::Frame => frame::Frame::$f($($arg),*),
            Codec::Delta => delta::Delta::$f($($arg),*),
            Codec::Runs => runs::Runs::$f($($arg),*),
            Codec::Patched => patched::Patched::$f($($arg),*),
            Codec::Multiples => multiples::Multiples::$f($($arg),*),
            Codec::Steps => steps::Steps::$f($($arg),*),
            Codec::Lag => lag::Lag::$f($($arg),*),
            _ => $else,
        }
    };
}

/// The codecs for whole numbers, cheapest to decode first, and what a byte of theirs counts in per cent: a codec
/// that is slower to decode must be smaller by more than the rest of it. What is [`in_place`] is not decoded at all.
const CANDIDATES: [(Codec, usize); 10] = [
    (Codec::Constant, 100),
    (Codec::Sequence, 100),
    (Codec::Plain, 95),
    (Codec::Frame, 100),
    (Codec::Runs, 100),
    (Codec::Patched, 104),
    (Codec::Multiples, 104),
    (Codec::Steps, 110),
    (Codec::Lag, 110),
    (Codec::Delta, 115),
];

/// The codec with the best score among those that `allowed` accepts, and its size. There must be one.
pub(crate) fn choose<D: Domain>(
    stats: &IntStats<D>,
    shape: Shape,
    allowed: impl Fn(Codec) -> bool,
) -> Option<(Codec, usize)> {
    CANDIDATES
        .iter()
        .filter(|(codec, _)| allowed(*codec))
        .filter_map(|(codec, weight)| {
            let size = with_codec!(*codec, size(stats, shape), else None)?;
            Some((*codec, size, size * weight))
        })
        .min_by_key(|(_, _, score)| *score)
        .map(|(codec, size, _)| (codec, size))
}

/// Appends a stream in the codec that takes the least. `force` is used if it can be.
pub(crate) fn encode<D: Domain>(
    values: &[D],
    stats: &IntStats<D>,
    shape: Shape,
    force: Option<Codec>,
    out: &mut Vec<u8>,
) -> Codec {
    let forced = force.and_then(|f| choose(stats, shape, |codec| codec == f));
    let chosen = forced.or_else(|| choose(stats, shape, |_| true));
    let codec = chosen.map_or(Codec::Plain, |(codec, _)| codec);
    with_codec!(codec, encode(values, stats, shape, out), else ());
    codec
}

/// Appends a stream in the codec that takes the least, of those that may be.
fn encode_as<D: Domain>(
    values: &[D],
    stats: &IntStats<D>,
    shape: Shape,
    allowed: impl Fn(Codec) -> bool,
    out: &mut Vec<u8>,
) {
    let codec = choose(stats, shape, allowed).map_or(Codec::Plain, |(codec, _)| codec);
    with_codec!(codec, encode(values, stats, shape, out), else ());
}

/// Appends a stream of small numbers, such as lengths and positions.
pub(crate) fn encode_u32(values: impl Iterator<Item = u32>, out: &mut Vec<u8>) {
    let values: Vec<i64> = values.map(i64::from).collect();
    encode(&values, &IntStats::of(&values), Shape::of_width(4), None, out);
}

/// Appends the `count` numbers of a stream to `out`.
pub(crate) fn decode<O: Lane>(stream: Stream<'_>, count: usize, out: &mut Vec<O>) -> Decoded<()> {
    let before = out.len();
    with_codec!(stream.codec, decode(stream, count, out), else stream.misplaced())?;
    debug_assert_eq!(out.len() - before, count, "codec {} decodes all or fails", stream.codec.name());
    Ok(())
}

/// The `count` numbers of a stream.
pub(crate) fn decode_vec<O: Lane>(stream: Stream<'_>, count: usize) -> Decoded<Vec<O>> {
    let mut out = Vec::with_capacity(count);
    decode(stream, count, &mut out)?;
    Ok(out)
}

/// The numbers of the given rows of a stream of `count`. Rows must be less than `count`.
pub(crate) fn select<O: Lane>(stream: Stream<'_>, count: usize, rows: &[u16]) -> Decoded<Vec<O>> {
    let mut out = Vec::with_capacity(rows.len());
    with_codec!(stream.codec, select(stream, count, rows, &mut out), else stream.misplaced())?;
    Ok(out)
}

/// Sets the bits of the numbers that pass.
pub(crate) fn filter<O: Lane>(
    stream: Stream<'_>,
    count: usize,
    span: Span<O>,
    bits: &mut Bits,
) -> Decoded<()> {
    with_codec!(stream.codec, filter(stream, count, span, bits), else stream.misplaced())
}

/// If the stream is in runs: the numbers, and how often each comes. These add up to the count.
pub(crate) fn in_runs<O: Lane>(stream: Stream<'_>, count: usize) -> Decoded<Option<(Vec<O>, Vec<u32>)>> {
    if stream.codec == Codec::Runs { runs::parts(stream, count).map(Some) } else { Ok(None) }
}

/// If the numbers lie in the stream as in memory: their bytes.
pub(crate) fn in_place<'a>(stream: &Stream<'a>, count: usize, width: usize) -> Decoded<Option<&'a [u8]>> {
    if stream.codec != Codec::Plain {
        return Ok(None);
    }
    let mut payload = stream.payload;
    let bytes = payload.take_items(count, width)?;
    payload.finish()?;
    Ok(Some(bytes))
}

/// Reads one number.
fn number<O: Lane>(cursor: &mut Cursor<'_>) -> Decoded<O> {
    Ok(O::read(cursor.take(O::WIDTH)?))
}

/// Checks a width in bits against the width of the numbers.
fn checked_bits<O: Lane>(bits: u8) -> Decoded<usize> {
    let bits = usize::from(bits);
    if bits > (8 * O::WIDTH).min(64) { Err(Damage::new("packed values are too wide")) } else { Ok(bits) }
}

/// Bytes of a stream head.
const HEAD: usize = size_of::<StreamHead>();

/// Bytes of packed numbers, with [`bitpack::packed_len`].
fn packed(count: usize, bits: usize) -> usize {
    bitpack::packed_len(count, bits)
}
