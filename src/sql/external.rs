//! Files of outside formats, as the binder sees them. The public face provides the formats, so that this
//! layer does not depend on any.

use std::sync::Arc;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Field, Schema};
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{Sink, Source, TableFunctionArgs};

/// Named options: names in lower case, values, types.
pub type NamedOptions = [(String, Scalar, LogicalType)];

/// Readers and writers of outside formats.
pub trait Formats: Send + Sync {
    /// Names of the table functions.
    fn table_functions(&self) -> &[&'static str];

    /// The table function of that name, or `None` if there is none.
    fn table_function(&self, name: &str, args: &TableFunctionArgs) -> Option<Result<Arc<dyn Source>>>;

    /// Whether a name in FROM that no table has is the name of a file.
    fn is_file_name(&self, name: &str) -> bool;

    /// The rows of a file.
    fn open(&self, path: &str) -> Result<Arc<dyn Source>>;

    /// The rows of a file for a table of these columns.
    fn copy_source(
        &self,
        path: &str,
        format: Option<&str>,
        options: &NamedOptions,
        columns: &[Field],
    ) -> Result<Arc<dyn Source>>;

    /// The target of COPY TO.
    fn copy_sink(
        &self,
        path: &str,
        format: Option<&str>,
        options: &NamedOptions,
        schema: Schema,
    ) -> Result<Arc<dyn Sink>>;
}

/// No formats at all.
#[derive(Debug, Default)]
pub struct NoFormats;

impl Formats for NoFormats {
    fn table_functions(&self) -> &[&'static str] {
        &[]
    }

    fn table_function(&self, _name: &str, _args: &TableFunctionArgs) -> Option<Result<Arc<dyn Source>>> {
        None
    }

    fn is_file_name(&self, _name: &str) -> bool {
        false
    }

    fn open(&self, path: &str) -> Result<Arc<dyn Source>> {
        Err(ExecError::Unsupported(format!("cannot read \"{path}\": no file formats are built in")))
    }

    fn copy_source(
        &self,
        path: &str,
        _format: Option<&str>,
        _options: &NamedOptions,
        _columns: &[Field],
    ) -> Result<Arc<dyn Source>> {
        self.open(path)
    }

    fn copy_sink(
        &self,
        path: &str,
        _format: Option<&str>,
        _options: &NamedOptions,
        _schema: Schema,
    ) -> Result<Arc<dyn Sink>> {
        Err(ExecError::Unsupported(format!("cannot write \"{path}\": no file formats are built in")))
    }
}
