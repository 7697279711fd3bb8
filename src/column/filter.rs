//! Conditions on encoded values. What comes out for NULLs does not matter; the caller masks them.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};

use crate::column::codec::bitpack::Lane;
use crate::column::codec::bits::Bits;
use crate::column::codec::bytes::Strings;
use crate::column::codec::float::{self, FloatBits};
use crate::column::codec::int::{self, Span};
use crate::column::codec::{Stream, boolean};
use crate::column::le::Decoded;
use crate::column::physical::Physical;
use crate::column::predicate::{CompareOp, Predicate};
use crate::column::scalar::{Scalar, float_cmp};
use crate::column::shared::for_each_string;

/// Whether a value passes that is so to the constant.
pub(crate) fn passes(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Eq | CompareOp::NotDistinctFrom => order.is_eq(),
        CompareOp::NotEq | CompareOp::DistinctFrom => order.is_ne(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::LtEq => order.is_le(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::GtEq => order.is_ge(),
    }
}

/// All rows or none.
fn same(count: usize, pass: bool) -> BooleanBuffer {
    if pass { BooleanBuffer::new_set(count) } else { BooleanBuffer::new_unset(count) }
}

/// Booleans: two tests for all rows.
pub(crate) fn booleans(stream: Stream<'_>, count: usize, p: &Predicate) -> Decoded<Option<BooleanBuffer>> {
    let Scalar::Boolean(c) = p.value else { return Ok(None) };
    let values = boolean::decode(stream, count)?;
    Ok(Some(match (passes(p.op, false.cmp(&c)), passes(p.op, true.cmp(&c))) {
        (false, true) => values,
        (true, false) => !&values,
        (pass, _) => same(count, pass),
    }))
}

/// The condition as a range of numbers, both ends included, within `least ..= greatest`; `true` if it is all that
/// is not in the range.
fn range(op: CompareOp, c: i128, least: i128, greatest: i128) -> (Option<(i128, i128)>, bool) {
    let (lo, hi, negated) = match op {
        CompareOp::Eq | CompareOp::NotDistinctFrom => (Some(c), Some(c), false),
        CompareOp::NotEq | CompareOp::DistinctFrom => (Some(c), Some(c), true),
        CompareOp::Lt => (Some(least), c.checked_sub(1), false),
        CompareOp::LtEq => (Some(least), Some(c), false),
        CompareOp::Gt => (c.checked_add(1), Some(greatest), false),
        CompareOp::GtEq => (Some(c), Some(greatest), false),
    };
    let range = lo.zip(hi).map(|(lo, hi)| (lo.max(least), hi.min(greatest))).filter(|(lo, hi)| lo <= hi);
    (range, negated)
}

/// Least and greatest whole number of so many bytes.
fn limits(width: usize, signed: bool) -> (i128, i128) {
    let bits = 8 * width as u32;
    if signed { (i128::MIN >> (128 - bits), i128::MAX >> (128 - bits)) } else { (0, (1 << bits) - 1) }
}

/// The whole numbers between bounds that conditions give, both ends included, if they do nothing else: `None` where there
/// are none.
pub(crate) fn between(physical: Physical, predicates: &[Predicate]) -> Option<Option<(i128, i128)>> {
    let Physical::Int { width, signed } = physical else { return None };
    let (least, greatest) = limits(width, signed);
    predicates.iter().try_fold(Some((least, greatest)), |all, p| {
        let Scalar::Int(c) = p.value else { return None };
        let (own, negated) = range(p.op, c, least, greatest);
        let both = all.zip(own).map(|(a, b)| (a.0.max(b.0), a.1.min(b.1))).filter(|(lo, hi)| lo <= hi);
        (!negated).then_some(both)
    })
}

/// Whole numbers: one range test, in the domain of the codec.
pub(crate) fn ints(
    stream: Stream<'_>,
    count: usize,
    width: usize,
    signed: bool,
    p: &Predicate,
) -> Decoded<Option<BooleanBuffer>> {
    let Scalar::Int(c) = p.value else { return Ok(None) };
    let (least, greatest) = limits(width, signed);
    let (range, negated) = range(p.op, c, least, greatest);
    let bits = ints_between(stream, count, width, range)?;
    Ok(Some(if negated { !&bits } else { bits }))
}

/// Whole numbers of so many bytes that lie in a range, both ends included.
pub(crate) fn ints_between(
    stream: Stream<'_>,
    count: usize,
    width: usize,
    range: Option<(i128, i128)>,
) -> Decoded<BooleanBuffer> {
    fn run<O: Lane>(stream: Stream<'_>, count: usize, lo: i128, hi: i128, bits: &mut Bits) -> Decoded<()> {
        let span =
            Span { lo: O::truncate_wide(lo as u128), span: O::truncate_wide(hi.wrapping_sub(lo) as u128) };
        int::filter(stream, count, span, bits)
    }
    let Some((lo, hi)) = range else { return Ok(same(count, false)) };
    let mut bits = Bits::new(count);
    match width {
        1 => run::<u8>(stream, count, lo, hi, &mut bits)?,
        2 => run::<u16>(stream, count, lo, hi, &mut bits)?,
        4 => run::<u32>(stream, count, lo, hi, &mut bits)?,
        8 => run::<u64>(stream, count, lo, hi, &mut bits)?,
        _ => run::<u128>(stream, count, lo, hi, &mut bits)?,
    }
    Ok(bits.finish())
}

/// Floats: compared as numbers, with NaN equal to itself and greater than all others.
pub(crate) fn floats(
    stream: Stream<'_>,
    count: usize,
    width: usize,
    p: &Predicate,
) -> Decoded<Option<BooleanBuffer>> {
    let Scalar::Float(c) = p.value else { return Ok(None) };
    let mut bits = Bits::new(count);
    if width == 8 && filter_alp(stream, count, p.op, c, &mut bits)? {
        return Ok(Some(bits.finish()));
    }
    if width == 4 {
        let mut all = Vec::with_capacity(count);
        <u32 as FloatBits>::decode(stream, count, &mut all)?;
        test_floats(&all, p.op, c, |v| f64::from(f32::from_bits(v)), &mut bits);
    } else {
        let mut all = Vec::with_capacity(count);
        <u64 as FloatBits>::decode(stream, count, &mut all)?;
        test_floats(&all, p.op, c, f64::from_bits, &mut bits);
    }
    Ok(Some(bits.finish()))
}

/// Tests the whole numbers that stand for floats. Returns whether that could be done.
fn filter_alp(stream: Stream<'_>, count: usize, op: CompareOp, c: f64, bits: &mut Bits) -> Decoded<bool> {
    use CompareOp as C;
    match op {
        C::Gt | C::GtEq => float::filter_alp(stream, count, |v| passes(op, float_cmp(v, c)), true, bits),
        C::Lt | C::LtEq => float::filter_alp(stream, count, |v| passes(op, float_cmp(v, c)), false, bits),
        C::Eq | C::NotEq | C::DistinctFrom | C::NotDistinctFrom => Ok(false),
    }
}

/// Tests floats with the machine's comparisons, which are false where there is a NaN.
fn test_floats<T: Copy>(all: &[T], op: CompareOp, c: f64, float: impl Fn(T) -> f64, bits: &mut Bits) {
    use CompareOp as C;
    if c.is_nan() {
        match op {
            C::Eq | C::NotDistinctFrom | C::GtEq => bits.set_where(0, all, |v| float(v).is_nan()),
            C::NotEq | C::DistinctFrom | C::Lt => bits.set_where(0, all, |v| !float(v).is_nan()),
            C::LtEq => bits.set_range(0, all.len()),
            C::Gt => {}
        }
        return;
    }
    match op {
        C::Eq | C::NotDistinctFrom => bits.set_where(0, all, |v| float(v) == c),
        C::NotEq | C::DistinctFrom => bits.set_where(0, all, |v| float(v) != c),
        C::Lt => bits.set_where(0, all, |v| float(v) < c),
        C::LtEq => bits.set_where(0, all, |v| float(v) <= c),
        C::Gt => bits.set_where(0, all, |v| float(v) > c || float(v).is_nan()),
        C::GtEq => bits.set_where(0, all, |v| float(v) >= c || float(v).is_nan()),
    }
}

/// UUIDs: compared as bytes.
pub(crate) fn uuids(stream: Stream<'_>, count: usize, p: &Predicate) -> Decoded<Option<BooleanBuffer>> {
    let Scalar::Bytes(c) = &p.value else { return Ok(None) };
    let Ok(c) = <[u8; 16]>::try_from(c.as_ref()) else { return Ok(None) };
    let c = u128::from_be_bytes(c);
    let all = int::decode_vec::<u128>(stream, count)?;
    let mut bits = Bits::new(count);
    // The bytes of a UUID are read as a little-endian number, but compare as a big-endian one.
    bits.set_where(0, &all, |v| passes(p.op, v.swap_bytes().cmp(&c)));
    Ok(Some(bits.finish()))
}

/// Numbers of any shape.
pub(crate) fn numbers(
    stream: Stream<'_>,
    count: usize,
    physical: Physical,
    p: &Predicate,
) -> Decoded<Option<BooleanBuffer>> {
    match physical {
        Physical::Int { width, signed } => ints(stream, count, width, signed, p),
        Physical::Float { width } => floats(stream, count, width, p),
        Physical::Uuid => uuids(stream, count, p),
        _ => Ok(None),
    }
}

/// The constant as bytes, if it is of that kind.
fn constant(text: bool, p: &Predicate) -> Option<&[u8]> {
    match &p.value {
        Scalar::Text(c) if text => Some(c.as_bytes()),
        Scalar::Bytes(c) if !text => Some(c),
        _ => None,
    }
}

/// Whether a string passes. Compared as bytes, which for text is the order of code points.
#[inline(always)]
fn string_passes(v: &[u8], op: CompareOp, c: &[u8]) -> bool {
    match op {
        // Strings of different lengths need not be looked at.
        CompareOp::Eq | CompareOp::NotDistinctFrom => v == c,
        CompareOp::NotEq | CompareOp::DistinctFrom => v != c,
        op => passes(op, v.cmp(c)),
    }
}

/// Whether the constant is the empty string: then lengths say it all.
pub(crate) fn asks_for_empty(text: bool, p: &Predicate) -> bool {
    constant(text, p).is_some_and(<[u8]>::is_empty)
}

/// Strings of a block, of which it is known whether they are empty, compared with the empty string.
pub(crate) fn empty(empty: &[bool], op: CompareOp) -> BooleanBuffer {
    let (of_empty, of_others) = (passes(op, Ordering::Equal), passes(op, Ordering::Greater));
    BooleanBuffer::collect_bool(empty.len(), |i| if empty[i] { of_empty } else { of_others })
}

/// Strings of a block.
pub(crate) fn strings(
    strings: &Strings<'_>,
    count: usize,
    text: bool,
    p: &Predicate,
) -> Option<BooleanBuffer> {
    let c = constant(text, p)?;
    let (lengths, mut rest) = match strings {
        Strings::Constant(v) => return Some(same(count, string_passes(v, p.op, c))),
        Strings::Plain { lengths, data } => (lengths, *data),
        Strings::Decoded { lengths, data } => (lengths, data.as_slice()),
    };
    let mut out = BooleanBufferBuilder::new(count);
    for len in lengths {
        // The lengths were found to add up.
        let (v, behind) = rest.split_at_checked(*len as usize).unwrap_or((rest, &[]));
        rest = behind;
        out.append(string_passes(v, p.op, c));
    }
    Some(out.finish())
}

/// Strings of an array of views.
pub(crate) fn string_array(values: &ArrayRef, p: &Predicate) -> Option<BooleanBuffer> {
    let mut out = BooleanBufferBuilder::new(values.len());
    let c = constant(values.as_string_view_opt().is_some(), p)?;
    for_each_string(values, |v| out.append(string_passes(v, p.op, c))).then(|| out.finish())
}
