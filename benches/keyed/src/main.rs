//! Rows by key, beside redb and fjall: `cargo run --release -- [ROWS]`, in this directory.
//!
//! Keys of 19 bytes and values of 128. Every answer is checked. Times are of this machine and say little; ratios and the
//! numbers that should not grow say more.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use fluxdb::{Database, Options, Synchronous};
use redb::ReadableDatabase;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 1000;
const GETS: usize = 100_000;
const SCANS: usize = 2_000;
const SCANNED: usize = 200;

/// What is compared.
trait Store: Send + Sync {
    fn name(&self) -> &'static str;
    fn put(&self, rows: &[(String, Vec<u8>)]);
    /// Reads the values of keys one by one; how many there are.
    fn get(&self, keys: &[String]) -> usize;
    /// Reads rows from each of these keys on; how many there are.
    fn scan(&self, from: &[String], limit: usize) -> usize;
    /// Moves what is in memory to the file.
    fn settle(&self);
}

struct Flux(Database);

impl Flux {
    fn open(path: &Path, sync: bool) -> Self {
        let level = if sync { Synchronous::Full } else { Synchronous::Off };
        let db = Database::open_with(path.join("a.flux"), Options::default().synchronous(level)).unwrap();
        db.connect().execute("CREATE TABLE kv(k VARCHAR PRIMARY KEY, v BLOB)").unwrap();
        Self(db)
    }
}

impl Store for Flux {
    fn name(&self) -> &'static str {
        "fluxdb"
    }

    fn put(&self, rows: &[(String, Vec<u8>)]) {
        let connection = self.0.connect();
        let table = connection.keyed("kv").unwrap();
        let mut batch = table.batch();
        for (key, value) in rows {
            batch.put((key.as_str(), value.as_slice()));
        }
        batch.commit().unwrap();
    }

    fn get(&self, keys: &[String]) -> usize {
        let connection = self.0.connect();
        let table = connection.keyed("kv").unwrap();
        let get = |key: &String| Some(table.get((key.as_str(),)).unwrap()?.get::<_, Vec<u8>>(1).unwrap());
        keys.iter().filter_map(get).map(|value| value.len() / 128).sum()
    }

    fn scan(&self, from: &[String], limit: usize) -> usize {
        let connection = self.0.connect();
        let table = connection.keyed("kv").unwrap();
        let scan = |from: &String| table.scan().from((from.as_str(),)).limit(limit as u64).rows().unwrap();
        let rows = from.iter().flat_map(scan);
        rows.map(|row| row.unwrap().get::<_, Vec<u8>>(1).unwrap().len() / 128).sum()
    }

    fn settle(&self) {
        self.0.connect().execute("CHECKPOINT").unwrap();
    }
}

const TABLE: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("kv");

struct Redb(redb::Database, bool);

impl Store for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn put(&self, rows: &[(String, Vec<u8>)]) {
        let mut write = self.0.begin_write().unwrap();
        if !self.1 {
            write.set_durability(redb::Durability::None).unwrap();
        }
        {
            let mut table = write.open_table(TABLE).unwrap();
            for (key, value) in rows {
                table.insert(key.as_str(), value.as_slice()).unwrap();
            }
        }
        write.commit().unwrap();
    }

    fn get(&self, keys: &[String]) -> usize {
        let read = self.0.begin_read().unwrap();
        let table = read.open_table(TABLE).unwrap();
        let get = |key: &String| table.get(key.as_str()).unwrap().map(|value| value.value().to_vec());
        keys.iter().filter_map(get).map(|value| value.len() / 128).sum()
    }

    fn scan(&self, from: &[String], limit: usize) -> usize {
        let read = self.0.begin_read().unwrap();
        let table = read.open_table(TABLE).unwrap();
        let rows = from.iter().flat_map(|from| table.range(from.as_str()..).unwrap().take(limit));
        rows.map(|row| row.unwrap().1.value().to_vec().len() / 128).sum()
    }

    fn settle(&self) {
        let write = self.0.begin_write().unwrap();
        write.commit().unwrap();
    }
}

struct Fjall(fjall::Database, fjall::Keyspace, bool);

impl Store for Fjall {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn put(&self, rows: &[(String, Vec<u8>)]) {
        let mut batch = self.0.batch();
        if self.2 {
            batch = batch.durability(Some(fjall::PersistMode::SyncData));
        }
        for (key, value) in rows {
            batch.insert(&self.1, key.as_str(), value.as_slice());
        }
        batch.commit().unwrap();
    }

    fn get(&self, keys: &[String]) -> usize {
        let get = |key: &String| self.1.get(key).unwrap().map(|value| value.to_vec());
        keys.iter().filter_map(get).map(|value| value.len() / 128).sum()
    }

    fn scan(&self, from: &[String], limit: usize) -> usize {
        let rows = from.iter().flat_map(|from| self.1.range(from.as_str()..).take(limit));
        rows.map(|row| row.into_inner().unwrap().1.to_vec().len() / 128).sum()
    }

    fn settle(&self) {
        self.1.rotate_memtable_and_wait().unwrap();
    }
}

fn random(i: usize) -> u64 {
    let mut x = (i as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ x >> 31
}

fn key(i: usize) -> String {
    format!("user{i:015}")
}

/// As compressible as text: a half of it is random.
fn value(i: usize) -> Vec<u8> {
    (0..16).flat_map(|word| if word % 2 == 0 { random(i * 16 + word).to_le_bytes() } else { *b"payload " }).collect()
}

fn size(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| if e.path().is_dir() { size(&e.path()) } else { e.metadata().unwrap().len() }).sum()
}

