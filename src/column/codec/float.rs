//! Streams of floats, bit by bit the same when read, NaN payloads and -0.0 included.
//!
//! Most are their bits as whole numbers of the same width. *ALP* (Afroozeh, Kuffo, Boncz, 2023) is for floats that
//! are decimal numbers at heart: a whole number `n` and the exponents `e >= f` of the block stand for
//! `n * 10^f * 10^-e`, computed in double precision in this order, with `10^-e` a constant near that power (and
//! rounded to single precision in the end, where floats have 4 bytes).
//!
//! ALP: head `a` = e, `b` = f, `c` = exceptions. After it: bytes of the stream of whole numbers (4 bytes), that
//! stream (8-byte numbers), the positions of the exceptions (2 bytes each, rising), their bits.

use crate::column::codec::bitpack::Lane;
use crate::column::codec::bits::Bits;
use crate::column::codec::int::{self, IntStats, Shape, Span};
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Decoded, ensure};

/// The greatest exponent. Beyond it a whole number of 64 bits has no digits left.
const MAX_EXPONENT: usize = 18;
/// Powers of ten, exact.
const POWERS: [f64; MAX_EXPONENT + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];
/// Their reciprocals, rounded.
const FRACTIONS: [f64; MAX_EXPONENT + 1] = [
    1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15,
    1e-16, 1e-17, 1e-18,
];
/// Values of a block that are tried with all exponents.
const SAMPLE: usize = 32;
/// Whole numbers beyond this are not exact as floats.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A float at rest: its bits and its value.
trait Float: Lane {
    /// The value.
    fn value(self) -> f64;
    /// The bits of the float nearest to a value.
    fn from_value(v: f64) -> Self;
}

impl Float for u64 {
    #[inline(always)]
    fn value(self) -> f64 {
        f64::from_bits(self)
    }
    #[inline(always)]
    fn from_value(v: f64) -> Self {
        v.to_bits()
    }
}

impl Float for u32 {
    #[inline(always)]
    fn value(self) -> f64 {
        f64::from(f32::from_bits(self))
    }
    #[inline(always)]
    fn from_value(v: f64) -> Self {
        (v as f32).to_bits()
    }
}

/// A pair of exponents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exponents {
    e: usize,
    f: usize,
}

impl Exponents {
    /// The whole number that stands for a float, if there is one.
    #[inline(always)]
    fn encode<F: Float>(self, bits: F) -> Option<i64> {
        let scaled = round(bits.value() * POWERS[self.e] * FRACTIONS[self.f]);
        // False for NaN, too.
        if scaled.abs() > EXACT || scaled.is_nan() {
            return None;
        }
        let n = scaled as i64;
        (self.decode::<F>(n) == bits).then_some(n)
    }

    /// The float that a whole number stands for.
    #[inline(always)]
    fn decode<F: Float>(self, n: i64) -> F {
        F::from_value(n as f64 * POWERS[self.f] * FRACTIONS[self.e])
    }
}

/// The exponents that suit a sample best, if any suit at all. Those of the block before, if they suit all of it, are taken at
/// once: a column has as many digits everywhere, or nearly.
fn find_exponents<F: Float>(bits: &[F], before: Option<Exponents>) -> Option<Exponents> {
    let step = bits.len().div_ceil(SAMPLE).max(1);
    let sample: Vec<F> = bits.iter().step_by(step).copied().collect();
    if let Some(exponents) = before
        && sample.iter().all(|v| exponents.encode(*v).is_some())
    {
        return before;
    }
    let mut best: Option<(usize, Exponents)> = None;
    for e in 0..=MAX_EXPONENT {
        for f in 0..=e {
            let exponents = Exponents { e, f };
            let most = best.map_or(usize::MAX, |(cost, _)| cost);
            if let Some(cost) = cost(exponents, &sample, most) {
                best = Some((cost, exponents));
            }
        }
    }
    best.map(|(_, exponents)| exponents)
}

/// How many bits a sample takes with some exponents, if that is less than `most` and they suit it.
fn cost<F: Float>(exponents: Exponents, sample: &[F], most: usize) -> Option<usize> {
    let (mut exceptions, mut least, mut greatest) = (0, i64::MAX, i64::MIN);
    let of_exception = 16 + 8 * F::WIDTH;
    for v in sample {
        match exponents.encode(*v) {
            Some(n) => (least, greatest) = (least.min(n), greatest.max(n)),
            None => exceptions += 1,
        }
        // More than a third of exceptions is hopeless.
        if exceptions * 3 > sample.len() || exceptions * of_exception >= most {
            return None;
        }
    }
    let width = u64::BITS - (greatest.wrapping_sub(least) as u64).leading_zeros();
    Some(sample.len() * width as usize + exceptions * of_exception).filter(|cost| *cost < most)
}

