//! What is wrong with records of a CSV file: as errors, or noted where they are left out.

use crate::exec::error::{ExecError, Result};
use crate::io::csv::batches::ChunkBatches;
use crate::io::csv::chunk::too_long;
use crate::io::csv::dialect::Newline;
use crate::io::csv::rejects::{FileRejects, RecordProblem};
use crate::io::csv::scan::{RecordError, Records, Scanner, Shape, Span, unescape};
use crate::io::text::Text;

impl ChunkBatches {
    /// The first line of a record, for messages.
    pub(super) fn excerpt(&self, text: &[u8], len: usize, start: usize) -> String {
        let rest = &text[start..len];
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = String::from_utf8_lossy(&rest[..end]);
        if line.chars().count() > 120 {
            format!("\"{}…\"", line.chars().take(120).collect::<String>())
        } else {
            format!("\"{line}\"")
        }
    }

    /// The error about a record that could not be read.
    pub(super) fn record_error(&self, text: &[u8], len: usize, at: usize, error: RecordError) -> ExecError {
        let line = self.line(text, at);
        let (path, expected) = (&self.plan.path, self.plan.width);
        let excerpt = self.excerpt(text, len, at);
        ExecError::InvalidInput(match error {
            RecordError::Fields(found) => format!(
                "\"{path}\", line {line}: expected {expected} columns, found {found}: {excerpt} \
                 ({}, or skip such lines with ignore_errors=true)",
                if found < expected {
                    "fill them up with NULL with null_padding=true"
                } else {
                    "drop the surplus with strict_mode=false"
                }
            ),
            RecordError::TextBehindQuote => format!(
                "\"{path}\", line {line}: text behind a closing quote: {excerpt} (read it as it stands with \
                 strict_mode=false, read quotes as text with quote='', or skip such lines with \
                 ignore_errors=true)"
            ),
            RecordError::Unterminated => format!(
                "\"{path}\", line {line}: a quote that is not closed: {excerpt} (read quotes as text with \
                 quote='', or skip such lines with ignore_errors=true)"
            ),
            RecordError::TooLong => return too_long(path, line, self.plan.max_record),
        })
    }

    /// Where a record ends, its line break aside.
    fn record_end(&self, text: &[u8], start: usize, next: usize) -> usize {
        let newline = self.plan.dialect.newline;
        let mut end = next;
        if end > start && text[end - 1] == newline.byte() {
            end -= 1;
            if newline == Newline::Lf && end > start && text[end - 1] == b'\r' {
                end -= 1;
            }
        }
        end
    }

    /// A problem with the record at `start`, that ends at `end`.
    fn problem<'a>(&self, text: &[u8], (start, end): (usize, usize), at: usize) -> RecordProblem<'a> {
        RecordProblem {
            line: self.line(text, start),
            line_position: self.first_byte + start as u64 + 1,
            position: self.first_byte + at as u64 + 1,
            column: None,
            name: None,
            kind: "INVALID STATE",
            record: String::from_utf8_lossy(&text[start..end]).into_owned(),
            message: String::new(),
        }
    }

    /// Notes a record that could not be read.
    pub(super) fn reject_record(
        &self,
        rejects: &FileRejects,
        text: &Text,
        start: usize,
        error: RecordError,
    ) -> Result<()> {
        let (bytes, width) = (text.padded(), self.plan.width);
        let end = self.record_end(bytes, start, self.scanner.position());
        let problem = |at| self.problem(bytes, (start, end), at);
        match error {
            RecordError::Fields(found) if found < width => {
                for missing in found..width {
                    rejects.add(RecordProblem {
                        column: Some(missing),
                        name: self.plan.names.get(missing).map(String::as_str),
                        kind: "MISSING COLUMNS",
                        message: format!("Expected Number of Columns: {width} Found: {missing}"),
                        ..problem(end)
                    })?;
                }
                Ok(())
            }
            RecordError::Fields(found) => {
                // Its fields once more, for the place of the first one too many.
                let shape = Shape { fields: None, null_padding: false, max_record: usize::MAX };
                let mut fields = Records::default();
                let mut scanner = Scanner::at(self.plan.dialect, shape, start);
                let _ = scanner.records(bytes, text.len(), 1, &mut fields);
                let before =
                    fields.spans.get(width - 1).map_or(start, |s| s.end() + usize::from(s.is_quoted()));
                rejects.add(RecordProblem {
                    column: Some(width + 1),
                    kind: "TOO MANY COLUMNS",
                    message: format!("Expected Number of Columns: {width} Found: {found}"),
                    ..problem(before)
                })
            }
            RecordError::TextBehindQuote => rejects
                .add(RecordProblem { message: "Text behind a closing quote.".into(), ..problem(start) }),
            RecordError::Unterminated => rejects.add(RecordProblem {
                kind: "UNQUOTED VALUE",
                message: "Value with unterminated quote found.".into(),
                ..problem(start)
            }),
            RecordError::TooLong => rejects.add(RecordProblem {
                kind: "LINE SIZE OVER MAXIMUM",
                message: format!(
                    "Maximum line size of {} bytes exceeded. Actual Size:{} bytes.",
                    self.plan.max_record,
                    self.scanner.position() - start
                ),
                ..problem(start)
            }),
        }
    }

