//! Functions of bit strings.

use arrow_array::types::*;

use super::ScalarKernel;
use super::kernel::{Bytes, Str, bytes, primitive};
use super::registry::{Registry, def};
use crate::column::types::LogicalType;
use crate::exec::cast::bits;
use crate::exec::error::{ExecError, Result};

/// Combines two strings bit by bit.
fn combine(name: &'static str, f: fn(bool, bool) -> bool) -> ScalarKernel {
    bytes::<(Bytes, Bytes)>(move |(a, b), out| {
        let len = bits::length(a);
        if len != bits::length(b) {
            return Err(ExecError::InvalidInput(format!("Cannot {name} bit strings of different sizes")));
        }
        let pairs: Vec<bool> = bits::iter(a).zip(bits::iter(b)).map(|(x, y)| f(x, y)).collect();
        bits::pack(pairs.into_iter(), out);
        Ok(true)
    })
}

fn write(all: Vec<bool>, out: &mut Vec<u8>) -> Result<bool> {
    bits::pack(all.into_iter(), out);
    Ok(true)
}

fn shift_left(value: &[u8], by: i32, out: &mut Vec<u8>) -> Result<bool> {
    let by = usize::try_from(by)
        .map_err(|_| ExecError::OutOfRange(format!("Cannot left-shift by negative number {by}")))?;
    let all = bits::iter(value);
    let len = bits::length(value);
    write(all.skip(by).chain(std::iter::repeat(false)).take(len).collect(), out)
}

fn shift_right(value: &[u8], by: i32, out: &mut Vec<u8>) -> Result<bool> {
    let len = bits::length(value);
    // As everywhere, a shift by more than there is leaves nothing.
    let by = usize::try_from(by).unwrap_or(len).min(len);
    write(std::iter::repeat_n(false, by).chain(bits::iter(value)).take(len).collect(), out)
}

fn place(value: &[u8], index: i32) -> Result<usize> {
    let len = bits::length(value);
    usize::try_from(index).ok().filter(|i| *i < len).ok_or_else(|| {
        ExecError::OutOfRange(format!("bit index {index} out of valid range (0..{})", len.saturating_sub(1)))
    })
}

/// Zeros in front, up to a length.
fn extend(value: &[u8], length: i32, out: &mut Vec<u8>) -> Result<bool> {
    const LENGTH_MAX: usize = 1 << 30;
    let have = bits::length(value);
    let wanted = usize::try_from(length)
        .map_err(|_| ExecError::InvalidInput("The bitstring length cannot be negative".into()))?;
    if wanted < have {
        return Err(ExecError::InvalidInput("Length must be equal or larger than input string".into()));
    }
    if wanted > LENGTH_MAX {
        return Err(ExecError::OutOfRange("the bit string would be longer than 2^30".into()));
    }
    write(std::iter::repeat_n(false, wanted - have).chain(bits::iter(value)).collect(), out)
}

fn position(part: &[u8], whole: &[u8]) -> i32 {
    let (part, whole): (Vec<bool>, Vec<bool>) = (bits::iter(part).collect(), bits::iter(whole).collect());
    if part.len() > whole.len() {
        return 0;
    }
    whole.windows(part.len().max(1)).position(|w| w == part).map_or(0, |i| i as i32 + 1)
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let bit = T::Bit;
    r.extend("&", |d| d.map(&[T::Bit, T::Bit], T::Bit, |_| combine("AND", |a, b| a & b)));
    r.extend("|", |d| d.map(&[T::Bit, T::Bit], T::Bit, |_| combine("OR", |a, b| a | b)));
    r.extend("xor", |d| d.map(&[T::Bit, T::Bit], T::Bit, |_| combine("XOR", |a, b| a ^ b)));
    r.extend("~", |d| {
        d.map(&[T::Bit], T::Bit, |_| {
            bytes::<(Bytes,)>(|(v,), out| write(bits::iter(v).map(|b| !b).collect(), out))
        })
    });
    r.extend("<<", |d| {
        d.map(&[T::Bit, T::Integer], T::Bit, |_| {
            bytes::<(Bytes, Int32Type)>(|(v, by), out| shift_left(v, by, out))
        })
    });
    r.extend(">>", |d| {
        d.map(&[T::Bit, T::Integer], T::Bit, |_| {
            bytes::<(Bytes, Int32Type)>(|(v, by), out| shift_right(v, by, out))
        })
    });
    for name in ["length", "bit_length"] {
        r.extend(name, |d| {
            d.map(&[T::Bit], T::BigInt, |_| {
                primitive::<(Bytes,), Int64Type>(|(v,)| Ok(Some(bits::length(v) as i64)))
            })
        });
    }
    r.extend("octet_length", |d| {
        d.map(&[T::Bit], T::BigInt, |_| {
            primitive::<(Bytes,), Int64Type>(|(v,)| Ok(Some(v.len().saturating_sub(1) as i64)))
        })
    });
    r.extend("bit_count", |d| {
        d.map(&[T::Bit], T::BigInt, |_| {
            primitive::<(Bytes,), Int64Type>(|(v,)| Ok(Some(bits::iter(v).filter(|b| *b).count() as i64)))
        })
    });
    r.add(def("get_bit", "The bit at a position, from 0", "get_bit('0110010'::BIT, 2)").map(
        &[bit.clone(), T::Integer],
        T::Integer,
        |_| {
            primitive::<(Bytes, Int32Type), Int32Type>(|(v, i)| {
                let at = place(v, i)?;
                Ok(bits::iter(v).nth(at).map(i32::from))
            })
        },
    ));
    r.add(
        def(
            "set_bit",
            "A bit string with the bit at a position, from 0, set to 0 or 1",
            "set_bit('0110010'::BIT, 2, 0)",
        )
        .map(&[bit.clone(), T::Integer, T::Integer], bit.clone(), |_| {
            bytes::<(Bytes, Int32Type, Int32Type)>(|(v, i, new), out| {
                if !matches!(new, 0 | 1) {
                    return Err(ExecError::InvalidInput("The new bit must be 1 or 0".into()));
                }
                let at = place(v, i)?;
                let mut all: Vec<bool> = bits::iter(v).collect();
                all[at] = new == 1;
                write(all, out)
            })
        }),
    );
    r.add(
        def(
            "bit_position",
            "Where a bit string is in another, counted from 1; 0 if it is not",
            "bit_position('010'::BIT, '1110101'::BIT)",
        )
        .map(&[bit.clone(), bit.clone()], T::Integer, |_| {
            primitive::<(Bytes, Bytes), Int32Type>(|(part, whole)| Ok(Some(position(part, whole))))
        }),
    );
    r.add(
        def("bitstring", "A bit string of a length, with zeros in front", "bitstring('1010'::BIT, 7)")
            .map(&[bit.clone(), T::Integer], bit.clone(), |_| {
                bytes::<(Bytes, Int32Type)>(|(v, n), out| extend(v, n, out))
            })
            .map(&[T::Varchar, T::Integer], bit, |_| {
                bytes::<(Str, Int32Type)>(|(s, n), out| {
                    extend(&bits::parse(s).map_err(ExecError::Conversion)?, n, out)
                })
            }),
    );
}
