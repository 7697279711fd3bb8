//! The statements that run on a database, and those that ran last: for whoever wants to see what is going on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;

use crate::exec::context::ExecContext;
use crate::sql::analyze::Analysis;
use crate::sql::session::reports::Reports;
use crate::sql::session::{Running, metrics};

/// How many statements that are done are remembered.
const RECENT_MAX: usize = 256;
/// Bytes of a statement's text that are kept.
const SQL_BYTES_MAX: usize = 4096;

/// What runs and ran on a database, over all of its connections.
#[derive(Debug, Default)]
pub struct Activity {
    next: AtomicU64,
    connections: AtomicU64,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    running: Vec<Arc<Started>>,
    recent: VecDeque<Query>,
}

/// Which statement it is, as functions tell: `current_query()`, `txid_current()` and the like.
#[derive(Debug, Clone)]
pub struct StatementIdentity {
    /// Counts from 1, in the order in which statements began.
    pub id: u64,
    /// The connection's number.
    pub connection: u64,
    /// The statement with which its transaction began.
    pub transaction: u64,
    /// Its text, cut if it is long.
    pub sql: Arc<str>,
}

impl Default for StatementIdentity {
    fn default() -> Self {
        Self { id: 0, connection: 0, transaction: 0, sql: "".into() }
    }
}

/// A statement that runs.
#[derive(Debug)]
struct Started {
    id: u64,
    connection: u64,
    sql: Arc<str>,
    started_micros: i64,
    start: Instant,
    rows: AtomicU64,
    running: Running,
    /// Its own, once it is known.
    context: OnceLock<Arc<ExecContext>>,
}

/// A statement, and what it took so far or in all.
#[derive(Debug, Clone)]
pub struct Query {
    /// Counts from 1, in the order in which statements began.
    pub id: u64,
    /// The connection's number.
    pub connection: u64,
    /// Its text, cut if it is long.
    pub sql: String,
    /// `running`, `done` or `failed`.
    pub state: &'static str,
    /// When it began, in microseconds since the epoch.
    pub started_micros: i64,
    /// How long it took, or has run, in seconds.
    pub seconds: f64,
    /// Rows that were returned or written.
    pub rows: u64,
    /// Rows that scans handed out, and of how many, as far as that is known.
    pub rows_scanned: u64,
    /// See `rows_scanned`.
    pub rows_expected: u64,
    /// Row groups and blocks that statistics ruled out.
    pub row_groups_skipped: u64,
    /// See `row_groups_skipped`.
    pub blocks_skipped: u64,
    /// Bytes of encoded blocks that were decoded.
    pub bytes_decoded: u64,
    /// Bytes written to the temporary file, and those that lie in it now.
    pub bytes_spilled: u64,
    /// See `bytes_spilled`.
    pub temp_used: u64,
    /// Working memory now.
    pub memory_used: u64,
    /// The most working memory at one time.
    pub memory_peak: u64,
    /// The most that it may have.
    pub memory_limit: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// What each operator did, if that was asked for.
    pub profile: Option<Arc<str>>,
}

impl Started {
    fn look(&self, state: &'static str, error: Option<String>) -> Query {
        let context = self.context.get().cloned().or_else(|| self.running.lock().clone());
        let context = context.as_deref();
        let count = |of: fn(&ExecContext) -> &AtomicU64| context.map_or(0, |c| of(c).load(Ordering::Relaxed));
        Query {
            id: self.id,
            connection: self.connection,
            sql: self.sql.to_string(),
            state,
            started_micros: self.started_micros,
            seconds: self.start.elapsed().as_secs_f64(),
            rows: self.rows.load(Ordering::Relaxed),
            rows_scanned: count(|c| &c.counters.rows_scanned),
            rows_expected: count(|c| &c.counters.rows_expected),
            row_groups_skipped: count(|c| &c.counters.row_groups_skipped),
            blocks_skipped: count(|c| &c.counters.blocks_skipped),
            bytes_decoded: count(|c| &c.counters.bytes_decoded),
            bytes_spilled: count(|c| &c.counters.bytes_spilled),
            temp_used: context.map_or(0, |c| c.temp.used()),
            memory_used: context.map_or(0, |c| c.memory.used()),
            memory_peak: context.map_or(0, |c| c.memory.peak()),
            memory_limit: context.map_or(0, |c| c.memory.limit()),
            error,
            profile: None,
        }
    }

