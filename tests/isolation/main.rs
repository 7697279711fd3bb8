//! Histories of many connections are those of snapshot isolation, and no commit is lost ([`checker`]).

mod checker;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/coverage.rs"]
mod coverage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use fluxdb::inspect::Inspection;
use fluxdb::pager::MemoryFile;
use fluxdb::pager::fault::Random;
use fluxdb::{Connection, Database, Error, Options};

use checker::{Step, Transaction, check};
use common::{Time, first_seed, told};

const LISTS: u64 = 5;
const SECONDS: u64 = 3;
const RUNS_MIN: u64 = 6;

/// What all clients of a database share.
struct World {
    file: Arc<MemoryFile>,
    database: Database,
    clock: AtomicU64,
    next: AtomicI64,
}

impl World {
    fn new(random: &mut Random) -> Self {
        let one_of = |random: &mut Random, list: &[u64]| list[random.below(list.len() as u64) as usize];
        let options = Options::default()
            .threads(1)
            .page_size(4096)
            .row_group_rows(one_of(random, &[4, 50, 1000]) as usize)
            .log_size(one_of(random, &[0, 4096, 64 << 10, 16 << 20]));
        let file = Arc::new(MemoryFile::new());
        let database = Database::open_file(Arc::<MemoryFile>::clone(&file), options).unwrap();
        let key = if random.one_in(3) { " PRIMARY KEY" } else { "" };
        database
            .connect()
            .execute(&format!(
                "CREATE TABLE lists(k BIGINT{key}, content VARCHAR); CREATE TABLE items(i BIGINT);
                 INSERT INTO lists SELECT k, '' FROM range({LISTS}) r(k)"
            ))
            .unwrap();
        Self { file, database, clock: AtomicU64::new(1), next: AtomicI64::new(1) }
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn client(&self, seed: u64) -> Client<'_> {
        let connection = self.database.connect();
        connection.execute("SET lock_timeout = 20").unwrap();
        Client { world: self, connection, random: Random(seed), open: None, done: vec![] }
    }

    /// Whether what clients have done is right. Says how many of their transactions were committed.
    fn verify(self, transactions: &[Transaction]) -> u64 {
        let connection = self.database.connect();
        let finals = read_lists(&connection, "").unwrap().into_iter().collect();
        check(transactions, &finals).unwrap_or_else(|what| panic!("{what}"));
        let items: BTreeSet<i64> = read_items(&connection).unwrap();
        let inserted = transactions.iter().filter(|t| t.committed).flat_map(|t| &t.steps).filter_map(
            |step| match step {
                Step::Insert { item } => Some(*item),
                _ => None,
            },
        );
        assert_eq!(items, inserted.collect());
        let report = self.database.check();
        assert!(report.is_sound(), "{:?}", report.findings);
        drop((connection, self.database));
        coverage::assert_covered(Inspection::of_file(self.file, None));
        transactions.iter().filter(|t| t.committed).count() as u64
    }
}

fn read_lists(connection: &Connection, filter: &str) -> Result<Vec<(i64, Vec<i64>)>, Error> {
    let rows: Vec<(i64, String)> =
        connection.query_as(&format!("SELECT k, content FROM lists {filter}"), ())?;
    let values = |text: String| text.split_terminator(',').map(|value| value.parse().unwrap()).collect();
    Ok(rows.into_iter().map(|(k, text)| (k, values(text))).collect())
}

fn read_items(connection: &Connection) -> Result<BTreeSet<i64>, Error> {
    let mut items = BTreeSet::new();
    for row in connection.query("SELECT i FROM items")?.into_rows() {
        assert!(items.insert(row?.get(0)?), "an item is there twice");
    }
    Ok(items)
}

/// One connection, and what it has done.
struct Client<'a> {
    world: &'a World,
    connection: Connection,
    random: Random,
    /// When BEGIN was given, and what came since.
    open: Option<(u64, Vec<Step>)>,
    done: Vec<Transaction>,
}

