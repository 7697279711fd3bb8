//! A random workload: connections with open transactions, autocommit statements, checkpoints, reopenings and kills, with
//! a model beside them.

use std::collections::BTreeMap;
use std::sync::Arc;

use fluxdb::pager::fault::{FaultFile, Process, Random};
use fluxdb::{Connection, Database, Error, Options};

use crate::history::History;
use crate::model::{State, Table, text_sql};

const CONNECTIONS: usize = 3;
const TABLES: u64 = 4;
const VIEWS: u64 = 2;
const ROWS_MAX: usize = 1500;

/// How a database is opened; the same each time.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub page_size: u32,
    pub row_group_rows: usize,
    pub log_size: u64,
    /// A thread seals beside the commits. Then a seed does not say what happens when.
    pub background: bool,
}

impl Shape {
    pub fn random(random: &mut Random) -> Self {
        let mut one_of = |list: &[u64]| list[random.below(list.len() as u64) as usize];
        Self {
            page_size: one_of(&[4096, 4096, 4096, 8192]) as u32,
            row_group_rows: one_of(&[60, 200, 1000]) as usize,
            log_size: one_of(&[0, 4096, 16 << 10, 16 << 20]),
            background: false,
        }
    }

    pub fn options(&self) -> Options {
        Options::default()
            .threads(1)
            .page_size(self.page_size)
            .row_group_rows(self.row_group_rows)
            .log_size(self.log_size)
            .background_sealing(self.background)
    }
}

/// One statement that changes something, and what it does to the model.
struct Change {
    sql: String,
    apply: Box<dyn Fn(&mut State)>,
}

struct OpenTransaction {
    base: State,
    view: State,
    savepoints: Vec<State>,
}

struct Client {
    connection: Connection,
    open: Option<OpenTransaction>,
    /// 0 off, 1 normal, 2 full.
    synchronous: u64,
}

/// A database under work.
pub struct Driver {
    pub file: Arc<FaultFile>,
    pub history: History,
    shape: Shape,
    random: Random,
    process: Arc<Process>,
    database: Option<Database>,
    clients: Vec<Client>,
    next_id: i64,
    next_table: u64,
    /// Errors that come from the file are what is tested.
    tolerant: bool,
    /// Transactions that failed for those.
    pub failures: u64,
}

fn is_refused(error: &Error) -> bool {
    // Conflict, busy.
    matches!(error.sqlstate(), "40001" | "55P03")
}

impl Driver {
    /// Opens a file that holds what the history ends with. Ids from `first_id` on were never used.
    pub fn open(
        file: &Arc<FaultFile>,
        history: History,
        shape: Shape,
        seed: u64,
        first_id: i64,
        tolerant: bool,
    ) -> Result<Self, Error> {
        let mut random = Random(seed);
        let process = Arc::new(Process::new(file));
        let database = Database::open_file(process.clone(), shape.options())?;
        let mut driver = Self {
            file: Arc::clone(file),
            history,
            shape,
            process,
            database: None,
            clients: vec![],
            next_id: first_id,
            next_table: first_id as u64,
            tolerant,
            failures: 0,
            random: Random(random.next_u64()),
        };
        driver.connect(database);
        Ok(driver)
    }

    pub fn next_id(&self) -> i64 {
        self.next_id
    }

    fn connect(&mut self, database: Database) {
        self.clients = (0..CONNECTIONS)
            .map(|_| {
                let connection = database.connect();
                let synchronous = [2, 2, 2, 1, 0][self.random.below(5) as usize];
                connection
                    .execute(&format!("SET synchronous = {synchronous}; SET lock_timeout = 0"))
                    .unwrap();
                Client { connection, open: None, synchronous }
            })
            .collect();
        self.database = Some(database);
    }

    /// Some steps, until something fails that may.
    pub fn run(&mut self, steps: usize) -> Result<(), Error> {
        (0..steps).try_for_each(|_| self.step())?;
        if self.process.is_killed() { self.reopen(true) } else { Ok(()) }
    }

