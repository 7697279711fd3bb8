//! The views of `information_schema`, `pg_catalog` and SQLite, as queries over the listings of `system.rs`.

use crate::catalog::MAIN_SCHEMA;

/// The schemas that these views are in.
pub const SYSTEM_SCHEMAS: &[&str] = &[INFORMATION_SCHEMA, MAIN_SCHEMA, PG_CATALOG];

const INFORMATION_SCHEMA: &str = "information_schema";
const PG_CATALOG: &str = "pg_catalog";

/// A view that is built in.
pub struct SystemView {
    /// The schema it is in.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    body: &'static str,
}

impl SystemView {
    /// Its query.
    pub fn query(&self) -> String {
        self.body.replace("{PG_TYPE}", PG_TYPE_OF_NUMBER).replace("{PG_NAME}", PG_NAME_OF_NUMBER)
    }

    /// The view that a name means; without a schema, those of `information_schema` are not seen.
    pub fn find(schema: Option<&str>, name: &str) -> Option<&'static Self> {
        SYSTEM_VIEWS.iter().find(|view| {
            view.name.eq_ignore_ascii_case(name)
                && schema.map_or(view.schema != INFORMATION_SCHEMA, |s| s.eq_ignore_ascii_case(view.schema))
        })
    }
}

const fn view(schema: &'static str, name: &'static str, body: &'static str) -> SystemView {
    SystemView { schema, name, body }
}

/// PostgreSQL's id of the type with a number of DuckDB's; others keep theirs, beyond all of PostgreSQL's.
const PG_TYPE_OF_NUMBER: &str = "CASE type_number WHEN 10 THEN 16 WHEN 26 THEN 17 WHEN 14 THEN 20 WHEN 12 THEN 21 \
    WHEN 13 THEN 23 WHEN 22 THEN 700 WHEN 23 THEN 701 WHEN 25 THEN 1043 WHEN 15 THEN 1082 WHEN 16 THEN 1083 \
    WHEN 19 THEN 1114 WHEN 32 THEN 1184 WHEN 27 THEN 1186 WHEN 34 THEN 1266 WHEN 36 THEN 1560 WHEN 21 THEN 1700 \
    WHEN 54 THEN 2950 ELSE 100000 + type_number END";

/// PostgreSQL's name of a type, where it has one.
const PG_NAME_OF_NUMBER: &str = "CASE type_number WHEN 10 THEN 'bool' WHEN 26 THEN 'bytea' WHEN 14 THEN 'int8' \
    WHEN 12 THEN 'int2' WHEN 13 THEN 'int4' WHEN 22 THEN 'float4' WHEN 23 THEN 'float8' WHEN 25 THEN 'varchar' \
    WHEN 32 THEN 'timestamptz' WHEN 34 THEN 'timetz' WHEN 21 THEN 'numeric' ELSE type_name END";

