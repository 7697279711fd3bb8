//! Sessions that may touch no files but those of the database: `SET enable_external_access = false`.

use std::sync::Arc;

use crate::exec::batch::{Field, Schema};
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{Sink, Source, TableFunctionArgs};
use crate::sql::error::SqlError;
use crate::sql::external::{Formats, NamedOptions};
use crate::sql::session::Session;

/// Settings that name places of files: as they are when access ends, they stay.
pub const PLACES: &[&str] = &["profile_output", "slow_query_log", "temp_directory"];

/// What is said of an access that is refused.
pub fn refusal(what: &str) -> String {
    format!("Cannot access {what}: files are out of reach, as enable_external_access is false")
}

/// Formats of which every file is out of reach.
pub struct OutOfReach(pub Arc<dyn Formats>);

fn refused<T>(path: &str) -> Result<T> {
    Err(ExecError::InvalidInput(refusal(&format!("file \"{path}\""))))
}

impl Formats for OutOfReach {
    fn table_functions(&self) -> &[&'static str] {
        self.0.table_functions()
    }

    fn table_function(&self, name: &str, _args: &TableFunctionArgs) -> Option<Result<Arc<dyn Source>>> {
        let known = self.0.table_functions().iter().any(|known| known.eq_ignore_ascii_case(name));
        known.then(|| Err(ExecError::InvalidInput(refusal(&format!("files with {name}")))))
    }

    fn is_file_name(&self, name: &str) -> bool {
        self.0.is_file_name(name)
    }

    fn open(&self, path: &str) -> Result<Arc<dyn Source>> {
        refused(path)
    }

    fn copy_source(
        &self,
        path: &str,
        _format: Option<&str>,
        _options: &NamedOptions,
        _columns: &[Field],
    ) -> Result<Arc<dyn Source>> {
        refused(path)
    }

    fn copy_sink(
        &self,
        path: &str,
        _format: Option<&str>,
        _options: &NamedOptions,
        _schema: Schema,
    ) -> Result<Arc<dyn Sink>> {
        refused(path)
    }
}

impl Session {
    /// Readers and writers of outside formats, as far as they may be used.
    pub(in crate::sql) fn formats(&self) -> &Arc<dyn Formats> {
        if self.settings.external_access { &self.formats } else { &self.out_of_reach }
    }

    /// Fails if a statement may not touch this file.
    pub(in crate::sql) fn check_external_access(&self, path: &str) -> Result<(), SqlError> {
        if self.settings.external_access {
            return Ok(());
        }
        Err(SqlError::invalid(refusal(&format!("file \"{path}\""))))
    }
}
