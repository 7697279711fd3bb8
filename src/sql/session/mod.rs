//! A session: settings, a transaction, and statements one after another.

mod activity;
mod databases;
mod external_access;
mod failure;
mod inert_settings;
mod keyed;
mod metrics;
mod null_order;
mod plan_cache;
mod prepared;
mod read_view;
mod recent_texts;
mod rejects;
mod reports;
mod result;
mod setting_value;
mod settings;
mod transaction;
mod values;

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

pub use activity::{ActiveQuery, Activity, StatementIdentity};
pub use databases::{Databases, NamedDatabase, SYSTEM_DATABASE, TEMP_DATABASE, name_of_file};
pub use failure::Failure;
pub use inert_settings::is_for_others;
pub(crate) use keyed::{Expected, Expiry, KeyedChange, KeyedTable};
pub use plan_cache::PlanCache;
pub(in crate::sql) use plan_cache::has_its_rows;
pub use prepared::{PreparedStatement, PreparedStatements};
pub use read_view::{DatabaseView, FoundObject, NewPlace, ReadView, SearchPath, parts};
pub use reports::{ProfileFormat, Reports};
pub use result::{Outcome, ResultRows};
pub use setting_value::format_bytes;
pub use settings::{NullOrder, Setting, Settings, unknown as unknown_setting};
pub(crate) use settings::{dictionary_cache_bytes, log_bytes_max};
pub(super) use transaction::Writer;
pub(crate) use transaction::wait_to_write;
pub(in crate::sql) use transaction::{Turn, beside_others};
pub use values::{Parameters, TypedValue, Variables};

use crate::exec::context::{CancelToken, ExecContext};
use crate::exec::plan::Plan;
use crate::exec::profile::Profile;
use crate::exec::rejects::Rejects;
use crate::exec::spill::TempSpace;
use crate::exec::{QueryStream, execute};
use crate::sql::analyze::Analysis;
use crate::sql::ast::Statement;
use crate::sql::bind::{Binder, Environment, KeptRows, Tables, Uses};
use crate::sql::error::Result;
use crate::sql::external::Formats;
use crate::sql::optimize::{OptimizerOptions, optimize};
use crate::sql::plan::{ColumnIds, LogicalPlan};
use crate::sql::session::external_access::OutOfReach;
use crate::sql::session::recent_texts::RecentTexts;
use crate::sql::session::transaction::Transaction;
use crate::sql::{parser, physical, sequences, stack, statement};

/// Where the running query can be seen from other threads.
pub type Running = Arc<Mutex<Option<Arc<ExecContext>>>>;

