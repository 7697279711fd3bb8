//! From bytes to fields: where records and their fields begin and end.
//!
//! A record ends at a line break that is not inside quotes; a field is quoted if its first byte that is not
//! a space is the quote, so a quote further in is text. Both functions that look for the end of a record
//! ([`Scanner::records`] and [`last_record_end`](super::record_end::last_record_end)) decide by the same rules, so that
//! cutting a file into chunks never changes what is read.
//!
//! Blocks of 64 bytes are compared with the delimiter and the line break at once into a bit mask; a field
//! costs one step over the mask. Only quoted fields are looked at byte by byte.

use memchr::{memchr, memchr2};

use crate::io::csv::dialect::{Dialect, Newline};
use crate::io::csv::simd::block_mask;

/// Zero bytes that must follow the text of a chunk, so that blocks can be loaded past its end.
pub(crate) const PADDING: usize = 64;

/// A field: where it lies in the text, without its quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(u64);

const QUOTED: u64 = 1 << 63;
const ESCAPED: u64 = 1 << 62;

/// The longest text that spans can address.
pub(crate) const MAX_TEXT: usize = (1 << 30) - 1;

impl Span {
    /// A field that null padding adds. No other has escapes and no bytes.
    const MISSING: Self = Self(ESCAPED);

    fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= MAX_TEXT);
        Self((start as u64) << 32 >> 2 | (end - start) as u64)
    }

    /// Where it begins.
    pub fn start(self) -> usize {
        ((self.0 & !(QUOTED | ESCAPED)) >> 30) as usize
    }

    /// Its length in bytes.
    pub fn len(self) -> usize {
        (self.0 & ((1 << 30) - 1)) as usize
    }

    /// Where it ends.
    pub fn end(self) -> usize {
        self.start() + self.len()
    }

    /// Whether it was in quotes.
    pub fn is_quoted(self) -> bool {
        self.0 & QUOTED != 0
    }

    /// Whether it is not in the file.
    pub fn is_missing(self) -> bool {
        self == Self::MISSING
    }

    /// Whether escapes in it must still be taken out.
    pub fn is_escaped(self) -> bool {
        self.0 & ESCAPED != 0
    }
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordError {
    /// Not the expected number of fields, but this.
    Fields(usize),
    /// Text between a closing quote and the next delimiter.
    TextBehindQuote,
    /// A quote that is not closed.
    Unterminated,
    /// Longer than the limit.
    TooLong,
}

/// What to do about records of another shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// How many fields a record has; `None` takes them as they come.
    pub fields: Option<usize>,
    /// Missing fields are NULL.
    pub null_padding: bool,
    /// The longest record in bytes.
    pub max_record: usize,
}

/// The fields of some records, one record after the other.
#[derive(Default)]
pub(crate) struct Records {
    /// The fields.
    pub spans: Vec<Span>,
    /// Where each record begins in the text.
    pub starts: Vec<u32>,
    /// With a shape of any number of fields, the number of each record.
    pub widths: Vec<u32>,
}

impl Records {
    /// Forgets all records.
    pub fn clear(&mut self) {
        self.spans.clear();
        self.starts.clear();
        self.widths.clear();
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.starts.len()
    }
}

/// A position in a chunk of text, and the mask of the block it is in.
pub(crate) struct Scanner {
    dialect: Dialect,
    shape: Shape,
    /// Where the next record begins.
    position: usize,
}

/// The end of a field and what follows it.
struct FieldEnd {
    span: Span,
    /// Behind the delimiter or line break.
    next: usize,
    /// The record ends here.
    last: bool,
}

impl Scanner {
    /// A scanner at the start of a chunk, where a record begins.
    pub fn new(dialect: Dialect, shape: Shape) -> Self {
        Self { dialect, shape, position: 0 }
    }

    /// A scanner at another place where a record begins.
    pub fn at(dialect: Dialect, shape: Shape, position: usize) -> Self {
        Self { position, ..Self::new(dialect, shape) }
    }

