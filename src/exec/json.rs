//! A small reader of JSON text: checking, skipping and finding values, without building a tree.
//!
//! Beyond the standard it takes `NaN`, `Infinity` and a comma behind the last part of an array or object, as DuckDB
//! does.

mod path;

use crate::exec::cast::text::json_string;

pub use path::{Step, find, find_all, parse_path};

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 1_000;

/// Reads JSON from the front of a text. Errors are byte positions.
pub struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    /// A reader at the start of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    fn blanks(&mut self) {
        while self.bytes.get(self.at).is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.blanks();
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, b: u8) -> bool {
        let hit = self.peek() == Some(b);
        self.at += usize::from(hit);
        hit
    }

    /// Fails unless only blanks are left.
    pub fn end(&mut self) -> Result<(), usize> {
        if self.peek().is_none() { Ok(()) } else { Err(self.at) }
    }

    /// Reads a string; returns it with its quotes.
    fn string(&mut self) -> Result<&'a str, usize> {
        let start = self.at;
        if !self.eat(b'"') {
            return Err(self.at);
        }
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at]);
                }
                Some(b'\\') => match self.bytes.get(self.at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                    Some(b'u')
                        if self
                            .bytes
                            .get(self.at + 2..self.at + 6)
                            .is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)) =>
                    {
                        self.at += 6;
                    }
                    _ => return Err(self.at),
                },
                None | Some(0..0x20) => return Err(self.at),
                Some(_) => self.at += 1,
            }
        }
    }

    fn number(&mut self) -> Result<(), usize> {
        let start = self.at;
        self.at += usize::from(self.bytes.get(self.at) == Some(&b'-'));
        if self.not_finite() {
            return Ok(());
        }
        let digits = |p: &mut Self| {
            let from = p.at;
            while p.bytes.get(p.at).is_some_and(u8::is_ascii_digit) {
                p.at += 1;
            }
            p.at - from
        };
        let leading_zero = self.bytes.get(self.at) == Some(&b'0');
        let whole = digits(self);
        if whole == 0 || leading_zero && whole > 1 {
            return Err(start);
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if digits(self) == 0 {
                return Err(self.at);
            }
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            if digits(self) == 0 {
                return Err(self.at);
            }
        }
        Ok(())
    }

    /// Reads one value; returns its text.
    pub fn skip_value(&mut self) -> Result<&'a str, usize> {
        self.blanks();
        let start = self.at;
        // Open brackets; `true` for an object.
        let mut open: Vec<bool> = vec![];
        loop {
            let opened = match self.peek() {
                Some(b'{') => {
                    self.at += 1;
                    let members = !self.eat(b'}');
                    if members {
                        open.push(true);
                        self.key()?;
                    }
                    members
                }
                Some(b'[') => {
                    self.at += 1;
                    let elements = !self.eat(b']');
                    if elements {
                        open.push(false);
                    }
                    elements
                }
                Some(b'"') => self.string().map(|_| false)?,
                Some(b'-' | b'0'..=b'9') => self.number().map(|()| false)?,
                Some(b't') => self.word("true").map(|()| false)?,
                Some(b'f') => self.word("false").map(|()| false)?,
                Some(b'n') if self.word("null").is_ok() => false,
                Some(_) if self.not_finite() => false,
                _ => return Err(self.at),
            };
            if open.len() > MAX_DEPTH {
                return Err(self.at);
            }
            if opened {
                continue;
            }
            // A value is complete: close what ends here, go on behind a comma.
            loop {
                let Some(object) = open.last() else { return Ok(&self.text[start..self.at]) };
                let object = *object;
                let close = if object { b'}' } else { b']' };
                if self.eat(b',') && self.peek() != Some(close) {
                    if object {
                        self.key()?;
                    }
                    break;
                }
                if self.eat(close) {
                    open.pop();
                } else {
                    return Err(self.at);
                }
            }
        }
    }

    /// A number that is none, or is infinite, by its name in any case.
    fn not_finite(&mut self) -> bool {
        let rest = &self.bytes[self.at..];
        let is = |w: &&str| rest.len() >= w.len() && rest[..w.len()].eq_ignore_ascii_case(w.as_bytes());
        let word = ["nan", "infinity", "inf"].iter().find(|w| is(w));
        self.at += word.map_or(0, |w| w.len());
        word.is_some()
    }

    fn key(&mut self) -> Result<&'a str, usize> {
        self.blanks();
        let key = self.string()?;
        if self.eat(b':') { Ok(key) } else { Err(self.at) }
    }

    fn word(&mut self, w: &str) -> Result<(), usize> {
        if self.text[self.at..].starts_with(w) {
            self.at += w.len();
            Ok(())
        } else {
            Err(self.at)
        }
    }
}

