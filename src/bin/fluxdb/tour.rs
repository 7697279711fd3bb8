//! `fluxdb tour`: how a value is stored, told with statements that run.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use fluxdb::Database;

use crate::format::Format;
use crate::interrupt::Interrupt;
use crate::made::Scratch;
use crate::say::{Done, Ended};
use crate::session::{Outcome, Session};

/// What is said, and the statement that shows it.
const STEPS: &[(&str, &str)] = &[
    (
        "A week of one thermometer, a row a minute. The value to follow is 72.4 degrees, measured at noon of\n\
         the first day.",
        "CREATE TABLE weather AS
SELECT TIMESTAMP '2024-02-26' + i * INTERVAL 1 MINUTE AS time,
       CASE WHEN i % 3 = 0 THEN 'harbour' ELSE 'airport' END AS station,
       round(60 + 12.4 * sin(i * pi() / 1440), 1) AS degrees
FROM range(10080) r(i)",
    ),
    ("There it is.", "SELECT * FROM weather WHERE time = '2024-02-26 12:00:00'"),
    (
        "The file is pages of one size. The first two are superblocks: whichever was written last says where\n\
         everything else is, and a commit is complete when the other one has been written.",
        "SELECT kind, count(*) AS pages, min(page) AS first_page, sum(bytes) AS bytes
FROM flux_pages() GROUP BY kind ORDER BY first_page",
    ),
    (
        "The superblock leads to the catalog: records in slotted pages, which name tables and say where their\n\
         rows are.",
        "SELECT slot, record, bytes FROM flux_heaps() ORDER BY slot",
    ),
    (
        "Rows lie in row groups of at most 122,880, and a row group is one chunk for each column, one behind\n\
         the other. A column that a query does not ask for is never read.",
        "SELECT column_name, rows, bytes, round(bytes * 8.0 / rows, 2) AS bits_per_value
FROM flux_chunks('weather')",
    ),
    (
        "A chunk is blocks of 2,048 values, each coded as takes the fewest bytes: times a minute apart are a\n\
         first value and a step, two stations are positions in a dictionary, and degrees with one digit behind\n\
         the point are whole numbers of a few bits. The block with our value:",
        "SELECT column_name, block, coded, bytes, min, max FROM flux_blocks('weather') WHERE block = 0",
    ),
    (
        "Every block says what its least and its greatest value are. A condition is compared with those first;\n\
         only blocks that could satisfy it are decoded.",
        "EXPLAIN ANALYZE SELECT degrees FROM weather WHERE time = '2024-02-26 12:00:00'",
    ),
    (
        "And what a statement took is there to ask for, like everything here.",
        "SELECT seconds, rows, blocks_skipped, bytes_decoded, left(sql, 48) AS sql
FROM flux_queries() ORDER BY id DESC LIMIT 3",
    ),
];

/// Walks through a database that is made for it.
pub fn run(words: &[String], out: &mut dyn Write) -> Done {
    if !words.is_empty() {
        return Err(Ended::Usage(None));
    }
    let interrupt = Interrupt::install();
    let scratch = Scratch::new(&std::env::temp_dir(), &interrupt);
    let scratch = scratch.map_err(|e| Ended::failed(format!("cannot make a directory: {e}")))?;
    let db = Database::open(scratch.file("tour.flux"))?;
    let mut session = Session::new(db, Format::Table, interrupt);
    let waits = io::stdin().is_terminal() && io::stdout().is_terminal();
    for (number, (text, sql)) in STEPS.iter().enumerate() {
        writeln!(out, "{}. {text}\n", number + 1)?;
        writeln!(out, "{}\n", sql.lines().map(|l| format!("    {l}")).collect::<Vec<_>>().join("\n"))?;
        let outcome = session.run_statement(sql);
        if outcome != Outcome::Ok {
            return Ok(outcome.status());
        }
        writeln!(out)?;
        if waits && number + 1 < STEPS.len() {
            write!(out, "Enter goes on, q ends: ")?;
            out.flush()?;
            let mut answer = String::new();
            let read = io::stdin().lock().read_line(&mut answer).map_err(Ended::failed)?;
            if read == 0 || answer.trim().eq_ignore_ascii_case("q") {
                return Ok(ExitCode::SUCCESS);
            }
            writeln!(out)?;
        }
    }
    writeln!(out, "The same of a file of yours: fluxdb FILE, and for every byte of it: inspect FILE tui")?;
    Ok(ExitCode::SUCCESS)
}
