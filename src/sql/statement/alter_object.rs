//! ALTER of views, sequences, macros, types and schemas.

use crate::catalog::{ObjectKind, SchemaDefinition};
use crate::sql::ast::{AlterObject, Alteration};
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::{object, sequence};

/// Changes the name of something.
pub fn run(session: &mut Session, alter: &AlterObject) -> Result<Outcome, Failure> {
    let new = match &alter.alteration {
        Alteration::Rename(new) => new,
        Alteration::Sequence(options) => return sequence::alter(session, alter, options),
        Alteration::SetSchema(_) => {
            return Err(SqlError::unsupported("SET SCHEMA is not supported yet").at(&alter.name).into());
        }
    };
    let mut writer = session.writer_of(alter.kind, &alter.name)?;
    if alter.kind == ObjectKind::Schema {
        let view = writer.read_view()?;
        let schema = match view.schema(&alter.name) {
            Ok((database, name)) => {
                let schema = database.catalog().schema(name).map_err(|e| SqlError::from_catalog(&e))?;
                SchemaDefinition::clone(schema.definition())
            }
            Err(_) if alter.if_exists => return Ok(Outcome::Done),
            Err(e) => return Err(e.into()),
        };
        writer.transaction()?.alter_schema(SchemaDefinition { name: new.value.as_str().into(), ..schema })?;
    } else if let Some(found) = object::find(&mut writer, alter.kind, &alter.name, alter.if_exists, "alter")?
    {
        writer.transaction()?.alter_object(found.with_name(&new.value))?;
    }
    writer.finish()?;
    Ok(Outcome::Done)
}
