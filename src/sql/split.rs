//! Where one statement ends and the next begins, found by looking at the text alone.
//!
//! The shell feeds text as it comes; every byte is looked at once, however the text is cut.
//! A `;` ends a statement unless it is in a string (`'…'`, `E'…'`, `$tag$…$tag$`), a quoted name, a regular expression
//! (`=~ /…/`) or a comment (`-- …`, nested `/* … */`).

/// Cuts a growing text into statements.
///
/// ```
/// use fluxdb::StatementSplitter;
///
/// let mut splitter = StatementSplitter::default();
/// splitter.push("SELECT 'a;b'; SEL");
/// assert_eq!(splitter.next_statement().as_deref(), Some("SELECT 'a;b';"));
/// assert_eq!(splitter.next_statement(), None);
/// splitter.push("ECT 2;");
/// assert_eq!(splitter.next_statement().as_deref(), Some(" SELECT 2;"));
/// assert_eq!(splitter.rest(), None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct StatementSplitter {
    text: String,
    /// Where the statement under way begins.
    start: usize,
    scanner: Scanner,
}

/// Scans bytes and tells where statements end.
#[derive(Debug, Clone, Default)]
struct Scanner {
    /// The first byte not looked at.
    position: usize,
    state: State,
    /// The statement under way has something in it besides blanks and comments.
    has_content: bool,
}

