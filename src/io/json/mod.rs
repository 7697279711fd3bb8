//! JSON: objects one a line, one after another, or in an array.
//!
//! A file is cut into chunks of whole records ([`records`]) that workers read side by side. Each record is
//! read once, onto a tape ([`lex`]); the types are guessed from a sample of them ([`infer`]), and columns are
//! built from them ([`columns`]). Text without escapes is not copied: it points into its chunk.

use std::sync::Arc;

use crate::exec::batch::Field;
use crate::exec::error::Result;
use crate::exec::source::Source;
use crate::io::files::FileList;
use crate::io::format::Format;
use crate::io::options::Options;
use crate::io::source::{FileColumns, FileSource};

mod columns;
mod infer;
mod lex;
mod options;
mod reader;
mod records;
mod shape;
mod write;

pub(crate) use options::{OBJECT_OPTIONS, READ_OPTIONS};
pub(crate) use write::sink;

/// A reader of these files.
pub(crate) fn source(
    files: &FileList,
    format: Format,
    options: &Options,
    target: Option<&[Field]>,
) -> Result<Arc<dyn Source>> {
    let columns = FileColumns::new(options)?.for_target(target);
    open(files, options::JsonOptions::new(options, format, target)?, &columns)
}

/// A reader of these files that takes every record as one value of type JSON, as it stands.
pub(crate) fn objects(files: &FileList, format: Format, options: &Options) -> Result<Arc<dyn Source>> {
    let columns = FileColumns::new(options)?;
    open(files, options::JsonOptions::new(options, format, None)?.raw(), &columns)
}

fn open(files: &FileList, options: options::JsonOptions, columns: &FileColumns) -> Result<Arc<dyn Source>> {
    let files = files.with_compression(options.compression);
    let json = reader::Json::new(&files, options)?;
    FileSource::new(files, json, columns)
}
