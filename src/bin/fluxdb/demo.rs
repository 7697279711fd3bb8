//! `fluxdb demo`: a sample database and three looks at it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fluxdb::Database;

use crate::format::Format;
use crate::interrupt::Interrupt;
use crate::session::{Outcome, Session};
use crate::subcommands::Subcommand;

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
pub fn run(words: &[String]) -> ExitCode {
    let path = match words {
        [] => PathBuf::from(DEFAULT_PATH),
        [path] => PathBuf::from(path),
        _ => return Subcommand::bad_usage("demo"),
    };
    match walk(&path) {
        Ok(Outcome::Ok) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("Error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn walk(path: &Path) -> Result<Outcome, String> {
    let shown = path.display();
    let db = Database::open(path).map_err(|e| e.to_string())?;
    let mut session = Session::new(db, Format::Table, Interrupt::install());
    session.timer = true;

    println!("A database is one file. Half a million measurements go into {shown}:\n");
    for (text, sql) in [
        ("", CREATE),
        ("\nWhat SQL knows, in the time that it takes to ask:\n", SQL),
        ("\nThe last day in FluxQL, a line per region and six hours:\n", FLUXQL),
    ] {
        println!("{text}{}\n", indent(sql));
        let outcome = session.run_statement(sql);
        if outcome != Outcome::Ok {
            return Ok(outcome);
        }
    }
    session.close().map_err(|e| e.to_string())?;
    println!("\nNothing in the file is hidden. This is what it holds:\n");
    println!("{}", indent(&fluxdb::inspect::summary(path).map_err(|e| e.to_string())?));
    println!("Your turn:\n");
    println!("    fluxdb {shown}                                 the shell on this file");
    println!("    fluxdb -c \"SELECT * FROM 'your.csv' LIMIT 5\"     ask a file of yours");
    println!(
        "    inspect {shown}                                every page and chunk (cargo run -p fluxdb-inspect)"
    );
    Ok(Outcome::Ok)
}

fn indent(text: &str) -> String {
    text.lines().map(|l| format!("    {l}")).collect::<Vec<_>>().join("\n")
}
