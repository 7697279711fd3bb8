//! CSV and TSV.

use std::io::{self, Write};

use fluxdb::Batch;

use super::{Columns, ResultWriter};

/// Values between delimiters, quoted where need be. NULL is an empty field, the empty string is `""`.
pub struct DelimitedWriter {
    delimiter: u8,
    headers: bool,
    columns: Columns,
    value: String,
    line: Vec<u8>,
}

impl DelimitedWriter {
    pub fn new(delimiter: u8, headers: bool) -> Self {
        Self { delimiter, headers, columns: Columns::default(), value: String::new(), line: vec![] }
    }
}

impl ResultWriter for DelimitedWriter {
    fn begin(&mut self, columns: &Columns, out: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.clone();
        if !self.headers {
            return Ok(());
        }
        self.line.clear();
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                self.line.push(self.delimiter);
            }
            push_quoted(&mut self.line, &column.name, self.delimiter);
        }
        self.line.push(b'\n');
        out.write_all(&self.line)
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let writers = super::value_writers(&self.columns, batch)?;
        for row in 0..batch.rows {
            self.line.clear();
            for (i, writer) in writers.iter().enumerate() {
                if i > 0 {
                    self.line.push(self.delimiter);
                }
                if writer.is_null(row) {
                    continue;
                }
                self.value.clear();
                writer.write(row, &mut self.value);
                push_quoted(&mut self.line, &self.value, self.delimiter);
            }
            self.line.push(b'\n');
            out.write_all(&self.line)?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Appends a field, quoted if it is empty or would be read as something else.
fn push_quoted(line: &mut Vec<u8>, value: &str, delimiter: u8) {
    let special = |b: u8| b == delimiter || b == b'"' || b == b'\n' || b == b'\r';
    if !value.is_empty() && !value.bytes().any(special) {
        line.extend_from_slice(value.as_bytes());
        return;
    }
    line.push(b'"');
    for b in value.bytes() {
        if b == b'"' {
            line.push(b'"');
        }
        line.push(b);
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(s: &str) -> String {
        let mut line = vec![];
        push_quoted(&mut line, s, b',');
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn quotes_only_what_needs_it() {
        assert_eq!(quoted("plain text"), "plain text");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(quoted("two\nlines"), "\"two\nlines\"");
    }
}
