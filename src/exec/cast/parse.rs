//! Text to numbers, booleans, blobs and UUIDs, in the spellings DuckDB takes.

use super::number::{POWERS, div_round};

/// A whole number; a fraction is rounded half away from zero. Takes surrounding blanks, a sign, single
/// underscores between digits, an exponent, and `0x` and `0b` prefixes.
pub fn integer(text: &str) -> Option<i128> {
    let s = text.trim_ascii();
    let bytes = s.as_bytes();
    let (negative, digits) = match bytes.first()? {
        b'-' => (true, &bytes[1..]),
        b'+' => (false, &bytes[1..]),
        _ => (false, bytes),
    };
    // The common case: nothing but up to 18 digits.
    if !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit) {
        let v = digits.iter().fold(0i64, |v, d| v * 10 + i64::from(d - b'0'));
        return Some(i128::from(if negative { -v } else { v }));
    }
    if let [b'0', radix @ (b'x' | b'X' | b'b' | b'B'), rest @ ..] = digits {
        if negative || rest.is_empty() {
            return None;
        }
        let radix = if radix.eq_ignore_ascii_case(&b'x') { 16 } else { 2 };
        return i128::from_str_radix(&undigit(rest)?, radix).ok();
    }
    // The least number has no positive counterpart.
    if negative && digits == b"170141183460469231731687303715884105728" {
        return Some(i128::MIN);
    }
    decimal_digits(digits, negative, 0, i128::MAX)
}

/// Digits without the underscores between them.
fn undigit(digits: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(digits.len());
    for (i, d) in digits.iter().enumerate() {
        if *d == b'_' {
            let between = i > 0
                && digits[i - 1].is_ascii_hexdigit()
                && digits.get(i + 1).is_some_and(u8::is_ascii_hexdigit);
            if !between {
                return None;
            }
        } else if d.is_ascii() {
            out.push(*d as char);
        } else {
            return None;
        }
    }
    Some(out)
}

/// `digits[.digits][e[+-]digits]` as an integer of `scale` digits behind the point, rounded half away from
/// zero; `None` if it is malformed or greater than `limit`.
fn decimal_digits(bytes: &[u8], negative: bool, scale: u8, limit: i128) -> Option<i128> {
    let mut mantissa: i128 = 0;
    // Digits dropped from the mantissa because it is full; they only matter for rounding.
    let mut dropped = 0i64;
    let mut rounding = None;
    let mut point: Option<i64> = None;
    let mut digits = 0usize;
    let mut exponent = 0i64;
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            d @ b'0'..=b'9' => {
                digits += 1;
                let next = mantissa.checked_mul(10).and_then(|m| m.checked_add(i128::from(d - b'0')));
                match next {
                    Some(m) if rounding.is_none() => {
                        mantissa = m;
                        if let Some(p) = &mut point {
                            *p += 1;
                        }
                    }
                    _ => {
                        rounding.get_or_insert(d);
                        if point.is_none() {
                            dropped += 1;
                        }
                    }
                }
            }
            b'_' => {
                let between = i > 0
                    && bytes[i - 1].is_ascii_digit()
                    && bytes.get(i + 1).is_some_and(u8::is_ascii_digit);
                if !between {
                    return None;
                }
            }
            b'.' if point.is_none() => point = Some(0),
            b'e' | b'E' if digits > 0 => {
                let e = undigit(&bytes[i + 1..])?;
                if e.is_empty() || e.bytes().any(|b| !(b.is_ascii_digit() || b == b'-' || b == b'+')) {
                    return None;
                }
                exponent = e.parse::<i64>().ok()?.clamp(-100_000, 100_000);
                break;
            }
            _ => return None,
        }
        i += 1;
    }
    if digits == 0 {
        return None;
    }
    let shift = exponent - point.unwrap_or(0) + dropped + i64::from(scale);
    let value = if mantissa == 0 {
        0
    } else if shift > 0 && rounding.is_some() {
        // Digits were cut off that would be needed: far too great.
        return None;
    } else if rounding.is_some_and(|d| shift == 0 && d >= b'5') {
        mantissa.checked_add(1)?
    } else if shift >= 0 {
        mantissa.checked_mul(*POWERS.get(usize::try_from(shift).ok()?)?)?
    } else {
        let down = usize::try_from(-shift).ok()?;
        match POWERS.get(down) {
            Some(p) => div_round(mantissa, *p),
            None => 0,
        }
    };
    let value = if negative { value.checked_neg()? } else { value };
    (value <= limit && value >= -limit).then_some(value)
}

