//! ATTACH, DETACH, USE, and the path along which names are looked up.

use std::path::Path;
use std::sync::Arc;

use sqlparser::ast::{Expr as Syntax, Ident, ObjectName};

use crate::catalog::MAIN_SCHEMA;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::sql::ast::{Attach, Detach, NamedOption};
use crate::sql::error::{Result, SqlError, SqlErrorKind};
use crate::sql::parser::parse_name;
use crate::sql::session::{
    Failure, NamedDatabase, Outcome, ReadView, SYSTEM_DATABASE, SearchPath, Session, TEMP_DATABASE,
    dictionary_cache_bytes, log_bytes_max, name_of_file, parts,
};
use crate::table::{Storage, StorageOptions};

/// Attaches the database in a file, or a new one in memory.
pub fn attach(session: &mut Session, attach: &Attach) -> Result<Outcome, Failure> {
    let path = text(session, &attach.path, "the path of ATTACH")?;
    let options = options(session, &attach.options)?;
    let in_memory = path.is_empty() || path == ":memory:";
    if !in_memory {
        session.check_external_access(&path).map_err(|e| e.at(&attach.path))?;
    }
    let name = match &attach.name {
        Some(name) => name.value.clone(),
        None if in_memory => "memory".to_owned(),
        None => name_of_file(Path::new(&path)),
    };
    let reserved = [TEMP_DATABASE, SYSTEM_DATABASE].iter().any(|r| r.eq_ignore_ascii_case(&name));
    let name = match &attach.name {
        Some(given) if reserved => {
            let message =
                format!("reserved name \"{}\" cannot be used for an attached database", given.value);
            return Err(SqlError::binder(message).at_span(given.span).into());
        }
        None if reserved => format!("{name}_db"),
        _ => name,
    };
    let shared = Arc::clone(session.shared_databases());
    if let Some(found) = shared.find(&name) {
        if attach.if_not_exists {
            return Ok(Outcome::Done);
        }
        if !attach.or_replace {
            let message = format!("Failed to attach database: database with name \"{name}\" already exists");
            return Err(SqlError::binder(message).at(&attach.path).into());
        }
        detachable(session, &found)?;
        shared.detach(&name);
    }
    let database = if in_memory {
        NamedDatabase::new(&name, None, Storage::memory(&options)?)
    } else {
        let file = std::path::absolute(&path).unwrap_or_else(|_| path.clone().into());
        let same = |other: &&Arc<NamedDatabase>| {
            other.path().is_some_and(|p| std::path::absolute(p).is_ok_and(|p| p == file))
        };
        if let Some(other) = shared.list().iter().find(same) {
            let message = format!(
                "Unique file handle conflict: Cannot attach \"{name}\" - the database file \"{path}\" is already \
                 attached by database \"{}\"",
                other.name()
            );
            return Err(SqlError::binder(message).at(&attach.path).into());
        }
        NamedDatabase::new(&name, Some(file), Storage::open(Path::new(&path), &options)?)
    };
    shared.attach(database).map_err(|e| e.at(&attach.path))?;
    Ok(Outcome::Done)
}

/// What the options of ATTACH say.
fn options(session: &Session, given: &[NamedOption]) -> Result<StorageOptions, Failure> {
    let dictionary_cache_bytes = dictionary_cache_bytes(session.settings.memory_limit_bytes);
    let log_bytes_max = log_bytes_max(session.settings.memory_limit_bytes);
    let mut options = StorageOptions { log_bytes_max, dictionary_cache_bytes, ..StorageOptions::default() };
    for (name, value) in given {
        let constant = match value {
            Some(Syntax::Identifier(word)) => Scalar::text(&word.value),
            Some(value) => constant(session, value)?,
            None => Scalar::Boolean(true),
        };
        let flag = |value: &Scalar| match value {
            Scalar::Boolean(b) => Ok(*b),
            Scalar::Text(t) if t.eq_ignore_ascii_case("true") => Ok(true),
            Scalar::Text(t) if t.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(SqlError::binder(format!("{} is true or false", name.value)).at_span(name.span)),
        };
        let is_ours = |kind: &str| ["duckdb", "fluxdb"].iter().any(|k| kind.eq_ignore_ascii_case(k));
        match (name.value.to_lowercase().as_str(), &constant) {
            ("read_only" | "readonly", value) => options.read_only = flag(value)?,
            ("read_write" | "readwrite", value) => options.read_only = !flag(value)?,
            ("type", Scalar::Text(kind)) if is_ours(kind) => {}
            ("block_size" | "page_size", Scalar::Int(bytes)) => {
                options.page_size = u32::try_from(*bytes).map_err(|_| {
                    SqlError::invalid(format!("{bytes} is no size of a page")).at_span(name.span)
                })?;
            }
            ("type", _) => {
                let message = "the type of an attached database can only be fluxdb";
                return Err(SqlError::unsupported(message).at_span(name.span).into());
            }
            (other, _) => {
                let error = SqlError::binder(format!("Unrecognized option for attach \"{other}\""));
                let known = ["read_only", "read_write", "type", "page_size"];
                return Err(error.at_span(name.span).did_you_mean(other, known).into());
            }
        }
    }
    Ok(options)
}

