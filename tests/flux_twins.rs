//! Each query in FluxQL has the rows of its twin in plain SQL.

#[path = "common/coverage.rs"]
mod coverage;
#[path = "common/directory.rs"]
mod directory;
#[path = "common/flux_queries.rs"]
mod flux_queries;

use fluxdb::{Connection, Database, Point};

use directory::Directory;
use flux_queries::{DAYS, FROM, Random};

/// Points of a month in which clocks are changed: in no order, no two at one time, with gaps; some are deleted.
fn fill(db: &Database, seed: u64) {
    let mut r = Random(seed);
    let points = 2_500;
    let mut writer = db.point_writer();
    let step = DAYS * 86_400 * 1_000_000 / points;
    // The first says the order of the columns.
    let first = Point::new("m").tag("host", "h1").tag("region", "eu").field("a", 0.5).field("n", 7_i64);
    writer.write(&first.field("u", 9_u64).field("b", true).at_micros(FROM * 1_000_000)).unwrap();
    writer.flush().unwrap();
    for part in 0..3 {
        for i in (part..points).step_by(3) {
            let at = FROM * 1_000_000 + i * step + r.below(step as u64) as i64;
            // Days and hours without points.
            if at / 86_400_000_000 % 9 == 3 || at / 3_600_000_000 % 7 == 2 {
                continue;
            }
            let mut point = Point::new("m").at_micros(at);
            if r.below(20) > 0 {
                point = point.tag("host", format!("h{}", r.below(5)));
            }
            if r.below(4) > 0 {
                point = point.tag("region", if r.below(2) == 0 { "eu" } else { "us" });
            }
            // Sums of these are exact.
            point = point.field("a", r.below(1_000) as f64 / 64.0);
            if r.below(3) > 0 {
                point = point.field("n", r.below(1_000) as i64);
            }
            if r.below(5) > 0 {
                point = point.field("u", r.below(90));
            }
            if r.below(6) > 0 {
                point = point.field("b", r.below(2) == 0);
            }
            writer.write(&point).unwrap();
        }
        writer.flush().unwrap();
    }
    let connection = db.connect();
    connection.execute("UPDATE m SET a = NULL WHERE u % 17 = 3").unwrap();
    connection.execute("DELETE FROM m WHERE host = 'h4' AND time > '2026-03-20'").unwrap();
}

/// The rows of a query, value by value.
fn rows(connection: &Connection, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let mut rows = connection.query(sql).map_err(|e| e.to_string())?;
    let columns = rows.columns().to_vec();
    let mut out = vec![];
    while let Some(batch) = rows.next_batch() {
        let batch = batch.map_err(|e| e.to_string())?;
        for row in 0..batch.rows {
            let mut line = vec![];
            for (column, array) in columns.iter().zip(&batch.columns) {
                let mut text = String::new();
                if array.is_null(row) {
                    text.push_str("NULL");
                } else {
                    fluxdb::write_value(array, row, &column.ty, &mut text).unwrap();
                }
                line.push(text);
            }
            out.push(line);
        }
    }
    Ok(out)
}

/// Whether two values are the same, but for the last digits of what is computed in another order.
fn same(a: &str, b: &str) -> bool {
    a == b
        || match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0),
            _ => false,
        }
}

fn differ(connection: &Connection, flux: &str, sql: &str) -> Option<String> {
    let (ours, twins) = match (rows(connection, flux), rows(connection, sql)) {
        (Ok(ours), Ok(twins)) => (ours, twins),
        (ours, twins) => return Some(format!("{:?}\n{:?}", ours.err(), twins.err())),
    };
    let unlike = |(a, b): (&Vec<String>, &Vec<String>)| {
        a.len() != b.len() || a.iter().zip(b).any(|(a, b)| !same(a, b))
    };
    let at = ours.iter().zip(&twins).position(unlike);
    if at.is_none() && ours.len() == twins.len() {
        return None;
    }
    let at = at.unwrap_or_else(|| ours.len().min(twins.len()));
    let (ours, twins) = (ours.get(at), twins.get(at));
    Some(format!("row {at}:\n{ours:?}\n{twins:?}"))
}

/// Other seeds, and more of them, with `FLUX_TWINS=first-last`.
#[test]
fn every_query_has_the_rows_of_its_twin() {
    let range = std::env::var("FLUX_TWINS").ok();
    let (first, last) = range
        .as_deref()
        .and_then(|r| r.split_once('-'))
        .map_or((1, 3), |(a, b)| (a.parse().expect("a seed"), b.parse().expect("a seed")));
    let mut wrong = vec![];
    for seed in first..=last {
        let dir = Directory::new();
        let db = Database::open(dir.path().join("twins.flux")).unwrap();
        let mut r = Random(seed * 7_919 + 17);
        fill(&db, seed);
        let connection = db.connect();
        if seed % 2 == 0 {
            connection.execute("CHECKPOINT").unwrap();
        }
        if seed % 3 == 0 {
            // Which may answer some of the queries.
            let sql = "CREATE MATERIALIZED VIEW hours AS SELECT sum(a) AS sa, count(a) AS ca, min(a) AS la, max(n) AS mn, \
                       sum(n) AS sn, count(n) AS cn, count(*) AS c, max(u) AS mu, min(u) AS lu FROM m GROUP BY host EVERY 12h";
            connection.execute(sql).unwrap();
        }
        for _ in 0..120 {
            let twins = flux_queries::random(&mut r);
            if let Some(what) = differ(&connection, &twins.flux, &twins.sql) {
                wrong.push(format!("seed {seed}\n{}\n{}\n{what}\n", twins.flux, twins.sql));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
