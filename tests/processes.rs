//! One process writes to a file while others read it, and any of them may be killed.

#![cfg(feature = "cli")]

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fluxdb::{Connection, Database, Options};

use directory::Directory;

const FLUXDB: &str = env!("CARGO_BIN_EXE_fluxdb");
const ROLE: &str = "FLUXDB_PROCESS_TEST";
const FILE: &str = "FLUXDB_PROCESS_TEST_FILE";

fn number(connection: &Connection, sql: &str) -> i64 {
    let mut rows = connection.query(sql).unwrap().into_rows();
    rows.next().unwrap().unwrap().get::<_, i64>(0).unwrap()
}

fn reader(path: &Path) -> Database {
    Database::open_with(path, Options::default().read_only(true)).unwrap()
}

/// Makes the database that the processes share.
fn create(path: &Path) {
    let db = Database::open(path).unwrap();
    let connection = db.connect();
    connection.execute("CREATE TABLE pairs(i BIGINT, text VARCHAR)").unwrap();
    connection.execute("CREATE TABLE big AS SELECT i, hash(i) AS h FROM range(300000) t(i)").unwrap();
    connection.execute("CREATE TABLE fixed AS SELECT 7 AS seven").unwrap();
}

/// Another process in one of the roles below. Its lines begin when it is ready.
fn start(role: &str, path: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(ROLE, role)
        .env(FILE, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line == "ready"), "{role} did not begin");
    (child, lines)
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Not a test by itself: what the other processes do.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let path = std::env::var(FILE).unwrap();
    match role.as_str() {
        "write" => write(Path::new(&path)),
        "hold" => hold(Path::new(&path)),
        "cut" => cut(Path::new(&path), false),
        "cut and catch" => cut(Path::new(&path), true),
        other => panic!("{other}"),
    }
}

/// Commits pairs of rows without end, removes others, defines tables, makes the file shorter.
fn write(path: &Path) {
    let db = Database::open(path).unwrap();
    let connection = db.connect();
    let first = number(&connection, "SELECT coalesce(max(i), 0) FROM pairs") + 1;
    println!("\nready");
    for i in first.. {
        connection.execute(&format!("INSERT INTO pairs VALUES ({i}, 'first'), ({i}, 'second')")).unwrap();
        if i % 50 == 0 {
            connection.execute(&format!("DELETE FROM pairs WHERE i <= {} AND i % 7 = 0", i - 10)).unwrap();
        }
        if i % 200 == 0 {
            connection.execute("CREATE OR REPLACE TABLE other AS SELECT * FROM range(50000)").unwrap();
            connection.execute("DROP TABLE other").unwrap();
            connection
                .execute("CREATE OR REPLACE TABLE big AS SELECT i, hash(i) AS h FROM range(300000) t(i)")
                .unwrap();
        }
        if i % 300 == 0 {
            connection.execute("VACUUM").unwrap();
        }
        println!("\ndone {i}");
    }
}

/// Looks at one moment until it is killed.
fn hold(path: &Path) {
    let db = reader(path);
    let connection = db.connect();
    connection.execute("BEGIN").unwrap();
    let rows = number(&connection, "SELECT count(*) FROM big");
    println!("\nready");
    loop {
        assert_eq!(number(&connection, "SELECT count(*) FROM big WHERE h = hash(i)"), rows);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads a file that is cut meanwhile.
fn cut(path: &Path, catch: bool) {
    if catch {
        fluxdb::catch_sigbus().unwrap();
    }
    let sound = path.with_extension("sound");
    create(&sound);
    let sound = Database::open(&sound).unwrap().connect();
    println!("\nready");
    for (read_before, sql) in [
        (true, "SELECT sum(h)::VARCHAR FROM big"),
        (true, "SELECT h FROM big"),
        (false, "SELECT i FROM big WHERE h = 7"),
    ] {
        std::fs::remove_file(path).unwrap();
        create(path);
        let db = Database::open(path).unwrap();
        let connection = db.connect();
        if read_before {
            // All checksums have been looked at: nothing but the signal tells.
            connection.query(sql).unwrap().count_rows().unwrap();
        }
        let mut rows = connection.query("SELECT i, h FROM big").unwrap();
        rows.next_batch().unwrap().unwrap();
        std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(32 << 10).unwrap();
        let what = "cut off or became unreadable while it was";
        let error = rows.count_rows().unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        // Nor does anybody use it later.
        let error = connection.query(sql).and_then(fluxdb::Rows::count_rows).unwrap_err().to_string();
        assert!(error.contains(what), "{sql}: {error}");
        for change in ["INSERT INTO fixed VALUES (8)", "CREATE TABLE copy AS FROM big", "CHECKPOINT"] {
            let error = connection.execute(change).unwrap_err().to_string();
            assert!(error.contains(what), "{change}: {error}");
        }
        assert!(!db.check().is_sound());
        assert_eq!(number(&sound, "SELECT count(*) FROM big WHERE h = hash(i)"), 300_000);
        sound.execute("INSERT INTO fixed VALUES (8)").unwrap();
    }
}

/// What holds whenever a reader looks. Returns the greatest number.
fn look(connection: &Connection) -> i64 {
    let greatest = number(connection, "SELECT coalesce(max(i), 0) FROM pairs");
    let odd =
        "SELECT count(*) FROM (SELECT i FROM pairs GROUP BY i HAVING count(*) <> 2 OR min(text) = max(text))";
    assert_eq!(number(connection, odd), 0, "half a commit");
    assert_eq!(number(connection, "SELECT count(*) FROM big WHERE h <> hash(i)"), 0);
    assert_eq!(number(connection, "SELECT seven FROM fixed"), 7);
    greatest
}

fn told(line: &str) -> Option<i64> {
    line.strip_prefix("done ")?.parse().ok()
}

#[test]
fn readers_follow_a_writer_that_is_killed_and_comes_again() {
    let directory = Directory::new();
    let path = directory.path().join("t.flux");
    create(&path);
    let db = reader(&path);
    let connection = db.connect();
    let mut last = look(&connection);
    for round in 0..4 {
        let (writer, mut lines) = start("write", &path);
        // A commit that its process was told of is seen by others.
        let begun = Instant::now();
        let mut looks = 0;
        while begun.elapsed() < Duration::from_secs(3) || looks < 10 {
            let promised = lines.next().and_then(Result::ok).as_deref().and_then(told).unwrap_or(0);
            let now = look(&connection);
            assert!(
                now >= promised && now >= last,
                "round {round}: {now} after {last}, {promised} was promised"
            );
            last = now;
            looks += 1;
            if looks % 5 == 0 {
                // One more, which comes in the middle.
                let other = reader(&path);
                assert!(look(&other.connect()) >= last);
                connection.execute("BEGIN").unwrap();
                let frozen = look(&connection);
                std::thread::sleep(Duration::from_millis(30));
                assert_eq!(look(&connection), frozen, "a transaction sees one moment");
                connection.execute("COMMIT").unwrap();
            }
        }
        if round == 0 {
            let error = Database::open(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("another process (pid {})", writer.id())), "{error}");
        }
        kill(writer);
        let promised = lines.map_while(Result::ok).filter_map(|line| told(&line)).last().unwrap_or(0);
        let now = look(&connection);
        assert!(now >= promised && now >= last, "round {round}: {now} after {last}, {promised} was promised");
        last = now;
    }
    drop(connection);
    drop(db);
    let db = Database::open(&path).unwrap();
    assert!(look(&db.connect()) >= last);
    let report = db.check();
    assert!(report.is_sound(), "{:?}", report.findings);
    drop(db);
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["t.flux"], "the last to leave takes the lock file along");
}

