//! The parts of text that stands for a list, a struct or a map.
//!
//! A scanner finds where each part ends, then [`unquoted`] says what it is. Both follow the same rules: quotes may
//! stand anywhere in a part and are not of it; between them a backslash makes the next character an ordinary one,
//! outside of them it does so before a quote only. What stands in brackets is left as it is, for the cast of the inner
//! type to read.

/// A part of the text; `None` is a bare `NULL`.
pub(super) type Part = Option<String>;

/// The items of `[a, "b, c", NULL]`, or of `{a,"b, c",NULL}` as PostgreSQL writes it, or nothing if it is no such text.
pub(super) fn list(text: &str) -> Option<Vec<Part>> {
    if text.trim_start().starts_with('{') {
        return braced_list(text);
    }
    let mut scanner = Scanner::open(text, b'[')?;
    let mut items = vec![];
    if !scanner.is_at(b']') {
        loop {
            items.push(part(scanner.part(b",]", true)?));
            if scanner.is_at(b']') {
                break;
            }
            scanner.next();
        }
    }
    scanner.close().then_some(items)
}

/// The items of PostgreSQL's `{a,"b, c",NULL,{d}}`: only double quotes are quotes, a backslash makes any next character
/// an ordinary one, and what stands in braces is left as it is.
fn braced_list(text: &str) -> Option<Vec<Part>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.trim().is_empty() {
        return Some(vec![]);
    }
    let mut items = vec![];
    // The item so far; how much of it blanks at the end do not shorten; whether it had quotes; how deep in braces.
    let (mut item, mut kept, mut quoted, mut depth) = (String::new(), 0, false, 0_usize);
    let mut in_quotes = false;
    let mut chars = inner.chars();
    loop {
        let next = chars.next();
        match next {
            Some(',') | None if !in_quotes && depth == 0 => {
                item.truncate(kept);
                if item.is_empty() && !quoted {
                    return None;
                }
                let is_null = !quoted && item.eq_ignore_ascii_case("null");
                items.push((!is_null).then(|| std::mem::take(&mut item)));
                (item, kept, quoted) = (String::new(), 0, false);
                if next.is_none() {
                    return Some(items);
                }
                continue;
            }
            None => return None,
            Some('\\') => {
                if depth > 0 {
                    item.push('\\');
                }
                item.push(chars.next()?);
            }
            Some('"') => {
                in_quotes = !in_quotes;
                quoted |= depth == 0;
                if depth > 0 {
                    item.push('"');
                }
            }
            Some(c @ ('{' | '}')) if !in_quotes => {
                depth = if c == '{' { depth + 1 } else { depth.checked_sub(1)? };
                item.push(c);
            }
            Some(c) if c.is_whitespace() && !in_quotes && depth == 0 => {
                // Blanks between words are of the item, those around it are not.
                if !item.is_empty() {
                    item.push(c);
                }
                continue;
            }
            Some(c) => item.push(c),
        }
        kept = item.len();
    }
}

/// The values of `(1, x)`, which may have a comma behind the last, or nothing if it is no such text.
pub(super) fn tuple(text: &str) -> Option<Vec<Part>> {
    let mut scanner = Scanner::open(text, b'(')?;
    let mut values = vec![];
    while !scanner.is_at(b')') {
        values.push(part(scanner.part(b",)", true)?));
        if scanner.is_at(b',') {
            scanner.next();
        }
    }
    scanner.close().then_some(values)
}

/// The fields of `{a: 1, 'b c': x}`, or nothing if it is no such text. Brackets in a name are of the name.
pub(super) fn fields(text: &str) -> Option<Vec<(String, Part)>> {
    pairs(text, b':', |scanner| Some(unquoted(scanner.part(b":", false)?, false)))
}

/// The entries of `{k=1, [a, b]=x}`, or nothing if it is no such text.
pub(super) fn entries(text: &str) -> Option<Vec<(Part, Part)>> {
    pairs(text, b'=', |scanner| Some(part(scanner.part(b"=", true)?)))
}

fn pairs<'a, K>(
    text: &'a str,
    separator: u8,
    key: impl Fn(&mut Scanner<'a>) -> Option<K>,
) -> Option<Vec<(K, Part)>> {
    let mut scanner = Scanner::open(text, b'{')?;
    let mut pairs = vec![];
    if !scanner.is_at(b'}') {
        loop {
            let key = key(&mut scanner)?;
            debug_assert!(scanner.is_at(separator), "a key ends at its separator");
            scanner.next();
            pairs.push((key, part(scanner.part(b",}", true)?)));
            if scanner.is_at(b'}') {
                break;
            }
            scanner.next();
        }
    }
    scanner.close().then_some(pairs)
}

