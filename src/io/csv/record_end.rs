//! Where the last whole record of a text ends, by the rules of the [scanner](super::scan).

use memchr::{memchr, memchr2, memrchr};

use crate::io::csv::dialect::{Dialect, Newline};
use crate::io::csv::scan::{closing_quote, opening_quote, plain_end};

/// The end of the last whole record: behind the last line break that ends a record. `None` if there is
/// no such line break. A record must begin at the start of the text.
pub(crate) fn last_record_end(dialect: &Dialect, text: &[u8]) -> Option<usize> {
    let newline = dialect.newline.byte();
    let Some(quote) = dialect.quote else { return memrchr(newline, text).map(|n| n + 1) };
    let Some(delimiter) = dialect.delimiter.single() else { return last_record_end_by_fields(dialect, text) };
    let mut at = 0;
    let mut found = None;
    loop {
        // Behind `at` a field or a part of one begins that is not quoted.
        let Some(next) = memchr(quote, &text[at..]).map(|n| at + n) else {
            return memrchr(newline, &text[at..]).map(|n| at + n + 1).or(found);
        };
        if let Some(comment) = dialect.comment {
            // A quote in a comment means nothing.
            let line = memrchr(newline, &text[at..next]).map_or(at, |n| at + n + 1);
            if memchr(comment, &text[line..next]).is_some() {
                if let Some(n) = memrchr(newline, &text[at..next]) {
                    found = Some(at + n + 1);
                }
                match memchr(newline, &text[next..]) {
                    Some(n) => at = next + n + 1,
                    None => return found,
                }
                found = Some(at);
                continue;
            }
        }
        if let Some(n) = memrchr(newline, &text[at..next]) {
            found = Some(at + n + 1);
        }
        if !begins_field(dialect, text, next) {
            at = next + 1;
            continue;
        }
        let Some((close, _)) = closing_quote(dialect, text, next + 1, text.len()) else { return found };
        at = close + 1;
        let mut after = at;
        while after < text.len() && text[after] == b' ' && dialect.delimiter.allows_spaces() {
            after += 1;
        }
        // What follows the last byte is not known: the end of the record may be a doubled quote away.
        let Some(&c) = text.get(after) else { return found };
        let fine = c == delimiter
            || c == newline
            || (c == b'\r' && text.get(after + 1).is_none_or(|n| *n == newline))
            || dialect.comment == Some(c);
        if !fine {
            let resume = if dialect.strict {
                memchr(newline, &text[after..])
            } else {
                memchr2(newline, delimiter, &text[after..])
            };
            match resume {
                Some(n) => at = after + n,
                None => return found,
            }
        } else if dialect.comment == Some(c) {
            match memchr(newline, &text[after..]) {
                Some(n) => at = after + n,
                None => return found,
            }
        }
    }
}

/// The same for delimiters of more than one byte: whether one ends before a quote is known only from the beginning of
/// its field, as with `|||` between fields that `||` parts, so each field is gone through.
fn last_record_end_by_fields(dialect: &Dialect, text: &[u8]) -> Option<usize> {
    let newline = dialect.newline.byte();
    let len = text.len();
    let line_end = |from: usize| memchr(newline, &text[from..]).map(|n| from + n + 1);
    let mut found = None;
    let mut at = 0;
    while at < len {
        let begins_record = found.unwrap_or(0) == at;
        let next = if begins_record && dialect.comment == Some(text[at]) {
            match line_end(at) {
                Some(next) => next,
                None => return found,
            }
        } else if let Some(open) = opening_quote(dialect, text, at, len) {
            let Some((close, _)) = closing_quote(dialect, text, open + 1, len) else { return found };
            let mut after = close + 1;
            while after < len && text[after] == b' ' && dialect.delimiter.allows_spaces() {
                after += 1;
            }
            // What follows the last byte is not known.
            if after == len || dialect.delimiter.as_bytes().starts_with(&text[after..]) {
                return found;
            }
            let is_comment = dialect.comment == Some(text[after]);
            let is_end = text[after] == newline
                || (dialect.newline == Newline::Lf && text[after..].starts_with(b"\r\n"));
            if dialect.delimiter.begins_at(text, after) {
                after + dialect.delimiter.len()
            } else if is_comment || is_end || dialect.strict {
                match line_end(after) {
                    Some(next) => next,
                    None => return found,
                }
            } else {
                plain_end(dialect, text, after, len).1
            }
        } else {
            let (end, next) = plain_end(dialect, text, at, len);
            match dialect.comment {
                Some(comment) if memchr(comment, &text[at..end]).is_some() => match line_end(at) {
                    Some(next) => next,
                    None => return found,
                },
                _ => next,
            }
        };
        at = next;
        if text[at - 1] == newline {
            found = Some(at);
        }
    }
    found
}

/// Whether the quote at `at` is the first byte of a field, spaces aside, where delimiters are single bytes.
fn begins_field(dialect: &Dialect, text: &[u8], at: usize) -> bool {
    let mut i = at;
    while i > 0 && text[i - 1] == b' ' && dialect.delimiter.allows_spaces() {
        i -= 1;
    }
    i == 0 || dialect.delimiter.contains(text[i - 1]) || text[i - 1] == dialect.newline.byte()
}
