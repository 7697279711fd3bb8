//! Exact arithmetic of decimals.
//!
//! Sums have one digit more in front of the point than their arguments, products as many digits as both
//! together. Where 18 digits suffice for the arguments of a product it stays within 18, so that it is
//! computed in 64 bits; what then does not fit is an error, as is anything beyond 38 digits.

use arrow_array::types::*;

use super::kernel::checked;
use super::registry::Resolution;
use super::{ArgInfo, ScalarKernel};
use crate::column::types::{DECIMAL_MAX_WIDTH, DECIMAL64_MAX_WIDTH, LogicalType};
use crate::exec::cast::number::POWERS;
use crate::exec::cast::number_text::write_decimal;
use crate::exec::coerce::{common_decimal, decimal_of};
use crate::exec::error::ExecError;

use super::arithmetic::{Checked, by_zero};

/// A kernel for 64 or for 128 bits, by the width of the type.
pub(crate) fn by_width(
    ty: &LogicalType,
    narrow: impl FnOnce() -> ScalarKernel,
    wide: impl FnOnce() -> ScalarKernel,
) -> ScalarKernel {
    match ty {
        LogicalType::Decimal { width, .. } if *width <= DECIMAL64_MAX_WIDTH => narrow(),
        _ => wide(),
    }
}

fn widths(args: &[ArgInfo]) -> Result<((u8, u8), (u8, u8)), String> {
    match (decimal_of(&args[0].ty), decimal_of(&args[1].ty)) {
        (Some(a), Some(b)) => Ok((a, b)),
        _ => Err("a decimal is needed".into()),
    }
}

fn show(v: i128, scale: u8) -> String {
    let mut out = String::new();
    write_decimal(v, scale, &mut out);
    out
}

/// `+` and `-`.
pub(super) fn add(args: &[ArgInfo], minus: bool) -> Result<Resolution, String> {
    let (a, b) = widths(args)?;
    let scale = a.1.max(b.1);
    let whole = (a.0 - a.1).max(b.0 - b.1);
    let capped = whole + scale + 1 > DECIMAL_MAX_WIDTH;
    let width = (whole + scale + 1).min(DECIMAL_MAX_WIDTH);
    let ty = LogicalType::Decimal { width, scale };
    let (name, op) = if minus { ("subtraction", '-') } else { ("addition", '+') };
    let fault = move |x: i128, y: i128| {
        ExecError::OutOfRange(format!("Overflow in {name} of DECIMAL({width}) ({x} {op} {y})"))
    };
    let limit = POWERS[usize::from(width)] - 1;
    let kernel = by_width(
        &ty,
        // One digit more always suffices in 64 bits.
        || {
            let fault = move |x: i64, y: i64| fault(x.into(), y.into());
            if minus {
                checked::<Decimal64Type, Decimal64Type>(Checked::sub, fault)
            } else {
                checked::<Decimal64Type, Decimal64Type>(Checked::add, fault)
            }
        },
        || {
            let check = move |(v, bad): (i128, bool)| (v, bad || (capped && (v > limit) || (v < -limit)));
            if minus {
                checked::<Decimal128Type, Decimal128Type>(move |x, y| check(Checked::sub(x, y)), fault)
            } else {
                checked::<Decimal128Type, Decimal128Type>(move |x, y| check(Checked::add(x, y)), fault)
            }
        },
    );
    Ok(Resolution { arg_types: vec![ty.clone(), ty.clone()], return_type: ty, kernel })
}

/// `*`.
pub(super) fn multiply(args: &[ArgInfo]) -> Result<Resolution, String> {
    let (a, b) = widths(args)?;
    let scale = a.1 + b.1;
    if scale > DECIMAL_MAX_WIDTH {
        return Err(format!(
            "Needed scale {scale} to accurately represent the multiplication result, but this is out of range \
             of the DECIMAL type. Max scale is {DECIMAL_MAX_WIDTH}; could not perform an accurate \
             multiplication. Either add a cast to DOUBLE, or add an explicit cast to a decimal with a lower \
             scale."
        ));
    }
    let mut width = a.0 + b.0;
    if width > DECIMAL64_MAX_WIDTH && a.0.max(b.0) <= DECIMAL64_MAX_WIDTH && scale < DECIMAL64_MAX_WIDTH {
        width = DECIMAL64_MAX_WIDTH;
    }
    let width = width.min(DECIMAL_MAX_WIDTH);
    let ty = LogicalType::Decimal { width, scale };
    let fault = move |x: i128, y: i128| {
        ExecError::OutOfRange(format!(
            "Overflow in multiplication of DECIMAL({width}) ({x} * {y}). You might want to add an explicit cast \
             to a bigger decimal."
        ))
    };
    let limit = POWERS[usize::from(width)] - 1;
    let kernel = by_width(
        &ty,
        || {
            let limit = limit as i64;
            checked::<Decimal64Type, Decimal64Type>(
                move |x, y| {
                    let (v, bad) = x.overflowing_mul(y);
                    (v, bad || (v > limit) || (v < -limit))
                },
                move |x, y| fault(x.into(), y.into()),
            )
        },
        || {
            checked::<Decimal128Type, Decimal128Type>(
                move |x, y| {
                    let (v, bad) = multiply_wide(x, y);
                    (v, bad || (v > limit) || (v < -limit))
                },
                fault,
            )
        },
    );
    let arg_types =
        vec![LogicalType::Decimal { width, scale: a.1 }, LogicalType::Decimal { width, scale: b.1 }];
    Ok(Resolution { arg_types, return_type: ty, kernel })
}

/// The product and whether it overflows; factors of 64 bits, the common case, never do.
#[inline]
fn multiply_wide(x: i128, y: i128) -> (i128, bool) {
    if let (Ok(a), Ok(b)) = (i64::try_from(x), i64::try_from(y)) {
        return (i128::from(a) * i128::from(b), false);
    }
    x.overflowing_mul(y)
}

/// `%`.
pub(super) fn remainder(args: &[ArgInfo]) -> Result<Resolution, String> {
    let (a, b) = widths(args)?;
    let ty = common_decimal(a, b);
    let scale = a.1.max(b.1);
    let fault = move |x: i128, y: i128| by_zero(show(x, scale), "%", show(y, scale));
    let kernel = by_width(
        &ty,
        || {
            checked::<Decimal64Type, Decimal64Type>(
                |x, y| (x.checked_rem(y).unwrap_or(0), y == 0),
                move |x, y| fault(x.into(), y.into()),
            )
        },
        || checked::<Decimal128Type, Decimal128Type>(|x, y| (x.checked_rem(y).unwrap_or(0), y == 0), fault),
    );
    Ok(Resolution { arg_types: vec![ty.clone(), ty.clone()], return_type: ty, kernel })
}
