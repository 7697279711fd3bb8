//! What goes on in the engine, as rows: snapshots that are read, memory, statements.

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::error::{ExecError, Result};
use crate::sql::bind::Environment;
use crate::sql::sources::RowsBuilder;
use crate::sql::sources::internals::ratio;
use crate::sql::sources::rows::{int, text};

pub(super) fn snapshots(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("sequence", T::BigInt),
        ("holders", T::BigInt),
        ("is_current", T::Boolean),
    ]);
    for database in env.tables.names().databases() {
        let storage = database.database().storage();
        let current = storage.snapshot().sequence();
        for (sequence, holders) in storage.pinned() {
            rows.push([
                text(database.name()),
                int(sequence),
                int(holders as u64),
                Scalar::Boolean(sequence == current),
            ]);
        }
    }
    rows
}

pub(super) fn sealing(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("schema_name", T::Varchar),
        ("table_name", T::Varchar),
        ("rows_sealed", T::BigInt),
        ("rows_rewritten", T::BigInt),
        ("bytes_written", T::BigInt),
        ("write_amplification", T::Double),
    ]);
    for database in env.tables.names().databases() {
        for (id, written) in database.database().storage().written() {
            let Some(table) = database.catalog().table_by_id(id) else { continue };
            let schema = database.catalog().schema_by_id(table.schema);
            rows.push([
                text(database.name()),
                schema.map_or(Scalar::Null, |schema| text(&schema.definition().name)),
                text(&table.name),
                int(written.rows),
                int(written.rewritten),
                int(written.bytes),
                written.amplification().map_or(Scalar::Null, Scalar::Float),
            ]);
        }
    }
    rows
}

pub(super) fn memory(env: &Environment<'_>) -> Result<RowsBuilder> {
    let mut rows = RowsBuilder::new(&[
        ("component", T::Varchar),
        ("detail", T::Varchar),
        ("bytes", T::BigInt),
        ("peak_bytes", T::BigInt),
        ("limit_bytes", T::BigInt),
    ]);
    for database in env.tables.names().databases() {
        let storage = database.database().storage();
        let kind = if database.database().path().is_some() { "file" } else { "memory file" };
        let bytes = storage.file_bytes().map_err(ExecError::Storage)?;
        rows.push([text(kind), text(database.name()), int(bytes), Scalar::Null, Scalar::Null]);
        let cache = storage.dictionaries();
        let (bytes, budget) = (int(cache.bytes() as u64), int(cache.budget() as u64));
        rows.push([text("dictionaries"), text(database.name()), bytes, Scalar::Null, budget]);
    }
    for query in env.activity.queries() {
        if query.state == "running" {
            rows.push([
                text("query"),
                text(&query.sql),
                int(query.memory_used),
                int(query.memory_peak),
                int(query.memory_limit),
            ]);
            if query.temp_used > 0 {
                let bytes = int(query.temp_used);
                rows.push([text("temporary file"), text(&query.sql), bytes, Scalar::Null, Scalar::Null]);
            }
        }
    }
    if let Some(bytes) = resident_bytes() {
        rows.push([text("process"), text("resident"), int(bytes), Scalar::Null, Scalar::Null]);
    }
    let limit = env.settings.memory_limit_bytes;
    rows.push([text("limit"), text("memory_limit of a query"), Scalar::Null, Scalar::Null, int(limit)]);
    Ok(rows)
}

/// Memory of this process that is not swapped out, where the system tells.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

pub(super) fn queries(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("id", T::BigInt),
        ("connection", T::BigInt),
        ("state", T::Varchar),
        ("sql", T::Varchar),
        ("started", T::TimestampTz),
        ("seconds", T::Double),
        ("rows", T::BigInt),
        ("rows_scanned", T::BigInt),
        ("progress", T::Double),
        ("row_groups_skipped", T::BigInt),
        ("blocks_skipped", T::BigInt),
        ("bytes_decoded", T::BigInt),
        ("bytes_spilled", T::BigInt),
        ("memory_used", T::BigInt),
        ("memory_peak", T::BigInt),
        ("error", T::Varchar),
        ("profile", T::Varchar),
    ]);
    for query in env.activity.queries() {
        rows.push([
            int(query.id),
            int(query.connection),
            text(query.state),
            text(&query.sql),
            Scalar::Int(query.started_micros.into()),
            Scalar::Float(query.seconds),
            int(query.rows),
            int(query.rows_scanned),
            ratio(query.rows_scanned.min(query.rows_expected), query.rows_expected),
            int(query.row_groups_skipped),
            int(query.blocks_skipped),
            int(query.bytes_decoded),
            int(query.bytes_spilled),
            int(query.memory_used),
            int(query.memory_peak),
            query.error.as_deref().map_or(Scalar::Null, text),
            query.profile.as_deref().map_or(Scalar::Null, text),
        ]);
    }
    rows
}
