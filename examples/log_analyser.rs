//! Reads a web server's access log (Common Log Format) with an appender and answers the usual questions.
//!
//!     cargo run --example log_analyser -- access.log
//!
//! Without a file it makes some lines up.

use std::io::{BufRead, BufReader, Cursor};

use fluxdb::{Database, FromRow, params};

#[derive(FromRow)]
struct Busy {
    path: String,
    requests: u64,
    errors: u64,
    bytes: u64,
}

/// Host, time, path, status and bytes of a line.
fn parse(line: &str) -> Option<(&str, &str, &str, i32, i64)> {
    let (host, rest) = line.split_once(' ')?;
    let (_, rest) = rest.split_once('[')?;
    let (time, rest) = rest.split_once(']')?;
    let (_, rest) = rest.split_once('"')?;
    let (request, rest) = rest.split_once('"')?;
    let mut words = rest.split_whitespace();
    let status = words.next()?.parse().ok()?;
    let bytes = words.next()?.parse().unwrap_or(0);
    Some((host, time, request.split(' ').nth(1)?, status, bytes))
}

fn made_up() -> String {
    let paths = ["/", "/docs", "/download", "/missing"];
    (0..5000)
        .map(|i: usize| {
            let path = paths[i * 7919 % 13 % 4];
            let status = if path == "/missing" { 404 } else { 200 };
            format!(
                "10.0.0.{} - - [29/Feb/2024:{:02}:{:02}:00 +0000] \"GET {path} HTTP/1.1\" {status} {}\n",
                i % 50,
                i / 250 % 24,
                i % 60,
                i * 37 % 9000
            )
        })
        .collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let input: Box<dyn BufRead> = match std::env::args().nth(1) {
        Some(path) => Box::new(BufReader::new(std::fs::File::open(path)?)),
        None => Box::new(Cursor::new(made_up())),
    };
    let connection = Database::open_in_memory()?.connect();
    connection.execute(
        "CREATE TABLE raw(host VARCHAR, time VARCHAR, path VARCHAR, status INTEGER, bytes BIGINT)",
    )?;
    let (mut appender, mut bad) = (connection.appender("raw")?, 0);
    for line in input.lines() {
        match parse(&line?) {
            Some((host, time, path, status, bytes)) => {
                appender.row(params![host, time, path, status, bytes])?;
            }
            None => bad += 1,
        }
    }
    println!("{} requests, {bad} lines that are none", appender.finish()?);
    connection.execute(
        "CREATE VIEW log AS SELECT * REPLACE (strptime(time, '%d/%b/%Y:%H:%M:%S %z') AS time) FROM raw",
    )?;
    println!("\n{:<20} {:>9} {:>7} {:>10}", "path", "requests", "errors", "bytes");
    let busiest: Vec<Busy> = connection.query_as(
        "SELECT path, count(*) AS requests, count(*) FILTER (WHERE status >= 400) AS errors, sum(bytes) AS bytes
         FROM log GROUP BY path ORDER BY requests DESC LIMIT ?",
        params![10],
    )?;
    for busy in busiest {
        println!("{:<20} {:>9} {:>7} {:>10}", busy.path, busy.requests, busy.errors, busy.bytes);
    }
    let (hour, requests): (String, u64) = connection.query_one(
        "SELECT time_bucket(INTERVAL 1 HOUR, time)::VARCHAR, count(*) FROM log GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1",
        (),
    )?;
    println!("\nbusiest hour: {hour}, {requests} requests");
    Ok(())
}