    /// Where the next record begins.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Appends up to `max` records. `text` is the chunk with [`PADDING`] zero bytes behind `len`. Stops at
    /// a bad record, with its start; the next call goes on behind it.
    pub fn records(
        &mut self,
        text: &[u8],
        len: usize,
        max: usize,
        out: &mut Records,
    ) -> Result<(), (usize, RecordError)> {
        assert!(len <= MAX_TEXT && text.len() >= len + PADDING);
        let Dialect { delimiter: whole_delimiter, newline, .. } = self.dialect;
        let newline = newline.byte();
        // The mask has the last byte of delimiters; what is before it is compared where there is one.
        let delimiter = whole_delimiter.last();
        let lead = whole_delimiter.len() - 1;
        // 0 never occurs as a quote or comment: options refuse it.
        let quote = self.dialect.quote.unwrap_or(0);
        let comment = self.dialect.comment.unwrap_or(0);
        let strip_cr = self.dialect.newline == Newline::Lf;
        let mut block = self.position;
        let mut mask = if block < len { block_mask(text, block, delimiter, newline) } else { 0 };
        let mut rows = 0;
        while rows < max && self.position < len {
            let record = self.position;
            let mut start = record;
            // Comments and blank lines.
            let first = text[start];
            if first == comment && comment != 0 {
                self.position = memchr(newline, &text[start..len]).map_or(len, |n| start + n + 1);
                (block, mask) = seek(text, block, mask, self.position, len, delimiter, newline);
                continue;
            }
            let blank = first == newline
                || (strip_cr && first == b'\r' && (start + 1 == len || text[start + 1] == b'\n'));
            if blank && self.shape.fields != Some(1) {
                self.position = memchr(newline, &text[start..len]).map_or(len, |n| start + n + 1);
                (block, mask) = seek(text, block, mask, self.position, len, delimiter, newline);
                continue;
            }
            let before = out.spans.len();
            loop {
                let c = text[start];
                if (c == quote || c == b' ') && quote != 0 && start < len {
                    match self.quoted(text, start, len) {
                        Ok(Some(end)) => {
                            out.spans.push(end.span);
                            start = end.next;
                            (block, mask) = seek(text, block, mask, start, len, delimiter, newline);
                            if end.last {
                                break;
                            }
                            continue;
                        }
                        Ok(None) => {}
                        Err((error, resume)) => {
                            out.spans.truncate(before);
                            self.position = resume;
                            return Err((record, error));
                        }
                    }
                }
                let end = loop {
                    while mask == 0 && block + 64 < len {
                        block += 64;
                        mask = block_mask(text, block, delimiter, newline);
                    }
                    let end = if mask == 0 { len } else { (block + mask.trailing_zeros() as usize).min(len) };
                    mask &= mask.wrapping_sub(1);
                    if lead == 0
                        || end == len
                        || text[end] == newline
                        || whole_delimiter.ends_at(text, start, end)
                    {
                        break end;
                    }
                };
                if comment != 0
                    && let Some(at) = memchr(comment, &text[start..end])
                {
                    out.spans.push(Span::new(start, start + at));
                    start = memchr(newline, &text[start..len]).map_or(len, |n| start + n + 1);
                    (block, mask) = seek(text, block, mask, start, len, delimiter, newline);
                    break;
                }
                if end == len {
                    let cr = strip_cr && end > start && text[end - 1] == b'\r';
                    out.spans.push(Span::new(start, end - usize::from(cr)));
                    start = len;
                    break;
                }
                if text[end] == newline {
                    let cr = strip_cr && end > start && text[end - 1] == b'\r';
                    out.spans.push(Span::new(start, end - usize::from(cr)));
                    start = end + 1;
                    break;
                }
                out.spans.push(Span::new(start, end - lead));
                start = end + 1;
            }
            self.position = start;
            let found = out.spans.len() - before;
            if start - record > self.shape.max_record {
                out.spans.truncate(before);
                return Err((record, RecordError::TooLong));
            }
            match self.shape.fields {
                Some(expected) if expected != found => {
                    if let Err(e) = self.reshape(&mut out.spans, before, expected) {
                        return Err((record, e));
                    }
                }
                Some(_) => {}
                None => out.widths.push(found as u32),
            }
            out.starts.push(record as u32);
            rows += 1;
        }
        Ok(())
    }

    /// Makes a record with another number of fields fit, or takes it away.
    #[cold]
    fn reshape(&self, spans: &mut Vec<Span>, before: usize, expected: usize) -> Result<(), RecordError> {
        let found = spans.len() - before;
        if found < expected && self.shape.null_padding {
            spans.resize(before + expected, Span::MISSING);
            return Ok(());
        }
        if found > expected {
            let surplus = &spans[before + expected..];
            if !self.dialect.strict || surplus.iter().all(|s| s.len() == 0 && !s.is_quoted()) {
                spans.truncate(before + expected);
                return Ok(());
            }
        }
        spans.truncate(before);
        Err(RecordError::Fields(found))
    }

