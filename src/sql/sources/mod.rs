//! Rows that this layer makes itself: series, and listings of what exists.

mod all_types;
mod bound_functions;
pub(in crate::sql) mod columns;
mod constraints;
mod functions;
mod internals;
mod pragmas;
mod repeat;
mod rows;
mod running;
mod series;
mod shown;
mod system;
mod system_views;
mod test_vectors;
mod types;

use std::sync::Arc;

use crate::exec::error::Result;
use crate::exec::source::{Source, TableFunctionArgs};
use crate::sql::bind::Environment;

pub use columns::{query_columns, relation_columns};
pub use functions::function_names;
pub use rows::{RowsBuilder, StaticRows, column_of, texts};
pub use shown::shown;
pub use system::variables;
pub use system_views::SystemView;

/// The names that [`table_function`] knows.
pub const TABLE_FUNCTIONS: &[&str] = &[
    "duckdb_columns",
    "duckdb_constraints",
    "duckdb_databases",
    "duckdb_dependencies",
    "duckdb_extensions",
    "duckdb_functions",
    "duckdb_indexes",
    "duckdb_keywords",
    "duckdb_memory",
    "duckdb_optimizers",
    "duckdb_prepared_statements",
    "duckdb_schemas",
    "duckdb_secrets",
    "duckdb_sequences",
    "duckdb_settings",
    "duckdb_tables",
    "duckdb_types",
    "duckdb_variables",
    "duckdb_views",
    "flux_blocks",
    "flux_chunks",
    "flux_heaps",
    "flux_memory",
    "flux_pages",
    "flux_queries",
    "flux_row_groups",
    "flux_settings",
    "flux_sealing",
    "flux_snapshots",
    "flux_tables",
    "flux_wal",
    "fluxdb_functions",
    "generate_series",
    "json_each",
    "json_tree",
    "pg_timezone_names",
    "pragma_collations",
    "pragma_database_list",
    "pragma_database_size",
    "pragma_platform",
    "pragma_show",
    "pragma_table_info",
    "pragma_user_agent",
    "pragma_version",
    "range",
    "repeat",
    "repeat_row",
    "test_all_types",
    "test_vector_types",
];

/// The table function of this name (lower case), or `None` if there is none.
pub fn table_function(
    env: &Environment<'_>,
    name: &str,
    args: &TableFunctionArgs,
) -> Option<Result<Arc<dyn Source>>> {
    match name {
        "generate_series" => Some(series::source(name, args, true, &env.settings.time_zone)),
        "repeat" | "repeat_row" => Some(repeat::source(name, args)),
        "test_all_types" => Some(all_types::source()),
        "test_vector_types" => Some(test_vectors::source(args)),
        "range" => Some(series::source(name, args, false, &env.settings.time_zone)),
        _ => internals::table_function(env, name, args).or_else(|| system::table_function(env, name, args)),
    }
}