fn constant(session: &Session, value: &Syntax) -> Result<Scalar, Failure> {
    let view = session.read_view();
    Ok(session.bind(&view, |binder| Ok(binder.bind_constant(value, "an option")?))?.0)
}

/// The text of a constant, or of a bare word.
pub fn text(session: &Session, value: &Syntax, what: &str) -> Result<String, Failure> {
    if let Syntax::Identifier(word) = value {
        return Ok(word.value.clone());
    }
    let view = session.read_view();
    let ty = LogicalType::Varchar;
    match session.bind(&view, |binder| Ok(binder.bind_constant_as(value, &ty, what)?))? {
        Scalar::Text(text) => Ok(text.to_string()),
        _ => Err(SqlError::binder(format!("{what} must be a text")).at(value).into()),
    }
}

/// Whether a database may be detached.
fn detachable(session: &Session, database: &Arc<NamedDatabase>) -> Result<(), SqlError> {
    if session.settings.search_path.database().eq_ignore_ascii_case(database.name()) {
        return Err(SqlError::binder(format!(
            "Cannot detach database \"{}\" because it is the default database. Select a different database using \
             `USE` to allow detaching this database",
            database.name()
        )));
    }
    if Arc::ptr_eq(database, session.shared_databases().opened()) {
        return Err(SqlError::binder(format!(
            "Cannot detach database \"{}\": it is the one that was opened",
            database.name()
        )));
    }
    Ok(())
}

/// Detaches a database.
pub fn detach(session: &mut Session, detach: &Detach) -> Result<Outcome, Failure> {
    let name = &detach.name;
    match session.shared_databases().find(&name.value) {
        Some(found) => {
            detachable(session, &found).map_err(|e| e.at_span(name.span))?;
            session.shared_databases().detach(&name.value);
            Ok(Outcome::Done)
        }
        None if detach.if_exists => Ok(Outcome::Done),
        None => {
            let message =
                format!("Failed to detach database with name \"{}\": database not found", name.value);
            let names: Vec<_> = session.databases().iter().map(|d| d.name().to_owned()).collect();
            Err(SqlError::binder(message).at_span(name.span).did_you_mean(&name.value, names).into())
        }
    }
}

/// Makes a database and a schema those in which objects are made.
pub fn use_database(session: &mut Session, name: &ObjectName) -> Result<Outcome, Failure> {
    let entry = path_entry(&session.read_view(), name)?;
    session.settings.search_path = SearchPath::new(vec![entry])?;
    Ok(Outcome::Done)
}

/// `SET schema` and `SET search_path`.
pub fn set_search_path(session: &mut Session, setting: &str, value: &Scalar) -> Result<()> {
    let Scalar::Text(text) = value else {
        return Err(SqlError::invalid(format!("{setting} takes a text")));
    };
    let names: Vec<&str> = if setting == "schema" { vec![text] } else { text.split(',').collect() };
    let view = session.read_view();
    let mut entries = vec![];
    for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
        // What is built in is found wherever names are looked up.
        if name.eq_ignore_ascii_case("pg_catalog") && names.len() > 1 {
            continue;
        }
        let name = parse_name(name).map_err(|_| no_such_schema(name))?;
        entries.push(path_entry(&view, &name)?);
    }
    session.settings.search_path =
        if entries.is_empty() { session.defaults().search_path.clone() } else { SearchPath::new(entries)? };
    Ok(())
}

/// The database and schema that a name of one or two parts means.
fn path_entry(view: &ReadView, name: &ObjectName) -> Result<(String, String)> {
    let missing = || no_such_schema(&name.to_string()).at(name);
    let in_database = |database: &Ident, schema: &str| {
        let database = view.database(&database.value)?;
        let schema = database.catalog().schema(schema).ok()?;
        Some((database.name().to_owned(), schema.definition().name.to_string()))
    };
    match parts(name)?[..] {
        [one] => {
            let in_default = view.schema(name).ok().map(|(d, s)| (d.name().to_owned(), s.to_owned()));
            in_default.or_else(|| in_database(one, MAIN_SCHEMA)).ok_or_else(missing)
        }
        [database, schema] => in_database(database, &schema.value).ok_or_else(missing),
        _ => Err(missing()),
    }
}

fn no_such_schema(name: &str) -> SqlError {
    let message = format!("SET schema: No catalog + schema named \"{name}\" found.");
    SqlError::new(SqlErrorKind::Catalog, message)
}