#[test]
fn what_a_reader_looks_at_stays_until_it_dies() {
    let directory = Directory::new();
    let path = directory.path().join("t.flux");
    create(&path);
    let (mut holder, _lines) = start("hold", &path);
    let bytes = || std::fs::metadata(&path).unwrap().len();
    let before = bytes();
    for _ in 0..2 {
        // Also for a writer that did not see it come.
        let db = Database::open(&path).unwrap();
        let connection = db.connect();
        connection
            .execute("CREATE OR REPLACE TABLE big AS SELECT i, hash(i + 1) AS h FROM range(200000) t(i)")
            .unwrap();
        connection
            .execute("CREATE OR REPLACE TABLE big AS SELECT i, hash(i) AS h FROM range(1000) t(i)")
            .unwrap();
        for i in 0..50 {
            connection.execute(&format!("INSERT INTO pairs VALUES ({i}, 'a')")).unwrap();
        }
        connection.execute("VACUUM").unwrap();
        drop(connection);
        drop(db);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(holder.try_wait().unwrap(), None, "the reader read something else");
        assert!(bytes() >= before, "the file was cut under a reader");
    }
    kill(holder);
    let db = Database::open(&path).unwrap();
    db.connect().execute("VACUUM").unwrap();
    assert!(bytes() < before / 4, "{} of {before} bytes are left", bytes());
    let report = db.check();
    assert!(report.is_sound(), "{:?}", report.findings);
}

#[test]
fn a_backup_is_one_moment_of_a_database_that_is_written_to() {
    let directory = Directory::new();
    let path = directory.path().join("t.flux");
    create(&path);
    let (writer, mut lines) = start("write", &path);
    for round in 0..6 {
        let promised = lines.by_ref().map_while(Result::ok).find_map(|line| told(&line)).unwrap();
        let copy = directory.path().join(format!("copy{round}.flux"));
        let backup = || Command::new(FLUXDB).arg("backup").args([&path, &copy]).output().unwrap();
        let output = backup();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let db = Database::open(&copy).unwrap();
        assert!(db.recovery().is_clean() && db.recovery().commits == 0);
        assert!(look(&db.connect()) >= promised);
        let output = backup();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("exists already"));
    }
    kill(writer);
    let left = std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name());
    let hidden: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with('.')).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn what_cannot_be_made_leaves_nothing() {
    let directory = Directory::new();
    let path = directory.path().join("t.flux");
    assert!(Database::open_with(&path, Options::default().page_size(5000)).is_err());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let status = |words: &[&str]| {
        Command::new(FLUXDB).args(words).stderr(Stdio::null()).stdin(Stdio::null()).status().unwrap()
    };
    let path = path.to_str().unwrap();
    let missing = directory.path().join("missing");
    assert!(!status(&["import", path, missing.to_str().unwrap()]).success());
    assert!(!status(&["backup", path, missing.to_str().unwrap()]).success());
    assert!(!status(&["--readonly", path, "SELECT 1"]).success());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Without the handler such a process ends; so that is what the handler is for.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_cut_under_the_mapping_is_an_error_where_that_is_asked_for() {
    use std::os::unix::process::ExitStatusExt;
    const SIGBUS: i32 = 7;
    for (role, signal) in [("cut and catch", None), ("cut", Some(SIGBUS))] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.flux");
        std::fs::write(&path, "").unwrap();
        let (mut child, lines) = start(role, &path);
        let output: Vec<String> = lines.map_while(Result::ok).collect();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), signal, "{role}: {output:?}");
        assert_eq!(status.success(), signal.is_none(), "{role}: {output:?}");
    }
}
