//! Arrow IPC, files and streams, through the `arrow-ipc` crate.

use std::sync::Arc;

use crate::exec::batch::Field;
use crate::exec::error::Result;
use crate::exec::source::Source;
use crate::io::files::FileList;
use crate::io::options::Options;
use crate::io::source::{FileColumns, FileSource};

mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use write::sink;

/// The options of the reader.
pub(crate) const READ_OPTIONS: &[&str] =
    &["filename", "hive_partitioning", "hive_types", "hive_types_autocast", "union_by_name"];

/// A reader of these files.
pub(crate) fn source(
    files: &FileList,
    options: &Options,
    target: Option<&[Field]>,
) -> Result<Arc<dyn Source>> {
    let columns = FileColumns::new(options)?.for_target(target);
    let union_by_name = options.boolean(&["union_by_name"])?.unwrap_or(false);
    let arrow = read::Arrow::new(files, union_by_name, target)?;
    FileSource::new(files.clone(), arrow, &columns)
}
