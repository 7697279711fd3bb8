//! Records the load and memory of this machine once a second, and shows averages.
//!
//!     cargo run --example metrics_recorder -- metrics.flux 10

use std::time::Duration;

use fluxdb::{Database, Result};

/// A number from a file of `/proc`, where there is one.
fn read(path: &str, find: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    find(&std::fs::read_to_string(path).ok()?)
}

fn load() -> Option<f64> {
    read("/proc/loadavg", |text| text.split_whitespace().next()?.parse().ok())
}

fn memory_free_kib() -> Option<f64> {
    read("/proc/meminfo", |text| {
        let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    })
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "metrics.flux".to_owned());
    let seconds = args.next().and_then(|n| n.parse().ok()).unwrap_or(10);
    let db = Database::open(path)?;
    for second in 0..seconds {
        // Line protocol makes the table, and columns, as they come; a point without a time is of now.
        let fields: Vec<String> = [("load", load()), ("free_kib", memory_free_kib())]
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value?)))
            .collect();
        if fields.is_empty() {
            eprintln!("this system has no /proc to read");
            return Ok(());
        }
        let line = format!("machine {}\n", fields.join(","));
        db.import_line_protocol(line.as_bytes(), fluxdb::ImportOptions::default())?;
        if second + 1 < seconds {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    let rows =
        db.connect().query("SELECT avg(load), avg(free_kib) / 1024 AS free_mib FROM machine EVERY 5s")?;
    println!("{:<26} {:>8} {:>10}", "time", "load", "free MiB");
    for row in rows.into_rows() {
        let row = row?;
        let (load, free): (Option<f64>, Option<f64>) = (row.get(1)?, row.get(2)?);
        let time = row.text(0).unwrap_or_default();
        println!("{time:<26} {:>8.2} {:>10.0}", load.unwrap_or(f64::NAN), free.unwrap_or(f64::NAN));
    }
    db.close()
}
