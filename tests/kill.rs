//! A process that is killed at any moment loses nothing that was committed.

#![cfg(feature = "cli")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fluxdb::{Database, Options};

const FLUXDB: &str = env!("CARGO_BIN_EXE_fluxdb");
const ROUNDS: u64 = 25;
const LOAD: &str = "CREATE TABLE big AS SELECT i, i % 97 AS m, 'value ' || (i % 1000) AS s \
                    FROM generate_series(1, 400000) t(i)";

/// A random number by splitmix64; the seed is printed so that a failure can be seen again.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn number(db: &Database, sql: &str) -> Option<String> {
    let mut rows = db.connect().query(sql).ok()?;
    let ty = rows.columns()[0].ty.clone();
    let batch = rows.next_batch()?.unwrap();
    let mut text = String::new();
    fluxdb::write_value(&batch.columns[0], 0, &ty, &mut text).unwrap();
    Some(text)
}

#[test]
fn a_load_that_is_killed_leaves_all_earlier_commits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    let db = Database::open(&path).unwrap();
    db.connect().execute("CREATE TABLE base AS SELECT i FROM generate_series(1, 1000) t(i)").unwrap();
    db.close().unwrap();

    // How long a load takes when nobody kills it tells when to kill.
    let begun = Instant::now();
    let whole = Command::new(FLUXDB).arg(&path).args([LOAD, "DROP TABLE big"]).status().unwrap();
    assert!(whole.success());
    let longest = begun.elapsed().as_micros() as u64 + 1;

    let mut seed = std::process::id().into();
    println!("seed {seed}");
    let mut committed = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(FLUXDB)
            .arg(&path)
            .arg(format!("INSERT INTO base VALUES ({})", 10_000 + round))
            .args([LOAD, "DROP TABLE big"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(random(&mut seed) % longest));
        child.kill().unwrap();
        child.wait().unwrap();

        let db = Database::open_with(&path, Options::default()).unwrap();
        let base = number(&db, "SELECT count(*) FROM base").unwrap().parse::<u64>().unwrap();
        assert!(base == 1000 + committed || base == 1000 + committed + 1, "round {round}: {base} rows");
        committed = base - 1000;
        assert_eq!(number(&db, "SELECT sum(i) FROM base WHERE i <= 1000").unwrap(), "500500");
        if let Some(rows) = number(&db, "SELECT count(*) FROM big") {
            assert_eq!(rows, "400000", "round {round}: half a load is visible");
            db.connect().execute("DROP TABLE big").unwrap();
        }
        let report = db.check();
        assert!(report.is_sound(), "round {round}: {:?}", report.findings);
        db.close().unwrap();
    }
    assert!(committed > 0, "every round was killed before its first commit: nothing was tested");
}
