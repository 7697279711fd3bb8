//! Prepared statements.

use std::sync::Arc;

use crate::connection::{Connection, Rows, StatementResult};
use crate::error::Result;
use crate::params::Params;
use crate::row::FromRow;
use crate::sql::session::PreparedStatement;

/// A statement that was parsed once and runs any number of times.
///
/// A query keeps its plan from its second run on, for any values of the same types, until what it names means something
/// else or its tables are of another size; so does an INSERT of VALUES that are parameters. Other statements are planned
/// each time.
///
/// ```
/// use fluxdb::params;
///
/// let connection = fluxdb::Database::open_in_memory()?.connect();
/// connection.execute("CREATE TABLE t(i INTEGER, s VARCHAR)")?;
/// let insert = connection.prepare("INSERT INTO t VALUES (?, ?)")?;
/// for (i, s) in [(1, "one"), (2, "two")] {
///     insert.execute(params![i, s])?;
/// }
/// let find = connection.prepare("SELECT s FROM t WHERE i = $i")?;
/// assert_eq!(find.parameter_names(), ["i"]);
/// let (s,): (String,) = find.query_one(params! { i: 2 })?;
/// assert_eq!(s, "two");
/// # Ok::<(), fluxdb::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Statement<'c> {
    connection: &'c Connection,
    prepared: Arc<PreparedStatement>,
}

impl<'c> Statement<'c> {
    pub(crate) fn new(connection: &'c Connection, prepared: Arc<PreparedStatement>) -> Self {
        Self { connection, prepared }
    }

    /// The names of its parameters, without their `$`; those of `?` are numbers.
    pub fn parameter_names(&self) -> &[String] {
        &self.prepared.parameters
    }

    /// Its text.
    pub fn sql(&self) -> &str {
        &self.prepared.sql
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// As [`Connection::run_with`].
    pub fn run(&self, params: impl Into<Params>) -> Result<StatementResult> {
        self.connection.run_prepared(&self.prepared, params.into())
    }

    /// Runs it and returns its rows.
    ///
    /// # Errors
    ///
    /// As [`Connection::run_with`].
    pub fn query(&self, params: impl Into<Params>) -> Result<Rows> {
        self.run(params).map(StatementResult::into_rows)
    }

    /// Runs it and makes something of each row.
    ///
    /// # Errors
    ///
    /// As [`Connection::query_as`].
    pub fn query_as<T: FromRow>(&self, params: impl Into<Params>) -> Result<Vec<T>> {
        self.query(params)?.into_rows().map(|row| T::from_row(&row?)).collect()
    }

    /// Runs it and makes something of its one row.
    ///
    /// # Errors
    ///
    /// As [`Connection::query_one`].
    pub fn query_one<T: FromRow>(&self, params: impl Into<Params>) -> Result<T> {
        self.query(params)?.one()
    }

    /// Runs it and makes something of its one row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Connection::query_optional`].
    pub fn query_optional<T: FromRow>(&self, params: impl Into<Params>) -> Result<Option<T>> {
        self.query(params)?.optional()
    }

    /// Runs it and drops its rows. Returns the number of rows that it wrote.
    ///
    /// # Errors
    ///
    /// As [`Connection::run_with`].
    pub fn execute(&self, params: impl Into<Params>) -> Result<u64> {
        self.run(params)?.finish()
    }
}
