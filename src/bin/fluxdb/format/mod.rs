//! How results are written.

mod columnar;
mod delimited;
mod json;
mod lines;
mod table;

pub use table::thousands;

use std::io::{self, Write};

use fluxdb::{Batch, Field, ValueWriter};

/// The output formats of the shell's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table that fits the terminal, with types and a row count; long results are cut in the middle.
    Table,
    /// A table of all rows and all text.
    Box,
    /// Comma-separated, RFC 4180.
    Csv,
    /// Tab-separated.
    Tsv,
    /// One JSON array of objects.
    Json,
    /// A JSON object a line.
    Ndjson,
    /// A Markdown table.
    Markdown,
    /// A line a value.
    Vertical,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC stream.
    Arrow,
    /// Nothing.
    Null,
}

impl Format {
    /// The names, as `--format` and `.mode` take them.
    pub const NAMES: [&'static str; 11] =
        ["table", "box", "csv", "tsv", "json", "ndjson", "markdown", "vertical", "parquet", "arrow", "null"];

    const ALL: [Self; 11] = [
        Self::Table,
        Self::Box,
        Self::Csv,
        Self::Tsv,
        Self::Json,
        Self::Ndjson,
        Self::Markdown,
        Self::Vertical,
        Self::Parquet,
        Self::Arrow,
        Self::Null,
    ];

    /// The format of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|n| *n == name).map(|i| Self::ALL[i])
    }

    /// The name of this format.
    pub fn name(self) -> &'static str {
        Self::NAMES[Self::ALL.iter().position(|f| *f == self).unwrap_or(0)]
    }

    /// A writer for one result. `null` is what a NULL looks like where the format has no spelling of its own;
    /// `width` is the terminal's, in characters.
    pub fn writer(self, null: &str, width: usize) -> Box<dyn ResultWriter> {
        match self {
            Self::Table => Box::new(table::TableWriter::fitted(null, width)),
            Self::Box => Box::new(table::TableWriter::full(null)),
            Self::Csv => Box::new(delimited::DelimitedWriter::csv()),
            Self::Tsv => Box::new(delimited::DelimitedWriter::tsv()),
            Self::Json => Box::new(json::JsonWriter::array()),
            Self::Ndjson => Box::new(json::JsonWriter::lines()),
            Self::Markdown => Box::new(lines::MarkdownWriter::new(null)),
            Self::Vertical => Box::new(lines::VerticalWriter::new(null)),
            Self::Parquet => Box::new(columnar::ParquetWriter::default()),
            Self::Arrow => Box::new(columnar::ArrowWriter::default()),
            Self::Null => Box::new(NullWriter),
        }
    }
}

/// Writes one result: the columns, then its batches, then the end.
pub trait ResultWriter {
    /// The columns, before any row.
    fn begin(&mut self, columns: &[Field], out: &mut dyn Write) -> io::Result<()>;
    /// Some rows.
    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()>;
    /// No more rows.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// What writes the values of each column of a batch.
fn value_writers<'a>(columns: &'a [Field], batch: &'a Batch) -> io::Result<Vec<ValueWriter<'a>>> {
    let writers = columns.iter().zip(&batch.columns).map(|(c, array)| ValueWriter::new(array, &c.ty));
    writers.collect::<Result<_, _>>().map_err(io::Error::other)
}

struct NullWriter;

impl ResultWriter for NullWriter {
    fn begin(&mut self, _: &[Field], _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn batch(&mut self, _: &Batch, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_formats_go_together() {
        for name in Format::NAMES {
            assert_eq!(Format::from_name(name).map(Format::name), Some(name));
        }
        assert_eq!(Format::from_name("xml"), None);
    }
}
