//! Outside formats, both ways: CSV, JSON, Parquet, Arrow.
//!
//! Everything that the SQL layer needs is here: [`table_function`] for `read_csv(…)` and its like,
//! [`source_for_path`] for a file name in `FROM`, [`copy_source`] and [`copy_sink`] for `COPY`. A reader is a
//! [`Source`]: it looks at the head of its files when it is made (dialect, types, footers), reads the rest
//! in a scan, in morsels that any number of workers parse at a time, and holds only what is in flight. A
//! writer is a [`Sink`]: it writes beside its target and renames in the end, so that a failure leaves
//! nothing behind.
//!
//! Each format is behind the feature of its name; the rest of the room works without any.

// What all formats share has no user where there is none.
#![cfg_attr(
    not(all(feature = "arrow", feature = "csv", feature = "json", feature = "parquet")),
    allow(dead_code, unused_variables)
)]

use std::sync::Arc;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Field, Schema};
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{Sink, Source, TableFunctionArgs};

#[cfg(feature = "arrow")]
mod arrow;
mod calendar;
#[cfg(feature = "csv")]
mod csv;
mod directory;
mod files;
mod foreign;
pub(crate) use foreign::conform;
mod format;
mod glob;
mod hive;
#[cfg(feature = "json")]
mod json;
pub(crate) mod line_protocol;
#[cfg(any(feature = "csv", feature = "parquet"))]
mod listing;
#[cfg(any(feature = "csv", feature = "json"))]
mod names;
mod options;
mod output;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(any(feature = "csv", feature = "json"))]
mod parse;
mod partition;
mod source;
#[cfg(any(feature = "csv", feature = "json"))]
mod strptime;
#[cfg(test)]
mod testing;
#[cfg(all(test, feature = "csv", feature = "json", feature = "parquet"))]
mod tests;
mod text;
mod text_sink;
mod time_style;
pub(crate) mod type_name;
mod unless_empty;
mod whole;

use files::FileList;
pub use format::is_file_name;
use format::{Format, not_built};
use options::Options;
use partition::Partitioning;
use unless_empty::UnlessEmpty;

/// An option of COPY TO: whether a file is written that has no rows.
const WRITE_EMPTY_FILE: &str = "write_empty_file";

/// The names that [`table_function`] knows, for suggestions and completion.
pub const TABLE_FUNCTIONS: &[&str] = &[
    "glob",
    #[cfg(feature = "parquet")]
    "parquet_file_metadata",
    #[cfg(feature = "parquet")]
    "parquet_kv_metadata",
    #[cfg(feature = "parquet")]
    "parquet_metadata",
    "parquet_scan",
    #[cfg(feature = "parquet")]
    "parquet_schema",
    "read_arrow",
    "read_blob",
    "read_csv",
    "read_csv_auto",
    "read_json",
    "read_json_auto",
    "read_json_objects",
    "read_json_objects_auto",
    "read_ndjson",
    "read_ndjson_auto",
    "read_ndjson_objects",
    "read_parquet",
    "read_text",
    #[cfg(feature = "csv")]
    "sniff_csv",
];

/// The files of a path or pattern, which are there.
pub(crate) fn find_files(pattern: &str) -> Result<Vec<String>> {
    let files = FileList::expand(&[pattern.to_owned()])?;
    for path in files.paths().iter().filter(|path| !files::is_stdin(path)) {
        std::fs::metadata(path).map_err(|e| files::io_error("open", path, &e))?;
    }
    Ok(files.paths().to_vec())
}

/// The files of a path or pattern as streams of bytes, decompressed.
pub(crate) fn open_files(pattern: &str) -> Result<Vec<(String, Box<dyn std::io::Read + Send>)>> {
    let files = FileList::expand(&[pattern.to_owned()])?;
    let open = |file: usize| {
        let input: Box<dyn std::io::Read + Send> = Box::new(files.open(file)?);
        Ok((files.paths()[file].clone(), input))
    };
    (0..files.len()).map(open).collect()
}

/// The table function of this name (lower case) with these arguments, or `None` if there is none.
///
/// The first positional argument is a path, a glob pattern or a list of them; `-` and `/dev/stdin` are
/// standard input. Fails on unknown options, missing files, and files that are not of the format.
pub fn table_function(name: &str, args: &TableFunctionArgs) -> Option<Result<Arc<dyn Source>>> {
    #[cfg(feature = "parquet")]
    if let Some(listing) = parquet::LISTINGS.iter().find(|listing| **listing == name) {
        let files = files_argument(name, args).and_then(|paths| {
            Options::new(name, &args.named, &[])?;
            FileList::expand(&paths)
        });
        return Some(files.and_then(|files| parquet::listing(listing, &files)));
    }
    let format = match name {
        "glob" => return Some(glob::source(args)),
        "read_blob" | "read_text" => return Some(whole::source(name, args)),
        #[cfg(feature = "json")]
        "read_json_objects" | "read_json_objects_auto" | "read_ndjson_objects" => {
            let format = if name.starts_with("read_nd") { Format::NdJson } else { Format::Json };
            return Some(files_argument(name, args).and_then(|paths| {
                let options = Options::new(name, &args.named, json::OBJECT_OPTIONS)?;
                json::objects(&FileList::expand(&paths)?, format, &options)
            }));
        }
        #[cfg(feature = "csv")]
        "sniff_csv" => {
            return Some(files_argument(name, args).and_then(|paths| {
                let options = Options::new(name, &args.named, csv::READ_OPTIONS)?;
                csv::sniffed(&FileList::expand(&paths)?, &options, &args.named)
            }));
        }
        "read_csv" | "read_csv_auto" => Format::Csv,
        "read_parquet" | "parquet_scan" => Format::Parquet,
        "read_arrow" => Format::Arrow,
        "read_json" | "read_json_auto" => Format::Json,
        "read_ndjson" | "read_ndjson_auto" => Format::NdJson,
        _ => return None,
    };
    Some(files_argument(name, args).and_then(|paths| {
        let options = Options::new(name, &args.named, known_options(format))?;
        open(&FileList::expand(&paths)?, format, &options, None)
    }))
}

