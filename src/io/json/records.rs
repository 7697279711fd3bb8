//! From a file to its records: how they are laid out, chunks of whole records, and the records of a chunk.

use std::io::Read;

use memchr::{memchr, memchr2, memrchr};

use crate::exec::error::{ExecError, Result};
use crate::io::files::{Input, io_error};
use crate::io::json::lex::{Malformed, Tape, skip_blanks};

/// How records lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One a line.
    Lines,
    /// One after the other, any blanks between.
    Stream,
    /// The elements of one array.
    Array,
}

impl Layout {
    /// The layout that the head of a file shows. `complete` if it is the whole file.
    pub fn detect(head: &[u8], complete: bool) -> Self {
        let start = skip_blanks(head, 0);
        let Some(first) = head.get(start) else { return Self::Lines };
        let is_array = *first == b'[';
        let line_end = memchr(b'\n', &head[start..]).map(|n| start + n);
        match Tape::default().read(head, start) {
            Ok(end) => {
                let next = skip_blanks(head, end);
                if is_array && complete && next == head.len() {
                    return Self::Array;
                }
                // One value on the first line, and nothing else there.
                let alone = line_end.is_none_or(|n| end <= n && (n <= next || next == head.len()));
                let only = line_end.is_none() && next < head.len();
                if alone && !only { Self::Lines } else { Self::Stream }
            }
            Err(_) if is_array => Self::Array,
            Err(error) if error.ended && !complete && line_end.is_none() => Self::Lines,
            Err(error) => {
                // A value that goes on behind its first line.
                if line_end.is_some_and(|n| n < error.at) { Self::Stream } else { Self::Lines }
            }
        }
    }
}

/// Whole records of a file.
pub(super) struct Chunk {
    pub bytes: Vec<u8>,
    /// The number of the line, from 1, on which they begin.
    pub first_line: u64,
    /// Whether it begins, and ends, the file.
    pub first: bool,
    pub last: bool,
}

/// Cuts a stream into chunks.
pub(super) struct Chunks {
    path: String,
    input: Input,
    layout: Layout,
    target: usize,
    max_record: usize,
    /// The beginning of a record that the last chunk could not hold.
    carry: Vec<u8>,
    next_line: u64,
    first: bool,
    ended: bool,
}

impl Chunks {
    /// Chunks of about `target` bytes; a record may have up to `max_record`.
    pub fn new(path: &str, input: Input, layout: Layout, target: usize, max_record: usize) -> Self {
        Self {
            path: path.to_string(),
            input,
            layout,
            target,
            max_record,
            carry: vec![],
            next_line: 1,
            first: true,
            ended: false,
        }
    }

    /// The share of the file already read, 0 to 1.
    pub fn progress(&self) -> f64 {
        self.input.progress().unwrap_or(0.0)
    }

    /// The next chunk.
    pub fn next(&mut self) -> Result<Option<Chunk>> {
        if self.ended {
            return Ok(None);
        }
        let mut bytes = std::mem::take(&mut self.carry);
        let mut want = self.target.max(bytes.len() + self.target / 2);
        let mut cutter = Cutter::new(self.layout, self.first);
        let mut seen = 0;
        let mut cut = None;
        loop {
            self.fill(&mut bytes, want)?;
            if self.ended {
                cut = Some(bytes.len());
                break;
            }
            if let Some(end) = cutter.feed(&bytes[seen..]) {
                cut = Some(seen + end);
            }
            seen = bytes.len();
            if cut.is_some() {
                break;
            }
            if bytes.len() > self.max_record {
                self.ended = true;
                return Err(ExecError::InvalidInput(format!(
                    "\"{}\", line {}: a record is longer than maximum_object_size, which is {} bytes; raise it if \
                     the file is well-formed",
                    self.path, self.next_line, self.max_record
                )));
            }
            want = bytes.len() * 2;
        }
        let cut = cut.unwrap_or(bytes.len());
        self.carry.extend_from_slice(&bytes[cut..]);
        bytes.truncate(cut);
        if bytes.is_empty() && !self.first && self.layout != Layout::Array {
            return Ok(None);
        }
        let first_line = self.next_line;
        self.next_line += count_lines(&bytes);
        let first = std::mem::take(&mut self.first);
        Ok(Some(Chunk { bytes, first_line, first, last: self.ended }))
    }

    /// Reads until there are `want` bytes or the file ends.
    fn fill(&mut self, bytes: &mut Vec<u8>, want: usize) -> Result<()> {
        let mut len = bytes.len();
        bytes.resize(want.max(len), 0);
        while len < want {
            match self.input.read(&mut bytes[len..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(n) => len += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.ended = true;
                    return Err(io_error("read", &self.path, &e));
                }
            }
        }
        bytes.truncate(len);
        if self.first && bytes.starts_with(b"\xef\xbb\xbf") {
            // A byte order mark is a blank to us, and no position moves.
            bytes[..3].fill(b' ');
        }
        Ok(())
    }
}

/// The number of line breaks in a text.
pub(super) fn count_lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// Finds places between records, in text that comes piece by piece.
struct Cutter {
    layout: Layout,
    depth: usize,
    quoted: bool,
    /// The next byte is escaped.
    escaped: bool,
}