/// A decimal of this width and scale, unscaled; rounded half away from zero.
pub fn decimal(text: &str, width: u8, scale: u8) -> Option<i128> {
    let s = text.trim_ascii().as_bytes();
    let (negative, digits) = match s.first()? {
        b'-' => (true, &s[1..]),
        b'+' => (false, &s[1..]),
        _ => (false, s),
    };
    decimal_digits(digits, negative, scale, POWERS[usize::from(width.min(38))] - 1)
}

/// Prepares the text of a float: no blanks around it, no underscores, and NaN and infinity told apart.
fn float_text(text: &str) -> Option<Result<std::borrow::Cow<'_, str>, f64>> {
    let s = text.trim_ascii();
    let (sign, magnitude) = match s.as_bytes().first()? {
        b'-' => (-1.0, &s[1..]),
        b'+' => (1.0, &s[1..]),
        _ => (1.0, s),
    };
    match magnitude.as_bytes().first()? {
        b'0'..=b'9' | b'.' => {
            let s = s.strip_prefix('+').unwrap_or(s);
            if s.contains('_') {
                let b = s.as_bytes();
                for (i, c) in b.iter().enumerate() {
                    let between =
                        i > 0 && b[i - 1].is_ascii_digit() && b.get(i + 1).is_some_and(u8::is_ascii_digit);
                    if *c == b'_' && !between {
                        return None;
                    }
                }
                return Some(Ok(s.replace('_', "").into()));
            }
            Some(Ok(s.into()))
        }
        b'i' | b'I' if ["inf", "infinity"].iter().any(|w| magnitude.eq_ignore_ascii_case(w)) => {
            Some(Err(sign * f64::INFINITY))
        }
        b'n' | b'N' if magnitude.eq_ignore_ascii_case("nan") => Some(Err(f64::NAN.copysign(sign))),
        _ => None,
    }
}

/// A `DOUBLE`.
pub fn float(text: &str) -> Option<f64> {
    match float_text(text)? {
        Ok(s) => fast_float2::parse(s.as_bytes()).ok(),
        Err(special) => Some(special),
    }
}

/// A `FLOAT`.
pub fn float32(text: &str) -> Option<f32> {
    match float_text(text)? {
        Ok(s) => fast_float2::parse(s.as_bytes()).ok(),
        Err(special) => Some(special as f32),
    }
}

/// A `BOOLEAN`: `true`, `t`, `yes`, `y`, `1` and their opposites, in any case.
pub fn boolean(text: &str) -> Option<bool> {
    let s = text.trim_ascii();
    let any = |words: &[&str]| words.iter().any(|w| s.eq_ignore_ascii_case(w));
    if any(&["true", "t", "1", "yes", "y"]) {
        Some(true)
    } else if any(&["false", "f", "0", "no", "n"]) {
        Some(false)
    } else {
        None
    }
}

/// A `BLOB`: ASCII, and other bytes as `\xAB`.
pub fn blob(text: &str) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    let hex = |b: Option<&u8>| b.and_then(|b| (*b as char).to_digit(16));
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => match (bytes.get(i + 1), hex(bytes.get(i + 2)), hex(bytes.get(i + 3))) {
                (Some(b'x'), Some(a), Some(b)) => {
                    out.push((a * 16 + b) as u8);
                    i += 4;
                }
                _ => {
                    return Err("Invalid hex escape code encountered in string -> blob conversion: \
                         escape bytes as \\xAB"
                        .into());
                }
            },
            b if b.is_ascii() => {
                out.push(b);
                i += 1;
            }
            _ => {
                return Err(
                    "Invalid byte encountered in STRING -> BLOB conversion. All non-ascii characters must \
                     be escaped with hex codes (e.g. \\xAA)"
                        .into(),
                );
            }
        }
    }
    Ok(out)
}

