//! `fluxdb_functions()`: all functions with their signatures, from the tables that also bind them.

use std::sync::Arc;

use arrow_array::{Array, StringViewArray};

use crate::catalog::{MAIN_SCHEMA, MacroKind, Object};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::cast::nested::list_array;
use crate::exec::functions::FunctionInfo;
use crate::io::type_name;
use crate::sql::bind::series;
use crate::sql::bind::{BUILTIN_MACROS, Environment};
use crate::sql::session::SYSTEM_DATABASE;
use crate::sql::sources::RowsBuilder;
use crate::sql::sources::rows::{empty_map, int, tags, text};
use crate::sql::sources::system;

/// Functions that the binder itself knows: name, signatures, description, example.
const BOUND: &[(&str, &[&str], &str, &str)] = &[
    (
        "ago",
        &["(INTERVAL) -> TIMESTAMP WITH TIME ZONE"],
        "The instant so long before the statement began",
        "ago(INTERVAL 1 HOUR)",
    ),
    (
        "time_bucket_gapfill",
        &[
            "(INTERVAL, TIMESTAMP) -> TIMESTAMP",
            "(INTERVAL, TIMESTAMP, VARCHAR) -> TIMESTAMP",
            "(INTERVAL, TIMESTAMP, TIMESTAMP, TIMESTAMP) -> TIMESTAMP",
            "(INTERVAL, TIMESTAMP, VARCHAR, TIMESTAMP, TIMESTAMP) -> TIMESTAMP",
        ],
        "The bucket of a time, cut by the clock of a zone if one is named; as a key of GROUP BY also those without rows, \
         from one time to before another",
        "SELECT time_bucket_gapfill(5m, time) AS t, locf(avg(usage)) FROM cpu GROUP BY t",
    ),
    ("alias", &["(ANY) -> VARCHAR"], "The name that a column of the expression would have", "alias(1 + 2)"),
    ("coalesce", &["(T...) -> T"], "The first argument that is not NULL", "coalesce(NULL, 1)"),
    ("current_catalog", &["() -> VARCHAR"], "The name of the database", "current_catalog()"),
    ("current_connection_id", &["() -> UBIGINT"], "The number of the connection", "current_connection_id()"),
    ("current_database", &["() -> VARCHAR"], "The name of the database", "current_database()"),
    ("current_date", &["() -> DATE"], "The date when the statement began", "current_date"),
    ("current_localtime", &["() -> TIME"], "The time of day when the statement began", "current_localtime()"),
    (
        "current_localtimestamp",
        &["() -> TIMESTAMP"],
        "The date and time when the statement began",
        "current_localtimestamp()",
    ),
    ("current_query", &["() -> VARCHAR"], "The text of the statement that runs", "current_query()"),
    ("current_query_id", &["() -> UBIGINT"], "The number of the statement that runs", "current_query_id()"),
    ("current_schema", &["() -> VARCHAR"], "The schema of names without one", "current_schema()"),
    (
        "current_schemas",
        &["(BOOLEAN) -> VARCHAR[]"],
        "The schemas that are looked in for names without one",
        "current_schemas(true)",
    ),
    ("current_setting", &["(VARCHAR) -> VARCHAR"], "The value of a setting", "current_setting('threads')"),
    (
        "current_time",
        &["() -> TIME WITH TIME ZONE"],
        "The time of day when the statement began",
        "current_time",
    ),
    (
        "current_timestamp",
        &["() -> TIMESTAMP WITH TIME ZONE"],
        "The instant when the statement began",
        "current_timestamp",
    ),
    (
        "current_transaction_id",
        &["() -> UBIGINT"],
        "The number of the transaction that the statement is in",
        "current_transaction_id()",
    ),
    ("current_user", &["() -> VARCHAR"], "The user, of whom there is one", "current_user"),
    (
        "currval",
        &["(VARCHAR) -> BIGINT"],
        "The number that the session took last from a sequence",
        "currval('s')",
    ),
    (
        "getvariable",
        &["(VARCHAR) -> ANY"],
        "The value that SET VARIABLE gave a variable; NULL if none",
        "getvariable('v')",
    ),
    (
        "grouping",
        &["(ANY...) -> BIGINT"],
        "Which keys of GROUP BY a row is not grouped by, a bit each: those of ROLLUP, CUBE and GROUPING SETS",
        "SELECT a, grouping(a) FROM t GROUP BY ROLLUP (a)",
    ),
    (
        "if",
        &["(BOOLEAN, T, T) -> T"],
        "The second argument where the first is true, else the third",
        "if(true, 1, 2)",
    ),
    ("ifnull", &["(T, T) -> T"], "The first argument unless it is NULL, else the second", "ifnull(NULL, 1)"),
    (
        "invoke",
        &["(LAMBDA, ANY...) -> ANY"],
        "What a lambda function makes of arguments",
        "invoke(lambda x, y: x + y, 1, 2)",
    ),
    (
        "list_filter",
        &["(T[], LAMBDA) -> T[]"],
        "The elements of a list for which a lambda function is true",
        "list_filter([3, 4, 5], lambda x: x > 4)",
    ),
    (
        "list_reduce",
        &["(T[], LAMBDA) -> T", "(T[], LAMBDA, V) -> V"],
        "One value of all elements of a list, by a lambda function of two",
        "list_reduce([1, 2, 3], lambda x, y: x + y)",
    ),
    (
        "list_transform",
        &["(T[], LAMBDA) -> V[]"],
        "What a lambda function makes of each element",
        "list_transform([1, 2, 3], lambda x: x + 1)",
    ),
    ("localtime", &["() -> TIME"], "The time of day when the statement began", "localtime"),
    ("localtimestamp", &["() -> TIMESTAMP"], "The date and time when the statement began", "localtimestamp"),
    ("nextval", &["(VARCHAR) -> BIGINT"], "The next number of a sequence, which it takes", "nextval('s')"),
    ("now", &["() -> TIMESTAMP WITH TIME ZONE"], "The instant when the statement began", "now()"),
    ("nullif", &["(T, T) -> T"], "NULL where both are equal, else the first argument", "nullif(1, 1)"),
    (
        "setval",
        &["(VARCHAR, BIGINT) -> BIGINT", "(VARCHAR, BIGINT, BOOLEAN) -> BIGINT"],
        "Sets a sequence to a number, which counts as taken unless the last argument is false",
        "setval('s', 42)",
    ),
    (
        "struct_pack",
        &["(name := ANY...) -> STRUCT"],
        "A struct of named values",
        "struct_pack(i := 4, s := 'x')",
    ),
    (
        "switch",
        &[
            "(K, MAP(K, V)) -> V",
            "(K, MAP(K, V), V) -> V",
            "(MAP(BOOLEAN, V)) -> V",
            "(MAP(BOOLEAN, V), V) -> V",
        ],
        "The value of a key in a map that is written out, else the last argument or NULL: a CASE as a call",
        "switch(2, MAP {1: 'one', 2: 'two'}, 'many')",
    ),
    ("today", &["() -> DATE"], "The date when the statement began", "today()"),
    (
        "transaction_timestamp",
        &["() -> TIMESTAMP WITH TIME ZONE"],
        "The instant when the statement began",
        "transaction_timestamp()",
    ),
    ("try", &["(ANY) -> ANY"], "The value of an expression, or NULL where it fails", "try(1 // 0)"),
    (
        "txid_current",
        &["() -> UBIGINT"],
        "The number of the transaction that the statement is in",
        "txid_current()",
    ),
    (
        "unnest",
        &["(T[]) -> T", "(T[], recursive := BOOLEAN, max_depth := BIGINT) -> ANY", "(STRUCT) -> ANY"],
        "A row for each item of a list, or a column for each field of a struct",
        "SELECT unnest([1, 2, 3])",
    ),
];

