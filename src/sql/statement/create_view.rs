//! CREATE VIEW.

use std::collections::BTreeSet;

use crate::catalog::{ObjectKind, ViewDefinition};
use crate::sql::ast::CreateView;
use crate::sql::bind::name::name_in_sql;
use crate::sql::error::SqlError;
use crate::sql::parser::parse_query;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::object;

/// Makes a view. Its text is kept; it must fit what exists now.
pub fn run(session: &mut Session, view: &CreateView, sql: &str) -> Result<Outcome, Failure> {
    let text =
        view.text.of(sql).ok_or_else(|| SqlError::internal("the text of the view's query was lost"))?;
    let mut names: Vec<Box<str>> = view.columns.iter().map(|c| c.value.as_str().into()).collect();
    let mut writer = session.writer_to(&view.create)?;
    let Some(place) = object::place(&mut writer, &view.create, ObjectKind::View)? else {
        return Ok(Outcome::Done);
    };
    let (mut query, mut text) = (view.query.clone(), text.to_owned());
    if view.recursive {
        if names.is_empty() {
            let error = SqlError::parser("a recursive view needs names for its columns");
            return Err(error.at(&view.create.name).into());
        }
        let columns: Vec<_> = names.drain(..).map(|n| name_in_sql(&n)).collect();
        let name = name_in_sql(&place.name);
        text = format!("WITH RECURSIVE {name}({}) AS ({text}) FROM {name}", columns.join(", "));
        query = parse_query(&text)?;
    }
    let now = writer.read_view()?;
    let schema = now.focus().catalog().schema_by_id(place.schema);
    let schema = schema.ok_or_else(|| SqlError::internal("the view's schema was lost"))?;
    let now = now.within(now.focus(), &schema.definition().name).unwrap_or_else(|| now.clone());
    let bound = writer.session().bind(&now, |binder| {
        let bound = binder.bind_query(&query, None)?;
        binder.refuse_pivot_on_data("view").map_err(|e| e.at(&view.create.name))?;
        Ok(bound)
    });
    let width = match bound {
        Ok(bound) => bound.columns.len(),
        // Places in a text that was put together mean nothing.
        Err(Failure::Sql(e)) if view.recursive => {
            return Err(SqlError { position: None, ..e }.at(&view.create.name).into());
        }
        Err(e) => return Err(e),
    };
    if names.len() > width {
        let message = format!("More VIEW aliases than columns in query result: {} for {width}", names.len());
        return Err(SqlError::binder(message).at(&view.create.name).into());
    }
    let definition = ViewDefinition::new(place.schema, &place.name, &text, names);
    object::put(&mut writer, &place, definition, &BTreeSet::new())?;
    writer.finish()?;
    Ok(Outcome::Done)
}
