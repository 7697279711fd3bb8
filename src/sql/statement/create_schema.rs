//! CREATE SCHEMA.

use sqlparser::ast::SchemaName;

use crate::sql::bind::object_name;
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, Session};

/// Makes a schema.
pub fn run(session: &mut Session, name: &SchemaName, if_not_exists: bool) -> Result<Outcome, Failure> {
    let SchemaName::Simple(name) = name else {
        return Err(SqlError::unsupported("CREATE SCHEMA with AUTHORIZATION is not supported").into());
    };
    let (None, ident) = object_name(name)? else {
        return Err(SqlError::binder("a schema cannot be in another").at(name).into());
    };
    if ident.value.eq_ignore_ascii_case("information_schema") {
        return Err(SqlError::catalog("the schema information_schema exists already").at(name).into());
    }
    let mut writer = session.writer()?;
    let exists = writer.transaction()?.catalog().schema(&ident.value).is_ok();
    if !(exists && if_not_exists) {
        writer.transaction()?.create_schema(&ident.value)?;
    }
    writer.finish()?;
    Ok(Outcome::Done)
}