    fn step(&mut self) -> Result<(), Error> {
        // It may have been killed by what nobody waited for.
        if self.process.is_killed() {
            return self.reopen(true);
        }
        match self.random.below(100) {
            0 | 1 => return self.reopen(false),
            2 => return self.reopen(true),
            3 => self.process.kill_after(1 + self.random.below(20)),
            4 | 5 => return self.checkpoint(),
            _ => {}
        }
        let which = self.random.below(CONNECTIONS as u64) as usize;
        if self.clients[which].open.is_none() {
            if self.random.one_in(2) {
                self.clients[which].connection.execute("BEGIN").unwrap();
                let now = self.history.current().clone();
                self.clients[which].open =
                    Some(OpenTransaction { base: now.clone(), view: now, savepoints: vec![] });
                return Ok(());
            }
            return self.autocommit(which);
        }
        match self.random.below(20) {
            0 | 1 => {
                let open = self.clients[which].open.as_mut().expect("it is open");
                open.savepoints.push(open.view.clone());
                let sql = format!("SAVEPOINT p{}", open.savepoints.len());
                self.within(which, &sql)
            }
            2 => self.release(which),
            3 => self.rollback_to(which),
            4..=6 => self.commit(which),
            7 => {
                self.clients[which].open = None;
                self.clients[which].connection.execute("ROLLBACK").unwrap();
                Ok(())
            }
            8 => {
                let client = &self.clients[which];
                let open = client.open.as_ref().expect("it is open");
                let seen = match State::read(&client.connection) {
                    Err(error) if self.process.is_killed() => return self.failed(error),
                    seen => seen.unwrap(),
                };
                assert!(seen == open.view, "a transaction sees: {}", open.view.difference(&seen));
                Ok(())
            }
            _ => {
                let view = self.clients[which].open.as_ref().expect("it is open").view.clone();
                let Some(change) = self.change(&view) else { return Ok(()) };
                self.within(which, &change.sql)?;
                if let Some(open) = &mut self.clients[which].open {
                    (change.apply)(&mut open.view);
                }
                Ok(())
            }
        }
    }

    /// A statement in a transaction. If others are in its way, the transaction is rolled back.
    fn within(&mut self, which: usize, sql: &str) -> Result<(), Error> {
        let client = &mut self.clients[which];
        let Err(error) = client.connection.execute(sql) else { return Ok(()) };
        client.open = None;
        client.connection.execute("ROLLBACK").unwrap();
        if is_refused(&error) { Ok(()) } else { self.failed(error) }
    }

    fn release(&mut self, which: usize) -> Result<(), Error> {
        let open = self.clients[which].open.as_mut().expect("it is open");
        if open.savepoints.is_empty() {
            return Ok(());
        }
        let at = self.random.below(open.savepoints.len() as u64) as usize;
        open.savepoints.truncate(at);
        self.within(which, &format!("RELEASE SAVEPOINT p{}", at + 1))
    }

    fn rollback_to(&mut self, which: usize) -> Result<(), Error> {
        let open = self.clients[which].open.as_mut().expect("it is open");
        if open.savepoints.is_empty() {
            return Ok(());
        }
        let at = self.random.below(open.savepoints.len() as u64) as usize;
        open.savepoints.truncate(at + 1);
        open.view = open.savepoints[at].clone();
        self.within(which, &format!("ROLLBACK TO SAVEPOINT p{}", at + 1))
    }

    fn commit(&mut self, which: usize) -> Result<(), Error> {
        let begun = self.file.operations();
        let client = &mut self.clients[which];
        let open = client.open.take().expect("it is open");
        let result = client.connection.execute("COMMIT");
        if result.as_ref().is_err_and(is_refused) {
            return Ok(());
        }
        match (self.history.current().merge(&open.base, &open.view), result) {
            (Ok(merged), result) => self.committed(which, merged, begun, result),
            (Err(what), Ok(_)) => panic!("it was committed: {what}"),
            // The file failed it before others were found to be in its way. No part of it may be there.
            (Err(_), Err(error)) => self.failed(error),
        }
    }

    fn autocommit(&mut self, which: usize) -> Result<(), Error> {
        let mut state = self.history.current().clone();
        let Some(change) = self.change(&state) else { return Ok(()) };
        let begun = self.file.operations();
        let result = self.clients[which].connection.execute(&change.sql);
        if result.as_ref().is_err_and(is_refused) {
            return Ok(());
        }
        (change.apply)(&mut state);
        self.committed(which, state, begun, result)
    }

    /// A commit returned, or failed.
    fn committed(
        &mut self,
        which: usize,
        state: State,
        begun: u64,
        result: Result<u64, Error>,
    ) -> Result<(), Error> {
        let now = self.file.operations();
        match result {
            // Nothing was changed, so nothing is promised.
            Ok(_) if state == *self.history.current() => Ok(()),
            Ok(_) => {
                let synchronous = self.clients[which].synchronous;
                // Changes of definitions are not logged.
                let is_durable = synchronous == 2 || self.history.current().is_redefined(&state);
                let promised = is_durable.then_some(now);
                self.history.commit(state, begun, promised, synchronous > 0);
                Ok(())
            }
            Err(_) if self.process.is_killed() => {
                // Nobody was told; it may be there.
                self.history.commit(state, begun, None, false);
                self.reopen(true)
            }
            Err(error) => {
                let failed = self.failed(error);
                if failed.is_err() {
                    self.history.commit(state, begun, None, false);
                }
                failed
            }
        }
    }