/// A piece of text up to a `;`.
struct Piece {
    /// Behind the `;`.
    end: usize,
    has_content: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum State {
    #[default]
    Normal,
    /// In `'…'`; with backslash escapes if it began with `E`.
    String {
        escapes: bool,
    },
    /// In `"…"` or `` `…` ``, until this byte.
    QuotedName(u8),
    LineComment,
    BlockComment {
        depth: usize,
    },
    /// Until this delimiter, `$tag$`.
    Dollar(String),
    /// In a regular expression, `/…/`.
    Regex,
}

impl Scanner {
    /// The next piece that ends with a `;`, or `None` if the text ends before. At the end of a
    /// text that may still grow, tokens of several bytes that could be cut are left for the next call.
    fn scan(&mut self, text: &str, complete: bool) -> Option<Piece> {
        let bytes = text.as_bytes();
        while let Some(&b) = bytes.get(self.position) {
            let next = bytes.get(self.position + 1).copied();
            match &mut self.state {
                State::Normal => match b {
                    b';' => {
                        self.position += 1;
                        let has_content = std::mem::take(&mut self.has_content);
                        return Some(Piece { end: self.position, has_content });
                    }
                    b'\'' => {
                        let escapes = self.position > 0
                            && matches!(bytes[self.position - 1], b'e' | b'E')
                            && !(self.position > 1 && is_name_byte(bytes[self.position - 2]));
                        self.state = State::String { escapes };
                        self.has_content = true;
                    }
                    b'"' | b'`' => {
                        self.state = State::QuotedName(b);
                        self.has_content = true;
                    }
                    b'-' | b'/' if next.is_none() && !complete => return None,
                    b'-' if next == Some(b'-') => {
                        self.state = State::LineComment;
                        self.position += 1;
                    }
                    b'/' if next == Some(b'*') => {
                        self.state = State::BlockComment { depth: 1 };
                        self.position += 1;
                    }
                    b'/' if is_behind_match(&bytes[..self.position]) => {
                        self.state = State::Regex;
                        self.has_content = true;
                    }
                    b'$' if self.position == 0 || !is_name_byte(bytes[self.position - 1]) => {
                        self.has_content = true;
                        let tag_end = bytes[self.position + 1..].iter().position(|&b| !is_name_byte(b));
                        match tag_end.map(|n| self.position + 1 + n) {
                            Some(end) if bytes[end] == b'$' => {
                                self.state = State::Dollar(text[self.position..=end].to_owned());
                                self.position = end;
                            }
                            None if !complete => return None,
                            _ => {}
                        }
                    }
                    b if b.is_ascii_whitespace() => {}
                    _ => self.has_content = true,
                },
                State::String { escapes } => match b {
                    b'\\' if *escapes => {
                        if next.is_none() && !complete {
                            return None;
                        }
                        self.position += 1;
                    }
                    // A doubled quote leaves the string and enters it again, with the same rules.
                    b'\'' if next == Some(b'\'') => self.position += 1,
                    b'\'' if next.is_none() && !complete => return None,
                    b'\'' => self.state = State::Normal,
                    _ => {}
                },
                State::Regex => match b {
                    b'\\' if next.is_none() && !complete => return None,
                    b'\\' if next != Some(b'\n') => self.position += 1,
                    b'/' | b'\n' => self.state = State::Normal,
                    _ => {}
                },
                State::QuotedName(quote) => {
                    if b == *quote {
                        self.state = State::Normal;
                    }
                }
                State::LineComment => {
                    if b == b'\n' {
                        self.state = State::Normal;
                    }
                }
                State::BlockComment { depth } => match (b, next) {
                    (b'*' | b'/', None) if !complete => return None,
                    (b'*', Some(b'/')) => {
                        self.position += 1;
                        *depth -= 1;
                        if *depth == 0 {
                            self.state = State::Normal;
                        }
                    }
                    (b'/', Some(b'*')) => {
                        self.position += 1;
                        *depth += 1;
                    }
                    _ => {}
                },
                State::Dollar(tag) => {
                    if b == b'$' {
                        let rest = &bytes[self.position..];
                        if rest.starts_with(tag.as_bytes()) {
                            self.position += tag.len() - 1;
                            self.state = State::Normal;
                        } else if !complete && rest.len() < tag.len() && tag.as_bytes().starts_with(rest) {
                            return None;
                        }
                    }
                }
            }
            self.position += 1;
        }
        None
    }
}

/// Whether a text ends with `=~` or `!~`, blanks aside.
fn is_behind_match(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    before.ends_with(b"=~") || before.ends_with(b"!~")
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

impl StatementSplitter {
    /// Adds text behind what is there.
    pub fn push(&mut self, text: &str) {
        // What was handed out is dropped when it outweighs what is left, so that each byte moves O(1) times.
        if self.start > self.text.len() / 2 {
            self.text.drain(..self.start);
            self.scanner.position -= self.start;
            self.start = 0;
        }
        self.text.push_str(text);
    }

    /// The next whole statement with its `;`, or `None` if more text is needed. Pieces that are blank or only
    /// comments are passed over.
    pub fn next_statement(&mut self) -> Option<String> {
        loop {
            let Piece { end, has_content } = self.scanner.scan(&self.text, false)?;
            let start = std::mem::replace(&mut self.start, end);
            if has_content {
                return Some(self.text[start..end].to_owned());
            }
        }
    }

    /// What is left at the end of input: the last statement if it lacks its `;`, or what there is of it.
    pub fn rest(&self) -> Option<String> {
        self.is_pending().then(|| self.text[self.start..].to_owned())
    }

    /// Whether a statement was begun and not ended; blanks and comments don't count.
    pub fn is_pending(&self) -> bool {
        self.scanner.has_content
    }

    /// Whether the text ends inside a string, a quoted name or a comment.
    pub fn is_inside_token(&self) -> bool {
        self.scanner.state != State::Normal
    }

    /// The text of the statement under way.
    pub fn pending(&self) -> &str {
        &self.text[self.start..]
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The statements of a text, in order, each with its `;`; the last may lack it. Pieces that are blank or
/// only comments are left out.
pub fn split_statements(text: &str) -> Vec<&str> {
    let mut out = vec![];
    let mut scanner = Scanner::default();
    let mut start = 0;
    loop {
        let piece = scanner.scan(text, true);
        let last = piece.is_none();
        let Piece { end, has_content } =
            piece.unwrap_or(Piece { end: text.len(), has_content: scanner.has_content });
        if has_content {
            out.push(&text[start..end]);
        }
        if last {
            return out;
        }
        start = end;
    }
}

/// Whether a statement is nothing but blanks, comments and its `;`.
pub fn is_blank(statement: &str) -> bool {
    let body = statement.strip_suffix(';').unwrap_or(statement);
    let mut scanner = Scanner::default();
    scanner.scan(body, true).is_none() && !scanner.has_content
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn semicolons_inside_tokens_do_not_end_a_statement() {
        let text = "SELECT 'a;''b', \"c;\", `d;\"'`, E'\\';', $$;$$, $t$ ; $x$ $t$ -- ;\n /* ; /* ; */ ; */ ; SELECT 2";
        let got = split_statements(text);
        assert_eq!(got.len(), 2, "{got:?}");
        assert_eq!(got[1], " SELECT 2");
    }

    #[test]
    fn a_regular_expression_is_one_token() {
        let text = "SELECT a =~ /x;'\\/\"/; SELECT a !~ 'b' / 2; SELECT 1 / 2;";
        assert_eq!(split_statements(text).len(), 3);
    }

    #[test]
    fn blank_pieces_are_left_out() {
        assert_eq!(split_statements(" ;; -- x\n ; SELECT 1; /* y */ "), [" SELECT 1;"]);
        assert!(split_statements("").is_empty());
        let mut splitter = StatementSplitter::default();
        splitter.push("SELECT 1; -- one\n;; SELECT 2;");
        let statements: Vec<_> = std::iter::from_fn(|| splitter.next_statement()).collect();
        assert_eq!(statements, ["SELECT 1;", " SELECT 2;"]);
        assert!(is_blank("-- nothing\n;"));
        assert!(!is_blank("SELECT 1;"));
    }

    #[test]
    fn unfinished_tokens_are_pending() {
        let mut s = StatementSplitter::default();
        s.push("SELECT 'abc;\n");
        assert_eq!(s.next_statement(), None);
        assert!(s.is_pending() && s.is_inside_token());
        assert_eq!(s.rest().as_deref(), Some("SELECT 'abc;\n"));
    }

    proptest! {
        /// However the text is cut, the statements are the same.
        #[test]
        fn cuts_do_not_matter(text in "[';\"$a/*\\-\n eE\\\\=~]{0,40}", cuts in prop::collection::vec(0usize..40, 0..6)) {
            let mut whole = StatementSplitter::default();
            whole.push(&text);
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|&c| c <= text.len()).collect();
            cuts.sort_unstable();
            let drain = |s: &mut StatementSplitter| {
                let mut out = vec![];
                while let Some(x) = s.next_statement() { out.push(x); }
                out
            };
            let want = (drain(&mut whole), whole.rest());
            let mut pieces = StatementSplitter::default();
            let mut got = vec![];
            let mut from = 0;
            for c in cuts {
                pieces.push(&text[from..c]);
                from = c;
                got.extend(drain(&mut pieces));
            }
            pieces.push(&text[from..]);
            got.extend(drain(&mut pieces));
            prop_assert_eq!((got, pieces.rest()), want);
        }
    }
}
