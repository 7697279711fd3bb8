//! Characters and codes, hexadecimal, Base64, percent-encoding, digests, sizes for people.

use std::fmt::Write;

use arrow_array::types::*;

use super::bytes_format;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::digest;
use crate::exec::functions::kernel::{Bytes, Str, bytes, primitive, text, uhuge};
use crate::exec::functions::registry::{Registry, def};
use crate::exec::functions::room::MAX_TEXT;
use crate::exec::memory::parse_bytes;

fn hex_upper(data: &[u8], out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for b in data {
        out.push(HEX[usize::from(b >> 4)] as char);
        out.push(HEX[usize::from(b & 15)] as char);
    }
}

pub(super) fn hex_lower(data: &[u8], out: &mut String) {
    for b in data {
        let _ = write!(out, "{b:02x}");
    }
}

fn unhex(s: &str) -> Result<Vec<u8>> {
    let digit = |c: u8| {
        (c as char)
            .to_digit(16)
            .map(|d| d as u8)
            .ok_or_else(|| ExecError::InvalidInput(format!("Invalid input for hex digit: {}", c as char)))
    };
    let b = s.as_bytes();
    let mut out = Vec::with_capacity(b.len().div_ceil(2));
    let (odd, rest) = b.split_at(b.len() % 2);
    if let [d] = odd {
        out.push(digit(*d)?);
    }
    for pair in rest.chunks_exact(2) {
        out.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    Ok(out)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn base64(data: &[u8], out: &mut String) {
    for chunk in data.chunks(3) {
        let b = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let v = u32::from(b[0]) << 16 | u32::from(b[1]) << 8 | u32::from(b[2]);
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(BASE64[(v >> (18 - 6 * i) & 63) as usize] as char);
            } else {
                out.push('=');
            }
        }
    }
}

pub(super) fn from_base64(s: &str, out: &mut Vec<u8>) -> Result<bool> {
    let bad = || ExecError::Conversion(format!("Could not decode string \"{s}\" as base64"));
    if !s.len().is_multiple_of(4) {
        return Err(bad());
    }
    let body = s.trim_end_matches('=');
    if s.len() - body.len() > 2 {
        return Err(bad());
    }
    let (mut v, mut bits) = (0u32, 0);
    for c in body.bytes() {
        let d = BASE64.iter().position(|x| *x == c).ok_or_else(bad)?;
        v = v << 6 | d as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((v >> bits) as u8);
            v &= (1 << bits) - 1;
        }
    }
    Ok(true)
}

/// Text of bytes; `on_error` says what to do with those that are no UTF-8.
fn decode(bytes: &[u8], on_error: &str, out: &mut String) -> Result<()> {
    for part in bytes.utf8_chunks() {
        out.push_str(part.valid());
        if part.invalid().is_empty() {
            continue;
        }
        match &*on_error.to_ascii_lowercase() {
            "strict" => {
                let message = "Failure in decode: could not convert blob to UTF8 string, the blob contained invalid \
                               UTF8 characters";
                return Err(ExecError::Conversion(message.into()));
            }
            "replace" => out.push('?'),
            "ignore" => {}
            _ => {
                let message = format!("decode error behavior specifier \"{on_error}\" not recognized");
                return Err(ExecError::Conversion(message));
            }
        }
    }
    Ok(())
}

/// Digits of a number in a base.
fn to_base(mut v: u64, base: u64, min_len: usize, out: &mut String) {
    let mut digits = vec![];
    while v > 0 || digits.len() < min_len.max(1) {
        let d = (v % base) as u8;
        digits.push(if d < 10 { b'0' + d } else { b'A' + d - 10 } as char);
        v /= base;
    }
    out.extend(digits.iter().rev());
}

pub(super) fn url_encode(s: &str, out: &mut String) {
    for b in s.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
            out.push(b as char);
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
}

