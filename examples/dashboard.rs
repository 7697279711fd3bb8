//! A dashboard in the terminal: one thread writes measurements, this one draws what the last seconds hold.
//!
//!     cargo run --example dashboard -- 10

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fluxdb::{Database, Result};

/// A line of bars of eight heights.
fn bars(values: &[f64]) -> String {
    let (least, most) =
        values.iter().fold((f64::MAX, f64::MIN), |(least, most), v| (least.min(*v), most.max(*v)));
    let height = |v: f64| if most > least { ((v - least) / (most - least) * 7.0) as usize } else { 0 };
    values.iter().map(|v| ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][height(*v)]).collect()
}

fn main() -> Result<()> {
    let seconds: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5);
    let db = Database::open_in_memory()?;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (db, stop) = (db.clone(), Arc::clone(&stop));
        move || -> Result<()> {
            let mut step = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
                let lines: String = ["web01", "web02", "db01"]
                    .iter()
                    .enumerate()
                    .map(|(i, host)| {
                        let usage = 50.0 + 40.0 * (f64::from(step) / (7.0 + 4.0 * i as f64)).sin();
                        format!("cpu,host={host} usage={usage} {nanos}\n")
                    })
                    .collect();
                db.import_line_protocol(lines.as_bytes(), fluxdb::ImportOptions::default())?;
                step += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
    });
    let connection = db.connect();
    for _ in 0..seconds {
        std::thread::sleep(Duration::from_secs(1));
        // Readers see whole commits, and wait for no writer.
        let hosts: Vec<(String, f64, f64, u64)> = connection.query_as(
            "SELECT host, last(usage), avg(usage), count(*) FROM cpu GROUP BY host ORDER BY host",
            (),
        )?;
        for (host, last, mean, points) in hosts {
            let history: Vec<(f64,)> = connection.query_as(
                "SELECT usage FROM cpu WHERE host = ? ORDER BY time DESC LIMIT 60",
                (host.as_str(),),
            )?;
            let mut values: Vec<f64> = history.into_iter().map(|(v,)| v).collect();
            values.reverse();
            println!("{host:<6} {last:>5.1}% now  {mean:>5.1}% on average of {points:>4}  {}", bars(&values));
        }
        println!();
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap_or(Ok(()))
}