impl Client<'_> {
    /// One statement.
    fn step(&mut self) {
        let begun = self.world.now();
        let Some((_, steps)) = &self.open else {
            if self.random.one_in(40) {
                let done = self.connection.execute("CHECKPOINT");
                assert!(
                    done.as_ref().is_ok_and(|_| true) || done.as_ref().is_err_and(is_refused),
                    "{done:?}"
                );
            } else if self.random.one_in(4) {
                // A transaction of its own.
                let mut steps = vec![];
                let result = self.statement(&mut steps);
                self.ended(begun, steps, result);
            } else {
                self.connection.execute("BEGIN").unwrap();
                self.open = Some((begun, vec![]));
            }
            return;
        };
        if steps.len() > 1 && self.random.one_in(4) {
            self.end();
            return;
        }
        let (begun, mut steps) = self.open.take().expect("it is open");
        match self.statement(&mut steps) {
            Ok(()) => self.open = Some((begun, steps)),
            refused => {
                self.connection.execute("ROLLBACK").unwrap();
                self.ended(begun, steps, refused);
            }
        }
    }

    /// Ends the transaction, if one is open.
    fn end(&mut self) {
        let Some((begun, steps)) = self.open.take() else { return };
        let back = self.random.one_in(10);
        let result = self.connection.execute(if back { "ROLLBACK" } else { "COMMIT" });
        let result = if back { result.map(|_| false) } else { result.map(|_| true) };
        let committed = *result.as_ref().unwrap_or(&false);
        assert!(result.is_ok() || result.as_ref().is_err_and(is_refused), "{result:?}");
        let ended = self.world.now();
        self.done.push(Transaction { begun, ended, committed, steps });
    }

    fn ended(&mut self, begun: u64, steps: Vec<Step>, result: Result<(), Error>) {
        assert!(result.is_ok() || result.as_ref().is_err_and(is_refused), "{result:?}");
        let ended = self.world.now();
        self.done.push(Transaction { begun, ended, committed: result.is_ok(), steps });
    }

    /// A statement that reads or writes something. If it fails, it may be noted as a write of what is undone.
    fn statement(&mut self, steps: &mut Vec<Step>) -> Result<(), Error> {
        let list = self.random.below(LISTS) as i64;
        match self.random.below(10) {
            0..=3 => {
                let value = self.world.next.fetch_add(1, Ordering::Relaxed);
                steps.push(Step::Append { list, value });
                self.connection
                    .execute(&format!("UPDATE lists SET content = content || '{value},' WHERE k = {list}"))?;
            }
            4 => {
                let item = self.world.next.fetch_add(1, Ordering::Relaxed);
                steps.push(Step::Insert { item });
                self.connection.execute(&format!("INSERT INTO items VALUES ({item})"))?;
            }
            5 => steps.push(Step::Scan { items: read_items(&self.connection)? }),
            6 => {
                let lists = read_lists(&self.connection, "")?;
                assert_eq!(lists.len() as u64, LISTS);
                steps.extend(lists.into_iter().map(|(list, values)| Step::Read { list, values }));
            }
            _ => {
                let lists = read_lists(&self.connection, &format!("WHERE k = {list}"))?;
                let [(_, values)] = &lists[..] else { panic!("list {list} is there {} times", lists.len()) };
                steps.push(Step::Read { list, values: values.clone() });
            }
        }
        Ok(())
    }
}

fn is_refused(error: &Error) -> bool {
    // Conflict, busy.
    matches!(error.sqlstate(), "40001" | "55P03")
}

#[test]
fn interleaved_connections_see_snapshots() {
    let time = Time::new(SECONDS, RUNS_MIN);
    let (mut runs, mut all, mut committed) = (0, 0, 0);
    while !time.is_over(runs) {
        let seed = first_seed() + runs;
        told(
            || format!("seed {seed}"),
            || {
                let mut random = Random(seed);
                let world = World::new(&mut random);
                let mut clients: Vec<_> =
                    (0..2 + random.below(5)).map(|_| world.client(random.next_u64())).collect();
                for client in &clients {
                    client.connection.execute("SET lock_timeout = 0").unwrap();
                }
                for _ in 0..300 {
                    let at = random.below(clients.len() as u64) as usize;
                    clients[at].step();
                }
                clients.iter_mut().for_each(Client::end);
                let done: Vec<_> = clients.into_iter().flat_map(|client| client.done).collect();
                all += done.len();
                committed += world.verify(&done);
            },
        );
        runs += 1;
    }
    println!("{runs} histories, {all} transactions, {committed} of them committed");
    assert!(committed > 0 && committed < all as u64);
}

#[test]
fn threads_see_snapshots() {
    let time = Time::new(SECONDS, RUNS_MIN);
    let (mut runs, mut all, mut committed) = (0, 0, 0);
    while !time.is_over(runs) {
        let seed = first_seed() + runs;
        told(
            || format!("seed {seed}"),
            || {
                let mut random = Random(seed);
                let world = World::new(&mut random);
                let seeds: Vec<u64> = (0..2 + random.below(5)).map(|_| random.next_u64()).collect();
                let done: Vec<Transaction> = std::thread::scope(|scope| {
                    let work = |seed: u64| {
                        let mut client = world.client(seed);
                        (0..80).for_each(|_| client.step());
                        client.end();
                        client.done
                    };
                    let threads: Vec<_> = seeds.iter().map(|seed| scope.spawn(move || work(*seed))).collect();
                    threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
                });
                all += done.len();
                committed += world.verify(&done);
            },
        );
        runs += 1;
    }
    println!("{runs} histories, {all} transactions, {committed} of them committed");
    assert!(committed > 0);
}

/// Lists that are there at all times, whatever is asked for.
#[test]
fn a_list_is_read_as_it_was_written() {
    let world = World::new(&mut Random(1));
    let connection = world.database.connect();
    connection.execute("UPDATE lists SET content = content || '5,' WHERE k = 1").unwrap();
    connection.execute("UPDATE lists SET content = content || '7,' WHERE k = 1").unwrap();
    let lists: BTreeMap<_, _> = read_lists(&connection, "").unwrap().into_iter().collect();
    assert_eq!((lists.len() as u64, &lists[&1], &lists[&2]), (LISTS, &vec![5, 7], &vec![]));
}
