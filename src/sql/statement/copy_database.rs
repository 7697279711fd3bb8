//! COPY FROM DATABASE: all objects of a database, or their rows, into another.

use crate::catalog::{MAIN_SCHEMA, Object};
use crate::sql::ast::CopyDatabase;
use crate::sql::bind::name::name_in_sql;
use crate::sql::error::SqlError;
use crate::sql::session::{Failure, Outcome, ReadView, SearchPath, Session};
use crate::sql::statement::ddl_text::{index_sql, objects_in_order, ownership_statements, schema_statements};
use crate::sql::statement::export::{run as run_text, stored_columns};
use crate::sql::statement::whole;

/// Copies.
pub fn run(session: &mut Session, copy: &CopyDatabase) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let name = |ident: &sqlparser::ast::Ident| {
        let found = view.database(&ident.value).map(|found| found.name().to_owned());
        found.ok_or_else(|| {
            let message = format!("Catalog \"{}\" does not exist!", ident.value);
            SqlError::binder(message).at_span(ident.span)
        })
    };
    let (from, to) = (name(&copy.from)?, name(&copy.to)?);
    if from == to {
        let message = format!("Cannot copy from \"{from}\" to \"{to}\" - FROM and TO databases are the same");
        return Err(SqlError::binder(message).at_span(copy.to.span).into());
    }
    let path = session.settings.search_path.clone();
    let done = whole(session, false, |session| {
        // What is made is made there, and names in definitions mean what is there.
        session.settings.search_path = SearchPath::new(vec![(to.clone(), MAIN_SCHEMA.to_owned())])?;
        for statement in statements(&session.read_view(), copy, &from, &to) {
            run_text(session, &statement).map_err(Failure::without_position)?;
        }
        Ok(Outcome::Done)
    });
    session.settings.search_path = path;
    done
}

/// The statements that copy.
fn statements(view: &ReadView, copy: &CopyDatabase, from: &str, to: &str) -> Vec<String> {
    let Some(found) = view.database(from) else { return vec![] };
    let mut out = if copy.schema { schema_statements(found.catalog()) } else { vec![] };
    let (mut rows, mut indexes) = (vec![], vec![]);
    for object in objects_in_order(found.catalog()) {
        if let Object::Table(table) = object.object {
            indexes.extend(table.indexes.iter().map(|index| index_sql(object.schema, table, index)));
            if let Some(columns) = stored_columns(table) {
                let name =
                    format!("{}.{}", name_in_sql(&object.schema.definition().name), name_in_sql(&table.name));
                let (from, to) = (name_in_sql(from), name_in_sql(to));
                rows.push(format!("INSERT INTO {to}.{name}({columns}) SELECT {columns} FROM {from}.{name}"));
            }
        }
        if copy.schema {
            out.push(object.sql);
        }
    }
    if copy.data {
        out.append(&mut rows);
    }
    if copy.schema {
        out.append(&mut indexes);
        out.extend(ownership_statements(found.catalog()));
    }
    out
}
