//! Numbers as text.

use std::fmt::Write;

/// A whole number.
#[inline]
pub(super) fn integer<I: itoa::Integer>(v: I, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(v));
}

/// Writes a number of `scale` digits behind the point, given without the point.
pub fn write_decimal(v: i128, scale: u8, out: &mut String) {
    write_decimal128(v, Point { scale, zero: true }, out);
}

/// How a decimal is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    /// Digits behind the point.
    pub scale: u8,
    /// A zero stands before the point of what is less than one. Types without whole digits have none there.
    pub zero: bool,
}

pub(super) fn write_decimal128(v: i128, point: Point, out: &mut String) {
    if let Ok(v) = i64::try_from(v) {
        return write_decimal64(v, point, out);
    }
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(v.unsigned_abs());
    write_scaled(v < 0, digits, point, out);
}

#[inline]
pub(super) fn write_decimal64(v: i64, point: Point, out: &mut String) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(v.unsigned_abs());
    write_scaled(v < 0, digits, point, out);
}

#[inline]
fn write_scaled(negative: bool, digits: &str, point: Point, out: &mut String) {
    if negative {
        out.push('-');
    }
    let scale = usize::from(point.scale);
    if scale == 0 {
        out.push_str(digits);
    } else if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else {
        out.push_str(if point.zero { "0." } else { "." });
        out.extend(std::iter::repeat_n('0', scale - digits.len()));
        out.push_str(digits);
    }
}

/// A float in the shortest form that reads back the same: `2.0`, `1e+300`, `nan`.
pub fn write_float(v: f64, out: &mut String) {
    if v.is_finite() {
        write_finite(zmij::Buffer::new().format_finite(v), v.abs(), out);
    } else {
        write_special(v, out);
    }
}

/// A float of 32 bits in the shortest form that reads back the same.
pub fn write_float32(v: f32, out: &mut String) {
    if v.is_finite() {
        write_finite(zmij::Buffer::new().format_finite(v), f64::from(v.abs()), out);
    } else {
        write_special(f64::from(v), out);
    }
}

/// The shortest digits of a float in the form wanted.
#[inline]
fn write_finite(text: &str, magnitude: f64, out: &mut String) {
    let is_plain = (1e-4..1e16).contains(&magnitude) || magnitude == 0.0;
    if is_plain && text.contains('.') && !text.contains('e') {
        out.push_str(text);
    } else {
        rebuild(text, out);
    }
}

fn write_special(v: f64, out: &mut String) {
    if v.is_sign_negative() {
        out.push('-');
    }
    out.push_str(if v.is_nan() { "nan" } else { "inf" });
}

/// Brings the digits of a float into the form wanted: plain from 1e-4 up to 1e16, else scientific with an
/// exponent of at least two digits.
#[cold]
fn rebuild(text: &str, out: &mut String) {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Digits d1 d2 d3 … with the value d1.d2d3… * 10^point.
    let all: String = [whole, fraction].concat();
    let leading = all.len() - all.trim_start_matches('0').len();
    let digits = all.trim_matches('0');
    if negative {
        out.push('-');
    }
    if digits.is_empty() {
        out.push_str("0.0");
        return;
    }
    let point = whole.len() as i32 - 1 - leading as i32 + exponent;
    if (-4..16).contains(&point) {
        if point < 0 {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', (-point - 1) as usize));
            out.push_str(digits);
        } else {
            let whole = point as usize + 1;
            if digits.len() > whole {
                out.push_str(&digits[..whole]);
                out.push('.');
                out.push_str(&digits[whole..]);
            } else {
                out.push_str(digits);
                out.extend(std::iter::repeat_n('0', whole - digits.len()));
                out.push_str(".0");
            }
        }
        return;
    }
    out.push_str(&digits[..1]);
    if digits.len() > 1 {
        out.push('.');
        out.push_str(&digits[1..]);
    }
    let _ = write!(out, "e{}{:02}", if point < 0 { '-' } else { '+' }, point.abs());
}

/// [`write_float`] into a new string.
pub(crate) fn float_to_string(v: f64) -> String {
    let mut out = String::new();
    write_float(v, &mut out);
    out
}