/// Functions that stand in FROM: name, signatures, description, example.
const TABLES: &[(&str, &[&str], &str, &str)] = &[
    (
        "checkpoint",
        &["() -> TABLE", "(VARCHAR) -> TABLE"],
        "Seals what is in the log, as CHECKPOINT does",
        "CALL checkpoint()",
    ),
    (
        "flux_blocks",
        &["() -> TABLE", "(VARCHAR) -> TABLE", "(VARCHAR, VARCHAR) -> TABLE"],
        "The blocks of a table's column, of a table, or of all tables: codecs, bytes, statistics",
        "FROM flux_blocks('t', 'c')",
    ),
    (
        "flux_chunks",
        &["() -> TABLE", "(VARCHAR) -> TABLE"],
        "The column chunks of a table or of all: codecs, bytes, statistics",
        "FROM flux_chunks('t')",
    ),
    ("flux_heaps", &["() -> TABLE"], "The records of the catalog as they are stored", "FROM flux_heaps()"),
    ("flux_memory", &["() -> TABLE"], "What memory is used for", "FROM flux_memory()"),
    ("flux_pages", &["() -> TABLE"], "The pages of the file, and what each is used for", "FROM flux_pages()"),
    ("flux_queries", &["() -> TABLE"], "Statements that run or ran last", "FROM flux_queries()"),
    (
        "flux_row_groups",
        &["() -> TABLE", "(VARCHAR) -> TABLE"],
        "The row groups of a table or of all",
        "FROM flux_row_groups('t')",
    ),
    (
        "flux_sealing",
        &["() -> TABLE"],
        "What was written of each table's rows since the database was opened, and how often",
        "FROM flux_sealing()",
    ),
    ("flux_settings", &["() -> TABLE"], "All settings", "FROM flux_settings()"),
    ("flux_snapshots", &["() -> TABLE"], "The commits that somebody still reads", "FROM flux_snapshots()"),
    ("flux_tables", &["() -> TABLE"], "All tables with their sizes", "FROM flux_tables()"),
    ("flux_wal", &["() -> TABLE"], "The commits in the write-ahead log, by table", "FROM flux_wal()"),
    ("fluxdb_functions", &["() -> TABLE"], "All functions", "FROM fluxdb_functions()"),
    (
        "generate_series",
        &[
            "(BIGINT) -> TABLE",
            "(BIGINT, BIGINT) -> TABLE",
            "(BIGINT, BIGINT, BIGINT) -> TABLE",
            "(TIMESTAMP, TIMESTAMP, INTERVAL) -> TABLE",
        ],
        "Numbers or times at equal steps, with the end",
        "FROM generate_series(1, 10)",
    ),
    (
        "histogram",
        &["(TABLE, ANY, bin_count := BIGINT, technique := VARCHAR) -> TABLE"],
        "How often the values of an expression over a table fall into bins, with bars",
        "FROM histogram(t, x)",
    ),
    (
        "histogram_values",
        &["(TABLE, ANY, bin_count := BIGINT, technique := VARCHAR) -> TABLE"],
        "The same as ends of bins and numbers; technique is sample, equi-height, equi-width or equi-width-nice",
        "FROM histogram_values(t, x, bin_count := 5)",
    ),
    ("glob", &["(VARCHAR) -> TABLE"], "The files that a pattern names", "FROM glob('*.csv')"),
    (
        "json_each",
        &["(JSON) -> TABLE", "(JSON, VARCHAR) -> TABLE"],
        "The members of a JSON value",
        "FROM json_each('{\"a\": 1}')",
    ),
    (
        "json_tree",
        &["(JSON) -> TABLE", "(JSON, VARCHAR) -> TABLE"],
        "A JSON value and all that is in it",
        "FROM json_tree('{\"a\": 1}')",
    ),
    (
        "maintain",
        &["() -> TABLE", "(VARCHAR) -> TABLE"],
        "Does at once what is otherwise done beside: expired rows, materialized views, row groups worth merging",
        "CALL maintain('cpu')",
    ),
    (
        "query",
        &["(VARCHAR) -> TABLE"],
        "The rows of a query that is given as text",
        "FROM query('SELECT 42 AS a')",
    ),
    (
        "query_table",
        &["(VARCHAR) -> TABLE", "(VARCHAR[]) -> TABLE", "(VARCHAR[], BOOLEAN) -> TABLE"],
        "The rows of tables that are named by text; with true, columns go by their names",
        "FROM query_table(['t1', 't2'])",
    ),
    (
        "parquet_file_metadata",
        &["(VARCHAR) -> TABLE", "(VARCHAR[]) -> TABLE"],
        "What Parquet files say of themselves, a row each",
        "FROM parquet_file_metadata('a.parquet')",
    ),
    (
        "parquet_kv_metadata",
        &["(VARCHAR) -> TABLE", "(VARCHAR[]) -> TABLE"],
        "The keys and values in the footers of Parquet files",
        "FROM parquet_kv_metadata('a.parquet')",
    ),
    (
        "parquet_metadata",
        &["(VARCHAR) -> TABLE", "(VARCHAR[]) -> TABLE"],
        "The columns of the row groups of Parquet files: where they are, how they are coded, their statistics",
        "FROM parquet_metadata('a.parquet')",
    ),
    (
        "parquet_schema",
        &["(VARCHAR) -> TABLE", "(VARCHAR[]) -> TABLE"],
        "The elements of the schemas of Parquet files",
        "FROM parquet_schema('a.parquet')",
    ),
    ("pg_timezone_names", &["() -> TABLE"], "All time zones", "FROM pg_timezone_names()"),
    ("pragma_collations", &["() -> TABLE"], "All collations", "FROM pragma_collations()"),
    (
        "pragma_database_list",
        &["() -> TABLE"],
        "All databases and their files",
        "FROM pragma_database_list()",
    ),
    ("pragma_database_size", &["() -> TABLE"], "How big the databases are", "FROM pragma_database_size()"),
    ("pragma_platform", &["() -> TABLE"], "The operating system and the processor", "FROM pragma_platform()"),
    (
        "pragma_show",
        &["(VARCHAR) -> TABLE"],
        "The columns of a table, as DESCRIBE lists them",
        "FROM pragma_show('t')",
    ),
    (
        "pragma_table_info",
        &["(VARCHAR) -> TABLE"],
        "The columns of a table, as SQLite lists them",
        "FROM pragma_table_info('t')",
    ),
    (
        "pragma_user_agent",
        &["() -> TABLE"],
        "The program, its version and its platform",
        "FROM pragma_user_agent()",
    ),
    ("pragma_version", &["() -> TABLE"], "The version", "FROM pragma_version()"),
    (
        "read_arrow",
        &["(VARCHAR, ...) -> TABLE", "(VARCHAR[], ...) -> TABLE"],
        "The rows of Arrow IPC files",
        "FROM read_arrow('a.arrow')",
    ),
    (
        "read_csv",
        &["(VARCHAR, ...) -> TABLE", "(VARCHAR[], ...) -> TABLE"],
        "The rows of CSV files; what is not said of their form is found out",
        "FROM read_csv('a.csv', delim = ';')",
    ),
    (
        "read_json",
        &["(VARCHAR, ...) -> TABLE", "(VARCHAR[], ...) -> TABLE"],
        "The objects in JSON files as rows: an array of them, or one after another",
        "FROM read_json('a.json')",
    ),
    (
        "read_json_objects",
        &["(VARCHAR, ...) -> TABLE", "(VARCHAR[], ...) -> TABLE"],
        "The values in JSON files, each as a row of one column",
        "FROM read_json_objects('a.json')",
    ),
    (
        "read_ndjson",
        &["(VARCHAR, ...) -> TABLE", "(VARCHAR[], ...) -> TABLE"],
        "The objects in JSON files, a line each, as rows",
        "FROM read_ndjson('a.ndjson')",
    ),
    (
        "read_ndjson_objects",
        &["(VARCHAR, ...) -> TABLE", "(VARCHAR[], ...) -> TABLE"],
        "The values in JSON files, a line each, as rows of one column",
        "FROM read_ndjson_objects('a.ndjson')",
    ),
    (
        "read_parquet",
        &["(VARCHAR, ...) -> TABLE", "(VARCHAR[], ...) -> TABLE"],
        "The rows of Parquet files",
        "FROM read_parquet('logs/*.parquet')",
    ),
    (
        "read_blob",
        &["(VARCHAR) -> TABLE", "(VARCHAR[]) -> TABLE"],
        "Files, each as a row with its bytes",
        "FROM read_blob('*.png')",
    ),
    (
        "read_text",
        &["(VARCHAR) -> TABLE", "(VARCHAR[]) -> TABLE"],
        "Files, each as a row with its text",
        "FROM read_text('*.md')",
    ),
    (
        "range",
        &[
            "(BIGINT) -> TABLE",
            "(BIGINT, BIGINT) -> TABLE",
            "(BIGINT, BIGINT, BIGINT) -> TABLE",
            "(TIMESTAMP, TIMESTAMP, INTERVAL) -> TABLE",
        ],
        "Numbers or times at equal steps, without the end",
        "FROM range(10)",
    ),
    ("repeat", &["(ANY, BIGINT) -> TABLE"], "A value, so many times", "FROM repeat('x', 3)"),
    (
        "repeat_row",
        &["(ANY..., num_rows := BIGINT) -> TABLE"],
        "A row, so many times",
        "FROM repeat_row(1, 'x', num_rows = 3)",
    ),
    (
        "sniff_csv",
        &["(VARCHAR, ...) -> TABLE"],
        "What a reader would take a CSV file for, and the call that reads it so",
        "FROM sniff_csv('a.csv')",
    ),
    (
        "test_all_types",
        &["() -> TABLE"],
        "A column of each type with its least and its greatest value and NULL",
        "FROM test_all_types()",
    ),
    (
        "test_vector_types",
        &["(ANY..., all_flat := BOOLEAN) -> TABLE"],
        "Rows of the types of some values, from the least to the greatest, with NULLs",
        "FROM test_vector_types(NULL::INTEGER)",
    ),
    (
        "unnest",
        &["(T[]) -> TABLE"],
        "The items of a list, or of several beside each other, as rows",
        "FROM unnest([1, 2, 3])",
    ),
];