/// The nearest whole number, the even one of two. Without instructions of its own it is a call for each number.
fn round(value: f64) -> f64 {
    /// Beside it floats are whole numbers.
    const BIG: f64 = 1.5 * (1_u64 << 52) as f64;
    if value.abs() < (1_u64 << 51) as f64 { value + BIG - BIG } else { value.round_ties_even() }
}

/// The floats of a block as decimal numbers.
struct Decimals<F> {
    exponents: Exponents,
    /// The whole numbers.
    stream: Vec<u8>,
    /// Position and bits of what is no such number.
    exceptions: Vec<(u16, F)>,
    count: usize,
}

impl<F: Float> Decimals<F> {
    /// `None` if no exponents suit.
    fn of(
        bits: impl ExactSizeIterator<Item = F>,
        lag: Option<usize>,
        before: Option<Exponents>,
    ) -> Option<Self> {
        let bits: Vec<F> = bits.collect();
        if bits.len() > usize::from(u16::MAX) {
            return None;
        }
        let exponents = find_exponents(&bits, before)?;
        let mut exceptions = vec![];
        let mut last = 0;
        let mut numbers: Vec<i64> = Vec::with_capacity(bits.len());
        for (v, at) in bits.iter().zip(0_u16..) {
            match exponents.encode(*v) {
                Some(n) => last = n,
                None => exceptions.push((at, *v)),
            }
            numbers.push(last);
        }
        // What stands in for exceptions at the start must not widen the frame.
        let first = exceptions.iter().zip(0..).take_while(|((at, _), i)| at == i).count();
        if let Some(number) = numbers.get(first).copied() {
            numbers[..first].fill(number);
        }
        let mut stream = vec![];
        let stats = IntStats::with_lag(&numbers, lag);
        int::encode(&numbers, &stats, Shape::of_width(8), None, &mut stream);
        Some(Self { exponents, stream, exceptions, count: bits.len() })
    }

    /// Bytes of the stream.
    fn size(&self) -> usize {
        size_of::<StreamHead>() + 4 + self.stream.len() + self.exceptions.len() * (2 + F::WIDTH)
    }

    /// Whether no codec of bits need be tried. Where next to nothing is left, numbers repeat, so their bits do as well, and
    /// are faster to decode.
    fn is_settled(&self) -> bool {
        let plain = self.count * F::WIDTH;
        self.exceptions.len() <= self.count / 32 && (plain / 16..=plain * 3 / 4).contains(&self.size())
    }

    fn write(mut self, out: &mut Vec<u8>) {
        let Exponents { e, f } = self.exponents;
        StreamHead::write(Codec::Alp, e as u8, f as u16, self.exceptions.len() as u32, out);
        out.extend_from_slice(&(self.stream.len() as u32).to_le_bytes());
        out.append(&mut self.stream);
        self.exceptions.iter().for_each(|(at, _)| out.extend_from_slice(&at.to_le_bytes()));
        self.exceptions.iter().for_each(|(_, v)| out.extend_from_slice(&v.wide().to_le_bytes()[..F::WIDTH]));
    }
}

/// Encodes the blocks of a column of floats one after another.
#[derive(Debug)]
pub(crate) struct FloatEncoder {
    width: usize,
    lag: Option<usize>,
    force: Option<Codec>,
    /// Those of the block before.
    exponents: Option<Exponents>,
}

impl FloatEncoder {
    /// For floats of `width` bytes. `lag` is that of [`IntStats::with_lag`].
    pub(crate) fn new(width: usize, lag: Option<usize>, force: Option<Codec>) -> Self {
        Self { width, lag, force, exponents: None }
    }

    /// Appends a stream of the floats with these bits and returns its codec.
    pub(crate) fn encode(&mut self, bits: &[i64], out: &mut Vec<u8>) -> Codec {
        if self.width == 4 {
            self.encode_as(bits, |bits| bits as u32, out)
        } else {
            self.encode_as(bits, |bits| bits as u64, out)
        }
    }

