//! Rows that this layer makes itself: series, and listings of what exists.

mod constraints;
mod functions;
mod internals;
mod json_rows;
mod repeat;
mod rows;
mod series;
mod system;

use std::sync::Arc;

use crate::exec::error::Result;
use crate::exec::source::{Source, TableFunctionArgs};
use crate::sql::bind::Environment;

pub use rows::{RowsBuilder, StaticRows, texts};
pub use system::{database_name, relation_columns, system_view};

/// The names that [`table_function`] knows.
pub const TABLE_FUNCTIONS: &[&str] = &[
    "duckdb_columns",
    "duckdb_constraints",
    "duckdb_functions",
    "duckdb_indexes",
    "duckdb_schemas",
    "duckdb_settings",
    "duckdb_tables",
    "duckdb_views",
    "flux_blocks",
    "flux_chunks",
    "flux_heaps",
    "flux_memory",
    "flux_pages",
    "flux_queries",
    "flux_row_groups",
    "flux_settings",
    "flux_snapshots",
    "flux_tables",
    "fluxdb_functions",
    "generate_series",
    "pragma_table_info",
    "json_each",
    "json_tree",
    "pg_timezone_names",
    "range",
    "repeat",
    "repeat_row",
];

/// The table function of this name (lower case), or `None` if there is none.
pub fn table_function(
    env: &Environment<'_>,
    name: &str,
    args: &TableFunctionArgs,
) -> Option<Result<Arc<dyn Source>>> {
    match name {
        "generate_series" => Some(series::source(name, args, true, &env.settings.time_zone)),
        "json_each" | "json_tree" => Some(json_rows::source(name, args)),
        "repeat" | "repeat_row" => Some(repeat::source(name, args)),
        "range" => Some(series::source(name, args, false, &env.settings.time_zone)),
        _ => internals::table_function(env, name, args).or_else(|| system::table_function(env, name, args)),
    }
}