    /// Where one of the records at hand begins and ends, and its fields.
    fn record_at(&self, text: &Text, row: usize) -> ((usize, usize), &[Span]) {
        let start = self.records.starts[row] as usize;
        let shape = Shape { fields: None, null_padding: false, max_record: usize::MAX };
        let mut scanner = Scanner::at(self.plan.dialect, shape, start);
        let _ = scanner.records(text.padded(), text.len(), 1, &mut Records::default());
        let end = self.record_end(text.padded(), start, scanner.position());
        ((start, end), &self.records.spans[row * self.plan.width..(row + 1) * self.plan.width])
    }

    /// Notes values that are not of the types of their columns: rows and positions among the readers.
    pub(super) fn reject_values(
        &self,
        rejects: &FileRejects,
        text: &Text,
        bad: &[(usize, usize)],
    ) -> Result<()> {
        let mut raw = vec![];
        for &(row, reader) in bad {
            let Some(reader) = &self.plan.readers[reader] else { continue };
            let (record, fields) = self.record_at(text, row);
            let span = fields[reader.position];
            raw.clear();
            let value = &text.padded()[span.start()..span.end()];
            if span.is_escaped() {
                unescape(&self.plan.dialect, value, &mut raw);
            } else {
                raw.extend_from_slice(value);
            }
            rejects.add(RecordProblem {
                column: Some(reader.position + 1),
                name: Some(&reader.name),
                kind: "CAST",
                message: format!(
                    "Error when converting column \"{}\". Could not convert string \"{}\" to '{}'",
                    reader.name,
                    String::from_utf8_lossy(&raw),
                    reader.ty
                ),
                ..self.problem(text.padded(), record, span.start() - usize::from(span.is_quoted()))
            })?;
        }
        Ok(())
    }

    /// Notes a record with a byte, at `at`, that is not UTF-8.
    pub(super) fn reject_encoding(
        &self,
        rejects: &FileRejects,
        text: &Text,
        row: usize,
        at: usize,
    ) -> Result<()> {
        let (record, fields) = self.record_at(text, row);
        let column = fields.iter().position(|s| (s.start()..s.end()).contains(&at));
        rejects.add(RecordProblem {
            column: column.map(|c| c + 1),
            name: column.and_then(|c| self.plan.names.get(c)).map(String::as_str),
            kind: "INVALID ENCODING",
            message: "Invalid unicode (byte sequence mismatch) detected. This file is not utf-8 encoded."
                .into(),
            ..self.problem(text.padded(), record, at)
        })
    }

    /// The error about a value that is not of the type of its column.
    pub(super) fn value_error(&self, text: &[u8], row: usize, column: usize) -> ExecError {
        let reader = self.plan.readers[column].as_ref().expect("a column with values");
        let span = self.records.spans[row * self.plan.width + reader.position];
        let mut raw = vec![];
        if span.is_escaped() {
            unescape(&self.plan.dialect, &text[span.start()..span.end()], &mut raw);
        } else {
            raw.extend_from_slice(&text[span.start()..span.end()]);
        }
        let mut value: String = String::from_utf8_lossy(&raw).chars().take(121).collect();
        if value.chars().count() > 120 {
            value.pop();
            value.push('…');
        }
        let line = self.line(text, self.records.starts[row] as usize);
        let sampled = match self.plan.sample_rows {
            Some(n) => format!("; the type was guessed from the first {n} rows, sample_size=-1 looks at all"),
            None => String::new(),
        };
        ExecError::Conversion(format!(
            "\"{}\", line {line}, column \"{}\": could not convert \"{value}\" to {} (set another type with \
             types={{'{}': 'VARCHAR'}} or all_varchar=true, or skip such lines with ignore_errors=true{})",
            self.plan.path,
            reader.name,
            reader.ty,
            reader.name.replace('\'', "''"),
            if reader.guessed { &sampled } else { "" },
        ))
    }
}
