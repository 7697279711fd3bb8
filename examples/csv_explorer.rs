//! Looks at a CSV file: its columns, what is in them, and the most frequent values of each.
//!
//!     cargo run --example csv_explorer -- FILE.csv

use fluxdb::{Database, Result, params};

fn main() -> Result<()> {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("Usage: csv_explorer FILE");
        std::process::exit(2);
    };
    let connection = Database::open_in_memory()?.connect();
    // Types are found out from a sample; the file may also be Parquet, JSON or Arrow, compressed or a pattern.
    connection.execute(&format!("CREATE TABLE data AS FROM '{}'", path.replace('\'', "''")))?;
    let (rows,): (u64,) = connection.query_one("SELECT count(*) FROM data", ())?;
    println!("{path}: {rows} rows\n");
    let columns: Vec<(String, String)> = connection
        .query_as("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'data'", ())?;
    for (name, ty) in columns {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let (nulls, distinct, least, greatest): (u64, u64, Option<String>, Option<String>) = connection
            .query_one(
                &format!(
                    "SELECT count(*) - count({quoted}), approx_count_distinct({quoted}),
                            min({quoted})::VARCHAR, max({quoted})::VARCHAR FROM data"
                ),
                (),
            )?;
        let show = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        println!(
            "{name} ({ty}): {nulls} NULLs, about {distinct} values, {} to {}",
            show(least),
            show(greatest)
        );
        let frequent: Vec<(Option<String>, u64)> = connection.query_as(
            &format!("SELECT {quoted}::VARCHAR, count(*) FROM data GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?"),
            params![3],
        )?;
        for (value, count) in frequent {
            println!("    {count:>8}  {}", value.unwrap_or_else(|| "NULL".to_owned()));
        }
    }
    Ok(())
}