/// Other names of functions in [`BOUND`] and [`TABLES`], and those.
const ALIASES: &[(&str, &str)] = &[
    ("apply", "list_transform"),
    ("array_apply", "list_transform"),
    ("array_filter", "list_filter"),
    ("array_reduce", "list_reduce"),
    ("array_transform", "list_transform"),
    ("current_role", "current_user"),
    ("filter", "list_filter"),
    ("force_checkpoint", "checkpoint"),
    ("grouping_id", "grouping"),
    ("iff", "if"),
    ("list_apply", "list_transform"),
    ("nvl", "ifnull"),
    ("parquet_scan", "read_parquet"),
    ("read_csv_auto", "read_csv"),
    ("read_json_auto", "read_json"),
    ("read_json_objects_auto", "read_json_objects"),
    ("read_ndjson_auto", "read_ndjson"),
    ("reduce", "list_reduce"),
    ("session_user", "current_user"),
    ("unlist", "unnest"),
    ("user", "current_user"),
];

#[derive(Clone)]
struct Listed {
    name: String,
    kind: &'static str,
    subject: &'static str,
    alias_of: Option<String>,
    /// `(A, B) -> C`.
    signatures: Vec<String>,
    description: String,
    example: String,
    volatile: bool,
}

fn from_info(f: FunctionInfo, kind: &'static str) -> Listed {
    let bare = |s: String| s.strip_prefix(f.name).map_or_else(|| s.clone(), str::to_owned);
    Listed {
        name: f.name.to_owned(),
        kind,
        subject: f.subject,
        alias_of: f.alias_of.map(str::to_owned),
        signatures: f.signatures.into_iter().map(bare).collect(),
        description: f.description.to_owned(),
        example: f.example.to_owned(),
        volatile: f.volatile,
    }
}

