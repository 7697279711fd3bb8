//! A file cut into chunks of whole records, each of which can be parsed on its own.

use std::io::Read;

use memchr::memchr_iter;

use crate::exec::error::{ExecError, Result};
use crate::io::csv::dialect::{Dialect, Newline};
use crate::io::csv::options::Encoding;
use crate::io::csv::record_end::last_record_end;
use crate::io::csv::scan::{MAX_TEXT, PADDING};
use crate::io::files::{Input, io_error};

/// Whole records of a file.
pub(crate) struct Chunk {
    /// The text, and [`PADDING`] bytes behind it.
    pub bytes: Vec<u8>,
    /// The length of the text.
    pub len: usize,
    /// The number of the line, from 1, on which the text begins.
    pub first_line: u64,
    /// Where in the file it begins; in the text of the file, if that is compressed or not UTF-8.
    pub first_byte: u64,
}

/// Cuts a stream into chunks.
pub(crate) struct Chunks {
    path: String,
    input: Decoded,
    dialect: Dialect,
    target: usize,
    max_record: usize,
    /// The beginning of a record that the last chunk could not hold.
    carry: Vec<u8>,
    next_line: u64,
    next_byte: u64,
    ended: bool,
}

impl Chunks {
    /// Chunks of about `target` bytes.
    pub fn new(
        path: &str,
        input: Input,
        encoding: Encoding,
        dialect: Dialect,
        target: usize,
        max_record: usize,
    ) -> Self {
        let input = Decoded::new(input, encoding);
        Self {
            path: path.to_string(),
            input,
            dialect,
            target,
            max_record,
            carry: vec![],
            next_line: 1,
            next_byte: 0,
            ended: false,
        }
    }

    /// The share of the file already read, 0 to 1.
    pub fn progress(&self) -> f64 {
        self.input.input.progress().unwrap_or(0.0)
    }

