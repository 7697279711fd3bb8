//! The shell's contract, from outside: what scripts may rely on.

#![cfg(feature = "cli")]

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use directory::Directory;

const FLUXDB: &str = env!("CARGO_BIN_EXE_fluxdb");

fn shell(args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(FLUXDB)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = stdin.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = pipe.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The statement succeeds and prints exactly this.
#[track_caller]
fn gives(args: &[&str], sql: &str, want: &str) {
    let mut all = args.to_vec();
    all.extend(["-c", sql]);
    let out = shell(&all, b"");
    assert_eq!(text(&out.stdout), want, "{sql}\n{}", text(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{sql}\n{}", text(&out.stderr));
}

/// The run fails with status 1 and one line that begins with `Error: `; returns standard error.
#[track_caller]
fn refuses(args: &[&str], stdin: &[u8]) -> String {
    let out = shell(args, stdin);
    let err = text(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{err}");
    assert_eq!(err.lines().filter(|l| l.starts_with("Error: ")).count(), 1, "{err}");
    assert!(!err.contains("panicked"), "{err}");
    err
}

#[test]
fn a_subcommand_with_a_mistake_is_told() {
    let dir = Directory::new();
    let path = dir.path().join("chek");
    let out = Command::new(FLUXDB).args(["chek", "demo.flux"]).current_dir(dir.path()).output().unwrap();
    let err = text(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{err}");
    assert!(err.contains("HINT: 'chek' was taken for a new database; the subcommand is 'check'."), "{err}");
    // A database of that name that is there is meant.
    assert!(!path.exists());
    assert_eq!(shell(&[path.to_str().unwrap(), "CREATE TABLE t(i INTEGER)"], b"").status.code(), Some(0));
    let again = Command::new(FLUXDB).args(["chek", "demo.flux"]).current_dir(dir.path()).output().unwrap();
    assert!(!text(&again.stderr).contains("HINT"), "{}", text(&again.stderr));
}

#[test]
fn a_database_that_is_made_by_mistake_goes_again() {
    let dir = Directory::new();
    let path = dir.path().join("new.flux");
    let name = path.to_str().unwrap();
    for (args, status) in [
        (&[name, "SELEC 1"][..], 1),
        (&[name, "SELECT 1; FROM nope"], 1),
        (&[name, "--batch", "FROM nope; SELECT 1"], 1),
        (&[name, "-f", "/no/such/file"], 1),
        (&["write", name, "m", "--field", "x=1", "--time", "soon"], 1),
        (&["import", name, "/no/such/file.csv"], 1),
        (&["demo", name, "--rows"], 2),
    ] {
        let out = shell(args, b"");
        assert_eq!(out.status.code(), Some(status), "{args:?}: {}", text(&out.stderr));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{args:?}");
    }
    let wrong = dir.path().join("wrong.lp");
    fs::write(&wrong, "no line protocol\n").unwrap();
    assert_eq!(shell(&["import", name, wrong.to_str().unwrap()], b"").status.code(), Some(1));
    assert!(!path.exists());
    // One that holds something stays, and so does one that was asked for and not written to.
    refuses(&[name, "CREATE TABLE t(i INTEGER); INSERT INTO t VALUES (1); FROM nope"], b"");
    gives(&[name], "FROM t", "i\n1\n");
    refuses(&[name, "FROM nope"], b"");
    gives(&[name], "FROM t", "i\n1\n");
    let empty = dir.path().join("empty.flux");
    gives(&[empty.to_str().unwrap()], "SELECT 1 AS a", "a\n1\n");
    assert!(empty.exists());
    refuses(&[empty.to_str().unwrap(), "FROM nope"], b"");
    assert!(empty.exists());
}

#[test]
fn a_mistake_is_shown_in_the_lines_of_its_statement() {
    let err = refuses(&["--batch"], b"SELECT 1;\n\nSELECT nope;\n");
    assert!(err.contains("LINE 1: SELECT nope;\n               ^"), "{err}");
    let err = refuses(&["--batch"], b"SELECT 1;\nSELECT 1,\n  nope;\n");
    assert!(err.contains("LINE 2:   nope;\n          ^"), "{err}");
}

#[test]
fn what_is_made_for_other_programs_is_in_their_form() {
    let man = shell(&["man"], b"");
    assert!(man.stdout.is_ascii(), "roff takes other letters by their numbers");
    assert!(text(&man.stdout).contains("COPY \\[u2026] TO"), "{}", text(&man.stdout));
    for program in ["bash", "zsh", "fish"] {
        let script = shell(&["completions", program], b"");
        assert_eq!(script.status.code(), Some(0));
        // Where that shell is there, it says whether it can read it.
        let dir = Directory::new();
        let path = dir.path().join("script");
        fs::write(&path, &script.stdout).unwrap();
        if let Ok(read) = Command::new(program).arg("-n").arg(&path).output() {
            assert!(read.status.success(), "{program}: {}", text(&read.stderr));
        }
    }
}

#[test]
fn version_help_and_bad_usage() {
    let out = shell(&["--version"], b"");
    assert_eq!(text(&out.stdout).lines().count(), 1);
    assert_eq!(out.status.code(), Some(0));
    let out = shell(&["--help"], b"");
    assert!(text(&out.stdout).contains("DATABASE"));
    for bad in [&["--no-such-option"][..], &["--format", "xml"], &["-c"], &["check"]] {
        assert_eq!(shell(bad, b"").status.code(), Some(2), "{bad:?}");
    }
}

#[test]
fn bench_measures_and_leaves_nothing_behind() {
    let dir = Directory::new();
    let path = dir.path().to_str().unwrap();
    let out = shell(&["bench", "--rows", "5000", "--commits", "3", path], b"");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let report = text(&out.stdout);
    for what in
        ["write and sync of 4 KiB", "load", "rows/s", "group: averages of 100 hosts", "committed", "p99"]
    {
        assert!(report.contains(what), "{what}: {report}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert_eq!(shell(&["bench", "--rows", "0"], b"").status.code(), Some(2));
    refuses(&["bench", "/no/such/directory"], b"");
}

#[test]
fn csv_is_the_format_of_a_pipe() {
    gives(&[], "SELECT 1 AS a, 'x' AS b", "a,b\n1,x\n");
    gives(&[], "SELECT NULL AS a, '' AS b, 1 AS c", "a,b,c\n,\"\",1\n");
    gives(
        &[],
        "SELECT 'a,b' AS a, 'say \"hi\"' AS b, 'two' || chr(10) || 'lines' AS c",
        "a,b,c\n\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\n",
    );
    gives(
        &[],
        "SELECT true AS a, DATE '2024-01-31' AS b, TIMESTAMP '2024-01-31 12:00:00' AS c, \
         TIMESTAMP '2024-01-31 12:00:00.25' AS d",
        "a,b,c,d\ntrue,2024-01-31,2024-01-31 12:00:00,2024-01-31 12:00:00.25\n",
    );
    gives(
        &[],
        "SELECT 0.1::DOUBLE AS a, 1e300::DOUBLE AS b, 1.50::DECIMAL(5,2) AS c, 9223372036854775807 AS e",
        "a,b,c,e\n0.1,1e+300,1.50,9223372036854775807\n",
    );
    gives(
        &[],
        "SELECT [1, 2, NULL] AS a, {'k': 1, 's': 'x'} AS b",
        "a,b\n\"[1, 2, NULL]\",\"{'k': 1, 's': x}\"\n",
    );
    gives(&[], "SELECT 1 AS a WHERE false", "a\n");
    gives(&[], "CREATE TABLE t(i INTEGER)", "");
    gives(&[], "SELECT 'zürich 日本' AS \"größe\"", "größe\nzürich 日本\n");
    gives(&[], "SELECT 'a;b' AS a -- no; end\n, 2 /* ; */ AS b;", "a,b\na;b,2\n");
}

#[test]
fn statements_come_from_options_files_arguments_and_standard_input() {
    let dir = Directory::new();
    let file = dir.path().join("q.sql");
    fs::write(&file, "SELECT 1 AS a;\nSELECT 2 AS b;\n").unwrap();
    let want = "a\n1\nb\n2\n";
    for (args, stdin) in [
        (&["-c", "SELECT 1 AS a", "-c", "SELECT 2 AS b"][..], ""),
        (&["-f", file.to_str().unwrap()], ""),
        (&[":memory:", "SELECT 1 AS a", "SELECT 2 AS b"], ""),
        (&[], "SELECT 1 AS a;\nSELECT\n  2 AS b;\n"),
        (&[], "SELECT 1 AS a; SELECT 2 AS b"),
    ] {
        let out = shell(args, stdin.as_bytes());
        assert_eq!(text(&out.stdout), want, "{args:?} {}", text(&out.stderr));
    }
}

#[test]
fn formats() {
    let sql = "SELECT 1 AS a, 'x' AS b, NULL AS c";
    gives(&["--format", "json"], sql, "[{\"a\":1,\"b\":\"x\",\"c\":null}]\n");
    gives(&["--format", "ndjson"], sql, "{\"a\":1,\"b\":\"x\",\"c\":null}\n");
    gives(&["--format", "markdown"], sql, "| a | b | c |\n|---:|---|---:|\n| 1 | x |  |\n");
    gives(&["--format", "tsv"], sql, "a\tb\tc\n1\tx\t\n");
    gives(&["--format", "vertical"], sql, "a = 1\nb = x\nc = NULL\n");
    gives(&["--format", "null"], "SELECT * FROM generate_series(1, 10)", "");
    for format in ["table", "box"] {
        let out = shell(&["--format", format, "-c", sql], b"");
        assert!(text(&out.stdout).contains('x'));
    }
    let out = shell(&["--format", "parquet", "-c", sql], b"");
    assert!(out.stdout.starts_with(b"PAR1") && out.stdout.ends_with(b"PAR1"));
    let out = shell(&["--format", "arrow", "-c", sql], b"");
    assert!(out.stdout.starts_with(&[0xff; 4]));
}

#[test]
fn a_plan_is_drawn_where_people_look() {
    let sql = "EXPLAIN SELECT count(*) FROM range(3)";
    let out = text(&shell(&["--format", "table", "-c", sql], b"").stdout);
    assert!(out.lines().count() > 1 && !out.contains("\\n") && !out.contains("explain_key"), "{out}");
    // Programs get the columns.
    let out = text(&shell(&["--format", "csv", "-c", sql], b"").stdout);
    assert!(out.starts_with("explain_key,explain_value\n"), "{out}");
}

#[test]
fn batch_goes_on_after_an_error_and_times_every_statement() {
    let out =
        shell(&["--batch", "--format", "csv", "--timer"], b"SELECT 1 AS a;\nSELECT nope;\nSELECT 2 AS b;\n");
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(text(&out.stdout), "a\n1\nb\n2\n");
    let err = text(&out.stderr);
    let timers: Vec<_> = err.lines().filter(|l| l.starts_with("Run Time: real ")).collect();
    assert_eq!(timers.len(), 3, "{err}");
    assert!(timers[0].ends_with(" s, rows 1"), "{err}");
    assert!(timers[1].ends_with(" s, rows 0"), "{err}");
}

#[test]
fn without_batch_the_first_error_ends_the_run() {
    let out = shell(&[], b"SELECT 1 AS a;\nSELECT nope;\nSELECT 2 AS b;\n");
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(text(&out.stdout), "a\n1\n");
}

#[test]
fn a_result_is_flushed_before_its_timer_line() {
    let dir = Directory::new();
    let path = dir.path().join("out.csv");
    let mut child = Command::new(FLUXDB)
        .args(["--batch", "--format", "csv", "--timer"])
        .stdin(Stdio::piped())
        .stdout(fs::File::create(&path).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "SELECT * FROM generate_series(1, 50000);").unwrap();
    stdin.flush().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let lines = fs::read_to_string(&path).unwrap().lines().count();
    drop(stdin);
    child.wait().unwrap();
    assert!(line.starts_with("Run Time: real "), "{line}");
    assert_eq!(lines, 50_001);
}

#[test]
fn errors_are_told_and_never_panic() {
    let err = refuses(&["-c", "SELECT 1,\n  nope FROM (SELECT 1 AS note)"], b"");
    assert!(err.contains("  nope FROM"), "the line of SQL: {err}");
    assert!(err.lines().any(|l| l.trim() == "^"), "a caret: {err}");
    assert!(err.contains("note"), "what would have been right: {err}");
    refuses(&["-c", "SELEC 1"], b"");
    refuses(&["-c", "SELECT * FROM no_such_table"], b"");
    refuses(&["-c", "SELECT 9223372036854775807 + 1"], b"");
    let deep = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    refuses(&["-c", &deep], b"");
    refuses(&["-c", &format!("SELECT {} true", "NOT ".repeat(25_000))], b"");
    refuses(&[], b"SELECT '\xff\xfe\x00';\n");
    refuses(&[], b"SELECT 'abc;\n");
}

#[test]
fn long_statements_run_or_are_refused() {
    let sql = format!("SELECT length('{}') AS n;\n", "x".repeat(1_000_000));
    let out = shell(&[], sql.as_bytes());
    assert_eq!(text(&out.stdout), "n\n1000000\n", "{}", text(&out.stderr));
    let chain = format!("SELECT 1{} AS n;\n", " + 1".repeat(50_000));
    let out = shell(&[], chain.as_bytes());
    let err = text(&out.stderr);
    assert!(text(&out.stdout) == "n\n50001\n" || err.starts_with("Error: "), "{err}");
    let many = format!(
        "SELECT count(*) AS n FROM generate_series(1, 10) t(i) WHERE i IN (1{});\n",
        ", 2".repeat(50_000)
    );
    let out = shell(&[], many.as_bytes());
    assert_eq!(text(&out.stdout), "n\n2\n", "{}", text(&out.stderr));
}

#[test]
fn one_file_holds_the_database() {
    let dir = Directory::new();
    let db = dir.path().join("t.flux");
    let path = db.to_str().unwrap();
    gives(&[path], "CREATE TABLE t AS SELECT i, 'v' || i AS s FROM generate_series(1, 1000) g(i)", "");
    gives(&[path], "SELECT count(*) AS n, min(s) AS a FROM t", "n,a\n1000,v1\n");
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(files.iter().all(|f| f == "t.flux" || f == "t.flux-lock"), "{files:?}");
    let copy = dir.path().join("copy.flux");
    fs::copy(&db, &copy).unwrap();
    gives(&[copy.to_str().unwrap()], "SELECT sum(i) AS n FROM t", "n\n500500\n");
    gives(&["--readonly", path], "SELECT count(*) AS n FROM t", "n\n1000\n");
    refuses(&["--readonly", path, "-c", "DELETE FROM t"], b"");
    refuses(&["--readonly", path, "-c", "CREATE TABLE u(i INTEGER)"], b"");
    gives(&[path], "SELECT count(*) AS n FROM t", "n\n1000\n");
    assert_eq!(shell(&["check", path], b"").status.code(), Some(0));
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let dir = Directory::new();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    refuses(&["--readonly", &path("missing.flux"), "-c", "SELECT 1"], b"");
    refuses(&[dir.path().to_str().unwrap(), "-c", "CREATE TABLE t(i INTEGER)"], b"");
    refuses(&[&path("no/such/dir.flux"), "-c", "CREATE TABLE t(i INTEGER)"], b"");
    let words = "this is no database\n".repeat(1000);
    fs::write(path("text.flux"), &words).unwrap();
    refuses(&[&path("text.flux"), "-c", "SELECT 1"], b"");
    assert_eq!(fs::read_to_string(path("text.flux")).unwrap(), words);
}

#[test]
fn a_second_writer_is_told_who_holds_the_file() {
    let dir = Directory::new();
    let db = dir.path().join("t.flux");
    let path = db.to_str().unwrap();
    let mut holder = Command::new(FLUXDB)
        .args([path, "--batch", "--format", "csv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = holder.stdin.take().unwrap();
    writeln!(stdin, "SELECT 1 AS ready;").unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let err = refuses(&[path, "-c", "CREATE TABLE t(i INTEGER)"], b"");
    assert!(err.contains(&holder.id().to_string()), "{err}");
    drop(stdin);
    holder.wait().unwrap();
    gives(&[path], "CREATE TABLE t(i INTEGER)", "");
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let mut child = Command::new(FLUXDB)
        .args(["-c", "SELECT * FROM generate_series(1, 20000000)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(1), "still running");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(err, "");
}

#[test]
fn files_in_and_out() {
    let dir = Directory::new();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let csv = at("in.csv");
    fs::write(Path::new(&csv), "id,name,when,x\n1,ann,2024-01-01,1.5\n2,\"b,ob\",2024-01-02,\n").unwrap();
    gives(
        &[],
        &format!("SELECT id + 1 AS a, name, \"when\" + INTERVAL 1 DAY AS w, x FROM '{csv}' ORDER BY id"),
        "a,name,w,x\n2,ann,2024-01-02 00:00:00,1.5\n3,\"b,ob\",2024-01-03 00:00:00,\n",
    );
    for name in ["out.parquet", "out.csv", "out.arrow", "out.json", "out.ndjson.gz", "out.tsv.zst"] {
        let path = at(name);
        let copy =
            format!("COPY (SELECT i, i * 0.5::DOUBLE AS h FROM generate_series(1, 5) g(i)) TO '{path}'");
        gives(&[], &copy, "");
        gives(&[], &format!("SELECT count(*) AS n, sum(h) AS h FROM '{path}'"), "n,h\n5,7.5\n");
    }
}

#[test]
fn subcommands_bring_files_in_and_out() {
    let dir = Directory::new();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("cities.csv"), "name,people\nOslo,717000\nBergen,291000\n").unwrap();
    let run = |args: &[&str]| {
        let out = shell(args, b"");
        assert_eq!(out.status.code(), Some(0), "{args:?}: {}", text(&out.stderr));
        text(&out.stdout)
    };
    let db = path("x.flux");
    assert!(run(&["import", &db, &path("cities.csv")]).contains("2 rows into cities"));
    run(&["import", &db, &path("cities.csv"), "--table", "cities"]);
    assert_eq!(run(&["export", &db, "SELECT count(*) AS n FROM cities", "-"]), "n\n4\n");
    run(&["export", &db, "cities", &path("out.parquet")]);
    run(&["export", &db, "cities", &path("parts"), "--format", "csv", "--partition_by", "name"]);
    assert!(Path::new(&path("parts/name=Oslo")).is_dir());
    run(&["export", &db, &path("all")]);
    run(&[&path("y.flux"), &format!("IMPORT DATABASE '{}'", path("all"))]);
    assert_eq!(run(&[&path("y.flux"), "SELECT sum(people) AS n FROM cities"]), "n\n2016000\n");
    assert_eq!(shell(&["export", &db], b"").status.code(), Some(2));
    refuses(&["export", &db, "nothing", &path("n.csv")], b"");
    assert!(run(&["tour"]).contains("72.4"));
    assert!(run(&["export", "--help"]).contains("partition_by"));
    assert!(run(&["man"]).starts_with(".TH FLUXDB 1"));
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert!(["export", "readonly", "precision"].iter().all(|word| script.contains(word)), "{script}");
    }
}

#[test]
fn results_are_drawn_edited_and_profiled() {
    let script = ".plot\nSELECT 'a' AS k, 2 AS n;\n.plot\n.plot line\nSET profile = 'text';\nSELECT 7;\n.explain off\n.show\n";
    let out = shell(&["--batch"], script.as_bytes());
    let (shown, errors) = (text(&out.stdout), text(&out.stderr));
    assert!(shown.contains("a ┤██") && shown.contains("explain: off"), "{shown}");
    for error in ["no result to draw", "no places on a line", "PROJECT 7"] {
        assert!(errors.contains(error), "{errors}");
    }
    let mut command = Command::new(FLUXDB);
    command
        .env("EDITOR", "sed -i s/41/42/")
        .env_remove("VISUAL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT 41 AS n;\n.edit\n").unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(text(&out.stdout), "n\n41\nSELECT 42 AS n;\nn\n42\n");
}

#[test]
fn copies_are_parted_by_keys() {
    let dir = Directory::new();
    let root = dir.path().join("parts").to_str().unwrap().to_owned();
    for format in ["csv", "json", "parquet", "arrow"] {
        let root = format!("{root}-{format}");
        let copy = |more: &str| {
            format!(
                "COPY (SELECT i, i % 3 AS k, CASE WHEN i > 1 THEN 'a/' || i % 2 END AS s FROM range(1000) r(i)) \
                 TO '{root}' (FORMAT {format}, PARTITION_BY (k, s){more})"
            )
        };
        gives(&[], &copy(""), "");
        assert!(Path::new(&root).join(format!("k=1/s=a%2F0/data_0.{format}")).exists());
        gives(
            &[],
            &format!(
                "SELECT k, s, count(*) AS n, sum(i) AS i FROM '{root}/**/*.{format}' GROUP BY ALL ORDER BY ALL LIMIT 3"
            ),
            "k,s,n,i\n0,a/0,166,83166\n0,a/1,167,83667\n0,,1,0\n",
        );
        let err = refuses(&["-c", &copy("")], b"");
        assert!(err.contains("is not empty"), "{err}");
        gives(&[], &copy(", OVERWRITE_OR_IGNORE"), "");
        gives(&[], &copy(", APPEND"), "");
        assert!(Path::new(&root).join(format!("k=1/s=a%2F0/data_1.{format}")).exists());
        gives(&[], &format!("SELECT count(*) AS n FROM '{root}/**/*.{format}'"), "n\n2000\n");
    }
    let err = refuses(
        &[
            "-c",
            &format!(
                "COPY (SELECT 1 AS a, 2 AS b) TO '{root}' (PARTITION_BY (b), APPEND, FILENAME_PATTERN 'x')"
            ),
        ],
        b"",
    );
    assert!(err.contains("filename_pattern"), "{err}");
    let file = dir.path().join("x");
    let file = file.to_str().unwrap();
    gives(
        &[],
        &format!(
            "COPY (SELECT 1 AS a, 'x' AS b, 'y' AS c) TO '{file}.csv' (FORCE_QUOTE (b)); \
             SELECT content FROM read_text('{file}.csv')"
        ),
        "content\n\"a,\"\"b\"\",c\n1,\"\"x\"\",y\n\"\n",
    );
    gives(
        &[],
        &format!(
            "COPY (SELECT 1 AS a) TO '{file}.parquet' (KV_METADATA {{origin: 'here'}}); \
             SELECT key, value FROM parquet_kv_metadata('{file}.parquet')"
        ),
        "key,value\norigin,here\n",
    );
    let err = refuses(&["-c", &format!("COPY (SELECT 1 AS a) TO '{root}' (PARTITION_BY (b))")], b"");
    assert!(err.contains("expected to find b"), "{err}");
}

#[test]
fn commands_of_the_shell_in_scripts() {
    let out = shell(
        &["--batch"],
        b".mode csv\n.headers off\nSELECT 1, NULL;\n.mode json\nSELECT 2 AS b;\n.nosuch\n.print done\n",
    );
    assert_eq!(text(&out.stdout), "1,\n[{\"b\":2}]\ndone\n");
    assert_eq!(text(&out.stderr), "Error: unknown command .nosuch; .help lists what there is\n");
    assert_eq!(out.status.code(), Some(1));
    // A dot inside a statement is SQL.
    gives(&[], "SELECT 1 +\n.5 AS x", "x\n1.5\n");
    let out = shell(&["-c", ".quit", "-c", "SELECT 1"], b"");
    assert_eq!((text(&out.stdout), out.status.code()), (String::new(), Some(0)));
}

#[test]
fn what_is_dumped_can_be_read_again() {
    let dir = Directory::new();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (db, copy, dump) = (at("a.flux"), at("b.flux"), at("dump.sql"));
    gives(
        &[&db],
        "CREATE TABLE \"my t\" AS SELECT i AS \"a b\", CASE WHEN i <> 1 THEN 'it''s ' || i END AS s, \
         i * 0.5::DOUBLE AS d, DATE '2024-01-01' + i::INTEGER AS day, [i, NULL] AS l, \
         {'x': 'y', 'n': i::DECIMAL(9,2)} AS st, map([i], ['v']) AS m, i::VARCHAR::BLOB AS b, \
         INTERVAL 1 DAY * i AS iv, (-i)::TINYINT::VARIANT AS n, [[(-i)::TINYINT]] AS nn, \
         {'a': i, 'b': [-1.5, 'x,''y'::VARIANT, NULL], 'c': '{\"a\": 1, \"A\": {}, \"\": []}'::JSON}::VARIANT AS o \
         FROM range(3) r(i); \
         CREATE VIEW v AS SELECT count(*) AS n FROM \"my t\"; \
         CREATE TABLE parent(p INTEGER PRIMARY KEY, twice INTEGER AS (p * 2), \"a b\" INTEGER); \
         CREATE TABLE child(c INTEGER REFERENCES parent(p)); \
         INSERT INTO parent VALUES (1, 5); INSERT INTO child VALUES (1)",
        "",
    );
    let out = shell(&[&db, "-c", ".dump"], b"");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    fs::write(&dump, &out.stdout).unwrap();
    let out = shell(&[&copy, "-f", &dump], b"");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let all = "FROM \"my t\"; SELECT variant_typeof(n), variant_typeof(o.a), variant_typeof(o.b[1]) FROM \"my t\"; FROM v; FROM parent; FROM child";
    let rows = |path: &str| text(&shell(&[path, "-c", all], b"").stdout);
    assert_eq!(rows(&db), rows(&copy));
    assert!(rows(&db).lines().count() > 8);
}

#[test]
fn a_file_that_reads_itself_ends() {
    let dir = Directory::new();
    let path = dir.path().join("loop.sql").to_str().unwrap().to_owned();
    fs::write(&path, format!(".read {path}\n")).unwrap();
    refuses(&["-f", &path], b"");
}

/// A limit on the size of files stands for a full disk.
#[test]
#[cfg(unix)]
fn a_full_disk_is_one_clear_error() {
    let dir = Directory::new();
    let path = dir.path().join("full.flux").to_str().unwrap().to_owned();
    gives(&[&path], "CREATE TABLE keep AS SELECT i FROM range(1000) r(i)", "");
    let load =
        "CREATE TABLE big AS SELECT i, random() AS x, 'text ' || random() AS s FROM range(400000) r(i)";
    // Blocks of 512 bytes: 2 MiB.
    let script = format!("trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$1\" -c \"{load}\"");
    let out = Command::new("sh").args(["-c", &script, FLUXDB, &path]).output().unwrap();
    let err = text(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.starts_with("Error: ") && err.contains("full.flux"), "{err}");
    gives(&[&path], "SELECT count(*) AS n, sum(i) AS s FROM keep", "n,s\n1000,499500\n");
    gives(&[&path], "INSERT INTO keep VALUES (1)", "");
    let out = shell(&["check", &path], b"");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
}

/// From the fewest files with which the system starts a program to enough for all that these statements do.
#[test]
#[cfg(unix)]
fn too_few_open_files_are_one_clear_error() {
    let dir = Directory::new();
    let sql = "SET memory_limit = '16MB'; CREATE TABLE t AS SELECT 1 AS i; INSERT INTO t VALUES (2); \
               SELECT count(*) AS n FROM (SELECT i FROM range(400000) r(i) ORDER BY hash(i))";
    let mut ends = vec![];
    for files in 4..12 {
        let path = dir.path().join(format!("{files}.flux")).to_str().unwrap().to_owned();
        let script = format!("ulimit -n {files}; exec \"$0\" \"$1\" -c \"{sql}\"");
        let out = Command::new("sh").args(["-c", &script, FLUXDB, &path]).output().unwrap();
        let err = text(&out.stderr);
        match out.status.code() {
            Some(0) => assert_eq!(text(&out.stdout), "n\n400000\n"),
            Some(1) if err.starts_with("Error: ") => assert!(err.contains("ulimit -n"), "{files}: {err}"),
            // So few that the shell of the system did not come that far.
            _ => continue,
        }
        ends.push(out.status.code());
        if Path::new(&path).exists() {
            let out = shell(&["check", &path], b"");
            assert_eq!(out.status.code(), Some(0), "{files}: {}", text(&out.stderr));
        }
    }
    assert!(ends.contains(&Some(0)) && ends.contains(&Some(1)), "{ends:?}");
}

#[test]
fn fluxql_buckets_time() {
    gives(
        &[],
        "SELECT avg(v) AS a FROM (SELECT TIMESTAMP '2024-01-01 00:00:00' + i * INTERVAL 1 MINUTE AS time, i AS v \
         FROM generate_series(0, 9) g(i)) x EVERY 5m",
        "time,a\n2024-01-01 00:00:00,2.0\n2024-01-01 00:05:00,7.0\n",
    );
}

/// A database with commits in its log: what a killed process leaves. Returns where the log is in the file.
fn database_with_a_log(path: &Path) -> std::ops::Range<usize> {
    let open = path.with_extension("open");
    let db = fluxdb::Database::open(&open).unwrap();
    let connection = db.connect();
    connection.execute("CREATE TABLE t(i INTEGER)").unwrap();
    for i in 1..=10 {
        connection.execute(&format!("INSERT INTO t VALUES ({i})")).unwrap();
    }
    fs::copy(&open, path).unwrap();
    let file = fluxdb::inspect::Inspection::open(path).unwrap();
    assert_eq!(file.log().unwrap().content.frames.len(), 8, "two small commits come before the log");
    let start = file.superblock.as_ref().unwrap().log.unwrap().start.0 * u64::from(file.page_size());
    let end = start + file.log().unwrap().content.end as u64;
    start as usize..end as usize
}

/// The bytes of a database of ten commits, and of a further one the first sector.
fn with_a_torn_commit(dir: &Path) -> Vec<u8> {
    let open = dir.join("torn.flux");
    let db = fluxdb::Database::open(&open).unwrap();
    let connection = db.connect();
    connection.execute("CREATE TABLE t(i INTEGER)").unwrap();
    for i in 1..=10 {
        connection.execute(&format!("INSERT INTO t VALUES ({i})")).unwrap();
    }
    let mut torn = fs::read(&open).unwrap();
    connection.execute("INSERT INTO t SELECT i * i FROM range(300) r(i)").unwrap();
    let whole = fs::read(&open).unwrap();
    let log = fluxdb::inspect::Inspection::open(&open).unwrap().log_offset().unwrap() as usize;
    let first = (log..).find(|at| torn[*at] != whole[*at]).unwrap();
    let end = (first + 1).next_multiple_of(512);
    torn[first..end].copy_from_slice(&whole[first..end]);
    torn
}

#[test]
fn what_a_crash_left_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.flux");
    let log = database_with_a_log(&path);
    let name = path.to_str().unwrap();
    let sound = fs::read(&path).unwrap();
    // A log is nothing to talk about.
    let out = shell(&["--readonly", name, "SELECT count(*), sum(i) FROM t"], b"");
    assert_eq!(
        (text(&out.stdout), text(&out.stderr)),
        ("count_star(),sum(i)\n10,55\n".into(), String::new())
    );

    // The last commit was torn.
    fs::write(&path, with_a_torn_commit(dir.path())).unwrap();
    let out = shell(&[name, "SELECT count(*) FROM t"], b"");
    assert_eq!(text(&out.stdout), "count_star()\n10\n");
    let told = "8 commits were taken from the log; one that a crash had interrupted";
    assert!(text(&out.stderr).contains(told), "{}", text(&out.stderr));
    // It was cut off, and is no more.
    let out = shell(&[name, "SELECT count(*) FROM t"], b"");
    assert_eq!((text(&out.stdout), text(&out.stderr)), ("count_star()\n10\n".into(), String::new()));

    // A commit that was durable is damaged.
    let mut damaged = sound;
    damaged[log.start + log.len() / 2 + 70] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let error = refuses(&[name, "SELECT count(*) FROM t", "INSERT INTO t VALUES (11)"], b"");
    assert!(error.contains("is damaged, but") && error.contains("--recover"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), damaged, "nothing is written");
    let out = shell(&["check", name], b"");
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stdout).contains("the last commits: frame"), "{}", text(&out.stdout));
    let out = shell(&["--recover", name, "INSERT INTO t VALUES (11)"], b"");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let out = shell(&[name, "SELECT count(*) > 3 AND max(i) = 11 AND count(*) < 10 AS left FROM t"], b"");
    assert_eq!((text(&out.stdout), text(&out.stderr)), ("left\ntrue\n".into(), String::new()));
    let out = shell(&["check", name], b"");
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stdout));
}

#[test]
fn arrow_files_are_read_from_pipes_too() {
    let directory = Directory::new();
    let file = directory.path().join("x.arrow");
    gives(&[], &format!("COPY (SELECT range AS n, 'é' AS s FROM range(3)) TO '{}'", file.display()), "");
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"ARROW1"));
    let read = |bytes: &[u8]| shell(&["-c", "SELECT sum(n), max(s) FROM read_arrow('/dev/stdin')"], bytes);
    assert_eq!(text(&read(&bytes).stdout), "sum(n),max(s)\n3,é\n");
    for cut in [3, 7, 8, 20, bytes.len() / 3] {
        let out = read(&bytes[..cut]);
        assert_eq!(out.status.code(), Some(1));
        assert!(text(&out.stderr).contains("is not valid Arrow IPC"), "{}", text(&out.stderr));
    }
}

#[test]
fn times_are_written_by_patterns() {
    let sql = "COPY (SELECT DATE '2024-01-02' AS d, TIMESTAMP '2024-01-02 03:04:05' AS t, NULL::DATE AS n, \
               TIMESTAMP_S '2024-01-02 03:04:05' AS s) \
               TO '/dev/stdout' (FORMAT csv, DATEFORMAT '%d/%m/%Y', TIMESTAMPFORMAT '%H:%M, %d.%m.')";
    gives(&[], sql, "d,t,n,s\n02/01/2024,\"03:04, 02.01.\",,\"03:04, 02.01.\"\n");
    let bad = "COPY (SELECT DATE '2024-01-02' AS d) TO '/dev/stdout' (FORMAT csv, DATEFORMAT '%Q')";
    assert!(refuses(&["-c", bad], b"").contains("dateformat"));
}

/// The program with standard output, and standard error if asked, closed before it begins.
fn unheard(dir: &Path, args: &[&str], and_stderr: bool) -> Output {
    let closed = || std::io::pipe().unwrap().1;
    let mut command = Command::new(FLUXDB);
    command.args(args).current_dir(dir).stdin(Stdio::null()).stdout(closed());
    if and_stderr {
        command.stderr(closed());
    }
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn who_closes_the_output_has_seen_enough() {
    let dir = Directory::new();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let db = path("a.flux");
    gives(&[&db], "CREATE TABLE m(time TIMESTAMP, host VARCHAR, v DOUBLE)", "");
    fs::write(path("rows.csv"), "a\n1\n").unwrap();
    fs::write(path("points.lp"), "cpu,host=a v=1 1\n").unwrap();
    let names = |dir: &Path| fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    for args in [
        &["--help"][..],
        &["--version"],
        &["check", "--help"],
        &["man"],
        &["completions", "bash"],
        &["tour"],
        &["demo", "demo.flux"],
        &["bench", "--rows", "1000", "--commits", "1"],
        &["check", &db],
        &["series", &db],
        &["salvage", &db, "new.flux"],
        &["import", &db, "rows.csv"],
        &["import", &db, "points.lp"],
        &[&db, ".help"],
        &[&db, ".tables"],
        &[&db, "FROM m"],
        &["-c", ".changes on", "-c", "CREATE TABLE t(i INT); INSERT INTO t VALUES (1)"],
    ] {
        let out = unheard(dir.path(), args, false);
        assert_eq!((text(&out.stderr).as_str(), out.status.code()), ("", Some(0)), "{args:?}");
        // What was begun goes again.
        assert!(
            names(dir.path()).iter().all(|n| n != "demo.flux" && !n.to_str().unwrap().contains("fluxdb-"))
        );
    }
    // A message that nobody reads changes no status.
    assert_eq!(unheard(dir.path(), &["-c", "SELEC"], true).status.code(), Some(1));
    assert_eq!(unheard(dir.path(), &["--nope"], true).status.code(), Some(2));
}

/// Interrupts the program once it has made something in the directory; returns its status.
#[cfg(unix)]
fn interrupted(dir: &Path, args: &[&str]) -> Option<i32> {
    let mut child = Command::new(FLUXDB)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while fs::read_dir(dir).unwrap().next().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{args:?} makes nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    // It has yet to know what it has made.
    std::thread::sleep(Duration::from_millis(100));
    // Waiting closes the input, and one that ends in time is imported as a whole.
    let _input = child.stdin.take();
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    child.wait().unwrap().code()
}

#[cfg(unix)]
#[test]
fn what_is_interrupted_leaves_nothing() {
    let dir = Directory::new();
    for (args, status) in [
        (&["bench", "--rows", "100000000"][..], 130),
        (&["demo", "new.flux"], 1),
        // It waits for standard input.
        (&["import", "new.flux", "-"], 130),
    ] {
        assert_eq!(interrupted(dir.path(), args), Some(status), "{args:?}");
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{args:?}: {left:?}");
    }
}

#[test]
fn files_go_into_a_table_by_name_if_they_have_its_names() {
    let dir = Directory::new();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let db = path("a.flux");
    let files = [
        ("swapped.csv", "b,A\n1,2\n"),
        ("some.csv", "b\n3\n"),
        ("headless.csv", "4,5\n"),
        ("others.csv", "x,y\n6,7\n"),
        ("wrong.csv", "a,y\n8,9\n"),
        ("names.json", "[{\"b\": 10, \"a\": 11}]"),
    ];
    for (name, content) in files {
        fs::write(path(name), content).unwrap();
    }
    for dotted in [true, false] {
        gives(&[&db], "CREATE OR REPLACE TABLE t(a INT, b INT)", "");
        for (file, _) in files {
            let import = format!(".import {} t", path(file));
            let file_path = path(file);
            let args = if dotted {
                vec![db.as_str(), "-c", &import]
            } else {
                vec!["import", &db, &file_path, "--table", "t"]
            };
            let out = shell(&args, b"");
            let err = text(&out.stderr);
            if file == "wrong.csv" {
                assert_eq!(out.status.code(), Some(1), "{args:?}");
                assert!(err.contains("\"y\""), "{err}");
            } else {
                assert_eq!(out.status.code(), Some(0), "{args:?}: {err}");
            }
        }
        gives(&[&db], "FROM t ORDER BY ALL NULLS FIRST", "a,b\n,3\n2,1\n4,5\n6,7\n11,10\n");
    }
}

#[test]
fn a_pattern_of_files_names_no_table() {
    let dir = Directory::new();
    fs::write(dir.path().join("a.csv"), "a\n1\n").unwrap();
    let pattern = dir.path().join("*.csv").to_str().unwrap().to_owned();
    let db = dir.path().join("new.flux").to_str().unwrap().to_owned();
    let out = shell(&["import", &db, &pattern], b"");
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("--table"), "{}", text(&out.stderr));
    assert!(!Path::new(&db).exists());
    assert_eq!(shell(&["import", &db, &pattern, "--table", "t"], b"").status.code(), Some(0));
    gives(&[&db], "FROM t", "a\n1\n");
}

#[test]
fn a_time_that_is_cut_is_told() {
    let dir = Directory::new();
    let db = dir.path().join("a.flux").to_str().unwrap().to_owned();
    gives(&[&db], "CREATE TABLE m(time TIMESTAMP, v DOUBLE)", "");
    let write = |time| shell(&["write", &db, "m", "--field", "v=1", "--time", time], b"");
    let out = write("1767225600000000777");
    assert_eq!(text(&out.stderr), "Warning: 1 time was cut to the precision of its table\n");
    assert_eq!(out.status.code(), Some(0));
    assert_eq!(text(&write("1767225600000001000").stderr), "");
}

#[test]
fn a_database_in_use_can_be_read_and_that_is_said() {
    let dir = Directory::new();
    let db = dir.path().join("a.flux").to_str().unwrap().to_owned();
    let mut child = Command::new(FLUXDB)
        .arg(&db)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"CREATE TABLE t(i INT);\nSELECT 1 AS open;\n").unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let err = refuses(&[&db, "SELECT 1"], b"");
    assert!(err.contains("in use") && err.contains("HINT: --readonly"), "{err}");
    let err = refuses(&["-c", &format!(".open {db}")], b"");
    assert!(err.contains("HINT: .open --readonly"), "{err}");
    gives(&[&db, "--readonly"], "SELECT count(*) AS n FROM t", "n\n0\n");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn words_by_which_one_leaves_are_commands() {
    for word in ["exit", "QUIT;", "help"] {
        let err = refuses(&[], word.as_bytes());
        assert!(err.contains(&format!("HINT: .{}", word.trim_end_matches(';').to_lowercase())), "{err}");
    }
}

#[test]
fn bail_holds_for_standard_input_too() {
    let out = shell(&["--batch"], b".bail on\nSELEC;\nSELECT 2;\n");
    assert_eq!((text(&out.stdout).as_str(), out.status.code()), ("", Some(1)));
    let out = shell(&["--batch"], b".bail on\n.bail off\nSELEC;\nSELECT 2 AS a;\n");
    assert_eq!((text(&out.stdout).as_str(), out.status.code()), ("a\n2\n", Some(1)));
}
