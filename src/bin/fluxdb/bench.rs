//! `fluxdb bench`: what this machine does, beside what its disk does without a database.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fluxdb::{Database, Error, params};

use crate::interrupt::Interrupt;
use crate::made::Scratch;
use crate::say::{Done, Ended};

/// Bytes that are written to learn what the disk can do.
const DISK_BYTES: usize = 64 << 20;

struct Plan {
    directory: PathBuf,
    rows: u64,
    commits: u32,
}

impl Plan {
    fn failed(&self, e: &io::Error) -> Ended {
        Ended::Failed(format!("cannot use the directory '{}': {e}", self.directory.display()))
    }
}

/// Writes and reads a synthetic load in files that are removed afterwards.
pub fn run(words: &[String], out: &mut dyn Write) -> Done {
    let Some(plan) = parse(words) else { return Err(Ended::Usage(None)) };
    if !plan.directory.is_dir() {
        return Err(Ended::Failed(format!("there is no directory '{}'", plan.directory.display())));
    }
    let scratch = Scratch::new(&plan.directory, &Interrupt::install());
    let scratch = scratch.map_err(|e| plan.failed(&e))?;
    disk(&plan, &scratch.file("raw"), out)?;
    measure(&plan, &scratch.file("bench.flux"), out)?;
    Ok(ExitCode::SUCCESS)
}

fn parse(words: &[String]) -> Option<Plan> {
    let mut plan = Plan { directory: PathBuf::from("."), rows: 2_000_000, commits: 100 };
    let mut words = words.iter();
    let mut directories = 0;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--rows" => plan.rows = words.next()?.parse().ok().filter(|n| *n > 0)?,
            "--commits" => plan.commits = words.next()?.parse().ok().filter(|n| *n > 0)?,
            word if word.starts_with('-') => return None,
            word => {
                plan.directory = PathBuf::from(word);
                directories += 1;
            }
        }
    }
    (directories <= 1).then_some(plan)
}

fn measure(plan: &Plan, path: &Path, out: &mut dyn Write) -> Result<(), Ended> {
    writeln!(out, "\nThe database: {} rows", plan.rows)?;
    let db = Database::open(path)?;
    let connection = db.connect();
    let rows = plan.rows;

    let sql = format!(
        "CREATE TABLE bench AS
         SELECT TIMESTAMP '2024-01-01' + to_seconds(i // 100) AS time, 'host' || lpad((i % 100)::VARCHAR, 3, '0') AS host,
                round(50 + 40 * sin(i / 9973.0) + (i * 7919 % 100) / 10.0, 1) AS usage, i * 2654435761 % 1000003 AS id
         FROM range({rows}) r(i)"
    );
    let (took, _) = timed(|| connection.execute(&sql))?;
    line(out, "load", took, &format!("{} rows/s", count(rows as f64 / took.as_secs_f64())))?;
    let bytes = std::fs::metadata(path).map_err(|e| plan.failed(&e))?.len();
    writeln!(out, "  {:<34} {:>12}", "file", format!("{:.1} B/row", bytes as f64 / rows as f64))?;

    for (name, sql) in [
        ("scan: sum of one column", "SELECT sum(usage) FROM bench"),
        ("filter: one host in a hundred", "SELECT avg(usage) FROM bench WHERE host = 'host042'"),
        ("group: averages of 100 hosts", "SELECT host, avg(usage), max(usage) FROM bench GROUP BY host"),
        ("group: distinct ids", "SELECT count(*) FROM (SELECT id, count(*) FROM bench GROUP BY id)"),
        ("buckets: EVERY 1h", "SELECT avg(usage) FROM bench EVERY 1h"),
        ("top 10", "SELECT * FROM bench ORDER BY usage DESC, id LIMIT 10"),
        (
            "join: with itself by id",
            "SELECT count(*) FROM bench a JOIN (SELECT DISTINCT id FROM bench WHERE id < 1000) b USING (id)",
        ),
    ] {
        // The first run warms the cache of pages.
        connection.query(sql)?.count_rows()?;
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let (took, _) = timed(|| connection.query(sql)?.count_rows())?;
            best = best.min(took);
        }
        line(out, name, best, &format!("{} rows/s", count(rows as f64 / best.as_secs_f64())))?;
    }

    connection.execute("CREATE TABLE points(i BIGINT, s VARCHAR)")?;
    let insert = connection.prepare("INSERT INTO points VALUES (?, ?)")?;
    let mut times = vec![];
    for i in 0..plan.commits {
        let (took, _) = timed(|| insert.execute(params![i, "a point"]))?;
        times.push(took);
    }
    latency(out, "insert of one row, committed", &mut times)?;
    let find = connection.prepare("SELECT s FROM points WHERE i = ?")?;
    let mut times = vec![];
    for i in 0..plan.commits {
        let (took, _) = timed(|| find.query_one::<(String,)>(params![i]))?;
        times.push(took);
    }
    latency(out, "prepared query for one row", &mut times)?;
    Ok(())
}

/// What the disk does when nobody thinks: a long write, and short ones that are synced.
fn disk(plan: &Plan, raw: &Path, out: &mut dyn Write) -> Result<(), Ended> {
    let (took, mut times) = write_raw(plan, raw).map_err(|e| plan.failed(&e))?;
    writeln!(out, "The disk, for comparison")?;
    let rate = format!("{:.0} MB/s", DISK_BYTES as f64 / 1e6 / took.as_secs_f64());
    line(out, "write and sync of 64 MiB", took, &rate)?;
    latency(out, "write and sync of 4 KiB", &mut times)?;
    Ok(())
}

/// The time of the long write, and of each short one.
fn write_raw(plan: &Plan, raw: &Path) -> io::Result<(Duration, Vec<Duration>)> {
    let mut file = File::create(raw)?;
    let block = vec![0x5a_u8; 1 << 20];
    let start = Instant::now();
    for _ in 0..DISK_BYTES / block.len() {
        file.write_all(&block)?;
    }
    file.sync_data()?;
    let took = start.elapsed();
    let mut times = vec![];
    for _ in 0..plan.commits {
        let start = Instant::now();
        file.write_all(&block[..4096])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    Ok((took, times))
}

fn timed<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<(Duration, T), Error> {
    let start = Instant::now();
    let value = work()?;
    Ok((start.elapsed(), value))
}

fn line(out: &mut dyn Write, name: &str, took: Duration, rate: &str) -> io::Result<()> {
    writeln!(out, "  {name:<34} {:>12}  {rate:>16}", duration(took))
}

fn latency(out: &mut dyn Write, name: &str, times: &mut [Duration]) -> io::Result<()> {
    times.sort_unstable();
    let at = |share: f64| duration(times[((times.len() - 1) as f64 * share) as usize]);
    writeln!(
        out,
        "  {name:<34} {:>12}  {:>16}  {:>16}",
        at(0.5),
        format!("p99 {}", at(0.99)),
        format!("most {}", at(1.0))
    )
}

fn duration(d: Duration) -> String {
    let seconds = d.as_secs_f64();
    match seconds {
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

fn count(n: f64) -> String {
    match n {
        n if n >= 1e9 => format!("{:.1}G", n / 1e9),
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e3 => format!("{:.0}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}
