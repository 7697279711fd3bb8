//! Writing CSV.

use std::sync::Arc;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Schema};
use crate::exec::cast::text::Writer;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::Sink;
use crate::io::files::Compression;
use crate::io::format::Format;
use crate::io::options::Options;
use crate::io::output::Output;
use crate::io::text_sink::{TextFormat, TextSink};
use crate::io::time_style::{Styled, TimeStyle};

/// The options of the writer.
const WRITE_OPTIONS: &[&str] = &[
    "comment",
    "compression",
    "dateformat",
    "delim",
    "delimiter",
    "escape",
    "force_quote",
    "header",
    "new_line",
    "null",
    "nullstr",
    "prefix",
    "quote",
    "sep",
    "suffix",
    "timestampformat",
];

/// A writer to this path.
pub(crate) fn sink(
    path: &str,
    format: Format,
    options: &[(String, Scalar, LogicalType)],
    schema: Schema,
) -> Result<Arc<dyn Sink>> {
    let options = Options::new("COPY TO", options, WRITE_OPTIONS)?;
    let byte = |name: &str, default: Option<u8>| -> Result<Option<u8>> {
        match options.text(&[name])? {
            None => Ok(default),
            Some(text) => match text.as_bytes() {
                [] => Ok(None),
                b"\\t" => Ok(Some(b'\t')),
                [one] if one.is_ascii() && !matches!(one, b'\n' | b'\r' | 0) => Ok(Some(*one)),
                _ => Err(options.bad(name, "must be one ASCII character, or none")),
            },
        }
    };
    let usual = if format == Format::Tsv { "\t" } else { "," };
    let delimiter = match super::options::delimiter(&options)? {
        None => usual.to_owned(),
        Some(given) => String::from_utf8_lossy(given.as_bytes()).into_owned(),
    };
    let quote = byte("quote", Some(b'"'))?;
    let escape = byte("escape", quote)?;
    let comment = byte("comment", Some(b'#'))?;
    if [quote, escape].iter().flatten().any(|byte| delimiter.as_bytes().contains(byte)) {
        return Err(options.bad("quote", "must not be in the delimiter"));
    }
    let null = options.text(&["nullstr", "null"])?.unwrap_or_default();
    let mut signs = [quote, escape].into_iter().flatten();
    if null.contains(&delimiter) || signs.any(|sign| null.as_bytes().contains(&sign)) {
        return Err(options.bad("null", "must not contain the delimiter, the quote or its escape"));
    }
    let forced = match options.boolean(&["force_quote"]) {
        Ok(Some(all)) => vec![all; schema.len()],
        _ => {
            let names = options.list(&["force_quote"])?.unwrap_or_default();
            if let Some(name) =
                names.iter().find(|n| *n != "*" && !schema.iter().any(|f| f.name.eq_ignore_ascii_case(n)))
            {
                return Err(
                    options.bad("force_quote", &format!("names a column that is not there: \"{name}\""))
                );
            }
            schema.iter().map(|f| names.iter().any(|n| n == "*" || n.eq_ignore_ascii_case(&f.name))).collect()
        }
    };
    let header = options.boolean(&["header"])?;
    let affixes = match (options.text(&["prefix"])?, options.text(&["suffix"])?) {
        (None, None) => None,
        (Some(prefix), Some(suffix)) if !prefix.is_empty() && !suffix.is_empty() => Some((prefix, suffix)),
        _ => return Err(options.bad("prefix", "needs \"suffix\", and the other way round")),
    };
    if affixes.is_some() && header == Some(true) {
        return Err(options.bad("header", "cannot be combined with \"prefix\" and \"suffix\""));
    }
    let new_line = options.text(&["new_line"])?.filter(|text| !text.is_empty());
    let new_line =
        new_line.map_or_else(|| "\n".into(), |text| text.replace("\\r", "\r").replace("\\n", "\n"));
    let compression = compression(&options, path)?;
    let csv = CsvText {
        delimiter,
        quote,
        escape,
        comment,
        null,
        new_line,
        affixes,
        header: header.unwrap_or(true),
        forced,
        times: TimeStyle::new(&options)?,
        schema,
    };
    let output = Output::create(path, compression)?;
    Ok(Arc::new(TextSink::new(format!("COPY_TO_FILE {path}"), csv, output)))
}

/// The compression that an option says, else the extension.
pub(in crate::io) fn compression(options: &Options, path: &str) -> Result<Compression> {
    Ok(match options.text(&["compression"])? {
        Some(name) => Compression::parse(&name)?,
        None => None,
    }
    .unwrap_or_else(|| Compression::of_name(path)))
}

