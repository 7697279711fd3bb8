//! Statements as metrics, for whatever recorder the program has installed with the `metrics` crate. Without one, and
//! without the feature, nothing is counted.

use crate::sql::session::activity::Query;

/// Counts a statement that is done.
#[cfg(feature = "metrics")]
pub(super) fn record(query: &Query) {
    use metrics::{counter, histogram};
    counter!("fluxdb_statements_total", "state" => query.state).increment(1);
    histogram!("fluxdb_statement_seconds").record(query.seconds);
    histogram!("fluxdb_statement_memory_peak_bytes").record(query.memory_peak as f64);
    counter!("fluxdb_rows_total").increment(query.rows);
    counter!("fluxdb_rows_scanned_total").increment(query.rows_scanned);
    counter!("fluxdb_row_groups_skipped_total").increment(query.row_groups_skipped);
    counter!("fluxdb_blocks_skipped_total").increment(query.blocks_skipped);
    counter!("fluxdb_bytes_decoded_total").increment(query.bytes_decoded);
    counter!("fluxdb_bytes_spilled_total").increment(query.bytes_spilled);
}

#[cfg(not(feature = "metrics"))]
pub(super) fn record(_: &Query) {}

/// So many statements run now.
#[cfg(feature = "metrics")]
pub(super) fn running(statements: usize) {
    metrics::gauge!("fluxdb_statements_running").set(statements as f64);
}

#[cfg(not(feature = "metrics"))]
pub(super) fn running(_: usize) {}
