//! JSON: an array of objects, or an object a line.

use std::io::{self, Write};

use fluxdb::{Batch, ValueWriter, json_string};

use super::{Columns, ResultWriter};

/// Rows as JSON objects. Numbers, booleans, lists and structs are JSON's own; all else is text.
pub struct JsonWriter {
    lines: bool,
    columns: Columns,
    /// The names, quoted, each with its colon.
    keys: Vec<String>,
    rows: u64,
}

impl JsonWriter {
    pub fn array() -> Self {
        Self { lines: false, columns: Columns::default(), keys: vec![], rows: 0 }
    }

    pub fn lines() -> Self {
        Self { lines: true, columns: Columns::default(), keys: vec![], rows: 0 }
    }
}

impl ResultWriter for JsonWriter {
    fn begin(&mut self, columns: &Columns, out: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.clone();
        for column in columns.iter() {
            let mut key = String::new();
            json_string(&column.name, &mut key);
            key.push(':');
            self.keys.push(key);
        }
        if self.lines { Ok(()) } else { out.write_all(b"[") }
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let values = super::value_writers(&self.columns, batch)?;
        let mut text = String::new();
        for row in 0..batch.rows {
            text.clear();
            if !self.lines && self.rows > 0 {
                text.push_str(",\n");
            }
            self.rows += 1;
            for (i, (key, value)) in self.keys.iter().zip(&values).enumerate() {
                text.push(if i == 0 { '{' } else { ',' });
                text.push_str(key);
                ValueWriter::write_json(value, row, &mut text);
            }
            text.push('}');
            if self.lines {
                text.push('\n');
            }
            out.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.lines { Ok(()) } else { out.write_all(b"]\n") }
    }
}