    /// The next chunk.
    pub fn next(&mut self) -> Result<Option<Chunk>> {
        if self.ended {
            return Ok(None);
        }
        let mut bytes = std::mem::take(&mut self.carry);
        let mut len = bytes.len();
        let mut want = self.target.max(len + self.target / 2).min(MAX_TEXT);
        loop {
            bytes.resize(want + PADDING, 0);
            while len < want {
                match self.input.read(&mut bytes[len..want]) {
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
            if self.ended {
                break;
            }
            if let Some(end) = last_record_end(&self.dialect, &bytes[..len]) {
                self.carry.extend_from_slice(&bytes[end..len]);
                len = end;
                break;
            }
            if len > self.max_record {
                self.ended = true;
                return Err(too_long(&self.path, self.next_line, self.max_record));
            }
            want = (want * 2).clamp(want + 64, (self.max_record + 1).max(want + 64));
        }
        if len == 0 {
            return Ok(None);
        }
        bytes.truncate(len);
        bytes.resize(len + PADDING, 0);
        let first_line = self.next_line;
        self.next_line += count_lines(&bytes[..len], self.dialect.newline);
        let first_byte = self.next_byte + self.input.mark as u64;
        self.next_byte += len as u64;
        Ok(Some(Chunk { bytes, len, first_line, first_byte }))
    }

    /// Skips whole lines, whatever is in them.
    pub fn skip_lines(&mut self, lines: usize) -> Result<()> {
        let newline = self.dialect.newline.byte();
        let mut left = lines;
        let mut buffer = vec![0; 64 << 10];
        while left > 0 {
            let n = match self.input.read(&mut buffer) {
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(io_error("read", &self.path, &e)),
            };
            if n == 0 {
                break;
            }
            let mut skipped = n;
            for at in memchr_iter(newline, &buffer[..n]) {
                left -= 1;
                self.next_line += 1;
                if left == 0 {
                    skipped = at + 1;
                    break;
                }
            }
            self.next_byte += skipped as u64;
            self.carry.extend_from_slice(&buffer[skipped..n]);
        }
        Ok(())
    }
}

/// The number of line breaks in a text.
pub(crate) fn count_lines(text: &[u8], newline: Newline) -> u64 {
    memchr_iter(newline.byte(), text).count() as u64
}

/// The error for a record that is longer than allowed.
pub(crate) fn too_long(path: &str, line: u64, max_record: usize) -> ExecError {
    ExecError::InvalidInput(format!(
        "\"{path}\", line {line}: a record is longer than {max_record} bytes; a quote may not be closed \
         (quote='' reads quotes as text), or raise max_line_size"
    ))
}

/// A stream as UTF-8, without byte order mark.
struct Decoded {
    input: Input,
    encoding: Encoding,
    /// Decoded bytes that did not fit, and where they begin.
    pending: Vec<u8>,
    taken: usize,
    /// An odd byte or half a surrogate pair of UTF-16.
    rest: Vec<u8>,
    big_endian: bool,
    started: bool,
    /// The bytes of the byte order mark of UTF-8.
    mark: usize,
}

impl Decoded {
    fn new(input: Input, encoding: Encoding) -> Self {
        Self {
            input,
            encoding,
            pending: vec![],
            taken: 0,
            rest: vec![],
            big_endian: false,
            started: false,
            mark: 0,
        }
    }

    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if !self.started {
            self.started = true;
            self.start()?;
        }
        loop {
            if self.taken < self.pending.len() {
                let n = out.len().min(self.pending.len() - self.taken);
                out[..n].copy_from_slice(&self.pending[self.taken..self.taken + n]);
                self.taken += n;
                return Ok(n);
            }
            if self.encoding == Encoding::Utf8 {
                return self.input.read(out);
            }
            let mut raw = vec![0; 64 << 10];
            let n = self.input.read(&mut raw)?;
            if n == 0 && self.rest.is_empty() {
                return Ok(0);
            }
            self.rest.extend_from_slice(&raw[..n]);
            self.pending.clear();
            self.taken = 0;
            let used = transcode(&self.rest, self.encoding, self.big_endian, n == 0, &mut self.pending);
            self.rest.drain(..used);
        }
    }

    /// Takes the byte order mark.
    fn start(&mut self) -> std::io::Result<()> {
        let mut head = vec![];
        self.input.by_ref().take(3).read_to_end(&mut head)?;
        let (skip, encoding, big_endian) = byte_order_mark(&head, self.encoding);
        self.encoding = encoding;
        self.big_endian = big_endian;
        let head = head.split_off(skip);
        if encoding == Encoding::Utf8 {
            self.mark = skip;
            self.pending = head;
        } else {
            self.rest = head;
        }
        Ok(())
    }
}

/// The length of the byte order mark at the head, and the encoding it says.
fn byte_order_mark(head: &[u8], encoding: Encoding) -> (usize, Encoding, bool) {
    match head {
        [0xef, 0xbb, 0xbf, ..] if encoding == Encoding::Utf8 => (3, encoding, false),
        [0xff, 0xfe, ..] if encoding != Encoding::Latin1 => (2, Encoding::Utf16, false),
        [0xfe, 0xff, ..] if encoding != Encoding::Latin1 => (2, Encoding::Utf16, true),
        _ => (0, encoding, false),
    }
}

/// The head of a file as UTF-8, without byte order mark. `complete` if it is the whole file.
pub(crate) fn decode_head(head: Vec<u8>, encoding: Encoding, complete: bool) -> Vec<u8> {
    let (skip, encoding, big_endian) = byte_order_mark(&head, encoding);
    if encoding == Encoding::Utf8 {
        return if skip == 0 { head } else { head[skip..].to_vec() };
    }
    let mut out = Vec::with_capacity(head.len());
    transcode(&head[skip..], encoding, big_endian, complete, &mut out);
    out
}

/// Appends the text of `raw` as UTF-8; returns how many bytes it used. What is no character becomes U+FFFD.
fn transcode(raw: &[u8], encoding: Encoding, big_endian: bool, last: bool, out: &mut Vec<u8>) -> usize {
    let mut push = |c: char| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    match encoding {
        Encoding::Utf8 => unreachable!("UTF-8 is not transcoded"),
        Encoding::Latin1 => {
            raw.iter().for_each(|b| push(char::from(*b)));
            raw.len()
        }
        Encoding::Utf16 => {
            let unit = |at: usize| {
                let pair = [raw[at], raw[at + 1]];
                if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
            };
            let mut at = 0;
            while at + 2 <= raw.len() {
                let first = unit(at);
                if (0xd800..0xdc00).contains(&first) {
                    if at + 4 > raw.len() && !last {
                        return at;
                    }
                    if at + 4 <= raw.len() && (0xdc00..0xe000).contains(&unit(at + 2)) {
                        let high = u32::from(first) - 0xd800;
                        let low = u32::from(unit(at + 2)) - 0xdc00;
                        push(char::from_u32(0x1_0000 + (high << 10) + low).unwrap_or('\u{fffd}'));
                        at += 4;
                        continue;
                    }
                }
                push(char::from_u32(u32::from(first)).unwrap_or('\u{fffd}'));
                at += 2;
            }
            if last && at < raw.len() {
                push('\u{fffd}');
                at = raw.len();
            }
            at
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_with_a_pair() {
        let text = "aü€😀";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut out = vec![];
        for cut in 0..little.len() {
            out.clear();
            let used = transcode(&little[..cut], Encoding::Utf16, false, false, &mut out);
            transcode(&little[used..], Encoding::Utf16, false, true, &mut out);
            assert_eq!(out, text.as_bytes(), "{cut}");
        }
        let mut big = vec![0xfe, 0xff];
        big.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
        assert_eq!(decode_head(big, Encoding::Utf8, true), text.as_bytes());
    }
}
