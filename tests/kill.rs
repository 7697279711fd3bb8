//! A process that is killed at any moment loses nothing that was committed.

#![cfg(feature = "cli")]

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fluxdb::inspect::Inspection;
use fluxdb::{Database, Options};

use directory::Directory;

const FLUXDB: &str = env!("CARGO_BIN_EXE_fluxdb");
/// How often each test kills a process; `FLUXDB_KILL_ROUNDS` says otherwise.
const ROUNDS: u64 = 15;

fn rounds() -> u64 {
    std::env::var("FLUXDB_KILL_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number of rounds"))
}

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
    let dir = Directory::new();
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
    for round in 0..rounds() {
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
        coverage::assert_covered(Inspection::open(&path));
        db.close().unwrap();
        coverage::assert_covered(Inspection::open(&path));
    }
    println!("{} kills; {committed} commits", rounds());
    assert!(committed > 0, "every round was killed before its first commit: nothing was tested");
}

const CHILD: &str = "FLUXDB_KILL_TEST";
const THREADS: u64 = 4;

/// Not a test by itself: the process that is killed below. Each thread adds rows and moves a counter in small commits,
/// and says so after each.
#[test]
fn child() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let db = Database::open(Path::new(&path)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let db = &db;
            scope.spawn(move || {
                let connection = db.connect();
                let number = |sql: &str| number(db, sql).unwrap().parse::<u64>().unwrap();
                let mut last = number(&format!("SELECT n FROM counters WHERE thread = {thread}"));
                // So that sealing is interrupted too, and not only the log.
                let tidies = (last + thread) % 3 == 0;
                loop {
                    last += 1;
                    let done = connection.execute(&format!(
                        "BEGIN; INSERT INTO log VALUES ({thread}, {last}, 'row {last}');
                         UPDATE counters SET n = {last} WHERE thread = {thread}; COMMIT"
                    ));
                    if let Err(error) = done {
                        // The row was written anew meanwhile.
                        assert!(error.to_string().contains("try again"), "{error}");
                        last -= 1;
                        continue;
                    }
                    if tidies && last % 16 == 0 {
                        let sealed = connection.execute("CHECKPOINT");
                        assert!(sealed.is_ok(), "{sealed:?}");
                    }
                    // One write, so that lines are whole.
                    let _ = std::io::stderr().write_all(format!("{thread} {last}\n").as_bytes());
                }
            });
        }
    });
}

#[test]
fn threads_that_are_killed_leave_all_that_they_were_told_of() {
    let dir = Directory::new();
    let path = dir.path().join("t.flux");
    let db = Database::open(&path).unwrap();
    let connection = db.connect();
    connection.execute("CREATE TABLE log(thread BIGINT, n BIGINT, text VARCHAR)").unwrap();
    connection.execute("CREATE TABLE counters AS SELECT i AS thread, 0 AS n FROM range(4) t(i)").unwrap();
    drop(connection);
    db.close().unwrap();

    let mut seed = std::process::id().into();
    println!("seed {seed}");
    let (mut told, mut replayed) = ([0; THREADS as usize], 0);
    for round in 0..rounds() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let (begun, begins) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut told = vec![];
            for line in lines.lines().map_while(Result::ok) {
                let _ = begun.send(());
                if let Some((thread, n)) = line.split_once(' ')
                    && let (Ok(thread), Ok(n)) = (thread.parse::<usize>(), n.parse::<u64>())
                {
                    told.push((thread, n));
                }
            }
            told
        });
        if round % 4 != 0 {
            // Else it may be killed while it opens the file. However slow the machine is, there are commits.
            let _ = begins.recv_timeout(Duration::from_secs(20));
        }
        std::thread::sleep(Duration::from_millis(random(&mut seed) % 400));
        child.kill().unwrap();
        child.wait().unwrap();
        for (thread, n) in reader.join().unwrap() {
            told[thread] = told[thread].max(n);
        }

        let db = Database::open(&path).unwrap();
        replayed += db.recovery().commits;
        for thread in 0..THREADS {
            let one = |what: &str, table: &str| {
                number(&db, &format!("SELECT {what} FROM {table} WHERE thread = {thread}")).unwrap()
            };
            let n = one("max(n)", "counters").parse::<u64>().unwrap();
            let least = told[thread as usize];
            assert!(
                n == least || n == least + 1,
                "round {round}, thread {thread}: {n} where {least} was told"
            );
            if n > 0 {
                let all = one("count(*) || ' ' || sum(n) || ' ' || max(n)", "log");
                assert_eq!(all, format!("{n} {} {n}", n * (n + 1) / 2), "round {round}, thread {thread}");
            }
            told[thread as usize] = n;
        }
        let report = db.check();
        assert!(report.is_sound(), "round {round}: {:?}", report.findings);
        coverage::assert_covered(Inspection::open(&path));
        db.close().unwrap();
        coverage::assert_covered(Inspection::open(&path));
    }
    println!("{} kills; {told:?} commits, {replayed} from the log", rounds());
    assert!(told.iter().sum::<u64>() > 20 && replayed > 20, "{told:?}, {replayed}");
}
