//! JSON text as a flat list of values, checked on the way.
//!
//! A record is read once, into a [`Tape`]: one node a value, in the order of the text, each with the place of
//! its text and the node behind its last part. Whatever looks at the record after that, to guess types or to
//! fill columns, looks at nodes and cannot meet malformed text any more. The tape is reused from record to
//! record.
//!
//! Taken beyond the standard, as DuckDB does: `NaN` and `Infinity`, and a comma behind the last part of an
//! array or object.

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 1_000;

/// What kind of value a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    False,
    True,
    /// A number without point and exponent.
    Integer,
    /// Any other number.
    Float,
    /// A string without escapes.
    Text,
    /// A string with escapes.
    EscapedText,
    Array,
    /// Keys and values follow in turn.
    Object,
}

/// One value.
#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    /// Where its text begins and ends, quotes and brackets included.
    start: u32,
    end: u32,
    /// The first node that is no part of it.
    next: u32,
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    pub at: usize,
    pub what: &'static str,
    /// The text ended inside the value.
    pub ended: bool,
}

const ENDED: &str = "unexpected end of data";
const UNEXPECTED: &str = "unexpected character";

fn malformed<T>(at: usize, what: &'static str) -> Result<T, Malformed> {
    Err(Malformed { at, what, ended: what == ENDED })
}

/// The values of one record.
#[derive(Debug, Default)]
pub(super) struct Tape {
    nodes: Vec<Node>,
    /// Arrays and objects that are not closed yet.
    open: Vec<u32>,
}

/// The position of the first byte that is no blank.
#[inline]
pub(super) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = text.get(at) {
        at += 1;
    }
    at
}

impl Tape {
    /// Reads the value that begins at `at`, blanks before it allowed; returns where it ends.
    pub fn read(&mut self, text: &[u8], at: usize) -> Result<usize, Malformed> {
        self.nodes.clear();
        self.open.clear();
        let mut at = skip_blanks(text, at);
        loop {
            at = match text.get(at) {
                None => return malformed(at, ENDED),
                Some(b'"') => self.string(text, at)?,
                Some(b'-' | b'0'..=b'9') => self.number(text, at)?,
                Some(first @ (b'{' | b'[')) => {
                    let object = *first == b'{';
                    if self.open.len() == MAX_DEPTH {
                        return malformed(at, "nested too deeply");
                    }
                    self.open.push(self.nodes.len() as u32);
                    self.push(if object { Kind::Object } else { Kind::Array }, at, at);
                    let inside = skip_blanks(text, at + 1);
                    if text.get(inside) != Some(&closing(object)) {
                        at = if object { self.key(text, inside)? } else { inside };
                        continue;
                    }
                    self.close(inside + 1);
                    inside + 1
                }
                Some(_) => self.word(text, at, at)?,
            };
            // A value is complete: close what ends here, go on behind a comma.
            loop {
                let Some(top) = self.open.last() else { return Ok(at) };
                let object = self.nodes[*top as usize].kind == Kind::Object;
                at = skip_blanks(text, at);
                let mut byte = text.get(at);
                if byte == Some(&b',') {
                    at = skip_blanks(text, at + 1);
                    byte = text.get(at);
                    if byte != Some(&closing(object)) {
                        if object {
                            at = self.key(text, at)?;
                        }
                        break;
                    }
                }
                match byte {
                    Some(b) if *b == closing(object) => at += 1,
                    Some(_) => return malformed(at, UNEXPECTED),
                    None => return malformed(at, ENDED),
                }
                self.close(at);
            }
        }
    }

