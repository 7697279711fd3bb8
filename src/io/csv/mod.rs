//! CSV and its relatives: any delimiter, any quoting.
//!
//! A file is sniffed from its head ([`sniff`], [`infer`]), then read in chunks of whole records ([`chunk`])
//! that workers parse side by side: fields are found with SIMD masks ([`scan`]), and each column is built
//! from its fields at once ([`columns`], [`parse`]). Text is not copied: it points into its chunk.

use std::sync::Arc;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Field, Schema};
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{Sink, Source};
use crate::io::files::FileList;
use crate::io::format::Format;
use crate::io::options::Options;
use crate::io::source::FileSource;

mod chunk;
mod columns;
mod infer;
mod options;
pub(in crate::io) mod parse;
mod reader;
mod scan;
mod simd;
mod sniff;
mod strptime;
#[cfg(test)]
mod tests;

pub(crate) use options::READ_OPTIONS;

/// A reader of these files.
pub(crate) fn source(
    files: &FileList,
    format: Format,
    options: &Options,
    target: Option<&[Field]>,
) -> Result<Arc<dyn Source>> {
    let options = options::CsvOptions::new(options, format, target)?;
    let files = files.with_compression(options.compression);
    let filename = options.filename.clone();
    let csv = reader::Csv::new(&files, options)?;
    Ok(FileSource::new(files, csv, filename.as_deref()))
}

/// A writer to this path.
pub(crate) fn sink(
    _path: &str,
    _format: Format,
    _options: &[(String, Scalar, LogicalType)],
    _schema: Schema,
) -> Result<Arc<dyn Sink>> {
    Err(ExecError::Unsupported("writing CSV".into()))
}
