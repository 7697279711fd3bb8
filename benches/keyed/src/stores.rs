//! What is compared: each store behind one trait, used as its documentation says that it is fast.

use std::path::Path;

use fluxdb::{Database, Options, Synchronous};
use redb::ReadableDatabase;

/// Keys and values in a directory.
pub trait Store: Send + Sync {
    /// Adds rows, or replaces those with their keys, all at once.
    fn put(&self, rows: &[(String, Vec<u8>)]);
    /// Reads the values of keys one by one; how many there are.
    fn get(&self, keys: &[String]) -> usize;
    /// Reads rows from each of these keys on; how many there are.
    fn scan(&self, from: &[String], limit: usize) -> usize;
    /// Moves what is in memory to the file.
    fn settle(&self);
}

/// Names of all stores of this build.
pub const NAMES: &[&str] = &[
    "fluxdb",
    "redb",
    "fjall",
    #[cfg(feature = "rocksdb")]
    "rocksdb",
];

/// Opens a store. With `sync` a write is durable when it returns; without, it has its place in a log or in memory.
pub fn open(name: &str, path: &Path, sync: bool) -> Box<dyn Store> {
    match name {
        "fluxdb" => Box::new(Flux::open(path, sync)),
        "redb" => Box::new(Redb(redb::Database::create(path.join("a.redb")).unwrap(), sync)),
        "fjall" => {
            let db = fjall::Database::builder(path).open().unwrap();
            let keyspace = db.keyspace("kv", fjall::KeyspaceCreateOptions::default).unwrap();
            Box::new(Fjall(db, keyspace, sync))
        }
        #[cfg(feature = "rocksdb")]
        "rocksdb" => Box::new(crate::rocks::Rocks::open(path, sync)),
        _ => panic!("no store \"{name}\" in this build"),
    }
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
