//! Arithmetic of `UHUGEINT`.

use arrow_array::types::*;

use super::ScalarKernel;
use super::kernel::{UHuge, boolean, primitive, text, uhuge};
use super::registry::Registry;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

/// An operation of two numbers; `None` is an overflow.
fn operation(what: &'static str, sign: char, f: fn(u128, u128) -> Option<u128>) -> ScalarKernel {
    uhuge::<(UHuge, UHuge)>(move |(a, b)| {
        f(a, b)
            .map(Some)
            .ok_or_else(|| ExecError::OutOfRange(format!("Overflow in {what} of UINT128 ({a} {sign} {b})!")))
    })
}

fn quotient(sign: &'static str, f: fn(u128, u128) -> Option<u128>) -> ScalarKernel {
    uhuge::<(UHuge, UHuge)>(move |(a, b)| f(a, b).map(Some).ok_or_else(|| super::by_zero(a, sign, b)))
}

fn shift(v: u128, by: u128, left: bool) -> Result<Option<u128>> {
    if !left {
        return Ok(Some(u32::try_from(by).ok().and_then(|by| v.checked_shr(by)).unwrap_or(0)));
    }
    if v == 0 {
        return Ok(Some(0));
    }
    u32::try_from(by)
        .ok()
        .filter(|by| *by <= v.leading_zeros())
        .map(|by| Some(v << by))
        .ok_or_else(|| ExecError::OutOfRange(format!("Overflow in left shift ({v} << {by})")))
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    const TWO: [T; 2] = [T::UHugeInt, T::UHugeInt];
    macro_rules! two {
        ($name:literal, $make:expr) => {
            r.extend($name, |d| d.map(&TWO, T::UHugeInt, |_| $make));
        };
    }
    two!("+", operation("addition", '+', u128::checked_add));
    two!("-", operation("subtraction", '-', u128::checked_sub));
    two!("*", operation("multiplication", '*', u128::checked_mul));
    two!("//", quotient("//", u128::checked_div));
    two!("%", quotient("%", u128::checked_rem));
    two!("&", uhuge::<(UHuge, UHuge)>(|(a, b)| Ok(Some(a & b))));
    two!("|", uhuge::<(UHuge, UHuge)>(|(a, b)| Ok(Some(a | b))));
    two!("xor", uhuge::<(UHuge, UHuge)>(|(a, b)| Ok(Some(a ^ b))));
    two!("<<", uhuge::<(UHuge, UHuge)>(|(a, b)| shift(a, b, true)));
    two!(">>", uhuge::<(UHuge, UHuge)>(|(a, b)| shift(a, b, false)));
    r.extend("~", |d| d.map(&[T::UHugeInt], T::UHugeInt, |_| uhuge::<(UHuge,)>(|(a,)| Ok(Some(!a)))));
    r.extend("-", |d| {
        d.map(&[T::UHugeInt], T::UHugeInt, |_| {
            uhuge::<(UHuge,)>(|(a,)| match a {
                0 => Ok(Some(0)),
                _ => Err(ExecError::OutOfRange("Overflow in negation of numeric value!".into())),
            })
        })
    });
    for name in ["+", "abs", "round", "trunc", "ceil", "floor"] {
        r.extend(name, |d| {
            d.map(&[T::UHugeInt], T::UHugeInt, |_| Box::new(|args, _, _, _| Ok(args[0].clone())))
        });
    }
    r.extend("sign", |d| {
        d.map(&[T::UHugeInt], T::TinyInt, |_| {
            primitive::<(UHuge,), Int8Type>(|(v,)| Ok(Some(i8::from(v != 0))))
        })
    });
    r.extend("hex", |d| {
        d.map(&[T::UHugeInt], T::Varchar, |_| {
            text::<(UHuge,)>(|(v,), out| {
                out.push_str(&format!("{v:X}"));
                Ok(true)
            })
        })
    });
    r.extend("bin", |d| {
        d.map(&[T::UHugeInt], T::Varchar, |_| {
            text::<(UHuge,)>(|(v,), out| {
                out.push_str(&format!("{v:b}"));
                Ok(true)
            })
        })
    });
    for name in ["isnan", "isinf"] {
        r.extend(name, |d| d.map(&[T::UHugeInt], T::Boolean, |_| boolean::<(UHuge,)>(|_| Ok(Some(false)))));
    }
}