    fn encode_as<F: Float>(&mut self, bits: &[i64], float: impl Fn(i64) -> F, out: &mut Vec<u8>) -> Codec {
        let decimals = if self.force.is_none_or(|f| f == Codec::Alp) {
            Decimals::of(bits.iter().map(|bits| float(*bits)), self.lag, self.exponents)
        } else {
            None
        };
        self.exponents = decimals.as_ref().map(|decimals| decimals.exponents);
        let shape = Shape::of_width(self.width);
        let mut stats = None;
        if let Some(decimals) = decimals {
            let done = self.force.is_some() || decimals.is_settled() || {
                let stats = stats.insert(IntStats::with_lag(bits, self.lag));
                // Slower to decode than packed numbers by little, than plain ones by more.
                int::choose(stats, shape, |_| true).is_none_or(|(_, size)| decimals.size() < size - size / 16)
            };
            if done {
                decimals.write(out);
                return Codec::Alp;
            }
        }
        let stats = stats.unwrap_or_else(|| IntStats::with_lag(bits, self.lag));
        int::encode(bits, &stats, shape, self.force, out)
    }
}

/// Half of the numbers of 52 bits.
const HALF: u64 = 1 << 51;
/// A float in the middle of those whose last bit counts one: 1.5 * 2^52.
const ONES: f64 = 6_755_399_441_055_744.0;

/// An ALP stream, taken apart.
struct Alp<'a, F> {
    exponents: Exponents,
    numbers: Stream<'a>,
    exceptions: Vec<(usize, F)>,
}

impl<'a, F: Float> Alp<'a, F> {
    /// Checks a stream of `count` floats.
    fn parse(mut stream: Stream<'a>, count: usize) -> Decoded<Self> {
        let exponents = Exponents { e: usize::from(stream.a), f: stream.b };
        ensure(exponents.e <= MAX_EXPONENT && exponents.f <= exponents.e, "exponents out of range")?;
        ensure(stream.c <= count, "more exceptions than values")?;
        let len = stream.payload.u32()? as usize;
        let numbers = stream.nested(len)?;
        let positions = stream.payload.take_items(stream.c, 2)?;
        let values = stream.payload.take_items(stream.c, F::WIDTH)?;
        stream.payload.finish()?;
        let positions = positions.as_chunks().0.iter().map(|p| usize::from(u16::from_le_bytes(*p)));
        let exceptions: Vec<(usize, F)> = positions.zip(values.chunks_exact(F::WIDTH).map(F::read)).collect();
        ensure(exceptions.iter().all(|(at, _)| *at < count), "an exception lies past the end")?;
        Ok(Self { exponents, numbers, exceptions })
    }

    /// The bits of all floats.
    fn decode(self, count: usize, out: &mut Vec<F>) -> Decoded<()> {
        let numbers = int::decode_vec::<u64>(self.numbers, count)?;
        let start = out.len();
        let Exponents { e, f } = self.exponents;
        let (power, fraction) = (POWERS[f], FRACTIONS[e]);
        let float = |n: f64| F::from_value(n * power * fraction);
        // Most instruction sets convert 64-bit numbers to floats one by one. Those of 52 bits with their sign can be added to
        // the bits of a float whose last bit counts one.
        if numbers.iter().fold(0, |beyond, n| beyond | n.wrapping_add(HALF) >> 52) == 0 {
            let number = |n: u64| f64::from_bits(ONES.to_bits().wrapping_add(n)) - ONES;
            out.extend(numbers.iter().map(|n| float(number(*n))));
        } else {
            out.extend(numbers.iter().map(|n| float(*n as i64 as f64)));
        }
        for (at, v) in self.exceptions {
            out[start + at] = v;
        }
        Ok(())
    }

    /// The bits of some floats.
    fn select(mut self, count: usize, rows: &[u16]) -> Decoded<Vec<F>> {
        let numbers = int::select::<u64>(self.numbers, count, rows)?;
        let mut out: Vec<F> = numbers.iter().map(|n| self.exponents.decode::<F>(*n as i64)).collect();
        if !self.exceptions.is_empty() {
            self.exceptions.sort_by_key(|(at, _)| *at);
            for (v, row) in out.iter_mut().zip(rows) {
                if let Ok(at) = self.exceptions.binary_search_by_key(&usize::from(*row), |(at, _)| *at) {
                    *v = self.exceptions[at].1;
                }
            }
        }
        Ok(out)
    }
}

