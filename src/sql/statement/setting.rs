//! SET, RESET, PRAGMA, LOAD.

use sqlparser::ast::{Expr as Syntax, Ident};

use crate::column::scalar::Scalar;
use crate::sql::ast::Show;
use crate::sql::error::SqlError;
use crate::sql::parser::scalar_query;
use crate::sql::session::{
    Failure, Outcome, Parameters, Session, TypedValue, dictionary_cache_bytes, is_for_others,
};
use crate::sql::sources::RowsBuilder;
use crate::sql::statement::{attach, query, show};

/// Changes a setting of the session.
pub fn set(session: &mut Session, name: &Ident, value: &Syntax) -> Result<Outcome, Failure> {
    let value = match value {
        // A bare word is a text: SET default_order = DESC.
        Syntax::Identifier(word) => Scalar::text(&word.value),
        value => evaluate(session, value)?.0,
    };
    let setting = name.value.to_lowercase();
    let done = match setting.as_str() {
        "schema" | "search_path" => attach::set_search_path(session, &setting, &value),
        _ => session.settings.set(&setting, &value),
    };
    done.map_err(|e| e.at_span(name.span))?;
    share_memory(session);
    Ok(Outcome::Done)
}

/// Tells all databases how much memory they may use between queries.
fn share_memory(session: &Session) {
    let bytes = dictionary_cache_bytes(session.settings.memory_limit_bytes);
    for database in session.databases() {
        let cache = database.storage().dictionaries();
        if cache.budget() != bytes {
            cache.set_budget(bytes);
        }
    }
}

/// Gives a setting its default.
pub fn reset(session: &mut Session, name: &Ident) -> Result<Outcome, Failure> {
    let defaults = session.defaults().clone();
    session.settings.reset(&name.value, &defaults).map_err(|e| e.at_span(name.span))?;
    share_memory(session);
    Ok(Outcome::Done)
}

/// Gives a variable a value.
pub fn set_variable(session: &mut Session, name: &Ident, value: &Syntax) -> Result<Outcome, Failure> {
    let value = evaluate(session, value)?;
    session.variables.set(&name.value, Some(value));
    Ok(Outcome::Done)
}

/// The value of an expression, which may have subqueries.
fn evaluate(session: &Session, value: &Syntax) -> Result<TypedValue, Failure> {
    query::scalar(session, &*scalar_query(value.clone())?)
}

/// The setting of that name as a row.
pub fn show_setting(session: &Session, name: &str) -> Result<Option<Outcome>, Failure> {
    let Some(setting) = session.settings.get(name) else { return Ok(None) };
    let mut rows = RowsBuilder::new(&[(&setting.name, setting.ty.clone())]);
    rows.push([setting.scalar()]);
    Ok(Some(rows.finish("setting")?.into()))
}

/// Pragmas that tell DuckDB how to go about its work, and change nothing here.
const INERT_PRAGMAS: &[&str] = &[
    "disable_checkpoint_on_shutdown",
    "disable_object_cache",
    "disable_print_progress_bar",
    "disable_progress_bar",
    "enable_checkpoint_on_shutdown",
    "enable_object_cache",
    "enable_print_progress_bar",
    "enable_progress_bar",
];

/// Pragmas that list something, as table functions do whose names begin with `pragma_`.
const LISTING_PRAGMAS: &[&str] = &[
    "collations",
    "database_list",
    "database_size",
    "functions",
    "metadata_info",
    "platform",
    "show",
    "storage_info",
    "table_info",
    "user_agent",
    "version",
];

/// PRAGMA without `=`.
pub fn pragma(session: &mut Session, name: &Ident, args: &[Syntax]) -> Result<Outcome, Failure> {
    let lower = name.value.to_lowercase();
    match (lower.as_str(), args) {
        ("show_tables", []) => show::run(session, &Show::Tables(None)),
        ("show_tables_expanded", []) => show::run(session, &Show::AllTables),
        ("show_databases", []) => show::run(session, &Show::Databases),
        ("enable_optimizer", []) => optimizer(session, true),
        ("disable_optimizer", []) => optimizer(session, false),
        ("enable_profiling" | "enable_profile", []) => profile(session, "text"),
        ("disable_profiling" | "disable_profile", []) => profile(session, "off"),
        ("force_checkpoint", []) => Ok(Outcome::Done),
        ("import_database", [path]) => {
            session.run_text(&format!("IMPORT DATABASE {path}"), Parameters::default())
        }
        (listing, args) if LISTING_PRAGMAS.contains(&listing) => {
            let args: Vec<String> = args.iter().map(pragma_argument).collect();
            session.run_text(&format!("FROM pragma_{listing}({})", args.join(", ")), Parameters::default())
        }
        (inert, []) if INERT_PRAGMAS.contains(&inert) || is_for_others(inert) => Ok(Outcome::Done),
        _ => {
            let names = ["show_tables", "show_tables_expanded", "show_databases", "force_checkpoint"];
            let names = names.iter().chain(INERT_PRAGMAS).chain(LISTING_PRAGMAS);
            let error =
                SqlError::catalog(format!("Pragma Function with name {} does not exist!", name.value));
            Err(error.at_span(name.span).did_you_mean(&name.value, names).into())
        }
    }
}

