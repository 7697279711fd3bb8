//! Parquet, through the `parquet` crate.
//!
//! A row group, or a part of one, is a morsel ([`reader`]); row groups that cannot match are skipped by
//! their statistics ([`prune`]). Values are decoded into our layouts where the crate can, and brought into
//! them otherwise ([`types`]).

use std::sync::Arc;

use crate::exec::batch::Field;
use crate::exec::error::Result;
use crate::exec::source::Source;
use crate::io::files::FileList;
use crate::io::options::Options;
use crate::io::source::{FileColumns, FileSource};

mod field_ids;
mod file;
mod footer;
mod listing;
mod page_index;
mod prune;
mod reader;
#[cfg(test)]
mod tests;
mod thrift;
mod types;
pub(crate) mod variant;
mod write;

pub(crate) use listing::{FUNCTIONS as LISTINGS, source as listing};
pub(crate) use write::sink;

/// The options of the reader.
pub(crate) const READ_OPTIONS: &[&str] = &[
    "binary_as_string",
    "compression",
    "file_row_number",
    "filename",
    "hive_partitioning",
    "hive_types",
    "hive_types_autocast",
    "union_by_name",
];

/// The options, checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ParquetOptions {
    /// Bytes without annotation are text.
    pub binary_as_string: bool,
    /// Files may have different columns.
    pub union_by_name: bool,
    /// There is a column with the place of each row in its file.
    pub file_row_number: bool,
}

/// A reader of these files.
pub(crate) fn source(
    files: &FileList,
    options: &Options,
    target: Option<&[Field]>,
) -> Result<Arc<dyn Source>> {
    let parsed = ParquetOptions {
        binary_as_string: options.boolean(&["binary_as_string"])?.unwrap_or(false),
        union_by_name: options.boolean(&["union_by_name"])?.unwrap_or(false),
        file_row_number: options.boolean(&["file_row_number"])?.unwrap_or(false) && target.is_none(),
    };
    let columns = FileColumns::new(options)?.for_target(target);
    let parquet = reader::Parquet::new(files, parsed, target)?;
    FileSource::new(files.clone(), parquet, &columns)
}
