//! A connection: statements in, rows out.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parking_lot::Mutex;

use crate::database::Shared;
use crate::error::Result;
use crate::exec::batch::{Batch, Field, arrow_schema, to_record_batch};
use crate::exec::context::CancelToken;
use crate::exec::error::ExecError;
use crate::exec::functions::flatten;
use crate::exec::zone::Zone;
use crate::formats::BuiltinFormats;
use crate::params::Params;
use crate::sql::SqlError;
use crate::sql::bind::Tables;
use crate::sql::session::{ActiveQuery, Activity, Outcome, ResultRows, Running, Session};
use crate::sql::split::split_statements;
use crate::sql::statement::ddl_text::create_statements;

/// A connection to a database: it has its settings and its transaction, and runs one statement at a time.
/// A connection may go to another thread, but statements of two threads need two connections.
///
/// ```
/// # fn main() -> fluxdb::Result<()> {
/// let db = fluxdb::Database::open_in_memory()?;
/// let connection = db.connect();
/// connection.execute("CREATE TABLE cpu(time TIMESTAMP, host VARCHAR, usage DOUBLE)")?;
/// connection.execute("INSERT INTO cpu VALUES ('2024-01-01 00:00:10', 'a', 2), ('2024-01-01 00:04:00', 'a', 4)")?;
/// for batch in connection.query("SELECT avg(usage) FROM cpu GROUP BY host EVERY 5m")? {
///     assert_eq!(batch?.num_columns(), 3); // time, host, avg(usage)
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connection {
    session: Mutex<Session>,
    cancel: CancelToken,
    /// The statement that runs, or ran last.
    running: Running,
    activity: Arc<Activity>,
    /// The connection's number.
    id: u64,
}

