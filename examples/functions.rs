//! Functions of this program in SQL: scalar ones over rows and over columns, an aggregate, a table function.
//!
//!     cargo run --example functions

use std::sync::Arc;

use fluxdb::arrow_array::cast::AsArray;
use fluxdb::arrow_array::types::Float64Type;
use fluxdb::arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use fluxdb::{Database, LogicalType, Result};

/// The distance between two places on earth in kilometres, from their latitudes and longitudes in degrees.
fn distance(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    let (lat1, lon1, lat2, lon2) =
        (lat1.to_radians(), lon1.to_radians(), lat2.to_radians(), lon2.to_radians());
    let half =
        ((lat2 - lat1) / 2.0).sin().powi(2) + lat1.cos() * lat2.cos() * ((lon2 - lon1) / 2.0).sin().powi(2);
    2.0 * 6371.0 * half.sqrt().asin()
}

fn main() -> Result<()> {
    let db = Database::open_in_memory()?;
    // Row by row: simple, and NULL where an argument is NULL.
    db.scalar_function("distance_km", distance);
    // Column by column: as fast as the code in it.
    db.column_function("smooth", &[LogicalType::Double], LogicalType::Double, |args| {
        let values = args[0].as_primitive::<Float64Type>();
        Ok(Arc::new(values.unary::<_, Float64Type>(|v| v.tanh())) as ArrayRef)
    });
    // A state for each group: the least and the greatest value.
    db.aggregate_function(
        "spread_of",
        (f64::INFINITY, f64::NEG_INFINITY),
        |state, x: f64| *state = (state.0.min(x), state.1.max(x)),
        |state, other| *state = (state.0.min(other.0), state.1.max(other.1)),
        |state| (state.0 <= state.1).then_some(state.1 - state.0),
    );
    // Rows from anywhere.
    db.table_function("primes", |args| {
        let most: i64 = args.first().ok_or("primes(N): up to which number?")?.get()?;
        let is_prime = |n: &i64| (2..).take_while(|d| d * d <= *n).all(|d| n % d != 0);
        let primes: Int64Array = (2..=most).filter(is_prime).map(Some).collect();
        Ok(vec![RecordBatch::try_from_iter([("prime", Arc::new(primes) as ArrayRef)])?])
    });
    // Batches that the program has already.
    let cities = RecordBatch::try_from_iter([
        (
            "city",
            Arc::new(fluxdb::arrow_array::StringArray::from(vec!["Paris", "Lagos", "Quito"])) as ArrayRef,
        ),
        ("lat", Arc::new(Float64Array::from(vec![48.86, 6.46, -0.18])) as ArrayRef),
        ("lon", Arc::new(Float64Array::from(vec![2.35, 3.39, -78.47])) as ArrayRef),
    ]);
    let cities = cities.map_err(|e| fluxdb::Error::Usage(e.to_string()))?;
    db.register_batches("cities", vec![cities])?;

    let connection = db.connect();
    let pairs: Vec<(String, String, f64)> = connection.query_as(
        "SELECT a.city, b.city, distance_km(a.lat, a.lon, b.lat, b.lon) AS km
         FROM cities a, cities b WHERE a.city < b.city ORDER BY km",
        (),
    )?;
    for (from, to, km) in pairs {
        println!("{from} – {to}: {km:.0} km");
    }
    let (spread, smooth): (f64, f64) =
        connection.query_one("SELECT spread_of(lat), max(smooth(lon / 100)) FROM cities", ())?;
    println!("latitudes spread over {spread:.2} degrees; {smooth:.3}");
    let (count, sum): (u64, i64) =
        connection.query_one("SELECT count(*), sum(prime) FROM primes(1000)", ())?;
    println!("{count} primes up to 1000, whose sum is {sum}");
    Ok(())
}
