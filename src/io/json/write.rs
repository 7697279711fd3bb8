//! Writing JSON: an object a line, or an array of them.

use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Schema};
use crate::exec::cast::text::{Writer, json_string};
use crate::exec::error::{ExecError, Result};
use crate::exec::source::Sink;
use crate::io::files::Compression;
use crate::io::options::Options;
use crate::io::output::Output;
use crate::io::text_sink::{TextFormat, TextSink};
use crate::io::time_style::TimeStyle;

/// A writer to this path. Objects are written one a line, unless `array` says otherwise.
pub(crate) fn sink(
    path: &str,
    options: &[(String, Scalar, LogicalType)],
    schema: Schema,
) -> Result<Arc<dyn Sink>> {
    let options =
        Options::new("COPY TO", options, &["array", "compression", "dateformat", "timestampformat"])?;
    let given = match options.text(&["compression"])? {
        Some(name) => Compression::parse(&name)?,
        None => None,
    };
    let array = options.boolean(&["array"])?.unwrap_or(false);
    let keys = schema
        .iter()
        .map(|f| {
            let mut key = String::new();
            json_string(&f.name, &mut key);
            key + ":"
        })
        .collect();
    let json = JsonText { array, keys, times: TimeStyle::new(&options)?, schema };
    let output = Output::create(path, given.unwrap_or_else(|| Compression::of_name(path)))?;
    Ok(Arc::new(TextSink::new(format!("COPY_TO_FILE {path}"), json, output)))
}

/// How rows are spelled.
#[derive(Debug)]
struct JsonText {
    array: bool,
    /// The names, quoted, with their colons.
    keys: Vec<String>,
    times: TimeStyle,
    schema: Schema,
}

impl TextFormat for JsonText {
    fn rows(&self, batch: &Batch, out: &mut String) -> Result<()> {
        if batch.columns.len() != self.schema.len() {
            return Err(ExecError::Internal("a batch of another width than its file".into()));
        }
        let columns: Vec<(ArrayRef, LogicalType)> = batch
            .columns
            .iter()
            .zip(self.schema.iter())
            .map(|(array, field)| self.times.spelled(array, &field.ty))
            .collect::<Result<_>>()?;
        let writers: Vec<Writer> =
            columns.iter().map(|(array, ty)| Writer::new(array, ty)).collect::<Result<_>>()?;
        for row in 0..batch.rows {
            if row > 0 {
                out.push_str(self.between());
            }
            out.push_str(if self.array { "\t{" } else { "{" });
            for (i, (key, writer)) in self.keys.iter().zip(&writers).enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(key);
                writer.write_sql_json(row, out);
            }
            out.push('}');
        }
        Ok(())
    }

    fn head(&self, _has_rows: bool) -> String {
        if self.array { "[\n".into() } else { String::new() }
    }

    fn between(&self) -> &str {
        if self.array { ",\n" } else { "\n" }
    }

    fn tail(&self) -> &str {
        if self.array { "\n]\n" } else { "\n" }
    }
}
