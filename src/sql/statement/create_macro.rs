//! CREATE MACRO, also called CREATE FUNCTION.

use std::collections::BTreeSet;

use crate::catalog::{MacroDefinition, MacroKind, MacroOverload, MacroParameter, ObjectId, ObjectKind};
use crate::sql::ast::{CreateMacro, TextSpan};
use crate::sql::bind::macros::is_final;
use crate::sql::error::{Result, SqlError};
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::object;

/// Makes a macro. Its text is kept; what it uses must exist now.
pub fn run(session: &mut Session, create: &CreateMacro, sql: &str) -> Result<Outcome, Failure> {
    let is_table = create.overloads.iter().any(|o| o.is_table);
    if is_table && !create.overloads.iter().all(|o| o.is_table) {
        let message = "all bodies of a macro must be expressions, or all must be queries";
        return Err(SqlError::parser(message).at(&create.create.name).into());
    }
    let kind = if is_table { MacroKind::Table } else { MacroKind::Scalar };
    let object_kind = if is_table { ObjectKind::TableMacro } else { ObjectKind::Macro };
    let overloads = create.overloads.iter().map(|body| {
        let mut parameters: Vec<MacroParameter> = vec![];
        for parameter in &body.parameters {
            let name = parameter.name.value.as_str();
            if parameters.iter().any(|p| p.name.eq_ignore_ascii_case(name)) {
                let message = format!("Duplicate parameter \"{name}\" in macro definition");
                return Err(SqlError::parser(message).at_span(parameter.name.span));
            }
            parameters.push(MacroParameter {
                name: name.into(),
                ty: parameter.ty.map(|t| text(t, sql)).transpose()?,
                default: parameter.default.map(|d| text(d, sql)).transpose()?,
            });
        }
        Ok(MacroOverload { parameters, body: text(body.text, sql)?, returns: None })
    });
    let overloads = overloads.collect::<Result<Vec<_>>>()?;
    let mut writer = session.writer_to(&create.create)?;
    let Some(place) = object::place(&mut writer, &create.create, object_kind)? else {
        return Ok(Outcome::Done);
    };
    let definition = MacroDefinition {
        id: ObjectId::NONE,
        schema: place.schema,
        name: place.name.clone(),
        comment: None,
        kind,
        overloads,
    };
    let view = writer.read_view()?;
    writer.session().bind(&view, |binder| {
        binder.check_parameters(&definition).map_err(|e| e.at(&create.create.name))?;
        for overload in &definition.overloads {
            match binder.try_macro(kind, overload) {
                Err(e) if is_final(&e) => {
                    return Err(SqlError { position: None, ..e }.at(&create.create.name).into());
                }
                _ => binder.refuse_pivot_on_data("macro").map_err(|e| e.at(&create.create.name))?,
            }
        }
        Ok(())
    })?;
    object::put(&mut writer, &place, definition, &BTreeSet::new())?;
    writer.finish()?;
    Ok(Outcome::Done)
}

fn text(span: TextSpan, sql: &str) -> Result<Box<str>> {
    span.of(sql).map(Into::into).ok_or_else(|| SqlError::internal("the text of the macro was lost"))
}