    /// The field at `start` if it is quoted, spaces around the quotes allowed. On an error also where the
    /// next record begins.
    fn quoted(
        &self,
        text: &[u8],
        start: usize,
        len: usize,
    ) -> Result<Option<FieldEnd>, (RecordError, usize)> {
        let newline = self.dialect.newline.byte();
        let Some(open) = opening_quote(&self.dialect, text, start, len) else { return Ok(None) };
        let Some((close, escaped)) = closing_quote(&self.dialect, text, open + 1, len) else {
            return Err((RecordError::Unterminated, len));
        };
        let mut span = Span::new(open + 1, close);
        span.0 |= QUOTED | if escaped { ESCAPED } else { 0 };
        let mut at = close + 1;
        while at < len && text[at] == b' ' && self.dialect.delimiter.allows_spaces() {
            at += 1;
        }
        if at == len {
            return Ok(Some(FieldEnd { span, next: len, last: true }));
        }
        if self.dialect.delimiter.begins_at(&text[..len], at) {
            return Ok(Some(FieldEnd { span, next: at + self.dialect.delimiter.len(), last: false }));
        }
        if text[at] == newline {
            return Ok(Some(FieldEnd { span, next: at + 1, last: true }));
        }
        if self.dialect.newline == Newline::Lf && text[at] == b'\r' && at + 1 == len {
            return Ok(Some(FieldEnd { span, next: len, last: true }));
        }
        if self.dialect.newline == Newline::Lf && text[at] == b'\r' && text[at + 1] == newline {
            return Ok(Some(FieldEnd { span, next: at + 2, last: true }));
        }
        if self.dialect.comment == Some(text[at]) {
            let next = memchr(newline, &text[at..len]).map_or(len, |n| at + n + 1);
            return Ok(Some(FieldEnd { span, next, last: true }));
        }
        if self.dialect.strict {
            let next = memchr(newline, &text[at..len]).map_or(len, |n| at + n + 1);
            return Err((RecordError::TextBehindQuote, next));
        }
        // As it stands, quotes and all.
        let (end, next) = plain_end(&self.dialect, text, at, len);
        let last = end == len || text[end] == newline;
        let cr = last && self.dialect.newline == Newline::Lf && text[end - 1] == b'\r';
        let span = Span::new(start, end - usize::from(cr));
        Ok(Some(FieldEnd { span, next, last }))
    }
}

/// The end of text without quotes, at a delimiter, a line break or the end of all, and what is behind that.
pub(super) fn plain_end(dialect: &Dialect, text: &[u8], from: usize, len: usize) -> (usize, usize) {
    let newline = dialect.newline.byte();
    let mut at = from;
    while let Some(n) = memchr2(dialect.delimiter.last(), newline, &text[at..len]) {
        at += n + 1;
        if text[at - 1] == newline {
            return (at - 1, at);
        }
        if dialect.delimiter.ends_at(text, from, at - 1) {
            return (at - dialect.delimiter.len(), at);
        }
    }
    (len, len)
}

/// Moves the mask to a position at or behind the block's start.
#[inline]
fn seek(
    text: &[u8],
    block: usize,
    mask: u64,
    to: usize,
    len: usize,
    delimiter: u8,
    newline: u8,
) -> (usize, u64) {
    if to < block + 64 {
        (block, mask & (u64::MAX << (to - block)))
    } else if to < len {
        (to, block_mask(text, to, delimiter, newline))
    } else {
        (to, 0)
    }
}

/// Where the quote of the field at `start` is, if the field is quoted.
#[inline]
pub(super) fn opening_quote(dialect: &Dialect, text: &[u8], start: usize, len: usize) -> Option<usize> {
    let quote = dialect.quote?;
    let mut at = start;
    while at < len && text[at] == b' ' && dialect.delimiter.allows_spaces() {
        at += 1;
    }
    (at < len && text[at] == quote).then_some(at)
}

/// The quote that closes the one before `from`, and whether there are escapes in between.
#[inline]
pub(super) fn closing_quote(
    dialect: &Dialect,
    text: &[u8],
    from: usize,
    len: usize,
) -> Option<(usize, bool)> {
    let quote = dialect.quote?;
    let mut at = from;
    let mut escaped = false;
    match dialect.escape {
        Some(escape) if escape != quote => loop {
            at += memchr2(quote, escape, &text[at..len])?;
            if text[at] == quote {
                return Some((at, escaped));
            }
            escaped = true;
            at += 2;
            if at > len {
                return None;
            }
        },
        Some(_) => loop {
            at += memchr(quote, &text[at..len])?;
            if at + 1 == len || text[at + 1] != quote {
                return Some((at, escaped));
            }
            escaped = true;
            at += 2;
        },
        None => Some((at + memchr(quote, &text[at..len])?, false)),
    }
}

