//! Colours for SQL as it is typed.

use std::borrow::Cow;

use rustyline::highlight::{CmdKind, Highlighter};

const KEYWORD: &str = "\x1b[1;34m";
const STRING: &str = "\x1b[32m";
const NUMBER: &str = "\x1b[36m";
const COMMENT: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// Keywords, strings, numbers and comments, each in its colour.
pub struct SqlHighlighter;

impl Highlighter for SqlHighlighter {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Cow::Owned(paint(line))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(format!("\x1b[1;35m{prompt}{RESET}"))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("{COMMENT}{hint}{RESET}"))
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}

/// The text with colours; without them it is unchanged.
fn paint(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (len, colour) = match c {
            '\'' | '"' => (quoted(rest, c), STRING),
            '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), COMMENT),
            '/' if rest.starts_with("/*") => (rest.find("*/").map_or(rest.len(), |i| i + 2), COMMENT),
            '0'..='9' => (run(rest, |c| c.is_ascii_alphanumeric() || c == '.'), NUMBER),
            c if c.is_alphabetic() || c == '_' => {
                let len = run(rest, |c| c.is_alphanumeric() || c == '_');
                (len, if fluxdb::is_keyword(&rest[..len]) { KEYWORD } else { "" })
            }
            c => (c.len_utf8(), ""),
        };
        let (token, behind) = rest.split_at(len);
        if colour.is_empty() {
            out.push_str(token);
        } else {
            out.push_str(colour);
            out.push_str(token);
            out.push_str(RESET);
        }
        rest = behind;
    }
    out
}

/// The length of the token at the start, of characters that belong to it.
fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The length of the quoted text at the start; to the end if it is not closed.
fn quoted(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |i| i + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(painted: &str) -> String {
        [KEYWORD, STRING, NUMBER, COMMENT, RESET].iter().fold(painted.to_owned(), |s, c| s.replace(c, ""))
    }

    #[test]
    fn only_colours_are_added() {
        for text in ["SELECT 'it''s', 1.5 -- why\nFROM \"größe\" /* x", "'open", "/*", "日本", "5m", ""] {
            assert_eq!(plain(&paint(text)), text);
        }
    }

    #[test]
    fn keywords_and_strings_differ() {
        let painted = paint("select 'select'");
        assert!(painted.starts_with(&format!("{KEYWORD}select{RESET}")));
        assert!(painted.ends_with(&format!("{STRING}'select'{RESET}")));
    }
}