/// The order in which rows come.
fn order(rows: usize, shuffled: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    if shuffled {
        order.sort_by_key(|i| random(*i));
    }
    order
}

fn measure(open: &dyn Fn(&Path, bool) -> Arc<dyn Store>, rows: usize) {
    let mut line = String::new();
    for (sync, shuffled, threads) in
        [(false, false, 1), (false, true, 1), (false, true, 8), (true, false, 1), (true, true, 8)]
    {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path(), sync);
        let rows = if sync { rows / 10 } else { rows };
        let order = order(rows, shuffled);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for part in order.chunks(rows.div_ceil(threads)) {
                let store = Arc::clone(&store);
                scope.spawn(move || {
                    for batch in part.chunks(BATCH) {
                        store.put(&batch.iter().map(|i| (key(*i), value(*i))).collect::<Vec<_>>());
                    }
                });
            }
        });
        let rate = rows as f64 / start.elapsed().as_secs_f64() / 1e3;
        line += &format!(
            " | write {}{} x{threads}: {rate:.0} k/s",
            if shuffled { "random" } else { "sorted" },
            if sync { " fsync" } else { "" }
        );
        if sync || !shuffled || threads > 1 {
            continue;
        }
        for sealed in [false, true] {
            if sealed {
                store.settle();
            }
            let keys: Vec<String> = (0..GETS).map(|i| key(random(i) as usize % rows)).collect();
            let start = Instant::now();
            assert_eq!(store.get(&keys), GETS);
            let get = start.elapsed().as_secs_f64() / GETS as f64 * 1e6;
            let keys: Vec<String> =
                (0..SCANS).map(|i| key(random(i) as usize % (rows - SCANNED))).collect();
            let start = Instant::now();
            assert_eq!(store.scan(&keys, SCANNED), SCANNED * SCANS);
            let scan = start.elapsed().as_secs_f64() / SCANS as f64 * 1e6;
            let start = Instant::now();
            assert_eq!(store.scan(&[String::new()], usize::MAX >> 1), rows);
            let all = rows as f64 / start.elapsed().as_secs_f64() / 1e6;
            let what = if sealed { "sealed" } else { "fresh" };
            line += &format!(" | {what}: get {get:.2} us, scan of {SCANNED} {scan:.0} us, all {all:.2} M/s");
        }
        line += &format!(" | {:.0} MB", size(directory.path()) as f64 / 1e6);
    }
    let directory = tempfile::tempdir().unwrap();
    println!("{}{line}", open(directory.path(), false).name());
}

/// What a row costs in tables of two sizes.
fn upserts() {
    for rows in [10_000, 1_000_000, 10_000_000] {
        let directory = tempfile::tempdir().unwrap();
        let options = Options::default().synchronous(Synchronous::Off);
        let db = Database::open_with(directory.path().join("a.flux"), options).unwrap();
        let connection = db.connect();
        connection.execute("CREATE TABLE t(id BIGINT PRIMARY KEY, v BIGINT)").unwrap();
        connection
            .execute(&format!("INSERT INTO t SELECT i * 7919 % {rows}, i FROM range({rows}) r(i)"))
            .unwrap();
        let table = connection.keyed("t").unwrap();
        let per = |what: &str, count: usize, work: &dyn Fn(i64)| {
            let start = Instant::now();
            (0..count).for_each(|i| work((random(i) % rows as u64) as i64));
            println!("{rows} rows: {what} {:.1} us", start.elapsed().as_secs_f64() / count as f64 * 1e6);
        };
        per("get", 20_000, &|id| assert!(table.get((id,)).unwrap().is_some()));
        per("put", 5_000, &|id| assert!(table.put((id, 1)).unwrap()));
        per("delete and put", 1_000, &|id| {
            assert!(table.delete((id,)).unwrap());
            table.put((id, 2)).unwrap();
        });
        let upsert = connection.prepare("INSERT OR REPLACE INTO t VALUES (?, ?)").unwrap();
        per("INSERT OR REPLACE", 1_000, &|id| assert_eq!(upsert.execute((id, 3)).unwrap(), 1));
        let select = connection.prepare("SELECT v FROM t WHERE id = ?").unwrap();
        per("SELECT by key", 1_000, &|id| assert_eq!(select.query((id,)).unwrap().count_rows().unwrap(), 1));
        let update = connection.prepare("UPDATE t SET v = 4 WHERE id = ?").unwrap();
        per("UPDATE by key", 1_000, &|id| assert_eq!(update.execute((id,)).unwrap(), 1));
    }
}

fn main() {
    let rows = std::env::args().nth(1).map_or(1_000_000, |rows| rows.parse().expect("a number of rows"));
    upserts();
    measure(&|path, sync| Arc::new(Flux::open(path, sync)), rows);
    measure(&|path, sync| Arc::new(Redb(redb::Database::create(path.join("a.redb")).unwrap(), sync)), rows);
    measure(
        &|path, sync| {
            let db = fjall::Database::builder(path).open().unwrap();
            let keyspace = db.keyspace("kv", fjall::KeyspaceCreateOptions::default).unwrap();
            Arc::new(Fjall(db, keyspace, sync))
        },
        rows,
    );
}
