//! Markdown tables, and a line a value.

use std::io::{self, Write};

use fluxdb::Batch;

use super::table::{cell_text, is_right_aligned};
use super::{Columns, ResultWriter};

/// A Markdown table; `|` and line ends in values are escaped.
pub struct MarkdownWriter {
    null: String,
    columns: Columns,
}

impl MarkdownWriter {
    pub fn new(null: &str) -> Self {
        Self { null: null.to_owned(), columns: Columns::default() }
    }
}

fn escape_markdown(value: &str) -> String {
    value.replace('|', "\\|").replace('\n', "<br>")
}

impl ResultWriter for MarkdownWriter {
    fn begin(&mut self, columns: &Columns, out: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.clone();
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
    columns: Columns,
    width: usize,
    row: u64,
}

impl VerticalWriter {
    pub fn new(null: &str) -> Self {
        Self { null: null.to_owned(), columns: Columns::default(), width: 0, row: 0 }
    }
}

impl ResultWriter for VerticalWriter {
    fn begin(&mut self, columns: &Columns, _: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.clone();
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
