//! A connection: statements in, rows out.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parking_lot::Mutex;

use crate::appender::Appender;
use crate::database::Shared;
use crate::error::{Error, Result, guarded};
use crate::exec::batch::{Batch, Field, arrow_schema, to_record_batch};
use crate::exec::context::CancelToken;
use crate::exec::error::ExecError;
use crate::exec::functions::flatten;
use crate::exec::zone::Zone;
use crate::formats::BuiltinFormats;
use crate::keyed::KeyedTable;
use crate::params::Params;
use crate::row::{FromRow, RowIter};
use crate::sql::SqlError;
use crate::sql::bind::Tables;
use crate::sql::extensions::Extensions;
use crate::sql::session::{
    ActiveQuery, Activity, Databases, Failure, Outcome, PreparedStatement, ResultRows, Running, Session,
};
use crate::sql::sources::relation_columns;
use crate::sql::split::split_statements;
use crate::sql::statement::ddl_text::create_statements;
use crate::statement::Statement;
use crate::upkeep::Upkeep;

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
    databases: Arc<Databases>,
    /// Behind all else that holds the database, so that its thread is gone before the file is closed.
    upkeep: Arc<Upkeep>,
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

impl StatementResult {
    /// The rows; none, without columns, of a statement that returns none.
    pub fn into_rows(self) -> Rows {
        match self {
            Self::Rows(rows) => rows,
            Self::Changed(_) | Self::Done => Rows::empty(),
        }
    }

