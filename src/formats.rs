//! The formats that the SQL layer is given: those of [`crate::io`].

use std::sync::Arc;

use crate::exec::batch::{Field, Schema};
use crate::exec::error::Result;
use crate::exec::source::{Sink, Source, TableFunctionArgs};
use crate::io;
use crate::sql::external::{Formats, NamedOptions};

/// All formats that are built in.
#[derive(Debug, Default)]
pub(crate) struct BuiltinFormats;

impl Formats for BuiltinFormats {
    fn table_functions(&self) -> &[&'static str] {
        io::TABLE_FUNCTIONS
    }

    fn table_function(&self, name: &str, args: &TableFunctionArgs) -> Option<Result<Arc<dyn Source>>> {
        io::table_function(name, args)
    }

    fn is_file_name(&self, name: &str) -> bool {
        io::is_file_name(name)
    }

    fn open(&self, path: &str) -> Result<Arc<dyn Source>> {
        io::source_for_path(path)
    }

    fn copy_source(
        &self,
        path: &str,
        format: Option<&str>,
        options: &NamedOptions,
        columns: &[Field],
    ) -> Result<Arc<dyn Source>> {
        io::copy_source(path, format, options, columns)
    }

    fn copy_sink(
        &self,
        path: &str,
        format: Option<&str>,
        options: &NamedOptions,
        schema: Schema,
    ) -> Result<Arc<dyn Sink>> {
        io::copy_sink(path, format, options, schema)
    }
}