/// How rows are spelled.
#[derive(Debug)]
struct CsvText {
    delimiter: String,
    /// What is put around values that could be misread; `None` writes all as it is.
    quote: Option<u8>,
    escape: Option<u8>,
    /// What a reader may take for the beginning of a comment.
    comment: Option<u8>,
    null: String,
    /// What ends a line.
    new_line: String,
    /// What the file begins and ends with. Lines are then parted, and the last one has no end.
    affixes: Option<(String, String)>,
    header: bool,
    /// Columns whose values are all quoted.
    forced: Vec<bool>,
    times: TimeStyle,
    schema: Schema,
}

impl CsvText {
    /// Quotes what was written from `start` on, if it has to be.
    fn quote_if_needed(&self, out: &mut String, start: usize, forced: bool) {
        let Some(quote) = self.quote else { return };
        let value = &out.as_bytes()[start..];
        let needed = forced
            || value == self.null.as_bytes()
            || value.first() == Some(&b' ')
            || value.iter().any(|b| {
                // Also a part of the delimiter could be read as the beginning of one.
                self.delimiter.as_bytes().contains(b)
                    || *b == quote
                    || Some(*b) == self.escape
                    || Some(*b) == self.comment
                    || *b == b'\n'
                    || *b == b'\r'
                    || self.new_line.as_bytes().contains(b)
            });
        if needed {
            let value = out.split_off(start);
            let (quote, escape) = (char::from(quote), self.escape.map(char::from));
            out.push(quote);
            for c in value.chars() {
                if (c == quote || Some(c) == escape)
                    && let Some(escape) = escape
                {
                    out.push(escape);
                }
                out.push(c);
            }
            out.push(quote);
        }
    }

    /// Whether values of a type never need quotes, given the usual signs.
    fn is_plain(&self, ty: &LogicalType) -> bool {
        let usual = self.delimiter.bytes().all(|b| matches!(b, b',' | b';' | b'\t' | b'|'))
            && matches!(self.quote, None | Some(b'"' | b'\''))
            && matches!(self.comment, None | Some(b'#'))
            && self.new_line.bytes().all(|b| matches!(b, b'\r' | b'\n'));
        let letters_or_digits =
            |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.: ".contains(&b));
        usual
            && (self.null.is_empty() || !letters_or_digits(&self.null))
            && (ty.is_numeric() || ty.is_temporal() || matches!(ty, LogicalType::Boolean | LogicalType::Uuid))
    }
}

impl TextFormat for CsvText {
    fn rows(&self, batch: &Batch, out: &mut String) -> Result<()> {
        struct Column<'a> {
            writer: Writer<'a>,
            plain: bool,
            forced: bool,
            styled: Option<Styled<'a>>,
        }
        if batch.columns.len() != self.schema.len() {
            return Err(ExecError::Internal("a batch of another width than its file".into()));
        }
        let columns: Vec<Column> = batch
            .columns
            .iter()
            .zip(self.schema.iter())
            .zip(&self.forced)
            .map(|((array, field), forced)| {
                let styled = self.times.of(array, &field.ty)?;
                let plain = !*forced && styled.is_none() && self.is_plain(&field.ty);
                Ok(Column { writer: Writer::new(array, &field.ty)?, plain, forced: *forced, styled })
            })
            .collect::<Result<_>>()?;
        for row in 0..batch.rows {
            if row > 0 && self.affixes.is_some() {
                out.push_str(&self.new_line);
            }
            for (i, column) in columns.iter().enumerate() {
                if i > 0 {
                    out.push_str(&self.delimiter);
                }
                if column.writer.is_null(row) {
                    out.push_str(&self.null);
                    continue;
                }
                let start = out.len();
                match &column.styled {
                    Some(styled) => styled.write(row, out),
                    None => column.writer.write(row, out),
                }
                if !column.plain {
                    self.quote_if_needed(out, start, column.forced);
                }
            }
            if self.affixes.is_none() {
                out.push_str(&self.new_line);
            }
        }
        Ok(())
    }

    fn head(&self, has_rows: bool) -> String {
        let mut out = self.affixes.as_ref().map_or_else(String::new, |(prefix, _)| prefix.clone());
        if self.header {
            for (i, field) in self.schema.iter().enumerate() {
                if i > 0 {
                    out.push_str(&self.delimiter);
                }
                let start = out.len();
                out.push_str(&field.name);
                self.quote_if_needed(&mut out, start, self.forced[i]);
            }
            if has_rows || self.affixes.is_none() {
                out.push_str(&self.new_line);
            }
        }
        out
    }

    fn between(&self) -> &str {
        if self.affixes.is_some() { &self.new_line } else { "" }
    }

    fn tail(&self) -> &str {
        self.affixes.as_ref().map_or("", |(_, suffix)| suffix)
    }
}