/// What a statement returned.
#[derive(Debug)]
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
        let (cancel, running) = (CancelToken::default(), Running::default());
        let session = Session::new(
            Arc::clone(&shared.databases),
            Arc::new(BuiltinFormats),
            shared.settings.clone(),
            cancel.clone(),
            Arc::clone(&running),
        );
        let activity = Arc::clone(shared.databases.activity());
        let id = activity.connection();
        Self { session: Mutex::new(session), cancel, running, activity, id }
    }

    /// Runs exactly one statement, with or without its `;`.
    ///
    /// # Errors
    ///
    /// The statement is not SQL, does not fit what exists, or failed. Its effects are undone.
    pub fn run(&self, sql: &str) -> Result<StatementResult> {
        self.run_with(sql, ())
    }

    /// Runs exactly one statement with values for its parameters.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); and if the values are not just those that the statement asks for.
    pub fn run_with(&self, sql: &str, params: impl Into<Params>) -> Result<StatementResult> {
        let mut session = self.session.lock();
        let mut active = self.activity.begin(self.id, sql, &self.running);
        let outcome = session.run(sql, params.into().0).inspect_err(|e| active.failed(e))?;
        active.has_begun();
        Ok(match outcome {
            Outcome::Rows(rows) => {
                StatementResult::Rows(Rows::new(rows, session.settings.time_zone.clone(), Some(active)))
            }
            Outcome::Changed(rows) => {
                active.add_rows(rows);
                StatementResult::Changed(rows)
            }
            Outcome::Done => StatementResult::Done,
        })
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
                rows.count_rows()?;
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

    /// Runs exactly one statement with values for its parameters and returns its rows.
    ///
    /// ```
    /// let db = fluxdb::Database::open_in_memory()?;
    /// let connection = db.connect();
    /// let rows = connection.query_with("SELECT range FROM range(10) WHERE range >= ? LIMIT ?", (7, 2))?;
    /// assert_eq!(rows.count_rows()?, 2);
    /// let named = fluxdb::Params::named([("least", 8.into())]);
    /// assert_eq!(connection.query_with("FROM range(10) WHERE range >= $least", named)?.count_rows()?, 2);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run_with`](Self::run_with).
    pub fn query_with(&self, sql: &str, params: impl Into<Params>) -> Result<Rows> {
        match self.run_with(sql, params)? {
            StatementResult::Rows(rows) => Ok(rows),
            StatementResult::Changed(_) | StatementResult::Done => Ok(Rows::empty()),
        }
    }

    /// Runs exactly one statement with values for its parameters, and drops its rows. Returns the number of rows
    /// that it wrote.
    ///
    /// # Errors
    ///
    /// As [`run_with`](Self::run_with).
    pub fn execute_with(&self, sql: &str, params: impl Into<Params>) -> Result<u64> {
        match self.run_with(sql, params)? {
            StatementResult::Changed(rows) => Ok(rows),
            StatementResult::Rows(rows) => {
                rows.count_rows()?;
                Ok(0)
            }
            StatementResult::Done => Ok(0),
        }
    }

    fn run_all(&self, sql: &str) -> Result<StatementResult> {
        let mut last = StatementResult::Done;
        for statement in split_statements(sql) {
            if let StatementResult::Rows(rows) = std::mem::replace(&mut last, StatementResult::Done) {
                rows.count_rows()?;
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

    /// The names of all tables and views; those outside the schema `main` with their schema.
    pub fn table_names(&self) -> Vec<String> {
        let view = self.session.lock().read_view();
        let mut names = vec![];
        for schema in view.catalog().schemas() {
            let schema_name = &schema.definition().name;
            for object in schema.relations() {
                names.push(if **schema_name == *crate::catalog::MAIN_SCHEMA {
                    object.name().to_owned()
                } else {
                    format!("{schema_name}.{}", object.name())
                });
            }
        }
        names
    }

    /// The names of all columns of all tables, each once.
    pub fn column_names(&self) -> Vec<String> {
        let view = self.session.lock().read_view();
        let columns = view.catalog().tables().flat_map(|t| &t.columns).map(|c| c.name.to_string());
        let names: std::collections::BTreeSet<String> = columns.collect();
        names.into_iter().collect()
    }

    /// Names that may stand in a statement: tables, views, columns, functions.
    pub fn completions(&self) -> Vec<String> {
        let mut names = self.table_names();
        names.extend(self.column_names());
        names.extend(crate::exec::functions::catalog().iter().map(|f| f.name.to_owned()));
        names.extend(crate::exec::aggregates::catalog().iter().map(|f| f.name.to_owned()));
        names.extend(crate::io::TABLE_FUNCTIONS.iter().map(|f| (*f).to_owned()));
        names.extend(crate::sql::sources::TABLE_FUNCTIONS.iter().map(|f| (*f).to_owned()));
        names.retain(|n| n.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_'));
        names
    }

    /// `CREATE` statements for the table or view of that name, or for all.
    ///
    /// # Errors
    ///
    /// There is nothing of that name.
    pub fn create_statements(&self, name: Option<&str>) -> Result<Vec<String>> {
        let view = self.session.lock().read_view();
        let statements = create_statements(view.catalog(), name);
        if let (Some(name), true) = (name, statements.is_empty()) {
            return Err(match view.catalog().object(crate::catalog::MAIN_SCHEMA, name) {
                Err(e) => SqlError::from_catalog(&e),
                Ok(_) => SqlError::internal("the catalog changed"),
            }
            .into());
        }
        Ok(statements)
    }
}

/// Tells how far a connection's statement has come.
#[derive(Debug, Clone)]
pub struct ProgressHandle {
    running: Running,
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
#[derive(Debug)]
pub struct Rows {
    rows: ResultRows,
    arrow: SchemaRef,
    zone: Zone,
    active: Option<ActiveQuery>,
}

impl Rows {
    fn new(rows: ResultRows, zone: Zone, active: Option<ActiveQuery>) -> Self {
        Self { arrow: arrow_schema(rows.schema()), rows, zone, active }
    }

    fn empty() -> Self {
        Self::new(ResultRows::Static(Arc::new([]), std::collections::VecDeque::new()), Zone::utc(), None)
    }

    /// Names and types of the columns.
    pub fn columns(&self) -> &[Field] {
        self.rows.schema()
    }

    /// The session's time zone, in which a `TIMESTAMP WITH TIME ZONE` is meant to be shown.
    pub fn time_zone(&self) -> &Zone {
        &self.zone
    }

    /// The Arrow schema of the batches that the iterator yields.
    pub fn arrow_schema(&self) -> SchemaRef {
        self.arrow.clone()
    }

    /// The next batch in the layout of execution (see [`Batch`]); `None` at the end.
    pub fn next_batch(&mut self) -> Option<Result<Batch>> {
        let next = self.rows.next();
        match (&next, &mut self.active) {
            (Some(Ok(batch)), Some(active)) => active.add_rows(batch.rows as u64),
            (Some(Err(e)), Some(active)) => active.failed(e),
            (None, active) => *active = None,
            _ => {}
        }
        next.map(|batch| batch.map_err(Into::into))
    }

    /// Reads all rows, and tells how many they are.
    ///
    /// # Errors
    ///
    /// The statement failed while it ran.
    pub fn count_rows(mut self) -> Result<u64> {
        let mut rows = 0;
        while let Some(batch) = self.next_batch() {
            rows += batch?.rows as u64;
        }
        Ok(rows)
    }

    fn to_arrow(&self, batch: Batch) -> Result<RecordBatch> {
        let columns = batch.columns.iter().map(flatten).collect::<Result<Vec<_>, ExecError>>()?;
        let batch = Batch::new(columns, batch.rows);
        Ok(to_record_batch(batch, &self.arrow).map_err(ExecError::from)?)
    }
}

/// Yields Arrow batches, without dictionaries.
impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.next_batch()?;
        Some(batch.and_then(|b| self.to_arrow(b)))
    }
}