impl Cutter {
    /// A cutter at the beginning of a chunk, where a record begins, or the array of records.
    fn new(layout: Layout, first: bool) -> Self {
        let depth = usize::from(layout == Layout::Array && !first);
        Self { layout, depth, quoted: false, escaped: false }
    }

    /// The last place in this piece where a chunk may end.
    fn feed(&mut self, piece: &[u8]) -> Option<usize> {
        let array = match self.layout {
            Layout::Lines => return memrchr(b'\n', piece).map(|n| n + 1),
            Layout::Stream => false,
            Layout::Array => true,
        };
        let mut last = None;
        let mut at = usize::from(std::mem::take(&mut self.escaped));
        while at < piece.len() {
            if self.quoted {
                match memchr2(b'"', b'\\', &piece[at..]) {
                    None => break,
                    Some(n) if piece[at + n] == b'"' => {
                        self.quoted = false;
                        at += n + 1;
                    }
                    Some(n) => {
                        at += n + 2;
                        self.escaped = at > piece.len();
                    }
                }
                continue;
            }
            match piece[at] {
                b'"' => self.quoted = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if !array && self.depth == 0 {
                        last = Some(at + 1);
                    }
                }
                b',' if array && self.depth == 1 => last = Some(at + 1),
                b' ' | b'\n' | b'\t' | b'\r' if !array && self.depth == 0 => last = Some(at + 1),
                _ => {}
            }
            at += 1;
        }
        last
    }
}

/// The records of one chunk.
pub(super) struct Records {
    layout: Layout,
    at: usize,
    /// The array of records is open.
    open: bool,
    /// It is closed.
    closed: bool,
    last: bool,
}

impl Records {
    /// The records of a chunk that begins, or ends, its file.
    pub fn new(layout: Layout, first: bool, last: bool) -> Self {
        Self { layout, at: 0, open: !first, closed: false, last }
    }

    /// Where the next record is looked for.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Reads the next record onto the tape and returns where it begins; `None` at the end. After a
    /// malformed one it goes on with the next line, where there is one a line; else it is the end.
    pub fn next(&mut self, text: &[u8], tape: &mut Tape) -> Option<Result<usize, (usize, Malformed)>> {
        match self.layout {
            Layout::Lines => self.line(text, tape),
            Layout::Stream => {
                let start = skip_blanks(text, self.at);
                if start >= text.len() {
                    self.at = text.len();
                    return None;
                }
                Some(self.value(text, start, tape))
            }
            Layout::Array => self.element(text, tape),
        }
    }

    fn line(&mut self, text: &[u8], tape: &mut Tape) -> Option<Result<usize, (usize, Malformed)>> {
        while self.at < text.len() {
            let end = memchr(b'\n', &text[self.at..]).map_or(text.len(), |n| self.at + n);
            let line = &text[..end];
            let start = skip_blanks(line, self.at);
            self.at = end + 1;
            if start == end {
                continue;
            }
            let read = tape.read(line, start).and_then(|behind| {
                let rest = skip_blanks(line, behind);
                if rest == end {
                    return Ok(start);
                }
                Err(Malformed { at: rest, what: "unexpected content after document", ended: false })
            });
            return Some(read.map_err(|e| (start, e)));
        }
        None
    }

    fn value(&mut self, text: &[u8], start: usize, tape: &mut Tape) -> Result<usize, (usize, Malformed)> {
        match tape.read(text, start) {
            Ok(end) => {
                self.at = end;
                Ok(start)
            }
            Err(e) => {
                self.at = text.len();
                self.closed = true;
                Err((start, e))
            }
        }
    }

