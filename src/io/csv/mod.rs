//! CSV and its relatives: any delimiter, any quoting.
//!
//! A file is sniffed from its head ([`sniff`], [`infer`]), then read in chunks of whole records ([`chunk`])
//! that workers parse side by side: fields are found with SIMD masks ([`scan`]), and each column is built
//! from its fields at once ([`columns`]). Text is not copied: it points into its chunk.

use std::sync::Arc;

use crate::exec::batch::Field;
use crate::exec::error::Result;
use crate::exec::source::Source;
use crate::io::files::FileList;
use crate::io::format::Format;
use crate::io::options::Options;
use crate::io::source::{FileColumns, FileSource};

mod bad_records;
mod batches;
mod chunk;
mod columns;
mod dialect;
mod infer;
mod listing;
mod options;
mod reader;
mod record_end;
mod rejects;
mod scan;
mod simd;
mod sniff;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use listing::source as sniffed;
pub(crate) use options::READ_OPTIONS;
pub(crate) use write::sink;

/// A reader of these files.
pub(crate) fn source(
    files: &FileList,
    format: Format,
    options: &Options,
    target: Option<&[Field]>,
) -> Result<Arc<dyn Source>> {
    let columns = FileColumns::new(options)?.for_target(target);
    let options = options::CsvOptions::new(options, format, target)?;
    let files = files.with_compression(options.compression);
    let csv = reader::Csv::new(&files, options)?;
    FileSource::new(files, csv, &columns)
}
