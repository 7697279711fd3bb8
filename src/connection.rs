//! A connection: statements in, rows out.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parking_lot::Mutex;

use crate::database::Shared;
use crate::error::Result;
use crate::exec::batch::{Batch, Field, Schema, arrow_schema, to_record_batch};
use crate::exec::context::{CancelToken, ExecContext};
use crate::sql::SqlError;
use crate::sql::split::split_statements;
use crate::sql::{parser, stack};

/// A connection to a database: it has its settings and its transaction, and runs one statement at a time.
/// A connection may go to another thread, but statements of two threads need two connections.
///
/// ```
/// # fn main() -> fluxdb::Result<()> {
/// let db = fluxdb::Database::open_in_memory()?;
/// let connection = db.connect();
/// # let _ = connection;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    cancel: CancelToken,
    /// The statement that runs, or ran last.
    running: Arc<Mutex<Option<Arc<ExecContext>>>>,
}

/// What a statement returned.
#[derive(Debug)]
#[non_exhaustive]
pub enum StatementResult {
    /// Rows.
    Rows(Rows),
    /// The number of rows that were written.
    Changed(u64),
    /// Nothing.
    Done,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, cancel: CancelToken::default(), running: Arc::default() }
    }

    /// Runs exactly one statement, with or without its `;`.
    ///
    /// # Errors
    ///
    /// The statement is not SQL, does not fit what exists, or failed. Its effects are undone.
    pub fn run(&self, sql: &str) -> Result<StatementResult> {
        let tokens = parser::tokens(sql)?;
        let size = stack::Size::of(&tokens);
        stack::with_room(size, || parser::parse_statement(tokens).map(drop))??;
        Err(SqlError::unsupported("statements cannot be run yet").into())
    }

    /// Runs all statements of a text and drops their rows. Returns the number of rows that the last one
    /// wrote.
    ///
    /// # Errors
    ///
    /// That of the first statement that fails; those behind it are not run.
    pub fn execute(&self, sql: &str) -> Result<u64> {
        match self.run_all(sql)? {
            StatementResult::Changed(rows) => Ok(rows),
            StatementResult::Rows(rows) => {
                for batch in rows {
                    batch?;
                }
                Ok(0)
            }
            StatementResult::Done => Ok(0),
        }
    }

    /// Runs all statements of a text and returns the rows of the last. One that returns none gives no
    /// columns and no rows.
    ///
    /// # Errors
    ///
    /// That of the first statement that fails; those behind it are not run.
    pub fn query(&self, sql: &str) -> Result<Rows> {
        match self.run_all(sql)? {
            StatementResult::Rows(rows) => Ok(rows),
            StatementResult::Changed(_) | StatementResult::Done => Ok(Rows::empty()),
        }
    }

    fn run_all(&self, sql: &str) -> Result<StatementResult> {
        let mut last = StatementResult::Done;
        for statement in split_statements(sql) {
            if let StatementResult::Rows(rows) = std::mem::replace(&mut last, StatementResult::Done) {
                for batch in rows {
                    batch?;
                }
            }
            let before = statement.as_ptr() as usize - sql.as_ptr() as usize;
            last = self.run(statement).map_err(|e| e.behind(&sql[..before]))?;
        }
        Ok(last)
    }

    /// Asks the statement that runs to stop; from any thread.
    pub fn cancel_handle(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// How far the statement that runs has come; from any thread.
    pub fn progress_handle(&self) -> ProgressHandle {
        ProgressHandle { running: Arc::clone(&self.running) }
    }

    /// Names that may stand in a statement: tables, views, columns, functions.
    pub fn completions(&self) -> Vec<String> {
        vec![]
    }

    /// `CREATE` statements for the table or view of that name, or for all.
    ///
    /// # Errors
    ///
    /// There is nothing of that name.
    pub fn create_statements(&self, _name: Option<&str>) -> Result<Vec<String>> {
        Ok(vec![])
    }
}

/// Tells how far a connection's statement has come.
#[derive(Debug, Clone)]
pub struct ProgressHandle {
    running: Arc<Mutex<Option<Arc<ExecContext>>>>,
}

impl ProgressHandle {
    /// The share of the rows that have been scanned, 0 to 1, as far as it is known.
    pub fn fraction(&self) -> Option<f64> {
        use std::sync::atomic::Ordering::Relaxed;
        let running = self.running.lock().clone()?;
        let expected = running.counters.rows_expected.load(Relaxed);
        let scanned = running.counters.rows_scanned.load(Relaxed);
        (expected > 0).then(|| (scanned as f64 / expected as f64).clamp(0.0, 1.0))
    }
}

/// The rows of a statement, batch by batch. They are made while they are read.
pub struct Rows {
    schema: Schema,
    arrow: SchemaRef,
    batches: Box<dyn Iterator<Item = Result<Batch>> + Send>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Rows {
    pub(crate) fn new(schema: Schema, batches: Box<dyn Iterator<Item = Result<Batch>> + Send>) -> Self {
        Self { arrow: arrow_schema(&schema), schema, batches }
    }

    fn empty() -> Self {
        Self::new(Arc::new([]), Box::new(std::iter::empty()))
    }

    /// Names and types of the columns.
    pub fn columns(&self) -> &[Field] {
        &self.schema
    }

    /// The Arrow schema of the batches that the iterator yields.
    pub fn arrow_schema(&self) -> SchemaRef {
        self.arrow.clone()
    }

    /// The next batch in the layout of execution (see [`Batch`]); `None` at the end.
    pub fn next_batch(&mut self) -> Option<Result<Batch>> {
        self.batches.next()
    }
}

/// Yields Arrow batches.
impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.batches.next()?;
        Some(batch.and_then(|b| {
            to_record_batch(b, &self.arrow).map_err(|e| crate::exec::error::ExecError::from(e).into())
        }))
    }
}
