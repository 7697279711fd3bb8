//! Settings of DuckDB that have nothing to set here: they tune or test what DuckDB does inside. SET takes and keeps
//! them, so that scripts that give them run; what they are set to changes nothing. Those that would change
//! results take their one value only.

/// A setting that changes nothing.
#[derive(Debug)]
pub struct Inert {
    /// Its name.
    pub name: &'static str,
    /// Its value until it is set.
    pub default: &'static str,
    /// The name of the type of its values.
    pub ty: &'static str,
    /// Another value would change results, so it is refused.
    pub fixed: bool,
}

const fn inert(name: &'static str, default: &'static str, ty: &'static str) -> Inert {
    Inert { name, default, ty, fixed: false }
}

const fn fixed(name: &'static str, value: &'static str, ty: &'static str) -> Inert {
    Inert { name, default: value, ty, fixed: true }
}

/// Once it is true, no setting can be changed.
pub const LOCK: &str = "lock_configuration";

/// All of them, in alphabetical order.
pub const INERT: &[Inert] = &[
    inert("access_mode", "automatic", "VARCHAR"),
    inert("allocator_background_threads", "false", "BOOLEAN"),
    inert("allocator_bulk_deallocation_flush_threshold", "512.0 MiB", "VARCHAR"),
    inert("allocator_flush_threshold", "128.0 MiB", "VARCHAR"),
    inert("allow_community_extensions", "true", "BOOLEAN"),
    inert("allow_extensions_metadata_mismatch", "false", "BOOLEAN"),
    inert("allow_parser_override_extension", "DEFAULT", "VARCHAR"),
    inert("allow_persistent_secrets", "true", "BOOLEAN"),
    inert("allow_unredacted_secrets", "false", "BOOLEAN"),
    inert("allow_unsigned_extensions", "false", "BOOLEAN"),
    inert("allowed_configs", "[]", "VARCHAR[]"),
    inert("allowed_directories", "[]", "VARCHAR[]"),
    inert("allowed_paths", "[]", "VARCHAR[]"),
    inert("approximate_join_order_threshold", "12", "UBIGINT"),
    inert("arrow_large_buffer_size", "false", "BOOLEAN"),
    inert("arrow_lossless_conversion", "false", "BOOLEAN"),
    inert("arrow_output_list_view", "false", "BOOLEAN"),
    inert("arrow_output_version", "1.0", "VARCHAR"),
    inert("asof_loop_join_threshold", "64", "UBIGINT"),
    inert("async_threads", "8", "UBIGINT"),
    inert("auto_checkpoint_skip_wal_threshold", "100000", "UBIGINT"),
    inert("autoinstall_extension_repository", "", "VARCHAR"),
    inert("autoinstall_known_extensions", "false", "BOOLEAN"),
    inert("autoload_known_extensions", "false", "BOOLEAN"),
    fixed("binary_as_string", "false", "BOOLEAN"),
    inert("block_allocator_memory", "0 bytes", "VARCHAR"),
    inert("cache_local_files", "false", "BOOLEAN"),
    inert("calendar", "gregorian", "VARCHAR"),
    inert("catalog_error_max_schemas", "100", "UBIGINT"),
    inert("checkpoint_on_detach", "DEFAULT", "VARCHAR"),
    inert("checkpoint_threshold", "16.0 MiB", "VARCHAR"),
    inert("custom_extension_repository", "", "VARCHAR"),
    inert("custom_user_agent", "", "VARCHAR"),
    inert("default_block_size", "16384", "UBIGINT"),
    inert("default_secret_storage", "local_file", "VARCHAR"),
    inert("delim_join_as_cte", "true", "BOOLEAN"),
    fixed("dialect_compatibility_mode", "NONE", "VARCHAR"),
    inert("disable_database_invalidation", "false", "BOOLEAN"),
    inert("disable_parquet_prefetching", "false", "BOOLEAN"),
    fixed("disable_timestamptz_casts", "false", "BOOLEAN"),
    inert("disabled_compression_methods", "", "VARCHAR"),
    inert("disabled_filesystems", "", "VARCHAR"),
    inert("disabled_log_types", "", "VARCHAR"),
    inert("disabled_optimizers", "", "VARCHAR"),
    inert("dynamic_or_filter_threshold", "50", "UBIGINT"),
    inert("enable_external_file_cache", "true", "BOOLEAN"),
    inert("enable_fsst_vectors", "false", "BOOLEAN"),
    inert("enable_geoparquet_conversion", "true", "BOOLEAN"),
    inert("enable_http_logging", "false", "BOOLEAN"),
    inert("enable_http_metadata_cache", "false", "BOOLEAN"),
    inert("enable_logging", "false", "BOOLEAN"),
    inert("enable_macro_dependencies", "false", "BOOLEAN"),
    inert("enable_object_cache", "false", "BOOLEAN"),
    inert("enable_optimistic_write", "true", "BOOLEAN"),
    inert("enable_progress_bar", "false", "BOOLEAN"),
    inert("enable_progress_bar_print", "true", "BOOLEAN"),
    inert("enable_view_dependencies", "false", "BOOLEAN"),
    inert("enabled_log_types", "", "VARCHAR"),
    inert("errors_as_json", "false", "BOOLEAN"),
    inert("experimental_metadata_reuse", "true", "BOOLEAN"),
    inert("explain_output", "physical_only", "VARCHAR"),
    inert("extension_directories", "[]", "VARCHAR[]"),
    inert("extension_directory", "", "VARCHAR"),
    inert("external_file_cache_local_max_block_size", "16384", "UBIGINT"),
    inert("external_file_cache_remote_max_block_size", "2097152", "UBIGINT"),
    inert("external_file_cache_remote_min_block_size", "4096", "UBIGINT"),
    inert("external_file_cache_request_sizing", "AUTO", "VARCHAR"),
    inert("external_file_cache_spill", "false", "BOOLEAN"),
    inert("external_threads", "1", "UBIGINT"),
    fixed("file_search_path", "", "VARCHAR"),
    inert("force_bitpacking_mode", "auto", "VARCHAR"),
    inert("force_column_metadata_reuse", "false", "BOOLEAN"),
    inert("force_compression", "auto", "VARCHAR"),
    inert("fsync_mode", "STANDARD", "VARCHAR"),
    inert("geometry_minimum_shredding_size", "30000", "BIGINT"),
    inert("home_directory", "", "VARCHAR"),
    inert("http_client_pool_capacity", "16", "UBIGINT"),
    inert("http_proxy", "", "VARCHAR"),
    inert("http_proxy_password", "", "VARCHAR"),
    inert("http_proxy_username", "", "VARCHAR"),
    inert("ignore_unknown_crs", "false", "BOOLEAN"),
    inert("immediate_transaction_mode", "false", "BOOLEAN"),
    inert("index_scan_max_count", "2048", "UBIGINT"),
    inert("index_scan_percentage", "0.001", "DOUBLE"),
    inert("initial_column_segment_size", "2048", "UBIGINT"),
    inert("json_geometry_format", "wkt", "VARCHAR"),
    inert("lambda_syntax", "DEFAULT", "VARCHAR"),
    inert("late_materialization_max_rows", "50", "UBIGINT"),
    fixed("legacy_disable_null_type", "false", "BOOLEAN"),
    inert(LOCK, "false", "BOOLEAN"),
    inert("log_query_path", "", "VARCHAR"),
    inert("logging_level", "INFO", "VARCHAR"),
    inert("logging_mode", "LEVEL_ONLY", "VARCHAR"),
    inert("logging_storage", "memory", "VARCHAR"),
    inert("max_expression_depth", "1000", "UBIGINT"),
    inert("max_streaming_buffer_size", "10.0 MiB", "VARCHAR"),
    inert("max_vacuum_tasks", "100", "UBIGINT"),
    inert("merge_join_threshold", "1000", "UBIGINT"),
    inert("nested_loop_join_threshold", "5", "UBIGINT"),
    fixed("old_implicit_casting", "false", "BOOLEAN"),
    inert("operator_memory_limit", "", "VARCHAR"),
    inert("ordered_aggregate_threshold", "262144", "UBIGINT"),
    inert("parquet_metadata_cache", "false", "BOOLEAN"),
    inert("parquet_prefetch_column_gap", "16384", "UBIGINT"),
    inert("partitioned_write_flush_threshold", "524288", "UBIGINT"),
    inert("partitioned_write_max_open_files", "100", "UBIGINT"),
    inert("password", "", "VARCHAR"),
    inert("perfect_ht_threshold", "12", "UBIGINT"),
    inert("pin_threads", "auto", "VARCHAR"),
    inert("pivot_filter_threshold", "20", "UBIGINT"),
    inert("prefer_range_joins", "false", "BOOLEAN"),
    inert("prefetch_all_parquet_files", "false", "BOOLEAN"),
    fixed("preserve_identifier_case", "true", "BOOLEAN"),
    inert("produce_arrow_string_view", "true", "BOOLEAN"),
    inert("profiling_coverage", "SELECT", "VARCHAR"),
    inert("profiling_mode", "", "VARCHAR"),
    inert("profiling_renderer_settings", "{}", "VARCHAR"),
    inert("progress_bar_time", "2000", "BIGINT"),
    inert("read_ahead_depth", "-1", "BIGINT"),
    inert("redact_http_logs", "true", "BOOLEAN"),
    fixed("regex_match_operator_semantics", "partial", "VARCHAR"),
    inert("scheduler_process_partial", "false", "BOOLEAN"),
    inert("secret_directory", "", "VARCHAR"),
    inert("storage_block_prefetch", "REMOTE_ONLY", "VARCHAR"),
    inert("storage_compatibility_version", "latest", "VARCHAR"),
    inert("streaming_buffer_size", "976.5 KiB", "VARCHAR"),
    inert("temp_file_encryption", "false", "BOOLEAN"),
    inert("tracked_metrics", "[*]", "VARCHAR[]"),
    inert("user", "", "VARCHAR"),
    inert("username", "", "VARCHAR"),
    inert("validate_external_file_cache", "VALIDATE_ALL", "VARCHAR"),
    inert("variant_minimum_shredding_size", "30000", "BIGINT"),
    inert("wal_autocheckpoint", "16.0 MiB", "VARCHAR"),
    inert("wal_autocheckpoint_entries", "0", "UBIGINT"),
    fixed("warnings_as_errors", "false", "BOOLEAN"),
    inert("write_buffer_row_group_count", "5", "UBIGINT"),
    inert("write_buffer_row_group_memory_limit", "", "VARCHAR"),
    inert("zstd_min_string_length", "4096", "UBIGINT"),
];