    /// Something failed that should not, unless the file is meant to. Then either nothing more is written, or all is as
    /// it was.
    fn failed(&mut self, error: Error) -> Result<(), Error> {
        if self.process.is_killed() {
            return self.reopen(true);
        }
        assert!(self.tolerant, "{error}");
        self.failures += 1;
        let expected = self.history.current();
        let seen =
            State::read(&self.database().connect()).unwrap_or_else(|e| panic!("readers go on, but: {e}"));
        assert!(seen == *expected, "after {error}: {}", expected.difference(&seen));
        if is_full(&error) && !self.is_latched() { Ok(()) } else { Err(error) }
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("it is open")
    }

    /// Whether it could be opened when it was opened last.
    pub fn is_open(&self) -> bool {
        self.database.is_some()
    }

    /// Whether nothing is written any more.
    fn is_latched(&self) -> bool {
        let connection = self.database().connect();
        connection.execute("SET lock_timeout = 0; CHECKPOINT").is_err_and(|e| is_latched(&e))
    }

    fn checkpoint(&mut self) -> Result<(), Error> {
        let sql = if self.random.one_in(2) { "CHECKPOINT" } else { "VACUUM" };
        let open = self.clients.iter().position(|client| client.open.is_none());
        let Some(which) = open else { return Ok(()) };
        let result = self.clients[which].connection.execute(sql);
        match result {
            Ok(_) => {
                let (state, now) = (self.history.current().clone(), self.file.operations());
                // All that was committed is sealed.
                self.history.commit(state, now, Some(now), true);
                Ok(())
            }
            Err(error) if is_refused(&error) => Ok(()),
            Err(error) => self.failed(error),
        }
    }

    /// Closes the database and opens it again, or opens it as a killed process left it.
    fn reopen(&mut self, kill: bool) -> Result<(), Error> {
        let kill = kill || self.process.is_killed();
        let killed_at = self.file.operations();
        if kill {
            self.process.kill();
        }
        self.clients.clear();
        self.database = None;
        // It may have been killed while it was closed.
        let kill = kill || self.process.is_killed();
        self.process = Arc::new(Process::new(&self.file));
        let database = match Database::open_file(self.process.clone(), self.shape.options()) {
            Ok(database) => database,
            Err(error) if self.tolerant => return Err(error),
            Err(error) => panic!("opened again: {error}"),
        };
        assert_eq!(database.recovery().damage, None);
        let found = State::read(&database.connect()).unwrap();
        // A close that the file does not let come to its end is as good as a kill.
        let clean = !kill && !self.tolerant;
        let reopened = self.history.reopened(&found, killed_at, self.file.operations(), clean);
        reopened.unwrap_or_else(|what| panic!("opened again (killed: {kill}): {what}"));
        self.connect(database);
        Ok(())
    }

    /// Ends; the file is as a clean close leaves it.
    pub fn close(mut self) -> (Arc<FaultFile>, History) {
        self.clients.clear();
        self.database = None;
        (self.file, self.history)
    }

    /// Reads all, and checks it.
    pub fn verify(&self) {
        let database = self.database();
        let (expected, seen) = (self.history.current(), State::read(&database.connect()).unwrap());
        assert!(seen == *expected, "in the end: {}", expected.difference(&seen));
        let report = database.check();
        assert!(report.is_sound(), "{:?}", report.findings);
    }

