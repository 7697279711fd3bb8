//! `pragma_version()` and their like: what this is, and what it has open.

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::error::{ExecError, Result};
use crate::sql::bind::Environment;
use crate::sql::session::format_bytes;
use crate::sql::sources::rows::{int, optional, text};
use crate::sql::sources::system::Listed;
use crate::sql::sources::{RowsBuilder, texts};

/// The rows of a table function of this name, if there is one.
pub fn listing(env: &Environment<'_>, name: &str) -> Option<Result<RowsBuilder>> {
    Some(Ok(match name {
        "duckdb_extensions" => extensions(),
        "duckdb_keywords" => keywords(),
        "duckdb_memory" => memory(env),
        "duckdb_optimizers" => optimizers(),
        "duckdb_prepared_statements" => prepared_statements(env),
        "duckdb_secrets" => secrets(),
        "pragma_collations" => {
            let mut rows = RowsBuilder::new(&[("collname", T::Varchar)]);
            for name in ["binary", "c", "noaccent", "nocase", "posix"] {
                rows.push([text(name)]);
            }
            rows
        }
        "pragma_database_list" => database_list(env),
        "pragma_database_size" => return Some(database_size(env)),
        "pragma_platform" => {
            let mut rows = RowsBuilder::new(&[("platform", T::Varchar)]);
            rows.push([text(&platform())]);
            rows
        }
        "pragma_user_agent" => {
            let mut rows = RowsBuilder::new(&[("user_agent", T::Varchar)]);
            rows.push([text(&format!("fluxdb/v{}({})", env!("CARGO_PKG_VERSION"), platform()))]);
            rows
        }
        "pragma_version" => {
            let mut rows = RowsBuilder::new(&[("library_version", T::Varchar)]);
            rows.push([text(concat!("v", env!("CARGO_PKG_VERSION")))]);
            rows
        }
        _ => return None,
    }))
}

fn platform() -> String {
    format!("{}_{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// What DuckDB has as extensions and is built in here.
fn extensions() -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("extension_name", T::Varchar),
        ("loaded", T::Boolean),
        ("installed", T::Boolean),
        ("install_path", T::Varchar),
        ("description", T::Varchar),
        ("aliases", T::List(Box::new(T::Varchar))),
        ("extension_version", T::Varchar),
        ("install_mode", T::Varchar),
        ("installed_from", T::Varchar),
    ]);
    for (name, description) in [
        ("icu", "Time zones and calendars"),
        ("json", "Functions on JSON, and JSON files"),
        ("parquet", "Parquet files"),
    ] {
        let (yes, built_in) = (Scalar::Boolean(true), text("(BUILT-IN)"));
        let (aliases, version) =
            (texts(std::iter::empty::<&str>()), text(concat!("v", env!("CARGO_PKG_VERSION"))));
        let mode = text("STATICALLY_LINKED");
        let head = [text(name), yes.clone(), yes, built_in, text(description)];
        rows.push(head.into_iter().chain([aliases, version, mode, text("")]));
    }
    rows
}

/// The words that the grammar knows, and whether they can be names.
fn keywords() -> RowsBuilder {
    use sqlparser::keywords::{
        ALL_KEYWORDS, ALL_KEYWORDS_INDEX, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_TABLE_ALIAS,
    };
    let mut rows = RowsBuilder::new(&[("keyword_name", T::Varchar), ("keyword_category", T::Varchar)]);
    for (name, keyword) in ALL_KEYWORDS.iter().zip(ALL_KEYWORDS_INDEX) {
        let category =
            match (RESERVED_FOR_COLUMN_ALIAS.contains(keyword), RESERVED_FOR_TABLE_ALIAS.contains(keyword)) {
                (true, _) => "reserved",
                (false, true) => "type_function",
                _ => "unreserved",
            };
        rows.push([text(&name.to_lowercase()), text(category)]);
    }
    rows
}

/// What takes memory and temporary space, for each purpose.
fn memory(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("tag", T::Varchar),
        ("memory_usage_bytes", T::BigInt),
        ("temporary_storage_bytes", T::BigInt),
    ]);
    let databases = env.tables.names().databases().iter();
    let cached: u64 = databases.map(|d| d.database().storage().dictionaries().bytes() as u64).sum();
    rows.push([text("DICTIONARIES"), int(cached), int(0)]);
    let running = || env.activity.queries().into_iter().filter(|query| query.state == "running");
    let (used, spilled) =
        running().fold((0, 0), |(used, spilled), q| (used + q.memory_used, spilled + q.temp_used));
    rows.push([text("QUERIES"), int(used), int(spilled)]);
    rows
}

/// The rules of the optimizer.
fn optimizers() -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[("name", T::Varchar)]);
    for name in crate::sql::optimize::RULES {
        rows.push([text(name)]);
    }
    rows
}

/// What PREPARE has kept. The types of parameters are those of the values that they are given.
fn prepared_statements(env: &Environment<'_>) -> RowsBuilder {
    let types = T::List(Box::new(T::Varchar));
    let mut rows = RowsBuilder::new(&[
        ("name", T::Varchar),
        ("statement", T::Varchar),
        ("parameter_types", types.clone()),
        ("result_types", types),
    ]);
    let mut all: Vec<_> = env.prepared.all().collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    for (name, prepared) in all {
        let parameters = texts(prepared.parameters.iter().map(|_| "UNKNOWN"));
        rows.push([text(name), text(prepared.body()), parameters, Scalar::Null]);
    }
    rows
}

/// Secrets, of which there are none: no file is read over a network.
fn secrets() -> RowsBuilder {
    RowsBuilder::new(&[
        ("name", T::Varchar),
        ("type", T::Varchar),
        ("provider", T::Varchar),
        ("persistent", T::Boolean),
        ("storage", T::Varchar),
        ("scope", T::List(Box::new(T::Varchar))),
        ("secret_string", T::Varchar),
    ])
}

/// The databases that can be named, but that of temporary objects.
fn database_list(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[("seq", T::BigInt), ("name", T::Varchar), ("file", T::Varchar)]);
    for (i, view) in env.tables.names().databases().iter().enumerate() {
        let database = view.database();
        if !database.is_temporary() {
            let path = database.path().map(|p| p.to_string_lossy());
            rows.push([int(i as u64 + 1), text(database.name()), optional(path.as_deref())]);
        }
    }
    rows
}

fn database_size(env: &Environment<'_>) -> Result<RowsBuilder> {
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("database_size", T::Varchar),
        ("block_size", T::BigInt),
        ("total_blocks", T::BigInt),
        ("memory_limit", T::Varchar),
    ]);
    for listed in Listed::all(env).into_iter().filter(|d| !d.is_temporary()) {
        let storage = listed.view.database().storage();
        let bytes = storage.file_bytes().map_err(ExecError::Storage)?;
        let page = u64::from(storage.options().page_size);
        let limit: Scalar = text(&format_bytes(env.settings.memory_limit_bytes));
        rows.push([
            text(listed.view.name()),
            text(&format_bytes(bytes)),
            int(page),
            int(bytes / page),
            limit,
        ]);
    }
    Ok(rows)
}