fn all() -> Vec<Listed> {
    let constant = |kind, subject| {
        move |(name, signatures, description, example): &(&str, &[&str], &str, &str)| Listed {
            name: (*name).to_owned(),
            kind,
            subject,
            alias_of: None,
            signatures: signatures.iter().map(|s| (*s).to_owned()).collect(),
            description: (*description).to_owned(),
            example: (*example).to_owned(),
            volatile: false,
        }
    };
    let mut out: Vec<Listed> =
        crate::exec::functions::catalog().into_iter().map(|f| from_info(f, "scalar")).collect();
    out.extend(BOUND.iter().map(constant("scalar", "General")));
    out.extend(BUILTIN_MACROS.iter().map(|m| Listed {
        name: m.name.to_owned(),
        kind: "macro",
        subject: "General",
        alias_of: None,
        signatures: vec![m.signature.to_owned()],
        description: m.description.to_owned(),
        example: m.example.to_owned(),
        volatile: false,
    }));
    out.extend(crate::exec::aggregates::catalog().into_iter().map(|f| from_info(f, "aggregate")));
    out.extend(series::AGGREGATES.iter().map(constant("aggregate", "Aggregates")));
    out.extend(crate::exec::window::catalog().into_iter().map(|f| from_info(f, "window")));
    out.extend(series::WINDOWS.iter().map(constant("window", "Functions over series")));
    out.extend(TABLES.iter().map(constant("table", "Table functions")));
    for name in super::TABLE_FUNCTIONS {
        let Some(what) = name.strip_prefix("duckdb_") else { continue };
        out.push(Listed {
            name: (*name).to_owned(),
            kind: "table",
            subject: "Table functions",
            alias_of: None,
            signatures: vec!["() -> TABLE".into()],
            description: format!("All {}, with the columns of DuckDB's listing", what.replace('_', " ")),
            example: format!("FROM {name}()"),
            volatile: false,
        });
    }
    for (alias, of) in ALIASES {
        let named: Vec<Listed> = out.iter().filter(|f| f.name == *of).cloned().collect();
        out.extend(named.into_iter().map(|f| Listed {
            name: (*alias).to_owned(),
            alias_of: Some((*of).to_owned()),
            ..f
        }));
    }
    out.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    out
}