/// The rows of a file, a glob pattern's files, or standard input, for a name in `FROM`. The format
/// follows from the extension, else from the first bytes.
pub fn source_for_path(path: &str) -> Result<Arc<dyn Source>> {
    let files = FileList::expand(&[path.to_string()])?;
    let format = format::of_files(&files)?;
    open(&files, format, &Options::none(format.reader()), None)
}

/// The rows of the files of a `COPY … FROM`, for a table with these columns: the result has exactly their
/// types, in their order. Without `format` it follows from the path. Option names are in lower case.
pub fn copy_source(
    path: &str,
    format: Option<&str>,
    options: &[(String, Scalar, LogicalType)],
    columns: &[Field],
) -> Result<Arc<dyn Source>> {
    let files = FileList::expand(&[path.to_string()])?;
    let format = match format {
        Some(name) => Format::parse(name)?,
        None => format::of_files(&files)?,
    };
    let options = Options::new("COPY FROM", options, known_options(format))?;
    open(&files, format, &options, Some(columns))
}

/// The target of a `COPY … TO`, which takes rows of this schema. Without `format` it follows from the
/// path's extension, else it is CSV. Option names are in lower case.
pub fn copy_sink(
    path: &str,
    format: Option<&str>,
    options: &[(String, Scalar, LogicalType)],
    schema: Schema,
) -> Result<Arc<dyn Sink>> {
    let format = match format {
        Some(name) => Format::parse(name)?,
        None => Format::of_name(path).unwrap_or(Format::Csv),
    };
    if schema.is_empty() {
        return Err(ExecError::InvalidInput("COPY TO needs at least one column".into()));
    }
    let (own, options): (Vec<_>, Vec<_>) =
        options.iter().cloned().partition(|(name, ..)| name == WRITE_EMPTY_FILE);
    let own = Options::new("COPY TO", &own, &[WRITE_EMPTY_FILE])?;
    let write_empty = own.boolean(&[WRITE_EMPTY_FILE])?.unwrap_or(true);
    let (partitioning, options) = Partitioning::take(format, &options)?;
    let Some(partitioning) = partitioning else {
        let file = sink(path, format, &options, schema)?;
        return Ok(if write_empty { file } else { Arc::new(UnlessEmpty::new(file)) });
    };
    if !write_empty {
        let message = "WRITE_EMPTY_FILE false is for COPY to one file";
        return Err(ExecError::Unsupported(message.into()));
    }
    let extension = format.extension(&options);
    let make = move |path: &str, schema| sink(path, format, &options, schema);
    partitioning.sink(path, &extension, &schema, Box::new(make))
}

/// A writer of one file.
fn sink(
    path: &str,
    format: Format,
    options: &[(String, Scalar, LogicalType)],
    schema: Schema,
) -> Result<Arc<dyn Sink>> {
    match format {
        #[cfg(feature = "csv")]
        Format::Csv | Format::Tsv => csv::sink(path, format, options, schema),
        #[cfg(feature = "json")]
        Format::Json | Format::NdJson => json::sink(path, options, schema),
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet::sink(path, options, schema),
        #[cfg(feature = "arrow")]
        Format::Arrow => arrow::sink(path, options, schema),
        #[allow(unreachable_patterns)]
        _ => Err(not_built(format)),
    }
}

/// The options that a reader of this format takes.
fn known_options(format: Format) -> &'static [&'static str] {
    match format {
        #[cfg(feature = "csv")]
        Format::Csv | Format::Tsv => csv::READ_OPTIONS,
        #[cfg(feature = "json")]
        Format::Json | Format::NdJson => json::READ_OPTIONS,
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet::READ_OPTIONS,
        #[cfg(feature = "arrow")]
        Format::Arrow => arrow::READ_OPTIONS,
        #[allow(unreachable_patterns)]
        _ => &[],
    }
}

/// A reader of these files. `target` are the columns of the table that a `COPY FROM` fills.
fn open(
    files: &FileList,
    format: Format,
    options: &Options,
    target: Option<&[Field]>,
) -> Result<Arc<dyn Source>> {
    match format {
        #[cfg(feature = "csv")]
        Format::Csv | Format::Tsv => csv::source(files, format, options, target),
        #[cfg(feature = "json")]
        Format::Json | Format::NdJson => json::source(files, format, options, target),
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet::source(files, options, target),
        #[cfg(feature = "arrow")]
        Format::Arrow => arrow::source(files, options, target),
        #[allow(unreachable_patterns)]
        _ => Err(not_built(format)),
    }
}

/// The paths in the first argument of a table function.
fn files_argument(function: &str, args: &TableFunctionArgs) -> Result<Vec<String>> {
    let [(value, _)] = &args.positional[..] else {
        return Err(ExecError::InvalidInput(format!(
            "{function} takes one positional argument, a path or a list of paths, and was given {}",
            args.positional.len()
        )));
    };
    let paths = options::texts(value).ok_or_else(|| {
        ExecError::InvalidInput(format!("the first argument of {function} must be a path or a list of paths"))
    })?;
    if paths.is_empty() {
        return Err(ExecError::InvalidInput(format!("{function} needs at least one file")));
    }
    Ok(paths)
}
