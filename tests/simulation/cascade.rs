//! Power cuts while foreign keys remove and change rows of other tables: all of a statement is there, or nothing of it.

use std::sync::Arc;

use fluxdb::pager::MemoryFile;
use fluxdb::pager::fault::{Disk, Fate, FaultFile, Process, Random};
use fluxdb::{Connection, Database, Options};

use crate::common::{Time, told};

const STATEMENTS: [&str; 5] = [
    "INSERT INTO p SELECT i FROM range(40) t(i); INSERT INTO c SELECT i, i % 40 FROM range(120) t(i);
     INSERT INTO g SELECT i, i FROM range(120) t(i)",
    "DELETE FROM p WHERE id % 3 = 0",
    "UPDATE p SET id = id + 1000 WHERE id % 2 = 0",
    "MERGE INTO p USING (VALUES (1004), (1), (77)) s(id) ON p.id = s.id WHEN MATCHED AND s.id > 1000 THEN DELETE
     WHEN MATCHED THEN UPDATE SET id = 500 WHEN NOT MATCHED THEN INSERT VALUES (s.id)",
    "TRUNCATE p CASCADE",
];

fn options(log_size: u64) -> Options {
    Options::default()
        .threads(1)
        .page_size(4096)
        .row_group_rows(60)
        .log_size(log_size)
        .background_sealing(false)
}

/// All rows of the tables; none where there is no table yet.
fn state(connection: &Connection) -> String {
    let all = |table: &str, columns: &str| {
        let sql = format!("SELECT string_agg(concat_ws(':', {columns}), ' ' ORDER BY ALL) FROM {table}");
        let sql = sql.replace("ORDER BY ALL", &format!("ORDER BY {columns}"));
        connection
            .query_one::<(Option<String>,)>(&sql, ())
            .map_or_else(|_| "-".into(), |(all,)| all.unwrap_or_default())
    };
    format!("{} / {} / {}", all("p", "id"), all("c", "id, p"), all("g", "id, c"))
}

/// Makes the changes, and cuts the power at each operation of the file. With a log of no bytes each commit is a new state
/// of the whole file.
pub fn sweep(seed: u64, log_size: u64, time: &Time, points: &mut u64) {
    let file = Arc::new(FaultFile::recording(&[]));
    let mut states = vec!["- / - / -".to_owned()];
    {
        let database = Database::open_file(Arc::new(Process::new(&file)), options(log_size)).unwrap();
        let connection = database.connect();
        connection
            .execute(
                "BEGIN; CREATE TABLE p(id BIGINT PRIMARY KEY);
                 CREATE TABLE c(id BIGINT PRIMARY KEY, p BIGINT REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE);
                 CREATE TABLE g(id BIGINT, c BIGINT REFERENCES c ON DELETE SET NULL); COMMIT",
            )
            .unwrap();
        states.push(state(&connection));
        for sql in STATEMENTS {
            connection.execute(&format!("BEGIN; {sql}; COMMIT")).unwrap();
            states.push(state(&connection));
        }
    }
    let mut random = Random(seed);
    let mut disk = Disk::new(&[]);
    let operations = file.take_record();
    for at in 0..=operations.len() {
        if time.is_over(*points) {
            return;
        }
        operations.get(at).iter().for_each(|operation| disk.begin(operation));
        for fate in Fate::ALL {
            let chance = random.next_u64();
            let image = disk.after_power_cut(fate, chance);
            told(
                || format!("log of {log_size}, power cut at operation {at}, {fate:?} by {chance}"),
                || {
                    let database =
                        Database::open_file(Arc::new(MemoryFile::from_bytes(&image)), options(log_size))
                            .unwrap();
                    let found = state(&database.connect());
                    assert!(states.contains(&found), "{found}");
                    assert!(database.check().is_sound());
                },
            );
            *points += 1;
        }
        operations.get(at).iter().for_each(|operation| disk.end(operation));
    }
}