/// Floats that can be decoded: of 4 or 8 bytes.
pub(crate) trait FloatBits: Lane {
    /// Appends the bits of the `count` floats of a stream.
    fn decode(stream: Stream<'_>, count: usize, out: &mut Vec<Self>) -> Decoded<()>;
    /// The bits of some floats of a stream of `count`.
    fn select(stream: Stream<'_>, count: usize, rows: &[u16]) -> Decoded<Vec<Self>>;
}

impl<F: Float> FloatBits for F {
    fn decode(stream: Stream<'_>, count: usize, out: &mut Vec<Self>) -> Decoded<()> {
        if stream.codec == Codec::Alp {
            return Alp::parse(stream, count)?.decode(count, out);
        }
        int::decode(stream, count, out)
    }

    fn select(stream: Stream<'_>, count: usize, rows: &[u16]) -> Decoded<Vec<Self>> {
        if stream.codec == Codec::Alp {
            return Alp::parse(stream, count)?.select(count, rows);
        }
        int::select(stream, count, rows)
    }
}

/// Sets the bits of the floats for which `test` holds, which rises or falls once at most from least to greatest
/// number: `lo_passes` is false below some number and true above. `None` if the stream is no ALP of 8-byte floats, or
/// has no such structure.
pub(crate) fn filter_alp(
    stream: Stream<'_>,
    count: usize,
    test: impl Fn(f64) -> bool,
    rising: bool,
    bits: &mut Bits,
) -> Decoded<bool> {
    if stream.codec != Codec::Alp {
        return Ok(false);
    }
    let alp = Alp::<u64>::parse(stream, count)?;
    // The floats rise with the whole numbers, so that the test changes at one number, found by halving.
    let passes = |n: i64| test(f64::from_bits(alp.exponents.decode::<u64>(n)));
    let (mut low, mut high) = (i128::from(i64::MIN), i128::from(i64::MAX) + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if passes(middle as i64) == rising {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    // `low` is the first number with the later answer.
    let span = if rising {
        (low <= i128::from(i64::MAX)).then_some((low as i64, i64::MAX))
    } else {
        (low > i128::from(i64::MIN)).then(|| (i64::MIN, (low - 1) as i64))
    };
    if let Some((lo, hi)) = span {
        let span = Span { lo: lo as u64, span: hi.wrapping_sub(lo) as u64 };
        int::filter(alp.numbers, count, span, bits)?;
    }
    for (at, v) in &alp.exceptions {
        bits.assign(*at, test(f64::from_bits(*v)));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_small() {
        let prices: Vec<i64> =
            (0..2048).map(|i| (f64::from(i * 37 % 10_000) / 100.0).to_bits() as i64).collect();
        let mut out = vec![];
        assert_eq!(FloatEncoder::new(8, None, None).encode(&prices, &mut out), Codec::Alp);
        assert!(out.len() < 2048 * 2, "{}", out.len());
        let mut back = vec![];
        <u64 as FloatBits>::decode(Stream::parse(&out).unwrap(), 2048, &mut back).unwrap();
        assert!(back.iter().zip(&prices).all(|(a, b)| *a == *b as u64));
        let single: Vec<i64> = (0..2048).map(|i| i64::from((i as f32 / 10.0).to_bits())).collect();
        let mut out = vec![];
        assert_eq!(FloatEncoder::new(4, None, None).encode(&single, &mut out), Codec::Alp);
        assert!(out.len() < 2048 * 2, "{}", out.len());
    }

    #[test]
    fn whole_numbers_of_any_size_are_read_as_they_were() {
        for greatest in [51, 52, 53].map(|bits| 1_i64 << bits) {
            let floats = (0..500).flat_map(|i| [greatest - 1 - i, i - greatest, i, -i]);
            let bits: Vec<i64> = floats.map(|n| (n as f64).to_bits() as i64).collect();
            let mut out = vec![];
            FloatEncoder::new(8, None, Some(Codec::Alp)).encode(&bits, &mut out);
            let mut back = vec![];
            <u64 as FloatBits>::decode(Stream::parse(&out).unwrap(), bits.len(), &mut back).unwrap();
            assert!(back.iter().zip(&bits).all(|(a, b)| *a == *b as u64), "{greatest}");
        }
    }

    #[test]
    fn noise_is_left_alone() {
        let noise: Vec<i64> =
            (1..2000_i64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)).collect();
        assert_ne!(FloatEncoder::new(8, None, None).encode(&noise, &mut vec![]), Codec::Alp);
    }
}