fn url_decode(s: &str) -> String {
    let b = s.as_bytes();
    let mut out = Vec::with_capacity(b.len());
    let mut i = 0;
    let hex = |b: Option<&u8>| b.and_then(|b| (*b as char).to_digit(16));
    while i < b.len() {
        if let (b'%', Some(x), Some(y)) = (b[i], hex(b.get(i + 1)), hex(b.get(i + 2))) {
            out.push((x * 16 + y) as u8);
            i += 3;
        } else {
            out.push(b[i]);
            i += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn human_size(v: i64, base: u64, units: &[&str], out: &mut String) {
    if v < 0 {
        out.push('-');
    }
    let mut n = v.unsigned_abs();
    let mut rest = 0;
    let mut unit = 0;
    while n >= base && unit + 1 < units.len() {
        rest = n % base;
        n /= base;
        unit += 1;
    }
    if unit == 0 {
        let _ = write!(out, "{n} {}", if n == 1 { "byte" } else { units[0] });
    } else {
        let _ = write!(out, "{n}.{} {}", rest * 10 / base, units[unit]);
    }
}

/// Binary digits, of which the first byte may lack some.
fn from_binary(s: &str, out: &mut Vec<u8>) -> Result<bool> {
    if let Some(c) = s.chars().find(|c| !matches!(c, '0' | '1')) {
        return Err(ExecError::InvalidInput(format!("Invalid input for binary digit: {c}")));
    }
    let first = s.len() % 8;
    let (head, rest) = s.as_bytes().split_at(first);
    let byte = |digits: &[u8]| digits.iter().fold(0u8, |v, d| v << 1 | (d - b'0'));
    if first > 0 {
        out.push(byte(head));
    }
    out.extend(rest.chunks(8).map(byte));
    Ok(true)
}

/// [`parse_bytes`] or an error.
fn parse_size(s: &str) -> Result<u64> {
    if s.trim_end().ends_with(|c: char| c.is_ascii_digit()) {
        return Err(ExecError::InvalidInput(format!(
            "\"{s}\" has no unit: expected B, KB, MB, GB or TB, or KiB, MiB, GiB or TiB"
        )));
    }
    parse_bytes(s)
        .ok_or_else(|| ExecError::InvalidInput(format!("Could not parse \"{s}\" as a number of bytes")))
}

fn chr(v: i32, out: &mut String) -> Result<bool> {
    let c = u32::try_from(v)
        .ok()
        .and_then(char::from_u32)
        .ok_or_else(|| ExecError::InvalidInput(format!("Invalid UTF8 Codepoint {v}")))?;
    out.push(c);
    Ok(true)
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let s = T::Varchar;
    r.add(
        def("chr", "The character of a code", "chr(65)")
            .map(&[T::Integer], s.clone(), |_| text::<(Int32Type,)>(|(v,), out| chr(v, out))),
    );
    r.add(def("ascii", "The code of the first character; 0 for no text", "ascii('Ω')").map(
        &[s.clone()],
        T::Integer,
        |_| primitive::<(Str,), Int32Type>(|(s,)| Ok(Some(s.chars().next().map_or(0, |c| c as i32)))),
    ));
    r.add(
        def("unicode", "The code of the first character; -1 for no text", "unicode('Ω')")
            .aliases(&["ord"])
            .map(&[s.clone()], T::Integer, |_| {
                primitive::<(Str,), Int32Type>(|(s,)| Ok(Some(s.chars().next().map_or(-1, |c| c as i32))))
            }),
    );
    r.add(
        def("hex", "Hexadecimal digits of text, bytes or a number", "hex('Hello')")
            .aliases(&["to_hex"])
            .map(&[s.clone()], s.clone(), |_| {
                text::<(Str,)>(|(s,), out| {
                    hex_upper(s.as_bytes(), out);
                    Ok(true)
                })
            })
            .map(&[T::Blob], s.clone(), |_| {
                text::<(Bytes,)>(|(s,), out| {
                    hex_upper(s, out);
                    Ok(true)
                })
            })
            .map(&[T::BigInt], s.clone(), |_| {
                text::<(Int64Type,)>(|(v,), out| {
                    to_base(v as u64, 16, 1, out);
                    Ok(true)
                })
            })
            .map(&[T::UBigInt], s.clone(), |_| {
                text::<(UInt64Type,)>(|(v,), out| {
                    to_base(v, 16, 1, out);
                    Ok(true)
                })
            })
            .map(&[T::HugeInt], s.clone(), |_| {
                text::<(Decimal128Type,)>(|(v,), out| {
                    let _ = write!(out, "{v:X}");
                    Ok(true)
                })
            }),
    );
    r.add(def("unhex", "Bytes of hexadecimal digits", "unhex('2A')").aliases(&["from_hex"]).map(
        &[s.clone()],
        T::Blob,
        |_| {
            bytes::<(Str,)>(|(s,), out| {
                out.extend(unhex(s)?);
                Ok(true)
            })
        },
    ));
    r.add(
        def("bin", "Binary digits of a number", "bin(42)")
            .aliases(&["to_binary"])
            .map(&[T::BigInt], s.clone(), |_| {
                text::<(Int64Type,)>(|(v,), out| {
                    to_base(v as u64, 2, 1, out);
                    Ok(true)
                })
            })
            .map(&[T::HugeInt], s.clone(), |_| {
                text::<(Decimal128Type,)>(|(v,), out| {
                    let _ = write!(out, "{v:b}");
                    Ok(true)
                })
            })
            .map(&[s.clone()], s.clone(), |_| {
                text::<(Str,)>(|(s,), out| {
                    s.bytes().for_each(|b| {
                        let _ = write!(out, "{b:08b}");
                    });
                    Ok(true)
                })
            }),
    );
    r.add(
        def("to_base", "Digits of a number in a base from 2 to 36", "to_base(42, 16)")
            .map(&[T::BigInt, T::Integer], s.clone(), |_| {
                text::<(Int64Type, Int32Type)>(|(v, base), out| based(v, base, 0, out))
            })
            .map(&[T::BigInt, T::Integer, T::Integer], s.clone(), |_| {
                text::<(Int64Type, Int32Type, Int32Type)>(|(v, base, len), out| based(v, base, len, out))
            }),
    );
    r.add(def("base64", "Bytes in Base64", "base64('A'::BLOB)").aliases(&["to_base64"]).map(
        &[T::Blob],
        s.clone(),
        |_| {
            text::<(Bytes,)>(|(s,), out| {
                base64(s, out);
                Ok(true)
            })
        },
    ));
    r.add(
        def("from_binary", "Bytes of a text of binary digits", "from_binary('0110')")
            .aliases(&["unbin"])
            .map(&[s.clone()], T::Blob, |_| bytes::<(Str,)>(|(s,), out| from_binary(s, out))),
    );
    r.add(
        def(
            "parse_formatted_bytes",
            "The number of bytes that a text such as '16 KiB' says",
            "parse_formatted_bytes('16 KiB')",
        )
        .map(&[s.clone()], T::UBigInt, |_| primitive::<(Str,), UInt64Type>(|(s,)| parse_size(s).map(Some))),
    );
    r.add(def("from_base64", "Bytes of a text in Base64", "from_base64('QQ==')").map(
        &[s.clone()],
        T::Blob,
        |_| bytes::<(Str,)>(|(s,), out| from_base64(s, out)),
    ));
    r.add(
        def(
            "encode",
            "The bytes of a text in UTF-8; or bytes as text, in the format 'hex', 'base64' or 'escape'",
            "encode('é')",
        )
        .map(&[s.clone()], T::Blob, |_| {
            bytes::<(Str,)>(|(s,), out| {
                out.extend_from_slice(s.as_bytes());
                Ok(true)
            })
        })
        .map(&[T::Blob, s.clone()], s.clone(), |_| {
            text::<(Bytes, Str)>(|(data, format), out| bytes_format::write(data, format, out).map(|()| true))
        }),
    );
    r.add(
        def(
            "decode",
            "The text of bytes in UTF-8; what is none is an error, or as 'strict', 'replace' or 'ignore' says. Of a text in \
             the format 'hex', 'base64' or 'escape' the bytes",
            "decode('\\xC3\\xA9'::BLOB)",
        )
        .map(&[T::Blob], s.clone(), |_| {
            text::<(Bytes,)>(|(b,), out| decode(b, "strict", out).map(|()| true))
        })
        .map(&[T::Blob, s.clone()], s.clone(), |_| {
            text::<(Bytes, Str)>(|(b, on_error), out| decode(b, on_error, out).map(|()| true))
        })
        .custom(&["(VARCHAR, VARCHAR) -> BLOB"], bytes_format::of_text),
    );
    // The digest's bytes are a number with the least first.
    fn md5_number(data: &[u8]) -> u128 {
        u128::from_le_bytes(digest::md5(data))
    }
    r.add(
        def("md5_number", "MD5 digest, as a number", "md5_number('abc')")
            .map(&[s.clone()], T::UHugeInt, |_| uhuge::<(Str,)>(|(v,)| Ok(Some(md5_number(v.as_bytes())))))
            .map(&[T::Blob], T::UHugeInt, |_| uhuge::<(Bytes,)>(|(v,)| Ok(Some(md5_number(v))))),
    );
    r.add(
        def(
            "md5_number_lower",
            "The upper 64 bits of md5_number(), which come last in the digest",
            "md5_number_lower('abc')",
        )
        .map(&[s.clone()], T::UBigInt, |_| {
            primitive::<(Str,), UInt64Type>(|(v,)| Ok(Some((md5_number(v.as_bytes()) >> 64) as u64)))
        }),
    );
    r.add(
        def(
            "md5_number_upper",
            "The lower 64 bits of md5_number(), which come first in the digest",
            "md5_number_upper('abc')",
        )
        .map(&[s.clone()], T::UBigInt, |_| {
            primitive::<(Str,), UInt64Type>(|(v,)| Ok(Some(md5_number(v.as_bytes()) as u64)))
        }),
    );
    macro_rules! digest {
        ($name:literal, $what:literal, $f:path) => {
            r.add(
                def($name, $what, concat!($name, "('abc')"))
                    .map(&[s.clone()], s.clone(), |_| {
                        text::<(Str,)>(|(s,), out| {
                            hex_lower(&$f(s.as_bytes()), out);
                            Ok(true)
                        })
                    })
                    .map(&[T::Blob], s.clone(), |_| {
                        text::<(Bytes,)>(|(s,), out| {
                            hex_lower(&$f(s), out);
                            Ok(true)
                        })
                    }),
            );
        };
    }
    digest!("md5", "MD5 digest, in hexadecimal", digest::md5);
    digest!("sha1", "SHA-1 digest, in hexadecimal", digest::sha1);
    digest!("sha256", "SHA-256 digest, in hexadecimal", digest::sha256);
    r.add(def("url_encode", "Text with percent signs for what a URL cannot hold", "url_encode('a b')").map(
        &[s.clone()],
        s.clone(),
        |_| {
            text::<(Str,)>(|(s,), out| {
                url_encode(s, out);
                Ok(true)
            })
        },
    ));
    r.add(def("url_decode", "Text with the percent signs of a URL undone", "url_decode('a%20b')").map(
        &[s.clone()],
        s.clone(),
        |_| {
            text::<(Str,)>(|(s,), out| {
                out.push_str(&url_decode(s));
                Ok(true)
            })
        },
    ));
    r.add(
        def("format_bytes", "A number of bytes for people, in powers of 1024", "format_bytes(16384)")
            .aliases(&["formatreadablesize", "pg_size_pretty"])
            .map(&[T::BigInt], s.clone(), |_| {
                text::<(Int64Type,)>(|(v,), out| {
                    human_size(v, 1024, &["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"], out);
                    Ok(true)
                })
            }),
    );
    r.add(
        def(
            "formatreadabledecimalsize",
            "A number of bytes for people, in powers of 1000",
            "formatReadableDecimalSize(16000)",
        )
        .map(&[T::BigInt], s.clone(), |_| {
            text::<(Int64Type,)>(|(v,), out| {
                human_size(v, 1000, &["bytes", "kB", "MB", "GB", "TB", "PB", "EB"], out);
                Ok(true)
            })
        }),
    );
}

fn based(v: i64, base: i32, len: i32, out: &mut String) -> Result<bool> {
    let v = u64::try_from(v)
        .map_err(|_| ExecError::InvalidInput("'to_base' number must be greater than or equal to 0".into()))?;
    if !(2..=36).contains(&base) {
        return Err(ExecError::InvalidInput("'to_base' radix must be between 2 and 36".into()));
    }
    let len = usize::try_from(len)
        .ok()
        .filter(|l| *l <= MAX_TEXT.min(64))
        .ok_or_else(|| ExecError::InvalidInput("'to_base' min_length must be between 0 and 64".into()))?;
    to_base(v, base as u64, len, out);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_both_ways() {
        for n in 0..20u8 {
            let data: Vec<u8> = (0..n).map(|i| i.wrapping_mul(37)).collect();
            let mut encoded = String::new();
            base64(&data, &mut encoded);
            let mut back = vec![];
            from_base64(&encoded, &mut back).unwrap();
            assert_eq!(back, data);
        }
        assert!(from_base64("YQ=", &mut vec![]).is_err());
        assert!(from_base64("Y===", &mut vec![]).is_err());
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(unhex("616263").unwrap(), b"abc");
        assert_eq!(unhex("abc").unwrap(), [0xa, 0xbc]);
        assert!(unhex("zz").is_err());
        assert_eq!(url_decode("a%20b%"), "a b%");
    }
}