    /// The value that was read last.
    pub fn root<'a>(&'a self, text: &'a [u8]) -> Value<'a> {
        Value { nodes: &self.nodes, index: 0, text }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node { kind, start: start as u32, end: end as u32, next });
    }

    /// Closes the innermost array or object.
    fn close(&mut self, end: usize) {
        let next = self.nodes.len() as u32;
        if let Some(top) = self.open.pop() {
            let node = &mut self.nodes[top as usize];
            node.end = end as u32;
            node.next = next;
        }
    }

    /// A key and the colon behind it.
    fn key(&mut self, text: &[u8], at: usize) -> Result<usize, Malformed> {
        match text.get(at) {
            Some(b'"') => {}
            Some(_) => return malformed(at, UNEXPECTED),
            None => return malformed(at, ENDED),
        }
        let at = skip_blanks(text, self.string(text, at)?);
        match text.get(at) {
            Some(b':') => Ok(skip_blanks(text, at + 1)),
            Some(_) => malformed(at, UNEXPECTED),
            None => malformed(at, ENDED),
        }
    }

    fn string(&mut self, text: &[u8], start: usize) -> Result<usize, Malformed> {
        let mut at = start + 1;
        let mut kind = Kind::Text;
        loop {
            at = plain_end(text, at);
            match text.get(at) {
                None => return malformed(at, ENDED),
                Some(b'"') => {
                    self.push(kind, start, at + 1);
                    return Ok(at + 1);
                }
                Some(b'\\') => {
                    kind = Kind::EscapedText;
                    at = escape(text, at)?;
                }
                Some(_) => return malformed(at, "unexpected control character in string"),
            }
        }
    }

    fn number(&mut self, text: &[u8], start: usize) -> Result<usize, Malformed> {
        let digits = |mut at: usize| {
            while text.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let whole = start + usize::from(text[start] == b'-');
        let mut at = digits(whole);
        let mut kind = Kind::Integer;
        match at - whole {
            0 if at == text.len() => return malformed(at, ENDED),
            0 => return self.word(text, start, whole),
            1 => {}
            _ if text[whole] == b'0' => return malformed(whole, "number with leading zero is not allowed"),
            _ => {}
        }
        if text.get(at) == Some(&b'.') {
            kind = Kind::Float;
            let fraction = at + 1;
            at = digits(fraction);
            if at == fraction {
                return malformed(at, "no digit after decimal point");
            }
        }
        if let Some(b'e' | b'E') = text.get(at) {
            kind = Kind::Float;
            let exponent = at + 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
            at = digits(exponent);
            if at == exponent {
                return malformed(at, "no digit after exponent sign");
            }
        }
        self.push(kind, start, at);
        Ok(at)
    }

    /// A word at `at`, perhaps with a sign before it at `start`.
    fn word(&mut self, text: &[u8], start: usize, at: usize) -> Result<usize, Malformed> {
        let rest = &text[at..];
        let is = |word: &[u8]| rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word);
        let (kind, len) = if start < at {
            if is(b"infinity") {
                (Kind::Float, 8)
            } else if is(b"inf") || is(b"nan") {
                (Kind::Float, 3)
            } else {
                return malformed(at, "no digit after minus sign");
            }
        } else if rest.starts_with(b"null") {
            (Kind::Null, 4)
        } else if rest.starts_with(b"true") {
            (Kind::True, 4)
        } else if rest.starts_with(b"false") {
            (Kind::False, 5)
        } else if is(b"infinity") {
            (Kind::Float, 8)
        } else if is(b"inf") || is(b"nan") {
            (Kind::Float, 3)
        } else {
            let prefix = |word: &[u8]| !rest.is_empty() && word.starts_with(rest);
            let ended = prefix(b"null") || prefix(b"true") || prefix(b"false");
            return malformed(at, if ended { ENDED } else { UNEXPECTED });
        };
        self.push(kind, start, at + len);
        Ok(at + len)
    }
}

/// The bracket that closes an object or array.
fn closing(object: bool) -> u8 {
    if object { b'}' } else { b']' }
}

/// The first byte from `at` on that is a quote, a backslash or a control character.
#[inline]
fn plain_end(text: &[u8], mut at: usize) -> usize {
    // Eight bytes at a time: a byte is marked in its highest bit if it is one of the three.
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    while let Some(bytes) = text.get(at..at + 8) {
        let word = u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let marked =
            zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\'))) | control;
        if marked != 0 {
            // Borrows only mark bytes behind the first true mark.
            return at + marked.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|b| *b >= 0x20 && *b != b'"' && *b != b'\\') {
        at += 1;
    }
    at
}

/// The end of the escape at `at`, checked.
fn escape(text: &[u8], at: usize) -> Result<usize, Malformed> {
    match text.get(at + 1) {
        None => malformed(at + 1, ENDED),
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let first = unit(text, at)?;
            match first {
                0xd800..0xdc00 if text.get(at + 6..at + 8) != Some(b"\\u") => {
                    malformed(at + 6, "no low surrogate in string")
                }
                0xd800..0xdc00 => match unit(text, at + 6)? {
                    0xdc00..0xe000 => Ok(at + 12),
                    _ => malformed(at + 6, "invalid low surrogate in string"),
                },
                0xdc00..0xe000 => malformed(at, "invalid high surrogate in string"),
                _ => Ok(at + 6),
            }
        }
        Some(_) => malformed(at + 1, "invalid escaped character in string"),
    }
}

/// The code unit of the `\uXXXX` at `at`.
fn unit(text: &[u8], at: usize) -> Result<u32, Malformed> {
    let Some(hex) = text.get(at + 2..at + 6) else { return malformed(text.len(), ENDED) };
    let mut value = 0;
    for (i, digit) in hex.iter().enumerate() {
        match char::from(*digit).to_digit(16) {
            Some(d) => value = value * 16 + d,
            None => return malformed(at + 2 + i, "invalid escaped character in string"),
        }
    }
    Ok(value)
}

/// A value on a tape.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    nodes: &'a [Node],
    index: usize,
    text: &'a [u8],
}

impl<'a> Value<'a> {
    /// Its kind.
    #[inline]
    pub fn kind(self) -> Kind {
        self.nodes[self.index].kind
    }

    /// Where its text begins.
    #[inline]
    pub fn start(self) -> usize {
        self.nodes[self.index].start as usize
    }

    /// Where its text ends.
    #[inline]
    pub fn end(self) -> usize {
        self.nodes[self.index].end as usize
    }