fn part(text: &str) -> Part {
    (!text.eq_ignore_ascii_case("null")).then(|| unquoted(text, true))
}

/// What a part says, without its quotes. `brackets`: what stands in brackets is left as it is.
fn unquoted(text: &str, brackets: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        if quote.is_none() && brackets && closing(c).is_some() {
            let mut scanner = Scanner { text: rest, at: 0, escaped: false };
            if scanner.bracketed(rest.as_bytes()[0]).is_some() {
                taken += scanner.at;
            }
            out.push_str(&rest[..taken]);
        } else if c == '\\' && (quote.is_some() || rest[taken..].starts_with(['"', '\''])) {
            if let Some(plain) = rest[taken..].chars().next() {
                out.push(plain);
                taken += plain.len_utf8();
            }
        } else if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && matches!(c, '"' | '\'') {
            quote = Some(c);
        } else {
            out.push(c);
        }
        rest = &rest[taken..];
    }
    out
}

/// The bracket that closes this one.
fn closing(bracket: char) -> Option<char> {
    match bracket {
        '[' => Some(']'),
        '{' => Some('}'),
        '(' => Some(')'),
        _ => None,
    }
}

/// Goes through text byte by byte: all that has a meaning is ASCII.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The byte before was a backslash outside of quotes. It keeps a quote from opening, also behind a separator.
    escaped: bool,
}

impl<'a> Scanner<'a> {
    /// Behind the opening bracket and blanks, if the text begins with it.
    fn open(text: &'a str, bracket: u8) -> Option<Self> {
        let mut scanner = Scanner { text, at: 0, escaped: false };
        scanner.blanks();
        scanner.is_at(bracket).then(|| scanner.next())?;
        Some(scanner)
    }

    /// Nothing but blanks behind the closing bracket, at which this is.
    fn close(mut self) -> bool {
        self.next();
        self.at == self.text.len()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is_at(&self, byte: u8) -> bool {
        self.byte() == Some(byte)
    }

    /// Past this byte and the blanks behind it.
    fn next(&mut self) {
        self.at += 1;
        self.blanks();
    }

    fn blanks(&mut self) {
        while self.byte().is_some_and(is_blank) {
            self.at += 1;
            self.escaped = false;
        }
    }

    /// The text from here to one of the stops, at which this then is, without blanks at its end. `brackets`: stops in
    /// brackets are none.
    fn part(&mut self, stops: &[u8], brackets: bool) -> Option<&'a str> {
        let from = self.at;
        let mut end = self.at;
        loop {
            let byte = self.byte()?;
            if stops.contains(&byte) {
                return self.text.get(from..end);
            }
            let backslash = byte == b'\\';
            match byte {
                b'"' | b'\'' if !self.escaped => self.quoted(byte)?,
                b'[' | b'{' | b'(' if brackets => self.bracketed(byte)?,
                _ => {}
            }
            self.escaped = backslash;
            self.at += 1;
            if !is_blank(byte) {
                end = self.at;
            }
        }
    }

    /// From an opening quote to the one that closes it.
    fn quoted(&mut self, quote: u8) -> Option<()> {
        let mut escaped = false;
        loop {
            self.at += 1;
            let byte = self.byte()?;
            if byte == quote && !escaped {
                return Some(());
            }
            escaped = byte == b'\\' && !escaped;
        }
    }

    /// From an opening bracket to the one that closes it.
    fn bracketed(&mut self, bracket: u8) -> Option<()> {
        let mut open: Vec<char> = closing(bracket.into()).into_iter().collect();
        let mut escaped = false;
        loop {
            self.at += 1;
            let byte = self.byte()?;
            let backslash = byte == b'\\';
            match byte {
                b'"' | b'\'' if !escaped => self.quoted(byte)?,
                b'[' | b'{' | b'(' => open.extend(closing(byte.into())),
                _ if open.last() == Some(&byte.into()) => {
                    open.pop();
                    if open.is_empty() {
                        return Some(());
                    }
                }
                _ => {}
            }
            escaped = backslash;
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
