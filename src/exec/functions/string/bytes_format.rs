//! Bytes as text in the formats of PostgreSQL: `hex`, `base64` and `escape`.

use super::encode::{base64, from_base64, hex_lower};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ArgInfo;
use crate::exec::functions::kernel::{Str, bytes};
use crate::exec::functions::registry::Resolution;

/// Characters of a line of Base64.
const LINE: usize = 76;

fn unknown(format: &str) -> ExecError {
    ExecError::InvalidInput(format!("unrecognized encoding: \"{format}\"; known are hex, base64 and escape"))
}

/// Writes bytes in a format.
pub(super) fn write(data: &[u8], format: &str, out: &mut String) -> Result<()> {
    match &*format.to_ascii_lowercase() {
        "hex" => hex_lower(data, out),
        "base64" => {
            let mut text = String::new();
            base64(data, &mut text);
            for (i, line) in text.as_bytes().chunks(LINE).enumerate() {
                if i > 0 {
                    out.push('\n');
                }
                out.extend(line.iter().map(|b| *b as char));
            }
        }
        "escape" => {
            for b in data {
                match b {
                    b'\\' => out.push_str("\\\\"),
                    1..=127 => out.push(*b as char),
                    _ => out.push_str(&format!("\\{b:03o}")),
                }
            }
        }
        _ => return Err(unknown(format)),
    }
    Ok(())
}

/// Reads bytes in a format.
fn read(text: &str, format: &str, out: &mut Vec<u8>) -> Result<()> {
    match &*format.to_ascii_lowercase() {
        "hex" => {
            let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
            let bad = |what: String| ExecError::InvalidInput(what);
            if !digits.len().is_multiple_of(2) {
                return Err(bad("invalid hexadecimal data: odd number of digits".into()));
            }
            let digit = |b: u8| {
                let value = (b as char).to_digit(16);
                value.ok_or_else(|| bad(format!("invalid hexadecimal digit: \"{}\"", b.escape_ascii())))
            };
            for pair in digits.chunks(2) {
                out.push((digit(pair[0])? * 16 + digit(pair[1])?) as u8);
            }
        }
        "base64" => {
            let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            from_base64(&digits, out)?;
        }
        "escape" => {
            let bad = || ExecError::InvalidInput("invalid input syntax for the format escape".into());
            let mut rest = text.as_bytes();
            while let [first, behind @ ..] = rest {
                let (byte, left) = match (first, behind) {
                    (b'\\', [b'\\', left @ ..]) => (b'\\', left),
                    (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', left @ ..]) => {
                        ((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), left)
                    }
                    (b'\\', _) => return Err(bad()),
                    (other, left) => (*other, left),
                };
                out.push(byte);
                rest = left;
            }
        }
        _ => return Err(unknown(format)),
    }
    Ok(())
}

/// `decode(text, format)`; `None` where the second argument says what to do with what is no UTF-8.
pub(super) fn of_text(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    let [data, format] = args else { return None };
    let is_format = match &format.literal {
        Some(Scalar::Text(name)) => {
            ["hex", "base64", "escape"].iter().any(|known| known.eq_ignore_ascii_case(name))
        }
        _ => false,
    };
    if !is_format || data.ty != T::Varchar {
        return None;
    }
    let kernel = bytes::<(Str, Str)>(|(text, format), out| read(text, format, out).map(|()| true));
    Some(Ok(Resolution { arg_types: vec![T::Varchar, T::Varchar], return_type: T::Blob, kernel }))
}
