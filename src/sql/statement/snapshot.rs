//! CREATE SNAPSHOT and DROP SNAPSHOT: moments of a database that `FROM t AS OF snapshot` reads, for as long as they are kept.
//! They are names of the open database, which all its connections share, and not in the file.

use std::sync::Arc;

use sqlparser::ast::Ident;

use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, SYSTEM_DATABASE, Session, TEMP_DATABASE};

/// Keeps the current database as of the last commit.
pub fn create(
    session: &mut Session,
    name: &Ident,
    or_replace: bool,
    if_not_exists: bool,
) -> Result<Outcome, Failure> {
    let fail = |message: String| SqlError::binder(message).at_span(name.span);
    if session.is_in_transaction() {
        // It would be as of the last commit, not of what the transaction sees.
        return Err(fail("CREATE SNAPSHOT cannot be part of a transaction".to_owned()).into());
    }
    if [TEMP_DATABASE, SYSTEM_DATABASE].iter().any(|reserved| reserved.eq_ignore_ascii_case(&name.value)) {
        return Err(fail(format!("reserved name \"{}\" cannot be used for a snapshot", name.value)).into());
    }
    let shared = Arc::clone(session.shared_databases());
    if let Some(found) = shared.find(&name.value) {
        let what = if found.is_frozen() { "snapshot" } else { "database" };
        if what == "snapshot" && if_not_exists {
            return Ok(Outcome::Done);
        }
        if what == "database" || !or_replace {
            return Err(fail(format!("a {what} with name \"{}\" already exists", name.value)).into());
        }
        shared.detach(&name.value);
    }
    let snapshot = session.default_database().freeze_as(&name.value);
    shared.attach(snapshot).map_err(|error| error.at_span(name.span))?;
    Ok(Outcome::Done)
}

/// Lets go of a snapshot. What reads it keeps it until it is done.
pub fn drop(session: &mut Session, name: &Ident, if_exists: bool) -> Result<Outcome, Failure> {
    let shared = Arc::clone(session.shared_databases());
    let all = shared.list();
    let snapshots = || all.iter().filter(|database| database.is_frozen());
    if snapshots().any(|snapshot| snapshot.name().eq_ignore_ascii_case(&name.value)) {
        shared.detach(&name.value);
        return Ok(Outcome::Done);
    }
    if if_exists {
        return Ok(Outcome::Done);
    }
    let error = SqlError::binder(format!("there is no snapshot \"{}\"", name.value)).at_span(name.span);
    Err(error.did_you_mean(&name.value, snapshots().map(|snapshot| snapshot.name().to_owned())).into())
}