/// All of them.
pub const SYSTEM_VIEWS: &[SystemView] = &[
    view(
        INFORMATION_SCHEMA,
        "character_sets",
        "SELECT NULL::VARCHAR AS character_set_catalog, NULL::VARCHAR AS character_set_schema, \
         'UTF8' AS character_set_name, 'UCS' AS character_repertoire, 'UTF8' AS form_of_use, \
         current_database() AS default_collate_catalog, 'pg_catalog' AS default_collate_schema, \
         'ucs_basic' AS default_collate_name",
    ),
    view(
        INFORMATION_SCHEMA,
        "check_constraints",
        "SELECT database_name AS constraint_catalog, schema_name AS constraint_schema, constraint_name, \
         CASE constraint_type WHEN 'NOT NULL' THEN constraint_column_names[1] || ' IS NOT NULL' \
         ELSE constraint_text END AS check_clause \
         FROM duckdb_constraints() WHERE constraint_type IN ('CHECK', 'NOT NULL')",
    ),
    view(
        INFORMATION_SCHEMA,
        "columns",
        "SELECT database_name AS table_catalog, schema_name AS table_schema, table_name, column_name, \
         column_index AS ordinal_position, column_default, if(is_nullable, 'YES', 'NO') AS is_nullable, data_type, \
         character_maximum_length, NULL::INTEGER AS character_octet_length, numeric_precision, \
         numeric_precision_radix, numeric_scale, NULL::INTEGER AS datetime_precision, \
         NULL::VARCHAR AS interval_type, NULL::INTEGER AS interval_precision, \
         NULL::VARCHAR AS character_set_catalog, NULL::VARCHAR AS character_set_schema, \
         NULL::VARCHAR AS character_set_name, NULL::VARCHAR AS collation_catalog, \
         NULL::VARCHAR AS collation_schema, NULL::VARCHAR AS collation_name, NULL::VARCHAR AS domain_catalog, \
         NULL::VARCHAR AS domain_schema, NULL::VARCHAR AS domain_name, NULL::VARCHAR AS udt_catalog, \
         NULL::VARCHAR AS udt_schema, NULL::VARCHAR AS udt_name, NULL::VARCHAR AS scope_catalog, \
         NULL::VARCHAR AS scope_schema, NULL::VARCHAR AS scope_name, NULL::BIGINT AS maximum_cardinality, \
         NULL::VARCHAR AS dtd_identifier, NULL::BOOLEAN AS is_self_referencing, NULL::BOOLEAN AS is_identity, \
         NULL::VARCHAR AS identity_generation, NULL::VARCHAR AS identity_start, \
         NULL::VARCHAR AS identity_increment, NULL::VARCHAR AS identity_maximum, \
         NULL::VARCHAR AS identity_minimum, NULL::BOOLEAN AS identity_cycle, \
         if(is_generated, 'ALWAYS', 'NEVER') AS is_generated, generation_expression, \
         NULL::BOOLEAN AS is_updatable, comment AS \"COLUMN_COMMENT\" FROM duckdb_columns() WHERE NOT internal",
    ),
    view(
        INFORMATION_SCHEMA,
        "constraint_column_usage",
        "SELECT database_name AS table_catalog, schema_name AS table_schema, table_name, \
         unnest(constraint_column_names) AS column_name, database_name AS constraint_catalog, \
         schema_name AS constraint_schema, constraint_name, constraint_type, constraint_text \
         FROM duckdb_constraints() WHERE constraint_type <> 'NOT NULL'",
    ),
    view(
        INFORMATION_SCHEMA,
        "constraint_table_usage",
        "SELECT database_name AS table_catalog, schema_name AS table_schema, table_name, \
         database_name AS constraint_catalog, schema_name AS constraint_schema, constraint_name, constraint_type \
         FROM duckdb_constraints() WHERE constraint_type <> 'NOT NULL'",
    ),
    view(
        INFORMATION_SCHEMA,
        "key_column_usage",
        "SELECT database_name AS constraint_catalog, schema_name AS constraint_schema, constraint_name, \
         database_name AS table_catalog, schema_name AS table_schema, table_name, \
         unnest(constraint_column_names) AS column_name, \
         unnest(range(1, len(constraint_column_names) + 1)) AS ordinal_position, \
         unnest(if(constraint_type = 'FOREIGN KEY', range(1, len(constraint_column_names) + 1), \
         list_transform(constraint_column_names, lambda x: NULL::BIGINT))) AS position_in_unique_constraint \
         FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY')",
    ),
    view(
        INFORMATION_SCHEMA,
        "referential_constraints",
        "SELECT f.database_name AS constraint_catalog, f.schema_name AS constraint_schema, f.constraint_name, \
         u.database_name AS unique_constraint_catalog, u.schema_name AS unique_constraint_schema, \
         u.constraint_name AS unique_constraint_name, 'NONE' AS match_option, \
         coalesce(nullif(regexp_extract(f.constraint_text, ' ON UPDATE ([A-Z ]+?)( ON DELETE [A-Z ]+)?$', 1), ''), \
         'NO ACTION') AS update_rule, \
         coalesce(nullif(regexp_extract(f.constraint_text, ' ON DELETE ([A-Z ]+)$', 1), ''), 'NO ACTION') AS delete_rule \
         FROM duckdb_constraints() f JOIN duckdb_constraints() u \
         ON f.constraint_type = 'FOREIGN KEY' AND u.constraint_type IN ('PRIMARY KEY', 'UNIQUE') \
         AND f.database_oid = u.database_oid AND f.schema_oid = u.schema_oid AND f.referenced_table = u.table_name \
         AND f.referenced_column_names = u.constraint_column_names",
    ),
    view(
        INFORMATION_SCHEMA,
        "schemata",
        "SELECT database_name AS catalog_name, schema_name, 'fluxdb' AS schema_owner, \
         NULL::VARCHAR AS default_character_set_catalog, NULL::VARCHAR AS default_character_set_schema, \
         NULL::VARCHAR AS default_character_set_name, sql AS sql_path FROM duckdb_schemas()",
    ),
    view(
        INFORMATION_SCHEMA,
        "table_constraints",
        "SELECT database_name AS constraint_catalog, schema_name AS constraint_schema, constraint_name, \
         database_name AS table_catalog, schema_name AS table_schema, table_name, \
         if(constraint_type = 'NOT NULL', 'CHECK', constraint_type) AS constraint_type, 'NO' AS is_deferrable, \
         'NO' AS initially_deferred, 'YES' AS enforced, 'YES' AS nulls_distinct FROM duckdb_constraints()",
    ),
    view(
        INFORMATION_SCHEMA,
        "tables",
        "SELECT database_name AS table_catalog, schema_name AS table_schema, table_name, \
         CASE WHEN view_query IS NOT NULL THEN 'MATERIALIZED VIEW' WHEN temporary THEN 'LOCAL TEMPORARY' \
         ELSE 'BASE TABLE' END AS table_type, \
         NULL::VARCHAR AS self_referencing_column_name, NULL::VARCHAR AS reference_generation, \
         NULL::VARCHAR AS user_defined_type_catalog, NULL::VARCHAR AS user_defined_type_schema, \
         NULL::VARCHAR AS user_defined_type_name, if(view_query IS NULL, 'YES', 'NO') AS is_insertable_into, \
         'NO' AS is_typed, \
         if(temporary, 'PRESERVE', NULL) AS commit_action, comment AS \"TABLE_COMMENT\" \
         FROM duckdb_tables() UNION ALL \
         SELECT database_name, schema_name, view_name, 'VIEW', NULL, NULL, NULL, NULL, NULL, 'NO', 'NO', NULL, \
         comment FROM duckdb_views() WHERE NOT internal",
    ),
    view(
        INFORMATION_SCHEMA,
        "views",
        "SELECT database_name AS table_catalog, schema_name AS table_schema, view_name AS table_name, \
         sql AS view_definition, 'NONE' AS check_option, 'NO' AS is_updatable, 'NO' AS is_insertable_into, \
         'NO' AS is_trigger_updatable, 'NO' AS is_trigger_deletable, 'NO' AS is_trigger_insertable_into \
         FROM duckdb_views()",
    ),
    view(MAIN_SCHEMA, "duckdb_columns", "SELECT * FROM duckdb_columns() WHERE NOT internal"),
    view(MAIN_SCHEMA, "duckdb_constraints", "SELECT * FROM duckdb_constraints()"),
    view(MAIN_SCHEMA, "duckdb_databases", "SELECT * FROM duckdb_databases() WHERE NOT internal"),
    view(MAIN_SCHEMA, "duckdb_indexes", "SELECT * FROM duckdb_indexes()"),
    view(MAIN_SCHEMA, "duckdb_schemas", "SELECT * FROM duckdb_schemas() WHERE NOT internal"),
    view(MAIN_SCHEMA, "duckdb_tables", "SELECT * FROM duckdb_tables() WHERE NOT internal"),
    view(MAIN_SCHEMA, "duckdb_types", "SELECT * FROM duckdb_types()"),
    view(MAIN_SCHEMA, "duckdb_views", "SELECT * FROM duckdb_views() WHERE NOT internal"),
    view(MAIN_SCHEMA, "pragma_database_list", "SELECT * FROM pragma_database_list()"),
    view(MAIN_SCHEMA, "sqlite_master", SQLITE_MASTER),
    view(MAIN_SCHEMA, "sqlite_schema", SQLITE_MASTER),
    view(MAIN_SCHEMA, "sqlite_temp_master", SQLITE_MASTER),
    view(MAIN_SCHEMA, "sqlite_temp_schema", SQLITE_MASTER),
    view(PG_CATALOG, "pg_am", "SELECT 0 AS oid, 'art' AS amname, NULL AS amhandler, 'i' AS amtype"),
    view(
        PG_CATALOG,
        "pg_attrdef",
        "SELECT column_index AS oid, table_oid AS adrelid, column_index AS adnum, column_default AS adbin \
         FROM duckdb_columns() WHERE column_default IS NOT NULL",
    ),
    view(
        PG_CATALOG,
        "pg_attribute",
        "SELECT table_oid AS attrelid, column_name AS attname, ({PG_TYPE})::BIGINT AS atttypid, 0 AS attstattarget, \
         NULL AS attlen, column_index AS attnum, 0 AS attndims, -1 AS attcacheoff, \
         CASE WHEN type_number = 21 THEN numeric_precision * 65536 + numeric_scale + 4 ELSE -1 END AS atttypmod, \
         false AS attbyval, NULL AS attstorage, NULL AS attalign, NOT is_nullable AS attnotnull, \
         column_default IS NOT NULL AS atthasdef, false AS atthasmissing, '' AS attidentity, \
         if(is_generated, 's', '') AS attgenerated, false AS attisdropped, true AS attislocal, 0 AS attinhcount, \
         0 AS attcollation, NULL AS attcompression, NULL AS attacl, NULL AS attoptions, NULL AS attfdwoptions, \
         NULL AS attmissingval FROM (SELECT *, data_type_id AS type_number FROM duckdb_columns())",
    ),
    view(
        PG_CATALOG,
        "pg_class",
        "SELECT oid, relname, relnamespace, 0 AS reltype, 0 AS reloftype, 0 AS relowner, 0 AS relam, \
         0 AS relfilenode, 0 AS reltablespace, 0 AS relpages, reltuples::FLOAT AS reltuples, 0 AS relallvisible, \
         0 AS reltoastrelid, 0 AS reltoastidxid, relhasindex, false AS relisshared, \
         if(temporary, 't', 'p') AS relpersistence, relkind, relnatts, relchecks, false AS relhasoids, relhaspkey, \
         false AS relhasrules, false AS relhastriggers, false AS relhassubclass, false AS relrowsecurity, \
         true AS relispopulated, NULL AS relreplident, false AS relispartition, 0 AS relrewrite, \
         0 AS relfrozenxid, NULL AS relminmxid, NULL AS relacl, NULL AS reloptions, NULL AS relpartbound FROM (\
         SELECT table_oid AS oid, table_name AS relname, schema_oid AS relnamespace, estimated_size AS reltuples, \
         index_count > 0 AS relhasindex, temporary, if(view_query IS NULL, 'r', 'm') AS relkind, column_count AS relnatts, \
         check_constraint_count AS relchecks, has_primary_key AS relhaspkey FROM duckdb_tables() UNION ALL \
         SELECT view_oid, view_name, schema_oid, 0, false, temporary, 'v', column_count, 0, false \
         FROM duckdb_views() UNION ALL \
         SELECT sequence_oid, sequence_name, schema_oid, 0, false, temporary, 'S', 0, 0, false \
         FROM duckdb_sequences() UNION ALL \
         SELECT index_oid, index_name, schema_oid, 0, false, database_name = 'temp', 'i', NULL, 0, false \
         FROM duckdb_indexes())",
    ),
    view(PG_CATALOG, "pg_collation", "SELECT row_number() OVER () AS oid, collname FROM pragma_collations()"),
    view(
        PG_CATALOG,
        "pg_constraint",
        "SELECT table_oid + (constraint_index + 1) * 4294967296 AS oid, constraint_text AS conname, \
         schema_oid AS connamespace, CASE constraint_type WHEN 'CHECK' THEN 'c' WHEN 'UNIQUE' THEN 'u' \
         WHEN 'PRIMARY KEY' THEN 'p' WHEN 'FOREIGN KEY' THEN 'f' ELSE 'x' END AS contype, \
         false AS condeferrable, false AS condeferred, true AS convalidated, table_oid AS conrelid, 0 AS contypid, \
         0 AS conindid, 0 AS conparentid, 0 AS confrelid, \
         if(constraint_type = 'FOREIGN KEY', CASE regexp_extract(constraint_text, \
         ' ON UPDATE ([A-Z ]+?)( ON DELETE [A-Z ]+)?$', 1) WHEN '' THEN 'a' WHEN 'RESTRICT' THEN 'r' WHEN 'CASCADE' THEN 'c' \
         WHEN 'SET NULL' THEN 'n' ELSE 'd' END, NULL) AS confupdtype, \
         if(constraint_type = 'FOREIGN KEY', CASE regexp_extract(constraint_text, \
         ' ON DELETE ([A-Z ]+)$', 1) WHEN '' THEN 'a' WHEN 'RESTRICT' THEN 'r' WHEN 'CASCADE' THEN 'c' \
         WHEN 'SET NULL' THEN 'n' ELSE 'd' END, NULL) AS confdeltype, \
         NULL AS confmatchtype, true AS conislocal, 0 AS coninhcount, false AS connoinherit, \
         constraint_column_indexes AS conkey, NULL AS confkey, NULL AS conpfeqop, NULL AS conppeqop, \
         NULL AS conffeqop, NULL AS conexclop, expression AS conbin FROM duckdb_constraints()",
    ),
    view(
        PG_CATALOG,
        "pg_database",
        "SELECT database_oid AS oid, database_name AS datname, true AS datallowconn, false AS datistemplate \
         FROM duckdb_databases()",
    ),
    view(PG_CATALOG, "pg_depend", "SELECT * FROM duckdb_dependencies()"),
    view(
        PG_CATALOG,
        "pg_description",
        "SELECT objoid, 0 AS classoid, objsubid, description FROM (\
         SELECT table_oid AS objoid, 0 AS objsubid, comment AS description FROM duckdb_tables() UNION ALL \
         SELECT view_oid, 0, comment FROM duckdb_views() UNION ALL \
         SELECT table_oid, column_index, comment FROM duckdb_columns() UNION ALL \
         SELECT index_oid, 0, comment FROM duckdb_indexes() UNION ALL \
         SELECT sequence_oid, 0, comment FROM duckdb_sequences() UNION ALL \
         SELECT oid, 0, comment FROM duckdb_schemas() UNION ALL \
         SELECT type_oid, 0, comment FROM duckdb_types()) WHERE description IS NOT NULL",
    ),
    view(
        PG_CATALOG,
        "pg_enum",
        "SELECT NULL AS oid, type_oid AS enumtypid, unnest(range(1, len(labels) + 1))::INTEGER AS enumsortorder, \
         unnest(labels) AS enumlabel FROM duckdb_types() WHERE labels IS NOT NULL",
    ),
    view(
        PG_CATALOG,
        "pg_index",
        "SELECT index_oid AS indexrelid, table_oid AS indrelid, 0 AS indnatts, 0 AS indnkeyatts, \
         is_unique AS indisunique, is_primary AS indisprimary, false AS indisexclusion, true AS indimmediate, \
         false AS indisclustered, true AS indisvalid, false AS indcheckxmin, true AS indisready, \
         true AS indislive, false AS indisreplident, NULL::INTEGER[] AS indkey, NULL::BIGINT[] AS indcollation, \
         NULL::BIGINT[] AS indclass, NULL::INTEGER[] AS indoption, expressions AS indexprs, NULL AS indpred \
         FROM duckdb_indexes()",
    ),
    view(
        PG_CATALOG,
        "pg_indexes",
        "SELECT schema_name AS schemaname, table_name AS tablename, index_name AS indexname, NULL AS tablespace, \
         sql AS indexdef FROM duckdb_indexes()",
    ),
    view(
        PG_CATALOG,
        "pg_matviews",
        "SELECT schema_name AS schemaname, table_name AS matviewname, 'fluxdb' AS matviewowner, \
         NULL::VARCHAR AS tablespace, index_count > 0 AS hasindexes, is_populated AS ispopulated, \
         view_query AS definition FROM duckdb_tables() WHERE view_query IS NOT NULL",
    ),
    view(
        PG_CATALOG,
        "pg_namespace",
        "SELECT oid, schema_name AS nspname, 0 AS nspowner, NULL AS nspacl FROM duckdb_schemas() \
         WHERE database_name = current_database()",
    ),
    view(
        PG_CATALOG,
        "pg_proc",
        "SELECT row_number() OVER () AS oid, function_name AS proname, s.oid AS pronamespace, NULL AS proowner, \
         NULL AS prolang, 0 AS procost, 0 AS prorows, varargs AS provariadic, 0 AS prosupport, \
         CASE function_type WHEN 'aggregate' THEN 'a' WHEN 'window' THEN 'w' ELSE 'f' END AS prokind, \
         false AS prosecdef, false AS proleakproof, false AS proisstrict, function_type = 'table' AS proretset, \
         CASE stability WHEN 'CONSISTENT' THEN 'i' WHEN 'VOLATILE' THEN 'v' END AS provolatile, \
         'u' AS proparallel, len(parameters) AS pronargs, 0 AS pronargdefaults, return_type AS prorettype, \
         parameter_types AS proargtypes, NULL AS proallargtypes, NULL AS proargmodes, parameters AS proargnames, \
         NULL AS proargdefaults, NULL AS protrftypes, NULL AS prosrc, NULL AS probin, NULL::VARCHAR AS prosqlbody, \
         NULL AS proconfig, NULL AS proacl, function_type = 'aggregate' AS proisagg \
         FROM duckdb_functions() f JOIN duckdb_schemas() s USING (database_name, schema_name)",
    ),
    view(
        PG_CATALOG,
        "pg_sequence",
        "SELECT sequence_oid AS seqrelid, 0 AS seqtypid, start_value AS seqstart, increment_by AS seqincrement, \
         max_value AS seqmax, min_value AS seqmin, 0 AS seqcache, cycle AS seqcycle FROM duckdb_sequences()",
    ),
    view(
        PG_CATALOG,
        "pg_prepared_statements",
        "SELECT name, statement, NULL AS prepare_time, parameter_types, result_types, NULL AS from_sql, \
         NULL AS generic_plans, NULL AS custom_plans FROM duckdb_prepared_statements()",
    ),
    view(
        PG_CATALOG,
        "pg_sequences",
        "SELECT schema_name AS schemaname, sequence_name AS sequencename, 'fluxdb' AS sequenceowner, \
         0 AS data_type, start_value, min_value, max_value, increment_by, cycle, 0 AS cache_size, last_value \
         FROM duckdb_sequences()",
    ),
    view(
        PG_CATALOG,
        "pg_settings",
        "SELECT name, value AS setting, description AS short_desc, CASE input_type WHEN 'VARCHAR' THEN 'string' \
         WHEN 'BOOLEAN' THEN 'bool' WHEN 'BIGINT' THEN 'integer' WHEN 'UBIGINT' THEN 'integer' \
         WHEN 'DOUBLE' THEN 'real' ELSE input_type END AS vartype FROM duckdb_settings()",
    ),
    view(
        PG_CATALOG,
        "pg_tables",
        "SELECT schema_name AS schemaname, table_name AS tablename, 'fluxdb' AS tableowner, NULL AS tablespace, \
         index_count > 0 AS hasindexes, false AS hasrules, false AS hastriggers FROM duckdb_tables() \
         WHERE view_query IS NULL",
    ),
    view(
        PG_CATALOG,
        "pg_tablespace",
        "SELECT 0 AS oid, 'pg_default' AS spcname, 0 AS spcowner, NULL AS spcacl, NULL AS spcoptions",
    ),
    view(
        PG_CATALOG,
        "pg_type",
        "SELECT if(internal, ({PG_TYPE})::BIGINT, type_number) AS oid, {PG_NAME} AS typname, \
         schema_oid AS typnamespace, 0 AS typowner, type_size AS typlen, false AS typbyval, \
         if(labels IS NULL, 'b', 'e') AS typtype, CASE type_category WHEN 'NUMERIC' THEN 'N' WHEN 'STRING' THEN 'S' \
         WHEN 'DATETIME' THEN 'D' WHEN 'BOOLEAN' THEN 'B' WHEN 'COMPOSITE' THEN 'C' ELSE 'X' END AS typcategory, \
         false AS typispreferred, true AS typisdefined, NULL AS typdelim, NULL AS typrelid, NULL AS typsubscript, \
         NULL AS typelem, NULL AS typarray, NULL AS typinput, NULL AS typoutput, NULL AS typreceive, \
         NULL AS typsend, NULL AS typmodin, NULL AS typmodout, NULL AS typanalyze, 'd' AS typalign, \
         'p' AS typstorage, NULL AS typnotnull, NULL AS typbasetype, NULL AS typtypmod, NULL AS typndims, \
         NULL AS typcollation, NULL AS typdefaultbin, NULL AS typdefault, NULL AS typacl \
         FROM (SELECT *, type_oid AS type_number FROM duckdb_types()) WHERE type_number IS NOT NULL",
    ),
    view(
        PG_CATALOG,
        "pg_views",
        "SELECT schema_name AS schemaname, view_name AS viewname, 'fluxdb' AS viewowner, sql AS definition \
         FROM duckdb_views()",
    ),
];

const SQLITE_MASTER: &str = "SELECT 'table' AS \"type\", table_name AS \"name\", table_name AS tbl_name, \
    0 AS rootpage, sql FROM duckdb_tables() UNION ALL \
    SELECT 'view', view_name, view_name, 0, sql FROM duckdb_views() WHERE NOT internal UNION ALL \
    SELECT 'index', index_name, table_name, 0, sql FROM duckdb_indexes()";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_schema() {
        assert_eq!(SystemView::find(None, "PG_Class").map(|v| v.name), Some("pg_class"));
        assert!(SystemView::find(None, "columns").is_none());
        assert!(SystemView::find(Some("Information_Schema"), "COLUMNS").is_some());
        assert!(SystemView::find(Some("pg_catalog"), "columns").is_none());
        assert!(SYSTEM_VIEWS.iter().all(|v| SYSTEM_SCHEMAS.contains(&v.schema)));
    }
}
