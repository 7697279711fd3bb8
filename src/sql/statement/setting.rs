//! SET, RESET, PRAGMA.

use sqlparser::ast::{Expr as Syntax, Ident};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::sql::ast::Show;
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::sources::RowsBuilder;
use crate::sql::statement::show;

/// Changes a setting of the session.
pub fn set(session: &mut Session, name: &Ident, value: &Syntax) -> Result<Outcome, Failure> {
    let value = match value {
        // A bare word is a text: SET default_order = DESC.
        Syntax::Identifier(word) => Scalar::text(&word.value),
        value => {
            let view = session.read_view();
            session.bind(&view, |binder| Ok(binder.bind_constant(value, "a setting")?))?.0
        }
    };
    session.settings.set(&name.value, &value).map_err(|e| e.at_span(name.span))?;
    Ok(Outcome::Done)
}

/// Gives a setting its default.
pub fn reset(session: &mut Session, name: &Ident) -> Result<Outcome, Failure> {
    let defaults = session.defaults().clone();
    session.settings.reset(&name.value, &defaults).map_err(|e| e.at_span(name.span))?;
    Ok(Outcome::Done)
}

/// `PRAGMA version`, `PRAGMA show_tables`, and the value of a setting.
pub fn pragma(session: &mut Session, name: &Ident, args: &[Syntax]) -> Result<Outcome, Failure> {
    match (name.value.to_lowercase().as_str(), args) {
        ("show_tables", []) => show::run(session, &Show::Tables),
        ("show_databases" | "database_list", []) => show::run(session, &Show::Databases),
        ("version", []) => {
            let mut rows = RowsBuilder::new(&[("library_version", LogicalType::Varchar)]);
            rows.push([Scalar::text(env!("CARGO_PKG_VERSION"))]);
            Ok(rows.finish("version")?.into())
        }
        ("table_info", [Syntax::Value(table)]) => {
            let sql = format!("FROM pragma_table_info({table})");
            session.run(&sql)
        }
        ("table_info", [Syntax::Identifier(table)]) => {
            let sql = format!("FROM pragma_table_info('{}')", table.value.replace('\'', "''"));
            session.run(&sql)
        }
        (setting, []) => match session.settings.get(setting) {
            Some(value) => {
                let mut rows = RowsBuilder::new(&[(setting, LogicalType::Varchar)]);
                rows.push([Scalar::text(value)]);
                Ok(rows.finish("setting")?.into())
            }
            None => Err(unknown(session, name).into()),
        },
        _ => Err(unknown(session, name).into()),
    }
}

fn unknown(session: &Session, name: &Ident) -> SqlError {
    let names = session.settings.list().map(|(name, ..)| name);
    let names = names.chain(["show_tables", "show_databases", "table_info", "version"]);
    SqlError::catalog(format!("Pragma Function with name {} does not exist!", name.value))
        .at_span(name.span)
        .did_you_mean(&name.value, names)
}