/// The content of a JSON string with its quotes; `None` if it is none.
pub fn unquote(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(inner.to_owned());
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    let hex = |chars: &mut std::str::Chars<'_>| -> Option<u32> {
        (0..4).try_fold(0, |v, _| Some(v * 16 + chars.next()?.to_digit(16)?))
    };
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next()? {
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'u' => {
                let mut code = hex(&mut chars)?;
                if (0xd800..0xdc00).contains(&code) {
                    let mut ahead = chars.clone();
                    if ahead.next() == Some('\\') && ahead.next() == Some('u') {
                        let low = hex(&mut ahead)?;
                        if (0xdc00..0xe000).contains(&low) {
                            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                            chars = ahead;
                        }
                    }
                }
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            c => out.push(c),
        }
    }
    Some(out)
}

/// Keys and values of an object.
pub fn members(text: &str) -> Option<Vec<(String, &str)>> {
    let mut p = Parser::new(text);
    if !p.eat(b'{') {
        return None;
    }
    let mut out = vec![];
    if p.eat(b'}') {
        return Some(out);
    }
    loop {
        let key = unquote(p.key().ok()?.trim())?;
        out.push((key, p.skip_value().ok()?));
        let more = p.eat(b',');
        if p.eat(b'}') {
            return Some(out);
        }
        if !more {
            return None;
        }
    }
}

/// The elements of an array.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let mut p = Parser::new(text);
    if !p.eat(b'[') {
        return None;
    }
    let mut out = vec![];
    if p.eat(b']') {
        return Some(out);
    }
    loop {
        out.push(p.skip_value().ok()?);
        let more = p.eat(b',');
        if p.eat(b']') {
            return Some(out);
        }
        if !more {
            return None;
        }
    }
}

/// Appends JSON that was checked, without blanks between its parts and with texts as they are written here.
pub fn compact(text: &str, out: &mut String) {
    if !text.bytes().any(|b| b == b'\\' || b.is_ascii_whitespace()) {
        out.push_str(text);
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c.is_ascii_whitespace()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut escaped = false;
        let end = match rest.bytes().skip(1).position(|b| {
            let ends = b == b'"' && !escaped;
            escaped = b == b'\\' && !escaped;
            ends
        }) {
            Some(length) if rest.starts_with('"') => length + 2,
            _ => {
                rest = &rest[1..];
                continue;
            }
        };
        let (string, behind) = rest.split_at(end);
        match unquote(string) {
            Some(content) if string.contains('\\') => json_string(&content, out),
            _ => out.push_str(string),
        }
        rest = behind;
    }
    out.push_str(rest);
}

/// Appends a number as JSON has it: in full where it is neither very large nor very small. What JSON has no number for gets
/// the name that is read as it.
pub fn write_number(value: f64, out: &mut String) {
    use std::fmt::Write;
    if !value.is_finite() {
        out.push_str(if value.is_nan() {
            "NaN"
        } else if value < 0.0 {
            "-Infinity"
        } else {
            "Infinity"
        });
        return;
    }
    let start = out.len();
    let size = value.abs();
    let in_full = size == 0.0 || (1e-6..1e21).contains(&size);
    // Writing to a text cannot fail.
    let _written = if in_full { write!(out, "{value}") } else { write!(out, "{value:e}") };
    if in_full && !out[start..].contains('.') {
        out.push_str(".0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(s: &str) -> bool {
        let mut p = Parser::new(s);
        p.skip_value().and_then(|_| p.end()).is_ok()
    }

    #[test]
    fn checks() {
        for good in [
            "1",
            "-1.5e3",
            "\"a\\n\\u00e9\"",
            "[]",
            "{}",
            "[1, [2, {}], {\"a\": [null, true]}]",
            " null ",
            "{\"a\":{\"b\":1},\"c\":2}",
            "[1,]",
            "{\"a\":[[],],}",
            "[NaN, -Infinity, inf]",
        ] {
            assert!(valid(good), "{good}");
        }
        for bad in [
            "", "x", "01", "1.", "[,]", "{\"a\"}", "{a:1}", "\"", "[1 2]", "[", "{,}", "[1,,]", "-", "1 2",
            "]", "nul",
        ] {
            assert!(!valid(bad), "{bad}");
        }
        assert!(!valid(&"[".repeat(100_000)));
        assert!(!valid(&format!("{}{}", "[".repeat(5_000), "]".repeat(5_000))));
    }

    #[test]
    fn unquotes() {
        assert_eq!(unquote(r#""a\u00e9\ud83d\ude00\"""#).as_deref(), Some("aé😀\""));
    }
}