    /// Its text.
    #[inline]
    pub fn raw(self) -> &'a [u8] {
        &self.text[self.start()..self.end()]
    }

    /// The place of a string's content.
    #[inline]
    pub fn content(self) -> std::ops::Range<usize> {
        self.start() + 1..self.end() - 1
    }

    /// The content of a string; `scratch` holds it if there are escapes to take out.
    #[inline]
    pub fn string<'b>(self, scratch: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        let content = &self.text[self.content()];
        if self.kind() == Kind::Text {
            return content;
        }
        scratch.clear();
        unescape(content, scratch);
        scratch
    }

    /// The elements of an array.
    pub fn elements(self) -> Parts<'a> {
        Parts { value: self, at: self.index + 1, end: self.nodes[self.index].next as usize }
    }

    /// The keys and values of an object.
    pub fn members(self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        let mut parts = self.elements();
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }
}

/// The parts of an array or object.
pub(super) struct Parts<'a> {
    value: Value<'a>,
    at: usize,
    end: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        if self.at == self.end {
            return None;
        }
        let part = Value { index: self.at, ..self.value };
        self.at = part.nodes[self.at].next as usize;
        Some(part)
    }
}

/// Appends the content of a string that was read, its escapes taken out. What is UTF-8 stays UTF-8.
fn unescape(content: &[u8], out: &mut Vec<u8>) {
    let mut rest = content;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let escaped = &rest[at..];
        let plain = match escaped[1] {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut code = unit(escaped, 0).unwrap_or(0xfffd);
                let mut len = 6;
                if (0xd800..0xdc00).contains(&code) {
                    let low = unit(escaped, 6).unwrap_or(0xdc00);
                    code = 0x1_0000 + ((code - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
                    len = 12;
                }
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &escaped[len..];
                continue;
            }
            other => other,
        };
        out.push(plain);
        rest = &escaped[2..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<usize, Malformed> {
        Tape::default().read(text.as_bytes(), 0)
    }

    #[test]
    fn what_is_a_value() {
        for good in [
            "1",
            "-1.5e3",
            "0",
            "-0",
            "\"a\\n\\u00e9\"",
            "[]",
            "{}",
            "[1, [2, {}], {\"a\": [null, true]}]",
            " null",
            "{\"a\":{\"b\":1},\"c\":2}",
            "NaN",
            "-inf",
            "Infinity",
            "[1,]",
            "{\"a\":1,}",
            "\"\\ud83d\\ude00\"",
            "\"long enough for several words, größer\"",
        ] {
            assert_eq!(read(good), Ok(good.len()), "{good}");
        }
        for bad in [
            "",
            " ",
            "x",
            "01",
            "1.",
            "1e",
            "-",
            "+1",
            ".5",
            "{\"a\"}",
            "{a:1}",
            "\"",
            "[1 2]",
            "[",
            "]",
            "[,]",
            "{\"a\":1 \"b\":2}",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "tru",
            "nul",
            "12345678\"",
            "{,}",
        ] {
            assert_ne!(read(bad), Ok(bad.len()), "{bad}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
        assert!(read(&format!("{}{}", "[".repeat(1_001), "]".repeat(1_001))).is_err());
        assert!(read(&format!("{}{}", "[".repeat(1_000), "]".repeat(1_000))).is_ok());
    }

    #[test]
    fn a_cut_value_is_told_from_a_wrong_one() {
        let text = r#"{"a": [1, true, null, "x\u00e9\n", -2.5e-3], "b": {"c": "d"}}"#;
        for cut in 0..text.len() {
            let error = read(&text[..cut]).unwrap_err();
            assert!(error.ended || error.what.starts_with("no digit"), "{cut}: {error:?}");
        }
        assert!(!read("{\"a\":}").unwrap_err().ended);
    }

    #[test]
    fn parts() {
        let text = br#"{"a": [1, [2], "x"], "b\u0063": {"d": null}}"#;
        let mut tape = Tape::default();
        tape.read(text, 0).unwrap();
        let mut scratch = vec![];
        let keys: Vec<String> = tape
            .root(text)
            .members()
            .map(|(k, v)| {
                let parts = v.elements().count();
                format!("{} {parts}", String::from_utf8_lossy(k.string(&mut scratch)))
            })
            .collect();
        assert_eq!(keys, ["a 3", "bc 2"]);
    }

    proptest! {
        #[test]
        fn any_string_comes_back(text in ".{0,40}") {
            let mut json = String::new();
            crate::exec::cast::text::json_string(&text, &mut json);
            let mut tape = Tape::default();
            prop_assert_eq!(tape.read(json.as_bytes(), 0), Ok(json.len()));
            let mut scratch = vec![];
            prop_assert_eq!(tape.root(json.as_bytes()).string(&mut scratch), text.as_bytes());
        }

        #[test]
        fn nothing_panics(text in proptest::collection::vec(proptest::sample::select(
            br#"{}[]",:\u0d8 1-+.entrufalsi"#.to_vec()), 0..40)) {
            let mut tape = Tape::default();
            if let Ok(end) = tape.read(&text, 0) {
                prop_assert!(end <= text.len());
                let _all: usize = tape.root(&text).elements().map(|v| v.raw().len()).sum();
            }
        }
    }
}