    /// Reads all rows and drops them. Returns the number of rows that were written.
    ///
    /// # Errors
    ///
    /// The statement failed while it ran.
    pub fn finish(self) -> Result<u64> {
        match self {
            Self::Changed(rows) => Ok(rows),
            Self::Rows(rows) => rows.count_rows().map(|_| 0),
            Self::Done => Ok(0),
        }
    }
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
        let (databases, upkeep) = (Arc::clone(&shared.databases), Arc::clone(&shared.upkeep));
        Self { session: Mutex::new(session), cancel, running, activity, id, databases, upkeep }
    }

    /// Runs exactly one statement, with or without its `;`.
    ///
    /// # Errors
    ///
    /// The statement is not SQL, does not fit what exists, or failed. Its effects are undone.
    pub fn run(&self, sql: &str) -> Result<StatementResult> {
        self.run_with(sql, ())
    }

    /// Parses a statement that is to run several times. What its names mean is found out when it runs.
    ///
    /// # Errors
    ///
    /// The text is not SQL.
    pub fn prepare(&self, sql: &str) -> Result<Statement<'_>> {
        let prepared = guarded(|| Ok(self.session.lock().parse(sql)?))?;
        Ok(Statement::new(self, Arc::new(prepared)))
    }

    pub(crate) fn run_prepared(
        &self,
        prepared: &PreparedStatement,
        params: Params,
    ) -> Result<StatementResult> {
        self.run_in_session(&prepared.sql, |session| {
            session.run_parsed_before(prepared, params.into_parameters())
        })
    }

    /// Runs exactly one statement and makes something of each of its rows: a tuple, or a struct that
    /// derives [`FromRow`](trait@FromRow).
    ///
    /// ```
    /// let connection = fluxdb::Database::open_in_memory()?.connect();
    /// let squares: Vec<(i64, i64)> = connection.query_as("SELECT range, range * range FROM range(?)", (4,))?;
    /// assert_eq!(squares[3], (3, 9));
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run_with`](Self::run_with); and if a column is missing or of another type.
    pub fn query_as<T: FromRow>(&self, sql: &str, params: impl Into<Params>) -> Result<Vec<T>> {
        self.query_with(sql, params)?.into_rows().map(|row| T::from_row(&row?)).collect()
    }

    /// Runs exactly one statement and makes something of its one row.
    ///
    /// # Errors
    ///
    /// As [`query_as`](Self::query_as); and if there is no row, or more than one.
    pub fn query_one<T: FromRow>(&self, sql: &str, params: impl Into<Params>) -> Result<T> {
        self.query_with(sql, params)?.one()
    }

    /// Runs exactly one statement and makes something of its one row, if there is one.
    ///
    /// ```
    /// let connection = fluxdb::Database::open_in_memory()?.connect();
    /// connection.execute("CREATE TABLE users AS SELECT 7 AS id, 'ada' AS name")?;
    /// let name = |id: i32| connection.query_optional::<(String,)>("SELECT name FROM users WHERE id = ?", (id,));
    /// assert_eq!(name(7)?, Some(("ada".to_owned(),)));
    /// assert_eq!(name(8)?, None);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`query_as`](Self::query_as); and if there is more than one row.
    pub fn query_optional<T: FromRow>(&self, sql: &str, params: impl Into<Params>) -> Result<Option<T>> {
        self.query_with(sql, params)?.optional()
    }

    /// Runs exactly one statement and returns its rows as a stream of Arrow batches for other libraries.
    ///
    /// ```
    /// use fluxdb::arrow_array::RecordBatchReader;
    ///
    /// let connection = fluxdb::Database::open_in_memory()?.connect();
    /// let reader = connection.query_arrow("SELECT range AS n FROM range(5)", ())?;
    /// assert_eq!(reader.schema().field(0).name(), "n");
    /// let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
    /// assert_eq!(rows, 5);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run_with`](Self::run_with).
    pub fn query_arrow(&self, sql: &str, params: impl Into<Params>) -> Result<ArrowReader> {
        Ok(ArrowReader(self.query_with(sql, params)?))
    }

    /// Does something in a transaction: what it did is committed if it succeeds and undone if it fails or panics.
    ///
    /// ```
    /// let connection = fluxdb::Database::open_in_memory()?.connect();
    /// connection.execute("CREATE TABLE accounts(name VARCHAR, balance INTEGER CHECK (balance >= 0))")?;
    /// connection.execute("INSERT INTO accounts VALUES ('ada', 10), ('bob', 0)")?;
    /// let moved = connection.transaction(|c| -> fluxdb::Result<()> {
    ///     c.execute("UPDATE accounts SET balance = balance + 20 WHERE name = 'bob'")?;
    ///     c.execute("UPDATE accounts SET balance = balance - 20 WHERE name = 'ada'")?;
    ///     Ok(())
    /// });
    /// assert!(moved.is_err());
    /// let (sum,): (i64,) = connection.query_one("SELECT sum(balance) FROM accounts", ())?;
    /// assert_eq!(sum, 10);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// That of `work`; or the transaction could not begin, because one is open, or not be committed.
    pub fn transaction<T, E: From<Error>>(&self, work: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        struct Undo<'c>(Option<&'c Connection>);
        impl Drop for Undo<'_> {
            fn drop(&mut self) {
                if let Some(connection) = self.0.take() {
                    // It may be over already: then there is nothing to undo.
                    let _ = connection.run("ROLLBACK");
                }
            }
        }
        self.run("BEGIN")?;
        let mut undo = Undo(Some(self));
        let value = work(self)?;
        self.run("COMMIT")?;
        undo.0 = None;
        Ok(value)
    }

    /// Adds many rows to a table. `table` is a name as it stands in SQL.
    ///
    /// # Errors
    ///
    /// There is no such table.
    pub fn appender(&self, table: &str) -> Result<Appender<'_>> {
        Appender::new(self, table)
    }

    /// A table with a primary key, whose rows are read and written by key without SQL: in the transaction that is
    /// open, if one is. `name` is a name as it stands in SQL.
    ///
    /// # Errors
    ///
    /// There is no such table, or it has no primary key.
    pub fn keyed(&self, name: &str) -> Result<KeyedTable<'_>> {
        KeyedTable::new(self, name)
    }

    pub(crate) fn session(&self) -> parking_lot::MutexGuard<'_, Session> {
        self.session.lock()
    }

    pub(crate) fn extensions(&self) -> Arc<Extensions> {
        Arc::clone(self.session.lock().extensions())
    }

    /// Runs exactly one statement with values for its parameters.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); and if the values are not just those that the statement asks for.
    pub fn run_with(&self, sql: &str, params: impl Into<Params>) -> Result<StatementResult> {
        self.run_in_session(sql, |session| session.run(sql, params.into().into_parameters()))
    }

    fn run_in_session(
        &self,
        sql: &str,
        run: impl FnOnce(&mut Session) -> Result<Outcome, Failure>,
    ) -> Result<StatementResult> {
        let mut session = self.session.lock();
        let mut active = self.activity.begin(self.id, sql, &self.running, &session.settings.reports);
        session.begins(active.identity());
        let outcome = guarded(|| Ok(run(&mut session)?)).inspect_err(|e| active.failed(e))?;
        active.has_begun();
        self.upkeep.look(&self.databases, &session.settings);
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
        self.run_all(sql)?.finish()
    }

    /// Runs all statements of a text and returns the rows of the last. One that returns none gives no
    /// columns and no rows.
    ///
    /// # Errors
    ///
    /// That of the first statement that fails; those behind it are not run.
    pub fn query(&self, sql: &str) -> Result<Rows> {
        Ok(self.run_all(sql)?.into_rows())
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
        Ok(self.run_with(sql, params)?.into_rows())
    }

    /// Runs exactly one statement with values for its parameters, and drops its rows. Returns the number of rows
    /// that it wrote.
    ///
    /// # Errors
    ///
    /// As [`run_with`](Self::run_with).
    pub fn execute_with(&self, sql: &str, params: impl Into<Params>) -> Result<u64> {
        self.run_with(sql, params)?.finish()
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

    /// What each operator of the last statement did, if the setting `profile` was on and its result is dropped, in the
    /// format that the setting named.
    ///
    /// ```
    /// let connection = fluxdb::Database::open_in_memory()?.connect();
    /// connection.execute("SET profile = 'text'; SELECT sum(range) FROM range(10)")?;
    /// assert!(connection.last_profile().unwrap().contains("AGGREGATE"));
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    pub fn last_profile(&self) -> Option<Arc<str>> {
        self.activity.last_profile(self.id)
    }

    /// The names of all tables and views; those outside the schema `main` with their schema.
    pub fn table_names(&self) -> Vec<String> {
        let view = self.session.lock().read_view();
        let mut names = vec![];
        for schema in view.catalog().schemas() {
            let schema_name = &schema.definition().name;
            names.extend(schema.relations().map(|object| qualified(schema_name, object.name())));
        }
        names
    }

    /// All tables and views with the names of their columns; those outside the schema `main` with their schema.
    ///
    /// ```
    /// let connection = fluxdb::Database::open_in_memory()?.connect();
    /// connection.execute("CREATE TABLE t(a INTEGER, b VARCHAR)")?;
    /// assert_eq!(connection.relations(), [("t".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
    /// # Ok::<(), fluxdb::Error>(())
    /// ```
    pub fn relations(&self) -> Vec<(String, Vec<String>)> {
        let session = self.session.lock();
        let view = session.read_view();
        let listed = session.bind(&view, |binder| {
            let mut all = vec![];
            for schema in view.catalog().schemas() {
                let name = &schema.definition().name;
                for object in schema.relations() {
                    let columns = relation_columns(&binder.env, view.focus(), name, object);
                    let columns = columns.into_iter().map(|c| c.name);
                    all.push((qualified(name, object.name()), columns.collect()));
                }
            }
            Ok(all)
        });
        listed.unwrap_or_default()
    }

    /// The names of all settings that SET knows.
    pub fn setting_names(&self) -> Vec<String> {
        self.session.lock().settings.list().into_iter().map(|s| s.name).collect()
    }

    /// The names of all functions that may be called.
    pub fn function_names(&self) -> Vec<String> {
        let mut names = crate::sql::sources::function_names();
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

/// The name of a table, with its schema where that is not `main`.
fn qualified(schema: &str, name: &str) -> String {
    if schema == crate::catalog::MAIN_SCHEMA { name.to_owned() } else { format!("{schema}.{name}") }
}

/// Tells how far a connection's statement has come.
#[derive(Debug, Clone)]
pub struct ProgressHandle {
    running: Running,
}

impl ProgressHandle {
    /// The share of the rows that have been scanned, 0 to 1, as far as it is known: of the statement that runs, or ran last.
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
        let next = guarded(|| self.rows.next().transpose().map_err(Error::from)).transpose();
        match (&next, &mut self.active) {
            (Some(Ok(batch)), Some(active)) => active.add_rows(batch.rows as u64),
            (Some(Err(e)), Some(active)) => active.failed(e),
            (None, active) => *active = None,
            _ => {}
        }
        next
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

    /// The rows one by one, as [`Row`](crate::Row)s.
    pub fn into_rows(self) -> RowIter {
        RowIter::new(self)
    }

    /// What becomes of the one row.
    pub(crate) fn one<T: FromRow>(self) -> Result<T> {
        self.optional()?.ok_or_else(|| Error::Usage("one row is expected, and there is none".to_owned()))
    }

    /// What becomes of the one row, if there is one.
    pub(crate) fn optional<T: FromRow>(self) -> Result<Option<T>> {
        let mut rows = self.into_rows();
        let Some(row) = rows.next() else { return Ok(None) };
        let value = T::from_row(&row?)?;
        match rows.next() {
            None => Ok(Some(value)),
            Some(Err(e)) => Err(e),
            Some(Ok(_)) => Err(Error::Usage("one row is expected, and there are more".to_owned())),
        }
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

/// A result as a stream of Arrow batches; see [`Connection::query_arrow`].
#[derive(Debug)]
pub struct ArrowReader(Rows);

impl Iterator for ArrowReader {
    type Item = Result<RecordBatch, arrow_schema::ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.0.next()?;
        Some(batch.map_err(|e| arrow_schema::ArrowError::ExternalError(Box::new(e))))
    }
}

impl arrow_array::RecordBatchReader for ArrowReader {
    fn schema(&self) -> SchemaRef {
        self.0.arrow_schema()
    }
}
