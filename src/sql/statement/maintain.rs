//! CHECKPOINT, BACKUP, VACUUM, ANALYZE.

use std::path::Path;
use std::sync::Arc;

use sqlparser::ast::{Ident, ObjectName};

use crate::catalog::{Object, ObjectKind};
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, NamedDatabase, Outcome, Session};

/// CHECKPOINT, of the database of that name or of that in which objects are made.
pub fn checkpoint(session: &mut Session, database: Option<&Ident>) -> Result<Outcome, Failure> {
    let database = named(session, "CHECKPOINT", database)?;
    session.checkpoint(&database)?;
    Ok(Outcome::Done)
}

/// BACKUP, of the database of that name or of that in which objects are made. Changes of the transaction that runs are
/// not in it.
pub fn backup(session: &mut Session, database: Option<&Ident>, file: &str) -> Result<Outcome, Failure> {
    session.check_external_access(file)?;
    let database = named(session, "BACKUP", database)?;
    database.storage().newest();
    database.storage().backup(Path::new(file))?;
    Ok(Outcome::Done)
}

fn named(session: &Session, what: &str, name: Option<&Ident>) -> Result<Arc<NamedDatabase>, Failure> {
    let Some(name) = name else { return Ok(session.default_database()) };
    let view = session.read_view();
    let found = view.database(&name.value).ok_or_else(|| {
        let message = format!("Cannot {what}: there is no database \"{}\"", name.value);
        SqlError::catalog(message).at_span(name.span)
    })?;
    Ok(Arc::clone(found.database()))
}

/// VACUUM, which gives space back as CHECKPOINT does, but not within a transaction. ANALYZE has nothing to do:
/// statistics are kept with the rows. Both look whether what is named exists.
pub fn run(
    session: &mut Session,
    vacuum: bool,
    table: Option<&ObjectName>,
    columns: &[Ident],
) -> Result<Outcome, Failure> {
    let mut database = session.default_database();
    if let Some(name) = table {
        let view = session.read_view();
        let found = view.find(ObjectKind::Table, name)?;
        let Object::Table(table) = found.object else {
            let message = format!("can only vacuum or analyze tables, and {name} is none");
            return Err(SqlError::binder(message).at(name).into());
        };
        for column in columns {
            table.find_column(&column.value).map_err(|e| SqlError::from_catalog(&e).at_span(column.span))?;
        }
        database = Arc::clone(found.database.database());
    }
    if vacuum && !session.is_in_transaction() {
        session.checkpoint(&database)?;
    }
    Ok(Outcome::Done)
}