/// What the names of settings begin with that only DuckDB's own tests use.
const SELF_TESTS: &[&str] = &["debug_", "verify_", "enable_verif", "disable_verif"];

/// Settings of PostgreSQL that tune its planner and its server, which scripts set before their queries.
const POSTGRES: &[&str] = &[
    "client_min_messages",
    "constraint_exclusion",
    "cpu_tuple_cost",
    "debug_parallel_query",
    "effective_cache_size",
    "enable_async_append",
    "enable_bitmapscan",
    "enable_gathermerge",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_incremental_sort",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_parallel_append",
    "enable_parallel_hash",
    "enable_partition_pruning",
    "enable_partitionwise_aggregate",
    "enable_partitionwise_join",
    "enable_presorted_aggregate",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
    "force_parallel_mode",
    "from_collapse_limit",
    "geqo",
    "hash_mem_multiplier",
    "jit",
    "jit_above_cost",
    "join_collapse_limit",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "parallel_leader_participation",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "random_page_cost",
    "seq_page_cost",
    "work_mem",
];

/// The setting of that name, in lower case.
pub fn find(name: &str) -> Option<&'static Inert> {
    INERT.iter().find(|setting| setting.name == name)
}

/// Whether a setting or pragma of that name, in lower case, concerns DuckDB's own tests only, or PostgreSQL's planner.
pub fn is_for_others(name: &str) -> bool {
    SELF_TESTS.iter().any(|prefix| name.starts_with(prefix)) || POSTGRES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order() {
        assert!(INERT.is_sorted_by(|a, b| a.name < b.name));
    }
}
