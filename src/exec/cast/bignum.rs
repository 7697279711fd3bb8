//! `BIGNUM`: integers of any size, as bytes, as text and as other numbers.
//!
//! Three bytes say how many follow, `0x800000 | length` with the highest byte first, then comes the magnitude, its
//! highest byte first and not zero; only 0 itself is one byte of zero. Of negative numbers all bits are turned over. So
//! bytes sort as numbers do, and each number has one spelling.

use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{ArrayRef, PrimitiveArray};

use super::number_text::float_to_string;
use super::{Mode, cast_in, physical_name, uhuge};
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

/// A magnitude has no more bytes: reading and writing its digits takes time that grows with the square of them.
const BYTES_MAX: usize = 1 << 16;
/// No number of more digits fits.
const DIGITS_MAX: usize = 157_827;
/// Digits that are read and written at once, and the number of values they have.
const STEP: usize = 9;
const STEP_VALUES: u32 = 1_000_000_000;
/// No number of more bits is a `DOUBLE`.
const DOUBLE_BITS_MAX: usize = 1024;

/// An integer of any size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BigNum {
    /// Never of 0.
    negative: bool,
    /// The lowest first, and the highest not 0.
    words: Vec<u32>,
}

impl BigNum {
    fn new(negative: bool, mut words: Vec<u32>) -> Self {
        while words.last() == Some(&0) {
            words.pop();
        }
        Self { negative: negative && !words.is_empty(), words }
    }

    fn of_magnitude(negative: bool, magnitude: u128) -> Self {
        Self::new(negative, (0..4).map(|word| (magnitude >> (32 * word)) as u32).collect())
    }

    fn of_i128(v: i128) -> Self {
        Self::of_magnitude(v < 0, v.unsigned_abs())
    }

    /// The number in bytes of a column. Bytes that are no number, which only a damaged file has, are some number.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let Some((header, magnitude)) = bytes.split_at_checked(3) else { return Self::default() };
        let negative = header[0] & 0x80 == 0;
        let turned = if negative { 0xFF } else { 0 };
        let words = magnitude
            .rchunks(4)
            .map(|chunk| chunk.iter().fold(0, |word, b| word << 8 | u32::from(b ^ turned)))
            .collect();
        Self::new(negative, words)
    }

    /// The number as bytes of a column.
    ///
    /// # Errors
    /// It has more than [`BYTES_MAX`].
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let length = self.bits().div_ceil(8).max(1);
        if length > BYTES_MAX {
            return Err(ExecError::OutOfRange(format!("A BIGNUM has no more than {BYTES_MAX} bytes")));
        }
        let mut out = Vec::with_capacity(3 + length);
        out.extend_from_slice(&(0x80_0000 | length as u32).to_be_bytes()[1..]);
        out.extend((0..length).rev().map(|at| {
            let word = self.words.get(at / 4).copied().unwrap_or(0);
            word.to_le_bytes()[at % 4]
        }));
        if self.negative {
            out.iter_mut().for_each(|b| *b = !*b);
        }
        Ok(out)
    }

    /// Bits of the magnitude.
    fn bits(&self) -> usize {
        self.words.last().map_or(0, |word| self.words.len() * 32 - word.leading_zeros() as usize)
    }

    /// The magnitude, if 128 bits hold it.
    fn magnitude(&self) -> Option<u128> {
        (self.words.len() <= 4)
            .then(|| self.words.iter().rev().fold(0, |all, word| all << 32 | u128::from(*word)))
    }

    fn to_i128(&self) -> Option<i128> {
        let magnitude = self.magnitude()?;
        if self.negative { 0i128.checked_sub_unsigned(magnitude) } else { magnitude.try_into().ok() }
    }

    /// The number without what is behind its point; `None` of what is not finite.
    fn of_f64(v: f64) -> Option<Self> {
        if !v.is_finite() {
            return None;
        }
        let bits = v.to_bits();
        let exponent = (bits >> 52 & 0x7FF) as i32 - 1075;
        // Those without the leading bit are smaller than 1 anyway.
        let mantissa = bits & ((1 << 52) - 1) | 1 << 52;
        if exponent <= 0 {
            let whole = mantissa.checked_shr(exponent.unsigned_abs()).unwrap_or(0);
            return Some(Self::of_magnitude(v < 0.0, whole.into()));
        }
        let shift = exponent.unsigned_abs() as usize;
        let moved = u128::from(mantissa) << (shift % 32);
        let mut words = vec![0; shift / 32];
        words.extend((0..3).map(|word| (moved >> (32 * word)) as u32));
        Some(Self::new(v < 0.0, words))
    }

    /// The nearest `DOUBLE`; `None` if it is too large for one.
    fn to_f64(&self) -> Option<f64> {
        if self.bits() > DOUBLE_BITS_MAX {
            return None;
        }
        fast_float2::parse(self.to_string()).ok().filter(|v: &f64| v.is_finite())
    }

    /// Digits with a sign and perhaps a fraction, which is rounded half away from zero.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let digits = whole.trim_start_matches('0').as_bytes();
        if digits.len() > DIGITS_MAX {
            return None;
        }
        let mut words = Vec::with_capacity(digits.len() / STEP + 1);
        // The first step has the digits that are left over.
        let (first, rest) = digits.split_at(digits.len() % STEP);
        for step in std::iter::once(first).chain(rest.chunks(STEP)) {
            let value = step.iter().fold(0, |v, d| v * 10 + u32::from(d - b'0'));
            times_plus(&mut words, STEP_VALUES, value);
        }
        if fraction.as_bytes().first().is_some_and(|d| *d >= b'5') {
            times_plus(&mut words, 1, 1);
        }
        Some(Self::new(negative, words))
    }

    /// The sum.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        if self.negative == other.negative {
            return Self::new(self.negative, sum(&self.words, &other.words));
        }
        match compare(&self.words, &other.words) {
            Ordering::Less => Self::new(other.negative, difference(&other.words, &self.words)),
            _ => Self::new(self.negative, difference(&self.words, &other.words)),
        }
    }

    /// The number with the other sign.
    pub(crate) fn negated(self) -> Self {
        Self::new(!self.negative, self.words)
    }
}

