//! What `EXPLAIN` says, as the drawing that it is.

use std::io::{self, Write};

use fluxdb::Batch;

use super::{Columns, ResultWriter};

/// Writes the second column of each row as text of its own: a plan is lines that belong below each other.
#[derive(Default)]
pub struct PlanWriter {
    columns: Columns,
}

impl PlanWriter {
    /// Whether these are the columns of `EXPLAIN`.
    pub fn is_for(columns: &Columns) -> bool {
        columns.iter().map(|c| &*c.name).eq(["explain_key", "explain_value"])
    }
}

impl ResultWriter for PlanWriter {
    fn begin(&mut self, columns: &Columns, _: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.clone();
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let writers = super::value_writers(&self.columns, batch)?;
        let mut text = String::new();
        for row in 0..batch.rows {
            text.clear();
            writers[1].write(row, &mut text);
            // Text of the query may be in the plan: it must not control the terminal.
            text.retain(|c| c == '\n' || !c.is_control());
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