/// A session of one connection.
pub struct Session {
    /// The databases that all connections share.
    databases: Arc<Databases>,
    /// That of the connection's temporary objects, once there are any.
    temporary: Option<Arc<NamedDatabase>>,
    formats: Arc<dyn Formats>,
    /// The same, refusing every file.
    out_of_reach: Arc<dyn Formats>,
    defaults: Settings,
    /// Settings, as SET left them.
    pub settings: Settings,
    /// Variables, as SET VARIABLE left them.
    pub variables: Variables,
    /// What PREPARE has kept.
    pub(super) prepared: PreparedStatements,
    /// Statements of texts that came lately.
    recent: RecentTexts,
    /// Values of the parameters of the statement that runs.
    parameters: Parameters,
    /// CTEs of that statement whose rows are there.
    pub(super) kept: Vec<KeptRows>,
    transaction: Transaction,
    statement: StatementIdentity,
    cancel: CancelToken,
    running: Running,
    /// The contexts of the plans of a statement that EXPLAIN ANALYZE runs.
    watched: Mutex<Option<Vec<Arc<ExecContext>>>>,
    /// What readers of files left out, for the next statement to find.
    rejects: Arc<Rejects>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Session {
    /// A session on these databases.
    pub fn new(
        databases: Arc<Databases>,
        formats: Arc<dyn Formats>,
        settings: Settings,
        cancel: CancelToken,
        running: Running,
    ) -> Self {
        Self {
            databases,
            temporary: None,
            out_of_reach: Arc::new(OutOfReach(Arc::clone(&formats))),
            formats,
            defaults: settings.clone(),
            settings,
            variables: Variables::default(),
            prepared: PreparedStatements::default(),
            recent: RecentTexts::default(),
            parameters: Parameters::default(),
            kept: vec![],
            statement: StatementIdentity::default(),
            transaction: Transaction::None,
            cancel,
            running,
            watched: Mutex::default(),
            rejects: Arc::default(),
        }
    }

    /// Runs exactly one statement. Rows are made while they are read; all else is done on return.
    pub fn run(&mut self, sql: &str, parameters: Parameters) -> Result<Outcome, Failure> {
        self.cancel.reset(self.settings.max_execution_time);
        self.store_rejects()?;
        self.run_text(sql, parameters)
    }

    /// Tables and functions that the program adds.
    pub fn extensions(&self) -> &Arc<crate::sql::extensions::Extensions> {
        self.databases.extensions()
    }

    /// Parses a statement that may run later, with values for its parameters.
    pub fn parse(&mut self, sql: &str) -> Result<PreparedStatement, Failure> {
        let tokens = parser::tokens(sql)?;
        let size = stack::Size::of(&tokens);
        let parameters = tokens.parameters.clone();
        let statement = stack::with_room(size, move || parser::parse_statement(tokens))??;
        Ok(PreparedStatement::new(statement, sql, parameters, size))
    }

    /// Runs a statement that was parsed.
    pub fn run_parsed_before(
        &mut self,
        prepared: &PreparedStatement,
        parameters: Parameters,
    ) -> Result<Outcome, Failure> {
        self.cancel.reset(self.settings.max_execution_time);
        self.store_rejects()?;
        // PREPARE keeps its statement's text, which is parsed anew.
        if matches!(prepared.statement, Statement::Prepare(_)) {
            return self.run_text(&prepared.sql, parameters);
        }
        self.run_prepared(prepared, parameters)
    }

    /// As [`run`](Self::run), as a part of another statement.
    pub(super) fn run_text(&mut self, sql: &str, parameters: Parameters) -> Result<Outcome, Failure> {
        if let Some(prepared) = self.recent.find(sql) {
            return self.run_prepared(&prepared, parameters);
        }
        let tokens = parser::tokens(sql)?;
        let size = stack::Size::of(&tokens);
        let names = tokens.parameters.clone();
        stack::with_room(size, move || {
            let statement = parser::parse_statement(tokens)?;
            if let Statement::Prepare(prepare) = statement {
                return statement::prepare(self, prepare, sql, names, size);
            }
            if self.recent.comes_again(sql, &statement) {
                let prepared = Arc::new(PreparedStatement::new(statement, sql, names, size));
                self.recent.keep(Arc::clone(&prepared));
                return self.run_prepared(&prepared, parameters);
            }
            parameters.check(&names)?;
            self.run_parsed(&statement, sql, parameters, None)
        })?
    }

    /// Runs a statement that was prepared.
    pub(super) fn run_prepared(
        &mut self,
        prepared: &PreparedStatement,
        parameters: Parameters,
    ) -> Result<Outcome, Failure> {
        parameters.check(&prepared.parameters)?;
        let plans = prepared.size.is_small().then_some(&prepared.plans);
        stack::with_room(prepared.size, move || {
            self.run_parsed(&prepared.statement, &prepared.sql, parameters, plans)
        })?
    }

    fn run_parsed(
        &mut self,
        statement: &Statement,
        sql: &str,
        parameters: Parameters,
        plans: Option<&PlanCache>,
    ) -> Result<Outcome, Failure> {
        self.transaction.check(statement)?;
        let before = std::mem::replace(&mut self.parameters, parameters);
        // A panic must not leave a transaction half done that goes on.
        let run = std::panic::AssertUnwindSafe(|| statement::run(self, statement, sql, plans));
        let result = std::panic::catch_unwind(run)
            .unwrap_or_else(|panic| Err(crate::exec::error::ExecError::panicked(&*panic).into()));
        self.parameters = before;
        if let Err(e) = &result {
            self.transaction.statement_failed(e);
        }
        result
    }

    /// Does something while the values of parameters are not known.
    pub(super) fn without_parameters<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.parameters, Parameters::unknown());
        let result = work(self);
        self.parameters = before;
        result
    }

    /// The databases that all connections share.
    pub(super) fn shared_databases(&self) -> &Arc<Databases> {
        &self.databases
    }

    /// All databases that statements can name.
    pub(super) fn databases(&self) -> Vec<Arc<NamedDatabase>> {
        let mut all = self.databases.list();
        all.extend(self.temporary.clone());
        all
    }

    /// The database in which objects are made.
    pub(super) fn default_database(&self) -> Arc<NamedDatabase> {
        let found = self.databases.find(self.settings.search_path.database());
        found.unwrap_or_else(|| Arc::clone(self.databases.opened()))
    }

    /// The database of the connection's temporary objects.
    pub(super) fn temporary_database(&mut self) -> Result<Arc<NamedDatabase>, Failure> {
        if let Some(database) = &self.temporary {
            return Ok(Arc::clone(database));
        }
        let database = NamedDatabase::temporary()?;
        self.temporary = Some(Arc::clone(&database));
        Ok(database)
    }

    pub(super) fn defaults(&self) -> &Settings {
        &self.defaults
    }

    /// What a statement reads: the open transaction's view, or the last commit.
    pub fn read_view(&self) -> ReadView {
        let databases = self.databases();
        let views = databases.iter().map(|database| self.transaction.view_of(database)).collect();
        ReadView::new(views, self.settings.search_path.clone())
    }

    /// A context for a query, under the present settings.
    pub(super) fn context(&self) -> ExecContext {
        let cancel = self.cancel.clone();
        let mut context = ExecContext::new(self.settings.threads, self.settings.memory_limit_bytes, cancel);
        context.temp =
            TempSpace::new(self.settings.temp_directory.clone(), self.settings.max_temp_directory_bytes);
        context.zone = self.settings.time_zone.clone();
        context.rejects = Arc::clone(&self.rejects);
        context
    }

    /// What runs now is this statement.
    pub fn begins(&mut self, statement: StatementIdentity) {
        let transaction =
            if self.is_in_transaction() { self.statement.transaction } else { statement.transaction };
        self.statement = StatementIdentity { transaction, ..statement };
    }

    /// Binds something against a view of the database.
    pub(crate) fn bind<T>(
        &self,
        tables: &dyn Tables,
        work: impl FnOnce(&mut Binder<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (context, uses) = (self.context(), Uses::default());
        let env = Environment {
            tables,
            formats: &**self.formats(),
            settings: &self.settings,
            now_micros: chrono::Utc::now().timestamp_micros(),
            context: &context,
            parameters: &self.parameters,
            variables: &self.variables,
            activity: self.databases.activity(),
            listing: false,
            extensions: self.databases.extensions(),
            uses: &uses,
            prepared: &self.prepared,
            kept: &self.kept,
            statement: &self.statement,
        };
        work(&mut Binder::new(env))
    }

    /// The physical plan of a logical one.
    pub(super) fn plan(&self, plan: LogicalPlan, ids: &mut ColumnIds) -> Result<Plan, Failure> {
        Ok(physical::plan(&self.optimize(plan, ids)?)?)
    }

    /// What the optimizer makes of a plan.
    pub(super) fn optimize(&self, plan: LogicalPlan, ids: &mut ColumnIds) -> Result<LogicalPlan, Failure> {
        let options = OptimizerOptions { enabled: self.settings.optimizer };
        Ok(optimize(plan, ids, &self.context(), &options)?)
    }

    /// Starts a plan; its progress can be seen from outside.
    pub(super) fn start(&self, plan: Plan, profiled: bool) -> Result<QueryStream, Failure> {
        let mut context = self.context();
        if sequences::used_in(&plan) {
            // One thread takes the values in the order of the rows.
            context.threads = 1;
        }
        if profiled || self.settings.reports.profile.0.is_some() {
            context.profile = Profile::new(&plan).into();
        }
        self.start_in(plan, Arc::new(context))
    }

    /// A context for the rows of a plan that are written as they come.
    pub(super) fn context_of(&self, plan: &LogicalPlan) -> ExecContext {
        let mut context = self.context();
        if sequences::used_in_logical(plan) {
            // One thread takes the values in the order of the rows.
            context.threads = 1;
        }
        context
    }

    /// Starts a plan in a context that others share.
    pub(super) fn start_in(&self, plan: Plan, context: Arc<ExecContext>) -> Result<QueryStream, Failure> {
        *self.running.lock() = Some(Arc::clone(&context));
        let mut watched = self.watched.lock();
        if let Some(contexts) = &mut *watched {
            context.profile.get_or_init(|| Profile::new(&plan));
            contexts.push(Arc::clone(&context));
        }
        drop(watched);
        Ok(execute(plan, context)?)
    }

    /// Does some work, and says what became of the first plan that ran for it. That is the one of the rows; others look
    /// after keys.
    pub(super) fn watch<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<(T, Option<Analysis>), Failure> {
        *self.watched.lock() = Some(vec![]);
        let start = Instant::now();
        let done = work(self);
        let contexts = self.watched.lock().take().unwrap_or_default();
        let analysis = contexts.first().and_then(|context| Analysis::of(context, start.elapsed()));
        contexts.iter().filter_map(|context| context.profile.get()).for_each(Profile::forget_plan);
        Ok((done?, analysis))
    }

    /// Runs a plan that writes to the end; returns the number of rows that it wrote.
    pub(super) fn run_write(&self, plan: Plan) -> Result<u64, Failure> {
        let mut count = 0;
        for batch in self.start(plan, false)? {
            let batch = batch?;
            if let [column] = &batch.columns[..] {
                use arrow_array::Array;
                use arrow_array::cast::AsArray;
                let values = column.as_primitive_opt::<arrow_array::types::Int64Type>();
                count += values.filter(|v| !v.is_empty()).map_or(0, |v| v.value(0).max(0) as u64);
            }
        }
        Ok(count)
    }
}