impl std::fmt::Display for BigNum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut words = self.words.clone();
        let mut steps = vec![];
        while !words.is_empty() {
            let mut rest = 0;
            for word in words.iter_mut().rev() {
                let v = rest << 32 | u64::from(*word);
                *word = (v / u64::from(STEP_VALUES)) as u32;
                rest = v % u64::from(STEP_VALUES);
            }
            if words.last() == Some(&0) {
                words.pop();
            }
            steps.push(rest);
        }
        if self.negative {
            f.write_char('-')?;
        }
        write!(f, "{}", steps.pop().unwrap_or(0))?;
        steps.iter().rev().try_for_each(|step| write!(f, "{step:09}"))
    }
}

/// `words * by + more`.
fn times_plus(words: &mut Vec<u32>, by: u32, more: u32) {
    let mut carry = u64::from(more);
    for word in words.iter_mut() {
        let v = u64::from(*word) * u64::from(by) + carry;
        *word = v as u32;
        carry = v >> 32;
    }
    if carry > 0 {
        words.push(carry as u32);
    }
}

fn compare(a: &[u32], b: &[u32]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn sum(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let mut out = Vec::with_capacity(long.len() + 1);
    let mut carry = 0;
    for (at, word) in long.iter().enumerate() {
        let v = u64::from(*word) + u64::from(short.get(at).copied().unwrap_or(0)) + carry;
        out.push(v as u32);
        carry = v >> 32;
    }
    out.push(carry as u32);
    out
}

/// `a - b`, which is not negative.
fn difference(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut borrow = false;
    a.iter()
        .enumerate()
        .map(|(at, word)| {
            let (v, below) = word.overflowing_sub(b.get(at).copied().unwrap_or(0));
            let (v, below_still) = v.overflowing_sub(u32::from(borrow));
            borrow = below || below_still;
            v
        })
        .collect()
}

/// An array of numbers.
pub(crate) fn array(values: impl ExactSizeIterator<Item = Result<Option<BigNum>>>) -> Result<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(values.len());
    for v in values {
        match v? {
            Some(v) => out.try_append_value(v.encode()?)?,
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

pub(super) fn from_text(array_: &ArrayRef, mode: Mode<'_>) -> Result<ArrayRef> {
    array(array_.as_string_view().iter().map(|s| match s.map(|s| BigNum::parse(s).ok_or(s)) {
        None => Ok(None),
        Some(Ok(v)) => Ok(Some(v)),
        Some(Err(_)) if mode.or_null => Ok(None),
        Some(Err(s)) => {
            Err(ExecError::Conversion(super::not_a(super::text::shorten(s).as_str(), &LogicalType::BigNum)))
        }
    }))
}

/// An integer or float as `BIGNUM`.
pub(super) fn from_number(numbers: &ArrayRef, from: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    use LogicalType as T;
    match from {
        T::UHugeInt => {
            let values: Vec<_> = uhuge::values(numbers).collect();
            array(values.into_iter().map(|v| Ok(v.map(|v| BigNum::of_magnitude(false, v)))))
        }
        T::Float | T::Double => {
            let wide = cast_in(numbers, from, &T::Double, mode)?;
            array(wide.as_primitive::<Float64Type>().iter().map(|v| {
                match v.map(|v| BigNum::of_f64(v).ok_or(v)) {
                    None => Ok(None),
                    Some(Ok(v)) => Ok(Some(v)),
                    Some(Err(_)) if mode.or_null => Ok(None),
                    Some(Err(v)) => Err(out_of_range(&float_to_string(v), from, &T::BigNum)),
                }
            }))
        }
        _ => {
            let wide = cast_in(numbers, from, &T::HugeInt, mode)?;
            array(wide.as_primitive::<Decimal128Type>().iter().map(|v| Ok(v.map(BigNum::of_i128))))
        }
    }
}

/// `BIGNUM` as an integer or float.
pub(super) fn to_number(numbers: &ArrayRef, to: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    use LogicalType as T;
    let values = numbers.as_binary_view().iter().map(|v| v.map(BigNum::decode));
    let failed = |v: &BigNum| out_of_range(&v.to_string(), &T::BigNum, to);
    match to {
        T::UHugeInt => {
            let values = values.map(|v| {
                let Some(v) = v else { return Ok(None) };
                match v.magnitude().filter(|_| !v.negative) {
                    Some(n) => Ok(Some(n)),
                    None if mode.or_null => Ok(None),
                    None => Err(failed(&v)),
                }
            });
            uhuge::array(values.collect::<Result<Vec<_>>>()?.into_iter())
        }
        T::Float | T::Double => {
            let values = values.map(|v| {
                let Some(v) = v else { return Ok(None) };
                match v.to_f64() {
                    Some(n) => Ok(Some(n)),
                    None if mode.or_null => Ok(None),
                    None => Err(failed(&v)),
                }
            });
            let wide: ArrayRef = Arc::new(values.collect::<Result<PrimitiveArray<Float64Type>>>()?);
            cast_in(&wide, &T::Double, to, mode)
        }
        _ => {
            let (min, max) = to.integer_range().unwrap_or((i128::MIN, i128::MAX));
            let values = values.map(|v| {
                let Some(v) = v else { return Ok(None) };
                match v.to_i128().filter(|n| (min..=max).contains(n)) {
                    Some(n) => Ok(Some(n)),
                    None if mode.or_null => Ok(None),
                    None => Err(failed(&v)),
                }
            });
            let wide = values.collect::<Result<PrimitiveArray<Decimal128Type>>>()?;
            let wide: ArrayRef = Arc::new(wide.with_data_type(T::HugeInt.arrow()));
            cast_in(&wide, &T::HugeInt, to, mode)
        }
    }
}

fn out_of_range(value: &str, from: &LogicalType, to: &LogicalType) -> ExecError {
    ExecError::Conversion(format!(
        "Type {} with value {} can't be cast because the value is out of range for the destination type {}",
        physical_name(from),
        super::text::shorten(value),
        physical_name(to)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> BigNum {
        BigNum::parse(text).unwrap()
    }

    const TEXTS: [&str; 12] = [
        "-340282366920938463463374607431768211456",
        "-18446744073709551616",
        "-4294967296",
        "-256",
        "-255",
        "-1",
        "0",
        "1",
        "1000000000",
        "4294967295",
        "18446744073709551615",
        "100000000000000000000000000000000000000000000000000000000000000000000000000000000000001",
    ];

    #[test]
    fn bytes_sort_as_numbers_and_come_back() {
        let bytes: Vec<Vec<u8>> = TEXTS.iter().map(|t| of(t).encode().unwrap()).collect();
        assert!(bytes.is_sorted());
        for (text, bytes) in TEXTS.iter().zip(&bytes) {
            assert_eq!(BigNum::decode(bytes).to_string(), *text);
        }
        assert_eq!(of("-0").encode().unwrap(), [0x80, 0, 1, 0]);
        // What a damaged file may have is some number.
        for bytes in [&[][..], &[1], &[0x80, 0, 1], &[0x80, 0, 9, 0, 0, 7], &[0x7F, 0xFF, 0xFE, 0xFF]] {
            assert_ne!(BigNum::decode(bytes).words.last(), Some(&0));
        }
    }

    #[test]
    fn sums() {
        for a in TEXTS {
            for b in TEXTS {
                let sum = of(a).plus(&of(b));
                assert_eq!(sum, of(b).plus(&of(a)));
                assert_eq!(sum.plus(&of(b).negated()), of(a), "{a} + {b}");
            }
        }
        assert_eq!(of(&"9".repeat(50)).plus(&of("1")).to_string(), format!("1{}", "0".repeat(50)));
    }

    #[test]
    fn texts() {
        for (text, want) in
            [("+5", "5"), ("-0.5", "-1"), (".4", "0"), ("1.49", "1"), ("5.", "5"), ("-007", "-7")]
        {
            assert_eq!(of(text).to_string(), want);
        }
        for text in ["", "-", ".", "+-1", "1e5", " 1", "1.2.3", "1_0", "x"] {
            assert_eq!(BigNum::parse(text), None, "{text}");
        }
        assert!(BigNum::parse(&"9".repeat(DIGITS_MAX + 1)).is_none());
        assert!(BigNum::parse(&"9".repeat(DIGITS_MAX)).is_none_or(|v| v.encode().is_err()));
    }

    #[test]
    fn floats() {
        for v in [0.0, 0.9, -1.5, 1e15, 4503599627370497.0, 1e22, -1e300, f64::MAX, f64::MIN, 5e-324] {
            let number = BigNum::of_f64(v).unwrap();
            assert_eq!(number.to_f64(), Some(v.trunc() + 0.0), "{v}");
        }
        assert_eq!(BigNum::of_f64(f64::NAN), None);
        assert_eq!(of(&format!("1{}", "0".repeat(309))).to_f64(), None);
    }
}