    /// What each operator did, as far as that was watched.
    fn profile(&self, reports: &Reports) -> Option<Arc<str>> {
        let analysis = Analysis::of(self.context.get()?, self.start.elapsed())?;
        Some(analysis.render(reports.profile.0?).into())
    }
}

impl Activity {
    /// A number for a new connection.
    pub fn connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A statement begins on a connection; `running` is where its context will be seen. It is over when what is
    /// returned goes.
    pub fn begin(
        self: &Arc<Self>,
        connection: u64,
        sql: &str,
        running: &Running,
        reports: &Reports,
    ) -> ActiveQuery {
        *running.lock() = None;
        let sql = sql.trim();
        let mut end = sql.len().min(SQL_BYTES_MAX);
        while !sql.is_char_boundary(end) {
            end -= 1;
        }
        let started = Arc::new(Started {
            id: self.next.fetch_add(1, Ordering::Relaxed) + 1,
            connection,
            sql: sql[..end].into(),
            started_micros: chrono::Utc::now().timestamp_micros(),
            start: Instant::now(),
            rows: AtomicU64::new(0),
            running: Arc::clone(running),
            context: OnceLock::new(),
        });
        let mut list = self.list.lock();
        list.running.push(Arc::clone(&started));
        metrics::running(list.running.len());
        drop(list);
        ActiveQuery { activity: Arc::clone(self), started, reports: reports.clone(), error: None }
    }

    /// The profile of the last statement of a connection that is done, if it was profiled.
    pub fn last_profile(&self, connection: u64) -> Option<Arc<str>> {
        let list = self.list.lock();
        list.recent.iter().rev().find(|query| query.connection == connection)?.profile.clone()
    }

    /// Statements that run, and the last that are done, the oldest first.
    pub fn queries(&self) -> Vec<Query> {
        let list = self.list.lock();
        let mut queries: Vec<Query> = list.recent.iter().cloned().collect();
        queries.extend(list.running.iter().map(|started| started.look("running", None)));
        queries.sort_by_key(|q| q.id);
        queries
    }
}

/// A statement that runs, as long as this lives.
#[derive(Debug)]
pub struct ActiveQuery {
    activity: Arc<Activity>,
    started: Arc<Started>,
    reports: Reports,
    error: Option<String>,
}

impl ActiveQuery {
    /// Which statement it is, if it is a transaction of its own.
    pub fn identity(&self) -> StatementIdentity {
        let Started { id, connection, sql, .. } = &*self.started;
        StatementIdentity { id: *id, connection: *connection, transaction: *id, sql: Arc::clone(sql) }
    }

    /// It has begun: what the connection runs now is this, whatever it runs later.
    pub fn has_begun(&self) {
        if let Some(context) = self.started.running.lock().clone() {
            let _ = self.started.context.set(context);
        }
    }

    /// So many more rows were returned or written.
    pub fn add_rows(&self, rows: u64) {
        self.started.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// It failed.
    pub fn failed(&mut self, error: &dyn std::fmt::Display) {
        self.error = Some(error.to_string());
    }
}

impl Drop for ActiveQuery {
    fn drop(&mut self) {
        let error = self.error.take();
        let state = if error.is_some() { "failed" } else { "done" };
        let mut query = self.started.look(state, error);
        query.memory_used = 0;
        query.temp_used = 0;
        query.profile = self.started.profile(&self.reports);
        self.reports.write(&query);
        metrics::record(&query);
        let mut list = self.activity.list.lock();
        list.running.retain(|s| !Arc::ptr_eq(s, &self.started));
        metrics::running(list.running.len());
        if list.recent.len() == RECENT_MAX {
            list.recent.pop_front();
        }
        list.recent.push_back(query);
    }
}
