//! Markdown tables, and a line a value.

use std::io::{self, Write};

use fluxdb::{Batch, Field};

use super::ResultWriter;
use super::table::{cell_text, is_right_aligned};

/// A Markdown table; `|` and line ends in values are escaped.
pub struct MarkdownWriter {
    null: String,
    columns: Vec<Field>,
}

impl MarkdownWriter {
    pub fn new(null: &str) -> Self {
        Self { null: null.to_owned(), columns: vec![] }
    }
}

fn escape_markdown(value: &str) -> String {
    value.replace('|', "\\|").replace('\n', "<br>")
}

impl ResultWriter for MarkdownWriter {
    fn begin(&mut self, columns: &[Field], out: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.to_vec();
        let names: Vec<_> = columns.iter().map(|c| escape_markdown(&c.name)).collect();
        let rules: Vec<_> =
            columns.iter().map(|c| if is_right_aligned(&c.ty) { "---:" } else { "---" }).collect();
        writeln!(out, "| {} |", names.join(" | "))?;
        writeln!(out, "|{}|", rules.join("|"))
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let writers = super::value_writers(&self.columns, batch)?;
        for row in 0..batch.rows {
            let cells: Vec<_> =
                writers.iter().map(|w| escape_markdown(&cell_text(w, row, &self.null))).collect();
            writeln!(out, "| {} |", cells.join(" | "))?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// `name = value`, a line each, rows parted by an empty line.
pub struct VerticalWriter {
    null: String,
    columns: Vec<Field>,
    width: usize,
    row: u64,
}

impl VerticalWriter {
    pub fn new(null: &str) -> Self {
        Self { null: null.to_owned(), columns: vec![], width: 0, row: 0 }
    }
}

impl ResultWriter for VerticalWriter {
    fn begin(&mut self, columns: &[Field], _: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.to_vec();
        self.width = columns.iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let writers = super::value_writers(&self.columns, batch)?;
        for row in 0..batch.rows {
            if self.row > 0 {
                writeln!(out)?;
            }
            self.row += 1;
            for (column, writer) in self.columns.iter().zip(&writers) {
                let value = cell_text(writer, row, &self.null);
                writeln!(out, "{:>width$} = {value}", column.name, width = self.width)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
