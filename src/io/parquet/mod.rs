//! Parquet.

use std::sync::Arc;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Field, Schema};
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{Sink, Source};
use crate::io::files::FileList;
use crate::io::options::Options;

/// The options of the reader.
pub(crate) const READ_OPTIONS: &[&str] = &["binary_as_string"];

/// A reader of these files.
pub(crate) fn source(
    _files: &FileList,
    _options: &Options,
    _target: Option<&[Field]>,
) -> Result<Arc<dyn Source>> {
    Err(ExecError::Unsupported("reading Parquet".into()))
}

/// A writer to this path.
pub(crate) fn sink(
    _path: &str,
    _options: &[(String, Scalar, LogicalType)],
    _schema: Schema,
) -> Result<Arc<dyn Sink>> {
    Err(ExecError::Unsupported("writing Parquet".into()))
}