/// A `UUID`: 32 hexadecimal digits, hyphens between any of them, perhaps in braces.
pub fn uuid(text: &str) -> Option<[u8; 16]> {
    let s = text.trim_ascii();
    let s = s.strip_prefix('{').and_then(|s| s.strip_suffix('}')).unwrap_or(s);
    let mut value: u128 = 0;
    let mut digits = 0;
    let mut after_hyphen = true;
    for c in s.bytes() {
        if c == b'-' {
            if after_hyphen {
                return None;
            }
            after_hyphen = true;
            continue;
        }
        after_hyphen = false;
        digits += 1;
        if digits > 32 {
            return None;
        }
        value = value << 4 | u128::from((c as char).to_digit(16)?);
    }
    (digits == 32 && !after_hyphen).then(|| value.to_be_bytes())
}

/// Checks that a text is one JSON value; the position of the first mistake otherwise.
pub fn check_json(text: &str) -> Result<(), usize> {
    let mut p = crate::exec::json::Parser::new(text);
    p.skip_value()?;
    p.end()
}

/// The content of a JSON string with its quotes.
pub fn json_string(text: &str) -> Option<String> {
    crate::exec::json::unquote(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!(integer(" 12 "), Some(12));
        assert_eq!(integer("+5"), Some(5));
        assert_eq!(integer("-9223372036854775808"), Some(i64::MIN.into()));
        assert_eq!(integer("1_000"), Some(1000));
        assert_eq!(integer("1__0"), None);
        assert_eq!(integer("1e3"), Some(1000));
        assert_eq!(integer("1.5"), Some(2));
        assert_eq!(integer("-2.5"), Some(-3));
        assert_eq!(integer("0x1F"), Some(31));
        for bad in ["", "-", "abc", "1a", ".", "e5", "1e", "--1", "1 2", "½"] {
            assert_eq!(integer(bad), None, "{bad}");
        }
        assert_eq!(integer("170141183460469231731687303715884105727"), Some(i128::MAX));
        assert_eq!(integer("170141183460469231731687303715884105726.5"), Some(i128::MAX));
        assert_eq!(integer("170141183460469231731687303715884105727.4"), Some(i128::MAX));
        assert_eq!(integer("170141183460469231731687303715884105727.5"), None);
        assert_eq!(integer("-170141183460469231731687303715884105728"), Some(i128::MIN));
        assert_eq!(integer("170141183460469231731687303715884105728"), None);
        assert_eq!(integer("-170141183460469231731687303715884105729"), None);
        assert_eq!(integer("170141183460469231731687303715884105728"), None);
        assert_eq!(integer(&"9".repeat(400)), None);
    }

    #[test]
    fn decimals() {
        assert_eq!(decimal("1.555", 5, 2), Some(156));
        assert_eq!(decimal("1e2", 5, 2), Some(10_000));
        assert_eq!(decimal("-.5", 3, 1), Some(-5));
        assert_eq!(decimal(".", 3, 1), None);
        assert_eq!(decimal("12345", 4, 1), None);
        assert_eq!(decimal("0.00000000000000000000000000000000000000000000001", 4, 1), Some(0));
        assert_eq!(decimal("99.95", 3, 1), None);
    }

    #[test]
    fn floats() {
        assert_eq!(float(".5"), Some(0.5));
        assert_eq!(float("5."), Some(5.0));
        assert_eq!(float("1_0.5"), Some(10.5));
        assert_eq!(float("1e400"), Some(f64::INFINITY));
        assert!(float("-NaN").is_some_and(f64::is_nan));
        assert_eq!(float("+1"), Some(1.0));
        for bad in ["", "x", "1e", "--1", "infx", "1 2"] {
            assert_eq!(float(bad), None, "{bad}");
        }
    }

    #[test]
    fn others() {
        assert_eq!(blob("\\x00ab\\xFF"), Ok(vec![0, b'a', b'b', 255]));
        assert!(blob("\\xg0").is_err());
        assert!(blob("é").is_err());
        assert!(uuid("00112233-4455-6677-8899-aabbccddeeff").is_some());
        assert!(uuid("{00112233445566778899AABBCCDDEEFF}").is_some());
        assert_eq!(uuid("0011"), None);
        assert_eq!(boolean("Yes"), Some(true));
        assert_eq!(boolean("on"), None);
    }
}
