//! JSON.

use std::sync::Arc;

use crate::exec::batch::Field;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::Source;
use crate::io::files::FileList;
use crate::io::format::Format;
use crate::io::options::Options;

mod write;

pub(crate) use write::sink;

/// The options of the reader.
pub(crate) const READ_OPTIONS: &[&str] = &["header", "delim"];

/// A reader of these files.
pub(crate) fn source(
    _files: &FileList,
    _format: Format,
    _options: &Options,
    _target: Option<&[Field]>,
) -> Result<Arc<dyn Source>> {
    Err(ExecError::Unsupported("reading JSON".into()))
}
