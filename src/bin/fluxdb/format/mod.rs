//! How results are written.

mod columnar;
mod delimited;
mod insert;
mod json;
mod lines;
mod plan;
mod table;

pub use table::thousands;

use std::io::{self, Write};

use fluxdb::{Batch, Field, Rows, TimeZone, ValueWriter};

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
    /// `INSERT` statements.
    Insert,
}

/// How results look.
#[derive(Debug, Clone)]
pub struct Display {
    pub format: Format,
    /// What a NULL looks like where the format has no spelling of its own.
    pub null: String,
    /// Names of columns come first.
    pub headers: bool,
    /// Widths of the first columns of tables; 0 is what fits.
    pub widths: Vec<usize>,
    /// Rows shown of a long result on a terminal; 0 for all.
    pub max_rows: usize,
    /// The table of `INSERT` statements.
    pub table: String,
    /// What EXPLAIN says is shown as the drawing that it is.
    pub plans: bool,
}

impl Default for Display {
    fn default() -> Self {
        Self {
            format: Format::Table,
            null: Format::Table.default_null().to_owned(),
            headers: true,
            widths: vec![],
            max_rows: 40,
            table: "tbl".to_owned(),
            plans: true,
        }
    }
}

impl Format {
    /// The names, as `--format` and `.mode` take them.
    pub const NAMES: [&'static str; 12] = [
        "table", "box", "csv", "tsv", "json", "ndjson", "markdown", "vertical", "parquet", "arrow", "null",
        "insert",
    ];

    const ALL: [Self; 12] = [
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
        Self::Insert,
    ];

    /// The format of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|n| *n == name).map(|i| Self::ALL[i])
    }

    /// The format that other shells call so.
    pub fn from_alias(name: &str) -> Option<Self> {
        Some(match name {
            "duckbox" | "column" => Self::Table,
            "tabs" => Self::Tsv,
            "jsonlines" | "jsonl" => Self::Ndjson,
            "line" => Self::Vertical,
            "trash" => Self::Null,
            _ => return None,
        })
    }

    /// What a NULL looks like unless the user says otherwise.
    pub fn default_null(self) -> &'static str {
        if matches!(self, Self::Table | Self::Box | Self::Vertical) { "NULL" } else { "" }
    }

    /// The name of this format.
    pub fn name(self) -> &'static str {
        Self::NAMES[Self::ALL.iter().position(|f| *f == self).unwrap_or(0)]
    }
}

impl Display {
    /// A writer for one result of these columns. `width` is the terminal's, in characters.
    pub fn writer(&self, columns: &Columns, width: usize) -> Box<dyn ResultWriter> {
        match self.format {
            Format::Table | Format::Box if self.plans && plan::PlanWriter::is_for(columns) => {
                Box::<plan::PlanWriter>::default()
            }
            Format::Table => Box::new(table::TableWriter::fitted(self, width)),
            Format::Box => Box::new(table::TableWriter::full(self)),
            Format::Csv => Box::new(delimited::DelimitedWriter::new(b',', self.headers)),
            Format::Tsv => Box::new(delimited::DelimitedWriter::new(b'\t', self.headers)),
            Format::Json => Box::new(json::JsonWriter::array()),
            Format::Ndjson => Box::new(json::JsonWriter::lines()),
            Format::Markdown => Box::new(lines::MarkdownWriter::new(&self.null)),
            Format::Vertical => Box::new(lines::VerticalWriter::new(&self.null)),
            Format::Parquet => Box::new(columnar::ParquetWriter::default()),
            Format::Arrow => Box::new(columnar::ArrowWriter::default()),
            Format::Null => Box::new(NullWriter),
            Format::Insert => Box::new(insert::InsertWriter::new(&self.table)),
        }
    }
}

/// The columns of a result, and the zone in which instants are shown.
#[derive(Clone, Default)]
pub struct Columns {
    fields: Vec<Field>,
    zone: TimeZone,
}

impl Columns {
    /// Those of a result.
    pub fn of(rows: &Rows) -> Self {
        Self { fields: rows.columns().to_vec(), zone: rows.time_zone().clone() }
    }
}

impl std::ops::Deref for Columns {
    type Target = [Field];

    fn deref(&self) -> &[Field] {
        &self.fields
    }
}

/// Writes one result: the columns, then its batches, then the end.
pub trait ResultWriter {
    /// The columns, before any row.
    fn begin(&mut self, columns: &Columns, out: &mut dyn Write) -> io::Result<()>;
    /// Some rows.
    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()>;
    /// No more rows.
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// The word for so many of what `one` is one of.
pub fn plural(n: u64, one: &str) -> String {
    if n == 1 { one.to_owned() } else { format!("{one}s") }
}

/// So many of them: `1 page`, `2 pages`.
pub fn counted(n: u64, one: &str) -> String {
    format!("{n} {}", plural(n, one))
}

/// What writes the values of each column of a batch.
fn value_writers<'a>(columns: &'a Columns, batch: &'a Batch) -> io::Result<Vec<ValueWriter<'a>>> {
    let writers = columns
        .iter()
        .zip(&batch.columns)
        .map(|(c, array)| ValueWriter::in_zone(array, &c.ty, &columns.zone));
    writers.collect::<Result<_, _>>().map_err(io::Error::other)
}

struct NullWriter;

impl ResultWriter for NullWriter {
    fn begin(&mut self, _: &Columns, _: &mut dyn Write) -> io::Result<()> {
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