    fn element(&mut self, text: &[u8], tape: &mut Tape) -> Option<Result<usize, (usize, Malformed)>> {
        let fail = |records: &mut Self, at: usize, what: &'static str| {
            records.at = text.len();
            records.closed = true;
            Some(Err((at.min(text.len()), Malformed { at, what, ended: at >= text.len() })))
        };
        if self.closed {
            self.at = text.len();
            return None;
        }
        let mut at = skip_blanks(text, self.at);
        // Behind the opening bracket the array may end; behind a comma it may not.
        let mut may_close = false;
        if !self.open {
            match text.get(at) {
                None => {
                    self.at = text.len();
                    return None;
                }
                Some(b'[') => at = skip_blanks(text, at + 1),
                Some(_) => return fail(self, at, "expected an array of records"),
            }
            self.open = true;
            may_close = true;
        } else if self.at > 0 {
            match text.get(at) {
                Some(b',') => at = skip_blanks(text, at + 1),
                Some(b']') => may_close = true,
                Some(_) => return fail(self, at, "unexpected character"),
                None => return fail(self, at, "unexpected end of data"),
            }
        }
        match text.get(at) {
            Some(b']') if may_close => {
                self.closed = true;
                let rest = skip_blanks(text, at + 1);
                if rest < text.len() || !self.last {
                    return fail(self, rest, "unexpected content after the array");
                }
                self.at = text.len();
                None
            }
            None if !self.last => {
                self.at = text.len();
                None
            }
            None => fail(self, at, "unexpected end of data"),
            Some(_) => Some(self.value(text, at, tape)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn detect(text: &str) -> Layout {
        Layout::detect(text.as_bytes(), true)
    }

    #[test]
    fn layouts() {
        for lines in
            ["", "{\"a\":1}", "{\"a\":1}\n{\"a\":2}", "\n\n1\n2\n", "[1]\n[2]\n", "{\"a\":}\n{\"a\":1}\n"]
        {
            assert_eq!(detect(lines), Layout::Lines, "{lines}");
        }
        for stream in [
            "{\"a\":1} {\"a\":2}\n",
            "{\"a\":\n1}\n{\"a\":2}",
            "{\"a\":1}{\"a\":2}",
            "{\n\"a\":1\n}\n",
            "[1] [2]",
        ] {
            assert_eq!(detect(stream), Layout::Stream, "{stream}");
        }
        for array in ["[]", "[1,2]", "[\n{\"a\":1},\n{\"a\":2}\n]\n", "[{\"a\":1},"] {
            assert_eq!(detect(array), Layout::Array, "{array}");
        }
        assert_eq!(Layout::detect(b"{\"a\": [1, 2", false), Layout::Lines);
        assert_eq!(Layout::detect(b"{\"a\":\n [1, 2", false), Layout::Stream);
        assert_eq!(Layout::detect(b"[{\"a\":\n [1, 2", false), Layout::Array);
    }

    /// The texts of all records, and the errors, of a file that is cut into chunks of about `target` bytes.
    fn all(text: &str, layout: Layout, target: usize) -> Vec<Result<String, &'static str>> {
        let mut chunks = Chunks::new("x", Input::of_bytes(text.into()), layout, target, 1 << 20);
        let mut out = vec![];
        let mut tape = Tape::default();
        while let Some(chunk) = chunks.next().unwrap() {
            let mut records = Records::new(layout, chunk.first, chunk.last);
            while let Some(read) = records.next(&chunk.bytes, &mut tape) {
                out.push(match read {
                    Ok(_) => Ok(String::from_utf8(tape.root(&chunk.bytes).raw().to_vec()).unwrap()),
                    Err((_, e)) => Err(e.what),
                });
                if layout != Layout::Lines && out.last().unwrap().is_err() {
                    return out;
                }
            }
        }
        out
    }

    #[test]
    fn records() {
        let ok = |texts: &[&str]| texts.iter().map(|t| Ok((*t).to_string())).collect::<Vec<_>>();
        assert_eq!(all("{\"a\":1}\n\n 2 \r\n[3]", Layout::Lines, 4), ok(&["{\"a\":1}", "2", "[3]"]));
        assert_eq!(
            all("{\"a\":1}{\"b\":\n\"}\"} 3 4", Layout::Stream, 4),
            ok(&["{\"a\":1}", "{\"b\":\n\"}\"}", "3", "4"])
        );
        assert_eq!(
            all(" [ 1 , {\"a\":[1,2]} ,\"],\"] \n", Layout::Array, 4),
            ok(&["1", "{\"a\":[1,2]}", "\"],\""])
        );
        assert_eq!(all("[]", Layout::Array, 4), ok(&[]));
        assert_eq!(all("", Layout::Array, 4), ok(&[]));
        for (text, error) in [
            ("[1,]", "unexpected character"),
            ("[1 2]", "unexpected character"),
            ("[1,2", "unexpected end of data"),
            ("[1,", "unexpected end of data"),
            ("[", "unexpected end of data"),
            ("[1] 2", "unexpected content after the array"),
            ("{}", "expected an array of records"),
        ] {
            for target in [1, 2, 100] {
                assert_eq!(all(text, Layout::Array, target).last(), Some(&Err(error)), "{text} {target}");
            }
        }
        assert_eq!(
            all("1\n2 3\n{\n4", Layout::Lines, 100)[1..3],
            [Err("unexpected content after document"), Err("unexpected end of data")]
        );
    }

    proptest! {
        /// How a file is cut into chunks changes nothing.
        #[test]
        fn cutting_changes_nothing(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "1", "{\"a\":[1,{}]}", "\"x,]}\"", "\"\\\"\"", "[]", "null", "{\"k\":\"\\\\\"}",
            ]), 0..20),
            target in 1_usize..40,
            blank in proptest::sample::select(vec!["", " ", "\n", "\r\n  "]),
        ) {
            let lines = parts.join("\n");
            prop_assert_eq!(all(&lines, Layout::Lines, target), all(&lines, Layout::Lines, 1 << 20));
            let stream = parts.join(&format!(" {blank}"));
            prop_assert_eq!(all(&stream, Layout::Stream, target), all(&stream, Layout::Stream, 1 << 20));
            let array = format!("[{blank}{}{blank}]", parts.join(&format!("{blank},{blank}")));
            let whole = all(&array, Layout::Array, 1 << 20);
            prop_assert_eq!(whole.len(), parts.len());
            prop_assert_eq!(all(&array, Layout::Array, target), whole);
        }
    }
}
