//! Conversions of `BIT`.
//!
//! A bit string is its bits from the left, zeros to fill the last byte, and a byte with how many bits of that are
//! used (1 to 8), so that bytes nearly always order as bits do: what is shorter comes first.

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, BooleanBuilder, FixedSizeBinaryBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};

use super::{Mode, physical_name};
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

/// The number of bits of a bit string.
#[inline]
pub(crate) fn length(bits: &[u8]) -> usize {
    match bits {
        [] | [_] => 0,
        [rest @ .., used] => (rest.len() - 1) * 8 + usize::from(*used).min(8),
    }
}

/// The bits of a string, from the left.
pub(crate) fn iter(bits: &[u8]) -> impl Iterator<Item = bool> + Clone + '_ {
    (0..length(bits)).map(move |i| bits[i / 8] >> (7 - i % 8) & 1 == 1)
}

/// A bit string of these bits, appended.
pub(crate) fn pack(bits: impl ExactSizeIterator<Item = bool>, out: &mut Vec<u8>) {
    let (start, len) = (out.len(), bits.len());
    out.resize(start + len.div_ceil(8), 0);
    for (i, bit) in bits.enumerate() {
        out[start + i / 8] |= u8::from(bit) << (7 - i % 8);
    }
    out.push(match len % 8 {
        0 if len > 0 => 8,
        used => used as u8,
    });
}

/// The text of zeros and ones.
pub(crate) fn write(bits: &[u8], out: &mut String) {
    out.extend(iter(bits).map(|b| if b { '1' } else { '0' }));
}

/// A text of zeros and ones as bits, or of hexadecimal digits behind an `x`.
pub(crate) fn parse(text: &str) -> Result<Vec<u8>, String> {
    if let Some(digits) = text.strip_prefix('x').filter(|digits| !digits.is_empty()) {
        return parse_hexadecimal(digits);
    }
    let text = if text.is_empty() { "0" } else { text };
    if let Some(c) = text.chars().find(|c| !matches!(c, '0' | '1')) {
        return Err(format!("Invalid character encountered in string -> bit conversion: '{c}'"));
    }
    let mut out = vec![];
    pack(text.bytes().map(|b| b == b'1'), &mut out);
    Ok(out)
}

fn parse_hexadecimal(digits: &str) -> Result<Vec<u8>, String> {
    let mut bits = Vec::with_capacity(digits.len() * 4);
    for c in digits.chars() {
        let digit = c
            .to_digit(16)
            .ok_or_else(|| format!("Invalid character encountered in hex -> bit conversion: '{c}'"))?;
        bits.extend((0..4).rev().map(|at| digit >> at & 1 == 1));
    }
    let mut out = vec![];
    pack(bits.into_iter(), &mut out);
    Ok(out)
}

/// Whole bytes as bits.
pub(crate) fn of_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 1);
    out.extend_from_slice(bytes);
    out.push(if bytes.is_empty() { 0 } else { 8 });
    out
}

/// The bits as bytes, zeros in front to fill the first.
pub(crate) fn to_bytes(bits: &[u8]) -> Vec<u8> {
    let len = length(bits);
    let padding = (8 - len % 8) % 8;
    let mut out = vec![0; len.div_ceil(8)];
    for (i, bit) in iter(bits).enumerate() {
        let at = i + padding;
        out[at / 8] |= u8::from(bit) << (7 - at % 8);
    }
    out
}

/// The number that the bits are in `width` bytes, big-endian in the low bytes; `None` if there are too many.
fn number(bits: &[u8], width: usize) -> Option<u128> {
    let bytes = to_bytes(bits);
    (bytes.len() <= width).then(|| bytes.iter().fold(0, |v, b| v << 8 | u128::from(*b)))
}