/// CALL of what turns something on or off: `enable_profiling(format = 'json', save_location = 'file')` and others.
pub fn call(
    session: &mut Session,
    name: &Ident,
    args: &[(Option<Ident>, Syntax)],
) -> Result<Outcome, Failure> {
    let lower = name.value.to_lowercase();
    // What those are about that have no meaning here.
    let known: &[&str] = match lower.as_str() {
        "enable_profiling" => &["coverage", "format", "metrics", "mode", "save_location"],
        "enable_logging" => &["level", "storage", "storage_config", "storage_path", "storage_buffer_size"],
        _ => &[],
    };
    if let Some((Some(named), _)) = args
        .iter()
        .find(|(named, _)| named.as_ref().is_some_and(|n| !known.contains(&n.value.to_lowercase().as_str())))
    {
        let message = format!("Invalid named parameter \"{}\" for function {lower}", named.value);
        return Err(SqlError::binder(message).at_span(named.span).did_you_mean(&named.value, known).into());
    }
    let unnamed: Vec<&Syntax> = args.iter().filter(|(n, _)| n.is_none()).map(|(_, value)| value).collect();
    if unnamed.len() > usize::from(lower.starts_with("enable_")) {
        let message = format!("No function matches the given name and argument types '{lower}'");
        return Err(SqlError::binder(message).at_span(name.span).into());
    }
    let of = |wanted: &str| {
        let named =
            args.iter().find(|(n, _)| n.as_ref().is_some_and(|n| n.value.eq_ignore_ascii_case(wanted)));
        named.map(|(_, value)| value)
    };
    match lower.as_str() {
        "enable_profiling" => {
            let format = match of("format").or(unnamed.first().copied()) {
                Some(format) => evaluate(session, format)?.0,
                None => Scalar::text("text"),
            };
            let file = of("save_location").map(|file| evaluate(session, file)).transpose()?;
            session.settings.set("profile", &format)?;
            if let Some((file, _)) = file {
                session.settings.set("profile_output", &file)?;
            }
            Ok(Outcome::Done)
        }
        "disable_profiling" => profile(session, "off"),
        // There is no log of statements but that of slow ones, which has settings of its own.
        _ => Ok(Outcome::Done),
    }
}

/// UPDATE EXTENSIONS: none is installed, so there is nothing to update.
pub fn update_extensions(names: &[Ident]) -> Result<Outcome, Failure> {
    match names.first() {
        None => Ok(Outcome::Done),
        Some(name) => {
            let message =
                format!("Failed to update the extension '{}', the extension is not installed!", name.value);
            Err(SqlError::new(crate::sql::SqlErrorKind::InvalidInput, message).at_span(name.span).into())
        }
    }
}

fn optimizer(session: &mut Session, enabled: bool) -> Result<Outcome, Failure> {
    session.settings.set("enable_optimizer", &Scalar::Boolean(enabled))?;
    Ok(Outcome::Done)
}

fn profile(session: &mut Session, format: &str) -> Result<Outcome, Failure> {
    session.settings.set("profile", &Scalar::text(format))?;
    Ok(Outcome::Done)
}

/// A bare name is a text: `PRAGMA table_info(t)`.
fn pragma_argument(arg: &Syntax) -> String {
    let text = |text: String| format!("'{}'", text.replace('\'', "''"));
    match arg {
        Syntax::Identifier(ident) => text(ident.value.clone()),
        Syntax::CompoundIdentifier(parts) => {
            text(parts.iter().map(|p| p.value.as_str()).collect::<Vec<_>>().join("."))
        }
        other => other.to_string(),
    }
}

/// Extensions of DuckDB whose work is built in.
const BUILT_IN_EXTENSIONS: &[&str] = &["core_functions", "icu", "json", "parquet"];

/// INSTALL and LOAD: nothing is to be done for what is built in.
pub fn load(name: &Ident) -> Result<Outcome, Failure> {
    if BUILT_IN_EXTENSIONS.iter().any(|e| e.eq_ignore_ascii_case(&name.value)) {
        return Ok(Outcome::Done);
    }
    let error = SqlError::new(
        crate::sql::SqlErrorKind::Io,
        format!("Extension \"{}\" not found: there are no extensions beyond what is built in", name.value),
    );
    let known: Vec<_> = BUILT_IN_EXTENSIONS.iter().map(|e| format!("\"{e}\"")).collect();
    Err(error.at_span(name.span).hint(format!("Built in are {}.", known.join(", "))).into())
}