    /// A random change of what a transaction sees.
    fn change(&mut self, view: &State) -> Option<Change> {
        let random = &mut self.random;
        let plain = |sql: String, apply: Box<dyn Fn(&mut State)>| Some(Change { sql, apply });
        let free: Vec<String> =
            (0..TABLES).map(|i| format!("t{i}")).filter(|name| !view.tables.contains_key(name)).collect();
        if view.tables.is_empty() || (!free.is_empty() && random.one_in(16)) {
            let name = free[random.below(free.len() as u64) as usize].clone();
            let key = if random.one_in(4) { " PRIMARY KEY" } else { "" };
            self.next_table += 1;
            let identity = self.next_table;
            return plain(
                format!("CREATE TABLE {name}(id BIGINT{key}, n BIGINT NOT NULL, s VARCHAR)"),
                Box::new(move |state| {
                    let table = Table { identity, constants: vec![], rows: BTreeMap::new() };
                    state.tables.insert(name.clone(), Arc::new(table));
                }),
            );
        }
        let names: Vec<&String> = view.tables.keys().collect();
        let name = names[random.below(names.len() as u64) as usize].clone();
        let table = &view.tables[&name];
        let of = name.clone();
        match random.below(40) {
            0 => plain(format!("DROP TABLE {name}"), Box::new(move |state| drop(state.tables.remove(&of)))),
            1 if !free.is_empty() => {
                let new = free[random.below(free.len() as u64) as usize].clone();
                plain(
                    format!("ALTER TABLE {name} RENAME TO {new}"),
                    Box::new(move |state| {
                        let table = state.tables.remove(&of).expect("it is there");
                        state.tables.insert(new.clone(), table);
                    }),
                )
            }
            2 if table.constants.len() < 3 => {
                self.next_table += 1;
                let constant = self.next_table as i64;
                plain(
                    format!("ALTER TABLE {name} ADD COLUMN c{constant} BIGINT DEFAULT {constant}"),
                    Box::new(move |state| state.table(&of).constants.push(constant)),
                )
            }
            3 => {
                let view_name = format!("v{}", random.below(VIEWS));
                if view.views.contains(&view_name) {
                    plain(
                        format!("DROP VIEW {view_name}"),
                        Box::new(move |state| state.views.retain(|name| *name != view_name)),
                    )
                } else {
                    plain(
                        format!("CREATE VIEW {view_name} AS SELECT 1 AS one"),
                        Box::new(move |state| state.views.extend([view_name.clone()])),
                    )
                }
            }
            // As DELETE: of the rows that it sees.
            4 => plain(format!("TRUNCATE {name}"), Box::new(move |state| state.table(&of).rows.clear())),
            5..=20 => {
                let room = ROWS_MAX.saturating_sub(table.rows.len()) as u64;
                let count = match random.below(16) {
                    0 => random.below(500),
                    1..=4 => random.below(30),
                    _ => 1,
                };
                let (count, from) = (count.min(room) as i64, self.next_id);
                self.next_id += count;
                if count == 0 {
                    return None;
                }
                plain(
                    format!(
                        "INSERT INTO {name}(id, n, s) SELECT i, i % 100, {} FROM range({from}, {}) r(i)",
                        text_sql("i", "i % 100"),
                        from + count
                    ),
                    Box::new(move |state| {
                        state.table(&of).rows.extend((from..from + count).map(|id| (id, id % 100)));
                    }),
                )
            }
            _ if table.rows.is_empty() => None,
            kind => {
                // Rows of one id, of one remainder, or of a range.
                let some = |random: &mut Random| {
                    *table
                        .rows
                        .keys()
                        .nth(random.below(table.rows.len() as u64) as usize)
                        .expect("it has rows")
                };
                let (modulus, rest, low, high) = match random.below(6) {
                    0 => {
                        let modulus = 2 + random.below(20) as i64;
                        (modulus, random.below(modulus as u64) as i64, i64::MIN, i64::MAX)
                    }
                    1 => {
                        let low = some(random);
                        (1, 0, low, low + random.below(200) as i64)
                    }
                    _ => {
                        let id = some(random);
                        (1, 0, id, id)
                    }
                };
                let filter = format!("id % {modulus} = {rest} AND id BETWEEN {low} AND {high}")
                    .replace(&i64::MIN.to_string(), "0");
                let meant = move |id: i64| id % modulus == rest && (low..=high).contains(&id);
                if kind < 32 {
                    let more = 1 + random.below(50) as i64;
                    plain(
                        format!(
                            "UPDATE {name} SET n = n + {more}, s = {} WHERE {filter}",
                            text_sql("id", &format!("n + {more}"))
                        ),
                        Box::new(move |state| {
                            state
                                .table(&of)
                                .rows
                                .iter_mut()
                                .filter(|(id, _)| meant(**id))
                                .for_each(|(_, n)| *n += more);
                        }),
                    )
                } else {
                    plain(
                        format!("DELETE FROM {name} WHERE {filter}"),
                        Box::new(move |state| state.table(&of).rows.retain(|id, _| !meant(*id))),
                    )
                }
            }
        }
    }
}

fn root(error: &fluxdb::table::TableError) -> &fluxdb::table::TableError {
    match error {
        fluxdb::table::TableError::InTable { source, .. } => root(source),
        other => other,
    }
}

fn pager_error(error: &Error) -> Option<&fluxdb::pager::PagerError> {
    match error {
        Error::Storage(error) => match root(error) {
            fluxdb::table::TableError::Pager(error) => Some(error),
            _ => None,
        },
        _ => None,
    }
}

fn is_full(error: &Error) -> bool {
    matches!(pager_error(error), Some(fluxdb::pager::PagerError::DiskFull(_)))
}

fn is_latched(error: &Error) -> bool {
    matches!(pager_error(error), Some(fluxdb::pager::PagerError::Latched(_)))
}