pub(super) fn from_text(array: &ArrayRef, mode: Mode<'_>) -> Result<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(array.len());
    for s in array.as_string_view() {
        match s.map(parse) {
            None => out.append_null(),
            Some(Ok(b)) => out.try_append_value(b)?,
            Some(Err(_)) if mode.or_null => out.append_null(),
            Some(Err(message)) => return Err(ExecError::Conversion(message)),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn from_numbers<A: ArrowPrimitiveType, const N: usize>(
    array: &ArrayRef,
    bytes: impl Fn(A::Native) -> [u8; N],
) -> Result<ArrayRef> {
    let mut out = BinaryViewBuilder::with_capacity(array.len());
    for v in array.as_primitive::<A>() {
        match v {
            Some(v) => out.try_append_value(of_bytes(&bytes(v)))?,
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// Anything but text to bits: the bits that it has in memory.
pub(super) fn from_value(array: &ArrayRef, from: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    use LogicalType as T;
    match from {
        T::Boolean => {
            let mut out = BinaryViewBuilder::with_capacity(array.len());
            for v in array.as_boolean() {
                match v {
                    Some(v) => out.append_value([u8::from(v), 8]),
                    None => out.append_null(),
                }
            }
            Ok(Arc::new(out.finish()))
        }
        T::TinyInt => from_numbers::<Int8Type, 1>(array, i8::to_be_bytes),
        T::SmallInt => from_numbers::<Int16Type, 2>(array, i16::to_be_bytes),
        T::Integer => from_numbers::<Int32Type, 4>(array, i32::to_be_bytes),
        T::BigInt => from_numbers::<Int64Type, 8>(array, i64::to_be_bytes),
        T::HugeInt => from_numbers::<Decimal128Type, 16>(array, i128::to_be_bytes),
        T::UTinyInt => from_numbers::<UInt8Type, 1>(array, u8::to_be_bytes),
        T::USmallInt => from_numbers::<UInt16Type, 2>(array, u16::to_be_bytes),
        T::UInteger => from_numbers::<UInt32Type, 4>(array, u32::to_be_bytes),
        T::UBigInt => from_numbers::<UInt64Type, 8>(array, u64::to_be_bytes),
        T::Float => from_numbers::<Float32Type, 4>(array, f32::to_be_bytes),
        T::Double => from_numbers::<Float64Type, 8>(array, f64::to_be_bytes),
        T::UHugeInt => {
            let mut out = BinaryViewBuilder::with_capacity(array.len());
            for v in array.as_fixed_size_binary() {
                match v {
                    Some(v) => out.try_append_value(of_bytes(v))?,
                    None => out.append_null(),
                }
            }
            Ok(Arc::new(out.finish()))
        }
        T::Blob => {
            let mut out = BinaryViewBuilder::with_capacity(array.len());
            for v in array.as_binary_view() {
                match v {
                    Some([]) if !mode.or_null => {
                        return Err(ExecError::Conversion("Cannot cast empty BLOB to BIT".into()));
                    }
                    None | Some([]) => out.append_null(),
                    Some(v) => out.try_append_value(of_bytes(v))?,
                }
            }
            Ok(Arc::new(out.finish()))
        }
        _ => Err(ExecError::Conversion(format!("Unimplemented type for cast ({from} -> BIT)"))),
    }
}

fn to_numbers<B: ArrowPrimitiveType>(
    array: &ArrayRef,
    to: &LogicalType,
    mode: Mode<'_>,
    convert: impl Fn(u128) -> B::Native,
) -> Result<ArrayRef> {
    let width = size_of::<B::Native>();
    let values = array.as_binary_view().iter().map(|v| {
        let Some(v) = v else { return Ok(None) };
        match number(v, width) {
            Some(n) => Ok(Some(convert(n))),
            None if mode.or_null => Ok(None),
            None => Err(too_long(to)),
        }
    });
    Ok(Arc::new(values.collect::<Result<PrimitiveArray<B>>>()?.with_data_type(to.arrow())))
}

fn too_long(to: &LogicalType) -> ExecError {
    ExecError::Conversion(format!("Bitstring doesn't fit inside of {}", physical_name(to)))
}

/// Bits to anything but text.
pub(super) fn to_value(array: &ArrayRef, to: &LogicalType, mode: Mode<'_>) -> Result<ArrayRef> {
    use LogicalType as T;
    match to {
        T::Boolean => {
            let mut out = BooleanBuilder::with_capacity(array.len());
            for v in array.as_binary_view() {
                match v.map(|v| number(v, 1)) {
                    None => out.append_null(),
                    Some(Some(n)) => out.append_value(n != 0),
                    Some(None) if mode.or_null => out.append_null(),
                    Some(None) => return Err(too_long(to)),
                }
            }
            Ok(Arc::new(out.finish()))
        }
        T::TinyInt => to_numbers::<Int8Type>(array, to, mode, |n| n as i8),
        T::SmallInt => to_numbers::<Int16Type>(array, to, mode, |n| n as i16),
        T::Integer => to_numbers::<Int32Type>(array, to, mode, |n| n as i32),
        T::BigInt => to_numbers::<Int64Type>(array, to, mode, |n| n as i64),
        T::HugeInt => to_numbers::<Decimal128Type>(array, to, mode, |n| n as i128),
        T::UTinyInt => to_numbers::<UInt8Type>(array, to, mode, |n| n as u8),
        T::USmallInt => to_numbers::<UInt16Type>(array, to, mode, |n| n as u16),
        T::UInteger => to_numbers::<UInt32Type>(array, to, mode, |n| n as u32),
        T::UBigInt => to_numbers::<UInt64Type>(array, to, mode, |n| n as u64),
        T::Float => to_numbers::<Float32Type>(array, to, mode, |n| f32::from_bits(n as u32)),
        T::Double => to_numbers::<Float64Type>(array, to, mode, |n| f64::from_bits(n as u64)),
        T::UHugeInt => {
            let mut out = FixedSizeBinaryBuilder::with_capacity(array.len(), 16);
            for v in array.as_binary_view() {
                match v.map(|v| number(v, 16)) {
                    None => out.append_null(),
                    Some(Some(n)) => out.append_value(n.to_be_bytes())?,
                    Some(None) if mode.or_null => out.append_null(),
                    Some(None) => return Err(too_long(to)),
                }
            }
            Ok(Arc::new(out.finish()))
        }
        T::Blob => {
            let mut out = BinaryViewBuilder::with_capacity(array.len());
            for v in array.as_binary_view() {
                match v {
                    Some(v) => out.try_append_value(to_bytes(v))?,
                    None => out.append_null(),
                }
            }
            Ok(Arc::new(out.finish()))
        }
        _ => Err(ExecError::Conversion(format!("Unimplemented type for cast (BIT -> {to})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_back() {
        for text in ["1", "0", "0101", "10101010", "111111111", "000000000000000001"] {
            let bits = parse(text).unwrap();
            let mut shown = String::new();
            write(&bits, &mut shown);
            assert_eq!(shown, text);
            assert_eq!(length(&bits), text.len());
        }
        let mut sorted: Vec<_> = ["1", "0", "101", "1010", "11", "10101010", "101010101"].map(parse).into();
        sorted.sort();
        let wanted = ["0", "1", "101", "1010", "10101010", "101010101", "11"].map(parse);
        assert_eq!(sorted, wanted);
        assert_eq!(to_bytes(&parse("101").unwrap()), [5]);
        assert!(parse("102").is_err());
        // Anything from a damaged file is no harm.
        for bad in [&[][..], &[7], &[200, 1], &[9, 0xFF]] {
            let mut shown = String::new();
            write(bad, &mut shown);
            let _ = (length(bad), to_bytes(bad), number(bad, 4));
        }
    }
}