/// The names of all functions that may be called.
pub fn function_names() -> Vec<String> {
    let mut names: Vec<String> = all().into_iter().map(|f| f.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The parts between commas outside brackets.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, vec![]);
    for (i, c) in list.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(list[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    if !list[start..].trim().is_empty() {
        parts.push(list[start..].trim());
    }
    parts
}

fn texts(values: &[&str]) -> Scalar {
    optional_texts(&values.iter().map(|v| Some(*v)).collect::<Vec<_>>())
}

/// The name that a type goes by, however it was written; that of a type of CREATE TYPE is as it was written.
fn name_of_type(written: &str) -> String {
    type_name::parse(written).map_or_else(|_| written.to_owned(), |ty| ty.to_string())
}

fn optional_texts(values: &[Option<&str>]) -> Scalar {
    let values: StringViewArray = values.iter().copied().collect();
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([values.len()]);
    list_array(&T::Varchar, offsets, Arc::new(values), None).map_or(Scalar::Null, Scalar::Nested)
}

/// A signature, cut into what the listings show of it.
struct Signature<'s> {
    types: Vec<&'s str>,
    varargs: Option<&'s str>,
    returns: &'s str,
}

impl<'s> Signature<'s> {
    fn of(signature: &'s str) -> Self {
        let (params, returns) = signature.rsplit_once(" -> ").unwrap_or((signature, "ANY"));
        let inner = params.strip_prefix('(').and_then(|p| p.strip_suffix(')')).unwrap_or(params);
        let mut types = split(inner);
        let varargs = types.last().and_then(|t| t.strip_suffix("..."));
        if varargs.is_some() {
            types.pop();
        }
        Self { types, varargs, returns }
    }

    /// Names for the parameters, which have none.
    fn names(&self) -> Scalar {
        let names: Vec<String> = (0..self.types.len()).map(|i| format!("col{i}")).collect();
        texts(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

fn stability(volatile: bool) -> Scalar {
    text(if volatile { "VOLATILE" } else { "CONSISTENT" })
}

/// The rows, one for each signature.
pub(super) fn functions() -> RowsBuilder {
    let list = T::List(Box::new(T::Varchar));
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("schema_name", T::Varchar),
        ("function_name", T::Varchar),
        ("alias_of", T::Varchar),
        ("function_type", T::Varchar),
        ("subject", T::Varchar),
        ("description", T::Varchar),
        ("return_type", T::Varchar),
        ("parameters", list.clone()),
        ("parameter_types", list.clone()),
        ("varargs", T::Varchar),
        ("has_side_effects", T::Boolean),
        ("internal", T::Boolean),
        ("examples", list),
        ("stability", T::Varchar),
    ]);
    for f in all() {
        for signature in f.signatures.iter().map(|s| Signature::of(s)) {
            rows.push([
                text(SYSTEM_DATABASE),
                text(MAIN_SCHEMA),
                text(&f.name),
                f.alias_of.as_deref().map_or(Scalar::Null, text),
                text(f.kind),
                text(f.subject),
                text(&f.description),
                text(signature.returns),
                signature.names(),
                texts(&signature.types),
                signature.varargs.map_or(Scalar::Null, text),
                Scalar::Boolean(f.volatile),
                Scalar::Boolean(true),
                texts(&[&f.example]),
                stability(f.volatile),
            ]);
        }
    }
    rows
}

/// The same with the columns of DuckDB's listing, and the macros of all databases.
pub(super) fn duckdb_functions(env: &Environment<'_>) -> RowsBuilder {
    let list = T::List(Box::new(T::Varchar));
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("database_oid", T::Varchar),
        ("schema_name", T::Varchar),
        ("function_name", T::Varchar),
        ("alias_of", T::Varchar),
        ("function_type", T::Varchar),
        ("description", T::Varchar),
        ("comment", T::Varchar),
        ("tags", tags()),
        ("return_type", T::Varchar),
        ("parameters", list.clone()),
        ("parameter_types", list.clone()),
        ("varargs", T::Varchar),
        ("macro_definition", T::Varchar),
        ("has_side_effects", T::Boolean),
        ("internal", T::Boolean),
        ("extension_name", T::Varchar),
        ("function_oid", T::BigInt),
        ("examples", list.clone()),
        ("stability", T::Varchar),
        ("categories", list),
    ]);
    for (number, f) in all().iter().enumerate() {
        for signature in f.signatures.iter().map(|s| Signature::of(s)) {
            let body = BUILTIN_MACROS
                .iter()
                .find(|m| f.kind == "macro" && m.name == f.name && m.example == f.example);
            rows.push([
                text(SYSTEM_DATABASE),
                text("0"),
                text(MAIN_SCHEMA),
                text(&f.name),
                f.alias_of.as_deref().map_or(Scalar::Null, text),
                text(f.kind),
                text(&f.description),
                Scalar::Null,
                empty_map(),
                text(signature.returns),
                signature.names(),
                texts(&signature.types),
                signature.varargs.map_or(Scalar::Null, text),
                body.map_or(Scalar::Null, |m| text(m.body)),
                Scalar::Boolean(f.volatile),
                Scalar::Boolean(true),
                Scalar::Null,
                int(number as u64),
                texts(&[&f.example]),
                stability(f.volatile),
                texts(&[f.subject]),
            ]);
        }
    }
    for listed in system::Listed::all(env) {
        for (schema, object) in listed.macros() {
            let Object::Macro(definition) = object else { continue };
            for overload in &definition.overloads {
                let names: Vec<&str> = overload.parameters.iter().map(|p| &*p.name).collect();
                let types: Vec<Option<String>> =
                    overload.parameters.iter().map(|p| p.ty.as_deref().map(name_of_type)).collect();
                let types: Vec<Option<&str>> = types.iter().map(Option::as_deref).collect();
                let oid = match listed.oid() {
                    Scalar::Int(oid) => text(&oid.to_string()),
                    other => other,
                };
                rows.push([
                    text(listed.view.name()),
                    oid,
                    text(&schema.definition().name),
                    text(&definition.name),
                    Scalar::Null,
                    text(if definition.kind == MacroKind::Table { "table_macro" } else { "macro" }),
                    Scalar::Null,
                    definition.comment.as_deref().map_or(Scalar::Null, text),
                    empty_map(),
                    Scalar::Null,
                    texts(&names),
                    optional_texts(&types),
                    Scalar::Null,
                    text(&overload.body),
                    Scalar::Null,
                    Scalar::Boolean(false),
                    Scalar::Null,
                    listed.object_oid(definition.id.0),
                    texts(&[]),
                    Scalar::Null,
                    texts(&[]),
                ]);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::bind::own_functions;

    #[test]
    fn every_function_that_can_be_called_is_listed() {
        let listed = function_names();
        let tables = crate::io::TABLE_FUNCTIONS.iter().chain(crate::sql::sources::TABLE_FUNCTIONS);
        let missing: Vec<&str> = tables
            .copied()
            .chain(own_functions())
            .filter(|name| listed.binary_search_by(|l| l.as_str().cmp(name)).is_err())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        for (alias, of) in ALIASES {
            assert!(all().iter().any(|f| f.name == *alias && f.alias_of.as_deref() == Some(of)), "{alias}");
        }
    }
}
