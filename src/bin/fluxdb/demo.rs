//! `fluxdb demo`: a sample database and three looks at it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fluxdb::Options;

use crate::format::Format;
use crate::interrupt::Interrupt;
use crate::made;
use crate::say::{Done, Ended};
use crate::session::{Outcome, Session};

const DEFAULT_PATH: &str = "demo.flux";

/// A week of eight hosts, a row every ten seconds.
const CREATE: &str = "\
CREATE OR REPLACE TABLE cpu AS
SELECT date_trunc('minute', now())::TIMESTAMP - INTERVAL 7 DAY + (i // 8) * INTERVAL 10 SECOND AS time,
       'web0' || (i % 8 + 1) AS host,
       CASE WHEN i % 8 < 4 THEN 'eu' ELSE 'us' END AS region,
       round(50 + 5 * (i % 8) + 20 * sin(i / 11000.0) + 5 * sin(i * 0.7), 1) AS usage
FROM generate_series(0, 483839) g(i)";

const SQL: &str = "\
SELECT region, host, count(*) AS points, round(avg(usage), 2) AS average, max(usage) AS peak
FROM cpu
GROUP BY region, host
ORDER BY average DESC
LIMIT 5";

const FLUXQL: &str = "\
SELECT avg(usage), max(usage) FROM cpu WHERE time > now() - 24h GROUP BY region EVERY 6h";

/// Makes the sample database at the given path and walks through it.
pub fn run(words: &[String], out: &mut dyn Write) -> Done {
    let path = match words {
        [] => PathBuf::from(DEFAULT_PATH),
        [path] => PathBuf::from(path),
        _ => return Err(Ended::Usage(None)),
    };
    let interrupt = Interrupt::install();
    let (db, made) = made::open(&path, Options::default())?;
    let undone = made.as_ref().map(|made| made.undo_at_exit(&db, &interrupt));
    let mut session = Session::new(db, Format::Table, interrupt);
    session.timer = true;
    match walk(&path, &mut session, out) {
        Ok(Outcome::Ok) => {}
        unfinished => {
            made.iter().for_each(|made| _ = made.undo(session.database()));
            return unfinished.map(Outcome::status);
        }
    }
    drop(undone);
    session.close()?;
    look_inside(&path, out)
}

fn walk(path: &Path, session: &mut Session, out: &mut dyn Write) -> Result<Outcome, Ended> {
    let shown = path.display();
    writeln!(out, "A database is one file. Half a million measurements go into {shown}:\n")?;
    for (text, sql) in [
        ("", CREATE),
        ("\nWhat SQL knows, in the time that it takes to ask:\n", SQL),
        ("\nThe last day in FluxQL, a line per region and six hours:\n", FLUXQL),
    ] {
        writeln!(out, "{text}{}\n", indent(sql))?;
        let outcome = session.run_statement(sql);
        if outcome != Outcome::Ok {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Ok)
}

/// The file is closed by now: this is how others find it.
fn look_inside(path: &Path, out: &mut dyn Write) -> Done {
    let shown = path.display();
    writeln!(out, "\nNothing in the file is hidden. This is what it holds:\n")?;
    writeln!(out, "{}", indent(&fluxdb::inspect::summary(path).map_err(Ended::failed)?))?;
    writeln!(out, "Your turn:\n")?;
    writeln!(out, "    fluxdb {shown}                                 the shell on this file")?;
    writeln!(out, "    fluxdb -c \"SELECT * FROM 'your.csv' LIMIT 5\"     ask a file of yours")?;
    writeln!(
        out,
        "    inspect {shown}                                every page and chunk (cargo run -p fluxdb-inspect)"
    )?;
    Ok(ExitCode::SUCCESS)
}

fn indent(text: &str) -> String {
    text.lines().map(|l| format!("    {l}")).collect::<Vec<_>>().join("\n")
}
