//! Random SQL on FluxDB and on DuckDB: `tests/differential/differential.py`, at a bounded size.
//!
//! For hours: `python3 tests/differential/differential.py target/release/fluxdb --seed 1000 --cases 100000`.
//! `FLUXDB_PYTHON` names a Python that has the package duckdb.

use std::process::Command;

/// The script's status where DuckDB is not installed.
const SKIPPED: i32 = 77;

#[test]
fn random_sql_gives_what_duckdb_gives() {
    let python = std::env::var("FLUXDB_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differential/differential.py");
    let output = Command::new(&python)
        .args([script, env!("CARGO_BIN_EXE_fluxdb"), "--seed", "1", "--cases", "12", "--queries", "40"])
        .output();
    let output = match output {
        Ok(output) => output,
        Err(e) => {
            println!("skipped: {python} cannot be started: {e}");
            return;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    if output.status.code() == Some(SKIPPED) {
        return;
    }
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}
