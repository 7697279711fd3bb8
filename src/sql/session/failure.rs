//! Why a statement failed.

use crate::exec::error::ExecError;
use crate::sql::error::SqlError;
use crate::table::TableError;

/// Why a statement failed.
#[derive(Debug, Clone)]
pub enum Failure {
    /// It cannot be understood, or does not fit what exists.
    Sql(SqlError),
    /// It failed while it ran.
    Exec(ExecError),
    /// The database's storage failed.
    Table(TableError),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sql(e) => e.fmt(f),
            Self::Exec(e) => e.fmt(f),
            Self::Table(e) => e.fmt(f),
        }
    }
}

impl Failure {
    /// As the error of a statement that another one is made of, whose places mean nothing in that.
    pub fn without_position(self) -> Self {
        match self {
            Self::Sql(e) => Self::Sql(SqlError { position: None, ..e }),
            other => other,
        }
    }

    /// As the error of a statement in a file.
    pub fn inside(self, file: &str) -> Self {
        match self.without_position() {
            Self::Sql(e) => Self::Sql(SqlError { message: format!("in {file}: {}", e.message), ..e }),
            other => other,
        }
    }
}

impl From<SqlError> for Failure {
    fn from(e: SqlError) -> Self {
        Self::Sql(e)
    }
}

impl From<ExecError> for Failure {
    fn from(e: ExecError) -> Self {
        match e {
            ExecError::Storage(e) => Self::Table(e),
            e => Self::Exec(e),
        }
    }
}

impl From<TableError> for Failure {
    fn from(e: TableError) -> Self {
        match e {
            TableError::Catalog(e) => Self::Sql(SqlError::from_catalog(&e)),
            e => Self::Table(e),
        }
    }
}