/// The value of a field with escapes.
pub(crate) fn unescape(dialect: &Dialect, raw: &[u8], out: &mut Vec<u8>) {
    let quote = dialect.quote.unwrap_or(0);
    let Some(escape) = dialect.escape else {
        out.extend_from_slice(raw);
        return;
    };
    let mut rest = raw;
    while let Some(at) = memchr(escape, rest) {
        out.extend_from_slice(&rest[..at]);
        match rest.get(at + 1) {
            Some(&next) if next == quote || next == escape => out.push(next),
            // A lone escape is text.
            Some(&next) => out.extend_from_slice(&[escape, next]),
            None => out.push(escape),
        }
        rest = &rest[(at + 2).min(rest.len())..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::csv::dialect::Delimiter;
    use crate::io::csv::record_end::last_record_end;
    use proptest::prelude::*;

    fn dialect() -> Dialect {
        Dialect {
            delimiter: Delimiter::byte(b','),
            quote: Some(b'"'),
            escape: Some(b'"'),
            comment: None,
            newline: Newline::Lf,
            strict: true,
        }
    }

    fn any() -> Shape {
        Shape { fields: None, null_padding: false, max_record: 1000 }
    }

    type Row = Vec<String>;

    /// All records, and the errors with the starts of their records.
    fn scan(dialect: Dialect, shape: Shape, text: &[u8]) -> (Vec<Row>, Vec<(usize, RecordError)>) {
        let mut padded = text.to_vec();
        padded.resize(text.len() + PADDING, 0);
        let mut scanner = Scanner::new(dialect, shape);
        let (mut rows, mut errors) = (vec![], vec![]);
        loop {
            let mut records = Records::default();
            let at = scanner.position();
            if let Err(e) = scanner.records(&padded, text.len(), 3, &mut records) {
                errors.push(e);
            }
            let mut spans = &records.spans[..];
            for row in 0..records.len() {
                let width = shape.fields.unwrap_or_else(|| records.widths[row] as usize);
                let (here, rest) = spans.split_at(width);
                spans = rest;
                rows.push(
                    here.iter()
                        .map(|s| {
                            let raw = &text[s.start()..s.end()];
                            let mut value = vec![];
                            if s.is_escaped() {
                                unescape(&dialect, raw, &mut value);
                            } else {
                                value.extend_from_slice(raw);
                            }
                            String::from_utf8_lossy(&value).into_owned()
                        })
                        .collect(),
                );
            }
            if scanner.position() == at {
                return (rows, errors);
            }
        }
    }

    fn rows(text: &str) -> Vec<Row> {
        let (rows, errors) = scan(dialect(), any(), text.as_bytes());
        assert_eq!(errors, [], "{text:?}");
        rows
    }

    #[test]
    fn fields_and_records() {
        assert_eq!(rows("a,b\n1,2\n"), [["a", "b"], ["1", "2"]]);
        assert_eq!(rows("a,b\r\n1,2"), [["a", "b"], ["1", "2"]]);
        assert_eq!(rows("a,\n,\r\n\n\r\n,x\r"), [["a", ""], ["", ""], ["", "x"]]);
        assert_eq!(rows("\"a,\"\"b\"\"\nc\",d\n"), [["a,\"b\"\nc", "d"]]);
        assert_eq!(rows(" \"a,b\" ,c"), [["a,b", "c"]]);
        assert_eq!(rows("5\" pipe,b\n"), [["5\" pipe", "b"]]);
        assert_eq!(rows("\"a\"\r\n\"b\"\r"), [["a"], ["b"]]);
        assert_eq!(rows("\"\",\"\"\n"), [["", ""]]);
        assert_eq!(rows(""), Vec::<Row>::new());
        let long = "x".repeat(200);
        assert_eq!(rows(&format!("{long},\"{long}\"\n{long}")), [vec![&long[..], &long], vec![&long]]);
    }

    #[test]
    fn other_dialects() {
        let d = Dialect { escape: Some(b'\\'), comment: Some(b'#'), ..dialect() };
        let text = b"#x\"\n\"a\\\"b\\\\\",c#d\n\"#\"#\n";
        assert_eq!(scan(d, any(), text).0, [vec!["a\"b\\", "c"], vec!["#"]]);
        let d = Dialect { newline: Newline::Cr, quote: None, escape: None, ..dialect() };
        assert_eq!(scan(d, any(), b"a,b\r\"1,2").0, [["a", "b"], ["\"1", "2"]]);
        let d = Dialect { strict: false, ..dialect() };
        assert_eq!(scan(d, any(), b"\"a\"b,c\nd\n").0, [vec!["\"a\"b", "c"], vec!["d"]]);
    }

    #[test]
    fn delimiters_of_several_bytes() {
        let of = |delimiter: &str| Dialect {
            delimiter: Delimiter::new(delimiter.as_bytes()).unwrap(),
            ..dialect()
        };
        let text = b"a||b|c||\"d||e\"\n|x|||y\n||\n";
        assert_eq!(scan(of("||"), any(), text).0, [vec!["a", "b|c", "d||e"], vec!["|x", "|y"], vec!["", ""]]);
        let text = "1🦆\"2🦆\" 🦆é\r\n".as_bytes();
        assert_eq!(scan(of("🦆"), any(), text).0, [["1", "2🦆", "é"]]);
        let long = "x".repeat(63);
        let text = format!("{long}<=>{long}<=>{long}=>\n");
        assert_eq!(scan(of("<=>"), any(), text.as_bytes()).0, [[long.clone(), long.clone(), long + "=>"]]);
        let loose = Dialect { strict: false, ..of("||") };
        assert_eq!(scan(loose, any(), b"\"a\"b|||c\nd\n").0, [vec!["\"a\"b", "|c"], vec!["d"]]);
        assert!(Delimiter::new(b"").is_none() && Delimiter::new(b"12345").is_none());
    }

    #[test]
    fn shapes() {
        let shape = Shape { fields: Some(2), ..any() };
        let text = b"1,2\n3\n4,5,6\n7,8,,\n9,\"0\"x\n1,2\n\"3";
        let (rows, errors) = scan(dialect(), shape, text);
        assert_eq!(rows, [["1", "2"], ["7", "8"], ["1", "2"]]);
        assert_eq!(
            errors,
            [
                (4, RecordError::Fields(1)),
                (6, RecordError::Fields(3)),
                (18, RecordError::TextBehindQuote),
                (29, RecordError::Unterminated),
            ]
        );
        let (rows, _) = scan(dialect(), Shape { null_padding: true, ..shape }, b"1\n2,3\n");
        assert_eq!(rows, [["1", ""], ["2", "3"]]);
        let (rows, _) = scan(dialect(), Shape { fields: Some(1), ..shape }, b"1\n\n3\n");
        assert_eq!(rows, [["1"], [""], ["3"]]);
        let (_, errors) = scan(dialect(), Shape { max_record: 5, ..shape }, b"123,456\n1,2\n");
        assert_eq!(errors, [(0, RecordError::TooLong)]);
    }

    #[test]
    fn spans_hold_the_largest_positions() {
        let s = Span::new(MAX_TEXT - 5, MAX_TEXT);
        assert_eq!((s.start(), s.len(), s.is_quoted(), s.is_escaped()), (MAX_TEXT - 5, 5, false, false));
        let s = Span::new(0, MAX_TEXT);
        assert_eq!((s.start(), s.end()), (0, MAX_TEXT));
    }

    /// Texts made of the bytes that matter.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            3 => Just(b','), 3 => Just(b'\n'), 3 => Just(b'"'), 1 => Just(b'\r'), 2 => Just(b' '),
            1 => Just(b'#'), 1 => Just(b'\\'), 3 => Just(b'|'), 6 => Just(b'x'),
        ];
        prop::collection::vec(byte, 0..150)
    }

    fn dialects() -> impl Strategy<Value = Dialect> {
        (
            prop_oneof![Just(None), Just(Some(b'"'))],
            prop_oneof![Just(Some(b'"')), Just(Some(b'\\')), Just(None)],
            prop_oneof![3 => Just(None), 1 => Just(Some(b'#'))],
            proptest::bool::ANY,
            prop_oneof![2 => Just(","), 1 => Just("||"), 1 => Just(",|"), 1 => Just("|,|")],
        )
            .prop_map(|(quote, escape, comment, strict, delimiter)| Dialect {
                delimiter: Delimiter::new(delimiter.as_bytes()).unwrap(),
                quote,
                escape,
                comment,
                strict,
                ..dialect()
            })
    }

    proptest! {
        /// Reading a text in two pieces, cut where `last_record_end` says, is reading it whole.
        #[test]
        fn cutting_changes_nothing(text in texts(), dialect in dialects(), cut in 0_usize..150) {
            let prefix = &text[..cut.min(text.len())];
            if let Some(end) = last_record_end(&dialect, prefix) {
                let whole = scan(dialect, self::any(), &text);
                let (mut rows, mut errors) = scan(dialect, self::any(), &text[..end]);
                let (more, more_errors) = scan(dialect, self::any(), &text[end..]);
                rows.extend(more);
                errors.extend(more_errors.into_iter().map(|(at, e)| (at + end, e)));
                prop_assert_eq!(whole, (rows, errors));
            }
        }
    }
}
