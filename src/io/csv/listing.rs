//! `sniff_csv`: what a reader would take a CSV file for, as one row.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, StringViewArray, UInt32Array};
use arrow_buffer::OffsetBuffer;

use super::reader::{Csv, NEWLINE_BYTES};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::batch::{Field, Schema};
use crate::exec::cast::nested::{list_array, struct_array};
use crate::exec::error::{ExecError, Result};
use crate::exec::source::Source;
use crate::io::csv::options::CsvOptions;
use crate::io::files::FileList;
use crate::io::format::Format;
use crate::io::listing::Listing;
use crate::io::options::Options;

/// What stands for a character that a file does without.
pub(super) const NONE: &str = "(empty)";

/// The row of one file. `given` are the options as they were given.
pub(crate) fn source(
    files: &FileList,
    options: &Options,
    given: &[(String, Scalar, T)],
) -> Result<Arc<dyn Source>> {
    let [path] = files.paths() else {
        return Err(ExecError::Unsupported("sniff_csv does not operate on more than one file yet".into()));
    };
    let read = CsvOptions::new(options, Format::Csv, None)?;
    let files = files.with_compression(read.compression);
    let head = files.head(0, NEWLINE_BYTES)?;
    let csv = Csv::new(&files, read)?;
    let sniffed = csv.sniffed(0)?;
    let dialect = sniffed.dialect;
    // A quote that does not occur says nothing of the file.
    let used = |byte: Option<u8>| byte.filter(|b| head.contains(b)).map(|b| char::from(b).to_string());
    let quote = used(dialect.quote);
    let escape = used(dialect.escape.filter(|_| dialect.escape != dialect.quote && quote.is_some()));
    let newline = dialect.newline.shown(&head);
    let comment = dialect.comment.map(|b| char::from(b).to_string());
    let format = |of: fn(&T) -> bool, iso: &str| {
        let mut formats = csv.columns().filter(|(field, _)| of(&field.ty));
        formats.next().map(|(_, format)| format.map_or_else(|| iso.to_owned(), |f| f.text().to_owned()))
    };
    let dates = format(|ty| *ty == T::Date, "%Y-%m-%d");
    // Those of ISO have more than one form.
    let timestamps =
        format(|ty| matches!(ty, T::Timestamp(_) | T::TimestampTz), "").filter(|f| !f.is_empty());
    let arguments = options.shown();
    let is_given = |names: &[&str]| given.iter().any(|(name, ..)| names.contains(&name.as_str()));
    let fields: Vec<(String, String)> =
        csv.columns().map(|(field, _)| (field.name.clone(), field.ty.to_string())).collect();
    let delimiter = String::from_utf8_lossy(dialect.delimiter.as_bytes()).into_owned();
    let mut call = vec![quoted(path), "auto_detect=false".to_owned()];
    let mut say = |names: &[&str], value: String| {
        if !is_given(names) {
            call.push(format!("{}={value}", names[0]));
        }
    };
    say(&["delim", "delimiter", "sep"], quoted(&delimiter));
    say(&["quote"], quoted(quote.as_deref().unwrap_or_default()));
    say(&["escape"], quoted(escape.as_deref().unwrap_or_default()));
    say(&["new_line"], quoted(newline));
    say(&["skip"], sniffed.skip.to_string());
    say(&["comment"], quoted(comment.as_deref().unwrap_or_default()));
    say(&["header"], sniffed.header.to_string());
    let types: Vec<String> =
        fields.iter().map(|(name, ty)| format!("{}: {}", quoted(name), quoted(ty))).collect();
    say(&["columns"], format!("{{{}}}", types.join(", ")));
    if let Some(dates) = &dates {
        say(&["dateformat", "date_format"], quoted(dates));
    }
    if let Some(timestamps) = &timestamps {
        say(&["timestampformat", "timestamp_format"], quoted(timestamps));
    }
    call.extend((!arguments.is_empty()).then(|| arguments.clone()));
    let text = |value: Option<String>| -> ArrayRef { Arc::new(StringViewArray::from(vec![value])) };
    let character = |value: Option<String>| text(Some(value.unwrap_or_else(|| NONE.to_owned())));
    let names: ArrayRef = Arc::new(StringViewArray::from_iter_values(fields.iter().map(|f| &f.0)));
    let types: ArrayRef = Arc::new(StringViewArray::from_iter_values(fields.iter().map(|f| &f.1)));
    let entry = entry_type();
    let entries = struct_array(&entry, vec![names, types], None, fields.len())?;
    let skip = u32::try_from(sniffed.skip).unwrap_or(u32::MAX);
    let columns = vec![
        text(Some(delimiter)),
        character(quote),
        character(escape),
        text(Some(newline.to_owned())),
        character(comment),
        Arc::new(UInt32Array::from(vec![skip])),
        Arc::new(BooleanArray::from(vec![sniffed.header])),
        list_array(&entry, OffsetBuffer::from_lengths([fields.len()]), entries, None)?,
        text(dates),
        text(timestamps),
        text((!arguments.is_empty()).then_some(arguments)),
        text(Some(format!("FROM read_csv({});", call.join(", ")))),
    ];
    Ok(Arc::new(Listing { function: "sniff_csv", schema: schema(), columns, rows: 1 }))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn entry_type() -> T {
    T::Struct([("name".into(), T::Varchar), ("type".into(), T::Varchar)].into())
}

fn schema() -> Schema {
    let text = |name: &str| Field::new(name, T::Varchar);
    [
        text("Delimiter"),
        text("Quote"),
        text("Escape"),
        text("NewLineDelimiter"),
        text("Comment"),
        Field::new("SkipRows", T::UInteger),
        Field::new("HasHeader", T::Boolean),
        Field::new("Columns", T::List(Box::new(entry_type()))),
        text("DateFormat"),
        text("TimestampFormat"),
        text("UserArguments"),
        text("Prompt"),
    ]
    .into()
}
